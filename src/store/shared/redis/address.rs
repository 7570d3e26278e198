//! Where a Redis is: reading addresses as people write them, and completing them.
//!
//! Pure: variables and the text of a `.env` are arguments. A password is in no message and in no
//! `Debug` of anything here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The port of a Redis whose address names none.
const PORT: u16 = 6379;

/// The variables of the application under work that may complete an address.
const URL: &str = "REDIS_URL";
const HOST: &str = "REDIS_HOST";
const PORT_NAME: &str = "REDIS_PORT";
const PASSWORD: &str = "REDIS_PASSWORD";

/// Where a Redis is, and how to log in.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// How it is reached.
    pub place: Place,
    /// The number of the database.
    pub database: u32,
    /// The user; none: the default one.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
}

/// How a Redis is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Over the network.
    Tcp {
        /// A name, or an address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// Over the network, with TLS.
    Tls {
        /// A name, or an address without brackets.
        host: String,
        /// The port.
        port: u16,
        /// A file of certificates to believe, in PEM form, instead of the system's.
        authorities: Option<PathBuf>,
    },
    /// Through a socket of this machine.
    Unix {
        /// The socket.
        path: PathBuf,
    },
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl fmt::Display for Address {
    /// The address as it may be shown: `***` in place of a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = match (&self.user, &self.password) {
            (None, None) => String::new(),
            (Some(user), None) => format!("{user}@"),
            (user, Some(_)) => format!("{}:***@", user.as_deref().unwrap_or_default()),
        };
        let bracketed = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        match &self.place {
            Place::Tcp { host, port } => write!(f, "redis://{login}{}:{port}", bracketed(host))?,
            Place::Tls { host, port, .. } => write!(f, "rediss://{login}{}:{port}", bracketed(host))?,
            Place::Unix { path } => {
                write!(f, "unix://{login}{}", path.display())?;
                return if self.database == 0 { Ok(()) } else { write!(f, "?db={}", self.database) };
            }
        }
        if self.database == 0 { Ok(()) } else { write!(f, "/{}", self.database) }
    }
}

impl Address {
    /// The whole address with its password, for an environment. Never to be shown.
    pub fn url(&self) -> String {
        let mut login = self.user.as_deref().map(escaped).unwrap_or_default();
        if let Some(password) = &self.password {
            login = login + ":" + &escaped(password);
        }
        if !login.is_empty() {
            login.push('@');
        }
        let bracketed = |host: &str| if host.contains(':') { format!("[{host}]") } else { escaped(host) };
        match &self.place {
            Place::Tcp { host, port } => {
                format!("redis://{login}{}:{port}/{}", bracketed(host), self.database)
            }
            Place::Tls { host, port, authorities } => {
                let file = authorities.as_ref().map(|file| escaped(&file.to_string_lossy()));
                let file = file.map(|file| format!("?ssl_ca_certs={file}")).unwrap_or_default();
                format!("rediss://{login}{}:{port}/{}{file}", bracketed(host), self.database)
            }
            Place::Unix { path } => {
                let path = escaped(&path.to_string_lossy()).replace("%2F", "/");
                format!("unix://{login}{path}?db={}", self.database)
            }
        }
    }

    /// What nobody else may read: the password, as it is and as addresses have it.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> =
            self.password.iter().flat_map(|word| [word.clone(), escaped(word)]).collect();
        secrets.dedup();
        secrets
    }
}

/// `text` with everything that has a meaning in addresses as `%XX`.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |escaped, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            escaped + char::from(byte).encode_utf8(&mut [0; 4])
        }
        other => escaped + &format!("%{other:02X}"),
    })
}

/// Why a text is no address that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AddressError {
    /// What is wrong: a lower-case fragment without the password.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

fn wrong(message: impl Into<String>, hint: impl Into<String>) -> AddressError {
    AddressError { message: message.into(), hint: hint.into() }
}

const FORMS: &str = "write it like `redis://user:password@host:6379/0`, `rediss://host` for TLS, or `unix:///path/redis.sock?db=0`";

