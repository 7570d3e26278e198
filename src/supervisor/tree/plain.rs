//! Trees where nobody tells us of orphans: the leader's group is all there is, and the platform's
//! leader ends it.

use std::io;

use crate::supervisor::idle::ProcessorTime;

use crate::supervisor::usage::Usage;

/// Does nothing: there are no subreapers here.
#[expect(clippy::unnecessary_wraps, reason = "the Linux twin can fail")]
pub(in super::super) fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// None: no limit here is inherited and means nothing.
pub(in super::super) fn put_on_birthmark() -> Option<u64> {
    None
}

/// Does nothing: what was left was ended with its group.
pub(in super::super) async fn sweep_runs(runs: &[String]) -> u32 {
    tracing::debug!(?runs, "no sweep on this system");
    0
}

/// The tree of one job.
#[derive(Debug)]
pub(in super::super) struct Tree;

impl Tree {
    pub(in super::super) fn enter(_mark: &str) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "the Linux twin registers the leader")]
    pub(in super::super) fn spawn<T>(
        &self,
        spawn: impl FnOnce() -> io::Result<T>,
        _pid: impl FnOnce(&T) -> Option<u32>,
    ) -> io::Result<T> {
        spawn()
    }

    #[expect(clippy::unused_self, reason = "the Linux twin forgets the leader")]
    pub(in super::super) fn leader_gone(&self) {}

    /// None: the time that the tree has used cannot be told.
    #[expect(clippy::unused_self, reason = "the Linux twin looks at the tree")]
    pub(in super::super) fn sample(&self) -> Option<ProcessorTime> {
        None
    }

    /// None: nobody can be looked at.
    #[expect(clippy::unused_self, reason = "the Linux twin looks at the tree")]
    pub(in super::super) fn terminal_wait(&self) -> Option<String> {
        None
    }

    /// None: what the tree uses cannot be told here.
    #[expect(clippy::unused_self, reason = "the Linux twin looks at the tree")]
    pub(in super::super) fn measure(&self, _wants_written: bool) -> Option<Usage> {
        None
    }

    /// None: as above.
    #[expect(clippy::unused_self, reason = "the Linux twin looks at the tree")]
    pub(in super::super) fn exact_memory(&self) -> Option<u64> {
        None
    }

    #[expect(clippy::unused_self, reason = "the Linux twin kills what it has seen")]
    pub(in super::super) fn kill(&self) {}

    #[expect(clippy::unused_self, reason = "the Linux twin looks at the leader's group")]
    pub(in super::super) fn group_lives(&self) -> bool {
        false
    }

    #[expect(clippy::unused_async, reason = "the Linux twin waits for the dead")]
    pub(in super::super) async fn end(&self) -> u32 {
        0
    }
}
