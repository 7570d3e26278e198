//! Words, numbers and widths: how a duration, an amount, a list or a title is written.
//!
//! Every text that comes from a plan or an agent goes through [`clean`] (one line) or [`masked`]
//! (documents that escape control characters themselves) before it is shown. Nothing here knows of
//! events or colours.

use std::borrow::Cow;
use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use crate::model::money::Money;

/// The text without what looks like a secret.
pub fn masked(text: &str) -> Cow<'_, str> {
    crate::masking::mask(text)
}

/// The text as one line that is safe to show: without secrets, terminal sequences, control
/// characters, marks that turn the direction of writing and letters that nobody sees; runs of
/// blanks are one blank.
pub fn clean(text: &str) -> String {
    let text = masked(text);
    if is_plain(&text) {
        return text.into_owned();
    }
    // Masked again, since a secret may have been broken by what was taken out.
    masked(&one_line(&text)).into_owned()
}

/// Whether the text has nothing that could be taken out.
fn is_plain(text: &str) -> bool {
    let mut blank = true;
    for byte in text.bytes() {
        if !(b' '..=b'~').contains(&byte) || (byte == b' ' && blank) {
            return false;
        }
        blank = byte == b' ';
    }
    !blank || text.is_empty()
}

fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut blank = true;
    while let Some(c) = characters.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut characters),
            // The eight bit forms of the same introducers.
            '\u{9b}' => skip_parameters(&mut characters),
            '\u{9d}' | '\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}' => skip_string(&mut characters),
            '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}' => {}
            c if c.is_whitespace() => {
                if !blank {
                    out.push(' ');
                }
                blank = true;
            }
            c if c.is_control() => {}
            c => {
                out.push(c);
                blank = false;
            }
        }
    }
    out.truncate(out.trim_end().len());
    out
}

type Characters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Passes over what follows an escape character.
fn skip_sequence(characters: &mut Characters<'_>) {
    match characters.peek().copied() {
        Some('[') => {
            characters.next();
            skip_parameters(characters);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            characters.next();
            skip_string(characters);
        }
        Some(' '..='/') => {
            while characters.next_if(|c| (' '..='/').contains(c)).is_some() {}
            characters.next_if(|c| ('0'..='~').contains(c));
        }
        Some('0'..='~') => {
            characters.next();
        }
        Some(_) | None => {}
    }
}

/// Passes over the parameters and the final character of a control sequence.
fn skip_parameters(characters: &mut Characters<'_>) {
    while characters.next_if(|c| (' '..='?').contains(c)).is_some() {}
    characters.next_if(|c| ('@'..='~').contains(c));
}

/// Passes over a string such as a window title, to its end or the end of the line.
fn skip_string(characters: &mut Characters<'_>) {
    while let Some(c) = characters.next_if(|c| *c != '\n') {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                characters.next_if(|c| *c == '\\');
                return;
            }
            _ => {}
        }
    }
}

/// The first `most` lines of a text that say something, each cleaned.
pub fn clean_lines(text: &str, most: usize) -> Vec<String> {
    // Masking looks at the whole: a key may span lines.
    masked(text).lines().map(clean).filter(|line| !line.is_empty()).take(most).collect()
}

/// How many columns the text takes.
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// The text cut to `columns`, with `…` (without Unicode: `...`) where something is missing.
pub fn cut(text: &str, columns: usize, unicode: bool) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mark = if unicode { "…" } else { "..." };
    if columns < mark.len().min(3) && !unicode {
        return ".".repeat(columns);
    }
    if columns == 0 {
        return String::new();
    }
    let room = columns - if unicode { 1 } else { 3 };
    let mut end = 0;
    for (place, c) in text.char_indices() {
        let next = place + c.len_utf8();
        // Marks that take no column are not a way to write without end.
        if next > room * 16 + 16 || width(&text[..next]) > room {
            break;
        }
        end = next;
    }
    let mut out = text[..end].trim_end().to_owned();
    out.push_str(mark);
    out
}

/// The text with blanks after it, up to `columns`.
pub fn pad(text: &str, columns: usize) -> String {
    let mut out = text.to_owned();
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(text))));
    out
}

/// The text with blanks before it, up to `columns`.
pub fn pad_left(text: &str, columns: usize) -> String {
    let mut out = " ".repeat(columns.saturating_sub(width(text)));
    out.push_str(text);
    out
}

