//! What will not run, and which commands will.

use std::collections::BTreeMap;

use super::Page;
use super::is_held;
use super::place_of;
use super::shown_title;
use crate::model::check::CheckTask;
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

/// More commands than this are counted in a big plan.
const MOST_COMMANDS: usize = 20;

impl<'c> Page<'c> {
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
                let start = format!(
                    "  {}  {}  {}",
                    pad(&plain(task.id.as_str()), self.id),
                    pad(&self.cut(&shown_title(task), self.title), self.title),
                    pad(&place_of(task), self.place)
                );
                let room = self.style.width.saturating_sub(width(&start) + 2).max(24);
                line(out, &format!("{start}  {}", self.cut(why, room)));
            }
            return;
        }
        let lines = tasks.iter().map(|task| task.line);
        let (first, last) = (lines.clone().min().unwrap_or(0), lines.max().unwrap_or(0));
        let ids = some_of(tasks.iter().map(|task| task.id.as_str()), MOST_IDS);
        let number = count(tasks.len(), "task", "tasks");
        self.fit(out, &format!("  :{first}-{last}  {number} {why}: {ids}"));
    }

    /// Every command that a run would execute, with its line; one that stands for many tasks is told once.
    pub(super) fn commands(&self, out: &mut String) {
        let mut grouped: Vec<(u32, &str, Vec<&str>)> = Vec::new();
        let mut known: BTreeMap<(u32, &str), usize> = BTreeMap::new();
        for command in &self.check.commands {
            let key = (command.line, command.command.as_str());
            match known.get(&key) {
                Some(place) => {
                    let place: &mut (u32, &str, Vec<&str>) = &mut grouped[*place];
                    place.2.push(command.task.as_str());
                }
                None => {
                    known.insert(key, grouped.len());
                    grouped.push((command.line, &command.command, vec![command.task.as_str()]));
                }
            }
        }
        if grouped.is_empty() {
            return;
        }
        self.heading(out, "runs these commands");
        let tasks = |list: &[&str]| some_of(list.iter().copied(), 2);
        let id = grouped.iter().map(|(_, _, list)| width(&tasks(list))).max().unwrap_or(0);
        let place = grouped.iter().map(|(line, ..)| line.to_string().len() + 1).max().unwrap_or(0);
        let most = if self.big { MOST_COMMANDS } else { usize::MAX };
        for (at, command, list) in grouped.iter().take(most) {
            // A command of several lines is shown whole: it is what will be run.
            for (index, text) in command.lines().enumerate() {
                let (at, list) =
                    if index == 0 { (format!(":{at}"), tasks(list)) } else { (String::new(), String::new()) };
                line(out, &format!("  {}  {}  {}", pad(&at, place), pad(&list, id), plain(text)));
            }
        }
        if grouped.len() > most {
            line(out, &format!("  and {} more, shown by --explain", grouped.len() - most));
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
            let place =
                self.check.ignored.iter().map(|box_| box_.line.to_string().len() + 1).max().unwrap_or(0);
            for box_ in &self.check.ignored {
                let at = pad(&format!(":{}", box_.line), place);
                self.fit(out, &format!("  {at}  box, {}", plain(&box_.reason)));
            }
            return;
        }
        // Boxes are told by their reason, in the order in which the reasons come up.
        let mut by_reason: Vec<(&str, u32, u32, usize)> = Vec::new();
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for box_ in &self.check.ignored {
            match known.get(box_.reason.as_str()) {
                Some(place) => {
                    let entry: &mut (&str, u32, u32, usize) = &mut by_reason[*place];
                    entry.2 = box_.line;
                    entry.3 += 1;
                }
                None => {
                    known.insert(&box_.reason, by_reason.len());
                    by_reason.push((&box_.reason, box_.line, box_.line, 1));
                }
            }
        }
        let at = |first: u32, last: u32| {
            if first == last { format!(":{first}") } else { format!(":{first}-{last}") }
        };
        let place = by_reason.iter().map(|(_, first, last, _)| at(*first, *last).len()).max().unwrap_or(0);
        let hidden = by_reason.len().saturating_sub(2 * MOST_ROWS);
        for (reason, first, last, number) in by_reason.iter().take(2 * MOST_ROWS) {
            let boxes = count(*number, "box", "boxes");
            self.fit(out, &format!("  {}  {boxes}, {}", pad(&at(*first, *last), place), plain(reason)));
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
