//! Socket options: those of both sides, and those that no crate in use has a name for.

#![expect(
    unsafe_code,
    reason = "setsockopt(2) with an integer; socket2 and rustix do not have these options"
)]

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use libc::{c_int, socklen_t};
use socket2::{Socket, TcpKeepalive};

use crate::config::TcpOptions;

/// Connections a listener accepts before their handshake is complete.
const FAST_OPEN_QUEUE: c_int = 256;
/// How long a connection may wait for its first bytes until it is accepted all the same, as HAProxy has it.
const DEFERRED: c_int = 60;

/// What connections of either side may be told; an error comes with the setting's name.
pub(super) fn tcp_options(socket: &Socket, options: TcpOptions) -> Result<(), (&'static str, io::Error)> {
    if let Some(keepalive) = options.keepalive {
        let mut pace = TcpKeepalive::new();
        if let Some(idle) = keepalive.idle {
            pace = pace.with_time(idle);
        }
        if let Some(interval) = keepalive.interval {
            pace = pace.with_interval(interval);
        }
        if let Some(count) = keepalive.count {
            pace = pace.with_retries(count);
        }
        socket.set_tcp_keepalive(&pace).map_err(|error| ("keepalive", error))?;
    }
    if options.user_timeout.is_some() {
        socket.set_tcp_user_timeout(options.user_timeout).map_err(|error| ("user_timeout", error))?;
    }
    Ok(())
}

/// The socket may have an address that is not one of this machine.
pub(super) fn transparent(socket: &Socket, address: IpAddr) -> io::Result<()> {
    if address.is_ipv4() { socket.set_ip_transparent_v4(true) } else { socket.set_ip_transparent_v6(true) }
}

/// A listener takes data that comes with the SYN.
pub(super) fn accept_fast_open(socket: impl AsFd) -> io::Result<()> {
    set(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, FAST_OPEN_QUEUE)
}

/// The first bytes written go with the SYN, where the server is known to take them.
pub(super) fn connect_fast_open(socket: impl AsFd) -> io::Result<()> {
    set(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, 1)
}

/// A listener hands out connections that have something to read.
pub(super) fn defer_accept(socket: impl AsFd) -> io::Result<()> {
    set(socket, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, DEFERRED)
}

/// Binding to an address takes no port yet: connecting does, and then one that is free towards that server is enough.
pub(super) fn bind_without_port(socket: impl AsFd) -> io::Result<()> {
    set(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)
}

fn set(socket: impl AsFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let size = size_of::<c_int>() as socklen_t;
    // SAFETY: the descriptor is open while it is borrowed; the pointer is to an integer of the size that is named,
    // which the kernel only reads, and which lives until the call returns.
    let result =
        unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, (&raw const value).cast(), size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An option as the kernel has it.
    pub(in crate::net) fn get(socket: impl AsFd, level: c_int, name: c_int) -> c_int {
        let (mut value, mut size): (c_int, _) = (0, size_of::<c_int>() as socklen_t);
        // SAFETY: the descriptor is open while it is borrowed; both pointers are to values that live until the call
        // returns, and the size is that of the value.
        let result = unsafe {
            libc::getsockopt(socket.as_fd().as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut size)
        };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        value
    }
}
