//! What only `--explain` shows: fields with where they came from, edges with their rules, advice.

use super::Page;
use super::shown_title;
use crate::model::check::Advice;
use crate::model::check::CheckTask;
use crate::model::check::FieldOrigin;
use crate::model::check::Stance;
use crate::model::task::TaskKind;
use crate::plan::printed::line;
use crate::plan::printed::pad;
use crate::plan::printed::plain;
use crate::plan::printed::width;

/// The width of the longest name of a field.
const FIELD: usize = 12;

/// The most pieces of advice that are shown without being asked for.
const MOST_ADVICE: usize = 5;

impl Page<'_> {
    /// Every task with its fields.
    pub(super) fn fields(&self, out: &mut String) {
        let work = self.check.tasks.iter().find(|task| task.kind != TaskKind::Gate);
        let Some(first) = work.or(self.check.tasks.first()) else { return };
        self.heading(out, "fields, and where each came from");
        // What holds for every task alike, and stands at none of them, is said once.
        let common: Vec<&FieldOrigin> = first
            .origins
            .iter()
            .filter(|field| field.from.is_of_all() && self.check.tasks.len() > 1)
            .filter(|field| {
                // A gate has no agent and no deadline.
                let others = |task: &CheckTask| task.origins.iter().any(|other| other.field == field.field);
                self.check.tasks.iter().all(|task| task.origins.contains(field) || !others(task))
            })
            .collect();
        let value = self.style.width.saturating_sub(4 + FIELD + 2 + 2 + 24).clamp(16, 60);
        if !common.is_empty() {
            line(out, "  every task");
            for field in &common {
                self.field(out, field, value);
            }
        }
        for task in &self.check.tasks {
            let title = self.cut(&shown_title(task), 60);
            let head = format!("  {}  {title}", plain(task.id.as_str()));
            self.fit(out, &format!("{}  {}", head.trim_end(), self.places.of_task(task)));
            for field in task.origins.iter().filter(|field| !common.contains(field)) {
                self.field(out, field, value);
            }
        }
    }

    fn field(&self, out: &mut String, field: &FieldOrigin, columns: usize) {
        let mut from = field.from.as_str().to_owned();
        if let Some(line) = field.line {
            from = format!("{from} :{line}");
        }
        from = match &field.by {
            None => from,
            Some(by) if by.contains('`') => format!("{from}: {}", plain(by)),
            Some(by) => format!("{from} `{}`", plain(by)),
        };
        let value = pad(&self.cut(&plain(&field.value), columns), columns.min(32));
        self.fit(out, &format!("    {}  {value}  {from}", pad(field.field.as_str(), FIELD)));
    }

    /// Every edge.
    pub(super) fn edges(&self, out: &mut String) {
        if self.check.edges.is_empty() {
            return;
        }
        self.heading(out, "edges");
        let texts: Vec<String> = self
            .check
            .edges
            .iter()
            .map(|edge| format!("{} -> {}", plain(edge.from.as_str()), plain(edge.to.as_str())))
            .collect();
        let widest = texts.iter().map(|text| width(text)).max().unwrap_or(0);
        for (edge, text) in self.check.edges.iter().zip(texts) {
            let at = edge.line.map(|line| format!("  :{line}")).unwrap_or_default();
            line(out, &format!("  {}  {}{at}", pad(&text, widest), pad(edge.rule.as_str(), 8)));
        }
    }

    /// Order that the text speaks of. Without `--explain` only what the edges do not say.
    pub(super) fn advice(&self, out: &mut String) {
        let all = self.check.advice.iter();
        let shown: Vec<&Advice> = if self.style.explain {
            all.collect()
        } else {
            all.filter(|advice| matches!(advice.stance, Stance::Contradicts | Stance::Silent)).collect()
        };
        if shown.is_empty() {
            return;
        }
        self.heading(out, "advice in the text, which makes no edge");
        let most = if self.style.explain { shown.len() } else { MOST_ADVICE };
        let words = |advice: &Advice| {
            self.cut(&format!("{} before {}", plain(&advice.first), plain(&advice.then)), 48)
        };
        let widest = shown.iter().take(most).map(|advice| width(&words(advice))).max().unwrap_or(0);
        let at = |advice: &Advice| self.places.of(advice.file.as_deref(), advice.line, advice.line);
        let place = shown.iter().map(|advice| width(&at(advice))).max().unwrap_or(0);
        for advice in shown.iter().take(most) {
            let text = format!(
                "  {}  {}  {}  {}",
                pad(&at(advice), place),
                pad(advice.form.as_str(), 7),
                pad(&words(advice), widest),
                advice.stance.as_str()
            );
            self.fit(out, &text);
        }
        if shown.len() > most {
            line(out, &format!("  and {} more, shown by --explain", shown.len() - most));
        }
    }
}
