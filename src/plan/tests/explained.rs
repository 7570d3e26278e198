//! One plan of each format, written for this: what a careful person takes out of it, and what `check
//! --explain` says of it.
//!
//! The samples stand in `tests/fixtures/plans/<format>/explain.*`, and what is said of each beside it in
//! `explain.txt`. `ORCHESTRATE_UPDATE_GOLDEN=1 cargo test --lib explained` writes these anew, and takes out
//! of `not-yet.txt` the formats that have come to be read as they should.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::model::task::TaskKind;
use crate::plan::CheckStyle;
use crate::plan::Plan;
use crate::plan::ReadOptions;
use crate::plan::ResolveOptions;
use crate::plan::check;
use crate::plan::read;
use crate::plan::render_check;
use crate::plan::resolve;

/// What a careful person takes out of a sample.
struct Sample {
    folder: &'static str,
    file: &'static str,
    /// The path under which such a plan lies in a project.
    path: &'static str,
    format: &'static str,
    /// Id and status of every task, in order; `*`: the id is made of words and does not matter here.
    tasks: &'static [&'static str],
    /// Edges that are there; with `!` that are not, in neither direction.
    edges: &'static [&'static str],
}

const fn sample(
    folder: &'static str,
    path: &'static str,
    tasks: &'static [&'static str],
    edges: &'static [&'static str],
) -> Sample {
    Sample { folder, file: "explain.md", path, format: folder, tasks, edges }
}

const SAMPLES: &[Sample] = &[
    sample(
        "speckit",
        "specs/004-borrow/tasks.md",
        &[
            "T001 done",
            "T002 open",
            "T003 open",
            "T004 open",
            "T005 open",
            "T006 open",
            "T007 open",
            "T008 skipped",
            "T009 open",
            "T010 open",
        ],
        &["T002>T003", "T003>T005", "T006>T007", "T004>T009", "!T007>T009", "T007>T010", "T009>T010"],
    ),
    sample(
        "kiro",
        ".kiro/specs/weather/tasks.md",
        &[
            "1.1 done",
            "1.2 done",
            "2.1 open",
            "2.2 in_progress",
            "2.3 open",
            "3 open",
            "4.1 open",
            "4.2 open",
        ],
        &["2.1>2.2", "2.1>4.1", "2.2>3", "!2.2>4.1"],
    ),
    sample(
        "openspec",
        "openspec/changes/read-files/tasks.md",
        &["1.1 done", "1.2 open", "1.3 open", "2.1 open", "2.2 open", "3.1 open"],
        &["1.2>3.1"],
    ),
    Sample {
        file: "explain.json",
        ..sample(
            "taskmaster",
            ".taskmaster/tasks/tasks.json",
            &["1 done", "2.1 done", "2.2 open", "3 in_progress", "4 skipped"],
            &["2.2>3"],
        )
    },
    sample(
        "superpowers",
        "docs/superpowers/plans/2026-02-01-tides.md",
        &["1 open", "2 in_progress", "3 open"],
        &["1>2", "2>3"],
    ),
    sample("ralphex", "docs/plans/dark-theme.md", &["1 done", "2 open", "2.5 open"], &["2>2.5"]),
    sample("pdd", ".ralph/specs/queue/plan.md", &["1 done", "2 open", "3 open"], &["2>3"]),
    sample(
        "compound",
        "docs/plans/2026-02-11-001-feat-import-contacts-plan.md",
        &["1 done", "2 open", "3 open"],
        &["2>3"],
    ),
    sample(
        "swarm",
        "route-plan.md",
        &["T1 done", "T2 open", "T3 open", "T4 open"],
        &["T2>T4", "T3>T4", "!T2>T3"],
    ),
    sample(
        "sdd",
        ".specs/tasks/search.md",
        &["1 done", "2 open", "3 open", "4 open"],
        &["2>4", "3>4", "!2>3"],
    ),
    sample(
        "cursor",
        ".cursor/plans/rate_limits.plan.md",
        &["counter done", "limit in_progress", "headers open", "docs open"],
        &["limit>docs", "headers>docs", "!limit>headers"],
    ),
    sample("antigravity", "task.md", &["* done", "* in_progress", "* open", "* open"], &["1>4", "4>5"]),
    sample("execplan", ".agent/execplans/lighthouse.md", &["* done", "* done", "* open", "* open"], &[]),
    sample(
        "bmad",
        "docs/stories/2.3.print-a-receipt.md",
        &["1 done", "2 open", "3 open", "* open"],
        &["2>3"],
    ),
    Sample {
        file: "explain.json",
        ..sample("ralph", "prd.json", &["US-002 done", "US-001 open", "US-003 open"], &["US-001>US-003"])
    },
    sample("backlog", "backlog/tasks/task-7 - sort.md", &["task-7 open"], &[]),
    sample(
        "ito",
        ".ito/changes/012-05_sensor-log/tasks.md",
        &["1.1 done", "1.2 open", "2.1 skipped", "* open gate"],
        &[],
    ),
    sample("humanlayer", "thoughts/shared/plans/retry.md", &["* open", "* open"], &[]),
    sample("gsd", ".planning/phases/02-sound/02-01-PLAN.md", &["* open", "* open", "* open gate"], &[]),
    sample("jack", "PLAN.md", &["rules done", "match open", "move open"], &["match>move"]),
    Sample {
        format: "generic",
        ..sample(
            "tables",
            "plans/winter.md",
            &["W-1 done", "W-2 in_progress", "W-3 open gate", "W-4 open", "W-5 open"],
            &["W-2>W-3", "W-3>W-4", "!W-4>W-5"],
        )
    },
    Sample {
        format: "generic",
        ..sample(
            "plain",
            "plans/cleaning.md",
            &[
                "windows done",
                "oven open",
                "shelves open",
                "carry-everything-out open",
                "sweep open",
                "paint-the-walls open",
            ],
            &["carry-everything-out>sweep", "!oven>shelves", "!oven>carry-everything-out"],
        )
    },
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plans")
}

