//! After what a request is tried again: a set of reasons, as HAProxy's `retry-on` has them.

/// Why a try did not come to what was hoped for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// No connection to the server.
    ConnFailure,
    /// The connection ended before a byte of an answer.
    EmptyResponse,
    /// What came is no answer of HTTP.
    JunkResponse,
    /// No answer in time.
    ResponseTimeout,
    /// An answer with one of [`STATUSES`].
    Status(u16),
}

/// Answers after which another try may be asked for.
pub const STATUSES: [u16; 11] = [401, 403, 404, 408, 425, 429, 500, 501, 502, 503, 504];

/// A set of reasons.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reasons(u32);

const FIRST_STATUS: u32 = 1 << 4;

const NAMED: [(&str, Reason); 4] = [
    ("conn_failure", Reason::ConnFailure),
    ("empty_response", Reason::EmptyResponse),
    ("junk_response", Reason::JunkResponse),
    ("response_timeout", Reason::ResponseTimeout),
];

impl Reasons {
    /// These, and one more.
    #[must_use]
    pub const fn with(self, reason: Reason) -> Self {
        Self(self.0 | bit(reason))
    }

    pub const fn has(self, reason: Reason) -> bool {
        // Most sets have no status, and every answer has one.
        (self.0 >= FIRST_STATUS || !matches!(reason, Reason::Status(_))) && self.0 & bit(reason) != 0
    }

    /// Whether a request that was sent may be sent again.
    pub const fn outlive_sending(self) -> bool {
        self.0 & !bit(Reason::ConnFailure) != 0
    }

    /// As they are written.
    pub fn words(self) -> Vec<String> {
        let named = NAMED.iter().filter(|(_, reason)| self.has(*reason)).map(|(name, _)| (*name).to_owned());
        let statuses = STATUSES.iter().filter(|status| self.has(Reason::Status(**status)));
        named.chain(statuses.map(|status| format!("status({status})"))).collect()
    }
}

impl FromIterator<Reason> for Reasons {
    fn from_iter<I: IntoIterator<Item = Reason>>(reasons: I) -> Self {
        reasons.into_iter().fold(Self::default(), Self::with)
    }
}

/// The reason's place in the set; a status that cannot be asked for has none.
const fn bit(reason: Reason) -> u32 {
    match reason {
        Reason::ConnFailure => 1,
        Reason::EmptyResponse => 1 << 1,
        Reason::JunkResponse => 1 << 2,
        Reason::ResponseTimeout => 1 << 3,
        Reason::Status(status) => {
            let mut at = 0;
            while at < STATUSES.len() {
                if STATUSES[at] == status {
                    return FIRST_STATUS << at;
                }
                at += 1;
            }
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_into_it() {
        let all = NAMED.map(|(_, reason)| reason).into_iter().chain(STATUSES.map(Reason::Status));
        for reason in all.clone() {
            let set = Reasons::default().with(reason);
            assert_eq!(all.clone().filter(|other| set.has(*other)).collect::<Vec<_>>(), [reason]);
        }
        assert!(!all.collect::<Reasons>().has(Reason::Status(200)));
        assert!(!Reasons::default().with(Reason::ConnFailure).outlive_sending());
        assert!(Reasons::default().with(Reason::Status(503)).outlive_sending());
    }
}
