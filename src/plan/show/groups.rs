//! A big plan at a glance: its groups, with how much is to be done in each, and when.

use super::Page;
use super::is_held;
use crate::model::task::PlanStatus;
use crate::plan::printed::count;
use crate::plan::printed::line;
use crate::plan::printed::pad;
use crate::plan::printed::plain;
use crate::plan::printed::width;

/// The most groups that are shown.
const MOST_GROUPS: usize = 24;

/// What is told of a group.
#[derive(Default, Clone)]
struct Sum {
    run: usize,
    done: usize,
    held: usize,
    first: u32,
    last: u32,
}

impl Page<'_> {
    /// The outermost groups, those inside them included; nothing where the plan is small.
    pub(super) fn groups(&self, out: &mut String) {
        let groups = &self.check.groups;
        if !self.big || groups.is_empty() {
            return;
        }
        // Groups stand after those around them.
        let mut outermost: Vec<usize> = Vec::with_capacity(groups.len());
        for (group, found) in groups.iter().enumerate() {
            let around = found.parent.and_then(|parent| outermost.get(parent).copied());
            outermost.push(around.unwrap_or(group));
        }
        let mut sums = vec![Sum::default(); groups.len()];
        for task in &self.check.tasks {
            let Some(sum) =
                task.in_group.and_then(|group| outermost.get(group)).and_then(|group| sums.get_mut(*group))
            else {
                continue;
            };
            sum.done += usize::from(task.status == PlanStatus::Done);
            sum.held += usize::from(is_held(task));
            if task.wave > 0 {
                sum.run += 1;
                sum.first = if sum.first == 0 { task.wave } else { sum.first.min(task.wave) };
                sum.last = sum.last.max(task.wave);
            }
        }
        let shown: Vec<usize> = (0..groups.len()).filter(|group| groups[*group].parent.is_none()).collect();
        self.heading(out, "groups");
        let title = |group: usize| self.cut(&plain(&groups[group].title), self.style.width / 2);
        let widest = shown.iter().take(MOST_GROUPS).map(|group| width(&title(*group))).max().unwrap_or(0);
        for group in shown.iter().copied().take(MOST_GROUPS) {
            let sum = &sums[group];
            let mut parts = vec![format!("{} to run", sum.run)];
            for (number, word) in [(sum.done, "done"), (sum.held, "held")] {
                if number > 0 {
                    parts.push(format!("{number} {word}"));
                }
            }
            let waves = match (sum.first, sum.last) {
                (0, _) => String::new(),
                (first, last) if first == last => format!("   wave {first}"),
                (first, last) => format!("   waves {first} to {last}"),
            };
            let (file, line) = (groups[group].file.as_deref(), groups[group].line);
            let at = pad(&self.places.of(file, line, line), self.place);
            self.fit(out, &format!("  {}  {at}  {}{waves}", pad(&title(group), widest), parts.join(", ")));
        }
        if shown.len() > MOST_GROUPS {
            line(out, &format!("  and {} more", count(shown.len() - MOST_GROUPS, "group", "groups")));
        }
    }
}
