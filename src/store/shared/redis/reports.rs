//! Looks for agents' reports in the server, on a thread and a connection of its own.
//!
//! Once a second it reads the report of every attempt under way in one round trip, and those of attempts that
//! begin or have ended at once. What is read of a key is bounded, since an agent may put there what it
//! likes: that is why it is `GETRANGE` and not `MGET`.
//!
//! - The run never waits for this thread. While the server does not answer there are no reports, and a
//!   last look is refused at once; that the server is gone is the writer's to tell.
//! - Nothing is read before something is watched, and no key before what an earlier attempt left there was
//!   taken away.
//! - What a text means is not known here.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::model::ids::{AttemptKey, RunId};
use crate::schema::MAX_REPORT_BYTES;
use crate::store::StoreError;

use super::address::Address;
use super::backoff;
use super::scripts::{Call, Script};
use super::state::RedisState;
use super::trouble::Trouble;
use super::writer::trouble_of;

/// How often is looked.
const EVERY: Duration = Duration::from_secs(1);
/// How long a try to reach the server may take.
const RECONNECT: Duration = Duration::from_secs(2);

/// What is called when something was found. It must not wait.
pub type ReportWake = Arc<dyn Fn() + Send + Sync>;

/// What was found under the report key of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedReport {
    /// Which attempt.
    pub key: AttemptKey,
    /// The text, cut above [`MAX_REPORT_BYTES`]; none: nothing new.
    pub text: Option<Vec<u8>>,
    /// Whether this is the last look, that was asked for.
    pub last: bool,
}

#[derive(Debug, Clone)]
struct Watched {
    key: String,
    /// What is there has to be taken away first.
    clear: bool,
    /// The next look is the last one.
    last: bool,
    seen: Vec<u8>,
}

impl Watched {
    const fn is_urgent(&self) -> bool {
        self.clear || self.last
    }
}

#[derive(Default)]
struct Shared {
    watched: BTreeMap<AttemptKey, Watched>,
    found: Vec<SharedReport>,
    /// The last try failed.
    down: bool,
    stopped: bool,
    wake: Option<ReportWake>,
}

/// What the run and the thread share.
#[derive(Default)]
pub(super) struct Reports {
    shared: Mutex<Shared>,
    changed: Condvar,
}

impl std::fmt::Debug for Reports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reports").field("watched", &self.lock().watched).finish_non_exhaustive()
    }
}

