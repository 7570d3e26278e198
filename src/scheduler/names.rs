//! Whether two names mean the same model.
//!
//! The same model is called `openrouter/minimax/minimax-m2.1:free` where it is asked for,
//! `minimax/minimax-m2.1` by its provider, `o3-2025-04-16` where `o3` was wanted, and `GLM 4.7` by the
//! author of a plan. What says through whom it is reached, for what price and of which day is left out
//! of the comparison, and so are case and punctuation, but for that between two digits; all else
//! counts. A name that is merely near another is another model: who reads it may ask, nothing here
//! takes it for the other.
//!
//! Other names that a person gave ([`ModelRules::aliases`]) make groups. Groups that share a name are
//! one, and all names of a group are one model.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::hierarchy::ModelRules;

/// The names of models under the aliases of one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// Normal forms; each is in one group only, by the rule of [`ends`].
    groups: Vec<BTreeSet<String>>,
}

impl Names {
    /// Reads the aliases of `rules`.
    pub fn of(rules: &ModelRules) -> Self {
        Self::from_aliases(&rules.aliases)
    }

    fn from_aliases(aliases: &BTreeMap<String, Vec<String>>) -> Self {
        let mut groups: Vec<BTreeSet<String>> = Vec::new();
        for (meant, others) in aliases {
            let names = std::iter::once(meant).chain(others).map(|name| normal_model(name));
            let mut group: BTreeSet<String> = names.filter(|name| !name.is_empty()).collect();
            // A group that took in another one may meet a third.
            while let Some(place) = groups.iter().position(|known| meet(known, &group)) {
                group.append(&mut groups.swap_remove(place));
            }
            groups.push(group);
        }
        Self { groups }
    }

    /// Whether `one` and `other` name the same model.
    pub fn same(&self, one: &str, other: &str) -> bool {
        self.same_normal(&normal_model(one), &normal_model(other))
    }

    /// The same for names whose normal forms are known.
    pub fn same_normal(&self, one: &str, other: &str) -> bool {
        if one.is_empty() || other.is_empty() {
            return false;
        }
        let in_group =
            |group: &BTreeSet<String>, name: &str| group.iter().any(|known| either_ends(known, name));
        either_ends(one, other)
            || self.groups.iter().any(|group| in_group(group, one) && in_group(group, other))
    }
}

fn meet(one: &BTreeSet<String>, other: &BTreeSet<String>) -> bool {
    one.iter().any(|name| other.iter().any(|theirs| either_ends(name, theirs)))
}

/// Whether one name is the other with something before it that says through whom it is reached.
fn either_ends(one: &str, other: &str) -> bool {
    ends(one, other) || ends(other, one)
}

