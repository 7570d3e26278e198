//! Lines on which any of some words stands, found by one search of the whole text: what is looked for on few
//! lines is not looked for on each.

use aho_corasick::Span;
use aho_corasick::packed::Searcher;

use super::lines::Lines;

/// Words that are looked for, as they are written.
pub(crate) struct Needles(Option<Searcher>);

impl Needles {
    /// Makes words ready to be looked for.
    pub(crate) fn new(words: &[&str]) -> Self {
        // It refuses more words than a plan's reader has, and then every line is taken for one that has some.
        Self(Searcher::new(words))
    }

    /// The lines that have one, in order.
    pub(crate) fn lines(&self, lines: &Lines<'_>) -> Vec<usize> {
        let Some(needles) = &self.0 else { return (0..lines.len()).collect() };
        let text = lines.text.as_bytes();
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(hit) = needles.find_in(text, Span::from(from..text.len())) {
            let line = lines.at(hit.start());
            found.push(line);
            // The rest of the line has nothing to add.
            from = lines.end(line).max(hit.end());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_told_once_and_in_order() {
        let needles = Needles::new(&["one", "two"]);
        let lines = Lines::new("two one\nthree\r\nx one\r\nno\none one");
        assert_eq!(needles.lines(&lines), [0, 2, 4]);
        assert_eq!(needles.lines(&Lines::new("")), [0; 0]);
    }
}
