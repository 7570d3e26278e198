//! What `check` shows to a person: waves, tasks with their lines, commands, what was left out.

use std::collections::BTreeMap;

use unicode_width::UnicodeWidthChar;
use unicode_width::UnicodeWidthStr;

use crate::model::check::CheckTask;
use crate::model::check::PlanCheck;
use crate::model::check::Severity;
use crate::model::ids::TaskId;
use crate::model::task::EdgeRule;
use crate::model::task::HeldReason;
use crate::model::task::PlanStatus;
use crate::model::task::TaskKind;

/// How a check is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckStyle {
    /// Columns of the terminal; titles are cut to fit.
    pub width: usize,
    /// Every edge and every ignored box, and why the format was chosen.
    pub explain: bool,
    /// Headings in bold.
    pub color: bool,
}

/// The most tasks a line lists as what is waited for.
const MOST_AFTER: usize = 4;

/// Shows a check. Ends in a newline; the last line says so if nothing can be run. Diagnostics are counted
/// here and shown by [`crate::diagnostics::render`].
pub fn render_check(check: &PlanCheck, style: CheckStyle) -> String {
    let mut out = String::new();
    headline(check, &mut out);
    if style.explain {
        line(&mut out, &format!("read as {}: {}", check.format, check.format_reason));
    }
    let mut after: BTreeMap<&TaskId, Vec<(&TaskId, EdgeRule)>> = BTreeMap::new();
    for edge in &check.edges {
        after.entry(&edge.to).or_default().push((&edge.from, edge.rule));
    }
    let columns = Columns::new(check, style);
    let mut waves: BTreeMap<u32, Vec<&CheckTask>> = BTreeMap::new();
    for task in check.tasks.iter().filter(|task| task.wave > 0) {
        waves.entry(task.wave).or_default().push(task);
    }
    for (wave, tasks) in waves {
        out.push('\n');
        let gate = common_gate(&tasks);
        let heading = gate
            .as_ref()
            .map_or_else(|| format!("wave {wave}"), |gate| format!("wave {wave}  gate \"{gate}\""));
        heading_line(&mut out, &heading, style);
        for task in tasks {
            let list = after.get(&task.id).map_or(&[][..], Vec::as_slice);
            task_line(&mut out, task, list, gate.as_deref(), &columns);
        }
    }
    held(check, &columns, style, &mut out);
    commands(check, style, &mut out);
    left_out(check, &columns, style, &mut out);
    if style.explain {
        edges(check, style, &mut out);
    }
    let errors = check.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    if errors > 0 {
        out.push('\n');
        line(&mut out, &format!("{}: nothing can be run", count(errors, "error", "errors")));
    }
    out
}

fn headline(check: &PlanCheck, out: &mut String) {
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
    let waves = check.tasks.iter().map(|task| task.wave).max().unwrap_or(0);
    let mut text = format!(
        "{}   {} ({})   {}: {}",
        plain(&check.plan),
        check.format,
        check.format_reason,
        count(all, "task", "tasks"),
        parts.join(", ")
    );
    if waves > 0 {
        let waves = usize::try_from(waves).unwrap_or(usize::MAX);
        let chain = format!("   {}, longest chain {}", count(waves, "wave", "waves"), check.longest_chain);
        text.push_str(&chain);
    }
    line(out, &text);
}

/// Held for something else than a gate that stands before it.
fn is_held(task: &CheckTask) -> bool {
    !task.held.is_empty() && task.wave == 0
}

/// The widths that all lines share.
struct Columns {
    id: usize,
    title: usize,
    place: usize,
    agent: usize,
}

impl Columns {
    fn new(check: &PlanCheck, style: CheckStyle) -> Self {
        let widest = |of: &dyn Fn(&CheckTask) -> usize| check.tasks.iter().map(of).max().unwrap_or(0);
        let id = widest(&|task| task.id.as_str().width());
        let place = widest(&|task| task.line.to_string().len() + 1);
        let agent = widest(&|task| asks_for(task).width()).min(32);
        let title = widest(&|task| plain(&task.title).width());
        let rest = id + place + agent + 8 + 24;
        Self { id, title: title.min(style.width.saturating_sub(rest).max(10)), place, agent }
    }
}

