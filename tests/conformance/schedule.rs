//! How many rows run at once: as many as start-ups keep the cores busy and memory allows. A provider
//! that lets an agent wait costs nothing, so long waits lie beside each other and begin first.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use orchestrate::agents::presets;
use orchestrate::supervisor::available_memory;

/// How long a row counts as starting at most: one whose provider is not reached never tells.
const STARTING: Duration = Duration::from_secs(40);
/// Memory of a CLI that does not say what it needs.
const USUAL_MEMORY: u64 = 1 << 30;

/// What may run at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Rows.
    pub(crate) rows: usize,
    /// Rows that are starting.
    pub(crate) starting: usize,
    /// Bytes.
    pub(crate) memory: u64,
}

impl Limits {
    /// For this machine; `rows` where it is told.
    pub(crate) fn here(rows: Option<usize>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
        let rows = rows.unwrap_or(6 * cores);
        let memory = available_memory().unwrap_or(4 << 30) / 5 * 4;
        Self { rows, starting: (cores + 1).min(rows), memory }
    }
}

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Job<T> {
    pub(crate) what: T,
    /// Whether most of its time is waiting.
    pub(crate) waits: bool,
    /// Bytes.
    pub(crate) memory: u64,
}

/// The memory that an adapter says its CLI needs.
pub(crate) fn memory_of(cli: &str) -> u64 {
    let agent = presets::builtin().into_iter().find(|agent| agent.name == cli);
    agent.and_then(|agent| agent.memory).unwrap_or(USUAL_MEMORY)
}

/// Runs all jobs. A job sets its flag when it has started, which is what costs the machine most;
/// `told` gets each answer as it comes.
pub(crate) fn run<T: Sync, R: Send>(
    jobs: &[Job<T>],
    limits: Limits,
    work: impl Fn(&T, &AtomicBool) -> R + Sync,
    mut told: impl FnMut(&R),
) -> Vec<R> {
    let mut pending: Vec<usize> = (0..jobs.len()).collect();
    pending.sort_by_key(|&job| !jobs[job].waits);
    let started: Vec<AtomicBool> = jobs.iter().map(|_| AtomicBool::new(false)).collect();
    let mut running: Vec<(usize, Instant)> = Vec::new();
    let mut answers: Vec<Option<R>> = jobs.iter().map(|_| None).collect();
    std::thread::scope(|scope| {
        let (sender, ended) = channel();
        while !(pending.is_empty() && running.is_empty()) {
            let starts = |&&(job, since): &&(usize, Instant)| {
                !started[job].load(Ordering::Relaxed) && since.elapsed() < STARTING
            };
            while let Some(place) =
                next(jobs, &pending, &running, running.iter().filter(starts).count(), limits)
            {
                let job = pending.remove(place);
                running.push((job, Instant::now()));
                let (sender, work, started) = (sender.clone(), &work, &started[job]);
                scope.spawn(move || {
                    let answer = work(&jobs[job].what, started);
                    // The receiver lives as long as a job runs.
                    drop(sender.send((job, answer)));
                });
            }
            match ended.recv_timeout(Duration::from_secs(1)) {
                Ok((job, answer)) => {
                    running.retain(|&(other, _)| other != job);
                    told(&answer);
                    answers[job] = Some(answer);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    answers.into_iter().flatten().collect()
}

/// The place of the job that may start.
fn next<T>(
    jobs: &[Job<T>],
    pending: &[usize],
    running: &[(usize, Instant)],
    starting: usize,
    limits: Limits,
) -> Option<usize> {
    if running.is_empty() {
        return (!pending.is_empty()).then_some(0);
    }
    if running.len() >= limits.rows || starting >= limits.starting {
        return None;
    }
    let used: u64 = running.iter().map(|&(job, _)| jobs[job].memory).sum();
    let waiting = running.iter().filter(|&&(job, _)| jobs[job].waits).count();
    // Some places stay for those that work, or the cores would rest while all wait.
    let may_wait = waiting + limits.starting < limits.rows;
    let all_wait = pending.iter().all(|&job| jobs[job].waits);
    pending.iter().position(|&job| {
        (!jobs[job].waits || may_wait || all_wait) && used + jobs[job].memory <= limits.memory
    })
}
