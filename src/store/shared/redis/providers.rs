//! Keeps what is known of providers the same here and in the server, on a thread and a connection of its
//! own: the ledgers of months, and who is to be left alone.
//!
//! ```text
//!  the run ──reserve, booked, rested, look──▶ thread: read there ─▶ merge into the embedded state ─▶ swap there
//!     ▲                                                                   │        ▲ somebody came between │
//!     └────────────── answers, and a word that something is new ◀─────────┘        └───────────────────────┘
//! ```
//!
//! - Every change is made here first and goes to the server as the text that takes the place of the one
//!   that was read; where somebody came between, all is done again, a few times. So nobody overwrites
//!   anybody, and what a server lost is written again from here.
//! - The entry of the run itself is changed here alone; what the server says of it counts for nothing.
//! - Money is granted when the server has it. Without the server the answer is that nobody knows, at once,
//!   and what was booked waits here until it is back.
//! - The run never waits for this thread, but at its end, a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use crate::model::account::LedgerName;
use crate::model::cooldown::Cooldown;
use crate::model::ids::AttemptKey;
use crate::model::ledger::{Ask, MonthLedger, Reservation, month_of};
use crate::model::time::Timestamp;
use crate::store::spending::{self, KEEP_LEDGER};
use crate::store::{SharedState as _, StoreError, cooldowns, database, keys};

use super::address::Address;
use super::backoff;
use super::mirror::Following;
use super::reports::ReportWake;
use super::scripts::{Call, Refused, Script};
use super::state::RedisState;
use super::trouble::Trouble;
use super::writer::trouble_of;

/// How long a try to reach the server may take.
const RECONNECT: Duration = Duration::from_secs(2);
/// How often a change is tried while others come between.
const TRIES: u32 = 12;

/// What there is to do in a round.
#[derive(Debug, Clone, Default)]
struct Round {
    /// Money that is asked for.
    asks: Vec<Ask>,
    /// Ledgers in which the entry of the run changed.
    ledgers: BTreeSet<LedgerName>,
    /// Providers to be looked at, or of which something is to be told.
    providers: BTreeSet<String>,
}

impl Round {
    fn is_empty(&self) -> bool {
        self.asks.is_empty() && self.ledgers.is_empty() && self.providers.is_empty()
    }
}

#[derive(Default)]
struct Shared {
    next: Round,
    answers: Vec<(AttemptKey, Reservation)>,
    now: Timestamp,
    /// Why the last try failed.
    down: Option<String>,
    busy: bool,
    /// It ends when nothing is left to do, or a try fails.
    ends: bool,
    stopped: bool,
    wake: Option<ReportWake>,
}

/// What the run and the thread share.
#[derive(Default)]
pub(super) struct Providers {
    shared: Mutex<Shared>,
    changed: Condvar,
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Providers").field("next", &self.lock().next).finish_non_exhaustive()
    }
}

impl Providers {
    /// Starts the thread. It ends with [`Providers::stop`].
    pub(super) fn begin(
        address: Address,
        ttl: Duration,
        seed: u64,
        following: Following,
    ) -> Result<Arc<Self>, StoreError> {
        let providers = Arc::new(Self::default());
        let shown = address.to_string();
        let keeper = Keeper {
            providers: Arc::clone(&providers),
            open: Box::new(move || RedisState::open(address.clone(), ttl, RECONNECT).map_err(trouble_of)),
            following,
            state: None,
            journal: None,
            failures: 0,
            random: fastrand::Rng::with_seed(seed),
        };
        std::thread::Builder::new().name("redis-providers".to_owned()).spawn(move || keeper.work()).map_err(
            |error| StoreError::Redis {
                address: shown,
                trouble: Trouble::Other(format!("cannot start a thread: {error}")),
            },
        )?;
        Ok(providers)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // What is behind it is plain data: a panic elsewhere leaves it whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn on_found(&self, wake: ReportWake) {
        self.lock().wake = Some(wake);
    }

    /// Asks for money. The answer is given at once where the server is not to be had, and none: it comes
    /// with [`Providers::answers`].
    pub(super) fn ask(&self, ask: Ask, now: Timestamp) -> Option<Reservation> {
        let mut shared = self.lock();
        shared.now = shared.now.max(now);
        if let Some(why) = &shared.down {
            return Some(Reservation::Unknown { why: why.clone() });
        }
        shared.next.asks.push(ask);
        drop(shared);
        self.changed.notify_all();
        None
    }

