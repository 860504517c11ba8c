//! The access log: its targets, and what proxies write to them.

use super::super::super::print;
use super::super::{Field, Preset, Section};
use crate::config::defaults;

/// One of `global.log`.
pub const LOG_TARGET: Section = Section {
    what: "a log target",
    title: "global.log",
    about: "A place where the access log goes. Where only the target matters it stands alone: `log: [stdout]`.",
    fields: &[
        Field {
            name: "target",
            shape: "`stdout`, `stderr`, `file(\"/path\")` or `syslog(\"..\")`",
            preset: Preset::Required,
            meaning: "Files are appended to, and opened anew by `reopen logs` on a socket. Syslog is spoken to \
                      `\"/dev/log\"` or `\"unix@/path\"`, over UDP to `\"127.0.0.1:514\"`, over TCP to \
                      `\"tcp@127.0.0.1:6514\"`.",
        },
        Field {
            name: "format",
            shape: "`httplog`, `httpslog`, `tcplog`, `json` or a log-format string",
            preset: Preset::Unset("each proxy's own"),
            meaning: "What lines say here, whatever the proxies' `log` says.",
        },
        Field {
            name: "framing",
            shape: "`raw`, `rfc3164` or `rfc5424`",
            preset: Preset::Unset("`rfc3164` for syslog, else `raw`"),
            meaning: "What stands in front of a line: nothing, or the header of syslog, old or new. Over TCP each line \
                      has its length in front (RFC 6587).",
        },
        Field {
            name: "facility",
            shape: "`local0` to `local7`, `daemon`, `user` and the others of syslog",
            preset: Preset::Value(|| defaults::LOG_FACILITY.name().into()),
            meaning: "Facility in the header.",
        },
        Field {
            name: "tag",
            shape: "string",
            preset: Preset::Value(|| print::quoted(defaults::LOG_TAG)),
            meaning: "Name of the program in the header.",
        },
        Field {
            name: "length",
            shape: "number from 80 to 65535",
            preset: Preset::Unset("1024 over UDP, else 65535"),
            meaning: "Bytes of a line, header included; what is longer is cut off.",
        },
        Field {
            name: "sample",
            shape: "string such as `\"1/10\"` or `\"10%\"`",
            preset: Preset::Unset("every line"),
            meaning: "Share of the lines that go here.",
        },
    ],
    later: &["level", "ring", "profile"],
};

/// `log` of `defaults`, a frontend or a listen section.
pub const PROXY_LOG: Section = Section {
    what: "`log`",
    title: "log",
    about: "What is written to the targets of `global.log`. Each setting of a frontend or listen section goes before \
            that of `defaults`; `log: off` writes nothing.",
    fields: &[
        Field {
            name: "format",
            shape: "`httplog`, `httpslog`, `tcplog`, `json` or a log-format string",
            preset: Preset::Unset("`httplog` in mode http, `tcplog` in mode tcp"),
            meaning: "What a line says. From `defaults`, `httplog` and `httpslog` mean `tcplog` to proxies of mode tcp.",
        },
        Field {
            name: "errors_separately",
            shape: "`true` or `false`",
            preset: Preset::Value(|| "false".into()),
            meaning: "Lines of aborts, timeouts, retries and 5xx have severity `err` instead of `info` in syslog's \
                      header.",
        },
        Field {
            name: "leave_out",
            shape: "list of `null_connections`, `normal`",
            preset: Preset::Value(|| "[]".into()),
            meaning: "No lines for connections over which nothing came; none for what went well.",
        },
    ],
    later: &["as_soon_as_possible", "steps"],
};
