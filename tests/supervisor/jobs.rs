//! On Windows too nothing is left alive, whatever it did to get away.

use std::collections::BTreeMap;
use std::time::Duration;

use orchestrate::model::ids::{AttemptKey, TaskId};
use orchestrate::model::outcome::{Ending, StopReason};
use orchestrate::supervisor::{AttemptJob, CheckJob, CheckTicket, Report, attempt_mark};

use crate::harness::{Bench, KILL, TERM, deaf, grandchildren, is_alive, path_variable};

const EXITED: Ending = Ending::Exited { code: 0 };

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_at_the_end_is_ended_and_counted() {
    let mut bench = Bench::new().await;
    for (task, behaviours, count) in [
        ("plain", &["grandchild", "pass"][..], 1),
        ("detached", &["setsid-grandchild", "pass"], 1),
        ("hidden", &["hidden-grandchild", "pass"], 1),
        ("several", &["grandchild", "setsid-grandchild", "grandchild", "pass"], 3),
        ("failing", &["grandchild", "exit:3"], 1),
        ("direct", &["setsid-grandchild", "grandchild", "pass"], 2),
        ("nothing", &["pass"], 0),
    ] {
        let mut job = bench.job(task, behaviours);
        if task == "direct" {
            job.reader = deaf();
        }
        let key = job.key.clone();
        let ended = bench.end_of(job).await;
        let pids = grandchildren(&String::from_utf8(bench.log(&key, "stdout.log")).unwrap());
        assert_eq!(pids.len(), count, "{task}");
        assert_eq!(ended.outcome.left_behind as usize, count, "{task}");
        assert!(pids.iter().all(|&pid| !is_alive(pid)), "{task}");
    }
}

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
async fn many_at_once_all_end_and_leave_nothing() {
    const COUNT: usize = 24;
    let mut bench = Bench::new().await;
    let mut pids = Vec::new();
    for number in 0..COUNT {
        let behaviours: &[&str] = if number % 4 == 0 { &["setsid-grandchild", "pass"] } else { &["pass"] };
        let mut job = bench.job(&format!("T{number}"), behaviours);
        if number % 2 == 0 {
            job.reader = deaf();
        }
        bench.supervisor.start(job);
    }
    let (mut started, mut ended, mut left) = (0, 0, 0);
    while ended < COUNT {
        match bench.next().await {
            Report::Started { .. } => started += 1,
            Report::Doing { .. } | Report::Checked { .. } => {}
            Report::Ended { key, ended: end } => {
                ended += 1;
                left += end.outcome.left_behind;
                assert_eq!(end.outcome.ending, EXITED, "{key}");
                pids.extend(grandchildren(&String::from_utf8(bench.log(&key, "stdout.log")).unwrap()));
            }
        }
    }
    assert_eq!((started, left, pids.len()), (COUNT, 6, 6));
    bench.supervisor.close().await;
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
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
