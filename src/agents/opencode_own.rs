//! What the user's own configuration of OpenCode or a fork of it has a word on.
//!
//! What is given by a variable comes after the user's files and takes the place of what they say, so
//! it says nothing of what they speak of. The files are not understood: a name in them, wherever it
//! stands, is taken for a word on it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::AttemptContext;
use super::opencode::Flavour;

/// The most bytes of one file.
const FILE_LIMIT: u64 = 1024 * 1024;
/// The names of its files.
const FILES: [&str; 5] = ["config.json", "opencode.json", "opencode.jsonc", "kilo.json", "kilo.jsonc"];
/// The folders in a home or a project in which they may lie as well.
const FOLDERS: [&str; 3] = [".opencode", ".kilo", ".kilocode"];

/// The text of the user's own files.
#[derive(Debug, Default)]
pub(super) struct Own {
    text: String,
}

impl Own {
    /// Reads the files that are there.
    pub(super) fn read(flavour: &Flavour, context: &AttemptContext<'_>) -> Self {
        let mut own = Self::default();
        for path in places(flavour, context) {
            let Ok(file) = std::fs::File::open(&path) else { continue };
            let mut bytes = Vec::new();
            if file.take(FILE_LIMIT).read_to_end(&mut bytes).is_ok() {
                own.text.push_str(&String::from_utf8_lossy(&bytes));
                own.text.push('\n');
            }
        }
        own
    }

    /// Whether they speak of a key.
    pub(super) fn speaks_of(&self, key: &str) -> bool {
        self.text.contains(&format!("\"{key}\""))
    }

    /// The numbers of milliseconds that stand behind a key, wherever it is; none in the place of one that
    /// is no such number, or nothing.
    pub(super) fn milliseconds(&self, key: &str) -> Vec<Option<u64>> {
        let name = format!("\"{key}\"");
        let behind = self.text.split(name.as_str()).skip(1);
        behind
            .map(|rest| {
                let value = rest.trim_start().strip_prefix(':')?.trim_start();
                let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
                value[..end].parse().ok().filter(|&wait: &u64| wait > 0)
            })
            .collect()
    }
}

fn places(flavour: &Flavour, context: &AttemptContext<'_>) -> Vec<PathBuf> {
    let given =
        |name: &str| context.environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut folders: Vec<PathBuf> = Vec::new();
    let configurations = given("XDG_CONFIG_HOME").or_else(|| context.home.map(|home| home.join(".config")));
    folders.extend(configurations.map(|folder| folder.join(flavour.name)));
    folders.extend(given(&format!("{}_CONFIG_DIR", flavour.prefix)));
    let mut around = |folder: &Path| {
        folders.push(folder.to_owned());
        folders.extend(FOLDERS.iter().map(|name| folder.join(name)));
    };
    if let Some(home) = context.home {
        around(home);
    }
    for folder in context.workspace.ancestors() {
        around(folder);
        if folder.join(".git").exists() {
            break;
        }
    }
    let files = folders.iter().flat_map(|folder| FILES.iter().map(|name| folder.join(name)));
    let mut places: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
    places.extend(given(&format!("{}_CONFIG", flavour.prefix)).filter(|path| path.is_file()));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_behind_their_key() {
        let text = r#"{ "a": { "headerTimeout" : 1200000, }, // "headerTimeout": false
            "b": { "headerTimeout":0, "chunkTimeout": 5 } }"#;
        let own = Own { text: text.to_owned() };
        assert_eq!(own.milliseconds("headerTimeout"), [Some(1_200_000), None, None]);
        assert_eq!(own.milliseconds("chunkTimeout"), [Some(5)]);
        assert_eq!(own.milliseconds("timeout"), []);
    }
}
