//! What is let in, and how.

use super::*;

#[test]
fn what_does_not_fit_is_refused_whole() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut run = begun(&mut store, spec("01A", &["T1"]));
    let spec = run.spec.clone();
    let before = store.events(&spec.run_id, 0).unwrap();

    // A gap.
    let lost = run.event(attempt_started("T1", 1));
    let next = run.event(attempt_ended("T1", 1, AttemptStatus::Succeeded));
    let gap = store.append(&spec, &run.view, std::slice::from_ref(&next), NOW).unwrap_err();
    assert!(matches!(gap, StoreError::Conflict { .. }), "{gap}");
    assert_eq!(gap.exit_code(), ExitCode::Held);
    // A state that is not the one after the events.
    let stale = store.append(&spec, &run.view, std::slice::from_ref(&lost), NOW).unwrap_err();
    assert!(matches!(stale, StoreError::Conflict { .. }), "{stale}");
    // The first of a pair is fine, and goes with the second.
    let mut other = Supervisor::new(self::spec("01Z", &["T1"]), 1);
    let foreign = other.started();
    assert!(matches!(
        store.append(&other.spec, &other.view, &[foreign], NOW).unwrap_err(),
        StoreError::NoRun { .. }
    ));
    assert_eq!(store.events(&spec.run_id, 0).unwrap(), before);
    assert_eq!(record(&store, &spec, "T1").status, TaskStatus::Pending);

    store.append(&spec, &run.view, &[lost, next], NOW).unwrap();
    // A step that the table does not know, said by a state that was not folded.
    let mut forged = run.view.clone();
    let mut event = run.event(EventBody::TaskSucceeded { task_id: TaskId::new("T1"), attempt: 1 });
    event.body = EventBody::TaskBlocked { task_id: TaskId::new("T1"), by: TaskId::new("T1") };
    forged.last_seq = event.seq;
    forged.tasks[0].revision += 1;
    forged.tasks[0].status = TaskStatus::Blocked;
    let illegal = store.append(&spec, &forged, &[event], NOW).unwrap_err();
    assert!(
        matches!(illegal, StoreError::IllegalStep { from: TaskStatus::Running, to: TaskStatus::Blocked, .. }),
        "{illegal}"
    );
    assert_eq!(illegal.exit_code(), ExitCode::Fault);
    no_problems(&store);
    let twice = store.create_run(&spec).unwrap_err();
    assert!(matches!(twice, StoreError::Invalid { .. }), "{twice}");
}

#[test]
fn secrets_stay_out_of_events_records_reports_and_tails() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut spec = spec("01A", &["T1"]);
    spec.tasks[0].title = "use sk-abc123def456ghi789jkl012 for it".to_owned();
    let mut run = begun(&mut store, spec);
    tell(&mut store, &mut run, attempt_started("T1", 1));
    let message = "export OPENAI_API_KEY=sk-abc123def456ghi789jkl012 || true".to_owned();
    let progress = EventBody::AttemptProgressed { task_id: TaskId::new("T1"), attempt: 1, message };
    tell(&mut store, &mut run, progress);
    let report = TaskReport {
        schema: TaskReportVersion::V1,
        run_id: run.spec.run_id.clone(),
        task_id: TaskId::new("T1"),
        attempt: 1,
        at: Some(NOW),
        body: ReportBody::Progress {
            message: "key sk-abc123def456ghi789jkl012".to_owned(),
            percent: Some(50),
        },
    };
    store.put_report(&run.spec, &report).unwrap();
    store.put_tail(&run.spec, &TaskId::new("T1"), "Bearer sk-abc123def456ghi789jkl012\nž").unwrap();
    let control = Control {
        schema: ControlVersion::V1,
        at: NOW,
        by: "me@host".to_owned(),
        action: ControlAction::Retry {
            tasks: vec![TaskId::new("T1")],
            layer: None,
            agent: None,
            say: Some("try sk-abc123def456ghi789jkl012".to_owned()),
        },
    };
    assert_eq!(store.push_control(&run.spec.run_id, &control).unwrap(), 1);

    assert_eq!(store.tail(&run.spec, &TaskId::new("T1")).unwrap().unwrap(), "Bearer ***\nž");
    assert_eq!(record(&store, &run.spec, "T1").title, "use sk-*** for it");
    let masked = ReportBody::Progress { message: "key sk-***".to_owned(), percent: Some(50) };
    let text = store.report_text(&run.spec, &TaskId::new("T1")).unwrap().unwrap();
    assert_eq!(serde_json::from_str::<TaskReport>(&text).unwrap().body, masked);
    store.begin_report(&run.spec, &crate::model::ids::AttemptKey::new(TaskId::new("T1"), 2)).unwrap();
    assert_eq!(store.report_text(&run.spec, &TaskId::new("T1")).unwrap(), None);
    let shown = format!("{:?}", store.list("shop:").unwrap());
    let events = store.get("shop:run:01A:events").unwrap().unwrap().to_string();
    let plan = store.get("shop:run:01A:plan").unwrap().unwrap().to_string();
    for text in [&shown, &events, &plan] {
        assert!(!text.contains("abc123"), "{text}");
    }
    assert!(events.contains("OPENAI_API_KEY=sk-***"), "{events}");
    // A resume needs the run as it was.
    assert_eq!(store.run_spec(&run.spec.run_id).unwrap(), run.spec);
    no_problems(&store);
}

#[test]
fn known_secrets_stay_out_whatever_their_shape() {
    let folder = folder();
    let mut store = opened(&folder);
    store.set_masker(Masker::new(["correct horse".to_owned()]));
    let mut spec = spec("01A", &["T1"]);
    spec.tasks[0].title = "ask correct horse".to_owned();
    let mut run = begun(&mut store, spec);
    tell(&mut store, &mut run, attempt_started("T1", 1));
    let message = "it is correct horse, really".to_owned();
    let progress = EventBody::AttemptProgressed { task_id: TaskId::new("T1"), attempt: 1, message };
    tell(&mut store, &mut run, progress);
    store.put_tail(&run.spec, &TaskId::new("T1"), "correct horse").unwrap();
    assert_eq!(record(&store, &run.spec, "T1").title, "ask ***");
    assert_eq!(store.tail(&run.spec, &TaskId::new("T1")).unwrap().unwrap(), "***");
    let plan = store.get("shop:run:01A:plan").unwrap().unwrap().to_string();
    let events = store.get("shop:run:01A:events").unwrap().unwrap().to_string();
    assert!(events.contains("it is ***, really") && !events.contains("horse") && !plan.contains("horse"));
    no_problems(&store);
}

#[test]
fn a_tail_keeps_the_end_on_a_whole_character() {
    let folder = folder();
    let mut store = opened(&folder);
    let run = begun(&mut store, spec("01A", &["T1"]));
    let text = format!("x{}", "ž".repeat(TAIL_BYTES));
    store.put_tail(&run.spec, &TaskId::new("T1"), &text).unwrap();
    let tail = store.tail(&run.spec, &TaskId::new("T1")).unwrap().unwrap();
    assert_eq!(tail.len(), TAIL_BYTES);
    assert!(tail.chars().all(|c| c == 'ž'));
}
