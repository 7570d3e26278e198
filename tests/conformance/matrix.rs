//! Rows as a table: scenarios down, CLIs across.

use std::fmt::Write as _;

use super::attempt::Row;
use super::scenarios::{CLIS, Scenario};

/// A CLI as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) cli: &'static str,
    pub(crate) version: String,
}

/// The cell of a row: kind, seconds, and whether that is right.
fn cell(row: &Row) -> String {
    let word = if row.problems.is_empty() { "ok" } else { "FAIL" };
    format!("{} {:.0} s {word}", row.kinds(), row.seconds)
}

/// The table for a terminal.
pub(crate) fn table(scenarios: &[Scenario], found: &[Found], rows: &[Row]) -> String {
    let shown: Vec<&Scenario> =
        scenarios.iter().filter(|scenario| rows.iter().any(|row| row.scenario == scenario.name)).collect();
    let cells = cells(&shown, found, rows, cell);
    let columns = cells.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &cells {
        let line: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
    text
}

/// The table for a document, with every scenario.
pub(crate) fn markdown(scenarios: &[Scenario], found: &[Found], rows: &[Row]) -> String {
    let all: Vec<&Scenario> = scenarios.iter().collect();
    let mut cells = cells(&all, found, rows, |row| {
        let word = if row.problems.is_empty() { "" } else { " **FAIL**" };
        format!("{}, {:.0} s{word}", row.kinds(), row.seconds)
    });
    for (cells, scenario) in cells.iter_mut().skip(1).zip(scenarios) {
        cells[0] = format!("`{}`", scenario.name);
        cells.insert(1, scenario.sees.clone());
    }
    cells[0].insert(1, "what is seen".to_owned());
    let mut text = String::new();
    for (number, row) in cells.iter().enumerate() {
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if number == 0 {
            let _ = writeln!(text, "|{}", " --- |".repeat(row.len()));
        }
    }
    text
}

fn cells(
    scenarios: &[&Scenario],
    found: &[Found],
    rows: &[Row],
    cell: impl Fn(&Row) -> String,
) -> Vec<Vec<String>> {
    let clis: Vec<&Found> = CLIS
        .iter()
        .filter_map(|cli| found.iter().find(|found| found.cli == *cli))
        .filter(|found| rows.iter().any(|row| row.cli == found.cli))
        .collect();
    let mut cells = vec![vec!["scenario".to_owned()]];
    cells[0].extend(clis.iter().map(|found| format!("{} {}", found.cli, found.version)));
    for scenario in scenarios {
        let mut line = vec![scenario.name.clone()];
        line.extend(clis.iter().map(|found| {
            let row = rows.iter().find(|row| row.cli == found.cli && row.scenario == scenario.name);
            let why = scenario.elsewhere.as_deref().filter(|_| !scenario.is_for(found.cli));
            row.map_or_else(|| why.map_or("not run".to_owned(), |why| format!("- ({why})")), &cell)
        }));
        cells.push(line);
    }
    cells
}
