//! Where an agent's program is: looks at the file system, with the environment as an argument.
//!
//! What a package manager puts on the path is often a script that starts the real program as its
//! child. A signal to the script does not always reach the program, so the program itself is
//! looked for; where it cannot be found, the script will do.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::model::agent::{AdapterKind, AgentSpec};

/// Finds the program of an agent: on `PATH`, in the folders into which Node's package managers
/// install, in the project's own `node_modules`. The answer is absolute. A configured path is taken
/// relative to the root.
pub fn find_program(
    agent: &AgentSpec,
    environment: &BTreeMap<String, String>,
    root: &Path,
) -> Option<PathBuf> {
    let places = Places { environment, root };
    let found = match agent.program.as_deref() {
        Some(program) => places.look_for(program)?,
        None if agent.kind == AdapterKind::Command => places.shell()?,
        None => places.look_for(&agent.name)?,
    };
    Some(behind_the_script(agent.kind, found))
}

/// Where programs may be.
struct Places<'a> {
    environment: &'a BTreeMap<String, String>,
    root: &'a Path,
}

impl Places<'_> {
    /// A variable's value; on Windows its name is looked for without regard to case.
    fn variable(&self, name: &str) -> Option<&str> {
        let exact = self.environment.get(name);
        let value = if exact.is_none() && cfg!(windows) {
            self.environment
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        } else {
            exact
        };
        value.map(String::as_str).filter(|value| !value.is_empty())
    }

    fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").or_else(|| self.variable("USERPROFILE")).map(PathBuf::from)
    }

    fn look_for(&self, program: &str) -> Option<PathBuf> {
        let path = match program.strip_prefix("~/") {
            Some(rest) => self.home()?.join(rest),
            None => PathBuf::from(program),
        };
        if path.components().count() > 1 || path.has_root() {
            return which_in(path.as_os_str(), OsString::new(), self.root);
        }
        let on_path = self.variable("PATH").map(OsString::from).unwrap_or_default();
        let elsewhere = std::env::join_paths(self.folders()).unwrap_or_default();
        [on_path, elsewhere].into_iter().find_map(|folders| which_in(path.as_os_str(), folders, self.root))
    }

    /// Folders into which programs are installed that need not be on the path of a service or an
    /// editor, the likely ones first.
    fn folders(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        let mut below = |base: Option<PathBuf>, parts: &[&str]| {
            if let Some(base) = base {
                folders.extend(parts.iter().map(|part| base.join(part)));
            }
        };
        let variable = |name: &str| self.variable(name).map(PathBuf::from);
        // npm puts programs into the prefix itself on Windows, into its `bin` elsewhere.
        for name in ["NPM_CONFIG_PREFIX", "npm_config_prefix"] {
            below(variable(name), &["bin", ""]);
        }
        below(variable("PNPM_HOME"), &["", "bin"]);
        below(variable("VOLTA_HOME"), &["bin"]);
        below(variable("FNM_MULTISHELL_PATH"), &["bin", ""]);
        below(variable("FNM_DIR"), &["aliases/default/bin", "aliases/default"]);
        below(variable("NVM_BIN"), &[""]);
        below(variable("NVM_SYMLINK"), &[""]);
        below(variable("BUN_INSTALL"), &["bin"]);
        below(
            self.home(),
            &[
                ".npm-global/bin",
                ".npm-packages/bin",
                ".local/bin",
                "bin",
                ".local/share/pnpm",
                "Library/pnpm",
                ".volta/bin",
                ".local/share/fnm/aliases/default/bin",
                "Library/Application Support/fnm/aliases/default/bin",
                ".bun/bin",
                ".opencode/bin",
                ".kilo/bin",
            ],
        );
        below(variable("APPDATA"), &["npm", "fnm/aliases/default"]);
        below(variable("LOCALAPPDATA"), &["pnpm", "Volta/bin", "fnm/aliases/default"]);
        below(variable("ProgramFiles"), &["nodejs"]);
        let nvm = variable("NVM_DIR").or_else(|| self.home().map(|home| home.join(".nvm")));
        folders.extend(nvm.map(|nvm| nvm_folders(&nvm)).unwrap_or_default());
        if cfg!(unix) {
            folders.extend(["/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from));
        }
        folders.push(self.root.join("node_modules/.bin"));
        // A name with the separator in it cannot be joined with others.
        folders.retain(|folder| std::env::join_paths([folder]).is_ok());
        folders
    }

    /// The shell that runs the commands of plans.
    fn shell(&self) -> Option<PathBuf> {
        if cfg!(windows) { self.windows_shell() } else { self.unix_shell() }
    }

    fn unix_shell(&self) -> Option<PathBuf> {
        let on_path = self.variable("PATH").map(OsString::from).unwrap_or_default();
        [on_path, OsString::from("/bin:/usr/bin")]
            .into_iter()
            .find_map(|folders| which_in("sh".as_ref(), folders, self.root))
    }

    /// The `sh` of Git for Windows, else `cmd`. A `bash` on the path is not asked for: it may be
    /// the one that runs in another system.
    fn windows_shell(&self) -> Option<PathBuf> {
        let mut bases: Vec<PathBuf> = Vec::new();
        // `<Git>\cmd\git.exe` or `<Git>\bin\git.exe`.
        if let Some(git) = self.look_for("git") {
            bases.extend(git.parent().and_then(Path::parent).map(Path::to_owned));
        }
        for name in ["ProgramFiles", "ProgramW6432", "ProgramFiles(x86)"] {
            bases.extend(self.variable(name).map(|base| Path::new(base).join("Git")));
        }
        bases.extend(self.variable("LOCALAPPDATA").map(|base| Path::new(base).join("Programs/Git")));
        let shells =
            bases.iter().flat_map(|base| ["bin/sh.exe", "usr/bin/sh.exe"].map(|shell| base.join(shell)));
        let found = shells.into_iter().find(|shell| shell.is_file());
        found.or_else(|| self.variable("COMSPEC").map(PathBuf::from)).or_else(|| self.look_for("cmd"))
    }
}

fn which_in(program: &std::ffi::OsStr, folders: OsString, root: &Path) -> Option<PathBuf> {
    let found = which::which_in(program, Some(folders), root).ok()?;
    // Relative folders on the path are relative to the root, since that is where we look from.
    let found = if found.is_absolute() { found } else { root.join(found) };
    Some(found.components().filter(|part| !matches!(part, Component::CurDir)).collect())
}

/// The programs of nvm's versions of Node, the newest first.
fn nvm_folders(nvm: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(nvm.join("versions/node")) else { return Vec::new() };
    let mut versions: Vec<(Vec<u64>, PathBuf)> = entries
        .filter_map(Result::ok)
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let numbers =
                name.trim_start_matches('v').split('.').map(|part| part.parse().unwrap_or(0)).collect();
            (numbers, entry.path().join("bin"))
        })
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, folder)| folder).collect()
}

