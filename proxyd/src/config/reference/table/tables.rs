//! Stick tables, and what uses them.

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
            a tenth more, since keys do not spread evenly; memory is taken as entries come.",
    fields: &[
        NAME,
        Field {
            name: "key",
            shape: "`ip`, `ipv6`, `integer`, `string(length)` or `binary(length)`",
            preset: Preset::Required,
            meaning: "What entries are found by. A string of more bytes is cut, and so are bytes; fewer bytes are \
                      filled up with zeros. Without a length it is 32.",
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
    ],
    later: &["peers", "write_to", "recv_only", "brates_factor", "server_key_type"],
};

const _: () = assert!(KEY_LENGTH == 32, "the text says so");
