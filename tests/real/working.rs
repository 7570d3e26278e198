//! Plans whose files are really written, by each CLI alone and by all three at once.

use serde_json::Value;

use crate::project::Project;
use crate::real_agents::{self, ModelServer};

/// The directive by which the scripted model reports, through the agent's own tool for files. Cline
/// wants `%` for `@`.
const REPORT: &str = "%write {{\\S+/completion\\.json}} {\"schema\":\"completion/v1\",\"run_id\":\"RUN\",\
                      \"task_id\":\"TASK\",\"attempt\":1,\"status\":\"succeeded\",\"summary\":\"wrote FILE\",\
                      \"outputs\":[{\"path\":\"FILE\",\"change\":\"created\"}]}";

/// A task that writes a file and reports it.
fn task(number: u32, agent: &str, depends_on: &str) -> String {
    let file = format!("{agent}-{number}.txt");
    let report = REPORT
        .replace("RUN", "{{\"run_id\": ?\"(\\w+)\"}}")
        .replace("TASK", &number.to_string())
        .replace("FILE", &file);
    format!(
        "### Task {number}: Write {file}\n\n- Agent: {agent}\n- Depends on: {depends_on}\n- Files: create `{file}`\n\
         - Timeout: 4m\n\nWrite the file.\n\n%write {file} written by {agent}\n{report}\n\n"
    )
}

/// A project in which `agents` reach a model of the scripted provider.
pub(crate) fn project_with(server: &ModelServer, agents: &[&str], model: &str) -> Project {
    let mut project = Project::new();
    let home = project.home();
    for (name, value) in real_agents::environment(&home) {
        project.set(&name, value);
    }
    let mut configuration = String::from("version = 1\n\n[run]\nretries = 0\njobs = 2\n");
    for (place, agent) in agents.iter().enumerate() {
        let key = real_agents::unused_key();
        let (layer_model, provider) = if *agent == "cline" {
            real_agents::write_cline_login(&home, &server.url(), &key, model).expect("a login");
            (model.to_owned(), "openai-compatible")
        } else {
            let content = real_agents::config_content(&server.url(), &key, &[model]);
            let name = format!("{}_CONFIG_CONTENT", agent.to_uppercase());
            configuration.push_str(&format!("\n[agents.{agent}.env]\n{name} = '{content}'\n"));
            (format!("local/{model}"), "local")
        };
        configuration.push_str(&format!(
            "\n[[layers]]\nlayer = {}\nagent = \"{agent}\"\nmodel = \"{layer_model}\"\nprovider = \"{provider}\"\ncost = \"free\"\n",
            place + 1
        ));
    }
    project.write("orchestrate.toml", configuration);
    project
}

#[track_caller]
fn ends_well(project: &Project, plan: &str, files: &[String]) {
    project.write("plan.md", plan);
    let ran = project.run(["--plan", "plan.md", "--output", "json"]);
    let told = format!("{}\n{}", ran.stderr, project.run(["report"]).stdout);
    assert_eq!(ran.code, 0, "{told}");
    let result = ran.json();
    for file in files {
        assert!(project.has(file), "{file} was not written\n{told}");
    }
    for task in result["tasks"].as_array().unwrap() {
        let attempt = &task["attempts"][0];
        let path = attempt["completion"].as_str().unwrap();
        let completion: Value = serde_json::from_str(&project.read(path)).unwrap();
        assert!(completion.get("source").is_none(), "the agent's own: {completion}");
        assert_eq!(completion["run_id"], result["run_id"]);
        assert_eq!(completion["status"], "succeeded");
        let model = attempt["witnesses"].as_array().unwrap().iter().find(|w| w["name"] == "model").unwrap();
        assert_eq!(model["agrees"], Value::Null, "these programs do not say which model answered: {model}");
    }
    let _ = project.run(["state", "verify"]).expect(0);
}

/// Two tasks beside each other and one that depends on both.
fn three(agent: &str) {
    if !real_agents::are_installed(&[agent]) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let project = project_with(&server, &[agent], "ok-writer");
    let plan =
        format!("# Three\n\n{}{}{}", task(1, agent, "none"), task(2, agent, "none"), task(3, agent, "1, 2"));
    let files: Vec<String> = (1..=3).map(|number| format!("{agent}-{number}.txt")).collect();
    ends_well(&project, &plan, &files);
}

#[test]
fn kilo_writes_three_files() {
    three("kilo");
}

#[test]
fn opencode_writes_three_files() {
    three("opencode");
}

#[test]
fn cline_writes_three_files() {
    three("cline");
}

#[test]
fn all_three_work_on_one_plan() {
    let agents = ["kilo", "opencode", "cline"];
    if !real_agents::are_installed(&agents) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let project = project_with(&server, &agents, "ok-writer");
    let plan = format!(
        "# All\n\n{}{}{}",
        task(1, "kilo", "none"),
        task(2, "opencode", "none"),
        task(3, "cline", "1, 2")
    );
    let files = ["kilo-1.txt".to_owned(), "opencode-2.txt".to_owned(), "cline-3.txt".to_owned()];
    ends_well(&project, &plan, &files);
}

#[test]
fn an_overflow_that_the_agent_recovers_from_is_no_failure() {
    if !real_agents::are_installed(&["opencode"]) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let project = project_with(&server, &["opencode"], "context-overflow+times=1");
    // The scripted model knows nothing of its task any more after the summary, so no report is asked for.
    let configuration = project.read("orchestrate.toml");
    let table = "[agents.opencode.env]";
    let own = format!("[agents.opencode]\ncompletion = \"none\"\n\n{table}");
    project.write("orchestrate.toml", configuration.replacen(table, &own, 1));
    project.write(
        "plan.md",
        "- [ ] T001 Write a greeting\n  - Agent: opencode\n  - Files: create `hello.txt`\n  - Timeout: 3m\n",
    );
    let ran = project.run(["--plan", "plan.md", "--output", "json"]);
    let told = format!("{}\n{}", ran.stderr, project.run(["why", "T001"]).stdout);
    assert_eq!(ran.code, 0, "{told}");
    assert!(told.contains("recovered from context_overflow"), "{told}");
    let result = ran.json();
    let witnesses = result["tasks"][0]["attempts"][0]["witnesses"].as_array().unwrap();
    let process = witnesses.iter().find(|witness| witness["name"] == "process").unwrap();
    assert_eq!(process["seen"], "ended by itself, exit 1 for an error that it recovered from");
}
