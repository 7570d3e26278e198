//! `orchestrate doctor`: whether a run would work here, and what to do if not.
//!
//! Looks at files, asks each agent's program for its version and git for the repository. It asks
//! nobody over a network and changes nothing. Every question has a time limit, so it always ends.
//! With a broken configuration it looks at the defaults, and says so.

mod agents;
mod probe;
mod surroundings;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::agents::environment::{child_environment, provider_key};
use crate::agents::find::{self, Found, Origin};
use crate::agents::login::{Content, Login, Sources, login, login_provider};
use crate::agents::{presets, single_login, version_question};
use crate::cli::alerts;
use crate::cli::args::OutputForm;
use crate::cli::args::commands::DoctorCommand;
use crate::cli::config::CONFIG_FILE;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::locate::{self, RootReason};
use crate::cli::look;
use crate::cli::rights;
use crate::cli::settings::Settings;
use crate::cli::shared;
use crate::model::agent::{AdapterKind, AgentSpec, PassEnv};
use crate::model::doctor::{
    Doctor, DoctorFact, DoctorLogin, DoctorMachine, DoctorNote, DoctorVersion, Health,
};
use crate::model::exit::ExitCode;
use crate::model::layer::Layer;
use crate::model::record::Lease;
use crate::model::status::RunStatus;
use crate::model::time::Timestamp;
use crate::report::{self, DoctorAmount};
use crate::store::Store;
use crate::supervisor::{available_memory, free_space};

use agents::AgentFacts;
use probe::{Answer, Patience, Question};
use surroundings::{GitAnswers, StateLook, StoreLook};
use verdict::Whole;

/// How long a program has to answer. Cline was measured to take two seconds for its version, and on a
/// machine with ten times as much to do as it can more than ten.
const PATIENCE: Patience = Patience { idle: Duration::from_secs(10), whole: Duration::from_secs(30) };
/// How long the state folder has to be looked at.
const STATE_LIMIT: Duration = Duration::from_secs(10);
/// Files of the state folder that are counted.
const FILES: u32 = 100_000;
/// Bytes of a login file that are read.
const LOGIN_BYTES: u64 = 1024 * 1024;
/// What is asked of git, in this order.
const GIT: [&[&str]; 4] = [
    &["--version"],
    &["rev-parse", "--is-inside-work-tree"],
    &["status", "--porcelain"],
    &["config", "--get", "core.autocrlf"],
];

/// `orchestrate doctor`.
pub async fn doctor(context: &Context, _command: &DoctorCommand) -> Result<ExitCode, CliError> {
    let (settings, mistakes) = context.settings_or_defaults()?;
    let known = looked_at(context, &settings);
    let git = git(context);
    let mut questions: Vec<Question> = Vec::new();
    let mut asked: Vec<Option<usize>> = Vec::new();
    for agent in &known {
        let question = version_of(context, agent);
        asked.push(question.is_some().then_some(questions.len()));
        questions.extend(question);
    }
    let first_of_git = questions.len();
    questions.extend(git.iter().flatten().cloned());
    let answers = probe::ask(questions, PATIENCE).await?;
    let answer = |place: usize| answers.get(place);
    let git = match (0..GIT.len()).map(|place| answer(first_of_git + place)).collect::<Vec<_>>().as_slice() {
        &[Some(version), Some(inside), Some(status), Some(autocrlf)] => {
            Some(GitAnswers { version, inside, status, autocrlf })
        }
        _ => None,
    };

    let memory_available = available_memory();
    let mut agents = Vec::new();
    for (agent, place) in known.iter().zip(asked) {
        let facts = facts_of(context, &settings, agent, place.and_then(answer), memory_available);
        agents.push(agents::judge(&facts));
    }
    let providers: Vec<String> = settings
        .layers
        .iter()
        .map(|layer| {
            let agent = settings.agents.get(&layer.agent);
            agent.map_or(layer.provider.as_str(), |agent| login_provider(agent, layer)).to_owned()
        })
        .collect();
    let workspace = workspace(context, &settings, git.as_ref());
    let state = state(context, &settings).await;
    let (exit, summary) = verdict::verdict(&Whole {
        mistakes: mistakes.first().map(|mistake| mistake.exit),
        agents: &agents,
        layers: &settings.layers,
        providers: &providers,
        allow_paid: settings.run.allow_paid.is_some(),
        chosen: &chosen(&settings),
        workspace: &workspace,
        state: &state,
    });
    let least = known.iter().filter(|agent| agent.is_installed()).filter_map(|agent| agent.memory).min();
    let document = Doctor {
        schema: DoctorVersion::V1,
        exit_code: exit.code(),
        summary,
        root: context.root.clone(),
        configuration: configuration(&mistakes),
        diagnostics: mistakes.into_iter().flat_map(|mistake| mistake.diagnostics).collect(),
        agents,
        workspace,
        state,
        alerts: alerts::facts(context),
        machine: machine(context, memory_available, least),
    };
    show(context, &document)?;
    Ok(exit)
}

