//! `models simulate`: a plan played against a scenario, in virtual time.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cli::args::OutputForm;
use crate::cli::args::simulate::SimulateCommand;
use crate::cli::config::read_scenario;
use crate::cli::context::{Context, refused_config};
use crate::cli::exit::CliError;
use crate::cli::plans::{self, ReadPlan};
use crate::cli::run;
use crate::cli::start;
use crate::masking;
use crate::model::exit::ExitCode;
use crate::model::ids::RunId;
use crate::model::money::Money;
use crate::model::simulation::{LayerUse, SimulationDocument};
use crate::model::time::Timestamp;
use crate::model::view::RunView;

use crate::report::{self, Style, text};
use crate::simulation::scenario::Scenario;
use crate::simulation::{Simulated, World, document};

/// How many lines of a timeline are shown: the first and the last.
const FIRST: usize = 80;
const LAST: usize = 20;
/// How many of the tasks that did not succeed are shown.
const SHOWN_LEFT: usize = 20;
/// When a simulation begins whose scenario does not say: the same each time.
const BEGIN: Timestamp = Timestamp(1_767_225_600_000);

/// `orchestrate models simulate`.
pub(super) fn simulate(context: &Context, command: &SimulateCommand) -> Result<ExitCode, CliError> {
    let scenario = scenario(context, command)?;
    let mut settings = context.settings_for(&command.options)?;
    let reading = plans::reading_of(&settings, &command.reading, &command.selection, command.options.force);
    let file = plans::plan_text(context, &command.plan.all(), &reading)?;
    let read = ReadPlan::of(file, &reading, &settings);
    read.show_diagnostics(context);
    read.refuse()?;
    if command.installed {
        start::find_agents(context, &mut settings.agents, &settings.layers);
    } else {
        for agent in settings.agents.values_mut() {
            agent.found = Some(agent.found.take().unwrap_or_else(|| PathBuf::from(&agent.name)));
        }
    }
    let mut spec = run::spec_of(context, &settings, &read, reading);
    run::runnable(&spec)?;
    // The same each time it is simulated.
    spec.run_id = RunId("SIMULATED".to_owned());
    spec.settings.seed = scenario.seed;
    spec.created_at = BEGIN;
    let mut world = World::new(&scenario, vec![spec]);
    let fault = |error: String| CliError::new(ExitCode::Fault, error);
    world.run().map_err(|error| fault(error.to_string()))?;
    let simulated = world.simulated(0).ok_or_else(|| fault("nothing was simulated".to_owned()))?;
    let shown = context.shown(&command.scenario);
    let document = document(&simulated, Some(&shown), scenario.seed)
        .ok_or_else(|| fault("the simulated run has not ended".to_owned()))?;
    match context.output {
        OutputForm::Human => {
            let style = context.ui.stdout;
            let out = timeline(&simulated, style)? + &sums(&document, style);
            context.ui.data(&masking::mask(&out))?;
        }
        OutputForm::Json => context.ui.data(&report::line_json(&document))?,
        OutputForm::Ndjson => {
            let lines: Vec<String> = simulated.events.iter().map(report::event_json).collect();
            context.ui.data(&lines.join("\n"))?;
        }
    }
    Ok(ExitCode::Success)
}

fn scenario(context: &Context, command: &SimulateCommand) -> Result<Scenario, CliError> {
    let path = context.directory.join(&command.scenario);
    let shown = context.shown(&command.scenario);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        CliError::new(ExitCode::InvalidInput, format!("cannot read the scenario `{shown}`: {error}"))
    })?;
    read_scenario(&shown, &text).map_err(|error| {
        let mut refused = refused_config(&error);
        refused.hints = vec!["docs/simulation.md says what a scenario may hold".to_owned()];
        refused
    })
}

