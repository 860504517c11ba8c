//! Health checks.

use super::super::super::defaults;
use super::super::super::print::check::status;
use super::super::super::print::{self, duration};
use super::super::{Field, Preset, Section};
use super::socket;

const INTERVAL: Field = Field {
    name: "interval",
    shape: "duration",
    preset: Preset::Value(|| duration(defaults::CHECK_INTERVAL)),
    meaning: "From one check to the next of a server that is up.",
};
const FAST_INTERVAL: Field = Field {
    name: "fast_interval",
    shape: "duration",
    preset: Preset::Unset("`interval`"),
    meaning: "The same while a server is on its way up or down: some checks passed or failed, and not enough.",
};
const DOWN_INTERVAL: Field = Field {
    name: "down_interval",
    shape: "duration",
    preset: Preset::Unset("`interval`"),
    meaning: "The same while a server is down.",
};
const SPREAD: Field = Field {
    name: "spread",
    shape: "share up to `\"50%\"`",
    preset: Preset::Value(|| format!("\"{}%\"", defaults::CHECK_SPREAD)),
    meaning: "By how much each interval is made shorter or longer at random. First checks are spread over the interval in any case.",
};
const CHECK_TIMEOUT: Field = Field {
    name: "timeout",
    shape: "duration",
    preset: Preset::Unset("`interval`"),
    meaning: "How long all of a check may take; not longer than `interval`.",
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

/// Where a check goes.
const ADDRESS: Field = Field {
    name: "address",
    shape: "string",
    preset: Preset::Unset("that of the server"),
    meaning: "Another IP address to ask. A check that goes to another address or port begins with no handshake and no PROXY header unless it says so itself.",
};
const PORT: Field = Field {
    name: "port",
    shape: "number from 1 to 65535",
    preset: Preset::Unset("that of the server"),
    meaning: "Another port to ask.",
};
const TLS: Field = Field {
    name: "tls",
    shape: "section as `servers.tls`, `true` or `false`",
    preset: Preset::Unset("as the server"),
    meaning: "Whether connections begin with a handshake, and with what: what is left out is the server's. `tcp(tls: true)` asks for no more than that.",
};
const ALPN: Field = Field {
    name: "alpn",
    shape: "list of `h2`, `http1` and strings",
    preset: Preset::Unset("what the check speaks"),
    meaning: "What is offered in the handshake.",
};
const SEND_PROXY: Field = Field {
    name: "send_proxy",
    preset: Preset::Unset("as the server"),
    meaning: "The header of the PROXY protocol in front, which says that the connection is proxyd's own.",
    ..socket::SEND_PROXY_FIELD
};

/// What all kinds have.
const TIMES: [Field; 7] = [INTERVAL, FAST_INTERVAL, DOWN_INTERVAL, CHECK_TIMEOUT, SPREAD, RISE, FALL];
/// What those have that connect.
const PLACES: [Field; 5] = [ADDRESS, PORT, TLS, ALPN, SEND_PROXY];

/// Own settings and those that follow.
const fn joined<const N: usize>(lists: [&[Field]; 3]) -> [Field; N] {
    let mut all = [INTERVAL; N];
    let (mut list, mut at) = (0, 0);
    while list < lists.len() {
        let mut i = 0;
        while i < lists[list].len() {
            all[at] = lists[list][i];
            (i, at) = (i + 1, at + 1);
        }
        list += 1;
    }
    assert!(at == N, "a list has another length");
    all
}

/// What every kind of check has.
pub const CHECK: Section = Section {
    what: "a check",
    title: "check",
    about: "How the health of servers is asked for: `tcp`, `http(..)`, `grpc(..)`, `script(..)`, `postgres(..)`, \
            `mysql(..)`, `redis`, `smtp(..)` or `external(..)`, each with settings of its own and with these. The first \
            256 bytes of an answer are kept. A kind without settings is written with or without `( )`.",
    fields: &joined::<12>([&TIMES, &PLACES, &[]]),
    later: &[],
};

/// `tcp(..)`, as it is read.
pub const TCP: Section = Section {
    what: "a tcp check",
    title: "check: tcp(..)",
    about: TCP_ABOUT,
    fields: &joined::<12>([&[], &TIMES, &PLACES]),
    later: &[],
};
/// Without what all have.
pub(super) const TCP_REFERENCE: Section = Section { fields: &[], ..TCP };
const TCP_ABOUT: &str =
    "Passes when the connection is accepted, and where it is encrypted, when the handshake is done.";

const HTTP_OWN: [Field; 8] = [
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
        meaning: "Of the request, with its query; `\"*\"` with the method `OPTIONS`, which asks the server as a whole.",
    },
    Field {
        name: "host",
        shape: "string",
        preset: Preset::Unset("the address of the server"),
        meaning: "The Host header.",
    },
    Field {
        name: "version",
        shape: "`\"1.0\"`, `\"1.1\"` or `\"2\"`",
        preset: Preset::Unset("as `http` of the server"),
        meaning: "Of HTTP. `\"2\"` is agreed on by ALPN where the connection is encrypted; else the server has to know.",
    },
    Field {
        name: "headers",
        shape: "list of `(\"name\", \"value\")`",
        preset: Preset::Unset("none"),
        meaning: "Further headers of the request.",
    },
    Field { name: "body", shape: "string", preset: Preset::Unset("none"), meaning: "Body of the request." },
    Field {
        name: "expect",
        shape: "`status(..)`, `string(..)`, `regex(..)`, `header(..)`, `not(..)`, or a list",
        preset: Preset::Value(|| status(&[defaults::CHECK_EXPECT])),
        meaning: "What the answer has to be: `status(\"200,204,300-399\")`; a body with `string(\"ok\")` or `regex(r\"up: \\d+\")` in it; `header(\"name\")`, `header(\"name\", \"all of the value\")` or `header(\"name\", regex(\"..\"))`; `not(..)` of any of these. Of a list all have to hold.",
    },
    Field {
        name: "disable_on_404",
        shape: "`true` or `false`",
        preset: Preset::Value(|| "false".into()),
        meaning: "404 from a server that is up means that it wants nothing new (`NOLB`): what it has stays, as does who is bound to it by a cookie.",
    },
];
/// `http(..)`, as it is read.
pub const HTTP: Section = Section {
    what: "an http check",
    title: "check: http(..)",
    about: HTTP_ABOUT,
    fields: &joined::<20>([&HTTP_OWN, &TIMES, &PLACES]),
    later: &[],
};
/// Without what all have.
pub(super) const HTTP_REFERENCE: Section = Section { fields: &HTTP_OWN, ..HTTP };
const HTTP_ABOUT: &str = "Passes when a request is answered as expected. A tcp backend can have one too. An answer that no client would be given, as one with two lengths, fails whatever is expected. At most 16 KiB of an answer are looked at.";

