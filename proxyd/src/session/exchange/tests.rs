use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream as StdStream;
use std::rc::Rc;

use tokio::net::UnixStream;

use super::*;
use crate::http::framing::Body;
use crate::model::testing;
use crate::session::view::View;

const POST: request::Facts = request::Facts {
    body: Body::Length(1000),
    is_11: true,
    is_head: false,
    idempotent: false,
    keep_alive: true,
    upgrade: false,
    connect: false,
    expects: false,
    form: request::Form::Origin,
    length: 0,
};

fn meter() -> Meter {
    let view = View::build(&testing::snapshot(&testing::config(), None), 0, &View::default());
    let frontend = Rc::clone(&view.frontends["web"]);
    let backend = frontend.backend.clone().unwrap();
    Meter::new(frontend, backend, 0)
}

/// A connection whose write side is known to be ready and whose read side is known to have nothing.
async fn connected() -> (Stream, StdStream) {
    let (near, far) = StdStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let near = UnixStream::from_std(near).unwrap();
    near.writable().await.unwrap();
    assert!(near.try_read(&mut [0]).is_err());
    (Stream::Unix(near), far)
}

/// Sends a head and the first bytes of a body to a server that does `server` at that moment.
async fn answered(server: impl FnOnce(StdStream)) -> (Result<response::Facts, Unanswered>, String) {
    let (mut client, mut sender) = connected().await;
    let (mut stream, far) = connected().await;
    sender.write_all(b"hello").unwrap();
    let (meter, mut timer, mut out) = (meter(), Timer::default(), Vec::new());
    let (mut buffer, mut server_buffer) = (Buffer::small(), Buffer::medium());
    let (limit, now) = (testing::SECOND, clock::now());
    let mut exchange = Exchange::new(
        Side::new(&mut client, &mut buffer, limit, None, now),
        Side::new(&mut stream, &mut server_buffer, limit, None, now),
        &mut timer,
        &meter,
    );
    let mut up = Transfer::new(b"POST / HTTP/1.1\r\n\r\n".to_vec(), POST.body, POST.body);
    // No turn of the driver comes between this and the first poll, so that the answer is there and not yet seen.
    server(far);
    let site = response::Site { keep_client: true, via: false, keep_alive: None };
    let ask = Ask { request: &POST, site, held: false };
    let answer = exchange.answer(&mut up, ask, &mut Watch::new(false), &mut out).await;
    (answer, String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn an_answer_is_taken_though_the_server_is_gone() {
    let (answer, head) = answered(|mut far| {
        far.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").unwrap();
    })
    .await;
    assert_eq!(answer.map(|a| a.status), Ok(413));
    // The rest of the request is not waited for, and the client is told so.
    assert_eq!(head, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

#[tokio::test]
async fn a_server_that_is_gone_without_an_answer_gave_none() {
    let (answer, _) = answered(drop).await;
    assert_eq!(answer, Err(Unanswered::Server(Failure::Empty)));
}

#[tokio::test(start_paused = true)]
async fn silence_of_the_client_is_told_from_the_servers() {
    let mut kept = None;
    let (answer, _) = answered(|far| kept = Some(far)).await;
    // The client owes 995 bytes.
    assert_eq!(answer, Err(Unanswered::Client(Gone::Silent)));
}

#[tokio::test]
async fn last_words_of_a_server_pass_a_tunnel() {
    let (mut client, mut sender) = connected().await;
    let (mut stream, mut far) = connected().await;
    let (meter, mut timer) = (meter(), Timer::default());
    let (mut buffer, mut server_buffer) = (Buffer::small(), Buffer::medium());
    buffer.room()[..5].copy_from_slice(b"hello");
    buffer.filled(5);
    let (limit, now) = (testing::SECOND, clock::now());
    let mut exchange = Exchange::new(
        Side::new(&mut client, &mut buffer, limit, None, now),
        Side::new(&mut stream, &mut server_buffer, limit, None, now),
        &mut timer,
        &meter,
    );
    let mut up = Transfer::new(Vec::new(), Body::UntilClose, Body::UntilClose);
    let mut down = Transfer::new(Vec::new(), Body::UntilClose, Body::UntilClose);
    far.write_all(b"too many").unwrap();
    drop(far);
    assert_eq!(exchange.tunnel(&mut up, &mut down).await, Ok(()));
    drop(client);
    let mut received = String::new();
    sender.read_to_string(&mut received).unwrap();
    assert_eq!(received, "too many");
}
