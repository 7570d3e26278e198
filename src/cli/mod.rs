//! The command line: what was typed, what it means, and where things are.

pub mod args;
pub mod config;
pub mod environment;
pub mod locate;
pub mod settings;
