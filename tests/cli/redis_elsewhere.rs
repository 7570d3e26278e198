//! Runs of other machines, through nothing but a Redis. Another machine is another checkout of the same
//! project, under another host name.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::going_on::Followed;
use crate::project::{Project, Ran};
use crate::redis_server::RedisServer;

/// A plan whose first two tasks go on until a file is there.
const PLAN: &str = "\
### Task 1: Waits

- Agent: command
- Command: `echo begun; while ! test -e go; do sleep 0.05; done; echo one >> ones`

### Task 2: Waits too

- Agent: command
- Depends on: none
- Command: `while ! test -e go; do sleep 0.05; done; echo two >> twos`

### Task 3: Follows

- Agent: command
- Depends on: 1
- Command: `touch three`
";

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A machine that has the project `shop`, with nothing in it yet.
fn machine(server: &RedisServer, host: &str) -> Project {
    let mut project = Project::new();
    project.write("orchestrate.toml", "version = 1\nproject = \"shop\"\n[run]\ntick = \"never\"\n");
    project.set("ORCHESTRATE_HOST", host).set("ORCHESTRATE_REDIS_URL", server.url());
    project
}

fn checkout(server: &RedisServer, host: &str) -> Project {
    let project = machine(server, host);
    project.write("plan.md", PLAN);
    project
}

#[track_caller]
fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !seen() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A run on `here` whose first two tasks are under way, in Redis too; with its id.
fn under_way(server: &RedisServer, here: &Project) -> (Followed, String) {
    under_way_with(server, here, &["--plan", "plan.md"])
}

fn under_way_with(server: &RedisServer, here: &Project, plans: &[&str]) -> (Followed, String) {
    let mut run = Followed::start(here, plans);
    run.until("start");
    let running = |task: &str| {
        server.get(&format!("shop:task:{task}:status")).is_some_and(|text| text.contains("running"))
    };
    until("its records", || running("1") && running("2"));
    let record: Value = serde_json::from_str(&server.get("shop:task:1:status").unwrap()).unwrap();
    let id = record["run_id"].as_str().unwrap().to_owned();
    (run, id)
}

/// Has the lease of a run run out, as half a minute without its supervisor would.
fn let_lapse(server: &RedisServer, run: &str) {
    let key = format!("shop:run:{run}:lease");
    let mut lease: Value = serde_json::from_str(&server.get(&key).unwrap()).unwrap();
    lease["until"] = "2020-01-01T00:00:00.000Z".into();
    server.say(&["SET", &key, &lease.to_string()]);
}

/// The events of a run as a machine has them, without gaps.
#[track_caller]
fn events(machine: &Project, run: &str) -> Vec<Value> {
    let told = machine.run(["status", run, "--output", "ndjson"]).expect(0);
    let events: Vec<Value> = told.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (place, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], place + 1, "{}", told.stdout);
    }
    events
}

fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["kind"] == kind).count()
}

#[track_caller]
fn verified(machine: &Project) {
    let told = machine.run(["state", "verify", "--output", "json"]);
    assert_eq!(told.code, 0, "{}{}", told.stdout, told.stderr);
    assert_eq!(told.json()["problems"], serde_json::json!([]));
}

