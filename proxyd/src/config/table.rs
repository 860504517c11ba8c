//! A stick table as it is told: what its keys are, and what it holds of each.

use std::path::PathBuf;
use std::time::Duration;

use super::sample::{Kind, Sample};

/// One of `tables`.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub name: String,
    pub key: KeyType,
    /// Most entries at once.
    pub entries: u32,
    /// How long an entry that is not used stays; `None` is for ever.
    pub expire: Option<Duration>,
    /// In HAProxy's order, each once.
    pub store: Vec<Stored>,
    /// A full table takes no new entry, instead of giving up its oldest one.
    pub no_purge: bool,
    /// Where it is kept over a restart.
    pub save: Option<Save>,
}

/// The file of a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Save {
    pub path: PathBuf,
    /// How often what changed is written.
    pub interval: Duration,
}

/// What a table's keys are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyType {
    Ip,
    Ipv6,
    Integer,
    /// Of at most so many bytes.
    String(u32),
    /// Of exactly so many bytes, zeros where there are fewer.
    Binary(u32),
}

impl KeyType {
    /// What a value has to become for it.
    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::Ip | Self::Ipv6 => Kind::Address,
            Self::Integer => Kind::Integer,
            Self::String(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// As HAProxy names it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ipv6 => "ipv6",
            Self::Integer => "integer",
            Self::String(_) => "string",
            Self::Binary(_) => "binary",
        }
    }
}

/// What tells a backend's clients from each other, so that they stay with their servers.
#[derive(Clone, Debug, PartialEq)]
pub struct Stick {
    pub rule: StickRule,
    pub key: Sample,
    pub table: String,
}

/// What a rule does with the server of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StickRule {
    /// Looks it up, and stores it.
    On,
    Match,
    StoreRequest,
    /// Stores it for a key of the answer.
    StoreResponse,
}

impl StickRule {
    pub const fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Match => "match",
            Self::StoreRequest => "store_request",
            Self::StoreResponse => "store_response",
        }
    }

    pub const fn matches(self) -> bool {
        matches!(self, Self::On | Self::Match)
    }

    pub const fn stores(self) -> bool {
        matches!(self, Self::On | Self::StoreRequest)
    }
}

/// Whose connections or requests are counted in a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    pub key: Sample,
    pub table: String,
}

/// How many keys one proxy tracks at most.
pub(super) const MOST_TRACKS: usize = 3;

/// Something that a table holds of each key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stored {
    pub data: Data,
    /// Over how long a rate is taken; zero for what is none.
    pub period: Duration,
    /// How many there are of an array's; 1 for what is none.
    pub count: u32,
}

/// How a value is held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// 32 bits.
    Number,
    /// 64 bits.
    Wide,
    /// Events of a period that slides.
    Rate,
    /// The name of a server.
    Name,
}

macro_rules! data {
    ($($variant:ident $name:literal $form:ident $array:literal,)*) => {
        /// The kinds of data, in HAProxy's order.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[repr(u8)]
        pub enum Data {
            $($variant,)*
        }

        impl Data {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            pub const COUNT: usize = Self::ALL.len();

            /// With their names.
            pub(super) const NAMED: &[(&str, Self)] = &[$(($name, Self::$variant),)*];

            /// As HAProxy names it, and so does a configuration.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            pub const fn form(self) -> Form {
                match self {
                    $(Self::$variant => Form::$form,)*
                }
            }

            /// Whether there are several of them, by number.
            pub const fn is_array(self) -> bool {
                match self {
                    $(Self::$variant => $array,)*
                }
            }
        }
    };
}

data! {
    ServerId "server_id" Number false,
    Gpt0 "gpt0" Number false,
    Gpc0 "gpc0" Number false,
    Gpc0Rate "gpc0_rate" Rate false,
    ConnCnt "conn_cnt" Number false,
    ConnRate "conn_rate" Rate false,
    ConnCur "conn_cur" Number false,
    SessCnt "sess_cnt" Number false,
    SessRate "sess_rate" Rate false,
    HttpReqCnt "http_req_cnt" Number false,
    HttpReqRate "http_req_rate" Rate false,
    HttpErrCnt "http_err_cnt" Number false,
    HttpErrRate "http_err_rate" Rate false,
    BytesInCnt "bytes_in_cnt" Wide false,
    BytesInRate "bytes_in_rate" Rate false,
    BytesOutCnt "bytes_out_cnt" Wide false,
    BytesOutRate "bytes_out_rate" Rate false,
    Gpc1 "gpc1" Number false,
    Gpc1Rate "gpc1_rate" Rate false,
    ServerKey "server_key" Name false,
    HttpFailCnt "http_fail_cnt" Number false,
    HttpFailRate "http_fail_rate" Rate false,
    Gpt "gpt" Number true,
    Gpc "gpc" Number true,
    GpcRate "gpc_rate" Rate true,
    GlitchCnt "glitch_cnt" Number false,
    GlitchRate "glitch_rate" Rate false,
}

/// Entries of one table at most.
pub(super) const MOST_ENTRIES: u32 = 1_000_000_000;

/// Bytes of a key at most.
pub(super) const LONGEST_KEY: u32 = 1024;

/// Bytes of a string or binary key of which nothing is said.
pub(super) const KEY_LENGTH: u32 = 32;

impl Data {
    /// The most of an array's that HAProxy takes.
    pub const MOST: u32 = 100;

    pub fn named(name: &str) -> Option<Self> {
        // HAProxy's old name for it.
        if name == "server_name" {
            return Some(Self::ServerKey);
        }
        Self::ALL.iter().copied().find(|data| data.name() == name)
    }
}
