//! A table as a file keeps it over a restart: its shape, then its entries, then a sum over all of it.
//!
//! Times are saved as what is left of them, and servers by their names, so that neither another clock nor another order
//! of servers matters. What the table of now does not store, or takes over another period, is left out.

use std::io::{self, Write};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{Batch, Cursor, EntryMut, Table, rate, shard};
use crate::config::table::{Data, Form, KeyType};

/// What a file begins with; the number is the version.
const MAGIC: &[u8] = b"proxyd stick table 1\n";

/// Entries that are copied at once.
const STEPS: u32 = 256;

/// Behind the last entry.
const END: u32 = u32::MAX;

/// What is left of an entry that has no end: less the longer it was unused, but never less than half of this.
const FOR_EVER: u64 = u64::MAX;

/// Why a file is of no use.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Damaged {
    #[error("it is not the file of a table, or of another version")]
    Foreign,
    #[error("its sum is wrong")]
    Sum,
    #[error("it ends early")]
    Short,
    #[error("its keys are of another type")]
    Key,
}

/// Whether bytes can be the beginning of what was saved.
pub fn begins(bytes: &[u8]) -> bool {
    MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())])
}

/// Writes, and sums up what is written.
struct Summed<W> {
    to: W,
    sum: Xxh3,
}

impl<W: Write> Summed<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.to.write_all(bytes)
    }

    fn number(&mut self, number: u32) -> io::Result<()> {
        self.put(&number.to_le_bytes())
    }

    fn wide(&mut self, number: u64) -> io::Result<()> {
        self.put(&number.to_le_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.number(bytes.len() as u32)?;
        self.put(bytes)
    }
}

/// What is saved of a table; connections that are open now will not be then.
fn saved(table: &Table) -> impl Iterator<Item = Data> + '_ {
    table.layout().data().filter(|data| *data != Data::ConnCur)
}

impl Table {
    /// Writes the table as it is, entries that come or go meanwhile or not. `wall_ms` is the time of day.
    pub fn save(&self, to: impl Write, now: u64, wall_ms: u64) -> io::Result<()> {
        let mut out = Summed { to, sum: Xxh3::new() };
        out.put(MAGIC)?;
        out.wide(wall_ms)?;
        let (kind, length) = kind(self.layout().key_type());
        out.number(kind)?;
        out.number(length)?;
        out.number(saved(self).count() as u32)?;
        for data in saved(self) {
            out.bytes(data.name().as_bytes())?;
            out.number(self.layout().period(data))?;
            out.number(self.layout().count(data))?;
        }
        let (mut cursor, mut batch, mut key) = (Cursor::default(), Batch::default(), Vec::new());
        loop {
            let more = self.copy(&mut cursor, STEPS, now, &mut batch);
            for (_, entry) in self.copied(&batch, now) {
                entry.key(&mut key);
                out.bytes(&key)?;
                out.wide(shard::left(entry.words, now).unwrap_or_else(|unused| FOR_EVER - unused))?;
                for data in saved(self) {
                    for index in 0..self.layout().count(data) {
                        match data.form() {
                            Form::Number => out.number(entry.get(data, index).unwrap_or(0) as u32)?,
                            Form::Wide => out.wide(entry.get(data, index).unwrap_or(0))?,
                            Form::Name => {
                                let name = entry.get(data, index).and_then(|number| self.server_name(number));
                                out.bytes(name.as_deref().unwrap_or("").as_bytes())?;
                            }
                            Form::Rate => {
                                let place = self.layout().place(data, index).unwrap_or(0);
                                let [age, current, previous] = rate::aged(&entry.words[place..], now);
                                out.number(age)?;
                                out.number(current)?;
                                out.number(previous)?;
                            }
                        }
                    }
                }
            }
            if !more {
                break;
            }
        }
        out.number(END)?;
        let sum = out.sum.digest();
        out.to.write_all(&sum.to_le_bytes())?;
        out.to.flush()
    }

