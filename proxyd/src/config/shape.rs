//! Reads typed values out of the tree: each that is not what its setting takes is reported, and reading goes on.

use std::ops::RangeInclusive;
use std::time::Duration;

use proto::units;

use super::print;
use super::reference::{Preset, SECTIONS, Section};
use super::report::{Diagnostic, Report, Span};
use super::span::{Kind, Node, Spanned};
use super::words::{self, Choices};

/// What timers can tell apart.
const SHORTEST: Duration = Duration::from_millis(1);

/// Nothing needs to wait longer, and sums of deadlines stay far from overflow.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// The settings of one section.
#[derive(Debug)]
pub(super) struct Fields<'n, 'a> {
    section: &'static Section,
    /// The section as a whole.
    pub(super) span: Span,
    fields: Vec<(Spanned<&'a str>, &'n Node<'a>)>,
}

/// A value and the setting it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'n, 'a> {
    pub(super) name: &'static str,
    pub(super) node: &'n Node<'a>,
}

impl<'n, 'a> Fields<'n, 'a> {
    /// Reads `( )`; what is no setting of the section is reported and left out.
    pub(super) fn open(node: &'n Node<'a>, section: &'static Section, report: &mut Report) -> Option<Self> {
        let Kind::Struct(pairs) = &node.kind else {
            report.push(not_a_section(node, section));
            return None;
        };
        let mut fields: Vec<(Spanned<&'a str>, &'n Node<'a>)> = Vec::new();
        for (name, value) in pairs {
            if let Some((first, _)) = fields.iter().find(|(known, _)| known.value == name.value) {
                report.push(
                    Diagnostic::error("set-twice", format!("`{}` is set twice", name.value))
                        .at(name.span, "the second time")
                        .at(first.span, "the first time"),
                );
            } else if section.has(name.value) {
                fields.push((name.clone(), value));
            } else {
                report.push(unknown(name, section));
            }
        }
        Some(Self { section, span: node.span, fields })
    }

    /// Whether the section has such a setting at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.section.has(name)
    }

    /// A setting, if it was written.
    pub(super) fn get(&self, name: &'static str) -> Option<Value<'n, 'a>> {
        debug_assert!(self.section.has(name), "{name} of {}", self.section.title);
        let (_, node) = self.fields.iter().find(|(field, _)| field.value == name)?;
        match &node.kind {
            Kind::Word("None") => None,
            Kind::Variant("Some", inner) => match &inner.kind {
                Kind::Tuple(values) => values.first().map(|node| Value { name, node }),
                _ => Some(Value { name, node: inner }),
            },
            _ => Some(Value { name, node }),
        }
    }

    /// Reports required settings that were not written.
    pub(super) fn complete(&self, report: &mut Report) {
        self.complete_but(&[], report);
    }

    /// The same, where some of them may be missing.
    pub(super) fn complete_but(&self, spared: &[&str], report: &mut Report) {
        for field in self.section.fields {
            let required = matches!(field.preset, Preset::Required) && !spared.contains(&field.name);
            if required && self.get(field.name).is_none() {
                let what = self.section.what;
                let diagnostic =
                    Diagnostic::error("missing-setting", format!("{what} needs `{}`", field.name))
                        .at(self.head(), format!("`{}` is missing here", field.name));
                report.push(match field.name {
                    "default_backend" => {
                        diagnostic.help("name the backend that gets its traffic: `default_backend: \"app\"`")
                    }
                    _ => diagnostic,
                });
            }
        }
    }

    /// Where a section is named, for labels: its `name`, else its opening bracket.
    pub(super) fn head(&self) -> Span {
        let name = self.fields.iter().find(|(field, _)| field.value == "name").map(|(_, node)| node.span);
        name.unwrap_or(Span { end: self.span.start + 1, ..self.span })
    }
}

fn not_a_section(node: &Node<'_>, section: &Section) -> Diagnostic {
    let first = section.fields.first().map_or("name", |field| field.name);
    let (wrong, expected) = match node.kind {
        Kind::Tuple(_) => {
            (format!("settings of {} are written with their names", section.what), "`name: value`")
        }
        _ => (format!("{} is written in ( ), not as {}", section.what, node.kind.described()), "`(`"),
    };
    let diagnostic = Diagnostic::error("wrong-type", wrong).at(node.span, format!("expected {expected}"));
    match (section.title, &node.kind) {
        ("servers", Kind::Text(address)) => {
            diagnostic.help(format!("write `(name: \"app1\", address: {address:?})`"))
        }
        ("global.metrics", Kind::Text(address)) => diagnostic.help(format!("write `(bind: {address:?})`")),
        ("global.sockets", Kind::Text(path)) => diagnostic.help(format!("write `(path: {path:?})`")),
        ("check: http(..)", Kind::Tuple(values))
            if let [Node { kind: Kind::Text(path), .. }] = values.as_slice() =>
        {
            diagnostic.help(format!("write `http(path: {path:?})`"))
        }
        ("balance: random(..)", Kind::Tuple(values))
            if let [Node { kind: Kind::Number(draws), .. }] = values.as_slice() =>
        {
            diagnostic.help(format!("write `random(draws: {draws})`"))
        }
        ("defaults.retries", Kind::Number(max)) => diagnostic.help(format!("write `(max: {max})`")),
        _ => diagnostic.help(format!("write `({first}: ..)`")),
    }
}

