//! An HTTP/1.1 server that names itself and writes down what reached it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Service;
use super::gate::Gate;
use crate::eventually::pause;
use crate::stream::{Address, Stream};
use crate::tls::Serving;
use crate::wire::{Body, Framing, Head, Reader};

/// A well-behaved origin.
///
/// `/` answers its name and a newline, `/bytes/N` N zeros of known length, `/chunked/N` the same in chunks,
/// `/until-close/N` the same ended by closing, `/status/NNN` that status, `/slow/MS` after that time, `/drip/N/MS` N bytes, one each
/// MS, `/held` once it is let go, `/held/N` N bytes, and what is behind the first of them once it is let go, `/echo` the
/// body, `/length` the body's length, `/close` with `Connection: close`, `/early` before reading the body.
#[derive(Debug)]
pub struct Origin {
    service: Service,
    record: Arc<Mutex<Record>>,
    gate: Arc<Gate>,
}

/// What reached an origin.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// How many heads came, whatever became of their bodies.
    pub heads: usize,
    pub requests: Vec<Request>,
    /// What a strict server would have refused, with its reason.
    pub violations: Vec<String>,
}

/// One request as received.
#[derive(Clone, Debug)]
pub struct Request {
    /// Number of the connection, in the order they were accepted.
    pub connection: usize,
    /// When it was there as a whole.
    pub at: Instant,
    pub head: Head,
    pub body: Body,
}

impl Request {
    /// Method of the request line.
    pub fn method(&self) -> &str {
        self.head.word(0)
    }

    /// Target of the request line.
    pub fn target(&self) -> &str {
        self.head.word(1)
    }
}

/// What an origin of one's own making sends back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Head and body, to the byte.
    pub bytes: Vec<u8>,
    /// Whether the connection is closed after it.
    pub close: bool,
}

impl Origin {
    /// On 127.0.0.1.
    pub fn start(name: &str) -> Self {
        let (handler, record, gate) = standard(name);
        Self { service: Service::tcp(handler), record, gate }
    }

    /// On 127.0.0.1, where the kernel holds little of what it sends.
    pub fn narrow(name: &str) -> Self {
        let (handler, record, gate) = standard(name);
        let service = Service::tcp(move |stream, connection| {
            stream.buffers(64 << 10);
            handler(stream, connection);
        });
        Self { service, record, gate }
    }

    /// On `[::1]`.
    pub fn ipv6(name: &str) -> Self {
        let (handler, record, gate) = standard(name);
        Self { service: Service::tcp6(handler), record, gate }
    }

    /// On a Unix socket.
    pub fn unix(name: &str, path: &Path) -> Self {
        let (handler, record, gate) = standard(name);
        Self { service: Service::unix(path, handler), record, gate }
    }

    /// On 127.0.0.1, over TLS.
    pub fn tls(name: &str, serving: &Serving) -> Self {
        let (handler, record, gate) = standard(name);
        let serving = serving.clone();
        let service = Service::tcp(move |stream, connection| {
            if let Ok(session) = serving.accept(stream) {
                handler(Stream::Tls(Box::new(session)), connection);
            }
        });
        Self { service, record, gate }
    }

    /// Answers what `answer` says, to the byte.
    pub fn scripted(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let record = Arc::new(Mutex::new(Record::default()));
        let seen = Arc::clone(&record);
        let service = Service::tcp(move |stream, connection| {
            let mut reader = Reader::new(stream);
            while let Ok(Some(request)) = receive(&mut reader, connection, &seen) {
                let Answer { bytes, close } = answer(&request);
                lock(&seen).requests.push(request);
                if reader.inner().write_all(&bytes).is_err() || close {
                    // Closing alone says nothing to the peer while a process that is just being forked has a copy.
                    reader.inner().shutdown(Shutdown::Write).ok();
                    break;
                }
            }
        });
        Self { service, record, gate: Arc::default() }
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        self.service.address()
    }

    /// Where it listens, over TCP.
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

    /// Requests so far, without those of health checks.
    pub fn requests(&self) -> Vec<Request> {
        let record = self.record();
        assert_eq!(record.violations, Vec::<String>::new(), "a strict server refuses these");
        record.requests.into_iter().filter(|it| it.target() != "/healthz").collect()
    }

