//! The certificate a client showed, as servers and the access log are told of it.
//!
//! Whoever signs certificates may put any bytes into their names: a header is only ever given printable ASCII, in a
//! form that nothing else has.

use aws_lc_rs::digest::{self, Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use proto::timestamp::civil;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};

use crate::config::tls::facts::{attribute_name, hexadecimal};
use crate::config::{CertField, ClientCertHeader};

/// What a certificate says of itself; a part that cannot be read is empty.
#[derive(Debug, Default)]
pub struct Shown {
    pub subject: Name,
    pub issuer: Name,
    /// Upper-case hexadecimal, as the others.
    pub serial: String,
    pub sha1: String,
    pub sha256: String,
    validity: Option<(i64, i64)>,
    names: Vec<String>,
}

/// A distinguished name: kinds of attributes, and their values as they stand.
#[derive(Debug, Default)]
pub struct Name(Vec<(String, Box<[u8]>)>);

impl Name {
    fn of(name: &X509Name<'_>) -> Self {
        let attributes = name.iter_attributes().map(|attribute| {
            let oid = attribute.attr_type().to_id_string();
            (attribute_name(&oid).to_owned(), attribute.as_slice().into())
        });
        Self(attributes.collect())
    }

    /// `/C=DE/CN=someone`, with the values as they stand.
    pub fn one_line(&self) -> Vec<u8> {
        self.joined(Vec::extend_from_slice)
    }

    fn joined(&self, write: impl Fn(&mut Vec<u8>, &[u8])) -> Vec<u8> {
        let mut line = Vec::new();
        for (kind, value) in &self.0 {
            line.push(b'/');
            line.extend_from_slice(kind.as_bytes());
            line.push(b'=');
            write(&mut line, value);
        }
        line
    }

    /// The first common name.
    pub fn common(&self) -> &[u8] {
        self.0.iter().find(|(kind, _)| kind == "CN").map_or(&[], |(_, value)| value)
    }
}

impl Shown {
    pub fn of(der: &CertificateDer<'_>) -> Self {
        let hash = |algorithm: &'static Algorithm| hexadecimal(digest::digest(algorithm, der).as_ref());
        let (sha1, sha256) = (hash(&SHA1_FOR_LEGACY_USE_ONLY), hash(&SHA256));
        let Ok((_, cert)) = X509Certificate::from_der(der) else {
            return Self { sha1, sha256, ..Self::default() };
        };
        let extension = cert.subject_alternative_name().ok().flatten();
        let names = extension.iter().flat_map(|extension| &extension.value.general_names);
        // A number that would look negative has a zero in front of it.
        let serial = match cert.raw_serial() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            serial => serial,
        };
        let validity = cert.validity();
        Self {
            subject: Name::of(cert.subject()),
            issuer: Name::of(cert.issuer()),
            serial: hexadecimal(serial),
            sha1,
            sha256,
            validity: Some((validity.not_before.timestamp(), validity.not_after.timestamp())),
            names: names
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some((*name).to_owned()),
                    _ => None,
                })
                .collect(),
        }
    }

    /// `261123004512Z`, as HAProxy has it.
    pub fn not_before(&self) -> String {
        self.validity.map(|(from, _)| Moment::of(from).short()).unwrap_or_default()
    }

    pub fn not_after(&self) -> String {
        self.validity.map(|(_, to)| Moment::of(to).short()).unwrap_or_default()
    }

    /// What a header says of this field.
    fn value(&self, field: CertField, der: &[u8]) -> Vec<u8> {
        let text = match field {
            CertField::Verify => "SUCCESS".to_owned(),
            CertField::Subject => return self.subject.joined(|line, value| escape(line, value, b'/')),
            CertField::Issuer => return self.issuer.joined(|line, value| escape(line, value, b'/')),
            CertField::SubjectCn => return alone(self.subject.common()),
            CertField::IssuerCn => return alone(self.issuer.common()),
            CertField::Serial => self.serial.clone(),
            CertField::NotBefore => {
                self.validity.map(|(from, _)| Moment::of(from).long()).unwrap_or_default()
            }
            CertField::NotAfter => self.validity.map(|(_, to)| Moment::of(to).long()).unwrap_or_default(),
            CertField::Sha1 => self.sha1.clone(),
            CertField::Sha256 => self.sha256.clone(),
            CertField::Names => {
                let names: Vec<Vec<u8>> = self
                    .names
                    .iter()
                    .map(|name| {
                        let mut text = Vec::new();
                        escape(&mut text, name.as_bytes(), b',');
                        text
                    })
                    .collect();
                return names.join(&b',');
            }
            CertField::Der => BASE64_STANDARD.encode(der),
            CertField::Rfc9440 => format!(":{}:", BASE64_STANDARD.encode(der)),
        };
        text.into_bytes()
    }
}