const GRPC_OWN: [Field; 2] = [
    Field {
        name: "service",
        shape: "string",
        preset: Preset::Unset("the server as a whole"),
        meaning: "Whose health is asked for.",
    },
    Field {
        name: "authority",
        shape: "string",
        preset: Preset::Unset("the address of the server"),
        meaning: "The host that is asked.",
    },
];
/// `grpc(..)`, as it is read.
pub const GRPC: Section = Section {
    what: "a grpc check",
    title: "check: grpc(..)",
    about: GRPC_ABOUT,
    fields: &joined::<14>([&GRPC_OWN, &TIMES, &PLACES]),
    later: &[],
};
/// Without what all have.
pub(super) const GRPC_REFERENCE: Section = Section { fields: &GRPC_OWN, ..GRPC };
const GRPC_ABOUT: &str = "Passes when `grpc.health.v1.Health/Check` says `SERVING`. It is spoken over HTTP/2, which is agreed on by ALPN where the connection is encrypted. The code of such a check is the status of the call.";

const SCRIPT_OWN: [Field; 1] =
    [Field { name: "steps", shape: "list of steps", preset: Preset::Required, meaning: "What is done." }];
/// `script(..)`, as it is read.
pub const SCRIPT: Section = Section {
    what: "a script check",
    title: "check: script(..)",
    about: SCRIPT_ABOUT,
    fields: &joined::<13>([&SCRIPT_OWN, &TIMES, &PLACES]),
    later: &[],
};
/// Without what all have.
pub(super) const SCRIPT_REFERENCE: Section = Section { fields: &SCRIPT_OWN, ..SCRIPT };
const SCRIPT_ABOUT: &str = "Passes when all steps went well, one after the other. `script([..])` is the same as `script(steps: [..])`. A step is `connect` or `connect(..)`, which ends a connection that is open, `send(\"text\")`, `send_binary(\"0a ff\")`, or `expect(..)` with `\"text\"`, `regex(\"..\")`, `binary(\"0a ff\")` or `not(..)` of these. What is expected may stand anywhere in what has come since the last thing was sent, at most 16 KiB; `not(..)` looks at the first line of it, or at as many bytes as are not wanted, and where nothing comes it fails like the others. A script that does not begin with `connect` connects first.";

