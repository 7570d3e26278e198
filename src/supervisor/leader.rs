//! From a description to a process, and from what went wrong to an [`Ending`].

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::platform::Leader;
use super::tree::Tree;
use super::{MARK, output};
#[cfg(windows)]
use crate::model::command::{CMD_SWITCHES, is_cmd};
use crate::model::command::{CommandSpec, Input};
use crate::model::outcome::Ending;

/// How often a program that is being written is tried again. A program that we have just written
/// may be held open by a child of ours that has not become its own program yet, for a moment.
const BUSY_TRIES: u32 = 20;

/// Between two of these.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Windows: `ERROR_BAD_EXE_FORMAT`.
const BAD_PROGRAM: i32 = 193;

/// What is to be started.
pub(super) struct Launch<'a> {
    pub(super) program: &'a Path,
    pub(super) args: &'a [String],
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) directory: &'a Path,
    pub(super) mark: &'a str,
}

/// Makes the three streams of one try.
pub(super) type Streams<'a> = dyn Fn() -> io::Result<[Stdio; 3]> + Send + Sync + 'a;

/// Starts a process, or says why there is none.
pub(super) async fn launch(
    launch: &Launch<'_>,
    streams: &Streams<'_>,
    tree: &Tree,
) -> Result<Leader, Ending> {
    let mut tries = 0;
    loop {
        let [stdin, stdout, stderr] = streams().map_err(|error| failed(&error))?;
        let mut command = Command::new(launch.program);
        give_arguments(&mut command, launch);
        command
            .env_clear()
            .envs(launch.environment)
            .env(MARK, launch.mark)
            .current_dir(launch.directory)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr);
        match Leader::spawn(command, tree) {
            Ok(leader) => return Ok(leader),
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                tries += 1;
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            Err(error) => return Err(not_started(launch, &error)),
        }
    }
}

#[cfg(unix)]
fn give_arguments(command: &mut Command, launch: &Launch<'_>) {
    command.args(launch.args);
}

/// `cmd` does not take quotes apart as other programs do: its line is handed over as it stands, in the
/// one pair of quotes that it takes off.
#[cfg(windows)]
fn give_arguments(command: &mut Command, launch: &Launch<'_>) {
    match launch.args.split_last() {
        Some((line, switches))
            if is_cmd(launch.program) && switches.ends_with(&CMD_SWITCHES.map(str::to_owned)) =>
        {
            command.args(switches).raw_arg(format!("\"{line}\""));
        }
        _ => {
            command.args(launch.args);
        }
    }
}

fn failed(error: &io::Error) -> Ending {
    Ending::FailedToStart { message: error.to_string() }
}

/// Tells a program that is not there from everything else: the system says the same of a
/// folder that is not there.
fn not_started(launch: &Launch<'_>, error: &io::Error) -> Ending {
    let (program, directory) = (launch.program.display(), launch.directory.display());
    if !launch.directory.is_dir() {
        return Ending::FailedToStart { message: format!("`{directory}` is no folder to work in: {error}") };
    }
    let message = format!("cannot run `{program}`: {error}");
    // Windows tells a file that is no program by a code that the standard library has no name for.
    let no_program = cfg!(windows) && error.raw_os_error() == Some(BAD_PROGRAM);
    let missing = no_program
        || matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory
        );
    if missing { Ending::NotFound { message } } else { Ending::FailedToStart { message } }
}

/// Makes the folders and files that have to be there before.
pub(super) fn prepare(command: &CommandSpec) -> Result<(), Ending> {
    use std::io::Write as _;
    let cannot = |path: &Path, error: &io::Error| Ending::FailedToStart {
        message: format!("cannot make `{}`: {error}", path.display()),
    };
    for folder in &command.folders {
        make_folder(folder).map_err(|error| cannot(folder, &error))?;
    }
    for file in &command.files {
        output::private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&file.path)
            .and_then(|mut open| open.write_all(file.content.as_bytes()))
            .map_err(|error| cannot(&file.path, &error))?;
    }
    Ok(())
}

#[cfg(unix)]
fn make_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(windows)]
fn make_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Removes the folders that were the attempt's alone.
pub(super) fn clear_away(command: &CommandSpec) {
    for folder in &command.remove_after {
        match std::fs::remove_dir_all(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(folder = %folder.display(), %error, "cannot remove a folder"),
        }
    }
}

/// Opens what a process reads.
pub(super) fn input(input: &Input) -> io::Result<Stdio> {
    match input {
        Input::Empty => Ok(Stdio::null()),
        Input::File(path) => {
            let failed = |error: io::Error| {
                io::Error::new(error.kind(), format!("cannot read `{}`: {error}", path.display()))
            };
            let mut file = std::fs::File::open(path).map_err(failed)?;
            // Through a pipe: cline does not read a regular file.
            let (reader, mut writer) = io::pipe()?;
            std::thread::Builder::new().name("prompt".to_owned()).spawn(move || {
                // An agent that does not read its prompt to the end is no error of ours.
                io::copy(&mut file, &mut writer).ok();
            })?;
            Ok(Stdio::from(reader))
        }
    }
}
