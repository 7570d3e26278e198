//! A plan and the options of a run become the tasks of that run.
//!
//! Names of agents and roles are looked up, defaults filled in (task, group, front matter, options), every
//! task gets its way into the run: to be run, skipped, or held with all reasons. What needs a held
//! task is held too. Tasks that touch the same files are kept apart, which makes no edge.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::assemble::ancestors;
use super::conflicts;
use super::contexts;
use super::names;
use super::order;
use super::types::Defaults;
use super::types::Plan;
use super::types::PlanCommand;
use super::types::PlanTask;
use super::who;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::diagnostics::suggest;
use crate::model::check::FieldFrom;
use crate::model::ids::TaskId;
use crate::model::run::GroupContext;
use crate::model::task::Entry;
use crate::model::task::FileVerb;
use crate::model::task::GroupLimit;
use crate::model::task::HeldReason;
use crate::model::task::Need;
use crate::model::task::PlanStatus;
use crate::model::task::TaskKind;
use crate::model::task::TaskSpec;
use crate::model::time::Span;

/// The agent that runs a shell command and nothing else.
pub(crate) const COMMAND: &str = "command";

/// What a name in plans stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Role {
    /// An agent.
    pub agent: String,
    /// The layer at which it starts.
    pub layer: Option<u8>,
}

/// What a run adds to its plan.
#[derive(Debug, Clone)]
pub struct ResolveOptions {
    /// The agents that there are, by name.
    pub agents: BTreeSet<String>,
    /// Names in plans and what they stand for; compared without case.
    pub roles: BTreeMap<String, Role>,
    /// The agent of tasks that ask for none.
    pub default_agent: Option<String>,
    /// Agents for single tasks by id; they beat all else.
    pub agent_for: BTreeMap<String, String>,
    /// Limit of one attempt of tasks that name none.
    pub timeout: Span,
    /// Further attempts of tasks that name none.
    pub retries: u32,
    /// Ids to run; empty: all.
    pub only: Vec<String>,
    /// Run what the ones in `only` need, too.
    pub with_deps: bool,
    /// Ids not to run.
    pub skip: Vec<String>,
    /// Ids taken as done, in the plan or not.
    pub assume_done: Vec<String>,
    /// Run a plan that says it is over, and tasks of groups that are.
    pub force: bool,
    /// Run optional tasks.
    pub optional: bool,
}

impl Default for ResolveOptions {
    fn default() -> Self {
        Self {
            agents: BTreeSet::new(),
            roles: BTreeMap::new(),
            default_agent: None,
            agent_for: BTreeMap::new(),
            timeout: Span::minutes(45),
            retries: 1,
            only: Vec::new(),
            with_deps: false,
            skip: Vec::new(),
            assume_done: Vec::new(),
            force: false,
            optional: false,
        }
    }
}

/// The tasks of a run, and what there is to say about them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolved {
    /// In plan order.
    pub tasks: Vec<TaskSpec>,
    /// What the plan says of the groups, for those whose tasks are in the run.
    pub contexts: Vec<GroupContext>,
    /// How the agent of each was chosen: by an option, by a role (with the name that the plan uses), by
    /// what the plan says, or not at all.
    pub agents: Vec<(FieldFrom, Option<String>)>,
    /// Besides those of the plan.
    pub diagnostics: Vec<Diagnostic>,
}

