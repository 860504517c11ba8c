//! The syntax of HAProxy's sample expressions, `fetch(args),converter(args)` (configuration manual 7.3): which words are
//! called with what, and where each stands. What a word means is not known here.
//!
//! Arguments are quoted as in HAProxy: `'..'` takes everything as it stands, `".."` all but a backslash, and a
//! backslash stands in front of itself, a blank, a quote, or one of `r`, `n` and `t`.

use std::ops::Range;

/// A fetch, and what is done to its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expr {
    pub fetch: Call,
    pub converters: Vec<Call>,
}

/// A word with its arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    pub name: String,
    /// Where the name stands.
    pub at: Range<usize>,
    pub args: Vec<Arg>,
    /// Where name and arguments stand.
    pub whole: Range<usize>,
}

/// An argument, without its quotes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arg {
    pub text: String,
    pub at: Range<usize>,
}

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wrong {
    pub at: Range<usize>,
    pub message: String,
    /// What stands under the place.
    pub label: String,
}

/// More is a mistake, or malice.
const MOST_CONVERTERS: usize = 64;

impl Expr {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let mut reader = Reader { text, at: 0 };
        reader.skip_blanks();
        let fetch = reader.call("an expression begins with what is fetched, such as `src`")?;
        let mut converters = Vec::new();
        loop {
            reader.skip_blanks();
            let comma = reader.at;
            match reader.next() {
                None => return Ok(Self { fetch, converters }),
                Some(',') => {}
                Some(other) => {
                    let last = converters.last().unwrap_or(&fetch);
                    return Err(wrong(
                        comma..reader.at,
                        format!("a comma is missing behind `{}`", last.name),
                        format!("expected `,` and a converter, not {other:?}"),
                    ));
                }
            }
            reader.skip_blanks();
            if reader.peek().is_none() {
                return Err(wrong(comma..comma + 1, "a comma has a converter behind it", "nothing follows"));
            }
            converters.push(reader.call("a comma has a converter behind it")?);
            if converters.len() > MOST_CONVERTERS {
                let message = format!("an expression has at most {MOST_CONVERTERS} converters");
                return Err(wrong(comma..reader.at, message, "one too many"));
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|c| matches!(c, ' ' | '\t')) {
            self.at += 1;
        }
    }

    /// A name, and its arguments if it has some.
    fn call(&mut self, expected: &str) -> Result<Call, Wrong> {
        let start = self.at;
        while self.peek().is_some_and(is_name) {
            self.at += 1;
        }
        if self.at == start {
            let end = self.peek().map_or(start, |c| start + c.len_utf8());
            return Err(wrong(start..end, expected, "expected a name"));
        }
        let at = start..self.at;
        let args = if self.peek() == Some('(') { self.args()? } else { Vec::new() };
        Ok(Call { name: self.text[at.clone()].to_owned(), at, args, whole: start..self.at })
    }

    fn args(&mut self) -> Result<Vec<Arg>, Wrong> {
        let open = self.at;
        self.at += 1;
        let mut args = Vec::new();
        loop {
            args.push(self.arg(open)?);
            match self.next() {
                Some(',') => {}
                // Nothing between the brackets is no argument.
                _ if args.len() == 1 && args[0].at.is_empty() => return Ok(Vec::new()),
                _ => return Ok(args),
            }
        }
    }

    /// Up to the comma or bracket that ends it, which stays.
    fn arg(&mut self, open: usize) -> Result<Arg, Wrong> {
        let start = self.at;
        let mut text = String::new();
        let mut quote: Option<(char, usize)> = None;
        loop {
            let here = self.at;
            let Some(c) = self.peek() else {
                return Err(match quote {
                    Some((mark, at)) => {
                        wrong(at..at + 1, "a quote is not closed", format!("no {mark} follows"))
                    }
                    None => wrong(open..open + 1, "a bracket is not closed", "no `)` follows"),
                });
            };
            match (c, quote) {
                (',' | ')', None) => return Ok(Arg { text, at: start..here }),
                ('"' | '\'', None) => quote = Some((c, here)),
                (_, Some((mark, _))) if c == mark => quote = None,
                ('\\', None | Some(('"', _))) => {
                    self.at += 1;
                    match self.peek() {
                        Some(escaped @ ('\\' | ' ' | '"' | '\'')) => text.push(escaped),
                        Some('r') => text.push('\r'),
                        Some('n') => text.push('\n'),
                        Some('t') => text.push('\t'),
                        // It stands for itself, and so does what follows.
                        _ => {
                            text.push('\\');
                            continue;
                        }
                    }
                }
                _ => text.push(c),
            }
            self.next();
        }
    }
}