fn show(context: &Context, document: &Doctor) -> Result<(), CliError> {
    let amount = if context.is_silent() {
        DoctorAmount::Nothing
    } else if context.ui.quiet {
        DoctorAmount::Problems
    } else if context.is_verbose() {
        DoctorAmount::Everything
    } else {
        DoctorAmount::Usual
    };
    let text = match context.output {
        OutputForm::Human => report::doctor(document, &context.ui.stdout, amount),
        OutputForm::Json | OutputForm::Ndjson => report::line_json(document),
    };
    context.ui.data(&text)?;
    Ok(())
}

/// What is wrong with the configuration, and what that means here.
fn configuration(mistakes: &[CliError]) -> Vec<DoctorNote> {
    let mut notes: Vec<DoctorNote> = mistakes.iter().flat_map(notes_of).collect();
    if !notes.is_empty() {
        let told = "what follows is what holds without a configuration";
        notes.push(DoctorNote::new(Health::Warning, told));
    }
    notes
}

/// What is wrong with one source of the configuration, a note for each mistake.
fn notes_of(error: &CliError) -> Vec<DoctorNote> {
    // A file that could be read has its mistakes with their places; their pictures are for errors.
    if error.message.contains("-->") {
        let notes = error.diagnostics.iter().map(|mistake| {
            let place = format!("{}:{}:{}", mistake.file, mistake.line, mistake.column);
            let note = DoctorNote::new(Health::Error, format!("{place}: {}", mistake.message));
            mistake.hint.iter().fold(note, DoctorNote::cure)
        });
        return notes.collect();
    }
    let problems = error.message.split("\nerror: ").map(|problem| {
        let mut lines = problem.lines();
        let note = DoctorNote::new(Health::Error, lines.next().unwrap_or_default());
        let hint = lines.find_map(|line| line.trim().strip_prefix("help: "));
        hint.or(error.hints.first().map(String::as_str)).into_iter().fold(note, DoctorNote::cure)
    });
    problems.collect()
}

/// Agents that tasks get without naming one, and those that the configuration describes.
fn chosen(settings: &Settings) -> Vec<String> {
    let presets: BTreeMap<String, AgentSpec> =
        presets::builtin().into_iter().map(|preset| (preset.name.clone(), preset)).collect();
    let described = settings.agents.values().filter(|agent| !presets.contains_key(&agent.name));
    let names = settings.agent.iter().chain(settings.roles.values().filter_map(|role| role.agent.as_ref()));
    let names: BTreeSet<String> = names.cloned().chain(described.map(|agent| agent.name.clone())).collect();
    names.into_iter().filter(|name| name != "command").collect()
}

