//! Which tasks name a common file: globs overlap, a folder covers what is in it.
//!
//! Paths without a glob meet in a map, each with the folders around it, so that many tasks with many files
//! cost no more than their paths. Only globs are compared with everything that shares their fixed
//! beginning. Two globs overlap if one matches the other's text, or if their fixed beginnings lie in
//! each other: that errs towards keeping tasks apart.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use globset::GlobBuilder;
use globset::GlobMatcher;

use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::task::Entry;
use crate::model::task::TaskSpec;

/// The most pairs that are kept: beyond it, tasks are many and their files say little.
const MOST_PAIRS: usize = 200_000;

/// The most tasks on one path whose pairs are all made.
const MOST_TOGETHER: usize = 1_000;

/// The most comparisons of globs that are made.
const MOST_COMPARED: usize = 2_000_000;

/// The most pairs that are told one by one.
const MOST_TOLD: usize = 20;

struct Claim {
    task: usize,
    writes: bool,
    /// The path up to its first wildcard, cut at a `/`.
    fixed: String,
    /// Whether the path is a glob.
    wild: bool,
    /// Made when it is first asked: most globs meet nothing that shares their beginning.
    matcher: OnceCell<Option<GlobMatcher>>,
    path: String,
}

impl Claim {
    fn new(task: usize, writes: bool, wild: bool, path: String) -> Self {
        let fixed = if wild { fixed_part(&path) } else { path.clone() };
        Self { task, writes, fixed, wild, matcher: OnceCell::new(), path }
    }

    /// Whether the glob matches a path, or the text of another glob.
    fn matches(&self, path: &str) -> bool {
        path.ends_with(ending(&self.path))
            && self
                .matcher
                .get_or_init(|| matcher(&self.path))
                .as_ref()
                .is_some_and(|glob| glob.is_match(path))
    }
}

/// The pairs of tasks that must not run at once, the earlier one first; tasks that do not run have none,
/// nor have two of which one waits for the other directly.
pub(crate) fn find(tasks: &[TaskSpec], diagnostics: &mut Vec<Diagnostic>) -> Vec<(usize, usize)> {
    let mut plain: BTreeMap<String, Vec<(usize, bool)>> = BTreeMap::new();
    let mut claims: Vec<Claim> = Vec::new();
    let mut globs: Vec<usize> = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        if matches!(task.entry, Entry::Skip { .. }) {
            continue;
        }
        for file in &task.files {
            let path = file.path.trim_end_matches('/').to_owned();
            if file.is_glob() {
                globs.push(claims.len());
            } else {
                plain.entry(path.clone()).or_default().push((index, file.writes()));
            }
            claims.push(Claim::new(index, file.writes(), file.is_glob(), path));
        }
    }
    let mut pairs: BTreeMap<(usize, usize), String> = BTreeMap::new();
    let mut add = |a: (usize, bool), b: (usize, bool), path: &str| {
        if a.0 != b.0 && (a.1 || b.1) && pairs.len() < MOST_PAIRS {
            pairs.entry((a.0.min(b.0), a.0.max(b.0))).or_insert_with(|| path.to_owned());
        }
    };
    let mut budget = MOST_COMPARED;
    for (path, here) in &plain {
        // Beyond as many, all pairs are more than are kept anyway.
        let here = &here[..here.len().min(MOST_TOGETHER)];
        for (index, first) in here.iter().enumerate() {
            for second in &here[index + 1..] {
                add(*first, *second, path);
            }
        }
        // A folder that is claimed as a whole covers what is in it.
        let mut end = path.len();
        while let Some(slash) = path[..end].rfind('/') {
            end = slash;
            if let Some(around) = plain.get(&path[..end]) {
                for first in around.iter().take(MOST_TOGETHER) {
                    budget = budget.saturating_sub(here.len());
                    if budget == 0 {
                        break;
                    }
                    for second in here {
                        add(*first, *second, path);
                    }
                }
            }
        }
    }
    let mut by_fixed: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, claim) in claims.iter().enumerate() {
        by_fixed.entry(&claim.fixed).or_default().push(index);
    }
    for index in globs {
        let claim = &claims[index];
        let below =
            by_fixed.range(claim.fixed.as_str()..).take_while(|(path, _)| path.starts_with(&claim.fixed));
        let around = folders(&claim.fixed).filter_map(|folder| by_fixed.get_key_value(folder));
        for (_, others) in below.chain(around) {
            for other in others {
                budget = budget.saturating_sub(1);
                if budget == 0 {
                    break;
                }
                let other = &claims[*other];
                if other.task != claim.task && overlap(claim, other) {
                    add((claim.task, claim.writes), (other.task, other.writes), &other.path);
                }
            }
        }
    }
    let crowded = plain.values().any(|here| here.len() > MOST_TOGETHER);
    if budget == 0 || crowded || pairs.len() >= MOST_PAIRS {
        diagnostics.push(
            Diagnostic::warning(
                "same-file",
                Place::WHOLE,
                "too many tasks name the same files to keep all of them apart",
            )
            .hint("run them with --isolation worktree, or one at a time with --jobs 1"),
        );
    }
    let direct: BTreeSet<(usize, usize)> = waits(tasks, &pairs);
    pairs.retain(|pair, _| !direct.contains(pair));
    tell(tasks, &pairs, diagnostics);
    pairs.into_keys().collect()
}

