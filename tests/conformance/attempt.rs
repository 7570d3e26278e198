//! One row: a project of its own, the whole program in it, and what came of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::evidence;
use super::processes;
use super::project::Project;
use super::real_agents::{self, ModelServer};
use super::scenarios::{HELLO, NONE, Scenario};

/// How long a process may take to be gone after the command has ended.
const GONE: Duration = Duration::from_secs(5);
/// Between two looks at a command that runs.
const LOOK: Duration = Duration::from_secs(1);
/// How long a command that was killed may take to end.
const KILLED: Duration = Duration::from_secs(20);

/// What came of a row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) scenario: String,
    pub(crate) cli: String,
    /// The kinds of its attempts, in order.
    pub(crate) kinds: Vec<String>,
    /// From the start of the command to its end.
    pub(crate) seconds: f64,
    /// What is not as it should be; nothing: it passed.
    pub(crate) problems: Vec<String>,
    /// For a row that failed: what there is to look at.
    #[serde(skip)]
    pub(crate) evidence: String,
}

impl Row {
    /// Its name.
    pub(crate) fn name(&self) -> String {
        format!("{}::{}", self.cli, self.scenario)
    }

    /// The kinds, those in a row as one.
    pub(crate) fn kinds(&self) -> String {
        let mut counted: Vec<(&str, u32)> = Vec::new();
        for kind in &self.kinds {
            match counted.last_mut() {
                Some((last, count)) if last == kind => *count += 1,
                Some(_) | None => counted.push((kind, 1)),
            }
        }
        let words = counted.iter().map(
            |&(kind, count)| {
                if count > 1 { format!("{kind} ×{count}") } else { kind.to_owned() }
            },
        );
        let words: Vec<String> = words.collect();
        if words.is_empty() { "no attempt".to_owned() } else { words.join(", ") }
    }
}

/// Runs a scenario with a CLI that is looked for in `folders`, before and behind those of `PATH`.
/// `started` is set when it has asked for an answer.
pub(crate) fn run(
    scenario: &Scenario,
    cli: &str,
    server: &ModelServer,
    folders: (&[PathBuf], &[PathBuf]),
    started: &AtomicBool,
) -> Row {
    let key = real_agents::unused_key();
    let project = set_up(scenario, cli, server, &key, folders);
    let outputs = [project.home().join("stdout"), project.home().join("stderr")];
    let mut command = project.command([
        "--plan",
        "plan.md",
        "--output",
        "json",
        "--max-wait",
        "1s",
        "--idle-timeout",
        &format!("{}s", scenario.idle_timeout().as_secs()),
    ]);
    // Into files: what a run leaves behind could hold a pipe open.
    for (stream, path) in [Command::stdout, Command::stderr].iter().zip(&outputs) {
        stream(&mut command, Stdio::from(File::create(path).expect("a file for the output")));
    }
    let began = Instant::now();
    let child = command.spawn().expect("the program starts");
    let code = wait(child, scenario.deadline(), || {
        if server.is_asked(&key).unwrap_or(false) {
            started.store(true, Ordering::Relaxed);
        }
    });
    let seconds = began.elapsed().as_secs_f64();

    let [stdout, stderr] = outputs.map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let result: Value = serde_json::from_str(&stdout).unwrap_or(Value::Null);
    let mut problems = Vec::new();
    if code.is_none() {
        problems.push(format!("it had to be ended after {:?}", scenario.deadline()));
    }
    let task = &result["tasks"][0];
    let kinds: Vec<String> = task["attempts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|attempt| match attempt["failure"].as_str() {
            Some(kind) => kind.to_owned(),
            None if attempt["status"] == "succeeded" => NONE.to_owned(),
            None => attempt["status"].as_str().unwrap_or("?").to_owned(),
        })
        .collect();
    problems.extend(judge(scenario, cli, &project, task, &kinds, code));
    match processes::left(&project.root(), GONE) {
        processes::Left::Nothing | processes::Left::CannotTell => {}
        processes::Left::Some(left) => problems.push(format!("still running: {}", left.join("; "))),
    }
    let evidence = if problems.is_empty() {
        String::new()
    } else {
        let requests = server.requests(&key).map_or(0, |requests| requests.len());
        let found = evidence::Found { project: &project, task, stderr: &stderr, requests };
        evidence::of(scenario, cli, &found)
    };
    Row { scenario: scenario.name.clone(), cli: cli.to_owned(), kinds, seconds, problems, evidence }
}

