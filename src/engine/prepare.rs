//! What has to be there before an attempt's process starts: folders, prompt, environment, command.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use crate::agents::prompt::PromptInput;
use crate::agents::{self, AttemptContext};
use crate::engine::folders::RunFolders;
use crate::model::agent::{AdapterKind, AgentSpec};
use crate::model::ids::{AttemptKey, RunId, TaskId};
use crate::model::layer::Rung;
use crate::model::run::{GroupContext, RunSpec};
use crate::model::task::TaskSpec;
use crate::model::time::Span;
use crate::model::view::RunView;
use crate::schema;
use crate::store::{Grant, keys};
use crate::supervisor::{Accept, AttemptJob, CheckTicket, Places};
use crate::workspace::put_in_place;

/// How long an agent that has left a valid completion may go on before it is ended.
const LINGER: Duration = Duration::from_mins(1);

/// What preparing needs to know of this machine and user.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The environment of the caller.
    pub environment: BTreeMap<String, String>,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// The folder of our own program, so that agents can call it.
    pub program_folder: Option<PathBuf>,
    /// The working directory: paths are told so that they can be pasted there.
    pub directory: PathBuf,
    /// What no child's environment may hold, whatever it is called there: the password of the run's
    /// own shared state.
    pub secrets: Vec<String>,
}

/// One attempt as the scheduler asks for it.
#[derive(Debug, Clone)]
pub struct AttemptOrder<'a> {
    /// Which.
    pub key: &'a AttemptKey,
    /// The task.
    pub task: &'a TaskSpec,
    /// Where it runs.
    pub rung: &'a Rung,
    /// How long it may take.
    pub timeout: Span,
    /// What the agent has to know of earlier attempts.
    pub note: Option<&'a str>,
    /// The session it goes on with.
    pub session: Option<&'a str>,
    /// Where its agent keeps its data: a new folder, or that of the session.
    pub data: &'a Path,
    /// The user that it has in the shared state.
    pub grant: Option<&'a Grant>,
}

/// Makes everything an attempt needs and says how it is started.
pub fn prepare(
    spec: &RunSpec,
    view: &RunView,
    folders: &RunFolders,
    surroundings: &Surroundings,
    workspace: &Path,
    order: &AttemptOrder<'_>,
) -> anyhow::Result<AttemptJob> {
    let agent = spec
        .agents
        .get(&order.rung.agent)
        .ok_or_else(|| anyhow!("agent `{}` is not among the run's agents", order.rung.agent))?;
    let AttemptKey { task: task_id, attempt } = order.key;
    let folder = folders.attempt(task_id, *attempt);
    put_unrecorded_aside(&folder)?;
    make_private_folder(&folder)?;
    let completion = folder.join("completion.json");
    let prompt_file = folder.join("prompt.md");
    if agent.kind != AdapterKind::Command {
        let dependencies = dependency_reports(view, order.task);
        let verify: Vec<String> = checks_of(spec, order.task);
        let place = |place: &u32| spec.contexts.get(usize::try_from(*place).ok()?);
        let contexts: Vec<&GroupContext> = order.task.contexts.iter().filter_map(place).collect();
        let prompt = agents::prompt::build(&PromptInput {
            task: order.task,
            preamble: &spec.preamble,
            contexts: &contexts,
            plan_title: &spec.plan_title,
            run_id: &spec.run_id,
            attempt: *attempt,
            dependencies: &dependencies,
            verify: &verify,
            completion: &completion,
            workspace,
            note: order.note,
            goes_on: order.session.is_some(),
            agent,
            completion_rule: agent.completion,
        });
        write_private_file(&prompt_file, prompt.as_bytes())?;
    }
    let environment = attempt_environment(spec, surroundings, agent, order, workspace, &completion);
    let command = agents::command(&AttemptContext {
        task: order.task,
        agent,
        rung: order.rung,
        attempt: *attempt,
        folder: &folder,
        data: order.data,
        workspace,
        completion: &completion,
        prompt_file: &prompt_file,
        environment,
        home: surroundings.home.as_deref(),
        session: order.session,
        timeout: order.timeout,
        idle_timeout: spec.settings.idle_timeout,
    })?;
    let grace = command.grace.unwrap_or(spec.settings.grace).0;
    Ok(AttemptJob {
        key: order.key.clone(),
        run: spec.run_id.clone(),
        command,
        folder,
        ours: folders.state().to_owned(),
        timeout: order.timeout.0,
        idle_timeout: spec.settings.idle_timeout.0,
        grace,
        linger: LINGER,
        completion,
        accept: acceptor(spec.run_id.clone(), order.key.clone()),
        onlooker: None,
        limits: agent.limits,
        places: Places {
            own: vec![folders.attempt(task_id, *attempt), order.data.to_path_buf()],
            shared: Some(workspace.to_path_buf()),
        },
        reader: agents::reader(agent, order.rung.provider.as_deref()),
    })
}

