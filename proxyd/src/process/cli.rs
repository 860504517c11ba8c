//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::output::print;
use super::{boot, demo};
use crate::config::report::{Paint, Report};
use crate::config::source::FileSystem;
use crate::config::{self, Config};
use crate::stick::Table;

/// A TCP and HTTP load balancer that is operated from a terminal.
#[derive(Debug, Parser)]
#[command(name = "proxyd", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until stopped.
    Run(Run),
    /// Read a configuration and report every problem; opens nothing.
    Check(Files),
    /// Print every default value, as configuration.
    PrintDefaults,
    /// Show a live system on this machine: no file, no root, ports to choose.
    Demo(demo::Options),
    /// A server of the demo.
    #[command(hide = true)]
    DemoOrigin(demo::origin::Options),
}

#[derive(Args, Debug)]
struct Files {
    /// A file, or a folder whose *.ron files are read in name order; may be repeated.
    #[arg(short, long = "file", value_name = "PATH", default_value = "/etc/proxyd/proxyd.ron")]
    files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
struct Run {
    #[command(flatten)]
    files: Files,
    /// Serve without a file: where clients arrive.
    #[arg(long, value_name = "ADDR", requires = "to", conflicts_with = "files")]
    listen: Option<String>,
    /// Serve without a file: the servers.
    #[arg(long, value_name = "ADDR,ADDR", requires = "listen")]
    to: Option<String>,
    /// Serve without a file: ask the servers for this path to see whether they are up.
    #[arg(long, value_name = "/PATH", requires = "listen")]
    check: Option<String>,
    /// Print the configuration that says the same, and leave.
    #[arg(long)]
    print_config: bool,
}

/// Exit status of a command line that is not understood (sysexits.h).
const USAGE: u8 = 64;

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = !error.use_stderr();
            // Without standard error there is nobody to tell.
            let _unread = error.print();
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    let done = match cli.command {
        Command::Run(run) => serve(&run),
        Command::Check(files) => check(&files),
        Command::PrintDefaults => print(&config::print_defaults()),
        Command::Demo(options) => demo::run(&options),
        Command::DemoOrigin(options) => demo::origin::run(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("proxyd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(run: &Run) -> anyhow::Result<bool> {
    let loaded = match (&run.listen, &run.to) {
        (Some(listen), Some(to)) => {
            config::from_flags(listen, to, run.check.as_deref()).map(|config| (config, Report::default()))
        }
        _ => read(&run.files),
    };
    let (config, warnings) = match loaded {
        Ok(loaded) => loaded,
        Err(report) => return Ok(refuse(&report)),
    };
    if run.print_config {
        return print(&config::to_ron(&config));
    }
    warn(&warnings);
    let source = match &run.listen {
        Some(_) => "command line".to_owned(),
        None => run.files.files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(" "),
    };
    let launch = boot::Launch { config, warnings: warnings.diagnostics().len() as u32, source };
    boot::run(launch, |_| Ok(()))
}

fn check(files: &Files) -> anyhow::Result<bool> {
    match read(files) {
        Ok((config, warnings)) => {
            warn(&warnings);
            print(&format!("{}Configuration file is valid\n", tables(&config)))
        }
        Err(report) => Ok(refuse(&report)),
    }
}

/// What each stick table takes when it is full.
fn tables(config: &Config) -> String {
    let lines = config.tables.iter().map(|table| {
        let (entry, most) = (Table::entry_bytes(table), Table::most_bytes(table) as f64);
        let (most, unit) = if most < 1e6 { (most / 1e3, "kB") } else { (most / 1e6, "MB") };
        format!(
            "Table {}: {} entries of {entry} bytes, {most:.1} {unit} at most\n",
            table.name, table.entries
        )
    });
    lines.collect()
}

fn read(files: &Files) -> Result<(Config, Report), Report> {
    config::load(&FileSystem, &files.files).map(|loaded| (loaded.config, loaded.warnings))
}

fn refuse(report: &Report) -> bool {
    eprint!("{}", report.render(Paint::of_stderr()));
    false
}

fn warn(report: &Report) {
    if !report.is_empty() {
        eprint!("{}", report.render(Paint::of_stderr()));
    }
}
