//! What each behaviour of the fake agent must end as, as data.

use orchestrate::model::outcome::{CompletionFact, Ending};

use crate::harness::Bench;

/// What is expected of the completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Missing,
    Valid,
    /// Not valid, with this among the problems.
    Invalid(&'static str),
}

/// Behaviours, the exit code or the signal (negative) of the process, what it leaves.
const TABLE: &[(&[&str], i32, Left)] = &[
    (&["pass"], 0, Left::Valid),
    (&["failed"], 0, Left::Valid),
    (&["blocked"], 0, Left::Valid),
    (&["claim:src/a.rs"], 0, Left::Valid),
    (&["no-completion"], 0, Left::Missing),
    (&["exit:3"], 3, Left::Missing),
    (&["pass", "exit:3"], 3, Left::Valid),
    (&["signal:KILL"], -9, Left::Missing),
    (&["pass", "signal:TERM"], -15, Left::Valid),
    (&["half-completion:300"], 0, Left::Valid),
    (&["bad-schema"], 0, Left::Invalid("it does not fit")),
    (&["wrong-attempt"], 0, Left::Invalid("another attempt")),
    (&["symlink-completion"], 0, Left::Invalid("it is a link")),
    (&["folder-completion"], 0, Left::Invalid("it is a folder")),
    (&["pipe-completion"], 0, Left::Invalid("no regular file")),
    (&["huge-completion"], 0, Left::Invalid("1048576 are allowed")),
    (&["pass-at:1"], 0, Left::Valid),
    (&["pass-at:2"], 1, Left::Missing),
    (&["print-rate-limit", "exit:1"], 1, Left::Missing),
    (&["non-utf8", "pass"], 0, Left::Valid),
    (&["write:made.txt:hello", "edit:made.txt:again", "wait-for:made.txt", "pass"], 0, Left::Valid),
    (&["error-line:oops", "pass"], 0, Left::Valid),
    (&["no-such-behaviour"], 70, Left::Missing),
];

/// Whether the system has what a behaviour needs: Windows has no signals and no pipes among files, and lets
/// nobody make links who was not given the right to.
fn is_possible(behaviours: &[&str]) -> bool {
    let elsewhere =
        |name: &&str| name.starts_with("signal:") || ["pipe-completion", "symlink-completion"].contains(name);
    cfg!(unix) || !behaviours.iter().any(elsewhere)
}

fn ending(number: i32) -> Ending {
    if number < 0 { Ending::Killed { signal: -number } } else { Ending::Exited { code: number } }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_behaviour_ends_as_the_table_says() {
    let mut bench = Bench::new().await;
    for (place, (behaviours, number, left)) in TABLE.iter().enumerate() {
        if !is_possible(behaviours) {
            continue;
        }
        let job = bench.job(&format!("T{place}"), behaviours);
        let completion = job.completion.clone();
        let rejected = completion.with_file_name("completion.rejected");
        let ended = bench.end_of(job).await;
        assert_eq!(ended.outcome.ending, ending(*number), "{behaviours:?}");
        assert_eq!(ended.outcome.stopped, None, "{behaviours:?}");
        // The program that sends the agent its signal may still be there when the agent is not.
        assert!(*number < 0 || ended.outcome.left_behind == 0, "{behaviours:?}");
        match (left, &ended.completion) {
            (Left::Missing, CompletionFact::Missing) => assert!(!completion.exists(), "{behaviours:?}"),
            (Left::Valid, CompletionFact::Valid { completion: read }) => {
                assert_eq!(read.task_id.as_str(), format!("T{place}"), "{behaviours:?}");
                assert!(completion.exists(), "{behaviours:?}");
            }
            (Left::Invalid(problem), CompletionFact::Invalid { problems }) => {
                assert!(problems.iter().any(|seen| seen.contains(problem)), "{behaviours:?}: {problems:?}");
                assert!(completion.symlink_metadata().is_err(), "{behaviours:?}: it was moved away");
                assert!(rejected.symlink_metadata().is_ok(), "{behaviours:?}: it is kept beside it");
            }
            (expected, found) => panic!("{behaviours:?}: expected {expected:?}, found {found:?}"),
        }
    }
    assert_eq!(std::fs::read_to_string(bench.path("made.txt")).unwrap(), "hello\nagain\n");
    bench.supervisor.close().await;
}