impl Resolved {
    /// Whether nothing may be run.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Joins a plan with the options of a run.
pub fn resolve(plan: &Plan, options: &ResolveOptions) -> Resolved {
    let mut diagnostics = Vec::new();
    let ids = Ids::new(plan);
    let only = ids.all(&options.only, "--only", &mut diagnostics);
    let skip = ids.all(&options.skip, "--skip", &mut diagnostics);
    let mut agent_for: BTreeMap<usize, &str> = BTreeMap::new();
    for (id, agent) in &options.agent_for {
        match ids.find(id) {
            Some(task) => {
                agent_for.insert(task, agent.as_str());
            }
            None => diagnostics.push(ids.unknown(id, "--agent")),
        }
    }
    let assumed: BTreeSet<String> = options.assume_done.iter().map(|id| names::folded(id)).collect();
    let done: BTreeSet<usize> = options.assume_done.iter().filter_map(|id| ids.find(id)).collect();
    let selected = selected(plan, options, &only);
    let entries: Vec<Entry> = plan
        .tasks
        .iter()
        .enumerate()
        .map(|(index, task)| {
            let asked = only.contains(&index);
            if done.contains(&index) {
                return Entry::Skip { why: "assumed done".to_owned() };
            }
            if task.status.is_met() {
                return entry(plan, options, task, asked, &assumed);
            }
            if skip.contains(&index) || !selected.contains(&index) {
                return Entry::Skip { why: "not selected".to_owned() };
            }
            entry(plan, options, task, asked, &assumed)
        })
        .collect();
    let left =
        entries.iter().filter(|entry| matches!(entry, Entry::Skip { why } if why == "optional")).count();
    if left > 0 {
        let message = format!("{left} optional {} left out", if left == 1 { "task is" } else { "tasks are" });
        diagnostics.push(
            Diagnostic::note("optional-skipped", Place::WHOLE, message)
                .hint("to run one, name it with --only"),
        );
    }
    // Where a group is over, what is left of it stands in nobody's way.
    let put_off = |task: usize| plan.tasks[task].is_put_off() && !options.force;
    let runs = |task: usize| !matches!(entries[task], Entry::Skip { .. }) && !put_off(task);
    let mut order = order::order(plan, &runs, &|task| {
        plan.tasks[task].optional && !options.optional && !only.contains(&task)
    });
    order.edges.retain(|(from, _, _)| !put_off(*from));
    let mut needs: Vec<Vec<Need>> = vec![Vec::new(); plan.tasks.len()];
    for (from, to, rule) in &order.edges {
        needs[*to].push(Need { task: plan.tasks[*from].id.clone(), rule: *rule });
    }
    let entries = spread(plan, entries, &order.edges);
    let mut names = Names { options, diagnostics: &mut diagnostics, unknown: BTreeMap::new() };
    let (contexts, context_of) = contexts::read(plan);
    let mut tasks: Vec<TaskSpec> = Vec::with_capacity(plan.tasks.len());
    let mut agents = Vec::with_capacity(plan.tasks.len());
    for (index, (task, entry)) in plan.tasks.iter().zip(entries).enumerate() {
        let pinned = agent_for.get(&index).copied();
        let mut made = spec(plan, task, entry, std::mem::take(&mut needs[index]), pinned, &mut names);
        made.contexts =
            ancestors(&plan.groups, plan.tasks[index].group).filter_map(|group| context_of[group]).collect();
        made.contexts.reverse();
        agents.push(names.chosen_by(plan, task, pinned));
        tasks.push(made);
    }
    names.tell();
    let pairs = conflicts::find(&tasks, &mut diagnostics);
    for (first, second) in pairs {
        let (a, b) = (tasks[first].id.clone(), tasks[second].id.clone());
        tasks[first].conflicts.push(b);
        tasks[second].conflicts.push(a);
    }
    Resolved { tasks, contexts, agents, diagnostics }
}

/// The tasks that the run is about.
fn selected(plan: &Plan, options: &ResolveOptions, only: &BTreeSet<usize>) -> BTreeSet<usize> {
    if options.only.is_empty() {
        return (0..plan.tasks.len()).collect();
    }
    if !options.with_deps {
        return only.clone();
    }
    let put_off = |task: usize| plan.tasks[task].is_put_off() && !options.force;
    let live = |task: usize| !plan.tasks[task].status.is_met() && !put_off(task);
    let order = order::order(plan, &live, &|task| plan.tasks[task].optional && !only.contains(&task));
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); plan.tasks.len()];
    for (from, to, _) in &order.edges {
        before[*to].push(*from);
    }
    let mut selected = only.clone();
    let mut open: Vec<usize> = only.iter().copied().collect();
    while let Some(task) = open.pop() {
        for first in &before[task] {
            if selected.insert(*first) {
                open.push(*first);
            }
        }
    }
    selected
}

