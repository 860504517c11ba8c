//! epoll over many sockets of one thread.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{Timespec, epoll};

/// An epoll instance.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        // Waits of microseconds would be lengthened by 50 of them otherwise.
        rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;
        let events = Vec::with_capacity(256);
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, events })
    }

    /// Reports under `key` when there is something to read.
    pub(crate) fn add(&self, socket: impl AsFd, key: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(key), epoll::EventFlags::IN)?)
    }

    /// Keys of the sockets that can be read; none when `limit` passed first.
    pub(crate) fn wait(&mut self, limit: Option<Duration>) -> io::Result<impl Iterator<Item = u64>> {
        let limit =
            limit.map(|it| Timespec { tv_sec: it.as_secs() as i64, tv_nsec: i64::from(it.subsec_nanos()) });
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(self.events.iter().map(|it| it.data.u64())),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads what is there: `None` where nothing is.
pub(crate) fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match stream.read(buffer) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(n) => Ok(Some(n)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes all of a message that is smaller than any socket's buffer.
pub(crate) fn write(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let n = stream.write(message)?;
    if n < message.len() {
        return Err(io::Error::other("a small message does not fit into the socket's buffer"));
    }
    Ok(())
}
