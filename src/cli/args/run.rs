//! `run` and `check`: everything that can be said of a plan and of how to run it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::reading::{self, AgentChoice, Bound};
use crate::model::ids::TaskId;
use crate::model::limits::LimitKind;
use crate::model::time::Span;

/// `orchestrate run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = RUN_HELP)]
pub struct RunCommand {
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

const RUN_HELP: &str = "\
Examples:
  orchestrate --plan phase3.md                     the same as `orchestrate run phase3.md`
  orchestrate run phase3.md --dry-run              show what would be run
  orchestrate run phase3.md -j 8 --timeout 20m     eight at once, twenty minutes for an attempt
  orchestrate run phase3.md --only T003 --with-deps
  orchestrate run phase3.md --agent kilo --agent T004=cline
  orchestrate run phase3.md --limit memory=4GiB --limit processes=200
  orchestrate run phase3.md --verify 'cargo test' --report out/result.json
  cat plan.md | orchestrate run -

A bare name is looked for in the working directory, then in plans/, plans/agent-shared/ and
docs/plans/, whatever its case. Every option can be set for good in orchestrate.toml; an option
counts before a variable, a variable before orchestrate.toml, that before your own file.";

/// `orchestrate check`.
#[derive(Debug, Clone, Args)]
#[command(after_help = CHECK_HELP)]
pub struct CheckCommand {
    /// Which plan.
    #[command(flatten)]
    pub plan: PlanName,
    /// How to read it.
    #[command(flatten)]
    pub reading: ReadingOptions,
    /// Which of its tasks.
    #[command(flatten)]
    pub selection: Selection,
    /// Say which signs decided the format, from where each field came, which rule made each edge, what
    /// the text advises, and what is no task and why
    #[arg(long, conflicts_with = "graph")]
    pub explain: bool,
    /// Draw the order instead; not with --output json, whose document has all edges
    #[arg(long, value_name = "FORM")]
    pub graph: Option<GraphForm>,
}

/// The form of a picture of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphForm {
    /// A Mermaid flowchart, as GitHub draws it
    Mermaid,
    /// For Graphviz: `| dot -Tsvg > order.svg`
    Dot,
    /// Waves and the longest chain, drawn on the terminal
    Text,
}

const CHECK_HELP: &str = "\
Examples:
  orchestrate check phase3.md
  orchestrate check phase3.md --explain
  orchestrate check phase3.md --graph text
  orchestrate check phase3.md --graph dot | dot -Tsvg > order.svg
  orchestrate check phase3.md --output json | jq '.edges'

Nothing is run. A wave holds what could start together; `:12` is a line of the plan. Beside each
task stands who does it, what it waits for, and the rule that made it wait: `explicit` (the plan
says so), `barrier` (its group comes after another), `order` (numbers, marks), `file` (both
touch one: never at the same time). What is left out is listed with the reason. Order in
sentences and diagrams makes no edge; --explain shows it beside the edges used, --use-diagrams
takes Mermaid arrows as dependencies. With --output json one document of the schema
`plan-check/v1` has all of that.";

/// The name of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[group(id = "plan_name", required = true, multiple = false)]
pub struct PlanName {
    /// The plan: a file, a folder, a bare name, or `-` for standard input
    #[arg(value_name = "PLAN")]
    pub place: Vec<PathBuf>,
    /// The same as PLAN; several plans are run as one
    #[arg(long, value_name = "PLAN")]
    pub plan: Vec<PathBuf>,
}

impl PlanName {
    /// The names, wherever they stood.
    pub fn all(&self) -> Vec<PathBuf> {
        self.place.iter().chain(&self.plan).cloned().collect()
    }
}

/// How to read a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(next_help_heading = "Reading the plan")]
pub struct ReadingOptions {
    /// Read it as this format, whatever it looks like
    #[arg(long, value_name = "NAME")]
    pub format: Option<String>,
    /// Read the tasks of this tag of a `tasks.json` [default: the current one]
    #[arg(long, value_name = "NAME")]
    pub tag: Option<String>,
    /// How much one agent gets: the innermost boxes, what the format calls a task, or a group
    #[arg(long, value_name = "SIZE")]
    pub granularity: Option<Granularity>,
    /// Which boxes may be tasks
    #[arg(long, value_name = "WHICH")]
    pub boxes: Option<BoxRule>,
    /// Take these dependencies, which the plan does not have, as done
    #[arg(long, value_name = "ID,...", value_delimiter = ',', value_parser = reading::task_id)]
    pub assume_done: Vec<TaskId>,
    /// Give the whole plan to one agent as one task
    #[arg(long, conflicts_with_all = ["granularity", "boxes"])]
    pub as_one: bool,
    /// Take the arrows of Mermaid graphs as dependencies, where nodes begin with ids of tasks
    #[arg(long, conflicts_with = "as_one")]
    pub use_diagrams: bool,
    /// Refuse a larger plan [default: 8MiB]
    #[arg(long, value_name = "SIZE", value_parser = reading::bytes)]
    pub max_plan_size: Option<u64>,
}

/// How much one agent gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Granularity {
    /// The innermost boxes
    Leaf,
    /// What the format calls a task
    Task,
    /// A whole group
    Group,
}

