//! Requests and sessions that end with what becomes of their server (`on_marked_down`, `on_marked_up`).
//!
//! Each of them, while it is on a server of a backend that asks for this, has its place in a list of its worker. When a
//! server says that what it carries is to end, the worker looks through its list and wakes those that are meant.
//! Other backends pay one look at a field a request.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, Waker};

use slab::Slab;

use super::termination::Cause;
use super::view::{BackendView, ServerView};
use super::worker::Worker;
use crate::model::dismissal::Dismissal;

/// What one worker has on leashes.
#[derive(Debug, Default)]
pub struct Leashes {
    all: RefCell<Slab<Rc<Leash>>>,
    /// Of what runs right now.
    current: RefCell<Option<Rc<Leash>>>,
}

/// Of one request or session.
#[derive(Debug, Default)]
pub struct Leash {
    /// On which server it is, and how often that had dismissed its sessions before.
    on: RefCell<Option<(Rc<ServerView>, u32)>>,
    ended: Cell<Option<Cause>>,
    waker: RefCell<Option<Waker>>,
}

/// Held while a request or session is on a server.
#[derive(Debug)]
pub struct Tied(Rc<Leash>);

impl Drop for Tied {
    fn drop(&mut self) {
        self.0.on.take();
    }
}

impl Leashes {
    /// Ties what runs right now to a server.
    pub(super) fn tie(&self, backend: &BackendView, server: &Rc<ServerView>) -> Option<Tied> {
        if !backend.backend.dismisses {
            return None;
        }
        let leash = self.current.borrow().clone()?;
        *leash.on.borrow_mut() = Some((Rc::clone(server), server.server.dismissals.count()));
        Some(Tied(leash))
    }

    /// Ends what is on a server that has dismissed its sessions since.
    fn sweep(&self) {
        for (_, leash) in self.all.borrow().iter() {
            let dismissed =
                leash.on.borrow().as_ref().and_then(|(view, seen)| view.server.dismissals.since(*seen));
            let Some(dismissal) = dismissed else { continue };
            leash.ended.set(Some(match dismissal {
                Dismissal::Down => Cause::ServerDown,
                Dismissal::Up => Cause::ServerUp,
            }));
            if let Some(waker) = leash.waker.take() {
                waker.wake();
            }
        }
    }
}

/// Ends what is to end on this worker, for as long as it runs.
pub async fn run(worker: Rc<Worker>) {
    loop {
        let mut dismissed = pin!(worker.shared.dismissed.notified());
        dismissed.as_mut().enable();
        worker.leashes.sweep();
        dismissed.await;
    }
}

/// Runs a request or session; the cause, if it has to end before it is over.
pub async fn held<F: Future>(
    worker: &Worker,
    backend: &BackendView,
    mut work: Pin<&mut F>,
) -> Result<F::Output, Cause> {
    if !backend.backend.dismisses {
        return Ok(work.await);
    }
    let leash = Rc::new(Leash::default());
    let key = worker.leashes.all.borrow_mut().insert(Rc::clone(&leash));
    let _listed = Listed { worker, key };
    poll_fn(|cx| {
        if let Some(cause) = leash.ended.get() {
            return Poll::Ready(Err(cause));
        }
        let polled = {
            let _running = Running::begin(worker, &leash);
            work.as_mut().poll(cx)
        };
        if let Poll::Ready(output) = polled {
            return Poll::Ready(Ok(output));
        }
        let mut waker = leash.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    })
    .await
}

struct Listed<'a> {
    worker: &'a Worker,
    key: usize,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.worker.leashes.all.borrow_mut().remove(self.key);
    }
}

/// While it is polled it is what runs right now.
struct Running<'a>(&'a Worker);

impl<'a> Running<'a> {
    fn begin(worker: &'a Worker, leash: &Rc<Leash>) -> Self {
        *worker.leashes.current.borrow_mut() = Some(Rc::clone(leash));
        Self(worker)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.leashes.current.take();
    }
}
