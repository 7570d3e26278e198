//! What the formats differ in. What is a task is mostly the same in all of them (`generic`); a format has
//! its own words for order, marks, gates, and places where it says more.
//!
//! A format may find the tasks itself ([`tasks`]), and it may change the plan that was made of them
//! before its edges are drawn ([`finish`]): what waits for what, gates, checks, held tasks.

mod agents;
mod antigravity;
mod bmad;
mod cursor;
pub(crate) mod execplan;
mod graph;
mod gsd;
mod humanlayer;
mod in_order;
mod ito;
mod jack;
mod kiro;
mod pdd;
mod ralph;
mod ralphex;
mod sdd;
mod speckit;
mod superpowers;

use std::collections::BTreeMap;

use super::execution;
use super::found::Findings;
use super::lines::number;
use super::outline::Outline;
use super::phases;
use super::recognise;
use super::recognise::Signs;
use super::types::Plan;
use super::types::ReadOptions;
use crate::diagnostics::Diagnostic;
use crate::model::task::PlanStatus;

/// The formats that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Format {
    /// Any Markdown, and the documents of `orchestrate` itself.
    #[default]
    Generic,
    /// A native plan whose front matter says so: read exactly, without guesses.
    Native,
    /// GitHub spec-kit, `specs/*/tasks.md`.
    Speckit,
    /// Kiro and cc-sdd, `.kiro/specs/*/tasks.md`.
    Kiro,
    /// `openspec/changes/*/tasks.md`.
    Openspec,
    /// Task Master, `tasks.json`, and its `task_001.txt` files.
    Taskmaster,
    /// Superpowers, `docs/superpowers/plans/*.md`.
    Superpowers,
    /// ralphex, `### Task N` with `## Validation Commands`.
    Ralphex,
    /// Prompt-driven development: a checklist of steps and their sections.
    Pdd,
    /// Compound engineering: `**Unit N: title**`.
    Compound,
    /// swarm-planner: `### T1:` with `depends_on`.
    Swarm,
    /// SDD steps: `### Step 1: title [DONE]` with models and agents.
    Sdd,
    /// Cursor, `.cursor/plans/*.plan.md`.
    Cursor,
    /// Antigravity, `task.md` and `implementation_plan.md`.
    Antigravity,
    /// Codex `ExecPlans`.
    Execplan,
    /// BMAD stories and lists of stories.
    Bmad,
    /// Ralph, `prd.json`, `prd.md`, `fix_plan.md`.
    Ralph,
    /// Backlog.md, one file for each task.
    Backlog,
    /// Ito, `.ito/changes/*/tasks.md`.
    Ito,
    /// `HumanLayer`: phases with automated and manual verification.
    Humanlayer,
    /// GSD: `<task type="auto">` elements.
    Gsd,
    /// jack: `<!-- @task id= … -->`.
    Jack,
}

impl Format {
    /// All of them, in the order in which they are listed to people.
    pub const ALL: [Self; 22] = [
        Self::Generic,
        Self::Native,
        Self::Speckit,
        Self::Kiro,
        Self::Openspec,
        Self::Taskmaster,
        Self::Superpowers,
        Self::Ralphex,
        Self::Pdd,
        Self::Compound,
        Self::Swarm,
        Self::Sdd,
        Self::Cursor,
        Self::Antigravity,
        Self::Execplan,
        Self::Bmad,
        Self::Ralph,
        Self::Backlog,
        Self::Ito,
        Self::Humanlayer,
        Self::Gsd,
        Self::Jack,
    ];

