//! Two supervisors at one store, their calls interleaved as chance has it, against a model of what
//! the contract says. The model knows nothing of how a store is built, and shares no rule with it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::record::{LeaseVersion, TaskStatusVersion};

const PREFIX: &str = "p:";
const STATUS: &str = "p:task:T1:status";
const FENCE: &str = "p:fence";
const STREAM: &str = "p:run:R0:events";
/// How long leases last here.
const LENGTH: i64 = 100;

/// What one of the two does next. `who` is a supervisor, `run` the run that it speaks for.
#[derive(Debug, Clone)]
pub(in crate::store) enum Step {
    /// Time passes.
    Pass(i64),
    /// A supervisor dies: who looks sees it.
    Dies { who: usize },
    /// A supervisor asks for a fence and uses it from then on.
    Fence { who: usize },
    /// It takes the run.
    Take { who: usize, run: usize },
    /// It says that it still has the run.
    Renew { who: usize, run: usize },
    /// It gives the run up.
    Release { who: usize, run: usize },
    /// It claims the task: with the stored revision, so many further on.
    Claim { who: usize, run: usize, further: u64, skips: bool },
    /// It writes what follows a revision that is so far beside the stored one.
    Write { who: usize, run: usize, beside: u64, steps: Vec<TaskStatus> },
    /// It says that the task is under way.
    Beat { who: usize, run: usize },
    /// It adds an event.
    Append,
}

pub(in crate::store) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..2_usize;
    let run = 0..2_usize;
    let status = (0..TaskStatus::ALL.len()).prop_map(|place| TaskStatus::ALL[place]);
    // Chance alone hardly ever finds a way through the table.
    let legal = prop_oneof![
        Just(vec![TaskStatus::Running]),
        Just(vec![TaskStatus::Pending]),
        Just(vec![TaskStatus::Running, TaskStatus::Verifying]),
        Just(vec![TaskStatus::Verifying, TaskStatus::Succeeded]),
    ];
    let steps = prop_oneof![3 => legal, 1 => proptest::collection::vec(status, 0..3)];
    let beside = prop_oneof![4 => Just(0_u64), 1 => 0..3_u64];
    let step = prop_oneof![
        1 => (0..150_i64).prop_map(Step::Pass),
        1 => who.clone().prop_map(|who| Step::Dies { who }),
        2 => who.clone().prop_map(|who| Step::Fence { who }),
        3 => (who.clone(), run.clone()).prop_map(|(who, run)| Step::Take { who, run }),
        2 => (who.clone(), run.clone()).prop_map(|(who, run)| Step::Renew { who, run }),
        1 => (who.clone(), run.clone()).prop_map(|(who, run)| Step::Release { who, run }),
        3 => (who.clone(), run.clone(), 0..2_u64, proptest::bool::weighted(0.2))
            .prop_map(|(who, run, further, skips)| Step::Claim { who, run, further, skips }),
        6 => (who.clone(), run.clone(), beside, steps)
            .prop_map(|(who, run, beside, steps)| Step::Write { who, run, beside, steps }),
        1 => (who, run).prop_map(|(who, run)| Step::Beat { who, run }),
        1 => Just(Step::Append),
    ];
    proptest::collection::vec(step, 1..50)
}

/// A lease as the model has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Holds {
    who: usize,
    fence: u64,
    until: i64,
}

/// A record as the model has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stands {
    run: usize,
    status: TaskStatus,
    revision: u64,
    fence: u64,
    heartbeat: i64,
}

/// What the contract says that there is.
#[derive(Debug, Default)]
struct Model {
    now: i64,
    fence: u64,
    fences: [u64; 2],
    dead: [bool; 2],
    leases: BTreeMap<usize, Holds>,
    record: Option<Stands>,
    events: u64,
}

impl Model {
    /// The run's holder, if it may be at work.
    fn holder(&self, run: usize) -> Option<Holds> {
        self.leases.get(&run).copied().filter(|holds| holds.until > self.now && !self.dead[holds.who])
    }

    fn take(&mut self, who: usize, run: usize) -> String {
        if let Some(holder) = self.holder(run).filter(|holder| holder.who != who) {
            return format!("held R{run} by {}", holder.who);
        }
        if let Some(before) = self.leases.get(&run).filter(|before| before.fence > self.fences[who]) {
            return format!("stale {}", before.fence);
        }
        self.hold(who, run)
    }

    fn renew(&mut self, who: usize, run: usize) -> String {
        match self.leases.get(&run) {
            Some(other) if other.fence != self.fences[who] => format!("stale {}", other.fence),
            Some(_) | None => self.hold(who, run),
        }
    }

    fn hold(&mut self, who: usize, run: usize) -> String {
        self.leases.insert(run, Holds { who, fence: self.fences[who], until: self.now + LENGTH });
        "done".to_owned()
    }

