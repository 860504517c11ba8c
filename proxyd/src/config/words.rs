//! The closed sets of words a value can be, and what to say to people who bring HAProxy's own spelling.

use proto::level::Level;
use rustls::{CipherSuite, NamedGroup};

use super::log_format::LogFormat;
use super::reasons::Reason;
use super::tls::Version;
use super::{Accept, Algorithm, CertField, Mode, ServerHttp, Splice};
use crate::log::target::{FACILITIES, Facility, Framing};

/// The words one setting takes.
#[derive(Debug)]
pub(crate) struct Choices<T: 'static> {
    /// As messages name it: "a mode".
    pub(crate) what: &'static str,
    pub(crate) known: &'static [(&'static str, T)],
    /// Other spellings that are taken as well.
    pub(crate) also: &'static [(&'static str, T)],
    /// Words that will mean something one day.
    pub(crate) later: &'static [&'static str],
}

impl<T: Clone> Choices<T> {
    /// What a word stands for.
    pub(crate) fn find(&self, word: &str) -> Option<T> {
        self.known.iter().chain(self.also).find(|(name, _)| *name == word).map(|(_, value)| value.clone())
    }

    /// The words as a sentence lists them.
    pub(crate) fn listed(&self) -> String {
        list(self.known.iter().map(|(name, _)| *name), "or")
    }
}

pub(crate) const MODES: Choices<Mode> = Choices {
    what: "a mode",
    known: &[("tcp", Mode::Tcp), ("http", Mode::Http)],
    also: &[],
    later: &["log", "spop"],
};

pub(crate) const ALGORITHMS: Choices<Algorithm> = Choices {
    what: "a balance algorithm",
    known: &[("round_robin", Algorithm::RoundRobin), ("least_conn", Algorithm::LeastConn)],
    also: &[("roundrobin", Algorithm::RoundRobin), ("leastconn", Algorithm::LeastConn)],
    later: &[
        "first",
        "random",
        "hash",
        "source",
        "uri",
        "url_param",
        "hdr",
        "rdp_cookie",
        "static_rr",
        "sticky",
    ],
};

pub(crate) const SPLICES: Choices<Splice> = Choices {
    what: "a way to splice",
    known: &[("auto", Splice::Auto), ("off", Splice::Off)],
    also: &[],
    later: &[],
};

pub(crate) const SERVER_HTTPS: Choices<ServerHttp> = Choices {
    what: "a version of HTTP",
    known: &[("http1", ServerHttp::Http1), ("h2", ServerHttp::H2), ("auto", ServerHttp::Auto)],
    also: &[("http2", ServerHttp::H2)],
    later: &["h3"],
};

pub(crate) const ACCEPTS: Choices<Accept> = Choices {
    what: "a way to accept",
    known: &[("balanced", Accept::Balanced), ("local", Accept::Local)],
    also: &[],
    later: &[],
};

/// The form of a PROXY header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ProxyVersion {
    V1,
    V2,
}

pub(crate) const PROXY_VERSIONS: Choices<ProxyVersion> = Choices {
    what: "a version of the PROXY protocol",
    known: &[("v1", ProxyVersion::V1), ("v2", ProxyVersion::V2)],
    also: &[],
    later: &[],
};

/// What a PROXY header of version 2 may carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ProxyTlv {
    Alpn,
    Authority,
    UniqueId,
    Crc32c,
}

pub(crate) const PROXY_TLVS: Choices<ProxyTlv> = Choices {
    what: "a TLV of the PROXY protocol",
    known: &[
        ("alpn", ProxyTlv::Alpn),
        ("authority", ProxyTlv::Authority),
        ("unique_id", ProxyTlv::UniqueId),
        ("crc32c", ProxyTlv::Crc32c),
    ],
    also: &[],
    later: &["ssl", "cert_cn", "netns"],
};

/// What a route may ask of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Condition {
    Sni,
}

pub(crate) const CONDITIONS: Choices<Condition> = Choices {
    what: "a condition",
    known: &[("sni", Condition::Sni)],
    also: &[],
    later: &[
        "all",
        "any",
        "not",
        "named",
        "host",
        "path",
        "method",
        "header",
        "query",
        "cookie",
        "source",
        "websocket",
        "tls",
    ],
};

pub(crate) const LEVELS: Choices<Level> = Choices {
    what: "a level",
    known: &[("user", Level::User), ("operator", Level::Operator), ("admin", Level::Admin)],
    also: &[],
    later: &[],
};

/// What a check does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CheckWord {
    Tcp,
    Http,
}

