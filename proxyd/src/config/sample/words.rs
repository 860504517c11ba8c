//! The words of expressions, and what arguments they take.

use std::net::IpAddr;

use super::super::http::is_token;
use super::{
    CertFact, Converter, Fetch, HashWord, HeaderName, Message, Part, Spread, TlsFact, Wrong, later, mask,
    unknown, wrong,
};
use crate::expr::{Arg, Call};
use crate::hash;

/// Fetches that are built.
pub(super) const FETCHES: &[&str] = &[
    "always_false",
    "always_true",
    "base",
    "baseq",
    "bool",
    "cook",
    "cookie",
    "dst",
    "dst_port",
    "hdr",
    "int",
    "method",
    "path",
    "pathq",
    "query",
    "rand",
    "req.cook",
    "req.fhdr",
    "req.hdr",
    "res.cook",
    "res.fhdr",
    "res.hdr",
    "scook",
    "shdr",
    "src",
    "src_port",
    "ssl_c_der",
    "ssl_c_i_dn",
    "ssl_c_notafter",
    "ssl_c_notbefore",
    "ssl_c_s_dn",
    "ssl_c_serial",
    "ssl_c_sha1",
    "ssl_c_used",
    "ssl_c_verify",
    "ssl_fc",
    "ssl_fc_alpn",
    "ssl_fc_cipher",
    "ssl_fc_has_crt",
    "ssl_fc_has_sni",
    "ssl_fc_is_resumed",
    "ssl_fc_protocol",
    "ssl_fc_sni",
    "status",
    "str",
    "url",
    "url_param",
    "urlp",
];

/// Converters that are built.
pub(super) const CONVERTERS: &[&str] = &[
    "base64", "bytes", "crc32", "djb2", "field", "hex", "ipmask", "length", "lower", "sdbm", "upper",
    "url_dec", "word", "wt6", "xxh3", "xxh32", "xxh64",
];

/// The last ones that are looked for from the end.
const FURTHEST_BACK: i64 = -10;

pub(super) fn fetch(call: &Call) -> Result<Fetch, Wrong> {
    let args = Args(call);
    let header = |message| Ok(Fetch::Header(message, args.header()?));
    let field = |message| Ok(Fetch::Field(message, args.header()?));
    let cookie = |message| -> Result<Fetch, Wrong> {
        args.at_most(1)?;
        Ok(Fetch::Cookie(message, args.bytes(0).unwrap_or_default()))
    };
    let plain = |fetch| args.at_most(0).map(|()| fetch);
    match &*call.name {
        "src" => plain(Fetch::Source),
        "src_port" => plain(Fetch::SourcePort),
        "dst" => plain(Fetch::Destination),
        "dst_port" => plain(Fetch::DestinationPort),
        "method" => plain(Fetch::Method),
        "path" => plain(Fetch::Path),
        "pathq" => plain(Fetch::PathQuery),
        "url" => plain(Fetch::Url),
        "base" => plain(Fetch::Base),
        "baseq" => plain(Fetch::BaseQuery),
        "status" => plain(Fetch::Status),
        "query" => {
            args.at_most(1)?;
            match args.text(0) {
                None | Some("") => Ok(Fetch::Query { mark: false }),
                Some("with_qm") => Ok(Fetch::Query { mark: true }),
                Some(_) => Err(args.wrong(0, "expected `with_qm`")),
            }
        }
        "url_param" | "urlp" => args.url_param(),
        "hdr" | "req.hdr" => header(Message::Request),
        "res.hdr" | "shdr" => header(Message::Response),
        "req.fhdr" => field(Message::Request),
        "res.fhdr" => field(Message::Response),
        "cook" | "cookie" | "req.cook" => cookie(Message::Request),
        "res.cook" | "scook" => cookie(Message::Response),
        "str" => args.exactly(1).map(|()| Fetch::Text(args.bytes(0).unwrap_or_default())),
        "int" => args.exactly(1).and_then(|()| args.integer(0)).map(Fetch::Integer),
        "always_true" => plain(Fetch::Integer(1)),
        "always_false" => plain(Fetch::Integer(0)),
        "bool" => {
            args.exactly(1)?;
            match args.text(0) {
                Some("true" | "1") => Ok(Fetch::Integer(1)),
                Some("false" | "0") => Ok(Fetch::Integer(0)),
                _ => Err(args.wrong(0, "expected `true` or `false`")),
            }
        }
        "rand" => {
            args.at_most(1)?;
            let range = args.optional(0)?.map(|n| u32::try_from(n).ok().filter(|&n| n > 0));
            match range {
                None => Ok(Fetch::Random(None)),
                Some(Some(range)) => Ok(Fetch::Random(Some(range))),
                Some(None) => Err(args.wrong(0, "expected a number from 1 to 4294967295")),
            }
        }
        "ssl_fc" => plain(Fetch::Tls(TlsFact::Used)),
        "ssl_fc_sni" => plain(Fetch::Tls(TlsFact::Sni)),
        "ssl_fc_has_sni" => plain(Fetch::Tls(TlsFact::HasSni)),
        "ssl_fc_alpn" => plain(Fetch::Tls(TlsFact::Alpn)),
        "ssl_fc_cipher" => plain(Fetch::Tls(TlsFact::Cipher)),
        "ssl_fc_protocol" => plain(Fetch::Tls(TlsFact::Version)),
        "ssl_fc_is_resumed" => plain(Fetch::Tls(TlsFact::Resumed)),
        "ssl_c_used" | "ssl_fc_has_crt" => plain(Fetch::Certificate(CertFact::Used)),
        "ssl_c_verify" => plain(Fetch::Certificate(CertFact::Verify)),
        "ssl_c_serial" => plain(Fetch::Certificate(CertFact::Serial)),
        "ssl_c_sha1" => plain(Fetch::Certificate(CertFact::Sha1)),
        "ssl_c_der" => plain(Fetch::Certificate(CertFact::Der)),
        "ssl_c_notbefore" => plain(Fetch::Certificate(CertFact::NotBefore)),
        "ssl_c_notafter" => plain(Fetch::Certificate(CertFact::NotAfter)),
        "ssl_c_s_dn" => args.name(CertFact::Subject, CertFact::SubjectCn),
        "ssl_c_i_dn" => args.name(CertFact::Issuer, CertFact::IssuerCn),
        _ => Err(unknown(call, "a fetch", FETCHES, later::FETCHES)),
    }
}

