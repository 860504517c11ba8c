//! Checks of HTTP: what servers answer them, and those that are well and ask for nothing new (`disable_on_404`).

use proto::state::Oper;
use proxyd::config::Check;
use proxyd::config::CheckKind;
use proxyd::health::http::{Framing, Http};
use proxyd::health::turn::{Heard, Move};
use proxyd::model::server::{CheckStatus, Server};

use crate::world::{Truth, World};

/// What a check finds at a server that answers it.
pub(crate) fn answered(truth: Truth, server: &Server, check: &Check) -> CheckStatus {
    let CheckKind::Http(asked) = &check.kind else { return CheckStatus::L4Ok };
    let bytes: &[u8] = match truth {
        Truth::Leaves => b"HTTP/1.1 404 Not Found\r\n\r\n",
        _ => b"HTTP/1.1 200 OK\r\n\r\n",
    };
    let may_stop = server.control().state.oper != Oper::Stopped;
    match Http::new(asked, Framing::Text, may_stop).hear(Heard { bytes, ended: false, trailers: &[] }) {
        Move::Done(finding) => finding.status,
        _ => CheckStatus::L7Response,
    }
}

impl World {
    /// Who answers 404 while it is up gets nothing new until it answers otherwise, and who is down does not come up
    /// by it. That nobody new is sent there is looked at with each pick.
    pub(crate) fn judge_stopping(&self) {
        for path in self.paths() {
            let Some((_, server)) = self.find(&path) else { continue };
            let state = server.control().state;
            // An agent that says `up` has the last word.
            if !state.checks_run() || state.oper == Oper::Stopped || state.agent.configured {
                continue;
            }
            let stops = self.probe(&path, |asked| asked.stops);
            if stops.is_some_and(|stops| stops != (state.oper == Oper::Stopping)) {
                self.fail(format!(
                    "{path} is {:?}, and its last check that passed said {stops:?}",
                    state.oper
                ));
            }
        }
    }
}