fn entry(
    plan: &Plan,
    options: &ResolveOptions,
    task: &PlanTask,
    asked: bool,
    assumed: &BTreeSet<String>,
) -> Entry {
    // `--force` is about plans and groups that are over; what is ticked stays done.
    match task.status {
        PlanStatus::Done => return Entry::Skip { why: "done".to_owned() },
        PlanStatus::Skipped => return Entry::Skip { why: "skipped".to_owned() },
        PlanStatus::Open | PlanStatus::InProgress => {}
    }
    if task.optional && !options.optional && !asked {
        return Entry::Skip { why: "optional".to_owned() };
    }
    let mut reasons: Vec<HeldReason> = Vec::new();
    for reason in &task.held {
        let holds = match reason {
            HeldReason::MissingDependency(id) => !assumed.contains(&names::folded(id)),
            HeldReason::GroupDeferred(_) | HeldReason::PlanDone => !options.force,
            HeldReason::UnknownMarker(_)
            | HeldReason::Gate(_)
            | HeldReason::Optional
            | HeldReason::Needs(_) => true,
        };
        if holds && !reasons.contains(reason) {
            reasons.push(reason.clone());
        }
    }
    if plan.over && !options.force {
        reasons.push(HeldReason::PlanDone);
    }
    if reasons.is_empty() { Entry::Run } else { Entry::Hold { reasons } }
}

/// Holds what needs a held task.
fn spread(plan: &Plan, mut entries: Vec<Entry>, edges: &[order::Edge]) -> Vec<Entry> {
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); entries.len()];
    for (from, to, _) in edges {
        after[*from].push(*to);
    }
    let mut open: Vec<usize> =
        (0..entries.len()).filter(|task| matches!(entries[*task], Entry::Hold { .. })).collect();
    let mut told: BTreeSet<usize> = open.iter().copied().collect();
    while let Some(task) = open.pop() {
        for waiting in &after[task] {
            let reason = HeldReason::Needs(plan.tasks[task].id.clone());
            match &mut entries[*waiting] {
                Entry::Skip { .. } => continue,
                Entry::Hold { reasons } => {
                    // One name is enough: the first says where to look.
                    if !reasons.iter().any(|reason| matches!(reason, HeldReason::Needs(_))) {
                        reasons.push(reason);
                    }
                }
                entry @ Entry::Run => *entry = Entry::Hold { reasons: vec![reason] },
            }
            if told.insert(*waiting) {
                open.push(*waiting);
            }
        }
    }
    entries
}

/// Who may say something of a task, from the nearest to the farthest.
fn chain<'p>(plan: &'p Plan, task: &'p PlanTask) -> impl Iterator<Item = &'p Defaults> {
    std::iter::once(&task.own)
        .chain(ancestors(&plan.groups, task.group).map(|group| &plan.groups[group].defaults))
        .chain(std::iter::once(&plan.defaults))
}

