//! `orchestrate runs`: all known runs, a line each.

use crate::model::record::RunSummary;
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::time::Timestamp;
use crate::report::style::{Sign, Style};
use crate::report::text;

/// The runs as given, with a line break after every line.
pub fn runs(list: &[RunSummary], style: &Style, now: Timestamp) -> String {
    if list.is_empty() {
        return "no run is known here\n".to_owned();
    }
    let plan_width = list.iter().map(|run| text::width(&style.clean(&run.plan))).max().unwrap_or(0).min(32);
    let mut out = String::new();
    for run in list {
        let plan = text::pad(&style.cut(&style.clean(&run.plan), plan_width), plan_width);
        let age = text::ago(now.since(run.updated_at));
        let mut line = format!(
            "  {} {}  {:<9}  {plan}  {age:>8}  {}",
            style.sign(sign_of(run.status)),
            run.run_id,
            run.status,
            counts(run),
        );
        if run.status == RunStatus::Running {
            line.push_str("  ");
            line.push_str(&style.clean(&run.host));
            line.push(':');
            line.push_str(&run.pid.to_string());
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

const fn sign_of(status: RunStatus) -> Sign {
    match status {
        RunStatus::Running => Sign::Running,
        RunStatus::Succeeded => Sign::Succeeded,
        RunStatus::Failed => Sign::Failed,
        RunStatus::Waiting => Sign::Gate,
        RunStatus::Limited | RunStatus::Stopped => Sign::Stopped,
        RunStatus::Lost => Sign::Warning,
    }
}

/// `5 of 6 done, 1 failed`; what was skipped does not count.
fn counts(run: &RunSummary) -> String {
    let count = |status| run.counts.get(&status).copied().unwrap_or(0);
    let all: u32 = run.counts.values().sum::<u32>() - count(TaskStatus::Skipped);
    let mut words = vec![format!("{} of {all} done", count(TaskStatus::Succeeded))];
    let active = count(TaskStatus::Running) + count(TaskStatus::Verifying) + count(TaskStatus::Landing);
    for (number, word) in [
        (count(TaskStatus::Failed), "failed"),
        (count(TaskStatus::Cancelled), "stopped"),
        (active, "running"),
    ] {
        if number > 0 {
            words.push(format!("{number} {word}"));
        }
    }
    words.join(", ")
}
