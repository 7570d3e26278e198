//! What the marks of a plan mean: a legend in the file first, then what its format says.
//!
//! A legend is a line with two marks or more and a status word for each, a list or table below a label
//! or heading that says legend, or a line that begins with such a label. A mark that neither knows means
//! nothing: the task is there, and is never done by it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::blocks::LineKind;
use super::boxes::Mark;
use super::boxes::box_at;
use super::formats::Format;
use super::outline::Item;
use super::outline::Outline;
use super::titles;
use super::words;
use crate::model::task::PlanStatus;

/// What stands before a legend.
const LABELS: &[&str] = &[
    "legend",
    "status key",
    "key",
    "markers",
    "status markers",
    "task markers",
    "checkbox states",
    "task states",
    "status indicators",
    "status symbols",
    "symbols",
    "notation",
    "marks",
    "legenda",
    "vysvětlivky",
    "图例",
    "凡例",
];

/// Words that say a state in legends only.
const WORDS: &[(&str, PlanStatus)] = &[
    ("partial", PlanStatus::InProgress),
    ("partially", PlanStatus::InProgress),
    ("half", PlanStatus::InProgress),
    ("wip", PlanStatus::InProgress),
    ("ongoing", PlanStatus::InProgress),
    ("current", PlanStatus::InProgress),
    ("working", PlanStatus::InProgress),
    ("needs review", PlanStatus::InProgress),
    ("under review", PlanStatus::InProgress),
    ("queued", PlanStatus::Open),
    ("waiting", PlanStatus::Open),
    ("on hold", PlanStatus::Open),
    ("paused", PlanStatus::Open),
    ("failed", PlanStatus::Open),
    ("not yet", PlanStatus::Open),
    ("unstarted", PlanStatus::Open),
    ("incomplete", PlanStatus::Open),
    ("not needed", PlanStatus::Skipped),
    ("not applicable", PlanStatus::Skipped),
    ("n/a", PlanStatus::Skipped),
    ("dropped", PlanStatus::Skipped),
    ("abandoned", PlanStatus::Skipped),
    ("rejected", PlanStatus::Skipped),
    ("removed", PlanStatus::Skipped),
    ("postponed", PlanStatus::Skipped),
    ("won't fix", PlanStatus::Skipped),
    ("待办", PlanStatus::Open),
    ("未开始", PlanStatus::Open),
    ("进行中", PlanStatus::InProgress),
    ("已完成", PlanStatus::Done),
    ("完成", PlanStatus::Done),
    ("hotovo", PlanStatus::Done),
];

/// The longest line that is looked at for a legend, in bytes.
const LONGEST: usize = 600;

/// The meanings of the marks of one plan.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    format: Format,
    legend: BTreeMap<char, PlanStatus>,
    lines: BTreeSet<usize>,
}

impl Marks {
    /// Finds the legend of a plan that has one.
    pub(crate) fn read(format: Format, outline: &Outline<'_>) -> Self {
        let mut marks = Self { format, ..Self::default() };
        let mut labelled = false;
        for line in 0..outline.lines.len() {
            let kind = outline.kind(line);
            let text = outline.lines.get(line);
            match kind {
                LineKind::Heading => {
                    labelled = is_label(text.trim_start_matches('#'));
                    continue;
                }
                LineKind::Break => {
                    labelled = false;
                    continue;
                }
                LineKind::Text | LineKind::Quote | LineKind::Table => {}
                // A legend in a fence is shown to people as one, where the label stands above it.
                LineKind::Fence if labelled => {}
                LineKind::Blank
                | LineKind::FrontMatter
                | LineKind::Fence
                | LineKind::Code
                | LineKind::Comment => continue,
            }
            if text.len() > LONGEST {
                labelled = false;
                continue;
            }
            let item = outline.item_at(line).map(|item| &outline.items[item]);
            let is_box = item.is_some_and(|item| item.mark.is_some());
            if is_box && !labelled {
                continue;
            }
            let text = text.trim_start().trim_start_matches(['>', ' ']);
            let label = !is_box && is_label(text);
            let pairs = pairs(text);
            // An item with a box is a task, unless it stands below a label and says a state and no more.
            let taken = match (labelled || label, is_box) {
                (true, true) => pairs.len() > 1 || item.is_some_and(|item| says_only_a_state(text, item)),
                (true, false) => !pairs.is_empty(),
                (false, is_box) => pairs.len() > 1 && !is_box,
            };
            if taken {
                marks.lines.insert(line);
                for (sign, status) in pairs {
                    marks.legend.entry(sign).or_insert(status);
                }
                labelled |= label;
            } else if label {
                labelled = true;
            } else if !matches!(kind, LineKind::Fence | LineKind::Table) {
                labelled = false;
            }
        }
        marks
    }

