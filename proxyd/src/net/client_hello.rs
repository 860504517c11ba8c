//! The first message of TLS, as far as it says whom a client wants: read from bytes that stay as they are, and strictly,
//! so that no server reads another name out of them.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::config::is_host_name;

/// Longest hello, with the heads of its records.
pub const LONGEST: usize = 16 * 1024;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
/// What TLS lets a record hold in clear text.
const LONGEST_RECORD: usize = 1 << 14;
const RECORD_HEAD: usize = 5;
const MESSAGE_HEAD: usize = 4;

/// What the bytes so far are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seen {
    /// The beginning of a hello.
    Partial,
    /// No TLS.
    Other,
    /// A whole hello, which names a host, in small letters and without a dot at its end, or none.
    Hello(Option<String>),
}

/// What begins like a hello and is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Invalid {
    #[error("a ClientHello of more than 16 KiB")]
    TooLong,
    #[error("a TLS record that cannot stand in front of a handshake")]
    Record,
    #[error("a handshake that does not begin with a ClientHello")]
    Message,
    #[error("a ClientHello that is malformed")]
    Malformed,
    #[error("a server name that is no host name")]
    Name,
}

/// Reads a hello that comes in pieces; every byte is looked at once.
#[derive(Debug, Default)]
pub struct Reader {
    /// Bytes of records that have been read.
    read: usize,
    /// What they held.
    message: Vec<u8>,
}

impl Reader {
    /// `bytes` is all that came, from the first on.
    pub fn look(&mut self, bytes: &[u8]) -> Result<Seen, Invalid> {
        let bytes = &bytes[..bytes.len().min(LONGEST)];
        loop {
            let rest = bytes.get(self.read..).unwrap_or_default();
            let first = self.read == 0;
            let wrong = if first { Ok(Seen::Other) } else { Err(Invalid::Record) };
            match rest {
                [kind, ..] if *kind != HANDSHAKE => return wrong,
                [_, major, ..] if *major != 3 => return wrong,
                [] | [_] | [_, _] | [_, _, _] | [_, _, _, _] => return wait(bytes),
                [_, _, _, high, low, body @ ..] => {
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    if length == 0 || length > LONGEST_RECORD {
                        return Err(Invalid::Record);
                    }
                    if first && body.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
                        return Err(Invalid::Message);
                    }
                    let Some(body) = body.get(..length) else { return wait(bytes) };
                    self.message.extend_from_slice(body);
                    self.read += RECORD_HEAD + length;
                }
            }
            if let Some(seen) = self.message()? {
                return Ok(seen);
            }
        }
    }

    /// What a message says that is whole.
    fn message(&self) -> Result<Option<Seen>, Invalid> {
        let [_, a, b, c, body @ ..] = &self.message[..] else { return Ok(None) };
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if MESSAGE_HEAD + length > LONGEST {
            return Err(Invalid::TooLong);
        }
        body.get(..length).map(|body| Ok(Seen::Hello(name_of(body)?))).transpose()
    }
}

/// For more, where more can make it whole.
fn wait(bytes: &[u8]) -> Result<Seen, Invalid> {
    if bytes.len() >= LONGEST { Err(Invalid::TooLong) } else { Ok(Seen::Partial) }
}

/// Bytes that are taken from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Invalid> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(Invalid::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Invalid> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> Result<u16, Invalid> {
        let taken = self.take(2)?;
        Ok(u16::from_be_bytes([taken[0], taken[1]]))
    }

    /// Behind a length of one byte.
    fn short(&mut self) -> Result<&'a [u8], Invalid> {
        let length = self.byte()?;
        self.take(length.into())
    }

    /// Behind a length of two.
    fn long(&mut self) -> Result<&'a [u8], Invalid> {
        let length = self.number()?;
        self.take(length.into())
    }
}

/// Which host the body of a hello names (RFC 8446 4.1.2, RFC 5246 7.4.1.2).
fn name_of(body: &[u8]) -> Result<Option<String>, Invalid> {
    let mut body = Bytes(body);
    let version = body.take(2)?;
    body.take(32)?;
    let session = body.short()?;
    let suites = body.long()?;
    let compressions = body.short()?;
    let sound = version[0] == 3
        && session.len() <= 32
        && !suites.is_empty()
        && suites.len().is_multiple_of(2)
        && !compressions.is_empty();
    if !sound {
        return Err(Invalid::Malformed);
    }
    // Before TLS 1.3 there may be none.
    if body.0.is_empty() {
        return Ok(None);
    }
    let mut extensions = Bytes(body.long()?);
    if !body.0.is_empty() {
        return Err(Invalid::Malformed);
    }
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let extension = extensions.long()?;
        // Which of two holds is for nobody to guess.
        if kind == SERVER_NAME && found.replace(server_name(extension)?).is_some() {
            return Err(Invalid::Malformed);
        }
    }
    Ok(found.flatten())
}

/// The one name of the extension (RFC 6066 3).
fn server_name(extension: &[u8]) -> Result<Option<String>, Invalid> {
    let mut extension = Bytes(extension);
    let mut list = Bytes(extension.long()?);
    let kind = list.byte()?;
    let name = list.long()?;
    if kind != HOST_NAME || !list.0.is_empty() || !extension.0.is_empty() {
        return Err(Invalid::Malformed);
    }
    let name = str::from_utf8(name).map_err(|_not_text| Invalid::Name)?;
    // An address is no name, and clients that send one all the same want no certificate of that name.
    if name.parse::<IpAddr>().is_ok() {
        return Ok(None);
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if is_host_name(name) { Ok(Some(name.to_ascii_lowercase())) } else { Err(Invalid::Name) }
}
