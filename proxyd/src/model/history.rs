//! The last transitions of a server: from what to what, when, why, by whom, and what its last check had found.

use std::collections::VecDeque;

use super::server::Outcome;

/// Transitions kept of a server.
const KEPT: usize = 20;

/// One change of a server's status.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transition {
    /// Unix time.
    pub wall_ms: u64,
    pub from: Box<str>,
    pub to: Box<str>,
    /// In words.
    pub reason: Box<str>,
    /// Where an operator did it.
    pub by: Option<Order>,
    /// The last check before.
    pub check: Option<Outcome>,
}

/// What an operator sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Order {
    /// `uid 1000 (alice)`
    pub who: Box<str>,
    pub line: Box<str>,
}

/// Of one server. A server to which nothing ever happened has no memory for it.
#[derive(Debug, Default)]
pub struct History(VecDeque<Transition>);

impl History {
    /// The oldest goes where there are too many.
    pub fn add(&mut self, transition: Transition) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(transition);
    }

    /// The oldest first.
    pub fn all(&self) -> Vec<Transition> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_twenty_are_kept() {
        let mut history = History::default();
        assert_eq!(history.0.capacity(), 0);
        for wall_ms in 1..=25 {
            let (from, to, reason) = ("UP".into(), "DOWN".into(), "".into());
            history.add(Transition { wall_ms, from, to, reason, by: None, check: None });
        }
        let times: Vec<u64> = history.all().iter().map(|transition| transition.wall_ms).collect();
        assert_eq!(times, (6..=25).collect::<Vec<u64>>());
    }
}
