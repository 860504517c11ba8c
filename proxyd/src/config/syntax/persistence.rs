//! `persistence` and `persist` of backends, and the `cookie` of a server.

use super::super::http::is_token;
use super::super::persistence::{Cookie, CookieMode, Persist};
use super::super::reference::{COOKIE, PERSIST};
use super::super::report::{Diagnostic, Report, Span};
use super::super::shape::{Fields, Value, no_choice};
use super::super::span::{Kind, Node, Spanned};
use super::super::words::{COOKIE_MODES, PERSISTENCES, PersistenceWord, SAME_SITES};
use super::condition;

/// `persistence: cookie(..)` as written, over the defaults.
#[derive(Debug)]
pub(in crate::config) struct WrittenCookie {
    pub(in crate::config) span: Span,
    /// Its key is read later.
    pub(in crate::config) cookie: Cookie,
    /// Where each setting stands that was written.
    pub(in crate::config) places: Vec<(&'static str, Span)>,
    pub(in crate::config) key: Option<WrittenKey>,
}

/// `key` as written.
#[derive(Debug)]
pub(in crate::config) enum WrittenKey {
    Text(Spanned<String>),
    File(Spanned<String>),
}

impl WrittenCookie {
    /// Where a setting stands, if it was written.
    pub(in crate::config) fn place(&self, name: &str) -> Option<Span> {
        self.places.iter().find(|(known, _)| *known == name).map(|(_, span)| *span)
    }
}

/// Reads `persistence`.
pub(super) fn persistence(fields: &Fields<'_, '_>, report: &mut Report) -> Option<WrittenCookie> {
    let value = fields.get("persistence")?;
    let (word, settings) = match &value.node.kind {
        Kind::Word(word) => (*word, None),
        Kind::Variant(word, settings) => (*word, Some(&**settings)),
        kind => {
            let found = kind.described();
            report.push(
                Diagnostic::error("wrong-type", format!("`persistence` takes `cookie(..)`, not {found}"))
                    .at(value.node.span, "expected cookie(..)")
                    .help("write `persistence: cookie(name: \"SRV\")`"),
            );
            return None;
        }
    };
    let Some(PersistenceWord::Cookie) = PERSISTENCES.find(word) else {
        report.push(no_choice(word, value, &PERSISTENCES));
        return None;
    };
    let Some(settings) = settings else {
        report.push(
            Diagnostic::error("missing-setting", format!("{} needs `name`", COOKIE.what))
                .at(value.node.span, "`name` is missing here")
                .help("write `persistence: cookie(name: \"SRV\")`"),
        );
        return None;
    };
    let fields = Fields::open(settings, &COOKIE, report)?;
    fields.complete(report);
    cookie(&fields, settings.span, report)
}

fn cookie(fields: &Fields<'_, '_>, span: Span, report: &mut Report) -> Option<WrittenCookie> {
    let places =
        COOKIE.fields.iter().filter_map(|field| Some((field.name, fields.get(field.name)?.node.span)));
    let places = places.collect();
    let mut flag =
        |name| fields.get(name).and_then(|value| Some(value.boolean(report)?.value)).unwrap_or(false);
    let (indirect, nocache, post_only, preserve) =
        (flag("indirect"), flag("nocache"), flag("post_only"), flag("preserve"));
    let (httponly, secure, dynamic) = (flag("httponly"), flag("secure"), flag("dynamic"));
    let mut duration = |name| Some(fields.get(name)?.duration(report)?.value);
    let (max_idle, max_life) = (duration("max_idle"), duration("max_life"));
    let mut texts = |name: &'static str| -> Vec<Spanned<String>> {
        let Some(value) = fields.get(name) else { return Vec::new() };
        match value.node.kind {
            // One may stand alone.
            Kind::Text(_) => value.text(report).into_iter().collect(),
            _ => value
                .list(report)
                .unwrap_or_default()
                .into_iter()
                .filter_map(|one| one.text(report))
                .collect(),
        }
    };
    let (domains, attributes) = (texts("domain"), texts("attr"));
    let path = fields.get("path").and_then(|value| value.text(report));
    let name = fields.get("name").and_then(|value| value.text(report));
    let name = name.and_then(|name| checked(name, is_name, "the name of a cookie", NAME, report));
    let mode = fields.get("mode").and_then(|value| value.choice(&COOKIE_MODES, report));
    let samesite = fields.get("samesite").and_then(|value| value.choice(&SAME_SITES, report));
    let all = |texts: Vec<Spanned<String>>, what, expected, report: &mut Report| -> Vec<String> {
        texts.into_iter().filter_map(|text| checked(text, is_attribute, what, expected, report)).collect()
    };
    let domains = all(domains, "a domain of a cookie", ATTRIBUTE, report);
    let attributes = all(attributes, "an attribute of a cookie", ATTRIBUTE, report);
    let path = path.and_then(|path| checked(path, is_path, "a path of a cookie", PATH, report));
    let key = fields.get("key").and_then(|value| key(value, report));
    Some(WrittenCookie {
        span,
        cookie: Cookie {
            name: name?,
            mode: mode.map_or(CookieMode::Insert, |mode| mode.value),
            indirect,
            nocache,
            post_only,
            preserve,
            httponly,
            secure,
            samesite: samesite.map(|samesite| samesite.value),
            domains,
            path: path.unwrap_or_else(|| "/".to_owned()),
            attributes,
            max_idle,
            max_life,
            dynamic,
            key: None,
        },
        places,
        key,
    })
}

