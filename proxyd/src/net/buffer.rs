//! Read buffers, from a free list of the thread: an idle connection holds none.

use std::cell::{Cell, RefCell};

/// What a head has to fit in, and what a body is read with at first.
pub const SMALL: usize = 16 * 1024;
/// What an answer is read with at first: a page of 16 KiB and its head fit into one.
pub const MEDIUM: usize = 32 * 1024;
/// What a body is read with once it has filled its first block.
pub const LARGE: usize = 128 * 1024;
/// Bytes of free buffers a thread keeps.
const KEPT_BYTES: usize = 4 * 1024 * 1024;

thread_local! {
    static KEEP_SMALL: Cell<bool> = const { Cell::new(false) };
    static FREE: RefCell<[Vec<Box<[u8]>>; 3]> = const { RefCell::new([Vec::new(), Vec::new(), Vec::new()]) };
}

/// A window of filled bytes in a block of fixed size.
#[derive(Debug)]
pub struct Buffer {
    block: Box<[u8]>,
    start: usize,
    end: usize,
    /// Size of the first block.
    first: usize,
}

impl Buffer {
    /// For heads of clients, and what they send.
    pub fn small() -> Self {
        Self::with_first(SMALL)
    }

    /// For answers of servers.
    pub fn medium() -> Self {
        Self::with_first(MEDIUM)
    }

    fn with_first(first: usize) -> Self {
        Self { block: Box::default(), start: 0, end: 0, first }
    }

    /// Filled bytes.
    pub fn data(&self) -> &[u8] {
        &self.block[self.start..self.end]
    }

    pub fn len(&self) -> usize {
        self.end - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The filled bytes are as many as a block of this size holds.
    pub fn is_full(&self) -> bool {
        self.len() == self.block.len() && !self.block.is_empty()
    }

    /// Forgets the first `n` filled bytes.
    pub fn consume(&mut self, n: usize) {
        debug_assert!(n <= self.len(), "consumed more than was there");
        self.start += n;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Room to read into; a block is taken from the thread's list on first use.
    pub fn room(&mut self) -> &mut [u8] {
        if self.block.is_empty() {
            self.block = take(self.first);
        }
        if self.start > 0 && self.end == self.block.len() {
            self.block.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.block[self.end..]
    }

    /// `n` bytes of the room were filled.
    pub fn filled(&mut self, n: usize) {
        self.end += n;
        debug_assert!(self.end <= self.block.len(), "filled more than there was room for");
    }

    /// All filled bytes, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.block[self.start..self.end]
    }

    /// Keeps the first `keep` filled bytes and what stands from `from` on, closing the gap.
    pub fn cut(&mut self, keep: usize, from: usize) {
        debug_assert!(keep <= from && from <= self.len(), "a gap lies within the data");
        if keep == from {
            return;
        }
        if keep == 0 {
            self.consume(from);
            return;
        }
        let (start, end) = (self.start, self.end);
        self.block.copy_within(start + from..end, start + keep);
        self.end -= from - keep;
    }

    /// A longer block for a transfer that fills this one; only when nothing is held.
    pub fn grow(&mut self) {
        if self.is_empty() && self.block.len() != LARGE && !KEEP_SMALL.get() {
            give(std::mem::replace(&mut self.block, take(LARGE)));
        }
    }

    /// Gives the block back if it holds nothing.
    pub fn park(&mut self) {
        if self.is_empty() {
            give(std::mem::take(&mut self.block));
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.block));
    }
}

/// Whether transfers go on with the buffers they begin with.
pub fn keep_small(keep: bool) {
    KEEP_SMALL.set(keep);
}

/// Gives up the thread's free blocks.
pub fn forget_free() {
    FREE.take();
}

fn class(len: usize) -> usize {
    match len {
        SMALL => 0,
        MEDIUM => 1,
        _ => 2,
    }
}

fn take(len: usize) -> Box<[u8]> {
    FREE.with_borrow_mut(|free| free[class(len)].pop()).unwrap_or_else(|| vec![0; len].into_boxed_slice())
}

fn give(block: Box<[u8]>) {
    // While transfers keep to small buffers nobody asks for a long one.
    if block.is_empty() || block.len() == LARGE && KEEP_SMALL.get() {
        return;
    }
    // A thread that ends has no list any more; then the block just goes.
    let _ended = FREE.try_with(|free| {
        if let Ok(mut free) = free.try_borrow_mut() {
            let list = &mut free[class(block.len())];
            if list.len() * block.len() < KEPT_BYTES {
                list.push(block);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &[u8]) -> Buffer {
        let mut buffer = Buffer::small();
        buffer.room()[..text.len()].copy_from_slice(text);
        buffer.filled(text.len());
        buffer
    }

    #[test]
    fn a_window_moves() {
        let mut buffer = with(b"abcdef");
        buffer.consume(2);
        assert_eq!(buffer.data(), b"cdef");
        buffer.cut(1, 3);
        assert_eq!(buffer.data(), b"cf");
        buffer.cut(0, 1);
        assert_eq!(buffer.data(), b"f");
    }

    #[test]
    fn room_is_made_by_moving() {
        let mut buffer = with(&[7; SMALL]);
        assert!(buffer.is_full());
        assert!(buffer.room().is_empty());
        buffer.consume(SMALL - 3);
        assert_eq!(buffer.room().len(), SMALL - 3);
        assert_eq!(buffer.data(), [7; 3]);
    }

    #[test]
    fn only_an_empty_one_grows_or_parks() {
        let mut buffer = with(b"x");
        buffer.grow();
        buffer.park();
        assert_eq!(buffer.data(), b"x");
        buffer.consume(1);
        buffer.grow();
        assert_eq!(buffer.room().len(), LARGE);
        buffer.park();
        assert_eq!(buffer.room().len(), SMALL);
    }
}
