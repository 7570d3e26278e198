//! `orchestrate doctor` in all widths and amounts.

use std::path::PathBuf;

use insta::assert_snapshot;

use crate::model::doctor::{
    Doctor, DoctorAgent, DoctorFact, DoctorMachine, DoctorNote, DoctorVersion, Health, VersionStanding,
};
use crate::report::tests::framed;
use crate::report::{DoctorAmount, Style, doctor};

fn agent(name: &str, version: Option<&str>, program: Option<&str>, notes: Vec<DoctorNote>) -> DoctorAgent {
    DoctorAgent {
        name: name.to_owned(),
        health: notes.iter().map(|note| note.health).max().unwrap_or_default(),
        usable: program.is_some(),
        version: version.map(str::to_owned),
        standing: VersionStanding::Proved,
        proved_version: None,
        source: program.map(|_| "npm".to_owned()),
        found: program.map(|_| PathBuf::from(format!("/usr/bin/{name}"))),
        program: program.map(PathBuf::from),
        layers: Vec::new(),
        logins: Vec::new(),
        one_at_a_time: false,
        memory: None,
        notes,
    }
}

fn fact(name: &str, note: DoctorNote) -> DoctorFact {
    DoctorFact { name: name.to_owned(), note }
}

fn ok(text: &str) -> DoctorNote {
    DoctorNote::new(Health::Ok, text)
}

fn warning(text: &str) -> DoctorNote {
    DoctorNote::new(Health::Warning, text)
}

fn document() -> Doctor {
    let failed = DoctorNote::new(Health::Error, "layer 4 is left out").cure("npm install -g cline@3.0.65");
    Doctor {
        schema: DoctorVersion::V1,
        exit_code: 0,
        summary: "a run would work, by layers 2 to 3".to_owned(),
        root: PathBuf::from("/home/u/p"),
        configuration: Vec::new(),
        diagnostics: Vec::new(),
        agents: vec![
            agent("kilo", Some("7.7.7"), Some("/usr/bin/kilo"), vec![ok("proved, logged in to kilo")]),
            agent(
                "opencode",
                Some("1.18.32"),
                Some("/usr/lib/node_modules/opencode-ai/bin/opencode.exe"),
                vec![
                    warning("no provider for layer 6 (openai)").cure("opencode auth login"),
                    warning("older than what was proved, 1.18.33"),
                    ok("opencode needs no login"),
                ],
            ),
            agent("cline", None, None, vec![failed]),
        ],
        workspace: vec![fact("git", ok("2.47.0")), fact("repository", ok("clean"))],
        state: vec![fact("embedded", ok("plans/agent-shared (42 MiB, 3 runs)"))],
        alerts: vec![fact("ops", ok("https://hooks.slack.com/…: task_failed"))],
        machine: DoctorMachine {
            facts: vec![fact("memory", ok("2 cores, 5.1 GiB of memory free"))],
            ..DoctorMachine::default()
        },
    }
}

