//! Ticking a box: one byte of a plan changes, or none.
//!
//! The line is found again by its hash. If nothing but marks of boxes has changed since the plan
//! was read, it is where it was; otherwise it has to be near its old place exactly once.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::model::task::BoxPlace;
use crate::model::task::LineHash;

/// How many lines from its old place a line may have moved.
pub const NEAR: usize = 100;
/// How often the plan is read again when somebody replaces it meanwhile.
const ROUNDS: usize = 3;
/// Why a box was not ticked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TickProblem {
    /// The plan cannot be opened, read or written.
    #[error("cannot write `{}`: {source}", .path.display())]
    Io {
        /// The plan.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The line is not near its old place.
    #[error("line {line} of the plan was changed, and its box is not found again")]
    NotFound {
        /// 1-based line where it was.
        line: u32,
    },
    /// Several lines are the same.
    #[error("the plan was changed, and {count} lines near line {line} may be the one with the box")]
    Ambiguous {
        /// 1-based line where it was.
        line: u32,
        /// How many there are.
        count: usize,
    },
    /// There is no mark of one byte between brackets.
    #[error("line {line} of the plan has no box that can be ticked by changing one byte")]
    NoBox {
        /// 1-based line.
        line: u32,
    },
    /// Somebody writes the plan all the time.
    #[error("the plan was replaced again and again while its box was to be ticked")]
    Restless,
}

/// What a box is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxMark {
    /// The task is done.
    Done,
    /// Somebody is at it.
    InProgress,
    /// Nobody is at it any more, and it is not done.
    Open,
}

/// Marks a box of the plan at `path`. `as_read` is the plan as it was read.
///
/// Returns whether a byte was written: a box that shows it already is left alone, and so is one that
/// somebody has ticked, or marked in another way than this run does.
///
/// # Errors
/// See [`TickProblem`]; then nothing was written.
pub fn tick(
    path: &Path,
    place: &BoxPlace,
    as_read: Option<&[u8]>,
    show: BoxMark,
) -> Result<bool, TickProblem> {
    let failed = |source| TickProblem::Io { path: path.to_path_buf(), source };
    let wanted = match show {
        BoxMark::Done => Some(place.tick),
        BoxMark::InProgress => place.progress,
        BoxMark::Open => Some(' '),
    };
    let Some(wanted) = wanted else { return Ok(false) };
    let mark = u8::try_from(wanted)
        .ok()
        .filter(|mark| (b' '..=b'~').contains(mark))
        .ok_or(TickProblem::NoBox { line: place.line })?;
    for _ in 0..ROUNDS {
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let Target::Open(offset) = find(&text, place, as_read)? else {
            return Ok(false);
        };
        let there = char::from(text[offset]);
        let may = match show {
            BoxMark::Done => true,
            BoxMark::InProgress => there == ' ',
            BoxMark::Open => Some(there) == place.progress,
        };
        if !may {
            return Ok(false);
        }
        if write_byte(&mut file, offset, text[offset], mark, path).map_err(failed)? {
            return Ok(true);
        }
    }
    Err(TickProblem::Restless)
}

/// Writes one byte if the file at `path` is still the opened one and has still `expected` there.
/// In place: links, permissions and the file's own number stay as they are.
fn write_byte(file: &mut File, offset: usize, expected: u8, mark: u8, path: &Path) -> io::Result<bool> {
    let position = SeekFrom::Start(offset as u64);
    let mut found = [0];
    file.seek(position)?;
    if file.read(&mut found)? != 1 || found[0] != expected || !is_the_same(file, path)? {
        return Ok(false);
    }
    file.seek(position)?;
    file.write_all(&[mark])?;
    file.flush()?;
    is_the_same(file, path)
}

/// Whether the file at `path` is the opened one, and not another that was put in its place.
#[cfg(unix)]
fn is_the_same(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let (opened, there) = (file.metadata()?, std::fs::metadata(path)?);
    Ok((opened.dev(), opened.ino()) == (there.dev(), there.ino()))
}

/// Whether the file at `path` is the opened one: there an open file cannot be replaced.
#[cfg(not(unix))]
fn is_the_same(_file: &File, path: &Path) -> io::Result<bool> {
    std::fs::metadata(path).map(|_| true)
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// The byte at this offset is the mark of an open box.
    Open(usize),
    /// The box is ticked.
    Ticked,
}