impl Address {
    /// Reads an address: a URL, `host:port`, `host`, or the absolute path of a socket.
    ///
    /// # Errors
    /// If it is none, or one of a kind that cannot be used.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.starts_with('/') { unix(text) } else { tcp(text, false) };
        };
        match scheme.to_ascii_lowercase().as_str() {
            "redis" | "valkey" => tcp(rest, false),
            "rediss" | "valkeys" => tcp(rest, true),
            "unix" | "redis+unix" | "redis+socket" | "valkey+unix" => unix(rest),
            scheme if scheme.contains("cluster") => Err(wrong(
                "a Redis Cluster cannot hold the shared state: one atomic step touches several keys, which lie on different nodes there",
                "use a single Redis or Valkey server, `redis://host:port`",
            )),
            scheme if scheme.contains("sentinel") => Err(wrong(
                "Redis Sentinel is not supported: after a failover the last atomic steps may be gone, and leases with them",
                "use the address of the server itself, `redis://host:port`",
            )),
            other => Err(wrong(format!("`{other}://` is no kind of Redis address"), FORMS)),
        }
    }

    /// The address that is meant by `given` (empty: none was named), completed by what the
    /// application's own variables say; a variable counts before `dotenv`.
    ///
    /// # Errors
    /// If the address, or the variable that stands in for it, is none.
    pub fn complete(
        given: &str,
        environment: &BTreeMap<String, String>,
        dotenv: &BTreeMap<String, String>,
    ) -> Result<Self, AddressError> {
        let find = |name: &str| {
            [environment, dotenv]
                .into_iter()
                .filter_map(|source| source.get(name))
                .map(|value| value.trim())
                .find(|value| !value.is_empty())
        };
        if given.trim().is_empty() {
            return known(find);
        }
        let mut address = Self::parse(given)?;
        // What is known of another server is not for this one: a password least of all.
        if address.password.is_none()
            && address.user.is_none()
            && let Ok(known) = known(find)
            && known.place == address.place
        {
            address.user = known.user;
            address.password = known.password;
        }
        Ok(address)
    }
}

/// The address that the application's variables name.
fn known<'v>(find: impl Fn(&str) -> Option<&'v str>) -> Result<Address, AddressError> {
    if let Some(url) = find(URL) {
        return Address::parse(url).map_err(|error| wrong(format!("`{URL}`: {}", error.message), error.hint));
    }
    let port = match find(PORT_NAME) {
        None => PORT,
        Some(text) => {
            text.parse().map_err(|_| wrong(format!("`{PORT_NAME}` is `{text}`, which is no port"), FORMS))?
        }
    };
    Ok(Address {
        place: Place::Tcp { host: find(HOST).unwrap_or("127.0.0.1").to_owned(), port },
        database: 0,
        user: None,
        password: find(PASSWORD).map(str::to_owned),
    })
}

/// What follows `unix://`: an optional login, the path of the socket, parameters.
fn unix(rest: &str) -> Result<Address, AddressError> {
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let start = rest.find('/').ok_or_else(|| wrong("the address names no socket", FORMS))?;
    let (mut user, mut password) = login(rest[..start].strip_suffix('@').unwrap_or(&rest[..start]))?;
    let mut database = 0;
    for (name, value) in pairs(parameters)? {
        match name.as_str() {
            "db" => database = number(&value)?,
            "user" | "username" => user = Some(value),
            "pass" | "password" => password = Some(value),
            other => return Err(unknown(other, "`db`, `user` and `password`")),
        }
    }
    let path = decoded(&rest[start..])?;
    if path == "/" {
        return Err(wrong("the address names no socket", FORMS));
    }
    Ok(Address { place: Place::Unix { path: PathBuf::from(path) }, database, user, password })
}

/// What follows `redis://` or `rediss://`.
fn tcp(rest: &str, tls: bool) -> Result<Address, AddressError> {
    // A password may hold what would end it elsewhere: the last `@` of all counts.
    let (before, rest) = match rest.rsplit_once('@') {
        Some((before, rest)) => (before, rest),
        None => ("", rest),
    };
    let (user, password) = login(before)?;
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains(',') {
        return Err(wrong(
            "the address names several servers",
            "name one: neither a cluster nor sentinels can hold the shared state",
        ));
    }
    let (host, port) = host_and_port(authority)?;
    let path = path.trim_end_matches('/');
    let mut database = if path.is_empty() { 0 } else { number(path)? };
    let mut authorities = None;
    for (name, value) in pairs(parameters)? {
        match name.as_str() {
            "db" => database = number(&value)?,
            "ssl_ca_certs" if tls => authorities = Some(PathBuf::from(value)),
            // It says what clients speak, which is ours to choose.
            "protocol" => {}
            other => return Err(unknown(other, "`db`, and with `rediss://` `ssl_ca_certs`")),
        }
    }
    let place = if tls { Place::Tls { host, port, authorities } } else { Place::Tcp { host, port } };
    Ok(Address { place, database, user, password })
}

fn host_and_port(text: &str) -> Result<(String, u16), AddressError> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) =
            rest.split_once(']').ok_or_else(|| wrong("a bracket of the address is not closed", FORMS))?;
        (host, rest.strip_prefix(':'))
    } else {
        match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, Some(port)),
            Some(_) => return Err(wrong("an IPv6 address stands in brackets: `[::1]`", FORMS)),
            None => (text, None),
        }
    };
    let port = match port {
        None | Some("") => PORT,
        Some(port) => port.parse().map_err(|_| wrong(format!("`{port}` is no port"), FORMS))?,
    };
    let host = decoded(host)?;
    if host.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong("the name of the host holds blanks", FORMS));
    }
    Ok((if host.is_empty() { "127.0.0.1".to_owned() } else { host }, port))
}

