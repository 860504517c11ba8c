//! The configuration a test needs, in as few words as it needs.

use std::fmt::Write;

use crate::stream::Address;

/// RON in the making; every part is written as in the file itself.
#[derive(Clone, Debug, Default)]
pub struct Config {
    global: String,
    defaults: String,
    tables: Vec<String>,
    frontends: Vec<String>,
    backends: Vec<Backend>,
}

#[derive(Clone, Debug, Default)]
struct Backend {
    name: String,
    fields: String,
    servers: Vec<String>,
}

impl Config {
    /// An admin socket and nothing else.
    pub fn new() -> Self {
        Self::default()
    }

    /// Frontend `web`, backend `app` and these servers, in HTTP mode.
    pub fn http<A: Into<Address>>(servers: impl IntoIterator<Item = (&'static str, A)>) -> Self {
        let config = Self::new().frontend("web", r#"default_backend: "app""#).backend("app", "");
        servers.into_iter().fold(config, |config, (name, address)| config.server(name, address, ""))
    }

    /// The same in TCP mode.
    pub fn tcp<A: Into<Address>>(servers: impl IntoIterator<Item = (&'static str, A)>) -> Self {
        Self::http(servers).defaults("mode: tcp")
    }

    /// Adds fields to `global`.
    #[must_use]
    pub fn global(mut self, fields: &str) -> Self {
        append(&mut self.global, fields);
        self
    }

    /// Adds fields to `defaults`.
    #[must_use]
    pub fn defaults(mut self, fields: &str) -> Self {
        append(&mut self.defaults, fields);
        self
    }

    /// A stick table.
    #[must_use]
    pub fn table(mut self, name: &str, fields: &str) -> Self {
        self.tables.push(format!("(name: {name:?}, {fields})"));
        self
    }

    /// A frontend on a port the kernel chooses, unless `fields` has a `bind` of its own.
    #[must_use]
    pub fn frontend(mut self, name: &str, fields: &str) -> Self {
        let bind = if fields.contains("bind:") { "" } else { r#"bind: ["127.0.0.1:0"], "# };
        self.frontends.push(format!("(name: {name:?}, {bind}{fields})"));
        self
    }

    /// A backend; the servers that follow are its.
    #[must_use]
    pub fn backend(mut self, name: &str, fields: &str) -> Self {
        self.backends.push(Backend { name: name.into(), fields: fields.into(), servers: Vec::new() });
        self
    }

    /// Fields for the backend named last.
    #[must_use]
    pub fn with(mut self, fields: &str) -> Self {
        append(&mut self.last().fields, fields);
        self
    }

    /// A server of the backend named last.
    #[must_use]
    pub fn server(mut self, name: &str, address: impl Into<Address>, fields: &str) -> Self {
        let address = address.into();
        self.last().servers.push(format!("(name: {name:?}, address: \"{address}\", {fields})"));
        self
    }

    /// The file's text. The socket lies in the working directory, as in the first example.
    pub fn render(&self) -> String {
        let mut out = String::from(
            "(\n    global: (\n        sockets: [(path: \"./proxyd.sock\", mode: \"0600\", level: admin)],\n",
        );
        let mut line = |text: String| writeln!(out, "{text}").expect("a string takes it");
        line(format!("        {}\n    ),", self.global));
        line(format!("    defaults: ({}),", self.defaults));
        if !self.tables.is_empty() {
            line(format!("    tables: [{}],", self.tables.join(", ")));
        }
        line("    frontends: [".into());
        for frontend in &self.frontends {
            line(format!("        {frontend},"));
        }
        line("    ],\n    backends: [".into());
        for Backend { name, fields, servers } in &self.backends {
            let comma = if fields.is_empty() { "" } else { ", " };
            line(format!("        (name: {name:?}{comma}{fields}, servers: [{}]),", servers.join(", ")));
        }
        line("    ],\n)".into());
        out
    }

    fn last(&mut self) -> &mut Backend {
        self.backends.last_mut().expect("a backend stands in front of its servers")
    }
}

fn append(to: &mut String, fields: &str) {
    if !to.is_empty() {
        to.push_str(", ");
    }
    to.push_str(fields);
}
