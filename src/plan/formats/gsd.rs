//! GSD, `.planning/phases/**/*-PLAN.md`: `<task type="auto">` elements, and checkpoints for people.
//!
//! Elements go in order. Under a `Wave N` heading they go together, but for checkpoints: those come after
//! what stands before them and before what follows. An element that never closes ends at the next one. A roadmap has
//! no elements: its phases are the tasks (`roadmap`).

mod roadmap;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::model::task::FileClaim;
use crate::model::task::TaskKind;
use crate::plan::assemble::MOST_PREAMBLE;
use crate::plan::blocks::LineKind;
use crate::plan::found::Findings;
use crate::plan::found::Found;
use crate::plan::found::Holder;
use crate::plan::found::Source;
use crate::plan::lines::number;
use crate::plan::names;
use crate::plan::outline::Outline;
use crate::plan::phases;
use crate::plan::titles;
use crate::plan::titles::Title;
use crate::plan::types::Plan;
use crate::plan::types::PlanCommand;
use crate::plan::values;

/// Elements that say what holds when the plan has been carried out.
const SECTIONS: [&str; 2] = ["verification", "success_criteria"];

/// The elements.
pub(crate) fn tasks(outline: &Outline<'_>) -> Findings {
    let tasks: Vec<Found> = elements(outline).iter().map(|element| element.task(outline)).collect();
    if !tasks.is_empty() {
        return Findings { tasks, rule: "`<task>` elements" };
    }
    Findings { tasks: roadmap::tasks(outline), rule: "the phases of a roadmap" }
}

/// Fields from the parts of each element; checkpoints are gates.
pub(crate) fn finish(outline: &Outline<'_>, plan: &mut Plan) {
    let mut has_gate = vec![false; plan.groups.len()];
    for element in elements(outline) {
        let line = number(element.lines.start);
        let Ok(index) = plan.tasks.binary_search_by_key(&line, |task| task.line) else { continue };
        let task = &mut plan.tasks[index];
        if element.is_checkpoint() {
            task.kind = TaskKind::Gate;
            if let Some(group) = task.group {
                has_gate[group] = true;
            }
        }
        if let Some(files) = element.part(outline, "files") {
            let paths = files.split([',', '\n', ';']).map(|path| path.trim().trim_matches(['`', '-', ' ']));
            let paths = paths.map(|path| path.split(" (").next().unwrap_or(path));
            task.files.extend(
                paths
                    .filter(|path| path.contains(['/', '.', '*']) && !path.contains(char::is_whitespace))
                    .filter_map(values::inside)
                    .map(|path| FileClaim { verb: None, path }),
            );
        }
        if let Some(verify) = element.part(outline, "verify") {
            let inner = inside(verify, "automated").unwrap_or(verify).trim();
            // A sentence is a criterion; only a code span is a command.
            match values::only_spans(inner) {
                Some(spans) => task
                    .own
                    .verify
                    .extend(spans.into_iter().map(|(span, _)| PlanCommand { line, text: span.to_owned() })),
                None => task.acceptance.extend(Some(titles::clean(inner)).filter(|text| !text.is_empty())),
            }
        }
        for name in ["done", "acceptance_criteria"] {
            if let Some(done) = element.part(outline, name) {
                let lines =
                    done.lines().map(|line| titles::clean(line.trim().trim_start_matches(['-', '*', ' '])));
                task.acceptance.extend(lines.filter(|text| !text.is_empty()));
            }
        }
    }
    for lines in criteria(outline) {
        let section = outline.lines.slice(lines.start, lines.end).trim();
        if plan.preamble.len() + section.len() <= MOST_PREAMBLE {
            plan.preamble.push_str("\n\n");
            plan.preamble.push_str(section);
        }
    }
    for task in &mut plan.tasks {
        let wave = task.group.filter(|group| is_wave(&plan.groups[*group].title));
        task.ordered = wave.is_none_or(|group| has_gate[group]);
        if wave.is_some() && task.kind != TaskKind::Gate && task.ordered {
            task.parallel = task.parallel.or(Some(true));
        }
    }
}

