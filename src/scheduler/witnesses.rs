//! The nine witnesses: what each says of an attempt, and the failure that its disagreement means.

use crate::model::agent::{AdapterKind, CompletionRule};
use crate::model::completion::{Change, CompletionStatus};
use crate::model::failure::FailureKind;
use crate::model::ids::TaskId;
use crate::model::outcome::{CheckResult, CompletionFact, Ending, StopReason};
use crate::model::reading::Sign;
use crate::model::run::Isolation;
use crate::model::task::FileVerb;
use crate::model::verdict::{Witness, WitnessName};

use super::answered::answered;
use super::judge::{Checks, Question};
use super::names::Names;

/// How many characters of what was seen fit a report.
const LONGEST: usize = 400;

/// A witness with the failure that its disagreement means.
pub(super) struct Said {
    pub(super) witness: Witness,
    pub(super) kind: Option<FailureKind>,
}

impl Said {
    pub(super) fn agrees(name: WitnessName, seen: impl Into<String>) -> Self {
        Self { witness: Witness { name, agrees: Some(true), asked: true, seen: seen.into() }, kind: None }
    }

    pub(super) fn disagrees(name: WitnessName, kind: FailureKind, seen: impl Into<String>) -> Self {
        let witness =
            Witness { name, agrees: Some(false), asked: true, seen: one_line(&seen.into(), LONGEST) };
        Self { witness, kind: Some(kind) }
    }

    pub(super) fn cannot_see(name: WitnessName, why: &str) -> Self {
        let seen = format!("not observable: {why}");
        Self { witness: Witness { name, agrees: None, asked: true, seen }, kind: None }
    }

    pub(super) fn not_asked(name: WitnessName, why: impl Into<String>) -> Self {
        Self { witness: Witness { name, agrees: None, asked: false, seen: why.into() }, kind: None }
    }

    pub(super) fn is_against(&self) -> bool {
        self.witness.agrees == Some(false)
    }
}

pub(super) fn process(question: &Question<'_>) -> Said {
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
        Some(StopReason::OverBudget { seen }) => {
            Said::disagrees(Process, FailureKind::BudgetExhausted, format!("stopped by us: {seen}"))
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
            } else if question.facts.reading.code_is_past {
                Said::agrees(Process, format!("{seen} for an error that it recovered from"))
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

pub(super) fn events(question: &Question<'_>) -> Said {
    use WitnessName::Events;
    let reading = &question.facts.reading;
    if let Some(sign) = &reading.terminal_error {
        return Said::disagrees(Events, sign.kind, sign_text(sign));
    }
    let agent = question.agent();
    let rules = agent.and_then(|agent| agent.events.as_ref());
    let tells_errors = rules.is_some_and(|rules| !rules.errors.is_empty() || rules.done.is_some());
    match agent.map(|agent| agent.kind) {
        Some(AdapterKind::Command) => return Said::not_asked(Events, "a command has no events"),
        Some(AdapterKind::Program) | None
            if !tells_errors && reading.turns.is_none() && reading.proper_end.is_none() =>
        {
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

pub(super) fn sign_text(sign: &Sign) -> String {
    let mut text = String::new();
    if let Some(status) = sign.status {
        text.push_str(&status.to_string());
        text.push(' ');
    }
    text.push_str(&sign.message);
    if let Some(seconds) = sign.retry_after_s {
        text.push_str(", retry after ");
        text.push_str(&seconds.to_string());
        text.push('s');
    }
    one_line(&text, LONGEST)
}

pub(super) fn completion(question: &Question<'_>) -> Said {
    use WitnessName::Completion;
    let rule = question.completion_rule();
    let completion = match (&question.facts.completion, rule) {
        (_, CompletionRule::None) => {
            return Said::not_asked(Completion, "this agent leaves none");
        }
        (CompletionFact::Missing, CompletionRule::Required) => {
            let seen = match &question.facts.report.problem {
                Some(problem) => format!("it left no completion, and its report is not valid: {problem}"),
                None => "it left no completion".to_owned(),
            };
            return Said::disagrees(Completion, FailureKind::NoCompletion, seen);
        }
        (CompletionFact::Missing, CompletionRule::Optional) => {
            return Said::not_asked(Completion, "none was left, and none is needed");
        }
        (CompletionFact::Invalid { problems }, _) => {
            let mut seen = if problems.is_empty() { "not valid".to_owned() } else { problems.join("; ") };
            if let Some(disagrees) = &question.facts.report.disagrees {
                seen = format!("{disagrees}: {seen}");
            }
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
    let words = match &question.facts.report.disagrees {
        Some(disagrees) => format!("{words} ({disagrees}: the worse one counts)"),
        None => words,
    };
    match completion.status {
        CompletionStatus::Succeeded => {
            Said::agrees(Completion, format!("succeeded: \"{}\"", one_line(&completion.summary, LONGEST)))
        }
        CompletionStatus::Failed => Said::disagrees(Completion, FailureKind::ReportedFailed, words),
        CompletionStatus::Blocked => Said::disagrees(Completion, FailureKind::ReportedBlocked, words),
    }
}

pub(super) fn outputs(question: &Question<'_>) -> Said {
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

pub(super) fn change(question: &Question<'_>) -> Said {
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

pub(super) fn model(question: &Question<'_>) -> Said {
    use WitnessName::Model;
    let Some(asked) = &question.rung.model else {
        return Said::not_asked(Model, "no model was asked for");
    };
    match &question.facts.reading.model_answered {
        None => {
            let agent = &question.rung.agent;
            Said::cannot_see(Model, &format!("`{agent}` does not say which model answered"))
        }
        Some(told) if Names::of(&question.spec.models).same(asked, told) => {
            Said::agrees(Model, format!("asked {asked}, answered {told}"))
        }
        Some(told) => {
            let charged = answered(question.spec, question.rung, Some(&question.facts.reading));
            let place = |layer: Option<u8>, provider: Option<&String>| {
                let layer = layer.map(|layer| format!("layer {layer}"));
                let provider = provider.map(|provider| format!("at {provider}"));
                let words: Vec<String> = layer.into_iter().chain(provider).collect();
                if words.is_empty() { String::new() } else { format!(" ({})", words.join(" ")) }
            };
            let asked_at = place(question.rung.layer, question.rung.provider.as_ref());
            let seen = if charged.layer == question.rung.layer {
                format!("asked {asked}{asked_at}, answered {told}, which no layer has")
            } else {
                let theirs = place(charged.layer, charged.provider.as_ref());
                format!("asked {asked}{asked_at}, answered {told}{theirs}")
            };
            Said::disagrees(Model, FailureKind::HierarchyViolation, seen)
        }
    }
}

pub(super) fn verify(question: &Question<'_>, against: bool) -> Said {
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

pub(super) fn landing(question: &Question<'_>) -> [Said; 2] {
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

/// A text on one line, cut to so many characters.
pub(super) fn one_line(text: &str, longest: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= longest {
        return flat;
    }
    let mut cut: String = flat.chars().take(longest - 1).collect();
    cut.push('…');
    cut
}