/// The commands that check a task: its own, then the run's, unless checks are off.
pub fn checks_of(spec: &RunSpec, task: &TaskSpec) -> Vec<String> {
    if spec.settings.no_verify {
        return Vec::new();
    }
    task.verify.iter().chain(&spec.settings.verify).cloned().collect()
}

fn acceptor(run: RunId, key: AttemptKey) -> Accept {
    Arc::new(move |bytes| schema::completion(bytes, &run, &key))
}

/// What the tasks that this one depends on reported.
fn dependency_reports(view: &RunView, task: &TaskSpec) -> Vec<(TaskId, String)> {
    task.needs
        .iter()
        .filter_map(|need| {
            let summary = view.task(&need.task)?.last_attempt()?.summary.clone()?;
            Some((need.task.clone(), summary))
        })
        .collect()
}

fn attempt_environment(
    spec: &RunSpec,
    surroundings: &Surroundings,
    agent: &AgentSpec,
    order: &AttemptOrder<'_>,
    workspace: &Path,
    completion: &Path,
) -> BTreeMap<String, String> {
    let key = agents::environment::provider_key(agent, order.rung.provider.as_deref(), &spec.providers);
    let mut variables =
        agents::environment::child_environment(&surroundings.environment, agent, key).variables;
    keep_secret(&mut variables, &surroundings.secrets);
    add_to_path(&mut variables, surroundings.program_folder.as_deref());
    let own = [
        ("ORCHESTRATE_RUN", spec.run_id.as_str().to_owned()),
        ("ORCHESTRATE_TASK", order.key.task.as_str().to_owned()),
        ("ORCHESTRATE_ATTEMPT", order.key.attempt.to_string()),
        ("ORCHESTRATE_COMPLETION", completion.to_string_lossy().into_owned()),
        ("ORCHESTRATE_WORKSPACE", workspace.to_string_lossy().into_owned()),
        ("ORCHESTRATE_ROOT", spec.root.to_string_lossy().into_owned()),
        ("ORCHESTRATE_REPORT_KEY", keys::report(spec, &order.key.task)),
        // Agents and shells trust it more than the directory itself.
        ("PWD", workspace.to_string_lossy().into_owned()),
    ];
    variables.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
    if let Some(grant) = order.grant {
        variables.insert("ORCHESTRATE_REPORT_URL".to_owned(), grant.url.clone());
        variables.insert("REDIS_PREFIX".to_owned(), grant.prefix.clone());
    }
    variables
}

/// The environment of verify commands: as an agent of the kind `command` would have it.
pub fn check_environment(
    spec: &RunSpec,
    surroundings: &Surroundings,
    ticket: &CheckTicket,
    directory: &Path,
) -> BTreeMap<String, String> {
    let mut variables = match spec.agents.get("command") {
        Some(agent) => {
            agents::environment::child_environment(&surroundings.environment, agent, None).variables
        }
        None => BTreeMap::new(),
    };
    keep_secret(&mut variables, &surroundings.secrets);
    add_to_path(&mut variables, surroundings.program_folder.as_deref());
    let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
    set("ORCHESTRATE_RUN", spec.run_id.as_str().to_owned());
    set("ORCHESTRATE_ROOT", spec.root.to_string_lossy().into_owned());
    set("ORCHESTRATE_WORKSPACE", directory.to_string_lossy().into_owned());
    set("PWD", directory.to_string_lossy().into_owned());
    if let CheckTicket::Task(key) = ticket {
        set("ORCHESTRATE_TASK", key.task.as_str().to_owned());
        set("ORCHESTRATE_ATTEMPT", key.attempt.to_string());
    }
    variables
}

