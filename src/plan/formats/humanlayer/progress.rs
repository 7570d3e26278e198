//! A section on progress: the phases once more, each with a box, or with the boxes of its checks below it.
//!
//! A box of a phase's name is the phase's own. Boxes below its heading stand for the checks that the phase
//! itself lists without any: those that are not for a person say how far the phase is.

use std::collections::BTreeMap;

use crate::model::task::PlanStatus;
use crate::plan::outline::Heading;
use crate::plan::outline::Item;
use crate::plan::outline::Outline;
use crate::plan::phases;
use crate::plan::titles;
use crate::plan::words;

/// What is noted of a phase.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// Its own box.
    pub(super) own: Option<PlanStatus>,
    checks: usize,
    passed: usize,
    by_person: usize,
    confirmed: usize,
}

impl Noted {
    /// How far the phase is by its checks; none: there are none.
    pub(super) fn of_checks(&self) -> Option<PlanStatus> {
        of_boxes(self.passed, self.checks)
    }

    /// Whether a person has confirmed it; none: nothing is asked of one here.
    pub(super) fn is_confirmed(&self) -> Option<bool> {
        (self.by_person > 0).then_some(self.confirmed == self.by_person)
    }
}

/// How far something is of whose checks some have passed; none: there are no checks.
pub(super) fn of_boxes(passed: usize, checks: usize) -> Option<PlanStatus> {
    match (passed, checks) {
        (_, 0) => None,
        (0, _) => Some(PlanStatus::Open),
        (passed, checks) if passed == checks => Some(PlanStatus::Done),
        _ => Some(PlanStatus::InProgress),
    }
}

/// Whether a heading says that what stands below it is how far the plan is.
pub(super) fn is_section(heading: &Heading) -> bool {
    let title = words::without_number(&heading.title);
    ["progress", "implementation progress", "implementation status"]
        .iter()
        .any(|name| words::begins_with(title, name))
}

/// What is noted of each phase, by its number.
pub(super) fn read(outline: &Outline<'_>) -> BTreeMap<String, Noted> {
    let mut noted: BTreeMap<String, Noted> = BTreeMap::new();
    for (number, item, what) in boxes(outline) {
        let noted = noted.entry(number).or_default();
        let done = usize::from(super::is_done(item));
        match what {
            What::Phase if done > 0 => noted.own = Some(PlanStatus::Done),
            What::Phase => noted.own = noted.own.or(Some(PlanStatus::Open)),
            What::Check => {
                noted.checks += 1;
                noted.passed += done;
            }
            What::Person => {
                noted.by_person += 1;
                noted.confirmed += done;
            }
        }
    }
    noted
}

/// The lines of all of these boxes.
pub(super) fn lines(outline: &Outline<'_>) -> BTreeMap<usize, &'static str> {
    boxes(outline).into_iter().map(|(_, item, _)| (item.line, "says how far a phase is")).collect()
}

/// What a box of such a section is about.
enum What {
    Phase,
    Check,
    Person,
}

fn boxes<'o>(outline: &'o Outline<'_>) -> Vec<(String, &'o Item, What)> {
    let mut found = Vec::new();
    let mut until = 0;
    for heading in outline.headings.iter().filter(|heading| heading.level > 1 && is_section(heading)) {
        if heading.line < until {
            continue;
        }
        until = heading.end;
        for item in super::boxes(outline, heading) {
            let text = titles::clean(outline.lines.text.get(item.text.clone()).unwrap_or(""));
            if let Some(("Phase", number)) = phases::phase_number(&text).filter(|_| item.parent.is_none()) {
                found.push((number, item, What::Phase));
                continue;
            }
            let above = std::iter::successors(item.heading, |heading| outline.headings[*heading].parent);
            let mut above = above.map(|index| &outline.headings[index].title);
            let by_person = item
                .heading
                .is_some_and(|heading| words::begins_with(&outline.headings[heading].title, "manual"));
            let number = above.find_map(|title| match phases::phase_number(title) {
                Some(("Phase", number)) => Some(number),
                Some(_) | None => None,
            });
            if let Some(number) = number {
                found.push((number, item, if by_person { What::Person } else { What::Check }));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_phases_and_of_their_checks() {
        let outline = Outline::read(
            "# P\n\n## Phase 1: A\n- [ ] x\n\n## Progress\n\n- [x] Phase 3: C\n- [ ] Phase 4\n- [ ] other\n\n\
             ### Phase 1: A\n#### Automated\n- [x] 1.1 a\n#### Manual\n- [ ] 1.2 b\n\n\
             ### Phase 2: B\n- [x] 2.1 a\n- [ ] 2.2 b\n\n## Notes\n- [ ] Phase 9\n",
        );
        let noted = read(&outline);
        assert_eq!(noted.keys().collect::<Vec<_>>(), ["1", "2", "3", "4"]);
        assert_eq!((noted["1"].own, noted["1"].of_checks()), (None, Some(PlanStatus::Done)));
        assert_eq!(noted["1"].is_confirmed(), Some(false));
        assert_eq!(noted["2"].of_checks(), Some(PlanStatus::InProgress));
        assert_eq!((noted["2"].is_confirmed(), noted["3"].own), (None, Some(PlanStatus::Done)));
        assert_eq!(noted["4"].own, Some(PlanStatus::Open));
        assert_eq!(lines(&outline).len(), 6);
    }
}
