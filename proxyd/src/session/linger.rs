//! The last moment of a connection whose client was told something, and still sends: closing at once would reset it, and
//! the client would never see what it was told.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock;
use crate::net::buffer::Buffer;
use crate::net::stream::Stream;
use crate::net::timer::Timer;

/// How long the client is given.
pub const TIME: Duration = Duration::from_secs(1);
/// What is taken of it meanwhile.
const BYTES: usize = 256 * 1024;

/// Takes what `poll` brings until it ends, for a moment.
pub async fn linger(timer: &mut Timer, mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<usize>>) {
    let deadline = clock::now() + TIME;
    let mut taken = 0;
    while taken < BYTES {
        match timer.within(deadline, &mut poll).await {
            Ok(Ok(n @ 1..)) => taken += n,
            _ => return,
        }
    }
}

/// Reads into an empty buffer, which holds no block for as long as nothing comes.
pub fn poll_take(stream: &mut Stream, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
    match stream.poll_readable(cx) {
        Poll::Ready(Ok(())) => stream.poll_read(cx, buffer.room()),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Pending => {
            buffer.park();
            Poll::Pending
        }
    }
}
