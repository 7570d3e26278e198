//! A project of its own for one test: a folder, a cleared environment, the built program.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a plan or two, in which the program is called as a user would.
pub(crate) struct Project {
    folder: TempDir,
    variables: BTreeMap<String, String>,
}

/// What a call of the program came to.
#[must_use = "look at the output, or at least at the exit code"]
pub(crate) struct Ran {
    /// The exit code.
    pub(crate) code: i32,
    /// All of stdout.
    pub(crate) stdout: String,
    /// All of stderr.
    pub(crate) stderr: String,
}

impl Project {
    /// An empty project.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("project").tempdir().expect("a temporary folder");
        let home = folder.path().join("home");
        std::fs::create_dir_all(&home).expect("a home folder");
        std::fs::create_dir_all(folder.path().join("root")).expect("a root folder");
        // The root is where a configuration lies: nothing above it may be taken for it.
        let mut variables = BTreeMap::new();
        variables.insert("PATH".to_owned(), std::env::var("PATH").unwrap_or_default());
        variables.insert("HOME".to_owned(), home.display().to_string());
        if cfg!(windows) {
            variables.insert("USERPROFILE".to_owned(), home.display().to_string());
        }
        variables.insert("LANG".to_owned(), "C.UTF-8".to_owned());
        if let Ok(root) = std::env::var("SystemRoot") {
            variables.insert("SystemRoot".to_owned(), root);
        }
        let project = Self { folder, variables };
        project.write("orchestrate.toml", "version = 1\n");
        project
    }

    /// The project's root.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// The user's home folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Sets a variable for all calls.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// Writes a file below the root.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let full = self.root().join(path);
        std::fs::create_dir_all(full.parent().expect("a file has a folder")).expect("its folder");
        std::fs::write(&full, content).expect("the file");
        full
    }

    /// Reads a file below the root.
    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Whether a file is there below the root.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.root().join(path).exists()
    }

    /// The command that calls the program in the root.
    pub(crate) fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(self.root())
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::null());
        command
    }

    /// Calls the program and waits for its end.
    pub(crate) fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Ran {
        Ran::of(&self.command(arguments).output().expect("the program starts"))
    }

    /// Starts the program and leaves it running, its output in pipes.
    pub(crate) fn spawn<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Child {
        self.command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }
}

impl Ran {
    /// What a finished process left.
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails the test unless the exit code is `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Stdout as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("{error}\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)
        })
    }

    /// Fails the test unless stderr contains `words`.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "no {words:?} in\n{}", self.stderr);
        self
    }

    /// The id of the run, from the first line of stderr.
    #[track_caller]
    pub(crate) fn run_id(&self) -> &str {
        let first = self.stderr.lines().next().unwrap_or_default();
        first.strip_prefix("run ").unwrap_or_else(|| panic!("no run id in\n{}", self.stderr))
    }
}

/// The program under test.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| with_drive(env!("CARGO_BIN_EXE_orchestrate")));
    &PROGRAM
}

/// The scriptable stand-in for an agent.
pub(crate) fn fake_agent() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| with_drive(env!("CARGO_BIN_EXE_fake-agent")));
    &PROGRAM
}

/// A program that was built elsewhere for Windows is named without a drive, and projects lie on another one
/// than the programs.
fn with_drive(path: &str) -> PathBuf {
    std::path::absolute(path).expect("the path is not empty")
}
