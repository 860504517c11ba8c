//! TLS before a session: with clients, and with servers. What a handshake agreed on is kept with a client's addresses.

use std::borrow::Cow;
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use super::client::Addresses;
use super::linger::{linger, poll_take};
use super::retry;
use super::view::{FrontendView, ServerView};
use super::worker::Place;
use crate::clock::{self, Instant};
use crate::config::{ClientCertHeader, ServerHttp};
use crate::log;
use crate::net::buffer::Buffer;
use crate::net::stream::Stream;
use crate::net::timer::{Elapsed, Timer};
use crate::net::tls::failure::Failure;
use crate::net::tls::{Agreed, Tls};
use crate::stats::cells::{Cells, Count};
use crate::tls::shown::{self, Shown};
use crate::tls::{Originator, Terminator};

/// What is known of a client that speaks TLS.
#[derive(Debug)]
pub struct Secured {
    pub agreed: Agreed,
    /// How long the handshake took.
    took: Duration,
    /// That was told.
    told: AtomicBool,
    /// The client's certificate, once somebody wants to know.
    shown: OnceLock<Shown>,
    /// Headers that tell of it, and the setting they were made for.
    lines: OnceLock<(Arc<[ClientCertHeader]>, Vec<u8>)>,
}

impl Secured {
    /// How long the handshake took, to the first who asks: a connection has many requests, and one handshake.
    pub(super) fn first_took(&self) -> Duration {
        if self.told.swap(true, Relaxed) { Duration::ZERO } else { self.took }
    }
}

impl Secured {
    /// The certificate the client showed.
    pub fn shown(&self) -> Option<(&Shown, &[u8])> {
        let der = self.agreed.certificates.first()?;
        Some((self.shown.get_or_init(|| Shown::of(der)), der))
    }

    /// The headers that tell of it: made once, unless a reload asks for others.
    pub(super) fn told_lines(&self, headers: &Arc<[ClientCertHeader]>) -> Cow<'_, [u8]> {
        let make = || shown::lines(headers, self.shown());
        let (of, lines) = self.lines.get_or_init(|| (Arc::clone(headers), make()));
        if Arc::ptr_eq(of, headers) || of == headers { Cow::Borrowed(lines) } else { Cow::Owned(make()) }
    }

    /// The host the client asked for when it showed a certificate: no other takes its word for it.
    pub fn only_host(&self) -> Option<&str> {
        if self.agreed.certificates.is_empty() { None } else { self.agreed.name.as_deref() }
    }
}

/// How a client's handshake ended.
#[derive(Debug)]
pub enum Accepted {
    Secured(Stream, Addresses),
    /// It sent a request in clear, and has not been answered.
    InClear(Stream, Addresses),
    /// The connection is over, which was counted and logged.
    Over,
}

/// Takes a client's handshake.
pub async fn accept(
    frontend: &FrontendView,
    place: &Place,
    stream: Stream,
    terminator: &Terminator,
    mut addresses: Addresses,
) -> Accepted {
    let begun = clock::now();
    let deadline = begun + frontend.frontend.timeouts.tls_handshake;
    let mut tls = match Tls::accept(stream, terminator.config()) {
        Ok(tls) => tls,
        Err(error) => {
            failed(frontend, addresses.client, Failure::Ours, Some(error));
            return Accepted::Over;
        }
    };
    let mut timer = Timer::default();
    let handshake = |cx: &mut Context<'_>| {
        let step = tls.poll_handshake(cx);
        if step.is_pending() && !tls.has_heard() {
            // Who has said nothing is not waited for any longer.
            if place.worker.is_draining() {
                return Poll::Ready(Err(Failure::Silent));
            }
            place.wake_on_drain(cx.waker());
        }
        step
    };
    let failure = match timer.within(deadline, handshake).await {
        Ok(Ok(())) => {
            count(frontend.cells(), &tls);
            let secured = Secured {
                agreed: tls.agreed(),
                took: clock::now() - begun,
                told: AtomicBool::new(false),
                shown: OnceLock::new(),
                lines: OnceLock::new(),
            };
            addresses.tls = Some(Arc::new(secured));
            return Accepted::Secured(Stream::Tls(Box::new(tls)), addresses);
        }
        Ok(Err(failure)) => failure,
        Err(Elapsed) if tls.has_heard() => Failure::Timeout,
        Err(Elapsed) => Failure::Silent,
    };
    if failure == Failure::Silent {
        return Accepted::Over;
    }
    let fault = tls.fault();
    let (in_clear, told) = (tls.is_in_clear(), fault.is_some());
    failed(frontend, addresses.client, failure, fault);
    match tls.into_socket() {
        Some(stream) if in_clear => return Accepted::InClear(stream, addresses),
        // The rest of its flight may be on its way.
        Some(stream) if told && stream.shutdown_write().is_ok() => {
            Box::pin(take_rest(stream, &mut timer)).await;
        }
        _ => {}
    }
    Accepted::Over
}

