//! Where an agent's program is: looks at the file system, with the environment as an argument.
//!
//! What a package manager puts on the path is often a script that starts the real program as its
//! child, and on Windows one that `cmd.exe` has to read, which cannot be given every prompt. So the
//! script is read and what it starts is taken: a native program, or an interpreter with the script
//! as its first argument. What cannot be read is taken as it is, if the system can start it.
//!
//! **Invariants:** every program is an absolute path. A name is looked for on `PATH`, then in the
//! folders of [`places`]; the working folder is none of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::model::agent::{AdapterKind, AgentSpec};

mod native;
mod places;
mod shim;
mod start;
mod system;

#[cfg(test)]
mod tests;

pub use places::{Origin, Place};
pub use system::System;
pub(super) use system::is_batch;

use system::Machine;

/// A program that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What is started, absolute.
    pub program: PathBuf,
    /// Arguments that come before all others: the script that the program is to run.
    pub args: Vec<String>,
    /// What was found, before it was known what is behind it.
    pub seen: PathBuf,
    /// Who put it there.
    pub origin: Origin,
}

/// Finds the program of an agent: on `PATH`, in the folders into which Node's package managers
/// install, in the project's own `node_modules`. A configured path is taken relative to the root.
pub fn find_program(agent: &AgentSpec, environment: &BTreeMap<String, String>, root: &Path) -> Option<Found> {
    find_on(&Machine { system: System::here(), environment, root }, agent)
}

/// Looks for an agent's program and writes down in it what was found, or that nothing was.
pub fn fill_in(agent: &mut AgentSpec, environment: &BTreeMap<String, String>, root: &Path) {
    let found = find_program(agent, environment, root);
    (agent.found, agent.found_args) =
        found.map_or((None, Vec::new()), |found| (Some(found.program), found.args));
}

/// Finds a program that is none of an agent's, such as git: a native one, on `PATH` or in the usual
/// folders, and never one that lies in the project, whatever `PATH` says.
pub fn find_tool(name: &str, environment: &BTreeMap<String, String>, root: &Path) -> Option<PathBuf> {
    Machine { system: System::here(), environment, root }.tool(name)
}

/// Every folder into which [`find_program`] looks for a name, in its order: those of `PATH`, then
/// those that are known. They need not be there.
pub fn places(environment: &BTreeMap<String, String>, root: &Path) -> Vec<Place> {
    Machine { system: System::here(), environment, root }.places()
}

/// Who put a program where it is, as far as its path tells.
pub fn origin(path: &Path, environment: &BTreeMap<String, String>, root: &Path) -> Origin {
    Machine { system: System::here(), environment, root }.origin(path)
}

fn find_on(machine: &Machine<'_>, agent: &AgentSpec) -> Option<Found> {
    if agent.kind == AdapterKind::Command && agent.program.is_none() {
        let seen = machine.shell()?;
        let origin = machine.origin(&seen);
        return Some(Found { program: seen.clone(), args: Vec::new(), seen, origin });
    }
    let name = agent.program.as_deref().unwrap_or(&agent.name);
    machine.look_for(name, |seen, origin| {
        let start = machine.start_of(agent.kind, seen, origin)?;
        Some(Found { program: start.program, args: start.args, seen: seen.to_owned(), origin })
    })
}

impl Machine<'_> {
    /// Looks for a name in every place, or for a path, until `take` takes a file.
    fn look_for<T>(&self, program: &str, take: impl Fn(&Path, Origin) -> Option<T>) -> Option<T> {
        let from_home = program.strip_prefix("~/").or_else(|| {
            let rest = program.strip_prefix("~\\")?;
            self.is_windows().then_some(rest)
        });
        let path = match from_home {
            Some(rest) => self.home()?.join(rest),
            None => PathBuf::from(program),
        };
        if path.components().count() > 1 || path.has_root() {
            let path = self.absolute(&path);
            let files = self.files(path.parent()?, path.file_name()?.to_str()?);
            return files.iter().find_map(|file| take(file, Origin::Configured));
        }
        // Neither `.` nor nothing is the name of a program.
        let name = path.file_name()?.to_str()?;
        self.places().into_iter().find_map(|place| {
            self.files(&place.folder, name).iter().find_map(|file| take(file, place.origin))
        })
    }

    /// A program that is none of an agent's.
    fn tool(&self, name: &str) -> Option<PathBuf> {
        let outside = |file: &Path| !file.starts_with(self.root);
        self.look_for(name, |file, _| {
            Some(file).filter(|file| outside(file)).and_then(|file| self.native_behind(file))
        })
    }

    /// The shell that runs the commands of plans.
    fn shell(&self) -> Option<PathBuf> {
        if self.is_windows() { self.windows_shell() } else { self.unix_shell() }
    }

    /// What `PATH` names, unless it lies in the project.
    fn unix_shell(&self) -> Option<PathBuf> {
        let mut folders = self.path();
        folders.retain(|folder| !folder.starts_with(self.root));
        folders.extend(["/bin", "/usr/bin"].map(PathBuf::from));
        folders.iter().find_map(|folder| self.files(folder, "sh").into_iter().next())
    }

    /// The `sh` of Git for Windows, else `cmd`.
    fn windows_shell(&self) -> Option<PathBuf> {
        let configured = || self.folder("COMSPEC").filter(|shell| self.is_program(shell));
        let own = || {
            let system = self.folder("SystemRoot").map(|system| places::joined(&system, "System32/cmd.exe"));
            system.filter(|shell| self.is_program(shell))
        };
        self.git_shell().or_else(configured).or_else(own)
    }

    /// The `sh` of Git for Windows. A `bash` on the path is not asked for: it may be the one that runs
    /// in another system.
    fn git_shell(&self) -> Option<PathBuf> {
        let mut bases: Vec<PathBuf> = Vec::new();
        // `<Git>\cmd\git.exe` or `<Git>\bin\git.exe`, perhaps behind a shim.
        bases.extend(self.tool("git").and_then(|git| Some(git.parent()?.parent()?.to_owned())));
        for name in ["ProgramFiles", "ProgramW6432", "ProgramFiles(x86)"] {
            bases.extend(self.folder(name).map(|base| base.join("Git")));
        }
        bases.extend(self.folder("LOCALAPPDATA").map(|base| places::joined(&base, "Programs/Git")));
        bases
            .iter()
            .flat_map(|base| ["bin/sh.exe", "usr/bin/sh.exe"].map(|shell| places::joined(base, shell)))
            .find(|shell| self.is_program(shell))
    }
}
