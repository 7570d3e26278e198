//! Runs the tasks of a markdown plan in parallel by coding agents, under supervision.

pub mod agents;
pub mod alert;
pub mod cli;
pub mod diagnostics;
pub mod engine;
pub mod masking;
pub mod model;
pub mod plan;
pub mod report;
pub mod scheduler;
pub mod schema;
pub mod simulation;
pub mod store;
pub mod supervisor;
pub mod workspace;