#[test]
fn a_run_is_seen_from_another_machine() {
    let Some(server) = RedisServer::start() else { return };
    let (here, there) = (checkout(&server, "anvil"), machine(&server, "bench"));
    let _ = there.run(["status"]).expect(2).says("no run is known here");
    let _ = there.run(["runs"]).expect(2);
    let (run, id) = under_way(&server, &here);

    let status = there.run(["status", "--output", "json"]).expect(0).json();
    assert_eq!((&status["run_id"], &status["status"]), (&id.as_str().into(), &"running".into()));
    let same = |words: &[&str]| {
        let (one, other) = (here.run(words).expect(0), there.run(words).expect(0));
        assert_eq!(one.stdout, other.stdout, "{words:?}");
        one
    };
    let _ = same(&["status", &id, "--output", "ndjson"]);
    let _ = same(&["report", &id[..20], "--as", "json"]);
    let _ = same(&["runs", "--output", "json"]);
    assert!(there.run(["why", "3"]).expect(0).stdout.contains("Follows"));
    assert!(there.run(["runs"]).expect(0).stdout.contains("plan.md"));
    let _ = there.run(["status", "01ZZZ"]).expect(2).says("no run is known here");
    let _ = there.run(["wait", "--timeout", "100ms"]).expect(124);
    let events = there.run(["wait", "--cursor", "0", "--output", "ndjson"]).expect(0);
    assert!(events.stdout.contains("\"run_started\""), "{}", events.stdout);
    let record = there.run(["state", "get", "task:1:status"]).expect(0).json();
    assert_eq!(record["status"], "running");
    verified(&there);

    until("the tail", || server.get("shop:task:1:tail").is_some());
    let logs = there.run(["logs", "1"]).expect(0).says("anvil:").says("1/stdout.log");
    assert_eq!(logs.stdout, "begun\n");
    let lies = here.root().join("plans/agent-shared/runs").join(&id).join("tasks/1/1/stdout.log");
    assert!(lies.is_file() && logs.stderr.contains(&lies.display().to_string()), "{}", logs.stderr);
    let _ = there.run(["logs", "1", "--stderr"]).expect(2).says("stderr.log");

    let waiting = there.spawn(["wait"]);
    let following = there.spawn(["logs", "2", "-f"]);
    here.write("go", "");
    let _ = run.end().expect(0);
    let _ = Ran::of(&waiting.wait_with_output().unwrap()).expect(0);
    let _ = Ran::of(&following.wait_with_output().unwrap()).expect(0);
    let _ = same(&["status", &id, "--output", "ndjson"]);
    assert_eq!(there.run(["status", "--output", "json"]).expect(0).json()["status"], "succeeded");
    let _ = there.run(["stop"]).expect(2).says("nothing to stop");
    let _ = there.run(["resume"]).expect(4);
    verified(&here);
    assert!(!there.has("plans"), "looking leaves nothing behind");
}

#[test]
fn a_run_is_asked_from_another_machine() {
    let Some(server) = RedisServer::start() else { return };
    let (here, there) = (checkout(&server, "anvil"), machine(&server, "bench"));
    let (mut run, id) = under_way(&server, &here);
    let control = format!("shop:run:{id}:control");
    server.say(&["XADD", &control, "1-0", "json", "{\"schema\": \"control/v1\", \"action\": \"explode\"}"]);
    run.until("is none, and is skipped");
    let _ = there.run(["stop", "2"]).expect(0);
    until("the end of task 2", || {
        server.get("shop:task:2:status").is_some_and(|text| text.contains("cancelled"))
    });
    let _ = there.run(["retry", "2"]).expect(0);
    until("its second attempt", || {
        server.get("shop:task:2:status").is_some_and(|text| text.contains("\"attempt\":2"))
    });
    let _ = there.run(["stop"]).expect(0).says("is asked to stop");
    let _ = run.end().expect(130);
    // What was taken once is not taken again, by whoever goes on.
    here.write("go", "");
    let _ = here.run(["resume"]).expect(0);
    let told = events(&here, &id);
    assert_eq!(count(&told, "stop_requested"), 1);
    let attempts = |task: &str| {
        let of_task = |event: &&Value| event["kind"] == "attempt_started" && event["task_id"] == task;
        told.iter().filter(of_task).count()
    };
    // Once at the start, once by the retry, once by the resumption.
    assert_eq!((attempts("1"), attempts("2")), (2, 3));
    assert_eq!(here.read("twos"), "two\n");
    let _ = here.run(["state", "verify"]).expect(6);
    server.say(&["XDEL", &control, "1-0"]);
    verified(&here);
}

