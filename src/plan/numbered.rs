//! Tasks that are known by their numbers alone: headings such as `### 1.2 Title` that say what they wait for,
//! numbered lists below a heading that says "Steps" or "Tasks", and lines in bold such as `**Step 1: title**`.
//!
//! Numbers stand in all kinds of documents, so both are taken only where something else says that they are
//! tasks, and nothing explicit is there.

use super::blocks::LineKind;
use super::fields;
use super::fields::Key;
use super::found::Found;
use super::found::Holder;
use super::found::Source;
use super::found::heading_task;
use super::found::item_task;
use super::names;
use super::names::Shape;
use super::outline::Heading;
use super::outline::Outline;
use super::titles;
use super::words;

/// Headings over a numbered list that is a list of tasks, the clearest first.
const LISTS: &[&[&str]] = &[
    &["tasks", "task list", "todo", "todos", "to do", "to-do", "action items", "úkoly", "任务", "タスク"],
    &["implementation steps", "steps to implement", "kroky", "步骤", "手順"],
];

/// The heading that means the same in a document that calls itself a plan.
const STEPS: &str = "steps";

/// Headings with numbers two deep, most of which say what they wait for, how far they are or who does them. Boxes
/// that stand in none of them are tasks already.
pub(crate) fn headings(outline: &Outline<'_>) -> Vec<Found> {
    let mut found: Vec<(usize, (String, usize))> = Vec::new();
    for (index, heading) in outline.headings.iter().enumerate() {
        if !(3..=4).contains(&heading.level)
            || heading.closed
            || !heading.title.starts_with(|c: char| c.is_ascii_digit())
        {
            continue;
        }
        let text = outline.lines.text.get(heading.text.clone()).unwrap_or("");
        if let Some(written) =
            names::written(text).filter(|written| matches!(written.shape, Shape::Number(2)))
        {
            found.push((index, (written.id, written.after)));
        }
    }
    let Some(level) = found.iter().map(|(index, _)| outline.headings[*index].level).min() else {
        return Vec::new();
    };
    found.retain(|(index, _)| outline.headings[*index].level == level);
    let stated = found.iter().filter(|(index, _)| states(outline, &outline.headings[*index])).count();
    if stated < 2 || stated * 2 < found.len() {
        return Vec::new();
    }
    let mut sections = found.iter().map(|(index, _)| &outline.headings[*index]).peekable();
    for item in outline.items.iter().filter(|item| item.mark.is_some() && !outline.is_closed(item.heading)) {
        while sections.next_if(|section| section.end <= item.line).is_some() {}
        if sections.peek().is_none_or(|section| item.line < section.line) {
            return Vec::new();
        }
    }
    found.into_iter().map(|(index, id)| heading_task(outline, index, Some(id))).collect()
}

/// Whether a section says something that is only said of tasks.
fn states(outline: &Outline<'_>, heading: &Heading) -> bool {
    fields::read(outline, heading.after..heading.own_end, None)
        .iter()
        .any(|field| matches!(field.key, Key::DependsOn | Key::Status | Key::Agent))
}

/// The numbered items right below such a heading.
pub(crate) fn lists(outline: &Outline<'_>) -> Vec<Found> {
    let is_plan = outline.headings.first().is_some_and(|first| {
        first.level == 1
            && first.title.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("plan"))
    });
    let steps = [STEPS];
    let kinds = LISTS.iter().copied().chain(is_plan.then_some(&steps[..]));
    for names in kinds {
        let is_list = |heading: &Heading| {
            let title = words::without_number(&heading.title).trim_end_matches([':', '：']).to_lowercase();
            !heading.closed && names.contains(&title.as_str())
        };
        let below: Vec<bool> = outline.headings.iter().map(is_list).collect();
        if !below.contains(&true) {
            continue;
        }
        let tasks: Vec<Found> = (0..outline.items.len())
            .filter(|index| {
                let item = &outline.items[*index];
                item.ordinal.is_some()
                    && item.parent.is_none()
                    && !item.closed_label
                    && item.heading.is_some_and(|heading| below[heading])
            })
            .map(|index| item_task(outline, index, None))
            .collect();
        if tasks.len() > 1 {
            return tasks;
        }
    }
    Vec::new()
}

