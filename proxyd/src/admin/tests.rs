//! The socket as its clients see it: bytes in, bytes out.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proto::level::Level;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::LocalSet;
use tokio::time::timeout;

use crate::model::shared::{Listener, Shared};
use crate::model::testing;

/// Nothing here takes this long.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A served system.
pub(crate) struct Site {
    pub(crate) shared: Arc<Shared>,
    directory: tempfile::TempDir,
}

impl Site {
    pub(crate) fn path(&self, level: Level) -> PathBuf {
        self.directory.path().join(level.as_str())
    }

    pub(crate) async fn connect(&self, level: Level) -> UnixStream {
        UnixStream::connect(self.path(level)).await.unwrap()
    }

    /// Sends the bytes, ends the sending side, and reads to the end.
    pub(crate) async fn ask(&self, level: Level, bytes: &[u8]) -> String {
        ask(&self.path(level), bytes).await
    }

    /// What the line answers to an admin, without the empty line at its end.
    pub(crate) async fn admin(&self, line: &str) -> String {
        let answer = self.ask(Level::Admin, format!("{line}\n").as_bytes()).await;
        answer.strip_suffix('\n').unwrap_or_else(|| panic!("{line}: {answer:?}")).to_owned()
    }
}

async fn ask(path: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    // The answer may be there, and the connection closed, before all was sent.
    let _early = stream.write_all(bytes).await;
    let _early = stream.shutdown().await;
    let mut answer = Vec::new();
    timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

/// Runs a test beside a served system with a socket for each level.
pub(crate) async fn with_site<F: Future<Output = ()>>(shared: Arc<Shared>, test: impl FnOnce(Rc<Site>) -> F) {
    let site = Rc::new(Site { shared, directory: tempfile::tempdir().unwrap() });
    let mut files = Vec::new();
    let sockets = [Level::Admin, Level::Operator, Level::User].map(|level| {
        let path = site.path(level);
        let (listener, file) = crate::net::bind::unix(&path, Some(0o600)).unwrap();
        files.push(file);
        super::Socket { listener, path, level }
    });
    let serving = super::serve(Arc::clone(&site.shared), sockets.into(), "test".to_owned());
    LocalSet::new()
        .run_until(async {
            tokio::select! {
                () = serving => panic!("serving ended"),
                () = test(site) => {}
            }
        })
        .await;
}

const VERSION: &str = concat!("3.2.0-proxyd-", env!("CARGO_PKG_VERSION"), "\n\n");

#[tokio::test]
async fn lines_answers_and_modes() {
    with_site(testing::shared(), async |site| {
        let v = VERSION;
        for (sent, answer) in [
            ("show version\n", v.to_owned()),
            // Only the first line counts.
            ("show version\nshow version\n", v.to_owned()),
            ("show version foo bar\n", v.to_owned()),
            ("  show\t version  \n", v.to_owned()),
            ("show version;show cli level\n", format!("{v}admin\n\n")),
            ("show version ; show cli level\n", format!("{v}admin\n\n")),
            (";;show version;;\n", format!("\n\n{v}\n\n")),
            ("nosuch;show version\n", format!("{}\n{v}", unknown("nosuch"))),
            // A carriage return adds an empty line.
            ("show version\r\n", format!("{v}\n")),
            ("\n", "\n".to_owned()),
            // A line without its end is none.
            ("show version", String::new()),
            ("quit\n", String::new()),
            ("show version;quit;show version\n", v.to_owned()),
            ("prompt i\nshow version\nshow version\n", format!("\n{v}{v}")),
            ("prompt\nshow version\n", format!("\n> {v}> ")),
            ("prompt\nshow version;show version\n", format!("\n> {v}{v}> ")),
            ("prompt p\n\nquit\nshow version\n", "\n> \n> ".to_owned()),
            ("prompt\nprompt\nshow version\n", "\n> \n".to_owned()),
            ("prompt i\nprompt n\nshow version\n", "\n\n".to_owned()),
            ("prompt timed\nprompt n timed\n", "\n[0:00:00:00]> \n".to_owned()),
            ("echo a  b\\;c  d\\ e \"q x\"\n", "a b;c d e \"q x\"\n\n".to_owned()),
            // Payloads are taken, and given to no one yet.
            ("show version <<\nabc\n\nshow version\n", v.to_owned()),
            ("show version <<EOF\nabc\n\nEOF\nshow version\n", v.to_owned()),
            ("show cli level;show version <<\nabc\n\n", format!("admin\n\n{v}")),
            ("prompt\nshow version <<\nabc\n\nshow version\n", format!("\n> + + {v}> {v}> ")),
            ("show version <<\nabc\n", String::new()),
        ] {
            assert_eq!(site.ask(Level::Admin, sent.as_bytes()).await, answer, "{sent:?}");
        }
        let help = site.admin("prompt garbage").await;
        assert!(
            help.starts_with("Usage: prompt [help | n | i | p | timed]*\n") && help.ends_with("p->n.\n"),
            "{help}"
        );
    })
    .await;
}

fn unknown(word: &str) -> String {
    let words = [word.to_owned()];
    format!("{}\n", proto::command::parse(&words, Level::User).unwrap_err())
}

#[tokio::test]
async fn too_long_is_told() {
    with_site(testing::shared(), async |site| {
        let line = "The command line is too big for the buffer size. Please change 'tune.bufsize' in the \
            configuration to use a bigger command.\n";
        let payload = "The payload is too big. Please change 'tune.cli.max-payload-size' in the configuration to \
            use a bigger payload.\n";
        assert_eq!(site.ask(Level::User, &[b'x'; 16_384]).await, line);
        assert_eq!(site.ask(Level::User, &vec![b'x'; 1 << 20]).await, line);
        let fits = format!("echo {}\n", "x".repeat(16_384 - 6));
        assert_eq!(site.ask(Level::User, fits.as_bytes()).await, format!("{}\n\n", &fits[5..fits.len() - 1]));
        let bytes = format!("show version <<\n{}\n\n", "x".repeat(128 * 1024));
        assert_eq!(site.ask(Level::User, bytes.as_bytes()).await, payload);
        let bytes = format!("show version <<\n{}\n", "x\n".repeat(70_000));
        assert_eq!(site.ask(Level::User, bytes.as_bytes()).await, payload);
        let bytes = format!("show version <<{}\n\n", "E".repeat(65));
        assert!(site.ask(Level::User, bytes.as_bytes()).await.starts_with("The payload pattern is too long"));
    })
    .await;
}

#[tokio::test]
async fn crlf_as_socat_sends_it() {
    with_site(testing::shared(), async |site| {
        let answer = site.ask(Level::Admin, b"show info;show stat\r\n").await;
        assert_eq!(answer.lines().filter(|line| line.is_empty()).count(), 3);
    })
    .await;
}

#[tokio::test]
async fn severities_are_shown() {
    with_site(testing::shared(), async |site| {
        let v = VERSION;
        for (command, answer) in [
            ("show version", format!("[6]: {v}")),
            ("echo a", "[6]: a\n\n".to_owned()),
            ("show cli level", "[6]: admin\n\n".to_owned()),
            ("help quit", format!("[6]: {}", site.admin("help quit").await + "\n")),
            ("nosuch", format!("[6]: {}\n", unknown("nosuch"))),
            ("get weight app/app1", "100 (initial 100)\n\n".to_owned()),
            ("show backend", "# name\napp\nraw\n\n".to_owned()),
            ("set server app/app9 weight 1", "[3]: No such server.\n\n".to_owned()),
            ("set server app/app1 weight 10", "\n".to_owned()),
            (
                "set server app/app1 addr 127.0.0.1",
                "[4]: no need to change the addr by 'stats socket command'\n\n".to_owned(),
            ),
            ("enable frontend web", "[5]: All sockets are already enabled.\n\n".to_owned()),
            ("set maxconn global 99999", "[3]: Value out of range.\n\n".to_owned()),
            ("user;enable server app/app1", "\n[3]: Permission denied\n\n".to_owned()),
            ("set severity-output string;echo a", "\n[info]: a\n\n".to_owned()),
            ("set severity-output none;echo a", "\na\n\n".to_owned()),
        ] {
            let sent = format!("set severity-output number;{command}\n");
            assert_eq!(site.ask(Level::Admin, sent.as_bytes()).await, format!("\n{answer}"), "{command}");
        }
    })
    .await;
}

#[tokio::test]
async fn errors_in_their_words() {
    with_site(testing::shared(), async |site| {
        let usage = "usage: set server <backend>/<server> addr | agent | agent-addr | agent-port | agent-send | \
            check-addr | check-port | health | state | weight";
        for (line, answer) in [
            ("set server app/app1 frobnicate", usage),
            ("set server app/app9 frobnicate", "No such server."),
            ("set server nope/app1 frobnicate", "No such backend."),
            ("set server app", "Require 'backend/server'."),
            ("get weight app/app9", "No such server."),
            ("set weight app/app1 heavy", "Require <weight> or <weight%>."),
            ("set server app/app1 weight 257", "Absolute weight can only be between 0 and 256 inclusive."),
            ("set server app/app1 weight -1%", "Relative weight must be positive."),
            ("set server app/app1 weight 1x", "Trailing garbage in weight string"),
            ("set server app/app1 state up", "'set server <srv> state' expects 'ready', 'drain' and 'maint'."),
            ("set server app/app1 health ok", "'set server <srv> health' expects 'up', 'stopping', or 'down'."),
            ("set server app/app1 addr", "set server <b>/<s> addr requires an address and optionally a port."),
            ("set server app/app1 addr foo.bar", "Invalid addr 'foo.bar'"),
            ("set server app/app1 addr 127.0.0.1 port 99999", "Invalid port '99999': from 1 to 65535."),
            ("enable health raw/r1", "Health check was not configured on this server, cannot enable."),
            ("enable frontend nope", "No such frontend."),
            ("enable frontend web", "All sockets are already enabled."),
            ("set maxconn frontend nope abc", "No such frontend."),
            ("set maxconn frontend web abc", "Integer value expected."),
            ("set maxconn server app", "Require 'backend/server'."),
            ("set maxconn server nope/app1 1", "No such backend."),
            ("set maxconn server app/app9 abc", "No such server."),
            ("set maxconn server app/app1", "Require <maxconn>."),
            ("set maxconn server app/app1 abc", "maxconn string empty or preceded by garbage"),
            ("set maxconn server app/app1 5x", "Trailing garbage in maxconn string"),
            ("set maxconn server app/app1 -1", "Value out of range."),
            ("set maxconn global abc", "Expects an integer value."),
            ("set maxconn global 1001", "Value out of range."),
            ("clear counters garbage", "'clear counters' only supports 'all'."),
            ("show stat nope 4 -1", "No such proxy."),
            ("show stat 99 4 -1", "No such proxy."),
            ("show stat typed app 4", "No such proxy."),
            ("show stat domain resolvers", "Invalid statistics domain."),
            ("show servers state nope", "Can't find backend."),
            ("set timeout client 1", "'set timeout' only supports 'cli'."),
            ("set severity-output x", "one of 'none', 'number', 'string' is a required argument"),
            ("watch every 1ms", r#"{"kind":"error","message":"Invalid interval '1ms': from 100ms to 60s."}"#),
        ] {
            let sent = format!("{line}\n");
            let answer = if line.starts_with("watch") { format!("{answer}\n") } else { format!("{answer}\n\n") };
            assert_eq!(site.ask(Level::Admin, sent.as_bytes()).await, answer, "{line}");
        }
        let refused = site.admin("show stat garbage").await;
        assert!(refused.starts_with("Unknown argument 'garbage' of 'show stat'"), "{refused}");
        assert_eq!(site.admin("get weight app/app1").await, "100 (initial 100)\n", "nothing was changed");
    })
    .await;
}

#[tokio::test]
async fn levels_allow_what_they_allow() {
    const ALL: [Level; 3] = [Level::User, Level::Operator, Level::Admin];
    with_site(testing::shared(), async |site| {
        for (command, lowest) in [
            ("help", Level::User),
            ("echo a", Level::User),
            ("user", Level::User),
            ("operator", Level::Operator),
            ("show version", Level::User),
            ("show info", Level::User),
            ("show stat", Level::User),
            ("show schema json", Level::User),
            ("show servers state", Level::User),
            ("show backend", Level::User),
            ("show cli level", Level::User),
            ("show cli sockets", Level::User),
            ("show listeners", Level::User),
            ("get weight app/app1", Level::User),
            ("set severity-output none", Level::User),
            ("set timeout cli 5", Level::User),
            ("clear counters", Level::Operator),
            ("clear counters all", Level::Admin),
            ("set weight app/app1 1", Level::Admin),
            ("set server app/app1 state ready", Level::Admin),
            // Rights come before arguments.
            ("set server", Level::Admin),
            ("enable server app/app1", Level::Admin),
            ("disable server app/app1", Level::Admin),
            ("enable health app/app1", Level::Admin),
            ("disable health app/app1", Level::Admin),
            ("disable frontend web", Level::Admin),
            ("enable frontend web", Level::Admin),
            ("set maxconn frontend web 5", Level::Admin),
            ("set maxconn global 5", Level::Admin),
        ] {
            for level in ALL {
                let answer = site.ask(level, format!("{command}\n").as_bytes()).await;
                assert_eq!(
                    answer == "Permission denied\n\n",
                    level < lowest,
                    "{command} at {level}: {answer}"
                );
            }
        }
        let answer = site.ask(Level::Admin, b"operator;show cli level;user;show cli level;operator\n").await;
        assert_eq!(answer, "\noperator\n\n\nuser\n\nPermission denied\n\n");
        let helps = [site.ask(Level::User, b"help\n").await, site.ask(Level::Admin, b"help\n").await];
        assert_eq!(helps[0], helps[1]);
    })
    .await;
}

#[tokio::test]
async fn users_are_not_told_addresses() {
    with_site(testing::shared(), async |site| {
        let column = |text: &str, row: &str, name: &str| {
            let rows = proto::stats::parse::parse(text).unwrap();
            rows.iter().find(|r| r.id() == row).unwrap().get(name).to_owned()
        };
        let user = site.ask(Level::User, b"show stat\n").await;
        assert_eq!(column(&user, "s/app/app1", "addr"), "");
        assert_eq!(column(&user, "b/app", "algo"), "");
        let operator = site.ask(Level::Operator, b"show stat\n").await;
        assert_eq!(column(&operator, "s/app/app1", "addr"), "127.0.0.1:18001");
        assert_eq!(column(&operator, "b/app", "algo"), "roundrobin");
    })
    .await;
}

#[tokio::test]
async fn changes_are_made() {
    with_site(testing::shared(), async |site| {
        site.shared.add_listener(Listener {
            proxy: "web".into(),
            name: "web-1".to_owned(),
            address: "127.0.0.1:43211".parse().unwrap(),
        });
        for (line, answer) in [
            ("show listeners", "# proxy name address\nweb web-1 127.0.0.1:43211\n"),
            ("set server app/app1 weight 50%", ""),
            ("get weight app/app1", "50 (initial 100)\n"),
            ("set weight app/app1 300%", ""),
            ("get weight app/app1", "256 (initial 100)\n"),
            ("set server app/app1 state maint", ""),
            ("set server app/app2 health down", ""),
            (
                "set server raw/r1 addr 127.0.0.2 port 99",
                "IP changed from '127.0.0.1' to '127.0.0.2', port changed from '18001' to '99' by 'stats socket command'\n",
            ),
            ("disable health app/spare", ""),
            ("disable frontend web", ""),
            ("disable frontend web", "All sockets are already disabled.\n"),
            ("set maxconn frontend tcp 7", ""),
            ("set maxconn global 500", ""),
        ] {
            assert_eq!(site.admin(line).await, answer, "{line}");
        }
        let stat = site.admin("show stat").await;
        let rows = proto::stats::parse::parse(&stat).unwrap();
        let get = |id: &str, name: &str| rows.iter().find(|r| r.id() == id).unwrap().get(name).to_owned();
        for (id, column, value) in [
            ("f/web", "status", "PAUSED"),
            ("f/web", "slim", "500"),
            ("f/tcp", "slim", "7"),
            ("s/app/app1", "status", "MAINT"),
            ("s/app/app1", "weight", "256"),
            ("s/app/app1", "check_status", ""),
            ("s/app/app2", "status", "DOWN"),
            ("s/app/spare", "status", "no check"),
            ("s/raw/r1", "addr", "127.0.0.2:99"),
            ("b/app", "status", "UP"),
            ("b/app", "act", "0"),
            ("b/app", "bck", "1"),
        ] {
            assert_eq!(get(id, column), value, "{id} {column}");
        }
        let info = site.admin("show info").await;
        assert!(info.contains("\nMaxconn: 500\nHard_maxconn: 1000\n"), "{info}");
        let state = site.admin("show servers state app").await;
        let lines: Vec<&str> = state.lines().collect();
        assert_eq!(lines[0], "1");
        assert_eq!(lines.len(), 5);
        assert!(lines[2].starts_with("4 app 1 app1 127.0.0.1 0 1 256 100 "), "{}", lines[2]);
        assert!(lines[2].ends_with(" 1 0 0 14 0 0 0 - 18001 - 0 0 - - 0"), "{}", lines[2]);
        assert!(lines[4].ends_with(" 1 0 2 2 0 0 0 - 18003 - 0 0 - - 0"), "{}", lines[4]);
    })
    .await;
}

#[tokio::test]
async fn show_stat_in_its_forms() {
    with_site(testing::shared(), async |site| {
        let ids = |text: &str| -> Vec<String> {
            proto::stats::parse::parse(text).unwrap().iter().map(proto::stats::parse::ParsedRow::id).collect()
        };
        let all = ["f/web", "f/tcp", "s/app/app1", "s/app/app2", "s/app/spare", "b/app", "s/raw/r1", "b/raw"];
        assert_eq!(ids(&site.admin("show stat").await), all);
        for (filter, wanted) in [
            ("-1 -1 -1", &all[..]),
            ("app 4 -1", &all[2..5]),
            ("app 4 2", &all[3..4]),
            ("#4 2 -1", &all[5..6]),
            ("-1 1 -1", &all[..2]),
            ("-1 4 1", &["s/app/app1", "s/raw/r1"]),
            ("-1 16 -1", &[]),
            ("web 3 -1", &all[..1]),
        ] {
            assert_eq!(ids(&site.admin(&format!("show stat {filter}")).await), wanted, "{filter}");
        }
        site.admin("disable server app/app1;set server app/app2 health down").await;
        assert_eq!(ids(&site.admin("show stat app 4 -1 no-maint").await), all[3..5]);
        assert_eq!(ids(&site.admin("show stat app 4 -1 up").await), all[4..5]);
        let counted = site.admin("show stat app 2 -1 up").await;
        assert!(counted.contains(",UP (1/3),"), "{counted}");
        let typed = site.admin("show stat app 4 1 typed").await;
        assert!(typed.starts_with("S.4.1.0.pxname.1:KNSV:str:app\n"), "{typed}");
        let desc = site.admin("show stat app 4 1 typed desc").await;
        assert!(desc.starts_with("S.4.1.0.pxname.1:KNSV:str:app:\"Proxy name\"\n"), "{desc}");
        let json = site.admin("show stat json").await;
        let lists: Vec<Vec<serde_json::Value>> = serde_json::from_str(&json).unwrap();
        assert_eq!(lists.len(), all.len());
        assert_eq!(json.lines().count(), 1);
        assert_eq!(site.admin("show stat -1 16 -1 json").await, "[]\n");
        let info: Vec<serde_json::Value> = serde_json::from_str(&site.admin("show info json").await).unwrap();
        assert_eq!(info.len(), 81);
        let sockets = site.admin("show cli sockets").await;
        assert_eq!(sockets.lines().next(), Some("# socket lvl processes"));
        assert_eq!(
            sockets.lines().nth(1),
            Some(&*format!("unix@{} admin all", site.path(Level::Admin).display()))
        );
        serde_json::from_str::<serde_json::Value>(&site.admin("show schema json").await).unwrap();
    })
    .await;
}

#[tokio::test]
async fn counters_are_cleared() {
    use crate::stats::cells::Count;
    with_site(testing::shared(), async |site| {
        let snapshot = site.shared.snapshot();
        let cells = snapshot.frontend("web").unwrap().live.stats.worker(0);
        (0..3).for_each(|_| {
            cells.inc(Count::Sessions);
            cells.enter(0);
        });
        (0..3).for_each(|_| cells.leave());
        let stat = async || {
            let rows = site.admin("show stat web 1 -1").await;
            let row = proto::stats::parse::parse(&rows).unwrap().remove(0);
            (row.num("stot").unwrap(), row.num("smax").unwrap())
        };
        assert_eq!(stat().await, (3, 3));
        site.admin("clear counters").await;
        assert_eq!(stat().await, (3, 0));
        site.admin("clear counters all").await;
        assert_eq!(stat().await, (0, 0));
    })
    .await;
}

#[tokio::test]
async fn ten_are_served_and_the_next_waits() {
    with_site(testing::shared(), async |site| {
        let mut held = Vec::new();
        for _ in 0..super::MAX_CONNECTIONS {
            let mut stream = site.connect(Level::Admin).await;
            stream.write_all(b"prompt i\n").await.unwrap();
            let mut answer = [0; 1];
            stream.read_exact(&mut answer).await.unwrap();
            held.push(stream);
        }
        let mut waiting = site.connect(Level::Admin).await;
        waiting.write_all(b"show cli level\n").await.unwrap();
        let mut answer = String::new();
        let early = timeout(Duration::from_millis(100), waiting.read_to_string(&mut answer)).await;
        assert!(early.is_err(), "{answer:?}");
        // Another socket has its own.
        assert_eq!(site.ask(Level::User, b"show cli level\n").await, "user\n\n");
        held.pop();
        timeout(LIMIT, waiting.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer, "admin\n\n");
        // Watchers do not count.
        for stream in &mut held {
            stream.write_all(b"watch events\n").await.unwrap();
            let mut answer = [0; 1];
            stream.read_exact(&mut answer).await.unwrap();
        }
        assert_eq!(site.admin("show cli level").await, "admin\n");
    })
    .await;
}

#[tokio::test]
async fn the_idle_are_let_go() {
    with_site(testing::shared(), async |site| {
        let mut stream = site.connect(Level::Admin).await;
        stream.write_all(b"set timeout cli 50ms;prompt\n").await.unwrap();
        let mut answer = String::new();
        timeout(LIMIT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer, "\n\n> ");
    })
    .await;
}

#[tokio::test]
async fn a_slow_reader_delays_nobody_and_gets_it_all() {
    let mut config = testing::config();
    let names: Vec<String> = (0..2000).map(|i| format!("s{i}")).collect();
    let servers: Vec<(&str, u32, bool)> = names.iter().map(|name| (name.as_str(), 1, false)).collect();
    config.backends.push(testing::backend("many", crate::config::Mode::Http, true, &servers));
    with_site(testing::shared_of(&config), async |site| {
        let mut slow = site.connect(Level::Admin).await;
        slow.write_all(b"show stat typed\n").await.unwrap();
        for _ in 0..20 {
            assert_eq!(site.admin("show cli level").await, "admin\n");
        }
        let mut answer = String::new();
        timeout(LIMIT, slow.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer.lines().filter(|l| l.contains(".pxname.")).count(), 2009);
        assert!(answer.ends_with("\n\n"));
    })
    .await;
}

/// Whatever is sent: every line has an answer, the connection ends well, and the next one is served.
#[tokio::test]
async fn nonsense_harms_nobody() {
    const PIECES: [&str; 24] = [
        "show",
        "stat",
        "set",
        "server",
        "app/app1",
        "weight",
        "addr",
        " ",
        "  ",
        ";",
        "\\",
        "\"",
        "<<",
        "<<E",
        "\r",
        "\n",
        "\0",
        "\u{1b}[2J",
        "é",
        "-1",
        "99999999999999999999",
        "help",
        "prompt",
        "watch since x",
    ];
    with_site(testing::shared(), async |site| {
        let mut random: u32 = 4711;
        for _ in 0..500 {
            let mut line = String::new();
            for _ in 0..random % 12 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                line.push_str(PIECES[(random >> 16) as usize % PIECES.len()]);
                line.push_str(if random >> 31 == 0 { " " } else { "" });
            }
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let level = [Level::User, Level::Operator, Level::Admin][(random >> 8) as usize % 3];
            let answer = site.ask(level, format!("{line}\n\n").as_bytes()).await;
            let payload_without_end = line.contains("<<");
            assert!(!answer.is_empty() || payload_without_end, "{line:?}");
        }
        assert_eq!(site.admin("show cli level").await, "admin\n");
    })
    .await;
}
