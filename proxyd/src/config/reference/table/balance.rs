//! How the next server is chosen.

use super::super::super::{defaults, print};
use super::super::{Field, Preset, Section};

pub(super) const BALANCE: Field = Field {
    name: "balance",
    shape: "`round_robin`, `static_rr`, `least_conn`, `first`, `random(..)`, `least_latency`, `source`, `uri`, `url_param(..)`, `header(..)`, \
            `cookie(..)` or `hash(..)`",
    preset: Preset::Value(|| print::algorithm(&defaults::BALANCE)),
    meaning: "How the next server is chosen. `round_robin`: in turns, as often as its weight says, exactly and over all \
              workers. `static_rr`: the same with weights that stay as configured. `least_conn`: the fewest requests \
              for its weight; of up to 64 servers exactly, of more the least of eight that are drawn; of equals the one that \
              waited longest, and those that have none are equals. `first`: the first that has room below its `maxconn`, so that the last can be \
              switched off. `least_latency`: of two that are drawn by weight the one that has \
              answered more quickly, times what it carries; a slow answer counts at once and is forgotten by half in ten seconds. \
              What fails, without a connection or an answer or with 5xx but for 501 and 505, counts as five seconds more, by \
              its part of the traffic, so that who fails at once does not look quick. \
              `source`, `uri`, `url_param`, `header`, `cookie` and `hash` choose by a key of the request, so that the same \
              key goes to the same server; a request without the key goes in turns, and one whose server is full waits for it. \
              HAProxy's `roundrobin` and `leastconn` are taken too.",
};

pub(super) const BACKUPS: Field = Field {
    name: "backups",
    shape: "`first` or `all`",
    preset: Preset::Value(|| print::backups(defaults::BACKUPS).into()),
    meaning: "Which backup servers step in when no other server is left: the first that is up, or all of them, balanced as the \
              others were (HAProxy's `option allbackups`).",
};

/// `balance: random(..)`.
pub const RANDOM: Section = Section {
    what: "`random`",
    title: "balance: random(..)",
    about: "Servers are drawn by weight, and the one that carries the fewest requests for its weight is taken. A bare `random` \
            has all defaults.",
    fields: &[Field {
        name: "draws",
        shape: "number from 1 to 64",
        preset: Preset::Value(|| defaults::DRAWS.to_string()),
        meaning: "How many are drawn. With 1, chance alone decides.",
    }],
    later: &[],
};

const KIND: Field = Field {
    name: "kind",
    shape: "`map_based`, `consistent` or `maglev`",
    preset: Preset::Value(|| "map_based".into()),
    meaning: "How a hash becomes a server. `map_based`: the rest of it, in a list that has each server as often as its weight says; \
              when one comes or goes nearly all keys move, and weights cannot be changed at run time. `consistent`: a ring, \
              where only the keys of a server that goes move, and loads differ by about a tenth. Both place each key as HAProxy \
              does, given the same servers in the same order, each with its weight written out: HAProxy's default is 1. \
              `maglev`: as the ring, in one step, and loads differ by about a hundredth.",
};

const FUNCTION: Field = Field {
    name: "function",
    shape: "`sdbm`, `djb2`, `wt6`, `crc32`, `xxh3` or `none`",
    preset: Preset::Value(|| "sdbm".into()),
    meaning: "What hashes the key. With `none` the key is a number already.",
};

const AVALANCHE: Field = Field {
    name: "avalanche",
    shape: "`true` or `false`",
    preset: Preset::Unset("`true` for `consistent` where no `function` is written, else `false`"),
    meaning: "Whether the hash is spread once more, so that keys that differ little fall far apart. Worth it with a ring. The default is \
              HAProxy's: a bare `hash-type consistent` is `sdbm avalanche` there.",
};

const BALANCE_FACTOR: Field = Field {
    name: "balance_factor",
    shape: "share above 100 percent",
    preset: Preset::Unset("loads are not bounded"),
    meaning: "How much a server may carry of what its weight says of all requests under way. What is more goes to the next that \
              its key finds. With `consistent` and `maglev`.",
};

