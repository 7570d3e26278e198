//! The supervisor's own user, as docs/redis.md tells operators to make it.

use std::collections::BTreeSet;

use crate::going_on::Followed;
use crate::redis::{WAITING, checkout, document, until};
use crate::redis_proxy::RedisProxy;
use crate::redis_server::RedisServer;

/// What operators read.
const PAGE: &str = include_str!("../../docs/redis.md");

/// The words of the documented user: after `user NAME`.
fn documented() -> Vec<&'static str> {
    let line = PAGE.lines().find(|line| line.starts_with("user orchestrate on "));
    line.expect("the page has a user").split(' ').skip(2).collect()
}

/// The commands that the server was asked for, those of its scripts too.
fn used(server: &RedisServer) -> BTreeSet<String> {
    let told = server.say(&["INFO", "commandstats"]);
    let names = told.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next());
    names.map(str::to_owned).collect()
}

/// How often a command was asked for.
fn calls_of(server: &RedisServer, command: &str) -> u64 {
    let told = server.say(&["INFO", "commandstats"]);
    let line = told.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn the_documented_user_suffices_and_has_nothing_to_spare() {
    let Some(server) = RedisServer::start_with(&["--databases", "4"]) else { return };
    let words = documented();
    let rule: Vec<String> = words.iter().map(|word| word.replace("PASSWORD", "pa:s/s@%#")).collect();
    let rule: Vec<&str> = rule.iter().map(String::as_str).collect();
    let made = server.say(&[&["ACL", "SETUSER", "orchestrate"], &rule[..]].concat());
    assert_eq!(made, "+OK\r\n");
    // Not even the password of everybody else is needed.
    let url = server.url().replace("unix://", "unix://orchestrate:pa%3As%2Fs%40%25%23@") + "?db=3";
    let project = checkout(WAITING);
    let mut run = Followed::start(&project, &["--plan", "plan.md", "--redis", &url]);
    run.until("start");
    // A heartbeat finds out what is gone.
    until("its record", || in_database(&server, &["EXISTS", "shop:task:2:status"]).contains(":1"));
    in_database(&server, &["DEL", "shop:task:2:status"]);
    run.until("they were written again");
    project.write("go", "");
    let ran = run.end().expect(0);
    assert!(!ran.stderr.contains("pa:s/s"), "{}", ran.stderr);
    let state = |words: &[&str]| {
        let words = [&["state"], words, &["--redis", &url, "--output", "json"]].concat();
        project.run(words).expect(0).json()
    };
    let events = format!("run:{}:events", ran.run_id());
    assert_eq!(state(&["get", "task:2:status"])["status"], "succeeded");
    assert!(!state(&["list"]).as_object().unwrap().is_empty());
    assert!(!state(&["get", &events]).as_array().unwrap().is_empty());
    assert_eq!(state(&["verify"])["valid"], true);
    in_database(&server, &["FLUSHDB"]);
    in_database(&server, &["SET", &format!("shop:{events}"), "bent"]);
    assert!(!state(&["repair"])["mended"].as_array().unwrap().is_empty());
    assert_eq!(state(&["verify"])["valid"], true);

    // What the test itself asked for, and what nobody needs a right for.
    // `config|get`: some builds of servers ask themselves.
    let mine = ["acl|setuser", "auth", "config|get", "flushdb", "info", "quit"];
    let mut used = used(&server);
    used.retain(|name| !mine.contains(&name.as_str()));
    let mut listed: BTreeSet<String> =
        words.iter().filter_map(|word| word.strip_prefix('+')).map(str::to_owned).collect();
    // The run makes users too, one for each of its attempts.
    assert!(listed.remove("acl|setuser") && calls_of(&server, "acl|setuser") > 1);
    assert_eq!(listed, used);
}

/// Says one command to the database that the run has.
fn in_database(server: &RedisServer, words: &[&str]) -> String {
    server.say_in(3, words)
}

#[test]
fn passwords_are_taken_as_people_paste_them() {
    let Some(server) = RedisServer::start_with(&["--requirepass", "p:@/%#x", "--databases", "4"]) else {
        return;
    };
    let proxy = RedisProxy::to(&server.socket());
    for (number, password) in [(1, "p:@/%#x"), (2, "p%3A%40%2F%25%23x"), (3, "p:%40/%#x")] {
        let url = proxy.url().replace("redis://", &format!("redis://:{password}@")) + &format!("/{number}");
        let project = checkout("- [ ] One\n  - Agent: command\n  - Command: `true`\n");
        let ran = project.run(["--plan", "plan.md", "--no-tick", "--redis", &url]).expect(0);
        let looked = project.run(["state", "verify", "--redis", &url, "--output", "json"]).expect(0);
        assert_eq!(looked.json()["valid"], true);
        let listed = project.run(["state", "list", "--redis", &url]).expect(0);
        assert!(listed.stdout.contains(&format!("shop:run:{}:events", ran.run_id())), "{}", listed.stdout);
        for told in [&ran.stdout, &ran.stderr, &looked.stderr] {
            assert!(!told.contains("p:@/%#x") && !told.contains(password), "{told}");
        }
    }
}

#[test]
fn a_record_is_as_big_as_the_page_says() {
    let Some(server) = RedisServer::start() else { return };
    let mut plan = String::from("# A plan\n");
    for number in 1..=50 {
        plan.push_str(&format!(
            "\n### Task {number}: Write part {number} of it\n\n- **Agent**: command\n- **Depends on**: none\n- **Command**: `echo part {number}`\n"
        ));
    }
    let project = checkout(&plan);
    let ran = project.run(["--plan", "plan.md", "--redis", &server.url()]).expect(0);
    let size = |key: &str| -> u64 {
        let answer = server.say(&["MEMORY", "USAGE", key, "SAMPLES", "0"]);
        answer.trim_start_matches(':').trim().parse().unwrap_or_else(|_| panic!("{key}: {answer}"))
    };
    assert_eq!(document(&server, "shop:task:7:status")["status"], "succeeded");
    let run = ran.run_id();
    let tasks: u64 = (1..=50)
        .flat_map(|number| [format!("shop:task:{number}:status"), format!("shop:task:{number}:tail")])
        .map(|key| size(&key))
        .sum();
    let of_run = size(&format!("shop:run:{run}:events")) + size(&format!("shop:run:{run}:plan"));
    let each = (tasks + of_run) / 50;
    println!(
        "{each} bytes a task: status {}, tail {}, events {}, plan {}; index {}",
        size("shop:task:7:status"),
        size("shop:task:7:tail"),
        size(&format!("shop:run:{run}:events")) / 50,
        size(&format!("shop:run:{run}:plan")) / 50,
        size("shop:shared_state")
    );
    assert!((1_000..=6_000).contains(&each), "{each} bytes a task: docs/redis.md says otherwise");
}