fn unknown(name: &Spanned<&str>, section: &Section) -> Diagnostic {
    let (word, span) = (name.value, name.span);
    if section.later.contains(&word) {
        return not_yet(&format!("`{word}` of {}", section.what), span);
    }
    let belongs: Vec<&str> =
        SECTIONS.iter().filter(|other| other.has(word)).map(|other| other.what).collect();
    let message = format!("`{word}` is not a setting of {}", section.what);
    if let Some(help) = words::haproxy(word) {
        return Diagnostic::error("haproxy-spelling", message).at(span, "").help(help);
    }
    if word != "name" && !belongs.is_empty() {
        let places = in_words(&belongs);
        return Diagnostic::error("misplaced-setting", message)
            .at(span, format!("it is a setting of {places}"));
    }
    let diagnostic = Diagnostic::error("unknown-setting", message);
    let names = section.fields.iter().map(|field| field.name);
    if let Some(near) = words::nearest(word, names.clone()) {
        return diagnostic.at(span, format!("did you mean `{near}`?"));
    }
    if let Some(near) = words::nearest(word, section.later.iter().copied()) {
        return diagnostic.at(span, format!("did you mean `{near}`? It is not supported yet"));
    }
    diagnostic.at(span, "").help(format!("it has {}", words::list(names, "and")))
}

/// `a`, `b` and `c`
fn in_words(parts: &[&str]) -> String {
    match parts.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => parts.concat(),
    }
}

/// What the design has and the program has not.
fn not_yet(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error("not-supported-yet", format!("{what} is not supported yet")).at(span, "")
}

impl<'n, 'a> Value<'n, 'a> {
    /// Reports that the setting takes something else.
    fn mismatch(self, expected: &str) -> Diagnostic {
        let found = self.node.kind.described();
        Diagnostic::error("wrong-type", format!("`{}` takes {expected}, not {found}", self.name))
            .at(self.node.span, format!("expected {expected}"))
    }

    pub(super) fn text(self, report: &mut Report) -> Option<Spanned<String>> {
        match &self.node.kind {
            Kind::Text(text) => Some(Spanned { value: text.clone(), span: self.node.span }),
            Kind::Word(word) => {
                report.push(self.mismatch("a string").help(format!("write it in quotes: \"{word}\"")));
                None
            }
            _ => {
                report.push(self.mismatch("a string"));
                None
            }
        }
    }

    pub(super) fn number(self, range: RangeInclusive<u32>, report: &mut Report) -> Option<Spanned<u32>> {
        let Kind::Number(written) = self.node.kind else {
            let diagnostic = self.mismatch("a number");
            let plain = matches!(&self.node.kind, Kind::Text(text) if text.parse::<u32>().is_ok());
            report.push(diagnostic.help(if plain {
                "write it without quotes"
            } else {
                "counts are plain numbers, such as 50_000"
            }));
            return None;
        };
        if let Ok(value) = ron::from_str::<u32>(written)
            && range.contains(&value)
        {
            return Some(Spanned { value, span: self.node.span });
        }
        let whole = ron::from_str::<i64>(written).is_ok();
        let message = if whole {
            format!("`{}` is out of range", self.name)
        } else {
            format!("`{}` takes a whole number", self.name)
        };
        let label = match *range.end() {
            u32::MAX => format!("expected a number from {}", range.start()),
            last => format!("expected a number from {} to {last}", range.start()),
        };
        report.push(Diagnostic::error("out-of-range", message).at(self.node.span, label));
        None
    }

    pub(super) fn boolean(self, report: &mut Report) -> Option<Spanned<bool>> {
        let value = match self.node.kind {
            Kind::Word("true") => true,
            Kind::Word("false") => false,
            _ => {
                report.push(self.mismatch("`true` or `false`"));
                return None;
            }
        };
        Some(Spanned { value, span: self.node.span })
    }

    /// A length of time that can be waited for.
    pub(super) fn duration(self, report: &mut Report) -> Option<Spanned<Duration>> {
        let span = self.node.span;
        let text = match &self.node.kind {
            Kind::Text(text) => text,
            Kind::Number(number) => {
                report.push(
                    Diagnostic::error("missing-unit", format!("`{}` needs a unit", self.name))
                        .at(span, "expected a duration")
                        .help(format!("write \"{number}s\" for seconds or \"{number}ms\" for milliseconds")),
                );
                return None;
            }
            _ => {
                report.push(self.mismatch("a duration").help("write a string with a unit, such as \"5s\""));
                return None;
            }
        };
        let refused = match units::parse_duration(text) {
            Ok(value) if value < SHORTEST => "it is at least \"1ms\"".to_owned(),
            Ok(value) if value > LONGEST => "it is at most \"365d\"".to_owned(),
            Ok(value) => return Some(Spanned { value, span }),
            Err(error) => error.to_string(),
        };
        report.push(
            Diagnostic::error("bad-duration", format!("`{}` is not a duration that can be used", self.name))
                .at(span, refused),
        );
        None
    }

