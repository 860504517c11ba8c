//! Lines as they stand on the wire, and replicas that must end up as the server's state, whatever happened.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::info::Info;
use crate::stats::{Value, csv};

fn server(name: &str, sid: u32) -> Row {
    let mut row = Row::new(Kind::Server, 3, sid);
    row.set(Col::Pxname, "app");
    row.set(Col::Svname, name.to_owned());
    row.set(Col::Status, "UP");
    row
}

fn state(rows: impl IntoIterator<Item = (Row, Ages)>) -> State {
    let mut state = State::default();
    for (row, ages) in rows {
        state.push(row, ages);
    }
    state
}

fn stamp(seq: u64) -> Stamp {
    Stamp { seq, at: "2026-11-22T14:06:12.003Z".to_owned(), mono_ms: seq * 1000 }
}

fn hello(boot: &str) -> Line {
    Line::Hello(Hello {
        v: VERSION,
        server: "proxyd 0.1.0".into(),
        boot: boot.into(),
        config: "c1".into(),
        interval_ms: 1000,
    })
}

fn feed(replica: &mut Replica, bytes: &[u8]) {
    for line in String::from_utf8(bytes.to_vec()).expect("UTF-8").lines() {
        replica.apply_line(line).expect("a line that applies");
    }
}

fn full(state: &State, seq: u64) -> Vec<u8> {
    let mut out = Vec::new();
    state.write(&mut out, stamp(seq), |_| true);
    out
}

/// A replica that was told the whole state.
fn synced(state: &State, seq: u64) -> Replica {
    let mut replica = Replica::new();
    replica.apply(hello("b1")).expect("hello");
    feed(&mut replica, &full(state, seq));
    replica
}

fn assert_same(replica: &Replica, state: &State) {
    let rows: Vec<(&String, Fields)> = state.rows.iter().map(|(id, sample)| (id, sample.fields())).collect();
    assert_eq!(replica.rows().iter().map(|(id, row)| (id, row.clone())).collect::<Vec<_>>(), rows);
    assert_eq!(replica.info(), &state.info_fields());
}

