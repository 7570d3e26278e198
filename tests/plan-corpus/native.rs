//! Every plan of the corpus, written as a native one, is the same plan; key lists in canonical form change none.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use orchestrate::plan;
use orchestrate::plan::Plan;
use orchestrate::plan::PlanTask;
use orchestrate::plan::ReadOptions;

/// Ids, titles, statuses and what waits for what among tasks that are still to be done.
fn said(plan: &Plan) -> BTreeSet<String> {
    let is_past = |task: &PlanTask| task.status.is_met() || task.is_put_off();
    let past: BTreeSet<&str> =
        plan.tasks.iter().filter(|task| is_past(task)).map(|task| task.id.as_str()).collect();
    let tasks = plan.tasks.iter().map(|task| {
        let held = if task.status.is_met() { &[][..] } else { &task.held[..] };
        format!("{} {:?} {:?} {:?} {held:?}", task.id, task.title, task.status, task.kind)
    });
    let edges = plan
        .edges
        .iter()
        .filter(|edge| !past.contains(edge.from.as_str()) && !past.contains(edge.to.as_str()))
        .map(|edge| format!("{} waits for {}", edge.to, edge.from));
    tasks.chain(edges).collect()
}

/// The plans of a folder and those below it.
fn plans(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            plans(&path, found);
        } else if !path.to_string_lossy().ends_with(".expected.json") {
            found.push(path);
        }
    }
}

#[test]
fn real_plans_are_the_same_natively() {
    let Some(corpus) = super::corpus() else {
        println!("skipped: the corpus of plans is not beside the package");
        return;
    };
    let mut files = Vec::new();
    plans(&corpus, &mut files);
    let mut converted = 0;
    for file in files {
        let name =
            file.strip_prefix(&corpus).map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes = std::fs::read(&file).unwrap_or_default();
        let options = ReadOptions { path: Some(name.clone()), ..ReadOptions::default() };
        let before = plan::read(&bytes, &options);
        if before.has_errors() {
            continue;
        }
        converted += 1;
        let native = plan::convert(&before);
        assert_eq!(native.lost, [], "{name}");
        let after = plan::read(native.text.as_bytes(), &ReadOptions::default());
        assert_eq!(said(&before), said(&after), "{name}");
        assert_eq!(plan::convert(&after).text, native.text, "{name}: the second time is another text");
        let text = String::from_utf8_lossy(&bytes);
        let formatted = plan::format_keys(&text, &options).text;
        assert_eq!(said(&before), said(&plan::read(formatted.as_bytes(), &options)), "{name}");
        assert_eq!(plan::format_keys(&formatted, &options).text, formatted, "{name}");
    }
    assert!(converted > 30, "only {converted} plans of the corpus could be read");
}
