//! Tables whose rows are tasks: those with a column for the title and one for ids or states.

use std::ops::Range;

use super::fields;
use super::fields::Key;
use super::found::Found;
use super::found::Holder;
use super::found::Source;
use super::names;
use super::outline::Outline;
use super::titles;
use super::words;
use crate::model::task::PlanStatus;

/// A cell with its bytes.
type Cell = Range<usize>;

/// Reads the rows of all task tables.
pub(crate) fn read(outline: &Outline<'_>) -> Vec<Found> {
    let mut tasks: Vec<Found> = Vec::new();
    let mut known: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for table in &outline.blocks.tables {
        let heading = outline.heading_above(table.start);
        if table.len() < 3 {
            continue;
        }
        let header = cells(outline, table.start);
        let names: Vec<String> =
            header.iter().map(|cell| titles::clean(&outline.lines.text[cell.clone()])).collect();
        let rows: Vec<(usize, Vec<Cell>)> =
            (table.start + 2..table.end).map(|line| (line, cells(outline, line))).collect();
        let id_column = id_column(outline, &names, &rows);
        let Some(columns) = columns(outline, &names, &rows, id_column) else {
            // A second table with ids adds fields to the tasks of the first.
            if let Some(id_column) = id_column {
                for (_, row) in &rows {
                    let id = row.get(id_column).map(|cell| text(outline, cell)).unwrap_or_default();
                    if let Some(task) = known.get(&names::folded(&id)) {
                        tasks[*task].cells.extend(field_cells(&names, row, id_column));
                    }
                }
            }
            continue;
        };
        if outline.is_closed(heading) {
            continue;
        }
        for (line, row) in rows {
            let id = columns.id.and_then(|column| row.get(column)).map(|cell| text(outline, cell));
            let id = id.filter(|id| !id.is_empty());
            let Some(title) = row.get(columns.title) else { continue };
            if let Some(id) = &id
                && let Some(first) = known.get(&names::folded(id))
            {
                tasks[*first].cells.extend(field_cells(&names, &row, columns.title));
                continue;
            }
            if let Some(id) = &id {
                known.insert(names::folded(id), tasks.len());
            }
            let status = columns.status.and_then(|column| row.get(column));
            tasks.push(Found {
                line,
                id,
                title: titles::read(&outline.lines.text[title.clone()]),
                mark: None,
                body: line..line + 1,
                fields: line..line,
                source: Source::None,
                holder: heading.map(Holder::Heading),
                ordered: false,
                status: status.and_then(|cell| words::status(&outline.lines.text[cell.clone()])),
                cells: field_cells(&names, &row, columns.title),
            });
        }
    }
    tasks
}

struct Columns {
    id: Option<usize>,
    title: usize,
    status: Option<usize>,
}

fn columns(
    outline: &Outline<'_>,
    names: &[String],
    rows: &[(usize, Vec<Cell>)],
    id: Option<usize>,
) -> Option<Columns> {
    let title = names.iter().enumerate().position(|(column, name)| {
        Some(column) != id
            && ["task", "action", "title", "item", "úkol", "fix", "optimization", "description"]
                .iter()
                .any(|word| name.to_lowercase() == *word)
    })?;
    let status =
        names.iter().position(|name| matches!(name.to_lowercase().as_str(), "status" | "state" | "stav"));
    let all_known = status.is_some_and(|column| {
        rows.iter().all(|(_, row)| row.get(column).is_some_and(|cell| is_state(outline, cell)))
    });
    (id.is_some() || all_known).then_some(Columns { id, title, status })
}

fn is_state(outline: &Outline<'_>, cell: &Cell) -> bool {
    let text = outline.lines.text[cell.clone()].trim();
    words::status(text).is_some() || super::boxes::box_at(text).is_some()
}

