use proptest::prelude::*;
use proto::level::Level;

use super::*;
use crate::app::action::{Outcome, Phase};
use crate::app::key::Key;
use crate::command::observed::Observed;
use crate::command::order::Admin;
use crate::model::clock::Now;
use crate::model::sample::{Info, Kind, Row, Sample};
use crate::model::server::ServerId;

const READY: Observed = Observed { admin: Admin::Ready, weight: 100, initial: 100 };
const DRAINED: Observed = Observed { admin: Admin::Drain, weight: 100, initial: 100 };

fn sample(servers: &[(&str, &str, u64)]) -> Msg {
    sample_of("boot", servers)
}

fn sample_of(boot: &str, servers: &[(&str, &str, u64)]) -> Msg {
    let rows = servers
        .iter()
        .map(|&(name, status, weight)| {
            let (backend, server) = name.split_once('/').unwrap();
            let mut row = Row::new(Kind::Server, backend, server);
            row.status = status.into();
            row.weight = Some(weight);
            row.scur = Some(10);
            row
        })
        .collect();
    let info = Info { name: "HAProxy".into(), version: "2.6.12".into(), ..Info::default() };
    Msg::Sample(Box::new(Sample { boot: boot.into(), info, rows, took_ms: 1 }))
}

const TRIO: &[(&str, &str, u64)] =
    &[("app/app1", "UP", 100), ("app/app2", "UP", 100), ("solo/only", "UP", 100)];

struct Desk {
    app: App,
    at: u64,
}

impl Desk {
    fn new(read_only: bool) -> Self {
        let mut desk = Self { app: App::new("test.sock", read_only, 80, 24), at: 10_000 };
        desk.tell(Msg::Level(Some(Level::Admin)));
        desk.tell(sample(TRIO));
        desk
    }

    fn tell(&mut self, msg: Msg) -> Effects {
        self.at += 1;
        update(&mut self.app, Msg::Tick(Now { mono: self.at, wall: self.at }));
        update(&mut self.app, msg)
    }

    /// Types keys as a person does: the screen is painted after each, and time goes by.
    fn keys(&mut self, keys: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for c in keys.chars() {
            let key = match c {
                '\n' => Key::Enter,
                '\x1b' => Key::Esc,
                '\x08' => Key::Backspace,
                c => Key::Char(c),
            };
            effects.extend(self.tell(Msg::Key(key)));
            self.tell(Msg::Painted);
            self.at += 200;
        }
        effects
    }

    fn note(&self) -> &str {
        self.app.note.as_ref().map_or("", |note| note.text.as_str())
    }
}

fn sent(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send { command, .. } => Some(command.get().to_string()),
            _ => None,
        })
        .collect()
}

#[test]
fn keys_become_commands_only_after_y() {
    for (keys, commands) in [
        ("dy", &["set server app/app1 state drain"][..]),
        ("my", &["set server app/app1 state maint"]),
        ("jdy", &["set server app/app2 state drain"]),
        ("w50%\ny", &["set server app/app1 weight 50%"]),
        ("w+10\ny", &["set server app/app1 weight 110"]),
        ("w0\ny", &["set server app/app1 weight 0"]),
        ("/app2\ndy", &["set server app/app2 state drain"]),
        ("/only\ndonly", &["set server solo/only state drain"]),
        ("/only\ndonx\x08ly", &["set server solo/only state drain"]),
        ("/only\ndy", &[]),
        ("dd", &[]),
        ("d\n", &[]),
        ("dn", &[]),
        ("d\x1by", &[]),
        ("dY", &[]),
        ("ry", &[]),
        ("w999\ny", &[]),
        ("w50%\n\ny", &["set server app/app1 weight 50%"]),
        ("zy", &[]),
        ("Ldy", &[]),
        ("LLydy", &["set server app/app1 state drain"]),
        ("LLLdy", &[]),
        ("/nothing\ndy", &[]),
    ] {
        let effects = Desk::new(false).keys(keys);
        assert_eq!(sent(&effects), commands, "{keys:?}");
    }
}

