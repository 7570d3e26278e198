//! What waits to be sent of one run, folded: however much happens, it is one message.

use std::sync::Arc;

use crate::masking::{Masker, strip_controls};
use crate::model::alert::{Alert, AlertItem, AlertKind, AlertVersion};
use crate::model::event::Counts;
use crate::model::ids::RunId;
use crate::model::run::RunSpec;

use super::rules::Happening;
use super::text::{cut_chars, one_line};

/// How many things a message names; of the rest it says how many.
const NAMED: usize = 10;
/// The most characters of a title and of a text.
const TITLE: usize = 200;
const TEXT: usize = 4_000;
/// The most characters of what one thing has to say of itself.
const ITEM_TEXT: usize = 1_500;

/// The run that an alert is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    /// Its id.
    pub run_id: RunId,
    /// The project's name.
    pub project: String,
    /// The plan as shown.
    pub plan: String,
    /// The host that supervises it.
    pub host: String,
}

impl RunFacts {
    /// Those of `spec`, supervised by `host`.
    pub fn of(spec: &RunSpec, host: &str) -> Self {
        Self {
            run_id: spec.run_id.clone(),
            project: spec.project.clone(),
            plan: spec.plan.clone(),
            host: host.to_owned(),
        }
    }
}

/// What waits to be sent of one run.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) run: Arc<RunFacts>,
    /// The number of the last event that it tells of.
    pub(super) through: u64,
    items: Vec<(AlertKind, Happening)>,
    more: u32,
    counts: Counts,
}

impl Batch {
    pub(super) fn new(run: Arc<RunFacts>) -> Self {
        Self { run, through: 0, items: Vec::new(), more: 0, counts: Counts::new() }
    }

    /// How many things it tells of.
    pub(super) fn len(&self) -> usize {
        self.items.len() + usize::try_from(self.more).unwrap_or(usize::MAX)
    }

    /// Adds what happened, to somebody who hears of it as `kind`.
    pub(super) fn add(&mut self, kind: AlertKind, happening: Happening, counts: &Counts) {
        self.through = self.through.max(happening.seq);
        self.counts.clone_from(counts);
        if self.items.len() < NAMED {
            self.items.push((kind, happening));
            return;
        }
        self.more = self.more.saturating_add(1);
        // What matters more takes the place of the last one of those that matter least.
        let least =
            self.items.iter().enumerate().min_by_key(|(place, (kind, _))| (*kind, usize::MAX - place));
        if let Some((place, _)) = least.filter(|(_, (least, _))| *least < kind) {
            self.items[place] = (kind, happening);
        }
    }

    /// Adds what happened after it.
    pub(super) fn append(&mut self, later: Self) {
        for (kind, happening) in later.items {
            self.add(kind, happening, &later.counts);
        }
        self.more = self.more.saturating_add(later.more);
        self.through = self.through.max(later.through);
    }

    /// The document that is sent, masked. None: there is nothing to tell.
    pub(super) fn alert(&self, masker: &Masker) -> Option<Alert> {
        let clean = |text: &str| masker.mask(&strip_controls(text)).into_owned();
        // The first of those that matter most.
        let (place, (kind, first)) =
            self.items.iter().enumerate().max_by_key(|(place, (kind, _))| (*kind, usize::MAX - place))?;
        let others: Vec<&(AlertKind, Happening)> = self
            .items
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place)
            .map(|(_, item)| item)
            .collect();
        let item = |(kind, happening): &&(AlertKind, Happening)| AlertItem {
            kind: *kind,
            at: happening.at,
            title: cut_chars(&one_line(&clean(&happening.title)), TITLE),
            task: happening.task.clone(),
            failure: happening.failure,
            dedupe_key: self.key(happening),
        };
        let also: Vec<AlertItem> = others.iter().map(item).collect();
        let further = self.len() - 1;
        let mut title = one_line(&clean(&first.title));
        let mut text = cut_chars(&clean(&first.text), ITEM_TEXT);
        if further > 0 {
            let all_failed = self.items.iter().all(|(kind, _)| *kind == AlertKind::TaskFailed);
            title = if all_failed && self.more == 0 {
                format!("{} tasks failed", self.len())
            } else {
                format!("{title} (and {further} more)")
            };
            text = format!("{}\n{text}", one_line(&clean(&first.title)));
            for other in &also {
                text = text + "\n· " + &other.title;
            }
            if self.more > 0 {
                text = text + "\nand " + &self.more.to_string() + " more";
            }
        }
        Some(Alert {
            schema: AlertVersion::V1,
            run_id: self.run.run_id.clone(),
            project: clean(&self.run.project),
            plan: clean(&self.run.plan),
            host: clean(&self.run.host),
            kind: *kind,
            at: first.at,
            title: cut_chars(&title, TITLE),
            text: cut_chars(&text, TEXT),
            task: first.task.clone(),
            failure: first.failure,
            counts: self.counts.clone(),
            dedupe_key: self.key(first),
            also,
            more: self.more,
        })
    }

    fn key(&self, happening: &Happening) -> String {
        format!("{}:{}", self.run.run_id, happening.key)
    }
}
