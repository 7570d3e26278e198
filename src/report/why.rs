//! The story of a task on one screen: attempts, layers, witnesses, decisive lines, what to do.
//!
//! What does not fit on the screen is told shorter, step by step: first the attempts before the last
//! one, then what agreed, then the texts. What disagreed, the doubts and what to do always stay.

use crate::model::agent::AgentSpec;
use crate::model::ids::TaskId;
use crate::model::layer::Rung;
use crate::model::result::RunResult;
use crate::model::run::RunSpec;
use crate::model::status::{AttemptStatus, TaskStatus};
use crate::model::task::TaskSpec;
use crate::model::verdict::Witness;
use crate::model::view::{AttemptView, RunView, TaskView};
use crate::model::why::{Why, WhyStep, WhyVersion};
use crate::report::advice;
use crate::report::moves;
use crate::report::printed::{Printed, decisive};
use crate::report::status::Liveness;
use crate::report::style::Style;
use crate::report::text;
use crate::report::why_rows::{NAME, Rows, names, said, word_width};
use crate::report::words::{self, Spent};

/// A screen is taken to have so many lines at least, and a story to be read at once at most so many.
const SCREEN: std::ops::RangeInclusive<usize> = 23..=39;
/// Tasks that one waits for and that are named.
const NAMED: usize = 4;

/// How much is told.
#[derive(Debug, Clone, Copy)]
struct Detail {
    /// Whether each attempt before the last one is told in lines of its own, or in one.
    older_in_full: bool,
    /// How many attempts before the last one are told.
    older: usize,
    /// Whether witnesses that were not asked stand in one row, and those that agree.
    joins: (bool, bool),
    /// Lines of one row.
    row: usize,
    /// Lines of last words.
    last_words: usize,
    /// Lines of output.
    printed: usize,
    /// Doubts, and notes.
    remarks: usize,
    /// Moves and decisions, the last ones, and the lines that each may take.
    moves: (usize, usize),
}

/// From all there is to what fits anywhere.
const DETAILS: [Detail; 5] = [
    Detail {
        older_in_full: true,
        older: 99,
        joins: (false, false),
        row: 99,
        last_words: 6,
        printed: 5,
        remarks: 20,
        moves: (99, 99),
    },
    Detail {
        older_in_full: false,
        older: 20,
        joins: (true, false),
        row: 4,
        last_words: 6,
        printed: 5,
        remarks: 8,
        moves: (20, 4),
    },
    Detail {
        older_in_full: false,
        older: 8,
        joins: (true, false),
        row: 3,
        last_words: 3,
        printed: 4,
        remarks: 5,
        moves: (8, 2),
    },
    Detail {
        older_in_full: false,
        older: 4,
        joins: (true, true),
        row: 2,
        last_words: 2,
        printed: 3,
        remarks: 4,
        moves: (4, 1),
    },
    Detail {
        older_in_full: false,
        older: 2,
        joins: (true, true),
        row: 1,
        last_words: 1,
        printed: 2,
        remarks: 2,
        moves: (2, 1),
    },
];

/// The story of `task`; of a task that the run does not have: that.
pub fn why(spec: &RunSpec, view: &RunView, task: &TaskId, live: Liveness, style: &Style) -> String {
    why_with(spec, view, task, live, &Printed::default(), style)
}

/// The same with what the last attempt printed.
pub fn why_with(
    spec: &RunSpec,
    view: &RunView,
    task: &TaskId,
    live: Liveness,
    printed: &Printed,
    style: &Style,
) -> String {
    let Some(found) = view.task(task) else {
        return format!("run {} has no task `{}`\n", view.run_id, style.clean(task.as_str()));
    };
    let abandoned = is_abandoned(found, live);
    let story = Story { spec, view, task: found, live, abandoned, printed, style };
    let room = style.height.saturating_sub(1).clamp(*SCREEN.start(), *SCREEN.end());
    let mut lines = Vec::new();
    for detail in DETAILS {
        lines = story.lines(detail);
        if lines.len() <= room {
            break;
        }
    }
    let mut out = lines.join("\n");
    out.push('\n');
    out
}

