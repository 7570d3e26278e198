//! `orchestrate doctor`: what was found, a line each, and in the last one whether a run would work.

use crate::model::doctor::{Doctor, DoctorAgent, DoctorFact, DoctorNote, Health};
use crate::report::style::{Sign, Style};
use crate::report::text;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DoctorAmount {
    /// Nothing but the last line, and that only where a run would not work.
    Nothing,
    /// What is not well, and the last line.
    Problems,
    /// All but paths.
    Usual,
    /// With the paths of the agents' programs.
    Everything,
}

/// The least room that words of a note get beside what stands before them.
const ROOM: usize = 24;
/// How far words are put in where they have no room there.
const INDENT: usize = 6;

/// What was found, with a line break after every line.
pub fn doctor(document: &Doctor, style: &Style, amount: DoctorAmount) -> String {
    let mut out = String::new();
    if amount > DoctorAmount::Nothing {
        let mistakes: Vec<Row<'_>> = document
            .configuration
            .iter()
            .map(|note| Row { cells: Vec::new(), note, more: Vec::new() })
            .collect();
        section(&mut out, "configuration", &mistakes, style, amount);
        let agents: Vec<Row<'_>> = document.agents.iter().flat_map(|agent| rows(agent, style)).collect();
        section(&mut out, "agents", &agents, style, amount);
        for (title, facts) in [
            ("workspace", &document.workspace),
            ("state", &document.state),
            ("alerts", &document.alerts),
            ("machine", &document.machine.facts),
        ] {
            let facts: Vec<Row<'_>> = facts.iter().map(|fact| row(fact, style)).collect();
            section(&mut out, title, &facts, style, amount);
        }
    }
    if amount > DoctorAmount::Nothing || document.exit_code != 0 {
        let sign = if document.exit_code == 0 { Sign::Succeeded } else { Sign::Failed };
        let last = style.bold(&style.clean(&document.summary));
        out = out + &style.sign(sign) + " " + &last + "\n";
    }
    out
}

/// A line before it is laid out.
struct Row<'a> {
    /// What stands before the words, in columns.
    cells: Vec<String>,
    /// The words.
    note: &'a DoctorNote,
    /// Further lines, shown where everything is.
    more: Vec<String>,
}

/// The rows of an agent: a note each, the first with its name. The worst comes first, so that the name
/// stands wherever one of them does.
fn rows<'a>(agent: &'a DoctorAgent, style: &Style) -> Vec<Row<'a>> {
    let version = match (&agent.version, &agent.program) {
        (Some(version), _) => style.clean(version),
        (None, Some(_)) => "?".to_owned(),
        (None, None) => "not found".to_owned(),
    };
    let source = agent.source.clone().unwrap_or_default();
    let mut named = Some(vec![style.clean(&agent.name), version, style.clean(&source)]);
    let mut rows: Vec<Row<'a>> = Vec::new();
    for note in &agent.notes {
        let cells = named.take().unwrap_or_else(|| vec![String::new(); 3]);
        rows.push(Row { cells, note, more: Vec::new() });
    }
    if let (Some(last), Some(program)) = (rows.last_mut(), &agent.program) {
        let program = style.clean(&program.display().to_string());
        let by = agent.found.as_ref().filter(|found| Some(*found) != agent.program.as_ref());
        last.more.push(format!("starts {program}"));
        last.more.extend(by.map(|found| format!("found as {}", style.clean(&found.display().to_string()))));
    }
    rows
}

fn row<'a>(fact: &'a DoctorFact, style: &Style) -> Row<'a> {
    Row { cells: vec![style.clean(&fact.name)], note: &fact.note, more: Vec::new() }
}

fn section(out: &mut String, title: &str, rows: &[Row<'_>], style: &Style, amount: DoctorAmount) {
    let shown: Vec<&Row<'_>> =
        rows.iter().filter(|row| amount > DoctorAmount::Problems || row.note.health != Health::Ok).collect();
    if shown.is_empty() {
        return;
    }
    out.push_str(&style.bold(title));
    out.push('\n');
    let columns = shown.iter().map(|row| row.cells.len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = shown.iter().filter_map(|row| row.cells.get(column));
            cells.map(|cell| text::width(cell)).max().unwrap_or(0)
        })
        .collect();
    let start = 2 + style.sign_width() + 1 + widths.iter().map(|width| width + 2).sum::<usize>();
    for row in shown {
        lay_out(out, row, &widths, start, style, amount);
    }
}

fn lay_out(
    out: &mut String,
    row: &Row<'_>,
    widths: &[usize],
    start: usize,
    style: &Style,
    amount: DoctorAmount,
) {
    // Cells that say nothing need no columns where these are scarce.
    let is_named = row.cells.iter().any(|cell| !cell.is_empty());
    let wide = style.width >= start + ROOM;
    let beside = wide || !is_named;
    let indent = match (wide, is_named) {
        (true, _) => start,
        (false, true) => INDENT,
        (false, false) => 2 + style.sign_width() + 1,
    };
    let mut line = format!("  {} ", style.sign(sign_of(row.note.health)));
    for (cell, width) in row.cells.iter().zip(widths).filter(|_| wide || is_named) {
        line = line + &text::pad(cell, *width) + "  ";
    }
    let room = style.width.saturating_sub(indent).max(ROOM);
    let mut pieces = words(row.note, room, style).into_iter();
    if beside {
        line.push_str(&pieces.next().unwrap_or_default());
    }
    let mut lines = vec![line];
    lines.extend(pieces.map(|piece| " ".repeat(indent) + &piece));
    if amount == DoctorAmount::Everything {
        lines.extend(row.more.iter().map(|more| " ".repeat(INDENT) + &style.dim(more)));
    }
    for line in lines {
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// The words of a note in lines. What is to be done stays in one piece where it can, so that a
/// command can be copied.
fn words(note: &DoctorNote, room: usize, style: &Style) -> Vec<String> {
    let Some(cure) = &note.cure else { return text::wrap(&style.clean(&note.text), room) };
    let mut lines = text::wrap(&(style.clean(&note.text) + ":"), room);
    let cure = style.clean(cure);
    match lines.last_mut() {
        Some(last) if text::width(last) + 1 + text::width(&cure) <= room => {
            last.push(' ');
            last.push_str(&cure);
        }
        Some(_) | None => lines.extend(text::wrap(&cure, room)),
    }
    lines
}

const fn sign_of(health: Health) -> Sign {
    match health {
        Health::Ok => Sign::Succeeded,
        Health::Warning => Sign::Warning,
        Health::Error => Sign::Failed,
    }
}
