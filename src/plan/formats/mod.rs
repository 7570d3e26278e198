//! What the formats differ in. What is a task is mostly the same in all of them (`generic`); a format has
//! its own words for order, marks, gates, and places where it says more.
//!
//! A format may find the tasks itself ([`tasks`]), and it may change the plan that was made of them
//! before its edges are drawn ([`finish`]): what waits for what, gates, checks, held tasks.

use super::found::Findings;
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
    let _ = (format, outline);
    None
}

/// Changes a plan before its edges are drawn, where the format says more than the rules for any Markdown.
pub(crate) fn finish(format: Format, outline: &Outline<'_>, options: &ReadOptions, plan: &mut Plan) {
    let _ = (format, outline, options, plan);
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
