//! Places to listen on: binds, the metrics, the sockets.

use std::collections::HashMap;

use proto::addr::Address;

use super::super::report::{Diagnostic, Report, Span};
use super::super::syntax::{Document, address};
use super::frontends;

pub(super) fn check(document: &Document, report: &mut Report) {
    let mut taken: HashMap<Address, Span> = HashMap::new();
    let mut take = |address: Address, span: Span, report: &mut Report| {
        // The kernel chooses another port each time.
        if address.port() == Some(0) {
            return;
        }
        if let Some(first) = taken.get(&address) {
            report.push(
                Diagnostic::error("address-taken", format!("{address} is bound twice"))
                    .at(span, "the second time")
                    .at(*first, "the first time"),
            );
        } else {
            taken.insert(address, span);
        }
    };
    for global in &document.global {
        for path in global.sockets.iter().filter_map(|socket| socket.path.as_ref()) {
            let length = path.value.len();
            if path.value.is_empty() {
                report.push(
                    Diagnostic::error("bad-path", "a socket needs a path").at(path.span, "this is empty"),
                );
            } else if length > address::LONGEST_PATH || path.value.contains('\0') {
                report.push(address::too_long(path, length));
            } else {
                take(Address::Unix(path.value.clone().into()), path.span, report);
            }
        }
        if let Some(bind) = &global.metrics {
            take(bind.value.clone(), bind.span, report);
        }
    }
    for bind in frontends(document).flat_map(|frontend| &frontend.binds) {
        take(bind.value.conf.address.clone(), bind.span, report);
    }
}
