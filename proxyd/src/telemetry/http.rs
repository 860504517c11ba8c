//! `/metrics`, `/live` and `/ready` over HTTP, on the control thread.
//!
//! A connection carries one request, within a deadline, and there are so many connections and so many texts at once:
//! a scraper that is slow, or that never says what it wants, costs little and delays nobody.

use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use proto::addr::Address;
use proto::prometheus::{CONTENT_TYPE as PROMETHEUS, Scopes};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::metrics::Exporter;
use crate::config::BindOptions;
use crate::log;
use crate::model::shared::{Listener, Shared};
use crate::net::bind::{self, BindError, Bound};

/// Connections at once; others wait to be accepted.
const MAX_CONNECTIONS: usize = 64;

/// Texts of `/metrics` in memory at once: one of 5,000 servers has 24 MB.
const MAX_TEXTS: usize = 4;

/// For a request's head.
const HEAD: Duration = Duration::from_secs(5);

/// For a whole connection; longer than any scraper waits.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often the library's metrics are tidied.
const UPKEEP: Duration = Duration::from_secs(5);

/// After an accept that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// What listens.
#[derive(Debug)]
pub struct Endpoint(Bound);

/// Binds the address of `global.metrics` and makes it known.
pub fn bind(address: &Address, shared: &Shared) -> Result<Endpoint, BindError> {
    let bound = bind::bind(address, &BindOptions::default(), 1)?;
    shared.add_listener(Listener {
        proxy: "GLOBAL".into(),
        name: "metrics-1".to_owned(),
        address: bound.address(),
    });
    Ok(Endpoint(bound))
}

/// Serves for as long as it is polled, which has to be inside a `LocalRuntime` or `LocalSet`.
pub async fn serve(endpoint: Endpoint, shared: Arc<Shared>) {
    let site = Rc::new(Site::new(shared));
    let upkeep = async {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            site.exporter.upkeep();
        }
    };
    let served = tokio::select! {
        served = listen(endpoint.0, &site) => served,
        () = upkeep => Ok(()),
    };
    if let Err(error) = served {
        log::alert(format_args!("cannot serve metrics: {error}"));
    }
}

async fn listen(bound: Bound, site: &Rc<Site>) -> io::Result<()> {
    match bound {
        Bound::Tcp { shards, .. } => {
            let Some(listener) = shards.into_iter().next() else { return Ok(()) };
            let listener = TcpListener::from_std(listener)?;
            accept(site, async || listener.accept().await.map(|(stream, _)| stream)).await
        }
        // The file is removed when this ends.
        Bound::Unix { listener, file: _file } => {
            let listener = UnixListener::from_std(listener)?;
            accept(site, async || listener.accept().await.map(|(stream, _)| stream)).await
        }
    }
}

async fn accept<S>(site: &Rc<Site>, next: impl AsyncFn() -> io::Result<S>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let permit = Arc::clone(&room).acquire_owned().await.map_err(io::Error::other)?;
        match next().await {
            Ok(stream) => {
                let site = Rc::clone(site);
                tokio::task::spawn_local(async move {
                    // Who leaves or is too slow has asked for nothing that could be missing.
                    let _cut = tokio::time::timeout(DEADLINE, connection(site, stream)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                log::warning(format_args!("cannot accept for metrics: {error}"));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection<S>(site: Rc<Site>, stream: S) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let site = Rc::clone(&site);
        async move { Ok::<_, Infallible>(site.answer(request.method(), request.uri()).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

struct Site {
    shared: Arc<Shared>,
    exporter: Arc<Exporter>,
    texts: Arc<Semaphore>,
}

type Answer = Response<Full<Bytes>>;

impl Site {
    fn new(shared: Arc<Shared>) -> Self {
        let exporter = Arc::new(Exporter::new(Arc::clone(&shared)));
        Self { shared, exporter, texts: Arc::new(Semaphore::new(MAX_TEXTS)) }
    }

    async fn answer(&self, method: &Method, uri: &Uri) -> Answer {
        let path = uri.path();
        if !matches!(path, "/metrics" | "/live" | "/ready") {
            return say(StatusCode::NOT_FOUND, "there are /metrics, /live and /ready\n".to_owned());
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            let answer = say(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
            return with(answer, ALLOW, "GET, HEAD");
        }
        match path {
            "/metrics" => self.metrics(uri.query().unwrap_or_default()).await,
            "/ready" if self.shared.process.is_stopping() => {
                say(StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned())
            }
            _ => say(StatusCode::OK, "ok\n".to_owned()),
        }
    }

    async fn metrics(&self, query: &str) -> Answer {
        let scopes = match Scopes::from_query(query) {
            Ok(scopes) => scopes,
            Err(error) => return say(StatusCode::BAD_REQUEST, format!("{error}\n")),
        };
        let Ok(permit) = Arc::clone(&self.texts).try_acquire_owned() else {
            let answer = say(StatusCode::SERVICE_UNAVAILABLE, "too many scrapes at once\n".to_owned());
            return with(answer, RETRY_AFTER, "1");
        };
        let exporter = Arc::clone(&self.exporter);
        // A text of thousands of servers takes longer than others on this thread may wait.
        match tokio::task::spawn_blocking(move || exporter.text(scopes)).await {
            Ok(text) => {
                let body = Bytes::from_owner(Text { text, _permit: permit });
                with(Response::new(Full::new(body)), CONTENT_TYPE, PROMETHEUS)
            }
            Err(_panicked) => {
                say(StatusCode::INTERNAL_SERVER_ERROR, "the text could not be made\n".to_owned())
            }
        }
    }
}

/// Gives the permit back when the last byte is sent or the connection is gone.
struct Text {
    text: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

fn say(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    let answer = with(answer, CONTENT_TYPE, "text/plain; charset=utf-8");
    with(answer, CACHE_CONTROL, "no-store")
}

fn with(mut answer: Answer, name: HeaderName, value: &'static str) -> Answer {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
    answer
}

#[cfg(test)]
mod tests;
