//! Many clients at once, each with its next request as soon as it has the answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crate::client::Client;

/// Connections one thread serves: it asks on all of them before it reads an answer, so all are busy at once.
const PER_THREAD: usize = 8;

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Report>>,
}

/// What the clients saw.
#[derive(Debug, Default)]
pub struct Report {
    /// Whole answers with status 200.
    pub answered: u64,
    /// Everything else, with how often it was seen.
    pub errors: BTreeMap<String, u64>,
}

impl Load {
    /// GETs of `/` over so many connections, which stay open.
    pub fn start(to: SocketAddr, connections: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let threads = (0..connections.div_ceil(PER_THREAD))
            .map(|n| {
                let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
                let own = PER_THREAD.min(connections - n * PER_THREAD);
                thread::spawn(move || work(to, own, &stop, &answered))
            })
            .collect();
        Self { stop, answered, threads }
    }

    /// Answers so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Lets every client have the answer it waits for, and ends.
    pub fn end(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Report::default();
        for thread in self.threads {
            let report = thread.join().expect("clients do not panic");
            all.answered += report.answered;
            for (error, n) in report.errors {
                *all.errors.entry(error).or_default() += n;
            }
        }
        all
    }
}

fn work(to: SocketAddr, connections: usize, stop: &AtomicBool, answered: &AtomicU64) -> Report {
    let mut report = Report::default();
    let mut clients: Vec<_> = (0..connections).map(|_| Client::tcp(to)).collect();
    while !stop.load(Ordering::Relaxed) {
        let asked: Vec<_> =
            clients.iter_mut().map(|it| it.try_send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")).collect();
        for (client, asked) in clients.iter_mut().zip(asked) {
            let error = match asked.and_then(|()| client.try_response("GET")) {
                Ok(answer) if answer.status == 200 => {
                    report.answered += 1;
                    answered.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Ok(answer) => format!("status {}", answer.status),
                Err(error) => {
                    *client = Client::tcp(to);
                    error.to_string()
                }
            };
            *report.errors.entry(error).or_default() += 1;
        }
    }
    report
}
