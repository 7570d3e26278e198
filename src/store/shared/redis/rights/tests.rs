//! Users of attempts in a real server: what they may do, and that they go.
#![cfg(unix)]

use super::super::tests::redis_server::RedisServer;
use super::super::tests::{SOON, address};
use super::*;
use crate::model::ids::{RunId, TaskId};
use crate::model::record::{Lease, LeaseVersion};
use crate::model::time::Timestamp;
use crate::store::shared::redis::connection::Connection;
use crate::store::shared::redis::state::{RedisState, TimeOf};
use crate::store::testing;

use std::time::Duration;

fn spec(task: &str) -> RunSpec {
    testing::spec("01RUN", &[task])
}

fn first(task: &str) -> AttemptKey {
    AttemptKey::new(TaskId::new(task), 1)
}

fn rights(server: &RedisServer, database: u32) -> Rights {
    Rights::begin(Address { database, ..address(server) }, Vec::new())
}

fn granted(rights: &mut Rights, spec: &RunSpec, task: &str) -> Grant {
    rights.grant(spec, &first(task)).expect("there are users").expect("one is made")
}

/// What the server answers to a command of the grant's user.
fn answer(connection: &mut Connection, words: &[&str]) -> Result<redis::Value, Trouble> {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    connection.command(&command)
}

fn logged_in(grant: &Grant) -> Connection {
    let address = Address::parse(&grant.url).unwrap();
    Connection::open(&address, SOON).unwrap_or_else(|trouble| panic!("{trouble}"))
}

#[track_caller]
fn refused(connection: &mut Connection, words: &[&str]) {
    let answered = answer(connection, words);
    assert!(matches!(answered, Err(Trouble::NotAllowed(_))), "{words:?}: {answered:?}");
}

#[track_caller]
fn allowed(connection: &mut Connection, words: &[&str]) {
    let answered = answer(connection, words);
    assert!(answered.is_ok(), "{words:?}: {answered:?}");
}

#[test]
fn an_attempt_reads_the_project_and_writes_its_own_report() {
    let Some(server) = RedisServer::start() else { return };
    for database in [0, 3] {
        let mut rights = rights(&server, database);
        let spec = spec("T1");
        let grant = granted(&mut rights, &spec, "T1");
        assert_eq!(grant.prefix, "shop:");
        let mut user = logged_in(&grant);
        let own = "shop:task:T1:report";
        for words in [
            &["SET", own, "{}"][..],
            &["SET", own, "{}", "EX", "60"],
            &["GET", own],
            &["GET", "shop:task:T2:status"],
            &["MGET", "shop:task:T1:status", "shop:shared_state"],
            &["EXISTS", "shop:fence"],
            &["TTL", own],
            &["XRANGE", "shop:run:R:events", "-", "+"],
            &["PING"],
            &["SELECT", &database.to_string()],
        ] {
            allowed(&mut user, words);
        }
        for words in [
            &["SET", "shop:task:T2:report", "{}"][..],
            &["SET", "shop:task:T1:status", "{}"],
            &["SET", "shop:task:T1:reports", "{}"],
            &["SET", "shop:shared_state", "{}"],
            &["SET", "other", "{}"],
            &["GET", "other"],
            &["GET", "sho"],
            &["MGET", own, "other"],
            &["DEL", own],
            &["EXPIRE", own, "1"],
            &["APPEND", own, "x"],
            &["RENAME", own, "shop:x"],
            &["COPY", own, "shop:x"],
            &["XADD", "shop:run:R:control", "*", "a", "b"],
            &["KEYS", "*"],
            &["SCAN", "0"],
            &["RANDOMKEY"],
            &["DBSIZE"],
            &["FLUSHALL"],
            &["FLUSHDB"],
            &["EVAL", "return 1", "0"],
            &["EVALSHA", "ffffffffffffffffffffffffffffffffffffffff", "0"],
            &["FUNCTION", "LIST"],
            &["SCRIPT", "LOAD", "return 1"],
            &["CONFIG", "GET", "*"],
            &["ACL", "SETUSER", "default", "nopass"],
            &["ACL", "WHOAMI"],
            &["CLIENT", "LIST"],
            &["MONITOR"],
            &["SUBSCRIBE", "x"],
            &["PUBLISH", "x", "y"],
            &["INFO"],
            &["SHUTDOWN"],
            &["MOVE", own, "1"],
            &["SWAPDB", "0", "1"],
            &["SELECT", "1"],
        ] {
            refused(&mut user, words);
        }
    }
}

