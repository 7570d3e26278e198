//! The report for people and the result for programs.

use insta::assert_snapshot;
use serde_json::Value;

use crate::model::result::RunResult;
use crate::report::sample::picture_ended;
use crate::report::tests::{framed, result};
use crate::report::{markdown, result_json};

/// The report up to its stories of moves, and from there on.
fn report() -> (String, String) {
    let mut run = picture_ended();
    run.spec.tasks[6].title = "Sum | *up* <b>[all](x)</b>\u{1b}[31m".to_owned();
    run.view.tasks[6].title = run.spec.tasks[6].title.clone();
    run.view.approved.insert("approval".to_owned());
    run.view.gates_reached.insert("release".to_owned());
    let whole = framed(&markdown(&run.spec, &run.view, &result(&run)));
    let (first, second) = whole.split_once("|## Moves and money").unwrap();
    (first.to_owned(), format!("|## Moves and money{second}"))
}

#[test]
fn the_report_for_people() {
    assert_snapshot!(report().0, @r#"
    |# Phase 3
    |
    |**failed**: 4 succeeded, 1 failed, 1 blocked.
    |
    |- run: `01JD8Q3ZK7V0N4M2E6T9QW5XRB`
    |- plan: `plans/phase3.md`
    |- time: 2026-11-24T12:00:00.000Z to 2026-11-24T12:12:04.000Z (12m 04s)
    |- layers: 1 at layer 2, 2 at layer 3, 2 at layer 4
    |- cost: 0.00 USD, 749k tokens
    |- exit code: 1 (the run ended and at least one task did not succeed)
    |- supervised by: `anvil:4711`
    |
    |## Not done
    |
    |### T006: Accessibility audit
    |
    |**failed**: output\_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    |
    |Attempt 1, opencode · opencode/big-pickle, layer 2, 8s: failed, `rate_limited` (429 "Rate limit exceeded", retry after 60s)
    |
    || witness | says | saw |
    || --- | --- | --- |
    || process | agrees | exit 0 |
    || events | disagrees | 429 "Rate limit exceeded", retry after 60s |
    |
    |Last words:
    |
    |```text
    |I have completed the audit
    |and saved the report.
    |```
    |
    |Attempt 2, cline · minimax/minimax-m2.1, layer 4, 2m 02s: failed, `output_missing` (the agent said "succeeded", but plans/audit/a11y.md was not written)
    |
    || witness | says | saw |
    || --- | --- | --- |
    || process | agrees | ended by itself, exit 0 |
    || events | agrees | 14 turns, no error |
    || completion | agrees | succeeded: "Audit written to plans/audit/a11y.md" |
    || outputs | disagrees | plans/audit/a11y.md does not exist |
    || verify | not asked |  |
    |
    |Last words:
    |
    |```text
    |I have completed the audit
    |and saved the report.
    |```
    |
    |What to do:
    |
    |- `orchestrate logs T006`: what it printed
    |- `orchestrate retry T006 --layer 5`: again, by another model
    |- `orchestrate retry T006 --say TEXT`: again, with a word to the agent
    |
    |### T007: Sum \| \*up\* \<b\>\[all\](x)\</b\>
    |
    |**blocked**: blocked by T006
    |
    |What to do:
    |
    |- `orchestrate why T006`: what blocks it
    |- `orchestrate retry T006`: again, and this one after it
    |
    "#);
}

#[test]
fn the_report_for_people_ends_with_moves_tasks_and_what_to_know() {
    assert_snapshot!(report().1, @r#"
    |## Moves and money
    |
    |### T004: Write the guide
    |
    |- attempt 1: opencode · opencode/big-pickle (layer 2): failed, rate\_limited
    |- layer 2 -\> 4: rate\_limited, opencode rests 60s, until 12:01:08 UTC: 429 "Rate limit exceeded", retry after 60s; from opencode · big-pickle to cline · minimax-m2.1 after attempt 1
    |- attempt 2: cline · minimax/minimax-m2.1 (layer 4): succeeded
    |
    |### T006: Accessibility audit
    |
    |- attempt 1: opencode · opencode/big-pickle (layer 2): failed, rate\_limited
    |- layer 2 -\> 4: rate\_limited, opencode rests 60s, until 12:01:16 UTC: 429 "Rate limit exceeded", retry after 60s; from opencode · big-pickle to cline · minimax-m2.1 after attempt 1
    |- attempt 2: cline · minimax/minimax-m2.1 (layer 4): failed, output\_missing
    |
    |## Tasks
    |
    || task | title | status | attempts | by | time | cost |
    || --- | --- | --- | --- | --- | --- | --- |
    || T000 | Read the notes | skipped: done | 0 |  |  |  |
    || T001 | Create the users table | succeeded | 1 | kilo · kilo/z-ai/glm-4.7 | 1m 12s | 0.00 USD |
    || T002 | Hash passwords | succeeded | 1 | opencode · opencode/big-pickle | 3m 08s | 0.00 USD |
    || T003 | Issue tokens | succeeded | 1 | kilo · kilo/z-ai/glm-4.7 | 6m 40s | 0.00 USD |
    || T004 | Write the guide | succeeded | 2 | cline · minimax/minimax-m2.1 | 9m 55s | 0.00 USD |
    || T006 | Accessibility audit | failed: output\_missing | 2 | cline · minimax/minimax-m2.1 | 2m 02s | 0.00 USD |
    || T007 | Sum \| \*up\* \<b\>\[all\](x)\</b\> | blocked by T006 | 0 |  |  |  |
    |
    |## Gates
    |
    |- approval: approved
    |- release: waits for a person, `orchestrate approve release --resume`
    |
    |## Warnings
    |
    |- agent-missing: gemini is not installed: layer 1 is left out (orchestrate doctor)
    |
    |## Commands
    |
    || task | as | command |
    || --- | --- | --- |
    || T001 | verify | `cargo test -p db` |
    || T001 | verify | `cargo test \| tee log` |
    "#);
}

#[test]
fn the_result_is_one_document_with_the_promised_fields() {
    let run = picture_ended();
    let result = result(&run);
    let text = result_json(&result);
    assert!(text.ends_with("}\n"));
    assert_eq!(serde_json::from_str::<RunResult>(&text).unwrap(), result);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["schema"], "run-result/v1");
    let attempt = &value["tasks"][5]["attempts"][1];
    for field in [
        "attempt",
        "agent",
        "model",
        "layer",
        "status",
        "failure",
        "started_at",
        "ended_at",
        "cost_usd",
        "tokens",
        "completion",
        "witnesses",
    ] {
        assert!(attempt.get(field).is_some(), "{field}");
    }
    let head: Vec<&str> = text.lines().take(12).collect();
    assert_snapshot!(framed(&head.join("\n")), @r#"
    |{
    |  "schema": "run-result/v1",
    |  "run_id": "01JD8Q3ZK7V0N4M2E6T9QW5XRB",
    |  "plan": "plans/phase3.md",
    |  "status": "failed",
    |  "exit_code": 1,
    |  "counts": {
    |    "blocked": 1,
    |    "failed": 1,
    |    "skipped": 1,
    |    "succeeded": 4
    |  },
    "#);
}
