//! A plan that was changed, read again; a task tried again in another way.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::project::{Project, Ran};

/// Four numbered steps by `command`, each leaving a line in `log`; the third fails until `wanted` is
/// there.
const STEPS: &str = "\
# Steps

### Task 1: Lay the ground

- Agent: command
- Command: `echo ground >> log`

### Task 2: Raise the walls

- Agent: command
- Command: `echo walls >> log`

### Task 3: Put up the roof

- Agent: command
- Command: `echo roof >> log; test -e wanted`
- Retries: 0

### Task 4: Move in

- Agent: command
- Command: `echo moved >> log`
";

/// The same as a list of boxes; the ids are made of the titles.
const BOXES: &str = "\
# Steps

1. [ ] Lay the ground
   - Agent: command
   - Command: `echo ground >> log`
2. [ ] Raise the walls
   - Agent: command
   - Command: `echo walls >> log`
3. [ ] Put up the roof
   - Agent: command
   - Command: `echo roof >> log; test -e wanted`
   - Retries: 0
4. [ ] Move in
   - Agent: command
   - Command: `echo moved >> log`
";

fn task<'a>(result: &'a Value, title: &str) -> &'a Value {
    let tasks = result["tasks"].as_array().unwrap();
    tasks.iter().find(|task| task["title"] == title).unwrap_or_else(|| panic!("no {title} in {result:#}"))
}

fn lines(project: &Project) -> Vec<String> {
    project.read("log").lines().map(str::to_owned).collect()
}

/// Runs the steps up to the one that fails, without ticks, so that the ids alone tell what was done.
fn begun(project: &Project) -> Ran {
    project.write("plan.md", STEPS);
    let ran = project.run(["--plan", "plan.md", "--no-tick", "--output", "json"]).expect(1);
    assert_eq!(lines(project), ["ground", "walls", "roof"]);
    assert_eq!(task(&ran.json(), "Move in")["status"], "blocked");
    ran
}

#[test]
fn a_renumbered_plan_runs_nothing_twice_and_what_is_new() {
    let project = Project::new();
    let _ = begun(&project);
    let changed = STEPS
        .replace("Task 4:", "Task 5:")
        .replace("Task 3:", "Task 4:")
        .replace(
            "### Task 2: Raise",
            "### Task 2: Dig a well\n\n- Agent: command\n- Command: `echo well >> log`\n\n### Task 3: Raise",
        )
        .replace("; test -e wanted", "");
    project.write("plan.md", changed);
    let look = project.run(["resume", "--replan", "--dry-run"]).expect(0);
    let (commands, tasks) = look.stdout.split_once("added").unwrap();
    assert!(
        commands.contains("echo well >> log") && commands.contains("echo roof >> log"),
        "{}",
        look.stdout
    );
    assert!(tasks.contains("Dig a well") && tasks.contains("runs again"), "{}", look.stdout);
    assert_eq!(lines(&project).len(), 3, "a look runs nothing");

    let document = project.run(["resume", "--replan", "--dry-run", "--output", "json"]).expect(0).json();
    assert_eq!(document["schema"], "plan-difference/v1");
    assert_eq!(document["added"][0]["title"], "Dig a well");
    assert_eq!(document["changed"][0]["fields"], json!(["body", "command"]));
    assert_eq!(document["changed"][0]["plan_id"], "4");

    let ran = project.run(["resume", "--replan", "--output", "json"]).expect(0);
    assert!(ran.stderr.contains("echo well >> log"), "{}", ran.stderr);
    let result = ran.json();
    // The well and the roof wait for nothing but what was done, and are made at the same time.
    let mut done = lines(&project);
    done[3..5].sort();
    assert_eq!(done, ["ground", "walls", "roof", "roof", "well", "moved"]);
    assert_eq!(task(&result, "Raise the walls")["id"], "2", "a run keeps its ids");
    assert_eq!(task(&result, "Dig a well")["id"], "2-2");
    assert_eq!(task(&result, "Put up the roof")["attempts"].as_array().unwrap().len(), 2);
    let run = project.root().join("plans/agent-shared/runs").join(ran.run_id());
    assert!(std::fs::read_to_string(run.join("plan.md")).unwrap().contains("Dig a well"));
    assert!(!run.join("plan.next.md").exists());
    let _ = project.run(["state", "verify"]).expect(0);
    let _ = project.run(["resume", "--replan"]).expect(4).says("nothing else is different");
    let status = project.run(["status", "--output", "json"]).expect(0).json();
    assert_eq!(status["status"], "succeeded");
}

