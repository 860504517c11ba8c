//! `show server history`: what became of a server, when and why.

use std::fmt::Write as _;

use proto::timestamp::rfc3339;
use serde_json::{Value, json};

use crate::model::history::{Order, Transition};
use crate::model::server::Outcome;

/// For people: a line for each, and what there is to say of it below.
pub(super) fn text(transitions: &[Transition]) -> String {
    let mut text = String::new();
    for Transition { wall_ms, from, to, reason, by, check } in transitions {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{} {from} -> {to}: {reason}", rfc3339(*wall_ms));
        if let Some(Order { who, line }) = by {
            let _infallible = writeln!(text, "  by {who}: {line}");
        }
        if let Some(outcome) = check {
            let _infallible = writeln!(text, "  last check: {outcome}");
            if !outcome.answer.is_empty() {
                let _infallible = writeln!(text, "  it answered: \"{}\"", outcome.answer.escape_ascii());
            }
        }
    }
    text
}

/// For programs: an array.
pub(super) fn json(transitions: &[Transition]) -> String {
    let all: Vec<Value> = transitions.iter().map(object).collect();
    format!("{}\n", Value::from(all))
}

fn object(transition: &Transition) -> Value {
    let Transition { wall_ms, from, to, reason, by, check } = transition;
    let mut object = json!({ "at": wall_ms, "from": from, "to": to, "reason": reason });
    if let Some(Order { who, line }) = by {
        object["by"] = who.as_ref().into();
        object["command"] = line.as_ref().into();
    }
    if let Some(Outcome { status, code, duration, info, answer }) = check {
        object["check"] = json!({
            "status": status.word(),
            "code": code,
            "duration_ms": duration.as_millis() as u64,
            "info": info,
            "answer": answer.escape_ascii().to_string(),
        });
    }
    object
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::server::CheckStatus;

    fn some() -> Vec<Transition> {
        let check = Outcome {
            status: CheckStatus::L7Status,
            code: Some(503),
            duration: Duration::from_millis(2),
            info: "Busy".into(),
            answer: (*b"HTTP/1.1 503 Busy\r\n").into(),
        };
        let by = Order { who: "uid 0 (root)".into(), line: "disable server app/app1".into() };
        vec![
            Transition {
                wall_ms: 1_000,
                from: "UP".into(),
                to: "DOWN".into(),
                reason: check.to_string().into(),
                by: None,
                check: Some(check),
            },
            Transition {
                wall_ms: 2_500,
                from: "DOWN".into(),
                to: "MAINT".into(),
                reason: "changed from CLI".into(),
                by: Some(by),
                check: None,
            },
        ]
    }

    #[test]
    fn for_people() {
        assert_eq!(
            text(&some()),
            "1970-01-01T00:00:01.000Z UP -> DOWN: Layer7 wrong status, code: 503, info: \"Busy\", check duration: 2ms\n  \
             last check: Layer7 wrong status, code: 503, info: \"Busy\", check duration: 2ms\n  \
             it answered: \"HTTP/1.1 503 Busy\\r\\n\"\n\
             1970-01-01T00:00:02.500Z DOWN -> MAINT: changed from CLI\n  \
             by uid 0 (root): disable server app/app1\n"
        );
        assert_eq!(text(&[]), "");
    }

    #[test]
    fn for_programs() {
        let value: Value = serde_json::from_str(&json(&some())).unwrap();
        assert_eq!(value[0]["check"]["code"], 503);
        assert_eq!(value[0]["check"]["status"], "L7STS");
        assert_eq!(value[1]["by"], "uid 0 (root)");
        assert_eq!(value[1]["at"], 2_500);
        assert_eq!(json(&[]), "[]\n");
    }
}
