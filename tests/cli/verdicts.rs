//! Every failure kind that a process can end as, with the behaviour that produces it, as data.

use crate::project::{Project, fake_agent};

/// What an agent does, and what its task must end as.
struct Case {
    name: &'static str,
    behaviour: &'static [&'static str],
    /// Further keys of the task.
    keys: &'static str,
    /// The failure kind; none: it succeeds.
    expected: Option<&'static str>,
    /// The witness that decides.
    decided_by: Option<&'static str>,
}

const fn case(
    name: &'static str,
    behaviour: &'static [&'static str],
    keys: &'static str,
    expected: Option<&'static str>,
    decided_by: Option<&'static str>,
) -> Case {
    Case { name, behaviour, keys, expected, decided_by }
}

static CASES: [Case; 28] = [
    case("pass", &["pass"], "", None, None),
    case("silent", &["no-completion"], "", Some("no_completion"), Some("completion")),
    case("exit3", &["exit:3"], "", Some("exited"), Some("process")),
    case("schema", &["bad-schema"], "", Some("bad_completion"), Some("completion")),
    case("attempt", &["wrong-attempt"], "", Some("bad_completion"), Some("completion")),
    case("failed", &["failed"], "", Some("reported_failed"), Some("completion")),
    case("blocked", &["blocked"], "", Some("reported_blocked"), Some("completion")),
    case("link", &["symlink-completion"], "", Some("bad_completion"), Some("completion")),
    case("folder", &["folder-completion"], "", Some("bad_completion"), Some("completion")),
    case("huge", &["huge-completion"], "", Some("bad_completion"), Some("completion")),
    case("half", &["half-completion:300"], "", None, None),
    case("bytes", &["non-utf8", "pass"], "", None, None),
    case("talk", &["line:429 rate limit exceeded, unauthorized, quota", "pass"], "", None, None),
    case("hang", &["hang"], "Timeout: 1s", Some("timed_out"), Some("process")),
    case("output", &["pass"], "Files: create `never.txt`", Some("output_missing"), Some("outputs")),
    case("claimed", &["claim:never-made.txt"], "", Some("no_change"), Some("change")),
    case("made", &["write:made.txt:x", "pass"], "Files: create `made.txt`", None, None),
    case("check", &["pass"], "Verify: `test -e never.txt`", Some("verify_failed"), Some("verify")),
    case("task", &["wrong-task"], "", Some("bad_completion"), Some("completion")),
    case("run", &["wrong-run"], "", Some("bad_completion"), Some("completion")),
    case("outside", &["claim:../outside.txt"], "", Some("bad_completion"), Some("completion")),
    case("absolute", &["claim:/etc/hostname"], "", Some("bad_completion"), Some("completion")),
    case("crash", &["pass", "exit:134"], "", Some("exited"), Some("process")),
    case("untouched", &["pass"], "Files: create `kept.txt`", Some("output_missing"), Some("outputs")),
    case("unmodified", &["pass"], "Files: modify `idle.txt`", Some("no_change"), Some("change")),
    case("idle", &["claim:idle.txt"], "", Some("no_change"), Some("change")),
    case("empty", &["make:empty.txt", "pass"], "Files: create `empty.txt`", None, None),
    case("retried", &["pass-at:2"], "Retries: 1", None, None),
];

/// Windows lets nobody make links who was not given the right to.
fn cases() -> impl Iterator<Item = &'static Case> {
    CASES.iter().filter(|case| cfg!(unix) || case.name != "link")
}

