//! ralphex: one task after another, and a section of commands that check every task.

use crate::plan::blocks::LineKind;
use crate::plan::found::Findings;
use crate::plan::found::heading_task;
use crate::plan::generic;
use crate::plan::lines::number;
use crate::plan::names;
use crate::plan::names::Shape;
use crate::plan::outline::Outline;
use crate::plan::types::Plan;
use crate::plan::types::PlanCommand;
use crate::plan::values;
use crate::plan::words;

/// The tasks where `Task` and `Iteration` both name some: here either word does. A single one is a task, too.
pub(crate) fn tasks(outline: &Outline<'_>) -> Option<Findings> {
    let mut words = [0_usize; 2];
    let mut tasks = Vec::new();
    for index in 0..outline.headings.len() {
        let heading = &outline.headings[index];
        if !(2..=4).contains(&heading.level) {
            continue;
        }
        let Some(written) = names::written(&outline.lines.text[heading.text.clone()]) else { continue };
        let Shape::Word(word) = &written.shape else { continue };
        match names::WORDS[*word] {
            "task" if written.ends => words[0] += 1,
            "iteration" if written.ends => words[1] += 1,
            _ => continue,
        }
        tasks.push(heading_task(outline, index, Some((written.id, written.after))));
    }
    if words.iter().all(|count| *count > 0) {
        return Some(Findings { tasks, rule: "named headings" });
    }
    generic::single_task(outline)
}

/// Orders the tasks, and gives each the plan's commands.
pub(crate) fn finish(outline: &Outline<'_>, plan: &mut Plan) {
    super::in_order::finish(plan);
    plan.defaults.verify.extend(section_commands(outline, "validation commands"));
}

/// The commands below a heading: items that are a code span as a whole, and shell fences.
pub(crate) fn section_commands(outline: &Outline<'_>, title: &str) -> Vec<PlanCommand> {
    let mut commands = Vec::new();
    let sections = outline.headings.iter().filter(|heading| {
        heading.level > 1 && words::begins_with(words::without_number(&heading.title), title)
    });
    for heading in sections {
        let mut line = heading.after;
        while line < heading.own_end {
            match outline.kind(line) {
                LineKind::Text => {
                    let text = match outline.item_at(line) {
                        Some(item) => &outline.lines.text[outline.items[item].text.clone()],
                        None => outline.lines.get(line).trim(),
                    };
                    let spans = values::only_spans(text).unwrap_or_default();
                    commands.extend(
                        spans
                            .into_iter()
                            .map(|(span, _)| PlanCommand { line: number(line), text: span.to_owned() }),
                    );
                }
                LineKind::Fence => {
                    let from = outline.blocks.fences.partition_point(|fence| fence.line < line);
                    if let Some(fence) = outline.blocks.fences.get(from).filter(|fence| fence.line == line) {
                        let text = values::fence_text(outline, &fence.inside);
                        if values::is_shell(&fence.info) && !text.is_empty() {
                            commands.push(PlanCommand { line: number(line + 1), text });
                        }
                    }
                }
                LineKind::Blank
                | LineKind::Heading
                | LineKind::Break
                | LineKind::FrontMatter
                | LineKind::Code
                | LineKind::Comment
                | LineKind::Quote
                | LineKind::Table => {}
            }
            line += 1;
        }
    }
    commands
}
