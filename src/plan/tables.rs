//! Tables whose rows are tasks: those with a column for the title and one for ids or states.

use std::collections::BTreeSet;
use std::ops::Range;

use super::fields;
use super::fields::Key;
use super::found::Found;
use super::found::Holder;
use super::found::Source;
use super::names;
use super::outline::Outline;
use super::titles;
use super::values;
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
        let names = header(outline, table.start);
        let states = status_column(&names);
        let rows: Vec<(usize, Vec<Cell>)> =
            (table.start + 2..table.end).map(|line| (line, cells(outline, line))).collect();
        let id_column = id_column(outline, &names, &rows);
        let Some(columns) = columns(outline, &names, &rows, id_column) else {
            // A second table with ids adds fields to the tasks of the first.
            if let Some(id_column) = id_column {
                for (_, row) in &rows {
                    let id = row.get(id_column).map(|cell| text(outline, cell)).unwrap_or_default();
                    if let Some(task) = known.get(&names::folded(&id)) {
                        add(outline, &mut tasks[*task], &names, row, (id_column, states));
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
                add(outline, &mut tasks[*first], &names, &row, (columns.title, states));
                continue;
            }
            if let Some(id) = &id {
                known.insert(names::folded(id), tasks.len());
            }
            let said = columns.status.and_then(|column| row.get(column));
            let said = said.map(|cell| outline.lines.text[cell.clone()].trim());
            let mut read = titles::read(&outline.lines.text[title.clone()]);
            read.optional |= said.is_some_and(is_optional);
            tasks.push(Found {
                line,
                id,
                title: read,
                mark: None,
                body: line..line + 1,
                fields: line..line,
                source: Source::None,
                holder: heading.map(Holder::Heading),
                ordered: false,
                status: said.and_then(cell_status),
                cells: field_cells(outline, &names, &row, &[columns.title]),
            });
        }
    }
    tasks
}

/// Adds what a row of another table says of a task.
fn add(
    outline: &Outline<'_>,
    task: &mut Found,
    names: &[String],
    row: &[Cell],
    (not, states): (usize, Option<usize>),
) {
    task.cells.extend(field_cells(outline, names, row, &[not]));
    if task.status.is_none()
        && let Some(cell) = status_cell(outline, states, row)
    {
        task.status = cell_status(&outline.lines.text[cell]);
    }
}

/// Whether a state says that a row need not be done.
fn is_optional(state: &str) -> bool {
    ["optional", "volitelné", "volitelně"].iter().any(|word| words::begins_with(state, word))
}

/// The names of the columns.
pub(crate) fn header(outline: &Outline<'_>, line: usize) -> Vec<String> {
    cells(outline, line).iter().map(|cell| titles::clean(&outline.lines.text[cell.clone()])).collect()
}

/// The cell of a row that holds a state that is known.
pub(crate) fn status_cell(outline: &Outline<'_>, column: Option<usize>, row: &[Cell]) -> Option<Cell> {
    row.get(column?).filter(|cell| is_state(outline, cell)).cloned()
}

/// The column of states.
pub(crate) fn status_column(names: &[String]) -> Option<usize> {
    names.iter().position(|name| matches!(name.to_lowercase().as_str(), "status" | "state" | "stav"))
}

/// Whether a column says who does it.
pub(crate) fn is_assigned(names: &[String]) -> bool {
    names.iter().any(|name| column_key(name) == Some(Key::Agent))
}

/// Whether a table has ids and states of which at least one is to be done.
pub(crate) fn has_states(outline: &Outline<'_>) -> bool {
    outline.blocks.tables.iter().any(|table| {
        !outline.is_closed(outline.heading_above(table.start))
            && states(outline, table).iter().flatten().any(|state| !state.is_met())
    })
}

