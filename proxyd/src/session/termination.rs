//! How a session ended, in HAProxy's letters (configuration manual 8.5).

/// Who or what ended it first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Cause {
    /// Nothing went wrong.
    #[default]
    None,
    /// The client closed.
    Client,
    /// The server closed or refused.
    Server,
    /// The client was too slow.
    ClientTimeout,
    /// The server was too slow.
    ServerTimeout,
    /// proxyd refused.
    Proxy,
    /// Something of ours ran out.
    Resource,
    /// A fault of ours.
    Internal,
    /// Ended by who runs proxyd.
    Killed,
    /// The server was marked down, and its sessions go with it.
    ServerDown,
    /// An active server was marked up, and this was on a backup.
    ServerUp,
}

/// Where the session stood.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Phase {
    #[default]
    Done,
    /// Waiting for the request.
    Request,
    /// Waiting for room on a server.
    Queue,
    /// Connecting to a server.
    Connect,
    /// Waiting for the answer's head.
    Headers,
    /// Passing the body on.
    Data,
}

/// Cause and phase.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Termination {
    pub cause: Cause,
    pub phase: Phase,
}

impl Termination {
    pub const fn new(cause: Cause, phase: Phase) -> Self {
        Self { cause, phase }
    }

    /// Cause and phase.
    pub const fn letters(self) -> [u8; 2] {
        let cause = match self.cause {
            Cause::None => b'-',
            Cause::Client => b'C',
            Cause::Server => b'S',
            Cause::ClientTimeout => b'c',
            Cause::ServerTimeout => b's',
            Cause::Proxy => b'P',
            Cause::Resource => b'R',
            Cause::Internal => b'I',
            Cause::Killed => b'K',
            Cause::ServerDown => b'D',
            Cause::ServerUp => b'U',
        };
        let phase = match self.phase {
            Phase::Done => b'-',
            Phase::Request => b'R',
            Phase::Queue => b'Q',
            Phase::Connect => b'C',
            Phase::Headers => b'H',
            Phase::Data => b'D',
        };
        [cause, phase]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters() {
        for (cause, phase, text) in [
            (Cause::None, Phase::Done, "--"),
            (Cause::Client, Phase::Data, "CD"),
            (Cause::ServerTimeout, Phase::Headers, "sH"),
            (Cause::Proxy, Phase::Request, "PR"),
            (Cause::ClientTimeout, Phase::Request, "cR"),
            (Cause::Server, Phase::Connect, "SC"),
            (Cause::ServerTimeout, Phase::Queue, "sQ"),
            (Cause::Killed, Phase::Queue, "KQ"),
            (Cause::Internal, Phase::Headers, "IH"),
            (Cause::ServerDown, Phase::Data, "DD"),
            (Cause::ServerUp, Phase::Headers, "UH"),
        ] {
            assert_eq!(Termination::new(cause, phase).letters(), text.as_bytes());
        }
    }
}
