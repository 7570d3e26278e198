//! The command lines that the adapters make.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orchestrate::agents::{self, AdapterError, AttemptContext};
use orchestrate::model::agent::{AgentSpec, PromptChannel};
use orchestrate::model::agent_output::{SignKind, SignPattern};
use orchestrate::model::command::{CommandSpec, Input, StopSignal};
use orchestrate::model::failure::FailureKind;
use orchestrate::model::layer::Rung;
use orchestrate::model::reading::Stream;
use orchestrate::model::task::TaskSpec;
use orchestrate::model::time::Span;
use serde_json::{Value, json};

use crate::sample;

/// An attempt to change one thing of.
struct Attempt {
    task: TaskSpec,
    agent: AgentSpec,
    rung: Rung,
    environment: BTreeMap<String, String>,
    home: Option<PathBuf>,
    prompt_file: PathBuf,
    session: Option<String>,
    idle_timeout: Span,
    workspace: PathBuf,
    completion: PathBuf,
}

impl Attempt {
    fn new(name: &str, provider: &str, model: &str) -> Self {
        let mut agent = sample::agent(name);
        agent.found = Some(PathBuf::from(format!("/bin/{name}")));
        Self {
            task: sample::task("T003", "Issue tokens", "body"),
            agent,
            rung: sample::rung(name, provider, model),
            environment: BTreeMap::from([("HOME".to_owned(), "/home/u".to_owned())]),
            home: None,
            prompt_file: PathBuf::from("/run/t/1/prompt.md"),
            session: None,
            idle_timeout: Span::minutes(10),
            workspace: PathBuf::from("/cache/ws"),
            completion: PathBuf::from("/run/t/1/completion.json"),
        }
    }

    fn command(&self) -> Result<CommandSpec, AdapterError> {
        agents::command(&AttemptContext {
            task: &self.task,
            agent: &self.agent,
            rung: &self.rung,
            attempt: 1,
            folder: Path::new("/run/t/1"),
            data: Path::new("/cache/data"),
            workspace: &self.workspace,
            completion: &self.completion,
            prompt_file: &self.prompt_file,
            environment: self.environment.clone(),
            home: self.home.as_deref(),
            session: self.session.as_deref(),
            timeout: Span::minutes(45),
            idle_timeout: self.idle_timeout,
        })
    }

    fn kind(&self) -> FailureKind {
        self.command().expect_err("it cannot be started").kind()
    }

    fn config(&self) -> Value {
        let spec = self.command().expect("a command");
        let (_, content) =
            spec.env.iter().find(|(name, _)| name.ends_with("_CONFIG_CONTENT")).expect("a config");
        serde_json::from_str(content).expect("JSON")
    }
}

fn words(spec: &CommandSpec) -> Vec<&str> {
    spec.args.iter().map(String::as_str).collect()
}

#[test]
fn opencode() {
    let spec = Attempt::new("opencode", "openrouter", "openrouter/minimax/m2:free").command().unwrap();
    assert_eq!(spec.program, Path::new("/bin/opencode"));
    assert_eq!(
        words(&spec),
        [
            "run",
            "--format",
            "json",
            "--print-logs",
            "--log-level",
            "ERROR",
            "--auto",
            "-m",
            "openrouter/minimax/m2:free",
            "--agent",
            "build",
            "--title",
            "T003 Issue tokens"
        ]
    );
    let given: Vec<(&str, &str)> =
        spec.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        given,
        [
            ("HOME", "/home/u"),
            (
                "OPENCODE_CONFIG_CONTENT",
                r#"{"agent":{"build":{"permission":{"external_directory":{"/run/t/1/*":"allow"}}}},"provider":{"openrouter":{"options":{"chunkTimeout":300000,"headerTimeout":300000}}},"snapshot":false}"#
            ),
            ("OPENCODE_DB", "/cache/data/opencode.db"),
            ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
            ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
            ("PWD", "/cache/ws"),
        ]
    );
    assert_eq!(spec.directory, Path::new("/cache/ws"));
    assert_eq!(spec.input, Input::File(PathBuf::from("/run/t/1/prompt.md")));
    assert_eq!((spec.folders, spec.files), (vec![PathBuf::from("/cache/data")], vec![]));
    assert_eq!(spec.session_data.as_deref(), Some(Path::new("/cache/data")));
    assert_eq!(spec.remove_after, Vec::<PathBuf>::new());
    assert_eq!((spec.stop_signal, spec.grace), (StopSignal::Terminate, None));
}

