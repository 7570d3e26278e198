//! What is to be said of the project's folder, of git, of the state and of the machine. Pure.

use std::path::Path;

use super::probe::{Answer, End};
use crate::agents::versions::Version;
use crate::cli::rights::Doubted;
use crate::model::command::is_cmd;
use crate::model::doctor::{DoctorFact, DoctorNote, Health};
use crate::report::text::{self, bytes, count_of};

/// Bytes below which a disk is called full: an attempt may leave a quarter of that as output.
const LITTLE_SPACE: u64 = 1024 * 1024 * 1024;

/// A fact without anything to do.
fn fact(name: &str, health: Health, text: impl Into<String>) -> DoctorFact {
    DoctorFact { name: name.to_owned(), note: DoctorNote::new(health, text) }
}

fn cured(mut fact: DoctorFact, cure: impl Into<String>) -> DoctorFact {
    fact.note = fact.note.cure(cure);
    fact
}

/// The project's folder: why it is the root, and whether it can be written to.
pub(super) fn root(shown: &str, reason: &str, write_error: Option<&str>) -> DoctorFact {
    match write_error {
        None => fact("root", Health::Ok, format!("{shown} ({reason})")),
        Some(error) => {
            let told = format!("{shown} cannot be written to: {}", text::clean(error));
            cured(fact("root", Health::Error, told), "agents work in it: give yourself the right to write")
        }
    }
}

/// What git answered to four questions.
#[derive(Debug)]
pub(super) struct GitAnswers<'a> {
    /// `git --version`.
    pub(super) version: &'a Answer,
    /// `git rev-parse --is-inside-work-tree`.
    pub(super) inside: &'a Answer,
    /// `git status --porcelain`.
    pub(super) status: &'a Answer,
    /// `git config --get core.autocrlf`.
    pub(super) autocrlf: &'a Answer,
}

/// Git, the repository, and whether it changes line ends. None of it keeps a run from working.
pub(super) fn git(answers: Option<&GitAnswers<'_>>) -> Vec<DoctorFact> {
    let Some(answers) = answers else {
        let missing = fact("git", Health::Warning, "not found");
        return vec![cured(missing, "install it: without it nobody can tell what agents changed")];
    };
    let Some(version) = answers.version.line() else {
        let words = match &answers.version.end {
            End::TimedOut(_) => "`git --version` did not end".to_owned(),
            End::Otherwise(message) | End::NotAsked(message) => text::clean(message),
            End::Exited(code) => format!("`git --version` fails with exit code {code}"),
        };
        return vec![fact("git", Health::Warning, words)];
    };
    let version = Version::find(version).map_or_else(|| text::clean(version), |found| found.to_string());
    let mut facts = vec![fact("git", Health::Ok, version), repository(answers)];
    if answers.autocrlf.line().is_some_and(|line| line.trim().eq_ignore_ascii_case("true")) {
        let told = "core.autocrlf=true: git changes line ends, so files may differ from what agents wrote";
        facts.push(cured(
            fact("line ends", Health::Warning, told),
            "git config core.autocrlf input, with a `.gitattributes`",
        ));
    }
    facts
}

fn repository(answers: &GitAnswers<'_>) -> DoctorFact {
    let name = "repository";
    if answers.inside.line().map(str::trim) != Some("true") {
        let told = match (&answers.inside.end, answers.inside.words()) {
            (End::TimedOut(_), _) => "git does not say in time whether there is one".to_owned(),
            // A folder of somebody else's: git refuses, and says why.
            (_, Some(words)) if words.contains("dubious ownership") => text::clean(words),
            (End::Exited(_) | End::Otherwise(_) | End::NotAsked(_), _) => {
                "none, so nobody can see or put back what agents change".to_owned()
            }
        };
        return cured(fact(name, Health::Warning, told), "git init");
    }
    match &answers.status.end {
        End::Exited(0) if answers.status.lines == 0 => fact(name, Health::Ok, "clean"),
        End::Exited(0) => {
            let count = u64::try_from(answers.status.lines).unwrap_or(u64::MAX);
            let told =
                format!("{} not committed, and agents work in the same folder", count_of(count, "change"));
            fact(name, Health::Warning, told)
        }
        End::TimedOut(_) => fact(name, Health::Warning, "`git status` did not end in time"),
        End::Exited(_) | End::Otherwise(_) | End::NotAsked(_) => {
            fact(name, Health::Warning, "`git status` fails")
        }
    }
}

/// The shell of the agent `command` and of checks.
pub(super) fn shell(found: Option<&Path>) -> DoctorFact {
    match found {
        Some(shell) if is_cmd(shell) => cured(
            fact("shell", Health::Warning, "cmd, which takes commands of one line"),
            "install Git for Windows, whose `sh` takes all",
        ),
        Some(shell) => fact("shell", Health::Ok, text::clean(&shell.display().to_string())),
        None => fact("shell", Health::Warning, "not found: no `Command` and no `Verify` can run"),
    }
}

