//! Mermaid: `graph` and `flowchart` with their arrows, `gantt` with what stands after what.

use std::collections::BTreeMap;

use super::super::outline::Outline;
use super::super::types::Dependency;
use super::Pair;
use super::names::Names;
use crate::model::check::AdviceForm;

/// The most arrows of all diagrams of a plan.
const MOST_ARROWS: usize = 20_000;

/// A longer line is no diagram's.
const LONGEST: usize = 4_000;

/// Whether a fence holds a diagram.
pub(super) fn is_mermaid(info: &str) -> bool {
    info.trim().to_ascii_lowercase().starts_with("mermaid")
}

/// The order that all diagrams have.
pub(super) fn read(outline: &Outline<'_>, names: &Names) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for fence in outline.blocks.fences.iter().filter(|fence| is_mermaid(&fence.info)) {
        let lines = fence.inside.clone().map(|line| (line, outline.lines.get(line).trim()));
        let mut lines =
            lines.filter(|(_, text)| !text.is_empty() && !text.starts_with("%%") && text.len() <= LONGEST);
        let Some((_, kind)) = lines.next() else { continue };
        let word = kind.split_whitespace().next().unwrap_or("").trim_end_matches(';');
        match word {
            "graph" | "flowchart" => graph(lines, names, &mut pairs),
            "gantt" => gantt(lines, names, &mut pairs),
            _ => {}
        }
        if pairs.len() >= MOST_ARROWS {
            pairs.truncate(MOST_ARROWS);
            break;
        }
    }
    pairs
}

/// Statements that are no arrows.
const OTHER: &[&str] = &["classDef", "class", "style", "linkStyle", "click", "direction", "end", "accTitle"];

fn graph<'t>(lines: impl Iterator<Item = (usize, &'t str)>, names: &Names, pairs: &mut Vec<Pair>) {
    let mut labels: BTreeMap<&str, &str> = BTreeMap::new();
    let mut arrows: Vec<(usize, &str, &str)> = Vec::new();
    for (line, text) in lines {
        for statement in text.split(';').map(str::trim) {
            let word = statement.split_whitespace().next().unwrap_or("");
            if word == "subgraph" {
                let rest = statement["subgraph".len()..].trim();
                let mut scanner = Scanner { rest };
                if let Some(node) = scanner.node() {
                    labels.insert(node.id, node.label.unwrap_or(rest));
                }
                continue;
            }
            if OTHER.contains(&word) || word.is_empty() {
                continue;
            }
            let mut scanner = Scanner { rest: statement };
            let mut before: Option<Vec<&str>> = None;
            let mut directed = false;
            loop {
                let mut nodes = Vec::new();
                while let Some(node) = scanner.node() {
                    if let Some(label) = node.label {
                        labels.insert(node.id, label);
                    }
                    nodes.push(node.id);
                    if !scanner.take("&") {
                        break;
                    }
                }
                if nodes.is_empty() {
                    break;
                }
                if directed {
                    for from in before.iter().flatten() {
                        arrows.extend(nodes.iter().map(|to| (line, *from, *to)));
                    }
                }
                if arrows.len() > MOST_ARROWS {
                    break;
                }
                before = Some(nodes);
                let Some(points) = scanner.link() else { break };
                directed = points;
            }
        }
    }
    let node_of = |id: &str| {
        let label = labels.get(id).copied().unwrap_or(id);
        let label = label.trim_matches(|c: char| c.is_whitespace() || "\"'`".contains(c));
        names.at_start(label, true).or_else(|| names.at_start(id, true)).map(|(name, _)| name)
    };
    pairs.extend(arrows.into_iter().filter_map(|(line, from, to)| {
        Some(Pair { line, form: AdviceForm::Mermaid, first: node_of(from)?, then: node_of(to)? })
    }));
}

/// A node as it stands in a statement.
struct Node<'t> {
    id: &'t str,
    label: Option<&'t str>,
}

struct Scanner<'t> {
    rest: &'t str,
}

