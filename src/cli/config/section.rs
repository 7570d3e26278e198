//! Reading one table key by key, keeping every mistake with its place.
//!
//! The keys that were asked for are the keys that are known: [`Section::finish`] refuses the rest.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::problem::{ConfigError, ConfigProblem, place};
use super::words::{kind, one_of};
use crate::cli::args::reading;
use crate::diagnostics::suggest;
use crate::model::time::Span;

/// What is gathered while a file is read.
pub(super) struct Notes<'t> {
    pub(super) file: &'t str,
    pub(super) text: &'t str,
    pub(super) problems: Vec<(usize, ConfigProblem)>,
    pub(super) lines: BTreeMap<String, u32>,
    /// Every key that was asked for, by table; `*` for a name of the user's own.
    pub(super) known: BTreeMap<String, Vec<&'static str>>,
}

impl<'t> Notes<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, problems: Vec::new(), lines: BTreeMap::new(), known: BTreeMap::new() }
    }

    /// The error of all mistakes, in the order of the file; none: there is none.
    pub(super) fn refusal(self) -> Option<ConfigError> {
        if self.problems.is_empty() {
            return None;
        }
        let mut problems = self.problems;
        problems.sort_by_key(|(start, _)| *start);
        Some(ConfigError {
            file: self.file.to_owned(),
            text: self.text.to_owned(),
            problems: problems.into_iter().map(|(_, problem)| problem).collect(),
        })
    }

    /// Keeps a mistake.
    pub(super) fn problem(&mut self, range: &Range<usize>, message: impl Into<String>, hints: Vec<String>) {
        let (line, column, length) = place(self.text, range);
        let problem = ConfigProblem {
            file: self.file.to_owned(),
            line,
            column,
            length,
            message: message.into(),
            hints,
        };
        self.problems.push((range.start, problem));
    }
}

/// One table while it is read.
pub(super) struct Section<'t> {
    /// Its dotted name; empty for the root.
    name: String,
    /// The same with `*` for names of the user's own, and how it is shown.
    pattern: String,
    shown: String,
    /// Where its name stands.
    pub(super) range: Range<usize>,
    table: DeTable<'t>,
    known: Vec<&'static str>,
}

/// A value that was there.
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) range: Range<usize>,
}

impl<'t> Section<'t> {
    /// The whole file.
    pub(super) fn root(table: DeTable<'t>) -> Self {
        Self {
            name: String::new(),
            pattern: String::new(),
            shown: "at the top".to_owned(),
            range: 0..0,
            table,
            known: Vec::new(),
        }
    }

    /// The dotted name of a key of this table.
    pub(super) fn key(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn take(&mut self, notes: &mut Notes<'_>, key: &'static str) -> Option<Spanned<DeValue<'t>>> {
        self.known.push(key);
        let (name, value) = self.table.remove_entry(key)?;
        notes.lines.insert(self.key(key), place(notes.text, &name.span()).0);
        Some(value)
    }

    fn wrong<T>(
        &self,
        notes: &mut Notes<'_>,
        key: &str,
        value: &Spanned<DeValue<'t>>,
        wanted: &str,
    ) -> Option<T> {
        let found = kind(value.get_ref());
        notes.problem(
            &value.span(),
            format!("`{}` has to be {wanted}, not {found}", self.key(key)),
            Vec::new(),
        );
        None
    }

    /// A text.
    pub(super) fn text(&mut self, notes: &mut Notes<'_>, key: &'static str) -> Option<Found<String>> {
        let value = self.take(notes, key)?;
        match value.get_ref().as_str() {
            Some(text) if text.trim().is_empty() => {
                notes.problem(&value.span(), format!("`{}` is empty", self.key(key)), Vec::new());
                None
            }
            Some(text) => Some(Found { value: text.to_owned(), range: value.span() }),
            None => self.wrong(notes, key, &value, "text in quotes"),
        }
    }

    /// True or false.
    pub(super) fn boolean(&mut self, notes: &mut Notes<'_>, key: &'static str) -> Option<bool> {
        let value = self.take(notes, key)?;
        match value.get_ref().as_bool() {
            Some(boolean) => Some(boolean),
            None => self.wrong(notes, key, &value, "`true` or `false`"),
        }
    }

