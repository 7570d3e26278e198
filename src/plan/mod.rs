//! From the text of a plan to its tasks, their order, and all there is to say about both.
//!
//! [`read`] takes any Markdown: the line layer (`lines`, `blocks`, `boxes`, `outline`, `fields`) knows
//! what stands where, the readers (`generic`, `tables`) what is a task, `order` what waits for what.
//! `recognise` finds the format, `marks` what its marks mean, `formats` what it changes.
//! [`resolve()`] joins the plan with a run's options, [`check`] makes a document of both, and
//! [`render_check`] shows it. Of a plan that was changed while a run went on, [`pair`] knows which task is
//! which, and [`replan()`] makes the run's tasks anew.
//!
//! **Invariants:** reading never fails and never panics: all mistakes are diagnostics. It takes time
//! linear in the size of the text. Nothing of a plan is run except its commands: `Command`,
//! `Verify` and `Validation Commands`.
//! Ids are unique. Edges close no ring, unless the plan states one, and that is an error.
//!
//! Nothing here reads a file or the environment, and nothing writes back.

mod advice;
mod approvals;
mod assemble;
mod attributes;
mod bare;
mod blocks;
mod boxes;
mod briefs;
mod conflicts;
mod contexts;
mod data;
mod declared;
mod execution;
mod explain;
mod facts;
mod fenced;
mod fields;
mod formats;
mod found;
mod generic;
pub mod graph;
mod groups;
mod joins;
mod lines;
mod link;
mod marks;
mod matter;
mod names;
mod native;
mod needles;
mod numbered;
mod order;
mod origins;
mod outline;
mod pairing;
mod phases;
mod places;
mod plain;
mod printed;
mod reader;
mod recognise;
mod references;
mod remarks;
mod replan;
mod resolve;
mod sections;
mod several;
mod show;
mod spoken;
mod stated;
mod states;
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

pub use briefs::BriefText;
pub use briefs::attach;
pub use data::FOLDERS;
pub use data::FolderChoice;
pub use data::bundle;
pub use data::folder_choice;
pub use data::read_folder;
pub use data::unbundle;
pub use explain::check;
pub use formats::Format;
pub use native::Converted;
pub use native::Formatted;
pub use native::convert;
pub use native::format_keys;
pub use pairing::Pairing;
pub use pairing::pair;
pub use reader::draw_edges;
pub use reader::read;
pub use reader::read_tasks;
pub use remarks::secrets;
pub use replan::GONE;
pub use replan::Replan;
pub use replan::replan;
pub use resolve::ResolveOptions;
pub use resolve::Resolved;
pub use resolve::Role;
pub use resolve::resolve;
pub use several::PlanState;
pub use several::dependency_plan;
pub use several::is_named;
pub use several::join;
pub use show::CheckStyle;
pub use show::render_check;
pub use types::Brief;
pub use types::Defaults;
pub use types::Dependency;
pub use types::Granularity;
pub use types::Group;
pub use types::Plan;
pub use types::PlanCommand;
pub use types::PlanFile;
pub use types::PlanTask;
pub use types::ReadOptions;