/// The text in lines of at most `columns`, broken at blanks; a word that is longer stays whole, so
/// that a path can be pasted.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// A length of time: `48s`, `1m 12s`, `2h 04m`.
pub fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600.. => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// A length of time that was chosen by a person or a provider: seconds up to two minutes.
pub fn wait(length: Duration) -> String {
    // A wait is rounded up: at its end it is over.
    let seconds = length.as_millis().div_ceil(1_000);
    if seconds <= 120 {
        format!("{seconds}s")
    } else {
        duration(Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)))
    }
}

/// A point of time as counted from a start: `0:00`, `12:04`, `1:02:03`.
pub fn clock(since_start: Duration) -> String {
    let seconds = since_start.as_secs();
    if seconds < 3_600 {
        format!("{}:{:02}", seconds / 60, seconds % 60)
    } else {
        format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
    }
}

/// How long ago something was: `just now`, `12m ago`, `3h ago`, `2d ago`.
pub fn ago(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..10 => "just now".to_owned(),
        10..60 => format!("{seconds}s ago"),
        60..3_600 => format!("{}m ago", seconds / 60),
        3_600..172_800 => format!("{}h ago", seconds / 3_600),
        172_800.. => format!("{}d ago", seconds / 86_400),
    }
}

/// An amount in USD: `$0.00`, `$1.27`; none: `$?`.
pub fn money(usd: Option<f64>) -> String {
    match usd {
        Some(usd) if usd.is_finite() => format!("${:.2}", usd.max(0.0)),
        Some(_) | None => "$?".to_owned(),
    }
}

/// An amount of which a part may be unknown: `$0.00`, `$?`, `$1.27 + $?`.
pub fn money_known(usd: f64, unknown: bool) -> String {
    if !unknown {
        money(Some(usd))
    } else if usd < 0.005 {
        money(None)
    } else {
        format!("{} + {}", money(Some(usd)), money(None))
    }
}

/// The same with the name of the currency: `0.00 USD`, `? USD`, `1.27 USD + ?`.
pub fn usd_known(usd: f64, unknown: bool) -> String {
    if unknown && usd < 0.005 {
        return "? USD".to_owned();
    }
    let more = if unknown { " + ?" } else { "" };
    format!("{}{more}", Money::usd(usd))
}

/// A number of tokens: `214`, `214k`, `1.2M`.
pub fn tokens(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..999_500 => format!("{}k", (number + 500) / 1_000),
        999_500.. => {
            let tenths = (number + 50_000) / 100_000;
            format!("{}.{}M", tenths / 10, tenths % 10)
        }
    }
}

/// A number of bytes: `12 KiB`, `512 MiB`, `1.1 GiB`.
pub fn bytes(number: u64) -> String {
    crate::model::limits::size(number)
}

/// A number with its noun: `1 task`, `7 tasks`.
pub fn count_of(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A list in words: `a`, `a or b`, `a, b, or c` with `word` = `or`.
pub fn join(items: &[String], word: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} {word} {two}"),
        [most @ .., last] => format!("{}, {word} {last}", most.join(", ")),
    }
}

/// Numbers as ranges: `1 to 5`, `1 to 3, 6`.
pub fn ranges(numbers: &[u8]) -> String {
    let mut out = String::new();
    let mut place = 0;
    while place < numbers.len() {
        let first = numbers[place];
        let mut last = first;
        while numbers.get(place + 1).is_some_and(|&next| u16::from(next) == u16::from(last) + 1) {
            place += 1;
            last = numbers[place];
        }
        place += 1;
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(&first.to_string());
        if first != last {
            out.push_str(" to ");
            out.push_str(&last.to_string());
        }
    }
    out
}

/// A word as one can paste it into a shell: on Windows into `cmd`, PowerShell and `sh` alike.
pub fn shell_word(word: &str) -> String {
    quoted(word, cfg!(windows))
}

