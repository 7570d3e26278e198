//! What an attempt came to: nine witnesses, and which of them decides.
//!
//! Agents claim what they have not done and exit 0 on errors, so an attempt is a success only if
//! no witness disagrees. Every witness stands in the verdict, with whether it applies and what it
//! saw; one that cannot see neither agrees nor disagrees.
//!
//! Where several disagree, the one that explains best decides, in this order:
//!
//! | what | witness | kind |
//! | --- | --- | --- |
//! | we were asked to stop it | process | none: the attempt is cancelled |
//! | the program is not there, or did not start | process | `agent_not_found`, `exited` |
//! | a limit on memory, output, processes | process | `over_limit` |
//! | a terminal error in the agent's events or error log | events | as the sign says |
//! | we stopped it: deadline, silence, no hope | process | `timed_out`, `stalled` |
//! | the agent itself says that it failed or cannot go on | completion | `reported_failed`, `reported_blocked` |
//! | a terminal error that was only made out of how it ended | events | as the sign says |
//! | exit code, signal | process | `exited`, `killed` |
//! | no completion, or a bad one | completion | `no_completion`, `bad_completion` |
//! | the others in the order of the contract | outputs, change, model, verify | their own |
//!
//! A provider's error explains a missing completion, not the other way round; and it says more
//! than a deadline that passed while the agent tried again and again. This module looks at facts
//! alone: it reads no file and knows no agent's phrases.

use crate::model::agent::{AdapterKind, AgentSpec, CompletionRule};
use crate::model::completion::{Change, CompletionStatus};
use crate::model::failure::{Failure, FailureKind};
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::layer::Rung;
use crate::model::outcome::{AttemptFacts, CheckResult, CompletionFact, Ending, StopReason};
use crate::model::reading::{Sign, SignSource};
use crate::model::run::{Isolation, RunSpec};
use crate::model::status::AttemptStatus;
use crate::model::task::{FileVerb, TaskSpec};
use crate::model::verdict::{Verdict, Witness, WitnessName};

use super::names::same_model;

/// How far the checks of an attempt are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Checks<'a> {
    /// Nothing was run: the other witnesses are asked first.
    NotYet,
    /// They were run, and these are the results.
    Done {
        /// Of the task's own commands, in order.
        own: &'a [CheckResult],
        /// Of the run-wide commands, in order.
        wide: &'a [CheckResult],
        /// The tasks for which the run-wide commands were run together.
        together: &'a [TaskId],
    },
}

/// What the judge is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The run.
    pub spec: &'a RunSpec,
    /// The task.
    pub task: &'a TaskSpec,
    /// The attempt.
    pub key: &'a AttemptKey,
    /// Where it ran.
    pub rung: &'a Rung,
    /// What was seen of it.
    pub facts: &'a AttemptFacts,
    /// What its checks came to.
    pub checks: Checks<'a>,
}

/// What the judge says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// As what the attempt ended.
    pub status: AttemptStatus,
    /// Why.
    pub verdict: Verdict,
}

impl Question<'_> {
    fn agent(&self) -> Option<&AgentSpec> {
        self.spec.agents.get(&self.rung.agent)
    }

    fn is_command(&self) -> bool {
        self.agent().is_some_and(|agent| agent.kind == AdapterKind::Command)
    }

    fn completion_rule(&self) -> CompletionRule {
        match self.agent() {
            Some(agent) if agent.kind == AdapterKind::Command => match agent.completion {
                CompletionRule::None => CompletionRule::None,
                CompletionRule::Required | CompletionRule::Optional => CompletionRule::Optional,
            },
            Some(agent) => agent.completion,
            None => CompletionRule::Required,
        }
    }
}

/// A witness with the failure that its disagreement means.
struct Said {
    witness: Witness,
    kind: Option<FailureKind>,
}

impl Said {
    fn agrees(name: WitnessName, seen: impl Into<String>) -> Self {
        Self { witness: Witness { name, agrees: Some(true), asked: true, seen: seen.into() }, kind: None }
    }

    fn disagrees(name: WitnessName, kind: FailureKind, seen: impl Into<String>) -> Self {
        let witness = Witness { name, agrees: Some(false), asked: true, seen: one_line(&seen.into()) };
        Self { witness, kind: Some(kind) }
    }

    fn cannot_see(name: WitnessName, why: &str) -> Self {
        let seen = format!("not observable: {why}");
        Self { witness: Witness { name, agrees: None, asked: true, seen }, kind: None }
    }

    fn not_asked(name: WitnessName, why: impl Into<String>) -> Self {
        Self { witness: Witness { name, agrees: None, asked: false, seen: why.into() }, kind: None }
    }

