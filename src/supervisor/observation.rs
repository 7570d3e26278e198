//! A running attempt, until its tree has ended and its completion is judged.
//!
//! Every wait in here also listens to orders, to the output and to the clock; the only place where a
//! decision about time is made is the [`Watchdog`].

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::sync::watch as channel;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use super::attempt::Setting;
use super::changes::{self, Place};
use super::completion::Judge;
use super::disk::Walks;
use super::idle::{self, Load, ProcessorTime};
use super::platform::{self, Leader};
use super::streams::{Output, Pipes, read_some};
use super::tree::Tree;
use super::usage::{Found, Meter, growth};
use super::watch::Watch;
use super::watchdog::{Due, Watchdog};
use super::{Ended, Life, Order, Report, Shared, free_space};
use crate::model::limits::{LimitKind, Over};
use crate::model::outcome::{CompletionFact, Ending, Outcome, StopReason};
use crate::model::reading::{Stream, Usage};
use crate::model::time::Span;

/// When an attempt is looked at for the first time. Most commands have ended by then and cost
/// neither a watch nor a look.
const FIRST_LOOK: Duration = Duration::from_millis(250);

/// How often it is looked at then: some file systems do not say what happens to a file.
const LOOK: Duration = Duration::from_secs(2);

/// How often it is looked at while output that does not pass through us grows fast.
const CLOSE_LOOK: Duration = Duration::from_millis(50);

/// Between two words on what an attempt is doing: nobody reads faster.
const DOING_PAUSE: Duration = Duration::from_millis(200);

/// Between two words on what an attempt used: whoever stops one for its money does it within a moment,
/// and a program that prints in a hurry floods nobody.
const USED_PAUSE: Duration = Duration::from_millis(250);

/// Between two looks at a group that was asked to stop and has lost its leader.
const GROUP_PAUSE: Duration = Duration::from_millis(10);

/// How long an invalid completion is given to become valid after its process has ended: a file system may
/// be late.
const SETTLE: Duration = Duration::from_millis(50);

/// What ended a wait.
enum Happened {
    Ended(std::io::Result<ExitStatus>),
    Read(Stream, std::io::Result<usize>),
    Ordered,
    Touched,
    /// The search for changed files has ended.
    Searched(Option<PathBuf>),
    Woken,
}

