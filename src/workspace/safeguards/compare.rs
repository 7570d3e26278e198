//! What became of tests and checks: two looks at a file, compared. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::census::Census;
use super::languages::{Role, is_test_path, role};
use crate::model::ids::TaskId;
use crate::model::verdict::{Doubt, DoubtKind};

/// What became of one file while a task was at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Relative, with `/`.
    pub(super) path: String,
    /// Before; none: it was not there.
    pub(super) before: Option<Arc<Census>>,
    /// After; none: it is gone.
    pub(super) after: Option<Arc<Census>>,
    /// The verify command of the task that runs it.
    pub(super) verify: Option<String>,
    /// Whether the plan says that the task changes it.
    pub(super) is_asked_for: bool,
    /// Whether the plan says that the task removes it.
    pub(super) is_to_go: bool,
    /// Who else was at work in the same checkout when it was changed, and may have done it.
    pub(super) others: Vec<TaskId>,
}

/// What makes a success less credible in these changes, in the order of their paths.
pub(super) fn doubts(changes: &[Change]) -> Vec<Doubt> {
    let mut elsewhere = Elsewhere::of(changes);
    changes.iter().flat_map(|change| of_change(change, &mut elsewhere)).collect()
}

/// What was added in some file and may have come from another one.
struct Elsewhere {
    /// How often a name was added in all, by its hash.
    names: BTreeMap<u64, usize>,
    /// Texts of files that are new.
    texts: BTreeMap<u64, usize>,
    /// Marks that files had which are gone: switched off, narrowed, hollow.
    marks: [usize; 3],
}

impl Elsewhere {
    fn of(changes: &[Change]) -> Self {
        let mut found = Self { names: BTreeMap::new(), texts: BTreeMap::new(), marks: [0; 3] };
        let nothing = Census::default();
        for change in changes {
            let before = change.before.as_deref().unwrap_or(&nothing);
            if let Some(after) = &change.after {
                for name in without(&after.tests, &before.tests) {
                    *found.names.entry(name).or_default() += 1;
                }
                if change.before.is_none() {
                    *found.texts.entry(after.text).or_default() += 1;
                }
            } else {
                let marks = [before.off, before.only, before.hollow];
                found.marks.iter_mut().zip(marks).for_each(|(sum, number)| *sum += number);
            }
        }
        found
    }

    /// How many of these names were added in other files; each counts once.
    fn take_names(&mut self, names: &[u64]) -> usize {
        names.iter().filter(|name| take(&mut self.names, **name)).count()
    }

    /// How many of `more` marks of the sort at `place` did not come with tests that were moved.
    fn take_marks(&mut self, place: usize, more: usize) -> usize {
        let moved = self.marks[place].min(more);
        self.marks[place] -= moved;
        more - moved
    }
}

fn take(counts: &mut BTreeMap<u64, usize>, key: u64) -> bool {
    match counts.get_mut(&key) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        Some(_) | None => false,
    }
}

/// What the first sorted list has more than the second.
fn without(all: &[u64], others: &[u64]) -> Vec<u64> {
    let mut left: BTreeMap<u64, usize> = BTreeMap::new();
    for name in others {
        *left.entry(*name).or_default() += 1;
    }
    all.iter().copied().filter(|name| !take(&mut left, *name)).collect()
}

fn of_change(change: &Change, elsewhere: &mut Elsewhere) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let mut doubt = |kind, seen: String| {
        let seen = format!("{seen}{}", by_whom(&change.others));
        doubts.push(Doubt { kind, path: change.path.clone(), seen });
    };
    if let (Some(command), Some(before)) = (&change.verify, &change.before)
        && !change.is_asked_for
    {
        match &change.after {
            None => doubt(DoubtKind::CheckChanged, format!("deleted, and `{command}` runs it")),
            Some(after) if after.text != before.text => {
                doubt(DoubtKind::CheckChanged, format!("changed, and `{command}` runs it"));
            }
            Some(_) => {}
        }
    }
    match role(&change.path) {
        Some(Role::Checks) => of_checks(change, &mut doubt),
        Some(Role::Tests(_)) => of_tests(change, elsewhere, &mut doubt),
        None => {}
    }
    doubts
}

