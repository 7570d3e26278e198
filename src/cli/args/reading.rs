//! How words of the command line become values.

use std::ffi::OsStr;

use crate::diagnostics::suggest;
use crate::model::completion::Verification;
use crate::model::ids::TaskId;
use crate::model::limits::LimitKind;
use crate::model::time::Span;
use crate::model::time::Timestamp;

/// A choice of agent for all tasks, or for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentChoice {
    /// For every task that names none.
    All(String),
    /// For this task, whatever it names.
    One(TaskId, String),
}

/// Reads a length of time.
///
/// # Errors
/// What is wrong with it, with an example.
pub fn span(text: &str) -> Result<Span, String> {
    text.parse().map_err(|error: crate::model::time::SpanError| error.to_string())
}

/// Reads a month, as `2026-11`, or `all`.
///
/// # Errors
/// What is expected.
pub fn month(text: &str) -> Result<String, String> {
    let is_month = text.len() == 7 && format!("{text}-01T00:00:00Z").parse::<Timestamp>().is_ok();
    if is_month || text == "all" {
        Ok(text.to_owned())
    } else {
        Err("write a month as `2026-11`, or `all`".to_owned())
    }
}

/// Reads `NAME` or `TASK=NAME`.
///
/// # Errors
/// If a part is empty.
pub fn agent(text: &str) -> Result<AgentChoice, String> {
    // A task id may hold `=`, the name of an agent may not.
    let (task, name) = match text.rsplit_once('=') {
        Some((task, name)) => (Some(task.trim()), name.trim()),
        None => (None, text.trim()),
    };
    if name.is_empty() || task == Some("") {
        return Err("write `--agent NAME`, or `--agent TASK=NAME` for one task".to_owned());
    }
    Ok(match task {
        Some(task) => AgentChoice::One(TaskId::new(task), name.to_owned()),
        None => AgentChoice::All(name.to_owned()),
    })
}

/// Reads one id of a list.
///
/// # Errors
/// If it is empty.
pub fn task_id(text: &str) -> Result<TaskId, String> {
    let text = text.trim();
    if text.is_empty() { Err("a task id is empty".to_owned()) } else { Ok(TaskId::new(text)) }
}

/// Reads a layer's number.
///
/// # Errors
/// If it is not from 1 to 99.
pub fn layer(text: &str) -> Result<u8, String> {
    match text.trim().parse() {
        Ok(layer @ 1..=99) => Ok(layer),
        _ => Err(format!("`{text}` is no layer: layers are numbered from 1")),
    }
}

/// Reads an amount of US dollars such as `5`, `2.50`, `$5` or `5 USD`.
///
/// # Errors
/// If it is none, or less than nothing.
pub fn usd(text: &str) -> Result<f64, String> {
    let number = text.trim();
    let number = number.strip_prefix('$').unwrap_or(number);
    let number = number.strip_suffix("USD").or_else(|| number.strip_suffix("usd")).unwrap_or(number);
    match number.trim().parse::<f64>() {
        Ok(amount) if amount.is_finite() && amount >= 0.0 => Ok(amount),
        Ok(_) | Err(_) => Err(format!("`{text}` is no amount of money: write it in US dollars, like `2.50`")),
    }
}

/// Reads a number of bytes such as `8MiB`, `512k`, `1.5 G` or a bare number.
///
/// # Errors
/// If it is none, or nothing.
pub fn bytes(text: &str) -> Result<u64, String> {
    size(text)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| format!("`{text}` is no size: write it like `8MiB`, `512k` or a number of bytes"))
}

/// Parts of a unit are cut off behind the sixth digit.
fn size(text: &str) -> Option<u64> {
    const PRECISION: usize = 6;
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (whole, part) = trimmed[..end].split_once('.').unwrap_or((&trimmed[..end], "0"));
    let unit: u64 = match trimmed[end..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    let whole: u64 = whole.parse().ok()?;
    let digits = &part[..part.len().min(PRECISION)];
    let part = u128::from(digits.parse::<u64>().ok()?) * u128::from(unit)
        / 10_u128.pow(u32::try_from(digits.len()).ok()?);
    whole.checked_mul(unit)?.checked_add(u64::try_from(part).ok()?)
}

/// How far something may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// As far as it likes, whatever is said elsewhere.
    None,
    /// So far, in bytes or in things.
    At(u64),
}

/// With less memory not even a shell runs: it is a number whose unit was forgotten.
const LEAST_MEMORY: u64 = 1 << 20;

/// The same for everything else that is counted in bytes.
const LEAST_SIZE: u64 = 1 << 10;

