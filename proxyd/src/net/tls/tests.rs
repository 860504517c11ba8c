use std::future::poll_fn;
use std::sync::LazyLock;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::super::io::Io;
use super::*;

static PROVIDER: LazyLock<Arc<rustls::crypto::CryptoProvider>> =
    LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

struct Pair {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

fn configs(versions: &[&'static SupportedProtocolVersion]) -> Pair {
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
    // Each is an issuer of its own.
    params.distinguished_name.push(rcgen::DnType::CommonName, format!("{:?}", signing_key.public_key_raw()));
    let certificate = params.self_signed(&signing_key).unwrap().der().clone();
    let key = || PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let roots = Arc::new(roots);
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&PROVIDER))
        .allow_unauthenticated()
        .build()
        .unwrap();
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.clone()], key())
        .unwrap();
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut client = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key())
        .unwrap();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Pair { server: Arc::new(server), client: Arc::new(client) }
}

/// The type of a record that is one.
const ALERT: Option<u8> = Some(21);

static PAIR: LazyLock<Pair> = LazyLock::new(|| configs(BOTH));

fn name() -> ServerName<'static> {
    ServerName::try_from("a.example").unwrap()
}

async fn agree(tls: &mut Tls) -> Result<(), Failure> {
    poll_fn(|cx| tls.poll_handshake(cx)).await
}

/// Both ends, before the handshake.
fn ends(pair: &Pair) -> (Tls, Tls) {
    let (one, other) = UnixStream::pair().unwrap();
    (
        Tls::accept(Stream::Unix(one), Arc::clone(&pair.server)).unwrap(),
        Tls::connect(Stream::Unix(other), Arc::clone(&pair.client), name()).unwrap(),
    )
}

async fn connected(pair: &Pair) -> (Tls, Tls) {
    let (mut server, mut client) = ends(pair);
    let (one, other) = tokio::join!(agree(&mut server), agree(&mut client));
    one.unwrap();
    other.unwrap();
    (server, client)
}

fn io(tls: Tls) -> Io {
    Io(Stream::Tls(Box::new(tls)))
}

/// A server's end, and the bytes of its client by hand.
fn by_hand() -> (Tls, UnixStream, ClientConnection) {
    let (one, other) = UnixStream::pair().unwrap();
    let server = Tls::accept(Stream::Unix(one), Arc::clone(&PAIR.server)).unwrap();
    (server, other, ClientConnection::new(Arc::clone(&PAIR.client), name()).unwrap())
}