fn of_checks(change: &Change, doubt: &mut dyn FnMut(DoubtKind, String)) {
    match (&change.before, &change.after) {
        (Some(_), None) if !change.is_to_go => doubt(DoubtKind::CheckWeakened, "deleted".to_owned()),
        (before, Some(after)) => {
            let more = after.weak.saturating_sub(before.as_ref().map_or(0, |before| before.weak));
            if more > 0 {
                let places = number(more, "place", "more lets failures pass", "more let failures pass");
                doubt(DoubtKind::CheckWeakened, places);
            }
        }
        (Some(_) | None, None) => {}
    }
}

fn of_tests(change: &Change, elsewhere: &mut Elsewhere, doubt: &mut dyn FnMut(DoubtKind, String)) {
    let nothing = Census::default();
    let before = change.before.as_deref().unwrap_or(&nothing);
    let Some(after) = &change.after else {
        let moved = elsewhere.take_names(&before.tests);
        let left = before.tests.len() - moved;
        let is_renamed = take(&mut elsewhere.texts, before.text);
        if change.is_to_go || is_renamed || (left == 0 && (moved > 0 || !is_test_path(&change.path))) {
            return;
        }
        let seen = match (left, moved) {
            (0, _) => "deleted".to_owned(),
            (left, 0) => format!("deleted, with {}", number(left, "test", "", "")),
            (left, _) => {
                format!("deleted, and {} of its {} tests are in no other file", left, before.tests.len())
            }
        };
        doubt(DoubtKind::TestsDeleted, seen);
        return;
    };
    let gone = without(&before.tests, &after.tests);
    let added = after.tests.len() + gone.len() - before.tests.len();
    let moved = elsewhere.take_names(&gone);
    // One that was renamed or written anew in the same file is not gone.
    let left = gone.len().saturating_sub(moved + added);
    if left > 0 {
        doubt(
            DoubtKind::TestsRemoved,
            format!("{left} of {} removed", number(before.tests.len(), "test", "", "")),
        );
    }
    let more = |place: usize, elsewhere: &mut Elsewhere| {
        let figures = |census: &Census| [census.off, census.only, census.hollow][place];
        elsewhere.take_marks(place, figures(after).saturating_sub(figures(before)))
    };
    let off = more(0, elsewhere);
    if off > 0 {
        doubt(
            DoubtKind::TestsSwitchedOff,
            number(off, "mark", "that switches tests off was added", "that switch tests off were added"),
        );
    }
    let only = more(1, elsewhere);
    if only > 0 {
        doubt(
            DoubtKind::TestsNarrowed,
            number(
                only,
                "mark",
                "that leaves out all other tests was added",
                "that leave out all other tests were added",
            ),
        );
    }
    let hollow = more(2, elsewhere);
    if hollow > 0 {
        doubt(
            DoubtKind::AssertionsEmptied,
            number(hollow, "assertion", "that cannot fail was added", "that cannot fail were added"),
        );
    }
}

/// `1 mark was added`, `2 marks were added`.
fn number(number: usize, noun: &str, one: &str, more: &str) -> String {
    let text = if number == 1 { format!("1 {noun} {one}") } else { format!("{number} {noun}s {more}") };
    text.trim_end().to_owned()
}

