//! The pieces of a text that may not be RON at all.

use super::blank::after_block_comment;

/// What a piece is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TokenKind {
    Open(char),
    Close(char),
    Colon,
    Comma,
    Text,
    Number,
    Word,
    /// `default-backend`
    Dashed,
    /// `5s`, `127.0.0.1:80`, `/healthz`: what would be a string in quotes.
    Bare,
    Hash,
    /// The escape alone.
    BadEscape,
    OpenText,
    OpenComment,
    SingleQuoted,
    Other,
}

/// A piece and its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    /// Whether a value can end with it, so that no other may follow.
    pub(super) fn ends_value(&self) -> bool {
        matches!(self.kind, TokenKind::Text | TokenKind::Number | TokenKind::Word | TokenKind::Close(_))
    }
}

/// All pieces from byte `start` on, without blanks and comments; ends early at what cannot be passed.
pub(super) fn scan(text: &str, start: usize) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = start;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let blank = rest.len() - rest.trim_start().len();
        if blank > 0 {
            at += blank;
            continue;
        }
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        if let Some(comment) = rest.strip_prefix("/*") {
            let after = after_block_comment(comment);
            if after.is_empty() && !comment.ends_with("*/") {
                tokens.push(Token { kind: TokenKind::OpenComment, start: at, end: at + 2 });
                return tokens;
            }
            at += rest.len() - after.len();
            continue;
        }
        if rest.starts_with("#![") {
            at += rest.find(']').map_or(rest.len(), |end| end + 1);
            continue;
        }
        let (kind, skip, length) = piece(rest);
        tokens.push(Token { kind, start: at + skip, end: at + length });
        if kind == TokenKind::OpenText {
            return tokens;
        }
        at += length;
    }
    tokens
}

/// Kind, start and end of the piece that a text begins with.
fn piece(rest: &str) -> (TokenKind, usize, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    match first {
        '(' | '[' | '{' => (TokenKind::Open(first), 0, 1),
        ')' | ']' | '}' => (TokenKind::Close(first), 0, 1),
        ':' => (TokenKind::Colon, 0, 1),
        ',' => (TokenKind::Comma, 0, 1),
        '#' => (TokenKind::Hash, 0, line(rest)),
        '"' => string(rest),
        '\'' => (TokenKind::SingleQuoted, 0, single_quoted(rest)),
        'r' | 'b' if is_prefixed_text(rest) => raw(rest),
        _ if first.is_alphanumeric() || "_+-./*@%".contains(first) => run(rest),
        _ => (TokenKind::Other, 0, first.len_utf8()),
    }
}

fn line(rest: &str) -> usize {
    rest.find(['\n', '\r']).unwrap_or(rest.len())
}

fn single_quoted(rest: &str) -> usize {
    let line = line(rest);
    rest[1..line].find('\'').map_or(line, |at| at + 2)
}

fn string(rest: &str) -> (TokenKind, usize, usize) {
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '"' if swallows(rest, at) => return (TokenKind::OpenText, 0, line(rest)),
            '"' => return (TokenKind::Text, 0, at + 1),
            '\\' => match characters.next() {
                Some((_, 'n' | 'r' | 't' | '0' | '\\' | '"' | '\'' | 'x' | 'u' | '\n' | '\r')) => {}
                Some((next, bad)) => return (TokenKind::BadEscape, at, next + bad.len_utf8()),
                None => break,
            },
            _ => {}
        }
    }
    (TokenKind::OpenText, 0, line(rest))
}

/// Whether what closes a string, lines below, is rather the start of another.
fn swallows(rest: &str, close: usize) -> bool {
    rest[..close].contains('\n')
        && rest[close + 1..].starts_with(|c: char| !c.is_whitespace() && !",:)]}".contains(c))
}

fn is_prefixed_text(rest: &str) -> bool {
    let rest = rest.strip_prefix('b').unwrap_or(rest);
    let rest = rest.strip_prefix('r').unwrap_or(rest);
    rest.trim_start_matches('#').starts_with('"')
}

fn raw(rest: &str) -> (TokenKind, usize, usize) {
    let quote = rest.find('"').unwrap_or(0);
    let hashes = rest[..quote].matches('#').count();
    if !rest[..quote].contains('r') {
        let (kind, start, end) = string(&rest[quote..]);
        return (kind, start, end + quote);
    }
    let end = format!("\"{}", "#".repeat(hashes));
    match rest[quote + 1..].find(&end) {
        Some(at) => (TokenKind::Text, 0, quote + 1 + at + end.len()),
        None => (TokenKind::OpenText, 0, line(rest)),
    }
}

/// A word, a number, or what is neither.
fn run(rest: &str) -> (TokenKind, usize, usize) {
    let starts_word = rest.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let mut end = 0;
    for (at, c) in rest.char_indices() {
        let colon = c == ':' && !starts_word && at > 0;
        let comment = rest[at..].starts_with("//") || rest[at..].starts_with("/*");
        if comment || !(c.is_alphanumeric() || "_+-./*@%?#".contains(c) || colon) {
            break;
        }
        end = at + c.len_utf8();
    }
    let text = &rest[..end.max(1).min(rest.len())];
    let plain = |c: char| c.is_alphanumeric() || c == '_';
    let kind = if starts_word && text.chars().all(plain)
        || text.strip_prefix("r#").is_some_and(|t| t.chars().all(plain))
    {
        TokenKind::Word
    } else if starts_word && text.chars().all(|c| plain(c) || c == '-') {
        TokenKind::Dashed
    } else if is_number(text) {
        TokenKind::Number
    } else {
        TokenKind::Bare
    };
    (kind, 0, text.len())
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    let digits = ["0x", "0b", "0o"].iter().find_map(|base| digits.strip_prefix(base)).unwrap_or(digits);
    ron::from_str::<f64>(&digits.replace('_', "")).is_ok()
        || (!digits.is_empty()
            && text.contains("0x")
            && digits.chars().all(|c| c.is_ascii_hexdigit() || c == '_'))
}
