//! What sample expressions come to: values of a connection, a request's head as the server is sent it, an answer's as
//! the client is.
//!
//! Nothing is allocated for what stands in a head as it is asked for, nor for what is made of it up to 64 bytes.

mod convert;
pub mod head;
#[cfg(test)]
pub(crate) mod testing;
mod value;

use std::net::SocketAddr;

use self::head::Head;
pub use self::value::{Bytes, Value, v4_of};
use crate::config::sample::{CertFact, Fetch, HeaderName, Message, Sample, TlsFact};
use crate::net::tls::Agreed;
use crate::tls::shown::Shown;

/// A client's connection, which is asked for what an expression wants and nothing else.
pub trait Client {
    /// `None` for a Unix socket.
    fn source(&self) -> Option<SocketAddr>;
    /// The address it came to.
    fn destination(&self) -> Option<SocketAddr>;
    /// What its handshake agreed on.
    fn tls(&self) -> Option<&Agreed>;
    /// The certificate it showed, read and as it is.
    fn certificate(&self) -> Option<(&Shown, &[u8])>;
    /// Any number.
    fn random(&self) -> u32;
}

/// What an expression is evaluated of.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub client: &'a dyn Client,
    pub request: Option<Request<'a>>,
    /// An answer's head, as written for the client.
    pub response: Option<&'a [u8]>,
}

/// A request's head.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// As written for the server.
    pub head: &'a [u8],
    /// With which scheme the client named the whole URL; `None` where it named the path alone. Streams of HTTP/2
    /// always name the whole.
    pub scheme: Option<&'static str>,
}

impl std::fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").field("request", &self.request).finish_non_exhaustive()
    }
}

impl<'a> Facts<'a> {
    /// Those of a connection alone.
    pub fn of_connection(client: &'a dyn Client) -> Self {
        Self { client, request: None, response: None }
    }

    fn head(&self, message: Message) -> Option<Head<'a>> {
        match message {
            Message::Request => self.request.map(|request| Head::new(request.head)),
            Message::Response => self.response.map(Head::new),
        }
    }
}

impl Sample {
    /// Its value; `None` where there is none, or a converter cannot take what came before it.
    pub fn evaluate<'a>(&'a self, facts: &Facts<'a>) -> Option<Value<'a>> {
        self.converters.iter().try_fold(self.fetch.evaluate(facts)?, convert::apply)
    }
}

impl Fetch {
    fn evaluate<'a>(&'a self, facts: &Facts<'a>) -> Option<Value<'a>> {
        let text = |text: &'a [u8]| Value::Text(text.into());
        let client = facts.client;
        Some(match self {
            Self::Source => Value::Ip(client.source()?.ip()),
            Self::SourcePort => Value::Integer(client.source()?.port().into()),
            Self::Destination => Value::Ip(client.destination()?.ip()),
            Self::DestinationPort => Value::Integer(client.destination()?.port().into()),
            Self::Method => text(facts.head(Message::Request)?.method()?),
            Self::Path => text(head::without_query(facts.request?.path()?)),
            Self::PathQuery => text(facts.request?.path()?),
            Self::Url => Value::Text(facts.request?.url()?),
            Self::Query { mark } => text(head::query(facts.request?.path()?, *mark)?),
            Self::Base | Self::BaseQuery => {
                Value::Text(facts.request?.base(matches!(self, Self::BaseQuery))?)
            }
            Self::UrlParam { name, from, any_case } => {
                text(head::url_param(facts.request?.path()?, name, *from, *any_case)?)
            }
            Self::Header(message, HeaderName { name, occurrence }) => {
                text(head::occurrence(facts.head(*message)?.values(name), *occurrence)?)
            }
            Self::Field(message, HeaderName { name, occurrence }) => {
                text(head::occurrence(facts.head(*message)?.fields(name), *occurrence)?)
            }
            Self::Cookie(message, name) => text(facts.head(*message)?.cookie(*message, name)?),
            Self::Status => Value::Integer(facts.head(Message::Response)?.status()?),
            Self::Tls(fact) => fact.evaluate(client)?,
            Self::Certificate(fact) => fact.evaluate(client)?,
            Self::Text(written) => text(written),
            Self::Integer(number) => Value::Integer(*number),
            Self::Random(None) => Value::Integer(client.random().into()),
            Self::Random(Some(range)) => {
                Value::Integer(((u64::from(client.random()) * u64::from(*range)) >> 32) as i64)
            }
        })
    }
}

impl TlsFact {
    fn evaluate<'a>(self, client: &'a dyn Client) -> Option<Value<'a>> {
        let agreed = client.tls();
        let text = |text: &'a [u8]| Value::Text(text.into());
        Some(match self {
            Self::Used => Value::Integer(agreed.is_some().into()),
            Self::HasSni => Value::Integer(agreed.is_some_and(|agreed| agreed.name.is_some()).into()),
            Self::Resumed => Value::Integer(agreed.is_some_and(|agreed| agreed.resumed).into()),
            Self::Sni => text(agreed?.name.as_deref()?.as_bytes()),
            Self::Alpn => text(agreed?.alpn.as_deref()?),
            Self::Cipher => text(agreed?.cipher().as_bytes()),
            Self::Version => text(agreed?.version().as_bytes()),
        })
    }
}

impl CertFact {
    fn evaluate(self, client: &dyn Client) -> Option<Value<'_>> {
        let shown = client.certificate();
        Some(match self {
            Self::Used => Value::Integer(shown.is_some().into()),
            // Whose certificate is not in order does not get in.
            Self::Verify => Value::Integer(client.tls().map(|_| 0)?),
            Self::Subject => Value::Text(Bytes::made(&shown?.0.subject.one_line())),
            Self::SubjectCn => Value::Text(shown?.0.subject.common().into()),
            Self::Issuer => Value::Text(Bytes::made(&shown?.0.issuer.one_line())),
            Self::IssuerCn => Value::Text(shown?.0.issuer.common().into()),
            Self::Serial => Value::Binary(convert::of_hexadecimal(&shown?.0.serial)),
            Self::Sha1 => Value::Binary(convert::of_hexadecimal(&shown?.0.sha1)),
            Self::Der => Value::Binary(shown?.1.into()),
            Self::NotBefore => Value::Text(Bytes::made(shown?.0.not_before().as_bytes())),
            Self::NotAfter => Value::Text(Bytes::made(shown?.0.not_after().as_bytes())),
        })
    }
}

#[cfg(test)]
mod tests;
