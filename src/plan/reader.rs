//! The way from bytes to a plan.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::assemble;
use super::fenced;
use super::formats;
use super::formats::Format;
use super::found::Findings;
use super::generic;
use super::lines::number;
use super::matter;
use super::matter::Todo;
use super::order;
use super::outline::Outline;
use super::remarks;
use super::titles;
use super::todos;
use super::types::Granularity;
use super::types::Plan;
use super::types::ReadOptions;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::CheckEdge;
use crate::model::check::Ignored;
use crate::model::task::PlanStatus;

/// What is said of plans whose tasks stand in the front matter.
const TODOS: &str = "todos in the front matter";

/// Reads a plan. It never fails: what could not be read is in the diagnostics, and then nothing may be
/// run.
pub fn read(bytes: &[u8], options: &ReadOptions) -> Plan {
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > options.max_size {
        // It may not have been read to its end, so its size is not told.
        let message = format!("the plan has more than {} bytes, which is the limit", options.max_size);
        let diagnostic = Diagnostic::error("too-large", Place::WHOLE, message)
            .hint("cut it into several plans, or raise the limit with --max-plan-size");
        return refused(diagnostic);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => read_text(text, options),
        Err(error) => refused(not_utf8(bytes, error.valid_up_to())),
    }
}

fn refused(diagnostic: Diagnostic) -> Plan {
    Plan { format: "none".to_owned(), diagnostics: vec![diagnostic], ..Plan::default() }
}

fn not_utf8(bytes: &[u8], offset: usize) -> Diagnostic {
    let before = String::from_utf8_lossy(&bytes[..offset]);
    let line = before.bytes().filter(|byte| *byte == b'\n').count();
    let column = before.rsplit('\n').next().map_or(0, |text| text.chars().count());
    let place = Place { line: number(line), column: number(column), length: 1 };
    let byte = bytes.get(offset).copied().unwrap_or(0);
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let hint = if utf16 { "this looks like UTF-16: save it as UTF-8" } else { "save the plan as UTF-8" };
    Diagnostic::error("not-utf8", place, format!("byte {byte:#04x} at offset {offset} is not UTF-8"))
        .hint(hint)
}

fn read_text(text: &str, options: &ReadOptions) -> Plan {
    let outline = Outline::read(text);
    let mut diagnostics = outline.blocks.diagnostics.clone();
    let matter = matter::read(&outline, &mut diagnostics);
    let (format, why) = match options.format.as_deref().map(Format::from_name) {
        Some(Some(format)) => (format, "--format".to_owned()),
        Some(None) | None => formats::recognise(&outline, options.path.as_deref()),
    };
    let findings = findings(&outline, format, &matter.todos, options);
    let in_matter = !matter.todos.is_empty() && findings.rule == TODOS;
    let rule = findings.rule;
    let none = findings.tasks.is_empty();
    let taken: BTreeSet<usize> =
        findings.tasks.iter().filter_map(|task| task.mark.map(|(line, _)| line)).collect();
    let mut bodies: Vec<(usize, usize)> =
        findings.tasks.iter().map(|task| (task.body.start, task.body.end)).collect();
    bodies.sort_unstable();
    let holders: BTreeSet<usize> = findings
        .tasks
        .iter()
        .filter_map(|task| match task.holder {
            Some(super::found::Holder::Item(item)) => Some(outline.items[item].line),
            Some(super::found::Holder::Heading(_)) | None => None,
        })
        .collect();
    let mut plan = assemble::plan(&outline, &findings, matter, options, diagnostics);
    format.name().clone_into(&mut plan.format);
    let rule = if none { "no rule finds a task" } else { rule };
    plan.format_reason = if format == Format::Generic { rule.to_owned() } else { format!("{why}; {rule}") };
    if let Some(name) = options.format.as_deref().filter(|name| Format::from_name(name).is_none()) {
        plan.diagnostics.push(unknown_format(name));
    }
    formats::finish(format, &outline, options, &mut plan);
    fenced::report(&outline, &mut plan);
    if options.granularity.is_none() && !options.as_one && !options.boxes_all {
        remarks::counts(&outline, &mut plan);
    }
    ignored(&outline, &mut plan, &taken, &holders, &bodies);
    if in_matter {
        for box_ in &mut plan.ignored {
            "explains the tasks of the front matter".clone_into(&mut box_.reason);
        }
        plan.diagnostics.retain(|diagnostic| diagnostic.code != "boxes-ignored");
    }
    if none {
        plan.diagnostics.push(no_tasks(&plan));
    }
    if plan.over {
        let open = plan.tasks.iter().filter(|task| !task.status.is_met()).count();
        if open > 0 {
            let status = plan.status.clone().unwrap_or_default();
            let message = format!(
                "the plan says that it is over (`{status}`), and has {open} open: nothing of it runs"
            );
            plan.diagnostics.push(
                Diagnostic::warning("plan-done", Place::WHOLE, message)
                    .hint("to run it all the same, add --force"),
            );
        }
    }
    let found = order::order(&plan, &|task| is_live(&plan, task), &|task| plan.tasks[task].optional);
    if let Some(diagnostic) = order::ring_diagnostic(&plan, &found.ring) {
        plan.diagnostics.push(diagnostic);
    }
    plan.edges = found
        .edges
        .into_iter()
        .map(|(from, to, rule)| CheckEdge {
            from: plan.tasks[from].id.clone(),
            to: plan.tasks[to].id.clone(),
            rule,
        })
        .collect();
    plan.diagnostics.sort_by_key(|diagnostic| (diagnostic.place.line, diagnostic.place.column));
    plan
}

