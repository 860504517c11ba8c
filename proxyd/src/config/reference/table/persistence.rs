//! Persistence.

use super::super::{Field, Preset, Section};

const fn flag(name: &'static str, meaning: &'static str) -> Field {
    Field { name, shape: "`true` or `false`", preset: Preset::Value(|| "false".to_owned()), meaning }
}

/// `persistence` of a backend.
pub(super) const PERSISTENCE: Field = Field {
    name: "persistence",
    shape: "`cookie(..)`",
    preset: Preset::Unset("every request is balanced anew"),
    meaning: "How clients stay with the server they began with, in mode http.",
};

/// `persist` of a backend.
pub(super) const PERSIST_FIELD: Field = Field {
    name: "persist",
    shape: "section",
    preset: Preset::Unset("no exceptions"),
    meaning: "Exceptions from persistence.",
};

/// `cookie` of a server.
pub(super) const SERVER_COOKIE: Field = Field {
    name: "cookie",
    shape: "string",
    preset: Preset::Unset("a keyed hash of its name"),
    meaning: "What it is called in the cookie of its backend. Without it `key` of `persistence` is needed. \
              A backup may have that of another server: it takes that one's clients while it is down.",
};

/// `cookie(..)`.
pub const COOKIE: Section = Section {
    what: "a persistence cookie",
    title: "persistence: cookie(..)",
    about: "A cookie says to which server a client belongs. A server that is drained, or has weight 0, keeps its clients; \
            those of a server that is down or in maintenance go to another one, and are given its cookie. When a server is full, its \
            clients wait for it, as many as its `max_queue` allows. What is found and given is told by `%tsc` in the access log, \
            in HAProxy's letters. Answers made by proxyd itself, and interim ones, give no cookie.",
    fields: &[
        Field { name: "name", shape: "string", preset: Preset::Required, meaning: "Of the cookie." },
        Field {
            name: "mode",
            shape: "`insert`, `rewrite`, `prefix` or `passive`",
            preset: Preset::Value(|| "insert".to_owned()),
            meaning: "`insert`: it is given here. `rewrite`: servers give one, whose value is replaced. `prefix`: \
                      servers give one, and in front of its value stands the server and a `~`, which servers do not get \
                      to see. `passive`: servers give one that is right.",
        },
        flag(
            "indirect",
            "A client that has the right cookie is given no other, also not by a server. In mode `insert` servers do not see the cookie. For modes `insert` and `passive`.",
        ),
        flag(
            "nocache",
            "An answer that gives the cookie and that a cache may keep says `Cache-Control: private`.",
        ),
        flag("post_only", "The cookie is given in answers to POST only, which no cache keeps."),
        flag(
            "preserve",
            "A server that gives a cookie of this name itself, as it does to end a session, is not interfered with.",
        ),
        flag("httponly", "Scripts cannot read it."),
        flag("secure", "It is sent over TLS only."),
        Field {
            name: "samesite",
            shape: "`strict`, `lax` or `none`",
            preset: Preset::Unset("left to the browser"),
            meaning: "Whether other sites' requests carry it.",
        },
        Field {
            name: "domain",
            shape: "string, or list of strings",
            preset: Preset::Unset("the host of the request"),
            meaning: "Hosts that get it.",
        },
        Field {
            name: "path",
            shape: "string",
            preset: Preset::Value(|| "\"/\"".to_owned()),
            meaning: "Paths that get it begin so.",
        },
        Field {
            name: "attr",
            shape: "string, or list of strings",
            preset: Preset::Unset("none"),
            meaning: "Further attributes, such as `\"Priority=High\"`.",
        },
        Field {
            name: "max_idle",
            shape: "duration",
            preset: Preset::Unset("for ever"),
            meaning: "A cookie that was last given longer ago than this is worth nothing. The date stands behind the server: `value|date`, as with HAProxy.",
        },
        Field {
            name: "max_life",
            shape: "duration",
            preset: Preset::Unset("for ever"),
            meaning: "The same from when it was first given: `value|date|first date`.",
        },
        flag(
            "dynamic",
            "Servers are called after address, port and `key`, by HAProxy's formula. A client keeps its server when another address changes, and when HAProxy with the same key goes. Two servers of one address and port are refused, as two of one `cookie` are, but for backups.",
        ),
        Field {
            name: "key",
            shape: "string, or `file(\"..\")`",
            preset: Preset::Unset("none"),
            meaning: "What servers that have no `cookie` are called by: a hash of it and the names of backend and server, from \
                      which a client learns nothing. Needed if there are such servers. All instances that share clients need the \
                      same key: `head -c 32 /dev/urandom | base64` makes one.",
        },
    ],
    later: &[],
};

/// `persist`.
pub const PERSIST: Section = Section {
    what: "`persist`",
    title: "backends.persist",
    about: "Conditions are `path(\"/static/*\", ..)`, in which a `*` stands for any text, `method(\"GET\", ..)`, \
            `source(\"10.0.0.0/8\", ..)`, `not(..)`, `all([..])` and `any([..])`. In mode tcp there is no `path` and no `method`.",
    fields: &[
        Field {
            name: "ignore",
            shape: "list of conditions",
            preset: Preset::Unset("none"),
            meaning: "Requests of which one of them holds are balanced as if they were known by no cookie and no table, are given no cookie, and \
                      store nothing in tables: where their client belongs stays as it was. HAProxy's `ignore-persist` is about cookies only.",
        },
        Field {
            name: "force",
            shape: "list of conditions",
            preset: Preset::Unset("none"),
            meaning: "Requests of which one of them holds go to their server and no other, also when it is down or in maintenance: for trying out a server that gets no other traffic. \
                      Of a request for which `ignore` holds as well, `ignore` wins; with HAProxy what is written first does.",
        },
        flag(
            "try_down",
            "A server that is down is tried by its clients all the same, and another one only when that fails.",
        ),
    ],
    later: &[],
};
