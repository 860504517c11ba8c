//! What a connection, its engine's wire and its streams share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use super::guard::Guard;
use crate::clock::{self, Instant};
use crate::net::io::Io;
use crate::session::view::FrontendView;
use crate::session::worker::{Busy, Place};

/// Bytes that one connection may have looked at before others get their turn.
const TURN: usize = 64 * 1024;

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) place: Rc<Place>,
    pub(super) io: RefCell<Io>,
    pub(super) guard: RefCell<Guard>,
    /// Where what it does is counted.
    frontend: Rc<FrontendView>,
    /// Bytes of this turn that are left.
    turn: Cell<usize>,
    /// Times that something came.
    pub(super) heard: Cell<u64>,
    /// The client will send no more.
    pub(super) ended: Cell<bool>,
    /// Since when it has taken nothing that waits for it.
    pub(super) stuck_since: Cell<Option<Instant>>,
    /// Streams whose tasks live.
    pub(super) streams: Cell<u32>,
    /// Held while there are any.
    busy: RefCell<Option<Busy>>,
    /// When the last of them ended.
    pub(super) idle_since: Cell<Instant>,
    /// Of the connection's task, while it waits for a stream to end.
    waker: RefCell<Option<Waker>>,
}

impl Link {
    pub(super) fn new(
        frontend: Rc<FrontendView>,
        place: Rc<Place>,
        io: Io,
        guard: Guard,
        now: Instant,
    ) -> Rc<Self> {
        Rc::new(Self {
            place,
            io: RefCell::new(io),
            guard: RefCell::new(guard),
            frontend,
            turn: Cell::new(TURN),
            heard: Cell::new(0),
            ended: Cell::new(false),
            stuck_since: Cell::new(None),
            streams: Cell::new(0),
            busy: RefCell::default(),
            idle_since: Cell::new(now),
            waker: RefCell::default(),
        })
    }

    /// The connection has its turn again.
    pub(super) fn begin_turn(&self) {
        self.turn.set(TURN);
    }

    /// It has had its turn, or nothing more of it is looked at; it will be woken again.
    pub(super) fn rests(&self, cx: &Context<'_>) -> bool {
        let rests = self.turn.get() == 0 || self.guard.borrow().verdict().is_some();
        if rests {
            cx.waker().wake_by_ref();
        }
        rests
    }

    pub(super) fn received(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.ended.set(true);
            return;
        }
        self.heard.set(self.heard.get() + 1);
        self.turn.set(self.turn.get().saturating_sub(bytes.len()));
        self.guard.borrow_mut().received(bytes, clock::now);
    }

    pub(super) fn tried_to_send(&self, took: bool) {
        if took {
            self.stuck_since.set(None);
        } else if self.stuck_since.get().is_none() {
            self.stuck_since.set(Some(clock::now()));
        }
    }

    pub(super) fn sent(&self, bytes: &[u8]) {
        self.guard.borrow_mut().sent(bytes, clock::now, |code| self.frontend.reset(code));
    }

    /// Has the task woken when a stream ends.
    pub(super) fn wake_on_end(&self, waker: &Waker) {
        let mut own = self.waker.borrow_mut();
        if !own.as_ref().is_some_and(|own| own.will_wake(waker)) {
            *own = Some(waker.clone());
        }
    }
}

/// A stream that lives, counted.
#[derive(Debug)]
pub(super) struct Live {
    link: Rc<Link>,
    /// So many at once are as many as there may be.
    most: u32,
}

impl Live {
    pub(super) fn new(link: &Rc<Link>, most: u32) -> Self {
        let streams = link.streams.get();
        if streams == 0 {
            *link.busy.borrow_mut() = Some(Busy::new(&link.place));
        }
        link.streams.set(streams + 1);
        Self { link: Rc::clone(link), most }
    }

    /// It came to its end at that time.
    pub(super) fn end(self, at: Instant) {
        self.link.idle_since.set(at);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let link = &self.link;
        let streams = link.streams.get();
        link.streams.set(streams - 1);
        if streams == 1 {
            link.busy.borrow_mut().take();
        }
        if streams == 1 || streams >= self.most {
            let waiting = link.waker.borrow_mut().take();
            if let Some(waker) = waiting {
                waker.wake();
            }
        }
    }
}
