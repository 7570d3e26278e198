//! Names and paths that a system may have its own mind about.

use crate::project::Project;

/// Each has a folder of its own, also where `con` is the console and `nul` is nothing, wherever they stand.
#[test]
fn tasks_that_are_named_like_devices_have_their_folders() {
    const TITLES: [&str; 5] = ["Con", "Nul", "Aux", "Com1", "Lpt9"];
    let project = Project::new();
    let task =
        |title: &str| format!("- [ ] {title}\r\n  - Agent: command\r\n  - Command: `echo it-is-{title}`\r\n");
    let plan: String = TITLES.iter().map(|title| task(title)).collect();
    let plan = format!("# Devices\r\n\r\n{plan}");
    project.write("plan.md", &plan);
    // A plan may be named by its whole path, with the separators of the system or with `/`.
    let path = project.root().join("plan.md").display().to_string();
    let path = if cfg!(windows) { path.replace('\\', "/") } else { path };
    let ran = project.run(["--plan", &path, "--output", "json"]).expect(0);
    let tasks = ran.json()["tasks"].as_array().unwrap().clone();
    assert_eq!(tasks.len(), TITLES.len());
    for (task, title) in tasks.iter().zip(TITLES) {
        assert_eq!(task["id"], title.to_lowercase());
        let completion = task["attempts"][0]["completion"].as_str().unwrap();
        assert!(!completion.contains('\\') && project.has(completion), "{completion}");
        let _ = project.run(["why", &title.to_lowercase()]).expect(0);
        let log = project.run(["logs", &title.to_lowercase()]).expect(0);
        assert!(log.stdout.contains(&format!("it-is-{title}")), "{title}: {}", log.stdout);
    }
    assert_eq!(project.read("plan.md"), plan.replace("[ ]", "[x]"), "the line endings stay");
}
