//! Antigravity: `task.md`, a nested list, and `implementation_plan.md`, changes file by file.
//!
//! In the list the outermost items are tasks. In the plan a component under "Proposed Changes" is one,
//! and the headings below it are its files; where there are no components, each file is a task. Both go in
//! order.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::task::FileClaim;
use crate::model::task::FileVerb;
use crate::model::task::HeldReason;
use crate::plan::assemble::MOST_PREAMBLE;
use crate::plan::blocks::LineKind;
use crate::plan::found::Findings;
use crate::plan::found::Found;
use crate::plan::found::Holder;
use crate::plan::found::heading_task;
use crate::plan::found::item_task;
use crate::plan::lines::number;
use crate::plan::names;
use crate::plan::names::Shape;
use crate::plan::outline::Outline;
use crate::plan::tables;
use crate::plan::titles;
use crate::plan::types::Plan;
use crate::plan::types::ReadOptions;
use crate::plan::values;
use crate::plan::words;

/// The section that a person is to look at before anything is changed.
const REVIEW: &str = "User Review Required";

/// The most roots that links are compared with.
const MOST_ROOTS: usize = 8;

/// What the name of a file says together with what stands in it.
pub(crate) fn sign(outline: &Outline<'_>, path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or("");
    if name == "implementation_plan.md" && proposed(outline).is_some() {
        return Some("`implementation_plan.md` with Proposed Changes");
    }
    let mut boxes = outline.items.iter().filter(|item| item.mark.is_some());
    (name == "task.md" && boxes.any(|item| comment_id(outline, item.line).is_some()))
        .then_some("`task.md` with numbered comments")
}

/// The tasks of either document.
pub(crate) fn tasks(outline: &Outline<'_>) -> Option<Findings> {
    let files: Vec<usize> = (0..outline.headings.len())
        .filter(|heading| {
            let heading = &outline.headings[*heading];
            change(outline, &heading.text).is_some()
        })
        .collect();
    if proposed(outline).is_none() && !tables::read(outline).is_empty() {
        // Files of a design beside a table of what is to be done: the table says who does what.
        return Some(Findings::default());
    }
    if !files.is_empty() || proposed(outline).is_some() {
        let tasks = components(outline, &files);
        return (!tasks.is_empty()).then_some(Findings { tasks, rule: "components of the proposed changes" });
    }
    let tasks = outermost(outline);
    (!tasks.is_empty()).then_some(Findings { tasks, rule: "outermost boxes" })
}

/// The items of the list that stand in no other item with a box.
fn outermost(outline: &Outline<'_>) -> Vec<Found> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut tasks: Vec<Found> = Vec::new();
    for (index, item) in outline.items.iter().enumerate() {
        if item.mark.is_none() || item.below_box || item.closed_label || outline.is_closed(item.heading) {
            continue;
        }
        let start = item.text.start - outline.lines.start(item.line);
        let visible = outline.visible(item.line);
        let written = visible.get(start..).and_then(names::written).filter(|written| written.ends);
        let mut task = item_task(outline, index, written.map(|written| (written.id, written.after)));
        let id = task.id.take().or_else(|| comment_id(outline, item.line));
        task.id = id.filter(|id| taken.insert(names::folded(id)));
        task.ordered = true;
        if let Some(parent) = item.parent {
            task.holder = Some(Holder::Item(parent));
        }
        tasks.push(task);
    }
    tasks
}

/// The number in `<!-- id: 3 -->` on a line.
fn comment_id(outline: &Outline<'_>, line: usize) -> Option<String> {
    let text = outline.lines.get(line);
    let comment = &text[text.rfind("<!--")? + 4..];
    let id = comment.split("-->").next()?.trim().strip_prefix("id")?.trim_start().strip_prefix(':')?.trim();
    let good =
        !id.is_empty() && id.len() <= 32 && id.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    good.then(|| id.to_owned())
}

/// The heading over the changes.
fn proposed(outline: &Outline<'_>) -> Option<usize> {
    outline
        .headings
        .iter()
        .position(|heading| words::begins_with(words::without_number(&heading.title), "proposed changes"))
}

