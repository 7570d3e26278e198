//! Alerts from their configuration to those that can be sent; and `alert test`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::alert::target::fill_in;
use crate::alert::{
    AlertSpec, Delivery, Desk, DeskParts, Office, Pace, Program, RunFacts, Target, TargetError, Webhook,
    send, test_alert,
};
use crate::cli::args::OutputForm;
use crate::cli::args::commands::AlertCommand;
use crate::cli::config::AlertTable;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::look;
use crate::cli::shared;
use crate::masking::{self, Masker, is_secret_name};
use crate::model::alert::AlertKind;
use crate::model::doctor::{DoctorFact, DoctorNote, Health};
use crate::model::exit::ExitCode;
use crate::model::ids::RunId;
use crate::model::run::RunSpec;
use crate::model::time::{Span, Timestamp};
use crate::report::{self, Sign};
use crate::scheduler::Input;
use crate::store::{AlertMark, Store};

/// How long one try may take unless it is said.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is tried again unless it is said.
const RETRIES: u32 = 3;
/// After how long without anything a run stalls unless it is said.
const STALLED_AFTER: Duration = Duration::from_mins(30);
/// Of so many runs that were broken off alerts are made up for.
const INHERITED: usize = 20;

/// An alert that is configured.
pub(super) struct Configured<'a> {
    pub(super) table: &'a AlertTable,
    /// What it is called.
    pub(super) name: String,
    /// With everything filled in, or why it cannot be.
    pub(super) spec: Result<AlertSpec, TargetError>,
}

/// The alerts that are configured, the project's first.
pub(super) fn configured(context: &Context) -> Vec<Configured<'_>> {
    let mut names = BTreeSet::new();
    context
        .alerts()
        .into_iter()
        .enumerate()
        .map(|(place, (table, _))| {
            let number = (place + 1).to_string();
            let name = table.name.clone().filter(|name| names.insert(name.clone())).unwrap_or(number);
            let spec = spec_of(context, table, &name);
            Configured { table, name, spec }
        })
        .collect()
}

fn spec_of(context: &Context, table: &AlertTable, name: &str) -> Result<AlertSpec, TargetError> {
    let fill = |text: &String| fill_in(text, &context.environment);
    let target = match (&table.webhook, &table.command) {
        (Some(url), _) => Target::Webhook(Webhook::new(
            fill(url)?,
            table.form,
            table.chat.as_ref().map(fill).transpose()?,
            table.token.as_ref().map(fill).transpose()?,
            table.allow_insecure == Some(true),
        )?),
        (None, command) => Target::Program(Program {
            words: command.clone().unwrap_or_default(),
            directory: context.root.clone(),
            environment: outside(&context.environment),
        }),
    };
    Ok(AlertSpec {
        id: id_of(table),
        name: name.to_owned(),
        when: table.when.clone().map_or_else(|| BTreeSet::from(AlertKind::CHOICES), BTreeSet::from_iter),
        target,
        timeout: table.timeout.map_or(TIMEOUT, |span| span.0),
        retries: table.retries.unwrap_or(RETRIES),
    })
}

