//! A reader of `watch` that knows only what its description says, and `show stat` beside it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::console::Console;
use crate::world::World;

type Fields = Map<String, Value>;

/// Columns of `show stat` that grow by themselves, and the fields of the stream they come from.
const AGES: [&str; 3] = ["lastchg", "lastsess", "downtime"];
const POINTS: [&str; 3] = ["changed_at_ms", "lastsess_at_ms", "down_ms"];

/// What was read so far.
pub(crate) struct Replica {
    console: Console,
    rows: BTreeMap<String, Fields>,
    /// Rows of a state that is not complete yet.
    coming: BTreeMap<String, Fields>,
    seq: u64,
    pub(crate) event_seq: u64,
    /// What each object was last said to have become, by kind of event.
    became: BTreeMap<(String, &'static str), String>,
    /// Events may have been lost.
    forgetful: bool,
}

impl Replica {
    pub(crate) async fn start(world: &World) -> Result<Self, String> {
        let mut console = Console::connect(&world.socket);
        console.send("watch every 2s");
        let mut replica = Self {
            console: Console::connect(&world.socket),
            rows: BTreeMap::new(),
            coming: BTreeMap::new(),
            seq: 0,
            // What happened before is no event of this stream.
            event_seq: world.shared.journal.seq(),
            became: BTreeMap::new(),
            forgetful: false,
        };
        for line in console.until(|line| line.starts_with(r#"{"kind":"sync""#)).await? {
            replica.apply(world, &line)?;
        }
        replica.console = console;
        Ok(replica)
    }

    /// Takes in what is there.
    pub(crate) fn read(&mut self, world: &World) -> Result<(), String> {
        for line in self.console.lines() {
            self.apply(world, &line)?;
        }
        Ok(())
    }

    fn apply(&mut self, world: &World, line: &str) -> Result<(), String> {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        match text("kind").as_str() {
            "hello" | "info" => {}
            "row" => {
                self.coming.insert(text("id"), value["row"].as_object().cloned().unwrap_or_default());
            }
            "sync" => {
                self.rows = std::mem::take(&mut self.coming);
                self.next_seq(&value)?;
            }
            "delta" => {
                if value["more"] == Value::Bool(false) {
                    self.next_seq(&value)?;
                }
                for (id, fields) in value["rows"].as_object().into_iter().flatten() {
                    let row = self.rows.entry(id.clone()).or_default();
                    for (name, field) in fields.as_object().into_iter().flatten() {
                        if field.is_null() {
                            row.remove(name);
                        } else {
                            row.insert(name.clone(), field.clone());
                        }
                    }
                }
                for id in value["del"].as_array().into_iter().flatten() {
                    self.rows.remove(id.as_str().unwrap_or_default());
                }
            }
            "gap" => {
                self.coming.clear();
                self.forgetful |= value["events_lost"].as_u64() != Some(0);
            }
            "event" => self.event(world, &value)?,
            _ => return Err(format!("the stream says {line}")),
        }
        Ok(())
    }

    fn next_seq(&mut self, value: &Value) -> Result<(), String> {
        let seq = value["seq"].as_u64().unwrap_or_default();
        if seq <= self.seq {
            return Err(format!("seq {seq} after {}", self.seq));
        }
        self.seq = seq;
        Ok(())
    }

    /// Events come in order, and each begins where the one before ended.
    fn event(&mut self, world: &World, value: &Value) -> Result<(), String> {
        let seq = value["seq"].as_u64().unwrap_or_default();
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let (event, id, from, to) = (text("event"), text("id"), text("from"), text("to"));
        world.say(&format!("event {seq}: {event} {id} {from} -> {to}"));
        if seq <= self.event_seq {
            return Err(format!("event {seq} after {}", self.event_seq));
        }
        self.event_seq = seq;
        let chain = match event.as_str() {
            "server_state" | "health" => "state",
            "weight" => "weight",
            "server_maxconn" => "maxconn",
            "backend_up" | "backend_down" => "backend",
            _ => return Ok(()),
        };
        let before = self.became.insert((id.clone(), chain), to);
        match before {
            Some(before) if before != from && !self.forgetful && !is_renewed(world, &id, chain) => {
                Err(format!("{event} of {id} goes from {from}, but it was {before}"))
            }
            _ => Ok(()),
        }
    }

    /// The stream, applied, is `show stat` at this very moment. Nothing is compared where the sample of now was taken
    /// before something happened.
    pub(crate) async fn compare(&mut self, world: &World, console: &mut Console) -> Result<bool, String> {
        // Somebody who comes makes the daemon take a sample for all, unless it has just taken one.
        let before = world.shared.journal.seq();
        let mut other = Console::connect(&world.socket);
        other.send("watch every 2s");
        let lines = other.until(|line| line.starts_with(r#"{"kind":"sync""#)).await?;
        let sync: Value =
            lines.iter().rev().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        let seq = sync["seq"].as_u64().unwrap_or_default();
        if seq <= before {
            return Ok(false);
        }
        for _ in 0..1000 {
            self.read(world)?;
            if self.seq >= seq {
                break;
            }
            tokio::task::yield_now().await;
        }
        if self.seq < seq {
            return Err(format!("the sample {seq} does not come; {} did", self.seq));
        }
        let said = console.ask("show stat").await?;
        let rows = stat(&said);
        let ids: BTreeSet<&String> = rows.keys().chain(self.rows.keys()).collect();
        let now_ms = world.shared.epoch.wall(world.shared.epoch.now_ms());
        for id in ids {
            let (Some(ours), Some(theirs)) = (self.rows.get(id), rows.get(id)) else {
                let here = self.rows.contains_key(id);
                return Err(format!("{id} is {} the stream only", if here { "in" } else { "missing in" }));
            };
            same(id, ours, theirs, now_ms)?;
        }
        Ok(true)
    }

    /// What it holds in a field, as text.
    pub(crate) fn field(&self, id: &str, name: &str) -> Option<String> {
        self.rows.get(id)?.get(name).map(plain)
    }
}

/// A reload changes limits without a word, and another server may have the name.
fn is_renewed(world: &World, id: &str, chain: &str) -> bool {
    let path = id.get(2..).unwrap_or_default();
    let named = world.servers.borrow().iter().filter(|server| server.path() == path).count();
    world.shared.generation() > 0 && (named > 1 || chain == "maxconn")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn same(id: &str, ours: &Fields, theirs: &BTreeMap<String, String>, now_ms: u64) -> Result<(), String> {
    let names: BTreeSet<&str> =
        ours.keys().map(String::as_str).chain(theirs.keys().map(String::as_str)).collect();
    for name in names.into_iter().filter(|name| !AGES.contains(name) && !POINTS.contains(name)) {
        let (ours, theirs) = (ours.get(name).map(plain).unwrap_or_default(), theirs.get(name));
        let theirs = theirs.cloned().unwrap_or_default();
        if ours != theirs {
            return Err(format!("{name} of {id}: the stream makes it {ours:?}, show stat says {theirs:?}"));
        }
    }
    let point = |name: &str| ours.get(name).and_then(Value::as_u64);
    let age = |at: u64| now_ms.saturating_sub(at) / 1000;
    let changed = point("changed_at_ms");
    let status = ours.get("status").map(plain).unwrap_or_default();
    let open = match changed {
        Some(at) if status.starts_with("DOWN") || status.starts_with("MAINT") => now_ms.saturating_sub(at),
        _ => 0,
    };
    let ages = [
        ("lastchg", changed.map(|at| age(at).to_string())),
        ("downtime", point("down_ms").map(|closed| ((closed + open) / 1000).to_string())),
        ("lastsess", point("lastsess_at_ms").map(|at| age(at).to_string())),
    ];
    for (name, ours) in ages {
        let theirs = theirs.get(name).filter(|text| *text != "-1").cloned();
        if ours != theirs {
            return Err(format!("{name} of {id}: the stream makes it {ours:?}, show stat says {theirs:?}"));
        }
    }
    Ok(())
}

/// Rows of `show stat` by their id in the stream; what is empty is left out.
fn stat(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut lines = text.lines();
    let names = cells(lines.next().unwrap_or_default().trim_start_matches("# "));
    let row = |line: &str| {
        let row: BTreeMap<String, String> = names
            .iter()
            .cloned()
            .zip(cells(line))
            .filter(|(name, value)| name != "-" && !value.is_empty())
            .collect();
        let name = |column: &str| row.get(column).cloned().unwrap_or_default();
        let id = match name("type").as_str() {
            "0" => format!("f/{}", name("pxname")),
            "1" => format!("b/{}", name("pxname")),
            "2" => format!("s/{}/{}", name("pxname"), name("svname")),
            _ => format!("l/{}/{}", name("pxname"), name("svname")),
        };
        (id, row)
    };
    lines.filter(|line| !line.is_empty()).map(row).collect()
}

/// Fields of a line of CSV.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let last = cells.len() - 1;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cells[last].push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells[last].push(c),
        }
    }
    cells
}