    fn release(&mut self, who: usize, run: usize) -> String {
        let mine = self.leases.get(&run).is_some_and(|holds| holds.fence == self.fences[who]);
        if mine {
            self.leases.remove(&run);
        }
        mine.to_string()
    }

    /// What stands in the way of a write, whatever it says.
    fn obstacle(&self, who: usize, run: usize) -> Option<String> {
        let stored = self.record?;
        if stored.run != run
            && stored.status != TaskStatus::Skipped
            && let Some(holder) = self.holder(stored.run)
        {
            return Some(format!("held R{} by {}", stored.run, holder.who));
        }
        (stored.fence > self.fences[who]).then(|| format!("stale {}", stored.fence))
    }

    fn claim(&mut self, who: usize, run: usize, status: TaskStatus, revision: u64) -> String {
        if let Some(obstacle) = self.obstacle(who, run) {
            return obstacle;
        }
        if self.record.is_some_and(|stored| stored.run == run && stored.revision == revision) {
            return "kept".to_owned();
        }
        self.store(who, run, status, revision)
    }

    fn write(&mut self, who: usize, run: usize, expected: u64, steps: &[TaskStatus]) -> String {
        if let Some(obstacle) = self.obstacle(who, run) {
            return obstacle;
        }
        if let Some(stored) = self.record.filter(|stored| stored.run == run) {
            if stored.revision != expected {
                return format!("conflict {expected} {}", stored.revision);
            }
            let mut from = stored.status;
            for to in steps {
                if !from.may_become(*to) {
                    return format!("illegal {from} {to}");
                }
                from = *to;
            }
        }
        let status = steps.last().copied().unwrap_or(TaskStatus::Running);
        self.store(who, run, status, expected + 1)
    }

    fn store(&mut self, who: usize, run: usize, status: TaskStatus, revision: u64) -> String {
        let (fence, heartbeat) = (self.fences[who], self.now);
        self.record = Some(Stands { run, status, revision, fence, heartbeat });
        "written".to_owned()
    }

    fn beat(&mut self, who: usize, run: usize) {
        let (fence, now) = (self.fences[who], self.now);
        if let Some(stored) = self.record.as_mut().filter(|stored| stored.run == run && stored.fence <= fence)
        {
            stored.heartbeat = now;
        }
    }
}

fn run_id(run: usize) -> RunId {
    RunId(format!("R{run}"))
}

fn lease_key(run: usize) -> String {
    format!("p:run:R{run}:lease")
}

fn record_of(stands: &Stands, number: i64) -> TaskStatusRecord {
    TaskStatusRecord {
        schema: TaskStatusVersion::V1,
        run_id: run_id(stands.run),
        task_id: TaskId::new("T1"),
        plan: "plan.md".to_owned(),
        title: "Title".to_owned(),
        status: stands.status,
        attempt: 0,
        agent: None,
        model: None,
        layer: None,
        worker: None,
        started_at: None,
        // No two writes have the same text.
        updated_at: Timestamp(number),
        heartbeat_at: Timestamp(stands.heartbeat),
        deadline_at: None,
        revision: stands.revision,
        fence: stands.fence,
        verdict: None,
        progress: None,
        report_problem: None,
    }
}

fn lease_of(who: usize, run: usize, fence: u64, until: i64) -> Lease {
    Lease {
        schema: LeaseVersion::V1,
        run_id: run_id(run),
        host: "host".to_owned(),
        pid: u32::try_from(who).unwrap(),
        pid_started: String::new(),
        fence,
        until: Timestamp(until),
    }
}

/// An answer of a store in the model's words.
fn told<T>(answer: Result<T, StoreError>, done: impl FnOnce(T) -> String) -> String {
    match answer {
        Ok(value) => done(value),
        Err(StoreError::Held { run, holder, .. }) => format!("held {run} by {}", &holder["host:".len()..]),
        Err(StoreError::Stale { found, .. }) => format!("stale {found}"),
        Err(StoreError::Conflict { expected, found, .. }) => format!("conflict {expected} {found}"),
        Err(StoreError::IllegalStep { from, to, .. }) => format!("illegal {from} {to}"),
        Err(other) => panic!("{other}"),
    }
}

fn decided(decision: Decision) -> String {
    match decision {
        Decision::Write => "written",
        Decision::Keep => "kept",
    }
    .to_owned()
}

fn submit(
    store: &mut impl SharedState,
    model: &Model,
    stands: &Stands,
    number: i64,
    expected: Expected<'_>,
) -> String {
    let record = record_of(stands, number);
    let json = serde_json::to_string(&record).unwrap();
    let write = StatusWrite { prefix: PREFIX, key: STATUS, record: &record, json: &json, expected };
    told(store.write_status(&write, Timestamp(model.now), &|lease| !model.dead[lease.pid as usize]), decided)
}

