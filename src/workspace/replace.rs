//! Putting a finished file in the place of another.
//!
//! On Windows a file that somebody has open, a scanner for viruses or an editor for a moment, cannot
//! always be replaced. So it is tried again for a short while.

use std::io;
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

/// How often it is tried.
const TRIES: u32 = 20;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(25);

/// Windows: `ERROR_ACCESS_DENIED`, `ERROR_SHARING_VIOLATION`, `ERROR_LOCK_VIOLATION`.
const IN_USE: [i32; 3] = [5, 32, 33];

/// Puts `file` at `path`, whatever file is there. This blocks, for half a second at most.
///
/// # Errors
/// What the system said the last time; then `path` is as it was.
pub fn put_in_place(file: NamedTempFile, path: &Path) -> io::Result<()> {
    put_with(file, path, || {
        #[expect(clippy::disallowed_methods, reason = "nobody tells when a file is let go")]
        std::thread::sleep(PAUSE);
    })
}

fn put_with(file: NamedTempFile, path: &Path, pause: impl FnMut()) -> io::Result<()> {
    again(file, is_in_use, pause, |file| file.persist(path).map_err(|failed| (failed.error, failed.file)))
}

/// Does something with a value until it works, is given up, or the value is gone for good.
fn again<T, U>(
    mut value: T,
    may_pass: impl Fn(&io::Error) -> bool,
    mut pause: impl FnMut(),
    mut attempt: impl FnMut(T) -> Result<U, (io::Error, T)>,
) -> io::Result<()> {
    let mut tries = 1;
    loop {
        match attempt(value) {
            Ok(_) => return Ok(()),
            Err((error, _)) if tries == TRIES || !may_pass(&error) => return Err(error),
            Err((_, back)) => value = back,
        }
        tries += 1;
        pause();
    }
}

fn is_in_use(error: &io::Error) -> bool {
    cfg!(windows) && error.raw_os_error().is_some_and(|code| IN_USE.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::io::Write as _;

    fn tries(works_at: u32, code: i32) -> (u32, u32, bool) {
        let (tries, pauses) = (Cell::new(0), Cell::new(0));
        let in_use = |error: &io::Error| error.raw_os_error().is_some_and(|code| IN_USE.contains(&code));
        let result = again(
            (),
            in_use,
            || pauses.set(pauses.get() + 1),
            |()| {
                tries.set(tries.get() + 1);
                if tries.get() == works_at { Ok(()) } else { Err((io::Error::from_raw_os_error(code), ())) }
            },
        );
        (tries.get(), pauses.get(), result.is_ok())
    }

    #[test]
    fn what_is_in_use_is_tried_again_and_nothing_else() {
        assert_eq!(tries(1, 32), (1, 0, true));
        assert_eq!(tries(3, 32), (3, 2, true));
        assert_eq!(tries(99, 5), (TRIES, TRIES - 1, false));
        assert_eq!(tries(99, 2), (1, 0, false));
    }

    #[test]
    fn a_file_that_is_being_read_is_replaced_at_once_or_when_it_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.md");
        std::fs::write(&path, "old").unwrap();
        let mut reader = Some(std::fs::File::open(&path).unwrap());
        let mut file = NamedTempFile::new_in(folder.path()).unwrap();
        file.write_all(b"new").unwrap();
        put_with(file, &path, || drop(reader.take())).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        if let Some(reader) = reader {
            assert_eq!(std::io::read_to_string(reader).unwrap(), "old", "the reader keeps what it opened");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
