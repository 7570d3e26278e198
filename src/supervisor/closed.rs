//! Keeps other processes of the same user out of this one's memory and environment.
//!
//! Agents run as the user who started us, and systems let processes of one user look into each
//! other. What is closed here are the ways of Linux that need no more than a file to be read.

/// Closes `/proc/<pid>/environ`, `mem` and the like of this process to all but the system's own
/// user. What it starts is not closed. Does nothing where there is no such thing.
///
/// # Errors
/// If the system refuses.
pub fn close_to_others() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}
