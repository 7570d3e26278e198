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

static CASES: [Case; 19] = [
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
