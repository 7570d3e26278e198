//! The rules by which any Markdown is read: the first that finds a task decides for the whole file.
//!
//! Named headings, numbered or named boxes, tables with ids, numbered bold items with boxes, plain
//! boxes, phases without boxes, a card. Explicit beats implicit, words beat numbers, numbers beat
//! nesting.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::fields;
use super::found::Findings;
use super::found::Found;
use super::found::Holder;
use super::found::Source;
use super::found::heading_task;
use super::found::item_task;
use super::names;
use super::names::Shape;
use super::names::Written;
use super::numbered;
use super::outline::Outline;
use super::phases;
use super::tables;
use super::titles;

/// Words whose boxes are tasks, whatever lies below them, by preference.
const BOX_WORDS: &[&str] = &["task", "story", "unit", "issue", "fix", "step", "iteration", "part"];

/// The rule that finds tasks in tables.
pub(crate) const TABLES: &str = "a table with ids";

/// A rule finds tasks, or none.
type Rule = fn(&Outline<'_>) -> Vec<Found>;

/// Reads a plan by the first rule that finds a task.
pub(crate) fn read(outline: &Outline<'_>) -> Findings {
    let rules: [(Rule, &'static str); 10] = [
        (named_headings, "named headings"),
        (named_boxes, "boxes with ids"),
        (tables::read, TABLES),
        (numbered::headings, "numbered headings that say what they wait for"),
        (bold_items, "numbered bold items with boxes below"),
        (plain_boxes, "plain boxes"),
        (phases::read, "phases with numbered items"),
        (numbered::lists, "a numbered list of tasks"),
        (numbered::bold_lines, "lines in bold named like tasks"),
        (card, "a card: the whole file is one task"),
    ];
    for (rule, name) in rules {
        let mut tasks = rule(outline);
        if !tasks.is_empty() {
            phases::add_needed(outline, &mut tasks);
            return Findings { tasks, rule: name };
        }
    }
    Findings::default()
}

/// Every box outside fences, for `--boxes all`.
pub(crate) fn all_boxes(outline: &Outline<'_>) -> Findings {
    let tasks = (0..outline.items.len())
        .filter(|item| outline.items[*item].mark.is_some())
        .map(|item| item_task(outline, item, written_before(outline, item).map(|w| (w.id, w.after))))
        .collect();
    Findings { tasks, rule: "every box (--boxes all)" }
}

/// The whole plan as one task, for `--as-one`, or as a card.
pub(crate) fn whole(outline: &Outline<'_>) -> Found {
    let first = outline.headings.first().filter(|heading| heading.level == 1);
    let title = first.map_or_else(String::new, |heading| plan_title(&heading.title));
    let line = first.map_or(0, |heading| heading.line);
    Found {
        line,
        id: None,
        title: titles::Title { text: title, ..titles::Title::default() },
        mark: None,
        body: first.map_or(0, |heading| heading.after)..outline.lines.len(),
        fields: first.map_or(0, |heading| heading.after)..first.map_or(0, |heading| heading.own_end),
        source: Source::None,
        holder: None,
        ordered: false,
        status: None,
        cells: Vec::new(),
    }
}

/// A document's title without the words that only say what it is.
pub(crate) fn plan_title(title: &str) -> String {
    let lower = title.to_lowercase();
    for kind in ["tasks:", "task plan:", "implementation plan:", "plan:", "gap analysis:", "task list:"] {
        if lower.starts_with(kind) && title.is_char_boundary(kind.len()) {
            return title[kind.len()..].trim().to_owned();
        }
    }
    title.to_owned()
}

/// The id in front of an item's title.
pub(crate) fn written_before(outline: &Outline<'_>, item: usize) -> Option<Written> {
    let found = &outline.items[item];
    let start = found.text.start - outline.lines.start(found.line);
    let visible = outline.visible(found.line);
    let text = visible.get(start..)?;
    names::written(text).or_else(|| {
        // `[P] T012 title`: marks before the id.
        let rest = text.strip_prefix("[P]").or_else(|| text.strip_prefix("(P)"))?;
        let lead = text.len() - rest.trim_start().len();
        names::written(&text[lead..]).map(|written| Written { after: written.after + lead, ..written })
    })
}

fn named_headings(outline: &Outline<'_>) -> Vec<Found> {
    headings_named(outline, 2..=4)
}

/// The headings of some levels that are named like tasks.
pub(crate) fn headings_named(outline: &Outline<'_>, levels: std::ops::RangeInclusive<u8>) -> Vec<Found> {
    let mut classes: BTreeMap<usize, Vec<(usize, Written)>> = BTreeMap::new();
    let mut prefixes: BTreeMap<String, usize> = BTreeMap::new();
    let mut named: Vec<(usize, Written)> = Vec::new();
    // "Id alone" stands between Fix and Step in the order of preference.
    let rank = |word: usize| if word < 5 { word } else { word + 1 };
    for (index, heading) in outline.headings.iter().enumerate() {
        if !levels.contains(&heading.level) {
            continue;
        }
        let start = outline.lines.start(heading.line);
        let visible = outline.visible(heading.line);
        let text = visible.get(heading.text.start - start..heading.text.end - start).unwrap_or("");
        let skip = super::boxes::box_at(text)
            .map_or(0, |(_, _, _, length)| length + text[length..].len() - text[length..].trim_start().len());
        let emoji = text[skip..].len()
            - text[skip..]
                .trim_start_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '*' | '[' | '`'))
                .len();
        let Some(mut written) = names::written(&text[skip + emoji..]).filter(|written| written.ends) else {
            continue;
        };
        written.after += emoji;
        match &written.shape {
            Shape::Word(word) if WEAK.contains(&names::WORDS[*word]) && is_told(outline, index) => {}
            Shape::Word(word) => {
                classes.entry(rank(*word)).or_default().push((index, written));
            }
            Shape::Name(prefix) => {
                *prefixes.entry(prefix.clone()).or_default() += 1;
                named.push((index, written));
            }
            Shape::Number(_) => {}
        }
    }
    named.retain(|(_, written)| match &written.shape {
        Shape::Name(prefix) => prefixes.get(prefix).is_some_and(|count| *count > 1),
        Shape::Word(_) | Shape::Number(_) => false,
    });
    classes.insert(5, named);
    let Some(chosen) = classes.into_values().find(|headings| headings.len() > 1) else {
        return Vec::new();
    };
    let weak = |(_, written): &(usize, Written)| matches!(&written.shape, Shape::Word(word) if WEAK.contains(&names::WORDS[*word]));
    if chosen.iter().all(weak) && says_nothing(outline, &chosen) && tables::has_states(outline) {
        return Vec::new();
    }
    let word = chosen.first().and_then(|(_, written)| written.shape.word());
    // A named heading with named headings below it is a group.
    let parents: BTreeSet<usize> =
        chosen.iter().flat_map(|(heading, _)| ancestors(outline, *heading)).collect();
    let mut tasks: Vec<Found> = chosen
        .into_iter()
        .filter(|(heading, _)| !parents.contains(heading))
        .map(|(heading, written)| heading_task(outline, heading, Some((written.id, written.after))))
        .collect();
    join_boxes(outline, &mut tasks, word);
    tasks
}

