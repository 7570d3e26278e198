//! What an agent's reports come to: what is told of them while its attempt runs, and which
//! completion counts at its end, where a report and the file both bring one.
//!
//! A text under `task:<id>:report` may be anything, since agents write there with tools that only know
//! `SET`. Reading it is another room's business; here stands what follows, as pure functions.
//!
//! - The last completion that was reported stays the attempt's: progress that is reported afterwards
//!   does not take it back, another completion does.
//! - Where report and file are both completions and disagree, the worse one counts.
//! - A report that is not valid is answered, each text of problems once. It decides only where it was to be the
//!   completion and nothing else is there: what is under a key is easily put right, and the file is
//!   the sure way.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::completion::{Completion, CompletionStatus};
use super::outcome::CompletionFact;

/// How many characters of a report are told.
const LONGEST: usize = 400;
/// How many different problems of one attempt's reports are told.
const PROBLEMS_AT_MOST: usize = 20;

/// What a text under a report key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// How far the agent is.
    Progress {
        /// In its own words.
        message: String,
        /// 0 to 100.
        percent: Option<u8>,
    },
    /// What the attempt came to.
    Completion(Box<Completion>),
    /// It is of an earlier attempt of this task, and was written late.
    Stale,
    /// It is no report of this attempt.
    Refused(Refusal),
}

/// Why a text is no report of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// All that is wrong, a line each.
    pub problems: Vec<String>,
    /// Whether it was to be a completion.
    pub of_completion: bool,
}

impl Refusal {
    fn words(&self) -> String {
        one_line(&self.problems.join("; "))
    }
}

/// What is worth telling about a report that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportNews {
    /// The agent is so far.
    Progress(String),
    /// The report is not valid, and why.
    Refused(String),
    /// The attempt has brought its completion: its agent may be ended as if the file were there.
    Completed,
}

/// What was heard of the reports of one attempt.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    completion: Option<Box<Completion>>,
    /// What is wrong with the last report; none: nothing.
    refused: Option<Refusal>,
    progress: Option<String>,
    told: BTreeSet<String>,
}

/// What the judge is told of an attempt's reports, beside the completion that counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReportFact {
    /// Whether the completion that counts came as a report.
    pub counts: bool,
    /// What the file and the report say where they disagree.
    pub disagrees: Option<String>,
    /// What is wrong with the last report.
    pub problem: Option<String>,
}

impl Heard {
    /// Takes in a report, and says what is new about it.
    pub fn take(&mut self, reported: Reported) -> Option<ReportNews> {
        match reported {
            Reported::Stale => None,
            Reported::Progress { message, percent } => {
                let message = one_line(&message);
                let message = percent.map_or(message.clone(), |percent| format!("{percent}% {message}"));
                let mended = self.refused.take().is_some();
                if self.progress.as_ref() == Some(&message) && !mended {
                    return None;
                }
                self.progress = Some(message.clone());
                Some(ReportNews::Progress(message))
            }
            Reported::Completion(completion) => {
                self.refused = None;
                self.completion = Some(completion);
                Some(ReportNews::Completed)
            }
            Reported::Refused(refusal) => {
                let words = refusal.words();
                self.refused = Some(refusal);
                let is_new = self.told.len() < PROBLEMS_AT_MOST && self.told.insert(words.clone());
                is_new.then_some(ReportNews::Refused(words))
            }
        }
    }

