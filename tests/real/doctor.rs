//! `doctor` beside the real programs: it calls the versions proved that the tests install.

use orchestrate::agents::versions::PROVED;
use serde_json::Value;

use crate::project::Project;
use crate::real_agents;

#[test]
fn the_versions_that_the_tests_install_are_called_proved() {
    let names = ["kilo", "opencode", "cline"];
    if !real_agents::are_installed(&names) {
        return;
    }
    let mut project = Project::new();
    let home = project.home();
    for (name, value) in real_agents::environment(&home) {
        project.set(&name, value);
    }
    // One that writes its files at every start must not have to make its folders first.
    real_agents::write_cline_login(&home, "http://127.0.0.1:9/v1", "test-key", "m").expect("a login");
    let layers: String = [("kilo", "kilo/x", "kilo"), ("opencode", "opencode/x", "opencode"), ("cline", "m", "openai-compatible")]
        .iter()
        .enumerate()
        .map(|(place, (agent, model, provider))| {
            format!(
                "\n[[layers]]\nlayer = {}\nagent = \"{agent}\"\nmodel = \"{model}\"\nprovider = \"{provider}\"\ncost = \"free\"\n",
                place + 1
            )
        })
        .collect();
    project.write("orchestrate.toml", format!("version = 1\n{layers}"));
    let ran = project.run(["doctor", "--output", "json"]).expect(0);
    let document = ran.json();
    let agents = document["agents"].as_array().unwrap();
    for ((name, login), (_, _, version)) in
        [("kilo", "anonymous"), ("opencode", "not_needed"), ("cline", "key")].into_iter().zip(PROVED)
    {
        let agent = agents.iter().find(|agent| agent["name"] == name).unwrap();
        let told = format!("{agent:#}");
        assert_eq!(agent["version"], version.to_string(), "{told}");
        assert_eq!(agent["standing"], "proved", "{told}");
        assert_eq!(agent["usable"], true, "{told}");
        assert_eq!(agent["logins"][0]["state"], login, "{told}");
        assert_eq!(agent["one_at_a_time"], false, "{told}");
        let is_script = |path: &Value| {
            let bytes = std::fs::read(path.as_str().unwrap()).unwrap();
            bytes.starts_with(b"#!")
        };
        assert!(!is_script(&agent["program"]), "the program itself is what is started: {told}");
    }
    assert_eq!(document["summary"], "a run would work, by layers 1 to 3");
}
