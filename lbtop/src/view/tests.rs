use proptest::prelude::*;
use proto::level::Level;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

use super::*;
use crate::app::action::Outcome;
use crate::app::key::Key;
use crate::app::msg::Msg;
use crate::app::update::update;
use crate::command::observed::Observed;
use crate::command::order::Admin;
use crate::model::clock::Now;
use crate::model::sample::{Info, Kind, Row, Sample};

/// 2026-11-22T14:06:12Z.
const NOON: u64 = 1_795_356_372_000;
const UTF8: Look = Look { glyphs: Glyphs::Utf8, colors: Colors::Terminal };
const ASCII: Look = Look { glyphs: Glyphs::Ascii, colors: Colors::None };

struct Stage {
    app: App,
    at: u64,
    /// Seconds of traffic so far.
    traffic: u64,
}

fn server(id: &str, status: &str, weight: u64, scur: u64, slim: u64) -> Row {
    let (backend, name) = id.split_once('/').unwrap();
    let mut row = Row::new(Kind::Server, backend, name);
    row.status = status.into();
    row.addr = format!("10.0.7.{}:8080", name.len());
    row.weight = Some(weight);
    row.scur = Some(scur);
    row.slim = (slim > 0).then_some(slim);
    row.qcur = Some(0);
    row.hrsp_5xx = Some(0);
    row.check_status = "L7OK".into();
    row.check_code = Some(200);
    row.check_duration = Some(2);
    row.last_chk = "OK".into();
    row.changed_at = Some(NOON - 3_542_400_000);
    row.rtime = Some(41);
    row
}

/// A balancer with a bit of everything.
fn rows(traffic: u64) -> Vec<Row> {
    let mut front = Row::new(Kind::Frontend, "http", "FRONTEND");
    front.req_tot = Some(traffic * 8210);
    front.hrsp_5xx = Some(traffic * 33);
    let mut down = server("web/s7", "DOWN", 100, 0, 100);
    (down.check_status, down.check_code, down.last_chk) =
        ("L7STS".into(), Some(503), "Service Unavailable".into());
    down.changed_at = Some(NOON - 252_000);
    let mut failing = server("web/s4", "UP 1/3", 100, 97, 100);
    (failing.check_status, failing.check_code) = ("L7TOUT".into(), None);
    failing.qcur = Some(17);
    failing.changed_at = Some(NOON - 8_000);
    failing.req_tot = Some(traffic * 402);
    failing.hrsp_5xx = Some(traffic * 25);
    let mut drain = server("web/s3", "DRAIN", 100, 12, 100);
    drain.changed_at = Some(NOON - 48_000);
    let mut maint = server("db/replica2", "MAINT", 100, 0, 0);
    (maint.check_status, maint.check_code) = (String::new(), None);
    maint.changed_at = Some(NOON - 93_600_000);
    let mut up = server("web/s1", "UP", 100, 62, 100);
    up.req_tot = Some(traffic * 611);
    let mut up2 = server("web/s2", "UP", 100, 64, 100);
    up2.req_tot = Some(traffic * 608);
    let mut spare = server("web/spare", "UP", 100, 0, 100);
    spare.is_backup = true;
    let only = server("db/primary", "no check", 1, 3, 0);
    let long = server("a-backend-of-a-rather-long-name/eu-central-1-server-017", "UP", 100, 3, 50);
    let mut odd = server("odd/x", "UP", 1, 0, 0);
    odd.name = "\u{1b}[31mred\u{202e}".into();
    vec![front, up, up2, down, failing, drain, spare, only, maint, long, odd]
}

impl Stage {
    fn new(width: u16, height: u16) -> Self {
        let mut stage =
            Self { app: App::new("/run/proxyd/admin.sock", false, width, height), at: 1_000_000, traffic: 0 };
        stage.tell(Msg::Level(Some(Level::Admin)));
        for _ in 0..70 {
            stage.sample();
        }
        stage
    }

