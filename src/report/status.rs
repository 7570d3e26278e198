//! `orchestrate status`: where a run stands, on one screen.

use crate::model::run::RunSpec;
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::time::Timestamp;
use crate::model::view::{RunView, TaskView};
use crate::report::lines::{Fit, Layout, TaskLine};
use crate::report::region::{Doing, counts, rows};
use crate::report::style::{Sign, Style};
use crate::report::text;
use crate::report::words;

/// Whether somebody supervises a run, as its asker found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// Its supervisor is at work.
    Alive,
    /// It says that it runs, and its supervisor is gone.
    Dead,
    /// It ended.
    Ended,
}

/// How many finished and how many waiting tasks are named.
const NAMED: usize = 12;

/// Where the run stands, with a line break after every line.
pub fn status(spec: &RunSpec, view: &RunView, live: Liveness, style: &Style, now: Timestamp) -> String {
    let layout = Layout::of(spec, style);
    let mut lines = vec![format!("run {}   {}", view.run_id, state(view, live, style, now))];
    lines.push(
        format!("    {}   {}", style.clean(&spec.plan), style.clean(&spec.plan_title)).trim_end().to_owned(),
    );
    for (_, message, hint) in &view.warnings {
        let words = crate::report::lines::with_hint(message, hint.as_deref(), style);
        lines.push(layout.remark(Sign::Warning, &words, Fit::Stays, style));
    }
    for gate in &view.gates_reached {
        let words =
            format!("gate \"{}\" waits for a person  ({})", style.clean(gate), words::approve(gate, style));
        lines.push(layout.remark(Sign::Gate, &words, Fit::Stays, style));
    }
    group(&mut lines, &layout, view, style, &[TaskStatus::Succeeded]);
    group(&mut lines, &layout, view, style, &[TaskStatus::Failed, TaskStatus::Cancelled]);
    if live == Liveness::Alive {
        let room = style.height.saturating_sub(6).max(NAMED);
        lines.extend(rows(&layout, view, &Doing::default(), style, now, room));
    } else {
        let open = [TaskStatus::Running, TaskStatus::Verifying, TaskStatus::Landing, TaskStatus::Retrying];
        group(&mut lines, &layout, view, style, &open);
    }
    group(&mut lines, &layout, view, style, &[TaskStatus::Held]);
    group(&mut lines, &layout, view, style, &[TaskStatus::Pending]);
    group(&mut lines, &layout, view, style, &[TaskStatus::Blocked]);
    let last_seen = if live == Liveness::Alive { now } else { view.updated_at };
    lines.push(counts(&layout, spec, view, style, last_seen));
    if let Some(next) = next(view, live) {
        lines.push(format!("  next     {next}"));
    }
    let mut out = lines.join("\n");
    out.push('\n');
    out
}

fn state(view: &RunView, live: Liveness, style: &Style, now: Timestamp) -> String {
    let supervisor = match &view.supervisor {
        Some((host, pid)) => format!(" {}:{pid}", style.clean(host)),
        None => String::new(),
    };
    match live {
        Liveness::Alive => {
            let since = text::duration(now.since(view.supervised_since));
            match &view.stop_requested {
                Some(who) => format!("stopping ({}), for {since} by{supervisor}", style.clean(who)),
                None => format!("running for {since} by{supervisor}"),
            }
        }
        Liveness::Dead => {
            format!("its supervisor{supervisor} is gone, last seen {}", text::ago(now.since(view.updated_at)))
        }
        Liveness::Ended => {
            let code = view.exit_code.map(|code| format!(", exit {code}")).unwrap_or_default();
            let ended = text::ago(now.since(view.ended_at.unwrap_or(view.updated_at)));
            format!("{}{code}, {ended}", view.status)
        }
    }
}

/// The tasks in one of these statuses; of many, the last that changed.
fn group(lines: &mut Vec<String>, layout: &Layout, view: &RunView, style: &Style, statuses: &[TaskStatus]) {
    let mut tasks: Vec<&TaskView> =
        view.tasks.iter().filter(|task| statuses.contains(&task.status)).collect();
    let all = tasks.len();
    let is_end = statuses.iter().all(|status| status.is_end());
    if all > NAMED && is_end {
        // The latest ones, in plan order.
        let mut times: Vec<Timestamp> = tasks.iter().map(|task| task.changed_at).collect();
        times.sort_unstable();
        let oldest = times[all - NAMED];
        tasks.retain(|task| task.changed_at >= oldest);
    }
    tasks.truncate(NAMED);
    let more = all - tasks.len();
    let word = statuses.first().map_or("", |status| status.as_str());
    if more > 0 && is_end {
        lines.push(layout.remark(Sign::of(statuses[0]), &format!("{more} more {word}"), Fit::Screen, style));
    }
    for task in tasks {
        let attempt = task.last_attempt();
        let words = words::why_not(view, task, style);
        let words = if task.status == TaskStatus::Pending && task.attempts.is_empty() { "" } else { &words };
        let line = TaskLine {
            sign: words::sign_of(task),
            id: &task.id,
            title: &task.title,
            rung: attempt.map(|attempt| &attempt.rung),
            time: attempt
                .filter(|attempt| attempt.ended_at.is_some())
                .map(|attempt| words::attempt_time(attempt, view.updated_at)),
            words,
        };
        lines.push(layout.line(&line, Fit::Stays, style));
    }
    if more > 0 && !is_end {
        lines.push(layout.remark(Sign::of(statuses[0]), &format!("{more} more {word}"), Fit::Screen, style));
    }
}

/// What to type next.
fn next(view: &RunView, live: Liveness) -> Option<&'static str> {
    match (live, view.status) {
        (Liveness::Alive, _) | (Liveness::Ended, RunStatus::Succeeded) => None,
        (Liveness::Ended, RunStatus::Failed) => Some("orchestrate retry"),
        // The gates' own lines say it.
        (Liveness::Ended, RunStatus::Waiting) if !view.gates_reached.is_empty() => None,
        (
            Liveness::Ended,
            RunStatus::Running
            | RunStatus::Waiting
            | RunStatus::Limited
            | RunStatus::Stopped
            | RunStatus::Lost,
        )
        | (Liveness::Dead, _) => Some("orchestrate resume"),
    }
}
