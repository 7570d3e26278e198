//! What `check` shows to a person: waves, tasks with their lines, commands, what was left out.
//!
//! Made to be read in ten seconds: what is the same for all is said once, waves of one task each share a
//! block, a big plan shows the beginning of each block, and what was left out is told by its reason. Under
//! `--explain` nothing is cut out, and all that the reader decided follows.

mod groups;
mod places;
mod rest;
mod told;
mod waves;

use std::collections::BTreeMap;

use self::places::Places;
use crate::model::check::CheckTask;
use crate::model::check::PlanCheck;
use crate::model::check::Severity;
use crate::model::task::HeldReason;
use crate::model::task::PlanStatus;
use crate::model::task::TaskKind;
use crate::plan::printed::count;
use crate::plan::printed::cut;
use crate::plan::printed::line;
use crate::plan::printed::pad;
use crate::plan::printed::plain;
use crate::plan::printed::width;

/// How a check is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckStyle {
    /// Columns of the terminal; titles are cut to fit.
    pub width: usize,
    /// Every task, field, edge and ignored box, with where it came from or why.
    pub explain: bool,
    /// Headings in bold.
    pub color: bool,
    /// Whether more than ASCII may be used.
    pub unicode: bool,
}

/// With more tasks than this to run, blocks are shown by their beginning.
const BIG: usize = 60;

/// Who does a task that asks for nobody.
const ANY: &str = "any free";

/// Columns of `after T001 (explicit)`, with a mark or two.
const SHORT_WAIT: usize = 26;

/// The columns that ids may take on any terminal.
const MOST_ID: usize = 20;

/// For titles of so many columns long ids need not make room.
const ENOUGH_TITLE: usize = 24;

/// A title in fewer columns is left out.
const LEAST_TITLE: usize = 6;

/// Kinds of agents that the headline names.
const MOST_AGENTS: usize = 4;

/// Shows a check. Ends in a newline; the last line says so if nothing can be run. Diagnostics are counted
/// here and shown by [`crate::diagnostics::render`].
pub fn render_check(check: &PlanCheck, style: CheckStyle) -> String {
    let mut out = String::new();
    headline(check, style, &mut out);
    let page = Page::new(check, style);
    page.groups(&mut out);
    page.waves(&mut out);
    page.held(&mut out);
    page.commands(&mut out);
    page.left_out(&mut out);
    if style.explain {
        page.fields(&mut out);
        page.edges(&mut out);
    }
    page.advice(&mut out);
    let errors = check.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    if errors > 0 {
        out.push('\n');
        line(&mut out, &format!("{}: nothing can be run", count(errors, "error", "errors")));
    }
    out
}

