//! Rights of single attempts: a user in the server for each, which reads the project's keys and
//! writes its own report, and nothing else.
//!
//! ```text
//! an attempt starts ──▶ grant ──ACL SETUSER──▶ its address, for its environment alone
//! it ends           ──▶ revoke ──ACL DELUSER─▶ gone, its connections with it
//! a run is taken    ──▶ users that dead runs of the project left are gone
//! ```
//!
//! - A password lives in the memory of this process and in the environment of its attempt. The server
//!   is told its hash.
//! - An attempt waits for its user for a moment at most, and starts without one where the server does
//!   not answer or does not let us; somebody is told, and no agent ever gets the run's own address.
//! - What is no fact of the server's, such as a password that lies in the checkout, others look for.

mod keeper;
mod rules;
mod survey;

use std::collections::BTreeMap;
use std::fmt;

use crate::model::ids::AttemptKey;
use crate::model::run::RunSpec;
use crate::store::keys;

use super::address::Address;
use super::trouble::Trouble;
use keeper::Keeper;

pub use survey::Doubt;

pub(super) use survey::Survey;

/// What an attempt is given to write its report with.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    /// The address with the attempt's own user and password.
    pub url: String,
    /// What the keys of the project begin with, as they are written.
    pub prefix: String,
}

impl fmt::Debug for Grant {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// The rights of one run's attempts.
#[derive(Debug)]
pub(super) struct Rights {
    address: Address,
    /// Why they are no more than advice, seen from the server.
    doubts: Vec<Doubt>,
    /// None: no users can be made.
    keeper: Option<Keeper>,
    users: BTreeMap<AttemptKey, String>,
}

impl Rights {
    /// Gets ready to make users, where the survey says that this can be.
    pub(super) fn begin(address: Address, mut doubts: Vec<Doubt>) -> Self {
        let unmanaged = doubts.iter().any(|doubt| matches!(doubt, Doubt::Unmanaged(_)));
        let keeper = if unmanaged {
            None
        } else {
            Keeper::begin(address.clone()).map_err(|trouble| doubts.push(Doubt::Unmanaged(trouble))).ok()
        };
        Self { address, doubts, keeper, users: BTreeMap::new() }
    }

    /// Why they are no more than advice.
    pub(super) fn doubts(&self) -> &[Doubt] {
        &self.doubts
    }

    /// Makes the user of an attempt; none: there are no users here, which the doubts say.
    pub(super) fn grant(&mut self, spec: &RunSpec, key: &AttemptKey) -> Option<Result<Grant, Trouble>> {
        let keeper = self.keeper.as_ref()?;
        let database = self.address.database;
        let user = rules::user_name(database, spec, key);
        let Some(password) = rules::password() else {
            return Some(Err(Trouble::Other("the system has no randomness for a password".to_owned())));
        };
        let report = keys::report(spec, &key.task);
        let rules = rules::rules(database, &spec.prefix, &report, Some(&password));
        Some(keeper.make(&user, rules).map(|()| {
            let address =
                Address { user: Some(user.clone()), password: Some(password), ..self.address.clone() };
            self.users.insert(key.clone(), user);
            Grant { url: address.url(), prefix: keys::coded(&spec.prefix) }
        }))
    }

    /// Removes the user of an attempt.
    pub(super) fn revoke(&mut self, key: &AttemptKey) {
        if let Some(user) = self.users.remove(key)
            && let Some(keeper) = &self.keeper
        {
            keeper.remove(&user);
        }
    }

    /// Gives all users again to a server that may have forgotten them.
    pub(super) fn renew(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.renew();
        }
    }
}

#[cfg(test)]
mod tests;
