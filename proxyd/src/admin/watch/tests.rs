//! The stream as its readers see it.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use proto::level::Level;
use proto::stats::{Col, Row, parse};
use proto::watch::{Applied, EventKind, Line, Replica};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::admin::tests::{LIMIT, Site, with_site};
use crate::admin::watch::PATIENCE;
use crate::admin::watch::hub::MAX_WATCHERS;
use crate::config::{Config, Mode};
use crate::model::change::Cause;
use crate::model::testing;
use crate::stats::cells::Count;

const BY: Cause<'static> = Cause::Command { by: "test", line: "test" };

/// One watcher.
struct Reader {
    stream: BufReader<UnixStream>,
    replica: Replica,
}

impl Reader {
    async fn start(site: &Site, level: Level, command: &str) -> Self {
        let mut stream = site.connect(level).await;
        stream.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        Self { stream: BufReader::new(stream), replica: Replica::new() }
    }

    async fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        let n = timeout(LIMIT, self.stream.read_line(&mut text)).await.unwrap().unwrap();
        assert!(text.len() <= proto::watch::MAX_LINE, "{} bytes", text.len());
        (n > 0).then_some(text)
    }

    async fn line(&mut self) -> Line {
        let text = self.text().await.unwrap();
        let line = Line::parse(&text).unwrap();
        self.replica.apply_line(&text).unwrap();
        line
    }

    /// Reads until a line that `wanted` accepts, which is not waited for without end while others come.
    async fn until(&mut self, wanted: impl Fn(&Line) -> bool) -> Line {
        let begun = Instant::now();
        loop {
            let line = self.line().await;
            if wanted(&line) {
                return line;
            }
            assert!(begun.elapsed() < LIMIT * 3, "in vain, to {line:?}");
        }
    }

    async fn synced(&mut self) {
        self.until(|line| matches!(line, Line::Sync(_))).await;
    }

    /// Reads until everything up to `seq` is in.
    async fn reach(&mut self, seq: u64) {
        self.until(|line| match line {
            Line::Delta(delta) => !delta.more && delta.seq > seq,
            Line::Sync(stamp) => stamp.seq > seq,
            _ => false,
        })
        .await;
    }
}

fn kinds(line: &Line) -> &'static str {
    match line {
        Line::Hello(_) => "hello",
        Line::Info { .. } => "info",
        Line::Row { .. } => "row",
        Line::Sync(_) => "sync",
        Line::Delta(_) => "delta",
        Line::Event(_) => "event",
        Line::Gap(_) => "gap",
        Line::Gone => "gone",
        Line::Error { .. } => "error",
        Line::Bye { .. } => "bye",
        Line::Unknown => "unknown",
    }
}

#[tokio::test]
async fn the_state_then_the_beat() {
    with_site(testing::shared(), async |site| {
        let mut reader = Reader::start(&site, Level::Admin, "watch every 100ms").await;
        let mut seen = Vec::new();
        loop {
            let line = reader.line().await;
            seen.push(kinds(&line));
            match line {
                Line::Hello(hello) => {
                    assert_eq!((hello.v, hello.interval_ms, hello.config.as_str()), (1, 100, "test"));
                }
                Line::Delta(delta) => {
                    assert!(delta.rows.is_empty() && delta.del.is_empty() && !delta.more, "{delta:?}");
                    break;
                }
                _ => {}
            }
        }
        assert_eq!(
            seen,
            ["hello", "info", "row", "row", "row", "row", "row", "row", "row", "row", "sync", "delta"]
        );
        // A change arrives as the one field that changed.
        site.shared.snapshot().frontend("tcp").unwrap().live.stats.worker(1).add(Count::BytesIn, 5);
        let Line::Delta(delta) = reader.until(|l| matches!(l, Line::Delta(d) if !d.rows.is_empty())).await
        else {
            panic!("a delta")
        };
        let fields: Vec<&str> = delta.rows["f/tcp"].keys().map(String::as_str).collect();
        assert_eq!(fields, ["bin", "reqbin", "reqbout"]);
    })
    .await;
}

