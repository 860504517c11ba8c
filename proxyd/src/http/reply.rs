//! Answers proxyd makes itself, with HAProxy's texts.

use std::sync::LazyLock;

/// A refusal or failure that is answered here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reply {
    BadRequest,
    RequestTimeout,
    UriTooLong,
    ExpectationFailed,
    HeadTooLarge,
    NotImplemented,
    BadGateway,
    Unavailable,
    GatewayTimeout,
}

const ALL: [(Reply, u16, &str, &str); 9] = [
    (Reply::BadRequest, 400, "Bad request", "Your browser sent an invalid request."),
    (Reply::RequestTimeout, 408, "Request Time-out", "Your browser didn't send a complete request in time."),
    (Reply::UriTooLong, 414, "URI Too Long", "The request target is longer than the server accepts."),
    (Reply::ExpectationFailed, 417, "Expectation Failed", "The expectation of the request cannot be met."),
    (
        Reply::HeadTooLarge,
        431,
        "Request Header Fields Too Large",
        "The request has more header fields than the server accepts.",
    ),
    (Reply::NotImplemented, 501, "Not Implemented", "The server does not support what the request asks for."),
    (Reply::BadGateway, 502, "Bad Gateway", "The server returned an invalid or incomplete response."),
    (Reply::Unavailable, 503, "Service Unavailable", "No server is available to handle this request."),
    (Reply::GatewayTimeout, 504, "Gateway Time-out", "The server didn't respond in time."),
];

/// Head without its end, and body, one for each of [`ALL`].
static TEXTS: LazyLock<Vec<(Vec<u8>, Vec<u8>)>> = LazyLock::new(|| {
    ALL.iter()
        .map(|(_, status, title, text)| {
            let body = format!("<html><body><h1>{status} {title}</h1>\n{text}\n</body></html>\n");
            let head = format!(
                "HTTP/1.1 {status} {title}\r\ncontent-length: {}\r\ncache-control: no-cache\r\ncontent-type: text/html\r\n",
                body.len()
            );
            (head.into_bytes(), body.into_bytes())
        })
        .collect()
});

impl Reply {
    fn index(self) -> usize {
        self as usize
    }

    pub fn status(self) -> u16 {
        ALL[self.index()].1
    }

    /// Writes the whole answer; to HEAD it has no body.
    pub fn write(self, out: &mut Vec<u8>, close: bool, to_head: bool) {
        let (head, body) = &TEXTS[self.index()];
        out.extend_from_slice(head);
        if close {
            out.extend_from_slice(b"connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        if !to_head {
            out.extend_from_slice(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_stands_at_its_place() {
        for (i, (reply, status, ..)) in ALL.iter().enumerate() {
            assert_eq!((reply.index(), reply.status()), (i, *status));
        }
    }

    #[test]
    fn an_answer_is_whole() {
        let mut out = Vec::new();
        Reply::Unavailable.write(&mut out, true, false);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
        assert!(head.ends_with("connection: close"));
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
        let mut out = Vec::new();
        Reply::Unavailable.write(&mut out, false, true);
        assert!(out.ends_with(b"text/html\r\n\r\n"));
    }
}