/// Pairs of which one waits for the other: they are apart without being kept apart.
fn waits(tasks: &[TaskSpec], pairs: &BTreeMap<(usize, usize), String>) -> BTreeSet<(usize, usize)> {
    let by_id: BTreeMap<&str, usize> =
        tasks.iter().enumerate().map(|(index, task)| (task.id.as_str(), index)).collect();
    let mut direct = BTreeSet::new();
    for task in pairs.keys().flat_map(|(a, b)| [*a, *b]).collect::<BTreeSet<_>>() {
        for need in &tasks[task].needs {
            if let Some(first) = by_id.get(need.task.as_str()) {
                direct.insert((task.min(*first), task.max(*first)));
            }
        }
    }
    direct
}

fn tell(tasks: &[TaskSpec], pairs: &BTreeMap<(usize, usize), String>, diagnostics: &mut Vec<Diagnostic>) {
    for ((first, second), path) in pairs.iter().take(MOST_TOLD) {
        let (a, b) = (&tasks[*first], &tasks[*second]);
        let message =
            format!("tasks `{}` and `{}` both name `{path}`: they will not run together", a.id, b.id);
        diagnostics.push(
            Diagnostic::note("same-file", Place::line(b.line), message).in_optional_file(b.file.as_deref()),
        );
    }
    if pairs.len() > MOST_TOLD {
        let message = format!("{} more pairs of tasks name the same files", pairs.len() - MOST_TOLD);
        diagnostics.push(Diagnostic::note("same-file", Place::WHOLE, message));
    }
}

fn matcher(path: &str) -> Option<GlobMatcher> {
    let path = path.trim_end_matches('/');
    GlobBuilder::new(path).literal_separator(true).build().ok().map(|glob| glob.compile_matcher())
}

fn fixed_part(path: &str) -> String {
    let wild = path.find(['*', '?', '[', '{']).unwrap_or(path.len());
    path[..wild].rfind('/').map_or("", |slash| &path[..slash]).to_owned()
}

/// The folders around a path, and the root.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    let cuts = path.match_indices('/').map(|(at, _)| at);
    let root = (!path.is_empty()).then_some("");
    root.into_iter().chain(cuts.map(move |at| &path[..at]))
}

fn overlap(a: &Claim, b: &Claim) -> bool {
    match (a.wild, b.wild) {
        (true, false) => a.matches(&b.path) || covers(&b.path, &a.fixed),
        (false, true) => b.matches(&a.path) || covers(&a.path, &b.fixed),
        (true, true) => {
            let nested = covers(&a.fixed, &b.fixed) || covers(&b.fixed, &a.fixed);
            (nested && endings_agree(&a.path, &b.path)) || a.matches(&b.path) || b.matches(&a.path)
        }
        (false, false) => a.path == b.path || covers(&a.path, &b.path) || covers(&b.path, &a.path),
    }
}

/// Whether a folder is a path or holds it. The root, which no claim names, holds everything.
fn covers(folder: &str, path: &str) -> bool {
    folder.is_empty() || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// What stands after the last wildcard of a glob.
fn ending(path: &str) -> &str {
    path.rsplit(['*', '?', ']', '}']).next().unwrap_or("")
}

/// Whether what stands after the last wildcard of both may be the end of one path.
fn endings_agree(a: &str, b: &str) -> bool {
    let (a, b) = (ending(a), ending(b));
    a.ends_with(b) || b.ends_with(a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(path: &str) -> Claim {
        Claim::new(0, true, path.contains(['*', '?', '[', '{']), path.to_owned())
    }

    #[test]
    fn claims_overlap() {
        for (a, b, together) in [
            ("src/a.rs", "src/a.rs", true),
            ("src/a.rs", "src/b.rs", false),
            ("src/*.rs", "src/a.rs", true),
            ("src/*.rs", "src/deep/a.rs", false),
            ("src/**", "src/deep/a.rs", true),
            ("src", "src/deep/*.rs", true),
            ("src/*.rs", "src/*.md", false),
            ("src/a*", "src/*b", true),
            ("*.md", "src/a.rs", false),
            ("src", "srcs/a", false),
        ] {
            assert_eq!(overlap(&claim(a), &claim(b)), together, "{a} {b}");
            assert_eq!(overlap(&claim(b), &claim(a)), together, "{b} {a}");
        }
    }
}
