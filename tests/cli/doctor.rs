//! `doctor`: with made-up programs in a made-up home.

use std::path::PathBuf;

use serde_json::Value;

use crate::project::{Project, Ran};

/// The home folder that the project's user has, beside its root.
fn home(project: &Project) -> PathBuf {
    project.root().with_file_name("home")
}

/// A project whose PATH has the system's own programs and a folder of made-up ones.
fn project() -> Project {
    let mut project = Project::new();
    let programs = home(&project).join("programs");
    std::fs::create_dir_all(&programs).unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Agents of whoever runs the tests are none of ours.
    let names = ["kilo", "opencode", "cline", "gemini", "claude", "codex", "agy"];
    let system = std::env::split_paths(&path).filter(|folder| {
        !names
            .iter()
            .any(|name| ["", ".exe", ".cmd"].iter().any(|end| folder.join(format!("{name}{end}")).exists()))
    });
    let path = std::env::join_paths(std::iter::once(programs).chain(system)).unwrap();
    project.set("PATH", path.to_string_lossy()).set("COLUMNS", "200");
    project
}

#[cfg(unix)]
fn install(project: &Project, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = home(project).join("programs").join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn agent<'a>(document: &'a Value, name: &str) -> &'a Value {
    let agents = document["agents"].as_array().unwrap();
    agents.iter().find(|agent| agent["name"] == name).unwrap_or_else(|| panic!("no {name} in {document:#}"))
}

#[track_caller]
fn line<'a>(ran: &'a Ran, start: &str) -> &'a str {
    let found = ran.stdout.lines().find(|line| line.trim_start().starts_with(start));
    found.unwrap_or_else(|| panic!("no {start:?} in\n{}", ran.stdout))
}

