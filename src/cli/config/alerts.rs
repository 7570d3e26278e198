//! `[[alerts]]`.

use schemars::JsonSchema;
use toml::de::DeValue;

use super::read::positive;
use super::section::{Notes, Section};
use crate::alert::target::check;
use crate::model::alert::{AlertForm, AlertKind};
use crate::model::time::Span;

/// More tries than can be meant.
const MAX_TRIES: u32 = 20;

/// `[[alerts]]`.
#[derive(Clone, PartialEq, Eq, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AlertTable {
    /// What it is called; left out: its number.
    pub name: Option<String>,
    /// What it is told of; left out: everything.
    #[schemars(with = "Option<WhenForm>")]
    pub when: Option<Vec<AlertKind>>,
    /// Where it is sent, `${NAME}` standing for a variable; this or `command`.
    pub webhook: Option<String>,
    /// What is run, a program and its arguments; this or `webhook`.
    #[schemars(with = "Option<CommandForm>")]
    pub command: Option<Vec<String>>,
    /// The form in which a webhook is told; left out: that of its host, else `json`.
    pub form: Option<AlertForm>,
    /// The chat to which a Telegram bot writes, `${NAME}` standing for a variable.
    pub chat: Option<String>,
    /// Sent to a webhook as `Authorization: Bearer`, `${NAME}` standing for a variable.
    pub token: Option<String>,
    /// Whether it may be sent in the clear to another machine; left out: false.
    pub allow_insecure: Option<bool>,
    /// How long one try may take; left out: `10s`.
    pub timeout: Option<Span>,
    /// How often it is tried again; left out: 3.
    #[schemars(range(max = MAX_TRIES))]
    pub retries: Option<u32>,
    /// After how long without anything a run is said to stall; left out: `30m`.
    pub stalled_after: Option<Span>,
}

/// What an alert may be told of, as written.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[expect(dead_code, reason = "it only describes what is read by hand")]
enum When {
    /// A task failed for good.
    TaskFailed,
    /// The run ended, or waits for a person.
    RunEnded,
    /// An attempt was ended as stalled, or nothing happens in the whole run.
    RunStalled,
    /// 80 or 100 % of the run's budget are spent.
    Budget,
    /// A gate waits for an approval, or an agent says that it cannot go on without help.
    PersonNeeded,
    /// A provider is off for the rest of the run.
    ProviderOff,
}

/// One word or a list.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it only describes what is read by hand")]
enum WhenForm {
    /// One.
    One(When),
    /// Several.
    Many(Vec<When>),
}

/// A program alone, or with its arguments.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it only describes what is read by hand")]
enum CommandForm {
    /// A program.
    Program(String),
    /// With its arguments.
    Words(Vec<String>),
}

