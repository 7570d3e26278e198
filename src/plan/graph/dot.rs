//! Graphviz dot.

use std::fmt::Write as _;

use super::Look;
use super::label;
use super::order::Order;
use crate::model::check::PlanCheck;
use crate::model::task::EdgeRule;

/// Characters of a title in a label.
const MOST_TITLE: usize = 60;

/// Makes a directed graph: tasks as boxes, groups as clusters, edges in the style of their rule. Ends in
/// a newline.
pub fn dot(check: &PlanCheck) -> String {
    let order = Order::of(check);
    let mut out = String::new();
    line(&mut out, 0, "digraph plan {");
    line(&mut out, 1, "rankdir=LR;");
    line(&mut out, 1, "node [shape=box, style=rounded];");
    line(&mut out, 1, &format!("label={};", quoted(&check.title)));
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); check.groups.len()];
    for (group, found) in check.groups.iter().enumerate() {
        if let Some(list) = found.parent.and_then(|parent| children.get_mut(parent)) {
            list.push(group);
        }
    }
    let mut inside: Vec<Vec<usize>> = vec![Vec::new(); check.groups.len()];
    for (place, task) in check.tasks.iter().enumerate() {
        match task.in_group.and_then(|group| inside.get_mut(group)) {
            Some(list) => list.push(place),
            None => node(&mut out, check, place, 1),
        }
    }
    let roots = (0..check.groups.len()).rev().filter(|group| check.groups[*group].parent.is_none());
    let mut open: Vec<(usize, usize, bool)> = roots.map(|group| (group, 1, false)).collect();
    while let Some((group, depth, ends)) = open.pop() {
        if ends {
            line(&mut out, depth, "}");
            continue;
        }
        line(&mut out, depth, &format!("subgraph cluster_{group} {{"));
        line(&mut out, depth + 1, &format!("label={};", quoted(&check.groups[group].title)));
        for place in &inside[group] {
            node(&mut out, check, *place, depth + 1);
        }
        open.push((group, depth, true));
        open.extend(children[group].iter().rev().map(|child| (*child, depth + 1, false)));
    }
    for (from, to, rule) in order.reduced(|rule| rule == EdgeRule::Explicit) {
        let style = match rule {
            EdgeRule::Explicit => "style=solid",
            EdgeRule::Barrier => "style=bold",
            EdgeRule::Order => "style=dashed",
            EdgeRule::File => "style=dotted, dir=none, constraint=false",
            EdgeRule::Gate => "style=bold, arrowhead=odot",
        };
        let (from, to) = (&check.tasks[from].id, &check.tasks[to].id);
        let edge = format!("{} -> {} [{style}];", quoted(from.as_str()), quoted(to.as_str()));
        line(&mut out, 1, &edge);
    }
    line(&mut out, 0, "}");
    out
}

fn node(out: &mut String, check: &PlanCheck, place: usize, depth: usize) {
    let task = &check.tasks[place];
    let mut attributes = format!("label={}", quoted(&label(task, MOST_TITLE)));
    let look = match Look::of(task) {
        Look::Runs => "",
        Look::Over => ", color=gray, fontcolor=gray",
        Look::Held => ", style=\"rounded,dashed\", color=orange",
        Look::Gate => ", shape=diamond, color=red",
    };
    // Writing to a text cannot fail.
    let _ = write!(attributes, "{look}");
    line(out, depth, &format!("{} [{attributes}];", quoted(task.id.as_str())));
}

fn line(out: &mut String, depth: usize, text: &str) {
    out.extend(std::iter::repeat_n("  ", depth.min(32)));
    out.push_str(text);
    out.push('\n');
}

/// A quoted string. A backslash is doubled, so that `\N` and `\l` of a title are no escapes.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