/// The lines of these headers.
pub fn lines(headers: &[ClientCertHeader], shown: Option<(&Shown, &[u8])>) -> Vec<u8> {
    let mut lines = Vec::new();
    for header in headers {
        let value = match shown {
            Some((shown, der)) => shown.value(header.field, der),
            None if header.field == CertField::Verify => b"NONE".to_vec(),
            None => Vec::new(),
        };
        if !value.is_empty() {
            for part in [header.name.as_bytes(), b": ", &value, b"\r\n"] {
                lines.extend_from_slice(part);
            }
        }
    }
    lines
}

fn alone(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    escape(&mut out, text, b'\\');
    out
}

/// Printable ASCII stays. Blanks at the ends would be taken off on the way, so that two names were one.
fn escape(out: &mut Vec<u8>, text: &[u8], separator: u8) {
    for (at, &byte) in text.iter().enumerate() {
        let inside = at > 0 && at + 1 < text.len();
        let plain = byte.is_ascii_graphic() && byte != b'\\' && byte != separator;
        if plain || byte == b' ' && inside {
            out.push(byte);
        } else {
            out.push(b'\\');
            out.extend_from_slice(hexadecimal(&[byte]).as_bytes());
        }
    }
}

/// A second of the calendar, in UTC.
struct Moment([u64; 6]);

impl Moment {
    /// Nothing was signed before 1970.
    fn of(seconds: i64) -> Self {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        let (year, month, day) = civil(seconds / 86_400);
        let rest = seconds % 86_400;
        Self([year, month, day, rest / 3600, rest / 60 % 60, rest % 60])
    }

    fn short(&self) -> String {
        let Self([year, month, day, hour, minute, second]) = self;
        format!("{:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z", year % 100)
    }

    /// RFC 3339.
    fn long(&self) -> String {
        let Self([year, month, day, hour, minute, second]) = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SerialNumber};

    use super::*;

    fn certificate(cn: &str, organization: &str) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["a.example".into(), "b.example".into()]).unwrap();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::OrganizationName, organization);
        params.distinguished_name.push(DnType::CommonName, cn);
        params.serial_number = Some(SerialNumber::from_slice(&[0xab, 0x01]));
        params.not_before = rcgen::date_time_ymd(2024, 2, 29);
        params.not_after = rcgen::date_time_ymd(2051, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn header(name: &str, field: CertField) -> ClientCertHeader {
        ClientCertHeader { name: name.into(), field }
    }

    fn said(der: &CertificateDer<'_>, field: CertField) -> String {
        let lines = lines(&[header("X", field)], Some((&Shown::of(der), der)));
        let text = String::from_utf8(lines).unwrap();
        text.strip_prefix("X: ").unwrap_or("").strip_suffix("\r\n").unwrap_or("").to_owned()
    }

    #[test]
    fn fields() {
        let der = certificate("Jane Doe", "A/B \\ é");
        for (field, text) in [
            (CertField::Verify, "SUCCESS"),
            (CertField::Subject, "/O=A\\2FB \\5C \\C3\\A9/CN=Jane Doe"),
            (CertField::SubjectCn, "Jane Doe"),
            (CertField::IssuerCn, "Jane Doe"),
            (CertField::Serial, "AB01"),
            (CertField::NotBefore, "2024-02-29T00:00:00Z"),
            (CertField::NotAfter, "2051-01-01T00:00:00Z"),
            (CertField::Names, "a.example,b.example"),
        ] {
            assert_eq!(said(&der, field), text, "{field:?}");
        }
        let shown = Shown::of(&der);
        assert_eq!((shown.not_before(), shown.not_after()), ("240229000000Z".into(), "510101000000Z".into()));
        assert_eq!(shown.subject.one_line(), "/O=A/B \\ é/CN=Jane Doe".as_bytes());
        assert_eq!((said(&der, CertField::Sha1).len(), said(&der, CertField::Sha256).len()), (40, 64));
        let whole = BASE64_STANDARD.encode(&der);
        assert_eq!(said(&der, CertField::Der), whole);
        assert_eq!(said(&der, CertField::Rfc9440), format!(":{whole}:"));
    }

    #[test]
    fn without_a_certificate_only_that_is_said() {
        let headers = [header("V", CertField::Verify), header("S", CertField::Subject)];
        assert_eq!(lines(&headers, None), b"V: NONE\r\n");
        let broken = CertificateDer::from(vec![0x30, 0x03, 1, 2, 3]);
        assert_eq!(lines(&headers, Some((&Shown::of(&broken), &broken))), b"V: SUCCESS\r\n");
    }

    proptest! {
        #[test]
        fn no_name_ends_a_header(cn in "\\PC{0,8}[\r\n\0 ]{0,3}\\PC{0,8}[ \n]?") {
            let der = certificate(&cn, &cn);
            for field in [CertField::Subject, CertField::SubjectCn, CertField::Issuer] {
                let text = said(&der, field);
                prop_assert!(text.bytes().all(|byte| (32..127).contains(&byte)), "{:?}", text);
                prop_assert_eq!(text.trim(), &text);
            }
        }

        #[test]
        fn other_names_are_other_texts(a in "[/\\\\ a2F,]{1,6}", b in "[/\\\\ a2F,]{1,6}") {
            prop_assert_eq!(alone(a.as_bytes()) == alone(b.as_bytes()), a == b);
        }
    }
}
