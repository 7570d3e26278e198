//! What a plan asks for and the hierarchy does not have, or forbids: told before anything runs.

use crate::project::Project;

const LAYERS: &str = "version = 1\n\
    [[layers]]\nlayer = 1\nagent = 'kilo'\nmodel = 'kilo/z-ai/glm-4.7'\nprovider = 'kilo'\ncost = 'free'\n\
    [[layers]]\nlayer = 2\nagent = 'opencode'\nmodel = 'opencode/big-pickle'\nprovider = 'opencode'\ncost = 'free'\n";

fn task(id: &str, fields: &str) -> String {
    format!("- [ ] {id} Write it\n{fields}")
}

fn project(rules: &str, plan: &str) -> Project {
    let project = Project::new();
    project.write("orchestrate.toml", format!("{LAYERS}{rules}"));
    project.write("plan.md", plan);
    project
}

#[test]
fn a_slip_in_the_name_of_a_model_is_told_and_never_guessed() {
    let plan = task("T001", "  - Model: opencode/big-pikle\n") + &task("T002", "  - Model: glm-4.8\n");
    let ran = project("", &plan).run(["check", "plan.md"]).expect(0);
    let _ = ran
        .says("no layer has model `opencode/big-pikle`: task `T001` would fail")
        .says("did you mean `opencode/big-pickle`?")
        .says("no layer has model `glm-4.8`: task `T002` would fail")
        .says("did you mean `kilo/z-ai/glm-4.7`?")
        .says("[models.aliases]");
}

#[test]
fn spellings_and_aliases_of_a_model_are_the_model() {
    let plan = task("T001", "  - Model: `GLM 4.7`\n")
        + &task("T002", "  - Model: glm4.7\n")
        + &task("T003", "  - Model: opencode/bigpickle\n")
        + &task("T004", "  - Model: `the usual`\n");
    let rules = "[models.aliases]\n'big-pickle' = 'the usual'\n";
    let ran = project(rules, &plan).run(["check", "plan.md", "--output", "json"]).expect(0);
    assert_eq!(ran.json()["diagnostics"], serde_json::json!([]));
}

#[test]
fn what_a_ban_leaves_nothing_of_is_told() {
    let plan = task("T001", "  - Agent: kilo\n") + &task("T002", "  - Agent: kilo\n");
    let ran = project("[models]\ndeny = ['free via kilo']\n", &plan).run(["check", "plan.md"]).expect(0);
    let _ = ran.says("layer 1 is banned by `free via kilo`: task `T001` and 1 other would fail");
    let rules = "[models]\ndeny = ['free via kilo']\nfallbacks = { kilo = 'opencode' }\n";
    let ran = project(rules, &plan).run(["check", "plan.md", "--output", "json"]).expect(0);
    assert_eq!(ran.json()["diagnostics"], serde_json::json!([]), "another stands in");
}

#[test]
fn a_ban_that_is_none_is_refused_at_its_line() {
    let project = project("[models]\ndeny = [\n  'piad via kilo',\n]\n", &task("T001", ""));
    let _ = project
        .run(["check", "plan.md"])
        .expect(3)
        .says("orchestrate.toml:16:3")
        .says("`piad` is no word of a ban")
        .says("did you mean `paid`?")
        .says("paid via kilo");
}
