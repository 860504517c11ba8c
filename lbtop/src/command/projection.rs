//! What a change to one server does to the others of its backend.
//!
//! Load is shared by weight, which holds for round robin exactly and for the others in expectation. Sessions follow
//! the load while answers take as long as they do now (Little's law).

use super::observed::resolve;
use super::order::{Admin, Change};

/// A server of the backend, as far as shares go.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    pub name: String,
    /// Whether its state lets new load in; weight aside.
    pub takes_load: bool,
    pub is_backup: bool,
    pub weight: u32,
    pub current: u64,
    pub limit: Option<u64>,
    pub rate: f64,
}

/// Who serves a backend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tier {
    Active,
    Backup,
    Nobody,
}

/// One server's part, before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    pub name: String,
    /// 0 to 1.
    pub before: f64,
    pub after: f64,
    pub current: u64,
    pub current_after: f64,
    pub limit: Option<u64>,
    pub rate: f64,
    pub rate_after: f64,
}

impl Share {
    /// Sessions after, as a part of the limit.
    pub fn fill(&self) -> Option<f64> {
        self.limit.map(|limit| self.current_after / limit as f64)
    }
}

/// What comes of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    pub tier_before: Tier,
    pub tier_after: Tier,
    pub usable_before: usize,
    pub usable_after: usize,
    /// Servers that are no backups.
    pub actives: usize,
    /// All who have a share before or after, the largest after first.
    pub shares: Vec<Share>,
}

impl Projection {
    /// What `change` to `peers[target]` leads to. `comes_up` says whether a server made ready will take load at once.
    pub fn of(peers: &[Peer], target: usize, change: Change, initial: u32, comes_up: bool) -> Self {
        let mut after = peers.to_vec();
        if let Some(peer) = after.get_mut(target) {
            match change {
                Change::State(Admin::Ready) => peer.takes_load = comes_up || peer.takes_load,
                Change::State(Admin::Drain | Admin::Maint) => peer.takes_load = false,
                Change::Weight(weight) => peer.weight = resolve(weight, initial),
            }
        }
        let (tier_before, serving_before) = serving(peers);
        let (tier_after, serving_after) = serving(&after);
        let total_rate: f64 = peers.iter().map(|peer| peer.rate).sum();
        let total_current: f64 = peers.iter().map(|peer| peer.current as f64).sum();
        let mut shares: Vec<Share> = (0..peers.len())
            .filter(|at| serving_before.contains(at) || serving_after.contains(at))
            .map(|at| {
                let (old, new) = (share(peers, &serving_before, at), share(&after, &serving_after, at));
                let peer = &peers[at];
                // A server that has load keeps its own ratio of load to share; one that has none gets its share of all.
                let scale = |own: f64, total: f64| if old > 0.0 { own * new / old } else { total * new };
                Share {
                    name: peer.name.clone(),
                    before: old,
                    after: new,
                    current: peer.current,
                    current_after: scale(peer.current as f64, total_current),
                    limit: peer.limit,
                    rate: peer.rate,
                    rate_after: scale(peer.rate, total_rate),
                }
            })
            .collect();
        shares.sort_by(|a, b| b.after.total_cmp(&a.after));
        Self {
            tier_before,
            tier_after,
            usable_before: serving_before.len(),
            usable_after: serving_after.len(),
            actives: peers.iter().filter(|peer| !peer.is_backup).count(),
            shares,
        }
    }
}

/// Who serves: the actives that can, else the first backup that can.
fn serving(peers: &[Peer]) -> (Tier, Vec<usize>) {
    let usable = |backup: bool| {
        peers
            .iter()
            .enumerate()
            .filter(move |(_, peer)| peer.is_backup == backup && peer.takes_load && peer.weight > 0)
            .map(|(at, _)| at)
    };
    let actives: Vec<_> = usable(false).collect();
    if !actives.is_empty() {
        return (Tier::Active, actives);
    }
    match usable(true).next() {
        Some(first) => (Tier::Backup, vec![first]),
        None => (Tier::Nobody, Vec::new()),
    }
}