/// What the embedded store looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StoreLook {
    /// There is none yet.
    None,
    /// It could be read.
    Known {
        /// How many runs it has.
        runs: u64,
        /// How many of those go on.
        running: u64,
    },
    /// It could not.
    Failed {
        /// Why.
        message: String,
        /// What to do about it.
        hints: Vec<String>,
    },
}

/// What the state folder looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StateLook {
    pub(super) store: StoreLook,
    /// Bytes of all that lies in the folder; none: more than anybody wants to count.
    pub(super) size: Option<u64>,
    /// Why nothing can be written there.
    pub(super) write_error: Option<String>,
}

/// The embedded store. `look` is none where it did not answer in time.
pub(super) fn embedded(shown: &str, look: Option<&StateLook>) -> DoctorFact {
    let name = "embedded";
    let Some(look) = look else {
        let told = format!("{shown} does not answer in time");
        return cured(fact(name, Health::Error, told), "is it on a network's file system?");
    };
    if let StoreLook::Failed { message, hints } = &look.store {
        let failed = fact(name, Health::Error, text::clean(message));
        return match hints.first() {
            Some(hint) => cured(failed, text::clean(hint)),
            None => failed,
        };
    }
    if let Some(error) = &look.write_error {
        let told = format!("{shown} cannot be written to: {}", text::clean(error));
        return cured(
            fact(name, Health::Error, told),
            "set `state_dir` in the configuration to a folder of yours",
        );
    }
    let told = match &look.store {
        StoreLook::Known { runs, running } => {
            let size = look.size.map_or_else(|| "large".to_owned(), bytes);
            let running = if *running == 0 { String::new() } else { format!(", {running} of them going on") };
            format!("{shown} ({size}, {}{running})", count_of(*runs, "run"))
        }
        StoreLook::None | StoreLook::Failed { .. } => format!("{shown} (no run yet)"),
    };
    fact(name, Health::Ok, told)
}

/// Redis, where somebody asked for it: its address, or why it is not to be had with what to do; and
/// how its keys would begin.
pub(super) fn redis(
    required: bool,
    prefix: &str,
    look: &Result<String, (String, Vec<String>)>,
) -> DoctorFact {
    match look {
        Ok(address) => {
            let told = format!("{address}, keys begin with `{prefix}`");
            fact("redis", Health::Ok, text::clean(&told))
        }
        Err((message, hints)) => {
            let health = if required { Health::Error } else { Health::Warning };
            let told = format!("{message}; keys would begin with `{prefix}`");
            let failed = fact("redis", health, text::clean(&told));
            match hints.first() {
                Some(hint) => cured(failed, text::clean(hint)),
                None => failed,
            }
        }
    }
}

/// Whether agents are kept to their own keys there; a fact for each reason why they are not.
pub(super) fn rights(doubts: &[Doubted]) -> Vec<DoctorFact> {
    if doubts.is_empty() {
        return vec![fact("rights", Health::Ok, "a user of its own for each attempt")];
    }
    let told = |doubt: &Doubted| {
        let text = text::clean(&format!("advisory: {}", doubt.why));
        cured(fact("rights", Health::Warning, text), doubt.hint.clone())
    };
    doubts.iter().map(told).collect()
}

/// Memory, against the least that an agent needs.
pub(super) fn memory(available: Option<u64>, cores: Option<u32>, least_needed: Option<u64>) -> DoctorFact {
    let cores = cores.map(|cores| count_of(u64::from(cores), "core") + ", ").unwrap_or_default();
    match (available, least_needed) {
        (None, _) => fact("memory", Health::Ok, format!("{cores}memory cannot be told")),
        (Some(available), Some(needed)) if available < needed => {
            let told =
                format!("{cores}{} of memory free, an agent needs {}", bytes(available), bytes(needed));
            cured(fact("memory", Health::Warning, told), "one attempt runs all the same")
        }
        (Some(available), _) => {
            fact("memory", Health::Ok, format!("{cores}{} of memory free", bytes(available)))
        }
    }
}

