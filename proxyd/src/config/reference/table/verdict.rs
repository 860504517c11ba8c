//! What decides on a server's state beside its check.

use super::super::super::defaults;
use super::super::super::print::{duration, percent};
use super::super::{Field, Preset, Section};

pub(super) const AGENT_FIELD: Field = Field {
    name: "agent",
    shape: "section",
    preset: Preset::Unset("none is asked"),
    meaning: "A program beside the server that says how it does.",
};
pub(super) const OBSERVE: Field = Field {
    name: "observe",
    shape: "`layer4` or `layer7`",
    preset: Preset::Unset("traffic says nothing of health"),
    meaning: "Errors of its traffic count beside its check. `layer4`: connections that fail. `layer7`, in mode http: also \
              answers that are missing, broken or late, and those with 5xx, but for 501 and 505, which are the client's doing. \
              An error in a row of them ends it with a success.",
};
pub(super) const INIT_STATE: Field = Field {
    name: "init_state",
    shape: "`up`, `down`, `fully_up` or `fully_down`",
    preset: Preset::Value(|| "up".into()),
    meaning: "What is thought of it before its first check, and when it leaves maintenance. `up`: up, and down with the \
              first check that fails. `down`: down, and up with the first that passes. `fully_up`: down after as many as \
              `fall`. `fully_down`: up after as many as `rise`.",
};
pub(super) const ERROR_LIMIT: Field = Field {
    name: "error_limit",
    shape: "number from 1",
    preset: Preset::Value(|| defaults::ERROR_LIMIT.to_string()),
    meaning: "Errors in a row that `observe` takes until `on_error` is done.",
};
pub(super) const ON_ERROR: Field = Field {
    name: "on_error",
    shape: "`fastinter`, `fail_check`, `sudden_death` or `mark_down`",
    preset: Preset::Value(|| "fail_check".into()),
    meaning: "What too many errors are: no more than a reason to check sooner, which the others are as well; a failed check; all \
              failed checks but the last; as many as it takes to be down. The check brings it back.",
};
pub(super) const TRACK: Field = Field {
    name: "track",
    shape: "`\"backend/server\"`",
    preset: Preset::Unset("none"),
    meaning: "It is not checked itself, but is up, down, in maintenance and draining as that server, which has a check, or an agent, \
              or tracks one that has. It does not follow where that is left out by `eject`: that is about that server's own traffic \
              beside its own neighbours', and says nothing of what the address can do for others.",
};
pub(super) const ON_MARKED_DOWN: Field = Field {
    name: "on_marked_down",
    shape: "`shutdown_sessions`",
    preset: Preset::Unset("sessions go on"),
    meaning: "What becomes of its requests and sessions when it is marked down or goes into maintenance: they end, with `D` in the \
              access log. Not when it is left out by `eject`: it serves what it has to the end.",
};
pub(super) const ON_MARKED_UP: Field = Field {
    name: "on_marked_up",
    shape: "`shutdown_backup_sessions`",
    preset: Preset::Unset("sessions go on"),
    meaning: "What becomes of requests and sessions on backup servers when this server, which is none, is up again: they end, with \
              `U` in the access log. Coming back from `eject` is not that.",
};
pub(super) const PANIC_FIELD: Field = Field {
    name: "panic",
    shape: "section",
    preset: Preset::Unset("health is always believed"),
    meaning: "What is done when so few servers are up that it is more likely their checks that are wrong.",
};
pub(super) const EJECT_FIELD: Field = Field {
    name: "eject",
    shape: "section",
    preset: Preset::Unset("none is left out"),
    meaning: "Servers that do worse than the others are left out for a while.",
};

