//! Native plans, exactly: any plan written as one, and read back to the same tasks and edges.
//!
//! A plan whose front matter says `orchestrate: format: native` is read without guesses. Headings without a
//! box are groups, boxes at the margin and headings with a box are tasks, the list directly below
//! them holds their keys (`keys`), and whatever else stands below is their text, be it boxes, fences or
//! headings. Titles are taken as they stand. Text that would not be read as text stands in a fence that
//! says `markdown body`.
//!
//! **Invariants:** [`convert()`] reads its own text before it returns it, and names all that came out
//! different; ids, titles, statuses and the pairs of edges are among what it compares. It is the same for
//! plans of every format, because it knows the plan alone and not where it came from. [`format_keys`]
//! changes nothing but key lists, and the plan that is read afterwards is the same as before.
//!
//! Nothing here reads or writes files.

mod canonical;
mod compare;
mod convert;
mod format;
pub(crate) mod keys;
mod lists;
pub(crate) mod read;
mod text;
mod write;

pub use convert::Converted;
pub use convert::convert;
pub use format::Formatted;
pub use format::format_keys;