    /// Number of requests so far, without those of health checks.
    pub fn hits(&self) -> usize {
        self.requests().len()
    }

    /// Lets go what `/held` holds, from now on.
    pub fn let_go(&self) {
        self.gate.open();
    }

    /// The listener and its connections.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Goes away as a killed process does.
    pub fn stop(&mut self) {
        self.service.stop();
    }

    /// Comes back at the same address.
    pub fn restart(&mut self) {
        self.service.restart();
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // Its threads end with their connections.
        self.gate.open();
    }
}

pub(super) type Shared = Arc<Mutex<Record>>;

/// What its connections have in common.
struct Site {
    name: String,
    seen: Shared,
    gate: Arc<Gate>,
}

fn standard(name: &str) -> (impl Fn(Stream, usize) + Send + Sync + 'static, Shared, Arc<Gate>) {
    let (record, gate) = (Shared::default(), Arc::<Gate>::default());
    let site = Site { name: name.to_owned(), seen: Arc::clone(&record), gate: Arc::clone(&gate) };
    let handler = move |stream, connection| {
        let mut reader = Reader::new(stream);
        // An ended or broken connection is nothing special to a server.
        if serve(&mut reader, connection, &site).is_ok() {
            // TLS has words for it.
            reader.inner().end().ok();
        }
    };
    (handler, record, gate)
}