impl std::fmt::Debug for AlertTable {
    /// The address of a webhook is a secret, and so is what goes with it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlertTable")
            .field("name", &self.name)
            .field("when", &self.when)
            .field("webhook", &self.webhook.as_ref().map(|_| "…"))
            .field("command", &self.command)
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

pub(super) fn alerts(top: &mut Section<'_>, notes: &mut Notes<'_>) -> Vec<AlertTable> {
    let mut alerts: Vec<AlertTable> = Vec::new();
    for table in top.tables(notes, "alerts").unwrap_or_default() {
        let range = table.range.clone();
        let alert = alert(table, notes);
        if let Some(name) = &alert.name
            && alerts.iter().any(|known| known.name.as_ref() == Some(name))
        {
            let hints = vec!["give each `[[alerts]]` a name of its own".to_owned()];
            notes.problem(&range, format!("the alert `{name}` is there twice"), hints);
        }
        alerts.push(alert);
    }
    alerts
}

fn alert(mut table: Section<'_>, notes: &mut Notes<'_>) -> AlertTable {
    let range = table.range.clone();
    let before = notes.problems.len();
    let whens: Vec<(&str, AlertKind)> =
        AlertKind::CHOICES.into_iter().map(|kind| (kind.as_str(), kind)).collect();
    let name = table.text(notes, "name").map(|found| found.value);
    let when = table.word_list(notes, "when", &whens);
    let webhook = table.text(notes, "webhook");
    let command = command(&mut table, notes);
    let form = table.word(notes, "form", &AlertForm::WORDS);
    let chat = table.text(notes, "chat");
    let token = table.text(notes, "token");
    let allow_insecure = table.boolean(notes, "allow_insecure");
    let timeout = positive(&mut table, notes, "timeout");
    let retries = table.number::<u32>(notes, "retries", 0..=i64::from(MAX_TRIES)).map(|found| found.value);
    let stalled_after = positive(&mut table, notes, "stalled_after");
    if notes.problems.len() == before {
        if webhook.is_some() == command.is_some() {
            let hints =
                vec!["write `webhook = \"https://…\"` or `command = [\"notify-send\", …]`".to_owned()];
            notes.problem(&range, "an alert needs either `webhook` or `command`", hints);
        }
        if let Some(found) = &webhook
            && let Err(error) = check(&found.value, allow_insecure == Some(true))
        {
            notes.problem(&found.range, format!("`webhook`: {error}"), vec![error.hint]);
        }
        let telegram = form.as_ref().is_some_and(|form| form.value == AlertForm::Telegram)
            || form.is_none()
                && webhook.as_ref().is_some_and(|found| found.value.contains("://api.telegram.org/"));
        if telegram && chat.is_none() {
            let hints = vec!["write `chat = \"…\"`: the chat's id, or `@name` of a channel".to_owned()];
            notes.problem(&range, "a Telegram bot has to know where to write", hints);
        }
        // What the address itself will say is not known yet.
        let may_be_telegram =
            telegram || form.is_none() && webhook.as_ref().is_some_and(|found| found.value.starts_with('$'));
        if let Some(found) = chat.as_ref().filter(|_| !may_be_telegram) {
            notes.problem(&found.range, "`chat` is for Telegram alone", vec!["leave it out".to_owned()]);
        }
        if webhook.is_none() {
            for (key, found) in [
                ("form", form.as_ref().map(|found| &found.range)),
                ("token", token.as_ref().map(|found| &found.range)),
            ] {
                if let Some(range) = found {
                    let hints =
                        vec!["a command gets the document `alert/v1` on its standard input".to_owned()];
                    notes.problem(range, format!("`{key}` is for webhooks alone"), hints);
                }
            }
        }
    }
    table.finish(notes, &[]);
    AlertTable {
        name,
        when,
        webhook: webhook.map(|found| found.value),
        command,
        form: form.map(|found| found.value),
        chat: chat.map(|found| found.value),
        token: token.map(|found| found.value),
        allow_insecure,
        timeout,
        retries,
        stalled_after,
    }
}

/// A program and its arguments. Nothing here goes through a shell, and so a text with blanks, which looks
/// as if it did, is refused.
fn command(table: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<Vec<String>> {
    let value = table.any(notes, "command")?;
    let range = value.span();
    let texts = match value.get_ref() {
        DeValue::String(text) => {
            if text.trim().contains(char::is_whitespace) {
                let words: Vec<String> = text.split_whitespace().map(|word| format!("\"{word}\"")).collect();
                let hint = format!("write each argument for itself: `command = [{}]`", words.join(", "));
                notes.problem(&range, "`command` goes through no shell", vec![hint]);
                return None;
            }
            vec![text.trim().to_owned()]
        }
        DeValue::Array(items) if items.iter().all(|item| item.get_ref().is_str()) => {
            items.iter().filter_map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
        }
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => {
            table.wrong_kind(notes, "command", &value, "a list of texts");
            return None;
        }
    };
    if texts.first().is_none_or(|program| program.trim().is_empty()) {
        notes.problem(&range, "`command` is empty", Vec::new());
        return None;
    }
    Some(texts)
}
