//! Signals as messages. Keys that would be signals are keys here, since the terminal is raw.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::guard;
use crate::app::msg::Msg;
use crate::transport::mailbox::Mailbox;

/// How long the drawing thread has to leave. It may hang in a write to a terminal that nobody reads.
const PATIENCE: Duration = Duration::from_secs(2);

/// Signals that are listened to.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    stop: Signal,
    go_on: Signal,
}

impl Signals {
    /// Begins to listen; needs a runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            stop: signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?,
            go_on: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
        })
    }

    /// Passes signals on. One that ends the program ends it, even where the message is not heard.
    pub async fn forward(mut self, mailbox: &Mailbox) {
        loop {
            tokio::select! {
                _ = self.stop.recv() => {
                    mailbox.send(Msg::Suspend);
                    continue;
                }
                _ = self.go_on.recv() => {
                    mailbox.send(Msg::Continue);
                    continue;
                }
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
                _ = self.hangup.recv() => {}
            }
            mailbox.send(Msg::Terminate);
            tokio::time::sleep(PATIENCE).await;
            guard::give_back();
            std::process::exit(1);
        }
    }
}
