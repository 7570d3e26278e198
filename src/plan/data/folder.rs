//! A folder that is a plan: which of its files make it, and the plan that they make together.
//!
//! Nothing here looks into a folder: names and bytes are handed in.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::card;
use super::card::Card;
use super::draft::Draft;
use super::size;
use super::task_text;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::check::Ignored;
use crate::model::check::TaskField;
use crate::model::task::PlanStatus;
use crate::plan::formats::Format;
use crate::plan::lines::Lines;
use crate::plan::names;
use crate::plan::reader;
use crate::plan::types::Dependency;
use crate::plan::types::Group;
use crate::plan::types::Plan;
use crate::plan::types::PlanFile;
use crate::plan::types::ReadOptions;

/// Files that are the plan of a folder, the first that is there.
const WHOLE: &[&str] = &["tasks.md", "plan.md", "tasks.json", "stories.yaml"];

/// Files that are the plan of a folder that has none of the others, and no files of one task each.
const FURTHER: &[&str] =
    &["prd.json", "sprint-status.yaml", "stories.yml", "sprint-status.yml", "tasks/tasks.json"];

/// The folders in which files of a plan are looked for, relative to the one that is the plan: its own,
/// and those where Backlog.md keeps what is to be done and what is done.
pub const FOLDERS: &[&str] = &["", "tasks/", "completed/", "backlog/tasks/", "backlog/completed/"];

/// Which files of a folder make the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderChoice {
    /// This one, alone.
    One(String),
    /// All of these, each of them a task, in this order.
    All(Vec<String>),
    /// None: what looks like a plan, for a person to choose from.
    Candidates(Vec<String>),
}

/// Chooses from the names of a folder's files, relative to it and with `/`.
pub fn folder_choice(names: &[String]) -> FolderChoice {
    let there = |wanted: &&&str| names.iter().any(|name| name == **wanted);
    if let Some(one) = WHOLE.iter().find(there) {
        return FolderChoice::One((*one).to_owned());
    }
    let in_backlog =
        |name: &str| FOLDERS.iter().any(|folder| name.strip_prefix(folder).is_some_and(is_backlog_name));
    let kinds: [&dyn Fn(&str) -> bool; 5] = [
        &in_backlog,
        &is_task_text_name,
        &|name| name.ends_with(".code-task.md"),
        &is_story_name,
        &is_number_name,
    ];
    for is in kinds {
        let mut all: Vec<String> = names.iter().filter(|name| is(name)).cloned().collect();
        if !all.is_empty() {
            all.sort_by_cached_key(|name| natural(name));
            return FolderChoice::All(all);
        }
    }
    if let Some(one) = FURTHER.iter().find(there) {
        return FolderChoice::One((*one).to_owned());
    }
    let endings = [".md", ".markdown", ".json", ".yaml", ".yml", ".txt"];
    let mut candidates: Vec<String> = names
        .iter()
        .filter(|name| endings.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending)))
        .cloned()
        .collect();
    candidates.sort_by_cached_key(|name| (name.matches('/').count(), natural(name)));
    FolderChoice::Candidates(candidates)
}

/// Whether a name has this ending.
fn ends(name: &str, ending: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, found)| found.eq_ignore_ascii_case(ending))
}

/// `task-12.1 - Title.md`, `back-7 - Title.md`, `task-3.md`
fn is_backlog_name(name: &str) -> bool {
    let letters = name.bytes().take_while(u8::is_ascii_alphabetic).count();
    let Some(rest) = name[letters..].strip_prefix('-').filter(|_| letters > 0) else { return false };
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let has_number = rest.starts_with(|c: char| c.is_ascii_digit());
    has_number && (after == "md" || after.starts_with(" - ")) && !name.contains('/') && ends(name, "md")
}

/// `task_001.txt`, `task_001_tag.txt`
fn is_task_text_name(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("task_") else { return false };
    rest.starts_with(|c: char| c.is_ascii_digit()) && ends(rest, "txt") && !rest.contains('/')
}