/// The agents that are looked at, with their programs: those that a layer or the configuration names, in
/// that order, then all others that are installed.
fn looked_at(context: &Context, settings: &Settings) -> Vec<AgentSpec> {
    let mut names: Vec<&str> = settings.layers.iter().map(|layer| layer.agent.as_str()).collect();
    let chosen = chosen(settings);
    names.extend(chosen.iter().map(String::as_str));
    let changed = presets::builtin();
    let is_changed = |name: &str| {
        changed.iter().any(|preset| preset.name == name && settings.agents.get(name) != Some(preset))
    };
    let rest = settings.agents.keys().map(String::as_str);
    let first_of_the_rest = names.len();
    names.extend(rest);
    let mut agents: Vec<AgentSpec> = Vec::new();
    for (place, name) in names.into_iter().enumerate() {
        let Some(spec) = settings.agents.get(name).filter(|spec| spec.kind != AdapterKind::Command) else {
            continue;
        };
        if agents.iter().any(|known| known.name == name) {
            continue;
        }
        let mut agent = spec.clone();
        find::fill_in(&mut agent, &context.environment, &context.root);
        if place < first_of_the_rest || agent.is_installed() || is_changed(name) {
            agents.push(agent);
        }
    }
    agents
}

/// The environment of an agent that is to reach a provider.
fn environment_of(
    context: &Context,
    settings: &Settings,
    agent: &AgentSpec,
    provider: Option<&str>,
) -> BTreeMap<String, String> {
    let key = provider_key(agent, provider, &settings.providers);
    child_environment(&context.environment, agent, key).variables
}

fn version_of(context: &Context, agent: &AgentSpec) -> Option<Question> {
    let program = agent.found.clone()?;
    // For its version it needs no secret, whatever it may see else.
    let agent = AgentSpec { pass_env: PassEnv::default(), ..agent.clone() };
    let environment = child_environment(&context.environment, &agent, None).variables;
    let question = version_question(&agent, &environment)?;
    let args = agent.found_args.iter().cloned().chain(question.args).collect();
    Some(Question { program, args, environment: question.environment, directory: None })
}

fn facts_of<'a>(
    context: &Context,
    settings: &Settings,
    agent: &'a AgentSpec,
    answer: Option<&'a Answer>,
    memory_available: Option<u64>,
) -> AgentFacts<'a> {
    let layers: Vec<&Layer> = settings.layers.iter().filter(|layer| layer.agent == agent.name).collect();
    let found = find::find_program(agent, &context.environment, &context.root);
    let source = found.as_ref().map(|found| source_of(context, found));
    let single = |provider| single_login(agent, provider, &context.environment, context.home.as_deref());
    let providers: Vec<Option<&str>> = match layers.as_slice() {
        [] => vec![None],
        layers => layers.iter().map(|layer| Some(layer.provider.as_str())).collect(),
    };
    AgentFacts {
        spec: agent,
        found: found.map(|found| found.seen),
        source,
        layers: layers.iter().map(|layer| layer.layer).collect(),
        logins: logins(context, settings, agent, &layers),
        one_at_a_time: agent.is_installed() && providers.into_iter().any(single),
        answer,
        memory_available,
    }
}

/// Who installed a program. A folder of `PATH` is anybody's: what the link in it leads to tells more.
fn source_of(context: &Context, found: &Found) -> &'static str {
    let behind = if found.origin == Origin::Path {
        find::origin(&found.program, &context.environment, &context.root)
    } else {
        found.origin
    };
    let told = if behind == Origin::Elsewhere { found.origin } else { behind };
    told.as_str()
}

