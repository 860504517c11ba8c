//! What decides on a server's state beside its check.

use std::fmt::Write as _;

use super::super::words::INIT_STATES;
use super::super::{Agent, Eject, InitState, Layer, Observe, OnError, Panic, PanicMode, Verdict};
use super::{duration, percent, quoted};

/// What a server says of it.
pub(super) fn verdict(text: &mut String, verdict: &Verdict) {
    if let Some((word, _)) = INIT_STATES.known.iter().find(|(_, known)| *known == verdict.init_state)
        && verdict.init_state != InitState::default()
    {
        let _ = write!(text, ", init_state: {word}");
    }
    if let Some(track) = &verdict.track {
        let _ = write!(text, ", track: {}", quoted(&track.to_string()));
    }
    if let Some(agent) = &verdict.agent {
        let _ = write!(text, ", agent: {}", printed_agent(agent));
    }
    if let Some(Observe { layer, error_limit, on_error }) = verdict.observe {
        let layer = match layer {
            Layer::Four => "layer4",
            Layer::Seven => "layer7",
        };
        let on_error = match on_error {
            OnError::FastInterval => "fastinter",
            OnError::FailCheck => "fail_check",
            OnError::SuddenDeath => "sudden_death",
            OnError::MarkDown => "mark_down",
        };
        let _ = write!(text, ", observe: {layer}, error_limit: {error_limit}, on_error: {on_error}");
    }
    if verdict.ends_sessions {
        text.push_str(", on_marked_down: shutdown_sessions");
    }
    if verdict.ends_backup_sessions {
        text.push_str(", on_marked_up: shutdown_backup_sessions");
    }
}

fn printed_agent(agent: &Agent) -> String {
    let mut text = format!("(port: {}", agent.port);
    if let Some(address) = agent.address {
        let _ = write!(text, ", address: {}", quoted(&address.to_string()));
    }
    let _ = write!(text, ", interval: {}", duration(agent.interval));
    if !agent.send.is_empty() {
        let _ = write!(text, ", send: {}", quoted(&agent.send));
    }
    text.push(')');
    text
}

pub(super) fn panic(panic: Panic) -> String {
    let then = match panic.then {
        PanicMode::All => "all",
        PanicMode::None => "none",
    };
    format!("(below: {}, then: {then})", percent(panic.below))
}

pub(super) fn eject(eject: &Eject) -> String {
    let mut text = String::from("(");
    if let Some(errors) = eject.errors {
        let _ = write!(text, "errors: {}, ", percent(errors));
    }
    if let Some(latency) = eject.latency {
        let _ = write!(text, "latency: \"{}x\", ", f64::from(latency) / 100.0);
    }
    let (window, base, most) = (duration(eject.window), duration(eject.base), percent(eject.most));
    let _ =
        write!(text, "window: {window}, base: {base}, most: {most}, min_requests: {})", eject.min_requests);
    text
}
