//! One value of a statistic, and what is known of its meaning.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;
use std::sync::Arc;

use serde_json::Number;

/// A text that is cheap to clone.
#[derive(Clone)]
pub enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Text {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl From<Cow<'static, str>> for Text {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::Static(text),
            Cow::Owned(text) => Self::Shared(text.into()),
        }
    }
}

/// A value as `show stat` and `show info` know them.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    U32(u32),
    U64(u64),
    S32(i32),
    /// Only `show info float` has these.
    F64(f64),
    Str(Text),
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::U32(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::U64(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::S32(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::F64(value)
    }
}

impl From<&'static str> for Value {
    fn from(value: &'static str) -> Self {
        Self::Str(Text::Static(value))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Str(Text::Shared(value.into()))
    }
}

impl From<Arc<str>> for Value {
    fn from(value: Arc<str>) -> Self {
        Self::Str(Text::Shared(value))
    }
}

impl From<&Arc<str>> for Value {
    fn from(value: &Arc<str>) -> Self {
        Self::Str(Text::Shared(Arc::clone(value)))
    }
}

impl From<Cow<'static, str>> for Value {
    fn from(value: Cow<'static, str>) -> Self {
        Self::Str(value.into())
    }
}

impl From<Text> for Value {
    fn from(value: Text) -> Self {
        Self::Str(value)
    }
}

impl Value {
    pub const fn value_type(&self) -> ValueType {
        match self {
            Self::U32(_) => ValueType::U32,
            Self::U64(_) => ValueType::U64,
            Self::S32(_) => ValueType::S32,
            Self::F64(_) => ValueType::F64,
            Self::Str(_) => ValueType::Str,
        }
    }

    /// The value as one of this type, if both are whole numbers: the nearest one that the type holds.
    #[must_use]
    pub(crate) fn fit(self, to: ValueType) -> Self {
        match (&self, to) {
            (Self::U64(_) | Self::S32(_), ValueType::U32) => {
                Self::U32(u32::try_from(self.as_u64()).unwrap_or(u32::MAX))
            }
            (Self::U32(_) | Self::S32(_), ValueType::U64) => Self::U64(self.as_u64()),
            (Self::U32(_) | Self::U64(_), ValueType::S32) => {
                Self::S32(i32::try_from(self.as_u64()).unwrap_or(i32::MAX))
            }
            _ => self,
        }
    }

    /// The value as a count: 0 for texts and negative numbers.
    pub fn as_u64(&self) -> u64 {
        match self {
            Self::U32(value) => u64::from(*value),
            Self::U64(value) => *value,
            Self::S32(value) => u64::try_from(*value).unwrap_or(0),
            #[expect(clippy::cast_sign_loss, reason = "`as` saturates at 0, which is what a count needs")]
            Self::F64(value) => *value as u64,
            Self::Str(_) => 0,
        }
    }

    /// The text, or nothing of a number.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The value in a JSON document.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::U32(value) => (*value).into(),
            Self::U64(value) => (*value).into(),
            Self::S32(value) => (*value).into(),
            Self::F64(value) => {
                Number::from_f64(*value).map_or(serde_json::Value::Null, serde_json::Value::Number)
            }
            Self::Str(text) => text.as_str().into(),
        }
    }

    /// Appends the bare value. A line break inside a text would end the line, and an empty line the whole answer, so
    /// it becomes a space.
    pub(crate) fn write_plain(&self, out: &mut Vec<u8>) {
        match self {
            Self::Str(text) => put_line(out, text.as_str()),
            number => number.write_number(out),
        }
    }

    /// Appends `"type":"u32","value":1`.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"type\":\"");
        out.extend_from_slice(self.value_type().word().as_bytes());
        out.extend_from_slice(b"\",\"value\":");
        match self {
            Self::Str(text) => put_json(out, text.as_str()),
            number => number.write_number(out),
        }
    }

    fn write_number(&self, out: &mut Vec<u8>) {
        match self {
            Self::U32(value) => put_number(out, *value),
            Self::U64(value) => put_number(out, *value),
            Self::S32(value) => put_number(out, *value),
            Self::F64(value) => put_float(out, *value),
            Self::Str(_) => {}
        }
    }
}

/// What a value is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ValueType {
    U32,
    U64,
    S32,
    F64,
    Str,
}

impl ValueType {
    /// The word of typed lines and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::S32 => "s32",
            Self::F64 => "flt",
            Self::Str => "str",
        }
    }
}

