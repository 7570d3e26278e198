//! `models spend`: what attempts cost, by provider, model, run, task, day or month.

use std::collections::BTreeMap;

use crate::cli::args::OutputForm;
use crate::cli::args::commands::{SpendBy, SpendCommand};
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::model::event::SpendBasis;
use crate::model::exit::ExitCode;
use crate::model::ledger::month_of;
use crate::model::money::Money;
use crate::model::run::ProviderSpec;
use crate::report::{self, text};
use crate::store::{Spent, Store};

/// What stands where something is not known.
const UNKNOWN: &str = "-";

/// The sum of some attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sum {
    attempts: u64,
    spent: Money,
    /// What of it is only the bound that was reserved: what it really was nobody knows.
    assumed: Money,
    input: u64,
    output: u64,
}

impl Sum {
    fn add(&mut self, row: &Spent) {
        self.attempts += 1;
        self.spent += row.amount;
        if row.basis == SpendBasis::Bound {
            self.assumed += row.amount;
        }
        if let Some(tokens) = row.tokens {
            self.input = self.input.saturating_add(tokens.input);
            self.output = self.output.saturating_add(tokens.output);
        }
    }
}

/// How a provider's month stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Month {
    provider: String,
    name: String,
    spent: Money,
    reserved: Money,
    budget: Option<Money>,
}

/// Shows what was spent.
pub(super) fn spend(context: &Context, command: &SpendCommand) -> Result<ExitCode, CliError> {
    let settings = context.settings()?;
    let now = month_of(context.clock.now());
    let days = match command.month.as_deref() {
        Some("all") => "",
        Some(month) => month,
        None => &now,
    };
    let Some(store) = Store::open_existing(&context.state_dir)? else {
        return show(context, command, &BTreeMap::new(), &[], days);
    };
    let run = context.run.as_deref().map(|wanted| store.find_run(Some(wanted))).transpose()?;
    let rows = store.spending(days, run.as_ref())?;
    let months = match &run {
        Some(_) => Vec::new(),
        None => months(&store, &context.prefix, &settings.providers, &rows, days, &now)?,
    };
    show(context, command, &summed(&rows, command.by), &months, days)
}

fn summed(rows: &[Spent], by: SpendBy) -> BTreeMap<String, Sum> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for row in rows {
        sums.entry(name(row, by)).or_default().add(row);
    }
    sums
}

fn name(row: &Spent, by: SpendBy) -> String {
    let known = |name: &Option<String>| name.clone().unwrap_or_else(|| UNKNOWN.to_owned());
    match by {
        SpendBy::Provider => known(&row.provider),
        SpendBy::Model => known(&row.model),
        SpendBy::Run => row.run.as_str().to_owned(),
        SpendBy::Task => row.task.as_str().to_owned(),
        SpendBy::Day => row.day.clone(),
        SpendBy::Month => row.day.chars().take(7).collect(),
    }
}

/// The months of the providers that have a budget, or money reserved.
fn months(
    store: &Store,
    prefix: &str,
    providers: &BTreeMap<String, ProviderSpec>,
    rows: &[Spent],
    days: &str,
    now: &str,
) -> Result<Vec<Month>, CliError> {
    let month = if days.len() >= 7 { days.chars().take(7).collect() } else { now.to_owned() };
    let mut names: Vec<&str> = rows.iter().filter_map(|row| row.provider.as_deref()).collect();
    names.extend(providers.keys().map(String::as_str));
    names.sort_unstable();
    names.dedup();
    let mut found = Vec::new();
    for provider in names {
        let budget = providers.get(provider).and_then(|known| known.budget_usd_per_month).map(Money::usd);
        let ledger = store.ledger(prefix, provider, &month)?;
        if budget.is_some() || !ledger.reserved().is_zero() {
            found.push(Month {
                provider: provider.to_owned(),
                name: month.clone(),
                spent: ledger.spent(),
                reserved: ledger.reserved(),
                budget,
            });
        }
    }
    Ok(found)
}

fn show(
    context: &Context,
    command: &SpendCommand,
    sums: &BTreeMap<String, Sum>,
    months: &[Month],
    days: &str,
) -> Result<ExitCode, CliError> {
    let by = command.by.word();
    if context.output != OutputForm::Human {
        let rows: Vec<serde_json::Value> = sums
            .iter()
            .map(|(name, sum)| {
                serde_json::json!({
                    by: name,
                    "attempts": sum.attempts,
                    "spent_usd": sum.spent.as_usd(),
                    "assumed_usd": sum.assumed.as_usd(),
                    "input_tokens": sum.input,
                    "output_tokens": sum.output,
                })
            })
            .collect();
        let months: Vec<serde_json::Value> = months.iter().map(month_document).collect();
        let of = if days.is_empty() { "all" } else { days };
        let document = serde_json::json!({ "month": of, "by": by, "rows": rows, "budgets": months });
        context.ui.data(&report::line_json(&document))?;
        return Ok(ExitCode::Success);
    }
    context.ui.data(&page(by, sums, months, days))?;
    Ok(ExitCode::Success)
}

