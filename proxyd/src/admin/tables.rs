//! `show table`, `set table`, `clear table`: HAProxy's words and wording.
//!
//! A table lives on while it is walked over: a lock is held for the time of a few entries, and what is written was copied
//! before.

use std::cmp::Ordering;
use std::io::{self, Write as _};

use proto::command::table::{CLEAR_TABLE, SET_TABLE, SHOW_TABLE};
use proto::command::{Refusal, TableAction, TableRequest};
use proto::level::Level;

use super::output::Output;
use super::reply::Reply;
use crate::config::table::{Data, Form, KeyType};
use crate::model::change::Cause;
use crate::model::shared::Shared;
use crate::stick::key::{self, Key};
use crate::stick::{Batch, Cursor, Entry, Layout, Pointer, Removal, Table};
use crate::telemetry::sampler;

/// Entries that are looked at while a lock is held.
const STEPS: u32 = 64;

/// Conditions of one filter at most.
const CONDITIONS: usize = 4;

/// What is to be done with which table, and why.
#[derive(Clone, Copy)]
struct Order<'a> {
    shared: &'a Shared,
    table: &'a Table,
    action: TableAction,
    cause: Cause<'a>,
}

/// Carries out a command; what it shows goes out as it is made.
pub(super) async fn run(
    shared: &Shared,
    request: &TableRequest,
    level: Level,
    cause: Cause<'_>,
    output: &mut Output<'_>,
) -> io::Result<Reply> {
    let snapshot = shared.snapshot();
    let Some(name) = &request.table else {
        // The last one stands first, as HAProxy has it.
        for table in snapshot.tables.iter().rev() {
            sampler::sweep(shared, table).await;
            head(&mut output.bytes, table);
            output.pause().await?;
        }
        output.flush().await?;
        return Ok(Reply::Silent);
    };
    let Some(table) = snapshot.table(name) else {
        return Ok(Refusal::error("No such table").into());
    };
    let may = level >= Level::Operator;
    if request.action != TableAction::Show && !may {
        return Ok(Refusal::denied().into());
    }
    let order = Order { shared, table, action: request.action, cause };
    let words: Vec<&str> = request.words.iter().map(String::as_str).collect();
    let done = match words.first() {
        Some(&"key" | &"ptr") if !may => Err(Refusal::denied()),
        Some(&"key") => one_key(table, &words[1..]).and_then(|key| one(order, &key, &words)),
        Some(&"ptr") => {
            let now = shared.epoch.now_ms();
            one_pointer(table, &words[1..], now).and_then(|key| one(order, &key, &words))
        }
        Some(word) if word.starts_with("data.") && request.action != TableAction::Set => {
            match Filter::read(table.layout(), &words) {
                Ok(filter) => return all(order, &filter, may, output).await,
                Err(refusal) => Err(refusal),
            }
        }
        Some(word) if word.starts_with("data.") => Err(Refusal::error(
            "content-based lookup is only supported with the \"show\" and \"clear\" actions",
        )),
        None if request.action != TableAction::Set => {
            return all(order, &Filter::default(), may, output).await;
        }
        _ => Err(Refusal::error(usage(request.action))),
    };
    Ok(match done {
        Ok(shown) => {
            output.bytes.extend_from_slice(&shown);
            output.flush().await?;
            Reply::Silent
        }
        Err(refusal) => refusal.into(),
    })
}

const fn usage(action: TableAction) -> &'static str {
    match action {
        TableAction::Show => SHOW_TABLE,
        TableAction::Set => SET_TABLE,
        TableAction::Clear => CLEAR_TABLE,
    }
}

/// The entries of a filter.
async fn all(order: Order<'_>, filter: &Filter, may: bool, output: &mut Output<'_>) -> io::Result<Reply> {
    let Order { shared, table, action, cause } = order;
    sampler::sweep(shared, table).await;
    let (mut cursor, mut more) = (Cursor::default(), may);
    let before = table.used();
    if action == TableAction::Show {
        head(&mut output.bytes, table);
        if !may {
            output.bytes.extend_from_slice(b"# contents not dumped due to insufficient privileges\n");
        }
    }
    let mut batch = Batch::default();
    while more {
        let now = shared.epoch.now_ms();
        if action == TableAction::Show {
            more = table.copy(&mut cursor, STEPS, now, &mut batch);
            for (pointer, entry) in table.copied(&batch, now).filter(|(_, entry)| filter.holds(*entry)) {
                line(&mut output.bytes, table, pointer, entry);
            }
        } else {
            more = table.purge(&mut cursor, STEPS, now, |entry| filter.holds(entry));
        }
        output.pause().await?;
    }
    if action == TableAction::Clear {
        shared.table_cleared(table, before, cause);
    }
    output.flush().await?;
    Ok(Reply::Silent)
}