    fn is_against(&self) -> bool {
        self.witness.agrees == Some(false)
    }
}

/// Judges an attempt by what was seen of it.
pub fn judge(question: &Question<'_>) -> Judgement {
    let mut said = vec![
        process(question),
        events(question),
        completion(question),
        outputs(question),
        change(question),
        model(question),
    ];
    let against = said.iter().any(Said::is_against);
    said.push(verify(question, against));
    said.extend(landing(question));

    let cancelled = question.facts.outcome.stopped == Some(StopReason::Requested);
    let decided = said
        .iter()
        .filter(|said| said.is_against())
        .min_by_key(|said| weight(said, question))
        .map(|said| (said.witness.name, said.kind, said.witness.seen.clone()));
    let status = if cancelled {
        AttemptStatus::Cancelled
    } else if decided.is_some() {
        AttemptStatus::Failed
    } else {
        AttemptStatus::Succeeded
    };
    let failure = decided
        .as_ref()
        .filter(|_| !cancelled)
        .and_then(|(_, kind, seen)| kind.map(|kind| Failure::new(kind, seen.clone())));
    let notes = notes(question, failure.as_ref());
    let verdict = Verdict {
        failure,
        decided_by: decided.map(|(name, _, _)| name),
        witnesses: said.into_iter().map(|said| said.witness).collect(),
        notes,
    };
    Judgement { status, verdict }
}

/// The verdict on an attempt whose supervisor died: nobody saw how it ended.
pub fn lost() -> Verdict {
    let seen = "its supervisor died while it ran";
    let witness = |name| Said::not_asked(name, "the attempt was lost").witness;
    Verdict {
        failure: Some(Failure::new(FailureKind::Lost, seen)),
        decided_by: Some(WitnessName::Process),
        witnesses: vec![
            Said::disagrees(WitnessName::Process, FailureKind::Lost, seen).witness,
            witness(WitnessName::Events),
            witness(WitnessName::Completion),
            witness(WitnessName::Outputs),
            witness(WitnessName::Change),
            witness(WitnessName::Model),
            witness(WitnessName::Verify),
            witness(WitnessName::Ownership),
            witness(WitnessName::Merge),
        ],
        notes: Vec::new(),
    }
}

/// The verdict on an attempt that was stopped after its process had ended and before its result
/// was checked to the end.
pub fn stopped_while_verifying(mut judgement: Judgement) -> Judgement {
    judgement.status = AttemptStatus::Cancelled;
    judgement.verdict.failure = None;
    judgement.verdict.decided_by = Some(WitnessName::Verify);
    for witness in &mut judgement.verdict.witnesses {
        if witness.name == WitnessName::Verify {
            witness.asked = true;
            witness.agrees = None;
            "not observable: stopped before it was done".clone_into(&mut witness.seen);
        }
    }
    judgement
}

/// The place in the table at the top; the smallest decides.
fn weight(said: &Said, question: &Question<'_>) -> u8 {
    let outcome = &question.facts.outcome;
    match said.witness.name {
        WitnessName::Process => match &outcome.stopped {
            Some(StopReason::Requested) => 0,
            Some(StopReason::OverLimit { .. }) => 2,
            Some(
                StopReason::Deadline | StopReason::Idle | StopReason::Hopeless { .. } | StopReason::Lingering,
            ) => 4,
            None => match outcome.ending {
                Ending::NotFound { .. } | Ending::FailedToStart { .. } => 1,
                Ending::Exited { .. } | Ending::Killed { .. } | Ending::Unknown { .. } => 7,
            },
        },
        WitnessName::Events => match &question.facts.reading.terminal_error {
            Some(sign) if sign.source == SignSource::Exit || sign.kind == FailureKind::Exited => 6,
            Some(_) | None => 3,
        },
        WitnessName::Completion => match &question.facts.completion {
            CompletionFact::Valid { .. } if said.kind != Some(FailureKind::BadCompletion) => 5,
            CompletionFact::Valid { .. } | CompletionFact::Missing | CompletionFact::Invalid { .. } => 8,
        },
        WitnessName::Outputs => 9,
        WitnessName::Change => 10,
        WitnessName::Model => 11,
        WitnessName::Verify => 12,
        WitnessName::Ownership => 13,
        WitnessName::Merge => 14,
    }
}

