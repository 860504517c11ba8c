//! How dangerous a change is, and so how much it asks before it is done.

use super::projection::{Projection, Tier};

/// Part of a limit from which it is near.
const NEAR: f64 = 0.8;

/// How much a change can hurt.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Danger {
    /// One key confirms.
    Low,
    /// One key confirms, under a reason to think.
    Medium,
    /// The server's name has to be typed.
    High,
}

impl Danger {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "HIGH",
        }
    }
}

/// How much, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Risk {
    pub danger: Danger,
    pub reasons: Vec<String>,
}

impl Risk {
    /// Judges what was projected; `stale` numbers make anything at least medium.
    pub fn of(backend: &str, projection: &Projection, stale: bool) -> Self {
        let mut risk = Self { danger: Danger::Low, reasons: Vec::new() };
        if projection.tier_after == Tier::Nobody && projection.tier_before != Tier::Nobody {
            risk.raise(Danger::High, format!("{backend} goes down: no server is left, clients get 503"));
        }
        for share in &projection.shares {
            // What is over its limit already, or gets less than it has, is not this change's doing.
            if share.after <= share.before {
                continue;
            }
            match (share.fill(), share.limit) {
                (Some(fill), Some(limit)) if fill > 1.0 => {
                    risk.raise(
                        Danger::High,
                        format!("{} would pass its limit of {limit} sessions", share.name),
                    );
                }
                (Some(fill), Some(limit)) if fill >= NEAR => {
                    risk.raise(
                        Danger::Medium,
                        format!("{} comes near its limit of {limit} sessions", share.name),
                    );
                }
                _ => {}
            }
        }
        if projection.tier_before == Tier::Active && projection.tier_after == Tier::Backup {
            risk.raise(Danger::Medium, "the backup takes over".into());
        }
        if stale {
            risk.raise(Danger::Medium, "the numbers are old".into());
        }
        risk
    }

    fn raise(&mut self, danger: Danger, reason: String) {
        if danger > self.danger {
            self.danger = danger;
            self.reasons.insert(0, reason);
        } else {
            self.reasons.push(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::order::{Admin, Change};
    use super::super::projection::Peer;
    use super::*;

    fn judged(servers: &[(u32, u64, Option<u64>, bool)], stale: bool) -> (Danger, usize) {
        let peers: Vec<Peer> = servers
            .iter()
            .enumerate()
            .map(|(at, &(weight, current, limit, is_backup))| Peer {
                name: format!("s{at}"),
                takes_load: true,
                is_backup,
                weight,
                current,
                limit,
                rate: 1.0,
            })
            .collect();
        let projection = Projection::of(&peers, 0, Change::State(Admin::Drain), 100, true);
        let risk = Risk::of("app", &projection, stale);
        (risk.danger, risk.reasons.len())
    }

    #[test]
    fn tiers() {
        for (servers, stale, expected) in [
            (&[(1, 10, None, false), (1, 10, None, false)][..], false, (Danger::Low, 0)),
            (&[(1, 10, None, false), (1, 10, None, false)][..], true, (Danger::Medium, 1)),
            (&[(1, 10, None, false), (1, 10, Some(25), false)][..], false, (Danger::Medium, 1)),
            (&[(1, 10, None, false), (1, 10, Some(19), false)][..], false, (Danger::High, 1)),
            (&[(1, 10, None, false)][..], false, (Danger::High, 1)),
            (&[(1, 10, None, false), (1, 0, None, true)][..], false, (Danger::Medium, 1)),
            (&[(1, 10, None, false), (1, 0, Some(5), true)][..], false, (Danger::High, 2)),
        ] {
            assert_eq!(judged(servers, stale), expected, "{servers:?}");
        }
    }
}
