//! The outline of a plan: headings with what lies below them, list items with their nesting.
//!
//! Lists are nested by indent alone: an item that stands two columns or more to the right of
//! another belongs to it. That agrees with Markdown where Markdown is written well, and with the author
//! where a number's width was not counted.

use std::borrow::Cow;
use std::ops::Range;

use super::blocks::Blocks;
use super::blocks::LineKind;
use super::boxes::Mark;
use super::boxes::item_line;
use super::boxes::without_box;
use super::lines::Lines;
use super::lines::indent_of;
use super::names;
use super::names::Shape;
use super::titles::clean;
use super::words::is_closed;

/// No item begins on a line.
const NONE: u32 = u32::MAX;

/// A heading with its section.
#[derive(Debug)]
pub(crate) struct Heading {
    /// Its line.
    pub(crate) line: usize,
    /// The first line of what stands below it.
    pub(crate) after: usize,
    /// The first line after its section: the next heading of the same or a higher level.
    pub(crate) end: usize,
    /// 1 to 6.
    pub(crate) level: u8,
    /// Its bytes, without the marks around it.
    pub(crate) text: Range<usize>,
    /// The same, cleaned of emphasis, code marks and emoji.
    pub(crate) title: String,
    /// The heading around it.
    pub(crate) parent: Option<usize>,
    /// The next heading in the file, or the end: where its own text ends.
    pub(crate) own_end: usize,
    /// Whether boxes below it are no tasks.
    pub(crate) closed: bool,
}

/// A list item.
#[derive(Debug)]
pub(crate) struct Item {
    /// Its line.
    pub(crate) line: usize,
    /// The first line after all that belongs to it.
    pub(crate) end: usize,
    /// Columns before its bullet.
    pub(crate) indent: usize,
    /// Its number in an ordered list.
    pub(crate) ordinal: Option<u32>,
    /// Its box.
    pub(crate) mark: Option<Mark>,
    /// The bytes of its first line after bullet and box, comments included.
    pub(crate) text: Range<usize>,
    /// The item it belongs to.
    pub(crate) parent: Option<usize>,
    /// The heading above it.
    pub(crate) heading: Option<usize>,
    /// Whether a label above its list says that it holds no tasks.
    pub(crate) closed_label: bool,
    /// Lists under one heading are counted, so that siblings are known.
    pub(crate) list: usize,
    /// Whether an item around it has a box.
    pub(crate) below_box: bool,
}

/// All that stands in a plan, with its places.
#[derive(Debug)]
pub(crate) struct Outline<'t> {
    /// The lines.
    pub(crate) lines: Lines<'t>,
    /// What is on each.
    pub(crate) blocks: Blocks,
    /// In order.
    pub(crate) headings: Vec<Heading>,
    /// In order.
    pub(crate) items: Vec<Item>,
    /// For each line the item that begins there, or [`NONE`].
    item_lines: Vec<u32>,
}

impl<'t> Outline<'t> {
    /// Reads the outline of a text.
    pub(crate) fn read(text: &'t str) -> Self {
        let lines = Lines::new(text);
        let blocks = Blocks::read(&lines);
        let headings = headings(&lines, &blocks);
        let mut outline =
            Self { item_lines: vec![NONE; lines.len()], lines, blocks, headings, items: Vec::new() };
        outline.read_items();
        outline
    }

