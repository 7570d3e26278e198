//! What reading a plan promises for any bytes at all. Used by the tests and by the fuzz target `read`, which
//! looks for bytes that break one of them.

use std::collections::{BTreeMap, BTreeSet};

use orchestrate::diagnostics;
use orchestrate::plan::{
    CheckStyle, Format, Granularity, Plan, ReadOptions, ResolveOptions, check, read, render_check, resolve,
};
use sha2::{Digest, Sha256};

/// Paths by which formats are known.
const PATHS: [&str; 8] = [
    "plan.md",
    ".kiro/specs/a/tasks.md",
    "openspec/changes/a/tasks.md",
    "specs/a/tasks.md",
    ".cursor/plans/a.plan.md",
    ".taskmaster/tasks/tasks.json",
    "stories.yaml",
    "backlog/tasks/task-1.md",
];

/// Holds an input against all promises. Its first two bytes are how the rest is read: two blanks are the usual
/// way, the first byte chooses how finely it is cut, the second one a format or a path.
///
/// # Panics
/// When a promise is broken.
pub(crate) fn keep(input: &[u8]) {
    let [how, what, bytes @ ..] = input else { return };
    let options = options(*how, *what);
    let plan = read(bytes, &options);
    assert_eq!(read(bytes, &options), plan, "the same bytes give the same plan");
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(plan.tasks.is_empty(), "what is not UTF-8 has no tasks");
        assert!(plan.diagnostics.iter().any(|diagnostic| diagnostic.code == "not-utf8"));
        return;
    };
    ids_and_edges(&plan);
    places(text, &plan);
    ticks(text, &plan, &options);
    shown(text, &plan);
}

/// What the first two bytes say.
fn options(how: u8, what: u8) -> ReadOptions {
    let mut options = ReadOptions::default();
    match how.wrapping_sub(b' ') % 8 {
        1 => options.boxes_all = true,
        2 => options.as_one = true,
        3 => options.granularity = Some(Granularity::Leaf),
        4 => options.granularity = Some(Granularity::Group),
        5 => options.assume_done = vec!["T001".to_owned(), "1".to_owned()],
        _ => {}
    }
    match usize::from(what.wrapping_sub(b' ')).checked_sub(1) {
        None => {}
        Some(index) => match Format::ALL.get(index) {
            Some(format) => options.format = Some(format.name().to_owned()),
            None => options.path = Some(PATHS[(index - Format::ALL.len()) % PATHS.len()].to_owned()),
        },
    }
    options
}

/// Ids are unique, and edges join tasks and close no ring that is not told.
fn ids_and_edges(plan: &Plan) {
    let ids: BTreeSet<&str> = plan.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids.len(), plan.tasks.len(), "ids are unique");
    assert!(!ids.contains(""), "no id is empty");
    for task in &plan.tasks {
        assert!(!task.title.is_empty(), "no title is empty");
        assert!(!task.title.contains(['\n', '\r']), "a title is one line");
        assert!(task.group.is_none_or(|group| group < plan.groups.len()));
        assert!(task.missing.iter().all(|id| !ids.contains(id.as_str())), "what is missing is not there");
    }
    for (index, group) in plan.groups.iter().enumerate() {
        assert!(group.parent.is_none_or(|parent| parent < plan.groups.len() && parent != index));
    }
    let mut after: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut waiting: BTreeMap<&str, usize> = ids.iter().map(|id| (*id, 0)).collect();
    for edge in &plan.edges {
        assert!(ids.contains(edge.from.as_str()), "an edge comes from a task");
        after.entry(edge.from.as_str()).or_default().push(edge.to.as_str());
        *waiting.get_mut(edge.to.as_str()).expect("an edge leads to a task") += 1;
    }
    let mut ready: Vec<&str> = waiting.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    let mut seen = 0;
    while let Some(id) = ready.pop() {
        seen += 1;
        for next in after.get(id).into_iter().flatten() {
            let count = waiting.get_mut(next).expect("an edge leads to a task");
            *count -= 1;
            if *count == 0 {
                ready.push(next);
            }
        }
    }
    let told = plan.diagnostics.iter().any(|diagnostic| diagnostic.code == "cycle");
    assert!(told || seen == plan.tasks.len(), "edges close no ring");
}

