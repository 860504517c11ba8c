//! Servers.

use super::super::super::{ServerHttp2, defaults, print};
use super::super::{Field, Preset, Section};
use super::persistence::SERVER_COOKIE;
use super::verdict::{
    AGENT_FIELD, ERROR_LIMIT, INIT_STATE, OBSERVE, ON_ERROR, ON_MARKED_DOWN, ON_MARKED_UP, TRACK,
};
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

const SLOW_START: Field = Field {
    name: "slow_start",
    shape: "duration",
    preset: Preset::Unset("all at once"),
    meaning: "How long a server that comes up takes to get its whole share: its weight grows in sixteenths, and its `maxconn` by \
              percents. Not at the start of the process. It begins anew where the server is drained before it is over, and when \
              it is taken out of drain before it is over. The weight of `static_rr` does not grow.",
};

const HTTP: Field = Field {
    name: "http",
    shape: "`http1`, `h2` or `auto`",
    preset: Preset::Value(|| print::socket::server_http(defaults::SERVER_HTTP).into()),
    meaning: "What is spoken with it in mode http. `h2`: many requests share a connection; with `tls` it is agreed on by \
              ALPN, else the server has to know. `auto`: with `tls` what the server chooses, else as `http1`.",
};

const HTTP2: Field = Field {
    name: "http2",
    shape: "section",
    preset: Preset::Unset("each its default"),
    meaning: "How HTTP/2 is spoken with it, where `http` is `h2` or `auto`.",
};

const CHECK: Field = Field {
    name: "check",
    shape: "as `check` of a backend",
    preset: Preset::Unset("that of the backend"),
    meaning: "How its own health is asked for. Intervals, timeout, spread, rise and fall that it leaves out are those of the backend's check. `none` is not at all.",
};

/// `http2` of servers.
pub const SERVER_HTTP2: Section = Section {
    what: "`http2` of a server",
    title: "servers.http2",
    about: "How HTTP/2 is spoken with a server, in `server_defaults` and `servers`. What a server leaves out is that of \
            `server_defaults`. What is ended and reset for it is counted by server and reason in \
            `proxyd_http2_servers_connections_ended_total` and `proxyd_http2_servers_streams_reset_total`; what servers \
            end and reset in `proxyd_http2_servers_goaways_total` and `proxyd_http2_servers_streams_refused_total`.",
    fields: &[
        Field {
            name: "max_concurrent_streams",
            shape: "number up to 10_000",
            preset: Preset::Value(|| ServerHttp2::DEFAULT.max_concurrent_streams.to_string()),
            meaning: "Most requests that one connection carries at once, where the server takes as many; others get a further one.",
        },
        Field {
            name: "initial_window",
            shape: "size from `\"16KiB\"` to `\"1GiB\"`",
            preset: Preset::Value(|| print::size(ServerHttp2::DEFAULT.initial_window.into())),
            meaning: "What the server may send of one answer before its client has taken it.",
        },
        Field {
            name: "connection_window",
            shape: "size from `\"64KiB\"` to `\"1GiB\"`",
            preset: Preset::Value(|| print::size(ServerHttp2::DEFAULT.connection_window.into())),
            meaning: "The same of all answers of a connection together: the most memory that they take.",
        },
        Field {
            name: "max_frame_size",
            shape: "size from `\"16KiB\"` up to a byte less than `\"16MiB\"`",
            preset: Preset::Value(|| print::size(ServerHttp2::DEFAULT.max_frame_size.into())),
            meaning: "Longest frame that the server may send.",
        },
        Field {
            name: "header_table",
            shape: "size up to `\"64KiB\"`",
            preset: Preset::Value(|| print::size(ServerHttp2::DEFAULT.header_table.into())),
            meaning: "What is remembered of the server's header fields, for their compression.",
        },
        Field {
            name: "max_header_list",
            shape: "size from `\"1KiB\"` to `\"64KiB\"`",
            preset: Preset::Value(|| print::size(ServerHttp2::DEFAULT.max_header_list.into())),
            meaning: "Longest head of an answer, each field with 32 bytes more than its name and value; a longer one is no answer, and the client gets 502.",
        },
        Field {
            name: "send_buffer",
            shape: "size from `\"16KiB\"` to `\"16MiB\"`",
            preset: Preset::Value(|| print::size(ServerHttp2::DEFAULT.send_buffer as u64)),
            meaning: "Most bytes of one request that wait for a slow server.",
        },
        Field {
            name: "max_local_error_reset_streams",
            shape: "number up to 1_000_000",
            preset: Preset::Value(|| ServerHttp2::DEFAULT.max_local_error_reset_streams.to_string()),
            meaning: "Most requests of one connection that are reset for what the server sent; then it is ended.",
        },
        Field {
            name: "ping_interval",
            shape: "duration",
            preset: Preset::Value(|| print::duration(ServerHttp2::DEFAULT.ping_interval)),
            meaning: "How often the server is sent a PING while it has requests. It is looked at once a second.",
        },
        Field {
            name: "ping_timeout",
            shape: "duration",
            preset: Preset::Value(|| print::duration(ServerHttp2::DEFAULT.ping_timeout)),
            meaning: "How long it may take to answer that; then the connection gets no more requests, and ends with those it has.",
        },
    ],
    later: &[],
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
        SLOW_START,
        AGENT_FIELD,
        OBSERVE,
        INIT_STATE,
        ERROR_LIMIT,
        ON_ERROR,
        ON_MARKED_DOWN,
        ON_MARKED_UP,
        HTTP,
        HTTP2,
        socket::SEND_PROXY_FIELD,
        socket::SOURCE,
        socket::INTERFACE,
        socket::FAST_OPEN,
        socket::SERVER_KEEPALIVE,
        socket::SERVER_USER_TIMEOUT,
        tls::SERVER_TLS_FIELD,
    ],
    later: &["check"],
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
        SLOW_START,
        AGENT_FIELD,
        OBSERVE,
        INIT_STATE,
        ERROR_LIMIT,
        ON_ERROR,
        TRACK,
        ON_MARKED_DOWN,
        ON_MARKED_UP,
        SERVER_COOKIE,
        tls::SERVER_TLS_FIELD,
        HTTP,
        HTTP2,
        CHECK,
        socket::SEND_PROXY_FIELD,
        socket::SOURCE,
        socket::INTERFACE,
        socket::FAST_OPEN,
        socket::SERVER_KEEPALIVE,
        socket::SERVER_USER_TIMEOUT,
    ],
    later: &[],
};
