//! What servers say when they do not serve, and that it is told apart.

use super::*;

fn opened(address: Address) -> Result<RedisState, Trouble> {
    RedisState::open(address, Duration::from_mins(1), SOON).map_err(|error| {
        let StoreError::Redis { trouble, .. } = error else { panic!("{error}") };
        trouble
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
    let error = RedisState::open(nobody, Duration::from_mins(1), SOON).unwrap_err();
    assert!(matches!(&error, StoreError::Redis { trouble: Trouble::Unreachable(_), .. }), "{error}");
    assert!(error.to_string().contains("redis://:***@127.0.0.1:1"), "{error}");
    assert_eq!(error.exit_code(), crate::model::exit::ExitCode::Store);

    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let address = Address::parse(&format!("redis://127.0.0.1:{port}")).unwrap();
    let error = RedisState::open(address, Duration::from_mins(1), Duration::from_millis(200)).unwrap_err();
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

#[test]
fn encrypted_connections_believe_who_they_are_told_to() {
    if RedisServer::knows_tls() == Some(false) {
        use std::io::Write as _;
        writeln!(std::io::stderr(), "SKIPPED: the server here was built without TLS").unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let openssl = |words: &str| {
        let output =
            std::process::Command::new("openssl").args(words.split(' ')).current_dir(folder.path()).output();
        output.map(|output| assert!(output.status.success(), "{output:?}"))
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    if openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=authority")).is_err() {
        use std::io::Write as _;
        writeln!(std::io::stderr(), "SKIPPED: there is no openssl here to make a certificate").unwrap();
        return;
    }
    std::fs::write(folder.path().join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost")).unwrap();
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names")
        .unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (certificate, key, authority) = (file("server.pem"), file("server.key"), file("ca.pem"));
    let options = [
        ["--tls-port", &port],
        ["--bind", "127.0.0.1"],
        ["--tls-cert-file", &certificate],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &authority],
        ["--tls-auth-clients", "no"],
    ];
    let Some(_server) = RedisServer::start_with(&options.concat()) else { return };
    let at = |text: String| Address::parse(&text).unwrap();
    let mut state = opened(at(format!("rediss://localhost:{port}?ssl_ca_certs={authority}"))).unwrap();
    assert!(state.next_fence("p:fence", Timestamp(0)).unwrap() > 0);
    let unknown = trouble(at(format!("rediss://localhost:{port}")));
    assert!(matches!(unknown, Trouble::Tls(_)), "{unknown}");
    let other_name = trouble(at(format!("rediss://127.0.0.1:{port}?ssl_ca_certs={authority}")));
    assert!(matches!(other_name, Trouble::Tls(_)), "{other_name}");
    let no_file = trouble(at(format!("rediss://localhost:{port}?ssl_ca_certs=/nowhere/ca.pem")));
    assert!(matches!(&no_file, Trouble::Tls(told) if told.contains("/nowhere/ca.pem")), "{no_file}");
}
