//! A supervisor in a folder of its own, and jobs of the fake agent for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrate::model::agent::CompletionRule;
use orchestrate::model::command::{CommandSpec, Input, Silence, StopSignal};
use orchestrate::model::completion::Completion;
use orchestrate::model::ids::{AttemptKey, RunId, TaskId};
use orchestrate::model::limits::Limits;
use orchestrate::model::outcome::{CompletionFact, Ending, Outcome};
use orchestrate::model::reading::{LineNews, OutputReader, Reading, Stream, Usage};
use orchestrate::supervisor::{Accept, AttemptJob, Ended, Places, Report, Supervisor, process_started};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The whole time of one test. The machine may be busy with other things.
const DEADLINE: Duration = Duration::from_mins(2);

/// What one that was asked to stop and does not listen ends as: by the system's own handling of the word.
#[cfg(unix)]
pub(crate) const TERM: Ending = Ending::Killed { signal: 15 };
#[cfg(windows)]
pub(crate) const TERM: Ending = Ending::Exited { code: 0xC000_013A_u32.cast_signed() };

/// What one that was killed ends as.
#[cfg(unix)]
pub(crate) const KILL: Ending = Ending::Killed { signal: 9 };
#[cfg(windows)]
pub(crate) const KILL: Ending = Ending::Exited { code: 137 };

/// Orphans that nobody can be found for are ended when no job of this process runs, so tests of that need the
/// process for themselves.
static PROCESS: RwLock<()> = RwLock::const_new(());

static RUNS: AtomicU32 = AtomicU32::new(1);

#[expect(dead_code, reason = "held until the test ends")]
enum Place {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

/// A supervisor, what it says, and where its attempts live.
pub(crate) struct Bench {
    pub(crate) supervisor: Supervisor,
    pub(crate) run: RunId,
    reports: UnboundedReceiver<Report>,
    folder: tempfile::TempDir,
    _place: Place,
}

/// Lines that a reader was given.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Line>>>);

/// A line, and where it came from.
type Line = (Stream, Vec<u8>);

impl Heard {
    pub(crate) fn lines(&self, wanted: Stream) -> Vec<Vec<u8>> {
        let heard = self.0.lock().unwrap();
        heard.iter().filter(|(stream, _)| *stream == wanted).map(|(_, line)| line.clone()).collect()
    }
}

/// A reader that keeps what it is given; a line `hopeless WHY` has it give up, and each line `used` is an
/// answer of a model.
struct Keeper {
    heard: Heard,
    wants: bool,
}

impl OutputReader for Keeper {
    fn wants_lines(&self) -> bool {
        self.wants
    }

    fn line(&mut self, stream: Stream, line: &[u8]) -> Option<LineNews> {
        self.heard.0.lock().unwrap().push((stream, line.to_vec()));
        let text = String::from_utf8_lossy(line);
        if let Some(why) = text.strip_prefix("hopeless ") {
            return Some(LineNews::Hopeless(why.to_owned()));
        }
        text.strip_prefix("doing ").map(|what| LineNews::Doing(what.to_owned()))
    }

    fn usage(&self) -> Usage {
        let answers = self.heard.0.lock().unwrap().iter().filter(|(_, line)| line == b"used").count();
        Usage { requests: u32::try_from(answers).unwrap(), ..Usage::default() }
    }

    fn finish(&mut self, _outcome: &Outcome) -> Reading {
        let turns = u32::try_from(self.heard.0.lock().unwrap().len()).unwrap();
        Reading { turns: Some(turns), ..Reading::default() }
    }
}

/// A reader that wants no lines, so that the process writes into its files by itself.
pub(crate) fn deaf() -> Box<dyn OutputReader> {
    Box::new(Keeper { heard: Heard::default(), wants: false })
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::make(Place::Shared(PROCESS.read().await))
    }

    /// The same, while no other test runs.
    pub(crate) async fn alone() -> Self {
        Self::make(Place::Alone(PROCESS.write().await))
    }

