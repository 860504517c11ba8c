//! Drawing: a frame is one write, and none is made while the terminal still chews on the last.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use ratatui::Frame;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::guard;

/// Collects the bytes of a frame.
#[derive(Clone, Debug, Default)]
struct Frames(Rc<RefCell<Vec<u8>>>);

impl Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// The frame is not done until all of it is there.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The screen.
#[derive(Debug)]
pub struct Screen {
    frames: Frames,
    terminal: Terminal<CrosstermBackend<Frames>>,
}

impl Screen {
    pub fn new() -> io::Result<Self> {
        let frames = Frames::default();
        let terminal = Terminal::new(CrosstermBackend::new(frames.clone()))?;
        Ok(Self { frames, terminal })
    }

    /// Columns and lines.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Whether the terminal takes bytes now. A slow line skips frames, it does not queue them.
    pub fn is_ready(&self) -> bool {
        let stdout = io::stdout();
        let mut fds = [PollFd::new(&stdout, PollFlags::OUT)];
        match poll(&mut fds, Some(&Timespec::default())) {
            Ok(ready) => ready > 0,
            // A terminal that cannot be asked is written to; what fails there is told by the write.
            Err(_errno) => true,
        }
    }

    /// Draws what changed.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(render)?;
        self.send()
    }

    /// Forgets what is on the screen, so that the next frame is a whole one.
    pub fn repaint(&mut self) -> io::Result<()> {
        let (width, height) = self.size()?;
        // Not `clear`, which would ask the terminal where its cursor is and wait for the answer.
        self.terminal.resize(ratatui::layout::Rect::new(0, 0, width, height))?;
        self.send()
    }

    fn send(&self) -> io::Result<()> {
        let frame = std::mem::take(&mut *self.frames.0.borrow_mut());
        // After a panic on another thread the terminal is the shell's again.
        if !guard::is_taken() {
            return Ok(());
        }
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            match rustix::io::write(io::stdout(), rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}
