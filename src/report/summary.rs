//! The block at the end of a run: what is not done and why, the counts, where to look, what to type
//! next. Where all went well, the counts and the places alone.

use crate::model::failure::FailureKind;
use crate::model::run::RunSpec;
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::view::{RunView, TaskView};
use crate::report::EndPaths;
use crate::report::style::{Sign, Style};
use crate::report::text;
use crate::report::words::{self, Spent, Standing};

/// How many failed tasks are named, each with its next command.
const FAILED: usize = 20;
/// How many of the others are named.
const OTHERS: usize = 10;

/// The ending block, with a line break after every line.
pub fn summary(spec: &RunSpec, view: &RunView, paths: &EndPaths, style: &Style) -> String {
    let mut lines = Vec::new();
    let open: Vec<&TaskView> = view.tasks.iter().filter(|task| words::is_open(task)).collect();
    if !open.is_empty() {
        lines.push(format!("  {} not done", open.len()));
        not_done(&mut lines, spec, view, &open, style);
        lines.push(String::new());
    }
    doubted(&mut lines, view, style);
    let (counts, used) = (counts(spec, view), used(spec, view, style));
    let whole = format!("{counts}{}{used}", style.dot());
    if used.is_empty() {
        lines.push(format!("  {}", style.bold(&counts)));
    } else if text::width(&whole) + 2 < style.width {
        lines.push(format!("  {}", style.bold(&whole)));
    } else {
        lines.push(format!("  {}", style.bold(&counts)));
        lines.push(format!("  used     {used}"));
    }
    if let Some(branch) = &paths.branch {
        let commits = text::count_of(branch.commits as u64, "commit");
        let next = if branch.landed { "landed" } else { "(orchestrate land)" };
        lines.push(format!("  branch   {}   {commits}   {next}", style.clean(&branch.name)));
    }
    if let Some(report) = &paths.report {
        lines.push(format!("  report   {}", style.clean(report)));
    }
    for command in again(spec, view, &open, style) {
        lines.push(format!("  again    {command}"));
    }
    if view.plan_changed && !open.is_empty() {
        lines.push("  again    orchestrate resume --replan   (the plan was changed)".to_owned());
    }
    let mut out = lines.join("\n");
    out.push('\n');
    out
}

/// `5 succeeded, 1 failed, 1 blocked in 12m 04s`.
fn counts(spec: &RunSpec, view: &RunView) -> String {
    let standing = Standing::of(spec, view);
    if let Some(words) = standing.nothing_to_run() {
        return words;
    }
    let mut counts = standing.ended().join(", ");
    let ended = view.ended_at.unwrap_or(view.updated_at);
    counts.push_str(" in ");
    counts.push_str(&text::duration(ended.since(view.supervised_since)));
    if view.supervised_since != view.started_at {
        counts.push_str(" since it was resumed");
    }
    counts
}

/// `4 at layer 2, 2 at layer 3 · 0.42 USD · 214k tokens`; nothing where there was nothing to run.
fn used(spec: &RunSpec, view: &RunView, style: &Style) -> String {
    if Standing::of(spec, view).nothing_to_run().is_some() {
        return String::new();
    }
    let spent = Spent::of_run(view);
    let mut used: Vec<String> = words::layers_used(view).into_iter().collect();
    used.push(spent.usd());
    if spent.tokens.total() > 0 {
        used.push(spent.tokens());
    }
    used.join(style.dot())
}