    fn make(place: Place) -> Self {
        #[cfg(windows)]
        have_console();
        let (sender, reports) = unbounded_channel();
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        Self {
            supervisor: Supervisor::new(sender).unwrap(),
            run: RunId(format!("RUN{}-{number}", std::process::id())),
            reports,
            folder: tempfile::tempdir().unwrap(),
            _place: place,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A job of the fake agent that keeps lines, and what it kept.
    pub(crate) fn listening(&self, task: &str, behaviours: &[&str]) -> (AttemptJob, Heard) {
        let heard = Heard::default();
        let reader = Keeper { heard: heard.clone(), wants: true };
        (AttemptJob { reader: Box::new(reader), ..self.job(task, behaviours) }, heard)
    }

    /// A job of the fake agent, with times that do not come to pass.
    pub(crate) fn job(&self, task: &str, behaviours: &[&str]) -> AttemptJob {
        let key = AttemptKey::new(TaskId::new(task), 1);
        let folder = self.path(&key.task.code());
        std::fs::create_dir_all(&folder).unwrap();
        let completion = folder.join("completion.json");
        AttemptJob {
            command: self.command(&key, &completion, behaviours),
            accept: accept(&self.run, &key),
            key,
            run: self.run.clone(),
            ours: folder.clone(),
            folder,
            timeout: DEADLINE,
            idle_timeout: DEADLINE,
            grace: DEADLINE,
            linger: DEADLINE,
            completion,
            onlooker: None,
            limits: Limits::default(),
            places: Places { own: vec![self.path(&TaskId::new(task).code())], shared: Some(self.path("")) },
            reader: Box::new(Keeper { heard: Heard::default(), wants: true }),
        }
    }

    fn command(&self, key: &AttemptKey, completion: &Path, behaviours: &[&str]) -> CommandSpec {
        CommandSpec {
            program: PathBuf::from(env!("CARGO_BIN_EXE_fake-agent")),
            args: behaviours.iter().map(|&text| text.to_owned()).collect(),
            env: BTreeMap::from([
                ("PATH".to_owned(), path_variable()),
                // Without it Windows does not find its own libraries.
                ("SYSTEMROOT".to_owned(), "C:\\windows".to_owned()),
                ("ORCHESTRATE_RUN".to_owned(), self.run.to_string()),
                ("ORCHESTRATE_TASK".to_owned(), key.task.to_string()),
                ("ORCHESTRATE_ATTEMPT".to_owned(), key.attempt.to_string()),
                ("ORCHESTRATE_COMPLETION".to_owned(), completion.display().to_string()),
            ]),
            directory: self.folder.path().to_owned(),
            input: Input::Empty,
            folders: Vec::new(),
            files: Vec::new(),
            remove_after: Vec::new(),
            session_data: None,
            stop_signal: StopSignal::Terminate,
            grace: None,
            silence: Silence::default(),
            success_codes: vec![0],
            completion: CompletionRule::Required,
        }
    }

    /// The next report.
    pub(crate) async fn next(&mut self) -> Report {
        let next = tokio::time::timeout(DEADLINE, self.reports.recv());
        next.await.expect("the supervisor said nothing for the whole time of a test").unwrap()
    }

    /// Starts a job and waits for its end.
    pub(crate) async fn end_of(&mut self, job: AttemptJob) -> Ended {
        let key = job.key.clone();
        self.supervisor.start(job);
        self.wait_for(&key).await
    }

    /// Waits for the end of a job; reports on others are passed over.
    pub(crate) async fn wait_for(&mut self, wanted: &AttemptKey) -> Ended {
        loop {
            if let Report::Ended { key, ended } = self.next().await
                && key == *wanted
            {
                return as_windows_says(*ended);
            }
        }
    }

    /// Waits until the attempt's output holds `text`, and gives all of it.
    pub(crate) async fn printed(&self, key: &AttemptKey, text: &str) -> String {
        let log = self.path(&key.task.code()).join("stdout.log");
        let wait = async {
            loop {
                let printed = std::fs::read(&log).unwrap_or_default();
                let printed = String::from_utf8_lossy(&printed).into_owned();
                if printed.contains(text) {
                    return printed;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.expect("the text was not printed in the time of a test")
    }

    pub(crate) fn log(&self, key: &AttemptKey, name: &str) -> Vec<u8> {
        std::fs::read(self.path(&key.task.code()).join(name)).unwrap()
    }
}

/// Wine's own handling of Ctrl-Break exits with a small code, where Windows' exits with what [`TERM`] says.
fn as_windows_says(mut ended: Ended) -> Ended {
    let stopped = ended.outcome.stopped.is_some();
    if is_wine() && stopped && matches!(ended.outcome.ending, Ending::Exited { code: 0 | 1 }) {
        ended.outcome.ending = TERM;
    }
    ended
}

/// Agents are asked to stop by way of a console, and under Wine a program without a terminal has none.
#[cfg(windows)]
#[expect(unsafe_code, reason = "the system's calls have no safe form")]
fn have_console() {
    use windows_sys::Win32::System::Console::{
        AllocConsole, FreeConsole, GetStdHandle, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
        SetStdHandle,
    };
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if std::fs::OpenOptions::new().read(true).write(true).open("CONOUT$").is_ok() {
            return;
        }
        let streams = [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE];
        // SAFETY: takes a number.
        let kept = streams.map(|stream| unsafe { GetStdHandle(stream) });
        // SAFETY: both take nothing; the streams that they may change are put back below.
        let made = unsafe { (FreeConsole(), AllocConsole()) };
        for (stream, handle) in streams.into_iter().zip(kept) {
            // SAFETY: the handle was the stream's own a moment ago.
            unsafe { SetStdHandle(stream, handle) };
        }
        assert_ne!(made.1, 0, "there is no console: {}", std::io::Error::last_os_error());
    });
}

/// Whether this is Windows as Wine has it.
pub(crate) fn is_wine() -> bool {
    cfg!(windows) && Path::new(r"C:\windows\system32\winecfg.exe").exists()
}

/// The environment's search path, by which the fake agent finds `setsid` and `kill`.
pub(crate) fn path_variable() -> String {
    #[expect(clippy::disallowed_methods, reason = "a test has no settings")]
    std::env::var("PATH").unwrap()
}

fn accept(run: &RunId, key: &AttemptKey) -> Accept {
    let (run, key) = (run.clone(), key.clone());
    Arc::new(move |bytes: &[u8]| {
        let completion: Completion =
            serde_json::from_slice(bytes).map_err(|error| vec![format!("it does not fit: {error}")])?;
        let fits =
            completion.run_id == run && completion.task_id == key.task && completion.attempt == key.attempt;
        if fits { Ok(completion) } else { Err(vec!["it is for another attempt".to_owned()]) }
    })
}

/// The ids that `grandchild PID` lines name.
pub(crate) fn grandchildren(printed: &str) -> Vec<u32> {
    printed
        .lines()
        .filter_map(|line| line.strip_prefix("grandchild "))
        .map(|pid| pid.trim().parse().unwrap())
        .collect()
}

/// Whether a process runs; one that has ended and was not reaped does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    process_started(pid).is_some()
}

pub(crate) fn is_valid(fact: &CompletionFact) -> bool {
    matches!(fact, CompletionFact::Valid { .. })
}
