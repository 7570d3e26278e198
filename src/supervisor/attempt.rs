//! One attempt, from its files to its report.
//!
//! Every wait in here also listens to orders, to the output and to the clock; the only place where a decision
//! about time is made is the [`Watchdog`].

use std::path::Path;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::watch as channel;
use tokio::time::{Instant, Sleep};

use super::completion::Judge;
use super::leader::{self, Launch};
use super::output::{LineCutter, Log};
use super::platform::{self, Leader};
use super::tree::Tree;
use super::watch::Watch;
use super::watchdog::{Due, Limits, Watchdog};
use super::{AttemptJob, Duty, Ended, OUTPUT_LIMIT, Order, Report, Shared, attempt_mark};
use crate::model::agent::CompletionRule;
use crate::model::command::CommandSpec;
use crate::model::ids::AttemptKey;
use crate::model::outcome::{CompletionFact, Ending, Outcome, StopReason};
use crate::model::reading::{LineNews, OutputReader, Reading, Stream};

/// When an attempt is looked at for the first time. Most commands have ended by then and cost
/// neither a watch nor a look.
const FIRST_LOOK: Duration = Duration::from_millis(250);

/// How often it is looked at then: some file systems do not say what happens to a file.
const LOOK: Duration = Duration::from_secs(2);

/// How often it is looked at while output that does not pass through us grows fast.
const CLOSE_LOOK: Duration = Duration::from_millis(50);

/// What may be read of one stream at a time: as much as a pipe holds.
const READ_SIZE: usize = 64 * 1024;

/// Between two words on what an attempt is doing: nobody reads faster.
const DOING_PAUSE: Duration = Duration::from_millis(200);

/// Between two looks at a group that was asked to stop and has lost its leader.
const GROUP_PAUSE: Duration = Duration::from_millis(10);

/// How long an invalid completion is given to become valid after its process has ended: a file system may
/// be late.
const SETTLE: Duration = Duration::from_millis(50);

/// Processor time below which a silent tree is idle, whatever the idle timeout.
const BUSY_LEAST: Duration = Duration::from_millis(200);

/// A silent tree is busy if it used one part in this many of the idle timeout: an agent that hangs on
/// its provider uses a thousandth, a compiler all of it.
const BUSY_PART: u32 = 50;

/// Makes the report on an attempt that was not observed.
pub(super) fn unseen(ending: Ending, stopped: Option<StopReason>) -> Ended {
    Ended {
        outcome: Outcome { ending, stopped, left_behind: 0, wall_ms: 0 },
        reading: Reading::default(),
        completion: CompletionFact::Missing,
        stdout_bytes: 0,
        stderr_bytes: 0,
    }
}

