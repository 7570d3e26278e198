//! "Did you mean": the nearest of the known words.

/// The known word that `word` is most likely a slip of: the same but for case, `-` and `_`, or at
/// most two letters away (one for short words).
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = plain(word);
    let allowed = if plain.len() < 5 { 1 } else { 2 };
    known
        .into_iter()
        .map(|candidate| (distance(&plain, &self::plain(candidate)), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

fn plain(word: &str) -> Vec<char> {
    word.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Levenshtein's distance, two neighbours that changed places counting as one step.
fn distance(left: &[char], right: &[char]) -> usize {
    let width = right.len() + 1;
    let mut before_last: Vec<usize> = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (row, &a) in left.iter().enumerate() {
        let mut current = vec![row + 1; width];
        for (column, &b) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(a != b);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && a == right[column - 1] && left[row - 1] == b {
                best = best.min(before_last[column - 1] + 1);
            }
            current[column + 1] = best;
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let known = ["summary", "outputs", "next_steps", "error", "run_id"];
        assert_eq!(nearest("sumary", known), Some("summary"));
        assert_eq!(nearest("output", known), Some("outputs"));
        assert_eq!(nearest("nextSteps", known), Some("next_steps"));
        assert_eq!(nearest("erorr", known), Some("error"));
        assert_eq!(nearest("runid", known), Some("run_id"));
        assert_eq!(nearest("confidence", known), None);
        assert_eq!(nearest("id", known), None);
    }
}
