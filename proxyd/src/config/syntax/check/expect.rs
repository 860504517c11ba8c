//! What is expected of an answer: `status(..)`, `string(..)`, `regex(..)`, `header(..)`, `binary(..)` and `not(..)`.

use super::super::super::check::{Expect, Pattern, Regex, StatusRange};
use super::super::super::http::is_token;
use super::super::super::report::{Diagnostic, Report, Span};
use super::super::super::shape::Value;
use super::super::super::span::{Kind, Node};

/// One, or a list of which all hold.
pub(super) fn read(value: Value<'_, '_>, report: &mut Report) -> Vec<Expect> {
    match &value.node.kind {
        Kind::List(nodes) => nodes.iter().filter_map(|node| one(node, report)).collect(),
        _ => one(value.node, report).into_iter().collect(),
    }
}

fn one(node: &Node<'_>, report: &mut Report) -> Option<Expect> {
    let Some((word, arguments)) = call(node) else {
        report.push(
            Diagnostic::error(
                "wrong-type",
                "`expect` takes `status(..)`, `string(..)`, `regex(..)`, `header(..)` or `not(..)`",
            )
            .at(node.span, "expected status(\"200-299\")"),
        );
        return None;
    };
    match (word, arguments) {
        ("status", [_, ..]) => {
            let mut ranges = Vec::new();
            for argument in arguments {
                ranges.extend(statuses(argument, report)?);
            }
            Some(Expect::Status(ranges))
        }
        ("string" | "regex", [_]) => Some(Expect::Body(pattern(node, report)?)),
        ("header", [name, value @ ..]) if value.len() < 2 => {
            let Kind::Text(text) = &name.kind else {
                report.push(
                    Diagnostic::error("wrong-type", "the name of a header is a string")
                        .at(name.span, "expected a string"),
                );
                return None;
            };
            if !is_token(text) {
                report.push(
                    Diagnostic::error("bad-request", format!("{text:?} is no name of a header"))
                        .at(name.span, "letters, digits and dashes"),
                );
                return None;
            }
            let value = match value.first() {
                Some(value) => Some(pattern(value, report)?),
                None => None,
            };
            Some(Expect::Header { name: text.clone(), value })
        }
        ("not", [inner]) => Some(Expect::Not(Box::new(one(inner, report)?))),
        ("status" | "string" | "regex" | "header" | "not", _) => {
            report.push(
                Diagnostic::error("wrong-type", format!("`{word}` takes something else"))
                    .at(node.span, example(word)),
            );
            None
        }
        ("binary", _) => {
            report.push(
                Diagnostic::error("wrong-type", "`binary` is for scripts")
                    .at(node.span, "expected string(..) or regex(..)"),
            );
            None
        }
        _ => {
            report.push(
                Diagnostic::error("unknown-word", format!("`{word}` is nothing that can be expected"))
                    .at(node.span, "expected `status`, `string`, `regex`, `header` or `not`"),
            );
            None
        }
    }
}

fn example(word: &str) -> &'static str {
    match word {
        "status" => "expected status(\"200-299\")",
        "header" => "expected header(\"x-name\", \"value\")",
        "not" => "expected not(status(404))",
        _ => "expected one string",
    }
}

/// `word(..)` with its arguments.
fn call<'n, 'a>(node: &'n Node<'a>) -> Option<(&'a str, &'n [Node<'a>])> {
    let Kind::Variant(word, settings) = &node.kind else { return None };
    match &settings.kind {
        Kind::Tuple(values) => Some((word, values)),
        Kind::Struct(fields) if fields.is_empty() => Some((word, &[])),
        _ => None,
    }
}

/// `"text"`, `string("text")`, `regex("..")` or `binary("hex")`.
pub(super) fn pattern(node: &Node<'_>, report: &mut Report) -> Option<Pattern> {
    let (word, argument) = match (&node.kind, call(node)) {
        (Kind::Text(_), _) => ("string", node),
        (_, Some((word @ ("string" | "regex" | "binary"), [argument]))) => (word, argument),
        _ => {
            report.push(
                Diagnostic::error("wrong-type", "this is no text to compare with")
                    .at(node.span, "expected a string, or regex(\"..\")"),
            );
            return None;
        }
    };
    let Kind::Text(text) = &argument.kind else {
        report.push(
            Diagnostic::error("wrong-type", format!("`{word}` takes a string"))
                .at(argument.span, "expected a string"),
        );
        return None;
    };
    if text.is_empty() {
        report.push(
            Diagnostic::error("empty-text", "an empty text is found in everything")
                .at(argument.span, "expected something to look for"),
        );
        return None;
    }
    match word {
        "binary" => binary(text, argument.span, report).map(Pattern::Binary),
        // Bytes need not be text.
        "regex" => match regex::bytes::RegexBuilder::new(text).unicode(false).build() {
            Ok(regex) => Some(Pattern::Regex(Regex(regex))),
            Err(error) => {
                let error = error.to_string();
                let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                report.push(
                    Diagnostic::error("bad-regex", "this is no regular expression that can be used")
                        .at(argument.span, reason),
                );
                None
            }
        },
        _ => Some(Pattern::Text(text.clone())),
    }
}

/// Digits in pairs; blanks between them are left out.
pub(super) fn binary(text: &str, span: Span, report: &mut Report) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 && !digits.is_empty() => {
            Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
        }
        _ => {
            report.push(
                Diagnostic::error("bad-hex", "these are no bytes in hexadecimal digits")
                    .at(span, "expected pairs such as \"0a ff\""),
            );
            None
        }
    }
}

/// `"200-299"`, `"200,204,300-399"` or `204`.
fn statuses(node: &Node<'_>, report: &mut Report) -> Option<Vec<StatusRange>> {
    let ranges: Option<Vec<StatusRange>> = match &node.kind {
        Kind::Number(number) => range(number).map(|range| vec![range]),
        Kind::Text(text) => text.split(',').map(|part| range(part.trim())).collect(),
        _ => None,
    };
    if ranges.is_none() {
        report.push(Diagnostic::error("bad-status", "this is no status and no range of statuses").at(
            node.span,
            "expected a status from 100 to 599, a range such as \"200-299\", or several: \"200,300-399\"",
        ));
    }
    ranges
}

fn range(text: &str) -> Option<StatusRange> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (100 <= first && first <= last && last <= 599).then_some(StatusRange { first, last })
}
