use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::command::table::TABLE;

fn run(line: &str, level: Level) -> Result<Command, Refusal> {
    parse(&words::split(line), level)
}

fn refused(line: &str) -> String {
    run(line, Level::Admin).expect_err(line).text.into_owned()
}

fn server() -> ServerName {
    ServerName { backend: "be".into(), server: "s1".into() }
}

#[test]
fn commands_are_understood() {
    let set = |change| Command::SetServer(server(), change);
    for (line, command) in [
        ("show version foo bar", Command::ShowVersion),
        ("set server be/s1 weight 50", set(ServerChange::Weight(Weight::Absolute(50)))),
        ("set server be/s1 weight 50%", set(ServerChange::Weight(Weight::Percent(50)))),
        ("set weight be/s1 256", set(ServerChange::Weight(Weight::Absolute(256)))),
        ("set weight be/s1 99999999999%", set(ServerChange::Weight(Weight::Percent(i32::MAX as u32)))),
        ("set server be/s1 state drain", set(ServerChange::State(AdminState::Drain))),
        ("disable server be/s1", set(ServerChange::State(AdminState::Maint))),
        ("enable server be/s1", set(ServerChange::State(AdminState::Ready))),
        ("set server be/s1 check-port 0", set(ServerChange::Check(CheckChange::Port(0)))),
        ("set server be/s1 check-port 8080 9", set(ServerChange::Check(CheckChange::Port(8080)))),
        (
            "set server be/s1 check-addr ::1 9",
            set(ServerChange::Check(CheckChange::Address { ip: "::1".parse().unwrap(), port: None })),
        ),
        (
            "set server be/s1 check-addr 10.0.0.1 port 81 more",
            set(ServerChange::Check(CheckChange::Address {
                ip: "10.0.0.1".parse().unwrap(),
                port: Some(81),
            })),
        ),
        ("set server be/s1 health stopping", set(ServerChange::Health(Health::Stopping))),
        (
            "set server be/s1 addr ::1 port 80",
            set(ServerChange::Address { ip: "::1".parse().unwrap(), port: Some(80) }),
        ),
        ("set maxconn frontend f 0", Command::SetMaxconnFrontend { frontend: "f".into(), maxconn: 0 }),
        ("clear counters", Command::ClearCounters { all: false }),
        ("reopen logs", Command::ReopenLogs),
        ("set timeout cli 2m", Command::SetTimeout(Duration::from_mins(2))),
        ("set timeout cli 5", Command::SetTimeout(Duration::from_secs(5))),
        ("echo  a   b", Command::Echo("a b".into())),
        (
            "show stat be 4 1 typed desc no-maint",
            Command::ShowStat(StatRequest {
                filter: Some(Filter { proxy: ProxyRef::Name("be".into()), kinds: Some(4), id: Some(1) }),
                format: Format::Typed,
                desc: true,
                hide: Hide::Maint,
            }),
        ),
        (
            "show stat domain proxy #5 -1 -1",
            Command::ShowStat(StatRequest {
                filter: Some(Filter { proxy: ProxyRef::Number(5), kinds: None, id: None }),
                ..StatRequest::default()
            }),
        ),
        (
            "show stat typed desc up",
            Command::ShowStat(StatRequest {
                filter: None,
                format: Format::Typed,
                desc: true,
                hide: Hide::Down,
            }),
        ),
        (
            "watch every 500ms since abc:17 app 4 -1",
            Command::Watch(WatchRequest {
                every: Some(Duration::from_millis(500)),
                since: Some(Since { boot: "abc".into(), seq: 17 }),
                filter: Some(Filter { proxy: ProxyRef::Name("app".into()), kinds: Some(4), id: None }),
            }),
        ),
        ("watch events", Command::Watch(WatchRequest { every: None, since: None, filter: None })),
        (
            "prompt timed i",
            Command::Prompt(PromptChange { mode: Some(PromptMode::Interactive), timed: true }),
        ),
    ] {
        assert_eq!(run(line, Level::Admin), Ok(command), "{line}");
    }
}

