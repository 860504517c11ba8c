//! Conditions, wherever they stand.

use super::super::condition::{Condition, Pattern};
use super::super::report::{Diagnostic, Report};
use super::super::shape::{Value, no_choice};
use super::super::span::{Kind, Node, Spanned};
use super::super::words::{Choices, REQUEST_CONDITIONS, RequestCondition};
use super::address;

/// What is written in the `( )` behind a condition's word.
type Inner<'n, 'a> = Option<&'n Node<'a>>;

/// The word of a condition, which is one of `choices`. `example` is one as it would be written.
pub(super) fn word<'n, 'a, T: Clone>(
    value: Value<'n, 'a>,
    choices: &'static Choices<T>,
    (expected, example): (&str, &str),
    report: &mut Report,
) -> Option<(T, Inner<'n, 'a>)> {
    let (word, inner) = match &value.node.kind {
        Kind::Variant(word, inner) => (*word, Some(&**inner)),
        Kind::Word(word) => (*word, None),
        kind => {
            let found = kind.described();
            report.push(
                Diagnostic::error("wrong-type", format!("`{}` takes a condition, not {found}", value.name))
                    .at(value.node.span, format!("expected `{expected}`"))
                    .help(format!("write `{example}`")),
            );
            return None;
        }
    };
    let known = choices.find(word);
    if known.is_none() {
        report.push(no_choice(word, value, choices));
    }
    Some((known?, inner))
}

/// The nodes of `word(.., ..)`, of which there is at least one.
pub(super) fn values<'n, 'a>(
    value: Value<'n, 'a>,
    inner: Inner<'n, 'a>,
    (message, expected): (&str, &str),
    report: &mut Report,
) -> Option<&'n [Node<'a>]> {
    if let Some(Kind::Tuple(values)) = inner.map(|inner| &inner.kind)
        && !values.is_empty()
    {
        return Some(values);
    }
    report
        .push(Diagnostic::error("wrong-type", message).at(value.node.span, format!("expected `{expected}`")));
    None
}

/// A list of conditions on requests; one that cannot be read is reported and left out.
pub(super) fn list(value: Value<'_, '_>, report: &mut Report) -> Vec<Condition> {
    let entries = value.list(report).unwrap_or_default();
    entries.into_iter().filter_map(|entry| request(entry, report)).collect()
}

/// A condition on a request.
fn request(value: Value<'_, '_>, report: &mut Report) -> Option<Condition> {
    use RequestCondition::{All, Any, Method, Not, Path, Source};
    let hint = ("path(..)", "path(\"/static/*\")");
    let (word, inner) = word(value, &REQUEST_CONDITIONS, hint, report)?;
    let said = match word {
        Path => ("`path` takes patterns of paths", "path(\"/static/*\")"),
        Method => ("`method` takes methods", "method(\"GET\", \"HEAD\")"),
        Source => ("`source` takes networks", "source(\"10.0.0.0/8\")"),
        Not => ("`not` takes one condition", "not(path(\"/login\"))"),
        All => ("`all` takes a list of conditions", "all([path(\"/a/*\"), method(\"GET\")])"),
        Any => ("`any` takes a list of conditions", "any([path(\"/a/*\"), path(\"/b/*\")])"),
    };
    let nodes = values(value, inner, said, report)?;
    let named = |name, node| Value { name, node };
    match (word, nodes) {
        (Path, nodes) => {
            let texts = nodes
                .iter()
                .map(|node| named("path", node).text(report).and_then(|text| pattern(text, report)));
            // All are looked at before one that is wrong makes the condition none.
            Some(Condition::Path(texts.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?))
        }
        (Method, nodes) => {
            let texts = nodes
                .iter()
                .map(|node| named("method", node).text(report).and_then(|text| method(text, report)));
            Some(Condition::Method(texts.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?))
        }
        (Source, nodes) => Some(Condition::Source(address::networks_of(
            nodes.iter().map(|node| named("source", node)),
            report,
        )?)),
        (Not, [node]) => Some(Condition::Not(Box::new(request(named("not", node), report)?))),
        (All | Any, [node @ Node { kind: Kind::List(_), .. }]) => {
            let name = if word == All { "all" } else { "any" };
            let entries = named(name, node).list(report)?;
            let count = entries.len();
            let conditions: Vec<Condition> =
                entries.into_iter().filter_map(|entry| request(entry, report)).collect();
            if count == 0 {
                report.push(
                    Diagnostic::error("empty-condition", format!("`{name}` of no conditions"))
                        .at(node.span, "expected at least one"),
                );
                return None;
            }
            let whole = conditions.len() == count;
            whole.then(|| if word == All { Condition::All(conditions) } else { Condition::Any(conditions) })
        }
        (Not | All | Any, _) => {
            report.push(
                Diagnostic::error("wrong-type", said.0).at(value.node.span, format!("expected `{}`", said.1)),
            );
            None
        }
    }
}

fn pattern(text: Spanned<String>, report: &mut Report) -> Option<Pattern> {
    let Spanned { value, span } = text;
    let right = value.starts_with(['/', '*']) && value.bytes().all(|byte| byte.is_ascii_graphic());
    if right && !value.contains(['?', '#']) {
        return Some(Pattern(value));
    }
    let wrong = Diagnostic::error("bad-path", format!("{value:?} fits no path"));
    report.push(if value.contains('?') {
        wrong.at(span, "a path ends in front of its `?`")
    } else {
        wrong.at(span, "expected `/` or `*` first, and no blanks")
    });
    None
}

fn method(text: Spanned<String>, report: &mut Report) -> Option<String> {
    let Spanned { value, span } = text;
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'))
    {
        return Some(value);
    }
    report.push(
        Diagnostic::error("bad-method", format!("{value:?} is no method"))
            .at(span, "expected one such as \"GET\", in capitals"),
    );
    None
}
