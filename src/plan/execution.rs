//! The block under an "Execution" heading that says who does what side by side:
//!
//! ```text
//! [PARALLEL]
//! - Cline: Fix the broken links
//! - Kilo: Shrink the images
//!
//! [VERIFICATION]
//! - npm test
//! ```
//!
//! Its lines name tasks by words, not by ids, so a task is meant that shares two thirds of them; a line that
//! fits none or several is told. It is the only loose match there is, and only in documents of no other
//! format. Commands below `[VERIFICATION]` are shown and never run.

use std::collections::BTreeSet;

use super::lines::number;
use super::outline::Outline;
use super::titles;
use super::types::Plan;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::check::TaskField;

/// The most tasks whose titles are held against the lines of a block: such documents are small.
const MOST_TASKS: usize = 1_000;

/// The most lines of all blocks that are read.
const MOST_LINES: usize = 100;

/// What the lines below a word in brackets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Parallel,
    Sequential,
    Verification,
}

/// Reads the blocks of a document.
pub(crate) fn read(outline: &Outline<'_>, plan: &mut Plan) {
    if plan.tasks.is_empty() || plan.tasks.len() > MOST_TASKS {
        return;
    }
    let lines: Vec<(usize, Part)> = outline
        .blocks
        .fences
        .iter()
        .filter(|fence| fence.info.is_empty() && is_about_execution(outline, fence.line))
        .flat_map(|fence| block(outline, fence.inside.clone()))
        .take(MOST_LINES)
        .collect();
    if lines.is_empty() {
        return;
    }
    let titles: Vec<BTreeSet<String>> = plan.tasks.iter().map(|task| words(&task.title)).collect();
    let mut commands = Vec::new();
    for (line, part) in lines {
        let text = outline.lines.get(line).trim_start().trim_start_matches(['-', '*', '+', ' ']).trim_end();
        if part == Part::Verification {
            commands.push((line, text.to_owned()));
            continue;
        }
        let Some((who, what)) = text.split_once([':', '：']) else {
            told(plan, line, "names nobody who does it: write `- Agent: title of the task`");
            continue;
        };
        let wanted = words(what);
        let alike = |title: &&BTreeSet<String>| {
            let shared = title.intersection(&wanted).count();
            shared > 0 && shared * 3 >= title.len().max(wanted.len()) * 2
        };
        let mut fitting: Vec<usize> =
            titles.iter().enumerate().filter(|(_, title)| alike(title)).map(|(task, _)| task).collect();
        // Who bears the very words is meant, whoever else is like them.
        let same: Vec<usize> = fitting.iter().copied().filter(|task| titles[*task] == wanted).collect();
        if same.len() == 1 {
            fitting = same;
        }
        match fitting.as_slice() {
            [task] => assign(plan, *task, line, who.trim(), part),
            [] => told(plan, line, "is like the title of no task: it changes nothing"),
            _ => told(plan, line, "is like the titles of several tasks: it changes nothing"),
        }
    }
    if let Some((line, _)) = commands.first() {
        let shown: Vec<String> = commands.iter().map(|(_, command)| format!("`{command}`")).collect();
        let message = format!("the block lists checks, which are not run: {}", shown.join(", "));
        plan.diagnostics.push(Diagnostic::note("checks-not-run", Place::line(number(*line)), message).hint(
            "to have one run after a task, write `- **Verify**:` below the task, with the command as code",
        ));
    }
}

fn is_about_execution(outline: &Outline<'_>, line: usize) -> bool {
    outline
        .heading_above(line)
        .is_some_and(|heading| outline.headings[heading].title.to_lowercase().contains("execution"))
}

/// The lines of a block that say something, if its first one is a word in brackets.
fn block(outline: &Outline<'_>, inside: std::ops::Range<usize>) -> Vec<(usize, Part)> {
    let mut part = None;
    let mut lines = Vec::new();
    for line in inside {
        let text = outline.lines.get(line).trim();
        match text.to_ascii_uppercase().as_str() {
            "" => {}
            "[PARALLEL]" => part = Some(Part::Parallel),
            "[SEQUENTIAL]" => part = Some(Part::Sequential),
            "[VERIFICATION]" if part.is_some() => part = Some(Part::Verification),
            _ => match part {
                Some(part) if text.starts_with(['-', '*', '+']) => lines.push((line, part)),
                Some(_) => {}
                None => return Vec::new(),
            },
        }
    }
    lines
}

/// The words of a title as they are compared.
fn words(text: &str) -> BTreeSet<String> {
    let text = titles::short(&titles::clean(text), 200).to_lowercase();
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn assign(plan: &mut Plan, task: usize, line: usize, who: &str, part: Part) {
    let origin = |field: TaskField, value: &str| FieldOrigin {
        field,
        value: value.to_owned(),
        from: FieldFrom::Format,
        by: None,
        line: Some(number(line)),
    };
    let made = &mut plan.tasks[task];
    // What the task says itself is nearer.
    if made.own.agent.is_none() && !who.is_empty() {
        made.own.agent = Some(titles::clean(who));
        made.origins.push(origin(TaskField::Agent, who));
    }
    if part == Part::Parallel && made.parallel.is_none() {
        made.parallel = Some(true);
        made.origins.push(origin(TaskField::Parallel, "yes"));
    }
}

fn told(plan: &mut Plan, line: usize, what: &str) {
    let message = format!("this line of the block {what}");
    plan.diagnostics.push(
        Diagnostic::warning("execution-line", Place::line(number(line)), message)
            .hint("say it in the task itself: `- **Agent**:`, `- **Parallel**: yes`"),
    );
}

#[cfg(test)]
mod tests {
    const PLAN: &str = "# Fixes\n\n### Task 1: Mend the broken links\n\n### Task 2: Shrink the images\n\n### Task 3: Shrink the fonts\n\n\
        ## Execution plan\n\n```\n[PARALLEL]\n- Cline: mend broken links\n- Kilo: Shrink the images\n- Kilo: Shrink the\n- Write a poem\n\n[VERIFICATION]\n- npm test\n```\n";

    #[test]
    fn lines_assign_and_free_the_tasks_that_they_are_like() {
        let plan = crate::plan::tests::plan(PLAN);
        let said: Vec<(Option<&str>, Option<bool>)> =
            plan.tasks.iter().map(|task| (task.own.agent.as_deref(), task.parallel)).collect();
        assert_eq!(said, [(Some("Cline"), Some(true)), (Some("Kilo"), Some(true)), (None, None)]);
        let edges: Vec<String> = plan.edges.iter().map(|edge| format!("{}>{}", edge.from, edge.to)).collect();
        assert_eq!(edges, ["1>3", "2>3"]);
        let told: Vec<(&str, u32)> =
            plan.diagnostics.iter().map(|known| (known.code, known.place.line)).collect();
        assert_eq!(told, [("execution-line", 15), ("execution-line", 16), ("checks-not-run", 19)]);
        assert!(plan.tasks.iter().all(|task| task.own.verify.is_empty()), "checks are shown and not run");
    }

    #[test]
    fn other_fences_and_other_headings_mean_nothing() {
        for text in [PLAN.replace("```\n[", "```text\n["), PLAN.replace("Execution plan", "Notes")] {
            let plan = crate::plan::tests::plan(&text);
            assert!(plan.tasks.iter().all(|task| task.own.agent.is_none()), "{text}");
        }
    }
}
