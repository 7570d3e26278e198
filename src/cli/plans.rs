//! Plans as they are named on the command line: their files, what is read from them, what is wrong with
//! them. Several plans are read as one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::cli::args::run::{BoxRule, Granularity, ReadingOptions, Selection};
use crate::cli::asked;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::folder;
use crate::cli::locate::{self, PlanSource};
use crate::cli::settings::Settings;
use crate::diagnostics::{self, Diagnostic};
use crate::engine::folders::shown;
use crate::masking;
use crate::model::check::Severity;
use crate::model::exit::ExitCode;
use crate::model::ids::TaskId;
use crate::model::run::{PlanReading, RoleChoice};
use crate::plan::{self, BriefText, Plan, PlanState, ReadOptions, ResolveOptions, Resolved, Role};
use crate::report::text::count_of;

/// The words for how finely a plan is cut, as a run keeps them.
const LEAF: &str = "leaf";
const TASK: &str = "task";
const GROUP: &str = "group";

/// A plan's bytes, and what it is called.
pub struct PlanFile {
    /// Absolute; none: standard input.
    pub path: Option<PathBuf>,
    /// Relative to the working directory where it lies below it: for people.
    pub shown: String,
    /// Relative to the project's root, with `/`; absolute outside of it: for documents.
    pub name: String,
    /// As they are.
    pub bytes: Vec<u8>,
}

/// The plans of a command: one, or several that are run as one.
pub struct PlanText {
    /// In the order in which they were named.
    pub files: Vec<PlanFile>,
    /// SHA-256 of each document that their tasks refer to.
    briefs: Vec<String>,
    /// What they say.
    plan: Plan,
}

impl PlanText {
    fn new(context: &Context, files: Vec<PlanFile>, reading: &PlanReading) -> Self {
        let mut text = Self { files, briefs: Vec::new(), plan: Plan::default() };
        let plans = text.files.iter().map(|file| {
            let options = read_options(context, file, reading);
            let mut plan = match folder::files(&file.bytes, &file.name) {
                Some(files) => plan::read_folder(&files, &options),
                None => plan::read(&file.bytes, &options),
            };
            // What is refused unread has no text to look at.
            if let Some(words) = std::str::from_utf8(&file.bytes).ok().filter(|_| !plan.has_errors()) {
                plan.diagnostics.extend(plan::secrets(words, &|text| masking::mask(text) != text));
            }
            let said = text.waited_for(context, file, &plan.depends_on_plans, reading);
            plan.diagnostics.extend(said);
            (file.name.clone(), plan)
        });
        let mut plan = plan::join(plans.collect());
        let mut briefs = Vec::new();
        let named = text.by_name();
        // Many tasks may refer to one large document: together they take no more than a plan may.
        let mut left = limit(reading);
        plan::attach(&mut plan, |path, file| {
            let from = file.map_or_else(|| text.files.first(), |file| named.get(file).copied());
            let (found, hash) = brief(context, from, path, left);
            if let BriefText::Read(text) = &found {
                left = left.saturating_sub(u64::try_from(text.len()).unwrap_or(u64::MAX));
            }
            briefs.extend(hash);
            found
        });
        text.plan = plan;
        text.briefs = briefs;
        text
    }

    /// What they say, once.
    pub fn take_plan(&mut self) -> Plan {
        std::mem::take(&mut self.plan)
    }

    /// As a run and documents name it: the names of its files.
    pub fn name(&self) -> String {
        self.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(" + ")
    }

    /// As people see it.
    pub fn shown(&self) -> String {
        self.files.iter().map(|file| file.shown.as_str()).collect::<Vec<_>>().join(" + ")
    }

    /// The plan's file, the first of several.
    pub fn path(&self) -> Option<PathBuf> {
        self.files.first().and_then(|file| file.path.clone())
    }

    /// The files of the further plans.
    pub fn more_paths(&self) -> Vec<PathBuf> {
        self.files.iter().skip(1).filter_map(|file| file.path.clone()).collect()
    }

    /// The files of those plans that are folders, as shown.
    pub fn folder_files(&self) -> Vec<String> {
        let files = self.files.iter().filter_map(|file| folder::files(&file.bytes, &file.name));
        files.flatten().map(|file| file.path).collect()
    }

