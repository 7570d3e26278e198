//! Limits on an attempt, from the words of a user to what is told of one that was over.

use crate::project::{Project, fake_agent};

/// A project of one task, done by the fake agent with these words.
fn project(words: &str, configuration: &str) -> Project {
    let project = Project::new();
    project.write(
        "orchestrate.toml",
        format!(
            "version = 1\n{configuration}\n[agents.fake]\nprogram = '{}'\nargs = [{words}]\n",
            fake_agent().display()
        ),
    );
    project.write("plan.md", "- [ ] T001 Uses much\n  - Agent: fake\n");
    project
}

#[test]
fn one_that_is_over_fails_with_the_figure_and_a_way_out() {
    let project = project("\"daemon\", \"eat-memory:300M\", \"hang\"", "[limits]\nmemory = '1GiB'");
    let limited = ["--plan", "plan.md", "--limit", "memory=100MiB", "--retries", "1", "--output", "json"];
    let ran = project.run(limited).expect(1);
    let task = &ran.json()["tasks"][0];
    assert_eq!(task["failure"], "over_limit", "{task:#}");
    let why = task["why"].as_str().unwrap();
    assert!(why.contains("memory: ") && why.contains(", allowed 100 MiB"), "{why}");
    let attempts = task["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "it counts for its retries: {task:#}");
    for attempt in attempts {
        assert!(attempt["peak_memory_bytes"].as_u64().unwrap() > 100 << 20, "{attempt:#}");
        assert!(attempt["peak_processes"].as_u64().unwrap() >= 2, "{attempt:#}");
    }
    let told = project.run(["why", "T001"]).expect(0);
    for words in
        ["over_limit", "allowed 100 MiB", "of memory", "processes at the most", "--limit memory=200MiB"]
    {
        assert!(told.stdout.contains(words), "{words}: {}", told.stdout);
    }
}

#[test]
fn each_limit_of_a_file_is_kept_and_told() {
    for (limit, words) in [
        ("processes = 20", "\"fork-bomb:6\""),
        ("output = '100k'", "\"print:10000000\", \"hang\""),
        (
            "disk = '8MiB'",
            "\"write-file:a:20M\", \"burn:300\", \"write-file:b:20M\", \"burn:300\", \"write-file:c:20M\", \"hang\"",
        ),
        ("disk_free = '900000TiB'", "\"write-file:a:40M\", \"hang\""),
    ] {
        let (name, _) = limit.split_once(' ').unwrap();
        // An agent's own table counts before the one for all.
        let common = if name == "processes" { "[limits]\nprocesses = 9000" } else { "" };
        let project = project(words, &format!("{common}\n[agents.fake.limits]\n{limit}\n"));
        let ran = project.run(["--plan", "plan.md", "--retries", "0", "--output", "json"]).expect(1);
        let task = &ran.json()["tasks"][0];
        assert_eq!(task["failure"], "over_limit", "{task:#}");
        assert!(task["why"].as_str().unwrap().contains(&format!("{name}: ")), "{task:#}");
        let option = format!("--limit {name}=");
        let told = project.run(["why", "T001"]).expect(0);
        assert!(told.stdout.contains(&option), "{option}: {}", told.stdout);
    }
}

#[test]
fn a_limit_that_nobody_passes_is_not_felt() {
    let mut project = project("\"eat-memory:20M\", \"print:10000\", \"pass\"", "");
    for name in ["MEMORY", "OUTPUT", "DISK"] {
        project.set(&format!("ORCHESTRATE_LIMIT_{name}"), "1 G");
    }
    project.set("ORCHESTRATE_LIMIT_PROCESSES", "50").set("ORCHESTRATE_LIMIT_DISK_FREE", "none");
    let _ = project.run(["--plan", "plan.md"]).expect(0);
}

#[test]
fn slips_are_refused_before_anything_runs() {
    let project = project("\"pass\"", "");
    let ran = project.run(["--plan", "plan.md", "--limit", "memroy=4GiB"]).expect(2);
    assert!(ran.stderr.contains("did you mean `memory`?"), "{}", ran.stderr);
    let ran = project.run(["--plan", "plan.md", "--limit", "memory=4"]).expect(2);
    assert!(ran.stderr.contains("did you mean `4GiB`?"), "{}", ran.stderr);
    project.write("orchestrate.toml", "version = 1\n[limits]\nmemory = 4\nprocess = 3\n");
    let ran = project.run(["--plan", "plan.md"]).expect(3);
    for words in ["orchestrate.toml:3:10", "did you mean `4GiB`?", "did you mean `processes`?"] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
}
