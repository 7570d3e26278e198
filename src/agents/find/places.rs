//! The folders into which programs are installed, and by whom: `PATH`, then the package managers of
//! Node, other usual folders, the project's own packages.
//!
//! Pure but for what the managers keep in files: npm's prefix, and the versions of Node that fnm
//! and nvm have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::system::{Machine, System};

/// Who put a program where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The configuration names it by its path.
    Configured,
    /// A folder of `PATH` that is none of the managers'.
    Path,
    /// npm, or another manager that keeps to npm's folders.
    Npm,
    /// pnpm.
    Pnpm,
    /// Yarn.
    Yarn,
    /// Bun.
    Bun,
    /// Volta.
    Volta,
    /// fnm.
    Fnm,
    /// nvm, or nvm-windows.
    Nvm,
    /// Scoop.
    Scoop,
    /// The project's own `node_modules`.
    Project,
    /// A folder that is usual for programs.
    Elsewhere,
}

impl Origin {
    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Path => "PATH",
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn => "yarn",
            Self::Bun => "bun",
            Self::Volta => "volta",
            Self::Fnm => "fnm",
            Self::Nvm => "nvm",
            Self::Scoop => "scoop",
            Self::Project => "project",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// A folder in which programs are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder, absolute; it need not be there.
    pub folder: PathBuf,
    /// Whose it is.
    pub origin: Origin,
}

/// Collects places in their order.
struct List {
    places: Vec<Place>,
    seen: BTreeSet<PathBuf>,
}

impl List {
    fn add(&mut self, origin: Origin, folder: PathBuf) {
        if folder.is_absolute() && self.seen.insert(folder.clone()) {
            self.places.push(Place { folder, origin });
        }
    }

    /// Adds folders below a base, written with `/`.
    fn below(&mut self, origin: Origin, base: Option<PathBuf>, parts: &[&str]) {
        if let Some(base) = base {
            for part in parts {
                self.add(origin, joined(&base, part));
            }
        }
    }
}

/// A path below a base, written with `/`.
pub(super) fn joined(base: &Path, part: &str) -> PathBuf {
    part.split('/').filter(|name| !name.is_empty()).fold(base.to_owned(), |path, name| path.join(name))
}