/// `1.2.title.md`, `1-2-title.md`, `story-1.2-title.md`
fn is_story_name(name: &str) -> bool {
    let rest = name.strip_prefix("story").map_or(name, |rest| rest.trim_start_matches(['-', '_', '.']));
    let parts: Vec<&str> = rest.splitn(3, ['.', '-', '_']).collect();
    // Longer ones are parts of a date.
    let number =
        |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts[..2].iter().all(number) && ends(name, "md") && !name.contains('/')
}

/// `001.md`
fn is_number_name(name: &str) -> bool {
    name.strip_suffix(".md")
        .is_some_and(|stem| (1..=6).contains(&stem.len()) && stem.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A name whose numbers are compared as numbers.
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let digits = rest[text..].bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[text..text + digits].parse().unwrap_or(u64::MAX);
        parts.push((0, rest[..text].to_lowercase()));
        parts.push((number, String::new()));
        rest = &rest[text + digits..];
    }
    parts
}

/// Reads files of one task each as one plan. It never fails: what could not be read is in the
/// diagnostics.
pub fn read_folder(files: &[PlanFile], options: &ReadOptions) -> Plan {
    let mut draft = Draft::new(Format::Generic, "a folder");
    let size: u64 = files.iter().map(|file| u64::try_from(file.bytes.len()).unwrap_or(u64::MAX)).sum();
    if size > options.max_size {
        let message = format!("the plan has more than {} bytes, which is the limit", options.max_size);
        draft.tell(
            Diagnostic::error("too-large", Place::WHOLE, message)
                .hint("cut it into several plans, or raise the limit with --max-plan-size"),
        );
        return draft.plan;
    }
    let mut cards: Vec<(card::Kind, String, Card)> = Vec::new();
    let mut formats = BTreeSet::new();
    for file in files {
        draft.file = Some(file.path.clone());
        let text = match std::str::from_utf8(&file.bytes) {
            Ok(text) => text,
            Err(error) => {
                let diagnostic = reader::not_utf8(&file.bytes, error.valid_up_to());
                draft.tell(diagnostic);
                continue;
            }
        };
        let lines = Lines::new(text);
        if text.trim_start_matches('\u{feff}').trim_start().starts_with("# Task ID:") {
            formats.insert(Format::Taskmaster);
            task_text::read(&lines, &mut draft);
            continue;
        }
        let kind = card::kind(text, Some(&file.path), true)
            .or_else(|| card::is_story(text).then_some(card::Kind::Story));
        let Some(kind) = kind else {
            let message = "this file is no task: it has no front matter with `id` and `status`";
            draft.tell(Diagnostic::warning("not-a-task", Place::WHOLE, message));
            continue;
        };
        formats.insert(kind.format());
        cards.push((kind, file.path.clone(), card::of(&lines, kind, Some(&file.path))));
    }
    reason(&mut draft, &formats, &cards);
    join(&mut draft, cards);
    draft.file = None;
    if draft.plan.tasks.is_empty() {
        let message = format!("none of the {} files of this folder is a task", files.len());
        draft.tell(Diagnostic::error("no-tasks", Place::WHOLE, message));
    }
    let mut plan = draft.finish(options);
    size::fit(&mut plan, options);
    reader::close(&mut plan);
    plan
}

fn reason(draft: &mut Draft, formats: &BTreeSet<Format>, cards: &[(card::Kind, String, Card)]) {
    let format = formats.first().copied().unwrap_or_default();
    format.name().clone_into(&mut draft.plan.format);
    let reason = match cards.first() {
        Some((card::Kind::Backlog, _, _)) => "a folder of files with `id` and `status` in their front matter",
        Some((card::Kind::CodeTask, _, _)) => "a folder of `.code-task.md` files",
        Some((card::Kind::Story, _, _)) => "a folder of stories, in order",
        Some((card::Kind::Numbered, _, _)) => {
            "a folder of numbered files with `name` and `status`, the tasks of an epic"
        }
        None => "a folder of files with `# Task ID:`",
    };
    reason.clone_into(&mut draft.plan.format_reason);
}