    /// The answers since the last call.
    pub(super) fn answers(&self) -> Vec<(AttemptKey, Reservation)> {
        std::mem::take(&mut self.lock().answers)
    }

    /// Has these ledgers and the rests of these providers told to the server, and looked at there.
    pub(super) fn tell(
        &self,
        ledgers: impl IntoIterator<Item = LedgerName>,
        providers: impl IntoIterator<Item = String>,
        now: Timestamp,
    ) {
        let mut shared = self.lock();
        shared.now = shared.now.max(now);
        shared.next.ledgers.extend(ledgers);
        shared.next.providers.extend(providers);
        drop(shared);
        self.changed.notify_all();
    }

    /// Has the thread end when nothing is left to do, or when a try fails. Waits for that, at most so long,
    /// and says whether the server has everything.
    pub(super) fn finish(&self, at_most: Duration) -> bool {
        let mut shared = self.lock();
        shared.ends = true;
        self.changed.notify_all();
        let unfinished = |shared: &mut Shared| !shared.stopped;
        let waited = self.changed.wait_timeout_while(shared, at_most, unfinished);
        shared = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(shared, _)| shared);
        shared.next.ledgers.is_empty() && !shared.busy
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// What to do next, and the time; none: it is over. After a failure it waits as long as `pause`.
    fn next(&self, pause: Option<Duration>) -> Option<(Round, Timestamp)> {
        let idle = |shared: &mut Shared| !shared.stopped && !shared.ends && shared.next.is_empty();
        let mut shared = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        if let Some(pause) = pause {
            let calm = |shared: &mut Shared| !shared.stopped && !shared.ends;
            let waited = self.changed.wait_timeout_while(shared, pause, calm);
            shared = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(shared, _)| shared);
        }
        if shared.stopped || (shared.ends && shared.next.is_empty()) {
            shared.stopped = true;
            drop(shared);
            self.changed.notify_all();
            return None;
        }
        shared.busy = true;
        Some((std::mem::take(&mut shared.next), shared.now))
    }

    /// Takes in what came of a round: answers, and whether something is new here.
    fn done(&self, answers: Vec<(AttemptKey, Reservation)>, news: bool) {
        let mut shared = self.lock();
        shared.busy = false;
        shared.down = None;
        let tell = news || !answers.is_empty();
        shared.answers.extend(answers);
        Self::wake(shared, tell);
    }

    /// Takes in that a round failed: who asks for money is told that nobody knows, and the rest waits.
    fn failed(&self, round: Round, trouble: &Trouble) {
        let mut shared = self.lock();
        shared.busy = false;
        let why = trouble.to_string();
        shared.down = Some(why.clone());
        let asks = std::mem::take(&mut shared.next.asks).into_iter().chain(round.asks);
        let unknown = asks.map(|ask| (ask.key, Reservation::Unknown { why: why.clone() }));
        let answers: Vec<(AttemptKey, Reservation)> = unknown.collect();
        let tell = !answers.is_empty();
        shared.answers.extend(answers);
        shared.next.ledgers.extend(round.ledgers);
        shared.next.providers.extend(round.providers);
        if shared.ends {
            shared.stopped = true;
            self.changed.notify_all();
        }
        Self::wake(shared, tell);
    }

    fn wake(shared: MutexGuard<'_, Shared>, tell: bool) {
        let wake = tell.then(|| shared.wake.clone()).flatten();
        drop(shared);
        if let Some(wake) = wake {
            wake();
        }
    }
}

/// The thread's own things.
struct Keeper {
    providers: Arc<Providers>,
    open: Box<dyn Fn() -> Result<RedisState, Trouble> + Send>,
    following: Following,
    state: Option<RedisState>,
    journal: Option<Connection>,
    failures: u32,
    random: fastrand::Rng,
}

/// What came of one round.
#[derive(Default)]
struct Came {
    answers: Vec<(AttemptKey, Reservation)>,
    news: bool,
}

