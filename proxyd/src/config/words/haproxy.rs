//! What to say to people who bring HAProxy's own spelling.

/// HAProxy's keywords, in `snake_case`, and how the same is said here.
const HAPROXY: &[(&str, &str)] = &[
    ("abortonclose", "it is called `abort_on_close` here, and stands in `defaults` or a backend"),
    ("acl", "conditions are not supported yet"),
    ("agent_addr", "write `agent: (port: 9999, address: \"10.0.0.1\")` for a server"),
    ("agent_check", "write `agent: (port: 9999)` for a server"),
    ("agent_inter", "write `agent: (port: 9999, interval: \"2s\")` for a server"),
    ("agent_port", "write `agent: (port: 9999)` for a server"),
    ("agent_send", "write `agent: (port: 9999, send: \"text\\n\")` for a server"),
    ("allbackups", "write `backups: all` in the backend"),
    ("backend", "backends stand in a list: `backends: [(name: \"app\", ..)]`"),
    ("check_alpn", "write it in the check: `check: http(alpn: [h2])`"),
    ("check_sni", "write it in the check: `check: http(tls: (sni: \"app.example.com\"))`"),
    ("check_ssl", "write it in the check: `check: http(tls: true)`"),
    ("check_send_proxy", "checks send a PROXY header wherever `send_proxy` is set"),
    ("check_timeout", "write it in the check: `check: http(timeout: \"1s\")`"),
    ("cookie", "write `persistence: cookie(name: \"SRV\")` in the backend, and `cookie: \"s1\"` in a server"),
    ("daemon", "proxyd stays in the foreground and leaves this to the service manager"),
    ("default_server", "write `server_defaults: (maxconn: 200)` in the backend"),
    ("disabled", "take a server out at run time with `set server <backend>/<server> state maint`"),
    ("downinter", "it is called `down_interval` here, and stands in the check"),
    ("dontlog_normal", "write `log: (leave_out: [normal])`"),
    ("dontlognull", "write `log: (leave_out: [null_connections])`"),
    ("error_log_format", "errors have the format of the other lines"),
    ("fastinter", "it is called `fast_interval` here, and stands in the check"),
    ("dynamic_cookie_key", "write `persistence: cookie(name: \"SRV\", dynamic: true, key: \"..\")`"),
    ("errorfile", "write `http_errors: [(status: 503, file: \"errors/503.html\")]`"),
    ("forwarded", "write `forward_headers: [forwarded]`"),
    ("force_persist", "write `persist: (force: [source(\"10.0.0.0/8\")])` in the backend"),
    ("forwardfor", "write `forward_headers: [x_forwarded_for]` in `defaults`"),
    ("frontend", "frontends stand in a list: `frontends: [(name: \"web\", ..)]`"),
    (
        "hash_balance_factor",
        "write `balance_factor` in `balance`: `uri(kind: consistent, balance_factor: \"150%\")`",
    ),
    (
        "hash_type",
        "write `kind`, `function` and `avalanche` in `balance`: `uri(kind: consistent, function: djb2)`",
    ),
    ("http_check", "write `check: http(path: \"/healthz\")` in the backend"),
    ("httpchk", "write `check: http(path: \"/\")` in the backend"),
    ("httplog", "write `log: (format: httplog)`"),
    ("httpslog", "write `log: (format: httpslog)`"),
    ("ignore_persist", "write `persist: (ignore: [path(\"/static/*\")])` in the backend"),
    ("external_check", "write `check: external(command: \"..\")` in the backend"),
    ("mysql_check", "write `check: mysql` in the backend"),
    ("pgsql", "write `check: postgres(user: \"..\")`"),
    ("pgsql_check", "write `check: postgres(user: \"..\")` in the backend"),
    ("redis_check", "write `check: redis` in the backend"),
    ("smtpchk", "write `check: smtp(helo: \"..\")` in the backend"),
    ("ssl_hello_chk", "write `check: tcp(tls: true)` in the backend"),
    ("disable_on_404", "it stands in the check: `check: http(disable_on_404: true)`"),
    ("inter", "write `interval` in the check: `check: http(interval: \"2s\")`"),
    ("maxidle", "it is called `max_idle` here"),
    ("maxlife", "it is called `max_life` here"),
    ("maxqueue", "it is called `max_queue` here"),
    ("log_global", "the targets of `global.log` are everybody's"),
    ("log_format", "write `log: (format: \"..\")`"),
    ("log_separate_errors", "write `log: (errors_separately: true)`"),
    ("log_tag", "write `tag` in the target: `log: [(target: stdout, tag: \"proxyd\")]` in `global`"),
    ("logasap", "`as_soon_as_possible` is not supported yet"),
    ("logformat", "write `log: (format: \"..\")`"),
    ("nbproc", "it is called `workers` and stands in `global`"),
    ("nbthread", "it is called `workers` and stands in `global`"),
    ("nosplice", "write `splice: off` in `global`"),
    ("option", "HAProxy's options are settings of their own here, such as `check: http(..)`"),
    ("redispatch", "it is on unless `retries: (redispatch: false)` says otherwise"),
    ("retry_on", "write `retries: (on: [conn_failure, empty_response])` in `defaults`"),
    ("postonly", "it is called `post_only` here"),
    ("raw", "write `framing: raw`"),
    ("rfc3164", "write `framing: rfc3164`"),
    ("rfc5424", "write `framing: rfc5424`"),
    ("splice_auto", "long transfers are spliced unless `global` says `splice: off`"),
    ("send_proxy_v2", "write `send_proxy: v2`"),
    ("server", "servers stand in a list: `servers: [(name: \"app1\", address: \"127.0.0.1:9001\")]`"),
    (
        "stick_table",
        "write `tables: [(name: \"by_ip\", key: ip, entries: 100_000, expire: \"30m\")]` at top level",
    ),
    ("stick_match", "write `stick: [match(key: \"src\", table: \"by_ip\")]` in the backend"),
    ("stick_on", "write `stick: [on(key: \"src\", table: \"by_ip\")]` in the backend"),
    ("stick_store_request", "write `stick: [store_request(key: \"src\", table: \"by_ip\")]` in the backend"),
    (
        "stick_store_response",
        "write `stick: [store_response(key: \"res.cook(SID)\", table: \"sessions\")]` in the backend",
    ),
    ("stats", "a socket is written `sockets: [(path: \"./proxyd.sock\")]` in `global`"),
    (
        "ca_file",
        "write `client_certs: (ca: \"..\")` in the `tls` of a bind, `ca: \"..\"` in that of a server",
    ),
    ("ciphers", "write `suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, ..]` in `tls`"),
    ("ciphersuites", "write `suites: [TLS_AES_128_GCM_SHA256, ..]` in `tls`"),
    ("crl_file", "write `client_certs: (crl: \"..\")` in the `tls` of a bind"),
    (
        "crt",
        "write `tls: (certificates: [\"site.pem\"])` for a bind, `tls: (client_cert: \"..\")` for a server",
    ),
    ("crt_list", "write `tls: (certificates: [..])`; hosts are taken from the certificates"),
    ("curves", "write `groups: [x25519, secp256r1]` in `tls`"),
    ("npn", "write `alpn: [http1]` in `tls`"),
    ("ssl", "write `tls: (certificates: [\"site.pem\"])` for a bind, `tls: true` for a server"),
    ("ssl_max_ver", "write `max_version: tls12` in `tls`"),
    ("ssl_min_ver", "write `min_version: tls13` in `tls`"),
    ("tls_ticket_keys", "write `tickets: (keys: \"..\")` in `tls`"),
    ("verifyhost", "write `sni: \"..\"` in `tls`"),
    ("track_sc0", "write `track: [(key: \"src\", table: \"by_ip\")]` in the frontend or backend"),
    ("tcp_ut", "it is called `user_timeout` here"),
    ("tcp_check", "write `check: tcp` in the backend"),
    ("tcplog", "write `log: (format: tcplog)`"),
    ("tfo", "it is called `fast_open` here"),
    ("timeout", "write `timeouts: (connect: \"5s\", ..)` in `defaults`"),
    ("usesrc", "write `source: client`"),
    (
        "use_backend",
        "write `default_backend: \"app\"`; `routes` choose by SNI in mode tcp, and by nothing else yet",
    ),
];

