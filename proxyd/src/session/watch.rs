//! Whether a client that waits for its answer is still there.
//!
//! A reset says that it is not. The end of what it sends says so only where `abort_on_close` takes it for that: it may
//! have closed its side and go on reading (RFC 9112 9.6).

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use crate::net::buffer::Buffer;
use crate::net::stream::{Sign, Stream};

/// Looks at one client, at no cost until something comes.
#[derive(Debug)]
pub struct Watch {
    abort_on_close: bool,
    /// It sent something that has to stay where it is: only the end behind it is still seen.
    talks: bool,
    /// What came says nothing, and neither does what follows.
    over: bool,
}

impl Watch {
    pub fn new(abort_on_close: bool) -> Self {
        Self { abort_on_close, talks: false, over: false }
    }

    /// Ready once the client has gone. What it sends meanwhile belongs to its next request and is taken into `buffer`,
    /// so that what follows it is seen, as long as there is room.
    pub fn poll(&mut self, cx: &mut Context<'_>, client: &mut Stream, buffer: &mut Buffer) -> Poll<()> {
        while !self.over {
            let sign = match ready!(client.poll_sign(cx)) {
                Sign::Talks if !buffer.is_full() => match ready!(client.poll_read(cx, buffer.room())) {
                    Ok(0) => Sign::Closed,
                    Ok(n) => {
                        buffer.filled(n);
                        continue;
                    }
                    Err(_) => Sign::Reset,
                },
                sign => sign,
            };
            match sign {
                Sign::Reset => return Poll::Ready(()),
                Sign::Closed if self.abort_on_close => return Poll::Ready(()),
                Sign::Closed | Sign::Talks => self.over = true,
            }
        }
        Poll::Pending
    }

    /// What `work` comes to; `None` if the client goes first. What it sends stays where it is.
    ///
    /// The work stays where it is too: it is large, and mostly done at once.
    pub async fn unless_gone<T>(
        &mut self,
        client: &Stream,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        if let Poll::Ready(value) = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
            return Some(value);
        }
        let mut ended = pin!(client.ended());
        poll_fn(|cx| {
            if let Poll::Ready(value) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(value));
            }
            if !self.talks && !self.over {
                match ready!(client.poll_sign(cx)) {
                    Sign::Reset => return Poll::Ready(None),
                    Sign::Closed if self.abort_on_close => return Poll::Ready(None),
                    Sign::Closed => self.over = true,
                    Sign::Talks => self.talks = true,
                }
            }
            if !self.over {
                ready!(ended.as_mut().poll(cx));
                if self.abort_on_close || client.is_gone() {
                    return Poll::Ready(None);
                }
                self.over = true;
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use socket2::SockRef;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair() -> (TcpStream, Stream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, Stream::Tcp(listener.accept().await.unwrap().0))
    }

    #[tokio::test]
    async fn a_reset_is_a_client_that_has_gone() {
        let (client, server) = pair().await;
        SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(client);
        assert_eq!(Watch::new(false).unless_gone(&server, pin!(pending::<()>())).await, None);
    }

    #[tokio::test]
    async fn an_end_is_one_only_where_it_is_taken_for_that() {
        let (mut client, server) = pair().await;
        client.shutdown().await.unwrap();
        assert_eq!(Watch::new(true).unless_gone(&server, pin!(pending::<()>())).await, None);
        let mut watch = Watch::new(false);
        let work = tokio::time::sleep(std::time::Duration::from_millis(20));
        assert_eq!(watch.unless_gone(&server, pin!(work)).await, Some(()));
        assert!(watch.over);
    }

    async fn gone(watch: &mut Watch, client: &mut Stream, buffer: &mut Buffer) {
        poll_fn(|cx| watch.poll(cx, client, buffer)).await;
    }

    #[tokio::test]
    async fn what_is_taken_in_hides_no_end() {
        for (abort_on_close, reset) in [(false, true), (true, true), (true, false)] {
            let (mut client, mut server) = pair().await;
            client.write_all(b"next").await.unwrap();
            if reset {
                SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
            }
            let (mut watch, mut buffer) = (Watch::new(abort_on_close), Buffer::small());
            let wait = std::time::Duration::from_millis(20);
            let seen = tokio::time::timeout(wait, gone(&mut watch, &mut server, &mut buffer)).await;
            assert!(seen.is_err() && buffer.data() == b"next", "it is there, and has said something");
            drop(client);
            gone(&mut watch, &mut server, &mut buffer).await;
        }
    }

    #[tokio::test]
    async fn what_stays_hides_no_end() {
        for (abort_on_close, reset) in [(false, true), (true, true), (true, false)] {
            let (mut client, mut server) = pair().await;
            client.write_all(b"next").await.unwrap();
            if reset {
                SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
            }
            let mut watch = Watch::new(abort_on_close);
            let work = tokio::time::sleep(std::time::Duration::from_millis(20));
            assert_eq!(watch.unless_gone(&server, pin!(work)).await, Some(()));
            drop(client);
            assert_eq!(watch.unless_gone(&server, pin!(pending::<()>())).await, None);
            if !reset {
                let mut read = [0; 10];
                let n = poll_fn(|cx| server.poll_read(cx, &mut read)).await.unwrap();
                assert_eq!(&read[..n], b"next");
            }
        }
    }

    #[tokio::test]
    async fn more_than_there_is_room_for_stays() {
        let (mut client, mut server) = pair().await;
        client.write_all(&vec![b'x'; 100_000]).await.unwrap();
        let (mut watch, mut buffer) = (Watch::new(true), Buffer::small());
        let wait = std::time::Duration::from_millis(20);
        let seen = tokio::time::timeout(wait, gone(&mut watch, &mut server, &mut buffer)).await;
        assert!(seen.is_err() && watch.over && buffer.is_full());
    }

    #[tokio::test]
    async fn one_that_talks_is_there() {
        let (mut client, server) = pair().await;
        client.write_all(b"next").await.unwrap();
        let mut watch = Watch::new(true);
        let work = tokio::time::sleep(std::time::Duration::from_millis(20));
        assert_eq!(watch.unless_gone(&server, pin!(work)).await, Some(()));
        assert!(watch.talks && !watch.over);
        assert_eq!(Watch::new(true).unless_gone(&server, pin!(ready(5))).await, Some(5));
    }
}
