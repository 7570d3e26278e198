//! What changed in the plan of a run, for people: the commands first, since they are what is trusted.

use crate::model::difference::{NewCommand, PlanDifference, TaskDifference};
use crate::model::ids::TaskId;
use crate::report::style::Style;
use crate::report::text;

/// How many tasks are named behind a command that several have.
const NAMED: usize = 6;

/// What is different, with a line break after every line.
pub fn difference(difference: &PlanDifference, style: &Style) -> String {
    let plan = style.clean(&difference.plan);
    let renamed = !difference.renamed.is_empty();
    if difference.is_empty() && !renamed {
        return format!("{plan} is as the run read it\n");
    }
    let mut out = if difference.is_empty() {
        format!("{plan} has other ids, and nothing else is different\n")
    } else {
        format!("{plan} is different from what the run read\n")
    };
    commands(&mut out, &difference.commands, style);
    if difference.preamble {
        out.push_str(
            "\n  what stands before the tasks is different: every task from here on is told the new text\n",
        );
    }
    for (name, tasks) in difference.lists() {
        if !tasks.is_empty() {
            out.push('\n');
            out.push_str(&format_head(heading(name), tasks.len(), style));
            tasks_of(&mut out, tasks, style);
        }
    }
    out
}

fn heading(name: &str) -> &'static str {
    match name {
        "added" => "added",
        "removed" => "no longer in the plan",
        "changed" => "changed",
        "done" => "done, says the plan",
        "opened" => "to be run now, says the plan",
        _ => "with another id in the plan",
    }
}

fn format_head(words: &str, count: usize, style: &Style) -> String {
    format!("  {}\n", style.bold(&format!("{count} {words}")))
}

/// The new commands, those that several tasks have once.
fn commands(out: &mut String, commands: &[NewCommand], style: &Style) {
    let mut told: Vec<(&NewCommand, Vec<&TaskId>)> = Vec::new();
    for command in commands {
        let same = |(known, _): &&mut (&NewCommand, Vec<&TaskId>)| {
            known.purpose == command.purpose && known.text == command.text
        };
        match told.iter_mut().find(same) {
            Some((_, ids)) => ids.push(&command.id),
            None => told.push((command, vec![&command.id])),
        }
    }
    if told.is_empty() {
        return;
    }
    out.push('\n');
    let noun = if told.len() == 1 { "new command will be run" } else { "new commands will be run" };
    out.push_str(&format_head(noun, told.len(), style));
    for (command, ids) in told {
        let mut names: Vec<String> = ids.iter().take(NAMED).map(|id| style.clean(id.as_str())).collect();
        if ids.len() > NAMED {
            names.push(format!("and {} more", ids.len() - NAMED));
        }
        // Never cut: what is not shown was not agreed to.
        let mut lines = text::clean_lines(&command.text, usize::MAX).into_iter();
        let first = lines.next().unwrap_or_default();
        let (purpose, names, line) = (command.purpose.as_str(), names.join(", "), command.line);
        out.extend(["    ", &text::pad(purpose, 7), "  ", &first, &format!("   ({names}, line {line})\n")]);
        for line in lines {
            out.extend(["             ", &line, "\n"]);
        }
    }
}

fn tasks_of(out: &mut String, tasks: &[TaskDifference], style: &Style) {
    let width =
        tasks.iter().map(|task| text::width(&style.clean(task.id.as_str()))).max().unwrap_or(0).min(16);
    for task in tasks {
        let id = text::pad(&style.clean(task.id.as_str()), width);
        let mut facts = Vec::new();
        if let Some(plan_id) = &task.plan_id {
            facts.push(format!("`{}` in the plan", style.clean(plan_id.as_str())));
        }
        if !task.fields.is_empty() {
            let fields: Vec<&str> = task.fields.iter().map(|field| field.as_str()).collect();
            facts.push(fields.join(", "));
        }
        facts.push(match task.status {
            Some(status) if task.then.says_status() => task.then.as_str().to_owned() + &was(status.as_str()),
            Some(_) | None => task.then.as_str().to_owned(),
        });
        let title = style.clean(&task.title);
        out.extend(["    ", &id, "  ", &title, "   ", &facts.join(style.dot()), "\n"]);
    }
}

fn was(status: &str) -> String {
    format!(" (was {status})")
}
