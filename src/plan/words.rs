//! The words that plans use: of a status, of headings that hold no tasks, of yes and no.
//!
//! Words are compared whole and without case. The lists are those seen in real plans; a word that
//! stands in no list changes nothing.

use crate::model::task::PlanStatus;

/// Words of a status; the longer of two that begin alike stands first.
const STATUSES: &[(&str, PlanStatus)] = &[
    ("not completed", PlanStatus::Open),
    ("not complete", PlanStatus::Open),
    ("not started", PlanStatus::Open),
    ("not done", PlanStatus::Open),
    ("incomplete", PlanStatus::Open),
    ("passes: false", PlanStatus::Open),
    ("passes: true", PlanStatus::Done),
    ("completed", PlanStatus::Done),
    ("complete", PlanStatus::Done),
    ("finished", PlanStatus::Done),
    ("implemented", PlanStatus::Done),
    ("not implemented", PlanStatus::Open),
    ("resolved", PlanStatus::Done),
    ("closed", PlanStatus::Done),
    ("merged", PlanStatus::Done),
    ("done", PlanStatus::Done),
    ("in progress", PlanStatus::InProgress),
    ("in-progress", PlanStatus::InProgress),
    ("in_progress", PlanStatus::InProgress),
    ("doing", PlanStatus::InProgress),
    ("started", PlanStatus::InProgress),
    ("active", PlanStatus::InProgress),
    ("review", PlanStatus::InProgress),
    ("qa", PlanStatus::InProgress),
    ("todo", PlanStatus::Open),
    ("to do", PlanStatus::Open),
    ("to-do", PlanStatus::Open),
    ("pending", PlanStatus::Open),
    ("open", PlanStatus::Open),
    ("planned", PlanStatus::Open),
    ("ready", PlanStatus::Open),
    ("blocked", PlanStatus::Open),
    ("deferred", PlanStatus::Skipped),
    ("skipped", PlanStatus::Skipped),
    ("cancelled", PlanStatus::Skipped),
    ("canceled", PlanStatus::Skipped),
    ("shelved", PlanStatus::Skipped),
    ("won't do", PlanStatus::Skipped),
    ("wontfix", PlanStatus::Skipped),
    ("obsolete", PlanStatus::Skipped),
    ("superseded", PlanStatus::Skipped),
    ("withdrawn", PlanStatus::Skipped),
    ("取り下げ", PlanStatus::Skipped),
    ("nedokončeno", PlanStatus::Open),
    ("nehotovo", PlanStatus::Open),
    ("nezahájeno", PlanStatus::Open),
    ("nezačato", PlanStatus::Open),
    ("hotovo", PlanStatus::Done),
    ("hotov", PlanStatus::Done),
    ("hotová", PlanStatus::Done),
    ("hotové", PlanStatus::Done),
    ("dokončeno", PlanStatus::Done),
    ("dokončen", PlanStatus::Done),
    ("splněno", PlanStatus::Done),
    ("vyřešeno", PlanStatus::Done),
    ("uzavřeno", PlanStatus::Done),
    ("implementováno", PlanStatus::Done),
    ("probíhá", PlanStatus::InProgress),
    ("rozpracováno", PlanStatus::InProgress),
    ("zahájeno", PlanStatus::InProgress),
    ("v řešení", PlanStatus::InProgress),
    ("v procesu", PlanStatus::InProgress),
    ("k udělání", PlanStatus::Open),
    ("ke zpracování", PlanStatus::Open),
    ("čeká", PlanStatus::Open),
    ("čekající", PlanStatus::Open),
    ("otevřeno", PlanStatus::Open),
    ("otevřené", PlanStatus::Open),
    ("plánováno", PlanStatus::Open),
    ("naplánováno", PlanStatus::Open),
    ("připraveno", PlanStatus::Open),
    ("blokováno", PlanStatus::Open),
    ("zablokováno", PlanStatus::Open),
    ("odloženo", PlanStatus::Skipped),
    ("zrušeno", PlanStatus::Skipped),
    ("přeskočeno", PlanStatus::Skipped),
    ("zamítnuto", PlanStatus::Skipped),
];