/// Components, and files that stand in none.
fn components(outline: &Outline<'_>, files: &[usize]) -> Vec<Found> {
    let section = proposed(outline);
    let top = |heading: usize| Some(heading) == section || outline.headings[heading].level == 1;
    let within = |heading: usize| {
        section.is_none_or(|section| {
            let line = outline.headings[heading].line;
            (outline.headings[section].after..outline.headings[section].end).contains(&line)
        })
    };
    // What holds a file directly is a component, unless it is the section itself.
    let mut found: BTreeSet<usize> = files
        .iter()
        .copied()
        .filter(|heading| within(*heading))
        .map(|heading| {
            let parent = outline.headings[heading].parent.filter(|parent| !top(*parent));
            // `Files` below a component is no name of one.
            let around = parent
                .filter(|parent| is_only_files(&outline.headings[*parent].title))
                .and_then(|parent| outline.headings[parent].parent)
                .filter(|around| !top(*around));
            around.or(parent).unwrap_or(heading)
        })
        .collect();
    // A component may do without headings of files, and describe its changes in a list.
    let is_file: BTreeSet<usize> = files.iter().copied().collect();
    let mut groups: BTreeSet<usize> = BTreeSet::new();
    for heading in &found {
        groups.extend(ancestors(outline, *heading));
    }
    if let Some(section) = section {
        for (index, heading) in outline.headings.iter().enumerate() {
            if heading.parent == Some(section) && !is_file.contains(&index) && !groups.contains(&index) {
                found.insert(index);
            }
        }
    }
    // A component inside a component: the outer one holds both, and the files of its own stand alone.
    let outer: Vec<usize> = found.iter().copied().filter(|heading| groups.contains(heading)).collect();
    for heading in outer {
        found.remove(&heading);
        found.extend(files.iter().copied().filter(|file| outline.headings[*file].parent == Some(heading)));
    }
    let mut taken: BTreeSet<String> = BTreeSet::new();
    found
        .into_iter()
        .map(|heading| {
            // `### 2. Ranking`, where each number stands once.
            let text = outline.lines.text.get(outline.headings[heading].text.clone()).unwrap_or("");
            let written = names::written(text)
                .filter(|written| written.ends && matches!(written.shape, Shape::Number(1)))
                .filter(|written| taken.insert(written.id.clone()));
            heading_task(outline, heading, written.map(|written| (written.id, written.after)))
        })
        .collect()
}

/// Whether a heading only says that files stand below it.
fn is_only_files(title: &str) -> bool {
    let bare = words::without_number(title).trim().to_lowercase();
    ["files", "changes", "file changes", "files to change", "soubory", "změny"].contains(&bare.as_str())
}

fn ancestors(outline: &Outline<'_>, heading: usize) -> Vec<usize> {
    std::iter::successors(outline.headings[heading].parent, |parent| outline.headings[*parent].parent)
        .collect()
}

/// `[NEW] path`: what is done, and the rest of the heading.
fn change<'t>(outline: &'t Outline<'_>, text: &Range<usize>) -> Option<(FileVerb, &'t str)> {
    let text = outline.lines.text.get(text.clone())?.trim_start_matches(['*', '`', ' ']);
    let (word, rest) = text.strip_prefix('[')?.split_once(']')?;
    let verb = match word.trim().to_ascii_uppercase().as_str() {
        "NEW" | "CREATE" | "ADD" => FileVerb::Create,
        "MODIFY" | "UPDATE" | "EDIT" => FileVerb::Modify,
        "DELETE" | "REMOVE" => FileVerb::Delete,
        _ => return None,
    };
    Some((verb, rest.trim_start_matches(['*', '`', ':', ' '])))
}

