//! Which silence is idle and which is not (`docs/failures.md`, Stalls).

use std::time::Duration;

use orchestrate::model::command::Silence;
use orchestrate::model::ids::TaskId;
use orchestrate::model::outcome::{Ending, Outcome, StopReason};
use orchestrate::model::reading::{LineNews, OutputReader, Reading, Stream, Waits};
use orchestrate::model::time::Span;
use orchestrate::supervisor::{AttemptJob, Ended};

use crate::harness::{Bench, deaf};

/// A reader that says what the agent waits for by the lines `waits answer`, `waits rest` and `waits`, and
/// takes a line `prompt` for one, also if it has no end.
#[derive(Default)]
struct Waiting {
    waits: Waits,
}

impl OutputReader for Waiting {
    fn line(&mut self, stream: Stream, line: &[u8]) -> Option<LineNews> {
        match line {
            b"waits answer" => self.waits = Waits::Answer,
            b"waits rest" => self.waits = Waits::Rest,
            b"waits" => self.waits = Waits::Nothing,
            _ => return self.unfinished(stream, line),
        }
        None
    }

    fn unfinished(&mut self, _: Stream, line: &[u8]) -> Option<LineNews> {
        line.starts_with(b"prompt").then(|| LineNews::Hopeless("a prompt".to_owned()))
    }

    fn waits(&self) -> Waits {
        self.waits
    }

    fn finish(&mut self, _: &Outcome) -> Reading {
        Reading::default()
    }
}

const SHORT: Duration = Duration::from_millis(300);

/// Long enough that a busy machine does not pass it between two signs of life.
const IDLE: Duration = Duration::from_secs(2);

/// How often a sign of life is given, and for how long: three times the idle timeout.
const PAUSE: Duration = Duration::from_millis(100);
const SIGNS: u32 = 60;

