//! The rules of a system by which a name becomes a file, as data: those of Windows are the same
//! wherever they are asked for, so that they can be tried on any system.
//!
//! **Invariants:** folders and files that come out of here are absolute. The working folder is
//! looked into only where `PATH` names it, and relative folders of `PATH` are relative to the root;
//! an empty entry, which Unix shells take for the working folder, is passed over, since it stands
//! there by accident.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// A family of systems with rules of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Linux and its like.
    Unix,
    /// macOS: a Unix whose package managers have other folders.
    Macos,
    /// Windows.
    Windows,
}

impl System {
    /// The one that this program was built for.
    pub const fn here() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::Macos
        } else {
            Self::Unix
        }
    }
}

/// The endings of files that Windows starts by itself, in its usual order.
const RUNNABLE: [&str; 4] = ["com", "exe", "bat", "cmd"];

/// What there is to know before a program is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine<'a> {
    pub(super) system: System,
    pub(super) environment: &'a BTreeMap<String, String>,
    /// The project's root, absolute.
    pub(super) root: &'a Path,
}

impl Machine<'_> {
    /// Whether the rules are those of Windows.
    pub(super) fn is_windows(&self) -> bool {
        self.system == System::Windows
    }

    /// A variable's value, if it has one; on Windows its name is looked for without regard to case.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let exact = self.environment.get(name);
        let value = if exact.is_none() && self.is_windows() {
            self.environment
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        } else {
            exact
        };
        value.map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable that holds a folder. One that is relative is of no use.
    pub(super) fn folder(&self, name: &str) -> Option<PathBuf> {
        self.variable(name).map(PathBuf::from).filter(|folder| folder.is_absolute())
    }

    /// The user's home. On Windows a `HOME` may come from a shell that writes paths its own way.
    pub(super) fn home(&self) -> Option<PathBuf> {
        let names = if self.is_windows() { ["USERPROFILE", "HOME"] } else { ["HOME", "USERPROFILE"] };
        names.into_iter().find_map(|name| self.folder(name))
    }

    /// The folders of `PATH`, absolute, in their order.
    pub(super) fn path(&self) -> Vec<PathBuf> {
        let list = self.variable("PATH").unwrap_or_default();
        let entries =
            if self.is_windows() { split_quoted(list) } else { list.split(':').map(str::to_owned).collect() };
        let entries = entries.into_iter().filter(|entry| !entry.trim().is_empty());
        entries.map(|entry| self.absolute(Path::new(&entry))).collect()
    }

    /// A path, seen from the root, without what means nothing in it.
    pub(super) fn absolute(&self, path: &Path) -> PathBuf {
        self.root.join(path).components().filter(|part| !matches!(part, Component::CurDir)).collect()
    }

    /// The files that `name` may mean in a folder, the one that counts first.
    pub(super) fn files(&self, folder: &Path, name: &str) -> Vec<PathBuf> {
        let plain = folder.join(name);
        let mut files = Vec::new();
        if self.is_windows() {
            let with = |ending: &str| folder.join(format!("{name}.{ending}"));
            if is_runnable(&plain) {
                files.push(plain.clone());
            }
            files.extend(self.endings().iter().map(|ending| with(ending)));
            // Windows starts neither of these; what they start can be read in them.
            files.push(with("ps1"));
            if !is_runnable(&plain) {
                files.push(plain);
            }
        } else {
            files.push(plain);
        }
        files.retain(|file| self.is_program(file) && file.to_str().is_some());
        files
    }

    /// The endings of `PATHEXT` that can be started without a shell, lower case, and those that
    /// somebody left out of it.
    fn endings(&self) -> Vec<String> {
        let listed = self.variable("PATHEXT").unwrap_or_default().split(';');
        let mut endings: Vec<String> = listed
            .map(|ending| ending.trim().trim_start_matches('.').to_ascii_lowercase())
            .filter(|ending| RUNNABLE.contains(&ending.as_str()))
            .collect();
        endings.extend(RUNNABLE.map(str::to_owned));
        let mut seen = std::collections::BTreeSet::new();
        endings.retain(|ending| seen.insert(ending.clone()));
        endings
    }

    /// Whether there is a file that the system might start. A link is what it leads to.
    pub(super) fn is_program(&self, path: &Path) -> bool {
        path.is_file() && (self.is_windows() || may_run(path))
    }
}

/// Whether Windows starts a file of this name by itself.
pub(super) fn is_runnable(path: &Path) -> bool {
    has_ending(path, &RUNNABLE)
}

/// Whether it is a script of Windows' own shell.
pub(in crate::agents) fn is_batch(path: &Path) -> bool {
    has_ending(path, &["cmd", "bat"])
}

/// Whether the name of a file ends in one of these.
pub(super) fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// The entries of a list as Windows writes it: a `;` between quotes belongs to its entry.
fn split_quoted(list: &str) -> Vec<String> {
    let mut entries = vec![String::new()];
    let mut quoted = false;
    for c in list.chars() {
        match c {
            '"' => quoted = !quoted,
            ';' if !quoted => entries.push(String::new()),
            other => {
                if let Some(entry) = entries.last_mut() {
                    entry.push(other);
                }
            }
        }
    }
    entries
}

#[cfg(unix)]
fn may_run(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Elsewhere there is no such mark on a file.
#[cfg(not(unix))]
fn may_run(_: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine<'a>(system: System, environment: &'a BTreeMap<String, String>, root: &'a Path) -> Machine<'a> {
        Machine { system, environment, root }
    }

    fn variables(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn names_of_variables_have_no_case_on_windows_alone() {
        let environment = variables(&[("Path", "x"), ("APPDATA", "")]);
        let root = Path::new("root");
        assert_eq!(machine(System::Windows, &environment, root).variable("PATH"), Some("x"));
        assert_eq!(machine(System::Windows, &environment, root).variable("APPDATA"), None, "empty is unset");
        assert_eq!(machine(System::Unix, &environment, root).variable("PATH"), None);
        assert_eq!(machine(System::Macos, &environment, root).variable("Path"), Some("x"));
    }

    #[test]
    fn lists_are_taken_apart_by_the_rules_of_their_system() {
        let keep = tempfile::tempdir().unwrap();
        let root = keep.path();
        let path = |system, list: &str| {
            let environment = variables(&[("PATH", list)]);
            machine(system, &environment, root).path()
        };
        let inside = |names: &[&str]| names.iter().map(|name| root.join(name)).collect::<Vec<_>>();
        assert_eq!(path(System::Windows, "a;;\"b;c\";; ;d e;"), inside(&["a", "b;c", "d e"]));
        assert_eq!(path(System::Windows, "\"a;b"), inside(&["a;b"]), "a quote that never ends");
        assert_eq!(path(System::Windows, ";\"\";"), inside(&[]));
        assert_eq!(path(System::Unix, ":a::./b:"), inside(&["a", "b"]));
        assert_eq!(path(System::Unix, "."), [root.to_owned()], "asked for by name");
        assert_eq!(path(System::Unix, ""), inside(&[]));
    }

    #[test]
    fn endings_come_in_the_order_of_pathext() {
        let endings = |list: &str| {
            let environment = variables(&[("PathExt", list)]);
            machine(System::Windows, &environment, Path::new("root")).endings()
        };
        assert_eq!(endings(""), RUNNABLE);
        assert_eq!(endings(".CMD; .exe;.JS;.VBS;.cmd"), ["cmd", "exe", "com", "bat"]);
    }
}
