//! Delivery against servers that fail, hang, drip, redirect, lie and recover.

use super::webhook_server::{Answer, WebhookServer};
use super::*;
use crate::alert::{Delivery, Desk, DeskParts, Failing, News, Office, Pace, Told, send, test_alert};
use crate::masking::Masker;
use crate::model::view::RunView;

/// Waits that a test can afford.
fn quick() -> Pace {
    let short = Duration::from_millis(5);
    Pace {
        gather: short,
        between: short,
        first: short,
        longest: Duration::from_secs(5),
        rest: Duration::from_millis(50),
    }
}

fn office(spec: AlertSpec, pace: Pace) -> Office {
    let secrets = if let Target::Webhook(webhook) = &spec.target { webhook.secrets() } else { Vec::new() };
    Office::open(vec![spec], &Masker::new(secrets), pace, 1).unwrap()
}

fn tell(office: &Office, seq: u64) {
    let what = happening(AlertKind::TaskFailed, seq, &format!("T{seq} failed"), "code 1");
    office.tell(0, &run(), &what, &counts());
}

fn once(url: &str, timeout: Duration) -> Delivery {
    let spec = AlertSpec { timeout, ..webhook(url, AlertForm::Json) };
    let Target::Webhook(target) = &spec.target else { unreachable!() };
    send(&spec, &test_alert("shop", "host", "ops", Timestamp(0)), &Masker::new(target.secrets()))
}

fn why(delivery: Delivery) -> Failing {
    match delivery {
        Delivery::Failed(failing) => failing,
        Delivery::Delivered { .. } => panic!("it was delivered"),
    }
}

#[test]
fn one_call_is_told_as_what_it_came_to() {
    let secret = "/services/T00000000/XXXXXXXXXXXXXXXXXXXX";
    let call = |answer: Answer, timeout: u64| {
        let server = WebhookServer::start([answer]);
        once(&server.url(secret), Duration::from_millis(timeout))
    };
    assert_eq!(call(Answer::status(204), 20_000), Delivery::Delivered { status: Some(204) });
    for (answer, timeout, again, words) in [
        (
            Answer::Status(500, String::new(), "oh \u{1b}[1mno".to_owned()),
            20_000,
            true,
            "it answered 500: oh no",
        ),
        (Answer::Status(404, String::new(), format!("no {secret}")), 20_000, false, "it answered 404: no"),
        (Answer::status(408), 20_000, true, "it answered 408"),
        (Answer::Hang, 200, true, "it did not answer in time"),
        (Answer::Drip, 200, true, "it did not answer in time"),
        (Answer::Garbage, 20_000, true, "it did not answer as a web server does"),
        (Answer::Close, 20_000, true, "it "),
    ] {
        let shown = format!("{answer:?}");
        let failing = why(call(answer, timeout));
        assert_eq!(failing.again, again, "{shown}: {failing:?}");
        assert!(failing.why.starts_with(words), "{shown}: {failing:?}");
        assert!(!failing.why.contains("XXXXXXXX") && !failing.why.contains('\u{1b}'), "{shown}: {failing:?}");
    }
    // A port that was free a moment ago.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(why(once(&format!("http://{gone}/x"), Duration::from_secs(20))).again);
}

#[test]
fn a_redirect_is_not_followed() {
    let other = WebhookServer::start([Answer::status(200)]);
    for status in [301, 302, 303, 307, 308] {
        let to = format!("location: {}\r\n", other.url("/stolen"));
        let server = WebhookServer::start([Answer::Status(status, to, String::new())]);
        let failing = why(once(&server.url("/x"), Duration::from_secs(20)));
        assert_eq!((failing.status, failing.again), (Some(status), false));
        assert!(failing.why.contains("a redirect to another address, which is not followed"), "{failing:?}");
        server.next();
    }
    assert!(other.so_far().is_empty(), "nothing of it left for another host");
}