    fn now(&self) -> Now {
        Now { mono: self.at, wall: NOON + self.at - 1_070_000 }
    }

    fn tell(&mut self, msg: Msg) {
        let now = self.now();
        update(&mut self.app, Msg::Tick(now));
        update(&mut self.app, msg);
    }

    fn sample(&mut self) {
        self.at += 1000;
        self.traffic += 1;
        let info = Info {
            name: "HAProxy".into(),
            version: "3.2.0-proxyd-0.1.0".into(),
            node: "prod-lb1".into(),
            pid: 4122,
            uptime_s: 3_553_200,
            curr_conns: 12_400,
            max_conn: 40_000,
        };
        let sample = Sample { boot: "b".into(), info, rows: rows(self.traffic), took_ms: 3 };
        self.tell(Msg::Sample(Box::new(sample)));
    }

    fn keys(&mut self, keys: &str) {
        for c in keys.chars() {
            self.tell(Msg::Key(if c == '\n' { Key::Enter } else { Key::Char(c) }));
            self.tell(Msg::Painted);
            self.at += 200;
        }
    }

    fn screen(&self, look: Look) -> String {
        let backend = TestBackend::new(self.app.width, self.app.height);
        let mut terminal = Terminal::new(backend).unwrap();
        terminal.draw(|frame| draw(&self.app, look, frame)).unwrap();
        let cursor = terminal.get_cursor_position().unwrap();
        format!("{}cursor {},{}", terminal.backend(), cursor.x, cursor.y)
    }
}

#[test]
fn panic_is_said_on_top() {
    let mut stage = Stage::new(120, 24);
    for (name, status) in [("web", "UP (PANIC)"), ("db", "UP")] {
        let mut row = Row::new(Kind::Backend, name, "BACKEND");
        row.status = status.into();
        stage.app.instance.backends.push(row);
    }
    let top = |stage: &Stage| stage.screen(UTF8).lines().nth(1).unwrap_or_default().to_owned();
    assert!(
        top(&stage).starts_with("\" ! PANIC in web: servers are used, up or not  req/s "),
        "{}",
        top(&stage)
    );
    stage.app.instance.backends[1].status = "DOWN (PANIC)".into();
    let both = "\" ! PANIC in db: no server is used; web: servers are used, up or not";
    assert!(top(&stage).starts_with(both), "{}", top(&stage));
    let short = "\" ! PANIC: none used in db; all used in web";
    for (width, said) in [(80, short), (58, short), (40, "\" ! PANIC: none used in db; ")] {
        stage.tell(Msg::Resize { width, height: 24 });
        assert!(top(&stage).starts_with(said), "{}", top(&stage));
    }
    stage.tell(Msg::Resize { width: 160, height: 24 });
    let mut pay = Row::new(Kind::Backend, "pay", "BACKEND");
    pay.status = "DOWN (PANIC)".into();
    stage.app.instance.backends.push(pay);
    let three = "\" ! PANIC in db and 1 more: no server is used; web: servers are used, up or not";
    assert!(top(&stage).starts_with(three), "{}", top(&stage));
    stage.app.instance.backends.pop();
    stage.app.instance.backends[0].status = "UP".into();
    assert!(top(&stage).starts_with("\" ! PANIC in db: no server is used"), "{}", top(&stage));
}

#[test]
fn servers() {
    for (width, height) in [(40, 12), (80, 24), (120, 40), (160, 24), (19, 3)] {
        insta::assert_snapshot!(format!("servers_{width}x{height}"), Stage::new(width, height).screen(UTF8));
    }
    insta::assert_snapshot!("servers_80x24_ascii", Stage::new(80, 24).screen(ASCII));
    insta::assert_snapshot!("servers_40x12_ascii", Stage::new(40, 12).screen(ASCII));
}

