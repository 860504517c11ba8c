//! Heads of HTTP/2 compressed and expanded (RFC 7541): what is sent is literal, what is read may be anything.

use std::collections::{HashMap, VecDeque};
use std::sync::OnceLock;

/// Names and values in order; each character is a byte.
pub type Fields = Vec<(String, String)>;

/// What a dynamic table may hold unless its reader says otherwise.
const TABLE: usize = 4096;

/// RFC 7541 appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// How many bits stand for each byte (RFC 7541 appendix B); the code is canonical, so they say all.
const BITS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26,
];

/// The value of the first field of that name.
pub fn get<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
}

/// Fields as literals that no table takes.
pub fn encode(fields: &[(String, String)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.extend(literal(&bytes(name), &bytes(value)));
    }
    out
}

/// One field as a literal that no table takes.
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    for part in [name, value] {
        integer(&mut out, 0, 7, part.len());
        out.extend_from_slice(part);
    }
    out
}

/// Characters as the bytes they stand for.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|it| it as u8).collect()
}

/// A number behind `bits` bits that are taken (RFC 7541 5.1).
fn integer(out: &mut Vec<u8>, start: u8, bits: u8, mut value: usize) {
    let most = (1 << bits) - 1;
    if value < most {
        out.push(start | value as u8);
        return;
    }
    out.push(start | most as u8);
    value -= most;
    while value >= 128 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What one side's table holds.
#[derive(Debug)]
pub struct Decoder {
    table: VecDeque<(String, String)>,
    /// What its writer said it may hold.
    most: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { table: VecDeque::new(), most: TABLE }
    }
}

impl Decoder {
    /// A whole head.
    pub fn decode(&mut self, block: &[u8]) -> Result<Fields, String> {
        let mut rest = block;
        let mut fields = Fields::new();
        while let Some(&first) = rest.first() {
            if first & 0x80 != 0 {
                let index = number(&mut rest, 7)?;
                fields.push(self.entry(index)?);
                continue;
            }
            if first & 0xe0 == 0x20 {
                let most = number(&mut rest, 5)?;
                if most > TABLE || !fields.is_empty() {
                    return Err("a table size out of place or too large".into());
                }
                self.most = most;
                self.shrink();
                continue;
            }
            let indexed = first & 0x40 != 0;
            let index = number(&mut rest, if indexed { 6 } else { 4 })?;
            let name = if index == 0 { text(&mut rest)? } else { self.entry(index)?.0 };
            let field = (name, text(&mut rest)?);
            fields.push(field.clone());
            if indexed {
                self.table.push_front(field);
                self.shrink();
            }
        }
        Ok(fields)
    }

    fn entry(&self, index: usize) -> Result<(String, String), String> {
        let at = index.checked_sub(1).ok_or("index 0")?;
        match STATIC.get(at) {
            Some((name, value)) => Ok(((*name).into(), (*value).into())),
            None => self.table.get(at - STATIC.len()).cloned().ok_or_else(|| format!("index {index}")),
        }
    }

    fn shrink(&mut self) {
        let size = |it: &VecDeque<(String, String)>| {
            it.iter().map(|(name, value)| name.chars().count() + value.chars().count() + 32).sum::<usize>()
        };
        while size(&self.table) > self.most {
            self.table.pop_back();
        }
    }
}

fn number(rest: &mut &[u8], bits: u8) -> Result<usize, String> {
    let (first, more) = rest.split_first().ok_or("a number that is cut")?;
    *rest = more;
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(*first) & most;
    if value < most {
        return Ok(value);
    }
    for shift in (0..28).step_by(7) {
        let (byte, more) = rest.split_first().ok_or("a number that is cut")?;
        *rest = more;
        value += usize::from(byte & 127) << shift;
        if byte & 128 == 0 {
            return Ok(value);
        }
    }
    Err("a number without end".into())
}

fn text(rest: &mut &[u8]) -> Result<String, String> {
    let huffman = rest.first().is_some_and(|it| it & 0x80 != 0);
    let length = number(rest, 7)?;
    let (bytes, more) = rest.split_at_checked(length).ok_or("a text that is cut")?;
    *rest = more;
    let bytes = if huffman { expand(bytes)? } else { bytes.to_vec() };
    Ok(bytes.into_iter().map(char::from).collect())
}

