//! The JSON form of `show stat`: one line, a list with a list for each row, an object for each value that is not
//! empty. It has no descriptions and leaves the fourth tag out.

use super::Row;
use super::value::put_number;

/// Appends the whole line.
pub fn rows<'a>(out: &mut Vec<u8>, rows: impl Iterator<Item = &'a Row>) {
    out.push(b'[');
    for (at, row) in rows.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        self::row(out, row);
    }
    out.extend_from_slice(b"]\n");
}

/// Appends the list of one row, for those who write the outer one piece by piece.
pub fn row(out: &mut Vec<u8>, row: &Row) {
    out.push(b'[');
    for (at, (col, value)) in row.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"objType\":\"");
        out.extend_from_slice(row.kind.word().as_bytes());
        out.extend_from_slice(b"\",\"proxyId\":");
        put_number(out, row.iid);
        out.extend_from_slice(b",\"id\":");
        put_number(out, row.sid);
        out.extend_from_slice(b",\"field\":{\"pos\":");
        put_number(out, col as u16);
        out.extend_from_slice(b",\"name\":\"");
        out.extend_from_slice(col.name().as_bytes());
        out.extend_from_slice(b"\"},\"processNum\":1,");
        col.tags(row.kind).write_json(out);
        out.extend_from_slice(b",\"value\":{");
        value.write_json(out);
        out.extend_from_slice(b"}}");
    }
    out.push(b']');
}