fn task_line(
    out: &mut String,
    task: &CheckTask,
    after: &[(&TaskId, EdgeRule)],
    gate: Option<&str>,
    columns: &Columns,
) {
    let mut notes: Vec<String> = Vec::new();
    match task.kind {
        TaskKind::Gate => notes.push("a person decides".to_owned()),
        TaskKind::Checkpoint => notes.push("checkpoint".to_owned()),
        TaskKind::Task => {}
    }
    if task.parallel == Some(true) {
        notes.push("[P]".to_owned());
    }
    if let Some(limit) = task.group_limit {
        notes.push(format!("at most {limit} of its group at once"));
    }
    if task.optional {
        notes.push("optional".to_owned());
    }
    if let Some(priority) = task.priority {
        notes.push(format!("P{priority}"));
    }
    for reason in &task.held_by {
        if let HeldReason::Gate(name) = reason
            && Some(name.as_str()) != gate
        {
            notes.push(format!("gate \"{}\"", plain(name)));
        }
    }
    notes.extend(waits(after));
    if !task.files.is_empty() {
        let files: Vec<String> = task.files.iter().take(3).map(|file| plain(&file.path)).collect();
        let more =
            if task.files.len() > 3 { format!(" and {} more", task.files.len() - 3) } else { String::new() };
        notes.push(format!("{}{more}", files.join(", ")));
    }
    let text = format!(
        "  {}  {}  {}  {}  {}",
        pad(&plain(task.id.as_str()), columns.id),
        pad(&cut(&plain(&task.title), columns.title), columns.title),
        pad(&format!(":{}", task.line), columns.place),
        pad(&cut(&asks_for(task), columns.agent), columns.agent),
        notes.join(", ")
    );
    line(out, &text);
}

/// `after T001 (order)`, the rules kept apart.
fn waits(after: &[(&TaskId, EdgeRule)]) -> Vec<String> {
    let mut by_rule: BTreeMap<EdgeRule, Vec<&TaskId>> = BTreeMap::new();
    for (from, rule) in after {
        by_rule.entry(*rule).or_default().push(from);
    }
    by_rule
        .into_iter()
        .map(|(rule, ids)| {
            let names: Vec<String> = ids.iter().take(MOST_AFTER).map(|id| plain(id.as_str())).collect();
            let more = if ids.len() > MOST_AFTER {
                format!(" and {} more", ids.len() - MOST_AFTER)
            } else {
                String::new()
            };
            match rule {
                EdgeRule::File => format!("not beside {}{more} (file)", names.join(", ")),
                EdgeRule::Explicit | EdgeRule::Barrier | EdgeRule::Order | EdgeRule::Gate => {
                    format!("after {}{more} ({})", names.join(", "), rule.as_str())
                }
            }
        })
        .collect()
}

/// The agent, model and layer that a task asks for.
fn asks_for(task: &CheckTask) -> String {
    if task.kind == TaskKind::Gate {
        return "nobody".to_owned();
    }
    let mut parts: Vec<String> = Vec::new();
    parts.extend(task.agent.as_deref().map(plain));
    parts.extend(task.model.as_deref().map(plain));
    parts.extend(task.layer.map(|layer| format!("layer {layer}")));
    if parts.is_empty() { "any free".to_owned() } else { parts.join(", ") }
}

/// The gate that all tasks of a wave wait for.
fn common_gate(tasks: &[&CheckTask]) -> Option<String> {
    let gates = |task: &CheckTask| -> Vec<String> {
        task.held_by
            .iter()
            .filter_map(|reason| match reason {
                HeldReason::Gate(name) => Some(plain(name)),
                HeldReason::UnknownMarker(_)
                | HeldReason::GroupDeferred(_)
                | HeldReason::PlanDone
                | HeldReason::MissingDependency(_)
                | HeldReason::Optional
                | HeldReason::Needs(_) => None,
            })
            .collect()
    };
    let first = gates(tasks.first()?).into_iter().next()?;
    tasks.iter().all(|task| gates(task).contains(&first)).then_some(first)
}

