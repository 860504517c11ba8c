//! The way to the balancer's socket: samples come from a stream where the server has one and from polling where it
//! has not; commands go on connections of their own, so that a long dump never delays one.
//!
//! Everything here runs on one thread of its own and speaks to the rest in messages.

pub mod client;
pub mod clock;
pub mod convert;
mod feed;
mod lane;
pub mod locate;
pub mod look;
pub mod mailbox;
mod stream;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::app::effect::Effect;
use crate::command::gate::Checked;
use crate::command::observed::Expected;
use crate::command::order::{Command, Target};
use mailbox::Mailbox;

/// What is asked of the transport.
#[derive(Debug)]
enum Job {
    Send { number: u64, command: Checked<Command>, expected: Expected },
    Observe(Target),
}

/// The side that asks.
#[derive(Debug)]
pub struct Handle {
    jobs: UnboundedSender<Job>,
    signals: Arc<Signals>,
}

#[derive(Debug, Default)]
struct Signals {
    refresh: Notify,
    retry: Notify,
}

/// The side that works, to be run on its thread.
#[derive(Debug)]
pub struct Transport {
    socket: PathBuf,
    mailbox: Mailbox,
    jobs: UnboundedReceiver<Job>,
    signals: Arc<Signals>,
}

/// A transport for this socket, and the handle to it.
pub fn new(socket: PathBuf, mailbox: Mailbox) -> (Handle, Transport) {
    let (sender, jobs) = unbounded_channel();
    let signals = Arc::new(Signals::default());
    (Handle { jobs: sender, signals: signals.clone() }, Transport { socket, mailbox, jobs, signals })
}

impl Handle {
    /// Takes on what is the transport's, and gives back what is not.
    pub fn take(&self, effect: Effect) -> Option<Effect> {
        // A worker that is gone takes the program with it, so a job that cannot be handed over needs no answer.
        match effect {
            Effect::Send { number, command, expected } => {
                let _gone = self.jobs.send(Job::Send { number, command, expected });
            }
            Effect::Observe(target) => {
                let _gone = self.jobs.send(Job::Observe(target));
            }
            Effect::Refresh => self.signals.refresh.notify_one(),
            Effect::Retry => self.signals.retry.notify_one(),
            other @ (Effect::Suspend | Effect::Repaint | Effect::Quit) => return Some(other),
        }
        None
    }
}

impl Transport {
    /// Works until the handle is gone.
    pub async fn run(self) {
        let Self { socket, mailbox, jobs, signals } = self;
        let clock = clock::Clock::start();
        tokio::select! {
            () = feed::run(&socket, &mailbox, &signals, clock) => {}
            () = lane::run(&socket, &mailbox, jobs) => {}
        }
    }
}
