//! What an attempt's user is called and what it may do. Pure.

use sha2::{Digest as _, Sha256};

use crate::model::ids::{AttemptKey, RunId};
use crate::model::run::RunSpec;
use crate::store::keys;

/// What the names of our users begin with.
const FIRST: &str = "orchestrate";

/// The commands of an attempt's user; `select` is added for one database alone.
const COMMANDS: [&str; 10] =
    ["get", "mget", "exists", "ttl", "xrange", "set", "ping", "hello", "auth", "select"];

/// The user of an attempt: `orchestrate:<database>:<prefix>:<run>:<task>:<attempt>`, each part with
/// everything but letters, digits, `_` and `-` as `%XX`. The database is part of it, for the same
/// prefix in another one is another project's state.
pub(super) fn user_name(database: u32, spec: &RunSpec, key: &AttemptKey) -> String {
    let task = part(&format!("{}{}", spec.settings.id_prefix, key.task));
    format!("{FIRST}:{database}:{}:{}:{task}:{}", part(&spec.prefix), part(spec.run_id.as_str()), key.attempt)
}

/// The run whose attempt has this user, where it is one of this database and prefix.
pub(super) fn run_of(user: &str, database: u32, prefix: &str) -> Option<RunId> {
    let parts: Vec<&str> = user.split(':').collect();
    let &[first, of_database, of_prefix, run, _task, attempt] = parts.as_slice() else { return None };
    let is_ours = first == FIRST
        && of_database == database.to_string()
        && of_prefix == part(prefix)
        && attempt.bytes().all(|byte| byte.is_ascii_digit());
    let run = is_ours.then(|| whole(run)).flatten()?;
    Some(RunId(run))
}

/// What `ACL SETUSER` is told of an attempt's user. Nothing of what it may do is left from before.
///
/// Choosing a database is allowed for that of the run alone: rights on keys hold in every database,
/// so an open `select` would reach keys of the same names in all others.
pub(super) fn rules(database: u32, prefix: &str, report: &str, password: Option<&str>) -> Vec<String> {
    let mut rules = vec!["reset".to_owned()];
    if let Some(password) = password {
        rules.push("on".to_owned());
        // Its hash, so that the password is in no log of the server's.
        rules.push(format!("#{}", hex(&Sha256::digest(password.as_bytes()))));
    }
    rules.extend(["resetkeys", "resetchannels", "-@all"].map(str::to_owned));
    rules.extend(COMMANDS.iter().map(|&command| match command {
        "select" => format!("+select|{database}"),
        command => format!("+{command}"),
    }));
    rules.push(format!("%R~{}*", keys::coded(prefix)));
    rules.push(format!("%W~{report}"));
    rules
}

/// A password nobody can guess; none: the system has no randomness to give. Its first letters are
/// what masking knows it by.
pub(super) fn password() -> Option<String> {
    let mut bytes = [0; 32];
    rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes).ok()?;
    Some(format!("orp_{}", hex(&bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |text, byte| text + &format!("{byte:02x}"))
}

fn part(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |coded, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => {
            coded + char::from(byte).encode_utf8(&mut [0; 4])
        }
        other => coded + &format!("%{other:02X}"),
    })
}

fn whole(part: &str) -> Option<String> {
    let mut pieces = part.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let code = piece.get(..2)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masking;
    use crate::model::ids::TaskId;
    use crate::store::testing;

    fn spec(prefix: &str, run: &str) -> RunSpec {
        let mut spec = testing::spec(run, &["T1"]);
        spec.prefix = prefix.to_owned();
        spec
    }

    #[test]
    fn the_rights_are_those_that_were_agreed_on() {
        let told = rules(3, "shop:", "shop:task:T1:report", Some("secret")).join(" ");
        assert_eq!(
            told,
            "reset on #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b resetkeys resetchannels -@all \
             +get +mget +exists +ttl +xrange +set +ping +hello +auth +select|3 %R~shop:* %W~shop:task:T1:report"
        );
        assert!(!rules(0, "p", "k", None).contains(&"on".to_owned()), "nobody logs in as the probe");
    }

    #[test]
    fn no_prefix_and_no_id_is_a_pattern() {
        for odd in ["*", "a?", "[a-z]", "a b", "\\", "100%", "%2A", "ž\t", "a:b"] {
            let mut spec = spec(odd, "R1");
            spec.settings.id_prefix = odd.to_owned();
            let report = keys::report(&spec, &TaskId::new(odd));
            let told = rules(0, odd, &report, None);
            let patterns: Vec<&String> = told.iter().filter(|rule| rule.starts_with('%')).collect();
            assert_eq!(patterns.len(), 2, "{odd}");
            let without_end = patterns[0].strip_suffix('*').unwrap();
            for text in [without_end, patterns[1]] {
                assert!(!text.contains(['*', '?', '[', ']', '\\', ' ', '\t']), "{odd}: {text}");
            }
        }
    }

    #[test]
    fn users_name_their_run() {
        for odd in ["T1", "*", "a b", "a:b", "100%", "%3A", "ž", ""] {
            let spec = spec(&format!("{odd}:"), "01KX");
            let user = user_name(2, &spec, &AttemptKey::new(TaskId::new(odd), 12));
            assert!(!user.contains([' ', '*']), "{user}");
            assert_eq!(run_of(&user, 2, &spec.prefix), Some(spec.run_id.clone()), "{user}");
            assert_eq!(run_of(&user, 1, &spec.prefix), None, "another database");
            assert_eq!(run_of(&user, 2, "shop:"), None, "another project");
        }
        for other in [
            "default",
            "orchestrate",
            "orchestrate:probe",
            "orchestrate:2:shop%3A:R:T:x",
            "a:2:shop%3A:R:T:1",
        ] {
            assert_eq!(run_of(other, 2, "shop:"), None, "{other}");
        }
        assert_ne!(
            user_name(0, &spec("a:b", "R"), &AttemptKey::new(TaskId::new("c"), 1)),
            user_name(0, &spec("a", "b:R"), &AttemptKey::new(TaskId::new("c"), 1))
        );
    }

    #[test]
    fn passwords_are_new_and_known_to_masking() {
        let (one, other) = (password().unwrap(), password().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 4 + 64);
        let masked = masking::mask(&one);
        assert!(!masked.contains(&one[4..]), "{masked}");
    }
}
