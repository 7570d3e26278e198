//! What an attempt uses is reported while it runs, seldom, and whole before its end.

use orchestrate::model::ids::AttemptKey;
use orchestrate::model::outcome::StopReason;
use orchestrate::supervisor::{Ended, Report};

use crate::harness::{Bench, KILL};

/// Reports until the one of so many answers.
async fn until_used(bench: &mut Bench, answers: u32) {
    loop {
        match bench.next().await {
            Report::Used { usage, .. } if usage.requests == answers => return,
            Report::Used { usage, .. } => assert!(usage.requests < answers, "{usage:?} is not passed over"),
            Report::Started { .. } | Report::Doing { .. } => {}
            other @ (Report::Ended { .. } | Report::Checked { .. }) => panic!("too early: {other:?}"),
        }
    }
}

/// The figures that were reported until the end, and the end.
async fn to_the_end(bench: &mut Bench) -> (Vec<u32>, Ended) {
    let mut figures = Vec::new();
    loop {
        match bench.next().await {
            Report::Used { usage, .. } => figures.push(usage.requests),
            Report::Ended { ended, .. } => return (figures, *ended),
            Report::Started { .. } | Report::Doing { .. } => {}
            Report::Checked { .. } => panic!("nothing was checked"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_is_told_although_nothing_is_printed_after_it() {
    let mut bench = Bench::new().await;
    let job = bench
        .job("T", &["line:used", "wait-for:one", "line:used", "wait-for:two", "no-newline:used", "pass"]);
    bench.supervisor.start(job);
    until_used(&mut bench, 1).await;
    std::fs::write(bench.path("one"), "").unwrap();
    // Right after the first, so that it has to wait for its turn, and the program waits too.
    until_used(&mut bench, 2).await;
    std::fs::write(bench.path("two"), "").unwrap();
    let (figures, ended) = to_the_end(&mut bench).await;
    assert_eq!(figures, [3], "the last one is told before the end, also of a line that is not ended");
    assert_eq!(ended.reading.turns, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_in_a_hurry_floods_nobody_and_the_whole_is_told_at_its_end() {
    const ANSWERS: usize = 400;
    let mut bench = Bench::new().await;
    let mut behaviours = vec!["line:used"; ANSWERS];
    behaviours.push("pass");
    let job = bench.job("T", &behaviours);
    bench.supervisor.start(job);
    let (figures, ended) = to_the_end(&mut bench).await;
    assert_eq!(figures.last().copied(), u32::try_from(ANSWERS).ok());
    assert!(figures.is_sorted_by(|before, after| before < after), "{figures:?}");
    // One at once, one at the end, and four a second between them.
    let most = 3 + ended.outcome.wall_ms / 250;
    assert!(u64::try_from(figures.len()).unwrap() <= most, "{} in {most}", figures.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_uses_nothing_tells_nothing() {
    let mut bench = Bench::new().await;
    let job = bench.job("T", &["line:talk", "pass"]);
    bench.supervisor.start(job);
    let (figures, _) = to_the_end(&mut bench).await;
    assert!(figures.is_empty(), "{figures:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hears_of_too_much_can_end_it_with_its_tree() {
    let mut bench = Bench::new().await;
    let key: AttemptKey = {
        let job =
            bench.job("T", &["grandchild", "line:used", "wait-for:one", "line:used", "ignore-term", "hang"]);
        let key = job.key.clone();
        bench.supervisor.start(job);
        key
    };
    until_used(&mut bench, 1).await;
    std::fs::write(bench.path("one"), "").unwrap();
    until_used(&mut bench, 2).await;
    let reason = StopReason::OverBudget { seen: "it cost $2 so far".to_owned() };
    bench.supervisor.stop(&key, reason.clone());
    let ended = bench.wait_for(&key).await;
    assert_eq!(ended.outcome.stopped, Some(reason));
    assert_eq!(ended.outcome.ending, KILL, "at once: asked to stop it might ask its model once more");
    assert_eq!(ended.reading.turns, Some(3), "the line of its child and two answers");
}
