//! Requests that were refused, by frontend and reason, as `/metrics` tells it.

use std::io::Write as _;

use crate::config::Mode;
use crate::http::refusal::Reason;
use crate::model::snapshot::Snapshot;

/// Adds the family. What never happened has a line too, so that its first time is a step and not a new series.
pub(super) fn exposition(text: &mut Vec<u8>, snapshot: &Snapshot) {
    // Writing to a Vec cannot fail, and names of proxies need no escapes.
    let _infallible = write!(
        text,
        "\n# HELP proxyd_http_refused_total Requests that were refused for what they said, or for not saying it in time\n\
         # TYPE proxyd_http_refused_total counter\n"
    );
    for frontend in snapshot.frontends.iter().filter(|frontend| frontend.mode == Mode::Http) {
        for reason in Reason::ALL {
            let count = frontend.live.refusals.total(*reason as usize);
            let _infallible = writeln!(
                text,
                "proxyd_http_refused_total{{proxy=\"{}\",reason=\"{}\"}} {count}",
                frontend.name,
                reason.label(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;

    #[test]
    fn by_frontend_and_reason() {
        let snapshot = testing::shared().snapshot();
        let web = snapshot.frontend("web").unwrap();
        web.live.refusals.inc(0, Reason::NoHost as usize);
        let mut text = Vec::new();
        exposition(&mut text, &snapshot);
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("\nproxyd_http_refused_total{proxy=\"web\",reason=\"no_host\"} 1\n"), "{text}");
        assert!(text.contains("reason=\"hosts\"} 0\n"), "{text}");
        assert!(!text.contains("proxy=\"tcp\""), "{text}");
    }
}
