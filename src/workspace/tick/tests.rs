use std::fs;

use proptest::prelude::*;

use super::*;

/// The place of the box on the 1-based line `line` of `text`, its mark behind the first `[`.
fn place(text: &[u8], line: usize) -> BoxPlace {
    let line_bytes = lines(text)[line - 1].bytes;
    let bracket = line_bytes.iter().position(|byte| *byte == b'[').unwrap();
    BoxPlace {
        file: None,
        line: u32::try_from(line).unwrap(),
        column: u32::try_from(bracket + 1).unwrap(),
        line_hash: LineHash::of(line_bytes),
        tick: 'x',
        progress: None,
    }
}

fn ticked(as_read: &[u8], line: usize, on_disk: &[u8]) -> Result<Vec<u8>, TickProblem> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.md");
    fs::write(&path, on_disk).unwrap();
    tick(&path, &place(as_read, line), Some(as_read), BoxMark::Done)?;
    Ok(fs::read(&path).unwrap())
}

#[test]
fn one_byte_changes_whatever_the_file_is_like() {
    for text in [
        "# P\n- [ ] a\n- [ ] b\n",
        "# P\r\n- [ ] a\r\n- [ ] b\r\n",
        "\u{feff}# P\r\n- [ ] a  \r\n- [ ] b\t\r\n",
        "# P\n\t- [ ] \ta\t \n  * [ ] b",
        "# P\n1. [ ] ž ✓ 漢\n- [ ] b\n",
        "# P\n- [/] a\n",
        "# P\r- [ ] a\r- [ ] b",
    ] {
        let result = ticked(text.as_bytes(), 2, text.as_bytes()).unwrap();
        let expected = text.replacen("[ ]", "[x]", 1).replacen("[/]", "[x]", 1);
        assert_eq!(String::from_utf8(result).unwrap(), expected);
    }
}

#[test]
fn lines_end_as_the_readers_do() {
    let shown = |text: &str| {
        lines(text.as_bytes())
            .iter()
            .map(|line| format!("{}:{}", line.start, String::from_utf8_lossy(line.bytes)))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(shown("a\r\nb\rc\n\n\r\nd"), "0:a 3:b 5:c 7: 8: 10:d");
    assert_eq!(shown(""), "");
}

#[test]
fn a_box_on_the_first_line_is_found_behind_a_byte_order_mark() {
    let text = "\u{feff}- [ ] a\n";
    assert_eq!(ticked(text.as_bytes(), 1, text.as_bytes()).unwrap(), "\u{feff}- [x] a\n".as_bytes());
}

#[test]
fn a_line_that_moved_is_found_and_one_that_changed_is_not() {
    let read = b"# P\n- [ ] a\n- [ ] b\n";
    let moved = b"# P\n\nnew\n- [ ] b\n\n- [ ] a\n";
    assert_eq!(ticked(read, 2, moved).unwrap(), b"# P\n\nnew\n- [ ] b\n\n- [x] a\n");
    let error = ticked(read, 2, b"# P\n- [ ] a, in other words\n- [ ] b\n").unwrap_err();
    assert_eq!(error.to_string(), "line 2 of the plan was changed, and its box is not found again");
    let far = [b"# P\n".to_vec(), b"x\n".repeat(NEAR + 2), b"- [ ] a\n".to_vec()].concat();
    assert!(matches!(ticked(read, 2, &far), Err(TickProblem::NotFound { line: 2 })));
}

#[test]
fn equal_lines_are_told_apart_while_no_line_has_moved() {
    let read = b"- [ ] test\n- [ ] other\n- [ ] test\n- [ ] test\n";
    // Other boxes were ticked meanwhile: every line is still where it was.
    let marks = b"- [x] test\n- [-] other\n- [ ] test\n- [ ] test\n";
    assert_eq!(ticked(read, 3, marks).unwrap(), b"- [x] test\n- [-] other\n- [x] test\n- [ ] test\n");
    let moved = b"new\n- [ ] test\n- [ ] other\n- [ ] test\n- [ ] test\n";
    let error = ticked(read, 3, moved).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the plan was changed, and 3 lines near line 3 may be the one with the box"
    );
}

