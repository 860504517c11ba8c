use std::time::Duration;

use proto::stats::parse::{ParsedRow, parse};

use super::*;
use crate::config::Agent;
use crate::model::change::Cause;
use crate::model::server::CheckStatus;
use crate::model::state::Event;
use crate::model::testing;

/// What HAProxy said of a system much like this one.
const CAPTURED: &str = include_str!("../../../../proto/src/stats/testdata/stat.csv");

const BY: Cause<'static> = Cause::Command { by: "test", line: "test" };

fn checked(shared: &Shared, server: &str, status: CheckStatus, code: Option<u16>, info: &str) {
    let snapshot = shared.snapshot();
    let backend = snapshot.backend("app").unwrap();
    let outcome = Outcome {
        status,
        code,
        duration: Duration::from_millis(1),
        info: info.to_owned(),
        answer: Box::default(),
    };
    let event = if status.passed() { Event::CheckPassed } else { Event::CheckFailed };
    shared.server_event(backend, backend.server(server).unwrap(), event, Cause::Check(&outcome));
}

fn row_of(shared: &Shared, id: &str) -> Row {
    let snapshot = shared.snapshot();
    rows(shared, &snapshot, Selection::default(), Since::Clear, Level::Admin)
        .find(|row| row.id() == id)
        .unwrap()
}

/// Columns that differ in being empty, but for those named.
fn filled_otherwise(ours: &Row, captured: &str, but: &[Col]) -> Vec<&'static str> {
    let theirs: Vec<ParsedRow> = parse(CAPTURED).unwrap();
    let theirs = theirs.iter().find(|row| row.id() == captured).unwrap();
    Col::ALL
        .into_iter()
        .filter(|col| !but.contains(col) && ours.get(*col).is_some() == theirs.col(*col).is_empty())
        .map(Col::name)
        .collect()
}

#[test]
fn cells_are_empty_where_haproxys_are() {
    let shared = testing::shared();
    checked(&shared, "app1", CheckStatus::L7Ok, Some(200), "");
    checked(&shared, "app2", CheckStatus::L4Con, None, "Connection refused");
    // Sticky cookies are configured there.
    let cookie = [Col::Cookie];
    for (ours, captured) in [
        ("f/web", "f/fe_web"),
        ("f/tcp", "f/fe_tcp"),
        ("b/app", "b/be_web"),
        ("s/app/app1", "s/be_web/w1"),
        ("s/app/app2", "s/be_web/w3"),
        ("s/raw/r1", "s/be_tcp/t1"),
        ("b/raw", "b/be_tcp"),
    ] {
        assert_eq!(filled_otherwise(&row_of(&shared, ours), captured, &cookie), [""; 0], "{ours}");
    }
    // An unchecked server in HTTP mode, as the capture has one.
    let snapshot = shared.snapshot();
    let backend = snapshot.backend("app").unwrap();
    let server = backend.server("app1").unwrap();
    shared.server_event(backend, server, Event::DisableCheck, BY);
    assert_eq!(filled_otherwise(&row_of(&shared, "s/app/app1"), "s/be_web/wb", &[]), [""; 0]);
    shared.server_event(backend, server, Event::EnableCheck, BY);
    shared.server_event(backend, server, Event::Maint, BY);
    // The one in maintenance there has no address.
    assert_eq!(filled_otherwise(&row_of(&shared, "s/app/app1"), "s/be_api/a3", &[Col::Addr]), [""; 0]);
}

#[test]
fn values_are_of_the_type_of_their_column() {
    let shared = testing::shared();
    checked(&shared, "app1", CheckStatus::L7Status, Some(503), "text");
    let snapshot = shared.snapshot();
    for row in rows(&shared, &snapshot, Selection::default(), Since::Clear, Level::Admin) {
        for (col, value) in row.iter() {
            assert_eq!(value.value_type(), col.field().value, "{} {}", row.id(), col.name());
            assert!(col.field().scopes.has(row.kind), "{} {}", row.id(), col.name());
        }
    }
}

