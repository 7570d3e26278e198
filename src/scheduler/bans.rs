//! Whether a rung is banned, and by what.
//!
//! A ban's model is compared under the aliases and without regard to the way before the name. One with
//! `*` is a pattern of the whole name or of what follows a `/`: `openai/*` bans
//! `openrouter/openai/o3` as well. Where a tag is named (`x:free`, `*:free`), the tag counts, which
//! is left out of all other comparisons.

use crate::model::hierarchy::Ban;
use crate::model::layer::{Cost, Rung};

use super::names::{Names, normal_model};

/// The first of `bans` that `rung` meets.
pub fn ban_of<'a>(bans: &'a [Ban], rung: &Rung, cost: Cost, names: &Names) -> Option<&'a Ban> {
    bans.iter().find(|ban| meets(ban, rung, cost, names))
}

/// Whether everything that `ban` says holds for `rung`.
fn meets(ban: &Ban, rung: &Rung, cost: Cost, names: &Names) -> bool {
    let same = |wanted: &Option<String>, known: Option<&str>| {
        wanted.as_ref().is_none_or(|wanted| known.is_some_and(|known| known.eq_ignore_ascii_case(wanted)))
    };
    let model = ban.model.as_ref().is_none_or(|wanted| {
        rung.model.as_ref().is_some_and(|known| is_model(wanted, known, names)) || wanted == "*"
    });
    ban.cost.is_none_or(|wanted| wanted == cost)
        && ban.layer.is_none_or(|wanted| rung.layer == Some(wanted))
        && same(&ban.agent, Some(&rung.agent))
        && same(&ban.provider, rung.provider.as_deref())
        && model
}

fn is_model(wanted: &str, known: &str, names: &Names) -> bool {
    if wanted.contains(':') {
        return fits_a_part(&wanted.to_lowercase(), &known.to_lowercase());
    }
    if !wanted.contains('*') {
        return names.same(wanted, known);
    }
    fits_a_part(&normal_model(wanted), &normal_model(known))
}

/// Whether the whole name fits the pattern, or what follows one of its `/`.
fn fits_a_part(pattern: &str, name: &str) -> bool {
    let after_slash = name.match_indices('/').map(|(at, _)| &name[at + 1..]);
    std::iter::once(name).chain(after_slash).any(|part| fits(pattern, part))
}

/// Whether `name` is `pattern` with any text for each `*`.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let Some(tail) = parts.pop() else { return true };
    for part in parts {
        // The earliest place leaves the most for what follows.
        let Some(at) = name.find(part) else { return false };
        name = &name[at + part.len()..];
    }
    name.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hierarchy::ModelRules;

    fn rung() -> Rung {
        Rung {
            layer: Some(5),
            agent: "opencode".to_owned(),
            model: Some("openrouter/minimax/minimax-m2.1:free".to_owned()),
            provider: Some("openrouter".to_owned()),
        }
    }

    #[test]
    fn everything_that_a_ban_says_has_to_hold() {
        let names = Names::default();
        for (text, banned) in [
            ("free", true),
            ("paid", false),
            ("via OpenCode", true),
            ("via kilo", false),
            ("free via opencode at openrouter", true),
            ("free via opencode at openai", false),
            ("paid via opencode", false),
            ("layer 5", true),
            ("layer 6", false),
            ("minimax/*", true),
            ("model minimax/* at openrouter", true),
            ("openrouter/*", true),
            ("*m2.1", true),
            ("mini*m2*", true),
            ("mini*m3*", false),
            ("openai/*", false),
            ("minimax-m2", false),
            ("minimax_m2.1", true),
            ("*:free", true),
            ("minimax-m2.1:free", true),
            ("minimax-m2.1:nitro", false),
        ] {
            let bans = [Ban::read(text).unwrap()];
            let found = ban_of(&bans, &rung(), Cost::Free, &names);
            assert_eq!(found.is_some(), banned, "{text}");
        }
    }

    #[test]
    fn a_ban_of_the_free_one_leaves_the_paid_one() {
        let ban = Ban::read("minimax-m2.1:free").unwrap();
        let paid = Rung { model: Some("openrouter/minimax/minimax-m2.1".to_owned()), ..rung() };
        let bans = [ban];
        assert_eq!(ban_of(&bans, &paid, Cost::Paid, &Names::default()), None);
    }

    #[test]
    fn a_ban_counts_under_the_aliases() {
        let mut rules = ModelRules::default();
        rules.aliases.insert("mm".to_owned(), vec!["minimax-m2.1".to_owned()]);
        let bans = [Ban::read("paid").unwrap(), Ban::read("model mm").unwrap()];
        let found = ban_of(&bans, &rung(), Cost::Free, &Names::of(&rules)).unwrap();
        assert_eq!(found.text, "model mm");
        assert_eq!(ban_of(&bans, &rung(), Cost::Free, &Names::default()), None);
    }

    #[test]
    fn an_agent_outside_the_hierarchy_is_banned_by_its_name() {
        let mine = Rung { layer: None, agent: "mine".to_owned(), model: None, provider: None };
        let bans = [Ban::read("* via mine").unwrap()];
        assert!(ban_of(&bans, &mine, Cost::Paid, &Names::default()).is_some());
        let bans = [Ban::read("openai/* via mine").unwrap()];
        assert!(ban_of(&bans, &mine, Cost::Paid, &Names::default()).is_none());
    }
}
