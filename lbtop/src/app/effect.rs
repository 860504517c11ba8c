//! What the program wants done outside.

use crate::command::gate::Checked;
use crate::command::observed::Expected;
use crate::command::order::{Command, Target};

/// Something to do.
#[derive(Debug, Eq, PartialEq)]
pub enum Effect {
    /// Send a command, if the server still is as expected.
    Send {
        number: u64,
        command: Checked<Command>,
        expected: Expected,
    },
    /// Read the balancer's record of one server.
    Observe(Target),
    /// Look at the balancer now.
    Refresh,
    /// Connect again now.
    Retry,
    Suspend,
    /// Take the terminal as if anew and draw everything.
    Repaint,
    Quit,
}