impl Machine<'_> {
    /// Every place in the order in which it is looked into, each once.
    pub(super) fn places(&self) -> Vec<Place> {
        let own = self.own_places();
        let whose: BTreeMap<&Path, Origin> =
            own.iter().map(|place| (place.folder.as_path(), place.origin)).collect();
        let mut list = List { places: Vec::new(), seen: BTreeSet::new() };
        for folder in self.path() {
            let origin = whose
                .get(folder.as_path())
                .copied()
                .filter(|&origin| origin != Origin::Elsewhere)
                .or_else(|| self.by_its_looks(&folder))
                .unwrap_or(Origin::Path);
            list.add(origin, folder);
        }
        for place in &own {
            list.add(place.origin, place.folder.clone());
        }
        list.places
    }

    /// Who put a program where it is.
    pub(super) fn origin(&self, path: &Path) -> Origin {
        let places = self.places();
        let place = path.parent().and_then(|parent| places.iter().find(|place| place.folder == parent));
        place.map(|place| place.origin).or_else(|| self.by_its_looks(path)).unwrap_or(Origin::Elsewhere)
    }

    /// Whose a folder is by the names in its path.
    fn by_its_looks(&self, path: &Path) -> Option<Origin> {
        if path.starts_with(self.root.join("node_modules")) {
            return Some(Origin::Project);
        }
        let names: Vec<String> = path
            .components()
            .rev()
            .filter_map(|part| part.as_os_str().to_str())
            .map(str::to_ascii_lowercase)
            .collect();
        // What another manager keeps for npm is that manager's.
        let manager = names.iter().find_map(|name| match name.as_str() {
            ".volta" | "volta" => Some(Origin::Volta),
            "fnm" | ".fnm" | "fnm_multishells" => Some(Origin::Fnm),
            ".nvm" | "nvm" => Some(Origin::Nvm),
            "pnpm" | ".pnpm" => Some(Origin::Pnpm),
            ".yarn" | "yarn" => Some(Origin::Yarn),
            ".bun" => Some(Origin::Bun),
            "scoop" => Some(Origin::Scoop),
            _ => None,
        });
        let npm = ["npm", ".npm-global", ".npm-packages", "node_modules"];
        let of_npm = || names.iter().any(|name| npm.contains(&name.as_str()));
        manager.or_else(|| of_npm().then_some(Origin::Npm))
    }

    /// Folders that need not be on the path of a service or an editor, the likely ones first.
    fn own_places(&self) -> Vec<Place> {
        let mut list = List { places: Vec::new(), seen: BTreeSet::new() };
        let windows = self.is_windows();
        let variable = |name: &str| self.folder(name);
        // npm puts programs into its prefix itself on Windows, into `bin` of it elsewhere.
        let npm: &[&str] = if windows { &[""] } else { &["bin"] };
        for name in ["NPM_CONFIG_PREFIX", "npm_config_prefix"] {
            list.below(Origin::Npm, variable(name), npm);
        }
        list.below(Origin::Npm, self.npm_prefix(), npm);
        list.below(Origin::Pnpm, variable("PNPM_HOME"), &["", "bin"]);
        list.below(Origin::Volta, variable("VOLTA_HOME"), &["bin"]);
        // The folder of one shell's version of Node.
        list.below(Origin::Fnm, variable("FNM_MULTISHELL_PATH"), npm);
        list.below(Origin::Nvm, variable("NVM_BIN"), &[""]);
        list.below(Origin::Nvm, variable("NVM_SYMLINK"), &[""]);
        list.below(Origin::Bun, variable("BUN_INSTALL"), &["bin"]);
        if windows {
            self.windows_places(&mut list);
        } else {
            self.unix_places(&mut list);
        }
        self.versions_of_node(&mut list);
        list.below(Origin::Project, Some(self.root.to_owned()), &["node_modules/.bin"]);
        list.places
    }

    fn unix_places(&self, list: &mut List) {
        let home = || self.home();
        list.below(Origin::Npm, home(), &[".npm-global/bin", ".npm-packages/bin"]);
        list.below(Origin::Pnpm, self.folder("XDG_DATA_HOME"), &["pnpm", "pnpm/bin"]);
        list.below(Origin::Pnpm, home(), &[".local/share/pnpm", ".local/share/pnpm/bin"]);
        if self.system == System::Macos {
            list.below(Origin::Pnpm, home(), &["Library/pnpm", "Library/pnpm/bin"]);
        }
        list.below(Origin::Volta, home(), &[".volta/bin"]);
        list.below(Origin::Yarn, home(), &[".yarn/bin", ".config/yarn/global/node_modules/.bin"]);
        list.below(Origin::Bun, home(), &[".bun/bin"]);
        list.below(
            Origin::Elsewhere,
            home(),
            &[
                ".local/bin",
                "bin",
                ".opencode/bin",
                ".kilo/bin",
                ".local/share/mise/shims",
                ".asdf/shims",
                ".nix-profile/bin",
            ],
        );
        for folder in ["/usr/local/bin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin"] {
            list.add(Origin::Elsewhere, PathBuf::from(folder));
        }
    }

    fn windows_places(&self, list: &mut List) {
        list.below(Origin::Npm, self.folder("APPDATA"), &["npm"]);
        list.below(Origin::Pnpm, self.folder("LOCALAPPDATA"), &["pnpm", "pnpm/bin"]);
        list.below(Origin::Volta, self.folder("LOCALAPPDATA"), &["Volta/bin"]);
        list.below(Origin::Yarn, self.folder("LOCALAPPDATA"), &["Yarn/bin"]);
        list.below(Origin::Bun, self.home(), &[".bun/bin"]);
        list.below(Origin::Scoop, self.folder("SCOOP"), &["shims"]);
        list.below(Origin::Scoop, self.home(), &["scoop/shims"]);
        list.below(Origin::Scoop, self.folder("ProgramData"), &["scoop/shims"]);
        list.below(Origin::Npm, self.folder("ProgramFiles"), &["nodejs"]);
        list.below(Origin::Elsewhere, self.home(), &[".local/bin", ".opencode/bin", ".kilo/bin"]);
        list.below(Origin::Elsewhere, self.folder("LOCALAPPDATA"), &["Microsoft/WinGet/Links"]);
        list.below(Origin::Elsewhere, self.folder("ProgramData"), &["chocolatey/bin"]);
    }

    /// The programs of each version of Node that fnm and nvm have: the default first, then the
    /// newest.
    fn versions_of_node(&self, list: &mut List) {
        let bin = if self.is_windows() { "" } else { "bin" };
        let mut bases: Vec<PathBuf> = self.folder("FNM_DIR").into_iter().collect();
        if self.is_windows() {
            bases.extend(
                ["APPDATA", "LOCALAPPDATA"].iter().filter_map(|name| Some(self.folder(name)?.join("fnm"))),
            );
        } else {
            bases.extend(self.folder("XDG_DATA_HOME").map(|data| data.join("fnm")));
            let parts: &[&str] = if self.system == System::Macos {
                &["Library/Application Support/fnm", ".local/share/fnm", ".fnm"]
            } else {
                &[".local/share/fnm", ".fnm"]
            };
            bases.extend(self.home().iter().flat_map(|home| parts.iter().map(|part| joined(home, part))));
        }
        for base in bases {
            list.add(Origin::Fnm, joined(&base, &format!("aliases/default/{bin}")));
            for version in versions(&base.join("node-versions"), None) {
                list.add(Origin::Fnm, joined(&version, &format!("installation/{bin}")));
            }
        }
        if self.is_windows() {
            let homes = [self.folder("NVM_HOME"), self.folder("APPDATA").map(|folder| folder.join("nvm"))];
            for version in homes.into_iter().flatten().flat_map(|home| versions(&home, None)) {
                list.add(Origin::Nvm, version);
            }
        } else {
            let home = self.folder("NVM_DIR").or_else(|| Some(self.home()?.join(".nvm")));
            if let Some(home) = home {
                let default = read_small(&joined(&home, "alias/default"));
                for version in versions(&joined(&home, "versions/node"), default.as_deref()) {
                    list.add(Origin::Nvm, version.join("bin"));
                }
            }
        }
    }

    /// Where npm installs programs by the user's own settings.
    fn npm_prefix(&self) -> Option<PathBuf> {
        let home = self.home()?;
        let settings = read_small(&home.join(".npmrc"))?;
        let value = settings.lines().rev().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == "prefix").then(|| value.trim().trim_matches(['"', '\'']).to_owned())
        })?;
        let relative =
            ["~/", "~\\", "${HOME}/", "${HOME}\\"].iter().find_map(|start| value.strip_prefix(start));
        Some(match relative {
            Some(rest) => joined(&home, &rest.replace('\\', "/")),
            None => PathBuf::from(value),
        })
    }
}

/// The folders in `folder` that are named for versions: those that `wanted` means first, then the
/// newest.
fn versions(folder: &Path, wanted: Option<&str>) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let wanted = wanted.and_then(numbers);
    let mut versions: Vec<(bool, Vec<u64>, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let numbers = numbers(entry.file_name().to_str()?)?;
            let meant = wanted.as_ref().is_some_and(|wanted| numbers.starts_with(wanted));
            Some((meant, numbers, entry.path()))
        })
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, _, folder)| folder).collect()
}

/// The numbers of a version; none: it is something else.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let version = version.trim();
    let version = version.strip_prefix('v').unwrap_or(version);
    version.split('.').map(|part| part.parse().ok()).collect()
}

/// The text of a file that is expected to be small.
fn read_small(path: &Path) -> Option<String> {
    let small = std::fs::metadata(path).ok().filter(|file| file.is_file() && file.len() < 64 * 1024);
    small.and_then(|_| std::fs::read_to_string(path).ok())
}
