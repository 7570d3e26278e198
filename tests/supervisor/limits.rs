//! What an attempt may use, and what becomes of one that uses more. Trees can be looked at on Linux.

use orchestrate::model::limits::{LimitKind, Limits};
use orchestrate::model::outcome::{Ending, StopReason};
use orchestrate::supervisor::{AttemptJob, Ended};

use crate::harness::{Bench, is_valid};

const MIB: u64 = 1 << 20;

/// The words of the limit that was passed.
fn over(ended: &Ended) -> &str {
    match &ended.outcome.stopped {
        Some(StopReason::OverLimit { seen }) => seen,
        other => panic!("{other:?}: {ended:?}"),
    }
}

fn all(limit: u64) -> Limits {
    Limits {
        memory: Some(limit * MIB),
        processes: Some(limit),
        output: Some(limit * MIB),
        disk: Some(limit * MIB),
        disk_free: Some(MIB),
    }
}

/// Writes again and again, so that it has grown whenever it is looked at for the first time.
fn growing(place: &str) -> [&'static str; 6] {
    match place {
        "" => ["write-file:a:20M", "burn:300", "write-file:b:20M", "burn:300", "write-file:c:20M", "hang"],
        _ => [
            "write-file:own/a:20M",
            "burn:300",
            "write-file:own/b:20M",
            "burn:300",
            "write-file:own/c:20M",
            "hang",
        ],
    }
}

