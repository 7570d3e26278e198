//! What will not run, and which commands will.

use std::collections::BTreeMap;

use super::Page;
use super::is_held;
use crate::model::check::CheckTask;
use crate::model::check::Ignored;
use crate::model::task::PlanStatus;
use crate::plan::printed::count;
use crate::plan::printed::line;
use crate::plan::printed::pad;
use crate::plan::printed::plain;
use crate::plan::printed::some_of;
use crate::plan::printed::width;

/// More tasks than this with one reason are told on one line.
const MOST_ROWS: usize = 6;

/// The most ids on such a line.
const MOST_IDS: usize = 8;

/// A command of a file with all who have it.
struct Grouped<'c> {
    file: Option<&'c str>,
    first: u32,
    last: u32,
    command: &'c str,
    tasks: Vec<&'c str>,
}

/// Boxes of a file that are no tasks for one reason.
struct Boxes<'c> {
    file: Option<&'c str>,
    reason: &'c str,
    first: u32,
    last: u32,
    number: usize,
}

impl Page<'_> {
    /// Tasks that are open and will not start.
    pub(super) fn held(&self, out: &mut String) {
        let tasks = self.check.tasks.iter().filter(|task| is_held(task));
        let mut by_reason: Vec<(String, Vec<&CheckTask>)> = Vec::new();
        for task in tasks {
            let reasons: Vec<String> = task.held_by.iter().map(|reason| plain(&reason.to_string())).collect();
            let reasons = reasons.join(", ");
            match by_reason.iter_mut().rev().take(64).find(|(known, _)| *known == reasons) {
                Some((_, list)) => list.push(task),
                None => by_reason.push((reasons, vec![task])),
            }
        }
        if by_reason.is_empty() {
            return;
        }
        self.heading(out, "held");
        let most = if self.style.explain { usize::MAX } else { MOST_ROWS };
        let mut rows = 0;
        let mut hidden = 0;
        for (reasons, tasks) in by_reason {
            if !self.style.explain && rows >= 2 * MOST_ROWS {
                hidden += tasks.len();
                continue;
            }
            rows += tasks.len().min(MOST_ROWS);
            self.rows(out, &tasks, &reasons, most);
        }
        if hidden > 0 {
            line(out, &format!("  and {hidden} more, shown by --explain"));
        }
    }

    /// Tasks for one reason: a line for each, or one for all.
    fn rows(&self, out: &mut String, tasks: &[&CheckTask], why: &str, most: usize) {
        if tasks.len() <= most {
            for task in tasks {
                let start = self.start(task);
                let room = self.style.width.saturating_sub(width(&start) + 2).max(24);
                line(out, &format!("{start}  {}", self.cut(why, room)));
            }
            return;
        }
        let ids = some_of(tasks.iter().map(|task| task.id.as_str()), MOST_IDS);
        let number = count(tasks.len(), "task", "tasks");
        let file = tasks[0].file.as_deref();
        if tasks.iter().all(|task| task.file.as_deref() == file) {
            let at = tasks.iter().map(|task| task.line);
            let at = self.places.of(file, at.clone().min().unwrap_or(0), at.max().unwrap_or(0));
            self.fit(out, &format!("  {at}  {number} {why}: {ids}"));
        } else {
            self.fit(out, &format!("  {number} {why}: {ids}"));
        }
    }

    /// Every command that a run would execute, with its line. One that stands for many tasks, or in many
    /// places, is told once; none is left out, however many there are.
    pub(super) fn commands(&self, out: &mut String) {
        let mut grouped: Vec<Grouped<'_>> = Vec::new();
        let mut known: BTreeMap<(Option<&str>, u32, &str), usize> = BTreeMap::new();
        for command in &self.check.commands {
            let file = command.file.as_deref();
            let key = (file, if self.style.explain { command.line } else { 0 }, command.command.as_str());
            let place = *known.entry(key).or_insert_with(|| {
                let (first, last) = (command.line, command.line);
                grouped.push(Grouped { file, first, last, command: &command.command, tasks: Vec::new() });
                grouped.len() - 1
            });
            let group = &mut grouped[place];
            group.first = group.first.min(command.line);
            group.last = group.last.max(command.line);
            group.tasks.push(command.task.as_str());
        }
        if grouped.is_empty() {
            return;
        }
        self.heading(out, "runs these commands");
        let tasks = |group: &Grouped<'_>| some_of(group.tasks.iter().copied(), 2);
        let id = grouped.iter().map(|group| width(&tasks(group))).max().unwrap_or(0);
        let at = |group: &Grouped<'_>| self.places.of(group.file, group.first, group.last);
        let place = grouped.iter().map(|group| width(&at(group))).max().unwrap_or(0);
        for group in &grouped {
            // A command of several lines is shown whole: it is what will be run.
            for (index, text) in group.command.lines().enumerate() {
                let (at, names) =
                    if index == 0 { (at(group), tasks(group)) } else { (String::new(), String::new()) };
                line(out, &format!("  {}  {}  {}", pad(&at, place), pad(&names, id), plain(text)));
            }
        }
    }

    /// Tasks that are done or not selected, and boxes that are no tasks, by their reasons.
    pub(super) fn left_out(&self, out: &mut String) {
        let tasks: Vec<&CheckTask> =
            self.check.tasks.iter().filter(|task| task.wave == 0 && !is_held(task)).collect();
        if tasks.is_empty() && self.check.ignored.is_empty() {
            return;
        }
        self.heading(out, "left out");
        let most = if self.style.explain { usize::MAX } else { MOST_ROWS };
        for why in ["done", "skipped", "optional", "not selected"] {
            let same: Vec<&CheckTask> = tasks.iter().copied().filter(|task| reason(task) == why).collect();
            if !same.is_empty() {
                self.rows(out, &same, why, most);
            }
        }
        if self.style.explain {
            let at = |ignored: &Ignored| self.places.of(ignored.file.as_deref(), ignored.line, ignored.line);
            let place = self.check.ignored.iter().map(|ignored| width(&at(ignored))).max().unwrap_or(0);
            for ignored in &self.check.ignored {
                self.fit(out, &format!("  {}  box, {}", pad(&at(ignored), place), plain(&ignored.reason)));
            }
            return;
        }
        // Boxes are told by their reason, in the order in which the reasons come up.
        let mut by_reason: Vec<Boxes<'_>> = Vec::new();
        let mut known: BTreeMap<(Option<&str>, &str), usize> = BTreeMap::new();
        for ignored in &self.check.ignored {
            let (file, reason) = (ignored.file.as_deref(), ignored.reason.as_str());
            let place = *known.entry((file, reason)).or_insert_with(|| {
                by_reason.push(Boxes { file, reason, first: ignored.line, last: ignored.line, number: 0 });
                by_reason.len() - 1
            });
            let boxes = &mut by_reason[place];
            boxes.first = boxes.first.min(ignored.line);
            boxes.last = boxes.last.max(ignored.line);
            boxes.number += 1;
        }
        let at = |boxes: &Boxes<'_>| self.places.of(boxes.file, boxes.first, boxes.last);
        let hidden = by_reason.len().saturating_sub(2 * MOST_ROWS);
        let shown = &by_reason[..by_reason.len() - hidden];
        let place = shown.iter().map(|boxes| width(&at(boxes))).max().unwrap_or(0);
        for boxes in shown {
            let number = count(boxes.number, "box", "boxes");
            self.fit(out, &format!("  {}  {number}, {}", pad(&at(boxes), place), plain(boxes.reason)));
        }
        if hidden > 0 {
            line(out, &format!("  boxes for {hidden} more reasons, shown by --explain"));
        }
    }
}

/// Why a task that nothing holds will not run.
fn reason(task: &CheckTask) -> &'static str {
    match task.status {
        PlanStatus::Done => "done",
        PlanStatus::Skipped => "skipped",
        PlanStatus::Open | PlanStatus::InProgress if task.optional => "optional",
        PlanStatus::Open | PlanStatus::InProgress => "not selected",
    }
}
