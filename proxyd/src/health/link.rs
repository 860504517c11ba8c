//! The connection of a check, from the first packet to its end. Each step is bounded by the check's one deadline.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicU32;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::{Builder, Connection};
use proto::addr::Address;
use socket2::SockRef;

use super::finding::{Finding, describe};
use crate::clock::Instant;
use crate::config::{SendProxy, Uplink};
use crate::model::server::CheckStatus;
use crate::net::buffer::SMALL;
use crate::net::connect::{Origin, connect, is_local_shortage};
use crate::net::h2::H2;
use crate::net::io::Io;
use crate::net::proxy_protocol::{self, Checksum, Tlvs, Version};
use crate::net::stream::Stream;
use crate::net::timer::{Elapsed, Timer};
use crate::net::tls::Tls;
use crate::tls::Originator;

/// Where to, and how.
#[derive(Clone, Debug)]
pub struct Route<'a> {
    pub address: Address,
    pub uplink: &'a Uplink,
    pub turn: &'a AtomicU32,
    pub greet: Option<SendProxy>,
    pub tls: Option<&'a Originator>,
    pub manners: Manners,
}

/// How a connection is left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Manners {
    /// At once: nothing stays in `TIME_WAIT`.
    Reset,
    /// In order: what would log a reset is not made to.
    Goodbye,
}

/// The time a check has.
#[derive(Debug)]
pub struct Time {
    deadline: Instant,
    timer: Timer,
}

impl Time {
    pub fn until(deadline: Instant) -> Self {
        Self { deadline, timer: Timer::default() }
    }

    /// What comes of `work`, if it is done in time.
    pub async fn race<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Elapsed> {
        let mut work = pin!(work);
        self.within(|cx| work.as_mut().poll(cx)).await
    }

    /// `work`, if it is done in time.
    pub async fn within<T>(&mut self, work: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Result<T, Elapsed> {
        self.timer.within(self.deadline, work).await
    }
}

/// What a conversation travels over.
pub trait Line {
    /// Reads what is there; 0 is the end.
    fn receive(&mut self, room: &mut [u8], time: &mut Time) -> impl Future<Output = Result<usize, Finding>>;

    /// Sends all of it.
    fn send(&mut self, bytes: &[u8], time: &mut Time) -> impl Future<Output = Result<(), Finding>>;

    /// The peer has said all there is.
    fn has_ended(&self) -> bool;

    /// What came behind a body of HTTP/2.
    fn trailers(&mut self) -> &[u8];
}

/// What moves the bytes of a connection of HTTP/2.
type Driver = Connection<Io, Bytes>;

/// An open connection.
#[derive(Debug)]
pub struct Link {
    stream: Stream,
    driver: Option<Box<Driver>>,
    /// How the driver ended.
    over: Option<h2::Error>,
    manners: Manners,
}

impl Link {
    /// Connects, sends the PROXY header and makes the handshake.
    pub async fn open(route: &Route<'_>, time: &mut Time) -> Result<Self, Finding> {
        let origin = Origin { client: None, turn: route.turn };
        let stream = match time.race(connect(&route.address, route.uplink, origin)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if is_local_shortage(&error) => {
                return Err(Finding::new(CheckStatus::SockErr, describe(&error)));
            }
            Ok(Err(error)) => return Err(Finding::new(CheckStatus::L4Con, describe(&error))),
            Err(Elapsed) => return Err(Finding::new(CheckStatus::L4Timeout, "")),
        };
        // Until all is agreed on there is nobody to be polite to.
        stream.reset_on_close();
        let mut link = Self { stream, driver: None, over: None, manners: route.manners };
        let greeting = greeting(route.greet);
        if !greeting.is_empty() {
            link.send(&greeting, time).await?;
        }
        if let Some(originator) = route.tls {
            link.stream = secure(link.stream, originator, time).await?;
        }
        Ok(link)
    }

    /// HTTP/2 for the only request of the connection.
    pub async fn multiplexed(self, time: &mut Time) -> Result<Self, Finding> {
        let secure = self.stream.as_tls().is_some();
        let mut builder = Builder::new();
        // Of its head no more is taken than of one of HTTP/1.1, and nothing that nobody asked for.
        builder.enable_push(false).max_header_list_size(SMALL as u32);
        match time.race(builder.handshake::<_, Bytes>(Io(self.stream))).await {
            Ok(Ok((requests, driver))) => Ok(Self {
                stream: Stream::H2(Box::new(H2::opened(requests, secure))),
                driver: Some(Box::new(driver)),
                over: None,
                manners: Manners::Reset,
            }),
            Ok(Err(error)) => Err(Finding::nonsense(error.to_string())),
            Err(Elapsed) => Err(Finding::new(CheckStatus::L7Timeout, "")),
        }
    }

