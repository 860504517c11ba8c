//! The state of the program.

use super::action::{Action, Outcome, Phase};
use super::filter::Filter;
use super::screen::{Division, can_ask};
use super::sort::Sort;
use crate::command::gate::Lock;
use crate::command::observed::Observed;
use crate::command::question::Question;
use crate::model::clock::{Mono, Now};
use crate::model::instance::{Freshness, Instance};
use crate::model::server::{Server, ServerId};

/// How many actions are remembered.
const JOURNAL: usize = 100;

/// What keys mean now.
#[derive(Clone, Debug)]
pub enum Mode {
    Table,
    /// Typing a filter; the old one comes back on Esc, and the selection whenever its row does.
    Filter {
        before: Filter,
        selected: Option<ServerId>,
        input: String,
    },
    /// Typing a weight.
    Weight {
        id: ServerId,
        input: String,
        observed: Option<Observed>,
        error: Option<String>,
    },
    Ask(Box<Question>),
    /// Asking whether to unlock, on the screen since.
    Unlock(Option<Mono>),
    Help {
        scroll: u16,
    },
}

/// A line for the operator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    pub text: String,
    pub at: Mono,
}

/// Everything.
#[derive(Debug)]
pub struct App {
    pub now: Now,
    pub width: u16,
    pub height: u16,
    pub instance: Instance,
    pub lock: Lock,
    pub mode: Mode,
    pub filter: Filter,
    pub sort: Sort,
    /// Servers shown, as indexes, in order.
    pub order: Vec<usize>,
    pub selected: Option<ServerId>,
    /// First row of the window.
    pub top: usize,
    pub actions: Vec<Action>,
    pub note: Option<Note>,
    /// Whether the screen no longer shows this state.
    pub dirty: bool,
    pub(super) next_action: u64,
    pub(super) leaving: bool,
}

impl App {
    pub fn new(socket: impl Into<String>, read_only: bool, width: u16, height: u16) -> Self {
        Self {
            now: Now::default(),
            width,
            height,
            instance: Instance::new(socket),
            lock: Lock::new(read_only),
            mode: Mode::Table,
            filter: Filter::default(),
            sort: Sort::default(),
            order: Vec::new(),
            selected: None,
            top: 0,
            actions: Vec::new(),
            note: None,
            dirty: true,
            next_action: 1,
            leaving: false,
        }
    }

    pub fn division(&self) -> Division {
        Division::of(self.width, self.height)
    }

    /// Whether there is room for a question.
    pub fn can_ask(&self) -> bool {
        can_ask(self.width, self.height)
    }

    pub fn freshness(&self) -> Freshness {
        self.instance.freshness(self.now)
    }

    /// The shown server at `row` of the order.
    pub fn at(&self, row: usize) -> Option<&Server> {
        self.order.get(row).and_then(|&at| self.instance.servers.get(at))
    }

    /// Where the selection stands in the order.
    pub fn cursor(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.order.iter().position(|&at| self.instance.servers.get(at).is_some_and(|s| s.id == *selected))
    }

    /// The latest action on a server that its row still tells.
    pub fn action_on(&self, id: &ServerId) -> Option<&Action> {
        let last = self.actions.iter().rev().find(|action| action.target() == id)?;
        let is_of_now = self.instance.boot.as_deref() == Some(&*last.boot);
        (is_of_now && last.is_shown(self.now.mono)).then_some(last)
    }

    /// What `z` would undo.
    pub fn undoable(&self) -> Option<&Action> {
        self.actions.iter().rev().find(|action| {
            let done = matches!(
                action.phase,
                Phase::Settled { outcome: Outcome::Done { .. } | Outcome::NotSeen { .. }, .. }
            );
            done && !action.undone && action.undoes.is_none()
        })
    }

    /// Whether a command is on its way.
    pub fn is_waiting(&self) -> bool {
        self.actions.iter().any(|action| action.phase == Phase::Pending)
    }

    /// Says something in the status line.
    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.note = Some(Note { text: text.into(), at: self.now.mono });
        self.dirty = true;
    }

    /// The operator has read what was said.
    pub(super) fn acknowledge(&mut self) {
        self.note = None;
        for action in &mut self.actions {
            action.is_read |= action.phase != Phase::Pending;
        }
    }

    pub(super) fn remember(&mut self, action: Action) {
        self.actions.push(action);
        if self.actions.len() > JOURNAL {
            self.actions.remove(0);
        }
    }

    /// Works out the shown rows anew and keeps the selection on its server.
    pub(super) fn reorder(&mut self) {
        let was = self.cursor().unwrap_or(0);
        let servers = &self.instance.servers;
        self.order.clear();
        self.order.extend((0..servers.len()).filter(|&at| self.filter.shows(&servers[at])));
        self.sort.apply(&mut self.order, servers);
        if self.cursor().is_none() {
            self.select_row(was.min(self.order.len().saturating_sub(1)));
        }
        self.scroll();
    }

    /// Selects the server at a row.
    pub(super) fn select_row(&mut self, row: usize) {
        self.selected = self.at(row).map(|server| server.id.clone());
        self.scroll();
        self.dirty = true;
    }

    /// Moves the window so that the selection is in it, and no row is wasted.
    pub(super) fn scroll(&mut self) {
        let rows = usize::from(self.division().rows).max(1);
        let cursor = self.cursor().unwrap_or(0);
        if cursor < self.top {
            self.top = cursor;
        } else if cursor >= self.top + rows {
            self.top = cursor + 1 - rows;
        }
        self.top = self.top.min(self.order.len().saturating_sub(rows));
    }
}
