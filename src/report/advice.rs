//! What to do about a task that is not done: the commands that fit, each with why. One place, used
//! by every form.

use crate::model::failure::FailureKind;
use crate::model::layer::{Cost, Layer};
use crate::model::run::RunSpec;
use crate::model::status::TaskStatus;
use crate::model::task::HeldReason;
use crate::model::view::TaskView;
use crate::report::text;

/// A command to type, and what it is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// As one can paste it; words in capitals are to be filled in.
    pub command: String,
    /// A few words.
    pub why: String,
}

/// What to do about a failure of `kind`, a line each: the command, then what it is good for.
pub fn advice(kind: FailureKind, spec: &RunSpec, task: &TaskView) -> Vec<String> {
    lined_up(&steps(kind, spec, task))
}

/// The steps in lines, in two columns.
pub(super) fn lined_up(steps: &[Step]) -> Vec<String> {
    let column = steps.iter().map(|step| text::width(&step.command)).max().unwrap_or(0).max(34);
    steps.iter().map(|step| format!("{}   {}", text::pad(&step.command, column), step.why)).collect()
}

/// What to do about a failure of `kind`.
pub fn steps(kind: FailureKind, spec: &RunSpec, task: &TaskView) -> Vec<Step> {
    let commands = Commands { spec, task, id: text::shell_word(&text::clean(task.id.as_str())) };
    match kind {
        FailureKind::AgentNotFound => {
            vec![step("orchestrate doctor", "what is missing, and how to install it")]
                .into_iter()
                .chain(commands.another_layer("by an agent that is there"))
                .chain([commands.retry("again, once it is installed")])
                .collect()
        }
        FailureKind::UsageError => vec![
            commands.logs("what it printed"),
            step("orchestrate doctor", "whether this version of the agent is known"),
        ]
        .into_iter()
        .chain(commands.another_layer("by another agent"))
        .collect(),
        FailureKind::NotLoggedIn => vec![
            step("orchestrate doctor", "who is logged in, and how to log in"),
            commands.retry("again, once it is logged in"),
        ]
        .into_iter()
        .chain(commands.another_layer("by another model"))
        .collect(),
        FailureKind::OutOfCredits => vec![step("orchestrate models spend", "what was spent")]
            .into_iter()
            .chain(commands.another_layer("by another provider"))
            .chain([commands.retry("again, once there are credits")])
            .collect(),
        FailureKind::RateLimited => commands
            .another_layer("by another model")
            .into_iter()
            .chain([commands.retry("again, once the limit has passed")])
            .collect(),
        FailureKind::Overloaded | FailureKind::ProviderUnreachable => {
            vec![step("orchestrate doctor", "what can be reached from here"), commands.retry("again, later")]
                .into_iter()
                .chain(commands.another_layer("by another provider"))
                .collect()
        }
        FailureKind::ModelUnknown => {
            vec![step("orchestrate models check", "which names of models the agents do not know")]
                .into_iter()
                .chain(commands.another_layer("by another model"))
                .collect()
        }
        FailureKind::ContextOverflow => vec![commands.logs("what filled the context")]
            .into_iter()
            .chain(commands.another_layer("by another model"))
            .chain([commands.say("tell it what to leave out")])
            .collect(),
        FailureKind::PermissionRejected => vec![commands.logs("which permission it asked for")]
            .into_iter()
            .chain(commands.another_layer("by another agent"))
            .chain([commands.say("tell it to do without")])
            .collect(),
        FailureKind::TimedOut => vec![
            commands.logs("what it did in that time"),
            commands.say("tell it to do less"),
            commands.again_with("--timeout DURATION", "give every attempt more time"),
        ],
        FailureKind::Stalled => vec![commands.logs("what it did last"), commands.retry("again")]
            .into_iter()
            .chain(commands.another_layer("by another model"))
            .collect(),
        FailureKind::Exited | FailureKind::NoCompletion | FailureKind::BadCompletion => {
            vec![commands.logs("what it printed"), commands.retry("again")]
                .into_iter()
                .chain(commands.another_layer("by another model"))
                .collect()
        }
        FailureKind::OutputMissing | FailureKind::NoChange => vec![commands.logs("what it printed")]
            .into_iter()
            .chain(commands.another_layer("by another model"))
            .chain([commands.say("again, with a word to the agent")])
            .collect(),
        FailureKind::Killed | FailureKind::OverLimit => vec![
            commands.logs("what it printed last"),
            step("orchestrate doctor", "how much memory there is for agents"),
            commands.retry("again"),
        ],
        FailureKind::ReportedFailed => {
            vec![commands.logs("what it tried"), commands.say("again, with a word to the agent")]
                .into_iter()
                .chain(commands.another_layer("by another model"))
                .collect()
        }
        FailureKind::ReportedBlocked => {
            vec![commands.say("answer what it asks for"), commands.logs("what it tried")]
        }
        FailureKind::VerifyFailed => vec![
            commands.logs("what it and the check printed"),
            commands.say("again, with a word to the agent"),
        ]
        .into_iter()
        .chain(commands.another_layer("by another model"))
        .collect(),
        FailureKind::MergeConflict => vec![
            commands.diff("what it changed"),
            commands.retry("again, on top of what was landed meanwhile"),
        ],
        FailureKind::OwnershipViolation => {
            vec![commands.diff("whose files it changed"), commands.say("tell it which files are its own")]
        }
        FailureKind::HierarchyViolation => {
            vec![step("orchestrate models check", "which models and aliases are allowed")]
                .into_iter()
                .chain(commands.another_layer("by another model"))
                .collect()
        }
        FailureKind::BudgetExhausted => vec![
            step("orchestrate models spend", "what was spent on what"),
            commands.again_with("--budget USD", "allow more"),
        ],
        FailureKind::NoLayerLeft => vec![
            step("orchestrate doctor", "which agents and providers could be used"),
            step("orchestrate resume", "go on, once a provider is back"),
        ],
        FailureKind::PaymentNotApproved => vec![
            step("orchestrate models list", "what the paid layers are"),
            commands.again_with("--allow-paid --reason TEXT", "approve them"),
        ],
        FailureKind::Lost => vec![commands.retry("again"), commands.logs("what it printed until then")],
    }
}

