//! `show servers state`: what of a server changes at run time, a line each. The same text is the state file that
//! carries it over a restart. HAProxy's management guide, 9.3.

use std::fmt;
use std::io::Write as _;
use std::str::{FromStr, SplitAsciiWhitespace};

/// Version of the format, the first line.
const VERSION: &str = "1";

const HEADER: &str = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state \
bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr \
srv_agent_port";

/// One line. Texts that are not there are written `-`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServerState {
    pub be_id: u32,
    pub be_name: String,
    pub srv_id: u32,
    pub srv_name: String,
    /// Without the port.
    pub srv_addr: Option<String>,
    /// See [`crate::state::Oper`].
    pub srv_op_state: u8,
    /// See [`crate::state::Admin`].
    pub srv_admin_state: u8,
    pub srv_uweight: u32,
    pub srv_iweight: u32,
    /// Seconds.
    pub srv_time_since_last_change: u64,
    /// 0 unknown, 1 not yet, 6 L4OK, 7 L4TOUT, 8 L4CON, 12 L7TOUT, 13 L7RSP, 15 L7OK, 17 L7STS and others.
    pub srv_check_status: u8,
    /// 0 unknown, 1 neutral, 2 failed, 3 passed, 4 passed with a condition.
    pub srv_check_result: u8,
    /// 0 to rise + fall - 1.
    pub srv_check_health: u32,
    /// Bits: 1 running, 2 configured, 4 enabled, 8 paused.
    pub srv_check_state: u8,
    /// The bits of the check, and 16 for an agent.
    pub srv_agent_state: u8,
    /// The number of the backend was configured.
    pub bk_f_forced_id: bool,
    /// The number of the server was configured.
    pub srv_f_forced_id: bool,
    pub srv_fqdn: Option<String>,
    pub srv_port: u16,
    pub srvrecord: Option<String>,
    pub srv_use_ssl: bool,
    pub srv_check_port: u16,
    pub srv_check_addr: Option<String>,
    pub srv_agent_addr: Option<String>,
    pub srv_agent_port: u16,
}

/// Why a text is no servers' state.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ServersStateError {
    #[error("the first line is not the version, {VERSION:?}")]
    Version,
    #[error("line {line}: {field} is missing")]
    Missing { line: usize, field: &'static str },
    #[error("line {line}: {text:?} cannot be {field}")]
    Bad { line: usize, field: &'static str, text: String },
}

/// Appends the version and the line of names.
pub fn header(out: &mut Vec<u8>) {
    for part in [VERSION, "\n", HEADER, "\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Appends the line of one server.
pub fn line(out: &mut Vec<u8>, server: &ServerState) {
    // Writing to a Vec cannot fail.
    let _infallible = writeln!(out, "{server}");
}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {} ", self.be_id, self.be_name, self.srv_id, self.srv_name)?;
        write!(f, "{} {} {} ", or_dash(self.srv_addr.as_ref()), self.srv_op_state, self.srv_admin_state)?;
        write!(f, "{} {} {} ", self.srv_uweight, self.srv_iweight, self.srv_time_since_last_change)?;
        write!(f, "{} {} {} ", self.srv_check_status, self.srv_check_result, self.srv_check_health)?;
        write!(f, "{} {} ", self.srv_check_state, self.srv_agent_state)?;
        write!(f, "{} {} ", u8::from(self.bk_f_forced_id), u8::from(self.srv_f_forced_id))?;
        write!(f, "{} {} ", or_dash(self.srv_fqdn.as_ref()), self.srv_port)?;
        write!(f, "{} {} ", or_dash(self.srvrecord.as_ref()), u8::from(self.srv_use_ssl))?;
        write!(f, "{} {} ", self.srv_check_port, or_dash(self.srv_check_addr.as_ref()))?;
        write!(f, "{} {}", or_dash(self.srv_agent_addr.as_ref()), self.srv_agent_port)
    }
}

fn or_dash(text: Option<&String>) -> &str {
    text.map_or("-", String::as_str)
}

/// Reads a whole answer or file. Columns behind the known ones are ignored, as a newer version would add them there.
pub fn parse(text: &str) -> Result<Vec<ServerState>, ServersStateError> {
    let mut lines = text.lines().enumerate();
    lines.next().filter(|(_, first)| first.trim_end() == VERSION).ok_or(ServersStateError::Version)?;
    lines
        .filter(|(_, text)| !text.trim().is_empty() && !text.starts_with('#'))
        .map(|(at, text)| Words { line: at + 1, words: text.split_ascii_whitespace() }.server())
        .collect()
}

/// The words of a line, taken one by one.
struct Words<'a> {
    line: usize,
    words: SplitAsciiWhitespace<'a>,
}

