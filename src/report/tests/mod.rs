//! Golden tests of every form, on a fixed clock. Every line of a picture begins with `|`, so that
//! blanks before and after it count.

mod commands;
mod doctor;
mod documents;
mod ends;
mod events;
mod moves;
mod screen;
mod stories;

use crate::model::event::EventBody;
use crate::model::failure::{Failure, FailureKind};
use crate::model::ids::AttemptKey;
use crate::model::result::RunResult;
use crate::model::view::RunView;
use crate::report::sample::{SCREEN, Sample, at, id, limited, rung, spec, task};
use crate::report::{Doing, EndBranch, EndPaths, Reporter, Style, lines};

pub(super) const NARROW: Style = Style { width: 50, ..SCREEN };
pub(super) const ASCII: Style = Style { unicode: false, ..SCREEN };
pub(super) const WIDE: Style = Style { width: 110, ..SCREEN };

pub(super) fn framed(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("|{line}\n")).collect();
    lines.concat()
}

pub(super) fn joined(lines: &[String]) -> String {
    framed(&lines.join("\n"))
}

/// The lines that stay of all events of a run.
pub(super) fn lasting(run: &Sample, style: &Style) -> String {
    let layout = lines::Layout::of(&run.spec, style);
    let mut view = RunView::new(&run.spec);
    let mut out = Vec::new();
    for event in &run.events {
        view.apply(event).unwrap();
        out.extend(lines::lasting(event, &run.spec, &view, &layout, style));
    }
    joined(&out)
}

/// All events of a run, told to a reporter.
pub(super) fn tell(run: &Sample, reporter: &mut dyn Reporter) {
    let mut view = RunView::new(&run.spec);
    for event in &run.events {
        view.apply(event).unwrap();
        reporter.event(event, &run.spec, &view);
    }
}

pub(super) fn paths() -> EndPaths {
    EndPaths {
        report: Some("plans/agent-shared/runs/01JD8Q3ZK7V0N4M2E6T9QW5XRB/report.md".to_owned()),
        branch: Some(EndBranch {
            name: "orchestrate/01JD8Q3ZK7V0N4M2E6T9QW5XRB".to_owned(),
            commits: 5,
            landed: false,
        }),
    }
}

pub(super) fn doing() -> Doing {
    let mut doing = Doing::default();
    doing.say(&AttemptKey::new(id("T002"), 1), "edit src/auth.rs");
    doing.say(&AttemptKey::new(id("T004"), 2), "think\u{1b}[31ming");
    // What an attempt that ended said is not shown of the next.
    doing.say(&AttemptKey::new(id("T003"), 7), "something else");
    doing
}

pub(super) fn result(run: &Sample) -> RunResult {
    RunResult::of(&run.spec, &run.view, None, |task, attempt| format!("runs/tasks/{}/{attempt}", task.code()))
}

/// 200 tasks, 40 of which run, five retry, one has a very long id.
pub(super) fn many() -> Sample {
    let mut tasks: Vec<_> =
        (1..=200).map(|number| task(&format!("T{number:03}"), &format!("Task number {number}"))).collect();
    tasks[0].id = id("phase-one-of-the-plan/the-first-task-of-all");
    tasks[1].title = "日本語のタイトルで、とても長いもの".to_owned();
    let mut run = Sample::new(spec(tasks));
    run.start().at(5).begin("phase-one-of-the-plan/the-first-task-of-all", rung(2));
    for number in 2..=45_i64 {
        let name = format!("T{number:03}");
        run.at(number * 2).begin(&name, rung(3));
        if number > 40 {
            run.fail_attempt(&name, limited());
            run.push(EventBody::TaskRetrying {
                task_id: id(&name),
                attempt: 2,
                at: at(600),
                why: Failure::new(FailureKind::Overloaded, "503"),
                next: rung(3),
            });
        }
    }
    run.at(100);
    run
}
