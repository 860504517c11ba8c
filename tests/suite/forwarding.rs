//! What servers are told about clients, and by whom it may be said.

use harness::origin::http::{Answer, Origin};
use harness::stream::Address;
use harness::{Client, Config, Daemon};

const ALL: &str = "forward_headers: [x_forwarded_for, x_forwarded_proto, x_forwarded_host, x_forwarded_port, forwarded, via]";
const CLAIMS: &str = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n\
                      X-Forwarded-Port: 443\r\nX-Forwarded-Prefix: /shop\r\nForwarded: for=198.51.100.1;proto=https\r\n";

/// Fields of this kind as they reached the server, without the port that the kernel chose.
fn told(client: &mut Client, origin: &Origin, port: u16) -> Vec<String> {
    client.send(format!("GET / HTTP/1.1\r\nHost: test:81\r\n{CLAIMS}Via: 1.0 first\r\n\r\n"));
    let answer = client.response("GET");
    assert_eq!(answer.status, 200);
    let request = origin.requests().pop().unwrap();
    let names = ["x-forwarded-", "forwarded", "via"];
    let fields = request
        .head
        .fields
        .iter()
        .filter(|(name, _)| names.iter().any(|start| name.to_ascii_lowercase().starts_with(start)));
    fields.map(|(name, value)| format!("{name}: {value}").replace(&port.to_string(), "PORT")).collect()
}

fn through(defaults: &str) -> Vec<String> {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).defaults(defaults));
    let port = daemon.listener("web").port();
    told(&mut daemon.client(), &origin, port)
}

#[test]
fn without_settings_nothing_is_added_or_taken() {
    assert_eq!(
        through(""),
        [
            "X-Forwarded-For: 198.51.100.1",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: shop.example",
            "X-Forwarded-Port: 443",
            "X-Forwarded-Prefix: /shop",
            "Forwarded: for=198.51.100.1;proto=https",
            "Via: 1.0 first",
        ]
    );
}

#[test]
fn where_nobody_is_named_lists_grow_and_the_rest_is_replaced() {
    assert_eq!(
        through(ALL),
        [
            "X-Forwarded-For: 198.51.100.1",
            "X-Forwarded-Prefix: /shop",
            "Forwarded: for=198.51.100.1;proto=https",
            "Via: 1.0 first",
            "X-Forwarded-For: 127.0.0.1",
            "X-Forwarded-Proto: http",
            "X-Forwarded-Host: test:81",
            "X-Forwarded-Port: PORT",
            "Forwarded: for=127.0.0.1;proto=http;host=\"test:81\"",
            "Via: 1.1 proxyd",
        ]
    );
}

#[test]
fn a_trusted_proxy_is_believed() {
    assert_eq!(
        through(&format!(r#"{ALL}, trusted: ["127.0.0.0/8"]"#)),
        [
            "X-Forwarded-For: 198.51.100.1",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: shop.example",
            "X-Forwarded-Port: 443",
            "X-Forwarded-Prefix: /shop",
            "Forwarded: for=198.51.100.1;proto=https",
            "Via: 1.0 first",
            "X-Forwarded-For: 127.0.0.1",
            "Forwarded: for=127.0.0.1;proto=http;host=\"test:81\"",
            "Via: 1.1 proxyd",
        ]
    );
}

#[test]
fn what_others_claim_is_dropped() {
    assert_eq!(
        through(&format!(r#"{ALL}, trusted: ["10.0.0.0/8"]"#)),
        [
            "Via: 1.0 first",
            "X-Forwarded-For: 127.0.0.1",
            "X-Forwarded-Proto: http",
            "X-Forwarded-Host: test:81",
            "X-Forwarded-Port: PORT",
            "Forwarded: for=127.0.0.1;proto=http;host=\"test:81\"",
            "Via: 1.1 proxyd",
        ]
    );
    assert_eq!(through(r#"trusted: ["10.0.0.0/8"]"#), ["Via: 1.0 first"], "even where nothing is added");
}

#[test]
fn a_frontend_has_headers_of_its_own_and_other_addresses_their_form() {
    let origin = Origin::start("app1");
    let config = Config::new()
        .defaults("forward_headers: [x_forwarded_for]")
        .frontend("web", r#"bind: ["[::1]:0"], forward_headers: [forwarded], default_backend: "app""#)
        .frontend("local", r#"bind: ["unix@local.sock"], forward_headers: [forwarded, x_forwarded_for], default_backend: "app""#)
        .frontend("plain", r#"default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.addr(), "");
    let daemon = Daemon::start(&config);
    let last = || {
        let request = origin.requests().pop().unwrap();
        let get = |name| request.head.get(name).map(str::to_owned);
        (get("forwarded"), get("x-forwarded-for"))
    };
    daemon.client().get("/");
    assert_eq!(last(), (Some("for=\"[::1]\";proto=http;host=test".into()), None));
    let local = daemon.listeners("local").remove(0).1;
    assert!(matches!(local, Address::Unix(_)));
    Client::connect(&local).get("/");
    assert_eq!(last(), (Some("for=unknown;proto=http;host=test".into()), None));
    Client::tcp(daemon.listener("plain")).get("/");
    assert_eq!(last(), (None, Some("127.0.0.1".into())));
}

#[test]
fn answers_bear_via_too() {
    let origin = Origin::scripted(|_| Answer {
        bytes: b"HTTP/1.0 200 OK\r\nVia: 1.1 cache\r\nContent-Length: 0\r\n\r\n".to_vec(),
        close: true,
    });
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).defaults("forward_headers: [via]"));
    let answer = daemon.client().get("/");
    let via: Vec<_> = answer
        .head
        .fields
        .iter()
        .filter(|(name, _)| name == "Via")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(via, ["1.1 cache", "1.0 proxyd"]);
}

#[test]
fn no_connection_option_takes_them_away() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).defaults(ALL));
    let mut client = daemon.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: test\r\nConnection: forwarded, x-forwarded-for, via\r\nForwarded: for=_a\r\n\
         X-Forwarded-For: 192.0.2.1\r\nVia: 1.1 x\r\n\r\n",
    );
    assert_eq!(client.response("GET").status, 200);
    let head = origin.requests().pop().unwrap().head;
    for name in ["forwarded", "x-forwarded-for", "via"] {
        assert_eq!(head.count(name), 2, "{name} in {:?}", head.fields);
    }
}
