//! Servers.

use super::super::super::defaults;
use super::super::{Field, Preset, Section};
use super::NAME;

/// One of `servers`.
pub const SERVER: Section = Section {
    what: "a server",
    title: "servers",
    about: "One server of a backend.",
    fields: &[
        NAME,
        Field {
            name: "address",
            shape: "string",
            preset: Preset::Required,
            meaning: "`\"10.0.0.1:80\"`, `\"[::1]:80\"`, `\"unix@/run/app.sock\"`, or `\"app.internal:80\"`, resolved once at start.",
        },
        Field {
            name: "weight",
            shape: "number from 0 to 256",
            preset: Preset::Value(|| defaults::WEIGHT.to_string()),
            meaning: "Share of the traffic beside the other servers; 0 is none.",
        },
        Field {
            name: "backup",
            shape: "`true` or `false`",
            preset: Preset::Value(|| "false".into()),
            meaning: "Gets traffic only while no other server can.",
        },
    ],
    later: &[
        "tls",
        "http",
        "maxconn",
        "minconn",
        "slow_start",
        "observe",
        "on_marked_down",
        "on_error",
        "check",
        "cookie",
        "send_proxy",
        "source",
        "agent",
    ],
};
