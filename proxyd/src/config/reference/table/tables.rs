//! Stick tables, and what uses them.

use super::super::super::defaults;
use super::super::super::print::duration;
use super::super::super::table::KEY_LENGTH;
use super::super::{Field, Preset, Section};
use super::NAME;

/// One of `tables`.
pub const TABLE: Section = Section {
    what: "a table",
    title: "tables",
    about: "What is known of clients, by a key. A full table gives up the entry that was unused for longest (of those \
            that share a lock with the new one: a table of more than 1,024 entries has up to 64 of them). An entry is \
            never seen after its time. `show table`, `set table` and `clear table` on a socket look at tables and \
            change them.\n\n\
            An entry takes 24 bytes, its key (`ip` and `integer` 4 bytes, `ipv6` 16, `string` and `binary` their length, \
            and 4 more of a string), and what is stored: 12 bytes for a rate, 8 for `bytes_in_cnt` and \
            `bytes_out_cnt`, 4 for each other number; what finds it takes 2 to 4 bytes more. 1,000,000 addresses with \
            `http_req_rate` and `conn_cur` take 48 MB. `proxyd check` says what each table takes at most, which is up to \
            a tenth more, since keys do not spread evenly; memory is taken as entries come. Tables that could take more than \
            there is, or than a size given as `global.memory`, are refused at the start.",
    fields: &[
        NAME,
        Field {
            name: "key",
            shape: "`ip`, `ipv6`, `integer`, `string(length)` or `binary(length)`",
            preset: Preset::Required,
            meaning: "What entries are found by. A string of more bytes is cut, and so are bytes; fewer bytes are \
                      filled up with zeros. Without a length it is 32. In a table of `ip` an IPv6 address is a key where it \
                      holds an IPv4 one (`::ffff:192.0.2.1`, `::192.0.2.1`, `2002:c000:201::`), in one of `ipv6` an IPv4 \
                      address is mapped.",
        },
        Field {
            name: "entries",
            shape: "number from 1 to 1000000000",
            preset: Preset::Required,
            meaning: "Most entries at once.",
        },
        Field {
            name: "expire",
            shape: "duration",
            preset: Preset::Unset("entries stay until there is no room"),
            meaning: "How long an entry stays that nothing uses. What tracks a connection or request that is open stays.",
        },
        Field {
            name: "store",
            shape: "list of words",
            preset: Preset::Unset("nothing but the key"),
            meaning: "What is held of each: `server_id`, `server_key`, `conn_cur`, the counters `conn_cnt`, `sess_cnt`, \
                      `http_req_cnt`, `http_err_cnt`, `http_fail_cnt`, `bytes_in_cnt`, `bytes_out_cnt`, `glitch_cnt` \
                      and their rates, as `http_req_rate(\"10s\")`; for programs on the socket `gpt(n)`, `gpc(n)`, \
                      `gpc_rate(n, \"10s\")`, which count from 0, or HAProxy's older `gpt0`, `gpc0`, `gpc1`, \
                      `gpc0_rate(..)`, `gpc1_rate(..)`.",
        },
        Field {
            name: "no_purge",
            shape: "`true` or `false`",
            preset: Preset::Value(|| "false".into()),
            meaning: "A full table takes no new entry, instead of giving up its oldest one.",
        },
        Field {
            name: "save",
            shape: "string",
            preset: Preset::Unset("it begins empty"),
            meaning: "Path of a file. The table is written to it every `save_interval` and at the end of the process, whole \
                      or not at all, and read at the start: entries live on for what was left of their time, servers are \
                      known by their names, open connections are forgotten. A file that is damaged is named, and the \
                      table begins empty.",
        },
        Field {
            name: "save_interval",
            shape: "duration of at least `\"1s\"`",
            preset: Preset::Value(|| duration(defaults::SAVE_INTERVAL)),
            meaning: "How often a table is saved if it changed, by a thread that makes nobody wait: a crash loses what is \
                      younger.",
        },
    ],
    later: &["peers", "write_to", "recv_only", "brates_factor", "server_key_type"],
};

const _: () = assert!(KEY_LENGTH == 32, "the text says so");

/// `stick` of a backend.
pub(super) const STICK_LIST: Field = Field {
    name: "stick",
    shape: "list of rules",
    preset: Preset::Unset("clients stay nowhere"),
    meaning: "`[on(key: \"src\", table: \"by_ip\")]`: clients stay with their servers by what tables know of them.",
};

/// `track` of a proxy.
pub(super) const TRACK_LIST: Field = Field {
    name: "track",
    shape: "list of up to three `(key: .., table: ..)`",
    preset: Preset::Unset("nothing is tracked"),
    meaning: "Whose connections and requests are counted in tables, such as `[(key: \"src\", table: \"by_ip\")]`.",
};

const USED_TABLE: Field = Field {
    name: "table",
    shape: "string",
    preset: Preset::Required,
    meaning: "Name of a table whose keys the value can become.",
};

/// One of `stick`.
pub const STICK: Section = Section {
    what: "a stick rule",
    title: "stick",
    about: "`on(..)` looks the key of a request up, and stores which server answered it; `match(..)` looks up alone, \
            `store_request(..)` stores alone, `store_response(..)` stores for a key of the answer. A cookie goes before, \
            then the first rule that knows a server. It is kept to while it is up, drained too; a request whose server is \
            down or in maintenance goes to another, which is then the one that is stored. A server is stored when it \
            answers, in mode tcp when it is connected to; of several keys for one table the first one. Tables that \
            rules use hold `server_id` and `server_key`, the server's number and name, in any case: the name counts.",
    fields: &[
        Field {
            name: "key",
            shape: "sample expression",
            preset: Preset::Required,
            meaning: "What a client is known by: `\"src\"`, `\"req.cook(SID)\"`, of an answer `\"res.cook(SID)\"`. A request \
                      without it is left alone.",
        },
        USED_TABLE,
    ],
    later: &["when"],
};

/// One of `track`.
pub const TRACK: Section = Section {
    what: "an entry of `track`",
    title: "track",
    about: "What the table stores is counted for each connection, where a connection has the key, else for each request: \
            `conn_cnt`, `conn_cur`, `conn_rate`; `sess_cnt`, `sess_rate` (those whose TLS was agreed on); `http_req_cnt` \
            and its rate, `http_err_cnt` (4xx), `http_fail_cnt` (5xx but 501 and 505), `bytes_in_cnt`, `bytes_out_cnt` \
            and their rates, while bytes flow; `glitch_cnt`, what was no proper HTTP. An entry stays at least as \
            long as what it counts. The entries of a proxy are HAProxy's `track-sc0` to `track-sc2`.",
    fields: &[
        Field {
            name: "key",
            shape: "sample expression",
            preset: Preset::Required,
            meaning: "Such as `\"src\"` or `\"req.hdr(x-user),lower\"`. What has no value is not counted.",
        },
        USED_TABLE,
    ],
    later: &["when"],
};