#[test]
fn a_gate_is_approved_from_another_machine() {
    let Some(server) = RedisServer::start() else { return };
    let (here, there) = (machine(&server, "anvil"), machine(&server, "bench"));
    here.write(
        "plan.md",
        "## Phase 1\n\n- [ ] T001 Build\n  - Agent: command\n  - Command: `touch built`\n\n\
         ## Phase 2\n\n- **Gate**: approval\n\n- [ ] T002 Publish\n  - Agent: command\n  - Command: `touch published`\n",
    );
    let ran = here.run(["--plan", "plan.md"]).expect(9);
    let _ = there.run(["approve", "nothing"]).expect(2).says("approval");
    let _ = there.run(["approve", "approval"]).expect(0).says("go on with `orchestrate resume`");
    assert!(!there.has("plans"));
    let _ = here.run(["resume", ran.run_id()]).expect(0);
    assert!(here.has("published"));
    verified(&here);
    // And what was approved where it was begun holds where it is gone on with.
    let _ = here.run(["--plan", "plan.md"]).expect(9);
    let _ = here.run(["approve", "approval"]).expect(0);
    there.write("plan.md", here.read("plan.md"));
    let _ = there.run(["resume"]).expect(0);
    assert!(there.has("published"));
}

#[test]
fn who_waits_outlasts_a_server_that_begins_anew() {
    let Some(mut server) = RedisServer::start() else { return };
    let (here, there) = (checkout(&server, "anvil"), machine(&server, "bench"));
    let (mut run, _) = under_way(&server, &here);
    let mut waiting = Followed::start(&there, &["wait"]);
    let listeners = || server.say(&["CLIENT", "LIST"]).matches("cmd=xread ").count();
    until("that both listen", || listeners() == 2);
    server.kill();
    waiting.until("it is tried again");
    server.start_again();
    run.until("is back");
    here.write("go", "");
    let _ = run.end().expect(0);
    let _ = waiting.end().expect(0);
}

#[test]
fn a_run_of_a_dead_machine_is_taken_over() {
    let Some(server) = RedisServer::start() else { return };
    let (here, there) = (checkout(&server, "anvil"), machine(&server, "bench"));
    let (run, id) = under_way(&server, &here);
    let _ = there.run(["resume"]).expect(7).says("anvil:");
    run.kill_supervisor();
    let _ = run.end().expect(70);
    // Half a minute may pass before it is known to be dead.
    let _ = there.run(["resume"]).expect(7).says("anvil:");
    let_lapse(&server, &id);
    let _ = there.run(["wait"]).expect(1).says("is dead").says(&format!("orchestrate resume {id}"));
    assert!(there.run(["runs"]).expect(0).stdout.contains("lost"));
    let _ = there.run(["stop"]).expect(2).says("nothing to stop");

    let _ = there.run(["resume"]).expect(5).says("goes on only in its repository");
    assert!(!there.has("plans"));
    there.write("plan.md", PLAN);
    there.write("go", "");
    let ran = there.run(["resume"]).expect(0).says("anvil ran this before");
    assert_eq!(ran.run_id(), id);
    assert_eq!((there.read("ones"), there.read("twos")), ("one\n".to_owned(), "two\n".to_owned()));
    assert!(there.has("three") && there.has(&format!("plans/agent-shared/runs/{id}/plan.md")));

    // One story, whoever tells it.
    let told = events(&there, &id);
    assert_eq!(told, events(&here, &id));
    assert_eq!(
        (count(&told, "run_started"), count(&told, "run_resumed"), count(&told, "run_ended")),
        (1, 1, 1)
    );
    let status = here.run(["status", "--output", "json"]).expect(0).json();
    assert_eq!(status["status"], "succeeded");
    assert_eq!(status["tasks"][0]["attempts"][0]["failure"], "lost");
    verified(&there);
    verified(&here);
    // Nor does the journal that is behind put wrong what is right.
    let _ = here.run(["state", "repair"]).expect(0);
    verified(&there);
    let _ = here.run(["resume"]).expect(4);
}

