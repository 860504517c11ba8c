//! Server connections that belong to one client: a server was told of it, or sees its address, and no other client may
//! speak there. They end with it.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use super::mux::Mux;
use super::pool::IDLE;
use super::view::ServerView;
use crate::clock::{self, Instant};
use crate::net::stream::Stream;

/// So many are kept while the client asks for nothing, the last ones that were used (HAProxy's `max-session-srv-conns`).
const MOST: usize = 5;

/// The connections of one client, which its streams share where it has many; nothing as long as there are none.
#[derive(Debug, Default)]
pub struct Private(OnceCell<Rc<RefCell<Vec<Kept>>>>);

#[derive(Debug)]
struct Kept {
    view: Rc<ServerView>,
    what: What,
}

#[derive(Debug)]
enum What {
    /// One without a request on it.
    One { stream: Stream, moves: u32, since: Instant },
    /// Those that requests share.
    Many(Rc<Mux>),
}

impl Private {
    /// The same for another request of the client.
    pub(super) fn share(&self) -> Self {
        Self(OnceCell::from(Rc::clone(self.0.get_or_init(Rc::default))))
    }

    /// A connection to where the server is after so many moves, if it can carry another request.
    pub(super) fn take(&self, view: &Rc<ServerView>, moves: u32, surely: bool) -> Option<Stream> {
        let mut all = self.0.get()?.borrow_mut();
        let is_one = |kept: &Kept| Rc::ptr_eq(&kept.view, view) && matches!(kept.what, What::One { .. });
        while let Some(at) = all.iter().rposition(is_one) {
            if let What::One { stream, moves: made_after, since } = all.remove(at).what
                && made_after == moves
                && clock::now().saturating_duration_since(since) < IDLE
                && stream.is_idle_and_open(surely)
            {
                return Some(stream);
            }
        }
        None
    }

    /// Keeps a connection for the client's next request.
    pub(super) fn put(&self, view: &Rc<ServerView>, stream: Stream, moves: u32, now: Instant) {
        self.keep(view, What::One { stream, moves, since: now });
    }

    /// The connections to this server that requests share.
    pub(super) fn mux(&self, view: &Rc<ServerView>) -> Rc<Mux> {
        let held = self.0.get().and_then(|all| {
            all.borrow().iter().find_map(|kept| match &kept.what {
                What::Many(mux) if Rc::ptr_eq(&kept.view, view) => Some(Rc::clone(mux)),
                _ => None,
            })
        });
        if let Some(mux) = held {
            mux.prune(clock::now(), view.server.moves(), true);
            return mux;
        }
        let mux = Rc::new(Mux::default());
        self.keep(view, What::Many(Rc::clone(&mux)));
        mux
    }

    fn keep(&self, view: &Rc<ServerView>, what: What) {
        let mut all = self.0.get_or_init(Rc::default).borrow_mut();
        if all.len() == MOST {
            // What is on its way there ends as it would have.
            all.remove(0);
        }
        all.push(Kept { view: Rc::clone(view), what });
    }
}