impl<'t> Scanner<'t> {
    fn take(&mut self, sign: &str) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(sign) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }

    fn node(&mut self) -> Option<Node<'t>> {
        let rest = self.rest.trim_start();
        let bytes = rest.as_bytes();
        let is_end = |at: usize, c: char| {
            c.is_whitespace()
                || "[({>&|<~=\"".contains(c)
                || (c == '-' && matches!(bytes.get(at + 1), Some(b'-' | b'.')))
                || rest[at..].starts_with(":::")
        };
        let end = rest.char_indices().find(|(at, c)| is_end(*at, *c)).map_or(rest.len(), |(at, _)| at);
        let id = &rest[..end];
        if id.is_empty() {
            return None;
        }
        let after = &rest[end..];
        let (label, used) = shape(after);
        self.rest = &after[used..];
        if self.rest.starts_with(":::") {
            let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
            self.rest = &self.rest[end..];
        }
        Some(Node { id, label })
    }

    /// Reads a link; whether it points at what follows. None: there is none.
    fn link(&mut self) -> Option<bool> {
        let rest = self.rest.trim_start();
        let start = rest.trim_start_matches(['x', 'o']);
        let start = if rest.len() - start.len() == 1 && start.starts_with("--") { start } else { rest };
        let line = start.len() - start.trim_start_matches(['<', '-', '=', '.', '~']).len();
        if line < 2 {
            return None;
        }
        let after = &start[line..];
        let (after, points) = if let Some(after) = after.strip_prefix('>') {
            (after, true)
        } else if line == 2 && !start.starts_with("~~") {
            // Words in the middle of a link: `-- words -->`, `-. words .->`.
            let ends = ["-->", "==>", ".->", "---", "===", ".-"];
            let (at, sign) = ends.iter().filter_map(|sign| Some((after.find(sign)?, *sign))).min()?;
            let rest = after[at + sign.len()..].trim_start_matches(['-', '=']);
            (rest.strip_prefix('>').unwrap_or(rest), sign.ends_with('>') || rest.starts_with('>'))
        } else {
            (after, false)
        };
        self.rest = after.trim_start();
        if let Some(words) = self.rest.strip_prefix('|') {
            let end = words.find('|')?;
            self.rest = &words[end + 1..];
        }
        Some(points)
    }
}

/// The label in the brackets that a text begins with, and the length of all of it.
fn shape(text: &str) -> (Option<&str>, usize) {
    if !text.starts_with(['[', '(', '{', '>']) {
        return (None, 0);
    }
    let open = text.len() - text.trim_start_matches(['[', '(', '{', '>', '/', '\\']).len();
    let inside = &text[open..];
    if let Some(quoted) = inside.strip_prefix('"') {
        let Some(end) = quoted.find('"') else { return (None, text.len()) };
        let after = &quoted[end + 1..];
        let close = after.len() - after.trim_start_matches([']', ')', '}', '/', '\\']).len();
        return (Some(&quoted[..end]), text.len() - after.len() + close);
    }
    let mut depth = 0_usize;
    for (at, c) in inside.char_indices() {
        match c {
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' if depth > 0 => depth -= 1,
            ']' | ')' | '}' => {
                let after = &inside[at..];
                let close = after.len() - after.trim_start_matches([']', ')', '}']).len();
                return (Some(&inside[..at]), open + at + close);
            }
            _ => {}
        }
    }
    (Some(inside), text.len())
}

fn gantt<'t>(lines: impl Iterator<Item = (usize, &'t str)>, names: &Names, pairs: &mut Vec<Pair>) {
    let mut bars: BTreeMap<&str, Dependency> = BTreeMap::new();
    let mut afters: Vec<(usize, Vec<&str>, Dependency)> = Vec::new();
    let mut before: Option<Dependency> = None;
    for (line, text) in lines {
        let word = text.split_whitespace().next().unwrap_or("");
        if ["title", "dateFormat", "axisFormat", "excludes", "tickInterval", "section"].contains(&word) {
            if word == "section" {
                before = None;
            }
            continue;
        }
        let Some((name, data)) = text.rsplit_once(':') else { continue };
        let bar = names.at_start(name.trim(), true).map(|(name, _)| name);
        let mut starts = false;
        for part in data.split(',').map(str::trim) {
            if let Some(ids) = part.strip_prefix("after ") {
                starts = true;
                if let Some(bar) = bar {
                    afters.push((line, ids.split_whitespace().collect(), bar));
                }
            } else if is_date(part) {
                starts = true;
            } else if !is_duration(part)
                && !["done", "active", "crit", "milestone"].contains(&part)
                && let Some(bar) = bar
            {
                bars.insert(part, bar);
            }
        }
        if let (Some(first), Some(then), false) = (before, bar, starts) {
            pairs.push(Pair { line, form: AdviceForm::Gantt, first, then });
        }
        before = bar;
    }
    for (line, ids, then) in afters {
        for id in ids {
            // A bar without an id of its own may be called by the id of its task.
            let first = bars.get(id).copied().or_else(|| names.at_start(id, true).map(|(name, _)| name));
            if let Some(first) = first {
                pairs.push(Pair { line, form: AdviceForm::Gantt, first, then });
            }
        }
    }
}

fn is_date(text: &str) -> bool {
    text.len() >= 8 && text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(['-', '/', '.'])
}

fn is_duration(text: &str) -> bool {
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    digits > 0 && matches!(&text[digits..], "ms" | "s" | "m" | "min" | "h" | "d" | "w" | "M" | "y")
}