#[tokio::test]
async fn events_come_before_the_answer() {
    with_site(testing::shared(), async |site| {
        let mut reader = Reader::start(&site, Level::User, "watch events").await;
        assert!(matches!(reader.line().await, Line::Hello(hello) if hello.interval_ms == 0));
        assert!(matches!(reader.line().await, Line::Sync(_)));
        for (command, kind, id, to) in [
            (
                "set server app/app1 state drain",
                EventKind::ServerState,
                Some("s/app/app1"),
                Some("DRAIN 1/3"),
            ),
            ("set weight app/app2 7", EventKind::Weight, Some("s/app/app2"), Some("7")),
            ("clear counters", EventKind::CountersCleared, None, None),
            (
                "disable frontend web",
                EventKind::Other("frontend_state".into()),
                Some("f/web"),
                Some("PAUSED"),
            ),
        ] {
            assert_eq!(site.admin(command).await, "");
            // The answer is here: the event has to be on this side already.
            let mut bytes = [0; 4096];
            let n = reader.stream.get_ref().try_read(&mut bytes).expect("the event");
            let Ok(Line::Event(event)) = Line::parse(std::str::from_utf8(&bytes[..n]).unwrap()) else {
                panic!("{:?}", String::from_utf8_lossy(&bytes[..n]))
            };
            assert_eq!((event.event, event.id.as_deref(), event.to.as_deref()), (kind, id, to), "{command}");
            assert_eq!(event.command.as_deref(), Some(command));
            assert!(event.by.is_some_and(|by| by.starts_with("uid ")), "{command}");
        }
    })
    .await;
}

#[tokio::test]
async fn filters_and_levels_hide() {
    with_site(testing::shared(), async |site| {
        let mut reader = Reader::start(&site, Level::User, "watch every 100ms app 4 -1").await;
        reader.synced().await;
        let ids: Vec<&str> = reader.replica.rows().keys().map(String::as_str).collect();
        assert_eq!(ids, ["s/app/app1", "s/app/app2", "s/app/spare"]);
        assert!(!reader.replica.rows()["s/app/app1"].contains_key("addr"));
        // Of a new address a user hears nothing; what else changes in the row is told.
        site.admin("set server app/app1 addr 127.0.0.9;set weight app/app1 9").await;
        site.shared.snapshot().frontend("web").unwrap().live.stats.worker(0).inc(Count::Sessions);
        let Line::Delta(delta) = reader.until(|l| matches!(l, Line::Delta(d) if !d.rows.is_empty())).await
        else {
            panic!("a delta")
        };
        assert_eq!(delta.rows.keys().collect::<Vec<_>>(), ["s/app/app1"]);
        assert_eq!(delta.rows["s/app/app1"].keys().collect::<Vec<_>>(), ["weight", "uweight"]);
        let mut unknown = Reader::start(&site, Level::User, "watch nope 4 -1").await;
        assert!(matches!(unknown.line().await, Line::Error { message } if message == "No such proxy."));
        assert_eq!(unknown.text().await, None);
    })
    .await;
}

#[tokio::test]
async fn a_half_close_does_not_end_it_and_a_whole_one_does() {
    with_site(testing::shared(), async |site| {
        let mut reader = Reader::start(&site, Level::User, "watch every 100ms").await;
        reader.stream.get_mut().shutdown().await.unwrap();
        for _ in 0..3 {
            reader.until(|line| matches!(line, Line::Delta(_))).await;
        }
        drop(reader);
        // Their places are free again soon, also of those that are never written to.
        for _ in 0..3 {
            let readers: Vec<UnixStream> = {
                let mut readers = Vec::new();
                while readers.len() < MAX_WATCHERS {
                    let mut stream = site.connect(Level::User).await;
                    stream.write_all(b"watch events\n").await.unwrap();
                    let mut first = [0; 12];
                    stream.read_exact(&mut first).await.unwrap();
                    if &first == br#"{"kind":"hel"# {
                        readers.push(stream);
                    } else {
                        sleep(Duration::from_millis(20)).await;
                    }
                }
                readers
            };
            let mut one_more = Reader::start(&site, Level::User, "watch").await;
            assert!(
                matches!(one_more.line().await, Line::Error { message } if message.contains("at most 64"))
            );
            drop(readers);
        }
    })
    .await;
}

