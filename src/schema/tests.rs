use std::fs;
use std::path::Path;

use serde_json::json;

use crate::model::alert::Alert;
use crate::model::check::PlanCheck;
use crate::model::completion::{Completion, CompletionStatus};
use crate::model::conversion::{PlanConversion, PlanFormat};
use crate::model::cooldown::Cooldown;
use crate::model::difference::PlanDifference;
use crate::model::doctor::Doctor;
use crate::model::event::Event;
use crate::model::ids::{AttemptKey, RunId, TaskId};
use crate::model::ledger::MonthLedger;
use crate::model::record::{Control, Lease, SharedIndex, TaskReport, TaskStatusRecord};
use crate::model::report::Reported;
use crate::model::result::{ErrorDocument, RunResult};
use crate::model::why::Why;

use super::*;

fn from_types(kind: SchemaKind) -> String {
    match kind {
        SchemaKind::Completion => derived::<Completion>("completion/v1", Side::Read),
        SchemaKind::TaskStatus => derived::<TaskStatusRecord>("task-status/v1", Side::Written),
        SchemaKind::TaskReport => derived::<TaskReport>("task-report/v1", Side::Read),
        SchemaKind::SharedState => derived::<SharedIndex>("shared-state/v1", Side::Written),
        SchemaKind::Event => derived::<Event>("event/v1", Side::Written),
        SchemaKind::RunResult => derived::<RunResult>("run-result/v1", Side::Written),
        SchemaKind::PlanCheck => derived::<PlanCheck>("plan-check/v1", Side::Written),
        SchemaKind::PlanDifference => derived::<PlanDifference>("plan-difference/v1", Side::Written),
        SchemaKind::Lease => derived::<Lease>("lease/v1", Side::Written),
        SchemaKind::Control => derived::<Control>("control/v1", Side::Read),
        SchemaKind::Error => derived::<ErrorDocument>("error/v1", Side::Written),
        SchemaKind::Doctor => derived::<Doctor>("doctor/v1", Side::Written),
        SchemaKind::Why => derived::<Why>("why/v1", Side::Written),
        SchemaKind::Alert => derived::<Alert>("alert/v1", Side::Written),
        SchemaKind::Cooldown => derived::<Cooldown>("cooldown/v1", Side::Written),
        SchemaKind::Spend => derived::<MonthLedger>("spend/v1", Side::Written),
        SchemaKind::PlanConversion => derived::<PlanConversion>("plan-conversion/v1", Side::Written),
        SchemaKind::PlanFormat => derived::<PlanFormat>("plan-format/v1", Side::Written),
    }
}

#[expect(clippy::disallowed_methods, reason = "a switch for developers, read by this test alone")]
fn update_asked() -> bool {
    std::env::var_os("ORCHESTRATE_UPDATE_SCHEMAS").is_some()
}

#[test]
fn committed_schemas_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    for kind in SchemaKind::ALL {
        let path = folder.join(format!("{}.schema.json", kind.name()));
        let wanted = from_types(kind);
        if update_asked() {
            fs::write(&path, &wanted).unwrap();
            continue;
        }
        let committed = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
        assert!(
            committed == wanted,
            "{} differs from its type: run the tests with ORCHESTRATE_UPDATE_SCHEMAS=1",
            path.display()
        );
    }
}

#[test]
fn names_lead_to_kinds() {
    for kind in SchemaKind::ALL {
        assert_eq!(SchemaKind::from_name(kind.name()), Some(kind));
        assert_eq!(SchemaKind::from_name(&format!("{kind}/v1")), Some(kind));
        assert_eq!(SchemaKind::from_name(&format!("schemas/{kind}.schema.json")), Some(kind));
        assert_eq!(document(kind.name()), Some(kind.text()));
        assert!(names().contains(&kind.name()));
    }
    assert_eq!(SchemaKind::from_name("nothing"), None);
}

#[test]
fn the_configuration_is_listed_once_it_is_registered() {
    register_config("{\"title\": \"config\"}");
    assert_eq!(document("config"), Some("{\"title\": \"config\"}"));
    assert!(names().contains(&"config"));
}

