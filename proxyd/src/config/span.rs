//! Reads RON into a tree whose every value knows its place.
//!
//! A derived type stops at its first mistake and forgets where values stood. Here ron splits each `( )` and
//! `[ ]` into raw values; their addresses inside the text are the spans, and each is read on its own. What a
//! value means is the business of [`shape`](super::shape).

use std::fmt;

use ron::Options;
use ron::error::SpannedError;
use ron::extensions::Extensions;
use ron::value::RawValue;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::grammar;
use super::grammar::blank::after_blank;
use super::report::{Diagnostic, FileId, Report, Span};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// A value of the file.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) span: Span,
    pub(crate) kind: Kind<'a>,
}

/// What a value looks like.
#[derive(Debug)]
pub(crate) enum Kind<'a> {
    /// `(name: value, ..)`; `()` is one without fields.
    Struct(Vec<(Spanned<&'a str>, Node<'a>)>),
    /// `(value, ..)`
    Tuple(Vec<Node<'a>>),
    /// `[value, ..]`
    List(Vec<Node<'a>>),
    /// `{key: value, ..}`
    Map,
    Text(String),
    /// As written.
    Number(&'a str),
    /// A word without settings, `true` and `false` among them.
    Word(&'a str),
    /// `word(..)`; the node is the `( )`.
    Variant(&'a str, Box<Node<'a>>),
    Character,
    Bytes,
}

impl Kind<'_> {
    /// As messages name it.
    pub(crate) fn described(&self) -> &'static str {
        match self {
            Self::Struct(_) => "a section in ( )",
            Self::Tuple(_) => "values in ( )",
            Self::List(_) => "a list",
            Self::Map => "a map in { }",
            Self::Text(_) => "a string",
            Self::Number(_) => "a number",
            Self::Word("true" | "false") => "true or false",
            Self::Word(_) => "a word",
            Self::Variant(..) => "a word with settings",
            Self::Character => "a character",
            Self::Bytes => "bytes",
        }
    }
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The tree of a whole file, or nothing where its syntax is broken and the report says so.
pub(crate) fn read<'a>(file: FileId, text: &'a str, report: &mut Report) -> Option<Node<'a>> {
    let body = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if body.len() < text.len() {
        report.push(
            Diagnostic::error("byte-order-mark", "the file starts with a byte order mark")
                .at(Span { file, start: 0, end: text.len() - body.len() }, "an invisible U+FEFF stands here")
                .help("save the file as \"UTF-8\", not as \"UTF-8 with BOM\""),
        );
    }
    if after_blank(body).is_empty() {
        report.push(
            Diagnostic::error("empty-file", "the file is empty")
                .at(Span { file, start: 0, end: 0 }, "")
                .help("the smallest file is `()`; a useful one has `frontends` and `backends`"),
        );
        return None;
    }
    let tree = Tree { file, base: text };
    let read = options().from_str::<&RawValue>(body).map_err(|error| (error, body));
    match read.and_then(|raw| tree.node(raw)) {
        Ok(node) => Some(node),
        Err((error, part)) => {
            let offset = tree.offset(part);
            let at = offset + byte_of(part, error.span.end.line, error.span.end.col);
            report.push(grammar::explain(file, text, text.len() - body.len(), at, &error.code));
            None
        }
    }
}

/// The same for every part of a file, however deep.
fn options() -> Options {
    Options::default().with_default_extension(Extensions::IMPLICIT_SOME | Extensions::UNWRAP_NEWTYPES)
}

type Failed<'a> = (SpannedError, &'a str);

struct Tree<'a> {
    file: FileId,
    base: &'a str,
}

impl<'a> Tree<'a> {
    fn node(&self, raw: &'a RawValue) -> Result<Node<'a>, Failed<'a>> {
        self.value(raw.trim().get_ron())
    }

    /// `part` is one value without blanks around it.
    fn value(&self, part: &'a str) -> Result<Node<'a>, Failed<'a>> {
        let kind = match part.chars().next() {
            Some('(') if is_tuple(part) => {
                let Items(items) = split::<Tupled<'a>>(part)?.0;
                Kind::Tuple(self.nodes(items)?)
            }
            Some('(') => {
                let Pairs(pairs) = split(part)?;
                let mut fields = Vec::with_capacity(pairs.len());
                for (name, raw) in pairs {
                    fields.push((Spanned { value: name, span: self.span(name) }, self.node(raw)?));
                }
                Kind::Struct(fields)
            }
            Some('[') => {
                let items: Items<'a> = split(part)?;
                Kind::List(self.nodes(items.0)?)
            }
            Some('{') => Kind::Map,
            Some('\'') => Kind::Character,
            Some('"') => Kind::Text(split(part)?),
            Some('r') if is_raw_text(&part[1..]) => Kind::Text(split(part)?),
            Some('b') if part.starts_with("b\"") || part.starts_with("b'") || part.starts_with("br") => {
                Kind::Bytes
            }
            Some(first) if first.is_alphabetic() || first == '_' => self.word(part)?,
            _ => Kind::Number(part),
        };
        Ok(Node { span: self.span(part), kind })
    }