pub(crate) const CHECKS: Choices<CheckWord> = Choices {
    what: "a check",
    known: &[("tcp", CheckWord::Tcp), ("http", CheckWord::Http)],
    also: &[],
    later: &[
        "tls",
        "ssl_hello",
        "script",
        "agent",
        "external",
        "grpc",
        "mysql",
        "pgsql",
        "redis",
        "ldap",
        "smtp",
    ],
};

pub(crate) const RETRY_ON: Choices<Reason> = Choices {
    what: "a reason to retry",
    known: &[
        ("conn_failure", Reason::ConnFailure),
        ("empty_response", Reason::EmptyResponse),
        ("junk_response", Reason::JunkResponse),
        ("response_timeout", Reason::ResponseTimeout),
    ],
    also: &[],
    later: &["early_data_rejected", "all_retryable_errors"],
};

/// A header that tells servers about the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ForwardHeader {
    For,
    Proto,
    Host,
    Port,
    Forwarded,
    Via,
}

pub(crate) const FORWARD_HEADERS: Choices<ForwardHeader> = Choices {
    what: "a forward header",
    known: &[
        ("x_forwarded_for", ForwardHeader::For),
        ("x_forwarded_proto", ForwardHeader::Proto),
        ("x_forwarded_host", ForwardHeader::Host),
        ("x_forwarded_port", ForwardHeader::Port),
        ("forwarded", ForwardHeader::Forwarded),
        ("via", ForwardHeader::Via),
    ],
    also: &[],
    later: &["x_real_ip"],
};

pub(crate) const CERT_FIELDS: Choices<CertField> = Choices {
    what: "a field of a certificate",
    known: &[
        ("verify", CertField::Verify),
        ("subject", CertField::Subject),
        ("subject_cn", CertField::SubjectCn),
        ("issuer", CertField::Issuer),
        ("issuer_cn", CertField::IssuerCn),
        ("serial", CertField::Serial),
        ("not_before", CertField::NotBefore),
        ("not_after", CertField::NotAfter),
        ("sha1", CertField::Sha1),
        ("sha256", CertField::Sha256),
        ("names", CertField::Names),
        ("der", CertField::Der),
        ("rfc9440", CertField::Rfc9440),
    ],
    also: &[],
    later: &[],
};

pub(crate) const TLS_VERSIONS: Choices<Version> = Choices {
    what: "a version of TLS",
    known: &[("tls12", Version::Tls12), ("tls13", Version::Tls13)],
    also: &[],
    later: &[],
};

pub(crate) const SUITES: Choices<CipherSuite> = Choices {
    what: "a cipher suite",
    known: &[
        ("TLS_AES_256_GCM_SHA384", CipherSuite::TLS13_AES_256_GCM_SHA384),
        ("TLS_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
        ("TLS_CHACHA20_POLY1305_SHA256", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        (
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ),
        ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
        (
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ),
    ],
    also: &[],
    later: &[],
};

pub(crate) const GROUPS: Choices<NamedGroup> = Choices {
    what: "a key exchange group",
    known: &[
        ("x25519_mlkem768", NamedGroup::X25519MLKEM768),
        ("x25519", NamedGroup::X25519),
        ("secp256r1", NamedGroup::secp256r1),
        ("secp384r1", NamedGroup::secp384r1),
        ("secp256r1_mlkem768", NamedGroup::secp256r1MLKEM768),
    ],
    also: &[
        ("X25519MLKEM768", NamedGroup::X25519MLKEM768),
        ("X25519", NamedGroup::X25519),
        ("prime256v1", NamedGroup::secp256r1),
        ("p256", NamedGroup::secp256r1),
        ("p384", NamedGroup::secp384r1),
    ],
    later: &[],
};

pub(crate) const TICKET_KEYS: Choices<bool> =
    Choices { what: "a kind of tickets", known: &[("own", true), ("off", false)], also: &[], later: &[] };

/// Whether a peer has to prove who it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verify {
    None,
    Optional,
    Required,
}

pub(crate) const CLIENT_VERIFY: Choices<Verify> = Choices {
    what: "what is asked of clients",
    known: &[("optional", Verify::Optional), ("required", Verify::Required)],
    also: &[],
    later: &[],
};

pub(crate) const SERVER_VERIFY: Choices<Verify> = Choices {
    what: "what is asked of a server",
    known: &[("required", Verify::Required), ("none", Verify::None)],
    also: &[],
    later: &[],
};

/// A protocol that ALPN names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Alpn {
    H2,
    Http1,
}

impl Alpn {
    /// As it is said on the wire.
    pub(crate) const fn wire(self) -> &'static str {
        match self {
            Self::H2 => "h2",
            Self::Http1 => "http/1.1",
        }
    }
}

