use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::table::{Data, KeyType, Stored};

fn stored(data: Data) -> Stored {
    let period = if data.form() == conf::Form::Rate { Duration::from_secs(10) } else { Duration::ZERO };
    Stored { data, period, count: if data.is_array() { 4 } else { 1 } }
}

fn conf(key: KeyType, entries: u32, store: &[Data]) -> conf::Table {
    conf::Table {
        name: "t".to_owned(),
        key,
        entries,
        expire: Some(Duration::from_secs(10)),
        store: store.iter().copied().map(stored).collect(),
        no_purge: false,
        save: None,
    }
}

fn number(n: u32) -> [u8; 4] {
    n.to_be_bytes()
}

fn keys(table: &Table, now: u64) -> Vec<Vec<u8>> {
    let (mut cursor, mut keys) = (Cursor::default(), Vec::new());
    while table.walk(&mut cursor, 100, now, |_, entry| {
        let mut key = Vec::new();
        entry.key(&mut key);
        keys.push(key);
    }) {}
    keys.sort_unstable();
    keys
}

fn sweep(table: &Table, now: u64) {
    (0..table.parts()).for_each(|part| table.sweep(part, now));
}

#[test]
fn an_entry_is_found_under_its_key_alone() {
    for (kind, one, other) in [
        (KeyType::Ip, &[10, 0, 0, 1][..], &[10, 0, 0, 2][..]),
        (KeyType::Ipv6, &[7; 16], &[8; 16]),
        (KeyType::Integer, &[0, 0, 0, 1], &[1, 0, 0, 0]),
        (KeyType::String(9), b"alice", b"alice\0"),
        (KeyType::String(9), b"", b"a"),
        (KeyType::Binary(6), &[1, 2, 3, 4, 5, 6], &[1, 2, 3, 4, 5, 7]),
    ] {
        let table = Table::new(&conf(kind, 100, &[Data::Gpc0]));
        table.enter(one, 1, |entry| entry.add(Data::Gpc0, 0, 5));
        assert_eq!(table.peek(one, 1, |entry| entry.get(Data::Gpc0, 0)), Some(Some(5)), "{kind:?}");
        assert_eq!(table.peek(other, 1, |_| ()), None, "{kind:?}");
        assert_eq!(keys(&table, 1), [one]);
    }
}

#[test]
fn keys_have_the_length_of_their_type() {
    let strings = Table::new(&conf(KeyType::String(4), 100, &[]));
    strings.enter(b"abcdef", 1, |_| ());
    assert_eq!(keys(&strings, 1), [b"abcd"]);
    assert!(strings.peek(b"abcdxx", 1, |_| ()).is_some());
    let bytes = Table::new(&conf(KeyType::Binary(5), 100, &[]));
    bytes.enter(b"ab", 1, |_| ());
    assert_eq!(keys(&bytes, 1), [b"ab\0\0\0"]);
    assert!(bytes.peek(b"ab\0", 1, |_| ()).is_some());
    assert!(bytes.peek(b"ab\0\0\x01", 1, |_| ()).is_none());
}

#[test]
fn all_kinds_of_data_stand_beside_each_other() {
    let table = Table::new(&conf(KeyType::Ip, 10, Data::ALL));
    table.enter(&number(1), 1000, |entry| {
        for (n, data) in Data::ALL.iter().enumerate() {
            for index in 0..table.layout().count(*data) {
                assert!(entry.set(*data, index, n as u64 * 10 + u64::from(index)));
            }
        }
        assert!(!entry.set(Data::Gpc, 4, 1) && !entry.set(Data::Gpt0, 1, 1));
    });
    table.peek(&number(1), 1000, |entry| {
        for (n, data) in Data::ALL.iter().enumerate() {
            for index in 0..table.layout().count(*data) {
                assert_eq!(entry.get(*data, index), Some(n as u64 * 10 + u64::from(index)), "{data:?}");
            }
        }
        assert_eq!(entry.get(Data::Gpc, 4), None);
    });
    let wide = |entry: &mut EntryMut<'_>| entry.add(Data::BytesInCnt, 0, u64::from(u32::MAX) * 4);
    table.enter(&number(2), 1000, wide);
    assert_eq!(table.peek(&number(2), 1000, |e| e.get(Data::BytesInCnt, 0)).unwrap(), Some(17_179_869_180));
}

