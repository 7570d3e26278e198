//! Whether two names mean the same model.
//!
//! The same model is called `openrouter/minimax/minimax-m2.1:free` where it is asked for,
//! `minimax/minimax-m2.1` by its provider, and `o3-2025-04-16` where `o3` was wanted. What says
//! through whom it is reached, for what price and of which day is left out of the comparison; all
//! else counts.

/// Whether `one` and `other` name the same model.
pub fn same_model(one: &str, other: &str) -> bool {
    let one = normal_model(one);
    let other = normal_model(other);
    if one.is_empty() || other.is_empty() {
        return false;
    }
    let ends = |long: &str, short: &str| {
        long.strip_suffix(short).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    ends(&one, &other) || ends(&other, &one)
}

/// The name in lower case, without a price tag (`:free`), without a day of release and without
/// `-latest`.
pub fn normal_model(name: &str) -> String {
    let lower = name.trim().to_lowercase();
    let mut name = lower.trim_matches('/');
    name = name.strip_suffix(":free").unwrap_or(name);
    name = name.strip_suffix("-latest").unwrap_or(name);
    without_day(name).to_owned()
}

/// Cuts `-20250416` and `-2025-04-16` off the end.
fn without_day(name: &str) -> &str {
    let shapes: [&[usize]; 2] = [&[8], &[4, 2, 2]];
    for shape in shapes {
        let mut rest = name;
        let mut fits = true;
        for &digits in shape.iter().rev() {
            match rest.rsplit_once('-') {
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

    #[test]
    fn the_way_and_the_price_do_not_make_another_model() {
        for (one, other, same) in [
            ("openrouter/minimax/minimax-m2.1:free", "minimax/minimax-m2.1", true),
            ("kilo/z-ai/glm-4.7", "z-ai/glm-4.7", true),
            ("kilo/z-ai/glm-4.7", "GLM-4.7", true),
            ("openai/o3", "o3-2025-04-16", true),
            ("claude-sonnet-4", "claude-sonnet-4-20250514", true),
            ("gemini-2.5-pro", "models/gemini-2.5-pro", true),
            ("gemini-2.5-pro", "gemini-2.5-pro-latest", true),
            ("gemini-2.5-pro", "gemini-2.5-flash", false),
            ("openai/o3", "o3-mini", false),
            ("glm-4.7", "my-glm-4.7", false),
            ("glm-4.7", "", false),
            ("minimax/minimax-m2.1", "minimax/minimax-m2", false),
        ] {
            assert_eq!(same_model(one, other), same, "{one} {other}");
            assert_eq!(same_model(other, one), same, "{other} {one}");
        }
    }
}
