//! An HTTP/2 server by prior knowledge, over a library: many requests at once, streams both ways, and its whims.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::header::HeaderMap;
use http::{Request, Response};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};

/// What it announces and how long it keeps a connection.
#[derive(Clone, Copy, Debug)]
pub struct Whims {
    /// `SETTINGS_MAX_CONCURRENT_STREAMS`.
    pub streams: u32,
    /// Room for what it is sent, of a stream.
    pub window: u32,
    /// Extended CONNECT is taken; what comes through it is sent back.
    pub upgrades: bool,
    /// A connection is closed, with GOAWAY, once it took so many requests.
    pub requests: usize,
    /// A line of the PROXY protocol comes first.
    pub proxied: bool,
}

impl Default for Whims {
    fn default() -> Self {
        Self { streams: 100, window: 64 * 1024, upgrades: false, requests: usize::MAX, proxied: false }
    }
}

/// A request as received.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Number of the connection, in the order they were accepted.
    pub connection: usize,
    pub method: String,
    /// As a URI, with scheme and authority.
    pub uri: String,
    pub headers: HeaderMap,
}

/// What reached it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub connections: usize,
    /// Those of them that are open.
    pub open: usize,
    /// What each began with, where a PROXY line comes first.
    pub told: BTreeMap<usize, String>,
    pub requests: Vec<Seen>,
    /// Requests on their way.
    pub active: usize,
    /// Most of them at once, on one connection.
    pub most: usize,
    /// Streams that the client took back.
    pub cancelled: usize,
}