/// Its check passes; what is shown is what its agent says.
#[test]
fn a_server_that_its_agent_holds_down() {
    for (width, height) in [(40, 12), (80, 24), (160, 24)] {
        let mut stage = Stage::new(width, height);
        let mut row = server("web/s7", "DOWN (agent)", 100, 0, 100);
        (row.agent_status, row.last_agt) = ("L7STS".into(), "via agent : down (disk full)".into());
        row.agent_duration = Some(1);
        let now = stage.now().mono;
        for server in &mut stage.app.instance.servers {
            if server.id.server == "s7" {
                server.take(row.clone(), now);
            }
        }
        insta::assert_snapshot!(format!("agent_{width}x{height}"), stage.screen(UTF8));
    }
}

#[test]
fn help() {
    for (width, height) in [(40, 12), (80, 24), (120, 40)] {
        let mut stage = Stage::new(width, height);
        stage.keys("?");
        insta::assert_snapshot!(format!("help_{width}x{height}"), stage.screen(UTF8));
    }
}

#[test]
fn questions() {
    for (width, height) in [(40, 12), (80, 24), (120, 40)] {
        let mut low = Stage::new(width, height);
        low.keys("/spare\nm");
        insta::assert_snapshot!(format!("ask_low_{width}x{height}"), low.screen(UTF8));
        let mut high = Stage::new(width, height);
        high.keys("/web/s1\ndno");
        insta::assert_snapshot!(format!("ask_high_{width}x{height}"), high.screen(UTF8));
        let mut last = Stage::new(width, height);
        last.keys("/primary\nm");
        insta::assert_snapshot!(format!("ask_last_{width}x{height}"), last.screen(ASCII));
    }
    let mut weight = Stage::new(80, 24);
    weight.keys("/web/s2\nw");
    let observed = Observed { admin: Admin::Ready, weight: 100, initial: 100 };
    weight.tell(Msg::Observed(crate::model::server::ServerId::new("web", "s2"), observed));
    weight.keys("50%");
    insta::assert_snapshot!("weight_prompt_80x24", weight.screen(UTF8));
    weight.keys("\n");
    insta::assert_snapshot!("ask_weight_80x24", weight.screen(UTF8));
}

#[test]
fn actions_on_rows() {
    let mut stage = Stage::new(80, 24);
    stage.keys("/spare\nmy");
    insta::assert_snapshot!("pending_80x24", stage.screen(UTF8));
    let before = Observed { admin: Admin::Ready, weight: 100, initial: 100 };
    stage.tell(Msg::Outcome(1, Outcome::Done { before, after: Observed { admin: Admin::Maint, ..before } }));
    insta::assert_snapshot!("confirmed_80x24", stage.screen(UTF8));
    stage.tell(Msg::Outcome(1, Outcome::Refused("Permission denied \u{1b}[2J".into())));
    insta::assert_snapshot!("refused_80x24", stage.screen(UTF8));
    stage.tell(Msg::Outcome(1, Outcome::Unknown("connection reset".into())));
    insta::assert_snapshot!("unknown_40x12", {
        stage.tell(Msg::Resize { width: 40, height: 12 });
        stage.screen(UTF8)
    });
}

#[test]
fn lost() {
    for (width, height) in [(40, 12), (80, 24), (120, 40)] {
        let mut stage = Stage::new(width, height);
        stage.at += 14_000;
        stage.tell(Msg::Lost { error: "connection refused".into(), attempt: 4, retry_in_ms: 3000 });
        insta::assert_snapshot!(format!("lost_{width}x{height}"), stage.screen(UTF8));
    }
    let mut never = Stage::new(80, 24);
    never.app = App::new("./proxyd.sock", false, 80, 24);
    never.tell(Msg::Lost { error: "no such socket".into(), attempt: 1, retry_in_ms: 250 });
    insta::assert_snapshot!("never_80x24", never.screen(UTF8));
}