/// One entry; returns what is shown.
fn one(order: Order<'_>, key: &Key, words: &[&str]) -> Result<Vec<u8>, Refusal> {
    let Order { shared, table, action, cause } = order;
    let (now, before) = (shared.epoch.now_ms(), table.used());
    if let KeyType::Binary(_) = table.layout().key_type() {
        let (doing, of) = match action {
            TableAction::Show => ("Showing", "from"),
            TableAction::Set => ("Inserting", "into"),
            TableAction::Clear => ("Removing", "from"),
        };
        return Err(Refusal::error(format!(
            "{doing} keys {of} tables of type other than ip, ipv6, string and integer is not supported"
        )));
    }
    let mut shown = Vec::new();
    match action {
        TableAction::Show => {
            table.peek_at(key, now, |pointer, entry| {
                head(&mut shown, table);
                line(&mut shown, table, pointer, entry);
            });
        }
        TableAction::Clear => match table.remove(key, now) {
            Removal::Removed => shared.table_cleared(table, before, cause),
            Removal::Absent => {}
            Removal::InUse => return Err(Refusal::error("Entry currently in use, cannot remove")),
        },
        TableAction::Set => {
            let values = values(table.layout(), &words[2..])?;
            let entered = table.enter(key, now, |entry| {
                for (data, index, value) in &values {
                    entry.set(*data, *index, *value);
                }
            });
            entered.ok_or_else(|| Refusal::error("Unable to allocate a new entry"))?;
            shared.table_set(table, before, cause);
        }
    }
    Ok(shown)
}

fn one_key(table: &Table, words: &[&str]) -> Result<Key, Refusal> {
    let word = words.first().ok_or_else(|| Refusal::error("Key value expected"))?;
    key::of_text(table.layout().key_type(), word).ok_or_else(|| Refusal::error("Invalid key"))
}

/// The key of the entry that is shown under a pointer.
fn one_pointer(table: &Table, words: &[&str], now: u64) -> Result<Key, Refusal> {
    let number = words.first().and_then(|word| word.strip_prefix("0x"));
    let number = number.ok_or_else(|| Refusal::error("Pointer expected (0xffff notation)"))?;
    let number = u64::from_str_radix(number, 16).map_err(|_not_hex| Refusal::error("Malformed ptr."))?;
    let mut key = Vec::new();
    table
        .at(Pointer::from_number(number), now, |entry| entry.key(&mut key))
        .ok_or_else(|| Refusal::error("No entry can be found matching ptr."))?;
    Ok(Key::from_vec(key))
}

/// `data.gpc0 5 data.gpt[2] 7`
fn values(layout: &Layout, words: &[&str]) -> Result<Vec<(Data, u32, u64)>, Refusal> {
    let pairs = words.chunks(2).map(|pair| {
        let name = pair[0].strip_prefix("data.");
        let name = name.ok_or_else(|| Refusal::error("\"data.<type>\" followed by a value expected"))?;
        let (data, index) = data(name).ok_or_else(|| Refusal::error("Unknown data type"))?;
        if !layout.holds(data) {
            return Err(Refusal::error("Data type not stored in this table"));
        }
        let value = pair.get(1).and_then(|value| value.parse::<i64>().ok());
        let value = value.ok_or_else(|| Refusal::error("Require a valid integer value to store"))?;
        if index >= layout.count(data) {
            return Err(Refusal::error("index out of range in this data array"));
        }
        Ok((data, index, value as u64))
    });
    // A server's name has no number that could be typed.
    let named = |pair: &Result<(Data, u32, u64), Refusal>| !matches!(pair, Ok((Data::ServerKey, ..)));
    pairs.filter(named).collect()
}

/// `gpc0`, or `gpc[2]` of an array, whose first is meant by its name alone.
fn data(name: &str) -> Option<(Data, u32)> {
    match name.split_once('[') {
        None => Some((Data::named(name)?, 0)),
        Some((name, index)) => {
            let index = index.strip_suffix(']')?.parse().ok()?;
            Some((Data::named(name).filter(|data| data.is_array())?, index))
        }
    }
}

