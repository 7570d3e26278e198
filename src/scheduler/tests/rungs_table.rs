//! Which rungs a task has, and in which order: what it asks for, what stands in, what is banned.

use crate::model::agent::AdapterKind;
use crate::model::event::EventBody;
use crate::model::failure::FailureKind as Kind;
use crate::model::hierarchy::Ban;
use crate::model::layer::Cost;
use crate::model::run::RunSpec;
use crate::model::status::TaskStatus;
use crate::model::task::TaskSpec;
use crate::scheduler::ladder::{Choice, Ladder};

use super::builder::{TaskWords as _, agent, error, good, layer, spec, stopped, task, uninstall};
use super::world::World;
use crate::model::outcome::StopReason;

/// Seven layers of three agents; 6 and 7 cost money.
fn seven() -> RunSpec {
    let mut run = spec(vec![task("T1")]);
    run.layers = vec![
        layer(1, "kilo", "kilo/z-ai/glm-4.7", "kilo"),
        layer(2, "opencode", "opencode/big-pickle", "opencode"),
        layer(3, "cline", "minimax/minimax-m2.1", "cline"),
        layer(4, "opencode", "openrouter/minimax/minimax-m2.1:free", "openrouter"),
        layer(5, "kilo", "kilo/minimax/minimax-m2.1", "kilo"),
        layer(6, "opencode", "openai/o3", "openai"),
        layer(7, "kilo", "openai/o3", "kilo"),
    ];
    run.layers[5].cost = Cost::Paid;
    run.layers[6].cost = Cost::Paid;
    run.settings.allow_paid = Some("it is urgent".to_owned());
    run
}

fn stand_ins(run: &mut RunSpec, entries: &[(&str, &[&str])]) {
    let list = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    run.models.fallbacks.extend(entries.iter().map(|(key, names)| ((*key).to_owned(), list(names))));
}

fn deny(run: &mut RunSpec, bans: &[&str]) {
    run.models.deny = bans.iter().map(|text| Ban::read(text).unwrap()).collect();
}

fn ladder(task: &TaskSpec, run: &RunSpec) -> Ladder {
    Ladder::of(task, &Choice::default(), run)
}

fn numbers(task: &TaskSpec, run: &RunSpec) -> Vec<u8> {
    ladder(task, run).steps.iter().filter_map(|step| step.rung.layer).collect()
}

fn model(name: &str) -> TaskSpec {
    TaskSpec { model: Some(name.to_owned()), ..task("T1") }
}

#[test]
fn what_stands_in_comes_after_what_is_asked_for_in_its_own_order() {
    let mut run = seven();
    assert_eq!(numbers(&task("T1"), &run), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(numbers(&task("T1").agent("cline"), &run), [3]);
    stand_ins(&mut run, &[("cline", &["opencode", "kilo"])]);
    assert_eq!(numbers(&task("T1"), &run), [1, 2, 3, 4, 5, 6, 7], "who asks for nothing has them all");
    assert_eq!(numbers(&task("T1").agent("cline"), &run), [3, 2, 4, 6, 1, 5, 7]);
    assert_eq!(numbers(&task("T1").agent("kilo"), &run), [1, 5, 7]);
    // A circle, and one that stands in for one that stands in.
    stand_ins(&mut run, &[("kilo", &["cline"]), ("opencode", &["cline", "opencode"])]);
    assert_eq!(numbers(&task("T1").agent("kilo"), &run), [1, 5, 7, 3, 2, 4, 6]);
    assert_eq!(numbers(&task("T1").agent("opencode"), &run), [2, 4, 6, 3, 1, 5, 7]);
    run.settings.max_layer = Some(4);
    assert_eq!(numbers(&task("T1").agent("kilo"), &run), [1, 3, 2, 4]);
    run.settings.allow_paid = None;
    run.settings.max_layer = None;
    assert_eq!(numbers(&task("T1").agent("kilo"), &run), [1, 5, 3, 2, 4]);
}

#[test]
fn a_model_has_its_own_that_stand_in_under_all_its_names() {
    let mut run = seven();
    assert_eq!(numbers(&model("MiniMax_M2.1"), &run), [3, 4, 5]);
    assert_eq!(numbers(&model("minimax-m2"), &run), [0; 0]);
    assert_eq!(ladder(&model("minimax-m2"), &run).refusal.unwrap().kind, Kind::NoLayerLeft);
    stand_ins(&mut run, &[("minimax-m2.1", &["GLM 4.7", "o3"]), ("o3", &["big pickle"])]);
    assert_eq!(numbers(&model("minimax/minimax-m2.1"), &run), [3, 4, 5, 1, 6, 7, 2]);
    // Within an agent that is asked for, the models are tried in their order.
    assert_eq!(numbers(&model("minimax-m2.1").agent("kilo"), &run), [5, 1, 7]);
    run.models.aliases.insert("mm".to_owned(), vec!["minimax-m2.1".to_owned()]);
    assert_eq!(numbers(&model("mm"), &run), [3, 4, 5, 1, 6, 7, 2]);
}

#[test]
fn an_agent_outside_the_hierarchy_stands_in_as_one_rung() {
    let mut run = seven();
    stand_ins(&mut run, &[("cline", &["mine", "nobody"]), ("mine", &["kilo"])]);
    let steps = ladder(&task("T1").agent("cline"), &run).steps;
    let agents: Vec<&str> = steps.iter().map(|step| step.rung.agent.as_str()).collect();
    assert_eq!(agents, ["cline", "mine", "kilo", "kilo", "kilo"]);
    uninstall(&mut run, "mine");
    assert_eq!(numbers(&task("T1").agent("mine"), &run), [1, 5, 7]);
}

#[test]
fn a_task_goes_up_in_the_order_of_its_ladder() {
    let mut run = seven();
    run.tasks = vec![task("T1").agent("cline")];
    stand_ins(&mut run, &[("cline", &["opencode", "kilo"])]);
    let mut world = World::start(run);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(world.rung("T1").layer.unwrap());
        world.end_task("T1", |_| error(Kind::ModelUnknown));
    }
    seen.push(world.rung("T1").layer.unwrap());
    assert_eq!(seen, [3, 2, 4, 6, 1]);
    // The last retry of the task's own goes on in the same order.
    world.end_task("T1", |_| stopped(StopReason::Deadline));
    assert!(world.wake());
    assert_eq!(world.rung("T1").layer, Some(5));
}

