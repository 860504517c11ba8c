//! The statistics as Prometheus text, with the names, labels and order of HAProxy's own exporter, so that dashboards
//! made for it work. It only writes; whoever serves it chooses the rows.

mod field;
mod scopes;

use std::io::Write as _;

use field::{FAMILIES, Family, INFO_FAMILIES, Shape};
pub use scopes::{ScopeError, Scopes};

use crate::info::InfoValues;
use crate::stats::value::put_number;
use crate::stats::{Col, Kind, Row, Value};

/// `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// Words of a server's state, in the exporter's order.
const SERVER_STATES: [&str; 5] = ["DOWN", "UP", "MAINT", "DRAIN", "NOLB"];

/// Results of a check, in the exporter's order.
const CHECK_STATES: [&str; 16] = [
    "HANA", "SOCKERR", "L4OK", "L4TOUT", "L4CON", "L6OK", "L6TOUT", "L6RSP", "L7TOUT", "L7RSP", "L7OK",
    "L7OKC", "L7STS", "PROCERR", "PROCTOUT", "PROCOK",
];

/// Appends every family of the scopes asked for. Families without a sample are left out.
pub fn exposition(out: &mut Vec<u8>, info: &InfoValues, rows: &[Row], scope: Scopes) {
    if scope.has(Scopes::GLOBAL) {
        process(out, info);
    }
    for (kind, bit, prefix) in [
        (Kind::Frontend, Scopes::FRONTEND, "haproxy_frontend_"),
        (Kind::Listener, Scopes::LISTENER, "haproxy_listener_"),
        (Kind::Backend, Scopes::BACKEND, "haproxy_backend_"),
        (Kind::Server, Scopes::SERVER, "haproxy_server_"),
    ] {
        if scope.has(bit) {
            let objects = objects(rows, kind, scope);
            of_kind(out, kind, prefix, &objects);
        }
    }
}

fn process(out: &mut Vec<u8>, info: &InfoValues) {
    for family in &INFO_FAMILIES {
        let Some(value) = info.get(family.info) else { continue };
        let name = format!("haproxy_process_{}", family.name);
        header(out, &name, family.info.field().desc, family.class.word());
        out.extend_from_slice(name.as_bytes());
        match value {
            Value::Str(text) => {
                let label = family.info.label();
                out.extend_from_slice(format!("{{{label}=\"{}\"}} 1", escape(text.as_str())).as_bytes());
            }
            number => {
                out.push(b' ');
                number.write_plain(out);
            }
        }
        out.push(b'\n');
    }
}

/// A row with what its samples have in common.
struct Object<'a> {
    row: &'a Row,
    /// `proxy="app",server="app1"`.
    labels: String,
    /// The servers of a backend.
    servers: Vec<&'a Row>,
}

fn objects(rows: &[Row], kind: Kind, scope: Scopes) -> Vec<Object<'_>> {
    let is_wanted = |row: &Row| {
        let maint = kind == Kind::Server && row.text(Col::Status).starts_with("MAINT");
        row.kind == kind && !(maint && scope.has(Scopes::NO_MAINT))
    };
    let mut objects: Vec<Object<'_>> = rows
        .iter()
        .filter(|row| is_wanted(row))
        .map(|row| {
            let proxy = escape(row.text(Col::Pxname));
            let own = escape(row.text(Col::Svname));
            let labels = match kind {
                Kind::Frontend | Kind::Backend => format!("proxy=\"{proxy}\""),
                Kind::Server => format!("proxy=\"{proxy}\",server=\"{own}\""),
                Kind::Listener => format!("proxy=\"{proxy}\",listener=\"{own}\""),
            };
            Object { row, labels, servers: Vec::new() }
        })
        .collect();
    if kind == Kind::Backend {
        let by_proxy: std::collections::HashMap<u32, usize> =
            objects.iter().enumerate().map(|(at, object)| (object.row.iid, at)).collect();
        for row in rows.iter().filter(|row| row.kind == Kind::Server) {
            if let Some(object) = by_proxy.get(&row.iid).and_then(|at| objects.get_mut(*at)) {
                object.servers.push(row);
            }
        }
    }
    objects
}

fn of_kind(out: &mut Vec<u8>, kind: Kind, prefix: &str, objects: &[Object<'_>]) {
    let mut last = "";
    for family in FAMILIES.iter().filter(|family| family.kinds.has(kind)) {
        let name = format!("{prefix}{}", family.name);
        let start = out.len();
        // The codes of responses are one family of several columns.
        if last != family.name {
            header(out, &name, family.help(), family.class.word());
        }
        let samples = out.len();
        for object in objects {
            Writer { out, name: &name, object }.samples(family);
        }
        if out.len() == samples {
            out.truncate(start);
        } else {
            last = family.name;
        }
    }
}

/// Writes the samples of one object in one family.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    name: &'a str,
    object: &'a Object<'a>,
}

