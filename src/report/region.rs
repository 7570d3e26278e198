//! What goes on, as lines that are redrawn: running and retrying tasks, then one line of counts.
//!
//! **Invariant:** no line is wider than the screen less one column, and there are fewer lines than
//! the screen has.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::model::ids::{AttemptKey, TaskId};
use crate::model::run::RunSpec;
use crate::model::status::TaskStatus;
use crate::model::time::Timestamp;
use crate::model::view::{AttemptView, RunView, TaskView};
use crate::report::lines::{Fit, Layout, TaskLine};
use crate::report::style::{Sign, Style};
use crate::report::text;
use crate::report::words::{self, Spent, Standing};

/// What the attempts that are under way do, latest word.
#[derive(Debug, Default)]
pub struct Doing {
    said: BTreeMap<TaskId, (u32, String)>,
    checks: BTreeMap<TaskId, (u32, String)>,
}

impl Doing {
    /// Notes what the agent of an attempt does.
    pub fn say(&mut self, key: &AttemptKey, text: &str) {
        match self.said.get_mut(&key.task) {
            Some((attempt, said)) => {
                *attempt = key.attempt;
                text.clone_into(said);
            }
            None => {
                self.said.insert(key.task.clone(), (key.attempt, text.to_owned()));
            }
        }
    }

    /// Notes the commands that check an attempt.
    pub fn check(&mut self, task: &TaskId, attempt: u32, commands: &[String]) {
        let words = match commands {
            [] => "verifying".to_owned(),
            [one] => format!("verify: {one}"),
            [first, more @ ..] => format!("verify: {first}, and {} more", more.len()),
        };
        self.checks.insert(task.clone(), (attempt, words));
    }

    /// Forgets an attempt that ended.
    pub fn end(&mut self, task: &TaskId) {
        self.said.remove(task);
        self.checks.remove(task);
    }

    fn words<'a>(&'a self, task: &'a TaskView, attempt: u32) -> Cow<'a, str> {
        let of = |words: &'a BTreeMap<TaskId, (u32, String)>| {
            words.get(&task.id).filter(|(number, _)| *number == attempt).map(|(_, text)| text.as_str())
        };
        match task.status {
            TaskStatus::Landing => "landing".into(),
            TaskStatus::Verifying => of(&self.checks).unwrap_or("verifying").into(),
            TaskStatus::Running => match (of(&self.said), &task.report_problem) {
                (Some(said), _) => said.into(),
                (None, Some(problem)) => words::refused_report(problem).into(),
                (None, None) => task.progress.as_deref().unwrap_or_default().into(),
            },
            TaskStatus::Pending
            | TaskStatus::Retrying
            | TaskStatus::Succeeded
            | TaskStatus::Failed
            | TaskStatus::Cancelled
            | TaskStatus::Blocked
            | TaskStatus::Held
            | TaskStatus::Skipped => "".into(),
        }
    }
}

/// The lines of the live region at `now`.
pub fn region(spec: &RunSpec, view: &RunView, doing: &Doing, style: &Style, now: Timestamp) -> Vec<String> {
    region_in(&Layout::of(spec, style), spec, view, doing, style, now)
}

/// The same with columns that are known.
pub(super) fn region_in(
    layout: &Layout,
    spec: &RunSpec,
    view: &RunView,
    doing: &Doing,
    style: &Style,
    now: Timestamp,
) -> Vec<String> {
    // The line of the cursor, the rule, the counts, and a line that stays.
    let room = style.height.saturating_sub(4).max(1);
    let mut lines = vec![rule(layout, style)];
    lines.extend(rows(layout, view, doing, style, now, room));
    lines.push(counts(layout, spec, view, style, now));
    lines
}

fn rule(layout: &Layout, style: &Style) -> String {
    let line = if style.unicode { "─" } else { "-" };
    style.dim(&line.repeat(layout.width()))
}

