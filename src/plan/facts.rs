//! The fields of one task or group, with their values read and their mistakes reported.

use std::ops::Range;

use super::fields;
use super::fields::Field;
use super::fields::Key;
use super::found::Found;
use super::found::Source;
use super::joins;
use super::origins;
use super::outline::Outline;
use super::tables;
use super::titles;
use super::types::Brief;
use super::types::Defaults;
use super::types::PlanCommand;
use super::values;
use super::words;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::task::FileClaim;
use crate::model::task::FileVerb;
use crate::model::task::PlanStatus;

/// A value of a dependency, and the byte where it begins if it stands in the file as it is.
pub(crate) type Stated = (String, Option<usize>);

/// What the fields say.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) depends: Vec<Stated>,
    pub(crate) defaults: Defaults,
    pub(crate) by_person: bool,
    pub(crate) command: Option<PlanCommand>,
    pub(crate) shell: Option<PlanCommand>,
    pub(crate) files: Vec<FileClaim>,
    pub(crate) outputs: Vec<String>,
    pub(crate) brief: Option<Brief>,
    pub(crate) acceptance: Vec<String>,
    pub(crate) requirements: Vec<String>,
    pub(crate) status: Option<PlanStatus>,
    pub(crate) parallel: Option<bool>,
    pub(crate) optional: Option<bool>,
    pub(crate) gate: Option<String>,
    /// Another name by which it may be meant.
    pub(crate) alias: Option<String>,
    /// From where each of these came.
    pub(crate) origins: Vec<FieldOrigin>,
    /// The first line after the body.
    pub(crate) body_end: usize,
}

/// Whether a task is a line of a list and nothing more, with another item right below it.
fn is_bare(outline: &Outline<'_>, found: &Found) -> bool {
    matches!(found.source, Source::Item(_))
        && found.body.is_empty()
        && found.cells.is_empty()
        && found.title.attributes.is_none()
        && found.title.agent.is_none()
        && outline.item_at(found.body.end).is_some()
}

/// Reads the fields of a task.
pub(crate) fn read(outline: &Outline<'_>, found: &Found, diagnostics: &mut Vec<Diagnostic>) -> Facts {
    if is_bare(outline, found) {
        return Facts { body_end: found.body.end, ..Facts::default() };
    }
    let mut reader = Reader::new(outline, diagnostics);
    reader.facts.body_end = found.body.end;
    match found.source {
        Source::Item(item) => {
            let mut list = fields::read(outline, found.fields.clone(), Some(item));
            // A box at the margin with fields that are not indented: they run to the next heading,
            // ruler or item with a box.
            if outline.items[item].parent.is_none() && outline.items[item].mark.is_some() {
                let end = loose_end(outline, found.body.end);
                if begins_with_bold_key(outline, found.body.end..end) {
                    list.extend(fields::read(outline, found.body.end..end, None));
                    reader.facts.body_end = end;
                }
            }
            reader.all(&list);
        }
        Source::Heading(_) => {
            let list = fields::read(outline, found.fields.clone(), None);
            reader.all(&list);
            let properties = joins::properties(outline, &found.fields);
            reader.facts.alias = properties.id;
            reader.all(&properties.fields);
        }
        Source::None => {
            reader.from = FieldFrom::Header;
            let list = fields::read(outline, found.fields.clone(), None);
            reader.all(
                &list
                    .into_iter()
                    .filter(|f| f.key != Key::Agent || super::generic::is_executor(&f.name))
                    .collect::<Vec<_>>(),
            );
        }
    }
    for (key, range) in &found.cells {
        let line = outline.lines.at(range.start);
        let field = Field {
            key: *key,
            name: String::new(),
            line,
            value: range.clone(),
            more: Vec::new(),
            fences: Vec::new(),
        };
        if !range.is_empty() {
            reader.one(&field);
        }
    }
    if reader.facts.defaults.agent.is_none() && !reader.facts.by_person {
        reader.facts.defaults.agent.clone_from(&found.title.agent);
    }
    if let Some(attributes) = &found.title.attributes {
        reader.read_attributes(attributes, found.line);
    }
    reader.facts.shell = only_shell_fence(outline, found.body.start..reader.facts.body_end);
    reader.facts
}