fn ciphertext(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// Plays the client's part, in pieces of that size.
async fn play(socket: &mut UnixStream, client: &mut ClientConnection, piece: usize) {
    while client.is_handshaking() || client.wants_write() {
        for piece in ciphertext(client).chunks(piece) {
            socket.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        if client.is_handshaking() {
            take(socket, client).await;
        }
    }
}

async fn take(socket: &mut UnixStream, client: &mut ClientConnection) {
    let mut bytes = [0; 4096];
    let n = socket.read(&mut bytes).await.unwrap();
    assert!(n > 0, "the server went");
    let mut input = &bytes[..n];
    while !input.is_empty() {
        client.read_tls(&mut input).unwrap();
        client.process_new_packets().unwrap();
    }
}

#[tokio::test]
async fn both_ends_agree_and_tell_what_on() {
    for (versions, version, cipher) in [
        (&[&version::TLS13][..], "TLSv1.3", "TLS_AES_256_GCM_SHA384"),
        (&[&version::TLS12], "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ] {
        let pair = configs(versions);
        for resumed in [false, true] {
            let (server, client) = connected(&pair).await;
            let agreed = server.agreed();
            assert_eq!(
                (agreed.version(), agreed.cipher(), agreed.name.as_deref(), agreed.alpn.as_deref()),
                (version, cipher, Some("a.example"), Some(&b"http/1.1"[..]))
            );
            assert_eq!((agreed.resumed, agreed.certificates.len()), (resumed, 1));
            assert_eq!(client.agreed().resumed, resumed);
            // What lets the client come back quickly is sent before anything is waited for.
            let (mut server, mut client) = (io(server), io(client));
            let mut byte = [0];
            let (read, wrote) = tokio::join!(server.read(&mut byte), client.write(b"x"));
            assert_eq!((read.unwrap(), wrote.unwrap()), (1, 1));
            server.write_all(b"y").await.unwrap();
            client.read_exact(&mut byte).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_hello_may_come_byte_by_byte() {
    for piece in [1, 2, 3, 100, 4096] {
        let (mut server, mut socket, mut client) = by_hand();
        let (agreed, ()) = tokio::join!(agree(&mut server), play(&mut socket, &mut client, piece));
        agreed.unwrap();
        client.writer().write_all(b"hello").unwrap();
        for byte in ciphertext(&mut client) {
            socket.write_all(&[byte]).await.unwrap();
        }
        let mut got = [0; 5];
        io(server).read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"hello");
    }
}

#[tokio::test]
async fn much_passes_through_small_and_large_buffers() {
    for room in [1, 700, 16 * 1024, 40_000, 128 * 1024] {
        let (server, client) = connected(&PAIR).await;
        let (mut server, mut client) = (io(server), io(client));
        let length = if room == 1 { 50_000 } else { 1_000_000 };
        let sent: Vec<u8> = (0..length).map(|n: usize| (n * 7 + n / 256) as u8).collect();
        let read = async {
            let (mut got, mut buf) = (Vec::new(), vec![0; room]);
            loop {
                match server.read(&mut buf).await.unwrap() {
                    0 => return got,
                    n => got.extend_from_slice(&buf[..n]),
                }
            }
        };
        let write = async {
            client.write_all(&sent).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let (got, ()) = tokio::join!(read, write);
        assert!(got == sent, "{room}");
    }
}

#[tokio::test]
async fn a_write_is_done_when_its_ciphertext_has_left() {
    let (server, client) = connected(&PAIR).await;
    let bytes = vec![7; 60_000];
    let slices = [IoSlice::new(&bytes[..10]), IoSlice::new(&bytes[10..])];
    let mut cx = Context::from_waker(Waker::noop());
    let mut written = 0;
    // Nobody reads: at some time the socket is full, within what one call was given.
    while let Poll::Ready(n) = server.poll_write(&mut cx, &slices) {
        assert_eq!(n.unwrap(), bytes.len());
        written += bytes.len();
    }
    assert!(server.state.borrow().promised > 0 && server.state.borrow().connection.wants_write());
    let mut client = io(client);
    let mut got = 0;
    let read = async {
        let mut buf = vec![0; 100_000];
        while got < written + bytes.len() {
            got += client.read(&mut buf).await.unwrap();
        }
    };
    let write = poll_fn(|cx| server.poll_write(cx, &slices));
    let (n, ()) = tokio::join!(write, read);
    assert_eq!((n.unwrap(), got), (bytes.len(), written + bytes.len()));
}

#[tokio::test]
async fn an_idle_connection_stays_so_when_tickets_come() {
    let (server, client) = connected(&PAIR).await;
    // Its tickets leave before the server waits for a request.
    let mut cx = Context::from_waker(Waker::noop());
    assert!(server.poll_readable(&mut cx).is_pending());
    assert!(client.poll_readable(&mut cx).is_pending(), "a ticket is nothing to read");
    assert!(client.is_idle_and_open(true) && !client.has_input());
    let mut server = io(server);
    server.write_all(b"x").await.unwrap();
    assert!(!client.is_idle_and_open(true) && client.has_input());
    let mut byte = [0];
    assert_eq!(poll_fn(|cx| client.poll_read(cx, &mut byte)).await.unwrap(), 1);
    assert!(client.is_idle_and_open(true));
    server.shutdown().await.unwrap();
    assert!(!client.is_idle_and_open(true) && !client.has_input());
}

#[tokio::test]
async fn a_ticket_wakes_nobody_who_waits_for_bytes() {
    let (server, client) = connected(&PAIR).await;
    let mut cx = Context::from_waker(Waker::noop());
    assert!(server.poll_readable(&mut cx).is_pending());
    let readable = poll_fn(|cx| client.poll_readable(cx));
    assert!(tokio::time::timeout(Duration::from_millis(20), readable).await.is_err());
}

#[tokio::test]
async fn only_a_told_end_is_an_end() {
    let (server, client) = connected(&PAIR).await;
    let mut client = io(client);
    client.write_all(b"all").await.unwrap();
    drop(client);
    let mut got = Vec::new();
    io(server).read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"all");
    for cut in [true, false] {
        let (server, client) = connected(&PAIR).await;
        let mut server = io(server);
        if cut {
            client.reset_on_close();
            drop(client);
        } else {
            client.socket().unwrap().shutdown_write().unwrap();
        }
        let sign = poll_fn(|cx| server.0.poll_sign(cx)).await;
        assert_eq!(sign, Sign::Closed);
        let error = server.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[tokio::test]
async fn after_its_end_a_side_still_reads() {
    let (server, client) = connected(&PAIR).await;
    let (mut server, mut client) = (io(server), io(client));
    client.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    server.0.ended().await;
    server.write_all(b"late").await.unwrap();
    server.shutdown().await.unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"late");
}

#[tokio::test]
async fn an_end_that_finds_no_room_follows() {
    let (server, client) = connected(&PAIR).await;
    let bytes = vec![7; 60_000];
    let mut cx = Context::from_waker(Waker::noop());
    while server.poll_write(&mut cx, &[IoSlice::new(&bytes)]).is_ready() {}
    server.shutdown_write().unwrap();
    assert!(server.state.borrow().closing);
    let (mut server, mut client) = (io(server), io(client));
    let (mut got, mut byte) = (Vec::new(), [0]);
    let (all, _) = tokio::join!(client.read_to_end(&mut got), async {
        tokio::time::timeout(Duration::from_millis(200), server.read(&mut byte)).await
    });
    all.unwrap();
    assert_eq!(got.len() % bytes.len(), 0);
}

#[tokio::test]
async fn signs_come_through() {
    let (server, client) = connected(&PAIR).await;
    let mut cx = Context::from_waker(Waker::noop());
    assert!(server.poll_sign(&mut cx).is_pending());
    let mut client = io(client);
    client.write_all(b"next").await.unwrap();
    assert_eq!(poll_fn(|cx| server.poll_sign(cx)).await, Sign::Talks);
    // It stays there to be read.
    let mut got = [0; 4];
    assert_eq!(poll_fn(|cx| server.poll_read(cx, &mut got)).await.unwrap(), 4);
    let mut ended = Box::pin(async {
        Stream::Tls(Box::new(server)).ended().await;
    });
    assert!(tokio::time::timeout(Duration::from_millis(10), &mut ended).await.is_err());
    client.write_all(b"more").await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(10), &mut ended).await.is_err());
    drop(client);
    ended.await;
}

#[tokio::test]
async fn a_connection_goes_to_another_thread() {
    let (server, client) = connected(&PAIR).await;
    let mut client = io(client);
    client.write_all(b"before").await.unwrap();
    assert!(server.has_input());
    let detached = Stream::Tls(Box::new(server)).detach().unwrap();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut server = Io(detached.attach().unwrap());
            let mut got = [0; 6];
            server.read_exact(&mut got).await.unwrap();
            server.write_all(&got).await.unwrap();
        });
    });
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"before");
    thread.join().unwrap();
}