#[test]
fn on_a_terminal_of_80_columns() {
    assert_snapshot!(framed(&doctor(&document(), &Style::PLAIN, DoctorAmount::Usual)), @r"
    |agents
    |  ✓ kilo      7.7.7      npm  proved, logged in to kilo
    |  ! opencode  1.18.32    npm  no provider for layer 6 (openai):
    |                              opencode auth login
    |  !                           older than what was proved, 1.18.33
    |  ✓                           opencode needs no login
    |  ✗ cline     not found       layer 4 is left out: npm install -g cline@3.0.65
    |workspace
    |  ✓ git         2.47.0
    |  ✓ repository  clean
    |state
    |  ✓ embedded  plans/agent-shared (42 MiB, 3 runs)
    |alerts
    |  ✓ ops  https://hooks.slack.com/…: task_failed
    |machine
    |  ✓ memory  2 cores, 5.1 GiB of memory free
    |✓ a run would work, by layers 2 to 3
    ");
}

#[test]
fn with_everything_on_a_wide_terminal() {
    let style = Style { width: 140, ..Style::PLAIN };
    assert_snapshot!(framed(&doctor(&document(), &style, DoctorAmount::Everything)), @r"
    |agents
    |  ✓ kilo      7.7.7      npm  proved, logged in to kilo
    |      starts /usr/bin/kilo
    |  ! opencode  1.18.32    npm  no provider for layer 6 (openai): opencode auth login
    |  !                           older than what was proved, 1.18.33
    |  ✓                           opencode needs no login
    |      starts /usr/lib/node_modules/opencode-ai/bin/opencode.exe
    |      found as /usr/bin/opencode
    |  ✗ cline     not found       layer 4 is left out: npm install -g cline@3.0.65
    |workspace
    |  ✓ git         2.47.0
    |  ✓ repository  clean
    |state
    |  ✓ embedded  plans/agent-shared (42 MiB, 3 runs)
    |alerts
    |  ✓ ops  https://hooks.slack.com/…: task_failed
    |machine
    |  ✓ memory  2 cores, 5.1 GiB of memory free
    |✓ a run would work, by layers 2 to 3
    ");
}

#[test]
fn without_unicode_and_with_little_room() {
    let style = Style { width: 50, unicode: false, ..Style::PLAIN };
    assert_snapshot!(framed(&doctor(&document(), &style, DoctorAmount::Usual)), @r"
    |agents
    |  ok    kilo      7.7.7      npm
    |      proved, logged in to kilo
    |  warn  opencode  1.18.32    npm
    |      no provider for layer 6 (openai):
    |      opencode auth login
    |  warn  older than what was proved, 1.18.33
    |  ok    opencode needs no login
    |  FAIL  cline     not found
    |      layer 4 is left out:
    |      npm install -g cline@3.0.65
    |workspace
    |  ok    git         2.47.0
    |  ok    repository  clean
    |state
    |  ok    embedded  plans/agent-shared (42 MiB, 3
    |                  runs)
    |alerts
    |  ok    ops  https://hooks.slack.com/?:
    |             task_failed
    |machine
    |  ok    memory  2 cores, 5.1 GiB of memory free
    |ok    a run would work, by layers 2 to 3
    ");
}

#[test]
fn only_what_is_not_well() {
    let mut document = document();
    document.configuration = vec![
        DoctorNote::new(Health::Error, "orchestrate.toml:4:1: unknown key `jbos` in `[run]`")
            .cure("did you mean `jobs`?"),
    ];
    document.exit_code = 3;
    document.summary = "no run would work: the configuration is invalid (exit code 3)".to_owned();
    assert_snapshot!(framed(&doctor(&document, &Style::PLAIN, DoctorAmount::Problems)), @r"
    |configuration
    |  ✗ orchestrate.toml:4:1: unknown key `jbos` in `[run]`: did you mean `jobs`?
    |agents
    |  ! opencode  1.18.32    npm  no provider for layer 6 (openai):
    |                              opencode auth login
    |  !                           older than what was proved, 1.18.33
    |  ✗ cline     not found       layer 4 is left out: npm install -g cline@3.0.65
    |✗ no run would work: the configuration is invalid (exit code 3)
    ");
    assert_snapshot!(framed(&doctor(&document, &Style::PLAIN, DoctorAmount::Nothing)), @r"
    |✗ no run would work: the configuration is invalid (exit code 3)
    ");
    document.exit_code = 0;
    assert_eq!(doctor(&document, &Style::PLAIN, DoctorAmount::Nothing), "");
}

#[test]
fn colour_is_only_added_and_foreign_words_are_cleaned() {
    let mut document = document();
    document.agents[0].notes = vec![warning("it says \u{1b}[2J sk-abcdefghijklmnopqrstuvwx")];
    let plain = doctor(&document, &Style::PLAIN, DoctorAmount::Usual);
    assert!(!plain.contains('\u{1b}') && !plain.contains("sk-abcdefgh"), "{plain}");
    let colored = doctor(&document, &Style { color: true, ..Style::PLAIN }, DoctorAmount::Usual);
    let mut stripped = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        stripped.push_str(before);
        rest = after.split_once('m').expect("a sequence ends").1;
    }
    stripped.push_str(rest);
    assert_eq!(stripped, plain);
    assert_ne!(colored, plain);
}
