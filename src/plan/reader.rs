//! The way from bytes to a plan.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::advice;
use super::approvals;
use super::assemble;
use super::bare;
use super::data;
use super::fenced;
use super::formats;
use super::formats::Format;
use super::found::Findings;
use super::generic;
use super::joins;
use super::lines;
use super::lines::number;
use super::marks::Marks;
use super::matter;
use super::matter::Todo;
use super::native;
use super::needles::Needles;
use super::order;
use super::outline::Outline;
use super::recognise;
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
use crate::model::task::TaskKind;

/// The most boxes or tasks of a plan. Each takes about a kilobyte, so a text of five bytes for each would take two
/// hundred times its size.
const MOST_TASKS: usize = 300_000;

/// What is said of plans whose tasks stand in the front matter.
const TODOS: &str = "todos in the front matter";

/// What lines have that are looked at for what they say of order and totals: they are told from all others by one
/// search of the whole text.
static REMARKABLE: LazyLock<Needles> =
    LazyLock::new(|| Needles::new(&[advice::WORDS, remarks::WORDS].concat()));

/// Reads a plan. It never fails: what could not be read is in the diagnostics, and then nothing may be
/// run.
pub fn read(bytes: &[u8], options: &ReadOptions) -> Plan {
    let mut plan = read_tasks(bytes, options);
    draw_edges(&mut plan);
    plan
}

