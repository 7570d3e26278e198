//! The Windows console behind a stream: its size, and whether it does what control sequences say.
//!
//! The switch for control sequences belongs to the console, not to this process, and stays as it was
//! set, as other programs leave it too. Nothing is asked of a stream that is no console.

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle as _, BorrowedHandle};

use windows_sys::Win32::System::Console::{
    CONSOLE_SCREEN_BUFFER_INFO, COORD, ENABLE_PROCESSED_OUTPUT, ENABLE_VIRTUAL_TERMINAL_PROCESSING,
    GetConsoleMode, GetConsoleScreenBufferInfo, SMALL_RECT, SetConsoleMode,
};

/// Columns and rows of the window on the console behind stderr. None: there is no console.
pub(super) fn size() -> Option<(usize, usize)> {
    let window = window_of(io::stderr().as_handle())?;
    let cells = |first: i16, last: i16| usize::try_from(i32::from(last) - i32::from(first) + 1).ok();
    let (columns, rows) = (cells(window.Left, window.Right)?, cells(window.Top, window.Bottom)?);
    (columns > 0 && rows > 0).then_some((columns, rows))
}

/// Has the console behind `stream` do what control sequences say, and tells whether it does. A terminal that
/// is no console (a pipe to one that imitates Unix) does so anyhow.
pub(super) fn obeys_sequences(stream: &impl AsHandle) -> bool {
    let stream = stream.as_handle();
    let Some(mode) = mode_of(stream) else {
        return true;
    };
    let wanted = mode | ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING;
    mode == wanted || set_mode(stream, wanted)
}

#[expect(unsafe_code, reason = "the system's call has no safe form")]
fn window_of(console: BorrowedHandle<'_>) -> Option<SMALL_RECT> {
    const NOWHERE: COORD = COORD { X: 0, Y: 0 };
    const NONE: SMALL_RECT = SMALL_RECT { Left: 0, Top: 0, Right: 0, Bottom: 0 };
    let mut told = CONSOLE_SCREEN_BUFFER_INFO {
        dwSize: NOWHERE,
        dwCursorPosition: NOWHERE,
        wAttributes: 0,
        srWindow: NONE,
        dwMaximumWindowSize: NOWHERE,
    };
    // SAFETY: the handle is open while it is borrowed, and the pointer is to a variable that outlives
    // the call.
    let known = unsafe { GetConsoleScreenBufferInfo(console.as_raw_handle(), &raw mut told) };
    (known != 0).then_some(told.srWindow)
}

/// None: it is no console.
#[expect(unsafe_code, reason = "the system's call has no safe form")]
fn mode_of(console: BorrowedHandle<'_>) -> Option<u32> {
    let mut mode = 0;
    // SAFETY: the handle is open while it is borrowed, and the pointer is to a variable that outlives
    // the call.
    let known = unsafe { GetConsoleMode(console.as_raw_handle(), &raw mut mode) };
    (known != 0).then_some(mode)
}

#[expect(unsafe_code, reason = "the system's call has no safe form")]
fn set_mode(console: BorrowedHandle<'_>, mode: u32) -> bool {
    // SAFETY: the handle is open while it is borrowed; the call touches no memory of ours.
    unsafe { SetConsoleMode(console.as_raw_handle(), mode) != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_no_console() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(mode_of(file.as_handle()), None);
        assert!(window_of(file.as_handle()).is_none());
        assert!(!set_mode(file.as_handle(), ENABLE_VIRTUAL_TERMINAL_PROCESSING));
        assert!(obeys_sequences(&file));
    }
}
