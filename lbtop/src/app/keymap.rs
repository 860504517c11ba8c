//! The one table of commands: keys, words, groups. Lookup, help and footer all come from it.

use super::key::Key;

/// What a key asks for in the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    RowDown,
    RowUp,
    HalfDown,
    HalfUp,
    PageDown,
    PageUp,
    Top,
    Bottom,
    NextProblem,
    Filter,
    ClearFilter,
    Sort,
    Drain,
    Ready,
    Maint,
    Weight,
    Undo,
    Lock,
    Retry,
    Help,
    Suspend,
    Quit,
}

impl Verb {
    /// Whether it leads to a command for the balancer.
    pub const fn acts(self) -> bool {
        matches!(self, Self::Drain | Self::Ready | Self::Maint | Self::Weight | Self::Undo)
    }
}

/// Columns of the help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    Move,
    Act,
    See,
    Leave,
}

impl Group {
    pub const ALL: [Self; 4] = [Self::Act, Self::Move, Self::See, Self::Leave];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Move => "MOVE",
            Self::Act => "ACT (asks first)",
            Self::See => "SEE",
            Self::Leave => "SAFETY, LEAVE",
        }
    }
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    pub verb: Verb,
    pub keys: &'static [Key],
    pub group: Group,
    /// For the help.
    pub doc: &'static str,
    /// For the footer; empty where it is not shown there.
    pub short: &'static str,
}

const fn bind(
    verb: Verb,
    keys: &'static [Key],
    group: Group,
    short: &'static str,
    doc: &'static str,
) -> Binding {
    Binding { verb, keys, group, doc, short }
}

/// All commands, in the order of the footer.
pub const BINDINGS: &[Binding] = &[
    bind(Verb::Drain, &[Key::Char('d')], Group::Act, "drain", "drain: no new load"),
    bind(Verb::Ready, &[Key::Char('r')], Group::Act, "ready", "ready: back to work"),
    bind(Verb::Maint, &[Key::Char('m')], Group::Act, "maint", "maintenance: out, unchecked"),
    bind(Verb::Weight, &[Key::Char('w')], Group::Act, "weight", "weight: 120  50%  +10  0"),
    bind(Verb::Undo, &[Key::Char('z')], Group::Act, "undo", "undo the last action"),
    bind(Verb::Filter, &[Key::Char('/')], Group::See, "filter", "filter (see below)"),
    bind(Verb::NextProblem, &[Key::Char('e')], Group::Move, "problem", "next problem"),
    bind(Verb::Help, &[Key::Char('?')], Group::See, "help", "this help"),
    bind(Verb::Quit, &[Key::Char('q'), Key::Ctrl('c')], Group::Leave, "quit", "quit"),
    bind(Verb::RowDown, &[Key::Char('j'), Key::Down], Group::Move, "", "row down"),
    bind(Verb::RowUp, &[Key::Char('k'), Key::Up], Group::Move, "", "row up"),
    bind(Verb::HalfDown, &[Key::Ctrl('d')], Group::Move, "", "half a page down"),
    bind(Verb::HalfUp, &[Key::Ctrl('u')], Group::Move, "", "half a page up"),
    bind(Verb::PageDown, &[Key::PageDown, Key::Ctrl('f')], Group::Move, "", "page down"),
    bind(Verb::PageUp, &[Key::PageUp, Key::Ctrl('b')], Group::Move, "", "page up"),
    bind(Verb::Top, &[Key::Char('g'), Key::Home], Group::Move, "", "first row"),
    bind(Verb::Bottom, &[Key::Char('G'), Key::End], Group::Move, "", "last row"),
    bind(Verb::ClearFilter, &[Key::Esc], Group::See, "", "clear filter and messages"),
    bind(Verb::Sort, &[Key::Char('s')], Group::See, "", "next way to sort"),
    bind(Verb::Lock, &[Key::Char('L')], Group::Leave, "", "lock, or unlock (asks)"),
    bind(Verb::Retry, &[Key::Char('R')], Group::Leave, "", "connect again now"),
    bind(Verb::Suspend, &[Key::Ctrl('z')], Group::Leave, "", "suspend"),
];

/// What the key asks for.
pub fn lookup(key: Key) -> Option<Verb> {
    BINDINGS.iter().find(|binding| binding.keys.contains(&key)).map(|binding| binding.verb)
}

/// The keys of a binding, for people: `j Down`.
pub fn keys(binding: &Binding) -> String {
    binding.keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things() {
        let all: Vec<Key> = BINDINGS.iter().flat_map(|binding| binding.keys).copied().collect();
        for (at, key) in all.iter().enumerate() {
            assert!(!all[..at].contains(key), "{key}");
        }
    }

    /// A sequence cut in two delivers its last byte as a letter; a console must not act on that.
    #[test]
    fn what_acts_is_a_plain_key_that_ends_no_sequence() {
        for binding in BINDINGS.iter().filter(|binding| binding.verb.acts()) {
            for key in binding.keys {
                match key {
                    Key::Char(c) => assert!(!"ABCDFHMPQRSZ~yn".contains(*c), "{key}"),
                    other => panic!("{other} acts"),
                }
            }
        }
    }
}
