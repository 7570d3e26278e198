//! What can happen to a Redis and to the way there: a run goes on from its journal, says so once and
//! once when it is over, and the server has everything in the end.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::going_on::Followed;
use crate::project::{Project, Ran};
use crate::redis::{WAITING, checkout, document, until};
use crate::redis_proxy::{RedisProxy, Way};
use crate::redis_server::RedisServer;

/// What is said at the beginning of an outage, and at its end.
const DOWN: &str = "the run goes on from its journal";
const BACK: &str = "and has what it missed";
/// How long a program may take to start here, beyond what it waits for.
const START: Duration = Duration::from_secs(20);

/// A run whose first task is under way, and known to the server.
fn begun(server: &RedisServer, project: &Project, url: &str) -> Followed {
    let mut run = Followed::start(project, &["--plan", "plan.md", "--redis", url]);
    run.until("start");
    until("its record", || is_running(server));
    run
}

fn is_running(server: &RedisServer) -> bool {
    server.get("shop:task:1:status").is_some_and(|text| text.contains("\"running\""))
}

/// Lets a run come to its end, and looks whether all of it is everywhere, once.
fn ends_well(run: Followed, server: &RedisServer, project: &Project) -> Ran {
    project.write("go", "");
    let ran = run.end().expect(0);
    is_all_there(server, project, ran.run_id());
    ran
}

fn is_all_there(server: &RedisServer, project: &Project, run: &str) {
    let url = server.url();
    let state = |words: &[&str]| project.run([&["state"], words, &["--output", "json"]].concat()).expect(0);
    assert_eq!(state(&["verify"]).json()["problems"], serde_json::json!([]));
    assert_eq!(state(&["verify", "--redis", &url]).json()["problems"], serde_json::json!([]));
    let key = format!("run:{run}:events");
    let journal = state(&["get", &key]).json();
    assert_eq!(state(&["get", &key, "--redis", &url]).json(), journal);
    let events = journal.as_array().unwrap();
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    let all: Vec<u64> = (1..=u64::try_from(events.len()).unwrap()).collect();
    assert_eq!(numbers, all);
    let count = |kind: &str| events.iter().filter(|event| event["kind"] == kind).count();
    let counts =
        ["run_started", "attempt_started", "attempt_ended", "task_succeeded", "run_ended"].map(count);
    assert_eq!(counts, [1, 2, 2, 2, 1], "{journal:#}");
    for task in ["1", "2"] {
        let record = document(server, &format!("shop:task:{task}:status"));
        assert_eq!((&record["status"], &record["run_id"]), (&"succeeded".into(), &run.into()));
    }
    assert_eq!(document(server, "shop:shared_state")["runs"][0]["status"], "succeeded");
    assert_eq!(server.get(&format!("shop:run:{run}:lease")), None);
}

/// How often an outage was told, and its end.
#[track_caller]
fn was_told(ran: &Ran, downs: usize, backs: usize) {
    let told = (ran.stderr.matches(DOWN).count(), ran.stderr.matches(BACK).count());
    assert_eq!(told, (downs, backs), "{}", ran.stderr);
}

/// Has something happen to a run that ends an outage by itself, and looks what was said of it.
fn one_outage(
    options: &[&str],
    happens: impl FnOnce(&mut RedisServer, &RedisProxy, &mut Followed),
) -> Option<Ran> {
    let mut server = RedisServer::start_with(options)?;
    let proxy = RedisProxy::to(&server.socket());
    let project = checkout(WAITING);
    let mut run = begun(&server, &project, &proxy.url());
    happens(&mut server, &proxy, &mut run);
    run.until(BACK);
    until("its record", || is_running(&server));
    let ran = ends_well(run, &server, &project);
    was_told(&ran, 1, 1);
    Some(ran)
}

#[test]
fn a_server_is_restarted_and_has_what_it_kept() {
    let ran = one_outage(&["--appendonly", "yes"], |server, _, run| {
        server.terminate();
        run.until(DOWN);
        server.start_again();
    });
    assert!(ran.is_none_or(|ran| ran.stderr.contains("cannot be reached")));
}