/// Takes what a client still sends behind the alert that it was told, for a moment.
async fn take_rest(mut stream: Stream, timer: &mut Timer) {
    let mut buffer = Buffer::small();
    linger(timer, |cx| poll_take(&mut stream, cx, &mut buffer)).await;
}

/// Makes the handshake with a server, within what is left of the time for a connection; the inner error was counted
/// and logged, as the outer one was.
pub(super) async fn connect(
    stream: Stream,
    originator: &Originator,
    http: ServerHttp,
    view: &ServerView,
    timer: &mut Timer,
    deadline: Instant,
) -> Result<Result<Stream, retry::Failure>, Elapsed> {
    let config = match (http, view.server.uplink.http) {
        (ServerHttp::Http1, ServerHttp::Auto) => originator.config_of_http1(),
        _ => originator.config(),
    };
    let (result, error) = match Tls::connect(stream, config, originator.name.clone()) {
        Ok(mut tls) => match timer.within(deadline, |cx| tls.poll_handshake(cx)).await {
            // A server that knows no ALPN says nothing at all.
            Ok(Ok(())) if http == ServerHttp::H2 && !tls.agreed().is_h2() => (Ok(Failure::Alpn), None),
            Ok(Ok(())) => {
                count(view.cells(), &tls);
                return Ok(Ok(Stream::Tls(Box::new(tls))));
            }
            Ok(Err(failure)) => (Ok(failure), tls.fault()),
            Err(Elapsed) => (Err(Elapsed), None),
        },
        Err(error) => (Ok(Failure::Ours), Some(error)),
    };
    view.cells().inc(Count::TlsFailures);
    let lasts = result.is_ok_and(|failure| failure.lasts(error.as_ref()));
    if let Some(left_out) = Lines::take() {
        let reason = Reason(result.unwrap_or(Failure::Timeout), error);
        let (backend, server) = (&view.server.backend, &view.server.name);
        log::warning(format_args!("Server {backend}/{server}: SSL handshake failure: {reason}{left_out}"));
    }
    result.map(|_| Err(if lasts { retry::Failure::NoTls } else { retry::Failure::Connect }))
}

fn count(cells: &Cells, tls: &Tls) {
    cells.inc(Count::Handshakes);
    if tls.is_resumed() {
        cells.inc(Count::Resumptions);
    }
}

fn failed(
    frontend: &FrontendView,
    client: Option<SocketAddr>,
    failure: Failure,
    error: Option<rustls::Error>,
) {
    frontend.handshake_failed(failure);
    let Some(left_out) = Lines::take() else { return };
    let name = &frontend.frontend.name;
    let reason = Reason(failure, error);
    match client {
        Some(client) => {
            log::warning(format_args!(
                "frontend {name}: {client}: SSL handshake failure: {reason}{left_out}"
            ));
        }
        None => log::warning(format_args!(
            "frontend {name}: a client on a Unix socket: SSL handshake failure: {reason}{left_out}"
        )),
    }
}

/// With the library's words where ours leave much open.
struct Reason(Failure, Option<rustls::Error>);

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self(failure @ (Failure::Closed | Failure::NotTls), _) | Self(failure, None) => {
                write!(f, "{failure}")
            }
            Self(failure, Some(error)) => write!(f, "{failure} ({error})"),
        }
    }
}

/// Lines on connections that ended badly: so many in a second of each worker, since anybody can cause them.
pub(super) struct Lines {
    second: Instant,
    written: u32,
    left_out: u64,
}

/// Lines since the last one that nobody wrote.
pub(super) struct LeftOut(u64);

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => Ok(()),
            n => write!(f, " (and {n} more)"),
        }
    }
}

const LINES_A_SECOND: u32 = 10;

thread_local! {
    static LINES: Cell<Option<Lines>> = const { Cell::new(None) };
}

impl Lines {
    /// Leave for one line, with what was left out before it.
    pub(super) fn take() -> Option<LeftOut> {
        let now = clock::now();
        let mut lines = LINES.take().unwrap_or(Self { second: now, written: 0, left_out: 0 });
        if now.saturating_duration_since(lines.second) >= Duration::from_secs(1) {
            (lines.second, lines.written) = (now, 0);
        }
        let leave = lines.written < LINES_A_SECOND;
        let left_out = if leave {
            lines.written += 1;
            Some(LeftOut(std::mem::take(&mut lines.left_out)))
        } else {
            lines.left_out += 1;
            None
        };
        LINES.set(Some(lines));
        left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lines_are_few_and_tell_what_was_left_out() {
        for _ in 0..LINES_A_SECOND {
            assert_eq!(Lines::take().unwrap().to_string(), "");
        }
        assert!(Lines::take().is_none() && Lines::take().is_none());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(Lines::take().unwrap().to_string(), " (and 2 more)");
        assert_eq!(Lines::take().unwrap().to_string(), "");
    }

    #[test]
    fn reasons_are_told_in_full_where_that_helps() {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA);
        let reason = Reason(Failure::of(&alert), Some(alert));
        assert_eq!(reason.to_string(), "the peer refuses (received fatal alert: UnknownCA)");
        assert_eq!(Reason(Failure::Timeout, None).to_string(), "it did not end in time");
    }
}
