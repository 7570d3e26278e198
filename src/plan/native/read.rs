//! How an exact plan is read: what is a task, where its keys and its text stand, what it waits for.
//!
//! Only finding, names and texts are read here; values of keys are read as in any plan (`facts`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Range;

use super::keys;
use super::keys::NativeKey;
use super::text::BODY;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::task::HeldReason;
use crate::model::task::TaskKind;
use crate::plan::blocks::LineKind;
use crate::plan::boxes;
use crate::plan::facts::Facts;
use crate::plan::facts::Stated;
use crate::plan::fields;
use crate::plan::found::Findings;
use crate::plan::found::Found;
use crate::plan::found::Holder;
use crate::plan::found::Source;
use crate::plan::found::heading_task;
use crate::plan::found::item_task;
use crate::plan::groups;
use crate::plan::groups::group;
use crate::plan::names;
use crate::plan::names::Shape;
use crate::plan::outline::Outline;
use crate::plan::references;
use crate::plan::titles::Title;
use crate::plan::types::Dependency;
use crate::plan::types::Group;
use crate::plan::types::Plan;
use crate::plan::types::PlanCommand;
use crate::plan::values;
use crate::plan::words;

/// The rule that found the tasks, in words.
pub(crate) const RULE: &str = "boxes and headings with boxes, exactly";

/// A heading's text up to the end of its line, number signs behind it and comments included.
fn heading_text<'t>(outline: &Outline<'t>, heading: usize) -> &'t str {
    let heading = &outline.headings[heading];
    outline.lines.text.get(heading.text.start..outline.lines.end(heading.line)).unwrap_or("").trim()
}

/// The title of a group as its heading has it: a backslash keeps what looks like a box from being one.
pub(crate) fn escaped(title: &str) -> Cow<'_, str> {
    let looks_like = boxes::box_at(title.trim_start_matches('\\')).is_some();
    if looks_like { Cow::Owned(format!("\\{title}")) } else { Cow::Borrowed(title) }
}

fn unescaped(title: &str) -> &str {
    let looks_like = boxes::box_at(title.trim_start_matches('\\')).is_some();
    title.strip_prefix('\\').filter(|_| looks_like).unwrap_or(title)
}

/// Whether a text begins with a list of keys.
pub(crate) fn begins_with_keys(text: &str) -> bool {
    let outline = Outline::read(text);
    !key_list(&outline, 0..outline.lines.len(), None).is_empty()
}

/// Finds the tasks.
pub(crate) fn findings(outline: &Outline<'_>) -> Findings {
    let mut tasks = Vec::new();
    let mut bodies: Vec<Range<usize>> = Vec::new();
    let mut end = 0;
    for index in 0..outline.headings.len() {
        let heading = &outline.headings[index];
        if heading.line < end || heading.level < 2 {
            continue;
        }
        let text = heading_text(outline, index);
        let Some((_, _, _, length)) = boxes::box_at(text) else { continue };
        end = heading.end;
        bodies.push(heading.line..end);
        let mut found = heading_task(outline, index, None);
        found.holder = holder(outline, heading.parent);
        let title = text.get(length..).unwrap_or("");
        tasks.push(named(outline, found, title, heading.after..end, None));
    }
    for index in 0..outline.items.len() {
        let item = &outline.items[index];
        let before = bodies.partition_point(|body| body.end <= item.line);
        let inside = bodies.get(before).is_some_and(|body| body.start <= item.line);
        if item.mark.is_none() || item.parent.is_some() || inside {
            continue;
        }
        let mut found = item_task(outline, index, None);
        found.holder = holder(outline, item.heading);
        let title = outline.lines.text.get(item.text.clone()).unwrap_or("");
        tasks.push(named(outline, found, title, item.line + 1..item.end, Some(index)));
    }
    tasks.sort_by_key(|task| task.line);
    Findings { tasks, rule: RULE }
}

/// The group around something: its innermost heading, but for the plan's own.
fn holder(outline: &Outline<'_>, heading: Option<usize>) -> Option<Holder> {
    heading.filter(|heading| outline.headings[*heading].level > 1).map(Holder::Heading)
}

