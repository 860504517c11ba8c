//! The interactive program: one thread draws, one reads keys, one works the socket.

use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use crate::app::effect::Effect;
use crate::app::msg::Msg;
use crate::app::state::App;
use crate::app::update::update;
use crate::model::clock::Mono;
use crate::term::guard::Guard;
use crate::term::screen::Screen;
use crate::term::signals::Signals;
use crate::term::{guard, input};
use crate::transport::clock::Clock;
use crate::transport::mailbox::{Inbox, Mailbox, Post, mailbox};
use crate::transport::{self, Handle, Transport};
use crate::view::{self, Look};

/// The least time between two frames.
const FRAME_MS: u64 = 33;
/// The same where the terminal does not keep up.
const SLOW_FRAME_MS: u64 = 100;

/// What the command line says.
#[derive(Debug)]
pub struct Options {
    pub socket: PathBuf,
    pub read_only: bool,
    pub look: Look,
    pub is_remote: bool,
}

/// Runs until the operator leaves.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let (mailbox, inbox) = mailbox();
    let (handle, transport) = transport::new(options.socket.clone(), mailbox.clone());
    let guard = Guard::take().context("the terminal cannot be taken over")?;
    let screen = Screen::new().context("the terminal has no size")?;
    let (width, height) = screen.size().context("the terminal has no size")?;
    spawn("socket", mailbox.clone(), move |mailbox| work(transport, mailbox))?;
    let delay = input::escape_delay(options.is_remote);
    spawn("keys", mailbox, move |mailbox| input::read(mailbox, delay))?;
    let app = App::new(shown(&options.socket), options.read_only, width, height);
    Console { app, screen, guard, inbox, handle, look: options.look, clock: Clock::start() }.run()
}

/// The path as it was given, with what could act on the terminal left to the view.
fn shown(socket: &Path) -> String {
    socket.to_string_lossy().into_owned()
}

/// Starts a thread whose end, by panic too, ends the program.
fn spawn(name: &str, mailbox: Mailbox, work: impl FnOnce(&Mailbox) + Send + 'static) -> anyhow::Result<()> {
    thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            let last = LastWord(mailbox);
            work(&last.0);
        })
        .with_context(|| format!("the thread for {name} cannot be started"))?;
    Ok(())
}

/// Says that its thread is gone.
struct LastWord(Mailbox);

impl Drop for LastWord {
    fn drop(&mut self) {
        self.0.send(Msg::Terminate);
    }
}

/// The thread of the socket and of signals.
fn work(transport: Transport, mailbox: &Mailbox) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let Ok(signals) = Signals::new() else { return };
        tokio::select! {
            () = transport.run() => {}
            () = signals.forward(mailbox) => {}
        }
    });
}

struct Console {
    app: App,
    screen: Screen,
    guard: Guard,
    inbox: Inbox,
    handle: Handle,
    look: Look,
    clock: Clock,
}

impl Console {
    fn run(mut self) -> anyhow::Result<()> {
        let mut drawn_at: Option<Mono> = None;
        let mut frame_ms = FRAME_MS;
        loop {
            let now = self.clock.now();
            let due = drawn_at.map_or(0, |at| (at + frame_ms).saturating_sub(now.mono));
            if self.app.dirty && due == 0 {
                frame_ms = self.draw()?;
                drawn_at = Some(now.mono);
                continue;
            }
            // The clock on the screen, and ages, move with the full second.
            let wait = if self.app.dirty { due } else { 1000 - now.wall % 1000 };
            let post = match self.inbox.posts.recv_timeout(Duration::from_millis(wait.max(1))) {
                Ok(post) => Some(post),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            if self.take(post)? == Leave::Now {
                anyhow::ensure!(guard::is_taken(), "a thread has failed");
                return Ok(());
            }
        }
    }

    /// Takes all that has come.
    fn take(&mut self, first: Option<Post>) -> anyhow::Result<Leave> {
        update(&mut self.app, Msg::Tick(self.clock.now()));
        let mut next = first;
        while let Some(post) = next {
            if let Some(msg) = self.inbox.open(post) {
                for effect in update(&mut self.app, msg) {
                    match self.handle.take(effect) {
                        Some(Effect::Quit) => return Ok(Leave::Now),
                        Some(Effect::Suspend) => {
                            self.guard.suspend().context("the terminal cannot be taken over again")?;
                            self.repaint()?;
                        }
                        Some(Effect::Repaint) => {
                            self.guard.retake().context("the terminal cannot be taken over again")?;
                            self.repaint()?;
                        }
                        _ => {}
                    }
                }
            }
            next = self.inbox.posts.try_recv().ok();
        }
        Ok(Leave::Not)
    }

    /// Draws, and says when the next frame may come.
    fn draw(&mut self) -> anyhow::Result<u64> {
        anyhow::ensure!(guard::is_taken(), "a thread has failed");
        if !self.screen.is_ready() {
            return Ok(SLOW_FRAME_MS);
        }
        // The terminal may have changed its size before the word of it came.
        let (width, height) = self.screen.size().context("the terminal has no size")?;
        if (width, height) != (self.app.width, self.app.height) {
            update(&mut self.app, Msg::Resize { width, height });
        }
        let (app, look) = (&self.app, self.look);
        self.screen.draw(|frame| view::draw(app, look, frame)).context("the terminal cannot be written")?;
        self.app.dirty = false;
        update(&mut self.app, Msg::Tick(self.clock.now()));
        update(&mut self.app, Msg::Painted);
        Ok(FRAME_MS)
    }

    /// Draws everything anew, at the size of now.
    fn repaint(&mut self) -> anyhow::Result<()> {
        let (width, height) = self.screen.size().context("the terminal has no size")?;
        update(&mut self.app, Msg::Resize { width, height });
        self.screen.repaint().context("the terminal cannot be written")
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Leave {
    Now,
    Not,
}