/// What names of fetches and converters are made of.
const fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | ':')
}

fn wrong(at: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Wrong {
    Wrong { at, message: message.into(), label: label.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn args(text: &str) -> Vec<String> {
        Expr::parse(text).unwrap().fetch.args.into_iter().map(|arg| arg.text).collect()
    }

    #[test]
    fn words_and_where_they_stand() {
        let expr = Expr::parse("req.hdr(x-tenant,1),lower , word(1, ,2)").unwrap();
        assert_eq!(expr.fetch.name, "req.hdr");
        assert_eq!(expr.fetch.whole, 0..19);
        assert_eq!(expr.fetch.args[0], Arg { text: "x-tenant".into(), at: 8..16 });
        let names: Vec<&str> = expr.converters.iter().map(|call| &*call.name).collect();
        assert_eq!(names, ["lower", "word"]);
        assert_eq!(expr.converters[1].args[1].text, " ");
        assert_eq!(Expr::parse(" src ").unwrap().fetch.at, 1..4);
        assert_eq!(Expr::parse("base32+src").unwrap().fetch.name, "base32+src");
    }

    #[test]
    fn arguments_are_quoted_as_in_haproxy() {
        for (text, expected) in [
            ("f", &[][..]),
            ("f()", &[]),
            ("f(a)", &["a"]),
            ("f(a,)", &["a", ""]),
            ("f(,)", &["", ""]),
            ("f(\"a,b\",'c)d')", &["a,b", "c)d"]),
            ("f(a\"b\"'c')", &["abc"]),
            (r"f(a\,b)", &[r"a\", "b"]),
            (r#"f("a\"b\\\'c")"#, &[r#"a"b\'c"#]),
            (r#"f('a\n"b')"#, &[r#"a\n"b"#]),
            (r"f(\t\r\n\x\ )", &["\t\r\n\\x "]),
            ("f(' a ')", &[" a "]),
            ("f('')", &[""]),
            ("f(ä)", &["ä"]),
        ] {
            assert_eq!(args(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        for (text, at, part) in [
            ("", 0..0, "begins with what is fetched"),
            ("(a)", 0..1, "begins with what is fetched"),
            ("src lower", 4..5, "comma is missing behind `src`"),
            ("src,lower)", 9..10, "comma is missing behind `lower`"),
            ("src,", 3..4, "nothing follows"),
            ("src,,lower", 4..5, "a comma has a converter"),
            ("hdr(a", 3..4, "bracket is not closed"),
            ("hdr('a)", 4..5, "quote is not closed"),
            ("src ü", 4..6, "comma is missing"),
        ] {
            let wrong = Expr::parse(text).unwrap_err();
            assert_eq!(wrong.at, at, "{text}");
            assert!(format!("{} {}", wrong.message, wrong.label).contains(part), "{text}: {wrong:?}");
        }
        assert!(Expr::parse(&format!("src{}", ",lower".repeat(MOST_CONVERTERS + 1))).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics_and_every_place_is_one(text in "[a-z(),'\"\\\\ .ä]{0,40}") {
            let place = |at: &Range<usize>| text.get(at.clone()).is_some();
            match Expr::parse(&text) {
                Ok(expr) => for call in expr.converters.iter().chain([&expr.fetch]) {
                    prop_assert_eq!(text.get(call.at.clone()), Some(&*call.name));
                    prop_assert!(place(&call.whole) && call.args.iter().all(|arg| place(&arg.at)));
                },
                Err(wrong) => prop_assert!(place(&wrong.at), "{:?}", wrong),
            }
        }

        #[test]
        fn what_is_quoted_comes_back(parts in proptest::collection::vec("[^']{0,8}", 1..4)) {
            let quoted: Vec<String> = parts.iter().map(|part| format!("'{part}'")).collect();
            let expr = Expr::parse(&format!("f({})", quoted.join(","))).unwrap();
            let back: Vec<String> = expr.fetch.args.into_iter().map(|arg| arg.text).collect();
            prop_assert_eq!(back, parts);
        }
    }
}
