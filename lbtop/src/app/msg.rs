//! All that can happen to the program.

use proto::level::Level;

use super::action::Outcome;
use super::key::Key;
use crate::command::observed::Observed;
use crate::model::clock::Now;
use crate::model::sample::Sample;
use crate::model::server::ServerId;

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Msg {
    /// Time went on; the only way it enters.
    Tick(Now),
    Key(Key),
    Resize {
        width: u16,
        height: u16,
    },
    /// What [`super::update::update`] made is on the screen.
    Painted,
    Sample(Box<Sample>),
    /// How often samples come.
    Interval(u64),
    Level(Option<Level>),
    Lost {
        error: String,
        attempt: u32,
        retry_in_ms: u64,
    },
    /// Somebody did something, in the balancer's words.
    Event {
        text: String,
        command: Option<String>,
    },
    Outcome(u64, Outcome),
    Observed(ServerId, Observed),
    /// Stop, as a signal asked.
    Terminate,
    /// Stop for now, as a signal asked.
    Suspend,
    /// The process goes on after it was stopped.
    Continue,
    /// The terminal cannot be read any more.
    InputClosed,
}
