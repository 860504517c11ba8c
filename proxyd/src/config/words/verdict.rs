//! What decides on a server's state beside its check.

use super::super::{InitState, Layer, OnError, PanicMode};
use super::Choices;

pub(crate) const INIT_STATES: Choices<InitState> = Choices {
    what: "a state to begin with",
    known: &[
        ("up", InitState::Up),
        ("down", InitState::Down),
        ("fully_up", InitState::FullyUp),
        ("fully_down", InitState::FullyDown),
    ],
    also: &[],
    later: &[],
};

pub(crate) const LAYERS: Choices<Layer> = Choices {
    what: "a layer",
    known: &[("layer4", Layer::Four), ("layer7", Layer::Seven)],
    also: &[],
    later: &[],
};

pub(crate) const ON_ERRORS: Choices<OnError> = Choices {
    what: "a way to deal with errors",
    known: &[
        ("fastinter", OnError::FastInterval),
        ("fail_check", OnError::FailCheck),
        ("sudden_death", OnError::SuddenDeath),
        ("mark_down", OnError::MarkDown),
    ],
    also: &[("fast_interval", OnError::FastInterval)],
    later: &[],
};

pub(crate) const PANICS: Choices<PanicMode> = Choices {
    what: "what panic does",
    known: &[("all", PanicMode::All), ("none", PanicMode::None)],
    also: &[],
    later: &[],
};

pub(crate) const MARKED_DOWN: Choices<()> = Choices {
    what: "what is done when a server is marked down",
    known: &[("shutdown_sessions", ())],
    also: &[],
    later: &[],
};

pub(crate) const MARKED_UP: Choices<()> = Choices {
    what: "what is done when a server is marked up",
    known: &[("shutdown_backup_sessions", ())],
    also: &[],
    later: &[],
};
