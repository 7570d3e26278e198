//! Asks programs a question each, all at once: no input, a time limit, bounded output, and their
//! process trees are ended with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;
use ulid::Ulid;

use crate::cli::exit::CliError;
use crate::engine::signals::Signals;
use crate::model::agent::CompletionRule;
use crate::model::command::{CommandSpec, Input, Silence, StopSignal};
use crate::model::ids::{AttemptKey, RunId, TaskId};
use crate::model::limits::Limits;
use crate::model::outcome::{Ending, Outcome, StopReason};
use crate::model::reading::{LineNews, OutputReader, Reading, Stream};
use crate::supervisor::{AttemptJob, Places, Report, Supervisor};

/// Lines of each stream that are kept.
const LINES: usize = 8;
/// Characters of each line that are kept.
const COLUMNS: usize = 400;
/// Bytes that a program may write.
const OUTPUT_LIMIT: u64 = 4 * 1024 * 1024;
/// How long a program that was asked to stop may take.
const GRACE: Duration = Duration::from_millis(500);

/// A program and how it is called.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// Absolute.
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    /// The whole environment.
    pub(super) environment: BTreeMap<String, String>,
    /// Where it runs; none: in an empty folder.
    pub(super) directory: Option<PathBuf>,
}

/// How long each program has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// While it does nothing: neither writes nor uses the processor.
    pub(super) idle: Duration,
    /// Whatever it does. On a machine that is short of processors a start takes many times as long.
    pub(super) whole: Duration,
}

/// How a program that was asked ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Exited(i32),
    /// It had not ended when its time was over, which was this.
    TimedOut(Duration),
    /// It was not started, or ended by something else; in words.
    Otherwise(String),
    /// Nothing could be asked of any program, for this reason.
    NotAsked(String),
}

/// What a program answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) end: End,
    /// The first lines of its standard output.
    pub(super) stdout: Vec<String>,
    /// How many lines that had.
    pub(super) lines: usize,
    /// The first lines of its standard error.
    pub(super) stderr: Vec<String>,
}

impl Answer {
    fn not_asked(message: String) -> Self {
        Self { end: End::NotAsked(message), stdout: Vec::new(), lines: 0, stderr: Vec::new() }
    }

    /// The first line of its output, where it ended well.
    pub(super) fn line(&self) -> Option<&str> {
        let ended_well = self.end == End::Exited(0);
        self.stdout.first().map(String::as_str).filter(|_| ended_well)
    }

    /// The first line in which it says something, of its error output before the other.
    pub(super) fn words(&self) -> Option<&str> {
        self.stderr.iter().chain(&self.stdout).map(|line| line.trim()).find(|line| !line.is_empty())
    }
}

/// Asks all of them at once and answers in the same order.
///
/// # Errors
/// A signal came; everything that was started has been ended.
pub(super) async fn ask(questions: Vec<Question>, patience: Patience) -> Result<Vec<Answer>, CliError> {
    let count = questions.len();
    let all = |message: String| Ok(vec![Answer::not_asked(message); count]);
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return all(format!("no temporary folder can be made: {error}")),
    };
    let (reports, mut inbox) = unbounded_channel();
    let (supervisor, mut signals) = match (Supervisor::new(reports), Signals::listen()) {
        (Ok(supervisor), Ok(signals)) => (supervisor, signals),
        (Err(error), _) => return all(error.to_string()),
        (_, Err(error)) => return all(error.to_string()),
    };
    let run = RunId(format!("doctor-{}", Ulid::generate()));
    let mut kept = Vec::with_capacity(count);
    for (place, question) in questions.into_iter().enumerate() {
        let lines = Arc::new(Mutex::new(Kept::default()));
        supervisor.start(job(&run, place, question, folder.path(), patience, Arc::clone(&lines)));
        kept.push(lines);
    }
    let mut ends: Vec<Option<End>> = vec![None; count];
    let mut interrupted = None;
    while ends.iter().any(Option::is_none) {
        tokio::select! {
            report = inbox.recv() => match report {
                Some(Report::Ended { key, ended }) => {
                    if let Some(end) = place_of(&key).and_then(|place| ends.get_mut(place)) {
                        *end = Some(end_of(&ended.outcome));
                    }
                }
                Some(Report::Started { .. } | Report::Doing { .. } | Report::Used { .. } | Report::Checked { .. }) => {}
                None => break,
            },
            signal = signals.next() => {
                supervisor.kill();
                interrupted = Some(signal);
            }
        }
    }
    supervisor.close().await;
    if let Some(signal) = interrupted {
        return Err(CliError::new(signal.exit, format!("stopped by {}", signal.name)));
    }
    Ok(ends.into_iter().zip(kept).map(|(end, kept)| answer(end, &kept)).collect())
}

