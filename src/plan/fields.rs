//! Fields: `key: value` at the start of a list item or line, at the own level of a task or group.
//!
//! Keys are compared without case, `_`, `-` and spaces; a key that is not known is text. What a value
//! means is read in `values`.

use std::ops::Range;

use super::blocks::LineKind;
use super::outline::Outline;
use super::values::verb_before;
use crate::model::task::FileVerb;

/// A field that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// What it waits for.
    DependsOn,
    /// Who does it.
    Agent,
    /// With which model.
    Model,
    /// From which layer.
    Layer,
    /// What the agent `command` runs.
    Command,
    /// Files it touches, with what is done to them.
    Files(Option<FileVerb>),
    /// Commands that check it.
    Verify,
    /// Criteria in words.
    Acceptance,
    /// Its status.
    Status,
    /// Its priority.
    Priority,
    /// Limit of one attempt.
    Timeout,
    /// Further attempts.
    Retries,
    /// Whether siblings run beside it.
    Parallel,
    /// Whether it runs only when asked for.
    Optional,
    /// A gate before it.
    Gate,
    /// Back references.
    Requirements,
    /// What it leaves behind.
    Output,
    /// One at a time, for a whole plan.
    Mode,
}

/// A field with its place.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    /// Which.
    pub(crate) key: Key,
    /// As written.
    pub(crate) name: String,
    /// The line of the key.
    pub(crate) line: usize,
    /// Bytes of the value on that line.
    pub(crate) value: Range<usize>,
    /// Bytes of the lines and items that belong to the value.
    pub(crate) more: Vec<Range<usize>>,
    /// Lines of fences inside the value.
    pub(crate) fences: Vec<Range<usize>>,
}

/// A name as keys are compared: without case, `_`, `-`, marks and spaces.
pub(crate) fn folded(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-' | '*' | '`') && !c.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether a name is that of a command to run, which is a check only in an item of its own.
pub(crate) fn is_run(name: &str) -> bool {
    folded(name) == "run"
}

/// Finds the key of a name.
pub(crate) fn key_of(name: &str) -> Option<Key> {
    Some(match folded(name).as_str() {
        "dependson" | "dependencies" | "depends" | "blockedby" | "requires" | "after" | "needs"
        | "závisína" | "závisí" | "závislosti" | "závislost" | "podokončení" | "čekána" | "vyžaduje"
        | "stepdependencies" | "taskdependencies" | "依赖" | "依赖关系" | "依存" | "依存関係" | "의존성" => {
            Key::DependsOn
        }
        "agent" | "executor" | "assigned" | "assignedto" | "assignee" | "owner" | "responsible"
        | "odpovídá" | "odpovědný" | "odpovědnost" | "zodpovídá" | "zodpovědný" | "zodpovědnost"
        | "přiřazeno" | "řeší" | "řešitel" | "vykonavatel" | "vlastník" => Key::Agent,
        "model" | "modeltier" => Key::Model,
        "layer" => Key::Layer,
        "command" => Key::Command,
        "files" | "file" | "brief" | "taskfile" | "promptfile" | "location" | "locations" | "package"
        | "packages" | "package(s)" | "touches" | "soubory" | "soubor" | "文件" => Key::Files(None),
        "filestocreate" | "create" => Key::Files(Some(FileVerb::Create)),
        "filestomodify" | "modifiedfiles" | "modify" => Key::Files(Some(FileVerb::Modify)),
        "verify" | "validationcommands" | "run" => Key::Verify,
        "verification"
        | "validation"
        | "validationcriteria"
        | "testscenarios"
        | "donewhen"
        | "acceptance"
        | "acceptancecriteria"
        | "expected"
        | "kritéria"
        | "kritériapřijetí"
        | "akceptačníkritéria"
        | "hotovokdyž"
        | "hotovo,když"
        | "ověření" => Key::Acceptance,
        "status" | "state" | "stav" | "planstatus" => Key::Status,
        "priority" | "priorita" => Key::Priority,
        "timeout" | "timelimit" | "časovýlimit" => Key::Timeout,
        "retries" | "maxretries" => Key::Retries,
        "parallel" | "parallelsafe" | "paralelně" => Key::Parallel,
        "optional" | "volitelné" => Key::Optional,
        "gate" => Key::Gate,
        "requirements" | "implements" | "validates" | "需求" | "ac" => Key::Requirements,
        "output" | "outputs" | "outputfile" | "deliverable" | "deliverables" | "výstup" | "výstupy" => {
            Key::Output
        }
        "mode" | "executionmode" => Key::Mode,
        _ => return None,
    })
}

/// Cuts `**Key**: value`, `Key: value` or `_Key: value_` into the name and the bytes of the value.
pub(crate) fn split(text: &str) -> Option<(&str, Range<usize>)> {
    let colon = text.char_indices().take(48).find(|(_, c)| matches!(c, ':' | '：'))?;
    let mut name = &text[..colon.0];
    let lead = name.len() - name.trim_start_matches(['*', '_', ' ', '\t']).len();
    let marks = name[..lead].trim();
    name = name.trim_matches(['*', '_', ' ', '\t']);
    if name.is_empty() || name.split_whitespace().count() > 4 || !name.starts_with(char::is_alphabetic) {
        return None;
    }
    let mut start = colon.0 + colon.1.len_utf8();
    let after = &text[start..];
    // `http://x` and `a::b` are no fields.
    if after.starts_with(['/', ':']) {
        return None;
    }
    let bold = after.trim_start_matches(['*', '_']);
    let closing = after.len() - bold.len();
    if closing > 0 && (bold.is_empty() || bold.starts_with([' ', '\t']) || closing >= 2) {
        start += closing;
    }
    let mut end = text.trim_end().len().max(start);
    // One mark around key and value: the italic fields of Kiro.
    if marks.len() == 1 && closing == 0 && text[start..end].ends_with(marks) {
        end -= 1;
    }
    start += text[start..end].len() - text[start..end].trim_start().len();
    end = start + text[start..end].trim_end().len();
    Some((name, start..end))
}

