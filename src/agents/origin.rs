//! What an agent's program was installed by, as far as its path tells. Pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::model::agent::AgentSpec;

/// Folders of package managers: a part of a path, and whose it is.
const MARKS: [(&str, &str); 9] = [
    (".volta", "volta"),
    ("Volta", "volta"),
    ("fnm", "fnm"),
    ("fnm_multishells", "fnm"),
    (".nvm", "nvm"),
    ("pnpm", "pnpm"),
    (".bun", "bun"),
    ("Cellar", "homebrew"),
    ("homebrew", "homebrew"),
];

/// Variables with the folder of a package manager.
const FOLDERS: [(&str, &str); 8] = [
    ("PNPM_HOME", "pnpm"),
    ("VOLTA_HOME", "volta"),
    ("FNM_DIR", "fnm"),
    ("FNM_MULTISHELL_PATH", "fnm"),
    ("NVM_DIR", "nvm"),
    ("NVM_BIN", "nvm"),
    ("NVM_SYMLINK", "nvm"),
    ("BUN_INSTALL", "bun"),
];

/// What an agent was installed by: `project`, `npm`, `pnpm`, … ; `configured` where the configuration
/// names a path, `PATH` where nothing can be told.
///
/// `found` is where the program was found, `program` what is started.
pub fn origin(
    agent: &AgentSpec,
    found: &Path,
    program: &Path,
    environment: &BTreeMap<String, String>,
    root: &Path,
) -> &'static str {
    if agent.program.as_deref().is_some_and(|name| name.contains(['/', '\\'])) {
        return "configured";
    }
    if found.starts_with(root.join("node_modules")) {
        return "project";
    }
    let below = |variable: &str| {
        environment
            .get(variable)
            .filter(|folder| !folder.is_empty())
            .is_some_and(|folder| found.starts_with(PathBuf::from(folder)))
    };
    if let Some((_, manager)) = FOLDERS.into_iter().find(|(variable, _)| below(variable)) {
        return manager;
    }
    let has = |path: &Path, mark: &str| path.components().any(|part| part.as_os_str() == mark);
    let marked = MARKS.into_iter().find(|(mark, _)| has(found, mark) || has(program, mark));
    match marked {
        Some((_, manager)) => manager,
        None if has(program, "node_modules") || has(found, "node_modules") || has(found, "npm") => "npm",
        None => "PATH",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(found: &str, program: &str, configured: Option<&str>) -> &'static str {
        let agent = AgentSpec {
            name: "kilo".to_owned(),
            program: Some(configured.unwrap_or("kilo").to_owned()),
            ..AgentSpec::default()
        };
        let environment = BTreeMap::from([
            ("PNPM_HOME".to_owned(), "/opt/p".to_owned()),
            ("NVM_DIR".to_owned(), String::new()),
        ]);
        origin(&agent, Path::new(found), Path::new(program), &environment, Path::new("/root"))
    }

    #[test]
    fn the_path_tells_what_installed_a_program() {
        let native = "/usr/lib/node_modules/@kilocode/cli/bin/.kilo";
        for (found, program, expected) in [
            ("/usr/bin/kilo", native, "npm"),
            ("/opt/p/kilo", native, "pnpm"),
            ("/home/u/.local/share/pnpm/kilo", native, "pnpm"),
            ("/home/u/.volta/bin/kilo", "/home/u/.volta/tools/x/.kilo", "volta"),
            ("/run/user/0/fnm_multishells/1/bin/kilo", native, "fnm"),
            ("/home/u/.nvm/versions/node/v22.1.0/bin/kilo", native, "nvm"),
            ("/home/u/.bun/bin/kilo", native, "bun"),
            ("/opt/homebrew/bin/kilo", "/opt/homebrew/Cellar/kilo/7/bin/kilo", "homebrew"),
            ("/root/node_modules/.bin/kilo", "/root/node_modules/@kilocode/cli/bin/.kilo", "project"),
            ("/usr/local/bin/kilo", "/usr/local/bin/kilo", "PATH"),
        ] {
            assert_eq!(told(found, program, None), expected, "{found}");
        }
        assert_eq!(told("/root/tools/kilo", "/root/tools/kilo", Some("./tools/kilo")), "configured");
    }
}
