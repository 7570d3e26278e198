//! What agents report under the keys of their tasks, in the embedded store and in a Redis.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::going_on::Followed;
use crate::project::{Project, fake_agent, program};
use crate::redis_server::RedisServer;

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_mins(1);

#[track_caller]
fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !seen() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A project `shop` whose one task is this command; its agents know the server, if there is one.
fn project(server: Option<&RedisServer>, retries: u32, command: &str) -> Project {
    let project = Project::new();
    let env = server.map(|server| format!("[redis]\nurl = \"{0}\"\n", server.url()));
    project
        .write("orchestrate.toml", format!("version = 1\nproject = \"shop\"\n{}", env.unwrap_or_default()));
    project.write(
        "plan.md",
        format!("- [ ] T001 One\n  - Agent: command\n  - Retries: {retries}\n  - Command: `{command}`\n"),
    );
    project
}

/// The command by which the stand-in does this.
fn does(behaviours: &[&str]) -> String {
    let words: Vec<String> = behaviours.iter().map(|word| format!("'{word}'")).collect();
    format!("{} {}", fake_agent().display(), words.join(" "))
}

/// Runs the plan and gives its only task.
#[track_caller]
fn task(project: &Project, code: i32) -> Value {
    let ran = project.run(["--plan", "plan.md", "--no-tick", "--output", "json"]).expect(code);
    ran.json()["tasks"][0].clone()
}

#[track_caller]
fn witness(task: &Value) -> String {
    let witnesses = task["attempts"].as_array().unwrap().last().unwrap()["witnesses"].as_array().unwrap();
    let completion = witnesses.iter().find(|witness| witness["name"] == "completion").unwrap();
    completion["seen"].as_str().unwrap().to_owned()
}

#[track_caller]
fn notes(task: &Value) -> String {
    task["attempts"].as_array().unwrap().last().unwrap()["notes"].to_string()
}

fn shown(project: &Project) -> Value {
    project.run(["status", "--output", "json"]).expect(0).json()["tasks"][0].clone()
}

#[test]
fn progress_is_in_the_status_while_the_attempt_runs() {
    let exe = program().display();
    let waits = "while ! test -e go; do sleep 0.05; done";
    let project = project(None, 0, &format!("{exe} progress half --percent 50; {waits}"));
    let mut run = Followed::start(&project, &["--plan", "plan.md", "--no-tick"]);
    run.until("start");
    until("its progress", || shown(&project)["progress"] == "50% half");
    let record = project.run(["state", "get", "task:T001:status", "--output", "json"]).expect(0).json();
    assert_eq!(record["progress"], "50% half");
    assert!(project.run(["why", "T001"]).expect(0).stdout.contains("50% half"));
    project.write("go", "");
    let _ = run.end().expect(0);
}

#[test]
fn a_report_in_the_embedded_store_is_as_good_as_the_file() {
    let exe = program().display();
    let gone = format!("{exe} complete --summary made; rm \"$ORCHESTRATE_COMPLETION\"");
    let project = project(None, 0, &gone);
    let done = task(&project, 0);
    assert_eq!(done["attempts"][0]["summary"], "made");
    assert!(notes(&done).contains("came as a report"), "{done:#}");
    let path = done["attempts"][0]["completion"].as_str().unwrap();
    let completion: Value = serde_json::from_str(&project.read(path)).unwrap();
    assert_eq!((&completion["summary"], completion.get("source")), (&"made".into(), None));
}

#[test]
fn the_worse_of_report_and_file_counts_and_the_verdict_says_so() {
    let exe = program().display();
    let failed = format!("{exe} complete --status failed --summary no --error broken");
    let project = project(None, 0, &format!("{failed}; {}", does(&["pass"])));
    let done = task(&project, 1);
    assert_eq!(done["failure"], "reported_failed");
    let seen = witness(&done);
    assert!(seen.contains("the file says succeeded, the report failed: the worse one counts"), "{seen}");
    let path = done["attempts"][0]["completion"].as_str().unwrap();
    assert!(project.read(path).contains("succeeded"), "the file is the agent's");
}

