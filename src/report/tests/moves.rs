//! The moves of a task between layers as a story: on a screen, in the report, as data.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::model::event::{EventBody, PaymentDecision, SpendBasis};
use crate::model::failure::{Failure, FailureKind};
use crate::model::hierarchy::PaymentPolicy;
use crate::model::layer::Rung;
use crate::model::money::Money;
use crate::model::status::RunStatus;
use crate::model::time::Timestamp;
use crate::report::printed::Printed;
use crate::report::sample::{SCREEN, Sample, at, id, no_audit, picture_ended, rung, seven};
use crate::report::tests::{framed, paths, result};
use crate::report::{Liveness, Style, line_json, markdown, result_json, summary, why, why_document};

fn reserved(run: &mut Sample, attempt: u32, rung: &Rung, amount: Money) {
    run.push(EventBody::SpendReserved {
        task_id: id("T004"),
        attempt,
        provider: rung.provider.clone(),
        model: rung.model.clone(),
        month: "2026-11".to_owned(),
        amount_usd: amount,
    });
}

fn settled(run: &mut Sample, attempt: u32, rung: &Rung, amount: Money, basis: SpendBasis) {
    run.push(EventBody::SpendSettled {
        task_id: id("T004"),
        attempt,
        provider: rung.provider.clone(),
        model: rung.model.clone(),
        layer: rung.layer,
        day: "2026-11-24".to_owned(),
        amount_usd: amount,
        basis,
        tokens: None,
    });
}

fn decided(run: &mut Sample, decision: PaymentDecision, why: &str) {
    run.push(EventBody::PaymentDecided {
        task_id: id("T004"),
        decision,
        policy: PaymentPolicy::Pay,
        paid: rung(6),
        expected_usd: Money(400_000),
        left_usd: Some(Money(2_000_000)),
        free_at: Some(Timestamp(run.now.0 + 3_600_000)),
        deadline_at: Some(Timestamp(run.now.0 + 1_800_000)),
        waiting: 2,
        why: why.to_owned(),
    });
}

/// The failure of attempt `number`, and the move that follows from it.
fn moved(run: &mut Sample, attempt: u32, from: u8, to: u8, trigger: FailureKind, evidence: &str) {
    run.push(EventBody::LayerMoved {
        task_id: id("T004"),
        attempt,
        from: rung(from),
        to: rung(to),
        trigger,
        evidence: evidence.to_owned(),
    });
    run.push(EventBody::TaskRetrying {
        task_id: id("T004"),
        attempt: attempt + 1,
        at: run.now,
        why: Failure::new(trigger, evidence),
        next: rung(to),
    });
}

/// A free layer that rests, one that is off, a decision to wait and one to pay, and an attempt that is
/// paid for.
fn over_to_a_paid_layer(basis: SpendBasis) -> Sample {
    let mut run = Sample::new(seven());
    run.start().begin("T004", rung(2)).at(8).limited("T004", 2, 3);
    run.begin("T004", rung(3)).at(20).fail_attempt("T004", no_audit());
    settled(&mut run, 2, &rung(3), Money::ZERO, SpendBasis::Free);
    let unknown = "model not found: glm-4.7";
    run.push(EventBody::LayerTurnedOff {
        layer: 3,
        trigger: FailureKind::ModelUnknown,
        evidence: unknown.to_owned(),
    });
    decided(&mut run, PaymentDecision::Wait, "the free layer is back before the deadline");
    run.at(80);
    decided(&mut run, PaymentDecision::Pay, "no free layer is back before the deadline");
    moved(&mut run, 2, 3, 6, FailureKind::ModelUnknown, unknown);
    reserved(&mut run, 3, &rung(6), Money(1_000_000));
    run.begin("T004", rung(6)).at(140).succeed("T004");
    settled(&mut run, 3, &Rung { provider: Some("azure".to_owned()), ..rung(6) }, Money(420_000), basis);
    run.at(150).finish(RunStatus::Succeeded, 0);
    run
}

