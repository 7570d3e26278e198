//! Waves and the longest chain, drawn with characters.
//!
//! A wave is a box of the tasks that could start together; what each waits for stands beside it, as far as
//! it does not follow from the rest. Waves of one task each that follow one another share a box: a plan of
//! six hundred tasks in a row is one box, and not six hundred.

use std::collections::BTreeMap;

use super::order::Order;
use crate::model::check::CheckTask;
use crate::model::check::PlanCheck;
use crate::model::task::EdgeRule;
use crate::model::task::HeldReason;
use crate::plan::printed::count;
use crate::plan::printed::cut;
use crate::plan::printed::line;
use crate::plan::printed::pad;
use crate::plan::printed::plain;
use crate::plan::printed::some_of;
use crate::plan::printed::width;

/// The most tasks of a box that are shown.
const MOST_TASKS: usize = 12;

/// The most boxes that are shown from the beginning ...
const MOST_BOXES: usize = 24;

/// ... and from the end.
const LAST_BOXES: usize = 3;

/// The most ids that stand as what is waited for.
const MOST_AFTER: usize = 3;

/// The most lines that the longest chain takes.
const MOST_CHAIN: usize = 4;

/// No box is wider, however wide the terminal is.
const WIDEST: usize = 110;

/// How the picture is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether lines may be drawn with more than ASCII.
    pub unicode: bool,
}

/// What the lines are drawn with.
struct Pen {
    corners: [&'static str; 4],
    across: &'static str,
    down: &'static str,
    tee: &'static str,
    tip: &'static str,
    arrow: &'static str,
    back: &'static str,
    mark: &'static str,
}

const LINES: Pen = Pen {
    corners: ["┌", "┐", "└", "┘"],
    across: "─",
    down: "│",
    tee: "┬",
    tip: "▼",
    arrow: " ─▶ ",
    back: "←",
    mark: "●",
};

const ASCII: Pen = Pen {
    corners: ["+", "+", "+", "+"],
    across: "-",
    down: "|",
    tee: "+",
    tip: "v",
    arrow: " -> ",
    back: "<-",
    mark: "*",
};

/// A box: one wave, or several of one task each.
struct Frame {
    first: u32,
    last: u32,
    tasks: Vec<usize>,
}

/// Draws the waves and the longest chain. Ends in a newline.
pub fn text(check: &PlanCheck, style: TextStyle) -> String {
    let pen = if style.unicode { &LINES } else { &ASCII };
    let mut out = String::new();
    let order = Order::of(check);
    let chain = order.longest(check);
    let mut after: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut apart: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (from, to, rule) in order.reduced(|_| false) {
        let list = if rule == EdgeRule::File { &mut apart } else { &mut after };
        // What is done is waited for no longer.
        if check.tasks[from].wave > 0 {
            list.entry(to).or_default().push(from);
        }
    }
    let frames = frames(check);
    let to_run: usize = frames.iter().map(|frame| frame.tasks.len()).sum();
    let waves = frames.last().map_or(0, |frame| frame.last);
    let counts = format!(
        "{} to run, {}, longest chain {}",
        count(to_run, "task", "tasks"),
        count(usize::try_from(waves).unwrap_or(usize::MAX), "wave", "waves"),
        check.longest_chain
    );
    let together = format!("{}: {counts}", plain(&check.plan));
    if width(&together) <= style.width {
        line(&mut out, &together);
    } else {
        line(&mut out, &plain(&check.plan));
        line(&mut out, &counts);
    }
    if frames.is_empty() {
        line(&mut out, "nothing to draw: no task would run");
        return out;
    }
    let mut on_chain = vec![false; check.tasks.len()];
    for task in &chain {
        on_chain[*task] = true;
    }
    let drawing = Drawing { check, style, pen, chain: &chain, on_chain, after: &after, apart: &apart };
    let columns = drawing.columns(&frames);
    let hidden =
        if frames.len() > MOST_BOXES + LAST_BOXES + 1 { MOST_BOXES..frames.len() - LAST_BOXES } else { 0..0 };
    for (index, frame) in frames.iter().enumerate() {
        if hidden.contains(&index) {
            if index == hidden.start {
                let tasks: usize = frames[hidden.clone()].iter().map(|frame| frame.tasks.len()).sum();
                let (first, last) = (frame.first, frames[hidden.end - 1].last);
                line(&mut out, &format!("  waves {first} to {last}: {} more", count(tasks, "task", "tasks")));
                line(&mut out, &format!("   {}", pen.tip));
            }
            continue;
        }
        drawing.frame(&mut out, frame, columns, index + 1 == frames.len());
    }
    drawing.chain(&mut out);
    drawing.rest(&mut out);
    out
}

/// The boxes, first to last.
fn frames(check: &PlanCheck) -> Vec<Frame> {
    let mut waves: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (place, task) in check.tasks.iter().enumerate().filter(|(_, task)| task.wave > 0) {
        waves.entry(task.wave).or_default().push(place);
    }
    let mut frames: Vec<Frame> = Vec::new();
    for (wave, tasks) in waves {
        let alone =
            |frame: &Frame| frame.tasks.len() == usize::try_from(frame.last - frame.first + 1).unwrap_or(0);
        match frames.last_mut().filter(|frame| tasks.len() == 1 && alone(frame)) {
            Some(frame) => {
                frame.last = wave;
                frame.tasks.extend(tasks);
            }
            None => frames.push(Frame { first: wave, last: wave, tasks }),
        }
    }
    frames
}

/// The widths of all boxes.
#[derive(Clone, Copy)]
struct Columns {
    /// Between the corners.
    inside: usize,
    id: usize,
    notes: usize,
}

struct Drawing<'c> {
    check: &'c PlanCheck,
    style: TextStyle,
    pen: &'c Pen,
    chain: &'c [usize],
    /// For each task whether it is of the chain.
    on_chain: Vec<bool>,
    after: &'c BTreeMap<usize, Vec<usize>>,
    apart: &'c BTreeMap<usize, Vec<usize>>,
}