    /// What a mark means; none: nobody knows it, and it is never done.
    pub(crate) fn status(&self, mark: &Mark) -> Option<PlanStatus> {
        self.legend.get(&mark.sign).copied().or_else(|| self.format.mark(mark.sign))
    }

    /// Whether `-` is taken as skipped though neither the plan nor its format says so.
    pub(crate) fn is_guess(&self, mark: &Mark) -> bool {
        mark.sign == '-'
            && !self.legend.contains_key(&'-')
            && !matches!(self.format, Format::Kiro | Format::Ito | Format::Antigravity)
    }

    /// The lines of the legend.
    pub(crate) fn lines(&self) -> impl Iterator<Item = usize> {
        self.lines.iter().copied()
    }

    /// Whether a line belongs to the legend: its boxes are no tasks.
    pub(crate) fn is_legend(&self, line: usize) -> bool {
        self.lines.contains(&line)
    }
}

/// Whether a line is the label of a legend, or begins with one.
fn is_label(text: &str) -> bool {
    let text = text.trim_start_matches(['-', '*', '+', '_', ' ', '>', '|']);
    let clean = titles::clean(text.get(..text.floor_char_boundary(64)).unwrap_or(text));
    let clean = clean.trim_start_matches(|c: char| !c.is_alphabetic());
    let name = clean.split([':', '：', '(', '=', '[']).next().unwrap_or("").trim();
    let ends = name.len() == clean.len() || !clean[name.len()..].trim_start().starts_with('(');
    let lower = name.to_lowercase();
    let legend = lower.ends_with(" legend") && lower.split_whitespace().count() <= 4;
    ends && (legend || LABELS.iter().any(|label| name.chars().flat_map(char::to_lowercase).eq(label.chars())))
}

/// Whether an item with a box says a state, and nothing but a remark on it.
fn says_only_a_state(text: &str, item: &Item) -> bool {
    let Some(close) = item.mark.and_then(|_| text.find(']')) else { return false };
    let Some((_, rest)) = split_state(&text[close + 1..]) else { return false };
    let rest = rest.trim_start();
    rest.is_empty()
        || rest.starts_with(|c: char| !c.is_alphanumeric())
        || ["task", "tasks", "item", "items", "yet"].iter().any(|word| words::begins_with(rest, word))
}

/// The marks with the states that stand beside them: after each, or before each.
fn pairs(text: &str) -> Vec<(char, PlanStatus)> {
    let mut boxes: Vec<(usize, usize, char)> = Vec::new();
    for (at, _) in text.match_indices('[') {
        let from = if text[..at].ends_with('`') { at - 1 } else { at };
        // `[ ] pending` may stand in backticks as a whole.
        let found = box_at(&text[from..])
            .map(|found| (from, found))
            .or_else(|| box_at(&text[at..]).map(|found| (at, found)));
        if let Some((from, (sign, _, _, length))) = found {
            boxes.push((from, from + length, sign));
        }
    }
    let lead = boxes.first().and_then(|(start, ..)| text.get(..*start)?.rsplit([':', '：', '(', '|']).next());
    let states_lead = lead.is_some_and(|lead| state(lead).is_some());
    let after = |index: usize| {
        let (_, end, sign) = boxes[index];
        let to = boxes.get(index + 1).map_or(text.len(), |(next, ..)| *next);
        state(text.get(end..to)?).map(|status| (sign, status))
    };
    if !states_lead {
        return (0..boxes.len()).filter_map(after).collect();
    }
    let before = |index: usize| {
        let (start, _, sign) = boxes[index];
        let from = index.checked_sub(1).map_or(0, |last| boxes[last].1);
        let part = text.get(from..start)?;
        let part = part.rsplit([',', ';', '|', '·', '(']).find(|part| !part.trim().is_empty())?;
        state(part).map(|status| (sign, status))
    };
    (0..boxes.len()).filter_map(before).collect()
}

