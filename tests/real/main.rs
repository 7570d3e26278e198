//! The real agent CLIs, run headless by the real program against a scripted provider on loopback.
//!
//! No key, no internet. Files are written through the agents' own tools, completions too.

#![expect(
    let_underscore_drop,
    clippy::format_push_string,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test's panic is its failure; it reads the caller's PATH, and looks at what it needs of a result"
)]

#[path = "../support/processes.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod processes;
#[path = "../support/project.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod project;
#[path = "../support/real_agents.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod real_agents;

mod doctor;
mod failing;
mod hierarchy;
mod left_behind;
mod sessions;
#[cfg(unix)]
mod side_by_side;
mod working;