/// Shorter ones are looked for as whole values, for they are parts of ordinary words.
const SHORTEST_PART: usize = 6;

/// Leaves out what holds a secret.
fn keep_secret(variables: &mut BTreeMap<String, String>, secrets: &[String]) {
    variables.retain(|name, value| !holds_secret(name, value, secrets));
}

/// Whether a variable holds one of these secrets, under whatever name: `CACHE_URL` may be the run's
/// own Redis too. A folder whose name is like a password is none.
pub fn holds_secret(name: &str, value: &str, secrets: &[String]) -> bool {
    if ["PATH", "HOME"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return false;
    }
    secrets.iter().any(|secret| {
        value == secret
            || (secret.len() >= SHORTEST_PART && value.contains(secret.as_str()))
            // The password's place in an address.
            || value.contains(&format!(":{secret}@"))
    })
}

/// Lets agents call `orchestrate complete`, behind everything the user's own PATH names.
fn add_to_path(variables: &mut BTreeMap<String, String>, folder: Option<&Path>) {
    let Some(folder) = folder else { return };
    let name = variables
        .keys()
        .find(|name| name.eq_ignore_ascii_case("PATH"))
        .cloned()
        .unwrap_or_else(|| "PATH".to_owned());
    let value = variables.remove(&name).unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&value).collect();
    if !folders.iter().any(|known| known == folder) {
        folders.push(folder.to_path_buf());
    }
    let joined = std::env::join_paths(folders).map_or(value, |joined| joined.to_string_lossy().into_owned());
    variables.insert(name, joined);
}

/// Makes room for an attempt that is about to begin. What lies at its place is of an attempt with the
/// same number whose start a loss of power took out of the journal: a completion among it would count
/// for an agent that has written none. It is kept beside, for whoever wants to look.
fn put_unrecorded_aside(folder: &Path) -> anyhow::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let aside = folder.with_extension("unrecorded");
    match std::fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove `{}`", aside.display()));
        }
        Ok(()) | Err(_) => {}
    }
    std::fs::rename(folder, &aside)
        .with_context(|| format!("cannot move `{}` away, which is of an earlier attempt", folder.display()))
}

/// Makes a folder that its owner alone may enter, with all above it.
pub fn make_private_folder(folder: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder).with_context(|| format!("cannot make the folder `{}`", folder.display()))
}

/// Writes a file that its owner alone may read, where there is none. For places at which nobody waits
/// for it: a crash may leave a part.
pub fn create_private_file(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)?.write_all(content)
}

/// Writes a file that its owner alone may read, whole or not at all.
pub fn write_private_file(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    let failed = || format!("cannot write `{}`", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(content).with_context(failed)?;
    put_in_place(file, path).with_context(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_under_any_name() {
        let holds = |name: &str, value: &str| holds_secret(name, value, &["hush-hush".to_owned()]);
        assert!(
            holds("CACHE", "redis://u:hush-hush@h") && holds("X", "hush-hush") && holds("X", "a hush-hush b")
        );
        assert!(
            !holds("X", "hush") && !holds("PATH", "/opt/hush-hush/bin") && !holds("home", "/home/hush-hush")
        );
        let short = |value: &str| holds_secret("X", value, &["ab".to_owned()]);
        assert!(short("ab") && short("redis://:ab@h"));
        assert!(!short("cab"), "it would be found in words");
        assert!(!holds_secret("X", "", &[]));
    }
}