#[test]
fn a_server_is_killed_and_has_half_of_what_it_kept() {
    one_outage(&["--appendonly", "yes", "--appendfsync", "no"], |server, _, run| {
        server.kill();
        run.until(DOWN);
        server.start_again();
        // As after a crash of the machine: the end of what it wrote is gone.
        server.say(&["DEL", "shop:task:1:status", "shop:fence"]);
    });
}

#[test]
fn a_server_comes_back_with_nothing() {
    one_outage(&[], |server, _, run| {
        server.kill();
        run.until(DOWN);
        server.start_again();
    });
}

#[test]
fn a_connection_is_cut_and_stays_so_for_some_tries() {
    one_outage(&[], |server, proxy, run| {
        let (before, begun) = (proxy.accepted(), Instant::now());
        proxy.set(Way::Cut);
        run.until(DOWN);
        // A run has four connections (writing, users, reports, requests), so by then one of them was
        // tried for the fourth time.
        until("some tries", || proxy.accepted() >= before + 13);
        // Half of 100, 200, 400 and 800 ms is the least that lies before a fourth one.
        assert!(begun.elapsed() >= Duration::from_millis(750), "tried too soon: {:?}", begun.elapsed());
        assert!(server.get("shop:task:1:status").is_some());
        proxy.set(Way::Open);
    });
}

#[test]
fn what_is_sent_gets_lost_on_the_way_for_a_time() {
    let ran = one_outage(&[], |_, proxy, run| {
        proxy.set(Way::Silent);
        run.until(DOWN);
        proxy.set(Way::Open);
    });
    assert!(ran.is_none_or(|ran| ran.stderr.contains("does not answer in time")));
}

#[test]
fn slow_answers_are_waited_for() {
    let Some(server) = RedisServer::start() else { return };
    let proxy = RedisProxy::to(&server.socket());
    proxy.set(Way::Slow(Duration::from_millis(100)));
    let project = checkout(WAITING);
    let run = begun(&server, &project, &proxy.url());
    let ran = ends_well(run, &server, &project);
    was_told(&ran, 0, 0);
}

#[test]
fn a_script_of_somebody_else_keeps_the_server_busy() {
    let ran = one_outage(&["--busy-reply-threshold", "50"], |server, _, run| {
        let mut other = UnixStream::connect(server.socket()).unwrap();
        other.write_all(b"EVAL \"while true do end\" 0\r\n").unwrap();
        run.until(DOWN);
        until("the end of the script", || server.say(&["SCRIPT", "KILL"]).starts_with("+OK"));
    });
    assert!(ran.is_none_or(|ran| ran.stderr.contains("busy") || ran.stderr.contains("BUSY")));
}

#[test]
fn a_server_sleeps() {
    one_outage(&["--enable-debug-command", "yes"], |server, _, run| {
        let mut other = UnixStream::connect(server.socket()).unwrap();
        // Longer than an answer may take, shorter than the patience of this test.
        other.write_all(b"DEBUG SLEEP 12\r\n").unwrap();
        run.until(DOWN);
    });
}

/// A server that was ended in order, and takes so long to read each of its keys again.
fn reads_slowly(server: &mut RedisServer, keys: usize, each: Duration) {
    for number in 0..keys {
        server.say(&["SET", &format!("other:{number}"), &"x".repeat(1_000)]);
    }
    server.terminate();
    let each = each.as_micros().to_string();
    let slow = ["--key-load-delay", &each, "--loading-process-events-interval-bytes", "1024"];
    server.start_again_with(&[&KEEPS[..], &slow].concat());
    assert!(server.say(&["GET", "other:1"]).starts_with("-LOADING"));
}

/// It writes its data to disk when it ends.
const KEEPS: [&str; 4] = ["--save", "3600 1000000", "--rdbcompression", "no"];

#[test]
fn a_server_reads_its_data_for_a_while() {
    one_outage(&KEEPS, |server, _, run| {
        reads_slowly(server, 300, Duration::from_millis(10));
        run.until(DOWN);
    });
}

#[test]
fn a_server_that_still_reads_its_data_is_told_and_done_without() {
    let Some(mut server) = RedisServer::start_with(&KEEPS) else { return };
    reads_slowly(&mut server, 1_000, Duration::from_millis(50));
    is_refused_or_done_without(&server.url(), "it has just been started and is still reading its data");
}