#[test]
fn an_entry_is_never_seen_after_its_time() {
    let table = Table::new(&conf(KeyType::Integer, 100, &[Data::Gpc0]));
    table.enter(&number(1), 1000, |entry| entry.add(Data::Gpc0, 0, 1));
    assert_eq!(table.peek(&number(1), 10_999, |entry| entry.left()), Some(Some(1)));
    assert!(table.peek(&number(1), 11_000, |_| ()).is_none());
    assert!(table.find(&number(1), 11_000, |_| ()).is_none());
    assert_eq!(keys(&table, 11_000), Vec::<Vec<u8>>::new());
    assert_eq!(table.used(), 1);
    sweep(&table, 10_999);
    assert_eq!(table.used(), 1);
    sweep(&table, 11_000);
    assert_eq!(table.used(), 0);
    // What comes anew begins anew.
    table.enter(&number(2), 1000, |entry| entry.add(Data::Gpc0, 0, 1));
    table.enter(&number(2), 11_000, |entry| assert_eq!(entry.as_ref().get(Data::Gpc0, 0), Some(0)));
    assert_eq!(table.used(), 1);
}

#[test]
fn looking_does_not_refresh_and_using_does() {
    let table = Table::new(&conf(KeyType::Integer, 100, &[]));
    table.enter(&number(1), 1000, |_| ());
    table.enter(&number(2), 1000, |_| ());
    table.peek(&number(1), 9000, |_| ());
    table.find(&number(2), 9000, |_| ());
    assert!(table.peek(&number(1), 12_000, |_| ()).is_none());
    assert!(table.peek(&number(2), 12_000, |_| ()).is_some());
}

#[test]
fn the_longest_unused_goes_first() {
    let table = Table::new(&conf(KeyType::Integer, 3, &[]));
    for n in 1..=3 {
        table.enter(&number(n), 1, |_| ());
    }
    table.find(&number(1), 1, |_| ());
    table.enter(&number(4), 1, |_| ());
    assert_eq!(keys(&table, 1), [number(1), number(3), number(4)]);
    assert_eq!(table.used(), 3);
}

#[test]
fn a_full_table_may_refuse_instead() {
    let table = Table::new(&conf::Table { no_purge: true, ..conf(KeyType::Integer, 2, &[]) });
    assert!(table.enter(&number(1), 1, |_| ()).is_some());
    assert!(table.enter(&number(2), 500, |_| ()).is_some());
    assert!(table.enter(&number(3), 600, |_| ()).is_none());
    assert!(table.enter(&number(2), 600, |_| ()).is_some());
    // What expired makes room at once.
    assert!(table.enter(&number(3), 10_001, |_| ()).is_some());
    assert_eq!((table.used(), keys(&table, 10_001)), (2, vec![number(2).to_vec(), number(3).to_vec()]));
}

#[test]
fn a_full_table_of_many_parts_gives_what_expired_anywhere() {
    let many = conf::Table { no_purge: true, ..conf(KeyType::Integer, 10_000, &[]) };
    let table = Table::new(&many);
    assert_eq!(table.parts(), 16);
    // All but a few stay for long.
    for n in 0..10_000 {
        let at = if n < 5 { 1000 } else { 5000 };
        assert!(table.enter(&number(n), at, |_| ()).is_some(), "{n}");
    }
    let fits = |n: u32, now: u64| table.enter(&number(20_000 + n), now, |_| ()).is_some();
    assert!((0..100).all(|n| !fits(n, 10_999)));
    // One that is used again stays.
    table.find(&number(0), 10_999, |_| ());
    assert_eq!((0..100).filter(|n| fits(*n, 11_000)).count(), 4);
    assert_eq!(table.used(), 10_000);
    // What is taken away makes room before any time is over.
    assert_eq!(table.remove(&number(77), 11_000), Removal::Removed);
    assert_eq!((200..300).filter(|n| fits(*n, 11_000)).count(), 1);
    // So does what is given back, when its time is over.
    let held: Vec<_> = (5..50).map(|n| table.hold(&number(n), 11_000, |_| ()).unwrap()).collect();
    assert_eq!((300..15_000).filter(|n| fits(*n, 15_000)).count(), 10_000 - 45 - 1 - 5);
    assert!(!fits(15_000, 20_000));
    for held in held {
        table.release(held, 20_000, |_| ());
    }
    assert!(!fits(15_001, 20_000));
    assert_eq!(table.used(), 10_000);
    assert!((0..10_000).all(|n| fits(30_000 + n, 30_000)));
}

