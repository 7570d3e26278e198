//! `report.md`: a run for people to read afterwards.
//!
//! **Invariant:** texts of plans and agents stand in it as text: their own Markdown and HTML has no
//! effect.

use std::fmt::Write as _;

use crate::model::result::{AttemptResult, RunResult, TaskResult};
use crate::model::run::RunSpec;
use crate::model::status::TaskStatus;
use crate::model::view::{RunView, TaskView};
use crate::report::advice;
use crate::report::moves;
use crate::report::style::Style;
use crate::report::text;
use crate::report::why_rows::said;
use crate::report::words::{self, Spent, Standing};

/// Lines of an agent's last words.
const LAST_WORDS: usize = 12;

/// The report.
pub fn markdown(spec: &RunSpec, view: &RunView, result: &RunResult) -> String {
    let mut out = String::new();
    head(&mut out, spec, view, result);
    not_done(&mut out, spec, view, result);
    doubts(&mut out, result);
    moves(&mut out, result);
    tasks(&mut out, view, result);
    gates(&mut out, view);
    warnings(&mut out, view);
    checks(&mut out, spec, view);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn head(out: &mut String, spec: &RunSpec, view: &RunView, result: &RunResult) {
    let title = if text::clean(&spec.plan_title).is_empty() { &spec.plan } else { &spec.plan_title };
    push(out, &format!("# {}\n", prose(title)));
    push(out, &format!("**{}**: {}.\n", view.status, Standing::of(spec, view).ended().join(", ")));
    push(out, &format!("- run: {}", code(view.run_id.as_str())));
    push(out, &format!("- plan: {}", code(&spec.plan)));
    let ended = view.ended_at.unwrap_or(view.updated_at);
    push(
        out,
        &format!(
            "- time: {} to {} ({})",
            view.started_at,
            ended,
            text::duration(ended.since(view.started_at))
        ),
    );
    if let Some(layers) = words::layers_used(view) {
        push(out, &format!("- layers: {layers}"));
    }
    let spent = Spent::of_run(view);
    push(out, &format!("- cost: {}, {}", spent.usd(), spent.tokens()));
    let booked: Vec<String> = result
        .spent_usd
        .iter()
        .filter(|(_, amount)| !amount.is_zero())
        .map(|(provider, amount)| format!("{amount} at {}", prose(provider)))
        .collect();
    if !booked.is_empty() {
        push(out, &format!("- booked: {}", booked.join(", ")));
    }
    if let Some(code) = view.exit_code {
        let meaning = crate::model::exit::ExitCode::from_code(code).map_or("", |code| code.meaning());
        push(out, &format!("- exit code: {code} ({meaning})"));
    }
    if let Some((host, pid)) = &view.supervisor {
        push(out, &format!("- supervised by: {}", code(&format!("{host}:{pid}"))));
    }
    out.push('\n');
}

fn not_done(out: &mut String, spec: &RunSpec, view: &RunView, result: &RunResult) {
    let open: Vec<(&TaskView, &TaskResult)> =
        view.tasks.iter().zip(&result.tasks).filter(|(task, _)| words::is_open(task)).collect();
    if open.is_empty() {
        return;
    }
    push(out, "## Not done\n");
    for (task, told) in open {
        push(out, &format!("### {}: {}\n", prose(task.id.as_str()), prose(&task.title)));
        let why = words::why_not(view, task, &Style::PLAIN);
        push(out, &format!("**{}**: {}\n", task.status, prose(&why)));
        for (attempt, seen) in told.attempts.iter().zip(&task.attempts) {
            story(out, attempt, seen.reading.as_ref().and_then(|reading| reading.last_words.as_deref()));
        }
        let steps = advice::for_task(spec, task);
        if !steps.is_empty() {
            push(out, "What to do:\n");
            for step in steps {
                push(out, &format!("- {}: {}", code(&step.command), prose(&step.why)));
            }
            out.push('\n');
        }
    }
}

/// One attempt of a task that is not done.
fn story(out: &mut String, attempt: &AttemptResult, last_words: Option<&str>) {
    let mut line = format!("Attempt {}, {}", attempt.attempt, place(attempt));
    if let Some(layer) = attempt.layer {
        write!(line, ", layer {layer}").expect("writing to a string cannot fail");
    }
    if let Some(ended) = attempt.ended_at {
        let time = text::duration(ended.since(attempt.started_at));
        write!(line, ", {time}").expect("writing to a string cannot fail");
    }
    write!(line, ": {}", words::attempt_word(attempt.status)).expect("writing to a string cannot fail");
    if let Some(kind) = attempt.failure {
        write!(line, ", {}", code(kind.as_str())).expect("writing to a string cannot fail");
    }
    if let Some(seen) = attempt.seen.as_deref().filter(|seen| !seen.is_empty()) {
        write!(line, " ({})", prose(seen)).expect("writing to a string cannot fail");
    }
    push(out, &format!("{line}\n"));
    if let Some(session) = &attempt.session {
        push(out, &format!("It was to go on with session {}.\n", code(session)));
    }
    if !attempt.witnesses.is_empty() {
        push(out, "| witness | says | saw |");
        push(out, "| --- | --- | --- |");
        for witness in &attempt.witnesses {
            push(out, &format!("| {} | {} | {} |", witness.name, said(witness), prose(&witness.seen)));
        }
        out.push('\n');
    }
    for doubt in &attempt.doubts {
        push(
            out,
            &format!(
                "- doubt: {}: {} ({})",
                code(&doubt.path),
                prose(&doubt.seen),
                prose(doubt.kind.as_str())
            ),
        );
    }
    for note in &attempt.notes {
        push(out, &format!("- note: {}", prose(note)));
    }
    if !attempt.notes.is_empty() || !attempt.doubts.is_empty() {
        out.push('\n');
    }
    if let Some(summary) = &attempt.summary {
        push(out, &format!("It says of itself: {}\n", prose(summary)));
    }
    let last_words = last_words.map(|words| text::clean_lines(words, LAST_WORDS)).unwrap_or_default();
    if !last_words.is_empty() {
        push(out, "Last words:\n");
        let fence = fence(&last_words.join("\n"), 3);
        push(out, &format!("{fence}text"));
        for line in last_words {
            push(out, &line);
        }
        push(out, &format!("{fence}\n"));
    }
}

/// What succeeded and should be looked at before it is believed, with all that its witnesses saw.
fn doubts(out: &mut String, result: &RunResult) {
    let last = |task: &&TaskResult| task.attempts.last().is_some_and(|attempt| !attempt.doubts.is_empty());
    let doubted = result.tasks.iter().filter(|task| task.status == TaskStatus::Succeeded).filter(last);
    let mut doubted = doubted.peekable();
    if doubted.peek().is_none() {
        return;
    }
    push(out, "## Doubts\n");
    push(out, "These tasks succeeded, and what they did is worth a look before it is believed.\n");
    for task in doubted {
        push(out, &format!("### {}: {}\n", prose(task.id.as_str()), prose(&task.title)));
        if let Some(attempt) = task.attempts.last() {
            story(out, attempt, None);
        }
    }
}

/// Tasks that went from one layer to another, waited for a free one, or cost money.
fn moves(out: &mut String, result: &RunResult) {
    let told: Vec<(&TaskResult, Vec<String>)> = result
        .tasks
        .iter()
        .map(|task| (task, moves::lines(task, &Style::PLAIN)))
        .filter(|(_, lines)| !lines.is_empty())
        .collect();
    if told.is_empty() {
        return;
    }
    push(out, "## Moves and money\n");
    for (task, lines) in told {
        push(out, &format!("### {}: {}\n", prose(task.id.as_str()), prose(&task.title)));
        for line in lines {
            push(out, &format!("- {}", prose(&line)));
        }
        out.push('\n');
    }
}

fn tasks(out: &mut String, view: &RunView, result: &RunResult) {
    push(out, "## Tasks\n");
    push(out, "| task | title | status | attempts | by | time | cost |");
    push(out, "| --- | --- | --- | --- | --- | --- | --- |");
    for (task, seen) in result.tasks.iter().zip(&view.tasks) {
        let status = match task.failure {
            Some(kind) => format!("{}: {}", task.status, prose(kind.as_str())),
            None => match (task.status, &task.why) {
                (TaskStatus::Blocked, Some(why)) => prose(why),
                (TaskStatus::Held | TaskStatus::Skipped, Some(why)) => {
                    format!("{}: {}", task.status, prose(why))
                }
                (
                    TaskStatus::Blocked
                    | TaskStatus::Held
                    | TaskStatus::Skipped
                    | TaskStatus::Pending
                    | TaskStatus::Running
                    | TaskStatus::Verifying
                    | TaskStatus::Landing
                    | TaskStatus::Retrying
                    | TaskStatus::Succeeded
                    | TaskStatus::Failed
                    | TaskStatus::Cancelled,
                    _,
                ) => task.status.to_string(),
            },
        };
        let last = task.attempts.last();
        let time = last
            .and_then(|attempt| Some(text::duration(attempt.ended_at?.since(attempt.started_at))))
            .unwrap_or_default();
        push(
            out,
            &format!(
                "| {} | {} | {status} | {} | {} | {time} | {} |",
                prose(task.id.as_str()),
                prose(&task.title),
                task.attempts.len(),
                last.map(place).unwrap_or_default(),
                cost(seen),
            ),
        );
    }
    out.push('\n');
}

/// What a task cost; nothing is said where no model was asked.
fn cost(task: &TaskView) -> String {
    let asked = task.attempts.iter().any(|attempt| attempt.rung.model.is_some());
    if asked { Spent::of(task).usd() } else { String::new() }
}

fn place(attempt: &AttemptResult) -> String {
    match &attempt.model {
        Some(model) => format!("{} · {}", prose(&attempt.agent), prose(model)),
        None => prose(&attempt.agent),
    }
}

fn gates(out: &mut String, view: &RunView) {
    if view.gates_reached.is_empty() && view.approved.is_empty() {
        return;
    }
    push(out, "## Gates\n");
    for gate in &view.approved {
        push(out, &format!("- {}: approved", prose(gate)));
    }
    for gate in &view.gates_reached {
        let command = format!("{} --resume", words::approve(gate, &Style::PLAIN));
        push(out, &format!("- {}: waits for a person, {}", prose(gate), code(&command)));
    }
    out.push('\n');
}

fn warnings(out: &mut String, view: &RunView) {
    if view.warnings.is_empty() {
        return;
    }
    push(out, "## Warnings\n");
    for (code, message, hint) in &view.warnings {
        let hint = hint.as_deref().map(|hint| format!(" ({})", prose(hint))).unwrap_or_default();
        push(out, &format!("- {}: {}{hint}", prose(code), prose(message)));
    }
    out.push('\n');
}

/// The commands of the plan that the run executed.
fn checks(out: &mut String, spec: &RunSpec, view: &RunView) {
    let mut rows: Vec<String> = Vec::new();
    for (task, seen) in spec.tasks.iter().zip(&view.tasks) {
        // A task whose process was never started ran nothing.
        if seen.attempts.is_empty() {
            continue;
        }
        if let Some(command) = &task.command {
            rows.push(format!("| {} | command | {} |", prose(task.id.as_str()), code_in_table(command)));
        }
        let verify = task.verify.iter().filter(|_| !spec.settings.no_verify);
        rows.extend(
            verify.map(|command| {
                format!("| {} | verify | {} |", prose(task.id.as_str()), code_in_table(command))
            }),
        );
    }
    if !spec.settings.no_verify {
        let every = spec.settings.verify.iter();
        rows.extend(every.map(|command| format!("| every task | verify | {} |", code_in_table(command))));
    }
    if spec.settings.no_verify {
        push(out, "## Checks\n");
        push(out, "No check was run (`--no-verify`).\n");
    }
    if rows.is_empty() {
        return;
    }
    push(out, "## Commands\n");
    push(out, "| task | as | command |");
    push(out, "| --- | --- | --- |");
    for row in rows {
        push(out, &row);
    }
    out.push('\n');
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

/// A foreign text as text: cleaned, and without an effect as Markdown or HTML.
fn prose(foreign: &str) -> String {
    let foreign = text::clean(foreign);
    let mut out = String::with_capacity(foreign.len());
    for c in foreign.chars() {
        if r"\`*_[]<>|~#&$!".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A foreign text as a code span.
fn code(foreign: &str) -> String {
    let foreign = text::clean(foreign);
    if foreign.is_empty() {
        return String::new();
    }
    let fence = fence(&foreign, 1);
    let blank = if foreign.starts_with('`') || foreign.ends_with('`') { " " } else { "" };
    format!("{fence}{blank}{foreign}{blank}{fence}")
}

/// The same within a table, where a bar would end the cell.
fn code_in_table(foreign: &str) -> String {
    code(foreign).replace('|', "\\|")
}

/// Backticks that the text does not have in a row, at least `least`.
fn fence(text: &str, least: usize) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat((longest + 1).max(least))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    use super::*;

    /// What a reader of Markdown sees: texts, and `code` around code; any other effect is `?`.
    fn read(markdown: &str) -> Vec<String> {
        let mut cells = vec![String::new()];
        for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
            let cell = cells.last_mut().unwrap();
            match event {
                Event::Text(text) => cell.push_str(&text),
                Event::Code(code) => cell.extend(["<code>", &code, "</code>"]),
                Event::Start(Tag::TableCell) => cells.push(String::new()),
                Event::Start(Tag::Paragraph | Tag::Table(_) | Tag::TableHead | Tag::TableRow)
                | Event::End(
                    TagEnd::Paragraph
                    | TagEnd::Table
                    | TagEnd::TableHead
                    | TagEnd::TableRow
                    | TagEnd::TableCell,
                ) => {}
                Event::Start(_)
                | Event::End(_)
                | Event::InlineMath(_)
                | Event::DisplayMath(_)
                | Event::Html(_)
                | Event::InlineHtml(_)
                | Event::FootnoteReference(_)
                | Event::SoftBreak
                | Event::HardBreak
                | Event::Rule
                | Event::TaskListMarker(_) => cell.push('?'),
            }
        }
        cells
    }

    fn shown_code(text: &str) -> String {
        let text = text::clean(text);
        if text.is_empty() { text } else { format!("<code>{text}</code>") }
    }

    #[test]
    fn foreign_texts_have_no_effect() {
        for text in ["*a* [b](c) <d> `e` | f \\| g &amp; ~h~ # i ![j](k) $x$", "`", "``a`", "\\", "a\\|b"] {
            assert_eq!(read(&format!("x {}", prose(text))), [format!("x {text}")]);
            assert_eq!(read(&code(text)), [shown_code(text)]);
        }
    }

    proptest! {
        #[test]
        fn cells_keep_their_texts(title in any::<String>(), command in any::<String>()) {
            let table = format!("| a | b |\n| --- | --- |\n| {} | {} |", prose(&title), code_in_table(&command));
            let cells = read(&table);
            prop_assert_eq!(&cells[1..3], ["a", "b"]);
            prop_assert_eq!(&cells[3..], [text::clean(&title), shown_code(&command)]);
        }

        #[test]
        fn hostile_cells_keep_their_texts(title in r"[|\\`*_<>\[\]!&#~$a ]{0,12}", command in r"[|\\`*<a ]{0,12}") {
            let table = format!("| a | b |\n| --- | --- |\n| {} | {} |", prose(&title), code_in_table(&command));
            let cells = read(&table);
            prop_assert_eq!(&cells[3..], [text::clean(&title), shown_code(&command)]);
        }
    }
}
