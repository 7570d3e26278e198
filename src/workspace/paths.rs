//! Paths that stay inside a folder.

use std::path::{Component, Path, PathBuf};

/// The files of ours that lie in the checkout and change all the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ours {
    /// The folder of all runs; beside it lie the database's files.
    pub(super) runs: PathBuf,
}

impl Ours {
    /// What belongs to the run with this folder.
    pub(super) fn of_run(run_folder: &Path) -> Self {
        Self { runs: run_folder.parent().unwrap_or(run_folder).to_path_buf() }
    }

    /// Whether an entry of a folder is ours.
    pub(super) fn has(&self, entry: &Path) -> bool {
        let is_database = || {
            entry.parent() == self.runs.parent()
                && entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with("orchestrate.db"))
        };
        entry == self.runs || is_database()
    }
}

/// A path inside a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inside {
    /// Absolute.
    pub(super) absolute: PathBuf,
    /// Relative to the folder, with `/`.
    pub(super) shown: String,
}

/// Where `text` leads, seen from `root` (absolute, without links); none: out of it, or it is the
/// folder itself.
///
/// `.` and `..` are taken out first; then no part of the way that exists may be a link that leads
/// out of the folder.
pub(super) fn inside(root: &Path, text: &str) -> Option<Inside> {
    let text = text.trim();
    if text.contains('\0') {
        return None;
    }
    let given = if cfg!(windows) { PathBuf::from(text.replace('/', "\\")) } else { PathBuf::from(text) };
    let relative = if given.is_absolute() { given.strip_prefix(root).ok()?.to_path_buf() } else { given };
    let mut parts: Vec<String> = Vec::new();
    for part in relative.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::Normal(name) => parts.push(name.to_str()?.to_owned()),
            // `\x` and `C:x` on Windows: neither is relative to the folder.
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    if parts.is_empty() {
        return None;
    }
    let absolute: PathBuf = root.join(parts.iter().collect::<PathBuf>());
    stays_inside(root, &absolute).then(|| Inside { absolute, shown: parts.join("/") })
}

/// Whether the deepest part of the way that exists lies in the folder, links followed.
fn stays_inside(root: &Path, path: &Path) -> bool {
    for part in path.ancestors().take_while(|part| part.starts_with(root)) {
        match dunce::canonicalize(part) {
            Ok(real) => return real.starts_with(root),
            // A link that leads nowhere could be made to lead anywhere.
            Err(_) if part.symlink_metadata().is_ok() => return false,
            Err(_) => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, PathBuf) {
        let keep = tempfile::tempdir().unwrap();
        let root = dunce::canonicalize(keep.path()).unwrap();
        (keep, root)
    }

    #[test]
    fn paths_are_made_plain_and_kept_inside() {
        let (_keep, root) = root();
        let shown = |text: &str| inside(&root, text).map(|path| path.shown);
        for (text, expected) in [
            ("src/a.rs", Some("src/a.rs")),
            ("./src//b/../a.rs", Some("src/a.rs")),
            (" a.md ", Some("a.md")),
            ("dist/", Some("dist")),
            ("../a", None),
            ("a/../../b", None),
            ("/etc/passwd", None),
            (".", None),
            ("", None),
            ("a\0b", None),
        ] {
            assert_eq!(shown(text).as_deref(), expected, "{text:?}");
        }
        let absolute = root.join("x").join("y.rs");
        assert_eq!(shown(absolute.to_str().unwrap()).as_deref(), Some("x/y.rs"));
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_out_are_refused_and_others_are_not() {
        use std::fs;
        use std::os::unix::fs::symlink;
        let (_keep, root) = root();
        let (_other, outside) = self::root();
        fs::write(outside.join("secret"), "x").unwrap();
        fs::create_dir(root.join("real")).unwrap();
        symlink(&outside, root.join("out")).unwrap();
        symlink(outside.join("secret"), root.join("file")).unwrap();
        symlink(root.join("real"), root.join("in")).unwrap();
        symlink(outside.join("nothing"), root.join("broken")).unwrap();
        for text in ["out", "out/secret", "out/new/deep", "file", "broken"] {
            assert_eq!(inside(&root, text), None, "{text}");
        }
        assert_eq!(inside(&root, "in/x").map(|path| path.shown).as_deref(), Some("in/x"));
    }
}
