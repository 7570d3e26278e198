//! Whole runs of the real program, killed at random moments while their tasks start processes that try
//! to get away: afterwards nothing of the run lives, and `resume` loses nothing and does nothing twice.
//!
//! `ORCHESTRATE_TORTURE_ROUNDS` says how many runs, `ORCHESTRATE_TORTURE_SEED` which; a round that failed is
//! repeated by its own seed, which is printed, and one round. `scripts/torture` runs it for longer.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test's panic is its failure; it reads its own settings and prints its figures"
)]

#[path = "../support/project.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod project;

mod history;
mod plan;
mod round;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Runs where nobody says how many.
const ROUNDS: u64 = 12;

/// Runs at the same time.
const AT_ONCE: usize = 4;

/// What all rounds came to.
#[derive(Debug, Default)]
struct Figures {
    rounds: u64,
    /// By what was killed, or how.
    kills: BTreeMap<&'static str, u64>,
    /// Processes of which five seconds after a kill some were alive.
    survivors: usize,
    /// Processes that both deaths had left for the next command.
    left_for_next: usize,
    resumes: u64,
    /// Attempts that nobody saw the end of, and which were tried again.
    attempts_lost: u64,
    /// Tasks that did not succeed, or without a trace of having run to their end.
    tasks_lost: u64,
    /// Tasks that ran again after they had succeeded, or twice at once.
    doubled: u64,
    slowest_end: Duration,
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.rounds += other.rounds;
        for (what, count) in other.kills {
            *self.kills.entry(what).or_default() += count;
        }
        self.survivors += other.survivors;
        self.left_for_next += other.left_for_next;
        self.resumes += other.resumes;
        self.attempts_lost += other.attempts_lost;
        self.tasks_lost += other.tasks_lost;
        self.doubled += other.doubled;
        self.slowest_end = self.slowest_end.max(other.slowest_end);
    }
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn kills_at_random_moments_leave_nobody_and_lose_nothing() {
    let rounds = setting("ORCHESTRATE_TORTURE_ROUNDS", ROUNDS);
    let first = setting("ORCHESTRATE_TORTURE_SEED", 1);
    println!("torture: {rounds} rounds from seed {first}");
    let (figures, troubles) = (Mutex::new(Figures::default()), Mutex::new(Vec::new()));
    let tokens = Mutex::new(Vec::new());
    let next = AtomicU64::new(first);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + rounds {
                        return;
                    }
                    let (of_round, trouble, token) = round::run(seed);
                    tokens.lock().unwrap().push(token);
                    figures.lock().unwrap().add(of_round);
                    troubles
                        .lock()
                        .unwrap()
                        .extend(trouble.into_iter().map(|text| format!("seed {seed}: {text}")));
                }
            });
        }
    });
    let tokens = tokens.into_inner().unwrap();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    // What came back after its round had counted.
    let late = round::alive(&tokens);
    let (mut figures, mut troubles) = (figures.into_inner().unwrap(), troubles.into_inner().unwrap());
    if !late.is_empty() {
        figures.survivors += late.len();
        troubles.push(format!("after all rounds {} are alive: {late:#?}", late.len()));
    }
    let kills: u64 = figures.kills.values().sum();
    println!(
        "torture: seeds {first} to {}: {kills} kills {:?}, {} survivors, {} processes ended by the next command, {} \
         resumes, {} attempts lost and tried again, {} tasks lost, {} doubled, slowest end {} ms",
        first + figures.rounds - 1,
        figures.kills,
        figures.survivors,
        figures.left_for_next,
        figures.resumes,
        figures.attempts_lost,
        figures.tasks_lost,
        figures.doubled,
        figures.slowest_end.as_millis(),
    );
    assert!(troubles.is_empty(), "\n{}", troubles.join("\n"));
    assert_eq!((figures.survivors, figures.tasks_lost, figures.doubled), (0, 0, 0));
    assert!(kills > 0 && figures.resumes > 0, "nothing was tried");
}