    /// The line with its comments blanked.
    pub(crate) fn visible(&self, line: usize) -> Cow<'t, str> {
        self.blocks.visible(&self.lines, line)
    }

    /// The item that begins on a line.
    pub(crate) fn item_at(&self, line: usize) -> Option<usize> {
        self.item_lines.get(line).filter(|item| **item != NONE).map(|item| *item as usize)
    }

    /// The kind of a line.
    pub(crate) fn kind(&self, line: usize) -> LineKind {
        self.blocks.kinds.get(line).copied().unwrap_or(LineKind::Blank)
    }

    /// The first paragraph of an item, lines joined, comments left out.
    pub(crate) fn paragraph(&self, item: &Item) -> Cow<'t, str> {
        let start = item.text.start - self.lines.start(item.line);
        let mut text = match self.visible(item.line) {
            Cow::Borrowed(first) => Cow::Borrowed(first.get(start..).unwrap_or("").trim()),
            Cow::Owned(first) => Cow::Owned(first.get(start..).unwrap_or("").trim().to_owned()),
        };
        for line in item.line + 1..item.end {
            if self.kind(line) != LineKind::Text || self.item_at(line).is_some() {
                break;
            }
            let text = text.to_mut();
            text.push(' ');
            text.push_str(self.visible(line).trim());
        }
        text
    }

    /// The innermost heading above a line.
    pub(crate) fn heading_above(&self, line: usize) -> Option<usize> {
        self.headings.partition_point(|heading| heading.line <= line).checked_sub(1)
    }

    /// Whether the heading, or one around it, holds no tasks.
    pub(crate) fn is_closed(&self, heading: Option<usize>) -> bool {
        heading.is_some_and(|heading| self.headings[heading].closed)
    }

    /// Takes the items on some lines for no tasks.
    pub(crate) fn close_lines(&mut self, lines: impl Iterator<Item = usize>) {
        for line in lines {
            if let Some(item) = self.item_at(line) {
                self.items[item].closed_label = true;
            }
        }
    }

    fn read_items(&mut self) {
        let mut open: Vec<usize> = Vec::new();
        let mut last_content = 0;
        let mut after_blank = true;
        let mut closed_label = false;
        let mut heading = None;
        let mut next_heading = 0;
        let mut list = 0;
        for line in 0..self.lines.len() {
            while self.headings.get(next_heading).is_some_and(|next| next.line == line) {
                heading = Some(next_heading);
                next_heading += 1;
            }
            match self.blocks.kinds[line] {
                LineKind::Blank => after_blank = true,
                LineKind::Comment => {}
                LineKind::Heading | LineKind::Break | LineKind::FrontMatter => {
                    self.close(&mut open, 0, last_content);
                    closed_label = false;
                    after_blank = true;
                    list += 1;
                }
                LineKind::Fence | LineKind::Code | LineKind::Quote | LineKind::Table => {
                    // A blank line within a fence stands as far to the right as the fence does.
                    if !self.lines.get(line).trim().is_empty() {
                        self.close(&mut open, indent_of(self.lines.get(line)), last_content);
                    }
                    after_blank = false;
                    last_content = line;
                }
                LineKind::Text => {
                    let visible = self.visible(line);
                    if let Some(found) = item_line(&visible).filter(|_| !super::blocks::too_deep(&visible)) {
                        self.close(&mut open, found.indent.saturating_sub(1), last_content);
                        let parent = open.last().copied();
                        let start = self.lines.start(line) + found.text;
                        let below_box = parent.is_some_and(|parent| {
                            self.items[parent].below_box || self.items[parent].mark.is_some()
                        });
                        self.item_lines[line] = u32::try_from(self.items.len()).unwrap_or(NONE);
                        open.push(self.items.len());
                        self.items.push(Item {
                            line,
                            end: line + 1,
                            indent: found.indent,
                            ordinal: found.ordinal,
                            mark: found.mark,
                            text: start..self.lines.end(line).max(start),
                            parent,
                            heading,
                            closed_label,
                            list,
                            below_box,
                        });
                    } else {
                        if after_blank || open.is_empty() {
                            self.close(&mut open, indent_of(&visible), last_content);
                        }
                        if open.is_empty() {
                            closed_label = is_label(&visible) && is_closed(&clean(&visible));
                            list += 1;
                        }
                    }
                    after_blank = false;
                    last_content = line;
                }
            }
        }
        self.close(&mut open, 0, last_content);
    }

    /// Ends the items that begin at or right of a column.
    fn close(&mut self, open: &mut Vec<usize>, indent: usize, last_content: usize) {
        while let Some(item) = open.pop_if(|item| self.items[*item].indent >= indent) {
            self.items[item].end = last_content + 1;
        }
    }
}