/// Gives a task its title, its id and the lines of its keys.
fn named(
    outline: &Outline<'_>,
    mut found: Found,
    text: &str,
    span: Range<usize>,
    owner: Option<usize>,
) -> Found {
    found.fields = key_list(outline, span, owner);
    let text = text.trim();
    let id = own_value(outline, &found.fields, owner, NativeKey::Id).map(str::to_owned);
    let (id, title, by_line) = match id {
        Some(id) => (Some(id), text, false),
        None => match line_id(text) {
            Some((id, after)) => (Some(id), text.get(after..).unwrap_or("").trim(), true),
            None => (None, text, false),
        },
    };
    found.ordered |= by_line;
    if let Some(value) = own_value(outline, &found.fields, owner, NativeKey::Ordered) {
        found.ordered = words::yes_or_no(value).unwrap_or(found.ordered);
    }
    found.id = id.filter(|id| !id.is_empty());
    found.title = Title { text: title.to_owned(), ..Title::default() };
    found
}

/// The id at the start of a title's line: one that is set off from it, or cannot be a word of it.
pub(crate) fn line_id(text: &str) -> Option<(String, usize)> {
    let written = names::written(text)?;
    let is_id = match &written.shape {
        Shape::Name(letters) => written.set_off || (letters == "T" && written.id.len() >= 4),
        Shape::Number(deep) => *deep > 1 || written.ends,
        Shape::Word(_) => written.ends,
    };
    is_id.then_some((written.id, written.after))
}

/// The lines of the list of keys directly below a task or group: to the first item that is no key, or the
/// first blank line.
pub(crate) fn key_list(outline: &Outline<'_>, span: Range<usize>, owner: Option<usize>) -> Range<usize> {
    let mut start = span.start;
    if owner.is_none() {
        while start < span.end && outline.kind(start) == LineKind::Blank {
            start += 1;
        }
    }
    let mut line = start;
    while line < span.end {
        let Some(index) = outline.item_at(line) else { break };
        let item = &outline.items[index];
        if item.parent != owner || item.mark.is_some() || key_name(outline, index).is_none() {
            break;
        }
        let end = item.end.min(span.end);
        line += 1;
        while line < end && outline.kind(line) != LineKind::Blank {
            line += 1;
        }
    }
    start..line
}

/// The name of the key that an item is, with the bytes of its value.
pub(crate) fn key_name<'t>(outline: &Outline<'t>, item: usize) -> Option<(&'t str, Range<usize>)> {
    let range = outline.items[item].text.clone();
    let (name, value) = fields::split(outline.lines.text.get(range.clone())?)?;
    let known = fields::key_of(name).is_some() || NativeKey::exact_only(name).is_some();
    known.then_some((name, range.start + value.start..range.start + value.end))
}

/// The value of a key that only exact plans have.
fn own_value<'t>(
    outline: &Outline<'t>,
    lines: &Range<usize>,
    owner: Option<usize>,
    key: NativeKey,
) -> Option<&'t str> {
    lines.clone().find_map(|line| {
        let item = outline.item_at(line).filter(|item| outline.items[*item].parent == owner)?;
        let (name, value) = key_name(outline, item)?;
        let value = outline.lines.text.get(value)?;
        (NativeKey::exact_only(name) == Some(key)).then(|| keys::unspan(value))
    })
}

/// The text of some lines: what stands in their only fence, if they are a fence of text.
fn unfolded(outline: &Outline<'_>, lines: Range<usize>) -> Option<String> {
    let first = lines.clone().find(|line| outline.kind(*line) != LineKind::Blank)?;
    let fences = &outline.blocks.fences;
    let fence = fences.get(fences.partition_point(|fence| fence.line < first))?;
    if fence.line != first || fence.info != BODY {
        return None;
    }
    let after = fence.inside.end + 1;
    let alone = (after..lines.end).all(|line| outline.kind(line) == LineKind::Blank);
    alone.then(|| outline.lines.slice(fence.inside.start, fence.inside.end).to_owned())
}

/// The keys and the text below them, out of its fence.
fn whole(outline: &Outline<'_>, list: &Range<usize>, end: usize) -> (String, Option<String>) {
    let keys = outline.lines.slice(list.start, list.end.max(list.start));
    match unfolded(outline, list.end..end) {
        Some(text) => {
            let between = if keys.is_empty() { "" } else { "\n" };
            (format!("{keys}{between}{text}"), Some(text))
        }
        None => (outline.lines.slice(list.start, end.max(list.start)).to_owned(), None),
    }
}