/// What to do about a task as it stands, whatever keeps it from being done.
pub(super) fn for_task(spec: &RunSpec, task: &TaskView) -> Vec<Step> {
    let commands = Commands { spec, task, id: text::shell_word(&text::clean(task.id.as_str())) };
    match task.status {
        TaskStatus::Failed => {
            let kind = task.failure.as_ref().map_or(FailureKind::Exited, |failure| failure.kind);
            steps(kind, spec, task)
        }
        TaskStatus::Blocked => match &task.blocked_by {
            Some(by) => {
                let by = text::shell_word(&text::clean(by.as_str()));
                vec![
                    step(&format!("orchestrate why {by}"), "what blocks it"),
                    step(&format!("orchestrate retry {by}"), "again, and this one after it"),
                ]
            }
            None => vec![commands.retry("again")],
        },
        TaskStatus::Held => task.held.iter().filter_map(|reason| commands.held(reason)).collect(),
        TaskStatus::Cancelled => vec![commands.retry("again"), commands.logs("what it printed until then")],
        TaskStatus::Pending if !task.attempts.is_empty() => {
            vec![step("orchestrate resume", "go on"), commands.logs("what it printed until then")]
        }
        TaskStatus::Pending => Vec::new(),
        TaskStatus::Running | TaskStatus::Verifying | TaskStatus::Landing | TaskStatus::Retrying => vec![
            step(&format!("orchestrate logs {} -f", commands.id), "what it prints"),
            step(&format!("orchestrate stop {}", commands.id), "stop it for good"),
        ],
        TaskStatus::Succeeded => vec![commands.diff("what it changed"), commands.logs("what it printed")],
        TaskStatus::Skipped => Vec::new(),
    }
}

fn step(command: &str, why: &str) -> Step {
    Step { command: command.to_owned(), why: why.to_owned() }
}

struct Commands<'a> {
    spec: &'a RunSpec,
    task: &'a TaskView,
    /// The task's id as a word for the shell.
    id: String,
}

impl Commands<'_> {
    fn logs(&self, why: &str) -> Step {
        step(&format!("orchestrate logs {}", self.id), why)
    }

    fn retry(&self, why: &str) -> Step {
        step(&format!("orchestrate retry {}", self.id), why)
    }

    fn say(&self, why: &str) -> Step {
        step(&format!("orchestrate retry {} --say TEXT", self.id), why)
    }

    fn diff(&self, why: &str) -> Step {
        step(&format!("orchestrate diff {}", self.id), why)
    }

    /// The plan again with another option; what is done is not done again.
    fn again_with(&self, options: &str, why: &str) -> Step {
        let plan = text::shell_word(&text::clean(&self.spec.plan));
        step(&format!("orchestrate --plan {plan} {options}"), why)
    }

    fn another_layer(&self, why: &str) -> Option<Step> {
        let layer = another_layer(self.spec, self.task)?;
        Some(step(&format!("orchestrate retry {} --layer {layer}", self.id), &format!("again, {why}")))
    }

    fn held(&self, reason: &HeldReason) -> Option<Step> {
        match reason {
            HeldReason::Gate(gate) => {
                let gate = text::shell_word(&text::clean(gate));
                Some(step(&format!("orchestrate approve {gate} --resume"), "let the gate pass, and go on"))
            }
            HeldReason::Needs(id) => {
                let id = text::shell_word(&text::clean(id.as_str()));
                Some(step(&format!("orchestrate why {id}"), "what holds the task that it needs"))
            }
            HeldReason::Optional => {
                let plan = text::shell_word(&text::clean(&self.spec.plan));
                Some(step(&format!("orchestrate --plan {plan} --only {}", self.id), "run it all the same"))
            }
            HeldReason::MissingDependency(_) | HeldReason::UnknownMarker(_) => {
                let plan = text::shell_word(&text::clean(&self.spec.plan));
                Some(step(&format!("orchestrate check {plan}"), "where that stands in the plan"))
            }
            HeldReason::GroupDeferred(_) | HeldReason::PlanDone => None,
        }
    }
}

/// An allowed layer that the task did not try and whose agent is there: the next one up, else the
/// lowest.
fn another_layer(spec: &RunSpec, task: &TaskView) -> Option<u8> {
    let last = task.last_attempt().and_then(|attempt| attempt.rung.layer)?;
    let pinned = spec.tasks.iter().find(|known| known.id == task.id).and_then(|known| known.agent.as_deref());
    let settings = &spec.settings;
    let usable = |layer: &&Layer| {
        let tried = task.attempts.iter().any(|attempt| attempt.rung.layer == Some(layer.layer));
        !tried
            && (layer.cost == Cost::Free || settings.allow_paid.is_some())
            && settings.max_layer.is_none_or(|highest| layer.layer <= highest)
            && pinned.is_none_or(|agent| agent == layer.agent)
            && spec.agents.get(&layer.agent).is_some_and(crate::model::agent::AgentSpec::is_installed)
    };
    let mut layers: Vec<u8> = spec.layers.iter().filter(usable).map(|layer| layer.layer).collect();
    layers.sort_unstable();
    layers.iter().find(|layer| **layer > last).or(layers.first()).copied()
}