    /// SHA-256 of its bytes, hexadecimal; of several files, and of documents that tasks refer to, that of
    /// their hashes.
    pub fn hash(&self) -> String {
        match self.files.as_slice() {
            [one] if self.briefs.is_empty() => sha256(&one.bytes),
            several => {
                let hashes =
                    several.iter().map(|file| sha256(&file.bytes)).chain(self.briefs.iter().cloned());
                sha256(hashes.collect::<String>().as_bytes())
            }
        }
    }

    /// The files by their names; of several with one name, the first.
    fn by_name(&self) -> BTreeMap<&str, &PlanFile> {
        self.files.iter().rev().map(|file| (file.name.as_str(), file)).collect()
    }

    /// The files of the folders among the plans, by their names with the folder's in front.
    fn in_folders(&self) -> BTreeMap<String, Vec<u8>> {
        let folders = self.files.iter().rev().filter_map(|file| folder::files(&file.bytes, &file.name));
        folders.flat_map(|files| files.into_iter().rev()).map(|file| (file.path, file.bytes)).collect()
    }

    /// Says what is wrong or odd, each with the file that it is about.
    pub fn show(&self, context: &Context, all: &[Diagnostic]) {
        let mut about: BTreeMap<Option<&str>, Vec<Diagnostic>> = BTreeMap::new();
        for known in all {
            about.entry(known.file.as_deref()).or_default().push(known.clone());
        }
        let (named, in_folders) = (self.by_name(), self.in_folders());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut shown = String::new();
        for (file, here) in about {
            let (name, text) = match (file, self.files.as_slice()) {
                (None, []) => (String::new(), String::new()),
                (None, [one]) => (one.shown.clone(), text(&one.bytes)),
                (None, [..]) => (self.shown(), String::new()),
                (Some(file), _) => match named.get(file) {
                    Some(plan) => (plan.shown.clone(), text(&plan.bytes)),
                    None => {
                        (file.to_owned(), in_folders.get(file).map_or_else(String::new, |bytes| text(bytes)))
                    }
                },
            };
            shown.push_str(&diagnostics::render(&name, &text, &here, context.ui.stderr.color));
        }
        context.ui.say(&masking::mask(&shown));
    }

    /// What there is to say of plans that a plan names as its dependencies.
    fn waited_for(
        &self,
        context: &Context,
        from: &PlanFile,
        names: &[String],
        reading: &PlanReading,
    ) -> Vec<Diagnostic> {
        let said = |name: &String| {
            let (state, found) =
                if self.files.iter().any(|other| plan::is_named(name, &from.name, &other.name)) {
                    (PlanState::Here, name.clone())
                } else {
                    state_of(context, from, name, reading)
                };
            plan::dependency_plan(name, &found, &from.shown, state)
        };
        names.iter().filter_map(said).collect()
    }
}

/// The document that a task refers to, from the folder of its plan or the project's root, and its hash.
/// Fewer bytes than `left` may be read.
fn brief(context: &Context, from: Option<&PlanFile>, path: &str, left: u64) -> (BriefText, Option<String>) {
    let folder = from.and_then(|file| file.path.as_deref()).and_then(Path::parent);
    let path = path.replace('\\', "/");
    let places =
        [Some(context.root.as_path()), folder].into_iter().flatten().map(|folder| folder.join(&path));
    let Some(found) = places.into_iter().find(|place| place.is_file()) else {
        return (BriefText::Missing, None);
    };
    // A plan is text that anybody may have written: what it has read into prompts stays in the project.
    let is_inside = dunce::canonicalize(&found)
        .is_ok_and(|real| dunce::canonicalize(&context.root).is_ok_and(|root| real.starts_with(root)));
    if !is_inside {
        return (BriefText::Unreadable("it is outside of the project".to_owned()), None);
    }
    match read_bounded(&found, left) {
        Err(error) => (BriefText::Unreadable(error.to_string()), None),
        Ok(bytes) if bytes.len() as u64 >= left => {
            let why = "with the others that were read before it, it is larger than a plan may be";
            (BriefText::Unreadable(why.to_owned()), None)
        }
        Ok(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) => {
                let text = text.trim_start_matches('\u{feff}').to_owned();
                (BriefText::Read(text), Some(sha256(&bytes)))
            }
            Err(_) => (BriefText::Unreadable("it is not UTF-8".to_owned()), None),
        },
    }
}

