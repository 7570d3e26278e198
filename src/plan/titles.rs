//! Titles and ids as people read them: without box, marks, emphasis and asides.

use unicode_normalization::UnicodeNormalization;

use super::words;
use crate::model::task::PlanStatus;

/// The longest id that is made from a title, in characters.
const LONGEST_ID: usize = 40;

/// The most asides that are taken off the end of a title.
const MOST_ASIDES: usize = 12;

/// A title with what was taken out of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Title {
    /// What is left, without emphasis and code marks.
    pub(crate) text: String,
    /// `[P]` or `(P)`.
    pub(crate) parallel: bool,
    /// What stands in `(depends on ...)`.
    pub(crate) depends: Option<String>,
    /// What a word or sign at its end says.
    pub(crate) status: Option<PlanStatus>,
    /// `{agent=kilo}` at its end.
    pub(crate) attributes: Option<String>,
    /// ` - CRITICAL` and the like at its end.
    pub(crate) priority: Option<u8>,
    /// `(@name)` at its end: who does it.
    pub(crate) agent: Option<String>,
    /// `(optional)` at its end, or `Optional:` at its start.
    pub(crate) optional: bool,
}

/// Reads a title after box and id.
pub(crate) fn read(text: &str) -> Title {
    let mut rest = text.trim();
    if is_plain(rest) {
        return Title { text: rest.to_owned(), ..Title::default() };
    }
    let mut title = Title::default();
    if rest.ends_with('}')
        && let Some(open) = rest.rfind('{')
        && rest[open..].contains('=')
    {
        title.attributes = Some(rest[open + 1..rest.len() - 1].to_owned());
        rest = rest[..open].trim_end();
    }
    while let Some((tag, after)) = leading_tag(rest) {
        match tag {
            _ if is_stamp(tag) => {}
            "P" | "p" => title.parallel = true,
            _ if is_story(tag) => {}
            _ => break,
        }
        rest = after.trim_start();
    }
    let without;
    if let Some((value, left)) = inline_depends(rest) {
        title.depends = Some(value);
        without = left;
        rest = without.as_str();
    }
    let struck = rest.strip_prefix("~~").is_some_and(|inner| {
        inner.find("~~").is_some_and(|end| {
            let after = inner[end + 2..].trim();
            after.is_empty()
                || aside(after).is_some_and(|word| words::status(word) == Some(PlanStatus::Skipped))
        })
    });
    if struck {
        title.status = Some(PlanStatus::Skipped);
    }
    // Each look at the end reads the whole title, so their number is bounded.
    for _ in 0..MOST_ASIDES {
        let before = rest.trim_end();
        if let Some((title_before, name)) = addressee(before) {
            title.agent.get_or_insert(name.to_owned());
            rest = title_before;
            continue;
        }
        rest = trailing(before, &mut title);
        if rest.len() == before.len() {
            break;
        }
    }
    let rest = rest.strip_suffix([':', '：']).unwrap_or(rest).trim_end();
    title.optional |= words::begins_with(rest, "optional:");
    title.text = clean(rest);
    title
}

/// What a sign says that stands before a title without a box, as in `1. ✅ Set up the server`.
pub(crate) fn leading_sign(text: &str) -> Option<PlanStatus> {
    text.trim_start_matches(['*', '_', ' ']).chars().next().and_then(words::sign)
}

/// What `**Depends on**: T001, T002.` in the middle of a title says, and the title without it.
fn inline_depends(text: &str) -> Option<(String, String)> {
    if !text.as_bytes().contains(&b'*') {
        return None;
    }
    let key = "epends on";
    let at = text.match_indices(key).map(|(at, _)| at).find(|at| text[..*at].ends_with("**D"))?;
    let start = at - "**D".len();
    let rest = &text[at + key.len()..];
    let rest = rest.strip_prefix("**:").or_else(|| rest.strip_prefix(":**"))?;
    let end = rest.find("**").unwrap_or(rest.len());
    let value = rest[..end].trim();
    // At the start it is a field, and no part of a title.
    (start > 0).then(|| (value.to_owned(), format!("{} {}", text[..start].trim_end(), &rest[end..])))
}