    /// A whole number within bounds.
    pub(super) fn number<T: TryFrom<i64>>(
        &mut self,
        notes: &mut Notes<'_>,
        key: &'static str,
        bounds: std::ops::RangeInclusive<i64>,
    ) -> Option<Found<T>> {
        let value = self.take(notes, key)?;
        let range = value.span();
        if !value.get_ref().is_integer() {
            return self.wrong(notes, key, &value, "a whole number");
        }
        let number = i64::deserialize(ValueDeserializer::from(value)).ok();
        let fits =
            number.filter(|number| bounds.contains(number)).and_then(|number| T::try_from(number).ok());
        if fits.is_none() {
            let limits = if *bounds.end() == i64::MAX {
                format!("{} or more", bounds.start())
            } else {
                format!("from {} to {}", bounds.start(), bounds.end())
            };
            notes.problem(&range, format!("`{}` has to be {limits}", self.key(key)), Vec::new());
        }
        fits.map(|value| Found { value, range })
    }

    /// A number of money, not negative.
    pub(super) fn money(&mut self, notes: &mut Notes<'_>, key: &'static str) -> Option<f64> {
        let value = self.take(notes, key)?;
        let range = value.span();
        if !value.get_ref().is_integer() && !value.get_ref().is_float() {
            return self.wrong(notes, key, &value, "a number");
        }
        let number = f64::deserialize(ValueDeserializer::from(value)).ok();
        let fits = number.filter(|number| number.is_finite() && *number >= 0.0);
        if fits.is_none() {
            notes.problem(&range, format!("`{}` has to be 0 or more", self.key(key)), Vec::new());
        }
        fits
    }

    /// A length of time.
    pub(super) fn span(&mut self, notes: &mut Notes<'_>, key: &'static str) -> Option<Found<Span>> {
        let value = self.take(notes, key)?;
        let range = value.span();
        if !value.get_ref().is_integer() && !value.get_ref().is_str() {
            return self.wrong(notes, key, &value, "a duration such as `\"20m\"`");
        }
        match Span::deserialize(ValueDeserializer::from(value)) {
            Ok(span) => Some(Found { value: span, range }),
            Err(error) => {
                notes.problem(&range, error.message().to_owned(), Vec::new());
                None
            }
        }
    }

    /// A size in bytes.
    pub(super) fn size(&mut self, notes: &mut Notes<'_>, key: &'static str) -> Option<u64> {
        let value = self.take(notes, key)?;
        let range = value.span();
        let text = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            DeValue::String(text) => text.clone().into_owned(),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => return self.wrong(notes, key, &value, "a size such as `\"512MiB\"`"),
        };
        match reading::bytes(&text) {
            Ok(bytes) => Some(bytes),
            Err(message) => {
                notes.problem(&range, message, Vec::new());
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        notes: &mut Notes<'_>,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Option<Found<T>> {
        let value = self.take(notes, key)?;
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let Some(text) = value.get_ref().as_str() else {
            return self.wrong(notes, key, &value, &one_of(&names));
        };
        if let Some((_, meant)) = words.iter().find(|(name, _)| *name == text) {
            return Some(Found { value: *meant, range: value.span() });
        }
        let mut hints = Vec::new();
        if let Some(near) = suggest(text, names.iter().copied()) {
            hints.push(format!("did you mean `\"{near}\"`?"));
        }
        notes.problem(
            &value.span(),
            format!("`{}` has to be {}, not `{text}`", self.key(key), one_of(&names)),
            hints,
        );
        None
    }

    /// A list of a few words, or one of them; each once.
    pub(super) fn word_list<T: Copy + PartialEq>(
        &mut self,
        notes: &mut Notes<'_>,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Option<Vec<T>> {
        let value = self.take(notes, key)?;
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let single = std::slice::from_ref(&value);
        let items = match value.get_ref().as_array() {
            Some(array) if array.is_empty() => {
                notes.problem(&value.span(), format!("`{}` is empty", self.key(key)), Vec::new());
                return None;
            }
            Some(array) => array.iter().collect(),
            None => single.iter().collect::<Vec<_>>(),
        };
        let mut meant = Vec::new();
        let mut sound = true;
        for item in items {
            let Some(text) = item.get_ref().as_str() else {
                self.wrong_kind(notes, key, item, &format!("a list of {}", one_of(&names)));
                sound = false;
                continue;
            };
            if let Some((_, word)) = words.iter().find(|(name, _)| *name == text) {
                if !meant.contains(word) {
                    meant.push(*word);
                }
                continue;
            }
            sound = false;
            let near = suggest(text, names.iter().copied());
            let hint = near.map_or_else(
                || format!("known here: {}", names.join(", ")),
                |near| format!("did you mean `\"{near}\"`?"),
            );
            notes.problem(&item.span(), format!("`{}` knows no `{text}`", self.key(key)), vec![hint]);
        }
        sound.then_some(meant)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, notes: &mut Notes<'_>, key: &'static str) -> Option<Vec<String>> {
        let value = self.take(notes, key)?;
        self.texts_of(notes, key, &value, false)
    }

    fn texts_of(
        &self,
        notes: &mut Notes<'_>,
        key: &str,
        value: &Spanned<DeValue<'t>>,
        one_will_do: bool,
    ) -> Option<Vec<String>> {
        if let (true, Some(one)) = (one_will_do, value.get_ref().as_str()) {
            return Some(vec![one.to_owned()]);
        }
        let Some(array) = value.get_ref().as_array() else {
            let mut hints = Vec::new();
            if let Some(one) = value.get_ref().as_str() {
                hints.push(format!("write it in brackets: `{key} = [\"{one}\"]`"));
            }
            let found = kind(value.get_ref());
            notes.problem(
                &value.span(),
                format!("`{}` has to be a list of texts, not {found}", self.key(key)),
                hints,
            );
            return None;
        };
        let mut texts = Vec::new();
        let mut sound = true;
        for item in array {
            if let Some(text) = item.get_ref().as_str() {
                texts.push(text.to_owned());
            } else {
                let found = kind(item.get_ref());
                notes.problem(
                    &item.span(),
                    format!("`{}` has to be a list of texts, and this is {found}", self.key(key)),
                    Vec::new(),
                );
                sound = false;
            }
        }
        sound.then_some(texts)
    }

    /// A list of exit codes.
    pub(super) fn codes(&mut self, notes: &mut Notes<'_>, key: &'static str) -> Option<Vec<i32>> {
        let value = self.take(notes, key)?;
        let range = value.span();
        if !value.get_ref().is_array() {
            return self.wrong(notes, key, &value, "a list of whole numbers");
        }
        if let Ok(codes) = Vec::<i32>::deserialize(ValueDeserializer::from(value)) {
            return Some(codes);
        }
        notes.problem(&range, format!("`{}` has to be a list of whole numbers", self.key(key)), Vec::new());
        None
    }

    /// The value itself, for what has more than one form.
    pub(super) fn any(&mut self, notes: &mut Notes<'_>, key: &'static str) -> Option<Spanned<DeValue<'t>>> {
        self.take(notes, key)
    }

