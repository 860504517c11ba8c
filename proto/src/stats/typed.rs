//! The typed form of `show stat`: a line for every value that is not empty,
//! `<kind>.<iid>.<sid>.<position>.<name>.<process>:<tags>:<type>:<value>`.

use super::Row;
use super::value::put_number;

/// Appends the lines of one row, each with its description when `desc` is asked for.
pub fn row(out: &mut Vec<u8>, row: &Row, desc: bool) {
    let mut prefix = Vec::with_capacity(16);
    prefix.push(row.kind.letter() as u8);
    for number in [row.iid, row.sid] {
        prefix.push(b'.');
        put_number(&mut prefix, number);
    }
    prefix.push(b'.');
    for (col, value) in row.iter() {
        out.extend_from_slice(&prefix);
        put_number(out, col as u16);
        out.push(b'.');
        out.extend_from_slice(col.name().as_bytes());
        out.extend_from_slice(b".1:");
        out.extend_from_slice(col.tags(row.kind).letters().as_bytes());
        out.push(b':');
        out.extend_from_slice(value.value_type().word().as_bytes());
        out.push(b':');
        value.write_plain(out);
        if desc {
            out.extend_from_slice(b":\"");
            out.extend_from_slice(col.field().desc.as_bytes());
            out.push(b'"');
        }
        out.push(b'\n');
    }
}
