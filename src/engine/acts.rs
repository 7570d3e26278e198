//! Carrying out effects: starting, stopping, checking, ticking.

use std::path::PathBuf;
use std::sync::Arc;

use crate::agents::AdapterError;
use crate::engine::Engine;
use crate::engine::facts::checked;
use crate::engine::prepare::{self, AttemptOrder};
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::layer::Rung;
use crate::model::ledger::Ask;
use crate::model::limits::Peaks;
use crate::model::outcome::{AttemptFacts, CheckResult, CompletionFact, Ending, Outcome};
use crate::model::reading::{Reading, Sign, SignSource};
use crate::model::report::ReportFact;
use crate::model::run::RunSpec;
use crate::model::task::TaskSpec;
use crate::model::time::Span;
use crate::scheduler::{Effect, Input};
use crate::supervisor::{self, CheckJob, CheckTicket};

/// What an attempt is told of those before it.
#[derive(Debug, Clone, Copy)]
struct Told<'a> {
    note: Option<&'a str>,
    session: Option<&'a str>,
}

impl Engine {
    /// Carries out one effect. What follows from it at once comes back as inputs.
    pub(super) fn carry_out(&mut self, effect: Effect) -> Vec<Input> {
        match effect {
            Effect::Record(_) => {}
            Effect::Spawn { key, rung, timeout, note, session } => {
                let told = Told { note: note.as_deref(), session: session.as_deref() };
                if let Err(error) = self.spawn(&key, &rung, timeout, told) {
                    self.ungranted.remove(&key);
                    self.parts.store.revoke(&key);
                    return vec![not_started(key, &error)];
                }
                return self.ungranted(&key);
            }
            Effect::Reserve { key, provider, month, amount, least, budget } => {
                return self.reserve(Ask { key, provider, month, amount, least, budget });
            }
            Effect::Release { key, provider, month } => self.release(&key, &provider, &month),
            Effect::Stop { key, reason } => self.supervisor.stop(&key, reason),
            Effect::Verify { key, commands, timeout } => {
                let directory = self.parts.workspace.directory(&key.task);
                let log = self.parts.folders.attempt(&key.task, key.attempt).join("verify.log");
                let job = self.check_job(CheckTicket::Task(key), commands, directory, timeout, log);
                return self.check(job);
            }
            Effect::VerifyRun { commands, timeout, .. } => {
                let log = self.parts.folders.run().join("verify.log");
                let root = self.parts.spec.root.clone();
                let job = self.check_job(CheckTicket::Run, commands, root, timeout, log);
                return self.check(job);
            }
            Effect::Tick { task } => {
                // Before it, for afterwards the plan looks as we left it, whoever changed it before.
                let mut inputs = self.look_at_plan();
                let problem = self.tick(&task);
                inputs.push(Input::Ticked { task, problem });
                return inputs;
            }
            Effect::Finish { status, exit } => self.ended = Some((status, exit)),
        }
        Vec::new()
    }

    fn spawn(&mut self, key: &AttemptKey, rung: &Rung, timeout: Span, told: Told<'_>) -> anyhow::Result<()> {
        let spec = Arc::clone(&self.parts.spec);
        let task = self.task(&spec, &key.task);
        let view = self.parts.scheduler.view().task(&key.task);
        let first = view.and_then(|view| view.attempts.first()).map(|first| first.started_at);
        self.parts.workspace.begin(task, first.unwrap_or_else(|| self.parts.clock.now()))?;
        let workspace = self.parts.workspace.directory(&key.task);
        let data = self.sessions.folder_of(key, told.session.is_some(), &self.parts.folders);
        let grant = self.grant(key);
        let order = AttemptOrder {
            key,
            task,
            rung,
            timeout,
            note: told.note,
            session: told.session,
            data: &data,
            grant: grant.as_ref(),
        };
        let mut job = prepare::prepare(
            &spec,
            self.parts.scheduler.view(),
            &self.parts.folders,
            &self.parts.surroundings,
            &workspace,
            &order,
        )?;
        self.sessions.take(key, &job.command)?;
        self.begin_report(key)?;
        self.active.insert(key.clone());
        job.onlooker = self.onlooker(key, &rung.agent);
        self.supervisor.start(job);
        Ok(())
    }

    /// The task `id` of `spec`, which is this run's.
    pub(super) fn task<'a>(&self, spec: &'a RunSpec, id: &TaskId) -> &'a TaskSpec {
        let place = self.tasks.get(id).expect("the scheduler names only tasks of its run");
        &spec.tasks[*place]
    }

    fn check_job(
        &self,
        ticket: CheckTicket,
        commands: Vec<String>,
        directory: PathBuf,
        timeout: Span,
        log: PathBuf,
    ) -> Result<CheckJob, (CheckTicket, Vec<String>)> {
        let shell = self.parts.spec.agents.get("command").and_then(|agent| agent.found.clone());
        let Some(shell) = shell else { return Err((ticket, commands)) };
        let environment =
            prepare::check_environment(&self.parts.spec, &self.parts.surroundings, &ticket, &directory);
        let run = &self.parts.spec.run_id;
        let mark = match &ticket {
            CheckTicket::Task(key) => supervisor::attempt_mark(run, key),
            CheckTicket::Run => supervisor::run_mark(run),
        };
        Ok(CheckJob { ticket, commands, shell, directory, environment, timeout: timeout.0, log, mark })
    }

    /// Starts the checks, or says at once that there is no shell to run them with.
    fn check(&mut self, job: Result<CheckJob, (CheckTicket, Vec<String>)>) -> Vec<Input> {
        match job {
            Ok(job) => {
                self.supervisor.check(job);
                Vec::new()
            }
            Err((ticket, commands)) => {
                let results = commands
                    .into_iter()
                    .map(|command| CheckResult {
                        command,
                        ending: Ending::NotFound { message: "no shell `sh` was found".to_owned() },
                        timed_out: false,
                        tail: String::new(),
                        wall_ms: 0,
                    })
                    .collect();
                vec![checked(ticket, results)]
            }
        }
    }
}

/// The facts of an attempt whose process never was.
fn not_started(key: AttemptKey, error: &anyhow::Error) -> Input {
    let message = format!("{error:#}");
    // An adapter that refuses knows what is wrong better than that nothing was started.
    let refusal = error.downcast_ref::<AdapterError>().map(|refusal| Sign {
        kind: refusal.kind(),
        source: SignSource::Exit,
        message: message.clone(),
        status: None,
        retry_after_s: None,
    });
    let outcome = Outcome {
        ending: Ending::FailedToStart { message },
        stopped: None,
        left_behind: 0,
        wall_ms: 0,
        peaks: Peaks::default(),
    };
    let facts = AttemptFacts {
        outcome,
        reading: Reading { terminal_error: refusal, ..Reading::default() },
        completion: CompletionFact::Missing,
        report: ReportFact::default(),
        outputs: Vec::new(),
        claims: Vec::new(),
        plan_changed: false,
        session_kept: false,
        rights_doubt: None,
        doubts: Vec::new(),
        tests_unseen: None,
    };
    Input::AttemptEnded { key, facts: Box::new(facts) }
}
