//! Health checks.

use super::super::super::defaults;
use super::super::super::print::check::status;
use super::super::super::print::{self, duration};
use super::super::{Field, Preset, Section};

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

/// `tcp(..)`.
pub const TCP_CHECK: Section = Section {
    what: "a tcp check",
    title: "check: tcp(..)",
    about: "Passes when the connection is accepted. `tcp` and `tcp()` are the same.",
    fields: &[INTERVAL, FAST_INTERVAL, DOWN_INTERVAL, CHECK_TIMEOUT, SPREAD, RISE, FALL],
    later: &[],
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
        FAST_INTERVAL,
        DOWN_INTERVAL,
        CHECK_TIMEOUT,
        SPREAD,
        RISE,
        FALL,
    ],
    later: &["headers", "body", "version"],
};
