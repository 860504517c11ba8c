//! How many servers of a backend can take traffic: counted as they change, so that a change costs the same however
//! many there are.

use super::panic::Muster;
use super::server::Server;
use super::slow_start::STEPS;
use crate::config::Backups;

/// How many servers can take traffic.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usable {
    /// Active servers that are up and have a weight.
    pub active: u32,
    /// The same of backup servers.
    pub backup: u32,
    /// Sum of the weights that hold now: of the active, else of the backups that step in.
    pub weight: u32,
    /// The same of the weights as they are set, where some are still being warmed up.
    pub full_weight: u32,
}

/// What each of them counts for, and the sums.
#[derive(Debug)]
pub(super) struct Census {
    each: Box<[Vote]>,
    active: Sum,
    backup: Sum,
}

/// What one server counts for; no share is one that cannot be picked.
#[derive(Clone, Copy, Debug, Default)]
struct Vote {
    share: u32,
    weight: u32,
    backup: bool,
    /// It has a weight, and is neither in maintenance nor draining nor asking for no new sessions.
    offered: bool,
    /// It has a weight and is up, whether or not that is believed.
    well: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    servers: u32,
    share: u64,
    weight: u32,
    offered: u32,
    /// Of those that are offered.
    well: u32,
}

impl Vote {
    fn of(server: &Server) -> Self {
        let counts = server.is_eligible();
        let (share, weight) = if counts { (server.share(), server.weight()) } else { (0, 0) };
        let weighs = server.weight() > 0;
        Self {
            share,
            weight,
            backup: server.backup,
            offered: weighs && server.is_offered(),
            well: weighs && server.is_well(),
        }
    }
}

impl Sum {
    fn add(&mut self, vote: Vote) {
        self.servers += u32::from(vote.share > 0);
        self.share += u64::from(vote.share);
        self.weight += vote.weight;
        self.offered += u32::from(vote.offered);
        self.well += u32::from(vote.well);
    }

    fn take(&mut self, vote: Vote) {
        self.servers -= u32::from(vote.share > 0);
        self.share -= u64::from(vote.share);
        self.weight -= vote.weight;
        self.offered -= u32::from(vote.offered);
        self.well -= u32::from(vote.well);
    }
}

impl Census {
    pub(super) fn of<'a>(servers: impl Iterator<Item = &'a Server>) -> Self {
        let each: Box<[Vote]> = servers.map(Vote::of).collect();
        let mut census = Self { each: Box::default(), active: Sum::default(), backup: Sum::default() };
        for &vote in &each {
            census.sum(vote).add(vote);
        }
        Self { each, ..census }
    }

    /// A server may have changed.
    pub(super) fn note(&mut self, index: u32, server: &Server) {
        let vote = Vote::of(server);
        let before = std::mem::replace(&mut self.each[index as usize], vote);
        self.sum(before).take(before);
        self.sum(vote).add(vote);
    }

    /// Whether anybody can be picked.
    pub(super) fn is_up(&self) -> bool {
        self.each.is_empty() || self.active.servers + self.backup.servers > 0
    }

    /// Who is there and who is up, for panic.
    pub(super) fn muster(&self) -> Muster {
        Muster { offered: self.active.offered, well: self.active.well, backups: self.backup.well }
    }

    pub(super) fn usable(&self, backups: Backups) -> Usable {
        let used = match backups {
            _ if self.active.servers > 0 => self.active,
            Backups::All => self.backup,
            Backups::First => {
                let mut first = Sum::default();
                self.each.iter().filter(|vote| vote.share > 0).take(1).for_each(|&vote| first.add(vote));
                first
            }
        };
        Usable {
            active: self.active.servers,
            backup: self.backup.servers,
            weight: used.share.div_ceil(u64::from(STEPS)) as u32,
            full_weight: used.weight,
        }
    }

    fn sum(&mut self, vote: Vote) -> &mut Sum {
        if vote.backup { &mut self.backup } else { &mut self.active }
    }
}
