//! Leave to try once more, within the budget that a backend has for that.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::future::select;

use super::retry;
use super::view::BackendView;
use crate::clock;
use crate::model::backend::Backend;

/// Leave to repeat a request that had reached a server; given back when dropped.
#[derive(Debug)]
pub struct Permit(Arc<Backend>);

/// How often a request asks again for leave, if nobody tells it to.
const ASK_AGAIN: Duration = Duration::from_millis(5);

impl Permit {
    /// Waits until the backend's budget has room, at most `limit`. Waiting, not failing: when a server dies, all
    /// its requests come here at once, and each takes but a moment on another server.
    pub async fn wait(backend: &BackendView, limit: Duration) -> Option<Self> {
        let give_up = clock::now() + limit;
        loop {
            if let Some(permit) = Self::take(backend) {
                return Some(permit);
            }
            if clock::now() >= give_up {
                return None;
            }
            // Room comes when another try has ended, and when more requests are active.
            let room = pin!(backend.backend.live.retry_room.notified());
            select(room, pin!(tokio::time::sleep(ASK_AGAIN))).await;
        }
    }

    /// One at once, if the budget has room.
    pub fn take(backend: &BackendView) -> Option<Self> {
        let model = &backend.backend;
        let budget = retry::budget(model.served(), &model.retries);
        let taken = model.live.retrying.fetch_update(Relaxed, Relaxed, |n| (n < budget).then_some(n + 1));
        taken.is_ok().then(|| Self(Arc::clone(model)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.live.retrying.fetch_sub(1, Relaxed);
        self.0.live.retry_room.notify_one();
    }
}