    /// Which completion counts, given what was found at the place of the file.
    pub fn settle(&self, file: CompletionFact) -> (CompletionFact, ReportFact) {
        let mut fact =
            ReportFact { problem: self.refused.as_ref().map(Refusal::words), ..ReportFact::default() };
        let by_report = |report: &Completion| CompletionFact::Valid { completion: Box::new(report.clone()) };
        let completion = match (file, self.completion.as_deref()) {
            (CompletionFact::Missing, Some(report)) => {
                fact.counts = true;
                by_report(report)
            }
            (CompletionFact::Missing, None) => match &self.refused {
                Some(refusal) if refusal.of_completion => CompletionFact::Invalid {
                    problems: refusal
                        .problems
                        .iter()
                        .map(|problem| format!("its report: {problem}"))
                        .collect(),
                },
                Some(_) | None => CompletionFact::Missing,
            },
            (file, None) => file,
            (CompletionFact::Valid { completion }, Some(report)) => {
                if completion.status != report.status {
                    fact.disagrees = Some(format!(
                        "the file says {}, the report {}",
                        word(completion.status),
                        word(report.status)
                    ));
                }
                if report.status > completion.status {
                    fact.counts = true;
                    by_report(report)
                } else {
                    CompletionFact::Valid { completion }
                }
            }
            (CompletionFact::Invalid { problems }, Some(report)) => {
                fact.disagrees =
                    Some(format!("the file is no completion, the report says {}", word(report.status)));
                if report.status == CompletionStatus::Succeeded {
                    CompletionFact::Invalid { problems }
                } else {
                    fact.counts = true;
                    by_report(report)
                }
            }
        };
        (completion, fact)
    }
}

const fn word(status: CompletionStatus) -> &'static str {
    match status {
        CompletionStatus::Succeeded => "succeeded",
        CompletionStatus::Failed => "failed",
        CompletionStatus::Blocked => "blocked",
    }
}