#[tokio::test]
async fn failures_are_told_apart() {
    let failure = async |bytes: &[u8]| {
        let (mut server, mut socket, _) = by_hand();
        socket.write_all(bytes).await.unwrap();
        socket.shutdown().await.unwrap();
        let failure = agree(&mut server).await.unwrap_err();
        let mut answer = Vec::new();
        drop(server);
        socket.read_to_end(&mut answer).await.unwrap();
        (failure, answer.first().copied())
    };
    assert_eq!(failure(b"").await, (Failure::Silent, None));
    assert_eq!(failure(b"\x16\x03\x01").await, (Failure::Closed, None));
    assert_eq!(failure(b"GET / HTTP/1.1\r\n\r\n").await, (Failure::NotTls, None));
    assert_eq!(failure(b"\x99\x03\x01\x00\x01\x00").await, (Failure::NotTls, ALERT));
    assert_eq!(failure(b"\x16\x03\x01\x00\x05\x05\x00\x00\x01\x00").await, (Failure::Malformed, ALERT));
    assert_eq!(failure(b"\x15\x03\x01\x00\x02\x01\x00").await.0, Failure::Closed);
    assert_eq!(failure(b"\x15\x03\x01\x00\x02\x02\x28").await.0, Failure::Alert);
}

#[tokio::test]
async fn a_client_judges_the_servers_certificate() {
    let other = configs(BOTH);
    for (server, wanted, failure, seen) in [
        (&other.server, "a.example", Failure::UnknownCa, Failure::Alert),
        (&PAIR.server, "b.example", Failure::WrongName, Failure::Alert),
    ] {
        let (one, two) = UnixStream::pair().unwrap();
        let mut server = Tls::accept(Stream::Unix(one), Arc::clone(server)).unwrap();
        let wanted = ServerName::try_from(wanted).unwrap();
        let mut client = Tls::connect(Stream::Unix(two), Arc::clone(&PAIR.client), wanted).unwrap();
        let (one, two) = tokio::join!(agree(&mut server), agree(&mut client));
        assert_eq!((two.unwrap_err(), one.unwrap_err()), (failure, seen));
    }
    let old = configs(&[&version::TLS12]);
    let new = configs(&[&version::TLS13]);
    let (mut server, mut client) = ends(&Pair { server: old.server, client: new.client });
    let (one, two) = tokio::join!(agree(&mut server), agree(&mut client));
    assert_eq!((one.unwrap_err(), two.unwrap_err()), (Failure::Version, Failure::Alert));
}

