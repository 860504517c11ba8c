//! Keys from the terminal, read on a thread of their own.
//!
//! A sequence that arrives in two pieces looks like the Esc key and some letters. Where letters act on production
//! that must not happen: after a lone Esc the reader waits a moment, and swallows the rest of a sequence if it follows.

use std::io;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::app::key::Key;
use crate::app::msg::Msg;
use crate::transport::mailbox::Mailbox;

/// How long the rest of a sequence may take: pieces come later over SSH.
pub fn escape_delay(is_remote: bool) -> Duration {
    Duration::from_millis(if is_remote { 100 } else { 25 })
}

/// Reads until the terminal ends.
pub fn read(mailbox: &Mailbox, delay: Duration) {
    let mut gate = Gate::default();
    loop {
        match next(&mut gate, delay) {
            Ok(Input::Keys(keys)) => {
                for key in keys {
                    mailbox.send(Msg::Key(key));
                }
            }
            Ok(Input::Resize(width, height)) => mailbox.send(Msg::Resize { width, height }),
            // A process that was stopped and goes on is interrupted in what it waited for.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_gone) => {
                mailbox.send(Msg::InputClosed);
                return;
            }
        }
    }
}

enum Input {
    Keys(Vec<Key>),
    Resize(u16, u16),
}

fn next(gate: &mut Gate, delay: Duration) -> io::Result<Input> {
    if gate.is_waiting() && !event::poll(delay)? {
        return Ok(Input::Keys(gate.flush()));
    }
    let event = event::read()?;
    Ok(match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => {
            Input::Keys(gate.feed(translate(key), Instant::now(), delay))
        }
        Event::Resize(width, height) => Input::Resize(width, height),
        _ => Input::Keys(Vec::new()),
    })
}

/// Holds back an Esc until it is clear that it is one.
#[derive(Debug, Default)]
struct Gate {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Open,
    /// An Esc came at this moment.
    Escape(Instant),
    /// In the rest of a sequence; what comes is swallowed up to its last byte.
    Sequence(Instant),
}

impl Gate {
    const fn is_waiting(&self) -> bool {
        !matches!(self.state, State::Open)
    }

    /// Time is up: an Esc was one, and a sequence that does not go on has ended.
    fn flush(&mut self) -> Vec<Key> {
        match std::mem::take(&mut self.state) {
            State::Escape(_) => vec![Key::Esc],
            State::Open | State::Sequence(_) => Vec::new(),
        }
    }

    fn feed(&mut self, key: Key, at: Instant, delay: Duration) -> Vec<Key> {
        let mut keys = Vec::new();
        if let State::Escape(since) | State::Sequence(since) = self.state
            && at.duration_since(since) > delay
        {
            keys = self.flush();
        }
        match (&self.state, key) {
            // A sequence begins; or goes on with parameters, since its final byte is any other.
            (State::Escape(_), Key::Char('[' | 'O'))
            | (State::Sequence(_), Key::Char('0'..='?' | ' '..='/')) => self.state = State::Sequence(at),
            (State::Sequence(_), _) => self.state = State::Open,
            (State::Escape(_), Key::Esc) => {
                keys.push(Key::Esc);
                self.state = State::Escape(at);
            }
            (State::Escape(_), key) => {
                keys.extend([Key::Esc, key]);
                self.state = State::Open;
            }
            (State::Open, Key::Esc) => self.state = State::Escape(at),
            (State::Open, key) => keys.push(key),
        }
        keys
    }
}

/// With Alt or another modifier a letter is another key, and none of ours.
fn translate(event: KeyEvent) -> Key {
    let modifiers = event.modifiers - KeyModifiers::SHIFT;
    match event.code {
        KeyCode::Char(c) if modifiers.is_empty() => Key::Char(c),
        KeyCode::Char(c) if modifiers == KeyModifiers::CONTROL => Key::Ctrl(c.to_ascii_lowercase()),
        _ if !modifiers.is_empty() => Key::Other,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Tab => Key::Tab,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => Key::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(25);

    /// Feeds keys at milliseconds; what is left waiting at the end is flushed.
    fn fed(keys: &[(u64, Key)]) -> Vec<Key> {
        let start = Instant::now();
        let mut gate = Gate::default();
        let mut out = Vec::new();
        for &(at, key) in keys {
            out.extend(gate.feed(key, start + Duration::from_millis(at), DELAY));
        }
        out.extend(gate.flush());
        out
    }

    #[test]
    fn split_sequences_are_swallowed() {
        for (keys, out) in [
            (&[(0, Key::Esc), (5, Key::Char('[')), (9, Key::Char('A'))][..], &[][..]),
            (
                &[(0, Key::Esc), (5, Key::Char('O')), (9, Key::Char('P')), (9, Key::Char('d'))],
                &[Key::Char('d')],
            ),
            (
                &[
                    (0, Key::Esc),
                    (5, Key::Char('[')),
                    (6, Key::Char('1')),
                    (7, Key::Char('5')),
                    (9, Key::Char('~')),
                ],
                &[],
            ),
            (&[(0, Key::Esc), (100, Key::Char('d'))], &[Key::Esc, Key::Char('d')]),
            (&[(0, Key::Esc), (5, Key::Char('d'))], &[Key::Esc, Key::Char('d')]),
            (&[(0, Key::Esc), (1, Key::Esc)], &[Key::Esc, Key::Esc]),
            (&[(0, Key::Esc)], &[Key::Esc]),
            (&[(0, Key::Esc), (5, Key::Char('[')), (90, Key::Char('j'))], &[Key::Char('j')]),
        ] {
            assert_eq!(fed(keys), out, "{keys:?}");
        }
    }

    #[test]
    fn modifiers_make_another_key() {
        for (code, modifiers, key) in [
            (KeyCode::Char('d'), KeyModifiers::NONE, Key::Char('d')),
            (KeyCode::Char('G'), KeyModifiers::SHIFT, Key::Char('G')),
            (KeyCode::Char('d'), KeyModifiers::CONTROL, Key::Ctrl('d')),
            (KeyCode::Char('d'), KeyModifiers::ALT, Key::Other),
            (KeyCode::Char('d'), KeyModifiers::CONTROL | KeyModifiers::ALT, Key::Other),
            (KeyCode::Enter, KeyModifiers::ALT, Key::Other),
            (KeyCode::F(1), KeyModifiers::NONE, Key::Other),
        ] {
            assert_eq!(translate(KeyEvent::new(code, modifiers)), key);
        }
    }
}
