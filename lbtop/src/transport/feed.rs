//! The supply of samples: connect, look, look again; when that fails, wait and begin anew.

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::clock::Clock;
use super::look::{INTERVAL, Trouble, level, look};
use super::mailbox::Mailbox;
use super::{Signals, stream};
use crate::app::msg::Msg;

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Never ends.
pub(super) async fn run(socket: &Path, mailbox: &Mailbox, signals: &Signals, clock: Clock) {
    let mut attempt = 0;
    loop {
        let trouble = session(socket, mailbox, signals, clock, &mut attempt).await;
        let wait = wait_before(attempt);
        attempt += 1;
        let retry_in_ms = wait.as_millis() as u64;
        mailbox.send(Msg::Lost { error: trouble.to_string(), attempt, retry_in_ms });
        let _either = timeout(wait, signals.retry.notified()).await;
    }
}

/// Doubles from a quarter of a second to five, each a fifth shorter or longer by chance, so that many consoles do not
/// come back as one.
fn wait_before(attempt: u32) -> Duration {
    let plain = FIRST_WAIT.saturating_mul(1 << attempt.min(10)).min(LONGEST_WAIT);
    let chance = (RandomState::new().hash_one(attempt) % 400) as u32;
    plain * (800 + chance) / 1000
}

async fn session(
    socket: &Path,
    mailbox: &Mailbox,
    signals: &Signals,
    clock: Clock,
    attempt: &mut u32,
) -> Trouble {
    let mut sample = match look(socket, clock).await {
        Ok(sample) => sample,
        Err(trouble) => return trouble,
    };
    mailbox.send(Msg::Level(level(socket).await));
    let mut has_stream = sample.info.is_proxyd();
    loop {
        let took = Duration::from_millis(sample.took_ms);
        mailbox.sample(sample);
        if has_stream {
            match stream::follow(socket, mailbox, signals, clock, attempt).await {
                Ok(stream::Refused) => has_stream = false,
                Err(trouble) => return trouble,
            }
        }
        // A look that takes a fifth of the interval is made less often, so that watching stays cheap for the watched.
        let wait = INTERVAL.max(took * 5);
        mailbox.send(Msg::Interval(wait.as_millis() as u64));
        let _either = timeout(wait.saturating_sub(took), signals.refresh.notified()).await;
        sample = match look(socket, clock).await {
            Ok(sample) => sample,
            Err(trouble) => return trouble,
        };
        *attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_seconds() {
        for (attempt, plain) in [(0, 250), (1, 500), (4, 4000), (5, 5000), (60, 5000)] {
            let wait = wait_before(attempt).as_millis();
            assert!((plain * 8 / 10..=plain * 12 / 10).contains(&wait), "{attempt}: {wait}");
        }
    }
}
