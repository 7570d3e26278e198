//! What a task wrote down: whether it ran to its end, and never twice at once.

/// Whether two attempts ran at once, or one of them began twice.
pub(crate) fn is_doubled(log: &str) -> bool {
    let mut begun = 0;
    for line in log.lines() {
        match numbered(line) {
            Some(("begin", attempt)) if attempt > begun => begun = attempt,
            // Its end comes when a later one has begun already.
            Some(("end", attempt)) if attempt == begun => {}
            _ => return true,
        }
    }
    false
}

/// Whether this attempt ran to its end.
pub(crate) fn has_ended(log: &str, attempt: u64) -> bool {
    log.lines().any(|line| numbered(line) == Some(("end", attempt)))
}

fn numbered(line: &str) -> Option<(&str, u64)> {
    let (word, number) = line.split_once(' ')?;
    Some((word, number.parse().ok()?))
}

#[test]
fn histories_are_told_apart() {
    assert!(!is_doubled("begin 1\nbegin 2\nend 2\n"));
    assert!(!is_doubled("begin 1\nend 1\nbegin 3\nend 3\n"), "attempts whose end was not recorded run again");
    assert!(is_doubled("begin 1\nbegin 2\nend 1\nend 2\n"), "at once");
    assert!(is_doubled("begin 1\nbegin 1\nend 1\n"), "twice");
    assert!(is_doubled("end 1\n"));
    assert!(has_ended("begin 2\nend 2\n", 2) && !has_ended("begin 2\nend 2\n", 1));
}