#[test]
fn the_wait_that_a_service_asks_for_is_read_in_each_of_its_forms() {
    let header = |value: &str| Answer::Status(429, value.to_owned(), String::new());
    let body = |body: &str| Answer::Status(429, String::new(), body.to_owned());
    let dates = "date: Wed, 25 Nov 2026 02:00:00 GMT\r\nretry-after: Wed, 25 Nov 2026 02:00:30 GMT\r\n";
    for (answer, seconds) in [
        (header("retry-after: 7\r\n"), Some(7.0)),
        (header(dates), Some(30.0)),
        (body("{\"message\": \"slow down\", \"retry_after\": 0.65}"), Some(0.65)),
        (body("{\"ok\": false, \"parameters\": {\"retry_after\": 3}}"), Some(3.0)),
        (body("slow down"), None),
    ] {
        let server = WebhookServer::start([answer]);
        let failing = why(once(&server.url("/x"), Duration::from_secs(20)));
        assert!(failing.again);
        assert_eq!(failing.after.map(|after| after.as_secs_f64()), seconds);
    }
}

#[test]
fn a_token_is_sent_and_never_shown() {
    let server =
        WebhookServer::start([Answer::Status(401, String::new(), "bad tk_0123456789abcdef".to_owned())]);
    let target = Webhook::new(
        server.url("/topic"),
        Some(AlertForm::Ntfy),
        None,
        Some("tk_0123456789abcdef".to_owned()),
        false,
    );
    let spec = AlertSpec {
        target: Target::Webhook(target.unwrap()),
        ..webhook("http://localhost/", AlertForm::Json)
    };
    let Target::Webhook(target) = &spec.target else { unreachable!() };
    let masker = Masker::new(target.secrets());
    let failing = why(send(&spec, &test_alert("shop", "host", "ops", Timestamp(0)), &masker));
    let request = server.next();
    assert_eq!(request.path, "/topic");
    assert_eq!(request.header("authorization"), Some("Bearer tk_0123456789abcdef"));
    assert!(failing.why.contains("it answered 401: bad ***"), "{failing:?}");
    assert!(!format!("{spec:?}").contains("tk_0123456789abcdef"));
}

#[test]
fn what_fails_for_a_while_is_delivered_in_the_end() {
    let slow_down = Answer::Status(429, "retry-after: 1\r\n".to_owned(), String::new());
    let server = WebhookServer::start([Answer::status(500), Answer::Close, slow_down, Answer::status(200)]);
    let office = office(webhook(&server.url("/x"), AlertForm::Json), quick());
    tell(&office, 3);
    let keys: Vec<String> =
        (0..4).map(|_| server.next().json()["dedupe_key"].as_str().unwrap().to_owned()).collect();
    assert!(keys.iter().all(|key| key == "01R:task_failed:3"), "{keys:?}");
    office.finish(Duration::from_secs(30));
    let told = Told { alert: "name:ops".to_owned(), run: RunId("01R".to_owned()), through: 3 };
    assert_eq!(office.told(), [told]);
    assert_eq!((office.news(), office.left()), (Vec::new(), Vec::new()));
    assert!(server.so_far().is_empty());
}

#[test]
fn what_cannot_be_delivered_is_said_once_and_kept() {
    let server = WebhookServer::start([Answer::status(503)]);
    let spec = AlertSpec { retries: 1, ..webhook(&server.url("/x"), AlertForm::Json) };
    let office = office(spec, quick());
    tell(&office, 3);
    // Two tries, a rest, and two more: it is tried again as long as the run goes on.
    for _ in 0..4 {
        server.next();
    }
    tell(&office, 4);
    office.finish(Duration::from_secs(30));
    let news = office.news();
    let [News::Failing { alert, target, why }] = news.as_slice() else { panic!("{news:?}") };
    assert_eq!((alert.as_str(), why.as_str()), ("ops", "it answered 503"));
    assert!(target.starts_with("http://127.0.0.1:") && target.ends_with("/…"), "{target}");
    assert_eq!(office.told(), []);
    assert_eq!(office.left(), [("ops".to_owned(), 2)]);
    assert!(!office.is_clear(0, &RunId("01R".to_owned())));
}

