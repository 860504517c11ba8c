//! One look at what there is, and what can come between.

use std::path::Path;
use std::time::Duration;

use proto::level::Level;

use super::client::{self, AskError};
use super::clock::Clock;
use super::convert::{self, NoSample};
use crate::model::sample::Sample;

/// How often to look.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait for an answer. The header says SLOW and STALE long before.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Sample(#[from] NoSample),
    #[error("{0}")]
    Stream(String),
}

/// One look at everything.
pub async fn look(socket: &Path, clock: Clock) -> Result<Sample, Trouble> {
    let before = clock.now();
    let answer = client::ask(socket, "show info;show stat", PATIENCE).await?;
    let now = clock.now();
    Ok(convert::polled(&answer, now.wall, now.mono - before.mono)?)
}

/// What the socket allows, where it can be asked.
pub async fn level(socket: &Path) -> Option<Level> {
    let answer = client::ask(socket, "show cli level", PATIENCE).await.ok()?;
    [Level::User, Level::Operator, Level::Admin].into_iter().find(|level| level.as_str() == answer.trim())
}