#[test]
fn checks_are_told_as_haproxy_tells_them() {
    let shared = testing::shared();
    let cells = |row: &Row| {
        let code = row.get(Col::CheckCode).map(proto::stats::Value::as_u64);
        (
            row.text(Col::CheckStatus).to_owned(),
            code,
            row.text(Col::CheckDesc).to_owned(),
            row.text(Col::LastChk).to_owned(),
        )
    };
    let text = str::to_owned;
    assert_eq!(cells(&row_of(&shared, "s/app/app1")), (text("INI"), None, text("Initializing"), text("")));
    for (status, code, told) in [
        (CheckStatus::L7Ok, Some(200), Some(200)),
        (CheckStatus::L7Status, Some(503), Some(503)),
        (CheckStatus::L7Timeout, None, None),
        (CheckStatus::L4Ok, None, None),
    ] {
        checked(&shared, "app1", status, code, "why");
        let expected = (text(status.word()), told, text(status.text()), text("why"));
        assert_eq!(cells(&row_of(&shared, "s/app/app1")), expected);
    }
    let snapshot = shared.snapshot();
    let _check = snapshot.backend("app").unwrap().server("app1").unwrap().checks.begin();
    assert_eq!(row_of(&shared, "s/app/app1").text(Col::CheckStatus), "* L4OK");
}

#[test]
fn failed_checks_are_counted_as_haproxy_counts_them() {
    use Event::{AgentDown, AgentUp, CheckFailed, CheckPassed};
    let mut config = testing::config();
    config.backends[0].servers[0].verdict.agent =
        Some(Agent { address: None, port: 1, interval: testing::SECOND, send: String::new() });
    let shared = testing::shared_of(&config);
    let snapshot = shared.snapshot();
    let backend = snapshot.backend("app").unwrap();
    let server = backend.server("app1").unwrap();
    let counts =
        [AgentDown, CheckPassed, CheckFailed, CheckFailed, CheckFailed, CheckFailed, AgentUp].map(|event| {
            shared.server_event(backend, server, event, BY);
            row_of(&shared, "s/app/app1").u64(Col::Chkfail)
        });
    // What an agent says is none, and one that fails on is not counted.
    assert_eq!(counts, [0, 0, 1, 2, 3, 3, 3]);
}

#[test]
fn backends_sum_up_their_servers() {
    let shared = testing::shared();
    let numbers = |row: &Row| [Col::Weight, Col::Act, Col::Bck, Col::Slim].map(|col| row.u64(col));
    assert_eq!(numbers(&row_of(&shared, "b/app")), [150, 2, 1, 50]);
    assert_eq!(numbers(&row_of(&shared, "b/raw")), [1, 1, 0, 100]);
    checked(&shared, "app1", CheckStatus::L4Con, None, "");
    assert_eq!(numbers(&row_of(&shared, "b/app")), [50, 1, 1, 50]);
    checked(&shared, "app2", CheckStatus::L4Con, None, "");
    checked(&shared, "spare", CheckStatus::L4Con, None, "");
    let row = row_of(&shared, "b/app");
    assert_eq!((row.text(Col::Status), row.u64(Col::Chkdown)), ("DOWN", 1));
}

#[test]
fn metrics_never_go_back() {
    let shared = testing::shared();
    let snapshot = shared.snapshot();
    snapshot.frontend("web").unwrap().live.stats.worker(0).add(Count::Sessions, 7);
    shared.clear_counters(true, BY);
    let stot = |since| {
        rows(&shared, &snapshot, Selection::default(), since, Level::Admin).next().unwrap().u64(Col::Stot)
    };
    assert_eq!((stot(Since::Clear), stot(Since::Start)), (0, 7));
}

#[tokio::test(start_paused = true)]
async fn from_one_kind_of_down_to_another_is_no_change() {
    use Event::{HealthDown, HealthUp, Maint, Ready};
    let shared = testing::shared();
    let snapshot = shared.snapshot();
    let backend = snapshot.backend("app").unwrap();
    let server = backend.server("app1").unwrap();
    let mut told = Vec::new();
    for event in [HealthDown, Maint, Ready, Maint, HealthDown, Ready, HealthDown, HealthUp] {
        shared.server_event(backend, server, event, BY);
        // A little more than ten seconds.
        tokio::time::advance(Duration::from_millis(10_010)).await;
        let row = row_of(&shared, "s/app/app1");
        told.push([Col::Chkdown, Col::Lastchg, Col::Downtime].map(|col| row.u64(col)));
    }
    assert_eq!(
        told,
        [
            [1, 10, 10],
            [1, 20, 20],
            [1, 10, 20],
            [2, 10, 30],
            [2, 20, 40],
            [2, 10, 40],
            [3, 10, 50],
            [3, 10, 50]
        ]
    );
}
