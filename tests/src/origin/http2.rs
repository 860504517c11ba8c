//! An HTTP/2 server by prior knowledge that writes down what reached it, and answers any frames it is told to.

use std::fmt;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Service;
use super::http::{Record, Request, Shared, lock};
use crate::frames::script::Step;
use crate::frames::{self, Frame, Heard, PREFACE, Peer, hpack};
use crate::stream::{Address, Stream};
use crate::tls::Serving;
use crate::wire::{Body, Head};

/// Longer than any test is.
const LIMIT: Duration = Duration::from_mins(1);

/// What is answered to a request that came whole on that stream.
type Script = dyn Fn(&Request, u32) -> Vec<Step> + Send + Sync;

/// A server that says what its script has.
pub struct Origin {
    service: Service,
    record: Shared,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Origin {
    /// Answers everything with 200 and its name; `/echo` with the body.
    pub fn start(name: &'static str) -> Self {
        Self::scripted(move |request, stream| {
            let body = if request.target() == "/echo" { &request.body.bytes } else { name.as_bytes() };
            let silent = request.method() == "HEAD";
            vec![Step::Send(answer(stream, name, if silent { b"" } else { body }))]
        })
    }

    /// Answers what `script` says.
    pub fn scripted(script: impl Fn(&Request, u32) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let record = Shared::default();
        let seen = Arc::clone(&record);
        let script: Arc<Script> = Arc::new(script);
        let service = Service::tcp(move |stream, number| serve(stream, number, &seen, &script));
        Self { service, record }
    }

    /// The same over TLS; who does not agree on HTTP/2 is left to `otherwise`.
    pub fn agreeing(
        serving: Serving,
        script: impl Fn(&Request, u32) -> Vec<Step> + Send + Sync + 'static,
        otherwise: impl Fn(Stream) + Send + Sync + 'static,
    ) -> Self {
        let record = Shared::default();
        let seen = Arc::clone(&record);
        let script: Arc<Script> = Arc::new(script);
        let service = Service::tcp(move |stream, number| {
            let Ok(session) = serving.accept(stream) else { return };
            let agreed = session.alpn().is_some_and(|it| it == "h2");
            let stream = Stream::Tls(Box::new(session));
            if agreed { serve(stream, number, &seen, &script) } else { otherwise(stream) }
        });
        Self { service, record }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        match self.service.address() {
            Address::Tcp(addr) => addr,
            Address::Unix(_) => unreachable!("a TCP origin"),
        }
    }

    /// Everything that reached it so far.
    pub fn record(&self) -> Record {
        lock(&self.record).clone()
    }

    /// The listener and its connections.
    pub fn service(&self) -> &Service {
        &self.service
    }
}

/// A whole answer of 200.
pub fn answer(stream: u32, name: &str, body: &[u8]) -> Vec<u8> {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let block = hpack::encode(&[field(":status", "200"), field("x-origin", name)]);
    let mut frames = Frame::head(if body.is_empty() { frames::END_STREAM } else { 0 }, stream, &block);
    if !body.is_empty() {
        frames.push(Frame::data(frames::END_STREAM, stream, body));
    }
    frames::bytes(&frames)
}

fn serve(stream: Stream, connection: usize, seen: &Shared, script: &Arc<Script>) {
    let mut peer = Peer::new(stream);
    let begun = peer.exactly(PREFACE.len());
    if begun.is_ok_and(|it| it != PREFACE) {
        lock(seen).violations.push("no preface".into());
        return;
    }
    if peer.try_send(Frame::settings(&[]).bytes()).is_err() {
        return;
    }
    let mut counted = 0;
    loop {
        let heard = |peer: &Peer| peer.opened > counted || peer.streams.values().any(Heard::is_over);
        peer.reads_until(LIMIT, |it| it.goaway.is_some() || heard(it));
        {
            let mut record = lock(seen);
            record.heads += peer.opened - counted;
            record.violations.append(&mut peer.violations);
        }
        counted = peer.opened;
        let over: Vec<u32> = peer.streams.iter().filter(|(_, it)| it.is_over()).map(|(id, _)| *id).collect();
        for id in over {
            let Some(heard) = peer.streams.remove(&id).filter(|it| it.ended && it.reset.is_none()) else {
                continue;
            };
            let request = request(connection, &heard);
            let steps = script(&request, id);
            lock(seen).requests.push(request);
            if !steps.into_iter().all(|step| play(&mut peer, step)) {
                return;
            }
        }
        if peer.closed || (peer.goaway.is_some() && peer.streams.is_empty()) {
            return;
        }
    }
}

/// Does it; false if the connection is to end.
fn play(peer: &mut Peer, step: Step) -> bool {
    match step {
        Step::Send(bytes) => peer.try_send(bytes).is_ok(),
        Step::Over(stream) => peer.reads_until(LIMIT, |it| it.on(stream).is_over()),
        Step::Head(stream) => peer.reads_until(LIMIT, |it| !it.on(stream).heads.is_empty()),
        Step::Settings => peer.reads_until(LIMIT, |it| !it.settings.is_empty() && it.acknowledged > 0),
        Step::Mute => {
            peer.answers_pings = false;
            true
        }
        Step::Close => {
            // Closing alone says nothing to the peer while a process that is just being forked has a copy.
            peer.stream().shutdown(Shutdown::Both).ok();
            false
        }
    }
}

/// As a server of HTTP/1.1 would have written it down.
fn request(connection: usize, heard: &Heard) -> Request {
    let fields = heard.heads.first().cloned().unwrap_or_default();
    let of = |name| hpack::get(&fields, name).unwrap_or_default();
    let target = if of(":path").is_empty() { of(":authority") } else { of(":path") };
    let first = format!("{} {target} HTTP/2", of(":method"));
    let fields = fields
        .iter()
        .map(|(name, value)| match name.as_str() {
            ":authority" => ("host".to_owned(), value.clone()),
            _ => (name.clone(), value.clone()),
        })
        .collect();
    let body = Body {
        bytes: heard.body.clone(),
        len: heard.body.len() as u64,
        chunked: false,
        trailers: heard.trailers.clone().unwrap_or_default(),
    };
    Request { connection, at: Instant::now(), head: Head { first, fields, raw: Vec::new() }, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_as_it_says() {
        let origin = Origin::start("app1");
        let mut client = Peer::client(origin.addr());
        client.send(frames::post(1, "/echo"));
        client.send(Frame::data(frames::END_STREAM, 1, *b"hello").bytes());
        client.send(frames::get(3, "/a"));
        assert_eq!(client.answer(1).body, b"hello");
        let second = client.answer(3);
        assert_eq!((second.status(), second.body.as_slice()), (Some(200), &b"app1"[..]));
        assert!(client.is_alive(LIMIT) && client.violations.is_empty(), "{:?}", client.violations);
        let record = origin.record();
        assert_eq!((record.heads, record.violations.len()), (2, 0));
        assert_eq!(record.requests[1].head.first, "GET /a HTTP/2");
        assert_eq!(record.requests[1].head.get("host"), Some("test"));
    }

    #[test]
    fn notes_what_nobody_may_send() {
        let origin = Origin::start("app1");
        let mut client = Peer::client(origin.addr());
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let block = hpack::encode(&[field(":method", "GET"), field("Connection", "close")]);
        client.send(frames::bytes(&Frame::head(frames::END_STREAM, 1, &block)));
        crate::eventually("it is noted", || (!origin.record().violations.is_empty()).then_some(()));
    }
}