/// A running attempt.
pub(super) struct Attempt<'a> {
    shared: &'a Shared,
    setting: &'a Setting<'a>,
    tree: Tree,
    leader: Leader,
    output: Output<'a>,
    judge: Option<Judge>,
    /// Whether a completion has come by another way.
    completed: bool,
    orders: channel::Receiver<Order>,
    dog: Watchdog,
    begun: Instant,
    /// Whether the output passes through us.
    piped: bool,
    next_look: Instant,
    looks: u32,
    /// Bytes of output at the last look.
    seen_bytes: u64,
    /// Signs of life that come another way than by the process.
    life: Life,
    load: Load,
    /// From when on the load is counted.
    load_since: Instant,
    place: Place,
    /// The search for changed files that runs.
    search: Option<JoinHandle<Option<PathBuf>>>,
    /// How many searches in a row found the only sign of life.
    changes: u32,
    doing_at: Option<Instant>,
    /// What somebody was told that it used.
    used: Usage,
    /// From when on somebody may be told of more.
    used_next: Instant,
    /// Whether more was used than was told.
    used_more: bool,
    meter: Meter,
    /// None: its files may grow as they like.
    walks: Option<Walks>,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        setting: &'a Setting<'a>,
        tree: Tree,
        leader: Leader,
        output: Output<'a>,
        judge: Option<Judge>,
        orders: channel::Receiver<Order>,
    ) -> Self {
        let begun = Instant::now();
        let place = Place::take(&shared.workers, &setting.command.directory);
        Self {
            shared,
            setting,
            tree,
            leader,
            output,
            judge,
            completed: false,
            orders,
            dog: Watchdog::new(setting.limits, begun),
            begun,
            piped: false,
            next_look: begun + FIRST_LOOK,
            looks: 0,
            seen_bytes: 0,
            life: setting.life.clone(),
            load: Load::default(),
            load_since: begun,
            place,
            search: None,
            changes: 0,
            doing_at: None,
            used: Usage::default(),
            used_next: begun,
            used_more: false,
            meter: Meter::new(setting.uses),
            walks: setting.uses.disk.map(|_| Walks::begin(setting.places.clone(), begun)),
        }
    }

    /// Sees it to its end.
    pub(super) async fn observe(mut self) -> Ended {
        let mut pipes = Pipes::of(&mut self.leader);
        self.piped = pipes.stdout.is_some() || pipes.stderr.is_some();
        let ending = self.follow(&mut pipes).await;
        let wall = self.begun.elapsed();
        self.tree.leader_gone();
        self.let_group_end(&mut pipes).await;
        pipes.drain(&mut self.output, self.setting.limit).await;
        self.leader.end_rest();
        let left_behind = self.tree.end().await;
        pipes.drain(&mut self.output, self.setting.limit).await;
        drop(pipes);
        if !self.piped {
            self.output.cut_to(self.setting.limit);
            self.output.take_last_lines();
        }
        self.output.finish();
        self.see_used();
        self.tell_used();
        let completion = conclude(self.judge.as_ref()).await;
        let outcome = Outcome {
            ending,
            stopped: self.dog.into_reason(),
            left_behind,
            wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            peaks: self.meter.peaks(),
        };
        self.shared.floor.forget(self.setting.mark);
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
        let mut timer = Box::pin(tokio::time::sleep_until(self.next_wake()));
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
            if self.used_more && now >= self.used_next {
                self.tell_used();
                self.used_next = now + USED_PAUSE;
            }
            set(&mut timer, self.next_wake());
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
                found = searched(&mut self.search) => Happened::Searched(found),
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
                Happened::Searched(found) => self.judge_changes(found.as_deref(), Instant::now()),
                Happened::Woken => {}
            }
        }
    }

    /// When something is to be done at the latest.
    fn next_wake(&self) -> Instant {
        let due = self.next_look.min(self.dog.next_wake());
        if self.used_more { due.min(self.used_next) } else { due }
    }

    /// Does what the watchdog says. Answers whether waiting has no sense any more.
    fn act(&mut self, now: Instant) -> bool {
        match self.dog.due(now) {
            Due::Nothing => {}
            Due::IdleCheck => self.look_at_silence(now),
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
            Order::Completed => {
                self.completed = true;
                self.look_at_completion(false, Instant::now());
            }
            // One that is asked to stop may go on asking its model until its grace is over.
            Order::Stop(reason @ StopReason::OverBudget { .. }) => self.kill(reason, Instant::now()),
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
        self.active(now);
        self.output.take(stream, bytes, self.setting.limit);
        self.tell(now);
        self.see_used();
        self.give_up_if_hopeless(now);
        if self.output.taken > self.setting.limit {
            self.stop(self.over_output(self.output.taken), now);
        }
        let failure = self.output.failure();
        if let Some(seen) = failure {
            self.stop(StopReason::OverLimit { seen }, now);
        }
    }

    fn give_up_if_hopeless(&mut self, now: Instant) {
        if let Some(seen) = self.output.hopeless.take() {
            self.stop(StopReason::Hopeless { seen }, now);
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

    /// Sees whether more was used than was told.
    fn see_used(&mut self) {
        self.used_more = self.output.reader.usage() != self.used;
    }

    /// Says what was used, if that is more than was told.
    fn tell_used(&mut self) {
        if std::mem::take(&mut self.used_more) {
            self.used = self.output.reader.usage();
            self.shared.report(Report::Used { key: self.setting.key.clone(), usage: self.used.clone() });
        }
    }

    fn over_output(&self, figure: u64) -> StopReason {
        over(Over { kind: LimitKind::Output, figure, allowed: self.setting.limit })
    }

    /// Looks at everything that nobody tells us of.
    fn look(&mut self, now: Instant) {
        self.looks += 1;
        self.next_look = now + LOOK;
        self.tell(now);
        self.look_at_completion(false, now);
        let grown = self.look_at_files(now);
        if self.piped && !grown {
            self.output.show_unfinished();
            self.give_up_if_hopeless(now);
        }
        // The first look comes early; nothing has had the time to leave the tree by then.
        if (self.looks > 1 || self.meter.is_limited())
            && let Some(used) = self.look_at_usage(now)
        {
            self.load.add(used);
            if grown {
                self.forget_load(now);
            }
        }
    }

    /// Looks at what its tree uses, and ends it where that is too much. Answers with its processor time.
    fn look_at_usage(&mut self, now: Instant) -> Option<ProcessorTime> {
        let usage = self.tree.measure(self.meter.wants_written());
        let exact = || self.tree.exact_memory();
        let of_tree = usage.map_or(Found::Nothing, |usage| self.meter.take(&usage, exact));
        let of_disk = self.look_at_disk(now);
        for found in [of_tree, of_disk] {
            match found {
                Found::Nothing => {}
                Found::Closer => self.next_look = self.next_look.min(now + CLOSE_LOOK),
                Found::Stop(seen) => {
                    self.stop(over(seen), now);
                    self.next_look = now + CLOSE_LOOK;
                }
                Found::Kill(seen) => {
                    self.kill(over(seen), now);
                    self.next_look = now + CLOSE_LOOK;
                }
            }
        }
        usage.map(|usage| usage.processor)
    }

    fn look_at_disk(&mut self, now: Instant) -> Found {
        let mut found = Found::Nothing;
        if let Some((base, last)) = self.walks.as_mut().and_then(|walks| walks.step(now)) {
            found = self.meter.disk(growth(base, last, self.meter.written()));
        }
        if let Some(walks) = &self.walks {
            self.next_look = self.next_look.min(walks.next_step(now));
        }
        if self.setting.uses.disk_free.is_some() {
            let places = &self.setting.places;
            let folders = places.own.iter().chain(&places.shared);
            if let Some(free) = folders.filter_map(|folder| free_space(folder)).min() {
                let wrote_most = self.shared.floor.wrote_most(self.setting.mark, self.meter.written());
                found = found.or(self.meter.disk_free(free, wrote_most));
            }
        }
        found
    }

    fn look_at_completion(&mut self, touched: bool, now: Instant) {
        if let Some(judge) = &mut self.judge {
            let valid = judge.look(touched) || self.completed;
            self.dog.completed(valid, now);
        }
    }

    /// Sees whether output has come since the last look, and how much.
    fn look_at_files(&mut self, now: Instant) -> bool {
        let bytes = if self.piped { self.output.taken } else { self.output.on_disk() };
        let growth = bytes.saturating_sub(self.seen_bytes);
        self.seen_bytes = bytes;
        if growth > 0 && !self.piped {
            self.active(now);
            if bytes > self.setting.limit {
                // It writes by itself, so waiting would let it write on.
                self.kill(self.over_output(bytes), now);
            } else if growth > (self.setting.limit - bytes) / 8 {
                self.next_look = now + CLOSE_LOOK;
            }
        }
        growth > 0
    }

    /// Takes in a sign of life.
    fn active(&mut self, now: Instant) {
        self.changes = 0;
        self.dog.active(now);
    }

    fn forget_load(&mut self, now: Instant) {
        self.load.forget();
        self.load_since = now;
    }

    /// Looks for whatever may happen although nothing is said, the cheapest first, and stops it if there
    /// is nothing.
    fn look_at_silence(&mut self, now: Instant) {
        let idle = self.setting.limits.idle;
        if self.search.is_some() {
            self.dog.put_off(idle, now);
            return;
        }
        if let Some(at) = self.life.last().filter(|&at| at > self.dog.quiet_since()) {
            self.active(at);
            return;
        }
        if self.look_at_files(now) && !self.piped {
            return;
        }
        if let Some(used) = self.tree.sample() {
            self.load.add(used);
        }
        let silence = self.setting.command.silence;
        let waits = self.output.reader.waits();
        let age = now.saturating_duration_since(self.begun);
        let is_work = self.load.is_work(
            now.saturating_duration_since(self.load_since),
            idle::starting(idle, silence, waits, age),
        );
        if is_work {
            self.forget_load(now);
            self.active(now);
            return;
        }
        let quiet = now.saturating_duration_since(self.dog.quiet_since());
        let length = idle::allowed(idle, silence, waits, self.load.has_tools());
        if quiet < length {
            self.dog.put_off(length.saturating_sub(quiet).min(idle), now);
        } else if idle::changes_count(self.changes, self.place.is_alone()) {
            self.dog.put_off(idle, now);
            let setting = self.setting;
            let (own, root) = (setting.folder.to_owned(), setting.command.directory.clone());
            let ours = setting.ours.to_owned();
            self.search = Some(tokio::task::spawn_blocking(move || {
                let since = changes::time_there(&own).ok()?.checked_sub(quiet)?;
                changes::changed_since(&root, &ours, since)
            }));
        } else {
            self.stop(self.idle_reason(quiet), now);
        }
    }

    /// Says whether changed files keep it alive, after all else said that it is idle. What happened
    /// meanwhile counts more.
    fn judge_changes(&mut self, found: Option<&Path>, now: Instant) {
        self.search = None;
        let quiet = now.saturating_duration_since(self.dog.quiet_since());
        if quiet < self.setting.limits.idle {
            return;
        }
        match found {
            Some(path) => {
                tracing::debug!(key = %self.setting.key, path = %path.display(), "a file changed in its silence");
                self.dog.active(now);
                self.changes += 1;
            }
            None => self.stop(self.idle_reason(quiet), now),
        }
    }

    /// Why one that was silent for `quiet` is stopped, with what can be seen of the cause.
    fn idle_reason(&self, quiet: Duration) -> StopReason {
        let length = Span::seconds(quiet.as_secs());
        if let Some(wait) = self.tree.terminal_wait() {
            let seen = format!("nothing happened for {length}, and {wait}, where nobody is to answer");
            return StopReason::Hopeless { seen };
        }
        let idle = self.setting.limits.idle;
        if quiet >= idle.saturating_mul(2).min(idle.saturating_add(idle::MARGIN)) {
            return StopReason::Hopeless { seen: format!("nothing happened for {length}") };
        }
        StopReason::Idle
    }

    /// After a stop, the leader's group may end by itself while the grace period lasts: a leader is
    /// often only a wrapper of the program that has something to save.
    async fn let_group_end(&mut self, pipes: &mut Pipes) {
        while let Some(until) = self.dog.grace_left() {
            let now = Instant::now();
            if now >= until || !self.tree.group_lives() {
                return;
            }
            // What it was stopped for, it may go on with.
            if now >= self.next_look && self.meter.is_limited() {
                self.next_look = now + LOOK;
                self.look_at_usage(now);
            }
            pipes.drain(&mut self.output, self.setting.limit).await;
            tokio::select! {
                Ok(()) = self.orders.changed() => self.obey(),
                () = tokio::time::sleep(GROUP_PAUSE) => {}
            }
        }
    }
}

fn over(seen: Over) -> StopReason {
    StopReason::OverLimit { seen: seen.to_string() }
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

/// Waits for the watch; never ends without one.
async fn touched(watch: Option<&Watch<'_>>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// Waits for a search to end; never ends without one. A search that broke found nothing.
async fn searched(search: &mut Option<JoinHandle<Option<PathBuf>>>) -> Option<PathBuf> {
    match search {
        Some(search) => search.await.unwrap_or_default(),
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
