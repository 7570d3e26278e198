use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::*;
use crate::cli::args::reading::Bound;
use crate::model::agent_output::{SignKind, Wanted};
use crate::model::alert::{AlertForm, AlertKind};
use crate::model::layer::Cost;
use crate::model::limits::LimitKind;
use crate::model::reading::Stream;

const FULL: &str = r#"version = 1
project = "My App"
state_dir = ".agents"

[run]
jobs = 8
timeout = "1h30m"
idle_timeout = 90
deadline = "2d"
max_wait = "0s"
retries = 0
fail_fast = true
isolation = "shared"
verify = ["cargo test", "cargo clippy"]
agent = "kilo"
grace = "10s"
tick = "never"
id_prefix = "x-"

[redis]
url = "redis://:secret@localhost:6379/0"
required = false
prefix = "mcp"
ttl = "3d"

[agents.kilo]
limit = 2
memory = "1GiB"
env = { KILO_LOG = "debug" }
limits = { memory = "4GiB", disk = "none" }

[limits]
memory = "1.5 G"
processes = 200
output = "64MiB"
disk = 1073741824
disk_free = "5GiB"

[agents.mine]
program = "my-agent"
args = ["run", "{prompt_file}"]
prompt = "file"
pass_env = ["MY_KEY"]
success_codes = [0, 3]
completion = "optional"

[agents.command]
kind = "command"
pass_env = "*"

[roles]
Designer = "kilo"
"@researcher" = { agent = "mine", layer = 3 }
Reviewer = { agent = "kilo" }

[[layers]]
layer = 2
agent = "mine"
model = "b"
provider = "p"
cost = "paid"
context = 200_000
price = { input = 1, output = 4.5 }

[[layers]]
layer = 1
agent = "kilo"
model = "a"
provider = "kilo"
cost = "free"

[models]
policy = "pay"
approve_paid = true
reason = "the demo"
deny = ["model c"]

[models.aliases]
a = "a-2026"
b = ["b1", "b2"]

[models.fallbacks]
b = ["a"]

[providers.p]
limit = 2
requests_per_minute = 20
tokens_per_day = 1000000
budget_usd_per_month = 20
key_env = "P_KEY"

[gateway]
mode = "auto"

[workspace]
copy = [".env"]
link = ["node_modules"]
prepare = ["npm ci"]
ports = 3
limit = 4

[ownership]
mode = "warn"

[[alerts]]
name = "ops"
when = ["run_ended", "task_failed"]
webhook = "https://hooks.example/${HOOK}"
form = "json"
token = "${HOOK_TOKEN}"
allow_insecure = false
timeout = "5s"
retries = 2
stalled_after = "1h"

[[alerts]]
when = "budget"
command = ["notify-send", "orchestrate"]

[[alerts]]
webhook = "https://api.telegram.org/bot${BOT}/sendMessage"
chat = "-1001"

[[agents.mine.signs]]
pattern = 'retry in (?<retry_after>\d+)s'
kind = "rate_limited"
stream = "stdout"
also_on_success = true

[agents.mine.events]
stream = "stderr"
session = "session.id"
model = { path = "model", when = { type = "init" } }
turns = { path = "turns", when = {} }
doing = { path = ["tool", 'input\.0.name'], when = { type = "tool" } }
text = { path = "text", when = { type = "text" }, join = true }
tokens = { input = ["in", "cached"], output = "out", when = { type = "end" }, sum = true }
cost = { path = "usd", when = { type = "end" }, sum = true }
done = { when = { type = "end", "error.code" = 0, ok = true } }

[[agents.mine.events.errors]]
when = { type = "error" }
message = "error.message"
status = "error.status"
retry_after = "error.after"
kind = "exited"
recoverable = true

[agents.again]
program = "again"
resume_args = ["--resume", "{session}"]
"#;

