//! The thread that makes and removes users, on a connection of its own, so that a server that does
//! not answer keeps nobody longer than they want to wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::address::Address;
use super::super::connection::Connection;
use super::super::trouble::Trouble;

/// How long one step of connecting may take.
const CONNECT: Duration = Duration::from_secs(1);
/// How long an attempt's start may wait for its user.
const WAIT: Duration = Duration::from_secs(1);
/// How long the end of a run may wait until its users are gone.
const AT_THE_END: Duration = Duration::from_secs(2);

enum Order {
    Make {
        user: String,
        rules: Vec<String>,
        answer: Sender<Result<(), Trouble>>,
    },
    Remove {
        user: String,
    },
    /// All that stand are given again: the server may have forgotten them.
    Renew,
    /// Look whether the server answers again.
    Look,
    End,
}

/// The users of one run's attempts.
#[derive(Debug)]
pub(super) struct Keeper {
    orders: Sender<Order>,
    ended: Receiver<()>,
    down: Down,
}

/// Why the last that was asked of the server came to nothing; none: it was answered.
#[derive(Debug, Clone, Default)]
struct Down(Arc<Mutex<Option<Trouble>>>);

impl Down {
    fn get(&self) -> Option<Trouble> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, trouble: Option<Trouble>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl Keeper {
    /// Starts the thread. It connects when it has something to do.
    pub(super) fn begin(address: Address) -> Result<Self, Trouble> {
        let (orders, incoming) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let down = Down::default();
        let worker = Worker {
            address,
            connection: None,
            standing: BTreeMap::new(),
            leftover: BTreeSet::new(),
            down: down.clone(),
        };
        std::thread::Builder::new()
            .name("redis-rights".to_owned())
            .spawn(move || {
                worker.work(&incoming);
                // Nobody may wait any more.
                end.send(()).ok();
            })
            .map_err(|error| Trouble::Other(format!("cannot start a thread: {error}")))?;
        Ok(Self { orders, ended, down })
    }

    /// Has a user made, and waits for it. Where the server did not answer the last time it is not
    /// waited for again.
    pub(super) fn make(&self, user: &str, rules: Vec<String>) -> Result<(), Trouble> {
        if let Some(trouble) = self.down.get() {
            self.order(Order::Look);
            return Err(trouble);
        }
        let (answer, answered) = mpsc::channel();
        self.order(Order::Make { user: user.to_owned(), rules, answer });
        let made = answered.recv_timeout(WAIT).unwrap_or_else(|_| {
            self.down.set(Some(Trouble::Slow));
            Err(Trouble::Slow)
        });
        if made.is_err() {
            // It may be made all the same, later.
            self.remove(user);
        }
        made
    }

    /// Has a user removed. Does not wait.
    pub(super) fn remove(&self, user: &str) {
        self.order(Order::Remove { user: user.to_owned() });
    }

    /// Has all that stand given again. Does not wait.
    pub(super) fn renew(&self) {
        self.order(Order::Renew);
    }

    fn order(&self, order: Order) {
        // Without its thread there is no user, and nobody is told of one.
        self.orders.send(order).ok();
    }
}

impl Drop for Keeper {
    /// All that stand are removed; that is waited for, but not for long.
    fn drop(&mut self) {
        self.order(Order::End);
        if self.ended.recv_timeout(AT_THE_END).is_err() {
            tracing::warn!(
                "users of agents may be left in Redis: the next run of the project there removes them"
            );
        }
    }
}

struct Worker {
    address: Address,
    connection: Option<Connection>,
    /// Users and their rules.
    standing: BTreeMap<String, Vec<String>>,
    /// Users that are to go.
    leftover: BTreeSet<String>,
    down: Down,
}

impl Worker {
    fn work(mut self, orders: &Receiver<Order>) {
        // A sender that is gone has the same meaning as an end.
        while let Ok(first) = orders.recv() {
            let mut looked = false;
            for order in std::iter::once(first).chain(orders.try_iter()) {
                match order {
                    Order::Make { user, rules, answer } => {
                        let made = self.make(&user, rules);
                        // Who asked may have stopped waiting, and then has it removed.
                        answer.send(made).ok();
                    }
                    Order::Remove { user } => {
                        self.standing.remove(&user);
                        self.leftover.insert(user);
                    }
                    Order::Renew => {
                        let again: Vec<redis::Cmd> =
                            self.standing.iter().map(|(user, rules)| set_user(user, rules)).collect();
                        self.say(again).ok();
                    }
                    Order::Look => {
                        if !looked && self.down.get().is_some() {
                            looked = true;
                            self.say(vec![redis::cmd("PING")]).ok();
                        }
                    }
                    Order::End => return self.end(),
                }
            }
            if !self.leftover.is_empty() {
                self.say(Vec::new()).ok();
            }
        }
        self.end();
    }

    fn end(&mut self) {
        self.leftover.extend(std::mem::take(&mut self.standing).into_keys());
        if !self.leftover.is_empty()
            && let Err(trouble) = self.say(Vec::new())
        {
            tracing::warn!(
                %trouble,
                "users of agents are left in Redis: the next run of the project there removes them"
            );
        }
    }

    fn make(&mut self, user: &str, rules: Vec<String>) -> Result<(), Trouble> {
        let made = self.say(vec![set_user(user, &rules)]);
        if made.is_ok() {
            self.standing.insert(user.to_owned(), rules);
        }
        made
    }

    /// Sends what is to be sent, and with it the removal of what is left over, in one round trip. A
    /// connection that broke while nothing went over it is made anew.
    fn say(&mut self, mut commands: Vec<redis::Cmd>) -> Result<(), Trouble> {
        if !self.leftover.is_empty() {
            let mut remove = redis::cmd("ACL");
            remove.arg("DELUSER");
            for user in &self.leftover {
                remove.arg(user);
            }
            // First: one of these may be made again by what follows, without who is logged in as it.
            commands.insert(0, remove);
        }
        if commands.is_empty() {
            return Ok(());
        }
        let kept = self.connection.is_some();
        let mut said = self.send(&commands);
        if kept && self.connection.is_none() {
            said = self.send(&commands);
        }
        // What the server answers, be it a no, it answers.
        let unanswered = if self.connection.is_none() { said.as_ref().err().cloned() } else { None };
        self.down.set(unanswered);
        if said.is_ok() {
            self.leftover.clear();
        }
        said
    }

    fn send(&mut self, commands: &[redis::Cmd]) -> Result<(), Trouble> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.address, CONNECT)?,
        };
        let answers = connection.pipeline(commands)?;
        self.connection = Some(connection);
        answers.into_iter().try_for_each(|answer| answer.map(drop))
    }
}

/// The command that makes a user.
pub(super) fn set_user(user: &str, rules: &[String]) -> redis::Cmd {
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg(user).arg(rules);
    command
}