impl Keeper {
    fn work(mut self) {
        loop {
            let pause = (self.failures > 0).then(|| backoff::delay(self.failures, self.random.u64(..)));
            let Some((mut round, now)) = self.providers.next(pause) else { return };
            let mut came = Came::default();
            let result = self.round(&round, now, &mut came);
            match result {
                Ok(()) => {
                    self.failures = 0;
                    self.providers.done(came.answers, came.news);
                }
                Err(trouble) => {
                    if self.failures == 0 {
                        tracing::debug!(%trouble, "what is known of providers does not reach Redis");
                    }
                    self.failures = self.failures.saturating_add(1);
                    let answered: BTreeSet<AttemptKey> =
                        came.answers.iter().map(|(key, _)| key.clone()).collect();
                    // What is reserved for nobody goes there as given back, once it can.
                    round.asks.retain(|ask| !answered.contains(&ask.key));
                    let unanswered = round.asks.iter();
                    round.ledgers.extend(unanswered.map(name_of));
                    self.give_back(&round.asks, now);
                    self.providers.lock().answers.extend(came.answers);
                    self.providers.failed(round, &trouble);
                }
            }
        }
    }

    /// Does all of a round. After a fault the connection is not used any more: it may owe an answer.
    fn round(&mut self, round: &Round, now: Timestamp, came: &mut Came) -> Result<(), Trouble> {
        let state = match self.state.take() {
            Some(state) => state,
            None => (self.open)()?,
        };
        let mut asks: BTreeMap<LedgerName, Vec<&Ask>> = BTreeMap::new();
        for name in &round.ledgers {
            asks.entry(name.clone()).or_default();
        }
        for provider in &round.providers {
            let name = LedgerName { provider: provider.clone(), month: month_of(now) };
            asks.entry(name).or_default();
        }
        for ask in &round.asks {
            asks.entry(name_of(ask)).or_default().push(ask);
        }
        for (name, asks) in asks {
            self.ledger(&state, &name, &asks, now, came)?;
        }
        for provider in &round.providers {
            self.cooldown(&state, provider, now, came)?;
        }
        self.state = Some(state);
        Ok(())
    }

    fn ledger(
        &mut self,
        state: &RedisState,
        name: &LedgerName,
        asks: &[&Ask],
        now: Timestamp,
        came: &mut Came,
    ) -> Result<(), Trouble> {
        let key = keys::spend(&self.following.spec.prefix, &name.provider, &name.month);
        let keep = u64::try_from(KEEP_LEDGER.as_millis()).unwrap_or(u64::MAX);
        for turn in 1..=TRIES {
            let old = state.get(&key).map_err(trouble_of)?;
            let there = old.as_deref().and_then(|text| serde_json::from_str::<MonthLedger>(text).ok());
            let (text, answers, news) = self.take_in(name, there.as_ref(), asks, now).map_err(trouble_of)?;
            came.news |= news;
            let Some(text) = text else {
                came.answers.extend(answers);
                return Ok(());
            };
            if self.swap(state, &key, old.as_deref(), &text, keep)? {
                came.answers.extend(answers);
                return Ok(());
            }
            self.wait_a_moment(turn);
        }
        Err(Trouble::Other(format!("others change `{key}` all the time")))
    }

    /// Takes in what the server has, and reserves what is asked for. Returns what the server is to have in
    /// its place (none: it has it), the answers, and whether something is new here.
    #[expect(clippy::type_complexity, reason = "three plain things, taken apart by its only caller")]
    fn take_in(
        &mut self,
        name: &LedgerName,
        there: Option<&MonthLedger>,
        asks: &[&Ask],
        now: Timestamp,
    ) -> Result<(Option<String>, Vec<(AttemptKey, Reservation)>, bool), StoreError> {
        let (prefix, run, masker) =
            (&self.following.spec.prefix, &self.following.spec.run_id, &self.following.masker);
        let journal = connection(&mut self.journal, &self.following)?;
        database::write(journal, |connection| {
            let mut ledger = spending::read(connection, prefix, name)?;
            let before = ledger.clone();
            let news = there.is_some_and(|there| ledger.take_in(there, run));
            let answers: Vec<(AttemptKey, Reservation)> = asks
                .iter()
                .map(|ask| {
                    let answer = ledger.reserve(run, &ask.key, ask.amount, ask.least, ask.budget);
                    (ask.key.clone(), answer)
                })
                .collect();
            if ledger.runs != before.runs {
                spending::write(connection, masker, prefix, &mut ledger, now)?;
            }
            let same = there.map_or(ledger.runs.is_empty(), |there| there.runs == ledger.runs);
            let text = if same { None } else { Some(spending::text(masker, &ledger)?) };
            Ok((text, answers, news))
        })
    }