fn serve(reader: &mut Reader<Stream>, connection: usize, site: &Site) -> io::Result<()> {
    let Site { name, seen, .. } = site;
    loop {
        let Some(head) = reader.head().inspect_err(|error| violation(seen, error))? else { return Ok(()) };
        let (target, version) = (head.word(1).to_owned(), head.word(2).to_owned());
        let close = head.get("connection").is_some_and(|it| it.eq_ignore_ascii_case("close"))
            || version == "HTTP/1.0";
        let framing = framing(&head, seen)?;
        if target == "/early" {
            lock(seen).requests.push(Request { connection, at: Instant::now(), head, body: Body::default() });
            let text = format!(
                "HTTP/1.1 403 Forbidden\r\nX-Origin: {name}\r\nConnection: close\r\nContent-Length: 6\r\n\r\nearly\n"
            );
            reader.inner().write_all(text.as_bytes())?;
            return linger(reader);
        }
        if head.get("expect").is_some_and(|it| it.eq_ignore_ascii_case("100-continue")) {
            reader.inner().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = reader.body(framing).inspect_err(|error| violation(seen, error))?;
        let method = head.word(0).to_owned();
        let request = Request { connection, at: Instant::now(), head, body };
        lock(seen).requests.push(request.clone());
        let close = answer(reader.inner(), site, &method, &request, close)?;
        if close {
            return Ok(());
        }
    }
}

/// Answers; true closes the connection.
fn answer(out: &mut Stream, site: &Site, method: &str, request: &Request, close: bool) -> io::Result<bool> {
    let name = &site.name;
    let target = request.target();
    let path = target.split('?').next().unwrap_or_default();
    let mut words = path.trim_start_matches('/').split('/');
    let (kind, first, second) =
        (words.next().unwrap_or_default(), number(words.next()), number(words.next()));
    let close = close || matches!(kind, "close" | "until-close");
    let connection = if close { "Connection: close\r\n" } else { "" };
    let head = |status: &str, framing: &str| {
        format!("HTTP/1.1 {status}\r\nX-Origin: {name}\r\n{connection}{framing}\r\n").into_bytes()
    };
    let silent = method == "HEAD";
    match kind {
        "bytes" => {
            out.write_all(&head("200 OK", &format!("Content-Length: {first}\r\n")))?;
            if !silent {
                zeros(first, |part| out.write_all(part))?;
            }
        }
        "until-close" => {
            out.write_all(&head("200 OK", ""))?;
            zeros(first, |part| out.write_all(part))?;
        }
        "chunked" => {
            out.write_all(&head("200 OK", "Transfer-Encoding: chunked\r\n"))?;
            if !silent {
                zeros(first, |part| {
                    out.write_all(format!("{:x}\r\n", part.len()).as_bytes())?;
                    out.write_all(part)?;
                    out.write_all(b"\r\n")
                })?;
                out.write_all(b"0\r\n\r\n")?;
            }
        }
        "drip" => {
            out.write_all(&head("200 OK", &format!("Content-Length: {first}\r\n")))?;
            for _ in 0..first {
                pause(Duration::from_millis(second));
                out.write_all(b".")?;
            }
        }
        "held" if first > 0 => {
            out.write_all(&head("200 OK", &format!("Content-Length: {first}\r\n")))?;
            zeros(1, |part| out.write_all(part))?;
            site.gate.pass();
            zeros(first - 1, |part| out.write_all(part))?;
        }
        "status" => {
            let bodiless = matches!(first, 204 | 304);
            let framing = if bodiless { "" } else { "Content-Length: 0\r\n" };
            out.write_all(&head(&format!("{first} Status"), framing))?;
        }
        "echo" | "length" => {
            let bytes = match kind {
                "echo" => request.body.bytes.clone(),
                _ => request.body.len.to_string().into_bytes(),
            };
            out.write_all(
                &[head("200 OK", &format!("Content-Length: {}\r\n", bytes.len())), bytes].concat(),
            )?;
        }
        _ => {
            match kind {
                "slow" => pause(Duration::from_millis(first)),
                "held" => site.gate.pass(),
                _ => {}
            }
            let body = format!("{name}\n");
            let mut bytes = head("200 OK", &format!("Content-Length: {}\r\n", body.len()));
            if !silent {
                bytes.extend_from_slice(body.as_bytes());
            }
            out.write_all(&bytes)?;
        }
    }
    Ok(close)
}

fn receive(reader: &mut Reader<Stream>, connection: usize, seen: &Shared) -> io::Result<Option<Request>> {
    let Some(head) = reader.head().inspect_err(|error| violation(seen, error))? else { return Ok(None) };
    let framing = framing(&head, seen)?;
    let body = reader.body(framing).inspect_err(|error| violation(seen, error))?;
    Ok(Some(Request { connection, at: Instant::now(), head, body }))
}

fn framing(head: &Head, seen: &Shared) -> io::Result<Framing> {
    let framing = head.request_framing().map_err(|error| {
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        violation(seen, &error);
        error
    })?;
    lock(seen).heads += 1;
    Ok(framing)
}

/// Notes what is malformed; a connection that ended is not.
fn violation(seen: &Shared, error: &io::Error) {
    if error.kind() == io::ErrorKind::InvalidData {
        lock(seen).violations.push(error.to_string());
    }
}

/// Lets the peer read the answer before the unread rest would reset the connection.
fn linger(reader: &mut Reader<Stream>) -> io::Result<()> {
    reader.inner().shutdown(Shutdown::Write)?;
    let mut rest = [0; 16 << 10];
    while reader.inner().read(&mut rest)? != 0 {}
    Ok(())
}

fn zeros(mut left: u64, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let block = vec![b'0'; 64 << 10];
    while left > 0 {
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        write(&block[..n])?;
        left -= n as u64;
    }
    Ok(())
}

fn number(word: Option<&str>) -> u64 {
    word.and_then(|it| it.parse().ok()).unwrap_or_default()
}

pub(super) fn lock(record: &Shared) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Client;

    #[test]
    fn answers_as_it_says() {
        let mut origin = Origin::start("app1");
        let mut client = Client::tcp(origin.addr());
        assert_eq!(client.get("/").text(), "app1\n");
        assert_eq!(client.get("/bytes/70000").body.len, 70_000);
        assert_eq!(client.get("/chunked/70000").body.len, 70_000);
        assert_eq!(client.post("/echo", b"hello").text(), "hello");
        assert_eq!(client.get("/status/204").status, 204);
        assert_eq!(client.get("/until-close/5").body.len, 5);
        assert_eq!(origin.hits(), 6);
        origin.stop();
        assert!(Client::try_connect(&origin.address()).is_err());
        origin.restart();
        assert_eq!(Client::tcp(origin.addr()).get("/").origin(), "app1");
        assert_eq!(origin.service().accepted(), 2);
    }

    #[test]
    fn notes_what_a_strict_server_refuses() {
        let origin = Origin::start("app1");
        Client::tcp(origin.addr()).send("GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n");
        crate::eventually("it is noted", || (!origin.record().violations.is_empty()).then_some(()));
    }
}
