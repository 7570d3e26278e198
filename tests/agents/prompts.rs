//! The prompt as a whole, and what must not happen to it.

use std::path::Path;
use std::sync::LazyLock;

use orchestrate::agents::prompt::{PromptInput, build};
use orchestrate::model::agent::{AgentSpec, CompletionRule};
use orchestrate::model::ids::{RunId, TaskId};
use orchestrate::model::run::GroupContext;
use orchestrate::model::task::{FileClaim, FileVerb, TaskSpec};

use crate::sample;

struct Words<'a> {
    task: &'a TaskSpec,
    agent: &'a AgentSpec,
    note: Option<&'a str>,
    rule: CompletionRule,
    goes_on: bool,
}

/// Built once, since what it borrows has to live somewhere.
static RUN: LazyLock<RunId> = LazyLock::new(|| RunId("01JRUN".to_owned()));
static DONE: LazyLock<[(TaskId, String); 2]> = LazyLock::new(|| {
    [(TaskId::new("T001"), "added the table\n`tokens`".to_owned()), (TaskId::new("T002"), String::new())]
});
static CHECKS: LazyLock<[String; 2]> =
    LazyLock::new(|| ["cargo test".to_owned(), "cargo fmt --check".to_owned()]);

fn prompt(words: &Words<'_>) -> String {
    build(&input(words))
}

fn input<'a>(words: &Words<'a>) -> PromptInput<'a> {
    PromptInput {
        task: words.task,
        preamble: "Goal: people can log in.\n\nAll code is Rust.\n",
        contexts: &[],
        plan_title: "Phase 3",
        run_id: &RUN,
        attempt: 2,
        dependencies: &*DONE,
        verify: &*CHECKS,
        completion: Path::new("/root/runs/01JRUN/tasks/%54003/2/completion.json"),
        workspace: Path::new("/cache/ws"),
        note: words.note,
        goes_on: words.goes_on,
        agent: words.agent,
        completion_rule: words.rule,
    }
}

fn full_task() -> TaskSpec {
    let mut task = sample::task("T003", "Issue tokens", "\nWrite `src/tokens.rs`.\n\n- [ ] ask @coder\n");
    task.group = Some("Backend".to_owned());
    let claim = |verb, path: &str| FileClaim { verb, path: path.to_owned() };
    task.files = vec![
        claim(Some(FileVerb::Create), "src/tokens.rs"),
        claim(None, "src/auth/**"),
        claim(Some(FileVerb::Read), "docs/a.md"),
    ];
    task.outputs = vec!["src/tokens.rs".to_owned(), "docs/tokens.md".to_owned()];
    task.verify = vec!["cargo test tokens".to_owned(), "cargo test".to_owned()];
    task.acceptance = vec!["tokens expire after an hour".to_owned()];
    task
}

#[test]
fn the_whole_prompt() {
    let task = full_task();
    let agent = sample::agent("opencode");
    let words = Words {
        task: &task,
        agent: &agent,
        note: Some("`cargo test` failed"),
        rule: CompletionRule::Required,
        goes_on: false,
    };
    // With INSTA_UPDATE=always the file is written anew.
    insta::with_settings!({ snapshot_path => ".", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("prompt", prompt(&words));
    });
}

#[test]
fn the_next_message_of_a_session_is_short_and_names_its_own_attempt() {
    let task = full_task();
    let agent = sample::agent("opencode");
    let words = Words {
        task: &task,
        agent: &agent,
        note: Some("Attempt 1 (opencode) failed: verify_failed: `cargo test` exits 1: 2 tests failed"),
        rule: CompletionRule::Required,
        goes_on: true,
    };
    let text = prompt(&words);
    assert!(!text.contains("## The task\n"), "it knows the task");
    assert!(text.contains("/tasks/%54003/2/completion.json") && text.contains("\"attempt\": 2"));
    insta::with_settings!({ snapshot_path => ".", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("prompt_again", text);
    });
    let silent = prompt(&Words { note: None, ..words });
    assert!(silent.contains("did not succeed"));
}

#[test]
fn all_agents_get_the_same_but_for_what_they_trip_over() {
    let task = full_task();
    let [kilo, opencode, gemini, cline] = ["kilo", "opencode", "gemini", "cline"].map(sample::agent);
    let text = |agent| {
        prompt(&Words { task: &task, agent, note: None, rule: CompletionRule::Required, goes_on: false })
    };
    assert_eq!(text(&kilo), text(&opencode));
    assert_eq!(text(&gemini), text(&opencode));
    assert!(text(&opencode).contains("- [ ] ask @coder\n"));
    let cline = text(&cline);
    assert!(cline.contains("- [ ] ask `@coder`\n"));
    assert!(cline.split_whitespace().all(|word| !word.starts_with('@')), "{cline}");
    assert!(cline.ends_with("write it without them.\n"));
}