    /// Takes up what was saved; returns how many entries there are of it.
    pub fn restore(&self, bytes: &[u8], now: u64, wall_ms: u64) -> Result<u32, Damaged> {
        let body = bytes.strip_prefix(MAGIC).ok_or(Damaged::Foreign)?;
        let (body, sum) = body.split_last_chunk().ok_or(Damaged::Short)?;
        if xxh3_64(&bytes[..bytes.len() - sum.len()]) != u64::from_le_bytes(*sum) {
            return Err(Damaged::Sum);
        }
        let mut reader = Reader { rest: body };
        let elapsed = wall_ms.saturating_sub(reader.wide()?);
        if (reader.number()?, reader.number()?) != kind(self.layout().key_type()) {
            return Err(Damaged::Key);
        }
        let fields = (0..reader.number()?).map(|_| {
            let name = reader.bytes()?;
            let data = std::str::from_utf8(name).ok().and_then(Data::named).ok_or(Damaged::Foreign)?;
            Ok((data, reader.number()?, reader.number()?))
        });
        let fields: Vec<(Data, u32, u32)> = fields.collect::<Result<_, Damaged>>()?;
        // Where each entry stands and how long it lives: those that go first are entered first.
        let mut entries = Vec::new();
        let mut walk = Reader { rest: reader.rest };
        while let Some(key) = walk.key()? {
            let left = walk.wide()?;
            let values = Reader { rest: walk.rest };
            walk.skip(&fields)?;
            if left > elapsed {
                entries.push((left, key, values));
            }
        }
        entries.sort_by_key(|(left, ..)| *left);
        // A smaller table keeps those that stay longest, whether or not it would give up others for them.
        let most = self.conf().entries as usize;
        for (left, key, mut values) in entries.split_off(entries.len().saturating_sub(most)) {
            let unused = if left > FOR_EVER / 2 { (FOR_EVER - left).saturating_add(elapsed) } else { 0 };
            let until = match self.expire {
                Some(expire) => now.saturating_add(expire.min(left - elapsed)),
                None => shard::never(now, unused),
            };
            let entered =
                self.enter_until(key, now, until, |entry| values.fill(self, entry, &fields, elapsed));
            entered.transpose()?;
        }
        Ok(self.used())
    }
}

