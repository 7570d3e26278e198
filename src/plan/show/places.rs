//! Where things stand: `:12`, and `login.md:12` where a plan has several files.
//!
//! A file is called by the end of its path that no other has, so that a column of places stays narrow.

use std::collections::BTreeMap;

use super::CheckStyle;
use crate::model::check::CheckTask;
use crate::model::check::PlanCheck;
use crate::plan::printed::cut;
use crate::plan::printed::plain;

/// The columns that the name of a file takes at least, where it is that long, and at most.
const COLUMNS: std::ops::RangeInclusive<usize> = 12..=40;

/// What the files of a plan are called.
pub(super) struct Places<'c> {
    names: BTreeMap<&'c str, String>,
}

impl<'c> Places<'c> {
    pub(super) fn new(check: &'c PlanCheck, style: CheckStyle) -> Self {
        let tasks = check.tasks.iter().map(|task| &task.file);
        let groups = check.groups.iter().map(|group| &group.file);
        let ignored = check.ignored.iter().map(|ignored| &ignored.file);
        let advice = check.advice.iter().map(|advice| &advice.file);
        let commands = check.commands.iter().map(|command| &command.file);
        let all = tasks.chain(groups).chain(ignored).chain(advice).chain(commands);
        let mut names: BTreeMap<&str, String> =
            all.flatten().map(|file| (file.as_str(), String::new())).collect();
        let parts = |file: &str| file.split('/').count();
        let deepest = names.keys().map(|file| parts(file)).max().unwrap_or(0);
        // From the file's own name on, as many folders as tell them apart.
        for length in 1..=deepest {
            let mut open: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for (file, _) in names.iter().filter(|(_, name)| name.is_empty()) {
                open.entry(end_of(file, length)).or_default().push(file);
            }
            for (name, files) in open {
                if let [only] = files.as_slice()
                    && let Some(known) = names.get_mut(only)
                {
                    *known = name;
                }
            }
        }
        let columns = if style.explain {
            usize::MAX
        } else {
            (style.width / 5).clamp(*COLUMNS.start(), *COLUMNS.end())
        };
        for name in names.values_mut() {
            *name = cut(&plain(name), columns, style.unicode);
        }
        Self { names }
    }

    /// `:12`, or `:12-80`, with the file in front where there are several. Line 0 is all of the file.
    pub(super) fn of(&self, file: Option<&str>, first: u32, last: u32) -> String {
        let name = file.and_then(|file| self.names.get(file)).map_or("", String::as_str);
        match (first, last) {
            (_, 0) => name.to_owned(),
            (first, last) if first == last => format!("{name}:{first}"),
            (first, last) => format!("{name}:{first}-{last}"),
        }
    }

    /// Where a task stands.
    pub(super) fn of_task(&self, task: &CheckTask) -> String {
        self.of(task.file.as_deref(), task.line, task.line)
    }
}

/// The last parts of a path.
fn end_of(file: &str, parts: usize) -> String {
    let all: Vec<&str> = file.split('/').collect();
    all[all.len().saturating_sub(parts)..].join("/")
}
