//! What holds for HTTP, in `defaults`, frontends, backends and listen sections.

use super::super::super::defaults;
use super::super::super::print;
use super::super::{Field, Preset, Section};

pub(super) const FORWARD_HEADERS: Field = Field {
    name: "forward_headers",
    shape: "list of `x_forwarded_for`, `x_forwarded_proto`, `x_forwarded_host`, `x_forwarded_port`, `forwarded`, `via`",
    preset: Preset::Unset("that of `defaults`"),
    meaning: "Headers that tell HTTP servers about the client. `x_forwarded_for`, `forwarded` and `via` are added behind what a request has; the others take its place, unless a `trusted` proxy sent it. Where `trusted` names any, what others send of this kind is dropped.",
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
    meaning: "Whether a client that closes its side while a server has its request has gone, and its request with it. Where not, it gets its answer. One that resets the connection, or closes its side in a queue, has gone in any case.",
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
            shape: "400, 408, 413, 414, 417, 431, 501, 502, 503 or 504",
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