#[test]
fn a_key_typed_ahead_does_not_confirm() {
    let mut desk = Desk::new(false);
    assert!(sent(&desk.tell(Msg::Key(Key::Char('d')))).is_empty());
    assert!(sent(&desk.tell(Msg::Key(Key::Char('y')))).is_empty(), "nothing is painted yet");
    desk.tell(Msg::Painted);
    desk.at += 100;
    assert!(sent(&desk.tell(Msg::Key(Key::Char('y')))).is_empty(), "nobody has read it yet");
    desk.at += 100;
    assert_eq!(sent(&desk.tell(Msg::Key(Key::Char('y')))), ["set server app/app1 state drain"]);
}

#[test]
fn an_action_is_pending_then_confirmed_then_undone() {
    let mut desk = Desk::new(false);
    desk.keys("dy");
    let id = ServerId::new("app", "app1");
    assert_eq!(desk.app.action_on(&id).map(|a| &a.phase), Some(&Phase::Pending));
    desk.tell(Msg::Outcome(1, Outcome::Done { before: READY, after: DRAINED }));
    desk.tell(sample(&[("app/app1", "DRAIN", 100), ("app/app2", "UP", 100)]));
    assert!(desk.note().contains("confirmed in"), "{}", desk.note());
    assert_eq!(sent(&desk.keys("zy")), ["set server app/app1 state ready"]);
    desk.tell(Msg::Outcome(2, Outcome::Done { before: DRAINED, after: READY }));
    desk.tell(sample(TRIO));
    assert!(sent(&desk.keys("zy")).is_empty());
    assert_eq!(desk.note(), "nothing to undo");
}

#[test]
fn undo_says_what_changed_since_and_asks() {
    let mut desk = Desk::new(false);
    desk.keys("dy");
    desk.tell(Msg::Outcome(1, Outcome::Done { before: READY, after: DRAINED }));
    desk.tell(sample(&[("app/app1", "MAINT", 100), ("app/app2", "UP", 100)]));
    desk.keys("z");
    let Mode::Ask(question) = &desk.app.mode else { panic!("{:?}", desk.app.mode) };
    assert_eq!(question.again.as_deref(), Some("it changed since: app/app1 is MAINT with weight 100 now"));
    assert_eq!(sent(&desk.keys("y")), ["set server app/app1 state ready"]);
}

#[test]
fn undo_goes_on_behind_what_was_brought_back_by_hand() {
    let mut desk = Desk::new(false);
    desk.keys("dy");
    desk.tell(Msg::Outcome(1, Outcome::Done { before: READY, after: DRAINED }));
    desk.tell(sample(&[("app/app1", "DRAIN", 100), ("app/app2", "UP", 100)]));
    desk.keys("/app2\nmapp2");
    let maint = Observed { admin: Admin::Maint, ..READY };
    desk.tell(Msg::Outcome(2, Outcome::Done { before: READY, after: maint }));
    desk.tell(sample(&[("app/app1", "DRAIN", 100), ("app/app2", "UP", 100)]));
    assert!(sent(&desk.keys("zy")).is_empty(), "somebody made it ready again");
    assert_eq!(sent(&desk.keys("zy")), ["set server app/app1 state ready"]);
}

#[test]
fn percents_keep_to_the_record_while_they_are_asked_about() {
    let mut desk = Desk::new(false);
    let half = &[("app/app1", "UP", 50), ("app/app2", "UP", 100)];
    desk.tell(sample(half));
    desk.keys("/app1\nw");
    let observed = Observed { weight: 50, ..READY };
    desk.tell(Msg::Observed(ServerId::new("app", "app1"), observed));
    desk.keys("50");
    desk.keys("%\n");
    assert!(matches!(desk.app.mode, Mode::Weight { .. }), "half of 100 is what it has");
    desk.keys("\x08\x08\x0880%\n");
    desk.tell(sample(half));
    let Mode::Ask(question) = &desk.app.mode else { panic!("{:?}", desk.app.mode) };
    assert_eq!(question.again, None);
    let share = &question.plan.projection.shares[1];
    assert!((share.after - 80.0 / 180.0).abs() < 1e-9, "{share:?}");
}

