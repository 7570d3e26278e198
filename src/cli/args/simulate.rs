//! `models simulate`: what `run` takes, and a scenario.

use std::path::PathBuf;

use clap::Args;

use super::run::{PlanName, ReadingOptions, RunOptions, Selection};

/// `orchestrate models simulate`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(after_help = "\
Examples:
  orchestrate models simulate phase3.md --scenario examples/scenarios/night-outage.toml
  orchestrate models simulate phase3.md --scenario outage.toml -j 8 --max-wait 2h
  orchestrate models simulate phase3.md --scenario empty.toml --allow-paid --reason 'to see what it costs'
  orchestrate models simulate phase3.md --scenario outage.toml --output json | jq .money

The plan and the configuration are read as `run` reads them, and the same decisions are made;
time is not waited for. No process is started, nothing is claimed and nothing is written:
--report, --nested and --dry-run change nothing here. docs/simulation.md says what a scenario
may hold.

Ends with 0 when the run was simulated to its end, whatever came of it: what `run` would end with
stands in the output. Otherwise as `run`: 2 for wrong use, 3 for a plan, configuration or scenario
with mistakes, 4 if there is nothing to run.")]
pub struct SimulateCommand {
    /// What providers answer, and how long tasks take
    #[arg(long, value_name = "FILE")]
    pub scenario: PathBuf,
    /// Only the agents that are installed here [default: all count as installed]
    #[arg(long)]
    pub installed: bool,
    /// Which plan.
    #[command(flatten)]
    pub plan: PlanName,
    /// How to read it.
    #[command(flatten)]
    pub reading: ReadingOptions,
    /// Which of its tasks.
    #[command(flatten)]
    pub selection: Selection,
    /// How to run them.
    #[command(flatten)]
    pub options: RunOptions,
}