#[test]
fn commands_of_persistence_are_understood() {
    for (line, command) in [
        (
            "disable dynamic-cookie backend be",
            Command::SetCookies { backend: "be".into(), change: CookieChange::Dynamic(false) },
        ),
        (
            "set dynamic-cookie-key backend be s3cret",
            Command::SetCookies { backend: "be".into(), change: CookieChange::Key("s3cret".into()) },
        ),
        (
            "show table t data.gpc0 gt 0",
            Command::Table(TableRequest {
                action: TableAction::Show,
                table: Some("t".into()),
                words: ["data.gpc0", "gt", "0"].map(str::to_owned).into(),
            }),
        ),
        (
            "show table",
            Command::Table(TableRequest { action: TableAction::Show, table: None, words: Vec::new() }),
        ),
    ] {
        assert_eq!(run(line, Level::Admin), Ok(command), "{line}");
    }
}

#[test]
fn where_checks_go_is_refused_in_these_words() {
    for (line, text) in [
        ("set server be/s1 check-addr", table::CHECK_ADDRESS),
        ("set server be/s1 check-addr x", "invalid addr 'x'"),
        ("set server be/s1 check-addr ::1 port", table::NO_INTEGER),
        ("set server be/s1 check-addr ::1 port x", table::NO_INTEGER),
        ("set server be/s1 check-addr ::1 port -1", table::INVALID_PORT),
        ("set server be/s1 check-port", table::CHECK_PORT),
        ("set server be/s1 check-port +5", table::NO_INTEGER),
        ("set server be/s1 check-port 5x", table::NO_INTEGER),
        ("set server be/s1 check-port -1", table::INVALID_PORT),
        ("set server be/s1 check-port 70000", table::INVALID_PORT),
    ] {
        let refusal = run(line, Level::Admin).unwrap_err();
        assert_eq!((refusal.severity, &*refusal.text), (Severity::Error, text), "{line}");
        let needs = if line.split(' ').count() > 4 {
            Target::Checked(ServerName { backend: "be".into(), server: "s1".into() })
        } else {
            Target::Server(ServerName { backend: "be".into(), server: "s1".into() })
        };
        assert_eq!(refusal.needs, Some(needs), "{line}");
    }
}

#[test]
fn nonsense_is_refused_in_these_words() {
    for (line, text) in [
        ("set server", table::SERVER_NAME),
        ("set server be", table::SERVER_NAME),
        ("set server /s", table::SERVER_NAME),
        ("set server be/s1", table::SET_SERVER),
        ("set server be/s1 fqdn", table::FQDN),
        ("set server be/s1 fqdn x", table::NO_RESOLUTION),
        ("set server be/s1 ssl on", table::SERVER_SSL),
        ("set server be/s1 name s2", table::RENAMING),
        ("set server be/s1 frobnicate", table::SET_SERVER),
        ("set server be/s1 agent", table::AGENT),
        ("set server be/s1 agent stopping", table::AGENT),
        ("set server be/s1 agent-addr", table::AGENT_ADDRESS),
        ("set server be/s1 agent-addr 10.0.0.1 9", table::AGENT_ADDRESS),
        ("set server be/s1 agent-addr x", "invalid addr 'x'"),
        ("set server be/s1 agent-port", table::AGENT_PORT),
        ("set server be/s1 agent-port 0", "Invalid port '0': from 1 to 65535."),
        ("set server be/s1 agent-send", table::AGENT_SEND),
        ("show server history be/s1 yaml", table::HISTORY),
        ("show server history", table::SERVER_NAME),
        ("set server be/s1 state", table::STATE),
        ("set server be/s1 health dwon", table::HEALTH),
        ("set server be/s1 weight", table::WEIGHT),
        ("set server be/s1 weight heavy", table::WEIGHT),
        ("set server be/s1 weight -", table::WEIGHT),
        ("set server be/s1 weight 257", table::WEIGHT_RANGE),
        ("set server be/s1 weight -1", table::WEIGHT_RANGE),
        ("set server be/s1 weight 2147483648", table::WEIGHT_RANGE),
        ("set server be/s1 weight 9223372036854775808", table::WEIGHT_RANGE),
        ("set server be/s1 weight -1%", table::WEIGHT_SIGN),
        ("set server be/s1 weight 10x", table::WEIGHT_GARBAGE),
        ("set server be/s1 weight 10%%", table::WEIGHT_GARBAGE),
        ("set server be/s1 addr", table::ADDRESS),
        ("set server be/s1 addr 127.0.0.1 prt 1", table::ADDRESS),
        ("set server be/s1 addr foo.bar", "Invalid addr 'foo.bar'"),
        ("set server be/s1 addr 127.0.0.1 port 99999", "Invalid port '99999': from 1 to 65535."),
        ("set server be/s1 addr 127.0.0.1 port +1", "Invalid port '+1': from 1 to 65535."),
        ("set server be/s1 addr 127.0.0.1 port 0", "Invalid port '0': from 1 to 65535."),
        ("get weight", table::SERVER_NAME),
        ("enable frontend", table::FRONTEND_NAME),
        ("set maxconn frontend", table::FRONTEND_NAME),
        ("set maxconn frontend F", table::INTEGER_VALUE),
        ("set maxconn frontend F abc", table::INTEGER_VALUE),
        ("set maxconn frontend F 10x", table::INTEGER_VALUE),
        ("set maxconn frontend F -1", table::OUT_OF_RANGE),
        ("set maxconn frontend F 2147483648", table::OUT_OF_RANGE),
        ("set maxconn global", table::AN_INTEGER),
        ("set maxconn global -1", table::OUT_OF_RANGE),
        ("set maxconn global 9223372036854775808", table::OUT_OF_RANGE),
        ("clear counters garbage", table::CLEAR),
        ("set table", table::SET_TABLE),
        ("clear table", table::CLEAR_TABLE),
        ("set severity-output", table::SEVERITY),
        ("set severity-output loud", table::SEVERITY),
        ("set timeout", table::TIMEOUT),
        ("set timeout client 5", table::TIMEOUT),
        ("set timeout cli", table::AN_INTEGER),
        ("set timeout cli x", table::BAD_TIMEOUT),
        ("set timeout cli 0", table::BAD_TIMEOUT),
        ("set timeout cli 18446744073709551615", table::BAD_TIMEOUT),
        ("show stat domain resolvers", table::DOMAIN),
        ("show stat -1 x -1", "Invalid type 'x': a number, or -1 for all."),
        ("watch every 50ms", "Invalid interval '50ms': from 100ms to 60s."),
        ("watch every 61", "Invalid interval '61': from 100ms to 60s."),
        ("watch since 17", "Invalid position '17': <boot>:<seq> of an earlier stream."),
    ] {
        assert_eq!(refused(line), text, "{line}");
    }
    for line in
        ["show stat garbage", "show stat be 4", "show stat be 4 1 garbage", "watch garbage", "watch every"]
    {
        assert!(refused(line).starts_with("Unknown argument '"), "{line}: {}", refused(line));
    }
}