/// The story as a document; none: the run does not have the task.
pub fn why_document(
    spec: &RunSpec,
    view: &RunView,
    task: &TaskId,
    live: Liveness,
    printed: &Printed,
    result: &RunResult,
) -> Option<Why> {
    let found = view.task(task)?;
    let abandoned = is_abandoned(found, live);
    let steps = steps(spec, view, found, live).into_iter();
    Some(Why {
        schema: WhyVersion::V1,
        run_id: view.run_id.clone(),
        abandoned,
        task: result.tasks.iter().find(|known| known.id == *task)?.clone(),
        printed: found.last_attempt().and_then(|attempt| decisive(attempt, printed, 20)),
        what_to_do: steps.map(|step| WhyStep { command: step.command, why: step.why }).collect(),
    })
}

fn is_abandoned(task: &TaskView, live: Liveness) -> bool {
    live == Liveness::Dead && task.status.is_active()
}

fn steps(spec: &RunSpec, view: &RunView, task: &TaskView, live: Liveness) -> Vec<advice::Step> {
    let mut steps =
        if is_abandoned(task, live) { advice::for_abandoned(task) } else { advice::for_task(spec, task) };
    let is_done = matches!(task.status, TaskStatus::Succeeded | TaskStatus::Skipped);
    if view.plan_changed && live != Liveness::Alive && !is_done {
        steps.extend(advice::for_changed_plan());
    }
    steps
}

/// What a story is told of.
struct Story<'a> {
    spec: &'a RunSpec,
    view: &'a RunView,
    task: &'a TaskView,
    live: Liveness,
    abandoned: bool,
    printed: &'a Printed,
    style: &'a Style,
}

