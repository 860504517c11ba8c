//! Has lineups prepared that changed too often to be prepared at once, and servers warmed up.

use std::pin::pin;
use std::sync::Arc;

use crate::model::shared::Shared;

/// Works for as long as it is polled.
pub async fn run(shared: Arc<Shared>) {
    loop {
        let mut told = pin!(shared.tending.notified());
        told.as_mut().enable();
        match shared.tend() {
            None => told.await,
            Some(due) => tokio::select! {
                () = told => {}
                () = tokio::time::sleep_until(due) => {}
            },
        }
    }
}
