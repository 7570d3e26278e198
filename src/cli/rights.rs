//! Whether agents are kept to their own keys in a Redis, or only asked to keep to them: what the
//! server tells, and whether the run's own password lies where agents can read it.

use std::path::{Path, PathBuf};

use crate::cli::config::CONFIG_FILE;
use crate::cli::context::Context;
use crate::cli::environment;
use crate::cli::settings::Origin;
use crate::cli::shared::{self, Found};
use crate::scheduler::Input;
use crate::store::{Doubt, RedisState, Store};

/// Files of more bytes are not looked through for a password.
const LARGEST: u64 = 1 << 20;

/// A password of fewer bytes is not looked for in whole files: it would be found in words.
const SHORTEST: usize = 4;

/// One reason why rights are no more than advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubted {
    /// The reason, a fragment.
    pub(super) why: String,
    /// What to do about it.
    pub(super) hint: String,
}

/// What makes the rights of a run that has been taken doubtful; empty: nothing, or it has no Redis.
pub(super) fn doubts(context: &Context, store: &Store) -> Vec<Doubted> {
    told(store.doubts(), context, &store.secrets())
}

/// The same for a server that is only looked at.
pub(super) fn doubts_of(context: &Context, redis: &RedisState) -> Vec<Doubted> {
    told(&redis.doubts(), context, &redis.address().secrets())
}

/// The same for `check`; none: nobody asked for a Redis, or it is not to be had, which a run says.
pub(super) fn looked_at(context: &Context) -> Option<Vec<Doubted>> {
    match shared::state(context) {
        Ok(Found::There(redis)) => Some(doubts_of(context, &redis)),
        Ok(Found::NotAsked | Found::Without(_)) | Err(_) => None,
    }
}

/// All reasons in one line; none: there is none.
pub(super) fn joined(doubts: &[Doubted]) -> Option<String> {
    let all: Vec<&str> = doubts.iter().map(|doubt| doubt.why.as_str()).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// What a run is told once.
pub(super) fn warning(doubts: &[Doubted]) -> Option<Input> {
    Some(Input::Warn {
        code: "rights-advisory".to_owned(),
        message: format!("rights: advisory: {}", joined(doubts)?),
        hint: doubts.first().map(|doubt| doubt.hint.clone()),
    })
}

/// The lines that `check` shows.
pub(super) fn block(doubts: &[Doubted]) -> String {
    doubts.iter().fold(String::new(), |block, doubt| {
        let begin = if block.is_empty() { "\n" } else { "" };
        block + begin + "rights: advisory: " + &doubt.why + "\n  help: " + &doubt.hint + "\n"
    })
}

fn told(of_server: &[Doubt], context: &Context, secrets: &[String]) -> Vec<Doubted> {
    let mut all: Vec<Doubted> = of_server
        .iter()
        .map(|doubt| Doubted { why: doubt.to_string(), hint: doubt.hint().to_owned() })
        .collect();
    let on_command_line = context.redis.as_ref().is_some_and(|asked| {
        matches!(asked.origin, Origin::Option(_)) && secrets.iter().any(|secret| asked.url.contains(secret))
    });
    if on_command_line {
        all.push(Doubted {
            why: "the password of Redis is on the command line, which every process can read".to_owned(),
            hint: "put the address into `ORCHESTRATE_REDIS_URL`, or the password into `REDIS_PASSWORD`"
                .to_owned(),
        });
    }
    for file in files(context) {
        if names(&file, secrets) {
            all.push(Doubted {
                why: format!("the password of Redis lies in `{}`, which agents can read", context.shown(&file)),
                hint: "keep it in a variable of the shell that starts the run, or give the application another user"
                    .to_owned(),
            });
        }
    }
    all
}

/// Where passwords usually lie: all that is called `.env` in the root, and the configurations.
fn files(context: &Context) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(&context.root);
    let mut files: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(".env"))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files.push(context.root.join(CONFIG_FILE));
    files.extend(environment::folders().map(|folders| folders.config_file()));
    files
}

fn names(file: &Path, secrets: &[String]) -> bool {
    let is_small_file = std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.len() <= LARGEST);
    if !is_small_file {
        return false;
    }
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    secrets.iter().any(|secret| {
        if secret.len() < SHORTEST {
            text.contains(&format!(":{secret}@"))
        } else {
            text.contains(secret.as_str())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubted(why: &str) -> Doubted {
        Doubted { why: why.to_owned(), hint: format!("mend {why}") }
    }

    #[test]
    fn reasons_are_told_in_one_breath() {
        assert_eq!(joined(&[]), None);
        assert_eq!(warning(&[]), None);
        assert_eq!(block(&[]), "");
        let both = [doubted("one"), doubted("two")];
        let Some(Input::Warn { message, hint, .. }) = warning(&both) else { panic!("no warning") };
        assert_eq!((message.as_str(), hint.as_deref()), ("rights: advisory: one; two", Some("mend one")));
        assert_eq!(
            block(&both),
            "\nrights: advisory: one\n  help: mend one\nrights: advisory: two\n  help: mend two\n"
        );
    }

    #[test]
    fn a_password_is_found_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        std::fs::write(&file, "URL=redis://:p%40ssword@h\nX=redis://:ab@h\nY=cab\n").unwrap();
        let has = |secret: &str| names(&file, &[secret.to_owned()]);
        assert!(has("p%40ssword") && has("ab"));
        assert!(!has("ca") && !has("other"));
        assert!(!names(&folder.path().join("none"), &["ab".to_owned()]));
        assert!(!names(folder.path(), &["ab".to_owned()]), "a folder");
    }
}