fn process(question: &Question<'_>) -> Said {
    use WitnessName::Process;
    let outcome = &question.facts.outcome;
    let valid = matches!(question.facts.completion, CompletionFact::Valid { .. });
    match &outcome.stopped {
        Some(StopReason::Deadline) => Said::disagrees(
            Process,
            FailureKind::TimedOut,
            format!("stopped by us: its {} passed", question.task.timeout),
        ),
        Some(StopReason::Idle) => Said::disagrees(
            Process,
            FailureKind::Stalled,
            format!("stopped by us: nothing happened for {}", question.spec.settings.idle_timeout),
        ),
        Some(StopReason::Hopeless { seen }) => {
            let error = question.facts.reading.terminal_error.as_ref();
            let kind = error.map_or(FailureKind::Stalled, |sign| sign.kind);
            Said::disagrees(Process, kind, format!("stopped by us: {seen}"))
        }
        Some(StopReason::Lingering) if valid => {
            Said::agrees(Process, "ended by us, a while after a valid completion")
        }
        Some(StopReason::Lingering) => Said::disagrees(
            Process,
            FailureKind::Stalled,
            "ended by us as done, and its completion is not valid any more",
        ),
        Some(StopReason::OverLimit { seen }) => {
            Said::disagrees(Process, FailureKind::OverLimit, format!("stopped by us: {seen}"))
        }
        Some(StopReason::Requested) => Said::disagrees(Process, FailureKind::Killed, "stopped on request"),
        None => ended_by_itself(question),
    }
}

fn ended_by_itself(question: &Question<'_>) -> Said {
    use WitnessName::Process;
    match &question.facts.outcome.ending {
        Ending::NotFound { message } => {
            Said::disagrees(Process, FailureKind::AgentNotFound, format!("not started: {message}"))
        }
        Ending::FailedToStart { message } => {
            Said::disagrees(Process, FailureKind::Exited, format!("not started: {message}"))
        }
        Ending::Exited { code } => {
            let good = match question.agent() {
                Some(agent) if !agent.success_codes.is_empty() => agent.success_codes.contains(code),
                Some(_) | None => *code == 0,
            };
            let seen = format!("ended by itself, exit {code}");
            if good {
                Said::agrees(Process, seen)
            } else {
                Said::disagrees(Process, FailureKind::Exited, format!("exit code {code}"))
            }
        }
        Ending::Killed { signal } => Said::disagrees(
            Process,
            FailureKind::Killed,
            format!("ended by signal {signal}{}, which was not ours", signal_name(*signal)),
        ),
        // The exit code is all the word that a command has.
        Ending::Unknown { message } if question.is_command() => {
            Said::disagrees(Process, FailureKind::Exited, format!("its exit code is unknown: {message}"))
        }
        Ending::Unknown { message } => Said::cannot_see(Process, message),
    }
}

const fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        3 => " (SIGQUIT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

fn events(question: &Question<'_>) -> Said {
    use WitnessName::Events;
    let reading = &question.facts.reading;
    if let Some(sign) = &reading.terminal_error {
        return Said::disagrees(Events, sign.kind, sign_text(sign));
    }
    match question.agent().map(|agent| agent.kind) {
        Some(AdapterKind::Command) => return Said::not_asked(Events, "a command has no events"),
        Some(AdapterKind::Program) | None if reading.turns.is_none() && reading.proper_end.is_none() => {
            return Said::cannot_see(Events, "its output has no events");
        }
        Some(AdapterKind::Kilo | AdapterKind::Opencode | AdapterKind::Cline | AdapterKind::Program)
        | None => {}
    }
    match reading.turns {
        Some(1) => Said::agrees(Events, "1 turn, no error"),
        Some(turns) => Said::agrees(Events, format!("{turns} turns, no error")),
        None => Said::agrees(Events, "no error"),
    }
}

fn sign_text(sign: &Sign) -> String {
    let mut text = String::new();
    if let Some(status) = sign.status {
        text.push_str(&status.to_string());
        text.push(' ');
    }
    text.push_str(&sign.message);
    if let Some(seconds) = sign.retry_after_s {
        text.push_str(&format!(", retry after {seconds}s"));
    }
    one_line(&text)
}