/// Reads how far something may go: a size, for processes a number, or `none`.
///
/// # Errors
/// What is wrong with it, and what may have been meant.
pub fn bound(kind: LimitKind, text: &str) -> Result<Bound, String> {
    let trimmed = text.trim();
    if trimmed == "none" {
        return Ok(Bound::None);
    }
    if !kind.is_size() {
        return match trimmed.parse::<u64>() {
            Ok(number) if number > 0 => Ok(Bound::At(number)),
            Ok(_) => Err(format!("`{text}` {kind} are too few: an attempt is one itself")),
            Err(_) => Err(format!("`{text}` is no number of {kind}: write it like `200`, or `none`")),
        };
    }
    let size = bytes(text).map_err(|error| format!("{error}, or `none`"))?;
    let least = if kind == LimitKind::Memory { LEAST_MEMORY } else { LEAST_SIZE };
    if size < least {
        let meant = trimmed.trim_end_matches(|c: char| !c.is_ascii_digit());
        return Err(format!("`{text}` is {size} bytes, too few for anything; did you mean `{meant}GiB`?"));
    }
    Ok(Bound::At(size))
}

/// Reads `WHAT=SIZE`, what one attempt may use.
///
/// # Errors
/// What is wrong with it, and what may have been meant.
pub fn limit(text: &str) -> Result<(LimitKind, Bound), String> {
    let names = || LimitKind::ALL.into_iter().map(LimitKind::as_str);
    let known = || names().collect::<Vec<_>>().join(", ");
    let Some((name, size)) = text.split_once('=') else {
        return Err(format!("`{text}` limits nothing: write it like `memory=4GiB`; known: {}", known()));
    };
    let name = name.trim();
    // A word of several may be joined either way.
    let Some(kind) = LimitKind::named(&name.replace('-', "_")) else {
        let hint = suggest(name, names())
            .map_or_else(|| format!("known: {}", known()), |near| format!("did you mean `{near}`?"));
        return Err(format!("`{name}` cannot be limited; {hint}"));
    };
    bound(kind, size).map(|bound| (kind, bound))
}

/// Reads `CODE:COMMAND`, a check that an agent ran and what it exited with.
///
/// # Errors
/// If the code is no number or the command is empty.
pub fn verification(text: &str) -> Result<Verification, String> {
    let error = || format!("`{text}` is no check: write it like `0:cargo test`");
    let (code, command) = text.split_once(':').ok_or_else(error)?;
    let exit_code = code.trim().parse().map_err(|_| error())?;
    let command = command.trim();
    if command.is_empty() {
        return Err(error());
    }
    Ok(Verification { command: command.to_owned(), exit_code })
}

/// Whether a word looks like the name of a plan.
pub fn looks_like_a_plan(word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    let lower = word.to_ascii_lowercase();
    word.contains(['/', '\\'])
        || [".md", ".markdown", ".mdx", ".json", ".yaml", ".yml", ".txt"]
            .iter()
            .any(|end| lower.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_for_all_or_for_one_task() {
        assert_eq!(agent("kilo"), Ok(AgentChoice::All("kilo".to_owned())));
        assert_eq!(agent("T1=kilo"), Ok(AgentChoice::One(TaskId::new("T1"), "kilo".to_owned())));
        assert_eq!(agent("a=b=kilo"), Ok(AgentChoice::One(TaskId::new("a=b"), "kilo".to_owned())));
        assert!(agent("T1=").is_err() && agent("=kilo").is_err() && agent(" ").is_err());
    }

    #[test]
    fn sizes_are_read() {
        for (text, expected) in [
            ("8MiB", 8 << 20),
            ("512k", 512 << 10),
            ("7", 7),
            ("1 gb", 1 << 30),
            ("1.5 G", 3 << 29),
            ("0.25t", 1 << 38),
            ("1.0000009", 1),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "x", "8 parsecs", "99999999999g", "-1", "1.g", ".5g", "1..5g", "1.2.3g", "0.1"]
        {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_are_read_and_slips_are_answered() {
        assert_eq!(limit("memory=4GiB"), Ok((LimitKind::Memory, Bound::At(4 << 30))));
        assert_eq!(limit(" disk-free = none"), Ok((LimitKind::DiskFree, Bound::None)));
        assert_eq!(limit("processes=200"), Ok((LimitKind::Processes, Bound::At(200))));
        for (text, answer) in [
            ("memory", "known: memory, processes, output, disk, disk_free"),
            ("memroy=4GiB", "did you mean `memory`?"),
            ("cpu=4", "known: memory"),
            ("memory=4", "is 4 bytes, too few for anything; did you mean `4GiB`?"),
            ("output=10b", "did you mean `10GiB`?"),
            ("memory=much", "is no size: write it like `8MiB`, `512k` or a number of bytes, or `none`"),
            ("processes=0", "too few"),
            ("processes=4GiB", "is no number of processes: write it like `200`, or `none`"),
        ] {
            let error = limit(text).unwrap_err();
            assert!(error.contains(answer), "{text}: {error}");
        }
    }

    #[test]
    fn checks_carry_their_exit_code() {
        let check = verification("101:cargo test -- a:b").unwrap();
        assert_eq!((check.exit_code, check.command.as_str()), (101, "cargo test -- a:b"));
        assert!(verification("cargo test").is_err() && verification("0:").is_err());
    }

    #[test]
    fn layers_begin_at_one() {
        assert_eq!(layer("7"), Ok(7));
        assert!(layer("0").is_err() && layer("x").is_err() && layer("300").is_err());
    }
}
