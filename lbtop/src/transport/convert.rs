//! From the wire's rows to the model's.

use std::borrow::Cow;

use proto::stats::parse::{ParseError, ParsedRow, parse};
use proto::stats::{self, Col};
use proto::watch::{Fields, Replica};

use crate::model::sample::{Info, Kind, Row, Sample};

/// Why an answer is no sample.
#[derive(Debug, thiserror::Error)]
pub enum NoSample {
    #[error("this does not answer like a load balancer: {0:?}")]
    NotInfo(String),
    #[error("show stat: {0}")]
    Stat(#[from] ParseError),
}

/// Cells of one object, whatever carried them.
trait Cells {
    fn text(&self, col: Col) -> Cow<'_, str>;
    fn number(&self, col: Col) -> Option<u64>;
}

impl Cells for ParsedRow {
    fn text(&self, col: Col) -> Cow<'_, str> {
        self.col(col).into()
    }

    fn number(&self, col: Col) -> Option<u64> {
        self.col_num(col)
    }
}

impl Cells for Fields {
    fn text(&self, col: Col) -> Cow<'_, str> {
        self.get(col.name()).and_then(|value| value.as_str()).unwrap_or("").into()
    }

    fn number(&self, col: Col) -> Option<u64> {
        self.get(col.name()).and_then(serde_json::Value::as_u64)
    }
}

fn row(kind: stats::Kind, cells: &impl Cells, changed_at: Option<u64>) -> Row {
    let text = |col| cells.text(col).into_owned();
    let number = |col| cells.number(col);
    let kind = match kind {
        stats::Kind::Frontend => Kind::Frontend,
        stats::Kind::Backend => Kind::Backend,
        stats::Kind::Server => Kind::Server,
        stats::Kind::Listener => Kind::Listener,
    };
    Row {
        status: text(Col::Status),
        mode: text(Col::Mode),
        algo: text(Col::Algo),
        addr: text(Col::Addr),
        tracked: text(Col::Tracked),
        check_status: text(Col::CheckStatus),
        check_desc: text(Col::CheckDesc),
        last_chk: text(Col::LastChk),
        check_code: number(Col::CheckCode),
        check_duration: number(Col::CheckDuration),
        agent_status: text(Col::AgentStatus),
        agent_desc: text(Col::AgentDesc),
        last_agt: text(Col::LastAgt),
        agent_duration: number(Col::AgentDuration),
        changed_at,
        is_backup: kind == Kind::Server && number(Col::Bck).unwrap_or(0) > 0,
        weight: number(Col::Weight),
        throttle: number(Col::Throttle),
        qcur: number(Col::Qcur),
        scur: number(Col::Scur),
        slim: number(Col::Slim),
        stot: number(Col::Stot),
        req_tot: number(Col::ReqTot),
        hrsp_5xx: number(Col::Hrsp5xx),
        bin: number(Col::Bin),
        bout: number(Col::Bout),
        rtime: number(Col::Rtime),
        rate: number(Col::ReqRate).or_else(|| number(Col::Rate)),
        ..Row::new(kind, text(Col::Pxname), text(Col::Svname))
    }
}

/// Reads the answer to `show info;show stat`, which came at `wall`.
pub fn polled(answer: &str, wall: u64, took_ms: u64) -> Result<Sample, NoSample> {
    let (info, stat) = answer.split_once("\n\n").unwrap_or((answer, ""));
    let info = proto::info::parse(info);
    if !info.contains_key("Name") || !info.contains_key("Version") {
        let first = answer.lines().next().unwrap_or("").chars().take(80).collect();
        return Err(NoSample::NotInfo(first));
    }
    let rows = parse(stat)?;
    let (boot, info) = described(|name| info.get(name).map(|value| value.as_str().into()));
    let rows = rows
        .iter()
        .map(|cells| {
            let age = cells.col_num(Col::Lastchg);
            row(cells.kind(), cells, age.map(|age| wall.saturating_sub(age.saturating_mul(1000))))
        })
        .collect();
    Ok(Sample { boot, info, rows, took_ms })
}