/// Words of the status of a plan of which nothing is left to do.
const OVER: &[&str] = &[
    "done",
    "completed",
    "complete",
    "finished",
    "implemented",
    "shipped",
    "closed",
    "merged",
    "archived",
    "superseded",
    "historical",
    "obsolete",
    "abandoned",
    "withdrawn",
    "cancelled",
    "canceled",
    "hotovo",
    "dokončeno",
    "splněno",
    "archivováno",
    "nahrazeno",
];

/// Signs of a status.
const SIGNS: &[(char, PlanStatus)] = &[
    ('✅', PlanStatus::Done),
    ('✔', PlanStatus::Done),
    ('☑', PlanStatus::Done),
    ('✓', PlanStatus::Done),
    ('🔄', PlanStatus::InProgress),
    ('🚧', PlanStatus::InProgress),
    ('▶', PlanStatus::InProgress),
    ('⏳', PlanStatus::Open),
    ('☐', PlanStatus::Open),
    ('⬜', PlanStatus::Open),
    ('❌', PlanStatus::Open),
    ('🔴', PlanStatus::Open),
    ('⏭', PlanStatus::Skipped),
];

/// Headings that hold no tasks: each is one of these or begins with it.
const CLOSED: &[&str] = &[
    "acceptance",
    "success criteria",
    "exit criteria",
    "definition of done",
    "done when",
    "done criteria",
    "verification",
    "validation",
    "testing strategy",
    "test plan",
    "quality gate",
    "quality gates",
    "approval",
    "sign-off",
    "signoff",
    "readiness",
    "compliance",
    "before starting",
    "prerequisites",
    "assumptions",
    "risks",
    "open questions",
    "notes",
    "references",
    "related documents",
    "dependencies",
    "metrics",
    "out of scope",
    "future work",
    "next steps",
    "deferred",
    "post-deployment",
    "rollback",
    "changelog",
    "file list",
    "completion notes",
    "kritéria",
    "akceptační kritéria",
    "přejímací kritéria",
    "definice hotového",
    "definice hotovo",
    "hotovo když",
    "hotovo, když",
    "kontrolní seznam",
    "ověření",
    "validace",
    "schválení",
    "předpoklady",
    "prerekvizity",
    "rizika",
    "poznámky",
    "závislosti",
    "metriky",
    "mimo rozsah",
    "další kroky",
    "otevřené otázky",
    "odkazy",
    "související dokumenty",
    "testovací plán",
    "plán testů",
    "plán testování",
    "před nasazením",
    "po nasazení",
    "plán návratu",
    "akzeptanzkriterien",
    "prüfliste",
    "criterios de aceptación",
    "critérios de aceitação",
    "critères d'acceptation",
    "验收标准",
    "检查清单",
    "备注",
    "受け入れ基準",
    "完了条件",
    "検証",
    "備考",
];

/// Kinds of checklist that are no lists of tasks; a "checklist" of another kind is one.
const CHECKS: &[&str] = &[
    "quality",
    "quality assurance",
    "qa",
    "test",
    "testing",
    "validation",
    "verification",
    "review",
    "readiness",
    "pre-flight",
    "pre-deployment",
    "preflight",
    "security",
    "compliance",
    "deployment",
    "post-deployment",
    "audit",
];

/// The word of a status that a single word is nearly: a slip of the pen.
pub(crate) fn near_status(text: &str) -> Option<&'static str> {
    let word = text.trim_matches(|c: char| !c.is_alphanumeric());
    if word.len() < 4 || word.len() > 20 || word.split_whitespace().count() != 1 {
        return None;
    }
    let lower = word.to_lowercase();
    let known =
        || STATUSES.iter().map(|(known, _)| *known).filter(|known| known.is_ascii() && known.len() > 3);
    known().find(|known| {
        *known == crate::diagnostics::suggest(&lower, std::iter::once(*known)).unwrap_or("")
            && known.chars().next() == lower.chars().next()
    })
}

/// Whether a value says that nothing is said.
pub(crate) fn is_unset(text: &str) -> bool {
    let bare = text.trim_matches(|c: char| !c.is_alphanumeric());
    bare.is_empty() || ["tbd", "n/a", "na", "none", "unset", "todo"].iter().any(|word| same(bare, word))
}