fn quoted(word: &str, windows: bool) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_./:-@%+=".contains(c) || (windows && c == '\\');
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
        word.to_owned()
    } else if windows {
        format!("\"{}\"", word.replace('"', "\\\""))
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn durations_are_short() {
        for (seconds, text) in [
            (0, "0s"),
            (48, "48s"),
            (60, "1m 00s"),
            (72, "1m 12s"),
            (3_599, "59m 59s"),
            (3_600, "1h 00m"),
            (7_440, "2h 04m"),
            (176_640, "49h 04m"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
        assert_eq!(wait(Duration::from_millis(59_001)), "60s");
        assert_eq!(wait(Duration::from_mins(5)), "5m 00s");
        assert_eq!(clock(Duration::from_secs(72)), "1:12");
        assert_eq!(clock(Duration::from_secs(3_723)), "1:02:03");
        assert_eq!(ago(Duration::from_secs(7_300)), "2h ago");
    }

    #[test]
    fn amounts_are_short() {
        assert_eq!(money(Some(0.0)), "$0.00");
        assert_eq!(money(Some(1.274)), "$1.27");
        assert_eq!(money(None), "$?");
        assert_eq!(money(Some(f64::NAN)), "$?");
        assert_eq!(money_known(0.0, true), "$?");
        assert_eq!(money_known(1.0, true), "$1.00 + $?");
        assert_eq!(usd_known(0.0, false), "0.00 USD");
        assert_eq!(usd_known(1.274, false), "1.27 USD");
        assert_eq!(usd_known(0.0, true), "? USD");
        assert_eq!(usd_known(1.0, true), "1.00 USD + ?");
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1k"), (214_300, "214k"), (999_499, "999k"), (1_249_999, "1.2M")]
        {
            assert_eq!(tokens(number), text);
        }
        for (number, text) in [
            (0, "0 KiB"),
            (12_288, "12 KiB"),
            (717 << 20, "717 MiB"),
            (1126 << 20, "1.1 GiB"),
            (200 << 30, "200 GiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(count_of(1, "task"), "1 task");
        assert_eq!(count_of(0, "task"), "0 tasks");
    }

    #[test]
    fn lists_are_words() {
        let words = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(join(&words[..0], "or"), "");
        assert_eq!(join(&words[..1], "or"), "a");
        assert_eq!(join(&words[..2], "or"), "a or b");
        assert_eq!(join(&words, "and"), "a, b, and c");
        assert_eq!(ranges(&[1, 2, 3, 4, 5]), "1 to 5");
        assert_eq!(ranges(&[1, 2, 4, 255]), "1 to 2, 4, 255");
        assert_eq!(ranges(&[]), "");
        assert_eq!(shell_word("T006"), "T006");
        assert_eq!(quoted("it's 2", false), r"'it'\''s 2'");
        assert_eq!(quoted("--all", false), "'--all'");
        assert_eq!(quoted(r"a\b", false), r"'a\b'");
        assert_eq!(quoted(r"C:\a\b.exe", true), r"C:\a\b.exe");
        assert_eq!(quoted(r"C:\Program Files\b", true), r#""C:\Program Files\b""#);
    }

    #[test]
    fn texts_lose_what_is_not_text() {
        assert_eq!(clean("a\u{1b}[31mred\u{1b}[0m b"), "ared b");
        assert_eq!(clean("\u{1b}]0;title\u{7}x\u{1b}]8;;http://e\u{1b}\\y"), "xy");
        assert_eq!(clean("\u{9b}2Jx \u{1b}(0y\u{1b}cz"), "x yz");
        assert_eq!(clean(" two\r\nlines\tand\u{0}\u{8} \u{202e}more\u{85}"), "two lines and more");
        assert_eq!(clean("\u{1b}]never ended\nnext"), "next");
        assert_eq!(clean("a\u{e0041}\u{200b}b"), "ab");
        assert_eq!(clean(""), "");
        assert_eq!(clean(" a  b "), "a b");
        assert_eq!(clean_lines("one\n\n  two \nthree", 2), ["one", "two"]);
    }

    #[test]
    fn cutting_says_that_something_is_missing() {
        assert_eq!(cut("Accessibility audit", 19, true), "Accessibility audit");
        assert_eq!(cut("Accessibility audit", 10, true), "Accessibi…");
        assert_eq!(cut("Accessibility audit", 15, true), "Accessibility…");
        assert_eq!(cut("Accessibility audit", 10, false), "Accessi...");
        assert_eq!(cut("日本語のタイトル", 7, true), "日本語…");
        assert_eq!(cut("abc", 0, true), "");
        assert_eq!(cut("abc", 2, false), "..");
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), [""]);
    }

    proptest! {
        #[test]
        fn cut_never_exceeds_the_width(text in any::<String>(), columns in 0_usize..60, unicode in any::<bool>()) {
            let short = cut(&text, columns, unicode);
            prop_assert!(width(&short) <= columns, "{short:?} takes {} of {columns}", width(&short));
        }

        #[test]
        fn clean_texts_are_one_line_and_stay_as_they_are(text in any::<String>()) {
            let once = clean(&text);
            prop_assert!(!once.chars().any(char::is_control));
            prop_assert_eq!(clean(&once), once.clone());
        }
    }
}