/// How a value moves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Nature {
    Gauge,
    Limit,
    Min,
    Max,
    Rate,
    Counter,
    Duration,
    Age,
    Time,
    Name,
    Output,
    Avg,
}

impl Nature {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gauge => "Gauge",
            Self::Limit => "Limit",
            Self::Min => "Min",
            Self::Max => "Max",
            Self::Rate => "Rate",
            Self::Counter => "Counter",
            Self::Duration => "Duration",
            Self::Age => "Age",
            Self::Time => "Time",
            Self::Name => "Name",
            Self::Output => "Output",
            Self::Avg => "Avg",
        }
    }
}

/// Origin, nature, scope and persistence as four letters (`MGPV`: a gauge measured in this process, lost with it).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tags(pub(crate) &'static str);

impl Tags {
    pub const fn letters(self) -> &'static str {
        self.0
    }

    pub fn origin(self) -> &'static str {
        match self.letter(0) {
            b'M' => "Metric",
            b'S' => "Status",
            b'K' => "Key",
            b'C' => "Config",
            b'P' => "Product",
            _ => "Unknown",
        }
    }

    pub fn nature(self) -> Nature {
        match self.letter(1) {
            b'L' => Nature::Limit,
            b'm' => Nature::Min,
            b'M' => Nature::Max,
            b'R' => Nature::Rate,
            b'C' => Nature::Counter,
            b'D' => Nature::Duration,
            b'A' => Nature::Age,
            b'T' => Nature::Time,
            b'N' => Nature::Name,
            b'O' => Nature::Output,
            b'a' => Nature::Avg,
            _ => Nature::Gauge,
        }
    }

    pub fn scope(self) -> &'static str {
        match self.letter(2) {
            b'P' => "Process",
            b'S' => "Service",
            b's' => "System",
            b'C' => "Cluster",
            _ => "Unknown",
        }
    }

    fn letter(self, at: usize) -> u8 {
        self.0.as_bytes().get(at).copied().unwrap_or(b'?')
    }

    /// Appends `"tags":{…}`; the fourth tag is not in the JSON form.
    pub(crate) fn write_json(self, out: &mut Vec<u8>) {
        for part in [
            "\"tags\":{\"origin\":\"",
            self.origin(),
            "\",\"nature\":\"",
            self.nature().word(),
            "\",\"scope\":\"",
        ] {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(self.scope().as_bytes());
        out.extend_from_slice(b"\"}");
    }
}

pub(crate) fn put_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// `%f` without its trailing zeros, as HAProxy trims it.
fn put_float(out: &mut Vec<u8>, number: f64) {
    let start = out.len();
    // Writing to a Vec cannot fail.
    let _infallible = write!(out, "{number:.6}");
    while out.len() > start && out.last() == Some(&b'0') {
        out.pop();
    }
    if out.last() == Some(&b'.') {
        out.pop();
    }
}

pub(crate) fn put_line(out: &mut Vec<u8>, text: &str) {
    if text.bytes().any(is_break) {
        out.extend(text.bytes().map(|byte| if is_break(byte) { b' ' } else { byte }));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

const fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

pub(crate) fn put_json(out: &mut Vec<u8>, text: &str) {
    // A string into a Vec cannot fail.
    let _infallible = serde_json::to_writer(&mut *out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_trimmed() {
        for (number, text) in
            [(1.929_602, "1.929602"), (1.5, "1.5"), (10.0, "10"), (0.0, "0"), (0.000_000_1, "0")]
        {
            let mut out = Vec::new();
            put_float(&mut out, number);
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
    }

    #[test]
    fn numbers_fit_their_column() {
        for (value, to, fitted) in [
            (Value::U64(5), ValueType::U32, Value::U32(5)),
            (Value::U64(u64::MAX), ValueType::U32, Value::U32(u32::MAX)),
            (Value::S32(-1), ValueType::U32, Value::U32(0)),
            (Value::U32(7), ValueType::U64, Value::U64(7)),
            (Value::U64(1 << 40), ValueType::S32, Value::S32(i32::MAX)),
            (Value::S32(-1), ValueType::S32, Value::S32(-1)),
            (Value::F64(1.5), ValueType::U32, Value::F64(1.5)),
            (Value::from("x"), ValueType::U32, Value::from("x")),
        ] {
            assert_eq!(value.fit(to), fitted);
        }
    }

    #[test]
    fn breaks_become_spaces() {
        let mut out = Vec::new();
        Value::from("a\r\n\nb").write_plain(&mut out);
        assert_eq!(out, b"a   b");
    }
}
