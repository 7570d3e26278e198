//! The one place that reads the process's environment: variables, folders, names of host and user.
//!
//! Everything else is handed what it needs, so that it can be tested with an environment of its own.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use etcetera::BaseStrategy as _;
use etcetera::base_strategy::Xdg;

/// The folders of the user's own files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// The user's home.
    pub home: PathBuf,
    /// Where configuration lies: `~/.config`, on Windows too.
    pub config: PathBuf,
    /// Where what can be made again lies: `~/.cache`, on Windows too.
    pub cache: PathBuf,
}

impl Folders {
    /// The user's own configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("orchestrate").join(crate::cli::config::CONFIG_FILE)
    }

    /// Where `orchestrate` keeps what can be made again.
    pub fn own_cache(&self) -> PathBuf {
        self.cache.join("orchestrate")
    }
}

/// Takes down all variables. A name that is no UTF-8 is left out; in a value what is none becomes
/// `U+FFFD`. On Windows, where names have no case, they are taken in capitals.
pub fn capture() -> BTreeMap<String, String> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    let variables = std::env::vars_os();
    variables
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let name = if cfg!(windows) { name.to_ascii_uppercase() } else { name };
            Some((name, value.to_string_lossy().into_owned()))
        })
        .collect()
}

/// Whether these variables may hold the password of a Redis that is ours.
pub fn may_hold_password(variables: &BTreeMap<String, String>) -> bool {
    ["ORCHESTRATE_REDIS_URL", "REDIS_URL", "REDIS_PASSWORD"]
        .iter()
        .any(|name| variables.get(*name).is_some_and(|value| !value.is_empty()))
}

/// The user's folders; none: there is no home.
pub fn folders() -> Option<Folders> {
    let base = Xdg::new().ok()?;
    Some(Folders { home: base.home_dir().to_path_buf(), config: base.config_dir(), cache: base.cache_dir() })
}

/// The folder for what can be made again, where there is no home too.
pub fn cache(folders: Option<&Folders>) -> PathBuf {
    folders.map_or_else(|| std::env::temp_dir().join("orchestrate-cache"), |folders| folders.cache.clone())
}

/// The working directory, absolute and without links.
///
/// # Errors
/// If it was removed or may not be read.
pub fn working_directory() -> io::Result<PathBuf> {
    let directory = std::env::current_dir()?;
    Ok(dunce::canonicalize(&directory).unwrap_or(directory))
}

/// The name of this host: a plain word, never empty. Where several machines have the same name, as
/// containers may, `ORCHESTRATE_HOST` tells them apart: a process of another machine says nothing here.
pub fn host(variables: &BTreeMap<String, String>) -> String {
    let named = variables.get("ORCHESTRATE_HOST").map(|name| plain(name, "")).filter(|name| !name.is_empty());
    named.unwrap_or_else(|| plain(&system_name(variables), "localhost"))
}

/// The name of the user: a plain word, never empty.
pub fn user(variables: &BTreeMap<String, String>) -> String {
    let named = ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| variables.get(*name).filter(|value| !value.trim().is_empty()));
    plain(named.map_or("", String::as_str), "somebody")
}

#[cfg(unix)]
fn system_name(_variables: &BTreeMap<String, String>) -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn system_name(variables: &BTreeMap<String, String>) -> String {
    variables.get("COMPUTERNAME").cloned().unwrap_or_default()
}

/// Names end up in `host:pid` and `user@host`, so what would be mistaken there is left out.
fn plain(name: &str, otherwise: &str) -> String {
    let name: String = name
        .trim()
        .chars()
        .filter(|c| !c.is_control() && !c.is_whitespace() && *c != ':' && *c != '@')
        .collect();
    if name.is_empty() { otherwise.to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_words() {
        let variables = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(user(&variables(&[("USER", ""), ("LOGNAME", "Jo Do:e")])), "JoDoe");
        assert_eq!(user(&variables(&[])), "somebody");
        assert!(!host(&variables(&[])).is_empty());
        assert_eq!(host(&variables(&[("ORCHESTRATE_HOST", " an:vil ")])), "anvil");
        assert_eq!(host(&variables(&[("ORCHESTRATE_HOST", " ")])), host(&variables(&[])));
        assert_eq!(plain("a@b:c\n", "x"), "abc");
    }

    #[test]
    fn the_environment_is_taken_down() {
        // The path is set wherever tests run.
        assert!(capture().contains_key("PATH"));
        assert!(working_directory().unwrap().is_absolute());
    }

    #[test]
    fn own_files_lie_below_the_users_folders() {
        let folders = Folders { home: "/h".into(), config: "/h/.config".into(), cache: "/h/.cache".into() };
        assert_eq!(folders.config_file(), PathBuf::from("/h/.config/orchestrate/orchestrate.toml"));
        assert_eq!(folders.own_cache(), PathBuf::from("/h/.cache/orchestrate"));
    }
}