/// Every mistake on a line, its hints below it.
fn mistakes(text: &str) -> String {
    let error = read("orchestrate.toml", text).unwrap_err();
    let mut shown = String::new();
    for problem in &error.problems {
        writeln!(shown, "{}:{}+{} {}", problem.line, problem.column, problem.length, problem.message)
            .unwrap();
        for hint in &problem.hints {
            writeln!(shown, "    {hint}").unwrap();
        }
    }
    shown
}

#[test]
fn every_key_is_read() {
    let config = read("orchestrate.toml", FULL).unwrap();
    assert_eq!(config.project.as_deref(), Some("My App"));
    assert_eq!(config.run.jobs, Some(8));
    assert_eq!(config.run.timeout, Some(Span::minutes(90)));
    assert_eq!(config.run.idle_timeout, Some(Span::seconds(90)));
    assert_eq!(config.run.max_wait, Some(Span::seconds(0)));
    assert_eq!(config.run.retries, Some(0));
    assert_eq!(config.run.tick, Some(TickMode::Never));
    assert_eq!(config.run.verify.as_ref().map(Vec::len), Some(2));
    let redis = config.redis.as_ref().unwrap();
    assert_eq!((redis.required, redis.ttl), (Some(false), Some(Span::seconds(3 * 86_400))));
    assert!(!format!("{config:?}").contains("secret"), "no password in a debug form");
    assert_eq!(config.agents["kilo"].memory, Some(1 << 30));
    let limits = |table: &LimitsTable| LimitKind::ALL.map(|kind| table.get(kind));
    assert_eq!(
        limits(&config.limits),
        [3 << 29, 200, 64 << 20, 1 << 30, 5 << 30].map(|limit| Some(Bound::At(limit)))
    );
    assert_eq!(
        limits(&config.agents["kilo"].limits),
        [Some(Bound::At(4 << 30)), None, None, Some(Bound::None), None]
    );
    assert_eq!(config.agents["kilo"].env["KILO_LOG"], "debug");
    assert_eq!(config.agents["mine"].success_codes, Some(vec![0, 3]));
    assert_eq!(config.agents["mine"].pass_env, Some(PassEnv::Names(vec!["MY_KEY".to_owned()])));
    assert!(config.agents["command"].pass_env.as_ref().unwrap().allows("ANY"));
    assert_eq!(config.roles["@researcher"], Role { agent: Some("mine".to_owned()), layer: Some(3) });
    assert_eq!(config.roles["Reviewer"], Role { agent: Some("kilo".to_owned()), layer: None });
    let layers = config.layers.as_ref().unwrap();
    assert_eq!(layers.iter().map(|layer| layer.layer).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((layers[1].cost, layers[1].context), (Cost::Paid, Some(200_000)));
    assert_eq!(config.models.aliases["a"], ["a-2026"]);
    assert_eq!(config.models.aliases["b"], ["b1", "b2"]);
    assert_eq!(config.models.fallbacks["b"], ["a"]);
    assert_eq!(config.providers["p"].budget_usd_per_month, Some(20.0));
    assert_eq!(config.workspace.ports, Some(3));
    let signs = config.agents["mine"].signs.as_ref().unwrap();
    assert_eq!((signs[0].kind, signs[0].stream), (SignKind::RateLimited, Stream::Stdout));
    let events = config.agents["mine"].events.as_ref().unwrap();
    assert_eq!(events.stream, Stream::Stderr);
    let session = events.session.as_ref().unwrap();
    assert_eq!((session.path[0].to_string(), session.when.len()), ("session.id".to_owned(), 0));
    assert_eq!(events.doing.as_ref().unwrap().path[1].parts(), ["input.0", "name"]);
    let done: Vec<&Wanted> = events.done.as_ref().unwrap().when.values().collect();
    assert_eq!(done, [&Wanted::Number(0), &Wanted::Flag(true), &Wanted::Text("end".to_owned())]);
    assert!(events.errors[0].recoverable);
    assert_eq!(config.agents["again"].resume_args.as_ref().unwrap().len(), 2);
    assert_eq!(config.ownership.mode, Some(OwnershipMode::Warn));
    assert_eq!(config.alerts[0].when, Some(vec![AlertKind::RunEnded, AlertKind::TaskFailed]));
    assert_eq!(config.alerts[0].form, Some(AlertForm::Json));
    assert_eq!(config.alerts[1].when, Some(vec![AlertKind::Budget]));
    assert_eq!(config.alerts[1].command, Some(vec!["notify-send".to_owned(), "orchestrate".to_owned()]));
    assert_eq!((config.alerts[2].when.as_ref(), config.alerts[2].chat.as_deref()), (None, Some("-1001")));
    assert!(!format!("{config:?}").contains("hooks.example"));
    assert_eq!(config.line("run.jobs"), Some(6));
    assert_eq!(config.line("agents.mine"), Some(39));
    assert_eq!(config.line("roles.Designer"), Some(52));
}

#[test]
fn unknown_keys_are_refused_with_place_and_suggestion() {
    assert_eq!(
        mistakes(
            "version = 1\ntimeout = '5m'\nprojct = 'x'\n\n[run]\njbos = 3\n  idle-timeout = '3m'\nworkers = 3\n\n[agent.kilo]\nlimit = 1\n\n[agents.kilo]\nmodel = 'x'\n"
        ),
        "\
2:1+7 unknown key `timeout` at the top
    `timeout` belongs in `[run]`
3:1+6 unknown key `projct` at the top
    did you mean `project`?
6:1+4 unknown key `jbos` in `[run]`
    did you mean `jobs`?
7:3+12 unknown key `idle-timeout` in `[run]`
    did you mean `idle_timeout`?
8:1+7 unknown key `workers` in `[run]`
    known here: jobs, timeout, idle_timeout, deadline, max_wait, retries, fail_fast, isolation, verify, agent, grace, tick, id_prefix
10:2+5 unknown table `agent` at the top
    did you mean `agents`?
14:1+5 unknown key `model` in `[agents.kilo]`
    known here: kind, program, args, resume_args, prompt, env, pass_env, success_codes, limit, memory, limits, completion, signs, events, max_steps
"
    );
}

#[test]
fn wrong_values_are_refused_all_at_once() {
    assert_eq!(
        mistakes(
            "version = 1\n[run]\njobs = 0\ntimeout = 'soon'\nidle_timeout = 0\nretries = '2'\nfail_fast = 1\ntick = 'nver'\nverify = 'cargo test'\nagent = ''\ngrace = -5\n[agents.x]\npass_env = 'KEY'\nmemory = '1 parsec'\nprompt = 'stdn'\nsuccess_codes = ['a']\nenv = { A = 1 }\n[roles]\nA = 3\nB = {}\n"
        ),
        "\
3:8+1 `run.jobs` has to be from 1 to 1024
4:11+6 `soon` is no duration: write it like `90s`, `20m` or `1h30m` (a bare number is seconds)
5:16+1 `run.idle_timeout` has to be more than nothing
6:11+3 `run.retries` has to be a whole number, not text
7:13+1 `run.fail_fast` has to be `true` or `false`, not a whole number
8:8+6 `run.tick` has to be `\"auto\"` or `\"never\"`, not `nver`
    did you mean `\"never\"`?
9:10+12 `run.verify` has to be a list of texts, not text
    write it in brackets: `verify = [\"cargo test\"]`
10:9+2 `run.agent` is empty
11:9+2 a duration cannot be negative
13:12+5 `agents.x.pass_env` has to be a list of names, or `\"*\"`
    write it in brackets: `pass_env = [\"KEY\"]`
14:10+10 `1 parsec` is no size: write it like `8MiB`, `512k` or a number of bytes
15:10+6 `agents.x.prompt` has to be `\"stdin\"`, `\"file\"` or `\"argument\"`, not `stdn`
    did you mean `\"stdin\"`?
16:17+5 `agents.x.success_codes` has to be a list of whole numbers
17:13+1 `agents.x.env.A` has to be text in quotes, not a whole number
19:5+1 `roles.A` has to be the name of an agent, or `{ agent = …, layer = … }`, not a whole number
20:5+2 the role `B` names no agent
    write `B = \"kilo\"`
"
    );
}

#[test]
fn limits_are_looked_at() {
    assert_eq!(
        mistakes(
            "version = 1\nmemory = '4GiB'\n[limits]\nmemory = 4\nprocesses = '2MB'\noutput = 1.5\ndisk = 'much'\ndisk-free = '1G'\n[agents.kilo.limits]\nprocesses = 0\nmemroy = '1G'\n"
        ),
        "\
2:1+6 unknown key `memory` at the top
    `memory` belongs in `[limits]`
4:10+1 `limits.memory`: `4` is 4 bytes, too few for anything; did you mean `4GiB`?
5:13+5 `limits.processes`: `2MB` is no number of processes: write it like `200`, or `none`
6:10+3 `limits.output` has to be a size such as `\"4GiB\"`, or `\"none\"`, not a fraction
7:8+6 `limits.disk`: `much` is no size: write it like `8MiB`, `512k` or a number of bytes, or `none`
8:1+9 unknown key `disk-free` in `[limits]`
    did you mean `disk_free`?
10:13+1 `agents.kilo.limits.processes`: `0` processes are too few: an attempt is one itself
11:1+6 unknown key `memroy` in `[agents.kilo.limits]`
    did you mean `memory`?
"
    );
}

#[test]
fn layers_prices_and_payment_are_looked_at() {
    assert_eq!(
        mistakes(
            "version = 1\n[[layers]]\nlayer = 1\nagent = 'a'\nmodel = 'm'\nprovider = 'p'\ncost = 'free'\n[[layers]]\nlayer = 1\nagent = 'a'\nmodel = 'm'\nprovider = 'p'\ncost = 'payd'\n[[layers]]\nlayer = 1\nagent = 'a'\nmodel = 'm'\nprovider = 'p'\ncost = 'paid'\nprice = { input = -1 }\n[[layers]]\nlayer = 3\nagent = 'a'\n[models]\napprove_paid = true\n[[alerts]]\nwhen = 'budget'\n"
        ),
        "\
13:8+6 `layers.2.cost` has to be `\"free\"` or `\"paid\"`, not `payd`
    did you mean `\"paid\"`?
14:1+10 layer 1 is there twice
    give each `[[layers]]` a number of its own
20:19+2 `layers.3.price.input` has to be 0 or more
21:1+10 `model`, `provider` and `cost` are missing in `[[layers]]`
    every layer has `layer`, `agent`, `model`, `provider` and `cost`
24:1+8 `models.approve_paid` needs a `reason`
    write `reason = \"…\"` below it
26:1+10 an alert needs either `webhook` or `command`
    write `webhook = \"https://…\"` or `command = [\"notify-send\", …]`
"
    );
}

#[test]
fn alerts_are_looked_at() {
    let alert = |text: &str| mistakes(&format!("version = 1\n[[alerts]]\n{text}\n"));
    let hook = "webhook = 'https://h/x'\n";
    for (text, told) in [
        (
            format!("{hook}when = ['task_faild', 'run_ended', 'x', 3]"),
            "\
4:9+12 `alerts.1.when` knows no `task_faild`
    did you mean `\"task_failed\"`?
4:36+3 `alerts.1.when` knows no `x`
    known here: task_failed, run_ended, run_stalled, budget, person_needed, provider_off
4:41+1 `alerts.1.when` has to be a list of `\"task_failed\"`",
        ),
        (format!("{hook}when = []"), "4:8+2 `alerts.1.when` is empty"),
        ("webhook = 'http://h.example/secret'".to_owned(), "3:11+25 `webhook`: it is not encrypted"),
        ("webhook = 'https://me:secret@h/x'".to_owned(), "`webhook`: it holds a user or a password"),
        ("command = 'notify-send hello'".to_owned(), "`command` goes through no shell"),
        ("command = []".to_owned(), "`command` is empty"),
        ("command = 3".to_owned(), "`alerts.1.command` has to be a list of texts"),
        ("command = ['a']\nform = 'slack'".to_owned(), "`form` is for webhooks alone"),
        (format!("{hook}form = 'telegram'"), "a Telegram bot has to know where to write"),
        (format!("{hook}chat = '1'"), "`chat` is for Telegram alone"),
        (format!("{hook}form = 'mail'"), "`alerts.1.form` has to be"),
        (format!("{hook}retries = 99"), "`alerts.1.retries` has to be from 0 to 20"),
        (format!("{hook}wen = 'budget'"), "did you mean `when`?"),
        (format!("name = 'a'\n{hook}[[alerts]]\nname = 'a'\ncommand = 'b'"), "the alert `a` is there twice"),
    ] {
        let found = alert(&text);
        assert!(found.contains(told), "{text}\n{found}");
        assert!(!found.contains("secret"), "{found}");
    }
    read("o.toml", "version = 1\n[[alerts]]\nwebhook = 'http://h.example/x'\nallow_insecure = true\n")
        .unwrap();
    read("o.toml", "version = 1\n[[alerts]]\nwebhook = '${WHOLE}'\nchat = '1'\n").unwrap();
}

#[test]
fn signs_of_agents_are_looked_at() {
    assert_eq!(
        mistakes(
            "version = 1\n[agents.x]\nprogram = 'x'\nsigns = [\n  { pattern = 'a(b', kind = 'overloaded' },\n  { pattern = '.*', kind = 'rate_limit' },\n  { pattern = 'quota' },\n  { pattern = '', kind = 'exited', stram = 'stdout' },\n  { pattern = 'quota', kind = 'lost', stream = 'both', also_on_success = 1 },\n]\n[agents.y]\nsigns = 'quota'\n[agents.z.signs]\npattern = 'quota'\n"
        ),
        "\
5:15+5 `agents.x.signs.1.pattern` cannot be used: unclosed group
    write a regular expression in single quotes, a backslash before what is meant as it stands
6:15+4 `agents.x.signs.2.pattern` cannot be used: it is found in nearly every line
    write words that only an error has, such as `HTTP 429|rate limit reached`
6:28+12 `agents.x.signs.2.kind` has to be `\"usage_error\"`, `\"not_logged_in\"`, `\"out_of_credits\"`, `\"rate_limited\"`, `\"overloaded\"`, `\"provider_unreachable\"`, `\"model_unknown\"`, `\"context_overflow\"`, `\"permission_rejected\"` or `\"exited\"`, not `rate_limit`
    did you mean `\"rate_limited\"`?
7:3+21 `kind` is missing in `[[agents.x.signs]]`
    write `{ pattern = \"rate limit\", kind = \"rate_limited\" }`
8:15+2 `agents.x.signs.4.pattern` is empty
8:36+5 unknown key `stram` in `[[agents.x.signs]]`
    did you mean `stream`?
9:31+6 `agents.x.signs.5.kind` has to be `\"usage_error\"`, `\"not_logged_in\"`, `\"out_of_credits\"`, `\"rate_limited\"`, `\"overloaded\"`, `\"provider_unreachable\"`, `\"model_unknown\"`, `\"context_overflow\"`, `\"permission_rejected\"` or `\"exited\"`, not `lost`
9:48+6 `agents.x.signs.5.stream` has to be `\"stdout\"` or `\"stderr\"`, not `both`
9:74+1 `agents.x.signs.5.also_on_success` has to be `true` or `false`, not a whole number
12:9+7 `agents.y.signs` has to be a list of tables, not text
    write `[[agents.y.signs]]` above each
13:1+16 `agents.z.signs` has to be a list of tables, not a table
    write `[[agents.z.signs]]` above each
"
    );
}

#[test]
fn rules_for_events_are_looked_at() {
    assert_eq!(
        mistakes(
            "version = 1\n[agents.x.events]\nsession = 'a..b'\nmodel = 3\nturns = { when = { type = 'x' } }\ndoing = { path = [] }\ntext = { path = 'a\\b', whn = {} }\ntokens = { sum = true }\ncost = { path = ['a', 2] }\ndone = {}\nerrors = [\n  { message = 'm' },\n  { when = { error.code = 1 }, kind = 'overload' },\n  { when = { type = 1.5, '.x' = true } },\n]\n[agents.y.events]\nstream = 'stderr'\n[agents.z.events]\nsesion = 'x'\nerrors = { when = { type = 'x' } }\n"
        ),
        "\
3:11+6 `a..b` is no path of a field: a name is missing
    write names joined by dots, such as `error.message`; a dot in a name is `\\.`
4:9+1 `agents.x.events.model` has to be the path of a field, or `{ path = …, when = { … } }`, not a whole number
5:9+25 `path` is missing in `[agents.x.events.turns]`
    write names joined by dots, such as `path = \"error.message\"`
6:9+13 `path` is missing in `[agents.x.events.doing]`
    write names joined by dots, such as `path = \"error.message\"`
7:17+5 `a\\b` is no path of a field: a backslash stands before neither a dot nor a backslash
    write names joined by dots, such as `error.message`; a dot in a name is `\\.`
7:24+3 unknown key `whn` in `[agents.x.events.text]`
    did you mean `when`?
8:10+14 `input` and `output` are missing in `[agents.x.events.tokens]`
    write `{ input = \"usage.input\", output = \"usage.output\" }`
9:23+1 `agents.x.events.cost.path` has to be the path of a field, not a whole number
    write names joined by dots, such as `error.message`; a dot in a name is `\\.`
10:8+2 `when` is missing in `[agents.x.events.done]`
    say which records are meant, such as `when = { type = \"error\" }`
12:3+17 `when` is missing in `[[agents.x.events.errors]]`
    say which records are meant, such as `when = { type = \"error\" }`
13:14+5 `agents.x.events.errors.2.when.error` has to be text, a whole number, `true` or `false`, not a table
    write the path in quotes: `\"error.…\" = …`
13:39+10 `agents.x.events.errors.2.kind` has to be `\"usage_error\"`, `\"not_logged_in\"`, `\"out_of_credits\"`, `\"rate_limited\"`, `\"overloaded\"`, `\"provider_unreachable\"`, `\"model_unknown\"`, `\"context_overflow\"`, `\"permission_rejected\"` or `\"exited\"`, not `overload`
    did you mean `\"overloaded\"`?
14:21+3 `agents.x.events.errors.3.when.type` has to be text, a whole number, `true` or `false`, not a fraction
14:33+4 `.x` is no path of a field: a name is missing
    write names joined by dots, such as `error.message`; a dot in a name is `\\.`
16:1+17 `agents.y.events` names nothing to read
    name at least `errors`, `done` or `text`
19:1+6 unknown key `sesion` in `[agents.z.events]`
    did you mean `session`?
20:10+25 `agents.z.events.errors` has to be a list of tables, not a table
    write `[[agents.z.events.errors]]` above each
"
    );
}

#[test]
fn the_version_has_to_be_there_and_ours() {
    assert_eq!(
        mistakes("[run]\njobs = 2\n"),
        "1:1+1 `version` is missing at the top\n    write `version = 1` as the first line\n"
    );
    assert_eq!(
        mistakes("version = 2\n"),
        "1:11+1 `version` is 2, and this `orchestrate` reads version 1\n    write `version = 1`, or use the `orchestrate` that this file was written for\n"
    );
    assert_eq!(mistakes("version = '1'\n"), "1:11+3 `version` has to be a whole number, not text\n");
    assert_eq!(
        mistakes(""),
        "1:1+1 `version` is missing at the top\n    write `version = 1` as the first line\n"
    );
}

#[test]
fn broken_text_is_pointed_at_and_the_rest_is_still_read() {
    let shown = mistakes("version = 1\n[run]\njobs = \nretries = 'x'\n");
    assert!(shown.starts_with("3:"), "{shown}");
    assert!(shown.contains("4:11+3 `run.retries` has to be a whole number, not text"), "{shown}");
    let shown = mistakes("version = 1\nversion = 1\n");
    assert!(shown.starts_with("2:1+7 duplicate key"), "{shown}");
}

#[test]
fn places_in_a_state_folder_and_a_prefix_are_looked_at() {
    assert_eq!(
        mistakes("version = 1\nstate_dir = '../x'\n[redis]\nprefix = '{name}:'\n"),
        "\
2:13+6 `state_dir` leaves the project's root
    give a folder below the root, or an absolute path
4:10+9 `redis.prefix` knows only `{project}`
    write it like `{project}:`, or `mcp` for `project:{project}:`
"
    );
}

#[test]
fn a_byte_order_mark_and_other_line_endings_are_no_mistake() {
    let config = read("o.toml", "\u{feff}version = 1\r\n[run]\r\njobs = 3\r\n").unwrap();
    assert_eq!((config.run.jobs, config.line("run.jobs")), (Some(3), Some(3)));
}

#[test]
fn the_schema_knows_the_same_keys_as_the_reader() {
    let (_, notes) = read::read_all("o.toml", FULL);
    assert!(notes.problems.is_empty());
    let schema = config_schema();
    let keys = |value: &serde_json::Value| -> BTreeSet<String> {
        value["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let definition = |name: &str| keys(&schema["$defs"][name]);
    for (table, properties) in [
        ("", keys(&schema)),
        ("run", definition("RunTable")),
        ("redis", definition("RedisTable")),
        ("agents.*", definition("AgentTable")),
        ("agents.*.signs[]", definition("SignPattern")),
        ("agents.*.events", definition("EventRules")),
        ("agents.*.events.model", definition("FieldRule")),
        ("agents.*.events.turns", definition("FieldRule")),
        ("agents.*.events.doing", definition("FieldRule")),
        ("agents.*.events.text", definition("TextRule")),
        ("agents.*.events.tokens", definition("TokenRule")),
        ("agents.*.events.cost", definition("CostRule")),
        ("agents.*.events.done", definition("DoneRule")),
        ("agents.*.events.errors[]", definition("ErrorRule")),
        ("roles.*", definition("Role")),
        ("layers[]", definition("Layer")),
        ("layers[].price", definition("Price")),
        ("models", definition("ModelsTable")),
        ("providers.*", definition("ProviderSpec")),
        ("gateway", definition("GatewayTable")),
        ("workspace", definition("WorkspaceTable")),
        ("ownership", definition("OwnershipTable")),
        ("alerts[]", definition("AlertTable")),
        ("limits", definition("LimitsTable")),
        ("agents.*.limits", definition("LimitsTable")),
    ] {
        let known: BTreeSet<String> = notes.known[table].iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(known, properties, "[{table}]");
    }
    assert_eq!(notes.known.len(), 25);
    assert_eq!(schema["required"], serde_json::json!(["version"]));
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    let validator = jsonschema::validator_for(&config_schema()).unwrap();
    let value: serde_json::Value = toml::from_str(FULL).unwrap();
    let faults: Vec<String> = validator.iter_errors(&value).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    for text in
        ["version = 2", "version = 1\nx = 1", "version = 1\n[run]\njobs = 0", "version = 1\nlayers = [{}]"]
    {
        let value: serde_json::Value = toml::from_str(text).unwrap();
        assert!(!validator.is_valid(&value), "{text}");
    }
}

#[test]
fn the_committed_schema_is_ours() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/config.schema.json");
    let ours = serde_json::to_string_pretty(&config_schema()).unwrap() + "\n";
    if crate::cli::environment::capture().contains_key("ORCHESTRATE_UPDATE_SCHEMAS") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &ours).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    assert_eq!(committed, ours, "run the tests with ORCHESTRATE_UPDATE_SCHEMAS=1");
}
