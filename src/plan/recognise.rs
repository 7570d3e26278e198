//! Finding the format of a plan: by its path first, then by what stands in it.
//!
//! Each sign is looked for once, in one pass over headings, items and lines, fences and comments left
//! out. Several formats may show signs; the first of the table counts, and the others are told, so that
//! readers that disagree can be found out.

use super::blocks::LineKind;
use super::fields;
use super::fields::Key;
use super::formats::Format;
use super::lines::number;
use super::names;
use super::names::Shape;
use super::outline::Outline;
use super::phases;
use super::words;

/// The longest line in which a sign is looked for, in bytes.
const LONGEST: usize = 400;

/// What signs of lines are known by.
const CRITERIA: &str = "AC:BEGIN";
const JACK: &str = "@task ";
const GSD: &str = "<task type=";
const SUPERPOWERS: &str = "superpowers:";
const PARALLEL_WITH: &str = "Parallel with";
const REQUIREMENTS: [&str; 5] = ["_Requirements:", "_Requirements：", "_需求:", "_需求：", "_Requirement:"];

/// The formats of which a plan shows signs, each with the signs in words; the first one counts.
#[derive(Debug, Default)]
pub(crate) struct Signs {
    /// By path, then by content.
    pub(crate) found: Vec<(Format, String)>,
    /// Whether the path decided.
    pub(crate) by_path: bool,
}

impl Signs {
    /// The format that counts, and why.
    pub(crate) fn decided(&self) -> (Format, String) {
        self.found
            .first()
            .cloned()
            .unwrap_or_else(|| (Format::Generic, "no signs of another format".to_owned()))
    }
}

/// The signs of a text and its path.
pub(crate) fn signs(outline: &Outline<'_>, path: Option<&str>) -> Signs {
    let seen = Seen::read(outline);
    // A tool's own comments outlive a folder that another tool's files are in, too.
    if seen.jack > 0 {
        return Signs { found: vec![(Format::Jack, "`<!-- @task` comments".to_owned())], by_path: true };
    }
    if let Some((format, sign)) = path.and_then(|path| by_path(path, &seen)) {
        return Signs { found: vec![(format, format!("its path has `{sign}`"))], by_path: true };
    }
    let slashes = path.unwrap_or("").replace('\\', "/");
    if let Some((format, sign)) = super::formats::by_name(outline, &slashes) {
        return Signs { found: vec![(format, sign.to_owned())], by_path: true };
    }
    Signs { found: by_content(&seen), by_path: false }
}

