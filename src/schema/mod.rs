//! The JSON Schemas of `schemas/`, compiled in, and validation against them.
//!
//! The schemas are derived from the types of `model`; a test compares the committed files with the
//! types and writes them anew when `ORCHESTRATE_UPDATE_SCHEMAS` is set. This is the only room that
//! names the validator, whose interface changes often. Every violation is told with its place, not
//! just the first one.
//!
//! What is deliberately not here: whether a document is *true*. A completion that is valid is still
//! only a claim.

mod completion;
mod derive;
mod explain;
mod report;
mod suggest;

use std::fmt;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::Value;

pub use completion::{MAX_COMPLETION_BYTES, completion, workspace_path};
pub use derive::{Side, derived};
pub use report::{MAX_REPORT_BYTES, report};
pub use suggest::nearest;

/// A document whose form is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaKind {
    /// `completion.json`, written by an agent.
    Completion,
    /// `task:<id>:status`.
    TaskStatus,
    /// `task:<id>:report`.
    TaskReport,
    /// `shared_state`.
    SharedState,
    /// An event of a run.
    Event,
    /// A run's result.
    RunResult,
    /// What `check` says of a plan.
    PlanCheck,
    /// What changed in the plan of a run.
    PlanDifference,
    /// `run:<run>:lease`.
    Lease,
    /// An entry of `run:<run>:control`.
    Control,
    /// What is printed where there is no result.
    Error,
    /// What `doctor` says of a machine.
    Doctor,
    /// What `why` tells of a task.
    Why,
    /// What is sent to somebody who is not looking.
    Alert,
    /// `provider:<name>:cooldown`.
    Cooldown,
    /// `provider:<name>:spend:<YYYY-MM>`.
    Spend,
    /// A plan as native text.
    PlanConversion,
    /// Plans with their key lists in canonical form.
    PlanFormat,
}

/// One way in which a document does not follow its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Where: a JSON pointer; empty for the document as a whole.
    pub pointer: String,
    /// What is wrong there, one line.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "`{}`: {}", self.pointer, self.message)
        }
    }
}

impl SchemaKind {
    /// Every kind, in the order in which they are listed.
    pub const ALL: [Self; 18] = [
        Self::Completion,
        Self::TaskStatus,
        Self::TaskReport,
        Self::SharedState,
        Self::Event,
        Self::RunResult,
        Self::PlanCheck,
        Self::PlanDifference,
        Self::Lease,
        Self::Control,
        Self::Error,
        Self::Doctor,
        Self::Why,
        Self::Alert,
        Self::Cooldown,
        Self::Spend,
        Self::PlanConversion,
        Self::PlanFormat,
    ];

