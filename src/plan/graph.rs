//! Pictures of the order: a Mermaid flowchart, Graphviz dot, or waves drawn with characters.
//!
//! All three are pure functions of the document that `check` makes. Mermaid and dot leave out what is only
//! implied and follows from other edges; what the plan states is drawn even so, since whoever wrote it looks
//! for it. Texts of plans are escaped: nothing in a title can end a label, open a tag or write to a
//! terminal.
//!
//! Nothing here lays a picture out beyond lines of text: that is Mermaid's and Graphviz's work.

mod dot;
mod mermaid;
mod order;
mod text;

pub use dot::dot;
pub use mermaid::mermaid;
pub use text::TextStyle;
pub use text::text;

use crate::model::check::CheckTask;
use crate::model::task::PlanStatus;
use crate::model::task::TaskKind;

/// How a task looks in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    /// It would run.
    Runs,
    /// It is done or skipped, or was not selected.
    Over,
    /// Something holds it.
    Held,
    /// A person decides.
    Gate,
}

impl Look {
    fn of(task: &CheckTask) -> Self {
        if task.kind == TaskKind::Gate && !task.status.is_met() {
            return Self::Gate;
        }
        match task.status {
            PlanStatus::Done | PlanStatus::Skipped => Self::Over,
            PlanStatus::Open | PlanStatus::InProgress if task.wave > 0 => Self::Runs,
            PlanStatus::Open | PlanStatus::InProgress if task.held.is_empty() => Self::Over,
            PlanStatus::Open | PlanStatus::InProgress => Self::Held,
        }
    }
}

/// Id and title on one line, without control characters, the title cut at `most` characters.
fn label(task: &CheckTask, most: usize) -> String {
    let title = super::titles::short(&task.title, most);
    let text = if title == task.id.as_str() { title } else { format!("{} {title}", task.id) };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
