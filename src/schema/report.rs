//! A text under `task:<id>:report` beyond its schema: the right run, task and attempt, and a
//! completion in it held to what the file is held to.

use serde_json::Value;

use crate::model::ids::{AttemptKey, RunId};
use crate::model::record::{ReportBody, TaskReport};
use crate::model::report::{Refusal, Reported};

use super::{MAX_COMPLETION_BYTES, SchemaKind, completion, parse, validate_value};

/// The size above which a text is no report, in bytes: a completion and what is around it.
pub const MAX_REPORT_BYTES: usize = MAX_COMPLETION_BYTES + 64 * 1024;

/// Reads what is under the report key of attempt `key` of run `run`. Whatever it is, the answer says
/// what it means; at most [`MAX_REPORT_BYTES`] are looked at.
pub fn report(bytes: &[u8], run: &RunId, key: &AttemptKey) -> Reported {
    let refused =
        |problems: Vec<String>, of_completion: bool| Reported::Refused(Refusal { problems, of_completion });
    if bytes.len() > MAX_REPORT_BYTES {
        return refused(vec![format!("has more than {MAX_REPORT_BYTES} bytes")], false);
    }
    let value = match parse(bytes) {
        Ok(value) => value,
        Err(violation) => return refused(vec![violation.to_string()], false),
    };
    if is_of_earlier_attempt(&value, run, key) {
        return Reported::Stale;
    }
    let is_bare = value["schema"].as_str().is_some_and(|schema| schema.starts_with("completion/"));
    if is_bare {
        let wrapped = "is a completion as it stands in the file; as a report it is `{\"schema\": \
                       \"task-report/v1\", \"run_id\", \"task_id\", \"attempt\", \"report\": \"completion\", \
                       \"completion\": {…}}`";
        return refused(vec![wrapped.to_owned()], true);
    }
    let of_completion = value["report"] == "completion";
    let violations = match validate_value(SchemaKind::TaskReport, &value) {
        Ok(()) => Vec::new(),
        Err(violations) => violations.iter().map(ToString::to_string).collect(),
    };
    if !violations.is_empty() {
        return refused(violations, of_completion);
    }
    let report: TaskReport = match serde_json::from_value(value) {
        Ok(report) => report,
        Err(error) => return refused(vec![error.to_string()], of_completion),
    };
    let problems = strangeness(&report, run, key);
    if !problems.is_empty() {
        return refused(problems, of_completion);
    }
    match report.body {
        ReportBody::Progress { message, percent } => Reported::Progress { message, percent },
        ReportBody::Completion { completion: inner } => {
            // Through the same door as the file.
            let read = serde_json::to_vec(&inner)
                .map_err(|error| vec![error.to_string()])
                .and_then(|text| completion(&text, run, key));
            match read {
                Ok(completion) => Reported::Completion(Box::new(completion)),
                Err(problems) => {
                    refused(problems.into_iter().map(|problem| inside(&problem)).collect(), true)
                }
            }
        }
    }
}

/// Whether it was written for an attempt of this task that is over.
fn is_of_earlier_attempt(value: &Value, run: &RunId, key: &AttemptKey) -> bool {
    value["run_id"] == run.as_str()
        && value["task_id"] == key.task.as_str()
        && value["attempt"].as_u64().is_some_and(|attempt| attempt < u64::from(key.attempt))
}

fn strangeness(report: &TaskReport, run: &RunId, key: &AttemptKey) -> Vec<String> {
    let mut problems = Vec::new();
    if report.run_id != *run {
        problems.push(format!("`/run_id`: `{}` is another run; this one is `{run}`", report.run_id));
    }
    if report.task_id != key.task {
        problems
            .push(format!("`/task_id`: `{}` is another task; this one is `{}`", report.task_id, key.task));
    }
    if report.attempt != key.attempt {
        problems
            .push(format!("`/attempt`: {} is another attempt; this one is {}", report.attempt, key.attempt));
    }
    problems
}

/// A problem of a completion as one of the report around it.
fn inside(problem: &str) -> String {
    match problem.strip_prefix("`/") {
        Some(rest) => format!("`/completion/{rest}"),
        None => format!("`/completion`: {problem}"),
    }
}