/// Lines at the margin that are bold as a whole and named like tasks: what people write who write no headings.
pub(crate) fn bold_lines(outline: &Outline<'_>) -> Vec<Found> {
    let mut tasks: Vec<Found> = Vec::new();
    for line in 0..outline.lines.len() {
        let text = outline.lines.get(line).trim_end();
        let kind = outline.kind(line);
        if matches!(kind, LineKind::Heading | LineKind::Break)
            && let Some(last) = tasks.last_mut().filter(|last| last.body.end == outline.lines.len())
        {
            last.body.end = line;
        }
        if kind != LineKind::Text || !text.starts_with("**") || outline.item_at(line).is_some() {
            continue;
        }
        let Some(inner) = text.strip_prefix("**").map(|text| text.trim_end_matches(':')) else { continue };
        let Some(inner) = inner.strip_suffix("**").filter(|inner| !inner.contains("**")) else { continue };
        let heading = outline.heading_above(line);
        let Some(written) = names::written(inner).filter(|written| {
            written.ends && matches!(written.shape, Shape::Word(_)) && !outline.is_closed(heading)
        }) else {
            continue;
        };
        if let Some(last) = tasks.last_mut() {
            last.body.end = last.body.end.min(line);
        }
        tasks.push(Found {
            line,
            title: titles::read(inner.get(written.after..).unwrap_or("")),
            id: Some(written.id),
            mark: None,
            body: line + 1..outline.lines.len(),
            fields: line..line,
            source: Source::None,
            holder: heading.map(Holder::Heading),
            ordered: true,
            status: None,
            cells: Vec::new(),
        });
    }
    if tasks.len() > 1 { tasks } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use crate::plan::tests::plan;

    fn titles(text: &str) -> Vec<String> {
        plan(text).tasks.into_iter().map(|task| format!("{} {}", task.id, task.title)).collect()
    }

    #[test]
    fn numbered_headings_that_say_what_they_wait_for() {
        let text = "# T\n\n## Phase 1: A\n\n### 1.1 Keel\n\n- [x] saw\n- [ ] plane\n\n**Dependencies**: None\n\n\
                    ### 1.2 Mast\n\n- [ ] fell\n\n**Dependencies**: 1.1\n\n## Definition of Done\n\n- [ ] It floats\n";
        assert_eq!(titles(text), ["1.1 Keel", "1.2 Mast"]);
        // Boxes elsewhere are the tasks, and numbers alone say nothing.
        assert_eq!(titles(&format!("{text}\n## Tasks\n\n- [ ] Build it\n")).len(), 4);
        assert_eq!(titles(&text.replace("Dependencies", "Remark")), ["saw saw", "plane plane", "fell fell"]);
    }

    #[test]
    fn lines_in_bold_that_are_named_like_tasks() {
        let text = "Here is the plan:\n\n**Step 1: Saw**\n- all\n\n**Step 2: Plane**:\n\nBoth **sides**.\n\n---\n\nShall I?\n";
        assert_eq!(titles(text), ["1 Saw", "2 Plane"]);
        let found = plan(text);
        assert_eq!((found.tasks[0].body.trim(), found.tasks[1].body.trim()), ("- all", "Both **sides**."));
        assert_eq!(found.edges.len(), 1);
        for other in
            ["**Step 1: Saw**\n", "**Step 1: Saw** and\n**Step 2: plane**, then\n", "**Saw**\n\n**Plane**\n"]
        {
            assert!(titles(other).is_empty(), "{other}");
        }
        assert_eq!(titles(&format!("{text}\n- [ ] Sail\n")), ["sail Sail"]);
    }

    #[test]
    fn numbered_lists_below_a_heading_that_says_so() {
        let list = "1. **Saw** the boards\n   - all\n2. Plane them\n\n## Notes\n\n1. Mind\n2. the\n";
        for head in
            ["# Plan: a boat\n\n## Steps\n\n", "# Boat\n\n## 3. Implementation Steps:\n\n", "# TODO\n\n"]
        {
            assert_eq!(
                titles(&format!("{head}{list}")),
                ["saw-the-boards Saw the boards", "plane-them Plane them"],
                "{head}"
            );
        }
        for head in
            ["# It leaks\n\n## Steps\n\n", "# Plan\n\n## Steps to reproduce\n\n", "# Plan\n\n## Approach\n\n"]
        {
            assert!(titles(&format!("{head}{list}")).is_empty(), "{head}");
        }
        // A box is more than a number.
        assert_eq!(titles(&format!("# TODO\n\n{list}\n## More\n\n- [ ] Sail\n")), ["sail Sail"]);
    }
}
