//! Looks at a checkout in which one task or several are at work.

use std::fs;
use std::process::Command;

use super::*;
use crate::model::completion::{CompletionSource, CompletionStatus, CompletionVersion, Output};
use crate::model::ids::RunId;
use crate::model::task::FileClaim;

struct Project {
    _keep: tempfile::TempDir,
    root: PathBuf,
    watch: Safeguards,
}

const THREE: &str = "def test_a():\n    pass\ndef test_b():\n    pass\ndef test_c():\n    pass\n";
const ONE: &str = "def test_a():\n    pass\n";

impl Project {
    fn new(verify: &[&str]) -> Self {
        Self::with(Some(PathBuf::from("git")), verify)
    }

    fn with(git: Option<PathBuf>, verify: &[&str]) -> Self {
        let keep = tempfile::tempdir().unwrap();
        let root = dunce::canonicalize(keep.path()).unwrap();
        if git.is_some() {
            let made = Command::new("git").arg("-C").arg(&root).args(["init", "-q"]).status().unwrap();
            assert!(made.success());
        }
        let own: Vec<String> = verify.iter().map(ToString::to_string).collect();
        let ours = Ours { runs: root.join("runs") };
        let watch = Safeguards::new(&root, ours, git, &own, &[]);
        Self { _keep: keep, root, watch }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.root.join(name)).unwrap();
    }

    fn end(&self, id: &str) -> Vec<String> {
        self.end_claiming(id, &[])
    }

    fn end_claiming(&self, id: &str, claims: &[&str]) -> Vec<String> {
        let key = AttemptKey::new(TaskId::new(id), 1);
        self.watch.end(&key, Some(&completion(claims)));
        let facts = self.watch.take(&key).unwrap();
        assert_eq!(facts.unseen, None);
        assert_eq!(self.watch.take(&key), None, "it is taken once");
        facts.doubts.iter().map(ToString::to_string).collect()
    }
}

fn completion(claims: &[&str]) -> Completion {
    let output = |path: &&str| Output { path: (*path).to_owned(), change: completion::Change::Modified };
    Completion {
        schema: CompletionVersion::V1,
        run_id: RunId("01J".to_owned()),
        task_id: TaskId::new("T1"),
        attempt: 1,
        status: CompletionStatus::Succeeded,
        summary: "did it".to_owned(),
        outputs: claims.iter().map(output).collect(),
        verification: Vec::new(),
        error: None,
        next_steps: Vec::new(),
        source: CompletionSource::Agent,
    }
}

fn task(id: &str, files: &[(Option<FileVerb>, &str)], verify: &[&str]) -> TaskSpec {
    TaskSpec {
        files: files.iter().map(|(verb, path)| FileClaim { verb: *verb, path: (*path).to_owned() }).collect(),
        verify: verify.iter().map(ToString::to_string).collect(),
        ..TaskSpec::new(TaskId::new(id), "a task")
    }
}

const REMOVED: &str = "tests/test_a.py: 2 of 3 tests removed";

#[test]
fn what_a_task_alone_removes_is_its_own_whether_git_knows_the_file_or_not() {
    for git in [Some(PathBuf::from("git")), None] {
        let project = Project::with(git, &[]);
        project.write("tests/test_a.py", THREE);
        project.write("target/tests/x.rs", "#[test]\nfn a() {}");
        project.write(".gitignore", "target/\n");
        project.watch.begin(&task("T1", &[], &[]));
        project.write("tests/test_a.py", ONE);
        project.remove("target/tests/x.rs");
        assert_eq!(project.end("T1"), [REMOVED]);
        project.watch.begin(&task("T2", &[], &[]));
        assert_eq!(project.end("T2"), [""; 0], "it was so when it began");
    }
}

#[test]
fn all_attempts_of_a_task_count_from_its_first() {
    let project = Project::new(&[]);
    project.write("tests/test_a.py", THREE);
    project.watch.begin(&task("T1", &[], &[]));
    project.write("tests/test_a.py", ONE);
    assert_eq!(project.end("T1"), [REMOVED]);
    project.write("tests/test_b.py", ONE);
    project.watch.begin(&task("T1", &[], &[]));
    assert_eq!(project.end("T1"), [REMOVED]);
    project.watch.begin(&task("T1", &[], &[]));
    project.write("tests/test_a.py", THREE);
    project.remove("tests/test_b.py");
    assert_eq!(project.end("T1"), ["tests/test_b.py: deleted, with 1 test"], "what was mended is well");
}