/// Files with their verbs, criteria, and the gate before all of it.
pub(crate) fn finish(outline: &Outline<'_>, options: &ReadOptions, plan: &mut Plan) {
    for task in &mut plan.tasks {
        task.ordered = true;
    }
    if options.as_one {
        return;
    }
    let by_line = super::headings_by_line(outline);
    let paths = Paths::new(outline, options.root.as_deref());
    for task in &mut plan.tasks {
        let Some(heading) = by_line.get(&task.line).map(|index| &outline.headings[*index]) else { continue };
        let first = outline.headings.partition_point(|other| other.line < heading.line);
        for file in outline.headings[first..]
            .iter()
            .take_while(|other| other.line < heading.end.max(heading.line + 1))
        {
            let Some((verb, rest)) = change(outline, &file.text) else { continue };
            let (found, outside) = paths.read(rest);
            task.files.extend(found.into_iter().map(|path| FileClaim { verb: Some(verb), path }));
            if outside {
                plan.diagnostics.push(
                    Diagnostic::warning(
                        "path-outside",
                        Place::line(number(file.line)),
                        "the heading names a path outside the project: it is left out of the task's files",
                    )
                    .hint("name files relative to the project's root"),
                );
            }
        }
    }
    add_verification(outline, plan);
    if asks_for_review(outline) {
        for task in plan.tasks.iter_mut().filter(|task| !task.status.is_met()) {
            task.held.push(HeldReason::Gate(REVIEW.to_owned()));
        }
    }
}

/// Whether the section for the user's review holds something to decide. A tip or a note is a remark.
fn asks_for_review(outline: &Outline<'_>) -> bool {
    let sections = outline
        .headings
        .iter()
        .filter(|heading| words::begins_with(words::without_number(&heading.title), "user review required"));
    let mut remark = false;
    for heading in sections {
        for line in heading.after..heading.end {
            let text = outline.lines.get(line).trim();
            match outline.kind(line) {
                LineKind::Quote => {
                    let inner = text.trim_start_matches(['>', ' ']);
                    if inner.starts_with("[!") {
                        remark = inner.starts_with("[!TIP]") || inner.starts_with("[!NOTE]");
                    } else if !remark && !inner.is_empty() {
                        return true;
                    }
                }
                LineKind::Text | LineKind::Table | LineKind::Code | LineKind::Fence => {
                    remark = false;
                    if !is_nothing(text) {
                        return true;
                    }
                }
                LineKind::Blank => remark = false,
                LineKind::Heading | LineKind::Break | LineKind::FrontMatter | LineKind::Comment => {}
            }
        }
    }
    false
}

/// `None`, `N/A`, and sentences that begin so.
fn is_nothing(text: &str) -> bool {
    let bare = titles::clean(text.trim_start_matches(['-', '*', '+', ' ']));
    bare.is_empty()
        || ["none", "n/a", "nothing", "no "].iter().any(|word| words::begins_with(&bare, word.trim()))
}

/// The verification plan is for every task. One with boxes is among the criteria already.
fn add_verification(outline: &Outline<'_>, plan: &mut Plan) {
    let sections = outline
        .headings
        .iter()
        .filter(|heading| words::begins_with(words::without_number(&heading.title), "verification plan"));
    for heading in sections {
        let first = outline.items.partition_point(|item| item.line < heading.line);
        let mut items = outline.items[first..].iter().take_while(|item| item.line < heading.end);
        let section = outline.lines.slice(heading.line, heading.end).trim();
        if !items.any(|item| item.mark.is_some()) && plan.preamble.len() + section.len() <= MOST_PREAMBLE {
            plan.preamble.push_str("\n\n");
            plan.preamble.push_str(section);
        }
    }
}

/// How absolute paths of a plan are cut to those inside its repository.
struct Paths {
    /// Roots that are known, or that a link's text and target tell: `[src/a.rs](file:///home/me/app/src/a.rs)`.
    roots: BTreeSet<String>,
    /// The name of the project's folder: on another machine it stands elsewhere.
    name: Option<String>,
}