/// What can be seen of the logins that an agent's layers need; without a layer of those it has.
fn logins(context: &Context, settings: &Settings, agent: &AgentSpec, layers: &[&Layer]) -> Vec<DoctorLogin> {
    let see = |limits: Option<&str>, provider: Option<&str>| {
        let environment = environment_of(context, settings, agent, limits);
        let sources = Sources {
            environment: &environment,
            home: context.home.as_deref(),
            root: &context.root,
            read: &read,
        };
        login(agent, provider, &sources)
    };
    let entry = |provider: Option<&str>, seen: Login| DoctorLogin {
        provider: provider.map(str::to_owned),
        layers: Vec::new(),
        state: seen.state,
        place: seen.place,
    };
    if layers.is_empty() {
        // The preset's own provider, or whichever.
        let own = provider_key(agent, None, &settings.providers);
        let is_described = agent.kind == AdapterKind::Program && own.is_none();
        return if is_described { Vec::new() } else { vec![entry(own, see(None, own))] };
    }
    let mut logins: Vec<DoctorLogin> = Vec::new();
    for layer in layers {
        let provider = login_provider(agent, layer);
        let place = logins.iter().position(|login| login.provider.as_deref() == Some(provider));
        let place = place.unwrap_or_else(|| {
            logins.push(entry(Some(provider), see(Some(&layer.provider), Some(provider))));
            logins.len() - 1
        });
        logins[place].layers.push(layer.layer);
    }
    logins
}

/// Reads a login file, if it is one of a sensible size.
fn read(path: &Path) -> Content {
    use std::io::Read as _;
    // A pipe or a device in its place would be waited for.
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Content::Absent,
        Ok(_) | Err(_) => return Content::Unreadable,
    }
    let mut text = String::new();
    let all = std::fs::File::open(path).and_then(|file| file.take(LOGIN_BYTES).read_to_string(&mut text));
    all.map_or(Content::Unreadable, |_| Content::Text(text))
}

/// The questions for git; none: it is not there.
fn git(context: &Context) -> Option<Vec<Question>> {
    let program = find::find_tool("git", &context.environment, &context.root)?;
    let mut environment = context.environment.clone();
    // A hook of git's that started us has set these for another repository.
    environment.retain(|name, _| {
        !["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"].contains(&name.as_str())
    });
    environment.insert("LC_ALL".to_owned(), "C".to_owned());
    environment.insert("GIT_OPTIONAL_LOCKS".to_owned(), "0".to_owned());
    let ask = |args: &&[&str]| Question {
        program: program.clone(),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        environment: environment.clone(),
        directory: Some(context.root.clone()),
    };
    Some(GIT.iter().map(ask).collect())
}

fn workspace(context: &Context, settings: &Settings, git: Option<&GitAnswers<'_>>) -> Vec<DoctorFact> {
    let reason = match locate::find_root(&context.directory).reason {
        RootReason::Config => CONFIG_FILE,
        RootReason::Git => "git repository",
        RootReason::Directory => "the working directory",
    };
    let error = write_error(&context.root);
    // Where it is the working directory there is nothing left of its path relative to that.
    let shown = context.root.display().to_string();
    let mut facts = vec![surroundings::root(&shown, reason, error.as_deref())];
    facts.extend(surroundings::git(git));
    let shell = settings.agents.get("command");
    let shell = shell.and_then(|shell| find::find_program(shell, &context.environment, &context.root));
    facts.push(surroundings::shell(shell.as_ref().map(|shell| shell.program.as_path())));
    facts
}

/// Why nothing can be written into a folder, or, where it is not there, into the nearest above it.
fn write_error(folder: &Path) -> Option<String> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    // A file that has no name, or loses it at once.
    tempfile::tempfile_in(there).err().map(|error| error.to_string())
}

async fn state(context: &Context, settings: &Settings) -> Vec<DoctorFact> {
    let folder = context.state_dir.clone();
    let host = context.host.clone();
    let now = context.clock.now();
    let look = tokio::task::spawn_blocking(move || {
        let lives = |lease: &Lease| look::holder_lives(lease, &host, now);
        look_at_state(&folder, &lives, now)
    });
    let look = tokio::time::timeout(STATE_LIMIT, look).await.ok().and_then(Result::ok);
    let mut facts = vec![surroundings::embedded(&context.shown(&context.state_dir), look.as_ref())];
    if let Some(asked) = &settings.redis {
        let looked = shared::state(context);
        let look = match &looked {
            Ok(shared::Found::There(redis)) => Ok(redis.address().to_string()),
            Ok(shared::Found::Without(error)) => Err((error.to_string(), error.hints())),
            Ok(shared::Found::NotAsked) => return facts,
            Err(error) => Err((error.message.clone(), error.hints.clone())),
        };
        facts.push(surroundings::redis(asked.required, &context.prefix, &look));
        if let Ok(shared::Found::There(redis)) = &looked {
            facts.extend(surroundings::rights(&rights::doubts_of(context, redis)));
        }
    }
    facts
}

