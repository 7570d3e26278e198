//! SDD steps: headings of any depth, a graph inside each group, groups in order.
//!
//! Tags at the end of a title say more: `[model: sonnet] [phase: red]`.

use crate::plan::found::Findings;
use crate::plan::generic;
use crate::plan::outline::Outline;
use crate::plan::titles;
use crate::plan::types::Plan;

/// The steps, also those in headings that are too deep for other formats.
pub(crate) fn tasks(outline: &Outline<'_>) -> Findings {
    let tasks = generic::headings_named(outline, 2..=6);
    Findings { tasks, rule: "named headings" }
}

/// Frees what states nothing, and reads the tags of titles.
pub(crate) fn finish(plan: &mut Plan) {
    for task in &mut plan.tasks {
        task.states_dependencies = true;
        while let Some((before, tag)) = last_tag(&task.title) {
            let Some((key, value)) = tag.split_once(':') else { break };
            let value = value.trim().to_owned();
            match key.trim().to_lowercase().as_str() {
                "model" => task.own.model = task.own.model.take().or(Some(value)),
                "agent" => task.own.agent = task.own.agent.take().or(Some(value)),
                _ => {}
            }
            task.title = before;
        }
    }
}

/// The title without its last tag, and that tag's text.
fn last_tag(title: &str) -> Option<(String, String)> {
    let inner = title.trim_end().strip_suffix(']')?;
    let open = inner.rfind('[')?;
    let before = titles::clean(inner[..open].trim_end());
    (!before.is_empty()).then(|| (before, inner[open + 1..].to_owned()))
}