fn not_done(lines: &mut Vec<String>, spec: &RunSpec, view: &RunView, open: &[&TaskView], style: &Style) {
    let (failed, others): (Vec<&TaskView>, Vec<&TaskView>) =
        open.iter().partition(|task| task.status == TaskStatus::Failed);
    let shown = || failed.iter().take(FAILED).chain(others.iter().take(OTHERS));
    let id_width = shown().map(|task| text::width(&style.clean(task.id.as_str()))).max().unwrap_or(0).min(16);
    let most = if style.width < 60 { 10 } else { 40 };
    let title_width = shown().map(|task| text::width(&style.clean(&task.title))).max().unwrap_or(0).min(most);
    for task in shown() {
        let id = text::pad(&style.clean(task.id.as_str()), id_width);
        let title = text::pad(&style.cut(&style.clean(&task.title), title_width), title_width);
        let is_optional = view.place(&task.id).is_some_and(|place| spec.tasks[place].optional);
        let optional = if is_optional { "  (optional)" } else { "" };
        let why = words::why_not(view, task, style) + optional;
        lines.push(
            format!("  {} {id}  {title}   {why}", style.sign(words::sign_of(task))).trim_end().to_owned(),
        );
        if task.status == TaskStatus::Failed {
            let indent = " ".repeat(2 + style.sign_width() + 1 + id_width + 2);
            lines.push(format!("{indent}{}", words::why_command(task.id.as_str(), style)));
        }
    }
    let indent = " ".repeat(2 + style.sign_width() + 1);
    if failed.len() > FAILED {
        lines.push(format!("{indent}and {} more failed  (orchestrate status)", failed.len() - FAILED));
    }
    if others.len() > OTHERS {
        lines.push(format!("{indent}and {} more  (orchestrate status)", others.len() - OTHERS));
    }
    for gate in &view.gates_reached {
        let sign = style.sign(Sign::Gate);
        lines.push(format!("  {sign} gate \"{}\"   waits for a person", style.clean(gate)));
    }
}

/// What succeeded and should be looked at before it is believed.
fn doubted(lines: &mut Vec<String>, view: &RunView, style: &Style) {
    let is_doubted =
        |task: &&TaskView| task.status == TaskStatus::Succeeded && !words::doubts_of(task).is_empty();
    let tasks: Vec<&TaskView> = view.tasks.iter().filter(is_doubted).collect();
    if tasks.is_empty() {
        return;
    }
    lines.push(format!("  {} succeeded with doubts", tasks.len()));
    for task in tasks.iter().take(OTHERS) {
        let told = words::doubts(words::doubts_of(task), style).unwrap_or_default();
        let id = style.clean(task.id.as_str());
        lines.push(format!("  {} {id}  {told}", style.sign(Sign::Warning)));
        let indent = " ".repeat(2 + style.sign_width() + 1 + text::width(&id) + 2);
        lines.push(format!("{indent}{}", words::why_command(task.id.as_str(), style)));
    }
    if tasks.len() > OTHERS {
        let indent = " ".repeat(2 + style.sign_width() + 1);
        lines.push(format!("{indent}and {} more  (orchestrate status)", tasks.len() - OTHERS));
    }
    lines.push(String::new());
}

/// The commands that bring the run on.
fn again(spec: &RunSpec, view: &RunView, open: &[&TaskView], style: &Style) -> Vec<String> {
    let approvals = || -> Vec<String> {
        view.gates_reached.iter().map(|gate| format!("{} --resume", words::approve(gate, style))).collect()
    };
    match view.status {
        RunStatus::Succeeded => Vec::new(),
        RunStatus::Failed => {
            let mut commands = if open.iter().any(|task| can_be_retried(task)) {
                vec!["orchestrate retry".to_owned()]
            } else {
                vec![format!("orchestrate check {}", text::shell_word(&style.clean(&spec.plan)))]
            };
            commands.extend(approvals());
            commands
        }
        RunStatus::Waiting if !view.gates_reached.is_empty() => approvals(),
        RunStatus::Limited if is_unpaid(open) => {
            vec!["orchestrate retry --allow-paid --reason TEXT".to_owned()]
        }
        RunStatus::Running
        | RunStatus::Waiting
        | RunStatus::Limited
        | RunStatus::Stopped
        | RunStatus::Lost => {
            vec!["orchestrate resume".to_owned()]
        }
    }
}

fn can_be_retried(task: &TaskView) -> bool {
    !matches!(task.status, TaskStatus::Held)
}

fn is_unpaid(open: &[&TaskView]) -> bool {
    let unpaid = |task: &&TaskView| {
        task.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::PaymentNotApproved)
    };
    open.iter().any(unpaid)
}