/// Reads a plan without its edges: tasks and groups with what they state. [`draw_edges`] does the rest.
pub fn read_tasks(bytes: &[u8], options: &ReadOptions) -> Plan {
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let most = options.max_size.min(lines::LONGEST);
    if size > most {
        // It may not have been read to its end, so its size is not told.
        let message = format!("the plan has more than {most} bytes, which is the limit");
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

fn too_many() -> Diagnostic {
    let message = format!("the plan has more than {MOST_TASKS} boxes or tasks, which is the limit");
    Diagnostic::error("too-large", Place::WHOLE, message).hint("cut it into several plans")
}

pub(crate) fn not_utf8(bytes: &[u8], offset: usize) -> Diagnostic {
    // All before the offset is UTF-8. Something stands there, so that its line is one.
    let before = String::from_utf8_lossy(&bytes[..offset]) + "?";
    let found = lines::Lines::new(&before);
    let line = found.at(offset);
    let column = before[found.start(line)..].chars().count() - 1;
    let place = Place { line: number(line), column: number(column), length: 1 };
    let byte = bytes.get(offset).copied().unwrap_or(0);
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let hint = if utf16 { "this looks like UTF-16: save it as UTF-8" } else { "save the plan as UTF-8" };
    Diagnostic::error("not-utf8", place, format!("byte {byte:#04x} at offset {offset} is not UTF-8"))
        .hint(hint)
}

fn read_text(text: &str, options: &ReadOptions) -> Plan {
    if let Some(mut plan) = data::read(text, options) {
        if let Some(name) = options.format.as_deref().filter(|name| Format::from_name(name).is_none()) {
            plan.diagnostics.push(unknown_format(name));
        }
        if plan.tasks.len() > MOST_TASKS {
            return refused(too_many());
        }
        tell_over(&mut plan);
        return plan;
    }
    let text = formats::execplan::unfenced(text);
    let mut outline = Outline::read(&text);
    if outline.items.iter().filter(|item| item.mark.is_some()).count() > MOST_TASKS {
        return refused(too_many());
    }
    let mut diagnostics = outline.blocks.diagnostics.clone();
    let mut matter = matter::read(&outline, &mut diagnostics);
    let (format, why) = if let Some(format) = options.format.as_deref().and_then(Format::from_name) {
        (format, "--format".to_owned())
    } else if matter.native {
        (Format::Native, "the front matter says so".to_owned())
    } else {
        let signs = recognise::signs(&outline, options.path.as_deref());
        diagnostics.extend(formats::ambiguity(&signs, &outline));
        signs.decided()
    };
    let marks = Marks::read(format, &outline);
    outline.close_lines(marks.lines());
    let outline = outline;
    let (mut findings, handed_over) = findings(&outline, format, &matter.todos, options);
    if findings.tasks.len() > MOST_TASKS {
        return refused(too_many());
    }
    matter.native = findings.rule == native::read::RULE;
    let exact = matter.native;
    let in_matter = !matter.todos.is_empty() && findings.rule == TODOS;
    let rule = findings.rule;
    let none = findings.tasks.is_empty();
    let mut taken = vec![false; outline.lines.len()];
    for (line, _) in findings.tasks.iter().filter_map(|task| task.mark) {
        taken[line] = true;
    }
    let mut bodies: Vec<(usize, usize, usize)> = findings
        .tasks
        .iter()
        .enumerate()
        .map(|(index, task)| (task.body.start, task.body.end, index))
        .collect();
    bodies.sort_unstable();
    let holders: BTreeSet<usize> = findings
        .tasks
        .iter()
        .filter_map(|task| match task.holder {
            Some(super::found::Holder::Item(item)) => Some(outline.items[item].line),
            Some(super::found::Holder::Heading(_)) | None => None,
        })
        .collect();
    let mut plan = assemble::plan(&outline, &mut findings, matter, options, &marks, diagnostics);
    format.name().clone_into(&mut plan.format);
    let rule = if none { "no rule finds a task" } else { rule };
    plan.format_reason = reason(format, handed_over, &why, rule);
    if let Some(name) = options.format.as_deref().filter(|name| Format::from_name(name).is_none()) {
        plan.diagnostics.push(unknown_format(name));
    }
    formats::finish(format, &outline, options, &mut plan);
    forget_made_ids_of_gates(&mut plan);
    if !exact {
        approvals::gate(&outline, &marks, &mut plan);
    }
    ticks(format, &outline, &mut plan);
    if !exact {
        fenced::report(&outline, &mut plan);
    }
    let candidates = REMARKABLE.lines(&outline.lines);
    let is_any_markdown = format == Format::Generic && !in_matter;
    let lookout = Lookout { bodies: (!exact).then_some(&bodies), candidates: &candidates };
    remark(&outline, &findings, options, is_any_markdown, &lookout, &mut plan);
    let reasons = formats::box_reasons(format, &outline);
    ignored(&outline, &mut plan, &marks, &taken, &holders, &bodies, &reasons);
    bare::report(&outline, &marks, &mut plan);
    if in_matter {
        for box_ in &mut plan.ignored {
            "explains the tasks of the front matter".clone_into(&mut box_.reason);
        }
        plan.diagnostics.retain(|diagnostic| diagnostic.code != "boxes-ignored");
    }
    if none && plan.diagnostics.iter().all(|diagnostic| diagnostic.code != "no-tasks") {
        plan.diagnostics.push(no_tasks(&plan));
    }
    tell_over(&mut plan);
    if options.use_diagrams {
        advice::use_diagrams(&outline, &mut plan);
    }
    advice::read(&outline, &mut plan, &bodies, &candidates);
    plan
}

/// Why a plan was read as it was.
fn reason(format: Format, handed_over: bool, why: &str, rule: &str) -> String {
    match (format, handed_over) {
        (Format::Generic, _) => rule.to_owned(),
        (_, false) => format!("{why}; {rule}"),
        (_, true) => {
            format!("{why}, but its own reader finds no task, so the rules for any Markdown: {rule}")
        }
    }
}

/// What a format makes a gate or checkpoint has no id by custom, and that is not told.
fn forget_made_ids_of_gates(plan: &mut Plan) {
    if plan.diagnostics.iter().any(|told| told.code == "id-made") {
        let tasks = plan.tasks.iter().filter(|task| task.kind == TaskKind::Task);
        let lines: BTreeSet<u32> = tasks.map(|task| task.line).collect();
        plan.diagnostics.retain(|told| told.code != "id-made" || lines.contains(&told.place.line));
    }
}

/// Lines that are looked at.
struct Lookout<'l> {
    /// Those of each task's body, in their order; none: the plan is read exactly, and its headings say nothing.
    bodies: Option<&'l [(usize, usize, usize)]>,
    /// Those that may say something of order or totals.
    candidates: &'l [usize],
}

/// What a careful reader notices, where nobody asked for a reading of another kind. What is noticed of any
/// Markdown is not noticed in the documents of tools, which say themselves what is a task.
fn remark(
    outline: &Outline<'_>,
    findings: &Findings,
    options: &ReadOptions,
    is_any_markdown: bool,
    lines: &Lookout<'_>,
    plan: &mut Plan,
) {
    if options.granularity.is_some() || options.as_one || options.boxes_all {
        return;
    }
    remarks::counts(outline, plan, lines.candidates);
    if let Some(bodies) = lines.bodies {
        remarks::empty_phases(outline, plan, bodies);
    }
    if is_any_markdown {
        joins::left_out(outline, &findings.tasks, plan);
        if !plan.over {
            remarks::report(plan);
        }
    }
}

/// Says how boxes are marked in this format, or that they are not.
fn ticks(format: Format, outline: &Outline<'_>, plan: &mut Plan) {
    let progress =
        format.progress_mark(outline.items.iter().filter_map(|item| item.mark).map(|mark| mark.sign));
    for tick in plan.tasks.iter_mut().filter_map(|task| task.tick.as_mut()) {
        tick.progress = progress;
    }
    if !format.is_ticked() {
        for task in &mut plan.tasks {
            task.tick = None;
        }
    }
}

/// What is the same for every plan once its tasks are known: whether it is over, and what waits for what.
pub(crate) fn close(plan: &mut Plan) {
    tell_over(plan);
    draw_edges(plan);
}

/// Says of a plan that is over what it still has open.
fn tell_over(plan: &mut Plan) {
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
}

/// Draws the edges of a plan, from what its tasks and groups state and from what their order implies, and
/// says if what is stated closes a ring. Edges that were there go.
pub fn draw_edges(plan: &mut Plan) {
    let ring = edges(plan);
    plan.diagnostics.extend(order::ring_diagnostic(plan, &ring));
    plan.diagnostics.sort_by(|first, second| {
        let place = |diagnostic: &Diagnostic| (diagnostic.place.line, diagnostic.place.column);
        first.file.cmp(&second.file).then_with(|| place(first).cmp(&place(second)))
    });
}

/// Works out what waits for what among the tasks that are still to be done. Returns the tasks of a ring.
pub(crate) fn edges(plan: &mut Plan) -> Vec<usize> {
    let found = order::order(plan, &|task| is_live(plan, task), &|task| plan.tasks[task].optional);
    plan.edges = found
        .edges
        .into_iter()
        .filter(|(from, _, _)| !plan.tasks[*from].is_put_off())
        .map(|(from, to, rule)| CheckEdge {
            from: plan.tasks[from].id.clone(),
            to: plan.tasks[to].id.clone(),
            rule,
            line: None,
        })
        .collect();
    found.ring
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
    let task = &plan.tasks[task];
    matches!(task.status, PlanStatus::Open | PlanStatus::InProgress) && !task.is_put_off()
}

/// The tasks, and whether a format's own reader found none, so that the rules for any Markdown did.
pub(crate) fn findings(
    outline: &Outline<'_>,
    format: Format,
    todos: &[Todo],
    options: &ReadOptions,
) -> (Findings, bool) {
    if options.as_one {
        let tasks = vec![generic::whole(outline)];
        return (Findings { tasks, rule: "the whole plan as one task (--as-one)" }, false);
    }
    if options.boxes_all || options.granularity == Some(Granularity::Leaf) {
        let findings = generic::all_boxes(outline);
        if !findings.tasks.is_empty() {
            return (findings, false);
        }
    }
    if format == Format::Native && options.granularity != Some(Granularity::Group) {
        return (native::read::findings(outline), false);
    }
    if !todos.is_empty() {
        return (Findings { tasks: todos::read(outline, todos), rule: TODOS }, false);
    }
    let own = formats::tasks(format, outline);
    let handed_over = own.as_ref().is_some_and(|findings| findings.tasks.is_empty());
    let mut findings =
        own.filter(|findings| !findings.tasks.is_empty()).unwrap_or_else(|| generic::read(outline));
    if format == Format::Generic && findings.rule != generic::TABLES {
        joins::rows(outline, &mut findings.tasks);
    }
    if options.granularity == Some(Granularity::Group) {
        (generic::groups(outline, findings), handed_over)
    } else {
        (findings, handed_over)
    }
}

/// Boxes that are no tasks, each with the reason.
fn ignored(
    outline: &Outline<'_>,
    plan: &mut Plan,
    marks: &Marks,
    taken: &[bool],
    holders: &BTreeSet<usize>,
    bodies: &[(usize, usize, usize)],
    reasons: &BTreeMap<usize, &'static str>,
) {
    let mut open = 0;
    for item in &outline.items {
        let Some(mark) = item.mark else { continue };
        if taken[item.line] {
            continue;
        }
        let inside = bodies.partition_point(|(start, ..)| *start <= item.line);
        let is_step = bodies[..inside].last().is_some_and(|(_, end, _)| item.line < *end);
        let reason = if let Some(reason) = reasons.get(&item.line) {
            (*reason).to_owned()
        } else if holders.contains(&item.line) {
            "a group of tasks".to_owned()
        } else if marks.is_legend(item.line) {
            "the legend of the marks".to_owned()
        } else if item.closed_label {
            "under a label that says acceptance".to_owned()
        } else if outline.is_closed(item.heading) {
            let title = closing_title(outline, item.heading);
            format!("under \"{title}\": acceptance, given to the agents")
        } else if is_step {
            "a step of the task above it".to_owned()
        } else {
            open += usize::from(marks.status(&mark) != Some(PlanStatus::Done));
            "belongs to no task".to_owned()
        };
        plan.ignored.push(Ignored { file: None, line: number(item.line), reason });
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
        .hint("write each task as a list item with a box, `- [ ] Write the parser`")
        .hint("to hand the whole text to one agent, add --as-one");
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
