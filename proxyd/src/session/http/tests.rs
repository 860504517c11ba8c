use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

use super::*;
use crate::config::ServerAddress;
use crate::model::shared::Shared;
use crate::model::testing;
use crate::session::worker::{Reservation, Worker};

/// Answers each request whose end it sees; a body is told by its last bytes.
async fn origin(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while let Ok(n) = stream.read_buf(&mut seen).await
            && n > 0
        {
            let body_follows = seen.starts_with(b"POST") && !seen.ends_with(b"the end");
            if seen.windows(4).any(|w| w == b"\r\n\r\n") && !body_follows {
                seen.clear();
                let answer = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
                stream.write_all(answer).await.unwrap();
                tokio::task::yield_now().await;
                stream.write_all(b"0\r\n\r\n").await.unwrap();
            }
        }
    }
}

/// Two requests on one connection, one in pieces, then the end.
async fn client(mut stream: UnixStream) -> String {
    for piece in
        ["GET / HT", "TP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n"]
    {
        stream.write_all(piece.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
    }
    for piece in ["this is ", "the end"] {
        tokio::task::yield_now().await;
        // Nobody may be there any more.
        let _gone = stream.write_all(piece.as_bytes()).await;
    }
    let _gone = stream.shutdown().await;
    let mut answers = String::new();
    let _reset = stream.read_to_string(&mut answers).await;
    answers
}

/// Serves that client for at most `most` polls; what it got if it was served to the end.
async fn served(
    shared: &Arc<Shared>,
    worker: &Rc<Worker>,
    listener: TcpListener,
    most: usize,
) -> Option<String> {
    let (near, far) = UnixStream::pair().unwrap();
    let found = worker.frontend("web").unwrap();
    let reservation = Reservation::take(shared, &found.0.frontend.live, &found.0.frontend.binds[0]).unwrap();
    let place = Place::new(worker, reservation);
    let addresses = Addresses::of_connection(None, None);
    let mut session = pin!(serve(found, Rc::new(place), Stream::Unix(near), addresses));
    let (mut origin, mut client) = (pin!(origin(listener)), pin!(client(far)));
    let (mut polls, mut ended, mut answers) = (0, false, None);
    poll_fn(|cx| {
        if !ended && polls == most {
            return Poll::Ready(None);
        }
        polls += 1;
        ended = ended || session.as_mut().poll(cx).is_ready();
        assert!(origin.as_mut().poll(cx).is_pending());
        if answers.is_none()
            && let Poll::Ready(all) = client.as_mut().poll(cx)
        {
            answers = Some(all);
        }
        match &mut answers {
            Some(answers) if ended => Poll::Ready(Some(std::mem::take(answers))),
            _ => Poll::Pending,
        }
    })
    .await
}

#[tokio::test]
async fn a_session_dropped_anywhere_leaves_nothing_counted() {
    for most in 0.. {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = testing::config();
        // Nobody listens at the first, so that requests are tried again.
        let addresses = ["127.0.0.1:1".parse().unwrap(), listener.local_addr().unwrap()];
        for (server, address) in config.backends[0].servers.iter_mut().zip(addresses) {
            server.address = ServerAddress::Literal(proto::addr::Address::Ip(address));
        }
        let shared = testing::shared_of(&config);
        let worker = Worker::new(0, Arc::clone(&shared), 1, Box::new(|_, _| {}));
        let answers = served(&shared, &worker, listener, most).await;
        let snapshot = shared.snapshot();
        let (frontend, backend) = (&snapshot.frontends[0].live, &snapshot.backends[0]);
        assert_eq!(shared.process.connections.load(Relaxed), 0, "after {most} polls");
        assert_eq!((worker.connections(), frontend.connections.load(Relaxed)), (0, 0), "after {most} polls");
        assert_eq!((frontend.stats.current(), backend.live.stats.current()), (0, 0), "after {most} polls");
        assert_eq!((backend.served(), backend.live.retrying.load(Relaxed)), (0, 0), "after {most} polls");
        for server in &backend.servers {
            assert_eq!(server.stats.current(), 0, "{} after {most} polls", server.name);
        }
        let Some(answers) = answers else { continue };
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
        assert_eq!(answers.matches("HTTP/1.1 103").count(), 2, "{answers}");
        let total = |stats: &crate::stats::cells::Sharded, which| stats.raw(which);
        for which in [Count::BytesIn, Count::BytesOut, Count::Requests, Count::Status2xx] {
            assert_eq!(total(&frontend.stats, which), total(&backend.live.stats, which), "{which:?}");
        }
        assert_eq!(total(&frontend.stats, Count::BytesOut), answers.len() as u64);
        assert!(most > 5, "served in {most} polls: there was nothing to drop");
        return;
    }
}