#[test]
fn a_server_wants_a_password_all_of_a_sudden() {
    one_outage(&[], |server, proxy, run| {
        server.say(&["CONFIG", "SET", "requirepass", "s3cr3t"]);
        // Who is in stays in.
        proxy.set(Way::Cut);
        proxy.set(Way::Open);
        run.until(DOWN);
        let tried = proxy.accepted();
        until("another try", || proxy.accepted() > tried);
        let _ = checkout(WAITING)
            .run(["--plan", "plan.md", "--redis", &proxy.url()])
            .expect(6)
            .says("it wants a password, and the address has none");
        // The connection that sets it back has to log in itself.
        let mut other = UnixStream::connect(server.socket()).unwrap();
        other.write_all(b"AUTH s3cr3t\r\nCONFIG SET requirepass \"\"\r\n").unwrap();
        until("an open server", || !server.say(&["GET", "x"]).starts_with("-NOAUTH"));
    });
}

#[test]
fn a_server_becomes_a_replica_for_a_time() {
    let ran = one_outage(&[], |server, _, run| {
        // Nobody needs to be there to be a replica of.
        server.say(&["REPLICAOF", "127.0.0.1", "1"]);
        run.until(DOWN);
        server.say(&["REPLICAOF", "NO", "ONE"]);
    });
    assert!(ran.is_none_or(|ran| ran.stderr.contains("read-only replica")));
}

#[test]
fn others_take_the_last_place_at_the_server() {
    // As many as the run has connections, or they would take each other's place.
    const PLACES: usize = 4;
    let Some(server) = RedisServer::start_with(&["--maxclients", "4"]) else { return };
    let proxy = RedisProxy::to(&server.socket());
    let project = checkout(WAITING);
    let mut run = Followed::start(&project, &["--plan", "plan.md", "--redis", &proxy.url()]);
    run.until("start");
    proxy.set(Way::Cut);
    let mut others: Vec<UnixStream> = Vec::new();
    until("all places", || {
        let mut other = UnixStream::connect(server.socket()).unwrap();
        other.write_all(b"PING\r\n").ok();
        let mut answer = [0; 7];
        if std::io::Read::read_exact(&mut other, &mut answer).is_ok() && answer == *b"+PONG\r\n" {
            others.push(other);
        }
        others.len() == PLACES
    });
    proxy.set(Way::Open);
    run.until(DOWN);
    let tried = proxy.accepted();
    until("a refused try", || proxy.accepted() > tried);
    let refused = project.run(["--plan", "plan.md", "--redis", &proxy.url()]).expect(6);
    let _ = refused.says("it has as many clients as it takes (`maxclients`)");
    drop(others);
    run.until(BACK);
    project.write("go", "");
    let ran = run.end().expect(0);
    was_told(&ran, 1, 1);
    until("the server's one place", || server.say(&["GET", "shop:shared_state"]).starts_with('$'));
    let verified = project.run(["state", "verify", "--redis", &proxy.url()]);
    let _ = verified.expect(0);
}

#[test]
fn a_server_evicts_what_is_alive() {
    let options = ["--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru", "--maxmemory-samples", "10"];
    let Some(server) = RedisServer::start_with(&options) else { return };
    let project = checkout(WAITING);
    let url = server.url();
    let mut run = begun(&server, &project, &url);
    let mut number = 0;
    let mut fill = |server: &RedisServer| {
        number += 1;
        let answer = server.say(&["SET", &format!("other:{number}"), &"x".repeat(60_000)]);
        assert!(answer.starts_with("+OK"), "{answer}");
    };
    until("the eviction", || {
        fill(&server);
        server.say(&["EXISTS", "shop:task:2:status"]).starts_with(":0")
    });
    run.until("of the run's keys; they were written again");
    // The application gives its memory back; what was evicted meanwhile is noticed too.
    for number in 1..=number {
        server.say(&["DEL", &format!("other:{number}")]);
    }
    until("its records", || is_running(&server) && server.get("shop:task:2:status").is_some());
    let ran = ends_well(run, &server, &project);
    was_told(&ran, 0, 0);
}