#[test]
fn a_missing_agent_with_a_stand_in_runs_there_and_that_is_said_once() {
    let mut run = seven();
    run.tasks = vec![task("T1").agent("cline"), task("T2").agent("cline")];
    stand_ins(&mut run, &[("cline", &["opencode"])]);
    uninstall(&mut run, "cline");
    let mut world = World::start(run);
    assert_eq!(world.rung("T1").layer, Some(2));
    let warnings = world.events(|body| {
        let EventBody::WarningRaised { code, message, .. } = body else { return None };
        Some((code.clone(), message.clone()))
    });
    let said = "`cline` is not installed: layer 3 is left out, and `opencode` stands in for it".to_owned();
    assert_eq!(warnings, [("agent-missing".to_owned(), said)]);
    world.end_task("T1", good);
    assert_eq!(world.status("T1"), TaskStatus::Succeeded);
}

#[test]
fn what_is_banned_is_in_no_ladder_and_the_refusal_names_the_ban() {
    let mut run = seven();
    deny(&mut run, &["paid via kilo", "minimax/* at openrouter"]);
    assert_eq!(numbers(&task("T1"), &run), [1, 2, 3, 5, 6]);
    let all = ladder(&task("T1"), &run);
    let banned: Vec<(Option<u8>, &str)> =
        all.banned.iter().map(|banned| (banned.rung.layer, banned.ban.as_str())).collect();
    assert_eq!(banned, [(Some(4), "minimax/* at openrouter"), (Some(7), "paid via kilo")]);

    deny(&mut run, &["anything via cline"]);
    let refusal = ladder(&task("T1").agent("cline"), &run).refusal.unwrap();
    assert_eq!(refusal.to_string(), "no_layer_left: layer 3 is banned by `anything via cline`");
    // What stands in is banned alike.
    stand_ins(&mut run, &[("kilo", &["cline", "opencode"])]);
    assert_eq!(numbers(&task("T1").agent("kilo"), &run), [1, 5, 7, 2, 4, 6]);

    // Without an approval, both is said.
    deny(&mut run, &["layer 1", "layer 5"]);
    run.models.fallbacks.clear();
    run.settings.allow_paid = None;
    let refusal = ladder(&task("T1").agent("kilo"), &run).refusal.unwrap();
    assert_eq!(refusal.kind, Kind::PaymentNotApproved);
    assert!(refusal.seen.contains("layer 1 is banned by `layer 1`"), "{refusal}");
}

#[test]
fn a_banned_agent_outside_the_hierarchy_is_not_started() {
    let mut run = seven();
    run.agents.insert("yours".to_owned(), agent("yours", AdapterKind::Program));
    deny(&mut run, &["anything via mine"]);
    let refusal = ladder(&task("T1").agent("mine"), &run).refusal.unwrap();
    assert_eq!(refusal.seen, "`mine` is banned by `anything via mine`");
    assert_eq!(ladder(&task("T1").agent("yours"), &run).steps.len(), 1);
}
