//! Whatever is left at the end of an attempt is ended and counted, on every system.

use orchestrate::model::outcome::Ending;
use orchestrate::supervisor::Report;

use crate::harness::{Bench, deaf, grandchildren, is_alive};

const EXITED: Ending = Ending::Exited { code: 0 };

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_at_the_end_is_ended_and_counted() {
    let mut bench = Bench::new().await;
    for (task, behaviours, count) in [
        ("group", &["grandchild", "pass"][..], 1),
        ("session", &["setsid-grandchild", "pass"], 1),
        ("several", &["grandchild", "setsid-grandchild", "grandchild", "pass"], 3),
        ("failing", &["grandchild", "exit:3"], 1),
        ("hidden", &["hidden-grandchild", "pass"], 1),
        ("nothing", &["pass"], 0),
        ("direct", &["setsid-grandchild", "grandchild", "pass"], 2),
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
async fn many_at_once_all_end_and_leave_nothing() {
    // Each process costs Wine a hundred times as much.
    const COUNT: usize = if cfg!(windows) { 24 } else { 200 };
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
            Report::Doing { .. } | Report::Used { .. } | Report::Checked { .. } => {}
            Report::Ended { key, ended: end } => {
                ended += 1;
                left += end.outcome.left_behind;
                assert_eq!(end.outcome.ending, EXITED, "{key}");
                pids.extend(grandchildren(&String::from_utf8(bench.log(&key, "stdout.log")).unwrap()));
            }
        }
    }
    assert_eq!((started, left, pids.len()), (COUNT, u32::try_from(COUNT / 4).unwrap(), COUNT / 4));
    bench.supervisor.close().await;
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
}