#[test]
fn a_box_that_is_ticked_already_is_left_alone() {
    let read = b"# P\n- [ ] a\n";
    for there in [&b"# P\n- [x] a\n"[..], b"# P\n- [X] a\n", b"# P\nnew\n- [x] a\n"] {
        assert_eq!(ticked(read, 2, there).unwrap(), there);
    }
    assert!(matches!(ticked(read, 2, b"# P\n- [-] a\n"), Err(TickProblem::NotFound { .. })));
}

#[test]
fn what_is_no_box_of_one_byte_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.md");
    let text = "- [☐] a\n- b\n";
    fs::write(&path, text).unwrap();
    let at = |line: u32, column: u32, tick: char| BoxPlace {
        file: None,
        line,
        column,
        line_hash: LineHash::of(text.lines().nth(line as usize - 1).unwrap().as_bytes()),
        tick,
        progress: None,
    };
    for place in [at(1, 3, 'x'), at(2, 0, 'x'), at(2, 3, 'x'), at(2, 999, 'x'), at(1, 3, '✓')] {
        assert!(
            matches!(tick(&path, &place, None, BoxMark::Done), Err(TickProblem::NoBox { .. })),
            "{place:?}"
        );
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let gone = folder.path().join("gone.md");
    assert!(matches!(tick(&gone, &at(2, 1, 'x'), None, BoxMark::Done), Err(TickProblem::Io { .. })));
    assert!(!gone.exists());
}

#[cfg(unix)]
#[test]
fn the_file_stays_the_same_one() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("plan.md"), folder.path().join("link.md"));
    let text = b"- [ ] a\n";
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let before = fs::metadata(&path).unwrap();
    assert!(tick(&link, &place(text, 1), None, BoxMark::Done).unwrap());
    let after = fs::metadata(&path).unwrap();
    assert_eq!((before.ino(), before.mode()), (after.ino(), after.mode()));
    assert!(link.is_symlink());
    assert_eq!(fs::read(&path).unwrap(), b"- [x] a\n");
}

fn plan_line() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[ \t]{0,3}(- |\\* |1\\. )\\[[ /x-]\\] [a-cž漢 \t]{0,6}",
        1 => "[a-c# \t\\[\\]]{0,8}",
    ]
}

proptest! {
    /// Whatever stands in the plan and whatever was done to it: at most one byte changes, and it
    /// is the mark of a line with the wanted hash.
    #[test]
    fn at_most_one_byte_differs(
        before in proptest::collection::vec(plan_line(), 1..12),
        after in proptest::collection::vec(plan_line(), 0..12),
        kept in 0usize..12,
        ending in prop_oneof![Just("\n"), Just("\r\n")],
        mark in prop_oneof![Just(""), Just("\u{feff}")],
        wanted in 0usize..12,
    ) {
        let boxes: Vec<usize> = before
            .iter()
            .enumerate()
            .filter(|(_, line)| line.find('[').is_some_and(|at| is_mark(line.as_bytes(), at + 1)))
            .map(|(number, _)| number + 1)
            .collect();
        prop_assume!(!boxes.is_empty());
        let line = boxes[wanted % boxes.len()];
        let as_read = format!("{mark}{}", before.join(ending));
        let mut changed = after;
        let kept = kept.min(before.len());
        changed.extend(before[..kept].iter().cloned());
        for on_disk in [as_read.clone(), format!("{mark}{}", changed.join(ending))] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("plan.md");
            fs::write(&path, &on_disk).unwrap();
            let place = place(as_read.as_bytes(), line);
            let result = tick(&path, &place, Some(as_read.as_bytes()), BoxMark::Done);
            let now = fs::read(&path).unwrap();
            let differing: Vec<usize> =
                (0..now.len()).filter(|at| now[*at] != on_disk.as_bytes()[*at]).collect();
            prop_assert_eq!(now.len(), on_disk.len());
            let wanted = lines(as_read.as_bytes())[line - 1];
            let was_open = wanted.bytes[place.column as usize] != b'x';
            match result {
                Ok(true) if was_open => {
                    prop_assert_eq!(differing.len(), 1);
                    let start = lines(on_disk.as_bytes())
                        .iter()
                        .rev()
                        .find(|line| line.start <= differing[0])
                        .map_or(0, |line| line.start);
                    prop_assert_eq!(differing[0], start + place.column as usize);
                    prop_assert_eq!(now[differing[0]], b'x');
                }
                Ok(_) | Err(_) => prop_assert!(differing.is_empty()),
            }
            if on_disk == as_read {
                prop_assert!(differing.len() <= 1);
                prop_assert!(!was_open || differing.len() == 1, "an unchanged plan can be ticked");
            }
        }
    }
}

