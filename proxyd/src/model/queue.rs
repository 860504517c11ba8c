//! The line of those who wait for room on a server: one for each backend, over all workers.
//!
//! A server's count of requests is raised only within its limit. Who finds no room lines up; whoever gives room back
//! passes it on to the first in line that may use it, on whatever worker that one is. While somebody waits, newcomers
//! line up as well, so that nobody is overtaken. The lock is taken only while somebody waits or is about to.
//!
//! Nobody is forgotten: a waiter is counted before it looks at the servers for the last time, and a server's count
//! is lowered before the waiters are looked at. Both are sequentially consistent, so one of the two sees the other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use crossbeam_utils::CachePadded;
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::backend::Backend;
use super::server::Server;
use crate::stats::counter::Peak;

/// Servers of a backend, by index.
pub type Indices = SmallVec<[u32; 4]>;

/// Which servers a request can use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wants {
    /// Any but those, which were tried.
    AnyBut(Indices),
    /// This one and no other.
    Only(u32, Hold),
}

/// How firmly a request is held to one server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hold {
    /// What it belongs to began there, and goes on there while the server is up, drained or not.
    Kept,
    /// It is new and belongs there, as long as the server takes new ones.
    New,
    /// It tries that server first, whatever its state.
    Tried,
    /// It has that server or none, whatever its state.
    Forced,
}

/// Everybody who waits for room in a backend.
#[derive(Debug, Default)]
pub struct Queue {
    /// How many wait. Changed under the lock, read without it.
    waiting: CachePadded<AtomicU32>,
    line: Mutex<Line>,
    most: Peak,
}

#[derive(Debug, Default)]
struct Line {
    /// The next place.
    next: u64,
    waiters: BTreeMap<u64, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    /// In the graph it began with.
    backend: Arc<Backend>,
    wants: Wants,
    tell: oneshot::Sender<Held>,
}

/// Room on a server, given back when dropped.
#[derive(Debug)]
pub struct Held {
    /// `None` once somebody else answers for it.
    backend: Option<Arc<Backend>>,
    index: u32,
}

/// A place in line, given up when dropped.
#[derive(Debug)]
pub struct Waiting {
    backend: Arc<Backend>,
    place: u64,
    told: oneshot::Receiver<Held>,
    /// How many stood in front.
    pub ahead: u32,
    over: bool,
}

/// Why nobody can line up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// As many wait as the servers allow.
    Full,
    /// There is no server to wait for.
    Nobody,
}

/// Room that was found for somebody, and how to tell.
type Found = SmallVec<[(oneshot::Sender<Held>, Held); 2]>;

impl Queue {
    /// Whether somebody waits.
    pub fn is_waited_in(&self) -> bool {
        self.waiting.load(SeqCst) > 0
    }

