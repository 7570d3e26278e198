//! Sentences, lists and arrows drawn with characters.

use std::collections::BTreeSet;

use super::super::blocks::LineKind;
use super::super::boxes::item_line;
use super::super::lines::number;
use super::super::outline::Outline;
use super::super::types::Dependency;
use super::super::types::Plan;
use super::Pair;
use super::names::Names;
use crate::model::check::AdviceForm;
use crate::model::check::TaskField;

/// A longer line is not looked at.
const LONGEST: usize = 2_000;

/// The most lines that are looked at.
const MOST_LINES: usize = 50_000;

/// How far from its word a name may stand, in bytes.
const FAR: usize = 70;

/// What a line has to hold to be looked at: arrows, and words in the letters that both spellings share.
pub(crate) const WORDS: &[&str] = &[
    "->",
    "→",
    "=>",
    "⇒",
    "➜",
    "➔",
    "▶",
    "►",
    "↓",
    "▼",
    "⬇",
    "efore ",
    "EFORE ",
    "fter ",
    "FTER ",
    "rder",
    "RDER",
    "equence",
    "epends on",
    "EPENDS ON",
    "epend on",
    "locks ",
    "LOCKS ",
    "locked by",
    "aits for",
    "ait for",
    "ntil ",
    "NTIL ",
    " then ",
    "rior to ",
    "recede",
];

/// Arrows, the longest first.
const ARROWS: &[&str] = &["-->", "==>", "->", "=>", "→", "⟶", "⇒", "➜", "➔", "▶", "►"];

/// Words that put what stands before them first ...
const BEFORE: &[&str] =
    &[" before ", " prior to ", " blocks ", " block ", " then ", " precedes ", " precede "];

/// ... and after them.
const AFTER: &[&str] =
    &[" after ", " depends on ", " depend on ", " blocked by ", " waits for ", " wait for ", " until "];

/// What sentences, lists and arrows say.
pub(super) fn read(
    outline: &Outline<'_>,
    plan: &Plan,
    names: &Names,
    candidates: &[usize],
    bodies: &[(usize, usize, usize)],
) -> Vec<Pair> {
    let mut stated: BTreeSet<u32> = BTreeSet::new();
    let origins =
        plan.tasks.iter().map(|task| &task.origins).chain(plan.groups.iter().map(|group| &group.origins));
    for origin in origins.flatten().filter(|origin| origin.field == TaskField::DependsOn) {
        stated.extend(origin.line);
    }
    let tasks: BTreeSet<u32> = plan.tasks.iter().map(|task| task.line).collect();
    let mut reader = Reader { outline, names, tasks: &tasks, pairs: Vec::new() };
    for line in candidates.iter().copied().take(MOST_LINES) {
        let text = outline.lines.get(line);
        if text.len() > LONGEST || stated.contains(&number(line)) {
            continue;
        }
        let kind = outline.kind(line);
        match kind {
            LineKind::Text | LineKind::Quote => {
                let arrows = reader.arrows(line, text);
                if !arrows {
                    let inside = bodies.partition_point(|(start, ..)| *start <= line);
                    // A format may have changed the tasks since their bodies were found.
                    let known =
                        |task: usize| plan.tasks.get(task).is_some_and(|task| task.line <= number(line));
                    let task = bodies[..inside].last().filter(|(_, end, task)| line < *end && known(*task));
                    let task = task.map(|(.., task)| *task);
                    reader.sentences(line, text, task);
                    reader.list(line, text);
                }
            }
            LineKind::Heading => reader.list(line, text),
            LineKind::Fence | LineKind::Code if reader.is_drawing(line) => {
                if !reader.arrows(line, text) {
                    reader.down(line, text);
                }
            }
            LineKind::Fence
            | LineKind::Code
            | LineKind::Blank
            | LineKind::Comment
            | LineKind::FrontMatter
            | LineKind::Break
            | LineKind::Table => {}
        }
    }
    reader.pairs
}

struct Reader<'o, 't> {
    outline: &'o Outline<'t>,
    names: &'o Names,
    /// Lines of tasks, from 1.
    tasks: &'o BTreeSet<u32>,
    pairs: Vec<Pair>,
}

impl Reader<'_, '_> {
    fn push(&mut self, line: usize, form: AdviceForm, first: &[Dependency], then: &[Dependency]) {
        for first in first {
            self.pairs.extend(then.iter().map(|then| Pair { line, form, first: *first, then: *then }));
        }
    }

    /// Whether a line stands in a fence of no language: a drawing, and no program.
    fn is_drawing(&self, line: usize) -> bool {
        let fences = &self.outline.blocks.fences;
        let after = fences.partition_point(|fence| fence.line <= line);
        let info = after.checked_sub(1).map_or("", |fence| fences[fence].info.trim());
        matches!(info.to_ascii_lowercase().as_str(), "" | "text" | "txt" | "ascii" | "plain" | "plaintext")
    }