fn share(peers: &[Peer], serving: &[usize], at: usize) -> f64 {
    if !serving.contains(&at) {
        return 0.0;
    }
    let total: u64 = serving.iter().map(|&one| u64::from(peers[one].weight)).sum();
    f64::from(peers[at].weight) / total as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::order::Weight;
    use super::*;

    fn peer(name: &str, weight: u32, takes_load: bool, is_backup: bool) -> Peer {
        Peer {
            name: name.into(),
            takes_load,
            is_backup,
            weight,
            current: u64::from(weight),
            limit: Some(100),
            rate: f64::from(weight),
        }
    }

    fn trio() -> Vec<Peer> {
        vec![peer("a", 100, true, false), peer("b", 50, true, false), peer("spare", 100, true, true)]
    }

    #[test]
    fn drain_moves_the_share() {
        let p = Projection::of(&trio(), 0, Change::State(Admin::Drain), 100, true);
        assert_eq!(
            (p.tier_before, p.tier_after, p.usable_before, p.usable_after),
            (Tier::Active, Tier::Active, 2, 1)
        );
        assert_eq!(p.shares[0].name, "b");
        assert!((p.shares[0].after - 1.0).abs() < 1e-9);
        assert!((p.shares[0].current_after - 150.0).abs() < 1e-9);
        assert!((p.shares[0].rate_after - 150.0).abs() < 1e-9);
    }

    #[test]
    fn the_first_backup_takes_over() {
        let mut peers = trio();
        peers[1].takes_load = false;
        peers.push(peer("spare2", 100, true, true));
        let p = Projection::of(&peers, 0, Change::State(Admin::Maint), 100, true);
        assert_eq!((p.tier_after, p.usable_after), (Tier::Backup, 1));
        let spare = p.shares.iter().find(|s| s.name == "spare").map(|s| s.after);
        assert_eq!(spare, Some(1.0));
        assert!(!p.shares.iter().any(|s| s.name == "spare2"));
    }

    #[test]
    fn nobody_is_left() {
        let p = Projection::of(&[peer("a", 1, true, false)], 0, Change::Weight(Weight::Absolute(0)), 1, true);
        assert_eq!((p.tier_before, p.tier_after), (Tier::Active, Tier::Nobody));
        assert!(p.shares[0].after.abs() < 1e-9);
    }

    #[test]
    fn ready_takes_from_the_others() {
        let mut peers = trio();
        peers[0].takes_load = false;
        let p = Projection::of(&peers, 0, Change::State(Admin::Ready), 100, true);
        assert_eq!((p.usable_before, p.usable_after), (1, 2));
        assert!((p.shares[0].after - 2.0 / 3.0).abs() < 1e-9);
        let stays_down = Projection::of(&peers, 0, Change::State(Admin::Ready), 100, false);
        assert_eq!((stays_down.usable_before, stays_down.usable_after), (1, 1));
    }

    proptest! {
        #[test]
        fn shares_add_up_to_one(
            peers in prop::collection::vec((0_u32..257, any::<bool>(), any::<bool>(), 0_u64..500), 1..12),
            target in 0_usize..12,
            weight in 0_u32..257,
            which in 0..4,
        ) {
            let peers: Vec<Peer> = peers
                .into_iter()
                .map(|(weight, up, backup, current)| Peer { current, ..peer("x", weight, up, backup) })
                .collect();
            let change = match which {
                0 => Change::State(Admin::Ready),
                1 => Change::State(Admin::Drain),
                2 => Change::State(Admin::Maint),
                _ => Change::Weight(Weight::Absolute(weight)),
            };
            let p = Projection::of(&peers, target % peers.len(), change, 100, true);
            for (tier, sum) in [
                (p.tier_before, p.shares.iter().map(|s| s.before).sum::<f64>()),
                (p.tier_after, p.shares.iter().map(|s| s.after).sum()),
            ] {
                let expected = if tier == Tier::Nobody { 0.0 } else { 1.0 };
                prop_assert!((sum - expected).abs() < 1e-9);
            }
            prop_assert!(p.shares.iter().all(|s| s.current_after.is_finite() && s.rate_after.is_finite()));
        }
    }
}