/// The shell fences of a text; their lines are those of that text.
fn shell_fences(outline: &Outline<'_>, lines: Range<usize>) -> Vec<PlanCommand> {
    let first = outline.blocks.fences.partition_point(|fence| fence.line < lines.start);
    outline.blocks.fences[first..]
        .iter()
        .take_while(|fence| fence.line < lines.end)
        .filter(|fence| values::is_shell(&fence.info))
        .map(|fence| PlanCommand {
            line: crate::plan::lines::number(fence.line + 1),
            text: values::fence_text(outline, &fence.inside),
        })
        .collect()
}

/// Makes a group of its heading: nothing is read into the title.
pub(crate) fn made_group(
    outline: &Outline<'_>,
    heading: usize,
    parent: Option<usize>,
    fact: &Facts,
) -> Group {
    let found = &outline.headings[heading];
    let title = unescaped(heading_text(outline, heading));
    let list = key_list(outline, found.after..found.own_end, None);
    let id = own_value(outline, &list, None, NativeKey::Id).map(str::to_owned);
    let guess = group(title, found.line, parent, fact);
    let limit = field_text(outline, &list, fields::Key::Parallel).and_then(|value| {
        value.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?.parse().ok()
    });
    Group {
        number: id.or(guess.number),
        title: title.to_owned(),
        parallel: fact.parallel,
        limit,
        status: fact.status,
        defaults: fact.defaults.clone(),
        ..guess
    }
}

fn field_text<'t>(outline: &Outline<'t>, lines: &Range<usize>, key: fields::Key) -> Option<&'t str> {
    let found = fields::read(outline, lines.clone(), None);
    found.into_iter().find(|field| field.key == key).and_then(|field| outline.lines.text.get(field.value))
}

/// Gives tasks and groups what is read in no other plan: their texts, kinds, and what they wait for.
pub(crate) fn finish(
    outline: &Outline<'_>,
    found: &[Found],
    stated: &[Vec<Stated>],
    groups: &[Facts],
    assumed: &BTreeSet<String>,
    plan: &mut Plan,
) {
    preamble(outline, plan);
    for (task, found) in plan.tasks.iter_mut().zip(found) {
        let owner = match found.source {
            Source::Item(item) => Some(item),
            Source::Heading(_) | Source::None => None,
        };
        let (body, folded) = whole(outline, &found.fields, found.body.end.max(found.body.start));
        // As everywhere the only shell fence counts, be it the value of a key.
        let mut shells = match &folded {
            Some(text) => {
                let inner = Outline::read(text);
                let mut shells = shell_fences(outline, found.fields.clone());
                shells.extend(shell_fences(&inner, 0..inner.lines.len()));
                shells
            }
            None => shell_fences(outline, found.body.clone()),
        };
        task.shell = shells.pop().filter(|shell| shells.is_empty() && !shell.text.is_empty());
        task.body = body;
        match own_value(outline, &found.fields, owner, NativeKey::Kind).map(str::to_lowercase).as_deref() {
            Some("gate") => task.kind = TaskKind::Gate,
            Some("checkpoint") => task.kind = TaskKind::Checkpoint,
            Some("task") => task.kind = TaskKind::Task,
            Some(other) => {
                let message = format!("`{other}` is no kind of task");
                plan.diagnostics.push(
                    Diagnostic::error("bad-value", Place::line(task.line), message)
                        .hint("write task, checkpoint or gate"),
                );
            }
            None => {}
        }
    }
    let by_line: BTreeMap<usize, usize> =
        outline.headings.iter().enumerate().map(|(index, heading)| (heading.line, index)).collect();
    for group in &mut plan.groups {
        let line = usize::try_from(group.line).unwrap_or(1).saturating_sub(1);
        let Some(heading) = by_line.get(&line).map(|index| &outline.headings[*index]) else { continue };
        let first = found.partition_point(|task| task.line < heading.line);
        let end = found.get(first).map_or(heading.own_end, |task| task.line.min(heading.own_end));
        let list = key_list(outline, heading.after..end, None);
        whole(outline, &list, end).0.trim().clone_into(&mut group.context);
    }
    dependencies(stated, groups, assumed, plan);
}

