//! What agents may do in the Redis of their run, and that nobody sees the run's own password.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::going_on::Followed;
use crate::project::{Project, Ran};
use crate::redis_server::RedisServer;

/// The password of the server, with what has a meaning in addresses.
const PASSWORD: &str = "s3cr3t:of/the run";
/// The same as addresses have it.
const ESCAPED: &str = "s3cr3t%3Aof%2Fthe%20run";

/// A plan whose first task tells what it sees and then waits.
const TELLS: &str = "\
### Task 1: Tells

- Agent: command
- Command: `env > seen; tr '\\0' ' ' < /proc/$$/cmdline >> seen; test $(id -u) = 0 || cat /proc/$PPID/environ > theirs; env; mv seen env; while ! test -e go; do sleep 0.05; done`
- Verify: `env > verify-env`

### Task 2: Follows

- Agent: command
- Command: `touch two`
";

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_mins(1);

fn checkout(plan: &str) -> Project {
    let project = Project::new();
    project
        .write("orchestrate.toml", "version = 1\nproject = \"shop\"\n[agents.command]\npass_env = \"*\"\n");
    project.write("plan.md", plan);
    project
}

#[track_caller]
fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !seen() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// What the server answers to a command of somebody who logs in first.
fn say_as(server: &RedisServer, user: &str, password: &str, words: &[&str]) -> String {
    let mut stream = UnixStream::connect(server.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut packed = Vec::new();
    for words in [&["AUTH", user, password], words, &["QUIT"]] {
        write!(packed, "*{}\r\n", words.len()).unwrap();
        for word in words {
            write!(packed, "${}\r\n{word}\r\n", word.len()).unwrap();
        }
    }
    stream.write_all(&packed).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let answer = answer.strip_suffix("+OK\r\n").unwrap_or(&answer);
    answer.strip_prefix("+OK\r\n").map_or_else(|| format!("no login: {answer}"), str::to_owned)
}

fn users(answer: &str) -> Vec<&str> {
    answer.lines().filter(|line| line.starts_with("orchestrate:")).collect()
}

/// The value of a variable that an agent saw.
fn seen(project: &Project, name: &str) -> Option<String> {
    let text = project.read("env");
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

/// User and password of an address of a socket.
fn login(url: &str) -> (String, String) {
    let (login, _) = url.strip_prefix("unix://").unwrap().split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    (user.replace("%3A", ":").replace("%25", "%"), password.to_owned())
}

/// No file below a folder holds one of these words.
fn none_holds(folder: &Path, words: &[&str]) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            none_holds(&path, words);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            for word in words {
                let found = bytes.windows(word.len()).any(|part| part == word.as_bytes());
                assert!(!found, "`{}` holds `{word}`", path.display());
            }
        }
    }
}

