//! Bytes from one socket to another within the kernel, by way of a pipe (splice(2)).
//!
//! A thread has so many pipes to lend as it was given; a pipe is lent only while bytes are in it, so that a
//! connection at rest holds none. Where there is none left, or the kernel cannot, the caller copies.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use super::stream::Stream;

/// What a pipe is to hold; the kernel may hold fewer bytes, in pieces of their own.
pub const CAPACITY: usize = 1024 * 1024;

thread_local! {
    static PIPES: RefCell<Pipes> = const { RefCell::new(Pipes { free: Vec::new(), left: 0 }) };
}

struct Pipes {
    free: Vec<Ends>,
    /// How many may still be made.
    left: usize,
}

#[derive(Debug)]
struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

/// A pipe, and what is in it.
#[derive(Debug)]
pub struct Pipe {
    /// `None` only while it is dropped.
    ends: Option<Ends>,
    held: usize,
}

/// Lets this thread make so many pipes.
pub fn allow(pipes: usize) {
    PIPES.with_borrow_mut(|own| own.left = pipes);
}

impl Pipe {
    /// `None` where the thread has none left.
    pub fn take() -> Option<Self> {
        let ends = PIPES.with_borrow_mut(|pipes| {
            pipes.free.pop().or_else(|| {
                pipes.left = pipes.left.checked_sub(1)?;
                Ends::make().or_else(|| {
                    pipes.left += 1;
                    None
                })
            })
        })?;
        Some(Self { ends: Some(ends), held: 0 })
    }

    /// Bytes that wait to be written.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes at most `most` bytes from a socket into an empty pipe; 0 is the end of the stream.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, from: &Stream, most: usize) -> Poll<io::Result<usize>> {
        debug_assert_eq!(self.held, 0, "a full pipe and an empty socket would look alike");
        let Some(ends) = &self.ends else { return Poll::Ready(Ok(0)) };
        let fill = || {
            Ok(splice(from.socket()?, None, &ends.write, None, most.min(CAPACITY), SpliceFlags::NONBLOCK)?)
        };
        let result = from.poll_when_readable(cx, fill);
        if let Poll::Ready(Ok(n)) = result {
            self.held = n;
        }
        result
    }

    /// Gives a socket as much of it as it takes.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>, to: &Stream) -> Poll<io::Result<usize>> {
        let Some(ends) = &self.ends else { return Poll::Ready(Ok(0)) };
        let drain = || match splice(&ends.read, None, to.socket()?, None, self.held, SpliceFlags::NONBLOCK)? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            n => Ok(n),
        };
        let result = to.poll_when_writable(cx, drain);
        if let Poll::Ready(Ok(n)) = result {
            self.held -= n;
        }
        result
    }
}

impl Ends {
    fn make() -> Option<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // A user has only so many pages for pipes; with less than this a copy is as cheap.
        fcntl_setpipe_size(&write, CAPACITY)
            .or_else(|_few_left| fcntl_setpipe_size(&write, CAPACITY / 4))
            .ok()?;
        Some(Self { read, write })
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let ends = self.ends.take();
        // A thread that ends has no list any more; then the pipe just goes.
        let _ended = PIPES.try_with(|pipes| {
            let mut pipes = pipes.borrow_mut();
            match ends {
                Some(ends) if self.held == 0 => pipes.free.push(ends),
                // What is in it must not reach another connection.
                Some(_) => pipes.left += 1,
                None => {}
            }
        });
    }
}

/// The kernel cannot do it between these sockets.
pub fn is_unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::net::UnixStream;

    use super::*;

    fn free() -> usize {
        PIPES.with_borrow(|pipes| pipes.free.len())
    }

    #[tokio::test]
    async fn a_pipe_with_bytes_in_it_is_not_lent_again() {
        allow(1);
        let ((mut from, near), (far, mut to)) = (pair(), pair());
        let mut pipe = Pipe::take().unwrap();
        assert!(Pipe::take().is_none());
        write(&mut from, b"hello").await;
        assert_eq!(poll_fn(|cx| pipe.poll_fill(cx, &near, 4)).await.unwrap(), 4);
        assert_eq!(poll_fn(|cx| pipe.poll_drain(cx, &far)).await.unwrap(), 4);
        assert_eq!(pipe.held(), 0);
        drop(pipe);
        assert_eq!(free(), 1);
        let mut pipe = Pipe::take().unwrap();
        assert_eq!(poll_fn(|cx| pipe.poll_fill(cx, &near, 4)).await.unwrap(), 1);
        drop(pipe);
        assert_eq!(free(), 0);
        assert!(Pipe::take().is_some(), "another may be made in its place");
        let mut buf = [0; 9];
        assert_eq!(poll_fn(|cx| to.poll_read(cx, &mut buf)).await.unwrap(), 4);
        assert_eq!(&buf[..4], b"hell");
    }

    #[tokio::test]
    async fn the_end_of_a_stream_and_nothing_to_read_are_told_apart() {
        allow(1);
        let (from, near) = pair();
        let mut pipe = Pipe::take().unwrap();
        assert!(poll_fn(|cx| Poll::Ready(pipe.poll_fill(cx, &near, 1).is_pending())).await);
        drop(from);
        assert_eq!(poll_fn(|cx| pipe.poll_fill(cx, &near, 1)).await.unwrap(), 0);
    }

    fn pair() -> (Stream, Stream) {
        let (a, b) = UnixStream::pair().unwrap();
        (Stream::Unix(a), Stream::Unix(b))
    }

    async fn write(to: &mut Stream, bytes: &[u8]) {
        let slices = [io::IoSlice::new(bytes)];
        assert_eq!(poll_fn(|cx| to.poll_write(cx, &slices)).await.unwrap(), bytes.len());
    }
}
