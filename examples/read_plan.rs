//! Reads a plan with the library and prints what would be run, in order.
//!
//! ```sh
//! cargo run --example read_plan -- plans/first.md
//! ```

use std::error::Error;
use std::io::Write as _;

use orchestrate::diagnostics;
use orchestrate::plan::{self, ReadOptions, ResolveOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("which plan?")?;
    let bytes = std::fs::read(&path)?;
    let plan = plan::read(&bytes, &ReadOptions::default());
    let resolved = plan::resolve(&plan, &ResolveOptions::default());
    let text = String::from_utf8_lossy(&bytes);
    let found: Vec<_> = plan.diagnostics.iter().chain(&resolved.diagnostics).cloned().collect();
    let out = std::io::stdout();
    let mut out = out.lock();
    write!(out, "{}", diagnostics::render(&path, &text, &found, false))?;
    for task in &resolved.tasks {
        let needs: Vec<&str> = task.needs.iter().map(|need| need.task.as_str()).collect();
        writeln!(out, "{}  {}  after [{}]", task.id, task.title, needs.join(", "))?;
    }
    Ok(())
}