impl Story<'_> {
    fn lines(&self, detail: Detail) -> Vec<String> {
        let Self { spec, view, task, style, .. } = *self;
        let mut lines = vec![headline(view, task, style)];
        if self.abandoned {
            lines.push("  the run's supervisor is gone".to_owned());
        } else if let Some(reason) = reason(spec, view, task, style) {
            lines.extend(
                text::wrap(&reason, style.width.saturating_sub(3)).iter().map(|line| format!("  {line}")),
            );
        }
        if let Some(say) = &task.say {
            lines.push(format!("  told by `retry`: \"{}\"", style.clean(say)));
        }
        lines.push(String::new());
        for (place, attempt) in task.attempts.iter().enumerate().rev() {
            let next = task.attempts.get(place + 1).map(|next| &next.rung).or(task.next.as_ref());
            let moved = next.and_then(|next| moved(spec, &attempt.rung, next));
            let older = task.attempts.len() - 1 - place;
            if older == 0 {
                self.last_attempt(&mut lines, attempt, moved, detail);
            } else if older > detail.older {
                let id = text::shell_word(&style.clean(task.id.as_str()));
                let before = text::count_of(place as u64 + 1, "attempt");
                lines.push(format!("and {before} before   (orchestrate why {id} --output json)"));
                break;
            } else if detail.older_in_full {
                self.older_attempt(&mut lines, attempt, moved, detail);
            } else {
                lines.push(self.older_attempt_line(attempt, moved));
            }
        }
        self.moves(&mut lines, detail);
        let steps = steps(spec, view, task, self.live);
        if !steps.is_empty() {
            if !task.attempts.is_empty() {
                lines.push(String::new());
            }
            lines.push(style.bold("what to do"));
            lines.extend(advice::lined_up(&steps).iter().map(|line| format!("  {line}")));
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// Its moves between layers and the decisions to wait or to pay, oldest first.
    fn moves(&self, lines: &mut Vec<String>, detail: Detail) {
        let told = moves::told(&self.task.story.moves, &self.task.story.decisions, self.style);
        if told.is_empty() {
            return;
        }
        if !self.task.attempts.is_empty() {
            lines.push(String::new());
        }
        let (most, row) = detail.moves;
        let hidden = told.len().saturating_sub(most);
        let before = if hidden > 0 { format!("   (and {hidden} before)") } else { String::new() };
        lines.push(format!("{}{before}", self.style.bold("how it moved")));
        let mut rows = Rows { lines, style: self.style, most: row };
        for told in &told[hidden..] {
            rows.row(&told.name, &told.words);
        }
    }

    /// What was reserved for an attempt, and what was booked.
    fn money(&self, rows: &mut Rows<'_>, attempt: &AttemptView) {
        let money = self.task.story.money.get(&attempt.attempt);
        if let Some(money) = money.and_then(|money| moves::money(money, self.style)) {
            rows.row("money", &money);
        }
    }

    /// `attempt 2   cline · minimax/minimax-m2.1 (layer 4)   2m 02s`.
    fn head(&self, attempt: &AttemptView) -> String {
        let layer = words::layer_of(&attempt.rung).map(|layer| format!(" ({layer})")).unwrap_or_default();
        let time = text::duration(words::attempt_time(attempt, self.view.updated_at));
        let end = match attempt.status {
            AttemptStatus::Running if self.abandoned => "   its end was not seen",
            AttemptStatus::Running => "   under way",
            AttemptStatus::Cancelled => "   stopped",
            AttemptStatus::Lost => "   lost",
            AttemptStatus::Succeeded | AttemptStatus::Failed => "",
        };
        let head = |place: String| format!("attempt {}   {place}{layer}   {time}{end}", attempt.attempt);
        let full = head(words::agent_model_full(&attempt.rung, self.style));
        // The model's whole name where there is room for it.
        if text::width(&full) < self.style.width {
            full
        } else {
            head(words::agent_model(&attempt.rung, self.style))
        }
    }

    /// Of an earlier attempt only what ended it is still of interest.
    fn older_attempt(
        &self,
        lines: &mut Vec<String>,
        attempt: &AttemptView,
        moved: Option<String>,
        detail: Detail,
    ) {
        lines.push(self.head(attempt));
        let mut rows = Rows { lines, style: self.style, most: detail.row };
        if let Some(session) = words::session_of(attempt, self.style) {
            rows.row("session", &session);
        }
        self.money(&mut rows, attempt);
        let verdict = attempt.verdict.as_ref();
        let decided = verdict.and_then(|verdict| verdict.decided_by);
        let witnesses: Vec<&Witness> = verdict.into_iter().flat_map(|verdict| &verdict.witnesses).collect();
        let decisive =
            witnesses.iter().filter(|witness| decided == Some(witness.name)).copied().collect::<Vec<_>>();
        self.end_of(&mut rows, attempt, &decisive, word_width(&witnesses), moved);
    }

    /// What decided, and where it went from there.
    fn end_of(
        &self,
        rows: &mut Rows<'_>,
        attempt: &AttemptView,
        witnesses: &[&Witness],
        word: usize,
        mut moved: Option<String>,
    ) {
        let decided = attempt.verdict.as_ref().and_then(|verdict| verdict.decided_by);
        for witness in witnesses {
            let mark = if decided == Some(witness.name) {
                moved.take().unwrap_or_else(|| "<- decides".to_owned())
            } else {
                String::new()
            };
            let said = format!("{:<word$}", said(witness));
            let seen = self.style.clean(&witness.seen);
            // The word before it says so already.
            let seen = seen.strip_prefix("not observable: ").unwrap_or(&seen);
            rows.full(witness.name.as_str(), &said, seen, &mark);
        }
        if decided.is_none()
            && let Some(failure) = attempt.failure()
        {
            rows.row("failure", &words::failure(failure, self.style));
        }
        if let Some(moved) = moved {
            rows.row("moved", &moved);
        }
    }

    /// `attempt 1   opencode · big-pickle   8s   rate_limited: 429 "Rate limit…   -> layer 4`.
    fn older_attempt_line(&self, attempt: &AttemptView, moved: Option<String>) -> String {
        let place = words::agent_model(&attempt.rung, self.style);
        let time = text::duration(words::attempt_time(attempt, self.view.updated_at));
        let line = format!("attempt {}   {place}   {time}   ", attempt.attempt);
        let end = match attempt.status {
            AttemptStatus::Running => "its end was not seen".to_owned(),
            AttemptStatus::Cancelled => "stopped".to_owned(),
            AttemptStatus::Lost => "lost: its supervisor died while it ran".to_owned(),
            AttemptStatus::Succeeded => "succeeded".to_owned(),
            AttemptStatus::Failed => {
                attempt.failure().map(|failure| words::failure(failure, self.style)).unwrap_or_default()
            }
        };
        let mark = moved.map(|moved| format!("  {moved}")).unwrap_or_default();
        let room = self.style.width.saturating_sub(text::width(&line) + text::width(&mark) + 1).max(12);
        format!("{line}{}{mark}", self.style.cut(&end, room))
    }

    fn last_attempt(
        &self,
        lines: &mut Vec<String>,
        attempt: &AttemptView,
        moved: Option<String>,
        detail: Detail,
    ) {
        let style = self.style;
        lines.push(self.head(attempt));
        let mut rows = Rows { lines, style, most: detail.row };
        if let Some(session) = words::session_of(attempt, style) {
            rows.row("session", &session);
        }
        self.money(&mut rows, attempt);
        let all: Vec<&Witness> = attempt.verdict.iter().flat_map(|verdict| &verdict.witnesses).collect();
        let (agree, rest): (Vec<&Witness>, Vec<&Witness>) =
            all.iter().partition(|witness| detail.joins.1 && witness.agrees == Some(true));
        let (unasked, rest): (Vec<&Witness>, Vec<&Witness>) =
            rest.iter().partition(|witness| detail.joins.0 && !witness.asked);
        if !agree.is_empty() {
            rows.row("agree", &names(&agree));
        }
        self.end_of(&mut rows, attempt, &rest, word_width(&all), moved);
        if !unasked.is_empty() {
            rows.row("not asked", &names(&unasked));
        }
        if let Some(used) = attempt.outcome.as_ref().and_then(|outcome| words::peaks(&outcome.peaks)) {
            rows.row("used", &used);
        }
        self.remarks(&mut rows, attempt, detail);
        if let Some(summary) = &attempt.summary {
            let summary = style.clean(summary);
            // The witness usually quotes it.
            if !all.iter().any(|witness| style.clean(&witness.seen).contains(&summary)) {
                rows.row("summary", &summary);
            }
        }
        let reading = attempt.reading.as_ref();
        if let Some(last) = reading.and_then(|reading| reading.last_words.as_deref()) {
            let last = text::clean_lines(last, detail.last_words);
            for (place, line) in last.iter().enumerate() {
                rows.row(if place == 0 { "last words" } else { "" }, &style.clean(line));
            }
        }
        if let Some(printed) = decisive(attempt, self.printed, detail.printed) {
            for (place, line) in printed.lines.iter().enumerate() {
                let line = style.cut(&style.clean(line), style.width.saturating_sub(NAME + 3));
                rows.row(if place == 0 { printed.source.as_str() } else { "" }, &line);
            }
        }
        if attempt.status == AttemptStatus::Running {
            if let Some(progress) = &self.task.progress {
                rows.row("says", &style.clean(progress));
            }
            if let Some(problem) = &self.task.report_problem {
                rows.row("report", &style.clean(&format!("not valid: {problem}")));
            }
        }
    }

    /// Doubts, then notes; of too many the first ones, and how many more there are.
    fn remarks(&self, rows: &mut Rows<'_>, attempt: &AttemptView, detail: Detail) {
        let verdict = attempt.verdict.as_ref();
        let doubts = verdict.map(|verdict| verdict.doubts.as_slice()).unwrap_or_default();
        let notes = verdict.map(|verdict| verdict.notes.as_slice()).unwrap_or_default();
        for doubt in doubts.iter().take(detail.remarks) {
            rows.row("! doubt", &self.style.clean(&doubt.to_string()));
        }
        for note in notes.iter().take(detail.remarks) {
            rows.row("note", &self.style.clean(note));
        }
        let hidden = doubts.len().saturating_sub(detail.remarks) + notes.len().saturating_sub(detail.remarks);
        if hidden > 0 {
            let id = text::shell_word(&self.style.clean(self.task.id.as_str()));
            rows.row("", &format!("and {hidden} more (orchestrate why {id} --output json)"));
        }
    }
}

/// `T006  Accessibility audit   failed: output_missing   2 attempts, 4m 10s, $0.00`.
fn headline(view: &RunView, task: &TaskView, style: &Style) -> String {
    let mut facts = task.status.to_string();
    if let (TaskStatus::Failed | TaskStatus::Retrying, Some(failure)) = (task.status, &task.failure) {
        facts.push_str(": ");
        facts.push_str(failure.kind.as_str());
    }
    let doubts = words::doubts_of(task).len();
    if doubts > 0 {
        facts.push_str(", ");
        facts.push_str(&text::count_of(doubts as u64, "doubt"));
    }
    if let (Some(first), Some(last)) = (task.attempts.first(), task.attempts.last()) {
        let ended = last.ended_at.unwrap_or(view.updated_at);
        let spent = [
            text::count_of(task.attempts.len() as u64, "attempt"),
            text::duration(ended.since(first.started_at)),
            Spent::of(task).money(),
        ];
        facts.push_str("   ");
        facts.push_str(&spent.join(", "));
    }
    let id = style.clean(task.id.as_str());
    let room = style.width.saturating_sub(text::width(&id) + 2 + 3 + text::width(&facts) + 1).max(6);
    format!("{}  {}   {facts}", style.bold(&id), style.cut(&style.clean(&task.title), room))
}

/// What keeps a task from being done, where its attempts do not say it.
fn reason(spec: &RunSpec, view: &RunView, task: &TaskView, style: &Style) -> Option<String> {
    match task.status {
        TaskStatus::Failed => {
            // The last attempt's failure is told where its witnesses are.
            let failure = task.failure.as_ref()?;
            let is_told = task.last_attempt().and_then(AttemptView::failure) == Some(failure);
            (!is_told).then(|| words::failure(failure, style))
        }
        TaskStatus::Pending if task.attempts.is_empty() => {
            let why = words::why_not(view, task, style);
            let waits = spec
                .tasks
                .iter()
                .find(|known| known.id == task.id)
                .and_then(|known| waits(known, view, style));
            Some(waits.map_or_else(|| why.clone(), |waits| format!("{why}: {waits}")))
        }
        TaskStatus::Blocked
        | TaskStatus::Held
        | TaskStatus::Skipped
        | TaskStatus::Cancelled
        | TaskStatus::Pending => Some(words::why_not(view, task, style)),
        TaskStatus::Retrying => {
            let at = task.retry_at.filter(|at| *at > view.updated_at)?;
            Some(format!("next attempt in {}", text::wait(at.since(view.updated_at))))
        }
        TaskStatus::Running | TaskStatus::Verifying | TaskStatus::Landing | TaskStatus::Succeeded => None,
    }
}

/// `waits for T001 (running), T002 (pending) and 3 more`.
fn waits(task: &TaskSpec, view: &RunView, style: &Style) -> Option<String> {
    let open = |id: &TaskId| {
        let needed = view.task(id)?;
        let is_over = matches!(needed.status, TaskStatus::Succeeded | TaskStatus::Skipped);
        (!is_over).then(|| format!("{} ({})", style.clean(id.as_str()), needed.status))
    };
    let needs: Vec<String> = task.needs.iter().filter_map(|need| open(&need.task)).collect();
    if needs.is_empty() {
        return None;
    }
    let named = needs[..needs.len().min(NAMED)].join(", ");
    let more = needs.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!("waits for {named}{more}"))
}

/// `-> layer 3 not installed, layer 4`: where the next attempt ran, and what was passed over.
fn moved(spec: &RunSpec, from: &Rung, to: &Rung) -> Option<String> {
    if from.layer == to.layer && from.agent == to.agent {
        return None;
    }
    let mut words = Vec::new();
    if let (Some(from), Some(to)) = (from.layer, to.layer) {
        for layer in spec.layers.iter().filter(|layer| layer.layer > from && layer.layer < to) {
            if !spec.agents.get(&layer.agent).is_some_and(AgentSpec::is_installed) {
                words.push(format!("layer {} not installed", layer.layer));
            }
        }
    }
    words.push(words::layer_of(to).unwrap_or_else(|| text::clean(&to.agent)));
    Some(format!("-> {}", words.join(", ")))
}
