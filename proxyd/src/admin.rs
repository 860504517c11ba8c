//! The stats socket: Unix sockets that speak HAProxy's runtime API, and the `watch` stream.
//!
//! Everything here runs on one thread. A connection reads a line, carries out its commands and writes the answers; a
//! reader that is slow delays itself only, since an answer is made piece by piece as it is taken.

mod certificates;
mod change;
mod connection;
mod history;
mod input;
mod output;
mod peer;
mod reply;
mod show;
mod tables;
#[cfg(test)]
mod tests;
mod watch;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proto::level::Level;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::log;
use crate::model::shared::Shared;
use connection::Connection;
use watch::hub::Hub;

/// Connections of one socket that are served at once; others wait to be accepted.
const MAX_CONNECTIONS: usize = 10;

/// After an accept that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket that listens.
#[derive(Debug)]
pub struct Socket {
    pub listener: std::os::unix::net::UnixListener,
    pub path: PathBuf,
    pub level: Level,
}

/// What all connections share.
struct Admin {
    shared: Arc<Shared>,
    /// Paths and levels, for `show cli sockets`.
    sockets: Vec<(PathBuf, Level)>,
    hub: Rc<Hub>,
}

/// Serves all sockets for as long as it is polled, which has to be inside a `LocalRuntime` or `LocalSet`. `config`
/// names the configuration in the hello of `watch`.
pub async fn serve(shared: Arc<Shared>, sockets: Vec<Socket>, config: String) {
    let admin = Rc::new(Admin {
        sockets: sockets.iter().map(|socket| (socket.path.clone(), socket.level)).collect(),
        hub: Hub::new(Arc::clone(&shared), config),
        shared,
    });
    let mut accepting = JoinSet::new();
    for socket in sockets {
        accepting.spawn_local(accept(Rc::clone(&admin), socket));
    }
    while accepting.join_next().await.is_some() {}
}

async fn accept(admin: Rc<Admin>, socket: Socket) {
    let listener = match UnixListener::from_std(socket.listener) {
        Ok(listener) => listener,
        Err(error) => {
            log::alert(format_args!("cannot serve {}: {error}", socket.path.display()));
            return;
        }
    };
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while let Some(ended) = connections.try_join_next() {
            if let Err(error) = ended {
                log::alert(format_args!("a connection to {} ended: {error}", socket.path.display()));
            }
        }
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                connections
                    .spawn_local(Connection::new(Rc::clone(&admin), stream, socket.level, permit).run());
            }
            Err(error) => {
                log::warning(format_args!("cannot accept on {}: {error}", socket.path.display()));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
