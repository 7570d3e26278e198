//! What a careful reader notices about a whole plan: a count of tasks that is another one than the plan
//! has, phases without tasks beside phases with them, and text that looks like a key.
//!
//! Nothing here changes what is run. What a key looks like is not known here: whoever reads a plan says
//! so, and the value is never repeated.

use std::collections::BTreeSet;

use super::assemble::ancestors;
use super::blocks::LineKind;
use super::lines::Lines;
use super::lines::number;
use super::outline::Heading;
use super::outline::Outline;
use super::phases;
use super::titles;
use super::types::Plan;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::task::PlanStatus;

/// The most remarks of one kind: the first few say all there is to say.
const MOST_TOLD: usize = 10;

/// Lines longer than this hold no count that a person would look for.
const LONGEST: usize = 400;

/// Words that stand before the number of all tasks.
const BEFORE: [&str; 8] = [
    "total number of tasks",
    "total task count",
    "total tasks",
    "tasks total",
    "number of tasks",
    "task count",
    "celkem úkolů",
    "počet úkolů",
];

/// Words that stand after it.
const AFTER: [&str; 4] = ["tasks in total", "tasks total", "total tasks", "úkolů celkem"];

/// What every line with such words has, whatever marks stand between them.
pub(crate) const WORDS: &[&str] =
    &["otal", "OTAL", "umber", "UMBER", "ount", "OUNT", "elkem", "ELKEM", "očet", "OČET"];

/// Reports counts of all tasks that are not what the plan has.
/// `candidates` are the lines with any of [`WORDS`], and others, in order.
pub(crate) fn counts(outline: &Outline<'_>, plan: &mut Plan, candidates: &[usize]) {
    let has = plan.tasks.len();
    if has == 0 {
        return;
    }
    let lines = candidates
        .iter()
        .copied()
        .filter(|line| matches!(outline.kind(*line), LineKind::Text | LineKind::Table | LineKind::Heading));
    let found: Vec<(usize, usize)> = lines
        .filter_map(|line| {
            let text = outline.lines.get(line);
            let says = (text.len() <= LONGEST).then(|| total(text)).flatten()?;
            (says != has).then_some((line, says))
        })
        .take(MOST_TOLD)
        .collect();
    plan.diagnostics.extend(found.into_iter().map(|(line, says)| {
        let tasks = if has == 1 { "task" } else { "tasks" };
        let message = format!("the plan says that it has {says}, and {has} {tasks} were found");
        Diagnostic::warning("count-differs", Place::line(number(line)), message)
            .hint("orchestrate check --explain shows every task, and every box that is none")
    }));
}

/// Words of a title that say that a document tells what was found or done ...
const REPORTS: [&str; 20] = [
    "report",
    "summary",
    "analysis",
    "audit",
    "findings",
    "investigation",
    "review",
    "results",
    "retrospective",
    "postmortem",
    "inventory",
    "research",
    "zpráva",
    "souhrn",
    "shrnutí",
    "analýza",
    "zjištění",
    "výsledky",
    "přehled",
    "průzkum",
];

/// ... and those that say that it is about what is to be done.
const WORK: [&str; 24] = [
    "plan",
    "plans",
    "task",
    "tasks",
    "todo",
    "todos",
    "roadmap",
    "backlog",
    "remediation",
    "fix",
    "fixes",
    "implementation",
    "migration",
    "gap",
    "sprint",
    "phase",
    "steps",
    "recommendations",
    "prompt",
    "plán",
    "úkol",
    "úkoly",
    "akce",
    "fáze",
];

/// What says so of a section, and may be a name in the title of a report (`GitHub Actions`).
const SECTIONS: [&str; 6] = ["action", "actions", "recommended", "remaining", "next", "immediate"];

/// Says of a document that is called a report, and whose tasks stand where nothing says that they are to be done.
pub(crate) fn report(plan: &mut Plan) {
    let has = |title: &str, words: &[&str]| {
        title
            .to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .find(|word| words.contains(word))
            .map(str::to_owned)
    };
    let Some(word) = has(&plan.title, &REPORTS).filter(|_| has(&plan.title, &WORK).is_none()) else { return };
    let is_work = |title: &str| has(title, &WORK).or_else(|| has(title, &SECTIONS)).is_some();
    let sections: Vec<bool> = plan.groups.iter().map(|group| is_work(&group.title)).collect();
    let open: Vec<u32> = plan
        .tasks
        .iter()
        .filter(|task| {
            !task.status.is_met() && !ancestors(&plan.groups, task.group).any(|group| sections[group])
        })
        .map(|task| task.line)
        .collect();
    let Some(first) = open.first() else { return };
    let tasks =
        if open.len() == 1 { "1 task of it".to_owned() } else { format!("{} tasks of it", open.len()) };
    let message = format!("the title says that this is no plan (`{word}`), and {tasks} would run");
    plan.diagnostics.push(
        Diagnostic::warning("looks-like-report", Place::line(*first), message).hint(
            "orchestrate check --explain shows them; mark as done what is done, or run some with --only",
        ),
    );
}

