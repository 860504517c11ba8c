//! What was done, and what became of it.

use crate::command::observed::Observed;
use crate::command::order::Command;
use crate::model::clock::Mono;
use crate::model::server::ServerId;

/// What the transport says became of a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Accepted, and the balancer's own record shows it.
    Done { before: Observed, after: Observed },
    /// Accepted, but the record does not show it.
    NotSeen { before: Observed, after: Observed },
    /// The balancer's words.
    Refused(String),
    /// Not sent: the server was no longer as it was when the operator was asked.
    Changed(Observed),
    /// Not sent, and why.
    NotSent(String),
    /// Sent, and nothing was heard. It is never sent again.
    Unknown(String),
}

/// Where an action stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Phase {
    Pending,
    Settled { outcome: Outcome, at: Mono },
}

/// One command that was confirmed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Action {
    pub number: u64,
    pub command: Command,
    pub boot: String,
    pub sent_at: Mono,
    pub phase: Phase,
    pub undoes: Option<u64>,
    pub undone: bool,
    /// Whether the operator has put away what became of it.
    pub is_read: bool,
}

impl Action {
    /// Milliseconds from sending to the read-back at `at`; there is no such thing as none.
    fn took(&self, at: Mono) -> u64 {
        at.saturating_sub(self.sent_at).max(1)
    }

    pub const fn target(&self) -> &ServerId {
        self.command.target.id()
    }

    /// Short, for the row: `ok drain 38 ms`.
    pub fn badge(&self) -> String {
        let what = match self.command.change {
            crate::command::order::Change::State(admin) => admin.word().to_owned(),
            change @ crate::command::order::Change::Weight(_) => change.to_string(),
        };
        match &self.phase {
            Phase::Pending => format!("{what} pending"),
            Phase::Settled { outcome, at } => match outcome {
                Outcome::Done { .. } => format!("ok {what} {} ms", self.took(*at)),
                Outcome::NotSeen { .. } => format!("!{what} not seen"),
                Outcome::Refused(_) => format!("!{what} refused"),
                Outcome::Changed(_) | Outcome::NotSent(_) => format!("!{what} not sent"),
                Outcome::Unknown(_) => format!("?{what} unknown"),
            },
        }
    }

    /// In full, for the status line.
    pub fn report(&self) -> String {
        let what = format!("{} {}", self.target(), self.command.change);
        match &self.phase {
            Phase::Pending => format!("{what}: sent, waiting for the read-back"),
            Phase::Settled { outcome, at } => match outcome {
                Outcome::Done { .. } => {
                    let undo = if self.undoes.is_some() { "" } else { "  z undo" };
                    format!("{what}: confirmed in {} ms{undo}", self.took(*at))
                }
                Outcome::NotSeen { after, .. } => format!("! {what}: accepted, but read back as {after}"),
                Outcome::Refused(words) => format!("! {what}: refused: {words}"),
                Outcome::Changed(now) => format!("! {what}: not sent, it changed meanwhile: now {now}"),
                Outcome::NotSent(why) => format!("! {what}: not sent: {why}"),
                Outcome::Unknown(why) => format!("? {what}: unknown ({why}); look, it is not sent again"),
            },
        }
    }

    /// Whether something is wrong with it.
    pub const fn is_bad(&self) -> bool {
        !matches!(self.phase, Phase::Pending | Phase::Settled { outcome: Outcome::Done { .. }, .. })
    }

    /// Whether the row still says it.
    pub fn is_shown(&self, now: Mono) -> bool {
        match &self.phase {
            Phase::Pending => true,
            Phase::Settled { at, .. } => {
                !self.is_read && now.saturating_sub(*at) < if self.is_bad() { 60_000 } else { 8_000 }
            }
        }
    }
}
