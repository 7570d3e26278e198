//! From the text of a plan to its tasks.
mod blocks;
mod boxes;
mod lines;
