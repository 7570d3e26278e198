//! What a plan says of its groups, for the prompts of their tasks.

use super::types::Group;
use super::types::Plan;
use crate::model::run::GroupContext;

/// The most of a group's context that its tasks are given, in bytes: it goes into every prompt.
const MOST: usize = 16 * 1024;

/// The contexts that say something, and for each group which of them is its own.
pub(crate) fn read(plan: &Plan) -> (Vec<GroupContext>, Vec<Option<u32>>) {
    let mut contexts: Vec<GroupContext> = Vec::new();
    let of_group = |group: &Group| {
        let text = group.context.trim();
        if text.is_empty() {
            return None;
        }
        let text = text[..text.floor_char_boundary(MOST)].to_owned();
        contexts.push(GroupContext { title: group.title.clone(), text });
        u32::try_from(contexts.len() - 1).ok()
    };
    let of_groups = plan.groups.iter().map(of_group).collect();
    (contexts, of_groups)
}

#[cfg(test)]
mod tests {
    use crate::plan::ResolveOptions;
    use crate::plan::resolve;

    #[test]
    fn tasks_know_what_is_said_of_the_groups_around_them() {
        let plan = crate::plan::tests::plan(
            "# P\n\n## Phase 1: A\n\nWhy a.\n\n### Part\n\nWhy part.\n\n- [ ] T001 a\n\n## Phase 2: B\n\n- [ ] T002 b\n",
        );
        let resolved = resolve(&plan, &ResolveOptions::default());
        let said = |task: usize| -> Vec<&str> {
            let places = resolved.tasks[task].contexts.iter();
            places.map(|place| resolved.contexts[usize::try_from(*place).unwrap()].text.as_str()).collect()
        };
        assert_eq!(said(0), ["Why a.", "Why part."]);
        assert_eq!(said(1), [""; 0]);
    }
}
