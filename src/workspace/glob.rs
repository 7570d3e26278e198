//! The files that a glob means, found by walking.

use std::fs;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::paths::{Ours, inside};

/// How many entries are looked at for one glob.
const ENTRIES: usize = 20_000;
/// How deep folders are looked into.
const DEPTH: usize = 32;

/// The files that a glob means.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Relative path with `/`, and absolute path; sorted.
    pub(super) files: Vec<(String, PathBuf)>,
    /// Whether everything was looked at.
    pub(super) whole: bool,
}

/// Finds the files below `root` that `pattern` means; none: it is no glob, or leads out of `root`.
pub(super) fn find(root: &Path, pattern: &str, ours: &Ours) -> Option<Found> {
    let pattern = pattern.trim().trim_start_matches("./");
    if pattern.starts_with('/') || pattern.split('/').any(|part| part == "..") {
        return None;
    }
    let matcher = GlobBuilder::new(pattern).literal_separator(true).build().ok()?.compile_matcher();
    // Only what stands before the first sign of a glob has to be walked.
    let literal: Vec<&str> =
        pattern.split('/').take_while(|part| !part.contains(['*', '?', '[', '{'])).collect();
    let base = literal.join("/");
    let start = if base.is_empty() { root.to_path_buf() } else { inside(root, &base)?.absolute };
    let mut walk = Walk { matcher, ours, entries: 0, found: Found { files: Vec::new(), whole: true } };
    walk.folder(&start, &base, 0);
    walk.found.files.sort();
    Some(walk.found)
}

struct Walk<'a> {
    matcher: GlobMatcher,
    ours: &'a Ours,
    entries: usize,
    found: Found,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, shown: &str, depth: usize) {
        let Ok(list) = fs::read_dir(folder) else { return };
        for entry in list.filter_map(Result::ok) {
            self.entries += 1;
            if self.entries > ENTRIES {
                self.found.whole = false;
                return;
            }
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(kind) = entry.file_type() else { continue };
            if self.ours.has(&entry.path()) {
                continue;
            }
            let shown = if shown.is_empty() { name.clone() } else { format!("{shown}/{name}") };
            if kind.is_dir() {
                if name == ".git" {
                    continue;
                }
                if depth >= DEPTH {
                    self.found.whole = false;
                } else {
                    self.folder(&entry.path(), &shown, depth + 1);
                }
            } else if kind.is_file() && self.matcher.is_match(&shown) {
                self.found.files.push((shown, entry.path()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_walked_from_their_literal_beginning() {
        let keep = tempfile::tempdir().unwrap();
        let root = dunce::canonicalize(keep.path()).unwrap();
        for name in [
            "src/a.rs",
            "src/deep/b.rs",
            "src/c.txt",
            "other/d.rs",
            ".git/e.rs",
            "s/runs/1/f.rs",
            "s/orchestrate.db.rs",
        ] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let ours = Ours::of_run(&root.join("s/runs/1"));
        let names = |pattern: &str| {
            let found = find(&root, pattern, &ours)?;
            assert!(found.whole);
            Some(found.files.into_iter().map(|(shown, _)| shown).collect::<Vec<_>>().join(" "))
        };
        for (pattern, expected) in [
            ("src/*.rs", Some("src/a.rs")),
            ("src/**/*.rs", Some("src/a.rs src/deep/b.rs")),
            ("./src/*.{rs,txt}", Some("src/a.rs src/c.txt")),
            ("**/*.rs", Some("other/d.rs src/a.rs src/deep/b.rs")),
            ("s/**", Some("")),
            ("none/*.rs", Some("")),
            ("../*.rs", None),
            ("/etc/*", None),
            ("src/[a", None),
        ] {
            assert_eq!(names(pattern).as_deref(), expected, "{pattern}");
        }
    }
}
