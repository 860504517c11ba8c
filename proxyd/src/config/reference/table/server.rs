//! Servers.

use super::super::super::{defaults, print};
use super::super::{Field, Preset, Section};
use super::{NAME, socket, tls};

const WEIGHT: Field = Field {
    name: "weight",
    shape: "number from 0 to 256",
    preset: Preset::Value(|| defaults::WEIGHT.to_string()),
    meaning: "Share of the traffic beside the other servers; 0 is none.",
};
const MAXCONN: Field = Field {
    name: "maxconn",
    shape: "number",
    preset: Preset::Value(|| "0".into()),
    meaning: "Most requests (in mode tcp: connections) it is given at once; more wait in the queue of the backend. \
              0 is no limit.",
};
const MINCONN: Field = Field {
    name: "minconn",
    shape: "number",
    preset: Preset::Unset("`maxconn`"),
    meaning: "Its limit while the backend carries little. It grows to `maxconn` with the load, which is reached at \
              `fullconn` of the backend.",
};
const MAX_QUEUE: Field = Field {
    name: "max_queue",
    shape: "number",
    preset: Preset::Value(|| "0".into()),
    meaning: "Most requests that wait for it; 0 is no limit. As many wait in a backend as its servers allow \
              together; one more is answered with 503.",
};

const HTTP: Field = Field {
    name: "http",
    shape: "`http1`, `h2` or `auto`",
    preset: Preset::Value(|| print::socket::server_http(defaults::SERVER_HTTP).into()),
    meaning: "What is spoken with it in mode http. `h2`: many requests share a connection; with `tls` it is agreed on by \
              ALPN, else the server has to know. `auto`: with `tls` what the server chooses, else as `http1`.",
};

/// What the servers of a backend have in common.
pub const SERVER_DEFAULTS: Section = Section {
    what: "`server_defaults`",
    title: "server_defaults",
    about: "What holds for all servers of a backend that say nothing else themselves. What only TCP has does not \
            concern servers behind Unix sockets.",
    fields: &[
        WEIGHT,
        MAXCONN,
        MINCONN,
        MAX_QUEUE,
        HTTP,
        socket::SEND_PROXY_FIELD,
        socket::SOURCE,
        socket::INTERFACE,
        socket::FAST_OPEN,
        socket::SERVER_KEEPALIVE,
        socket::SERVER_USER_TIMEOUT,
        tls::SERVER_TLS_FIELD,
    ],
    later: &["slow_start", "observe", "on_marked_down", "on_error", "check"],
};

/// One of `servers`.
pub const SERVER: Section = Section {
    what: "a server",
    title: "servers",
    about: "One server of a backend.",
    fields: &[
        NAME,
        Field {
            name: "address",
            shape: "string",
            preset: Preset::Required,
            meaning: "`\"10.0.0.1:80\"`, `\"[::1]:80\"`, `\"unix@/run/app.sock\"`, or `\"app.internal:80\"`, resolved once at start.",
        },
        WEIGHT,
        Field {
            name: "backup",
            shape: "`true` or `false`",
            preset: Preset::Value(|| "false".into()),
            meaning: "Gets traffic only while no other server can.",
        },
        MAXCONN,
        MINCONN,
        MAX_QUEUE,
        tls::SERVER_TLS_FIELD,
        HTTP,
        socket::SEND_PROXY_FIELD,
        socket::SOURCE,
        socket::INTERFACE,
        socket::FAST_OPEN,
        socket::SERVER_KEEPALIVE,
        socket::SERVER_USER_TIMEOUT,
    ],
    later: &["slow_start", "observe", "on_marked_down", "on_error", "check", "cookie", "agent"],
};
