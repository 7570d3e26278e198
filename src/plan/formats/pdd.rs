//! Code tasks of prompt-driven development: one task per file, `# Task: title`.
//!
//! Plans with a checklist of steps and a section for each are read by the rules for any Markdown.

use crate::plan::found::Findings;
use crate::plan::generic;
use crate::plan::names;
use crate::plan::outline::Outline;
use crate::plan::titles;
use crate::plan::words;

/// The whole file as one task, if its title says so and no heading is a step.
pub(crate) fn tasks(outline: &Outline<'_>) -> Option<Findings> {
    let first = outline.headings.first().filter(|heading| heading.level == 1)?;
    let named = |title: &str| names::written(title).is_some_and(|written| written.ends);
    if !words::begins_with(&first.title, "task:")
        || outline.headings.iter().any(|heading| heading.level > 1 && named(&heading.title))
    {
        return None;
    }
    let mut task = generic::whole(outline);
    let title = first.title.split_once(':').map_or(first.title.as_str(), |(_, title)| title.trim());
    task.title = titles::read(title);
    Some(Findings { tasks: vec![task], rule: "a code task: the whole file is one task" })
}