/// The lines of a text: `\r\n`, `\n` and a lone `\r` end one.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(['\n', '\r']) {
        lines.push(&rest[..end]);
        rest = &rest[end + if rest[end..].starts_with("\r\n") { 2 } else { 1 }..];
    }
    lines.push(rest);
    lines
}

/// All places lie inside the text.
fn places(text: &str, plan: &Plan) {
    let count = lines(text).len();
    let inside = |line: u32| usize::try_from(line).is_ok_and(|line| line <= count);
    for task in plan.tasks.iter().filter(|task| task.file.is_none()) {
        assert!(task.line > 0 && inside(task.line), "line {} of {count}", task.line);
    }
    assert!(plan.groups.iter().all(|group| inside(group.line)));
    assert!(plan.ignored.iter().all(|ignored| ignored.line > 0 && inside(ignored.line)));
    for diagnostic in plan.diagnostics.iter().filter(|diagnostic| diagnostic.file.is_none()) {
        assert!(
            inside(diagnostic.place.line),
            "{}: line {} of {count}",
            diagnostic.code,
            diagnostic.place.line
        );
        assert!(
            !diagnostic.message.is_empty() && !diagnostic.message.ends_with('.'),
            "{}",
            diagnostic.message
        );
    }
    let sorted =
        plan.diagnostics.is_sorted_by_key(|diagnostic| (diagnostic.place.line, diagnostic.place.column));
    assert!(sorted, "diagnostics come in the order of the file");
}

/// Where a box is, there is a mark whose line has the hash that guards it; ticking it changes one byte, and the
/// plan that comes of it has the same tasks.
fn ticks(text: &str, plan: &Plan, options: &ReadOptions) {
    let lines = lines(text);
    let ticked = plan
        .tasks
        .iter()
        .filter(|task| task.file.is_none())
        .filter_map(|task| Some((task, task.tick.as_ref()?)));
    let mut first = None;
    for (task, tick) in ticked {
        let line = lines[usize::try_from(tick.line).expect("a line") - 1];
        let digest = Sha256::digest(line.as_bytes());
        let hash = digest.iter().take(8).fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
        assert_eq!(format!("{hash:016x}"), String::from(tick.line_hash), "the hash is that of the line");
        let column = usize::try_from(tick.column).expect("a column");
        assert!(line.is_char_boundary(column), "a mark is a character");
        assert!(line[..column].ends_with('['), "a box opens before its mark");
        assert!(
            line[column..].starts_with(']') || line[column..].chars().nth(1) == Some(']'),
            "and closes after it"
        );
        assert!(matches!(tick.tick, 'x' | 'X'));
        if line[column..].starts_with(' ') {
            first = first.or(Some((task, line.as_ptr() as usize - text.as_ptr() as usize + column)));
        }
    }
    if let Some((task, place)) = first {
        let mut bytes = text.as_bytes().to_vec();
        bytes[place] = b'x';
        let after = read(&bytes, options);
        let ids = |plan: &Plan| plan.tasks.iter().map(|task| task.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&after), ids(plan), "ticking the box of {:?} changes no id", task.id);
    }
}

/// What comes after reading does not fail either.
fn shown(text: &str, plan: &Plan) {
    let resolved =
        resolve(plan, &ResolveOptions { default_agent: Some("a".to_owned()), ..ResolveOptions::default() });
    assert_eq!(resolved.tasks.len(), plan.tasks.len());
    let ids: BTreeSet<&str> = plan.tasks.iter().map(|task| task.id.as_str()).collect();
    for task in &resolved.tasks {
        assert!(task.needs.iter().all(|need| ids.contains(need.task.as_str())));
        assert!(task.conflicts.iter().all(|other| ids.contains(other.as_str()) && *other != task.id));
    }
    let document = check(plan, &resolved, "plan.md");
    assert_eq!(document.tasks.len(), plan.tasks.len());
    for (width, explain) in [(80, true), (0, false)] {
        let text = render_check(&document, CheckStyle { width, explain, color: false, unicode: false });
        assert!(text.ends_with('\n'));
        assert!(!text.contains(['\u{1b}', '\r', '\u{7}']), "a plan cannot write to the terminal");
    }
    let rendered = diagnostics::render("plan.md", text, &plan.diagnostics, false);
    assert_eq!(rendered.is_empty(), plan.diagnostics.is_empty());
}
