//! The model hierarchy with the real CLIs: one task climbs over everything that a provider can do wrong,
//! layer by layer, and ends where it works. The record says at each step what moved it, and the provider's
//! own list of requests says how often it was asked.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::failing::nothing_is_left;
use crate::project::Project;
use crate::real_agents::{self, ModelServer};

/// A layer, and what has to come of an attempt there.
struct Layer {
    /// The provider's name, for the program too.
    provider: &'static str,
    /// What the scripted provider does there.
    model: &'static str,
    cost: &'static str,
    /// More of the layer's table.
    more: &'static str,
    /// How its attempts end; nothing: it has none.
    ends: &'static [Option<&'static str>],
    /// The record that the failure leaves of the provider or the layer.
    leaves: Leaves,
    /// How often it may be asked for work at most, by all attempts: one or two more than it takes to see
    /// that there is no use in it, and fewer than the program left alone would ask.
    asked: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    Nothing,
    /// The provider is left alone for a while.
    Rest,
    /// The provider is left alone for the rest of the run.
    Off,
    /// The layer is off for the rest of the run.
    LayerOff,
}

impl Layer {
    const fn new(
        provider: &'static str,
        model: &'static str,
        ends: &'static [Option<&'static str>],
        leaves: Leaves,
        asked: usize,
    ) -> Self {
        Self { provider, model, cost: "free", more: "", ends, leaves, asked }
    }

    /// One that costs money.
    const fn paid(provider: &'static str, ends: &'static [Option<&'static str>], asked: usize) -> Self {
        Self { cost: "paid", ..Self::new(provider, "ok-writer", ends, Leaves::Nothing, asked) }
    }
}

const WORKS: &[Option<&str>] = &[None];
/// A call for the file, one for the report, and the last words; some have a call for the end.
const WORK: usize = 4;

/// A project in which `agent` has these layers, each with a provider and a key of its own.
struct Hierarchy {
    project: Project,
    keys: Vec<String>,
}

impl Hierarchy {
    fn new(server: &ModelServer, agent: &str, layers: &[Layer]) -> Self {
        let mut project = Project::new();
        let home = project.home();
        for (name, value) in real_agents::environment(&home) {
            // A key of the caller's would go before the login that is made here.
            if !name.ends_with("_API_KEY") {
                project.set(&name, value);
            }
        }
        let keys: Vec<String> = layers.iter().map(|_| real_agents::unused_key()).collect();
        let mut configuration = String::from("version = 1\n\n[run]\nretries = 0\njobs = 2\n");
        if agent == "cline" {
            write_cline_logins(&project, &server.url(), layers, &keys);
        } else {
            let providers: serde_json::Map<String, Value> = layers
                .iter()
                .zip(&keys)
                .map(|(layer, key)| (layer.provider.to_owned(), provider(&server.url(), key, layer.model)))
                .collect();
            let names: Vec<&str> = layers.iter().map(|layer| layer.provider).collect();
            let content = json!({ "enabled_providers": names, "provider": providers });
            let name = format!("{}_CONFIG_CONTENT", agent.to_uppercase());
            configuration.push_str(&format!("\n[agents.{agent}.env]\n{name} = '{content}'\n"));
        }
        for (place, layer) in layers.iter().enumerate() {
            let Layer { provider, model, cost, more, .. } = layer;
            let asked_as = if agent == "cline" { (*model).to_owned() } else { format!("{provider}/{model}") };
            configuration.push_str(&format!(
                "\n[[layers]]\nlayer = {}\nagent = \"{agent}\"\nmodel = \"{asked_as}\"\nprovider = \"{provider}\"\n\
                 cost = \"{cost}\"\n{more}",
                place + 1
            ));
        }
        project.write("orchestrate.toml", configuration);
        Self { project, keys }
    }

    /// Runs a plan and gives what came of it.
    fn run(&self, plan: &str, more: &[&str]) -> Climb<'_> {
        self.project.write("plan.md", plan);
        let mut arguments =
            vec!["--plan", "plan.md", "--output", "ndjson", "--max-wait", "1s", "--idle-timeout", "24s"];
        arguments.extend_from_slice(more);
        let ran = self.project.run(arguments);
        let events = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let result = self.project.run(["report", "--as", "json"]).json();
        nothing_is_left(&self.project, "the run");
        Climb { hierarchy: self, code: ran.code, events, result, told: ran.stderr }
    }
}

/// What a run left.
struct Climb<'a> {
    hierarchy: &'a Hierarchy,
    code: i32,
    events: Vec<Value>,
    result: Value,
    told: String,
}

