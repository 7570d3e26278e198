//! Golden tests of every form, on a fixed clock.

use insta::assert_snapshot;

use super::sample::*;
use super::*;

#[test]
fn print_all() {
    let run = picture();
    let mut doing = Doing::default();
    doing.say(&AttemptKey::new(id("T002"), 1), "edit src/auth.rs");
    doing.say(&AttemptKey::new(id("T004"), 2), "thinking");
    for style in [
        SCREEN,
        Style { width: 100, ..SCREEN },
        Style { width: 50, ..SCREEN },
        Style { unicode: false, ..SCREEN },
    ] {
        let layout = lines::Layout::of(&run.spec, &style);
        let mut view = RunView::new(&run.spec);
        for event in &run.events {
            view.apply(event).unwrap();
            if let Some(line) = lines::lasting(event, &run.spec, &view, &layout, &style) {
                println!("{line}");
            }
        }
        for line in region(&run.spec, &view, &doing, &style, at(160)) {
            println!("{line}");
        }
    }
    let run = picture_ended();
    let page = Page::default();
    let mut reporter = plain(Box::new(page.clone()), SCREEN);
    let mut view = RunView::new(&run.spec);
    for event in &run.events {
        view.apply(event).unwrap();
        reporter.event(event, &run.spec, &view);
    }
    let paths = EndPaths {
        report: Some("plans/agent-shared/runs/01JD8Q3ZK7V0N4M2E6T9QW5XRB/report.md".to_owned()),
        branch: Some(EndBranch {
            name: "orchestrate/01JD8Q3ZK7V0N4M2E6T9QW5XRB".to_owned(),
            commits: 5,
            landed: false,
        }),
    };
    reporter.finish(&run.spec, &view, &paths, at(724));
    println!("{}", page.text());
    println!("{}", why(&run.spec, &run.view, &id("T006"), &SCREEN));
    println!("{}", why(&run.spec, &run.view, &id("T007"), &SCREEN));
    println!("{}", status(&run.spec, &run.view, Liveness::Ended, &SCREEN, at(800)));
    let p = picture();
    println!("{}", status(&p.spec, &p.view, Liveness::Alive, &SCREEN, at(170)));
    println!("{}", status(&p.spec, &p.view, Liveness::Dead, &SCREEN, at(800)));
    let result = crate::model::result::RunResult::of(&run.spec, &run.view, None, |task, attempt| {
        format!("runs/{task}/{attempt}")
    });
    println!("{}", markdown(&run.spec, &run.view, &result));
    println!("{}", result_json(&result));
    let mut gated = gated();
    gated.finish(crate::model::status::RunStatus::Waiting, 9);
    println!("{}", summary(&gated.spec, &gated.view, &EndPaths::default(), &SCREEN));
    for t in ["T002", "T003", "T004", "T005"] {
        println!("{}", why(&gated.spec, &gated.view, &id(t), &SCREEN));
    }
}
