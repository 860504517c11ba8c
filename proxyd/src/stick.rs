//! Stick tables: what is known of clients, by a key; no I/O and no clock.
//!
//! A table is cut into shards, each behind a lock of its own that is held for as long as one entry is changed. An entry
//! is a few words in its shard's chunks. How much a table can ever take is known before it holds anything.

mod entry;
pub mod key;
mod layout;
mod rate;
pub mod saved;
mod shard;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_utils::CachePadded;

use crate::config::table as conf;
pub use entry::{Entry, EntryMut};
pub use layout::Layout;
use shard::{Shard, Wanted};

/// The most locks of a table.
const SHARDS: u32 = 64;

/// Entries for which one lock is enough.
const SMALL: u32 = 1024;

/// Expired entries that one change takes away.
const SWEPT: u32 = 2;

/// A table.
#[derive(Debug)]
pub struct Table {
    pub name: Arc<str>,
    conf: conf::Table,
    layout: Layout,
    /// Milliseconds that an unused entry stays.
    expire: Option<u64>,
    /// Who connects chooses the keys, so the hash has a secret.
    secret: RandomState,
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    used: CachePadded<AtomicU32>,
    /// Before this time nothing of a full table expires, so that nobody has to look for it.
    full_until: AtomicU64,
    names: Mutex<Names>,
}

/// Names of servers, by the number that stands for each, and the other way round.
#[derive(Debug, Default)]
struct Names {
    all: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

/// An entry that somebody holds: it stays until it is released.
#[derive(Debug, Eq, PartialEq)]
pub struct Held {
    shard: u32,
    index: u32,
}

/// Where a walk over all entries has come to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cursor {
    shard: u32,
    index: u32,
}

/// Entries as they were at a moment.
#[derive(Debug, Default)]
pub struct Batch {
    pointers: Vec<Pointer>,
    words: Vec<u32>,
}

/// What became of an entry that was to be removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Removal {
    Removed,
    Absent,
    /// Somebody holds it.
    InUse,
}

impl Table {
    pub fn new(conf: &conf::Table) -> Self {
        let layout = Layout::new(conf.key, &conf.store);
        let (shards, most) = shape(conf.entries);
        let shard = || CachePadded::new(Mutex::new(Shard::new(layout.stride, most)));
        Self {
            name: conf.name.as_str().into(),
            shards: (0..shards).map(|_| shard()).collect(),
            expire: conf.expire.map(|expire| expire.as_millis() as u64),
            conf: conf.clone(),
            layout,
            secret: RandomState::new(),
            used: CachePadded::default(),
            full_until: AtomicU64::new(0),
            names: Mutex::default(),
        }
    }

    pub fn conf(&self) -> &conf::Table {
        &self.conf
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether it can go on as a table of that description.
    pub fn fits(&self, conf: &conf::Table) -> bool {
        self.conf == *conf && self.layout.is_like(&Layout::new(conf.key, &conf.store))
    }

    /// Entries there are.
    pub fn used(&self) -> u32 {
        self.used.load(Relaxed)
    }

    /// How often something of it changed: where it is another number something did.
    pub fn changes(&self) -> u64 {
        (0..self.parts()).map(|part| self.lock(part).changes()).sum()
    }

    /// The number that stands for a server's name.
    pub fn intern(&self, name: &str) -> u32 {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = names.numbers.get(name) {
            return *number;
        }
        let name: Arc<str> = name.into();
        names.all.push(Arc::clone(&name));
        let number = names.all.len() as u32;
        names.numbers.insert(name, number);
        number
    }

    /// The name that a number stands for.
    pub fn server_name(&self, number: u64) -> Option<Arc<str>> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.names.lock().unwrap_or_else(PoisonError::into_inner).all.get(index).cloned()
    }

    /// Looks at an entry without taking that for a use.
    pub fn peek<R>(&self, key: &[u8], now: u64, look: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        self.peek_at(key, now, |_, entry| look(entry))
    }