impl Climb<'_> {
    fn attempts(&self) -> &[Value] {
        self.result["tasks"][0]["attempts"].as_array().unwrap()
    }

    /// What a person would want to know of it.
    fn story(&self) -> String {
        let why = self.hierarchy.project.run(["why", "T001"]);
        format!("exit code {}\n{}\n{}", self.code, self.told, why.stdout)
    }

    /// The events of a kind.
    fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["kind"] == kind).collect()
    }

    /// The prompt of an attempt.
    fn prompt(&self, attempt: usize) -> String {
        let completion = self.attempts()[attempt]["completion"].as_str().unwrap();
        self.hierarchy.project.read(&completion.replace("completion.json", "prompt.md"))
    }

    /// How often a layer was asked for work, titles left out.
    fn asked(&self, server: &ModelServer, place: usize) -> usize {
        let requests = server.requests(&self.hierarchy.keys[place]).unwrap();
        requests
            .iter()
            .filter(|request| request["tools"].as_array().is_some_and(|all| !all.is_empty()))
            .count()
    }

    /// Each layer's attempts, what they left, and how often it was asked, as `layers` says.
    #[track_caller]
    fn is_as(&self, server: &ModelServer, layers: &[Layer]) {
        let told = self.story();
        let expected: Vec<(u64, Option<&str>)> = layers
            .iter()
            .zip(1..)
            .flat_map(|(layer, number)| layer.ends.iter().map(move |&end| (number, end)))
            .collect();
        let found: Vec<(u64, Option<&str>)> = self
            .attempts()
            .iter()
            .map(|attempt| (attempt["layer"].as_u64().unwrap(), attempt["failure"].as_str()))
            .collect();
        assert_eq!(found, expected, "{told}");
        self.moves_are(&found, &told);
        for (place, layer) in layers.iter().enumerate() {
            self.left_behind_is(layer, place + 1, &told);
            let asked = self.asked(server, place);
            assert!(asked <= layer.asked, "{} was asked {asked} times\n{told}", layer.provider);
            let is_asked = server.is_asked(&self.hierarchy.keys[place]).unwrap();
            assert_eq!(is_asked, !layer.ends.is_empty(), "{}\n{told}", layer.provider);
        }
    }

    /// Every change of the layer is an event with its trigger and what was seen.
    #[track_caller]
    fn moves_are(&self, attempts: &[(u64, Option<&str>)], told: &str) {
        let expected: Vec<(u64, u64, Option<&str>)> = attempts
            .windows(2)
            .filter(|pair| pair[0].0 != pair[1].0)
            .map(|pair| (pair[0].0, pair[1].0, pair[0].1))
            .collect();
        let layer = |rung: &Value| rung["layer"].as_u64().unwrap();
        let moves = self.of_kind("layer_moved");
        let found: Vec<(u64, u64, Option<&str>)> = moves
            .iter()
            .map(|event| (layer(&event["from"]), layer(&event["to"]), event["trigger"].as_str()))
            .collect();
        assert_eq!(found, expected, "{told}");
        assert!(moves.iter().all(|event| event["evidence"].as_str().unwrap().len() > 5), "{moves:#?}");
    }

    #[track_caller]
    fn left_behind_is(&self, layer: &Layer, number: usize, told: &str) {
        let rests: Vec<&Value> = self
            .of_kind("provider_rested")
            .into_iter()
            .filter(|event| event["provider"] == layer.provider)
            .collect();
        let offs: Vec<&Value> =
            self.of_kind("layer_turned_off").into_iter().filter(|event| event["layer"] == number).collect();
        let expected = match layer.leaves {
            Leaves::Nothing => (0, 0),
            Leaves::Rest | Leaves::Off => (1, 0),
            Leaves::LayerOff => (0, 1),
        };
        assert_eq!((rests.len(), offs.len()), expected, "{} left {rests:?} {offs:?}\n{told}", layer.provider);
        for event in rests.iter().chain(&offs) {
            assert_eq!(event["trigger"].as_str(), *layer.ends.last().unwrap(), "{event:#}");
            assert!(!event["evidence"].as_str().unwrap().is_empty(), "{event:#}");
        }
        if let Some(rest) = rests.first() {
            assert_eq!(rest["until"].is_null(), layer.leaves == Leaves::Off, "{rest:#}");
        }
    }
}

/// A provider in the configuration of OpenCode and Kilo.
fn provider(url: &str, key: &str, model: &str) -> Value {
    json!({
        "npm": "@ai-sdk/openai-compatible",
        "name": "Local",
        "options": { "baseURL": url, "apiKey": key },
        "models": { model: { "name": model } }
    })
}