    /// A number of bytes.
    pub(super) fn size(self, range: RangeInclusive<u64>, report: &mut Report) -> Option<Spanned<u64>> {
        let span = self.node.span;
        let Kind::Text(text) = &self.node.kind else {
            report.push(self.mismatch("a size").help("write a string with a unit, such as \"16KiB\""));
            return None;
        };
        let refused = match units::parse_size(text) {
            Ok(value) if value < *range.start() => format!("it is at least {}", print::size(*range.start())),
            Ok(value) if value > *range.end() => format!("it is at most {}", print::size(*range.end())),
            Ok(value) => return Some(Spanned { value, span }),
            Err(error) => error.to_string(),
        };
        report.push(
            Diagnostic::error("bad-size", format!("`{}` is not a size that can be used", self.name))
                .at(span, refused),
        );
        None
    }

    /// A share from 0 to 100 percent.
    pub(super) fn percent(self, report: &mut Report) -> Option<Spanned<u32>> {
        let Kind::Text(text) = &self.node.kind else {
            report.push(self.mismatch("a share").help("write a string with a percent sign, such as \"20%\""));
            return None;
        };
        let number = text.strip_suffix('%').and_then(|number| number.parse().ok());
        if let Some(value) = number.filter(|value| *value <= 100) {
            return Some(Spanned { value, span: self.node.span });
        }
        report.push(
            Diagnostic::error("bad-share", format!("`{}` is not a share", self.name))
                .at(self.node.span, "expected \"0%\" to \"100%\""),
        );
        None
    }

    /// One of a closed set of words; `word()` counts as `word`.
    pub(super) fn choice<T: Clone>(
        self,
        choices: &'static Choices<T>,
        report: &mut Report,
    ) -> Option<Spanned<T>> {
        let span = self.node.span;
        let word = match &self.node.kind {
            Kind::Word(word) | Kind::Variant(word, _) => *word,
            Kind::Text(word) if choices.find(word).is_some() => {
                report.push(
                    Diagnostic::error("wrong-type", format!("`{}` takes a word, not a string", self.name))
                        .at(span, format!("write it without quotes: {word}")),
                );
                return None;
            }
            _ => {
                let expected = format!("one of {}", choices.listed());
                report.push(self.mismatch(&expected));
                return None;
            }
        };
        if let Some(value) = choices.find(word) {
            if let Kind::Variant(_, settings) = &self.node.kind
                && !matches!(&settings.kind, Kind::Struct(fields) if fields.is_empty())
            {
                report.push(
                    Diagnostic::error("wrong-type", format!("`{word}` has no settings"))
                        .at(settings.span, "nothing is expected here"),
                );
            }
            Some(Spanned { value, span })
        } else {
            report.push(no_choice(word, self, choices));
            None
        }
    }

    /// The values of a list.
    pub(super) fn list(self, report: &mut Report) -> Option<Vec<Self>> {
        let Kind::List(nodes) = &self.node.kind else {
            let inner = match &self.node.kind {
                Kind::Text(text) => format!("{text:?}"),
                Kind::Word(word) => (*word).to_owned(),
                _ => "..".to_owned(),
            };
            report.push(
                self.mismatch("a list").help(format!("write `{}: [{inner}]`, even for one", self.name)),
            );
            return None;
        };
        Some(nodes.iter().map(|node| Value { name: self.name, node }).collect())
    }

    /// The settings of a section.
    pub(super) fn section(self, section: &'static Section, report: &mut Report) -> Option<Fields<'n, 'a>> {
        Fields::open(self.node, section, report)
    }
}

/// A word that is none of a set.
pub(super) fn no_choice<T: Clone>(word: &str, value: Value<'_, '_>, choices: &Choices<T>) -> Diagnostic {
    let span = value.node.span;
    if choices.later.contains(&word) {
        return not_yet(&format!("`{word}` as {}", choices.what), span);
    }
    let message = format!("`{word}` is not {}", choices.what);
    if let Some(help) = words::haproxy(word) {
        return Diagnostic::error("haproxy-spelling", message).at(span, "").help(help);
    }
    let diagnostic = Diagnostic::error("unknown-word", message);
    let names = choices.known.iter().map(|(name, _)| *name);
    match words::nearest(word, names) {
        Some(near) => diagnostic.at(span, format!("did you mean `{near}`?")),
        None => diagnostic.at(span, format!("expected {}", choices.listed())),
    }
}
