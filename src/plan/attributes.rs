//! Attributes in braces at the end of a task's line: `{agent=kilo depends=T001,T002 timeout=20m}`.

use super::facts::Reader;
use super::facts::agent_name;
use super::fields;
use super::fields::Key;
use super::origins;
use super::values;
use super::words;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::diagnostics::suggest;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::task::FileClaim;

impl Reader<'_, '_, '_> {
    /// Reads what stands between the braces.
    pub(crate) fn read_attributes(&mut self, text: &str, line: usize) {
        let place = Place::line(super::lines::number(line));
        self.diagnostics.push(
            Diagnostic::warning(
                "attributes",
                place,
                "attributes in braces are shown as they stand by everything that renders Markdown",
            )
            .hint("prefer a key list below the task, such as `- **Agent**: kilo`"),
        );
        for part in text.split_whitespace() {
            let Some((name, value)) = part.split_once('=') else { continue };
            let value = value.trim_matches(['"', '\'']);
            let Some(key) = fields::key_of(name) else {
                let known =
                    ["agent", "model", "layer", "depends", "timeout", "retries", "priority", "files", "gate"];
                let mut diagnostic =
                    Diagnostic::warning("unknown-key", place, format!("there is no attribute `{name}`"));
                if let Some(near) = suggest(name, known.into_iter()) {
                    diagnostic = diagnostic.hint(format!("did you mean `{near}`?"));
                }
                self.diagnostics.push(diagnostic);
                continue;
            };
            self.attribute(key, name, value, place);
        }
    }

    fn attribute(&mut self, key: Key, name: &str, value: &str, place: Place) {
        let defaults = &mut self.facts.defaults;
        let good = match key {
            Key::Agent => {
                defaults.agent = Some(agent_name(value));
                true
            }
            Key::Model => {
                defaults.model = Some(value.to_owned());
                true
            }
            Key::Layer => value
                .parse()
                .ok()
                .filter(|layer| (1..=7).contains(layer))
                .map(|layer| defaults.layer = Some(layer))
                .is_some(),
            Key::Timeout => value.parse().ok().map(|timeout| defaults.timeout = Some(timeout)).is_some(),
            Key::Retries => value.parse().ok().map(|retries| defaults.retries = Some(retries)).is_some(),
            Key::Priority => {
                words::priority(value).map(|priority| defaults.priority = Some(priority)).is_some()
            }
            Key::DependsOn => {
                self.facts.depends.push((value.to_owned(), None));
                true
            }
            Key::Parallel => {
                words::yes_or_no(value).map(|parallel| self.facts.parallel = Some(parallel)).is_some()
            }
            Key::Optional => {
                words::yes_or_no(value).map(|optional| self.facts.optional = Some(optional)).is_some()
            }
            Key::Gate => {
                self.facts.gate = Some(value.to_owned());
                true
            }
            Key::Files(verb) => {
                let paths = value.split(',').filter_map(values::inside);
                self.facts.files.extend(paths.map(|path| FileClaim { verb, path }));
                true
            }
            Key::Status => words::status(value).map(|status| self.facts.status = Some(status)).is_some(),
            Key::Command | Key::Verify | Key::Acceptance | Key::Requirements | Key::Output | Key::Mode => {
                true
            }
        };
        if let Some(field) = origins::name_of(key).filter(|_| good) {
            self.facts.origins.push(FieldOrigin {
                field,
                value: value.to_owned(),
                from: FieldFrom::TaskLine,
                by: None,
                line: Some(place.line),
            });
        }
        if !good {
            self.diagnostics.push(Diagnostic::error(
                "bad-value",
                place,
                format!("`{value}` is no value for `{name}`"),
            ));
        }
    }
}
