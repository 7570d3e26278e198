//! How a task moved between layers, why it waits or pays, and what its attempts cost, in words that
//! `why` and the report share.

use crate::model::event::{PaymentDecision, SpendBasis};
use crate::model::hierarchy::PaymentPolicy;
use crate::model::layer::Rung;
use crate::model::result::{AttemptResult, TaskResult};
use crate::model::story::{AttemptMoney, Decided, Move, Resting};
use crate::model::time::Timestamp;
use crate::report::style::Style;
use crate::report::text;
use crate::report::words;

/// One line of a story: when, what happened in a word or two, and the rest.
pub(super) struct Told {
    /// When it happened.
    pub(super) at: Timestamp,
    /// `layer 2 -> 4`, `waits`, `pays`.
    pub(super) name: String,
    /// The facts, the most wanted first: a small screen cuts the end.
    pub(super) words: String,
}

/// All moves and decisions of a task in the order in which they happened.
pub(super) fn told(moves: &[Move], decisions: &[Decided], style: &Style) -> Vec<Told> {
    let mut told: Vec<Told> = moves.iter().map(|known| of_move(known, style)).collect();
    told.extend(decisions.iter().map(|known| of_decision(known, style)));
    told.sort_by_key(|told| told.at);
    told
}

fn of_move(known: &Move, style: &Style) -> Told {
    let name = match (known.from.layer, known.to.layer) {
        (Some(from), Some(to)) => format!("layer {from} -> {to}"),
        (None | Some(_), None | Some(_)) => "moved".to_owned(),
    };
    let mut words = known.trigger.to_string();
    if let Some(rests) = &known.rests {
        words.push_str(", ");
        words.push_str(&resting(rests, known.at, style));
    }
    let evidence = style.clean(&known.evidence);
    if !evidence.is_empty() {
        words.push_str(": ");
        words.push_str(&evidence);
    }
    let tried: Vec<String> = known
        .tried
        .iter()
        .map(|tried| {
            let place = place_of(&tried.rung, style);
            tried.failure.map_or_else(|| place.clone(), |kind| format!("{place} ({kind})"))
        })
        .collect();
    let went = format!(
        "from {} to {} {}",
        words::agent_model(&known.from, style),
        words::agent_model(&known.to, style),
        match known.attempt {
            0 => "before its first attempt".to_owned(),
            attempt => format!("after attempt {attempt}"),
        }
    );
    let mut parts = vec![words];
    if !tried.is_empty() {
        parts.push(format!("tried before: {}", tried.join(", ")));
    }
    parts.push(went);
    Told { at: known.at, name, words: parts.join("; ") }
}

fn place_of(rung: &Rung, style: &Style) -> String {
    words::layer_of(rung).unwrap_or_else(|| words::agent_model(rung, style))
}

/// `opencode rests 60s, until 12:01:08 UTC`, `layer 3 is off for this run`.
fn resting(rests: &Resting, at: Timestamp, style: &Style) -> String {
    let whose = match (&rests.provider, rests.layer) {
        (_, Some(layer)) => format!("layer {layer}"),
        (Some(provider), None) => style.clean(provider),
        (None, None) => "its provider".to_owned(),
    };
    match rests.until {
        None => format!("{whose} is off for this run"),
        Some(until) => format!("{whose} rests {}, until {}", text::wait(until.since(at)), clock(until, at)),
    }
}

/// The time of day, with the day where it is not that of `from`.
fn clock(time: Timestamp, from: Timestamp) -> String {
    let (told, from) = (time.to_string(), from.to_string());
    let day = |text: &str| text.get(..10).unwrap_or_default().to_owned();
    let time = told.get(11..19).unwrap_or(&told);
    if day(&told) == day(&from) { format!("{time} UTC") } else { format!("{} {time} UTC", day(&told)) }
}

