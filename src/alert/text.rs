//! Cutting texts to what a service takes.

/// What stands where something was cut off.
const CUT: char = '…';

/// The text on one line.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `most` characters.
pub(super) fn cut_chars(text: &str, most: usize) -> String {
    cut(text, most, |_| 1)
}

/// At most `most` units of UTF-16, in which some services count.
pub(super) fn cut_utf16(text: &str, most: usize) -> String {
    cut(text, most, char::len_utf16)
}

/// At most `most` bytes of UTF-8.
pub(super) fn cut_bytes(text: &str, most: usize) -> String {
    cut(text, most, char::len_utf8)
}

fn cut(text: &str, most: usize, weight: impl Fn(char) -> usize) -> String {
    if text.chars().map(&weight).sum::<usize>() <= most {
        return text.to_owned();
    }
    let mut room = most.saturating_sub(weight(CUT));
    let mut kept = String::new();
    for letter in text.chars() {
        let Some(left) = room.checked_sub(weight(letter)) else { break };
        room = left;
        kept.push(letter);
    }
    kept.push(CUT);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_the_unit_that_is_counted() {
        assert_eq!(cut_chars("abc", 3), "abc");
        assert_eq!(cut_chars("abcd", 3), "ab…");
        assert_eq!(cut_utf16("🌊🌊", 4), "🌊🌊");
        assert_eq!(cut_utf16("🌊🌊🌊", 4), "🌊…");
        assert_eq!(cut_bytes("žžž", 6), "žžž");
        assert_eq!(cut_bytes("žžžž", 6), "ž…");
        assert_eq!(one_line(" a\n b\tc "), "a b c");
    }
}