#[test]
fn odd_ids_widen_no_right() {
    let Some(server) = RedisServer::start() else { return };
    let mut rights = rights(&server, 0);
    for odd in ["*", "T?", "[a-z]", "a b", "\\*", "100%", "%2A", "T\t1", "a:b"] {
        let spec = spec(odd);
        let grant = granted(&mut rights, &spec, odd);
        let mut user = logged_in(&grant);
        allowed(&mut user, &["SET", &keys::report(&spec, &TaskId::new(odd)), "{}"]);
        for other in ["T1", "a", "x y", "*x", "100", "\\T1"] {
            refused(&mut user, &["SET", &keys::report(&spec, &TaskId::new(other)), "{}"]);
            refused(&mut user, &["SET", &format!("shop:task:{other}:report"), "{}"]);
        }
        rights.revoke(&first(odd));
    }
    let mut odd = spec("T1");
    odd.prefix = "s*op[a]?:".to_owned();
    let grant = granted(&mut rights, &odd, "T1");
    let mut user = logged_in(&grant);
    allowed(&mut user, &["GET", &format!("{}x", grant.prefix)]);
    for key in ["shop:x", "s*op[a]?:x", "sxopa1:x"] {
        refused(&mut user, &["GET", key]);
    }
}

#[test]
fn a_user_goes_with_its_attempt_and_its_connections_with_it() {
    let Some(server) = RedisServer::start() else { return };
    let mut rights = rights(&server, 0);
    let spec = testing::spec("01RUN", &["T1", "T2"]);
    let grant = granted(&mut rights, &spec, "T1");
    let other = granted(&mut rights, &spec, "T2");
    assert_ne!(grant.url, other.url);
    let mut user = logged_in(&grant);
    rights.revoke(&first("T1"));
    // The next of the same thread's work is done when the one before is.
    let _grant = granted(&mut rights, &spec, "T1");
    assert!(answer(&mut user, &["GET", "shop:x"]).is_err(), "the connection is closed");
    let again = Connection::open(&Address::parse(&grant.url).unwrap(), SOON).map(drop);
    assert_eq!(again, Err(Trouble::WrongPassword), "a new attempt has a new password");
    drop(rights);
    assert_eq!(users(&server), 0);
    let gone = Connection::open(&Address::parse(&other.url).unwrap(), SOON).map(drop);
    assert_eq!(gone, Err(Trouble::WrongPassword));
}

fn users(server: &RedisServer) -> usize {
    server.say(&["ACL", "USERS"]).lines().filter(|line| line.starts_with("orchestrate:")).count()
}

#[test]
fn a_server_that_does_not_answer_is_waited_for_once() {
    let Some(mut server) = RedisServer::start() else { return };
    let mut rights = rights(&server, 0);
    let spec = spec("T1");
    let _grant = granted(&mut rights, &spec, "T1");
    server.kill();
    let failed = rights.grant(&spec, &first("T1")).unwrap();
    assert!(matches!(failed, Err(Trouble::Unreachable(_))), "{failed:?}");
    server.start_again();
    // The first of these has the server looked at again.
    let comes_back = (0..1_000).any(|_| {
        std::thread::park_timeout(Duration::from_millis(10));
        rights.grant(&spec, &first("T1")).unwrap().is_ok()
    });
    assert!(comes_back);
}

#[test]
fn a_server_that_is_silent_costs_one_wait_and_keeps_no_user() {
    let Some(server) = RedisServer::start() else { return };
    let mut rights = rights(&server, 0);
    let spec = testing::spec("01RUN", &["T1", "T2"]);
    let _grant = granted(&mut rights, &spec, "T1");
    let told = server.say(&["INFO", "server"]);
    let pid = told.lines().find_map(|line| line.strip_prefix("process_id:")?.trim().parse().ok());
    let pid = pid.and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let failed = [rights.grant(&spec, &first("T2")), rights.grant(&spec, &first("T2"))];
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    for failed in failed {
        assert_eq!(failed.unwrap().map(drop), Err(Trouble::Slow));
    }
    let only_one = |_| {
        std::thread::park_timeout(Duration::from_millis(10));
        users(&server) == 1
    };
    // It came too late, and goes again.
    assert!((0..1_000).any(only_one));
    drop(rights);
    assert_eq!(users(&server), 0);
}