impl<'a> Words<'a> {
    fn server(mut self) -> Result<ServerState, ServersStateError> {
        // Fields are evaluated in the order they stand here, which is that of the columns.
        Ok(ServerState {
            be_id: self.number("be_id")?,
            be_name: self.word("be_name")?.to_owned(),
            srv_id: self.number("srv_id")?,
            srv_name: self.word("srv_name")?.to_owned(),
            srv_addr: self.option("srv_addr")?,
            srv_op_state: self.number("srv_op_state")?,
            srv_admin_state: self.number("srv_admin_state")?,
            srv_uweight: self.number("srv_uweight")?,
            srv_iweight: self.number("srv_iweight")?,
            srv_time_since_last_change: self.number("srv_time_since_last_change")?,
            srv_check_status: self.number("srv_check_status")?,
            srv_check_result: self.number("srv_check_result")?,
            srv_check_health: self.number("srv_check_health")?,
            srv_check_state: self.number("srv_check_state")?,
            srv_agent_state: self.number("srv_agent_state")?,
            bk_f_forced_id: self.flag("bk_f_forced_id")?,
            srv_f_forced_id: self.flag("srv_f_forced_id")?,
            srv_fqdn: self.option("srv_fqdn")?,
            srv_port: self.number("srv_port")?,
            srvrecord: self.option("srvrecord")?,
            srv_use_ssl: self.flag("srv_use_ssl")?,
            srv_check_port: self.number("srv_check_port")?,
            srv_check_addr: self.option("srv_check_addr")?,
            srv_agent_addr: self.option("srv_agent_addr")?,
            srv_agent_port: self.number("srv_agent_port")?,
        })
    }

    fn word(&mut self, field: &'static str) -> Result<&'a str, ServersStateError> {
        self.words.next().ok_or(ServersStateError::Missing { line: self.line, field })
    }

    fn option(&mut self, field: &'static str) -> Result<Option<String>, ServersStateError> {
        Ok(Some(self.word(field)?).filter(|word| *word != "-").map(str::to_owned))
    }

    fn number<T: FromStr>(&mut self, field: &'static str) -> Result<T, ServersStateError> {
        let text = self.word(field)?;
        text.parse().map_err(|_bad| ServersStateError::Bad { line: self.line, field, text: text.to_owned() })
    }

    fn flag(&mut self, field: &'static str) -> Result<bool, ServersStateError> {
        self.number::<u8>(field).map(|number| number != 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAPTURED: &str = include_str!("servers_state/testdata/state.txt");

    fn written(servers: &[ServerState]) -> String {
        let mut out = Vec::new();
        header(&mut out);
        for server in servers {
            line(&mut out, server);
        }
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn the_text_is_haproxys() {
        let servers = parse(CAPTURED).expect("parses");
        assert_eq!(servers.len(), 10);
        assert_eq!(servers[6].srv_fqdn.as_deref(), Some("no.such.host"));
        assert_eq!((servers[6].srv_addr.as_deref(), servers[6].srv_admin_state), (None, 37));
        assert_eq!(servers[4].srv_agent_port, 18050);
        assert_eq!(written(&servers), CAPTURED);
    }

    #[test]
    fn refusals() {
        for (text, error) in [
            ("", ServersStateError::Version),
            ("2\n", ServersStateError::Version),
            ("1\n# x\n5 be\n", ServersStateError::Missing { line: 3, field: "srv_id" }),
            ("1\nfive\n", ServersStateError::Bad { line: 2, field: "be_id", text: "five".into() }),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn later_columns_are_ignored() {
        let line = CAPTURED.lines().nth(2).expect("a server");
        assert_eq!(parse(&format!("1\n{line} new 3\n")), parse(&format!("1\n{line}\n")));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(1\n)?[0-9a-z# \n-]{0,80}") {
            if let Ok(servers) = parse(&text) {
                prop_assert_eq!(parse(&written(&servers)), Ok(servers));
            }
        }
    }
}