#[test]
fn the_report_of_an_earlier_attempt_is_gone() {
    let exe = program().display();
    let first =
        format!("{exe} complete --status failed --summary no --error broken; rm \"$ORCHESTRATE_COMPLETION\"");
    let project = project(None, 1, &format!("test $ORCHESTRATE_ATTEMPT = 2 || {{ {first}; }}"));
    let done = task(&project, 0);
    assert_eq!(done["attempts"][0]["failure"], "reported_failed");
    assert_eq!(done["attempts"][1]["status"], "succeeded", "{done:#}");
}

#[test]
fn a_bare_set_in_redis_is_as_good_as_the_file() {
    let Some(server) = RedisServer::start() else { return };
    for (behaviours, code, failure) in [
        (&["report:succeeded"][..], 0, Value::Null),
        (&["report:failed"], 1, "reported_failed".into()),
        (&["report:blocked"], 1, "reported_blocked".into()),
        // The last completion counts, whatever is said afterwards.
        (&["report:failed", "report:succeeded"], 0, Value::Null),
        (&["pass", "report:failed"], 1, "reported_failed".into()),
        (&["failed", "report:succeeded"], 1, "reported_failed".into()),
        (&["bad-schema", "report:succeeded"], 1, "bad_completion".into()),
        (&["pass", "set-report:what is this"], 0, Value::Null),
        (&["pass", "big-report:100000000"], 0, Value::Null),
    ] {
        server.say(&["FLUSHALL"]);
        let project = project(Some(&server), 0, &does(behaviours));
        let done = task(&project, code);
        assert_eq!(done["failure"], failure, "{behaviours:?}: {done:#}");
        let disagree = behaviours.len() == 2 && code == 1;
        assert_eq!(witness(&done).contains("the report "), disagree, "{behaviours:?}: {}", witness(&done));
        assert!(server.say(&["PTTL", "shop:task:T001:report"]).len() > 5, "its key goes some day");
    }
}

#[test]
fn an_agent_that_has_to_leave_a_completion_may_report_it() {
    let Some(server) = RedisServer::start() else { return };
    let project = Project::new();
    let url = server.url();
    for (behaviour, code, failure) in [
        ("report:succeeded", 0, Value::Null),
        ("report-progress:half", 1, "no_completion".into()),
        ("set-report:{\"report\":\"completion\"}", 1, "bad_completion".into()),
    ] {
        let configuration = format!(
            "version = 1\nproject = 'shop'\n[redis]\nurl = '{url}'\n[agents.acme]\nprogram = '{}'\n\
             args = ['{behaviour}']\n",
            fake_agent().display()
        );
        project.write("orchestrate.toml", configuration);
        project.write("plan.md", "- [ ] T001 One\n  - Agent: acme\n  - Retries: 0\n");
        let done = task(&project, code);
        assert_eq!(done["failure"], failure, "{behaviour}: {done:#}");
    }
}

#[test]
fn a_bad_report_is_answered_until_it_is_mended() {
    let Some(server) = RedisServer::start() else { return };
    let attempt = "{\"schema\":\"task-report/v1\",\"run_id\":\"{run}\",\"task_id\":\"{task}\",\"attempt\":";
    let bad = format!("set-report:{attempt}{{attempt}},\"report\":\"progres\",\"message\":\"m\"}}");
    let other = format!("set-report:{attempt}7,\"report\":\"progress\",\"message\":\"m\"}}");
    let steps = [&bad, "wait-for:one", &other, "wait-for:two", "report-progress:mended", "wait-for:three"];
    let project = project(Some(&server), 0, &does(&steps));
    let mut run = Followed::start(&project, &["--plan", "plan.md", "--no-tick"]);
    run.until("start");
    let record = || -> Value {
        server
            .get("shop:task:T001:status")
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    };
    let says = |words: &str| record()["report_problem"].as_str().is_some_and(|text| text.contains(words));
    until("the answer", || says("did you mean `progress`?"));
    assert!(shown(&project)["report_problem"].as_str().unwrap().contains("`/report`"));
    assert!(project.run(["why", "T001"]).expect(0).stdout.contains("not valid: `/report`"));
    project.write("one", "");
    until("the next answer", || says("`/attempt`: 7 is another attempt; this one is 1"));
    project.write("two", "");
    until("that it is mended", || record()["progress"] == "mended");
    assert_eq!(record().get("report_problem"), None);
    project.write("three", "");
    let _ = run.end().expect(0);
}

