//! GitHub spec-kit: setup and foundation are barriers, stories stand side by side, polish waits for all.
//!
//! What the plan's own section on dependencies says of a phase has been read before (`declared`) and
//! replaces this for that phase. Files are taken from the descriptions, since the format asks for them
//! there; checkpoints of a phase are told to its tasks.

use std::collections::BTreeMap;

use crate::model::task::FileClaim;
use crate::plan::assemble::ancestors;
use crate::plan::blocks::LineKind;
use crate::plan::declared;
use crate::plan::fields;
use crate::plan::lines::number;
use crate::plan::outline::Outline;
use crate::plan::phases;
use crate::plan::titles;
use crate::plan::types::Dependency;
use crate::plan::types::Group;
use crate::plan::types::Plan;
use crate::plan::values;
use crate::plan::words;

/// The header in which a plan's state is looked for, in lines after its title.
const HEADER: usize = 15;

/// The most text that a phase tells each of its tasks, in bytes.
const MOST_CONTEXT: usize = 16 * 1024;

/// The most phases that a story waits for one by one.
const MOST_WAITS: usize = 64;

/// Applies all that the format says beside the rules for any Markdown.
pub(crate) fn finish(outline: &Outline<'_>, plan: &mut Plan) {
    chains(outline, plan);
    stories(plan);
    checkpoints(outline, plan);
    for task in plan.tasks.iter_mut().filter(|task| task.files.is_empty()) {
        let line = usize::try_from(task.line).unwrap_or(1).saturating_sub(1);
        if let Some(item) = outline.item_at(line) {
            task.files = files(&outline.paragraph(&outline.items[item]));
        }
    }
    let mark = done_mark(outline);
    for tick in plan.tasks.iter_mut().filter_map(|task| task.tick.as_mut()) {
        tick.tick = mark;
    }
    if plan.status.is_none()
        && let Some(state) = state_in_total(outline)
    {
        // The total may say it in words that are no status.
        plan.status = Some(if words::plan_is_over(&state) { state } else { "done".to_owned() });
        plan.over = true;
    }
}

/// A story waits for the phases before it that are none; what says what it waits for keeps to that.
fn stories(plan: &mut Plan) {
    let is_story: Vec<bool> =
        plan.groups.iter().map(|group| !declared::stories(&group.title).is_empty()).collect();
    let inside_story: Vec<bool> = (0..plan.groups.len())
        .map(|group| ancestors(&plan.groups, plan.groups[group].parent).any(|around| is_story[around]))
        .collect();
    let mut before: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for index in 0..plan.groups.len() {
        let parent = plan.groups[index].parent;
        if !is_story[index] {
            before.entry(parent).or_default().push(index);
        } else if !inside_story[index] && !plan.groups[index].states_dependencies {
            // The last of them waits for those before it, as barriers do, unless it says otherwise.
            let waits = before.get(&parent).map_or(&[][..], Vec::as_slice);
            let from = waits.iter().rposition(|group| !plan.groups[*group].states_dependencies);
            let waits = &waits[from.unwrap_or(0)..];
            if waits.len() > MOST_WAITS {
                continue;
            }
            let waits: Vec<Dependency> = waits.iter().map(|group| Dependency::Group(*group)).collect();
            let group = &mut plan.groups[index];
            group.states_dependencies = true;
            group.depends_on = waits;
        }
    }
}

/// `Phase 1 → Phase 2 → Phase 3` in the section on dependencies is a critical path, and names only some of
/// what a phase waits for. A step to the very next phase changes nothing but the reason, so it is taken.
fn chains(outline: &Outline<'_>, plan: &mut Plan) {
    let sections = outline.headings.iter().filter(|heading| {
        let lower = heading.title.to_lowercase();
        lower.contains("dependencies") || lower.contains("execution order")
    });
    let by_number: BTreeMap<(&str, String), usize> = plan
        .groups
        .iter()
        .enumerate()
        .rev()
        .filter_map(|(index, group)| Some((phases::phase_number(&group.title)?, index)))
        .collect();
    let before: Vec<Option<usize>> = previous(&plan.groups);
    let mut line = 0;
    for section in sections {
        for at in section.after.max(line)..section.end {
            let Some(item) = outline.item_at(at) else { continue };
            let text = outline.paragraph(&outline.items[item]).replace("->", "→");
            if !text.contains('→') || text.len() > 1_000 {
                continue;
            }
            let named: Vec<Option<usize>> = text
                .split('→')
                .map(|name| by_number.get(&phases::phase_number(&titles::clean(name))?).copied())
                .collect();
            for pair in named.windows(2) {
                if let [Some(first), Some(next)] = pair
                    && before[*next] == Some(*first)
                    && !plan.groups[*next].states_dependencies
                    && declared::stories(&plan.groups[*next].title).is_empty()
                {
                    plan.groups[*next].states_dependencies = true;
                    plan.groups[*next].depends_on = vec![Dependency::Group(*first)];
                }
            }
        }
        line = line.max(section.end);
    }
}

/// For each group the one before it among its siblings.
fn previous(groups: &[Group]) -> Vec<Option<usize>> {
    let mut last: BTreeMap<Option<usize>, usize> = BTreeMap::new();
    groups.iter().enumerate().map(|(index, group)| last.insert(group.parent, index)).collect()
}