fn month_document(month: &Month) -> serde_json::Value {
    serde_json::json!({
        "provider": month.provider,
        "month": month.name,
        "spent_usd": month.spent.as_usd(),
        "reserved_usd": month.reserved.as_usd(),
        "budget_usd": month.budget.map(Money::as_usd),
        "left_usd": month.budget.map(|budget| budget.less(month.spent + month.reserved).as_usd()),
    })
}

fn page(by: &str, sums: &BTreeMap<String, Sum>, months: &[Month], days: &str) -> String {
    let when = if days.is_empty() { "so far".to_owned() } else { format!("in {days}") };
    let mut out = String::new();
    if sums.is_empty() {
        out = out + "nothing was used " + &when + "\n";
    } else {
        let names = sums.keys().map(|name| text::width(name)).chain([by.len()]).max().unwrap_or(0);
        let header = format!(
            "{}  {:>8}  {:>10}  {:>9}  {:>8}",
            text::pad(by, names),
            "attempts",
            "USD",
            "tokens in",
            "out"
        );
        out = out + &header + "\n";
        for (name, sum) in sums {
            let assumed = if sum.assumed.is_zero() {
                String::new()
            } else {
                format!("  {} of it assumed: the agent did not tell", sum.assumed)
            };
            let row = format!(
                "{}  {:>8}  {:>10}  {:>9}  {:>8}{assumed}",
                text::pad(&text::clean(name), names),
                sum.attempts,
                amount(sum.spent),
                text::tokens(sum.input),
                text::tokens(sum.output),
            );
            out = out + &row + "\n";
        }
    }
    for month in months {
        let left = match month.budget {
            Some(budget) => {
                let left = budget.less(month.spent + month.reserved);
                format!(" of {budget} spent, {left} left")
            }
            None => " spent".to_owned(),
        };
        let reserved = if month.reserved.is_zero() {
            String::new()
        } else {
            format!(", {} reserved for attempts under way", month.reserved)
        };
        let spent = month.spent;
        let line = format!("{} in {}: {spent}{left}{reserved}", month.provider, month.name);
        out = out + &line + "\n";
    }
    out
}

/// An amount without its unit.
fn amount(money: Money) -> String {
    money.to_string().trim_end_matches(" USD").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{RunId, TaskId};
    use crate::model::reading::Tokens;
    use crate::model::time::Timestamp;

    fn row(run: &str, provider: Option<&str>, cents: u64, basis: SpendBasis) -> Spent {
        Spent {
            run: RunId(run.to_owned()),
            task: TaskId::new("T1"),
            attempt: 1,
            at: Timestamp(0),
            day: "2026-11-25".to_owned(),
            provider: provider.map(str::to_owned),
            model: Some("m".to_owned()),
            layer: Some(6),
            amount: Money(cents * 10_000),
            basis,
            tokens: Some(Tokens { input: 1_500, output: 20 }),
        }
    }

    #[test]
    fn attempts_are_summed_by_what_was_asked_for() {
        let rows = [
            row("R1", Some("openai"), 25, SpendBasis::Reported),
            row("R2", Some("openai"), 100, SpendBasis::Bound),
            row("R2", None, 0, SpendBasis::Free),
        ];
        let names = |by| summed(&rows, by).into_keys().collect::<Vec<_>>();
        assert_eq!(names(SpendBy::Provider), ["-", "openai"]);
        assert_eq!(names(SpendBy::Run), ["R1", "R2"]);
        assert_eq!(names(SpendBy::Month), ["2026-11"]);
        let months = [Month {
            provider: "openai".to_owned(),
            name: "2026-11".to_owned(),
            spent: Money::usd(1.25),
            reserved: Money::usd(0.5),
            budget: Some(Money::usd(20.0)),
        }];
        let shown = page("provider", &summed(&rows, SpendBy::Provider), &months, "2026-11");
        insta::assert_snapshot!(shown, @r"
        provider  attempts         USD  tokens in       out
        -                1        0.00         2k        20
        openai           2        1.25         3k        40  1.00 USD of it assumed: the agent did not tell
        openai in 2026-11: 1.25 USD of 20.00 USD spent, 18.25 USD left, 0.50 USD reserved for attempts under way
        ");
        assert_eq!(page("run", &BTreeMap::new(), &[], ""), "nothing was used so far\n");
    }
}