    /// Says that the value of a key is of the wrong kind.
    pub(super) fn wrong_kind(
        &self,
        notes: &mut Notes<'_>,
        key: &str,
        value: &Spanned<DeValue<'t>>,
        wanted: &str,
    ) {
        let nothing: Option<()> = self.wrong(notes, key, value, wanted);
        debug_assert!(nothing.is_none());
    }

    /// A table.
    pub(super) fn table(&mut self, notes: &mut Notes<'_>, key: &'static str) -> Option<Self> {
        let value = self.take(notes, key)?;
        self.table_of(notes, key, key, value)
    }

    fn table_of(
        &self,
        notes: &mut Notes<'_>,
        key: &str,
        pattern: &str,
        value: Spanned<DeValue<'t>>,
    ) -> Option<Self> {
        let range = value.span();
        if !value.get_ref().is_table() {
            return self.wrong(notes, key, &value, "a table");
        }
        let DeValue::Table(table) = value.into_inner() else {
            return None;
        };
        let name = self.key(key);
        let pattern =
            if self.pattern.is_empty() { pattern.to_owned() } else { format!("{}.{pattern}", self.pattern) };
        Some(Self { shown: format!("in `[{name}]`"), name, pattern, range, table, known: Vec::new() })
    }

    /// A value that was taken before, as a table.
    pub(super) fn as_table(
        &self,
        notes: &mut Notes<'_>,
        key: &'static str,
        value: Spanned<DeValue<'t>>,
    ) -> Option<Self> {
        self.table_of(notes, key, key, value)
    }

    /// A table of tables by names of the user's own.
    pub(super) fn named_tables(&mut self, notes: &mut Notes<'_>, key: &'static str) -> Vec<(String, Self)> {
        self.table(notes, key).map_or_else(Vec::new, |section| {
            section
                .entries(notes)
                .into_iter()
                .filter_map(|(name, value)| {
                    let table = section_like(&section).table_of(notes, &name, "*", value)?;
                    Some((name, table))
                })
                .collect()
        })
    }

