//! From the text of a scenario file to a [`Scenario`], or to everything that is wrong with it.

use std::time::Duration;

use toml::de::DeTable;

use super::models::price;
use super::problem::ConfigError;
use super::read::{lower_first, version};
use super::section::{Notes, Section};
use crate::model::ids::TaskId;
use crate::model::time::{Span, Timestamp};
use crate::simulation::scenario::{Answer, ProviderShape, Rule, Scenario, TaskChange};

/// The largest number of requests an attempt may make.
const MAX_STEPS: i64 = 10_000;
/// The largest number of tokens in a request or an answer.
const MAX_TOKENS: i64 = 100_000_000;

/// Keys that people look for at the wrong place, with the table they belong to.
const ELSEWHERE: [(&str, &str); 8] = [
    ("shortest", "tasks"),
    ("longest", "tasks"),
    ("steps", "tasks"),
    ("fails", "tasks"),
    ("answer", "rules"),
    ("from", "rules"),
    ("to", "rules"),
    ("every", "rules"),
];

/// Reads the text of a scenario file; `file` is how it is shown.
///
/// # Errors
/// All mistakes, in the order of the file.
pub fn read_scenario(file: &str, text: &str) -> Result<Scenario, ConfigError> {
    let mut notes = Notes::new(file, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let broken = !errors.is_empty();
    for error in errors {
        notes.problem(&error.span().unwrap_or(0..0), lower_first(error.message()), Vec::new());
    }
    let scenario = root(Section::root(table.into_inner()), &mut notes, broken);
    notes.refusal().map_or(Ok(scenario), Err)
}

fn root(mut top: Section<'_>, notes: &mut Notes<'_>, broken: bool) -> Scenario {
    version(&mut top, notes, broken);
    let mut scenario = Scenario {
        seed: top.number(notes, "seed", 0..=i64::MAX).map(|found| found.value).unwrap_or_default(),
        start: start(&mut top, notes),
        ..Scenario::default()
    };
    if let Some(table) = top.table(notes, "tasks") {
        scenario.tasks = change(table, notes, TaskChange::default()).of(scenario.tasks);
    }
    for (name, table) in top.named_tables(notes, "task") {
        let all = TaskChange { longest: Some(scenario.tasks.longest), ..TaskChange::default() };
        let change = change(table, notes, all);
        scenario.changes.insert(TaskId::new(name), change);
    }
    for (name, table) in top.named_tables(notes, "providers") {
        scenario.providers.insert(name, provider(table, notes));
    }
    for table in top.tables(notes, "rules").unwrap_or_default() {
        scenario.rules.extend(rule(table, notes));
    }
    top.finish(notes, &ELSEWHERE);
    scenario
}

fn start(top: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<Timestamp> {
    let found = top.text(notes, "start")?;
    let start = found.value.parse().ok();
    if start.is_none() {
        let message =
            format!("`start` has to be a time such as `2026-01-01T00:00:00Z`, not `{}`", found.value);
        notes.problem(&found.range, message, Vec::new());
    }
    start
}

/// What a table says of tasks. `all` is what holds where it says nothing of how long they take.
fn change(mut table: Section<'_>, notes: &mut Notes<'_>, all: TaskChange) -> TaskChange {
    let shortest = table.span(notes, "shortest");
    let longest = table.span(notes, "longest");
    let range = shortest.as_ref().or(longest.as_ref()).map(|found| found.range.clone());
    let [low, high] = [&shortest, &longest].map(|found| found.as_ref().map(|found| found.value));
    let usual = crate::simulation::scenario::TaskShape::default();
    let lowest = low.unwrap_or(usual.shortest);
    if let Some(range) = range
        && (low.is_some() && high.is_some())
        && high.is_some_and(|high| high < lowest)
    {
        notes.problem(&range, "`shortest` is longer than `longest`", Vec::new());
    }
    // One of them alone moves the other out of its way.
    let longest = high.or_else(|| low.filter(|low| *low > all.longest.unwrap_or(usual.longest)));
    let shortest = low.or_else(|| high.filter(|high| *high < usual.shortest));
    let change = TaskChange {
        shortest,
        longest,
        steps: table.number(notes, "steps", 1..=MAX_STEPS).map(|found| found.value),
        input: table.number(notes, "input", 0..=MAX_TOKENS).map(|found| found.value),
        output: table.number(notes, "output", 0..=MAX_TOKENS).map(|found| found.value),
        fails: table.number(notes, "fails", 0..=100).map(|found| found.value),
    };
    table.finish(notes, &[]);
    change
}

fn provider(mut table: Section<'_>, notes: &mut Notes<'_>) -> ProviderShape {
    let shape = ProviderShape {
        at_once: table.number(notes, "at_once", 0..=1_000_000).map(|found| found.value),
        requests_per_minute: table
            .number(notes, "requests_per_minute", 0..=1_000_000)
            .map(|found| found.value),
        retry_after: table.span(notes, "retry_after").map(|found| found.value),
        price: table.table(notes, "price").and_then(|section| price(section, notes)),
    };
    table.finish(notes, &[]);
    shape
}

fn rule(mut table: Section<'_>, notes: &mut Notes<'_>) -> Option<Rule> {
    let before = notes.problems.len();
    let provider = table.text(notes, "provider").map(|found| found.value);
    let answer = table.word(notes, "answer", &Answer::WORDS).map(|found| found.value);
    let from = table.span(notes, "from").map_or(Span(Duration::ZERO), |found| found.value);
    let to = table.span(notes, "to");
    let every = table.span(notes, "every");
    let share = table.number(notes, "share", 1..=100).map_or(100, |found| found.value);
    let retry_after = table.span(notes, "retry_after").map(|found| found.value);
    if let Some(to) = to.as_ref().filter(|to| to.value <= from) {
        notes.problem(&to.range, "`to` is not later than `from`", Vec::new());
    }
    if let Some(every) = &every {
        let length = to.as_ref().map(|to| to.value.0.saturating_sub(from.0));
        if length.is_none_or(|length| every.value.0 < length) {
            let hint = "`every` is how long it takes from one begin to the next".to_owned();
            notes.problem(&every.range, "`every` needs a `to` that comes before it is due again", vec![hint]);
        }
    }
    if notes.problems.len() == before && answer.is_none() {
        table.missing(notes, &["answer"], "every rule says what is answered");
    }
    table.finish(notes, &[]);
    let (to, every) = (to.map(|found| found.value), every.map(|found| found.value));
    Some(Rule { provider, from, to, every, answer: answer?, share, retry_after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_a_scenario_may_hold_is_read() {
        let text = r#"
version = 1
seed = 7
start = "2026-11-25T22:00:00Z"
[tasks]
shortest = "2m"
longest = "4m"
steps = 3
input = 1000
output = 50
fails = 5
[task.T002]
longest = "90m"
[task."T 3"]
shortest = "10m"
[providers.kilo]
at_once = 2
requests_per_minute = 30
retry_after = "20s"
price = { input = 1.5, output = 6 }
[[rules]]
provider = "kilo"
from = "10m"
to = "20m"
every = "1h"
answer = "overloaded"
share = 40
retry_after = "1m"
[[rules]]
answer = "slow"
"#;
        let scenario = read_scenario("s.toml", text).unwrap();
        assert_eq!((scenario.seed, scenario.start), (7, Some("2026-11-25T22:00:00Z".parse().unwrap())));
        let shape = |id: &str| scenario.shape(&TaskId::new(id));
        assert_eq!((shape("T001").shortest, shape("T001").longest), (Span::minutes(2), Span::minutes(4)));
        assert_eq!((shape("T001").steps, shape("T001").input), (3, 1_000));
        assert_eq!((shape("T001").output, shape("T001").fails), (50, 5));
        assert_eq!((shape("T002").shortest, shape("T002").longest), (Span::minutes(2), Span::minutes(90)));
        assert_eq!((shape("T 3").shortest, shape("T 3").longest), (Span::minutes(10), Span::minutes(10)));
        let kilo = scenario.providers["kilo"];
        assert_eq!((kilo.at_once, kilo.requests_per_minute), (Some(2), Some(30)));
        assert_eq!(kilo.retry_after, Some(Span::seconds(20)));
        assert!(kilo.price.is_some_and(|price| price.output > 5.9));
        let rule = Rule {
            from: Span::minutes(10),
            to: Some(Span::minutes(20)),
            every: Some(Span::minutes(60)),
            share: 40,
            retry_after: Some(Span::minutes(1)),
            ..Rule::of("kilo", Answer::Overloaded)
        };
        let all = Rule { provider: None, ..Rule::of("", Answer::Slow) };
        assert_eq!(scenario.rules, [rule, all]);
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        for (text, line, said) in [
            ("seed = 1", 1, "version"),
            ("version = 1\nsed = 1", 2, "`sed`"),
            ("version = 1\nstart = \"soon\"", 2, "not `soon`"),
            ("version = 1\n[tasks]\nshortest = \"5m\"\nlongest = \"1m\"", 3, "longer than `longest`"),
            ("version = 1\n[tasks]\nfails = 101", 3, "from 0 to 100"),
            ("version = 1\n[[rules]]\nanswer = \"rate-limited\"", 3, "not `rate-limited`"),
            ("version = 1\n[[rules]]\nprovider = \"kilo\"", 2, "answer"),
            ("version = 1\n[[rules]]\nanswer = \"slow\"\nfrom = \"2m\"\nto = \"1m\"", 5, "not later"),
            ("version = 1\n[[rules]]\nanswer = \"slow\"\nevery = \"2m\"", 4, "needs a `to`"),
            ("version = 1\n[providers.kilo]\nlimit = 3", 3, "`limit`"),
            ("version = 1\nsteps = 3", 2, "`steps`"),
        ] {
            let error = read_scenario("s.toml", text).unwrap_err();
            let problem = &error.problems[0];
            assert!(problem.message.contains(said), "{text}: {problem}");
            assert_eq!(problem.line, line, "{text}: {problem}");
        }
        let error = read_scenario("s.toml", "version = 1\n[[rules]]\nanswer = \"overload\"").unwrap_err();
        assert_eq!(error.problems[0].hints, ["did you mean `\"overloaded\"`?"]);
    }
}