#[test]
fn kilo() {
    let spec = Attempt::new("kilo", "kilo", "kilo/z-ai/glm-4.7").command().unwrap();
    assert_eq!(
        words(&spec),
        [
            "run",
            "--format",
            "json",
            "--print-logs",
            "--log-level",
            "ERROR",
            "--auto",
            "-m",
            "kilo/z-ai/glm-4.7",
            "--agent",
            "code",
            "--title",
            "T003 Issue tokens"
        ]
    );
    for (name, value) in [
        ("KILO_DB", "/cache/data/kilo.db"),
        ("KILO_NO_DAEMON", "1"),
        ("KILO_SESSION_RETRY_LIMIT", "3"),
        ("KILO_TELEMETRY_LEVEL", "off"),
        ("HOME", "/home/u"),
    ] {
        assert_eq!(spec.env.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(spec.env.keys().all(|name| !name.starts_with("OPENCODE")));
}

#[test]
fn a_users_configuration_is_completed_not_replaced() {
    for (name, variable, acting) in
        [("kilo", "KILO_CONFIG_CONTENT", "code"), ("opencode", "OPENCODE_CONFIG_CONTENT", "build")]
    {
        let mut attempt = Attempt::new(name, "local", "local/m");
        let own = json!({
            "provider": {"local": {"npm": "x", "options": {"baseURL": "u", "headerTimeout": 7}}},
            "agent": {(acting): {"permission": {"external_directory": "deny"}}},
            "theme": "dark"
        });
        attempt.environment.insert(variable.to_owned(), own.to_string());
        assert_eq!(
            attempt.config(),
            json!({
                "provider": {"local": {"npm": "x", "options": {"baseURL": "u", "headerTimeout": 7, "chunkTimeout": 300_000}}},
                "agent": {(acting): {"permission": {"external_directory": {"*": "deny", "/run/t/1/*": "allow"}}}},
                "snapshot": false,
                "theme": "dark"
            })
        );
        for broken in ["{not json", "[]", "7", r#"{"provider":{"local":7}}"#, r#"{"agent":[]}"#] {
            attempt.environment.insert(variable.to_owned(), broken.to_owned());
            let error = attempt.command().expect_err(broken);
            assert!(matches!(&error, AdapterError::BadConfig { variable: named, .. } if named == variable));
            assert_eq!(error.kind(), FailureKind::UsageError);
        }
        attempt.environment.insert(variable.to_owned(), "  ".to_owned());
        assert!(attempt.command().is_ok());
    }
}

#[test]
fn waits_stay_below_the_idle_timeout() {
    let mut attempt = Attempt::new("opencode", "p", "p/m");
    for (idle, wait) in [
        (Span::minutes(10), 300_000),
        (Span::minutes(60), 300_000),
        (Span::minutes(2), 60_000),
        (Span::seconds(1), 1_000),
    ] {
        attempt.idle_timeout = idle;
        let options = &attempt.config()["provider"]["p"]["options"];
        assert_eq!(
            (&options["headerTimeout"], &options["chunkTimeout"]),
            (&json!(wait), &json!(wait)),
            "{idle}"
        );
    }
}

#[test]
fn what_its_silence_may_mean_follows_the_waits_that_count() {
    let mut attempt = Attempt::new("opencode", "p", "p/m");
    let wait = |attempt: &Attempt| attempt.command().unwrap().silence.provider;
    assert_eq!(wait(&attempt), Some(Span::minutes(5)));
    attempt.idle_timeout = Span::minutes(2);
    assert_eq!(wait(&attempt), Some(Span::minutes(1)));
    let own = |options: &str| format!(r#"{{"provider":{{"p":{{"options":{{{options}}}}}}}}}"#);
    let set = |attempt: &mut Attempt, options: &str| {
        attempt.environment.insert("OPENCODE_CONFIG_CONTENT".to_owned(), own(options));
    };
    set(&mut attempt, r#""headerTimeout":1200000"#);
    assert_eq!(wait(&attempt), Some(Span::minutes(20)), "a slow model of one's own");
    set(&mut attempt, r#""chunkTimeout":false"#);
    assert_eq!(wait(&attempt), None, "nothing watches over it");

    let folder = tempfile::tempdir().unwrap();
    attempt.environment.remove("OPENCODE_CONFIG_CONTENT");
    attempt.workspace = folder.path().to_owned();
    std::fs::write(folder.path().join("opencode.json"), own(r#""chunkTimeout": 900000"#)).unwrap();
    assert_eq!(wait(&attempt), Some(Span::minutes(15)), "a file of the project");
    std::fs::write(folder.path().join("opencode.json"), own(r#""headerTimeout": 0"#)).unwrap();
    assert_eq!(wait(&attempt), None);

    let cline = Attempt::new("cline", "anthropic", "m");
    assert_eq!(wait(&cline), Some(Span::minutes(5)));
    assert_eq!(wait(&Attempt::new("gemini", "google", "m")), None);
}

#[test]
fn a_session_is_gone_on_with_and_own_switches_win() {
    let mut attempt = Attempt::new("opencode", "p", "p/m");
    attempt.session = Some("ses_1".to_owned());
    attempt.agent.args = vec!["--variant".to_owned(), "high".to_owned()];
    attempt.agent.env.insert("OPENCODE_DB".to_owned(), "/mine.db".to_owned());
    attempt.environment.extend(attempt.agent.env.clone());
    attempt.environment.insert("OPENCODE_DISABLE_AUTOUPDATE".to_owned(), "0".to_owned());
    let spec = attempt.command().unwrap();
    assert!(words(&spec).ends_with(&["-s", "ses_1", "--variant", "high"]));
    assert_eq!(spec.env["OPENCODE_DB"], "/mine.db");
    assert_eq!(spec.env["OPENCODE_DISABLE_AUTOUPDATE"], "0");
}

#[test]
fn every_provider_that_may_be_asked_has_its_waits_bounded() {
    let mut attempt = Attempt::new("opencode", "p", "p/m");
    let own = r#"{ // Mine.
        "small_model": "small/x", "agent": { "explore": { "model": "sub/y" } },
        "provider": { "described": {}, },
    }"#;
    attempt.environment.insert("OPENCODE_CONFIG_CONTENT".to_owned(), own.to_owned());
    let config = attempt.config();
    let bounded: Vec<&String> = config["provider"].as_object().unwrap().keys().collect();
    assert_eq!(bounded, ["described", "p", "small", "sub"]);
    for provider in bounded {
        assert_eq!(config["provider"][provider]["options"]["headerTimeout"], 300_000, "{provider}");
    }
    // One that is chosen by the user's own files is not known here.
    attempt.rung.model = None;
    attempt.environment.clear();
    assert_eq!(attempt.config()["provider"], Value::Null);
}

#[test]
fn what_the_users_own_files_speak_of_is_left_to_them() {
    for (name, file) in [
        ("opencode", "home/.config/opencode/opencode.jsonc"),
        ("opencode", "project/opencode.json"),
        ("opencode", "project/.opencode/opencode.json"),
        ("opencode", "elsewhere.json"),
        ("kilo", "home/.config/kilo/kilo.json"),
        ("kilo", "project/.kilo/kilo.jsonc"),
    ] {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("project/.git")).unwrap();
        std::fs::create_dir_all(root.path().join("project/deep")).unwrap();
        // Above the project: nobody reads that.
        std::fs::write(root.path().join("opencode.json"), r#"{"snapshot": true}"#).unwrap();
        let path = root.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(
            &path,
            "{ /* slow */ \"provider\": {\"local\": {\"options\": {\"headerTimeout\": 9}}}}",
        )
        .unwrap();
        let mut attempt = Attempt::new(name, "local", "local/m");
        attempt.home = Some(root.path().join("home"));
        attempt.workspace = root.path().join("project/deep");
        let given = root.path().join("elsewhere.json").display().to_string();
        attempt.environment.insert("OPENCODE_CONFIG".to_owned(), given);
        let config = attempt.config();
        assert_eq!(config["provider"]["local"]["options"], json!({ "chunkTimeout": 300_000 }), "{file}");
        assert_eq!(config["snapshot"], false, "{file}");
    }
}

#[test]
fn an_agent_that_runs_inside_another_one_is_no_part_of_it() {
    for name in ["kilo", "opencode"] {
        let mut attempt = Attempt::new(name, "p", "p/m");
        for outer in ["KILO_RUN_ID", "KILO_PROCESS_ROLE", "KILO_PID", "OPENCODE_PID", "OPENCODE_RUN_ID"] {
            attempt.environment.insert(outer.to_owned(), "7".to_owned());
        }
        let spec = attempt.command().unwrap();
        assert!(spec.env.values().all(|value| value != "7"), "{:?}", spec.env);
    }
}

#[test]
fn nothing_in_a_path_is_filled_in() {
    let mut attempt = Attempt::new("opencode", "p", "p/m");
    attempt.completion = PathBuf::from("/run/{env:HOME}/{file:x}/completion.json");
    let config = attempt.config();
    let outside = config["agent"]["build"]["permission"]["external_directory"].as_object().unwrap();
    assert_eq!(outside.keys().collect::<Vec<_>>(), ["/run/?env:HOME}/?file:x}/*"]);
}

#[test]
fn cline_is_led_to_no_file_that_attempts_would_share() {
    let mut attempt = Attempt::new("cline", "anthropic", "m");
    for (name, value) in [
        ("ANTHROPIC_API_KEY", "the-key"),
        ("CLINE_DATA_DIR", "/mine"),
        ("CLINE_DB_DATA_DIR", "/mine/db"),
        ("CLINE_PROVIDER_SETTINGS_PATH", "/mine/providers.json"),
        ("CLINE_SESSION_BACKEND_MODE", "hub"),
        ("CLINE_RUN_AS_HUB_DAEMON", "1"),
        ("CLINE_GLOBAL_SETTINGS_PATH", "/mine/global-settings.json"),
    ] {
        attempt.environment.insert(name.to_owned(), value.to_owned());
    }
    let spec = attempt.command().unwrap();
    let left: Vec<(&str, &str)> = spec
        .env
        .iter()
        .filter(|(name, _)| name.starts_with("CLINE"))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        left,
        [
            ("CLINE_GLOBAL_SETTINGS_PATH", "/mine/global-settings.json"),
            ("CLINE_NO_AUTO_UPDATE", "1"),
            ("CLINE_SESSION_BACKEND_MODE", "local"),
        ]
    );
    assert!(spec.args.iter().all(|arg| !arg.contains("the-key") && arg != "-t" && arg != "-k"));
    assert_eq!(spec.env["ANTHROPIC_API_KEY"], "the-key");

    // A login that cannot be copied is where the user has it.
    let mut attempt = Attempt::new("cline", "cline", "m");
    attempt.environment.insert("CLINE_DATA_DIR".to_owned(), "/mine".to_owned());
    attempt.environment.insert("CLINE_SESSION_BACKEND_MODE".to_owned(), "hub".to_owned());
    let spec = attempt.command().unwrap();
    assert_eq!(
        (spec.env["CLINE_DATA_DIR"].as_str(), spec.env["CLINE_SESSION_BACKEND_MODE"].as_str()),
        ("/mine", "local")
    );
}

#[test]
fn titles_are_one_short_line_that_is_no_option() {
    for (id, title, expected) in [
        ("T1", "a\nb\t c", "T1 a b c"),
        ("-x", "--yes", "x --yes"),
        ("--", "@file /cmd", "file /cmd"),
        ("-", "", "task"),
        ("T2", &"ž".repeat(300), &format!("T2 {}", "ž".repeat(77))),
    ] {
        let mut attempt = Attempt::new("kilo", "p", "p/m");
        attempt.task = sample::task(id, title, "");
        let spec = attempt.command().unwrap();
        assert_eq!(spec.args.last().map(|arg| arg.trim_start_matches([' '])), Some(expected));
    }
}

#[test]
fn cline_with_a_key_of_the_users_own() {
    let home = tempfile::tempdir().unwrap();
    let settings = home.path().join(".cline/data/settings");
    std::fs::create_dir_all(&settings).unwrap();
    let file = json!({
        "version": 1, "lastUsedProvider": "cline", "modes": {"x": 1},
        "providers": {
            "openai-compatible": {"settings": {"provider": "openai-compatible", "apiKey": "k1", "baseUrl": "u"}, "tokenSource": "manual"},
            "anthropic": {"settings": {"provider": "anthropic", "apiKey": "k2"}, "tokenSource": "manual"},
            "cline": {"settings": {"provider": "cline", "auth": {"accessToken": "a", "refreshToken": "r"}}, "tokenSource": "oauth"}
        }
    });
    std::fs::write(settings.join("providers.json"), file.to_string()).unwrap();

    let mut attempt = Attempt::new("cline", "openai-compatible", "ok-writer");
    attempt.home = Some(home.path().to_owned());
    let spec = attempt.command().unwrap();
    assert_eq!(
        words(&spec),
        [
            "--json",
            "--auto-approve",
            "true",
            "--data-dir",
            "/cache/data",
            "-P",
            "openai-compatible",
            "-m",
            "ok-writer",
            "-c",
            "/cache/ws",
            "Do the task that follows."
        ]
    );
    assert_eq!(spec.input, Input::File(PathBuf::from("/run/t/1/prompt.md")));
    assert_eq!((spec.stop_signal, spec.grace), (StopSignal::Interrupt, Some(Span::seconds(3))));
    assert_eq!(spec.env["CLINE_SESSION_BACKEND_MODE"], "local");
    assert_eq!(spec.env["CLINE_NO_AUTO_UPDATE"], "1");
    assert_eq!(spec.env["HOME"], "/home/u");
    assert_eq!(spec.remove_after, [Path::new("/cache/data")]);
    let [copied] = &spec.files[..] else { panic!("one file") };
    assert_eq!(copied.path, Path::new("/cache/data/settings/providers.json"));
    // The one login that is needed, and no other.
    assert!(
        copied.content.contains("k1")
            && !copied.content.contains("k2")
            && !copied.content.contains("refresh")
    );

    let shares = |provider| {
        agents::single_login(&attempt.agent, Some(provider), &attempt.environment, attempt.home.as_deref())
    };
    assert_eq!(["openai-compatible", "anthropic", "cline", "groq"].map(shares), [false, false, true, false]);
}

#[test]
fn cline_with_a_login_that_refreshes_itself_uses_the_users_folder() {
    let home = tempfile::tempdir().unwrap();
    let mut attempt = Attempt::new("cline", "cline", "minimax/minimax-m2.1");
    attempt.home = Some(home.path().to_owned());
    let spec = attempt.command().unwrap();
    assert!(!words(&spec).contains(&"--data-dir"));
    assert_eq!((spec.folders, spec.files, spec.remove_after), (vec![], vec![], vec![]));
    let shares = |environment| {
        agents::single_login(&attempt.agent, Some("cline"), environment, attempt.home.as_deref())
    };
    assert!(shares(&attempt.environment));
    // With a key in the environment nothing has to be shared.
    let mut environment = attempt.environment.clone();
    environment.insert("CLINE_API_KEY".to_owned(), "k".to_owned());
    assert!(!shares(&environment));
}

#[test]
fn cline_never_sends_a_prompt_to_another_address_for_want_of_a_login() {
    let home = tempfile::tempdir().unwrap();
    let mut attempt = Attempt::new("cline", "openai-compatible", "m");
    attempt.home = Some(home.path().to_owned());
    assert_eq!(attempt.kind(), FailureKind::NotLoggedIn);
    let settings = home.path().join(".cline/data/settings");
    std::fs::create_dir_all(&settings).unwrap();
    let entry =
        json!({"settings": {"provider": "openai-compatible", "apiKey": "k"}, "tokenSource": "manual"});
    let file = json!({"version": 1, "providers": {"openai-compatible": entry}});
    std::fs::write(settings.join("providers.json"), file.to_string()).unwrap();
    assert_eq!(attempt.kind(), FailureKind::NotLoggedIn);
    std::fs::write(settings.join("providers.json"), "{broken").unwrap();
    assert_eq!(attempt.kind(), FailureKind::UsageError);
}

#[test]
fn logins_of_other_agents_are_apart_from_their_data() {
    for name in ["kilo", "opencode", "command", "gemini"] {
        assert!(
            !agents::single_login(&sample::agent(name), Some("openai"), &BTreeMap::new(), None),
            "{name}"
        );
    }
}

#[test]
fn command() {
    let mut attempt = Attempt::new("command", "", "");
    attempt.agent.found = Some(PathBuf::from("/bin/sh"));
    attempt.rung.model = None;
    assert_eq!(attempt.kind(), FailureKind::UsageError);
    attempt.task.command = Some("  \n".to_owned());
    assert_eq!(attempt.kind(), FailureKind::UsageError);
    attempt.task.command = Some("-x; echo \"$HOME\" && make".to_owned());
    let spec = attempt.command().unwrap();
    assert_eq!(words(&spec), ["-c", "-x; echo \"$HOME\" && make"]);
    assert_eq!(spec.input, Input::Empty);
    attempt.agent.found = Some(PathBuf::from("/c/Windows/system32/cmd.exe"));
    assert_eq!(words(&attempt.command().unwrap())[..3], ["/D", "/S", "/C"]);
}

#[test]
fn the_script_that_a_program_is_to_run_comes_before_all_else() {
    for name in ["kilo", "opencode", "cline", "gemini", "agy"] {
        let mut attempt = Attempt::new(name, "openrouter", "openrouter/minimax/m2:free");
        let prompt = tempfile::NamedTempFile::new().unwrap();
        prompt.path().clone_into(&mut attempt.prompt_file);
        let without = attempt.command().unwrap();
        attempt.agent.found_args = vec!["--no-warnings".to_owned(), "/lib/tool.js".to_owned()];
        let with = attempt.command().unwrap();
        assert_eq!(words(&with)[..2], ["--no-warnings", "/lib/tool.js"], "{name}");
        assert_eq!(words(&with)[2..], words(&without), "{name}");
        assert_eq!(with.program, without.program);
    }
}

#[test]
fn an_agent_of_an_older_journal_has_no_script() {
    let mut agent = serde_json::to_value(sample::agent("kilo")).unwrap();
    assert!(agent.as_object_mut().unwrap().remove("found_args").is_none(), "left out where there is none");
    let agent: AgentSpec = serde_json::from_value(agent).unwrap();
    assert_eq!(agent, sample::agent("kilo"));
}

/// Where batch files are what they are.
#[cfg(windows)]
#[test]
fn cmd_is_not_given_what_it_cannot_take() {
    let mut attempt = Attempt::new("agy", "google", "gemini-2.5-pro");
    attempt.agent.found = Some(PathBuf::from("C:\\tools\\agy.cmd"));
    let prompt = tempfile::NamedTempFile::new().unwrap();
    prompt.path().clone_into(&mut attempt.prompt_file);
    std::fs::write(prompt.path(), "one line").unwrap();
    assert!(attempt.command().is_ok());
    std::fs::write(prompt.path(), "two\nlines").unwrap();
    let error = attempt.command().expect_err("two lines");
    assert_eq!(error.kind(), FailureKind::UsageError);
    assert!(error.to_string().contains("set `program` of the agent"), "{error}");
}

#[test]
fn programs_by_their_templates() {
    let mut attempt = Attempt::new("gemini", "google", "gemini-2.5-pro");
    let spec = attempt.command().unwrap();
    assert_eq!(words(&spec)[..2], ["--model", "gemini-2.5-pro"]);
    assert!(words(&spec).contains(&"/run/t/1"), "it may write where its completion belongs");
    assert_eq!(spec.input, Input::File(PathBuf::from("/run/t/1/prompt.md")));

    attempt.agent.args =
        ["--at={workspace}", "{title}{x}{", "--model", "{model}", "-m={model}", "{completion}"]
            .map(str::to_owned)
            .into();
    attempt.agent.prompt = PromptChannel::File;
    attempt.task.title = "{model}".to_owned();
    let spec = attempt.command().unwrap();
    assert_eq!(
        words(&spec),
        [
            "--at=/cache/ws",
            "T003 {model}{x}{",
            "--model",
            "gemini-2.5-pro",
            "-m=gemini-2.5-pro",
            "/run/t/1/completion.json"
        ]
    );
    assert_eq!(spec.input, Input::Empty);
    attempt.rung.model = None;
    assert_eq!(
        words(&attempt.command().unwrap()),
        ["--at=/cache/ws", "T003 {model}{x}{", "/run/t/1/completion.json"]
    );
}

#[test]
fn a_session_is_gone_on_with_by_arguments_of_its_own() {
    let mut attempt = Attempt::new("claude", "anthropic", "m");
    assert!(!words(&attempt.command().unwrap()).contains(&"--resume"));
    attempt.session = Some("s-{model}".to_owned());
    let spec = attempt.command().unwrap();
    assert!(words(&spec).ends_with(&["--verbose", "--resume", "s-{model}"]), "{spec:?}");
}

#[test]
fn a_pattern_that_cannot_be_used_starts_nothing() {
    let mut attempt = Attempt::new("gemini", "google", "m");
    for (pattern, words) in [("a(b", "unclosed group"), (".*", "nearly every line")] {
        attempt.agent.signs = vec![SignPattern {
            pattern: pattern.to_owned(),
            kind: SignKind::RateLimited,
            stream: Stream::Stderr,
            also_on_success: false,
            at_once: false,
        }];
        assert_eq!(attempt.kind(), FailureKind::UsageError);
        let told = attempt.command().unwrap_err().to_string();
        assert!(told.contains(pattern) && told.contains(words), "{told}");
    }
}

#[test]
fn a_prompt_as_an_argument_is_the_last_one_and_has_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut attempt = Attempt::new("agy", "google", "m");
    attempt.prompt_file = folder.path().join("prompt.md");
    assert!(matches!(attempt.command(), Err(AdapterError::Unreadable { .. })));
    std::fs::write(&attempt.prompt_file, "# Task\nž\n").unwrap();
    let spec = attempt.command().unwrap();
    assert_eq!((spec.args.last().map(String::as_str), spec.input), (Some("# Task\nž\n"), Input::Empty));
    std::fs::write(&attempt.prompt_file, "x".repeat(200_000)).unwrap();
    assert!(matches!(attempt.command(), Err(AdapterError::PromptTooLong { bytes: 200_000, .. })));
}

#[test]
fn what_cannot_be_started_says_so() {
    let mut attempt = Attempt::new("kilo", "p", "p/m");
    for model in ["", "--help", "a\nb"] {
        attempt.rung.model = Some(model.to_owned());
        assert!(matches!(attempt.command(), Err(AdapterError::BadModel { .. })), "{model}");
    }
    attempt.rung.model = None;
    assert!(!attempt.command().unwrap().args.contains(&"-m".to_owned()));
    attempt.agent.found = None;
    assert_eq!(attempt.kind(), FailureKind::AgentNotFound);
}
