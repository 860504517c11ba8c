//! Cases of raw bytes with a verdict beside each, from the text files of `tests/corpus`; its README has the form.
//!
//! The parser is strict: a slip in a file is an error with its line, never a case that tests something else.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::thread;

use crate::wire::{Body, Head};

/// Longest run a repetition may stand for.
const MOST: usize = 1 << 20;

/// One case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Case {
    pub name: String,
    /// Line of its name.
    pub line: usize,
    /// All `key = value`, escapes undone, in order.
    pub fields: Vec<(String, Vec<u8>)>,
    /// What is sent.
    pub bytes: Vec<u8>,
    /// The lines it stands in, as they were written.
    pub lines: Vec<(usize, String)>,
}

impl Case {
    /// All values of that key.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |(it, _)| it == key).map(|(_, value)| value.as_slice())
    }

    /// The first value of that key.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.fields.iter().find(|(it, _)| it == key).map(|(_, value)| value.as_slice())
    }

    /// The first value of that key as text; bytes beyond ASCII are those of Latin-1.
    pub fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(latin1)
    }

    /// What a message has not that `wanted` names, and has that `barred` does; and whether its body is another.
    pub fn differs(&self, head: &Head, body: &Body, wanted: &str, barred: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        for wanted in self.all(wanted).map(latin1) {
            let (name, value) = wanted.split_once(": ").expect("a field");
            if !head.fields.iter().any(|(it, found)| it.eq_ignore_ascii_case(name) && found == value) {
                wrong.push(format!("{wanted} is not in {:?}", head.fields));
            }
        }
        for barred in self.all(barred).map(latin1).filter(|it| head.get(it).is_some()) {
            wrong.push(format!("{barred} is in {:?}", head.fields));
        }
        if self.get("body").is_some_and(|it| it != body.bytes) {
            wrong.push(format!("the body is {:?}", latin1(&body.bytes)));
        }
        wrong
    }
}

/// Every byte a character.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// Every file of a folder, on a thread of its own, by `file`, which says what was wrong; fails if anything was.
pub fn run(
    name: &str,
    keys: &[&str],
    least: usize,
    file: impl Fn(&str, &[Case]) -> Vec<String> + Send + Sync,
) {
    let files = folder(name, keys);
    let count: usize = files.iter().map(|(_, cases)| cases.len()).sum();
    assert!(count >= least, "{count} cases");
    let wrong: Vec<String> = thread::scope(|scope| {
        let file = &file;
        let threads: Vec<_> =
            files.iter().map(|(name, cases)| scope.spawn(move || file(name, cases))).collect();
        threads.into_iter().flat_map(|it| it.join().expect("what is above says why")).collect()
    });
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Every `*.txt` of a folder of `tests/corpus`: its name and its cases.
pub fn folder(name: &str, keys: &[&str]) -> Vec<(String, Vec<Case>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let path = entry.expect("a file of the corpus").path();
        assert!(path.extension().is_some_and(|it| it == "txt"), "{} is no text file", path.display());
        let text = fs::read_to_string(&path).expect("a text");
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let cases = parse(&text, keys).unwrap_or_else(|error| crate::fail(&format!("{stem}.txt: {error}")));
        files.push((stem, cases));
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// Reads a file; `why` and `verdict` must stand in every case, `keys` may.
pub fn parse(text: &str, keys: &[&str]) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    let mut names = HashSet::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let error = |what: &str| Err(format!("line {number}: {what}: {line:?}"));
        if let Some(odd) = line.chars().find(|it| !(' '..='~').contains(it)) {
            return error(&format!("{odd:?} is to be written as an escape"));
        }
        if line.ends_with(' ') {
            return error("a blank at the end is not seen; write \\x20");
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let Some(name) = name.strip_suffix(']').filter(|it| !it.is_empty()) else {
                return error("a name stands in brackets");
            };
            if !names.insert(name) {
                return error("this name is taken");
            }
            if let Some(last) = cases.last() {
                check(last)?;
            }
            cases.push(Case { name: name.into(), line: number, ..Case::default() });
            continue;
        }
        let Some(case) = cases.last_mut() else { return error("a case begins with its name") };
        if let Some(bytes) = line.strip_prefix("> ") {
            match unescape(bytes) {
                Ok(unescaped) => case.bytes.extend(unescaped),
                Err(what) => return error(&what),
            }
            case.lines.push((number, bytes.into()));
            continue;
        }
        let Some((key, value)) = line.split_once(" = ").or_else(|| Some((line.strip_suffix(" =")?, "")))
        else {
            return error("neither `key = value` nor `> bytes`");
        };
        if !case.bytes.is_empty() {
            return error("bytes stand at the end of a case");
        }
        if !["why", "verdict"].contains(&key) && !keys.contains(&key) {
            return error("an unknown key");
        }
        match unescape(value) {
            Ok(value) => case.fields.push((key.into(), value)),
            Err(what) => return error(&what),
        }
    }
    cases.last().map_or_else(|| Err("no case".into()), check)?;
    Ok(cases)
}

