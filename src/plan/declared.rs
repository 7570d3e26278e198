//! The one place where prose is read for order: a list or table under a heading with "Dependencies" or
//! "Execution Order", of the form `- **NAME (Phase 3)**: Depends on ...` or `| Story | Depends on |`.
//!
//! Only groups of the plan are given dependencies by it, and only by names that are known; the rest
//! is advice and makes no edge.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::assemble::ancestors;
use super::blocks::LineKind;
use super::lines::number;
use super::outline::Outline;
use super::references;
use super::references::Index;
use super::references::Named;
use super::tables;
use super::titles;
use super::types::Dependency;
use super::types::Group;

/// The most edges that prose declares; what is more makes none.
const MOST_EDGES: usize = 500_000;

/// What stands between a group and what it waits for.
const JOINS: &[&str] =
    &["depends on ", "start after ", "starts after ", "starts immediately after ", "begins after "];

/// Words that may stand before the name of a group in a value; with others before it, it is a remark.
const BEFORE: &[&str] = &[
    "",
    "the",
    "all",
    "all of",
    "both",
    "completion of",
    "completed",
    "depends on",
    "requires",
    "finished",
    "only",
];

/// What is said of a group: the group, what it waits for, and the line that says so.
pub(crate) type Declared = (usize, Vec<Dependency>, u32);

/// Whether a heading says that what stands below it is about order.
fn is_about_order(title: &str) -> bool {
    let lower = title.to_lowercase();
    lower.contains("dependencies") || lower.contains("execution order")
}

/// Whether there is anything to read here.
pub(crate) fn is_there(outline: &Outline<'_>) -> bool {
    outline.headings.iter().any(|heading| is_about_order(&heading.title))
}

/// Reads what the plan declares about its groups.
pub(crate) fn read(outline: &Outline<'_>, groups: &[Group], index: &Index, tasks: usize) -> Vec<Declared> {
    let mut declared = Vec::new();
    let mut line = 0;
    let reader = Reader::new(outline, groups, index, tasks);
    for heading in &outline.headings {
        if heading.line < line || !is_about_order(&heading.title) {
            continue;
        }
        line = heading.end;
        for at in heading.after..heading.end {
            if outline.kind(at) == LineKind::Text
                && let Some(item) = outline.item_at(at)
            {
                let text = titles::clean(&outline.paragraph(&outline.items[item]));
                declared.extend(reader.sentence(&text, number(at)));
            }
        }
        let first = outline.blocks.tables.partition_point(|table| table.start < heading.line);
        for table in outline.blocks.tables[first..].iter().take_while(|table| table.start < heading.end) {
            declared.extend(reader.table(table.clone()));
        }
    }
    declared
}

struct Reader<'o, 't> {
    outline: &'o Outline<'t>,
    index: &'o Index,
    tasks: usize,
    /// Phases by their numbers; of several the first.
    phases: BTreeMap<&'o str, usize>,
    /// User stories by their numbers; of several the first.
    stories: BTreeMap<String, usize>,
    /// The groups that are user stories, not what stands inside one.
    outer_stories: Vec<usize>,
    /// How many edges may still be declared: each sentence may name all groups.
    left: Cell<usize>,
}

impl<'o, 't> Reader<'o, 't> {
    fn new(outline: &'o Outline<'t>, groups: &'o [Group], index: &'o Index, tasks: usize) -> Self {
        let mut reader = Self {
            outline,
            index,
            tasks,
            phases: BTreeMap::new(),
            stories: BTreeMap::new(),
            outer_stories: Vec::new(),
            left: Cell::new(MOST_EDGES),
        };
        let mut is_story = vec![false; groups.len()];
        for (index, group) in groups.iter().enumerate() {
            if let Some(number) = &group.number
                && group.title.to_lowercase().starts_with("phase")
            {
                reader.phases.entry(number).or_insert(index);
            }
            let numbers = stories(&group.title);
            is_story[index] = !numbers.is_empty();
            for number in numbers {
                reader.stories.entry(number).or_insert(index);
            }
        }
        reader.outer_stories = (0..groups.len())
            .filter(|group| {
                is_story[*group] && !ancestors(groups, groups[*group].parent).any(|around| is_story[around])
            })
            .collect();
        reader
    }

