use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use super::*;
use crate::model::completion::{CompletionSource, CompletionStatus, CompletionVersion, Output};
use crate::model::ids::RunId;
use crate::model::task::FileClaim;
use crate::model::task::LineHash;

/// A time long after every file that a test makes, and one long before.
const FUTURE: Timestamp = Timestamp(4_000_000_000_000);
const PAST: Timestamp = Timestamp(1_000_000_000_000);

struct Project {
    _keep: tempfile::TempDir,
    root: PathBuf,
    run_folder: PathBuf,
}

impl Project {
    fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let root = dunce::canonicalize(keep.path()).unwrap();
        let run_folder = root.join("plans/agent-shared/runs/01J");
        fs::create_dir_all(&run_folder).unwrap();
        Self { _keep: keep, root, run_folder }
    }

    /// Writes a file with a time of writing that is certainly another one than before.
    fn write(&self, name: &str, text: &str, seconds: u64) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000 + seconds);
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }

    fn checkout(&self) -> Checkout {
        Checkout::new(&self.root, &self.run_folder, &[])
    }

    fn checkout_with_plan(&self) -> Checkout {
        Checkout::new(&self.root, &self.run_folder, &[self.root.join("plan.md")])
    }
}

fn task(files: &[(Option<FileVerb>, &str)], outputs: &[&str]) -> TaskSpec {
    TaskSpec {
        files: files.iter().map(|(verb, path)| FileClaim { verb: *verb, path: (*path).to_owned() }).collect(),
        outputs: outputs.iter().map(|path| (*path).to_owned()).collect(),
        ..TaskSpec::new(TaskId::new("T1"), "a")
    }
}

fn completion(outputs: &[(&str, Change)]) -> Completion {
    Completion {
        schema: CompletionVersion::V1,
        run_id: RunId("01J".to_owned()),
        task_id: TaskId::new("T1"),
        attempt: 1,
        status: CompletionStatus::Succeeded,
        summary: "done".to_owned(),
        outputs: outputs
            .iter()
            .map(|(path, change)| Output { path: (*path).to_owned(), change: *change })
            .collect(),
        verification: Vec::new(),
        error: None,
        next_steps: Vec::new(),
        source: CompletionSource::Agent,
    }
}

fn fact(path: &str, exists: bool, changed: Option<bool>) -> PathFact {
    PathFact { path: path.to_owned(), exists, changed }
}

#[test]
fn declared_outputs_are_compared_with_what_was_there() {
    let project = Project::new();
    project.write("same.md", "a", 0);
    project.write("written.md", "a", 0);
    project.write("again.md", "a", 0);
    project.write("gone.md", "a", 0);
    project.write("dist/deep/old.js", "a", 0);
    let names = [
        "same.md",
        "written.md",
        "again.md",
        "gone.md",
        "made.md",
        "never.md",
        "dist/",
        "../out.md",
        "/etc/passwd",
    ];
    let task = task(&[], &names);
    let mut checkout = project.checkout();
    checkout.begin(&task, FUTURE).unwrap();
    project.write("written.md", "b", 0);
    project.write("again.md", "a", 9);
    project.write("made.md", "a", 0);
    project.write("dist/deep/new.js", "a", 0);
    fs::remove_file(project.root.join("gone.md")).unwrap();
    assert_eq!(
        checkout.facts(&task, None).outputs,
        [
            fact("same.md", true, Some(false)),
            fact("written.md", true, Some(true)),
            fact("again.md", true, Some(true)),
            fact("gone.md", false, Some(true)),
            fact("made.md", true, Some(true)),
            fact("never.md", false, Some(false)),
            fact("dist", true, Some(true)),
            fact("../out.md", false, None),
            fact("/etc/passwd", false, None),
        ]
    );
}

