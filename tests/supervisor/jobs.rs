//! On Windows too nothing is left alive, whatever it did to get away.

use std::collections::BTreeMap;
use std::time::Duration;

use orchestrate::model::ids::{AttemptKey, TaskId};
use orchestrate::model::outcome::{Ending, StopReason};
use orchestrate::supervisor::{AttemptJob, CheckJob, CheckTicket, Report, attempt_mark};

use crate::harness::{Bench, KILL, TERM, grandchildren, is_alive, path_variable};

const EXITED: Ending = Ending::Exited { code: 0 };

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_its_job() {
    let mut bench = Bench::new().await;
    let job = bench.job("T", &["breakaway-grandchild", "pass"]);
    let key = job.key.clone();
    let ended = bench.end_of(job).await;
    assert_eq!(ended.outcome.ending, EXITED);
    let printed = String::from_utf8(bench.log(&key, "stdout.log")).unwrap();
    // A system that does not refuse it has not let it go all the same.
    let pids = grandchildren(&printed);
    assert!(printed.contains("refused") || pids.len() == 1, "{printed}");
    assert!(pids.iter().all(|&pid| !is_alive(pid)), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_reaches_all_of_it_and_others_live_on() {
    let mut bench = Bench::new().await;
    let other = bench.job("other", &["grandchild", "line:ready", "wait-for:go", "pass"]);
    let other_key = other.key.clone();
    bench.supervisor.start(other);
    let others = grandchildren(&bench.printed(&other_key, "ready").await);

    let behaviours = ["hidden-grandchild", "nested-grandchild", "grandchild", "line:ready", "hang"];
    let job = AttemptJob { grace: Duration::from_secs(1), ..bench.job("T", &behaviours) };
    let key = job.key.clone();
    bench.supervisor.start(job);
    bench.printed(&key, "nested").await;
    let printed = bench.printed(&key, "ready").await;
    let pids = grandchildren(&printed);
    assert_eq!(pids.len(), 4, "{printed}");
    assert!(pids.iter().all(|&pid| is_alive(pid)), "{printed}");
    bench.supervisor.stop(&key, StopReason::Requested);
    let ended = bench.wait_for(&key).await;
    assert!([TERM, KILL].contains(&ended.outcome.ending), "{ended:?}");
    assert_eq!(ended.outcome.stopped, Some(StopReason::Requested));
    assert!(pids.iter().all(|&pid| !is_alive(pid)), "{printed}");

    assert!(others.len() == 1 && others.iter().all(|&pid| is_alive(pid)));
    std::fs::write(bench.path("go"), "").unwrap();
    let ended = bench.wait_for(&other_key).await;
    assert_eq!((ended.outcome.ending, ended.outcome.left_behind), (EXITED, 1));
    assert!(others.iter().all(|&pid| !is_alive(pid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_by_the_systems_own_shell_have_their_time_and_leave_nothing() {
    let mut bench = Bench::new().await;
    let key = AttemptKey::new(TaskId::new("T"), 1);
    let agent = env!("CARGO_BIN_EXE_fake-agent");
    bench.supervisor.check(CheckJob {
        ticket: CheckTicket::Task(key.clone()),
        commands: [
            "echo one&& exit 3".to_owned(),
            format!("\"{agent}\" grandchild"),
            format!("\"{agent}\" grandchild hang"),
            "echo a\necho b".to_owned(),
        ]
        .into(),
        shell: r"C:\windows\system32\cmd.exe".into(),
        directory: bench.path(""),
        environment: BTreeMap::from([
            ("PATH".to_owned(), path_variable()),
            ("SYSTEMROOT".to_owned(), r"C:\windows".to_owned()),
        ]),
        timeout: Duration::from_secs(4),
        log: bench.path("verify.log"),
        mark: attempt_mark(&bench.run, &key),
    });
    let Report::Checked { results, .. } = bench.next().await else { panic!("expected the checks") };
    let told: Vec<_> = results.iter().map(|result| (result.timed_out, result.passed())).collect();
    assert_eq!(told, [(false, false), (false, true), (true, false), (false, false)]);
    assert_eq!((results[0].tail.as_str(), &results[0].ending), ("one", &Ending::Exited { code: 3 }));
    assert!(matches!(&results[3].ending, Ending::FailedToStart { message } if message.contains("lines")));
    let pids = grandchildren(&std::fs::read_to_string(bench.path("verify.log")).unwrap());
    assert_eq!(pids.len(), 2);
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
}
