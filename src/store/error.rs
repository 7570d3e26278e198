//! What can go wrong with a store, told apart by what a caller does about it.

use std::error::Error;
use std::path::{Path, PathBuf};

use crate::model::exit::ExitCode;
use crate::model::ids::{RunId, TaskId};
use crate::model::status::TaskStatus;
use crate::schema::Violation;

use super::shared::redis::Trouble;

/// Why the store did not do what was asked. After an error nothing of the request was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or file cannot be used: not writable, not there, an input or output error.
    #[error("the state store `{}` cannot be used: {source}", path.display())]
    Unavailable {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no room left.
    #[error("the disk that holds the state store `{}` is full", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// What is there is not what this version wrote, or can read.
    #[error("the state store `{}` cannot be read: {detail}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
        /// Whether it is whole, and just written by a version that knows more.
        newer: bool,
    },
    /// The Redis that holds the shared state does not do what is needed.
    #[error("the shared state in Redis at `{address}` cannot be used: {trouble}")]
    Redis {
        /// Where it is, without the password.
        address: String,
        /// What is wrong with it.
        trouble: Trouble,
    },
    /// Somebody else wrote in between.
    #[error("{what} is at {found}, and the writer took it to be at {expected}")]
    Conflict {
        /// What was to be written.
        what: String,
        /// What the writer expected.
        expected: u64,
        /// What is stored.
        found: u64,
    },
    /// Another supervisor has taken the run over, or its keys.
    #[error("run `{run}` was taken over: fence {found} is above this supervisor's {fence}")]
    Stale {
        /// The run that was to be written.
        run: RunId,
        /// The writer's fence.
        fence: u64,
        /// The fence that is stored.
        found: u64,
    },
    /// Another live run holds the run, or one of the tasks.
    #[error("{} is held by live run `{run}` ({holder})", task.as_ref().map_or_else(|| "the run".to_owned(), |task| format!("task `{task}`")))]
    Held {
        /// The run that holds it.
        run: RunId,
        /// The task; none: the run itself is supervised by somebody else.
        task: Option<TaskId>,
        /// Who: `host:pid`.
        holder: String,
    },
    /// A status that may not follow the one that is stored.
    #[error("task `{task}` cannot become {to}, it is {from}")]
    IllegalStep {
        /// The task.
        task: TaskId,
        /// What it is.
        from: TaskStatus,
        /// What it was to become.
        to: TaskStatus,
    },
    /// What was to be written does not follow its schema, or does not fit together.
    #[error("{what} is not valid: {}", violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// What was to be written.
        what: String,
        /// Everything that is wrong with it.
        violations: Vec<Violation>,
    },
    /// A Redis lost an event of a run that the journal here does not have.
    #[error("event {seq} of run `{run}` is not in Redis any more")]
    Missing {
        /// The run.
        run: RunId,
        /// The number of the event.
        seq: u64,
    },
    /// The journal and a Redis tell different stories of a run.
    #[error("event {seq} of run `{run}` is another one in Redis than in the journal here")]
    Parted {
        /// The run.
        run: RunId,
        /// The number of the event.
        seq: u64,
    },
    /// There is no such run, or none at all.
    #[error("{}", wanted.as_ref().map_or_else(|| "there is no run yet".to_owned(), |wanted| format!("there is no run `{wanted}`")))]
    NoRun {
        /// What was asked for; none: the latest.
        wanted: Option<String>,
    },
    /// Several runs fit.
    #[error("`{wanted}` fits {} runs", candidates.len())]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// The runs that fit, newest first.
        candidates: Vec<RunId>,
    },
}

