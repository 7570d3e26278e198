//! What to do about a task that is not done: the commands that fit, each with why. One place, used
//! by every form.

use crate::model::agent::AgentSpec;
use crate::model::failure::FailureKind;
use crate::model::layer::{Cost, Layer};
use crate::model::limits::LimitKind;
use crate::model::outcome::StopReason;
use crate::model::run::RunSpec;
use crate::model::status::TaskStatus;
use crate::model::task::HeldReason;
use crate::model::time::Span;
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

/// What to do about a failure of `kind`: for each at least one command that brings the task on.
#[expect(clippy::too_many_lines, reason = "one table, an entry for each kind of failure")]
pub fn steps(kind: FailureKind, spec: &RunSpec, task: &TaskView) -> Vec<Step> {
    let the = Commands::of(spec, task);
    let steps = match kind {
        FailureKind::AgentNotFound => vec![
            step("orchestrate doctor", "which agents are found, and how to get the rest"),
            the.another_layer("again, by an agent that is there"),
            the.retry("again, once it is installed"),
        ],
        FailureKind::UsageError => {
            vec![
                the.logs("what it printed"),
                the.another_layer("again, by another agent"),
                the.retry("again, once its arguments are right"),
            ]
        }
        FailureKind::NotLoggedIn => vec![
            the.login("log it in"),
            step("orchestrate doctor", "which logins can be seen, and how to log in"),
            the.logs("what it printed"),
            the.retry("again, once it is logged in"),
            the.another_layer("again, by another model"),
        ],
        FailureKind::OutOfCredits => {
            vec![the.another_layer("again, by another provider"), the.retry("again, once there are credits")]
        }
        FailureKind::RateLimited => {
            vec![the.another_layer("again, by another model"), the.retry("again, once the limit has passed")]
        }
        FailureKind::Overloaded | FailureKind::ProviderUnreachable => {
            vec![the.retry("again, later"), the.another_layer("again, by another provider")]
        }
        FailureKind::ModelUnknown => {
            vec![
                models("which models are asked for"),
                the.another_layer("again, by another model"),
                the.retry("again, once the model is set right"),
            ]
        }
        FailureKind::ContextOverflow => vec![
            the.logs("what filled the context"),
            the.another_layer("again, by another model"),
            the.say("tell it what to leave out"),
        ],
        FailureKind::PermissionRejected => vec![
            the.logs("which permission it asked for"),
            the.another_layer("again, by another agent"),
            the.say("tell it to do without"),
        ],
        FailureKind::TimedOut => vec![
            the.logs("what it did in that time"),
            the.say("tell it to do less"),
            the.again_with(&format!("--timeout {}", the.more_time()), "give every attempt more time"),
        ],
        FailureKind::Stalled
        | FailureKind::Exited
        | FailureKind::NoCompletion
        | FailureKind::BadCompletion => vec![
            the.logs("what it printed"),
            the.retry("again"),
            the.another_layer("again, by another model"),
        ],
        FailureKind::OutputMissing | FailureKind::NoChange => vec![
            the.logs("what it printed"),
            the.another_layer("again, by another model"),
            the.say("again, with a word to the agent"),
        ],
        FailureKind::OverLimit => {
            vec![the.logs("what it printed last"), the.more_of_limit(), the.retry("again")]
        }
        FailureKind::Killed => vec![the.logs("what it printed last"), the.retry("again")],
        FailureKind::ReportedFailed | FailureKind::VerifyFailed => vec![
            the.logs("what was tried and printed"),
            the.say("again, with a word to the agent"),
            the.another_layer("again, by another model"),
        ],
        FailureKind::ReportedBlocked => {
            vec![the.say("answer what it asks for"), the.logs("what it tried")]
        }
        FailureKind::MergeConflict => {
            vec![the.logs("what it did"), the.retry("again, on top of what was landed meanwhile")]
        }
        FailureKind::OwnershipViolation => {
            vec![the.logs("what it did"), the.say("tell it which files are its own")]
        }
        FailureKind::HierarchyViolation => {
            vec![
                models("which models are allowed"),
                the.another_layer("again, by another model"),
                the.retry("again, once the alias is known or the model is set right"),
            ]
        }
        FailureKind::BudgetExhausted => {
            vec![
                models("which layers cost nothing"),
                the.another_layer("again, by another model"),
                the.retry("again, with a budget of its own"),
            ]
        }
        FailureKind::NoLayerLeft => vec![
            step("orchestrate doctor", "which agents and providers could be used"),
            the.retry("again, once a provider is back"),
        ],
        FailureKind::PaymentNotApproved => vec![
            models("what the paid layers are"),
            step(
                &format!("orchestrate retry {} --allow-paid --reason TEXT", the.id),
                "approve them for this run",
            ),
        ],
        FailureKind::Lost => vec![the.retry("again"), the.logs("what it printed until then")],
    };
    steps.into_iter().flatten().collect()
}

