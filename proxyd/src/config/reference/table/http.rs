//! What holds for HTTP, in `defaults`, frontends, backends and listen sections.

use super::super::super::{Http2Options, defaults, print};
use super::super::{Field, Preset, Section};

pub(super) const FORWARD_HEADERS: Field = Field {
    name: "forward_headers",
    shape: "list of `x_forwarded_for`, `x_forwarded_proto`, `x_forwarded_host`, `x_forwarded_port`, `forwarded`, `via`",
    preset: Preset::Unset("that of `defaults`"),
    meaning: "Headers that tell HTTP servers about the client. `x_forwarded_for`, `forwarded` and `via` are added behind what a request has; the others take its place, unless a `trusted` proxy sent it. Where `trusted` names any, what others send of this kind is dropped.",
};
pub(super) const CLIENT_CERT_HEADERS: Field = Field {
    name: "client_cert_headers",
    shape: "list of `(name: .., field: ..)`",
    preset: Preset::Unset("that of `defaults`"),
    meaning: "Headers that tell HTTP servers of the certificate a client showed. What a client sends by these names, trailers included, is dropped, whether it showed one or not; who showed none gets no such header, but that of `verify`.",
};
pub(super) const OPTIONS: Field = Field {
    name: "http",
    shape: "section",
    preset: Preset::Unset("that of `defaults`"),
    meaning: "Which requests are taken.",
};
pub(super) const HTTP_ERRORS: Field = Field {
    name: "http_errors",
    shape: "list of `(status: .., file: \"..\")` or `(status: .., body: \"..\")`",
    preset: Preset::Unset("the built-in pages"),
    meaning: "Answers that proxyd makes itself, in other words. A page of the backend goes before one of the frontend, and that before one of `defaults`.",
};
pub(super) const ABORT_ON_CLOSE: Field = Field {
    name: "abort_on_close",
    shape: "`true` or `false`",
    preset: Preset::Unset("that of `defaults`"),
    meaning: "Whether a client that closes its side while its request is in a queue or with a server has gone, and its request with it. Where not, it gets its answer. One that resets the connection has gone in any case.",
};

/// `http`.
pub const HTTP: Section = Section {
    what: "`http`",
    title: "http",
    about: "Which requests are taken, in `defaults`, frontends and listen sections. Others are refused, counted by reason in `proxyd_http_refused_total`, and reach no server.",
    fields: &[
        Field {
            name: "connect",
            shape: "`true` or `false`",
            preset: Preset::Value(|| "false".into()),
            meaning: "Whether CONNECT is forwarded, and a tunnel once a server agrees; else 501.",
        },
        Field {
            name: "announce_keep_alive",
            shape: "`true` or `false`",
            preset: Preset::Value(|| defaults::ANNOUNCE_KEEP_ALIVE.to_string()),
            meaning: "Whether answers tell clients for how long they may leave the connection idle (`Keep-Alive: timeout=59`): a second less than `http_keep_alive`, so that none sends a request just when it is closed.",
        },
        Field {
            name: "max_header_bytes",
            shape: "size up to `\"16KiB\"`",
            preset: Preset::Value(|| print::size(defaults::MAX_HEADER_BYTES as u64)),
            meaning: "Longest head, request line included; else 431.",
        },
        Field {
            name: "max_headers",
            shape: "number up to 100",
            preset: Preset::Value(|| defaults::MAX_HEADERS.to_string()),
            meaning: "Most header fields; else 431.",
        },
        Field {
            name: "max_uri",
            shape: "size up to `\"16KiB\"`",
            preset: Preset::Unset("`max_header_bytes`"),
            meaning: "Longest target; else 414.",
        },
        Field {
            name: "max_body",
            shape: "size",
            preset: Preset::Unset("any length"),
            meaning: "Longest body; else 413, at once where the length is said, and when it is passed where it comes in chunks.",
        },
        Field {
            name: "http2",
            shape: "section",
            preset: Preset::Unset("each its default"),
            meaning: "How clients that speak HTTP/2 are served.",
        },
    ],
    later: &[],
};