/// Logins of Cline's. The providers are those of whom it takes another address.
fn write_cline_logins(project: &Project, url: &str, layers: &[Layer], keys: &[String]) {
    let settings = project.home().join(".cline").join("data").join("settings");
    std::fs::create_dir_all(&settings).unwrap();
    let providers: serde_json::Map<String, Value> = layers
        .iter()
        .zip(keys)
        .map(|(layer, key)| {
            let entry = json!({
                "settings": { "provider": layer.provider, "apiKey": key, "model": layer.model, "baseUrl": url },
                "updatedAt": "2026-01-01T00:00:00.000Z",
                "tokenSource": "manual"
            });
            (layer.provider.to_owned(), entry)
        })
        .collect();
    let login = json!({
        "version": 1, "lastUsedProvider": layers[0].provider, "modes": {}, "providers": providers
    });
    std::fs::write(settings.join("providers.json"), login.to_string()).unwrap();
}

/// A task that does `work` and reports it.
fn plan(agent: &str, work: &str) -> String {
    format!(
        "- [ ] T001 Climb\n  - Agent: {agent}\n  - Timeout: 4m\n\n{work}\
         \x20 %write {{{{\\S+/completion\\.json}}}} {{\"schema\":\"completion/v1\",\"run_id\":\
         \"{{{{\"run_id\": ?\"(\\w+)\"}}}}\",\"task_id\":\"T001\",\"attempt\":{{{{\"attempt\": ?(\\d+)}}}},\
         \"status\":\"succeeded\",\"summary\":\"made\"}}\n"
    )
}

const WRITE: &str = "  %write made.txt x\n";

fn climbs(agent: &str, layers: &[Layer]) {
    if !real_agents::are_installed(&[agent]) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let hierarchy = Hierarchy::new(&server, agent, layers);
    let climb = hierarchy.run(&plan(agent, WRITE), &[]);
    climb.is_as(&server, layers);
    assert_eq!(climb.code, 0, "{}", climb.told);
    assert!(hierarchy.project.has("made.txt"));
    // On the screen what is older gives way; the document has all of it.
    let why = hierarchy.project.run(["why", "T001", "--output", "json"]).expect(0).json().to_string();
    let told: BTreeSet<&str> =
        climb.attempts().iter().filter_map(|attempt| attempt["failure"].as_str()).collect();
    for failure in told {
        assert!(why.contains(failure), "`why` does not tell of {failure}\n{why}");
    }
    let shown = hierarchy.project.run(["why", "T001"]).expect(0).stdout;
    assert!(shown.contains("how it moved"), "{shown}");
}

#[test]
fn opencode_climbs_over_everything_that_a_provider_does_wrong() {
    climbs(
        "opencode",
        &[
            Layer::new("limited", "rate-limited+retry_after=1", &[Some("rate_limited")], Leaves::Rest, 8),
            Layer::new("hourly", "rate-limited+retry_after=3600", &[Some("rate_limited")], Leaves::Rest, 2),
            Layer::new("broke", "quota", &[Some("out_of_credits")], Leaves::Off, 4),
            Layer::new("used-up", "quota-429", &[Some("out_of_credits")], Leaves::Off, 4),
            Layer::new("locked", "bad-key", &[Some("not_logged_in")], Leaves::Off, 4),
            Layer::new("strange", "not-found", &[Some("model_unknown")], Leaves::LayerOff, 4),
            Layer::new("silent", "hang", &[Some("provider_unreachable")], Leaves::Rest, 3),
            Layer::new("works", "ok-writer", WORKS, Leaves::Nothing, WORK),
            Layer::paid("paid", &[], 0),
        ],
    );
}

#[test]
fn kilo_climbs_over_everything_that_a_provider_does_wrong() {
    climbs(
        "kilo",
        &[
            Layer::new("limited", "rate-limited+retry_after=1", &[Some("rate_limited")], Leaves::Rest, 8),
            Layer::new("broke", "quota", &[Some("out_of_credits")], Leaves::Off, 4),
            Layer::new("locked", "bad-key", &[Some("not_logged_in")], Leaves::Off, 4),
            Layer::new("strange", "not-found", &[Some("model_unknown")], Leaves::LayerOff, 4),
            Layer::new(
                "failing",
                "server-error",
                &[Some("overloaded"), Some("overloaded")],
                Leaves::Rest,
                10,
            ),
            Layer::new("works", "ok-writer", WORKS, Leaves::Nothing, WORK),
            Layer::paid("paid", &[], 0),
        ],
    );
}

