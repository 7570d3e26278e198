//! The real agent CLIs and a scripted provider for them, for every test that runs them.
//!
//! The CLIs are those that `scripts/agents` installs. Where they are missing a test says so and
//! passes, unless `CI` or `ORCHESTRATE_REQUIRE_AGENTS` is set. The provider is
//! `tests/support/model-server`: what it does is chosen by the model's name, what it writes by
//! directives in the prompt; one server serves many tests, each with a key of its own.
#![expect(clippy::disallowed_methods, reason = "where the CLIs are stands in the environment")]

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

/// The folder of the CLIs' programs, as `scripts/agents` prints it.
pub(crate) fn bin_folder() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || {
        let caches = variable("XDG_CACHE_HOME").or_else(|| home().map(|home| home.join(".cache")));
        caches.unwrap_or_default().join("orchestrate-tests").join("agents")
    };
    variable("ORCHESTRATE_TEST_AGENTS").unwrap_or_else(cache).join("node_modules").join(".bin")
}

/// The home of whoever runs the tests.
pub(crate) fn home() -> Option<PathBuf> {
    ["HOME", "USERPROFILE"].iter().find_map(std::env::var_os).map(PathBuf::from)
}

/// Whether a missing CLI is a failure.
pub(crate) fn is_required() -> bool {
    let set = |name: &str| {
        std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0" && value != "false")
    };
    set("CI") || set("ORCHESTRATE_REQUIRE_AGENTS")
}

/// Whether the CLIs are there. If not, says so, or panics where they are required.
pub(crate) fn are_installed(names: &[&str]) -> bool {
    let folder = bin_folder();
    let endings = if cfg!(windows) { &[".cmd", ".exe"][..] } else { &[""][..] };
    let missing: Vec<&&str> = names
        .iter()
        .filter(|name| !endings.iter().any(|ending| folder.join(format!("{name}{ending}")).exists()))
        .collect();
    if missing.is_empty() && python().is_some() {
        return true;
    }
    let what = if missing.is_empty() { "python3".to_owned() } else { format!("{missing:?}") };
    let message = format!("{what} missing (looked in {}): run scripts/agents", folder.display());
    assert!(!is_required(), "{message}");
    // Not by the macro, whose output a passing test keeps to itself. If nobody listens, nobody is told.
    drop(writeln!(io::stderr(), "SKIPPED: {message}"));
    false
}

/// A Python that can run the scripted provider.
pub(crate) fn python() -> Option<&'static str> {
    ["python3", "python"].into_iter().find(|python| {
        let version = Command::new(python)
            .args(["-c", "import sys; sys.exit(sys.version_info < (3, 8))"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        version.is_ok_and(|status| status.success())
    })
}

/// A key that no other test of any process uses. Keys that begin with `test` are shown in the
/// server's list of requests.
pub(crate) fn unused_key() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A scripted provider on a port of its own; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct ModelServer {
    child: Child,
    port: u16,
}

impl ModelServer {
    /// Starts one and waits until it listens.
    pub(crate) fn start() -> io::Result<Self> {
        Self::start_with(&[])
    }

    /// Starts one that keeps the body of every request as a file in `folder`.
    pub(crate) fn start_keeping(folder: &Path) -> io::Result<Self> {
        Self::start_with(&[OsStr::new("--dump"), folder.as_os_str()])
    }

    fn start_with(arguments: &[&OsStr]) -> io::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("support").join("model-server");
        let python = python().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no python3"))?;
        let mut child = Command::new(python)
            .arg(script)
            .args(["--port", "0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut first = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut first)?;
        }
        let port = first.trim().parse().map_err(|_| io::Error::other(format!("its port is `{first}`")))?;
        Ok(Self { child, port })
    }

    /// What a CLI takes for its provider's address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// An address at which nobody listens.
    pub(crate) fn refusing_url(&self) -> String {
        format!("http://127.0.0.2:{}/v1", self.port)
    }

    /// The requests that were made with a key and have ended, in order.
    pub(crate) fn requests(&self, key: &str) -> io::Result<Vec<Value>> {
        let body = self.get("/requests")?;
        let all = body["requests"].as_array().cloned().unwrap_or_default();
        Ok(all.into_iter().filter(|request| request["key"] == key).collect())
    }

    /// Whether an answer was asked for with a key.
    pub(crate) fn is_asked(&self, key: &str) -> io::Result<bool> {
        let body = self.get("/asked")?;
        Ok(body["asked"].as_array().is_some_and(|keys| keys.iter().any(|asked| asked == key)))
    }

    fn get(&self, path: &str) -> io::Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok(serde_json::from_str(body)?)
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        // It may be gone already; there is nobody to tell.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The value of `KILO_CONFIG_CONTENT` and `OPENCODE_CONFIG_CONTENT` for a provider named `local`
/// with these models.
pub(crate) fn config_content(url: &str, key: &str, models: &[&str]) -> String {
    let models: serde_json::Map<String, Value> =
        models.iter().map(|&model| (model.to_owned(), json!({ "name": model }))).collect();
    json!({
        "enabled_providers": ["local"],
        "provider": { "local": {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Local",
            "options": { "baseURL": url, "apiKey": key },
            "models": models
        }}
    })
    .to_string()
}

/// Writes a login of Cline's for the provider `openai-compatible` into a home folder, as Cline itself
/// would keep it.
pub(crate) fn write_cline_login(home: &Path, url: &str, key: &str, model: &str) -> io::Result<()> {
    let settings = home.join(".cline").join("data").join("settings");
    std::fs::create_dir_all(&settings)?;
    let login = json!({
        "version": 1,
        "lastUsedProvider": "openai-compatible",
        "modes": {},
        "providers": { "openai-compatible": {
            "settings": { "provider": "openai-compatible", "apiKey": key, "model": model, "baseUrl": url },
            "updatedAt": "2026-01-01T00:00:00.000Z",
            "tokenSource": "manual"
        }}
    });
    std::fs::write(settings.join("providers.json"), login.to_string())
}

/// Variables that keep the CLIs from looking for the network, on top of a home of their own.
pub(crate) const OFFLINE: [(&str, &str); 4] = [
    ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
    ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1"),
    ("KILO_DISABLE_MODELS_FETCH", "1"),
    ("KILO_DISABLE_DEFAULT_PLUGINS", "1"),
];

/// The environment of whoever runs the tests with the CLIs on the path, less what would lead them
/// to that person's own settings.
pub(crate) fn environment(home: &Path) -> std::collections::BTreeMap<String, String> {
    environment_with(home, &[bin_folder()], &[])
}

/// The same with other folders before and behind those of the path.
pub(crate) fn environment_with(
    home: &Path,
    before: &[PathBuf],
    behind: &[PathBuf],
) -> std::collections::BTreeMap<String, String> {
    let mut variables: std::collections::BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| {
            let own = ["XDG_", "ORCHESTRATE_", "OPENCODE", "KILO", "CLINE"];
            !own.iter().any(|start| name.starts_with(start))
        })
        .collect();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path);
    let folders = before.iter().cloned().chain(on_path).chain(behind.iter().cloned());
    let joined = std::env::join_paths(folders).unwrap_or(path);
    let text = |value: &OsStr| value.to_string_lossy().into_owned();
    variables.insert("PATH".to_owned(), text(&joined));
    variables.insert("HOME".to_owned(), text(home.as_os_str()));
    variables.extend(OFFLINE.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
    variables
}
