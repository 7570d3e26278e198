//! Tasks in front matter: `todos:` with `id`, `content`, `status` and `dependencies`.
//!
//! Where they are, they are the plan, and the text below explains them.

use std::ops::Range;

use super::found::Found;
use super::found::Source;
use super::matter::Todo;
use super::outline::Outline;
use super::titles;
use super::words;

/// Makes tasks of the entries. With dependencies anywhere they are a graph, else they go in order.
pub(crate) fn read(outline: &Outline<'_>, todos: &[Todo]) -> Vec<Found> {
    let Some(inside) = outline.blocks.front_matter.clone() else { return Vec::new() };
    let places = places(outline, &inside, todos);
    let graph = todos.iter().any(|todo| !todo.dependencies.is_empty());
    todos
        .iter()
        .enumerate()
        .map(|(index, todo)| {
            let line = places[index];
            let end = places.get(index + 1).copied().filter(|next| *next > line).unwrap_or(inside.end);
            let mut title = titles::read(todo.content.as_deref().unwrap_or(&todo.id));
            if graph {
                let named = todo.dependencies.join(", ");
                title.depends = Some(if named.is_empty() { "none".to_owned() } else { named });
            }
            Found {
                line,
                id: Some(todo.id.clone()),
                title,
                mark: None,
                body: (line + 1).min(end)..end,
                fields: line..line,
                source: Source::None,
                holder: None,
                ordered: true,
                status: todo.status.as_deref().and_then(words::status),
                cells: Vec::new(),
            }
        })
        .collect()
}

/// The line of each entry's id, in order; the first line where it is not found.
fn places(outline: &Outline<'_>, inside: &Range<usize>, todos: &[Todo]) -> Vec<usize> {
    let mut from = inside.start;
    todos
        .iter()
        .map(|todo| {
            let found = (from..inside.end).find(|line| {
                let text = outline.lines.get(*line).trim_start().trim_start_matches(['-', '{', ' ']);
                let value = text.strip_prefix("id").and_then(|rest| rest.trim_start().strip_prefix(':'));
                value.is_some_and(|value| {
                    let value = value.split([',', '}']).next().unwrap_or("");
                    value.trim().trim_matches(['"', '\'']) == todo.id
                })
            });
            // What is written in another way is looked for once and not again and again.
            from = found.map_or(inside.end, |line| line + 1);
            found.unwrap_or(inside.start)
        })
        .collect()
}