fn completion(question: &Question<'_>) -> Said {
    use WitnessName::Completion;
    let rule = question.completion_rule();
    let completion = match (&question.facts.completion, rule) {
        (_, CompletionRule::None) => {
            return Said::not_asked(Completion, "this agent leaves none");
        }
        (CompletionFact::Missing, CompletionRule::Required) => {
            return Said::disagrees(Completion, FailureKind::NoCompletion, "it left no completion");
        }
        (CompletionFact::Missing, CompletionRule::Optional) => {
            return Said::not_asked(Completion, "none was left, and none is needed");
        }
        (CompletionFact::Invalid { problems }, _) => {
            let seen = if problems.is_empty() { "not valid".to_owned() } else { problems.join("; ") };
            return Said::disagrees(Completion, FailureKind::BadCompletion, seen);
        }
        (CompletionFact::Valid { completion }, _) => completion,
    };
    let stranger = if completion.run_id != question.spec.run_id {
        Some(format!("it is for run {}", completion.run_id))
    } else if completion.task_id != question.task.id {
        Some(format!("it is for task `{}`", completion.task_id))
    } else if completion.attempt != question.key.attempt {
        Some(format!("it is for attempt {}", completion.attempt))
    } else {
        None
    };
    if let Some(seen) = stranger {
        return Said::disagrees(Completion, FailureKind::BadCompletion, seen);
    }
    let words = completion
        .error
        .as_ref()
        .map_or_else(|| completion.summary.clone(), |error| format!("{}: {}", error.kind, error.message));
    match completion.status {
        CompletionStatus::Succeeded => {
            Said::agrees(Completion, format!("succeeded: \"{}\"", one_line(&completion.summary)))
        }
        CompletionStatus::Failed => Said::disagrees(Completion, FailureKind::ReportedFailed, words),
        CompletionStatus::Blocked => Said::disagrees(Completion, FailureKind::ReportedBlocked, words),
    }
}

fn outputs(question: &Question<'_>) -> Said {
    use WitnessName::Outputs;
    let facts = &question.facts.outputs;
    if question.task.outputs.is_empty() && facts.is_empty() {
        return Said::not_asked(Outputs, "none is declared");
    }
    let missing: Vec<String> = facts
        .iter()
        .filter_map(|fact| match (fact.exists, fact.changed) {
            (false, _) => Some(format!("{} does not exist", fact.path)),
            (true, Some(false)) => Some(format!("{} was not changed", fact.path)),
            (true, Some(true) | None) => None,
        })
        .collect();
    if !missing.is_empty() {
        let said = if says_succeeded(question) { "the agent said \"succeeded\", but " } else { "" };
        return Said::disagrees(Outputs, FailureKind::OutputMissing, format!("{said}{}", missing.join(", ")));
    }
    let unseen = question.task.outputs.iter().any(|path| facts.iter().all(|fact| fact.path != *path));
    if unseen || facts.iter().any(|fact| fact.changed.is_none()) {
        return Said::cannot_see(Outputs, "whether they were changed");
    }
    let paths: Vec<&str> = facts.iter().map(|fact| fact.path.as_str()).collect();
    Said::agrees(Outputs, format!("{} there and changed", paths.join(", ")))
}

fn says_succeeded(question: &Question<'_>) -> bool {
    match &question.facts.completion {
        CompletionFact::Valid { completion } => completion.status == CompletionStatus::Succeeded,
        CompletionFact::Missing | CompletionFact::Invalid { .. } => false,
    }
}

fn change(question: &Question<'_>) -> Said {
    use WitnessName::Change;
    if question.is_command() {
        return Said::not_asked(Change, "never asked of a command");
    }
    let claims = &question.facts.claims;
    let declared = question
        .task
        .files
        .iter()
        .any(|claim| matches!(claim.verb, Some(FileVerb::Create | FileVerb::Modify)));
    if claims.is_empty() && !declared && !claims_a_change(question) {
        return Said::not_asked(Change, "no change is declared or claimed");
    }
    let changed: Vec<&str> =
        claims.iter().filter(|fact| fact.changed == Some(true)).map(|fact| fact.path.as_str()).collect();
    if !changed.is_empty() {
        return Said::agrees(Change, format!("{} changed", changed.join(", ")));
    }
    if claims.is_empty() || claims.iter().any(|fact| fact.changed.is_none()) {
        return Said::cannot_see(Change, "others work in the same checkout, or the path is not known");
    }
    let paths: Vec<&str> = claims.iter().map(|fact| fact.path.as_str()).collect();
    Said::disagrees(Change, FailureKind::NoChange, format!("nothing changed of {}", paths.join(", ")))
}

fn claims_a_change(question: &Question<'_>) -> bool {
    match &question.facts.completion {
        CompletionFact::Valid { completion } => {
            completion.outputs.iter().any(|output| output.change != Change::Unchanged)
        }
        CompletionFact::Missing | CompletionFact::Invalid { .. } => false,
    }
}

