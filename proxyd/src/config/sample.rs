//! Sample expressions, HAProxy's (configuration manual 7.3): a value is fetched of a connection, a request or an answer,
//! and converted. Here they are read and checked for where they stand; `crate::sample` evaluates them.

mod later;
mod words;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::words::nearest;
use crate::expr::{self, Call, Expr};

/// An expression that can be evaluated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sample {
    /// As written.
    pub text: Box<str>,
    pub fetch: Fetch,
    pub converters: Box<[Converter]>,
    kind: Kind,
}

/// What there is where an expression is evaluated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// A client's connection.
    Connection,
    /// That and its request.
    Request,
    /// The connection and a server's answer.
    Response,
}

/// What a value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// IPv4 or IPv6.
    Address,
    Integer,
    /// Bytes that are text.
    Text,
    Binary,
}

/// A message of HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Message {
    Request,
    Response,
}

/// Where a value is taken from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fetch {
    Source,
    SourcePort,
    Destination,
    DestinationPort,
    Method,
    Path,
    PathQuery,
    Url,
    /// What is behind the `?`, or from it on.
    Query {
        mark: bool,
    },
    /// The host, and the path behind it.
    Base,
    BaseQuery,
    /// A parameter of the URL; of no name the first there is.
    UrlParam {
        name: Box<[u8]>,
        /// What parameters begin behind.
        from: u8,
        any_case: bool,
    },
    /// One of the values between commas, over all fields of this name: from 1 on, or from -1 back.
    Header(Message, HeaderName),
    /// The same of whole fields.
    Field(Message, HeaderName),
    /// The last cookie of this name; of no name the first there is.
    Cookie(Message, Box<[u8]>),
    Status,
    Tls(TlsFact),
    Certificate(CertFact),
    Text(Box<[u8]>),
    Integer(i64),
    /// A number below this one.
    Random(Option<u32>),
}

/// Which header field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeaderName {
    pub name: Box<str>,
    pub occurrence: i32,
}

/// What a client's handshake agreed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsFact {
    Used,
    Sni,
    HasSni,
    Alpn,
    Cipher,
    Version,
    Resumed,
}

/// What a client's certificate says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertFact {
    Used,
    Subject,
    SubjectCn,
    Issuer,
    IssuerCn,
    Serial,
    Sha1,
    Der,
    NotBefore,
    NotAfter,
    Verify,
}

/// What is done to a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Converter {
    Lower,
    Upper,
    /// What stands between delimiters, which may come in rows.
    Word(Part),
    /// What stands between two delimiters.
    Field(Part),
    Length,
    Bytes {
        start: usize,
        length: Option<usize>,
    },
    IpMask {
        v4: Ipv4Addr,
        v6: Option<Ipv6Addr>,
    },
    /// `+` is a blank behind a `?`, and everywhere in a form.
    UrlDecode {
        form: bool,
    },
    Hex,
    Base64,
    Hash(HashWord, Spread),
    Xxh32 {
        seed: u32,
    },
    Xxh64 {
        seed: u64,
    },
    Xxh3 {
        seed: u64,
    },
}

/// A part of a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// From 1 on, or from -1 back.
    pub index: i64,
    pub delimiters: Box<[u8]>,
    /// So many of them; 0 is all that follow.
    pub count: i64,
}

/// HAProxy's hashes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HashWord {
    Sdbm,
    Djb2,
    Wt6,
    Crc32,
}

/// What is done to a hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spread {
    AsItIs,
    Avalanche,
}

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wrong {
    pub at: Range<usize>,
    pub message: String,
    /// What stands under the place.
    pub label: String,
    /// It is HAProxy's and not built yet.
    pub later: bool,
}

impl Sample {
    /// Reads an expression for where it stands.
    pub fn read(text: &str, place: Place) -> Result<Self, Wrong> {
        let expr = Expr::parse(text)?;
        let fetch = words::fetch(&expr.fetch)?;
        let mut kind = fetch.kind();
        if let Some(message) = fetch.needs().missing_at(place) {
            let name = &expr.fetch.name;
            return Err(wrong(expr.fetch.at.clone(), format!("`{name}` {message}"), ""));
        }
        let mut converters = Vec::with_capacity(expr.converters.len());
        for call in &expr.converters {
            let converter = words::converter(call)?;
            let (takes, gives) = converter.kinds();
            if !kind.becomes(takes) {
                let message = format!("`{}` takes {}, which {} is not", call.name, takes.what(), kind.what());
                return Err(wrong(call.at.clone(), message, format!("here stands {}", kind.what())));
            }
            kind = gives;
            converters.push(converter);
        }
        Ok(Self { text: text.into(), fetch, converters: converters.into(), kind })
    }

    /// What its value is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The least that has to be there.
    pub fn needs(&self) -> Place {
        self.fetch.needs()
    }
}

impl Place {
    /// Why what needs this cannot stand at another place.
    const fn missing_at(self, place: Self) -> Option<&'static str> {
        match (self, place) {
            (Self::Connection, _) | (Self::Request, Self::Request) | (Self::Response, Self::Response) => None,
            (_, Self::Connection) => Some("is of HTTP, and here is a connection alone (mode tcp)"),
            (_, Self::Request) => Some("is of the answer, which has not come yet here"),
            (_, Self::Response) => Some("is of the request, which is gone when its answer is looked at"),
        }
    }
}

