//! The agents that are known without configuration.

use std::collections::BTreeMap;

use crate::model::agent::{AdapterKind, AgentSpec, CompletionRule, PromptChannel};
use crate::model::agent_output::EventRules;

const MIB: u64 = 1024 * 1024;

/// Every agent that is known by name. None of them has been looked for yet.
///
/// `kilo`, `opencode`, `cline` and `command` are proved against the real programs. `gemini`,
/// `claude`, `codex` and `agy` are data after their makers' documents: they were not run, and are
/// not called proved.
pub fn builtin() -> Vec<AgentSpec> {
    vec![
        // Memory is what one attempt was measured to take at its start, on Linux.
        adapter("kilo", AdapterKind::Kilo, Some(1126 * MIB)),
        adapter("opencode", AdapterKind::Opencode, Some(717 * MIB)),
        adapter("cline", AdapterKind::Cline, Some(512 * MIB)),
        AgentSpec {
            program: None,
            completion: CompletionRule::Optional,
            ..adapter("command", AdapterKind::Command, None)
        },
        AgentSpec {
            // In a folder that nobody trusted by hand it drops the approval mode and exits; an
            // option for this is unknown to older versions, a variable is not.
            env: BTreeMap::from([("GEMINI_CLI_TRUST_WORKSPACE".to_owned(), "true".to_owned())]),
            events: rules(GEMINI),
            ..program(
                "gemini",
                PromptChannel::Stdin,
                &[
                    "--model",
                    "{model}",
                    "--approval-mode",
                    "yolo",
                    "--include-directories",
                    "{completion_folder}",
                    "--output-format",
                    "stream-json",
                ],
            )
        },
        AgentSpec {
            events: rules(CLAUDE),
            resume_args: vec!["--resume".to_owned(), "{session}".to_owned()],
            ..program(
                "claude",
                PromptChannel::Stdin,
                &[
                    "--print",
                    "--model",
                    "{model}",
                    "--permission-mode",
                    "bypassPermissions",
                    "--output-format",
                    "stream-json",
                    "--verbose",
                ],
            )
        },
        AgentSpec {
            events: rules(CODEX),
            // `exec` only reads unless told otherwise, and its sandbox keeps to the folders it is
            // given.
            ..program(
                "codex",
                PromptChannel::Stdin,
                &[
                    "exec",
                    "--json",
                    "--model",
                    "{model}",
                    "--sandbox",
                    "workspace-write",
                    "--add-dir",
                    "{completion_folder}",
                    "--skip-git-repo-check",
                    "--cd",
                    "{workspace}",
                    "-",
                ],
            )
        },
        // No form of its output for programs is documented, so it is read as text.
        //
        // Its print mode takes the prompt as the option's value and ends after five minutes unless
        // told otherwise; our own deadline is the one that counts.
        program(
            "agy",
            PromptChannel::Argument,
            &[
                "--dangerously-skip-permissions",
                "--model",
                "{model}",
                "--add-dir",
                "{completion_folder}",
                "--print-timeout",
                "24h",
                "--print",
            ],
        ),
    ]
}

/// `--output-format stream-json`, after packages/core/src/output/types.ts of google-gemini/gemini-cli
/// and <https://geminicli.com/docs/cli/headless/>. The model of `init` is the one that was asked for,
/// not the one that answers, so it is no evidence.
const GEMINI: &str = r#"{
    "session": { "path": ["session_id"], "when": { "type": "init" } },
    "doing": {
        "path": ["tool_name", "parameters.command", "parameters.file_path"],
        "when": { "type": "tool_use" }
    },
    "text": { "path": ["content"], "when": { "type": "message", "role": "assistant" }, "join": true },
    "tokens": {
        "input": ["stats.input_tokens"],
        "output": ["stats.output_tokens"],
        "when": { "type": "result" }
    },
    "errors": [
        { "when": { "type": "result", "status": "error" }, "message": ["error.message"] },
        { "when": { "type": "error" }, "message": ["message"], "recoverable": true }
    ],
    "done": { "when": { "type": "result", "status": "success" } }
}"#;