#[test]
fn what_is_refused_for_good_is_said_once_and_let_go() {
    let server = WebhookServer::start([Answer::status(410)]);
    let office = office(webhook(&server.url("/x"), AlertForm::Json), quick());
    tell(&office, 3);
    server.next();
    tell(&office, 4);
    server.next();
    office.finish(Duration::from_secs(30));
    assert!(matches!(office.news().as_slice(), [News::Refused { .. }]));
    assert_eq!(office.told().last().map(|told| told.through), Some(4));
    assert_eq!(office.left(), []);
    assert!(server.so_far().is_empty(), "what is refused is not tried again");
}

#[test]
fn a_server_that_hangs_holds_nobody_up() {
    let server = WebhookServer::start([Answer::Hang]);
    let office = office(webhook(&server.url("/x"), AlertForm::Json), quick());
    for seq in 1..=1_000 {
        tell(&office, seq);
    }
    server.next();
    office.finish(Duration::from_millis(50));
    assert_eq!(office.left(), [("ops".to_owned(), 1_000)]);
    assert_eq!(office.told(), []);
}

#[test]
fn a_thousand_failures_are_few_messages() {
    let server = WebhookServer::start([Answer::status(200)]);
    let pace = Pace { gather: Duration::from_millis(200), between: Duration::from_millis(200), ..quick() };
    let office = office(webhook(&server.url("/x"), AlertForm::Json), pace);
    for seq in 1..=1_000 {
        tell(&office, seq);
    }
    office.finish(Duration::from_secs(30));
    let requests = server.so_far();
    assert!(requests.len() <= 2, "{} requests", requests.len());
    let named: u64 = requests
        .iter()
        .map(|request| {
            let alert = request.json();
            1 + alert["also"].as_array().unwrap().len() as u64 + alert["more"].as_u64().unwrap()
        })
        .sum();
    assert_eq!(named, 1_000);
    assert_eq!(office.told().last().map(|told| told.through), Some(1_000));
}

#[test]
fn an_alert_hears_only_of_what_it_asked_for() {
    let server = WebhookServer::start([Answer::status(200)]);
    let spec = AlertSpec {
        when: BTreeSet::from([AlertKind::TaskFailed]),
        ..webhook(&server.url("/x"), AlertForm::Json)
    };
    let office = office(spec, quick());
    office.tell(0, &run(), &happening(AlertKind::RunEnded, 1, "ended", "x"), &counts());
    let mut blocked = happening(AlertKind::PersonNeeded, 2, "T1 needs help", "x");
    blocked.kinds.push(AlertKind::TaskFailed);
    office.tell(0, &run(), &blocked, &counts());
    assert_eq!(server.next().json()["kind"], "task_failed");
    office.finish(Duration::from_secs(30));
    assert!(server.so_far().is_empty());
}

fn desk(server: &WebhookServer, after: u64, stalled_after: Option<Duration>, now: i64) -> Desk {
    let office = office(webhook(&server.url("/x"), AlertForm::Json), quick());
    let run = RunFacts::of(&spec(&["T1"]), "host");
    Desk::open(DeskParts { office, run, after: vec![after], stalled_after, now: Timestamp(now) })
}

#[test]
fn a_replay_tells_what_was_not_told_and_nothing_of_yesterday() {
    let history = events([
        failed("T1", FailureKind::NoLayerLeft, "none"),
        run_ended(RunStatus::Failed),
        run_ended(RunStatus::Failed),
    ]);
    let server = WebhookServer::start([Answer::status(200)]);
    let mut desk = desk(&server, 1, None, 10_000);
    assert_eq!(desk.replay(&history, &spec(&["T1"]), Timestamp(10_000)).unwrap(), 0);
    let first = server.next().json();
    assert_eq!(first["dedupe_key"], "01R:run_ended:1");
    desk.office().finish(Duration::from_secs(30));
    let day = 24 * 3_600 * 1_000;
    let mut late = self::desk(&server, 1, None, 0);
    // Of the two one is more than a day old.
    assert_eq!(late.replay(&history, &spec(&["T1"]), Timestamp(day + 2_500)).unwrap(), 1);
    assert_eq!(late.inherit(0, &spec(&["T1"]), &history, 2, Timestamp(day + 9_000)).unwrap(), (0, 1));
    late.office().finish(Duration::from_secs(30));
    assert!(late.office().told().iter().all(|told| told.through == 3));
}

