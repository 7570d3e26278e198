//! One test for each way in which a process tries to get away, and for many at once.

use std::time::Duration;

use orchestrate::model::outcome::{Ending, StopReason};
use orchestrate::supervisor::AttemptJob;

use crate::harness::{Bench, grandchildren, is_alive};

/// Processes that were started with this among their arguments, however far they got.
fn found(token: &str) -> Vec<String> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    pids.filter_map(|folder| {
        let line = std::fs::read(folder.join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(token).then(|| format!("{} {line}", folder.display()))
    })
    .collect()
}

fn token(bench: &Bench, name: &str) -> String {
    format!("as:{}-{name}", bench.run)
}

/// Ways that an attempt is told by while others run.
const WAYS: [&str; 14] = [
    "stray:twice",
    "stray:setsid",
    "stray:group",
    "stray:deaf",
    "stray:closed",
    "stray:holding",
    "stray:cleared",
    "stray:cleared+setsid",
    "stray:twice+cleared+setsid",
    "stray:twice+cleared+setsid+deaf+closed",
    "stray:twice+group+deaf+holding",
    "stray:chain",
    "stray:twice+cleared+chain",
    "stray:setsid+cleared+leaping",
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_it_does_it_ends_with_its_own_attempt() {
    let mut bench = Bench::new().await;
    // Another attempt runs all the while, so that none is ended for want of another owner.
    let other = bench.job("other", &["stray:twice+cleared+setsid", "line:there", "wait-for:go", "pass"]);
    let other_key = other.key.clone();
    bench.supervisor.start(other);
    let others = grandchildren(&bench.printed(&other_key, "there").await);
    for (number, way) in WAYS.into_iter().enumerate() {
        let token = token(&bench, &format!("way{number}"));
        let job = bench.job(&format!("T{number}"), &[&token, way, "pass"]);
        let key = job.key.clone();
        let ended = bench.end_of(job).await;
        assert_eq!(ended.outcome.ending, Ending::Exited { code: 0 }, "{way}");
        assert!(ended.outcome.left_behind >= 1, "{way} was started, and seen");
        assert_eq!(
            grandchildren(&String::from_utf8(bench.log(&key, "stdout.log")).unwrap()).len(),
            1,
            "{way}"
        );
        assert_eq!(found(&token), [""; 0], "{way}");
        assert!(others.iter().all(|&pid| is_alive(pid)), "{way} is not the other's");
    }
    std::fs::write(bench.path("go"), "").unwrap();
    assert_eq!(bench.wait_for(&other_key).await.outcome.left_behind, 1);
    assert!(!others.iter().any(|&pid| is_alive(pid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_put_off_every_mark_ends_when_no_job_runs() {
    let mut bench = Bench::alone().await;
    let other = bench.job("other", &["line:there", "wait-for:go", "pass"]);
    let other_key = other.key.clone();
    bench.supervisor.start(other);
    bench.printed(&other_key, "there").await;
    let token = token(&bench, "unmarked");
    let ended = bench.end_of(bench.job("T", &[&token, "stray:twice+cleared+setsid+unmarked", "pass"])).await;
    assert_eq!(ended.outcome.left_behind, 0);
    assert_eq!(found(&token).len(), 1, "it might belong to the other attempt");
    std::fs::write(bench.path("go"), "").unwrap();
    bench.wait_for(&other_key).await;
    bench.supervisor.close().await;
    assert_eq!(found(&token), [""; 0]);
}

/// An agent once ran on for nine minutes after TERM, in a loop of tools.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_ignores_term_and_starts_tools_is_killed_with_them_after_its_grace() {
    let mut bench = Bench::new().await;
    let token = token(&bench, "tools");
    let behaviours = [&token, "ignore-term", &token, "line:ready", "tools:5"];
    let job = AttemptJob { grace: Duration::from_millis(300), ..bench.job("T", &behaviours) };
    let key = job.key.clone();
    bench.supervisor.start(job);
    bench.printed(&key, "ready").await;
    while found(&token).len() < 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench.supervisor.stop(&key, StopReason::Requested);
    let ended = bench.wait_for(&key).await;
    assert_eq!(ended.outcome.ending, Ending::Killed { signal: 9 }, "TERM was not enough");
    assert_eq!(ended.outcome.stopped, Some(StopReason::Requested));
    assert_eq!(found(&token), [""; 0]);
}

/// A shell that forks and ends without becoming another program, each in a few hundred microseconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_quick_chain_is_caught() {
    let mut bench = Bench::new().await;
    let token = token(&bench, "quick");
    let mut job = bench.job("T", &[]);
    // `sh` may bound how deep a function calls itself.
    job.command.program = "/bin/bash".into();
    job.command.completion = orchestrate::model::agent::CompletionRule::None;
    job.command.args = vec!["-c".to_owned(), "hop() { hop & }; hop; sleep 0.3".to_owned(), token.clone()];
    let ended = bench.end_of(job).await;
    assert!(ended.outcome.left_behind > 0);
    assert_eq!(found(&token), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_mix_of_all_leaves_nobody() {
    const ATTEMPTS: usize = 16;
    const TRAITS: [&str; 9] =
        ["twice", "setsid", "group", "deaf", "closed", "holding", "cleared", "chain", "leaping"];
    let mut bench = Bench::new().await;
    let seed = 41;
    let mut random = fastrand::Rng::with_seed(seed);
    let token = token(&bench, "mix");
    let mut keys = std::collections::BTreeSet::new();
    for number in 0..ATTEMPTS {
        let mut words = vec![token.clone()];
        for _ in 0..random.usize(1..4) {
            let traits: Vec<&str> = TRAITS.into_iter().filter(|_| random.u8(..) < 90).collect();
            words.push(format!("stray:{}", traits.join("+")));
        }
        words.push(if random.bool() { "pass".to_owned() } else { "hang".to_owned() });
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let grace = Duration::from_millis(random.u64(0..100));
        let job = AttemptJob { grace, ..bench.job(&format!("T{number}"), &words) };
        keys.insert(job.key.clone());
        bench.supervisor.start(job);
        if random.bool() {
            let stopped = keys.iter().nth(random.usize(..keys.len())).unwrap();
            bench.supervisor.stop(stopped, StopReason::Requested);
        }
    }
    while let Some(key) = keys.first().cloned() {
        bench.supervisor.stop(&key, StopReason::Requested);
        // Others may have ended before: what they said is not waited for again.
        let orchestrate::supervisor::Report::Ended { key, .. } = bench.next().await else {
            continue;
        };
        keys.remove(&key);
    }
    bench.supervisor.close().await;
    assert_eq!(found(&token), [""; 0], "seed {seed}");
}
