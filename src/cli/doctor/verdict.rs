//! Whether a run would work. Pure.

use crate::model::doctor::{DoctorAgent, DoctorFact, Health, LoginState};
use crate::model::exit::ExitCode;
use crate::model::layer::{Cost, Layer};
use crate::report::text::{join, ranges};

/// What decides whether a run would work.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    /// What a run ends with where the configuration has mistakes.
    pub(super) mistakes: Option<ExitCode>,
    pub(super) agents: &'a [DoctorAgent],
    /// The layers that a run may use, paid ones included.
    pub(super) layers: &'a [Layer],
    /// The providers of these layers as the agents' logins know them, in the same order.
    pub(super) providers: &'a [String],
    /// Whether layers that cost money may be used.
    pub(super) allow_paid: bool,
    /// Agents that tasks get without naming one, and those that the configuration describes.
    pub(super) chosen: &'a [String],
    pub(super) workspace: &'a [DoctorFact],
    pub(super) state: &'a [DoctorFact],
}

/// The exit code, and the last line that says the same in words.
pub(super) fn verdict(whole: &Whole<'_>) -> (ExitCode, String) {
    let worst = |facts: &[DoctorFact]| facts.iter().any(|fact| fact.note.health == Health::Error);
    let no =
        |exit: ExitCode, why: &str| (exit, format!("no run would work: {why} (exit code {})", exit.code()));
    if let Some(exit) = whole.mistakes {
        return no(exit, "the configuration is invalid");
    }
    let mut free = Vec::new();
    let mut unpaid = Vec::new();
    for (layer, provider) in whole.layers.iter().zip(whole.providers) {
        if !is_usable(whole, layer, provider) {
            continue;
        }
        if layer.cost == Cost::Free || whole.allow_paid {
            free.push(layer.layer);
        } else {
            unpaid.push(layer.layer);
        }
    }
    let usable = |name: &String| whole.agents.iter().any(|agent| agent.usable && agent.name == *name);
    let chosen: Vec<String> = whole.chosen.iter().filter(|name| usable(name)).cloned().collect();
    let (root, state) = (worst(whole.workspace), worst(whole.state));
    if root {
        return no(ExitCode::Environment, "the project's folder cannot be used");
    }
    if free.is_empty() && chosen.is_empty() {
        let why = if unpaid.is_empty() {
            "no agent can be used".to_owned()
        } else {
            format!("only paid layers are left ({}): --allow-paid --reason TEXT", ranges(&unpaid))
        };
        return no(ExitCode::Environment, &why);
    }
    if state {
        return no(ExitCode::Store, "its state cannot be kept");
    }
    let by = match (free.as_slice(), chosen.as_slice()) {
        ([], chosen) => join(chosen, "or"),
        ([layer], _) => format!("layer {layer}"),
        (layers, _) => format!("layers {}", ranges(layers)),
    };
    (ExitCode::Success, format!("a run would work, by {by}"))
}

fn is_usable(whole: &Whole<'_>, layer: &Layer, provider: &str) -> bool {
    let Some(agent) = whole.agents.iter().find(|agent| agent.name == layer.agent) else { return false };
    let login = agent.logins.iter().find(|login| login.provider.as_deref() == Some(provider));
    agent.usable && login.is_none_or(|login| login.state != LoginState::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::doctor::{DoctorLogin, DoctorNote, VersionStanding};
    use crate::model::layer::default_layers;

    fn agent(name: &str, usable: bool, logins: &[(&str, LoginState)]) -> DoctorAgent {
        let logins = logins.iter().map(|&(provider, state)| DoctorLogin {
            provider: Some(provider.to_owned()),
            layers: Vec::new(),
            state,
            place: None,
        });
        DoctorAgent {
            name: name.to_owned(),
            health: Health::Ok,
            usable,
            version: None,
            standing: VersionStanding::Unknown,
            proved_version: None,
            source: None,
            found: None,
            program: None,
            layers: Vec::new(),
            logins: logins.collect(),
            one_at_a_time: false,
            memory: None,
            notes: Vec::new(),
        }
    }

    fn bad(name: &str) -> Vec<DoctorFact> {
        vec![DoctorFact { name: name.to_owned(), note: DoctorNote::new(Health::Error, "bad") }]
    }

    struct Case {
        agents: Vec<DoctorAgent>,
        allow_paid: bool,
        chosen: Vec<String>,
        workspace: Vec<DoctorFact>,
        state: Vec<DoctorFact>,
        mistakes: Option<ExitCode>,
    }

    fn case(agents: Vec<DoctorAgent>) -> Case {
        Case {
            agents,
            allow_paid: false,
            chosen: Vec::new(),
            workspace: Vec::new(),
            state: Vec::new(),
            mistakes: None,
        }
    }

    fn told(case: &Case) -> (u8, String) {
        let layers = default_layers();
        let providers: Vec<String> = layers.iter().map(|layer| layer.provider.clone()).collect();
        let (exit, line) = verdict(&Whole {
            mistakes: case.mistakes,
            agents: &case.agents,
            layers: &layers,
            providers: &providers,
            allow_paid: case.allow_paid,
            chosen: &case.chosen,
            workspace: &case.workspace,
            state: &case.state,
        });
        (exit.code(), line)
    }

    fn opencode() -> DoctorAgent {
        let logins = [
            ("opencode", LoginState::NotNeeded),
            ("openrouter", LoginState::Missing),
            ("openai", LoginState::Key),
            ("groq", LoginState::Missing),
        ];
        agent("opencode", true, &logins)
    }

    #[test]
    fn one_layer_that_can_be_used_is_enough() {
        let both = case(vec![opencode(), agent("kilo", true, &[("kilo", LoginState::Anonymous)])]);
        assert_eq!(told(&both), (0, "a run would work, by layers 2 to 3".to_owned()));
        let paid = Case { allow_paid: true, ..case(vec![opencode()]) };
        assert_eq!(told(&paid), (0, "a run would work, by layers 2, 6".to_owned()));
    }

    #[test]
    fn without_one_no_run_would_work() {
        let useless =
            case(vec![agent("opencode", false, &[]), agent("kilo", true, &[("kilo", LoginState::Missing)])]);
        assert_eq!(told(&useless), (5, "no run would work: no agent can be used (exit code 5)".to_owned()));
        let mut paid = opencode();
        paid.logins[0].state = LoginState::Missing;
        assert!(told(&case(vec![paid])).1.contains("only paid layers are left (6)"));
    }

    #[test]
    fn an_agent_outside_the_hierarchy_counts_where_it_is_chosen() {
        let mine = || vec![agent("mine", true, &[])];
        assert_eq!(told(&case(mine())).0, 5);
        let chosen = Case { chosen: vec!["mine".to_owned(), "gone".to_owned()], ..case(mine()) };
        assert_eq!(told(&chosen), (0, "a run would work, by mine".to_owned()));
    }

    #[test]
    fn the_first_obstacle_of_a_run_is_named() {
        let with = |mistakes, workspace, state| {
            told(&Case { mistakes, workspace, state, ..case(vec![opencode()]) }).0
        };
        assert_eq!(with(Some(ExitCode::InvalidInput), bad("root"), bad("embedded")), 3);
        assert_eq!(with(None, bad("root"), bad("embedded")), 5);
        assert_eq!(with(None, Vec::new(), bad("embedded")), 6);
    }
}