#[tokio::test]
async fn an_empty_line_ends_it_in_prompt_mode() {
    with_site(testing::shared(), async |site| {
        let mut stream = BufReader::new(site.connect(Level::User).await);
        stream.write_all(b"prompt\nwatch events\n").await.unwrap();
        let mut text = String::new();
        while !text.contains("sync") {
            timeout(LIMIT, stream.read_line(&mut text)).await.unwrap().unwrap();
        }
        stream.write_all(b"ignored\n\nshow cli level\nquit\n").await.unwrap();
        text.clear();
        timeout(LIMIT, stream.read_to_string(&mut text)).await.unwrap().unwrap();
        assert_eq!(text, "\n> user\n\n> ");
    })
    .await;
}

#[tokio::test]
async fn the_end_is_told() {
    with_site(testing::shared(), async |site| {
        let mut reader = Reader::start(&site, Level::User, "watch").await;
        reader.synced().await;
        site.shared.process.stopping.store(true, std::sync::atomic::Ordering::Relaxed);
        site.shared.stopping.notify_waiters();
        let bye = reader.until(|line| matches!(line, Line::Bye { .. })).await;
        assert_eq!(bye, Line::Bye { reason: "stopping".to_owned() });
        assert_eq!(reader.text().await, None);
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_resumes() {
    with_site(testing::shared(), async |site| {
        let mut reader = Reader::start(&site, Level::Admin, "watch every 100ms").await;
        reader.synced().await;
        site.admin("set weight app/app1 1").await;
        reader.reach(site.shared.journal.seq()).await;
        let since = reader.replica.since().unwrap();
        drop(reader.stream);
        site.admin("set weight app/app1 2;set server app/app2 state drain").await;
        let mut again = Reader::start(&site, Level::Admin, &format!("watch every 100ms since {since}")).await;
        again.replica = reader.replica;
        let mut events = Vec::new();
        let target = site.shared.journal.seq();
        loop {
            match again.line().await {
                Line::Event(event) => events.push(event.event),
                Line::Delta(delta) if delta.seq > target => break,
                Line::Hello(_) | Line::Delta(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(events, [EventKind::Weight, EventKind::ServerState]);
        same(&site, &again.replica).await;
        for since in ["other:3", "b00t-100:999999", "b00t-200:1", "b00t-100:0"] {
            let mut gone =
                Reader::start(&site, Level::Admin, &format!("watch every 100ms since {since}")).await;
            assert!(matches!(gone.line().await, Line::Hello(_)));
            assert_eq!(gone.line().await, Line::Gone, "{since}");
            gone.synced().await;
            same(&site, &gone.replica).await;
        }
    })
    .await;
}

fn many(servers: usize) -> Config {
    let mut config = testing::config();
    let names: Vec<String> = (0..servers).map(|i| format!("server-{i}")).collect();
    let servers: Vec<(&str, u32, bool)> = names.iter().map(|name| (name.as_str(), 1, false)).collect();
    config.backends.push(testing::backend("many", Mode::Http, true, &servers));
    config
}

#[tokio::test]
async fn a_slow_reader_misses_events_and_is_told() {
    misses_events(Duration::ZERO).await;
}

/// It is given up on in the middle of the state, which it has to be given anew.
#[tokio::test]
async fn a_reader_that_stands_still_misses_events_and_is_told() {
    misses_events(PATIENCE + Duration::from_secs(1)).await;
}

/// Reads the beginning, and the rest after many events and that time.
async fn misses_events(still: Duration) {
    with_site(testing::shared_of(&many(400)), async |site| {
        let mut slow = Reader::start(&site, Level::Admin, "watch every 100ms").await;
        let mut swift = Reader::start(&site, Level::Admin, "watch every 100ms").await;
        slow.until(|line| matches!(line, Line::Row { .. })).await;
        swift.synced().await;
        let snapshot = site.shared.snapshot();
        let backend = snapshot.backend("app").unwrap();
        let server = backend.server("app1").unwrap();
        let mut events = 0;
        for weight in 0..3000 {
            site.shared.set_weight(backend, server, weight % 250, BY);
            if weight % 50 == 0 {
                swift.until(|line| matches!(line, Line::Event(e) if e.to.as_deref() == Some(&*(weight % 250).to_string()))).await;
            }
            events += 1;
        }
        // All is there for the one that reads.
        swift.reach(site.shared.journal.seq()).await;
        sleep(still).await;
        let mut seen = 0;
        let gap = loop {
            match slow.line().await {
                Line::Event(_) => seen += 1,
                Line::Gap(gap) => break gap,
                _ => {}
            }
        };
        assert!(gap.events_lost > 0 && gap.from <= gap.to, "{gap:?}");
        assert_eq!(seen + gap.events_lost, events);
        slow.synced().await;
        same(&site, &slow.replica).await;
    })
    .await;
}

#[tokio::test]
async fn a_delta_that_is_too_long_is_split() {
    with_site(testing::shared_of(&many(3000)), async |site| {
        let mut reader = Reader::start(&site, Level::Admin, "watch every 1s").await;
        reader.synced().await;
        let snapshot = site.shared.snapshot();
        // Who is too slow to be told of a change is given all anew, and has to see another.
        loop {
            for server in &snapshot.backend("many").unwrap().servers {
                server.stats.worker(0).add(Count::BytesIn, 1_000_000);
            }
            let told = |line: &Line| match line {
                Line::Delta(delta) => delta.more,
                Line::Sync(_) => true,
                _ => false,
            };
            if matches!(reader.until(told).await, Line::Delta(_)) {
                break;
            }
        }
        let mut parts = 0;
        loop {
            let Line::Delta(delta) = reader.line().await else { panic!("a delta") };
            parts += 1;
            if !delta.more {
                break;
            }
        }
        assert!(parts > 1);
        same(&site, &reader.replica).await;
        // Most of them go.
        site.shared.publish(testing::snapshot(&many(3), Some(&snapshot)));
        reader.reach(site.shared.journal.seq()).await;
        assert_eq!(reader.replica.rows().len(), 3 + 9);
        same(&site, &reader.replica).await;
    })
    .await;
}

/// What a replica holds is what `show stat` says; ages are compared as far as two moments can be.
async fn same(site: &Rc<Site>, replica: &Replica) {
    let asked = site.shared.epoch.now_ms();
    let stat = site.ask(Level::Admin, b"show stat\n").await;
    let answered = site.shared.epoch.now_ms();
    let rows = parse::parse(&stat).unwrap();
    let now_ms = site.shared.epoch.wall(answered);
    // Thousands of rows take their time where the machine is busy.
    let apart = 1 + (answered - asked).div_ceil(1000);
    let held = replica.ids().into_iter().filter_map(|id| replica.row(id, now_ms));
    let held: HashMap<String, Row> = held.map(|row| (row.id(), row)).collect();
    assert_eq!(rows.len(), held.len());
    for row in rows {
        let theirs = row.to_row();
        let ours = held.get(&theirs.id()).unwrap_or_else(|| panic!("{}", theirs.id()));
        for col in Col::ALL {
            let (ours, theirs) = (ours.get(col), theirs.get(col));
            if matches!(col, Col::Lastchg | Col::Lastsess | Col::Downtime) {
                let number = |value: Option<&proto::stats::Value>| value.map(proto::stats::Value::as_u64);
                assert!(
                    match (number(ours), number(theirs)) {
                        (Some(ours), Some(theirs)) => ours.abs_diff(theirs) <= apart,
                        (ours, theirs) => ours == theirs,
                    },
                    "{} {}: {ours:?} {theirs:?}",
                    row.id(),
                    col.name()
                );
            } else {
                assert_eq!(ours, theirs, "{} {}", row.id(), col.name());
            }
        }
    }
}

/// A small generator: the same operations every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

#[tokio::test]
async fn a_replica_is_what_show_stat_says_after_ten_thousand_operations() {
    let full = many(20);
    let fewer = many(5);
    with_site(testing::shared_of(&full), async |site| {
        let mut chance = Chance(4711);
        let shared = Arc::clone(&site.shared);
        let mut swift = Reader::start(&site, Level::Admin, "watch every 100ms").await;
        let mut slow = Reader::start(&site, Level::Admin, "watch every 100ms").await;
        swift.synced().await;
        for round in 0..20 {
            for _ in 0..500 {
                operate(&shared, &mut chance, [&full, &fewer]);
            }
            site.admin("set server app/app1 state ready;set weight app/app2 50%;disable health app/spare")
                .await;
            swift.reach(shared.journal.seq()).await;
            same(&site, &swift.replica).await;
            if round == 10 {
                slow.reach(shared.journal.seq()).await;
                same(&site, &slow.replica).await;
            }
        }
        slow.reach(shared.journal.seq()).await;
        same(&site, &slow.replica).await;
        assert!(matches!(slow.replica.apply_line(r#"{"kind":"later"}"#), Ok(Applied::Ignored)));
    })
    .await;
}

fn operate(shared: &crate::model::shared::Shared, chance: &mut Chance, configs: [&Config; 2]) {
    use crate::model::state::Event;
    let snapshot = shared.snapshot();
    let backend = &snapshot.backends[chance.below(snapshot.backends.len() as u64) as usize];
    let server = &backend.servers[chance.below(backend.servers.len() as u64) as usize];
    let frontend = &snapshot.frontends[chance.below(2) as usize];
    match chance.below(1000) {
        0..500 => {
            let cells = server.stats.worker(chance.below(2) as usize);
            cells.inc(Count::Sessions);
            cells.add(Count::BytesOut, chance.below(1 << 40));
            cells.status(chance.below(600) as u16);
            cells.last_session.set(shared.epoch.now_ms());
            frontend.live.stats.worker(0).inc(Count::Requests);
        }
        500..900 => {
            let events = [
                Event::CheckPassed,
                Event::CheckFailed,
                Event::Ready,
                Event::Drain,
                Event::Maint,
                Event::HealthUp,
                Event::HealthStopping,
                Event::HealthDown,
                Event::EnableCheck,
                Event::DisableCheck,
            ];
            shared.server_event(backend, server, events[chance.below(10) as usize], BY);
        }
        900..940 => shared.set_weight(backend, server, chance.below(257) as u32, BY),
        940..960 => {
            let address = format!("127.0.0.1:{}", 1 + chance.below(60_000)).parse().unwrap();
            shared.set_address(backend, server, address, BY);
        }
        960..970 => shared.set_frontend_maxconn(frontend, chance.below(100) as u32, BY),
        970..980 => shared.set_maxconn(backend, server, chance.below(100) as u32, BY),
        980..985 => {
            shared.pause_frontend(frontend, chance.below(2) == 0, BY);
        }
        985..990 => shared.clear_counters(chance.below(2) == 0, BY),
        _ => {
            let config = configs[chance.below(2) as usize];
            shared.publish(testing::snapshot(config, Some(&snapshot)));
        }
    }
}