#[test]
fn who_finds_a_part_busy_waits_for_it_only_where_something_may_have_expired() {
    let full = Table::new(&conf::Table { no_purge: true, ..conf(KeyType::Integer, 10_000, &[]) });
    for n in 0..10_000 {
        full.enter(&number(n), if n == 0 { 1000 } else { 5000 }, |_| ()).unwrap();
    }
    let (of_first, ..) = full.locate(&number(0));
    let elsewhere = (20_000..u32::MAX).map(number).find(|key| full.locate(key).0 != of_first).unwrap();
    let enter = |now: u64| full.enter(&elsewhere, now, |_| ()).is_some();
    assert!(!enter(10_999));
    std::thread::scope(|scope| {
        let busy = full.lock(of_first);
        // Nothing can have expired, as was seen before: nobody looks.
        assert!(!scope.spawn(move || enter(10_999)).join().unwrap());
        let waits = scope.spawn(move || enter(11_000));
        let a_while = Duration::from_millis(50);
        std::thread::park_timeout(a_while);
        assert!(!waits.is_finished(), "it gave up where there was room");
        drop(busy);
        assert!(waits.join().unwrap());
    });
}

#[test]
fn who_is_held_neither_expires_nor_makes_room() {
    let table = Table::new(&conf(KeyType::Integer, 2, &[Data::ConnCur]));
    let enter = |entry: &mut EntryMut<'_>| entry.add(Data::ConnCur, 0, 1);
    let first = table.hold(&number(1), 1, enter).unwrap();
    let second = table.hold(&number(1), 1, enter).unwrap();
    assert_eq!(
        table.peek(&number(1), 1, |entry| (entry.uses(), entry.get(Data::ConnCur, 0))).unwrap(),
        (2, Some(2))
    );
    for n in 2..9 {
        table.enter(&number(n), 20_000, |_| ());
    }
    sweep(&table, 50_000);
    assert_eq!(keys(&table, 50_000), [number(1)]);
    assert_eq!(table.remove(&number(1), 50_000), Removal::InUse);
    table.release(first, 50_000, |entry| entry.sub(Data::ConnCur, 1));
    assert_eq!(table.remove(&number(1), 50_000), Removal::InUse);
    table.release(second, 60_000, |entry| entry.sub(Data::ConnCur, 1));
    assert_eq!(table.peek(&number(1), 69_999, |entry| entry.get(Data::ConnCur, 0)), Some(Some(0)));
    assert!(table.peek(&number(1), 70_000, |_| ()).is_none());
    let all: Vec<_> = (0..2).map(|n| table.hold(&number(100 + n), 70_000, |_| ()).unwrap()).collect();
    assert!(table.hold(&number(3), 70_000, |_| ()).is_none());
    assert_eq!(all.len(), 2);
}

#[test]
fn entries_can_be_taken_away() {
    let table = Table::new(&conf(KeyType::Integer, 5000, &[Data::Gpc0]));
    for n in 0..5000 {
        table.enter(&number(n), 1, |entry| entry.set(Data::Gpc0, 0, u64::from(n)));
    }
    assert_eq!(table.remove(&number(7), 1), Removal::Removed);
    assert_eq!(table.remove(&number(7), 1), Removal::Absent);
    let held = table.hold(&number(9), 1, |_| ()).unwrap();
    let mut cursor = Cursor::default();
    while table.purge(&mut cursor, 64, 1, |entry| entry.get(Data::Gpc0, 0) < Some(4990)) {}
    let mut left: Vec<_> = (4990..5000).map(|n| number(n).to_vec()).collect();
    left.insert(0, number(9).to_vec());
    assert_eq!((keys(&table, 1), table.used()), (left, 11));
    table.release(held, 1, |_| ());
    let mut cursor = Cursor::default();
    while table.purge(&mut cursor, 64, 1, |_| true) {}
    assert_eq!(table.used(), 0);
}