#[test]
fn what_was_seen_before_the_first_attempt_outlives_retries_and_crashes() {
    let project = Project::new();
    project.write("a.md", "a", 0);
    let task = task(&[], &["a.md"]);
    let mut checkout = project.checkout();
    checkout.begin(&task, PAST).unwrap();
    project.write("a.md", "b", 5);
    checkout.begin(&task, FUTURE).unwrap();
    assert_eq!(checkout.facts(&task, None).outputs, [fact("a.md", true, Some(true))]);
    let mut after_a_crash = project.checkout();
    after_a_crash.begin(&task, FUTURE).unwrap();
    assert_eq!(after_a_crash.facts(&task, None).outputs, [fact("a.md", true, Some(true))]);
    assert_eq!(project.checkout().facts(&task, None).outputs, [fact("a.md", true, Some(true))]);
    assert!(project.run_folder.join("tasks/%541/before.json").is_file());
}

#[cfg(unix)]
#[test]
fn what_was_seen_is_kept_from_other_users() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = Project::new();
    project.checkout().begin(&task(&[], &["a"]), PAST).unwrap();
    let folder = project.run_folder.join("tasks/%541");
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(folder.join("before.json")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_damaged_file_is_as_if_there_were_none() {
    let project = Project::new();
    project.write("a.md", "a", 0);
    let task = task(&[(Some(FileVerb::Modify), "a.md")], &[]);
    let file = project.run_folder.join("tasks/%541/before.json");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "{").unwrap();
    assert_eq!(project.checkout().facts(&task, None).claims, [fact("a.md", true, None)]);
    let mut checkout = project.checkout();
    checkout.begin(&task, FUTURE).unwrap();
    assert_eq!(checkout.facts(&task, None).claims, [fact("a.md", true, Some(false))]);
}

#[test]
fn claims_are_the_plans_verbs_then_what_the_completion_adds() {
    let project = Project::new();
    for name in ["mod.rs", "del.rs", "read.rs", "test.rs", "open.rs", "extra.rs", "old/x.rs"] {
        project.write(name, "a", 0);
    }
    let task = task(
        &[
            (Some(FileVerb::Create), "./new.rs"),
            (Some(FileVerb::Modify), "mod.rs"),
            (Some(FileVerb::Delete), "del.rs"),
            (Some(FileVerb::Read), "read.rs"),
            (Some(FileVerb::Test), "test.rs"),
            (None, "open.rs"),
            (Some(FileVerb::Delete), "old/*.rs"),
        ],
        &[],
    );
    let mut checkout = project.checkout();
    checkout.begin(&task, PAST).unwrap();
    project.write("new.rs", "b", 0);
    for name in ["del.rs", "old/x.rs"] {
        fs::remove_file(project.root.join(name)).unwrap();
    }
    let completion = completion(&[
        ("mod.rs", Change::Modified),
        ("open.rs", Change::Modified),
        ("extra.rs", Change::Modified),
        ("left.rs", Change::Unchanged),
        ("ghost.rs", Change::Deleted),
        ("old/x.rs", Change::Deleted),
        ("../../etc/passwd", Change::Modified),
    ]);
    assert_eq!(
        checkout.facts(&task, Some(&completion)).claims,
        [
            fact("new.rs", true, Some(true)),
            fact("mod.rs", true, Some(false)),
            fact("del.rs", false, Some(true)),
            fact("old/*.rs", false, Some(true)),
            // Declared without a verb, so it was looked at beforehand.
            fact("open.rs", true, Some(false)),
            fact("extra.rs", true, Some(true)),
            fact("ghost.rs", false, None),
            fact("old/x.rs", false, Some(true)),
            fact("../../etc/passwd", false, Some(false)),
        ]
    );
}

#[test]
fn a_file_claimed_afterwards_is_judged_by_its_times() {
    let project = Project::new();
    project.write("a.rs", "a", 0);
    let claimed = completion(&[("a.rs", Change::Modified)]);
    for (began, expected) in [(PAST, true), (FUTURE, false)] {
        let task = task(&[], &[]);
        let mut checkout = Checkout::new(&project.root, &project.run_folder.join(began.0.to_string()), &[]);
        checkout.begin(&task, began).unwrap();
        assert_eq!(checkout.facts(&task, Some(&claimed)).claims, [fact("a.rs", true, Some(expected))]);
    }
}

