//! Where a connection of mode TCP goes: by what its client asks for before a server is picked.

use std::future::poll_fn;
use std::io::IoSlice;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::client::Addresses;
use super::handshake::Lines;
use super::termination::{Cause, Phase, Termination};
use super::view::{BackendView, FrontendView};
use crate::clock::Instant;
use crate::log;
use crate::net::buffer::Buffer;
use crate::net::client_hello::{Invalid, Reader, Seen};
use crate::net::stream::Stream;
use crate::net::timer::{Elapsed, Timer};
use crate::stats::cells::Count;

/// Of an alert's record, and of alerts (RFC 8446 6).
const ALERT: u8 = 21;
const FATAL: u8 = 2;
const DECODE_ERROR: u8 = 50;
const UNRECOGNIZED_NAME: u8 = 112;

/// What a client was found to want.
#[derive(Debug)]
enum Asked {
    /// TLS of the server, with this host.
    ByTls(Option<String>),
    /// The same of TLS that ends here.
    Ours(Option<String>),
    /// Something else.
    Nothing,
}

/// Why a connection goes nowhere.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("the ClientHello did not come in time")]
    Timeout,
    #[error("the ClientHello ends early")]
    Cut,
    /// It never said a word.
    #[error("the peer has gone")]
    Gone,
    #[error("no route takes it, and there is no default backend")]
    NoRoute(Asked),
}

/// What a connection that goes nowhere is called, and why it does not.
pub type Nowhere = (Termination, Option<&'static str>);

impl Refused {
    /// Where it is counted, and what it is called.
    fn told(&self) -> (Option<Count>, Nowhere) {
        let ended = |cause| Termination::new(cause, Phase::Request);
        match self {
            Self::Gone => (None, (ended(Cause::Client), None)),
            Self::NoRoute(_) => (Some(Count::DeniedConnections), (ended(Cause::Proxy), Some("no_route"))),
            Self::Invalid(_) => (Some(Count::BadRequests), (ended(Cause::Proxy), Some("client_hello"))),
            Self::Cut => (Some(Count::BadRequests), (ended(Cause::Client), Some("client_hello"))),
            Self::Timeout => (Some(Count::BadRequests), (ended(Cause::ClientTimeout), Some("client_hello"))),
        }
    }

    /// What a client that speaks TLS is told.
    fn alert(&self) -> Option<u8> {
        match self {
            Self::NoRoute(Asked::ByTls(_)) => Some(UNRECOGNIZED_NAME),
            Self::Invalid(_) => Some(DECODE_ERROR),
            Self::NoRoute(Asked::Nothing | Asked::Ours(_)) | Self::Timeout | Self::Cut | Self::Gone => None,
        }
    }
}

/// The backend of a connection that began at `start`; what was read of it on the way is left in `buffer`. A connection
/// that goes nowhere was counted.
pub async fn choose(
    frontend: &FrontendView,
    client: &mut Stream,
    addresses: &Addresses,
    buffer: &mut Buffer,
    start: Instant,
) -> Result<Rc<BackendView>, Nowhere> {
    let asked = match &addresses.tls {
        // The handshake was ours, and the name with it.
        Some(secured) => Ok(Asked::Ours(secured.agreed.name.as_deref().map(sent_as))),
        None => asked(frontend, client, buffer, start).await,
    };
    let refused = match asked {
        Ok(asked) => {
            let host = match &asked {
                Asked::ByTls(host) | Asked::Ours(host) => host.as_deref(),
                Asked::Nothing => None,
            };
            match frontend.backend_for(host) {
                Some(backend) => return Ok(Rc::clone(backend)),
                None => Refused::NoRoute(asked),
            }
        }
        Err(refused) => refused,
    };
    let (count, nowhere) = refused.told();
    if let Some(count) = count {
        frontend.cells().inc(count);
    }
    if let (Some(_), Some(left_out)) = (count, Lines::take()) {
        let name = &frontend.frontend.name;
        match addresses.client {
            Some(client) => {
                log::warning(format_args!("frontend {name}: {client} closed: {refused}{left_out}"));
            }
            None => {
                log::warning(format_args!(
                    "frontend {name}: a client on a Unix socket closed: {refused}{left_out}"
                ));
            }
        }
    }
    if let Some(alert) = refused.alert() {
        let record = [ALERT, 3, 3, 0, 2, FATAL, alert];
        // Who does not read need not know.
        poll_fn(|cx| Poll::Ready(_ = client.poll_write(cx, &[IoSlice::new(&record)]))).await;
    }
    Err(nowhere)
}

/// A name as routes have it.
fn sent_as(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whom the client asks for.
async fn asked(
    frontend: &FrontendView,
    client: &mut Stream,
    buffer: &mut Buffer,
    start: Instant,
) -> Result<Asked, Refused> {
    let (mut reader, mut timer) = (Reader::default(), Timer::default());
    let deadline = start + frontend.frontend.timeouts.client_hello;
    match timer.within(deadline, |cx| poll_hello(cx, client, &mut reader, buffer)).await {
        Ok(asked) => asked,
        Err(Elapsed) => Err(Refused::Timeout),
    }
}

fn poll_hello(
    cx: &mut Context<'_>,
    client: &mut Stream,
    reader: &mut Reader,
    buffer: &mut Buffer,
) -> Poll<Result<Asked, Refused>> {
    loop {
        let read = match client.poll_read(cx, buffer.room()) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(n @ 1..)) => n,
            Poll::Ready(_) if buffer.is_empty() => return Poll::Ready(Err(Refused::Gone)),
            Poll::Ready(_) => return Poll::Ready(Err(Refused::Cut)),
        };
        buffer.filled(read);
        match reader.look(buffer.data())? {
            Seen::Partial => {}
            Seen::Other => return Poll::Ready(Ok(Asked::Nothing)),
            Seen::Hello(host) => return Poll::Ready(Ok(Asked::ByTls(host))),
        }
    }
}