/// The folder of another phase, beside the one a plan is in: `01-01` is in `01-rooms`.
fn phase_folder(folder: &Path, name: &str) -> Option<PathBuf> {
    let (phase, _) = name.split_once('-').filter(|(phase, _)| phase.parse::<f32>().is_ok())?;
    let entries = std::fs::read_dir(folder.parent()?).ok()?.take(locate::MAX_FOLDER_ENTRIES).flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .and_then(|name| name.split_once('-'))
                .is_some_and(|(number, _)| number == phase)
        })
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found.into_iter().next()
}

/// How far a plan is that another one names, and its file as shown; where there is none, its name.
fn state_of(context: &Context, from: &PlanFile, name: &str, reading: &PlanReading) -> (PlanState, String) {
    let folder = from.path.as_deref().and_then(Path::parent).unwrap_or(&context.directory);
    let endings = ["", ".md", ".plan.md", "-PLAN.md"];
    let written = name.replace('\\', "/");
    // `02-rooms-01` says in words which phase the plan `02-01` is of.
    let outer = written.split_once('-').zip(written.rsplit_once('-'));
    let short = outer.map(|((phase, _), (_, plan))| format!("{phase}-{plan}-PLAN.md"));
    let places = |folder: &Path| {
        let named = endings.map(|ending| folder.join(format!("{written}{ending}")));
        named.into_iter().chain(short.as_ref().map(|short| folder.join(short)))
    };
    let beside = phase_folder(folder, &written);
    let folders = [Some(folder), Some(&*context.root), beside.as_deref()].into_iter().flatten();
    let Some(path) = folders.flat_map(places).find(|path| path.exists()) else {
        return (PlanState::Missing, name.to_owned());
    };
    let shown = context.shown(&dunce::canonicalize(&path).unwrap_or(path.clone()));
    // GSD leaves a summary beside a plan that was carried out.
    let stem = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix("-PLAN.md"));
    if stem.is_some_and(|stem| path.with_file_name(format!("{stem}-SUMMARY.md")).is_file()) {
        return (PlanState::Open(0), shown);
    }
    // A folder is no file that can be read.
    let Ok(bytes) = read_bounded(&path, limit(reading)) else { return (PlanState::Unknown, shown) };
    let other = plan::read(&bytes, &ReadOptions { path: Some(shown.clone()), ..ReadOptions::default() });
    let open = || other.tasks.iter().filter(|task| !task.status.is_met() && !task.optional).count();
    let state = if other.over {
        PlanState::Open(0)
    } else if other.has_errors() {
        PlanState::Unknown
    } else {
        PlanState::Open(open())
    };
    (state, shown)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |hash, byte| hash + &format!("{byte:02x}"))
}

/// A plan that was read, with what was made of it.
pub struct ReadPlan {
    /// Where it is from.
    pub file: PlanText,
    /// What it says.
    pub plan: Plan,
    /// What of it a run is made of.
    pub resolved: Resolved,
}

impl ReadPlan {
    /// Reads a plan, and looks whether what it asks for is to be had.
    pub fn of(mut file: PlanText, reading: &PlanReading, settings: &Settings) -> Self {
        let plan = file.take_plan();
        let agents = settings.agents.keys().cloned().collect();
        let mut read = Self::resolved(file, plan, reading, agents);
        read.resolved.diagnostics.extend(asked::not_to_be_had(&read.resolved.tasks, settings));
        read
    }

    /// The plan as it was read, resolved for `agents`.
    pub fn resolved(file: PlanText, plan: Plan, reading: &PlanReading, agents: BTreeSet<String>) -> Self {
        let resolved = plan::resolve(&plan, &resolve_options(reading, agents));
        Self { file, plan, resolved }
    }

