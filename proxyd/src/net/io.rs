//! A connection for what speaks tokio's traits.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;

/// A connection whose owner reads and writes by tokio's traits.
#[derive(Debug)]
pub struct Io(pub Stream);

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            // These know how to read into what was never written.
            Stream::Tcp(s) => Pin::new(s).poll_read(cx, buf),
            Stream::Unix(s) => Pin::new(s).poll_read(cx, buf),
            other => {
                // The room is filled with zeros first: only where something comes into it.
                ready!(other.poll_readable(cx))?;
                let n = ready!(other.poll_read(cx, buf.initialize_unfilled()))?;
                buf.advance(n);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().0.poll_write(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().0.poll_write(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What a write said to be written has left.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().0.shutdown_write())
    }
}

/// A connection whose bytes somebody sees as they pass.
pub trait Watched {
    /// Lends the connection.
    fn lend<T>(&mut self, act: impl FnOnce(Pin<&mut Io>) -> T) -> T;

    /// Reads, from wherever comes first.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.lend(|io| io.poll_read(cx, buf))
    }

    /// These came; none of them is the end.
    fn received(&mut self, bytes: &[u8]);

    /// These went.
    fn sent(&mut self, bytes: &[u8]);

    /// The peer took something, or does not for now.
    fn tried_to_send(&mut self, _took: bool) {}
}

/// Such a connection, by tokio's traits.
#[derive(Debug)]
pub struct Wire<W>(pub W);

impl<W: Watched + Unpin> AsyncRead for Wire<W> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self(watched) = self.get_mut();
        let held = buf.filled().len();
        ready!(watched.poll_read(cx, buf))?;
        watched.received(&buf.filled()[held..]);
        Poll::Ready(Ok(()))
    }
}

impl<W: Watched + Unpin> AsyncWrite for Wire<W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self(watched) = self.get_mut();
        let written = watched.lend(|io| io.poll_write_vectored(cx, bufs));
        watched.tried_to_send(written.is_ready());
        let written = ready!(written)?;
        let mut left = written;
        for buf in bufs {
            let n = buf.len().min(left);
            left -= n;
            watched.sent(&buf[..n]);
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.lend(|io| io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.lend(|io| io.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn bytes_and_their_end_pass_both_ways() {
        let (one, mut other) = UnixStream::pair().unwrap();
        let mut io = Io(Stream::Unix(one));
        assert_eq!(io.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"c")]).await.unwrap(), 3);
        io.shutdown().await.unwrap();
        let mut got = Vec::new();
        other.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"abc");
        other.write_all(b"back").await.unwrap();
        drop(other);
        got.clear();
        io.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"back");
    }

    /// Writes down what passes.
    struct Notes {
        io: Io,
        seen: [Vec<u8>; 2],
    }

    impl Watched for Notes {
        fn lend<T>(&mut self, act: impl FnOnce(Pin<&mut Io>) -> T) -> T {
            act(Pin::new(&mut self.io))
        }

        fn received(&mut self, bytes: &[u8]) {
            self.seen[0].extend_from_slice(bytes);
        }

        fn sent(&mut self, bytes: &[u8]) {
            self.seen[1].extend_from_slice(bytes);
        }
    }

    #[tokio::test]
    async fn what_passes_is_seen_once_and_no_more_of_it() {
        let (one, mut other) = UnixStream::pair().unwrap();
        let mut wire = Wire(Notes { io: Io(Stream::Unix(one)), seen: Default::default() });
        let long = vec![7; 8 << 20];
        let taken = wire.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(&long)]).await.unwrap();
        assert!((2..long.len()).contains(&taken), "{taken} bytes fit at once");
        assert_eq!(wire.0.seen[1].len(), taken);
        assert_eq!(wire.0.seen[1][..3], *b"ab\x07");
        other.write_all(b"back").await.unwrap();
        let mut got = [0; 3];
        wire.read_exact(&mut got).await.unwrap();
        assert_eq!(wire.0.seen[0], b"bac");
    }
}
