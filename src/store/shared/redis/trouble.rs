//! What can be wrong with a Redis, told apart by what a person does about it.

use std::fmt;

use redis::{ErrorKind, RedisError};

/// Why a Redis did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody listens there, or the way there is closed.
    Unreachable(String),
    /// It does not answer in time.
    Slow,
    /// It wants a password, and there is none.
    NoPassword,
    /// It does not take the password, or knows no such user.
    WrongPassword,
    /// It has no database of this number.
    NoDatabase(u32),
    /// It is a replica, and takes no writes.
    ReadOnly,
    /// It has as many clients as it takes.
    TooManyClients,
    /// It has just been started and reads its data.
    Loading,
    /// It has no memory left for writes.
    OutOfMemory,
    /// The user may not do what is needed.
    NotAllowed(String),
    /// It is a node of a cluster.
    Cluster,
    /// The encrypted connection could not be made.
    Tls(String),
    /// Something else.
    Other(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(detail) => write!(f, "it cannot be reached: {detail}"),
            Self::Slow => f.write_str("it does not answer in time"),
            Self::NoPassword => f.write_str("it wants a password, and the address has none"),
            Self::WrongPassword => f.write_str("it does not take this user and password"),
            Self::NoDatabase(number) => write!(f, "it has no database {number}"),
            Self::ReadOnly => f.write_str("it is a read-only replica"),
            Self::TooManyClients => f.write_str("it has as many clients as it takes (`maxclients`)"),
            Self::Loading => f.write_str("it has just been started and is still reading its data"),
            Self::OutOfMemory => f.write_str("it has no memory left for writes (`maxmemory`)"),
            Self::NotAllowed(detail) => write!(f, "its user may not do what is needed: {detail}"),
            Self::Cluster => {
                f.write_str("it is a node of a cluster, where one atomic step cannot touch several keys")
            }
            Self::Tls(detail) => write!(f, "no encrypted connection: {detail}"),
            Self::Other(detail) => f.write_str(detail),
        }
    }
}

impl std::error::Error for Trouble {}

impl Trouble {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "see that the server runs and that the address is right",
            Self::Slow => {
                "see what keeps the server busy, or whether something swallows the packets on the way"
            }
            Self::NoPassword => {
                "write it into the address, `redis://user:password@host`, or set `REDIS_PASSWORD`"
            }
            Self::WrongPassword => {
                "see that user and password are right; what is special in a URL is written as `%XX`"
            }
            Self::NoDatabase(_) => "choose another one: most servers have 0 to 15",
            Self::ReadOnly => "use the address of the primary server",
            Self::TooManyClients => "close other clients, or raise `maxclients` of the server",
            Self::Loading => "try again when it has read its data",
            Self::OutOfMemory => "raise `maxmemory` of the server, or make room in it",
            Self::NotAllowed(_) => {
                "the user needs reading, writing, streams and scripts on the keys of the project"
            }
            Self::Cluster => "use a single Redis or Valkey server",
            Self::Tls(_) => {
                "see that the certificate is for this name; `?ssl_ca_certs=FILE` names the authority that signed it"
            }
            Self::Other(_) => "see the log of the server",
        }
    }

    /// Whether another try a moment later may do, without anybody having done anything.
    pub const fn passes(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::Slow
            | Self::ReadOnly
            | Self::TooManyClients
            | Self::Loading
            | Self::OutOfMemory
            | Self::Other(_) => true,
            Self::NoPassword
            | Self::WrongPassword
            | Self::NoDatabase(_)
            | Self::NotAllowed(_)
            | Self::Cluster
            | Self::Tls(_) => false,
        }
    }
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::Slow;
        }
        let told = error.to_string();
        let detail = error.detail().map_or_else(|| told.clone(), str::to_owned);
        let kind = error.kind();
        if matches!(kind, ErrorKind::Io | ErrorKind::InvalidClientConfig) && is_of_tls(&told) {
            return Self::Tls(told);
        }
        if kind == ErrorKind::Io {
            return Self::Unreachable(plain(&told));
        }
        if kind == ErrorKind::AuthenticationFailed {
            return Self::WrongPassword;
        }
        of_code(error.code().unwrap_or_default(), &detail, told)
    }
}