/// What a package's script starts, for the agents of which it is known.
fn behind_the_script(kind: AdapterKind, found: PathBuf) -> PathBuf {
    let packages: &[(&str, &[&str])] = match kind {
        AdapterKind::Kilo => &[("@kilocode/cli", &["bin/.kilo"]), ("@kilocode/cli-", &["bin/kilo"])],
        AdapterKind::Opencode => {
            &[("opencode-ai", &["bin/opencode.exe", "bin/.opencode"]), ("opencode-", &["bin/opencode"])]
        }
        AdapterKind::Cline => &[("cline", &["bin/.cline"]), ("@cline/cli-", &["bin/cline"])],
        AdapterKind::Command | AdapterKind::Program => &[],
    };
    if packages.is_empty() {
        return found;
    }
    let script = dunce::canonicalize(&found).unwrap_or_else(|_| found.clone());
    beside(&script, packages).or_else(|| in_packages(&script, packages)).unwrap_or_else(|| {
        // A link is resolved all the same: what it leads to is what runs.
        if is_shim(&found) { found.clone() } else { script }
    })
}

/// The program beside the script, as a post-install script puts it there.
fn beside(script: &Path, packages: &[(&str, &[&str])]) -> Option<PathBuf> {
    let folder = script.parent()?;
    let names = packages.iter().flat_map(|(_, programs)| programs.iter());
    let hidden =
        names.filter_map(|program| program.strip_prefix("bin/")).filter(|name| name.starts_with('.'));
    hidden.flat_map(|name| with_ending(&folder.join(name))).find(|path| path.is_file())
}

/// The program in the packages that are installed with the script: in the `node_modules` of one of
/// its folder's ancestors.
fn in_packages(script: &Path, packages: &[(&str, &[&str])]) -> Option<PathBuf> {
    // A native program needs no search; only scripts and shims do.
    if !is_shim(script) && !starts_like_a_script(script) {
        return None;
    }
    let modules = script.ancestors().skip(1).take(8).map(|folder| folder.join("node_modules"));
    for modules in modules.filter(|folder| folder.is_dir()) {
        for (package, programs) in packages {
            let names: Vec<String> =
                if package.ends_with('-') { platform_packages(package) } else { vec![(*package).to_owned()] };
            for name in names {
                let candidates =
                    programs.iter().flat_map(|program| with_ending(&modules.join(&name).join(program)));
                let native =
                    candidates.into_iter().find(|path| path.is_file() && !starts_like_a_script(path));
                if native.is_some() {
                    return native;
                }
            }
        }
    }
    None
}

