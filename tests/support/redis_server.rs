//! A Redis server of a test's own: on a socket in a folder of its own, ended by its process number.
//!
//! `ORCHESTRATE_TEST_REDIS_SERVER=/path/of/server` has another program tested than the one in PATH.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to be there.
const START: Duration = Duration::from_secs(20);

/// A server that runs until this is dropped.
pub(crate) struct RedisServer {
    folder: TempDir,
    program: String,
    options: Vec<String>,
    child: Child,
}

impl RedisServer {
    /// Starts a server; none: there is none on this machine, which is said aloud. Where tests must
    /// not be skipped, that is a failure.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same with further options, such as `--requirepass x`.
    pub(crate) fn start_with(options: &[&str]) -> Option<Self> {
        let Some(program) = program() else {
            let required = ["CI", "ORCHESTRATE_REQUIRE_REDIS"]
                .iter()
                .any(|name| std::env::var(name).is_ok_and(|value| !value.is_empty() && value != "0"));
            assert!(!required, "there is no redis-server: install it, these tests must not be skipped here");
            // Past the harness, which keeps to itself what a test that passes prints.
            writeln!(
                std::io::stderr(),
                "SKIPPED: there is no redis-server here (apt-get install redis-server)"
            )
            .expect("standard error takes it");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("redis").tempdir().expect("a temporary folder");
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let child = begin(&program, &folder, &options);
        let mut server = Self { folder, program, options, child };
        server.wait_until_it_answers();
        Some(server)
    }

    /// Whether it was built with TLS; none: there is no server.
    pub(crate) fn knows_tls() -> Option<bool> {
        // It ends at once: with a certificate missing, or the whole of it.
        let output = Command::new(program()?).args(["--port", "0", "--tls-port", "1"]).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).contains("tls-cert-file"))
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it. Its data are gone, unless it was told to keep them on disk.
    pub(crate) fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_file(self.socket()).ok();
    }

    /// Ends it as its service manager would: in order, so that it may write what it keeps.
    pub(crate) fn terminate(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        self.child.wait().expect("it ends");
        std::fs::remove_file(self.socket()).ok();
    }

    /// Starts it again after its end; it has what it kept on disk, nothing where it keeps nothing.
    pub(crate) fn start_again(&mut self) {
        self.child = begin(&self.program, &self.folder, &self.options);
        self.wait_until_it_answers();
    }

    /// The same with these options in place of the ones before.
    pub(crate) fn start_again_with(&mut self, options: &[&str]) {
        self.options = options.iter().map(|option| (*option).to_owned()).collect();
        self.start_again();
    }

    /// Sends one command in its inline form and returns the answer as it came.
    pub(crate) fn say(&self, words: &[&str]) -> String {
        self.try_say(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The same in another database than the first.
    pub(crate) fn say_in(&self, database: u32, words: &[&str]) -> String {
        let answer = self.exchange(&[&["SELECT", &database.to_string()], words]);
        let answer = answer.unwrap_or_else(|error| panic!("{words:?}: {error}"));
        answer.strip_prefix("+OK\r\n").unwrap_or(&answer).to_owned()
    }

    /// The text under a key; none: there is none.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        let answer = self.say(&["GET", key]);
        if answer.starts_with("$-1") {
            return None;
        }
        let (_, text) = answer.split_once("\r\n").expect("a text with its length before");
        Some(text.strip_suffix("\r\n").unwrap_or(text).to_owned())
    }

    fn try_say(&self, words: &[&str]) -> std::io::Result<String> {
        self.exchange(&[words])
    }

    fn exchange(&self, commands: &[&[&str]]) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut packed = Vec::new();
        for words in commands.iter().copied().chain([&["QUIT"][..]]) {
            write!(packed, "*{}\r\n", words.len())?;
            for word in words {
                write!(packed, "${}\r\n{word}\r\n", word.len())?;
            }
        }
        stream.write_all(&packed)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        Ok(answer.strip_suffix("+OK\r\n").unwrap_or(&answer).to_owned())
    }

    fn wait_until_it_answers(&mut self) {
        let begun = Instant::now();
        while self.try_say(&["PING"]).is_err() {
            let ended = self.child.try_wait().expect("its state");
            assert!(ended.is_none(), "the server does not take its options {:?}", self.options);
            assert!(begun.elapsed() < START, "the server does not answer");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The server that is to be tested; none: there is none. One that was named has to be there.
fn program() -> Option<String> {
    if let Some(named) = std::env::var("ORCHESTRATE_TEST_REDIS_SERVER").ok().filter(|named| !named.is_empty())
    {
        assert!(is_there(&named), "`{named}` is no server that starts");
        return Some(named);
    }
    ["redis-server", "valkey-server"].into_iter().find(|name| is_there(name)).map(str::to_owned)
}

fn is_there(program: &str) -> bool {
    let tried = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

fn begin(program: &str, folder: &TempDir, options: &[String]) -> Child {
    let socket = folder.path().join("redis.sock");
    Command::new(program)
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no"])
        .arg("--unixsocket")
        .arg(&socket)
        .arg("--dir")
        .arg(folder.path())
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .spawn()
        .expect("the server starts")
}
