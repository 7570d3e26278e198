//! Verify commands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use orchestrate::model::ids::{AttemptKey, TaskId};
use orchestrate::model::outcome::{CheckResult, Ending, StopReason};
use orchestrate::supervisor::{CheckJob, CheckTicket, Report, attempt_mark};

use crate::harness::{Bench, grandchildren, is_alive, path_variable};

fn key() -> AttemptKey {
    AttemptKey::new(TaskId::new("T"), 1)
}

fn job(bench: &Bench, commands: &[&str]) -> CheckJob {
    CheckJob {
        ticket: CheckTicket::Task(key()),
        commands: commands.iter().map(|&text| text.to_owned()).collect(),
        shell: PathBuf::from("/bin/sh"),
        directory: bench.path(""),
        environment: BTreeMap::from([("PATH".to_owned(), path_variable())]),
        timeout: Duration::from_secs(100),
        log: bench.path("verify.log"),
        mark: attempt_mark(&bench.run, &key()),
    }
}

async fn results(bench: &mut Bench) -> Vec<CheckResult> {
    match bench.next().await {
        Report::Checked { ticket, results } => {
            assert_eq!(ticket, CheckTicket::Task(key()));
            results
        }
        other @ (Report::Started { .. }
        | Report::Doing { .. }
        | Report::Used { .. }
        | Report::Ended { .. }) => {
            panic!("expected the checks, found {other:?}")
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_has_its_result_and_its_words() {
    let mut bench = Bench::new().await;
    bench.supervisor.check(job(&bench, &["echo one", "echo two >&2; exit 3", "kill -9 $$", "echo four"]));
    let results = results(&mut bench).await;
    let told: Vec<_> = results.iter().map(|result| (result.tail.as_str(), result.passed())).collect();
    assert_eq!(told, [("one", true), ("two", false), ("", false), ("four", true)]);
    assert_eq!(results[1].ending, Ending::Exited { code: 3 });
    assert_eq!(results[2].ending, Ending::Killed { signal: 9 });
    assert_eq!(std::fs::read_to_string(bench.path("verify.log")).unwrap(), "one\ntwo\nfour\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_has_its_time_and_leaves_nothing() {
    let mut bench = Bench::new().await;
    let background = "sleep 1000 & echo grandchild $!";
    let commands = [&format!("{background}; exec sleep 1000"), background, "true"];
    let job = CheckJob { timeout: Duration::from_secs(1), ..job(&bench, &commands) };
    bench.supervisor.check(job);
    let results = results(&mut bench).await;
    let told: Vec<_> = results.iter().map(|result| (result.timed_out, result.passed())).collect();
    assert_eq!(told, [(true, false), (false, true), (false, true)]);
    let pids = grandchildren(&std::fs::read_to_string(bench.path("verify.log")).unwrap());
    assert_eq!(pids.len(), 2);
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_can_be_stopped() {
    let mut bench = Bench::new().await;
    bench.supervisor.check(job(&bench, &["mkfifo pipe; echo ready >pipe; exec sleep 1000", "echo never"]));
    let pipe = bench.path("pipe");
    // Opening the pipe waits for its writer, which is the check.
    let ready = tokio::task::spawn_blocking(move || {
        loop {
            match std::fs::read_to_string(&pipe) {
                Err(_) => std::thread::yield_now(),
                Ok(text) => return text,
            }
        }
    });
    assert_eq!(ready.await.unwrap(), "ready\n");
    bench.supervisor.stop(&key(), StopReason::Requested);
    let results = results(&mut bench).await;
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].ending, Ending::Killed { signal: 15 });
    assert!(!results[0].passed() && !results[0].timed_out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_is_not_there_is_said() {
    let mut bench = Bench::new().await;
    let shell = bench.path("no-such-shell");
    bench.supervisor.check(CheckJob { shell, ..job(&bench, &["true"]) });
    let results = results(&mut bench).await;
    assert!(matches!(&results[0].ending, Ending::NotFound { message } if message.contains("no-such-shell")));
}
