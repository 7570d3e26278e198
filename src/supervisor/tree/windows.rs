//! Trees on Windows: a job object each, which the leader is put into before its first instruction.
//!
//! Members cannot leave their job, so nothing is searched and nothing is marked. The job ends with
//! this process, whatever ends it; see module `job`.

use std::io;
use std::time::Duration;

use crate::supervisor::idle::ProcessorTime;
use crate::supervisor::job::{self, Job};
use crate::supervisor::usage::Usage;

/// How long the members of an ended job may take to be gone.
const GONE_LIMIT: Duration = Duration::from_secs(5);

/// Between two looks whether they are.
const GONE_PAUSE: Duration = Duration::from_millis(5);

/// Does nothing: a job needs no parent.
#[expect(clippy::unnecessary_wraps, reason = "the Linux twin can fail")]
pub(in super::super) fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// None: no limit here is inherited and means nothing.
pub(in super::super) fn put_on_birthmark() -> Option<u64> {
    None
}

/// Does nothing: what a supervisor started ended with it.
pub(in super::super) async fn sweep_runs(runs: &[String]) -> u32 {
    tracing::debug!(?runs, "no sweep on this system");
    0
}

/// The tree of one job.
#[derive(Debug)]
pub(in super::super) struct Tree {
    /// The first error of making it is that of the start.
    job: io::Result<Job>,
}

impl Tree {
    pub(in super::super) fn enter(_mark: &str) -> Self {
        Self { job: Job::new() }
    }

    /// Starts the leader. It has to be started suspended, and ended when it is dropped.
    pub(in super::super) fn spawn<T>(
        &self,
        spawn: impl FnOnce() -> io::Result<T>,
        pid: impl FnOnce(&T) -> Option<u32>,
    ) -> io::Result<T> {
        let job = self
            .job
            .as_ref()
            .map_err(|error| io::Error::new(error.kind(), format!("cannot make a job object: {error}")))?;
        let child = spawn()?;
        let pid = pid(&child).ok_or_else(|| io::Error::other("the process has no id"))?;
        job.take_in(pid).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot put a process into a job object: {error}"))
        })?;
        job::resume(pid)?;
        Ok(child)
    }

    #[expect(clippy::unused_self, reason = "the Linux twin forgets the leader")]
    pub(in super::super) fn leader_gone(&self) {}

    /// The processor time that its members have used. None: it cannot be told.
    pub(in super::super) fn sample(&self) -> Option<ProcessorTime> {
        // Who of them is a tool is not told: all of it counts as the agent's own.
        let total = self.ask("the processor time", Job::used)?;
        Some(ProcessorTime { total, own: total, tools: false })
    }

    /// What its members use: processor time and how many they are; of memory and writing nothing is told.
    pub(in super::super) fn measure(&self, _wants_written: bool) -> Option<Usage> {
        Some(Usage {
            processor: self.sample()?,
            processes: self.ask("the number of its members", Job::running).map(u64::from),
            memory: None,
            written: None,
        })
    }

    /// None: as above.
    #[expect(clippy::unused_self, reason = "the Linux twin looks at the tree")]
    pub(in super::super) fn exact_memory(&self) -> Option<u64> {
        None
    }

    /// None: who reads a console cannot be told here.
    #[expect(clippy::unused_self, reason = "the Linux twin looks at its members")]
    pub(in super::super) fn terminal_wait(&self) -> Option<String> {
        None
    }

    /// Ends all of it at once.
    pub(in super::super) fn kill(&self) {
        self.ask("an end", Job::terminate);
    }

    /// Whether the leader has company.
    pub(in super::super) fn group_lives(&self) -> bool {
        self.ask("the number of its members", Job::worth_a_word).is_some_and(|left| left > 0)
    }

    /// Ends what the leader left, waits until it is gone, and says how much it was.
    pub(in super::super) async fn end(&self) -> u32 {
        let left = self.ask("the number of its members", Job::worth_a_word).unwrap_or(0);
        self.kill();
        let gone = async {
            while self.ask("the number of its members", Job::running).is_some_and(|left| left > 0) {
                tokio::time::sleep(GONE_PAUSE).await;
            }
        };
        if tokio::time::timeout(GONE_LIMIT, gone).await.is_err() {
            tracing::warn!("processes of an attempt were ended and are still there");
        }
        left
    }

    fn ask<T>(&self, what: &str, question: impl FnOnce(&Job) -> io::Result<T>) -> Option<T> {
        let answer = question(self.job.as_ref().ok()?);
        answer.inspect_err(|error| tracing::debug!(what, %error, "a job object refuses")).ok()
    }
}
