//! `[agents.NAME]`.

use std::collections::BTreeMap;

use super::limits::limits;
use super::output::{events, signs};
use super::section::{Notes, Section};
use super::{AgentTable, MAX_JOBS};
use crate::model::agent::{AdapterKind, AllNames, CompletionRule, PassEnv, PromptChannel};

/// Reads the table of agents.
pub(super) fn agents(top: &mut Section<'_>, notes: &mut Notes<'_>) -> BTreeMap<String, AgentTable> {
    let mut agents = BTreeMap::new();
    for (name, table) in top.named_tables(notes, "agents") {
        if name.is_empty() || name.contains(['=', ',']) || name.chars().any(char::is_whitespace) {
            let message = format!("`{name}` cannot be the name of an agent");
            let hints = vec!["use letters, digits, `-`, `_` and `.`".to_owned()];
            notes.problem(&table.range, message, hints);
        }
        let agent = agent(table, notes);
        agents.insert(name, agent);
    }
    agents
}

fn agent(mut table: Section<'_>, notes: &mut Notes<'_>) -> AgentTable {
    let kinds = [
        ("kilo", AdapterKind::Kilo),
        ("opencode", AdapterKind::Opencode),
        ("cline", AdapterKind::Cline),
        ("command", AdapterKind::Command),
        ("program", AdapterKind::Program),
    ];
    let prompts = [
        ("stdin", PromptChannel::Stdin),
        ("file", PromptChannel::File),
        ("argument", PromptChannel::Argument),
    ];
    let completions = [
        ("required", CompletionRule::Required),
        ("optional", CompletionRule::Optional),
        ("none", CompletionRule::None),
    ];
    let agent = AgentTable {
        kind: table.word(notes, "kind", &kinds).map(|found| found.value),
        program: table.text(notes, "program").map(|found| found.value),
        args: table.texts(notes, "args"),
        resume_args: table.texts(notes, "resume_args"),
        prompt: table.word(notes, "prompt", &prompts).map(|found| found.value),
        env: table.named_texts(notes, "env"),
        pass_env: pass_env(&mut table, notes),
        success_codes: table.codes(notes, "success_codes"),
        limit: table.number(notes, "limit", 1..=i64::from(MAX_JOBS)).map(|found| found.value),
        memory: table.size(notes, "memory"),
        limits: table.table(notes, "limits").map(|section| limits(section, notes)).unwrap_or_default(),
        completion: table.word(notes, "completion", &completions).map(|found| found.value),
        signs: signs(&mut table, notes),
        events: table.table(notes, "events").map(|section| events(section, notes)),
        max_steps: table.number(notes, "max_steps", 1..=i64::from(u32::MAX)).map(|found| found.value),
    };
    table.finish(notes, &[]);
    agent
}

fn pass_env(table: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<PassEnv> {
    let value = table.any(notes, "pass_env")?;
    match value.get_ref().as_str() {
        Some("*") => return Some(PassEnv::All(AllNames::All)),
        Some(name) => {
            let message = format!("`{}` has to be a list of names, or `\"*\"`", table.key("pass_env"));
            notes.problem(
                &value.span(),
                message,
                vec![format!("write it in brackets: `pass_env = [\"{name}\"]`")],
            );
            return None;
        }
        None => {}
    }
    let names: Option<Vec<String>> = value
        .get_ref()
        .as_array()
        .and_then(|array| array.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect());
    if names.is_none() {
        table.wrong_kind(notes, "pass_env", &value, "a list of names, or `\"*\"`");
    }
    names.map(PassEnv::Names)
}
