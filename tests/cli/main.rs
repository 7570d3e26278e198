//! The program as a user calls it: whole runs, their exit codes, files and words.

#![expect(clippy::disallowed_methods, reason = "tests take the caller's PATH over")]
#![expect(clippy::missing_panics_doc, reason = "a test's panic is its failure")]

#[path = "../support/project.rs"]
mod project;

mod agent_side;
mod bad_input;
mod going_on;
mod looking;
mod main_job;
mod many;
mod verdicts;