/// What to write for a keyword of HAProxy's (`default-server`, `httpchk`, `timeout connect`).
pub(crate) fn haproxy(word: &str) -> Option<String> {
    let word = word.replace('-', "_");
    if let Some((_, help)) = HAPROXY.iter().find(|(name, _)| *name == word) {
        return Some((*help).to_owned());
    }
    let (first, rest) = word.split_once(' ')?;
    match (first, rest) {
        ("timeout", "check") => haproxy("check_timeout"),
        ("timeout", name) => Some(format!("write `timeouts: ({name}: \"5s\")` in `defaults`")),
        ("stats", _) => haproxy("stats"),
        ("option", name) => haproxy(name),
        ("log_format", _) => haproxy(first),
        ("balance", "roundrobin" | "leastconn" | "static_rr" | "first" | "random" | "source" | "uri") => {
            Some(format!("write `balance: {rest}`"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn haproxys_words() {
        assert_eq!(
            haproxy("timeout http-request").as_deref(),
            Some("write `timeouts: (http_request: \"5s\")` in `defaults`")
        );
        assert_eq!(haproxy("option httpchk"), haproxy("httpchk"));
        assert_eq!(haproxy("balance roundrobin").as_deref(), Some("write `balance: roundrobin`"));
        assert_eq!(haproxy("name"), None);
    }
}
