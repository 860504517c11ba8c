//! One question, one connection, one answer.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// No answer is longer; 5,000 servers have about 1.3 MB.
const MAX_ANSWER: usize = 64 << 20;

/// Why there is no answer. What matters to a command is whether it can have been carried out.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("{}", words(.0))]
    Connect(io::Error),
    #[error("{}", words(.0))]
    Io(#[from] io::Error),
    #[error("no answer for {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("the answer was cut")]
    Cut,
    #[error("the answer is too long")]
    TooLong,
}

impl AskError {
    /// Whether the question cannot have arrived.
    pub const fn is_unsent(&self) -> bool {
        matches!(self, Self::Connect(_))
    }
}

/// The system's words without its number.
pub fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such socket".into(),
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::ConnectionReset => "connection reset".into(),
        io::ErrorKind::BrokenPipe => "connection closed".into(),
        _ => error.to_string(),
    }
}

/// Connects. A daemon that is stopped has a backlog, so this can hang too.
pub async fn connect(socket: &Path, patience: Duration) -> Result<UnixStream, AskError> {
    match timeout(patience, UnixStream::connect(socket)).await {
        Ok(connected) => connected.map_err(AskError::Connect),
        Err(_elapsed) => Err(AskError::Connect(io::Error::new(io::ErrorKind::TimedOut, "nobody accepts"))),
    }
}

/// Sends one line and reads what is answered, up to the end of the connection. The answer is without the empty line
/// that ends it; without that line it is not whole.
pub async fn ask(socket: &Path, line: &str, patience: Duration) -> Result<String, AskError> {
    let mut stream = connect(socket, patience).await?;
    let exchange = async {
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        let mut answer = Vec::new();
        loop {
            if stream.read_buf(&mut answer).await? == 0 {
                return Ok(answer);
            }
            if answer.len() > MAX_ANSWER {
                return Err(AskError::TooLong);
            }
        }
    };
    let answer = timeout(patience, exchange).await.map_err(|_elapsed| AskError::Timeout(patience))??;
    let answer = String::from_utf8_lossy(&answer);
    match answer.strip_suffix('\n') {
        Some("") => Ok(String::new()),
        Some(whole) if whole.ends_with('\n') => Ok(whole.to_owned()),
        _ => Err(AskError::Cut),
    }
}
