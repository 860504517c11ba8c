//! One check of one server.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::{Builder, Connection};
use proto::addr::Address;

use crate::clock::{self, Instant};
use crate::config::{Check, CheckKind, SendProxy, ServerHttp, StatusRange};
use crate::model::outcome::KEPT_ANSWER;
use crate::model::server::{CheckStatus, Outcome, Server};
use crate::net::buffer::Buffer;
use crate::net::connect::{Origin, connect, is_local_shortage};
use crate::net::h2::H2;
use crate::net::io::Io;
use crate::net::proxy_protocol::{self, Checksum, Tlvs, Version};
use crate::net::stream::Stream;
use crate::net::timer::{Elapsed, Timer};
use crate::net::tls::Tls;
use crate::tls::Originator;

/// Asks once; the timeout covers all of it.
pub async fn probe(address: &Address, server: &Server, check: &Check) -> Outcome {
    let start = clock::now();
    let deadline = start + check.timing.timeout;
    let mut timer = Timer::default();
    let finding = find(address, server, check, deadline, &mut timer).await;
    let Finding { status, code, info, answer } = finding;
    Outcome { status, code, duration: clock::now() - start, info, answer }
}

struct Finding {
    status: CheckStatus,
    code: Option<u16>,
    info: String,
    answer: Box<[u8]>,
}

fn finding(status: CheckStatus, info: impl Into<String>) -> Finding {
    Finding { status, code: None, info: info.into(), answer: Box::default() }
}

async fn find(
    address: &Address,
    server: &Server,
    check: &Check,
    deadline: Instant,
    timer: &mut Timer,
) -> Finding {
    let origin = Origin { client: None, turn: &server.source_turn };
    let mut connecting = pin!(connect(address, &server.uplink, origin));
    let mut stream = match timer.within(deadline, |cx| connecting.as_mut().poll(cx)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if is_local_shortage(&error) => {
            return finding(CheckStatus::SockErr, describe(&error));
        }
        Ok(Err(error)) => return finding(CheckStatus::L4Con, describe(&error)),
        Err(Elapsed) => return finding(CheckStatus::L4Timeout, ""),
    };
    // A check leaves nothing behind in TIME_WAIT.
    stream.reset_on_close();
    let greeting = greeting(server.uplink.send_proxy);
    if let Err(problem) = greet(&mut stream, &greeting, deadline, timer).await {
        return problem;
    }
    let mut passed = CheckStatus::L4Ok;
    if let Some(originator) = &server.tls {
        stream = match secure(stream, originator, deadline, timer).await {
            Ok(stream) => stream,
            Err(problem) => return problem,
        };
        passed = CheckStatus::L6Ok;
    }
    match &check.kind {
        CheckKind::Tcp => finding(passed, ""),
        CheckKind::Http { method, path, host, expect } => {
            let host = host.clone().unwrap_or_else(|| host_of(address));
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: proxyd-check\r\nConnection: close\r\n\r\n"
            );
            let http2 = match server.uplink.http {
                ServerHttp::Http1 => false,
                ServerHttp::H2 if server.tls.is_some() && !stream.agreed_on_h2() => {
                    return finding(CheckStatus::L6Response, "no HTTP/2 by ALPN");
                }
                ServerHttp::H2 => true,
                ServerHttp::Auto => stream.agreed_on_h2(),
            };
            let (stream, driver) = if http2 {
                match multiplexed(stream, server.tls.is_some(), deadline, timer).await {
                    Ok((stream, driver)) => (stream, Some(driver)),
                    Err(problem) => return problem,
                }
            } else {
                (stream, None)
            };
            ask(stream, driver, request.as_bytes(), *expect, deadline, timer).await
        }
    }
}

/// A server that is spoken to in TLS is checked so, too.
async fn secure(
    stream: Stream,
    originator: &Originator,
    deadline: Instant,
    timer: &mut Timer,
) -> Result<Stream, Finding> {
    let tls = Tls::connect(stream, originator.config(), originator.name.clone());
    let mut tls = tls.map_err(|error| finding(CheckStatus::L6Response, error.to_string()))?;
    match timer.within(deadline, |cx| tls.poll_handshake(cx)).await {
        Ok(Ok(())) => {
            let stream = Stream::Tls(Box::new(tls));
            stream.reset_on_close();
            Ok(stream)
        }
        Ok(Err(failure)) => Err(finding(CheckStatus::L6Response, failure.to_string())),
        Err(Elapsed) => Err(finding(CheckStatus::L6Timeout, "")),
    }
}

/// What moves the bytes of a check over HTTP/2.
type Driver = Connection<Io, Bytes>;

