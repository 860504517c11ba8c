//! Why a request is refused: the answer it gets, the reason in words for the log, and a word for its counter.

use super::framing::Ambiguous;
use super::reply::Reply;
use crate::stats::counted::counted;

macro_rules! reasons {
    ($($name:ident: $reply:ident, $label:literal, $text:expr;)*) => {
        counted! {
            /// Why a request goes nowhere, or no further.
            Reason {
                $($name: $label, $text;)*
            }
        }

        impl Reason {
            /// What it is answered with.
            pub const fn reply(self) -> Reply {
                match self {
                    $(Self::$name => Reply::$reply,)*
                }
            }
        }
    };
}

reasons! {
    RequestLine: BadRequest, "request_line", "the request line is malformed";
    Version: BadRequest, "version", "the version is not HTTP/1.0 or HTTP/1.1";
    FieldName: BadRequest, "field_name", "a header name is malformed";
    FieldValue: BadRequest, "field_value", "a header value is malformed";
    LineEnd: BadRequest, "line_end", "a line end is malformed";
    EndsEarly: BadRequest, "ends_early", "the head ends early";
    NoHost: BadRequest, "no_host", "no Host";
    Hosts: BadRequest, "hosts", "more than one Host";
    Host: BadRequest, "host", "Host is not a host";
    HostDiffers: BadRequest, "host_differs", "Host differs from the target's authority";
    TargetByte: BadRequest, "target_byte", "the target holds a byte that no URI has";
    TargetForm: BadRequest, "target_form", "the target is neither a path nor a URI";
    Authority: BadRequest, "authority", "the target's authority is not a host";
    ConnectTarget: BadRequest, "connect_target", "the target of CONNECT is not a host and a port";
    ConnectBody: BadRequest, "connect_body", "CONNECT with a body";
    ContentLength: BadRequest, "content_length", Ambiguous::ContentLength.reason();
    LengthAndCoding: BadRequest, "length_and_coding", Ambiguous::Both.reason();
    TransferEncoding: BadRequest, "transfer_encoding", Ambiguous::TransferEncoding.reason();
    CodingInOld: BadRequest, "coding_in_1_0", "Transfer-Encoding in an HTTP/1.0 request";
    Chunks: BadRequest, "chunks", "the body's chunks are malformed";
    HeadTimeout: RequestTimeout, "head_timeout", "the head did not come in time";
    BodyTimeout: RequestTimeout, "body_timeout", "the body did not come in time";
    BodyTooLarge: ContentTooLarge, "body_too_large", "the body is longer than allowed";
    LineTooLong: UriTooLong, "uri_too_long", "the target is longer than allowed";
    Expectation: ExpectationFailed, "expectation", "an expectation other than 100-continue";
    TooManyFields: HeadTooLarge, "too_many_fields", "too many header fields";
    HeadTooLong: HeadTooLarge, "head_too_long", "the head is longer than allowed";
    UnknownCoding: NotImplemented, "unknown_coding", Ambiguous::UnknownCoding.reason();
    InClear: BadRequest, "in_clear", "a request in clear where TLS is spoken";
    NoUpgrade: BadGateway, "no_upgrade", "the server takes no switch of protocols over HTTP/2";
    Misdirected: Misdirected, "misdirected", "another host than the one whose handshake took the client's certificate";
    ConnectOff: NotImplemented, "connect_off", "CONNECT is not allowed here";
}

impl From<Ambiguous> for Reason {
    fn from(ambiguous: Ambiguous) -> Self {
        match ambiguous {
            Ambiguous::ContentLength => Self::ContentLength,
            Ambiguous::Both => Self::LengthAndCoding,
            Ambiguous::TransferEncoding => Self::TransferEncoding,
            Ambiguous::UnknownCoding => Self::UnknownCoding,
        }
    }
}

impl From<httparse::Error> for Reason {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyFields,
            httparse::Error::HeaderName => Self::FieldName,
            httparse::Error::HeaderValue => Self::FieldValue,
            httparse::Error::NewLine => Self::LineEnd,
            httparse::Error::Version => Self::Version,
            _ => Self::RequestLine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_answered_with_an_error() {
        for reason in Reason::ALL {
            assert!((400..600).contains(&reason.reply().status()), "{reason:?}");
        }
    }
}
