//! What happens, in the order of the dice.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::agents::Mood;
use crate::clients::Person;
use crate::console::Console;
use crate::dice::Dice;
use crate::plan::{BackendPlan, CheckPlan};
use crate::replica::Replica;
use crate::watchdog::Tale;
use crate::world::{Truth, World};

/// Steps of a story.
const STEPS: u64 = 120;

/// Plays a seed; what was wrong with it.
pub(crate) async fn play(seed: u64, tale: &Arc<Tale>) -> Option<String> {
    let mut dice = Dice::new(seed);
    let world = World::start(seed, &mut dice, Arc::clone(tale));
    if let Err(wrong) = told(&world, &mut dice).await {
        world.fail(wrong);
    }
    world.take_wrong()
}

async fn told(world: &Rc<World>, dice: &mut Dice) -> Result<(), String> {
    world.settle().await;
    let mut console = Console::open(&world.socket).await?;
    let mut replica = Replica::start(world).await?;
    for _ in 0..STEPS {
        tokio::time::sleep(pause(dice)).await;
        world.settle().await;
        step(world, dice, &mut console, &mut replica).await?;
        world.settle().await;
        replica.read(world)?;
        world.judge();
        if world.is_wrong() {
            return Ok(());
        }
    }
    calm(world, &mut console, &mut replica).await
}

fn pause(dice: &mut Dice) -> Duration {
    Duration::from_millis(match dice.below(10) {
        0 => 0,
        1..6 => dice.between(1, 40),
        6..9 => dice.between(40, 400),
        _ => dice.between(400, 3000),
    })
}

async fn step(
    world: &Rc<World>,
    dice: &mut Dice,
    console: &mut Console,
    replica: &mut Replica,
) -> Result<(), String> {
    let paths = world.paths();
    let path = paths[dice.below(paths.len() as u64) as usize].clone();
    match dice.below(100) {
        0..35 => {
            let count = dice.of(&[1, 1, 2, 3, 8, 20]);
            let backend = path.split('/').next().unwrap_or_default();
            world.say(&format!("{count} requests to {backend}"));
            for _ in 0..count {
                let takes = Duration::from_millis(dice.of(&[0, 1, 10, 100, 700]));
                world.request(backend, takes, Person::drawn(dice));
            }
        }
        35..43 if world.agent_of(&path).is_some() => world.set_mood(&path, Mood::drawn(dice)),
        35..50 => {
            const TRUTHS: [Truth; 6] =
                [Truth::Well, Truth::Well, Truth::Leaves, Truth::Errs, Truth::Refuses, Truth::Hangs];
            world.set_truth(&path, dice.of(&TRUTHS));
        }
        50..55 => world.abandon(dice.number()),
        55..85 => {
            let command = drawn(world, &path, dice);
            world.say(&format!("> {command}"));
            world.touch(&path);
            let is_away = || world.find(&path).is_some_and(|(_, it)| it.control().state.admin.is_maint());
            let was_away = is_away();
            let said = console.ask(&command).await?;
            world.touch(&path);
            if was_away && !is_away() {
                world.begins(&path);
            }
            if !said.is_empty() && !said.contains("by 'stats socket command'") {
                return Err(format!("{command} is answered: {said}"));
            }
            // Events come before the answer.
            replica.read(world)?;
            let last = world.shared.journal.since(replica.event_seq);
            if last.is_some_and(|events| !events.is_empty()) {
                return Err(format!("{command} is answered before its event was sent"));
            }
        }
        85..90 => {
            let nonsense = dice.of(&[
                "set server b0/nobody state ready",
                "set server nowhere/s0 state maint",
                "set server b0/s0 state asleep",
                "set weight b0/s0 300",
                "set weight b0/s0 -1%",
                "set server b0/s0",
                "disable server",
                "enable health b0",
            ]);
            world.say(&format!("> {nonsense}"));
            let before = world.shared.journal.seq();
            if console.ask(nonsense).await?.is_empty() {
                return Err(format!("{nonsense} is taken"));
            }
            if world.shared.journal.seq() != before {
                return Err(format!("{nonsense} changes something"));
            }
        }
        90..94 => world.reload(dice),
        _ => {
            if replica.compare(world, console).await? {
                world.say("the stream is as show stat");
            }
        }
    }
    Ok(())
}

