//! Requests at a fixed rate, whatever the answers do: an open loop.
//!
//! Each request has a time at which it is to be sent, and its latency counts from then on. When all connections are
//! busy it waits for one, and that wait is a part of its latency: what wrk leaves out (coordinated omission).

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::poller::{Poller, read, write};
use crate::{answer, say};

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    /// When the request under way was to be sent.
    asked: Option<Instant>,
    had: Vec<u8>,
}

pub(crate) fn run(to: SocketAddr, connections: usize, time: Duration, rate: f64) -> io::Result<()> {
    let mut poller = Poller::new()?;
    let mut clients = Vec::new();
    for key in 0..connections {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        poller.add(&stream, key as u64)?;
        clients.push(Client { stream, asked: None, had: Vec::new() });
    }
    // In turn, so that each of them carries its share.
    let mut free: VecDeque<usize> = (0..connections).collect();
    let total = (rate * time.as_secs_f64()) as u64;
    let mut latencies = Vec::with_capacity(total as usize);
    let begun = Instant::now();
    let due = |number: u64| begun + Duration::from_secs_f64(number as f64 / rate);
    let end = begun + time + PATIENCE;
    let mut sent = 0;
    let mut part = [0; 4096];
    while latencies.len() < total as usize {
        let now = Instant::now();
        if now > end {
            break;
        }
        while sent < total
            && due(sent) <= now
            && let Some(key) = free.pop_front()
        {
            let client = &mut clients[key];
            write(&mut client.stream, answer::GET)?;
            client.asked = Some(due(sent));
            sent += 1;
        }
        let wait = if sent < total && !free.is_empty() { due(sent) } else { end };
        let ready: Vec<u64> = poller.wait(Some(wait.saturating_duration_since(Instant::now())))?.collect();
        for key in ready {
            let client = &mut clients[key as usize];
            let Some(n) = read(&mut client.stream, &mut part)? else { continue };
            client.had.extend_from_slice(&part[..n]);
            if answer::length(&client.had)?.is_none_or(|length| client.had.len() < length) {
                continue;
            }
            client.had.clear();
            let Some(asked) = client.asked.take() else {
                return Err(io::Error::other("an answer to no request"));
            };
            latencies.push(asked.elapsed().as_nanos() as u64);
            free.push_back(key as usize);
        }
    }
    let lost = total - latencies.len() as u64;
    latencies.sort_unstable();
    // Requests without an answer took longer than all others.
    let quantile = |q: f64| {
        let rank = (total as f64 * q) as usize;
        latencies.get(rank).map_or(-1.0, |&ns| ns as f64 / 1e3)
    };
    say(&format!(
        "{{\"requests\": {}, \"lost\": {lost}, \"p50\": {}, \"p99\": {}, \"p999\": {}}}",
        latencies.len(),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999)
    ))
}
