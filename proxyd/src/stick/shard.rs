//! One part of a table: entries in chunks that never move, found by buckets, in a list by age.
//!
//! All entries of a table live equally long, and one that is used goes to the end of the list: so the list by age is
//! also the one by what expires first, and both to purge and to sweep is to take from its front.

use super::entry::{self, EntryMut};
use super::layout::Layout;

/// Next of its bucket, or of the free ones.
const NEXT: usize = 0;
const OLDER: usize = 1;
const NEWER: usize = 2;
/// Who holds it: such an entry is in no list, and neither expires nor is purged.
pub(super) const USES: usize = 3;
const UNTIL: usize = 4;

/// Marks a slot without an entry.
const FREE: u32 = u32::MAX;

/// No slot: they are counted from 1.
const NONE: u32 = 0;

/// From here on an end is none, but says since when the entry is unused.
const NEVER: u64 = 1 << 63;

/// Such an end, of what was used when the clock began: there is room for what was used before.
const UNUSED: u64 = 3 << 62;

/// Slots that are allocated at once.
pub(super) const CHUNK: u32 = 256;

/// A part of a table.
#[derive(Debug)]
pub(super) struct Shard {
    buckets: Box<[u32]>,
    chunks: Vec<Box<[u32]>>,
    stride: usize,
    chunk: u32,
    /// Slots that may be used, ever.
    most: u32,
    /// Slots that were used at least once.
    begun: u32,
    free: u32,
    oldest: u32,
    newest: u32,
    entries: u32,
    /// How often something of it changed.
    changes: u64,
}

/// What a key is looked up with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) layout: &'a Layout,
    pub(super) hash: u64,
    pub(super) key: &'a [u8],
}

