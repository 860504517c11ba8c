//! A server of the demo, in a process of its own: `proxyd demo-origin`.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use futures_util::{Stream, stream};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Pid, Signal};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};

use crate::clock::{self, Instant};
use crate::process::output;

/// `/download`: a piece every so often, so many pieces; 64 KiB a second for a minute.
const PIECE: usize = 16 * 1024;
const PIECE_EVERY: Duration = Duration::from_millis(250);
const PIECES: usize = 240;

/// How long a flapping server stays well, and then unwell.
const FLAP: Duration = Duration::from_secs(15);

/// How a slow server's answers are late, in turn.
const LATE_MS: [u64; 5] = [200, 340, 260, 400, 300];

/// After an accept that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// How a server behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Manner {
    /// Answers at once and is healthy.
    Steady,
    /// Takes its time for every answer.
    Slow,
    /// Is unwell every now and then.
    Flapping,
}

impl Manner {
    pub fn word(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Slow => "slow",
            Self::Flapping => "flapping",
        }
    }
}

#[derive(Args, Debug)]
pub struct Options {
    #[arg(long)]
    name: String,
    /// 0 is any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    #[arg(long, value_enum, default_value_t = Manner::Steady)]
    manner: Manner,
    /// The process without which this one ends.
    #[arg(long, value_name = "PID")]
    parent: Option<i32>,
}

/// Serves until it is killed. Its address is the one line it prints.
pub fn run(options: &Options) -> anyhow::Result<bool> {
    if let Some(parent) = options.parent {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have ended before that was set.
        if rustix::process::getppid() != Pid::from_raw(parent) {
            return Ok(false);
        }
    }
    let origin = Rc::new(Origin {
        name: options.name.clone(),
        manner: options.manner,
        started: clock::now(),
        turn: Cell::new(0),
    });
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port))).await?;
        output::print(&format!("{}\n", listener.local_addr()?))?;
        accept(&listener, &origin).await
    })
}

async fn accept(listener: &TcpListener, origin: &Rc<Origin>) -> ! {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let origin = Rc::clone(origin);
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| {
                let origin = Rc::clone(&origin);
                async move { Ok::<_, Infallible>(origin.answer(&request).await) }
            });
            // A client that goes away is nobody's loss.
            let _gone = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(None)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

struct Origin {
    name: String,
    manner: Manner,
    started: Instant,
    /// Which answer's lateness is next.
    turn: Cell<usize>,
}

type Body = Either<Full<Bytes>, StreamBody<Download>>;
type Download = std::pin::Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>>>>;

impl Origin {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let name = &self.name;
        let path = request.uri().path();
        if path == "/healthz" {
            return if self.is_well() {
                text(StatusCode::OK, format!("{name} is well\n"))
            } else {
                text(StatusCode::SERVICE_UNAVAILABLE, format!("{name} is unwell\n"))
            };
        }
        if self.manner == Manner::Slow {
            let turn = self.turn.replace(self.turn.get().wrapping_add(1));
            tokio::time::sleep(Duration::from_millis(LATE_MS[turn % LATE_MS.len()])).await;
        }
        match path {
            "/" => text(StatusCode::OK, format!("Hello from {name}\n")),
            "/download" if request.method() == Method::HEAD => download(Either::Left(Full::default())),
            "/download" => download(Either::Right(StreamBody::new(Box::pin(pieces(name))))),
            _ => text(StatusCode::NOT_FOUND, format!("{name} has nothing at {path}\n")),
        }
    }

    fn is_well(&self) -> bool {
        let since = clock::now().saturating_duration_since(self.started).as_secs();
        self.manner != Manner::Flapping || (since / FLAP.as_secs()).is_multiple_of(2)
    }
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn download(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from((PIECE * PIECES) as u64));
    response
}

/// The name, over and over, slowly.
fn pieces(name: &str) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + use<> {
    let piece: Vec<u8> = name.bytes().chain([b'\n']).cycle().take(PIECE).collect();
    stream::unfold((Bytes::from(piece), PIECES), |(piece, left)| async move {
        let left = left.checked_sub(1)?;
        tokio::time::sleep(PIECE_EVERY).await;
        Some((Ok(Frame::data(piece.clone())), (piece, left)))
    })
}
