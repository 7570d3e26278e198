//! `models spend`: what attempts cost and used, added up; what is left of the budgets of a month.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::args::OutputForm;
use crate::cli::args::commands::{SpendBy, SpendCommand};
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::look;
use crate::model::event::SpendBasis;
use crate::model::exit::ExitCode;
use crate::model::ledger::{MonthLedger, month_of};
use crate::model::money::Money;
use crate::report::{self, text};
use crate::store::Spent;

/// What is said of what nobody told.
const UNKNOWN: &str = "unknown";

/// Some attempts, added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sum {
    attempts: u64,
    tokens_in: u64,
    tokens_out: u64,
    spent: Money,
    /// The part of it that is what was reserved, because the use is not known.
    assumed: Money,
}

impl Sum {
    fn add(&mut self, row: &Spent) {
        self.attempts += 1;
        if let Some(tokens) = row.tokens {
            self.tokens_in = self.tokens_in.saturating_add(tokens.input);
            self.tokens_out = self.tokens_out.saturating_add(tokens.output);
        }
        self.spent += row.amount;
        if row.basis == SpendBasis::Bound {
            self.assumed += row.amount;
        }
    }

    fn json(&self) -> Value {
        json!({
            "attempts": self.attempts,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "spent_usd": self.spent,
            "assumed_usd": self.assumed,
        })
    }
}

/// How the month of a provider stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    /// What may be spent; none: there is no limit.
    budget: Option<Money>,
    /// What all runs spent, those of other machines too where a Redis is used.
    spent: Money,
    reserved: Money,
}

impl Standing {
    fn of(ledger: &MonthLedger, budget: Option<Money>) -> Self {
        Self { budget, spent: ledger.spent(), reserved: ledger.reserved() }
    }

    fn left(&self) -> Option<Money> {
        Some(self.budget?.less(self.spent + self.reserved))
    }

    fn json(&self) -> Value {
        json!({
            "budget_usd": self.budget,
            "spent_usd": self.spent,
            "reserved_usd": self.reserved,
            "left_usd": self.left(),
        })
    }
}

/// `orchestrate models spend`.
pub(super) fn spend(context: &Context, command: &SpendCommand) -> Result<ExitCode, CliError> {
    let store = look::open(context)?;
    let month = command.month.clone().unwrap_or_else(|| month_of(context.clock.now()));
    let all = month == "all";
    let run = context.run.as_deref().map(|run| store.find_run(Some(run))).transpose()?;
    let rows = store.spending(if all { "" } else { &month }, run.as_ref())?;
    let sums = added_up(&rows, command.by);
    let mut standings = BTreeMap::new();
    if !all && run.is_none() {
        let (settings, problems) = context.settings_or_defaults()?;
        for problem in problems {
            context.ui.warning(&problem.to_string(), None);
        }
        let mut names: Vec<String> = settings.layers.iter().map(|layer| layer.provider.clone()).collect();
        names.extend(settings.providers.keys().cloned());
        names.extend(rows.iter().filter_map(|row| row.provider.clone()));
        for name in names {
            let ledger = store.ledger(&context.prefix, &name, &month)?;
            let provider = settings.providers.get(&name);
            let budget = provider.and_then(|provider| provider.budget_usd_per_month).map(Money::usd);
            let standing = Standing::of(&ledger, budget);
            if budget.is_some() || !ledger.used().is_zero() {
                standings.insert(name, standing);
            }
        }
    }
    if context.output == OutputForm::Human {
        context.ui.data(&human(&month, command.by, &sums, &standings))?;
    } else {
        let rows: Vec<Value> = sums
            .iter()
            .map(|(name, sum)| {
                let mut row = sum.json();
                row["name"] = json!(name);
                row
            })
            .collect();
        let standings: BTreeMap<&String, Value> =
            standings.iter().map(|(name, standing)| (name, standing.json())).collect();
        let document = json!({
            "month": (!all).then_some(&month),
            "by": command.by.name(),
            "run_id": run,
            "rows": rows,
            "total": total(&sums).json(),
            "providers": standings,
        });
        context.ui.data(&report::line_json(&document))?;
    }
    Ok(ExitCode::Success)
}

/// The attempts added up by what they have in common: the most expensive first, days and months in order.
fn added_up(rows: &[Spent], by: SpendBy) -> Vec<(String, Sum)> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| UNKNOWN.to_owned());
    for row in rows {
        let name = match by {
            SpendBy::Provider => known(&row.provider),
            SpendBy::Model => known(&row.model),
            SpendBy::Layer => row.layer.map_or_else(|| UNKNOWN.to_owned(), |layer| layer.to_string()),
            SpendBy::Run => row.run.to_string(),
            SpendBy::Task => format!("{} {}", row.run, row.task),
            SpendBy::Day => row.day.clone(),
            SpendBy::Month => row.day.chars().take(7).collect(),
        };
        sums.entry(name).or_default().add(row);
    }
    let mut sums: Vec<(String, Sum)> = sums.into_iter().collect();
    match by {
        SpendBy::Day | SpendBy::Month | SpendBy::Layer => {}
        SpendBy::Provider | SpendBy::Model | SpendBy::Run | SpendBy::Task => {
            let weight = |sum: &Sum| (sum.spent, sum.tokens_in.saturating_add(sum.tokens_out));
            sums.sort_by_key(|(_, sum)| std::cmp::Reverse(weight(sum)));
        }
    }
    sums
}

