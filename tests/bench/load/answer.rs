//! As much of HTTP/1.1 as the clients need.

use std::io::{self, Read};

/// The request that is measured with; wrk's is of the same size.
pub(crate) const GET: &[u8] = b"GET /66 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// The same, the only one of its connection.
pub(crate) const LAST_GET: &[u8] = b"GET /66 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";

/// Length of the whole answer that `bytes` begins with, once its head is there.
pub(crate) fn length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let Some(head) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else {
        return Ok(None);
    };
    if !bytes.starts_with(b"HTTP/1.1 200") {
        let line = bytes.split(|&it| it == b'\r').next().unwrap_or_default();
        return Err(io::Error::other(format!("answered {}", String::from_utf8_lossy(line))));
    }
    let body = bytes[..head].split(|&it| it == b'\n').find_map(|line| {
        let line = line.trim_ascii();
        let name = line.get(..15)?;
        name.eq_ignore_ascii_case(b"content-length:")
            .then(|| str::from_utf8(&line[15..]).ok()?.trim().parse::<usize>().ok())?
    });
    let body = body.ok_or_else(|| io::Error::other("answered without a length"))?;
    Ok(Some(head + 4 + body))
}

/// Reads one whole answer.
pub(crate) fn read_whole(stream: &mut impl Read) -> io::Result<()> {
    read(stream, |bytes| Ok(length(bytes)?.is_some_and(|length| bytes.len() >= length)))
}

/// Reads as much of an answer as is asked for.
pub(crate) fn read(stream: &mut impl Read, whole: impl Fn(&[u8]) -> io::Result<bool>) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    while !whole(&bytes)? {
        match stream.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => bytes.extend_from_slice(&part[..n]),
        }
    }
    Ok(())
}