impl Writer<'_> {
    fn samples(&mut self, family: &Family) {
        let row = self.object.row;
        if family.is_http() && row.text(Col::Mode) == "tcp" {
            return;
        }
        let value = row.get(family.col);
        match family.shape {
            Shape::Plain => {
                if let Some(value) = value {
                    self.plain(value);
                }
            }
            Shape::Limit => match value {
                Some(value) => self.plain(value),
                None => self.text("NaN"),
            },
            Shape::Millis => {
                if let Some(value) = value {
                    self.begin(None);
                    // Writing to a Vec cannot fail.
                    let _infallible = writeln!(self.out, "{:.6}", value.as_u64() as f64 / 1000.0);
                }
            }
            Shape::Code(code) => {
                if let Some(value) = value {
                    self.labelled(("code", code), value.as_u64());
                }
            }
            Shape::CheckCode(word) => {
                if row.get(word).is_some() {
                    self.number(row.u64(family.col));
                }
            }
            Shape::Status => self.status(),
            Shape::CheckWord => {
                if value.is_some() {
                    let word = check_word(row, family.col);
                    self.states(&CHECK_STATES, |state| u64::from(state == word));
                }
            }
            Shape::ServersByStatus => self.counts(&SERVER_STATES, |server| server_state(server)),
            Shape::ServersByCheck => {
                self.counts(&CHECK_STATES, |server| check_word(server, Col::CheckStatus));
            }
        }
    }

    fn status(&mut self) {
        let row = self.object.row;
        let text = row.text(Col::Status);
        let (states, word): (&[&str], &str) = match row.kind {
            Kind::Frontend => (&["DOWN", "UP"], if text == "STOP" { "DOWN" } else { "UP" }),
            Kind::Backend => (&["DOWN", "UP"], if text.starts_with("UP") { "UP" } else { "DOWN" }),
            Kind::Listener => (&["WAITING", "OPEN", "FULL"], text),
            Kind::Server => (&SERVER_STATES, server_state(row)),
        };
        self.states(states, |state| u64::from(state == word));
    }

    /// How many of the servers are in each state; nothing for a backend without servers.
    fn counts(&mut self, states: &[&str], word: fn(&Row) -> &str) {
        let words: Vec<&str> = self.object.servers.iter().map(|server| word(server)).collect();
        if !words.is_empty() {
            self.states(states, |state| words.iter().filter(|word| **word == state).count() as u64);
        }
    }

    fn states(&mut self, states: &[&str], value: impl Fn(&str) -> u64) {
        for state in states {
            self.labelled(("state", state), value(state));
        }
    }

    fn labelled(&mut self, label: (&str, &str), value: u64) {
        self.begin(Some(label));
        put_number(self.out, value);
        self.out.push(b'\n');
    }

    fn plain(&mut self, value: &Value) {
        self.begin(None);
        value.write_plain(self.out);
        self.out.push(b'\n');
    }

    fn number(&mut self, value: u64) {
        self.begin(None);
        put_number(self.out, value);
        self.out.push(b'\n');
    }

    fn text(&mut self, text: &str) {
        self.begin(None);
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'\n');
    }

    fn begin(&mut self, label: Option<(&str, &str)>) {
        self.out.extend_from_slice(self.name.as_bytes());
        self.out.push(b'{');
        self.out.extend_from_slice(self.object.labels.as_bytes());
        if let Some((name, value)) = label {
            for part in [",", name, "=\"", value, "\""] {
                self.out.extend_from_slice(part.as_bytes());
            }
        }
        self.out.extend_from_slice(b"} ");
    }
}

fn header(out: &mut Vec<u8>, name: &str, help: &str, class: &str) {
    for part in ["# HELP ", name, " ", help, "\n# TYPE ", name, " ", class, "\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// The exporter's word for the status of `show stat`.
fn server_state(server: &Row) -> &'static str {
    let text = server.text(Col::Status);
    // A server without a check counts as up.
    SERVER_STATES.into_iter().find(|state| text.starts_with(state)).unwrap_or("UP")
}

/// The result of a check without the mark of one that is running.
fn check_word(row: &Row, col: Col) -> &str {
    let text = row.text(col);
    text.strip_prefix("* ").unwrap_or(text)
}

/// A label's value.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