/// `data.gpc0 gt 0 data.conn_cur le 5`: all of them hold.
#[derive(Debug, Default)]
struct Filter(Vec<Condition>);

#[derive(Debug)]
struct Condition {
    data: Data,
    index: u32,
    operator: &'static Operator,
    value: i64,
}

type Operator = (&'static str, fn(Ordering) -> bool);

const OPERATORS: [Operator; 6] = [
    ("eq", Ordering::is_eq),
    ("ne", Ordering::is_ne),
    ("le", Ordering::is_le),
    ("ge", Ordering::is_ge),
    ("lt", Ordering::is_lt),
    ("gt", Ordering::is_gt),
];

impl Filter {
    fn read(layout: &Layout, words: &[&str]) -> Result<Self, Refusal> {
        let wrong = |at: usize, what: &str| Refusal::error(format!("Filter entry #{}: {what}", at + 1));
        let conditions = words.chunks(3).take(CONDITIONS).enumerate().map(|(at, condition)| {
            let known = condition[0].strip_prefix("data.").and_then(data);
            let (data, index) = known.ok_or_else(|| wrong(at, "Unknown data type"))?;
            if !layout.holds(data) {
                return Err(wrong(at, "Data type not stored in this table"));
            }
            let operator = condition.get(1).and_then(|word| OPERATORS.iter().find(|known| known.0 == *word));
            let operator = operator.ok_or_else(|| {
                wrong(at, "Require and operator among \"eq\", \"ne\", \"le\", \"ge\", \"lt\", \"gt\"")
            })?;
            let value = condition.get(2).and_then(|value| value.parse().ok());
            let value = value.ok_or_else(|| wrong(at, "Require a valid integer value to compare against"))?;
            Ok(Condition { data, index, operator, value })
        });
        let conditions = conditions.collect::<Result<_, _>>()?;
        match words.get(CONDITIONS * 3) {
            // HAProxy counts from the command's first word.
            Some(_) => Err(Refusal::error(format!(
                "Detected extra data in filter, {}th word of input, after '{}'",
                CONDITIONS * 3 + 4,
                words[CONDITIONS * 3 - 1]
            ))),
            None => Ok(Self(conditions)),
        }
    }

    fn holds(&self, entry: Entry<'_>) -> bool {
        self.0.iter().all(|Condition { data, index, operator, value }| {
            let found = match data.form() {
                Form::Name => Some(0),
                _ => entry.get(*data, *index),
            };
            found.is_some_and(|found| operator.1((found as i64).cmp(value)))
        })
    }
}

fn head(out: &mut Vec<u8>, table: &Table) {
    let (name, conf) = (&table.name, table.conf());
    // Writing to a Vec cannot fail.
    let _infallible = writeln!(
        out,
        "# table: {name}, type: {}, size:{}, used:{}",
        conf.key.word(),
        conf.entries,
        table.used()
    );
}

fn line(out: &mut Vec<u8>, table: &Table, pointer: Pointer, entry: Entry<'_>) {
    let layout = table.layout();
    // Writing to a Vec cannot fail.
    let _infallible = write!(out, "{:#x}: key=", pointer.number());
    let mut key = Vec::new();
    entry.key(&mut key);
    key::show(layout.key_type(), &key, out);
    let _infallible = write!(out, " use={} exp={} shard=0", entry.uses(), entry.left().unwrap_or(0));
    for data in layout.data() {
        let (name, behind) = match data.name().split_once('_') {
            Some((name, behind)) if data.is_array() => (name, format!("_{behind}")),
            _ => (data.name(), String::new()),
        };
        for index in 0..layout.count(data) {
            let number = if data.is_array() { index.to_string() } else { String::new() };
            let _infallible = write!(out, " {name}{number}{behind}");
            let _infallible = match data.form() {
                Form::Rate => write!(out, "({})=", layout.period(data)),
                _ => write!(out, "="),
            };
            let value = entry.get(data, index).unwrap_or_default();
            let _infallible = match data {
                Data::ServerKey => match table.server_name(value) {
                    Some(name) => write!(out, "{name}"),
                    None => write!(out, "-"),
                },
                Data::ServerId => write!(out, "{}", value as i32),
                _ => write!(out, "{value}"),
            };
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests;