#[test]
fn the_path_of_the_completion_stands_alone_and_the_skeleton_is_a_completion() {
    let task = sample::task("T/1 ž", "x", "");
    let agent = sample::agent("kilo");
    let text = prompt(&Words {
        task: &task,
        agent: &agent,
        note: None,
        rule: CompletionRule::Required,
        goes_on: false,
    });
    let path = "/root/runs/01JRUN/tasks/%54003/2/completion.json";
    assert_eq!(text.split_whitespace().find(|word| word.ends_with("completion.json")), Some(path));
    let (_, rest) = text.split_once("```json\n").unwrap();
    let (skeleton, _) = rest.split_once("\n```").unwrap();
    let completion: orchestrate::model::completion::Completion = serde_json::from_str(skeleton).unwrap();
    assert_eq!(
        (completion.run_id.as_str(), completion.task_id.as_str(), completion.attempt),
        ("01JRUN", "T/1 ž", 2)
    );
}

#[test]
fn without_a_completion_nothing_is_said_of_one() {
    let task = sample::task("a", "b", "c");
    let agent = sample::agent("kilo");
    let text = |rule| prompt(&Words { task: &task, agent: &agent, note: None, rule, goes_on: false });
    assert!(!text(CompletionRule::None).contains("completion"));
    assert!(text(CompletionRule::Optional).contains("you may say"));
    assert!(text(CompletionRule::Required).contains("counts as failed"));
}

#[test]
fn no_body_can_become_an_option_a_command_or_a_mention() {
    let agent = sample::agent("opencode");
    let long = "ž".repeat(400_000);
    for body in [
        "-m gpt",
        "--help",
        "hello",
        "/compact",
        "@README.md",
        "```\nopen fence",
        "$(rm -rf /) `x` %PATH% \"",
        &long,
    ] {
        let task = sample::task("T1", "--title", body);
        let text = prompt(&Words {
            task: &task,
            agent: &agent,
            note: None,
            rule: CompletionRule::Required,
            goes_on: false,
        });
        assert!(text.starts_with("# Task T1: --title\n"));
        assert!(text.contains(body), "the body is there verbatim");
    }
}

#[test]
fn what_is_said_to_every_agent_is_short() {
    let mut task = sample::task("T1", "Title", "");
    task.verify = vec!["true".to_owned()];
    task.outputs = vec!["out".to_owned()];
    for (name, most) in [("kilo", 280), ("cline", 315)] {
        let agent = sample::agent(name);
        let text = build(&PromptInput {
            preamble: "",
            attempt: 1,
            dependencies: &[],
            verify: &[],
            ..input(&Words {
                task: &task,
                agent: &agent,
                note: None,
                rule: CompletionRule::Required,
                goes_on: false,
            })
        });
        let words = text.split_whitespace().count();
        assert!(words <= most, "{words} words for {name}\n{text}");
    }
}

#[test]
fn sections_stand_in_the_order_in_which_they_are_needed() {
    let task = full_task();
    let agent = sample::agent("kilo");
    let words = Words {
        task: &task,
        agent: &agent,
        note: Some("mind"),
        rule: CompletionRule::Required,
        goes_on: false,
    };
    let text = prompt(&words);
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(
        headings,
        [
            "# Task T003: Issue tokens",
            "## Mind this (attempt 2)",
            "## The task",
            "## It is done when",
            "## The plan it belongs to: Phase 3 (Backend)",
            "## What was done before it",
            "## Its files",
            "## How it is checked",
            "## How to report"
        ]
    );
}

#[test]
fn no_prompt_holds_a_nul() {
    let task = sample::task("T1", "a\0b", "c\0d\r\n\u{1b}[1m");
    let agent = sample::agent("kilo");
    let text = prompt(&Words {
        task: &task,
        agent: &agent,
        note: None,
        rule: CompletionRule::Required,
        goes_on: false,
    });
    assert!(text.contains("c\u{fffd}d\r\n\u{1b}[1m\n") && !text.contains('\0'));
}

#[test]
fn what_the_plan_says_of_the_groups_around_a_task_stands_with_the_plan() {
    let task = full_task();
    let agent = sample::agent("opencode");
    let words =
        Words { task: &task, agent: &agent, note: None, rule: CompletionRule::Required, goes_on: false };
    let context = |title: &str, text: &str| GroupContext { title: title.to_owned(), text: text.to_owned() };
    let (phase, part) = (context("Phase 2: Server", "Only the server.\n"), context("Tokens", "They expire."));
    let text = build(&PromptInput { contexts: &[&phase, &part], ..input(&words) });
    let whole =
        "All code is Rust.\n\n### Phase 2: Server\n\nOnly the server.\n\n### Tokens\n\nThey expire.\n\n";
    assert!(text.contains(whole), "{text}");
    let without = build(&PromptInput { contexts: &[&part], preamble: "", plan_title: "", ..input(&words) });
    assert!(without.contains("### Tokens\n\nThey expire."), "{without}");
}
