//! The project's root: the nearest ancestor with an `orchestrate.toml`, else the top level of the
//! git repository's main worktree, else the working directory.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::cli::config::CONFIG_FILE;

/// Why a folder is the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootReason {
    /// It holds an `orchestrate.toml`.
    Config,
    /// It is the top level of the git repository's main worktree.
    Git,
    /// It is where we were started.
    Directory,
}

/// The project's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Absolute, without links.
    pub path: PathBuf,
    /// Why this one.
    pub reason: RootReason,
}

impl Root {
    /// Where its configuration would be.
    pub fn config_file(&self) -> PathBuf {
        self.path.join(CONFIG_FILE)
    }
}

/// Finds the root that belongs to `start`, an absolute folder.
pub fn find_root(start: &Path) -> Root {
    let start = dunce::canonicalize(start).unwrap_or_else(|_| start.to_path_buf());
    if let Some(folder) = start.ancestors().find(|folder| folder.join(CONFIG_FILE).is_file()) {
        return Root { path: folder.to_path_buf(), reason: RootReason::Config };
    }
    match start.ancestors().find_map(git_top_level) {
        Some(path) => Root { path, reason: RootReason::Git },
        None => Root { path: start, reason: RootReason::Directory },
    }
}

/// The top level of the main worktree of the repository whose (main or linked) worktree `folder` is.
fn git_top_level(folder: &Path) -> Option<PathBuf> {
    let mark = folder.join(".git");
    let kind = fs::metadata(&mark).ok()?;
    if kind.is_dir() {
        // An empty folder of this name is no repository.
        return mark.join("HEAD").exists().then(|| folder.to_path_buf());
    }
    let text = fs::read_to_string(&mark).ok()?;
    let git_dir = plain(&folder.join(text.strip_prefix("gitdir:")?.trim()));
    // Only a linked worktree has a `commondir`; a submodule is a repository of its own.
    let Ok(common) = fs::read_to_string(git_dir.join("commondir")) else {
        return git_dir.join("HEAD").exists().then(|| folder.to_path_buf());
    };
    let common = plain(&git_dir.join(common.trim()));
    let is_plain_repository = common.file_name().is_some_and(|name| name == ".git");
    let top = common.parent().filter(|_| is_plain_repository).filter(|top| top.is_dir());
    // A bare repository has no main worktree: the linked one stands for itself.
    let top = top.map_or_else(|| folder.to_path_buf(), Path::to_path_buf);
    Some(dunce::canonicalize(&top).unwrap_or(top))
}

/// Takes `.` and `..` out of a path.
fn plain(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                result.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => result.push(part),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = dunce::canonicalize(folder.path()).unwrap();
        (folder, path)
    }

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_nearest_configuration_counts_before_git() {
        let (_keep, top) = folder();
        write(&top.join(".git/HEAD"), "ref: refs/heads/main\n");
        fs::create_dir_all(top.join("a/b/c")).unwrap();
        assert_eq!(find_root(&top.join("a/b")), Root { path: top.clone(), reason: RootReason::Git });
        write(&top.join("orchestrate.toml"), "version = 1\n");
        write(&top.join("a/orchestrate.toml"), "version = 1\n");
        assert_eq!(find_root(&top.join("a/b/c")), Root { path: top.join("a"), reason: RootReason::Config });
    }

    #[test]
    fn without_either_it_is_where_we_are() {
        let (_keep, top) = folder();
        fs::create_dir_all(top.join("a")).unwrap();
        let root = find_root(&top.join("a"));
        // A temporary folder might lie within a repository; then that is the root.
        if root.reason == RootReason::Directory {
            assert_eq!(root.path, top.join("a"));
        } else {
            assert!(top.starts_with(&root.path));
        }
    }

    #[test]
    fn a_linked_worktree_leads_to_the_main_one() {
        let (_keep, top) = folder();
        let main = top.join("main");
        write(&main.join(".git/HEAD"), "ref: refs/heads/main\n");
        let own = main.join(".git/worktrees/w");
        write(&own.join("commondir"), "../..\n");
        write(&own.join("HEAD"), "ref: refs/heads/w\n");
        write(&top.join("w/.git"), &format!("gitdir: {}\n", own.display()));
        fs::create_dir_all(top.join("w/deep")).unwrap();
        assert_eq!(find_root(&top.join("w/deep")), Root { path: main, reason: RootReason::Git });
    }

    #[test]
    fn a_submodule_is_a_repository_of_its_own() {
        let (_keep, top) = folder();
        write(&top.join(".git/HEAD"), "x");
        write(&top.join(".git/modules/sub/HEAD"), "x");
        write(&top.join("sub/.git"), "gitdir: ../.git/modules/sub\n");
        assert_eq!(find_root(&top.join("sub")).path, top.join("sub"));
    }

    #[test]
    fn a_worktree_of_a_bare_repository_stands_for_itself() {
        let (_keep, top) = folder();
        write(&top.join("bare.git/worktrees/w/commondir"), "../..\n");
        write(&top.join("bare.git/worktrees/w/HEAD"), "x");
        write(&top.join("w/.git"), &format!("gitdir: {}\n", top.join("bare.git/worktrees/w").display()));
        assert_eq!(find_root(&top.join("w")).path, top.join("w"));
    }
}