/// Whether a line is a label for the list below it: bold as a whole, or ending in a colon.
fn is_label(line: &str) -> bool {
    let line = line.trim();
    let bold = line.starts_with("**") && line.trim_end_matches([':', '：']).ends_with("**");
    bold || (line.starts_with("**") && line.ends_with(":**")) || line.ends_with([':', '：'])
}

fn headings(lines: &Lines<'_>, blocks: &Blocks) -> Vec<Heading> {
    let mut headings: Vec<Heading> = Vec::with_capacity(blocks.headings.len());
    let mut open: Vec<usize> = Vec::new();
    let mut closing: Vec<(usize, usize)> = Vec::new();
    for (index, raw) in blocks.headings.iter().enumerate() {
        while let Some(ended) = open.pop_if(|open| headings[*open].level >= raw.level) {
            closing.push((ended, raw.line));
        }
        if let Some(previous) = headings.last_mut() {
            previous.own_end = raw.line;
        }
        let parent = open.last().copied();
        // A heading with a box says the same whether that is ticked or not.
        let title = clean(without_box(&lines.text[raw.text.clone()]));
        // A heading named like a task opens again what stands below it: explicit beats implicit.
        let named = names::written(&title).is_some_and(|id| id.ends && matches!(id.shape, Shape::Word(_)));
        let closed = is_closed(&title) || (!named && parent.is_some_and(|parent| headings[parent].closed));
        headings.push(Heading {
            line: raw.line,
            after: raw.after,
            end: lines.len(),
            level: raw.level,
            text: raw.text.clone(),
            title,
            parent,
            own_end: lines.len(),
            // A title of the whole document closes nothing.
            closed: closed && raw.level > 1,
        });
        open.push(index);
    }
    for (heading, end) in closing {
        headings[heading].end = end;
    }
    headings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_nest_by_indent() {
        let outline = Outline::read("- a\n  - b\n    text\n\n  more\n- c\n  lazy\n\n1.  d\n    - e\n\nend\n");
        let shape: Vec<(usize, usize, Option<usize>)> =
            outline.items.iter().map(|item| (item.line, item.end, item.parent)).collect();
        assert_eq!(shape, [(0, 5, None), (1, 3, Some(0)), (5, 7, None), (8, 10, None), (9, 10, Some(3))]);
        assert_eq!(outline.paragraph(&outline.items[2]), "c lazy");
    }

    #[test]
    fn a_blank_line_in_a_fence_ends_no_item() {
        let outline = Outline::read("- a\n  ```\n  one\n\n  two\n  ```\n  more\n- b\n");
        let ends: Vec<(usize, usize)> = outline.items.iter().map(|item| (item.line, item.end)).collect();
        assert_eq!(ends, [(0, 7), (7, 8)]);
    }

    #[test]
    fn headings_end_at_their_like() {
        let outline = Outline::read("# A\n## B\nx\n### C\n## Verification\n### D\n");
        let shape: Vec<(usize, usize, Option<usize>, bool)> =
            outline.headings.iter().map(|h| (h.line, h.end, h.parent, h.closed)).collect();
        assert_eq!(
            shape,
            [
                (0, 6, None, false),
                (1, 4, Some(0), false),
                (3, 4, Some(1), false),
                (4, 6, Some(0), true),
                (5, 6, Some(3), true)
            ]
        );
    }

    #[test]
    fn labels_close_their_list() {
        let outline = Outline::read("**Validation criteria**:\n\n- [ ] a\n\nText\n\n- [ ] b\n");
        assert!(outline.items[0].closed_label);
        assert!(!outline.items[1].closed_label);
    }
}