/// Takes one aside off the end of a title, if there is one.
fn trailing<'t>(rest: &'t str, title: &mut Title) -> &'t str {
    for mark in ["[P]", "(P)"] {
        if let Some(before) = rest.strip_suffix(mark) {
            title.parallel = true;
            return before;
        }
    }
    for weight in [" - CRITICAL", " - HIGH", " - MEDIUM", " - LOW"] {
        if let Some(before) = rest.strip_suffix(weight) {
            title.priority = words::priority(&weight[3..]);
            return before;
        }
    }
    // The bytes with which what sets a word off begins, but for blanks.
    let set_off = rest.bytes().any(|byte| matches!(byte, b'-' | b':' | 0xe2 | 0xef | 0xf0));
    let last = rest.chars().next_back();
    if let Some(status) = last.filter(|c| *c != '\u{fe0f}').and_then(words::sign) {
        title.status = title.status.or(Some(status));
        return rest.trim_end_matches(|c: char| words::sign(c).is_some());
    }
    if rest.ends_with('\u{fe0f}') {
        return rest.trim_end_matches('\u{fe0f}');
    }
    if let Some((at, status)) = signed_word(rest) {
        title.status = title.status.or(Some(status));
        return &rest[..at];
    }
    // An aside in the middle of bold text, `**Title (AC: #1)**`, ends before the marks.
    let bare = rest.trim_end_matches('*');
    if let Some((open, inner)) = bare.strip_suffix('.').and_then(last_parentheses)
        && title.depends.is_none()
        && inner.get(..10).is_some_and(|word| word.eq_ignore_ascii_case("depends on"))
    {
        title.depends = Some(inner[10..].trim_start_matches(':').trim().to_owned());
        return rest[..open].trim_end();
    }
    if let Some((open, inner)) = last_parentheses(bare) {
        let lower = inner.to_lowercase();
        let waits = ["depends on", "depends:", "závisí na", "po dokončení"]
            .iter()
            .filter(|words| lower.starts_with(**words))
            .find_map(|words| inner.get(words.len()..));
        if let Some(waits) = waits {
            title.depends = Some(waits.trim_start_matches(':').trim().to_owned());
            return rest[..open].trim_end();
        }
        if lower.starts_with("ac:") || lower.starts_with("ac #") || is_stamp(inner) {
            return rest[..open].trim_end();
        }
        if lower == "optional" {
            title.optional = true;
            return rest[..open].trim_end();
        }
        // `(DEFERRED - not needed)`: the word is set off, what follows is a reason.
        let shouted = inner.chars().take_while(|c| c.is_alphabetic()).all(char::is_uppercase);
        if shouted && words::status(inner) == Some(PlanStatus::Skipped) {
            title.status = Some(PlanStatus::Skipped);
            return rest[..open].trim_end();
        }
        if let Some(status) = words::only_status(inner) {
            title.status = title.status.or(Some(status));
            return rest[..open].trim_end();
        }
    }
    if let Some(before) = bare.strip_suffix("[optional]").or_else(|| bare.strip_suffix("[OPTIONAL]")) {
        title.optional = true;
        return before.trim_end();
    }
    if bare.ends_with(']')
        && let Some(open) = bare.rfind('[')
        && let Some(status) = words::only_status(&bare[open + 1..bare.len() - 1])
    {
        title.status = title.status.or(Some(status));
        return rest[..open].trim_end();
    }
    for dash in [" — ", " – ", " - ", "：", ": "] {
        if let Some(at) = if set_off { rest.rfind(dash) } else { None } {
            let word = rest[at + dash.len()..].trim().trim_matches('*');
            let shouted = word.chars().next().is_some_and(char::is_uppercase) || !word.is_ascii();
            if shouted && words::only_status(word) == Some(PlanStatus::Skipped) {
                title.status = Some(PlanStatus::Skipped);
                return &rest[..at];
            }
            // `— DONE`: no sentence ends like that.
            let head = word.split(['(', '（']).next().unwrap_or("").trim();
            let is_loud = head.len() > 3 && !head.chars().any(char::is_lowercase) && dash.ends_with(' ');
            if let Some(status) = words::only_status(word).filter(|_| is_loud && !dash.starts_with(':')) {
                title.status = title.status.or(Some(status));
                return &rest[..at];
            }
        }
    }
    if rest.ends_with("**")
        && let Some(word) = aside(rest.rsplit(' ').next().unwrap_or(""))
        && words::only_status(word) == Some(PlanStatus::Skipped)
    {
        title.status = Some(PlanStatus::Skipped);
        return rest.rfind(' ').map_or(rest, |at| &rest[..at]);
    }
    rest
}