    /// The name by which it is asked for, and the start of its file's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completion => "completion",
            Self::TaskStatus => "task-status",
            Self::TaskReport => "task-report",
            Self::SharedState => "shared-state",
            Self::Event => "event",
            Self::RunResult => "run-result",
            Self::PlanCheck => "plan-check",
            Self::PlanDifference => "plan-difference",
            Self::Lease => "lease",
            Self::Control => "control",
            Self::Error => "error",
            Self::Doctor => "doctor",
            Self::Why => "why",
            Self::Alert => "alert",
            Self::Cooldown => "cooldown",
            Self::Spend => "spend",
            Self::PlanConversion => "plan-conversion",
            Self::PlanFormat => "plan-format",
        }
    }

    /// The kind with this name; `completion`, `completion/v1` and `completion.schema.json` are the
    /// same one.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = plain_name(name);
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The schema's text as committed.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Completion => include_str!("../../schemas/completion.schema.json"),
            Self::TaskStatus => include_str!("../../schemas/task-status.schema.json"),
            Self::TaskReport => include_str!("../../schemas/task-report.schema.json"),
            Self::SharedState => include_str!("../../schemas/shared-state.schema.json"),
            Self::Event => include_str!("../../schemas/event.schema.json"),
            Self::RunResult => include_str!("../../schemas/run-result.schema.json"),
            Self::PlanCheck => include_str!("../../schemas/plan-check.schema.json"),
            Self::PlanDifference => include_str!("../../schemas/plan-difference.schema.json"),
            Self::Lease => include_str!("../../schemas/lease.schema.json"),
            Self::Control => include_str!("../../schemas/control.schema.json"),
            Self::Error => include_str!("../../schemas/error.schema.json"),
            Self::Doctor => include_str!("../../schemas/doctor.schema.json"),
            Self::Why => include_str!("../../schemas/why.schema.json"),
            Self::Alert => include_str!("../../schemas/alert.schema.json"),
            Self::Cooldown => include_str!("../../schemas/cooldown.schema.json"),
            Self::Spend => include_str!("../../schemas/spend.schema.json"),
            Self::PlanConversion => include_str!("../../schemas/plan-conversion.schema.json"),
            Self::PlanFormat => include_str!("../../schemas/plan-format.schema.json"),
        }
    }

    fn compiled(self) -> &'static Compiled {
        static COMPILED: [OnceLock<Compiled>; SchemaKind::ALL.len()] =
            [const { OnceLock::new() }; SchemaKind::ALL.len()];
        COMPILED[self as usize].get_or_init(|| {
            let schema: Value = serde_json::from_str(self.text()).expect("committed schemas are JSON");
            let validator = jsonschema::options()
                .should_validate_formats(true)
                .build(&schema)
                .expect("committed schemas are valid");
            Compiled { schema, validator }
        })
    }
}

impl fmt::Display for SchemaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

struct Compiled {
    schema: Value,
    validator: Validator,
}

static CONFIG: OnceLock<&'static str> = OnceLock::new();

/// Adds the schema of the configuration to those that [`document`] and [`names`] know. The type it
/// is derived from belongs to a room that this one may not know. Only the first call counts.
pub fn register_config(text: &'static str) {
    CONFIG.get_or_init(|| text);
}

/// The text of the schema called `name`, the configuration's included where it was registered.
pub fn document(name: &str) -> Option<&'static str> {
    if plain_name(name) == "config" {
        return CONFIG.get().copied();
    }
    SchemaKind::from_name(name).map(SchemaKind::text)
}

/// The names that [`document`] knows.
pub fn names() -> Vec<&'static str> {
    let kinds = SchemaKind::ALL.into_iter().map(SchemaKind::name);
    kinds.chain(CONFIG.get().map(|_| "config")).collect()
}

fn plain_name(name: &str) -> &str {
    let name = name.rsplit(['/', '\\']).find(|part| !is_version(part)).unwrap_or(name);
    name.strip_suffix(".schema.json").unwrap_or(name)
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v')
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Reads `bytes` as a document of the given kind.
///
/// A byte order mark at the start is no fault. The error lists every violation.
pub fn validate(kind: SchemaKind, bytes: &[u8]) -> Result<Value, Vec<Violation>> {
    let value = parse(bytes).map_err(|violation| vec![violation])?;
    validate_value(kind, &value)?;
    Ok(value)
}

/// Holds `value` against the schema of the given kind. The error lists every violation.
pub fn validate_value(kind: SchemaKind, value: &Value) -> Result<(), Vec<Violation>> {
    let compiled = kind.compiled();
    if compiled.validator.is_valid(value) {
        return Ok(());
    }
    let mut violations = Vec::new();
    for error in compiled.validator.iter_errors(value) {
        explain::explain(&compiled.schema, &error, &mut violations);
    }
    violations.sort();
    violations.dedup();
    Err(violations)
}

fn parse(bytes: &[u8]) -> Result<Value, Violation> {
    let whole = |message: String| Violation { pointer: String::new(), message };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(whole("is UTF-16; write it as UTF-8".to_owned()));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(whole("is empty".to_owned()));
    }
    serde_json::from_slice(bytes).map_err(|error| whole(format!("is no JSON: {error}")))
}

#[cfg(test)]
mod tests;