fn plan_of(sample: &Sample) -> Plan {
    let bytes = fs::read(folder().join(sample.folder).join(sample.file)).unwrap();
    read(&bytes, &ReadOptions { path: Some(sample.path.to_owned()), ..ReadOptions::default() })
}

/// What is not as a careful person reads it.
fn wrong(sample: &Sample, plan: &Plan) -> Vec<String> {
    let mut wrong = Vec::new();
    if plan.format != sample.format {
        wrong.push(format!("format {} instead of {}", plan.format, sample.format));
    }
    // The gate after a phase may be a task of its own, or stand at what comes after it.
    let tasks = plan.tasks.iter().filter(|task| sample.folder != "humanlayer" || task.kind != TaskKind::Gate);
    let found: Vec<String> = tasks
        .map(|task| {
            let gate = if task.kind == TaskKind::Gate { " gate" } else { "" };
            format!("{} {}{gate}", task.id, task.status.as_str())
        })
        .collect();
    let same = |(found, wanted): (&String, &&str)| match wanted.strip_prefix('*') {
        Some(rest) => found.ends_with(rest) && (rest.ends_with("gate") || !found.ends_with("gate")),
        None => found == wanted,
    };
    if found.len() != sample.tasks.len() || !found.iter().zip(sample.tasks).all(same) {
        wrong.push(format!("tasks {found:?} instead of {:?}", sample.tasks));
    }
    let edges: BTreeSet<String> =
        plan.edges.iter().map(|edge| format!("{}>{}", edge.from, edge.to)).collect();
    for edge in sample.edges {
        match edge.strip_prefix('!') {
            None if !edges.contains(*edge) => wrong.push(format!("no edge {edge}")),
            Some(edge) => {
                let (first, then) = edge.split_once('>').unwrap();
                if edges.contains(edge) || edges.contains(&format!("{then}>{first}")) {
                    wrong.push(format!("an edge between {first} and {then}"));
                }
            }
            None => {}
        }
    }
    wrong
}

