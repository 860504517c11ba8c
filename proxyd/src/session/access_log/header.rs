//! What stands in front of a line: the headers of syslog, RFC 3164 and 5424, made anew every second.

use std::io::Write as _;

use super::date::Second;
use crate::log::target::{Framing, Target};

/// Severities of syslog.
const ERR: u8 = 3;
const INFO: u8 = 6;

/// The header of one target's lines.
#[derive(Debug)]
pub(super) struct Header {
    framing: Framing,
    facility: u8,
    /// Behind the date.
    name: String,
    /// Of the second `seconds`: what stands behind the priority.
    text: Vec<u8>,
    seconds: Option<u64>,
}

impl Header {
    pub(super) fn new(target: &Target, host: &str, process: u32) -> Self {
        let tag = &target.tag;
        let name = match target.framing {
            Framing::Raw => String::new(),
            Framing::Rfc3164 => format!(" {tag}[{process}]: "),
            Framing::Rfc5424 => format!(" {host} {tag} {process} - - "),
        };
        Self { framing: target.framing, facility: target.facility.0, name, text: Vec::new(), seconds: None }
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>, error: bool, seconds: impl FnOnce() -> u64) {
        if self.framing == Framing::Raw {
            return;
        }
        let seconds = seconds();
        if self.seconds != Some(seconds) {
            self.seconds = Some(seconds);
            self.prepare(Second::local(seconds));
        }
        out.push(b'<');
        let severity = if error { ERR } else { INFO };
        out.extend_from_slice(itoa::Buffer::new().format(self.facility * 8 + severity).as_bytes());
        out.push(b'>');
        out.extend_from_slice(&self.text);
    }

    fn prepare(&mut self, at: Second) {
        let text = &mut self.text;
        text.clear();
        let Second { year, month, day, hour, minute, second, .. } = at;
        // Writing to memory cannot fail.
        let _infallible = match self.framing {
            Framing::Raw => Ok(()),
            Framing::Rfc3164 => {
                write!(text, "{} {day:2} {hour:02}:{minute:02}:{second:02}", at.month_name())
            }
            Framing::Rfc5424 => {
                write!(text, "1 {year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
            }
        };
        if self.framing == Framing::Rfc5424 {
            at.write_offset(text, ":");
        }
        text.extend_from_slice(self.name.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::target::{Facility, Place};

    #[test]
    fn headers() {
        let mut target = Target {
            place: Place::Stdout,
            framing: Framing::Rfc3164,
            facility: Facility::LOCAL0,
            tag: "proxyd".into(),
            length: 1024,
            sample: None,
        };
        let seconds = 1_793_577_972;
        let offset = crate::clock::zone_offset(seconds);
        let seconds = seconds.saturating_add_signed(i64::from(-offset));
        let mut shown = |framing, error| {
            target.framing = framing;
            let mut out = Vec::new();
            Header::new(&target, "host", 7).write(&mut out, error, || seconds);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(Framing::Raw, false), "");
        assert_eq!(shown(Framing::Rfc3164, false), "<134>Nov  2 00:06:12 proxyd[7]: ");
        let new = shown(Framing::Rfc5424, true);
        assert!(
            new.starts_with("<131>1 2026-11-02T00:06:12+") && new.ends_with(":00 host proxyd 7 - - "),
            "{new}"
        );
    }
}
