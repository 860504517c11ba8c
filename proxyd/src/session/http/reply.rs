//! Answers of our own, in a server's place.

use std::future::poll_fn;

use super::{Connection, Next};
use crate::http::grpc;
use crate::http::refusal::Reason;
use crate::http::reply::Reply;
use crate::http::request;
use crate::net::stream::Stream;
use crate::session::exchange::write_all;
use crate::session::view::BackendView;
use crate::stats::cells::Count;

impl Connection {
    /// Answers a request that was not understood, or did not come in time, and closes.
    pub(super) async fn refuse(&mut self, reason: Reason) -> Next {
        let cells = self.frontend.cells();
        cells.inc(Count::BadRequests);
        cells.inc(Count::Intercepted);
        cells.status(reason.reply().status());
        self.frontend.refused(reason);
        if let Some(tracked) = self.place.tracked() {
            tracked.request();
            tracked.answered(reason.reply().status());
            if reason.reply() == Reply::BadRequest {
                tracked.glitch();
            }
        }
        self.write_reply(reason.reply(), None, true, false).await;
        self.log_refused(reason);
        Next::Linger
    }

    /// Answers a request in a server's place. `whole` says that nothing of it is left to read.
    pub(super) async fn reply(
        &mut self,
        facts: &request::Facts,
        reply: Reply,
        backend: Option<&BackendView>,
        whole: bool,
    ) -> Next {
        // An old client would have to be told that the connection stays.
        let close = !whole || !facts.keep_alive || !facts.is_11 || self.place.worker.is_draining();
        if !self.write_reply(reply, backend, close, facts.is_head).await {
            Next::Close
        } else if close {
            Next::Linger
        } else {
            Next::Request
        }
    }

    async fn write_reply(
        &mut self,
        reply: Reply,
        backend: Option<&BackendView>,
        close: bool,
        to_head: bool,
    ) -> bool {
        self.down_head.clear();
        if let Stream::H2(stream) = &mut self.client
            && stream.is_call()
        {
            grpc::write(&mut self.down_head, reply);
            let sent = poll_fn(|cx| stream.poll_head(cx, &self.down_head, true)).await;
            self.frontend.cells().add(Count::BytesOut, self.down_head.len() as u64);
            return sent.is_ok();
        }
        let page = backend.and_then(|backend| backend.backend.pages.get(reply));
        let page =
            page.or_else(|| self.frontend.frontend.pages.get(reply)).unwrap_or_else(|| reply.built_in());
        page.write(&mut self.down_head, close, self.frontend.frontend.told_keep_alive, to_head);
        let limit = self.frontend.frontend.timeouts.client;
        let written = write_all(&mut self.client, &mut self.timer, limit, &self.down_head).await;
        self.frontend.cells().add(Count::BytesOut, self.down_head.len() as u64);
        written.is_ok()
    }
}
