//! What we ask of git: that our own files stay out of the user's commits.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::WorkspaceError;

/// What our own `.gitignore` in the state folder says.
pub const OWN_IGNORE: &str = "/.gitignore\n/orchestrate.db*\n/runs/\n";

/// The names in the state folder that git is to leave alone.
const OWN_NAMES: [&str; 2] = ["orchestrate.db*", "runs/"];

/// How our files are kept out of commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignoring {
    /// By a `.gitignore` of ours in the state folder.
    OwnFile,
    /// By `.git/info/exclude`, since the state folder has a `.gitignore` of the user's.
    Exclude,
    /// Not at all: the state folder has a `.gitignore` of the user's, and lies in no repository.
    Nothing,
}

/// Keeps our files in `state_dir` (which is there) out of the user's commits.
///
/// A `.gitignore` that is not ours, or that git tracks, is left alone. `git` is the program, absolute;
/// none: it is not installed.
///
/// # Errors
/// If a file cannot be read or written.
pub fn keep_out_of_commits(state_dir: &Path, git: Option<&Path>) -> Result<Ignoring, WorkspaceError> {
    let file = state_dir.join(".gitignore");
    let found = match fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(WorkspaceError::io("read", &file, error)),
    };
    let is_tracked = is_tracked(git, state_dir, Path::new(".gitignore"));
    if !is_tracked {
        match found.as_deref().map(|text| text.replace("\r\n", "\n")) {
            Some(text) if text == OWN_IGNORE => return Ok(Ignoring::OwnFile),
            Some(_) => {}
            None => {
                create_private(&file)
                    .and_then(|mut created| std::io::Write::write_all(&mut created, OWN_IGNORE.as_bytes()))
                    .map_err(|error| WorkspaceError::io("write", &file, error))?;
                return Ok(Ignoring::OwnFile);
            }
        }
    }
    exclude(git, state_dir)
}

