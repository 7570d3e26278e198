//! Several processes on one store.

use super::*;

#[test]
fn the_embedded_store_keeps_the_contract() {
    shared::holds_contract(|| {
        let folder = folder();
        let store = opened(&folder);
        // The file may go: the connection keeps it.
        let connection: &'static Connection = Box::leak(Box::new(store.connection));
        Embedded::new(connection)
    });
}

#[test]
fn readers_see_whole_turns_while_one_writes() {
    let folder = folder();
    let mut writer = opened(&folder);
    let mut run = begun(&mut writer, spec("01A", &["T1"]));
    let reader = Store::open_existing(folder.path()).unwrap().unwrap();
    let mark = reader.change_mark();
    assert_eq!(reader.change_mark(), mark);
    std::thread::scope(|scope| {
        let barrier = Arc::new(Barrier::new(2));
        let theirs = Arc::clone(&barrier);
        let path = folder.path();
        let last = scope.spawn(move || {
            let reader = Store::open_existing(path).unwrap().unwrap();
            theirs.wait();
            let mut last = 0;
            while last < 2 * 50 {
                // Every turn writes two events: an odd number after the start was half of one.
                let seen = reader.events(&RunId("01A".to_owned()), 1).unwrap().len();
                assert!(seen.is_multiple_of(2) && seen >= last, "{seen} after {last}");
                last = seen;
                no_problems(&reader);
            }
            last
        });
        barrier.wait();
        let start = run.event(attempt_started("T1", 1));
        let warn = |run: &mut Supervisor| {
            run.event(EventBody::WarningRaised { code: "c".to_owned(), message: "m".to_owned(), hint: None })
        };
        let events = [start, warn(&mut run)];
        writer.append(&run.spec, &run.view, &events, NOW).unwrap();
        for _ in 1..50 {
            let progress = EventBody::AttemptProgressed {
                task_id: TaskId::new("T1"),
                attempt: 1,
                message: "on".to_owned(),
            };
            let events = [run.event(progress), warn(&mut run)];
            writer.append(&run.spec, &run.view, &events, NOW).unwrap();
        }
        assert_eq!(last.join().unwrap(), 100);
    });
    assert_ne!(reader.change_mark(), mark);
    no_problems(&reader);
}

#[test]
fn many_open_one_new_folder_at_once() {
    let folder = folder();
    let state = folder.path().join("new");
    let barrier = Barrier::new(6);
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (state, barrier) = (&state, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let mut store = Store::open(state, true).unwrap();
                let spec = spec(&format!("0{number}"), &[&format!("T{number}")]);
                let mut run = begun(&mut store, spec);
                for attempt in 1..=10 {
                    let id = format!("T{number}");
                    tell(&mut store, &mut run, attempt_started(&id, attempt));
                    tell(&mut store, &mut run, attempt_ended(&id, attempt, AttemptStatus::Failed));
                }
            });
        }
    });
    let store = Store::open_existing(&state).unwrap().unwrap();
    assert_eq!(store.runs().unwrap().len(), 6);
    no_problems(&store);
}

#[test]
fn two_runs_of_a_project_keep_out_of_each_others_way() {
    let folder = folder();
    let mut first = opened(&folder);
    let mut second = opened(&folder);
    let one = begun(&mut first, spec("01A", &["T1", "T2"]));

    let same_task = spec("01B", &["T3", "T2"]);
    second.create_run(&same_task).unwrap();
    let fence = second.next_fence(&same_task.prefix, NOW).unwrap();
    let error = second.acquire_lease(&same_task, &lease(&same_task, 8, fence), NOW, &alive).unwrap_err();
    assert!(
        matches!(&error, StoreError::Held { run, task: Some(task), holder }
            if run.0 == "01A" && task.0 == "T2" && holder == "host:7"),
        "{error}"
    );
    assert_eq!(error.exit_code(), ExitCode::Held);
    assert!(error.hints()[0].contains("--id-prefix"), "{:?}", error.hints());
    // Nothing of it was written.
    assert_eq!(second.get("shop:task:T3:status").unwrap(), None);
    assert_eq!(second.lease(&same_task.run_id).unwrap(), None);

    let mut prefixed = spec("01C", &["T2"]);
    prefixed.settings.id_prefix = "b ".to_owned();
    let mut two = begun(&mut second, prefixed);
    tell(&mut second, &mut two, attempt_started("T2", 1));
    assert_eq!(second.get("shop:task:b%20T2:status").unwrap().unwrap()["status"], "running");
    assert_eq!(record(&first, &one.spec, "T2").status, TaskStatus::Pending);

    // The first one's process is dead: what it held is free.
    let dead = |lease: &Lease| lease.pid != 7;
    let fence = second.next_fence(&same_task.prefix, NOW).unwrap();
    second.acquire_lease(&same_task, &lease(&same_task, 8, fence), NOW, &dead).unwrap();
    assert_eq!(record(&second, &same_task, "T2").run_id, same_task.run_id);
    no_problems(&second);
}

