//! From the text of a plan to its tasks, their order, and all there is to say about both.
//!
//! [`read`] takes any Markdown: the line layer (`lines`, `blocks`, `boxes`, `outline`, `fields`) knows
//! what stands where, the readers (`generic`, `tables`) what is a task, `order` what waits for what.
//! [`resolve()`] joins the plan with a run's options, [`check`] makes a document of both, and
//! [`render_check`] shows it. Of a plan that was changed while a run went on, [`pair`] knows which task is
//! which, and [`replan()`] makes the run's tasks anew.
//!
//! **Invariants:** reading never fails and never panics: all mistakes are diagnostics. It takes time
//! linear in the size of the text. Nothing of a plan is run except its `Command` and `Verify` values.
//! Ids are unique. Edges close no ring, unless the plan states one, and that is an error.
//!
//! Nothing here reads a file or the environment, and nothing writes back.

mod assemble;
mod attributes;
mod blocks;
mod boxes;
mod conflicts;
mod declared;
mod explain;
mod facts;
mod fenced;
mod fields;
mod formats;
mod found;
mod generic;
mod groups;
mod lines;
mod link;
mod matter;
mod names;
mod order;
mod outline;
mod pairing;
mod phases;
mod reader;
mod recognise;
mod references;
mod remarks;
mod replan;
mod resolve;
mod sections;
mod show;
mod stated;
mod steps;
mod tables;
#[cfg(test)]
mod tests;
mod titles;
mod todos;
pub mod types;
mod values;
mod who;
mod words;

pub use explain::check;
pub use formats::Format;
pub use pairing::Pairing;
pub use pairing::pair;
pub use reader::read;
pub use remarks::secrets;
pub use replan::GONE;
pub use replan::Replan;
pub use replan::replan;
pub use resolve::ResolveOptions;
pub use resolve::Resolved;
pub use resolve::Role;
pub use resolve::resolve;
pub use show::CheckStyle;
pub use show::render_check;
pub use types::Brief;
pub use types::Defaults;
pub use types::Dependency;
pub use types::Granularity;
pub use types::Group;
pub use types::Plan;
pub use types::PlanCommand;
pub use types::PlanTask;
pub use types::ReadOptions;
