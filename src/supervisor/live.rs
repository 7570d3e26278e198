//! The register of live supervisors, so that what outlives one and its guard is ended by whoever comes
//! next.
//!
//! Each supervisor writes itself down in the user's cache before it starts anything: its run, what
//! names it and its guard, and its birthmark. When everything of it has ended it strikes itself out.
//! An entry whose supervisor and guard are both dead is a promise that nobody keeps: any next command of
//! the same user ends what carries its marks, and strikes it out. Where there is no such entry nothing
//! is looked for.
//!
//! **Invariant:** what is ended was proved to be the dead supervisor's: it carries that one's
//! birthmark, or a mark with its name (id, machine's start, namespace of ids, time of its start). So a
//! supervisor that has taken the run over is not hit, however late somebody comes.
//!
//! What it deliberately does not do: judge supervisors of other machines or namespaces of ids, whose
//! entries are left alone.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{output, own_name, tree};
use crate::model::ids::RunId;

/// The entry of this process for one run.
#[derive(Debug)]
pub struct Live {
    path: PathBuf,
}

impl Live {
    /// Writes this process down as the supervisor of `run` in `folder`, which is made; `guard` is the
    /// value of [`super::GUARD`].
    ///
    /// # Errors
    /// If the entry cannot be written.
    pub fn enter(folder: &Path, run: &RunId, guard: Option<&str>) -> io::Result<Self> {
        let entry = Entry {
            host: host(),
            run: run.to_string(),
            supervisor: own_name().to_owned(),
            guard: guard.map(str::to_owned),
            birthmark: tree::put_on_birthmark(),
        };
        make_private(folder)?;
        let path = folder.join(format!("{run}-{}", std::process::id()));
        // Renamed into place: whoever reads it reads all of it.
        let draft = path.with_extension("draft");
        let mut file = output::private().write(true).create(true).truncate(true).open(&draft)?;
        file.write_all(entry.text().as_bytes())?;
        drop(file);
        std::fs::rename(draft, &path)?;
        Ok(Self { path })
    }

    /// Strikes the entry out. Everything that this process started has ended.
    pub fn strike_out(self) {
        strike_out(&self.path);
    }
}

fn strike_out(path: &Path) {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::debug!(path = %path.display(), %error, "an entry is left over"),
    }
}

/// What a dead supervisor had left and was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its run.
    pub run: RunId,
    /// How many processes; never 0.
    pub count: u32,
}

/// Ends what dead supervisors in the register at `folder` have left. This blocks; no runtime may be
/// around it. It costs one look at the folder where all live or none is there.
pub fn end_leftovers(folder: &Path) -> Vec<Ended> {
    let mut all: Vec<Ended> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    loop {
        // Ending one can be the death of another: a run inside a task of a run.
        let dead: Vec<(PathBuf, Entry)> = entries(folder)
            .into_iter()
            .filter(|(path, entry)| !seen.contains(path) && is_dead(entry))
            .collect();
        if dead.is_empty() {
            return all;
        }
        for (path, entry) in dead {
            let (count, all_ended) = end(&entry);
            tracing::debug!(run = entry.run, count, all_ended, "a supervisor and its guard are dead");
            // What does not end in time is for the command after this one.
            if all_ended {
                strike_out(&path);
            }
            seen.insert(path);
            if count > 0 {
                all.push(Ended { run: RunId(entry.run), count });
            }
        }
    }
}

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    host: String,
    run: String,
    supervisor: String,
    guard: Option<String>,
    birthmark: Option<u64>,
}

/// The first line of every entry.
const HEAD: &str = "supervisor/v1";

impl Entry {
    fn text(&self) -> String {
        let mut text =
            format!("{HEAD}\nhost {}\nrun {}\nsupervisor {}\n", self.host, self.run, self.supervisor);
        if let Some(guard) = &self.guard {
            text.extend(["guard ", guard, "\n"]);
        }
        if let Some(birthmark) = self.birthmark {
            text.extend(["birthmark ", &birthmark.to_string(), "\n"]);
        }
        text
    }

    fn read(text: &str) -> Option<Self> {
        let body = text.strip_prefix(HEAD)?.strip_prefix('\n')?;
        let value = |name: &str| {
            body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned))
        };
        let entry = Self {
            host: value("host")?,
            run: value("run")?,
            supervisor: value("supervisor")?,
            guard: value("guard"),
            birthmark: value("birthmark").and_then(|number| number.parse().ok()),
        };
        // Marks begin and end with these: an empty one would be everybody's.
        (!entry.run.is_empty() && named(&entry.supervisor).is_some()).then_some(entry)
    }
}

