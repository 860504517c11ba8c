//! The hello of TLS: however it arrives, it names the host that rustls reads out of it.

use proxyd::net::client_hello::{LONGEST, Reader, Seen};
use rustls::server::Acceptor;

/// The first byte says in pieces of how many bytes the rest arrives.
pub fn client_hello(bytes: &[u8]) {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    let whole = Reader::default().look(bytes);
    let mut reader = Reader::default();
    let mut pieces = Ok(Seen::Partial);
    for end in (0..bytes.len()).step_by(usize::from(*piece).max(1)).chain([bytes.len()]) {
        if pieces == Ok(Seen::Partial) {
            pieces = reader.look(&bytes[..end]);
        }
    }
    assert_eq!(whole, pieces, "it matters how it is cut");
    let Some(theirs) = by_rustls(&bytes[..bytes.len().min(LONGEST)]) else { return };
    if let Ok(ours @ Seen::Hello(_)) = whole {
        assert_eq!(ours, theirs, "another host");
    }
}

/// The host of a hello that rustls would go on with.
fn by_rustls(mut bytes: &[u8]) -> Option<Seen> {
    let mut acceptor = Acceptor::default();
    while !bytes.is_empty() {
        acceptor.read_tls(&mut bytes).ok()?;
        if let Some(accepted) = acceptor.accept().ok()? {
            let name = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
            let name = name.map(|name| name.strip_suffix('.').map(str::to_owned).unwrap_or(name));
            return Some(Seen::Hello(name));
        }
    }
    None
}
