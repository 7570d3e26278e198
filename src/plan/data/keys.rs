//! Keys of tasks in JSON: those that tools spell in several ways, and what is kept of those nobody knows.
//!
//! A key that means nothing here is text for the agent. Numbers and times that tools keep for themselves are
//! not, and neither are maps: what they mean is unknown.

use super::draft;
use super::json::Node;
use super::json::Value;
use crate::model::task::FileClaim;
use crate::plan::values;

/// What a task waits for.
const DEPENDENCIES: &[&str] = &["dependencies", "dependsOn", "depends_on", "blockedBy", "blocked_by"];

/// What has to hold when it is done.
const CRITERIA: &[&str] =
    &["acceptanceCriteria", "acceptance_criteria", "acceptance", "successCriteria", "success_criteria"];

/// Files it touches.
const FILES: &[&str] = &["files", "filesToModify", "files_to_modify", "filesToCreate", "files_to_create"];

/// Keys that are read elsewhere, or that tools keep for themselves.
const KNOWN: &[&str] = &[
    "id",
    "title",
    "name",
    "description",
    "details",
    "testStrategy",
    "status",
    "passes",
    "priority",
    "subtasks",
    "assignee",
    "agent",
    "notes",
    "labels",
    "parentId",
    "parentTaskId",
    "parent_id",
    "created",
    "createdAt",
    "created_at",
    "updated",
    "updatedAt",
    "updated_at",
    "completedAt",
    "completed_at",
    "complexityScore",
    "recommendedSubtasks",
    "expansionPrompt",
];

/// What a task waits for, as written, under any of the keys that say so.
pub(super) fn dependencies<'n, 't>(node: &'n Node<'t>) -> Vec<&'n Node<'t>> {
    let found = DEPENDENCIES.iter().filter_map(|key| node.get(key));
    found
        .flat_map(|found| if found.is_list() { found.list() } else { std::slice::from_ref(found) })
        .filter(|one| !matches!(one.value, Value::Null))
        .collect()
}

/// The criteria of a task.
pub(super) fn criteria(node: &Node<'_>) -> Vec<String> {
    CRITERIA.iter().filter_map(|key| node.get(key)).flat_map(texts).collect()
}

/// The files of a task, relative to the project.
pub(super) fn files(node: &Node<'_>) -> Vec<FileClaim> {
    let paths = FILES.iter().filter_map(|key| node.get(key)).flat_map(texts);
    let paths = paths.filter(|path| !path.contains(char::is_whitespace));
    paths.filter_map(|path| Some(FileClaim { verb: None, path: values::inside(&path)? })).collect()
}

/// What else is said of a task, as text.
pub(super) fn others(node: &Node<'_>) -> String {
    let read = |key: &str| [KNOWN, DEPENDENCIES, CRITERIA].iter().any(|keys| keys.contains(&key));
    let mut parts: Vec<(String, String)> = Vec::new();
    for entry in node.entries().iter().filter(|entry| !read(&entry.key)) {
        let found = texts(&entry.node);
        let text = match found.as_slice() {
            [] => continue,
            [one] if !entry.node.is_list() => one.clone(),
            several => several.iter().map(|one| format!("- {one}")).collect::<Vec<_>>().join("\n"),
        };
        parts.push((label(&entry.key), text));
    }
    let parts: Vec<(&str, Option<&str>)> =
        parts.iter().map(|(label, text)| (label.as_str(), Some(text.as_str()))).collect();
    draft::body(&parts)
}

/// A text, or the texts of a list.
fn texts(node: &Node<'_>) -> Vec<String> {
    let one = std::slice::from_ref(node);
    let nodes = if node.is_list() { node.list() } else { one };
    let texts =
        nodes.iter().filter_map(|node| if let Value::Text(text) = &node.value { Some(text) } else { None });
    texts.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

/// A key as a label: `test_file` is `Test file`.
fn label(key: &str) -> String {
    let mut label = String::with_capacity(key.len() + 4);
    let mut after_small = false;
    for c in key.chars() {
        let is_cut = matches!(c, '_' | '-' | ' ');
        if (is_cut || (c.is_uppercase() && after_small)) && !label.is_empty() && !label.ends_with(' ') {
            label.push(' ');
        }
        after_small = !c.is_uppercase();
        if label.is_empty() && !is_cut {
            label.extend(c.to_uppercase());
        } else if !is_cut {
            label.push(c);
        }
    }
    label.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_labels() {
        for (key, expected) in [
            ("testFile", "Test File"),
            ("test_file", "Test file"),
            ("notes", "Notes"),
            ("prdRef2", "Prd Ref2"),
            ("usesURL", "Uses URL"),
            ("_", ""),
        ] {
            assert_eq!(label(key), expected, "{key}");
        }
    }
}
