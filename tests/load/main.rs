//! What a busy machine would blur: each test here has it to itself.

#![cfg(test)]

mod checks;
mod prompt;
mod reuse;
mod storm;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by the test that runs.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
