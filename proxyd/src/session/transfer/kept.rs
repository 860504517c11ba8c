//! What of a body was written already, for another server to which it may have to be sent again.

use super::Transfer;

/// Payload that was written, for another time.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    /// How many more there may be.
    room: usize,
}

impl Kept {
    /// False where there is no room for them.
    pub(super) fn add(&mut self, payload: &[u8]) -> bool {
        let Some(room) = self.room.checked_sub(payload.len()) else { return false };
        self.room = room;
        self.bytes.extend_from_slice(payload);
        true
    }
}

impl Transfer {
    /// Keeps what is written behind the head, up to so many bytes.
    pub fn keep(&mut self, most: usize) {
        self.kept = Some(Kept { bytes: Vec::new(), room: most });
        self.plain = false;
    }

    /// Back to the start, for another server; only while [`Self::body_is_gone`] says no.
    pub fn rewind(&mut self) {
        debug_assert!(!self.body_is_gone(), "what is gone cannot be sent again");
        self.prefix_sent = 0;
        self.written = 0;
        self.rewound = true;
        if let Some(kept) = &self.kept
            && !kept.bytes.is_empty()
        {
            // It comes first, and the rest goes on from where it stood.
            let behind = self.again.map_or(self.payload, |(_, behind)| behind);
            self.again = Some((0, behind));
            self.payload = kept.bytes.len();
        }
        self.end_due = false;
    }

    /// Some of the body is gone, and so it cannot be sent again.
    pub fn body_is_gone(&self) -> bool {
        self.written > 0 && self.body_begun && self.kept.is_none()
    }
}