/// A status behind a sign at the end of a title, as in `Server ✅ COMPLETED`, and where the sign stands.
fn signed_word(text: &str) -> Option<(usize, PlanStatus)> {
    if text.is_ascii() {
        return None;
    }
    let (at, sign) = text.char_indices().rev().take(24).find(|(_, c)| !c.is_ascii() && is_emoji(*c))?;
    let word = text[at + sign.len_utf8()..].trim().trim_matches('*');
    let begins = word.starts_with(char::is_alphabetic);
    let at = text[..at].trim_end_matches(is_emoji).len();
    words::only_status(word).filter(|_| begins && at > 0).map(|status| (at, status))
}

/// A text wholly in parentheses or bold.
fn aside(text: &str) -> Option<&str> {
    let text = text.trim();
    text.strip_prefix("**")
        .and_then(|text| text.strip_suffix("**"))
        .or_else(|| text.strip_prefix('(').and_then(|text| text.strip_suffix(')')))
}

fn last_parentheses(text: &str) -> Option<(usize, &str)> {
    let (close, open) = if text.ends_with(')') { (')', '(') } else { ('）', '（') };
    let inner = text.strip_suffix(close)?;
    let at = inner.rfind(open)?;
    Some((at, inner[at + open.len_utf8()..].trim()))
}

/// `2026-05-06 00:00Z` and the like.
fn is_stamp(text: &str) -> bool {
    text.len() >= 10
        && text.bytes().take(4).all(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"-:/.+TZ ".contains(&byte))
}

fn is_story(tag: &str) -> bool {
    tag == "Story"
        || tag.split('+').all(|part| {
            part.strip_prefix("US").is_some_and(|number| {
                number.starts_with(|c: char| c.is_ascii_digit()) && number.chars().all(char::is_alphanumeric)
            })
        })
}

fn leading_tag(text: &str) -> Option<(&str, &str)> {
    let (close, inner) =
        if let Some(inner) = text.strip_prefix('[') { (']', inner) } else { (')', text.strip_prefix('(')?) };
    let end = inner.find(close)?;
    let after = &inner[end + 1..];
    (!after.starts_with('(')).then_some((&inner[..end], after))
}

/// `title (@name)`: one name in parentheses at the end. A bare `@name` is left alone, since it calls a user.
fn addressee(text: &str) -> Option<(&str, &str)> {
    let (before, name) = text.strip_suffix(')')?.rsplit_once("(@")?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    is_name.then(|| (before.trim_end(), name))
}

/// A text without emphasis, code marks, link targets and emoji, white space collapsed.
pub(crate) fn clean(text: &str) -> String {
    if is_clean(text) {
        return text.to_owned();
    }
    let text = without_links(text);
    let mut plain = String::with_capacity(text.len());
    let mut space = false;
    // What stands between code marks is kept as it is: `__init__.py` is a name.
    let mut in_code = false;
    let bytes = text.as_bytes();
    for (index, c) in text.char_indices() {
        // An underscore inside a word is a letter of a name, not emphasis.
        let inside_word = c == '_'
            && index.checked_sub(1).is_some_and(|before| bytes[before].is_ascii_alphanumeric())
            && bytes.get(index + 1).is_some_and(u8::is_ascii_alphanumeric);
        if c == '`' {
            in_code = !in_code && text[index + 1..].contains('`');
            continue;
        }
        if !in_code && (c == '*' || (c == '_' && !inside_word) || is_emoji(c)) {
            continue;
        }
        if c == '~'
            && !in_code
            && (bytes.get(index + 1) == Some(&b'~') || index.checked_sub(1).is_some_and(|i| bytes[i] == b'~'))
        {
            continue;
        }
        if c.is_whitespace() {
            space = true;
        } else if !c.is_control() {
            if space && !plain.is_empty() {
                plain.push(' ');
            }
            space = false;
            plain.push(c);
        }
    }
    plain
}

/// Bytes that [`clean`] leaves as they are, wherever they stand.
const CLEAN: [bool; 256] = {
    let mut clean = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        clean[byte as usize] = !matches!(byte, b'*' | b'`' | b'_' | b'~' | b'(');
        byte += 1;
    }
    clean
};

/// Whether a text is what [`clean`] would make of it, known by its bytes alone.
fn is_clean(text: &str) -> bool {
    let mut before = b' ';
    for byte in text.bytes() {
        let good =
            CLEAN[usize::from(byte)] || (byte == b' ' && before != b' ') || (byte == b'(' && before != b']');
        if !good {
            return false;
        }
        before = byte;
    }
    before != b' '
}

