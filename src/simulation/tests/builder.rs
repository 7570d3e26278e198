//! Makes runs and scenarios in as few words as the tests need.

use std::path::PathBuf;

use crate::model::agent::{AdapterKind, AgentSpec, CompletionRule};
use crate::model::event::EventBody;
use crate::model::ids::{RunId, TaskId};
use crate::model::layer::{Cost, Layer, Price};
use crate::model::run::{RunSettings, RunSpec};
use crate::model::task::{EdgeRule, Need, TaskSpec};
use crate::model::time::Timestamp;
use crate::simulation::scenario::Scenario;
use crate::simulation::{Simulated, World};

pub(super) const START: Timestamp = Timestamp(1_767_225_600_000);

pub(super) fn task(id: &str, needs: &[&str]) -> TaskSpec {
    let mut task = TaskSpec::new(TaskId::new(id), format!("task {id}"));
    task.needs = needs.iter().map(|id| Need { task: TaskId::new(*id), rule: EdgeRule::Explicit }).collect();
    task
}

pub(super) fn layer(number: u8, agent: &str, provider: &str, cost: Cost) -> Layer {
    Layer {
        layer: number,
        agent: agent.to_owned(),
        model: format!("{provider}/model-{number}"),
        provider: provider.to_owned(),
        cost,
        context: None,
        price: (cost == Cost::Paid).then_some(Price { input: 2.0, output: 8.0 }),
        max_usd: None,
    }
}

/// Free layers at `one` and `two`, and a paid one at `three`.
pub(super) fn spec(tasks: Vec<TaskSpec>) -> RunSpec {
    let layers = vec![
        layer(1, "kilo", "one", Cost::Free),
        layer(2, "cline", "two", Cost::Free),
        layer(3, "opencode", "three", Cost::Paid),
    ];
    with_layers(tasks, layers)
}

pub(super) fn with_layers(tasks: Vec<TaskSpec>, layers: Vec<Layer>) -> RunSpec {
    let agent = |(name, kind): (&str, AdapterKind)| {
        let agent = AgentSpec {
            name: name.to_owned(),
            kind,
            found: Some(PathBuf::from(name)),
            completion: CompletionRule::Required,
            proved: true,
            ..AgentSpec::default()
        };
        (agent.name.clone(), agent)
    };
    let kinds =
        [("kilo", AdapterKind::Kilo), ("cline", AdapterKind::Cline), ("opencode", AdapterKind::Opencode)];
    RunSpec {
        created_at: START,
        plan: "plan.md".to_owned(),
        settings: RunSettings { seed: 7, ..RunSettings::default() },
        tasks,
        layers,
        agents: kinds.into_iter().map(agent).collect(),
        ..RunSpec::new(RunId("RUN".to_owned()), "p")
    }
}

/// Plays one run to its end.
pub(super) fn play(spec: RunSpec, scenario: &Scenario) -> World<'_> {
    let mut world = World::new(scenario, vec![spec]);
    world.run().unwrap();
    world
}

/// The exit code of the first run.
pub(super) fn exit(world: &World<'_>) -> u8 {
    world.simulated(0).unwrap().finished.unwrap().1.code()
}

/// What `pick` finds in the events of a run.
pub(super) fn events<'w, T>(run: &Simulated<'w>, pick: impl Fn(&'w EventBody) -> Option<T>) -> Vec<T> {
    run.events.iter().filter_map(|event| pick(&event.body)).collect()
}