/// The column that holds ids: by its name and by what is in it.
fn id_column(outline: &Outline<'_>, names: &[String], rows: &[(usize, Vec<Cell>)]) -> Option<usize> {
    let holds_ids = |column: usize| {
        !rows.is_empty()
            && rows.iter().all(|(_, row)| {
                row.get(column).is_some_and(|cell| {
                    let text = text(outline, cell);
                    names::written(&text).is_some_and(|written| written.after == text.len() && written.ends)
                        || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
                })
            })
    };
    names.iter().enumerate().position(|(column, name)| {
        matches!(
            name.to_lowercase().as_str(),
            "id" | "task" | "#" | "ticket" | "task id" | "story" | "story id"
        ) && holds_ids(column)
    })
}

/// The field that a column is: by its name, or by the last word of it, as in `BMAD Priority`.
fn column_key(name: &str) -> Option<Key> {
    fields::key_of(name).or_else(|| {
        let last = fields::key_of(name.rsplit(' ').next()?);
        last.filter(|key| matches!(key, Key::Priority | Key::Agent | Key::Model))
    })
}

/// The cells whose columns are named like fields.
fn field_cells(names: &[String], row: &[Cell], title: usize) -> Vec<(Key, Cell)> {
    names
        .iter()
        .zip(row)
        .enumerate()
        .filter(|(column, _)| *column != title)
        .filter_map(|(_, (name, cell))| match column_key(name) {
            Some(
                key @ (Key::DependsOn
                | Key::Agent
                | Key::Model
                | Key::Layer
                | Key::Files(_)
                | Key::Priority
                | Key::Output),
            ) => Some((key, cell.clone())),
            Some(
                Key::Command
                | Key::Verify
                | Key::Acceptance
                | Key::Status
                | Key::Timeout
                | Key::Retries
                | Key::Parallel
                | Key::Optional
                | Key::Gate
                | Key::Requirements
                | Key::Mode,
            )
            | None => None,
        })
        .collect()
}

fn text(outline: &Outline<'_>, cell: &Cell) -> String {
    titles::clean(&outline.lines.text[cell.clone()])
}

/// The cells of a row; `\|` and `|` inside code are no borders.
pub(crate) fn cells(outline: &Outline<'_>, line: usize) -> Vec<Cell> {
    let text = outline.lines.get(line);
    let start = outline.lines.start(line);
    let mut borders = Vec::new();
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate() {
        if byte == b'|' && !escaped {
            borders.push(index);
        }
        escaped = byte == b'\\' && !escaped;
    }
    let mut edges = Vec::with_capacity(borders.len() + 2);
    if !text.trim_start().starts_with('|') {
        edges.push(None);
    }
    edges.extend(borders.iter().map(|border| Some(*border)));
    let ends_with_border = text.trim_end().ends_with('|') && !text.trim_end().ends_with("\\|");
    let mut found = Vec::new();
    for (index, edge) in edges.iter().enumerate() {
        let from = edge.map_or(0, |border| border + 1);
        let to = match edges.get(index + 1) {
            Some(next) => next.unwrap_or(from),
            None if ends_with_border => break,
            None => text.len(),
        };
        let cell = &text[from..to];
        let lead = cell.len() - cell.trim_start().len();
        found.push(start + from + lead..start + from + lead + cell.trim().len());
    }
    found
}

/// What a status cell says, a box in it included.
pub(crate) fn cell_status(text: &str) -> Option<PlanStatus> {
    // The box is what is ticked, so it counts before a word that was left behind it.
    if let Some((sign, _, _, length)) = super::boxes::box_at(text.trim()) {
        let word = || words::status(text.trim().get(length..).unwrap_or(""));
        let known = super::formats::Format::Generic.mark(sign);
        return match known {
            Some(PlanStatus::Open) | None => {
                word().filter(|word| *word != PlanStatus::Done).or(Some(PlanStatus::Open))
            }
            Some(PlanStatus::Done | PlanStatus::InProgress | PlanStatus::Skipped) => known,
        };
    }
    words::status(text)
}