/// Words before a number that head what was found as often as what is to be done.
const WEAK: &[&str] = &["issue", "fix"];

/// Whether a heading stands below one that says what was found out, or what was done already.
fn is_told(outline: &Outline<'_>, heading: usize) -> bool {
    ancestors(outline, heading).into_iter().any(|above| {
        let title = outline.headings[above].title.to_lowercase();
        let told = [
            "root cause",
            "analysis",
            "findings",
            "issues discovered",
            "issues found",
            "issues identified",
            "known issues",
            "problem",
            "actions taken",
            "fixes applied",
            "changes made",
            "lessons learned",
            "analýza",
            "zjištění",
            "příčiny",
        ];
        // The title of the document is about all of it.
        outline.headings[above].level > 1 && told.iter().any(|words| title.contains(words))
    })
}

/// Whether none of some headings has a box, a state or a field below it: they may well tell what was done.
fn says_nothing(outline: &Outline<'_>, headings: &[(usize, Written)]) -> bool {
    headings.iter().all(|(heading, _)| {
        let task = heading_task(outline, *heading, None);
        let first = outline.items.partition_point(|item| item.line < task.body.start);
        let mut items = outline.items[first..].iter().take_while(|item| item.line < task.body.end);
        task.mark.is_none()
            && task.title.status.is_none()
            && items.all(|item| item.mark.is_none())
            && fields::read(outline, task.fields, None).is_empty()
    })
}