/// Nothing that carries the mark of the bench's run is left. Only what is read under an unchanged id counts.
fn marked(run: &str) -> Vec<i32> {
    let mark = format!("ORCHESTRATE_MARK={run}/");
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(mark.as_bytes()))
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_not_passed_does_nothing() {
    let mut bench = Bench::new().await;
    let file = format!("write-file:{}:4M", bench.path("file").display());
    let words = ["eat-memory:20M", "fork:3", "print:100000", &file, "burn:2600", "pass"];
    let job = AttemptJob { limits: all(1_000), ..bench.job("T", &words) };
    let ended = bench.end_of(job).await;
    assert_eq!((ended.outcome.stopped, ended.outcome.ending), (None, Ending::Exited { code: 0 }));
    assert!(is_valid(&ended.completion));
    let peaks = ended.outcome.peaks;
    assert!(peaks.memory_bytes.is_some_and(|memory| (20 * MIB..200 * MIB).contains(&memory)), "{peaks:?}");
    assert_eq!(peaks.processes, Some(4), "{peaks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_over_its_limit_ends_the_attempt_wherever_it_is_held() {
    let mut bench = Bench::new().await;
    let limits = Limits { memory: Some(100 * MIB), ..Limits::default() };
    for (task, words) in [
        ("own", &["eat-memory:300M", "hang"][..]),
        ("deaf", &["ignore-term", "eat-memory:300M", "hang"]),
        ("daemon", &["daemon", "eat-memory:300M", "hang"]),
        ("together", &["daemon", "eat-memory:80M", "daemon", "eat-memory:80M", "hang"]),
    ] {
        // A grace that is longer than a test: one that is far over its limit is not given it.
        let job = AttemptJob { limits, ..bench.job(task, words) };
        let ended = bench.end_of(job).await;
        let seen = over(&ended);
        assert!(seen.starts_with("memory: ") && seen.ends_with(", allowed 100 MiB"), "{task}: {seen}");
        assert!(
            ended.outcome.peaks.memory_bytes.is_some_and(|memory| memory > 100 * MIB),
            "{task}: {ended:?}"
        );
        assert_eq!(marked(bench.run.as_str()), [0; 0], "{task}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_a_little_over_is_asked_first() {
    let mut bench = Bench::new().await;
    let limits = Limits { memory: Some(100 * MIB), ..Limits::default() };
    let job = AttemptJob { limits, ..bench.job("T", &["eat-memory:110M", "hang"]) };
    let ended = bench.end_of(job).await;
    assert!(over(&ended).starts_with("memory: "));
    assert_eq!(ended.outcome.ending, Ending::Killed { signal: 15 });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_by_several_counts_once() {
    let mut bench = Bench::new().await;
    let limits = Limits { memory: Some(150 * MIB), ..Limits::default() };
    // A shell that has filled its memory and then forks five times, without a new program.
    let script =
        "x=$(head -c 40000000 /dev/zero | tr '\\0' x); for i in 1 2 3 4 5; do (sleep 1.5; :) & done; wait";
    let mut job = AttemptJob { limits, ..bench.job("T", &[]) };
    job.command.program = "/bin/sh".into();
    job.command.args = vec!["-c".to_owned(), script.to_owned()];
    let ended = bench.end_of(job).await;
    assert_eq!(ended.outcome.stopped, None, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_processes_are_killed_without_grace() {
    let mut bench = Bench::new().await;
    let limits = Limits { processes: Some(40), ..Limits::default() };
    // 255 in all, if nobody ends it.
    for (task, words) in [
        ("children", &["fork:60", "hang"][..]),
        ("bomb", &["fork-bomb:7"]),
        ("deaf bomb", &["ignore-term", "fork-bomb:7"]),
        ("hidden bomb", &["daemon", "fork-bomb:7"]),
    ] {
        let job = AttemptJob { limits, ..bench.job(task, words) };
        let ended = bench.end_of(job).await;
        let seen = over(&ended);
        let figure = seen.strip_prefix("processes: ").and_then(|rest| rest.split_once(", allowed 40"));
        let figure: u32 = figure.and_then(|(figure, _)| figure.parse().ok()).expect(seen);
        assert!((41..=300).contains(&figure), "{task}: {seen}");
        assert!(ended.outcome.peaks.processes >= Some(figure), "{task}");
        assert_eq!(marked(bench.run.as_str()), [0; 0], "{task}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_grow_over_their_limit_end_the_attempt() {
    let mut bench = Bench::new().await;
    // What was there before does not count.
    std::fs::write(bench.path("before"), vec![7; 20 << 20]).unwrap();
    for (task, place) in [("own", "own/"), ("shared", "")] {
        let limits = Limits { disk: Some(8 * MIB), ..Limits::default() };
        let ended = bench.end_of(AttemptJob { limits, ..bench.job(task, &growing(place)) }).await;
        let seen = over(&ended);
        assert!(seen.starts_with("disk: ") && seen.ends_with(" MiB, allowed 8 MiB"), "{task}: {seen}");
        assert_eq!(marked(bench.run.as_str()), [0; 0], "{task}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_ended_for_what_another_wrote() {
    let mut bench = Bench::new().await;
    let limits = Limits { disk: Some(8 * MIB), ..Limits::default() };
    let quiet = AttemptJob { limits, ..bench.job("quiet", &["wait-for:done", "pass"]) };
    let quiet_key = quiet.key.clone();
    bench.supervisor.start(quiet);
    let loud = AttemptJob { limits, ..bench.job("loud", &growing("")) };
    let ended = bench.end_of(loud).await;
    assert!(over(&ended).starts_with("disk: "));
    std::fs::write(bench.path("done"), "").unwrap();
    let ended = bench.wait_for(&quiet_key).await;
    assert_eq!(ended.outcome.stopped, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_ends_the_one_that_fills_it() {
    let mut bench = Bench::new().await;
    // No disk has so much left, so whoever writes much is ended, and one that writes little is not.
    let limits = Limits { disk_free: Some(u64::MAX / 4), ..Limits::default() };
    let quiet = AttemptJob { limits, ..bench.job("quiet", &["wait-for:done", "pass"]) };
    let quiet_key = quiet.key.clone();
    bench.supervisor.start(quiet);
    let ended =
        bench.end_of(AttemptJob { limits, ..bench.job("loud", &["write-file:file:40M", "hang"]) }).await;
    assert_eq!(LimitKind::of_words(over(&ended)), Some(LimitKind::DiskFree));
    assert!(over(&ended).contains(" left, "));
    std::fs::write(bench.path("done"), "").unwrap();
    let ended = bench.wait_for(&quiet_key).await;
    assert_eq!(ended.outcome.stopped, None);
}