/// Reads the fields of a task or group.
///
/// `span` is the lines to look at, `owner` the item they belong to (none: below a heading).
pub(crate) fn read(outline: &Outline<'_>, span: Range<usize>, owner: Option<usize>) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    // A field that stands on a line of its own takes the list below it as its value.
    let mut collecting = false;
    let mut line = span.start;
    let mut blank = false;
    while line < span.end {
        match outline.kind(line) {
            LineKind::Blank | LineKind::Comment => {
                blank = true;
                line += 1;
                continue;
            }
            LineKind::Text => {}
            LineKind::Fence => {
                let next = fence_end(outline, line).min(span.end);
                if collecting && let Some(field) = fields.last_mut() {
                    field.fences.push(line..next);
                }
                line = next;
                continue;
            }
            LineKind::Break => break,
            LineKind::Heading
            | LineKind::FrontMatter
            | LineKind::Code
            | LineKind::Quote
            | LineKind::Table => {
                collecting = false;
                line += 1;
                continue;
            }
        }
        let next = if let Some(index) = outline.item_at(line) {
            let item = &outline.items[index];
            let end = item.end.min(span.end);
            let direct = item.parent == owner && item.mark.is_none();
            // `- Test: path` below `Files:` says what is done to a file, and is no field of its own.
            let files = fields.last().is_some_and(|field| matches!(field.key, Key::Files(None)));
            let is_verb = collecting
                && files
                && outline.lines.text.get(item.text.clone()).is_some_and(|text| verb_before(text).is_some());
            let found = if direct && !is_verb {
                push_fields(outline, &mut fields, item.text.clone(), line, true)
            } else {
                Pushed::default()
            };
            if found.any {
                collecting = false;
                if found.last
                    && let Some(field) = fields.last_mut()
                {
                    collect(outline, field, line + 1..end);
                }
            } else if collecting && item.parent == owner && item.mark.is_none() {
                if let Some(field) = fields.last_mut() {
                    field.more.push(item.text.clone());
                    collect(outline, field, line + 1..end);
                }
            } else {
                collecting = false;
            }
            end.max(line + 1)
        } else {
            let start = outline.lines.start(line);
            let range = start..outline.lines.end(line);
            let found = push_fields(outline, &mut fields, range.clone(), line, false);
            if found.any {
                collecting = found.last;
            } else if collecting && !blank && !is_bold_key(&outline.visible(line)) {
                if let Some(field) = fields.last_mut() {
                    field.more.push(range);
                }
            } else {
                collecting = false;
            }
            line + 1
        };
        blank = false;
        line = next;
    }
    fields
}