fn look_at_state(folder: &Path, lives: &dyn Fn(&Lease) -> bool, now: Timestamp) -> StateLook {
    let runs = Store::open_existing(folder)
        .and_then(|store| store.map(|store| store.runs_at(now, lives)).transpose());
    let store = match runs {
        Ok(None) => StoreLook::None,
        Ok(Some(runs)) => {
            let running = runs.iter().filter(|run| run.status == RunStatus::Running).count();
            let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
            StoreLook::Known { runs: number(runs.len()), running: number(running) }
        }
        Err(error) => StoreLook::Failed { message: error.to_string(), hints: error.hints() },
    };
    StateLook { store, size: size_of(folder), write_error: write_error(folder) }
}

/// Bytes of all files below a folder; none: there are more than anybody wants to count.
fn size_of(folder: &Path) -> Option<u64> {
    let mut bytes: u64 = 0;
    let mut left = FILES;
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok) {
            left = left.checked_sub(1)?;
            // Not followed, where it is a link.
            let Ok(found) = entry.metadata() else { continue };
            if found.is_dir() {
                folders.push(entry.path());
            } else {
                bytes = bytes.saturating_add(found.len());
            }
        }
    }
    Some(bytes)
}

fn machine(context: &Context, memory_available: Option<u64>, least_needed: Option<u64>) -> DoctorMachine {
    let cores = std::thread::available_parallelism().ok();
    let cores = cores.and_then(|cores| u32::try_from(cores.get()).ok());
    let free = |folder: &Path| folder.ancestors().find(|folder| folder.exists()).and_then(free_space);
    let (state_free, cache_free) = (free(&context.state_dir), free(context.cache()));
    let mut facts = vec![surroundings::memory(memory_available, cores, least_needed)];
    facts.extend(surroundings::disk("disk", &context.shown(&context.state_dir), state_free));
    // The same figure twice says nothing.
    if cache_free != state_free {
        facts.extend(surroundings::disk("cache", &context.shown(context.cache()), cache_free));
    }
    DoctorMachine { cores, memory_available, state_free, cache_free, facts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_size_is_that_of_all_its_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join("a/b/one"), [0; 300]).unwrap();
        std::fs::write(folder.path().join("two"), [0; 40]).unwrap();
        assert_eq!(size_of(folder.path()), Some(340));
        assert_eq!(size_of(&folder.path().join("none")), Some(0));
    }

    #[test]
    fn login_files_are_read_and_nothing_else_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth.json");
        assert_eq!(read(&file), Content::Absent);
        assert_eq!(read(folder.path()), Content::Unreadable);
        std::fs::write(&file, "{}").unwrap();
        assert_eq!(read(&file), Content::Text("{}".to_owned()));
        std::fs::write(&file, b"\xff").unwrap();
        assert_eq!(read(&file), Content::Unreadable);
    }

    #[test]
    fn mistakes_of_the_configuration_become_notes() {
        let plain = CliError::new(ExitCode::InvalidInput, "`x` is not UTF-8").hint("save it as UTF-8");
        let notes = notes_of(&plain);
        assert_eq!(notes, [DoctorNote::new(Health::Error, "`x` is not UTF-8").cure("save it as UTF-8")]);
        let two = CliError::new(ExitCode::Usage, "`A`: no number\n  help: write one\nerror: `B`: odd");
        let notes = notes_of(&two);
        assert_eq!(notes[0], DoctorNote::new(Health::Error, "`A`: no number").cure("write one"));
        assert_eq!(notes[1], DoctorNote::new(Health::Error, "`B`: odd"));
    }
}
