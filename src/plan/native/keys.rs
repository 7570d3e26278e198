//! The keys of native plans: their names, their order, and code spans that hold any text of one line.

use crate::plan::fields;
use crate::plan::values;

/// A key of a native list, in canonical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NativeKey {
    /// The id, where the title's line does not carry it; read in exact plans alone.
    Id,
    /// What it waits for.
    DependsOn,
    /// Who does it.
    Agent,
    /// With which model.
    Model,
    /// From which layer.
    Layer,
    /// What the agent `command` runs.
    Command,
    /// Files it touches.
    Files,
    /// What it leaves behind.
    Output,
    /// Commands that check it.
    Verify,
    /// Criteria in words.
    Acceptance,
    /// Back references.
    Requirements,
    /// Limit of one attempt.
    Timeout,
    /// Further attempts.
    Retries,
    /// Whether siblings run beside it.
    Parallel,
    /// Whether it follows its earlier siblings; read in exact plans alone.
    Ordered,
    /// Its priority.
    Priority,
    /// Its status.
    Status,
    /// Work, checkpoint or gate; read in exact plans alone.
    Kind,
    /// Whether it runs only when asked for.
    Optional,
    /// A gate before it.
    Gate,
}

impl NativeKey {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Id => "Id",
            Self::DependsOn => "Depends on",
            Self::Agent => "Agent",
            Self::Model => "Model",
            Self::Layer => "Layer",
            Self::Command => "Command",
            Self::Files => "Files",
            Self::Output => "Output",
            Self::Verify => "Verify",
            Self::Acceptance => "Acceptance",
            Self::Requirements => "Requirements",
            Self::Timeout => "Timeout",
            Self::Retries => "Retries",
            Self::Parallel => "Parallel",
            Self::Ordered => "Ordered",
            Self::Priority => "Priority",
            Self::Status => "Status",
            Self::Kind => "Kind",
            Self::Optional => "Optional",
            Self::Gate => "Gate",
        }
    }

    /// The key that exact plans have and others do not.
    pub(crate) fn exact_only(name: &str) -> Option<Self> {
        [Self::Id, Self::Ordered, Self::Kind].into_iter().find(|key| key.name().eq_ignore_ascii_case(name))
    }

    /// The native key of a field; none: natively it has no such key.
    pub(crate) const fn of(key: fields::Key) -> Option<Self> {
        Some(match key {
            fields::Key::DependsOn => Self::DependsOn,
            fields::Key::Agent => Self::Agent,
            fields::Key::Model => Self::Model,
            fields::Key::Layer => Self::Layer,
            fields::Key::Command => Self::Command,
            fields::Key::Files(_) => Self::Files,
            fields::Key::Verify => Self::Verify,
            fields::Key::Acceptance => Self::Acceptance,
            fields::Key::Status => Self::Status,
            fields::Key::Priority => Self::Priority,
            fields::Key::Timeout => Self::Timeout,
            fields::Key::Retries => Self::Retries,
            fields::Key::Parallel => Self::Parallel,
            fields::Key::Optional => Self::Optional,
            fields::Key::Gate => Self::Gate,
            fields::Key::Requirements => Self::Requirements,
            fields::Key::Output => Self::Output,
            fields::Key::Mode => return None,
        })
    }
}

/// A text of one line as a code span: with more marks than stand in it.
pub(crate) fn span(text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for byte in text.bytes() {
        run = if byte == b'`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    // As few marks as no run in the text has: most often one.
    let runs = runs(text);
    let long = (1..=longest + 1).find(|long| !runs.contains(long)).unwrap_or(1);
    let marks = "`".repeat(long);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{marks}{pad}{text}{pad}{marks}")
}

fn runs(text: &str) -> Vec<usize> {
    let mut runs = Vec::new();
    let mut run = 0;
    for byte in text.bytes().chain(std::iter::once(b' ')) {
        if byte == b'`' {
            run += 1;
        } else if run > 0 {
            runs.push(run);
            run = 0;
        }
    }
    runs
}

/// The text of a value that is one code span and nothing else, or the value itself.
pub(crate) fn unspan(value: &str) -> &str {
    let value = value.trim();
    match values::only_spans(value).as_deref() {
        Some([(inner, _)]) if value.starts_with('`') && value.ends_with('`') => inner,
        Some(_) | None => value,
    }
}

/// Whether a text needs no code span where names stand in a list.
pub(crate) fn is_plain(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(char::is_alphanumeric)
        && letters.all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | '/'))
        && !text.ends_with(['-', '.', '_', '/'])
        && !crate::plan::references::is_none(text)
}

/// Cuts a value at commas that stand in no code span.
pub(crate) fn pieces(value: &str) -> Vec<&str> {
    let spans = values::code_spans(value);
    let mut pieces = Vec::new();
    let mut from = 0;
    for (at, _) in value.match_indices(',') {
        let next = spans.partition_point(|(_, range)| range.end <= at);
        if spans.get(next).is_none_or(|(_, range)| range.start > at) {
            pieces.push(value[from..at].trim());
            from = at + 1;
        }
    }
    pieces.push(value[from..].trim());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_hold_any_line() {
        for text in ["a", "a b, c", "`", "a`b", "``a", "a ``` b ` c", "1", "(x)", "fix, the"] {
            assert_eq!(unspan(&span(text)), text);
        }
        assert_eq!(span("a`b"), "``a`b``");
        assert_eq!(unspan("`a`, `b`"), "`a`, `b`");
    }

    #[test]
    fn values_are_cut_outside_spans() {
        let value = format!("T1, {}, group {}", span("a, b"), span("c`,d"));
        assert_eq!(pieces(&value), ["T1", "`a, b`", "group ``c`,d``"]);
    }
}
