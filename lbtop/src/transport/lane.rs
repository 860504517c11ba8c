//! The way of a command: read the record, send if it is as expected, read the record again.

use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use super::Job;
use super::client;
use super::mailbox::Mailbox;
use crate::app::action::Outcome;
use crate::app::msg::Msg;
use crate::command::gate::Checked;
use crate::command::observed::{Expected, Observed};
use crate::command::order::{Command, Target};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(socket: &Path, mailbox: &Mailbox, mut jobs: UnboundedReceiver<Job>) {
    while let Some(job) = jobs.recv().await {
        match job {
            Job::Send { number, command, expected } => {
                let outcome = send(socket, &command, expected).await;
                mailbox.send(Msg::Outcome(number, outcome));
            }
            // A record that cannot be read now is read again before anything is sent.
            Job::Observe(target) => {
                if let Ok(observed) = observe(socket, &target).await {
                    mailbox.send(Msg::Observed(target.id().clone(), observed));
                }
            }
        }
    }
}

async fn send(socket: &Path, command: &Checked<Command>, expected: Expected) -> Outcome {
    let command = command.get();
    let before = match observe(socket, &command.target).await {
        Ok(before) => before,
        Err(why) => return Outcome::NotSent(why),
    };
    if !expected.holds(before) {
        return Outcome::Changed(before);
    }
    match client::ask(socket, &command.to_string(), PATIENCE).await {
        Ok(answer) if answer.trim().is_empty() => {}
        Ok(answer) => {
            let words: Vec<_> = answer.split_whitespace().collect();
            return Outcome::Refused(words.join(" "));
        }
        Err(error) if error.is_unsent() => return Outcome::NotSent(error.to_string()),
        Err(error) => return Outcome::Unknown(error.to_string()),
    }
    match observe(socket, &command.target).await {
        Ok(after) if after.shows(command.change) => Outcome::Done { before, after },
        Ok(after) => Outcome::NotSeen { before, after },
        Err(why) => Outcome::Unknown(format!("accepted, but not read back: {why}")),
    }
}

/// The balancer's record of a server.
async fn observe(socket: &Path, target: &Target) -> Result<Observed, String> {
    let id = target.id();
    let line = format!("show servers state {}", id.backend);
    let answer = client::ask(socket, &line, PATIENCE).await.map_err(|error| error.to_string())?;
    let states = proto::servers_state::parse(&answer).map_err(|error| {
        format!(
            "show servers state: {}",
            answer.lines().next().map_or_else(|| error.to_string(), str::to_owned)
        )
    })?;
    let state = states.iter().find(|state| state.be_name == id.backend && state.srv_name == id.server);
    let state = state.ok_or_else(|| format!("{id} is gone"))?;
    Ok(Observed::from_fields(u32::from(state.srv_admin_state), state.srv_uweight, state.srv_iweight))
}