/// Words say it all; the styles on top of them are looked at here.
#[test]
fn styles_follow_severity_and_age() {
    let styles = |stage: &Stage, look: Look| {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| draw(&stage.app, look, frame)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        move |x: u16, y: u16| buffer[(x, y)].style()
    };
    let mut stage = Stage::new(80, 24);
    let at = styles(&stage, UTF8);
    assert_eq!(at(20, 3).fg, Some(Color::Red), "the state of the first row, which is down");
    assert!(
        at(1, 3).add_modifier.contains(Modifier::REVERSED)
            || at(1, 8).add_modifier.contains(Modifier::REVERSED)
    );
    let plain = styles(&stage, ASCII);
    assert!(
        (0..24).all(|y| (0..80).all(|x| plain(x, y).fg == Some(Color::Reset))),
        "no colour was asked for"
    );
    stage.tell(Msg::Lost { error: "x".into(), attempt: 1, retry_in_ms: 1 });
    let at = styles(&stage, UTF8);
    assert!(at(30, 9).add_modifier.contains(Modifier::DIM));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_size_is_drawn(
        width in 1_u16..=200,
        height in 1_u16..=60,
        keys in "[?/dmrwjkGz]{0,4}",
        (drawn_width, drawn_height) in prop_oneof![Just((1, 1)), (1_u16..=200, 1_u16..=60)],
        is_lost in any::<bool>(),
        is_ascii in any::<bool>(),
    ) {
        let mut stage = Stage::new(80, 24);
        stage.keys(&keys);
        if is_lost {
            stage.tell(Msg::Lost { error: "gone".into(), attempt: 1, retry_in_ms: 1 });
        }
        stage.tell(Msg::Resize { width, height });
        let look = if is_ascii { ASCII } else { UTF8 };
        stage.screen(look);
        // The terminal may be of another size already when the word of it has not come yet.
        let mut terminal = Terminal::new(TestBackend::new(drawn_width, drawn_height)).unwrap();
        terminal.draw(|frame| draw(&stage.app, look, frame)).unwrap();
    }

    /// Whatever a balancer says is shown or left out, and never ends the program.
    #[test]
    fn any_answer_is_drawn(
        numbers in prop::collection::vec(prop_oneof![Just(None), Just(Some(u64::MAX)), any::<Option<u64>>()], 40),
        texts in prop::collection::vec("\\PC{0,12}|[\\x00-\\xff]{0,12}", 8),
        keys in "[dmrw?5y\n]{0,5}",
    ) {
        let mut stage = Stage::new(80, 24);
        for (turn, numbers) in numbers.chunks(20).enumerate() {
            let mut rows = vec![Row::new(Kind::Frontend, "f", "FRONTEND"), Row::new(Kind::Backend, "b", "BACKEND")];
            for name in &texts[..3] {
                let mut row = Row::new(Kind::Server, "b", name.clone());
                row.status = texts[turn % 2].clone();
                (row.addr, row.check_status, row.last_chk) = (texts[4].clone(), texts[5].clone(), texts[6].clone());
                rows.push(row);
            }
            for (row, n) in rows.iter_mut().zip(numbers.chunks(4)) {
                (row.weight, row.qcur, row.scur, row.slim) = (n[0], n[1], n[2], n[3]);
                (row.stot, row.req_tot, row.hrsp_5xx, row.bin) = (n[3], n[2], n[1], n[0]);
                (row.changed_at, row.rtime, row.throttle, row.check_code) = (n[0], n[1], n[2], n[3]);
            }
            let info = Info {
                name: texts[3].clone(),
                version: texts[7].clone(),
                node: texts[0].clone(),
                pid: 1,
                uptime_s: numbers[0].unwrap_or(0),
                curr_conns: numbers[1].unwrap_or(0),
                max_conn: numbers[2].unwrap_or(0),
            };
            stage.at += 1000;
            let sample = Sample { boot: "b".into(), info, rows, took_ms: 0 };
            stage.tell(Msg::Sample(Box::new(sample)));
            stage.screen(UTF8);
        }
        stage.keys(&keys);
        let screen = stage.screen(ASCII);
        let acts = screen.contains(['\u{1b}', '\u{9b}', '\u{202e}']);
        prop_assert!(!acts);
    }
}
