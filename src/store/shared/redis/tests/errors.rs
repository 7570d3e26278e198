//! What servers say when they do not serve, and that it is told apart.

use super::*;

fn opened(address: Address) -> Result<RedisState, Trouble> {
    RedisState::open(address, Duration::from_secs(60), SOON).map_err(|error| match error {
        StoreError::Redis { trouble, .. } => trouble,
        other => panic!("{other}"),
    })
}

fn trouble(address: Address) -> Trouble {
    opened(address).expect_err("it does not serve")
}

#[test]
fn logins_are_told_apart() {
    let Some(server) = RedisServer::start_with(&["--requirepass", "s3cr3t:/@ %41"]) else { return };
    let plain = address(&server);
    let with = |user: Option<&str>, password: &str| Address {
        user: user.map(str::to_owned),
        password: Some(password.to_owned()),
        ..plain.clone()
    };
    assert_eq!(trouble(plain.clone()), Trouble::NoPassword);
    assert_eq!(trouble(with(None, "wrong")), Trouble::WrongPassword);
    assert_eq!(trouble(with(Some("nobody"), "s3cr3t:/@ %41")), Trouble::WrongPassword);
    assert!(opened(with(None, "s3cr3t:/@ %41")).is_ok());
    assert!(opened(with(Some("default"), "s3cr3t:/@ %41")).is_ok());
    // As somebody would write it into an address.
    let url = format!("unix://:s3cr3t%3A%2F%40%20%2541@{}", server.socket().display());
    assert!(opened(Address::parse(&url).unwrap()).is_ok());
}

#[test]
fn what_keeps_a_server_from_serving_is_told_apart() {
    let Some(server) = RedisServer::start_with(&["--databases", "4"]) else { return };
    let place = address(&server);
    assert_eq!(trouble(Address { database: 99, ..place.clone() }), Trouble::NoDatabase(99));
    assert!(opened(Address { database: 3, ..place.clone() }).is_ok());

    // Nobody needs to be there to be a replica of.
    server.say(&["REPLICAOF", "127.0.0.1", "1"]);
    let mut replica = opened(place.clone()).unwrap();
    let refused = replica.next_fence("p:fence", Timestamp(0)).unwrap_err();
    assert!(matches!(&refused, StoreError::Redis { trouble: Trouble::ReadOnly, .. }), "{refused}");
    server.say(&["REPLICAOF", "NO", "ONE"]);

    server.say(&["CONFIG", "SET", "maxmemory", "1"]);
    let mut full = opened(place.clone()).unwrap();
    let refused = full.next_fence("p:fence", Timestamp(0)).unwrap_err();
    assert!(matches!(&refused, StoreError::Redis { trouble: Trouble::OutOfMemory, .. }), "{refused}");
    server.say(&["CONFIG", "SET", "maxmemory", "0"]);

    server.say(&["ACL", "SETUSER", "little", "on", ">pw", "~p:*", "+@all", "-set", "-xadd"]);
    let little =
        Address { user: Some("little".to_owned()), password: Some("pw".to_owned()), ..place.clone() };
    let refused = opened(little).unwrap().next_fence("p:fence", Timestamp(0)).unwrap_err();
    assert!(matches!(&refused, StoreError::Redis { trouble: Trouble::NotAllowed(_), .. }), "{refused}");

    drop((replica, full));
    server.say(&["CONFIG", "SET", "maxclients", "1"]);
    let first = loop {
        // The connections before may not be gone yet.
        if let Ok(first) = opened(place.clone()) {
            break first;
        }
    };
    assert_eq!(trouble(place.clone()), Trouble::TooManyClients);
    drop(first);
}

#[test]
fn a_server_that_is_not_there_or_silent_costs_no_more_than_it_may() {
    let nobody = Address::parse("redis://:pw@127.0.0.1:1").unwrap();
    let error = RedisState::open(nobody, Duration::from_secs(60), SOON).unwrap_err();
    assert!(matches!(&error, StoreError::Redis { trouble: Trouble::Unreachable(_), .. }), "{error}");
    assert!(error.to_string().contains("redis://:***@127.0.0.1:1"), "{error}");
    assert_eq!(error.exit_code(), crate::model::exit::ExitCode::Store);

    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let address = Address::parse(&format!("redis://127.0.0.1:{port}")).unwrap();
    let error = RedisState::open(address, Duration::from_secs(60), Duration::from_millis(200)).unwrap_err();
    assert!(matches!(&error, StoreError::Redis { trouble: Trouble::Slow, .. }), "{error}");
}

#[test]
fn a_restricted_user_suffices() {
    let Some(server) = RedisServer::start() else { return };
    // No CONFIG, KEYS, FLUSH, no other keys: what a hosting company leaves.
    server.say(&[
        "ACL",
        "SETUSER",
        "run",
        "on",
        ">pw",
        "resetkeys",
        "~p:*",
        "+@read",
        "+@write",
        "+@stream",
        "+@scripting",
        "+@connection",
        "+@fast",
        "-@dangerous",
        "-@admin",
    ]);
    let login = Address { user: Some("run".to_owned()), password: Some("pw".to_owned()), ..address(&server) };
    let mut state = opened(login).unwrap();
    let run = RunId("R1".to_owned());
    assert!(state.next_fence("p:fence", Timestamp(0)).unwrap() > 0);
    assert_eq!(state.stream_append("p:s", "1", &run).unwrap(), 1);
    assert_eq!(state.list("p:").unwrap().len(), 1);
    assert_eq!(state.streams("p:").unwrap().len(), 1);
    assert!(state.put("q:x", "1", &run).is_err());
}