#[test]
fn a_task_that_moved_is_told_on_one_screen() {
    let run = over_to_a_paid_layer(SpendBasis::Reported);
    let told = |style: &Style| why(&run.spec, &run.view, &id("T004"), Liveness::Ended, style);
    let small = told(&SCREEN);
    assert!(small.lines().count() < SCREEN.height, "{small}");
    assert_snapshot!(framed(&small), @r#"
    |T004  Write the guide   succeeded   3 attempts, 2m 20s, $0.42
    |
    |attempt 3   opencode · openai/o3 (layer 6)   1m 00s
    |  money        reserved 1.00 USD at openai, 0.42 USD booked at azure: its agent
    |               says so
    |  last words   I have completed the audit
    |               and saved the report.
    |attempt 2   kilo · glm-4.7   12s   output_missing: the agent said…  -> layer 6
    |attempt 1   opencode · big-pickle   8s   rate_limited: 429 "Rate l…  -> layer 3
    |
    |how it moved
    |  layer 2 -> 3 rate_limited, opencode rests 60s, until 12:01:08 UTC: 429 "Rate
    |               limit exceeded", retry after 60s; from opencode · big-pickle to…
    |  waits        the free layer is back before the deadline; about 0.40 USD of
    |               2.00 USD left at layer 6; free again in 1h 00m; 30m 00s to the…
    |  layer 3 -> 6 model_unknown, layer 3 is off for this run: model not found:
    |               glm-4.7; tried before: layer 2 (rate_limited); from kilo · glm-…
    |  pays         no free layer is back before the deadline; about 0.40 USD of
    |               2.00 USD left at layer 6; free again in 1h 00m; 30m 00s to the…
    |
    |what to do
    |  orchestrate logs T004                what it printed
    "#);
    let large = told(&Style { width: 150, height: 60, ..SCREEN });
    assert!(large.lines().count() < 40, "{large}");
    assert_snapshot!(framed(&large), @r#"
    |T004  Write the guide   succeeded   3 attempts, 2m 20s, $0.42
    |
    |attempt 3   opencode · openai/o3 (layer 6)   1m 00s
    |  money        reserved 1.00 USD at openai, 0.42 USD booked at azure: its agent says so
    |  last words   I have completed the audit
    |               and saved the report.
    |attempt 2   kilo · kilo/z-ai/glm-4.7 (layer 3)   12s
    |  outputs      disagrees   plans/audit/a11y.md does not exist            -> layer 6
    |attempt 1   opencode · opencode/big-pickle (layer 2)   8s
    |  events       disagrees   429 "Rate limit exceeded", retry after 60s    -> layer 3
    |
    |how it moved
    |  layer 2 -> 3 rate_limited, opencode rests 60s, until 12:01:08 UTC: 429 "Rate limit exceeded", retry after 60s; from opencode · big-pickle to kilo ·
    |               glm-4.7 after attempt 1
    |  waits        the free layer is back before the deadline; about 0.40 USD of 2.00 USD left at layer 6; free again in 1h 00m; 30m 00s to the deadline;
    |               2 tasks in line; policy pay
    |  layer 3 -> 6 model_unknown, layer 3 is off for this run: model not found: glm-4.7; tried before: layer 2 (rate_limited); from kilo · glm-4.7 to
    |               opencode · o3 after attempt 2
    |  pays         no free layer is back before the deadline; about 0.40 USD of 2.00 USD left at layer 6; free again in 1h 00m; 30m 00s to the deadline;
    |               2 tasks in line; policy pay
    |
    |what to do
    |  orchestrate logs T004                what it printed
    "#);
}

#[test]
fn the_report_tells_each_move_and_what_was_booked() {
    let run = over_to_a_paid_layer(SpendBasis::Reported);
    let text = markdown(&run.spec, &run.view, &result(&run));
    let head: Vec<&str> = text
        .lines()
        .filter(|line| ["- layers", "- cost", "- booked"].iter().any(|key| line.starts_with(key)))
        .collect();
    let story = text.split("## Moves and money").nth(1).unwrap().split("## Tasks").next().unwrap();
    assert_snapshot!(framed(&format!("{}\n{}", head.join("\n"), story.trim())), @r#"
    |- layers: 1 at layer 6
    |- cost: 0.42 USD, 321k tokens
    |- booked: 0.42 USD at azure
    |### T004: Write the guide
    |
    |- attempt 1: opencode · opencode/big-pickle (layer 2): failed, rate\_limited
    |- layer 2 -\> 3: rate\_limited, opencode rests 60s, until 12:01:08 UTC: 429 "Rate limit exceeded", retry after 60s; from opencode · big-pickle to kilo · glm-4.7 after attempt 1
    |- attempt 2: kilo · kilo/z-ai/glm-4.7 (layer 3): failed, output\_missing; who answered cannot be seen
    |- waits: the free layer is back before the deadline; about 0.40 USD of 2.00 USD left at layer 6; free again in 1h 00m; 30m 00s to the deadline; 2 tasks in line; policy pay
    |- layer 3 -\> 6: model\_unknown, layer 3 is off for this run: model not found: glm-4.7; tried before: layer 2 (rate\_limited); from kilo · glm-4.7 to opencode · o3 after attempt 2
    |- pays: no free layer is back before the deadline; about 0.40 USD of 2.00 USD left at layer 6; free again in 1h 00m; 30m 00s to the deadline; 2 tasks in line; policy pay
    |- attempt 3: opencode · openai/o3 (layer 6): succeeded; who answered cannot be seen; reserved 1.00 USD at openai, 0.42 USD booked at azure: its agent says so
    "#);
    let still = {
        let mut run = Sample::new(seven());
        run.start().begin("T001", rung(3)).at(9).succeed("T001");
        run
    };
    assert!(!markdown(&still.spec, &still.view, &result(&still)).contains("## Moves"));
}

#[test]
fn the_documents_hold_the_moves_with_their_numbers() {
    let run = over_to_a_paid_layer(SpendBasis::Priced);
    let result = result(&run);
    let whole: Value = serde_json::from_str(&result_json(&result)).unwrap();
    assert_eq!(whole["spent_usd"], json!({ "azure": 0.42, "kilo": 0.0 }));
    assert_eq!(whole["layers"], json!({ "6": 1 }));
    let why = why_document(&run.spec, &run.view, &id("T004"), Liveness::Ended, &Printed::default(), &result)
        .unwrap();
    let why: Value = serde_json::from_str(&line_json(&why)).unwrap();
    assert_eq!(why["moves"], whole["tasks"][4]["moves"]);
    let moves = why["moves"].as_array().unwrap();
    assert_eq!(moves.len(), 2);
    assert_eq!((&moves[0]["from"]["layer"], &moves[0]["to"]["layer"]), (&json!(2), &json!(3)));
    assert_eq!(moves[0]["rests"], json!({ "provider": "opencode", "until": at(68).to_string() }));
    assert_eq!(moves[0].get("tried"), None, "nothing was tried before");
    assert_eq!(moves[1]["trigger"], "model_unknown");
    assert_eq!(moves[1]["evidence"], "model not found: glm-4.7");
    assert_eq!(moves[1]["rests"], json!({ "provider": null, "layer": 3, "until": null }));
    assert_eq!(moves[1]["tried"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&moves[1]["tried"][0]["layer"], &moves[1]["tried"][0]["failure"]),
        (&json!(2), &json!("rate_limited"))
    );
    let decisions = why["decisions"].as_array().unwrap();
    assert_eq!((&decisions[0]["decision"], &decisions[1]["decision"]), (&json!("wait"), &json!("pay")));
    assert_eq!((&decisions[1]["expected_usd"], &decisions[1]["left_usd"]), (&json!(0.4), &json!(2.0)));
    assert_eq!((&decisions[1]["waiting"], &decisions[1]["policy"]), (&json!(2), &json!("pay")));
    assert_eq!(
        why["attempts"][2]["money"],
        json!({
            "reserved_usd": 1.0,
            "asked_provider": rung(6).provider,
            "spent_usd": 0.42,
            "basis": "priced",
            "charged_provider": "azure",
            "charged_model": rung(6).model,
        })
    );
    assert_eq!(why["attempts"][0].get("money"), None);
}

#[test]
fn a_task_that_is_sent_elsewhere_before_its_first_attempt_is_told_so() {
    let mut run = Sample::new(seven());
    run.start();
    moved_before_it_began(&mut run);
    let task = run.view.task(&id("T004")).unwrap();
    assert!(task.story.moves[0].rests.is_none() && task.story.moves[0].tried.is_empty());
    let told = why(&run.spec, &run.view, &id("T004"), Liveness::Alive, &SCREEN);
    assert!(told.contains("layer 2 -> 4") && told.contains("before its first"), "{told}");
}

/// Its provider rested, and does not any more.
fn moved_before_it_began(run: &mut Sample) {
    let trigger = FailureKind::RateLimited;
    run.push(EventBody::ProviderRested {
        provider: rung(2).provider.unwrap(),
        until: Some(at(5)),
        trigger,
        evidence: "429".to_owned(),
    });
    run.at(5).push(EventBody::LayerMoved {
        task_id: id("T004"),
        attempt: 0,
        from: rung(2),
        to: rung(4),
        trigger,
        evidence: "429".to_owned(),
    });
}

#[test]
fn the_end_says_layers_and_money_and_how_well_it_is_known() {
    let end = |run: &Sample| {
        let told = summary(&run.spec, &run.view, &paths(), &SCREEN);
        told.lines().filter(|line| line.contains("USD")).collect::<Vec<_>>().join("\n").trim().to_owned()
    };
    assert_snapshot!(end(&over_to_a_paid_layer(SpendBasis::Reported)), @r"
      1 succeeded, 5 not run in 2m 30s · 1 at layer 6 · 0.42 USD · 321k tokens
    ");
    let mut bound = over_to_a_paid_layer(SpendBasis::Bound);
    assert_snapshot!(end(&bound), @r"used     1 at layer 6 · at most 0.42 USD · 321k tokens");
    // Told of more than was reserved, and not of all.
    settled(&mut bound, 3, &rung(6), Money(1_500_000), SpendBasis::Bound);
    assert_snapshot!(end(&bound), @r"
      1 succeeded, 5 not run in 2m 30s · 1 at layer 6 · 1.50 USD + ? · 321k tokens
    ");
    assert_snapshot!(end(&picture_ended()), @r"
      used     1 at layer 2, 2 at layer 3, 2 at layer 4 · 0.00 USD · 749k tokens
    ");
}
