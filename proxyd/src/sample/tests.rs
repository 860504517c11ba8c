use std::net::IpAddr;

use super::*;
use crate::config::sample::{Kind, Place};

/// A client without TLS.
struct Plain;

impl Client for Plain {
    fn source(&self) -> Option<SocketAddr> {
        Some("192.0.2.130:4711".parse().unwrap())
    }

    fn destination(&self) -> Option<SocketAddr> {
        Some("[2001:db8:1:2:3::4]:443".parse().unwrap())
    }

    fn tls(&self) -> Option<&Agreed> {
        None
    }

    fn certificate(&self) -> Option<(&Shown, &[u8])> {
        None
    }

    fn random(&self) -> u32 {
        u32::MAX
    }
}

const HEAD: &[u8] =
    b"GET /p;a=m?a=q-w--e&b=1;C=x HTTP/1.1\r\nHost: Shop.example:8080\r\nCookie: b=1; c=x=y,z; c=2\r\n\
    l: a, b\r\nL:\"c,d\",e\r\nX-Id: 00:Ab\r\nEmpty: \r\ncookie: $Version=1; e = \"a;b\" \r\n\r\nc=body\r\n";
const ANSWER: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nSet-Cookie: a=1; path=/; b=2\r\nset-cookie: a=2\r\nX: y\r\n\r\n";

fn value(text: &str, facts: &Facts<'_>) -> Option<String> {
    let place = match (facts.request, facts.response) {
        (None, None) => Place::Connection,
        (Some(_), _) => Place::Request,
        (None, Some(_)) => Place::Response,
    };
    let sample = Sample::read(text, place).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
    let value = sample.evaluate(facts)?;
    assert_eq!(value.kind(), sample.kind(), "{text}");
    Some(String::from_utf8(value.into_text().to_vec()).unwrap())
}

fn of_request(text: &str) -> Option<String> {
    let request = Some(Request { head: HEAD, scheme: None });
    value(text, &Facts { request, ..Facts::of_connection(&Plain) })
}