/// The id and the start in `<pid>@<start>`.
fn named(name: &str) -> Option<(u32, &str)> {
    let (pid, started) = name.split_once('@')?;
    if started.is_empty() { None } else { Some((pid.parse().ok()?, started)) }
}

/// The entries of a register. What is none is passed over: it may be one of a later version.
fn entries(folder: &Path) -> Vec<(PathBuf, Entry)> {
    let Ok(found) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut entries: Vec<(PathBuf, Entry)> = found
        .flatten()
        .map(|found| found.path())
        .filter(|path| path.extension().is_none())
        .filter_map(|path| {
            let entry = Entry::read(&std::fs::read_to_string(&path).ok()?)?;
            Some((path, entry))
        })
        .collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    entries
}

/// How long is waited for the end of a supervisor or guard that was killed.
#[cfg(target_os = "linux")]
const DEATH_LIMIT: std::time::Duration = std::time::Duration::from_secs(2);

#[cfg(target_os = "linux")]
fn is_dead(entry: &Entry) -> bool {
    let lives = |name: &str| {
        named(name).is_some_and(|(pid, started)| {
            let alive = || super::process_alive(pid, started);
            // One that was killed a moment ago may need another one to be gone.
            alive()
                && !(tree::proc::is_being_killed(pid) && tree::proc::is_gone_within(pid, DEATH_LIMIT))
                && alive()
        })
    };
    entry.host == host() && !lives(&entry.supervisor) && !entry.guard.as_deref().is_some_and(lives)
}

/// Nothing can be proved here: processes have no mark that others may read.
#[cfg(not(target_os = "linux"))]
fn is_dead(_entry: &Entry) -> bool {
    false
}

/// How many processes were ended, and whether that was all.
#[cfg(target_os = "linux")]
fn end(entry: &Entry) -> (u32, bool) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else {
        return (0, false);
    };
    let dead = tree::Dead {
        run: entry.run.clone(),
        supervisor: entry.supervisor.clone(),
        birthmark: entry.birthmark,
    };
    runtime.block_on(tree::end_of_dead(&dead))
}

#[cfg(not(target_os = "linux"))]
fn end(_entry: &Entry) -> (u32, bool) {
    (0, true)
}

#[cfg(unix)]
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(windows)]
fn host() -> String {
    String::new()
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(windows)]
fn make_private(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            host: host(),
            run: "01RUN".to_owned(),
            supervisor: "12@boot:4:5".to_owned(),
            guard: Some("11@boot:4:4".to_owned()),
            birthmark: Some(77),
        }
    }

    #[test]
    fn an_entry_reads_back_and_half_of_one_is_none() {
        let entry = entry();
        let text = entry.text();
        assert_eq!(Entry::read(&text), Some(entry.clone()));
        let bare = Entry { guard: None, birthmark: None, ..entry };
        assert_eq!(Entry::read(&bare.text()), Some(bare));
        let end = text.find("supervisor 12").unwrap() + "supervisor 12".len();
        for length in 0..end {
            assert_eq!(Entry::read(&text[..length]), None, "{}", &text[..length]);
        }
        assert_eq!(Entry::read(&text.replace("run 01RUN", "run ")), None, "its mark would be everybody's");
        assert_eq!(Entry::read(&text.replace("12@boot:4:5", "12@")), None);
        assert_eq!(Entry::read(&text.replace("v1", "v2")), None);
    }

    #[test]
    fn a_live_supervisor_writes_itself_down_and_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let register = folder.path().join("live");
        assert_eq!(end_leftovers(&register), [], "there is no register yet");
        let run = RunId("01RUN".to_owned());
        let live = Live::enter(&register, &run, None).unwrap();
        assert_eq!(entries(&register).len(), 1);
        assert_eq!(end_leftovers(&register), []);
        assert_eq!(entries(&register).len(), 1, "it lives");
        live.strike_out();
        assert_eq!(std::fs::read_dir(&register).unwrap().count(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_one_of_this_machine_whose_guard_is_dead_too_is_dead() {
        let own = own_name().to_owned();
        assert!(is_dead(&entry()));
        assert!(!is_dead(&Entry { guard: Some(own.clone()), ..entry() }), "its guard is at it");
        assert!(!is_dead(&Entry { supervisor: own.clone(), ..entry() }), "it is stopping the run");
        assert!(!is_dead(&Entry { host: "another".to_owned(), ..entry() }));
        let (pid, started) = own.split_once('@').unwrap();
        let recycled = format!("{pid}@{started}1");
        assert!(is_dead(&Entry { supervisor: recycled, ..entry() }), "another process has its id");
        let boot = started.split(':').next().unwrap();
        let elsewhere = Entry { supervisor: format!("{pid}@{boot}:1:1"), ..entry() };
        assert!(!is_dead(&elsewhere), "another namespace of ids cannot be seen");
    }
}