/// A text on one line, cut to a length that can be told.
fn one_line(text: &str) -> String {
    let mut flat = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if flat.chars().count() > LONGEST {
            break;
        }
        if !flat.is_empty() {
            flat.push(' ');
        }
        flat.extend(word.chars().take(LONGEST + 1));
    }
    if flat.chars().count() > LONGEST {
        flat = flat.chars().take(LONGEST - 1).collect();
        flat.push('…');
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::completion::{CompletionSource, CompletionVersion};
    use crate::model::ids::{RunId, TaskId};
    use CompletionStatus::{Blocked, Failed, Succeeded};

    fn completion(status: CompletionStatus, summary: &str) -> Completion {
        Completion {
            schema: CompletionVersion::V1,
            run_id: RunId("r".to_owned()),
            task_id: TaskId::new("T1"),
            attempt: 1,
            status,
            summary: summary.to_owned(),
            outputs: Vec::new(),
            verification: Vec::new(),
            error: None,
            next_steps: Vec::new(),
            source: CompletionSource::Agent,
        }
    }

    fn valid(status: CompletionStatus, summary: &str) -> CompletionFact {
        CompletionFact::Valid { completion: Box::new(completion(status, summary)) }
    }

    fn invalid(problem: &str) -> CompletionFact {
        CompletionFact::Invalid { problems: vec![problem.to_owned()] }
    }

    fn refused(problem: &str, of_completion: bool) -> Reported {
        Reported::Refused(Refusal { problems: vec![problem.to_owned()], of_completion })
    }

    fn progress(message: &str, percent: Option<u8>) -> Reported {
        Reported::Progress { message: message.to_owned(), percent }
    }

    fn reported(status: CompletionStatus) -> Reported {
        Reported::Completion(Box::new(completion(status, "by report")))
    }

    #[test]
    fn the_worse_one_counts() {
        type Row = (CompletionFact, Option<Reported>, CompletionFact, bool, Option<&'static str>);
        let file = |status| valid(status, "by file");
        let report = |status| valid(status, "by report");
        let table: Vec<Row> = vec![
            (CompletionFact::Missing, None, CompletionFact::Missing, false, None),
            (CompletionFact::Missing, Some(reported(Succeeded)), report(Succeeded), true, None),
            (CompletionFact::Missing, Some(reported(Blocked)), report(Blocked), true, None),
            (CompletionFact::Missing, Some(progress("half", None)), CompletionFact::Missing, false, None),
            (CompletionFact::Missing, Some(refused("bad", false)), CompletionFact::Missing, false, None),
            (CompletionFact::Missing, Some(refused("bad", true)), invalid("its report: bad"), false, None),
            (file(Succeeded), None, file(Succeeded), false, None),
            (file(Succeeded), Some(reported(Succeeded)), file(Succeeded), false, None),
            (
                file(Succeeded),
                Some(reported(Failed)),
                report(Failed),
                true,
                Some("the file says succeeded, the report failed"),
            ),
            (
                file(Failed),
                Some(reported(Succeeded)),
                file(Failed),
                false,
                Some("the file says failed, the report succeeded"),
            ),
            (
                file(Failed),
                Some(reported(Blocked)),
                report(Blocked),
                true,
                Some("the file says failed, the report blocked"),
            ),
            (file(Succeeded), Some(refused("bad", true)), file(Succeeded), false, None),
            (invalid("half"), None, invalid("half"), false, None),
            (
                invalid("half"),
                Some(reported(Succeeded)),
                invalid("half"),
                false,
                Some("the file is no completion, the report says succeeded"),
            ),
            (
                invalid("half"),
                Some(reported(Failed)),
                report(Failed),
                true,
                Some("the file is no completion, the report says failed"),
            ),
            (invalid("half"), Some(refused("bad", true)), invalid("half"), false, None),
        ];
        for (file, report, expected, counts, disagrees) in table {
            let mut heard = Heard::default();
            let problem = matches!(report, Some(Reported::Refused(_))).then(|| "bad".to_owned());
            let shown = format!("{file:?} and {report:?}");
            if let Some(report) = report {
                heard.take(report);
            }
            let (completion, fact) = heard.settle(file);
            assert_eq!(completion, expected, "{shown}");
            assert_eq!(
                fact,
                ReportFact { counts, disagrees: disagrees.map(str::to_owned), problem },
                "{shown}"
            );
        }
    }

    #[test]
    fn a_completion_stays_until_another_one_comes() {
        let mut heard = Heard::default();
        assert_eq!(heard.take(reported(Failed)), Some(ReportNews::Completed));
        assert_eq!(heard.take(progress("done", None)), Some(ReportNews::Progress("done".to_owned())));
        assert_eq!(heard.settle(CompletionFact::Missing).0, valid(Failed, "by report"));
        heard.take(reported(Succeeded));
        heard.take(refused("bad", true));
        heard.take(Reported::Stale);
        let (completion, fact) = heard.settle(CompletionFact::Missing);
        assert_eq!(completion, valid(Succeeded, "by report"));
        assert_eq!(fact.problem.as_deref(), Some("bad"));
    }

    #[test]
    fn what_is_new_is_told_once() {
        let mut heard = Heard::default();
        let told = |text: &str| Some(ReportNews::Progress(text.to_owned()));
        let not_valid = |text: &str| Some(ReportNews::Refused(text.to_owned()));
        assert_eq!(heard.take(progress("half", Some(50))), told("50% half"));
        assert_eq!(heard.take(progress("half", Some(50))), None);
        assert_eq!(heard.take(refused("bad", false)), not_valid("bad"));
        assert_eq!(heard.take(refused("bad", false)), None);
        assert_eq!(heard.take(refused("worse", false)), not_valid("worse"));
        assert_eq!(heard.take(refused("bad", false)), None);
        // The same words after a bad report are new: they say that it is mended.
        assert_eq!(heard.take(progress("half", Some(50))), told("50% half"));
        let problems = (0..100).filter(|number| heard.take(refused(&number.to_string(), false)).is_some());
        assert_eq!(problems.count(), PROBLEMS_AT_MOST - 2);
        assert_eq!(heard.settle(CompletionFact::Missing).1.problem.as_deref(), Some("99"));
    }

    #[test]
    fn words_are_one_line_of_some_length() {
        let Some(ReportNews::Progress(words)) =
            Heard::default().take(progress(&format!("a\n\u{1b}[2Jb {}", "x ".repeat(100_000)), None))
        else {
            panic!("no progress")
        };
        assert!(words.starts_with("a [2Jb x x"), "{words}");
        assert_eq!(words.chars().count(), LONGEST);
        let mut heard = Heard::default();
        let long = heard.take(progress(&"ž".repeat(1_000_000), None));
        assert!(matches!(long, Some(ReportNews::Progress(words)) if words.chars().count() == LONGEST));
    }
}
