//! What the formats differ in. What is a task is mostly the same in all of them (`generic`); a format has
//! its own words for order, marks, gates, and places where it says more.
//!
//! A format may find the tasks itself ([`tasks`]), and it may change the plan that was made of them
//! before its edges are drawn ([`finish`]): what waits for what, gates, checks, held tasks.

mod agents;
mod antigravity;
mod cursor;
pub(crate) mod execplan;
mod gsd;
mod humanlayer;
mod ito;
mod jack;

use std::collections::BTreeMap;

use super::found::Findings;
use super::lines::number;
use super::outline::Outline;
use super::types::Plan;
use super::types::ReadOptions;
use crate::model::task::PlanStatus;

/// The formats that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Format {
    /// Any Markdown, and the documents of `orchestrate` itself.
    #[default]
    Generic,
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
    pub const ALL: [Self; 21] = [
        Self::Generic,
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

    /// What a mark between the brackets of a box means here; none: nobody knows it, and it is never done.
    pub(crate) fn mark(self, sign: char) -> Option<PlanStatus> {
        match (self, sign) {
            (_, ' ') => Some(PlanStatus::Open),
            (_, 'x' | 'X' | '✓' | '✔' | '☑') => Some(PlanStatus::Done),
            (_, '/' | '>') | (Self::Kiro, '-') | (Self::Ito, '~') | (Self::Antigravity, '~') => {
                Some(PlanStatus::InProgress)
            }
            (Self::Kiro, '~') => Some(PlanStatus::Open),
            (_, '-') => Some(PlanStatus::Skipped),
            _ => None,
        }
    }
}

/// The format of a text, and the signs that decided. `path` is the plan's path as shown, if it has one.
pub(crate) fn recognise(outline: &Outline<'_>, path: Option<&str>) -> (Format, String) {
    super::recognise::recognise(outline, path)
}

/// The tasks as the format itself finds them; none: the rules for any Markdown find them.
pub(crate) fn tasks(format: Format, outline: &Outline<'_>) -> Option<Findings> {
    match format {
        Format::Ito => ito::tasks(outline),
        Format::Antigravity => antigravity::tasks(outline),
        Format::Humanlayer => humanlayer::tasks(outline),
        Format::Gsd => gsd::tasks(outline),
        Format::Jack => jack::tasks(outline),
        Format::Cursor => cursor::tasks(outline),
        Format::Execplan => execplan::tasks(outline),
        Format::Generic
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
        | Format::Bmad
        | Format::Ralph
        | Format::Backlog => None,
    }
}

/// Changes a plan before its edges are drawn, where the format says more than the rules for any Markdown.
pub(crate) fn finish(format: Format, outline: &Outline<'_>, options: &ReadOptions, plan: &mut Plan) {
    match format {
        Format::Generic => agents::finish(outline, plan),
        Format::Ito => ito::finish(outline, plan),
        Format::Antigravity => antigravity::finish(outline, options, plan),
        Format::Humanlayer => humanlayer::finish(outline, plan),
        Format::Gsd => gsd::finish(outline, plan),
        Format::Jack => jack::finish(outline, plan),
        Format::Execplan => execplan::finish(outline, options, plan),
        Format::Cursor
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
        | Format::Bmad
        | Format::Ralph
        | Format::Backlog => {}
    }
}

/// The headings of a text by their 1-based lines.
fn headings_by_line(outline: &Outline<'_>) -> BTreeMap<u32, usize> {
    outline.headings.iter().enumerate().map(|(index, heading)| (number(heading.line), index)).collect()
}

/// Signs that no other format has, whatever the path: comments and elements of a tool of its own.
pub(crate) fn strong_signs(outline: &Outline<'_>) -> Option<(Format, String)> {
    let found = |format: Format, sign: Option<&'static str>| sign.map(|sign| (format, sign.to_owned()));
    found(Format::Jack, jack::sign(outline)).or_else(|| found(Format::Gsd, gsd::sign(outline)))
}

/// The signs of further formats, strongest first.
pub(crate) fn signs(outline: &Outline<'_>, path: &str) -> Option<(Format, String)> {
    let found = |format: Format, sign: Option<&'static str>| sign.map(|sign| (format, sign.to_owned()));
    found(Format::Cursor, cursor::sign(outline, path))
        .or_else(|| found(Format::Ito, ito::sign(outline, path)))
        .or_else(|| found(Format::Execplan, execplan::sign(outline, path)))
        .or_else(|| found(Format::Antigravity, antigravity::sign(outline, path)))
        .or_else(|| found(Format::Humanlayer, humanlayer::sign(outline)))
        .or_else(|| {
            let spec_workflow = path.contains(".spec-workflow/").then_some("its path has `.spec-workflow/`");
            found(Format::Kiro, spec_workflow)
        })
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