fn drawn(world: &World, path: &str, dice: &mut Dice) -> String {
    let (checked, tracks) = (world.check_of(path).is_some(), world.tracked_by(path).is_some());
    let backend = path.split('/').next().unwrap_or_default();
    let dynamic = world.plan.borrow().backend(backend).is_some_and(BackendPlan::is_dynamic);
    let weights: &[_] =
        if dynamic { &["0", "1", "2", "100", "256", "50%", "100%"] } else { &["0%", "100%", "100%"] };
    let agent = world.find(path).map(|(_, server)| server.control().state.agent);
    match dice.below(24) {
        0..4 => format!("set server {path} state ready"),
        4..6 => format!("set server {path} state drain"),
        6..8 => format!("set server {path} state maint"),
        8 => format!("disable server {path}"),
        9 => format!("enable server {path}"),
        10 if !tracks => format!("set server {path} health {}", dice.of(&["up", "stopping", "down"])),
        11 if checked => format!("{} health {path}", dice.of(&["enable", "enable", "disable"])),
        12..15 => format!("set weight {path} {}", dice.of(weights)),
        15..17 => format!("set maxconn server {path} {}", dice.of(&["0", "1", "2", "10"])),
        17 => format!("set server {path} addr 192.0.2.{}", dice.between(1, 200)),
        18 => "clear counters".to_owned(),
        19 | 20 if agent.is_some_and(|it| it.configured) => {
            format!("{} agent {path}", dice.of(&["enable", "enable", "disable"]))
        }
        // Whoever tracks another would be up beside it.
        21 if agent.is_some_and(|it| it.enabled) && !tracks => format!("set server {path} agent up"),
        22 if agent.is_some_and(|it| it.enabled) => format!("set server {path} agent down"),
        _ => "clear counters all".to_owned(),
    }
}

/// Everything is made well again, and has to come to rest.
async fn calm(world: &Rc<World>, console: &mut Console, replica: &mut Replica) -> Result<(), String> {
    world.say("all is made well");
    let mut longest = Duration::ZERO;
    for path in world.paths() {
        world.set_truth(&path, Truth::Well);
        let mut up = Duration::ZERO;
        let mut commands = vec![
            format!("set server {path} state ready"),
            format!("set weight {path} 100%"),
            format!("set maxconn server {path} 0"),
        ];
        if let Some(interval) = world.agent_of(&path) {
            world.set_mood(&path, Mood::WELL);
            commands.push(format!("enable agent {path}"));
            up = interval * 3;
        }
        if world.check_of(&path).is_some() {
            commands.push(format!("enable health {path}"));
        } else if world.tracked_by(&path).is_none() {
            commands.push(format!("set server {path} health up"));
        }
        for command in commands {
            let said = console.ask(&command).await?;
            if !said.is_empty() {
                return Err(format!("{command} is answered: {said}"));
            }
        }
        world.touch(&path);
        if let Some(CheckPlan { interval, timeout, rise, .. }) = world.check_of(&path) {
            up = up.max((interval + timeout) * (rise + 3));
        }
        longest = longest.max(up + world.slow_start_of(&path) + Duration::from_secs(2));
    }
    // Some finish what they began, others are given up.
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.abandon_all();
    // What one tracks may come up before it does.
    tokio::time::sleep(longest * 2).await;
    world.settle().await;
    world.judge();
    for path in world.paths() {
        if let Some((_, server)) = world.find(&path) {
            let word = server.control().state.status().word().into_owned();
            if !is_well(&word) {
                return Err(format!("{path} is well, and {word} after {longest:?}"));
            }
        }
    }
    world.judge_idle();
    world.judge_picks();
    replica.read(world)?;
    for _ in 0..3 {
        if replica.compare(world, console).await? {
            let up = |path: &String| {
                let status = replica.field(&format!("s/{path}"), "status");
                status.is_some_and(|status| is_well(&status))
            };
            return match world.paths().iter().find(|path| !up(path)) {
                Some(path) => Err(format!("{path} is up, and the stream does not say so")),
                None => Ok(()),
            };
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
        world.settle().await;
    }
    Err("no sample of now can be had".to_owned())
}

fn is_well(status: &str) -> bool {
    matches!(status, "UP" | "no check")
}
