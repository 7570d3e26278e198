//! The programs behind the scripts of the agents that are known: where their packages keep them.
//!
//! Kilo, OpenCode and Cline are native programs that a script of Node's starts as its child. A signal
//! to the script does not always reach the program.

use std::path::{Path, PathBuf};

use super::places::joined;
use super::system::{Machine, System, has_ending, is_runnable};
use crate::model::agent::AdapterKind;

/// What a package's script starts, for the agents of which it is known. `file` is the script, a link
/// to it, a shim in the folder above its package, or the program itself.
pub(super) fn behind(machine: &Machine<'_>, kind: AdapterKind, file: &Path) -> Option<PathBuf> {
    let packages: &[(&str, &[&str])] = match kind {
        AdapterKind::Kilo => &[("@kilocode/cli", &["bin/.kilo"]), ("@kilocode/cli-", &["bin/kilo"])],
        AdapterKind::Opencode => {
            &[("opencode-ai", &["bin/opencode.exe", "bin/.opencode"]), ("opencode-", &["bin/opencode"])]
        }
        AdapterKind::Cline => &[("cline", &["bin/.cline"]), ("@cline/cli-", &["bin/cline"])],
        AdapterKind::Command | AdapterKind::Program => return None,
    };
    let script = dunce::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let found =
        beside(machine, &script, packages).or_else(|| in_packages(machine, file, &script, packages))?;
    found.to_str().is_some().then_some(found)
}

/// The program beside the script, as a post-install script puts it there.
fn beside(machine: &Machine<'_>, script: &Path, packages: &[(&str, &[&str])]) -> Option<PathBuf> {
    let folder = script.parent()?;
    let names = packages.iter().flat_map(|(_, programs)| programs.iter());
    let hidden =
        names.filter_map(|program| program.strip_prefix("bin/")).filter(|name| name.starts_with('.'));
    hidden.flat_map(|name| with_ending(&folder.join(name))).find(|path| machine.is_program(path))
}

/// The program in the packages that are installed with the script: in the `node_modules` of one of
/// its folder's ancestors, or where Volta keeps what its own shims stand for.
fn in_packages(
    machine: &Machine<'_>,
    file: &Path,
    script: &Path,
    packages: &[(&str, &[&str])],
) -> Option<PathBuf> {
    let images = file.ancestors().nth(2).map(|volta| joined(volta, "tools/image/packages"));
    let mut all: Vec<PathBuf> = Vec::new();
    if let Some(images) = images.filter(|folder| folder.is_dir()) {
        for (package, _) in packages {
            all.extend(
                ["lib/node_modules", "node_modules"].map(|part| joined(&joined(&images, package), part)),
            );
        }
    } else if !is_shim(script) && !starts_like_a_script(script) {
        // A native program needs no search; only scripts and shims do.
        return None;
    }
    all.extend(script.ancestors().skip(1).take(8).map(|folder| folder.join("node_modules")));
    for modules in all.into_iter().filter(|folder| folder.is_dir()) {
        for (package, programs) in packages {
            let names: Vec<String> = if package.ends_with('-') {
                platform_packages(machine.system, package)
            } else {
                vec![(*package).to_owned()]
            };
            for name in names {
                // What is installed for a package lies in the `node_modules` of its own, or beside it.
                let own = joined(&joined(&modules, packages[0].0), "node_modules");
                let candidates = [&modules, &own].into_iter().flat_map(|modules| {
                    let package = joined(modules, &name);
                    programs.iter().flat_map(move |program| with_ending(&joined(&package, program)))
                });
                let native = candidates
                    .into_iter()
                    .find(|path| machine.is_program(path) && !starts_like_a_script(path));
                if native.is_some() {
                    return native;
                }
            }
        }
    }
    None
}

/// The names of a system's packages, the best first.
fn platform_packages(system: System, prefix: &str) -> Vec<String> {
    let names = match system {
        System::Macos => vec!["darwin"],
        // `windows` is `win32` to some.
        System::Windows => vec!["windows", "win32"],
        System::Unix if matches!(std::env::consts::OS, "windows" | "macos") => vec!["linux"],
        System::Unix => vec![std::env::consts::OS],
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    ["", "-baseline", "-musl"]
        .iter()
        .flat_map(|variant| names.iter().map(move |name| format!("{prefix}{name}-{machine}{variant}")))
        .collect()
}

fn with_ending(path: &Path) -> Vec<PathBuf> {
    let mut ended = path.as_os_str().to_owned();
    ended.push(".exe");
    vec![path.to_owned(), PathBuf::from(ended)]
}

/// Whether a file is one of the small scripts that package managers write on Windows.
fn is_shim(path: &Path) -> bool {
    has_ending(path, &["cmd", "bat", "ps1"])
}

/// Whether a file begins as scripts do that name their interpreter.
pub(super) fn starts_like_a_script(path: &Path) -> bool {
    use std::io::Read as _;
    let mut start = [0; 2];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"#!"
}

/// Whether a file is no script of any kind.
pub(super) fn is_native(path: &Path) -> bool {
    is_runnable(path) && !is_shim(path)
}
