//! Keys and values as native plans write them.

use std::fmt::Write as _;

use super::keys::NativeKey;
use super::keys::span;
use super::text;
use crate::model::task::FileVerb;
use crate::plan::boxes;
use crate::plan::titles;
use crate::plan::types::Defaults;
use crate::plan::types::PlanCommand;
use crate::plan::types::PlanTask;

/// Yes or no.
pub(super) const fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// Keys with their items.
pub(super) type List = Vec<(NativeKey, String)>;

/// Adds a key with a value of one line.
pub(super) fn push(list: &mut List, key: NativeKey, value: &str) {
    list.push((key, format!("- **{}**: {value}", key.name())));
}

/// Adds the keys that tasks and groups have; `between` adds those that stand among them.
pub(super) fn defaults(list: &mut List, defaults: &Defaults, between: impl FnOnce(&mut List)) {
    if let Some(agent) = &defaults.agent {
        push(list, NativeKey::Agent, agent);
    }
    if let Some(model) = &defaults.model {
        let plain = !model.contains([' ', ',', '(', '*', '_', '`', '~', '[']);
        push(list, NativeKey::Model, &if plain { model.clone() } else { span(model) });
    }
    if let Some(layer) = defaults.layer {
        push(list, NativeKey::Layer, &layer.to_string());
    }
    between(list);
    verify(list, &defaults.verify);
    if let Some(timeout) = defaults.timeout {
        push(list, NativeKey::Timeout, &timeout.to_string());
    }
    if let Some(retries) = defaults.retries {
        push(list, NativeKey::Retries, &retries.to_string());
    }
    if let Some(priority) = defaults.priority {
        push(list, NativeKey::Priority, &format!("P{priority}"));
    }
}

/// Commands of one line as code spans, and below them one of several lines in a fence; what follows a fence
/// has a key of its own.
fn verify(list: &mut List, commands: &[PlanCommand]) {
    let single = |command: &PlanCommand| !command.text.contains('\n');
    for run in commands.chunk_by(|before, _| single(before)) {
        let (spans, fences) = run.split_at(run.iter().take_while(|command| single(command)).count());
        let mut text = format!("- **{}**:", NativeKey::Verify.name());
        if !spans.is_empty() {
            let spans: Vec<String> = spans.iter().map(|command| span(&command.text)).collect();
            _ = write!(text, " {}", spans.join(", "));
        }
        for command in fences {
            let longest =
                command.text.lines().map(|line| line.bytes().take_while(|b| *b == b'`').count()).max();
            let marks = "`".repeat(longest.unwrap_or(0).max(2) + 1);
            let fence = text::indented(&format!("{marks}sh\n{}\n{marks}", command.text), 2);
            _ = write!(text, "\n{fence}");
        }
        list.push((NativeKey::Verify, text));
    }
}

/// Files: on one line, or a line for each verb.
pub(super) fn files(list: &mut List, task: &PlanTask) {
    if task.files.is_empty() {
        return;
    }
    if task.files.iter().all(|file| file.verb.is_none()) {
        let paths: Vec<String> = task.files.iter().map(|file| span(&file.path)).collect();
        push(list, NativeKey::Files, &paths.join(", "));
        return;
    }
    let mut text = format!("- **{}**:", NativeKey::Files.name());
    for run in task.files.chunk_by(|a, b| a.verb == b.verb) {
        let verb = match run.first().and_then(|file| file.verb) {
            Some(FileVerb::Create) => "Create: ",
            Some(FileVerb::Modify) => "Modify: ",
            Some(FileVerb::Delete) => "Delete: ",
            Some(FileVerb::Test) => "Test: ",
            Some(FileVerb::Read) => "Read: ",
            None => "",
        };
        let paths: Vec<String> = run.iter().map(|file| span(&file.path)).collect();
        _ = write!(text, "\n  - {verb}{}", paths.join(", "));
    }
    list.push((NativeKey::Files, text));
}

/// Sentences below a key, in code spans where they would be read as something else.
pub(super) fn sentences(list: &mut List, key: NativeKey, sentences: &[String]) {
    let written: Vec<String> = sentences
        .iter()
        .map(|text| {
            let bare = titles::clean(text) == *text
                && boxes::box_at(text).is_none()
                && boxes::item_line(text).is_none()
                && !text.starts_with(['#', '>', '|', '`', '~', '<', '=', '-']);
            if bare { text.clone() } else { span(text) }
        })
        .collect();
    match written.as_slice() {
        [] => {}
        [one] => push(list, key, one),
        several => {
            let items = several.join("\n  - ");
            list.push((key, format!("- **{}**:\n  - {items}", key.name())));
        }
    }
}
