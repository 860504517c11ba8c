//! Frontends, backends, and `listen`, which is both.

use super::super::{Field, Preset, Section};
use super::balance::{BACKUPS, BALANCE};
use super::http::{ABORT_ON_CLOSE, CLIENT_CERT_HEADERS, FORWARD_HEADERS, HTTP_ERRORS, OPTIONS};
use super::persistence::{PERSIST_FIELD, PERSISTENCE};
use super::tables::{STICK_LIST, TRACK_LIST};
use super::verdict::{EJECT_FIELD, PANIC_FIELD};
use super::{LOG, NAME};

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
const MAXCONN_PER_SOURCE: Field = Field {
    name: "maxconn_per_source",
    shape: "number",
    preset: Preset::Unset("no bound"),
    meaning: "Most connections of one client address (of IPv6: of one /64) at once; one more is closed at once, and counted as denied.",
};
pub(super) const TRUSTED: Field = Field {
    name: "trusted",
    shape: "list of networks",
    preset: Preset::Unset("that of `defaults`"),
    meaning: "`[\"10.0.0.0/8\", \"::1\"]`: proxies whose word about a client's address is taken, by `accept_proxy` and by forward headers.",
};
const ROUTES: Field = Field {
    name: "routes",
    shape: "list of `(when: .., to: ..)`",
    preset: Preset::Unset("none: all goes to `default_backend`"),
    meaning: "Of mode `tcp`: which connections go to which backend. The first route that fits is taken.",
};
const CHECK: Field = Field {
    name: "check",
    shape: "`tcp`, `http(..)` or another kind, or `none`",
    preset: Preset::Unset("servers are not checked"),
    meaning: "How the health of the servers is asked for. `none` is the same as to leave it out.",
};
const TIMEOUTS: Field = Field {
    name: "timeouts",
    shape: "section",
    preset: Preset::Unset("those of `defaults`"),
    meaning: "How long its clients and servers may take.",
};
const CLIENT_TIMEOUTS: Field = Field { meaning: "How long its clients may take.", ..TIMEOUTS };
const SERVER_TIMEOUTS: Field = Field { meaning: "How long its servers may take.", ..TIMEOUTS };
const RETRIES: Field = Field {
    name: "retries",
    shape: "section",
    preset: Preset::Unset("those of `defaults`"),
    meaning: "When and how often a request is tried again.",
};
const FULLCONN: Field = Field {
    name: "fullconn",
    shape: "number",
    preset: Preset::Unset("a tenth of the `maxconn` of its frontends"),
    meaning: "Sessions of the backend at which servers that have a `minconn` take their `maxconn`.",
};
const SERVER_DEFAULTS: Field = Field {
    name: "server_defaults",
    shape: "section",
    preset: Preset::Unset("none"),
    meaning: "What its servers have in common.",
};
const SERVERS: Field = Field {
    name: "servers",
    shape: "list of servers",
    preset: Preset::Unset("none, with a warning"),
    meaning: "Where traffic goes.",
};

/// One of `listen`.
pub const LISTEN: Section = Section {
    what: "a listen section",
    title: "listen",
    about: "A frontend and a backend of one name. Listen sections come before frontends and backends.",
    fields: &[
        NAME,
        MODE,
        BIND,
        FRONTEND_MAXCONN,
        MAXCONN_PER_SOURCE,
        TRUSTED,
        TRACK_LIST,
        LOG,
        FORWARD_HEADERS,
        CLIENT_CERT_HEADERS,
        OPTIONS,
        HTTP_ERRORS,
        TIMEOUTS,
        ROUTES,
        BALANCE,
        BACKUPS,
        CHECK,
        PERSISTENCE,
        PERSIST_FIELD,
        RETRIES,
        ABORT_ON_CLOSE,
        FULLCONN,
        PANIC_FIELD,
        EJECT_FIELD,
        STICK_LIST,
        SERVER_DEFAULTS,
        SERVERS,
    ],
    later: &["request", "response", "queue"],
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
        MAXCONN_PER_SOURCE,
        TRUSTED,
        TRACK_LIST,
        FORWARD_HEADERS,
        CLIENT_CERT_HEADERS,
        OPTIONS,
        HTTP_ERRORS,
        CLIENT_TIMEOUTS,
        ROUTES,
        Field {
            name: "default_backend",
            shape: "string",
            preset: Preset::Required,
            meaning: "Name of the backend or listen section that gets the traffic. Beside `routes` it may be left out: what fits none of them is then closed, and counted as denied.",
        },
        LOG,
    ],
    later: &["request", "response"],
};

/// One of `routes`.
pub const ROUTE: Section = Section {
    what: "a route",
    title: "frontends.routes",
    about: "A condition and the backend for the connections of which it holds. Names are read from the ClientHello, \
            which then goes to the server as it came: TLS is the server's. What is no TLS, or names no host, fits no \
            `sni(..)`. A ClientHello of more than 16 KiB, one that is malformed, and one that does not come within \
            `timeouts.client_hello` ends the connection, and is counted as a bad request.",
    fields: &[
        Field {
            name: "when",
            shape: "`sni(\"www.example.com\", ..)`",
            preset: Preset::Required,
            meaning: "The host that the client asks for by TLS is one of these. `\"*.example.com\"` is any one label more, as in a certificate; `\"*\"` is any host.",
        },
        Field {
            name: "to",
            shape: "string",
            preset: Preset::Required,
            meaning: "Name of the backend or listen section.",
        },
    ],
    later: &[],
};

/// One of `backends`.
pub const BACKEND: Section = Section {
    what: "a backend",
    title: "backends",
    about: "A group of servers.",
    fields: &[
        NAME,
        MODE,
        HTTP_ERRORS,
        BALANCE,
        BACKUPS,
        CHECK,
        PERSISTENCE,
        PERSIST_FIELD,
        SERVER_TIMEOUTS,
        RETRIES,
        ABORT_ON_CLOSE,
        FULLCONN,
        PANIC_FIELD,
        EJECT_FIELD,
        TRACK_LIST,
        STICK_LIST,
        SERVER_DEFAULTS,
        SERVERS,
    ],
    later: &["request", "response", "queue"],
};
