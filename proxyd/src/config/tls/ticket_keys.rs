//! Keys of tickets from a file that many machines share: a line of base64 each, as HAProxy's `tls-ticket-keys` has it.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::source::Source;
use super::certificate::{Problem, bytes, fingerprint};

/// 16 bytes of a name, and what HAProxy has for AES with 128 and with 256 bits.
const LENGTHS: [usize; 2] = [48, 80];

/// Bytes that name a key in tickets.
pub const NAME: usize = 16;

/// One key.
#[derive(Clone, Eq, PartialEq)]
pub struct TicketKey {
    pub name: [u8; NAME],
    pub secret: Vec<u8>,
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey")
    }
}

/// The keys of a file, the newest last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TicketKeys(Vec<TicketKey>);

impl TicketKeys {
    pub(super) fn read(source: &dyn Source, path: &Path) -> Result<Self, Problem> {
        let bytes = bytes(source, path)?;
        Self::parse(&bytes).map_err(|reason| Problem { path: path.to_owned(), reason })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut keys: Vec<TicketKey> = Vec::new();
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let key = STANDARD.decode(line).ok().filter(|key| LENGTHS.contains(&key.len()));
            let key = key.as_deref().and_then(|key| key.split_first_chunk::<NAME>());
            let Some((name, secret)) = key else {
                return Err(format!(
                    "line {} is not 48 or 80 bytes in base64 (openssl rand -base64 80)",
                    at + 1
                ));
            };
            if keys.iter().any(|known| known.name == *name) {
                return Err(format!("line {} has the name of a key above it", at + 1));
            }
            keys.push(TicketKey { name: *name, secret: secret.to_vec() });
        }
        if keys.is_empty() { Err("it has no key".to_owned()) } else { Ok(Self(keys)) }
    }

    /// The last but one: the machines that do not have the newest yet can open what others seal.
    pub fn sealing(&self) -> Option<&TicketKey> {
        self.0.get(self.0.len().saturating_sub(2))
    }

    /// Tells them from others.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.0.iter().flat_map(|key| [&key.name[..], &key.secret[..]]))
    }

    pub fn named(&self, name: &[u8]) -> Option<&TicketKey> {
        self.0.iter().find(|key| key.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(byte: u8, length: usize) -> String {
        STANDARD.encode(vec![byte; length])
    }

    #[test]
    fn the_last_but_one_seals_and_all_open() {
        let text = format!("{}\n\n{}\r\n{}\n", line(1, 48), line(2, 80), line(3, 80));
        let keys = TicketKeys::parse(text.as_bytes()).unwrap();
        assert_eq!(keys.sealing().unwrap().name, [2; NAME]);
        for name in 1..=3 {
            assert_eq!(keys.named(&[name; NAME]).unwrap().secret[0], name);
        }
        assert_eq!(keys.named(&[4; NAME]), None);
        let one = TicketKeys::parse(line(7, 80).as_bytes()).unwrap();
        assert_eq!(one.sealing().unwrap().name, [7; NAME]);
        assert_eq!(format!("{one:?}"), "TicketKeys([TicketKey])", "no secret is shown");
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_line() {
        for (text, reason) in [
            (format!("{}\n{}", line(1, 48), line(2, 47)), "line 2 is not 48 or 80 bytes"),
            ("not base64!".to_owned(), "line 1 is not 48 or 80 bytes"),
            (format!("{0}\n{0}", line(1, 48)), "line 2 has the name of a key above it"),
            ("\n \n".to_owned(), "it has no key"),
        ] {
            let told = TicketKeys::parse(text.as_bytes()).unwrap_err();
            assert!(told.starts_with(reason), "{told}");
        }
    }
}