#[test]
fn who_took_a_task_while_the_server_knew_of_nobody_keeps_it() {
    let Some(server) = RedisServer::start() else { return };
    let proxy = RedisProxy::to(&server.socket());
    let (here, there) = (checkout(WAITING), checkout(WAITING));
    let mut first = begun(&server, &here, &proxy.url());
    proxy.set(Way::Cut);
    first.until(DOWN);
    server.say(&["FLUSHALL"]);
    let next = begun(&server, &there, &server.url());
    let taken = document(&server, "shop:task:1:status")["run_id"].clone();
    proxy.set(Way::Open);
    let late = first.end().expect(7);
    assert_ne!(taken, late.run_id());
    assert!(!here.has("two"));
    assert_eq!(document(&server, "shop:task:1:status")["run_id"], taken);
    let _ = ends_well(next, &server, &there);
}

#[test]
fn a_full_server_that_evicts_nothing_is_told_and_done_without() {
    let Some(server) = RedisServer::start_with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"])
    else {
        return;
    };
    is_refused_or_done_without(&server.url(), "it has no memory left for writes");
}

#[test]
fn a_replica_is_told_and_done_without() {
    let Some(server) = RedisServer::start_with(&["--replicaof", "127.0.0.1 1"]) else { return };
    is_refused_or_done_without(&server.url(), "it is a read-only replica");
}

#[test]
fn a_user_without_rights_is_told_and_done_without() {
    let Some(server) = RedisServer::start() else { return };
    server.say(&["ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read", "+ping"]);
    let url = server.url().replace("unix://", "unix://reader:pw@");
    is_refused_or_done_without(&url, "its user may not do what is needed");
}

#[test]
fn logins_and_numbers_that_are_wrong_are_told_and_done_without() {
    let Some(server) = RedisServer::start_with(&["--requirepass", "s3cr3t", "--databases", "4"]) else {
        return;
    };
    let with = |login: &str, end: &str| format!("{}{end}", server.url().replace("unix://", login));
    is_refused_or_done_without(&server.url(), "it wants a password, and the address has none");
    is_refused_or_done_without(&with("unix://:wr0ng@", ""), "it does not take this user and password");
    is_refused_or_done_without(&with("unix://nobody:s3cr3t@", ""), "it does not take this user and password");
    is_refused_or_done_without(&with("unix://:s3cr3t@", "?db=9"), "it has no database 9");
}

#[test]
fn a_server_that_swallows_everything_costs_two_seconds() {
    let Some(server) = RedisServer::start() else { return };
    let proxy = RedisProxy::to(&server.socket());
    proxy.set(Way::Silent);
    let project = checkout(WAITING);
    let begun = Instant::now();
    let _ =
        project.run(["--plan", "plan.md", "--redis", &proxy.url()]).expect(6).says("does not answer in time");
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(2) + START, "{took:?}");
    is_refused_or_done_without(&proxy.url(), "it does not answer in time");
}

/// A run that needs this server ends with 6, and nothing was begun; one that does not goes on. Both
/// say why, and no password.
#[track_caller]
fn is_refused_or_done_without(url: &str, why: &str) {
    let project = checkout("- [ ] One\n  - Agent: command\n  - Command: `echo x >> ones`\n");
    let refused = project.run(["--plan", "plan.md", "--no-tick", "--redis", url]).expect(6).says(why);
    assert!(!project.has("ones"));
    assert!(!refused.stderr.starts_with("run "), "{}", refused.stderr);
    let config =
        format!("version = 1\nproject = \"shop\"\n[redis]\nurl = {}\nrequired = false\n", Value::from(url));
    project.write("orchestrate.toml", config);
    let ran = project.run(["--plan", "plan.md", "--no-tick"]).expect(0).says(why);
    let ran = ran.says("the run goes on without it");
    assert_eq!(project.read("ones"), "x\n");
    for told in [&refused.stderr, &ran.stderr] {
        assert!(!told.contains("s3cr3t") && !told.contains("wr0ng"), "{told}");
    }
    project.write("orchestrate.toml", "version = 1\nproject = \"shop\"\n");
    let _ = project.run(["state", "verify"]).expect(0);
}
