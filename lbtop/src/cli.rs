//! The command line.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, ValueEnum};

use crate::console::{self, Options};
use crate::oneshot::{self, Format};
use crate::term::guard;
use crate::transport::locate;
use crate::view::glyphs::Glyphs;
use crate::view::{Colors, Look};

/// Wrong use (`EX_USAGE` of sysexits).
const USAGE: u8 = 64;
/// Nobody answers.
const UNREACHABLE: u8 = 3;

/// Live view of proxyd, or of any HAProxy, and safe manual failover.
#[derive(Debug, Parser)]
#[command(name = "lbtop", version, after_help = AFTER_HELP)]
struct Args {
    /// The stats socket [default: /run/proxyd/admin.sock, else your own ./proxyd.sock]
    #[arg(short, long, value_name = "PATH", env = "PROXYD_SOCKET")]
    socket: Option<PathBuf>,

    /// Never send a command that changes anything
    #[arg(long)]
    read_only: bool,

    /// Print once what is the case, and leave
    #[arg(long)]
    once: bool,

    /// How to print it
    #[arg(long, value_enum, requires = "once", value_name = "FORMAT")]
    format: Option<Format>,

    /// Characters to draw with
    #[arg(long, value_enum, default_value_t = GlyphsArg::Auto, value_name = "SET")]
    glyphs: GlyphsArg,
}

const AFTER_HELP: &str = "Exit status of --once: 0 all is well, 1 a server is in trouble, 2 a backend is down\n\
    or in panic, 3 nobody answers, 64 wrong use. NO_COLOR is honoured.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum GlyphsArg {
    /// As LANG and TERM allow
    Auto,
    Ascii,
    Utf8,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
                _ => USAGE,
            };
            // Whoever closed the pipe does not want to read it.
            let _closed = error.print();
            return code.into();
        }
    };
    let socket = match locate::socket(args.socket.filter(|path| !path.as_os_str().is_empty())) {
        Ok(socket) => socket,
        Err(error) => return fail(UNREACHABLE, &error),
    };
    if args.once {
        return oneshot::run(&socket, args.format.unwrap_or(Format::Table));
    }
    if !guard::is_there() {
        return fail(USAGE, &"this needs a terminal; lbtop --once prints without one");
    }
    let variable = |name: &str| std::env::var(name).ok();
    let options = Options {
        socket,
        read_only: args.read_only,
        look: Look {
            glyphs: match args.glyphs {
                GlyphsArg::Auto => Glyphs::detect(variable),
                GlyphsArg::Ascii => Glyphs::Ascii,
                GlyphsArg::Utf8 => Glyphs::Utf8,
            },
            colors: match variable("NO_COLOR").filter(|value| !value.is_empty()) {
                Some(_) => Colors::None,
                None => Colors::Terminal,
            },
        },
        is_remote: ["SSH_CONNECTION", "SSH_TTY"].into_iter().any(|name| std::env::var_os(name).is_some()),
    };
    match console::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &format!("{error:#}")),
    }
}

/// Says what is wrong on standard error.
pub(crate) fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    let _closed = writeln!(io::stderr(), "lbtop: {error}");
    code.into()
}