/// Reads the fields of a group.
pub(crate) fn of_group(
    outline: &Outline<'_>,
    span: Range<usize>,
    owner: Option<usize>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Facts {
    let list = fields::read(outline, span, owner);
    let mut reader = Reader::new(outline, diagnostics);
    reader.from = FieldFrom::Group;
    reader.all(&list);
    reader.facts
}

/// Where fields that are not indented end: at a heading, a ruler, or a box.
fn loose_end(outline: &Outline<'_>, start: usize) -> usize {
    use super::blocks::LineKind;
    let mut line = start;
    while line < outline.lines.len() {
        match outline.kind(line) {
            LineKind::Heading | LineKind::Break => break,
            LineKind::Text => {
                if outline.item_at(line).is_some_and(|item| {
                    outline.items[item].mark.is_some() && outline.items[item].parent.is_none()
                }) {
                    break;
                }
            }
            LineKind::Blank
            | LineKind::Comment
            | LineKind::FrontMatter
            | LineKind::Fence
            | LineKind::Code
            | LineKind::Quote
            | LineKind::Table => {}
        }
        line += 1;
    }
    line
}

/// Whether the first line of text is `**Key:** ...`.
fn begins_with_bold_key(outline: &Outline<'_>, mut span: Range<usize>) -> bool {
    let first = span.find(|line| !matches!(outline.kind(*line), super::blocks::LineKind::Blank));
    first.is_some_and(|line| {
        let text = outline.lines.get(line);
        outline.kind(line) == super::blocks::LineKind::Text
            && text.starts_with("**")
            && fields::split(text).is_some()
    })
}

fn only_shell_fence(outline: &Outline<'_>, body: Range<usize>) -> Option<PlanCommand> {
    if outline.blocks.fences.is_empty() {
        return None;
    }
    let first = outline.blocks.fences.partition_point(|fence| fence.line < body.start);
    let mut shells = outline.blocks.fences[first..]
        .iter()
        .take_while(|fence| fence.line < body.end)
        .filter(|fence| values::is_shell(&fence.info));
    let only = shells.next()?;
    if shells.next().is_some() {
        return None;
    }
    let text = values::fence_text(outline, &only.inside);
    (!text.is_empty()).then(|| PlanCommand { line: super::lines::number(only.line + 1), text })
}

/// The name of an agent in a value such as `` `bmad-dev` (or another) ``.
pub(crate) fn agent_name(value: &str) -> String {
    let clean = titles::clean(value);
    if is_person(&clean) {
        return clean;
    }
    let cut = clean.split(['(', '（', ',', '/', ';']).next().unwrap_or("");
    let cut = cut.split(" or ").next().unwrap_or("").trim();
    cut.trim_start_matches('@').trim().to_owned()
}

/// Whether two values of a key are not the same: `Kilo Code` and `@kilo (review mode)` are, and so are `P1` and
/// `High`.
fn is_other(key: Key, first: &str, second: &str) -> bool {
    let who = |value: &str| agent_name(value).split(' ').next().unwrap_or("").to_lowercase();
    match key {
        Key::Agent => who(first) != who(second),
        Key::Priority => words::priority(first) != words::priority(second),
        Key::Status => tables::cell_status(first) != tables::cell_status(second),
        Key::DependsOn
        | Key::Model
        | Key::Layer
        | Key::Command
        | Key::Files(_)
        | Key::Verify
        | Key::Acceptance
        | Key::Timeout
        | Key::Retries
        | Key::Parallel
        | Key::Optional
        | Key::Gate
        | Key::Requirements
        | Key::Output
        | Key::Mode => first != second,
    }
}

/// Whether who is named is a person: then the task is a gate.
fn is_person(value: &str) -> bool {
    let lower = value.trim_start_matches(|c: char| !c.is_alphanumeric()).trim().to_lowercase();
    let first = lower.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
    let rest = lower[first.len()..].trim_start();
    let alone = ["", "approval", "review", "action", "decision", "sign-off"].contains(&rest);
    matches!(first, "user" | "manual" | "human" | "person" | "uživatel" | "člověk" | "ručně" | "manuálně")
        && (alone || rest.starts_with('(') || rest.starts_with('（'))
        || (lower.ends_with("(manual)") || lower.ends_with("(human)") || lower.ends_with("(user)"))
        || ["owner approval", "user approval", "human approval", "approval"].contains(&lower.as_str())
}

/// Reads fields one by one.
pub(crate) struct Reader<'o, 't, 'd> {
    outline: &'o Outline<'t>,
    pub(crate) diagnostics: &'d mut Vec<Diagnostic>,
    pub(crate) facts: Facts,
    /// Keys that may stand once only.
    seen: Vec<Seen>,
    /// Where these fields stand.
    pub(crate) from: FieldFrom,
}