impl Paths {
    fn new(outline: &Outline<'_>, root: Option<&str>) -> Self {
        let mut roots = BTreeSet::new();
        let root = root.map(|root| root.replace('\\', "/"));
        if let Some(root) = &root {
            // A link begins with `/` before a drive's letter, too.
            roots.insert(folded_drive(&format!("/{}/", root.trim_matches('/'))));
        }
        for heading in &outline.headings {
            let Some((_, rest)) = change(outline, &heading.text) else { continue };
            for (text, target) in links(rest) {
                let text = text.replace('\\', "/");
                if let Some(target) = absolute(target)
                    && text.contains('/')
                    && let Some(root) = target.strip_suffix(text.trim_start_matches("./"))
                    && root.ends_with('/')
                    && roots.len() < MOST_ROOTS
                {
                    roots.insert(root.to_owned());
                }
            }
        }
        let name = root.and_then(|root| root.trim_end_matches('/').rsplit('/').next().map(str::to_owned));
        Self { roots, name: name.filter(|name| !name.is_empty()) }
    }

    /// The paths that the rest of a heading names, and whether one leads outside.
    fn read(&self, rest: &str) -> (Vec<String>, bool) {
        let links = links(rest);
        if links.is_empty() {
            let spans = values::code_spans(rest);
            let path = match spans.first() {
                Some((span, _)) => *span,
                None => rest.split_whitespace().next().unwrap_or("").trim_end_matches(['`', ':', '*', ',']),
            };
            // `[NEW] A migration` names no file, and says so to a person.
            if !path.contains(['/', '.']) || path.starts_with('[') || path.contains(char::is_whitespace) {
                return (Vec::new(), false);
            }
            let found = values::inside(path);
            return (found.clone().into_iter().collect(), found.is_none());
        }
        let mut paths = Vec::new();
        let mut outside = false;
        for (text, target) in links {
            match self.one(text, target) {
                Some(path) => paths.push(path),
                None => outside |= !target.contains("://") || target.starts_with("file:"),
            }
        }
        (paths, outside)
    }

    fn one(&self, text: &str, target: &str) -> Option<String> {
        let Some(target) = absolute(target) else {
            return values::inside(target).filter(|_| !target.contains("://"));
        };
        if let Some(root) = self.roots.iter().rev().find(|root| target.starts_with(root.as_str())) {
            return values::inside(&target[root.len()..]);
        }
        if let Some(name) = &self.name
            && let Some(at) = target.rfind(&format!("/{name}/"))
        {
            return values::inside(&target[at + name.len() + 2..]);
        }
        // Where the repository stands is not told: what the link is called, or a file of that name.
        let text = text.replace('\\', "/");
        if text.contains('/') && !text.contains(char::is_whitespace) {
            return values::inside(&text);
        }
        let mut parts = target.rsplit('/').filter(|part| !part.is_empty());
        let (file, folder) = (parts.next()?, parts.next());
        Some(match folder {
            Some(folder) if text != file => format!("**/{folder}/{file}"),
            Some(_) | None => format!("**/{file}"),
        })
    }
}

/// The texts and targets of all links; parentheses inside a target are its own where they come in pairs.
fn links(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(middle) = text[from..].find("](").map(|at| from + at) {
        let open = from + opened(&text[from..middle]);
        let start = middle + 2;
        let mut depth = 0_usize;
        let mut end = text.len();
        for (at, byte) in text.bytes().enumerate().skip(start) {
            match byte {
                b'(' => depth += 1,
                b')' if depth == 0 => {
                    end = at;
                    break;
                }
                b')' => depth -= 1,
                _ => {}
            }
        }
        found.push((text[open..middle].trim_matches(['`', ' ', '*']), text[start..end].trim()));
        from = end;
    }
    found
}

/// Where the text of a link begins that ends with the end of `text`; brackets in it, as in the name of a
/// file, come in pairs.
fn opened(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate().rev() {
        match byte {
            b']' => depth += 1,
            b'[' if depth == 0 => return at + 1,
            b'[' => depth -= 1,
            _ => {}
        }
    }
    0
}

/// The path of a `file:///` link, with `/` only; none if the target is another kind of link.
fn absolute(target: &str) -> Option<String> {
    let path = target.strip_prefix("file://")?;
    let path = path.split(['#', '?']).next().unwrap_or("");
    Some(folded_drive(&percent_decoded(path).replace('\\', "/")))
}