#[test]
fn late_and_left_reports_are_of_no_account() {
    let Some(server) = RedisServer::start() else { return };
    // As an earlier run may have left it.
    server.say(&["SET", "shop:task:T001:report", "left by somebody"]);
    let project = project(Some(&server), 0, &does(&["line:nothing"]));
    let done = task(&project, 0);
    assert!(!notes(&done).contains("report"), "{done:#}");
    assert_eq!(server.get("shop:task:T001:report"), None);

    // The first attempt reports a failure; the second one what the first one would have said.
    let late = "{\"schema\":\"task-report/v1\",\"run_id\":\"{run}\",\"task_id\":\"{task}\",\"attempt\":1,\
                \"report\":\"progress\",\"message\":\"late\"}";
    let second = does(&[&format!("set-report:{late}")]);
    let first = does(&["report:failed"]);
    let project = self::project(
        Some(&server),
        1,
        &format!("if test $ORCHESTRATE_ATTEMPT = 1; then {first}; else {second}; fi"),
    );
    let done = task(&project, 0);
    assert_eq!(done["attempts"][0]["failure"], "reported_failed");
    assert_eq!(done["attempts"][1]["status"], "succeeded");
    assert!(!notes(&done).contains("report"), "{done:#}");
    assert_eq!(done.get("progress"), None, "{done:#}");
}

#[test]
fn our_own_commands_report_to_redis_besides() {
    let Some(mut server) = RedisServer::start() else { return };
    let exe = program().display();
    let project = project(Some(&server), 0, &format!("{exe} progress half; {exe} complete --summary made"));
    let done = task(&project, 0);
    assert_eq!(done["attempts"][0]["summary"], "made");
    let report: Value = serde_json::from_str(&server.get("shop:task:T001:report").unwrap()).unwrap();
    assert_eq!((&report["report"], &report["completion"]["summary"]), (&"completion".into(), &"made".into()));

    // An agent elsewhere has no more than the address and the prefix.
    let call = |words: &[&str], url: &str| {
        let mut command = project.command(words);
        command
            .envs([("ORCHESTRATE_RUN", "01R"), ("ORCHESTRATE_TASK", "T 1"), ("ORCHESTRATE_ATTEMPT", "3")])
            .envs([("REDIS_PREFIX", "shop:"), ("ORCHESTRATE_REPORT_URL", url)])
            .env("ORCHESTRATE_COMPLETION", "/nowhere/runs/01R/tasks/T/3/completion.json");
        crate::project::Ran::of(&command.output().unwrap())
    };
    let url = server.url();
    let _ = call(&["progress", "half"], &url).expect(0);
    assert!(server.get("shop:task:T%201:report").unwrap().contains("\"half\""));
    let _ = call(&["complete", "--summary", "far"], &url).expect(0);
    assert!(server.get("shop:task:T%201:report").unwrap().contains("\"far\""));
    server.kill();
    let _ = call(&["complete", "--summary", "far"], &url).expect(6);
    let _ = call(&["progress", "half"], &url).expect(6);

    // The file is the sure way: a Redis that is gone is a note.
    let project = self::project(
        None,
        0,
        &format!("ORCHESTRATE_REPORT_URL={url} {exe} complete --summary made 2> said; echo $? > code"),
    );
    assert_eq!(task(&project, 0)["attempts"][0]["summary"], "made");
    assert_eq!(project.read("code").trim(), "0");
    assert!(project.read("said").contains("it is not in Redis"), "{}", project.read("said"));
}

#[test]
fn a_redis_that_is_gone_or_stands_still_keeps_no_attempt_waiting() {
    let Some(mut server) = RedisServer::start() else { return };
    let project = project(Some(&server), 0, &does(&["wait-for:go", "pass"]));
    for still in [true, false] {
        let mut run = Followed::start(&project, &["--plan", "plan.md", "--no-tick"]);
        run.until("start");
        let pid = rustix::process::Pid::from_raw(i32::try_from(server.pid()).unwrap()).unwrap();
        if still {
            rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        } else {
            server.kill();
        }
        project.write("go", "");
        run.until("done");
        if still {
            rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
        }
        let _ = run.end().expect(0);
        std::fs::remove_file(project.root().join("go")).unwrap();
    }
}