#[test]
fn a_supervisor_that_comes_back_finds_that_it_was_replaced() {
    let Some(server) = RedisServer::start() else { return };
    let (here, there) = (checkout(&server, "anvil"), checkout(&server, "bench"));
    let (late, id) = under_way(&server, &here);
    late.signal_supervisor(rustix::process::Signal::STOP);
    let_lapse(&server, &id);
    let mut next = Followed::start(&there, &["resume", &id]);
    next.until("start");
    late.signal_supervisor(rustix::process::Signal::CONT);
    let _ = late.end().expect(7);
    there.write("go", "");
    let _ = next.end().expect(0);
    assert!(!here.has("ones") && !here.has("twos"));
    let told = events(&there, &id);
    assert_eq!((count(&told, "run_resumed"), count(&told, "run_ended")), (1, 1));
    verified(&there);
}

#[test]
fn a_run_comes_back_to_where_it_was_begun() {
    let Some(server) = RedisServer::start() else { return };
    let (here, there) = (checkout(&server, "anvil"), checkout(&server, "bench"));
    let (run, id) = under_way(&server, &here);
    let _ = there.run(["stop"]).expect(0);
    let _ = run.end().expect(130);
    let mut next = Followed::start(&there, &["resume"]);
    next.until("start");
    // It is the other machine's by now.
    let _ = here.run(["resume"]).expect(7).says("bench:");
    let _ = here.run(["stop"]).expect(0);
    let _ = next.end().expect(130);
    here.write("go", "");
    let _ = here.run(["resume"]).expect(0).says("bench ran this before");
    let told = events(&here, &id);
    assert_eq!((count(&told, "run_resumed"), count(&told, "run_ended")), (2, 3));
    assert_eq!(here.read("ones"), "one\n");
    verified(&here);
    verified(&there);
}

#[test]
fn what_is_not_whole_is_not_taken_over() {
    let Some(server) = RedisServer::start() else { return };
    let (here, there) = (checkout(&server, "anvil"), checkout(&server, "bench"));
    let (run, id) = under_way(&server, &here);
    run.kill_supervisor();
    let _ = run.end().expect(70);
    let_lapse(&server, &id);
    let events = format!("shop:run:{id}:events");
    server.say(&["XDEL", &events, "2-0"]);
    for command in ["resume", "status"] {
        let _ = there.run([command]).expect(6).says("event 2 of run").says("cannot be made up");
    }
    let journal = there.root().join("plans/agent-shared/orchestrate.db");
    assert!(!journal.exists());
    let plan = format!("shop:run:{id}:plan");
    server.say(&["DEL", &plan]);
    let _ = there.run(["status"]).expect(6).says("is not in Redis at");
    // The machine that ran it has all of it.
    here.write("go", "");
    let _ = here.run(["state", "repair"]).expect(0);
    let _ = here.run(["resume"]).expect(0);
}

#[test]
fn what_was_masked_is_not_run() {
    let Some(server) = RedisServer::start() else { return };
    let (here, there) = (machine(&server, "anvil"), machine(&server, "bench"));
    let plan = "### Task 1: Calls\n\n- Agent: command\n- Command: `echo sk-abc123def456ghi789jkl012; test -e go`\n- Retries: 0\n\n### Task 2: Next\n\n- Agent: command\n- Command: `true`\n";
    for machine in [&here, &there] {
        machine.write("plan.md", plan);
    }
    let ran = here.run(["--plan", "plan.md"]).expect(1);
    let told = there.run(["resume", ran.run_id()]).expect(5).says("looks like a secret").says("anvil");
    assert!(!told.stderr.contains("sk-abc123def456ghi789jkl012"));
    assert!(!there.has("plans"));
    here.write("go", "");
    let _ = here.run(["retry"]).expect(0);
}

