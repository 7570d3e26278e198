//! Where things are: the project's root, and the plan that a name means.
//!
//! This looks at the file system and at nothing else. What was looked at is part of the answer, so
//! that a person can be told.

mod plan;
mod root;

pub use plan::{MAX_FOLDER_ENTRIES, PLAN_FOLDERS, Plan, PlanError, PlanSource, find_plan, names_in};
pub use root::{Root, RootReason, find_root};