#[test]
fn where_several_work_a_file_is_of_who_declares_or_claims_it() {
    let claims = [(Some(FileVerb::Modify), "tests/*.py")];
    let project = Project::new(&[]);
    project.write("tests/test_a.py", THREE);
    project.watch.begin(&task("T1", &[], &[]));
    project.watch.begin(&task("T2", &claims, &[]));
    project.write("tests/test_a.py", ONE);
    assert_eq!(project.end("T1"), [""; 0], "T2 declares it");
    assert_eq!(project.end("T2"), [REMOVED]);

    let project = Project::new(&[]);
    project.write("tests/test_a.py", THREE);
    project.watch.begin(&task("T1", &[], &[]));
    project.watch.begin(&task("T2", &[], &[]));
    project.watch.begin_unwatched(&TaskId::new("T3"));
    project.watch.end_unwatched(&TaskId::new("T3"));
    project.write("tests/test_a.py", ONE);
    assert_eq!(project.end("T1"), [format!("{REMOVED}, by it, T2 or T3")]);
    project.watch.begin(&task("T4", &[], &[]));
    assert_eq!(project.end_claiming("T2", &["tests/test_a.py"]), [REMOVED], "it claims it");
    assert_eq!(project.end("T4"), [""; 0], "it was not there then");
}

#[test]
fn who_has_ended_has_no_part_in_what_follows() {
    let project = Project::new(&[]);
    project.write("tests/test_a.py", THREE);
    project.watch.begin(&task("T1", &[], &[]));
    project.watch.begin(&task("T2", &[], &[]));
    assert_eq!(project.end("T2"), [""; 0]);
    project.write("tests/test_a.py", ONE);
    assert_eq!(project.end("T1"), [REMOVED]);
}

#[test]
fn the_script_of_its_own_check_is_watched_and_that_of_another_is_not() {
    let check = "sh scripts/check.sh --fast";
    let project = Project::new(&[check]);
    project.write("scripts/check.sh", "exit 1\n");
    project.watch.begin(&task("T1", &[], &["make"]));
    project.write("scripts/check.sh", "exit 2\n");
    assert_eq!(project.end("T1"), [""; 0]);
    project.watch.begin(&task("T2", &[], &[check]));
    project.write("scripts/check.sh", "exit 0\n");
    assert_eq!(project.end("T2"), [format!("scripts/check.sh: changed, and `{check}` runs it")]);
    project.watch.begin(&task("T3", &[(None, "scripts/check.sh")], &[check]));
    project.write("scripts/check.sh", "exit 3\n");
    assert_eq!(project.end("T3"), [""; 0], "the plan asks for it");
}

#[test]
fn what_the_plan_says_is_removed_may_be() {
    let project = Project::new(&[]);
    project.write("tests/test_a.py", THREE);
    project.watch.begin(&task("T1", &[(Some(FileVerb::Delete), "tests/test_a.py")], &[]));
    project.remove("tests/test_a.py");
    assert_eq!(project.end("T1"), [""; 0]);
}

#[test]
fn without_a_look_before_it_nothing_is_claimed() {
    let project = Project::new(&[]);
    let key = AttemptKey::new(TaskId::new("T1"), 1);
    assert_eq!(project.watch.take(&key), None);
    project.watch.end(&key, None);
    let facts = project.watch.take(&key).unwrap();
    assert_eq!(facts.doubts, []);
    assert_eq!(facts.unseen.as_deref(), Some("nobody looked at them before its first attempt"));
}

#[cfg(unix)]
#[test]
fn links_are_not_followed_and_files_that_cannot_be_read_are_left_out() {
    use std::os::unix::fs::symlink;
    let project = Project::new(&["sh ../outside.sh"]);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("test_x.py"), THREE).unwrap();
    fs::create_dir(project.root.join("tests")).unwrap();
    symlink(outside.path().join("test_x.py"), project.root.join("tests/test_x.py")).unwrap();
    symlink(outside.path(), project.root.join("tests/more")).unwrap();
    project.watch.begin(&task("T1", &[], &[]));
    fs::write(outside.path().join("test_x.py"), ONE).unwrap();
    assert_eq!(project.end("T1"), [""; 0]);
}

#[test]
fn threads_that_look_at_the_same_time_share_a_look_and_miss_nothing() {
    let project = Project::new(&[]);
    project.write("tests/test_a.py", THREE);
    let ids: Vec<String> = (1..=8).map(|number| format!("T{number}")).collect();
    std::thread::scope(|scope| {
        for id in &ids {
            scope.spawn(|| project.watch.begin(&task(id, &[], &[])));
        }
    });
    project.write("tests/test_a.py", ONE);
    let doubts: Vec<Vec<String>> = std::thread::scope(|scope| {
        let ends: Vec<_> = ids.iter().map(|id| scope.spawn(|| project.end(id))).collect();
        ends.into_iter().map(|end| end.join().unwrap()).collect()
    });
    for doubt in doubts {
        assert_eq!(doubt, [format!("{REMOVED}, by it or by one of 7 other tasks")]);
    }
    assert!(held(&project.watch.state).spans.len() <= 16);
}