    pub fn is_encrypted(&self) -> bool {
        self.stream.as_tls().is_some()
    }

    pub fn agreed_on_h2(&self) -> bool {
        self.stream.agreed_on_h2()
    }

    pub fn is_h2(&self) -> bool {
        self.stream.is_h2()
    }

    /// Sends a request of HTTP, its head apart from its body.
    pub async fn ask(&mut self, head: &[u8], body: &[u8], time: &mut Time) -> Result<(), Finding> {
        if !self.is_h2() {
            return self.send(&[head, body].concat(), time).await;
        }
        let sent = time.within(|cx| {
            self.drive(cx);
            match self.stream.as_h2() {
                Some(stream) => stream.poll_head(cx, head, body.is_empty()),
                None => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            }
        });
        match sent.await {
            Ok(Ok(())) if body.is_empty() => Ok(()),
            Ok(Ok(())) => {
                self.send(body, time).await?;
                self.stream
                    .shutdown_write()
                    .map_err(|error| Finding::new(CheckStatus::L4Con, describe(&error)))
            }
            Ok(Err(error)) => Err(self.broken(CheckStatus::L4Con, &error)),
            Err(Elapsed) => Err(Finding::new(CheckStatus::L7Timeout, "")),
        }
    }

    /// Leaves it as it wants to be left.
    pub async fn part(mut self, goodbye: &[u8], time: &mut Time) {
        if self.manners == Manners::Reset {
            return;
        }
        // Whatever comes of it, the answer is known.
        if self.send(goodbye, time).await.is_ok()
            && let Ok(socket) = self.stream.socket()
            && SockRef::from(&socket).set_linger(None).is_ok()
        {
            let _ = self.stream.shutdown_write();
        }
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && let Poll::Ready(ended) = Pin::new(driver).poll(cx)
        {
            self.over = ended.err();
            self.driver = None;
        }
    }

    /// What is wrong with a connection of HTTP/2 is known to what drives it.
    fn broken(&self, status: CheckStatus, error: &io::Error) -> Finding {
        Finding::new(status, self.over.as_ref().map_or_else(|| describe(error), ToString::to_string))
    }
}

impl Line for Link {
    async fn receive(&mut self, room: &mut [u8], time: &mut Time) -> Result<usize, Finding> {
        let read = time.within(|cx| {
            self.drive(cx);
            self.stream.poll_read(cx, room)
        });
        match read.await {
            Ok(Ok(n)) => Ok(n),
            Ok(Err(error)) => Err(self.broken(CheckStatus::L7Response, &error)),
            Err(Elapsed) => Err(Finding::new(CheckStatus::L7Timeout, "")),
        }
    }

    async fn send(&mut self, bytes: &[u8], time: &mut Time) -> Result<(), Finding> {
        let mut rest = bytes;
        let written = time.within(|cx| {
            self.drive(cx);
            while !rest.is_empty() {
                match self.stream.poll_write(cx, &[IoSlice::new(rest)]) {
                    Poll::Ready(Ok(n)) => rest = &rest[n..],
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(Ok(()))
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.broken(CheckStatus::L4Con, &error)),
            Err(Elapsed) => Err(Finding::new(CheckStatus::L4Timeout, "")),
        }
    }

    fn has_ended(&self) -> bool {
        self.stream.has_ended()
    }

    fn trailers(&mut self) -> &[u8] {
        match self.stream.as_h2() {
            Some(stream) => stream.trailers(),
            None => &[],
        }
    }
}

async fn secure(stream: Stream, originator: &Originator, time: &mut Time) -> Result<Stream, Finding> {
    let bad = |info: String| Finding::new(CheckStatus::L6Response, info);
    let tls = Tls::connect(stream, originator.config(), originator.name.clone());
    let mut tls = tls.map_err(|error| bad(error.to_string()))?;
    match time.within(|cx| tls.poll_handshake(cx)).await {
        Ok(Ok(())) => {
            let stream = Stream::Tls(Box::new(tls));
            stream.reset_on_close();
            Ok(stream)
        }
        Ok(Err(failure)) => Err(bad(failure.to_string())),
        Err(Elapsed) => Err(Finding::new(CheckStatus::L6Timeout, "")),
    }
}

/// The PROXY header of a connection that is proxyd's own.
fn greeting(how: Option<SendProxy>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (version, checksum) = match how {
        None => return bytes,
        Some(SendProxy::V1) => (Version::V1, Checksum::Absent),
        Some(SendProxy::V2(tlvs)) if tlvs.crc32c => (Version::V2, Checksum::Present),
        Some(SendProxy::V2(_)) => (Version::V2, Checksum::Absent),
    };
    proxy_protocol::write(&mut bytes, version, None, &Tlvs::default(), checksum);
    bytes
}
