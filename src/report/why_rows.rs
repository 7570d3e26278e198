//! The rows below an attempt in `why`: a name, what it says in a word, what was seen, a mark.

use crate::model::verdict::Witness;
use crate::report::style::Style;
use crate::report::text;

/// Where the names of witnesses end, where what they say ends, and where a mark at the end of a
/// line begins.
pub(super) const NAME: usize = 13;
const WORD: usize = 12;
const MARK: usize = 73;

/// The names of witnesses in a list.
pub(super) fn names(witnesses: &[&Witness]) -> String {
    witnesses.iter().map(|witness| witness.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The columns that what they say takes.
pub(super) fn word_width(witnesses: &[&Witness]) -> usize {
    witnesses.iter().map(|witness| said(witness).len() + 2).max().unwrap_or(0).max(WORD)
}

/// What a witness says, in a word.
pub(super) const fn said(witness: &Witness) -> &'static str {
    match (witness.asked, witness.agrees) {
        (false, _) => "not asked",
        (true, Some(true)) => "agrees",
        (true, Some(false)) => "disagrees",
        (true, None) => "not observable",
    }
}

/// Rows below the head of an attempt.
pub(super) struct Rows<'a> {
    /// Where they go.
    pub(super) lines: &'a mut Vec<String>,
    /// What can be shown.
    pub(super) style: &'a Style,
    /// Lines that a row may take.
    pub(super) most: usize,
}

impl Rows<'_> {
    /// A name and what there is to say.
    pub(super) fn row(&mut self, name: &str, seen: &str) {
        self.full(name, "", seen, "");
    }

    /// One row: name, word, what was seen (wrapped below itself), a mark.
    pub(super) fn full(&mut self, name: &str, word: &str, seen: &str, mark: &str) {
        let style = self.style;
        // A name that fills its column keeps a blank behind it.
        let column = NAME.max(text::width(name) + 1);
        let start = format!("  {name:<column$}{word}");
        let indent = text::width(&start);
        let room = style.width.saturating_sub(indent + 1).max(20);
        let mut wrapped = text::wrap(seen, room);
        if wrapped.len() > self.most {
            let rest = wrapped.split_off(self.most - 1).join(" ");
            wrapped.push(style.cut(&rest, room));
        }
        // Where no further line may be taken the mark has to find its place in the last one.
        if wrapped.len() == self.most
            && !mark.is_empty()
            && let Some(last) = wrapped.last_mut()
        {
            let left = style.width.saturating_sub(indent + text::width(mark) + 3);
            *last = style.cut(last, left.max(12));
        }
        for (place, part) in wrapped.iter().enumerate() {
            let mut line =
                if place == 0 { format!("{start}{part}") } else { format!("{}{part}", " ".repeat(indent)) };
            if place + 1 == wrapped.len() && !mark.is_empty() {
                let column = MARK.min(style.width.saturating_sub(text::width(mark) + 1));
                line = text::pad(&line, column.max(text::width(&line) + 2));
                line.push_str(mark);
            }
            self.lines.push(line.trim_end().to_owned());
        }
    }
}