    /// A table of texts by names of the user's own.
    pub(super) fn named_texts(
        &mut self,
        notes: &mut Notes<'_>,
        key: &'static str,
    ) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        let Some(section) = self.table(notes, key) else {
            return texts;
        };
        for (name, value) in section.entries(notes) {
            if let Some(text) = value.get_ref().as_str() {
                texts.insert(name, text.to_owned());
            } else {
                section.wrong_kind(notes, &name, &value, "text in quotes");
            }
        }
        texts
    }

    /// A table of lists of texts, or single texts, by names of the user's own.
    pub(super) fn named_lists(
        &mut self,
        notes: &mut Notes<'_>,
        key: &'static str,
    ) -> BTreeMap<String, Vec<String>> {
        let mut lists = BTreeMap::new();
        let Some(section) = self.table(notes, key) else {
            return lists;
        };
        for (name, value) in section.entries(notes) {
            if let Some(texts) = section.texts_of(notes, &name, &value, true) {
                lists.insert(name, texts);
            }
        }
        lists
    }

    /// What stands in a table under names of the user's own.
    pub(super) fn entries(&self, notes: &mut Notes<'_>) -> Vec<(String, Spanned<DeValue<'t>>)> {
        let mut entries = Vec::new();
        for (name, value) in &self.table {
            notes.lines.insert(self.key(name.get_ref()), place(notes.text, &name.span()).0);
            entries.push((name.get_ref().clone().into_owned(), value.clone()));
        }
        entries
    }

    /// One entry of a table as a table.
    pub(super) fn entry_table(
        &self,
        notes: &mut Notes<'_>,
        name: &str,
        value: Spanned<DeValue<'t>>,
    ) -> Option<Self> {
        self.table_of(notes, name, "*", value)
    }

    /// A list of tables.
    pub(super) fn tables(&mut self, notes: &mut Notes<'_>, key: &'static str) -> Option<Vec<Self>> {
        let value = self.take(notes, key)?;
        let all_tables = value
            .get_ref()
            .as_array()
            .is_some_and(|array| array.iter().all(|item| item.get_ref().is_table()));
        if !all_tables {
            let hints = vec![format!("write `[[{}]]` above each", self.key(key))];
            let found = kind(value.get_ref());
            let message = format!("`{}` has to be a list of tables, not {found}", self.key(key));
            notes.problem(&value.span(), message, hints);
            return None;
        }
        let DeValue::Array(array) = value.into_inner() else {
            return None;
        };
        let name = self.key(key);
        let pattern =
            if self.pattern.is_empty() { format!("{key}[]") } else { format!("{}.{key}[]", self.pattern) };
        let mut sections = Vec::new();
        for (number, item) in array.into_iter().enumerate() {
            let range = item.span();
            if let DeValue::Table(table) = item.into_inner() {
                sections.push(Self {
                    name: format!("{name}.{}", number + 1),
                    pattern: pattern.clone(),
                    shown: format!("in `[[{name}]]`"),
                    range,
                    table,
                    known: Vec::new(),
                });
            }
        }
        Some(sections)
    }

    /// Says that keys that have to be there are not.
    pub(super) fn missing(&self, notes: &mut Notes<'_>, keys: &[&str], hint: &str) {
        let quoted: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        let message = match quoted.split_last() {
            None => return,
            Some((only, [])) => format!("{only} is missing {}", self.shown),
            Some((last, rest)) => format!("{} and {last} are missing {}", rest.join(", "), self.shown),
        };
        notes.problem(&self.range, message, vec![hint.to_owned()]);
    }

    /// Refuses every key that was not asked for.
    pub(super) fn finish(self, notes: &mut Notes<'_>, elsewhere: &[(&str, &str)]) {
        for (name, value) in &self.table {
            let key: &str = name.get_ref();
            let what = if value.get_ref().is_table() && self.name.is_empty() { "table" } else { "key" };
            let mut hints = Vec::new();
            if let Some(near) = suggest(key, self.known.iter().copied()) {
                hints.push(format!("did you mean `{near}`?"));
            } else if let Some((_, table)) = elsewhere.iter().find(|(known, _)| *known == key) {
                hints.push(format!("`{key}` belongs in `[{table}]`"));
            } else {
                hints.push(format!("known here: {}", self.known.join(", ")));
            }
            notes.problem(&name.span(), format!("unknown {what} `{key}` {}", self.shown), hints);
        }
        notes.known.insert(self.pattern, self.known);
    }
}

/// A section with the same names and nothing in it.
fn section_like<'t>(section: &Section<'_>) -> Section<'t> {
    Section {
        name: section.name.clone(),
        pattern: section.pattern.clone(),
        shown: section.shown.clone(),
        range: section.range.clone(),
        table: DeTable::new(),
        known: Vec::new(),
    }
}
