//! Folders made for it, by the rules of each system. Those of Windows are tried on every system, those
//! of Unix where there are links and marks of programs.

use super::*;
use crate::agents::presets;

/// As npm writes one for a script of Node's.
const NODE_BATCH: &str = include_str!("../../../tests/fixtures/shims/npm-node.cmd");
/// What it starts, with its options.
const NODE_TARGET: &str = "node_modules/tool/bin/flags";
const NATIVE_BATCH: &str = include_str!("../../../tests/fixtures/shims/npm-native.cmd");
const NATIVE_TARGET: &str = "node_modules/nat/bin/nat.exe";
const SCRIPT: &str = "#!/usr/bin/env node\n";
const NATIVE: &str = "MZ\0\0";

struct Computer {
    system: System,
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

impl Computer {
    fn new(system: System) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { system, folder, variables: BTreeMap::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        places::joined(&dunce::canonicalize(self.folder.path()).unwrap(), name)
    }

    /// Sets a variable to folders.
    fn set(&mut self, name: &str, folders: &[&str]) {
        let folders: Vec<String> =
            folders.iter().map(|folder| self.path(folder).to_str().unwrap().to_owned()).collect();
        let separator = if self.system == System::Windows { ";" } else { ":" };
        self.variables.insert(name.to_owned(), folders.join(separator));
    }

    fn install(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        path
    }

    fn find_agent(&self, agent: &AgentSpec) -> Option<Found> {
        let root = self.path("root");
        let machine = Machine { system: self.system, environment: &self.variables, root: &root };
        find_on(&machine, agent)
    }

    fn find(&self, agent: &str) -> Option<Found> {
        self.find_agent(&preset(agent))
    }

    fn program(&self, agent: &str) -> Option<PathBuf> {
        self.find(agent).map(|found| found.program)
    }

    fn configured(&self, program: &str) -> Option<Found> {
        self.find_agent(&AgentSpec { program: Some(program.to_owned()), ..preset("gemini") })
    }