#[test]
fn names_are_looked_up_before_the_rest_is_read() {
    for (line, target) in [
        ("set server be/s1 weight x", Target::Server(server())),
        ("set server be/s1", Target::Server(server())),
        ("set weight be/s1", Target::Server(server())),
        ("set maxconn frontend f abc", Target::Frontend("f".into())),
        ("show stat typed be 4 1", Target::Proxy("typed".into())),
    ] {
        assert_eq!(run(line, Level::Admin).expect_err(line).needs, Some(target), "{line}");
    }
}

#[test]
fn unknown_commands_are_told_what_comes_near() {
    let always = "  help [<command>]                        : list matching or all commands\n  \
        prompt [help | n | i | p | timed ]*     : toggle interactive mode with prompt\n  \
        quit                                    : disconnect";
    assert_eq!(
        refused("show cli"),
        format!(
            "Unknown command: 'show', but maybe one of the following ones is a better match:\n  \
             show cli level                          : display the level of the current CLI session\n  \
             show cli sockets                        : dump list of cli sockets\n{always}"
        )
    );
    let foo = refused("foo bar");
    assert!(
        foo.starts_with("Unknown command: 'foo', but maybe one of the following ones is a better match:\n  ")
    );
    assert_eq!(foo.lines().count(), 9);
    assert!(foo.ends_with(always));
    // What other load balancers of this family have and this one has not.
    for line in ["show sess", "add server be/s1 127.0.0.1:80", "set server-state x", "show peers", "#"] {
        assert_eq!(run(line, Level::Admin).expect_err(line).severity, Severity::Info, "{line}");
        assert!(refused(line).starts_with("Unknown command: '"), "{line}");
    }
    assert_eq!(
        help::help(&["quit".to_owned()]),
        format!("The following commands are valid at this level:\n{always}")
    );
    assert_eq!(help::help(&[]).lines().count(), TABLE.len() + 1);
}

