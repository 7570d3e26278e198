//! `orchestrate models`: what a person is told of the hierarchy.

use crate::project::Project;

const PLAN: &str = "# Plan\n\n- [ ] T001 One\n  - Model: kilo/z-ai/glm-4.8\n- [ ] T002 Two\n";

#[test]
fn what_other_tools_say_is_held_against_the_hierarchy() {
    let project = Project::new();
    project.write("opencode.json", "{\n  // what I like\n  \"model\": \"openai/o4\",\n}\n");
    project.write(
        "AGENTS.md",
        "# Models\n\n| Layer | Agent | Model | Cost |\n|---|---|---|---|\n| 2 | opencode | opencode/big-pickle | free |\n\
         | 3 | cline | z-ai/glm-4.7 | free |\n",
    );
    project.write(".kilocode/models.json", "[{\"model\": \"openai/o3\", \"tier\": 6, \"free\": true}]");
    let told = project.run(["models", "check", "--output", "json"]).json();
    let found: Vec<(&str, u64, &str)> = told["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["severity"] == "warning" && one["file"] != "orchestrate.toml")
        .map(|one| {
            (one["file"].as_str().unwrap(), one["line"].as_u64().unwrap(), one["code"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        found,
        [
            (".kilocode/models.json", 1, "other-cost"),
            ("opencode.json", 3, "unknown-model"),
            ("AGENTS.md", 6, "other-agent"),
        ]
    );
}

#[test]
fn a_plan_that_asks_for_what_is_not_there_is_a_mistake_at_its_line() {
    let project = Project::new();
    project.write("plan.md", PLAN);
    let checked = project.run(["models", "check", "plan.md"]).expect(3);
    assert!(checked.stdout.contains("--> plan.md:3"), "{}", checked.stdout);
    assert!(checked.stdout.contains("did you mean `kilo/z-ai/glm-4.7`?"), "{}", checked.stdout);
    let _ = project.run(["models", "check", "missing.md"]).expect(3).says("missing.md");
}

#[test]
fn the_layers_are_listed_with_what_they_cost() {
    let project = Project::new();
    let listed = project.run(["models"]).expect(0).stdout;
    assert_eq!(listed.lines().count(), 7, "{listed}");
    let paid = listed.lines().find(|line| line.contains("openai/o3")).unwrap();
    assert!(paid.contains("openai") && paid.contains("paid"), "{paid}");
    let list = project.run(["models", "list", "--output", "json"]).expect(0).json();
    assert_eq!(list[0]["layer"]["layer"], 1);
    let _ = project.run(["models", "spend"]).expect(2).says("no run is known here");
    let _ = project.run(["models", "spend", "--month", "2026-13"]).expect(2).says("write a month as");
}
