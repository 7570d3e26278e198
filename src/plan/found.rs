//! What a reader finds before fields, ids and order are made of it.

use std::ops::Range;

use super::blocks::LineKind;
use super::boxes::Mark;
use super::outline::Item;
use super::outline::Outline;
use super::titles;
use super::titles::Title;
use crate::model::task::PlanStatus;

/// What holds a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holder {
    /// A heading.
    Heading(usize),
    /// A list item whose children are tasks.
    Item(usize),
}

/// Where the fields of a task are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Below an item.
    Item(usize),
    /// Below a heading.
    Heading(usize),
    /// In a row of a table, or in the document's header.
    None,
}

/// A task as found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Its own line.
    pub(crate) line: usize,
    /// Its id as written.
    pub(crate) id: Option<String>,
    /// Whether the id stands in a heading.
    pub(crate) title: Title,
    /// Its box with the line it stands on.
    pub(crate) mark: Option<(usize, Mark)>,
    /// The lines of its body.
    pub(crate) body: Range<usize>,
    /// The lines in which its fields are looked for.
    pub(crate) fields: Range<usize>,
    /// Whose fields they are.
    pub(crate) source: Source,
    /// What holds it.
    pub(crate) holder: Option<Holder>,
    /// Whether numbers put it after its earlier siblings.
    pub(crate) ordered: bool,
    /// What a column says.
    pub(crate) status: Option<PlanStatus>,
    /// Fields that stand in columns: key and bytes of the cell.
    pub(crate) cells: Vec<(super::fields::Key, Range<usize>)>,
}

/// What a reader makes of a plan.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// In the order of the file.
    pub(crate) tasks: Vec<Found>,
    /// The rule that found them, in words.
    pub(crate) rule: &'static str,
}

/// Makes a task of a list item. `id` is what stands in front of its title, with the title's offset.
pub(crate) fn item_task(outline: &Outline<'_>, item: usize, id: Option<(String, usize)>) -> Found {
    let found = &outline.items[item];
    let paragraph = outline.paragraph(found);
    let text = bold_line(outline, found).unwrap_or(&paragraph);
    let (id, mut title) = match id {
        Some((id, after)) => (Some(id), titles::read(text.get(after..).unwrap_or(""))),
        None => (None, titles::read(text)),
    };
    if found.mark.is_none() && title.status.is_none() {
        title.status = titles::leading_sign(&paragraph);
    }
    Found {
        line: found.line,
        id,
        title,
        mark: found.mark.map(|mark| (found.line, mark)),
        body: found.line + 1..found.end,
        fields: found.line + 1..found.end,
        source: Source::Item(item),
        holder: found.heading.map(Holder::Heading),
        ordered: found.ordinal.is_some(),
        status: None,
        cells: Vec::new(),
    }
}

/// The first line of an item, if all of it is bold and text follows below: that text is no title.
fn bold_line<'t>(outline: &Outline<'t>, item: &Item) -> Option<&'t str> {
    let line = outline.lines.text.get(item.text.start..outline.lines.end(item.line))?.trim_end();
    let inner = line.strip_prefix("**")?;
    let inner = inner.strip_suffix("**:").or_else(|| inner.strip_suffix("**"))?;
    let next = item.line + 1;
    let follows = next < item.end && outline.kind(next) == LineKind::Text && outline.item_at(next).is_none();
    // What is set off in brackets may still be an aside of the title.
    let aside = follows && outline.lines.get(next).trim_start().starts_with(['(', '[', '{']);
    (follows && !aside && !inner.contains("**")).then_some(line)
}

/// Makes a task of a heading.
pub(crate) fn heading_task(outline: &Outline<'_>, heading: usize, id: Option<(String, usize)>) -> Found {
    let found = &outline.headings[heading];
    let start = outline.lines.start(found.line);
    let visible = outline.visible(found.line);
    let text = visible.get(found.text.start - start..found.text.end - start).unwrap_or("");
    let (mark, skip) = match super::boxes::box_at(text) {
        Some((sign, offset, star, length)) => {
            let offset = found.text.start - start + offset;
            (
                Some((found.line, Mark { sign, offset, star })),
                length + text[length..].len() - text[length..].trim_start().len(),
            )
        }
        None => (None, 0),
    };
    let (id, after) = id.map_or((None, 0), |(id, after)| (Some(id), after));
    let mut title = titles::read(text.get(skip + after..).unwrap_or(""));
    if mark.is_none() && title.status.is_none() {
        title.status = titles::leading_sign(text);
    }
    Found {
        line: found.line,
        id,
        title,
        mark,
        body: found.after..found.end,
        fields: found.after..found.own_end,
        source: Source::Heading(heading),
        holder: found.parent.map(Holder::Heading),
        ordered: true,
        status: None,
        cells: Vec::new(),
    }
}