fn ends(long: &str, short: &str) -> bool {
    long.strip_suffix(short).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

/// Whether `one` and `other` name the same model where nobody gave it other names.
pub fn same_model(one: &str, other: &str) -> bool {
    Names::default().same(one, other)
}

/// The name as it is compared: in lower case, without a price tag (`:free`), without a day of release
/// and without `-latest`, and with no punctuation but `/`, `:`, and `-` between two digits.
pub fn normal_model(name: &str) -> String {
    let lower = name.trim().to_lowercase();
    let mut name = lower.trim_matches('/');
    name = name.strip_suffix(":free").unwrap_or(name);
    for latest in ["-latest", ":latest"] {
        name = name.strip_suffix(latest).unwrap_or(name);
    }
    without_punctuation(without_day(name))
}

/// `glm-4.7`, `GLM 4.7` and `glm4.7` become `glm4-7`; `minimax-m2.1` and `minimax-m21` stay apart.
fn without_punctuation(name: &str) -> String {
    let is_filler = |letter: char| matches!(letter, '-' | '_' | '.') || letter.is_whitespace();
    let mut plain = String::with_capacity(name.len());
    let mut skipped = false;
    for letter in name.chars() {
        if is_filler(letter) {
            skipped = true;
            continue;
        }
        let after_digit = plain.ends_with(|before: char| before.is_ascii_digit());
        if skipped && after_digit && letter.is_ascii_digit() {
            plain.push('-');
        }
        skipped = false;
        plain.push(letter);
    }
    plain
}

/// Cuts `-20250416` and `-2025-04-16` off the end.
fn without_day(name: &str) -> &str {
    let shapes: [&[usize]; 2] = [&[8], &[4, 2, 2]];
    for shape in shapes {
        let mut rest = name;
        let mut fits = true;
        for &digits in shape.iter().rev() {
            match rest.rsplit_once(['-', '@']) {
                Some((head, tail))
                    if tail.len() == digits
                        && tail.bytes().all(|byte| byte.is_ascii_digit())
                        && !head.is_empty() =>
                {
                    rest = head;
                }
                Some(_) | None => {
                    fits = false;
                    break;
                }
            }
        }
        if fits {
            return rest;
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aliases(groups: &[(&str, &[&str])]) -> Names {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Names::from_aliases(&groups.iter().map(|(meant, names)| ((*meant).to_owned(), list(names))).collect())
    }

    #[test]
    fn the_way_the_price_and_punctuation_do_not_make_another_model() {
        for (one, other, same) in [
            ("openrouter/minimax/minimax-m2.1:free", "minimax/minimax-m2.1", true),
            ("kilo/z-ai/glm-4.7", "z-ai/glm-4.7", true),
            ("kilo/z-ai/glm-4.7", "GLM-4.7", true),
            ("kilo/z-ai/glm-4.7", "GLM 4.7", true),
            ("kilo/z-ai/glm-4.7", "glm4.7", true),
            ("kilo/z-ai/glm-4.7", "z_ai/glm_4_7", true),
            ("opencode/big-pickle", "opencode/bigpickle", true),
            ("opencode/big-pickle", "Big Pickle", true),
            ("openai/o3", "o3-2025-04-16", true),
            ("claude-sonnet-4", "claude-sonnet-4-20250514", true),
            ("claude-sonnet-4", "claude-sonnet-4@20250514", true),
            ("claude-3.5-sonnet", "claude-3-5-sonnet", true),
            ("gemini-2.5-pro", "models/gemini-2.5-pro", true),
            ("gemini-2.5-pro", "gemini-2.5-pro-latest", true),
            ("llama3", "llama3:latest", true),
            ("gemini-2.5-pro", "gemini-2.5-flash", false),
            ("openai/o3", "o3-mini", false),
            ("glm-4.7", "my-glm-4.7", false),
            ("glm-4.7", "glm-4.6", false),
            ("glm-4.7", "glm-47", false),
            ("glm-4.7", "", false),
            ("", "", false),
            ("-", "glm", false),
            ("opencode/big-pickle", "opencode/big-pikle", false),
            ("z-ai/glm-4.7", "zhipu/glm-4.7", false),
            ("claude-sonnet-4:thinking", "claude-sonnet-4", false),
            ("minimax/minimax-m2.1", "minimax/minimax-m2", false),
            ("minimax/minimax-m2.1", "minimax/minimax-m21", false),
        ] {
            assert_eq!(same_model(one, other), same, "{one} {other}");
            assert_eq!(same_model(other, one), same, "{other} {one}");
        }
    }

    #[test]
    fn a_group_of_names_is_one_model_and_groups_that_share_a_name_are_one() {
        let names = aliases(&[
            ("glm-4.7", &["glm-4-7-air", "zhipu/glm"]),
            ("pickle", &["big-pickle"]),
            ("zhipu/GLM", &["chatglm"]),
        ]);
        for (one, other, same) in [
            ("kilo/z-ai/glm-4.7", "GLM 4.7 Air", true),
            ("glm-4.7", "chatglm:free", true),
            ("opencode/big_pickle", "pickle", true),
            ("opencode/big-pickle", "glm-4.7", false),
            ("glm-4.7", "glm-4.6", false),
            ("o3", "o3", true),
        ] {
            assert_eq!(names.same(one, other), same, "{one} {other}");
            assert_eq!(names.same(other, one), same, "{other} {one}");
        }
    }

    /// Names of every shape: of three words, joined, decorated and tagged in every way.
    fn many() -> Vec<String> {
        let mut names = Vec::new();
        for way in ["", "openai/", "openrouter/openai/", "models/"] {
            for word in ["o3", "o3-mini", "glm-4.7", "GLM 4_7", "minimax-m2", "minimax-m2.1", "m2"] {
                for tag in ["", ":free", "-latest", "-2025-04-16", ":thinking"] {
                    names.push(format!("{way}{word}{tag}"));
                }
            }
        }
        names
    }

    #[test]
    fn sameness_is_mutual_and_holds_for_each_name_and_itself() {
        let names = aliases(&[("o3", &["glm-4.7"]), ("m2", &["minimax-m2"])]);
        let all = many();
        for one in &all {
            assert!(names.same(one, one), "{one}");
            assert_eq!(normal_model(&normal_model(one)), normal_model(one), "{one}");
            for other in &all {
                assert_eq!(names.same(one, other), names.same(other, one), "{one} {other}");
                // Aliases only ever join.
                assert!(!same_model(one, other) || names.same(one, other), "{one} {other}");
            }
        }
        // Every spelling of one name of a group is every spelling of another.
        for one in all.iter().filter(|name| same_model(name, "o3")) {
            for other in all.iter().filter(|name| same_model(name, "glm-4.7")) {
                assert!(names.same(one, other), "{one} {other}");
            }
        }
    }
}
