//! What goes to the thread that draws. Of samples only the latest matters, so there is room for one.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::msg::Msg;
use crate::model::sample::Sample;

type Slot = Arc<Mutex<Option<Box<Sample>>>>;

/// The sending side; clones of it send to the same place.
#[derive(Clone, Debug)]
pub struct Mailbox {
    post: Sender<Post>,
    slot: Slot,
}

/// A message, or the word that the slot is full.
#[derive(Debug)]
pub enum Post {
    Msg(Msg),
    Sample,
}

/// The receiving side.
#[derive(Debug)]
pub struct Inbox {
    pub posts: Receiver<Post>,
    slot: Slot,
}

pub fn mailbox() -> (Mailbox, Inbox) {
    let (post, posts) = channel();
    let slot = Slot::default();
    (Mailbox { post, slot: slot.clone() }, Inbox { posts, slot })
}

impl Mailbox {
    /// Sends a message. A receiver that is gone is leaving, and needs none.
    pub fn send(&self, msg: Msg) {
        let _gone = self.post.send(Post::Msg(msg));
    }

    /// Puts a sample into the slot, over one that nobody took yet.
    pub fn sample(&self, sample: Sample) {
        let old = self.slot.lock().unwrap_or_else(PoisonError::into_inner).replace(Box::new(sample));
        if old.is_none() {
            let _gone = self.post.send(Post::Sample);
        }
    }
}

impl Inbox {
    /// What a post stands for; nothing if the sample was taken already.
    pub fn open(&self, post: Post) -> Option<Msg> {
        match post {
            Post::Msg(msg) => Some(msg),
            Post::Sample => self.slot.lock().unwrap_or_else(PoisonError::into_inner).take().map(Msg::Sample),
        }
    }
}