fn headline(check: &PlanCheck, style: CheckStyle, out: &mut String) {
    plans(check, out);
    let all = check.tasks.len();
    let done = check.tasks.iter().filter(|task| task.status == PlanStatus::Done).count();
    let skipped = check.tasks.iter().filter(|task| task.status == PlanStatus::Skipped).count();
    let held = check.tasks.iter().filter(|task| is_held(task)).count();
    let run = check.tasks.iter().filter(|task| task.wave > 0).count();
    let mut parts = vec![format!("{run} to run")];
    for (number, word) in [(done, "done"), (skipped, "skipped"), (held, "held")] {
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    let mut text = format!("{}: {}", count(all, "task", "tasks"), parts.join(", "));
    let waves = check.tasks.iter().map(|task| task.wave).max().unwrap_or(0);
    if waves > 0 {
        let waves = usize::try_from(waves).unwrap_or(usize::MAX);
        let chain = format!("   {}, longest chain {}", count(waves, "wave", "waves"), check.longest_chain);
        text.push_str(&chain);
        let by = format!("   {}", agents(check));
        if width(&text) + width(&by) <= style.width {
            text.push_str(&by);
        } else {
            line(out, &text);
            text = cut(by.trim_start(), style.width, style.unicode);
        }
    }
    line(out, &text);
}

/// What was read, and as what.
fn plans(check: &PlanCheck, out: &mut String) {
    let read_as = |format: &str, reason: &str| {
        if reason.is_empty() { String::new() } else { format!("   {format} ({})", plain(reason)) }
    };
    if check.plans.is_empty() {
        let read_as = read_as(&check.format, &check.format_reason);
        line(out, &format!("{}{read_as}", plain(&check.plan)));
        return;
    }
    line(out, &format!("{} as one", count(check.plans.len(), "plan", "plans")));
    let widest = check.plans.iter().map(|plan| width(&plain(&plan.file))).max().unwrap_or(0);
    for plan in &check.plans {
        let file = pad(&plain(&plan.file), widest);
        line(out, &format!("  {file}{}", read_as(&plan.format, &plan.format_reason)));
    }
}

/// Who would do the work: `by kilo (3), any free agent (2)`.
fn agents(check: &PlanCheck) -> String {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    for task in check.tasks.iter().filter(|task| task.wave > 0) {
        *numbers.entry(asks_for(task)).or_default() += 1;
    }
    let mut sorted: Vec<(String, usize)> = numbers.into_iter().collect();
    sorted.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    for (name, _) in sorted.iter_mut().filter(|(name, _)| name == ANY) {
        name.push_str(" agent");
    }
    if let [(name, _)] = sorted.as_slice() {
        return format!("all by {name}");
    }
    let named: Vec<String> =
        sorted.iter().take(MOST_AGENTS).map(|(name, number)| format!("{name} ({number})")).collect();
    let more = sorted.len().saturating_sub(MOST_AGENTS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("by {}{more}", named.join(", "))
}

/// The agent, model and layer that a task asks for.
fn asks_for(task: &CheckTask) -> String {
    if task.kind == TaskKind::Gate {
        return "a person".to_owned();
    }
    let mut parts: Vec<String> = Vec::new();
    parts.extend(task.agent.as_deref().map(plain));
    parts.extend(task.model.as_deref().map(plain));
    parts.extend(task.layer.map(|layer| format!("layer {layer}")));
    if parts.is_empty() { ANY.to_owned() } else { parts.join(", ") }
}

/// Held for something else than a gate that stands before it.
fn is_held(task: &CheckTask) -> bool {
    !task.held.is_empty() && task.wave == 0 && !task.held_by.contains(&HeldReason::Optional)
}

/// What all parts of the output share.
struct Page<'c> {
    check: &'c PlanCheck,
    style: CheckStyle,
    /// What files are called.
    places: Places<'c>,
    /// Columns of ids. A longer one takes room from its title.
    id: usize,
    place: usize,
    /// Nothing: all tasks ask for the same, which the headline says.
    agent: usize,
    title: usize,
    /// Blocks are shown by their beginning.
    big: bool,
}

impl<'c> Page<'c> {
    fn new(check: &'c PlanCheck, style: CheckStyle) -> Self {
        let widest = |of: &dyn Fn(&CheckTask) -> usize| check.tasks.iter().map(of).max().unwrap_or(0);
        let places = Places::new(check, style);
        let place = widest(&|task| width(&places.of_task(task)));
        let mut asked = check.tasks.iter().filter(|task| task.wave > 0).map(asks_for);
        let first = asked.next();
        let same = first.is_none_or(|first| asked.all(|other| other == first));
        let agent = if same { 0 } else { widest(&|task| width(&asks_for(task))).min(style.width / 5).max(8) };
        let title = widest(&|task| width(&shown_title(task)));
        let gaps = 2 + 2 + 2 + if agent > 0 { 2 } else { 0 };
        // A third of what is left is for what a task waits for, and never less than a short wait needs.
        let for_titles = |id: usize| {
            let rest = style.width.saturating_sub(id + place + agent + gaps);
            rest.saturating_sub((rest / 3).max(SHORT_WAIT))
        };
        let mut id = widest(&|task| width(&plain(task.id.as_str())));
        if for_titles(id) < title.min(ENOUGH_TITLE) {
            id = id.min((style.width / 4).max(MOST_ID));
        }
        let title = title.min(for_titles(id).max(10));
        let run = check.tasks.iter().filter(|task| task.wave > 0).count();
        Self { check, style, places, id, place, agent, title, big: run > BIG && !style.explain }
    }

    /// Id, title and line of a task, each in its column.
    fn start(&self, task: &CheckTask) -> String {
        let id = pad(&plain(task.id.as_str()), self.id);
        let room = self.title.saturating_sub(width(&id) - self.id);
        let title = shown_title(task);
        // A few letters of a title that the id was made of say nothing.
        let title = if room < LEAST_TITLE && width(&title) > room { String::new() } else { title };
        let title = pad(&self.cut(&title, room), room);
        format!("  {id}  {title}  {}", pad(&self.places.of_task(task), self.place))
    }

    fn cut(&self, text: &str, columns: usize) -> String {
        cut(text, columns, self.style.unicode)
    }

    fn heading(&self, out: &mut String, text: &str) {
        out.push('\n');
        if self.style.color {
            let bold = anstyle::Style::new().bold();
            line(out, &format!("{bold}{text}{bold:#}"));
        } else {
            line(out, text);
        }
    }

    /// A line that is cut to the width of the terminal.
    fn fit(&self, out: &mut String, text: &str) {
        line(out, &self.cut(text, self.style.width));
    }
}

/// The title, or nothing where the id is all of it.
fn shown_title(task: &CheckTask) -> String {
    if task.title == task.id.as_str() { String::new() } else { plain(&task.title) }
}
