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
    if after.admin.is_maint() != before.admin.is_maint() {
        let text = match (after.admin.is_maint(), before.oper == Oper::Stopped) {
            (true, true) => "was DOWN and now enters maintenance",
            (true, false) => "is going DOWN for maintenance",
            (false, _) if after.admin.is_drain() => "is UP/DRAIN (leaving forced maintenance)",
            (false, _) => "is UP/READY (leaving forced maintenance)",
        };
        return Some(format!("{text}{via}"));
    }
    if after.admin.is_drain() != before.admin.is_drain() {
        let text = if after.admin.is_drain() { "enters drain state" } else { "is UP (leaving forced drain)" };
        return Some(format!("{text}{via}"));
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