/// What a line holds of fields.
#[derive(Default)]
struct Pushed {
    /// At least one.
    any: bool,
    /// The last one on it is known, so what follows belongs to its value.
    last: bool,
}

/// Adds the field, or the several that `|` or bold keys keep apart, that stand in some bytes.
fn push_fields(
    outline: &Outline<'_>,
    fields: &mut Vec<Field>,
    range: Range<usize>,
    line: usize,
    in_item: bool,
) -> Pushed {
    let start = outline.lines.start(line);
    let visible = outline.visible(line);
    let mut from = range.start - start;
    let mut pushed = Pushed::default();
    while let Some(text) = visible.get(from..range.end - start) {
        let Some((name, mut value)) = split(text) else { break };
        let next = next_field(text, value.start);
        if let Some((end, _)) = next {
            value.end = value.start + text[value.start..end.max(value.start)].trim_end().len();
        }
        // `Run: cmd` on a line of its own belongs to the step above it.
        let key = key_of(name).filter(|_| in_item || !is_run(name));
        pushed.last = key.is_some();
        if let Some(key) = key {
            let value = start + from + value.start..start + from + value.end;
            let name = name.to_owned();
            fields.push(Field { key, name, line, value, more: Vec::new(), fences: Vec::new() });
            pushed.any = true;
        }
        match next {
            Some((_, next)) => from += next,
            None => break,
        }
    }
    pushed
}

/// Where a value ends and the next field of its line begins: `| **Key:**`, or a bold key alone where the first
/// one is bold, too.
fn next_field(text: &str, from: usize) -> Option<(usize, usize)> {
    let bold = text.trim_start().starts_with("**");
    // A value may be empty, and then the next key stands where it would be.
    let mut at = from.saturating_sub(1);
    while let Some(found) = text.get(at..)?.find(" **") {
        let sign = at + found;
        let before = text[..sign].trim_end();
        if sign >= from && before.ends_with(" |") {
            return Some((before.len() - 2, sign + 1));
        }
        if bold && is_bold_label(&text[sign + 1..]) {
            return Some((sign, sign + 1));
        }
        at = sign + 3;
    }
    None
}

/// Whether a text begins with `**Key:**` or `**Key**:`.
fn is_bold_label(text: &str) -> bool {
    let Some(inner) = text.strip_prefix("**") else { return false };
    let Some(end) = inner.char_indices().take(48).find(|(_, c)| matches!(c, '*' | ':' | '：')) else {
        return false;
    };
    let (name, rest) = inner.split_at(end.0);
    let word = name.starts_with(char::is_alphabetic) && name.split_whitespace().count() <= 4;
    word && [":**", "**:", "：**", "**："].iter().any(|sign| rest.starts_with(sign))
}

/// Whether a line is `**Key:** value`, of a key that is known or not, or a label such as `**Key** (remark):`.
fn is_bold_key(line: &str) -> bool {
    let line = line.trim_start();
    let Some((name, rest)) = line.strip_prefix("**").and_then(|inner| inner.split_once("**")) else {
        return false;
    };
    let rest = rest.trim_start();
    let remark = rest.starts_with(['(', '（']).then(|| rest.split_once([')', '）'])).flatten();
    let rest = remark.map_or(rest, |(_, after)| after.trim_start());
    split(line).is_some() || name.trim_end().ends_with([':', '：']) || rest.starts_with([':', '：'])
}

/// The line after the fence that a line belongs to: the next one may begin right there.
fn fence_end(outline: &Outline<'_>, line: usize) -> usize {
    let fences = &outline.blocks.fences;
    let next = fences.get(fences.partition_point(|fence| fence.line <= line));
    let limit = next.map_or(outline.lines.len(), |fence| fence.line);
    let mut end = line + 1;
    while end < limit && outline.kind(end) == LineKind::Fence {
        end += 1;
    }
    end
}