#[track_caller]
fn assert_idle(ended: &Ended, least: Duration) {
    assert_eq!(ended.outcome.stopped, Some(StopReason::Idle), "{ended:?}");
    assert!(u128::from(ended.outcome.wall_ms) >= least.as_millis(), "{} ms", ended.outcome.wall_ms);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_a_sign_of_life() {
    let mut bench = Bench::new().await;
    let job = AttemptJob { idle_timeout: IDLE, ..bench.job("T", &["line:ready", "hang"]) };
    let key = job.key.clone();
    bench.supervisor.start(job);
    bench.printed(&key, "ready").await;
    for _ in 0..SIGNS {
        bench.supervisor.heard(&key);
        tokio::time::sleep(PAUSE).await;
    }
    assert_idle(&bench.wait_for(&key).await, PAUSE * SIGNS);
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_files_are_a_sign_of_life_and_our_own_are_none() {
    let mut bench = Bench::new().await;
    let own = TaskId::new("T").code();
    let own = format!("{own}/out.txt");
    for (place, reader) in [("work/deep/out.txt", false), (own.as_str(), false), ("work/out.txt", true)] {
        let mut job = AttemptJob { idle_timeout: IDLE, ..bench.job("T", &["line:ready", "hang"]) };
        if reader {
            job.reader = deaf();
        }
        let key = job.key.clone();
        bench.supervisor.start(job);
        bench.printed(&key, "ready").await;
        let file = bench.path(place);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let counts = place != own;
        let write = async {
            for number in 0..SIGNS {
                std::fs::write(&file, number.to_string()).unwrap();
                tokio::time::sleep(PAUSE).await;
            }
        };
        if counts {
            write.await;
            assert_idle(&bench.wait_for(&key).await, PAUSE * SIGNS);
        } else {
            tokio::select! {
                () = write => panic!("a file of ours kept it alive"),
                ended = bench.wait_for(&key) => assert_idle(&ended, IDLE),
            }
        }
        bench.supervisor.sweep(&bench.run).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_others_may_have_made_keep_nobody_alive_for_ever() {
    let mut bench = Bench::new().await;
    let beside = bench.job("beside", &["hang"]);
    let other = beside.key.clone();
    bench.supervisor.start(beside);
    let job = AttemptJob { idle_timeout: Duration::from_secs(1), ..bench.job("T", &["hang"]) };
    let key = job.key.clone();
    bench.supervisor.start(job);
    let file = bench.path("shared.txt");
    let write = async {
        for number in 0_u64.. {
            std::fs::write(&file, number.to_string()).unwrap();
            tokio::time::sleep(PAUSE).await;
        }
    };
    let ended = tokio::select! {
        () = write => unreachable!("it has no end"),
        ended = bench.wait_for(&key) => ended,
    };
    assert!(
        matches!(&ended.outcome.stopped, Some(StopReason::Hopeless { .. } | StopReason::Idle)),
        "{ended:?}"
    );
    bench.supervisor.stop(&other, StopReason::Requested);
    bench.wait_for(&other).await;
}

/// Runs a job that says what it waits for, whose program watches over its provider for a second.
async fn waiting(bench: &mut Bench, behaviours: &[&str], idle: Duration, provider: Option<Span>) -> Outcome {
    let mut job =
        AttemptJob { idle_timeout: idle, reader: Box::new(Waiting::default()), ..bench.job("T", behaviours) };
    job.command.silence = Silence { provider, ..Silence::default() };
    bench.end_of(job).await.outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_has_as_long_as_the_agent_itself_waits_for_it() {
    let mut bench = Bench::new().await;
    let second = Some(Span::seconds(1));
    // It takes its time, answers, and ends well, although that was longer than the idle timeout.
    let slow = ["line:waits answer", "wait-a-moment:1500", "pass"];
    let outcome = waiting(&mut bench, &slow, SHORT, second).await;
    assert_eq!((outcome.ending, outcome.stopped), (Ending::Exited { code: 0 }, None));
    // The same where nobody watches over the provider, and where no answer is waited for.
    let mut bench = Bench::new().await;
    assert_eq!(waiting(&mut bench, &slow, SHORT, None).await.stopped, Some(StopReason::Idle));
    let tool = ["line:waits answer", "line:waits", "wait-a-moment:60000", "pass"];
    assert_eq!(waiting(&mut bench, &tool, SHORT, second).await.stopped, Some(StopReason::Idle));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_without_a_word_has_an_end_too() {
    let mut bench = Bench::new().await;
    let begun = ["line:waits rest", "hang"];
    let outcome = waiting(&mut bench, &begun, Duration::from_secs(1), Some(Span::seconds(1))).await;
    let Some(StopReason::Hopeless { seen }) = &outcome.stopped else { panic!("{outcome:?}") };
    assert!(seen.starts_with("nothing happened for "), "{seen}");
    assert!(outcome.wall_ms >= 3_000, "{} ms", outcome.wall_ms);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_hangs_in_an_answer_is_idle() {
    let mut bench = Bench::new().await;
    let behaviours = ["line:waits rest", "setsid-grandchild", "hang"];
    let outcome = waiting(&mut bench, &behaviours, Duration::from_secs(3), Some(Span::seconds(1))).await;
    assert_eq!(outcome.stopped, Some(StopReason::Idle), "the tool is judged by what it does");
    assert_eq!(outcome.left_behind, 1);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_compiler_below_an_agent_is_work_and_the_agents_own_loop_is_not() {
    // Work has to get its part of the processors, so nothing of ours runs beside it.
    let mut bench = Bench::alone().await;
    let lazy = |load| Silence { provider: None, idle_load: load };
    let idle_timeout = Duration::from_secs(3);
    // A whole processor is what this one is said to use while it waits.
    let mut job = AttemptJob { idle_timeout, ..bench.job("own", &["burn:60000", "pass"]) };
    job.command.silence = lazy(5_000);
    assert_idle(&bench.end_of(job).await, idle_timeout);
    let mut job = AttemptJob { idle_timeout, ..bench.job("tool", &["setsid-burn:4000", "pass"]) };
    job.command.silence = lazy(5_000);
    assert_eq!(bench.end_of(job).await.outcome.ending, Ending::Exited { code: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_without_an_end_of_line_is_seen() {
    let mut bench = Bench::new().await;
    for behaviours in [["no-newline:prompt: ", "hang"], ["line:prompt", "hang"]] {
        let outcome = waiting(&mut bench, &behaviours, Duration::from_mins(2), None).await;
        assert_eq!(outcome.stopped, Some(StopReason::Hopeless { seen: "a prompt".to_owned() }));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn one_that_asks_a_terminal_is_told_apart() {
    let mut bench = Bench::new().await;
    let job = AttemptJob { idle_timeout: SHORT, ..bench.job("stopped", &["signal:TTIN"]) };
    let ended = bench.end_of(job).await;
    let Some(StopReason::Hopeless { seen }) = &ended.outcome.stopped else { panic!("{ended:?}") };
    assert!(seen.contains("(`fake-agent`) is stopped, as one is that asks for a terminal"), "{seen}");

    let script = std::path::Path::new("/usr/bin/script");
    if !script.exists() {
        use std::io::Write as _;
        drop(writeln!(std::io::stderr(), "SKIPPED: no program here makes a terminal"));
        return;
    }
    let mut job = AttemptJob { idle_timeout: IDLE, ..bench.job("asking", &[]) };
    let question = "printf 'Allow? [y/N] '; read answer";
    // Its own input has to stay open, or it would hand the end of it on.
    job.command.program = "/bin/sh".into();
    job.command.args =
        vec!["-c".to_owned(), format!("sleep 1000 | {} -q -e -c \"{question}\" /dev/null", script.display())];
    let ended = bench.end_of(job).await;
    let Some(StopReason::Hopeless { seen }) = &ended.outcome.stopped else { panic!("{ended:?}") };
    assert!(seen.contains("waits for an answer at `/dev/pts/"), "{seen}");
}
