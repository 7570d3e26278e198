//! The world and its promises.

mod builder;
mod promises;
mod stories;