    fn nodes(&self, items: Vec<&'a RawValue>) -> Result<Vec<Node<'a>>, Failed<'a>> {
        items.into_iter().map(|raw| self.node(raw)).collect()
    }

    fn word(&self, part: &'a str) -> Result<Kind<'a>, Failed<'a>> {
        let part = part.strip_prefix("r#").unwrap_or(part);
        let end = part.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(part.len());
        let (word, rest) = part.split_at(end);
        let rest = after_blank(rest);
        if rest.starts_with('(') {
            return Ok(Kind::Variant(word, Box::new(self.value(rest)?)));
        }
        Ok(Kind::Word(word))
    }

    fn offset(&self, part: &str) -> usize {
        part.as_ptr().addr().saturating_sub(self.base.as_ptr().addr()).min(self.base.len())
    }

    fn span(&self, part: &str) -> Span {
        let start = self.offset(part);
        Span { file: self.file, start, end: start + part.len() }
    }
}

fn split<'a, T: Deserialize<'a>>(part: &'a str) -> Result<T, Failed<'a>> {
    options().from_str(part).map_err(|error| (error, part))
}

/// Whether a value in `( )` has no names.
fn is_tuple(part: &str) -> bool {
    let inner = after_blank(&part[1..]);
    let inner = inner.strip_prefix("r#").unwrap_or(inner);
    let end = inner.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inner.len());
    let named = end > 0 && after_blank(&inner[end..]).starts_with(':');
    !named && !inner.starts_with(')')
}

fn is_raw_text(after_r: &str) -> bool {
    after_r.trim_start_matches('#').starts_with('"')
}

/// ron counts lines and columns from 1, columns in characters.
fn byte_of(text: &str, line: usize, column: usize) -> usize {
    let start = match line.checked_sub(2) {
        None => 0,
        Some(nth) => text.match_indices('\n').nth(nth).map_or(text.len(), |(at, _)| at + 1),
    };
    let within = text[start..].char_indices().nth(column.saturating_sub(1)).map(|(at, _)| at);
    within.map_or(text.len(), |at| start + at)
}

struct Pairs<'a>(Vec<(&'a str, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a section in ( )")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_struct("", &[], Fields)
    }
}

struct Items<'a>(Vec<&'a RawValue>);

struct Listed;

impl<'de> Visitor<'de> for Listed {
    type Value = Items<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list in [ ]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Items(items))
    }
}

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Listed)
    }
}

/// The same between ( ).
struct Tupled<'a>(Items<'a>);

impl<'de> Deserialize<'de> for Tupled<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple(0, Listed).map(Tupled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> String {
        fn show(node: &Node<'_>) -> String {
            let inner = |nodes: &[Node<'_>]| nodes.iter().map(show).collect::<Vec<_>>().join(" ");
            let kind = match &node.kind {
                Kind::Struct(fields) => {
                    let shown: Vec<_> =
                        fields.iter().map(|(name, node)| format!("{}={}", name.value, show(node))).collect();
                    format!("({})", shown.join(" "))
                }
                Kind::Tuple(nodes) => format!("t({})", inner(nodes)),
                Kind::List(nodes) => format!("[{}]", inner(nodes)),
                Kind::Text(text) => format!("{text:?}"),
                Kind::Number(text) | Kind::Word(text) => (*text).to_owned(),
                Kind::Variant(word, node) => format!("{word}{}", show(node)),
                other => other.described().to_owned(),
            };
            format!("{kind}@{}", node.span.start)
        }
        let mut report = Report::default();
        let file = report.add_file("test.ron", text);
        read(file, text, &mut report).map_or_else(|| report.to_string(), |node| show(&node))
    }

    #[test]
    fn every_kind_of_value_with_its_place() {
        assert_eq!(
            tree("/* c */ (a: 1_0, // x )\n  r#do: [\"s\", r\"\\.\", w], e: v(f: t(1), u: x()),)"),
            r#"(a=1_0@12 do=["s"@33 "\\."@38 w@45]@32 e=v(f=tt(1@59)@58@57 u=x()@67@66)@53@52)@8"#
        );
    }

    #[test]
    fn comments_nest_and_end() {
        assert_eq!(after_blank(" /* a /* b */ c */ // d\n\t e"), "e");
        assert_eq!(after_blank("/* open"), "");
    }

    #[test]
    fn lines_and_columns_become_bytes() {
        let text = "ab\nçd\n";
        assert_eq!([byte_of(text, 1, 1), byte_of(text, 2, 1), byte_of(text, 2, 2)], [0, 3, 5]);
        assert_eq!([byte_of(text, 3, 1), byte_of(text, 9, 9)], [7, 7]);
    }
}
