//! Whether a request that got no answer is sent again: pure.
//!
//! What a server may have begun to act on is repeated only if repeating does no harm (RFC 9110 9.2.2); what never
//! left is repeated always. Repeating is bounded per request, and over the backend by a budget.

use crate::config::Retries;
use crate::config::reasons::Reason;
use crate::http::framing::Body;

/// Why an attempt ended without an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// No connection: refused, unreachable.
    Connect,
    ConnectTimeout,
    /// No TLS with this server, and none in a moment: it is not believed, or nothing can be agreed on.
    NoTls,
    /// Closed or reset before a byte of an answer.
    Empty,
    /// Closed or reset inside an answer's head.
    Partial,
    /// Bytes that are no answer.
    Invalid,
    /// Nothing within the server's timeout.
    Timeout,
    /// The server said that it did not act on it: it refused it,
    Refused,
    /// or closes the connection and did not take it any more.
    Unheard,
    /// The server does not take the switch of protocols that is asked for.
    NoUpgrade,
    /// An answer of a status after which another try was asked for.
    Status(u16),
}

impl Failure {
    /// Whether a connection that was kept may just have been closed for having been idle.
    pub const fn may_come_of_idleness(self) -> bool {
        matches!(self, Self::Empty | Self::Unheard)
    }
}

/// How far an attempt came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attempt {
    pub failure: Failure,
    /// The method may be repeated.
    pub idempotent: bool,
    /// Bytes of the request that were sent.
    pub sent: u64,
    /// Bytes of the body are gone and were not kept.
    pub body_begun: bool,
    /// Something of an answer went to the client.
    pub answer_begun: bool,
    /// Further tries that are left.
    pub left: u32,
}

/// What follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Again, at no cost to anybody: nothing had reached a server.
    Free,
    /// Again, as far as the budget allows.
    Budgeted,
    /// As `Free`, but not on the same server.
    Elsewhere,
    GiveUp,
}

impl Attempt {
    pub fn verdict(&self, retries: &Retries) -> Verdict {
        let reason = match self.failure {
            Failure::Connect
            | Failure::ConnectTimeout
            | Failure::NoTls
            | Failure::Refused
            | Failure::Unheard
            | Failure::NoUpgrade => Reason::ConnFailure,
            Failure::Empty => Reason::EmptyResponse,
            Failure::Partial | Failure::Invalid => Reason::JunkResponse,
            Failure::Timeout => Reason::ResponseTimeout,
            Failure::Status(status) => Reason::Status(status),
        };
        if !retries.on.has(reason) || self.left == 0 || self.body_begun || self.answer_begun {
            Verdict::GiveUp
        } else if self.failure == Failure::NoTls {
            if retries.redispatch { Verdict::Elsewhere } else { Verdict::GiveUp }
        } else if self.sent == 0 || matches!(self.failure, Failure::Refused | Failure::Unheard) {
            Verdict::Free
        } else if self.idempotent || retries.non_idempotent {
            Verdict::Budgeted
        } else {
            Verdict::GiveUp
        }
    }
}

/// So much of a body is kept while it is sent; `None` where it would be of no use, or is too long in any case.
///
/// A server that `may_refuse` a request says so only when it was sent.
pub fn kept(retries: &Retries, idempotent: bool, may_refuse: bool, body: Body) -> Option<usize> {
    let after_sending = retries.on.outlive_sending() && (idempotent || retries.non_idempotent);
    let repeated = retries.max > 0 && (after_sending || may_refuse && retries.on.has(Reason::ConnFailure));
    let fits = match body {
        Body::None | Body::UntilClose => false,
        Body::Length(length) => length <= u64::from(retries.replay),
        Body::Chunked => retries.replay > 0,
    };
    (repeated && fits).then_some(retries.replay as usize)
}

