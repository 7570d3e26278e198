//! What one attempt may use: the words of the command line, of variables and of files, for each agent.

use std::collections::BTreeMap;

use super::merge::Merge;
use super::origin::Origin;
use crate::cli::args::reading::{self, Bound};
use crate::cli::config::Config;
use crate::model::agent::AgentSpec;
use crate::model::limits::{LimitKind, Limits};

/// The dotted name of the value that limits a kind.
const fn key(kind: LimitKind) -> &'static str {
    match kind {
        LimitKind::Memory => "limits.memory",
        LimitKind::Processes => "limits.processes",
        LimitKind::Output => "limits.output",
        LimitKind::Disk => "limits.disk",
        LimitKind::DiskFree => "limits.disk_free",
    }
}

/// Gives each agent its limits. An option or a variable holds for all of them; then an agent's own table
/// counts before `[limits]`, and the project's file before the user's.
pub(super) fn give(merge: &mut Merge<'_>, agents: &mut BTreeMap<String, AgentSpec>) {
    for kind in LimitKind::ALL {
        // As everywhere on a command line, the last word counts.
        let typed = merge.sources().options.limit.iter().rev().find(|(of, _)| *of == kind);
        let typed = typed.map(|(_, bound)| *bound);
        let read = |text: &str| reading::bound(kind, text);
        let common = merge.value_by(key(kind), "--limit", typed, read, |config| config.limits.get(kind));
        let for_all = matches!(merge.origin(key(kind)), Origin::Option(_) | Origin::Variable(_));
        let files: Vec<&Config> = merge.files().into_iter().map(|(config, _)| config).collect();
        for (name, agent) in agents.iter_mut() {
            let own = || files.iter().find_map(|config| config.agents.get(name)?.limits.get(kind));
            let bound = if for_all { common } else { own().or(common) };
            match bound {
                None => {}
                Some(Bound::At(limit)) => agent.limits.set(kind, Some(limit)),
                // Output has a limit where nothing is said.
                Some(Bound::None) if kind == LimitKind::Output => {
                    agent.limits.set(kind, Some(Limits::ENDLESS));
                }
                Some(Bound::None) => agent.limits.set(kind, None),
            }
        }
        if !crate::supervisor::can_see(kind) && agents.values().any(|agent| agent.limits.get(kind).is_some())
        {
            merge.warning(
                "limit-not-observable",
                format!(
                    "`{}` is set, and what an attempt uses of it cannot be seen on this system",
                    key(kind)
                ),
                None,
            );
        }
    }
}