const POSTGRES_OWN: [Field; 2] = [
    Field {
        name: "user",
        shape: "string",
        preset: Preset::Required,
        meaning: "Who asks. The user need not exist, but the server says so in its log.",
    },
    Field {
        name: "database",
        shape: "string",
        preset: Preset::Unset("that of the user's name"),
        meaning: "What is asked for.",
    },
];
/// `postgres(..)`, as it is read.
pub const POSTGRES: Section = Section {
    what: "a postgres check",
    title: "check: postgres(..)",
    about: POSTGRES_ABOUT,
    fields: &joined::<14>([&POSTGRES_OWN, &TIMES, &PLACES]),
    later: &[],
};
/// Without what all have.
pub(super) const POSTGRES_REFERENCE: Section = Section { fields: &POSTGRES_OWN, ..POSTGRES };
const POSTGRES_ABOUT: &str = "Passes when PostgreSQL asks for a password, or for none.";

const MYSQL_OWN: [Field; 1] = [Field {
    name: "user",
    shape: "string",
    preset: Preset::Unset("the greeting is enough"),
    meaning: "Who comes in. Without one the server counts a connection that was broken off, and may block this address in the end.",
}];
/// `mysql(..)`, as it is read.
pub const MYSQL: Section = Section {
    what: "a mysql check",
    title: "check: mysql(..)",
    about: MYSQL_ABOUT,
    fields: &joined::<13>([&MYSQL_OWN, &TIMES, &PLACES]),
    later: &[],
};
/// Without what all have.
pub(super) const MYSQL_REFERENCE: Section = Section { fields: &MYSQL_OWN, ..MYSQL };
const MYSQL_ABOUT: &str =
    "Passes when MySQL or MariaDB greets, and with a `user`, when that one may come in without a password.";

/// `redis(..)`, as it is read.
pub const REDIS: Section = Section {
    what: "a redis check",
    title: "check: redis(..)",
    about: REDIS_ABOUT,
    fields: &joined::<12>([&[], &TIMES, &PLACES]),
    later: &[],
};
/// Without what all have.
pub(super) const REDIS_REFERENCE: Section = Section { fields: &[], ..REDIS };
const REDIS_ABOUT: &str = "Passes when `PING` is answered with `PONG`.";

const SMTP_OWN: [Field; 1] = [Field {
    name: "helo",
    shape: "string",
    preset: Preset::Value(|| print::quoted(defaults::CHECK_HELO)),
    meaning: "The name that is given.",
}];
/// `smtp(..)`, as it is read.
pub const SMTP: Section = Section {
    what: "a smtp check",
    title: "check: smtp(..)",
    about: SMTP_ABOUT,
    fields: &joined::<13>([&SMTP_OWN, &TIMES, &PLACES]),
    later: &[],
};
/// Without what all have.
pub(super) const SMTP_REFERENCE: Section = Section { fields: &SMTP_OWN, ..SMTP };
const SMTP_ABOUT: &str = "Passes when the server greets and answers `EHLO`, both with a status of 2xx.";

const EXTERNAL_OWN: [Field; 2] = [
    Field { name: "command", shape: "string", preset: Preset::Required, meaning: "The program." },
    Field {
        name: "arguments",
        shape: "list of strings",
        preset: Preset::Unset(
            "those of HAProxy: address and port of the proxy, which are `NOT_USED`, and of the server",
        ),
        meaning: "Its arguments.",
    },
];
/// `external(..)`, as it is read.
pub const EXTERNAL: Section = Section {
    what: "an external check",
    title: "check: external(..)",
    about: EXTERNAL_ABOUT,
    fields: &joined::<11>([&EXTERNAL_OWN, &TIMES, &[ADDRESS, PORT]]),
    later: &[],
};
/// Without what all have.
pub(super) const EXTERNAL_REFERENCE: Section = Section { fields: &EXTERNAL_OWN, ..EXTERNAL };
const EXTERNAL_ABOUT: &str = "Passes when a program ends with status 0. It is given HAProxy's environment (`HAPROXY_SERVER_NAME`, `HAPROXY_SERVER_ADDR`, `HAPROXY_SERVER_PORT`, `HAPROXY_SERVER_ID`, `HAPROXY_SERVER_MAXCONN`, `HAPROXY_SERVER_CURCONN`, `HAPROXY_SERVER_SSL`, `HAPROXY_SERVER_PROTO`, `HAPROXY_PROXY_NAME`, `HAPROXY_PROXY_ID`, `HAPROXY_PROXY_ADDR`, `HAPROXY_PROXY_PORT`) and `PATH`, and nothing else. It begins in a process group of its own, and at the timeout that group is killed.";

/// `connect(..)` of a script.
pub const CONNECT: Section = Section {
    what: "`connect`",
    title: "check: script([connect(..)])",
    about: "How a script connects. What is left out is as the check says.",
    fields: &[
        ADDRESS,
        PORT,
        Field {
            name: "tls",
            shape: "`true` or `false`",
            preset: TLS.preset,
            meaning: "Whether the connection begins with a handshake; the settings of `tls` are those of the check, or the server's.",
        },
        SEND_PROXY,
    ],
    later: &[],
};