    /// How many wait.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Relaxed)
    }

    /// Most that waited at once.
    pub fn most(&self, epoch: u32) -> u64 {
        self.most.get(epoch)
    }

    /// Lines up. What is free by now is had at once.
    pub fn join(&self, backend: &Arc<Backend>, wants: Wants, epoch: u32) -> Result<Waiting, Refused> {
        let (tell, told) = oneshot::channel();
        let mut line = self.lock();
        let ahead = line.waiters.len() as u32;
        let only = match wants {
            Wants::Only(index, _) => Some(&backend.servers[index as usize]),
            Wants::AnyBut(_) => None,
        };
        // Whoever waits for anything at all has made sure that there is nothing.
        let hopeless = line.waiters.first_key_value().is_some_and(|(_, first)| {
            first.wants == Wants::AnyBut(Indices::new()) && Arc::ptr_eq(&first.backend, backend)
        });
        let place = line.next;
        line.next += 1;
        if let Some(server) = only {
            server.line.enter(epoch);
        }
        line.waiters.insert(place, Waiter { backend: Arc::clone(backend), wants, tell });
        self.waiting.fetch_add(1, SeqCst);
        let mut found = Found::new();
        if let Some(server) = only.filter(|_| !backend.limits_move()) {
            // New sessions, which wait for anything, may be barred from it.
            self.give(&mut line, server, &mut found);
        } else if !hopeless || backend.limits_move() {
            for server in &backend.servers {
                self.give(&mut line, server, &mut found);
            }
        }
        let mut refused = None;
        if let Some(waiter) = line.waiters.get(&place) {
            let waiting = line.waiters.len() as u32;
            let (its, most) = match waiter.wants {
                Wants::Only(index, _) => {
                    (backend.servers[index as usize].line.waiting(), backend.max_line(index))
                }
                Wants::AnyBut(_) => (waiting, backend.max_queue()),
            };
            if !backend.has_any(&waiter.wants) {
                refused = Some(Refused::Nobody);
            } else if its > most {
                refused = Some(Refused::Full);
            } else {
                self.most.raise(epoch, waiting.into());
            }
            if refused.is_some() {
                self.leave(&mut line, place);
            }
        }
        drop(line);
        tell_all(found);
        match refused {
            Some(refused) => Err(refused),
            None => Ok(Waiting { backend: Arc::clone(backend), place, told, ahead, over: false }),
        }
    }

    /// A server has room: those in front get it. Returns how many did.
    pub(super) fn serve(&self, server: &Server) -> u32 {
        let mut found = Found::new();
        self.give(&mut self.lock(), server, &mut found);
        tell_all(found)
    }

    /// Servers came, went, or take more: who can be served is, who has nobody left to wait for is told.
    pub(super) fn settle(&self, backend: &Backend) -> u32 {
        if !self.is_waited_in() {
            return 0;
        }
        let mut found = Found::new();
        let mut line = self.lock();
        for server in &backend.servers {
            self.give(&mut line, server, &mut found);
        }
        let lost: Vec<u64> = line
            .waiters
            .iter()
            .filter(|(_, waiter)| !waiter.backend.has_any(&waiter.wants))
            .map(|(place, _)| *place)
            .collect();
        let lost: Vec<Waiter> = lost.into_iter().filter_map(|place| self.leave(&mut line, place)).collect();
        drop(line);
        drop(lost);
        tell_all(found)
    }

    /// Finds room on a server for as many as there is.
    fn give(&self, line: &mut Line, server: &Server, found: &mut Found) {
        loop {
            let first =
                line.waiters.iter().find_map(|(place, waiter)| Some((*place, waiter, waiter.uses(server)?)));
            let Some((place, waiter, index)) = first else { return };
            if !waiter.backend.enter(index) {
                return;
            }
            let Some(waiter) = self.leave(line, place) else { return };
            found.push((waiter.tell, Held { backend: Some(waiter.backend), index }));
        }
    }

    fn leave(&self, line: &mut Line, place: u64) -> Option<Waiter> {
        let waiter = line.waiters.remove(&place)?;
        self.waiting.fetch_sub(1, SeqCst);
        if let Wants::Only(index, _) = waiter.wants {
            waiter.backend.servers[index as usize].line.leave();
        }
        Some(waiter)
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes them outside the lock. Who has gone meanwhile gives the room back, which then goes to the next.
fn tell_all(found: Found) -> u32 {
    let told = found.len() as u32;
    for (tell, held) in found {
        drop(tell.send(held));
    }
    told
}

impl Waiter {
    /// The index of a server that it can use.
    fn uses(&self, server: &Server) -> Option<u32> {
        // Of another graph there may be another server in its place.
        (self.backend.has(server) && self.backend.offers(server.index(), &self.wants)).then(|| server.index())
    }
}

impl Waiting {
    /// Ready with room on a server, or without where there is no server left to wait for.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Held>> {
        std::pin::Pin::new(&mut self.told).poll(cx).map(|told| {
            self.over = true;
            told.ok()
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.over {
            let queue = &self.backend.live.queue;
            let gone = queue.leave(&mut queue.lock(), self.place);
            drop(gone);
        }
    }
}

impl Held {
    /// The server's index; from here on the caller gives the room back.
    pub fn keep(mut self) -> u32 {
        self.backend = None;
        self.index
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(backend) = &self.backend {
            backend.leave(self.index);
        }
    }
}

/// Those who wait for one server and no other.
#[derive(Debug, Default)]
pub struct OwnLine {
    now: AtomicU32,
    most: Peak,
}

impl OwnLine {
    pub fn waiting(&self) -> u32 {
        self.now.load(Relaxed)
    }

    pub fn most(&self, epoch: u32) -> u64 {
        self.most.get(epoch)
    }

    /// Under the queue's lock.
    fn enter(&self, epoch: u32) {
        let now = self.now.fetch_add(1, Relaxed) + 1;
        self.most.raise(epoch, now.into());
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;
