//! Takes the terminal and gives it back: when dropped, and from the panic hook, whichever thread panics.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{MoveTo, Show};
use crossterm::execute;
use crossterm::style::ResetColor;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

/// Whether the terminal is ours now. Process-wide, because the terminal is.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Holds the terminal until dropped.
#[derive(Debug)]
pub struct Guard(());

impl Guard {
    /// Takes the terminal. Whatever fails half-way is undone.
    pub fn take() -> io::Result<Self> {
        install_hook();
        let guard = Self(());
        Self::enter()?;
        Ok(guard)
    }

    fn enter() -> io::Result<()> {
        TAKEN.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, Clear(ClearType::All), MoveTo(0, 0))
    }

    /// Takes the terminal again after somebody else had it: a stop that could not be foreseen left it as it was.
    pub fn retake(&self) -> io::Result<()> {
        disable_raw_mode()?;
        Self::enter()
    }

    /// Gives the terminal back, stops the process as the shell's job control would, and takes the terminal again when
    /// it is continued.
    pub fn suspend(&self) -> io::Result<()> {
        give_back();
        // The whole job, as the terminal itself does it, so that a wrapping script stops too.
        rustix::process::kill_current_process_group(rustix::process::Signal::STOP)?;
        Self::enter()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Whether there is a terminal on both sides.
pub fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Whether the terminal is still ours; after a panic elsewhere it is not, and nothing may be drawn any more.
pub fn is_taken() -> bool {
    TAKEN.load(Ordering::SeqCst)
}

/// Puts the terminal back as it was, once.
pub fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // There is nobody left to tell if this fails: the terminal is gone.
        let _screen = execute!(io::stdout(), ResetColor, Show, LeaveAlternateScreen);
        let _raw = disable_raw_mode();
        let _flushed = io::stdout().flush();
    }
}

fn install_hook() {
    static INSTALLED: std::sync::Once = std::sync::Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
    });
}
