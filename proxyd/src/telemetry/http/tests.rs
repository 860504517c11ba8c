use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::LocalSet;

use super::*;
use crate::model::testing;

/// Runs `test` beside a server at a port of its own.
async fn serving<F: Future<Output = ()>>(test: impl FnOnce(SocketAddr, Arc<Shared>) -> F) {
    let shared = testing::shared();
    let endpoint = bind(&"127.0.0.1:0".parse().unwrap(), &shared).unwrap();
    let listeners = shared.listeners();
    let known = listeners.iter().find(|l| l.name == "metrics-1" && &*l.proxy == "GLOBAL");
    let Some(Address::Ip(address)) = known.map(|l| l.address.clone()) else { panic!("{listeners:?}") };
    let local = LocalSet::new();
    local.spawn_local(serve(endpoint, Arc::clone(&shared)));
    local.run_until(test(address, shared)).await;
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(address: SocketAddr, target: &str) -> String {
    ask(address, &format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).await
}

fn status(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default().strip_prefix("HTTP/1.1 ").unwrap_or_default()
}

#[tokio::test]
async fn paths_and_methods() {
    serving(async |address, _| {
        for (request, expected) in [
            ("GET /live HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"),
            ("HEAD /ready HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"),
            ("POST /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"),
            ("POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method Not Allowed"),
            ("GET /metrics?scope=moon HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"),
            ("nonsense\r\n\r\n", "400 Bad Request"),
        ] {
            let answer = ask(address, request).await;
            assert_eq!(status(&answer), expected, "{request}{answer}");
        }
        assert!(ask(address, "PUT /live HTTP/1.1\r\nHost: x\r\n\r\n").await.contains("allow: GET, HEAD\r\n"));
    })
    .await;
}

#[tokio::test]
async fn the_text() {
    serving(async |address, _| {
        let answer = get(address, "/metrics").await;
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: text/plain; version=0.0.4\r\n"), "{head}");
        assert!(text.contains("\nhaproxy_server_status{proxy=\"app\",server=\"app1\",state=\"UP\"} 1\n"));
        assert!(text.contains("\nproxyd_build_info{version="));
        let answer = ask(address, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.contains("content-length: ") && answer.ends_with("\r\n\r\n"), "{answer}");
        let answer = get(address, "/metrics?scope=frontend").await;
        assert!(answer.contains("haproxy_frontend_status") && !answer.contains("haproxy_server_"));
    })
    .await;
}

#[tokio::test]
async fn ready_until_stopping_begins() {
    serving(async |address, shared| {
        assert_eq!(status(&get(address, "/ready").await), "200 OK");
        shared.process.stopping.store(true, Relaxed);
        assert_eq!(status(&get(address, "/ready").await), "503 Service Unavailable");
        assert_eq!(status(&get(address, "/live").await), "200 OK");
    })
    .await;
}

/// Scrapers that take nothing hold the texts there may be; the next one is told, and readiness is as it was.
#[tokio::test]
async fn slow_scrapers_harm_nobody() {
    let site = Site::new(testing::shared());
    let metrics = Uri::from_static("/metrics");
    let mut held = Vec::new();
    for _ in 0..MAX_TEXTS {
        let answer = site.answer(&Method::GET, &metrics).await;
        assert_eq!(answer.status(), StatusCode::OK);
        held.push(answer);
    }
    let refused = site.answer(&Method::GET, &metrics).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[RETRY_AFTER], "1");
    assert_eq!(site.answer(&Method::GET, &Uri::from_static("/ready")).await.status(), StatusCode::OK);
    held.pop();
    assert_eq!(site.answer(&Method::GET, &metrics).await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_put_out() {
    serving(async |address, _| {
        let begun = crate::clock::now();
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(b"GET /metr").await.unwrap();
        let mut answer = Vec::new();
        silent.read_to_end(&mut answer).await.unwrap();
        let waited = crate::clock::now() - begun;
        assert!(waited >= HEAD && waited < DEADLINE, "{waited:?}");
    })
    .await;
}

#[tokio::test]
async fn a_unix_socket_serves_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.sock");
    let shared = testing::shared();
    let endpoint = bind(&Address::Unix(path.clone()), &shared).unwrap();
    let local = LocalSet::new();
    local.spawn_local(serve(endpoint, shared));
    let ask = async {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(status(&answer), "200 OK");
    };
    local.run_until(ask).await;
    drop(local);
    assert!(!path.exists());
}
