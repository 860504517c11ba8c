//! Whether a request that got no answer is sent again: pure.
//!
//! What a server may have begun to act on is repeated only if repeating does no harm (RFC 9110 9.2.2); what never
//! left is repeated always. Repeating is bounded per request, and over the backend by a budget.

use crate::config::Retries;

/// Why an attempt ended without an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// No connection: refused, unreachable.
    Connect,
    ConnectTimeout,
    /// Closed or reset before a byte of an answer.
    Empty,
    /// Closed or reset inside an answer's head.
    Partial,
    /// Bytes that are no answer.
    Invalid,
    /// Nothing within the server's timeout.
    Timeout,
}

/// How far an attempt came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attempt {
    pub failure: Failure,
    /// The method may be repeated.
    pub idempotent: bool,
    /// Bytes of the request that were sent.
    pub sent: u64,
    /// Bytes of the body are gone from our buffer.
    pub body_begun: bool,
    /// Bytes of an answer came.
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
    GiveUp,
}

impl Attempt {
    pub fn verdict(&self, retries: &Retries) -> Verdict {
        let wanted = match self.failure {
            Failure::Connect | Failure::ConnectTimeout => retries.conn_failure,
            Failure::Empty => retries.empty_response,
            Failure::Partial | Failure::Invalid | Failure::Timeout => false,
        };
        if !wanted || self.left == 0 || self.body_begun || self.answer_begun {
            Verdict::GiveUp
        } else if self.sent == 0 {
            Verdict::Free
        } else if self.idempotent {
            Verdict::Budgeted
        } else {
            Verdict::GiveUp
        }
    }
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

    const RETRIES: Retries = Retries { max: 3, conn_failure: true, empty_response: true, budget_percent: 20 };

    #[test]
    fn table() {
        use Failure::{Connect, ConnectTimeout, Empty, Invalid, Partial, Timeout};
        use Verdict::{Budgeted, Free, GiveUp};
        #[rustfmt::skip]
        let table = [
            // failure,     idempotent, sent, body,  answer, left, verdict
            (Connect,        true,      0,    false, false,  3,    Free),
            (Connect,        false,     0,    false, false,  3,    Free),
            (Connect,        false,     0,    false, false,  0,    GiveUp),
            (ConnectTimeout, false,     0,    false, false,  1,    Free),
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
        ];
        for (failure, idempotent, sent, body_begun, answer_begun, left, verdict) in table {
            let attempt = Attempt { failure, idempotent, sent, body_begun, answer_begun, left };
            assert_eq!(attempt.verdict(&RETRIES), verdict, "{attempt:?}");
        }
    }

    #[test]
    fn what_is_not_asked_for_is_not_retried() {
        let attempt = Attempt {
            failure: Failure::Empty,
            idempotent: true,
            sent: 1,
            body_begun: false,
            answer_begun: false,
            left: 1,
        };
        assert_eq!(attempt.verdict(&Retries { empty_response: false, ..RETRIES }), Verdict::GiveUp);
        let attempt = Attempt { failure: Failure::Connect, sent: 0, ..attempt };
        assert_eq!(attempt.verdict(&Retries { conn_failure: false, ..RETRIES }), Verdict::GiveUp);
    }

    #[test]
    fn the_budget_is_a_share_and_at_least_three() {
        assert_eq!([0, 15, 20, 100].map(|n| budget(n, &RETRIES)), [3, 3, 4, 20]);
    }
}
