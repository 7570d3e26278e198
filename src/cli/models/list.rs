//! `models list`: the layers in order, and which can be used here.

use crate::cli::args::OutputForm;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::settings::Settings;
use crate::cli::start;
use crate::model::exit::ExitCode;
use crate::model::layer::{Cost, Layer};
use crate::model::ledger::month_of;
use crate::model::money::Money;
use crate::report::{self, text};
use crate::store::Store;

/// A layer with what there is to say of it.
struct Row<'a> {
    layer: &'a Layer,
    state: &'static str,
    /// What of its provider's month is spent and reserved, and what may be.
    month: Option<(Money, Money)>,
}

/// Shows the layers.
pub(super) fn list(context: &Context) -> Result<ExitCode, CliError> {
    let mut settings = context.settings()?;
    start::find_agents(context, &mut settings.agents, &settings.layers);
    let store = Store::open_existing(&context.state_dir)?;
    let month = month_of(context.clock.now());
    let mut rows = Vec::new();
    for layer in &settings.layers {
        let budget = settings.providers.get(&layer.provider).and_then(|known| known.budget_usd_per_month);
        let used = match (&store, budget) {
            (Some(store), Some(_)) => store.ledger(&context.prefix, &layer.provider, &month)?.used(),
            (None, _) | (_, None) => Money::ZERO,
        };
        let month = budget.filter(|_| layer.cost == Cost::Paid).map(|budget| (used, Money::usd(budget)));
        rows.push(Row { layer, state: state(layer, &settings), month });
    }
    if context.output != OutputForm::Human {
        let list: Vec<serde_json::Value> = rows.iter().map(document).collect();
        context.ui.data(&report::line_json(&list))?;
        return Ok(ExitCode::Success);
    }
    context.ui.data(&table(&rows))?;
    Ok(ExitCode::Success)
}

/// Whether a layer can be used.
fn state(layer: &Layer, settings: &Settings) -> &'static str {
    match settings.agents.get(&layer.agent) {
        None => "unknown agent",
        Some(agent) if !agent.is_installed() => "not installed",
        Some(_) if layer.cost == Cost::Paid && settings.run.allow_paid.is_none() => "not approved",
        Some(_) => "installed",
    }
}

fn document(row: &Row<'_>) -> serde_json::Value {
    serde_json::json!({
        "layer": row.layer,
        "agent_state": row.state,
        "month_used_usd": row.month.map(|(used, _)| used.as_usd()),
        "month_budget_usd": row.month.map(|(_, budget)| budget.as_usd()),
    })
}

fn table(rows: &[Row<'_>]) -> String {
    let width = |of: fn(&Layer) -> &str| rows.iter().map(|row| text::width(of(row.layer))).max().unwrap_or(0);
    let (agents, models) = (width(|layer| &layer.agent), width(|layer| &layer.model));
    let providers = width(|layer| &layer.provider);
    let mut out = String::new();
    for row in rows {
        let cost = match row.layer.cost {
            Cost::Free => "free",
            Cost::Paid => "paid",
        };
        let month = row.month.map(|(used, budget)| format!("  {used} of {budget} this month"));
        let line = format!(
            "{:>2}  {}  {}  {}  {cost}  {}{}",
            row.layer.layer,
            text::pad(&row.layer.agent, agents),
            text::pad(&row.layer.model, models),
            text::pad(&row.layer.provider, providers),
            row.state,
            month.unwrap_or_default(),
        );
        out = out + line.trim_end() + "\n";
    }
    out
}
