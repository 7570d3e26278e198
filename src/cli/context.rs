//! What every command needs to know: where it is, who calls it, how it is to print, what is
//! configured.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use crate::agents;
use crate::cli::args::run::RunOptions;
use crate::cli::args::{Cli, Command, Common, OutputForm};
use crate::cli::config::{self, AlertTable, CONFIG_FILE, Config, ConfigError, ConfigProblem};
use crate::cli::environment;
use crate::cli::exit::CliError;
use crate::cli::locate;
use crate::cli::settings::{self, RedisAsked, Settings, SettingsError, Sources};
use crate::cli::ui::{TerminalHints, Ui};
use crate::diagnostics::{self, Diagnostic, Place};
use crate::engine::clock::Clock;
use crate::engine::folders::{RunFolders, shown};
use crate::model::check::{CheckDiagnostic, Severity};
use crate::model::exit::ExitCode;
use crate::model::ids::RunId;
use crate::supervisor::EndedLeftovers;

/// What every command needs to know.
pub struct Context {
    /// The variables of the process.
    pub environment: BTreeMap<String, String>,
    /// How to print.
    pub ui: Ui,
    /// What is printed on stdout.
    pub output: OutputForm,
    /// The time.
    pub clock: Clock,
    /// The name of this host.
    pub host: String,
    /// The name of the user.
    pub user: String,
    /// The working directory, or what `-C` names; absolute.
    pub directory: PathBuf,
    /// The project's root, absolute.
    pub root: PathBuf,
    /// Where runs and their state are kept, absolute.
    pub state_dir: PathBuf,
    /// What stands before every key.
    pub prefix: String,
    /// That Redis was asked for.
    pub redis: Option<RedisAsked>,
    /// How long keys outlive a run.
    pub key_ttl: Duration,
    /// The run that was named.
    pub run: Option<String>,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// What dead supervisors had left, and was ended before this command began.
    pub leftovers: Vec<EndedLeftovers>,
    project_name: String,
    cache: PathBuf,
    common: Common,
    project: Option<Config>,
    personal: Option<Config>,
    /// What was wrong with these files, for a command that goes on all the same.
    mistakes: Vec<CliError>,
}

impl Context {
    /// Looks around for `cli`. `ui` is how to print until the configuration has been read.
    pub fn new(cli: &Cli, environment: BTreeMap<String, String>, clock: Clock) -> Result<Self, CliError> {
        let here = environment::working_directory().map_err(|error| {
            CliError::new(ExitCode::Environment, format!("the working directory cannot be read: {error}"))
        })?;
        let directory = match &cli.common.directory {
            None => here,
            Some(named) => dunce::canonicalize(here.join(named)).map_err(|error| {
                CliError::new(ExitCode::Usage, format!("`-C {}`: {error}", named.display()))
            })?,
        };
        let folders = environment::folders();
        let root = locate::find_root(&directory).path;
        let (mut project, mut personal) = (None, None);
        let mut mistakes = Vec::new();
        if reads_configuration(&cli.command) {
            let mut read = |path: &Path, shown: &str| match read_config(path, shown) {
                Err(error) if goes_on_without_configuration(&cli.command) => {
                    mistakes.push(error);
                    Ok(None)
                }
                other => other,
            };
            project = read(&root.join(CONFIG_FILE), CONFIG_FILE)?;
            if let Some(folders) = &folders {
                let path = folders.config_file();
                personal = read(&path, &path.display().to_string())?;
            }
        }
        let cache = environment::cache(folders.as_ref());
        let mut context = Self {
            ui: ui(&cli.common, &environment),
            output: cli.common.output.unwrap_or_default(),
            clock,
            host: environment::host(&environment),
            user: environment::user(&environment),
            directory,
            root,
            state_dir: PathBuf::new(),
            prefix: String::new(),
            redis: None,
            key_ttl: Duration::ZERO,
            run: None,
            home: folders.map(|folders| folders.home),
            leftovers: Vec::new(),
            project_name: String::new(),
            cache,
            common: cli.common.clone(),
            project,
            personal,
            mistakes,
            environment,
        };
        context.run = cli.common.run.clone().or_else(|| context.environment.get("ORCHESTRATE_RUN").cloned());
        let options = RunOptions::default();
        let basics = match settings::basics(&context.sources(&options)) {
            // The whole of the settings says it again.
            Err(_) if goes_on_without_configuration(&cli.command) => settings::basics(&context.defaults()),
            other => other,
        };
        let basics = basics.map_err(|error| refused(&error))?;
        context.state_dir = basics.state_dir;
        context.prefix = basics.prefix;
        context.project_name = basics.project;
        context.redis = basics.redis;
        context.key_ttl = basics.key_ttl.0;
        context.output = basics.output;
        context.ui = ui(&Common { color: Some(basics.color), ..cli.common.clone() }, &context.environment);
        Ok(context)
    }

    /// What options, variables and files mean together, for commands other than `run`.
    pub fn settings(&self) -> Result<Settings, CliError> {
        self.settings_for(&RunOptions::default())
    }

    /// What options, variables and files mean together.
    pub fn settings_for(&self, options: &RunOptions) -> Result<Settings, CliError> {
        settings::settings(&self.sources(options)).map_err(|error| refused(&error))
    }

