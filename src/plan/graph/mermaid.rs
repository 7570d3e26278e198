//! A Mermaid flowchart.

use std::fmt::Write as _;

use super::Look;
use super::label;
use super::order::Order;
use crate::model::check::PlanCheck;
use crate::model::task::EdgeRule;

/// What Mermaid draws unless its `maxEdges` is raised.
const MOST_EDGES: usize = 500;

/// Characters of a title in a label.
const MOST_TITLE: usize = 60;

/// Makes a flowchart: tasks as nodes, groups as subgraphs, an arrow for each edge in the style of its
/// rule. Ends in a newline.
pub fn mermaid(check: &PlanCheck) -> String {
    let order = Order::of(check);
    let edges = order.reduced(|rule| rule == EdgeRule::Explicit);
    let mut out = String::from("flowchart TD\n");
    if edges.len() > MOST_EDGES {
        let edges = edges.len();
        write(&mut out, 1, &format!("%% {edges} edges: Mermaid draws them with maxEdges raised"));
    }
    let mut inside: Vec<Vec<usize>> = vec![Vec::new(); check.groups.len()];
    let mut alone = Vec::new();
    for (place, task) in check.tasks.iter().enumerate() {
        match task.in_group.and_then(|group| inside.get_mut(group)) {
            Some(list) => list.push(place),
            None => alone.push(place),
        }
    }
    for place in alone {
        node(&mut out, check, place, 1);
    }
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); check.groups.len()];
    for (group, found) in check.groups.iter().enumerate() {
        if let Some(list) = found.parent.and_then(|parent| children.get_mut(parent)) {
            list.push(group);
        }
    }
    // Groups nest as deep as headings and lists may: a stack of our own, the end of each after its inside.
    let roots = (0..check.groups.len()).rev().filter(|group| check.groups[*group].parent.is_none());
    let mut open: Vec<(usize, usize, bool)> = roots.map(|group| (group, 1, false)).collect();
    while let Some((group, depth, ends)) = open.pop() {
        if ends {
            write(&mut out, depth, "end");
            continue;
        }
        let title = escape(&super::super::titles::short(&check.groups[group].title, MOST_TITLE));
        write(&mut out, depth, &format!("subgraph g{group}[\"{title}\"]"));
        for place in &inside[group] {
            node(&mut out, check, *place, depth + 1);
        }
        open.push((group, depth, true));
        open.extend(children[group].iter().rev().map(|child| (*child, depth + 1, false)));
    }
    for (from, to, rule) in edges {
        let arrow = match rule {
            EdgeRule::Explicit => "-->",
            EdgeRule::Barrier => "==>",
            EdgeRule::Order => "-.->",
            EdgeRule::File => "-. file .-",
            EdgeRule::Gate => "== gate ==>",
        };
        write(&mut out, 1, &format!("t{from} {arrow} t{to}"));
    }
    for (look, class, style) in [
        (Look::Over, "over", "fill:#eee,stroke:#999,color:#666"),
        (Look::Held, "held", "fill:#fff3cd,stroke:#b58900,stroke-dasharray:4 3"),
        (Look::Gate, "gate", "fill:#fde2e2,stroke:#c0392b"),
    ] {
        let nodes: Vec<String> = (0..check.tasks.len())
            .filter(|place| Look::of(&check.tasks[*place]) == look)
            .map(|place| format!("t{place}"))
            .collect();
        if !nodes.is_empty() {
            write(&mut out, 1, &format!("classDef {class} {style}"));
            write(&mut out, 1, &format!("class {} {class}", nodes.join(",")));
        }
    }
    out
}

fn node(out: &mut String, check: &PlanCheck, place: usize, depth: usize) {
    let task = &check.tasks[place];
    let text = escape(&label(task, MOST_TITLE));
    let (open, close) = if Look::of(task) == Look::Gate { ("{{", "}}") } else { ("[", "]") };
    write(out, depth, &format!("t{place}{open}\"{text}\"{close}"));
}

fn write(out: &mut String, depth: usize, text: &str) {
    out.extend(std::iter::repeat_n("    ", depth.min(16)));
    out.push_str(text);
    out.push('\n');
}

/// A text that is safe between quotes: letters, digits and harmless signs stay, other ASCII becomes an
/// entity. A list mark at the beginning (`1. `, `- `) would be taken as Markdown and is none either.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let mark = text[digits..].starts_with(['.', ')']) || (digits == 0 && text.starts_with(['-', '+']));
    if mark && text[digits + 1..].starts_with(' ') {
        escaped.push_str(&text[..digits]);
        entity(&mut escaped, text[digits..].chars().next().unwrap_or('.'));
        rest = &text[digits + 1..];
    }
    for c in rest.chars() {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && !" -_.,:/()'!?=".contains(c) {
            entity(&mut escaped, c);
        } else {
            escaped.push(c);
        }
    }
    escaped
}

fn entity(out: &mut String, c: char) {
    // Writing to a text cannot fail.
    let _ = write!(out, "#{};", u32::from(c));
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn labels_hold_no_marks() {
        assert_eq!(escape("T001 Say \"hi\" <b>"), "T001 Say #34;hi#34; #60;b#62;");
        assert_eq!(escape("1. First"), "1#46; First");
        assert_eq!(escape("1.2 Second"), "1.2 Second");
        assert_eq!(escape("- dash"), "#45; dash");
        assert_eq!(escape("a ] end; %% `x` #1 Úkol"), "a #93; end#59; #37;#37; #96;x#96; #35;1 Úkol");
    }
}
