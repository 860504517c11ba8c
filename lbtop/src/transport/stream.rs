//! Following the `watch` stream of a server that has it.

use std::path::Path;

use proto::watch::{Applied, Event, Replica};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::Signals;
use super::client::{self, AskError};
use super::clock::Clock;
use super::convert;
use super::look::{INTERVAL, PATIENCE, Trouble, look};
use super::mailbox::Mailbox;
use crate::app::msg::Msg;

/// No line is longer than 64 KiB; more than this without a line's end is no stream.
const MAX_LINE: usize = 256 * 1024;

/// The server does not know the command, has no room for another watcher, or speaks a later version: then it is polled.
pub(super) struct Refused;

/// Why a stream ended.
enum End {
    /// It cannot be followed.
    Unusable,
    /// The server says why it leaves.
    Bye(String),
}

/// Follows the stream until it ends.
pub(super) async fn follow(
    socket: &Path,
    mailbox: &Mailbox,
    signals: &Signals,
    clock: Clock,
    attempt: &mut u32,
) -> Result<Refused, Trouble> {
    let mut stream = client::connect(socket, PATIENCE).await?;
    stream.write_all(b"watch every 1s\n").await.map_err(AskError::Io)?;
    mailbox.send(Msg::Interval(INTERVAL.as_millis() as u64));
    let mut replica = Replica::new();
    let mut read = Vec::new();
    loop {
        let more = tokio::select! {
            more = timeout(PATIENCE, stream.read_buf(&mut read)) => more,
            // The stream's next beat may be a second away; what was just changed is looked at now.
            () = signals.refresh.notified() => {
                mailbox.sample(look(socket, clock).await?);
                continue;
            }
        };
        let more = more.map_err(|_elapsed| AskError::Timeout(PATIENCE))?.map_err(AskError::Io)?;
        if replica.hello().is_none() && read.first().is_some_and(|&first| first != b'{') {
            return Ok(Refused);
        }
        if more == 0 {
            return Err(Trouble::Stream("the stream ended".into()));
        }
        let mut start = 0;
        let mut is_news = false;
        while let Some(end) = read[start..].iter().position(|&byte| byte == b'\n') {
            let line = String::from_utf8_lossy(&read[start..start + end]);
            match apply(&mut replica, &line, mailbox) {
                Ok(news) => is_news |= news,
                Err(End::Unusable) => return Ok(Refused),
                Err(End::Bye(reason)) => return Err(Trouble::Stream(reason)),
            }
            start += end + 1;
        }
        read.drain(..start);
        if read.len() > MAX_LINE {
            return Ok(Refused);
        }
        if is_news {
            *attempt = 0;
            mailbox.sample(convert::streamed(&replica));
        }
    }
}

/// Applies a line; true if what it made is whole and new.
fn apply(replica: &mut Replica, line: &str, mailbox: &Mailbox) -> Result<bool, End> {
    match replica.apply_line(line).map_err(|_unreadable| End::Unusable)? {
        Applied::Synced(_) | Applied::Delta { more: false, .. } => return Ok(true),
        Applied::Event(event) => {
            mailbox.send(Msg::Event { text: words(&event), command: event.command });
        }
        Applied::Error(_) => return Err(End::Unusable),
        Applied::Bye(reason) => return Err(End::Bye(reason)),
        _ => {}
    }
    Ok(false)
}

/// An event as a line: `app/app1 UP -> DRAIN by uid 1000 (alice)`.
fn words(event: &Event) -> String {
    let id = event.id.as_deref().unwrap_or("");
    let id = id.split_once('/').map_or(id, |(_, name)| name);
    let mut text = id.to_owned();
    if let (Some(from), Some(to)) = (&event.from, &event.to) {
        text.extend([" ", from, " -> ", to]);
    }
    if let Some(reason) = &event.reason {
        text.extend([", ", reason]);
    }
    if let Some(by) = &event.by {
        text.extend([" by ", by]);
    }
    text
}
