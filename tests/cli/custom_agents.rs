//! Agents that are described by the configuration alone, from their output to the verdict.

use std::path::Path;

use serde_json::Value;

use crate::project::{Project, fake_agent};

const PLAN: &str = "- [ ] T001 Does something\n";

/// A program `acme` in a folder of the path that does what its scripts say; and the configuration.
pub(crate) fn acme(configuration: &str) -> Project {
    let mut project = Project::new();
    let folder = project.root().parent().unwrap().join("bin");
    let scripts = project.root().parent().unwrap().join("scripts");
    for folder in [&folder, &scripts] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let program = folder.join(format!("acme{}", std::env::consts::EXE_SUFFIX));
    std::fs::copy(fake_agent(), program).unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path))).unwrap();
    project.set("PATH", path.to_str().unwrap());
    project.set("FAKE_AGENT_SCRIPTS", scripts.to_str().unwrap());
    project.write("orchestrate.toml", configuration);
    project.write("plan.md", PLAN);
    project
}

/// What `acme` does in an attempt: prints lines, then more.
pub(crate) fn script(project: &Project, attempt: u32, lines: &str, rest: &[&str]) {
    let mut behaviours: Vec<String> = lines.lines().map(|line| format!("line:{line}")).collect();
    behaviours.extend(rest.iter().map(|&more| more.to_owned()));
    let folder = project.root().parent().unwrap().join("scripts");
    std::fs::write(folder.join(format!("T001.{attempt}")), behaviours.join("\n")).unwrap();
}

/// Runs the plan and gives the only task of its result.
#[track_caller]
fn task(project: &Project, code: i32) -> Value {
    let ran = project.run(["--plan", "plan.md", "--no-tick", "--output", "json"]).expect(code);
    ran.json()["tasks"][0].clone()
}