impl Reports {
    /// Starts the thread. It ends with [`Reports::stop`].
    pub(super) fn begin(
        address: Address,
        ttl: Duration,
        run: RunId,
        seed: u64,
    ) -> Result<Arc<Self>, StoreError> {
        let reports = Arc::new(Self::default());
        let shown = address.to_string();
        let reader = Reader {
            reports: Arc::clone(&reports),
            open: Box::new(move || RedisState::open(address.clone(), ttl, RECONNECT).map_err(trouble_of)),
            run,
            state: None,
            failures: 0,
            random: fastrand::Rng::with_seed(seed),
        };
        std::thread::Builder::new().name("redis-reports".to_owned()).spawn(move || reader.work()).map_err(
            |error| StoreError::Redis {
                address: shown,
                trouble: Trouble::Other(format!("cannot start a thread: {error}")),
            },
        )?;
        Ok(reports)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // What is behind it is plain data: a panic elsewhere leaves it whole.
        self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn on_found(&self, wake: ReportWake) {
        self.lock().wake = Some(wake);
    }

    /// Begins to watch the report under `name` for attempt `key`; with `clear`, what is there is taken away.
    pub(super) fn watch(&self, key: AttemptKey, name: String, clear: bool) {
        self.lock().watched.insert(key, Watched { key: name, clear, last: false, seen: Vec::new() });
        self.changed.notify_all();
    }

    /// Asks for a last look, whose answer is among what was found. False: there will be none.
    pub(super) fn last(&self, key: &AttemptKey) -> bool {
        let mut shared = self.lock();
        if shared.down || shared.stopped {
            shared.watched.remove(key);
            return false;
        }
        let Some(watched) = shared.watched.get_mut(key) else { return false };
        watched.last = true;
        drop(shared);
        self.changed.notify_all();
        true
    }

    /// Waits no longer for a last look: the server counts as gone until it answers again.
    pub(super) fn give_up(&self, key: &AttemptKey) {
        let mut shared = self.lock();
        if shared.watched.remove(key).is_some() {
            shared.down = true;
        }
    }

    pub(super) fn found(&self) -> Vec<SharedReport> {
        std::mem::take(&mut self.lock().found)
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// What to look at next; none: it is over. Waits until something is watched, and then a second, or
    /// until somebody waits for the answer; after a failure as long as `pause` says.
    fn next(&self, pause: Option<Duration>) -> Option<BTreeMap<AttemptKey, Watched>> {
        let poisoned = |error: std::sync::PoisonError<_>| std::sync::PoisonError::into_inner(error);
        let idle = |shared: &mut Shared| !shared.stopped && shared.watched.is_empty();
        let shared = self.changed.wait_while(self.lock(), idle).unwrap_or_else(poisoned);
        let calm = |shared: &mut Shared| {
            !shared.stopped && (pause.is_some() || !shared.watched.values().any(Watched::is_urgent))
        };
        let waited = self.changed.wait_timeout_while(shared, pause.unwrap_or(EVERY), calm);
        let shared = waited.map_or_else(|error| error.into_inner().0, |(shared, _)| shared);
        (!shared.stopped).then(|| shared.watched.clone())
    }

    /// Takes in what was read in a round: for each attempt its text, as far as it is new.
    fn take(&self, round: BTreeMap<AttemptKey, Watched>, mut texts: BTreeMap<AttemptKey, Vec<u8>>) {
        let mut shared = self.lock();
        shared.down = false;
        let before = shared.found.len();
        for (key, asked) in round {
            let text = texts.remove(&key);
            let Some(watched) = shared.watched.get_mut(&key) else { continue };
            watched.clear = false;
            if let Some(text) = &text {
                watched.seen.clone_from(text);
            }
            if asked.last {
                shared.watched.remove(&key);
            }
            if asked.last || text.is_some() {
                shared.found.push(SharedReport { key, text, last: asked.last });
            }
        }
        Self::tell(shared, before);
    }

    /// Takes in that a round failed: whoever waits for a last look waits in vain.
    fn fail(&self) {
        let mut shared = self.lock();
        shared.down = true;
        let before = shared.found.len();
        let (last, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut shared.watched).into_iter().partition(|(_, watched)| watched.last);
        shared.watched = others;
        shared.found.extend(last.into_keys().map(|key| SharedReport { key, text: None, last: true }));
        Self::tell(shared, before);
    }

    fn tell(shared: MutexGuard<'_, Shared>, before: usize) {
        let wake = (shared.found.len() > before).then(|| shared.wake.clone()).flatten();
        drop(shared);
        if let Some(wake) = wake {
            wake();
        }
    }
}

/// The thread's own things.
struct Reader {
    reports: Arc<Reports>,
    open: Box<dyn Fn() -> Result<RedisState, Trouble> + Send>,
    run: RunId,
    state: Option<RedisState>,
    failures: u32,
    random: fastrand::Rng,
}

impl Reader {
    fn work(mut self) {
        loop {
            let pause = (self.failures > 0).then(|| backoff::delay(self.failures, self.random.u64(..)));
            let Some(round) = self.reports.next(pause) else { return };
            match self.look(&round) {
                Ok(texts) => {
                    self.failures = 0;
                    self.reports.take(round, texts);
                }
                Err(trouble) => {
                    if self.failures == 0 && trouble.passes() {
                        tracing::debug!(%trouble, "no reports from Redis");
                    } else if self.failures == 0 {
                        tracing::warn!(%trouble, "agents' reports in Redis are not seen");
                    }
                    self.failures = self.failures.saturating_add(1);
                    self.reports.fail();
                }
            }
        }
    }

    /// The texts that are new since the last look.
    fn look(
        &mut self,
        round: &BTreeMap<AttemptKey, Watched>,
    ) -> Result<BTreeMap<AttemptKey, Vec<u8>>, Trouble> {
        if round.is_empty() {
            return Ok(BTreeMap::new());
        }
        // After a fault the connection is not used any more: it may owe an answer.
        let state = match self.state.take() {
            Some(state) => state,
            None => (self.open)()?,
        };
        let clear: Vec<(&AttemptKey, &Watched)> = round.iter().filter(|(_, watched)| watched.clear).collect();
        if !clear.is_empty() {
            let keys = clear.iter().map(|(_, watched)| watched.key.clone()).collect();
            let mut arguments = vec![self.run.as_str().to_owned(), MAX_REPORT_BYTES.to_string()];
            arguments.extend(clear.iter().map(|(key, _)| key.attempt.to_string()));
            drop(state.run(&[Call { script: Script::Clear, keys, arguments }])?);
        }
        let names: Vec<&str> = round.values().map(|watched| watched.key.as_str()).collect();
        let texts = state.beginnings(&names, MAX_REPORT_BYTES + 1)?;
        let new: BTreeMap<AttemptKey, Vec<u8>> = round
            .iter()
            .zip(texts)
            .filter(|((_, watched), text)| !text.is_empty() && *text != watched.seen)
            .map(|((key, _), text)| (key.clone(), text))
            .collect();
        // An agent that only knows `SET` says nothing of when its report is to go.
        let new_names: Vec<&str> = new.keys().map(|key| round[key].key.as_str()).collect();
        state.let_go(&new_names)?;
        self.state = Some(state);
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TaskId;

    fn key(attempt: u32) -> AttemptKey {
        AttemptKey::new(TaskId::new("T1"), attempt)
    }

    fn texts(texts: &[(u32, &str)]) -> BTreeMap<AttemptKey, Vec<u8>> {
        texts.iter().map(|(attempt, text)| (key(*attempt), text.as_bytes().to_vec())).collect()
    }

    fn report(attempt: u32, text: Option<&str>, last: bool) -> SharedReport {
        SharedReport { key: key(attempt), text: text.map(|text| text.as_bytes().to_vec()), last }
    }

    #[test]
    fn a_last_look_is_answered_once_whatever_happens() {
        let reports = Reports::default();
        assert!(!reports.last(&key(1)), "nothing is watched");
        reports.watch(key(1), "r1".to_owned(), true);
        reports.watch(key(2), "r2".to_owned(), false);
        let round = reports.next(None).unwrap();
        assert!(round[&key(1)].clear && !round[&key(2)].clear);
        // It is asked for while a look is under way: that one is not the last.
        assert!(reports.last(&key(2)));
        reports.take(round, texts(&[(2, "half")]));
        assert_eq!(reports.found(), [report(2, Some("half"), false)]);
        let round = reports.next(None).unwrap();
        assert!(!round[&key(1)].clear);
        reports.take(round, texts(&[(2, "done")]));
        assert_eq!(reports.found(), [report(2, Some("done"), true)]);
        assert!(!reports.last(&key(2)));

        // The server is gone: who waits is told, and who asks is refused.
        assert!(reports.last(&key(1)));
        reports.fail();
        assert_eq!(reports.found(), [report(1, None, true)]);
        reports.watch(key(3), "r3".to_owned(), true);
        assert!(!reports.last(&key(3)));
    }

    #[test]
    fn one_that_was_given_up_is_not_answered() {
        let reports = Reports::default();
        reports.watch(key(1), "r1".to_owned(), false);
        reports.watch(key(2), "r2".to_owned(), false);
        assert!(reports.last(&key(1)));
        let round = reports.next(None).unwrap();
        reports.give_up(&key(1));
        assert!(!reports.last(&key(2)), "it counts as gone");
        reports.take(round, texts(&[(1, "late")]));
        assert_eq!(reports.found(), []);
        reports.watch(key(3), "r3".to_owned(), false);
        assert!(reports.last(&key(3)), "it answers again");
    }

    #[test]
    fn who_waits_is_woken_only_by_news() {
        let reports = Reports::default();
        let woken = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = Arc::clone(&woken);
        reports.on_found(Arc::new(move || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }));
        reports.watch(key(1), "r1".to_owned(), true);
        for news in [&[][..], &[(1, "half")], &[]] {
            let round = reports.lock().watched.clone();
            reports.take(round, texts(news));
        }
        assert_eq!(woken.load(std::sync::atomic::Ordering::Relaxed), 1);
        reports.stop();
        assert!(reports.next(None).is_none());
    }
}
