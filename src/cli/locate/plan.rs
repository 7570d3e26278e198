//! The plan that a name means.
//!
//! A name with a separator is a path. A bare name is looked for in the working directory, then,
//! without regard to case, in the folders where plans lie; its ending may be left out.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::diagnostics::suggest;
use crate::plan;
use crate::plan::FolderChoice;

/// Where plans lie, relative to the working directory and to the root.
pub const PLAN_FOLDERS: [&str; 3] = ["plans", "plans/agent-shared", "docs/plans"];

/// Endings that a plan may have.
const ENDINGS: [&str; 6] = ["md", "markdown", "json", "yaml", "yml", "txt"];

/// How many entries of a folder are looked at: more is no folder of plans.
pub const MAX_FOLDER_ENTRIES: usize = 10_000;

/// What a plan is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanSource {
    /// Standard input.
    Stdin,
    /// A file, absolute.
    File(PathBuf),
    /// A folder that is a plan as a whole: its files are its tasks. Absolute.
    Folder(PathBuf),
}

/// A plan that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What it is read from.
    pub source: PlanSource,
    /// Whether it was searched for: then what was found is worth a line.
    pub searched: bool,
}

/// Why there is no plan to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It is not there.
    #[error("there is no plan `{name}`")]
    Missing {
        /// As typed.
        name: String,
        /// Where it was looked for, as shown.
        looked: Vec<String>,
        /// Plans there whose names are similar, as shown.
        similar: Vec<String>,
    },
    /// More than one fits.
    #[error("`{name}` may be any of {}", .found.join(", "))]
    Ambiguous {
        /// As typed.
        name: String,
        /// Those that fit, as shown.
        found: Vec<String>,
    },
    /// The folder holds no plan of a name that we know.
    #[error(
        "the folder `{folder}` holds none of tasks.md, plan.md, tasks.json, stories.yaml, and no files of one task each"
    )]
    NoPlanInFolder {
        /// As typed.
        folder: String,
        /// Files in it that might be meant, as shown.
        candidates: Vec<String>,
    },
    /// The folder holds more than is looked at, so tasks of it would be left out.
    #[error("the folder `{folder}` has more than {MAX_FOLDER_ENTRIES} entries, which is the limit")]
    TooMany {
        /// As typed.
        folder: String,
    },
    /// It is neither a file nor a folder.
    #[error("`{name}` is neither a file nor a folder")]
    Odd {
        /// As typed.
        name: String,
    },
    /// It may not be looked at.
    #[error("cannot look at `{name}`: {message}")]
    Unreadable {
        /// As typed.
        name: String,
        /// What the system said.
        message: String,
    },
}

impl PlanError {
    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Missing { looked, similar, .. } => {
                let mut hints: Vec<String> =
                    similar.iter().map(|plan| format!("did you mean `{plan}`?")).collect();
                hints.push(format!("looked in {}", looked.join(", ")));
                hints
            }
            Self::Ambiguous { .. } => vec!["give its path".to_owned()],
            Self::NoPlanInFolder { candidates, .. } => candidates
                .iter()
                .take(5)
                .map(|candidate| format!("to run one of its files: orchestrate --plan {candidate}"))
                .collect(),
            Self::TooMany { .. } => vec!["move tasks that are done to another folder".to_owned()],
            Self::Odd { .. } => vec!["to read a plan from a pipe: orchestrate --plan -".to_owned()],
            Self::Unreadable { .. } => Vec::new(),
        }
    }
}

/// Finds the plan that `name` means, seen from `directory` (absolute) in the project at `root`.
///
/// # Errors
/// If there is none, or more than one.
pub fn find_plan(name: &Path, directory: &Path, root: &Path) -> Result<Plan, PlanError> {
    if name == Path::new("-") {
        return Ok(Plan { source: PlanSource::Stdin, searched: false });
    }
    let shown = || name.display().to_string();
    let here = directory.join(name);
    match fs::metadata(&here) {
        Ok(kind) if kind.is_file() => return Ok(file(&here, false)),
        Ok(kind) if kind.is_dir() => return folder(name, &here),
        Ok(_) => return Err(PlanError::Odd { name: shown() }),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(PlanError::Unreadable { name: shown(), message: error.to_string() });
        }
        Err(_) => {}
    }
    let is_bare =
        name.components().count() == 1 && matches!(name.components().next(), Some(Component::Normal(_)));
    let Some(bare) = name.to_str().filter(|_| is_bare) else {
        let parent = here.parent().unwrap_or(directory).to_path_buf();
        let looked = vec![show(&parent, directory)];
        return Err(missing(name, &[parent], looked, directory));
    };
    search(name, bare, directory, root)
}

