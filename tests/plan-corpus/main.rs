//! Reads real plans of other projects and compares with what a careful person takes out of them.
//!
//! The corpus is no part of this project: it is looked for beside the package, and the test says aloud
//! when it is not there. Files whose format has no reader of its own yet stand in a list here, with
//! the reason; one that begins to pass has to leave it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use orchestrate::model::task::PlanStatus;
use orchestrate::plan;
use orchestrate::plan::Dependency;
use orchestrate::plan::ReadOptions;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

/// Files that the generic rules do not read as expected, and why.
const NOT_YET: &[(&str, &str)] = &[];

fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    [root.join("../shared/plans/corpus")].into_iter().find(|path| path.join("SOURCES.tsv").is_file())
}

fn simple(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(middle) = rest.find("](") {
        let Some(end) = rest[middle..].find(')') else { break };
        let open = rest[..middle].rfind('[').unwrap_or(0);
        plain.push_str(&rest[..open]);
        plain.push_str(&rest[(open + 1).min(middle)..middle]);
        rest = &rest[middle + end + 1..];
    }
    plain.push_str(rest);
    let kept: String = plain.nfc().filter(|c| !matches!(c, '`' | '*' | '_' | '~')).collect();
    let words: Vec<&str> = kept.split_whitespace().collect();
    let joined = words.join(" ");
    joined.strip_suffix(':').unwrap_or(&joined).trim().to_owned()
}

