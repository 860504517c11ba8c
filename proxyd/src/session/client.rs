//! Who a client is: its addresses, what a PROXY header in front of the connection says of them, and what servers are
//! told in turn.

use std::borrow::Cow;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use super::handshake::{Lines, Secured};
use super::private::Private;
use super::view::FrontendView;
use super::worker::Place;
use crate::clock::{self, Instant};
use crate::config::{ClientCertHeader, SendProxy};
use crate::log;
use crate::net::buffer::Buffer;
use crate::net::proxy_protocol::{self as protocol, Checksum, Header, Invalid, Parsed, Tlvs, Version};
use crate::net::stream::Stream;
use crate::net::timer::{Elapsed, Timer};
use crate::stats::cells::Count;
use crate::tls::{Terminator, shown};

/// Addresses of a client's connection.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// `None` for a Unix socket.
    pub client: Option<SocketAddr>,
    /// Port it came to.
    pub local_port: Option<u16>,
    /// What a PROXY header said beside the client's address.
    told: Option<Arc<Told>>,
    /// What a handshake agreed on.
    pub tls: Option<Arc<Secured>>,
}

#[derive(Debug)]
struct Told {
    /// Address the client came to; else the socket knows.
    destination: Option<SocketAddr>,
    tlvs: Tlvs,
}

impl Addresses {
    /// Those of the connection itself.
    pub fn of_connection(client: Option<SocketAddr>, local_port: Option<u16>) -> Self {
        Self { client, local_port, told: None, tls: None }
    }

    /// The address the client came to, where a PROXY header says so; else the socket knows.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.told.as_ref()?.destination
    }

    /// The headers that tell servers of the client's certificate.
    pub(super) fn told_lines(&self, headers: &Arc<[ClientCertHeader]>) -> Cow<'_, [u8]> {
        match &self.tls {
            Some(tls) => tls.told_lines(headers),
            None => Cow::Owned(shown::lines(headers, None)),
        }
    }

    /// The same where many streams share a connection, which alone knows the address the client came to.
    pub(super) fn come_to(self, local: Option<SocketAddr>) -> Self {
        if local.is_none() || self.destination().is_some() {
            return self;
        }
        let tlvs = self.told.as_ref().map(|told| told.tlvs.clone()).unwrap_or_default();
        Self { told: Some(Arc::new(Told { destination: local, tlvs })), ..self }
    }

    fn said_by(self, header: Header) -> Self {
        match header.addresses {
            Some(ends) => Self {
                client: Some(ends.source),
                local_port: Some(ends.destination.port()),
                told: Some(Arc::new(Told { destination: Some(ends.destination), tlvs: header.tlvs })),
                ..self
            },
            None if header.tlvs.is_empty() => self,
            None => Self { told: Some(Arc::new(Told { destination: None, tlvs: header.tlvs })), ..self },
        }
    }
}

/// What a connection begins with, in front of the client's own bytes.
#[derive(Clone, Debug)]
pub struct Opening {
    /// A PROXY header (`accept_proxy`).
    pub header: bool,
    /// A handshake, behind that.
    pub tls: Option<Arc<Terminator>>,
}

/// Why a connection is closed before it has become a session.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the peer is not trusted to send a PROXY header")]
    Untrusted,
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("the PROXY header did not come in time")]
    Timeout,
    #[error("the PROXY header ends early")]
    Cut,
    /// It never said a word.
    #[error("the peer has gone")]
    Gone,
}

/// Takes the PROXY header off a connection, and nothing behind it; `None` where it has to be closed, which was counted
/// and logged.
pub async fn receive(
    frontend: &FrontendView,
    place: &Place,
    stream: &Stream,
    peer: Addresses,
) -> Option<Addresses> {
    let trusted = &frontend.frontend.trusted;
    // Who may open a Unix socket is said by its permissions.
    let believed = trusted.is_empty() || peer.client.is_none_or(|client| trusted.contains(client.ip()));
    let result = if believed {
        let deadline = clock::now() + frontend.frontend.timeouts.proxy_header;
        read(place, stream, deadline).await
    } else {
        Err(Refused::Untrusted)
    };
    let refused = match result {
        Ok(header) => return Some(peer.said_by(header)),
        Err(refused) => refused,
    };
    let cells = frontend.cells();
    match refused {
        Refused::Gone => return None,
        Refused::Untrusted => cells.inc(Count::DeniedConnections),
        Refused::Invalid(_) | Refused::Timeout | Refused::Cut => cells.inc(Count::BadRequests),
    }
    let left_out = Lines::take()?;
    let name = &frontend.frontend.name;
    match peer.client {
        Some(client) => log::warning(format_args!("frontend {name}: {client} closed: {refused}{left_out}")),
        None => log::warning(format_args!(
            "frontend {name}: a client on a Unix socket closed: {refused}{left_out}"
        )),
    }
    None
}