fn job(
    run: &RunId,
    place: usize,
    question: Question,
    folder: &Path,
    patience: Patience,
    lines: Arc<Mutex<Kept>>,
) -> AttemptJob {
    let own = folder.join(place.to_string());
    let work = own.join("work");
    AttemptJob {
        key: AttemptKey::new(TaskId::new("doctor"), u32::try_from(place).unwrap_or(u32::MAX)),
        run: run.clone(),
        command: CommandSpec {
            program: question.program,
            args: question.args,
            env: question.environment,
            directory: question.directory.unwrap_or_else(|| work.clone()),
            input: Input::Empty,
            folders: vec![own.clone(), work],
            files: Vec::new(),
            remove_after: Vec::new(),
            session_data: None,
            stop_signal: StopSignal::Terminate,
            grace: None,
            silence: Silence::default(),
            success_codes: vec![0],
            completion: CompletionRule::None,
        },
        completion: own.join("completion.json"),
        ours: own.clone(),
        folder: own,
        timeout: patience.whole,
        idle_timeout: patience.idle,
        grace: GRACE,
        linger: patience.whole,
        accept: Arc::new(|_| Err(Vec::new())),
        onlooker: None,
        limits: Limits { output: Some(OUTPUT_LIMIT), ..Limits::default() },
        places: Places::default(),
        reader: Box::new(FirstLines { lines }),
    }
}

fn place_of(key: &AttemptKey) -> Option<usize> {
    usize::try_from(key.attempt).ok()
}

fn end_of(outcome: &Outcome) -> End {
    match (&outcome.stopped, &outcome.ending) {
        (Some(StopReason::Deadline | StopReason::Idle), _) => {
            End::TimedOut(Duration::from_millis(outcome.wall_ms))
        }
        (Some(StopReason::OverLimit { seen }), _) => End::Otherwise(seen.clone()),
        (_, Ending::Exited { code }) => End::Exited(*code),
        (_, Ending::Killed { signal }) => End::Otherwise(format!("it was ended by signal {signal}")),
        (
            _,
            Ending::NotFound { message } | Ending::FailedToStart { message } | Ending::Unknown { message },
        ) => End::Otherwise(message.clone()),
    }
}

fn answer(end: Option<End>, kept: &Mutex<Kept>) -> Answer {
    let kept = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
    let end = end.unwrap_or_else(|| End::Otherwise("nobody saw how it ended".to_owned()));
    Answer { end, stdout: kept.stdout, lines: kept.lines, stderr: kept.stderr }
}

/// What is kept of a program's output.
#[derive(Debug, Default)]
struct Kept {
    stdout: Vec<String>,
    lines: usize,
    stderr: Vec<String>,
}

struct FirstLines {
    lines: Arc<Mutex<Kept>>,
}

impl OutputReader for FirstLines {
    fn line(&mut self, stream: Stream, line: &[u8]) -> Option<LineNews> {
        let mut kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = match stream {
            Stream::Stdout => {
                kept.lines += 1;
                &mut kept.stdout
            }
            Stream::Stderr => &mut kept.stderr,
        };
        if lines.len() < LINES {
            lines.push(String::from_utf8_lossy(line).chars().take(COLUMNS).collect());
        }
        None
    }

    fn finish(&mut self, _: &Outcome) -> Reading {
        Reading::default()
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Question {
        Question {
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".to_owned(), script.to_owned()],
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            directory: None,
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn programs_answer_at_once_and_none_holds_the_others_up() {
        let missing = Question { program: PathBuf::from("/no/such/program"), ..shell("") };
        let questions = vec![
            shell("echo 7.7.7; echo more; echo odd >&2"),
            shell("cat; echo broken >&2; exit 3"),
            shell("echo begun; sleep 600"),
            missing,
            shell("kill -9 $$"),
            shell("i=0; while [ $i -lt 30 ]; do echo line; i=$((i+1)); done"),
        ];
        let patience = Patience { idle: Duration::from_millis(1500), whole: Duration::from_secs(30) };
        let answers = ask(questions, patience).await.unwrap();
        assert_eq!(answers[0].line(), Some("7.7.7"));
        assert_eq!(answers[0].stderr, ["odd"]);
        assert_eq!((answers[1].end.clone(), answers[1].words()), (End::Exited(3), Some("broken")));
        assert_eq!(answers[1].line(), None);
        assert!(matches!(answers[2].end, End::TimedOut(after) if after < Duration::from_secs(30)));
        assert_eq!(answers[2].words(), Some("begun"));
        assert!(matches!(&answers[3].end, End::Otherwise(message) if message.contains("/no/such/program")));
        assert!(matches!(&answers[4].end, End::Otherwise(message) if message.contains("signal 9")));
        assert_eq!((answers[5].stdout.len(), answers[5].lines), (LINES, 30));
    }
}
