//! What a server's traffic says of it (`observe`): errors in a row, counted where requests pass, weighed elsewhere.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

use tokio::sync::Notify;

use crate::config::{Layer, Observe};

/// What was seen of a server, in HAProxy's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Sight {
    Connected,
    NotConnected,
    Answered,
    WrongAnswer,
    InvalidHead,
    ReadError,
    ReadTimeout,
    BrokenPipe,
}

const SIGHTS: [(Sight, &str); 8] = [
    (Sight::Connected, "L4 successful connection"),
    (Sight::NotConnected, "L4 unsuccessful connection"),
    (Sight::Answered, "Correct http response"),
    (Sight::WrongAnswer, "Wrong http response"),
    (Sight::InvalidHead, "Invalid http response (headers)"),
    (Sight::ReadError, "Read error (http)"),
    (Sight::ReadTimeout, "Read timeout (http)"),
    (Sight::BrokenPipe, "Close from server (http)"),
];

impl Sight {
    pub const fn text(self) -> &'static str {
        SIGHTS[self as usize].1
    }

    /// Whether it is a good sign at that layer; `None` is no sign at all.
    const fn is_good(self, layer: Layer) -> Option<bool> {
        match (self, layer) {
            (Self::Connected, Layer::Four) | (Self::Answered, Layer::Seven) => Some(true),
            (Self::NotConnected, _) => Some(false),
            (_, Layer::Four) | (Self::Connected, Layer::Seven) => None,
            _ => Some(false),
        }
    }
}

/// The traffic of one server that is observed.
#[derive(Debug)]
pub struct Traffic {
    conf: Observe,
    /// Errors since something last went well.
    in_a_row: AtomicU32,
    /// As many were too many, and have not been weighed yet; 0 is none.
    too_many: AtomicU32,
    last: AtomicU8,
    reached: Notify,
}

/// So many errors in a row that something is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Excess {
    pub errors: u32,
    pub last: Sight,
}

impl Traffic {
    pub fn new(conf: Observe) -> Self {
        Self {
            conf,
            in_a_row: AtomicU32::new(0),
            too_many: AtomicU32::new(0),
            last: AtomicU8::new(0),
            reached: Notify::new(),
        }
    }

    pub const fn conf(&self) -> Observe {
        self.conf
    }

    /// One atomic is read where all goes well.
    pub fn see(&self, sight: Sight) {
        match sight.is_good(self.conf.layer) {
            None => {}
            Some(true) => self.forget(),
            Some(false) => {
                let errors = self.in_a_row.fetch_add(1, Relaxed).saturating_add(1);
                if errors >= self.conf.error_limit {
                    self.in_a_row.store(0, Relaxed);
                    self.last.store(sight as u8, Relaxed);
                    self.too_many.store(errors, Relaxed);
                    self.reached.notify_one();
                }
            }
        }
    }

    /// Something went well.
    pub fn forget(&self) {
        if self.in_a_row.load(Relaxed) != 0 {
            self.in_a_row.store(0, Relaxed);
        }
    }

    /// Waits until there are too many.
    pub async fn excess(&self) -> Excess {
        loop {
            self.reached.notified().await;
            let errors = self.too_many.swap(0, Relaxed);
            let last = SIGHTS[usize::from(self.last.load(Relaxed)) % SIGHTS.len()].0;
            if errors > 0 {
                return Excess { errors, last };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OnError;

    fn traffic(layer: Layer) -> Traffic {
        Traffic::new(Observe { layer, error_limit: 3, on_error: OnError::FailCheck })
    }

    fn see(traffic: &Traffic, sights: &[Sight]) {
        for sight in sights {
            traffic.see(*sight);
        }
    }

    async fn excess(traffic: &Traffic) -> Option<Excess> {
        tokio::select! {
            biased;
            excess = traffic.excess() => Some(excess),
            () = std::future::ready(()) => None,
        }
    }

    #[test]
    fn the_table_has_the_order_of_the_sights() {
        for (place, (sight, text)) in SIGHTS.iter().enumerate() {
            assert_eq!(*sight as usize, place, "{text}");
        }
    }

    #[tokio::test]
    async fn errors_in_a_row_are_counted() {
        use Sight::{Answered, Connected, NotConnected, ReadTimeout, WrongAnswer};
        let traffic = traffic(Layer::Seven);
        see(&traffic, &[WrongAnswer, ReadTimeout, Answered, WrongAnswer, Connected, ReadTimeout]);
        assert_eq!(excess(&traffic).await, None);
        traffic.see(NotConnected);
        assert_eq!(excess(&traffic).await, Some(Excess { errors: 3, last: NotConnected }));
        // And from the beginning.
        see(&traffic, &[WrongAnswer, WrongAnswer]);
        assert_eq!(excess(&traffic).await, None);
        traffic.see(WrongAnswer);
        assert!(excess(&traffic).await.is_some());
    }

    #[tokio::test]
    async fn layer_4_is_about_connections() {
        use Sight::{Answered, Connected, NotConnected, WrongAnswer};
        let traffic = traffic(Layer::Four);
        see(&traffic, &[NotConnected, NotConnected, WrongAnswer, Answered]);
        assert_eq!(excess(&traffic).await, None);
        see(&traffic, &[Connected, NotConnected, NotConnected]);
        assert_eq!(excess(&traffic).await, None);
        traffic.see(NotConnected);
        assert!(excess(&traffic).await.is_some());
    }
}