impl StoreError {
    /// The exit code of a command that ends because of it.
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unavailable { .. }
            | Self::Full { .. }
            | Self::Corrupt { .. }
            | Self::Redis { .. }
            | Self::Missing { .. }
            | Self::Parted { .. } => ExitCode::Store,
            Self::Conflict { .. } | Self::Stale { .. } | Self::Held { .. } => ExitCode::Held,
            Self::IllegalStep { .. } | Self::Invalid { .. } => ExitCode::Fault,
            Self::NoRun { .. } | Self::Ambiguous { .. } => ExitCode::Usage,
        }
    }

    /// What to do about it, a line each.
    pub fn hints(&self) -> Vec<String> {
        vec![self.way_out()]
    }

    fn way_out(&self) -> String {
        match self {
            Self::Unavailable { source, .. } if is_locked(source.as_ref()) => {
                "another process keeps it locked: see which one holds the file, and try again".to_owned()
            }
            Self::Unavailable { path, .. } => format!(
                "see that `{}` can be written by you, or choose another folder with `state_dir` in `orchestrate.toml`",
                path.parent().unwrap_or(path).display()
            ),
            Self::Full { .. } => "make room, then `orchestrate resume`: what was recorded is kept".to_owned(),
            Self::Corrupt { newer: true, .. } => "use the newer version, or another `state_dir`".to_owned(),
            Self::Corrupt { path, .. } => format!(
                "to begin anew, move `{}` away with its `-wal` and `-shm` files; the folders of the runs stay",
                path.display()
            ),
            Self::Redis { trouble, .. } => trouble.hint().to_owned(),
            Self::Conflict { .. } => {
                "another process writes this run: `orchestrate status` shows which".to_owned()
            }
            Self::Stale { run, .. } => format!("`orchestrate status {run}` shows who supervises it"),
            Self::Held { run, task: Some(_), .. } => format!(
                "wait for it (`orchestrate wait {run}`), stop it (`orchestrate stop --run {run}`), or keep the runs' keys apart with `--id-prefix`"
            ),
            Self::Held { run, task: None, .. } => {
                format!("`orchestrate wait {run}` waits for it, `orchestrate stop --run {run}` stops it")
            }
            Self::IllegalStep { .. } | Self::Invalid { .. } => {
                "this is a fault of orchestrate, please report it".to_owned()
            }
            Self::Missing { run, .. } => format!(
                "what a server evicted or lost cannot be made up: where the run was started its journal is whole, `orchestrate resume {run}` goes on there, and `orchestrate state repair` writes Redis again"
            ),
            Self::Parted { run, .. } => format!(
                "both machines went on with it: `orchestrate status {run}` without `--redis` shows this one's, and only the other one can go on"
            ),
            Self::NoRun { .. } => "`orchestrate runs` lists the known runs".to_owned(),
            Self::Ambiguous { candidates, .. } => {
                let names = candidates.iter().take(5).map(RunId::as_str).collect::<Vec<_>>().join(", ");
                format!("one of: {names}")
            }
        }
    }

    /// The same error, with the file it is about filled in where it was not known.
    pub(super) fn at(mut self, file: &Path) -> Self {
        if let Self::Unavailable { path, .. } | Self::Full { path } | Self::Corrupt { path, .. } = &mut self
            && path.as_os_str().is_empty()
        {
            file.clone_into(path);
        }
        self
    }

    /// Something stored that cannot be read; the file is filled in on the way up.
    pub(super) fn corrupt(detail: impl Into<String>) -> Self {
        Self::Corrupt { path: PathBuf::new(), detail: detail.into(), newer: false }
    }

    /// Something stored that a newer version wrote.
    pub(super) fn newer(detail: impl Into<String>) -> Self {
        Self::Corrupt { path: PathBuf::new(), detail: detail.into(), newer: true }
    }
}

/// Whether SQLite waited for a lock in vain.
fn is_locked(source: &(dyn Error + Send + Sync + 'static)) -> bool {
    use rusqlite::ErrorCode;
    let code = source.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let path = PathBuf::new();
        let damaged = matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..)
        );
        if damaged {
            return Self::Corrupt { path, detail: error.to_string(), newer: false };
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::Corrupt { path, detail: error.to_string(), newer: false }
            }
            _ => Self::Unavailable { path, source: Box::new(error) },
        }
    }
}