/// What stands between the plan's title and its first group or task.
fn preamble(outline: &Outline<'_>, plan: &mut Plan) {
    let title = outline.headings.first().filter(|heading| heading.level == 1);
    let matter = outline.blocks.front_matter.as_ref().map_or(0, |matter| matter.end + 1);
    let after = title.map_or(matter, |heading| heading.after);
    let first =
        plan.tasks.iter().map(|task| task.line).chain(plan.groups.iter().map(|group| group.line)).min();
    let end = first.map_or(outline.lines.len(), |line| usize::try_from(line).unwrap_or(1).saturating_sub(1));
    let text = unfolded(outline, after..end)
        .unwrap_or_else(|| outline.lines.slice(after, end.max(after)).to_owned());
    text.trim().clone_into(&mut plan.preamble);
    if title.is_some() {
        heading_text(outline, 0).clone_into(&mut plan.title);
    }
}

/// Names in exact plans.
struct Names {
    tasks: BTreeMap<String, usize>,
    /// By number and by title; none: several bear it.
    groups: BTreeMap<String, Option<usize>>,
}

impl Names {
    fn new(plan: &Plan) -> Self {
        let tasks = plan.tasks.iter().enumerate().map(|(index, task)| (task.id.to_string(), index)).collect();
        let mut groups: BTreeMap<String, Option<usize>> = BTreeMap::new();
        let mut add = |name: &str, index: usize| {
            let known = groups.entry(name.to_owned()).or_insert(Some(index));
            if *known != Some(index) {
                *known = None;
            }
        };
        for (index, group) in plan.groups.iter().enumerate() {
            if let Some(number) = &group.number {
                add(number, index);
            }
            add(&group.title, index);
        }
        Self { tasks, groups }
    }

    /// What a piece of a value names; none: nothing of this plan.
    fn find(&self, piece: &str) -> Option<Dependency> {
        if let Some(task) = self.tasks.get(keys::unspan(piece)) {
            return Some(Dependency::Task(*task));
        }
        let group = piece.strip_prefix("group ").or_else(|| piece.strip_prefix("Group "));
        let name = group.map_or_else(|| keys::unspan(piece), keys::unspan);
        let bare = name.strip_prefix("Phase ").unwrap_or(name);
        let found = self.groups.get(name).or_else(|| self.groups.get(bare)).copied().flatten();
        found.map(Dependency::Group)
    }
}

/// Resolves what tasks and groups say they wait for: ids as they are, `group NAME`, or `none`.
fn dependencies(stated: &[Vec<Stated>], groups: &[Facts], assumed: &BTreeSet<String>, plan: &mut Plan) {
    let names = Names::new(plan);
    let resolve = |stated: &[Stated]| {
        let (mut edges, mut missing) = (Vec::new(), Vec::new());
        for (value, _) in stated {
            // A task may be called like the word.
            if !value.contains('`') && references::is_none(value) {
                continue;
            }
            for piece in keys::pieces(value) {
                match names.find(piece) {
                    Some(edge) => edges.push(edge),
                    None => missing.push(keys::unspan(piece).to_owned()),
                }
            }
        }
        edges.sort_unstable();
        edges.dedup();
        missing.retain(|id| !assumed.contains(&names::folded(id)));
        (edges, missing)
    };
    let mut told = Vec::new();
    for (task, stated) in plan.tasks.iter_mut().zip(stated) {
        if stated.is_empty() {
            continue;
        }
        let (edges, missing) = resolve(stated);
        for id in &missing {
            let message =
                format!("task `{}` waits for `{id}`, which is not of this plan: it is held", task.id);
            told.push(
                Diagnostic::warning("missing-dependency", Place::line(task.line), message)
                    .hint(format!("once that is done, add --assume-done {id}")),
            );
        }
        task.states_dependencies = true;
        task.depends_on = edges;
        if !missing.is_empty() {
            task.held.extend(missing.iter().map(|id| HeldReason::MissingDependency(id.clone())));
            task.missing = missing;
        }
    }
    for (index, (made, fact)) in plan.groups.iter_mut().zip(groups).enumerate() {
        if fact.depends.is_empty() {
            continue;
        }
        let (mut edges, missing) = resolve(&fact.depends);
        edges.retain(|edge| *edge != Dependency::Group(index));
        for name in &missing {
            let message = format!(
                "group `{}` depends on `{name}`, which the plan does not have: it is held",
                made.title
            );
            told.push(
                Diagnostic::warning("missing-dependency", Place::line(made.line), message)
                    .hint("name the id of a task, or `group` and its number or title"),
            );
        }
        made.states_dependencies = true;
        made.depends_on = edges;
        made.missing = missing;
    }
    groups::hold_members(plan);
    plan.diagnostics.extend(told);
}
