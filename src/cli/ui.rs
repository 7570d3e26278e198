//! The only printer. Data goes to stdout, all else to stderr; a reader that closes either early
//! ends the printing, not the run.

use std::io::{self, IsTerminal as _, Write};

use crate::cli::args::ColorChoice;
#[cfg(windows)]
use crate::cli::console::{self, obeys_sequences};
use crate::cli::exit::CliError;
use crate::masking;
use crate::report::Style;

/// Prints for people and programs.
#[derive(Debug, Clone)]
pub struct Ui {
    /// How to print on stdout.
    pub stdout: Style,
    /// How to print on stderr.
    pub stderr: Style,
    /// Whether stdout is a terminal on which a picture can stay in one place.
    pub stdout_terminal: bool,
    /// Whether stderr is a terminal on which lines can be redrawn.
    pub interactive: bool,
    /// Whether to say nothing that is not asked for.
    pub quiet: bool,
}

/// What the environment says of the terminal.
#[derive(Debug, Clone, Default)]
pub struct TerminalHints {
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// `TERM`.
    pub term: Option<String>,
    /// The first that is set of `LC_ALL`, `LC_CTYPE`, `LANG`.
    pub locale: Option<String>,
    /// `COLUMNS`.
    pub columns: Option<usize>,
    /// `CI` is set: no redrawing, whatever stands behind the stream.
    pub ci: bool,
}

impl Ui {
    /// Looks at the streams.
    pub fn new(color: ColorChoice, quiet: bool, hints: &TerminalHints) -> Self {
        let dumb = hints.term.as_deref() == Some("dumb");
        let unicode = is_unicode(hints);
        let style = |terminal: bool| {
            let (width, height) =
                if terminal { terminal_size().unwrap_or(DEFAULT_SIZE) } else { DEFAULT_SIZE };
            Style {
                width: hints.columns.unwrap_or(width),
                height,
                color: match color {
                    ColorChoice::Always => true,
                    ColorChoice::Never => false,
                    ColorChoice::Auto => terminal && !dumb && !hints.no_color,
                },
                unicode,
            }
        };
        let stdout_terminal = io::stdout().is_terminal() && obeys_sequences(&io::stdout());
        let stderr_terminal = io::stderr().is_terminal() && obeys_sequences(&io::stderr());
        Self {
            stdout: style(stdout_terminal),
            stderr: style(stderr_terminal),
            stdout_terminal: stdout_terminal && !dumb,
            interactive: stderr_terminal && !dumb && !hints.ci,
            quiet,
        }
    }

    /// Prints data on stdout. A closed reader is no error.
    pub fn data(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        let mut result = stdout.write_all(text.as_bytes());
        if !text.is_empty() && !text.ends_with('\n') {
            result = result.and_then(|()| stdout.write_all(b"\n"));
        }
        match result.and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Prints bytes on stdout as they are; says whether somebody still reads.
    pub fn bytes(&self, bytes: &[u8]) -> io::Result<bool> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Says something on stderr, masked.
    pub fn say(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        // There is nowhere left to say that stderr is gone.
        drop(writeln!(stderr, "{}", masking::mask(text.trim_end_matches('\n'))));
    }

    /// Says something on stderr unless `-q` was given.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// Says why the command did not end well.
    pub fn error(&self, error: &CliError) {
        if error.message.is_empty() {
            return;
        }
        let label = |name: &str, style: anstyle::Style| {
            if self.stderr.color { format!("{style}{name}{style:#}") } else { name.to_owned() }
        };
        let bold_red = anstyle::AnsiColor::Red.on_default().bold();
        let cyan = anstyle::AnsiColor::Cyan.on_default();
        let mut text = format!("{}: {}", label("error", bold_red), error.message);
        for hint in &error.hints {
            text = text + "\n  " + &label("help", cyan) + ": " + hint;
        }
        self.say(&text);
    }

    /// Says a warning with what to do about it.
    pub fn warning(&self, message: &str, hint: Option<&str>) {
        let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
        let label =
            if self.stderr.color { format!("{yellow}warning{yellow:#}") } else { "warning".to_owned() };
        let mut text = format!("{label}: {message}");
        if let Some(hint) = hint {
            text = text + "\n  help: " + hint;
        }
        self.note(&text);
    }

    /// Where reporters write for people.
    pub fn stderr_writer(&self) -> Box<dyn Write + Send> {
        Box::new(Unbreakable { inner: io::stderr(), open: true })
    }

    /// Where reporters write for programs.
    pub fn stdout_writer(&self) -> Box<dyn Write + Send> {
        Box::new(Unbreakable { inner: io::stdout(), open: true })
    }
}

/// Swallows everything once its reader is gone.
struct Unbreakable<W> {
    inner: W,
    open: bool,
}

impl<W: Write> Write for Unbreakable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.open {
            match self.inner.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.open = false,
                other => return other,
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.inner.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.open = false;
                Ok(())
            }
            other => other,
        }
    }
}

fn is_unicode(hints: &TerminalHints) -> bool {
    match &hints.locale {
        Some(locale) => {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
        // Windows has no such variables; its terminals show UTF-8.
        None => cfg!(windows),
    }
}

/// Columns and rows of the terminal behind stderr.
#[cfg(unix)]
pub fn terminal_size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then(|| (usize::from(size.ws_col), usize::from(size.ws_row)))
}

/// Columns and rows of the console behind stderr.
#[cfg(windows)]
pub fn terminal_size() -> Option<(usize, usize)> {
    console::size()
}

/// Terminals do what control sequences say.
#[cfg(unix)]
fn obeys_sequences<T>(_stream: &T) -> bool {
    true
}

/// Where nothing is known: wide enough for a log, as high as a terminal.
const DEFAULT_SIZE: (usize, usize) = (100, 24);