/// Whose change it may have been besides.
fn by_whom(others: &[TaskId]) -> String {
    match others {
        [] => String::new(),
        [one] => format!(", by it or by {one}"),
        [one, two] => format!(", by it, {one} or {two}"),
        more => format!(", by it or by one of {} other tasks", more.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, before: Option<&str>, after: Option<&str>) -> Change {
        let census = |text: &str| Arc::new(Census::of(text, role(path)));
        Change {
            path: path.to_owned(),
            before: before.map(census),
            after: after.map(census),
            verify: None,
            is_asked_for: false,
            is_to_go: false,
            others: Vec::new(),
        }
    }

    fn told(changes: &[Change]) -> Vec<String> {
        doubts(changes).iter().map(|doubt| format!("{} {doubt}", doubt.kind)).collect()
    }

    const THREE: &str =
        "def test_a():\n    assert x\n\ndef test_b():\n    assert y\n\ndef test_c():\n    assert z\n";

    #[test]
    fn tests_that_are_gone_are_told_with_their_number() {
        assert_eq!(
            told(&[change("tests/test_a.py", Some(THREE), None)]),
            ["tests_deleted tests/test_a.py: deleted, with 3 tests"]
        );
        assert_eq!(
            told(&[change("tests/test_a.py", Some(THREE), Some("def test_b():\n    assert y\n"))]),
            ["tests_removed tests/test_a.py: 2 of 3 tests removed"]
        );
        assert_eq!(
            told(&[change("tests/helpers.py", Some("x = 1"), None)]),
            ["tests_deleted tests/helpers.py: deleted"]
        );
        assert_eq!(told(&[change("src/old.rs", Some("fn x() {}"), None)]), [""; 0], "it held no test");
        assert_eq!(
            told(&[change("src/a.rs", Some("#[test]\nfn a() {}"), Some("// #[test]\n// fn a() {}"))]),
            ["tests_removed src/a.rs: 1 of 1 test removed"]
        );
    }

    #[test]
    fn tests_that_were_moved_or_renamed_are_not_gone() {
        let nothing: [&str; 0] = [];
        let rename = THREE.replace("test_b", "test_better");
        assert_eq!(told(&[change("tests/test_a.py", Some(THREE), Some(&rename))]), nothing);
        let (one, rest) = THREE.split_at(THREE.find("def test_b").unwrap());
        let split =
            [change("tests/test_a.py", Some(THREE), Some(one)), change("tests/test_b.py", None, Some(rest))];
        assert_eq!(told(&split), nothing);
        let moved =
            [change("tests/test_a.py", Some(THREE), None), change("tests/test_z.py", None, Some(THREE))];
        assert_eq!(told(&moved), nothing);
        let half = [change("tests/test_a.py", Some(THREE), None), change("tests/test_z.py", None, Some(one))];
        assert_eq!(
            told(&half),
            ["tests_deleted tests/test_a.py: deleted, and 2 of its 3 tests are in no other file"]
        );
        let skipped = "@pytest.mark.skip\ndef test_a():\n    pass\n";
        let moved = [change("tests/a.py", Some(skipped), None), change("tests/b.py", None, Some(skipped))];
        assert_eq!(told(&moved), nothing, "it was switched off before");
        assert_eq!(told(&[change("tests/test_a.py", Some(""), Some(THREE))]), nothing, "more tests are well");
    }

    #[test]
    fn tests_that_are_there_and_say_nothing_are_told() {
        let path = "src/login.test.ts";
        let before = "it('a', () => { expect(login()).toBe(1) })\nit('b', f)\n";
        let after = "it.only('a', () => { expect(true).toBe(true) })\nit.skip('b', f)\nxit('c', f)\n";
        assert_eq!(
            told(&[change(path, Some(before), Some(after))]),
            [
                "tests_switched_off src/login.test.ts: 2 marks that switch tests off were added",
                "tests_narrowed src/login.test.ts: 1 mark that leaves out all other tests was added",
                "assertions_emptied src/login.test.ts: 1 assertion that cannot fail was added",
            ]
        );
        assert_eq!(
            told(&[change(path, Some(after), Some(before))]).len(),
            1,
            "one test is gone, the rest is better"
        );
    }

    #[test]
    fn checks_that_let_failures_pass_are_told() {
        let path = ".github/workflows/ci.yml";
        assert_eq!(
            told(&[change(path, Some("- run: make test\n"), Some("- run: make test || true\n"))]),
            ["check_weakened .github/workflows/ci.yml: 1 place more lets failures pass"]
        );
        assert_eq!(
            told(&[change(path, Some("x"), None)]),
            ["check_weakened .github/workflows/ci.yml: deleted"]
        );
        assert_eq!(told(&[change(path, Some("- run: a || true\n"), Some("- run: b || true\n"))]), [""; 0]);
    }

    #[test]
    fn the_script_of_a_check_is_not_the_agents_to_change() {
        let verify = Some("sh scripts/check.sh".to_owned());
        let changed = Change { verify, ..change("scripts/check.sh", Some("exit 1"), Some("exit 0")) };
        assert_eq!(
            told(std::slice::from_ref(&changed)),
            ["check_changed scripts/check.sh: changed, and `sh scripts/check.sh` runs it"]
        );
        assert_eq!(told(&[Change { before: None, ..changed.clone() }]), [""; 0], "it made it");
        assert_eq!(
            told(&[Change { is_asked_for: true, ..changed.clone() }]),
            [""; 0],
            "the plan asks for it"
        );
        let gone = Change { after: None, others: vec![TaskId::new("T2")], ..changed };
        assert_eq!(
            told(&[gone]),
            ["check_changed scripts/check.sh: deleted, and `sh scripts/check.sh` runs it, by it or by T2"]
        );
    }

    #[test]
    fn what_the_plan_asks_for_is_no_doubt() {
        let gone = Change { is_to_go: true, ..change("tests/test_a.py", Some(THREE), None) };
        assert_eq!(told(&[gone]), [""; 0]);
    }
}