/// Does all of it to an empty store and to the model, and compares them after each step.
pub(in crate::store) fn holds_model<S: SharedState>(
    store: &mut S,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let mut model = Model { now: 1_000, ..Model::default() };
    for (number, step) in (1..).zip(steps) {
        let before = (model.record, model.fence);
        let (did, says) = take_step(store, &mut model, number, step);
        prop_assert_eq!(did, says, "the answer to {:?}", step);
        compare(store, &model, step)?;
        // What the model allowed has to be what was promised, too.
        prop_assert!(model.fence >= before.1);
        if let (Some(one), Some(next)) = (before.0, model.record) {
            prop_assert!(next.fence >= one.fence, "an older supervisor wrote over a newer one: {:?}", step);
            prop_assert!(next.run != one.run || next.revision >= one.revision, "{:?} went back", step);
        }
    }
    Ok(())
}

/// One step on both sides: what the store answered, and what the model says.
fn take_step<S: SharedState>(store: &mut S, model: &mut Model, number: i64, step: &Step) -> (String, String) {
    let now = Timestamp(model.now);
    let done = |()| "done".to_owned();
    match *step {
        Step::Pass(time) => {
            model.now += time;
            (String::new(), String::new())
        }
        Step::Dies { who } => {
            model.dead[who] = true;
            (String::new(), String::new())
        }
        Step::Fence { who } => {
            // Somebody new, under a name that is free again.
            model.dead[who] = false;
            let did = store.next_fence(FENCE, now).unwrap();
            model.fence = (model.fence + 1).max(u64::try_from(model.now).unwrap());
            model.fences[who] = model.fence;
            (did.to_string(), model.fence.to_string())
        }
        Step::Take { who, run } => {
            let lease = lease_of(who, run, model.fences[who], model.now + LENGTH);
            let taken =
                store.take_lease(&lease_key(run), &lease, now, &|lease| !model.dead[lease.pid as usize]);
            (told(taken, done), model.take(who, run))
        }
        Step::Renew { who, run } => {
            let lease = lease_of(who, run, model.fences[who], model.now + LENGTH);
            (told(store.renew_lease(&lease_key(run), &lease), done), model.renew(who, run))
        }
        Step::Release { who, run } => {
            let released = store.release_lease(&lease_key(run), model.fences[who]);
            (told(released, |was| was.to_string()), model.release(who, run))
        }
        Step::Claim { who, run, further, skips } => {
            let status = if skips { TaskStatus::Skipped } else { TaskStatus::Pending };
            let own = model.record.filter(|stored| stored.run == run);
            let revision = own.map_or(0, |stored| stored.revision) + further;
            let stands = Stands { run, status, revision, fence: model.fences[who], heartbeat: model.now };
            let did = submit(store, model, &stands, number, Expected::Claim);
            (did, model.claim(who, run, status, revision))
        }
        Step::Write { who, run, beside, ref steps } => {
            let own = model.record.filter(|stored| stored.run == run);
            let expected = own.map_or(0, |stored| stored.revision).wrapping_add(beside);
            let status = steps.last().copied().unwrap_or(TaskStatus::Running);
            let (fence, heartbeat) = (model.fences[who], model.now);
            let stands = Stands { run, status, revision: expected + 1, fence, heartbeat };
            let did = submit(store, model, &stands, number, Expected::Revision(expected, steps));
            (did, model.write(who, run, expected, steps))
        }
        Step::Beat { who, run } => {
            store.beat(STATUS, &run_id(run), model.fences[who], now).unwrap();
            model.beat(who, run);
            (String::new(), String::new())
        }
        Step::Append => {
            model.events += 1;
            let did = store.stream_append(STREAM, &model.events.to_string(), &run_id(0)).unwrap();
            (did.to_string(), model.events.to_string())
        }
    }
}

/// Whether the store has what the model has, and nothing else.
fn compare<S: SharedState>(store: &S, model: &Model, step: &Step) -> Result<(), TestCaseError> {
    let record = store.get(STATUS).unwrap().map(|text| {
        let record: TaskStatusRecord = serde_json::from_str(&text).unwrap();
        Stands {
            run: record.run_id.0[1..].parse().unwrap(),
            status: record.status,
            revision: record.revision,
            fence: record.fence,
            heartbeat: record.heartbeat_at.0,
        }
    });
    prop_assert_eq!(record, model.record, "the record after {:?}", step);
    for run in 0..2 {
        let lease = store.get(&lease_key(run)).unwrap().map(|text| {
            let lease: Lease = serde_json::from_str(&text).unwrap();
            Holds { who: lease.pid as usize, fence: lease.fence, until: lease.until.0 }
        });
        prop_assert_eq!(lease, model.leases.get(&run).copied(), "the lease of R{} after {:?}", run, step);
    }
    let fence = store.get(FENCE).unwrap().map_or(0, |text| text.parse().unwrap());
    prop_assert_eq!(fence, model.fence);
    let events: Vec<(u64, String)> = (1..=model.events).map(|number| (number, number.to_string())).collect();
    prop_assert_eq!(store.stream_read(STREAM, 0).unwrap(), events);
    Ok(())
}
