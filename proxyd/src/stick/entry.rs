//! One entry as it lies in its shard, read and changed by what its table's layout says.

use super::layout::{HEADER, Layout, key_words};
use super::rate;
use crate::config::table::{Data, Form, KeyType};

/// Bytes of a word.
pub(super) const WORD: usize = 4;

/// One entry, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub(super) words: &'a [u32],
    pub(super) layout: &'a Layout,
    pub(super) now: u64,
}

/// One entry, to be changed.
#[derive(Debug)]
pub struct EntryMut<'a> {
    pub(super) words: &'a mut [u32],
    pub(super) layout: &'a Layout,
    pub(super) now: u64,
}

impl Entry<'_> {
    /// The key's bytes: an address in the network's order, an integer likewise, a string, or bytes.
    pub fn key(&self, into: &mut Vec<u8>) {
        into.clear();
        let words = &self.words[HEADER..HEADER + key_words(self.layout.key)];
        let (words, length) = match self.layout.key {
            KeyType::String(_) => (&words[1..], words[0] as usize),
            KeyType::Binary(length) => (words, length as usize),
            KeyType::Ip | KeyType::Ipv6 | KeyType::Integer => (words, words.len() * WORD),
        };
        into.extend(words.iter().flat_map(|word| word.to_be_bytes()).take(length));
    }

    /// A number, or the events of a rate; `None` where the table does not hold it.
    pub fn get(&self, data: Data, index: u32) -> Option<u64> {
        let place = self.layout.place(data, index)?;
        Some(match data.form() {
            Form::Number | Form::Name => u64::from(self.words[place]),
            Form::Wide => wide(&self.words[place..]),
            Form::Rate => u64::from(rate::read(&self.words[place..], self.now, self.layout.period(data))),
        })
    }

    /// Those who hold it.
    pub fn uses(&self) -> u32 {
        self.words[super::shard::USES]
    }

    /// Milliseconds that it has left; `None` is for ever.
    pub fn left(&self) -> Option<u64> {
        super::shard::left(self.words, self.now).ok()
    }
}

impl EntryMut<'_> {
    /// What it is now.
    pub fn as_ref(&self) -> Entry<'_> {
        Entry { words: self.words, layout: self.layout, now: self.now }
    }

    /// Adds to a counter, or counts events of a rate; nothing where the table does not hold it.
    pub fn add(&mut self, data: Data, index: u32, n: u64) {
        let Some(place) = self.layout.place(data, index) else { return };
        let words = &mut self.words[place..];
        match data.form() {
            Form::Number => words[0] = words[0].wrapping_add(n as u32),
            Form::Wide => {
                let sum = wide(words).wrapping_add(n);
                set_wide(words, sum);
            }
            Form::Rate => {
                let n = u32::try_from(n).unwrap_or(u32::MAX);
                rate::add(words, self.now, self.layout.period(data), n);
            }
            Form::Name => {}
        }
    }

    /// Takes from a counter what is there.
    pub fn sub(&mut self, data: Data, n: u32) {
        if let Some(place) = self.layout.place(data, 0) {
            self.words[place] = self.words[place].saturating_sub(n);
        }
    }

    /// Makes a rate what was saved of it, if it was taken over the same time.
    pub(super) fn set_rate(&mut self, data: Data, index: u32, period: u32, aged: [u32; 3], elapsed: u64) {
        if let Some(place) = self.layout.place(data, index).filter(|_| self.layout.period(data) == period) {
            rate::set_aged(&mut self.words[place..], self.now, aged, elapsed);
        }
    }

    /// Makes a counter or rate what is said; false where the table does not hold it.
    pub fn set(&mut self, data: Data, index: u32, value: u64) -> bool {
        let Some(place) = self.layout.place(data, index) else { return false };
        let words = &mut self.words[place..];
        match data.form() {
            Form::Number | Form::Name => words[0] = value as u32,
            Form::Wide => set_wide(words, value),
            Form::Rate => rate::set(words, self.now, value as u32),
        }
        true
    }
}

fn wide(words: &[u32]) -> u64 {
    u64::from(words[0]) << 32 | u64::from(words[1])
}

fn set_wide(words: &mut [u32], value: u64) {
    words[0] = (value >> 32) as u32;
    words[1] = value as u32;
}

/// Whether that key is the entry's.
pub(super) fn is_key(words: &[u32], layout: &Layout, key: &[u8]) -> bool {
    let words = &words[HEADER..HEADER + key_words(layout.key)];
    match layout.key {
        KeyType::String(_) => {
            words[0] as usize == key.len() && in_words(layout, key).zip(&words[1..]).all(|(a, b)| a == *b)
        }
        _ => in_words(layout, key).eq(words.iter().copied()),
    }
}

/// Writes the key of a new entry, whose words are zero.
pub(super) fn set_key(words: &mut [u32], layout: &Layout, key: &[u8]) {
    let mut words = &mut words[HEADER..HEADER + key_words(layout.key)];
    if let KeyType::String(_) = layout.key {
        words[0] = key.len() as u32;
        words = &mut words[1..];
    }
    for (word, place) in in_words(layout, key).zip(words) {
        *place = word;
    }
}

/// What of a key a table keeps.
pub(super) fn cut<'a>(layout: &Layout, key: &'a [u8]) -> &'a [u8] {
    let most = match layout.key {
        KeyType::Ip | KeyType::Integer => WORD,
        KeyType::Ipv6 => 4 * WORD,
        KeyType::String(length) | KeyType::Binary(length) => length as usize,
    };
    &key[..key.len().min(most)]
}

/// A key as it lies in an entry: a string in the words it needs, all else in all of them.
pub(super) fn in_words<'a>(layout: &Layout, key: &'a [u8]) -> impl Iterator<Item = u32> + use<'a> {
    let words = match layout.key {
        KeyType::String(_) => key.len().div_ceil(WORD),
        other => key_words(other),
    };
    (0..words).map(move |n| as_word(key.get(n * WORD..).unwrap_or_default()))
}

/// The same of an entry.
pub(super) fn words_of_key<'a>(words: &'a [u32], layout: &Layout) -> &'a [u32] {
    match layout.key {
        KeyType::String(_) => {
            let length = words[HEADER] as usize;
            &words[HEADER + 1..HEADER + 1 + length.div_ceil(WORD)]
        }
        other => &words[HEADER..HEADER + key_words(other)],
    }
}

fn as_word(bytes: &[u8]) -> u32 {
    let mut word = [0; WORD];
    let n = bytes.len().min(WORD);
    word[..n].copy_from_slice(&bytes[..n]);
    u32::from_be_bytes(word)
}
