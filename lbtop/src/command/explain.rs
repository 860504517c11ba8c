//! A plan in words, the same wherever it is shown.

use super::plan::Plan;
use super::projection::{Share, Tier};

/// One line of what comes of a plan.
pub fn outcome(plan: &Plan) -> String {
    let backend = &plan.command.target.id().backend;
    let p = &plan.projection;
    match (p.tier_before, p.tier_after) {
        (Tier::Nobody, Tier::Nobody) => format!("{backend} is down and stays down"),
        (_, Tier::Nobody) => format!("{backend} GOES DOWN: no server is left"),
        (before, Tier::Backup) => {
            let takes = p.shares.iter().find(|share| share.after > 0.0);
            let name = takes.map_or("the backup", |share| share.name.as_str());
            if before == Tier::Backup {
                format!("backup {name} stays in charge of {backend}")
            } else {
                format!("no active server is left in {backend}; takes over: backup {name}")
            }
        }
        (_, Tier::Active) if p.usable_before == p.usable_after && !moves(plan) => {
            format!("{backend} keeps {} of {} servers; no load moves", p.usable_after, p.actives)
        }
        (Tier::Active, Tier::Active) if p.usable_before == p.usable_after => {
            format!("{backend} keeps {} of {} servers; load moves", p.usable_after, p.actives)
        }
        (Tier::Active, Tier::Active) => {
            format!("{backend}: usable servers {} of {} -> {}", p.usable_before, p.actives, p.usable_after)
        }
        (_, Tier::Active) => format!("{backend}: {} of {} servers usable again", p.usable_after, p.actives),
    }
}

/// Whether the plan changes anybody's share.
pub fn moves(plan: &Plan) -> bool {
    plan.projection.shares.iter().any(|share| (share.before - share.after).abs() > 0.0005)
}

/// What a share is, before and after: `33% -> 50%`.
pub fn share(share: &Share) -> String {
    format!("{} -> {}", percent(share.before), percent(share.after))
}

/// Sessions before and after, against the limit.
pub fn sessions(share: &Share) -> String {
    let limit = share.limit.map_or(String::new(), |limit| format!(" of {limit}"));
    format!("{} -> {:.0}{limit}", share.current, share.current_after)
}

/// A word on how full the server gets, where that matters.
pub fn warning(share: &Share) -> &'static str {
    match share.fill() {
        Some(fill) if fill > 1.0 => "OVER",
        Some(fill) if fill >= 0.8 => "near",
        _ => "",
    }
}

fn percent(part: f64) -> String {
    format!("{:.0}%", part * 100.0)
}

#[cfg(test)]
mod tests {
    use super::super::order::{Admin, Change, Weight};
    use super::super::projection::{Peer, Projection};
    use super::*;

    #[test]
    fn outcomes() {
        let peer = |name: &str, up: bool, backup: bool| Peer {
            name: name.into(),
            takes_load: up,
            is_backup: backup,
            weight: 1,
            current: 0,
            limit: None,
            rate: 0.0,
        };
        let drain = Change::State(Admin::Drain);
        for (peers, change, text) in [
            (vec![peer("a", true, false), peer("b", true, false)], drain, "app: usable servers 2 of 2 -> 1"),
            (vec![peer("a", true, false)], drain, "app GOES DOWN: no server is left"),
            (vec![peer("a", false, false)], drain, "app is down and stays down"),
            (
                vec![peer("a", true, false), peer("s", true, true)],
                drain,
                "no active server is left in app; takes over: backup s",
            ),
            (vec![peer("a", false, false), peer("s", true, true)], drain, "backup s stays in charge of app"),
            (
                vec![peer("a", false, false), peer("b", true, false)],
                drain,
                "app keeps 1 of 2 servers; no load moves",
            ),
            (
                vec![peer("a", true, false), peer("b", true, false)],
                Change::Weight(Weight::Absolute(3)),
                "app keeps 2 of 2 servers; load moves",
            ),
            (vec![peer("a", false, false)], Change::State(Admin::Ready), "app: 1 of 1 servers usable again"),
        ] {
            let mut plan = super::super::plan::tests::plan("a");
            plan.projection = Projection::of(&peers, 0, change, 1, true);
            assert_eq!(outcome(&plan), text);
        }
    }
}