/// A key that was seen, and where.
struct Seen {
    key: Key,
    /// As it is compared; empty in a table.
    name: String,
    line: usize,
    value: Range<usize>,
}

impl<'o, 't, 'd> Reader<'o, 't, 'd> {
    fn new(outline: &'o Outline<'t>, diagnostics: &'d mut Vec<Diagnostic>) -> Self {
        Self { outline, diagnostics, facts: Facts::default(), seen: Vec::new(), from: FieldFrom::TaskList }
    }

    fn all(&mut self, list: &[Field]) {
        for (index, field) in list.iter().enumerate() {
            // A command that is expected to fail shows a test before its code; it checks nothing.
            let fails = fields::is_run(&field.name)
                && list.get(index + 1).is_some_and(|next| {
                    next.key == Key::Acceptance
                        && words::begins_with(titles::clean(self.value(next)).as_str(), "fail")
                });
            if !fails {
                self.one(field);
            }
        }
    }

    fn value(&self, field: &Field) -> &'t str {
        self.outline.lines.text.get(field.value.clone()).unwrap_or("")
    }

    fn place(&self, field: &Field) -> Place {
        if field.value.is_empty() {
            return Place::line(super::lines::number(field.line));
        }
        self.outline.lines.place(field.value.clone())
    }

    fn bad(&mut self, field: &Field, message: String) {
        let place = self.place(field);
        self.diagnostics.push(Diagnostic::error("bad-value", place, message));
    }

    /// Reports something that does not stop the run.
    fn warn(&mut self, code: &'static str, place: Place, message: String, hint: &str) {
        self.diagnostics.push(Diagnostic::warning(code, place, message).hint(hint));
    }

    /// Whether a key that may stand once only stands a second time. Fields come nearest first, so the
    /// first counts; cells of a table have no name.
    fn again(&mut self, field: &Field) -> bool {
        let folded = fields::folded(&field.name);
        let outline = self.outline;
        let text = |range: &Range<usize>| titles::clean(outline.lines.text.get(range.clone()).unwrap_or(""));
        let Some(seen) = self.seen.iter().find(|seen| seen.key == field.key) else {
            let value = field.value.clone();
            self.seen.push(Seen { key: field.key, name: folded, line: field.line, value });
            return false;
        };
        let first = super::lines::number(seen.line);
        let place = Place::line(super::lines::number(field.line));
        if seen.name == folded && !folded.is_empty() {
            self.diagnostics.push(
                Diagnostic::error(
                    "duplicate-key",
                    place,
                    format!("`{}` stands here twice, first on line {first}", field.name),
                )
                .hint("leave one of the two"),
            );
        } else if is_other(field.key, &text(&seen.value), &text(&field.value)) {
            let name = if field.name.is_empty() { "a table" } else { &field.name };
            let message = format!(
                "`{name}` says `{}` here, and line {first} says `{}`: the first counts",
                titles::short(&text(&field.value), 40),
                titles::short(&text(&seen.value), 40)
            );
            self.diagnostics.push(Diagnostic::warning("two-values", place, message));
        }
        true
    }

    /// Whether dependencies that stand a second time under the same name are refused; under two names
    /// both count.
    fn is_said_twice(&mut self, field: &Field) -> bool {
        let folded = fields::folded(&field.name);
        let twice = |seen: &Seen| seen.key == field.key && seen.name == folded && !folded.is_empty();
        if self.seen.iter().any(twice) {
            return self.again(field);
        }
        self.seen.push(Seen { key: field.key, name: folded, line: field.line, value: field.value.clone() });
        false
    }

    fn one(&mut self, field: &Field) {
        if self.take(field)
            && let Some(origin) = origins::of_field(self.outline, field, self.from)
        {
            self.facts.origins.push(origin);
        }
    }

    /// Takes the value of a field, unless another of its key was taken before; whether it did.
    fn take(&mut self, field: &Field) -> bool {
        match field.key {
            Key::DependsOn => {
                if self.is_said_twice(field) {
                    return false;
                }
                self.depends(field);
            }
            Key::Files(verb) => self.files(field, verb),
            Key::Output => self.outputs(field),
            Key::Verify => self.verify(field),
            Key::Acceptance => {
                let parts =
                    values::parts(self.outline, field).into_iter().map(|(text, _)| titles::clean(text));
                self.facts.acceptance.extend(parts.filter(|text| !text.is_empty()));
            }
            Key::Requirements => {
                let value = titles::clean(self.value(field));
                self.facts.requirements.extend(value.split(',').map(|part| part.trim().to_owned()));
            }
            Key::Mode => {}
            Key::Agent
            | Key::Model
            | Key::Layer
            | Key::Command
            | Key::Status
            | Key::Priority
            | Key::Timeout
            | Key::Retries
            | Key::Parallel
            | Key::Optional
            | Key::Gate => {
                if self.again(field) {
                    return false;
                }
                self.scalar(field);
            }
        }
        true
    }

    fn scalar(&mut self, field: &Field) {
        let raw = self.value(field);
        let value = titles::clean(raw);
        if value.is_empty() && !matches!(field.key, Key::Command) {
            return;
        }
        match field.key {
            Key::Agent => {
                self.facts.by_person = is_person(&value);
                if !self.facts.by_person {
                    let name = agent_name(raw);
                    if !name.is_empty() && !matches!(name.as_str(), "-" | "—" | "TBD" | "none" | "None") {
                        self.facts.defaults.agent = Some(name);
                    }
                }
            }
            Key::Model => {
                if let Some(model) = values::model(raw) {
                    self.facts.defaults.model = Some(model);
                }
            }
            Key::Layer => match values::layer(&value) {
                Some(layer) => self.facts.defaults.layer = Some(layer),
                None => self.bad(field, format!("`{value}` is no layer: 1 to 99")),
            },
            Key::Timeout => match values::duration(&value) {
                Ok(timeout) => self.facts.defaults.timeout = Some(timeout),
                Err(error) => self.bad(field, error),
            },
            Key::Retries => match values::whole_number(&value) {
                Some(retries) => self.facts.defaults.retries = Some(retries),
                None => self.bad(field, format!("`{value}` is no number of retries")),
            },
            Key::Priority => match words::priority(&value) {
                Some(priority) => self.facts.defaults.priority = Some(priority),
                None if words::is_unset(&value) => {}
                None => self.bad(
                    field,
                    format!("`{value}` is no priority: P0 to P9, 0 to 9, or critical, high, medium, low"),
                ),
            },
            Key::Parallel => match words::yes_or_no(&value) {
                Some(parallel) => self.facts.parallel = Some(parallel),
                None => self.bad(field, format!("`{value}` is neither yes nor no")),
            },
            Key::Optional => match words::yes_or_no(&value) {
                Some(optional) => self.facts.optional = Some(optional),
                None => self.bad(field, format!("`{value}` is neither yes nor no")),
            },
            Key::Gate => match words::yes_or_no(&value) {
                Some(false) => {}
                Some(true) => self.facts.gate = Some("approval".to_owned()),
                None => self.facts.gate = Some(value),
            },
            Key::Status => {
                self.facts.status = tables::cell_status(raw.trim_matches(['*', '`', ' ']));
                let place = self.place(field);
                if self.facts.status.is_none()
                    && let Some(near) = words::near_status(&value)
                {
                    self.bad(field, format!("`{value}` is no status: did you mean `{near}`?"));
                } else if self.facts.status.is_none() {
                    let message = format!("`{value}` is no status that is known: it changes nothing");
                    self.warn("unknown-status", place, message, "write open, in progress, done or skipped");
                } else if words::begins_with(&value, "blocked") {
                    let message = "the plan calls this blocked: it is taken as open".to_owned();
                    self.warn("blocked", place, message, "write skipped to leave it out");
                }
            }
            Key::Command => self.command(field),
            Key::DependsOn
            | Key::Files(_)
            | Key::Verify
            | Key::Acceptance
            | Key::Requirements
            | Key::Output
            | Key::Mode => {}
        }
    }

    fn depends(&mut self, field: &Field) {
        let parts = values::parts(self.outline, field);
        if parts.is_empty() {
            self.facts.depends.push((String::new(), None));
        }
        for (text, range) in parts {
            self.facts.depends.push((text.to_owned(), Some(range.start)));
        }
    }

    fn files(&mut self, field: &Field, verb: Option<FileVerb>) {
        let mut outside: Vec<(String, Range<usize>)> = Vec::new();
        for (text, range) in values::parts(self.outline, field) {
            if verb.is_none()
                && let Some(path) = values::brief(&field.name, text)
            {
                let line = super::lines::number(self.outline.lines.at(range.start));
                self.facts.brief.get_or_insert(Brief { path, line });
                continue;
            }
            for claim in values::files(text, verb) {
                match values::inside(&claim.path) {
                    Some(path) => self.facts.files.push(FileClaim { verb: claim.verb, path }),
                    None => outside.push((claim.path, range.clone())),
                }
            }
        }
        if let Some((first, range)) = outside.first() {
            let place = self.outline.lines.place(range.clone());
            let (more, are) = match outside.len() {
                1 => (String::new(), "is"),
                count => (format!(" and {} more", count - 1), "are"),
            };
            let first = titles::short(first, 60);
            let message = format!("`{first}`{more} {are} outside the project: left out");
            self.warn("path-outside", place, message, "name files relative to the project's root");
        }
    }

    fn outputs(&mut self, field: &Field) {
        for (text, _) in values::parts(self.outline, field) {
            self.facts.outputs.extend(values::outputs(text));
        }
    }

    fn verify(&mut self, field: &Field) {
        for (text, range) in values::parts(self.outline, field) {
            let line = super::lines::number(self.outline.lines.at(range.start));
            match values::only_spans(text) {
                Some(spans) => {
                    let commands =
                        spans.into_iter().map(|(span, _)| PlanCommand { line, text: span.to_owned() });
                    self.facts.defaults.verify.extend(commands);
                }
                None => self.facts.acceptance.push(titles::clean(text)),
            }
        }
        self.fences(field);
    }

    fn fences(&mut self, field: &Field) {
        for lines in &field.fences {
            let fences = &self.outline.blocks.fences;
            let at = fences.binary_search_by_key(&lines.start, |fence| fence.line);
            let fence = at.ok().map(|at| &fences[at]);
            if let Some(fence) = fence.filter(|fence| values::is_shell(&fence.info)) {
                let text = values::fence_text(self.outline, &fence.inside);
                if !text.is_empty() {
                    let line = super::lines::number(fence.line + 1);
                    self.facts.defaults.verify.push(PlanCommand { line, text });
                }
            }
        }
    }

    fn command(&mut self, field: &Field) {
        let parts = values::parts(self.outline, field);
        let spans = match parts.as_slice() {
            [(text, _)] => values::only_spans(text).unwrap_or_default(),
            _ => Vec::new(),
        };
        match spans.as_slice() {
            [(span, _)] => {
                let line = super::lines::number(field.line);
                self.facts.command = Some(PlanCommand { line, text: (*span).to_owned() });
            }
            _ if parts.is_empty() && field.fences.len() == 1 => {}
            _ => {
                self.bad(
                    field,
                    "a command is one code span and nothing else, such as `make test`".to_owned(),
                );
            }
        }
    }
}