#[test]
fn a_server_that_was_started_anew_gets_its_users_back() {
    let Some(mut server) = RedisServer::start() else { return };
    let mut rights = rights(&server, 0);
    let spec = testing::spec("01RUN", &["T1", "T2"]);
    let grant = granted(&mut rights, &spec, "T1");
    server.kill();
    server.start_again();
    assert_eq!(users(&server), 0);
    rights.renew();
    let _grant = granted(&mut rights, &spec, "T2");
    allowed(&mut logged_in(&grant), &["SET", "shop:task:T1:report", "{}"]);
}

fn state(server: &RedisServer) -> RedisState {
    let connection = Connection::open(&address(server), SOON).unwrap();
    RedisState::over(address(server), connection, Duration::ZERO, TimeOf::Server)
}

#[test]
fn what_dead_runs_left_goes_and_what_live_ones_have_stays() {
    let Some(server) = RedisServer::start() else { return };
    let lease = |run: &str, until: i64| {
        let lease = Lease {
            schema: LeaseVersion::V1,
            run_id: RunId(run.to_owned()),
            host: run.to_owned(),
            pid: 1,
            pid_started: String::new(),
            fence: 5,
            until: Timestamp(until),
        };
        server.say(&["SET", &keys::lease("shop:", &lease.run_id), &serde_json::to_string(&lease).unwrap()]);
    };
    let (past, future) = (1_000, 4_000_000_000_000);
    for (run, until) in
        [("LIVE", Some(future)), ("LAPSED", Some(past)), ("KILLED", Some(future)), ("GONE", None)]
    {
        if let Some(until) = until {
            lease(run, until);
        }
        let spec = testing::spec(run, &["T1"]);
        server.say(&["ACL", "SETUSER", &rules::user_name(0, &spec, &first("T1"))]);
    }
    let own = testing::spec("OWN", &["T1"]);
    lease("OWN", future);
    server.say(&["ACL", "SETUSER", &rules::user_name(0, &own, &first("T1"))]);
    server.say(&["ACL", "SETUSER", &rules::user_name(1, &own, &first("T1"))]);
    server.say(&["ACL", "SETUSER", "orchestrate:someone"]);
    let state = state(&server);
    let is_alive = |lease: &Lease| lease.host != "KILLED";
    let removed = Survey::take(&state).clear(&state, "shop:", &RunId("OWN".to_owned()), &is_alive).unwrap();
    assert_eq!(removed, 4, "lapsed, killed, gone, and the run's own from before");
    let left = server.say(&["ACL", "USERS"]);
    let mut left: Vec<&str> = left.lines().filter(|line| line.starts_with("orchestrate:")).collect();
    left.sort_unstable();
    assert_eq!(
        left,
        ["orchestrate:0:shop%3A:LIVE:T1:1", "orchestrate:1:shop%3A:OWN:T1:1", "orchestrate:someone"]
    );
}

#[test]
fn what_keeps_rights_from_holding_is_seen() {
    let Some(server) = RedisServer::start() else { return };
    assert_eq!(state(&server).doubts(), [Doubt::Open]);
    assert_eq!(users(&server), 0, "the probe is gone");
    server.say(&["ACL", "SETUSER", "boss", "on", ">secret", "~*", "&*", "+@all"]);
    server.say(&["ACL", "SETUSER", "plain", "on", ">secret", "~*", "&*", "+@all", "-acl"]);
    let boss = |name: &str| Address {
        user: Some(name.to_owned()),
        password: Some("secret".to_owned()),
        ..address(&server)
    };
    let look = |address: Address| {
        let connection = Connection::open(&address, SOON).unwrap();
        RedisState::over(address, connection, Duration::ZERO, TimeOf::Server).doubts()
    };
    assert_eq!(look(boss("boss")), [Doubt::Open]);
    // The user that may not look cannot tell who else comes in.
    assert!(matches!(look(boss("plain")).as_slice(), [Doubt::Unmanaged(Trouble::NotAllowed(_))]));
    let mut admin = Connection::open(&boss("boss"), SOON).unwrap();
    answer(&mut admin, &["ACL", "SETUSER", "default", "resetpass", "off"]).unwrap();
    assert_eq!(look(boss("boss")), []);
    assert_eq!(look(Address { database: 3, ..boss("boss") }), [Doubt::First(3)]);
    let none =
        Rights::begin(boss("plain"), vec![Doubt::Unmanaged(Trouble::Slow)]).grant(&spec("T1"), &first("T1"));
    assert_eq!(none, None);
}
