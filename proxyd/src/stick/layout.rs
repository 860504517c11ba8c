//! Where each thing of an entry stands: worked out once a table, from what it holds.

use super::{entry, rate};
use crate::config::table::{Data, Form, KeyType, Stored};

/// Words in front of the key: who is next in its bucket, its neighbours in age, who holds it, until when.
pub(super) const HEADER: usize = 6;

/// Not held by the table.
const ABSENT: u16 = 0;

/// The places of an entry's parts, in words of 32 bits.
#[derive(Clone, Debug)]
pub struct Layout {
    pub(super) key: KeyType,
    /// Of data; the key stands before all of it.
    places: [u16; Data::COUNT],
    periods: [u32; Data::COUNT],
    counts: [u8; Data::COUNT],
    /// Words of an entry.
    pub(super) stride: usize,
}

impl Layout {
    pub(super) fn new(key: KeyType, store: &[Stored]) -> Self {
        let mut layout = Self {
            key,
            places: [ABSENT; Data::COUNT],
            periods: [0; Data::COUNT],
            counts: [0; Data::COUNT],
            stride: HEADER + key_words(key),
        };
        for stored in store {
            let which = stored.data as usize;
            layout.places[which] = layout.stride as u16;
            layout.periods[which] = u32::try_from(stored.period.as_millis()).unwrap_or(u32::MAX);
            layout.counts[which] = stored.count as u8;
            layout.stride += words(stored.data.form()) * stored.count as usize;
        }
        layout
    }

    pub fn key_type(&self) -> KeyType {
        self.key
    }

    pub fn holds(&self, data: Data) -> bool {
        self.places[data as usize] != ABSENT
    }

    /// Milliseconds over which a rate is taken.
    pub fn period(&self, data: Data) -> u32 {
        self.periods[data as usize]
    }

    /// How many there are of it: 0 where it is not held, 1 where it is no array.
    pub fn count(&self, data: Data) -> u32 {
        u32::from(self.counts[data as usize])
    }

    /// Where one stands.
    pub(super) fn place(&self, data: Data, index: u32) -> Option<usize> {
        let place = self.places[data as usize] as usize;
        (index < self.count(data)).then(|| place + index as usize * words(data.form()))
    }

    /// What is held, in HAProxy's order.
    pub fn data(&self) -> impl Iterator<Item = Data> + '_ {
        Data::ALL.iter().copied().filter(|data| self.holds(*data))
    }

    /// Whether entries of the other can be taken for this one's.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.key == other.key
            && self.places == other.places
            && self.periods == other.periods
            && self.counts == other.counts
    }
}

/// Words of the key: a string's length stands before it.
pub(super) const fn key_words(key: KeyType) -> usize {
    match key {
        KeyType::Ip | KeyType::Integer => 1,
        KeyType::Ipv6 => 4,
        KeyType::String(length) => 1 + (length as usize).div_ceil(entry::WORD),
        KeyType::Binary(length) => (length as usize).div_ceil(entry::WORD),
    }
}

const fn words(form: Form) -> usize {
    match form {
        Form::Number | Form::Name => 1,
        Form::Wide => 2,
        Form::Rate => rate::WORDS,
    }
}
