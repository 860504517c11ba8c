//! `defaults`, and the sections that frontends and backends may have too.

use super::super::super::defaults;
use super::super::super::print::{self, duration};
use super::super::{Field, Preset, Section};
use super::LOG;

/// `defaults`.
pub const DEFAULTS: Section = Section {
    what: "`defaults`",
    title: "defaults",
    about: "Settings of all frontends and backends.",
    fields: &[
        Field {
            name: "mode",
            shape: "`http` or `tcp`",
            preset: Preset::Value(|| print::mode(defaults::MODE).into()),
            meaning: "What is understood of the traffic, where a section does not say.",
        },
        Field {
            name: "timeouts",
            shape: "section",
            preset: Preset::Unset("each its default"),
            meaning: "How long clients and servers may take.",
        },
        Field {
            name: "retries",
            shape: "section",
            preset: Preset::Unset("each its default"),
            meaning: "When and how often a request is tried again.",
        },
        Field { preset: Preset::Value(|| "[]".into()), ..super::http::FORWARD_HEADERS },
        Field { preset: Preset::Value(|| "[]".into()), ..super::http::CLIENT_CERT_HEADERS },
        Field { preset: Preset::Unset("each its default"), ..super::http::OPTIONS },
        super::http::HTTP_ERRORS,
        Field { preset: Preset::Value(|| "false".into()), ..super::http::ABORT_ON_CLOSE },
        Field { preset: Preset::Value(|| "[]".into()), ..super::proxy::TRUSTED },
        LOG,
    ],
    later: &[],
};

/// `timeouts` of `defaults` and of a listen section.
pub const TIMEOUTS: Section = Section {
    what: "`timeouts`",
    title: "defaults.timeouts",
    about: "How long clients and servers may take. A listen section may have its own; what it leaves out is that of \
            `defaults`.",
    fields: &[
        CONNECT,
        QUEUE,
        SERVER,
        SERVER_FIN,
        TUNNEL,
        CLIENT,
        CLIENT_FIN,
        CLIENT_HELLO,
        PROXY_HEADER,
        HTTP_REQUEST,
        HTTP_KEEP_ALIVE,
        TLS_HANDSHAKE,
    ],
    later: LATER_TIMEOUTS,
};

/// `timeouts` of a frontend.
pub const CLIENT_TIMEOUTS: Section = Section {
    what: "a frontend's `timeouts`",
    title: "frontends.timeouts",
    about: "How long the clients of this frontend may take.",
    fields: &[
        inherited(CLIENT),
        inherited(CLIENT_FIN),
        inherited(CLIENT_HELLO),
        inherited(PROXY_HEADER),
        inherited(HTTP_REQUEST),
        inherited(HTTP_KEEP_ALIVE),
        inherited(TLS_HANDSHAKE),
    ],
    later: LATER_TIMEOUTS,
};

/// `timeouts` of a backend.
pub const SERVER_TIMEOUTS: Section = Section {
    what: "a backend's `timeouts`",
    title: "backends.timeouts",
    about: "How long the servers of this backend may take.",
    fields: &[
        inherited(CONNECT),
        inherited(QUEUE),
        inherited(SERVER),
        inherited(SERVER_FIN),
        inherited(TUNNEL),
    ],
    later: LATER_TIMEOUTS,
};

const LATER_TIMEOUTS: &[&str] = &["tarpit"];

/// The same setting where `defaults` says what holds without it.
const fn inherited(field: Field) -> Field {
    Field { preset: Preset::Unset("that of `defaults`"), ..field }
}

