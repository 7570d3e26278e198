//! What a server says of rights: whether users can be made, who may come in without a password, and
//! which users dead runs have left.

use std::collections::BTreeMap;
use std::fmt;

use redis::{Value, cmd};

use crate::model::ids::RunId;
use crate::model::record::Lease;
use crate::model::time::Timestamp;
use crate::store::{StoreError, keys};

use super::super::scripts::text_of;
use super::super::state::RedisState;
use super::super::trouble::Trouble;
use super::keeper::set_user;
use super::rules;

/// A user that nobody can log in as: whether it can be made is what is asked.
const PROBE: &str = "orchestrate:probe";

/// Why the rights of agents in a server are no more than advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// The server lets us make no users for them.
    Unmanaged(Trouble),
    /// Its default user has no password, so everybody may do what that one may.
    Open,
    /// The run is in this other database than the first, and whoever comes in begins in that.
    First(u32),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmanaged(trouble) => {
                write!(f, "agents get no users of their own in Redis: {trouble}")
            }
            Self::Open => f.write_str("the default user of Redis has no password"),
            Self::First(database) => {
                write!(f, "agents of database {database} reach keys of the same names in database 0 too")
            }
        }
    }
}

impl Doubt {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unmanaged(_) => {
                "the user of the run needs `+acl|setuser +acl|deluser +acl|users +acl|getuser`, and a server from Redis 7 on"
            }
            Self::Open => "give it one: `requirepass`, or `ACL SETUSER default resetpass`",
            Self::First(_) => "use database 0: whoever comes in begins there, whatever its rights are",
        }
    }
}

/// What a look found.
pub(in super::super) struct Survey {
    pub(in super::super) doubts: Vec<Doubt>,
    users: Vec<String>,
}

impl Survey {
    /// Asks the server, in one round trip.
    pub(in super::super) fn take(state: &RedisState) -> Self {
        let database = state.address().database;
        let mut remove = cmd("ACL");
        remove.arg("DELUSER").arg(PROBE);
        let mut users = cmd("ACL");
        users.arg("USERS");
        let mut default = cmd("ACL");
        default.arg("GETUSER").arg("default");
        let asked = [set_user(PROBE, &rules::rules(database, "", PROBE, None)), remove, users, default];
        let answers = match state.pipeline(&asked) {
            Ok(answers) => answers,
            Err(trouble) => return Self { doubts: vec![Doubt::Unmanaged(trouble)], users: Vec::new() },
        };
        let [made, removed, users, default] = answers.try_into().unwrap_or_else(|_| {
            [const { Err(Trouble::Slow) }, Err(Trouble::Slow), Err(Trouble::Slow), Err(Trouble::Slow)]
        });
        let mut doubts = Vec::new();
        let mut names = Vec::new();
        match made.and(removed).and(users) {
            Ok(users) => names = texts(&users),
            Err(trouble) => doubts.push(Doubt::Unmanaged(trouble)),
        }
        // One that we may not look at is open if it is the one that we came in as without a password.
        let is_open = default.map_or_else(|_| state.address().password.is_none(), |user| is_open(&user));
        if is_open {
            doubts.push(Doubt::Open);
        }
        if database > 0 {
            doubts.push(Doubt::First(database));
        }
        Self { doubts, users: names }
    }

    /// Removes the users that are `run`'s own from before, and those of the project's runs that nobody
    /// supervises any more. Returns how many.
    pub(in super::super) fn clear(
        &self,
        state: &RedisState,
        prefix: &str,
        run: &RunId,
        is_alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<usize, StoreError> {
        let database = state.address().database;
        let mut users_of: BTreeMap<RunId, Vec<&String>> = BTreeMap::new();
        for user in &self.users {
            if let Some(of) = rules::run_of(user, database, prefix) {
                users_of.entry(of).or_default().push(user);
            }
        }
        if users_of.is_empty() {
            return Ok(0);
        }
        let mut asked = vec![cmd("TIME")];
        asked.extend(users_of.keys().map(|run| {
            let mut get = cmd("GET");
            get.arg(keys::lease(prefix, run));
            get
        }));
        let mut answers = self.ask(state, &asked)?.into_iter();
        let now = answers.next().as_ref().and_then(time).unwrap_or(Timestamp(0));
        let mut remove = cmd("ACL");
        remove.arg("DELUSER");
        let mut count = 0;
        for ((of, users), lease) in users_of.into_iter().zip(answers) {
            let lease = text_of(&lease).and_then(|text| serde_json::from_str::<Lease>(&text).ok());
            if of != *run && lease.is_some_and(|lease| lease.until > now && is_alive(&lease)) {
                continue;
            }
            count += users.len();
            remove.arg(users);
        }
        if count > 0 {
            self.ask(state, &[remove])?;
        }
        Ok(count)
    }

    #[expect(clippy::unused_self, reason = "asking goes on from what was seen")]
    fn ask(&self, state: &RedisState, asked: &[redis::Cmd]) -> Result<Vec<Value>, StoreError> {
        let answers = state.pipeline(asked).map_err(|trouble| state.fault(trouble))?;
        answers.into_iter().map(|answer| answer.map_err(|trouble| state.fault(trouble))).collect()
    }
}

fn texts(value: &Value) -> Vec<String> {
    let Value::Array(items) = value else { return Vec::new() };
    items.iter().filter_map(text_of).collect()
}

fn time(value: &Value) -> Option<Timestamp> {
    let parts: Vec<i64> = texts(value).iter().filter_map(|text| text.parse().ok()).collect();
    let &[seconds, micros] = parts.as_slice() else { return None };
    Some(Timestamp(seconds * 1_000 + micros / 1_000))
}

/// Whether a user, as `ACL GETUSER` tells of it, lets everybody in to do something.
fn is_open(user: &Value) -> bool {
    let Value::Array(fields) = user else { return false };
    let field = |name: &str| {
        let place = fields.iter().step_by(2).position(|field| text_of(field).as_deref() == Some(name))?;
        fields.get(place * 2 + 1)
    };
    let flags = field("flags").map(texts).unwrap_or_default();
    let has = |flag: &str| flags.iter().any(|known| known == flag);
    let may = field("commands").and_then(text_of).unwrap_or_default();
    has("on") && has("nopass") && may != "-@all"
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn user(flags: &[&str], commands: &str) -> Value {
        let flags = flags.iter().map(|flag| text(flag)).collect();
        Value::Array(vec![text("flags"), Value::Array(flags), text("commands"), text(commands)])
    }

    #[test]
    fn a_user_is_open_when_anybody_may_do_something_as_it() {
        assert!(is_open(&user(&["on", "nopass", "sanitize-payload"], "+@all")));
        assert!(is_open(&user(&["on", "nopass"], "-@all +get")));
        assert!(!is_open(&user(&["on"], "+@all")));
        assert!(!is_open(&user(&["off", "nopass"], "+@all")));
        assert!(!is_open(&user(&["on", "nopass"], "-@all")));
        assert!(!is_open(&Value::Nil));
    }

    #[test]
    fn the_servers_time_is_read() {
        let told = Value::Array(vec![text("1700000000"), text("123456")]);
        assert_eq!(time(&told), Some(Timestamp(1_700_000_000_123)));
        assert_eq!(time(&Value::Nil), None);
    }
}