fn of_decision(known: &Decided, style: &Style) -> Told {
    let name = match known.decision {
        PaymentDecision::Wait => "waits",
        PaymentDecision::Pay => "pays",
    };
    let (expected, place) = (known.expected_usd, place_of(&known.paid, style));
    let mut parts = vec![
        style.clean(&known.why),
        match known.left_usd {
            Some(left) => format!("about {expected} of {left} left at {place}"),
            None => format!("about {expected} at {place}, which no budget limits"),
        },
        match known.free_at {
            Some(at) => format!("free again in {}", text::wait(at.since(known.at))),
            None => "no free layer in this run".to_owned(),
        },
    ];
    if let Some(deadline) = known.deadline_at {
        parts.push(format!("{} to the deadline", text::wait(deadline.since(known.at))));
    }
    if known.waiting > 1 {
        parts.push(format!("{} in line", text::count_of(u64::from(known.waiting), "task")));
    }
    let policy = match known.policy {
        PaymentPolicy::Wait => "policy wait",
        PaymentPolicy::Pay => "policy pay",
    };
    parts.push(policy.to_owned());
    Told { at: known.at, name: name.to_owned(), words: parts.join("; ") }
}

/// `reserved 1.00 USD, 0.42 USD booked at openai: its agent says so`; none: there was no money in it.
pub(super) fn money(money: &AttemptMoney, style: &Style) -> Option<String> {
    if money.is_nothing() {
        return None;
    }
    let at = |provider: Option<&String>| {
        provider.map(|provider| format!(" at {}", style.clean(provider))).unwrap_or_default()
    };
    let mut words = Vec::new();
    if let Some(reserved) = money.reserved_usd {
        // Who was to answer is worth a word only where somebody else did, or nobody yet.
        let asked = money.asked_provider.as_ref().filter(|asked| {
            money.spent_usd.is_none()
                || money.charged_provider.as_ref().is_some_and(|charged| charged != *asked)
        });
        words.push(format!("reserved {reserved}{}", at(asked)));
    }
    match (money.spent_usd, money.basis) {
        (Some(spent), Some(basis)) => {
            let charged = money.charged_provider.as_ref();
            words.push(format!("{spent} booked{}: {}", at(charged), known_by(basis)));
        }
        (None, _) | (Some(_), None) => words.push("not booked yet".to_owned()),
    }
    Some(words.join(", "))
}

/// How it is known what an attempt cost.
const fn known_by(basis: SpendBasis) -> &'static str {
    match basis {
        SpendBasis::Free => "its layer is free",
        SpendBasis::Reported => "its agent says so",
        SpendBasis::Priced => "by its tokens and the price",
        SpendBasis::Bound => "not known, so what was reserved",
    }
}

/// The attempts, moves and decisions of a task in the order in which they happened, a line each; none:
/// it stayed where it was, and cost nothing.
pub(super) fn lines(task: &TaskResult, style: &Style) -> Vec<String> {
    let paid = |attempt: &AttemptResult| attempt.money.as_ref().is_some_and(|money| !money.is_nothing());
    if task.moves.is_empty() && task.decisions.is_empty() && !task.attempts.iter().any(paid) {
        return Vec::new();
    }
    let mut lines: Vec<(Timestamp, String)> =
        task.attempts.iter().map(|attempt| (attempt.started_at, of_attempt(attempt, style))).collect();
    lines.extend(
        told(&task.moves, &task.decisions, style)
            .into_iter()
            .map(|told| (told.at, format!("{}: {}", told.name, told.words))),
    );
    // The sort is stable: of what happened at once an attempt comes first, unless it began by it.
    lines.sort_by_key(|(at, line)| (*at, line.starts_with("attempt")));
    lines.into_iter().map(|(_, line)| line).collect()
}

fn of_attempt(attempt: &AttemptResult, style: &Style) -> String {
    let rung = Rung {
        layer: attempt.layer,
        agent: attempt.agent.clone(),
        model: attempt.model.clone(),
        provider: None,
    };
    let layer = words::layer_of(&rung).map(|layer| format!(" ({layer})")).unwrap_or_default();
    let failure = attempt.failure.map(|kind| format!(", {kind}")).unwrap_or_default();
    let mut parts = vec![format!(
        "attempt {}: {}{layer}: {}{failure}",
        attempt.attempt,
        words::agent_model_full(&rung, style),
        words::attempt_word(attempt.status)
    )];
    let charged = attempt.money.as_ref().and_then(|money| money.charged_model.as_ref());
    match (&attempt.model_answered, charged) {
        (Some(model), _) => parts.push(format!("{} answered", style.clean(model))),
        // What was charged may be only what was asked for.
        (None, Some(_)) => parts.push("who answered cannot be seen".to_owned()),
        (None, None) => {}
    }
    parts.extend(attempt.money.as_ref().and_then(|known| money(known, style)));
    parts.join("; ")
}