#[test]
fn a_change_under_the_question_asks_again() {
    let mut desk = Desk::new(false);
    desk.keys("d");
    desk.tell(sample(&[("app/app1", "MAINT", 100), ("app/app2", "UP", 100)]));
    let effects = desk.tell(Msg::Key(Key::Char('y')));
    assert!(sent(&effects).is_empty(), "what was asked is not what it is now");
    let Mode::Ask(question) = &desk.app.mode else { panic!("{:?}", desk.app.mode) };
    assert!(question.again.is_some());
    desk.tell(Msg::Painted);
    desk.at += 200;
    assert_eq!(sent(&desk.keys("y")), ["set server app/app1 state drain"]);
}

#[test]
fn a_change_found_by_the_lane_asks_again() {
    let mut desk = Desk::new(false);
    desk.keys("w50%\ny");
    let other = Observed { weight: 30, ..READY };
    desk.tell(Msg::Outcome(1, Outcome::Changed(other)));
    let Mode::Ask(question) = &desk.app.mode else { panic!("{:?}", desk.app.mode) };
    assert!(question.plan.expected.holds(other));
    assert_eq!(question.plan.undo_command().to_string(), "set server app/app1 weight 30");
}

#[test]
fn refusals_are_in_the_balancers_words() {
    let mut desk = Desk::new(false);
    desk.keys("dy");
    desk.tell(Msg::Outcome(1, Outcome::Refused("Permission denied".into())));
    assert!(desk.note().ends_with("refused: Permission denied"), "{}", desk.note());
    assert!(desk.app.undoable().is_none());
}

#[test]
fn lost_locks_and_keeps_everything() {
    let mut desk = Desk::new(false);
    desk.keys("jd");
    let lost = Msg::Lost { error: "Connection refused".into(), attempt: 1, retry_in_ms: 250 };
    desk.tell(lost);
    assert!(matches!(desk.app.mode, Mode::Table));
    assert!(sent(&desk.keys("dy")).is_empty());
    assert_eq!(desk.app.order.len(), 3);
    desk.tell(sample_of("other", TRIO));
    assert!(desk.note().contains("restarted"), "{}", desk.note());
    assert_eq!(desk.app.selected, Some(ServerId::new("app", "app2")));
    assert_eq!(sent(&desk.keys("dy")), ["set server app/app2 state drain"]);
}

#[test]
fn undo_does_not_reach_over_a_restart() {
    let mut desk = Desk::new(false);
    desk.keys("dy");
    desk.tell(Msg::Outcome(1, Outcome::Done { before: READY, after: DRAINED }));
    desk.tell(sample_of("other", TRIO));
    assert!(sent(&desk.keys("zy")).is_empty());
    assert!(desk.note().contains("restarted since"), "{}", desk.note());
}

#[test]
fn the_selection_is_a_server_not_a_row() {
    let mut desk = Desk::new(false);
    desk.keys("j");
    assert_eq!(desk.app.selected, Some(ServerId::new("app", "app2")));
    desk.tell(sample(&[("app/app1", "UP", 100), ("app/app2", "UP", 100), ("solo/only", "DOWN", 100)]));
    assert_eq!(desk.app.cursor(), Some(2));
    assert_eq!(desk.app.selected, Some(ServerId::new("app", "app2")));
    desk.keys("e");
    assert_eq!(desk.app.selected, Some(ServerId::new("solo", "only")));
}

#[test]
fn the_selection_outlives_a_filter_that_hides_it() {
    let mut desk = Desk::new(false);
    desk.keys("j/xyz");
    assert_eq!(desk.app.selected, None);
    desk.keys("\x08\x08\x08");
    assert_eq!(desk.app.selected, Some(ServerId::new("app", "app2")));
    desk.keys("only\x1b");
    assert_eq!(desk.app.selected, Some(ServerId::new("app", "app2")));
    desk.keys("/only\n");
    assert_eq!(desk.app.selected, Some(ServerId::new("solo", "only")));
}

#[test]
fn quitting_waits_for_an_answer_once() {
    let mut desk = Desk::new(false);
    desk.keys("dy");
    assert!(desk.keys("q").is_empty());
    assert_eq!(desk.keys("q"), [Effect::Quit]);
    assert_eq!(Desk::new(false).keys("q"), [Effect::Quit]);
}