/// Reads the status at the start of a text such as `In Progress (since Monday)`.
pub(crate) fn status(text: &str) -> Option<PlanStatus> {
    let text = text
        .trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '_' | '`' | '~' | '(' | '['));
    if let Some(sign) = text.chars().next().and_then(sign) {
        // A sign and a word may stand together; the word says more.
        let rest = text.trim_start_matches(|c: char| !c.is_alphanumeric());
        return word(rest).or(Some(sign));
    }
    // A sign that is not known says nothing; the word after it does.
    let bare = text.trim_start_matches(|c: char| !c.is_alphanumeric() && !c.is_ascii());
    word(bare.trim_start())
}

/// The status that a sign stands for.
pub(crate) fn sign(c: char) -> Option<PlanStatus> {
    if c.is_ascii() {
        return None;
    }
    SIGNS.iter().find(|(sign, _)| *sign == c).map(|(_, status)| *status)
}

fn word(text: &str) -> Option<PlanStatus> {
    status_word(text).map(|(_, status)| *status)
}

/// The word of a status at the start of a text, with the status.
pub(crate) fn status_word(text: &str) -> Option<&'static (&'static str, PlanStatus)> {
    STATUSES.iter().find(|(word, _)| begins_with(text, word))
}

/// Reads a text that is a status and nothing else, but for what stands in parentheses after it.
pub(crate) fn only_status(text: &str) -> Option<PlanStatus> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '_' | '`' | '.'));
    let bare: &str = text.split(['(', '（']).next().unwrap_or("").trim();
    let word = bare.trim_matches(|c: char| !c.is_alphanumeric());
    STATUSES
        .iter()
        .find(|(known, _)| same(word, known))
        .map(|(_, status)| *status)
        .or_else(|| if word.is_empty() { bare.chars().next().and_then(sign) } else { None })
}

/// Whether a plan of this status is over: nothing of it runs unless forced.
pub(crate) fn plan_is_over(text: &str) -> bool {
    // `Complete → remediation in progress`: one thing is done and another is not. `Complete - ready for work`:
    // what it plans is yet to be done.
    let lower = text.to_lowercase();
    let goes_on =
        ["in progress", "probíhá", "ready for", "ready to"].iter().any(|words| lower.contains(words));
    !goes_on
        && OVER.iter().any(|word| begins_with(text.trim_start_matches(|c: char| !c.is_alphanumeric()), word))
}

/// Whether a heading or label, without number and emoji, holds no tasks.
pub(crate) fn is_closed(title: &str) -> bool {
    let bare = without_number(title);
    if CLOSED.iter().any(|word| begins_with(bare, word)) {
        return true;
    }
    let lower = bare.to_lowercase();
    let Some(at) = lower.find("checklist") else { return false };
    // `Visual verification checklist` is one of verification.
    let kind = lower[..at].trim_end();
    CHECKS.iter().any(|known| {
        kind.strip_suffix(known)
            .is_some_and(|rest| rest.chars().next_back().is_none_or(|c| !c.is_alphanumeric()))
    })
}

/// A title without the number, emoji and punctuation before it.
pub(crate) fn without_number(title: &str) -> &str {
    title.trim_start_matches(|c: char| !c.is_alphabetic())
}

/// Reads yes or no.
pub(crate) fn yes_or_no(text: &str) -> Option<bool> {
    let first =
        text.trim_matches(|c: char| !c.is_alphanumeric()).split(|c: char| !c.is_alphanumeric()).next()?;
    match first.to_lowercase().as_str() {
        "yes" | "y" | "true" | "on" | "ano" | "ja" | "oui" | "sí" | "si" | "是" => Some(true),
        "no" | "n" | "false" | "off" | "ne" | "nein" | "non" | "否" => Some(false),
        _ => None,
    }
}

/// Reads a priority: `P0` to `P9`, a digit, or a word.
pub(crate) fn priority(text: &str) -> Option<u8> {
    let bare = text.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let word: String = bare.chars().take_while(|c| c.is_alphanumeric()).collect();
    match word.as_str() {
        "critical" | "highest" | "urgent" | "blocker" | "must" | "kritická" | "kritické" | "nejvyšší" => {
            return Some(0);
        }
        "high" | "major" | "should" | "vysoká" | "vysoké" => return Some(1),
        "medium" | "med" | "normal" | "moderate" | "could" | "střední" | "běžná" => return Some(2),
        "low" | "minor" | "lowest" | "trivial" | "optional" | "nízká" | "nízké" | "nejnižší" => {
            return Some(3);
        }
        _ => {}
    }
    let digits = word.strip_prefix('p').unwrap_or(&word);
    if digits.len() == 1 { digits.parse().ok() } else { None }
}

