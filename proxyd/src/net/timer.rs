//! At most one armed timer per connection, re-armed lazily.
//!
//! A deadline that moves away is only remembered; when the timer fires early it is armed for what is left. So the
//! timer is touched once per timeout period, not once per read.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Sleep, sleep_until};

use crate::clock::{self, Instant};

/// Says when a deadline has passed.
#[derive(Debug, Default)]
pub struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Ready once `at` has passed.
    pub fn poll_at(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if clock::now() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
        Poll::Pending
    }

    /// Polls `work`, and the deadline only while there is none to be had.
    pub fn within<T>(
        &mut self,
        at: Instant,
        mut work: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> impl Future<Output = Result<T, Elapsed>> {
        std::future::poll_fn(move |cx| match work(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => self.poll_at(cx, at).map(|()| Err(Elapsed)),
        })
    }
}

/// The deadline passed first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Elapsed;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_may_move_both_ways() {
        let start = clock::now();
        let mut timer = Timer::default();
        let never = |_: &mut Context<'_>| Poll::<()>::Pending;
        let s = Duration::from_secs;
        // Armed for 10 s, then wanted sooner, then later than armed.
        poll_fn(|cx| {
            assert!(timer.poll_at(cx, start + s(10)).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_eq!(timer.within(start + s(3), never).await, Err(Elapsed));
        assert_eq!(clock::now() - start, s(3));
        assert_eq!(timer.within(start + s(20), never).await, Err(Elapsed));
        assert_eq!(clock::now() - start, s(20));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_done_beats_the_deadline() {
        let mut timer = Timer::default();
        let past = clock::now();
        assert_eq!(timer.within(past, |_| Poll::Ready(5)).await, Ok(5));
    }
}