fn good() -> serde_json::Value {
    json!({
        "schema": "completion/v1",
        "run_id": "01J", "task_id": "T003", "attempt": 2,
        "status": "succeeded",
        "summary": "one to three sentences",
        "outputs": [{"path": "src/tokens.rs", "change": "created"}],
        "verification": [{"command": "cargo test tokens", "exit_code": 0}],
        "error": null,
        "next_steps": []
    })
}

fn read(value: &serde_json::Value) -> Result<Completion, Vec<String>> {
    let key = AttemptKey::new(TaskId::new("T003"), 2);
    completion(value.to_string().as_bytes(), &RunId("01J".to_owned()), &key)
}

fn with(change: impl FnOnce(&mut serde_json::Value)) -> Vec<String> {
    let mut value = good();
    change(&mut value);
    read(&value).unwrap_err()
}

#[test]
fn the_documented_completion_is_valid() {
    let completion = read(&good()).unwrap();
    assert_eq!(completion.status, CompletionStatus::Succeeded);
    assert_eq!(completion.outputs[0].path, "src/tokens.rs");
}

#[test]
fn a_byte_order_mark_is_no_fault_and_utf_16_is_named() {
    let key = AttemptKey::new(TaskId::new("T003"), 2);
    let run = RunId("01J".to_owned());
    let bytes = [b"\xef\xbb\xbf".as_slice(), good().to_string().as_bytes()].concat();
    completion(&bytes, &run, &key).unwrap();
    assert_eq!(completion(&[0xff, 0xfe, b'{', 0], &run, &key).unwrap_err(), ["is UTF-16; write it as UTF-8"]);
    assert_eq!(completion(b" \n", &run, &key).unwrap_err(), ["is empty"]);
    let half = completion(b"{\"schema\": ", &run, &key).unwrap_err();
    assert!(half[0].starts_with("is no JSON: EOF"), "{half:?}");
    let large = vec![b' '; MAX_COMPLETION_BYTES + 1];
    assert!(completion(&large, &run, &key).unwrap_err()[0].contains("at most 1048576"));
}

#[test]
fn unknown_fields_are_refused_with_place_and_suggestion() {
    let problems = with(|value| {
        value["sumary"] = json!("x");
        value["outputs"][0]["chnage"] = json!("created");
        value["confidence"] = json!(1);
    });
    assert_eq!(
        problems,
        [
            "`/confidence`: unknown field `confidence`",
            "`/outputs/0/chnage`: unknown field `chnage`: did you mean `change`?",
            "`/sumary`: unknown field `sumary`: did you mean `summary`?",
        ]
    );
}

#[test]
fn every_violation_is_told_with_its_place() {
    let problems = with(|value| {
        value["status"] = json!("done");
        value["attempt"] = json!("2");
        value["outputs"][0]["change"] = json!("create");
        value["error"] = json!({"kind": 1, "message": "m"});
        value.as_object_mut().unwrap().remove("summary");
    });
    assert_eq!(
        problems,
        [
            "`summary` is missing",
            "`/attempt`: is a string, not an integer",
            "`/error/kind`: is a number, not a string",
            "`/outputs/0/change`: `create` is none of `created`, `modified`, `deleted`, `unchanged`: did you mean `created`?",
            "`/status`: `done` is none of `succeeded`, `failed`, `blocked`",
        ]
    );
    assert_eq!(
        with(|value| value["schema"] = json!("completion/v2")),
        ["`/schema`: `completion/v2` has to be `completion/v1`"]
    );
    assert_eq!(with(|value| value["attempt"] = json!(0)), ["`/attempt`: `0` is less than 1"]);
}

#[test]
fn another_runs_completion_is_refused() {
    let problems = with(|value| {
        value["run_id"] = json!("02K");
        value["task_id"] = json!("T9");
        value["attempt"] = json!(1);
        value["status"] = json!("blocked");
    });
    assert_eq!(
        problems,
        [
            "`/run_id`: `02K` is another run; this one is `01J`",
            "`/task_id`: `T9` is another task; this one is `T003`",
            "`/attempt`: 1 is another attempt; this one is 2",
            "`/error`: is required unless `status` is `succeeded`",
        ]
    );
}

