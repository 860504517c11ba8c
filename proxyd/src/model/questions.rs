//! Questions to a server that are under way: checks, or questions to its agent.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// How many there are. After a reload the first new one may have begun before the last old one has ended.
#[derive(Debug, Default)]
pub struct Questions(AtomicU32);

/// One of them, for as long as it lives.
#[derive(Debug)]
pub struct Question<'a>(&'a Questions);

impl Questions {
    pub fn begin(&self) -> Question<'_> {
        self.0.fetch_add(1, Relaxed);
        Question(self)
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        self.0.load(Relaxed) > 0
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ends_leaves_the_others() {
        let questions = Questions::default();
        let old = questions.begin();
        let new = questions.begin();
        drop(old);
        assert!(questions.any(), "the new one is under way");
        drop(new);
        assert!(!questions.any());
    }
}