/// A server.
///
/// `/` answers its name, `/bytes/N` N zeros, `/slow/MS` after that time, `/held` once it is let go, `/status/NNN` that status, `/echo` sends back what
/// comes as it comes, trailers too, `/trailers` ends with `grpc-status: 0`, `/interim` says 103 first, `/early` answers whole
/// and takes no more of the request, `/refuse` refuses, `/refuse-once` refuses the first such request, `/cut` resets in the middle of a body,
/// `/reset` instead of an answer, `/never` answers nothing. A tunnel sends back what comes; one to `refused.example` is
/// refused.
#[derive(Debug)]
pub struct Origin {
    addr: SocketAddr,
    record: Arc<Mutex<Record>>,
    stop: watch::Sender<bool>,
    go: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Origin {
    /// A well-behaved one.
    pub fn start(name: &str) -> Self {
        Self::with(name, Whims::default())
    }

    /// One with whims.
    pub fn with(name: &str, whims: Whims) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("it can");
        let addr = listener.local_addr().expect("it is bound");
        let record = Arc::<Mutex<Record>>::default();
        let (stop, stopped) = watch::channel(false);
        let (go, gone) = watch::channel(false);
        let service = Service { name: name.to_owned(), whims, record: Arc::clone(&record), gone };
        let thread = thread::spawn(move || run(listener, &Arc::new(service), stopped));
        Self { addr, record, stop, go, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What reached it so far.
    pub fn record(&self) -> Record {
        lock(&self.record).clone()
    }

    /// Lets go what `/held` holds, from now on.
    pub fn let_go(&self) {
        self.go.send_replace(true);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

struct Service {
    name: String,
    whims: Whims,
    record: Arc<Mutex<Record>>,
    /// What is held is let go.
    gone: watch::Receiver<bool>,
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(listener: std::net::TcpListener, service: &Arc<Service>, mut stopped: watch::Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let accepting = async {
        let listener = TcpListener::from_std(listener).expect("a listener");
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).ok();
            let mut record = lock(&service.record);
            let number = record.connections;
            record.connections += 1;
            record.open += 1;
            let service = Arc::clone(service);
            spawn_local(async move {
                // That a peer goes is nothing special.
                connection(stream, number, Arc::clone(&service)).await.ok();
                lock(&service.record).open -= 1;
            });
        }
    };
    let until = async {
        tokio::select! {
            () = accepting => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    };
    LocalSet::new().block_on(&runtime, until);
}

async fn connection(mut stream: TcpStream, number: usize, service: Arc<Service>) -> Result<(), h2::Error> {
    let whims = service.whims;
    if whims.proxied {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await.map_err(|_gone| Reason::CONNECT_ERROR)?);
        }
        lock(&service.record).told.insert(number, String::from_utf8_lossy(&line).into_owned());
    }
    let mut builder = Builder::new();
    builder.max_concurrent_streams(whims.streams).initial_window_size(whims.window);
    if whims.upgrades {
        builder.enable_connect_protocol();
    }
    let mut connection = builder.handshake::<_, Bytes>(stream).await?;
    let mut taken = 0;
    let active = Arc::new(Mutex::new(0));
    while let Some(accepted) = connection.accept().await {
        let (request, answer) = accepted?;
        taken += 1;
        if taken == whims.requests {
            connection.graceful_shutdown();
        }
        let mut record = lock(&service.record);
        record.requests.push(Seen {
            connection: number,
            method: request.method().to_string(),
            uri: request.uri().to_string(),
            headers: request.headers().clone(),
        });
        record.active += 1;
        let mut here = active.lock().unwrap_or_else(PoisonError::into_inner);
        *here += 1;
        record.most = record.most.max(*here);
        let (service, active) = (Arc::clone(&service), Arc::clone(&active));
        spawn_local(async move {
            let ended = answer_one(request, answer, &service).await;
            let mut record = lock(&service.record);
            record.cancelled += usize::from(ended.is_err());
            record.active -= 1;
            *active.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        });
    }
    Ok(())
}

async fn answer_one(
    request: Request<RecvStream>,
    mut answer: SendResponse<Bytes>,
    service: &Service,
) -> Result<(), h2::Error> {
    let path = request.uri().path().to_owned();
    let mut words = path.split('/').skip(1);
    let (word, number) = (words.next().unwrap_or_default(), words.next().and_then(|n| n.parse::<u64>().ok()));
    let number = number.unwrap_or_default();
    let head = |status: u16| {
        let head = Response::builder().status(status).header("x-origin", &service.name);
        head.body(()).expect("a status")
    };
    let is_head = request.method() == "HEAD";
    let tunnel = request.method() == "CONNECT";
    let refused = request.uri().host() == Some("refused.example");
    let mut body = request.into_body();
    match word {
        _ if tunnel && refused => {
            whole(answer, head(403), Bytes::from_static(b"no")).await?;
        }
        _ if tunnel => {
            let out = answer.send_response(head(200), false)?;
            return echo(&mut body, out).await;
        }
        "echo" => {
            let out = answer.send_response(head(200), false)?;
            return echo(&mut body, out).await;
        }
        "refuse" => answer.send_reset(Reason::REFUSED_STREAM),
        "refuse-once" => {
            let first =
                lock(&service.record).requests.iter().filter(|it| it.uri.ends_with("/refuse-once")).count()
                    == 1;
            if first {
                answer.send_reset(Reason::REFUSED_STREAM);
            } else {
                drain(&mut body).await?;
                whole(answer, head(200), Bytes::from(service.name.clone())).await?;
            }
        }
        "reset" => answer.send_reset(Reason::INTERNAL_ERROR),
        "never" => return Err(std::future::poll_fn(|cx| answer.poll_reset(cx)).await?.into()),
        "cut" => {
            let mut out = answer.send_response(head(200), false)?;
            write(&mut out, Bytes::from_static(b"half")).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
            out.send_reset(Reason::INTERNAL_ERROR);
        }
        "early" => {
            whole(answer, head(413), Bytes::from_static(b"enough")).await?;
            // What of the request is not read is refused when it is dropped, with NO_ERROR.
        }
        "trailers" => {
            drain(&mut body).await?;
            let mut out = answer.send_response(head(200), false)?;
            write(&mut out, Bytes::from_static(b"message")).await?;
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", 0.into());
            out.send_trailers(trailers)?;
        }
        _ => {
            drain(&mut body).await?;
            if word == "interim" {
                let hints = Response::builder().status(103).header("link", "</a>; rel=preload");
                answer.send_informational(hints.body(()).expect("a status"))?;
            }
            match word {
                "slow" => {
                    unless_reset(&mut answer, tokio::time::sleep(Duration::from_millis(number))).await?;
                }
                "held" => unless_reset(&mut answer, service.gone.clone().wait_for(|gone| *gone)).await?,
                _ => {}
            }
            let status = if word == "status" { u16::try_from(number).unwrap_or(500) } else { 200 };
            let content = match word {
                "bytes" => Bytes::from(vec![0; usize::try_from(number).unwrap_or_default()]),
                _ => Bytes::from(service.name.clone()),
            };
            let content = if is_head || matches!(status, 204 | 304) { Bytes::new() } else { content };
            whole(answer, head(status), content).await?;
        }
    }
    Ok(())
}

/// Waits for something, unless the client takes the stream back.
async fn unless_reset(
    answer: &mut SendResponse<Bytes>,
    something: impl Future<Output = impl Sized>,
) -> Result<(), h2::Error> {
    tokio::select! {
        reason = std::future::poll_fn(|cx| answer.poll_reset(cx)) => Err(reason?.into()),
        _ = something => Ok(()),
    }
}

async fn whole(mut answer: SendResponse<Bytes>, head: Response<()>, body: Bytes) -> Result<(), h2::Error> {
    let mut out = answer.send_response(head, body.is_empty())?;
    if !body.is_empty() {
        write(&mut out, body).await?;
        out.send_data(Bytes::new(), true)?;
    }
    Ok(())
}

async fn drain(body: &mut RecvStream) -> Result<(), h2::Error> {
    while let Some(data) = body.data().await {
        let length = data?.len();
        body.flow_control().release_capacity(length)?;
    }
    Ok(())
}

async fn echo(body: &mut RecvStream, mut out: SendStream<Bytes>) -> Result<(), h2::Error> {
    while let Some(data) = body.data().await {
        let data = data?;
        let length = data.len();
        write(&mut out, data).await?;
        body.flow_control().release_capacity(length)?;
    }
    match body.trailers().await? {
        Some(trailers) => out.send_trailers(trailers),
        None => out.send_data(Bytes::new(), true),
    }
}

/// As much as there is room for, at a time.
async fn write(out: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), h2::Error> {
    while !data.is_empty() {
        out.reserve_capacity(data.len());
        while out.capacity() == 0 {
            match std::future::poll_fn(|cx| out.poll_capacity(cx)).await {
                Some(room) => _ = room?,
                None => return Err(Reason::CANCEL.into()),
            }
        }
        let n = out.capacity().min(data.len());
        out.send_data(data.split_to(n), false)?;
    }
    Ok(())
}