/// Bytes of [`CLEAN`] with which nothing begins or ends that may be taken out of a title.
const PLAIN: [bool; 256] = {
    let mut plain = CLEAN;
    let others = b"-:[]{}()~";
    let mut at = 0;
    while at < others.len() {
        plain[others[at] as usize] = false;
        at += 1;
    }
    plain
};

/// Whether a text is a title and nothing else, known by its bytes alone: most are, and are not looked at again.
fn is_plain(text: &str) -> bool {
    let mut before = b' ';
    for byte in text.bytes() {
        if !(PLAIN[usize::from(byte)] || (byte == b' ' && before != b' ')) {
            return false;
        }
        before = byte;
    }
    before.is_ascii_lowercase() || before.is_ascii_digit()
}

fn is_emoji(c: char) -> bool {
    matches!(u32::from(c), 0x2600..=0x27bf | 0x2b50..=0x2b55 | 0x1f000..=0x1faff | 0xfe0f | 0x200d | 0x231a..=0x23ff)
}

/// Replaces `[text](target)` by the text.
fn without_links(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains("](") {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(middle) = rest.find("](") {
        let Some(length) = rest[middle..].find(')') else { break };
        match rest[..middle].rfind('[') {
            Some(open) => {
                plain.push_str(&rest[..open]);
                plain.push_str(&rest[open + 1..middle]);
            }
            None => plain.push_str(&rest[..middle]),
        }
        rest = &rest[middle + length + 1..];
    }
    plain.push_str(rest);
    plain.into()
}

/// A text cut to some characters; what is cut ends in `…`.
pub(crate) fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(std::iter::once('…')).collect(),
    }
}

/// Makes an id of a title: NFKC, lower case, letters and digits kept, the rest `-`, 40 characters at most.
pub(crate) fn id_of(title: &str) -> String {
    if title.is_ascii() {
        id_of_ascii(title)
    } else {
        id_of_letters(title.nfkc().flat_map(char::to_lowercase))
    }
}

/// The same as [`id_of_letters`], which the tests hold it against, of ASCII alone.
fn id_of_ascii(title: &str) -> String {
    // One more than is kept, which shows whether the last word is whole.
    let mut id = [b'-'; LONGEST_ID + 1];
    let mut length = 0;
    for byte in title.bytes() {
        if length > LONGEST_ID {
            break;
        }
        let letter = LETTERS[usize::from(byte)];
        if letter != 0 {
            id[length] = letter;
            length += 1;
        } else if length > 0 && id[length - 1] != b'-' {
            id[length] = b'-';
            length += 1;
        }
    }
    if length > LONGEST_ID && id[LONGEST_ID] != b'-' {
        // Cut at a dash, unless the title is one long word.
        length = id[..LONGEST_ID].iter().rposition(|byte| *byte == b'-').unwrap_or(LONGEST_ID);
    }
    let id = id[..length].strip_suffix(b"-").unwrap_or(&id[..length]);
    // Letters, digits and dashes are UTF-8.
    match std::str::from_utf8(id) {
        Ok("") | Err(_) => "task".to_owned(),
        Ok(id) => id.to_owned(),
    }
}

/// What a byte of ASCII is in an id; 0: a dash.
const LETTERS: [u8; 256] = {
    let mut letters = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            letters[byte as usize] = byte.to_ascii_lowercase();
        }
        byte += 1;
    }
    letters
};