fn check(case: &Case) -> Result<(), String> {
    for key in ["why", "verdict"] {
        if case.all(key).count() != 1 {
            return Err(format!("line {}: [{}] needs one {key}", case.line, case.name));
        }
    }
    if case.bytes.is_empty() {
        return Err(format!("line {}: [{}] has no bytes", case.line, case.name));
    }
    Ok(())
}

/// Undoes `\r`, `\n`, `\t`, `\0`, `\\`, `\xHH`, and `\{N*text}`, which is the text N times.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[1..];
        if c != '\\' {
            out.push(c as u8);
            continue;
        }
        let kind = rest.chars().next().ok_or("a backslash at the end")?;
        rest = &rest[1..];
        match kind {
            'r' => out.push(b'\r'),
            'n' => out.push(b'\n'),
            't' => out.push(b'\t'),
            '0' => out.push(0),
            '\\' => out.push(b'\\'),
            'x' => {
                let digits = rest.get(..2).filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
                let digits = digits.ok_or("two digits follow \\x")?;
                out.push(u8::from_str_radix(digits, 16).map_err(|error| error.to_string())?);
                rest = &rest[2..];
            }
            '{' => {
                let (inner, after) = rest.split_once('}').ok_or("a repetition without its end")?;
                let (times, inner) = inner.split_once('*').ok_or("a repetition is \\{N*text}")?;
                let times: usize = times.parse().map_err(|_no_number| "a repetition is \\{N*text}")?;
                let inner = unescape(inner)?;
                if inner.is_empty() || times * inner.len() > MOST {
                    return Err("a repetition of nothing, or of too much".into());
                }
                out.extend(inner.repeat(times));
                rest = after;
            }
            other => return Err(format!("no escape: \\{other}")),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_to_the_byte() {
        let text = "# about\n\n[one]\nwhy = RFC\nverdict = ok\nkey = a\\x20\n> a\\r\\n\n> \\{3*b\\0}\\\\\n\n[two]\nwhy = x\nverdict = y\n> \\xfF\n";
        let cases = parse(text, &["key"]).unwrap();
        assert_eq!(cases[0].bytes, b"a\r\nb\0b\0b\0\\");
        assert_eq!((cases[0].get("key"), cases[0].line), (Some(&b"a "[..]), 3));
        assert_eq!((cases[1].name.as_str(), cases[1].bytes.as_slice()), ("two", &[0xff][..]));
    }

    #[test]
    fn slips_are_errors() {
        let head = "[a]\nwhy = x\nverdict = y\n";
        for (text, message) in [
            ("", "no case"),
            ("> a\n", "begins with its name"),
            ("[a]\n> a\n", "needs one why"),
            ("[a]\nwhy = x\nverdict = y\n", "has no bytes"),
            ("[a\n", "in brackets"),
            (&format!("{head}> a\n{head}> a\n"), "taken"),
            (&format!("{head}other = a\n> a\n"), "unknown key"),
            (&format!("{head}why = a\n> a\n"), "needs one why"),
            (&format!("{head}> a\nkey = a\n"), "at the end of a case"),
            (&format!("{head}>a\n"), "neither"),
            (&format!("{head}> a \n"), "not seen"),
            (&format!("{head}> a\t\n"), "as an escape"),
            (&format!("{head}> \\q\n"), "no escape"),
            (&format!("{head}> \\x1\n"), "two digits"),
            (&format!("{head}> \\\n"), "a backslash"),
            (&format!("{head}> \\{{3*a\n"), "without its end"),
            (&format!("{head}> \\{{a}}\n"), "a repetition is"),
            (&format!("{head}> \\{{99999999*a}}\n"), "too much"),
        ] {
            let error = parse(text, &["key"]).unwrap_err();
            assert!(error.contains(message), "{text:?}: {error}");
        }
    }
}
