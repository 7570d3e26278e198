//! What an adapter asks the supervisor to start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::agent::CompletionRule;
use super::time::Span;

/// What a process gets as its standard input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Input {
    /// Nothing: its end at once.
    #[default]
    Empty,
    /// The content of a file, through a pipe that then ends. Not the file itself: Cline 3.0.65 takes
    /// a file for an empty input.
    File(PathBuf),
}

/// The first word to a process that is to stop. After the grace period comes the kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StopSignal {
    /// SIGTERM; on Windows `CTRL_BREAK`.
    #[default]
    Terminate,
    /// SIGINT; on Windows `CTRL_BREAK`.
    Interrupt,
}

/// A file that has to be there before the process starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileToWrite {
    /// Absolute.
    pub path: PathBuf,
    /// Its content; readable by the user alone.
    pub content: String,
}

/// What an adapter knows of a program's silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// After how long without a word of its provider the program itself gives up or tries again. None:
    /// it is not known to watch over that.
    pub provider: Option<Span>,
    /// What its own processes use of one processor while they wait, in thousandths, with a margin. Its
    /// tools, which have sessions of their own, are measured by [`Silence::TOOL_LOAD`].
    pub idle_load: u32,
}

impl Silence {
    /// What a process uses that waits for something, in thousandths of a processor: a compiler uses
    /// all of one, a server that nobody asks a thousandth.
    pub const TOOL_LOAD: u32 = 20;
}

impl Default for Silence {
    /// A program that is not known: it watches over nothing and waits without using the processor.
    fn default() -> Self {
        Self { provider: None, idle_load: Self::TOOL_LOAD }
    }
}

/// How to start an agent for one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSpec {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Its arguments, without its name.
    pub args: Vec<String>,
    /// The whole environment: nothing is inherited besides.
    pub env: BTreeMap<String, String>,
    /// Its working directory.
    pub directory: PathBuf,
    /// Its standard input.
    pub input: Input,
    /// Folders that have to be there before.
    pub folders: Vec<PathBuf>,
    /// Files that have to be there before.
    pub files: Vec<FileToWrite>,
    /// Folders that are ours alone and go when the attempt has ended.
    pub remove_after: Vec<PathBuf>,
    /// The folder, ours alone, in which the agent keeps a session that another attempt can go on with.
    /// Whoever had the attempt started keeps it while that may be, and removes it then. None: its
    /// sessions cannot be gone on with.
    pub session_data: Option<PathBuf>,
    /// How it is asked to stop.
    pub stop_signal: StopSignal,
    /// How long it may take to stop, where the adapter knows better than the run's setting.
    pub grace: Option<Span>,
    /// What its silence may mean.
    pub silence: Silence,
    /// Exit codes that mean success.
    pub success_codes: Vec<i32>,
    /// Whether it has to leave a completion.
    pub completion: CompletionRule,
}

/// What tells Windows' own shell to run one line: `/D` keeps a user's `AutoRun` commands out, `/S`
/// takes the text as it stands.
pub const CMD_SWITCHES: [&str; 3] = ["/D", "/S", "/C"];

/// Whether a shell is Windows' own, which has rules of its own for what it is given.
pub fn is_cmd(shell: &Path) -> bool {
    shell.file_stem().is_some_and(|stem| stem.eq_ignore_ascii_case("cmd"))
}

/// The arguments that have `shell` run `script`. None: it is `cmd`, which would run the first of
/// several lines and drop the rest.
pub fn shell_arguments(shell: &Path, script: &str) -> Option<Vec<String>> {
    if !is_cmd(shell) {
        return Some(vec!["-c".to_owned(), script.to_owned()]);
    }
    let line = script.trim();
    let one = !line.contains(['\n', '\r']);
    one.then(|| CMD_SWITCHES.iter().copied().chain([line]).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_is_told_in_its_own_words() {
        let told = |shell: &str, script: &str| shell_arguments(Path::new(shell), script);
        let words = |words: &[&str]| Some(words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert_eq!(told("/bin/sh", "a\nb\n"), words(&["-c", "a\nb\n"]));
        assert_eq!(told("CMD.EXE", "echo \"a\"\n"), words(&["/D", "/S", "/C", "echo \"a\""]));
        assert_eq!(told("cmd", "a\nb"), None);
        assert_eq!(told("sh.exe", "a\nb"), words(&["-c", "a\nb"]));
    }
}