/// The states of the rows of a table that looks like one of tasks; none of any other.
pub(crate) fn states(outline: &Outline<'_>, table: &Range<usize>) -> Vec<Option<PlanStatus>> {
    if table.len() < 3 {
        return Vec::new();
    }
    let names = header(outline, table.start);
    let rows: Vec<(usize, Vec<Cell>)> =
        (table.start + 2..table.end).map(|line| (line, cells(outline, line))).collect();
    let id = id_column(outline, &names, &rows);
    let says_more = names.iter().any(|name| {
        matches!(column_key(name), Some(Key::Agent | Key::Priority | Key::Status | Key::DependsOn))
    });
    let Some(columns) = columns(outline, &names, &rows, id).filter(|_| says_more) else {
        // Without ids and states it may still say who does what.
        let titled = names.iter().any(|name| TITLES.iter().any(|word| name.to_lowercase() == *word));
        let rows = if titled && is_assigned(&names) { rows.len() } else { 0 };
        return vec![None; rows];
    };
    let state = |row: &Vec<Cell>| {
        let cell = row.get(columns.status?)?;
        cell_status(outline.lines.text.get(cell.clone())?)
    };
    rows.iter().map(|(_, row)| state(row)).collect()
}

/// Names of columns that hold titles.
const TITLES: &[&str] = &[
    "task",
    "action",
    "title",
    "item",
    "úkol",
    "úloha",
    "akce",
    "název",
    "položka",
    "fix",
    "oprava",
    "optimization",
    "description",
    "popis",
];

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
        Some(column) != id && TITLES.iter().any(|word| name.to_lowercase() == *word)
    })?;
    let status = status_column(names);
    // Steps of anything are counted; those of a plan say who does them, how urgent they are, or how far.
    let counted = id.is_some_and(|id| matches!(names[id].to_lowercase().as_str(), "step" | "krok"));
    let says_more = || {
        names.iter().any(|name| matches!(column_key(name), Some(Key::Agent | Key::Priority | Key::Status)))
    };
    if counted && !says_more() {
        return None;
    }
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
    // `P1` is a tier, unless each row has another one and the column is one of ids.
    let tiers = |column: usize| {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        rows.len() > 1
            && rows.iter().all(|(_, row)| {
                let text = row.get(column).map(|cell| text(outline, cell)).unwrap_or_default();
                let is_tier = matches!(text.as_bytes(), [b'P', digit] if digit.is_ascii_digit());
                is_tier && seen.insert(text)
            })
    };
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
            "id" | "task"
                | "#"
                | "ticket"
                | "task id"
                | "story"
                | "story id"
                | "step"
                | "krok"
                | "č."
                | "číslo"
                | "úkol"
                | "id úkolu"
        ) && (holds_ids(column) || tiers(column))
    })
}

/// The field that a column is: by its name, or by the last word of it, as in `BMAD Priority`.
fn column_key(name: &str) -> Option<Key> {
    fields::key_of(name).or_else(|| {
        let last = fields::key_of(name.rsplit(' ').next()?);
        last.filter(|key| matches!(key, Key::Priority | Key::Agent | Key::Model))
    })
}

/// The cells whose columns are named like fields, but for some columns.
pub(crate) fn field_cells(
    outline: &Outline<'_>,
    names: &[String],
    row: &[Cell],
    not: &[usize],
) -> Vec<(Key, Cell)> {
    names
        .iter()
        .zip(row)
        .enumerate()
        .filter(|(column, _)| !not.contains(column))
        .filter_map(|(_, (name, cell))| Some((column_key(name)?, cell.clone())))
        .filter(|(key, cell)| is_cell_key(outline, *key, cell))
        .collect()
}

/// Whether a cell may set a field. What only a list may say, such as a command to run as the task, it does
/// not; and a limit or a yes or no is one only if it reads as such.
pub(crate) fn is_cell_key(outline: &Outline<'_>, key: Key, cell: &Cell) -> bool {
    let text = || text(outline, cell);
    match key {
        Key::DependsOn
        | Key::Agent
        | Key::Model
        | Key::Layer
        | Key::Files(_)
        | Key::Priority
        | Key::Output
        | Key::Verify
        | Key::Acceptance
        | Key::Requirements => true,
        Key::Timeout => values::duration(&text()).is_ok(),
        Key::Retries => values::whole_number(&text()).is_some(),
        Key::Parallel | Key::Optional => words::yes_or_no(&text()).is_some(),
        Key::Command | Key::Status | Key::Gate | Key::Mode => false,
    }
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
