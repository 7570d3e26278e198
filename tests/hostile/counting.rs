//! An allocator that counts what each thread asks for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Work {
    /// All bytes, those that were given back included.
    pub(crate) bytes: usize,
    /// In so many pieces.
    pub(crate) pieces: usize,
    /// The most bytes that were held at once.
    pub(crate) most: usize,
}

thread_local! {
    static WORK: Cell<Work> = const { Cell::new(Work { bytes: 0, pieces: 0, most: 0 }) };
    static HELD: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn taken(size: usize) {
    let held = HELD.get().saturating_add(size);
    HELD.set(held);
    let work = WORK.get();
    WORK.set(Work {
        bytes: work.bytes.saturating_add(size),
        pieces: work.pieces + 1,
        most: work.most.max(held),
    });
}

fn given_back(size: usize) {
    // What another thread asked for may be given back here.
    HELD.set(HELD.get().saturating_sub(size));
}

#[expect(unsafe_code, reason = "an allocator is unsafe to write; this one hands everything to the system's")]
// SAFETY: every call is handed on as it came, and counting allocates nothing: the cells need no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        given_back(layout.size());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        given_back(layout.size());
        taken(size);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Counts the work of this thread.
pub(crate) fn count<T>(work: impl FnOnce() -> T) -> (Work, T) {
    HELD.set(0);
    WORK.set(Work::default());
    let made = work();
    (WORK.get(), made)
}