#[tokio::test]
async fn a_record_that_was_changed_breaks_the_connection() {
    let (mut server, mut socket, mut client) = by_hand();
    let (agreed, ()) = tokio::join!(agree(&mut server), play(&mut socket, &mut client, 4096));
    agreed.unwrap();
    client.writer().write_all(b"sound").unwrap();
    let sound = ciphertext(&mut client);
    client.writer().write_all(b"changed").unwrap();
    let mut changed = ciphertext(&mut client);
    changed[9] ^= 1;
    socket.write_all(&[sound, changed].concat()).await.unwrap();
    let mut server = io(server);
    let mut got = [0; 20];
    assert_eq!(server.read(&mut got).await.unwrap(), 5);
    assert_eq!(server.read(&mut got).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(poll_fn(|cx| server.0.poll_sign(cx)).await, Sign::Reset);
    assert!(!server.0.is_idle_and_open(true));
}

#[tokio::test]
async fn an_update_of_keys_is_answered_and_seen_by_nobody() {
    let (mut server, mut socket, mut client) = by_hand();
    let (agreed, ()) = tokio::join!(agree(&mut server), play(&mut socket, &mut client, 4096));
    agreed.unwrap();
    client.refresh_traffic_keys().unwrap();
    socket.write_all(&ciphertext(&mut client)).await.unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    tokio::task::yield_now().await;
    assert!(server.poll_readable(&mut cx).is_pending() && !server.has_input());
    let mut server = io(server);
    server.write_all(b"with new keys").await.unwrap();
    while client.process_new_packets().unwrap().plaintext_bytes_to_read() < 13 {
        take(&mut socket, &mut client).await;
    }
}