#[test]
fn a_run_does_not_claim_what_it_skips() {
    let folder = folder();
    let mut first = opened(&folder);
    let mut second = opened(&folder);
    let mut one = begun(&mut first, spec("01A", &["T1", "T2"]));
    tell(&mut first, &mut one, attempt_started("T2", 1));

    let mut other = spec("01B", &["T2", "T3"]);
    other.tasks[0].entry = Entry::Skip { why: "not selected".to_owned() };
    let mut two = begun(&mut second, other);
    let skip = EventBody::TaskSkipped { task_id: TaskId::new("T2"), why: "not selected".to_owned() };
    tell(&mut second, &mut two, skip);
    tell(&mut second, &mut two, attempt_started("T3", 1));
    let kept = record(&second, &two.spec, "T2");
    assert_eq!((kept.run_id, kept.status), (one.spec.run_id.clone(), TaskStatus::Running));

    let ended = attempt_ended("T2", 1, AttemptStatus::Failed);
    tell(&mut first, &mut one, ended);
    no_problems(&first);
}

#[test]
fn a_second_supervisor_waits_and_a_late_one_is_refused() {
    let folder = folder();
    let mut first = opened(&folder);
    let mut second = opened(&folder);
    let mut run = begun(&mut first, spec("01A", &["T1"]));
    let spec = run.spec.clone();
    let fence = second.next_fence(&spec.prefix, NOW).unwrap();
    assert!(fence > run.fence);
    let taking = lease(&spec, 8, fence);
    let held = second.acquire_lease(&spec, &taking, NOW, &alive).unwrap_err();
    assert!(matches!(held, StoreError::Held { task: None, .. }), "{held}");

    // 30 s after the last renewal the lease has run out.
    let later = NOW + LEASE;
    second.acquire_lease(&spec, &taking, later, &alive).unwrap();
    let event = run.event(attempt_started("T1", 1));
    let lost = first.append(&spec, &run.view, &[event], later).unwrap_err();
    assert!(matches!(lost, StoreError::Stale { .. }), "{lost}");
    assert_eq!(lost.exit_code(), ExitCode::Held);
    assert!(matches!(first.heartbeat(&spec, &run.view, later).unwrap_err(), StoreError::Stale { .. }));
    assert!(first.renew_lease(&spec, &lease(&spec, 7, run.fence), later).is_err());
    first.release_lease(&spec, &lease(&spec, 7, run.fence)).unwrap();
    assert_eq!(second.lease(&spec.run_id).unwrap().unwrap().pid, 8);

    // The new one goes on from what is written.
    let (_, view) = second.view(&spec.run_id).unwrap();
    let mut resumed = Supervisor { spec: spec.clone(), view, fence };
    let event = resumed.event(EventBody::RunResumed { host: "host".to_owned(), pid: 8, fence });
    second.append(&spec, &resumed.view, &[event], later).unwrap();
    tell(&mut second, &mut resumed, attempt_started("T1", 1));
    assert_eq!(record(&second, &spec, "T1").fence, fence);
    no_problems(&second);
}

#[test]
fn requests_reach_a_run_in_order() {
    let folder = folder();
    let mut store = opened(&folder);
    let run = begun(&mut store, spec("01A", &["T1"]));
    let control = |action| Control { schema: ControlVersion::V1, at: NOW, by: "me@host".to_owned(), action };
    let stop = control(ControlAction::Stop { tasks: Vec::new() });
    let approve = control(ControlAction::Approve { gate: "release".to_owned() });
    assert_eq!(store.push_control(&run.spec.run_id, &stop).unwrap(), 1);
    assert_eq!(store.push_control(&run.spec.run_id, &approve).unwrap(), 2);
    assert_eq!(store.controls(&run.spec.run_id, 0).unwrap(), [(1, stop), (2, approve.clone())]);
    assert_eq!(store.controls(&run.spec.run_id, 1).unwrap(), [(2, approve)]);
    let nobody = RunId("none".to_owned());
    assert!(matches!(
        store.push_control(&nobody, &control(ControlAction::Stop { tasks: Vec::new() })).unwrap_err(),
        StoreError::NoRun { .. }
    ));
    assert!(matches!(store.events(&nobody, 0).unwrap_err(), StoreError::NoRun { .. }));
}

#[test]
fn whether_a_holder_lives_is_asked_once() {
    let folder = folder();
    let mut store = opened(&folder);
    begun(&mut store, spec("01A", &["T1", "T2", "T3"]));
    let next = spec("01B", &["T1", "T2", "T3"]);
    store.create_run(&next).unwrap();
    let fence = store.next_fence(&next.prefix, NOW).unwrap();
    let asked = std::cell::Cell::new(0);
    let dead = |_: &Lease| {
        asked.set(asked.get() + 1);
        false
    };
    store.acquire_lease(&next, &lease(&next, 8, fence), NOW, &dead).unwrap();
    assert_eq!(asked.get(), 1);
}

proptest::proptest! {
    /// Two supervisors at the embedded store get the answers that the model gives, and leave what it has.
    #[test]
    fn two_supervisors_at_the_embedded_store_are_as_the_model(steps in shared::model_steps()) {
        let folder = folder();
        let store = opened(&folder);
        shared::holds_model(&mut Embedded::new(&store.connection), &steps)?;
    }
}