/// Which boxes may be tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BoxRule {
    /// Those that the rules of the format take
    Auto,
    /// Every box outside fences
    All,
}

/// Which tasks of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(next_help_heading = "Choosing tasks")]
pub struct Selection {
    /// Only these tasks
    #[arg(long, value_name = "ID,...", value_delimiter = ',', value_parser = reading::task_id)]
    pub only: Vec<TaskId>,
    /// With --only: what they wait for too
    #[arg(long, requires = "only")]
    pub with_deps: bool,
    /// Not these tasks; what waits for them need not wait
    #[arg(long, value_name = "ID,...", value_delimiter = ',', value_parser = reading::task_id)]
    pub skip: Vec<TaskId>,
}

/// How to run a plan.
#[derive(Debug, Clone, PartialEq, Default, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line, and they combine freely"
)]
pub struct RunOptions {
    /// How many attempts may run at once [default: 4]
    #[arg(short, long, value_name = "N", help_heading = "Running")]
    pub jobs: Option<u32>,
    /// Start nothing more after the first task that failed for good
    #[arg(long, help_heading = "Running")]
    pub fail_fast: bool,
    /// How often a task that failed is tried again [default: 1]
    #[arg(long, value_name = "N", help_heading = "Running")]
    pub retries: Option<u32>,
    /// Where attempts work [default: shared]
    #[arg(long, value_name = "WHERE", help_heading = "Running")]
    pub isolation: Option<IsolationChoice>,
    /// Show what would be run, and run nothing
    #[arg(long, help_heading = "Running")]
    pub dry_run: bool,
    /// Run the open tasks of a plan that says of itself that it is done or superseded
    #[arg(long, help_heading = "Running")]
    pub force: bool,
    /// Take every gate as approved
    #[arg(long, help_heading = "Running")]
    pub yes_gates: bool,
    /// Never write the plan: leave its boxes as they are
    #[arg(long, help_heading = "Running")]
    pub no_tick: bool,
    /// Allow a run inside a task of another run
    #[arg(long, help_heading = "Running")]
    pub nested: bool,
    /// Put TEXT before this run's task ids in the shared state, so that two runs of one plan can go on
    #[arg(long, value_name = "TEXT", help_heading = "Running")]
    pub id_prefix: Option<String>,

    /// The agent of all tasks that name none, or of one task (may be given several times)
    #[arg(long, value_name = "NAME|TASK=NAME", value_parser = reading::agent, help_heading = "Agents and models")]
    pub agent: Vec<AgentChoice>,
    /// Start at this layer of the model hierarchy
    #[arg(long, value_name = "N", value_parser = reading::layer, help_heading = "Agents and models")]
    pub layer: Option<u8>,
    /// Go no higher than this layer
    #[arg(long, value_name = "N", value_parser = reading::layer, help_heading = "Agents and models")]
    pub max_layer: Option<u8>,
    /// Allow layers that cost money; needs --reason
    #[arg(long, requires = "reason", help_heading = "Agents and models")]
    pub allow_paid: bool,
    /// Why money may be spent; kept with the run
    #[arg(long, value_name = "TEXT", requires = "allow_paid", help_heading = "Agents and models")]
    pub reason: Option<String>,
    /// What the run may spend at layers that cost money, in US dollars [default: no limit of its own]
    #[arg(long, value_name = "USD", value_parser = reading::usd, help_heading = "Agents and models")]
    pub budget: Option<f64>,

    /// How long one attempt may take [default: 45m]
    #[arg(long, value_name = "D", value_parser = reading::span, help_heading = "Time")]
    pub timeout: Option<Span>,
    /// How long an attempt may be quiet [default: 10m]
    #[arg(long, value_name = "D", value_parser = reading::span, help_heading = "Time")]
    pub idle_timeout: Option<Span>,
    /// How long the whole run may take [default: no limit]
    #[arg(long, value_name = "D", value_parser = reading::span, help_heading = "Time")]
    pub deadline: Option<Span>,
    /// How long to wait for a provider to be back [default: 30m]
    #[arg(long, value_name = "D", value_parser = reading::span, help_heading = "Time")]
    pub max_wait: Option<Span>,

    /// What one attempt may use, as `memory=4GiB`: memory, processes, output [default: 256MiB], disk (what
    /// its files may grow by), `disk_free` (what has to be left), or `none` (may be given several times)
    /// [env: `ORCHESTRATE_LIMIT_MEMORY` and so on]
    #[arg(long, value_name = "WHAT=SIZE", value_parser = reading::limit, help_heading = "Limits")]
    pub limit: Vec<(LimitKind, Bound)>,

    /// A command that every task has to pass besides its own (may be given several times)
    #[arg(long, value_name = "CMD", conflicts_with = "no_verify", help_heading = "Checking")]
    pub verify: Vec<String>,
    /// Run no check; the verdict says so
    #[arg(long, help_heading = "Checking")]
    pub no_verify: bool,
    /// Write a report, its form by its ending: .md, .json, .ndjson (may be given several times)
    #[arg(long, value_name = "FILE", help_heading = "Checking")]
    pub report: Vec<PathBuf>,
}

/// Where attempts work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IsolationChoice {
    /// In the checkout itself
    Shared,
    /// Each task in a git worktree of its own (not in this version)
    #[value(hide = true)]
    Worktree,
}
