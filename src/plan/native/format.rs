//! Key lists in their canonical form, and nothing else changed.
//!
//! A key list is a run of list items below a task or group, at the level where the reader looks for keys,
//! that begins with a known one. Its items are put in order, the names of keys are written bold and as
//! `orchestrate` calls them, and values that are lists, durations, counts and words in their usual form.
//! Whatever a value says besides is left as it stands, and so is an item that is no known key.
//!
//! The text is read again: a list whose change would be read as another plan is left as it was.

use std::ops::Range;

use super::canonical;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::Severity;
use crate::plan::blocks::LineKind;
use crate::plan::fields;
use crate::plan::formats::Format;
use crate::plan::found::Found;
use crate::plan::found::Holder;
use crate::plan::found::Source;
use crate::plan::matter;
use crate::plan::native::keys::NativeKey;
use crate::plan::native::read::key_list;
use crate::plan::native::read::key_name;
use crate::plan::outline::Outline;
use crate::plan::reader;
use crate::plan::types::Defaults;
use crate::plan::types::Details;
use crate::plan::types::Plan;
use crate::plan::types::PlanCommand;
use crate::plan::types::ReadOptions;

/// A text with its key lists in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formatted {
    /// All of it.
    pub text: String,
    /// The first lines of the lists that are different, 1-based.
    pub changed: Vec<u32>,
}

/// Writes the key lists of a plan's tasks and groups in their canonical form.
///
/// A text that is no native plan, that has mistakes, or whose lists are in that form, comes back as it is. The
/// plan that is read afterwards is the same as before, its texts and lines apart.
pub fn format_keys(text: &str, options: &ReadOptions) -> Formatted {
    let unchanged = || Formatted { text: text.to_owned(), changed: Vec::new() };
    let before = reader::read(text.as_bytes(), options);
    let format = Format::from_name(&before.format).filter(|format| format.has_native_keys());
    let Some(format) = format.filter(|_| !before.has_errors()) else { return unchanged() };
    let outline = Outline::read(text);
    let matter = matter::read(&outline, &mut Vec::new());
    let (findings, _) = reader::findings(&outline, format, &matter.todos, options);
    let mut lists = Vec::new();
    let exact = format == Format::Native;
    for (span, owner) in places(&outline, &findings.tasks) {
        // In an exact plan what stands below the first list is text.
        let span = if exact { key_list(&outline, span, owner) } else { span };
        in_place(&outline, span, owner, exact, &mut lists);
    }
    lists.sort_by_key(|list| list.bytes.start);
    lists.dedup_by_key(|list| list.bytes.start);
    lists.retain(|list| list.text != text[list.bytes.clone()]);
    // Where the keys of one task stand in the text of another, they are those of the first.
    let mut end = 0;
    lists.retain(|list| {
        let follows = list.bytes.start >= end;
        end = if follows { list.bytes.end } else { end };
        follows
    });
    let wanted = bare(&before);
    let kept = accepted(text, &lists, options, &wanted);
    Formatted { text: with(text, &kept), changed: kept.iter().map(|list| list.line).collect() }
}

/// A key list with the text that takes its place.
#[derive(Debug, Clone)]
struct List {
    line: u32,
    bytes: Range<usize>,
    text: String,
}

/// The lists that can be changed so that the same plan is read. Halves are tried where the whole is not.
fn accepted<'l>(text: &str, lists: &'l [List], options: &ReadOptions, wanted: &Plan) -> Vec<&'l List> {
    let all: Vec<&List> = lists.iter().collect();
    if all.is_empty() || bare(&reader::read(with(text, &all).as_bytes(), options)) == *wanted {
        return all;
    }
    if lists.len() == 1 {
        return Vec::new();
    }
    let (first, second) = lists.split_at(lists.len() / 2);
    let mut kept = accepted(text, first, options, wanted);
    kept.extend(accepted(text, second, options, wanted));
    kept
}

fn with(text: &str, lists: &[&List]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for list in lists {
        out.push_str(&text[from..list.bytes.start]);
        out.push_str(&list.text);
        from = list.bytes.end;
    }
    out.push_str(&text[from..]);
    out
}