/// Reports phases that hold no task, beside others that do: nothing of them is run, and nobody would know.
pub(crate) fn empty_phases(outline: &Outline<'_>, plan: &mut Plan, bodies: &[(usize, usize, usize)]) {
    // The body of an item begins on the line after it, which may be that of the next heading.
    let holds = |first: usize, end: usize| {
        let at = bodies.partition_point(|(start, ..)| *start <= first);
        bodies.get(at).is_some_and(|(start, ..)| *start <= end)
    };
    let mut full: BTreeSet<(&'static str, u8)> = BTreeSet::new();
    let mut empty: Vec<(&'static str, &Heading)> = Vec::new();
    for heading in outline.headings.iter().filter(|heading| heading.level > 1 && !heading.closed) {
        let Some((word, _)) = phases::phase_number(&heading.title) else { continue };
        if holds(heading.line, heading.end) {
            full.insert((word, heading.level));
        } else {
            empty.push((word, heading));
        }
    }
    let says_something = |heading: &Heading| {
        (heading.after..heading.end)
            .any(|line| matches!(outline.kind(line), LineKind::Text | LineKind::Table))
    };
    let is_over = |heading: &Heading| {
        titles::read(&outline.lines.text[heading.text.clone()]).status.is_some_and(PlanStatus::is_met)
    };
    let told = empty
        .into_iter()
        .filter(|(word, heading)| full.contains(&(*word, heading.level)))
        .filter(|(_, heading)| says_something(heading) && !is_over(heading))
        .take(MOST_TOLD);
    plan.diagnostics.extend(told.map(|(_, heading)| {
        let title = titles::short(&heading.title, 60);
        let message = format!("`{title}` holds no task, as other phases do: nothing of it is run");
        Diagnostic::warning("phase-without-tasks", Place::line(number(heading.line)), message)
            .hint("write what is to be done in it as the tasks of the other phases are written")
    }));
}

/// The number of all tasks that a line states.
fn total(line: &str) -> Option<usize> {
    // Most lines have no digit, and cleaning a line costs.
    if !line.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let text = titles::clean(line).to_lowercase();
    for words in BEFORE {
        if let Some(at) = text.find(words) {
            let rest = text[at + words.len()..].trim_start_matches([':', '：', '=', '|', ' ', '-', '—', '–']);
            if rest.len() < text.len() - at - words.len()
                && let Some(count) = leading_number(rest)
            {
                return Some(count);
            }
        }
    }
    for words in AFTER {
        if let Some(count) = text.find(words).and_then(|at| trailing_number(&text[..at])) {
            return Some(count);
        }
    }
    let rest = text.split_once("total:").map(|(_, rest)| rest.trim_start())?;
    let count = leading_number(rest)?;
    let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    unit.starts_with("task").then_some(count)
}

fn leading_number(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let after = &text[digits..];
    // `3.5`, `12/40`, `80%` and `3-5` are other things.
    let other = after.starts_with(['%', '/', '-', '–']) || (after.starts_with('.') && after.len() > 1);
    if other { None } else { text[..digits].parse().ok() }
}

fn trailing_number(text: &str) -> Option<usize> {
    let text = text.strip_suffix(' ')?;
    let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
    let before = &text[..text.len() - digits];
    let other = before.ends_with(['.', '/', '-', '–']) || before.ends_with(char::is_alphabetic);
    if other { None } else { text[text.len() - digits..].parse().ok() }
}

/// Reports lines with what looks like a key or password. `hides` says whether a text has something that
/// is kept out of logs; it is asked for the whole text first, and for single lines only if that has.
pub fn secrets(text: &str, hides: &dyn Fn(&str) -> bool) -> Vec<Diagnostic> {
    if !hides(text) {
        return Vec::new();
    }
    let lines = Lines::new(text);
    let places: Vec<usize> =
        (0..lines.len()).filter(|line| hides(lines.get(*line))).take(MOST_TOLD).collect();
    let told = |place: Place| {
        Diagnostic::warning(
            "secret-in-plan",
            place,
            "this looks like a key or password, and the agent is given it as it stands",
        )
        .hint("keep it in the environment and name the variable here")
    };
    if places.is_empty() {
        // It spans lines, such as a private key.
        return vec![told(Place::WHOLE)];
    }
    places.into_iter().map(|line| told(Place::line(number(line)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;

    fn counts(text: &str) -> Vec<(u32, String)> {
        plan(text)
            .diagnostics
            .into_iter()
            .filter(|diagnostic| diagnostic.code == "count-differs")
            .map(|diagnostic| (diagnostic.place.line, diagnostic.message))
            .collect()
    }

    #[test]
    fn a_total_that_differs_is_told_in_all_its_wordings() {
        let tasks = "- [ ] One\n- [ ] Two\n\n";
        for says in [
            "Total tasks: 3",
            "**Total Tasks**: 3",
            "- **Number of tasks**: 3",
            "| Total tasks | 3 |\n|---|---|\n| x | y |",
            "There are 3 tasks in total.",
            "Total: 3 tasks",
            "Celkem úkolů: 3",
        ] {
            let found = counts(&format!("# Plan\n\n{tasks}## Summary\n\n{says}\n"));
            assert_eq!(
                found,
                [(8, "the plan says that it has 3, and 2 tasks were found".to_owned())],
                "{says}"
            );
        }
    }

    #[test]
    fn a_phase_that_holds_no_task_is_told_beside_those_that_do() {
        let told = |text: &str| -> Vec<u32> {
            let found = plan(text).diagnostics.into_iter();
            found.filter(|told| told.code == "phase-without-tasks").map(|told| told.place.line).collect()
        };
        let text = "# T\n\n## Phase 1: A\n\n### Step 1: x\n\n### Step 2: y\n\n## Phase 2: B\n\n1. This\n2. That\n\n\
                    ## Phase 3: C ✅\n\nIt is there.\n\n## Phase 4: D\n\n## Success criteria\n\n### Phase 1 success\n\n- Yes\n";
        assert_eq!(told(text), [9]);
        // Where phases are the tasks, and where none holds one, there is nothing to tell.
        assert!(told("# T\n\n## Phase 1: A\n\ntext\n\n## Phase 2: B\n\n1. This\n").is_empty());
        assert!(told("# T\n\n- [ ] a\n\n## Phase 2: B\n\nThis.\n").is_empty());
    }

    #[test]
    fn other_numbers_are_no_totals() {
        for says in [
            "Total tasks: 2",
            "Total tasks done: 80%",
            "Total: 3 hours",
            "Total tasks: 1/2",
            "```\nTotal tasks: 9\n```",
        ] {
            let text = format!("- [ ] One\n- [ ] Two\n\n## Summary\n\n{says}\n");
            assert_eq!(counts(&text), [], "{says}");
        }
    }

    #[test]
    fn a_report_does_not_become_work_without_a_word() {
        let told = |text: &str| {
            let found = plan(text).diagnostics.into_iter().find(|found| found.code == "looks-like-report");
            found.map(|found| (found.place.line, found.message))
        };
        let message = "the title says that this is no plan (`audit`), and 1 task of it would run".to_owned();
        let report = "# Audit of the mail server\n\n## Recommended actions\n\n- [ ] Move it\n\n## Files with issues\n\n- [ ] main.cf\n- [x] master.cf\n";
        assert_eq!(told(report), Some((9, message)));
        assert_eq!(told(&report.replace("- [ ] main", "- [x] main")), None, "nothing is left open");
        assert_eq!(told(&report.replace("# Audit of", "# Audit and fixes of")), None);
        assert_eq!(told(&report.replace("# Audit of", "# Care of")), None);
    }

    #[test]
    fn a_secret_is_told_by_its_line_and_never_repeated() {
        let text = "# Plan\n- [ ] One\n  - key: SECRET-abc\n";
        let found = secrets(text, &|text| text.contains("SECRET-"));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].code, found[0].place.line), ("secret-in-plan", 3));
        assert!(!format!("{found:?}").contains("SECRET-abc"));
        assert_eq!(secrets("nothing", &|text| text.contains("SECRET-")), []);
    }
}