/// A type of keys in numbers.
fn kind(key: KeyType) -> (u32, u32) {
    match key {
        KeyType::Ip => (1, 0),
        KeyType::Ipv6 => (2, 0),
        KeyType::Integer => (3, 0),
        KeyType::String(length) => (4, length),
        KeyType::Binary(length) => (5, length),
    }
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Damaged::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, Damaged> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Damaged::Short)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*taken))
    }

    fn wide(&mut self) -> Result<u64, Damaged> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Damaged::Short)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*taken))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = self.number()?;
        self.take(length as usize)
    }

    /// The key of the next entry, if there is one.
    fn key(&mut self) -> Result<Option<&'a [u8]>, Damaged> {
        match self.number()? {
            END => Ok(None),
            length => self.take(length as usize).map(Some),
        }
    }

    fn skip(&mut self, fields: &[(Data, u32, u32)]) -> Result<(), Damaged> {
        for (data, _, count) in fields {
            for _ in 0..*count {
                match data.form() {
                    Form::Number => _ = self.take(4)?,
                    Form::Wide => _ = self.take(8)?,
                    Form::Rate => _ = self.take(12)?,
                    Form::Name => _ = self.bytes()?,
                }
            }
        }
        Ok(())
    }

    fn fill(
        &mut self,
        table: &Table,
        entry: &mut EntryMut<'_>,
        fields: &[(Data, u32, u32)],
        elapsed: u64,
    ) -> Result<(), Damaged> {
        for (data, period, count) in fields {
            for index in 0..*count {
                match data.form() {
                    Form::Number => {
                        let number = self.number()?;
                        // It is never written: nothing that was open then is open now.
                        if *data != Data::ConnCur {
                            entry.set(*data, index, number.into());
                        }
                    }
                    Form::Wide => _ = entry.set(*data, index, self.wide()?),
                    Form::Name => {
                        let name = std::str::from_utf8(self.bytes()?).unwrap_or_default();
                        if !name.is_empty() && table.layout().holds(*data) {
                            entry.set(*data, index, table.intern(name).into());
                        }
                    }
                    Form::Rate => {
                        let aged = [self.number()?, self.number()?, self.number()?];
                        entry.set_rate(*data, index, *period, aged, elapsed);
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::config::table::{Stored, Table as Conf};

    fn conf(key: KeyType, data: &[Data]) -> Conf {
        let stored = |data: &Data| Stored {
            data: *data,
            period: if data.form() == Form::Rate { Duration::from_secs(10) } else { Duration::ZERO },
            count: if data.is_array() { 3 } else { 1 },
        };
        Conf {
            name: "t".to_owned(),
            key,
            entries: 5000,
            expire: Some(Duration::from_secs(100)),
            store: data.iter().map(stored).collect(),
            no_purge: false,
            save: None,
        }
    }

    fn file(table: &Table, now: u64, wall: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        table.save(&mut bytes, now, wall).unwrap();
        bytes
    }

    fn get(table: &Table, key: &[u8], now: u64, data: Data, index: u32) -> Option<u64> {
        table.peek(key, now, |entry| entry.get(data, index)).flatten()
    }

    #[test]
    fn what_is_saved_is_there_again() {
        let old = Table::new(&conf(KeyType::String(9), Data::ALL));
        for n in 0..3000_u64 {
            let key = format!("k{n}");
            let server = old.intern(&format!("s{}", n % 3));
            old.enter(key.as_bytes(), 1000 + n * 10, |entry| {
                entry.add(Data::BytesInCnt, 0, n << 33);
                entry.add(Data::Gpc, 2, n);
                entry.add(Data::HttpReqRate, 0, 50);
                entry.set(Data::ServerKey, 0, server.into());
                entry.add(Data::ConnCur, 0, 4);
            });
        }
        let new = Table::new(&conf(KeyType::String(9), Data::ALL));
        new.intern("another");
        // Five seconds later, in another process.
        assert_eq!(new.restore(&file(&old, 31_000, 1_000_000), 7, 1_005_000), Ok(3000));
        for n in [0_u64, 1, 2, 1500, 2999] {
            let key = format!("k{n}");
            let key = key.as_bytes();
            assert_eq!(get(&new, key, 7, Data::BytesInCnt, 0), Some(n << 33));
            assert_eq!(get(&new, key, 7, Data::Gpc, 2), Some(n));
            assert_eq!(get(&new, key, 7, Data::ConnCur, 0), Some(0));
            let server = get(&new, key, 7, Data::ServerKey, 0).and_then(|number| new.server_name(number));
            assert_eq!(server.as_deref(), Some(&*format!("s{}", n % 3)));
            let left = 1000 + n * 10 + 100_000 - 31_000 - 5000;
            assert_eq!(new.peek(key, 7, |entry| entry.left()), Some(Some(left)));
        }
        // Counted at 30,990 of the old clock: of its ten seconds five are over, and some of the next.
        let rate = |now| get(&new, b"k2999", now, Data::HttpReqRate, 0).unwrap();
        assert_eq!(rate(7), 50);
        assert!((24..=26).contains(&rate(10_000)), "{}", rate(10_000));
        // Those that go first do.
        assert_eq!(new.peek(b"k0", 65_006, |_| ()), Some(()));
        assert_eq!(new.peek(b"k0", 65_007, |_| ()), None);
        (0..new.parts()).for_each(|part| new.sweep(part, 65_007 + 9));
        assert_eq!(new.used(), 2999);
    }

    #[test]
    fn another_table_takes_what_it_can_hold() {
        let old = Table::new(&conf(KeyType::Ip, &[Data::Gpc0, Data::HttpReqRate, Data::ServerId]));
        for n in 0..100_u32 {
            old.enter(&n.to_be_bytes(), 1000 + u64::from(n), |entry| {
                entry.add(Data::Gpc0, 0, n.into());
                entry.add(Data::HttpReqRate, 0, 5);
            });
        }
        let bytes = file(&old, 2000, 0);
        let mut smaller = conf(KeyType::Ip, &[Data::Gpc0, Data::HttpReqRate, Data::ConnCnt]);
        (smaller.entries, smaller.store[1].period) = (10, Duration::from_mins(1));
        let new = Table::new(&smaller);
        assert_eq!(new.restore(&bytes, 5, 1), Ok(10));
        // The youngest are left, and a rate over another time says nothing of this one.
        assert_eq!(new.used(), 10);
        let key = 99_u32.to_be_bytes();
        assert_eq!(get(&new, &key, 5, Data::Gpc0, 0), Some(99));
        assert_eq!(get(&new, &key, 5, Data::HttpReqRate, 0), Some(0));
        smaller.no_purge = true;
        let full = Table::new(&smaller);
        assert_eq!((full.restore(&bytes, 5, 1), get(&full, &key, 5, Data::Gpc0, 0)), (Ok(10), Some(99)));
        let other = Table::new(&conf(KeyType::Integer, &[]));
        assert_eq!(other.restore(&bytes, 5, 1), Err(Damaged::Key));
        // All is over after its time.
        let late = Table::new(&conf(KeyType::Ip, &[]));
        assert_eq!((late.restore(&bytes, 5, 100_000), late.used()), (Ok(0), 0));
    }

    #[test]
    fn what_was_unused_for_longest_goes_first_over_restarts_too() {
        let endless = |entries| Conf { entries, expire: None, ..conf(KeyType::Integer, &[Data::Gpc0]) };
        let key = |n: u32| n.to_be_bytes();
        let left = |table: &Table| {
            let is_there =
                |n: &u32| table.peek(&key(*n), 50, |entry| assert_eq!(entry.left(), None)).is_some();
            (0..20).filter(is_there).collect::<Vec<_>>()
        };
        let first = Table::new(&endless(10));
        for n in 0..10 {
            first.enter(&key(n), 1000, |_| ());
        }
        // The last ones are the oldest now.
        for n in (0..10).rev() {
            first.find(&key(n), 3000 - u64::from(n), |_| ());
        }
        let second = Table::new(&endless(8));
        assert_eq!(second.restore(&file(&first, 4000, 70_000), 5, 90_000), Ok(8));
        assert_eq!(left(&second), [0, 1, 2, 3, 4, 5, 6, 7]);
        second.find(&key(7), 6, |_| ());
        // Nothing else was used by this one, and its clock began later.
        let third = Table::new(&endless(5));
        assert_eq!(third.restore(&file(&second, 10, 90_005), 1, 90_006), Ok(5));
        assert_eq!(left(&third), [0, 1, 2, 3, 7]);
        third.enter(&key(19), 2, |_| ());
        assert_eq!(left(&third), [0, 1, 2, 7, 19]);
        // One whose entries have an end takes them for as long as it would its own, in their order.
        let ending = Table::new(&conf(KeyType::Integer, &[Data::Gpc0]));
        assert_eq!(ending.restore(&file(&third, 3, 90_008), 1, 100_000), Ok(5));
        assert_eq!(ending.peek(&key(7), 50, |entry| entry.left()), Some(Some(99_951)));
        let one = Table::new(&Conf { entries: 1, ..endless(1) });
        assert_eq!(one.restore(&file(&ending, 3, 100_000), 1, 100_000), Ok(1));
    }

    #[test]
    fn a_file_of_a_table_without_entries_is_fine() {
        let table = Table::new(&conf(KeyType::Ip, &[]));
        assert_eq!(table.restore(&file(&table, 1, 1), 1, 1), Ok(0));
        assert_eq!(table.restore(b"", 1, 1), Err(Damaged::Foreign));
        assert_eq!(table.restore(MAGIC, 1, 1), Err(Damaged::Short));
    }

    proptest! {
        #[test]
        fn no_damage_goes_unseen(at: prop::sample::Index, bit in 0..8_u32, cut: prop::sample::Index) {
            let table = Table::new(&conf(KeyType::Ip, &[Data::ServerKey, Data::ConnRate]));
            for n in 0..20_u32 {
                table.enter(&n.to_be_bytes(), 1000, |_| ());
            }
            let good = file(&table, 1000, 1000);
            let new = Table::new(&conf(KeyType::Ip, &[Data::ServerKey, Data::ConnRate]));
            let mut bytes = good.clone();
            bytes[at.index(good.len())] ^= 1 << bit;
            prop_assert!(new.restore(&bytes, 1, 1000).is_err());
            prop_assert!(new.restore(&good[..cut.index(good.len())], 1, 1000).is_err());
            prop_assert_eq!(new.used(), 0);
        }
    }
}
