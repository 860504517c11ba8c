//! `script([connect, send("PING\\r\\n"), expect("PONG")])`.

use super::super::super::check::{CheckKind, Connect, Encrypt, Step};
use super::super::super::reference::checks::CONNECT;
use super::super::super::report::{Diagnostic, Report, Span};
use super::super::super::shape::{Fields, Value};
use super::super::super::span::{Kind, Node};
use super::expect::{binary, pattern};
use super::kind::LONGEST;
use super::{address, greet, port};

/// More than anybody means to write.
const MOST_STEPS: usize = 100;

pub(super) fn read(value: Option<Value<'_, '_>>, span: Span, report: &mut Report) -> Option<CheckKind> {
    let Some(value) = value else {
        report.push(
            Diagnostic::error("missing-setting", "a script needs its steps")
                .at(span, "expected script([connect, send(\"..\"), expect(\"..\")])"),
        );
        return None;
    };
    let nodes = value.list(report)?;
    let steps: Vec<Step> = nodes.iter().filter_map(|value| step(value.node, report)).collect();
    if steps.len() < nodes.len() {
        return None;
    }
    if steps.is_empty() || steps.len() > MOST_STEPS {
        report.push(
            Diagnostic::error("bad-script", format!("a script has from 1 to {MOST_STEPS} steps"))
                .at(value.node.span, format!("this has {}", steps.len())),
        );
        return None;
    }
    Some(CheckKind::Script(steps))
}

fn step(node: &Node<'_>, report: &mut Report) -> Option<Step> {
    let (word, arguments): (&str, &[Node<'_>]) = match &node.kind {
        Kind::Word("connect") => return Some(Step::Connect(Connect::default())),
        Kind::Variant("connect", settings) => return connect(settings, report).map(Step::Connect),
        Kind::Variant(word, settings) => match &settings.kind {
            Kind::Tuple(values) => (word, values),
            _ => (word, &[]),
        },
        _ => ("", &[]),
    };
    let [argument] = arguments else {
        report.push(no_step(node.span));
        return None;
    };
    let bytes = match word {
        "expect" => return expected(argument, report),
        "send" | "send_binary" => {
            let Kind::Text(text) = &argument.kind else {
                report.push(
                    Diagnostic::error("wrong-type", format!("`{word}` takes a string"))
                        .at(argument.span, "expected a string"),
                );
                return None;
            };
            if word == "send" { text.clone().into_bytes() } else { binary(text, argument.span, report)? }
        }
        _ => {
            report.push(no_step(node.span));
            return None;
        }
    };
    if bytes.is_empty() || bytes.len() > LONGEST {
        report.push(
            Diagnostic::error("bad-script", "this cannot be sent in one step")
                .at(argument.span, "expected 1 byte to 16 KiB"),
        );
        return None;
    }
    Some(Step::Send(bytes))
}

fn no_step(span: Span) -> Diagnostic {
    Diagnostic::error("bad-script", "this is no step of a script")
        .at(span, "expected connect, send(\"..\"), send_binary(\"..\") or expect(..)")
}

fn expected(node: &Node<'_>, report: &mut Report) -> Option<Step> {
    if let Kind::Variant("not", settings) = &node.kind
        && let Kind::Tuple(values) = &settings.kind
        && let [inner] = values.as_slice()
    {
        return Some(Step::Expect { pattern: pattern(inner, report)?, unwanted: true });
    }
    Some(Step::Expect { pattern: pattern(node, report)?, unwanted: false })
}

fn connect(settings: &Node<'_>, report: &mut Report) -> Option<Connect> {
    let fields = Fields::open(settings, &CONNECT, report)?;
    let tls = fields.get("tls").and_then(|value| value.boolean(report));
    Some(Connect {
        address: fields.get("address").and_then(|value| address(value, report)).map(|address| address.value),
        port: fields.get("port").and_then(|value| port(value, report)).map(|port| port.value),
        encrypt: match tls.map(|tls| tls.value) {
            None => Encrypt::AsServer,
            Some(false) => Encrypt::Never,
            Some(true) => Encrypt::Always,
        },
        greet: fields.get("send_proxy").map(|value| greet(value, report)).unwrap_or_default(),
    })
}
