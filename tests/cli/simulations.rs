//! `models simulate`: plans played against scenarios, and nothing else done.

use crate::project::Project;

const PLAN: &str = "\
# A plan

- [ ] T001 Write the parser
- [ ] T002 Write its tests
  - Depends on: T001
- [ ] T003 Write the manual
";

const SCENARIOS: [(&str, &str); 4] = [
    ("limits.toml", include_str!("../../examples/scenarios/rate-limited-free-tier.toml")),
    ("credits.toml", include_str!("../../examples/scenarios/credits-run-out.toml")),
    ("paid.toml", include_str!("../../examples/scenarios/everything-down-but-paid.toml")),
    ("night.toml", include_str!("../../examples/scenarios/night-outage.toml")),
];

fn project() -> Project {
    let project = Project::new();
    let _ = project.write("plan.md", PLAN);
    for (name, text) in SCENARIOS {
        let _ = project.write(name, text);
    }
    project
}

#[test]
fn the_shipped_scenarios_are_simulated_and_nothing_is_written() {
    let project = project();
    for (name, code) in [("limits.toml", 0), ("credits.toml", 0), ("paid.toml", 8), ("night.toml", 0)] {
        let arguments = ["models", "simulate", "plan.md", "--scenario", name];
        let ran = project.run(arguments).expect(0);
        for part in ["layers\n", "money\n", "end\n", &format!("would exit with {code}")] {
            assert!(ran.stdout.contains(part), "{name}, {part}: {}", ran.stdout);
        }
        let again = project.run(arguments).expect(0);
        assert_eq!(ran.stdout, again.stdout, "{name}");
    }
    assert_eq!(project.read("plan.md"), PLAN);
    assert!(!project.has("plans"), "no state folder");
}

#[test]
fn what_is_paid_is_used_with_an_approval_and_counted() {
    let project = project();
    let json = ["models", "simulate", "plan.md", "--scenario", "paid.toml", "--output", "json"];
    let document = project.run(json).expect(0).json();
    assert_eq!(
        (document["schema"].as_str(), document["exit_code"].as_u64()),
        (Some("simulation/v1"), Some(8))
    );
    assert_eq!(document["money"]["spent_usd"].as_f64(), Some(0.0));
    assert_eq!(document["left"][0]["failure"]["kind"], "payment_not_approved");
    let mut paid = json.to_vec();
    paid.extend(["--allow-paid", "--reason", "a test"]);
    let document = project.run(&paid).expect(0).json();
    assert_eq!(document["exit_code"], 0, "{document}");
    assert!(document["money"]["spent_usd"].as_f64().unwrap() > 0.0);
    assert_eq!(document["layers"].as_array().unwrap().last().unwrap()["provider"], "openai");
}

#[test]
fn the_events_are_those_that_a_run_would_have() {
    let project = project();
    let ran = project
        .run(["models", "simulate", "plan.md", "--scenario", "night.toml", "--output", "ndjson"])
        .expect(0);
    let events: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["kind"], "run_started");
    assert_eq!(events[0]["at"], "2026-01-01T01:50:00.000Z");
    assert_eq!(events.last().unwrap()["kind"], "run_ended");
    assert!(events.iter().zip(1..).all(|(event, seq)| event["seq"] == seq));
}

#[test]
fn a_scenario_with_mistakes_is_refused_with_their_places() {
    let project = project();
    let _ = project.write("bad.toml", "version = 1\n[[rules]]\nanswer = \"rate_limitd\"\n");
    let ran = project.run(["models", "simulate", "plan.md", "--scenario", "bad.toml"]).expect(3);
    for part in ["bad.toml:3", "rate_limited", "docs/simulation.md"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    let ran = project.run(["models", "simulate", "plan.md", "--scenario", "none.toml"]).expect(3);
    assert!(ran.stderr.contains("none.toml"), "{}", ran.stderr);
    let _ = project.run(["models", "simulate", "plan.md"]).expect(2);
}

/// What the document shows works as it says.
#[test]
fn the_scenario_of_the_document_is_one() {
    let document = include_str!("../../docs/simulation.md").replace("\r\n", "\n");
    let (_, rest) = document.split_once("```toml\n").expect("an example");
    let (example, _) = rest.split_once("\n```").expect("its end");
    let project = project();
    let _ = project.write("example.toml", example);
    let ran = project.run(["models", "simulate", "plan.md", "--scenario", "example.toml"]).expect(0);
    assert!(ran.stdout.contains("would exit with"), "{}", ran.stdout);
}
