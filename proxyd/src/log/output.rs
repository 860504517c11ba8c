//! What a target's thread writes to: standard streams, files, and syslog over datagrams and streams.
//!
//! All of it may block: only its own thread waits. What cannot be written is counted as lost.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::net::RecvFlags;

use super::feed::{Status, lines};
use super::target::{Place, Target};
use crate::clock::{self, Instant};

/// How long a write may take before the flags are looked at again.
const PATIENCE: Duration = Duration::from_millis(500);
/// The same for a pipe, which cannot be waited for with a limit.
const NAP: Duration = Duration::from_millis(10);
const CONNECT: Duration = Duration::from_secs(2);
/// Pause after a failed connect, doubled up to the longest.
const BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// How often it is said why a target fails.
const SAY_AGAIN: Duration = Duration::from_mins(1);
/// Who may read a log file: its owner and group.
const FILE_MODE: u32 = 0o640;

/// A target as its thread sees it.
#[derive(Debug)]
pub(super) struct Output {
    place: Place,
    status: Arc<Status>,
    sink: Option<Sink>,
    /// What was written last ended inside a line.
    inside: bool,
    backoff: Duration,
    said: Option<Instant>,
    frames: Frames,
}

#[derive(Debug)]
enum Sink {
    Standard(Standard),
    File(File),
    Udp(UdpSocket),
    Datagrams(UnixDatagram),
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// Standard output or error, without the locks and buffers of the library.
#[derive(Clone, Copy, Debug)]
enum Standard {
    Output,
    Error,
}

impl Write for Standard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let descriptor = match self {
            Self::Output => rustix::stdio::stdout(),
            Self::Error => rustix::stdio::stderr(),
        };
        Ok(rustix::io::write(descriptor, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output {
    pub(super) fn new(target: &Target, status: Arc<Status>) -> Self {
        Self {
            place: target.place.clone(),
            status,
            sink: None,
            inside: false,
            backoff: BACKOFF,
            said: None,
            frames: Frames::default(),
        }
    }

    /// Opens or connects; a pipe that nobody reads yet is tried again later.
    pub(super) fn open(&mut self) -> io::Result<()> {
        match open(&self.place) {
            Ok(sink) => {
                self.sink = Some(sink);
                self.backoff = BACKOFF;
                Ok(())
            }
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Does what the flags ask for.
    pub(super) fn look(&mut self) {
        if self.status.reopen.swap(false, Relaxed) && matches!(self.place, Place::File(_)) {
            // A file that cannot be opened anew leaves the old one, so that nothing is lost.
            match open(&self.place) {
                Ok(sink) => {
                    self.sink = Some(sink);
                    self.inside = false;
                }
                Err(error) => self.complain(&error),
            }
        }
    }

    /// Writes so many lines, or counts them as lost.
    pub(super) fn write(&mut self, batch: &[u8], count: u64) {
        self.look();
        if std::mem::take(&mut self.inside) {
            // A line that could not be written whole ends here.
            let _next_write_tells = match &mut self.sink {
                Some(Sink::File(out)) => out.write_all(b"\n"),
                Some(Sink::Standard(out)) => out.write_all(b"\n"),
                _ => Ok(()),
            };
        }
        let mut rest = batch;
        while !rest.is_empty() {
            if self.sink.is_none() && !self.connect() {
                self.status.drop_lines(lines(rest));
                return;
            }
            let Some(sink) = &mut self.sink else { return };
            let before = rest;
            let result = match sink {
                Sink::Standard(out) => stream(out, &mut rest, &mut self.inside),
                Sink::File(out) => stream(out, &mut rest, &mut self.inside),
                Sink::Unix(out) => stream(out, &mut rest, &mut self.inside),
                Sink::Udp(socket) => datagrams(&mut rest, |line| socket.send(line)),
                Sink::Datagrams(socket) => datagrams(&mut rest, |line| socket.send(line)),
                Sink::Tcp(out) => self.frames.send(out, &mut rest),
            };
            let whole = rest.is_empty() && before.len() == batch.len();
            let written = if whole { count } else { lines(&before[..before.len() - rest.len()]) };
            self.status.written.fetch_add(written, Relaxed);
            match result {
                Ok(()) => {}
                Err(error) if is_wait(&error) => {
                    if self.status.ending.load(Relaxed) {
                        self.status.drop_lines(lines(rest));
                        return;
                    }
                    if matches!(self.sink, Some(Sink::File(_))) {
                        std::thread::park_timeout(NAP);
                    }
                    self.look();
                }
                Err(error) => {
                    self.complain(&error);
                    if self.fail(&error, &mut rest) {
                        return;
                    }
                }
            }
        }
    }

    /// After a write that failed; true if the rest is lost.
    fn fail(&mut self, error: &io::Error, rest: &mut &[u8]) -> bool {
        match self.sink {
            // A full disk may have room for the next lines.
            Some(Sink::File(_)) if error.kind() != ErrorKind::BrokenPipe => {}
            Some(Sink::Standard(_)) => {}
            // The answer to the datagram before: nobody listened. This line has not been tried yet.
            Some(Sink::Udp(_)) if error.kind() == ErrorKind::ConnectionRefused => {
                self.status.written.fetch_sub(1, Relaxed);
                self.status.drop_lines(1);
                return false;
            }
            Some(Sink::Udp(_)) => {
                *rest = &rest[line_length(rest)..];
                self.status.drop_lines(1);
                return false;
            }
            _ => {
                self.sink = None;
                self.inside = false;
                return false;
            }
        }
        self.status.drop_lines(lines(rest));
        true
    }

    /// Connects, with ever longer pauses; false when the process ends.
    fn connect(&mut self) -> bool {
        loop {
            match self.open() {
                Ok(()) if self.sink.is_some() => return true,
                Ok(()) => {}
                Err(error) => self.complain(&error),
            }
            if self.status.ending.load(Relaxed) {
                return false;
            }
            let until = clock::now() + self.backoff;
            while clock::now() < until && !self.status.ending.load(Relaxed) {
                std::thread::park_timeout(NAP);
            }
            self.backoff = (self.backoff * 2).min(LONGEST_BACKOFF);
        }
    }

    fn complain(&mut self, error: &io::Error) {
        let now = clock::now();
        if self.said.is_none_or(|said| now - said >= SAY_AGAIN) {
            self.said = Some(now);
            super::warning(format_args!("log target {}: {error}", self.status.name));
        }
    }
}

fn open(place: &Place) -> io::Result<Sink> {
    Ok(match place {
        Place::Stdout => Sink::Standard(Standard::Output),
        Place::Stderr => Sink::Standard(Standard::Error),
        Place::File(path) => Sink::File(open_file(path)?),
        Place::Udp(address) => Sink::Udp(first(address, |address| {
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any)?;
            socket.connect(address)?;
            Ok(socket)
        })?),
        Place::Tcp(address) => Sink::Tcp(first(address, |address| {
            let stream = TcpStream::connect_timeout(&address, CONNECT)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        })?),
        Place::Unix(path) => open_unix(path)?,
    })
}

/// Not to be waited for: a pipe that nobody reads would hold the thread.
fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(FILE_MODE)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)
}

/// Syslog daemons listen for datagrams, some for streams.
fn open_unix(path: &Path) -> io::Result<Sink> {
    let socket = UnixDatagram::unbound()?;
    match socket.connect(path) {
        Ok(()) => {
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok(Sink::Datagrams(socket))
        }
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::PROTOTYPE.raw_os_error()) => {
            let stream = UnixStream::connect(path)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(Sink::Unix(stream))
        }
        Err(error) => Err(error),
    }
}

/// The first address of a name that works.
fn first<T>(name: &str, connect: impl Fn(std::net::SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let mut failed = io::Error::other("the name has no address");
    for address in name.to_socket_addrs()? {
        match connect(address) {
            Ok(connected) => return Ok(connected),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Writes bytes as they are, and keeps in mind whether a line was left unfinished.
fn stream(out: &mut impl Write, rest: &mut &[u8], inside: &mut bool) -> io::Result<()> {
    while !rest.is_empty() {
        let n = out.write(rest)?;
        if n == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        *inside = rest[n - 1] != b'\n';
        *rest = &rest[n..];
    }
    Ok(())
}

/// One datagram a line, without its line end.
fn datagrams(rest: &mut &[u8], send: impl Fn(&[u8]) -> io::Result<usize>) -> io::Result<()> {
    while !rest.is_empty() {
        let length = line_length(rest);
        match send(&rest[..length - 1]) {
            Ok(_) => {}
            // Too long for the socket: this line is lost, the others are not.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        *rest = &rest[length..];
    }
    Ok(())
}

/// Lines, each with its length in front (RFC 6587 3.4.1), on their way over a stream.
#[derive(Debug, Default)]
struct Frames {
    bytes: Vec<u8>,
    sent: usize,
}

impl Frames {
    /// Sends all of `rest`. While it waits `rest` stays whole; when the stream breaks it begins with the line that
    /// did not get through.
    fn send(&mut self, out: &mut TcpStream, rest: &mut &[u8]) -> io::Result<()> {
        if self.bytes.is_empty() {
            if is_closed(out) {
                return Err(ErrorKind::ConnectionReset.into());
            }
            for line in rest.split_inclusive(|&b| b == b'\n') {
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                self.bytes.extend_from_slice(itoa::Buffer::new().format(line.len()).as_bytes());
                self.bytes.push(b' ');
                self.bytes.extend_from_slice(line);
            }
        }
        while self.sent < self.bytes.len() {
            match out.write(&self.bytes[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(error) if is_wait(&error) => return Err(error),
                Err(error) => {
                    self.end(rest);
                    return Err(error);
                }
            }
        }
        self.end(rest);
        Ok(())
    }

    /// Takes the lines off `rest` that were sent whole.
    fn end(&mut self, rest: &mut &[u8]) {
        let mut sent = self.sent;
        while !rest.is_empty() {
            let line = line_length(rest);
            let frame = itoa::Buffer::new().format(line - 1).len() + line;
            if frame > sent {
                break;
            }
            sent -= frame;
            *rest = &rest[line..];
        }
        self.bytes.clear();
        self.sent = 0;
    }
}

/// Whether the other side has closed: what is written then is lost without a word.
fn is_closed(stream: &TcpStream) -> bool {
    let mut byte = [0_u8; 1];
    let peeked = rustix::net::recv(stream, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
    match peeked {
        Ok((n, _)) => n == 0,
        Err(error) => error != rustix::io::Errno::WOULDBLOCK,
    }
}

/// Bytes of the first line with its end; all of it where there is none.
fn line_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|&b| b == b'\n').map_or(bytes.len(), |at| at + 1)
}