/// The caller's variables without those that are ours.
fn outside(environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let ours = |name: &str| name.starts_with("ORCHESTRATE_");
    environment
        .iter()
        .filter(|(name, _)| !ours(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What an alert is known by from one run to the next: its name, else what it is sent to.
fn id_of(table: &AlertTable) -> String {
    if let Some(name) = &table.name {
        return format!("name:{name}");
    }
    let what = format!("{:?} {:?} {:?}", table.webhook, table.command, table.chat);
    let digest = Sha256::digest(what.as_bytes());
    digest.iter().take(8).fold("target:".to_owned(), |id, byte| id + &format!("{byte:02x}"))
}

/// What must stand in no text that is sent.
fn masker(context: &Context, specs: &[AlertSpec]) -> Masker {
    let variables = context.environment.iter().filter(|(name, _)| is_secret_name(name));
    let known = variables.map(|(_, value)| value.clone());
    Masker::new(known.chain(shared::secrets(context)).chain(secrets(specs)))
}

/// The secrets of what alerts are sent to.
fn secrets(specs: &[AlertSpec]) -> Vec<String> {
    let of = |spec: &AlertSpec| match &spec.target {
        Target::Webhook(webhook) => webhook.secrets(),
        Target::Program(_) => Vec::new(),
    };
    specs.iter().flat_map(of).collect()
}

/// The alerts of a run that begins or goes on.
#[derive(Default)]
pub(super) struct Begun {
    /// Who is told.
    pub(super) desk: Option<Desk>,
    /// What a person should know.
    pub(super) told: Vec<Input>,
    /// What no agent may see.
    pub(super) secrets: Vec<String>,
}

/// Opens the alerts of a run, and has them told what they were not of this run and of those that were
/// broken off.
pub(super) fn begin(
    context: &Context,
    store: &mut Store,
    spec: &RunSpec,
    now: Timestamp,
) -> Result<Begun, CliError> {
    let mut begun = Begun::default();
    let (mut specs, mut stalled_after) = (Vec::new(), None::<Duration>);
    for alert in configured(context) {
        match alert.spec {
            Ok(spec) => {
                if spec.when.contains(&AlertKind::RunStalled) {
                    let after = alert.table.stalled_after.map_or(STALLED_AFTER, |span| span.0);
                    stalled_after = Some(stalled_after.map_or(after, |other| other.min(after)));
                }
                specs.push(spec);
            }
            Err(error) => begun.told.push(warn(
                "alert-off",
                format!("alert `{}` is not sent: {error}", alert.name),
                Some(error.hint),
            )),
        }
    }
    if specs.is_empty() {
        return Ok(begun);
    }
    begun.secrets = secrets(&specs);
    let masker = masker(context, &specs);
    let ids: Vec<String> = specs.iter().map(|spec| spec.id.clone()).collect();
    let office = match Office::open(specs, &masker, Pace::default(), spec.settings.seed) {
        Ok(office) => office,
        Err(error) => {
            begun.told.push(warn("alert-off", format!("no alert is sent: {error}"), None));
            return Ok(begun);
        }
    };
    let events = store.events(&spec.run_id, 0)?;
    let last = events.last().map_or(0, |event| event.seq);
    let marks = store.begin_alerts(&spec.run_id, &ids, last)?;
    let after = ids.iter().map(|id| marks.get(id).copied().unwrap_or(last)).collect();
    let run = RunFacts::of(spec, &context.host);
    let mut desk = Desk::open(DeskParts { office, run, after, stalled_after, now });
    let mut too_old = desk.replay(&events, spec, now)?;
    too_old += inherit(context, store, &desk, &spec.run_id, now)?;
    if too_old > 0 {
        let things = report::text::count_of(u64::try_from(too_old).unwrap_or(u64::MAX), "alert");
        begun.told.push(warn(
            "alert-too-old",
            format!("{things} of more than a day ago will not be sent"),
            None,
        ));
    }
    begun.desk = Some(desk);
    Ok(begun)
}

/// Makes up for what alerts were not told of other runs. Returns how many things are too old for it.
fn inherit(
    context: &Context,
    store: &mut Store,
    desk: &Desk,
    own: &RunId,
    now: Timestamp,
) -> Result<usize, CliError> {
    let mut too_old = 0;
    let mut by_run: BTreeMap<RunId, Vec<AlertMark>> = BTreeMap::new();
    for mark in store.alerts_left()?.into_iter().filter(|mark| mark.run != *own) {
        by_run.entry(mark.run.clone()).or_default().push(mark);
    }
    for (run, marks) in by_run.into_iter().rev().take(INHERITED) {
        if let Ok(Some(lease)) = store.lease(&run)
            && look::lease_is_alive(context, &lease)
        {
            continue;
        }
        let (spec, events) = match (store.run_spec(&run), store.events(&run, 0)) {
            (Ok(spec), Ok(events)) => (spec, events),
            // One run that cannot be read is no reason to run nothing.
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(%error, %run, "what alerts were not told of it cannot be read");
                continue;
            }
        };
        for mark in marks {
            let place = desk.office().specs().iter().position(|spec| spec.id == mark.alert);
            let is_old = events.last().is_none_or(|last| now.since(last.at) > Duration::from_hours(24));
            let (told, old) = match place {
                Some(place) => desk.inherit(place, &spec, &events, mark.seq, now)?,
                // Nobody is configured by this name; somebody may be again tomorrow, and not later.
                None => (usize::from(!is_old), 0),
            };
            too_old += old;
            if told == 0 {
                store.alert_settled(&run, &mark.alert)?;
            }
        }
    }
    Ok(too_old)
}

fn warn(code: &str, message: String, hint: Option<String>) -> Input {
    Input::Warn { code: code.to_owned(), message, hint }
}

/// For `doctor`: whether each alert could be sent.
pub(super) fn facts(context: &Context) -> Vec<DoctorFact> {
    let fact = |alert: Configured<'_>| {
        let note = match &alert.spec {
            Ok(spec) => {
                let when: Vec<&str> = spec.when.iter().map(|kind| kind.as_str()).collect();
                let told = format!("{}: {}", spec.target.shown(), when.join(", "));
                DoctorNote::new(Health::Ok, masking::mask(&told).into_owned())
            }
            Err(error) => DoctorNote::new(Health::Warning, error.to_string()).cure(error.hint.clone()),
        };
        DoctorFact { name: alert.name, note }
    };
    configured(context).into_iter().map(fact).collect()
}

/// `orchestrate alert test`.
pub(super) fn test(context: &Context, command: &AlertCommand) -> Result<ExitCode, CliError> {
    let AlertCommand::Test { name: wanted } = command;
    let all = configured(context);
    if all.is_empty() {
        return Err(CliError::new(ExitCode::NothingToRun, "no alert is configured")
            .hint("write `[[alerts]]` with `webhook` or `command` into `orchestrate.toml`"));
    }
    let names: Vec<String> = all.iter().map(|alert| alert.name.clone()).collect();
    let chosen: Vec<Configured<'_>> = all
        .into_iter()
        .enumerate()
        .filter(|(place, alert)| {
            wanted.as_ref().is_none_or(|wanted| *wanted == alert.name || *wanted == (place + 1).to_string())
        })
        .map(|(_, alert)| alert)
        .collect();
    if let (true, Some(wanted)) = (chosen.is_empty(), wanted) {
        let error = CliError::new(ExitCode::Usage, format!("there is no alert `{wanted}`"));
        return Err(match crate::diagnostics::suggest(wanted, names.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("there are: {}", names.join(", "))),
        });
    }
    let specs: Vec<AlertSpec> = chosen.iter().filter_map(|alert| alert.spec.clone().ok()).collect();
    let masker = masker(context, &specs);
    let tried: Vec<Tried> = chosen.into_iter().map(|alert| try_one(context, alert, &masker)).collect();
    show(context, &tried)?;
    Ok(tried.iter().map(|tried| tried.exit).max_by_key(|exit| exit.code()).unwrap_or(ExitCode::Success))
}

