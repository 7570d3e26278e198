//! Money of months and rests of providers that several runs share, and what `models spend` says of them.

use serde_json::Value;

use crate::custom_agents::acme;
use crate::going_on::Followed;
use crate::project::Project;

/// An agent that tells what it costs, at a provider that costs money and then at one that does not.
const PAID_FIRST: &str = r#"version = 1
[agents.acme]
program = "acme"
[agents.acme.events]
tokens = { input = "in", output = "out", when = { event = "usage" } }
cost = { path = "usd", when = { event = "usage" } }
[[agents.acme.events.errors]]
when = { event = "error" }
message = "text"
status = "code"
retry_after = "wait"
[[layers]]
layer = 1
agent = "acme"
model = "large"
provider = "there"
cost = "paid"
max_usd = 1.5
[providers.there]
budget_usd_per_month = 1.5
"#;

const FREE_AFTER: &str = r#"
[[layers]]
layer = 2
agent = "acme"
model = "small"
provider = "elsewhere"
cost = "free"
"#;

const PAY: [&str; 5] = ["--allow-paid", "--reason", "a test", "--retries", "0"];

/// What the agent does in attempt `attempt` of a task.
fn script(project: &Project, task: &str, attempt: u32, lines: &[&str]) {
    let folder = project.root().parent().unwrap().join("scripts");
    std::fs::write(folder.join(format!("{task}.{attempt}")), lines.join("\n")).unwrap();
}

fn plan(project: &Project, task: &str) -> String {
    let name = format!("{task}.md");
    project.write(&name, format!("- [ ] {task} Does something\n"));
    name
}

fn go(project: &Project) -> String {
    project.root().join("go").display().to_string()
}

fn with<'a>(plan: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["--plan", plan, "--output", "json"], more, &PAY[..]].concat()
}

fn spent(project: &Project, words: &[&str]) -> Value {
    let words = [&["models", "spend", "--output", "json"], words].concat();
    project.run(words).expect(0).json()
}

/// A run that holds all of a month while another asks for it, each in its project.
fn two_on_one_budget(one: &Project, two: &Project, more: &[&str]) {
    let usage = r#"line:{"event":"usage","in":900,"out":100,"usd":0.25}"#;
    let wait = format!("wait-for:{}", go(one));
    script(one, "T001", 1, &[usage, &wait, "pass"]);
    for attempt in 1..=3 {
        script(two, "T002", attempt, &[usage, "pass"]);
    }
    let (first, second) = (plan(one, "T001"), plan(two, "T002"));
    let mut holds = Followed::start(one, &[&["--plan", &first], more, &PAY[..]].concat());
    holds.until("start");
    // What is only reserved may come back: it is waited for, as long as one may.
    let refused = two.run(with(&second, &[more, &["--max-wait", "1s"]].concat()));
    assert_ne!(refused.code, 0, "{}", refused.stderr);
    let refused = refused.json();
    assert_eq!(refused["tasks"][0]["failure"], "budget_exhausted", "{refused}");
    assert_eq!(refused["tasks"][0]["attempts"].as_array().map_or(0, Vec::len), 0, "{refused}");
    one.write("go", "");
    let _ = holds.end().expect(0);
    // What the first did not need is there for others.
    let _ = two.run(with(&second, more)).expect(0);
}

#[test]
fn two_runs_never_spend_more_of_a_month_than_there_is() {
    let project = acme(PAID_FIRST);
    two_on_one_budget(&project, &project, &[]);
    let told = spent(&project, &[]);
    assert_eq!(told["rows"][0]["name"], "there");
    assert_eq!(told["total"]["spent_usd"], 0.5);
    assert_eq!(told["total"]["tokens_in"], 1_800);
    assert_eq!(told["providers"]["there"]["budget_usd"], 1.5);
    assert_eq!(told["providers"]["there"]["reserved_usd"], 0.0);
    assert_eq!(told["providers"]["there"]["left_usd"], 1.0);
    assert_eq!(spent(&project, &["--by", "run"])["rows"].as_array().unwrap().len(), 2);
    let by_task = spent(&project, &["--by", "task", "--month", "all"]);
    assert_eq!(by_task["rows"].as_array().unwrap().len(), 2);
    assert_eq!(spent(&project, &["--month", "2001-01"])["total"]["attempts"], 0);
    let shown = project.run(["models", "spend"]).expect(0).stdout;
    assert!(shown.contains("$0.50") && shown.contains("budget of the month"), "{shown}");
    let _ = project.run(["models", "spend", "--month", "november"]).expect(2).says("2026-11");
    let _ = project.run(["state", "verify"]).expect(0);
    let month = told["month"].as_str().unwrap();
    let key = format!("provider:there:spend:{month}");
    assert_eq!(project.run(["state", "get", &key]).expect(0).json()["schema"], "spend/v1");
}

#[cfg(unix)]
#[test]
fn two_machines_never_spend_more_of_a_month_than_there_is() {
    let Some(server) = crate::redis_server::RedisServer::start() else { return };
    let (one, two, url) = (acme(PAID_FIRST), acme(PAID_FIRST), server.url());
    two_on_one_budget(&one, &two, &["--redis", &url]);
    // Each machine lists its own attempts, and knows what is left for all.
    let told = spent(&two, &[]);
    assert_eq!(told["total"]["spent_usd"], 0.25);
    assert_eq!(told["providers"]["there"]["left_usd"], 1.0);
    let _ = one.run(["state", "verify", "--redis", &url]).expect(0);
}

/// A run that sees that a provider is busy while another begins, each in its project.
fn a_rest_is_heard(one: &Project, two: &Project, more: &[&str]) {
    let busy = r#"line:{"event":"error","code":429,"text":"too many requests","wait":3000}"#;
    let wait = format!("wait-for:{}", go(one));
    script(one, "T001", 1, &[busy, "exit:1"]);
    for attempt in 2..=4 {
        script(one, "T001", attempt, &[&wait, "pass"]);
    }
    script(two, "T002", 1, &["pass"]);
    let (first, second) = (plan(one, "T001"), plan(two, "T002"));
    let mut sees = Followed::start(one, &[&["--plan", &first], more, &PAY[..]].concat());
    // The attempt that saw it, and the one at the next layer.
    sees.until("start");
    sees.until("start");
    let heard = two.run(with(&second, more)).expect(0);
    let run = heard.json();
    assert_eq!(run["tasks"][0]["attempts"][0]["layer"], 2, "{run}");
    one.write("go", "");
    let _ = sees.end().expect(0);
}

#[test]
fn a_run_leaves_a_provider_alone_that_another_saw_resting() {
    let project = acme(&format!("{PAID_FIRST}{FREE_AFTER}"));
    a_rest_is_heard(&project, &project, &[]);
    let cooldown = project.run(["state", "get", "provider:there:cooldown"]).expect(0).json();
    assert_eq!((&cooldown["schema"], &cooldown["off"]), (&Value::from("cooldown/v1"), &Value::from(false)));
    let _ = project.run(["state", "verify"]).expect(0);
}