fn unknown_format(name: &str) -> Diagnostic {
    let names = || Format::ALL.into_iter().map(Format::name);
    let diagnostic =
        Diagnostic::error("unknown-format", Place::WHOLE, format!("there is no format `{name}`"));
    match crate::diagnostics::suggest(name, names()) {
        Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
        None => diagnostic.hint(format!("formats: {}", names().collect::<Vec<_>>().join(", "))),
    }
}

fn is_live(plan: &Plan, task: usize) -> bool {
    matches!(plan.tasks[task].status, PlanStatus::Open | PlanStatus::InProgress)
}

fn findings(outline: &Outline<'_>, format: Format, todos: &[Todo], options: &ReadOptions) -> Findings {
    if options.as_one {
        return Findings {
            tasks: vec![generic::whole(outline)],
            rule: "the whole plan as one task (--as-one)",
        };
    }
    if options.boxes_all || options.granularity == Some(Granularity::Leaf) {
        let findings = generic::all_boxes(outline);
        if !findings.tasks.is_empty() {
            return findings;
        }
    }
    if !todos.is_empty() {
        return Findings { tasks: todos::read(outline, todos), rule: TODOS };
    }
    let findings = formats::tasks(format, outline)
        .filter(|findings| !findings.tasks.is_empty())
        .unwrap_or_else(|| generic::read(outline));
    if options.granularity == Some(Granularity::Group) {
        generic::groups(outline, findings)
    } else {
        findings
    }
}

/// Boxes that are no tasks, each with the reason.
fn ignored(
    outline: &Outline<'_>,
    plan: &mut Plan,
    taken: &BTreeSet<usize>,
    holders: &BTreeSet<usize>,
    bodies: &[(usize, usize)],
) {
    let mut open = 0;
    for item in &outline.items {
        let Some(mark) = item.mark else { continue };
        if taken.contains(&item.line) {
            continue;
        }
        let inside = bodies.partition_point(|(start, _)| *start <= item.line);
        let is_step = bodies[..inside].last().is_some_and(|(_, end)| item.line < *end);
        let reason = if holders.contains(&item.line) {
            "a group of tasks".to_owned()
        } else if item.closed_label {
            "under a label that says acceptance".to_owned()
        } else if outline.is_closed(item.heading) {
            let title = closing_title(outline, item.heading);
            format!("under \"{title}\": acceptance, given to the agents")
        } else if is_step {
            "a step of the task above it".to_owned()
        } else {
            open += usize::from(mark.status() != Some(PlanStatus::Done));
            "belongs to no task".to_owned()
        };
        plan.ignored.push(Ignored { line: number(item.line), reason });
    }
    if open > 0 && !plan.tasks.is_empty() {
        let noun =
            if open == 1 { "1 open box belongs".to_owned() } else { format!("{open} open boxes belong") };
        plan.diagnostics.push(
            Diagnostic::warning("boxes-ignored", Place::WHOLE, format!("{noun} to no task"))
                .hint("to take every box as a task, add --boxes all"),
        );
    }
}

/// The title of the outermost heading that holds no tasks.
fn closing_title(outline: &Outline<'_>, heading: Option<usize>) -> String {
    let mut title = String::new();
    let mut next = heading;
    while let Some(index) = next.filter(|index| outline.headings[*index].closed) {
        title = titles::short(&outline.headings[index].title, 60);
        next = outline.headings[index].parent;
    }
    title
}

fn no_tasks(plan: &Plan) -> Diagnostic {
    let mut reasons: BTreeMap<&str, (usize, u32)> = BTreeMap::new();
    for box_ in &plan.ignored {
        let entry = reasons.entry(&box_.reason).or_insert((0, box_.line));
        entry.0 += 1;
    }
    let line = reasons.values().map(|(_, line)| *line).min();
    let place = line.map_or(Place::WHOLE, Place::line);
    if reasons.is_empty() {
        return Diagnostic::error(
            "no-tasks",
            place,
            "the plan holds no tasks: no rule finds one, and there are no boxes",
        )
        .hint("write each task as a list item with a box, `- [ ] Write the parser`");
    }
    let seen: Vec<String> = reasons
        .iter()
        .map(|(reason, (count, line))| format!("{count} from line {line} ({reason})"))
        .collect();
    Diagnostic::error(
        "no-tasks",
        place,
        format!("the plan holds no tasks; boxes that were refused: {}", seen.join("; ")),
    )
    .hint("to take every box outside fences as a task, add --boxes all")
}