impl Kind {
    /// Whether a value can be made one of another kind, if it has the form.
    pub const fn becomes(self, other: Self) -> bool {
        match (self, other) {
            (Self::Address, Self::Integer) | (Self::Binary, Self::Address | Self::Integer) => false,
            (Self::Address | Self::Integer | Self::Text | Self::Binary, _) => true,
        }
    }

    /// As messages say it.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Address => "an address",
            Self::Integer => "a number",
            Self::Text => "a text",
            Self::Binary => "binary data",
        }
    }
}

impl Fetch {
    fn kind(&self) -> Kind {
        match self {
            Self::Source | Self::Destination => Kind::Address,
            Self::SourcePort
            | Self::DestinationPort
            | Self::Status
            | Self::Integer(_)
            | Self::Random(_)
            | Self::Tls(TlsFact::Used | TlsFact::HasSni | TlsFact::Resumed)
            | Self::Certificate(CertFact::Used | CertFact::Verify) => Kind::Integer,
            Self::Certificate(CertFact::Serial | CertFact::Sha1 | CertFact::Der) => Kind::Binary,
            _ => Kind::Text,
        }
    }

    fn needs(&self) -> Place {
        match self {
            Self::Source
            | Self::SourcePort
            | Self::Destination
            | Self::DestinationPort
            | Self::Tls(_)
            | Self::Certificate(_)
            | Self::Text(_)
            | Self::Integer(_)
            | Self::Random(_) => Place::Connection,
            Self::Header(Message::Response, _)
            | Self::Field(Message::Response, _)
            | Self::Cookie(Message::Response, _)
            | Self::Status => Place::Response,
            _ => Place::Request,
        }
    }
}

impl Converter {
    /// What it takes, and what it gives.
    fn kinds(&self) -> (Kind, Kind) {
        match self {
            Self::Lower | Self::Upper | Self::Word(_) | Self::Field(_) | Self::UrlDecode { .. } => {
                (Kind::Text, Kind::Text)
            }
            Self::Length => (Kind::Text, Kind::Integer),
            Self::Bytes { .. } => (Kind::Binary, Kind::Binary),
            Self::IpMask { .. } => (Kind::Address, Kind::Address),
            Self::Hex | Self::Base64 => (Kind::Binary, Kind::Text),
            Self::Hash(..) | Self::Xxh32 { .. } | Self::Xxh64 { .. } | Self::Xxh3 { .. } => {
                (Kind::Binary, Kind::Integer)
            }
        }
    }
}

impl From<expr::Wrong> for Wrong {
    fn from(expr::Wrong { at, message, label }: expr::Wrong) -> Self {
        Self { at, message, label, later: false }
    }
}

fn wrong(at: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Wrong {
    Wrong { at, message: message.into(), label: label.into(), later: false }
}

/// What to say of a word that is none.
fn unknown(call: &Call, what: &str, known: &[&str], later: &str) -> Wrong {
    let name = &*call.name;
    if later.split(' ').any(|word| word == name) {
        let message = format!("`{name}` is not supported yet");
        return Wrong { later: true, ..wrong(call.at.clone(), message, "") };
    }
    let message = format!("`{name}` is not {what}");
    let label = match nearest(name, known.iter().copied().chain(later.split(' '))) {
        Some(near) if known.contains(&near) => format!("did you mean `{near}`?"),
        Some(near) => format!("did you mean `{near}`? It is not supported yet"),
        None => String::new(),
    };
    wrong(call.at.clone(), message, label)
}

/// The words of expressions, as the reference lists them.
pub(super) fn reference() -> String {
    let list = |names: &[&str]| super::words::list(names.iter().copied(), "and");
    format!(
        "\n## Sample expressions\n\nThe keys of `hash(..)`, `track` and `stick` are HAProxy's sample expressions: a fetch, and \
         converters behind it, with commas between and arguments in ( ), as in `req.hdr(x-tenant),lower`. An argument with a \
         comma, a bracket or a quote in it stands in `'` or `\"`.\n\nOf a request its head is looked at as the server is sent it: \
         with the headers that are added to it, without a cookie that servers do not see. Of an answer it is the head that the \
         client is sent. Proxies of mode tcp have what is not of HTTP: addresses, ports, TLS and constants.\n\nFetches: {}.\n\n\
         Converters: {}.\n",
        list(words::FETCHES),
        list(words::CONVERTERS),
    )
}

/// A mask as a number of bits or as an address.
fn mask(text: &str, bits: u32) -> Option<IpAddr> {
    if let Ok(length) = text.parse::<u32>() {
        let ones = (length <= bits).then(|| u128::MAX.checked_shl(128 - length).unwrap_or(0))?;
        return Some(if bits == 32 {
            Ipv4Addr::from((ones >> 96) as u32).into()
        } else {
            Ipv6Addr::from(ones).into()
        });
    }
    text.parse().ok().filter(|mask: &IpAddr| mask.is_ipv4() == (bits == 32))
}

#[cfg(test)]
mod tests;