fn create_private(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Adds our files to `.git/info/exclude`, once.
fn exclude(git: Option<&Path>, state_dir: &Path) -> Result<Ignoring, WorkspaceError> {
    let (Some(top), Some(list)) = (
        ask(git, state_dir, &["rev-parse", "--show-toplevel"]),
        ask(git, state_dir, &["rev-parse", "--git-path", "info/exclude"]),
    ) else {
        return Ok(Ignoring::Nothing);
    };
    let real = dunce::canonicalize(state_dir).unwrap_or_else(|_| state_dir.to_path_buf());
    let top = dunce::canonicalize(&top).unwrap_or_else(|_| PathBuf::from(&top));
    let Ok(inside) = real.strip_prefix(&top) else {
        return Ok(Ignoring::Nothing);
    };
    let inside = inside.to_string_lossy().replace('\\', "/");
    let base = if inside.is_empty() { "/".to_owned() } else { format!("/{inside}/") };
    // Git answers relative to the folder in which it was asked.
    let list = state_dir.join(list);
    let present = fs::read_to_string(&list).unwrap_or_default();
    let missing: Vec<String> = OWN_NAMES
        .iter()
        .map(|name| format!("{base}{name}"))
        .filter(|line| !present.lines().any(|known| known.trim_end() == line))
        .collect();
    if missing.is_empty() {
        return Ok(Ignoring::Exclude);
    }
    let failed = |error| WorkspaceError::io("write", &list, error);
    if let Some(folder) = list.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = fs::OpenOptions::new().create(true).append(true).open(&list).map_err(failed)?;
    let gap = if present.is_empty() || present.ends_with('\n') { "" } else { "\n" };
    file.write_all(format!("{gap}# orchestrate\n{}\n", missing.join("\n")).as_bytes()).map_err(failed)?;
    Ok(Ignoring::Exclude)
}

/// Whether git tracks a file, seen from `directory`. Without git or a repository nothing is.
fn is_tracked(git: Option<&Path>, directory: &Path, file: &Path) -> bool {
    ask_for(git, directory, |git| {
        git.args(["ls-files", "--error-unmatch", "-z", "--"]).arg(file);
    })
    .is_some()
}

/// What git answers; none: it is not there, or refuses.
fn ask(git: Option<&Path>, directory: &Path, arguments: &[&str]) -> Option<String> {
    ask_for(git, directory, |git| {
        git.args(arguments);
    })
}

fn ask_for(git: Option<&Path>, directory: &Path, add_arguments: impl FnOnce(&mut Command)) -> Option<String> {
    let mut git = Command::new(git?);
    git.arg("-C").arg(directory);
    add_arguments(&mut git);
    // A hook of git's that started us has set these for another repository.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        git.env_remove(name);
    }
    let answer = git
        .env("LC_ALL", "C")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|answer| answer.status.success())?;
    Some(String::from_utf8(answer.stdout).ok()?.trim_end_matches(['\n', '\r']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one of the machine that the tests run on.
    fn git() -> &'static Path {
        Path::new("git")
    }

    struct Repository {
        _keep: tempfile::TempDir,
        root: PathBuf,
        state: PathBuf,
    }

    impl Repository {
        fn new(with_git: bool) -> Self {
            let keep = tempfile::tempdir().unwrap();
            let root = dunce::canonicalize(keep.path()).unwrap();
            let state = root.join("plans/agent-shared");
            fs::create_dir_all(&state).unwrap();
            let repository = Self { _keep: keep, root, state };
            if with_git {
                repository.git(&["init", "-q"]);
            }
            repository
        }

        fn git(&self, arguments: &[&str]) -> String {
            ask(Some(git()), &self.root, arguments).unwrap_or_else(|| panic!("git {arguments:?}"))
        }

        fn untracked(&self) -> String {
            for name in ["orchestrate.db", "orchestrate.db-wal", "runs/01J/plan.md"] {
                let path = self.state.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "x").unwrap();
            }
            self.git(&["status", "--porcelain", "--untracked-files=all"])
        }
    }

    #[test]
    fn our_own_file_hides_what_is_ours() {
        let repository = Repository::new(true);
        assert_eq!(keep_out_of_commits(&repository.state, Some(git())).unwrap(), Ignoring::OwnFile);
        assert_eq!(keep_out_of_commits(&repository.state, Some(git())).unwrap(), Ignoring::OwnFile);
        assert_eq!(repository.untracked(), "");
    }

    #[test]
    fn without_git_there_are_no_commits_to_keep_out_of() {
        let repository = Repository::new(true);
        assert!(!is_tracked(None, &repository.state, Path::new(".gitignore")));
        assert_eq!(keep_out_of_commits(&repository.state, None).unwrap(), Ignoring::OwnFile);
        fs::write(repository.state.join(".gitignore"), "mine\n").unwrap();
        assert_eq!(keep_out_of_commits(&repository.state, None).unwrap(), Ignoring::Nothing);
    }

    #[test]
    fn a_tracked_file_is_left_alone_and_the_repositorys_own_list_used() {
        let repository = Repository::new(true);
        let file = repository.state.join(".gitignore");
        fs::write(&file, "*.log\n").unwrap();
        repository.git(&["add", "-A"]);
        assert!(is_tracked(Some(git()), &repository.state, Path::new(".gitignore")));
        for _ in 0..2 {
            assert_eq!(keep_out_of_commits(&repository.state, Some(git())).unwrap(), Ignoring::Exclude);
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "*.log\n");
        assert_eq!(repository.untracked(), "A  plans/agent-shared/.gitignore");
        let list = fs::read_to_string(repository.root.join(".git/info/exclude")).unwrap();
        assert_eq!(list.matches("/plans/agent-shared/runs/").count(), 1);
    }

    #[test]
    fn a_file_of_the_users_is_left_alone_too() {
        let repository = Repository::new(true);
        fs::write(repository.state.join(".gitignore"), "*\n").unwrap();
        assert_eq!(keep_out_of_commits(&repository.state, Some(git())).unwrap(), Ignoring::Exclude);
    }

    #[test]
    fn without_a_repository_our_file_is_written_all_the_same() {
        let repository = Repository::new(false);
        assert!(!is_tracked(Some(git()), &repository.state, Path::new(".gitignore")));
        assert_eq!(keep_out_of_commits(&repository.state, Some(git())).unwrap(), Ignoring::OwnFile);
        assert_eq!(fs::read_to_string(repository.state.join(".gitignore")).unwrap(), OWN_IGNORE);
    }
}