#[test]
fn paths_stay_inside_the_workspace() {
    for (path, normal) in [
        ("a.rs", "a.rs"),
        ("./src//a.rs", "src/a.rs"),
        ("src\\win\\a.rs", "src/win/a.rs"),
        ("a..b/…", "a..b/…"),
        ("docs/", "docs"),
        (".github/x.yml", ".github/x.yml"),
    ] {
        assert_eq!(workspace_path(path).as_deref(), Ok(normal), "{path}");
    }
    for path in [
        "",
        "  ",
        ".",
        "./",
        "..",
        "../a",
        "a/../../b",
        "a/..",
        "/etc/passwd",
        "C:\\x",
        "c:/x",
        "C:x",
        "/c/x",
        "\\\\server\\share",
        "~/x",
        "~",
        "a\nb",
        "a\0b",
    ] {
        assert!(workspace_path(path).is_err(), "{path:?}");
        let problems = with(|value| value["outputs"][0]["path"] = json!(path));
        assert!(problems[0].starts_with("`/outputs/0/path`: "), "{problems:?}");
    }
}

#[test]
fn the_form_that_was_meant_is_the_one_that_is_explained() {
    let report = json!({"schema": "task-report/v1", "run_id": "01J", "task_id": "T1", "attempt": 1, "report": "progress"});
    let violations = validate_value(SchemaKind::TaskReport, &report).unwrap_err();
    assert_eq!(violations.iter().map(ToString::to_string).collect::<Vec<_>>(), ["`message` is missing"]);
    let report = json!({"schema": "task-report/v1", "run_id": "01J", "task_id": "T1", "attempt": 1, "report": "progres", "message": "m"});
    let violations = validate_value(SchemaKind::TaskReport, &report).unwrap_err();
    assert_eq!(
        violations.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["`/report`: `progres` is none of `progress`, `completion`: did you mean `progress`?"]
    );
}

#[test]
fn formats_are_looked_at() {
    let control =
        json!({"schema": "control/v1", "at": "yesterday", "by": "me@here", "action": "stop", "tasks": []});
    let violations = validate_value(SchemaKind::Control, &control).unwrap_err();
    assert_eq!(violations[0].to_string(), "`/at`: `yesterday` is no date-time");
}

#[test]
fn no_kind_has_a_field_that_every_document_of_its_form_has() {
    for kind in [SchemaKind::Event, SchemaKind::TaskReport, SchemaKind::Control] {
        let schema: serde_json::Value = serde_json::from_str(kind.text()).unwrap();
        let common = schema["properties"].as_object().unwrap();
        let forms = schema["oneOf"].as_array().unwrap();
        assert!(forms.len() > 1, "{kind}");
        for form in forms {
            for name in form["properties"].as_object().unwrap().keys() {
                assert!(!common.contains_key(name), "{kind}: `{name}` stands there twice");
            }
        }
    }
}

/// A report of attempt 2 of task T1 with these fields in place of its own.
fn report_with(fields: &serde_json::Value) -> Vec<u8> {
    let mut value = json!({
        "schema": "task-report/v1", "run_id": "01J", "task_id": "T1", "attempt": 2,
        "report": "progress", "message": "half"
    });
    value.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    value.to_string().into_bytes()
}

