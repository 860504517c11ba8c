//! What is asked for goes to standard output.

/// Standard output may be a pipe that nobody reads to the end.
pub(super) fn print(text: &str) -> anyhow::Result<bool> {
    use std::io::Write;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(true),
        written => Ok(written.map(|()| true)?),
    }
}
