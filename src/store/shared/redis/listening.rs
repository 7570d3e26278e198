//! Threads that wait for entries of a stream, so that nobody else has to: each with a connection of
//! its own, in slices, so that it ends soon after nobody listens any more.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::store::StoreError;

use super::address::Address;
use super::backoff;
use super::elsewhere::StreamEntry;
use super::state::RedisState;
use super::trouble::Trouble;

/// How long one look waits. Less than an answer of the server may take.
const SLICE: Duration = Duration::from_secs(1);
/// How long a try to reach the server may take.
const REACH: Duration = Duration::from_secs(2);
/// The id before all others.
const BEGINNING: &str = "0-0";

/// Where a thread begins to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    /// At the first entry, and there again whenever the stream may be another one.
    Beginning,
    /// After this id.
    After(String),
}

/// What was asked of a run through the server and was not taken yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    inner: Mutex<Letters>,
}

#[derive(Debug, Default)]
struct Letters {
    entries: Vec<StreamEntry>,
    closed: bool,
}

impl Inbox {
    /// Listens to the stream `key` until the box is closed. It is read from its first entry, and again
    /// after every interruption: whoever takes entries has to know those that were taken before.
    pub(super) fn begin(address: Address, ttl: Duration, key: String) -> Result<Arc<Self>, StoreError> {
        let inbox = Arc::new(Self::default());
        let letters = Arc::clone(&inbox);
        listen(address, ttl, key, From::Beginning, move |entries| {
            let mut inner = letters.lock();
            inner.entries.extend(entries);
            !inner.closed
        })?;
        Ok(inbox)
    }

    /// What came since.
    pub(super) fn take(&self) -> Vec<StreamEntry> {
        std::mem::take(&mut self.lock().entries)
    }

    /// Whether something came.
    pub(super) fn has_some(&self) -> bool {
        !self.lock().entries.is_empty()
    }

    /// Has the thread end.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        // What is behind it is plain data: a panic elsewhere leaves it whole.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl RedisState {
    /// Calls `tell` whenever the stream `key` has entries after number `after`, from a thread with a
    /// connection of its own, and about once a second besides; until it answers that nobody listens
    /// any more. `something_new` says which of both it is.
    ///
    /// # Errors
    /// [`StoreError::Redis`] if there can be no such thread.
    pub fn watch_stream(
        &self,
        key: String,
        after: u64,
        mut tell: impl FnMut(bool) -> bool + Send + 'static,
    ) -> Result<(), StoreError> {
        let from = From::After(format!("{after}-0"));
        listen(self.address().clone(), self.ttl(), key, from, move |entries| tell(!entries.is_empty()))
    }
}

fn listen(
    address: Address,
    ttl: Duration,
    key: String,
    from: From,
    take: impl FnMut(Vec<StreamEntry>) -> bool + Send + 'static,
) -> Result<(), StoreError> {
    let shown = address.to_string();
    let started = std::thread::Builder::new()
        .name("redis-listener".to_owned())
        .spawn(move || work(&address, ttl, &key, &from, take));
    started.map(drop).map_err(|error| StoreError::Redis {
        address: shown,
        trouble: Trouble::Other(format!("cannot start a thread: {error}")),
    })
}

fn work(
    address: &Address,
    ttl: Duration,
    key: &str,
    from: &From,
    mut take: impl FnMut(Vec<StreamEntry>) -> bool,
) {
    let beginning = match from {
        From::Beginning => BEGINNING.to_owned(),
        From::After(id) => id.clone(),
    };
    let mut after = beginning.clone();
    let mut connected = None;
    let mut failures = 0_u32;
    loop {
        let looked = match connected.take() {
            Some(state) => look(state, key, &after),
            None => RedisState::open(address.clone(), ttl, REACH).and_then(|state| {
                if *from == From::Beginning {
                    after.clone_from(&beginning);
                }
                look(state, key, &after)
            }),
        };
        // That the server is away is told by whoever writes to it, or reads.
        let Ok((state, entries, again)) = looked else {
            failures = failures.saturating_add(1);
            if !take(Vec::new()) {
                return;
            }
            std::thread::park_timeout(backoff::delay(failures, 0));
            continue;
        };
        failures = 0;
        connected = Some(state);
        if again {
            after.clone_from(&beginning);
        }
        if let Some((id, _)) = entries.last() {
            after.clone_from(id);
        }
        if !take(entries) {
            return;
        }
    }
}

/// One look: the connection again, the entries that came, and whether the stream begins anew: it was
/// lost and made again, with numbers that were given before.
fn look(
    state: RedisState,
    key: &str,
    after: &str,
) -> Result<(RedisState, Vec<StreamEntry>, bool), StoreError> {
    let entries = state.await_entries(key, after, SLICE)?;
    let again = entries.is_empty() && state.last_of(key)? < number_of(after);
    Ok((state, entries, again))
}

fn number_of(id: &str) -> u64 {
    id.split('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