const CONNECT: Field = Field {
    name: "connect",
    shape: "duration",
    preset: Preset::Value(|| duration(defaults::CONNECT)),
    meaning: "Until a connection to a server stands.",
};
const QUEUE: Field = Field {
    name: "queue",
    shape: "duration",
    preset: Preset::Unset("`connect`"),
    meaning: "Waiting for room on a server; then 503.",
};
const SERVER: Field = Field {
    name: "server",
    shape: "duration",
    preset: Preset::Value(|| duration(defaults::SERVER)),
    meaning: "Inactivity of the server while it should answer or receive.",
};
const SERVER_FIN: Field = Field {
    name: "server_fin",
    shape: "duration",
    preset: Preset::Unset("`server`; `tunnel` where that holds"),
    meaning: "Inactivity of the server once one direction has ended.",
};
const TUNNEL: Field = Field {
    name: "tunnel",
    shape: "duration",
    preset: Preset::Value(|| duration(defaults::TUNNEL)),
    meaning: "Inactivity of an upgraded connection, in both directions.",
};
const CLIENT: Field = Field {
    name: "client",
    shape: "duration",
    preset: Preset::Value(|| duration(defaults::CLIENT)),
    meaning: "Inactivity of the client while it should send or receive.",
};
const CLIENT_FIN: Field = Field {
    name: "client_fin",
    shape: "duration",
    preset: Preset::Unset("`client`; `tunnel` where that holds"),
    meaning: "Inactivity of the client once one direction has ended.",
};
const CLIENT_HELLO: Field = Field {
    name: "client_hello",
    shape: "duration",
    preset: Preset::Value(|| duration(defaults::CLIENT_HELLO)),
    meaning: "For a whole ClientHello, where `routes` look at it, however busy the client is.",
};
const PROXY_HEADER: Field = Field {
    name: "proxy_header",
    shape: "duration",
    preset: Preset::Value(|| duration(defaults::PROXY_HEADER)),
    meaning: "For a whole PROXY header, from the accept on, where a bind has `accept_proxy`.",
};
const HTTP_REQUEST: Field = Field {
    name: "http_request",
    shape: "duration",
    preset: Preset::Value(|| duration(defaults::HTTP_REQUEST)),
    meaning: "For a whole request head, however busy the client is.",
};
const HTTP_KEEP_ALIVE: Field = Field {
    name: "http_keep_alive",
    shape: "duration",
    preset: Preset::Value(|| duration(defaults::HTTP_KEEP_ALIVE)),
    meaning: "For the first byte of the next request.",
};
const TLS_HANDSHAKE: Field = Field {
    name: "tls_handshake",
    shape: "duration",
    preset: Preset::Value(|| duration(defaults::TLS_HANDSHAKE)),
    meaning: "For a client's whole TLS handshake, however busy it is. One with a server has to end within `connect`.",
};

/// `retries` of `defaults`, of a backend and of a listen section.
pub const RETRIES: Section = Section {
    what: "`retries`",
    title: "defaults.retries",
    about: "When and how often a request is tried again, on another server where there is one. A backend or listen \
            section may have its own; what it leaves out is that of `defaults`.",
    fields: &[
        Field {
            name: "max",
            shape: "number",
            preset: Preset::Value(|| defaults::RETRIES.to_string()),
            meaning: "Further tries after the first; 0 is none.",
        },
        Field {
            name: "on",
            shape: "list of `conn_failure`, `empty_response`, `junk_response`, `response_timeout`, `status(503)`",
            preset: Preset::Value(|| "[conn_failure, empty_response]".into()),
            meaning: "After what: no connection; a connection that ends before an answer, or brings something else than \
                      one; no answer in time; an answer of 401, 403, 404, 408, 425, 429, 500, 501, 502, 503 or 504, \
                      the last of which is passed on. What was sent is sent again only if its method may be repeated \
                      and nothing of an answer has reached the client.",
        },
        Field {
            name: "redispatch",
            shape: "`true` or `false`",
            preset: Preset::Value(|| "true".into()),
            meaning: "Whether another server is tried, where there is one. If not, it is the same one, after a pause.",
        },
        Field {
            name: "replay",
            shape: "size",
            preset: Preset::Value(|| print::size(defaults::REPLAY.into())),
            meaning: "Longest body that is kept to be sent again, up to \"1MiB\". Kept only where `on` asks for more \
                      than `conn_failure` and the request may be repeated; \"0B\" is never.",
        },
        Field {
            name: "non_idempotent",
            shape: "`true` or `false`",
            preset: Preset::Value(|| "false".into()),
            meaning: "Whether POST and PATCH are sent again too, though a server may have acted on them.",
        },
        Field {
            name: "budget",
            shape: "share",
            preset: Preset::Value(|| print::percent(defaults::RETRY_BUDGET_PERCENT)),
            meaning: "Share of the backend's active requests that may be retries; 3 always may.",
        },
    ],
    later: &[],
};
