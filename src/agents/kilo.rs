//! Kilo CLI, a fork of OpenCode: in what it differs.
//!
//! Written against `@kilocode/cli` 7.7.7. Left alone it never gives up on a provider that hangs or
//! refuses, hence the limit on its retries.

use super::opencode::Flavour;

/// Kilo. Three retries let a rate limit of a moment pass; each further one belongs to the ladder.
pub(super) const FLAVOUR: Flavour = Flavour {
    name: "kilo",
    prefix: "KILO",
    acting: "code",
    quiet: &[
        ("KILO_DISABLE_AUTOUPDATE", "1"),
        ("KILO_DISABLE_LSP_DOWNLOAD", "1"),
        ("KILO_DISABLE_SESSION_INGEST", "1"),
        ("KILO_DISABLE_SHARE", "1"),
        ("KILO_DISABLE_PRESENCE", "1"),
        ("KILO_DISABLE_CODEBASE_INDEXING", "1"),
        ("KILO_NO_DAEMON", "1"),
        ("KILO_TELEMETRY_LEVEL", "off"),
        ("KILO_SESSION_RETRY_LIMIT", "3"),
    ],
    usage: &["kilo run [message..]"],
};