#[test]
fn a_pointer_leads_to_its_entry() {
    let table = Table::new(&conf(KeyType::Integer, 100_000, &[]));
    for n in 0..1000 {
        table.enter(&number(n), 1, |_| ());
    }
    let (mut cursor, mut all) = (Cursor::default(), Vec::new());
    while table.walk(&mut cursor, 7, 1, |pointer, entry| {
        let mut key = Vec::new();
        entry.key(&mut key);
        all.push((pointer, key));
    }) {}
    assert_eq!(all.len(), 1000);
    for (pointer, key) in &all {
        let mut found = Vec::new();
        assert!(table.at(Pointer::from_number(pointer.number()), 1, |entry| entry.key(&mut found)).is_some());
        assert_eq!(&found, key);
    }
    for number in [0, 1, POINTER, u64::MAX, POINTER | 64 << 36, POINTER | 0xf_ffff_fff0] {
        let found = table.at(Pointer::from_number(number), 1, |_| ());
        assert_eq!(found.is_some(), all.iter().any(|(pointer, _)| pointer.number() == number));
    }
}

#[test]
fn servers_have_numbers() {
    let table = Table::new(&conf(KeyType::Ip, 10, &[Data::ServerKey]));
    let (one, two) = (table.intern("app1"), table.intern("app2"));
    assert_eq!((one, two, table.intern("app1")), (1, 2, 1));
    assert_eq!(table.server_name(2).as_deref(), Some("app2"));
    assert_eq!((table.server_name(0), table.server_name(3)), (None, None));
    for n in 0..5000_u32 {
        assert_eq!(table.intern(&format!("s{n}")), n + 3);
    }
    assert_eq!((table.intern("s4999"), table.server_name(5002).as_deref()), (5002, Some("s4999")));
}

#[test]
fn a_table_takes_no_more_than_was_worked_out() {
    let conf = conf(KeyType::Ip, 1_000_000, &[Data::HttpReqRate, Data::ConnCur]);
    assert_eq!(Table::entry_bytes(&conf), 44);
    let most = Table::most_bytes(&conf);
    assert!(most < 52_000_000, "{most}");
    let table = Table::new(&conf);
    for n in 0..1_200_000 {
        table.enter(&number(n), 1, |entry| entry.add(Data::HttpReqRate, 0, 1)).unwrap();
    }
    assert_eq!(table.used(), 1_000_000);
    let all = keys(&table, 1);
    assert_eq!(all.len(), 1_000_000);
    // Whoever made room was old: the order is exact within a shard.
    assert!(all.iter().filter(|key| key[..] < number(150_000)[..]).count() < 1000);
    assert!(
        all[all.len() - 900_000..]
            .iter()
            .map(|key| key[..].try_into().unwrap())
            .map(u32::from_be_bytes)
            .eq(300_000..1_200_000)
    );
    sweep(&table, 10_001);
    assert_eq!(table.used(), 0);
}

#[test]
fn threads_lose_nothing() {
    let table = Table::new(&conf(KeyType::Integer, 4000, &[Data::HttpReqCnt, Data::ConnCur]));
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let table = &table;
            scope.spawn(move || {
                for round in 0..20_000_u32 {
                    let key = number(round.wrapping_mul(7 + thread) % 64);
                    let held = table.hold(&key, 1, |entry| entry.add(Data::ConnCur, 0, 1)).unwrap();
                    table.with(&held, 1, |entry| entry.add(Data::HttpReqCnt, 0, 1));
                    // Others come and go, so that the table is full and purges all the time.
                    let other = number(1000 + (round * 4 + thread) % 10_000);
                    assert!(table.enter(&other, 1, |_| ()).is_some());
                    table.release(held, 1, |entry| entry.sub(Data::ConnCur, 1));
                }
            });
        }
    });
    assert!(table.used() <= 4000, "{}", table.used());
    assert_eq!(keys(&table, 1).len(), table.used() as usize);
    let (mut cursor, mut open) = (Cursor::default(), 0);
    while table.walk(&mut cursor, 100, 1, |_, entry| {
        open += entry.get(Data::ConnCur, 0).unwrap() + u64::from(entry.uses());
    }) {}
    assert_eq!(open, 0);
}