#[test]
fn globs_are_added_up() {
    let project = Project::new();
    project.write("src/a.rs", "a", 0);
    project.write("src/b.rs", "a", 0);
    let task = task(&[(Some(FileVerb::Modify), "src/*.rs"), (Some(FileVerb::Create), "out/**")], &[]);
    let mut checkout = project.checkout();
    checkout.begin(&task, PAST).unwrap();
    let facts = |checkout: &mut Checkout| checkout.facts(&task, None).claims;
    assert_eq!(
        facts(&mut checkout),
        [fact("src/*.rs", true, Some(false)), fact("out/**", false, Some(false))]
    );
    project.write("src/b.rs", "b", 0);
    project.write("out/deep/x", "b", 0);
    assert_eq!(facts(&mut checkout), [fact("src/*.rs", true, Some(true)), fact("out/**", true, Some(true))]);
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_checkout_is_no_evidence() {
    let project = Project::new();
    let outside = tempfile::tempdir().unwrap();
    let task = task(&[(Some(FileVerb::Create), "link/x")], &["link/x"]);
    let mut checkout = project.checkout();
    checkout.begin(&task, PAST).unwrap();
    std::os::unix::fs::symlink(outside.path(), project.root.join("link")).unwrap();
    fs::write(outside.path().join("x"), "a").unwrap();
    let facts = checkout.facts(&task, None);
    assert_eq!(facts.outputs, [fact("link/x", false, None)]);
    assert_eq!(facts.claims, [fact("link/x", false, None)]);
}

fn place(line: u32, text: &str) -> BoxPlace {
    BoxPlace {
        file: None,
        line,
        column: 3,
        line_hash: LineHash::of(text.as_bytes()),
        tick: 'x',
        progress: None,
    }
}

#[test]
fn our_own_ticks_are_no_change_of_the_plan_and_others_are() {
    let project = Project::new();
    let plan = project.root.join("plan.md");
    project.write("plan.md", "- [ ] a\n- [ ] b\n- [ ] c\n", 0);
    let task = task(&[], &[]);
    let mut checkout = project.checkout_with_plan();
    checkout.begin(&task, PAST).unwrap();
    assert!(!checkout.facts(&task, None).plan_changed);
    checkout.tick(&plan, &place(2, "- [ ] b"), BoxMark::Done).unwrap();
    checkout.tick(&plan, &place(3, "- [ ] c"), BoxMark::Done).unwrap();
    assert_eq!(fs::read_to_string(&plan).unwrap(), "- [ ] a\n- [x] b\n- [x] c\n");
    assert!(!checkout.facts(&task, None).plan_changed);
    project.write("plan.md", "- [x] a\n- [x] b\n- [x] c\n", 0);
    assert!(checkout.facts(&task, None).plan_changed);
    // The agent did our work: nothing is left to be done.
    checkout.tick(&plan, &place(1, "- [ ] a"), BoxMark::Done).unwrap();
    assert!(checkout.facts(&task, None).plan_changed);
    checkout.begin(&task, PAST).unwrap();
    assert!(!checkout.facts(&task, None).plan_changed);
    fs::remove_file(&plan).unwrap();
    assert!(checkout.facts(&task, None).plan_changed);
}

#[test]
fn equal_lines_are_told_apart_by_the_plan_as_read() {
    let project = Project::new();
    let text = "- [ ] test\n- [ ] test\n";
    project.write("plan.md", text, 0);
    let plan = project.root.join("plan.md");
    let mut checkout = project.checkout_with_plan();
    assert!(matches!(
        checkout.tick(&plan, &place(2, "- [ ] test"), BoxMark::Done),
        Err(TickProblem::Ambiguous { line: 2, count: 2 })
    ));
    fs::write(project.run_folder.join("plan.md"), text).unwrap();
    checkout.tick(&plan, &place(2, "- [ ] test"), BoxMark::Done).unwrap();
    assert_eq!(fs::read_to_string(&plan).unwrap(), "- [ ] test\n- [x] test\n");
}

#[test]
fn every_task_works_in_the_checkout() {
    let project = Project::new();
    assert_eq!(project.checkout().directory(&TaskId::new("T1")), project.root);
}