/// The boxes of the sections that hold for the whole plan: they are criteria.
pub(crate) fn boxes_of_criteria(outline: &Outline<'_>) -> BTreeMap<usize, &'static str> {
    let mut reasons = BTreeMap::new();
    for lines in criteria(outline) {
        let first = outline.items.partition_point(|item| item.line < lines.start);
        let items = outline.items[first..].iter().take_while(|item| item.line < lines.end);
        let boxes = items.filter(|item| item.mark.is_some());
        reasons.extend(boxes.map(|item| (item.line, "a criterion of the plan, given to the agents")));
    }
    reasons
}

/// The lines of `<verification>` and `<success_criteria>` that stand in no task.
fn criteria(outline: &Outline<'_>) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut open: Option<(usize, &str)> = None;
    let mut in_task = false;
    for line in 0..outline.lines.len() {
        if !may_hold_tags(outline.kind(line)) {
            continue;
        }
        let text = outline.lines.get(line).trim();
        if let Some((start, name)) = open {
            if text.strip_prefix("</").and_then(|text| text.strip_prefix(name)) == Some(">") {
                found.push(start..line + 1);
                open = None;
            }
            continue;
        }
        in_task = (in_task || opening(text).is_some()) && !text.contains("</task>");
        let name = SECTIONS
            .iter()
            .find(|name| text.strip_prefix('<').and_then(|text| text.strip_prefix(**name)) == Some(">"));
        open = name.filter(|_| !in_task).map(|name| (line, *name));
    }
    found
}

fn is_wave(title: &str) -> bool {
    matches!(phases::phase_number(title), Some(("Wave", _)))
}

/// A `<task>` element.
struct Element {
    /// From its opening tag to its closing one.
    lines: Range<usize>,
    /// Its `type`.
    kind: Option<String>,
    /// Its `id`.
    id: Option<String>,
    /// Its `depends` or `depends_on`.
    depends: Option<String>,
    /// Its `status`.
    status: Option<String>,
}

impl Element {
    fn is_checkpoint(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| kind.starts_with("checkpoint"))
    }

    /// The text of a part, such as `<name>...</name>`.
    fn part<'t>(&self, outline: &Outline<'t>, name: &str) -> Option<&'t str> {
        inside(outline.lines.slice(self.lines.start, self.lines.end), name).map(str::trim)
    }

    fn task(&self, outline: &Outline<'_>) -> Found {
        let name =
            ["name", "what-built", "decision", "action"].iter().find_map(|part| self.part(outline, part));
        let name =
            name.and_then(|name| name.lines().find(|line| !line.trim().is_empty())).unwrap_or("").trim();
        let written = names::written(name).filter(|written| written.ends);
        let (id, after) = match written {
            Some(written) => (Some(written.id), written.after),
            None => (None, 0),
        };
        let mut title = titles::read(name.get(after..).unwrap_or(name));
        title.depends = self.depends.clone().or(title.depends);
        if title.text.is_empty() {
            let text = self.kind.clone().unwrap_or_else(|| "task".to_owned());
            title = Title { text, ..title };
        }
        let heading = outline.heading_above(self.lines.start);
        Found {
            line: self.lines.start,
            id: self.id.clone().or(id),
            title,
            mark: None,
            body: self.lines.clone(),
            fields: self.lines.start..self.lines.start,
            source: Source::None,
            holder: heading.map(Holder::Heading),
            ordered: true,
            status: self.status.as_deref().and_then(crate::plan::words::status),
            cells: Vec::new(),
        }
    }
}

/// All elements outside fences and comments.
fn elements(outline: &Outline<'_>) -> Vec<Element> {
    let mut elements: Vec<Element> = Vec::new();
    let mut open = false;
    for line in 0..outline.lines.len() {
        if !may_hold_tags(outline.kind(line)) {
            continue;
        }
        let text = outline.lines.get(line).trim();
        if let Some(attributes) = opening(text) {
            if open && let Some(last) = elements.last_mut() {
                last.lines.end = line;
            }
            let get = |name: &str| attribute(attributes, name).map(str::to_owned);
            elements.push(Element {
                lines: line..outline.lines.len(),
                kind: get("type"),
                id: get("id"),
                depends: get("depends").or_else(|| get("depends_on")).or_else(|| get("depends-on")),
                status: get("status"),
            });
            open = true;
        }
        if open && text.contains("</task>") {
            if let Some(last) = elements.last_mut() {
                last.lines.end = line + 1;
            }
            open = false;
        }
    }
    elements
}

/// Whether tags on such a line are elements of the plan.
fn may_hold_tags(kind: LineKind) -> bool {
    !matches!(kind, LineKind::Fence | LineKind::Comment | LineKind::FrontMatter | LineKind::Quote)
}

/// What stands in the opening tag of a task.
fn opening(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("<task")?;
    let attributes = rest.split('>').next().unwrap_or("");
    (rest.starts_with([' ', '>', '\t']) && rest.contains('>')).then_some(attributes)
}

/// The value of an attribute.
pub(super) fn attribute<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        let key = before.trim_end().rsplit([' ', '\t', '"', '\'']).next().unwrap_or("");
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, next) = match quote {
            Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        if key == name {
            return Some(value.trim());
        }
        rest = next;
    }
    None
}

/// The text between `<name>` and `</name>`.
fn inside<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let open = text.find(&format!("<{name}>"))? + name.len() + 2;
    let close = open + text[open..].find(&format!("</{name}>"))?;
    text.get(open..close)
}
