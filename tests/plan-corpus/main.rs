//! Reads real plans of other projects and compares with what a careful person takes out of them.
//!
//! The corpus is no part of this project: it is looked for beside the package, and the test says aloud
//! when it is not there. Files whose format has no reader of its own yet stand in a list here, with
//! the reason; one that begins to pass has to leave it.

mod native;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use orchestrate::model::task::PlanStatus;
use orchestrate::model::task::TaskKind;
use orchestrate::plan;
use orchestrate::plan::Defaults;
use orchestrate::plan::Dependency;
use orchestrate::plan::Plan;
use orchestrate::plan::PlanTask;
use orchestrate::plan::ReadOptions;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

/// Files that the generic rules do not read as expected: why, and what alone may differ (how those
/// differences begin; nothing: all of it).
const NOT_YET: &[(&str, &str, &str)] = &[];

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

/// A plan as read beside what is expected of it.
struct Pair {
    read: Plan,
    expected: Value,
    by_line: BTreeMap<u64, usize>,
    group_lines: BTreeMap<u64, usize>,
    group_keys: BTreeMap<usize, String>,
    key_of: BTreeMap<usize, String>,
    wrong: Vec<String>,
    /// Fields that a good reader may miss, and that were missed.
    missed: Vec<String>,
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn words<'v>(value: &'v Value, key: &str) -> BTreeSet<&'v str> {
    list(value, key).iter().filter_map(Value::as_str).collect()
}

