//! Nothing is left alive, whatever it did to get away.

use std::time::Duration;

use orchestrate::model::agent::CompletionRule;
use orchestrate::model::limits::Limits;
use orchestrate::model::outcome::StopReason;
use orchestrate::supervisor::{AttemptJob, Report};

use crate::harness::{Bench, deaf, grandchildren, is_alive};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_reaches_below_sessions() {
    let mut bench = Bench::new().await;
    for (task, behaviours, lines) in [
        ("term", &["setsid-grandchild", "nested-grandchild", "line:ready", "hang"][..], 3),
        ("deaf", &["ignore-term", "setsid-grandchild", "nested-grandchild", "line:ready", "hang"], 3),
    ] {
        let job = AttemptJob { grace: Duration::from_millis(200), ..bench.job(task, behaviours) };
        let key = job.key.clone();
        bench.supervisor.start(job);
        bench.printed(&key, "ready").await;
        let printed = bench.printed(&key, "nested").await;
        bench.supervisor.stop(&key, StopReason::Requested);
        let ended = bench.wait_for(&key).await;
        let pids = grandchildren(&printed);
        assert_eq!(pids.len(), lines, "{task}: {printed}");
        assert!(pids.iter().all(|&pid| !is_alive(pid)), "{task}: {printed}");
        assert_eq!(ended.outcome.stopped, Some(StopReason::Requested), "{task}");
        // A leader that had to be killed is killed with all that was known of its tree at once.
        if task == "term" {
            assert_eq!(ended.outcome.left_behind as usize, lines, "{task}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_reaches_what_hides() {
    let mut bench = Bench::alone().await;
    let job = bench.job("T", &["hidden-grandchild", "grandchild", "line:ready", "hang"]);
    let key = job.key.clone();
    bench.supervisor.start(job);
    let pids = grandchildren(&bench.printed(&key, "ready").await);
    assert!(pids.len() == 2 && pids.iter().all(|&pid| is_alive(pid)));
    bench.supervisor.kill();
    bench.wait_for(&key).await;
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hides_from_a_lone_attempt_is_ended_with_it() {
    let mut bench = Bench::alone().await;
    let job = bench.job("T", &["hidden-grandchild", "pass"]);
    let key = job.key.clone();
    let ended = bench.end_of(job).await;
    let pids = grandchildren(&String::from_utf8(bench.log(&key, "stdout.log")).unwrap());
    assert_eq!((pids.len(), ended.outcome.left_behind), (1, 1));
    assert!(!is_alive(pids[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_does_not_end_another_ones_helper() {
    let mut bench = Bench::new().await;
    // The wrapper exits at once, so its child comes to us while its attempt still runs.
    let long = bench.job("long", &["nested-grandchild", "line:ready", "wait-for:go", "pass"]);
    let long_key = long.key.clone();
    bench.supervisor.start(long);
    bench.printed(&long_key, "ready").await;
    let pids = grandchildren(&bench.printed(&long_key, "nested").await);
    for task in ["a", "b"] {
        let ended = bench.end_of(bench.job(task, &["grandchild", "pass"])).await;
        assert_eq!(ended.outcome.left_behind, 1);
    }
    assert!(pids.len() == 2 && pids.iter().all(|&pid| is_alive(pid)));
    std::fs::write(bench.path("go"), "").unwrap();
    let ended = bench.wait_for(&long_key).await;
    assert_eq!(ended.outcome.left_behind, 2);
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_that_end_by_themselves_are_reaped() {
    let mut bench = Bench::new().await;
    let mut job = bench.job("T", &[]);
    job.command.program = "/bin/sh".into();
    job.command.args = vec!["-c".to_owned(), "(sh -c 'echo grandchild $$' &); true".to_owned()];
    job.command.completion = CompletionRule::None;
    let key = job.key.clone();
    bench.supervisor.start(job);
    bench.wait_for(&key).await;
    // A later end looks after those that were still ending at the first one.
    bench.end_of(bench.job("later", &["pass"])).await;
    for pid in grandchildren(&String::from_utf8(bench.log(&key, "stdout.log")).unwrap()) {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{pid} was not waited for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_supervisor_left_is_swept_by_its_mark() {
    use std::io::Read as _;
    use std::process::{Command, Stdio};
    let bench = Bench::new().await;
    let orphan = |run: &str| {
        let mut child = Command::new("setsid")
            .args([env!("CARGO_BIN_EXE_fake-agent"), "line:ready", "hang"])
            .env("ORCHESTRATE_MARK", format!("{run}/t/1"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0; 5]).unwrap();
        child
    };
    let (mut mine, mut other) = (orphan(bench.run.as_str()), orphan("ANOTHER"));
    assert_eq!(bench.supervisor.sweep(&bench.run).await, 1);
    // The status is there still, so the sweep has not taken a child that is waited for by somebody else.
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&mine.wait().unwrap()), Some(9));
    assert_eq!(other.try_wait().unwrap(), None);
    other.kill().unwrap();
    other.wait().unwrap();
}

/// Attempts of every kind, stopped at every moment: each is answered once, and nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_stops_loses_nobody() {
    const COUNT: usize = 60;
    const KINDS: [&[&str]; 6] = [
        &["grandchild", "hang"],
        &["setsid-grandchild", "ignore-term", "hang"],
        &["nested-grandchild", "pass", "hang"],
        &["flood"],
        &["half-completion:50", "exit:3"],
        &["grandchild", "pass"],
    ];
    let mut bench = Bench::new().await;
    let mut random = fastrand::Rng::with_seed(7);
    let mut keys = Vec::new();
    for number in 0..COUNT {
        let behaviours = KINDS[number % KINDS.len()];
        let grace = Duration::from_millis(random.u64(0..200));
        let limits = Limits { output: Some(1_000_000), ..Limits::default() };
        let mut job = AttemptJob { grace, limits, ..bench.job(&format!("T{number}"), behaviours) };
        if random.bool() {
            job.reader = deaf();
        }
        keys.push(job.key.clone());
        bench.supervisor.start(job);
        if random.u8(..) < 80 {
            bench.supervisor.stop(&keys[random.usize(..keys.len())], StopReason::Requested);
        }
    }
    let mut ended = std::collections::BTreeSet::new();
    while ended.len() < COUNT {
        match bench.next().await {
            Report::Started { key, .. } | Report::Doing { key, .. } | Report::Used { key, .. } => {
                assert!(!ended.contains(&key), "{key} goes on after its end");
                bench.supervisor.stop(&keys[random.usize(..COUNT)], StopReason::Requested);
                if ended.len() > COUNT / 2 {
                    bench.supervisor.kill();
                }
            }
            Report::Ended { key, .. } => {
                assert!(ended.insert(key.clone()), "{key} was reported twice");
                bench.supervisor.stop(&keys[random.usize(..COUNT)], StopReason::Requested);
            }
            Report::Checked { .. } => panic!("nothing was checked"),
        }
        // Half of them end by themselves; those that nobody has named by now are named.
        if ended.len() > COUNT / 3 {
            for key in &keys {
                bench.supervisor.stop(key, StopReason::Requested);
            }
        }
    }
    let logs =
        keys.iter().filter_map(|key| std::fs::read(bench.path(&key.task.code()).join("stdout.log")).ok());
    let pids: Vec<u32> =
        logs.flat_map(|log| grandchildren(&String::from_utf8_lossy(&log[..log.len().min(4096)]))).collect();
    bench.supervisor.close().await;
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
}
