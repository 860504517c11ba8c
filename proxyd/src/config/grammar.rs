//! Says in words of an operator what is wrong with a text that ron refused.
//!
//! It looks for the first thing that a person gets wrong in RON, and says what ron says where it finds none.
//! It is no second reader: nothing is taken from the text here.

pub(super) mod blank;
mod token;

use super::report::{Diagnostic, FileId, Span};
use super::words;
use token::{Token, TokenKind};

/// How far behind the place where ron gave up the cause may still begin, e.g. with a closing quote.
const SLACK: usize = 2;

/// The diagnostic for a text that ron refused at byte `at`.
pub(crate) fn explain(
    file: FileId,
    text: &str,
    start: usize,
    at: usize,
    code: &ron::error::Error,
) -> Diagnostic {
    let tokens = token::scan(text, start);
    let found = Walk { file, text, tokens: &tokens, open: Vec::new() }.find();
    match found {
        Some(found) if found.labels.first().is_some_and(|label| label.span.start <= at + SLACK) => found,
        _ => {
            let end = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
            if matches!(code, ron::Error::ExceededRecursionLimit) {
                return Diagnostic::error("syntax", "brackets are nested too deeply")
                    .at(Span { file, start: at, end }, "no setting is as deep as this");
            }
            if matches!(code, ron::Error::ExpectedComma) && text[at..].starts_with(':') {
                return Diagnostic::error("syntax", "what stands in front of this has no name")
                    .at(Span { file, start: at, end }, "this one has one")
                    .help("in one ( ) all have names, as in `hash(key: \"src\", kind: consistent)`");
            }
            let mut said = code.to_string();
            if let Some(first) = said.get_mut(..1) {
                first.make_ascii_lowercase();
            }
            Diagnostic::error("syntax", said)
                .at(Span { file, start: at, end }, "the file cannot be read from here on")
        }
    }
}

/// An open bracket.
struct Frame {
    bracket: char,
    at: Span,
    /// Whether the `:` of the current entry has been read.
    colon: bool,
}

struct Walk<'a> {
    file: FileId,
    text: &'a str,
    tokens: &'a [Token],
    open: Vec<Frame>,
}

