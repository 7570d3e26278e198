//! How prose names a task or a group: a word and an id, `Task 1.2`, `phase 3`, `タスク1.2完了`.

/// What the word before an id says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A task: `Task 3`.
    Task,
    /// A group: `Phase 2`.
    Group,
    /// Nothing: the id stands alone.
    Bare,
}

/// Reads an id with the word before it; returns what is left.
pub(crate) fn reference(text: &str) -> Option<(Kind, &str, &str)> {
    let text = text.trim_start_matches(['#', '[', '`', '*', '"', '\'']);
    if let Some((kind, rest)) = without_spaces(text) {
        let rest = rest.trim_start_matches([' ', '-', '#', '\u{3000}']);
        let length = id_length(rest)?;
        return Some((kind, &rest[..length], &rest[length..]));
    }
    let mut letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    if text[letters..].starts_with(|c: char| !c.is_ascii() && c.is_alphabetic() && !is_unspaced(c)) {
        letters = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    }
    let word = text[..letters].to_lowercase();
    let kind = match word.as_str() {
        "task" | "tasks" | "unit" | "units" | "step" | "steps" | "story" | "stories" | "issue" | "fix"
        | "part" | "agent" | "agents" | "úkol" | "úkoly" | "úkolu" | "úkolů" | "úkolech" | "úkolem"
        | "úloha" | "úlohy" | "úloze" | "úloh" | "krok" | "kroky" | "kroku" | "kroků" | "krocích"
        | "oprava" | "opravy" | "část" | "části" => Kind::Task,
        "phase" | "phases" | "wave" | "waves" | "sprint" | "stage" | "milestone" | "group" | "tier"
        | "section" | "fáze" | "fázi" | "fází" | "etapa" | "etapě" | "vlna" | "vlně" => Kind::Group,
        _ => Kind::Bare,
    };
    let from = if kind == Kind::Bare {
        0
    } else {
        letters + text[letters..].len() - text[letters..].trim_start_matches([' ', '-', '#', '\u{a0}']).len()
    };
    let length = id_length(&text[from..])?;
    Some((
        kind,
        &text[from..from + length],
        text[from + length..].trim_start_matches(['`', '*', ']', '"', '\'']),
    ))
}

/// The word before an id in scripts that write without spaces: `タスク1.2完了`, `第3阶段`.
fn without_spaces(text: &str) -> Option<(Kind, &str)> {
    if text.is_ascii() {
        return None;
    }
    let words = [
        ("タスク", Kind::Task),
        ("任务", Kind::Task),
        ("任務", Kind::Task),
        ("ステップ", Kind::Task),
        ("步骤", Kind::Task),
        ("步驟", Kind::Task),
        ("작업", Kind::Task),
        ("태스크", Kind::Task),
        ("フェーズ", Kind::Group),
        ("阶段", Kind::Group),
        ("階段", Kind::Group),
        ("단계", Kind::Group),
    ];
    words.iter().find_map(|(word, kind)| Some((*kind, text.strip_prefix(word)?)))
}

/// Whether a letter is of a script that writes words without spaces between them.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}')
}

/// The length of an id: letters and a number, or a number alone.
fn id_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let letters = bytes[at..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        if letters > 10 || (letters == 0 && at > 0) {
            return None;
        }
        at += letters;
        let dash = at > 0 && bytes.get(at) == Some(&b'-');
        let next = bytes.get(at + usize::from(dash))?;
        if next.is_ascii_digit() {
            at += usize::from(dash);
            break;
        }
        if !dash {
            return None;
        }
        at += 1;
    }
    loop {
        at += bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let dot = bytes.get(at) == Some(&b'.') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        if !dot {
            break;
        }
        at += 1;
    }
    if bytes.get(at).is_some_and(u8::is_ascii_alphabetic) {
        at += 1;
    }
    let boundary = text[at..].chars().next().is_none_or(|c| {
        // `3完了` says of 3 that it is done, `3个用户` counts.
        let finished =
            || ["完", "済", "后", "後", "之", "완료", "이후"].iter().any(|word| text[at..].starts_with(word));
        c != '_' && (!c.is_alphanumeric() || is_unspaced(c) && finished())
    });
    boundary.then_some(at)
}