#[test]
fn what_is_held_outlasts_expiry_and_purges() {
    let table = Table::new(&conf(KeyType::Integer, 200, &[Data::Gpc0, Data::ConnCur]));
    let (clock, over) = (AtomicU64::new(1), AtomicBool::new(false));
    let now = || clock.load(Relaxed);
    std::thread::scope(|scope| {
        let (table, clock, over, now) = (&table, &clock, &over, &now);
        scope.spawn(move || {
            while !over.load(Relaxed) {
                // Half of a life at a time.
                clock.fetch_add(EXPIRE / 2, Relaxed);
                sweep(table, now());
                let mut cursor = Cursor::default();
                while table.purge(&mut cursor, 16, now(), |entry| entry.get(Data::Gpc0, 0) < Some(2)) {}
                table.remove(&number(3), now());
            }
        });
        let holders = (0..3_u32).map(|thread| {
            scope.spawn(move || {
                for round in 0..5000_u32 {
                    let key = number(round.wrapping_mul(7 + thread) % 300);
                    let held = table.hold(&key, now(), |entry| entry.add(Data::ConnCur, 0, 1)).unwrap();
                    let count = |entry: &mut EntryMut<'_>| {
                        entry.add(Data::Gpc0, 0, 1);
                        entry.as_ref().get(Data::Gpc0, 0).unwrap()
                    };
                    let first = table.with(&held, now(), count);
                    assert!(table.with(&held, now(), count) > first, "it began anew");
                    assert!(table.peek(&key, now(), |entry| entry.uses()) >= Some(1), "it is gone");
                    table.release(held, now(), |entry| entry.sub(Data::ConnCur, 1));
                }
            })
        });
        let holders: Vec<_> = holders.collect();
        let ended: Vec<_> = holders.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        over.store(true, Relaxed);
        for ended in ended {
            ended.unwrap();
        }
    });
    let (mut cursor, mut open, mut entries) = (Cursor::default(), 0, 0);
    while table.walk(&mut cursor, 100, 0, |_, entry| {
        open += entry.get(Data::ConnCur, 0).unwrap() + u64::from(entry.uses());
        entries += 1;
    }) {}
    assert_eq!((open, entries), (0, table.used()));
    sweep(&table, u64::MAX);
    assert_eq!(table.used(), 0);
}

/// What a table is to do, said plainly: entries in order of their use, the longest unused first.
struct Model {
    most: usize,
    no_purge: bool,
    entries: VecDeque<(u32, u64, u64, u32)>,
}

const EXPIRE: u64 = 10_000;

impl Model {
    fn expire(&mut self, now: u64) {
        self.entries.retain(|(_, until, _, uses)| *uses > 0 || *until > now);
    }

    fn take(&mut self, key: u32) -> Option<(u32, u64, u64, u32)> {
        let at = self.entries.iter().position(|entry| entry.0 == key)?;
        self.entries.remove(at)
    }

    fn find(&mut self, key: u32, now: u64) -> Option<&mut (u32, u64, u64, u32)> {
        let entry = self.take(key)?;
        self.entries.push_back((key, now + EXPIRE, entry.2, entry.3));
        self.entries.back_mut()
    }