/// Makes tasks of the cards; those that others are parts of are groups.
fn join(draft: &mut Draft, mut cards: Vec<(card::Kind, String, Card)>) {
    cards.sort_by(|(_, _, first), (_, _, second)| {
        let of = |card: &Card| card.ordinal.unwrap_or(f64::INFINITY);
        of(first)
            .total_cmp(&of(second))
            .then_with(|| natural(first.task.id.as_str()).cmp(&natural(second.task.id.as_str())))
    });
    let by_id: BTreeMap<String, usize> =
        cards.iter().enumerate().map(|(index, (_, _, card))| (short(card.task.id.as_str()), index)).collect();
    let parent_of: Vec<Option<usize>> = cards
        .iter()
        .enumerate()
        .map(|(index, (_, _, card))| {
            let parent = card.parent.as_deref().and_then(|id| by_id.get(&short(id)).copied());
            parent.filter(|parent| *parent != index)
        })
        .collect();
    let parents: BTreeSet<usize> = parent_of.iter().flatten().copied().collect();
    let mut made: BTreeMap<usize, usize> = BTreeMap::new();
    let mut cards: Vec<Option<(card::Kind, String, Card)>> = cards.into_iter().map(Some).collect();
    for index in &parents {
        // From the outermost one inwards; a ring of parents ends where it began.
        let mut chain = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = Some(*index);
        while let Some(at) = next.filter(|at| !made.contains_key(at) && seen.insert(*at)) {
            chain.push(at);
            next = parent_of[at];
        }
        while let Some(at) = chain.pop() {
            let parent = parent_of[at].and_then(|parent| made.get(&parent).copied());
            if let Some((_, file, card)) = cards[at].take() {
                made.insert(at, group(draft, file, card, parent));
            }
        }
    }
    for (index, card) in cards.into_iter().enumerate() {
        let Some((kind, file, mut card)) = card else { continue };
        draft.file = Some(file);
        draft.from = FieldFrom::FrontMatter;
        tell(draft, &mut card);
        let parent = parent_of[index].and_then(|parent| made.get(&parent).copied());
        card.task.group = parent;
        if matches!(kind, card::Kind::CodeTask | card::Kind::Story) {
            card.task.ordered = true;
            card.task.states_dependencies = false;
        }
        if let Some((status, place)) = card.status.take() {
            card.task.status = card::status_of(draft, &status, place);
        }
        let id = card.task.id.as_str().to_owned();
        let owner = Dependency::Task(draft.task(card.task, None));
        draft.alias(&short(&id), owner);
        for (text, place) in card.wishes {
            draft.wish(owner, &text, place, None);
        }
    }
}

/// What is to be told of a file, and its boxes, none of which is a task.
fn tell(draft: &mut Draft, card: &mut Card) {
    for diagnostic in card.diagnostics.drain(..) {
        draft.tell(diagnostic);
    }
    let file = draft.file.clone();
    draft
        .plan
        .ignored
        .extend(card.ignored.drain(..).map(|ignored| Ignored { file: file.clone(), ..ignored }));
}

fn group(draft: &mut Draft, file: String, mut card: Card, parent: Option<usize>) -> usize {
    draft.file = Some(file);
    draft.from = FieldFrom::FrontMatter;
    tell(draft, &mut card);
    let status = card.status.take().map(|(status, place)| card::status_of(draft, &status, place));
    let task = card.task;
    let group = Group {
        number: Some(task.id.as_str().to_owned()),
        title: task.title.clone(),
        context: task.body.clone(),
        line: task.line,
        parent,
        status: status.filter(|status| *status != PlanStatus::Open),
        states_dependencies: true,
        defaults: task.own.clone(),
        origins: task
            .origins
            .iter()
            .filter(|origin| matches!(origin.field, TaskField::Priority | TaskField::Agent))
            .map(|origin| FieldOrigin { from: FieldFrom::Group, ..origin.clone() })
            .collect(),
        ..Group::default()
    };
    let id = task.id.as_str().to_owned();
    let made = draft.group(group, None);
    draft.alias(&short(&id), Dependency::Group(made));
    for (text, place) in card.wishes {
        draft.wish(Dependency::Group(made), &text, place, None);
    }
    made
}

/// An id without the letters before it: projects rename them, and their files say both.
fn short(id: &str) -> String {
    let folded = names::folded(id.trim());
    let digits = folded.trim_start_matches(|c: char| c.is_alphabetic());
    if digits.starts_with(|c: char| c.is_ascii_digit()) { digits.to_owned() } else { folded }
}
