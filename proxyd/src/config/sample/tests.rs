use super::*;

fn read(text: &str) -> Sample {
    Sample::read(text, Place::Request).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
}

fn refused(text: &str, place: Place) -> Wrong {
    Sample::read(text, place).map(|sample| panic!("{text}: {sample:?}")).unwrap_err()
}

#[test]
fn expressions_are_typed() {
    let sample = read("req.hdr(X-Tenant),lower");
    let name = HeaderName { name: "X-Tenant".into(), occurrence: -1 };
    assert_eq!(sample.fetch, Fetch::Header(Message::Request, name));
    assert_eq!((sample.kind(), sample.needs()), (Kind::Text, Place::Request));
    assert_eq!(read("src,ipmask(24,64)").kind(), Kind::Address);
    assert_eq!(
        *read("src,ipmask(255.255.255.0,64)").converters,
        [Converter::IpMask {
            v4: "255.255.255.0".parse().unwrap(),
            v6: Some("ffff:ffff:ffff:ffff::".parse().unwrap())
        }]
    );
    assert_eq!(
        read("src,ipmask(24)"),
        Sample { text: "src,ipmask(24)".into(), ..read("src,ipmask(255.255.255.0)") }
    );
    assert_eq!(read("int(-5)").fetch, Fetch::Integer(-5));
    assert_eq!(read("str('a,b')").fetch, Fetch::Text(Box::from(*b"a,b")));
    assert_eq!(read("src,sdbm(1)").kind(), Kind::Integer);
    assert_eq!(read("src").needs(), Place::Connection);
    assert_eq!(
        read("url_param(id,;,i)").fetch,
        Fetch::UrlParam { name: Box::from(*b"id"), from: b';', any_case: true }
    );
}

#[test]
fn where_it_stands_matters() {
    for (text, place, part) in [
        ("path", Place::Connection, "of HTTP"),
        ("res.hdr(x)", Place::Request, "has not come"),
        ("status", Place::Connection, "of HTTP"),
        ("req.cook(a)", Place::Response, "is gone"),
    ] {
        assert!(refused(text, place).message.contains(part), "{text}");
    }
    for (text, place) in
        [("src", Place::Response), ("res.cook(a)", Place::Response), ("ssl_fc_sni", Place::Connection)]
    {
        assert!(Sample::read(text, place).is_ok(), "{text}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (text, at, part) in [
        ("srcc", 0..4, "did you mean `src`?"),
        ("reg.hdr(x)", 0..7, "did you mean `req.hdr`?"),
        ("req.hdr(x),lowr", 11..15, "did you mean `lower`?"),
        ("req.hdr(x),base46", 11..17, "did you mean `base64`?"),
        ("nothing_like_it", 0..15, "is not a fetch"),
        ("src(1)", 4..5, "takes none"),
        ("req.hdr", 0..7, "at least 1"),
        ("req.hdr(a b)", 8..11, "name of a header"),
        ("req.hdr(a,-11)", 10..13, "from -10"),
        ("int(x)", 4..5, "whole number"),
        ("path,word(0,/)", 10..11, "counted from 1"),
        ("path,word(1)", 5..12, "at least 2"),
        ("path,field(1,'')", 13..15, "delimiters"),
        ("src,ipmask(33)", 11..13, "0 to 32"),
        ("src,ipmask(8,129)", 13..16, "0 to 128"),
        ("src,ipmask(8,1.1.1.1)", 13..20, "0 to 128"),
        ("path,bytes(-1)", 11..13, "from 0 on"),
        ("src,hex,ipmask(8),sdbm,ipmask(8),xxh32(x)", 39..40, "whole number"),
        ("rand(0)", 5..6, "from 1"),
        ("url_param(a,ab)", 12..14, "one letter"),
        ("query(x)", 6..7, "with_qm"),
        ("path,", 4..5, "nothing follows"),
    ] {
        let wrong = refused(text, Place::Request);
        assert_eq!(wrong.at, at, "{text}: {wrong:?}");
        assert!(format!("{} {}", wrong.message, wrong.label).contains(part), "{text}: {wrong:?}");
        assert!(!wrong.later, "{text}");
    }
}

#[test]
fn what_haproxy_has_and_this_has_not_is_told_from_nonsense() {
    for text in
        ["uuid", "req.payload(0,10)", "sc0_conn_rate", "ssl_c_s_dn(OU)", "path,regsub(a,b)", "path,map(f)"]
    {
        let wrong = refused(text, Place::Request);
        assert!(wrong.later && wrong.message.contains("yet"), "{text}: {wrong:?}");
    }
}

#[test]
fn a_converter_takes_what_it_can() {
    let wrong = refused("ssl_c_der,ipmask(8)", Place::Connection);
    assert_eq!(wrong.message, "`ipmask` takes an address, which binary data is not");
    assert!(Sample::read("src,length,ipmask(8)", Place::Connection).is_ok());
}