    fn enter(&mut self, key: u32, now: u64) -> Option<&mut (u32, u64, u64, u32)> {
        if !self.entries.iter().any(|entry| entry.0 == key) {
            if self.entries.len() == self.most {
                if self.no_purge {
                    return None;
                }
                let oldest = self.entries.iter().position(|entry| entry.3 == 0)?;
                self.entries.remove(oldest);
            }
            self.entries.push_back((key, 0, 0, 0));
        }
        self.find(key, now)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Enter(u32, u64),
    Find(u32),
    Peek(u32),
    Hold(u32),
    Release(usize),
    Remove(u32),
    Sweep,
    Pass(u64),
    Purge(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..12_u32;
    prop_oneof![
        4 => (key.clone(), 1..5_u64).prop_map(|(key, n)| Step::Enter(key, n)),
        2 => key.clone().prop_map(Step::Find),
        1 => key.clone().prop_map(Step::Peek),
        2 => key.clone().prop_map(Step::Hold),
        2 => (0..8_usize).prop_map(Step::Release),
        1 => key.prop_map(Step::Remove),
        1 => Just(Step::Sweep),
        2 => (1..6000_u64).prop_map(Step::Pass),
        1 => (0..20_u64).prop_map(Step::Purge),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn a_table_does_what_a_plain_list_does(
        steps in prop::collection::vec(step(), 1..200),
        most in 1..9_u32,
        no_purge: bool,
    ) {
        let table = Table::new(&conf::Table { no_purge, ..conf(KeyType::Integer, most, &[Data::Gpc0]) });
        let mut model = Model { most: most as usize, no_purge, entries: VecDeque::new() };
        let (mut now, mut holds) = (1_u64, Vec::new());
        for step in steps {
            model.expire(now);
            match step {
                Step::Enter(key, n) => {
                    let theirs = model.enter(key, now).map(|entry| { entry.2 += n; entry.2 });
                    let ours = table.enter(&number(key), now, |entry| {
                        entry.add(Data::Gpc0, 0, n);
                        entry.as_ref().get(Data::Gpc0, 0).unwrap()
                    });
                    prop_assert_eq!(ours, theirs);
                }
                Step::Find(key) => {
                    let theirs = model.find(key, now).map(|entry| entry.2);
                    let ours = table.find(&number(key), now, |entry| entry.as_ref().get(Data::Gpc0, 0).unwrap());
                    prop_assert_eq!(ours, theirs);
                }
                Step::Peek(key) => {
                    let theirs = model.entries.iter().find(|entry| entry.0 == key).map(|entry| entry.2);
                    let ours = table.peek(&number(key), now, |entry| entry.get(Data::Gpc0, 0).unwrap());
                    prop_assert_eq!(ours, theirs);
                }
                Step::Hold(key) => {
                    let theirs = model.enter(key, now).map(|entry| entry.3 += 1);
                    let ours = table.hold(&number(key), now, |_| ());
                    prop_assert_eq!(ours.is_some(), theirs.is_some());
                    holds.extend(ours.map(|held| (key, held)));
                }
                Step::Release(which) => {
                    if !holds.is_empty() {
                        let (key, held) = holds.swap_remove(which % holds.len());
                        table.release(held, now, |_| ());
                        let entry = model.find(key, now).unwrap();
                        entry.3 -= 1;
                    }
                }
                Step::Remove(key) => {
                    let theirs = model.entries.iter().find(|entry| entry.0 == key).map(|entry| entry.3);
                    let expected = match theirs {
                        None => Removal::Absent,
                        Some(0) => { model.take(key); Removal::Removed }
                        Some(_) => Removal::InUse,
                    };
                    prop_assert_eq!(table.remove(&number(key), now), expected);
                }
                Step::Sweep => {
                    sweep(&table, now);
                    prop_assert_eq!(table.used() as usize, model.entries.len());
                }
                Step::Pass(ms) => now += ms,
                Step::Purge(below) => {
                    let mut cursor = Cursor::default();
                    while table.purge(&mut cursor, 3, now, |entry| entry.get(Data::Gpc0, 0) < Some(below)) {}
                    model.entries.retain(|entry| entry.3 > 0 || entry.2 >= below);
                }
            }
            model.expire(now);
            let mut expected: Vec<_> = model.entries.iter().map(|entry| number(entry.0).to_vec()).collect();
            expected.sort_unstable();
            prop_assert_eq!(keys(&table, now), expected);
            prop_assert!(table.used() <= most);
        }
    }
}