    /// The text of the plan, the first of several.
    pub fn text(&self) -> String {
        self.file
            .files
            .first()
            .map_or(String::new(), |file| String::from_utf8_lossy(&file.bytes).into_owned())
    }

    fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.plan.diagnostics.iter().chain(&self.resolved.diagnostics)
    }

    /// Whether it cannot be run.
    pub fn has_errors(&self) -> bool {
        self.diagnostics().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Says everything that is wrong or odd, on stderr.
    pub fn show_diagnostics(&self, context: &Context) {
        let all: Vec<Diagnostic> = self.diagnostics().cloned().collect();
        if all.is_empty() || (context.ui.quiet && !self.has_errors()) {
            return;
        }
        self.file.show(context, &all);
    }

    /// The error that ends the command where the plan has mistakes.
    pub fn refuse(&self) -> Result<(), CliError> {
        if !self.has_errors() {
            return Ok(());
        }
        let shown = self.file.shown();
        let documents = self.diagnostics().map(|diagnostic| diagnostic.to_document(&shown)).collect();
        let errors = || self.diagnostics().filter(|known| known.severity == Severity::Error);
        // An option that names what the plan does not have is wrong use, and no mistake of the plan.
        let exit = if errors().all(|known| known.code == "unknown-task") {
            ExitCode::Usage
        } else {
            ExitCode::InvalidInput
        };
        let mistakes = errors().count();
        let count = count_of(u64::try_from(mistakes).unwrap_or(u64::MAX), "mistake");
        Err(CliError::new(exit, format!("`{shown}` has {count}: nothing was run"))
            .with_diagnostics(documents))
    }
}

/// How the plan is to be read, and what of it is run: by options and configuration.
pub fn reading_of(
    settings: &Settings,
    reading: &ReadingOptions,
    selection: &Selection,
    force: bool,
) -> PlanReading {
    let roles = settings.roles.iter().filter_map(|(name, role)| {
        Some((name.clone(), RoleChoice { agent: role.agent.clone()?, layer: role.layer }))
    });
    PlanReading {
        format: reading.format.clone(),
        tag: reading.tag.clone(),
        granularity: reading.granularity.map(|size| {
            match size {
                Granularity::Leaf => LEAF,
                Granularity::Task => TASK,
                Granularity::Group => GROUP,
            }
            .to_owned()
        }),
        boxes_all: reading.boxes == Some(BoxRule::All),
        as_one: reading.as_one,
        use_diagrams: reading.use_diagrams,
        max_size: reading.max_plan_size,
        assume_done: reading.assume_done.clone(),
        only: selection.only.clone(),
        with_deps: selection.with_deps,
        skip: selection.skip.clone(),
        force,
        agent: settings.agent.clone(),
        agent_for: settings.agent_for.clone(),
        roles: roles.collect(),
        timeout: settings.timeout,
        retries: settings.retries,
    }
}

/// The same as options of the reader.
pub fn read_options(context: &Context, file: &PlanFile, reading: &PlanReading) -> ReadOptions {
    ReadOptions {
        path: Some(file.shown.clone()),
        root: Some(context.root.to_string_lossy().into_owned()),
        format: reading.format.clone(),
        granularity: reading.granularity.as_deref().and_then(|size| match size {
            LEAF => Some(plan::Granularity::Leaf),
            TASK => Some(plan::Granularity::Task),
            GROUP => Some(plan::Granularity::Group),
            _ => None,
        }),
        tag: reading.tag.clone(),
        current_tag: file.path.as_deref().and_then(folder::current_tag),
        boxes_all: reading.boxes_all,
        as_one: reading.as_one,
        use_diagrams: reading.use_diagrams,
        max_size: reading.max_size.unwrap_or(ReadOptions::MAX_SIZE),
        assume_done: texts(&reading.assume_done),
    }
}

