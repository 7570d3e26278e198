//! Processes: started, watched, asked to stop, ended with all they left behind, and reported.
//!
//! ```text
//!  start(job) ─▶ task per attempt ─▶ leader ── output ──▶ stdout.log, stderr.log, lines to the reader
//!                  │    ▲              │
//!     watchdog ◀───┤    └─ orders      └── its tree (marked, grouped, adopted)
//!     completion ◀─┘
//!                  └─▶ Started, Doing …, Ended exactly once
//! ```
//!
//! How it works: every attempt is one asynchronous task, which owns the process, its pipes, its
//! deadlines and its completion; nothing else touches them. Orders (stop, kill) reach it through a
//! channel, and every wait of it listens to that. When the leader has ended, whatever carries the
//! attempt's mark, descends from it or sits in one of its groups or sessions is ended too
//! (module `tree`); only then is the completion judged and the end reported.
//!
//! Invariants: each job that was taken is answered by one [`Report::Ended`] or
//! [`Report::Checked`], also when its files cannot be written; an attempt that was reported as
//! ended has no process that can be told to be its own; memory does not grow with the output.
//!
//! What it deliberately does not do: say whether an attempt succeeded, know an agent's flags or
//! phrases, retry anything, mask anything (what it hands over is raw), or decide when something
//! starts.

mod attempt;
mod changes;
mod check;
mod closed;
mod completion;
mod disk;
mod guard;
mod idle;
mod leader;
mod live;
mod machine;
mod observation;
mod output;
mod streams;
mod tree;
mod usage;
mod watch;
mod watchdog;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as platform;

#[cfg(windows)]
mod job;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as platform;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch as channel;
use tokio::time::Instant;

use crate::model::command::CommandSpec;
use crate::model::completion::Completion;
use crate::model::ids::{AttemptKey, RunId};
use crate::model::limits::{LimitKind, Limits};
use crate::model::outcome::{CheckResult, CompletionFact, Ending, Outcome, StopReason};
use crate::model::reading::{OutputReader, Reading, Usage};

pub use closed::close_to_others;
pub use guard::{GUARD, exit_number, guard_gone, stand_guard};
pub use live::{Ended as EndedLeftovers, Live, end_leftovers};
pub use machine::{available_memory, free_space, process_alive, process_started};

/// The variable by which the members of a tree are known: `<run>/<task code>/<attempt>/<supervisor>`,
/// the last as in [`GUARD`].
pub const MARK: &str = "ORCHESTRATE_MARK";

/// Bytes of output that an attempt may leave on disk, where the job does not say.
pub const OUTPUT_LIMIT: u64 = 256 * 1024 * 1024;

/// Tells a valid completion of this attempt from everything else, with all that is wrong.
pub type Accept = Arc<dyn Fn(&[u8]) -> Result<Completion, Vec<String>> + Send + Sync>;

/// How long an attempt waits for who looks on, before it starts and after it has ended.
const LOOK: Duration = Duration::from_secs(10);

/// Who looks at the surroundings of an attempt before its process starts and after it has ended, each time
/// on a thread where that may take a while.
pub trait Onlooker: Send + Sync {
    /// Nothing was started yet.
    fn before(&self);

    /// The look before took too long: the attempt starts without it.
    fn gave_up(&self);

    /// All of it has ended. The attempt is answered for after this, or when it takes too long.
    fn after(&self, ended: &Ended);
}

/// One attempt to run.
pub struct AttemptJob {
    /// Which attempt.
    pub key: AttemptKey,
    /// Of which run.
    pub run: RunId,
    /// What to start.
    pub command: CommandSpec,
    /// The attempt's folder; it exists, and `stdout.log` and `stderr.log` are made in it.
    pub folder: PathBuf,
    /// The folder whose files we write, that of the attempt or one above it: what changes there is no sign
    /// of life.
    pub ours: PathBuf,
    /// How long the attempt may take.
    pub timeout: Duration,
    /// How long nothing may happen: no output, no word by [`Supervisor::heard`], no file changed in the
    /// working directory, no processor time that is work; longer only while the command's
    /// [`Silence`](crate::model::command::Silence) and its reader allow it.
    pub idle_timeout: Duration,
    /// How long it may take to stop, where the command does not say.
    pub grace: Duration,
    /// How long it may go on after it has left a valid completion.
    pub linger: Duration,
    /// Where its completion is to be.
    pub completion: PathBuf,
    /// Judges what is found there.
    pub accept: Accept,
    /// What it may use; output without a limit has [`OUTPUT_LIMIT`].
    pub limits: Limits,
    /// Where its files grow.
    pub places: Places,
    /// Reads the output.
    pub reader: Box<dyn OutputReader>,
    /// Looks on; none: nobody does.
    pub onlooker: Option<Arc<dyn Onlooker>>,
}

