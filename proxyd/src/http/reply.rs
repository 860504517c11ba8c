//! Answers proxyd makes itself, with HAProxy's texts.

use std::sync::LazyLock;

use super::field::write_keep_alive;
use crate::config::ErrorPage;

/// A refusal or failure that is answered here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reply {
    BadRequest,
    RequestTimeout,
    ContentTooLarge,
    UriTooLong,
    ExpectationFailed,
    Misdirected,
    HeadTooLarge,
    NotImplemented,
    BadGateway,
    Unavailable,
    GatewayTimeout,
}

const ALL: [(Reply, u16, &str, &str); 11] = [
    (Reply::BadRequest, 400, "Bad request", "Your browser sent an invalid request."),
    (Reply::RequestTimeout, 408, "Request Time-out", "Your browser didn't send a complete request in time."),
    (Reply::ContentTooLarge, 413, "Payload Too Large", "The request entity exceeds the maximum allowed."),
    (Reply::UriTooLong, 414, "URI Too Long", "The request target is longer than the server accepts."),
    (Reply::ExpectationFailed, 417, "Expectation Failed", "The expectation of the request cannot be met."),
    (Reply::Misdirected, 421, "Misdirected Request", "The request is for another host than its connection."),
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

/// An answer that stands ready.
#[derive(Debug)]
pub struct Page {
    /// Without its end.
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Page {
    fn new(status: u16, title: &str, content_type: &str, body: Vec<u8>) -> Self {
        let head = format!(
            "HTTP/1.1 {status} {title}\r\ncontent-length: {}\r\ncache-control: no-cache\r\ncontent-type: {content_type}\r\n",
            body.len()
        );
        Self { head: head.into_bytes(), body }
    }

    /// Writes the whole answer; to HEAD it has no body.
    pub fn write(&self, out: &mut Vec<u8>, close: bool, keep_alive: Option<u32>, to_head: bool) {
        out.extend_from_slice(&self.head);
        if close {
            out.extend_from_slice(b"connection: close\r\n");
        } else {
            write_keep_alive(out, keep_alive);
        }
        out.extend_from_slice(b"\r\n");
        if !to_head {
            out.extend_from_slice(&self.body);
        }
    }
}

/// One for each of [`ALL`].
static BUILT_IN: LazyLock<Vec<Page>> = LazyLock::new(|| {
    ALL.iter()
        .map(|(_, status, title, text)| {
            let body = format!("<html><body><h1>{status} {title}</h1>\n{text}\n</body></html>\n");
            Page::new(*status, title, "text/html", body.into_bytes())
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

    /// What the status means.
    pub fn title(self) -> &'static str {
        ALL[self.index()].2
    }

    /// The answer where nobody has said otherwise.
    pub fn built_in(self) -> &'static Page {
        &BUILT_IN[self.index()]
    }
}

/// Answers that take the place of those built in.
#[derive(Debug, Default)]
pub struct Pages(Vec<(Reply, Page)>);

impl Pages {
    /// The pages of a configuration; of two for one status the last holds.
    pub fn new(configured: &[ErrorPage]) -> Self {
        let mut pages = Vec::with_capacity(configured.len());
        for page in configured.iter().rev() {
            for (reply, status, title, _) in ALL.iter().filter(|(_, status, ..)| *status == page.status) {
                pages.push((
                    *reply,
                    Page::new(*status, title, &page.content_type, page.body.clone().into_bytes()),
                ));
            }
        }
        Self(pages)
    }

    pub fn get(&self, reply: Reply) -> Option<&Page> {
        self.0.iter().find(|(of, _)| *of == reply).map(|(_, page)| page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ERROR_STATUSES;

    #[test]
    fn every_reply_stands_at_its_place() {
        for (i, (reply, status, ..)) in ALL.iter().enumerate() {
            assert_eq!((reply.index(), reply.status()), (i, *status));
        }
        assert_eq!(ALL.map(|(_, status, ..)| status), ERROR_STATUSES);
    }

    #[test]
    fn an_answer_is_whole() {
        let mut out = Vec::new();
        Reply::Unavailable.built_in().write(&mut out, true, Some(9), false);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
        assert!(head.ends_with("connection: close"));
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
        let mut out = Vec::new();
        Reply::Unavailable.built_in().write(&mut out, false, None, true);
        assert!(out.ends_with(b"text/html\r\n\r\n"));
    }

    #[test]
    fn a_page_of_ones_own() {
        let page =
            |body: &str| ErrorPage { status: 503, content_type: "text/plain".into(), body: body.into() };
        let pages = Pages::new(&[page("first"), page("second")]);
        assert!(pages.get(Reply::BadGateway).is_none());
        let mut out = Vec::new();
        pages.get(Reply::Unavailable).unwrap().write(&mut out, false, Some(59), false);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 6\r\ncache-control: no-cache\r\n\
             content-type: text/plain\r\nKeep-Alive: timeout=59\r\n\r\nsecond"
        );
    }
}