/// The one heading of a plan that is named `Task`, where all boxes that count stand below it: a plan of one
/// task, in formats whose tasks are such headings.
pub(crate) fn single_task(outline: &Outline<'_>) -> Option<Findings> {
    let mut found = None;
    for (index, heading) in outline.headings.iter().enumerate() {
        let named = (2..=4).contains(&heading.level)
            && names::written(&heading.title).is_some_and(|written| {
                written.ends && written.shape.word().is_some_and(|word| names::WORDS[word] == "task")
            });
        if named && found.replace(index).is_some() {
            return None;
        }
    }
    let heading = found?;
    let body = outline.headings[heading].after..outline.headings[heading].end;
    let mut boxes = outline.items.iter().filter(|item| item.mark.is_some());
    let inside = boxes.all(|item| body.contains(&item.line) || outline.is_closed(item.heading));
    let text = &outline.lines.text[outline.headings[heading].text.clone()];
    let written = names::written(text).filter(|_| inside)?;
    let task = heading_task(outline, heading, Some((written.id, written.after)));
    Some(Findings { tasks: vec![task], rule: "a named heading" })
}

fn ancestors(outline: &Outline<'_>, heading: usize) -> Vec<usize> {
    std::iter::successors(outline.headings[heading].parent, |parent| outline.headings[*parent].parent)
        .collect()
}

/// A checklist of the same tasks gives them their boxes. `word` is what the headings are named: the box of
/// `Step 1` is none of `Task 1`.
fn join_boxes(outline: &Outline<'_>, tasks: &mut [Found], word: Option<usize>) {
    let mut by_id: BTreeMap<String, Option<usize>> = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        if let Some(id) = &task.id {
            by_id.entry(names::folded(id)).and_modify(|known| *known = None).or_insert(Some(index));
        }
    }
    for (index, item) in outline.items.iter().enumerate() {
        let Some(mark) = item.mark else { continue };
        let Some(written) = written_before(outline, index) else { continue };
        let other = written.shape.word().is_some_and(|own| word.is_some_and(|word| word != own));
        if other || matches!(written.shape, Shape::Number(_)) {
            continue;
        }
        if let Some(Some(task)) = by_id.get(&names::folded(&written.id)) {
            let task = &mut tasks[*task];
            if task.mark.is_none() && !task.body.contains(&item.line) && !inside_any(outline, item.heading) {
                task.line = item.line;
                task.holder = item.heading.map(Holder::Heading);
                task.mark = Some((item.line, mark));
            }
        }
    }
}

/// Whether a heading is named like a task: a box below it is one of its steps.
fn inside_any(outline: &Outline<'_>, heading: Option<usize>) -> bool {
    heading.is_some_and(|heading| {
        names::written(&outline.headings[heading].title)
            .is_some_and(|written| written.ends && !matches!(written.shape, Shape::Number(_)))
    })
}