/// A stream of HTTP/2 for the only request of its connection.
async fn multiplexed(
    stream: Stream,
    secure: bool,
    deadline: Instant,
    timer: &mut Timer,
) -> Result<(Stream, Driver), Finding> {
    let builder = Builder::new();
    let mut shaking = pin!(builder.handshake::<_, Bytes>(Io(stream)));
    match timer.within(deadline, |cx| shaking.as_mut().poll(cx)).await {
        Ok(Ok((requests, driver))) => Ok((Stream::H2(Box::new(H2::opened(requests, secure))), driver)),
        Ok(Err(error)) => Err(finding(CheckStatus::L7Response, error.to_string())),
        Err(Elapsed) => Err(finding(CheckStatus::L7Timeout, "")),
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

/// Says what comes in front of all else.
async fn greet(
    stream: &mut Stream,
    greeting: &[u8],
    deadline: Instant,
    timer: &mut Timer,
) -> Result<(), Finding> {
    if greeting.is_empty() {
        return Ok(());
    }
    let mut rest = greeting;
    let written = timer.within(deadline, |cx| {
        while !rest.is_empty() {
            match stream.poll_write(cx, &[IoSlice::new(rest)]) {
                Poll::Ready(Ok(n)) => rest = &rest[n..],
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    });
    match written.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(finding(CheckStatus::L4Con, describe(&error))),
        Err(Elapsed) => Err(finding(CheckStatus::L4Timeout, "")),
    }
}

fn host_of(address: &Address) -> String {
    match address {
        Address::Ip(ip) => ip.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    }
}

/// The system's words without their number.
fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

async fn ask(
    mut stream: Stream,
    mut driver: Option<Driver>,
    request: &[u8],
    expect: StatusRange,
    deadline: Instant,
    timer: &mut Timer,
) -> Finding {
    let mut rest = request;
    let mut buffer = Buffer::small();
    let mut over = None;
    let exchange = |cx: &mut Context<'_>| {
        if let Some(Poll::Ready(ended)) = driver.as_mut().map(|driver| Pin::new(driver).poll(cx)) {
            over = ended.err();
            driver = None;
        }
        while !rest.is_empty() {
            let written = match stream.as_h2() {
                Some(stream) => stream.poll_head(cx, rest, true).map_ok(|()| rest.len()),
                None => stream.poll_write(cx, &[IoSlice::new(rest)]),
            };
            match written {
                Poll::Ready(Ok(n)) => rest = &rest[n..],
                Poll::Ready(Err(error)) => return Poll::Ready(finding(CheckStatus::L4Con, describe(&error))),
                Poll::Pending => break,
            }
        }
        loop {
            let n = match stream.poll_read(cx, buffer.room()) {
                Poll::Ready(Ok(n)) => n,
                Poll::Ready(Err(error)) => {
                    // What is wrong with a connection of HTTP/2 is known to what drives it.
                    let info = over.as_ref().map_or_else(|| describe(&error), ToString::to_string);
                    return Poll::Ready(finding(CheckStatus::L7Response, info));
                }
                Poll::Pending => return Poll::Pending,
            };
            buffer.filled(n);
            if let Some(found) = judge(buffer.data(), n == 0 || buffer.is_full(), expect) {
                let kept = buffer.len().min(KEPT_ANSWER);
                return Poll::Ready(Finding { answer: buffer.data()[..kept].into(), ..found });
            }
        }
    };
    timer.within(deadline, exchange).await.unwrap_or_else(|_elapsed| finding(CheckStatus::L7Timeout, ""))
}

/// `None` while more may come.
fn judge(bytes: &[u8], is_all: bool, expect: StatusRange) -> Option<Finding> {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(httparse::Status::Partial) if !is_all => None,
        Ok(httparse::Status::Complete(_)) => {
            let code = response.code.unwrap_or_default();
            let passed = (expect.first..=expect.last).contains(&code);
            let status = if passed { CheckStatus::L7Ok } else { CheckStatus::L7Status };
            Some(Finding {
                status,
                code: Some(code),
                info: response.reason.unwrap_or_default().to_owned(),
                answer: Box::default(),
            })
        }
        Ok(httparse::Status::Partial) if bytes.is_empty() => {
            Some(finding(CheckStatus::L7Response, "closed without an answer"))
        }
        _ => Some(finding(CheckStatus::L7Response, "not an HTTP answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: StatusRange = StatusRange { first: 200, last: 399 };

    fn verdict(bytes: &str, is_all: bool) -> Option<(CheckStatus, Option<u16>, String)> {
        judge(bytes.as_bytes(), is_all, OK).map(|f| (f.status, f.code, f.info))
    }

    #[test]
    fn answers_are_judged() {
        assert_eq!(
            verdict("HTTP/1.1 200 OK\r\n\r\n", false),
            Some((CheckStatus::L7Ok, Some(200), "OK".into()))
        );
        assert_eq!(
            verdict("HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\n", false),
            Some((CheckStatus::L7Status, Some(503), "Service Unavailable".into()))
        );
        assert_eq!(verdict("HTTP/1.1 200 OK\r\nA:", false), None);
        assert_eq!(verdict("HTTP/1.1 200 OK\r\nA:", true).map(|v| v.0), Some(CheckStatus::L7Response));
        assert_eq!(verdict("", true).map(|v| v.2), Some("closed without an answer".into()));
        assert_eq!(verdict("SSH-2.0\r\n", false).map(|v| v.0), Some(CheckStatus::L7Response));
    }
}
