//! What is said of a change, in HAProxy's words.

use std::sync::atomic::Ordering::Relaxed;

use proto::state::Oper;

use super::Cause;
use crate::log;
use crate::model::backend::Backend;
use crate::model::server::Server;
use crate::model::state::State;

/// HAProxy's line for a change.
pub(super) fn log_change(backend: &Backend, server: &Server, text: &str, up: bool, requeued: u32) {
    let usable = backend.usable();
    let backup = if usable.active == 0 && usable.backup > 0 { " Running on backup." } else { "" };
    let served = server.served.load(Relaxed);
    let queued = backend.live.queue.waiting();
    let tail = if up {
        format!("servers online. {requeued} sessions requeued, {queued} total in queue.")
    } else {
        format!("servers left.{backup} {served} sessions active, 0 requeued, {queued} remaining in queue.")
    };
    let (active, backups) = (usable.active, usable.backup);
    let severity = if up { log::Severity::Notice } else { log::Severity::Warning };
    let (who, path) = (if server.backup { "Backup Server" } else { "Server" }, server.path());
    log::write(severity, format_args!("{who} {path} {text}. {active} active and {backups} backup {tail}"));
}

/// HAProxy's sentence for a change, without the server's name in front and the counts behind.
pub(super) fn announcement(before: &State, after: &State, cause: Cause<'_>) -> Option<String> {
    let via = match cause {
        Cause::Lead(path) => format!(" via {path}"),
        _ => String::new(),
    };
    // What it goes by behind what was forced may say that it is down.
    let health = if after.is_up() { "UP" } else { "DOWN" };
    if after.admin.is_maint() != before.admin.is_maint() {
        let text = match (after.admin.is_maint(), before.oper == Oper::Stopped) {
            (true, true) => "was DOWN and now enters maintenance".to_owned(),
            (true, false) => "is going DOWN for maintenance".to_owned(),
            (false, _) => {
                let admission = if after.admin.is_drain() { "DRAIN" } else { "READY" };
                format!("is {health}/{admission} (leaving forced maintenance)")
            }
        };
        return Some(format!("{text}{via}"));
    }
    if after.admin.is_drain() != before.admin.is_drain() {
        return Some(if after.admin.is_drain() {
            format!("enters drain state{via}")
        } else {
            format!("is {health} (leaving forced drain){via}")
        });
    }
    if before.ejected != after.ejected && after.oper != Oper::Stopped {
        let text = if after.ejected { "is ejected" } else { "is no longer ejected" };
        return Some(format!("{text}, reason: {cause}"));
    }
    if before.oper == after.oper {
        return None;
    }
    let word = match after.oper {
        Oper::Stopped => "DOWN",
        Oper::Stopping => "stopping",
        Oper::Running | Oper::Starting if after.admin.is_drain() => "UP/DRAIN",
        Oper::Running | Oper::Starting => "UP",
    };
    Some(match cause {
        Cause::Lead(_) => format!("is {word}{via}"),
        Cause::Command { .. } => format!("is {word}, {cause}"),
        _ => format!("is {word}, reason: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::InitState;
    use crate::model::state::Event::{self, CheckFailed, Drain, Eject, Follow, Maint, Ready};

    #[test]
    fn what_is_down_behind_what_was_forced_is_not_called_up() {
        let told = |state: State, events: &[Event]| {
            let (last, earlier) = events.split_last().unwrap();
            let before = earlier.iter().fold(state, |state, &event| state.after(event));
            let cause = Cause::Command { by: "test", line: "" };
            announcement(&before, &before.after(*last), cause).unwrap()
        };
        let (up, plain) = (State::new(Some((2, 3))), State::new(None));
        assert_eq!(told(up, &[Maint, Ready]), "is UP/READY (leaving forced maintenance)");
        assert_eq!(told(up, &[Maint, Drain]), "is UP/DRAIN (leaving forced maintenance)");
        assert_eq!(told(up, &[Drain, Ready]), "is UP (leaving forced drain)");
        let down = up.beginning(InitState::Down);
        assert_eq!(told(down, &[Maint, Ready]), "is DOWN/READY (leaving forced maintenance)");
        let lead = Follow(up.after(CheckFailed).as_lead());
        assert_eq!(told(plain, &[lead, Maint, Ready]), "is DOWN/READY (leaving forced maintenance)");
        assert_eq!(told(plain, &[lead, Maint, Drain]), "is DOWN/DRAIN (leaving forced maintenance)");
        assert_eq!(told(up, &[Drain, CheckFailed, Ready]), "is DOWN (leaving forced drain)");
        assert_eq!(told(up, &[Eject, Maint, Drain]), "is DOWN/DRAIN (leaving forced maintenance)");
    }
}