/// What the first word of an answer says, or, where the server says no more than `ERR`, its text.
fn of_code(code: &str, detail: &str, told: String) -> Trouble {
    let has = |words: &str| detail.contains(words) || told.contains(words);
    match code {
        "NOAUTH" => Trouble::NoPassword,
        "WRONGPASS" => Trouble::WrongPassword,
        "OOM" => Trouble::OutOfMemory,
        "READONLY" => Trouble::ReadOnly,
        "LOADING" => Trouble::Loading,
        "NOPERM" => Trouble::NotAllowed(detail.to_owned()),
        "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" => Trouble::Cluster,
        "MISCONF" | "BUSY" | "NOREPLICAS" | "MASTERDOWN" => Trouble::Other(told),
        _ if has("max number of clients") => Trouble::TooManyClients,
        _ if has("without any password configured") => Trouble::WrongPassword,
        // Errors of a script carry the one of its command in their text.
        _ if has("-OOM ") || has("OOM command not allowed") => Trouble::OutOfMemory,
        _ if has("READONLY ") => Trouble::ReadOnly,
        _ if has("The user executing the script can't") => Trouble::NotAllowed(detail.to_owned()),
        _ if has("NOPERM ") || has("ACL failure in script") => Trouble::NotAllowed(detail.to_owned()),
        _ => Trouble::Other(told),
    }
}

fn is_of_tls(text: &str) -> bool {
    ["certificate", "Certificate", "TLS", "tls", "handshake", "corrupt message"]
        .iter()
        .any(|word| text.contains(word))
}

/// What the system said, without its number.
fn plain(text: &str) -> String {
    text.split(" (os error").next().unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let answer = |code: &str, detail: &str| {
            Trouble::from(redis::make_extension_error(code.to_owned(), Some(detail.to_owned())))
        };
        assert_eq!(answer("NOAUTH", "Authentication required."), Trouble::NoPassword);
        assert_eq!(answer("WRONGPASS", "invalid username-password pair"), Trouble::WrongPassword);
        assert_eq!(answer("ERR", "max number of clients reached"), Trouble::TooManyClients);
        assert_eq!(
            answer("OOM", "command not allowed when used memory > 'maxmemory'."),
            Trouble::OutOfMemory
        );
        assert_eq!(
            answer("ERR", "AUTH <password> called without any password configured for the default user."),
            Trouble::WrongPassword
        );
        let newer = "ACL failure in script: User x has no permissions to run the 'set' command script: on @user_script:49.";
        assert!(matches!(answer("ERR", newer), Trouble::NotAllowed(told) if told.contains("'set'")));
        assert!(matches!(answer("ERR", "odd"), Trouble::Other(told) if told.contains("odd")));
        let refused = std::io::Error::from_raw_os_error(111);
        assert!(
            matches!(Trouble::from(RedisError::from(refused)), Trouble::Unreachable(told) if !told.contains("os error"))
        );
        let late = RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        assert_eq!(Trouble::from(late), Trouble::Slow);
    }

    #[test]
    fn each_has_a_sentence_of_its_own() {
        let all = [
            Trouble::Unreachable("x".to_owned()),
            Trouble::Slow,
            Trouble::NoPassword,
            Trouble::WrongPassword,
            Trouble::NoDatabase(99),
            Trouble::ReadOnly,
            Trouble::TooManyClients,
            Trouble::Loading,
            Trouble::OutOfMemory,
            Trouble::NotAllowed("x".to_owned()),
            Trouble::Cluster,
            Trouble::Tls("x".to_owned()),
        ];
        let mut told: Vec<String> = all.iter().map(ToString::to_string).collect();
        told.sort();
        told.dedup();
        assert_eq!(told.len(), all.len());
        assert!(all.iter().all(|trouble| !trouble.hint().ends_with('.')));
        assert!(Trouble::Loading.passes() && !Trouble::WrongPassword.passes());
    }
}