/// Where the files of an attempt grow, for [`Limits::disk`] and [`Limits::disk_free`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// Folders in which nobody else writes, absolute; they need not be there.
    pub own: Vec<PathBuf>,
    /// The folder that it works in, absolute, where others write too.
    pub shared: Option<PathBuf>,
}

/// Whether it can be seen on this system how much an attempt uses of this. Where processes cannot be
/// told to be an attempt's, what they hold and write cannot either.
pub const fn can_see(kind: LimitKind) -> bool {
    match kind {
        LimitKind::Output | LimitKind::Disk => true,
        LimitKind::Processes => cfg!(any(target_os = "linux", windows)),
        LimitKind::Memory | LimitKind::DiskFree => cfg!(target_os = "linux"),
    }
}

/// What a list of checks is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckTicket {
    /// For one attempt.
    Task(AttemptKey),
    /// For all tasks that ended meanwhile.
    Run,
}

/// Commands to run one after the other.
pub struct CheckJob {
    /// What they are for.
    pub ticket: CheckTicket,
    /// The commands as written. All of them run, also after one that said no.
    pub commands: Vec<String>,
    /// Absolute path of the shell that is given `-c` and the command.
    pub shell: PathBuf,
    /// Where they run.
    pub directory: PathBuf,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// How long each may take.
    pub timeout: Duration,
    /// Where their output goes, all into one file; what is there already stays.
    pub log: PathBuf,
    /// The mark of their trees: see [`attempt_mark`] and [`run_mark`].
    pub mark: String,
}

/// An attempt that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// How its process ended.
    pub outcome: Outcome,
    /// What its reader made of the output.
    pub reading: Reading,
    /// What was found at the place of its completion.
    pub completion: CompletionFact,
    /// Bytes in `stdout.log`.
    pub stdout_bytes: u64,
    /// Bytes in `stderr.log`.
    pub stderr_bytes: u64,
}

/// What the supervisor says. The list is closed.
#[derive(Debug)]
pub enum Report {
    /// The process of an attempt exists.
    Started {
        /// Which attempt.
        key: AttemptKey,
        /// Its process id.
        pid: u32,
    },
    /// An attempt is doing this, in its reader's words; at most a few times a second.
    Doing {
        /// Which attempt.
        key: AttemptKey,
        /// A few words.
        text: String,
    },
    /// An attempt used this much so far, as its reader tells; at most a few times a second, and the last
    /// figures before its end.
    Used {
        /// Which attempt.
        key: AttemptKey,
        /// All of it, from its start.
        usage: Usage,
    },
    /// An attempt has ended, and its tree with it. Said once for every job, also for one that could not be
    /// started.
    Ended {
        /// Which attempt.
        key: AttemptKey,
        /// As what.
        ended: Box<Ended>,
    },
    /// Checks have run. Said once for every job.
    Checked {
        /// What they were for.
        ticket: CheckTicket,
        /// One result for each command that was started, in order; fewer than commands only after a
        /// stop.
        results: Vec<CheckResult>,
    },
}

/// Why nothing can be supervised.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// There is no asynchronous runtime around the call.
    #[error("a supervisor needs a runtime around it")]
    NoRuntime(#[source] tokio::runtime::TryCurrentError),
    /// The system does not let us adopt what attempts leave behind.
    #[error("cannot become the parent of what attempts leave behind")]
    Subreaper(#[source] std::io::Error),
}

/// Makes the mark of an attempt's tree.
pub fn attempt_mark(run: &RunId, key: &AttemptKey) -> String {
    format!("{run}/{}/{}/{}", key.task.code(), key.attempt, own_name())
}

/// Makes the mark of the trees of a run's own checks. No task code is `.`.
pub fn run_mark(run: &RunId) -> String {
    format!("{run}/./0/{}", own_name())
}

/// Names this process for good: `<pid>@<start>`.
fn own_name() -> &'static str {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let own = std::process::id();
        format!("{own}@{}", process_started(own).unwrap_or_default())
    });
    &NAME
}

