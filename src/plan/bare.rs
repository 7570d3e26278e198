//! Lines that look like boxes and are no list items, `[ ] task`: some tools keep their lists so. They are
//! no tasks, and are reported.

use super::blocks::LineKind;
use super::boxes::box_at;
use super::lines::number;
use super::marks::Marks;
use super::outline::Outline;
use super::types::Plan;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::Ignored;

/// Reports lines that begin with a box and have no bullet before it.
pub(crate) fn report(outline: &Outline<'_>, marks: &Marks, plan: &mut Plan) {
    let mut lines = Vec::new();
    for line in 0..outline.lines.len() {
        if outline.kind(line) != LineKind::Text || outline.item_at(line).is_some() || marks.is_legend(line) {
            continue;
        }
        let text = outline.lines.get(line).trim_start();
        let follows = |(_, _, _, length): (char, usize, bool, usize)| text[length..].starts_with([' ', '\t']);
        if box_at(text).is_some_and(follows) {
            lines.push(number(line));
        }
    }
    let Some(first) = lines.first().copied() else { return };
    let count = lines.len();
    let noun = if count == 1 { "1 line begins".to_owned() } else { format!("{count} lines begin") };
    let message = format!("{noun} with a box and no bullet: not a list, and no task");
    plan.diagnostics.push(
        Diagnostic::warning("boxes-ignored", Place::line(first), message)
            .hint("write `- [ ]` where they are meant as tasks"),
    );
    plan.ignored.extend(lines.into_iter().map(|line| Ignored {
        file: None,
        line,
        reason: "no bullet before the box".to_owned(),
    }));
    plan.ignored.sort_by_key(|ignored| ignored.line);
}

#[cfg(test)]
mod tests {
    #[test]
    fn lists_without_bullets_are_reported_and_not_read() {
        let plan = crate::plan::tests::plan("# Todo\n\n[x] Read\n[-] Write\n[ ] Rest\n\n- [ ] Real one\n");
        assert_eq!(plan.tasks.len(), 1);
        let ignored: Vec<u32> = plan.ignored.iter().map(|box_| box_.line).collect();
        assert_eq!(ignored, [3, 4, 5]);
        let told: Vec<&str> = plan.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(told, ["boxes-ignored"]);
        assert!(plan.diagnostics[0].message.starts_with("3 lines begin"), "{}", plan.diagnostics[0].message);
    }
}
