//! The real agent CLIs, run headless by the real program against a scripted provider on loopback.
//!
//! No key, no internet. Files are written through the agents' own tools, completions too.

#![expect(clippy::missing_panics_doc, reason = "a test's panic is its failure")]

#[path = "../support/project.rs"]
mod project;
#[path = "../support/real_agents.rs"]
mod real_agents;

mod failing;
mod working;
