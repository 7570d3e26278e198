//! Several plans as one run: ids, order between plans, boxes in the right file, resuming, reading again.

use serde_json::Value;

use crate::project::Project;

const FIRST: &str = "\
# First

Everything of the first plan is about the ground.

- [ ] T001 Dig
  - Agent: command
  - Command: `echo dig >> log`
- [ ] T002 Pour
  - Agent: command
  - Command: `echo pour >> log`
";

const SECOND: &str = "\
---
dependencies:
  - first.md
---
# Second

- [ ] T001 Paint
  - Agent: command
  - Command: `echo paint >> log; test -e ladder`
  - Retries: 0
";

fn lines(project: &Project) -> Vec<String> {
    project.read("log").lines().map(str::to_owned).collect()
}

fn ids(document: &Value) -> Vec<&str> {
    document["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect()
}

fn project() -> Project {
    let project = Project::new();
    project.write("plans/first.md", FIRST);
    project.write("plans/second.md", SECOND);
    project
}

#[test]
fn they_run_as_one_and_each_is_ticked_in_its_own_file() {
    let project = project();
    let ran = project.run(["--plan", "second", "--plan", "first", "--output", "json"]).expect(1);
    let result = ran.json();
    assert_eq!(ids(&result), ["second/T001", "first/T001", "T002"]);
    assert_eq!(result["plan"], "plans/second.md + plans/first.md");
    // The second names the first as its dependency, whatever their order.
    assert_eq!(lines(&project), ["dig", "pour", "paint"]);
    let first = project.read("plans/first.md");
    assert_eq!(first.matches("- [x]").count(), 2, "{first}");
    assert_eq!(project.read("plans/second.md"), SECOND);

    project.write("ladder", "");
    let resumed = project.run(["retry", "second/T001", "--output", "json"]).expect(0);
    assert_eq!(resumed.json()["counts"]["succeeded"], 3);
    assert!(project.read("plans/second.md").contains("- [x] T001 Paint"));
}

#[test]
fn one_of_them_that_was_changed_is_read_again() {
    let project = project();
    let begun = project.run(["--plan", "plans/first.md", "--plan", "plans/second.md"]).expect(1);
    assert!(begun.stderr.contains("second/T001"), "{} {}", begun.stdout, begun.stderr);
    let more = "- [ ] T003 Hang pictures\n  - Agent: command\n  - Command: `echo hang >> log`\n";
    let changed = project.read("plans/second.md").replace("; test -e ladder", "") + more;
    project.write("plans/second.md", &changed);
    let told = project.run(["resume", "--replan", "--dry-run"]).expect(0);
    assert!(told.stdout.contains("echo hang >> log"), "{}", told.stdout);
    let ran = project.run(["resume", "--replan", "--output", "json"]).expect(0);
    assert_eq!(ids(&ran.json()), ["first/T001", "T002", "second/T001", "T003"]);
    assert_eq!(project.read("plans/second.md").matches("- [x]").count(), 2);
}

#[test]
fn a_plan_that_is_waited_for_and_not_named_is_told() {
    let project = project();
    let checked = project.run(["check", "second"]).expect(0);
    assert!(
        checked.stderr.contains("depends on the plan `first.md`, which has 2 open tasks"),
        "{}",
        checked.stderr
    );
    assert!(checked.stderr.contains("--plan plans/first.md --plan plans/second.md"), "{}", checked.stderr);
    project.write("plans/first.md", FIRST.replace("[ ]", "[x]"));
    let done = project.run(["check", "second"]).expect(0);
    assert!(!done.stderr.contains("depends on the plan"), "{}", done.stderr);
    project.write("plans/first.md", "nothing\n");
    project.run(["check", "second"]).expect(0).stderr.find("nobody can say").unwrap();
}

#[test]
fn mistakes_are_told_with_the_file_that_they_are_in() {
    let project = project();
    project.write("plans/second.md", "- [ ] T004 a\n  - Timeout: soon\n");
    let checked = project.run(["check", "first", "second", "--output", "json"]).expect(3);
    let document = checked.json();
    let told: Vec<&Value> = document["diagnostics"].as_array().unwrap().iter().collect();
    assert!(
        told.iter().any(|known| known["code"] == "bad-value" && known["file"] == "plans/second.md"),
        "{told:#?}"
    );
    assert!(checked.stderr.contains("plans/second.md:2"), "{}", checked.stderr);
    assert_eq!(document["tasks"][2]["file"], "plans/second.md");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let project = project();
    for (words, told) in [
        (["check", "first", "--plan", "first"].as_slice(), "--plan"),
        (&["run", "first", "plans/first.md"], "the plan `plans/first.md` is named twice"),
        (&["run", "-", "first"], "a plan from standard input stands alone"),
    ] {
        let refused = project.run(words.iter().copied()).expect(2);
        assert!(refused.stderr.contains(told), "{words:?}: {}", refused.stderr);
    }
}
