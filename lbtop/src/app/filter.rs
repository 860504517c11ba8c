//! The filter of the table: words that must all hold.
//!
//! A bare word is looked for in `backend/server` and the address; `state:down,drain`, `be:web`, `addr:10.0.7.` look
//! at one field, a comma is "or", `!` in front is "not".

use crate::model::server::Server;

/// What a word looks at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Field {
    Any,
    State,
    Backend,
    Address,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Term {
    negated: bool,
    field: Field,
    alternatives: Vec<String>,
}

/// A filter; the empty one shows everything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    text: String,
    terms: Vec<Term>,
}

impl Filter {
    /// Reads a filter. Any text is one; a field still without a value holds everywhere, so that typing does not empty
    /// the table.
    pub fn parse(text: &str) -> Self {
        let terms = text.split_whitespace().filter_map(term).collect();
        Self { text: text.trim().to_owned(), terms }
    }

    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub fn shows(&self, server: &Server) -> bool {
        self.terms.iter().all(|term| term.holds(server))
    }
}

fn term(word: &str) -> Option<Term> {
    let (negated, word) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
    let (field, values) = match word.split_once(':') {
        Some(("state", values)) => (Field::State, values),
        Some(("be", values)) => (Field::Backend, values),
        Some(("addr", values)) => (Field::Address, values),
        _ => (Field::Any, word),
    };
    let alternatives: Vec<String> =
        values.split(',').filter(|value| !value.is_empty()).map(str::to_lowercase).collect();
    (!alternatives.is_empty()).then_some(Term { negated, field, alternatives })
}

impl Term {
    fn holds(&self, server: &Server) -> bool {
        let has = |text: &str| {
            let text = text.to_lowercase();
            self.alternatives.iter().any(|value| text.contains(value))
        };
        let found = match self.field {
            Field::Any => has(&server.id.to_string()) || has(&server.row.addr),
            Field::Backend => has(&server.id.backend),
            Field::Address => has(&server.row.addr),
            Field::State => {
                let word = server.word().to_lowercase();
                self.alternatives.iter().any(|value| word.starts_with(value))
            }
        };
        found != self.negated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::{Kind, Row};

    fn server(backend: &str, name: &str, status: &str, addr: &str) -> Server {
        let mut row = Row::new(Kind::Server, backend, name);
        row.status = status.into();
        row.addr = addr.into();
        Server::new(row)
    }

    #[test]
    fn words() {
        let servers = [
            server("web", "s1", "UP", "10.0.7.1:80"),
            server("web", "s2", "DOWN 1/2", "10.0.7.2:80"),
            server("Pay", "p1", "DRAIN", "10.0.8.1:80"),
            server("pay", "p2", "no check", ""),
        ];
        for (text, shown) in [
            ("", "1111"),
            ("web", "1100"),
            ("WEB/S2", "0100"),
            ("s1", "1000"),
            ("state:down,drain", "0110"),
            ("state:nochk", "0001"),
            ("be:pay", "0011"),
            ("addr:10.0.7.", "1100"),
            ("10.0.8", "0010"),
            ("!state:up", "0111"),
            ("be:web !s1", "0100"),
            ("state:", "1111"),
            ("!", "1111"),
            ("nothing", "0000"),
        ] {
            let filter = Filter::parse(text);
            let got: String = servers.iter().map(|s| if filter.shows(s) { '1' } else { '0' }).collect();
            assert_eq!(got, shown, "{text:?}");
        }
    }
}