/// The names of this platform's packages, the best first.
fn platform_packages(prefix: &str) -> Vec<String> {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let base = format!("{prefix}{system}-{machine}");
    // `windows` is `win32` to some.
    let other = base.replace("windows", "win32");
    let baseline = format!("{base}-baseline");
    let musl = format!("{base}-musl");
    let mut names = vec![base];
    names
        .extend([other, baseline, musl].into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
    names
}

fn with_ending(path: &Path) -> Vec<PathBuf> {
    let mut ended = path.as_os_str().to_owned();
    ended.push(".exe");
    vec![path.to_owned(), PathBuf::from(ended)]
}

/// Whether a file is one of the small scripts that package managers write on Windows.
fn is_shim(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ["cmd", "bat", "ps1"].iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

fn starts_like_a_script(path: &Path) -> bool {
    use std::io::Read as _;
    let mut start = [0; 2];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"#!"
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::agents::presets;

    struct Machine {
        folder: tempfile::TempDir,
    }

    impl Machine {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn path(&self, name: &str) -> PathBuf {
            dunce::canonicalize(self.folder.path()).unwrap().join(name)
        }

        fn install(&self, name: &str, content: &str) -> PathBuf {
            use std::os::unix::fs::PermissionsExt as _;
            let path = self.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        }

        fn link(&self, name: &str, target: &Path) -> PathBuf {
            let path = self.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, &path).unwrap();
            path
        }

        fn find(&self, agent: &str, variables: &[(&str, &str)]) -> Option<PathBuf> {
            let environment = variables
                .iter()
                .map(|&(name, folder)| (name.to_owned(), self.path(folder).to_string_lossy().into_owned()))
                .collect();
            let agent = presets::builtin().into_iter().find(|known| known.name == agent).unwrap();
            find_program(&agent, &environment, &self.path("root"))
        }
    }

    const SCRIPT: &str = "#!/usr/bin/env node\n";
    const NATIVE: &str = "\u{7f}ELF";

    #[test]
    fn the_path_comes_first_then_the_package_managers_then_the_project() {
        let machine = Machine::new();
        let variables = [("PATH", "path"), ("HOME", "home"), ("PNPM_HOME", "pnpm")];
        assert_eq!(machine.find("gemini", &variables), None);
        let mut expected = Vec::new();
        for place in [
            "root/node_modules/.bin",
            "home/.nvm/versions/node/v9.0.0/bin",
            "home/.nvm/versions/node/v20.1.0/bin",
            "home/.volta/bin",
            "home/.npm-global/bin",
            "pnpm",
            "path",
        ] {
            expected.push(machine.install(&format!("{place}/gemini"), SCRIPT));
            assert_eq!(machine.find("gemini", &variables), expected.last().cloned(), "{place}");
        }
    }

    #[test]
    fn the_program_behind_kilos_script_is_found() {
        let machine = Machine::new();
        let script = machine.install("lib/node_modules/@kilocode/cli/bin/kilo", SCRIPT);
        machine.link("path/kilo", &script);
        assert_eq!(machine.find("kilo", &[("PATH", "path")]), Some(script));
        let native = machine.install("lib/node_modules/@kilocode/cli/bin/.kilo", NATIVE);
        assert_eq!(machine.find("kilo", &[("PATH", "path")]), Some(native));
    }

    #[test]
    fn a_platforms_package_is_found_beside_the_script() {
        let machine = Machine::new();
        let script = machine.install("lib/node_modules/cline/bin/cline", SCRIPT);
        machine.link("path/cline", &script);
        let name = platform_packages("@cline/cli-").remove(0);
        let native = machine.install(&format!("lib/node_modules/{name}/bin/cline"), NATIVE);
        assert_eq!(machine.find("cline", &[("PATH", "path")]), Some(native));
    }

    #[test]
    fn a_native_program_is_taken_as_it_is() {
        let machine = Machine::new();
        let native = machine.install("lib/node_modules/opencode-ai/bin/opencode.exe", NATIVE);
        machine.link("path/opencode", &native);
        machine.install("lib/node_modules/opencode-linux-x64/bin/opencode", NATIVE);
        assert_eq!(machine.find("opencode", &[("PATH", "path")]), Some(native));
    }

    #[test]
    fn a_windows_shim_leads_to_the_program() {
        let machine = Machine::new();
        let shim = machine.install("npm/opencode.cmd", "@ECHO off\r\n");
        assert_eq!(behind_the_script(AdapterKind::Opencode, shim.clone()), shim);
        let native = machine.install("npm/node_modules/opencode-ai/bin/opencode.exe", "MZ");
        assert_eq!(behind_the_script(AdapterKind::Opencode, shim), native);
    }

    #[test]
    fn configured_paths_are_relative_to_the_root_and_files_that_cannot_run_are_none() {
        let machine = Machine::new();
        let tool = machine.install("root/tools/mine", SCRIPT);
        std::fs::write(machine.path("root/tools/text"), "x").unwrap();
        let mut agent = presets::builtin().into_iter().find(|agent| agent.name == "gemini").unwrap();
        let find = |agent: &AgentSpec| find_program(agent, &BTreeMap::new(), &machine.path("root"));
        agent.program = Some("./tools/mine".to_owned());
        assert_eq!(find(&agent), Some(tool.clone()));
        agent.program = Some(tool.to_string_lossy().into_owned());
        assert_eq!(find(&agent), Some(tool));
        agent.program = Some("tools/text".to_owned());
        assert_eq!(find(&agent), None);
    }

    #[test]
    fn the_shell_is_there_without_a_path() {
        let machine = Machine::new();
        assert!(machine.find("command", &[]).unwrap().is_absolute());
        let own = machine.install("path/sh", SCRIPT);
        assert_eq!(machine.find("command", &[("PATH", "path")]), Some(own));
    }
}