    /// `T001 -> T002 -> T003`; whether the line has such an order.
    fn arrows(&mut self, line: usize, text: &str) -> bool {
        let mut segments = Vec::new();
        let mut rest = text;
        while let Some((at, sign)) = ARROWS
            .iter()
            .filter_map(|sign| Some((rest.find(sign)?, *sign)))
            .min_by_key(|(at, sign)| (*at, usize::MAX - sign.len()))
        {
            segments.push(&rest[..at]);
            rest = &rest[at + sign.len()..];
        }
        if segments.is_empty() {
            return false;
        }
        segments.push(rest);
        let trimmed: Vec<&str> = segments.into_iter().map(bare).collect();
        let mut before: Vec<Dependency> = Vec::new();
        let known = self.pairs.len();
        for (index, segment) in trimmed.iter().enumerate() {
            let (start, length) = self.names.cluster(segment, false);
            // All of a segment in the middle is names; the last one may go on with words.
            if index > 0 && !before.is_empty() {
                self.push(line, AdviceForm::Arrows, &before, &start);
            }
            before = if index == 0 || length + 1 < segment.len() {
                let last = self.names.last_in(segment, 40);
                if last.is_empty() || index > 0 { start } else { last }
            } else {
                start
            };
        }
        self.pairs.len() > known
    }

    /// An arrow downwards between two lines that begin with names.
    fn down(&mut self, line: usize, text: &str) {
        if !text.chars().all(|c| c.is_whitespace() || "|│↓▼⬇vV".contains(c)) {
            return;
        }
        let names = |at: usize| self.names.cluster(bare(self.outline.lines.get(at)), true).0;
        let is_line = |text: &str| {
            !text.trim().is_empty() && text.chars().all(|c| c.is_whitespace() || "|│↓▼⬇vV".contains(c))
        };
        let above = (0..line).rev().take(4).find(|at| !is_line(self.outline.lines.get(*at)));
        let below =
            (line + 1..self.outline.lines.len()).take(4).find(|at| !is_line(self.outline.lines.get(*at)));
        let (Some(above), Some(below)) = (above, below) else { return };
        let (first, then) = (names(above), names(below));
        self.push(line, AdviceForm::Arrows, &first, &then);
    }

    /// `T003 must be done before T001`, `after phase 2`.
    fn sentences(&mut self, line: usize, text: &str, task: Option<usize>) {
        let lower = text.to_ascii_lowercase();
        for (words, is_before) in [(BEFORE, true), (AFTER, false)] {
            for word in words {
                let Some(at) = lower.find(word) else { continue };
                let (left, right) = (&text[..at], &text[at + word.len()..]);
                let left = &left[sentence_start(left)..];
                let right = &right[..right.find(". ").or_else(|| right.find("; ")).unwrap_or(right.len())];
                if denies(left) {
                    continue;
                }
                let after = self.names.first_in(right, FAR);
                let mut before = self.names.last_in(left, FAR);
                if before.is_empty() && *word != " then " {
                    before.extend(task.map(Dependency::Task));
                }
                if is_before {
                    self.push(line, AdviceForm::Prose, &before, &after);
                } else {
                    self.push(line, AdviceForm::Prose, &after, &before);
                }
            }
        }
    }

    /// `Execution order: T001, T003, T002`, or a numbered list or fence below such words.
    fn list(&mut self, line: usize, text: &str) {
        let lower = text.to_ascii_lowercase();
        let about_order = ["order", "sequence"].iter().any(|word| lower.contains(word));
        if !about_order || self.tasks.contains(&number(line)) {
            return;
        }
        if let Some((_, named)) = text.split_once(':') {
            let (found, _) = self.names.cluster(named, true);
            if found.len() > 1 {
                for pair in found.windows(2) {
                    self.push(line, AdviceForm::List, &pair[..1], &pair[1..]);
                }
                return;
            }
        }
        let opens =
            self.outline.kind(line) == LineKind::Heading || text.trim_end().ends_with([':', '*', '：']);
        if !opens {
            return;
        }
        let mut before: Vec<Dependency> = Vec::new();
        for at in line + 1..self.outline.lines.len().min(line + 200) {
            let text = self.outline.lines.get(at);
            match self.outline.kind(at) {
                LineKind::Blank => continue,
                LineKind::Text | LineKind::Fence | LineKind::Code | LineKind::Quote => {}
                LineKind::Comment
                | LineKind::Heading
                | LineKind::FrontMatter
                | LineKind::Break
                | LineKind::Table => break,
            }
            let Some(item) = item_line(text) else {
                if self.outline.kind(at) == LineKind::Text {
                    break;
                }
                continue;
            };
            if self.tasks.contains(&number(at)) {
                break;
            }
            if item.ordinal.is_none() || text.len() > LONGEST {
                continue;
            }
            let (found, _) = self.names.cluster(bare(&text[item.text..]), true);
            if !found.is_empty() {
                self.push(at, AdviceForm::List, &before, &found);
                before = found;
            }
        }
    }
}

/// A text without what drawings put around names.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || "─│├└┌┐┘┤┬┴┼━═-=|+>*•`.".contains(c))
}

/// Where the last sentence of a text begins.
fn sentence_start(text: &str) -> usize {
    let end = text.rfind(['.', ';', '!', '?']).map(|end| end + 1);
    end.filter(|end| text[*end..].is_empty() || text[*end..].starts_with(' ')).unwrap_or(0)
}

/// Whether words before a word about order take it back.
fn denies(left: &str) -> bool {
    let from = left.len().saturating_sub(16);
    let near = &left[left.ceil_char_boundary(from)..].to_ascii_lowercase();
    near.contains(" not") || near.contains("n't") || near.ends_with(" no") || near.contains("never")
}