    /// The name that `--format` takes and documents carry.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Native => "native",
            Self::Speckit => "speckit",
            Self::Kiro => "kiro",
            Self::Openspec => "openspec",
            Self::Taskmaster => "taskmaster",
            Self::Superpowers => "superpowers",
            Self::Ralphex => "ralphex",
            Self::Pdd => "pdd",
            Self::Compound => "compound",
            Self::Swarm => "swarm",
            Self::Sdd => "sdd",
            Self::Cursor => "cursor",
            Self::Antigravity => "antigravity",
            Self::Execplan => "execplan",
            Self::Bmad => "bmad",
            Self::Ralph => "ralph",
            Self::Backlog => "backlog",
            Self::Ito => "ito",
            Self::Humanlayer => "humanlayer",
            Self::Gsd => "gsd",
            Self::Jack => "jack",
        }
    }

    /// The format of a name; case and `-` do not count.
    pub fn from_name(name: &str) -> Option<Self> {
        let folded: String = name.chars().filter(|c| !matches!(c, '-' | '_' | '.' | ' ')).collect();
        Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(&folded))
    }

    /// Whether a task that is done is ticked in the file: not where the format keeps its progress
    /// elsewhere, or where its own tool owns the file.
    pub const fn is_ticked(self) -> bool {
        match self {
            Self::Taskmaster | Self::Superpowers | Self::Execplan | Self::Ralph | Self::Backlog => false,
            Self::Generic
            | Self::Native
            | Self::Speckit
            | Self::Kiro
            | Self::Openspec
            | Self::Ralphex
            | Self::Pdd
            | Self::Compound
            | Self::Swarm
            | Self::Sdd
            | Self::Cursor
            | Self::Antigravity
            | Self::Bmad
            | Self::Ito
            | Self::Humanlayer
            | Self::Gsd
            | Self::Jack => true,
        }
    }

    /// The mark of a task that somebody is at: what the format has for it, or `/` where the file has it
    /// already. `marks` are those of the file.
    pub(crate) fn progress_mark(self, mut marks: impl Iterator<Item = char>) -> Option<char> {
        if self == Self::Kiro {
            Some('-')
        } else {
            (self == Self::Antigravity || marks.any(|mark| mark == '/')).then_some('/')
        }
    }

    /// Whether tasks of this format may have native key lists: not where the format has key lists of its own,
    /// or its own tool writes the file.
    pub const fn has_native_keys(self) -> bool {
        match self {
            Self::Generic | Self::Native | Self::Speckit | Self::Openspec | Self::Ralphex | Self::Pdd => true,
            Self::Kiro
            | Self::Taskmaster
            | Self::Superpowers
            | Self::Compound
            | Self::Swarm
            | Self::Sdd
            | Self::Cursor
            | Self::Antigravity
            | Self::Execplan
            | Self::Bmad
            | Self::Ralph
            | Self::Backlog
            | Self::Ito
            | Self::Humanlayer
            | Self::Gsd
            | Self::Jack => false,
        }
    }

    /// What a mark between the brackets of a box means here; none: nobody knows it, and it is never done.
    pub(crate) fn mark(self, sign: char) -> Option<PlanStatus> {
        match (self, sign) {
            (_, ' ') | (Self::Kiro, '~') => Some(PlanStatus::Open),
            (_, 'x' | 'X' | '✓' | '✔' | '☑') => Some(PlanStatus::Done),
            (_, '/' | '>') | (Self::Kiro, '-') | (Self::Ito | Self::Antigravity, '~') => {
                Some(PlanStatus::InProgress)
            }
            (_, '-') => Some(PlanStatus::Skipped),
            _ => None,
        }
    }
}

/// The tasks as the format itself finds them; none: the rules for any Markdown find them.
pub(crate) fn tasks(format: Format, outline: &Outline<'_>) -> Option<Findings> {
    match format {
        Format::Ito => ito::tasks(outline),
        Format::Antigravity => antigravity::tasks(outline),
        Format::Humanlayer => humanlayer::tasks(outline),
        Format::Gsd => Some(gsd::tasks(outline)),
        Format::Jack => jack::tasks(outline),
        Format::Cursor => cursor::tasks(outline),
        Format::Execplan => execplan::tasks(outline),
        Format::Bmad => bmad::tasks(outline),
        Format::Pdd => pdd::tasks(outline),
        Format::Ralphex => ralphex::tasks(outline),
        Format::Superpowers => superpowers::tasks(outline),
        Format::Sdd => Some(sdd::tasks(outline)),
        Format::Generic
        | Format::Native
        | Format::Speckit
        | Format::Kiro
        | Format::Openspec
        | Format::Taskmaster
        | Format::Compound
        | Format::Swarm
        | Format::Ralph
        | Format::Backlog => None,
    }
}

