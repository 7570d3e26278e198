//! The agents that are known without configuration.

use std::collections::BTreeMap;

use crate::model::agent::{AdapterKind, AgentSpec, CompletionRule, PromptChannel};

const MIB: u64 = 1024 * 1024;

/// Every agent that is known by name. None of them has been looked for yet.
///
/// `kilo`, `opencode`, `cline` and `command` are proved against the real programs. `gemini`,
/// `claude`, `codex` and `agy` are data after their makers' documents: they were not run, and all
/// that is read of them is how they end and what they said last.
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
                    "text",
                ],
            )
        },
        program(
            "claude",
            PromptChannel::Stdin,
            &[
                "--print",
                "--model",
                "{model}",
                "--permission-mode",
                "bypassPermissions",
                "--output-format",
                "text",
            ],
        ),
        // `exec` only reads unless told otherwise, and its sandbox keeps to the folders it is given.
        program(
            "codex",
            PromptChannel::Stdin,
            &[
                "exec",
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
        ),
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

    #[test]
    fn only_measured_adapters_call_themselves_proved() {
        for agent in builtin() {
            assert_eq!(agent.proved, agent.kind != AdapterKind::Program, "{}", agent.name);
            assert!(agent.found.is_none());
        }
    }
}