/// `--output-format stream-json`, after <https://docs.claude.com/en/docs/claude-code/headless> and the
/// messages of its SDK. The model is not read: helpers answer with
/// models of their own, and an alias such as `sonnet` is answered by a longer name.
const CLAUDE: &str = r#"{
    "session": { "path": ["session_id"], "when": { "type": "system", "subtype": "init" } },
    "doing": {
        "path": ["message.content.0.name", "message.content.0.input.command", "message.content.0.input.file_path"],
        "when": { "type": "assistant", "message.content.0.type": "tool_use" }
    },
    "text": { "path": ["result", "message.content.0.text"] },
    "tokens": {
        "input": ["usage.input_tokens", "usage.cache_creation_input_tokens", "usage.cache_read_input_tokens"],
        "output": ["usage.output_tokens"],
        "when": { "type": "result" }
    },
    "cost": { "path": ["total_cost_usd"], "when": { "type": "result" } },
    "turns": { "path": ["num_turns"], "when": { "type": "result" } },
    "errors": [
        { "when": { "type": "result", "subtype": "error_max_turns" }, "message": ["subtype"], "kind": "exited" },
        { "when": { "type": "result", "subtype": "error_max_budget_usd" }, "message": ["subtype"], "kind": "exited" },
        { "when": { "type": "result", "is_error": true }, "message": ["result", "errors.0", "subtype"] },
        { "when": { "type": "result", "subtype": "error_during_execution" }, "message": ["errors.0", "subtype"] }
    ],
    "done": { "when": { "type": "result", "subtype": "success" } }
}"#;

/// `exec --json`, after codex-rs/exec/src/exec_events.rs of openai/codex. An `error` is said to end the
/// work, and is also printed while it connects again: what comes after it decides.
const CODEX: &str = r#"{
    "session": { "path": ["thread_id"], "when": { "type": "thread.started" } },
    "doing": { "path": ["item.type", "item.command"], "when": { "type": "item.started" } },
    "text": { "path": ["item.text"], "when": { "type": "item.completed", "item.type": "agent_message" } },
    "tokens": {
        "input": ["usage.input_tokens"],
        "output": ["usage.output_tokens"],
        "when": { "type": "turn.completed" },
        "sum": true
    },
    "errors": [
        { "when": { "type": "turn.failed" }, "message": ["error.message"] },
        { "when": { "type": "error" }, "message": ["message"], "recoverable": true }
    ],
    "done": { "when": { "type": "turn.completed" } }
}"#;

/// Rules as a configuration would have them. A test holds that these read.
fn rules(text: &str) -> Option<EventRules> {
    serde_json::from_str(text).ok()
}

fn adapter(name: &str, kind: AdapterKind, memory: Option<u64>) -> AgentSpec {
    AgentSpec {
        name: name.to_owned(),
        kind,
        program: Some(name.to_owned()),
        memory,
        proved: true,
        ..AgentSpec::default()
    }
}

fn program(name: &str, prompt: PromptChannel, args: &[&str]) -> AgentSpec {
    AgentSpec {
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        prompt,
        proved: false,
        ..adapter(name, AdapterKind::Program, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layer::default_layers;

    #[test]
    fn every_agent_of_the_built_in_hierarchy_is_known() {
        let agents = builtin();
        for layer in default_layers() {
            assert!(agents.iter().any(|agent| agent.name == layer.agent), "{}", layer.agent);
        }
    }

    /// Fails where something that was written is not among what was read.
    fn assert_holds(read: &serde_json::Value, written: &serde_json::Value) {
        if let (Some(read), Some(written)) = (read.as_object(), written.as_object()) {
            for (key, value) in written {
                assert_holds(read.get(key).unwrap_or_else(|| panic!("no rule reads `{key}`")), value);
            }
        } else if let (Some(read), Some(written)) = (read.as_array(), written.as_array()) {
            assert_eq!(read.len(), written.len());
            for (read, written) in read.iter().zip(written) {
                assert_holds(read, written);
            }
        } else {
            assert_eq!(read, written);
        }
    }

    #[test]
    fn every_rule_of_a_preset_reads() {
        for text in [GEMINI, CLAUDE, CODEX] {
            let rules: EventRules =
                serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let written: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_holds(&serde_json::to_value(&rules).unwrap(), &written);
        }
        let with_rules: Vec<String> =
            builtin().into_iter().filter(|agent| agent.events.is_some()).map(|agent| agent.name).collect();
        assert_eq!(with_rules, ["gemini", "claude", "codex"]);
    }

    #[test]
    fn only_measured_adapters_call_themselves_proved() {
        for agent in builtin() {
            assert_eq!(agent.proved, agent.kind != AdapterKind::Program, "{}", agent.name);
            assert!(agent.found.is_none());
        }
    }
}