#[test]
fn every_ending_has_its_name() {
    let project = Project::new();
    let mut configuration = String::from("version = 1\n\n[run]\nretries = 0\ngrace = \"1s\"\n");
    let mut plan = String::from("# Endings\n");
    for (place, case) in cases().enumerate() {
        let arguments: Vec<String> = case.behaviour.iter().map(|word| format!("{word:?}")).collect();
        configuration.push_str(&format!(
            "\n[agents.{}]\nprogram = {:?}\nargs = [{}]\n",
            case.name,
            fake_agent(),
            arguments.join(", ")
        ));
        plan.push_str(&format!(
            "\n### Task {}: {1}\n\n- Agent: {1}\n- Depends on: none\n",
            place + 1,
            case.name
        ));
        if !case.keys.is_empty() {
            plan.push_str(&format!("- {}\n", case.keys));
        }
    }
    project.write("orchestrate.toml", configuration);
    project.write("plan.md", plan);
    project.write("kept.txt", "as it was\n");
    project.write("idle.txt", "as it was\n");
    let ran = project.run(["--plan", "plan.md", "-j", "8", "--output", "json"]).expect(1);
    let result = ran.json();
    let tasks = result["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), cases().count(), "{}", ran.stderr);
    for (case, task) in cases().zip(tasks) {
        assert_eq!(task["title"], case.name);
        assert_eq!(task["failure"].as_str(), case.expected, "{}: {task:#}", case.name);
        let expected_status = if case.expected.is_none() { "succeeded" } else { "failed" };
        assert_eq!(task["status"], expected_status, "{}", case.name);
        let last = task["attempts"].as_array().unwrap().last().unwrap();
        let witnesses = last["witnesses"].as_array().unwrap();
        assert_eq!(witnesses.len(), 9, "{}: every witness is listed", case.name);
        if let Some(decides) = case.decided_by {
            let witness = witnesses.iter().find(|witness| witness["name"] == decides).unwrap();
            assert_eq!(witness["agrees"], false, "{}: {witness}", case.name);
        }
        let completion = last["completion"].as_str().unwrap();
        assert!(project.has(completion), "{}: every attempt has a completion", case.name);
    }
    let _ = project.run(["state", "verify"]).expect(0);
}

#[cfg(unix)]
#[test]
fn what_an_attempt_left_behind_is_ended_and_told() {
    let project = Project::new();
    project.write(
        "orchestrate.toml",
        format!(
            "version = 1\n[agents.fake]\nprogram = {:?}\nargs = [\"grandchild\", \"setsid-grandchild\", \"pass\"]\n",
            fake_agent()
        ),
    );
    project.write("plan.md", "- [ ] T001 Leaves children\n  - Agent: fake\n");
    let ran = project.run(["--plan", "plan.md", "--no-tick", "--output", "json"]).expect(0);
    let printed = project.run(["logs", "T001"]).expect(0).stdout;
    let pids: Vec<i32> = printed
        .lines()
        .filter_map(|line| {
            line.strip_prefix("grandchild ").or_else(|| line.strip_prefix("setsid-grandchild "))
        })
        .map(|pid| pid.trim().parse().unwrap())
        .collect();
    assert_eq!(pids.len(), 2, "{printed}");
    for pid in pids {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        assert!(rustix::process::test_kill_process(pid).is_err(), "{pid:?} lives");
    }
    let notes = ran.json()["tasks"][0]["attempts"][0]["notes"].to_string();
    assert!(notes.contains('2'), "{notes}");
}

const PYTHON: &str =
    "def test_a():\n    assert a\n\n\ndef test_b():\n    assert b\n\n\ndef test_c():\n    assert c\n";

/// An agent for each task, named as it, in a project with tests, a check and a CI file.
fn with_tests(agents: &[(&str, &[&str], &str)]) -> Project {
    let project = Project::new();
    let mut configuration = String::from("version = 1\n\n[run]\nretries = 0\n");
    let mut plan = String::from("# Work\n");
    for (place, (name, behaviour, keys)) in agents.iter().enumerate() {
        configuration.push_str(&format!(
            "\n[agents.{name}]\nprogram = {:?}\nargs = {behaviour:?}\n",
            fake_agent().to_string_lossy()
        ));
        plan.push_str(&format!("\n### Task {}: {name}\n\n- Agent: {name}\n{keys}\n", place + 1));
    }
    project.write("orchestrate.toml", configuration);
    project.write("plan.md", plan);
    project.write("tests/test_a.py", PYTHON);
    project.write("tests/test_b.py", PYTHON.replace("test_", "test_other_"));
    project.write(".github/workflows/ci.yml", "jobs:\n  test:\n    steps:\n      - run: pytest\n");
    project.write("scripts/check.sh", "exit 1\n");
    project
}

fn doubts_of(task: &serde_json::Value) -> Vec<String> {
    let attempts = task["attempts"].as_array().unwrap();
    let doubts = attempts.last().unwrap()["doubts"].as_array().unwrap().iter();
    let text = |doubt: &serde_json::Value, field: &str| doubt[field].as_str().unwrap().to_owned();
    doubts
        .map(|doubt| format!("{} {}: {}", text(doubt, "kind"), text(doubt, "path"), text(doubt, "seen")))
        .collect()
}

#[test]
fn tests_and_checks_that_an_agent_does_away_with_are_doubts_and_no_failure() {
    let project = with_tests(&[
        (
            "honest",
            &["write:src/a.py:x = 1", "edit:tests/test_a.py:\\ndef test_d():\\n    assert d", "pass"],
            "",
        ),
        ("deletes", &["remove:tests/test_b.py", "pass"], "- Depends on: 1"),
        ("removes", &["write:tests/test_a.py:def test_a():\\n    assert True", "pass"], "- Depends on: 2"),
        ("weakens", &["write:.github/workflows/ci.yml:- run: pytest || true", "pass"], "- Depends on: 3"),
        (
            "cheats",
            &["write:scripts/check.sh:exit 0", "pass"],
            "- Depends on: 4\n- Verify: `sh scripts/check.sh`",
        ),
        ("asked", &["remove:tests/test_a.py", "pass"], "- Depends on: 5\n- Files: delete `tests/test_a.py`"),
    ]);
    let ran = project.run(["--plan", "plan.md", "--no-tick", "--output", "json"]).expect(0);
    let result = ran.json();
    let tasks = result["tasks"].as_array().unwrap();
    let expected: [&[&str]; 6] = [
        &[],
        &["tests_deleted tests/test_b.py: deleted, with 3 tests"],
        &[
            "tests_removed tests/test_a.py: 3 of 4 tests removed",
            "assertions_emptied tests/test_a.py: 1 assertion that cannot fail was added",
        ],
        &["check_weakened .github/workflows/ci.yml: 1 place more lets failures pass"],
        &["check_changed scripts/check.sh: changed, and `sh scripts/check.sh` runs it"],
        &[],
    ];
    for (task, expected) in tasks.iter().zip(expected) {
        assert_eq!(task["status"], "succeeded", "{task:#}");
        assert_eq!(doubts_of(task), expected, "{}", task["title"]);
    }
    let ran = ran.says("succeeded with doubts");
    assert!(ran.stderr.contains("warning  3"), "{}", ran.stderr);
    let why = project.run(["why", "3"]).expect(0).stdout;
    assert!(why.contains("succeeded, 2 doubts") && why.contains("! doubt"), "{why}");
    let told = project.run(["why", "3", "--output", "json"]).expect(0).json();
    assert_eq!(told["schema"], "why/v1");
    assert_eq!(told["attempts"][0]["doubts"][0]["path"], "tests/test_a.py");
    let report = project.run(["report"]).expect(0).stdout;
    assert!(report.contains("## Doubts") && report.contains("3 of 4 tests removed"), "{report}");
}

#[test]
fn of_several_at_work_in_one_checkout_each_may_have_done_it() {
    let project = with_tests(&[
        (
            "removes",
            &["wait-for:second", "write:first:x", "remove:tests/test_b.py", "pass"],
            "- Depends on: none",
        ),
        ("other", &["write:second:x", "wait-for:first", "pass"], "- Depends on: none"),
    ]);
    let ran = project.run(["--plan", "plan.md", "-j", "2", "--no-tick", "--output", "json"]).expect(0);
    let result = ran.json();
    let seen = "tests_deleted tests/test_b.py: deleted, with 3 tests";
    assert_eq!(doubts_of(&result["tasks"][0]), [format!("{seen}, by it or by 2")]);
    for doubt in doubts_of(&result["tasks"][1]) {
        assert_eq!(doubt, format!("{seen}, by it or by 1"), "if it saw it at all");
    }
}

#[test]
fn an_old_completion_that_is_left_again_is_none_and_an_empty_output_is_a_doubt() {
    let project = with_tests(&[
        ("first", &["write:empty.txt:", "pass"], "- Files: create `empty.txt`"),
        ("second", &["copy-completion:old.json", "pass-at:2"], "- Depends on: 1\n- Retries: 0"),
    ]);
    project.write("old.json", "{}");
    let ran = project.run(["--plan", "plan.md", "--no-tick", "--only", "1", "--output", "json"]).expect(0);
    let result = ran.json();
    let completion = result["tasks"][0]["attempts"][0]["completion"].as_str().unwrap().to_owned();
    assert_eq!(doubts_of(&result["tasks"][0]), [""; 0], "`writeln` leaves a line break");
    project.write("old.json", project.read(&completion));
    project.write(
        "orchestrate.toml",
        project
            .read("orchestrate.toml")
            .replace("\"write:empty.txt:\"", "\"make:empty.txt\"")
            .replace(", \"pass-at:2\"", ""),
    );
    let ran = project.run(["--plan", "plan.md", "--no-tick", "--force", "--output", "json"]).expect(1);
    let result = ran.json();
    assert_eq!(doubts_of(&result["tasks"][0]), ["output_empty empty.txt: a declared output, and empty"]);
    assert_eq!(result["tasks"][1]["failure"], "bad_completion", "{result:#}");
}