impl Shard {
    pub(super) fn new(stride: usize, most: u32) -> Self {
        Self {
            // Zeroed by the system, page by page as they are used.
            buckets: vec![NONE; buckets(most) as usize].into_boxed_slice(),
            chunks: Vec::new(),
            stride,
            chunk: CHUNK.min(most),
            most,
            begun: 0,
            free: NONE,
            oldest: NONE,
            newest: NONE,
            entries: 0,
            changes: 0,
        }
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Bytes that it takes when it is full.
    pub(super) const fn most_bytes(stride: usize, most: u32) -> u64 {
        let chunk = if most < CHUNK { most } else { CHUNK };
        let slots = most.div_ceil(chunk) as u64 * chunk as u64;
        (slots * stride as u64 + buckets(most) as u64) * entry::WORD as u64
    }

    pub(super) fn slot(&self, index: u32) -> &[u32] {
        let at = (index % self.chunk) as usize * self.stride;
        &self.chunks[(index / self.chunk) as usize][at..at + self.stride]
    }

    pub(super) fn slot_mut(&mut self, index: u32) -> &mut [u32] {
        let at = (index % self.chunk) as usize * self.stride;
        &mut self.chunks[(index / self.chunk) as usize][at..at + self.stride]
    }

    /// The entry of that number, if there is one that can still be seen.
    pub(super) fn seen(&self, index: u32, now: u64) -> Option<&[u32]> {
        let words = (index < self.begun).then(|| self.slot(index))?;
        (words[USES] != FREE && !is_over(words, now)).then_some(words)
    }

    pub(super) fn is_held(&self, index: u32) -> bool {
        self.slot(index)[USES] != 0
    }

    /// Slots that may have an entry.
    pub(super) fn begun(&self) -> u32 {
        self.begun
    }

    /// The entry of a key, whether or not it can still be seen.
    pub(super) fn find(&self, wanted: Wanted<'_>) -> Option<u32> {
        let mut next = self.buckets[self.bucket(wanted.hash)];
        while next != NONE {
            let words = self.slot(next - 1);
            if entry::is_key(words, wanted.layout, wanted.key) {
                return Some(next - 1);
            }
            next = words[NEXT];
        }
        None
    }

    /// A new entry, with nothing but its key; `None` where all slots are taken.
    pub(super) fn insert(&mut self, wanted: Wanted<'_>) -> Option<u32> {
        let index = if self.free == NONE {
            if self.begun == self.most {
                return None;
            }
            if self.begun as usize == self.chunks.len() * self.chunk as usize {
                self.chunks.push(vec![0; self.chunk as usize * self.stride].into_boxed_slice());
            }
            self.begun += 1;
            self.begun - 1
        } else {
            let index = self.free - 1;
            self.free = self.slot(index)[NEXT];
            index
        };
        let bucket = self.bucket(wanted.hash);
        let head = self.buckets[bucket];
        let words = self.slot_mut(index);
        words.fill(0);
        words[NEXT] = head;
        entry::set_key(words, wanted.layout, wanted.key);
        self.buckets[bucket] = index + 1;
        self.append(index);
        self.entries += 1;
        Some(index)
    }

    /// It was used: it stays until then, and is the youngest.
    pub(super) fn refresh(&mut self, index: u32, until: u64) {
        self.changes += 1;
        let words = self.slot_mut(index);
        set_until(words, until);
        if words[USES] == 0 && self.newest != index + 1 {
            self.unlink(index);
            self.append(index);
        }
    }

    /// Somebody holds it.
    pub(super) fn hold(&mut self, index: u32) {
        if self.slot(index)[USES] == 0 {
            self.unlink(index);
        }
        self.slot_mut(index)[USES] += 1;
    }

    /// Somebody holds it no more.
    pub(super) fn release(&mut self, index: u32, until: u64) {
        self.changes += 1;
        let words = self.slot_mut(index);
        words[USES] -= 1;
        set_until(words, until);
        if words[USES] == 0 {
            self.append(index);
        }
    }

    /// What has been there longest, if it expired.
    pub(super) fn expired(&self, now: u64) -> Option<u32> {
        self.oldest().filter(|index| is_over(self.slot(*index), now))
    }

    /// When the next entry expires that nobody holds.
    pub(super) fn next_end(&self) -> Option<u64> {
        self.oldest().map(|index| until(self.slot(index)))
    }

    /// What has been unused for longest.
    pub(super) fn oldest(&self) -> Option<u32> {
        self.oldest.checked_sub(1)
    }

    /// Takes an entry out that nobody holds. `hash` is its key's.
    pub(super) fn remove(&mut self, index: u32, hash: u64) {
        debug_assert_eq!(self.slot(index)[USES], 0, "an entry that is held stays");
        self.changes += 1;
        self.unlink(index);
        let bucket = self.bucket(hash);
        let after = self.slot(index)[NEXT];
        if self.buckets[bucket] == index + 1 {
            self.buckets[bucket] = after;
        } else {
            let mut before = self.buckets[bucket];
            while before != NONE && self.slot(before - 1)[NEXT] != index + 1 {
                before = self.slot(before - 1)[NEXT];
            }
            debug_assert_ne!(before, NONE, "an entry stands in its bucket");
            if before != NONE {
                self.slot_mut(before - 1)[NEXT] = after;
            }
        }
        let free = self.free;
        let words = self.slot_mut(index);
        words[NEXT] = free;
        words[USES] = FREE;
        self.free = index + 1;
        self.entries -= 1;
        if self.entries == 0 {
            self.chunks.truncate(1);
            self.begun = 0;
            self.free = NONE;
        }
    }

    pub(super) fn entry<'a>(&'a mut self, index: u32, layout: &'a Layout, now: u64) -> EntryMut<'a> {
        EntryMut { words: self.slot_mut(index), layout, now }
    }

    fn bucket(&self, hash: u64) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    fn unlink(&mut self, index: u32) {
        let (older, newer) = (self.slot(index)[OLDER], self.slot(index)[NEWER]);
        match older {
            NONE => self.oldest = newer,
            older => self.slot_mut(older - 1)[NEWER] = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.slot_mut(newer - 1)[OLDER] = older,
        }
    }

    fn append(&mut self, index: u32) {
        let newest = std::mem::replace(&mut self.newest, index + 1);
        let words = self.slot_mut(index);
        words[OLDER] = newest;
        words[NEWER] = NONE;
        match newest {
            NONE => self.oldest = index + 1,
            newest => self.slot_mut(newest - 1)[NEWER] = index + 1,
        }
    }
}

/// One for each entry or two: a power of two.
const fn buckets(most: u32) -> u32 {
    1 << most.ilog2()
}

/// The end of an entry that has none and was unused for so long.
pub(super) fn never(now: u64, unused: u64) -> u64 {
    (UNUSED + now).saturating_sub(unused).max(NEVER)
}

/// Milliseconds that an entry has left; where it has no end, those that it was unused for.
pub(super) fn left(words: &[u32], now: u64) -> Result<u64, u64> {
    match until(words) {
        until if until < NEVER => Ok(until.saturating_sub(now)),
        until => Err((UNUSED + now).saturating_sub(until)),
    }
}

fn until(words: &[u32]) -> u64 {
    u64::from(words[UNTIL]) << 32 | u64::from(words[UNTIL + 1])
}

fn set_until(words: &mut [u32], until: u64) {
    words[UNTIL] = (until >> 32) as u32;
    words[UNTIL + 1] = until as u32;
}

fn is_over(words: &[u32], now: u64) -> bool {
    words[USES] == 0 && until(words) <= now
}