/// What `check --explain` says of a sample, and the codes of what is odd in it.
fn explained(sample: &Sample, plan: &Plan) -> String {
    let options = ResolveOptions {
        agents: BTreeSet::from(["kilo".to_owned(), "cline".to_owned(), "opencode".to_owned()]),
        ..ResolveOptions::default()
    };
    let resolved = resolve(plan, &options);
    let document = check(plan, &resolved, sample.path);
    let style = CheckStyle { width: 100, explain: true, color: false, unicode: true };
    let mut text = render_check(&document, style);
    text.push_str("\ndiagnostics\n");
    for diagnostic in &document.diagnostics {
        writeln!(text, "  :{}  {}  {}", diagnostic.line, diagnostic.code, diagnostic.message).unwrap();
    }
    text
}

/// Whether files are to be written anew.
#[expect(
    clippy::disallowed_methods,
    reason = "a switch for people who maintain the samples, read in tests alone"
)]
fn updating() -> bool {
    std::env::var_os("ORCHESTRATE_UPDATE_GOLDEN").is_some()
}

#[test]
fn a_plan_of_each_format_is_read_as_a_careful_person_reads_it() {
    let list = folder().join("not-yet.txt");
    let listed = fs::read_to_string(&list).unwrap_or_default();
    let listed: BTreeSet<&str> = listed.lines().filter(|line| !line.is_empty()).collect();
    let mut findings = Vec::new();
    let mut left = String::new();
    for sample in SAMPLES {
        let wrong = wrong(sample, &plan_of(sample));
        match (wrong.is_empty(), listed.contains(sample.folder)) {
            (true, false) => {}
            (true, true) => findings.push(format!("{}: is right, and stands in not-yet.txt", sample.folder)),
            (false, true) => {
                println!("{} is not read as it should yet: {}", sample.folder, wrong.join("; "));
                left.push_str(sample.folder);
                left.push('\n');
            }
            (false, false) => findings.push(format!("{}: {}", sample.folder, wrong.join("; "))),
        }
    }
    if updating() {
        fs::write(&list, left).unwrap();
        findings.retain(|finding| !finding.ends_with("not-yet.txt"));
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn what_check_explains_of_a_plan_of_each_format() {
    let mut findings = Vec::new();
    for sample in SAMPLES {
        let file = folder().join(sample.folder).join("explain.txt");
        let said = explained(sample, &plan_of(sample));
        if updating() {
            fs::write(&file, &said).unwrap();
            continue;
        }
        let kept = fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
        if kept != said {
            let differs = kept.lines().zip(said.lines()).position(|(kept, said)| kept != said);
            let line = differs.unwrap_or_else(|| kept.lines().count().min(said.lines().count()));
            let of = |text: &str| text.lines().nth(line).unwrap_or("(its end)").to_owned();
            findings.push(format!("{}:{}: `{}` is now `{}`", file.display(), line + 1, of(&kept), of(&said)));
        }
    }
    assert!(
        findings.is_empty(),
        "to renew them: ORCHESTRATE_UPDATE_GOLDEN=1 cargo test --lib explained\n{}",
        findings.join("\n")
    );
}

#[test]
fn every_folder_of_samples_has_its_expectations() {
    let there: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let sample = fs::read_dir(entry.path())
                .ok()?
                .any(|file| file.unwrap().file_name().to_string_lossy().starts_with("explain."));
            sample.then(|| entry.file_name().to_string_lossy().into_owned())
        })
        .collect();
    let expected: BTreeSet<String> = SAMPLES.iter().map(|sample| sample.folder.to_owned()).collect();
    assert_eq!(there, expected);
}
