//! How many steps of a task are ticked.

use super::found::Found;
use super::marks::Marks;
use super::outline::Outline;
use crate::model::task::PlanStatus;

/// Counts the boxes below tasks. Bodies that overlap are counted by sums, so that it stays linear.
pub(crate) struct Steps<'o, 't> {
    outline: &'o Outline<'t>,
    /// For each item the ticked and all step boxes before it.
    sums: Vec<(usize, usize)>,
}

impl<'o, 't> Steps<'o, 't> {
    /// Counts the boxes of a plan.
    pub(crate) fn new(outline: &'o Outline<'t>, marks: &Marks) -> Self {
        let mut sums = Vec::with_capacity(outline.items.len() + 1);
        let (mut done, mut all) = (0, 0);
        sums.push((0, 0));
        for item in &outline.items {
            if let Some(mark) = item.mark.filter(|_| !item.closed_label && !outline.is_closed(item.heading)) {
                all += 1;
                done +=
                    usize::from(matches!(marks.status(&mark), Some(PlanStatus::Done | PlanStatus::Skipped)));
            }
            sums.push((done, all));
        }
        Self { outline, sums }
    }

    /// The ticked and all boxes below a task.
    pub(crate) fn count(&self, found: &Found) -> (usize, usize) {
        let items = &self.outline.items;
        let from = items.partition_point(|item| item.line < found.body.start);
        let to = items.partition_point(|item| item.line < found.body.end).max(from);
        (self.sums[to].0 - self.sums[from].0, self.sums[to].1 - self.sums[from].1)
    }
}
