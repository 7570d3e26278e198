//! What an agent is told: one text for all agents, made in one place (contract 7).
//!
//! Pure. The task's body goes in verbatim, but for what an agent would trip over (see
//! [`crate::agents`], Cline's `@`). The text begins with a heading, so that no first word of a plan
//! can be taken for an option, a command or a file. The path of the completion stands on a line of
//! its own, so that it can be copied whatever it contains.

use std::path::Path;

use crate::model::agent::{AdapterKind, AgentSpec, CompletionRule};
use crate::model::completion::{
    Change, Completion, CompletionSource, CompletionStatus, CompletionVersion, Output, Verification,
};
use crate::model::ids::{RunId, TaskId};
use crate::model::run::GroupContext;
use crate::model::task::{FileVerb, TaskSpec};

use super::cline;
use super::signs::shorten;

/// Characters of what a task that came before reported.
const SUMMARY: usize = 1_000;

/// What a prompt is made of.
#[derive(Debug, Clone, Copy)]
pub struct PromptInput<'a> {
    /// The task.
    pub task: &'a TaskSpec,
    /// What the plan says before its first task: goal and context.
    pub preamble: &'a str,
    /// What it says of the groups around the task, outermost first.
    pub contexts: &'a [&'a GroupContext],
    /// The plan's title.
    pub plan_title: &'a str,
    /// The run.
    pub run_id: &'a RunId,
    /// Which try, from 1.
    pub attempt: u32,
    /// The tasks it depends on, with what each reported.
    pub dependencies: &'a [(TaskId, String)],
    /// Commands that every task has to pass; those of the task itself are added.
    pub verify: &'a [String],
    /// Where the completion is expected.
    pub completion: &'a Path,
    /// Where the agent works.
    pub workspace: &'a Path,
    /// What went wrong before, or a person's word.
    pub note: Option<&'a str>,
    /// Whether it is the next message of a session that knows the task already.
    pub goes_on: bool,
    /// Who gets it.
    pub agent: &'a AgentSpec,
    /// Whether a completion is asked for.
    pub completion_rule: CompletionRule,
}

/// Makes the prompt of an attempt.
pub fn build(input: &PromptInput<'_>) -> String {
    let mut sections = if input.goes_on { again(input) } else { whole(input) };
    sections.push(checks(input));
    sections.extend(report(input));
    // No argument can hold a NUL, and not every provider takes one.
    let prompt = format!("{}\n", sections.join("\n\n")).replace('\0', "\u{fffd}");
    match input.agent.kind {
        AdapterKind::Cline => escaped_for_cline(&prompt),
        AdapterKind::Kilo | AdapterKind::Opencode | AdapterKind::Command | AdapterKind::Program => prompt,
    }
}

/// The task, for an agent that has not heard of it.
fn whole(input: &PromptInput<'_>) -> Vec<String> {
    let mut sections = vec![head(input)];
    sections.extend(note(input));
    sections.push(body(input.task));
    sections.extend(acceptance(input.task));
    sections.extend(context(input));
    sections.extend(dependencies(input.dependencies));
    sections.extend(files(input.task));
    sections
}

/// What is new, for an agent that has the task in its session.
fn again(input: &PromptInput<'_>) -> Vec<String> {
    let task = input.task;
    let wrong = input.note.map(str::trim).filter(|note| !note.is_empty());
    let wrong = wrong.unwrap_or("The attempt before this one did not succeed.");
    vec![
        format!(
            "# Task {} again: {}\n\nThis is attempt {} at the task of this conversation. Nobody can answer \
             questions, and what was said of other tasks and of the plan still holds.",
            task.id,
            one_line(&task.title),
            input.attempt
        ),
        format!("## What went wrong\n\n{wrong}"),
        format!(
            "## Where things stand\n\nNothing was undone: the folder `{}` holds what you left, and maybe what \
             others did since. A command that was running when you were ended runs no longer. Find out why \
             it went wrong, put it right, and finish the task.",
            input.workspace.display()
        ),
    ]
}

/// Code in a plan may have such words too (`@property`), and they must not reach a file with the
/// backticks on.
fn escaped_for_cline(prompt: &str) -> String {
    let mut escaped = cline::escape(prompt);
    if escaped != prompt {
        escaped.push_str(
            "\n## About this text\n\nBackticks round a word that begins with an at sign were put there for \
             transport. Where such a word goes into a file, write it without them.\n",
        );
    }
    escaped
}

fn head(input: &PromptInput<'_>) -> String {
    let task = input.task;
    let mut text = format!(
        "# Task {}: {}\n\nDo this one task to its end, in the folder `{}`. Nobody answers questions: decide \
         yourself and say what you decided. Leave other tasks to the agents that have them, and the boxes \
         of the plan as they are: they are ticked when the checks have passed.",
        task.id,
        one_line(&task.title),
        input.workspace.display()
    );
    // Cline ends a command after half a minute, without an error.
    if input.agent.kind == AdapterKind::Cline {
        text.push_str(
            " A shell command is ended after 30 seconds: start a longer one in the background with its \
             output in a file, and look at the file until it is done.",
        );
    }
    text
}

fn note(input: &PromptInput<'_>) -> Option<String> {
    let note = input.note.map(str::trim).filter(|note| !note.is_empty());
    if let Some(note) = note {
        return Some(format!("## Mind this (attempt {})\n\n{note}", input.attempt));
    }
    (input.attempt > 1).then(|| {
        format!(
            "## Mind this (attempt {})\n\nAn earlier attempt did not succeed. The folder holds what it left: \
             look at that first and go on from there.",
            input.attempt
        )
    })
}

fn body(task: &TaskSpec) -> String {
    let body = task.body.trim_matches(['\n', '\r']);
    if body.trim().is_empty() {
        format!("## The task\n\n{}", task.title)
    } else {
        format!("## The task\n\n{body}")
    }
}