/// The deadline is absolute: a drip of bytes does not move it.
async fn read(place: &Place, stream: &Stream, deadline: Instant) -> Result<Header, Refused> {
    let mut buffer = Buffer::small();
    let mut timer = Timer::default();
    let header = |cx: &mut Context<'_>| {
        if place.worker.is_draining() && !stream.has_input() {
            return Poll::Ready(Err(Refused::Gone));
        }
        place.wake_on_drain(cx.waker());
        poll_header(cx, stream, &mut buffer)
    };
    match timer.within(deadline, header).await {
        Ok(result) => result,
        Err(Elapsed) => Err(Refused::Timeout),
    }
}

/// What is peeked at is taken only as far as it belongs to the header.
fn poll_header(cx: &mut Context<'_>, stream: &Stream, buffer: &mut Buffer) -> Poll<Result<Header, Refused>> {
    loop {
        let held = buffer.len();
        let seen = match stream.poll_peek(cx, buffer.room()) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(n @ 1..)) => n,
            Poll::Ready(_) if held == 0 => return Poll::Ready(Err(Refused::Gone)),
            Poll::Ready(_) => return Poll::Ready(Err(Refused::Cut)),
        };
        buffer.filled(seen);
        let parsed = protocol::parse(buffer.data())?;
        let belongs = match parsed {
            // A header is shorter than the buffer, so that there is room for more.
            Parsed::Partial => seen,
            Parsed::Complete(_, length) => length - held,
        };
        let mut taken = 0;
        while taken < belongs {
            match stream.take_peeked(&mut buffer.data_mut()[held + taken..held + belongs]) {
                Ok(n @ 1..) => taken += n,
                _ => return Poll::Ready(Err(Refused::Cut)),
            }
        }
        if let Parsed::Complete(header, _) = parsed {
            return Poll::Ready(Ok(header));
        }
    }
}

/// On whose behalf a server is connected to.
#[derive(Clone, Copy, Debug)]
pub struct Behalf<'a> {
    pub addresses: &'a Addresses,
    pub private: &'a Private,
    /// The client's connection, which knows the address it came to.
    pub stream: &'a Stream,
    /// It asks for a switch of protocols.
    pub upgrade: bool,
}

impl Behalf<'_> {
    pub(super) fn ip(self) -> Option<IpAddr> {
        self.addresses.client.map(|client| client.ip())
    }

    /// The header a server gets in front of all else.
    pub(super) fn header(self, how: SendProxy) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        let ends = self.addresses.client.and_then(|source| {
            let destination = self.addresses.destination().or_else(|| self.stream.local_addr())?;
            Some(protocol::Addresses { source, destination })
        });
        let SendProxy::V2(wanted) = how else {
            protocol::write(&mut bytes, Version::V1, ends, &Tlvs::default(), Checksum::Absent);
            return bytes;
        };
        // What a proxy in front says of its client, else what is known of it here.
        let came = self.addresses.told.as_ref().map(|told| &told.tlvs);
        let agreed = self.addresses.tls.as_ref().map(|tls| &tls.agreed);
        let tlvs = Tlvs {
            alpn: came
                .and_then(|tlvs| tlvs.alpn.clone())
                .or_else(|| agreed?.alpn.as_deref().map(Into::into))
                .filter(|_| wanted.alpn),
            authority: came
                .and_then(|tlvs| tlvs.authority.clone())
                .or_else(|| Some(agreed?.name.as_deref()?.into()))
                .filter(|_| wanted.authority),
            unique_id: came.and_then(|tlvs| tlvs.unique_id.clone()).filter(|_| wanted.unique_id),
        };
        let checksum = if wanted.crc32c { Checksum::Present } else { Checksum::Absent };
        protocol::write(&mut bytes, Version::V2, ends, &tlvs, checksum);
        bytes
    }
}

/// Writes a header to a server; a connection that has just been made takes it at once.
pub(super) fn poll_greet(
    cx: &mut Context<'_>,
    stream: &mut Stream,
    rest: &mut &[u8],
) -> Poll<io::Result<()>> {
    while !rest.is_empty() {
        match stream.poll_write(cx, &[IoSlice::new(rest)]) {
            Poll::Ready(Ok(n)) => *rest = &rest[n..],
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
    }
    Poll::Ready(Ok(()))
}
