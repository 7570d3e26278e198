//! That a provider is to be left alone, for every run of the project: `provider:<name>:cooldown`.
//!
//! It is put there in the transaction that records it, unless a longer one is there. What ran out is read
//! as nothing.

use rusqlite::Connection;

use crate::masking::Masker;
use crate::model::cooldown::{Cooldown, CooldownVersion, OFF_FOR_OTHERS};
use crate::model::event::{Event, EventBody};
use crate::model::failure::FailureKind;
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;
use crate::model::view::RunView;
use crate::schema::SchemaKind;

use super::shared::embedded::Embedded;
use super::{SharedState as _, StoreError, door, keys};

/// The rests that are recorded in `events`, as they are told to others. That a month's budget is spent is
/// told by its ledger.
pub(super) fn recorded(spec: &RunSpec, view: &RunView, events: &[Event]) -> Vec<Cooldown> {
    let host = view.supervisor.as_ref().map_or_else(|| spec.host.clone(), |(host, _)| host.clone());
    let rests = events.iter().filter_map(|event| {
        let EventBody::ProviderRested { provider, until, trigger, evidence } = &event.body else {
            return None;
        };
        if *trigger == FailureKind::BudgetExhausted {
            return None;
        }
        Some(Cooldown {
            schema: CooldownVersion::default(),
            provider: provider.clone(),
            until: until.unwrap_or(event.at + OFF_FOR_OTHERS),
            off: until.is_none(),
            trigger: *trigger,
            evidence: evidence.clone(),
            run_id: spec.run_id.clone(),
            host: host.clone(),
            seen_at: event.at,
        })
    });
    rests.collect()
}

/// Puts these there, each unless what is there holds longer.
pub(super) fn put(
    connection: &Connection,
    masker: &Masker,
    prefix: &str,
    cooldowns: &[Cooldown],
    now: Timestamp,
) -> Result<(), StoreError> {
    for cooldown in cooldowns {
        let stored = read(connection, prefix, &cooldown.provider, now)?;
        if cooldown.replaces(stored.as_ref(), now) {
            let until = stored.map_or(cooldown.until, |stored| stored.until.max(cooldown.until));
            write(connection, masker, prefix, &Cooldown { until, ..cooldown.clone() })?;
        }
    }
    Ok(())
}

/// What is there at `now`.
pub(super) fn read(
    connection: &Connection,
    prefix: &str,
    provider: &str,
    now: Timestamp,
) -> Result<Option<Cooldown>, StoreError> {
    let text = Embedded::new(connection).get(&keys::cooldown(prefix, provider))?;
    let stored = text.and_then(|text| serde_json::from_str::<Cooldown>(&text).ok());
    Ok(stored.filter(|stored| stored.until > now))
}

/// The text of one, masked and held against its schema.
pub(super) fn text(masker: &Masker, cooldown: &Cooldown) -> Result<String, StoreError> {
    let what = || format!("that `{}` is left alone", cooldown.provider);
    door::document(masker, SchemaKind::Cooldown, what, cooldown)
}

/// Writes one.
pub(super) fn write(
    connection: &Connection,
    masker: &Masker,
    prefix: &str,
    cooldown: &Cooldown,
) -> Result<(), StoreError> {
    let key = keys::cooldown(prefix, &cooldown.provider);
    Embedded::new(connection).put_common(&key, &text(masker, cooldown)?, cooldown.until)
}