fn named_boxes(outline: &Outline<'_>) -> Vec<Found> {
    let mut found: Vec<(usize, Written)> = Vec::new();
    for (index, item) in outline.items.iter().enumerate() {
        if item.mark.is_some()
            && let Some(written) = written_before(outline, index)
        {
            found.push((index, written));
        }
    }
    // A label above the list does not close it: an id is explicit.
    let closed = |item: usize| outline.is_closed(outline.items[item].heading);
    for word in BOX_WORDS {
        let chosen: Vec<&(usize, Written)> = found
            .iter()
            .filter(|(item, written)| {
                matches!(&written.shape, Shape::Word(index) if names::WORDS[*index] == *word)
                    && !closed(*item)
            })
            .collect();
        if !chosen.is_empty() {
            let holders = BTreeMap::new();
            return with_siblings(outline, chosen.into_iter().cloned().collect(), &holders);
        }
    }
    let prefixes = letters_in_use(&found);
    let numbers: BTreeSet<String> = found
        .iter()
        .filter(|(_, written)| matches!(written.shape, Shape::Number(_)))
        .map(|(_, written)| written.id.trim_end_matches(".0").to_owned())
        .collect();
    let parents_of_numbers: BTreeSet<String> =
        numbers.iter().filter(|id| depth(id) == 2).filter_map(|id| parent_number(id)).collect();
    let mut holders: BTreeMap<usize, usize> = BTreeMap::new();
    let mut chosen: Vec<(usize, Written)> = Vec::new();
    let mut last_parent: BTreeMap<String, usize> = BTreeMap::new();
    for (item, written) in found {
        let keep = match &written.shape {
            Shape::Word(_) => false,
            Shape::Name(prefix) => {
                let spec_kit = prefix == "T" && written.id.len() >= 4;
                let known = spec_kit
                    || prefixes
                        .get(prefix)
                        .is_some_and(|shared| *shared || (written.set_off && prefixes.len() == 1));
                known && (spec_kit || !closed(item))
            }
            Shape::Number(level) => {
                let bare = written.id.trim_end_matches(".0");
                let heading = outline.items[item].heading;
                let own =
                    !closed(item) || heading.is_some_and(|heading| numbered_like(outline, heading, bare));
                let task = match *level {
                    // `1.1a` below `1.1` is a step of it, as `1.1.1` is.
                    2 if is_lettered_step(outline, item, &written.id) => false,
                    1 => {
                        let is_group = parents_of_numbers.contains(bare);
                        if is_group {
                            last_parent.insert(bare.to_owned(), item);
                        }
                        !is_group
                    }
                    2 => {
                        if let Some(parent) = parent_number(bare).and_then(|parent| last_parent.get(&parent))
                        {
                            holders.insert(item, *parent);
                        }
                        true
                    }
                    _ => two_deep(bare).is_some_and(|parent| !numbers.contains(parent)),
                };
                own && task
            }
        };
        if keep {
            chosen.push((item, written));
        }
    }
    // A named box with named boxes below it is their group.
    let above: BTreeSet<usize> = chosen.iter().filter_map(|(item, _)| outline.items[*item].parent).collect();
    for (item, _) in &chosen {
        if let Some(parent) = outline.items[*item].parent {
            holders.entry(*item).or_insert(parent);
        }
    }
    chosen.retain(|(item, _)| !above.contains(item));
    with_siblings(outline, chosen, &holders)
}

/// The letters of ids, and whether two different ids share them.
fn letters_in_use(found: &[(usize, Written)]) -> BTreeMap<String, bool> {
    let mut prefixes: BTreeMap<&str, (&str, bool)> = BTreeMap::new();
    for (_, written) in found {
        if let Shape::Name(prefix) = &written.shape {
            let (first, shared) = prefixes.entry(prefix).or_insert((&written.id, false));
            *shared |= *first != written.id;
        }
    }
    prefixes.into_iter().map(|(prefix, (_, shared))| (prefix.to_owned(), shared)).collect()
}

/// Whether an item stands below the box of the same number without its letter.
fn is_lettered_step(outline: &Outline<'_>, item: usize, id: &str) -> bool {
    let Some(bare) = id.strip_suffix(|c: char| c.is_ascii_alphabetic()) else { return false };
    let parent = outline.items[item].parent.filter(|parent| outline.items[*parent].mark.is_some());
    parent.and_then(|parent| written_before(outline, parent)).is_some_and(|written| written.id == bare)
}

fn depth(id: &str) -> usize {
    id.bytes().filter(|byte| *byte == b'.').count() + 1
}

fn parent_number(id: &str) -> Option<String> {
    id.split('.').next().map(str::to_owned)
}

/// The first two numbers of an id.
fn two_deep(id: &str) -> Option<&str> {
    let (first, _) = id.match_indices('.').nth(1)?;
    id.get(..first)
}

/// Whether a heading carries the number under which an id stands: `## 6. Verification` with `6.1`.
fn numbered_like(outline: &Outline<'_>, heading: usize, id: &str) -> bool {
    let digits: String = outline.headings[heading].title.chars().take_while(char::is_ascii_digit).collect();
    !digits.is_empty() && parent_number(id).as_deref() == Some(&digits)
}