fn login(text: &str) -> Result<(Option<String>, Option<String>), AddressError> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    let some = |text: &str| decoded(text).map(|text| Some(text).filter(|text| !text.is_empty()));
    Ok((some(user)?, password.map(some).transpose()?.flatten()))
}

fn number(text: &str) -> Result<u32, AddressError> {
    text.parse().map_err(|_| wrong(format!("`{text}` is no number of a database"), FORMS))
}

fn unknown(name: &str, known: &str) -> AddressError {
    wrong(format!("the address has the unknown parameter `{name}`"), format!("known ones: {known}"))
}

fn pairs(text: &str) -> Result<Vec<(String, String)>, AddressError> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// `text` with its `%XX` read. A `%` that begins no code is itself: people paste passwords.
fn decoded(text: &str) -> Result<String, AddressError> {
    let bytes = text.as_bytes();
    let mut read = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(&byte) = bytes.get(place) {
        let code = bytes
            .get(place + 1..place + 3)
            .filter(|two| byte == b'%' && two.iter().all(u8::is_ascii_hexdigit))
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        read.push(code.unwrap_or(byte));
        place += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8(read).map_err(|_| wrong("what its `%` codes stand for is not UTF-8", FORMS))
}

/// The pairs of a `.env`: `NAME=VALUE` a line, with `export`, quotes and comments as shells know
/// them. Lines that are something else are left out; nothing is filled in.
pub fn dotenv(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (name, value) = line.split_once('=')?;
            let name = name.trim();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                return None;
            }
            let value = value.trim();
            let quoted = ['"', '\''].into_iter().find_map(|quote| {
                let rest = value.strip_prefix(quote)?;
                Some(rest.split(quote).next().unwrap_or_default())
            });
            let bare = || value.split(" #").next().unwrap_or_default().trim_end();
            Some((name.to_owned(), quoted.unwrap_or_else(bare).to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Address {
        Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn tcp_at(host: &str, port: u16) -> Address {
        let place = Place::Tcp { host: host.to_owned(), port };
        Address { place, database: 0, user: None, password: None }
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, expected) in [
            ("redis://localhost", tcp_at("localhost", 6379)),
            ("localhost:7000", tcp_at("localhost", 7000)),
            ("h", tcp_at("h", 6379)),
            ("redis://", tcp_at("127.0.0.1", 6379)),
            ("valkey://h:1/", tcp_at("h", 1)),
            ("redis://[::1]:6380", tcp_at("::1", 6380)),
            ("REDIS://h/3", Address { database: 3, ..tcp_at("h", 6379) }),
            ("redis://h?db=4", Address { database: 4, ..tcp_at("h", 6379) }),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
        let tls = parsed("rediss://h:1/2?ssl_ca_certs=/etc/my%20ca.pem");
        let authorities = Some(PathBuf::from("/etc/my ca.pem"));
        assert_eq!(tls.place, Place::Tls { host: "h".to_owned(), port: 1, authorities });
        for text in
            ["unix:///run/r.sock?db=2", "redis+unix:///run/r.sock?db=2", "redis+socket:///run/r.sock?db=2"]
        {
            let address = parsed(text);
            assert_eq!(address.place, Place::Unix { path: PathBuf::from("/run/r.sock") }, "{text}");
            assert_eq!(address.database, 2);
        }
        assert_eq!(parsed("/run/r.sock").place, Place::Unix { path: PathBuf::from("/run/r.sock") });
        let login = parsed("unix://me:pw@/run/r.sock");
        assert_eq!((login.user.as_deref(), login.password.as_deref()), (Some("me"), Some("pw")));
        let login = parsed("unix:///run/r.sock?user=me&password=p%26w");
        assert_eq!((login.user.as_deref(), login.password.as_deref()), (Some("me"), Some("p&w")));
    }

    #[test]
    fn passwords_come_through_and_are_never_shown() {
        for (text, password) in [
            ("redis://:s3cr3t@h", "s3cr3t"),
            ("redis://me:p%40ss%3Aw%2Frd%25@h:1/2", "p@ss:w/rd%"),
            ("redis://me:p@ss@h", "p@ss"),
            ("redis://me:100%@h", "100%"),
            ("redis://me:a:b@h", "a:b"),
            ("redis://me:ž@h", "ž"),
        ] {
            let address = parsed(text);
            assert_eq!(address.password.as_deref(), Some(password), "{text}");
            for shown in [address.to_string(), format!("{address:?}")] {
                assert!(!shown.contains(password) && shown.contains(":***@h"), "{shown}");
            }
        }
        assert_eq!(parsed("redis://me:x@h:1/2").to_string(), "redis://me:***@h:1/2");
        assert_eq!(parsed("unix:///s?db=3&password=x").to_string(), "unix://:***@/s?db=3");
        assert_eq!(parsed("redis://[::1]").to_string(), "redis://[::1]:6379");
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_reason() {
        for (text, words) in [
            ("redis-cluster://h", "several keys"),
            ("redis+cluster://h", "several keys"),
            ("redis-sentinel://h/mymaster", "Sentinel"),
            ("redis+sentinel://h", "Sentinel"),
            ("redis://a:1,b:2", "several servers"),
            ("http://h", "no kind of Redis address"),
            ("redis://h:port", "`port` is no port"),
            ("redis://h/x", "no number of a database"),
            ("redis://h/-1", "no number of a database"),
            ("redis://::1", "in brackets"),
            ("redis://[::1", "not closed"),
            ("unix://", "no socket"),
            ("redis://a b", "blanks"),
            ("redis://h?timeout=3", "`timeout`"),
            ("redis://h?ssl_ca_certs=x", "`ssl_ca_certs`"),
            ("redis://me:%ff@h", "UTF-8"),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.message.contains(words), "{text}: {error}");
            assert!(!error.hint.is_empty());
        }
    }

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_applications_variables_only_complete() {
        let none = BTreeMap::new();
        let complete = |given: &str, pairs: &[(&str, &str)], dotenv: &[(&str, &str)]| {
            Address::complete(given, &variables(pairs), &variables(dotenv)).unwrap()
        };
        assert_eq!(Address::complete("", &none, &none).unwrap(), tcp_at("127.0.0.1", 6379));
        assert_eq!(complete("", &[("REDIS_URL", "redis://u/1")], &[]), parsed("redis://u/1"));
        let parts = [("REDIS_HOST", "h"), ("REDIS_PORT", "7"), ("REDIS_PASSWORD", "pw")];
        let from_parts = Address { password: Some("pw".to_owned()), ..tcp_at("h", 7) };
        assert_eq!(complete("", &parts, &[]), from_parts);
        assert_eq!(complete("", &[("REDIS_HOST", " ")], &parts), from_parts);
        assert_eq!(
            complete("", &[("REDIS_HOST", "mine")], &[("REDIS_HOST", "theirs")]),
            tcp_at("mine", 6379)
        );
        // A password belongs to the server of which it is known, and to no other.
        assert_eq!(complete("redis://h:7", &parts, &[]), from_parts);
        assert_eq!(complete("redis://elsewhere:7", &parts, &[]), tcp_at("elsewhere", 7));
        assert_eq!(complete("redis://me@h:7", &parts, &[]).password, None);
        assert_eq!(complete("redis://:own@h:7", &parts, &[]).password.as_deref(), Some("own"));
        let error = Address::complete("", &variables(&[("REDIS_URL", "http://x")]), &none).unwrap_err();
        assert!(error.message.starts_with("`REDIS_URL`: "), "{error}");
        assert!(Address::complete("", &variables(&[("REDIS_PORT", "x")]), &none).is_err());
    }

    #[test]
    fn a_dotenv_is_read_as_a_shell_would() {
        let read = dotenv(
            "# comment\nA=1\nexport B = \"two # three\" # rest\nC='x\"y'\nD=four # rest\nE=\nnonsense\n1 2=3\n",
        );
        let pairs: Vec<(&str, &str)> =
            read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("A", "1"), ("B", "two # three"), ("C", "x\"y"), ("D", "four"), ("E", "")]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "redis://u:p@host:6380/3",
            "redis://:p%40%3A%2F%25@[::1]:6379/0",
            "redis://host/0",
            "rediss://us%3Aer%2541:p@host:6379/2?ssl_ca_certs=/etc/ca%20x.pem",
            "unix://u:p@/run/a%20b/redis.sock?db=4",
            "unix:///run/redis.sock",
        ] {
            let address = parsed(text);
            assert_eq!(parsed(&address.url()), address, "{text}: {}", address.url());
        }
        let odd = Address {
            user: Some("a:b@c/%41 ž".to_owned()),
            password: Some("#?&=:@/%".to_owned()),
            ..parsed("h")
        };
        assert_eq!(parsed(&odd.url()), odd);
        assert_eq!(odd.secrets(), ["#?&=:@/%", "%23%3F%26%3D%3A%40%2F%25"]);
        assert_eq!(parsed("redis://h").secrets(), [""; 0]);
    }
}