#[test]
fn without_the_server_nothing_is_known_elsewhere() {
    let Some(mut server) = RedisServer::start() else { return };
    let (here, there) = (checkout(&server, "anvil"), machine(&server, "bench"));
    here.write("go", "");
    let _ = here.run(["--plan", "plan.md"]).expect(0);
    server.kill();
    for command in ["status", "wait", "runs", "resume", "stop"] {
        let _ = there.run([command]).expect(6).says("cannot be used");
    }
    let _ = here.run(["status"]).expect(0).says("what the journal here has");
    assert!(here.run(["runs"]).expect(0).stdout.contains("plan.md"));
}

#[test]
fn a_plan_that_was_read_again_elsewhere_comes_back_with_the_run() {
    let Some(server) = RedisServer::start() else { return };
    let (here, there) = (checkout(&server, "anvil"), checkout(&server, "bench"));
    let (run, id) = under_way(&server, &here);
    run.kill_supervisor();
    let _ = run.end().expect(70);
    let_lapse(&server, &id);
    let more =
        "\n### Task 4: Last\n\n- Agent: command\n- Command: `touch four; test -e wanted`\n- Retries: 0\n";
    there.write("plan.md", PLAN.to_owned() + more);
    there.write("go", "");
    let look = there.run(["resume", "--replan", "--dry-run"]).expect(0);
    assert!(look.stdout.contains("touch four"), "{}", look.stdout);
    assert!(!there.has("plans"), "a look leaves nothing");
    let _ = there.run(["resume", "--replan"]).expect(1).says("touch four");
    assert!(there.has("three") && there.has("four"));
    assert_eq!(count(&events(&there, &id), "replanned"), 1);
    // The machine that began it has an older plan in its journal, and learns of the new one.
    let status = here.run(["status", "--output", "json"]).expect(0).json();
    assert_eq!(status["tasks"][3]["title"], "Last");
    here.write("plan.md", PLAN.to_owned() + more);
    here.write("wanted", "");
    let _ = here.run(["retry"]).expect(0);
    assert_eq!(events(&here, &id), events(&there, &id));
    let _ = here.run(["state", "verify"]).expect(0);
}

#[test]
fn several_plans_and_a_folder_go_on_elsewhere() {
    let Some(server) = RedisServer::start() else { return };
    let (here, there) = (checkout(&server, "anvil"), checkout(&server, "bench"));
    let more = "- [ ] T9: Other\n  - Agent: command\n  - Depends on: 3\n  - Command: `touch other`\n";
    let card = |id: &str| format!("---\nid: {id}\ntitle: A card\nstatus: Done\n---\n");
    for machine in [&here, &there] {
        machine.write("more.md", more);
        machine.write("backlog/tasks/task-1 - Card.md", card("card-1"));
    }
    let plans = ["--plan", "plan.md", "--plan", "more.md", "--plan", "backlog"];
    let (run, id) = under_way_with(&server, &here, &plans);
    run.kill_supervisor();
    let _ = run.end().expect(70);
    let_lapse(&server, &id);
    there.write("go", "");
    let _ = there.run(["resume"]).expect(0);
    assert!(there.has("three") && there.has("other"));
    let kept = format!("plans/agent-shared/runs/{id}");
    assert_eq!(there.read(&format!("{kept}/plan-2.md")), more);
    assert!(there.read(&format!("{kept}/plan-3.md")).contains("task-1 - Card.md"));

    // The plans are read again there, all three of them.
    let added = "- [ ] T10: Added\n  - Agent: command\n  - Command: `touch added`\n";
    there.write("more.md", more.to_owned() + added);
    there.write("backlog/tasks/task-2 - Card.md", card("card-2"));
    let look = there.run(["resume", "--replan", "--dry-run"]).expect(0);
    assert!(look.stdout.contains("touch added"), "{}", look.stdout);
    let _ = there.run(["resume", "--replan"]).expect(0);
    assert!(there.has("added"));
    assert!(there.read(&format!("{kept}/plan-3.md")).contains("task-2 - Card.md"));
    let status = here.run(["status", "--output", "json"]).expect(0).json();
    assert_eq!(status["status"], "succeeded");
    assert_eq!(events(&here, &id), events(&there, &id));
    verified(&there);
}
