//! How long a body is, and what about it is refused (RFC 9112 6).

use super::field::{Fields, Known, tokens};

/// How a body ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Body {
    None,
    Length(u64),
    Chunked,
    /// With the connection; answers only.
    UntilClose,
}

/// What the framing fields of a head say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Framing {
    pub length: Option<u64>,
    pub chunked: bool,
}

/// Framing that two parsers could read in two ways, or that nobody can read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ambiguous {
    /// Not one plain number.
    ContentLength,
    /// Both a length and a coding.
    Both,
    /// More than one field, or `chunked` in a way that is not just `chunked`.
    TransferEncoding,
    /// A coding other than `chunked`.
    UnknownCoding,
}

impl Ambiguous {
    pub const fn reason(self) -> &'static str {
        match self {
            Self::ContentLength => "Content-Length is not one number",
            Self::Both => "Content-Length and Transfer-Encoding together",
            Self::TransferEncoding => "Transfer-Encoding is not exactly one chunked",
            Self::UnknownCoding => "a transfer coding that is not known",
        }
    }
}

/// Reads all framing fields of a head.
pub fn read(fields: &Fields<'_>) -> Result<Framing, Ambiguous> {
    let mut framing = Framing::default();
    if !fields.has_framing() {
        return Ok(framing);
    }
    for (field, known) in fields.iter() {
        match known {
            Some(Known::ContentLength) => {
                if framing.length.is_some() {
                    return Err(Ambiguous::ContentLength);
                }
                framing.length = Some(length(field.value).ok_or(Ambiguous::ContentLength)?);
            }
            Some(Known::TransferEncoding) => {
                if framing.chunked {
                    return Err(Ambiguous::TransferEncoding);
                }
                coding(field.value)?;
                framing.chunked = true;
            }
            _ => {}
        }
    }
    if framing.chunked && framing.length.is_some() {
        return Err(Ambiguous::Both);
    }
    Ok(framing)
}

/// Digits only, and few enough that no implementation overflows.
fn length(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii();
    if value.is_empty() || value.len() > 18 {
        return None;
    }
    value.iter().try_fold(0_u64, |n, &b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')))
}

fn coding(value: &[u8]) -> Result<(), Ambiguous> {
    if value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    // Something that holds `chunked`, or not even a token, is meant to be read in two ways.
    let plain = |t: &[u8]| t.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
    let all_plain = tokens(value).count() > 0 && tokens(value).all(plain);
    if all_plain && !tokens(value).any(|t| t.eq_ignore_ascii_case(b"chunked")) {
        Err(Ambiguous::UnknownCoding)
    } else {
        Err(Ambiguous::TransferEncoding)
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::Field;
    use super::*;

    fn framing(fields: &[(&str, &str)]) -> Result<Framing, Ambiguous> {
        let fields: Vec<Field<'_>> =
            fields.iter().map(|(name, value)| Field { name, value: value.as_bytes() }).collect();
        read(&Fields::new(&fields))
    }

    #[test]
    fn lengths() {
        let length = |n| Ok(Framing { length: Some(n), chunked: false });
        assert_eq!(framing(&[("Content-Length", "0")]), length(0));
        assert_eq!(framing(&[("content-length", "42")]), length(42));
        for bad in ["", " ", "+5", "-1", "0x5", "5, 5", "5 5", "1e3", "9999999999999999999", "٥"] {
            assert_eq!(framing(&[("Content-Length", bad)]), Err(Ambiguous::ContentLength), "{bad:?}");
        }
        assert_eq!(
            framing(&[("Content-Length", "5"), ("Content-Length", "5")]),
            Err(Ambiguous::ContentLength)
        );
    }

    #[test]
    fn codings() {
        let chunked = Ok(Framing { length: None, chunked: true });
        assert_eq!(framing(&[("Transfer-Encoding", "Chunked")]), chunked);
        for (bad, error) in [
            ("gzip", Ambiguous::UnknownCoding),
            ("gzip, chunked", Ambiguous::TransferEncoding),
            ("chunked, chunked", Ambiguous::TransferEncoding),
            ("chunked;q=1", Ambiguous::TransferEncoding),
            ("\x0bchunked", Ambiguous::TransferEncoding),
            ("", Ambiguous::TransferEncoding),
        ] {
            assert_eq!(framing(&[("Transfer-Encoding", bad)]), Err(error), "{bad:?}");
        }
        assert_eq!(
            framing(&[("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")]),
            Err(Ambiguous::TransferEncoding)
        );
        assert_eq!(
            framing(&[("Transfer-Encoding", "chunked"), ("Content-Length", "5")]),
            Err(Ambiguous::Both)
        );
    }
}