/// The mistake that a plan is of which two formats show signs and whose own readers find different tasks
/// in it: by its path it is never in doubt.
pub(crate) fn ambiguity(signs: &Signs, outline: &Outline<'_>) -> Option<Diagnostic> {
    if signs.by_path || signs.found.len() < 2 {
        return None;
    }
    let mut first: Option<(Format, Vec<usize>)> = None;
    for (format, _) in &signs.found {
        let Some(findings) = tasks(*format, outline) else { continue };
        let mut lines: Vec<usize> = findings.tasks.iter().map(|task| task.line).collect();
        lines.sort_unstable();
        let Some(line) = lines.first().copied() else { continue };
        match &first {
            None => first = Some((*format, lines)),
            Some((known, others)) if *others != lines => {
                let known_line = others.first().copied().unwrap_or(0);
                return Some(recognise::ambiguous((*known, known_line), (*format, line)));
            }
            Some(_) => {}
        }
    }
    None
}

/// Changes a plan before its edges are drawn, where the format says more than the rules for any Markdown.
pub(crate) fn finish(format: Format, outline: &Outline<'_>, options: &ReadOptions, plan: &mut Plan) {
    match format {
        Format::Generic => {
            agents::finish(outline, plan);
            execution::read(outline, plan);
        }
        Format::Ito => ito::finish(outline, plan),
        Format::Antigravity => antigravity::finish(outline, options, plan),
        Format::Humanlayer => humanlayer::finish(outline, plan),
        Format::Gsd => gsd::finish(outline, plan),
        Format::Jack => jack::finish(outline, plan),
        Format::Execplan => execplan::finish(outline, options, plan),
        Format::Speckit => speckit::finish(outline, plan),
        Format::Kiro => kiro::finish(outline, plan),
        Format::Superpowers => superpowers::finish(plan),
        Format::Ralphex => ralphex::finish(outline, plan),
        Format::Openspec | Format::Pdd | Format::Bmad => in_order::finish(plan),
        Format::Compound => graph::finish_if_stated(plan),
        Format::Swarm => graph::finish(plan),
        Format::Sdd => sdd::finish(plan),
        Format::Ralph => ralph::finish(outline, plan),
        Format::Native | Format::Cursor | Format::Taskmaster | Format::Backlog => {}
    }
}

/// What the boxes that are no tasks are, by their lines, where the format says more of them than the rules for
/// any Markdown.
pub(crate) fn box_reasons(format: Format, outline: &Outline<'_>) -> BTreeMap<usize, &'static str> {
    match format {
        Format::Humanlayer => humanlayer::boxes_of_checks(outline),
        Format::Gsd => gsd::boxes_of_criteria(outline),
        Format::Generic => phases::boxes_of_lists(outline),
        Format::Native
        | Format::Speckit
        | Format::Kiro
        | Format::Openspec
        | Format::Taskmaster
        | Format::Superpowers
        | Format::Ralphex
        | Format::Pdd
        | Format::Compound
        | Format::Swarm
        | Format::Sdd
        | Format::Cursor
        | Format::Antigravity
        | Format::Execplan
        | Format::Bmad
        | Format::Ralph
        | Format::Backlog
        | Format::Ito
        | Format::Jack => BTreeMap::new(),
    }
}

/// Whether a mark says that a box is done, in any format.
fn is_done(sign: char) -> bool {
    Format::Generic.mark(sign) == Some(PlanStatus::Done)
}

/// The headings of a text by their 1-based lines.
fn headings_by_line(outline: &Outline<'_>) -> BTreeMap<u32, usize> {
    outline.headings.iter().enumerate().map(|(index, heading)| (number(heading.line), index)).collect()
}

/// The format that the name of a file gives together with what stands in it, and the sign.
pub(crate) fn by_name(outline: &Outline<'_>, path: &str) -> Option<(Format, &'static str)> {
    let found = |format: Format, sign: Option<&'static str>| sign.map(|sign| (format, sign));
    found(Format::Execplan, execplan::sign(outline, path))
        .or_else(|| found(Format::Antigravity, antigravity::sign(outline, path)))
        .or_else(|| found(Format::Ralph, ralph::sign(outline, Some(path))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_name() {
        for format in Format::ALL {
            assert_eq!(Format::from_name(format.name()), Some(format));
        }
        assert_eq!(Format::from_name("Spec-Kit"), Some(Format::Speckit));
        assert_eq!(Format::from_name("Backlog.md"), None);
        assert_eq!(Format::from_name("task-master"), Some(Format::Taskmaster));
    }
}
