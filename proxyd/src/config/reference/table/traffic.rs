//! `defaults`, and the sections that frontends and backends may have too.

use super::super::super::defaults;
use super::super::super::print::{self, duration};
use super::super::{Field, Preset, Section};

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
        Field { preset: Preset::Unset("each its default"), ..super::http::OPTIONS },
        super::http::HTTP_ERRORS,
        Field { preset: Preset::Value(|| "false".into()), ..super::http::ABORT_ON_CLOSE },
        Field { preset: Preset::Value(|| "[]".into()), ..super::proxy::TRUSTED },
    ],
    later: &[],
};

/// `defaults.timeouts`.
pub const TIMEOUTS: Section = Section {
    what: "`timeouts`",
    title: "defaults.timeouts",
    about: "How long clients and servers may take.",
    fields: &[
        Field {
            name: "connect",
            shape: "duration",
            preset: Preset::Value(|| duration(defaults::CONNECT)),
            meaning: "Until a connection to a server stands.",
        },
        Field {
            name: "client",
            shape: "duration",
            preset: Preset::Value(|| duration(defaults::CLIENT)),
            meaning: "Inactivity of the client while it should send or receive.",
        },
        Field {
            name: "server",
            shape: "duration",
            preset: Preset::Value(|| duration(defaults::SERVER)),
            meaning: "Inactivity of the server while it should answer or receive.",
        },
        Field {
            name: "http_request",
            shape: "duration",
            preset: Preset::Value(|| duration(defaults::HTTP_REQUEST)),
            meaning: "For a whole request head, however busy the client is.",
        },
        Field {
            name: "http_keep_alive",
            shape: "duration",
            preset: Preset::Value(|| duration(defaults::HTTP_KEEP_ALIVE)),
            meaning: "For the first byte of the next request.",
        },
        Field {
            name: "tunnel",
            shape: "duration",
            preset: Preset::Value(|| duration(defaults::TUNNEL)),
            meaning: "Inactivity of an upgraded connection, in both directions.",
        },
        Field {
            name: "client_fin",
            shape: "duration",
            preset: Preset::Unset("`client`; `tunnel` where that holds"),
            meaning: "Inactivity of the client once one direction has ended.",
        },
        Field {
            name: "server_fin",
            shape: "duration",
            preset: Preset::Unset("`server`; `tunnel` where that holds"),
            meaning: "Inactivity of the server once one direction has ended.",
        },
    ],
    later: &["queue", "tls_handshake", "tarpit"],
};

/// `defaults.retries`.
pub const RETRIES: Section = Section {
    what: "`retries`",
    title: "defaults.retries",
    about: "When and how often a request is tried again, always on another server where there is one.",
    fields: &[
        Field {
            name: "max",
            shape: "number",
            preset: Preset::Value(|| defaults::RETRIES.to_string()),
            meaning: "Further tries after the first; 0 is none.",
        },
        Field {
            name: "on",
            shape: "list of `conn_failure`, `empty_response`",
            preset: Preset::Value(|| "[conn_failure, empty_response]".into()),
            meaning: "After what: no connection, or a request that may be repeated got no byte of an answer.",
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