/// `"secret"` or `file("secret.key")`.
fn key(value: Value<'_, '_>, report: &mut Report) -> Option<WrittenKey> {
    let file = match &value.node.kind {
        Kind::Text(text) if text.is_empty() => {
            report.push(Diagnostic::error("empty-key", "the key is empty").at(value.node.span, ""));
            return None;
        }
        Kind::Text(_) => return value.text(report).map(WrittenKey::Text),
        Kind::Variant("file", inner) => match &inner.kind {
            Kind::Tuple(values) => match values.as_slice() {
                [node @ Node { kind: Kind::Text(path), .. }] => {
                    Some(Spanned { value: path.clone(), span: node.span })
                }
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    if file.is_none() {
        report.push(
            Diagnostic::error("wrong-type", "`key` takes a string, or the file that holds it")
                .at(value.node.span, "expected `file(\"/etc/proxyd/cookie.key\")`"),
        );
    }
    file.map(WrittenKey::File)
}

/// The `cookie` of a server.
pub(super) fn value(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Spanned<String>> {
    let text = fields.get("cookie")?.text(report)?;
    let span = text.span;
    let value = checked(text, is_value, "the value of a cookie", VALUE, report)?;
    Some(Spanned { value, span })
}

const NAME: &str = "it has letters, digits and some signs, but no blanks, `;`, `,` or `=`";
const VALUE: &str = "it has letters, digits and most signs, but no blanks, `;`, `,`, quotes, `|` or `~`";
const PATH: &str = "it starts with `/`, and has no `;`";
const ATTRIBUTE: &str = "it has no `;`, and nothing that cannot be printed";

fn checked(
    text: Spanned<String>,
    right: impl Fn(&str) -> bool,
    what: &str,
    expected: &str,
    report: &mut Report,
) -> Option<String> {
    if !text.value.is_empty() && right(&text.value) {
        return Some(text.value);
    }
    report.push(
        Diagnostic::error("bad-cookie", format!("{:?} cannot be {what}", text.value)).at(text.span, expected),
    );
    None
}

/// A `$` would be taken for an attribute.
fn is_name(text: &str) -> bool {
    is_token(text) && !text.contains('$')
}

/// RFC 6265 4.1.1, without what ends a server's part of a value.
fn is_value(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !b";,\"\\|~".contains(&byte))
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && is_attribute(text)
}

fn is_attribute(text: &str) -> bool {
    text.bytes().all(|byte| (byte.is_ascii_graphic() || byte == b' ') && byte != b';')
}

/// `persist` with its place.
pub(super) fn persist(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Spanned<Persist>> {
    let value = fields.get("persist")?;
    let fields = value.section(&PERSIST, report)?;
    let mut conditions =
        |name| fields.get(name).map(|value| condition::list(value, report)).unwrap_or_default();
    let (ignore, force) = (conditions("ignore"), conditions("force"));
    let try_down =
        fields.get("try_down").and_then(|value| Some(value.boolean(report)?.value)).unwrap_or(false);
    Some(Spanned { value: Persist { ignore, force, try_down }, span: value.node.span })
}
