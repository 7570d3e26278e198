//! Tests against a real server, which they start for themselves.
#![cfg(unix)]

#[path = "../../../../../tests/support/redis_server.rs"]
#[expect(
    dead_code,
    clippy::disallowed_methods,
    reason = "the program's own tests use more of it; it reads whether tests may be skipped, and bounds its waits"
)]
pub(super) mod redis_server;

mod errors;
mod mirrored;
mod providers;
mod reported;
mod rule;

use std::cell::Cell;

use redis_server::RedisServer;

use super::super::contract_tests;
use super::connection::Connection;
use super::state::TimeOf;
use super::*;
use crate::model::ids::RunId;
use crate::model::record::{Lease, LeaseVersion};
use crate::model::time::Timestamp;
use crate::store::{LEASE, SharedState as _, StoreError};

use std::time::Duration;

pub(super) const SOON: Duration = Duration::from_secs(10);

pub(super) fn address(server: &RedisServer) -> Address {
    Address::parse(&server.url()).unwrap()
}

/// The shared state on a server, for tests that make time pass themselves.
fn state(server: &RedisServer, database: u32) -> RedisState {
    let address = Address { database, ..address(server) };
    let connection = Connection::open(&address, SOON).unwrap();
    RedisState::over(address, connection, Duration::ZERO, TimeOf::Caller)
}

#[test]
fn it_keeps_the_contract() {
    let Some(server) = RedisServer::start() else { return };
    let next = Cell::new(0);
    contract_tests::holds(|| {
        next.set(next.get() + 1);
        state(&server, next.get())
    });
}

#[test]
fn scripts_are_given_again_to_a_server_that_forgot_them() {
    let Some(server) = RedisServer::start() else { return };
    let mut state = state(&server, 0);
    assert_eq!(state.stream_append("s", "a", &RunId("R".to_owned())).unwrap(), 1);
    assert_eq!(server.say(&["SCRIPT", "FLUSH"]), "+OK\r\n");
    assert_eq!(state.stream_append("s", "b", &RunId("R".to_owned())).unwrap(), 2);
}

#[test]
fn nothing_to_do_is_no_fault() {
    let Some(server) = RedisServer::start() else { return };
    assert_eq!(state(&server, 0).run(&[]).unwrap(), []);
}

#[test]
fn leases_run_by_the_servers_clock() {
    let Some(server) = RedisServer::start() else { return };
    let mut state = RedisState::open(address(&server), Duration::from_hours(1), SOON).unwrap();
    let lease = Lease {
        schema: LeaseVersion::V1,
        run_id: RunId("R1".to_owned()),
        host: "host".to_owned(),
        pid: 1,
        pid_started: String::new(),
        fence: 5,
        until: Timestamp(0),
    };
    // A clock that is years behind, and one that is years ahead.
    for now in [Timestamp(0), Timestamp(4_000_000_000_000)] {
        let taken = Lease { until: now + LEASE, ..lease.clone() };
        state.take_lease("p:run:R1:lease", &taken, now, &|_| true).unwrap();
        let stored: Lease = serde_json::from_str(&server.get("p:run:R1:lease").unwrap()).unwrap();
        let left = stored.until.since(server_time(&server));
        assert!(left <= LEASE && left > LEASE / 2, "{left:?} of the lease are left");
        let other = Lease { pid: 2, fence: 6, ..taken };
        let held = state.take_lease("p:run:R1:lease", &other, now, &|_| true).unwrap_err();
        assert!(matches!(held, StoreError::Held { task: None, .. }), "{held}");
    }
    let fence = state.next_fence("p:fence", Timestamp(0)).unwrap();
    let now = u64::try_from(server_time(&server).0).unwrap();
    assert!(fence <= now && fence + 60_000 > now, "{fence} at {now}");
    let floor = fence + 1_000_000;
    assert_eq!(state.next_fence_above("p:fence", floor, Timestamp(0)).unwrap(), floor);
}

#[test]
fn keys_go_by_their_time() {
    let Some(server) = RedisServer::start() else { return };
    let mut state = RedisState::open(address(&server), Duration::from_hours(1), SOON).unwrap();
    state.put("p:a", "1", &RunId("R1".to_owned())).unwrap();
    state.stream_append("p:s", "1", &RunId("R1".to_owned())).unwrap();
    for key in ["p:a", "p:s"] {
        let left = server.say(&["TTL", key]);
        let left: u64 = left.trim_start_matches(':').trim().parse().unwrap();
        assert!((3_500..=3_600).contains(&left), "{key}: {left}");
    }
}

#[test]
fn streams_and_texts_are_told_apart() {
    let Some(server) = RedisServer::start() else { return };
    let mut state = state(&server, 0);
    let run = RunId("R1".to_owned());
    state.put("p[1]:a", "1", &run).unwrap();
    state.put("p1:a", "2", &run).unwrap();
    for number in 1..=1_201 {
        state.stream_append("p[1]:s", &number.to_string(), &run).unwrap();
    }
    assert_eq!(state.list("p[1]:").unwrap(), [("p[1]:a".to_owned(), "1".to_owned())]);
    assert_eq!(state.streams("p[1]:").unwrap(), [("p[1]:s".to_owned(), 1_201)]);
    assert_eq!(state.entry("p[1]:a").unwrap(), Some(Entry::Text("1".to_owned())));
    let Some(Entry::Stream(entries)) = state.entry("p[1]:s").unwrap() else { panic!("no stream") };
    assert_eq!((entries.len(), entries[1_200].clone()), (1_201, (1_201, "1201".to_owned())));
    assert_eq!(state.entry("p:none").unwrap(), None);
    assert_eq!(state.last_of("p[1]:s").unwrap(), 1_201);
    assert_eq!(state.last_of("p[1]:a").unwrap(), 0);
}

fn server_time(server: &RedisServer) -> Timestamp {
    let answer = server.say(&["TIME"]);
    let numbers: Vec<i64> = answer.lines().filter_map(|line| line.parse().ok()).collect();
    Timestamp(numbers[0] * 1_000 + numbers[1] / 1_000)
}