#[test]
fn cline_climbs_over_what_a_provider_does_wrong() {
    // Names of providers that it knows. A minute goes by until it tells of one that fails (5xx): such a row
    // is in the conformance matrix.
    climbs(
        "cline",
        &[
            Layer::new("litellm", "rate-limited", &[Some("rate_limited")], Leaves::Rest, 6),
            Layer::new("deepseek", "quota", &[Some("out_of_credits")], Leaves::Off, 6),
            Layer::new("openrouter", "bad-key", &[Some("not_logged_in")], Leaves::Off, 6),
            Layer::new("lmstudio", "not-found", &[Some("model_unknown")], Leaves::LayerOff, 6),
            Layer::new("openai-compatible", "ok-writer", WORKS, Leaves::Nothing, WORK),
            Layer::paid("openai-native", &[], 0),
        ],
    );
}

/// The first provider has money for one answer, in which a file is written; the next attempt sees it.
#[test]
fn what_a_task_has_done_is_there_on_the_next_layer_and_told() {
    const LOOK: &str = "  %bash test -e half.txt && cp half.txt seen.txt; echo half > half.txt\n";
    let agent = "opencode";
    if !real_agents::are_installed(&[agent]) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let layers = [
        Layer::new("first", "quota+after=1", &[Some("out_of_credits")], Leaves::Off, 5),
        Layer {
            // Goes on with a session as well as it begins one.
            model: "ok-writer+again=1",
            ..Layer::new("second", "", WORKS, Leaves::Nothing, WORK + 1)
        },
    ];
    let hierarchy = Hierarchy::new(&server, agent, &layers);
    // Whoever begins anew sees the file with the first command, whoever goes on with a later one.
    let climb = hierarchy.run(&plan(agent, &format!("{LOOK}{LOOK}")), &[]);
    climb.is_as(&server, &layers);
    assert_eq!(climb.code, 0, "{}", climb.told);
    assert_eq!(climb.asked(&server, 0).min(2), 2, "it was answered once, then refused");
    assert_eq!(hierarchy.project.read("seen.txt").trim(), "half");
    let prompt = climb.prompt(1);
    assert!(prompt.contains("Attempt 1") && prompt.contains("out_of_credits"), "{prompt}");
}

/// A program that is described by data: one request to the provider, of which it tells who answered.
const ASKER: &str = r#"
import json, os, sys, urllib.request
body = {"model": sys.argv[1], "messages": [{"role": "user", "content": sys.stdin.read()}]}
headers = {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["MODEL_KEY"]}
url = os.environ["MODEL_URL"] + "/chat/completions"
answer = json.load(urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)))
used = answer["usage"]
print(json.dumps({"model": answer["model"], "in": used["prompt_tokens"], "out": used["completion_tokens"]}))
"#;

#[test]
fn a_model_that_was_not_asked_for_is_named_and_left() {
    // The CLIs do not say which model answered; their witness says that.
    if !real_agents::are_installed(&[]) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let mut project = Project::new();
    for (name, value) in real_agents::environment(&project.home()) {
        project.set(&name, value);
    }
    let (key, url) = (real_agents::unused_key(), server.url());
    let python = real_agents::python().unwrap();
    project.write("ask.py", ASKER);
    project.write(
        "orchestrate.toml",
        format!(
            "version = 1\n[run]\nretries = 0\n\
             [agents.asker]\nprogram = '{python}'\nargs = ['ask.py', '{{model}}']\nprompt = 'stdin'\n\
             completion = 'none'\n\
             [agents.asker.env]\nMODEL_URL = '{url}'\nMODEL_KEY = '{key}'\n\
             [agents.asker.events]\nmodel = 'model'\ntokens = {{ input = 'in', output = 'out' }}\n\
             [[layers]]\nlayer = 1\nagent = 'asker'\nmodel = 'chat+answers=another'\nprovider = 'one'\ncost = 'free'\n\
             [[layers]]\nlayer = 2\nagent = 'asker'\nmodel = 'chat'\nprovider = 'two'\ncost = 'free'\n"
        ),
    );
    let hierarchy = Hierarchy { project, keys: vec![key] };
    let climb = hierarchy.run("- [ ] T001 Ask\n  - Agent: asker\n", &[]);
    let attempts = climb.attempts();
    assert_eq!((climb.code, attempts.len()), (0, 2), "{}", climb.story());
    assert_eq!(attempts[0]["failure"], "hierarchy_violation");
    assert_eq!(attempts[0]["model_answered"], "another");
    assert_eq!(attempts[0]["tokens"], json!({ "input": 1000, "output": 50 }), "what it used is known");
    assert_eq!(attempts[1]["model_answered"], "chat");
    let moves = climb.of_kind("layer_moved");
    assert_eq!(moves.len(), 1, "{moves:#?}");
    assert_eq!((&moves[0]["trigger"], &moves[0]["to"]["layer"]), (&json!("hierarchy_violation"), &json!(2)));
    let evidence = moves[0]["evidence"].as_str().unwrap();
    assert!(evidence.contains("answered another"), "{evidence}");
}