fn model(question: &Question<'_>) -> Said {
    use WitnessName::Model;
    let Some(asked) = &question.rung.model else {
        return Said::not_asked(Model, "no model was asked for");
    };
    match &question.facts.reading.model_answered {
        None => {
            let agent = &question.rung.agent;
            Said::cannot_see(Model, &format!("`{agent}` does not say which model answered"))
        }
        Some(answered) => {
            let seen = format!("asked {asked}, answered {answered}");
            if same_model(asked, answered) {
                Said::agrees(Model, seen)
            } else {
                Said::disagrees(Model, FailureKind::HierarchyViolation, seen)
            }
        }
    }
}

fn verify(question: &Question<'_>, against: bool) -> Said {
    use WitnessName::Verify;
    if question.spec.settings.no_verify {
        return Said::not_asked(Verify, "--no-verify");
    }
    if question.task.verify.is_empty() && question.spec.settings.verify.is_empty() {
        return Said::not_asked(Verify, "there is no command");
    }
    let Checks::Done { own, wide, together } = question.checks else {
        let why = if against { "another witness disagrees" } else { "not run yet" };
        return Said::not_asked(Verify, why);
    };
    if let Some(failed) = own.iter().find(|check| !check.passed()) {
        return Said::disagrees(Verify, FailureKind::VerifyFailed, check_text(failed));
    }
    if let Some(failed) = wide.iter().find(|check| !check.passed()) {
        let mut seen = check_text(failed);
        if together.len() > 1 {
            let names: Vec<&str> = together.iter().map(TaskId::as_str).collect();
            seen = format!("{seen} (run once for {})", names.join(", "));
        }
        return Said::disagrees(Verify, FailureKind::VerifyFailed, seen);
    }
    let commands: Vec<String> = own.iter().chain(wide).map(|check| format!("`{}`", check.command)).collect();
    let wanted = question.task.verify.len() + question.spec.settings.verify.len();
    if commands.len() < wanted {
        let seen = format!("{} of {wanted} commands were run", commands.len());
        return Said::disagrees(Verify, FailureKind::VerifyFailed, seen);
    }
    Said::agrees(Verify, format!("{} exit 0", commands.join(", ")))
}

fn check_text(check: &CheckResult) -> String {
    let command = &check.command;
    let mut text = if check.timed_out {
        format!("`{command}` took too long")
    } else {
        match &check.ending {
            Ending::Exited { code } => format!("`{command}` exits {code}"),
            Ending::Killed { signal } => {
                format!("`{command}` was ended by signal {signal}{}", signal_name(*signal))
            }
            Ending::NotFound { message } | Ending::FailedToStart { message } => {
                format!("`{command}` did not start: {message}")
            }
            Ending::Unknown { message } => format!("`{command}` ended, nobody knows how: {message}"),
        }
    };
    if let Some(last) = check.tail.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
        text.push_str(": ");
        text.push_str(last);
    }
    text
}

fn landing(question: &Question<'_>) -> [Said; 2] {
    match question.spec.settings.isolation {
        Isolation::Shared => [
            Said::not_asked(WitnessName::Ownership, "shared checkout"),
            Said::not_asked(WitnessName::Merge, "shared checkout"),
        ],
        Isolation::Worktree => [
            Said::cannot_see(WitnessName::Ownership, "no diff of the worktree was reported"),
            Said::cannot_see(WitnessName::Merge, "the branch was not merged yet"),
        ],
    }
}

/// What is worth knowing and decides nothing.
fn notes(question: &Question<'_>, failure: Option<&Failure>) -> Vec<String> {
    let facts = question.facts;
    let mut notes: Vec<String> = facts
        .reading
        .notes
        .iter()
        .map(|sign| format!("recovered from {}: {}", sign.kind, sign_text(sign)))
        .collect();
    if facts.reading.proper_end == Some(false) {
        notes.push("the agent's own sign of a proper end is missing".to_owned());
    }
    match facts.outcome.left_behind {
        0 => {}
        1 => notes.push("1 process was left behind and ended".to_owned()),
        count => notes.push(format!("{count} processes were left behind and ended")),
    }
    if facts.plan_changed {
        notes.push("the agent changed its own plan file".to_owned());
    }
    if let CompletionFact::Valid { completion } = &facts.completion
        && completion.status == CompletionStatus::Succeeded
    {
        for check in completion.verification.iter().filter(|check| check.exit_code != 0) {
            notes.push(format!(
                "the agent says succeeded, and that `{}` exits {}",
                check.command, check.exit_code
            ));
        }
        if let Some(failure) = failure {
            notes.push(format!("the agent says succeeded, which is {}", failure.kind));
        }
    }
    notes
}

/// A text on one line, cut to a length that fits a report.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 400;
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= LONGEST {
        return flat;
    }
    let mut cut: String = flat.chars().take(LONGEST - 1).collect();
    cut.push('…');
    cut
}