    /// What is started, as words, with paths seen from the computer's folder and written with `/`; none: nothing
    /// is found.
    fn words(&self, program: &str) -> Vec<String> {
        let Some(found) = self.configured(program) else { return Vec::new() };
        assert!(found.program.is_absolute(), "{}", found.program.display());
        let base =
            format!("{}/", self.path("").to_str().unwrap().trim_end_matches(['/', '\\']).replace('\\', "/"));
        let words = std::iter::once(found.program.to_str().unwrap().to_owned()).chain(found.args);
        words.map(|word| word.replace('\\', "/").replace(&base, "")).collect()
    }
}

fn preset(name: &str) -> AgentSpec {
    presets::builtin().into_iter().find(|known| known.name == name).unwrap()
}

fn windows() -> Computer {
    let mut computer = Computer::new(System::Windows);
    computer.set("Path", &["path"]);
    computer
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn on_windows_the_path_comes_first_then_the_managers_then_the_project() {
    let mut computer = windows();
    for (name, folder) in [
        ("USERPROFILE", "home"),
        ("AppData", "roaming"),
        ("LOCALAPPDATA", "local"),
        ("PNPM_HOME", "pnpm"),
        ("NVM_HOME", "nvm"),
        ("NVM_SYMLINK", "nodejs"),
        ("FNM_MULTISHELL_PATH", "fnm_multishells/1"),
    ] {
        computer.set(name, &[folder]);
    }
    assert_eq!(computer.find("gemini"), None);
    for (place, origin) in [
        ("root/node_modules/.bin", Origin::Project),
        ("nvm/v9.0.0", Origin::Nvm),
        ("nvm/v20.1.0", Origin::Nvm),
        ("roaming/fnm/node-versions/v22.0.0/installation", Origin::Fnm),
        ("home/scoop/shims", Origin::Scoop),
        ("local/Volta/bin", Origin::Volta),
        ("local/pnpm", Origin::Pnpm),
        ("roaming/npm", Origin::Npm),
        ("nodejs", Origin::Nvm),
        ("fnm_multishells/1", Origin::Fnm),
        ("pnpm", Origin::Pnpm),
        ("path", Origin::Path),
    ] {
        let program = computer.install(&format!("{place}/gemini.exe"), NATIVE);
        let found = computer.find("gemini").expect(place);
        assert_eq!((&found.program, found.origin), (&program, origin), "{place}");
        assert_eq!(found.seen, program);
    }
}

#[test]
fn on_windows_a_script_is_given_to_the_node_beside_its_shim_else_to_another() {
    let computer = windows();
    let options = ["--no-warnings", "--enable-source-maps"];
    computer.install("path/tool.cmd", NODE_BATCH);
    assert_eq!(computer.words("tool"), words(&[]), "what it starts is not there");
    computer.install(&format!("path/{NODE_TARGET}"), SCRIPT);
    assert_eq!(computer.words("tool"), words(&[]), "there is no node");
    let script = format!("path/{NODE_TARGET}");
    computer.install("root/node_modules/.bin/node.exe", NATIVE);
    let by = |node: &str| words(&[node, options[0], options[1], &script]);
    assert_eq!(computer.words("tool"), by("root/node_modules/.bin/node.exe"));
    computer.install("path/node.exe", NATIVE);
    assert_eq!(computer.words("tool"), by("path/node.exe"));
    // The other forms say the same.
    for (ending, text) in [
        (".ps1", include_str!("../../../tests/fixtures/shims/npm-node.ps1")),
        ("", include_str!("../../../tests/fixtures/shims/npm-node.sh")),
    ] {
        computer.install(&format!("path/other{ending}"), text);
        assert_eq!(computer.words("other"), by("path/node.exe"), "{ending}");
    }
}

#[test]
fn on_windows_a_shim_leads_to_a_native_program() {
    let mut computer = windows();
    computer.set("APPDATA", &["roaming"]);
    computer.install("roaming/npm/tool.cmd", NATIVE_BATCH);
    assert_eq!(computer.words("tool"), words(&[]));
    let native = format!("roaming/npm/{NATIVE_TARGET}");
    computer.install(&native, NATIVE);
    assert_eq!(computer.words("tool"), words(&[&native]));
    let found = computer.configured("tool").unwrap();
    assert_eq!((found.seen, found.origin), (computer.path("roaming/npm/tool.cmd"), Origin::Npm));
    // The shim itself may be named, with and without its ending.
    for program in ["tools/tool.cmd", "./tools/tool"] {
        computer.install("root/tools/tool.cmd", NATIVE_BATCH);
        computer.install(&format!("root/tools/{NATIVE_TARGET}"), NATIVE);
        assert_eq!(computer.words(program), words(&[&format!("root/tools/{NATIVE_TARGET}")]), "{program}");
        assert_eq!(computer.configured(program).unwrap().origin, Origin::Configured);
    }
}

#[test]
fn on_windows_shims_behind_shims_are_followed_and_circles_left() {
    let computer = windows();
    let real = computer.path("apps/tool.cmd");
    computer.install("path/tool.exe", NATIVE);
    computer.install("path/tool.shim", &format!("path = \"{}\"\r\nargs = --fast", real.display()));
    assert_eq!(computer.words("tool"), words(&[]));
    computer.install("apps/tool.cmd", NATIVE_BATCH);
    computer.install(&format!("apps/{NATIVE_TARGET}"), NATIVE);
    assert_eq!(computer.words("tool"), words(&[&format!("apps/{NATIVE_TARGET}"), "--fast"]));
    computer.install("path/circle.cmd", "@\"%~dp0\\circle.cmd\" %*\r\n");
    assert_eq!(computer.words("circle"), words(&[]));
}

#[test]
fn on_windows_voltas_shims_ask_volta() {
    let mut computer = windows();
    computer.set("LOCALAPPDATA", &["local"]);
    computer.install("local/Volta/bin/tool.cmd", "@echo off\r\nvolta run %~n0 %*\r\n");
    assert_eq!(computer.words("tool"), words(&[]));
    computer.install("path/volta.exe", NATIVE);
    assert_eq!(computer.words("tool"), words(&["path/volta.exe", "run", "tool"]));
}

#[test]
fn on_windows_files_say_what_runs_them() {
    let computer = windows();
    computer.install("path/node.exe", NATIVE);
    computer.install("root/agent.mjs", "run()");
    computer.install("root/agent", "#!/usr/bin/env -S node --no-warnings\nrun()");
    computer.install("root/list", "words");
    computer.install("root/shell.ps1", "Get-Date");
    computer.install("root/batch.bat", "@echo off\r\nstart %1\r\n");
    assert_eq!(computer.words("./agent.mjs"), words(&["path/node.exe", "root/agent.mjs"]));
    assert_eq!(computer.words("./agent"), words(&["path/node.exe", "--no-warnings", "root/agent"]));
    assert_eq!(computer.words("./list"), words(&[]));
    assert_eq!(computer.words("./shell.ps1"), words(&[]));
    assert_eq!(computer.words("./batch.bat"), words(&["root/batch.bat"]), "nobody knows what is behind it");
}

#[test]
fn on_windows_pathext_decides_within_a_folder_and_the_path_between_folders() {
    let mut computer = windows();
    computer.set("Path", &["first", "second"]);
    computer.install("second/tool.exe", NATIVE);
    computer.install("first/tool.bat", "@echo off\r\n");
    assert_eq!(computer.words("tool"), words(&["first/tool.bat"]));
    computer.install("first/tool.exe", NATIVE);
    assert_eq!(computer.words("tool"), words(&["first/tool.exe"]));
    computer.variables.insert("PATHEXT".to_owned(), ".BAT;.EXE".to_owned());
    assert_eq!(computer.words("tool"), words(&["first/tool.bat"]));
    assert_eq!(computer.words("tool.exe"), words(&["first/tool.exe"]), "an ending is an ending");
}

#[test]
fn on_windows_a_text_without_a_known_shim_still_leads_to_a_known_agent() {
    let computer = windows();
    let shim = computer.install("path/opencode.cmd", "@ECHO off\r\n");
    assert_eq!(computer.program("opencode"), Some(shim));
    let native = computer.install("path/node_modules/opencode-ai/bin/opencode.exe", NATIVE);
    assert_eq!(computer.program("opencode"), Some(native));
}

#[test]
fn on_windows_kilo_behind_its_shims_is_kilo_itself() {
    let mut computer = windows();
    computer.set("LOCALAPPDATA", &["local"]);
    let batch = NODE_BATCH
        .replace("\\node_modules\\tool\\bin\\flags", "\\global\\5\\node_modules\\@kilocode\\cli\\bin\\kilo");
    computer.install("local/pnpm/kilo.cmd", &batch);
    computer.install("local/pnpm/global/5/node_modules/@kilocode/cli/bin/kilo", SCRIPT);
    let name = if cfg!(target_arch = "aarch64") { "cli-windows-arm64" } else { "cli-windows-x64" };
    let package = format!("local/pnpm/global/5/node_modules/@kilocode/{name}/bin/kilo.exe");
    let native = computer.install(&package, NATIVE);
    let found = computer.find("kilo").unwrap();
    assert_eq!((found.program, found.args), (native, vec![]), "without node: it needs none");
    assert_eq!(found.origin, Origin::Pnpm);
}

#[test]
fn on_windows_the_shell_is_gits_else_cmd() {
    let mut computer = windows();
    computer.set("SystemRoot", &["Windows"]);
    computer.set("ComSpec", &["missing/cmd.exe"]);
    computer.install("path/bash.exe", NATIVE);
    assert_eq!(computer.program("command"), None);
    let cmd = computer.install("Windows/System32/cmd.exe", NATIVE);
    assert_eq!(computer.program("command"), Some(cmd));
    let configured = computer.install("other/cmd.exe", NATIVE);
    computer.set("ComSpec", &["other/cmd.exe"]);
    assert_eq!(computer.program("command"), Some(configured));
    // Behind Scoop's shim.
    let git = computer.install("apps/git/cmd/git.exe", NATIVE);
    computer.install("path/git.exe", NATIVE);
    computer.install("path/git.shim", &format!("path = \"{}\"", git.display()));
    let sh = computer.install("apps/git/bin/sh.exe", NATIVE);
    assert_eq!(computer.program("command"), Some(sh));
    // A script called git that has to be run by git's shell.
    computer.set("Path", &["strange"]);
    computer.install("strange/git", "#!/bin/sh\n");
    assert!(computer.program("command").is_some());
}

#[test]
fn tools_never_come_from_the_project() {
    for (system, file) in [(System::Windows, "git.exe"), (System::Unix, "git")] {
        if cfg!(windows) && system != System::Windows {
            continue;
        }
        let mut computer = Computer::new(system);
        computer.set("PATH", &["root", "root/node_modules/.bin", "path"]);
        computer.install(&format!("root/{file}"), NATIVE);
        computer.install(&format!("root/node_modules/.bin/{file}"), NATIVE);
        let root = computer.path("root");
        let machine = Machine { system, environment: &computer.variables, root: &root };
        // Of what is usual on this machine there may be one.
        assert!(machine.tool("git").is_none_or(|found| !found.starts_with(computer.path(""))));
        let git = computer.install(&format!("path/{file}"), NATIVE);
        assert_eq!(machine.tool("git"), Some(git));
    }
}

#[test]
fn nothing_is_found_in_the_working_folder_or_by_a_name_that_is_none() {
    let here = std::env::current_dir().unwrap();
    assert!(here.join("Cargo.toml").is_file());
    for system in [System::Unix, System::Windows] {
        let mut computer = Computer::new(system);
        for list in ["", ";;", "\"\"", " ", "\0"] {
            computer.variables.insert("PATH".to_owned(), list.to_owned());
            for name in ["Cargo.toml", "", ".", "..", "/", "./", "~/", "\0", "é\u{202e}"] {
                assert_eq!(computer.configured(name), None, "{name:?} with {list:?}");
            }
        }
    }
}

#[test]
fn folders_are_no_programs_and_a_long_path_is_gone_through() {
    let mut computer = windows();
    std::fs::create_dir_all(computer.path("path/gemini.exe")).unwrap();
    assert_eq!(computer.find("gemini"), None);
    let many: Vec<String> = (0..5_000).map(|number| format!("missing/{number}")).collect();
    let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
    many.push("last");
    computer.set("PATH", &many);
    computer.variables.remove("Path");
    let last = computer.install("last/gemini.exe", NATIVE);
    assert_eq!(computer.program("gemini"), Some(last));
}

#[test]
fn places_are_absolute_and_each_is_named_once() {
    for system in [System::Unix, System::Macos, System::Windows] {
        let mut computer = Computer::new(system);
        computer.set("HOME", &["home"]);
        computer.set("USERPROFILE", &["home"]);
        computer.set("PNPM_HOME", &["home/.local/share/pnpm"]);
        computer.variables.insert("NVM_BIN".to_owned(), "relative".to_owned());
        let root = computer.path("root");
        let machine = Machine { system, environment: &computer.variables, root: &root };
        let places = machine.places();
        let mut folders: Vec<&Path> = places.iter().map(|place| place.folder.as_path()).collect();
        assert!(folders.iter().all(|folder| folder.is_absolute()), "{folders:?}");
        assert_eq!(folders.last(), Some(&computer.path("root/node_modules/.bin").as_path()));
        let count = folders.len();
        folders.sort_unstable();
        folders.dedup();
        assert_eq!(folders.len(), count);
        let shown = |origin: Origin| places.iter().any(|place| place.origin == origin);
        assert!(shown(Origin::Pnpm) && shown(Origin::Project));
        let library = places.iter().any(|place| place.folder.starts_with(computer.path("home/Library")));
        assert_eq!(library, system == System::Macos);
    }
}

#[test]
fn origins_are_told_by_the_place_and_by_the_names_in_a_path() {
    let mut computer = Computer::new(System::Windows);
    computer.set("PATH", &["bin", "home/.nvm/versions/node/v1/bin"]);
    let root = computer.path("root");
    let machine = Machine { system: System::Windows, environment: &computer.variables, root: &root };
    for (path, origin) in [
        ("bin/tool.exe", Origin::Path),
        ("elsewhere/tool.exe", Origin::Elsewhere),
        ("home/.nvm/versions/node/v1/bin/tool", Origin::Nvm),
        ("home/.nvm/versions/node/v1/lib/node_modules/tool/tool.js", Origin::Nvm),
        ("lib/node_modules/tool/tool.js", Origin::Npm),
        ("root/node_modules/.pnpm/tool/tool.js", Origin::Project),
        ("home/.volta/tools/image/packages/tool/bin/tool", Origin::Volta),
    ] {
        assert_eq!(machine.origin(&computer.path(path)), origin, "{path}");
    }
    assert_eq!((Origin::Path.as_str(), Origin::Fnm.as_str()), ("PATH", "fnm"));
}

#[cfg(unix)]
mod unix {
    use super::*;

    fn unix() -> Computer {
        let mut computer = Computer::new(System::Unix);
        computer.set("PATH", &["path"]);
        computer.set("HOME", &["home"]);
        computer.install("path/node", NATIVE);
        computer
    }

    impl Computer {
        fn link(&self, name: &str, target: &Path) -> PathBuf {
            let path = self.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, &path).unwrap();
            path
        }
    }

    #[test]
    fn the_path_comes_first_then_the_managers_then_the_project() {
        let mut computer = unix();
        computer.set("PNPM_HOME", &["pnpm"]);
        computer.set("VOLTA_HOME", &["volta"]);
        std::fs::create_dir_all(computer.path("home")).unwrap();
        let prefix = "; mine\nregistry=https://x\nprefix = \"~/packages\"\n";
        std::fs::write(computer.path("home/.npmrc"), prefix).unwrap();
        assert_eq!(computer.find("gemini"), None);
        for (place, origin) in [
            ("root/node_modules/.bin", Origin::Project),
            ("home/.nvm/versions/node/v9.0.0/bin", Origin::Nvm),
            ("home/.nvm/versions/node/v20.1.0/bin", Origin::Nvm),
            ("home/.local/share/fnm/node-versions/v18.0.0/installation/bin", Origin::Fnm),
            ("home/.local/share/fnm/aliases/default/bin", Origin::Fnm),
            ("home/.local/bin", Origin::Elsewhere),
            ("home/.volta/bin", Origin::Volta),
            ("home/.npm-global/bin", Origin::Npm),
            ("volta/bin", Origin::Volta),
            ("pnpm", Origin::Pnpm),
            ("home/packages/bin", Origin::Npm),
            ("path", Origin::Path),
        ] {
            let program = computer.install(&format!("{place}/gemini"), SCRIPT);
            let found = computer.find("gemini").expect(place);
            assert_eq!((found.program, found.args, found.origin), (program, vec![], origin), "{place}");
        }
    }

    #[test]
    fn the_version_of_node_that_is_nvms_default_comes_before_newer_ones() {
        let computer = unix();
        let old = computer.install("home/.nvm/versions/node/v18.20.1/bin/gemini", SCRIPT);
        let new = computer.install("home/.nvm/versions/node/v22.0.0/bin/gemini", SCRIPT);
        for (alias, program) in [("18", &old), ("v18.20\n", &old), ("lts/*", &new), ("2", &new), ("", &new)] {
            computer.install("home/.nvm/alias/default", alias);
            assert_eq!(computer.program("gemini").as_ref(), Some(program), "{alias}");
        }
    }

    #[test]
    fn a_script_off_the_path_is_given_to_the_node_beside_it() {
        let mut computer = unix();
        let bin = "home/.nvm/versions/node/v20.1.0/bin";
        let script = computer.install("home/.nvm/versions/node/v20.1.0/lib/node_modules/tool/cli.js", SCRIPT);
        computer.link(&format!("{bin}/tool"), &script);
        computer.install(&format!("{bin}/node"), NATIVE);
        let by_own = words(&[&format!("{bin}/node"), &format!("{bin}/tool")]);
        assert_eq!(computer.words("tool"), by_own);
        computer.set("PATH", &["path", bin]);
        assert_eq!(computer.words("tool"), words(&[&format!("{bin}/tool")]), "the path finds one");
        computer.variables.clear();
        computer.set("HOME", &["home"]);
        assert_eq!(computer.words("tool"), by_own, "the path finds none");
    }

    #[test]
    fn the_program_behind_kilos_script_is_found() {
        let computer = unix();
        let script = computer.install("lib/node_modules/@kilocode/cli/bin/kilo", SCRIPT);
        computer.link("path/kilo", &script);
        assert_eq!(computer.program("kilo"), Some(script));
        let native = computer.install("lib/node_modules/@kilocode/cli/bin/.kilo", NATIVE);
        assert_eq!(computer.program("kilo"), Some(native));
    }

    #[test]
    fn a_platforms_package_is_found_beside_the_script_and_inside_its_package() {
        for place in ["lib/node_modules", "lib/node_modules/cline/node_modules"] {
            let computer = unix();
            let script = computer.install("lib/node_modules/cline/bin/cline", SCRIPT);
            computer.link("path/cline", &script);
            let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
            let system = if system == "macos" { "linux" } else { system };
            let machine = machine.replace("x86_64", "x64").replace("aarch64", "arm64");
            let native =
                computer.install(&format!("{place}/@cline/cli-{system}-{machine}/bin/cline"), NATIVE);
            assert_eq!(computer.program("cline"), Some(native), "{place}");
        }
    }

    #[test]
    fn a_native_program_is_taken_as_it_is() {
        let computer = unix();
        let native = computer.install("lib/node_modules/opencode-ai/bin/opencode.exe", NATIVE);
        computer.link("path/opencode", &native);
        computer.install("lib/node_modules/opencode-linux-x64/bin/opencode", NATIVE);
        assert_eq!(computer.program("opencode"), Some(native));
    }

    #[test]
    fn a_program_that_goes_by_its_name_keeps_it() {
        let mut computer = unix();
        computer.set("VOLTA_HOME", &["volta"]);
        let dispatcher = computer.install("volta/bin/volta-shim", NATIVE);
        for name in ["gemini", "kilo"] {
            let link = computer.link(&format!("volta/bin/{name}"), &dispatcher);
            assert_eq!(computer.program(name), Some(link), "{name}");
        }
        // What it stands for is started where it is known.
        let package = "volta/tools/image/packages/@kilocode/cli/lib/node_modules/@kilocode/cli/bin/.kilo";
        let native = computer.install(package, NATIVE);
        assert_eq!(computer.program("kilo"), Some(native));
    }

    #[test]
    fn a_terminals_own_folder_is_not_kept() {
        let mut computer = unix();
        let program = computer.install("fnm/node-versions/v20.0.0/installation/bin/gemini", NATIVE);
        computer.link("run/fnm_multishells/7", &computer.path("fnm/node-versions/v20.0.0/installation"));
        computer.set("PATH", &["run/fnm_multishells/7/bin"]);
        let found = computer.find("gemini").unwrap();
        assert_eq!((found.program, found.origin), (program, Origin::Fnm));
    }

    #[test]
    fn pnpms_scripts_are_left_where_the_shell_makes_way_and_followed_where_it_waits() {
        let mut computer = unix();
        computer.set("PNPM_HOME", &["pnpm/bin"]);
        let node = include_str!("../../../tests/fixtures/shims/pnpm-node.sh");
        computer.install("pnpm/bin/tool", node);
        assert_eq!(computer.words("tool"), words(&[]), "it leads nowhere");
        let script = "pnpm/pnpm/global/5/node_modules/tool/bin/tool.js";
        computer.install(script, SCRIPT);
        assert_eq!(computer.words("tool"), words(&["pnpm/bin/tool"]));
        computer.install("pnpm/bin/node", NATIVE);
        assert_eq!(computer.words("tool"), words(&["pnpm/bin/node", script]), "the one that is its own");
        let waiting = include_str!("../../../tests/fixtures/shims/pnpm-native.sh");
        computer.install("pnpm/bin/nat", waiting);
        computer.install("pnpm/npm/node_modules/nat/bin/nat.exe", NATIVE);
        assert_eq!(computer.words("nat"), words(&["pnpm/npm/node_modules/nat/bin/nat.exe"]));
    }

    #[test]
    fn configured_paths_are_relative_to_the_root_and_files_that_cannot_run_are_none() {
        let computer = unix();
        let tool = computer.install("root/tools/mine", SCRIPT);
        computer.install("home/own", NATIVE);
        std::fs::write(computer.path("root/tools/text"), "x").unwrap();
        computer.link("root/tools/broken", &computer.path("nowhere"));
        computer.link("root/tools/circle", &computer.path("root/tools/circle"));
        for program in ["./tools/mine", "tools/mine", tool.to_str().unwrap(), "tools/../tools/./mine"] {
            let found = computer.configured(program).expect(program);
            assert_eq!((found.program.as_path(), found.origin), (tool.as_path(), Origin::Configured));
        }
        assert_eq!(computer.words("~/own"), words(&["home/own"]));
        for program in ["tools/text", "tools/broken", "tools/circle", "tools", "tools/mine/x"] {
            assert_eq!(computer.configured(program), None, "{program}");
        }
    }

    #[test]
    fn names_that_are_no_unicode_are_passed_over() {
        use std::os::unix::ffi::OsStrExt as _;
        let computer = unix();
        let strange = computer.path("").join(std::ffi::OsStr::from_bytes(b"r\xffoot"));
        std::fs::create_dir_all(strange.join("bin")).unwrap();
        std::fs::copy(computer.install("x", NATIVE), strange.join("bin/gemini")).unwrap();
        let machine = Machine { system: System::Unix, environment: &computer.variables, root: &strange };
        let own = AgentSpec { program: Some("bin/gemini".to_owned()), ..preset("gemini") };
        assert_eq!(find_on(&machine, &own), None, "it could not be written down");
        computer.link("path/gemini", &strange.join("bin/gemini"));
        assert_eq!(computer.program("gemini"), Some(computer.path("path/gemini")));
    }

    #[test]
    fn the_shell_is_there_without_a_path_and_keeps_its_name() {
        let mut computer = unix();
        computer.variables.clear();
        assert!(computer.program("command").unwrap().ends_with("sh"));
        computer.set("PATH", &["root/bin", "path"]);
        computer.install("root/bin/sh", SCRIPT);
        let own = computer.install("path/sh", SCRIPT);
        assert_eq!(computer.find("command").unwrap().program, own);
    }
}