/// The state at the start of a text, after what joins it to its mark.
fn state(text: &str) -> Option<PlanStatus> {
    let whole = split_state(text).map(|(status, _)| status);
    // `stub/partial`: either word may be the one that is known.
    whole.or_else(|| {
        let word = text.trim_start_matches(|c: char| !c.is_alphanumeric()).split([' ', ',', ')']).next()?;
        word.split('/').skip(1).find_map(|word| split_state(word)).map(|(status, _)| status)
    })
}

/// The state at the start of a text, and what follows its word.
fn split_state(text: &str) -> Option<(PlanStatus, &str)> {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let text = ["means ", "is ", "for ", "task is ", "marks "]
        .iter()
        .find_map(|join| text.strip_prefix(join))
        .unwrap_or(text);
    let own = WORDS.iter().find(|(word, _)| words::begins_with(text, word));
    let (word, status) = own.or_else(|| words::status_word(text)).copied()?;
    // A word in lower case may be some bytes shorter or longer than as written, so letters are counted.
    let rest = text.char_indices().nth(word.chars().count()).map_or("", |(at, _)| &text[at..]);
    Some((status, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, sign: char) -> Option<PlanStatus> {
        let outline = Outline::read(text);
        Marks::read(Format::Generic, &outline).status(&Mark { sign, offset: 0, star: false })
    }

    #[test]
    fn a_legend_wins_in_all_its_wordings() {
        for text in [
            "**Status legend**: `[ ] pending` · `[~] in-progress` · `[x] complete`\n",
            "Legend: [ ] open, [~] in progress, [x] done\n",
            "> Legend: `[ ]` todo | `[~]` doing | `[x]` done\n",
            "Legend:\n\n- [ ] Not started\n- [~] In progress\n- [x] Completed\n",
            "## Legend\n\n- `[ ]` = not started\n- `[~]` = in progress\n",
            "### Status Key\n\n| Mark | Meaning |\n|---|---|\n| `[ ]` | Pending |\n| `[~]` | Partial |\n",
            "Boxes: `[ ]` means open, `[~]` means in progress.\n",
            "Key: open `[ ]`, in progress `[~]`, done `[x]`\n",
            "Progress legend: [ ] not started · [x] done · [~] stub/partial\n",
            "## Status Legend\n- `- [ ]` = Pending leaf task\n- `- [~]` = Started leaf task\n",
            "**Legend:**\n```\n[ ] todo\n[~] wip\n```\n",
        ] {
            let text = format!("# Plan\n\n{text}\n## Tasks\n\n- [~] a\n");
            assert_eq!(of(&text, '~'), Some(PlanStatus::InProgress), "{text}");
        }
    }

    #[test]
    fn without_a_legend_the_format_says() {
        let text = "- [~] a\n- [x] done with it\n";
        assert_eq!(of(text, '~'), None);
        assert_eq!(of(text, '-'), Some(PlanStatus::Skipped));
        assert_eq!(of("Legend: [-] in progress\n", '-'), Some(PlanStatus::InProgress));
        assert_eq!(of("- [-] in progress [x] done\n", '-'), Some(PlanStatus::Skipped));
    }

    #[test]
    fn tasks_below_a_legend_are_none_of_it() {
        let outline = Outline::read("Legend: [~] wip\n\nText.\n\n- [~] a\n- [x] Done deal\n");
        let marks = Marks::read(Format::Generic, &outline);
        assert!(marks.is_legend(0));
        assert!(!marks.is_legend(4));
        assert!(!marks.is_legend(5));
    }

    #[test]
    fn a_task_that_begins_like_a_state_stays_one() {
        let outline = Outline::read("Legend:\n- [ ] open\n- [x] Done (merged)\n\n- [ ] Open the door\n");
        let marks = Marks::read(Format::Generic, &outline);
        assert_eq!(marks.lines().collect::<Vec<_>>(), [1, 2]);
    }
}
