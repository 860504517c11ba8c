//! How the next server is chosen.

use super::super::super::{defaults, print};
use super::super::{Field, Preset, Section};

pub(super) const BALANCE: Field = Field {
    name: "balance",
    shape: "`round_robin`, `static_rr`, `least_conn`, `first`, `random(..)` or `least_latency`",
    preset: Preset::Value(|| print::algorithm(&defaults::BALANCE)),
    meaning: "How the next server is chosen. `round_robin`: in turns, as often as its weight says, exactly and over all \
              workers. `static_rr`: the same with weights that stay as configured. `least_conn`: the fewest requests \
              for its weight; of up to 64 servers exactly, of more the least of eight that are drawn; of equals the one that \
              waited longest. `first`: the first that has room below its `maxconn`, so that the last can be \
              switched off. `least_latency`: of two that are drawn by weight the one that has \
              answered more quickly, times what it carries; a slow answer counts at once and is forgotten by half in ten seconds. HAProxy's `roundrobin` and `leastconn` are taken too.",
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
