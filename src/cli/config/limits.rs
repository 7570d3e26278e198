//! `[limits]` and `[agents.NAME.limits]`: what one attempt may use.

use schemars::JsonSchema;
use toml::de::DeValue;

use super::SizeForm;
use super::section::{Notes, Section};
use crate::cli::args::reading::{self, Bound};
use crate::model::limits::LimitKind;

/// `[limits]` and `[agents.NAME.limits]`. The word `none` lifts a limit that is set elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct LimitsTable {
    /// Memory that its processes may hold together: bytes, or text such as `4GiB`; left out: no limit.
    #[schemars(with = "Option<SizeForm>")]
    pub memory: Option<Bound>,
    /// Processes that it may have at once; left out: no limit.
    #[schemars(with = "Option<CountForm>")]
    pub processes: Option<Bound>,
    /// What it may print: bytes, or text such as `64MiB`; left out: `256MiB`.
    #[schemars(with = "Option<SizeForm>")]
    pub output: Option<Bound>,
    /// What its files may grow by: bytes, or text such as `10GiB`; left out: no limit.
    #[schemars(with = "Option<SizeForm>")]
    pub disk: Option<Bound>,
    /// What has to be left on its disk: bytes, or text such as `5GiB`; left out: no limit.
    #[schemars(with = "Option<SizeForm>")]
    pub disk_free: Option<Bound>,
}

/// A number of things, or the word `none`.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it only describes what is read by hand")]
enum CountForm {
    /// A number.
    Number(u32),
    /// A number as text, or `none`.
    Text(String),
}

impl LimitsTable {
    /// What is said of a kind.
    pub const fn get(&self, kind: LimitKind) -> Option<Bound> {
        match kind {
            LimitKind::Memory => self.memory,
            LimitKind::Processes => self.processes,
            LimitKind::Output => self.output,
            LimitKind::Disk => self.disk,
            LimitKind::DiskFree => self.disk_free,
        }
    }
}

/// Reads the table.
pub(super) fn limits(mut table: Section<'_>, notes: &mut Notes<'_>) -> LimitsTable {
    let mut read = |kind| bound(&mut table, notes, kind);
    let limits = LimitsTable {
        memory: read(LimitKind::Memory),
        processes: read(LimitKind::Processes),
        output: read(LimitKind::Output),
        disk: read(LimitKind::Disk),
        disk_free: read(LimitKind::DiskFree),
    };
    table.finish(notes, &[]);
    limits
}

fn bound(table: &mut Section<'_>, notes: &mut Notes<'_>, kind: LimitKind) -> Option<Bound> {
    let key = kind.as_str();
    let value = table.any(notes, key)?;
    let text = match value.get_ref() {
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::String(text) => text.clone().into_owned(),
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => {
            let wanted = if kind.is_size() {
                "a size such as `\"4GiB\"`, or `\"none\"`"
            } else {
                "a whole number, or `\"none\"`"
            };
            table.wrong_kind(notes, key, &value, wanted);
            return None;
        }
    };
    match reading::bound(kind, &text) {
        Ok(bound) => Some(bound),
        Err(message) => {
            notes.problem(&value.span(), format!("`{}`: {message}", table.key(key)), Vec::new());
            None
        }
    }
}