const HASH_KEY: Field = Field {
    name: "hash_key",
    shape: "`id`, `name`, `addr` or `addr_port`",
    preset: Preset::Unset("`id` for `consistent`, `name` for `maglev`"),
    meaning: "What a server's places follow from: where it stands in the list, its name, its address, or that with the port. With `id` \
              the servers behind one that is taken from the list all move. No two servers may share an address with `addr`, nor address \
              and port with `addr_port`.",
};

/// `balance: source(..)`.
pub const BALANCE_SOURCE: Section = Section {
    what: "`source`",
    title: "balance: source(..)",
    about: "The key is the client's address. A bare `source` has all defaults. It is hashed as HAProxy does it, by no function.",
    fields: &[KIND, AVALANCHE, BALANCE_FACTOR, HASH_KEY],
    later: &[],
};

/// `balance: uri(..)`.
pub const BALANCE_URI: Section = Section {
    what: "`uri`",
    title: "balance: uri(..)",
    about: "The key is the URI up to its query. A bare `uri` has all defaults.",
    fields: &[
        Field {
            name: "length",
            shape: "number",
            preset: Preset::Unset("all of it"),
            meaning: "At most so many bytes of it.",
        },
        Field {
            name: "depth",
            shape: "number",
            preset: Preset::Unset("all of it"),
            meaning: "At most so many directories of it.",
        },
        Field {
            name: "whole",
            shape: "`true` or `false`",
            preset: Preset::Value(|| "false".into()),
            meaning: "With the query.",
        },
        Field {
            name: "path_only",
            shape: "`true` or `false`",
            preset: Preset::Value(|| "false".into()),
            meaning: "Without scheme and host, which clients of HTTP/2 always name, and those of HTTP/1 seldom: without this the same \
                      path may have two keys.",
        },
        KIND,
        FUNCTION,
        AVALANCHE,
        BALANCE_FACTOR,
        HASH_KEY,
    ],
    later: &[],
};

/// `balance: url_param(..)`.
pub const BALANCE_URL_PARAM: Section = Section {
    what: "`url_param`",
    title: "balance: url_param(..)",
    about: "The key is a parameter of the query. `url_param(\"id\")` is `url_param(name: \"id\")`.",
    fields: &by_name("The parameter."),
    later: &["check_post"],
};

/// `balance: header(..)`.
pub const BALANCE_HEADER: Section = Section {
    what: "`header`",
    title: "balance: header(..)",
    about: "The key is the first value of a header. `header(\"x-user\")` is `header(name: \"x-user\")`.",
    fields: &by_name("The header."),
    later: &["use_domain_only"],
};

/// `balance: cookie(..)`.
pub const BALANCE_COOKIE: Section = Section {
    what: "`cookie`",
    title: "balance: cookie(..)",
    about: "The key is what a cookie of the client says. `cookie(\"session\")` is `cookie(name: \"session\")`.",
    fields: &by_name("The cookie."),
    later: &[],
};

/// `balance: hash(..)`.
pub const BALANCE_HASH: Section = Section {
    what: "`hash`",
    title: "balance: hash(..)",
    about: "The key is what a sample expression comes to. `hash(\"src\")` is `hash(key: \"src\")`.",
    fields: &[
        Field {
            name: "key",
            shape: "sample expression",
            preset: Preset::Required,
            meaning: "HAProxy's: a fetch and converters behind it, such as `req.hdr(x-tenant),lower` or `src,ipmask(24,64)`. \
                      Proxies of mode tcp have `src`, `dst` and the facts of TLS.",
        },
        KIND,
        FUNCTION,
        AVALANCHE,
        BALANCE_FACTOR,
        HASH_KEY,
    ],
    later: &[],
};

/// Of a key that is found by its name.
const fn by_name(meaning: &'static str) -> [Field; 6] {
    let name = Field { name: "name", shape: "string", preset: Preset::Required, meaning };
    [name, KIND, FUNCTION, AVALANCHE, BALANCE_FACTOR, HASH_KEY]
}
