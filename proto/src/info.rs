//! `show info`: the state of the process as HAProxy's 82 named values, in its order and its three texts, and the
//! schema that describes the JSON ones. HAProxy's management guide, 9.3.

mod field;

use std::collections::BTreeMap;

pub use field::{Info, InfoField};

use crate::stats::Value;
use crate::stats::value::put_number;

/// How many fields there are.
pub const FIELDS: usize = Info::ALL.len();

/// The values of one answer. A field never set has no line.
#[derive(Clone, Debug, PartialEq)]
pub struct InfoValues {
    values: Box<[Option<Value>]>,
}

impl Default for InfoValues {
    fn default() -> Self {
        Self::new()
    }
}

impl InfoValues {
    pub fn new() -> Self {
        Self { values: vec![None; FIELDS].into_boxed_slice() }
    }

    /// Sets a field. A whole number takes the field's type. `float` of the command is an `f64` in [`Info::UptimeSec`] and [`Info::StartTimeSec`].
    pub fn set(&mut self, field: Info, value: impl Into<Value>) {
        self.values[field as usize] = Some(value.into().fit(field.field().value));
    }

    pub fn get(&self, field: Info) -> Option<&Value> {
        self.values[field as usize].as_ref()
    }

    /// The fields that are set, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Info, &Value)> {
        Info::ALL
            .into_iter()
            .zip(&self.values)
            .filter_map(|(field, value)| value.as_ref().map(|value| (field, value)))
    }
}

/// Appends `Name: value` lines.
pub fn plain(out: &mut Vec<u8>, values: &InfoValues, desc: bool) {
    for (field, value) in values.iter() {
        out.extend_from_slice(field.name().as_bytes());
        out.extend_from_slice(b": ");
        value.write_plain(out);
        end_line(out, field, desc);
    }
}

/// Appends `<position>.<name>.<process>:<tags>:<type>:<value>` lines.
pub fn typed(out: &mut Vec<u8>, values: &InfoValues, desc: bool) {
    for (field, value) in values.iter() {
        put_number(out, field as u16);
        out.push(b'.');
        out.extend_from_slice(field.name().as_bytes());
        out.extend_from_slice(b".1:");
        out.extend_from_slice(field.field().tags.letters().as_bytes());
        out.push(b':');
        out.extend_from_slice(value.value_type().word().as_bytes());
        out.push(b':');
        value.write_plain(out);
        end_line(out, field, desc);
    }
}

fn end_line(out: &mut Vec<u8>, field: Info, desc: bool) {
    if desc {
        out.extend_from_slice(b":\"");
        out.extend_from_slice(field.field().desc.as_bytes());
        out.push(b'"');
    }
    out.push(b'\n');
}

/// Appends the JSON form: a flat list, one line.
pub fn json(out: &mut Vec<u8>, values: &InfoValues) {
    out.push(b'[');
    for (at, (field, value)) in values.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"field\":{\"pos\":");
        put_number(out, field as u16);
        out.extend_from_slice(b",\"name\":\"");
        out.extend_from_slice(field.name().as_bytes());
        out.extend_from_slice(b"\"},\"processNum\":1,");
        field.field().tags.write_json(out);
        out.extend_from_slice(b",\"value\":{");
        value.write_json(out);
        out.extend_from_slice(b"}}");
    }
    out.extend_from_slice(b"]\n");
}

/// The answer to `show schema json`, one line.
pub const fn schema_json() -> &'static str {
    include_str!("info/schema.json")
}

/// Reads the plain form, for clients: names with their values, up to the empty line that ends the answer. A line
/// that is no such pair is skipped, so that a newer server's answer is read too.
pub fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = include_str!("info/testdata/plain.txt");
    const FLOAT: &str = include_str!("info/testdata/float.txt");
    const DESC: &str = include_str!("info/testdata/desc.txt");
    const TYPED: &str = include_str!("info/testdata/typed.txt");
    const TYPED_DESC: &str = include_str!("info/testdata/typed_desc.txt");
    const JSON: &str = include_str!("info/testdata/info.json");

    /// Values from name and text, typed as the table says.
    fn values<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> InfoValues {
        use crate::stats::ValueType;
        let mut values = InfoValues::new();
        for (name, text) in pairs {
            let field = Info::from_name(name).expect("a known field");
            let value = match field.field().value {
                _ if text.contains('.') && name.ends_with("_sec") => Value::F64(text.parse().expect("float")),
                ValueType::U32 => Value::U32(text.parse().expect("u32")),
                ValueType::U64 => Value::U64(text.parse().expect("u64")),
                _ => Value::from(text.to_owned()),
            };
            values.set(field, value);
        }
        values
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    fn without_desc(line: &str) -> &str {
        line.rsplit_once(":\"").map_or(line, |(line, _)| line)
    }

    #[test]
    fn plain_is_haproxys() {
        for (text, desc) in [(PLAIN, false), (FLOAT, false), (DESC, true)] {
            let pairs = text.lines().filter_map(|line| without_desc(line).split_once(": "));
            assert_eq!(written(|out| plain(out, &values(pairs), desc)), text);
        }
    }

    #[test]
    fn typed_is_haproxys() {
        for (text, desc) in [(TYPED, false), (TYPED_DESC, true)] {
            let pairs = text.lines().map(|line| {
                let key: Vec<&str> = line.splitn(3, '.').collect();
                let rest: Vec<&str> = without_desc(key[2]).splitn(4, ':').collect();
                (key[1], rest[3])
            });
            assert_eq!(written(|out| typed(out, &values(pairs), desc)), text);
        }
    }

    #[test]
    fn json_is_haproxys() {
        let list: Vec<serde_json::Value> = serde_json::from_str(JSON).expect("JSON");
        let pairs: Vec<(String, String)> = list
            .iter()
            .map(|item| {
                let value = &item["value"]["value"];
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                (item["field"]["name"].as_str().expect("name").to_owned(), text)
            })
            .collect();
        let values = values(pairs.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        assert_eq!(written(|out| json(out, &values)), JSON);
    }

    #[test]
    fn a_float_has_its_own_type() {
        let mut values = InfoValues::new();
        values.set(Info::UptimeSec, 0.25);
        assert_eq!(written(|out| typed(out, &values, false)), "8.Uptime_sec.1:MDPV:flt:0.25\n");
    }

    #[test]
    fn positions_and_names_agree() {
        for (at, field) in Info::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, at);
            assert_eq!(Info::from_name(field.name()), Some(field));
        }
        assert_eq!(FIELDS, 82);
    }

    #[test]
    fn the_schema_is_json() {
        let schema: serde_json::Value = serde_json::from_str(schema_json()).expect("JSON");
        assert_eq!(schema["oneOf"][0]["title"], "Info");
        assert!(schema_json().ends_with("}}}}}\n") && schema_json().lines().count() == 1);
    }

    #[test]
    fn clients_read_the_plain_form() {
        let read = parse("Name: HAProxy\nUnstoppable Jobs: 0\nTime: a: b\nnode:\n??\n\nnot: read\n");
        let pairs: Vec<(&str, &str)> =
            read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("Name", "HAProxy"), ("Time", "a: b"), ("Unstoppable Jobs", "0"), ("node", "")]);
    }
}