    /// Gives back here what was reserved for attempts that are told that nobody knows.
    fn give_back(&mut self, asks: &[Ask], now: Timestamp) {
        if asks.is_empty() {
            return;
        }
        let (prefix, run, masker) =
            (&self.following.spec.prefix, &self.following.spec.run_id, &self.following.masker);
        let given = connection(&mut self.journal, &self.following).and_then(|journal| {
            database::write(journal, |connection| {
                for ask in asks {
                    let mut ledger = spending::read(connection, prefix, &name_of(ask))?;
                    if ledger.release(run, &ask.key) {
                        spending::write(connection, masker, prefix, &mut ledger, now)?;
                    }
                }
                Ok(())
            })
        });
        if let Err(error) = given {
            tracing::warn!(%error, "what was reserved for attempts that do not start counts as spent for the while");
        }
    }

    fn cooldown(
        &mut self,
        state: &RedisState,
        provider: &str,
        now: Timestamp,
        came: &mut Came,
    ) -> Result<(), Trouble> {
        let prefix = self.following.spec.prefix.clone();
        let key = keys::cooldown(&prefix, provider);
        for turn in 1..=TRIES {
            let old = state.get(&key).map_err(trouble_of)?;
            let there = old.as_deref().and_then(|text| serde_json::from_str::<Cooldown>(text).ok());
            let masker = &self.following.masker;
            let journal = connection(&mut self.journal, &self.following).map_err(trouble_of)?;
            let here = database::write(journal, |connection| {
                let here = cooldowns::read(connection, &prefix, provider, now)?;
                if let Some(there) = &there
                    && there.replaces(here.as_ref(), now)
                {
                    cooldowns::write(connection, masker, &prefix, there)?;
                    return Ok(None);
                }
                Ok(here)
            });
            let Some(here) = here.map_err(trouble_of)? else {
                came.news |= there.is_some_and(|there| there.until > now);
                return Ok(());
            };
            if !here.replaces(there.as_ref(), now) {
                return Ok(());
            }
            let text = cooldowns::text(masker, &here).map_err(trouble_of)?;
            let length = u64::try_from(here.until.since(now).as_millis()).unwrap_or(u64::MAX).max(1);
            if self.swap(state, &key, old.as_deref(), &text, length)? {
                return Ok(());
            }
            self.wait_a_moment(turn);
        }
        Err(Trouble::Other(format!("others change `{key}` all the time")))
    }

    /// Puts `text` in the place of `old`. Says whether nobody came between.
    fn swap(
        &self,
        state: &RedisState,
        key: &str,
        old: Option<&str>,
        text: &str,
        keep_ms: u64,
    ) -> Result<bool, Trouble> {
        let (spec, lease) = (&self.following.spec, &self.following.lease);
        let call = Call {
            script: Script::Swap,
            keys: vec![key.to_owned(), keys::lease(&spec.prefix, &spec.run_id)],
            arguments: vec![
                old.unwrap_or_default().to_owned(),
                text.to_owned(),
                keep_ms.to_string(),
                lease.fence.to_string(),
            ],
        };
        match state.run_one(call).map_err(trouble_of)? {
            Ok(done) => Ok(done == 1),
            Err(Refused::Stale { .. }) => Err(Trouble::Other("another supervisor has the run".to_owned())),
            Err(refused) => Err(Trouble::Other(format!("a script answered {refused:?}"))),
        }
    }

    fn wait_a_moment(&mut self, turn: u32) {
        let jitter = self.random.u64(1..=u64::from(turn) * 8);
        std::thread::park_timeout(Duration::from_millis(jitter));
    }
}

fn name_of(ask: &Ask) -> LedgerName {
    LedgerName { provider: ask.provider.clone(), month: ask.month.clone() }
}

/// The embedded state, opened by the thread for itself.
fn connection<'c>(
    journal: &'c mut Option<Connection>,
    following: &Following,
) -> Result<&'c mut Connection, StoreError> {
    if journal.is_none() {
        *journal = database::open_existing(&following.journal)?;
    }
    journal.as_mut().ok_or_else(|| StoreError::NoRun { wanted: Some(following.spec.run_id.0.clone()) })
}
