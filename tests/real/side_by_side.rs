//! Five attempts of each CLI at once, with one home that holds the user's settings, rules, login and
//! databases: all do their work with what is the user's, and nothing of theirs is written to. The
//! tasks' commands are for a Unix shell.

use std::path::Path;

use serde_json::json;

use crate::failing::nothing_is_left;
use crate::project::Project;
use crate::real_agents::{self, ModelServer};
use crate::working::project_with;

/// How many at once.
const AT_ONCE: u32 = 5;
/// What stands in the files that no attempt may touch.
const UNTOUCHED: &str = "the user's own";
/// Files in the home that belong to the user's own sessions.
const DATABASES: [&str; 4] = [
    ".local/share/opencode/opencode.db",
    ".local/share/kilo/kilo.db",
    ".cline/data/db/sessions.db",
    ".cline/data/db/teams.db",
];
/// Words of the user's rules that have to reach the model.
const RULE: &str = "Always greet the heron first";

/// A task that writes a file, says by the shell who the user is, and reports.
fn task(number: u32, agent: &str) -> String {
    format!(
        "### Task {number}: Write {agent}-{number}.txt\n\n- Agent: {agent}\n- Depends on: none\n\
         - Files: create `{agent}-{number}.txt`\n- Timeout: 5m\n\nWrite the file.\n\n\
         %write {agent}-{number}.txt written by {agent}\n\
         %bash (heron-tool; git config user.name; echo \"[$DEPLOY_TOKEN]\") > user-{number}.txt\n\
         %write {{{{\\S+/completion\\.json}}}} {{\"schema\":\"completion/v1\",\"run_id\":\"{{{{\"run_id\": ?\"(\\w+)\"}}}}\",\
         \"task_id\":\"{number}\",\"attempt\":1,\"status\":\"succeeded\",\"summary\":\"wrote it\",\
         \"outputs\":[{{\"path\":\"{agent}-{number}.txt\",\"change\":\"created\"}}]}}\n\n"
    )
}

fn write(home: &Path, path: &str, content: &str) {
    let path = home.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// A home as somebody has who uses all three by hand.
fn furnish(project: &mut Project) {
    let home = project.home();
    write(&home, ".gitconfig", "[user]\n\tname = Heron\n\temail = heron@example.org\n");
    write(&home, "bin/heron-tool", "#!/bin/sh\necho a tool of the user\n");
    let tool = home.join("bin/heron-tool");
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for name in ["opencode", "kilo"] {
        write(&home, &format!(".config/{name}/AGENTS.md"), RULE);
        let own = json!({ "default_agent": "plan", "permission": { "edit": "ask", "bash": "ask" } });
        write(&home, &format!(".config/{name}/opencode.json"), &own.to_string());
    }
    write(&home, "Documents/Cline/Rules/heron.md", RULE);
    for path in DATABASES {
        write(&home, path, UNTOUCHED);
    }
    let path = real_agents::environment(&home)["PATH"].clone();
    project.set("PATH", format!("{}:{path}", home.join("bin").display()));
    project.set("DEPLOY_TOKEN", "secret-of-the-user");
}

/// The paths below a folder whose last part is one of `names`.
fn found(folder: &Path, names: &[&str]) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if names.contains(&name.as_str()) {
            paths.push(entry.path().display().to_string());
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            paths.extend(found(&entry.path(), names));
        }
    }
    paths
}

fn five(agent: &str) {
    if !real_agents::are_installed(&[agent]) {
        return;
    }
    let requests = tempfile::tempdir().unwrap();
    let server = ModelServer::start_keeping(requests.path()).expect("the scripted provider");
    let mut project = project_with(&server, &[agent], "ok-writer");
    furnish(&mut project);
    let home = project.home();
    let configuration = project.read("orchestrate.toml").replace("jobs = 2", &format!("jobs = {AT_ONCE}"));
    // All at once, whatever memory the machine has.
    let (table, memory) = (format!("[agents.{agent}.env]"), format!("[agents.{agent}]\nmemory = \"1MiB\"\n"));
    let configuration = if configuration.contains(&table) {
        configuration.replacen(&table, &format!("{memory}\n{table}"), 1)
    } else {
        format!("{configuration}\n{memory}")
    };
    project.write("orchestrate.toml", configuration);
    let plan: String = (1..=AT_ONCE).map(|number| task(number, agent)).collect();
    project.write("plan.md", format!("# Five\n\n{plan}"));
    let login = home.join(".cline/data/settings/providers.json");
    let login_before = std::fs::read(&login).unwrap_or_default();

    let ran = project.run(["--plan", "plan.md", "--output", "json"]);
    let told = format!("{}\n{}", ran.stderr, project.run(["report"]).stdout);
    assert_eq!(ran.code, 0, "{told}");
    let result = ran.json();
    let tasks = result["tasks"].as_array().unwrap();
    let times: Vec<(&str, &str)> = tasks
        .iter()
        .map(|task| {
            assert_eq!(task["attempts"].as_array().unwrap().len(), 1, "{told}");
            let attempt = &task["attempts"][0];
            (attempt["started_at"].as_str().unwrap(), attempt["ended_at"].as_str().unwrap())
        })
        .collect();
    let last_start = times.iter().map(|(start, _)| *start).max().unwrap();
    let first_end = times.iter().map(|(_, end)| *end).min().unwrap();
    assert!(last_start < first_end, "they were all at work at once: {times:?}");

    for number in 1..=AT_ONCE {
        assert!(project.has(&format!("{agent}-{number}.txt")), "{told}");
        assert_eq!(project.read(&format!("user-{number}.txt")), "a tool of the user\nHeron\n[]\n");
        let log = project.read(&format!(
            "{}stderr.log",
            tasks[number as usize - 1]["attempts"][0]["completion"]
                .as_str()
                .unwrap()
                .trim_end_matches("completion.json")
        ));
        let bad = ["locked", "EADDRINUSE", "SQLITE", "index.lock"];
        assert!(bad.iter().all(|word| !log.contains(word)), "{log}");
    }
    for path in DATABASES {
        assert_eq!(std::fs::read_to_string(home.join(path)).unwrap(), UNTOUCHED, "{path}");
    }
    assert_eq!(std::fs::read(&login).unwrap_or_default(), login_before, "the login is as it was");
    assert_eq!(found(&home.join(".local/share"), &["snapshot"]), [""; 0], "no snapshots for nobody");
    let attempts = found(&home.join(".cache/orchestrate"), &["1", "settings", "opencode.db", "kilo.db"]);
    assert_eq!(attempts, [""; 0], "the attempts' data is gone");
    assert_eq!(found(&home.join(".cline"), &["hub", "locks"]), [""; 0], "no daemon was there");
    assert!(says(requests.path(), RULE), "the user's rules reached the model");
    nothing_is_left(&project, agent);
}

/// Whether some request had these words.
fn says(requests: &Path, words: &str) -> bool {
    std::fs::read_dir(requests).unwrap().flatten().any(|entry| {
        std::fs::read(entry.path()).is_ok_and(|body| String::from_utf8_lossy(&body).contains(words))
    })
}

#[test]
fn five_of_kilo_at_once() {
    five("kilo");
}

#[test]
fn five_of_opencode_at_once() {
    five("opencode");
}

#[test]
fn five_of_cline_at_once() {
    five("cline");
}