#[test]
fn what_the_plan_dropped_or_calls_done_is_skipped_and_lets_the_rest_go_on() {
    let project = Project::new();
    let _ = begun(&project);
    let roof = STEPS.find("### Task 3").unwrap();
    let end = STEPS.find("### Task 4").unwrap();
    project.write("plan.md", format!("{}{}", &STEPS[..roof], &STEPS[end..]));
    let ran = project.run(["resume", "--replan", "--output", "json"]).expect(0);
    let result = ran.json();
    assert_eq!(lines(&project), ["ground", "walls", "roof", "moved"]);
    assert_eq!(task(&result, "Put up the roof")["status"], "skipped");
    let why = project.run(["why", "3"]).expect(0).stdout;
    assert!(why.contains("no longer in the plan"), "{why}");

    let other = Project::new();
    other.write("plan.md", BOXES);
    let _ = other.run(["--plan", "plan.md"]).expect(1);
    other.write("plan.md", other.read("plan.md").replace("3. [ ]", "3. [x]"));
    let ran = other.run(["resume", "--replan", "--output", "json"]).expect(0);
    assert_eq!(lines(&other), ["ground", "walls", "roof", "moved"]);
    assert_eq!(task(&ran.json(), "Put up the roof")["status"], "skipped");
}

#[test]
fn ticks_go_to_the_lines_of_the_changed_plan() {
    let project = Project::new();
    project.write("plan.md", BOXES);
    let _ = project.run(["--plan", "plan.md"]).expect(1);
    let ticked = project.read("plan.md");
    assert!(ticked.contains("2. [x] Raise"), "{ticked}");
    let _ = project.run(["resume", "--replan"]).expect(1).says("is as the run read it");
    project.write("wanted", "");
    project.write(
        "plan.md",
        ticked
            .replace("# Steps", "# Steps\n\nFirst a word,\nthen the work.")
            .replace("Move in", "Move in soon"),
    );
    let _ = project.run(["resume", "--replan"]).expect(1);
    let _ = project.run(["retry"]).expect(0);
    let after = project.read("plan.md");
    assert!(after.contains("3. [x] Put up") && after.contains("4. [x] Move in soon"), "{after}");
    assert_eq!(lines(&project), ["ground", "walls", "roof", "roof", "moved"]);
}

#[test]
fn a_plan_with_mistakes_or_none_leaves_the_run_as_it_is() {
    let project = Project::new();
    let _ = begun(&project);
    let before = project.run(["status", "--output", "json"]).expect(0).stdout;
    project.write("plan.md", STEPS.replace("- Command: `echo moved >> log`\n", ""));
    let _ = project.run(["resume", "--replan"]).expect(3).says("says no command").says("is as it was");
    std::fs::remove_file(project.root().join("plan.md")).unwrap();
    let _ = project.run(["resume", "--replan"]).expect(3).says("is gone").says("plan.md");
    assert_eq!(project.run(["status", "--output", "json"]).expect(0).stdout, before);
    project.write("wanted", "");
    let _ = project.run(["retry"]).expect(0);
    assert_eq!(lines(&project), ["ground", "walls", "roof", "roof", "moved"]);
}