/// Tells the tasks of a phase the checkpoint that stands after them.
fn checkpoints(outline: &Outline<'_>, plan: &mut Plan) {
    let mut group = 0;
    for line in 0..outline.lines.len() {
        let text = outline.lines.get(line);
        if outline.kind(line) != LineKind::Text || !text.trim_start().starts_with("**Checkpoint") {
            continue;
        }
        let at = number(line);
        while plan.groups.get(group + 1).is_some_and(|next| next.line < at) {
            group += 1;
        }
        // The checkpoint of the phase, not of a part of it.
        let owner = ancestors(&plan.groups, Some(group).filter(|group| *group < plan.groups.len())).last();
        if let Some(owner) = owner.filter(|owner| plan.groups[*owner].line < at) {
            let context = &mut plan.groups[owner].context;
            if context.len() + text.len() < MOST_CONTEXT {
                if !context.is_empty() {
                    context.push_str("\n\n");
                }
                context.push_str(text.trim());
            }
        }
    }
}

/// The paths in a description: code spans and words with a `/` and an extension, else what stands after
/// the last "in".
pub(crate) fn files(text: &str) -> Vec<FileClaim> {
    let mut found: Vec<String> = Vec::new();
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '`' | ',' | ';' | '(' | ')' | '"'));
    for word in words {
        let path = word
            .trim_start_matches(['[', '\'', '*', '<'])
            .trim_end_matches(['.', ':', ']', '\'', '!', '?', '*', '>']);
        if has_extension(path) && path.contains('/') {
            found.extend(inside(path));
        }
    }
    if found.is_empty()
        && let Some((_, after)) = text.rsplit_once(" in ")
    {
        let word = after.trim().trim_start_matches('`').split([' ', '`', ',']).next().unwrap_or("");
        let path = word.trim_end_matches(['.', ':', ')']);
        if path.contains('/') || has_extension(path) {
            found.extend(inside(path));
        }
    }
    let mut claims: Vec<FileClaim> = Vec::new();
    for path in found {
        if !claims.iter().any(|claim| claim.path == path) {
            claims.push(FileClaim { verb: None, path });
        }
    }
    claims
}

fn inside(path: &str) -> Option<String> {
    let path = path.split_once(".md#").map_or(path, |(before, _)| &path[..before.len() + 3]);
    let bare = match path.rsplit_once(':') {
        Some((before, lines)) if lines.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => before,
        _ => path,
    };
    if bare.contains("://") || bare.starts_with(['@', '/', '$', '{']) {
        return None;
    }
    values::inside(bare)
}

/// Whether the last part of a path ends in something like `.rs`.
fn has_extension(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or("");
    let name = name.split(['#', ':']).next().unwrap_or("");
    name.rsplit_once('.').is_some_and(|(stem, extension)| {
        (!stem.is_empty() || path.contains('/'))
            && (1..=8).contains(&extension.len())
            && extension.starts_with(|c: char| c.is_ascii_alphabetic())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// `[X]`, as the format says, unless the file has `[x]` more often. A plan with ids such as `T001` and
/// nothing else of the format, no story and no tick, is ticked as any Markdown.
fn done_mark(outline: &Outline<'_>) -> char {
    let (mut small, mut capital) = (0_usize, 0_usize);
    for mark in outline.items.iter().filter_map(|item| item.mark) {
        small += usize::from(mark.sign == 'x');
        capital += usize::from(mark.sign == 'X');
    }
    let story = |text: &str| text.contains("[US");
    let of_stories =
        capital > 0 || outline.items.iter().any(|item| story(&outline.lines.text[item.text.clone()]));
    if small > capital || !of_stories { 'x' } else { 'X' }
}

/// `**Total Tasks**: 26 ✅ All Complete` in the header: the plan is over.
fn state_in_total(outline: &Outline<'_>) -> Option<String> {
    let first = outline.headings.first().filter(|heading| heading.level == 1)?;
    let end = (first.after + HEADER).min(first.own_end);
    (first.after..end).find_map(|line| {
        let text = outline.lines.get(line).trim_start().trim_start_matches(['-', '+', ' ']);
        let (name, value) = fields::split(text)?;
        let name = name.to_lowercase();
        if !(name.starts_with("total") || name.starts_with("progress")) {
            return None;
        }
        let value = titles::clean(&text[value]);
        let lower = value.to_lowercase();
        let at = ["all complete", "all done", "all tasks complete", "all tasks done", "all finished"]
            .iter()
            .find_map(|words| lower.find(words))?;
        Some(lower[at..].split(['.', ',', ';', '(']).next().unwrap_or("").trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        files(text).into_iter().map(|claim| claim.path).collect()
    }

    #[test]
    fn files_stand_in_descriptions() {
        assert_eq!(paths("T001 Create `User` model in src/models/user.py"), ["src/models/user.py"]);
        assert_eq!(
            paths("Write `src/a.ts` and `tests/__snaps__/a.test.ts`, then"),
            ["src/a.ts", "tests/__snaps__/a.test.ts"]
        );
        assert_eq!(paths("Add routes in src/app/api/"), ["src/app/api/"]);
        assert_eq!(paths("Configure lint in `.eslintrc.json`."), [".eslintrc.json"]);
        assert_eq!(paths("See https://example.com/a.html and/or ask @org/pkg v1.2/3"), Vec::<String>::new());
        assert_eq!(paths("Fix src/a.rs:12-30, src/a.rs"), ["src/a.rs"]);
        assert_eq!(paths("Set up tests in the usual way"), Vec::<String>::new());
        assert_eq!(paths("Read ../other/a.rs"), Vec::<String>::new());
    }
}
