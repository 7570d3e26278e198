//! Bodies as text: without the indent they stand at, and without the keys that are written anew.

/// What a fence that holds the text of a task says behind its marks.
pub(crate) const BODY: &str = "markdown body";

/// A text with `\n` for every ending, without the indent that all its lines have, without blank lines
/// around it, and blank lines without blanks.
pub(crate) fn plain(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.split('\n').collect();
    let filled = || lines.iter().filter(|line| !line.trim().is_empty());
    let mut common: Option<&str> = None;
    for line in filled() {
        let lead = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        common = Some(match common {
            None => lead,
            Some(known) => {
                let same = known.bytes().zip(lead.bytes()).take_while(|(a, b)| a == b).count();
                &known[..same]
            }
        });
    }
    let indent = common.unwrap_or("").len();
    let first = lines.iter().position(|line| !line.trim().is_empty()).unwrap_or(lines.len());
    let last = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(first, |last| last + 1);
    let mut plain = String::with_capacity(text.len());
    for line in &lines[first..last] {
        if !plain.is_empty() {
            plain.push('\n');
        }
        if !line.trim().is_empty() {
            plain.push_str(&line[indent..]);
        }
    }
    plain
}

/// The text of a body, without the keys at its start that are written anew as they stand.
pub(crate) fn without_keys(body: &str, keys: &[String]) -> String {
    let body = plain(body);
    // What follows the keys may stand further to the left than they do.
    let lead = body.len() - body.trim_start_matches([' ', '\t']).len();
    let indent = &body[..lead];
    let keys: Vec<String> = keys.iter().map(|key| moved(key, indent)).collect();
    let item = format!("{indent}- ");
    let nested = [format!("\n{indent} "), format!("\n{indent}\t")];
    let mut kept: Vec<&str> = Vec::new();
    let mut rest = body.as_str();
    // Keys stand at the start, up to the first blank line, each an item with what is nested in it.
    while rest.starts_with(&item) {
        let known = keys.iter().find_map(|key| {
            let after = rest.strip_prefix(key.as_str())?;
            (after.is_empty() || after.starts_with('\n')).then_some(after)
        });
        if let Some(after) = known {
            rest = after.strip_prefix('\n').unwrap_or(after);
            continue;
        }
        let mut end = rest.find('\n').unwrap_or(rest.len());
        while nested.iter().any(|start| rest[end..].starts_with(start.as_str())) {
            end = rest[end + 1..].find('\n').map_or(rest.len(), |length| end + 1 + length);
        }
        kept.push(&rest[..end]);
        rest = rest[end..].strip_prefix('\n').unwrap_or("");
    }
    if !rest.is_empty() {
        kept.push(rest);
    }
    plain(&kept.join("\n"))
}

/// A text in a fence that no line of it closes.
pub(crate) fn fenced(text: &str) -> String {
    let longest = text
        .split('\n')
        .map(|line| line.trim_start().bytes().take_while(|byte| *byte == b'`').count())
        .max()
        .unwrap_or(0);
    let marks = "`".repeat(longest.max(2) + 1);
    format!("{marks}{BODY}\n{text}\n{marks}")
}

/// A text with every line that is not blank moved to the right.
pub(crate) fn indented(text: &str, by: usize) -> String {
    moved(text, &" ".repeat(by))
}

fn moved(text: &str, indent: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| if line.trim().is_empty() { String::new() } else { format!("{indent}{line}") })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_lose_what_they_stand_in() {
        assert_eq!(plain("\n    a\r\n      b\n  \n    c\n\n"), "a\n  b\n\nc");
        assert_eq!(plain("  \n"), "");
        assert_eq!(indented("a\n\nb", 2), "  a\n\n  b");
        assert!(fenced("a\n````\nb").starts_with("`````markdown body\na\n"));
    }

    #[test]
    fn keys_that_are_written_anew_go() {
        let keys = ["- **Agent**: kilo".to_owned(), "- **Acceptance**:\n  - a".to_owned()];
        let body = "  - **Agent**: kilo\n  - **Files**: see below\n  - **Acceptance**:\n    - a\n\n  - **Agent**: kilo\n";
        assert_eq!(without_keys(body, &keys), "- **Files**: see below\n\n- **Agent**: kilo");
        assert_eq!(without_keys("  - **Agent**: kilo\n- step", &keys), "- step");
        assert_eq!(without_keys("a\n- **Agent**: kilo", &keys), "a\n- **Agent**: kilo");
    }
}
