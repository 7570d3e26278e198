//! The last answer of each row, kept beside what is built, so that a document can be made of several
//! runs: a whole one takes long, and after a change only some rows are of interest.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::attempt::Row;
use super::matrix::Found;
use super::scenarios::Scenario;

/// A row with when and with which version it was run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The day.
    pub(crate) day: String,
    /// What the CLI says of its version.
    pub(crate) version: String,
    #[serde(flatten)]
    pub(crate) row: Row,
}

/// Puts rows in the place of earlier ones, and returns all that were run with the versions that are
/// there, of scenarios that there are.
pub(crate) fn update(scenarios: &[Scenario], found: &[Found], rows: &[Row]) -> io::Result<Vec<Kept>> {
    let path = path();
    let mut all: Vec<Kept> = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let version_of = |cli: &str| found.iter().find(|found| found.cli == cli).map(|found| &found.version);
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    for row in rows {
        all.retain(|kept| kept.row.name() != row.name());
        let version = version_of(&row.cli).cloned().unwrap_or_default();
        all.push(Kept { day: day.clone(), version, row: row.clone() });
    }
    all.retain(|kept| {
        let of = |scenario: &Scenario| scenario.name == kept.row.scenario && scenario.is_for(&kept.row.cli);
        scenarios.iter().any(of)
    });
    std::fs::write(path, serde_json::to_string_pretty(&all)?)?;
    all.retain(|kept| version_of(&kept.row.cli) == Some(&kept.version));
    Ok(all)
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("conformance.json")
}
