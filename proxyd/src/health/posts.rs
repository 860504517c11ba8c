//! Tasks that follow the graph: each is there for as long as what it is about, and one that has ended is begun anew.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::model::backend::Backend;
use crate::model::server::Server;
use crate::model::shared::Shared;
use crate::model::snapshot::Snapshot;

/// How often it is looked whether a task has ended.
const SUPERVISION: Duration = Duration::from_secs(5);

/// What a task is about. The task holds it while it runs, so that nothing else comes to stand at its address.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Post(*const ());

impl Post {
    /// A server, which may live on in the next graph.
    pub(super) fn server(server: &Arc<Server>) -> Self {
        Self(Arc::as_ptr(server).cast())
    }

    /// All servers of a backend, as they are in one graph.
    pub(super) fn backend(backend: &Arc<Backend>) -> Self {
        Self(Arc::as_ptr(backend).cast())
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

    /// What a task is about.
    enum Subject {
        Server(Arc<Server>),
        Backend(Arc<Backend>),
    }

    impl Subject {
        fn name(&self) -> &str {
            match self {
                Self::Server(server) => &server.name,
                Self::Backend(backend) => &backend.name,
            }
        }
    }

    /// Says that its task has ended.
    struct Stay {
        seen: Seen,
        subject: Subject,
    }

    impl Stay {
        fn begin(seen: Seen, subject: Subject) -> Self {
            seen.0.borrow_mut().push(format!("+{}", subject.name()));
            Self { seen, subject }
        }
    }

    impl Drop for Stay {
        fn drop(&mut self) {
            self.seen.0.borrow_mut().push(format!("-{}", self.subject.name()));
        }
    }

    /// All servers, and the backend of the first.
    fn wanted(snapshot: &Snapshot) -> Posts<Subject> {
        let servers = snapshot.backends.iter().flat_map(|backend| &backend.servers);
        let servers = servers.map(|server| (Post::server(server), Subject::Server(Arc::clone(server))));
        let first = &snapshot.backends[0];
        servers.chain([(Post::backend(first), Subject::Backend(Arc::clone(first)))]).collect()
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
                man(&shared, wanted, |subject| {
                    let stay = Stay::begin(seen.clone(), subject);
                    async move {
                        let brittle = stay.subject.name() == "r1";
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
        assert_eq!(seen.take(), ["+app1", "+r1", "+app"]);
        tokio::time::sleep(SUPERVISION).await;
        assert_eq!(seen.take(), [""; 0], "they stay");
        tokio::time::sleep(SUPERVISION).await;
        assert_eq!(seen.take(), ["-r1", "+r1"], "one that has panicked is begun anew");
        config.backends.truncate(1);
        config.frontends.truncate(1);
        shared.publish(testing::snapshot(&config, Some(&shared.snapshot())));
        settle().await;
        let take = || {
            let mut now = seen.take();
            now.sort();
            now
        };
        assert_eq!(
            take(),
            ["+app", "-app", "-r1"],
            "the backend is new, one server lives on, the other is gone"
        );
        manning.abort();
        settle().await;
        assert_eq!(take(), ["-app", "-app1"], "none is left behind");
    }
}