    /// `US1 (Phase 3): Depends on Phase 2 completion — the core`.
    fn sentence(&self, text: &str, line: u32) -> Option<Declared> {
        let lower = text.to_ascii_lowercase();
        let (at, join) = JOINS.iter().filter_map(|join| Some((lower.find(join)?, join))).min()?;
        let name = text[..at].trim_end_matches(|c: char| !c.is_alphanumeric() && c != ')');
        let name =
            ["Can", "can", "Could", "May"].iter().find_map(|word| name.strip_suffix(word)).unwrap_or(name);
        let name = name.trim_end_matches(|c: char| !c.is_alphanumeric() && c != ')');
        // More than a name before the words: a sentence about something else.
        if name.is_empty() || name.split_whitespace().count() > 8 {
            return None;
        }
        self.declare(name, text.get(at + join.len()..)?, line)
    }

    fn table(&self, lines: std::ops::Range<usize>) -> Vec<Declared> {
        let text = |cell: &std::ops::Range<usize>| titles::clean(&self.outline.lines.text[cell.clone()]);
        let header: Vec<String> =
            tables::cells(self.outline, lines.start).iter().map(|cell| text(cell).to_lowercase()).collect();
        let column =
            |names: &[&str]| header.iter().position(|name| names.iter().any(|known| name.starts_with(known)));
        let Some(value) = column(&["can start after", "depends on", "blocked by"]) else { return Vec::new() };
        let name = column(&["phase"]).or_else(|| column(&["story", "user story", "group"])).unwrap_or(0);
        if name == value {
            return Vec::new();
        }
        let rows = (lines.start + 2).min(lines.end)..lines.end;
        rows.filter_map(|line| {
            let row = tables::cells(self.outline, line);
            self.declare(&text(row.get(name)?), &text(row.get(value)?), number(line))
        })
        .collect()
    }

    fn declare(&self, name: &str, value: &str, line: u32) -> Option<Declared> {
        let group = *self.group(name)?.first()?;
        // What stands after a dash is a reason.
        let end =
            [" — ", " – ", " - "].iter().filter_map(|dash| value.find(dash)).min().unwrap_or(value.len());
        let value = &value[..end];
        let mut found = Vec::new();
        if !references::is_none(value) {
            let parts = references::split(value).into_iter().flat_map(|(part, _)| alternatives(part));
            for part in parts.filter(|part| !is_remark(part)) {
                let lower = part.to_lowercase();
                if lower.starts_with("all user stories") || lower.starts_with("all stories") {
                    found.extend(
                        self.outer_stories
                            .iter()
                            .copied()
                            .filter(|story| *story != group)
                            .map(Dependency::Group),
                    );
                } else if lower.starts_with("all previous") {
                    found.extend((0..group).map(Dependency::Group));
                } else if let Some(groups) = self.group(part) {
                    found.extend(groups.into_iter().map(Dependency::Group));
                } else if let Named::Known(known) = self.index.read(part, None, true, self.tasks) {
                    found.extend(known);
                }
            }
            if found.is_empty() {
                return None;
            }
        }
        found.retain(|dependency| *dependency != Dependency::Group(group));
        self.left.set(self.left.get().checked_sub(found.len())?);
        Some((group, found, line))
    }

    /// The groups that a name stands for: a phase by its number, a story, or its first word.
    fn group(&self, name: &str) -> Option<Vec<usize>> {
        let story = stories(name);
        if let Some(number) = name.to_lowercase().find("phase ").and_then(|at| name.get(at + 6..)) {
            let number: String = number.chars().take_while(|c| c.is_alphanumeric() || *c == '.').collect();
            let number = number.trim_end_matches('.');
            if let Some(found) = self.phases.get(number) {
                return Some(vec![*found]);
            }
        }
        if let Some(found) = story.first().and_then(|story| self.stories.get(story)) {
            return Some(vec![*found]);
        }
        // `US-5 — Billing`: the story may be known by what stands after the dash.
        let name = if story.is_empty() { name } else { name.split_once(" — ")?.1 };
        let first: String = name.chars().take_while(|c| c.is_alphabetic()).collect();
        match self.index.read(&first, None, true, self.tasks) {
            Named::Known(found) => found.into_iter().find_map(|found| match found {
                Dependency::Group(group) => Some(vec![group]),
                Dependency::Task(_) => None,
            }),
            Named::Missing(_) | Named::Elsewhere(_) | Named::Words(_) => None,
        }
    }
}