/// Runs one attempt and answers for it.
pub(super) async fn run(job: AttemptJob, duty: Duty, orders: channel::Receiver<Order>) {
    let AttemptJob { key, run, command, folder, completion, accept, output_limit, mut reader, .. } = job;
    let limits = Limits {
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
    let limit = output_limit.unwrap_or(OUTPUT_LIMIT);
    let setting = Setting { key: &key, command: &command, limits, limit, mark: &mark };
    let ended = match begin(&setting, &folder, reader.wants_lines(), &orders).await {
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
    duty.answer(Report::Ended { key, ended: Box::new(ended) });
}

/// What stays the same for a whole attempt.
struct Setting<'a> {
    key: &'a AttemptKey,
    command: &'a CommandSpec,
    limits: Limits,
    limit: u64,
    mark: &'a str,
}

/// The two files of output.
struct Logs {
    stdout: Log,
    stderr: Log,
}

/// Makes the files and starts the process; or says how it ended before it began, and why if that was
/// asked for.
async fn begin(
    setting: &Setting<'_>,
    folder: &Path,
    wants_lines: bool,
    orders: &channel::Receiver<Order>,
) -> Result<(Leader, Tree, Logs), (Ending, Option<StopReason>)> {
    let order = orders.borrow().clone();
    let reason = match order {
        Order::Go => None,
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
            let path = folder.join(name);
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

/// What becomes of the output.
struct Output<'a> {
    logs: Logs,
    reader: &'a mut dyn OutputReader,
    stdout_lines: LineCutter,
    stderr_lines: LineCutter,
    doing: Option<String>,
    hopeless: Option<String>,
    /// Bytes that were read, also those that found no room on disk.
    taken: u64,
}

impl<'a> Output<'a> {
    fn new(logs: Logs, reader: &'a mut dyn OutputReader) -> Self {
        Self {
            logs,
            reader,
            stdout_lines: LineCutter::default(),
            stderr_lines: LineCutter::default(),
            doing: None,
            hopeless: None,
            taken: 0,
        }
    }

    /// Takes in what was read of one stream: file first, lines after.
    fn take(&mut self, stream: Stream, bytes: &[u8], limit: u64) {
        self.taken += bytes.len() as u64;
        let room = limit.saturating_sub(self.logs.stdout.written() + self.logs.stderr.written());
        let (log, lines) = match stream {
            Stream::Stdout => (&mut self.logs.stdout, &mut self.stdout_lines),
            Stream::Stderr => (&mut self.logs.stderr, &mut self.stderr_lines),
        };
        log.append(bytes, room);
        let (reader, doing, hopeless) = (&mut *self.reader, &mut self.doing, &mut self.hopeless);
        lines.feed(bytes, |line| match reader.line(stream, line) {
            Some(LineNews::Doing(text)) => *doing = Some(text),
            Some(LineNews::Hopeless(seen)) => *hopeless = Some(seen),
            None => {}
        });
    }

    /// Hands over what has no line ending. News after the end is no news.
    fn finish(&mut self) {
        let reader = &mut *self.reader;
        self.stdout_lines.finish(|line| drop(reader.line(Stream::Stdout, line)));
        self.stderr_lines.finish(|line| drop(reader.line(Stream::Stderr, line)));
    }

    fn on_disk(&self) -> u64 {
        self.logs.stdout.length() + self.logs.stderr.length()
    }
}

/// The pipes of a process whose output passes through us.
#[derive(Default)]
struct Pipes {
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    stdout_buffer: Vec<u8>,
    stderr_buffer: Vec<u8>,
}

/// What ended a wait.
enum Happened {
    Ended(std::io::Result<ExitStatus>),
    Read(Stream, std::io::Result<usize>),
    Ordered,
    Touched,
    Woken,
}

/// A running attempt.
struct Attempt<'a> {
    shared: &'a Shared,
    setting: &'a Setting<'a>,
    tree: Tree,
    leader: Leader,
    output: Output<'a>,
    judge: Option<Judge>,
    orders: channel::Receiver<Order>,
    dog: Watchdog,
    begun: Instant,
    /// Whether the output passes through us.
    piped: bool,
    next_look: Instant,
    looks: u32,
    /// Bytes of output at the last look.
    seen_bytes: u64,
    /// Processor time at the last sign of life.
    busy_base: Duration,
    doing_at: Option<Instant>,
}

impl<'a> Attempt<'a> {
    fn new(
        shared: &'a Shared,
        setting: &'a Setting<'a>,
        tree: Tree,
        leader: Leader,
        output: Output<'a>,
        judge: Option<Judge>,
        orders: channel::Receiver<Order>,
    ) -> Self {
        let begun = Instant::now();
        Self {
            shared,
            setting,
            tree,
            leader,
            output,
            judge,
            orders,
            dog: Watchdog::new(setting.limits, begun),
            begun,
            piped: false,
            next_look: begun + FIRST_LOOK,
            looks: 0,
            seen_bytes: 0,
            busy_base: Duration::ZERO,
            doing_at: None,
        }
    }

    /// Sees it to its end.
    async fn observe(mut self) -> Ended {
        let mut pipes = Pipes::default();
        (pipes.stdout, pipes.stderr) = self.leader.take_pipes();
        self.piped = pipes.stdout.is_some() || pipes.stderr.is_some();
        if self.piped {
            pipes.stdout_buffer = vec![0; READ_SIZE];
            pipes.stderr_buffer = vec![0; READ_SIZE];
        }
        let ending = self.follow(&mut pipes).await;
        let wall = self.begun.elapsed();
        self.tree.leader_gone();
        self.let_group_end(&mut pipes).await;
        self.drain(&mut pipes).await;
        self.leader.end_rest();
        let left_behind = self.tree.end().await;
        self.drain(&mut pipes).await;
        drop(pipes);
        self.output.finish();
        self.cut_to_limit();
        let completion = conclude(self.judge.as_ref()).await;
        let outcome = Outcome {
            ending,
            stopped: self.dog.into_reason(),
            left_behind,
            wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
        };
        Ended {
            reading: self.output.reader.finish(&outcome),
            outcome,
            completion,
            stdout_bytes: self.output.logs.stdout.length(),
            stderr_bytes: self.output.logs.stderr.length(),
        }
    }

    /// Waits for the leader's end, doing what is due meanwhile.
    async fn follow(&mut self, pipes: &mut Pipes) -> Ending {
        let shared = self.shared;
        let mut watch: Option<Watch<'_>> = None;
        let mut timer = Box::pin(tokio::time::sleep_until(self.next_look.min(self.dog.next_wake())));
        // An order may have come before this receiver was first asked.
        self.obey();
        loop {
            let now = Instant::now();
            if self.act(now) {
                return Ending::Unknown { message: "it did not end after its kill".to_owned() };
            }
            if now >= self.next_look {
                self.look(now);
                if let (None, Some(judge), 1) = (&watch, &self.judge, self.looks) {
                    watch = shared.watcher.watch(judge.path());
                    self.look_at_completion(true, now);
                }
            }
            set(&mut timer, self.next_look.min(self.dog.next_wake()));
            let happened = tokio::select! {
                status = self.leader.wait() => Happened::Ended(status),
                read = read_some(pipes.stdout.as_mut(), &mut pipes.stdout_buffer) => {
                    Happened::Read(Stream::Stdout, read)
                }
                read = read_some(pipes.stderr.as_mut(), &mut pipes.stderr_buffer) => {
                    Happened::Read(Stream::Stderr, read)
                }
                Ok(()) = self.orders.changed() => Happened::Ordered,
                () = touched(watch.as_ref()) => Happened::Touched,
                () = &mut timer => Happened::Woken,
            };
            match happened {
                Happened::Ended(Ok(status)) => return platform::ending(status),
                Happened::Ended(Err(error)) => return Ending::Unknown { message: error.to_string() },
                Happened::Read(Stream::Stdout, read) => match read {
                    Ok(length) if length > 0 => {
                        self.heard(Stream::Stdout, &pipes.stdout_buffer[..length]);
                    }
                    Ok(_) | Err(_) => pipes.stdout = None,
                },
                Happened::Read(Stream::Stderr, read) => match read {
                    Ok(length) if length > 0 => {
                        self.heard(Stream::Stderr, &pipes.stderr_buffer[..length]);
                    }
                    Ok(_) | Err(_) => pipes.stderr = None,
                },
                Happened::Ordered => self.obey(),
                Happened::Touched => self.look_at_completion(true, Instant::now()),
                Happened::Woken => {}
            }
        }
    }

    /// Does what the watchdog says. Answers whether waiting has no sense any more.
    fn act(&mut self, now: Instant) -> bool {
        match self.dog.due(now) {
            Due::Nothing => {}
            Due::IdleCheck if self.is_busy(now) => self.dog.active(now),
            Due::IdleCheck => self.stop(StopReason::Idle, now),
            Due::Stop(reason) => self.stop(reason, now),
            Due::Kill => self.kill(StopReason::Requested, now),
            Due::GiveUp => return true,
        }
        false
    }

    fn obey(&mut self) {
        let order = self.orders.borrow_and_update().clone();
        match order {
            Order::Go => {}
            Order::Stop(reason) => self.stop(reason, Instant::now()),
            Order::Kill => self.kill(StopReason::Requested, Instant::now()),
        }
    }

    fn stop(&mut self, reason: StopReason, now: Instant) {
        if self.dog.stop(reason, now) {
            // What is below it is remembered first: it may leave the tree when the leader goes.
            self.tree.sample();
            self.leader.ask(self.setting.command.stop_signal);
        }
    }

    fn kill(&mut self, reason: StopReason, now: Instant) {
        if self.dog.kill(reason, now) {
            self.tree.kill();
            self.leader.kill();
        }
    }

    /// Takes in output that passes through us.
    fn heard(&mut self, stream: Stream, bytes: &[u8]) {
        let now = Instant::now();
        self.dog.active(now);
        self.output.take(stream, bytes, self.setting.limit);
        self.tell(now);
        if let Some(seen) = self.output.hopeless.take() {
            self.stop(StopReason::Hopeless { seen }, now);
        }
        if self.output.taken > self.setting.limit {
            self.stop(self.over_limit(), now);
        }
        let failure = self.output.logs.stdout.failure().or_else(|| self.output.logs.stderr.failure());
        if let Some(seen) = failure {
            self.stop(StopReason::OverLimit { seen }, now);
        }
    }

    /// Says what it is doing, if the last word was a while ago.
    fn tell(&mut self, now: Instant) {
        if self.doing_at.is_some_and(|at| now < at + DOING_PAUSE) {
            return;
        }
        if let Some(text) = self.output.doing.take() {
            self.doing_at = Some(now);
            self.shared.report(Report::Doing { key: self.setting.key.clone(), text });
        }
    }

    fn over_limit(&self) -> StopReason {
        StopReason::OverLimit { seen: format!("more than {} bytes of output", self.setting.limit) }
    }

    /// Looks at everything that nobody tells us of.
    fn look(&mut self, now: Instant) {
        self.looks += 1;
        self.next_look = now + LOOK;
        self.tell(now);
        self.look_at_completion(false, now);
        let grown = self.look_at_files(now);
        // The first look comes early; nothing has had the time to leave the tree by then.
        if self.looks > 1
            && let Some(used) = self.tree.sample()
            && grown
        {
            self.busy_base = used;
        }
    }

    fn look_at_completion(&mut self, touched: bool, now: Instant) {
        if let Some(judge) = &mut self.judge {
            let valid = judge.look(touched);
            self.dog.completed(valid, now);
        }
    }

    /// Sees whether output has come since the last look, and how much.
    fn look_at_files(&mut self, now: Instant) -> bool {
        let bytes = if self.piped { self.output.taken } else { self.output.on_disk() };
        let growth = bytes.saturating_sub(self.seen_bytes);
        self.seen_bytes = bytes;
        if growth > 0 && !self.piped {
            self.dog.active(now);
            if bytes > self.setting.limit {
                // It writes by itself, so waiting would let it write on.
                self.kill(self.over_limit(), now);
            } else if growth > (self.setting.limit - bytes) / 8 {
                self.next_look = now + CLOSE_LOOK;
            }
        }
        growth > 0
    }

    /// Whether something happens although nothing is said.
    fn is_busy(&mut self, now: Instant) -> bool {
        if self.look_at_files(now) && !self.piped {
            return true;
        }
        let Some(used) = self.tree.sample() else {
            return false;
        };
        let enough = BUSY_LEAST.max(self.setting.limits.idle / BUSY_PART);
        let busy = used.saturating_sub(self.busy_base) > enough;
        self.busy_base = used;
        busy
    }

    /// After a stop, the leader's group may end by itself while the grace period lasts: a leader is often only a
    /// wrapper of the program that has something to save.
    async fn let_group_end(&mut self, pipes: &mut Pipes) {
        while let Some(until) = self.dog.grace_left() {
            if Instant::now() >= until || !self.tree.group_lives() {
                return;
            }
            self.drain(pipes).await;
            tokio::select! {
                Ok(()) = self.orders.changed() => self.obey(),
                () = tokio::time::sleep(GROUP_PAUSE) => {}
            }
        }
    }

    /// Takes what is in the pipes, without waiting for strays that hold them open.
    async fn drain(&mut self, pipes: &mut Pipes) {
        let (output, limit) = (&mut self.output, self.setting.limit);
        if let Some(stdout) = &mut pipes.stdout {
            platform::drain(stdout, |bytes| output.take(Stream::Stdout, bytes, limit)).await;
        }
        if let Some(stderr) = &mut pipes.stderr {
            platform::drain(stderr, |bytes| output.take(Stream::Stderr, bytes, limit)).await;
        }
    }

    /// Holds the promise about the disk where the process wrote by itself.
    fn cut_to_limit(&self) {
        let (limit, logs) = (self.setting.limit, &self.output.logs);
        if !self.piped && self.output.on_disk() > limit {
            let stderr = logs.stderr.length().min(limit / 2);
            let stdout = logs.stdout.length().min(limit - stderr);
            logs.stdout.cut(stdout);
            logs.stderr.cut(logs.stderr.length().min(limit - stdout));
        }
    }
}

/// Judges the completion for good, and moves away what is none.
async fn conclude(judge: Option<&Judge>) -> CompletionFact {
    let Some(judge) = judge else {
        return CompletionFact::Missing;
    };
    let mut fact = judge.judge();
    if matches!(fact, CompletionFact::Invalid { .. }) {
        tokio::time::sleep(SETTLE).await;
        fact = judge.judge();
    }
    if matches!(fact, CompletionFact::Invalid { .. }) {
        judge.reject();
    }
    fact
}

/// Reads what is there; never ends without a pipe.
async fn read_some<R: AsyncRead + Unpin>(pipe: Option<&mut R>, buffer: &mut [u8]) -> std::io::Result<usize> {
    match pipe {
        Some(pipe) => pipe.read(buffer).await,
        None => std::future::pending().await,
    }
}

/// Waits for the watch; never ends without one.
async fn touched(watch: Option<&Watch<'_>>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// Makes a timer end at `at` at the latest. One that ends early is no harm and, since signs of life
/// put deadlines off all the time, cheaper.
fn set(timer: &mut Pin<Box<Sleep>>, at: Instant) {
    if timer.is_elapsed() || timer.deadline() > at {
        timer.as_mut().reset(at);
    }
}