#[test]
fn operators_and_users_cannot_act() {
    let mut desk = Desk::new(false);
    desk.tell(Msg::Level(Some(Level::Operator)));
    assert!(sent(&desk.keys("dy")).is_empty());
    assert_eq!(desk.note(), "needs level admin, the socket is level operator");
    assert!(sent(&desk.keys("LLydy")).is_empty());
}

fn any_key() -> impl Strategy<Value = Key> {
    prop_oneof![
        8 => prop::sample::select("drmwzyyynLLRe/?sgG0123%+appsolny1q".chars().collect::<Vec<_>>()).prop_map(Key::Char),
        2 => prop::sample::select(vec![Key::Enter, Key::Esc, Key::Up, Key::Down, Key::Backspace, Key::End, Key::Other]),
        1 => any::<char>().prop_map(Key::Char),
        1 => prop::char::range('a', 'y').prop_map(Key::Ctrl),
    ]
}

fn any_msg() -> impl Strategy<Value = Msg> {
    let status = prop::sample::select(vec!["UP", "DOWN", "DRAIN", "MAINT", "UP 1/3", "no check", "??"]);
    let observed =
        (0_u32..64, 0_u32..257).prop_map(|(bits, weight)| Observed::from_fields(bits, weight, 100));
    prop_oneof![
        10 => any_key().prop_map(Msg::Key),
        4 => Just(Msg::Painted),
        2 => (status.clone(), status, 0_u64..200, 0..3).prop_map(|(a, b, weight, boot)| {
            sample_of(if boot == 0 { "other" } else { "boot" },
                &[("app/app1", a, 100), ("app/app2", b, weight), ("solo/only", "UP", 1)])
        }),
        1 => Just(Msg::Lost { error: "gone".into(), attempt: 3, retry_in_ms: 1000 }),
        1 => (0_u16..200, 0_u16..80).prop_map(|(width, height)| Msg::Resize { width, height }),
        1 => (0_u64..4, observed.clone()).prop_map(|(n, seen)| Msg::Outcome(n, Outcome::Changed(seen))),
        1 => (0_u64..4, observed.clone(), observed.clone())
            .prop_map(|(n, before, after)| Msg::Outcome(n, Outcome::Done { before, after })),
        1 => observed.prop_map(|seen| Msg::Observed(ServerId::new("app", "app1"), seen)),
        1 => prop::sample::select(vec![None, Some(Level::User), Some(Level::Admin)]).prop_map(Msg::Level),
    ]
}

/// Runs messages, 60 ms apart, and returns what was sent.
fn run(desk: &mut Desk, messages: Vec<Msg>) -> Vec<String> {
    let mut effects = Vec::new();
    for msg in messages {
        desk.at += 60;
        effects.extend(desk.tell(msg));
        let rows = desk.app.order.len();
        assert!(desk.app.order.iter().all(|&at| at < desk.app.instance.servers.len()));
        assert!(desk.app.top <= rows);
    }
    sent(&effects)
}

proptest! {
    #[test]
    fn nothing_is_ever_sent_in_read_only(messages in prop::collection::vec(any_msg(), 0..200)) {
        prop_assert_eq!(run(&mut Desk::new(true), messages), Vec::<String>::new());
    }

    #[test]
    fn nothing_is_sent_while_locked(messages in prop::collection::vec(any_msg(), 0..200)) {
        let mut desk = Desk::new(false);
        desk.keys("L");
        let kept: Vec<Msg> = messages.into_iter().filter(|msg| *msg != Msg::Key(Key::Char('L'))).collect();
        prop_assert_eq!(run(&mut desk, kept), Vec::<String>::new());
    }

    /// The properties above would hold for a program that never sends; this one does.
    #[test]
    fn whatever_comes_is_survived(messages in prop::collection::vec(any_msg(), 0..200)) {
        let mut desk = Desk::new(false);
        for command in run(&mut desk, messages) {
            prop_assert!(command.starts_with("set server "), "{}", command);
        }
    }
}
