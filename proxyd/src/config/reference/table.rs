//! The sections and their settings.

use super::super::defaults;
use super::super::print::{self, duration, status};
use super::{Field, Preset, Section};

const NAME: Field = Field {
    name: "name",
    shape: "string",
    preset: Preset::Required,
    meaning: "Letters, digits, `-`, `_`, `.` and `:`. Unique among its kind.",
};
const MODE: Field = Field {
    name: "mode",
    shape: "`http` or `tcp`",
    preset: Preset::Unset("that of `defaults`"),
    meaning: "What is understood of the traffic. A frontend and its backend have the same.",
};
const BIND: Field = Field {
    name: "bind",
    shape: "list of strings or of `(address: ..)`",
    preset: Preset::Required,
    meaning: "Where clients arrive: `\"127.0.0.1:8080\"`, `\"[::1]:8080\"`, `\":80\"` (IPv6 and IPv4), `\"unix@/run/app.sock\"`.",
};
const FRONTEND_MAXCONN: Field = Field {
    name: "maxconn",
    shape: "number",
    preset: Preset::Unset("as many as the process takes"),
    meaning: "Most client connections at once; more wait in the kernel's backlog.",
};
const BALANCE: Field = Field {
    name: "balance",
    shape: "`round_robin` or `least_conn`",
    preset: Preset::Value(|| print::algorithm(defaults::BALANCE).into()),
    meaning: "How the next server is chosen. HAProxy's `roundrobin` and `leastconn` are taken too.",
};
const CHECK: Field = Field {
    name: "check",
    shape: "`tcp` or `http(..)`",
    preset: Preset::Unset("servers are not checked"),
    meaning: "How the health of the servers is asked for.",
};
const SERVERS: Field = Field {
    name: "servers",
    shape: "list of servers",
    preset: Preset::Unset("none, with a warning"),
    meaning: "Where traffic goes.",
};
const INTERVAL: Field = Field {
    name: "interval",
    shape: "duration",
    preset: Preset::Value(|| duration(defaults::CHECK_INTERVAL)),
    meaning: "From one check to the next.",
};
const CHECK_TIMEOUT: Field = Field {
    name: "timeout",
    shape: "duration",
    preset: Preset::Unset("`interval`"),
    meaning: "How long a check may take.",
};
const RISE: Field = Field {
    name: "rise",
    shape: "number from 1",
    preset: Preset::Value(|| defaults::CHECK_RISE.to_string()),
    meaning: "Passed checks until a server is up again.",
};
const FALL: Field = Field {
    name: "fall",
    shape: "number from 1",
    preset: Preset::Value(|| defaults::CHECK_FALL.to_string()),
    meaning: "Failed checks until a server is down.",
};

/// A whole file.
pub const FILE: Section = Section {
    what: "the top level",
    title: "The file",
    about: "A file is one `( )` with these sections. Lists of several files add up.",
    fields: &[
        Field {
            name: "global",
            shape: "section",
            preset: Preset::Unset("its defaults"),
            meaning: "Settings of the process. In one file only.",
        },
        Field {
            name: "defaults",
            shape: "section",
            preset: Preset::Unset("its defaults"),
            meaning: "Settings of all frontends and backends. In one file only.",
        },
        Field {
            name: "listen",
            shape: "list",
            preset: Preset::Unset("none"),
            meaning: "A frontend and a backend of one name, in one section.",
        },
        Field {
            name: "frontends",
            shape: "list",
            preset: Preset::Unset("none"),
            meaning: "Where clients arrive.",
        },
        Field {
            name: "backends",
            shape: "list",
            preset: Preset::Unset("none"),
            meaning: "Groups of servers.",
        },
    ],
    later: &["tables", "conditions", "resolvers", "peers", "userlists", "http_errors", "caches"],
};

/// `global`.
pub const GLOBAL: Section = Section {
    what: "`global`",
    title: "global",
    about: "Settings of the process.",
    fields: &[
        Field {
            name: "workers",
            shape: "`auto` or a number from 1 to 1024",
            preset: Preset::Value(|| "auto".into()),
            meaning: "Worker threads. `auto` is one a core, within the cgroup's quota.",
        },
        Field {
            name: "maxconn",
            shape: "number",
            preset: Preset::Unset("from the limit on open files"),
            meaning: "Most client connections of the process at once; more wait in the kernel's backlog.",
        },
        Field {
            name: "sockets",
            shape: "list of sockets",
            preset: Preset::Unset("none"),
            meaning: "Sockets of the runtime API.",
        },
        Field {
            name: "metrics",
            shape: "`(bind: \"127.0.0.1:8405\")`",
            preset: Preset::Unset("not served"),
            meaning: "Where `/metrics`, `/live` and `/ready` are served.",
        },
    ],
    later: &["memory", "user", "group", "chroot", "state_file", "log"],
};

/// One of `global.sockets`.
pub const SOCKET: Section = Section {
    what: "a socket",
    title: "global.sockets",
    about: "A Unix socket that the runtime API answers on.",
    fields: &[
        Field {
            name: "path",
            shape: "string",
            preset: Preset::Required,
            meaning: "At most 107 bytes; a relative path is relative to the working directory.",
        },
        Field {
            name: "mode",
            shape: "string of octal digits",
            preset: Preset::Value(|| print::file_mode(defaults::SOCKET_MODE)),
            meaning: "Permissions of the socket file.",
        },
        Field {
            name: "level",
            shape: "`user`, `operator` or `admin`",
            preset: Preset::Value(|| defaults::SOCKET_LEVEL.to_string()),
            meaning: "What may be done over it: read, read all and clear counters, or change state.",
        },
    ],
    later: &["user", "group"],
};

