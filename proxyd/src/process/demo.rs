//! `proxyd demo`: a live system to look at, without a file and without root.
//!
//! The servers are child processes of this one, the load balancer is the ordinary one with a configuration of its own,
//! and a thread sends the visitors of one of its two sites.

pub mod origin;
mod servers;
mod visitors;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use clap::Args;
use proto::addr::Address;

use self::origin::Manner;
use self::servers::Servers;
use super::{boot, output};
use crate::config::report::Paint;
use crate::config::source::Memory;
use crate::config::{self, Config};
use crate::model::shared::Shared;
use crate::net::bind::BindError;

#[derive(Args, Debug)]
pub struct Options {
    /// Port of the site that only you visit; 0 is any free one.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    web_port: u16,
    /// Port of the site that has visitors of its own; 0 is any free one.
    #[arg(long, value_name = "PORT", default_value_t = 8081)]
    shop_port: u16,
    /// Port of /metrics, /live and /ready; 0 is any free one.
    #[arg(long, value_name = "PORT", default_value_t = 8405)]
    metrics_port: u16,
    /// Socket for lbtop, socat and programs that speak HAProxy's runtime API.
    #[arg(long, value_name = "PATH", default_value = "./proxyd.sock")]
    socket: PathBuf,
}

/// The servers: `web` has the first three, `shop` the others.
const SERVERS: [(&str, Manner); 7] = [
    ("app1", Manner::Steady),
    ("app2", Manner::Steady),
    ("spare", Manner::Steady),
    ("shop1", Manner::Steady),
    ("shop2", Manner::Steady),
    ("slow", Manner::Slow),
    ("flapping", Manner::Flapping),
];

/// Runs until a signal ends it; returns whether it ended well.
pub fn run(options: &Options) -> anyhow::Result<bool> {
    let servers = Servers::start(&SERVERS)?;
    let config = configuration(options, &servers)?;
    // Dropped on every way out, which ends the processes.
    let servers = Arc::new(Mutex::new(servers));
    let watched = Arc::clone(&servers);
    let ended = boot::run(boot::Launch { config, warnings: 0, source: "demo".to_owned() }, |shared| {
        output::print(&introduction(shared, options, &servers::lock(&servers)))?;
        visitors::start(Arc::clone(shared), watched)
    });
    servers::lock(&servers).end();
    ended.map_err(|error| explain(error, options))
}

fn configuration(options: &Options, servers: &Servers) -> anyhow::Result<Config> {
    let text = ron(options, servers);
    let loaded = config::load(&Memory::default().with("demo.ron", text), &["demo.ron".into()]);
    Ok(loaded.map_err(|report| anyhow::anyhow!("{}", report.render(Paint::of_stderr())))?.config)
}

fn ron(options: &Options, servers: &Servers) -> String {
    let Options { web_port, shop_port, metrics_port, socket } = options;
    let socket = socket.to_string_lossy();
    let at = |name: &str| servers.address(name);
    format!(
        r#"(
    global: (
        sockets: [(path: {socket:?}, level: admin)],
        metrics: (bind: "127.0.0.1:{metrics_port}"),
    ),
    frontends: [
        (name: "web", bind: ["127.0.0.1:{web_port}"], default_backend: "app"),
        (name: "shop", bind: ["127.0.0.1:{shop_port}"], default_backend: "goods"),
    ],
    backends: [
        (
            name: "app",
            check: http(path: "/healthz", interval: "2s"),
            servers: [
                (name: "app1", address: "{}", weight: 100),
                (name: "app2", address: "{}", weight: 50),
                (name: "spare", address: "{}", backup: true),
            ],
        ),
        (
            name: "goods",
            check: http(path: "/healthz", interval: "2s"),
            servers: [
                (name: "shop1", address: "{}"),
                (name: "shop2", address: "{}"),
                (name: "slow", address: "{}"),
                (name: "flapping", address: "{}"),
            ],
        ),
    ],
)
"#,
        at("app1"),
        at("app2"),
        at("spare"),
        at("shop1"),
        at("shop2"),
        at("slow"),
        at("flapping"),
    )
}

/// What there is and what to try.
fn introduction(shared: &Shared, options: &Options, servers: &Servers) -> String {
    let listeners = shared.listeners();
    let address = |name: &str| {
        listeners.iter().find(|l| l.name == name).map_or_else(String::new, |l| l.address.to_string())
    };
    let (web, shop, metrics) = (address("web-1"), address("shop-1"), address("metrics-1"));
    let socket = options.socket.display();
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "
proxyd {version} demo, pid {}

  web      http://{web}/
           app1, app2 at half its weight, spare as backup; visited by nobody but you
  shop     http://{shop}/
           a slow and a flapping server among healthy ones; has visitors of its own
  metrics  http://{metrics}/metrics, /live, /ready
  socket   {socket}

Servers, each a process of its own:

",
        std::process::id(),
    );
    for server in servers.iter() {
        let _ = writeln!(text, "  {:<9} pid {:<8} {}", server.name, server.pid(), server.address);
    }
    let pid = servers.iter().next().map_or(0, servers::Server::pid);
    let _ = write!(
        text,
        "
Try:

  # app1 answers two of three
  curl http://{web}/
  # watch, drain, undo
  lbtop -s {socket}
  # drain a server while a download of a minute goes on
  curl -o /dev/null http://{web}/download
  echo 'set server app/app1 state drain' | socat - {socket}
  echo 'set server app/app1 state ready' | socat - {socket}
  # kill app1, and go on with curl: nobody sees an error
  kill -9 {pid}
  # what Prometheus sees
  curl -s http://{metrics}/metrics | grep server_status

Ctrl-C ends it and everything it started, after requests under way; twice ends it at once.

"
    );
    text
}

/// Names the option that gets around a bind that failed.
fn explain(error: anyhow::Error, options: &Options) -> anyhow::Error {
    let Some(bind) = error.downcast_ref::<BindError>() else { return error };
    let option = match bind.address() {
        Address::Ip(ip) if ip.port() == options.web_port => "--web-port PORT",
        Address::Ip(ip) if ip.port() == options.shop_port => "--shop-port PORT",
        Address::Ip(_) => "--metrics-port PORT",
        Address::Unix(_) => "--socket PATH",
    };
    anyhow::anyhow!("{error}; {option} chooses another")
}