fn search(name: &Path, bare: &str, directory: &Path, root: &Path) -> Result<Plan, PlanError> {
    let mut folders = vec![directory.to_path_buf()];
    for base in [directory, root] {
        for folder in PLAN_FOLDERS {
            let folder = base.join(folder);
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }
    for folder in &folders {
        match fitting(folder, bare).as_slice() {
            [] => {}
            [only] => return Ok(file(only, true)),
            several => {
                let found = several.iter().map(|path| show(path, directory)).collect();
                return Err(PlanError::Ambiguous { name: bare.to_owned(), found });
            }
        }
    }
    let looked = folders.iter().map(|folder| show(folder, directory)).collect();
    Err(missing(name, &folders, looked, directory))
}

/// Files of a folder that a bare name means: those of exactly this name, else in other case, else
/// with an ending added, else both.
fn fitting(folder: &Path, bare: &str) -> Vec<PathBuf> {
    let names = plan_like(folder);
    let lower = bare.to_lowercase();
    let with_ending = |name: &str| {
        Path::new(name).file_stem().and_then(|stem| stem.to_str()).map(str::to_owned).unwrap_or_default()
    };
    let rules: [&dyn Fn(&str) -> bool; 4] = [
        &|name| name == bare,
        &|name| name.to_lowercase() == lower,
        &|name| with_ending(name) == bare,
        &|name| with_ending(name).to_lowercase() == lower,
    ];
    rules
        .iter()
        .map(|rule| names.iter().filter(|name| rule(name)).map(|name| folder.join(name)).collect::<Vec<_>>())
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

/// The names of a folder's files that may be plans, sorted.
fn plan_like(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .take(MAX_FOLDER_ENTRIES)
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            let ending = Path::new(name).extension().map(|ending| ending.to_string_lossy().to_lowercase());
            ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
        })
        .collect();
    names.sort();
    names
}