pub(super) fn converter(call: &Call) -> Result<Converter, Wrong> {
    let args = Args(call);
    let plain = |converter| args.at_most(0).map(|()| converter);
    let hash = |word| {
        args.at_most(1)?;
        let avalanche = args.optional(0)?.unwrap_or(0) != 0;
        Ok(Converter::Hash(word, if avalanche { Spread::Avalanche } else { Spread::AsItIs }))
    };
    let seed = || args.at_most(1).and_then(|()| args.optional(0)).map(|seed| seed.unwrap_or(0));
    match &*call.name {
        "lower" => plain(Converter::Lower),
        "upper" => plain(Converter::Upper),
        "length" => plain(Converter::Length),
        "hex" => plain(Converter::Hex),
        "base64" => plain(Converter::Base64),
        "word" => args.part().map(Converter::Word),
        "field" => args.part().map(Converter::Field),
        "bytes" => {
            args.count(1, 2)?;
            let start = args.size(0)?;
            let length = if call.args.len() > 1 { Some(args.size(1)?) } else { None };
            Ok(Converter::Bytes { start, length })
        }
        "ipmask" => args.mask(),
        "url_dec" => {
            args.at_most(1)?;
            Ok(Converter::UrlDecode { form: args.optional(0)?.unwrap_or(0) != 0 })
        }
        "sdbm" => hash(HashWord::Sdbm),
        "djb2" => hash(HashWord::Djb2),
        "wt6" => hash(HashWord::Wt6),
        "crc32" => hash(HashWord::Crc32),
        "xxh32" => Ok(Converter::Xxh32 { seed: seed()? as u32 }),
        "xxh64" => Ok(Converter::Xxh64 { seed: seed()? as u64 }),
        "xxh3" => Ok(Converter::Xxh3 { seed: seed()? as u64 }),
        _ => Err(unknown(call, "a converter", CONVERTERS, later::CONVERTERS)),
    }
}

/// The arguments of a word.
#[derive(Clone, Copy)]
struct Args<'a>(&'a Call);