#[test]
fn an_agent_has_a_user_of_its_own_and_nobody_sees_the_runs_password() {
    let Some(server) = RedisServer::start_with(&["--requirepass", PASSWORD]) else { return };
    let boss = |words: &[&str]| say_as(&server, "default", PASSWORD, words);
    let mut project = checkout(TELLS);
    let url = format!("unix://:{ESCAPED}@{}", server.socket().display());
    project
        .set("ORCHESTRATE_REDIS_URL", &url)
        .set("REDIS_PASSWORD", PASSWORD)
        .set("CACHE_URL", format!("redis://:{ESCAPED}@127.0.0.1/1"))
        .set("OTHER", PASSWORD);
    let checked = project.run(["check", "plan.md", "--output", "json"]).expect(0);
    assert_eq!(checked.json()["rights_doubts"], serde_json::json!([]));
    let withheld = checked.json()["withheld"]["command"].to_string();
    assert!(withheld.contains("CACHE_URL") && withheld.contains("OTHER"), "{withheld}");
    let _ = project.run(["doctor"]).says_somewhere("a user of its own for each attempt");

    let mut run = Followed::start(&project, &["--plan", "plan.md", "-vv"]);
    run.until("start");
    until("the agent", || project.has("env"));
    let (user, password) = login(&seen(&project, "ORCHESTRATE_REPORT_URL").unwrap());
    assert_eq!(seen(&project, "REDIS_PREFIX").as_deref(), Some("shop:"));
    assert_eq!(seen(&project, "CACHE_URL"), None);
    assert_eq!(seen(&project, "OTHER"), None);
    assert!(user.starts_with("orchestrate:0:shop%3A:") && user.ends_with(":1:1"), "{user}");
    assert_eq!(users(&boss(&["ACL", "USERS"])), [user.as_str()]);

    let agent = |words: &[&str]| say_as(&server, &user, &password, words);
    assert_eq!(agent(&["SET", "shop:task:1:report", "{}"]), "+OK\r\n");
    assert!(agent(&["GET", "shop:task:1:status"]).contains("running"));
    for words in [
        &["SET", "shop:task:1:status", "{}"][..],
        &["SET", "shop:task:2:report", "{}"],
        &["SET", "elsewhere", "{}"],
        &["KEYS", "*"],
        &["SCAN", "0"],
        &["RANDOMKEY"],
        &["FLUSHALL"],
        &["EVAL", "return 1", "0"],
        &["CONFIG", "GET", "requirepass"],
        &["SELECT", "1"],
    ] {
        let answer = agent(words);
        assert!(answer.starts_with("-NOPERM"), "{words:?}: {answer}");
    }

    project.write("go", "");
    let ran = run.end().expect(0);
    assert!(!ran.stderr.contains("rights: advisory"), "{}", ran.stderr);
    assert_eq!(users(&boss(&["ACL", "USERS"])), [""; 0]);
    assert!(agent(&["PING"]).starts_with("no login: -WRONGPASS"));
    let words = [PASSWORD, ESCAPED];
    let told = |ran: &Ran, words: &[&str]| {
        for word in words {
            assert!(!ran.stderr.contains(word) && !ran.stdout.contains(word), "{}", ran.stderr);
        }
    };
    told(&ran, &[PASSWORD, ESCAPED, &password]);
    none_holds(&project.root(), &words);
    let kept = |name: &str| std::fs::read(project.root().join("plans/agent-shared").join(name)).unwrap();
    let journal = kept("orchestrate.db");
    assert!(!journal.windows(password.len()).any(|part| part == password.as_bytes()), "in the journal");
    let listed = project.run(["state", "list", "--output", "json"]).expect(0);
    assert!(listed.stdout.contains("shop:task:1:tail"), "{}", listed.stdout);
    told(&listed, &[PASSWORD, ESCAPED, &password]);
    let why = project.run(["why", "1"]).expect(0);
    told(&why, &[PASSWORD, ESCAPED, &password]);
}

#[test]
fn users_go_with_a_stop_and_after_a_crash_at_the_next_start() {
    let Some(server) = RedisServer::start() else { return };
    let mut project = checkout(TELLS);
    project.set("ORCHESTRATE_REDIS_URL", server.url());
    let now = || server.say(&["ACL", "USERS"]);
    let mut run = Followed::start(&project, &["--plan", "plan.md"]);
    run.until("start");
    until("the agent", || project.has("env"));
    assert_eq!(users(&now()).len(), 1);
    let _ = project.run(["stop"]).expect(0);
    let _ = run.end().expect(130);
    assert_eq!(users(&now()), [""; 0]);

    std::fs::remove_file(project.root().join("env")).unwrap();
    let mut run = Followed::start(&project, &["--plan", "plan.md"]);
    run.until("start");
    until("the agent", || project.has("env"));
    let left = users(&now()).join("");
    run.kill_supervisor();
    let _ = run.end();
    assert_eq!(users(&now()), [left.as_str()], "nobody was there to remove it");
    project.write("go", "");
    let resumed = project.run(["resume"]).expect(0);
    assert_eq!(users(&now()), [""; 0]);

    // Somebody else's run may be left alone for good: the next one of the project clears up.
    server.say(&["ACL", "SETUSER", &left]);
    server.say(&["ACL", "SETUSER", "orchestrate:0:other%3A:01X:1:1"]);
    let _ = project.run(["--plan", "plan.md", "--no-tick", "--force"]);
    assert_eq!(users(&now()), ["orchestrate:0:other%3A:01X:1:1"], "{}", resumed.stderr);
}

#[test]
fn where_no_users_can_be_made_the_run_goes_on_and_says_so() {
    let Some(server) = RedisServer::start() else { return };
    server.say(&["ACL", "SETUSER", "plain", "on", ">pass-of-plain", "~*", "&*", "+@all", "-acl"]);
    let mut project = checkout(TELLS);
    project.set("ORCHESTRATE_REDIS_URL", format!("unix://plain:pass-of-plain@{}", server.socket().display()));
    project.write("go", "");
    let words = "rights: advisory: agents get no users of their own in Redis";
    let ran = project.run(["--plan", "plan.md"]).expect(0).says(words);
    assert_eq!(ran.stderr.matches(words).count(), 1, "{}", ran.stderr);
    assert_eq!(seen(&project, "ORCHESTRATE_REPORT_URL"), None);
    assert_eq!(seen(&project, "REDIS_PREFIX"), None);
    let _ = project.run(["why", "1"]).says_somewhere(words);
    let _ = project.run(["check", "plan.md"]).says_somewhere(words);
    let _ = project.run(["doctor"]).says_somewhere("agents get no users of their own in Redis");
    none_holds(&project.root(), &["pass-of-plain"]);
}

