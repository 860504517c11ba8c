//! What ended streams and connections of HTTP/2 with servers: places of counters, and their words.

use super::ending::CODES;

/// What happened, each with a code of an error (RFC 9113 7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(usize)]
pub enum Parting {
    /// A connection, by us.
    Ended,
    /// A connection, by the server.
    Left,
    /// A stream, by us.
    Reset,
    /// A stream, by the server.
    Refused,
}

impl Parting {
    /// Codes that are told apart: those that are known, and all others as one.
    const CODES: usize = CODES.len() + 1;
    /// Place of what has no code: a server that did not say that it is there.
    pub const SILENCE: usize = 4 * Self::CODES;
    /// How many places there are.
    pub const PLACES: usize = Self::SILENCE + 1;

    pub fn place(self, code: u32) -> usize {
        self as usize * Self::CODES + (code as usize).min(CODES.len())
    }

    /// The places of all codes, as metrics name them.
    pub fn places(self) -> impl Iterator<Item = (usize, &'static str)> {
        let first = self as usize * Self::CODES;
        CODES.into_iter().chain(["other"]).enumerate().map(move |(code, label)| (first + code, label))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_place_of_its_own() {
        let all = [Parting::Ended, Parting::Left, Parting::Reset, Parting::Refused];
        let places: Vec<usize> = all.into_iter().flat_map(Parting::places).map(|(place, _)| place).collect();
        assert_eq!(places, (0..Parting::SILENCE).collect::<Vec<_>>());
        assert_eq!(Parting::Left.places().nth(8), Some((Parting::Left.place(8), "cancel")));
        assert_eq!(Parting::Refused.places().last(), Some((Parting::Refused.place(u32::MAX), "other")));
    }
}