/// Whether a text begins with a word, without regard to case, and the word ends there.
pub(crate) fn begins_with(text: &str, word: &str) -> bool {
    // Most texts differ in their first letter.
    if let (Some(a), Some(b)) = (text.bytes().next(), word.bytes().next())
        && a.is_ascii()
        && a.to_ascii_lowercase() != b
    {
        return false;
    }
    let mut letters = text.chars().flat_map(char::to_lowercase);
    for wanted in word.chars() {
        if letters.next() != Some(wanted) {
            return false;
        }
    }
    // Scripts without spaces put no boundary after a word.
    let spaced = word.chars().all(|c| (c as u32) < 0x2e80);
    !spaced || letters.next().is_none_or(|c| !c.is_alphanumeric())
}

fn same(text: &str, word: &str) -> bool {
    text.chars().flat_map(char::to_lowercase).eq(word.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_longest_first() {
        assert_eq!(status("Not Completed"), Some(PlanStatus::Open));
        assert_eq!(status("incomplete"), Some(PlanStatus::Open));
        assert_eq!(status("Completed (2026-01-02)"), Some(PlanStatus::Done));
        assert_eq!(status("✅ Done"), Some(PlanStatus::Done));
        assert_eq!(status("⏳ Pending"), Some(PlanStatus::Open));
        assert_eq!(status("🔄 In Progress"), Some(PlanStatus::InProgress));
        assert_eq!(status("To do"), Some(PlanStatus::Open));
        assert_eq!(status("donec"), None);
        assert_eq!(status("✅ Hotovo (2. 3.)"), Some(PlanStatus::Done));
        assert_eq!(status("Nehotovo"), Some(PlanStatus::Open));
        assert_eq!(status("Probíhá"), Some(PlanStatus::InProgress));
        assert_eq!(status("Not implemented"), Some(PlanStatus::Open));
        assert_eq!(only_status("Complete ✓"), Some(PlanStatus::Done));
        assert_eq!(only_status("done this before"), None);
    }

    #[test]
    fn headings_that_hold_no_tasks() {
        for title in [
            "4. Verification",
            "✅ Acceptance Criteria",
            "Definition of Done",
            "3. Test Checklist",
            "验收标准表",
            "Akceptační kritéria",
            "5. Visual Verification Checklist",
            "Audit checklist",
            "4. Další kroky",
        ] {
            assert!(is_closed(title), "{title}");
        }
        for title in [
            "Checklist",
            "Implementation Checklist",
            "Latest Checklist",
            "Phase 3: Verification",
            "Validations",
            "Setup",
        ] {
            assert!(!is_closed(title), "{title}");
        }
    }

    #[test]
    fn a_plan_is_over_when_nothing_of_it_goes_on() {
        assert!(plan_is_over("✅ COMPLETED"));
        assert!(plan_is_over("Hotovo (2. 3.)"));
        assert!(!plan_is_over("Complete → Remediation in progress"));
        assert!(!plan_is_over("Not complete"));
    }

    #[test]
    fn plans_of_which_nothing_is_left_to_do() {
        for over in ["Done", "✅ Implemented (awaiting a look)", "**Shipped** 2026-01-02", "cancelled"] {
            assert!(plan_is_over(over), "{over}");
        }
        for open in [
            "Complete - Ready for implementation",
            "Ready to implement",
            "Partially implemented",
            "Not done",
            "Finishing",
            "Draft",
        ] {
            assert!(!plan_is_over(open), "{open}");
        }
    }

    #[test]
    fn priorities() {
        assert_eq!(priority("P0"), Some(0));
        assert_eq!(priority("**HIGH**"), Some(1));
        assert_eq!(priority("7"), Some(7));
        assert_eq!(priority("12"), None);
        assert_eq!(priority("soon"), None);
    }
}
