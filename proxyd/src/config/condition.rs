//! Conditions on a request: what holds of it is decided without a copy of anything.

use std::fmt;
use std::net::IpAddr;

use super::Trusted;

/// What has to hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// One of the patterns fits the path.
    Path(Vec<Pattern>),
    Method(Vec<String>),
    /// The client's address is in one of the networks.
    Source(Trusted),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

/// What conditions are about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub method: &'a [u8],
    /// Without the query.
    pub path: &'a [u8],
    /// `None` for a Unix socket.
    pub source: Option<IpAddr>,
}

/// Text in which each `*` stands for any text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern(pub String);

impl Condition {
    pub fn holds(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Path(patterns) => patterns.iter().any(|pattern| pattern.fits(subject.path)),
            Self::Method(methods) => methods.iter().any(|method| method.as_bytes() == subject.method),
            Self::Source(networks) => subject.source.is_some_and(|source| networks.contains(source)),
            Self::Not(condition) => !condition.holds(subject),
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(subject)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(subject)),
        }
    }

    /// Whether it is about more than a connection.
    pub fn needs_request(&self) -> bool {
        match self {
            Self::Path(_) | Self::Method(_) => true,
            Self::Source(_) => false,
            Self::Not(condition) => condition.needs_request(),
            Self::All(conditions) | Self::Any(conditions) => conditions.iter().any(Self::needs_request),
        }
    }
}

impl<'a> Subject<'a> {
    /// A connection, of which only what [needs no request](Condition::needs_request) is asked.
    pub const fn of_connection(source: Option<IpAddr>) -> Self {
        Self { method: &[], path: &[], source }
    }

    /// What a request line says.
    pub fn of(line: &'a [u8], source: Option<IpAddr>) -> Self {
        let mut parts = line.splitn(3, |byte| *byte == b' ');
        let method = parts.next().unwrap_or_default();
        let target = parts.next().unwrap_or_default();
        Self { method, path: target.split(|byte| *byte == b'?').next().unwrap_or_default(), source }
    }
}

impl Pattern {
    pub fn fits(&self, text: &[u8]) -> bool {
        let pattern = self.0.as_bytes();
        let (mut at, mut seen) = (0, 0);
        // Where the last `*` stands, and where what it stands for ends.
        let mut star: Option<(usize, usize)> = None;
        while seen < text.len() {
            if pattern.get(at) == Some(&b'*') {
                star = Some((at, seen));
                at += 1;
            } else if pattern.get(at) == Some(&text[seen]) {
                at += 1;
                seen += 1;
            } else if let Some((place, upto)) = star {
                star = Some((place, upto + 1));
                at = place + 1;
                seen = upto + 1;
            } else {
                return false;
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn words<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
            items.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        match self {
            Self::Path(patterns) => {
                write!(f, "path({})", words(patterns, |pattern| format!("{:?}", pattern.0)))
            }
            Self::Method(methods) => write!(f, "method({})", words(methods, |method| format!("{method:?}"))),
            Self::Source(networks) => {
                write!(f, "source({})", words(networks.networks(), |network| format!("\"{network}\"")))
            }
            Self::Not(condition) => write!(f, "not({condition})"),
            Self::All(conditions) => write!(f, "all([{}])", words(conditions, ToString::to_string)),
            Self::Any(conditions) => write!(f, "any([{}])", words(conditions, ToString::to_string)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Pattern(pattern.to_owned()).fits(text.as_bytes())
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, right, wrong) in [
            ("/static/*", vec!["/static/", "/static/a/b.css"], vec!["/static", "/x/static/"]),
            ("*.png", vec!["/a.png", ".png", "/a.png.png"], vec!["/a.png/", "/a.jpg"]),
            ("/a", vec!["/a"], vec!["/a/", "/", ""]),
            ("/*/x/*", vec!["/a/x/", "/a/b/x/c", "//x/"], vec!["/x/", "/a/x"]),
            ("*", vec!["", "/"], vec![]),
            ("", vec![""], vec!["/"]),
            ("**a", vec!["a", "ba"], vec!["ab"]),
        ] {
            for text in right {
                assert!(fits(pattern, text), "{pattern} {text}");
            }
            for text in wrong {
                assert!(!fits(pattern, text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn conditions_are_about_a_request() {
        let subject =
            Subject::of(b"GET /a/b?c=/d HTTP/1.1\r\nHost: x\r\n\r\n", Some("10.1.2.3".parse().unwrap()));
        assert_eq!((subject.method, subject.path), (&b"GET"[..], &b"/a/b"[..]));
        let path = |pattern: &str| Condition::Path(vec![Pattern(pattern.to_owned())]);
        let source = |network: &str| Condition::Source([network.parse().unwrap()].into_iter().collect());
        assert!(path("/a/*").holds(&subject) && !path("*d").holds(&subject));
        assert!(source("10.0.0.0/8").holds(&subject) && !source("::/0").holds(&subject));
        assert!(!source("10.0.0.0/8").holds(&Subject { source: None, ..subject }));
        assert!(Condition::Method(vec!["POST".into(), "GET".into()]).holds(&subject));
        assert!(Condition::Not(Box::new(path("/x"))).holds(&subject));
        assert!(Condition::All(vec![path("/a*"), source("10.0.0.0/8")]).holds(&subject));
        assert!(!Condition::All(vec![path("/a*"), path("/b")]).holds(&subject));
        assert!(Condition::Any(vec![path("/b"), path("/a/b")]).holds(&subject));
        assert_eq!(Subject::of(b"", None).path, b"");
    }

    #[test]
    fn some_conditions_are_about_connections_too() {
        let source = || Condition::Source(["10.0.0.0/8".parse().unwrap()].into_iter().collect());
        let nested =
            |inner| Condition::Any(vec![source(), Condition::Not(Box::new(Condition::All(vec![inner])))]);
        assert!(!nested(source()).needs_request());
        assert!(nested(Condition::Method(vec!["GET".into()])).needs_request());
        assert!(source().holds(&Subject::of_connection(Some([10, 0, 0, 1].into()))));
    }

    proptest! {
        #[test]
        fn patterns_fit_as_the_plain_definition_says(pattern in "[ab*]{0,8}", text in "[ab]{0,8}") {
            fn plain(pattern: &[u8], text: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'*', rest)) => (0..=text.len()).any(|at| plain(rest, &text[at..])),
                    Some((byte, rest)) => text.first() == Some(byte) && plain(rest, &text[1..]),
                }
            }
            prop_assert_eq!(fits(&pattern, &text), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