#[test]
fn whatever_is_under_a_report_key_means_something() {
    let key = AttemptKey::new(TaskId::new("T1"), 2);
    let read = |bytes: &[u8]| report(bytes, &RunId("01J".to_owned()), &key);
    let half = |percent| Reported::Progress { message: "half".to_owned(), percent };
    assert_eq!(read(&report_with(&json!({}))), half(None));
    assert_eq!(
        read(&report_with(&json!({ "percent": 50, "at": "2026-11-24T12:00:00.000Z" }))),
        half(Some(50))
    );
    // What an earlier attempt writes late is of no account, be it valid or not.
    assert_eq!(read(&report_with(&json!({ "attempt": 1 }))), Reported::Stale);
    assert_eq!(read(&report_with(&json!({ "attempt": 1, "report": "what" }))), Reported::Stale);

    let completion = |fields: serde_json::Value| {
        let mut value = json!({
            "schema": "completion/v1", "run_id": "01J", "task_id": "T1", "attempt": 2,
            "status": "succeeded", "summary": "done", "outputs": [{ "path": "./a//b.rs", "change": "created" }]
        });
        value.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        value
    };
    let reported =
        |inner: serde_json::Value| report_with(&json!({ "report": "completion", "completion": inner }));
    let Reported::Completion(found) = read(&reported(completion(json!({})))) else { panic!("no completion") };
    assert_eq!((found.status, found.outputs[0].path.as_str()), (CompletionStatus::Succeeded, "a/b.rs"));

    let refused: Vec<(Vec<u8>, &str, bool)> = vec![
        (b"".to_vec(), "is empty", false),
        (b"working on it".to_vec(), "is no JSON", false),
        (b"\xff\xfe\x00".to_vec(), "UTF-16", false),
        (b"\"\x1b[2J\xf0\x28\"".to_vec(), "is no JSON", false),
        (b"[1, 2]".to_vec(), "", false),
        ("[".repeat(100_000).into_bytes(), "is no JSON", false),
        (vec![b'x'; MAX_REPORT_BYTES + 1], "has more than", false),
        (report_with(&json!({ "report": "progres" })), "did you mean `progress`?", false),
        (report_with(&json!({ "percent": 101 })), "`/percent`", false),
        (report_with(&json!({ "run_id": "01K" })), "`/run_id`: `01K` is another run", false),
        (report_with(&json!({ "task_id": "T2" })), "`/task_id`: `T2` is another task", false),
        (report_with(&json!({ "attempt": 3 })), "`/attempt`: 3 is another attempt", false),
        (report_with(&json!({ "report": "completion" })), "`completion` is missing", true),
        (reported(completion(json!({ "attempt": 1 }))), "`/completion/attempt`: 1 is another attempt", true),
        (reported(completion(json!({ "status": "failed" }))), "`/completion/error`: is required", true),
        (
            reported(completion(json!({ "outputs": [{ "path": "../x", "change": "created" }] }))),
            "`/completion/outputs/0/path`: ",
            true,
        ),
        (completion(json!({})).to_string().into_bytes(), "\"report\": \"completion\"", true),
    ];
    for (bytes, words, of_completion) in refused {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        let Reported::Refused(refusal) = read(&bytes) else { panic!("taken: {shown}") };
        assert!(refusal.problems.join("; ").contains(words), "{shown}: {:?}", refusal.problems);
        assert_eq!(refusal.of_completion, of_completion, "{shown}");
    }
}

#[test]
fn the_examples_that_agents_are_given_follow_their_schemas() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".kilocode/rules/memory-bank/agents-state.md");
    let document = fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    let mut shown = std::collections::BTreeSet::new();
    for block in document.split("\n```json ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let text = rest.split("\n```").next().unwrap();
        shown.insert(name);
        let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        match name {
            "text" => assert!(value.is_string(), "{text}"),
            "number" => assert!(value.is_u64(), "{text}"),
            name => {
                let kind = SchemaKind::from_name(name).unwrap_or_else(|| panic!("no schema `{name}`"));
                assert_eq!(validate(kind, text.as_bytes()).map(drop), Ok(()), "{text}");
            }
        }
        if name == "task-report" {
            let of = |field: &str| value[field].as_str().unwrap().to_owned();
            let key = AttemptKey::new(TaskId::new(of("task_id")), 2);
            let read = report(text.as_bytes(), &RunId(of("run_id")), &key);
            assert!(matches!(read, Reported::Progress { .. } | Reported::Completion(_)), "{read:?}");
        }
    }
    // Every schema that a key of the table has, is shown.
    let rows = document.lines().filter(|line| line.starts_with("| `PREFIX`"));
    let schemas: Vec<&str> =
        rows.filter_map(|row| row.split('|').nth(2)?.trim().strip_prefix('`')?.split('`').next()).collect();
    assert_eq!(schemas.len(), 6, "{schemas:?}");
    assert!(schemas.iter().all(|schema| shown.contains(schema)), "{schemas:?} and {shown:?}");
    assert!(!document.contains("```json\n"), "an example without the name of its schema");
}