fn resolve_options(reading: &PlanReading, agents: BTreeSet<String>) -> ResolveOptions {
    let role = |role: &RoleChoice| Role { agent: role.agent.clone(), layer: role.layer };
    ResolveOptions {
        agents,
        roles: reading.roles.iter().map(|(name, known)| (name.clone(), role(known))).collect(),
        default_agent: reading.agent.clone(),
        agent_for: reading
            .agent_for
            .iter()
            .map(|(task, agent)| (task.as_str().to_owned(), agent.clone()))
            .collect(),
        timeout: reading.timeout,
        retries: reading.retries,
        only: texts(&reading.only),
        with_deps: reading.with_deps,
        skip: texts(&reading.skip),
        assume_done: texts(&reading.assume_done),
        force: reading.force,
        ..ResolveOptions::default()
    }
}

fn texts(ids: &[TaskId]) -> Vec<String> {
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}

/// Finds the plans and reads their bytes.
///
/// # Errors
/// [`ExitCode::InvalidInput`] if one is not there or cannot be read; [`ExitCode::Usage`] if one is named
/// twice, or standard input beside others.
pub fn plan_text(context: &Context, names: &[PathBuf], reading: &PlanReading) -> Result<PlanText, CliError> {
    let mut files: Vec<PlanFile> = Vec::with_capacity(names.len());
    let mut known: BTreeSet<Option<PathBuf>> = BTreeSet::new();
    for name in names {
        let file = one(context, name, reading)?;
        if file.path.is_none() && names.len() > 1 {
            return Err(CliError::new(ExitCode::Usage, "a plan from standard input stands alone")
                .hint("put it into a file to run it with others"));
        }
        if !known.insert(file.path.clone()) {
            return Err(CliError::new(ExitCode::Usage, format!("the plan `{}` is named twice", file.shown)));
        }
        files.push(file);
    }
    Ok(PlanText::new(context, files, reading))
}

/// Finds a plan and reads its bytes, at most one more than may be read of them.
fn one(context: &Context, name: &Path, reading: &PlanReading) -> Result<PlanFile, CliError> {
    let found = locate::find_plan(name, &context.directory, &context.root).map_err(|error| {
        let mut cli = CliError::new(ExitCode::InvalidInput, error.to_string());
        cli.hints = error.hints();
        cli
    })?;
    let file = match found.source {
        PlanSource::Stdin => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(limit(reading)).read_to_end(&mut bytes).map_err(|error| {
                CliError::new(
                    ExitCode::InvalidInput,
                    format!("cannot read the plan from standard input: {error}"),
                )
            })?;
            PlanFile { path: None, shown: "-".to_owned(), name: "-".to_owned(), bytes }
        }
        PlanSource::File(path) => {
            let seen = context.shown(&path);
            let bytes = read_bounded(&path, limit(reading)).map_err(|error| {
                CliError::new(ExitCode::InvalidInput, format!("cannot read `{seen}`: {error}"))
            })?;
            PlanFile { name: shown(&context.root, &path), shown: seen, path: Some(path), bytes }
        }
        PlanSource::Folder(path) => {
            let seen = context.shown(&path);
            let bytes = folder::bytes(&path, &seen, limit(reading))?;
            PlanFile { name: shown(&context.root, &path), shown: seen, path: Some(path), bytes }
        }
    };
    if found.searched {
        context.ui.note(&format!("plan {}", file.shown));
    }
    Ok(file)
}

fn limit(reading: &PlanReading) -> u64 {
    reading.max_size.unwrap_or(ReadOptions::MAX_SIZE).saturating_add(1)
}

/// How often a file is read again that was written meanwhile.
const ROUNDS: usize = 3;

/// Reads a file, `most` bytes of it. What is written while it is read may be half of what it is to be: it is
/// read again, and refused if that does not end.
fn read_bounded(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    for _ in 0..ROUNDS {
        let mut file = std::fs::File::open(path)?;
        let state = |file: &std::fs::File| {
            Ok::<_, std::io::Error>((file.metadata()?.len(), file.metadata()?.modified()?))
        };
        let before = state(&file)?;
        let mut bytes = Vec::new();
        (&mut file).take(most).read_to_end(&mut bytes)?;
        let is_too_large = u64::try_from(bytes.len()).is_ok_and(|size| size >= most);
        if is_too_large || state(&file)? == before {
            return Ok(bytes);
        }
    }
    Err(std::io::Error::other("it is being written: try again when that is over"))
}