fn spec(
    plan: &Plan,
    task: &PlanTask,
    entry: Entry,
    needs: Vec<Need>,
    pinned: Option<&str>,
    names: &mut Names<'_, '_>,
) -> TaskSpec {
    // From the nearest to the farthest; the first that says something counts.
    let chain: Vec<&Defaults> = chain(plan, task).collect();
    let (agent, role_layer) = if task.kind == TaskKind::Gate {
        (None, None)
    } else {
        match pinned {
            Some(name) => names.agent(name, task, true),
            None => match chain.iter().find_map(|defaults| defaults.agent.as_deref()) {
                Some(name) => names.agent(name, task, false),
                None => (names.options.default_agent.clone(), None),
            },
        }
    };
    let command = task.command.clone().or_else(|| {
        let runs_commands = agent.as_deref() == Some(COMMAND);
        task.shell.clone().filter(|_| runs_commands)
    });
    if agent.as_deref() == Some(COMMAND)
        && command.is_none()
        && matches!(entry, Entry::Run | Entry::Hold { .. })
    {
        names.diagnostics.push(
            Diagnostic::error(
                "no-command",
                Place::line(task.line),
                format!("task `{}` is for the agent `command`, and says no command", task.id),
            )
            .hint("add `- **Command**: ` with one code span, or one shell fence")
            .in_optional_file(task.file.as_deref()),
        );
    }
    let verify =
        chain.iter().find(|defaults| !defaults.verify.is_empty()).map(|defaults| defaults.verify.clone());
    let mut outputs: Vec<String> = task
        .files
        .iter()
        .filter(|claim| {
            claim.verb == Some(FileVerb::Create) && !claim.is_glob() && !claim.path.ends_with('/')
        })
        .map(|claim| claim.path.clone())
        .chain(task.outputs.iter().cloned())
        .collect();
    let mut seen = BTreeSet::new();
    outputs.retain(|path| seen.insert(path.clone()));
    TaskSpec {
        id: task.id.clone(),
        title: task.title.clone(),
        body: task.body.clone(),
        file: task.file.clone(),
        line: task.line,
        group: task.group.map(|group| plan.groups[group].title.clone()),
        contexts: Vec::new(),
        kind: task.kind,
        plan_status: task.status,
        entry,
        needs,
        conflicts: Vec::new(),
        group_limit: group_limit(plan, task),
        agent,
        model: chain.iter().find_map(|defaults| defaults.model.clone()),
        layer: chain.iter().find_map(|defaults| defaults.layer).or(role_layer),
        command: command.map(|command| command.text),
        files: task.files.clone(),
        outputs,
        verify: verify.unwrap_or_default().into_iter().map(|command| command.text).collect(),
        acceptance: task.acceptance.clone(),
        timeout: chain.iter().find_map(|defaults| defaults.timeout).unwrap_or(names.options.timeout),
        retries: chain.iter().find_map(|defaults| defaults.retries).unwrap_or(names.options.retries),
        priority: chain.iter().find_map(|defaults| defaults.priority),
        optional: task.optional,
        tick: task.tick.clone(),
    }
}

/// The limit of the innermost group that has one.
fn group_limit(plan: &Plan, task: &PlanTask) -> Option<GroupLimit> {
    let found = ancestors(&plan.groups, task.group).map(|group| &plan.groups[group]);
    found.into_iter().find_map(|group| {
        let at_most = group.limit.filter(|limit| *limit > 0)?;
        // The line tells groups with the same title apart, the file those of several plans.
        let file = task.file.as_deref().unwrap_or("");
        Some(GroupLimit { group: format!("{file}:{} {}", group.line, group.title), at_most })
    })
}

/// The commands of a task with their lines: what `check` lists.
pub(crate) fn commands_of(plan: &Plan, task: &PlanTask, spec: &TaskSpec) -> Vec<(&'static str, PlanCommand)> {
    let mut commands = Vec::new();
    if let Some(text) = &spec.command
        && spec.agent.as_deref() == Some(COMMAND)
    {
        let line = task.command.as_ref().or(task.shell.as_ref()).map_or(task.line, |command| command.line);
        commands.push(("command", PlanCommand { line, text: text.clone() }));
    }
    if let Some(defaults) = chain(plan, task).find(|defaults| !defaults.verify.is_empty()) {
        commands.extend(defaults.verify.iter().map(|command| ("verify", command.clone())));
    }
    commands
}

/// Looks names of agents up.
struct Names<'o, 'd> {
    options: &'o ResolveOptions,
    diagnostics: &'d mut Vec<Diagnostic>,
    /// Names that nobody knows: the file and id of the first task, and the lines of all.
    unknown: BTreeMap<String, (Option<String>, TaskId, Vec<u32>)>,
}

impl Names<'_, '_> {
    fn agent(&mut self, name: &str, task: &PlanTask, by_option: bool) -> (Option<String>, Option<u8>) {
        let bare = name.trim().trim_start_matches('@');
        if let Some(found) = who::find(bare, self.options) {
            return found;
        }
        if by_option {
            let message = format!("there is no agent `{name}`, which --agent asks for task `{}`", task.id);
            let diagnostic = self.hints(bare, Diagnostic::error("unknown-agent", Place::WHOLE, message));
            self.diagnostics.push(diagnostic);
        } else {
            let first = (task.file.clone(), task.id.clone(), Vec::new());
            self.unknown.entry(bare.to_owned()).or_insert(first).2.push(task.line);
        }
        (self.options.default_agent.clone(), None)
    }

