//! The visitors of the demo's shop, and the eye on its servers; one thread, which ends with the process.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::addr::Address;
use rustix::process::{Signal, getpid, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{SignalKind, signal};

use super::servers::{self, Servers};
use crate::log;
use crate::model::shared::Shared;
use crate::process::output;

/// Pauses between visits, in turn: three to four a second, but not evenly.
const PAUSES_MS: [u64; 9] = [120, 310, 90, 450, 200, 520, 60, 260, 380];

/// What they ask for, in turn.
const PATHS: [&str; 7] = ["/", "/", "/", "/basket", "/", "/", "/"];

/// How often the servers are looked after.
const LOOK: Duration = Duration::from_millis(500);

/// Starts the thread.
pub(super) fn start(shared: Arc<Shared>, servers: Arc<Mutex<Servers>>) -> anyhow::Result<()> {
    let work = move || -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        runtime.block_on(async {
            tokio::try_join!(visit(&shared), look_after(&servers), hang_up())?;
            Ok(())
        })
    };
    std::thread::Builder::new().name("demo".into()).spawn(move || {
        if let Err(error) = work() {
            log::warning(format_args!("the demo has no visitors any more: {error}"));
        }
    })?;
    Ok(())
}

async fn visit(shared: &Shared) -> io::Result<()> {
    let listeners = shared.listeners();
    let Some(Address::Ip(shop)) = listeners.into_iter().find(|l| &*l.proxy == "shop").map(|l| l.address)
    else {
        return Ok(());
    };
    let pauses = PAUSES_MS.iter().cycle();
    for (pause, path) in pauses.zip(PATHS.iter().cycle()) {
        tokio::time::sleep(Duration::from_millis(*pause)).await;
        if shared.process.is_stopping() {
            break;
        }
        tokio::task::spawn_local(async move {
            // An answer that does not come is seen in the statistics.
            let _unanswered = ask(shop, path).await;
        });
    }
    Ok(())
}

async fn ask(shop: SocketAddr, path: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(shop).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {shop}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; 4096];
    while stream.read(&mut answer).await? > 0 {}
    Ok(())
}

async fn look_after(servers: &Mutex<Servers>) -> io::Result<()> {
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        ticks.tick().await;
        let ended = servers::lock(servers).ended();
        if let Some(text) = ended {
            // Without standard output there is nobody to tell.
            let _unread = output::print(&text);
        }
    }
}

/// A demo ends with its terminal.
async fn hang_up() -> io::Result<()> {
    signal(SignalKind::hangup())?.recv().await;
    Ok(kill_process(getpid(), Signal::TERM)?)
}
