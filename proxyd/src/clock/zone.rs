//! The time zone of this machine: `TZ`, else `/etc/localtime` (RFC 8536).

use std::path::PathBuf;
use std::sync::OnceLock;

/// Seconds east of UTC at that moment of Unix time.
pub fn zone_offset(seconds: u64) -> i32 {
    static ZONE: OnceLock<Zone> = OnceLock::new();
    ZONE.get_or_init(Zone::of_this_machine).offset(seconds as i64)
}

/// Changes of the offset, in order of time.
#[derive(Debug, Default)]
struct Zone {
    changes: Vec<(i64, i32)>,
}

impl Zone {
    /// UTC where nothing can be read.
    fn of_this_machine() -> Self {
        let path = match std::env::var_os("TZ").filter(|zone| !zone.is_empty()) {
            Some(zone) => {
                let zone = zone.to_string_lossy();
                let name = zone.strip_prefix(':').unwrap_or(&zone);
                PathBuf::from("/usr/share/zoneinfo").join(name)
            }
            None => PathBuf::from("/etc/localtime"),
        };
        std::fs::read(path).ok().and_then(|bytes| Self::read(&bytes)).unwrap_or_default()
    }

    /// Reads a file of version 2 or later. `None` where it is something else.
    fn read(bytes: &[u8]) -> Option<Self> {
        const HEADER: usize = 44;
        let counts = |at: usize| -> Option<[usize; 6]> {
            let head = bytes.get(at..at + HEADER)?;
            let mut counts = [0; 6];
            for (i, count) in counts.iter_mut().enumerate() {
                *count = number(head.get(20 + i * 4..)?, 4)? as usize;
            }
            (head.starts_with(b"TZif") && head[4] >= b'2').then_some(counts)
        };
        // The first part has numbers of 32 bits, and is passed over.
        let [utc, std, leaps, times, types, chars] = counts(0)?;
        let second = HEADER + times * 5 + types * 6 + chars + leaps * 8 + std + utc;
        let [.., times, types, _] = counts(second)?;
        let at = second + HEADER;
        let offset = |index: usize| -> Option<i32> {
            (index < types).then_some(())?;
            Some(number(bytes.get(at + times * 9 + index * 6..)?, 4)? as i32)
        };
        // Before the first change the first type holds.
        let mut changes = vec![(i64::MIN, offset(0)?)];
        for i in 0..times {
            let when = number(bytes.get(at + i * 8..)?, 8)?;
            changes.push((when, offset(usize::from(*bytes.get(at + times * 8 + i)?))?));
        }
        Some(Self { changes })
    }

    fn offset(&self, seconds: i64) -> i32 {
        let after = self.changes.partition_point(|(when, _)| *when <= seconds);
        after.checked_sub(1).map_or(0, |last| self.changes[last].1)
    }
}

/// A big-endian number with a sign, of so many bytes.
fn number(bytes: &[u8], length: usize) -> Option<i64> {
    let mut wide = [if bytes.first()? & 0x80 == 0 { 0 } else { 0xff }; 8];
    wide[8 - length..].copy_from_slice(bytes.get(..length)?);
    Some(i64::from_be_bytes(wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with an empty first part, two types and one change.
    fn file() -> Vec<u8> {
        let header = |counts: [u32; 6]| {
            let mut bytes = b"TZif2".to_vec();
            bytes.resize(20, 0);
            bytes.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
            bytes
        };
        let mut bytes = header([0, 0, 0, 0, 1, 4]);
        bytes.extend([0; 10]);
        bytes.extend(header([0, 0, 0, 1, 2, 4]));
        bytes.extend(1_000_000_i64.to_be_bytes());
        bytes.push(1);
        bytes.extend((-3600_i32).to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(7200_i32.to_be_bytes());
        bytes.extend([1, 0]);
        bytes
    }

    #[test]
    fn offsets_change() {
        let zone = Zone::read(&file()).unwrap();
        assert_eq!([0, 999_999, 1_000_000, i64::MAX].map(|at| zone.offset(at)), [-3600, -3600, 7200, 7200]);
    }

    #[test]
    fn half_a_file_is_none() {
        let file = file();
        for length in 0..file.len() - 2 {
            assert!(Zone::read(&file[..length]).is_none(), "{length}");
        }
        assert_eq!(Zone::default().offset(5), 0);
    }
}
