//! Says what is seen of servers whose traffic is observed. For all others it costs one look at a field.

use super::dispatch::NoConnection;
use super::retry::Failure;
use crate::model::server::Server;
use crate::model::traffic::Sight;
use crate::net::stream::Stream;

/// A connection was made, or could not be for a reason that is not ours.
pub(super) fn connected(server: &Server, opened: &Result<Stream, NoConnection>) {
    match opened {
        Ok(_) => see(server, Sight::Connected),
        Err(NoConnection { local: true, .. }) => {}
        Err(_) => see(server, Sight::NotConnected),
    }
}

/// An answer has come.
pub(super) fn answered(server: &Server, status: u16) {
    see(server, if is_well(status) { Sight::Answered } else { Sight::WrongAnswer });
}

/// Whether an answer says nothing against its server.
pub(super) const fn is_well(status: u16) -> bool {
    // 501 and 505 are the client's doing, as HAProxy has it.
    status < 500 || status == 501 || status == 505
}

/// A try came to nothing behind its connection.
pub(super) fn failed(server: &Server, failure: Failure) {
    let sight = match failure {
        // Told when it was connected to, or answered; or nothing was asked of it.
        Failure::Connect
        | Failure::ConnectTimeout
        | Failure::NoTls
        | Failure::Status(_)
        | Failure::NoUpgrade
        | Failure::Refused
        | Failure::Unheard => return,
        Failure::Timeout => Sight::ReadTimeout,
        Failure::Empty => Sight::BrokenPipe,
        Failure::Partial => Sight::ReadError,
        Failure::Invalid => Sight::InvalidHead,
    };
    see(server, sight);
}

fn see(server: &Server, sight: Sight) {
    if let Some(traffic) = &server.traffic {
        traffic.see(sight);
    }
}