/// A line with its beginning in the text, its ending left out.
#[derive(Debug, Clone, Copy)]
struct Line<'t> {
    start: usize,
    bytes: &'t [u8],
}

/// The lines of a text as the plan's reader counts them: `\r\n`, `\n` and a lone `\r` end one. A
/// byte order mark belongs to the first.
fn lines(text: &[u8]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for end in memchr::memchr2_iter(b'\n', b'\r', text) {
        let ends_the_pair = text[end] == b'\n' && end > 0 && text[end - 1] == b'\r';
        if !ends_the_pair {
            lines.push(Line { start, bytes: &text[start..end] });
        }
        start = end + 1;
    }
    if start < text.len() {
        lines.push(Line { start, bytes: &text[start..] });
    }
    lines
}

/// Finds the mark of the box.
fn find(text: &[u8], place: &BoxPlace, as_read: Option<&[u8]>) -> Result<Target, TickProblem> {
    let line = place.line;
    let lines = lines(text);
    let old = (line as usize).saturating_sub(1);
    let unmoved = as_read.is_some_and(|as_read| differ_in_marks_only(as_read, text));
    let range = if unmoved { old..old + 1 } else { old.saturating_sub(NEAR)..old + NEAR + 1 };
    let near = || lines.iter().enumerate().filter(|(number, _)| range.contains(number)).map(|(_, line)| line);
    let same: Vec<&Line<'_>> = near().filter(|line| LineHash::of(line.bytes) == place.line_hash).collect();
    let begun: Vec<&Line<'_>> = near().filter(|line| is_begun(line.bytes, place)).collect();
    // A line that is begun may be the one as well as an equal one that is not.
    let fitting = if same.is_empty() { begun } else { [same, begun].concat() };
    match fitting.as_slice() {
        [only] => mark_of(only, place).map(|mark| Target::Open(only.start + mark)),
        [] if near().any(|line| is_ticked(line.bytes, place)) => Ok(Target::Ticked),
        [] => Err(TickProblem::NotFound { line }),
        several => Err(TickProblem::Ambiguous { line, count: several.len() }),
    }
}

/// The offset of the mark in its line, if that is one byte between brackets or after one.
fn mark_of(line: &Line<'_>, place: &BoxPlace) -> Result<usize, TickProblem> {
    let column = place.column as usize;
    is_mark(line.bytes, column).then_some(column).ok_or(TickProblem::NoBox { line: place.line })
}

fn is_mark(line: &[u8], column: usize) -> bool {
    column > 0
        && line.get(column - 1) == Some(&b'[')
        && line.get(column).is_some_and(u8::is_ascii)
        && line.get(column + 1) == Some(&b']')
}

/// Whether a line is the wanted one with its box ticked.
fn is_ticked(line: &[u8], place: &BoxPlace) -> bool {
    let column = place.column as usize;
    is_mark(line, column) && matches!(line[column], b'x' | b'X') && is_with_another_mark(line, place)
}

/// Whether a line is the wanted one with a mark that says that somebody is at it, or that nobody is any
/// more, where it was read with another.
fn is_begun(line: &[u8], place: &BoxPlace) -> bool {
    let column = place.column as usize;
    let begun = |mark: u8| matches!(mark, b' ' | b'/') || Some(char::from(mark)) == place.progress;
    is_mark(line, column) && begun(line[column]) && is_with_another_mark(line, place)
}

/// Whether a line would have the wanted hash with another mark in its box.
fn is_with_another_mark(line: &[u8], place: &BoxPlace) -> bool {
    let column = place.column as usize;
    let mut other = line.to_vec();
    (b' '..=b'~').filter(|mark| *mark != line[column]).any(|mark| {
        other[column] = mark;
        LineHash::of(&other) == place.line_hash
    })
}

/// Bytes that are compared together.
const PIECE: usize = 64;

/// Whether two texts have the same lines but for single bytes between brackets.
fn differ_in_marks_only(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one.chunks(PIECE).zip(other.chunks(PIECE)).enumerate().all(|(number, (piece, against))| {
            // Most are the same, and that is told many bytes at a time.
            piece == against
                || piece.iter().zip(against).enumerate().all(|(offset, (byte, against))| {
                    let place = number * PIECE + offset;
                    byte == against || (is_mark(one, place) && is_mark(other, place))
                })
        })
}

#[cfg(test)]
mod tests;