/// `global.metrics`.
pub const METRICS: Section = Section {
    what: "`metrics`",
    title: "global.metrics",
    about: "The listener of the metrics.",
    fields: &[Field { name: "bind", shape: "string", preset: Preset::Required, meaning: "Its address." }],
    later: &[],
};

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
        Field {
            name: "forward_headers",
            shape: "list of `x_forwarded_for`, `x_forwarded_proto`, `x_forwarded_host`, `x_forwarded_port`",
            preset: Preset::Value(|| "[]".into()),
            meaning: "Headers that tell HTTP servers about the client.",
        },
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
            preset: Preset::Unset("`client`"),
            meaning: "Inactivity of the client once one direction has ended.",
        },
        Field {
            name: "server_fin",
            shape: "duration",
            preset: Preset::Unset("`server`"),
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

/// One of `listen`.
pub const LISTEN: Section = Section {
    what: "a listen section",
    title: "listen",
    about: "A frontend and a backend of one name. Listen sections come before frontends and backends.",
    fields: &[NAME, MODE, BIND, FRONTEND_MAXCONN, BALANCE, CHECK, SERVERS],
    later: &[
        "trusted",
        "forward_headers",
        "request",
        "response",
        "routes",
        "persistence",
        "panic",
        "server_defaults",
        "queue",
        "stick",
    ],
};

/// One of `frontends`.
pub const FRONTEND: Section = Section {
    what: "a frontend",
    title: "frontends",
    about: "Where clients arrive.",
    fields: &[
        NAME,
        MODE,
        BIND,
        FRONTEND_MAXCONN,
        Field {
            name: "default_backend",
            shape: "string",
            preset: Preset::Required,
            meaning: "Name of the backend or listen section that gets the traffic.",
        },
    ],
    later: &["trusted", "forward_headers", "request", "response", "routes"],
};

/// One of a `bind` list, where it is not a plain string.
pub const BIND_ENTRY: Section = Section {
    what: "a bind",
    title: "bind",
    about: "A place in a `bind` list, where a plain string does not say enough.",
    fields: &[Field {
        name: "address",
        shape: "string",
        preset: Preset::Required,
        meaning: "The same as the plain string.",
    }],
    later: &["tls", "accept_proxy", "maxconn", "backlog", "mode", "user", "group"],
};

/// One of `backends`.
pub const BACKEND: Section = Section {
    what: "a backend",
    title: "backends",
    about: "A group of servers.",
    fields: &[NAME, MODE, BALANCE, CHECK, SERVERS],
    later: &["persistence", "panic", "server_defaults", "request", "response", "queue", "stick"],
};

/// `tcp(..)`.
pub const TCP_CHECK: Section = Section {
    what: "a tcp check",
    title: "check: tcp(..)",
    about: "Passes when the connection is accepted. `tcp` and `tcp()` are the same.",
    fields: &[INTERVAL, CHECK_TIMEOUT, RISE, FALL],
    later: &["fast_interval", "down_interval"],
};

/// `http(..)`.
pub const HTTP_CHECK: Section = Section {
    what: "an http check",
    title: "check: http(..)",
    about: "Passes when a request is answered with an expected status. A tcp backend can have one too.",
    fields: &[
        Field {
            name: "method",
            shape: "string",
            preset: Preset::Value(|| print::quoted(defaults::CHECK_METHOD)),
            meaning: "Of the request.",
        },
        Field {
            name: "path",
            shape: "string",
            preset: Preset::Value(|| print::quoted(defaults::CHECK_PATH)),
            meaning: "Of the request, with its query.",
        },
        Field {
            name: "host",
            shape: "string",
            preset: Preset::Unset("the address of the server"),
            meaning: "The Host header.",
        },
        Field {
            name: "expect",
            shape: "`status(\"200-299\")` or `status(200)`",
            preset: Preset::Value(|| status(defaults::CHECK_EXPECT)),
            meaning: "Statuses that pass.",
        },
        INTERVAL,
        CHECK_TIMEOUT,
        RISE,
        FALL,
    ],
    later: &["fast_interval", "down_interval", "headers", "body", "version"],
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
        Field {
            name: "weight",
            shape: "number from 0 to 256",
            preset: Preset::Value(|| defaults::WEIGHT.to_string()),
            meaning: "Share of the traffic beside the other servers; 0 is none.",
        },
        Field {
            name: "backup",
            shape: "`true` or `false`",
            preset: Preset::Value(|| "false".into()),
            meaning: "Gets traffic only while no other server can.",
        },
    ],
    later: &[
        "tls",
        "http",
        "maxconn",
        "minconn",
        "slow_start",
        "observe",
        "on_marked_down",
        "on_error",
        "check",
        "cookie",
        "send_proxy",
        "source",
        "agent",
    ],
};

/// All of them, as the reference lists them.
pub const SECTIONS: &[&Section] = &[
    &FILE,
    &GLOBAL,
    &SOCKET,
    &METRICS,
    &DEFAULTS,
    &TIMEOUTS,
    &RETRIES,
    &LISTEN,
    &FRONTEND,
    &BIND_ENTRY,
    &BACKEND,
    &TCP_CHECK,
    &HTTP_CHECK,
    &SERVER,
];