/// Adds the lines below a field's item to its value.
fn collect(outline: &Outline<'_>, field: &mut Field, span: Range<usize>) {
    let mut line = span.start;
    while line < span.end {
        match outline.kind(line) {
            LineKind::Text => {
                if let Some(index) = outline.item_at(line) {
                    field.more.push(outline.items[index].text.clone());
                } else {
                    field.more.push(outline.lines.start(line)..outline.lines.end(line));
                }
                line += 1;
            }
            LineKind::Fence => {
                let next = fence_end(outline, line).min(span.end);
                field.fences.push(line..next);
                line = next;
            }
            LineKind::Blank
            | LineKind::Comment
            | LineKind::Heading
            | LineKind::Break
            | LineKind::FrontMatter
            | LineKind::Code
            | LineKind::Quote
            | LineKind::Table => line += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(Key, String, usize)> {
        let outline = Outline::read(text);
        read(&outline, 0..outline.lines.len(), None)
            .into_iter()
            .map(|field| (field.key, text[field.value].to_owned(), field.more.len()))
            .collect()
    }

    #[test]
    fn all_ways_to_write_a_field() {
        for text in [
            "- **Depends on**: T1",
            "- **Depends on:** T1",
            "- depends_on: T1",
            "- __Depends-On__: T1",
            "**Depends on：** T1",
            "- _Depends: T1_",
            "_Depends: T1_",
            "- *Blocked by: T1*",
            "- 依赖：T1",
        ] {
            assert_eq!(pairs(text), [(Key::DependsOn, "T1".to_owned(), 0)], "{text}");
        }
    }

    #[test]
    fn text_that_is_no_field() {
        for text in
            ["- **Colour**: red", "- see http://x", "- agent", "- a b c d e agent: x", "- [ ] Agent: x"]
        {
            assert_eq!(pairs(text), [], "{text}");
        }
    }

    #[test]
    fn a_label_that_means_nothing_ends_the_field_before_it() {
        assert_eq!(
            pairs("**Depends on**: T1\n**Colour**: red\nmore\n**Depends on**: T2\nand T3\n"),
            [(Key::DependsOn, "T1".to_owned(), 0), (Key::DependsOn, "T2".to_owned(), 1)]
        );
    }

    #[test]
    fn several_on_a_line_and_lists_below() {
        assert_eq!(
            pairs("**Depends on:** Step 2 | **Parallel with:** Step 4 | **Model:** opus"),
            [(Key::DependsOn, "Step 2".to_owned(), 0), (Key::Model, "opus".to_owned(), 0)]
        );
        assert_eq!(pairs("**Files:**\n\n- a\n- b\n\nText\n\n- c\n"), [(Key::Files(None), String::new(), 2)]);
        assert_eq!(pairs("- **Files**:\n  - a\n  - b\n- x\n"), [(Key::Files(None), String::new(), 2)]);
        let outline = Outline::read("- [ ] x\n  - **Agent**: kilo\n    - **Model**: nested is text\n");
        assert_eq!(read(&outline, 1..3, Some(0)).len(), 1);
    }

    #[test]
    fn fences_that_touch_are_two() {
        for text in [
            "**Verify**:\n```sh\na\n```\n```sh\nb\n```\n",
            "- **Verify**:\n  ```sh\n  a\n  ```\n  ```sh\n  b\n  ```\n",
            "- **Verify**:\n  ```sh\n  a\n  ```\n\n  ~~~sh\n  b\n  ~~~\n",
        ] {
            let outline = Outline::read(text);
            let fields = read(&outline, 0..outline.lines.len(), None);
            let starts: Vec<usize> = outline.blocks.fences.iter().map(|fence| fence.line).collect();
            let found: Vec<usize> = fields[0].fences.iter().map(|lines| lines.start).collect();
            assert_eq!((fields.len(), found), (1, starts), "{text}");
        }
    }

    #[test]
    fn a_bold_key_that_is_not_known_ends_the_value_before_it() {
        assert_eq!(
            pairs("**Depends on:** T1\n**Parallel with:** T2\n"),
            [(Key::DependsOn, "T1".to_owned(), 0)]
        );
        assert_eq!(pairs("**Depends on:** T1,\nT2\n"), [(Key::DependsOn, "T1,".to_owned(), 1)]);
        for label in
            ["**Success Criteria** (what must be true):", "**All that has to be done here:**", "**Plans** :"]
        {
            let text = format!("**Depends on**: T1\n{label}\n  1. It starts\n");
            assert_eq!(pairs(&text), [(Key::DependsOn, "T1".to_owned(), 0)], "{label}");
        }
    }

    #[test]
    fn what_is_done_to_files_is_part_of_the_list() {
        assert_eq!(
            pairs("**Files:**\n- Create: `a`\n- Test: `b`\n- **Model**: x\n"),
            [(Key::Files(None), String::new(), 2), (Key::Model, "x".to_owned(), 0)]
        );
    }
}
