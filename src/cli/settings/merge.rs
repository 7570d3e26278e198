//! Picking one value of several sources, and keeping where it came from.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use clap::ValueEnum;

use super::Sources;
use super::origin::{Origin, SettingsProblem, Warning};
use super::variables::variable_of;
use crate::cli::config::Config;
use crate::model::time::Span;

/// The sources while they are merged.
pub(super) struct Merge<'a> {
    sources: &'a Sources<'a>,
    origins: BTreeMap<&'static str, Origin>,
    problems: Vec<SettingsProblem>,
    warnings: Vec<Warning>,
}

impl<'a> Merge<'a> {
    pub(super) fn new(sources: &'a Sources<'a>) -> Self {
        Self { sources, origins: BTreeMap::new(), problems: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn sources(&self) -> &'a Sources<'a> {
        self.sources
    }

    /// The files, the one that counts first, and whether each is the project's.
    pub(super) fn files(&self) -> Vec<(&'a Config, bool)> {
        let project = self.sources.project.map(|config| (config, true));
        let user = self.sources.user.map(|config| (config, false));
        project.into_iter().chain(user).collect()
    }

    /// Where the value with this dotted name came from.
    pub(super) fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// Keeps a mistake of the value with this dotted name.
    pub(super) fn problem(&mut self, key: &'static str, message: &str, hints: Vec<String>) {
        let origin = self.origin(key);
        self.problem_of(origin, message, hints);
    }

    pub(super) fn problem_of(&mut self, origin: Origin, message: impl Into<String>, hints: Vec<String>) {
        self.problems.push(SettingsProblem { origin, message: message.into(), hints });
    }

    pub(super) fn warning(&mut self, code: &'static str, message: String, hint: Option<String>) {
        self.warnings.push(Warning { code, message, hint });
    }

    /// What was gathered; the mistakes of the command line first, those of a file in its order.
    pub(super) fn into_parts(self) -> (BTreeMap<&'static str, Origin>, Vec<SettingsProblem>, Vec<Warning>) {
        let mut problems = self.problems;
        problems.sort_by(|one, other| one.origin.cmp(&other.origin));
        (self.origins, problems, self.warnings)
    }

    /// Picks a value: as typed, else as the variable says, else as the first file says.
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        typed: Option<T>,
        read: impl Fn(&str) -> Result<T, String>,
        of: impl Fn(&'a Config) -> Option<T>,
    ) -> Option<T> {
        let option = variable_of(key).and_then(|variable| variable.option).unwrap_or("the command line");
        self.value_by(key, option, typed, read, of)
    }

    /// The same for a value that an option of another name sets.
    pub(super) fn value_by<T>(
        &mut self,
        key: &'static str,
        option: &'static str,
        typed: Option<T>,
        read: impl Fn(&str) -> Result<T, String>,
        of: impl Fn(&'a Config) -> Option<T>,
    ) -> Option<T> {
        if typed.is_some() {
            self.origins.insert(key, Origin::Option(option));
            return typed;
        }
        if let Some(variable) = variable_of(key)
            && let Some(text) = self.sources.environment.get(variable.name).map(|text| text.trim())
            && !text.is_empty()
        {
            let origin = Origin::Variable(variable.name);
            self.origins.insert(key, origin.clone());
            return match read(text) {
                Ok(value) => Some(value),
                Err(message) => {
                    self.problem_of(origin, message, Vec::new());
                    None
                }
            };
        }
        for (config, is_project) in self.files() {
            if let Some(value) = of(config) {
                self.origins.insert(key, Origin::of(config, is_project, key));
                return Some(value);
            }
        }
        self.origins.insert(key, Origin::Default);
        None
    }

    pub(super) fn text(
        &mut self,
        key: &'static str,
        typed: Option<String>,
        of: impl Fn(&'a Config) -> Option<String>,
    ) -> Option<String> {
        self.value(key, typed, |text| Ok(text.to_owned()), of)
    }

    /// A whole number within bounds. Files were looked at when they were read.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        typed: Option<u32>,
        bounds: RangeInclusive<u32>,
        otherwise: u32,
        of: impl Fn(&'a Config) -> Option<u32>,
    ) -> u32 {
        let read = |text: &str| text.parse().map_err(|_| format!("`{text}` is no whole number"));
        let value = self.value(key, typed, read, of).unwrap_or(otherwise);
        if !bounds.contains(&value) {
            let (least, most) = bounds.into_inner();
            self.problem(key, &format!("{value} is not from {least} to {most}"), Vec::new());
        }
        value
    }

    /// A length of time.
    pub(super) fn span(
        &mut self,
        key: &'static str,
        typed: Option<Span>,
        positive: bool,
        of: impl Fn(&'a Config) -> Option<Span>,
    ) -> Option<Span> {
        let value = self.value(key, typed, crate::cli::args::reading::span, of);
        if positive && value.is_some_and(|span| span.0.is_zero()) {
            self.problem(key, "a duration of nothing leaves no time for anything", Vec::new());
        }
        value
    }

    /// A flag, which the command line can only turn on.
    pub(super) fn flag(
        &mut self,
        key: &'static str,
        typed: bool,
        of: impl Fn(&'a Config) -> Option<bool>,
    ) -> bool {
        let read = |text: &str| match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            _ => Err(format!("`{text}` is neither `true` nor `false`")),
        };
        self.value(key, typed.then_some(true), read, of).unwrap_or(false)
    }

    /// One of the words of a type of clap's.
    pub(super) fn pick<T: ValueEnum>(
        &mut self,
        key: &'static str,
        typed: Option<T>,
        words: &[&str],
        of: impl Fn(&'a Config) -> Option<T>,
    ) -> Option<T> {
        let read = |text: &str| {
            T::from_str(text, false).map_err(|_| format!("`{text}` is none of {}", words.join(", ")))
        };
        self.value(key, typed, read, of)
    }
}
