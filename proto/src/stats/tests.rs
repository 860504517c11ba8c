//! Rows written again from what HAProxy 3.5 answered must be the same to the byte.

use proptest::prelude::*;

use super::parse::{ParseError, parse};
use super::*;

const CSV: &str = include_str!("testdata/stat.csv");
const TYPED: &str = include_str!("testdata/typed.txt");
const TYPED_DESC: &str = include_str!("testdata/typed_desc.txt");
const JSON: &str = include_str!("testdata/stat.json");

fn text(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("writers emit UTF-8")
}

fn csv_of(rows: &[Row]) -> String {
    let mut out = Vec::new();
    csv::header(&mut out);
    for row in rows {
        csv::row(&mut out, row);
    }
    text(out)
}

fn value(kind: &str, cell: &str) -> Value {
    match kind {
        "u32" => Value::U32(cell.parse().expect("u32")),
        "u64" => Value::U64(cell.parse().expect("u64")),
        "s32" => Value::S32(cell.parse().expect("s32")),
        _ => Value::from(cell.to_owned()),
    }
}

/// Rows from typed lines, without their descriptions.
fn rows_of_typed(lines: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in lines.lines() {
        let key: Vec<&str> = line.splitn(6, '.').collect();
        let rest: Vec<&str> = key[5].splitn(4, ':').collect();
        let kind = Kind::ALL.into_iter().find(|kind| key[0].starts_with(kind.letter())).expect("kind");
        let (iid, sid) = (key[1].parse().expect("iid"), key[2].parse().expect("sid"));
        if rows.last().is_none_or(|row| (row.kind, row.iid, row.sid) != (kind, iid, sid)) {
            rows.push(Row::new(kind, iid, sid));
        }
        let cell = rest[3].rsplit_once(":\"").map_or(rest[3], |(cell, _)| cell);
        let col = Col::from_name(key[4]).expect("column");
        rows.last_mut().expect("a row").set(col, value(rest[2], cell));
    }
    rows
}

#[test]
fn csv_is_haproxys() {
    let rows: Vec<Row> = parse(CSV).expect("parses").iter().map(parse::ParsedRow::to_row).collect();
    assert_eq!(rows.len(), CSV.lines().count() - 1);
    for (line, row) in CSV.lines().skip(1).zip(&rows) {
        let mut out = Vec::new();
        csv::row(&mut out, row);
        assert_eq!(text(out).trim_end_matches('\n'), line);
    }
    assert_eq!(csv_of(&rows), CSV);
}

#[test]
fn typed_is_haproxys() {
    for (lines, desc) in [(TYPED, false), (TYPED_DESC, true)] {
        let mut out = Vec::new();
        for row in &rows_of_typed(lines) {
            typed::row(&mut out, row, desc);
        }
        for (ours, theirs) in text(out.clone()).lines().zip(lines.lines()) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(text(out), lines);
    }
}

#[test]
fn json_is_haproxys() {
    let lists: Vec<Vec<serde_json::Value>> = serde_json::from_str(JSON).expect("JSON");
    let rows: Vec<Row> = lists
        .iter()
        .map(|list| {
            let number = |name: &str| list[0][name].as_u64().expect("number") as u32;
            let kind = Kind::ALL.into_iter().find(|kind| list[0]["objType"] == kind.word()).expect("kind");
            let mut row = Row::new(kind, number("proxyId"), number("id"));
            for item in list {
                let col = Col::from_name(item["field"]["name"].as_str().expect("name")).expect("column");
                let cell = &item["value"]["value"];
                let cell = cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
                row.set(col, value(item["value"]["type"].as_str().expect("type"), &cell));
            }
            row
        })
        .collect();
    let mut out = Vec::new();
    json::rows(&mut out, rows.iter());
    assert_eq!(text(out), JSON);
}

#[test]
fn no_rows_are_an_empty_list() {
    let mut out = Vec::new();
    json::rows(&mut out, std::iter::empty());
    assert_eq!(out, b"[]\n");
}

#[test]
fn the_catalogue_covers_every_captured_cell() {
    for row in rows_of_typed(TYPED) {
        for (col, value) in row.iter() {
            assert_eq!(col.field().value, value.value_type(), "{}", col.name());
            assert!(col.field().scopes.has(row.kind), "{} in {:?}", col.name(), row.kind);
        }
    }
}

#[test]
fn ids() {
    let ids: Vec<String> = parse(CSV).expect("parses").iter().map(parse::ParsedRow::id).take(6).collect();
    assert_eq!(ids, ["f/fe_web", "l/fe_web/plain", "l/fe_web/tls", "f/fe_stats", "f/fe_tcp", "s/be_web/w1"]);
}

#[test]
fn the_reader_takes_other_columns() {
    let rows = parse(
        "# pxname,svname,zzz,scur,-,h2_x,\nweb,FRONTEND,\"a \"\"b\"\", c\",7,-,9,\nweb,FRONTEND,x\n\nrest\n",
    )
    .expect("parses");
    assert_eq!(rows.len(), 2);
    let row = &rows[0];
    assert_eq!(
        (row.get("zzz"), row.num("scur"), row.num("h2_x"), row.get("none")),
        ("a \"b\", c", Some(7), Some(9), "")
    );
    assert_eq!((row.id(), row.col(Col::Scur)), ("f/web".to_owned(), "7"));
    assert_eq!((rows[1].get("zzz"), rows[1].num("scur")), ("x", None));
    assert_eq!(
        row.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["pxname", "svname", "zzz", "scur", "-", "h2_x"]
    );
}

#[test]
fn the_reader_refuses() {
    for (text, error) in [
        ("", ParseError::NoHeader),
        ("No such proxy.\n\n", ParseError::NoHeader),
        ("# a,\n\"x\n", ParseError::OpenQuote { line: 2 }),
        ("# a,\n\"x\"y,\n", ParseError::AfterQuote { line: 2 }),
    ] {
        assert_eq!(parse(text).map(|rows| rows.len()), Err(error), "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_text_survives_csv(cell in "\\PC{1,40}", status in "[a-z\",]{1,12}") {
        let mut row = Row::new(Kind::Server, 7, 9);
        row.set(Col::LastChk, cell.clone());
        row.set(Col::Status, status.clone());
        let rows = parse(&csv_of(&[row.clone()])).expect("parses");
        prop_assert_eq!(rows[0].get("last_chk"), &cell);
        prop_assert_eq!(rows[0].get("status"), &status);
        prop_assert_eq!(rows[0].to_row(), row);
    }

    #[test]
    fn the_reader_never_panics(text in "(# )?[a-c,\"\n ]{0,60}") {
        if let Ok(rows) = parse(&text) {
            for row in rows {
                prop_assert_eq!(row.iter().count(), row.table().columns().count());
            }
        }
    }
}