#[test]
fn a_password_that_agents_can_read_is_told() {
    let Some(server) = RedisServer::start() else { return };
    server.say(&["ACL", "SETUSER", "boss", "on", ">pass-of-boss", "~*", "&*", "+@all"]);
    let project = checkout(TELLS);
    project.write(".env", format!("REDIS_URL=unix://boss:pass-of-boss@{}\n", server.socket().display()));
    let words = "the password of Redis lies in `.env`, which agents can read";
    let checked = project.run(["check", "plan.md", "--redis"]).expect(0).says_somewhere(words);
    let checked = checked.says_somewhere("the default user of Redis has no password");
    assert!(!checked.stdout.contains("pass-of-boss"), "{}", checked.stdout);
    let _ = project.run(["doctor", "--redis"]).says_somewhere(words);
    project.write("go", "");
    let _ = project.run(["--plan", "plan.md", "--redis"]).expect(0).says(words);
    assert!(seen(&project, "ORCHESTRATE_REPORT_URL").is_some(), "it has its user all the same");
    let listed = project.run(["why", "1"]).expect(0).says_somewhere(words);
    assert!(!listed.stdout.contains("pass-of-boss"), "{}", listed.stdout);
}

#[test]
fn attempts_start_without_users_while_the_server_is_gone() {
    let Some(mut server) = RedisServer::start() else { return };
    let mut project = checkout(TELLS);
    project.write(
        "plan.md",
        TELLS.to_owned() + "\n### Task 3: Too\n\n- Agent: command\n- Command: `env > three`\n",
    );
    project.set("ORCHESTRATE_REDIS_URL", server.url());
    let mut run = Followed::start(&project, &["--plan", "plan.md", "--no-tick", "-j", "1"]);
    run.until("start");
    until("the agent", || project.has("env"));
    server.kill();
    project.write("go", "");
    let words = "an attempt starts without a user of its own in Redis";
    let ran = run.end().expect(0).says(words);
    assert_eq!(ran.stderr.matches(words).count(), 1, "{}", ran.stderr);
    assert!(!project.read("three").contains("ORCHESTRATE_REPORT_URL"));
    let _ = project
        .run(["why", "3", "--run", ran.run_id()])
        .says_somewhere("it started without a user of its own");
}

#[test]
fn a_supervisor_that_was_replaced_takes_nobody_elses_users_along() {
    let Some(server) = RedisServer::start() else { return };
    let (mut here, mut there) = (checkout(TELLS), checkout(TELLS));
    here.set("ORCHESTRATE_REDIS_URL", server.url());
    there.set("ORCHESTRATE_REDIS_URL", server.url());
    let now = || server.say(&["ACL", "USERS"]);
    let mut late = Followed::start(&here, &["--plan", "plan.md"]);
    late.until("start");
    until("the agent", || here.has("env"));
    let old = users(&now()).join("");
    late.signal_supervisor(rustix::process::Signal::STOP);
    let run = seen(&here, "ORCHESTRATE_RUN").unwrap();
    // Its lease has run out, as if it had slept for half a minute.
    let key = format!("shop:run:{run}:lease");
    let mut lease: serde_json::Value = serde_json::from_str(&server.get(&key).unwrap()).unwrap();
    lease["until"] = "2020-01-01T00:00:00.000Z".into();
    server.say(&["SET", &key, &lease.to_string()]);
    let mut next = Followed::start(&there, &["--plan", "plan.md"]);
    next.until("start");
    until("the agent", || there.has("env"));
    let new = users(&now()).join("");
    assert_ne!(old, new, "the agent of the run that slept has no rights any more");
    late.signal_supervisor(rustix::process::Signal::CONT);
    let _ = late.end().expect(7);
    assert_eq!(users(&now()), [new.as_str()]);
    there.write("go", "");
    let _ = next.end().expect(0);
    assert_eq!(users(&now()), [""; 0]);
}

trait SaysSomewhere {
    /// These words are on one of its outputs.
    fn says_somewhere(self, words: &str) -> Self;
}

impl SaysSomewhere for Ran {
    #[track_caller]
    fn says_somewhere(self, words: &str) -> Self {
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = plain(&self.stdout).contains(words) || plain(&self.stderr).contains(words);
        assert!(said, "`{words}` is not in\n{}\n{}", self.stdout, self.stderr);
        self
    }
}