impl<'a> Args<'a> {
    fn at(self, index: usize) -> Option<&'a Arg> {
        self.0.args.get(index)
    }

    fn text(self, index: usize) -> Option<&'a str> {
        self.at(index).map(|arg| &*arg.text)
    }

    fn bytes(self, index: usize) -> Option<Box<[u8]>> {
        self.text(index).map(|text| text.as_bytes().into())
    }

    /// Says what is wrong with an argument, or that it is missing.
    fn wrong(self, index: usize, label: &str) -> Wrong {
        let name = &self.0.name;
        match self.at(index) {
            Some(arg) => wrong(arg.at.clone(), format!("`{name}` cannot take this argument"), label),
            None => wrong(self.0.whole.clone(), format!("`{name}` lacks an argument"), label),
        }
    }

    fn count(self, least: usize, most: usize) -> Result<(), Wrong> {
        let Call { name, args, whole, .. } = self.0;
        let count = args.len();
        if count > most {
            let label =
                if most == 0 { "it takes none".to_owned() } else { format!("it takes at most {most}") };
            let at = args[most].at.clone();
            return Err(wrong(at, format!("`{name}` has too many arguments"), label));
        }
        if count < least {
            let message = format!("`{name}` lacks an argument");
            return Err(wrong(whole.clone(), message, format!("it takes at least {least}")));
        }
        Ok(())
    }

    fn at_most(self, most: usize) -> Result<(), Wrong> {
        self.count(0, most)
    }

    fn exactly(self, count: usize) -> Result<(), Wrong> {
        self.count(count, count)
    }

    fn integer(self, index: usize) -> Result<i64, Wrong> {
        let text = self.text(index).unwrap_or_default();
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(self.wrong(index, "expected a whole number"));
        }
        Ok(hash::integer(text.as_bytes()))
    }

    fn optional(self, index: usize) -> Result<Option<i64>, Wrong> {
        match self.text(index) {
            None => Ok(None),
            Some(_) => self.integer(index).map(Some),
        }
    }

    fn size(self, index: usize) -> Result<usize, Wrong> {
        usize::try_from(self.integer(index)?)
            .ok()
            .ok_or_else(|| self.wrong(index, "expected a number from 0 on"))
    }

    /// `(name)` or `(name,occurrence)`.
    fn header(self) -> Result<HeaderName, Wrong> {
        self.count(1, 2)?;
        let name = self.text(0).filter(|name| is_token(name));
        let name = name.ok_or_else(|| self.wrong(0, "expected the name of a header"))?;
        // Without one, and as HAProxy has it for 0, it is the last.
        let occurrence = match self.optional(1)? {
            None | Some(0) => -1,
            Some(n) => n,
        };
        let occurrence = i32::try_from(occurrence).ok().filter(|&n| i64::from(n) >= FURTHEST_BACK);
        let occurrence = occurrence.ok_or_else(|| self.wrong(1, "expected a number from -10 on"))?;
        Ok(HeaderName { name: name.into(), occurrence })
    }

    /// `(name[,delimiter[,i]])`.
    fn url_param(self) -> Result<Fetch, Wrong> {
        self.at_most(3)?;
        let from = match self.text(1).map(str::as_bytes) {
            None | Some([]) => b'?',
            Some([one]) => *one,
            Some(_) => return Err(self.wrong(1, "expected one letter or sign")),
        };
        let any_case = match self.text(2) {
            None | Some("") => false,
            Some("i") => true,
            Some(_) => return Err(self.wrong(2, "expected `i`")),
        };
        Ok(Fetch::UrlParam { name: self.bytes(0).unwrap_or_default(), from, any_case })
    }

    /// A distinguished name, or its common name.
    fn name(self, whole: CertFact, common: CertFact) -> Result<Fetch, Wrong> {
        match self.text(0) {
            None => Ok(Fetch::Certificate(whole)),
            Some(entry) if entry.eq_ignore_ascii_case("cn") && self.0.args.len() == 1 => {
                Ok(Fetch::Certificate(common))
            }
            Some(_) => {
                let message = format!("`{}` is supported whole and of `CN` only, yet", self.0.name);
                Err(Wrong { later: true, ..wrong(self.0.whole.clone(), message, "") })
            }
        }
    }

    /// `(index,delimiters[,count])`.
    fn part(self) -> Result<Part, Wrong> {
        self.count(2, 3)?;
        let index = self.integer(0)?;
        if index == 0 {
            return Err(self.wrong(0, "they are counted from 1 on, or from -1 back"));
        }
        let delimiters = self.bytes(1).filter(|delimiters| !delimiters.is_empty());
        let delimiters = delimiters.ok_or_else(|| self.wrong(1, "expected the delimiters, such as `;`"))?;
        let count = self.optional(2)?.unwrap_or(1);
        if count < 0 {
            return Err(self.wrong(2, "expected a number from 0 on"));
        }
        Ok(Part { index, delimiters, count })
    }

    /// `(mask4[,mask6])`.
    fn mask(self) -> Result<Converter, Wrong> {
        self.count(1, 2)?;
        let Some(IpAddr::V4(v4)) = mask(self.text(0).unwrap_or_default(), 32) else {
            return Err(self.wrong(0, "expected 0 to 32, or a mask such as 255.255.0.0"));
        };
        let v6 = match self.text(1) {
            None => None,
            Some(text) => match mask(text, 128) {
                Some(IpAddr::V6(v6)) => Some(v6),
                _ => return Err(self.wrong(1, "expected 0 to 128, or a mask such as ffff:ffff::")),
            },
        };
        Ok(Converter::IpMask { v4, v6 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_and_none_is_both_built_and_not() {
        for (known, later) in [(FETCHES, later::FETCHES), (CONVERTERS, later::CONVERTERS)] {
            assert!(known.is_sorted() && later.split(' ').is_sorted());
            assert!(later.split(' ').all(|word| !word.is_empty() && !known.contains(&word)));
        }
    }
}