/// Makes tasks of items with ids, given in their order, and of the boxes without one in the same lists.
fn with_siblings(
    outline: &Outline<'_>,
    chosen: Vec<(usize, Written)>,
    holders: &BTreeMap<usize, usize>,
) -> Vec<Found> {
    let mut lists: BTreeMap<(Option<usize>, usize, usize), Option<usize>> = BTreeMap::new();
    for (item, _) in &chosen {
        let found = &outline.items[*item];
        lists.entry((found.parent, found.list, found.indent)).or_insert(holders.get(item).copied());
    }
    let groups: BTreeSet<usize> = holders.values().copied().collect();
    let mut tasks = Vec::with_capacity(chosen.len());
    let mut chosen = chosen.into_iter().peekable();
    for (index, item) in outline.items.iter().enumerate() {
        let (written, holder) = if let Some((_, written)) = chosen.next_if(|(chosen, _)| *chosen == index) {
            (Some(written), holders.get(&index).copied())
        } else {
            if item.mark.is_none() || item.closed_label || groups.contains(&index) {
                continue;
            }
            match lists.get(&(item.parent, item.list, item.indent)) {
                Some(holder)
                    if written_before(outline, index).is_none() && !outline.is_closed(item.heading) =>
                {
                    (None, *holder)
                }
                Some(_) | None => continue,
            }
        };
        let ordered = written.is_some();
        let mut task = item_task(outline, index, written.map(|written| (written.id, written.after)));
        if let Some(holder) = holder {
            task.holder = Some(Holder::Item(holder));
        }
        task.ordered |= ordered;
        tasks.push(task);
    }
    tasks
}

fn bold_items(outline: &Outline<'_>) -> Vec<Found> {
    let with_boxes: BTreeSet<usize> =
        outline.items.iter().filter(|item| item.mark.is_some()).filter_map(|item| item.parent).collect();
    let is_bold = |index: &usize| {
        let item = &outline.items[*index];
        item.ordinal.is_some()
            && item.mark.is_none()
            && item.parent.is_none()
            && !item.closed_label
            && !outline.is_closed(item.heading)
            && outline.lines.text[item.text.clone()].starts_with("**")
    };
    let sections: BTreeSet<Option<usize>> =
        with_boxes.iter().filter(|index| is_bold(index)).map(|index| outline.items[*index].heading).collect();
    if sections.is_empty() {
        return Vec::new();
    }
    // One without boxes beside one with them is as much of a task, and so is one in another phase.
    let is_phase = |heading: Option<usize>| {
        heading.is_some_and(|heading| phases::phase_number(&outline.headings[heading].title).is_some())
    };
    let in_phases = sections.iter().any(|heading| is_phase(*heading));
    (0..outline.items.len())
        .filter(is_bold)
        .filter(|index| {
            let heading = outline.items[*index].heading;
            sections.contains(&heading) || (in_phases && is_phase(heading))
        })
        .map(|item| item_task(outline, item, None))
        .collect()
}

fn plain_boxes(outline: &Outline<'_>) -> Vec<Found> {
    // A card's boxes are its checklist, unless a heading or label says otherwise by not being closed.
    let mut tasks: Vec<Found> = (0..outline.items.len())
        .filter(|index| {
            let item = &outline.items[*index];
            item.mark.is_some() && !item.below_box && !item.closed_label && !outline.is_closed(item.heading)
        })
        .map(|index| {
            let mut task = item_task(outline, index, None);
            if let Some(parent) = outline.items[index].parent {
                task.holder = Some(Holder::Item(parent));
            }
            task
        })
        .collect();
    phases::join_listed(outline, &mut tasks);
    tasks
}

fn card(outline: &Outline<'_>) -> Vec<Found> {
    let end = outline.headings.get(1).map_or(outline.lines.len(), |heading| heading.line);
    let start =
        outline.headings.first().filter(|heading| heading.level == 1).map_or(0, |heading| heading.after);
    let executor =
        fields::read(outline, start..end.max(start), None).iter().any(|field| is_executor(&field.name));
    if executor { vec![whole(outline)] } else { Vec::new() }
}

/// Whether the name of a header field says who does the work, not who wrote the document.
pub(crate) fn is_executor(name: &str) -> bool {
    let name = name.to_lowercase();
    name.starts_with("executor") || name.starts_with("assigned") || name.starts_with("assignee")
}

/// Every group as one task, for `--granularity group`.
pub(crate) fn groups(outline: &Outline<'_>, findings: Findings) -> Findings {
    let mut tasks = Vec::new();
    let mut seen = BTreeSet::new();
    for found in findings.tasks {
        let Some(holder) = found.holder else {
            tasks.push(found);
            continue;
        };
        if !seen.insert(holder) {
            continue;
        }
        tasks.push(match holder {
            Holder::Heading(heading) => {
                let mut task = heading_task(outline, heading, None);
                task.body = outline.headings[heading].after..outline.headings[heading].own_end;
                task
            }
            Holder::Item(item) => item_task(
                outline,
                item,
                written_before(outline, item).map(|written| (written.id, written.after)),
            ),
        });
    }
    Findings { tasks, rule: "every group is one task (--granularity group)" }
}
