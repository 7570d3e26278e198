//! One attempt, from its files to its report.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch as channel;

use super::completion::Judge;
use super::leader::{self, Launch};
use super::observation::Attempt;
use super::output::Log;
use super::platform::Leader;
use super::streams::{Logs, Output};
use super::tree::Tree;
use super::watchdog::Limits;
use super::{
    AttemptJob, Duty, Ended, LOOK, Life, OUTPUT_LIMIT, Onlooker, Order, Places, Report, attempt_mark,
};
use crate::model::agent::CompletionRule;
use crate::model::command::CommandSpec;
use crate::model::ids::AttemptKey;
use crate::model::limits::{self, Peaks};
use crate::model::outcome::{CompletionFact, Ending, Outcome, StopReason};
use crate::model::reading::Reading;

/// Makes the report on an attempt that was not observed.
pub(super) fn unseen(ending: Ending, stopped: Option<StopReason>) -> Ended {
    Ended {
        outcome: Outcome { ending, stopped, left_behind: 0, wall_ms: 0, peaks: Peaks::default() },
        reading: Reading::default(),
        completion: CompletionFact::Missing,
        stdout_bytes: 0,
        stderr_bytes: 0,
    }
}

/// Runs one attempt and answers for it.
pub(super) async fn run(job: AttemptJob, duty: Duty, orders: channel::Receiver<Order>) {
    let AttemptJob {
        key,
        run,
        command,
        folder,
        ours,
        completion,
        accept,
        limits,
        places,
        mut reader,
        onlooker,
        ..
    } = job;
    let bounds = Limits {
        timeout: job.timeout,
        idle: job.idle_timeout,
        grace: command.grace.map_or(job.grace, Duration::from),
        linger: job.linger,
    };
    let shared = Arc::clone(&duty.shared);
    let mark = attempt_mark(&run, &key);
    shared.remember_run(&mark);
    let judge = match command.completion {
        CompletionRule::Required | CompletionRule::Optional => Some(Judge::new(completion, accept)),
        CompletionRule::None => None,
    };
    let limit = limits.output.unwrap_or(OUTPUT_LIMIT);
    if let Some(onlooker) = &onlooker {
        before(onlooker).await;
    }
    let setting = Setting {
        key: &key,
        command: &command,
        folder: &folder,
        ours: &ours,
        limits: bounds,
        limit,
        uses: limits,
        places,
        mark: &mark,
        life: duty.life.clone(),
    };
    let ended = match begin(&setting, reader.wants_lines(), &orders).await {
        Ok((leader, tree, logs)) => {
            let pid = leader.pid();
            shared.report(Report::Started { key: key.clone(), pid });
            let output = Output::new(logs, &mut *reader);
            Attempt::new(&shared, &setting, tree, leader, output, judge, orders).observe().await
        }
        Err((ending, stopped)) => {
            let ended = unseen(ending, stopped);
            Ended { reading: reader.finish(&ended.outcome), ..ended }
        }
    };
    if !command.remove_after.is_empty() {
        drop(tokio::task::spawn_blocking(move || leader::clear_away(&command)).await);
    }
    if let Some(onlooker) = onlooker {
        after(onlooker, &ended).await;
    }
    duty.answer(Report::Ended { key, ended: Box::new(ended) });
}

/// Lets somebody look before anything is started, as long as that is bearable.
async fn before(onlooker: &Arc<dyn Onlooker>) {
    let looking = Arc::clone(onlooker);
    let look = tokio::task::spawn_blocking(move || looking.before());
    if !matches!(tokio::time::timeout(LOOK, look).await, Ok(Ok(()))) {
        onlooker.gave_up();
    }
}

/// Lets somebody look when all has ended.
async fn after(onlooker: Arc<dyn Onlooker>, ended: &Ended) {
    let seen = ended.clone();
    let look = tokio::task::spawn_blocking(move || onlooker.after(&seen));
    drop(tokio::time::timeout(LOOK, look).await);
}

/// What stays the same for a whole attempt.
pub(super) struct Setting<'a> {
    pub(super) key: &'a AttemptKey,
    pub(super) command: &'a CommandSpec,
    /// The attempt's own folder.
    pub(super) folder: &'a Path,
    /// The folder below which all files are ours.
    pub(super) ours: &'a Path,
    pub(super) limits: Limits,
    /// Bytes of output on disk.
    pub(super) limit: u64,
    /// What it may use besides.
    pub(super) uses: limits::Limits,
    /// Where its files grow.
    pub(super) places: Places,
    pub(super) mark: &'a str,
    /// Signs of life that come another way than by the process.
    pub(super) life: Life,
}

/// Makes the files and starts the process; or says how it ended before it began, and why if that was
/// asked for.
async fn begin(
    setting: &Setting<'_>,
    wants_lines: bool,
    orders: &channel::Receiver<Order>,
) -> Result<(Leader, Tree, Logs), (Ending, Option<StopReason>)> {
    let order = orders.borrow().clone();
    let reason = match order {
        Order::Go | Order::Completed => None,
        Order::Stop(reason) => Some(reason),
        Order::Kill => Some(StopReason::Requested),
    };
    if let Some(reason) = reason {
        let message = "it was stopped before it started".to_owned();
        return Err((Ending::FailedToStart { message }, Some(reason)));
    }
    let command = setting.command;
    let prepared = || {
        leader::prepare(command)?;
        let log = |name: &str| {
            let path = setting.folder.join(name);
            Log::create(&path).map_err(|error| Ending::FailedToStart {
                message: format!("cannot make `{}`: {error}", path.display()),
            })
        };
        Ok(Logs { stdout: log("stdout.log")?, stderr: log("stderr.log")? })
    };
    let logs = prepared().map_err(|ending| (ending, None))?;
    let streams = || {
        let stdin = leader::input(&command.input)?;
        if wants_lines {
            Ok([stdin, Stdio::piped(), Stdio::piped()])
        } else {
            Ok([stdin, Stdio::from(logs.stdout.share()?), Stdio::from(logs.stderr.share()?)])
        }
    };
    let launch = Launch {
        program: &command.program,
        args: &command.args,
        environment: &command.env,
        directory: &command.directory,
        mark: setting.mark,
    };
    let tree = Tree::enter(setting.mark);
    match leader::launch(&launch, &streams, &tree).await {
        Ok(leader) => Ok((leader, tree, logs)),
        Err(ending) => Err((ending, None)),
    }
}