fn held(check: &PlanCheck, columns: &Columns, style: CheckStyle, out: &mut String) {
    let tasks: Vec<&CheckTask> = check
        .tasks
        .iter()
        .filter(|task| is_held(task) && !task.held_by.contains(&HeldReason::Optional))
        .collect();
    if tasks.is_empty() {
        return;
    }
    out.push('\n');
    heading_line(out, "held", style);
    for task in tasks {
        let reasons: Vec<String> = task.held_by.iter().map(|reason| plain(&reason.to_string())).collect();
        let text = format!(
            "  {}  {}  {}  {}",
            pad(&plain(task.id.as_str()), columns.id),
            pad(&cut(&plain(&task.title), columns.title), columns.title),
            pad(&format!(":{}", task.line), columns.place),
            reasons.join(", ")
        );
        line(out, &text);
    }
}

fn commands(check: &PlanCheck, style: CheckStyle, out: &mut String) {
    if check.commands.is_empty() {
        return;
    }
    out.push('\n');
    heading_line(out, "runs these commands", style);
    let id = check.commands.iter().map(|command| command.task.as_str().width()).max().unwrap_or(0);
    let place = check.commands.iter().map(|command| command.line.to_string().len() + 1).max().unwrap_or(0);
    for command in &check.commands {
        // A command of several lines is shown whole: it is what will be run.
        for (index, text) in command.command.lines().enumerate() {
            let (at, task) = if index == 0 {
                (format!(":{}", command.line), plain(command.task.as_str()))
            } else {
                (String::new(), String::new())
            };
            line(out, &format!("  {}  {}  {}", pad(&at, place), pad(&task, id), plain(text)));
        }
    }
}

fn left_out(check: &PlanCheck, columns: &Columns, style: CheckStyle, out: &mut String) {
    let tasks: Vec<&CheckTask> =
        check.tasks.iter().filter(|task| task.wave == 0 && !is_only_held(task)).collect();
    if tasks.is_empty() && check.ignored.is_empty() {
        return;
    }
    out.push('\n');
    heading_line(out, "left out", style);
    let place = columns.place.max(9);
    for task in tasks {
        let why = match task.status {
            PlanStatus::Done => "done",
            PlanStatus::Skipped => "skipped",
            PlanStatus::Open | PlanStatus::InProgress if task.optional => "optional",
            PlanStatus::Open | PlanStatus::InProgress => "not selected",
        };
        let text = format!(
            "  {}  {}  {}  {why}",
            pad(&format!(":{}", task.line), place),
            pad(&plain(task.id.as_str()), columns.id),
            pad(&cut(&plain(&task.title), columns.title), columns.title),
        );
        line(out, &text);
    }
    // Boxes that follow each other for the same reason are told together.
    let mut index = 0;
    while let Some(first) = check.ignored.get(index) {
        let mut last = index;
        while !style.explain && check.ignored.get(last + 1).is_some_and(|next| next.reason == first.reason) {
            last += 1;
        }
        let number = last - index + 1;
        let at = if number == 1 {
            format!(":{}", first.line)
        } else {
            format!(":{}-{}", first.line, check.ignored[last].line)
        };
        line(
            out,
            &format!("  {}  {}, {}", pad(&at, place), count(number, "box", "boxes"), plain(&first.reason)),
        );
        index = last + 1;
    }
}

fn is_only_held(task: &CheckTask) -> bool {
    is_held(task) && !task.held_by.contains(&HeldReason::Optional)
}

fn edges(check: &PlanCheck, style: CheckStyle, out: &mut String) {
    if check.edges.is_empty() {
        return;
    }
    out.push('\n');
    heading_line(out, "edges", style);
    for edge in &check.edges {
        line(
            out,
            &format!(
                "  {} -> {}  {}",
                plain(edge.from.as_str()),
                plain(edge.to.as_str()),
                edge.rule.as_str()
            ),
        );
    }
}

fn heading_line(out: &mut String, text: &str, style: CheckStyle) {
    if style.color {
        let bold = anstyle::Style::new().bold();
        line(out, &format!("{bold}{text}{bold:#}"));
    } else {
        line(out, text);
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A text without control characters, so that a plan cannot write to the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn pad(text: &str, width: usize) -> String {
    let mut padded = text.to_owned();
    padded.extend(std::iter::repeat_n(' ', width.saturating_sub(text.width())));
    padded
}

/// Cuts by display width; what is cut ends in `…`.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}
