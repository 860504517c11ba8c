//! What a certificate says of itself, in the words of OpenSSL where others read them.

use std::fmt::Write as _;
use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};
use x509_parser::public_key::PublicKey;

/// What a certificate says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Facts {
    /// Host names in lower case without a dot at the end; one may begin with `*.`.
    pub names: Vec<String>,
    /// All alternative names, as `show ssl cert` has them.
    pub alternative: Vec<String>,
    /// Upper-case hexadecimal.
    pub serial: String,
    /// Unix seconds.
    pub not_before: i64,
    pub not_after: i64,
    pub kind: Kind,
    /// Bits of the key.
    pub bits: usize,
    /// `/C=DE/CN=example.com`
    pub subject: String,
    pub issuer: String,
}

/// The kind of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Rsa,
    Ecdsa,
    Ed25519,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ecdsa => "ecdsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl Facts {
    /// Reads what a certificate says.
    pub fn of(der: &CertificateDer<'_>) -> Result<Self, String> {
        let (rest, cert) = X509Certificate::from_der(der)
            .map_err(|error| format!("its certificate cannot be read: {error}"))?;
        if !rest.is_empty() {
            return Err("its certificate cannot be read: something follows it".to_owned());
        }
        let (names, alternative) = names(&cert)?;
        let (kind, bits) = kind(&cert)?;
        Ok(Self {
            names,
            alternative,
            serial: cert.raw_serial_as_string().replace(':', "").to_uppercase(),
            not_before: cert.validity().not_before.timestamp(),
            not_after: cert.validity().not_after.timestamp(),
            kind,
            bits,
            subject: one_line(cert.subject()),
            issuer: one_line(cert.issuer()),
        })
    }

    /// `RSA2048`, `EC256`
    pub fn algorithm(&self) -> String {
        match self.kind {
            Kind::Rsa => format!("RSA{}", self.bits),
            Kind::Ecdsa => format!("EC{}", self.bits),
            Kind::Ed25519 => "ED25519".to_owned(),
        }
    }
}

fn kind(cert: &X509Certificate<'_>) -> Result<(Kind, usize), String> {
    match cert.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Ok((Kind::Rsa, key.key_size())),
        Ok(PublicKey::EC(key)) => Ok((Kind::Ecdsa, key.key_size())),
        Ok(PublicKey::Unknown(_))
            if cert.public_key().algorithm.algorithm.to_id_string() == "1.3.101.112" =>
        {
            Ok((Kind::Ed25519, 256))
        }
        _ => Err("its key is of a kind that is not known: RSA, ECDSA and Ed25519 are".to_owned()),
    }
}

/// The host names, and all alternative names.
fn names(cert: &X509Certificate<'_>) -> Result<(Vec<String>, Vec<String>), String> {
    let extension = cert
        .subject_alternative_name()
        .map_err(|error| format!("its alternative names cannot be read: {error}"))?;
    let Some(extension) = extension else {
        let common = cert.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        let names: Vec<String> = common.filter(|name| is_host(name)).map(canonical).collect();
        return Ok((names, Vec::new()));
    };
    let (mut names, mut alternative) = (Vec::new(), Vec::new());
    for name in &extension.value.general_names {
        match name {
            GeneralName::DNSName(name) => {
                if !is_host(name) {
                    return Err(format!("{name:?} among its names is no host name"));
                }
                alternative.push(format!("DNS:{name}"));
                names.push(canonical(name));
            }
            GeneralName::IPAddress(bytes) => alternative.push(match address(bytes) {
                Some(address) => format!("IP Address:{address}"),
                None => return Err("an address among its names has a wrong length".to_owned()),
            }),
            GeneralName::RFC822Name(name) => alternative.push(format!("email:{}", printable(name))),
            GeneralName::URI(name) => alternative.push(format!("URI:{}", printable(name))),
            GeneralName::Invalid(..) => return Err("one of its names cannot be read".to_owned()),
            _ => alternative.push("othername:<unsupported>".to_owned()),
        }
    }
    Ok((names, alternative))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Letters, digits, `-`, `_` and dots, and `*.` in front: nothing else is ever asked for, and a NUL least of all.
fn is_host(name: &str) -> bool {
    let host = name.strip_prefix("*.").unwrap_or(name);
    !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// As names are compared.
pub fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// `/C=DE/CN=example.com`, as OpenSSL has it on one line.
fn one_line(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    for attribute in name.iter_attributes() {
        let oid = attribute.attr_type().to_id_string();
        text.push('/');
        text.push_str(attribute_name(&oid));
        text.push('=');
        text.push_str(&match attribute.as_str() {
            Ok(value) => printable(value),
            Err(_) => printable(&String::from_utf8_lossy(attribute.as_slice())),
        });
    }
    text
}

/// Control characters of a certificate reach no terminal and no log.
fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// What OpenSSL calls an attribute of a name; one it does not know has its number.
pub fn attribute_name(oid: &str) -> &str {
    SHORT_NAMES.iter().find(|(known, _)| *known == oid).map_or(oid, |(_, short)| short)
}

/// What the common attributes of a name are called.
const SHORT_NAMES: [(&str, &str); 12] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.42", "GN"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

/// In upper case.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "{byte:02X}");
        text
    })
}

/// The day of Unix seconds, for messages.
pub fn day(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(86400));
    format!("{year:04}-{month:02}-{day:02}")
}

/// `Nov 22 14:11:34 2026 GMT`, as OpenSSL writes a moment.
pub fn moment(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(86400));
    let month = MONTHS.get(month as usize - 1).copied().unwrap_or("");
    let of_day = seconds.rem_euclid(86400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{month} {day:2} {hour:02}:{minute:02}:{second:02} {year} GMT")
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Year, month and day of a number of days since 1970 (Hinnant, `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}
