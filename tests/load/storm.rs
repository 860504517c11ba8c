//! Many servers that all change at once: it is the control side's own time that is bounded.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use harness::{Config, Daemon, eventually, is_optimized, pause};

const SERVERS: usize = 5000;
/// Changes a second.
const RATE: usize = 500;
const SPAN: Duration = Duration::from_secs(6);
/// Of one core. What is not optimized takes many times as long, and not every machine is as quick as another.
fn most() -> f64 {
    if is_optimized() { 0.1 } else { 0.4 }
}

/// Processor time of the thread that carries commands out, prepares lineups and warms servers up.
fn control_time(daemon: &Daemon) -> Duration {
    let pid = daemon.pid();
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat")).unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn a_storm_of_changes_at_5000_servers_costs_a_tenth_of_a_core() {
    let _alone = super::alone();
    let mut config = Config::http([] as [(&str, SocketAddr); 0])
        .with(r#"server_defaults: (slow_start: "5s")"#)
        .global("workers: 1");
    for n in 0..SERVERS {
        // Weights that have nothing in common make the longest lineups.
        let weight = format!("weight: {}", 1 + n * 7 % 256);
        config = config.server(&format!("s{n}"), SocketAddr::from(([127, 0, 0, 1], 1)), &weight);
    }
    let daemon = Daemon::start(&config);
    let idle = || {
        let (before, start) = (control_time(&daemon), Instant::now());
        pause(Duration::from_secs(1));
        control_time(&daemon).saturating_sub(before).as_secs_f64() / start.elapsed().as_secs_f64()
    };
    let at_rest = idle();
    let (before, start) = (control_time(&daemon), Instant::now());
    let mut changes = 0;
    // All of them go down and come up, a tenth of a second's at a time, and warm up in each other's midst.
    while start.elapsed() < SPAN {
        let mut commands = String::new();
        for n in 0..RATE / 20 {
            let server = (changes / 2 + n) % SERVERS;
            let _ = write!(
                commands,
                "set server app/s{server} health down; set server app/s{server} health up; "
            );
        }
        changes += RATE / 10;
        assert_eq!(daemon.admin(commands.trim_end_matches("; ")).trim(), "");
        pause(
            (start + Duration::from_millis(100) * (changes / (RATE / 10)) as u32)
                .saturating_duration_since(Instant::now()),
        );
    }
    let spent = control_time(&daemon).saturating_sub(before);
    let share = spent.as_secs_f64() / start.elapsed().as_secs_f64();
    println!("{changes} changes at {SERVERS} servers: {share:.3} of a core, {at_rest:.3} at rest");
    assert!(changes > RATE * 2, "{changes}: the machine did not come to it");
    assert!(share - at_rest < most(), "{share:.3} of a core, {at_rest:.3} at rest");
    eventually("all are warm", || {
        (!daemon.admin("show servers state app").lines().any(|line| line.split(' ').nth(5) == Some("1")))
            .then_some(())
    });
}