#[test]
fn requests_as_haproxy_sees_them() {
    for (text, expected) in [
        // HAProxy 2.6 answered the same.
        ("url_param(a)", "q-w--e"),
        ("url_param(a,;)", "m?a=q-w--e"),
        ("url_param(c)", ""),
        ("url_param(c,,i)", "x"),
        ("url_param", "q-w--e"),
        ("req.cook(c)", "2"),
        ("req.cook(b)", "1"),
        ("cook(e)", "\"a;b\""),
        ("cook", "1"),
        ("req.hdr(l)", "e"),
        ("req.hdr(l,1)", "a"),
        ("req.hdr(l,-2)", "\"c,d\""),
        ("req.hdr(l,5)", ""),
        ("hdr(empty,1)", "-"),
        ("req.fhdr(l)", "\"c,d\",e"),
        ("req.fhdr(L,1)", "a, b"),
        ("base", "Shop.example:8080/p;a=m"),
        ("baseq", "Shop.example:8080/p;a=m?a=q-w--e&b=1;C=x"),
        ("method", "GET"),
        ("path", "/p;a=m"),
        ("pathq", "/p;a=m?a=q-w--e&b=1;C=x"),
        ("url", "/p;a=m?a=q-w--e&b=1;C=x"),
        ("query", "a=q-w--e&b=1;C=x"),
        ("query(with_qm)", "?a=q-w--e&b=1;C=x"),
        ("url_param(a),word(2,-)", "w"),
        ("url_param(a),field(-1,-)", "e"),
        ("url_param(a),bytes(1,2)", "-w"),
        ("url_param(a),bytes(9,2)", "-"),
        ("req.hdr(x-id),lower", "00:ab"),
        ("req.hdr(x-id),upper,length", "5"),
        ("req.hdr(x-id),hex", "30303A4162"),
        ("req.hdr(x-id),base64", "MDA6QWI="),
        ("src", "192.0.2.130"),
        ("src_port", "4711"),
        ("dst_port", "443"),
        ("src,ipmask(16)", "192.0.0.0"),
        ("dst,ipmask(16)", ""),
        ("dst,ipmask(16,48)", "2001:db8:1::"),
        ("str('a,b'),lower", "a,b"),
        ("int(-3)", "-3"),
        ("rand(6)", "5"),
        ("ssl_fc", "0"),
        ("ssl_fc_sni", ""),
        ("ssl_c_used", "0"),
        ("str(hello),sdbm", "684824882"),
        ("str(hello),djb2", "261238937"),
        ("str(hello),wt6", "3538347703"),
        ("str(hello),crc32", "907060870"),
        ("str(hello),sdbm(1)", "2061535398"),
        ("str(hello),xxh32(7)", "2401278968"),
        ("str(hello),xxh64", "2794345569481354659"),
        ("str(a),xxh64", "-3292477735350538661"),
    ] {
        let expected = match expected {
            "" => None,
            "-" => Some(""),
            expected => Some(expected),
        };
        assert_eq!(of_request(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn urls_are_whole_where_the_client_named_them_whole() {
    let request = |head, scheme| Request { head, scheme };
    let url = |request: Request<'_>| String::from_utf8(request.url().unwrap().to_vec()).unwrap();
    let get = b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(url(request(get, Some("https"))), "https://x/a?b");
    assert_eq!(url(request(get, None)), "/a?b");
    let connect = request(b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", None);
    assert_eq!((url(connect).as_str(), connect.path()), ("x:443", None));
    let all = request(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", None);
    assert_eq!((url(all).as_str(), all.path()), ("*", None));
}

#[test]
fn answers() {
    let facts = Facts { response: Some(ANSWER), ..Facts::of_connection(&Plain) };
    for (text, expected) in [
        ("status", Some("503")),
        ("res.cook(a)", Some("2")),
        ("res.cook(b)", None),
        ("res.cook", Some("1")),
        ("res.hdr(x)", Some("y")),
        ("src", Some("192.0.2.130")),
    ] {
        assert_eq!(value(text, &facts).as_deref(), expected, "{text}");
    }
}

#[test]
fn values_become_others() {
    let text = |text: &'static str| Value::Text(text.as_bytes().into());
    assert_eq!(text("10.0.0.1").into_ip(), Some(IpAddr::from([10, 0, 0, 1])));
    assert_eq!(text("::ffff:10.0.0.1").into_v4(), Some([10, 0, 0, 1].into()));
    for (address, expected) in [
        ("192.0.2.1", Some([192, 0, 2, 1])),
        ("::ffff:192.0.2.1", Some([192, 0, 2, 1])),
        ("::192.0.2.1", Some([192, 0, 2, 1])),
        ("::1", Some([0, 0, 0, 1])),
        ("::", Some([0, 0, 0, 0])),
        ("2002:c000:201::", Some([192, 0, 2, 1])),
        ("2002:c000:201:7::9", Some([192, 0, 2, 1])),
        ("2003:c000:201::", None),
        ("::fffe:192.0.2.1", None),
        ("::1:0:192.0.2.1", None),
        ("64:ff9b::192.0.2.1", None),
        ("2001:db8::1", None),
    ] {
        let expected = expected.map(Into::into);
        assert_eq!(Value::Ip(address.parse().unwrap()).into_v4(), expected, "{address}");
        assert_eq!(text(address).into_v4(), expected, "{address}");
    }
    assert_eq!(Value::Ip([10, 0, 0, 1].into()).into_integer(), Some(0x0a00_0001));
    assert_eq!(Value::Integer(0x0a00_0001).into_v6(), Some("::ffff:10.0.0.1".parse().unwrap()));
    assert_eq!((text("12x").into_integer(), text("").into_integer()), (Some(12), None));
    assert_eq!(*Value::Ip([10, 0, 0, 1].into()).into_binary(), [10, 0, 0, 1]);
    assert_eq!(*Value::Integer(258).into_binary(), [0, 0, 0, 0, 0, 0, 1, 2]);
    let binary = Value::Binary(Bytes::made(b"ab\0c"));
    assert_eq!(*binary.clone().into_text(), *b"ab");
    assert_eq!((binary.clone().into_ip(), binary.into_integer()), (None, None));
    assert_eq!(Value::Text(Bytes::made(b"x")).kind(), Kind::Text);
}