    /// The same, with the number that a walk has for it.
    pub fn peek_at<R>(&self, key: &[u8], now: u64, look: impl FnOnce(Pointer, Entry<'_>) -> R) -> Option<R> {
        let (which, hash, key) = self.locate(key);
        let shard = self.lock(which);
        let index = shard.find(Wanted { layout: &self.layout, hash, key })?;
        let words = shard.seen(index, now)?;
        Some(look(Pointer::new(which, index), Entry { words, layout: &self.layout, now }))
    }

    /// Uses an entry that there is.
    pub fn find<R>(&self, key: &[u8], now: u64, change: impl FnOnce(&mut EntryMut<'_>) -> R) -> Option<R> {
        let (which, hash, key) = self.locate(key);
        let mut shard = self.lock(which);
        let index = shard.find(Wanted { layout: &self.layout, hash, key })?;
        shard.seen(index, now)?;
        let result = change(&mut shard.entry(index, &self.layout, now));
        shard.refresh(index, self.until(now));
        Some(result)
    }

    /// Uses an entry, a new one where there is none; `None` where the table has no room.
    pub fn enter<R>(&self, key: &[u8], now: u64, change: impl FnOnce(&mut EntryMut<'_>) -> R) -> Option<R> {
        self.enter_until(key, now, self.until(now), change)
    }

    /// The same, with another end than such a use has; callers keep the order of ends.
    fn enter_until<R>(
        &self,
        key: &[u8],
        now: u64,
        until: u64,
        change: impl FnOnce(&mut EntryMut<'_>) -> R,
    ) -> Option<R> {
        let (mut shard, _, index) = self.find_or_insert(key, now)?;
        let result = change(&mut shard.entry(index, &self.layout, now));
        shard.refresh(index, until);
        Some(result)
    }

    /// The same, and holds it.
    pub fn hold(&self, key: &[u8], now: u64, change: impl FnOnce(&mut EntryMut<'_>)) -> Option<Held> {
        let (mut shard, which, index) = self.find_or_insert(key, now)?;
        shard.hold(index);
        shard.refresh(index, self.until(now));
        change(&mut shard.entry(index, &self.layout, now));
        Some(Held { shard: which, index })
    }

    /// Uses an entry that is held.
    pub fn with<R>(&self, held: &Held, now: u64, change: impl FnOnce(&mut EntryMut<'_>) -> R) -> R {
        let mut shard = self.lock(held.shard);
        shard.refresh(held.index, self.until(now));
        change(&mut shard.entry(held.index, &self.layout, now))
    }

    /// Ends a hold.
    #[expect(clippy::needless_pass_by_value, reason = "what was given back cannot be used any more")]
    pub fn release(&self, held: Held, now: u64, change: impl FnOnce(&mut EntryMut<'_>)) {
        let mut shard = self.lock(held.shard);
        change(&mut shard.entry(held.index, &self.layout, now));
        shard.release(held.index, self.until(now));
    }

    pub fn remove(&self, key: &[u8], now: u64) -> Removal {
        let (which, hash, key) = self.locate(key);
        let mut shard = self.lock(which);
        let found = shard.find(Wanted { layout: &self.layout, hash, key });
        let Some(index) = found.filter(|index| shard.seen(*index, now).is_some()) else {
            return Removal::Absent;
        };
        if shard.is_held(index) {
            return Removal::InUse;
        }
        self.drop_entry(&mut shard, index);
        Removal::Removed
    }

    /// The same walk, with copies that can be read when the lock is gone.
    pub fn copy(&self, cursor: &mut Cursor, steps: u32, now: u64, batch: &mut Batch) -> bool {
        batch.pointers.clear();
        batch.words.clear();
        self.walk(cursor, steps, now, |pointer, entry| {
            batch.pointers.push(pointer);
            batch.words.extend_from_slice(entry.words);
        })
    }

    /// The entries of a copy.
    pub fn copied<'a>(&'a self, batch: &'a Batch, now: u64) -> impl Iterator<Item = (Pointer, Entry<'a>)> {
        let entries = batch.words.chunks(self.layout.stride);
        let entries = entries.map(move |words| Entry { words, layout: &self.layout, now });
        batch.pointers.iter().copied().zip(entries)
    }

    /// Walks over at most `steps` slots, which is one lock's time; false where the walk is over.
    ///
    /// Entries that come or go meanwhile may or may not be seen; all others are, once.
    pub fn walk(
        &self,
        cursor: &mut Cursor,
        steps: u32,
        now: u64,
        mut look: impl FnMut(Pointer, Entry<'_>),
    ) -> bool {
        let Some(shard) = self.shards.get(cursor.shard as usize) else { return false };
        let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let end = shard.begun().min(cursor.index.saturating_add(steps));
        for index in cursor.index..end {
            if let Some(words) = shard.seen(index, now) {
                let pointer = Pointer::new(cursor.shard, index);
                look(pointer, Entry { words, layout: &self.layout, now });
            }
        }
        self.advance(cursor, end, shard.begun())
    }

    /// The same, and takes away what nobody holds and `condemned` says so of.
    pub fn purge(
        &self,
        cursor: &mut Cursor,
        steps: u32,
        now: u64,
        mut condemned: impl FnMut(Entry<'_>) -> bool,
    ) -> bool {
        if cursor.shard as usize >= self.shards.len() {
            return false;
        }
        let mut shard = self.lock(cursor.shard);
        let end = shard.begun().min(cursor.index.saturating_add(steps));
        for index in cursor.index..end {
            let Some(words) = shard.seen(index, now) else { continue };
            if condemned(Entry { words, layout: &self.layout, now }) && !shard.is_held(index) {
                self.drop_entry(&mut shard, index);
            }
        }
        self.advance(cursor, end, shard.begun())
    }

    /// The entry that a walk called so.
    pub fn at<R>(&self, pointer: Pointer, now: u64, look: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let (shard, index) = pointer.parts();
        let shard = self.shards.get(shard as usize)?.lock().unwrap_or_else(PoisonError::into_inner);
        let words = shard.seen(index, now)?;
        Some(look(Entry { words, layout: &self.layout, now }))
    }

    /// Into how many parts it is cut.
    pub fn parts(&self) -> u32 {
        self.shards.len() as u32
    }

    /// Takes away what expired of a part, a few entries a lock; called every now and then.
    pub fn sweep(&self, part: u32, now: u64) {
        if self.expire.is_some() && self.used() > 0 {
            while self.expire_some(&mut self.lock(part), now, shard::CHUNK) == shard::CHUNK {}
        }
    }

    /// The most bytes it takes, worked out before it holds anything.
    pub fn most_bytes(conf: &conf::Table) -> u64 {
        let layout = Layout::new(conf.key, &conf.store);
        let (shards, most) = shape(conf.entries);
        u64::from(shards) * Shard::most_bytes(layout.stride, most)
    }

    /// Bytes of one entry, beside what finds it.
    pub fn entry_bytes(conf: &conf::Table) -> usize {
        Layout::new(conf.key, &conf.store).stride * entry::WORD
    }

    fn find_or_insert(&self, key: &[u8], now: u64) -> Option<(MutexGuard<'_, Shard>, u32, u32)> {
        let (which, hash, key) = self.locate(key);
        let wanted = Wanted { layout: &self.layout, hash, key };
        let mut shard = self.lock(which);
        if let Some(index) = shard.find(wanted) {
            if shard.seen(index, now).is_some() {
                return Some((shard, which, index));
            }
            self.drop_entry(&mut shard, index);
        }
        self.expire_some(&mut shard, now, SWEPT);
        if !self.take_room() && !self.make_room(&mut shard, now) {
            drop(shard);
            if !self.make_room_elsewhere(which, now) {
                return None;
            }
            shard = self.lock(which);
            // Somebody else may have entered it meanwhile.
            if let Some(index) = shard.find(wanted) {
                if shard.seen(index, now).is_some() {
                    self.used.fetch_sub(1, Relaxed);
                    return Some((shard, which, index));
                }
                self.drop_entry(&mut shard, index);
            }
        }
        let mut index = shard.insert(wanted);
        if index.is_none() {
            // More keys of this shard than its share and what is above it.
            self.used.fetch_sub(1, Relaxed);
            index = self.make_room(&mut shard, now).then(|| shard.insert(wanted)).flatten();
        }
        Some((shard, which, index?))
    }

    fn take_room(&self) -> bool {
        let most = self.conf.entries;
        self.used.fetch_update(Relaxed, Relaxed, |used| (used < most).then_some(used + 1)).is_ok()
    }

    /// Takes the entry away that was unused for longest; the room it had is the caller's.
    fn make_room(&self, shard: &mut Shard, now: u64) -> bool {
        let gone = if self.conf.no_purge { shard.expired(now) } else { shard.oldest() };
        if let Some(index) = gone {
            self.take_out(shard, index);
        }
        gone.is_some()
    }

    /// The same in another shard, where this one has nothing to give. The caller holds no lock.
    fn make_room_elsewhere(&self, which: u32, now: u64) -> bool {
        if now < self.full_until.load(Relaxed) {
            return false;
        }
        let parts = self.parts();
        let others = || (1..parts).map(|n| (which + n) % parts);
        // One that is busy is passed by at first.
        let idle = |other: u32| self.shards[other as usize].try_lock().ok();
        if others().filter_map(idle).any(|mut shard| self.make_room(&mut shard, now))
            || others().any(|other| self.make_room(&mut self.lock(other), now))
        {
            return true;
        }
        if self.conf.no_purge {
            // Whatever is used from now on, or given back, expires later than all there is.
            let ends = (0..parts).filter_map(|part| self.lock(part).next_end());
            let last = self.until(now);
            self.full_until.store(ends.fold(last, u64::min), Relaxed);
        }
        false
    }

    fn expire_some(&self, shard: &mut Shard, now: u64, most: u32) -> u32 {
        let mut gone = 0;
        while gone < most
            && let Some(index) = shard.expired(now)
        {
            self.drop_entry(shard, index);
            gone += 1;
        }
        gone
    }

    fn drop_entry(&self, shard: &mut Shard, index: u32) {
        self.take_out(shard, index);
        self.used.fetch_sub(1, Relaxed);
    }

    fn take_out(&self, shard: &mut Shard, index: u32) {
        let words = entry::words_of_key(shard.slot(index), &self.layout);
        let (_, hash) = self.hash(words.iter().copied());
        shard.remove(index, hash);
    }

    fn until(&self, now: u64) -> u64 {
        self.expire.map_or_else(|| shard::never(now, 0), |expire| now.saturating_add(expire))
    }

    fn locate<'k>(&self, key: &'k [u8]) -> (u32, u64, &'k [u8]) {
        let key = entry::cut(&self.layout, key);
        let (which, hash) = self.hash(entry::in_words(&self.layout, key));
        (which, hash, key)
    }

    /// Which shard, and where in it.
    fn hash(&self, words: impl Iterator<Item = u32>) -> (u32, u64) {
        let mut hasher = self.secret.build_hasher();
        words.for_each(|word| hasher.write_u32(word));
        let hash = hasher.finish();
        ((hash >> 32) as u32 % self.shards.len() as u32, hash)
    }

    fn lock(&self, which: u32) -> MutexGuard<'_, Shard> {
        self.shards[which as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn advance(&self, cursor: &mut Cursor, end: u32, begun: u32) -> bool {
        *cursor = match end {
            end if end < begun => Cursor { index: end, ..*cursor },
            _ => Cursor { shard: cursor.shard + 1, index: 0 },
        };
        (cursor.shard as usize) < self.shards.len()
    }
}

/// A number that an entry has for as long as it lives; HAProxy shows its address instead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pointer(u64);

/// In front of each, so that it looks like an address.
const POINTER: u64 = 0x5500_0000_0000;

impl Pointer {
    fn new(shard: u32, index: u32) -> Self {
        Self(POINTER + (u64::from(shard) << 36) + (u64::from(index) << 4))
    }

    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    pub fn number(self) -> u64 {
        self.0
    }

    fn parts(self) -> (u32, u32) {
        let number = self.0.wrapping_sub(POINTER);
        // What no walk gave stands in no shard.
        let shard = u32::try_from(number >> 36).ok().filter(|_| number.is_multiple_of(16));
        (shard.unwrap_or(u32::MAX), (number >> 4) as u32)
    }
}

/// Shards, and the slots of each: a little more than its share, since keys do not spread evenly.
fn shape(entries: u32) -> (u32, u32) {
    let shards = entries.div_ceil(SMALL).next_power_of_two().min(SHARDS);
    if shards == 1 {
        return (1, entries.max(1));
    }
    let share = entries.div_ceil(shards);
    (shards, share.saturating_add(8 * share.isqrt()))
}

#[cfg(test)]
mod tests;