/// `US1/US2` is two names; any other slash stands in a word.
fn alternatives(part: &str) -> Vec<&str> {
    let pieces: Vec<&str> = part.split('/').collect();
    if pieces.len() > 1 && pieces.iter().all(|piece| !stories(piece).is_empty() && !is_remark(piece)) {
        pieces
    } else {
        vec![part]
    }
}

/// Whether a part of a value names a story or phase only in passing: "integrates with US2", "no
/// dependency on US1", "can be done after Phase 3".
fn is_remark(part: &str) -> bool {
    let lower = part.to_lowercase();
    let story = ["user story ", "us-", "us"].iter().find_map(|word| {
        let at = lower.find(word)?;
        let before = lower[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let after = lower[at + word.len()..].starts_with(|c: char| c.is_ascii_digit());
        (before && after).then_some(at)
    });
    let Some(at) = story.into_iter().chain(lower.find("phase ")).min() else { return false };
    let before = lower[..at].trim_matches(|c: char| !c.is_alphanumeric());
    // `Foundational (Phase 2)`: the name stands before, and its number in parentheses.
    let in_parentheses =
        lower[..at].trim_end().ends_with(['(', '（']) && before.split_whitespace().count() < 3;
    !in_parentheses && !BEFORE.contains(&before)
}

/// The numbers of the user stories in a name: `US1`, `US-2`, `User Story 3 & 4`.
pub(crate) fn stories(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let rest = match lower.find("user story ") {
        Some(at) => &lower[at + "user story ".len()..],
        None => match lower.find("us").filter(|at| {
            let before = lower[..*at].chars().next_back();
            let after = lower[at + 2..].trim_start_matches('-').chars().next();
            before.is_none_or(|c| !c.is_alphanumeric()) && after.is_some_and(|c| c.is_ascii_digit())
        }) {
            Some(at) => lower[at + 2..].trim_start_matches('-'),
            None => return Vec::new(),
        },
    };
    let head: String =
        rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, ' ' | '&' | '+')).collect();
    head.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stories_by_all_their_names() {
        assert_eq!(stories("US1 — Tokens"), ["1"]);
        assert_eq!(stories("Phase 6: User Story 3 & 4 — App"), ["3", "4"]);
        assert_eq!(stories("US-2"), ["2"]);
        assert_eq!(stories("use 3 bus2"), Vec::<String>::new());
    }

    #[test]
    fn lists_and_tables_below_dependencies_are_read() {
        let plan = crate::plan::tests::plan(
            "## Phase 1: Setup\n- [ ] T001 a\n## Phase 2: User Story 1 - X\n- [ ] T002 b\n## Phase 3: User Story 2 - Y\n- [ ] T003 c\n\
             ## Phase 4: Polish\n- [ ] T004 d\n## Dependencies & Execution Order\n- **US2 (Phase 3)**: Depends on Phase 1 completion — only\n\
             - **Polish**: Depends on all user stories\n- Setup: no dependencies\n\n| Story | Depends On |\n|---|---|\n| US1 | Setup |\n",
        );
        let waits: Vec<String> = plan.edges.iter().map(|edge| format!("{}>{}", edge.from, edge.to)).collect();
        assert_eq!(waits, ["T001>T002", "T001>T003", "T002>T004", "T003>T004"]);
    }

    #[test]
    fn what_is_said_in_passing_is_no_dependency() {
        for text in [
            "integrates with US2 follow-up",
            "can be implemented after US1",
            "no dependency on User Story 3",
            "unlike Phase 4",
        ] {
            assert!(is_remark(text), "{text}");
        }
        for text in [
            "US1",
            "Phase 2 completion",
            "Foundational (Phase 2)",
            "Foundational only (Phase 2)",
            "completion of Phase 2",
            "both US1",
            "Setup",
        ] {
            assert!(!is_remark(text), "{text}");
        }
        assert_eq!(alternatives("US1/US2"), ["US1", "US2"]);
        assert_eq!(alternatives("and/or Setup"), ["and/or Setup"]);
    }
}