    /// What options, variables and files mean together, or, where something is wrong with them, what
    /// holds without any of them, and all that is wrong.
    pub fn settings_or_defaults(&self) -> Result<(Settings, Vec<CliError>), CliError> {
        let mut mistakes = self.mistakes.clone();
        match settings::settings(&self.sources(&RunOptions::default())) {
            Ok(settings) => Ok((settings, mistakes)),
            Err(error) => {
                mistakes.push(refused(&error));
                let settings = settings::settings(&self.defaults()).map_err(|error| refused(&error))?;
                Ok((settings, mistakes))
            }
        }
    }

    /// The sources of settings without anything that somebody said.
    fn defaults(&self) -> Sources<'_> {
        static NOTHING: LazyLock<(Common, RunOptions, BTreeMap<String, String>)> =
            LazyLock::new(Default::default);
        let (common, options, environment) = &*NOTHING;
        Sources { common, options, environment, project: None, user: None, ..self.sources(options) }
    }

    /// The alerts that are configured, those of the project first, each with the file it stands in.
    pub fn alerts(&self) -> Vec<(&AlertTable, &str)> {
        let files = [&self.project, &self.personal].into_iter().flatten();
        files.flat_map(|file| file.alerts.iter().map(|alert| (alert, file.file.as_str()))).collect()
    }

    /// The project's name as it stands in key prefixes.
    pub fn project_name(&self) -> &str {
        &self.project_name
    }

    /// Whether more is to be told than usual.
    pub fn is_verbose(&self) -> bool {
        self.common.verbose > 0
    }

    /// Where agents keep what can be made again.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    fn sources<'a>(&'a self, options: &'a RunOptions) -> Sources<'a> {
        Sources {
            common: &self.common,
            options,
            environment: &self.environment,
            project: self.project.as_ref(),
            user: self.personal.as_ref(),
            presets: agents::presets::builtin(),
            root: &self.root,
            directory: &self.directory,
            seed: fastrand::u64(..),
        }
    }

    /// Whether nothing but errors is to be told.
    pub fn is_silent(&self) -> bool {
        self.common.quiet > 1
    }

    /// The folders of a run.
    pub fn folders(&self, root: &Path, run: &RunId) -> RunFolders {
        RunFolders::new(root, &self.state_dir, &self.cache, run)
    }

    /// A path as people can paste it: relative to the working directory where it lies below it.
    pub fn shown(&self, path: &Path) -> String {
        if path == self.directory {
            ".".to_owned()
        } else if path.starts_with(&self.directory) {
            shown(&self.directory, path)
        } else {
            path.display().to_string()
        }
    }
}

/// The error of settings that are wrong: all of them at once, each with what to do about it.
fn refused(error: &SettingsError) -> CliError {
    let told: Vec<String> = error
        .problems
        .iter()
        .map(|problem| {
            problem.hints.iter().fold(problem.to_string(), |told, hint| told + "\n  help: " + hint)
        })
        .collect();
    CliError::new(error.exit_code(), told.join("\nerror: "))
        .with_diagnostics(error.in_files().iter().map(document).collect())
}

/// Agents call these, and programs ask them of us: they do not depend on a configuration.
fn reads_configuration(command: &Command) -> bool {
    !matches!(
        command,
        Command::Complete(_) | Command::Progress(_) | Command::Schema(_) | Command::Completions(_)
    )
}

/// A command that is called because something is wrong has to work with a broken configuration.
fn goes_on_without_configuration(command: &Command) -> bool {
    matches!(command, Command::Doctor(_))
}

fn ui(common: &Common, environment: &BTreeMap<String, String>) -> Ui {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let hints = TerminalHints {
        no_color: set("NO_COLOR").is_some(),
        term: set("TERM").cloned(),
        locale: ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).cloned(),
        columns: set("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| *columns >= 20),
        ci: set("CI").is_some(),
    };
    Ui::new(common.color.unwrap_or_default(), common.quiet > 0, &hints)
}

fn read_config(path: &Path, shown: &str) -> Result<Option<Config>, CliError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(CliError::new(ExitCode::InvalidInput, format!("cannot read `{shown}`: {error}")));
        }
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        CliError::new(ExitCode::InvalidInput, format!("`{shown}` is not UTF-8 (byte {at})"))
            .hint("save it as UTF-8")
    })?;
    config::read(shown, &text).map(Some).map_err(|error| refused_config(&error))
}

/// The error of a configuration with mistakes: its message holds each of them with a caret.
pub fn refused_config(error: &ConfigError) -> CliError {
    let all: Vec<Diagnostic> = error.problems.iter().map(diagnostic).collect();
    let carets = diagnostics::render(&error.file, &error.text, &all, false);
    let carets = carets.trim_end().strip_prefix("error: ").unwrap_or(&carets).to_owned();
    CliError::new(ExitCode::InvalidInput, carets)
        .hint("`orchestrate schema config` prints what a configuration may hold; nothing was run")
        .with_diagnostics(error.problems.iter().map(document).collect())
}

fn diagnostic(problem: &ConfigProblem) -> Diagnostic {
    Diagnostic {
        file: None,
        code: "configuration",
        severity: Severity::Error,
        place: Place { line: problem.line, column: problem.column, length: problem.length },
        message: problem.message.clone(),
        hints: problem.hints.clone(),
    }
}

fn document(problem: &ConfigProblem) -> CheckDiagnostic {
    diagnostic(problem).to_document(&problem.file)
}