/// What a stream adds up to.
pub fn streamed(replica: &Replica) -> Sample {
    let (boot, info) = described(|name| {
        let value = replica.info().get(name)?;
        Some(value.as_str().map_or_else(|| value.to_string().into(), Cow::from))
    });
    let rows = replica
        .ids()
        .into_iter()
        .filter_map(|id| replica.rows().get(id))
        .filter_map(|fields| {
            let kind = fields.number(Col::Type).and_then(stats::Kind::from_type)?;
            Some(row(kind, fields, fields.get("changed_at_ms").and_then(serde_json::Value::as_u64)))
        })
        .collect();
    Sample { boot, info, rows, took_ms: 0 }
}

/// Which life of the balancer this is, and what it says of itself. The start is part of it because a process in a
/// container always has the same number.
fn described<'a>(value: impl Fn(&str) -> Option<Cow<'a, str>>) -> (String, Info) {
    let text = |name: &str| value(name).unwrap_or_default().into_owned();
    let number = |name: &str| value(name).and_then(|value| value.parse::<f64>().ok()).map_or(0, whole);
    let info = Info {
        name: text("Name"),
        version: text("Version"),
        node: text("node"),
        pid: number("Pid"),
        uptime_s: number("Uptime_sec"),
        curr_conns: number("CurrConns"),
        max_conn: number("Maxconn"),
    };
    (format!("{}.{}", info.pid, number("Start_time_sec")), info)
}

#[expect(clippy::cast_sign_loss, reason = "clamped to what the type holds")]
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "Name: HAProxy\nVersion: 2.6.12-1\nPid: 7\nUptime_sec: 100\nnode: lb\nStart_time_sec: 5\n\n\
        # pxname,svname,scur,slim,status,weight,bck,lastchg,type,req_tot,odd,\n\
        web,FRONTEND,3,100,OPEN,,,,0,50,x,\n\
        app,a\x1b[1,1,,UP 1/3,100,0,9,2,,x,\n\
        app,spare,0,,no check,1,1,,2,,x,\n";

    #[test]
    fn a_poll() {
        let sample = polled(ANSWER, 1_000_000, 3).unwrap();
        assert_eq!((sample.boot.as_str(), sample.info.node.as_str()), ("7.5", "lb"));
        assert_eq!(sample.rows.len(), 3);
        assert_eq!(sample.rows[0].req_tot, Some(50));
        assert_eq!(sample.rows[1].name, "a\x1b[1");
        assert_eq!(sample.rows[1].changed_at, Some(991_000));
        assert_eq!(sample.rows[1].slim, None);
        assert!(sample.rows[2].is_backup && !sample.rows[1].is_backup);
    }

    #[test]
    fn what_is_no_balancer_is_said_so() {
        assert!(matches!(polled("HTTP/1.0 400 Bad\n", 0, 0), Err(NoSample::NotInfo(_))));
        assert!(matches!(polled("Name: x\nVersion: 1\n", 0, 0), Err(NoSample::Stat(_))));
    }

    #[test]
    fn a_stream_gives_the_same() {
        let mut replica = Replica::new();
        for line in [
            r#"{"kind":"hello","v":1,"boot":"b","interval_ms":1000}"#,
            r#"{"kind":"info","info":{"Name":"HAProxy","Version":"2.6.12-1","Pid":7,"Uptime_sec":100,"node":"lb","Start_time_sec":5}}"#,
            r#"{"kind":"row","id":"f/web","row":{"pxname":"web","svname":"FRONTEND","scur":3,"slim":100,"status":"OPEN","type":0,"req_tot":50}}"#,
            r#"{"kind":"row","id":"s/app/a","row":{"pxname":"app","svname":"a\u001b[1","scur":1,"status":"UP 1/3","weight":100,"bck":0,"type":2,"iid":3,"sid":1,"changed_at_ms":991000}}"#,
            r#"{"kind":"row","id":"s/app/spare","row":{"pxname":"app","svname":"spare","scur":0,"status":"no check","weight":1,"bck":1,"type":2,"iid":3,"sid":2}}"#,
            r#"{"kind":"sync","seq":1}"#,
        ] {
            replica.apply_line(line).unwrap();
        }
        assert_eq!(streamed(&replica), Sample { took_ms: 0, ..polled(ANSWER, 1_000_000, 3).unwrap() });
    }
}