/// The tasks that an attempt has hold of, longest first, then those that wait for their next one,
/// soonest first; at most `room` lines.
pub(super) fn rows(
    layout: &Layout,
    view: &RunView,
    doing: &Doing,
    style: &Style,
    now: Timestamp,
    room: usize,
) -> Vec<String> {
    let active = active(view);
    let mut retrying: Vec<&TaskView> =
        view.tasks.iter().filter(|task| task.status == TaskStatus::Retrying).collect();
    retrying.sort_by_key(|task| task.retry_at);
    let all = active.len() + retrying.len();
    let shown = if all > room { room - 1 } else { all };
    let mut lines: Vec<String> = Vec::with_capacity(shown + 1);
    for (task, attempt) in active.iter().take(shown) {
        let words = style.clean(&doing.words(task, attempt.attempt));
        let line = TaskLine {
            sign: Sign::Running,
            id: &task.id,
            title: &task.title,
            rung: Some(&attempt.rung),
            time: Some(now.since(attempt.started_at)),
            words: &words,
        };
        lines.push(layout.line(&line, Fit::Screen, style));
    }
    for task in retrying.iter().take(shown - lines.len()) {
        let words = retry_words(task, style, now);
        let line = TaskLine {
            sign: Sign::Retrying,
            id: &task.id,
            title: &task.title,
            rung: task.next.as_ref(),
            time: None,
            words: &words,
        };
        lines.push(layout.line(&line, Fit::Screen, style));
    }
    if shown < all {
        let more_active = active.len() - shown.min(active.len());
        let more_retrying = all - shown - more_active;
        let mut words = Vec::new();
        if more_active > 0 {
            words.push(format!("{more_active} more running"));
        }
        if more_retrying > 0 {
            words.push(format!("{more_retrying} retrying"));
        }
        let words = format!("    and {}", words.join(", "));
        lines.push(style.cut(&words, layout.width()));
    }
    lines
}

/// The tasks that an attempt has hold of, longest first.
pub(super) fn active(view: &RunView) -> Vec<(&TaskView, &AttemptView)> {
    let mut active: Vec<(&TaskView, &AttemptView)> = view
        .tasks
        .iter()
        .filter(|task| task.status.is_active())
        .filter_map(|task| Some((task, task.last_attempt()?)))
        .collect();
    active.sort_by_key(|(_, attempt)| attempt.started_at);
    active
}

fn retry_words(task: &TaskView, style: &Style, now: Timestamp) -> String {
    let wait = match task.retry_at {
        Some(at) if at > now => format!("in {}", text::wait(at.since(now))),
        Some(_) | None => "next".to_owned(),
    };
    match &task.failure {
        Some(failure) => format!("{wait}: {}", words::failure(failure, style)),
        None => wait,
    }
}

/// `1 of 7 done · 1 failed · 2 running · 2 waiting        2m 40s  $0.00`.
pub(super) fn counts(
    layout: &Layout,
    spec: &RunSpec,
    view: &RunView,
    style: &Style,
    now: Timestamp,
) -> String {
    let standing = Standing::of(spec, view).live();
    let time = text::duration(view.ended_at.unwrap_or(now).since(view.supervised_since));
    let right = format!("{time}  {}", Spent::of_run(view).money());
    let room = layout.width();
    let mut left = format!("  {}", standing.join(style.dot()));
    if view.stop_requested.is_some() && view.ended_at.is_none() {
        left.push_str(style.dot());
        left.push_str("stopping");
    }
    let left_room = room.saturating_sub(text::width(&right) + 2);
    // The time and the money give way before the counts do.
    if text::width(&left) > left_room {
        return style.cut(&left, room);
    }
    // Under the times of the tasks, or at the end of the line.
    let column = left_room.min(PREFERRED);
    let left = text::pad(&left, column.max(text::width(&left)));
    format!("{left}  {right}")
}

/// Where time and money of the line of counts begin, if the counts leave room.
const PREFERRED: usize = 62;
