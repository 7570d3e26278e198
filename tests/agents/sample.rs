//! A task and an agent to try things with.

use orchestrate::agents::presets;
use orchestrate::model::agent::AgentSpec;
use orchestrate::model::ids::TaskId;
use orchestrate::model::layer::Rung;
use orchestrate::model::task::{Entry, PlanStatus, TaskKind, TaskSpec};
use orchestrate::model::time::Span;

/// A task with a body and nothing else.
pub(crate) fn task(id: &str, title: &str, body: &str) -> TaskSpec {
    TaskSpec {
        id: TaskId::new(id),
        title: title.to_owned(),
        body: body.to_owned(),
        line: 1,
        group: None,
        kind: TaskKind::Task,
        plan_status: PlanStatus::Open,
        entry: Entry::Run,
        needs: Vec::new(),
        conflicts: Vec::new(),
        agent: None,
        model: None,
        layer: None,
        command: None,
        files: Vec::new(),
        outputs: Vec::new(),
        verify: Vec::new(),
        acceptance: Vec::new(),
        timeout: Span::minutes(45),
        retries: 1,
        priority: None,
        optional: false,
        tick: None,
    }
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
