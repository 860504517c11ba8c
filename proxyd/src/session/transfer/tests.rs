use std::future::poll_fn;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;
use crate::net::buffer::{LARGE, MEDIUM, SMALL};

const HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
/// What follows the body on its connection.
const NEXT: &[u8] = b"GET /next";

/// A direction between two sockets, with the far ends in hand.
struct Line {
    source: Stream,
    sink: Stream,
    buffer: Buffer,
    client: UnixStream,
    server: UnixStream,
}

impl Line {
    fn new() -> Self {
        let (client, source) = UnixStream::pair().unwrap();
        let (sink, server) = UnixStream::pair().unwrap();
        // Little room, so that writes are partial.
        socket2::SockRef::from(&sink).set_send_buffer_size(2048).unwrap();
        Self {
            source: Stream::Unix(source),
            sink: Stream::Unix(sink),
            buffer: Buffer::small(),
            client,
            server,
        }
    }

    async fn run(&mut self, transfer: &mut Transfer) -> Result<(), Broken> {
        poll_fn(|cx| {
            transfer.poll(cx, &mut self.source, &mut self.buffer, &mut self.sink, &mut Moved::default())
        })
        .await
    }
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

/// `body` in chunks of these sizes, in turn, some with an extension.
fn encode(body: &[u8], sizes: &[usize], trailers: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), body);
    for (i, size) in sizes.iter().cycle().enumerate() {
        if rest.is_empty() {
            break;
        }
        let (chunk, left) = rest.split_at(rest.len().min(*size));
        rest = left;
        let extension = if i % 3 == 0 { ";name=value" } else { "" };
        out.extend_from_slice(format!("{:X}{extension}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    out
}

/// A decoder of its own, strict and slow: the payload and what stands behind the last chunk.
fn decode(mut bytes: &[u8]) -> (Vec<u8>, String) {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|w| w == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        bytes = &bytes[end + 2..];
        if size == 0 {
            return (body, String::from_utf8(bytes.to_vec()).unwrap());
        }
        body.extend_from_slice(&bytes[..size]);
        assert_eq!(&bytes[size..size + 2], b"\r\n");
        bytes = &bytes[size + 2..];
    }
}

/// Sends `sent` in pieces, passes it on, and returns what arrived and what was left in the buffer.
async fn pass(sent: Vec<u8>, from: Body, to: Body, pieces: Vec<usize>) -> (Vec<u8>, Vec<u8>) {
    let Line { mut source, mut sink, mut buffer, mut client, mut server } = Line::new();
    let send = async move {
        let (mut rest, mut sizes) = (&sent[..], pieces.iter().cycle());
        while !rest.is_empty() {
            let (piece, left) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            rest = left;
            client.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        // It stays open until all has arrived, unless its end is the body's.
        (from != Body::UntilClose).then_some(client)
    };
    let mut transfer = Transfer::new(HEAD.to_vec(), from, to);
    let (mut moved, mut written) = (Moved::default(), 0);
    let relay = async {
        poll_fn(|cx| transfer.poll(cx, &mut source, &mut buffer, &mut sink, &mut moved)).await.unwrap();
        assert!(transfer.is_done());
        written = transfer.written;
        sink.shutdown_write().unwrap();
    };
    let receive = async {
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        received
    };
    let (client, (), received) = tokio::join!(send, relay, receive);
    drop(client);
    assert_eq!((written, moved.written), (received.len() as u64, received.len() as u64));
    (received, buffer.data().to_vec())
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn lengths() -> impl Strategy<Value = usize> {
    let edges = [0, 1, SMALL - 1, SMALL, SMALL + 1, MEDIUM, LARGE - 1, LARGE, LARGE + 1, 2 * LARGE + 7];
    prop_oneof![proptest::sample::select(edges.to_vec()), 0_usize..100, 0_usize..300_000]
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![1_usize..20, 1_usize..5000, proptest::sample::select(vec![SMALL, LARGE, 200_000])];
    proptest::collection::vec(size, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_framing_and_the_pieces_the_body_arrives(
        len in lengths(),
        source in 0..3,
        chunked_out: bool,
        chunks in sizes(),
        mut pieces in sizes(),
        trailer: bool,
    ) {
        let body = payload(len);
        let trailers = if trailer { "X-Sum: 7\r\n" } else { "" };
        if len > 5000 {
            // Small pieces of a long body take too long, and small chunks too.
            for piece in &mut pieces {
                *piece += 500;
            }
        }
        let (from, mut sent) = match source {
            0 => (Body::Length(len as u64), body.clone()),
            1 => (Body::Chunked, encode(&body, &chunks, trailers)),
            _ => (Body::UntilClose, body.clone()),
        };
        if from != Body::UntilClose {
            sent.extend_from_slice(NEXT);
        }
        let total = sent.len();
        let to = if chunked_out { Body::Chunked } else { Body::UntilClose };
        // Nothing comes of a body without length but its head.
        let to = if from == Body::Length(0) { Body::None } else { to };
        let (received, left) = run(pass(sent, from, to, pieces));
        prop_assert!(received.starts_with(HEAD));
        let received = &received[HEAD.len()..];
        if to == Body::Chunked {
            let (decoded, end) = decode(received);
            prop_assert!(decoded == body, "{} bytes of {}", decoded.len(), body.len());
            let end_wanted = if from == Body::Chunked { format!("{trailers}\r\n") } else { "\r\n".into() };
            prop_assert_eq!(end, end_wanted);
        } else {
            prop_assert!(received == body, "{} bytes of {total}", received.len());
        }
        prop_assert!(NEXT.starts_with(&left), "{left:?}");
    }
}

#[test]
fn what_is_sent_again_is_whole() {
    for body in ["0\r\n\r\n", "0\r\nX-Sum: 7\r\n\r\n"] {
        run(async {
            let mut line = Line::new();
            line.client.write_all(body.as_bytes()).await.unwrap();
            let mut up = Transfer::new(HEAD.to_vec(), Body::Chunked, Body::Chunked);
            line.run(&mut up).await.unwrap();
            assert!(!up.body_is_gone());
            up.rewind();
            up.towards(&line.sink);
            assert!(!up.is_done());
            line.run(&mut up).await.unwrap();
            drop(line.sink);
            let mut received = Vec::new();
            line.server.read_to_end(&mut received).await.unwrap();
            let once = [HEAD, body.as_bytes()].concat();
            assert_eq!(String::from_utf8(received).unwrap(), String::from_utf8(once.repeat(2)).unwrap());
        });
    }
}

#[test]
fn a_body_that_was_framed_and_not_sent_goes_to_another_server() {
    run(async {
        let mut line = Line::new();
        line.client.write_all(b"2\r\nab\r\n0\r\n\r\n").await.unwrap();
        let mut up = Transfer::new(HEAD.to_vec(), Body::Chunked, Body::Chunked);
        // The first server is gone, so that nothing is written.
        drop(std::mem::replace(&mut line.server, UnixStream::pair().unwrap().0));
        line.source_is_read().await;
        assert!(matches!(line.run(&mut up).await, Err(Broken::Write(_))));
        assert_eq!((up.written, up.body_is_gone()), (0, false));
        up.rewind();
        up.towards(&line.sink);
        let (sink, mut server) = UnixStream::pair().unwrap();
        line.sink = Stream::Unix(sink);
        line.run(&mut up).await.unwrap();
        drop(line.sink);
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, [HEAD, b"2\r\nab\r\n0\r\n\r\n"].concat());
    });
}

impl Line {
    /// The body is in the buffer before anything is written, as it is behind a request's head.
    async fn source_is_read(&mut self) {
        let n = poll_fn(|cx| self.source.poll_read(cx, self.buffer.room())).await.unwrap();
        self.buffer.filled(n);
    }
}

#[test]
fn a_source_that_ends_early_is_told_from_one_that_makes_no_sense() {
    run(async {
        for (body, from) in [("abc", Body::Length(4)), ("3\r\nab", Body::Chunked)] {
            let mut line = Line::new();
            line.client.write_all(body.as_bytes()).await.unwrap();
            line.client.shutdown().await.unwrap();
            let mut transfer = Transfer::new(Vec::new(), from, Body::UntilClose);
            assert!(matches!(line.run(&mut transfer).await, Err(Broken::Eof)), "{body}");
        }
        let mut line = Line::new();
        line.client.write_all(b"2\r\nabX").await.unwrap();
        let mut transfer = Transfer::new(Vec::new(), Body::Chunked, Body::UntilClose);
        assert!(matches!(line.run(&mut transfer).await, Err(Broken::Malformed)));
    });
}

#[test]
fn what_was_written_is_kept_and_comes_first_again() {
    for (sent, from, once) in [
        ("2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", Body::Chunked, "5\r\nabcde\r\n0\r\n\r\n"),
        ("abcde", Body::Length(5), "abcde"),
    ] {
        run(async {
            let mut line = Line::new();
            line.client.write_all(sent.as_bytes()).await.unwrap();
            let mut up = Transfer::new(HEAD.to_vec(), from, from);
            up.keep(100);
            up.towards(&line.sink);
            line.run(&mut up).await.unwrap();
            for _ in 0..2 {
                assert!(!up.body_is_gone());
                up.rewind();
                let (sink, mut server) = UnixStream::pair().unwrap();
                line.sink = Stream::Unix(sink);
                up.towards(&line.sink);
                line.run(&mut up).await.unwrap();
                line.sink.shutdown_write().unwrap();
                let mut received = Vec::new();
                server.read_to_end(&mut received).await.unwrap();
                assert_eq!(
                    String::from_utf8(received).unwrap(),
                    String::from_utf8([HEAD, once.as_bytes()].concat()).unwrap()
                );
                assert!(up.is_done());
            }
        });
    }
}
