//! Many connections in the hands of one thread, for what one client alone could not do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Once;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

/// What is kept of what one of them hears.
const KEPT: usize = 4096;

/// Clients that do the same, none waiting for another.
#[derive(Debug)]
pub struct Crowd {
    members: Vec<Member>,
}

/// One of them.
#[derive(Debug)]
pub struct Member {
    stream: TcpStream,
    /// What it has yet to say.
    unsaid: Vec<u8>,
    /// The start of what it was sent.
    pub heard: Vec<u8>,
    /// The peer ended the connection.
    pub ended: bool,
}

impl Crowd {
    /// So many connections from one address.
    pub fn connect(to: SocketAddr, n: usize) -> Self {
        Self::with_buffer(to, n, None)
    }

    /// The same with receive buffers of that size.
    pub fn with_buffer(to: SocketAddr, n: usize, size: Option<usize>) -> Self {
        raise_descriptors();
        let members = (0..n).map(|_| {
            let stream = connect(to, Ipv4Addr::LOCALHOST, size);
            stream.set_nonblocking(true).expect("a socket can be so");
            Member { stream, unsaid: Vec::new(), heard: Vec::new(), ended: false }
        });
        Self { members: members.collect() }
    }

    /// Says it on every connection that has not ended; what is not taken at once is said when next it is listened to.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        for member in self.members.iter_mut().filter(|it| !it.ended) {
            member.unsaid.extend_from_slice(bytes.as_ref());
            member.speak();
        }
    }

    /// Hears what there is to hear; how many connections have ended so far.
    pub fn listen(&mut self) -> usize {
        let mut block = [0; 16 << 10];
        for member in self.members.iter_mut().filter(|it| !it.ended) {
            member.speak();
            loop {
                match member.stream.read(&mut block) {
                    Ok(n @ 1..) => {
                        let room = KEPT.saturating_sub(member.heard.len()).min(n);
                        member.heard.extend_from_slice(&block[..room]);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => {
                        member.ended = true;
                        break;
                    }
                }
            }
        }
        self.members.iter().filter(|it| it.ended).count()
    }

    /// Each of them.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// How many heard something that starts so.
    pub fn heard(&self, start: &str) -> usize {
        self.members.iter().filter(|it| it.heard.starts_with(start.as_bytes())).count()
    }
}

impl Member {
    fn speak(&mut self) {
        while !self.unsaid.is_empty() {
            match self.stream.write(&self.unsaid) {
                Ok(n) => drop(self.unsaid.drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // A peer that has gone shows when it is listened to.
                Err(_) => self.unsaid.clear(),
            }
        }
    }
}

/// Of a segment to those who have a receive buffer of their own: what a kernel holds for them grows with it.
const SEGMENT: u32 = 536;

/// Connects from an address of this machine, with a receive buffer of that size.
pub fn connect(to: SocketAddr, from: Ipv4Addr, buffer: Option<usize>) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("one more descriptor");
    if let Some(size) = buffer {
        socket.set_recv_buffer_size(size).expect("a receive buffer size");
        socket.set_tcp_mss(SEGMENT).expect("a segment's size");
    }
    if from != Ipv4Addr::LOCALHOST {
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("all of 127/8 is this machine");
    }
    socket.connect(&to.into()).expect("it listens");
    socket.into()
}

/// How many descriptors this process may have, all it can get.
pub fn raise_descriptors() -> u64 {
    static RAISED: Once = Once::new();
    RAISED.call_once(|| {
        let limit = getrlimit(Resource::Nofile);
        // Where it is refused the limit is what it was.
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).ok();
    });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