fn acceptance(task: &TaskSpec) -> Option<String> {
    // What stands in the body anyway is not said twice.
    let more: Vec<&String> =
        task.acceptance.iter().filter(|line| !task.body.contains(line.as_str())).collect();
    (!more.is_empty())
        .then(|| format!("## It is done when\n\n{}", list(more.into_iter().map(String::as_str))))
}

fn context(input: &PromptInput<'_>) -> Option<String> {
    let preamble = input.preamble.trim();
    let title = one_line(input.plan_title);
    let heading = match &input.task.group {
        Some(group) => format!("## The plan it belongs to: {title} ({})", one_line(group)),
        None => format!("## The plan it belongs to: {title}"),
    };
    if title.is_empty() && preamble.is_empty() && input.contexts.is_empty() {
        return None;
    }
    let groups = input
        .contexts
        .iter()
        .map(|group| format!("### {}\n\n{}", one_line(&group.title), group.text.trim_end()));
    let said = (!preamble.is_empty()).then(|| preamble.to_owned());
    let parts: Vec<String> = std::iter::once(heading).chain(said).chain(groups).collect();
    Some(parts.join("\n\n"))
}

fn dependencies(dependencies: &[(TaskId, String)]) -> Option<String> {
    let lines = dependencies.iter().map(|(task, summary)| {
        // What an agent said of itself: a few sentences are enough.
        let summary = shorten(summary, SUMMARY);
        if summary.is_empty() { format!("{task}: done") } else { format!("{task}: {summary}") }
    });
    let lines: Vec<String> = lines.collect();
    (!lines.is_empty())
        .then(|| format!("## What was done before it\n\n{}", list(lines.iter().map(String::as_str))))
}

fn files(task: &TaskSpec) -> Option<String> {
    if task.files.is_empty() && task.outputs.is_empty() {
        return None;
    }
    let mut lines: Vec<String> = task
        .files
        .iter()
        .map(|claim| {
            let verb = match claim.verb {
                Some(FileVerb::Create) => "create ",
                Some(FileVerb::Modify) => "modify ",
                Some(FileVerb::Delete) => "delete ",
                Some(FileVerb::Test) => "test ",
                Some(FileVerb::Read) => "only read ",
                None => "",
            };
            format!("{verb}`{}`", claim.path)
        })
        .collect();
    let declared = task.outputs.iter().filter(|path| !task.files.iter().any(|claim| claim.path == **path));
    lines.extend(declared.map(|path| format!("leave behind `{path}`")));
    Some(format!(
        "## Its files\n\n{}\n\nThese are yours. Change others only where the task cannot be done without it.",
        list(lines.iter().map(String::as_str))
    ))
}

fn checks(input: &PromptInput<'_>) -> String {
    let mut commands: Vec<&str> = Vec::new();
    for command in input.task.verify.iter().chain(input.verify) {
        if !commands.contains(&command.as_str()) {
            commands.push(command);
        }
    }
    let mut text =
        "## How it is checked\n\nWhat counts is what is found afterwards, not what you say".to_owned();
    if !input.task.outputs.is_empty() {
        text.push_str(": every file that it has to leave behind is there and was changed");
    }
    if commands.is_empty() {
        text.push('.');
    } else {
        text.push_str(if input.task.outputs.is_empty() { ": each" } else { ", and each" });
        text.push_str(" of these commands exits 0. Run them yourself before you report.\n\n");
        text.push_str(&fenced("sh", &commands.join("\n")));
    }
    text
}

fn report(input: &PromptInput<'_>) -> Option<String> {
    let duty = match input.completion_rule {
        CompletionRule::None => return None,
        CompletionRule::Optional => "When you have finished, you may say what came of it: write this file",
        CompletionRule::Required => {
            "As the last thing you do, write this file. Without it the task counts as failed, whatever you did"
        }
    };
    let skeleton = Completion {
        schema: CompletionVersion::V1,
        run_id: input.run_id.clone(),
        task_id: input.task.id.clone(),
        attempt: input.attempt,
        status: CompletionStatus::Succeeded,
        summary: "one to three sentences on what you did".to_owned(),
        outputs: vec![Output { path: "path/within/the/workspace".to_owned(), change: Change::Created }],
        verification: vec![Verification { command: "what you ran to check it".to_owned(), exit_code: 0 }],
        error: None,
        next_steps: Vec::new(),
        source: CompletionSource::Agent,
    };
    let other =
        if input.goes_on { " (its place and the number of the attempt are not those of before)" } else { "" };
    let skeleton = serde_json::to_string_pretty(&skeleton).expect("a completion can be written");
    Some(format!(
        "## How to report\n\n{duty}{other}:\n\n{}\n\nIts content is this JSON, filled in truthfully, with no \
         other fields:\n\n{}\n\n`status` is `succeeded`, `failed` or `blocked` (you need something that you cannot \
         get); unless it succeeded, `error` is `{{\"kind\": \"a word\", \"message\": \"what happened\"}}`. \
         `change` is `created`, `modified`, `deleted` or `unchanged`; both lists may be empty. Where there is \
         a command `orchestrate`, `orchestrate complete --help` tells how to have the file written.",
        fenced("text", &input.completion.display().to_string()),
        fenced("json", &skeleton)
    ))
}

/// A fenced block whose fence is longer than any in the text.
fn fenced(language: &str, text: &str) -> String {
    let mut longest = 2;
    let mut run = 0;
    for character in text.chars() {
        run = if character == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    format!("{fence}{language}\n{text}\n{fence}")
}

fn list<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<String> = lines.map(|line| format!("- {line}")).collect();
    lines.join("\n")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
