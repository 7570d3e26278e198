//! What a supervisor and its guard left when both were killed, ended by whoever calls next.

use std::collections::BTreeMap;

use crate::cli::context::Context;
use crate::cli::{environment, settings};
use crate::engine::folders;
use crate::scheduler::Input;
use crate::supervisor::{self, EndedLeftovers};

/// Ends what dead supervisors of this user have left; a command inside a task does not: what runs
/// around it may be what is left.
pub(super) fn end(variables: &BTreeMap<String, String>) -> Vec<EndedLeftovers> {
    if settings::inside_task(variables).is_some() {
        return Vec::new();
    }
    let cache = environment::cache(environment::folders().as_ref());
    supervisor::end_leftovers(&folders::live_folder(&cache))
}

/// Says it, for a command that does not supervise.
pub(super) fn say(context: &Context, all: &[EndedLeftovers]) {
    for ended in all {
        context.ui.note(&words(ended));
    }
}

/// What a run is told.
pub(super) fn warnings(all: &[EndedLeftovers]) -> impl Iterator<Item = Input> {
    all.iter().map(|ended| Input::Warn { code: "leftovers".to_owned(), message: words(ended), hint: None })
}

fn words(ended: &EndedLeftovers) -> String {
    let (run, count) = (&ended.run, ended.count);
    let processes = if count == 1 { "process" } else { "processes" };
    format!("ended {count} {processes} of run {run}, whose supervisor and guard are dead")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::RunId;

    #[test]
    fn numbers_have_their_noun() {
        let ended = |count| words(&EndedLeftovers { run: RunId("01A".to_owned()), count });
        assert_eq!(ended(1), "ended 1 process of run 01A, whose supervisor and guard are dead");
        assert_eq!(ended(2), "ended 2 processes of run 01A, whose supervisor and guard are dead");
    }

    #[test]
    fn inside_a_task_nothing_is_looked_for() {
        let inside = BTreeMap::from([("ORCHESTRATE_TASK".to_owned(), "T1".to_owned())]);
        assert_eq!(end(&inside), []);
    }
}
