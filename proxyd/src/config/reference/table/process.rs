//! The file, `global` and what stands in it.

use super::super::super::defaults;
use super::super::super::print;
use super::super::{Field, Preset, Section};

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
            name: "tables",
            shape: "list",
            preset: Preset::Unset("none"),
            meaning: "What is known of clients.",
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
    later: &["conditions", "resolvers", "peers", "userlists", "http_errors", "caches"],
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
            name: "accept",
            shape: "`balanced` or `local`",
            preset: Preset::Value(|| print::accept(defaults::ACCEPT).into()),
            meaning: "Which worker serves a connection: the one that carries least, or the one the kernel gave it to.",
        },
        Field {
            name: "memory",
            shape: "share or size",
            preset: Preset::Value(|| print::memory(defaults::MEMORY)),
            meaning: "Of the memory of the control group or machine: where so much is used, no connection is accepted, and halfway from there to all of it some are given up. `\"2GiB\"` stands for less memory than there is.",
        },
        Field {
            name: "splice",
            shape: "`auto` or `off`",
            preset: Preset::Value(|| print::socket::splice(defaults::SPLICE).into()),
            meaning: "Whether bytes of long transfers pass from socket to socket within the kernel (splice(2)) once a transfer has proved to be long.",
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
        Field {
            name: "log",
            shape: "list of targets",
            preset: Preset::Unset("no access log"),
            meaning: "Where the access log goes: a line for each request, and for each session of mode tcp.",
        },
        Field {
            name: "tls_keylog",
            shape: "`true` or `false`",
            preset: Preset::Value(|| "false".into()),
            meaning: "Writes the keys of all TLS connections to the file that the environment's `SSLKEYLOGFILE` names, for Wireshark. Whoever has that file reads everything.",
        },
    ],
    later: &["user", "group", "chroot", "state_file"],
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