#[test]
fn a_run_in_which_nothing_happens_is_said_once_for_each_silence() {
    let server = WebhookServer::start([Answer::status(200)]);
    let mut desk = desk(&server, 0, Some(Duration::from_mins(1)), 0);
    let spec = spec(&["T1"]);
    let view = RunView::new(&spec);
    let tick = |desk: &mut Desk, seconds: i64| desk.tick(&view, Timestamp(seconds * 1_000)).is_some();
    assert!(!tick(&mut desk, 59));
    assert!(tick(&mut desk, 60));
    assert!(!tick(&mut desk, 61) && !tick(&mut desk, 600));
    // The warning that follows is recorded, and is no sign of life; what an agent does is one.
    let code = crate::alert::rules::STALLED.to_owned();
    let warned = events([EventBody::WarningRaised { code, message: "quiet".to_owned(), hint: None }]);
    desk.event(&warned[0], &view);
    assert!(!tick(&mut desk, 700));
    desk.doing();
    assert!(!tick(&mut desk, 800) && !tick(&mut desk, 859));
    assert!(tick(&mut desk, 860));
    assert_eq!(server.next().json()["kind"], "run_stalled");
}

#[cfg(unix)]
mod commands {
    use super::*;

    fn command(words: &[&str], directory: PathBuf, timeout: u64) -> AlertSpec {
        let environment = std::collections::BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        AlertSpec {
            target: Target::Program(crate::alert::Program { words, directory, environment }),
            timeout: Duration::from_millis(timeout),
            ..webhook("http://localhost/", AlertForm::Json)
        }
    }

    fn call(spec: &AlertSpec) -> Delivery {
        send(spec, &test_alert("shop", "host", "ops", Timestamp(0)), &Masker::new(["hunter22".to_owned()]))
    }

    #[test]
    fn a_command_gets_the_document_and_no_shell_sees_anything() {
        let folder = tempfile::tempdir().unwrap();
        let script = "cat > got; printf '%s' \"$1\" \"$ORCHESTRATE_ALERT_KIND\" > said; env > environment";
        let spec = command(&["sh", "-c", script, "x", "$(touch no)"], folder.path().to_owned(), 20_000);
        assert_eq!(call(&spec), Delivery::Delivered { status: None });
        let got = std::fs::read_to_string(folder.path().join("got")).unwrap();
        let got: serde_json::Value = serde_json::from_str(&got).unwrap();
        assert_eq!((&got["schema"], &got["kind"]), (&"alert/v1".into(), &"test".into()));
        assert_eq!(std::fs::read_to_string(folder.path().join("said")).unwrap(), "$(touch no)test");
        assert!(!folder.path().join("no").exists());
    }

    #[test]
    fn a_command_that_fails_hangs_or_is_not_there_is_told_as_that() {
        let folder = tempfile::tempdir().unwrap();
        let here = || folder.path().to_owned();
        let failing = why(call(&command(&["sh", "-c", "echo no hunter22 >&2; exit 3"], here(), 20_000)));
        assert_eq!((failing.why.as_str(), failing.again), ("the command ended with code 3: no ***", true));
        let failing = why(call(&command(&["sleep", "600"], here(), 100)));
        assert_eq!((failing.why.as_str(), failing.again), ("the command did not end in time", true));
        let failing = why(call(&command(&["no-such-program"], here(), 20_000)));
        assert!(failing.why.starts_with("cannot start `no-such-program`") && !failing.again, "{failing:?}");
    }

    #[test]
    fn a_command_that_reads_nothing_is_no_trouble() {
        let folder = tempfile::tempdir().unwrap();
        let spec = command(&["true"], folder.path().to_owned(), 20_000);
        for _ in 0..20 {
            assert_eq!(call(&spec), Delivery::Delivered { status: None });
        }
    }
}