fn id_of_letters(letters: impl Iterator<Item = char>) -> String {
    let mut id = String::with_capacity(LONGEST_ID);
    let mut length = 0;
    let mut dash = false;
    let mut last_dash = None;
    for c in letters {
        // Combining marks belong to the letter before them.
        let kept = c.is_alphanumeric() || (length > 0 && unicode_normalization::char::is_combining_mark(c));
        if !kept {
            dash = length > 0;
            continue;
        }
        let needed = 1 + usize::from(dash);
        if length + needed > LONGEST_ID {
            // Cut at a dash, unless the title is one long word.
            if !dash && let Some(at) = last_dash {
                id.truncate(at);
            }
            break;
        }
        if dash {
            last_dash = Some(id.len());
            id.push('-');
            dash = false;
        }
        id.push(c);
        length += needed;
    }
    if id.is_empty() { "task".to_owned() } else { id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asides_are_dropped_and_remembered() {
        let title = read("[P] [US1] Create `User` model in src/user.rs (depends on T001, T002)");
        assert_eq!(title.text, "Create User model in src/user.rs");
        assert!(title.parallel);
        assert_eq!(title.depends.as_deref(), Some("T001, T002"));
        assert_eq!(read("**Create endpoint** (AC: #1, #2)").text, "Create endpoint");
        assert_eq!(read("**Create endpoint (AC: #1)** - CRITICAL ✅").text, "Create endpoint");
        assert_eq!(read("Fix it (2026-05-06 00:00Z)").text, "Fix it");
        assert_eq!(read("Update target:").text, "Update target");
        assert_eq!(read("Use {braces}").attributes, None);
        assert_eq!(
            read("Do it {agent=kilo timeout=20m}").attributes.as_deref(),
            Some("agent=kilo timeout=20m")
        );
    }

    #[test]
    fn status_words_stand_off_from_the_title() {
        assert_eq!(read("Write tests — DEFERRED (needs setup)").status, Some(PlanStatus::Skipped));
        assert_eq!(read("Write tests - DEFERRED").status, Some(PlanStatus::Skipped));
        assert_eq!(read("~~Write tests~~").status, Some(PlanStatus::Skipped));
        assert_eq!(read("~~Write~~ Extend tests").status, None);
        assert_eq!(read("Foundation (Complete ✓)").status, Some(PlanStatus::Done));
        assert_eq!(read("Setup [DONE]").status, Some(PlanStatus::Done));
        assert_eq!(read("Setup ✅").status, Some(PlanStatus::Done));
        assert_eq!(read("Add the DEFERRED state").status, None);
        assert_eq!(read("Make the list open").status, None);
    }

    #[test]
    fn emphasis_goes_and_names_stay() {
        assert_eq!(clean("**Do** `a_b_c` _now_ ~~x~~ ~5 [docs](http://a/b)"), "Do a_b_c now x ~5 docs");
        assert_eq!(clean("🎯 Plan  🚀"), "Plan");
    }

    #[test]
    fn ids_of_ascii_are_made_as_all_others() {
        for title in [
            "",
            "!",
            "a",
            " A  b-",
            "one two three four five six seven eight nine ten",
            &"a".repeat(50),
            &"ab ".repeat(14),
        ] {
            assert_eq!(
                id_of_ascii(title),
                id_of_letters(title.chars().flat_map(char::to_lowercase)),
                "{title}"
            );
        }
        for length in 30..50 {
            let title = format!("{} {}", "a".repeat(length), "b".repeat(9));
            assert_eq!(id_of_ascii(&title), id_of_letters(title.chars()), "{title}");
        }
    }

    #[test]
    fn ids_are_short_and_stable() {
        assert_eq!(id_of("Define Shared State Schema: Create it"), "define-shared-state-schema-create-it");
        assert_eq!(id_of("Příliš žluťoučký kůň"), "příliš-žluťoučký-kůň");
        assert_eq!(id_of("实现计划：第一"), "实现计划-第一");
        assert_eq!(id_of("!!!"), "task");
        let long = id_of("one two three four five six seven eight nine ten");
        assert_eq!(long, "one-two-three-four-five-six-seven-eight");
        assert_eq!(id_of(&"a".repeat(100)).len(), 40);
    }

    #[test]
    fn a_sign_with_its_word_and_a_loud_word_after_a_dash() {
        for (text, title, status) in [
            ("Welcome ✅ COMPLETE", "Welcome", Some(PlanStatus::Done)),
            ("Welcome ✅ **Done** (2026-01-01)", "Welcome", Some(PlanStatus::Done)),
            ("Welcome ⏳ PENDING", "Welcome", Some(PlanStatus::Open)),
            ("Queue 🚧 In Progress", "Queue", Some(PlanStatus::InProgress)),
            ("Welcome — DONE", "Welcome", Some(PlanStatus::Done)),
            ("Welcome - IN PROGRESS (ana)", "Welcome", Some(PlanStatus::InProgress)),
            ("Put ✅ before done items", "Put before done items", None),
            ("Say that it is — done", "Say that it is — done", None),
            ("Rename the state: OPEN", "Rename the state: OPEN", None),
        ] {
            let read = read(text);
            assert_eq!((read.text.as_str(), read.status), (title, status), "{text}");
        }
        assert!(read("Guide [optional]").optional);
    }
}