#[test]
fn levels_come_before_arguments() {
    for entry in TABLE {
        let line = entry.words.join(" ");
        for level in [Level::User, Level::Operator, Level::Admin] {
            let denied = run(&line, level) == Err(Refusal::denied());
            let expected = level < entry.level || (entry.words == ["operator"] && level == Level::User);
            assert_eq!(denied, expected, "{line} at {level}");
        }
    }
    assert_eq!(run("clear counters all", Level::Operator), Err(Refusal::denied()));
    assert_eq!(run("clear counters all", Level::Admin), Ok(Command::ClearCounters { all: true }));
}

#[test]
fn weights_are_relative_to_the_initial_one() {
    for (weight, initial, now) in [
        (Weight::Absolute(0), 100, 0),
        (Weight::Percent(300), 100, 256),
        (Weight::Percent(50), 1, 0),
        (Weight::Percent(33), 10, 3),
        (Weight::Percent(i32::MAX as u32), 256, 256),
    ] {
        assert_eq!(weight.of(initial), now, "{weight} of {initial}");
    }
}

/// The committed reference is what this prints; `PROXYD_WRITE_REFERENCE=1 cargo test` writes it.
#[test]
fn the_reference_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/SOCKET.md");
    let text = reference();
    if std::env::var_os("PROXYD_WRITE_REFERENCE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}

fn reference() -> String {
    let mut out = String::from(REFERENCE_HEAD);
    for entry in TABLE {
        let usage = entry.usage.replace("  ", " ");
        let origin = if entry.shared { "HAProxy management guide, 9.3" } else { "proxyd" };
        writeln!(out, "\n## `{}`\n\n{}.\n", entry.words.join(" "), capital(entry.text)).unwrap();
        writeln!(out, "- Syntax: `{usage}`\n- Level: {}\n- Source: {origin}", entry.level).unwrap();
        writeln!(out, "- Answer: {}", entry.answer).unwrap();
        for error in entry.errors {
            writeln!(out, "- Error: `{error}`").unwrap();
        }
    }
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

const REFERENCE_HEAD: &str = "# The commands of the socket

Written by `proto/src/command/tests.rs` from the table of commands; change it there.

A line holds one command or several, with `;` between them. Each answer ends with an empty line; a command that has
nothing to say answers with the empty line alone. Without `prompt` the first line is carried out and the connection
closed. Words are separated by blanks, `\\` takes the next character as it is, quotes mean nothing. A last word `<<` (or
`<<PATTERN`) starts a payload that ends with an empty line (or a line that is PATTERN).

Levels include the ones before them: user, operator, admin. A command that needs more answers `Permission denied`.
An unknown command answers `Unknown command: '<word>', but maybe one of the following ones is a better match:` and the
commands that come near.
";

#[test]
fn what_is_echoed_is_echoed_again() {
    for text in ["", "a b", "a ", " a", "a  b", "a\tb;", &"a ".repeat(100), &["a"; 100].join(" ")] {
        let command = Command::Echo(text.into());
        assert_eq!(run(&command.to_string(), Level::User), Ok(command), "{text:?}");
    }
}

fn words_strategy() -> impl Strategy<Value = String> {
    let known: Vec<String> = TABLE
        .iter()
        .flat_map(|entry| entry.words)
        .map(|word| (*word).to_owned())
        .chain(
            "be/s1 state weight addr port 80 127.0.0.1 health up drain 50% -1 #2 agent agent-addr agent-port agent-send check-addr check-port typed json desc all global 7 cli \
             none every 2s since a:1 events domain proxy i p timed"
                .split(' ')
                .map(str::to_owned),
        )
        .collect();
    let word = prop_oneof![4 => proptest::sample::select(known), 1 => "\\PC{0,6}".prop_map(|w| w)];
    proptest::collection::vec(word, 0..9).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_understood_is_understood_again(line in words_strategy()) {
        for level in [Level::User, Level::Operator, Level::Admin] {
            if let Ok(command) = run(&line, level) {
                let shown = command.to_string();
                prop_assert_eq!(run(&shown, level), Ok(command), "{}", shown);
            }
        }
    }

    #[test]
    fn nothing_panics(line in "\\PC*", junk in proptest::collection::vec(any::<char>(), 0..50)) {
        let _either = run(&line, Level::Admin);
        let _either = run(&junk.into_iter().collect::<String>(), Level::User);
    }
}