/// A drive's letter in lower case, since it is written in both.
fn folded_drive(path: &str) -> String {
    match path.as_bytes() {
        [b'/', drive, b':', ..] if drive.is_ascii_alphabetic() => {
            format!("/{}{}", char::from(drive.to_ascii_lowercase()), &path[2..])
        }
        _ => path.to_owned(),
    }
}

fn percent_decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 3;
            }
            (byte, _, _) => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(root: Option<&str>, text: &str) -> (Vec<String>, bool) {
        let outline = Outline::read(text);
        let rest = change(&outline, &outline.headings[0].text).unwrap().1;
        Paths::new(&outline, root).read(rest)
    }

    #[test]
    fn links_are_cut_to_the_repository() {
        let one = |root: &str, text: &str| paths(Some(root), text).0.join(" ");
        assert_eq!(one("/home/ana/shop", "#### [NEW] [a.rs](file:///home/ana/shop/src/a.rs)"), "src/a.rs");
        assert_eq!(one("C:\\src\\shop", "#### [NEW] [a.rs](file:///c:/src/shop/src/a.rs#L3)"), "src/a.rs");
        assert_eq!(one("/srv/shop", "#### [NEW] [a.rs](file:///D:/my%20code/shop/src/a.rs)"), "src/a.rs");
        assert_eq!(one("/srv/x", "#### [NEW] [src/a.rs](file:///home/ana/shop/src/a.rs)"), "src/a.rs");
        assert_eq!(one("/srv/x", "#### [NEW] [a.rs](file:///home/ana/shop/src/a.rs)"), "**/a.rs");
        assert_eq!(
            one("/srv/x", "#### [NEW] [the route](file:///home/ana/shop/api/route.ts)"),
            "**/api/route.ts"
        );
        assert_eq!(
            one(
                "/srv/x",
                "#### [MODIFY] [app/(auth)/a.tsx](file:///c:/x/app/(auth)/a.tsx) and [b.tsx](file:///c:/x/b.tsx)"
            ),
            "app/(auth)/a.tsx b.tsx"
        );
        assert_eq!(one("/srv/x", "#### [NEW] [a](src/a.rs)"), "src/a.rs");
        let route = "#### [DELETE] [app/[id]/page.tsx](file:///d:/x/app/%5Bid%5D/page.tsx)";
        assert_eq!(one("/srv/x", route), "app/[id]/page.tsx");
    }

    #[test]
    fn what_names_no_file_or_one_outside() {
        assert_eq!(paths(None, "#### [NEW] A migration"), (Vec::new(), false));
        assert_eq!(paths(None, "#### [NEW] [A migration]"), (Vec::new(), false));
        assert_eq!(paths(None, "#### [NEW] `src/a.rs`: the parser"), (vec!["src/a.rs".to_owned()], false));
        assert_eq!(paths(None, "#### [NEW] src/a.rs"), (vec!["src/a.rs".to_owned()], false));
        assert_eq!(paths(None, "#### [NEW] `../a.rs`"), (Vec::new(), true));
        assert_eq!(paths(None, "#### [NEW] [x](https://example.org/x)").0, Vec::<String>::new());
    }

    #[test]
    fn a_review_asks_for_something_or_not() {
        let asks = |text: &str| {
            asks_for_review(&Outline::read(&format!(
                "# P\n\n## User Review Required\n\n{text}\n\n## Next\n\nText\n"
            )))
        };
        assert!(asks("> [!IMPORTANT]\n> The table is dropped."));
        assert!(asks("> [!TIP]\n> It is fast.\n\n> [!WARNING]\n> It is large."));
        assert!(asks("- Is the name right?"));
        assert!(asks("> Is the name right?"));
        assert!(!asks("> [!TIP]\n> It is fast."));
        assert!(!asks("> [!NOTE]\n> None."));
        assert!(!asks("None."));
        assert!(!asks(""));
    }
}