/// What a running job is told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Order {
    /// Go on.
    Go,
    /// Go on: its completion has come by another way than the file.
    Completed,
    /// Stop: first word, grace, kill.
    Stop(StopReason),
    /// End at once.
    Kill,
}

/// A job that has not been answered yet.
struct Listed {
    /// What it is for.
    ticket: CheckTicket,
    kind: DutyKind,
    /// How it is told.
    order: channel::Sender<Order>,
    life: Life,
}

/// When a job last gave a sign of life that does not come from its process. It is asked when everything
/// else is silent, so nobody is woken.
#[derive(Debug, Clone, Default)]
struct Life(Arc<Mutex<Option<Instant>>>);

impl Life {
    fn sign(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    fn last(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The jobs that have not been answered yet.
#[derive(Default)]
struct Jobs {
    listed: BTreeMap<u64, Listed>,
    /// Set by [`Supervisor::kill`]: nothing starts any more.
    killed: bool,
}

/// What the tasks of all jobs share.
struct Shared {
    reports: UnboundedSender<Report>,
    jobs: Mutex<Jobs>,
    next: AtomicU64,
    /// How many jobs are unanswered, for [`Supervisor::close`].
    open: channel::Sender<usize>,
    watcher: watch::Watcher,
    floor: disk::Floor,
    workers: changes::Workers,
    /// Runs of which something was started, for the last sweep.
    runs: Mutex<Vec<String>>,
}

impl Shared {
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says something to the engine. One that is gone does not listen, which is its right.
    fn report(&self, report: Report) {
        drop(self.reports.send(report));
    }

    fn remember_run(&self, mark: &str) {
        let run = mark.split('/').next().unwrap_or(mark);
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if !runs.iter().any(|known| known == run) {
            runs.push(run.to_owned());
        }
    }
}

/// The duty to answer for a job: an answer is given on every way out, a panic included.
struct Duty {
    shared: Arc<Shared>,
    number: u64,
    ticket: CheckTicket,
    kind: DutyKind,
    life: Life,
    answered: bool,
}

/// Which answer is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DutyKind {
    Attempt,
    Check,
}

impl Duty {
    /// Takes the job off the list and gives its answer.
    fn answer(mut self, report: Report) {
        self.settle(report);
    }

    fn settle(&mut self, report: Report) {
        self.answered = true;
        self.shared.jobs().listed.remove(&self.number);
        self.shared.report(report);
        self.shared.open.send_modify(|open| *open = open.saturating_sub(1));
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let message = "its supervision ended early".to_owned();
        let report = match (self.kind, &self.ticket) {
            (DutyKind::Attempt, CheckTicket::Task(key)) => Report::Ended {
                key: key.clone(),
                ended: Box::new(attempt::unseen(Ending::Unknown { message }, None)),
            },
            (DutyKind::Attempt | DutyKind::Check, ticket) => {
                Report::Checked { ticket: ticket.clone(), results: vec![check::unseen(message)] }
            }
        };
        self.settle(report);
    }
}

/// Starts and ends processes, and reports on them.
pub struct Supervisor {
    shared: Arc<Shared>,
    runtime: tokio::runtime::Handle,
}

impl Supervisor {
    /// Makes a supervisor whose reports go to `reports`. On Linux this process becomes the parent of
    /// all that its descendants leave behind, and its limit on file locks, which no kernel looks at,
    /// becomes a number that they inherit and are known by.
    ///
    /// The channel is not bounded because what goes through it is: three reports for each job, and
    /// what an attempt is doing a few times a second.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::NoRuntime`] outside a tokio runtime, [`SupervisorError::Subreaper`] where the
    /// system refuses.
    pub fn new(reports: UnboundedSender<Report>) -> Result<Self, SupervisorError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(SupervisorError::NoRuntime)?;
        tree::adopt_orphans().map_err(SupervisorError::Subreaper)?;
        tree::put_on_birthmark();
        Ok(Self {
            shared: Arc::new(Shared {
                reports,
                jobs: Mutex::default(),
                next: AtomicU64::new(1),
                open: channel::Sender::new(0),
                watcher: watch::Watcher::default(),
                floor: disk::Floor::default(),
                workers: changes::Workers::default(),
                runs: Mutex::default(),
            }),
            runtime,
        })
    }

    /// Starts an attempt. It answers with [`Report::Started`] when its process exists, and in any
    /// case with [`Report::Ended`].
    pub fn start(&self, job: AttemptJob) {
        let (duty, orders) = self.enlist(CheckTicket::Task(job.key.clone()), DutyKind::Attempt);
        self.runtime.spawn(attempt::run(job, duty, orders));
    }

    /// Runs checks. They answer with [`Report::Checked`].
    pub fn check(&self, job: CheckJob) {
        let (duty, orders) = self.enlist(job.ticket.clone(), DutyKind::Check);
        self.runtime.spawn(check::run(job, duty, orders));
    }

    /// Asks an attempt, or the checks of one, to stop: its signal, its grace period, then the kill.
    /// Nothing happens if there is none; an order that was given before stands.
    pub fn stop(&self, key: &AttemptKey, reason: StopReason) {
        self.tell(&CheckTicket::Task(key.clone()), &Order::Stop(reason));
    }

    /// Tells an attempt that its completion has come by another way than the file: from then on it is
    /// treated as if a valid file were there. Nothing happens if there is none, or if it is stopping.
    pub fn completed(&self, key: &AttemptKey) {
        let ticket = CheckTicket::Task(key.clone());
        let jobs = self.shared.jobs();
        let attempts = jobs.listed.values().filter(|listed| listed.kind == DutyKind::Attempt);
        for listed in attempts.filter(|listed| listed.ticket == ticket) {
            listed.order.send_if_modified(|order| {
                let first = *order == Order::Go;
                if first {
                    *order = Order::Completed;
                }
                first
            });
        }
    }

    /// Tells an attempt that something was heard of it by another way than its process (a report of
    /// progress): it is not idle. Nothing happens if there is none.
    pub fn heard(&self, key: &AttemptKey) {
        let ticket = CheckTicket::Task(key.clone());
        let jobs = self.shared.jobs();
        let attempts = jobs.listed.values().filter(|listed| listed.kind == DutyKind::Attempt);
        for listed in attempts.filter(|listed| listed.ticket == ticket) {
            listed.life.sign(Instant::now());
        }
    }

    /// Asks the checks that are for the whole run to stop.
    pub fn stop_run_checks(&self, reason: StopReason) {
        self.tell(&CheckTicket::Run, &Order::Stop(reason));
    }

    fn tell(&self, ticket: &CheckTicket, wanted: &Order) {
        let jobs = self.shared.jobs();
        for listed in jobs.listed.values().filter(|listed| listed.ticket == *ticket) {
            listed.order.send_if_modified(|order| {
                let first = matches!(order, Order::Go | Order::Completed);
                if first {
                    order.clone_from(wanted);
                }
                first
            });
        }
    }

    /// Ends everything at once and lets nothing start any more.
    pub fn kill(&self) {
        let mut jobs = self.shared.jobs();
        jobs.killed = true;
        for listed in jobs.listed.values() {
            listed.order.send_replace(Order::Kill);
        }
    }

    /// Waits until every job was answered, then ends whatever is left of the runs that were
    /// supervised.
    pub async fn close(self) {
        let mut open = self.shared.open.subscribe();
        // The sender lives in `self.shared`, so waiting can only end with the count.
        drop(open.wait_for(|open| *open == 0).await);
        let runs = std::mem::take(&mut *self.shared.runs.lock().unwrap_or_else(PoisonError::into_inner));
        tree::sweep_runs(&runs).await;
    }

    /// Ends every process that carries the mark of `run` and belongs to no running job, as an earlier
    /// supervisor that died may have left them, and says how many there were. On Windows that
    /// supervisor's end was theirs.
    pub async fn sweep(&self, run: &RunId) -> u32 {
        tree::sweep_runs(&[run.to_string()]).await
    }

    fn enlist(&self, ticket: CheckTicket, kind: DutyKind) -> (Duty, channel::Receiver<Order>) {
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        self.shared.open.send_modify(|open| *open += 1);
        let mut jobs = self.shared.jobs();
        let (order, orders) = channel::channel(if jobs.killed { Order::Kill } else { Order::Go });
        let life = Life::default();
        jobs.listed.insert(number, Listed { ticket: ticket.clone(), kind, order, life: life.clone() });
        drop(jobs);
        (Duty { shared: Arc::clone(&self.shared), number, ticket, kind, life, answered: false }, orders)
    }
}
