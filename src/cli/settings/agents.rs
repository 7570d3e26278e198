//! The agents of a project: presets, changed and joined by those of the configuration.

use std::collections::BTreeMap;

use super::merge::Merge;
use super::origin::{Origin, Warning};
use crate::cli::config::AgentTable;
use crate::diagnostics::suggest;
use crate::model::agent::{AdapterKind, AgentSpec, PromptChannel};

/// What may stand in an agent's arguments.
const PLACEHOLDERS: [&str; 5] = ["prompt_file", "model", "workspace", "completion", "title"];

/// Lays the user's agents over the presets and the project's over both.
pub(super) fn merge(
    merge: &mut Merge<'_>,
    presets: Vec<AgentSpec>,
) -> (BTreeMap<String, AgentSpec>, Vec<Warning>) {
    let mut agents: BTreeMap<String, AgentSpec> =
        presets.into_iter().map(|preset| (preset.name.clone(), preset)).collect();
    let mut warnings = Vec::new();
    let mut origins: BTreeMap<String, Origin> = BTreeMap::new();
    for (config, is_project) in merge.files().into_iter().rev() {
        for (name, table) in &config.agents {
            let agent = agents.entry(name.clone()).or_insert_with(|| program(name));
            lay_over(agent, table);
            let origin = Origin::of(config, is_project, &format!("agents.{name}"));
            warnings.extend(doubtful_arguments(name, table, &origin));
            origins.insert(name.clone(), origin);
        }
    }
    for (name, origin) in origins {
        if let Some((message, hint)) = fault(&agents[&name]) {
            merge.problem_of(origin, message, vec![hint]);
        }
    }
    (agents, warnings)
}

/// An agent of which nothing is known yet.
fn program(name: &str) -> AgentSpec {
    AgentSpec { name: name.to_owned(), ..AgentSpec::default() }
}

fn lay_over(agent: &mut AgentSpec, table: &AgentTable) {
    if let Some(kind) = table.kind {
        if kind != agent.kind {
            agent.proved = false;
            // What a preset says of its own output holds for no other adapter.
            agent.signs.clear();
            agent.events = None;
            agent.resume_args.clear();
        }
        agent.kind = kind;
    }
    if let Some(program) = &table.program {
        if agent.program.as_ref() != Some(program) {
            agent.found = None;
            agent.found_args.clear();
        }
        agent.program = Some(program.clone());
    }
    if let Some(args) = &table.args {
        agent.args.clone_from(args);
        // How a preset's output reads depends on its arguments, and so does its way back.
        agent.events = None;
        agent.resume_args.clear();
    }
    if let Some(args) = &table.resume_args {
        agent.resume_args.clone_from(args);
    }
    if let Some(signs) = &table.signs {
        agent.signs.clone_from(signs);
    }
    if let Some(events) = &table.events {
        agent.events = Some(events.clone());
    }
    if let Some(prompt) = table.prompt {
        agent.prompt = prompt;
    }
    agent.env.extend(table.env.clone());
    if let Some(pass_env) = &table.pass_env {
        agent.pass_env = pass_env.clone();
    }
    if let Some(codes) = &table.success_codes {
        agent.success_codes.clone_from(codes);
    }
    agent.limit = table.limit.or(agent.limit);
    agent.max_steps = table.max_steps.or(agent.max_steps);
    agent.memory = table.memory.or(agent.memory);
    if let Some(completion) = table.completion {
        agent.completion = completion;
    }
}

/// What makes an agent of the configuration unusable, and what to do about it.
fn fault(agent: &AgentSpec) -> Option<(String, String)> {
    let name = &agent.name;
    if agent.kind == AdapterKind::Program && agent.program.is_none() {
        let hint = format!("write `program = \"{name}\"` in `[agents.{name}]`");
        return Some((format!("the agent `{name}` has no program"), hint));
    }
    let is_own = agent.kind == AdapterKind::Program;
    let describes = !agent.signs.is_empty() || agent.events.is_some() || !agent.resume_args.is_empty();
    if describes && !is_own {
        return Some((
            format!("the agent `{name}` has an adapter, which reads its output by itself"),
            "leave out `signs`, `events` and `resume_args`, or describe a program under another name"
                .to_owned(),
        ));
    }
    if !agent.resume_args.is_empty()
        && !agent.resume_args.iter().any(|argument| argument.contains("{session}"))
    {
        return Some((
            format!("the agent `{name}` goes on with a session, and no argument names it"),
            "put `{session}` into `resume_args`".to_owned(),
        ));
    }
    let has_file = agent.args.iter().any(|argument| argument.contains("{prompt_file}"));
    if is_own && agent.prompt == PromptChannel::File && !has_file {
        return Some((
            format!("the agent `{name}` takes its prompt as a file, and no argument names it"),
            "put `{prompt_file}` into `args`".to_owned(),
        ));
    }
    if agent.success_codes.is_empty() && agent.kind == AdapterKind::Program {
        return Some((
            format!("the agent `{name}` has no exit code that means success"),
            "write `success_codes = [0]`, or leave it out".to_owned(),
        ));
    }
    None
}

/// Arguments hold braces for many reasons, so only what looks like a slip is worth a word.
fn doubtful_arguments(name: &str, table: &AgentTable, origin: &Origin) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for argument in table.args.iter().flatten() {
        for part in argument.split('{').skip(1) {
            let Some((word, _)) = part.split_once('}') else { continue };
            if PLACEHOLDERS.contains(&word) {
                continue;
            }
            if let Some(near) = suggest(word, PLACEHOLDERS.into_iter()) {
                warnings.push(Warning {
                    code: "unknown-placeholder",
                    message: format!("{origin}: the agent `{name}` is given `{{{word}}}` as it stands"),
                    hint: Some(format!("did you mean `{{{near}}}`?")),
                });
            }
        }
    }
    warnings
}
