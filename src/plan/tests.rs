//! Plans as people write them, and what is made of them.

mod converting;
mod cycles;
mod documents;
mod explained;
mod fields;
mod golden;
mod order;
mod own;
mod property;
mod replanning;
mod resolving;
mod rules;
mod samples;

use super::Plan;
use super::ReadOptions;
use super::read;

/// Reads a text with the options that are usual.
pub(crate) fn plan(text: &str) -> Plan {
    read(text.as_bytes(), &ReadOptions::default())
}

/// The ids of all tasks.
fn ids(plan: &Plan) -> Vec<&str> {
    plan.tasks.iter().map(|task| task.id.as_str()).collect()
}

/// The edges as `from>to rule`.
fn edges(plan: &Plan) -> Vec<String> {
    plan.edges.iter().map(|edge| format!("{}>{} {}", edge.from, edge.to, edge.rule.as_str())).collect()
}

/// The codes of all diagnostics with their lines.
pub(crate) fn codes(plan: &Plan) -> Vec<String> {
    plan.diagnostics
        .iter()
        .map(|diagnostic| format!("{}:{}", diagnostic.code, diagnostic.place.line))
        .collect()
}
