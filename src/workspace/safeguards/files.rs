//! Which files of a checkout are watched, and what they hold at one moment.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::census::Census;
use super::languages::role;
use crate::workspace::glob;
use crate::workspace::paths::Ours;
use crate::workspace::stamp::Marks;

/// How many files are watched. With more of them none is: a part would be a picture that lies.
const FILES: usize = 20_000;
/// Larger files are not read: no test that a person wrote is.
const LARGEST: u64 = 1 << 20;
/// How many bytes one look may read.
const BYTES: u64 = 256 << 20;
/// How long git may take to list the files.
const LISTING: Duration = Duration::from_secs(5);
/// Folders into which nothing is looked where git does not say what is ignored.
const NOT_OURS: [&str; 12] = [
    "node_modules",
    "target",
    "dist",
    "build",
    "out",
    "vendor",
    "venv",
    "__pycache__",
    "coverage",
    "Pods",
    "obj",
    "bin",
];

/// A file as it was seen last.
#[derive(Debug, Clone)]
pub(super) struct Known {
    marks: Marks,
    pub(super) census: Arc<Census>,
}

/// Where the files are.
#[derive(Debug)]
pub(super) struct Place {
    /// The checkout, absolute.
    pub(super) root: PathBuf,
    /// The program git; none: it is not there.
    pub(super) git: Option<PathBuf>,
    /// What is ours and never looked at.
    pub(super) ours: Ours,
}

impl Place {
    /// What the watched files hold. Those whose marks are as in `known` are not read again; `named` are
    /// watched whatever they are called.
    ///
    /// # Errors
    /// Why it cannot be told.
    pub(super) fn look(
        &self,
        known: &BTreeMap<String, Known>,
        named: &BTreeMap<String, Vec<String>>,
    ) -> Result<BTreeMap<String, Known>, String> {
        let mut paths = self.list()?;
        paths.retain(|path| role(path).is_some());
        paths.extend(named.keys().cloned());
        paths.sort_unstable();
        paths.dedup();
        if paths.len() > FILES {
            return Err(format!("{} files may hold tests, which are too many to watch", paths.len()));
        }
        let mut left = BYTES;
        let mut seen = BTreeMap::new();
        for path in paths {
            let absolute = self.root.join(&path);
            // A link is not followed: it may lead out of the checkout.
            let Ok(metadata) = fs::symlink_metadata(&absolute) else { continue };
            if !metadata.is_file() || metadata.len() > LARGEST {
                continue;
            }
            let marks = Marks::of(&metadata);
            if let Some(before) = known.get(&path).filter(|before| before.marks == marks) {
                seen.insert(path, before.clone());
                continue;
            }
            left = left
                .checked_sub(metadata.len())
                .ok_or("the files that may hold tests are too large to watch")?;
            let Ok(content) = fs::read(&absolute) else { continue };
            let census = Census::of(&String::from_utf8_lossy(&content), role(&path));
            // What shows no difference is the same file: one allocation for all looks.
            let census = match known.get(&path) {
                Some(before) if *before.census == census => Arc::clone(&before.census),
                Some(_) | None => Arc::new(census),
            };
            seen.insert(path, Known { marks, census });
        }
        Ok(seen)
    }

    /// All files of the checkout that are not ignored, relative with `/`.
    fn list(&self) -> Result<Vec<String>, String> {
        if let Some(git) = &self.git
            && let Some(listed) = listed_by_git(git, &self.root)?
        {
            return Ok(listed);
        }
        let found = glob::find(&self.root, "**/*", &self.ours).unwrap_or_default();
        if !found.whole {
            return Err("there are too many files, and no git to say which count".to_owned());
        }
        let counts = |path: &String| !path.split('/').any(|part| NOT_OURS.contains(&part));
        Ok(found.files.into_iter().map(|(path, _)| path).filter(counts).collect())
    }
}

/// What git lists; none: it is no repository.
fn listed_by_git(git: &Path, root: &Path) -> Result<Option<Vec<String>>, String> {
    let mut command = Command::new(git);
    // A watcher of git's own would outlive us.
    command.arg("-C").arg(root).args(["-c", "core.fsmonitor=false"]);
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(name);
    }
    let started = command
        .env("LC_ALL", "C")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else { return Ok(None) };
    let Some(listed) = read_in_time(&mut child) else {
        child.kill().ok();
        child.wait().ok();
        return Err("git took too long to list the files".to_owned());
    };
    if !child.wait().is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let paths = listed.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    Ok(Some(paths.filter_map(|path| String::from_utf8(path.to_vec()).ok()).collect()))
}

fn read_in_time(child: &mut Child) -> Option<Vec<u8>> {
    let mut stdout = child.stdout.take()?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.read_to_end(&mut bytes).is_ok();
        tell.send(read.then_some(bytes)).ok();
    });
    told.recv_timeout(LISTING).ok().flatten()
}
