//! "Did you mean": the known word nearest to one that is not known.

/// Words longer than this are not compared: nobody mistypes a paragraph.
const LONGEST: usize = 64;

/// Returns the known word that `wanted` was probably meant to be.
///
/// Case does not count. A third of the letters may differ, at least one and at most three; of equally
/// near words the first wins. A word that differs in every letter is never suggested.
pub fn suggest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = wanted.chars().flat_map(char::to_lowercase).take(LONGEST + 1).collect();
    if wanted.is_empty() || wanted.len() > LONGEST {
        return None;
    }
    let limit = (wanted.len() / 3).clamp(1, 3);
    let mut best: Option<(usize, &str)> = None;
    for word in known {
        // Bytes bound characters from above, so this throws out long words without reading them.
        if word.len() > LONGEST * 4 {
            continue;
        }
        let letters: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
        if letters.len().abs_diff(wanted.len()) > limit {
            continue;
        }
        let distance = distance(&wanted, &letters);
        let everything = distance >= wanted.len().max(letters.len());
        if distance <= limit && !everything && best.is_none_or(|(nearest, _)| distance < nearest) {
            best = Some((distance, word));
        }
    }
    best.map(|(_, word)| word)
}

/// The Levenshtein distance, where two swapped neighbours count as one slip.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["T001", "T002", "build", "deploy"];
        let near = |wanted| suggest(wanted, known.iter().copied());
        assert_eq!(near("T01"), Some("T001"));
        assert_eq!(near("biuld"), Some("build"));
        assert_eq!(near("BUILD"), Some("build"));
        assert_eq!(near("test"), None);
        assert_eq!(near(""), None);
        assert_eq!(suggest("2", ["1", "3"].into_iter()), None);
    }
}