#[test]
fn a_paid_layer_that_was_not_approved_is_never_asked() {
    let agent = "opencode";
    if !real_agents::are_installed(&[agent]) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let layers = [
        Layer::new("broke", "quota", &[Some("out_of_credits")], Leaves::Off, 4),
        Layer::paid("paid", &[], 0),
    ];
    let hierarchy = Hierarchy::new(&server, agent, &layers);
    let climb = hierarchy.run(&plan(agent, WRITE), &[]);
    climb.is_as(&server, &layers);
    assert_eq!(climb.code, 8, "{}", climb.told);
    let failed = &climb.result["tasks"][0];
    assert_eq!(failed["failure"], "payment_not_approved", "{}", climb.story());
    assert!(!hierarchy.project.has("made.txt"));
}

const APPROVED: [&str; 3] = ["--allow-paid", "--reason", "a test"];

/// The only event of a kind about money, its amount, and how that is known.
#[track_caller]
fn money(climb: &Climb<'_>, kind: &str) -> (f64, Value) {
    let events = climb.of_kind(kind);
    assert_eq!(events.len(), 1, "{events:#?}\n{}", climb.story());
    (events[0]["amount_usd"].as_f64().unwrap(), events[0]["basis"].clone())
}

#[test]
fn a_paid_layer_that_was_approved_is_booked_by_what_was_used() {
    let agent = "opencode";
    if !real_agents::are_installed(&[agent]) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let layers = [
        Layer::new("broke", "quota", &[Some("out_of_credits")], Leaves::Off, 4),
        Layer {
            more: "price = { input = 1, output = 1 }\nmax_usd = 0.5\n",
            ..Layer::paid("paid", WORKS, WORK)
        },
    ];
    let hierarchy = Hierarchy::new(&server, agent, &layers);
    let climb = hierarchy.run(&plan(agent, WRITE), &APPROVED);
    climb.is_as(&server, &layers);
    assert_eq!(climb.code, 0, "{}", climb.told);
    assert!((money(&climb, "spend_reserved").0 - 0.5).abs() < 1e-9);
    let tokens = &climb.attempts()[1]["tokens"];
    let used = tokens["input"].as_f64().unwrap() + tokens["output"].as_f64().unwrap();
    let (amount, basis) = money(&climb, "spend_settled");
    assert!(used >= 3_000.0 && (amount - used / 1e6).abs() < 1e-9, "{amount} for {used}");
    assert_eq!(basis, "priced");
}

/// Each answer costs a tenth of a dollar and comes after a while; there is money for three of them.
fn is_stopped_in_time(agent: &str) {
    if !real_agents::are_installed(&[agent]) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let provider = if agent == "cline" { "openai-compatible" } else { "paid" };
    let layers = [Layer {
        model: "tool-loop+delay=1",
        more: "price = { input = 100, output = 0 }\nmax_usd = 0.35\n",
        ..Layer::paid(provider, &[Some("budget_exhausted")], 5)
    }];
    let hierarchy = Hierarchy::new(&server, agent, &layers);
    let climb = hierarchy.run(&plan(agent, WRITE), &APPROVED);
    climb.is_as(&server, &layers);
    assert_ne!(climb.code, 0);
    let seen = climb.attempts()[0]["seen"].as_str().unwrap();
    assert!(seen.contains("0.35"), "{seen}");
    let (amount, _) = money(&climb, "spend_settled");
    assert!((0.3..=0.4).contains(&amount), "{amount}\n{}", climb.story());
}

#[test]
fn opencode_is_stopped_before_it_costs_more_than_it_may() {
    is_stopped_in_time("opencode");
}

#[test]
fn kilo_is_stopped_before_it_costs_more_than_it_may() {
    is_stopped_in_time("kilo");
}

#[test]
fn cline_is_stopped_before_it_costs_more_than_it_may() {
    is_stopped_in_time("cline");
}