/// `agent` of servers.
pub const AGENT: Section = Section {
    what: "an agent",
    title: "servers.agent",
    about: "A program that is connected to, told `send`, and answers a line of words: `up`, `down`, `stopped`, `fail` or `failed`, \
            each with a reason behind a blank and a `#`, as `down # disk full` (`down#disk` is one word, and means nothing); `ready`, \
            `drain`, `maint`, as an operator would; a weight in percent of the configured one, as `75%`, or as such, as `weight:50`; \
            `maxconn:30`. What it does not mention stays as it is. A line without its end is ignored, as are what comes behind \
            the first and words that mean nothing. That it cannot be reached says nothing of the server.",
    fields: &[
        Field {
            name: "port",
            shape: "number from 1 to 65535",
            preset: Preset::Required,
            meaning: "Where it listens.",
        },
        Field {
            name: "address",
            shape: "string",
            preset: Preset::Unset("the address of the server"),
            meaning: "Where it is: `\"10.0.0.1\"` or `\"::1\"`.",
        },
        Field {
            name: "interval",
            shape: "duration",
            preset: Preset::Value(|| duration(defaults::AGENT_INTERVAL)),
            meaning: "From one question to the next. A question may take as long.",
        },
        Field {
            name: "send",
            shape: "string",
            preset: Preset::Unset("nothing"),
            meaning: "What it is told once it has accepted, such as `\"app1\\n\"`.",
        },
    ],
    later: &[],
};

/// `panic` of backends.
pub const PANIC: Section = Section {
    what: "`panic`",
    title: "backends.panic",
    about: "Counted are the active servers with a weight that are neither in maintenance nor draining, by hand or by their \
            own answer (`NOLB`: `disable_on_404`, `health stopping`); those get no new traffic in panic either. Backups that are up stand in \
            for active servers that are not. Panic begins and ends with the numbers, with an event, a line of the log, and a metric, \
            `proxyd_backend_panic`. The status of the backend is `UP (PANIC)` or `DOWN (PANIC)` meanwhile.",
    fields: &[
        Field {
            name: "below",
            shape: "share from `\"1%\"`",
            preset: Preset::Required,
            meaning: "Share of the servers below which health is no longer believed.",
        },
        Field {
            name: "then",
            shape: "`all` or `none`",
            preset: Preset::Value(|| "all".into()),
            meaning: "Who gets traffic: all that are counted, whether up or not, or none, so that the few that are left are not run over.",
        },
    ],
    later: &[],
};

/// `eject` of backends.
pub const EJECT: Section = Section {
    what: "`eject`",
    title: "backends.eject",
    about: "By `errors`, by `latency`, or by both; one has to be there. A server that is left out is `DOWN (ejected)`, and comes back by \
            itself: after `base` the first time, after one `base` more each time it follows soon, ten times at most. `set server .. state \
            ready` and `.. health up` take it in at once. However it comes back, it has its whole share from then on: `slow_start` is for \
            servers that were down. Counted in `proxyd_server_ejections_total`.",
    fields: &[
        Field {
            name: "errors",
            shape: "share from `\"1%\"`",
            preset: Preset::Unset("not looked at"),
            meaning: "Share of its requests that fail (no connection, no answer, a broken one, 5xx; in mode tcp: no connection) from \
                      which it is left out: so much more than the median of those of the backend's servers that are up and had as \
                      many as `min_requests`, itself among them; of two in the middle the lower one. With `\"50%\"` and a median of \
                      10% that is from 60%. The distance has to be more than chance makes of so many requests: more than three \
                      standard deviations of the distance of two such shares. So what hits all servers alike leaves nobody out.",
        },
        Field {
            name: "latency",
            shape: "factor from `\"1.1x\"`",
            preset: Preset::Unset("not looked at"),
            meaning: "It is left out where it takes so many times as long to answer, on average, as the median of those that `errors` \
                      compares, and does so in each half of the window beside what they took in that half: neither a single answer \
                      nor what slows all of them down leaves one out. A median below 10ms counts as that. Of mode http.",
        },
        Field {
            name: "window",
            shape: "duration",
            preset: Preset::Value(|| duration(defaults::EJECT_WINDOW)),
            meaning: "What is looked at each time: the traffic of the last `window`. It is looked at ten times in each.",
        },
        Field {
            name: "base",
            shape: "duration",
            preset: Preset::Value(|| duration(defaults::EJECT_BASE)),
            meaning: "For how long it is left out the first time.",
        },
        Field {
            name: "most",
            shape: "share from `\"1%\"`",
            preset: Preset::Value(|| percent(defaults::EJECT_MOST)),
            meaning: "Share of the backend's active servers that may be left out at once; one always may, unless it is the last \
                      active server that is up: backups do not count, nor are they left out themselves.",
        },
        Field {
            name: "min_requests",
            shape: "number from 1",
            preset: Preset::Value(|| defaults::EJECT_MIN_REQUESTS.to_string()),
            meaning: "Requests within the window without which nothing is said of a server.",
        },
    ],
    later: &[],
};