impl Pair {
    fn new(path: &Path, name: &str) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        let text = std::fs::read_to_string(path.with_extension("expected.json")).unwrap_or_default();
        let expected: Value = serde_json::from_str(&text).unwrap_or_default();
        let read = plan::read(&bytes, &ReadOptions { path: Some(name.to_owned()), ..ReadOptions::default() });
        let by_line: BTreeMap<u64, usize> =
            read.tasks.iter().enumerate().map(|(index, task)| (u64::from(task.line), index)).collect();
        let group_lines: BTreeMap<u64, usize> =
            read.groups.iter().enumerate().map(|(index, group)| (u64::from(group.line), index)).collect();
        let mut wrong = Vec::new();
        let mut group_keys = BTreeMap::new();
        for group in list(&expected, "groups") {
            let key = group["key"].as_str().unwrap_or("");
            match group["line"].as_u64().and_then(|line| group_lines.get(&line)) {
                Some(index) => {
                    group_keys.insert(*index, key.to_owned());
                }
                None => wrong.push(format!("group {key} not found")),
            }
        }
        let mut key_of = BTreeMap::new();
        for task in list(&expected, "tasks") {
            let line = task["line"].as_u64().unwrap_or(0);
            if let Some(index) = by_line.get(&line) {
                key_of.insert(*index, task["id"].as_str().map_or_else(|| format!("L{line}"), str::to_owned));
            }
        }
        Self { read, expected, by_line, group_lines, group_keys, key_of, wrong, missed: Vec::new() }
    }

    fn names(&self, dependencies: &[Dependency]) -> BTreeSet<String> {
        let name = |dependency: &Dependency| match dependency {
            Dependency::Task(task) => self.key_of.get(task).cloned().unwrap_or_default(),
            Dependency::Group(group) => self.group_keys.get(group).cloned().unwrap_or_default(),
        };
        dependencies.iter().map(name).collect()
    }

    fn tasks(&mut self) {
        let expected = self.expected.clone();
        let tasks = list(&expected, "tasks");
        if tasks.len() != self.read.tasks.len() {
            let lines: Vec<u32> = self.read.tasks.iter().map(|task| task.line).collect();
            self.wrong.push(format!("{} tasks instead of {}: lines {lines:?}", lines.len(), tasks.len()));
        }
        let soft = words(&expected, "soft");
        // Not asked for, and shown all the same.
        let mut missed: BTreeSet<&str> = BTreeSet::new();
        for task in tasks {
            let line = task["line"].as_u64().unwrap_or(0);
            match self.by_line.get(&line) {
                Some(index) => {
                    let wrong = self.task(task, *index);
                    missed.extend(wrong.iter().map(|(name, _)| *name).filter(|name| soft.contains(name)));
                    let counts = |(name, _): &(&str, String)| !soft.contains(name);
                    self.wrong.extend(
                        wrong
                            .into_iter()
                            .filter(counts)
                            .map(|(name, text)| format!("line {line} {name}: {text}")),
                    );
                }
                None => self.wrong.push(format!("no task on line {line}")),
            }
        }
        self.missed = missed.into_iter().map(str::to_owned).collect();
    }

    fn task(&self, task: &Value, index: usize) -> Vec<(&'static str, String)> {
        let found = &self.read.tasks[index];
        let mut wrong = Vec::new();
        let mut field = |name: &'static str, is: &str, should: &str| {
            if is != should {
                wrong.push((name, format!("{is:?} instead of {should:?}")));
            }
        };
        if let Some(id) = task["id"].as_str() {
            field("id", found.id.as_str(), id);
        }
        field("title", &simple(&found.title), &simple(task["title"].as_str().unwrap_or("")));
        let mut alternatives = words(task, "status_alt");
        alternatives.extend(task.get("status_alt").and_then(Value::as_str));
        if !alternatives.contains(found.status.as_str()) {
            field("status", found.status.as_str(), task["status"].as_str().unwrap_or(""));
        }
        let mut edges = self.names(&found.depends_on);
        edges.extend(found.missing.iter().cloned());
        let should: Vec<&str> = words(task, "depends_on").into_iter().collect();
        field("depends_on", &edges.into_iter().collect::<Vec<_>>().join(" "), &should.join(" "));
        for (name, is) in [("optional", Some(found.optional)), ("parallel", found.parallel)] {
            if let Some(should) = task.get(name).and_then(Value::as_bool) {
                field(name, &is.unwrap_or(false).to_string(), &should.to_string());
            }
        }
        let chain: Vec<&Defaults> = std::iter::once(&found.own)
            .chain(self.groups_around(found).into_iter().map(|group| &self.read.groups[group].defaults))
            .chain(std::iter::once(&self.read.defaults))
            .collect();
        for name in ["agent", "model"] {
            if let Some(should) = task.get(name).and_then(Value::as_str) {
                let of = |defaults: &&Defaults| match name {
                    "agent" => defaults.agent.clone(),
                    _ => defaults.model.clone(),
                };
                let is = chain.iter().find_map(of).unwrap_or_default().to_lowercase();
                field(name, &is, &should.to_lowercase());
            }
        }
        if let Some(should) = task.get("priority").and_then(Value::as_str) {
            let should = should.to_lowercase();
            let number = match should.as_str() {
                "critical" => "0",
                "high" => "1",
                "medium" => "2",
                "low" => "3",
                other => other.trim_start_matches(['P', 'p']),
            };
            let is = chain.iter().find_map(|defaults| defaults.priority);
            field("priority", &is.map_or_else(String::new, |priority| priority.to_string()), number);
        }
        if task.get("files").is_some() {
            let is: BTreeSet<&str> = found.files.iter().map(|claim| claim.path.as_str()).collect();
            let joined = |files: BTreeSet<&str>| files.into_iter().collect::<Vec<_>>().join(" ");
            field("files", &joined(is), &joined(words(task, "files")));
        }
        if let Some(should) = task.get("verify").and_then(Value::as_str) {
            let is: Vec<&str> = found.own.verify.iter().map(|command| command.text.as_str()).collect();
            field("verify", &is.join("; "), should);
        }
        if let Some(should) = task.get("kind").and_then(Value::as_str) {
            let is = match found.kind {
                TaskKind::Task => "task",
                TaskKind::Checkpoint => "checkpoint",
                TaskKind::Gate => "gate",
            };
            field("kind", is, should);
        }
        wrong
    }

    /// The groups around a task, innermost first.
    fn groups_around(&self, task: &PlanTask) -> Vec<usize> {
        std::iter::successors(task.group, |group| self.read.groups[*group].parent).collect()
    }

    fn groups(&mut self) {
        let expected = self.expected.clone();
        for group in list(&expected, "groups") {
            let Some(found) = group["line"].as_u64().and_then(|line| self.group_lines.get(&line)) else {
                continue;
            };
            let should: BTreeSet<String> =
                words(group, "depends_on").into_iter().map(str::to_owned).collect();
            let group_found = &self.read.groups[*found];
            let mut is = self.names(&group_found.depends_on);
            is.extend(group_found.missing.iter().cloned());
            if is != should {
                self.wrong.push(format!("group {} depends on {is:?} instead of {should:?}", group["key"]));
            }
        }
    }

    fn not_tasks(&mut self) {
        let expected = self.expected.clone();
        for not in list(&expected, "not_tasks") {
            for range in list(not, "lines") {
                let (from, to) = (range[0].as_u64().unwrap_or(1), range[1].as_u64().unwrap_or(0));
                if let Some(line) = self.by_line.keys().find(|line| (from..=to).contains(line)) {
                    self.wrong.push(format!("task on line {line}, which is {}", not["why"]));
                }
            }
        }
    }

    fn ready(&mut self) {
        if words(&self.expected, "soft").contains("ready") || self.expected.get("ready").is_none() {
            return;
        }
        let open = |task: &PlanTask| {
            matches!(task.status, PlanStatus::Open | PlanStatus::InProgress) && !task.optional
        };
        let going: BTreeSet<&str> =
            self.read.tasks.iter().filter(|task| open(task)).map(|task| task.id.as_str()).collect();
        let waiting: BTreeSet<&str> = self
            .read
            .edges
            .iter()
            .filter(|edge| going.contains(edge.from.as_str()))
            .map(|edge| edge.to.as_str())
            .collect();
        let is: BTreeSet<String> = self
            .read
            .tasks
            .iter()
            .enumerate()
            .filter(|(_, task)| {
                open(task) && task.held.is_empty() && !self.read.over && !waiting.contains(task.id.as_str())
            })
            .map(|(index, task)| self.key_of.get(&index).cloned().unwrap_or_else(|| task.id.to_string()))
            .collect();
        let should: BTreeSet<String> =
            words(&self.expected, "ready").into_iter().map(str::to_owned).collect();
        if is != should {
            self.wrong.push(format!("ready {is:?} instead of {should:?}"));
        }
    }

    /// The waves that the edges make, where the plan states some.
    fn waves(&mut self) {
        let should = list(&self.expected, "waves").to_vec();
        if should.is_empty() {
            return;
        }
        let mut wave: BTreeMap<&str, usize> = BTreeMap::new();
        for _ in 0..self.read.tasks.len() {
            for task in &self.read.tasks {
                let before = self.read.edges.iter().filter(|edge| edge.to == task.id);
                let at = before.map(|edge| wave.get(edge.from.as_str()).map_or(1, |wave| wave + 1)).max();
                wave.insert(task.id.as_str(), at.unwrap_or(1));
            }
        }
        for (number, ids) in should.iter().enumerate() {
            for id in ids.as_array().into_iter().flatten().filter_map(Value::as_str) {
                if wave.get(id) != Some(&(number + 1)) {
                    self.wrong.push(format!("wave of {id}: {:?} instead of {}", wave.get(id), number + 1));
                }
            }
        }
    }

    fn whole(&mut self) {
        let sequential = self.expected.get("mode").and_then(Value::as_str) == Some("sequential");
        if sequential != self.read.mode_sequential {
            self.wrong.push(format!("mode sequential: {}", self.read.mode_sequential));
        }
        let over =
            matches!(self.expected.get("plan_status").and_then(Value::as_str), Some("done" | "historical"));
        if over && !self.read.over {
            self.wrong.push("the plan is over".to_owned());
        }
        let named: BTreeSet<&str> = self.read.depends_on_plans.iter().map(String::as_str).collect();
        if named != words(&self.expected, "depends_on_plans") {
            self.wrong.push(format!("plans depended on: {named:?}"));
        }
        let external: BTreeSet<&str> = self
            .read
            .tasks
            .iter()
            .flat_map(|task| task.missing.iter().map(String::as_str))
            .chain(self.read.groups.iter().flat_map(|group| group.missing.iter().map(String::as_str)))
            .collect();
        if external != words(&self.expected, "external") {
            self.wrong.push(format!("external {external:?} instead of {:?}", self.expected.get("external")));
        }
        let told: Vec<&str> = self
            .read
            .diagnostics
            .iter()
            .filter(|known| known.code == "free-text-dependency")
            .map(|known| known.message.as_str())
            .collect();
        let texts = words(&self.expected, "unresolved_text");
        if told.len() != texts.len() || !texts.iter().all(|text| told.iter().any(|told| told.contains(text)))
        {
            self.wrong.push(format!("unresolved text {told:?} instead of {texts:?}"));
        }
        self.waves();
        for error in self.read.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()) {
            self.wrong.push(format!("error {}:{} {}", error.code, error.place.line, error.message));
        }
    }
}

fn compare(path: &Path, name: &str) -> (Vec<String>, Vec<String>) {
    let mut pair = Pair::new(path, name);
    pair.tasks();
    pair.groups();
    pair.not_tasks();
    pair.ready();
    pair.whole();
    (pair.wrong, pair.missed)
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
    let known: BTreeMap<&str, (&str, &str)> =
        NOT_YET.iter().map(|(name, why, only)| (*name, (*why, *only))).collect();
    let (mut passed, mut bad) = (0, Vec::new());
    for path in &files {
        let name = path.strip_prefix(&corpus).unwrap().to_string_lossy().replace('\\', "/");
        let (wrong, missed) = compare(path, &name);
        if !missed.is_empty() {
            println!("         {name} may miss, and misses: {}", missed.join(", "));
        }
        match (wrong.is_empty(), known.get(name.as_str())) {
            (true, None) => {
                passed += 1;
                println!("ok       {name}");
            }
            (true, Some(_)) => bad.push(format!("{name} passes: take it out of the list")),
            (false, Some((reason, only)))
                if wrong.iter().all(|line| only.split('|').any(|start| line.starts_with(start))) =>
            {
                println!("not yet  {name}: {reason} ({})", wrong[0]);
            }
            (false, _) => {
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
