//! What the program says of its own workings, on stderr: one lower-case line each, like its errors.

use std::collections::BTreeMap;
use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::cli::args::Cli;

/// Begins to tell what `-v`, `-q` and `ORCHESTRATE_LOG` ask for.
pub(super) fn begin(cli: &Cli, environment: &BTreeMap<String, String>) {
    let level = match (cli.common.verbose, cli.common.quiet) {
        (0, 0) => "warn",
        (0, _) => "error",
        (1, _) => "info",
        (2, _) => "debug",
        (_, _) => "trace",
    };
    let wanted = environment.get("ORCHESTRATE_LOG").map_or(level, String::as_str);
    let filter = EnvFilter::builder()
        .parse(format!("orchestrate={level},{wanted}"))
        .unwrap_or_else(|_| EnvFilter::new(level));
    // A second call in one process (tests) keeps the first logger.
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .event_format(OneLine)
            .try_init(),
    );
}

/// `warning: the tail is not in the shared state key=T001#1`.
struct OneLine;

impl<S, N> FormatEvent<S, N> for OneLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let label = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        write!(writer, "{label}: ")?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