impl Drawing<'_> {
    fn columns(&self, frames: &[Frame]) -> Columns {
        let all = || frames.iter().flat_map(|frame| self.shown(frame));
        let id = all().map(|task| width(&plain(self.check.tasks[task].id.as_str()))).max().unwrap_or(0);
        let notes = all().map(|task| width(&self.notes(task))).max().unwrap_or(0);
        let title = all().map(|task| width(&self.title(task))).max().unwrap_or(0);
        let heading = frames.iter().map(|frame| width(&self.heading(frame)) + 4).max().unwrap_or(0);
        let gap = if notes > 0 { 2 } else { 0 };
        let wanted = (3 + id + 2 + title + gap + notes + 1).max(heading);
        let inside = wanted.min(self.style.width.min(WIDEST).saturating_sub(2)).max(20);
        let notes = notes.min(inside.saturating_sub(3 + id + 2 + 10 + 3));
        Columns { inside, id, notes }
    }

    /// The tasks of a box that are shown; one of the chain is always among them.
    fn shown(&self, frame: &Frame) -> Vec<usize> {
        if frame.tasks.len() <= MOST_TASKS + 1 {
            return frame.tasks.clone();
        }
        let mut shown = frame.tasks[..MOST_TASKS].to_vec();
        let one_by_one = frame.last > frame.first;
        if !one_by_one
            && !shown.iter().any(|task| self.on_chain[*task])
            && let Some(task) = frame.tasks.iter().find(|task| self.on_chain[**task])
        {
            shown.pop();
            shown.push(*task);
        }
        shown
    }

    fn title(&self, task: usize) -> String {
        let found = &self.check.tasks[task];
        // An id that was made from the title says all that the title says.
        if found.title == found.id.as_str() { String::new() } else { self.clean(&found.title) }
    }

    fn clean(&self, text: &str) -> String {
        let text = plain(text);
        if self.style.unicode || text.is_ascii() {
            return text;
        }
        text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
    }

    fn notes(&self, task: usize) -> String {
        let ids = |list: &BTreeMap<usize, Vec<usize>>| {
            list.get(&task).map(|list| {
                some_of(list.iter().map(|place| self.check.tasks[*place].id.as_str()), MOST_AFTER)
            })
        };
        let mut notes = Vec::new();
        notes.extend(ids(self.after).map(|ids| format!("{} {ids}", self.pen.back)));
        notes.extend(ids(self.apart).map(|ids| format!("not beside {ids}")));
        self.clean_notes(&notes.join(", "))
    }

    fn clean_notes(&self, text: &str) -> String {
        if self.style.unicode { plain(text) } else { self.clean(text) }
    }

    fn heading(&self, frame: &Frame) -> String {
        let mut text = if frame.first == frame.last {
            format!("wave {}", frame.first)
        } else {
            format!("waves {} to {}, one after another", frame.first, frame.last)
        };
        let number = frame.tasks.len();
        if frame.first == frame.last && number > 1 {
            text = format!("{text}: {number} at once");
        }
        let gate =
            |task: &CheckTask| task.held_by.iter().find_map(HeldReason::gate).map(|name| self.clean(name));
        if let Some(gate) = frame.tasks.iter().find_map(|task| gate(&self.check.tasks[*task])) {
            text = format!("{text}, gate \"{}\"", cut(&gate, 30, self.style.unicode));
        }
        text
    }

    fn frame(&self, out: &mut String, frame: &Frame, columns: Columns, last: bool) {
        let pen = self.pen;
        let rule = |number: usize| pen.across.repeat(number);
        let heading = cut(&self.heading(frame), columns.inside.saturating_sub(4), self.style.unicode);
        let rest = columns.inside.saturating_sub(width(&heading) + 3);
        line(out, &format!("{}{} {heading} {}{}", pen.corners[0], rule(1), rule(rest), pen.corners[1]));
        let shown = self.shown(frame);
        let one_by_one = frame.last > frame.first;
        for task in &shown {
            let mark = if self.on_chain[*task] { pen.mark } else { " " };
            let found = &self.check.tasks[*task];
            let notes = if one_by_one && *task != frame.tasks[0] { String::new() } else { self.notes(*task) };
            let notes = cut(&notes, columns.notes, self.style.unicode);
            let id = self.clean(found.id.as_str());
            let gap = if columns.notes > 0 { 2 } else { 0 };
            let left = columns.inside.saturating_sub(3 + columns.id + 2 + gap + columns.notes + 1);
            let title = cut(&self.title(*task), left, self.style.unicode);
            let text =
                format!(" {mark} {}  {}{}{notes}", pad(&id, columns.id), pad(&title, left), " ".repeat(gap));
            self.inside(out, &text, columns);
        }
        let more = frame.tasks.len() - shown.len();
        if more > 0 {
            let how = if one_by_one { ", one after another" } else { "" };
            self.inside(out, &format!("   and {more} more{how}"), columns);
        }
        if last {
            line(out, &format!("{}{}{}", pen.corners[2], rule(columns.inside), pen.corners[3]));
        } else {
            let rest = columns.inside.saturating_sub(3);
            line(out, &format!("{}{}{}{}{}", pen.corners[2], rule(2), pen.tee, rule(rest), pen.corners[3]));
            line(out, &format!("   {}", pen.tip));
        }
    }

    fn inside(&self, out: &mut String, text: &str, columns: Columns) {
        let down = self.pen.down;
        let text = cut(text, columns.inside, self.style.unicode);
        line(out, &format!("{down}{}{down}", pad(&text, columns.inside)));
    }

    fn chain(&self, out: &mut String) {
        if self.chain.len() < 2 {
            return;
        }
        out.push('\n');
        line(
            out,
            &format!("longest chain ({}, {} above)", count(self.chain.len(), "task", "tasks"), self.pen.mark),
        );
        let columns = self.style.width.min(WIDEST);
        let mut text = String::from(" ");
        let mut lines = 1;
        for (index, task) in self.chain.iter().enumerate() {
            let id = self.clean(self.check.tasks[*task].id.as_str());
            let next = if index == 0 { format!(" {id}") } else { format!("{}{id}", self.pen.arrow) };
            if index > 0 && width(&text) + width(&next) > columns {
                line(out, &text);
                lines += 1;
                if lines > MOST_CHAIN {
                    line(out, &format!("  {} {} more", self.pen.arrow.trim(), self.chain.len() - index));
                    return;
                }
                text = format!("  {}", next.trim_start());
            } else {
                text.push_str(&next);
            }
        }
        line(out, &text);
    }

    /// What is not in the picture.
    fn rest(&self, out: &mut String) {
        let left = self.check.tasks.iter().filter(|task| task.wave == 0);
        let (held, over): (Vec<&CheckTask>, Vec<&CheckTask>) =
            left.partition(|task| super::Look::of(task) == super::Look::Held);
        for (tasks, words) in [(held, "held"), (over, "done or left out")] {
            if !tasks.is_empty() {
                let ids = some_of(tasks.iter().map(|task| task.id.as_str()), MOST_TASKS);
                let text = format!("{words}: {}", self.clean(&ids));
                line(out, &text);
            }
        }
    }
}