/// Requests of a backend that may be retried at one time.
pub fn budget(active: u32, retries: &Retries) -> u32 {
    const LEAST: u32 = 3;
    (u64::from(active) * u64::from(retries.budget_percent) / 100).max(LEAST.into()).min(u32::MAX.into())
        as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reasons::{Reasons, STATUSES};

    #[test]
    fn table() {
        use Failure::{
            Connect, ConnectTimeout, Empty, Invalid, NoTls, NoUpgrade, Partial, Refused, Status, Timeout,
            Unheard,
        };
        use Verdict::{Budgeted, Elsewhere, Free, GiveUp};
        let retries = Retries::default();
        #[rustfmt::skip]
        let table = [
            // failure,     idempotent, sent, body,  answer, left, verdict
            (Connect,        true,      0,    false, false,  3,    Free),
            (Connect,        false,     0,    false, false,  3,    Free),
            (Connect,        false,     0,    false, false,  0,    GiveUp),
            (ConnectTimeout, false,     0,    false, false,  1,    Free),
            (NoTls,          false,     0,    false, false,  1,    Elsewhere),
            (NoTls,          true,      0,    false, false,  0,    GiveUp),
            (Empty,          true,      0,    false, false,  1,    Free),
            (Empty,          false,     0,    false, false,  1,    Free),
            (Empty,          true,      90,   false, false,  1,    Budgeted),
            (Empty,          false,     90,   false, false,  1,    GiveUp),
            (Empty,          true,      90,   true,  false,  1,    GiveUp),
            (Empty,          true,      90,   false, true,   1,    GiveUp),
            (Empty,          true,      90,   false, false,  0,    GiveUp),
            (Invalid,        true,      90,   false, true,   1,    GiveUp),
            (Partial,        true,      90,   false, true,   1,    GiveUp),
            (Invalid,        true,      90,   false, false,  1,    GiveUp),
            (Timeout,        true,      90,   false, false,  1,    GiveUp),
            (Timeout,        true,      0,    false, false,  1,    GiveUp),
            (Status(503),    true,      90,   false, false,  1,    GiveUp),
            (Refused,        false,     90,   false, false,  1,    Free),
            (Unheard,        false,     90,   false, false,  1,    Free),
            (Refused,        true,      90,   true,  false,  1,    GiveUp),
            (Refused,        true,      90,   false, true,   1,    GiveUp),
            (NoUpgrade,      false,     0,    false, false,  1,    Free),
        ];
        for (failure, idempotent, sent, body_begun, answer_begun, left, verdict) in table {
            let attempt = Attempt { failure, idempotent, sent, body_begun, answer_begun, left };
            assert_eq!(attempt.verdict(&retries), verdict, "{attempt:?}");
        }
    }

    #[test]
    fn a_server_without_tls_for_us_is_left_or_it_is_over() {
        let attempt = Attempt {
            failure: Failure::NoTls,
            idempotent: true,
            sent: 0,
            body_begun: false,
            answer_begun: false,
            left: 3,
        };
        let retries = Retries { redispatch: false, ..Retries::default() };
        assert_eq!(attempt.verdict(&retries), Verdict::GiveUp);
        let retries = Retries { on: Reasons::default().with(Reason::EmptyResponse), ..Retries::default() };
        assert_eq!(attempt.verdict(&retries), Verdict::GiveUp);
    }

    #[test]
    fn what_is_asked_for_is_retried_and_nothing_else() {
        let of = |failure| Attempt {
            failure,
            idempotent: true,
            sent: 90,
            body_begun: false,
            answer_begun: false,
            left: 1,
        };
        let statuses = STATUSES.map(|status| (Reason::Status(status), Failure::Status(status)));
        let named = [
            (Reason::ConnFailure, Failure::Connect),
            (Reason::EmptyResponse, Failure::Empty),
            (Reason::JunkResponse, Failure::Invalid),
            (Reason::ResponseTimeout, Failure::Timeout),
        ];
        let all: Vec<_> = named.into_iter().chain(statuses).collect();
        for (reason, _) in &all {
            let retries = Retries { on: Reasons::default().with(*reason), ..Retries::default() };
            for (other, failure) in &all {
                let verdict = of(*failure).verdict(&retries);
                assert_eq!(verdict == Verdict::Budgeted, reason == other, "{reason:?} {failure:?}");
                // What the client has seen a part of is its answer, for better or worse.
                let begun = Attempt { answer_begun: true, ..of(*failure) };
                assert_eq!(begun.verdict(&retries), Verdict::GiveUp);
                let post = Attempt { idempotent: false, ..of(*failure) };
                assert_eq!(post.verdict(&retries), Verdict::GiveUp);
                let told = Retries { non_idempotent: true, ..retries };
                assert_eq!(post.verdict(&told) == Verdict::Budgeted, reason == other);
            }
        }
    }

    #[test]
    fn a_body_is_kept_where_it_may_be_needed() {
        let retries = Retries { replay: 100, ..Retries::default() };
        let only_connecting = Retries { on: Reasons::default().with(Reason::ConnFailure), ..retries };
        for (retries, idempotent, body, expected) in [
            (retries, true, Body::Length(100), Some(100)),
            (retries, true, Body::Length(101), None),
            (retries, true, Body::Chunked, Some(100)),
            (retries, true, Body::None, None),
            (retries, false, Body::Length(1), None),
            (Retries { non_idempotent: true, ..retries }, false, Body::Length(1), Some(100)),
            (Retries { max: 0, ..retries }, true, Body::Length(1), None),
            (Retries { replay: 0, ..retries }, true, Body::Chunked, None),
            (only_connecting, true, Body::Length(1), None),
        ] {
            assert_eq!(kept(&retries, idempotent, false, body), expected, "{retries:?} {body:?}");
        }
        assert_eq!(kept(&retries, false, true, Body::Length(1)), Some(100));
        assert_eq!(kept(&Retries { max: 0, ..retries }, false, true, Body::Length(1)), None);
    }

    #[test]
    fn the_budget_is_a_share_and_at_least_three() {
        assert_eq!([0, 15, 20, 100].map(|n| budget(n, &Retries::default())), [3, 3, 4, 20]);
    }
}