/// What a reporter writes, kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What would happen, in the words of a run without a terminal, the middle of a long one left out.
fn timeline(simulated: &Simulated<'_>, style: Style) -> Result<String, CliError> {
    let kept = Kept::default();
    let mut reporter = report::plain(Box::new(kept.clone()), style);
    let mut view = RunView::new(simulated.spec);
    for event in simulated.events {
        view.apply(event)?;
        reporter.event(event, simulated.spec, &view);
    }
    drop(reporter);
    let bytes = kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= FIRST + LAST {
        return Ok(lines.join("\n") + "\n");
    }
    let (first, rest) = lines.split_at(FIRST);
    let (middle, last) = rest.split_at(rest.len() - LAST);
    let more = text::count_of(u64::try_from(middle.len()).unwrap_or(u64::MAX), "line");
    let dots = if style.unicode { "…" } else { "..." };
    let cut = format!("{dots} {more} more; all of it with `--output ndjson`");
    Ok([first, &[cut.as_str()], last].concat().join("\n") + "\n")
}

/// The sums below the timeline.
fn sums(document: &SimulationDocument, style: Style) -> String {
    let mut out = format!("\n{}\n", style.bold("layers"));
    let names: Vec<String> = document.layers.iter().map(|layer| name_of(layer, style)).collect();
    let width = names.iter().map(|name| text::width(name)).max().unwrap_or(0);
    for (layer, name) in document.layers.iter().zip(&names) {
        let attempts = text::count_of(u64::from(layer.attempts), "attempt");
        let time = text::duration(std::time::Duration::from_millis(layer.time_ms));
        let cost = if layer.cost_usd.is_zero() { String::new() } else { format!(", {}", layer.cost_usd) };
        let words = format!("{attempts}, {} succeeded, {time}{cost}", layer.succeeded);
        out = out + "  " + &text::pad(name, width) + "  " + &words + "\n";
    }
    if !document.rests.is_empty() {
        out = out + "\n" + &style.bold("rests") + "\n";
    }
    for rest in &document.rests {
        let times = if rest.times == 1 { "once".to_owned() } else { format!("{} times", rest.times) };
        let length = text::duration(std::time::Duration::from_millis(rest.rested_ms));
        let off = if rest.off { ", off for the rest of the run" } else { "" };
        let provider = style.clean(&rest.provider);
        let line = format!("  {provider}: {times}, {length} ({}){off}", rest.trigger);
        out = out + &line + "\n";
    }
    out = out + "\n" + &style.bold("money") + "\n" + &money(document, style);
    let length = text::duration(std::time::Duration::from_millis(document.length_ms));
    out = out + "\n" + &style.bold("end") + "\n";
    let (status, code) = (document.status, document.exit_code);
    let line = format!("  {status} after {length}: `run` would exit with {code}");
    out = out + &line + "\n";
    for left in document.left.iter().take(SHOWN_LEFT) {
        let why = left.failure.as_ref().map_or_else(String::new, |failure| format!(", {failure}"));
        let line = style.clean(&format!("{} is {}{why}", left.task_id, left.status));
        out = out + "  " + &style.cut(&line, style.width.saturating_sub(2)) + "\n";
    }
    let more = document.left.len().saturating_sub(SHOWN_LEFT);
    if more > 0 {
        out = out + "  and " + &more.to_string() + " more\n";
    }
    out
}

fn name_of(layer: &LayerUse, style: Style) -> String {
    let number = layer.rung.layer.map_or_else(|| " -".to_owned(), |layer| format!("{layer:>2}"));
    let model = layer.rung.model.as_deref().unwrap_or("");
    let name = style.clean(&format!("{} {model}", layer.rung.agent));
    format!("{number}  {}", name.trim_end())
}

fn money(document: &SimulationDocument, style: Style) -> String {
    let money = &document.money;
    let budget = money.budget_usd.map_or_else(String::new, |budget| format!(" of a budget of {budget}"));
    if money.most_usd == Money::ZERO {
        return format!("  none{budget}\n");
    }
    let mut out =
        format!("  {}{budget}, at most {} with what was reserved\n", money.spent_usd, money.most_usd);
    for provider in &money.providers {
        let spent = provider.spent_usd.to_string();
        out = out + "  " + &style.clean(&provider.provider) + ": " + &spent + "\n";
    }
    out
}
