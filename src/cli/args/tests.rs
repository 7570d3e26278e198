use super::run::{BoxRule, Granularity};
use super::*;
use crate::cli::args::reading::AgentChoice;
use crate::model::ids::TaskId;
use crate::model::time::Span;

fn words(line: &[&str]) -> Vec<OsString> {
    std::iter::once("orchestrate").chain(line.iter().copied()).map(OsString::from).collect()
}

fn parsed(line: &[&str]) -> Cli {
    match parse(words(line)) {
        Ok(cli) => cli,
        Err(Refusal::Usage(usage)) => panic!("{line:?}: {usage} {:?}", usage.hints),
        Err(Refusal::Shown(text)) => panic!("{line:?}: {text}"),
    }
}

fn refused(line: &[&str]) -> refusal::UsageError {
    match parse(words(line)) {
        Err(Refusal::Usage(usage)) => usage,
        other => panic!("{line:?}: {other:?}"),
    }
}

fn run(line: &[&str]) -> (Common, RunCommand) {
    let cli = parsed(line);
    let name = cli.command.name();
    let Command::Run(run) = cli.command else { panic!("{line:?} is `{name}`") };
    (cli.common, *run)
}

#[test]
fn the_definition_is_sound() {
    definition().debug_assert();
}

#[test]
fn a_plan_is_run_by_option_or_by_command() {
    for line in [
        &["--plan", "p.md"][..],
        &["--plan=p.md"],
        &["run", "p.md"],
        &["run", "--plan", "p.md"],
        &["-C", "x", "--plan", "p.md"],
        &["-Cx", "--plan", "p.md"],
        &["-vv", "--output", "json", "--plan", "p.md"],
        &["-j", "2", "--plan", "p.md"],
        &["--only", "status", "--plan", "p.md"],
    ] {
        let (_, command) = run(line);
        assert_eq!(command.plan.all(), [PathBuf::from("p.md")], "{line:?}");
    }
    assert_eq!(run(&["--plan", "-"]).1.plan.all(), [PathBuf::from("-")]);
    assert_eq!(run(&["run", "-"]).1.plan.all(), [PathBuf::from("-")]);
}

#[test]
fn options_of_every_command_stand_before_or_behind_it() {
    for line in [
        &["-C", "x", "--run", "01J", "--color", "never", "status", "--watch"][..],
        &["status", "--watch", "-C", "x", "--run", "01J", "--color=never"],
    ] {
        let cli = parsed(line);
        assert_eq!(cli.common.directory, Some(PathBuf::from("x")));
        assert_eq!(cli.common.run.as_deref(), Some("01J"));
        assert_eq!(cli.common.color, Some(ColorChoice::Never));
        assert!(matches!(cli.command, Command::Status(status) if status.watch));
    }
}

#[test]
fn a_bare_plan_is_refused_with_the_right_call() {
    let usage = refused(&["phase3.md"]);
    assert_eq!(usage.message, "there is no command `phase3.md`");
    assert_eq!(
        usage.hints,
        [
            "to run it as a plan: orchestrate --plan phase3.md",
            "to look at it first: orchestrate check phase3.md"
        ]
    );
    let usage = refused(&["--output", "json", "my plans/a.md"]);
    assert_eq!(usage.hints[0], "to run it as a plan: orchestrate --plan \"my plans/a.md\"");
    assert_eq!(usage.output, Some(OutputForm::Json));
    assert_eq!(refused(&["stauts"]).hints, ["did you mean `orchestrate status`?"]);
    assert_eq!(refused(&["help"]).message, "there is no command `help`");
    assert_eq!(refused(&["phase3"]).hints[0], "to run a plan: orchestrate --plan PLAN");
}

#[test]
fn nothing_at_all_and_unknown_options_are_wrong_use() {
    assert_eq!(refused(&[]).message, "there is no command");
    assert_eq!(refused(&["-q"]).message, "there is no command");
    for line in [&["state"][..], &["state", "-q"], &["-q", "state"]] {
        assert_eq!(refused(line).message, "`state` needs one more word", "{line:?}");
    }
    assert_eq!(
        refused(&["run"]).hints.last().map(String::as_str),
        Some("usage: orchestrate run <PLAN|--plan <PLAN>>")
    );
    let usage = refused(&["run", "p.md", "--jbos", "3"]);
    assert_eq!(usage.message, "unexpected argument `--jbos` found");
    assert_eq!(usage.hints[0], "a similar argument exists: `--jobs`");
    let usage = refused(&["run", "p.md", "--timeout", "soon"]);
    assert_eq!(
        usage.message,
        "invalid value `soon` for `--timeout <D>`: `soon` is no duration: write it like `90s`, `20m` or `1h30m` (a bare number is seconds)"
    );
    assert!(refused(&["run", "a.md", "--plan", "b.md"]).message.contains("cannot be used with"));
    assert!(refused(&["run", "a.md", "--output", "xml"]).hints.iter().any(|hint| hint.contains("ndjson")));
}