pub(crate) const ALPNS: Choices<Alpn> = Choices {
    what: "a protocol for ALPN",
    known: &[("h2", Alpn::H2), ("http1", Alpn::Http1)],
    also: &[],
    later: &["h3"],
};

/// What a log target is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TargetWord {
    Stdout,
    Stderr,
    File,
    Syslog,
}

pub(crate) const TARGETS: Choices<TargetWord> = Choices {
    what: "a log target",
    known: &[
        ("stdout", TargetWord::Stdout),
        ("stderr", TargetWord::Stderr),
        ("file", TargetWord::File),
        ("syslog", TargetWord::Syslog),
    ],
    also: &[],
    later: &["ring", "fd"],
};

pub(crate) const FRAMINGS: Choices<Framing> = Choices {
    what: "a framing",
    known: &[("raw", Framing::Raw), ("rfc3164", Framing::Rfc3164), ("rfc5424", Framing::Rfc5424)],
    also: &[],
    later: &["short", "timed", "iso", "priority"],
};

pub(crate) const FORMATS: Choices<LogFormat> = Choices {
    what: "a log format",
    known: &[
        ("httplog", LogFormat::Httplog),
        ("httpslog", LogFormat::Httpslog),
        ("tcplog", LogFormat::Tcplog),
        ("json", LogFormat::Json),
    ],
    also: &[],
    later: &["clf", "cbor"],
};

/// The facilities by their names.
pub(crate) const FACILITY: Choices<Facility> = Choices {
    what: "a facility",
    known: &{
        let mut all = [("", Facility(0)); FACILITIES.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = (FACILITIES[at], Facility(at as u8));
            at += 1;
        }
        all
    },
    also: &[],
    later: &[],
};

/// What gets no line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LeaveOut {
    NullConnections,
    Normal,
}

pub(crate) const LEAVE_OUT: Choices<LeaveOut> = Choices {
    what: "a kind of lines to leave out",
    known: &[("null_connections", LeaveOut::NullConnections), ("normal", LeaveOut::Normal)],
    also: &[],
    later: &[],
};

/// HAProxy's keywords, in `snake_case`, and how the same is said here.
const HAPROXY: &[(&str, &str)] = &[
    ("abortonclose", "it is called `abort_on_close` here, and stands in `defaults` or a backend"),
    ("acl", "conditions are not supported yet"),
    ("backend", "backends stand in a list: `backends: [(name: \"app\", ..)]`"),
    ("check_send_proxy", "checks send a PROXY header wherever `send_proxy` is set"),
    ("check_timeout", "write it in the check: `check: http(timeout: \"1s\")`"),
    ("daemon", "proxyd stays in the foreground and leaves this to the service manager"),
    ("default_server", "write `server_defaults: (maxconn: 200)` in the backend"),
    ("disabled", "take a server out at run time with `set server <backend>/<server> state maint`"),
    ("downinter", "it is called `down_interval` here, and not supported yet"),
    ("dontlog_normal", "write `log: (leave_out: [normal])`"),
    ("dontlognull", "write `log: (leave_out: [null_connections])`"),
    ("error_log_format", "errors have the format of the other lines"),
    ("fastinter", "it is called `fast_interval` here, and not supported yet"),
    ("errorfile", "write `http_errors: [(status: 503, file: \"errors/503.html\")]`"),
    ("forwarded", "write `forward_headers: [forwarded]`"),
    ("forwardfor", "write `forward_headers: [x_forwarded_for]` in `defaults`"),
    ("frontend", "frontends stand in a list: `frontends: [(name: \"web\", ..)]`"),
    ("http_check", "write `check: http(path: \"/healthz\")` in the backend"),
    ("httpchk", "write `check: http(path: \"/\")` in the backend"),
    ("httplog", "write `log: (format: httplog)`"),
    ("httpslog", "write `log: (format: httpslog)`"),
    ("inter", "write `interval` in the check: `check: http(interval: \"2s\")`"),
    ("maxqueue", "it is called `max_queue` here"),
    ("log_global", "the targets of `global.log` are everybody's"),
    ("log_format", "write `log: (format: \"..\")`"),
    ("log_separate_errors", "write `log: (errors_separately: true)`"),
    ("log_tag", "write `tag` in the target: `log: [(target: stdout, tag: \"proxyd\")]` in `global`"),
    ("logasap", "`as_soon_as_possible` is not supported yet"),
    ("logformat", "write `log: (format: \"..\")`"),
    ("nbproc", "it is called `workers` and stands in `global`"),
    ("nbthread", "it is called `workers` and stands in `global`"),
    ("nosplice", "write `splice: off` in `global`"),
    ("option", "HAProxy's options are settings of their own here, such as `check: http(..)`"),
    ("redispatch", "a retry always goes to another server where there is one"),
    ("retry_on", "write `retries: (on: [conn_failure, empty_response])` in `defaults`"),
    ("raw", "write `framing: raw`"),
    ("rfc3164", "write `framing: rfc3164`"),
    ("rfc5424", "write `framing: rfc5424`"),
    ("splice_auto", "long transfers are spliced unless `global` says `splice: off`"),
    ("send_proxy_v2", "write `send_proxy: v2`"),
    ("server", "servers stand in a list: `servers: [(name: \"app1\", address: \"127.0.0.1:9001\")]`"),
    ("stats", "a socket is written `sockets: [(path: \"./proxyd.sock\")]` in `global`"),
    (
        "ca_file",
        "write `client_certs: (ca: \"..\")` in the `tls` of a bind, `ca: \"..\"` in that of a server",
    ),
    ("ciphers", "write `suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, ..]` in `tls`"),
    ("ciphersuites", "write `suites: [TLS_AES_128_GCM_SHA256, ..]` in `tls`"),
    ("crl_file", "write `client_certs: (crl: \"..\")` in the `tls` of a bind"),
    (
        "crt",
        "write `tls: (certificates: [\"site.pem\"])` for a bind, `tls: (client_cert: \"..\")` for a server",
    ),
    ("crt_list", "write `tls: (certificates: [..])`; hosts are taken from the certificates"),
    ("curves", "write `groups: [x25519, secp256r1]` in `tls`"),
    ("npn", "write `alpn: [http1]` in `tls`"),
    ("ssl", "write `tls: (certificates: [\"site.pem\"])` for a bind, `tls: true` for a server"),
    ("ssl_max_ver", "write `max_version: tls12` in `tls`"),
    ("ssl_min_ver", "write `min_version: tls13` in `tls`"),
    ("tls_ticket_keys", "write `tickets: (keys: \"..\")` in `tls`"),
    ("verifyhost", "write `sni: \"..\"` in `tls`"),
    ("tcp_ut", "it is called `user_timeout` here"),
    ("tcp_check", "write `check: tcp` in the backend"),
    ("tcplog", "write `log: (format: tcplog)`"),
    ("tfo", "it is called `fast_open` here"),
    ("timeout", "write `timeouts: (connect: \"5s\", ..)` in `defaults`"),
    ("usesrc", "write `source: client`"),
    ("use_backend", "routes are not supported yet: write `default_backend: \"app\"`"),
];