/// What to do about a task as it stands, whatever keeps it from being done.
pub(super) fn for_task(spec: &RunSpec, task: &TaskView) -> Vec<Step> {
    let the = Commands::of(spec, task);
    let steps = match task.status {
        TaskStatus::Failed => {
            let kind = task.failure.as_ref().map_or(FailureKind::Exited, |failure| failure.kind);
            return steps(kind, spec, task);
        }
        TaskStatus::Blocked => match &task.blocked_by {
            Some(by) => {
                let by = text::shell_word(&text::clean(by.as_str()));
                vec![
                    step(&format!("orchestrate why {by}"), "what blocks it"),
                    step(&format!("orchestrate retry {by}"), "again, and this one after it"),
                ]
            }
            None => vec![the.retry("again")],
        },
        TaskStatus::Held => task.held.iter().map(|reason| the.held(reason)).collect(),
        TaskStatus::Cancelled => vec![the.retry("again"), the.logs("what it printed until then")],
        TaskStatus::Pending if !task.attempts.is_empty() => {
            vec![step("orchestrate resume", "go on"), the.logs("what it printed until then")]
        }
        TaskStatus::Running | TaskStatus::Verifying | TaskStatus::Landing | TaskStatus::Retrying => vec![
            step(&format!("orchestrate logs {} -f", the.id), "what it prints"),
            step(&format!("orchestrate stop {}", the.id), "stop it for good"),
        ],
        TaskStatus::Succeeded => vec![the.logs("what it printed")],
        TaskStatus::Pending | TaskStatus::Skipped => Vec::new(),
    };
    steps.into_iter().flatten().collect()
}

/// What to do where the plan was changed since the run read it.
pub(super) fn for_changed_plan() -> Vec<Step> {
    [
        step("orchestrate resume --replan", "read the changed plan, and go on with it"),
        step("orchestrate resume --replan --dry-run", "what is different in it"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What to do about a task that was under way when its run's supervisor died.
pub(super) fn for_abandoned(task: &TaskView) -> Vec<Step> {
    let id = text::shell_word(&text::clean(task.id.as_str()));
    let steps = [
        step("orchestrate resume", "go on; this attempt is not counted"),
        step(&format!("orchestrate logs {id}"), "what it printed until then"),
    ];
    steps.into_iter().flatten().collect()
}

// In an option, so that steps that only sometimes fit stand in the same lists.
#[expect(clippy::unnecessary_wraps, reason = "see above")]
fn step(command: &str, why: &str) -> Option<Step> {
    Some(Step { command: command.to_owned(), why: why.to_owned() })
}

fn models(why: &str) -> Option<Step> {
    step("orchestrate models", why)
}

struct Commands<'a> {
    spec: &'a RunSpec,
    task: &'a TaskView,
    /// The task's id as a word for the shell.
    id: String,
    /// The plan as a word for the shell.
    plan: String,
}

impl<'a> Commands<'a> {
    fn of(spec: &'a RunSpec, task: &'a TaskView) -> Self {
        let word = |foreign: &str| text::shell_word(&text::clean(foreign));
        Self { spec, task, id: word(task.id.as_str()), plan: word(&spec.plan) }
    }

    fn logs(&self, why: &str) -> Option<Step> {
        step(&format!("orchestrate logs {}", self.id), why)
    }

    /// The call that logs the agent of its last attempt in.
    fn login(&self, why: &str) -> Option<Step> {
        let agent = &self.task.last_attempt()?.rung.agent;
        step(self.spec.agents.get(agent)?.login.as_deref()?, why)
    }

    /// Twice as much time as an attempt of the task has.
    fn more_time(&self) -> Span {
        let task = self.spec.tasks.iter().find(|known| known.id == self.task.id);
        Span(task.map_or(Span::minutes(45), |task| task.timeout).0.saturating_mul(2))
    }

    fn retry(&self, why: &str) -> Option<Step> {
        step(&format!("orchestrate retry {}", self.id), why)
    }

    fn say(&self, why: &str) -> Option<Step> {
        step(&format!("orchestrate retry {} --say TEXT", self.id), why)
    }

    /// The plan again with another option; what is done is not done again.
    fn again_with(&self, options: &str, why: &str) -> Option<Step> {
        step(&format!("orchestrate --plan {} {options}", self.plan), why)
    }

    /// The plan again with twice as much of what the last attempt used too much of.
    fn more_of_limit(&self) -> Option<Step> {
        let attempt = self.task.last_attempt()?;
        let Some(StopReason::OverLimit { seen }) = &attempt.outcome.as_ref()?.stopped else {
            return None;
        };
        let kind = LimitKind::of_words(seen)?;
        let limits = self.spec.agents.get(&attempt.rung.agent).map(|agent| agent.limits).unwrap_or_default();
        let option = limits.option_for_more(kind);
        let why = match kind {
            LimitKind::DiskFree => "be content with less room, or make some first",
            LimitKind::Memory | LimitKind::Processes | LimitKind::Output | LimitKind::Disk => {
                "allow every attempt more"
            }
        };
        self.again_with(&option, why)
    }

    fn another_layer(&self, why: &str) -> Option<Step> {
        let layer = another_layer(self.spec, self.task)?;
        step(&format!("orchestrate retry {} --layer {layer}", self.id), why)
    }

    fn held(&self, reason: &HeldReason) -> Option<Step> {
        match reason {
            HeldReason::Gate(gate) => {
                let gate = text::shell_word(&text::clean(gate));
                step(&format!("orchestrate approve {gate} --resume"), "let the gate pass, and go on")
            }
            HeldReason::Needs(id) => {
                let id = text::shell_word(&text::clean(id.as_str()));
                step(&format!("orchestrate why {id}"), "what holds the task that it needs")
            }
            HeldReason::Optional => {
                step(&format!("orchestrate --plan {} --only {}", self.plan, self.id), "run it all the same")
            }
            HeldReason::MissingDependency(_) | HeldReason::UnknownMarker(_) => {
                step(&format!("orchestrate check {}", self.plan), "where that stands in the plan")
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
            && spec.agents.get(&layer.agent).is_some_and(AgentSpec::is_installed)
    };
    let mut layers: Vec<u8> = spec.layers.iter().filter(usable).map(|layer| layer.layer).collect();
    layers.sort_unstable();
    layers.iter().find(|layer| **layer > last).or(layers.first()).copied()
}