fn missing(name: &Path, folders: &[PathBuf], looked: Vec<String>, directory: &Path) -> PlanError {
    let wanted = name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = |name: &str| {
        Path::new(name).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let mut similar = Vec::new();
    for folder in folders {
        let names = plan_like(folder);
        let near: Vec<&String> = names
            .iter()
            .filter(|known| {
                let (one, other) = (stem(&wanted).to_lowercase(), stem(known).to_lowercase());
                let part_of = one.chars().count() >= 3 && (other.contains(&one) || one.contains(&other));
                part_of || suggest(&one, std::iter::once(other.as_str())).is_some()
            })
            .collect();
        similar.extend(near.into_iter().map(|name| show(&folder.join(name), directory)));
    }
    similar.truncate(5);
    PlanError::Missing { name: name.display().to_string(), looked, similar }
}

fn folder(name: &Path, path: &Path) -> Result<Plan, PlanError> {
    match plan::folder_choice(&names_in(path)) {
        FolderChoice::One(one) => Ok(file(&path.join(one), true)),
        FolderChoice::All(_) if plan::FOLDERS.iter().any(|below| is_crowded(&path.join(below))) => {
            Err(PlanError::TooMany { folder: name.display().to_string() })
        }
        FolderChoice::All(_) => Ok(Plan { source: PlanSource::Folder(absolute(path)), searched: false }),
        FolderChoice::Candidates(names) => {
            let candidates = names.iter().map(|file| name.join(file).display().to_string()).collect();
            Err(PlanError::NoPlanInFolder { folder: name.display().to_string(), candidates })
        }
    }
}

/// Whether a folder has more entries than are looked at.
fn is_crowded(folder: &Path) -> bool {
    fs::read_dir(folder)
        .is_ok_and(|entries| entries.take(MAX_FOLDER_ENTRIES + 1).count() > MAX_FOLDER_ENTRIES)
}

/// The names of the files that may be a plan or a part of one, relative to the folder that is named as the
/// plan, with `/`.
pub fn names_in(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for below in plan::FOLDERS {
        names.extend(plan_like(&folder.join(below)).into_iter().map(|name| format!("{below}{name}")));
    }
    names
}

fn file(path: &Path, searched: bool) -> Plan {
    Plan { source: PlanSource::File(absolute(path)), searched }
}

fn absolute(path: &Path) -> PathBuf {
    dunce::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// A path as a person can paste it: relative to the working directory where it lies in it.
fn show(path: &Path, directory: &Path) -> String {
    match path.strip_prefix(directory) {
        Ok(rest) if rest.as_os_str().is_empty() => ".".to_owned(),
        Ok(rest) => rest.display().to_string(),
        Err(_) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Project {
        _keep: tempfile::TempDir,
        root: PathBuf,
    }

    impl Project {
        fn new(files: &[&str]) -> Self {
            let keep = tempfile::tempdir().unwrap();
            let root = dunce::canonicalize(keep.path()).unwrap();
            for name in files {
                let path = root.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "- [ ] a\n").unwrap();
            }
            Self { _keep: keep, root }
        }

        fn find(&self, name: &str) -> Result<Plan, PlanError> {
            find_plan(Path::new(name), &self.root, &self.root)
        }

        fn found(&self, name: &str) -> (String, bool) {
            let plan = self.find(name).unwrap();
            match plan.source {
                PlanSource::File(path) => {
                    let path = path.strip_prefix(&self.root).unwrap().display().to_string();
                    (path.replace('\\', "/"), plan.searched)
                }
                PlanSource::Stdin | PlanSource::Folder(_) => panic!("{name} is no file"),
            }
        }
    }

    #[test]
    fn a_path_is_a_path_and_a_bare_name_is_searched_for() {
        let project =
            Project::new(&["a.md", "plans/Phase3.md", "docs/plans/b.json", "plans/agent-shared/c.md"]);
        assert_eq!(project.found("a.md"), ("a.md".to_owned(), false));
        assert_eq!(project.found("plans/Phase3.md"), ("plans/Phase3.md".to_owned(), false));
        assert_eq!(project.found("phase3.md"), ("plans/Phase3.md".to_owned(), true));
        assert_eq!(project.found("PHASE3"), ("plans/Phase3.md".to_owned(), true));
        assert_eq!(project.found("b"), ("docs/plans/b.json".to_owned(), true));
        assert_eq!(project.found("c.md"), ("plans/agent-shared/c.md".to_owned(), true));
        assert_eq!(project.find("-").unwrap().source, PlanSource::Stdin);
    }

    #[test]
    fn the_roots_folders_are_searched_from_below_too() {
        let project = Project::new(&["plans/x.md", "src/lib.md"]);
        let plan = find_plan(Path::new("x.md"), &project.root.join("src"), &project.root).unwrap();
        assert_eq!(plan, Plan { source: PlanSource::File(project.root.join("plans/x.md")), searched: true });
    }

    #[test]
    fn a_missing_plan_names_the_places_and_similar_names() {
        let project = Project::new(&["plans/phase3.md", "plans/phase4.md", "plans/other.md"]);
        let error = project.find("phse3.md").unwrap_err();
        assert_eq!(error.to_string(), "there is no plan `phse3.md`");
        let hints = error.hints().iter().map(|hint| hint.replace('\\', "/")).collect::<Vec<_>>();
        assert_eq!(
            hints,
            ["did you mean `plans/phase3.md`?", "looked in ., plans, plans/agent-shared, docs/plans"]
        );
        let error = project.find("plans/phase.md").unwrap_err();
        assert!(matches!(&error, PlanError::Missing { similar, .. } if similar.len() == 2), "{error:?}");
    }

    #[test]
    fn two_that_fit_are_both_named() {
        let project = Project::new(&["plans/a.md", "plans/a.json"]);
        let error = project.find("a").unwrap_err();
        assert!(matches!(&error, PlanError::Ambiguous { found, .. } if found.len() == 2), "{error:?}");
        assert_eq!(project.found("a.json").0, "plans/a.json");
    }

    #[test]
    fn folders_are_read_by_what_they_hold() {
        let project = Project::new(&[
            "one/tasks.md",
            "one/plan.md",
            "two/plan.md",
            "three/x.md",
            "four/task_1.txt",
            "five/config.yml",
            "five/tasks/task-1.md",
        ]);
        assert_eq!(project.found("one"), ("one/tasks.md".to_owned(), true));
        assert_eq!(project.found("two").0, "two/plan.md");
        assert_eq!(project.find("four").unwrap().source, PlanSource::Folder(project.root.join("four")));
        assert_eq!(project.find("five").unwrap().source, PlanSource::Folder(project.root.join("five")));
        let error = project.find("three").unwrap_err();
        assert_eq!(error.hints().len(), 1);
        assert!(error.hints()[0].contains("x.md"));
    }
}
