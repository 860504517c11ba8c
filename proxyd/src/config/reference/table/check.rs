//! Health checks.

use super::super::super::defaults;
use super::super::super::print::{self, duration, status};
use super::super::{Field, Preset, Section};

const INTERVAL: Field = Field {
    name: "interval",
    shape: "duration",
    preset: Preset::Value(|| duration(defaults::CHECK_INTERVAL)),
    meaning: "From one check to the next.",
};
const CHECK_TIMEOUT: Field = Field {
    name: "timeout",
    shape: "duration",
    preset: Preset::Unset("`interval`"),
    meaning: "How long a check may take.",
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
    fields: &[INTERVAL, CHECK_TIMEOUT, RISE, FALL],
    later: &["fast_interval", "down_interval"],
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
        CHECK_TIMEOUT,
        RISE,
        FALL,
    ],
    later: &["fast_interval", "down_interval", "headers", "body", "version"],
};
