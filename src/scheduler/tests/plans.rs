//! Random plans and random facts for the property tests. A failing case is printed as the small
//! plan below, which shrinks well, not as the run that is made of it.

use proptest::prelude::*;

use crate::model::completion::CompletionStatus;
use crate::model::failure::FailureKind;
use crate::model::ids::AttemptKey;
use crate::model::outcome::{AttemptFacts, CompletionFact, Ending, StopReason};
use crate::model::run::{ProviderSpec, RunSpec};
use crate::model::task::{HeldReason, TaskSpec};
use crate::model::time::Span;

use super::builder::{TaskWords as _, completion, ended, error, good, spec, stopped, task};

/// How a task enters its run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Plain,
    Skipped,
    Gate,
    BehindGate,
    Missing,
}

/// A task of a random plan.
#[derive(Debug, Clone)]
pub(super) struct SmallTask {
    pub(super) kind: Kind,
    /// How far before it the tasks stand that it needs.
    pub(super) needs: Vec<usize>,
    pub(super) conflicts: Vec<usize>,
    pub(super) agent: Option<&'static str>,
    pub(super) verify: bool,
    pub(super) optional: bool,
    pub(super) retries: u32,
    pub(super) priority: Option<u8>,
    /// How often it fails by its own fault before it passes (read by the model test alone).
    pub(super) faults: u32,
    /// Whether a provider says 429 to it once (read by the model test alone).
    pub(super) limited: bool,
}

/// A random plan with the settings that matter.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(super) struct SmallPlan {
    pub(super) tasks: Vec<SmallTask>,
    pub(super) jobs: u32,
    pub(super) wide: bool,
    pub(super) fail_fast: bool,
    pub(super) yes_gates: bool,
    pub(super) paid: bool,
    pub(super) kilo_limit: Option<u32>,
    pub(super) cline_limit: Option<u32>,
    pub(super) deadline: Option<u64>,
}

fn small_task() -> impl Strategy<Value = SmallTask> {
    let kind = prop_oneof![
        12 => Just(Kind::Plain),
        1 => Just(Kind::Skipped),
        1 => Just(Kind::Gate),
        1 => Just(Kind::BehindGate),
        1 => Just(Kind::Missing),
    ];
    let agent = prop_oneof![
        6 => Just(None),
        1 => Just(Some("kilo")),
        1 => Just(Some("cline")),
        1 => Just(Some("command")),
        1 => Just(Some("mine")),
    ];
    (
        (kind, agent),
        prop::collection::vec(1_usize..6, 0..3),
        prop::collection::vec(1_usize..4, 0..2),
        (prop::bool::weighted(0.3), prop::bool::weighted(0.15)),
        0_u32..3,
        prop::option::weighted(0.2, 0_u8..10),
        (prop_oneof![4 => Just(0_u32), 1 => 1_u32..4], prop::bool::weighted(0.2)),
    )
        .prop_map(
            |((kind, agent), needs, conflicts, (verify, optional), retries, priority, (faults, limited))| {
                SmallTask {
                    kind,
                    needs,
                    conflicts,
                    agent,
                    verify,
                    optional,
                    retries,
                    priority,
                    faults,
                    limited,
                }
            },
        )
}

pub(super) fn small_plan() -> impl Strategy<Value = SmallPlan> {
    (
        prop::collection::vec(small_task(), 1..12),
        1_u32..5,
        (prop::bool::weighted(0.3), prop::bool::weighted(0.2), prop::bool::weighted(0.3), any::<bool>()),
        prop::option::of(1_u32..3),
        prop::option::of(1_u32..3),
        prop::option::weighted(0.2, 1_u64..4_000),
    )
        .prop_map(
            |(tasks, jobs, (wide, fail_fast, yes_gates, paid), kilo_limit, cline_limit, deadline)| {
                SmallPlan { tasks, jobs, wide, fail_fast, yes_gates, paid, kilo_limit, cline_limit, deadline }
            },
        )
}

pub(super) fn id(place: usize) -> String {
    format!("T{place}")
}

impl SmallPlan {
    /// The places of what a task needs.
    pub(super) fn needs(&self, place: usize) -> Vec<usize> {
        self.tasks[place].needs.iter().filter_map(|back| place.checked_sub(*back)).collect()
    }

    pub(super) fn spec(&self) -> RunSpec {
        let tasks = self.tasks.iter().enumerate().map(|(place, small)| self.task(place, small)).collect();
        let mut run = spec(tasks);
        run.settings.jobs = self.jobs;
        run.settings.fail_fast = self.fail_fast;
        run.settings.yes_gates = self.yes_gates;
        run.settings.deadline = self.deadline.map(Span::seconds);
        run.settings.allow_paid = self.paid.then(|| "a test".to_owned());
        if self.wide {
            run.settings.verify = vec!["make check".to_owned()];
        }
        if let Some(kilo) = run.agents.get_mut("kilo") {
            kilo.limit = self.kilo_limit;
            kilo.memory = Some(100);
        }
        let provider = ProviderSpec { limit: self.cline_limit, ..ProviderSpec::default() };
        run.providers.insert("cline".to_owned(), provider);
        run
    }

    fn task(&self, place: usize, small: &SmallTask) -> TaskSpec {
        let made = task(&id(place));
        let needs: Vec<String> = self.needs(place).into_iter().map(id).collect();
        let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
        let conflicts: Vec<String> =
            small.conflicts.iter().filter_map(|back| place.checked_sub(*back)).map(id).collect();
        let conflicts: Vec<&str> = conflicts.iter().map(String::as_str).collect();
        let mut made = made.needs(&needs).conflicts(&conflicts).retries(small.retries);
        made.priority = small.priority;
        made.optional = small.optional;
        made.agent = small.agent.map(str::to_owned);
        if small.verify {
            made = made.verify("own check");
        }
        match small.kind {
            Kind::Plain => made,
            Kind::Skipped => made.skip("done"),
            Kind::Gate => made.gate(),
            Kind::BehindGate => made.hold(vec![HeldReason::Gate("approval".to_owned())]),
            Kind::Missing => made.hold(vec![HeldReason::MissingDependency("X".to_owned())]),
        }
    }
}

/// Facts of all sorts, chosen by a number.
pub(super) fn facts(key: &AttemptKey, choice: u16) -> AttemptFacts {
    let kind = FailureKind::ALL[usize::from(choice / 16) % FailureKind::ALL.len()];
    match choice % 16 {
        0..7 => good(key),
        7..10 => error(kind),
        10 => {
            let mut facts = error(kind);
            if let Some(sign) = &mut facts.reading.terminal_error {
                sign.retry_after_s = Some(u64::from(choice) * 7 % 4_000);
            }
            facts
        }
        11 => stopped(StopReason::Deadline),
        12 => stopped(StopReason::Idle),
        13 => stopped(StopReason::Requested),
        14 => AttemptFacts { completion: completion(key, CompletionStatus::Failed), ..good(key) },
        _ => AttemptFacts {
            outcome: ended(Ending::Exited { code: 0 }, None),
            completion: CompletionFact::Missing,
            ..good(key)
        },
    }
}