/// What to write for a keyword of HAProxy's (`default-server`, `httpchk`, `timeout connect`).
pub(crate) fn haproxy(word: &str) -> Option<String> {
    let word = word.replace('-', "_");
    if let Some((_, help)) = HAPROXY.iter().find(|(name, _)| *name == word) {
        return Some((*help).to_owned());
    }
    let (first, rest) = word.split_once(' ')?;
    match (first, rest) {
        ("timeout", "check") => haproxy("check_timeout"),
        ("timeout", name) => Some(format!("write `timeouts: ({name}: \"5s\")` in `defaults`")),
        ("stats", _) => haproxy("stats"),
        ("option", name) => haproxy(name),
        ("log_format", _) => haproxy(first),
        ("balance", "roundrobin" | "leastconn") => Some(format!("write `balance: {rest}`")),
        _ => None,
    }
}

/// `a`, `b` and `c`, each in backticks.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>, and: &str) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {and} {last}", others.join(", ")),
    }
}

/// The name a person probably meant.
pub(crate) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    let limit = match word.chars().count() {
        0..=1 => return None,
        2..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    names
        .into_iter()
        .map(|name| (distance(&word, &name.to_lowercase().replace('-', "_")), name))
        .filter(|(distance, name)| *distance <= limit && *distance < name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Letters to add, drop, change or swap with their neighbour until `a` is `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["balance", "backup", "bind", "default_backend", "name"];
        for (word, expected) in [
            ("blance", Some("balance")),
            ("ablance", Some("balance")),
            ("default-backend", Some("default_backend")),
            ("Bind", Some("bind")),
            ("nmae", Some("name")),
            ("nonsense", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), expected, "{word}");
        }
    }

    #[test]
    fn haproxys_words() {
        assert_eq!(
            haproxy("timeout http-request").as_deref(),
            Some("write `timeouts: (http_request: \"5s\")` in `defaults`")
        );
        assert_eq!(haproxy("option httpchk"), haproxy("httpchk"));
        assert_eq!(haproxy("balance roundrobin").as_deref(), Some("write `balance: roundrobin`"));
        assert_eq!(haproxy("name"), None);
    }

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        assert_eq!(list([], "or"), "");
        assert_eq!(list(["a"], "or"), "`a`");
        assert_eq!(list(["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }
}
