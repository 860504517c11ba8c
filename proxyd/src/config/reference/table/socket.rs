//! Sockets: entries of `bind`, and what servers are connected to with.

use super::super::{Field, Preset, Section};

const OFF: Preset = Preset::Unset("`false`");

const KEEPALIVE_FIELD: Field = Field {
    name: "keepalive",
    shape: "section",
    preset: Preset::Unset("off"),
    meaning: "Asks the kernel to probe silent connections. `()` is the kernel's own pace.",
};
const USER_TIMEOUT: Field = Field {
    name: "user_timeout",
    shape: "duration",
    preset: Preset::Unset("the kernel's"),
    meaning: "How long sent bytes may stay unacknowledged before the connection is given up (TCP_USER_TIMEOUT).",
};

/// One of a `bind` list, where it is not a plain string.
pub const BIND_ENTRY: Section = Section {
    what: "a bind",
    title: "bind",
    about: "A place in a `bind` list, where a plain string does not say enough.",
    fields: &[
        Field {
            name: "address",
            shape: "string",
            preset: Preset::Required,
            meaning: "The same as the plain string.",
        },
        Field {
            name: "tls",
            shape: "section",
            preset: Preset::Unset("none"),
            meaning: "Connections are encrypted: `tls: (certificates: [\"site.pem\"])`.",
        },
        Field {
            name: "accept_proxy",
            shape: "`true` or `false`",
            preset: OFF,
            meaning: "Each connection begins with a header of the PROXY protocol, version 1 or 2, which says whose it is; it is waited for as long as the timeout `proxy_header` says. A connection without one is closed. Where `trusted` is not empty, so is every connection from elsewhere; a Unix socket's permissions are its trust.",
        },
        Field {
            name: "maxconn",
            shape: "number",
            preset: Preset::Unset("as many as the frontend takes"),
            meaning: "Most client connections at once of this bind; more wait in the kernel's backlog.",
        },
        Field {
            name: "backlog",
            shape: "number",
            preset: Preset::Unset("4096"),
            meaning: "Connections the kernel holds before they are accepted, for each worker.",
        },
        Field {
            name: "defer_accept",
            shape: "`true` or `false`",
            preset: OFF,
            meaning: "A connection is accepted once the client has sent something. Not for protocols in which the server speaks first.",
        },
        Field {
            name: "fast_open",
            shape: "`true` or `false`",
            preset: OFF,
            meaning: "TCP fast open; the kernel has to allow it (net.ipv4.tcp_fastopen has 2 set).",
        },
        KEEPALIVE_FIELD,
        USER_TIMEOUT,
        Field {
            name: "interface",
            shape: "string",
            preset: Preset::Unset("any"),
            meaning: "Only connections that arrive over this network interface.",
        },
        Field {
            name: "transparent",
            shape: "`true` or `false`",
            preset: OFF,
            meaning: "The address need not be one of this machine (needs CAP_NET_ADMIN).",
        },
        Field {
            name: "v6only",
            shape: "`true` or `false`",
            preset: OFF,
            meaning: "`\":80\"` and `\"[::]:80\"` are IPv6 alone.",
        },
        Field {
            name: "mode",
            shape: "string of octal digits",
            preset: Preset::Unset("what the umask leaves"),
            meaning: "Permissions of a Unix socket.",
        },
    ],
    later: &["user", "group"],
};

/// `keepalive`.
pub const KEEPALIVE: Section = Section {
    what: "`keepalive`",
    title: "keepalive",
    about: "TCP keepalives of binds and servers, in whole seconds.",
    fields: &[
        Field {
            name: "idle",
            shape: "duration",
            preset: Preset::Unset("the kernel's"),
            meaning: "Silence before the first probe.",
        },
        Field {
            name: "interval",
            shape: "duration",
            preset: Preset::Unset("the kernel's"),
            meaning: "Time between probes.",
        },
        Field {
            name: "count",
            shape: "number from 1 to 127",
            preset: Preset::Unset("the kernel's"),
            meaning: "Probes without an answer until the connection is given up.",
        },
    ],
    later: &[],
};

/// `send_proxy`, where it is not a plain word.
pub const SEND_PROXY: Section = Section {
    what: "`send_proxy`",
    title: "send_proxy",
    about: "The PROXY header, where its version does not say enough.",
    fields: &[
        Field {
            name: "version",
            shape: "`v1` or `v2`",
            preset: Preset::Required,
            meaning: "A line of text, or binary.",
        },
        Field {
            name: "tlvs",
            shape: "list of `alpn`, `authority`, `unique_id`, `crc32c`",
            preset: Preset::Unset("`[]`"),
            meaning: "What version 2 carries beside the addresses: passed on from the client's own PROXY header where that has it, and a checksum.",
        },
    ],
    later: &[],
};

pub(super) const SEND_PROXY_FIELD: Field = Field {
    name: "send_proxy",
    shape: "`v1`, `v2`, `(version: v2, tlvs: [..])` or `off`",
    preset: Preset::Unset("nothing is sent"),
    meaning: "Tells the server whose connection it is by a header of the PROXY protocol; checks send one that says that they are proxyd's own. Such a connection serves one client alone.",
};
pub(super) const SOURCE: Field = Field {
    name: "source",
    shape: "string or `client`",
    preset: Preset::Unset("the kernel's choice"),
    meaning: "Where connections come from: `\"10.0.0.1\"`, `\"10.0.0.1:20000-30000\"`, or `client` for the client's own address (needs CAP_NET_ADMIN, and routes that bring the answers back). A client of another family than the server is connected from proxyd's own address.",
};
pub(super) const INTERFACE: Field = Field {
    name: "interface",
    shape: "string",
    preset: Preset::Unset("by the routes"),
    meaning: "Connects over this network interface.",
};
pub(super) const FAST_OPEN: Field = Field {
    name: "fast_open",
    shape: "`true` or `false`",
    preset: OFF,
    meaning: "TCP fast open; the kernel has to allow it (net.ipv4.tcp_fastopen has 1 set).",
};
pub(super) const SERVER_KEEPALIVE: Field = KEEPALIVE_FIELD;
pub(super) const SERVER_USER_TIMEOUT: Field = USER_TIMEOUT;
