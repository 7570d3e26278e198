//! What the place of output can show, and the signs.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Effects};

use crate::model::status::TaskStatus;
use crate::report::text;

/// What the place of output can show. Who makes one has looked at the terminal, at `NO_COLOR` and
/// at the options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Whether colours may be used. They never carry a meaning alone.
    pub color: bool,
    /// Whether more than ASCII may be used.
    pub unicode: bool,
}

impl Style {
    /// For a file or a pipe: 80 columns, no colour, UTF-8.
    pub const PLAIN: Self = Self { width: 80, height: 24, color: false, unicode: true };

    /// A text from a plan or an agent as one line that can be shown here.
    pub fn clean(&self, text: &str) -> String {
        let text = text::clean(text);
        if self.unicode || text.is_ascii() {
            text
        } else {
            text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
        }
    }

    /// The text cut to `columns`.
    pub fn cut(&self, text: &str, columns: usize) -> String {
        text::cut(text, columns, self.unicode)
    }

    /// What stands between two facts of one line.
    pub const fn dot(&self) -> &'static str {
        if self.unicode { " · " } else { ", " }
    }

    /// What stands between an agent and its model.
    pub const fn agent_dot(&self) -> &'static str {
        if self.unicode { " · " } else { " / " }
    }

    /// The text in a look, where colours may be used.
    pub fn paint(&self, look: anstyle::Style, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 12);
        if self.color {
            write!(out, "{look}{text}{look:#}").expect("writing to a string cannot fail");
        } else {
            out.push_str(text);
        }
        out
    }

    /// The text in bold, where that can be shown.
    pub fn bold(&self, text: &str) -> String {
        self.paint(anstyle::Style::new().effects(Effects::BOLD), text)
    }

    /// The text less bright, where that can be shown.
    pub fn dim(&self, text: &str) -> String {
        self.paint(anstyle::Style::new().effects(Effects::DIMMED), text)
    }

    /// The sign, padded to the width that signs have here.
    pub fn sign(&self, sign: Sign) -> String {
        self.paint(sign.look(), &text::pad(sign.glyph(self.unicode), self.sign_width()))
    }

    /// How many columns a sign takes.
    pub const fn sign_width(&self) -> usize {
        if self.unicode { 1 } else { 5 }
    }
}

/// What a line is about, at first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Succeeded.
    Succeeded,
    /// Failed.
    Failed,
    /// Running.
    Running,
    /// Retrying.
    Retrying,
    /// Waits for a person.
    Gate,
    /// Waits.
    Waiting,
    /// Skipped.
    Skipped,
    /// Stopped.
    Stopped,
    /// A warning.
    Warning,
}

impl Sign {
    /// The sign of a task in `status`. A held task waits for a person only where a gate holds it,
    /// which its caller knows.
    pub const fn of(status: TaskStatus) -> Self {
        match status {
            TaskStatus::Pending | TaskStatus::Blocked | TaskStatus::Held => Self::Waiting,
            TaskStatus::Running | TaskStatus::Verifying | TaskStatus::Landing => Self::Running,
            TaskStatus::Retrying => Self::Retrying,
            TaskStatus::Succeeded => Self::Succeeded,
            TaskStatus::Failed => Self::Failed,
            TaskStatus::Cancelled => Self::Stopped,
            TaskStatus::Skipped => Self::Skipped,
        }
    }

    /// How it is written.
    pub const fn glyph(self, unicode: bool) -> &'static str {
        match (self, unicode) {
            (Self::Succeeded, true) => "✓",
            (Self::Succeeded, false) => "ok",
            (Self::Failed, true) => "✗",
            (Self::Failed, false) => "FAIL",
            (Self::Running, true) => "▶",
            (Self::Running, false) => "run",
            (Self::Retrying, true) => "↻",
            (Self::Retrying, false) => "retry",
            (Self::Gate, true) => "‖",
            (Self::Gate, false) => "gate",
            (Self::Waiting, true) => "·",
            (Self::Waiting, false) => "wait",
            (Self::Skipped, true) => "○",
            (Self::Skipped, false) => "skip",
            (Self::Stopped, true) => "■",
            (Self::Stopped, false) => "stop",
            (Self::Warning, true) => "!",
            (Self::Warning, false) => "warn",
        }
    }

    /// In which colour.
    const fn look(self) -> anstyle::Style {
        match self {
            Self::Succeeded => AnsiColor::Green.on_default(),
            Self::Failed | Self::Stopped => AnsiColor::Red.on_default().effects(Effects::BOLD),
            Self::Running => AnsiColor::Cyan.on_default(),
            Self::Retrying | Self::Gate | Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Waiting | Self::Skipped => anstyle::Style::new().effects(Effects::DIMMED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_have_one_width() {
        for status in TaskStatus::ALL {
            for unicode in [true, false] {
                let style = Style { unicode, ..Style::PLAIN };
                assert_eq!(text::width(&style.sign(Sign::of(status))), style.sign_width());
            }
        }
    }

    #[test]
    fn colour_is_only_added() {
        let style = Style { color: true, ..Style::PLAIN };
        assert_eq!(style.sign(Sign::Succeeded), "\u{1b}[32m✓\u{1b}[0m");
        assert_eq!(Style::PLAIN.sign(Sign::Succeeded), "✓");
        assert_eq!(Style { unicode: false, ..Style::PLAIN }.clean("für\u{7} x"), "f?r x");
    }
}