/// What came of trying an alert.
struct Tried {
    name: String,
    target: Option<String>,
    status: Option<u16>,
    took: Option<Duration>,
    /// Why it was not taken.
    why: Option<String>,
    hint: Option<String>,
    exit: ExitCode,
}

fn try_one(context: &Context, alert: Configured<'_>, masker: &Masker) -> Tried {
    let tried = Tried {
        name: alert.name,
        target: None,
        status: None,
        took: None,
        why: None,
        hint: None,
        exit: ExitCode::Success,
    };
    let spec = match alert.spec {
        Ok(spec) => spec,
        Err(error) => {
            let why = Some(error.to_string());
            return Tried { why, hint: Some(error.hint), exit: ExitCode::InvalidInput, ..tried };
        }
    };
    let begun = context.clock.now();
    let sent = test_alert(context.project_name(), &context.host, &spec.name, begun);
    let delivery = send(&spec, &sent, masker);
    let tried =
        Tried { target: Some(spec.target.shown()), took: Some(context.clock.now().since(begun)), ..tried };
    match delivery {
        Delivery::Delivered { status } => Tried { status, ..tried },
        Delivery::Failed(failing) => {
            Tried { status: failing.status, why: Some(failing.why), exit: ExitCode::TaskFailed, ..tried }
        }
    }
}

fn show(context: &Context, tried: &[Tried]) -> Result<(), CliError> {
    if context.output != OutputForm::Human {
        let documents: Vec<serde_json::Value> = tried
            .iter()
            .map(|tried| {
                serde_json::json!({
                    "name": tried.name,
                    "target": tried.target,
                    "delivered": tried.why.is_none(),
                    "status": tried.status,
                    "took_ms": tried.took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
                    "problem": tried.why,
                })
            })
            .collect();
        context.ui.data(&report::line_json(&documents))?;
        return Ok(());
    }
    let style = &context.ui.stdout;
    let mut out = String::new();
    for tried in tried {
        let sign = if tried.why.is_none() { Sign::Succeeded } else { Sign::Failed };
        let mut line = format!("{} {}", style.sign(sign), style.clean(&tried.name));
        if let Some(target) = &tried.target {
            line = line + "  " + &style.clean(target);
        }
        let came_to = match &tried.why {
            None => tried.status.map_or_else(|| "taken".to_owned(), |status| status.to_string()),
            Some(why) => style.clean(why),
        };
        line = line + "  " + &came_to;
        if let Some(took) = tried.took {
            let whole = Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
            line = line + "  " + &Span(whole).to_string();
        }
        out = out + &line + "\n";
        if let Some(hint) = &tried.hint {
            out = out + "  help: " + &style.clean(hint) + "\n";
        }
    }
    context.ui.data(&out)?;
    Ok(())
}
