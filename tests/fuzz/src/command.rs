//! Commands of the stats socket: what is understood is shown in words that are understood again.

use proto::command::line::Line;
use proto::command::{parse, words};
use proto::level::Level;

/// A line.
pub fn command(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let text = text.split('\n').next().unwrap_or_default();
    let Ok(line) = Line::parse(text) else { return };
    for command in &line.commands {
        for level in [Level::User, Level::Operator, Level::Admin] {
            if let Ok(understood) = parse(&words::split(command), level) {
                let shown = understood.to_string();
                assert_eq!(parse(&words::split(&shown), level), Ok(understood), "shown as {shown:?}");
            }
        }
    }
}