/// Room on a disk; none where it cannot be told.
pub(super) fn disk(name: &str, shown: &str, free: Option<u64>) -> Option<DoctorFact> {
    let free = free?;
    let told = format!("{} free for {shown}", bytes(free));
    Some(if free < LITTLE_SPACE {
        cured(fact(name, Health::Warning, told), "make room: a full disk ends a run")
    } else {
        fact(name, Health::Ok, told)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn said(end: End, stdout: &str, stderr: &str) -> Answer {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        Answer { end, lines: stdout.lines().count(), stdout: lines(stdout), stderr: lines(stderr) }
    }

    fn ok(stdout: &str) -> Answer {
        said(End::Exited(0), stdout, "")
    }

    fn told(facts: &[DoctorFact]) -> Vec<String> {
        facts.iter().map(|fact| format!("{:?} {} {}", fact.note.health, fact.name, fact.note.text)).collect()
    }

    #[test]
    fn git_is_told_with_its_repository() {
        let (version, inside) = (ok("git version 2.47.1"), ok("true"));
        let none = said(End::Exited(1), "", "");
        let with = |status: &Answer, autocrlf: &Answer| {
            told(&git(Some(&GitAnswers { version: &version, inside: &inside, status, autocrlf })))
        };
        assert_eq!(with(&ok(""), &none), ["Ok git 2.47.1", "Ok repository clean"]);
        let dirty = with(&ok(" M a\n?? b"), &ok("true"));
        assert_eq!(
            dirty[1],
            "Warning repository 2 changes not committed, and agents work in the same folder"
        );
        assert!(dirty[2].starts_with("Warning line ends core.autocrlf=true"), "{dirty:?}");
        let slow = with(&said(End::TimedOut(Duration::from_secs(10)), "", ""), &ok("input"));
        assert_eq!(slow, ["Ok git 2.47.1", "Warning repository `git status` did not end in time"]);
        assert_eq!(told(&git(None)), ["Warning git not found"]);
    }

    #[test]
    fn a_folder_outside_a_repository_is_no_fault() {
        let (version, none) =
            (ok("git version 2.47.1"), said(End::Exited(128), "", "fatal: not a git repository"));
        let answers = GitAnswers { version: &version, inside: &none, status: &none, autocrlf: &none };
        assert_eq!(
            told(&git(Some(&answers))),
            ["Ok git 2.47.1", "Warning repository none, so nobody can see or put back what agents change"]
        );
        let refused = said(End::Exited(128), "", "fatal: detected dubious ownership in repository at '/x'");
        let answers = GitAnswers { version: &version, inside: &refused, status: &none, autocrlf: &none };
        assert!(told(&git(Some(&answers)))[1].contains("dubious ownership"));
        let broken = said(End::Exited(127), "", "");
        let answers = GitAnswers { version: &broken, inside: &none, status: &none, autocrlf: &none };
        assert_eq!(told(&git(Some(&answers))), ["Warning git `git --version` fails with exit code 127"]);
    }

    #[test]
    fn the_store_is_told_as_it_is() {
        let look = |store| StateLook { store, size: Some(42 << 20), write_error: None };
        let line = |look: &StateLook| told(&[embedded("state", Some(look))]).remove(0);
        assert_eq!(line(&look(StoreLook::None)), "Ok embedded state (no run yet)");
        assert_eq!(
            line(&look(StoreLook::Known { runs: 3, running: 1 })),
            "Ok embedded state (42 MiB, 3 runs, 1 of them going on)"
        );
        let failed =
            StoreLook::Failed { message: "damaged".to_owned(), hints: vec!["restore it".to_owned()] };
        assert_eq!(line(&look(failed)), "Error embedded damaged");
        let locked = StateLook { write_error: Some("read-only".to_owned()), ..look(StoreLook::None) };
        assert_eq!(line(&locked), "Error embedded state cannot be written to: read-only");
        assert_eq!(told(&[embedded("state", None)]), ["Error embedded state does not answer in time"]);
    }

    #[test]
    fn redis_that_is_required_is_an_error() {
        let gone = Err(("nobody listens there".to_owned(), vec!["start it".to_owned()]));
        let needed = redis(true, "p:", &gone).note;
        assert_eq!((needed.health, needed.cure.as_deref()), (Health::Error, Some("start it")));
        assert_eq!(needed.text, "nobody listens there; keys would begin with `p:`");
        assert_eq!(redis(false, "p:", &gone).note.health, Health::Warning);
        assert_eq!(
            told(&[redis(true, "p:", &Ok("redis://h:1".to_owned()))]),
            ["Ok redis redis://h:1, keys begin with `p:`"]
        );
    }

    #[test]
    fn rights_are_told_with_each_reason_against_them() {
        assert_eq!(told(&rights(&[])), ["Ok rights a user of its own for each attempt"]);
        let doubt = Doubted { why: "it is open".to_owned(), hint: "close it".to_owned() };
        let facts = rights(&[doubt.clone(), doubt]);
        assert_eq!(told(&facts), ["Warning rights advisory: it is open"; 2]);
        assert_eq!(facts[0].note.cure.as_deref(), Some("close it"));
    }

    #[test]
    fn the_machine_is_measured_against_what_agents_need() {
        let gib = 1 << 30;
        assert_eq!(
            told(&[memory(Some(8 * gib), Some(2), Some(gib))]),
            ["Ok memory 2 cores, 8.0 GiB of memory free"]
        );
        assert_eq!(memory(Some(gib / 2), None, Some(gib)).note.health, Health::Warning);
        assert_eq!(memory(Some(gib / 2), None, None).note.health, Health::Ok);
        assert_eq!(memory(None, None, Some(gib)).note.health, Health::Ok);
        assert_eq!(disk("disk", "x", Some(gib / 2)).unwrap().note.health, Health::Warning);
        assert_eq!(disk("disk", "x", Some(gib)).unwrap().note.health, Health::Ok);
        assert_eq!(disk("disk", "x", None), None);
        assert_eq!(shell(None).note.health, Health::Warning);
        assert_eq!(shell(Some(Path::new("cmd.exe"))).note.health, Health::Warning);
        assert_eq!(shell(Some(Path::new("/bin/sh"))).note.text, "/bin/sh");
        assert_eq!(root("~/p", "git", None).note.text, "~/p (git)");
        assert_eq!(root("~/p", "git", Some("no")).note.health, Health::Error);
    }
}