/// The blocks of the document with this mark behind their fence.
fn blocks(mark: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/custom-agents.md");
    let document = std::fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    let fence = format!("```{mark}\n");
    document.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_documents_example_is_what_it_says() {
    let toml = blocks("toml");
    let [works, gives_up, other_model] = <[String; 3]>::try_from(blocks("jsonl")).unwrap();
    let answers_small = works.replace("acme-large", "acme-small");

    let project = acme(&toml[0]);
    script(&project, 1, &works, &["arguments", "pass"]);
    let worked = task(&project, 0);
    let attempt = &worked["attempts"][0];
    assert_eq!(attempt["tokens"], serde_json::json!({ "input": 1500, "output": 80 }), "{attempt:#}");
    assert!((attempt["cost_usd"].as_f64().unwrap() - 0.006).abs() < 1e-9, "{attempt:#}");
    assert_eq!(attempt["model_answered"], "acme-large");
    assert_eq!(attempt["notes"].as_array().unwrap().len(), 2, "{attempt:#}");
    assert_eq!(attempt["notes"][1], "layer 1 is free, and the agent tells of 0.006 USD spent");
    assert!(attempt["notes"][0].as_str().unwrap().starts_with("recovered from rate_limited: 429"));
    let printed = project.run(["logs", "T001"]).expect(0).stdout;
    assert!(printed.contains("run --json --model acme-large"), "{printed}");

    for (lines, rest, kind, seen) in [
        (gives_up.as_str(), &["exit:0"][..], "rate_limited", "429 too many requests, retry after 30s"),
        (&other_model, &["pass"], "hierarchy_violation", "answered acme-nano"),
        (
            "",
            &["error-line:acme: no licence found for this machine", "exit:2"],
            "not_logged_in",
            "no licence",
        ),
    ] {
        let project = acme(&toml[0]);
        script(&project, 1, lines, rest);
        script(&project, 2, &answers_small, &["pass"]);
        let moved = task(&project, 0);
        let attempts = moved["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 2, "{kind}: {moved:#}");
        assert_eq!(attempts[0]["failure"], kind, "{moved:#}");
        assert!(attempts[0]["seen"].as_str().unwrap().contains(seen), "{moved:#}");
        assert_eq!((&attempts[0]["layer"], &attempts[1]["layer"]), (&1.into(), &2.into()), "{kind}");
        assert_eq!(attempts[1]["model_answered"], "acme-small");
    }
    let documented = blocks("text").concat();
    assert_eq!(documented.trim(), "acme: no licence found for this machine");
}

const LAYERS: &str = "
[[layers]]
layer = 1
agent = 'acme'
model = 'one'
provider = 'p'
cost = 'free'

[[layers]]
layer = 2
agent = 'acme'
model = 'two'
provider = 'q'
cost = 'free'
";

const SIGNS: &str = r"
version = 1
[run]
retries = 2
[agents.acme]
program = 'acme'
signs = [
  { pattern = 'unknown option', kind = 'usage_error' },
  { pattern = 'please log in', kind = 'not_logged_in' },
  { pattern = 'no credit left', kind = 'out_of_credits' },
  { pattern = 'HTTP 429', kind = 'rate_limited' },
  { pattern = 'HTTP 529', kind = 'overloaded' },
  { pattern = 'no route', kind = 'provider_unreachable' },
  { pattern = 'no such model', kind = 'model_unknown' },
  { pattern = 'too long for', kind = 'context_overflow' },
  { pattern = 'may I', kind = 'permission_rejected' },
  { pattern = 'turn limit', kind = 'exited' },
  { pattern = '^FATAL: busy', kind = 'rate_limited', stream = 'stdout', also_on_success = true },
]
";

#[test]
fn each_sign_moves_the_task_as_its_kind_wants() {
    for (behaviours, kind, layer) in [
        (&["error-line:unknown option --x", "exit:64"][..], "usage_error", 2),
        (&["error-line:please log in", "exit:1"], "not_logged_in", 2),
        (&["error-line:no credit left", "exit:1"], "out_of_credits", 2),
        (&["error-line:got HTTP 429", "error-line:bye", "exit:1"], "rate_limited", 2),
        (&["error-line:HTTP 529", "exit:1"], "overloaded", 1),
        (&["error-line:no route to host", "exit:1"], "provider_unreachable", 2),
        (&["error-line:no such model", "exit:1"], "model_unknown", 2),
        (&["error-line:too long for it", "exit:1"], "context_overflow", 2),
        (&["error-line:may I?", "exit:1"], "permission_rejected", 2),
        (&["error-line:turn limit", "exit:1"], "exited", 1),
        (&["line:FATAL: busy", "pass"], "rate_limited", 2),
        (&["line:got HTTP 429", "exit:1"], "exited", 1),
    ] {
        let project = acme(&format!("{SIGNS}{LAYERS}"));
        script(&project, 1, "", behaviours);
        script(&project, 2, "", &["pass"]);
        let ended = task(&project, 0);
        let attempts = ended["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 2, "{behaviours:?}: {ended:#}");
        assert_eq!(attempts[0]["failure"], kind, "{behaviours:?}: {ended:#}");
        assert_eq!(attempts[1]["layer"], layer, "{behaviours:?}: {ended:#}");
    }
}

#[test]
fn who_only_speaks_of_failures_has_none() {
    let project = acme(&format!("{SIGNS}{LAYERS}"));
    let words =
        ["HTTP 429", "please log in", "no credit left", "no such model", "not at the start: FATAL: busy"];
    let mut behaviours: Vec<String> =
        words.iter().flat_map(|word| [format!("line:{word}"), format!("error-line:{word}")]).collect();
    behaviours.push("pass".to_owned());
    let behaviours: Vec<&str> = behaviours.iter().map(String::as_str).collect();
    script(&project, 1, "", &behaviours);
    let ended = task(&project, 0);
    assert_eq!(ended["attempts"].as_array().unwrap().len(), 1, "{ended:#}");
    assert_eq!(ended["attempts"][0]["notes"], serde_json::json!([]), "{ended:#}");
}

#[test]
fn events_are_a_witness_where_they_can_tell_an_error() {
    let rules = "version = 1\n[agents.acme]\nprogram = 'acme'\n[agents.acme.events]\n";
    for (rule, agrees) in [
        ("errors = [{ when = { type = 'error' } }]\n", Value::Bool(true)),
        ("session = 'session'\n", Value::Null),
    ] {
        let project = acme(&format!("{rules}{rule}{LAYERS}"));
        script(&project, 1, r#"{"type":"begin","session":"s"}"#, &["pass"]);
        let ended = task(&project, 0);
        let witnesses = ended["attempts"][0]["witnesses"].as_array().unwrap();
        let events = witnesses.iter().find(|witness| witness["name"] == "events").unwrap();
        assert_eq!(events["agrees"], agrees, "{rule}: {events:#}");
    }
}

#[test]
fn mistakes_are_shown_where_they_stand() {
    let project =
        acme("version = 1\n[agents.acme]\nprogram = 'acme'\nsigns = [{ pattern = '.*', kind = 'exited' }]\n");
    let ran = project.run(["--plan", "plan.md"]).expect(3);
    let ran = ran.says("orchestrate.toml:4:22").says("it is found in nearly every line");
    assert!(!project.has("plans/agent-shared/runs"), "{}", ran.stderr);
}
