//! How attempts come to an end that is not their own, and how they do not start.

use std::time::Duration;

use orchestrate::model::agent::CompletionRule;
use orchestrate::model::command::{FileToWrite, Input};
use orchestrate::model::outcome::{CompletionFact, Ending, Outcome, StopReason};
use orchestrate::model::reading::{LineNews, OutputReader, Reading, Stream};
use orchestrate::supervisor::{AttemptJob, Report, attempt_mark};

use crate::harness::{Bench, KILL, TERM, deaf, is_valid};

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_has_had_its_time_is_stopped() {
    let mut bench = Bench::new().await;
    let job = AttemptJob { timeout: SHORT, grace: SHORT * 10, ..bench.job("T", &["hang"]) };
    let ended = bench.end_of(job).await;
    // Windows asks nobody who has not got to his console yet.
    let early = cfg!(windows) && ended.outcome.ending == KILL;
    assert!(ended.outcome.ending == TERM || early, "{ended:?}");
    assert_eq!(ended.outcome.stopped, Some(StopReason::Deadline));
    assert!(ended.outcome.wall_ms >= 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_deaf_is_killed_after_the_grace_period() {
    let mut bench = Bench::new().await;
    let mut job = bench.job("T", &["ignore-term", "line:deaf", "hang"]);
    job.command.grace = Some("300ms".parse().unwrap());
    let key = job.key.clone();
    bench.supervisor.start(job);
    bench.printed(&key, "deaf").await;
    bench.supervisor.stop(&key, StopReason::Requested);
    let ended = bench.wait_for(&key).await;
    assert_eq!(ended.outcome.ending, KILL);
    assert_eq!(ended.outcome.stopped, Some(StopReason::Requested));
    assert!(ended.outcome.wall_ms >= 300);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_signal_is_the_one_that_the_agent_heeds() {
    let mut bench = Bench::new().await;
    let mut job = bench.job("T", &["line:ready", "hang"]);
    job.command.stop_signal = orchestrate::model::command::StopSignal::Interrupt;
    let key = job.key.clone();
    bench.supervisor.start(job);
    bench.printed(&key, "ready").await;
    bench.supervisor.stop(&key, StopReason::Requested);
    assert_eq!(bench.wait_for(&key).await.outcome.ending, Ending::Killed { signal: 2 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_during_the_grace_period_does_not_wait() {
    let mut bench = Bench::new().await;
    let deaf = bench.job("deaf", &["ignore-term", "line:deaf", "hang"]);
    let other = bench.job("other", &["line:ready", "hang"]);
    let (deaf_key, other_key) = (deaf.key.clone(), other.key.clone());
    bench.supervisor.start(deaf);
    bench.supervisor.start(other);
    bench.printed(&deaf_key, "deaf").await;
    bench.printed(&other_key, "ready").await;
    bench.supervisor.stop(&deaf_key, StopReason::Requested);
    bench.supervisor.kill();
    for _ in 0..2 {
        let ended = loop {
            if let Report::Ended { ended, .. } = bench.next().await {
                break ended;
            }
        };
        assert_eq!(ended.outcome.ending, KILL);
        assert_eq!(ended.outcome.stopped, Some(StopReason::Requested));
    }
    let late = bench.end_of(bench.job("late", &["pass"])).await;
    assert!(matches!(late.outcome.ending, Ending::FailedToStart { .. }), "{late:?}");
    bench.supervisor.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_idle_and_output_is_not() {
    let mut bench = Bench::new().await;
    for reader in [None, Some(deaf())] {
        let mut job = AttemptJob { idle_timeout: SHORT, ..bench.job("T", &["line:once", "hang"]) };
        if let Some(reader) = reader {
            job.reader = reader;
        }
        let ended = bench.end_of(job).await;
        assert_eq!(ended.outcome.ending, TERM);
        assert_eq!(ended.outcome.stopped, Some(StopReason::Idle));
        assert_eq!(ended.stdout_bytes, 5);
    }
}

#[cfg(any(target_os = "linux", windows))]
#[tokio::test(flavor = "multi_thread")]
async fn silent_work_is_not_idle() {
    // Work has to get its part of the processors, so nothing of ours runs beside it.
    let mut bench = Bench::alone().await;
    let idle_timeout = Duration::from_secs(3);
    let job = AttemptJob { idle_timeout, ..bench.job("T", &["burn:4000", "pass"]) };
    let ended = bench.end_of(job).await;
    assert_eq!(ended.outcome.ending, Ending::Exited { code: 0 });
    assert!(is_valid(&ended.completion));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_when_done_is_ended_after_its_completion() {
    let mut bench = Bench::new().await;
    let job = AttemptJob { linger: SHORT, ..bench.job("T", &["complete-then-hang"]) };
    let ended = bench.end_of(job).await;
    assert_eq!(ended.outcome.stopped, Some(StopReason::Lingering));
    assert!(is_valid(&ended.completion));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_completion_came_another_way_is_ended_too_and_a_stop_still_counts() {
    let mut bench = Bench::new().await;
    let job = AttemptJob { linger: SHORT, ..bench.job("T", &["hang"]) };
    let key = job.key.clone();
    bench.supervisor.start(job);
    bench.supervisor.completed(&key);
    let ended = bench.wait_for(&key).await;
    assert_eq!(ended.outcome.stopped, Some(StopReason::Lingering));
    assert_eq!(ended.completion, CompletionFact::Missing);

    let job = bench.job("T", &["hang"]);
    let key = job.key.clone();
    bench.supervisor.start(job);
    bench.supervisor.completed(&key);
    bench.supervisor.stop(&key, StopReason::Requested);
    assert_eq!(bench.wait_for(&key).await.outcome.stopped, Some(StopReason::Requested));
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_completion_starts_no_countdown() {
    let mut bench = Bench::new().await;
    let mut job = AttemptJob { linger: SHORT, ..bench.job("T", &["half-completion:1500", "hang"]) };
    job.command.completion = CompletionRule::Optional;
    let ended = bench.end_of(job).await;
    assert_eq!(ended.outcome.stopped, Some(StopReason::Lingering));
    assert!(ended.outcome.wall_ms >= 1_500, "{} ms", ended.outcome.wall_ms);
    assert!(is_valid(&ended.completion));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_rule_nobody_looks_for_a_completion() {
    let mut bench = Bench::new().await;
    let mut job = bench.job("T", &["bad-schema"]);
    job.command.completion = CompletionRule::None;
    let completion = job.completion.clone();
    assert_eq!(bench.end_of(job).await.completion, CompletionFact::Missing);
    assert!(completion.exists(), "it is left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_can_give_up() {
    let mut bench = Bench::new().await;
    let job = bench.job("T", &["line:hopeless no credit", "hang"]);
    let ended = bench.end_of(job).await;
    assert_eq!(ended.outcome.stopped, Some(StopReason::Hopeless { seen: "no credit".to_owned() }));
    assert_eq!(ended.outcome.ending, TERM);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_is_told_apart() {
    let mut bench = Bench::new().await;
    let plain = bench.path("plain.txt");
    std::fs::write(&plain, "no program").unwrap();

    let mut job = bench.job("missing", &[]);
    job.command.program = bench.path("no-such-program");
    let ended = bench.end_of(job).await;
    assert!(
        matches!(&ended.outcome.ending, Ending::NotFound { message } if message.contains("no-such-program"))
    );

    let mut job = bench.job("plain", &[]);
    job.command.program = plain;
    let ended = bench.end_of(job).await;
    assert!(matches!(&ended.outcome.ending, Ending::NotFound { message } if message.contains("plain.txt")));

    let mut job = bench.job("directory", &["pass"]);
    job.command.directory = bench.path("no-such-folder");
    let ended = bench.end_of(job).await;
    assert!(
        matches!(&ended.outcome.ending, Ending::FailedToStart { message } if message.contains("no-such-folder"))
    );

    let mut job = bench.job("input", &["pass"]);
    job.command.input = Input::File(bench.path("no-such-input"));
    let ended = bench.end_of(job).await;
    assert!(
        matches!(&ended.outcome.ending, Ending::FailedToStart { message } if message.contains("no-such-input"))
    );

    let job = bench.job("folder", &["pass"]);
    std::fs::remove_dir_all(&job.folder).unwrap();
    let ended = bench.end_of(job).await;
    assert!(
        matches!(&ended.outcome.ending, Ending::FailedToStart { message } if message.contains("stdout.log"))
    );
    bench.supervisor.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_gets_what_it_asks_for_and_nothing_besides() {
    let mut bench = Bench::new().await;
    let data = bench.path("data");
    let (mut job, heard) = bench
        .listening("A/b", &["stdin", "env:HOME", "env:ORCHESTRATE_MARK", "wait-for:data/prompt.md", "pass"]);
    let prompt = data.join("prompt.md");
    job.command.folders = vec![data.clone()];
    job.command.files = vec![FileToWrite { path: prompt.clone(), content: "do it\n".to_owned() }];
    job.command.input = Input::File(prompt);
    job.command.remove_after = vec![data.clone()];
    let mark = format!("ORCHESTRATE_MARK={}", attempt_mark(&bench.run, &job.key));
    assert!(mark.starts_with(&format!("ORCHESTRATE_MARK={}/%41%2Fb/1/", bench.run)), "{mark}");
    let ended = bench.end_of(job).await;
    assert_eq!(ended.outcome.ending, Ending::Exited { code: 0 });
    let lines = heard.lines(Stream::Stdout);
    assert_eq!(lines, [b"do it".to_vec(), b"HOME is not set".to_vec(), mark.into_bytes()]);
    assert!(!data.exists(), "its own folder goes with it");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_one_can_be_stopped() {
    let mut bench = Bench::new().await;
    let job = bench.job("T", &["line:ready", "signal:STOP"]);
    let key = job.key.clone();
    bench.supervisor.start(job);
    bench.printed(&key, "ready").await;
    bench.supervisor.stop(&key, StopReason::Requested);
    assert_eq!(bench.wait_for(&key).await.outcome.ending, TERM);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrapper_that_goes_first_does_not_take_the_grace_period_along() {
    const WRAPPER: &str = "trap 'exit 0' TERM
        sh -c 'trap \"sleep 0.3; echo saved; exit\" TERM; echo ready; while :; do sleep 0.02; done' &
        wait";
    let mut bench = Bench::new().await;
    let (mut job, heard) = bench.listening("T", &[]);
    job.command.program = "/bin/sh".into();
    job.command.args = vec!["-c".to_owned(), WRAPPER.to_owned()];
    let key = job.key.clone();
    bench.supervisor.start(job);
    bench.printed(&key, "ready").await;
    bench.supervisor.stop(&key, StopReason::Requested);
    let ended = bench.wait_for(&key).await;
    assert_eq!(ended.outcome.ending, Ending::Exited { code: 0 });
    assert_eq!(heard.lines(Stream::Stdout), [b"ready".to_vec(), b"saved".to_vec()]);
}

/// A reader with a mistake in it.
struct Clumsy;

impl OutputReader for Clumsy {
    fn line(&mut self, _: Stream, line: &[u8]) -> Option<LineNews> {
        panic!("a line of {} bytes was too much", line.len());
    }

    fn finish(&mut self, _: &Outcome) -> Reading {
        Reading::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_of_ours_still_has_its_report() {
    let mut bench = Bench::new().await;
    let job = AttemptJob { reader: Box::new(Clumsy), ..bench.job("T", &["line:x", "grandchild", "hang"]) };
    let ended = bench.end_of(job).await;
    assert!(matches!(ended.outcome.ending, Ending::Unknown { .. }), "{ended:?}");
    bench.supervisor.close().await;
}
