//! Tables beside tasks that were found otherwise: rows that say more of them, a `Property | Value` table below
//! a heading, and rows that look like tasks and are none.
//!
//! Rows are joined by an id or an equal number, never by similar words. A number means a task only where the
//! column is named like the tasks are (`Fix`, `Task #`), or stands beside such a column.

use std::collections::BTreeMap;
use std::ops::Range;

use super::fields;
use super::fields::Field;
use super::fields::Key;
use super::found::Found;
use super::found::Source;
use super::generic;
use super::lines::number;
use super::names;
use super::names::Shape;
use super::outline::Outline;
use super::tables;
use super::titles;
use super::types::Plan;
use super::words;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::task::PlanStatus;

/// The most tables of which it is told that their rows are no tasks.
const MOST_TOLD: usize = 10;

/// Gives tasks the fields that rows with their ids have.
pub(crate) fn rows(outline: &Outline<'_>, tasks: &mut [Found]) {
    if outline.blocks.tables.is_empty() {
        return;
    }
    let mut by_id: BTreeMap<String, Option<usize>> = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        if let Some(id) = &task.id {
            by_id.entry(names::folded(id)).and_modify(|known| *known = None).or_insert(Some(index));
        }
    }
    if by_id.is_empty() {
        return;
    }
    let word = tasks.iter().find_map(|task| word_of(outline, task));
    let bodies = Bodies::new(tasks);
    for table in &outline.blocks.tables {
        if table.len() < 3 || bodies.hold(table.start) || is_closed(outline, table.start) {
            continue;
        }
        let header = tables::header(outline, table.start);
        let rows: Vec<Vec<Range<usize>>> =
            (table.start + 2..table.end).map(|line| tables::cells(outline, line)).collect();
        let Some((column, ids)) = ids(outline, &header, &rows, word) else { continue };
        let known: Vec<Option<usize>> =
            ids.iter().map(|id| by_id.get(&names::folded(id)).copied().flatten()).collect();
        if known.iter().flatten().count() * 2 < known.len() {
            continue;
        }
        let status = tables::status_column(&header);
        for (row, task) in rows.iter().zip(known) {
            if let Some(task) = task {
                let cells = tables::field_cells(outline, &header, row, &[column]);
                tasks[task].cells.extend(cells);
                if let Some(status) = tables::status_cell(outline, status, row) {
                    tasks[task].cells.push((Key::Status, status));
                }
            }
        }
    }
}

/// Whether a table stands where nothing is a task. What is said of dependencies is read there all the same.
fn is_closed(outline: &Outline<'_>, line: usize) -> bool {
    let heading = outline.heading_above(line);
    outline.is_closed(heading)
        && heading.is_some_and(|heading| {
            let title = words::without_number(&outline.headings[heading].title);
            !["dependencies", "závislosti"].iter().any(|word| words::begins_with(title, word))
        })
}

/// The place in the list of words of the one that stands before the number of a task.
fn word_of(outline: &Outline<'_>, task: &Found) -> Option<usize> {
    let written = match task.source {
        Source::Heading(heading) => names::written(&outline.headings[heading].title),
        Source::Item(item) => generic::written_before(outline, item),
        Source::None => None,
    };
    match written?.shape {
        Shape::Word(word) => Some(names::same_kind(word)),
        Shape::Number(_) | Shape::Name(_) => None,
    }
}

/// The column whose cells all begin with an id, and the ids.
fn ids(
    outline: &Outline<'_>,
    header: &[String],
    rows: &[Vec<Range<usize>>],
    word: Option<usize>,
) -> Option<(usize, Vec<String>)> {
    let kind = |name: &str| names::word(name).map(names::same_kind);
    let like_tasks = header.iter().filter(|name| word.is_some() && kind(name) == word).count();
    (0..header.len()).find_map(|column| {
        let is_named = word.is_some() && kind(&header[column]) == word;
        let is_number = matches!(
            header[column].to_lowercase().as_str(),
            "#" | "id" | "no" | "no." | "nr" | "nr." | "number" | "č." | "číslo"
        );
        let numbers = is_named || is_number && (word.is_none() || like_tasks > 0);
        let read = |row: &Vec<Range<usize>>| {
            let text = titles::clean(outline.lines.text.get(row.get(column)?.clone())?);
            if !text.is_empty() && text.len() < 10 && text.bytes().all(|byte| byte.is_ascii_digit()) {
                return numbers.then_some(text);
            }
            let written = names::written(&text).filter(|written| written.ends)?;
            let good = match written.shape {
                Shape::Word(found) => Some(names::same_kind(found)) == word,
                Shape::Number(_) => numbers,
                Shape::Name(_) => true,
            };
            good.then_some(written.id)
        };
        let ids: Option<Vec<String>> = rows.iter().map(read).collect();
        ids.map(|ids| (column, ids))
    })
}

/// The bodies of tasks that are more than a line.
struct Bodies(Vec<(usize, usize)>);