fn total(sums: &[(String, Sum)]) -> Sum {
    sums.iter().fold(Sum::default(), |total, (_, sum)| Sum {
        attempts: total.attempts + sum.attempts,
        tokens_in: total.tokens_in.saturating_add(sum.tokens_in),
        tokens_out: total.tokens_out.saturating_add(sum.tokens_out),
        spent: total.spent + sum.spent,
        assumed: total.assumed + sum.assumed,
    })
}

/// An amount in a table. What is less than a cent is not nothing.
fn amount(money: Money) -> String {
    if !money.is_zero() && money < Money(5_000) {
        return "<$0.01".to_owned();
    }
    text::money(Some(money.as_usd()))
}

fn human(month: &str, by: SpendBy, sums: &[(String, Sum)], standings: &BTreeMap<String, Standing>) -> String {
    let mut lines = Vec::new();
    if sums.is_empty() {
        let when = if month == "all" { "so far".to_owned() } else { format!("in {month}") };
        lines.push(format!("nothing was spent {when}, and no use was told"));
    } else {
        let mut table =
            vec![[by.name(), "attempts", "tokens in", "out", "spent"].map(str::to_owned).to_vec()];
        let cells = |name: &str, sum: &Sum| {
            vec![
                text::clean(name),
                sum.attempts.to_string(),
                text::tokens(sum.tokens_in),
                text::tokens(sum.tokens_out),
                amount(sum.spent),
            ]
        };
        table.extend(sums.iter().map(|(name, sum)| cells(name, sum)));
        if sums.len() > 1 {
            table.push(cells("together", &total(sums)));
        }
        lines.extend(laid_out(&table));
        let assumed = total(sums).assumed;
        if !assumed.is_zero() {
            let part = amount(assumed);
            lines.push(String::new());
            lines.push(format!("{part} of it is what was reserved: what those attempts used is not known"));
        }
    }
    let budgeted: Vec<(&String, &Standing)> =
        standings.iter().filter(|(_, standing)| standing.budget.is_some()).collect();
    if !budgeted.is_empty() {
        lines.push(String::new());
        let heads = ["budget of the month", "spent", "reserved", "left", "of"];
        let mut table = vec![heads.map(str::to_owned).to_vec()];
        for (name, standing) in budgeted {
            table.push(vec![
                text::clean(name),
                amount(standing.spent),
                amount(standing.reserved),
                amount(standing.left().unwrap_or_default()),
                amount(standing.budget.unwrap_or_default()),
            ]);
        }
        lines.extend(laid_out(&table));
    }
    lines.join("\n")
}

/// The rows of a table: names to the left, numbers to the right.
fn laid_out(table: &[Vec<String>]) -> Vec<String> {
    let columns = table.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| table.iter().map(|row| text::width(&row[column])).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column == 0 { text::pad(cell, *width) } else { text::pad_left(cell, *width) }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    table.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{RunId, TaskId};
    use crate::model::reading::Tokens;

    fn spent(task: &str, provider: &str, day: &str, dollars: f64, basis: SpendBasis) -> Spent {
        Spent {
            run: RunId("R1".to_owned()),
            seq: 1,
            task: TaskId::new(task),
            attempt: 1,
            provider: Some(provider.to_owned()),
            model: None,
            layer: Some(4),
            day: day.to_owned(),
            amount: Money::usd(dollars),
            basis,
            tokens: Some(Tokens { input: 1_200, output: 300 }),
        }
    }

    fn rows() -> Vec<Spent> {
        vec![
            spent("T1", "kilo", "2026-11-01", 0.0, SpendBasis::Free),
            spent("T2", "openai", "2026-11-02", 0.25, SpendBasis::Reported),
            spent("T2", "openai", "2026-11-03", 1.0, SpendBasis::Bound),
            spent("T3", "other", "2026-11-03", 0.0001, SpendBasis::Priced),
        ]
    }

    #[test]
    fn sums_are_by_what_was_asked() {
        let names = |by| added_up(&rows(), by).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(SpendBy::Provider), ["openai", "other", "kilo"]);
        assert_eq!(names(SpendBy::Model), ["unknown"]);
        assert_eq!(names(SpendBy::Layer), ["4"]);
        assert_eq!(names(SpendBy::Task), ["R1 T2", "R1 T3", "R1 T1"]);
        assert_eq!(names(SpendBy::Day), ["2026-11-01", "2026-11-02", "2026-11-03"]);
        assert_eq!(names(SpendBy::Month), ["2026-11"]);
        let (_, run) = added_up(&rows(), SpendBy::Run).remove(0);
        assert_eq!((run.attempts, run.spent, run.assumed), (4, Money::usd(1.2501), Money::usd(1.0)));
        assert_eq!(run.tokens_in, 4_800);
    }

    #[test]
    fn a_person_sees_sums_what_is_assumed_and_what_is_left() {
        let standing =
            Standing { budget: Some(Money::usd(20.0)), spent: Money::usd(1.25), reserved: Money::usd(0.5) };
        let standings = [("openai".to_owned(), standing)].into();
        let shown = human("2026-11", SpendBy::Provider, &added_up(&rows(), SpendBy::Provider), &standings);
        let expected = "\
provider  attempts  tokens in  out   spent
openai           2         2k  600   $1.25
other            1         1k  300  <$0.01
kilo             1         1k  300   $0.00
together         4         5k   1k   $1.25

$1.00 of it is what was reserved: what those attempts used is not known

budget of the month  spent  reserved    left      of
openai               $1.25     $0.50  $18.25  $20.00";
        assert_eq!(shown, expected);
        let nothing = human("all", SpendBy::Day, &[], &BTreeMap::new());
        assert_eq!(nothing, "nothing was spent so far, and no use was told");
    }
}
