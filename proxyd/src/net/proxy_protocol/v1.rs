//! Version 1: `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n`.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Addresses, Header, Invalid, Parsed, Tlvs, canonical, of_one_family};

/// With its line end.
const LONGEST_LINE: usize = 107;
const START: &[u8] = b"PROXY ";
const UNKNOWN: &str = "UNKNOWN";

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Invalid> {
    let seen = bytes.len().min(START.len());
    if bytes[..seen] != START[..seen] {
        return Err(Invalid::Signature);
    }
    let window = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = window.iter().position(|&byte| matches!(byte, b'\r' | b'\n')) else {
        return if window.len() == LONGEST_LINE { Err(Invalid::LongLine) } else { Ok(Parsed::Partial) };
    };
    match window[end..] {
        [b'\r', b'\n', ..] => {}
        [b'\r'] if end + 1 < LONGEST_LINE => return Ok(Parsed::Partial),
        _ => return Err(Invalid::Line),
    }
    let line = window.get(START.len()..end).ok_or(Invalid::Line)?;
    let line = std::str::from_utf8(line).map_err(|_not_text| Invalid::Line)?;
    let addresses = if line == UNKNOWN || line.starts_with("UNKNOWN ") {
        // What follows is to be ignored.
        None
    } else {
        Some(addresses(line).ok_or(Invalid::Line)?)
    };
    Ok(Parsed::Complete(Header { addresses, tlvs: Tlvs::default() }, end + 2))
}

fn addresses(line: &str) -> Option<Addresses> {
    let mut words = line.split(' ');
    let family = words.next()?;
    let mut ip = || {
        let word = words.next()?;
        Some(match family {
            "TCP4" => IpAddr::V4(word.parse::<Ipv4Addr>().ok()?),
            "TCP6" => IpAddr::V6(word.parse::<Ipv6Addr>().ok()?),
            _ => return None,
        })
    };
    let (source, destination) = (ip()?, ip()?);
    let (from, to) = (port(words.next()?)?, port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    Some(Addresses { source: canonical(source, from), destination: canonical(destination, to) })
}

/// Digits without heading zeros.
fn port(word: &str) -> Option<u16> {
    let plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| plain)
}

pub(super) fn write(out: &mut Vec<u8>, addresses: Option<Addresses>) {
    let _into_memory = match addresses.map(of_one_family) {
        None => write!(out, "PROXY UNKNOWN\r\n"),
        Some(Addresses { source, destination }) => write!(
            out,
            "PROXY TCP{} {} {} {} {}\r\n",
            if source.is_ipv4() { '4' } else { '6' },
            source.ip(),
            destination.ip(),
            source.port(),
            destination.port()
        ),
    };
}