#[test]
fn a_finished_run_takes_up_what_was_added() {
    let project = Project::new();
    project.write("wanted", "");
    project.write("plan.md", STEPS);
    let _ = project.run(["--plan", "plan.md"]).expect(0);
    let more = "\n### Task 5: Plant a tree\n\n- Agent: command\n- Command: `echo tree >> log`\n";
    project.write("plan.md", project.read("plan.md") + more);
    let ran = project.run(["resume", "--replan", "--output", "ndjson"]).expect(0);
    assert_eq!(lines(&project), ["ground", "walls", "roof", "moved", "tree"]);
    let event = ran.stdout.lines().find(|line| line.contains("\"kind\":\"replanned\"")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(event).unwrap()["added"], json!(["5"]));
}

#[test]
fn a_selection_holds_for_the_changed_plan_too() {
    let project = Project::new();
    project.write("plan.md", STEPS);
    let _ = project.run(["--plan", "plan.md", "--only", "3", "--no-tick"]).expect(1);
    let changed = STEPS.replace("Task 4:", "Task 5:").replace(
        "### Task 3:",
        "### Task 3: Draw a plan\n\n- Agent: command\n- Command: `echo drawn >> log`\n\n### Task 4:",
    );
    project.write("plan.md", changed.replace("; test -e wanted", ""));
    let ran = project.run(["resume", "--replan"]).expect(0);
    assert_eq!(lines(&project), ["roof", "roof"], "{}", ran.stderr);
}

