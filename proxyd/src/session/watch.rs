//! Whether a client that waits for its answer is still there.
//!
//! A reset says that it is not. The end of what it sends says so only where `abort_on_close` takes it for that: it may
//! have closed its side and go on reading (RFC 9112 9.6).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use crate::net::stream::{Sign, Stream};

/// Looks at one client, at no cost until something comes.
#[derive(Debug)]
pub struct Watch {
    abort_on_close: bool,
    /// What came says nothing, and neither does what follows.
    over: bool,
}

impl Watch {
    pub fn new(abort_on_close: bool) -> Self {
        Self { abort_on_close, over: false }
    }

    /// Ready once the client has gone.
    pub fn poll(&mut self, cx: &mut Context<'_>, client: &Stream) -> Poll<()> {
        if self.over {
            return Poll::Pending;
        }
        match client.poll_sign(cx) {
            Poll::Ready(Sign::Reset) => Poll::Ready(()),
            Poll::Ready(Sign::Closed) if self.abort_on_close => Poll::Ready(()),
            Poll::Ready(Sign::Closed | Sign::Talks) => {
                self.over = true;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// What `work` comes to; `None` if the client goes first.
    pub async fn unless_gone<T>(&mut self, client: &Stream, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => self.poll(cx, client).map(|()| None),
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
        assert_eq!(Watch::new(false).unless_gone(&server, pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn an_end_is_one_only_where_it_is_taken_for_that() {
        let (mut client, server) = pair().await;
        client.shutdown().await.unwrap();
        assert_eq!(Watch::new(true).unless_gone(&server, pending::<()>()).await, None);
        let mut watch = Watch::new(false);
        let work = tokio::time::sleep(std::time::Duration::from_millis(20));
        assert_eq!(watch.unless_gone(&server, work).await, Some(()));
        assert!(watch.over);
    }

    #[tokio::test]
    async fn one_that_talks_is_there() {
        let (mut client, server) = pair().await;
        client.write_all(b"next").await.unwrap();
        let mut watch = Watch::new(true);
        let work = tokio::time::sleep(std::time::Duration::from_millis(20));
        assert_eq!(watch.unless_gone(&server, work).await, Some(()));
        assert!(watch.over);
        assert_eq!(Watch::new(true).unless_gone(&server, ready(5)).await, Some(5));
    }
}