fn shown(as_read: &[u8], line: usize, on_disk: &[u8], show: BoxMark) -> Result<Vec<u8>, TickProblem> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.md");
    fs::write(&path, on_disk).unwrap();
    let place = BoxPlace { progress: Some('/'), ..place(as_read, line) };
    tick(&path, &place, Some(as_read), show)?;
    Ok(fs::read(&path).unwrap())
}

#[test]
fn a_box_shows_that_somebody_is_at_it_and_no_more_than_that() {
    let read = b"# P\n- [ ] a\n- [/] b\n";
    assert_eq!(shown(read, 2, read, BoxMark::InProgress).unwrap(), b"# P\n- [/] a\n- [/] b\n");
    let begun = b"# P\n- [/] a\n- [/] b\n";
    assert_eq!(shown(read, 2, begun, BoxMark::Open).unwrap(), read);
    assert_eq!(shown(read, 2, begun, BoxMark::Done).unwrap(), b"# P\n- [x] a\n- [/] b\n");
    // Lines that have moved are found with either mark.
    assert_eq!(shown(read, 2, b"new\n# P\n- [/] a\n", BoxMark::Done).unwrap(), b"new\n# P\n- [x] a\n");
    // What somebody else has said stays.
    for there in [&b"# P\n- [x] a\n- [/] b\n"[..], b"# P\n- [/] a\n- [/] b\n"] {
        assert_eq!(shown(read, 2, there, BoxMark::InProgress).unwrap(), there);
    }
    assert_eq!(shown(read, 2, read, BoxMark::Open).unwrap(), read);
    assert!(shown(read, 2, b"# P\n- [-] a\n- [/] b\n", BoxMark::Done).is_err());
}

#[test]
fn a_line_that_is_begun_may_be_the_one_as_well_as_an_equal_one() {
    let read = b"- [ ] test\n- [ ] test\n";
    assert!(matches!(
        shown(read, 1, b"new\n- [/] test\n- [ ] test\n", BoxMark::Done),
        Err(TickProblem::Ambiguous { count: 2, .. })
    ));
}

#[test]
fn a_plan_without_such_a_mark_shows_no_progress() {
    let read = b"- [ ] a\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.md");
    fs::write(&path, read).unwrap();
    assert!(!tick(&path, &place(read, 1), Some(read), BoxMark::InProgress).unwrap());
    assert_eq!(fs::read(&path).unwrap(), read);
}

#[test]
fn a_plan_that_is_gone_is_not_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.md");
    let text = b"- [ ] T1 a\n";
    let told = tick(&path, &place(text, 1), Some(text), BoxMark::Done).unwrap_err();
    assert!(matches!(told, TickProblem::Io { .. }), "{told}");
    assert!(!path.exists());
    std::fs::create_dir(&path).unwrap();
    assert!(tick(&path, &place(text, 1), Some(text), BoxMark::Done).is_err());
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link_and_what_it_leads_to_is_ticked() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, link) = (folder.path().join("real.md"), folder.path().join("plan.md"));
    let text = b"\xef\xbb\xbf- [ ] T1 a\r\n- [ ] T2 b";
    std::fs::write(&plan, text).unwrap();
    std::os::unix::fs::symlink(&plan, &link).unwrap();
    assert!(tick(&link, &place(text, 2), Some(text), BoxMark::Done).unwrap());
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read(&plan).unwrap(), b"\xef\xbb\xbf- [ ] T1 a\r\n- [x] T2 b");
}