#[test]
fn a_plan_from_standard_input_cannot_be_read_again() {
    let project = Project::new();
    let mut child = project
        .command(["--plan", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), STEPS.as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let _ = project.run(["resume", "--replan"]).expect(2).says("standard input");
    let _ = project.run(["resume", "--dry-run"]).expect(2).says("--replan");
}

#[test]
fn a_resume_says_that_the_plan_is_another_one() {
    let project = Project::new();
    let _ = begun(&project);
    project.write("plan.md", STEPS.replace("Move in", "Move in on Monday"));
    let _ = project.run(["resume"]).expect(1).says("orchestrate resume --replan");
    let why = project.run(["why", "4"]).expect(0).stdout;
    assert!(why.contains("orchestrate resume --replan"), "{why}");
}

#[test]
fn a_retry_that_could_change_nothing_is_refused() {
    let project = Project::new();
    let _ = begun(&project);
    let refused = |arguments: &[&str]| project.run(arguments).expect(2).stderr;
    assert!(refused(&["retry", "3", "--layer", "2"]).contains("`command`"));
    assert!(refused(&["retry", "--layer", "2"]).contains("`command`"));
    assert!(refused(&["retry", "3", "--say", "hello"]).contains("`command`"));
    assert!(refused(&["retry", "3", "--layer", "9"]).contains("no layer 9"));
    assert!(refused(&["retry", "3", "--layer", "2", "--agent", "command"]).contains("no layer"));
    assert!(refused(&["retry", "3", "--layer", "7", "--agent", "cline"]).contains("`cline`"));
    assert!(refused(&["retry", "1"]).contains("succeeded"));
    assert_eq!(lines(&project).len(), 3);
}

/// A configuration with an agent of one's own that asks for a key until it reads an answer, in a layer
/// that costs nothing and one that does.
#[cfg(unix)]
const ASKS: &str = r#"version = 1
[agents.asker]
program = "sh"
args = ["ask.sh"]
prompt = "stdin"
[[layers]]
layer = 1
agent = "asker"
model = "small"
provider = "here"
cost = "free"
[[layers]]
layer = 2
agent = "asker"
model = "large"
provider = "there"
cost = "paid"
"#;

#[cfg(unix)]
fn asking() -> Project {
    let project = Project::new();
    project.write("orchestrate.toml", ASKS);
    project.write(
        "ask.sh",
        "if grep -q 'use the key in .env.test'; then\n  \
           orchestrate complete --summary 'used it'\n\
         else\n  \
           orchestrate complete --status blocked --summary 'no key' --error-kind key --error 'which key am I to use?'\n\
         fi\n",
    );
    project.write("plan.md", "- [ ] T001 Call the service\n");
    project
}

#[cfg(unix)]
#[test]
fn an_agent_that_asked_reads_its_question_and_the_answer() {
    let project = asking();
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(1);
    assert_eq!(ran.json()["tasks"][0]["failure"], "reported_blocked");
    let why = project.run(["why", "T001"]).expect(0).stdout;
    assert!(why.contains("orchestrate retry T001 --say") && why.contains("which key am I to use?"), "{why}");
    let ran = project.run(["retry", "T001", "--say", "use the key in .env.test"]).expect(0);
    let folder = project.root().join("plans/agent-shared/runs").join(ran.run_id()).join("tasks/%54001/2");
    let prompt = std::fs::read_to_string(folder.join("prompt.md")).unwrap();
    let question = prompt.find("which key am I to use?").expect("the question");
    let answer = prompt.find("The answer of the person who runs this: use the key").expect("the answer");
    assert!(question < answer, "{prompt}");
}

#[cfg(unix)]
#[test]
fn a_word_with_a_secret_reaches_the_agent_and_nobody_else() {
    let project = asking();
    let _ = project.run(["--plan", "plan.md"]).expect(1);
    let secret = concat!("ghp_", "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8");
    let word = format!("use the key in .env.test, or {secret}");
    let ran = project.run(["retry", "T001", "--say", &word]).expect(0);
    let folder = project.root().join("plans/agent-shared/runs").join(ran.run_id()).join("tasks/%54001/2");
    assert!(std::fs::read_to_string(folder.join("prompt.md")).unwrap().contains(secret));
    let why = project.run(["why", "T001"]).expect(0).stdout;
    let events = project.run(["wait", "--cursor", "0", "--output", "ndjson"]);
    for shown in [&why, &ran.stderr, &events.stdout, &events.stderr] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(why.contains("use the key in .env.test"), "{why}");
}

#[cfg(unix)]
#[test]
fn a_layer_that_costs_money_needs_an_approval() {
    let project = asking();
    let _ = project.run(["--plan", "plan.md"]).expect(1);
    let _ = project.run(["retry", "T001", "--layer", "2"]).expect(2).says("--allow-paid --reason");
    let _ = project.run(["retry", "T001", "--layer", "2", "--allow-paid"]).expect(2).says("--reason");
    let ran = project
        .run(["retry", "T001", "--layer", "2", "--allow-paid", "--reason", "a test", "--output", "json"])
        .expect(1);
    assert_eq!(ran.json()["tasks"][0]["attempts"][1]["layer"], 2);
}

#[test]
fn what_a_replan_left_that_was_cut_off_is_not_taken_for_the_plan() {
    let project = Project::new();
    let ran = begun(&project);
    let folder = project.root().join("plans/agent-shared/runs").join(ran.run_id());
    let coming = folder.join("plan.next");
    std::fs::create_dir(&coming).unwrap();
    std::fs::write(coming.join("plan.md"), "# Another\n").unwrap();
    let _ = project.run(["resume"]).expect(1);
    assert!(!coming.exists());
    assert_eq!(std::fs::read_to_string(folder.join("plan.md")).unwrap(), STEPS);
    // Cut off after it was recorded: the plan that was laid ready is the run's.
    std::fs::create_dir(&coming).unwrap();
    std::fs::rename(folder.join("plan.md"), coming.join("plan.md")).unwrap();
    let hash: String =
        Sha256::digest(STEPS).iter().fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"));
    std::fs::write(coming.join("hash"), hash).unwrap();
    std::fs::write(folder.join("plan.md"), "# Older\n").unwrap();
    let _ = project.run(["resume"]).expect(1);
    assert_eq!(std::fs::read_to_string(folder.join("plan.md")).unwrap(), STEPS);
}