    /// How the agent of a task is chosen, with the word that chose it.
    fn chosen_by(&self, plan: &Plan, task: &PlanTask, pinned: Option<&str>) -> (FieldFrom, Option<String>) {
        if let Some(name) = pinned {
            return (FieldFrom::Option, Some(format!("--agent {}={name}", task.id)));
        }
        let Some(name) = chain(plan, task).find_map(|defaults| defaults.agent.as_deref()) else {
            return (FieldFrom::Default, None);
        };
        let bare = name.trim().trim_start_matches('@');
        let same = |known: &str| known.trim_start_matches('@').eq_ignore_ascii_case(bare);
        if self.options.roles.keys().any(|known| same(known)) {
            (FieldFrom::Role, Some(bare.to_owned()))
        } else if self.options.agents.iter().any(|known| same(known)) {
            (FieldFrom::TaskList, None)
        } else {
            (FieldFrom::Default, Some(format!("nobody knows `{bare}`")))
        }
    }

    /// Tells each name that nobody knows once, where it stands first.
    fn tell(&mut self) {
        let instead = self.options.default_agent.as_deref();
        let instead = instead.map_or("any agent".to_owned(), |agent| format!("`{agent}`"));
        for (name, (file, id, lines)) in std::mem::take(&mut self.unknown) {
            let others = match lines.len() {
                0 | 1 => "goes".to_owned(),
                2 => "and 1 other go".to_owned(),
                count => format!("and {} others go", count - 1),
            };
            let message = format!("there is no agent `{name}`: task `{id}` {others} to {instead}");
            let place = lines.first().map_or(Place::WHOLE, |line| Place::line(*line));
            let diagnostic =
                Diagnostic::warning("unknown-agent", place, message).in_optional_file(file.as_deref());
            let mut diagnostic = self.hints(&name, diagnostic);
            if lines.len() > 1 {
                diagnostic = diagnostic.hint(format!("the tasks stand on lines {}", who::listed(&lines)));
            }
            self.diagnostics.push(diagnostic);
        }
    }

    fn hints(&self, name: &str, diagnostic: Diagnostic) -> Diagnostic {
        let known = self.options.agents.iter().chain(self.options.roles.keys()).map(String::as_str);
        let diagnostic = match suggest(name, known) {
            Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
            None => diagnostic,
        };
        diagnostic.hint(format!("to say who that is, add `\"{name}\" = \"...\"` below [roles]"))
    }
}

/// Ids of the plan as a command line may write them.
struct Ids<'p> {
    plan: &'p Plan,
    exact: BTreeMap<&'p str, usize>,
    folded: BTreeMap<String, Option<usize>>,
}

impl<'p> Ids<'p> {
    fn new(plan: &'p Plan) -> Self {
        let mut exact = BTreeMap::new();
        let mut folded: BTreeMap<String, Option<usize>> = BTreeMap::new();
        for (index, task) in plan.tasks.iter().enumerate() {
            exact.insert(task.id.as_str(), index);
            folded
                .entry(names::folded(task.id.as_str()))
                .and_modify(|known| *known = None)
                .or_insert(Some(index));
        }
        Self { plan, exact, folded }
    }

    fn find(&self, id: &str) -> Option<usize> {
        let id = id.trim();
        self.exact.get(id).copied().or_else(|| self.folded.get(&names::folded(id)).copied().flatten())
    }

    fn all(&self, ids: &[String], option: &str, diagnostics: &mut Vec<Diagnostic>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for id in ids {
            match self.find(id) {
                Some(task) => {
                    found.insert(task);
                }
                None => diagnostics.push(self.unknown(id, option)),
            }
        }
        found
    }

    fn unknown(&self, id: &str, option: &str) -> Diagnostic {
        let diagnostic = Diagnostic::error(
            "unknown-task",
            Place::WHOLE,
            format!("{option} names `{id}`, which the plan does not have"),
        );
        match suggest(id, self.plan.tasks.iter().map(|task| task.id.as_str())) {
            Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
            None => diagnostic.hint("orchestrate check shows the ids of all tasks"),
        }
    }
}