#[test]
fn without_an_agent_no_run_would_work_and_the_cures_are_named() {
    let project = project();
    let ran = project.run(["doctor"]).expect(5);
    assert!(line(&ran, "✗ kilo").ends_with("layer 3 is left out: npm install -g @kilocode/cli@7.7.7"));
    assert!(line(&ran, "✗ opencode").contains("layers 2, 5 to 7 are left out"));
    assert!(line(&ran, "✓ embedded").contains("no run yet"));
    assert_eq!(ran.stdout.lines().last(), Some("✗ no run would work: no agent can be used (exit code 5)"));
    assert!(
        !ran.stdout.contains("claude"),
        "what nobody named and is not there is not told:\n{}",
        ran.stdout
    );
    assert!(!project.has("plans"), "nothing is made");
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_broken_configuration_is_named_with_its_place_and_the_rest_is_shown() {
    let mut project = project();
    project.write("orchestrate.toml", "version = 1\n\n[run]\njbos = 2\n");
    project.set("ORCHESTRATE_RETRIES", "many");
    let ran = project.run(["doctor"]).expect(3);
    assert!(line(&ran, "✗ orchestrate.toml:4:1").ends_with("did you mean `jobs`?"), "{}", ran.stdout);
    assert!(line(&ran, "✗ `ORCHESTRATE_RETRIES`").contains("many"));
    assert!(line(&ran, "✗ kilo").contains("not found"));
    assert!(line(&ran, "✓ embedded").contains("plans/agent-shared"));
    assert!(ran.stdout.trim_end().ends_with("the configuration is invalid (exit code 3)"), "{}", ran.stdout);
    let document = project.run(["doctor", "--output", "json"]).expect(3).json();
    assert_eq!(document["diagnostics"][0]["line"], 4);
    assert_eq!(document["exit_code"], 3);
}

#[test]
fn state_that_cannot_be_read_or_reached_is_told() {
    let project = project();
    project.write("tool", "");
    let program = std::env::current_exe().unwrap();
    let configuration = format!("version = 1\n\n[agents.mine]\nprogram = '{}'\n", program.display());
    project.write("orchestrate.toml", &configuration);
    let ran = project.run(["doctor"]).expect(0);
    assert!(ran.stdout.trim_end().ends_with("a run would work, by mine"), "{}", ran.stdout);
    assert!(line(&ran, "✓ mine").contains("not asked for its version"));

    let redis = project.run(["doctor", "--redis"]).expect(6);
    assert!(line(&redis, "✗ redis").ends_with("leave `--redis` out"), "{}", redis.stdout);

    project.write("plans/agent-shared/orchestrate.db", "this is no database, whatever its name says");
    let ran = project.run(["doctor"]).expect(6);
    assert!(line(&ran, "✗ embedded").contains("orchestrate.db"), "{}", ran.stdout);
    assert!(ran.stdout.trim_end().ends_with("(exit code 6)"), "{}", ran.stdout);
}

#[test]
fn the_runs_of_a_project_are_counted() {
    let project = project();
    project.write("plan.md", "- [ ] T1 A\n  - Agent: command\n  - Command: `true`\n");
    let _ = project.run(["--plan", "plan.md"]).expect(0);
    let ran = project.run(["doctor"]).expect(5);
    let embedded = line(&ran, "✓ embedded");
    assert!(embedded.contains("KiB, 1 run)"), "{embedded}");
}

#[test]
fn the_document_follows_its_schema_and_holds_no_key() {
    let mut project = project();
    let auth = home(&project).join(".local/share/opencode/auth.json");
    std::fs::create_dir_all(auth.parent().unwrap()).unwrap();
    std::fs::write(&auth, r#"{"openai": {"type": "api", "key": "sk-verysecretverysecretverysecret"}}"#)
        .unwrap();
    project.set("GROQ_API_KEY", "gsk-verysecretverysecretverysecret");
    for form in ["json", "ndjson"] {
        let ran = project.run(["doctor", "--output", form]).expect(5);
        assert!(!ran.stdout.contains("verysecret"), "{}", ran.stdout);
        let kind = orchestrate::schema::SchemaKind::Doctor;
        orchestrate::schema::validate(kind, ran.stdout.as_bytes()).unwrap();
        let document = ran.json();
        let logins = &agent(&document, "opencode")["logins"];
        let state = |provider: &str| {
            let login = logins.as_array().unwrap().iter().find(|login| login["provider"] == provider);
            login.unwrap()["state"].as_str().unwrap().to_owned()
        };
        assert_eq!([state("openai"), state("groq"), state("openrouter")], ["key", "key", "missing"]);
    }
    let schema = project.run(["schema", "doctor"]).expect(0).json();
    assert_eq!(schema["title"], "doctor/v1");
}

#[cfg(unix)]
fn is_alive(pid: &str) -> bool {
    std::process::Command::new("kill").args(["-0", pid]).output().unwrap().status.success()
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_with_all_that_it_started() {
    let project = project();
    install(
        &project,
        "kilo",
        "sleep 600 & echo $! >\"$HOME/left.new\"; mv \"$HOME/left.new\" \"$HOME/left\"; wait",
    );
    let child = project.spawn(["doctor"]);
    let left = home(&project).join("left");
    while !left.exists() {
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ran = Ran::of(&child.wait_with_output().unwrap()).expect(130).says("stopped by SIGINT");
    assert_eq!(ran.stdout, "");
    assert!(!is_alive(std::fs::read_to_string(left).unwrap().trim()));
}

#[cfg(unix)]
#[test]
fn programs_are_run_and_what_is_wrong_with_them_is_told() {
    let mut project = project();
    project.set("SECRET_TOKEN", "hunter2");
    install(&project, "kilo", "echo 0.21.0");
    install(&project, "opencode", "sleep 600 & echo $! >\"$HOME/left\"; echo starting; wait");
    install(&project, "cline", "echo \"token is $SECRET_TOKEN.\" >&2; exit 3");
    install(&project, "gemini", "[ $# = 1 ] && [ \"$1\" = --version ] && [ -z \"$(cat)\" ] && echo 0.9.1");
    install(&project, "mine", "touch \"$HOME/was-run\"");
    project.write("orchestrate.toml", "version = 1\n\n[agents.mine]\nprogram = \"mine\"\n");
    let ran = project.run(["doctor"]).expect(0);
    let kilo = line(&ran, "✗ kilo");
    assert!(kilo.contains("0.21.0") && kilo.contains("it has no `run`: npm install -g"), "{kilo}");
    let opencode = line(&ran, "✗ opencode");
    assert!(opencode.contains("`--version` did not end in ") && opencode.contains("starting"), "{opencode}");
    let left = std::fs::read_to_string(home(&project).join("left")).unwrap();
    assert!(!is_alive(left.trim()), "what it left behind was ended");
    let cline = line(&ran, "✗ cline");
    assert!(cline.contains("fails with exit code 3, token is .: npm install"), "{cline}");
    let gemini = line(&ran, "! gemini");
    assert!(gemini.contains("0.9.1") && gemini.contains("not proved here"), "{gemini}");
    assert!(ran.stdout.contains("its login to google cannot be seen from here"), "{}", ran.stdout);
    assert!(ran.stdout.trim_end().ends_with("a run would work, by layer 1"), "{}", ran.stdout);
    let not_run = line(&ran, "✓ mine").contains("not asked") && !home(&project).join("was-run").exists();
    assert!(not_run, "nobody knows what a program of one's own does when it is called:\n{}", ran.stdout);
}

#[cfg(unix)]
#[test]
fn where_programs_come_from_is_told() {
    let mut project = project();
    let modules = home(&project).join("lib/node_modules/@kilocode/cli/bin");
    std::fs::create_dir_all(&modules).unwrap();
    install(&project, "kilo.real", "echo 7.7.7");
    std::fs::rename(home(&project).join("programs/kilo.real"), modules.join("kilo")).unwrap();
    let bin = home(&project).join(".nvm/versions/node/v22.1.0/bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(modules.join("kilo"), bin.join("kilo")).unwrap();
    project.set("KILO_API_KEY", "x");
    let document = project.run(["doctor", "--output", "json"]).expect(0).json();
    let kilo = agent(&document, "kilo");
    assert_eq!((&kilo["source"], &kilo["standing"]), (&Value::from("nvm"), &Value::from("proved")));
    assert_eq!(kilo["found"], bin.join("kilo").to_str().unwrap());
    assert!(kilo["program"].as_str().unwrap().ends_with("@kilocode/cli/bin/kilo"), "{kilo:#}");
    assert_eq!(kilo["notes"][0]["text"], "proved, key for kilo in KILO_API_KEY");
    let shown = project.run(["doctor", "-v"]).expect(0);
    assert!(line(&shown, "found as").ends_with("/v22.1.0/bin/kilo"), "{}", shown.stdout);
    let quiet = project.run(["doctor", "-q"]).expect(0);
    assert!(!quiet.stdout.contains("kilo  ") && quiet.stdout.contains("✗ cline"), "{}", quiet.stdout);
}
