//! The CSV form of `show stat`: what a socket answers when no format is asked for.

use super::value::put_number;
use super::{FIELDS, Row, Value};

/// Appends the header line. Its last column is `-`, behind which other builds put the columns of modules.
pub fn header(out: &mut Vec<u8>) {
    out.extend_from_slice(b"# ");
    for field in &FIELDS {
        out.extend_from_slice(field.name.as_bytes());
        out.push(b',');
    }
    out.extend_from_slice(b"-,\n");
}

/// Appends one line.
pub fn row(out: &mut Vec<u8>, row: &Row) {
    for cell in row.cells() {
        match cell {
            Some(Value::U32(number)) => put_number(out, *number),
            Some(Value::U64(number)) => put_number(out, *number),
            Some(Value::Str(text)) => put_text(out, text.as_str()),
            Some(other) => other.write_plain(out),
            None => {}
        }
        out.push(b',');
    }
    out.extend_from_slice(b"-,\n");
}

/// Quoted as RFC 4180 wants it, only where needed. Line breaks become spaces: many readers split lines first.
fn put_text(out: &mut Vec<u8>, text: &str) {
    if !text.bytes().any(|byte| matches!(byte, b'"' | b',' | b'\n' | b'\r')) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\"\""),
            b'\n' | b'\r' => out.push(b' '),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
