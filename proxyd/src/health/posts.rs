//! Tasks that follow the graph: each is there for as long as what it is about, and one that has ended is begun anew.

use std::collections::HashMap;
use std::pin::pin;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::model::backend::Backend;
use crate::model::server::Server;
use crate::model::shared::Shared;
use crate::model::snapshot::Snapshot;

/// How often it is looked whether a task has ended.
const SUPERVISION: Duration = Duration::from_secs(5);

/// What a task is about; either may be new in the next graph. A task holds both while it runs, so that nothing else comes to
/// stand at their addresses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Post {
    backend: *const Backend,
    server: *const Server,
}

impl Post {
    /// A server, and the backend that it belongs to.
    pub(super) fn server(backend: &Arc<Backend>, server: &Arc<Server>) -> Self {
        Self { backend: Arc::as_ptr(backend), server: Arc::as_ptr(server) }
    }

    /// All servers of a backend.
    pub(super) fn backend(backend: &Arc<Backend>) -> Self {
        Self { backend: Arc::as_ptr(backend), server: ptr::null() }
    }
}

/// Where tasks are wanted, and what they are told.
pub(super) type Posts<T> = Vec<(Post, T)>;

/// A task that ends with this.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Has a task at each post that is `wanted` in the graph of now, and in those that follow, until this is dropped. `begin`
/// makes one of what its post is told.
pub(super) async fn man<T, F: Future<Output = ()> + 'static>(
    shared: &Shared,
    wanted: impl Fn(&Snapshot) -> Posts<T>,
    mut begin: impl FnMut(T) -> F,
) {
    let mut tasks: HashMap<Post, Task> = HashMap::new();
    loop {
        let mut published = pin!(shared.published.notified());
        published.as_mut().enable();
        let posts = wanted(&shared.snapshot());
        let mut manned = HashMap::with_capacity(posts.len());
        for (post, told) in posts {
            // None ends by itself: it has panicked.
            let task = tasks.remove(&post).filter(|task| !task.0.is_finished());
            manned.insert(post, task.unwrap_or_else(|| Task(tokio::task::spawn_local(begin(told)))));
        }
        tasks = manned;
        tokio::select! {
            () = published => {}
            () = tokio::time::sleep(SUPERVISION) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::model::testing;

    /// Servers whose tasks were begun, and those whose tasks have ended.
    #[derive(Clone, Default)]
    struct Seen(Rc<RefCell<Vec<String>>>);

    impl Seen {
        fn take(&self) -> Vec<String> {
            self.0.take()
        }
    }

    /// Says that its task has ended.
    struct Stay {
        seen: Seen,
        server: Arc<Server>,
        _backend: Arc<Backend>,
    }

    impl Stay {
        fn begin(seen: Seen, backend: Arc<Backend>, server: Arc<Server>) -> Self {
            seen.0.borrow_mut().push(format!("+{}", server.name));
            Self { seen, server, _backend: backend }
        }
    }

    impl Drop for Stay {
        fn drop(&mut self) {
            self.seen.0.borrow_mut().push(format!("-{}", self.server.name));
        }
    }

    fn servers(snapshot: &Snapshot) -> Posts<(Arc<Backend>, Arc<Server>)> {
        let posts = snapshot.backends.iter().flat_map(|backend| {
            backend.servers.iter().map(|server| (Arc::clone(backend), Arc::clone(server)))
        });
        posts.map(|(backend, server)| (Post::server(&backend, &server), (backend, server))).collect()
    }

    #[tokio::test(start_paused = true, flavor = "local")]
    async fn tasks_are_there_as_long_as_what_they_are_about() {
        let mut config = testing::config();
        config.backends[0].servers.truncate(1);
        let shared = testing::shared_of(&config);
        let seen = Seen::default();
        let manning = tokio::task::spawn_local({
            let (shared, seen) = (Arc::clone(&shared), seen.clone());
            async move {
                man(&shared, servers, |(backend, server)| {
                    let stay = Stay::begin(seen.clone(), backend, server);
                    async move {
                        let brittle = &*stay.server.name == "r1";
                        // Longer than it is looked after, so that it can be told from one that is begun each time.
                        tokio::time::sleep(SUPERVISION * 3 / 2).await;
                        assert!(!brittle, "it is to fail");
                        std::future::pending::<()>().await;
                    }
                })
                .await;
            }
        });
        let settle = || tokio::time::sleep(Duration::from_millis(1));
        settle().await;
        assert_eq!(seen.take(), ["+app1", "+r1"]);
        tokio::time::sleep(SUPERVISION).await;
        assert_eq!(seen.take(), [""; 0], "they stay");
        tokio::time::sleep(SUPERVISION).await;
        assert_eq!(seen.take(), ["-r1", "+r1"], "one that has panicked is begun anew");
        config.backends.truncate(1);
        config.frontends.truncate(1);
        shared.publish(testing::snapshot(&config, Some(&shared.snapshot())));
        settle().await;
        let mut now = seen.take();
        now.sort();
        assert_eq!(now, ["+app1", "-app1", "-r1"], "its backend is new, and the other is gone");
        manning.abort();
        settle().await;
        assert_eq!(seen.take(), ["-app1"], "none is left behind");
    }
}