fn expand(bytes: &[u8]) -> Result<Vec<u8>, String> {
    static CODES: OnceLock<HashMap<(u8, u32), u8>> = OnceLock::new();
    let codes = CODES.get_or_init(codes);
    let (mut code, mut length, mut out) = (0_u32, 0_u8, Vec::new());
    for at in 0..bytes.len() * 8 {
        code = code << 1 | u32::from(bytes[at / 8] >> (7 - at % 8) & 1);
        length += 1;
        if let Some(byte) = codes.get(&(length, code)) {
            out.push(*byte);
            (code, length) = (0, 0);
        } else if length == 30 {
            return Err("no Huffman code".into());
        }
    }
    // The rest is the start of the code of the end, all ones.
    if length > 7 || code + 1 != 1 << length {
        return Err("a Huffman text that does not end".into());
    }
    Ok(out)
}

/// Length and code of each byte: in the order of lengths, and of bytes within one, each is one more than the last.
fn codes() -> HashMap<(u8, u32), u8> {
    let mut order: Vec<u8> = (0..=255).collect();
    order.sort_by_key(|it| BITS[usize::from(*it)]);
    let (mut code, mut length) = (0_u32, BITS[usize::from(order[0])]);
    let mut codes = HashMap::new();
    for byte in order {
        let bits = BITS[usize::from(byte)];
        code <<= bits - length;
        length = bits;
        codes.insert((length, code), byte);
        code += 1;
    }
    codes
}

/// What no head may have (RFC 9113 8.2 and 8.3).
pub fn judge(fields: &Fields) -> Result<(), String> {
    const HOP: [&str; 5] = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
    let pseudo = fields.iter().take_while(|(name, _)| name.starts_with(':')).count();
    for (index, (name, value)) in fields.iter().enumerate() {
        let bare = name.strip_prefix(':').unwrap_or(name);
        let token =
            |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&it);
        if bare.is_empty() || !bare.bytes().all(token) {
            return Err(format!("field name {name:?}"));
        }
        if name.starts_with(':') && (index >= pseudo || fields[..index].iter().any(|(it, _)| it == name)) {
            return Err(format!("{name} once more, or behind fields"));
        }
        let blank = |it: char| it == ' ' || it == '\t';
        if value.contains(['\r', '\n', '\0']) || value.starts_with(blank) || value.ends_with(blank) {
            return Err(format!("value {value:?} of {name}"));
        }
        if HOP.contains(&name.as_str()) || (name == "te" && value != "trailers") {
            return Err(format!("{name}: {value} is of HTTP/1.1"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.bytes().filter_map(|it| char::from(it).to_digit(16)).map(|it| it as u8).collect();
        digits.chunks(2).map(|it| it[0] << 4 | it[1]).collect()
    }

    fn show(fields: &Fields) -> String {
        fields.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let mut decoder = Decoder::default();
        let first = decoder.decode(&hex("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff")).unwrap();
        assert_eq!(show(&first), ":method: GET, :scheme: http, :path: /, :authority: www.example.com");
        let second = decoder.decode(&hex("8286 84be 5886 a8eb 1064 9cbf")).unwrap();
        assert_eq!(show(&second[3..].to_vec()), ":authority: www.example.com, cache-control: no-cache");
        let third = "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf";
        let third = decoder.decode(&hex(third)).unwrap();
        assert_eq!(show(&third[4..].to_vec()), "custom-key: custom-value");
    }

    #[test]
    fn there_and_back() {
        let fields = vec![("a".into(), "b".repeat(300)), (":x".into(), String::new())];
        assert_eq!(Decoder::default().decode(&encode(&fields)), Ok(fields));
        let mut decoder = Decoder::default();
        for bad in ["be", "80", "ff80808080", "3fe23f", "0081", "00", "0001", "000183ffffff"] {
            assert!(decoder.decode(&hex(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn judges_as_strictly_as_one_may() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(judge(&vec![field(":status", "200"), field("te", "trailers")]), Ok(()));
        for bad in [
            vec![field("X", "")],
            vec![field("", "")],
            vec![field(":a", ""), field(":a", "")],
            vec![field("a", ""), field(":a", "")],
            vec![field("a", "b\rc")],
            vec![field("a", " b")],
            vec![field("connection", "close")],
            vec![field("te", "gzip")],
        ] {
            assert!(judge(&bad).is_err(), "{bad:?}");
        }
    }
}
