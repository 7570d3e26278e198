//! Plain data and its invariants: what the other rooms say to each other.
//!
//! Nothing here reads a file, a clock or the environment. What is serialised anywhere (journal,
//! shared state, documents on stdout) is a type of this module, so that a look at it tells what
//! has been promised to the outside. The tables of legal steps and the fold of events into a
//! [`view::RunView`] stand here too, because every other room relies on the same ones.

pub mod account;
pub mod agent;
pub mod agent_output;
pub mod alert;
pub mod ban;
pub mod check;
pub mod command;
pub mod completion;
pub mod conversion;
pub mod cooldown;
pub mod difference;
pub mod doctor;
pub mod event;
pub mod exit;
pub mod failure;
pub mod hierarchy;
pub mod ids;
pub mod layer;
pub mod ledger;
pub mod limits;
pub mod money;
pub mod outcome;
pub mod reading;
pub mod record;
pub mod report;
pub mod result;
pub mod run;
pub mod simulation;
pub mod status;
pub mod story;
pub mod task;
pub mod time;
pub mod verdict;
pub mod view;
pub mod why;
