//! The tree of a job: every process that is its own, whatever it did with its parents.
//!
//! Agents start their tools in groups and sessions of their own, and leave some of them behind, so a
//! signal to the leader's group is not enough. What belongs to a job is told, in this order, by
//! having been seen below it, by its group or session, by its birthmark (module `birth`) and by the
//! mark in its environment. On Linux this process is the parent of all orphans below it, so that after
//! a leader's end one look at our own children shows what it left; nothing is searched. A process that
//! put all of these off before it was ever seen cannot be told to be anybody's: it is ended when no job
//! runs. On Windows a job object holds all of it, and nothing has to be told apart.
//!
//! Children are reaped one by one, by their ids: the leaders belong to the runtime, which waits for
//! them itself. Children in our own process group are never touched: other rooms start programs
//! too (git, alerts), and every leader has a group of its own.
//!
//! The state is one for the whole process, because a process has one set of children, however many
//! supervisors there are in it.

#[cfg(target_os = "linux")]
mod birth;
#[cfg(target_os = "linux")]
mod ending;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
pub(super) mod proc;
#[cfg(target_os = "linux")]
mod search;
#[cfg(target_os = "linux")]
mod sweep;
#[cfg(target_os = "linux")]
pub(super) use birth::put_on as put_on_birthmark;
#[cfg(target_os = "linux")]
pub(super) use linux::{Tree, adopt_orphans};
#[cfg(target_os = "linux")]
pub(super) use sweep::{Dead, end_everything, end_of_dead, sweep_runs};

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(super) use windows::{Tree, adopt_orphans, put_on_birthmark, sweep_runs};

#[cfg(all(unix, not(target_os = "linux")))]
mod plain;
#[cfg(all(unix, not(target_os = "linux")))]
pub(super) use plain::{Tree, adopt_orphans, put_on_birthmark, sweep_runs};