impl Walk<'_> {
    fn find(mut self) -> Option<Diagnostic> {
        let mut before: Option<&Token> = None;
        for (index, token) in self.tokens.iter().enumerate() {
            let next = self.tokens.get(index + 1);
            if let Some(found) = self.step(before, token, next) {
                return Some(found);
            }
            before = Some(token);
        }
        let frame = self.open.pop()?;
        Some(
            Diagnostic::error(
                "syntax",
                format!("a `{}` is missing at the end of the file", closing(frame.bracket)),
            )
            .at(self.span(self.text.len(), self.text.len()), "the file ends here")
            .at(frame.at, format!("this `{}` is never closed", frame.bracket)),
        )
    }

    fn step(&mut self, before: Option<&Token>, token: &Token, next: Option<&Token>) -> Option<Diagnostic> {
        let broken = match token.kind {
            TokenKind::Hash => Some(
                self.error(token, "a comment starts with `//`, not with `#`", "").help("write `// ..` or `/* .. */`"),
            ),
            TokenKind::Dashed => Some(self.dashed(token)),
            TokenKind::Bare => Some(self.bare(token)),
            TokenKind::BadEscape => Some(
                self.error(token, "a backslash in a string starts an escape", "this one does not exist")
                    .help("write the string as it is with an r in front, such as r\"\\.\", or double the backslash"),
            ),
            TokenKind::OpenText => Some(self.error(token, "a string is not closed", "it starts here")),
            TokenKind::OpenComment => Some(self.error(token, "a comment is not closed", "it starts here")),
            TokenKind::SingleQuoted => {
                Some(self.error(token, "strings stand in double quotes", "this is in single quotes"))
            }
            TokenKind::Other => Some(self.other(token)),
            _ => None,
        };
        broken.or_else(|| self.structure(before, token, next))
    }

    fn structure(
        &mut self,
        before: Option<&Token>,
        token: &Token,
        next: Option<&Token>,
    ) -> Option<Diagnostic> {
        match token.kind {
            TokenKind::Open(bracket) => {
                if let Some(found) = self.adjacent(before, token) {
                    return Some(found);
                }
                self.open.push(Frame { bracket, at: self.span(token.start, token.end), colon: false });
                None
            }
            TokenKind::Close(bracket) => {
                if before.is_some_and(|before| before.kind == TokenKind::Colon) {
                    return Some(self.error(token, "a value is missing after `:`", "expected before this"));
                }
                self.close(token, bracket)
            }
            TokenKind::Colon => self.colon(before, token, next),
            TokenKind::Comma => {
                let stray = before.is_none_or(|before| {
                    matches!(before.kind, TokenKind::Comma | TokenKind::Colon | TokenKind::Open(_))
                });
                let Some(frame) = self.open.last_mut() else {
                    return before.map(|before| self.outside(before, token));
                };
                frame.colon = false;
                stray.then(|| self.error(token, "a value is missing before `,`", "expected before this"))
            }
            _ => self.adjacent(before, token),
        }
    }

    /// A value right after a value.
    fn adjacent(&self, before: Option<&Token>, token: &Token) -> Option<Diagnostic> {
        let before = before.filter(|before| before.ends_value())?;
        let Some(frame) = self.open.last() else {
            if before.kind == TokenKind::Word && token.kind == TokenKind::Open('(') {
                return None;
            }
            return Some(self.outside(before, token));
        };
        let named = before.kind == TokenKind::Word;
        if named && token.kind == TokenKind::Open('(') {
            return None;
        }
        if named && frame.bracket == '(' && !frame.colon {
            let spelled = format!("{} {}", self.of(before), self.of(token));
            let both = self.span(before.start, token.end);
            if let Some(help) = words::haproxy(&spelled) {
                return Some(
                    Diagnostic::error("haproxy-spelling", format!("`{spelled}` is HAProxy's spelling"))
                        .at(both, "")
                        .help(help),
                );
            }
            return Some(
                Diagnostic::error("syntax", format!("a `:` is missing after `{}`", self.of(before)))
                    .at(self.span(before.end, before.end), "expected here"),
            );
        }
        let missing = Diagnostic::error("syntax", "a comma is missing")
            .at(self.span(before.end, before.end), "expected here");
        let far = self.text[before.end..token.start].contains('\n');
        Some(if far { missing.at(self.span(token.start, token.end), "before this") } else { missing })
    }

    /// Anything after the one value of the file.
    fn outside(&self, before: &Token, token: &Token) -> Diagnostic {
        if before.kind == TokenKind::Word {
            return self.error(before, "this is not RON", "expected `(` before this").help(
                "HAProxy's own format cannot be read; `proxyd print-defaults` shows what a file looks like",
            );
        }
        self.error(token, "the file goes on after its closing bracket", "everything stands in one `( )`")
    }

    fn close(&mut self, token: &Token, bracket: char) -> Option<Diagnostic> {
        let Some(frame) = self.open.pop() else {
            return Some(self.error(token, format!("this `{bracket}` closes nothing"), "one too many"));
        };
        let expected = closing(frame.bracket);
        (expected != bracket).then(|| {
            self.error(
                token,
                format!("`{}` is closed by `{bracket}`", frame.bracket),
                format!("expected `{expected}`"),
            )
            .at(frame.at, "opened here")
        })
    }

    fn colon(&mut self, before: Option<&Token>, token: &Token, next: Option<&Token>) -> Option<Diagnostic> {
        let bare = |from: usize| {
            let text = self.extent(from);
            Self::unquoted(text, self.span(from, from + text.len()))
        };
        let Some(frame) = self.open.last() else {
            let first = before.unwrap_or(token);
            return Some(
                self.error(first, "the file is not in parentheses", "expected `(` before this")
                    .help("everything stands in one pair: `( global: (..), frontends: [..] )`"),
            );
        };
        let touches = next.is_some_and(|next| next.start == token.end);
        match before.map(|before| (before, before.kind)) {
            Some((before, TokenKind::Word)) if frame.bracket == '[' && !touches => {
                return Some(self.named_in_list(before, frame));
            }
            Some((before, TokenKind::Word)) if frame.colon || frame.bracket == '[' => {
                return Some(bare(before.start));
            }
            Some((before, TokenKind::Text)) if frame.bracket == '(' && !frame.colon => {
                let name = self.of(before).trim_matches('"').to_owned();
                return Some(
                    self.error(before, "names of settings stand without quotes", "")
                        .help(format!("write `{name}: ..`")),
                );
            }
            Some((_, TokenKind::Word)) => {}
            Some((before, TokenKind::Number)) if frame.bracket != '{' => return Some(bare(before.start)),
            Some((before, TokenKind::Open('['))) if before.end == token.start && touches => {
                let ipv6 = self.text[token.start..].starts_with("::");
                return Some(bare(if ipv6 { before.start } else { token.start }));
            }
            _ if frame.bracket != '{' => return Some(bare(token.start)),
            _ => {}
        }
        if let Some(frame) = self.open.last_mut() {
            frame.colon = true;
        }
        None
    }

    /// `name:` between [ ].
    fn named_in_list(&self, name: &Token, list: &Frame) -> Diagnostic {
        if self.text[list.at.end..name.start].trim().is_empty() {
            return Diagnostic::error("syntax", "settings with names stand in ( ), not in [ ]")
                .at(list.at, "expected `(`");
        }
        self.error(name, format!("a `]` is missing before `{}`", self.of(name)), "a list has no names")
            .at(list.at, "this list is still open")
    }

    /// What would be one string if it had quotes.
    fn extent(&self, from: usize) -> &str {
        let rest = &self.text[from..];
        let end = rest.find(|c: char| c.is_whitespace() || ",)}\"".contains(c)).unwrap_or(rest.len());
        let mut text = &rest[..end];
        while text.matches(']').count() > text.matches('[').count() && text.ends_with(']') {
            text = &text[..text.len() - 1];
        }
        text
    }

    fn dashed(&self, token: &Token) -> Diagnostic {
        let word = self.of(token);
        if let Some(help) = words::haproxy(word) {
            return self.spelling(token, &help);
        }
        let better = word.replace('-', "_");
        self.error(token, format!("`{word}` has a dash"), "")
            .help(format!("words have underscores here: `{better}`"))
    }

    fn spelling(&self, token: &Token, help: &str) -> Diagnostic {
        let message = format!("`{}` is HAProxy's spelling", self.of(token));
        Diagnostic::error("haproxy-spelling", message).at(self.span(token.start, token.end), "").help(help)
    }

    fn bare(&self, token: &Token) -> Diagnostic {
        Self::unquoted(self.of(token), self.span(token.start, token.end))
    }

    fn unquoted(text: &str, span: Span) -> Diagnostic {
        let what = if text.ends_with('%') {
            "a share"
        } else if text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains(['.', ':', '/']) {
            "a value with a unit"
        } else if text.contains(':') {
            "an address"
        } else {
            "a text"
        };
        let unquoted = Diagnostic::error("missing-quotes", format!("{what} stands in quotes"))
            .at(span, format!("write \"{text}\""));
        if text.trim_end_matches(['k', 'K', 'M', 'G']).bytes().all(|byte| byte.is_ascii_digit()) {
            return Diagnostic::error("syntax", "a number is written out")
                .at(span, "expected digits only, such as 50_000");
        }
        unquoted
    }

    fn other(&self, token: &Token) -> Diagnostic {
        match self.of(token) {
            "=" => self.error(token, "a value follows its name after `:`, not after `=`", "write `:`"),
            ";" => self.error(token, "entries end with a comma", "write `,`"),
            other => self.error(token, format!("`{other}` means nothing here"), ""),
        }
    }

    fn error(&self, token: &Token, message: impl Into<String>, label: impl Into<String>) -> Diagnostic {
        Diagnostic::error("syntax", message).at(self.span(token.start, token.end), label)
    }

    fn of(&self, token: &Token) -> &str {
        self.text.get(token.start..token.end).unwrap_or("")
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start, end }
    }
}

fn closing(bracket: char) -> char {
    match bracket {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}
