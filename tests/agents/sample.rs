//! A task and an agent to try things with.

use orchestrate::agents::presets;
use orchestrate::model::agent::AgentSpec;
use orchestrate::model::ids::TaskId;
use orchestrate::model::layer::Rung;
use orchestrate::model::task::TaskSpec;

/// A task with a body and nothing else.
pub(crate) fn task(id: &str, title: &str, body: &str) -> TaskSpec {
    TaskSpec { body: body.to_owned(), ..TaskSpec::new(TaskId::new(id), title) }
}

/// A built-in agent.
pub(crate) fn agent(name: &str) -> AgentSpec {
    presets::builtin().into_iter().find(|agent| agent.name == name).expect("a built-in agent")
}

/// A rung that asks for a model.
pub(crate) fn rung(agent: &str, provider: &str, model: &str) -> Rung {
    Rung {
        layer: Some(1),
        agent: agent.to_owned(),
        model: Some(model.to_owned()),
        provider: Some(provider.to_owned()),
    }
}