/// `http.http2`.
pub const HTTP2: Section = Section {
    what: "`http2`",
    title: "http.http2",
    about: "How clients that speak HTTP/2 are served. The limits of `http` and `timeouts` hold for each of their requests. A connection that is ended for what it sends is told why by GOAWAY, and counted by reason in `proxyd_http2_connections_ended_total`; streams that are reset are counted in `proxyd_http2_streams_reset_total`.",
    fields: &[
        Field {
            name: "prior_knowledge",
            shape: "`true` or `false`",
            preset: Preset::Value(|| Http2Options::DEFAULT.prior_knowledge.to_string()),
            meaning: "Whether a client may begin with HTTP/2 in clear text; else 400.",
        },
        Field {
            name: "max_concurrent_streams",
            shape: "number up to 10_000",
            preset: Preset::Value(|| Http2Options::DEFAULT.max_concurrent_streams.to_string()),
            meaning: "Most requests of one connection at once. One that was taken back counts until its server is let go.",
        },
        Field {
            name: "initial_window",
            shape: "size from `\"16KiB\"` to `\"1GiB\"`",
            preset: Preset::Value(|| print::size(Http2Options::DEFAULT.initial_window.into())),
            meaning: "What a client may send of one request before its server has taken it.",
        },
        Field {
            name: "connection_window",
            shape: "size from `\"64KiB\"` to `\"1GiB\"`",
            preset: Preset::Value(|| print::size(Http2Options::DEFAULT.connection_window.into())),
            meaning: "The same of all its requests together: the most memory that the bodies of one connection take.",
        },
        Field {
            name: "max_frame_size",
            shape: "size from `\"16KiB\"` up to a byte less than `\"16MiB\"`",
            preset: Preset::Value(|| print::size(Http2Options::DEFAULT.max_frame_size.into())),
            meaning: "Longest frame that a client may send.",
        },
        Field {
            name: "header_table",
            shape: "size up to `\"64KiB\"`",
            preset: Preset::Value(|| print::size(Http2Options::DEFAULT.header_table.into())),
            meaning: "What is remembered of a client's header fields, for their compression.",
        },
        Field {
            name: "send_buffer",
            shape: "size from `\"16KiB\"` to `\"16MiB\"`",
            preset: Preset::Value(|| print::size(Http2Options::DEFAULT.send_buffer as u64)),
            meaning: "Most bytes of one answer that wait for a slow client.",
        },
        Field {
            name: "max_pending_accept_reset_streams",
            shape: "number up to 1_000_000",
            preset: Preset::Value(|| Http2Options::DEFAULT.max_pending_accept_reset_streams.to_string()),
            meaning: "Most requests that are taken back before they were looked at; then the connection is ended.",
        },
        Field {
            name: "max_local_error_reset_streams",
            shape: "number up to 1_000_000",
            preset: Preset::Value(|| Http2Options::DEFAULT.max_local_error_reset_streams.to_string()),
            meaning: "Most requests of one connection that are reset for what the client sent; then it is ended.",
        },
        Field {
            name: "glitches",
            shape: "number",
            preset: Preset::Value(|| Http2Options::DEFAULT.glitches.to_string()),
            meaning: "Frames of no use that a client may send within 10 s: PING, PRIORITY, unknown ones, and WINDOW_UPDATE beyond ten for each frame of data it gets; a fifth as many empty frames, streams in error, and streams taken back beyond half of its requests; a tenth as many SETTINGS. Then the connection is ended.",
        },
        Field {
            name: "ping_interval",
            shape: "duration",
            preset: Preset::Value(|| print::duration(Http2Options::DEFAULT.ping_interval)),
            meaning: "How long a client with requests under way may say nothing before it is sent a PING.",
        },
        Field {
            name: "ping_timeout",
            shape: "duration",
            preset: Preset::Value(|| print::duration(Http2Options::DEFAULT.ping_timeout)),
            meaning: "How long it may take to answer that.",
        },
    ],
    later: &[],
};

/// One of `http_errors`.
pub const ERROR_PAGE: Section = Section {
    what: "an error page",
    title: "http_errors",
    about: "An answer of proxyd's own, with `file` or `body`.",
    fields: &[
        Field {
            name: "status",
            shape: "400, 408, 413, 414, 417, 421, 431, 501, 502, 503 or 504",
            preset: Preset::Required,
            meaning: "Which answer; its status stays.",
        },
        Field {
            name: "file",
            shape: "string",
            preset: Preset::Unset("`body`"),
            meaning: "File with the body, read at start: text of at most 64 KiB.",
        },
        Field { name: "body", shape: "string", preset: Preset::Unset("`file`"), meaning: "The body itself." },
        Field {
            name: "content_type",
            shape: "string",
            preset: Preset::Unset("by the file's name, else `text/html`"),
            meaning: "Media type of the body.",
        },
    ],
    later: &[],
};

/// One of `client_cert_headers`.
pub const CLIENT_CERT_HEADER: Section = Section {
    what: "a header of `client_cert_headers`",
    title: "client_cert_headers",
    about: "A header with one field of the client's certificate. In texts, what is not printable ASCII, a backslash, a blank at either end, and what separates the parts (`/` within a value of a name, `,` within one of `names`) is written `\\` and two hexadecimal digits for each byte.",
    fields: &[
        Field {
            name: "name",
            shape: "string",
            preset: Preset::Required,
            meaning: "Name of the header, such as \"X-SSL-Client-CN\".",
        },
        Field {
            name: "field",
            shape: "`verify`, `subject`, `subject_cn`, `issuer`, `issuer_cn`, `serial`, `not_before`, `not_after`, `sha1`, `sha256`, `names`, `der` or `rfc9440`",
            preset: Preset::Required,
            meaning: "`verify` is SUCCESS with a certificate and NONE without. `subject` and `issuer` are names as HAProxy writes them (`/C=DE/CN=someone`), with `_cn` the first common name alone. `serial`, `sha1` and `sha256` (of the whole certificate) are hexadecimal in capitals, times are of RFC 3339 in UTC. `names` are the host names among the alternative names, behind commas. `der` is the certificate in base64, `rfc9440` the same as `Client-Cert` has it (RFC 9440).",
        },
    ],
    later: &[],
};