fn compare(path: &Path, name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = std::fs::read_to_string(path.with_extension("expected.json")).unwrap_or_default();
    let expected: Value = serde_json::from_str(&text).unwrap_or_default();
    let read = plan::read(&bytes, &ReadOptions { path: Some(name.to_owned()), ..ReadOptions::default() });
    let empty = Vec::new();
    let list = |key: &str| expected.get(key).and_then(Value::as_array).unwrap_or(&empty);
    let soft: BTreeSet<&str> = list("soft").iter().filter_map(Value::as_str).collect();
    let tasks = list("tasks");
    if tasks.len() != read.tasks.len() {
        let lines: Vec<u32> = read.tasks.iter().map(|task| task.line).collect();
        wrong.push(format!("{} tasks instead of {}: lines {lines:?}", read.tasks.len(), tasks.len()));
    }
    let mut key_of: BTreeMap<usize, String> = BTreeMap::new();
    let by_line: BTreeMap<u64, usize> =
        read.tasks.iter().enumerate().map(|(index, task)| (u64::from(task.line), index)).collect();
    let group_lines: BTreeMap<u64, usize> =
        read.groups.iter().enumerate().map(|(index, group)| (u64::from(group.line), index)).collect();
    let mut group_keys: BTreeMap<usize, String> = BTreeMap::new();
    for group in list("groups") {
        let key = group["key"].as_str().unwrap_or("");
        match group["line"].as_u64().and_then(|line| group_lines.get(&line)) {
            Some(index) => {
                group_keys.insert(*index, key.to_owned());
            }
            None => wrong.push(format!("group {key} not found")),
        }
    }
    for task in tasks {
        let line = task["line"].as_u64().unwrap_or(0);
        let Some(index) = by_line.get(&line) else { continue };
        key_of.insert(*index, task["id"].as_str().map_or_else(|| format!("L{line}"), str::to_owned));
    }
    for task in tasks {
        let line = task["line"].as_u64().unwrap_or(0);
        let Some(found) = by_line.get(&line).map(|index| &read.tasks[*index]) else {
            wrong.push(format!("no task on line {line}"));
            continue;
        };
        let mut field = |name: &str, is: &str, should: &str| {
            if is != should && !soft.contains(name) {
                wrong.push(format!("line {line} {name}: {is:?} instead of {should:?}"));
            }
        };
        if let Some(id) = task["id"].as_str() {
            field("id", found.id.as_str(), id);
        }
        field("title", &simple(&found.title), &simple(task["title"].as_str().unwrap_or("")));
        let alternatives: Vec<&str> = task
            .get("status_alt")
            .map(|alt| {
                alt.as_array().map_or_else(
                    || alt.as_str().into_iter().collect(),
                    |l| l.iter().filter_map(Value::as_str).collect(),
                )
            })
            .unwrap_or_default();
        if !alternatives.contains(&found.status.as_str()) {
            field("status", found.status.as_str(), task["status"].as_str().unwrap_or(""));
        }
        let mut edges: Vec<String> = found
            .depends_on
            .iter()
            .map(|dependency| match dependency {
                Dependency::Task(task) => key_of.get(task).cloned().unwrap_or_default(),
                Dependency::Group(group) => group_keys.get(group).cloned().unwrap_or_default(),
            })
            .chain(found.missing.iter().cloned())
            .collect();
        edges.sort();
        let mut should: Vec<&str> =
            task["depends_on"].as_array().unwrap_or(&empty).iter().filter_map(Value::as_str).collect();
        should.sort_unstable();
        field("depends_on", &edges.join(" "), &should.join(" "));
        if let Some(optional) = task.get("optional").and_then(Value::as_bool) {
            field("optional", &found.optional.to_string(), &optional.to_string());
        }
        if let Some(parallel) = task.get("parallel").and_then(Value::as_bool) {
            field("parallel", &found.parallel.unwrap_or(false).to_string(), &parallel.to_string());
        }
    }
    for group in list("groups") {
        let should: BTreeSet<&str> =
            group["depends_on"].as_array().unwrap_or(&empty).iter().filter_map(Value::as_str).collect();
        let Some(found) = group["line"].as_u64().and_then(|line| group_lines.get(&line)) else { continue };
        let is: BTreeSet<&str> = read.groups[*found]
            .depends_on
            .iter()
            .filter_map(|dependency| match dependency {
                Dependency::Group(group) => group_keys.get(group).map(String::as_str),
                Dependency::Task(task) => key_of.get(task).map(String::as_str),
            })
            .collect();
        if is != should {
            wrong.push(format!("group {} depends on {is:?} instead of {should:?}", group["key"]));
        }
    }
    for not in list("not_tasks") {
        for range in not["lines"].as_array().unwrap_or(&empty) {
            let (from, to) = (range[0].as_u64().unwrap_or(1), range[1].as_u64().unwrap_or(0));
            if let Some(line) = by_line.keys().find(|line| (from..=to).contains(line)) {
                wrong.push(format!("task on line {line}, which is {}", not["why"]));
            }
        }
    }
    if !soft.contains("ready") && expected.get("ready").is_some() {
        let waiting: BTreeSet<&str> = read
            .edges
            .iter()
            .filter(|edge| {
                read.tasks.iter().any(|task| {
                    task.id == edge.from
                        && !task.optional
                        && matches!(task.status, PlanStatus::Open | PlanStatus::InProgress)
                })
            })
            .map(|edge| edge.to.as_str())
            .collect();
        let is: BTreeSet<String> = read
            .tasks
            .iter()
            .enumerate()
            .filter(|(_, task)| {
                matches!(task.status, PlanStatus::Open | PlanStatus::InProgress)
                    && task.held.is_empty()
                    && !task.optional
                    && !read.over
                    && !waiting.contains(task.id.as_str())
            })
            .map(|(index, task)| key_of.get(&index).cloned().unwrap_or_else(|| task.id.to_string()))
            .collect();
        let should: BTreeSet<String> =
            list("ready").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        if is != should {
            wrong.push(format!("ready {is:?} instead of {should:?}"));
        }
    }
    let sequential = expected.get("mode").and_then(Value::as_str) == Some("sequential");
    if sequential != read.mode_sequential {
        wrong.push(format!("mode sequential: {}", read.mode_sequential));
    }
    if read.has_errors() {
        let errors: Vec<String> = read
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.is_error())
            .map(|diagnostic| format!("{}:{} {}", diagnostic.code, diagnostic.place.line, diagnostic.message))
            .collect();
        wrong.push(format!("errors: {errors:?}"));
    }
    wrong
}

#[test]
fn real_plans_give_the_tasks_that_a_person_finds() {
    let Some(corpus) = corpus() else {
        println!("skipped: the corpus of plans is not beside the package");
        return;
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for family in std::fs::read_dir(&corpus).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        for file in std::fs::read_dir(family.path()).unwrap().flatten() {
            let path = file.path();
            if path.with_extension("expected.json").is_file()
                && !path.to_string_lossy().ends_with(".expected.json")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    let known: BTreeMap<&str, &str> = NOT_YET.iter().copied().collect();
    let (mut passed, mut bad) = (0, Vec::new());
    for path in &files {
        let name = path.strip_prefix(&corpus).unwrap().to_string_lossy().replace('\\', "/");
        let wrong = compare(path, &name);
        match (wrong.is_empty(), known.get(name.as_str())) {
            (true, None) => {
                passed += 1;
                println!("ok       {name}");
            }
            (true, Some(_)) => bad.push(format!("{name} passes: take it out of the list")),
            (false, Some(reason)) => println!("not yet  {name}: {reason} ({})", wrong[0]),
            (false, None) => {
                println!("WRONG    {name}");
                for line in wrong.iter().take(6) {
                    println!("           {line}");
                }
                bad.push(name);
            }
        }
    }
    println!("{passed} of {} files as expected", files.len());
    assert!(bad.is_empty(), "{bad:#?}");
}
