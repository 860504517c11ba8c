//! Keys in, bytes on the socket out: the whole program but its terminal.

use std::thread;
use std::time::{Duration, Instant};

use lbtop::app::action::{Outcome, Phase};
use lbtop::app::key::Key;
use lbtop::app::msg::Msg;
use lbtop::app::state::{App, Mode};
use lbtop::app::update::update;
use lbtop::model::instance::Link;
use lbtop::model::server::ServerId;
use lbtop::transport::clock::Clock;
use lbtop::transport::mailbox::{Inbox, mailbox};
use lbtop::transport::{self, Handle};

use crate::balancer::{Balancer, Served};

/// The program without its terminal.
struct Desk {
    app: App,
    inbox: Inbox,
    handle: Handle,
    clock: Clock,
    /// How far the program's clock is ahead: nobody waits for dead time here.
    ahead: u64,
    served: Served,
}

impl Desk {
    fn new(change: impl FnOnce(&mut Balancer)) -> Self {
        let served = Balancer::start(change);
        let (mailbox, inbox) = mailbox();
        let (handle, work) = transport::new(served.socket.clone(), mailbox);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work.run());
        });
        let app = App::new("x.sock", false, 80, 24);
        let mut desk = Self { app, inbox, handle, clock: Clock::start(), ahead: 0, served };
        desk.until("connected", |app| app.instance.level.is_some() && !app.order.is_empty());
        desk
    }

    fn tell(&mut self, msg: Msg) {
        let mut now = self.clock.now();
        now.mono += self.ahead;
        update(&mut self.app, Msg::Tick(now));
        for effect in update(&mut self.app, msg) {
            self.handle.take(effect);
        }
    }

    /// Takes news until `is_so`.
    fn until(&mut self, what: &str, is_so: impl Fn(&App) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is_so(&self.app) {
            let left = deadline.checked_duration_since(Instant::now());
            let left = left.unwrap_or_else(|| panic!("never {what}: {:#?}", self.app));
            if let Ok(post) = self.inbox.posts.recv_timeout(left)
                && let Some(msg) = self.inbox.open(post)
            {
                self.tell(msg);
            }
        }
    }

    fn keys(&mut self, keys: &str) {
        for c in keys.chars() {
            self.tell(Msg::Key(if c == '\n' { Key::Enter } else { Key::Char(c) }));
            self.tell(Msg::Painted);
            self.ahead += 200;
        }
    }

    /// Types keys and waits for what becomes of the command.
    fn outcome(&mut self, keys: &str) -> Outcome {
        self.keys(keys);
        self.until("settled", |app| app.actions.last().is_some_and(|action| action.phase != Phase::Pending));
        match &self.app.actions.last().unwrap().phase {
            Phase::Settled { outcome, .. } => outcome.clone(),
            Phase::Pending => panic!("still pending"),
        }
    }

    fn commands(&self) -> Vec<String> {
        self.served.balancer.lock().unwrap().commands.clone()
    }

    fn word(app: &App, name: &str) -> String {
        app.instance.server(&ServerId::new("app", name)).map_or("", |server| server.word()).to_owned()
    }
}

#[test]
fn drain_and_undo_on_the_wire() {
    let mut desk = Desk::new(|_| {});
    assert!(matches!(desk.outcome("/app1\ndy"), Outcome::Done { .. }));
    assert_eq!(desk.commands(), ["set server app/app1 state drain"]);
    desk.until("drained", |app| Desk::word(app, "app1") == "DRAIN");
    assert!(matches!(desk.outcome("zy"), Outcome::Done { .. }));
    desk.until("back", |app| Desk::word(app, "app1") == "UP");
    assert!(matches!(desk.outcome("w50%\ny"), Outcome::Done { .. }));
    desk.until("lighter", |app| app.instance.servers[0].weight() == 50);
    assert!(matches!(desk.outcome("zy"), Outcome::Done { .. }));
    assert_eq!(
        desk.commands()[1..],
        [
            "set server app/app1 state ready",
            "set server app/app1 weight 50%",
            "set server app/app1 weight 100"
        ]
    );
}

#[test]
fn what_was_refused_is_said_in_the_balancers_words() {
    let mut desk = Desk::new(|balancer| balancer.refuse = Some("Permission denied"));
    assert_eq!(desk.outcome("dy"), Outcome::Refused("Permission denied".into()));
}

#[test]
fn a_cut_answer_is_unknown_and_never_sent_again() {
    let mut desk = Desk::new(|balancer| balancer.hangs_up = true);
    assert!(matches!(desk.outcome("dy"), Outcome::Unknown(_)));
    desk.served.balancer.lock().unwrap().hangs_up = false;
    let seen = desk.app.instance.generation;
    desk.until("looked again", |app| app.instance.generation > seen + 1);
    assert_eq!(desk.commands().len(), 1);
}

#[test]
fn somebody_elses_change_is_asked_about() {
    let mut desk = Desk::new(|_| {});
    desk.keys("/app1\nd");
    desk.served.balancer.lock().unwrap().servers.insert("app1", (1, 100));
    desk.keys("y");
    desk.until("asked again", |app| matches!(&app.mode, Mode::Ask(question) if question.again.is_some()));
    assert!(desk.commands().is_empty());
}

#[test]
fn a_socket_below_admin_takes_no_commands() {
    let mut desk = Desk::new(|balancer| balancer.level = "operator");
    desk.keys("dymyw0\nyzy");
    assert!(desk.commands().is_empty());
    assert!(desk.app.note.as_ref().is_some_and(|note| note.text.contains("operator")));
}

#[test]
fn the_stream_is_used_where_there_is_one() {
    let mut desk = Desk::new(|balancer| balancer.version = "3.2.0-proxyd-0.1.0");
    let seen = desk.app.instance.generation;
    desk.until("streamed", |app| app.instance.generation > seen);
    assert_eq!(desk.served.balancer.lock().unwrap().watchers, 1);
    assert!(matches!(desk.outcome("/app2\nmy"), Outcome::Done { .. }));
    // The stream is silent; it is the look after the command that shows it.
    desk.until("in maintenance", |app| Desk::word(app, "app2") == "MAINT");
}

#[test]
fn a_stream_that_has_no_room_is_polled_instead() {
    let mut desk = Desk::new(|balancer| {
        balancer.version = "3.2.0-proxyd-0.1.0";
        balancer.is_crowded = true;
    });
    let seen = desk.app.instance.generation;
    desk.until("looked twice more", |app| app.instance.generation > seen + 1);
    assert_eq!(desk.served.balancer.lock().unwrap().watchers, 1);
    assert_eq!(desk.app.instance.link, Link::Open);
}

#[test]
fn a_balancer_that_goes_is_lost_and_comes_back() {
    let mut desk = Desk::new(|_| {});
    std::fs::rename(&desk.served.socket, desk.served.socket.with_extension("away")).unwrap();
    desk.until("lost", |app| matches!(app.instance.link, Link::Lost { .. }));
    assert_eq!(desk.app.order.len(), 2, "what was known stays");
    desk.keys("dy");
    assert!(desk.commands().is_empty());
    desk.served.balancer.lock().unwrap().pid = 8;
    std::fs::rename(desk.served.socket.with_extension("away"), &desk.served.socket).unwrap();
    desk.until("back", |app| app.instance.link == Link::Open);
    assert!(desk.app.note.as_ref().is_some_and(|note| note.text.contains("restarted")));
}