#[test]
fn help_and_version_are_shown() {
    for line in [&["--help"][..], &["-h"], &["--version"], &["run", "--help"], &["--plan", "x", "--help"]] {
        match parse(words(line)) {
            Err(Refusal::Shown(text)) => {
                let text = text.to_string();
                assert!(text.contains("orchestrate"), "{text}");
                if line.contains(&"--plan") {
                    assert!(text.contains("--idle-timeout"), "the help of `run`: {text}");
                }
            }
            other => panic!("{line:?}: {other:?}"),
        }
    }
}

#[test]
fn help_names_variables_and_never_their_values() {
    let help = |name: &str| match parse(words(&[name, "--help"])) {
        Err(Refusal::Shown(text)) => text.to_string().split_whitespace().collect::<Vec<_>>().join(" "),
        other => panic!("{other:?}"),
    };
    let run = help("run");
    for variable in VARIABLES.iter().filter(|variable| variable.option.is_some()) {
        assert!(run.contains(&format!("[env: {}]", variable.name)), "{}", variable.name);
    }
    assert!(!help("resume").contains("ORCHESTRATE_JOBS"));
    assert!(help("status").contains("[env: ORCHESTRATE_OUTPUT]"));
}

#[test]
fn every_command_is_there_and_has_help() {
    for name in [
        "run",
        "check",
        "status",
        "wait",
        "resume",
        "report",
        "logs",
        "why",
        "stop",
        "retry",
        "approve",
        "runs",
        "complete",
        "progress",
        "state",
        "schema",
        "completions",
        "models",
        "doctor",
        "alert",
        "convert",
        "fmt",
    ] {
        match parse(words(&[name, "--help"])) {
            Err(Refusal::Shown(text)) => assert!(text.to_string().contains("Usage: orchestrate"), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    for name in ["init", "diff", "land", "undo", "gc"] {
        assert!(refused(&[name]).message.contains("there is no command"), "{name}");
    }
}

#[test]
fn redis_may_have_an_address() {
    let redis = |line: &[&str]| run(line).0.redis;
    assert_eq!(redis(&["--plan", "p.md"]), None);
    assert_eq!(redis(&["--plan", "p.md", "--redis"]).as_deref(), Some(""));
    assert_eq!(redis(&["run", "--redis", "p.md"]).as_deref(), Some(""));
    assert_eq!(redis(&["run", "--redis=h", "p.md"]).as_deref(), Some("h"));
    assert_eq!(redis(&["--redis", "redis://h:1/2", "--plan", "p.md"]).as_deref(), Some("redis://h:1/2"));
    assert_eq!(redis(&["run", "p.md", "--redis", "localhost:6379"]).as_deref(), Some("localhost:6379"));
}

#[test]
fn the_options_of_a_run_are_read() {
    let (_, command) = run(&[
        "run",
        "p.md",
        "-j8",
        "--agent",
        "kilo",
        "--agent",
        "T1=cline",
        "--layer",
        "2",
        "--max-layer=5",
        "--allow-paid",
        "--reason",
        "demo",
        "--timeout",
        "1h30m",
        "--idle-timeout",
        "90",
        "--deadline",
        "2d",
        "--max-wait",
        "5m",
        "--retries",
        "0",
        "--fail-fast",
        "--only",
        "a,b",
        "--with-deps",
        "--skip",
        "c",
        "--isolation",
        "shared",
        "--verify",
        "cargo test",
        "--verify",
        "true",
        "--no-tick",
        "--id-prefix",
        "x-",
        "--dry-run",
        "--force",
        "--yes-gates",
        "--nested",
        "--report",
        "a.md",
        "--report",
        "b.json",
        "--format",
        "speckit",
        "--tag",
        "feature-login",
        "--granularity",
        "group",
        "--boxes",
        "all",
        "--assume-done",
        "T0,T9",
        "--max-plan-size",
        "1MiB",
    ]);
    let options = command.options;
    assert_eq!(options.jobs, Some(8));
    assert_eq!(
        options.agent,
        [AgentChoice::All("kilo".to_owned()), AgentChoice::One(TaskId::new("T1"), "cline".to_owned())]
    );
    assert_eq!((options.layer, options.max_layer), (Some(2), Some(5)));
    assert_eq!((options.allow_paid, options.reason.as_deref()), (true, Some("demo")));
    assert_eq!(options.timeout, Some(Span::minutes(90)));
    assert_eq!(options.idle_timeout, Some(Span::seconds(90)));
    assert_eq!(options.verify, ["cargo test", "true"]);
    assert_eq!(options.report.len(), 2);
    assert_eq!(command.selection.only, [TaskId::new("a"), TaskId::new("b")]);
    assert_eq!(command.reading.granularity, Some(Granularity::Group));
    assert_eq!(command.reading.boxes, Some(BoxRule::All));
    assert_eq!(command.reading.max_plan_size, Some(1 << 20));
    assert_eq!(command.reading.assume_done.len(), 2);
}

#[test]
fn options_that_need_or_exclude_each_other_say_so() {
    for line in [
        &["run", "p", "--allow-paid"][..],
        &["run", "p", "--reason", "x"],
        &["run", "p", "--with-deps"],
        &["run", "p", "--verify", "x", "--no-verify"],
        &["run", "p", "--as-one", "--boxes", "all"],
        &["status", "-q", "-v"],
        &["complete", "--status", "failed", "--summary", "x"],
        &["progress", "x", "--percent", "101"],
        &["logs", "T1", "--attempt", "0"],
        &["status", "01A", "--run", "01B"],
    ] {
        refused(line);
    }
}

#[test]
fn a_run_named_by_place_stands_where_run_puts_it() {
    for name in ["status", "wait", "resume", "report"] {
        assert_eq!(parsed(&[name, "01J"]).common.run.as_deref(), Some("01J"), "{name}");
        assert_eq!(parsed(&[name, "01J", "--run", "01J"]).common.run.as_deref(), Some("01J"), "{name}");
    }
}

#[test]
fn inside_a_task_only_some_commands_work() {
    let works = |line: &[&str]| parsed(line).command.works_inside_a_task();
    assert!(works(&["status"]) && works(&["why", "T"]) && works(&["logs", "T"]) && works(&["schema"]));
    assert!(works(&["complete", "--summary", "x"]) && works(&["progress", "x"]));
    assert!(works(&["run", "p", "--nested"]) && !works(&["run", "p"]));
    assert!(!works(&["stop"]) && !works(&["retry"]) && !works(&["approve", "g"]));
}

#[test]
fn words_that_are_not_utf_8_are_paths() {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt as _;
        let mut line = words(&["run"]);
        line.push(OsString::from_vec(b"p\xff.md".to_vec()));
        let cli = parse(line).expect("a path may hold any bytes");
        assert!(matches!(cli.command, Command::Run(run) if run.plan.all()[0].to_str().is_none()));
    }
}

#[test]
fn every_advised_command_can_be_typed() {
    for (kind, commands) in crate::report::every_advice() {
        let ours: Vec<&String> =
            commands.iter().filter(|command| command.starts_with("orchestrate ")).collect();
        assert!(!ours.is_empty(), "{kind}");
        // What looks around and changes nothing does not bring a task on by itself.
        let acts = |command: &&&String| {
            ["orchestrate retry", "orchestrate resume", "orchestrate --plan"]
                .iter()
                .any(|act| command.starts_with(act))
        };
        assert!(ours.iter().any(|command| acts(&command)), "{kind}: {commands:?}");
        for command in ours {
            let line: Vec<&str> = command.split(' ').skip(1).collect();
            drop(parsed(&line));
        }
    }
    for line in [
        ["resume", "--replan"].as_slice(),
        &["resume", "--replan", "--dry-run"],
        &["approve", "g", "--resume"],
    ] {
        drop(parsed(line));
    }
    drop(refused(&["resume", "--dry-run"]));
}

#[test]
fn help_is_written_in_lines_that_are_not_broken_again() {
    let command = Cli::command();
    for one in std::iter::once(&command).chain(command.get_subcommands()) {
        let after = one.get_after_help().or_else(|| one.get_after_long_help());
        for line in after.map(ToString::to_string).unwrap_or_default().lines() {
            assert!(line.chars().count() <= 100, "`{}`: {line}", one.get_name());
        }
    }
}
