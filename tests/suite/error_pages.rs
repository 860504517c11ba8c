//! Answers of proxyd's own, in an operator's words.

use std::fs;

use harness::daemon::Start;
use harness::origin::Refusing;
use harness::{Config, Daemon};

#[test]
fn the_nearest_page_is_sent() {
    let refusing = Refusing::new();
    let config = Config::new()
        .defaults(
            r#"retries: (max: 0), http_errors: [
                (status: 503, body: "defaults"),
                (status: 400, body: "bad\n", content_type: "text/plain; charset=utf-8"),
                (status: 417, body: "defaults"),
            ]"#,
        )
        .frontend("web", r#"http_errors: [(status: 417, body: "web")], default_backend: "app""#)
        .frontend("other", r#"default_backend: "other""#)
        .backend("app", r#"http_errors: [(status: 503, file: "503.json")]"#)
        .server("app1", refusing.address(), "")
        .backend("other", "")
        .server("app1", refusing.address(), "");
    let start = Start::new(&config);
    fs::write(start.dir().join("503.json"), "{\"retry\": true}").unwrap();
    let daemon = start.run();

    let mut client = daemon.client();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.text().as_str()), (503, "{\"retry\": true}"), "the backend's");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    client.send("HEAD / HTTP/1.1\r\nHost: test\r\n\r\n");
    let answer = client.response("HEAD");
    assert_eq!((answer.status, answer.header("content-length")), (503, Some("15")));

    let mut client = harness::Client::tcp(daemon.listener("other"));
    let answer = client.get("/");
    assert_eq!((answer.status, answer.text().as_str()), (503, "defaults"));
    assert_eq!(answer.header("content-type"), Some("text/html"));

    let mut client = daemon.client();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nExpect: tea\r\n\r\n");
    let answer = client.response("POST");
    assert_eq!((answer.status, answer.text().as_str()), (417, "web"), "the frontend's");

    let mut client = daemon.client();
    client.send("nonsense\r\n\r\n");
    let answer = client.response("GET");
    assert_eq!((answer.status, answer.text().as_str()), (400, "bad\n"), "that of the defaults");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("connection"), Some("close"));
}

#[test]
fn a_file_is_read_at_start() {
    let refusing = Refusing::new();
    let config = Config::http([("app1", refusing.address())])
        .defaults(r#"retries: (max: 0), http_errors: [(status: 503, file: "page.html")]"#);
    let start = Start::new(&config);
    let path = start.dir().join("page.html");
    fs::write(&path, "x".repeat(64 << 10)).unwrap();
    let daemon = start.run();
    fs::remove_file(path).unwrap();
    assert_eq!(daemon.client().get("/").body.len, 64 << 10);
}

#[test]
fn a_file_that_is_no_page_is_refused() {
    let config = Config::http([("app1", Refusing::new().address())])
        .defaults(r#"http_errors: [(status: 503, file: "page.html")]"#);
    for (content, said) in [
        (None, "cannot read it"),
        (Some("x".repeat((64 << 10) + 1)), "longer than 64 KiB"),
        (Some("a\0b".to_owned()), "it holds a NUL"),
        (Some("HTTP/1.0 503 No\r\n\r\nx".to_owned()), "keep what follows its first empty line"),
    ] {
        let start = Start::new(&config);
        if let Some(content) = content {
            fs::write(start.dir().join("page.html"), content).unwrap();
        }
        let failed = start.try_run().expect_err(said);
        assert!(failed.log.contains(said) && failed.log.contains("\"page.html\""), "{}", failed.log);
    }
}

#[test]
fn without_one_haproxys_words_are_sent() {
    let daemon =
        Daemon::start(&Config::http([("app1", Refusing::new().address())]).defaults("retries: (max: 0)"));
    assert_eq!(
        daemon.client().get("/").text(),
        "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n"
    );
}
