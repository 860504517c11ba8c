//! The file of a table: whatever it says, the table holds what it may, and what it holds is saved and restored as it is.

use std::time::Duration;

use proxyd::config::table::{Data, Form, KeyType, Stored, Table as Conf};
use proxyd::stick::{Cursor, Table};
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8] = b"proxyd stick table 1\n";
const NOW: u64 = 7_000_000;
const WALL: u64 = 1_700_000_000_000;

/// What stands between the first line of a file and its sum; the first byte chooses the table.
pub fn saved_table(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let conf = conf(*choice);
    let _refused = Table::new(&conf).restore(body, NOW, WALL);
    let table = Table::new(&conf);
    let mut file = [MAGIC, body].concat();
    file.extend(xxh3_64(&file).to_le_bytes());
    let restored = table.restore(&file, NOW, WALL);
    assert_eq!(restored.unwrap_or(0), table.used(), "what is refused leaves nothing");
    assert!(table.used() <= conf.entries);
    let mut saved = Vec::new();
    table.save(&mut saved, NOW, WALL).expect("memory takes all");
    let second = Table::new(&conf);
    assert_eq!(second.restore(&saved, NOW, WALL), Ok(table.used()));
    assert_eq!(told(&second), told(&table));
}

fn conf(choice: u8) -> Conf {
    let is = |bit: u8| choice & bit != 0;
    let key = match choice % 8 {
        0 => KeyType::Ip,
        1 => KeyType::Ipv6,
        2 => KeyType::Integer,
        3 => KeyType::Binary(5),
        _ => KeyType::String(9),
    };
    let few = [Data::ServerKey, Data::ConnRate, Data::Gpc, Data::BytesInCnt];
    let stored = |data: &Data| Stored {
        data: *data,
        period: if data.form() == Form::Rate { Duration::from_secs(10) } else { Duration::ZERO },
        count: if data.is_array() { 3 } else { 1 },
    };
    Conf {
        name: "t".to_owned(),
        key,
        entries: if is(8) { 3 } else { 50 },
        expire: is(16).then_some(Duration::from_secs(100)),
        store: if is(32) { few.iter().map(stored).collect() } else { Data::ALL.iter().map(stored).collect() },
        no_purge: is(64),
        save: None,
    }
}

/// The key of each entry, what it has left, and what it holds.
fn told(table: &Table) -> Vec<(Vec<u8>, Option<u64>, Vec<String>)> {
    let (mut cursor, mut all) = (Cursor::default(), Vec::new());
    while table.walk(&mut cursor, 100, NOW, |_, entry| {
        let mut key = Vec::new();
        entry.key(&mut key);
        let values = table.layout().data().flat_map(|data| {
            (0..table.layout().count(data)).map(move |index| {
                let value = entry.get(data, index).expect("it holds it");
                match data.form() {
                    Form::Name => format!("{:?}", table.server_name(value)),
                    _ => value.to_string(),
                }
            })
        });
        all.push((key, entry.left(), values.collect()));
    }) {}
    all.sort();
    all
}
