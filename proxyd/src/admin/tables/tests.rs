use std::time::Duration;

use proto::level::Level;

use crate::admin::tests::with_site;
use crate::config::Config;
use crate::config::table::{Data, KeyType, Stored, Table as Conf};
use crate::model::testing;
use crate::stick::key;

fn conf(name: &str, key: KeyType, store: &[Data]) -> Conf {
    let stored = |data: &Data| Stored {
        data: *data,
        period: if data.name().contains("rate") { Duration::from_secs(10) } else { Duration::ZERO },
        count: if data.is_array() { 2 } else { 1 },
    };
    Conf {
        name: name.to_owned(),
        key,
        entries: 100_000,
        expire: Some(Duration::from_mins(10)),
        store: store.iter().map(stored).collect(),
        no_purge: false,
        save: None,
    }
}

fn config() -> Config {
    let all = [Data::ServerId, Data::Gpc0, Data::ServerKey, Data::Gpt, Data::GpcRate];
    let tables = vec![
        conf("st_src", KeyType::Ip, &all),
        Conf { expire: None, ..conf("st_str", KeyType::String(20), &[Data::ConnCur]) },
        conf("st_bin", KeyType::Binary(4), &[]),
    ];
    Config { tables, ..testing::config() }
}

#[tokio::test(start_paused = true)]
async fn tables_are_listed_and_shown_as_haproxy_does() {
    with_site(testing::shared_of(&config()), async |site| {
        assert_eq!(
            site.admin("show table").await,
            "# table: st_bin, type: binary, size:100000, used:0\n\
             # table: st_str, type: string, size:100000, used:0\n\
             # table: st_src, type: ip, size:100000, used:0\n"
        );
        assert_eq!(
            site.admin("set table st_src key 10.0.0.1 data.gpc0 5 data.gpt[1] 7").await,
            "\n".trim_end()
        );
        let shown = site.admin("show table st_src").await;
        let (head, line) = shown.split_once('\n').unwrap();
        assert_eq!(head, "# table: st_src, type: ip, size:100000, used:1");
        let (pointer, line) = line.split_once(": ").unwrap();
        assert_eq!(
            line,
            "key=10.0.0.1 use=0 exp=600000 shard=0 server_id=0 gpc0=5 server_key=- gpt0=0 gpt1=7 \
             gpc0_rate(10000)=0 gpc1_rate(10000)=0\n"
        );
        assert_eq!(site.admin(&format!("show table st_src ptr {pointer}")).await, shown);
        assert_eq!(site.admin("show table st_src key 10.0.0.1").await, shown);
        assert_eq!(site.admin("show table st_src key 10.0.0.2").await, "");
        site.admin(&format!("set table st_src ptr {pointer} data.gpc0 6")).await;
        assert!(site.admin("show table st_src data.gpc0 eq 6 data.gpt[1] gt 6").await.contains("gpc0=6"));
        assert!(!site.admin("show table st_src data.gpc0 ne 6").await.contains("gpc0=6"));
        site.admin("clear table st_src key 10.0.0.1").await;
        assert!(site.admin("show table").await.contains("st_src, type: ip, size:100000, used:0"));
        site.admin("set table st_str key a\\ b data.conn_cur 1").await;
        assert!(site.admin("show table st_str").await.contains("key=a\\ b use=0 exp=0 shard=0 conn_cur=1\n"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_is_shown_by_its_name() {
    let shared = testing::shared_of(&config());
    let table = std::sync::Arc::clone(shared.snapshot().table("st_src").unwrap());
    let number = table.intern("app2");
    let key = key::of_text(KeyType::Ip, "10.0.0.9").unwrap();
    table.enter(&key, shared.epoch.now_ms(), |entry| {
        entry.set(Data::ServerId, 0, 2);
        entry.set(Data::ServerKey, 0, number.into());
    });
    with_site(shared, async |site| {
        assert!(site.admin("show table st_src").await.contains(" server_id=2 gpc0=0 server_key=app2 "));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_in_these_words() {
    with_site(testing::shared_of(&config()), async |site| {
        for (line, answer) in [
            ("show table nope", "No such table"),
            ("set table nope key 1 data.gpc0 1", "No such table"),
            ("show table st_src foo", super::SHOW_TABLE),
            ("set table st_src", super::SET_TABLE),
            ("clear table st_src foo", super::CLEAR_TABLE),
            ("show table st_src key", "Key value expected"),
            ("show table st_src key 2001:db8::1", "Invalid key"),
            ("set table st_src key host data.gpc0 1", "Invalid key"),
            ("set table st_src key 1.2.3.4 gpc0 1", "\"data.<type>\" followed by a value expected"),
            ("set table st_src key 1.2.3.4 data.gpc9 1", "Unknown data type"),
            ("set table st_src key 1.2.3.4 data.gpc0[1] 1", "Unknown data type"),
            ("set table st_src key 1.2.3.4 data.conn_cur 1", "Data type not stored in this table"),
            ("set table st_src key 1.2.3.4 data.gpc0", "Require a valid integer value to store"),
            ("set table st_src key 1.2.3.4 data.gpc0 x", "Require a valid integer value to store"),
            ("set table st_src key 1.2.3.4 data.gpt[2] 1", "index out of range in this data array"),
            (
                "set table st_src data.gpc0 eq 1",
                "content-based lookup is only supported with the \"show\" and \"clear\" actions",
            ),
            ("show table st_src data.x eq 1", "Filter entry #1: Unknown data type"),
            (
                "show table st_src data.gpc0 eq 1 data.conn_cur eq 1",
                "Filter entry #2: Data type not stored in this table",
            ),
            (
                "show table st_src data.gpc0 is 1",
                "Filter entry #1: Require and operator among \"eq\", \"ne\", \"le\", \"ge\", \"lt\", \"gt\"",
            ),
            (
                "clear table st_src data.gpc0 eq",
                "Filter entry #1: Require a valid integer value to compare against",
            ),
            (
                "show table st_src data.gpc0 eq 1 data.gpc0 eq 1 data.gpc0 eq 1 data.gpc0 eq 1 more",
                "Detected extra data in filter, 16th word of input, after '1'",
            ),
            ("show table st_src ptr 5", "Pointer expected (0xffff notation)"),
            ("show table st_src ptr 0xz", "Malformed ptr."),
            ("clear table st_src ptr 0x123450", "No entry can be found matching ptr."),
            (
                "set table st_bin key x",
                "Inserting keys into tables of type other than ip, ipv6, string and integer is not supported",
            ),
        ] {
            assert_eq!(site.admin(line).await, format!("{answer}\n"), "{line}");
        }
        // Nothing of it left a trace.
        assert!(!site.admin("show table").await.contains("used:1"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn levels_are_held() {
    with_site(testing::shared_of(&config()), async |site| {
        assert_eq!(site.ask(Level::Operator, b"set table st_src key 1.2.3.4 data.gpc0 1\n").await, "\n");
        assert_eq!(
            site.ask(Level::User, b"show table st_src\n").await,
            "# table: st_src, type: ip, size:100000, used:1\n\
             # contents not dumped due to insufficient privileges\n\n"
        );
        for line in ["set table st_src key 1.2.3.4", "clear table st_src", "show table st_src key 1.2.3.4"] {
            let answer = site.ask(Level::User, format!("{line}\n").as_bytes()).await;
            assert_eq!(answer, "Permission denied\n\n", "{line}");
        }
        assert_eq!(site.ask(Level::Operator, b"clear table st_src\n").await, "\n");
        assert!(site.admin("show table").await.contains("st_src, type: ip, size:100000, used:0"));
    })
    .await;
}

#[tokio::test]
async fn many_entries_come_piece_by_piece() {
    let shared = testing::shared_of(&config());
    let table = std::sync::Arc::clone(shared.snapshot().table("st_src").unwrap());
    for n in 0..50_000_i64 {
        table.enter(&key::of_integer(n), shared.epoch.now_ms(), |entry| {
            entry.set(Data::Gpc0, 0, n as u64 % 10)
        });
    }
    let held = table.hold(&key::of_integer(7), shared.epoch.now_ms(), |_| ()).unwrap();
    with_site(shared, async |site| {
        let all = site.admin("show table st_src").await;
        assert_eq!(all.lines().count(), 50_001);
        let odd = site.admin("show table st_src data.gpc0 gt 6 data.gpc0 lt 8").await;
        assert_eq!(odd.lines().count(), 5_001);
        site.admin("clear table st_src data.gpc0 ne 3").await;
        // One of them is held.
        assert!(site.admin("show table").await.contains("size:100000, used:5001"));
        assert_eq!(
            site.admin("clear table st_src key 0.0.0.7").await,
            "Entry currently in use, cannot remove\n"
        );
        site.admin("clear table st_src").await;
        assert!(site.admin("show table st_src").await.contains("key=0.0.0.7 use=1 "));
    })
    .await;
    table.release(held, 1, |_| ());
}

#[tokio::test(start_paused = true)]
async fn what_is_changed_is_told() {
    let shared = testing::shared_of(&config());
    with_site(std::sync::Arc::clone(&shared), async |site| {
        for line in [
            "set table st_src key 10.0.0.1 data.gpc0 5",
            "set table st_src key 10.0.0.1 data.gpc0 6",
            "set table st_str key alice data.conn_cur 1",
            // Nothing comes of these.
            "set table st_src key 10.0.0.2 data.gpc0 x",
            "clear table st_src key 10.0.0.2",
            "show table st_src",
            "clear table st_src data.gpc0 gt 5",
            "clear table st_str key alice",
            "clear table st_bin",
        ] {
            site.admin(line).await;
        }
    })
    .await;
    let events = shared.journal.since(0).unwrap();
    let told = events.iter().map(|event| {
        let of = |name: &str| event.fields.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        format!(
            "{} {} {}-{}: {} | {}",
            event.event,
            event.id,
            of("from"),
            of("to"),
            of("command"),
            of("public")
        )
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "table_set t/st_src 0-1: set table st_src key 10.0.0.1 data.gpc0 5 | set table st_src",
            "table_set t/st_src 1-1: set table st_src key 10.0.0.1 data.gpc0 6 | set table st_src",
            "table_set t/st_str 0-1: set table st_str key alice data.conn_cur 1 | set table st_str",
            "table_cleared t/st_src 1-0: clear table st_src data.gpc0 gt 5 | clear table st_src",
            "table_cleared t/st_str 1-0: clear table st_str key alice | clear table st_str",
            "table_cleared t/st_bin 0-0: clear table st_bin | clear table st_bin",
        ]
    );
}
