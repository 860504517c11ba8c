//! At most one armed timer per connection, re-armed lazily.
//!
//! A deadline that moves away is only remembered; when the timer fires early it is armed for what is left. So the
//! timer is touched once per timeout period, not once per read.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::task::coop::has_budget_remaining;
use tokio::time::{Sleep, sleep_until};

use crate::clock::{self, Instant};

/// Says when a deadline has passed.
#[derive(Debug, Default)]
pub struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Who is woken when it fires.
    waker: Option<Waker>,
}

impl Timer {
    /// It is armed and wakes this task; for a deadline that is not before the one it was armed for, that will do.
    pub fn is_waiting(&self, cx: &Context<'_>) -> bool {
        let (Some(sleep), Some(waker)) = (&self.sleep, &self.waker) else { return false };
        !sleep.is_elapsed() && waker.will_wake(cx.waker())
    }

    /// Ready once `at` has passed.
    pub fn poll_at(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if self.is_waiting(cx) && self.sleep.as_ref().is_some_and(|sleep| sleep.deadline() <= at) {
            return Poll::Pending;
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        loop {
            // Without budget nobody is woken when it fires: it has to be asked again.
            let wakes = has_budget_remaining();
            if sleep.as_mut().poll(cx).is_pending() {
                if !wakes {
                    self.waker = None;
                } else if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    self.waker = Some(cx.waker().clone());
                }
                return Poll::Pending;
            }
            if clock::now() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
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
    async fn it_fires_for_a_task_that_polled_it_without_budget() {
        let limit = clock::now() + Duration::from_secs(1);
        let mut timer = Timer::default();
        let mut polls = 0;
        let ended = timer
            .within(limit, |cx| {
                polls += 1;
                if polls == 1 {
                    while let Poll::Ready(progress) = tokio::task::coop::poll_proceed(cx) {
                        progress.made_progress();
                    }
                }
                Poll::<()>::Pending
            })
            .await;
        assert_eq!((ended, clock::now()), (Err(Elapsed), limit));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_waits_is_left_alone() {
        let start = clock::now();
        let (mut timer, mut polls) = (Timer::default(), 0);
        let s = Duration::from_secs;
        poll_fn(|cx| {
            polls += 1;
            // The deadline moves away until the third second.
            let at = start + s(if polls == 1 { 1 } else { 3 });
            let ended = timer.poll_at(cx, at);
            assert_eq!(timer.is_waiting(cx), ended.is_pending());
            ended
        })
        .await;
        assert_eq!((clock::now() - start, polls), (s(3), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_done_beats_the_deadline() {
        let mut timer = Timer::default();
        let past = clock::now();
        assert_eq!(timer.within(past, |_| Poll::Ready(5)).await, Ok(5));
    }
}