#[test]
fn lines_on_the_wire() {
    let mut event = Event::new(19, "t".into(), EventKind::ServerState);
    event.id = Some("s/app/app1".into());
    event.from = Some("UP".into());
    event.to = Some("DRAIN".into());
    let row = fields_of(&server("app1", 1), Ages { changed_at_ms: Some(5), ..Ages::default() });
    for (line, text) in [
        (
            hello("b1"),
            r#"{"kind":"hello","v":1,"server":"proxyd 0.1.0","boot":"b1","config":"c1","interval_ms":1000}"#,
        ),
        (
            Line::Row { id: "s/app/app1".into(), row },
            r#"{"kind":"row","id":"s/app/app1","row":{"pxname":"app","svname":"app1","status":"UP","pid":1,"iid":3,"sid":1,"type":2,"changed_at_ms":5}}"#,
        ),
        (
            Line::Sync(stamp(17)),
            r#"{"kind":"sync","seq":17,"at":"2026-11-22T14:06:12.003Z","mono_ms":17000}"#,
        ),
        (
            Line::Event(event),
            r#"{"kind":"event","seq":19,"at":"t","event":"server_state","id":"s/app/app1","from":"UP","to":"DRAIN"}"#,
        ),
        (
            Line::Gap(Gap { from: 20, to: 31, events_lost: 0 }),
            r#"{"kind":"gap","from":20,"to":31,"events_lost":0}"#,
        ),
        (Line::Gone, r#"{"kind":"gone"}"#),
        (Line::Bye { reason: "stopping".into() }, r#"{"kind":"bye","reason":"stopping"}"#),
    ] {
        assert_eq!(String::from_utf8(line.to_bytes()).expect("UTF-8"), format!("{text}\n"));
        assert_eq!(Line::parse(text).expect("parses"), line);
    }
}

#[test]
fn a_delta_names_what_changed() {
    let mut before = server("app1", 1);
    before.set(Col::Scur, 3_u32);
    before.set(Col::Throttle, 40_u32);
    let mut after = server("app1", 1);
    after.set(Col::Scur, 4_u32);
    after.set(Col::Stot, u64::MAX);
    let ages = |at, down| Ages { changed_at_ms: Some(7), lastsess_at_ms: at, down_ms: down };
    let old = state([(before, ages(None, Some(9))), (server("app9", 9), Ages::default())]);
    let mut new = state([(after, ages(Some(8), None))]);
    new.info.set(Info::CurrConns, 3_u32);

    let changes = delta(&old, &new);
    assert_eq!(changes.del, ["s/app/app9"]);
    let fields = json!({"scur": 4, "stot": u64::MAX, "throttle": null, "lastsess_at_ms": 8, "down_ms": null});
    assert_eq!(serde_json::Value::Object(changes.rows["s/app/app1"].clone()), fields);
    assert_eq!(changes.info, *json!({"CurrConns": 3}).as_object().expect("object"));

    let mut replica = synced(&old, 17);
    for line in changes.into_lines(&stamp(18)) {
        feed(&mut replica, &line);
    }
    assert_same(&replica, &new);
    assert_eq!(replica.since(), Some("b1:18".to_owned()));
}

#[test]
fn nothing_changed_is_a_line_too() {
    let lines = delta(&State::default(), &State::default()).into_lines(&stamp(2));
    let text = r#"{"kind":"delta","seq":2,"at":"2026-11-22T14:06:12.003Z","mono_ms":2000,"rows":{},"del":[],"info":{},"more":false}"#;
    assert_eq!(lines, [format!("{text}\n").into_bytes()]);
}

#[test]
fn unknown_kinds_and_fields_are_ignored() {
    let mut replica = synced(&state([(server("app1", 1), Ages::default())]), 4);
    for (text, applied) in [
        (r#"{"kind":"weather","seq":9,"sun":true}"#, Applied::Ignored),
        (
            r#"{"kind":"delta","seq":5,"rows":{"s/app/app1":{"moon":"full"}},"new":[]}"#,
            Applied::Delta { stamp: Stamp { seq: 5, ..Stamp::default() }, more: false },
        ),
        (r#"{"kind":"delta","seq":5,"rows":{"s/app/app1":{"moon":"half"}}}"#, Applied::Ignored),
    ] {
        assert_eq!(replica.apply_line(text).expect("applies"), applied);
    }
    assert_eq!(replica.rows()["s/app/app1"]["moon"], "full");
    let event = replica.apply_line(r#"{"kind":"event","seq":6,"event":"eclipse"}"#).expect("applies");
    assert!(
        matches!(event, Applied::Event(Event { event: EventKind::Other(name), .. }) if name == "eclipse")
    );
}

#[test]
fn what_cannot_be_applied() {
    let mut replica = Replica::new();
    assert!(matches!(replica.apply_line("nonsense"), Err(ApplyError::Line(_))));
    assert!(matches!(replica.apply_line(r#"{"kind":"hello","v":2}"#), Err(ApplyError::Version(2))));
    assert!(matches!(replica.apply_line(r#"{"kind":"delta","seq":1}"#), Err(ApplyError::NotSynced)));
    assert_eq!((replica.since(), replica.sync()), (None, Sync::Loading));
}

#[test]
fn a_gap_drops_the_state_until_sync() {
    let old = state([(server("app1", 1), Ages::default()), (server("app2", 2), Ages::default())]);
    let new = state([(server("app2", 2), Ages::default())]);
    for again in [Line::Gap(Gap { from: 5, to: 9, events_lost: 1 }), Line::Gone] {
        let mut replica = synced(&old, 4);
        replica.apply(again).expect("applies");
        assert_eq!((replica.sync(), replica.rows().len(), replica.since()), (Sync::Loading, 0, None));
        feed(&mut replica, &full(&new, 10));
        assert_same(&replica, &new);
        assert_eq!((replica.sync(), replica.seq()), (Sync::Synced, 10));
    }
}

#[test]
fn a_connection_may_go_on_or_begin_again() {
    let old = state([(server("app1", 1), Ages::default())]);
    let new = state([(server("app2", 2), Ages::default())]);

    let mut resumed = synced(&old, 4);
    resumed.apply(hello("b1")).expect("applies");
    assert_eq!(resumed.since(), Some("b1:4".to_owned()));
    feed(&mut resumed, &delta(&old, &new).into_lines(&stamp(5)).concat());
    assert_same(&resumed, &new);

    let mut anew = synced(&old, 4);
    anew.apply(hello("b1")).expect("applies");
    feed(&mut anew, &full(&new, 5));
    assert_same(&anew, &new);

    let mut restarted = synced(&old, 4);
    restarted.apply(hello("b2")).expect("applies");
    assert_eq!((restarted.since(), restarted.rows().len()), (None, 0));
    feed(&mut restarted, &full(&new, 1));
    assert_same(&restarted, &new);
}

#[test]
fn a_split_delta_cut_by_a_lost_connection_comes_again() {
    let old = state([(server("app1", 1), Ages::default())]);
    let new = state((1..20).map(|sid| (server(&format!("app{sid}"), sid), Ages::default())));
    let lines = delta(&old, &new).into_lines_of(&stamp(5), 400);
    assert!(lines.len() > 3);
    let mut replica = synced(&old, 4);
    feed(&mut replica, &lines[0]);
    replica.apply(Line::Event(Event::new(6, "t".into(), EventKind::Weight))).expect("applies");
    assert_eq!(replica.since(), Some("b1:4".to_owned()));
    replica.apply(hello("b1")).expect("applies");
    feed(&mut replica, &lines.concat());
    assert_same(&replica, &new);
    assert_eq!(replica.since(), Some("b1:6".to_owned()));
}

#[test]
fn ages_become_columns() {
    let ages = Ages { changed_at_ms: Some(10_000), lastsess_at_ms: Some(12_500), down_ms: Some(4_600) };
    let none = Ages::default();
    for (kind, status, ages, columns) in [
        (Kind::Server, "UP", ages, "5 4 3"),
        (Kind::Server, "DOWN 1/2", ages, "5 10 3"),
        (Kind::Server, "MAINT", ages, "5 10 3"),
        (Kind::Backend, "DOWN", ages, "5 10 3"),
        (Kind::Server, "no check", none, "- - -1"),
        (Kind::Frontend, "OPEN", ages, "- - -"),
    ] {
        let mut row = Row::new(kind, 1, 1);
        row.set(Col::Status, status);
        let back = row_of(&fields_of(&row, ages), 15_999);
        let shown = |col| match back.get(col) {
            Some(Value::S32(number)) => number.to_string(),
            Some(value) => value.as_u64().to_string(),
            None => "-".to_owned(),
        };
        let found = [Col::Lastchg, Col::Downtime, Col::Lastsess].map(shown).join(" ");
        assert_eq!(found, columns, "{kind:?} {status}");
    }
}

#[test]
fn a_replica_answers_show_stat() {
    let mut row = server("app1", 1);
    row.set(Col::LastChk, "a \"b\", c");
    let ages = Ages { changed_at_ms: Some(1_000), lastsess_at_ms: None, down_ms: Some(0) };
    let mut backend = Row::new(Kind::Backend, 3, 0);
    backend.set(Col::Pxname, "app");
    let replica = synced(&state([(row.clone(), ages), (backend, Ages::default())]), 1);
    ages.fill(&mut row, 61_000);
    let mut line = Vec::new();
    csv::row(&mut line, &row);
    assert_eq!(replica.to_row_text("s/app/app1", 61_000).map(String::into_bytes), Some(line));
    assert_eq!(replica.to_row_text("s/app/none", 61_000), None);
    assert_eq!(replica.ids(), ["s/app/app1", "b/app"]);
}

#[test]
fn users_do_not_see_everything() {
    let mut row = server("app1", 1);
    row.set(Col::Addr, "127.0.0.1:1");
    let mut fields = fields_of(&row, Ages::default());
    hide_from_users(&mut fields);
    assert!(!fields.contains_key("addr") && fields.contains_key("status"));
}

/// A row of a few columns, so that neighbours in a sequence share some.
fn any_sample() -> impl Strategy<Value = (Row, Ages)> {
    let cells = prop::collection::vec((0..119_usize, 0..4_u64), 0..12);
    let ages = prop::array::uniform3(prop::option::of(0..3_u64));
    (0..12_u32, cells, ages, "[a-z\"\\\\é]{0,3}").prop_map(|(sid, cells, ages, word)| {
        let mut row = Row::new(Kind::Server, 3, sid);
        for (at, number) in cells {
            let col = Col::ALL[at];
            match col.field().value {
                crate::stats::ValueType::U32 => row.set(col, number as u32),
                crate::stats::ValueType::U64 => row.set(col, u64::MAX - number),
                crate::stats::ValueType::Str => row.set(col, word.clone()),
                crate::stats::ValueType::S32 | crate::stats::ValueType::F64 => {}
            }
        }
        row.set(Col::Type, 2_u32);
        row.set(Col::Iid, 3_u32);
        row.set(Col::Sid, sid);
        row.set(Col::Pxname, "app");
        row.set(Col::Svname, format!("s{sid}"));
        (row, Ages { changed_at_ms: ages[0], lastsess_at_ms: ages[1], down_ms: ages[2] })
    })
}

fn any_state() -> impl Strategy<Value = State> {
    (prop::collection::vec(any_sample(), 0..8), prop::collection::vec((0..82_usize, 0..3_u32), 0..6))
        .prop_map(|(rows, info)| {
            let mut state = state(rows);
            for (at, number) in info {
                state.info.set(Info::ALL[at], number);
            }
            state
        })
}

proptest! {
    #[test]
    fn the_stream_rebuilds_the_state(
        states in prop::collection::vec((any_state(), 0..10_u8), 1..12),
        limit in 300..1500_usize,
    ) {
        let mut held = State::default();
        let mut replica = synced(&held, 0);
        for (at, (state, way)) in states.into_iter().enumerate() {
            let seq = at as u64 + 1;
            match way {
                0 => {
                    replica.apply(Line::Gap(Gap { from: 0, to: seq, events_lost: 0 })).expect("applies");
                    feed(&mut replica, &full(&state, seq));
                }
                1 => {
                    replica.apply(hello("b1")).expect("applies");
                    feed(&mut replica, &full(&state, seq));
                }
                _ => {
                    for line in delta(&held, &state).into_lines_of(&stamp(seq), limit) {
                        prop_assert!(line.len() <= limit, "{} > {limit}", line.len());
                        feed(&mut replica, &line);
                    }
                }
            }
            assert_same(&replica, &state);
            for (id, sample) in &state.rows {
                let mut row = sample.row.clone();
                sample.ages.fill(&mut row, 9_000);
                prop_assert_eq!(replica.row(id, 9_000), Some(row));
            }
            held = state;
        }
    }

    #[test]
    fn no_line_panics(text in "\\{\"kind\":\"(row|delta|event|sync)\"[a-z0-9\",:{}\\[\\]]{0,60}\\}?") {
        let mut replica = Replica::new();
        let _either = replica.apply_line(&text);
        prop_assert!(replica.rows().len() < 2);
    }
}