/// A plan without what a change of its lists may change: places and texts.
fn bare(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    let unplaced = |command: &mut PlanCommand| command.line = 0;
    let defaults = |defaults: &mut Defaults| defaults.verify.iter_mut().for_each(unplaced);
    for task in &mut plan.tasks {
        task.body.clear();
        task.tick = None;
        task.line = 0;
        task.by_line = None;
        let details: &mut Details = task;
        details.origins.clear();
        details.command.iter_mut().chain(&mut details.shell).for_each(unplaced);
        defaults(&mut details.own);
    }
    for group in &mut plan.groups {
        group.context.clear();
        group.line = 0;
        group.origins.clear();
        defaults(&mut group.defaults);
    }
    defaults(&mut plan.defaults);
    plan.preamble.clear();
    plan.origins.clear();
    plan.advice.iter_mut().for_each(|advice| advice.line = 0);
    plan.edges.iter_mut().for_each(|edge| edge.line = None);
    plan.ignored.iter_mut().for_each(|ignored| ignored.line = 0);
    // What is said of a plan names lines; that the same is said of the same things is enough.
    let mut codes: Vec<(&'static str, Severity)> =
        plan.diagnostics.iter().map(|diagnostic| (diagnostic.code, diagnostic.severity)).collect();
    codes.sort_unstable();
    plan.diagnostics = codes
        .into_iter()
        .map(|(code, severity)| match severity {
            Severity::Error => Diagnostic::error(code, Place::WHOLE, ""),
            Severity::Warning | Severity::Note => Diagnostic::warning(code, Place::WHOLE, ""),
        })
        .collect();
    plan
}

/// Where the keys of tasks and groups stand: lines, and the item they belong to.
fn places(outline: &Outline<'_>, tasks: &[Found]) -> Vec<(Range<usize>, Option<usize>)> {
    let mut places = Vec::new();
    let mut held = None;
    let mut groups: Vec<(Range<usize>, Option<usize>)> = Vec::new();
    for task in tasks {
        match task.source {
            Source::Item(item) => places.push((task.fields.clone(), Some(item))),
            Source::Heading(_) => places.push((task.fields.clone(), None)),
            Source::None => {}
        }
        if task.holder != held {
            held = task.holder;
            let mut around = match task.holder {
                Some(Holder::Heading(heading)) => Some(heading),
                Some(Holder::Item(item)) => {
                    let found = &outline.items[item];
                    groups.push((found.line + 1..found.end.min(task.line.max(found.line + 1)), Some(item)));
                    found.heading
                }
                None => None,
            };
            // A heading around a group has its keys before the next heading.
            while let Some(heading) = around {
                let found = &outline.headings[heading];
                if found.level > 1 {
                    groups.push((found.after..found.own_end.min(task.line.max(found.after)), None));
                }
                around = found.parent;
            }
        }
    }
    groups.sort_by_key(|(span, _)| (span.start, span.end));
    groups.dedup_by_key(|(span, _)| span.start);
    places.extend(groups);
    places
}

/// One item of a list.
struct Entry {
    /// None: it stays where it is, as it is.
    key: Option<NativeKey>,
    text: String,
    ending: String,
}

/// Finds the lists in a place, and writes each anew.
fn in_place(
    outline: &Outline<'_>,
    span: Range<usize>,
    owner: Option<usize>,
    exact: bool,
    lists: &mut Vec<List>,
) {
    let mut line = span.start;
    while line < span.end {
        let start = line;
        let mut entries = Vec::new();
        while let Some((entry, next)) = entry(outline, line, &span, owner, exact) {
            if entries.is_empty() && entry.key.is_none() {
                break;
            }
            entries.push(entry);
            line = next;
        }
        if entries.is_empty() {
            // What is nested in another item is none of this level.
            let end = outline.item_at(line).map_or(line + 1, |item| outline.items[item].end);
            line = end.max(line + 1);
            continue;
        }
        let bytes = outline.lines.start(start)..outline.lines.start(line);
        lists.push(List { line: crate::plan::lines::number(start), bytes, text: in_order(&entries) });
    }
}

/// The item of a list that begins on a line, and the line after it.
fn entry(
    outline: &Outline<'_>,
    line: usize,
    span: &Range<usize>,
    owner: Option<usize>,
    exact: bool,
) -> Option<(Entry, usize)> {
    let index = outline.item_at(line).filter(|_| line < span.end)?;
    let item = &outline.items[index];
    let bytes = item.text.clone();
    let raw = outline.lines.text.get(bytes.clone())?;
    let (name, _) = fields::split(raw)?;
    if item.parent != owner
        || item.mark.is_some()
        || item.ordinal.is_some()
        || outline.kind(line) != LineKind::Text
    {
        return None;
    }
    // An exact plan's list ends at its first blank line; what is loose elsewhere ends it too.
    let mut next = line + 1;
    while next < item.end.min(span.end) && outline.kind(next) != LineKind::Blank {
        next += 1;
    }
    let (from, to) = (outline.lines.start(line), outline.lines.start(next));
    let whole = &outline.lines.text[from..to];
    let bare = whole.trim_end_matches(['\n', '\r']);
    let ending = whole[bare.len()..].to_owned();
    let own = NativeKey::exact_only(name).filter(|_| exact);
    let key = match own {
        Some(key) => Some(key),
        None => key_name(outline, index).and_then(|(name, _)| fields::key_of(name)).and_then(canonical::key),
    };
    let nested = next > line + 1 || next < item.end.min(span.end);
    let written = key.filter(|_| !raw.contains("<!--") && !raw.contains(" | **")).map(|key| {
        let text = canonical::item(key, raw, nested);
        let after = &outline.lines.text[bytes.end..to - ending.len()];
        format!("{}{text}{after}", &outline.lines.text[from..bytes.start])
    });
    let text = written.unwrap_or_else(|| bare.to_owned());
    Some((Entry { key, text, ending }, next))
}

/// Puts the keys in order; items without one keep their place, and every place its line ending.
fn in_order(entries: &[Entry]) -> String {
    let endings: Vec<String> = entries.iter().map(|entry| entry.ending.clone()).collect();
    let mut keys: Vec<(NativeKey, usize)> =
        entries.iter().enumerate().filter_map(|(place, entry)| entry.key.map(|key| (key, place))).collect();
    keys.sort_by_key(|(key, _)| *key);
    let mut sorted = keys.into_iter().map(|(_, place)| place);
    let mut out = String::new();
    for (place, (entry, ending)) in entries.iter().zip(&endings).enumerate() {
        let from = if entry.key.is_some() { sorted.next().unwrap_or(place) } else { place };
        out.push_str(&entries[from].text);
        out.push_str(ending);
    }
    out
}
