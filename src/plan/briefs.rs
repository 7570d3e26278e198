//! Briefs: documents that a plan's tasks refer to, as `**File**: plans/TASK_LOGIN.md` in a row.
//!
//! Whoever can read files does so and hands in what was found; here it becomes part of the tasks.

use super::types::Plan;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;

/// What became of a brief.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BriefText {
    /// What it says.
    Read(String),
    /// Why it cannot be read, in words.
    Unreadable(String),
    /// There is no such file: it may be what the task is to make.
    Missing,
}

/// Puts the briefs of open tasks before what the plan itself says of them. `text_of` is asked once for
/// each, with its path and the plan's file where the task stands in one of several.
pub fn attach(plan: &mut Plan, mut text_of: impl FnMut(&str, Option<&str>) -> BriefText) {
    for task in &mut plan.tasks {
        let Some(brief) = task.brief.as_ref().filter(|_| !task.status.is_met()) else { continue };
        let place = Place::line(brief.line);
        let told = match text_of(&brief.path, task.file.as_deref()) {
            BriefText::Read(text) => {
                let own = task.body.trim();
                task.body = if own.is_empty() { text } else { format!("{}\n\n{own}\n", text.trim_end()) };
                continue;
            }
            BriefText::Missing => Diagnostic::warning(
                "brief-missing",
                place,
                format!("task `{}` is described in `{}`, which is not there", task.id, brief.path),
            )
            .hint("without it the agent gets what the plan says of the task, and nothing more"),
            BriefText::Unreadable(why) => Diagnostic::error(
                "brief-unreadable",
                place,
                format!("task `{}` is described in `{}`, which cannot be read: {why}", task.id, brief.path),
            ),
        };
        plan.diagnostics.push(told.in_optional_file(task.file.as_deref()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::types::Brief;

    #[test]
    fn briefs_stand_before_what_the_plan_says() {
        let mut plan =
            crate::plan::tests::plan("- [ ] T1: a\n  More.\n- [x] T2: b\n- [ ] T3: c\n- [ ] T4: d\n");
        for (task, path) in plan.tasks.iter_mut().zip(["a.md", "b.md", "c.md", "d.md"]) {
            task.brief = Some(Brief { path: path.to_owned(), line: task.line });
        }
        let mut asked = Vec::new();
        attach(&mut plan, |path, _| {
            asked.push(path.to_owned());
            match path {
                "a.md" => BriefText::Read("# All of it\n".to_owned()),
                "c.md" => BriefText::Missing,
                _ => BriefText::Unreadable("it is a folder".to_owned()),
            }
        });
        assert_eq!(asked, ["a.md", "c.md", "d.md"]);
        assert!(plan.tasks[0].body.starts_with("# All of it\n\nMore."), "{:?}", plan.tasks[0].body);
        let told: Vec<(&str, u32)> =
            plan.diagnostics.iter().map(|known| (known.code, known.place.line)).collect();
        assert_eq!(told, [("brief-missing", 4), ("brief-unreadable", 5)]);
    }
}