/// The format that a path names, and the part of it that does.
fn by_path(path: &str, seen: &Seen) -> Option<(Format, &'static str)> {
    let path = format!("/{}", path.replace('\\', "/").trim_start_matches("./"));
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let lower = name.to_lowercase();
    let folders: [(&'static str, Format); 19] = [
        (".kiro/", Format::Kiro),
        ("openspec/changes/", Format::Openspec),
        (".spec-workflow/", Format::Kiro),
        (".ito/", Format::Ito),
        (".spool/", Format::Ito),
        (".cursor/plans/", Format::Cursor),
        (".taskmaster/", Format::Taskmaster),
        ("backlog/tasks/", Format::Backlog),
        ("backlog/completed/", Format::Backlog),
        ("backlog/drafts/", Format::Backlog),
        ("docs/superpowers/plans/", Format::Superpowers),
        ("_bmad-output/", Format::Bmad),
        (".agent/execplans/", Format::Execplan),
        ("execplans/", Format::Execplan),
        ("thoughts/shared/plans/", Format::Humanlayer),
        (".antigravity/", Format::Antigravity),
        (".gemini/antigravity/", Format::Antigravity),
        (".planning/phases/", Format::Gsd),
        (".specify/specs/", Format::Speckit),
    ];
    let whole = format!("{folder}/");
    if lower.ends_with(".code-task.md") {
        return Some((Format::Pdd, ".code-task.md"));
    }
    if lower.ends_with(".plan.md") && seen.todos > 0 {
        return Some((Format::Cursor, ".plan.md"));
    }
    if let Some((sign, format)) = folders.into_iter().find(|(sign, _)| has_folder(&whole, sign)) {
        return Some((format, sign));
    }
    if lower.ends_with("roadmap.md") && (whole.contains("/.planning/") || whole.contains("/.gsd/")) {
        return Some((Format::Gsd, "ROADMAP.md"));
    }
    if lower == "plan.md" && (whole.contains("/.ralph/specs/") || whole.ends_with("/implementation/")) {
        return Some((Format::Pdd, "plan.md"));
    }
    if matches!(lower.as_str(), "fix_plan.md" | "@fix_plan.md") {
        return Some((Format::Ralph, "fix_plan.md"));
    }
    if lower == "task.md" && seen.slashes > 0 {
        return Some((Format::Antigravity, "task.md"));
    }
    if lower == "prd.md" && seen.user_stories > 0 {
        return Some((Format::Ralph, "prd.md"));
    }
    // The folder of one feature: `specs/<feature>/tasks.md`.
    let feature = folder.rsplit_once('/').is_some_and(|(above, _)| above.ends_with("/specs"));
    if lower == "tasks.md" && feature && seen.three_digits > 0 {
        return Some((Format::Speckit, "specs/*/tasks.md"));
    }
    None
}

/// Whether a path has a folder, whole.
fn has_folder(path: &str, folder: &str) -> bool {
    path.match_indices(folder).any(|(at, _)| path[..at].ends_with('/'))
}

/// The formats that the content shows signs of, in the order of the table.
fn by_content(seen: &Seen) -> Vec<(Format, String)> {
    let mut found: Vec<(Format, String)> = Vec::new();
    let mut add = |holds: bool, format: Format, why: &str| {
        if holds && !found.iter().any(|(known, _)| *known == format) {
            found.push((format, why.to_owned()));
        }
    };
    let tasks = seen.task_headings > 0;
    add(seen.task_id_first > 0, Format::Taskmaster, "its first line is `# Task ID:`");
    add(seen.todos > 0, Format::Cursor, "the front matter has `todos:`");
    add(
        seen.matter_id > 0 && seen.matter_status > 0 && (seen.criteria > 0 || seen.backlog > 0),
        Format::Backlog,
        "the front matter has `id:` and `status:`, and the text has `AC:BEGIN`",
    );
    add(seen.jack > 0, Format::Jack, "`<!-- @task` comments");
    add(seen.gsd > 0, Format::Gsd, "`<task type=` elements");
    add(seen.phases > 1 && seen.details > 0, Format::Gsd, "`Phase Details` with a section for each phase");
    add(
        seen.numbered > 0 && seen.requirements > 0,
        Format::Kiro,
        "`_Requirements:` fields and numbered boxes",
    );
    add(seen.numbered > 0 && seen.graph > 0, Format::Kiro, "numbered boxes and a `Task Dependency Graph`");
    add(seen.stars > 0 && seen.two_deep > 0, Format::Kiro, "optional boxes `[ ]*`");
    add(
        seen.waves > 0 && seen.wave_tasks > 0 && seen.status_items > 0,
        Format::Ito,
        "`## Wave N` with `### Task N.M` and Status items",
    );
    add(seen.three_digits >= 3, Format::Speckit, "boxes with ids such as `T001`");
    add(
        seen.story_title > 0 && seen.subtasks_section > 0,
        Format::Bmad,
        "`# Story N.M` and `## Tasks / Subtasks`",
    );
    add(seen.story_headings > 0, Format::Bmad, "`### Story N.M` headings");
    add(
        seen.swarm > 1 && seen.depends * 2 >= seen.swarm,
        Format::Swarm,
        "`### T1:` headings with `depends_on`",
    );
    add(seen.units > 0, Format::Compound, "`Unit N:` boxes or headings");
    add(
        seen.step_headings > 1 && (seen.parallel_with > 0 || seen.model_tags > 0),
        Format::Sdd,
        "`Step N` headings with `Parallel with` or `[model: ...]`",
    );
    add(
        seen.step_headings > 1 && seen.step_boxes > 0,
        Format::Pdd,
        "a checklist of steps and a section for each",
    );
    add(seen.code_task > 0, Format::Pdd, "its title is `# Task: ...`");
    add(tasks && seen.superpowers > 0, Format::Superpowers, "`Task N` headings and `superpowers:`");
    add(tasks && seen.bold_steps > 0, Format::Superpowers, "`Task N` headings and `**Step 1` boxes");
    add(tasks && seen.commands > 0, Format::Ralphex, "`Task N` headings and `## Validation Commands`");
    add(
        seen.progress > 0 && seen.decisions > 0,
        Format::Execplan,
        "`## Progress` with boxes and `## Decision Log`",
    );
    // Phases with checks of their own may mark their changes in the same way.
    let checked = seen.phases > 0 && seen.automated * 2 >= seen.phases;
    add(seen.changes > 0 && !checked, Format::Antigravity, "`[NEW]` or `[MODIFY]` headings");
    add(seen.ticked_boxes > 2, Format::Antigravity, "boxes in backticks");
    add(
        seen.phases > 0 && seen.automated > 0,
        Format::Humanlayer,
        "`## Phase N` with `Automated Verification`",
    );
    add(seen.user_stories > 1, Format::Ralph, "`### US-001:` headings");
    add(seen.own_numbers > 1, Format::Openspec, "`## N.` headings with boxes numbered `N.M`");
    found
}

/// How often each sign was seen.
#[derive(Debug, Default)]
struct Seen {
    todos: usize,
    matter_id: usize,
    matter_status: usize,
    criteria: usize,
    backlog: usize,
    task_id_first: usize,
    story_title: usize,
    subtasks_section: usize,
    superpowers: usize,
    commands: usize,
    progress: usize,
    decisions: usize,
    code_task: usize,
    task_headings: usize,
    wave_tasks: usize,
    waves: usize,
    phases: usize,
    automated: usize,
    swarm: usize,
    units: usize,
    story_headings: usize,
    user_stories: usize,
    step_headings: usize,
    step_boxes: usize,
    bold_steps: usize,
    changes: usize,
    ticked_boxes: usize,
    slashes: usize,
    numbered: usize,
    graph: usize,
    two_deep: usize,
    own_numbers: usize,
    three_digits: usize,
    stars: usize,
    requirements: usize,
    depends: usize,
    status_items: usize,
    parallel_with: usize,
    model_tags: usize,
    jack: usize,
    gsd: usize,
    details: usize,
}

impl Seen {
    fn read(outline: &Outline<'_>) -> Self {
        let mut seen = Self::default();
        seen.front_matter(outline);
        for index in 0..outline.headings.len() {
            seen.heading(outline, index);
        }
        for index in 0..outline.items.len() {
            seen.item(outline, index);
        }
        if seen.may_stand_on_lines(outline.lines.text) {
            for line in 0..outline.lines.len() {
                seen.line(outline, line);
            }
        }
        seen
    }

    /// Whether any sign of a line would count, by what headings and items show, and may be there: most texts
    /// are done with after a search of the whole, and their lines are not looked at.
    fn may_stand_on_lines(&self, text: &str) -> bool {
        let has = |sign: &str| memchr::memmem::find(text.as_bytes(), sign.as_bytes()).is_some();
        // Fields have no wording of their own that could be looked for.
        let fields = self.swarm > 1 || (self.waves > 0 && self.wave_tasks > 0);
        fields
            || (self.matter_id > 0 && has(CRITERIA))
            || (self.task_headings > 1 && has(SUPERPOWERS))
            || (self.step_headings > 1 && has(PARALLEL_WITH))
            || (self.numbered > 0 && REQUIREMENTS.iter().any(|sign| has(sign)))
            || has(JACK)
            || has(GSD)
    }

    fn front_matter(&mut self, outline: &Outline<'_>) {
        for line in outline.blocks.front_matter.clone().into_iter().flatten() {
            let text = outline.lines.get(line);
            self.todos += usize::from(text.starts_with("todos:"));
            self.matter_id += usize::from(text.starts_with("id:"));
            self.matter_status += usize::from(text.starts_with("status:"));
            self.backlog += usize::from(text.starts_with("assignee:") || text.starts_with("ordinal:"));
        }
    }

    fn heading(&mut self, outline: &Outline<'_>, index: usize) {
        let heading = &outline.headings[index];
        let raw = &outline.lines.text[heading.text.clone()];
        let title = heading.title.as_str();
        let at_top = heading.level == 1;
        let bare = words::without_number(title);
        self.task_id_first +=
            usize::from(index == 0 && at_top && heading.line == 0 && title.starts_with("Task ID:"));
        self.code_task += usize::from(index == 0 && at_top && words::begins_with(title, "task:"));
        self.subtasks_section += usize::from(title.replace(' ', "").eq_ignore_ascii_case("Tasks/Subtasks"));
        self.commands += usize::from(words::begins_with(bare, "validation commands"));
        self.progress += usize::from(!at_top && words::begins_with(title, "progress"));
        self.decisions += usize::from(words::begins_with(title, "decision log"));
        self.automated += usize::from(words::begins_with(bare, "automated verification"));
        self.changes +=
            usize::from(["[NEW]", "[MODIFY]", "[DELETE]"].iter().any(|sign| raw.starts_with(sign)));
        self.model_tags += usize::from(title.contains("[model:"));
        self.graph += usize::from(words::begins_with(bare, "task dependency graph"));
        self.details += usize::from(words::begins_with(bare, "phase details"));
        match phases::phase_number(title) {
            Some(("Wave", _)) => self.waves += 1,
            Some(("Phase", _)) => self.phases += 1,
            Some(_) | None => {}
        }
        let Some(written) = names::written(title).filter(|written| written.ends) else { return };
        match &written.shape {
            Shape::Word(word) => {
                let dotted = written.id.contains('.');
                match names::WORDS[*word] {
                    "story" if at_top => self.story_title += 1,
                    "story" if dotted => self.story_headings += 1,
                    "task" => {
                        self.task_headings += 1;
                        self.wave_tasks += usize::from(dotted);
                    }
                    "unit" => self.units += 1,
                    "step" => self.step_headings += 1,
                    _ => {}
                }
            }
            Shape::Name(letters) => {
                self.swarm += usize::from(letters == "T");
                self.user_stories += usize::from(letters == "US");
            }
            Shape::Number(_) => {}
        }
    }

    fn item(&mut self, outline: &Outline<'_>, index: usize) {
        let item = &outline.items[index];
        let text = &outline.lines.text[item.text.clone()];
        let Some(mark) = item.mark else { return };
        self.stars += usize::from(mark.star);
        self.slashes += usize::from(mark.sign == '/');
        let line = outline.lines.get(item.line);
        let before = line.get(..mark.offset).unwrap_or("");
        self.ticked_boxes += usize::from(before.ends_with("`["));
        self.bold_steps += usize::from(text.starts_with("**Step"));
        let Some(written) = names::written(text) else { return };
        self.numbered += usize::from(matches!(written.shape, Shape::Number(_)));
        match &written.shape {
            Shape::Number(2) => {
                self.two_deep += 1;
                let first = written.id.split('.').next().unwrap_or("");
                let own = item.heading.is_some_and(|heading| {
                    let title = &outline.headings[heading].title;
                    title.strip_prefix(first).is_some_and(|rest| rest.starts_with(['.', ' ', ':', ')']))
                });
                self.own_numbers += usize::from(own);
            }
            Shape::Name(letters) => {
                let digits = written.id.bytes().filter(u8::is_ascii_digit).count();
                self.three_digits += usize::from(letters == "T" && digits >= 3);
            }
            Shape::Word(word) => match names::WORDS[*word] {
                "unit" => self.units += 1,
                "step" if !text.starts_with("**") => self.step_boxes += 1,
                _ => {}
            },
            Shape::Number(_) => {}
        }
    }

    fn line(&mut self, outline: &Outline<'_>, line: usize) {
        let text = outline.lines.get(line);
        if text.len() > LONGEST {
            return;
        }
        match outline.kind(line) {
            LineKind::Comment => {
                self.criteria += usize::from(text.contains(CRITERIA));
                self.jack += usize::from(text.contains(JACK));
            }
            LineKind::Text | LineKind::Quote => {
                self.superpowers += usize::from(text.contains(SUPERPOWERS));
                let start = text.trim_start();
                self.gsd += usize::from(start.starts_with(GSD));
                self.jack += usize::from(text.contains("<!-- @task "));
                let start = start.trim_start_matches(['-', '*', '+', ' ']);
                self.parallel_with += usize::from(text.contains(PARALLEL_WITH));
                self.requirements += usize::from(is_requirement(text));
                if let Some((name, _)) = fields::split(start) {
                    match fields::key_of(name) {
                        Some(Key::DependsOn) if start.len() < text.trim_start().len() => self.depends += 1,
                        Some(Key::Status) => self.status_items += 1,
                        Some(_) | None => {}
                    }
                }
            }
            LineKind::Blank
            | LineKind::Heading
            | LineKind::Break
            | LineKind::FrontMatter
            | LineKind::Fence
            | LineKind::Code
            | LineKind::Table => {}
        }
    }
}

/// `_Requirements: 1.1_`, in italics.
fn is_requirement(text: &str) -> bool {
    let text = text.trim_start().trim_start_matches(['-', '*', ' ']);
    REQUIREMENTS.iter().any(|key| text.starts_with(key))
}

/// What is said where several formats' readers find different tasks.
pub(crate) fn ambiguous(first: (Format, usize), other: (Format, usize)) -> crate::diagnostics::Diagnostic {
    let ((first, first_line), (other, other_line)) = (first, other);
    let message = format!(
        "the plan may be `{}` (first task on line {}) or `{}` (first task on line {}), which read it differently",
        first.name(),
        number(first_line),
        other.name(),
        number(other_line)
    );
    crate::diagnostics::Diagnostic::error("ambiguous-format", crate::diagnostics::Place::WHOLE, message)
        .hint(format!("say which, with --format {} or --format {}", first.name(), other.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, path: Option<&str>) -> &'static str {
        signs(&Outline::read(text), path).decided().0.name()
    }

    #[test]
    fn the_path_comes_first() {
        for (path, name) in [
            (".kiro/specs/login/tasks.md", "kiro"),
            ("/repo/.kiro/specs/login/tasks.md", "kiro"),
            ("openspec/changes/archive/2026-01-01-login/tasks.md", "openspec"),
            (".ito/changes/1-01_login/tasks.md", "ito"),
            ("docs/superpowers/plans/2026-01-01-login.md", "superpowers"),
            (".\\.ralph\\specs\\login\\plan.md", "pdd"),
            ("tasks/login.code-task.md", "pdd"),
            ("backlog/tasks/task-1 - Login.md", "backlog"),
            ("thoughts/shared/plans/login.md", "humanlayer"),
            ("my-openspec/changes/tasks.md", "generic"),
            ("plan.md", "generic"),
            (".planning/ROADMAP.md", "gsd"),
            ("docs/ROADMAP.md", "generic"),
            ("specs/001-login/tasks.md", "generic"),
        ] {
            assert_eq!(of("- [ ] a\n- [ ] b\n", Some(path)), name, "{path}");
        }
        assert_eq!(of("- [ ] T001 a\n", Some("specs/001-login/tasks.md")), "speckit");
        assert_eq!(of("### Task 1: a\n### Task 2: b\n", Some(".kiro/plans/x.md")), "kiro");
    }

    #[test]
    fn then_the_content() {
        for (text, name) in [
            ("- [ ] T001 a\n- [ ] T002 b\n- [ ] T003 c\n", "speckit"),
            ("- [ ] 1. a\n  - [ ] 1.1 b\n    - _Requirements: 1.1_\n", "kiro"),
            ("- [ ] 1. a\n  - [ ]* 1.1 b\n", "kiro"),
            ("## 1. A\n\n- [ ] 1.1 b\n- [ ] 1.2 c\n", "openspec"),
            ("# Story 1.2: A\n\n## Tasks / Subtasks\n\n- [ ] Task 1: b\n", "bmad"),
            ("### T1: a\n- **depends_on**: []\n### T2: b\n- **depends_on**: [T1]\n", "swarm"),
            ("- [ ] **Unit 1: a**\n- [ ] **Unit 2: b**\n", "compound"),
            ("### Task 1: a\n\n- [ ] **Step 1: x**\n\n### Task 2: b\n", "superpowers"),
            ("## Validation Commands\n- `make`\n### Task 1: a\n- [ ] x\n### Task 2: b\n", "ralphex"),
            ("### Task 1: a\n- [ ] x\n### Task 2: b\n", "generic"),
            ("- [ ] Step 1: a\n- [ ] Step 2: b\n## Step 1: a\n## Step 2: b\n", "pdd"),
            ("### Step 1: a\n**Parallel with:** Step 2\n### Step 2: b\n", "sdd"),
            ("# Task: Add a thing\n\n## Description\n", "pdd"),
            ("## Wave 1\n### Task 1.1: a\n- **Status**: `[ ] pending`\n### Task 1.2: b\n", "ito"),
            ("## Progress\n- [x] (2026-01-01) a\n## Decision Log\n", "execplan"),
            ("### Server\n#### [NEW] [a.rs](file:///r/a.rs)\n", "antigravity"),
            ("## Phase 1: A\n#### Automated Verification:\n- [ ] `make`\n", "humanlayer"),
            ("## Phase 1: A\n#### [NEW] a.rs\n#### Automated Verification:\n- [ ] `make`\n", "humanlayer"),
            (
                "## Phase 1: A\n#### [NEW] a.rs\n## Phase 2: B\n## Phase 3: C\n#### [MODIFY] b.rs\n",
                "antigravity",
            ),
            ("# Roadmap\n- [ ] Phase 1: A\n## Phase Details\n### Phase 1: A\n### Phase 2: B\n", "gsd"),
            ("---\ntodos:\n  - id: a\n    content: b\n---\n", "cursor"),
            (
                "---\nid: task-1\nstatus: To Do\n---\n<!-- AC:BEGIN -->\n- [ ] #1 a\n<!-- AC:END -->\n",
                "backlog",
            ),
            ("# Task ID: 1\n# Title: a\n", "taskmaster"),
            ("- [ ] a\n- [ ] 1.1 b\n", "generic"),
            ("```\n- [ ] T001 a\n- [ ] T002 b\n- [ ] T003 c\n```\n- [ ] x\n", "generic"),
        ] {
            assert_eq!(of(text, None), name, "{text}");
        }
    }
}