/// What is wrong with how it ended.
fn judge(
    scenario: &Scenario,
    cli: &str,
    project: &Project,
    task: &Value,
    kinds: &[String],
    code: Option<i32>,
) -> Vec<String> {
    let mut problems = Vec::new();
    let expected = scenario.kinds(cli);
    if kinds.is_empty() {
        problems.push("no attempt was made".to_owned());
    }
    for kind in kinds.iter().filter(|kind| !expected.contains(kind)) {
        problems.push(format!("an attempt ended as `{kind}`, not as {}", expected.join(" or ")));
    }
    let hello = std::fs::read_to_string(project.root().join("hello.txt")).unwrap_or_default();
    let missing: Vec<&str> = scenario.work().filter(|path| !project.has(path)).collect();
    let done = missing.is_empty() && hello.trim_end() == HELLO;
    let succeeded = task["status"] == "succeeded";
    if succeeded && !done {
        problems.push(format!("the task succeeded, and its work is not there: {missing:?}, {hello:?}"));
    }
    if succeeded != scenario.succeeds(cli) {
        problems.push(format!("the task is `{}`", task["status"].as_str().unwrap_or("?")));
    }
    if !succeeded && project.has("hello.txt") {
        problems.push("the task failed, and its work is there".to_owned());
    }
    if code.is_some_and(|code| (code == 0) != succeeded) {
        problems.push(format!("the exit code is {code:?}"));
    }
    problems
}

/// Waits for the end of a command, with a look at it each second; none: it was ended after its
/// deadline.
fn wait(mut child: Child, deadline: Duration, look: impl Fn()) -> Option<i32> {
    let (sender, ended) = std::sync::mpsc::channel();
    let pid = child.id();
    let waiter = std::thread::spawn(move || {
        let status = child.wait();
        let _ = sender.send(());
        status
    });
    let began = Instant::now();
    let mut has_ended = false;
    while !has_ended && began.elapsed() < deadline {
        has_ended = ended.recv_timeout(LOOK).is_ok();
        look();
    }
    if !has_ended {
        // What it started ends with it.
        processes::end(pid);
        if ended.recv_timeout(KILLED).is_err() {
            return None;
        }
        drop(waiter.join());
        return None;
    }
    let status = waiter.join().ok()?.ok()?;
    Some(status.code().unwrap_or(-1))
}

/// A project whose plan is the scenario's task.
fn set_up(
    scenario: &Scenario,
    cli: &str,
    server: &ModelServer,
    key: &str,
    (before, behind): (&[PathBuf], &[PathBuf]),
) -> Project {
    let mut project = Project::new();
    let home = project.home();
    for (name, value) in real_agents::environment_with(&home, before, behind) {
        project.set(&name, value);
    }
    let url = if scenario.refused { server.refusing_url() } else { server.url() };
    let model = scenario.asks.as_ref().unwrap_or(&scenario.model);
    let mut variables: BTreeMap<String, String> = scenario.env.get(cli).cloned().unwrap_or_default();
    let usual = if cli == "cline" { "openai-compatible" } else { "local" };
    let provider = scenario.provider.as_deref().unwrap_or(usual);
    let asked = if cli == "cline" {
        real_agents::write_cline_login(&home, &url, key, &scenario.model).expect("a login");
        model.clone()
    } else {
        let content = real_agents::config_content(&url, key, &[&scenario.model]);
        variables.insert(format!("{}_CONFIG_CONTENT", cli.to_uppercase()), content);
        format!("{provider}/{model}")
    };
    // Texts and lists of texts are written in TOML as in JSON.
    let args = json!(scenario.args.get(cli).cloned().unwrap_or_default());
    let steps = scenario.max_steps.map(|most| format!("max_steps = {most}\n")).unwrap_or_default();
    let variables: Vec<String> =
        variables.iter().map(|(name, value)| format!("{name} = {}", json!(value))).collect();
    project.write(
        "orchestrate.toml",
        format!(
            "version = 1\n\n[run]\nretries = 0\njobs = 1\n\n[agents.{cli}]\nargs = {args}\n{steps}\n[agents.{cli}.env]\n{}\n\n\
             [[layers]]\nlayer = 1\nagent = \"{cli}\"\nmodel = {}\nprovider = {}\ncost = \"free\"\n",
            variables.join("\n"),
            json!(asked),
            json!(provider)
        ),
    );
    for (path, content) in &scenario.files {
        project.write(path, content);
    }
    let body: Vec<String> = scenario.body(cli).lines().map(|line| format!("  {line}\n")).collect();
    let body = body.concat();
    project.write(
        "plan.md",
        format!(
            "- [ ] T001 Write a greeting\n  - Agent: {cli}\n  - Timeout: {}s\n\n{body}",
            scenario.timeout().as_secs()
        ),
    );
    repository(&project.root());
    project
}

/// The project is a repository, as users' ones are.
fn repository(root: &Path) {
    for words in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "begin"]] {
        let status = Command::new("git")
            .args(["-c", "user.name=test", "-c", "user.email=test@example.invalid"])
            .args(words)
            .current_dir(root)
            .status();
        assert!(status.is_ok_and(|status| status.success()), "git {words:?}");
    }
}
