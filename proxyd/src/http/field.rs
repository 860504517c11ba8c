//! Header fields of one hop: which are dropped, which `Connection` may not name (RFC 9110 7.6.1).

/// A field as the parser gives it.
pub type Field<'a> = httparse::Header<'a>;

/// Most fields of a head.
pub const MAX_FIELDS: usize = 100;

/// What this hop treats in a way of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Known {
    Connection,
    ContentLength,
    Expect,
    Host,
    TransferEncoding,
    Te,
    Upgrade,
    /// Of one hop, always dropped.
    Hop,
    /// What is claimed of the client.
    Forwarded(Forwarded),
}

/// The fields that `forward_headers` can add.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Forwarded {
    For,
    Proto,
    Host,
    Port,
    /// `Forwarded` itself.
    Standard,
}

/// Looks a name up by its length: most names are none of these.
fn known(name: &str) -> Option<Known> {
    let name = name.as_bytes();
    let known = match name.len() {
        2 if is(name, b"te") => Known::Te,
        4 if is(name, b"host") => Known::Host,
        6 if is(name, b"expect") => Known::Expect,
        7 if is(name, b"upgrade") => Known::Upgrade,
        9 if is(name, b"forwarded") => Known::Forwarded(Forwarded::Standard),
        10 if is(name, b"connection") => Known::Connection,
        10 if is(name, b"keep-alive") => Known::Hop,
        14 if is(name, b"content-length") => Known::ContentLength,
        14 if is(name, b"http2-settings") => Known::Hop,
        15 if is(name, b"x-forwarded-for") => Known::Forwarded(Forwarded::For),
        16 if is(name, b"proxy-connection") => Known::Hop,
        16 if is(name, b"x-forwarded-host") => Known::Forwarded(Forwarded::Host),
        16 if is(name, b"x-forwarded-port") => Known::Forwarded(Forwarded::Port),
        17 if is(name, b"transfer-encoding") => Known::TransferEncoding,
        17 if is(name, b"x-forwarded-proto") => Known::Forwarded(Forwarded::Proto),
        18 if is(name, b"proxy-authenticate") => Known::Hop,
        19 if is(name, b"proxy-authorization") => Known::Hop,
        _ => return None,
    };
    Some(known)
}

/// The same in any case. The length is the type's, so that all bytes are compared at once.
fn is<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    <&[u8; N]>::try_from(name).is_ok_and(|name| {
        name.iter().zip(lower).fold(0, |differ, (a, b)| differ | (a.to_ascii_lowercase() ^ b)) == 0
    })
}

/// The fields of a head, each looked up once.
#[derive(Debug)]
pub struct Fields<'a> {
    fields: &'a [Field<'a>],
    known: [Option<Known>; MAX_FIELDS],
    /// There are `Connection` fields, or such that say where the body ends.
    has_options: bool,
    has_framing: bool,
}

impl<'a> Fields<'a> {
    /// At most [`MAX_FIELDS`] of them; the parser has seen to that.
    pub fn new(fields: &'a [Field<'a>]) -> Self {
        let mut all = [None; MAX_FIELDS];
        let (mut has_options, mut has_framing) = (false, false);
        for (place, field) in all.iter_mut().zip(fields) {
            let Some(known) = known(field.name) else { continue };
            has_options |= known == Known::Connection;
            has_framing |= matches!(known, Known::ContentLength | Known::TransferEncoding);
            *place = Some(known);
        }
        Self { fields, known: all, has_options, has_framing }
    }

    /// Some of them says where the body ends.
    pub fn has_framing(&self) -> bool {
        self.has_framing
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'a Field<'a>, Option<Known>)> {
        self.fields.iter().zip(self.known.iter().copied())
    }

    /// The options of all `Connection` fields.
    pub fn options(&self) -> Options {
        let mut options = Options::default();
        if !self.has_options {
            return options;
        }
        for (field, _) in self.iter().filter(|(_, known)| *known == Some(Known::Connection)) {
            options.read(field.value);
        }
        options
    }

    /// Whether any `Connection` field names `name`.
    pub fn is_named(&self, name: &str) -> bool {
        self.iter()
            .filter(|(_, known)| *known == Some(Known::Connection))
            .any(|(field, _)| tokens(field.value).any(|option| option.eq_ignore_ascii_case(name.as_bytes())))
    }
}

/// Whether a field means something to this hop.
pub fn is_known(name: &str) -> bool {
    known(name).is_some()
}

/// Fields a `Connection` option cannot take away: without them the message means something else.
const PROTECTED: [&str; 11] = [
    "authorization",
    "cache-control",
    "content-type",
    "cookie",
    "date",
    "host",
    "set-cookie",
    "trailer",
    "via",
    "x-real-ip",
    "x-request-id",
];

/// Whether a field that a `Connection` option names may be dropped for it.
pub fn is_droppable(name: &str) -> bool {
    let x_forwarded = name.get(..12).is_some_and(|start| start.eq_ignore_ascii_case("x-forwarded-"));
    !x_forwarded && !PROTECTED.iter().any(|p| name.eq_ignore_ascii_case(p))
}

/// The options of all `Connection` fields.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Options {
    pub close: bool,
    pub keep_alive: bool,
    pub upgrade: bool,
    /// Some option names a field.
    pub names: bool,
}

impl Options {
    fn read(&mut self, value: &[u8]) {
        for option in tokens(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                self.names = true;
            }
        }
    }
}

/// The non-empty members of a comma list.
pub fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|t| !t.is_empty())
}

/// One field, as it is written to the other side.
pub fn write(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Tells a client for how many seconds it may leave the connection idle (RFC 2068 19.7.1.1).
pub fn write_keep_alive(out: &mut Vec<u8>, seconds: Option<u32>) {
    if let Some(seconds) = seconds {
        out.extend_from_slice(b"Keep-Alive: timeout=");
        out.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        assert_eq!(known("Transfer-ENCODING"), Some(Known::TransferEncoding));
        assert_eq!(known("X-Forwarded-For"), Some(Known::Forwarded(Forwarded::For)));
        assert_eq!(known("keep-alive"), Some(Known::Hop));
        assert_eq!(known("accept"), None);
    }

    #[test]
    fn end_to_end_fields_are_protected() {
        assert!(is_droppable("x-custom"));
        for name in ["Host", "Cookie", "authorization", "X-Forwarded-Anything"] {
            assert!(!is_droppable(name), "{name}");
        }
    }

    #[test]
    fn options_of_several_fields_add_up() {
        let mut options = Options::default();
        options.read(b" , Close ,,");
        options.read(b"x-a");
        assert_eq!(options, Options { close: true, names: true, ..Options::default() });
    }
}