impl Bodies {
    fn new(tasks: &[Found]) -> Self {
        let mut bodies: Vec<(usize, usize)> =
            tasks.iter().map(|task| (task.body.start, task.body.end)).collect();
        bodies.sort_unstable();
        Self(bodies)
    }

    fn hold(&self, line: usize) -> bool {
        let before = self.0.partition_point(|(start, _)| *start <= line);
        self.0[..before].last().is_some_and(|(_, end)| line < *end)
    }
}

/// What a `Property | Value` table says.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    /// Its rows that are fields.
    pub(crate) fields: Vec<Field>,
    /// `Task ID`: a name by which others may mean the task.
    pub(crate) id: Option<String>,
}

/// Reads the tables of properties that stand in some lines.
pub(crate) fn properties(outline: &Outline<'_>, span: &Range<usize>) -> Properties {
    let mut found = Properties::default();
    let first = outline.blocks.tables.partition_point(|table| table.start < span.start);
    for table in outline.blocks.tables[first..].iter().take_while(|table| table.start < span.end) {
        let header = tables::header(outline, table.start);
        let [name, value] = header.as_slice() else { continue };
        let is_name = matches!(
            name.to_lowercase().as_str(),
            "property" | "field" | "attribute" | "key" | "vlastnost" | "pole" | "položka" | "atribut"
        );
        if !is_name || !matches!(value.to_lowercase().as_str(), "value" | "hodnota" | "detail" | "details") {
            continue;
        }
        for line in (table.start + 2).min(table.end)..table.end {
            let cells = tables::cells(outline, line);
            let [name, value] = cells.as_slice() else { continue };
            let name = titles::clean(outline.lines.text.get(name.clone()).unwrap_or(""));
            if matches!(fields::folded(&name).as_str(), "taskid" | "id" | "idúkolu") {
                let id = titles::clean(outline.lines.text.get(value.clone()).unwrap_or(""));
                let good = id.len() <= 64 && !id.is_empty() && !id.contains(char::is_whitespace);
                found.id = found.id.take().or(good.then_some(id));
            }
            let Some(key) = fields::key_of(&name).filter(|_| !value.is_empty()) else { continue };
            if tables::is_cell_key(outline, key, value) || key == Key::Status {
                let value = value.clone();
                let name = String::new();
                found.fields.push(Field { key, name, line, value, more: Vec::new(), fences: Vec::new() });
            }
        }
    }
    found
}

/// The rows that say more of a task and stand outside of its text, each below the names of its columns.
pub(crate) fn text_of_rows(outline: &Outline<'_>, found: &Found, body_end: usize) -> String {
    let mut text = String::new();
    let mut last = None;
    for (_, cell) in &found.cells {
        let line = outline.lines.at(cell.start);
        if last == Some(line) || line == found.line || (found.body.start..body_end).contains(&line) {
            continue;
        }
        last = Some(line);
        let at = outline.blocks.tables.partition_point(|table| table.start <= line);
        let Some(table) = at.checked_sub(1).map(|at| &outline.blocks.tables[at]) else { continue };
        for line in [table.start, table.start + 1, line] {
            text.push('\n');
            text.push_str(outline.lines.get(line));
        }
        text.push('\n');
    }
    text
}

/// Says of tables whose rows have ids or states, and are neither tasks nor say anything of one.
pub(crate) fn left_out(outline: &Outline<'_>, tasks: &[Found], plan: &mut Plan) {
    if outline.blocks.tables.is_empty() || tasks.is_empty() {
        return;
    }
    let bodies = Bodies::new(tasks);
    let mut used: Vec<usize> = tasks.iter().map(|task| task.line).collect();
    used.extend(tasks.iter().flat_map(|task| &task.cells).map(|(_, cell)| outline.lines.at(cell.start)));
    used.sort_unstable();
    let mut told = 0;
    for table in &outline.blocks.tables {
        let first = used.partition_point(|line| *line < table.start);
        if used.get(first).is_some_and(|line| *line < table.end) || bodies.hold(table.start) {
            continue;
        }
        // What somebody is to do is work, also under a heading that speaks of checks.
        if outline.is_closed(outline.heading_above(table.start))
            && !tables::is_assigned(&tables::header(outline, table.start))
        {
            continue;
        }
        let states = tables::states(outline, table);
        let open = states.iter().filter(|state| !state.is_some_and(PlanStatus::is_met)).count();
        if open == 0 {
            continue;
        }
        let rows = if open == 1 { "1 row belongs".to_owned() } else { format!("{open} rows belong") };
        let message = format!("{rows} to no task, though this looks like a table of tasks");
        plan.diagnostics.push(
            Diagnostic::warning("rows-ignored", Place::line(number(table.start)), message)
                .hint("write what is to be run the way the other tasks of this plan are written"),
        );
        told += 1;
        if told == MOST_TOLD {
            break;
        }
    }
}
