//! The table of commands: the words that name each, its help line, who may send it, and what the reference says of it.

use std::fmt::Write as _;

use crate::level::Level;

/// Which command it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Id {
    AbortSslCert,
    ClearCounters,
    ClearTable,
    CommitSslCert,
    DisableAgent,
    DisableDynamicCookie,
    DisableFrontend,
    DisableHealth,
    DisableServer,
    Echo,
    EnableAgent,
    EnableDynamicCookie,
    EnableFrontend,
    EnableHealth,
    EnableServer,
    GetWeight,
    Operator,
    ReloadSslCerts,
    ReopenLogs,
    SetDynamicCookieKey,
    SetMaxconnFrontend,
    SetMaxconnGlobal,
    SetMaxconnServer,
    SetServer,
    SetSeverityOutput,
    SetSslCert,
    SetTable,
    SetTimeout,
    SetWeight,
    ShowBackend,
    ShowCliLevel,
    ShowCliSockets,
    ShowInfo,
    ShowListeners,
    ShowSchema,
    ShowServerHistory,
    ShowServersState,
    ShowSslCert,
    ShowStat,
    ShowTable,
    ShowVersion,
    User,
    Watch,
    Help,
    Prompt,
    Quit,
}

/// One command.
#[derive(Debug)]
pub struct Entry {
    pub(super) id: Id,
    /// The words that name it.
    pub words: &'static [&'static str],
    /// How the help shows it.
    pub usage: &'static str,
    /// What the help says.
    pub text: &'static str,
    /// The lowest level that may send it.
    pub level: Level,
    /// What is answered when it is carried out.
    pub answer: &'static str,
    /// What else can be answered.
    pub errors: &'static [&'static str],
    /// Whether HAProxy has it (management guide, 9.3).
    pub shared: bool,
}

const NO_BACKEND: &str = "No such backend.";
const NO_SERVER: &str = "No such server.";
pub(super) const SERVER_NAME: &str = "Require 'backend/server'.";
pub(super) const FRONTEND_NAME: &str = "A frontend name is expected.";
pub(super) const NO_FRONTEND: &str = "No such frontend.";
pub(super) const WEIGHT: &str = "Require <weight> or <weight%>.";
pub(super) const WEIGHT_RANGE: &str = "Absolute weight can only be between 0 and 256 inclusive.";
pub(super) const WEIGHT_SIGN: &str = "Relative weight must be positive.";
pub(super) const WEIGHT_GARBAGE: &str = "Trailing garbage in weight string";
pub(super) const SET_SERVER: &str = "usage: set server <backend>/<server> addr | agent | agent-addr | agent-port | \
    agent-send | check-addr | check-port | health | state | weight";
pub(super) const STATE: &str = "'set server <srv> state' expects 'ready', 'drain' and 'maint'.";
pub(super) const HEALTH: &str = "'set server <srv> health' expects 'up', 'stopping', or 'down'.";
pub(super) const AGENT: &str = "'set server <srv> agent' expects 'up' or 'down'.";
pub(super) const AGENT_ADDRESS: &str =
    "set server <b>/<s> agent-addr requires an address and optionally a port.";
pub(super) const AGENT_PORT: &str = "set server <b>/<s> agent-port requires a port.";
pub(super) const AGENT_SEND: &str = "set server <b>/<s> agent-send requires a text.";
pub(super) const CHECK_ADDRESS: &str =
    "set server <b>/<s> check-addr requires an address and optionally a port.";
pub(super) const CHECK_PORT: &str = "set server <b>/<s> check-port requires a port.";
pub(super) const NO_INTEGER: &str = "provided port is not an integer";
pub(super) const INVALID_PORT: &str = "provided port is invalid";
pub(super) const FQDN: &str = "set server <b>/<s> fqdn requires a FQDN.";
pub(super) const NO_RESOLUTION: &str = "set server <b>/<s> fqdn failed because no resolution is configured.";
pub(super) const SERVER_SSL: &str =
    "'set server <srv> ssl' is not supported: whether a server is spoken to over TLS is configured.";
pub(super) const RENAMING: &str = "'set server <srv> name' is not supported: names are configured.";
const NO_CHECK: &str = "health checks are not enabled on this server";
const NO_AGENT: &str = "agent checks are not enabled on this server.";
const FOLLOWS: &str = "cannot change health on a tracking server.";
pub(super) const HISTORY: &str = "'show server history' expects <backend>/<server> and optionally 'json'.";
pub(super) const ADDRESS: &str = "set server <b>/<s> addr requires an address and optionally a port.";
pub(super) const INTEGER_VALUE: &str = "Integer value expected.";
pub(super) const AN_INTEGER: &str = "Expects an integer value.";
pub(super) const OUT_OF_RANGE: &str = "Value out of range.";
pub(super) const MAXCONN: &str = "Require <maxconn>.";
pub(super) const MAXCONN_NONE: &str = "maxconn string empty or preceded by garbage";
pub(super) const MAXCONN_GARBAGE: &str = "Trailing garbage in maxconn string";
pub(super) const CLEAR: &str = "'clear counters' only supports 'all'.";
pub(super) const SEVERITY: &str = "one of 'none', 'number', 'string' is a required argument";
pub(super) const TIMEOUT: &str = "'set timeout' only supports 'cli'.";
pub(super) const BAD_TIMEOUT: &str = "Invalid timeout value.";
pub(super) const DOMAIN: &str = "Invalid statistics domain.";
pub(super) const SET_SSL_CERT: &str = "'set ssl cert' expects a filename and a certificate as a payload";
pub(super) const COMMIT_SSL_CERT: &str = "'commit ssl cert' expects a filename";
pub(super) const ABORT_SSL_CERT: &str = "'abort ssl cert' expects a filename";
pub const SHOW_TABLE: &str = "Optional argument only supports \"data.<store_data_type>\" <operator> <value> or key \
    <key> or ptr <ptr>";
pub const SET_TABLE: &str = "Required arguments: <table> key <key> [data.<store_data_type> <value>]* or <table> ptr \
    <ptr> [data.<store_data_type> <value>]*";
pub const CLEAR_TABLE: &str = "Required arguments: <table> \"data.<store_data_type>\" <operator> <value> or <table> \
    key <key> or <table> ptr <ptr>";
const NO_TABLE: &str = "No such table";
const TABLE_KEY: &str = "Key value expected";
const BAD_KEY: &str = "Invalid key";
const NO_DATA: &str = "Unknown data type";
const POINTER: &str = "Pointer expected (0xffff notation)";
const BAD_POINTER: &str = "Malformed ptr.";
const NO_POINTER: &str = "No entry can be found matching ptr.";
const NOT_STORED: &str = "Data type not stored in this table";
const FILTER_DATA: &str = "Filter entry #<n>: Unknown data type";
const FILTER_STORED: &str = "Filter entry #<n>: Data type not stored in this table";
const FILTER_OPERATOR: &str =
    "Filter entry #<n>: Require and operator among \"eq\", \"ne\", \"le\", \"ge\", \"lt\", \"gt\"";
const FILTER_VALUE: &str = "Filter entry #<n>: Require a valid integer value to compare against";
const FILTER_LONG: &str = "Detected extra data in filter, <n>th word of input, after '<word>'";
const NO_PROXY: &str = "No such proxy.";

const NOT_AVAILABLE: &str = "Not available.";
const COOKIE_KEY: &str = "String value expected.";
pub(super) const BACKEND_NAME: &str = "A backend name is expected.";

const COOKIE_ERRORS: &[&str] = &[BACKEND_NAME, NO_BACKEND, NOT_AVAILABLE];
const SERVER_ERRORS: &[&str] = &[SERVER_NAME, NO_BACKEND, NO_SERVER];
const STATIC: &str = "Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.";
const WEIGHT_ERRORS: &[&str] =
    &[SERVER_NAME, NO_BACKEND, NO_SERVER, WEIGHT, WEIGHT_RANGE, WEIGHT_SIGN, WEIGHT_GARBAGE, STATIC];

macro_rules! entries {
    ($($id:ident [$($word:literal),*] $level:ident $usage:literal $text:literal $shared:literal $answer:literal $errors:expr;)*) => {
        /// Every command, in the order of the help: by the alphabet, then the three that are always shown.
        pub static TABLE: &[Entry] = &[
            $(Entry {
                id: Id::$id,
                words: &[$($word),*],
                usage: $usage,
                text: $text,
                level: Level::$level,
                answer: $answer,
                errors: $errors,
                shared: $shared,
            },)*
        ];
    };
}

entries! {
    AbortSslCert ["abort", "ssl", "cert"] Admin
        "abort ssl cert <certfile>" "abort a transaction for a certificate file" true
        "`Transaction aborted for certificate '<file>'!`"
        &[ABORT_SSL_CERT, "No ongoing transaction!",
          "The ongoing transaction is about '<file>' but you are trying to abort '<file>'"];
    ClearCounters ["clear", "counters"] Operator
        "clear counters [all]" "clear max statistics counters (or all counters)" true
        "An empty line. Without `all` only maxima start anew; `all` also sets totals to 0 and needs level admin. \
         Counters of `/metrics` are not touched." &[CLEAR];
    ClearTable ["clear", "table"] User
        "clear table <table> [<filter>]*" "remove an entry from a table (filter: data/key)" true
        "An empty line; at level operator. Syntax: `clear table <table> [key <key> | ptr <ptr> | \
         data.<type> eq|ne|le|ge|lt|gt <value> ...]`; without a filter the table is emptied. What tracks a connection or \
         request that is open stays. Watchers are told (`table_cleared`), at level user without the key."
        &[CLEAR_TABLE, NO_TABLE, "Permission denied", TABLE_KEY, BAD_KEY, POINTER, BAD_POINTER, NO_POINTER, FILTER_DATA,
          FILTER_STORED, FILTER_OPERATOR, FILTER_VALUE, FILTER_LONG, "Entry currently in use, cannot remove"];
    CommitSslCert ["commit", "ssl", "cert"] Admin
        "commit ssl cert <certfile>" "commit a certificate file" true
        "`Committing <file>.`, then `Success!`. New connections get the certificate; the file stays as it is, so \
         `reload ssl certs` brings back what that holds."
        &[COMMIT_SSL_CERT, "No ongoing transaction! !", "Can't commit <file>!",
          "The ongoing transaction is about '<file>' but you are trying to set '<file>'"];
    DisableAgent ["disable", "agent"] Admin
        "disable agent" "disable agent checks" true
        "An empty line. Syntax: `disable agent <backend>/<server>`. It is not asked, and what it said last no longer \
         keeps the server down once a check passes." SERVER_ERRORS;
    DisableDynamicCookie ["disable", "dynamic-cookie", "backend"] Admin
        "disable dynamic-cookie backend <bk>" "disable dynamic cookies on a specific backend" true
        "An empty line. Its servers are called after their names." COOKIE_ERRORS;
    DisableFrontend ["disable", "frontend"] Admin
        "disable frontend <frontend>" "temporarily disable specific frontend" true
        "An empty line. The frontend takes no new connections; those that are open go on."
        &[FRONTEND_NAME, NO_FRONTEND, "All sockets are already disabled."];
    DisableHealth ["disable", "health"] Admin
        "disable health" "disable health checks" true
        "An empty line. Syntax: `disable health <backend>/<server>`. The server keeps the state it has."
        SERVER_ERRORS;
    DisableServer ["disable", "server"] Admin
        "disable server (DEPRECATED)" "disable a server for maintenance (use 'set server' instead)" true
        "An empty line. Syntax: `disable server <backend>/<server>`; as `set server … state maint`." SERVER_ERRORS;
    Echo ["echo"] User
        "echo <text>" "print text to the output" true
        "The words, one blank between them." &[];
    EnableAgent ["enable", "agent"] Admin
        "enable agent" "enable agent checks" true
        "An empty line. Syntax: `enable agent <backend>/<server>`."
        &[SERVER_NAME, NO_BACKEND, NO_SERVER, "Agent was not configured on this server, cannot enable."];
    EnableDynamicCookie ["enable", "dynamic-cookie", "backend"] Admin
        "enable dynamic-cookie backend <bk>" "enable dynamic cookies on a specific backend" true
        "An empty line. Its servers are called after their addresses once there is a key; those with a `cookie` of their \
         own keep it." COOKIE_ERRORS;
    EnableFrontend ["enable", "frontend"] Admin
        "enable frontend <frontend>" "re-enable specific frontend" true
        "An empty line." &[FRONTEND_NAME, NO_FRONTEND, "All sockets are already enabled."];
    EnableHealth ["enable", "health"] Admin
        "enable health" "enable health checks" true
        "An empty line. Syntax: `enable health <backend>/<server>`."
        &[SERVER_NAME, NO_BACKEND, NO_SERVER, "Health check was not configured on this server, cannot enable."];
    EnableServer ["enable", "server"] Admin
        "enable server  (DEPRECATED)" "enable a disabled server (use 'set server' instead)" true
        "An empty line. Syntax: `enable server <backend>/<server>`; as `set server … state ready`." SERVER_ERRORS;
    GetWeight ["get", "weight"] User
        "get weight <bk>/<srv>" "report a server's current weight" true
        "`50 (initial 100)`" SERVER_ERRORS;
    Operator ["operator"] User
        "operator" "lower the level of the current CLI session to operator" true
        "An empty line; for the rest of the connection." &["Permission denied"];
    ReloadSslCerts ["reload", "ssl", "certs"] Admin
        "reload ssl certs" "read all files of TLS again" false
        "`Reloaded: 1 changed, 0 added, 0 removed, 3 unchanged.`, then a line for each file that is not what it was. \
         Certificates, folders, authorities, revocation lists and keys of tickets are read again and taken all \
         together; connections that stand go on with what they have. Where something is wrong with any file, nothing \
         is taken, and each problem has a line." &["Nothing was changed:", "<file>: <reason>"];
    ReopenLogs ["reopen", "logs"] Operator
        "reopen logs" "open log files again, after they were moved away" false
        "An empty line. Lines that were written before go to the old file." &[];
    SetDynamicCookieKey ["set", "dynamic-cookie-key", "backend"] Admin
        "set dynamic-cookie-key backend <bk> <k>" "change a backend secret key for dynamic cookies" true
        "An empty line. It is the key of cookies that servers are called by after their addresses, and changes nothing before \
         `enable dynamic-cookie backend`. Events name the backend and not the key."
        &[BACKEND_NAME, NO_BACKEND, NOT_AVAILABLE, COOKIE_KEY];
    SetMaxconnFrontend ["set", "maxconn", "frontend"] Admin
        "set maxconn frontend <frontend> <value>" "change a frontend's maxconn setting" true
        "An empty line. 0 is no limit of its own."
        &[FRONTEND_NAME, NO_FRONTEND, INTEGER_VALUE, OUT_OF_RANGE];
    SetMaxconnGlobal ["set", "maxconn", "global"] Admin
        "set maxconn global <value>" "change the per-process maxconn setting" true
        "An empty line. 0 restores the value of the start, which is also the most." &[AN_INTEGER, OUT_OF_RANGE];
    SetMaxconnServer ["set", "maxconn", "server"] Admin
        "set maxconn server <bk>/<srv>" "change a server's maxconn setting" true
        "An empty line. Syntax: `set maxconn server <backend>/<server> <value>`. 0 is no limit. Requests under way go \
         on; those that wait for room that is there now are served."
        &[SERVER_NAME, NO_BACKEND, NO_SERVER, MAXCONN, MAXCONN_NONE, MAXCONN_GARBAGE, OUT_OF_RANGE];
    SetServer ["set", "server"] Admin
        "set server <bk>/<srv> [opts]" "change a server's state, weight, address, name or ssl" true
        "`state ready|drain|maint`, `health up|stopping|down`, `weight <weight>[%]`: an empty line. \
         `addr <ip> [port <port>]`: what changed, e.g. `IP changed from '127.0.0.1' to '127.0.0.2', no need to change \
         the port by 'stats socket command'`. `agent up|down`, `agent-addr <ip> [port <port>]`, `agent-port <port>`, \
         `agent-send <text>`, for a server with an agent: an empty line. `check-addr <ip> [port <port>]`, \
         `check-port <port>`, for a server with checks: an empty line; 0.0.0.0, `::` and port 0 are where traffic goes. \
         What is spoken there stays as it is configured."
        &[SERVER_NAME, NO_BACKEND, NO_SERVER, SET_SERVER, STATE, HEALTH, WEIGHT, WEIGHT_RANGE, WEIGHT_SIGN,
          WEIGHT_GARBAGE, STATIC, ADDRESS, AGENT, AGENT_ADDRESS, AGENT_PORT, AGENT_SEND, NO_AGENT, FOLLOWS,
          CHECK_ADDRESS, CHECK_PORT, NO_INTEGER, INVALID_PORT, NO_CHECK, FQDN, NO_RESOLUTION, SERVER_SSL, RENAMING,
          "Invalid addr '<addr>'", "invalid addr '<addr>'", "Invalid port '<port>': from 1 to 65535."];
    SetSeverityOutput ["set", "severity-output"] User
        "set severity-output [none|number|string]" "set presence of severity level in feedback information" true
        "An empty line. From here on messages of this connection begin with `[3]: ` or `[err]: `." &[SEVERITY];
    SetSslCert ["set", "ssl", "cert"] Admin
        "set ssl cert <certfile> <payload>" "replace a certificate file" true
        "`Transaction created for certificate <file>!` or `Transaction updated for certificate <file>!`; \
         `commit ssl cert` makes it count. The payload is PEM: the certificate, its chain and its key; without a key \
         the one in use stays. The file has to be one of `show ssl cert`."
        &[SET_SSL_CERT, "Can't replace a certificate which is not referenced by the configuration!",
          "Can't update <file>!",
          "The ongoing transaction is about '<file>' but you are trying to set '<file>'"];
    SetTable ["set", "table"] User
        "set table <table> key <k> [data.* <v>]*" "update or create a table entry's data" true
        "An empty line; at level operator. `data.gpc[2] 7` sets one of an array. A rate that is set stays for its \
         period, and then fades. Where a value is wrong nothing is changed; without a key HAProxy empties the table, \
         this refuses. Watchers are told (`table_set`), at level user without the key."
        &[SET_TABLE, NO_TABLE, "Permission denied", TABLE_KEY, BAD_KEY, POINTER, BAD_POINTER, NO_POINTER,
          "content-based lookup is only supported with the \"show\" and \"clear\" actions",
          "\"data.<type>\" followed by a value expected", NO_DATA, NOT_STORED, "Require a valid integer value to store",
          "index out of range in this data array", "Unable to allocate a new entry"];
    SetTimeout ["set", "timeout"] User
        "set timeout [cli] <delay>" "change a timeout setting" true
        "An empty line. Syntax: `set timeout cli <delay>`, in seconds or with a unit; for this connection."
        &[TIMEOUT, AN_INTEGER, BAD_TIMEOUT];
    SetWeight ["set", "weight"] Admin
        "set weight <bk>/<srv>  (DEPRECATED)" "change a server's weight (use 'set server' instead)" true
        "An empty line. Syntax: `set weight <backend>/<server> <weight>[%]`." WEIGHT_ERRORS;
    ShowBackend ["show", "backend"] User
        "show backend" "list backends in the current running config" true
        "`# name`, then a name a line." &[];
    ShowCliLevel ["show", "cli", "level"] User
        "show cli level" "display the level of the current CLI session" true
        "`admin`, `operator` or `user`." &[];
    ShowCliSockets ["show", "cli", "sockets"] User
        "show cli sockets" "dump list of cli sockets" true
        "`# socket lvl processes`, then a socket a line: `unix@/run/proxyd/admin.sock admin all`." &[];
    ShowInfo ["show", "info"] User
        "show info [desc|json|typed|float]*" "report information about the running process" true
        "`Name: value` lines; `typed` and `json` as in HAProxy." &[];
    ShowListeners ["show", "listeners"] User
        "show listeners" "list what is listened on, with real addresses" false
        "`# proxy name address`, then a listener a line; sockets and metrics belong to `GLOBAL`." &[];
    ShowSchema ["show", "schema", "json"] User
        "show schema json" "report schema used for stats" true
        "A JSON schema, one line." &[];
    ShowServerHistory ["show", "server", "history"] User
        "show server history <bk>/<srv> [json]" "report the last changes of a server's status" false
        "The last 20, the oldest first: a line `<time> <from> -> <to>: <reason>`, then, as far as there is something to \
         say, lines that begin with two blanks: `by <who>: <command>`, `last check: <what it found>`, and \
         `it answered: \"…\"`, the first 256 bytes of what the server had answered to it. `json` is one array. Where nothing \
         ever changed, an empty line."
        &[SERVER_NAME, NO_BACKEND, NO_SERVER, HISTORY];
    ShowServersState ["show", "servers", "state"] User
        "show servers state [<backend>]" "dump volatile server information (all or for a single backend)" true
        "`1`, a header, then a line of 25 fields a server." &["Can't find backend."];
    ShowSslCert ["show", "ssl", "cert"] User
        "show ssl cert [<certfile>]" "display the SSL certificates used in memory, or the details of a file" true
        "`# filename`, then a file a line; above it `# transaction` and `*<file>`, if one waits. With a file (`*<file>` \
         for the one that waits), at level admin: `Name: value` lines."
        &["Permission denied", "Can't display the certificate: Not found or the certificate is a bundle!"];
    ShowStat ["show", "stat"] User
        "show stat [desc|json|no-maint|typed|up]*" "report counters for each proxy and server" true
        "CSV: a header, then a line for each frontend, server and backend. \
         Syntax: `show stat [domain proxy] [<proxy> <type> <id>] [typed|json] [desc] [up|no-maint]`; proxy is a name, \
         a number, `#<number>` or -1, type a sum of 1 frontends, 2 backends, 4 servers, 8 listeners, or -1. \
         At level user the columns addr, cookie and algo are empty."
        &[NO_PROXY, DOMAIN, "Unknown argument '<word>' of 'show stat', which takes …"];
    ShowTable ["show", "table"] User
        "show table [<table> [<filter>]*]" "report table usage stats or dump this table's contents (filter: data/key)" true
        "`# table: by_ip, type: ip, size:1000000, used:2`, a line a table; with a table's name its line and one for each \
         entry: `0x550000000000: key=127.0.0.1 use=0 exp=599770 shard=0 http_req_rate(10000)=4`. \
         Syntax: `show table <table> [key <key> | ptr <ptr> | data.<type> eq|ne|le|ge|lt|gt <value> ...]`, up to four \
         conditions. Entries are not shown below level operator. A dump is a walk over a table that lives on: what \
         comes or goes meanwhile may or may not be shown."
        &[SHOW_TABLE, NO_TABLE, "Permission denied", TABLE_KEY, BAD_KEY, POINTER, BAD_POINTER, NO_POINTER, FILTER_DATA,
          FILTER_STORED, FILTER_OPERATOR, FILTER_VALUE, FILTER_LONG];
    ShowVersion ["show", "version"] User
        "show version" "show version of the current process" true
        "One line." &[];
    User ["user"] User
        "user" "lower the level of the current CLI session to user" true
        "An empty line; for the rest of the connection." &[];
    Watch ["watch"] User
        "watch [every <d>] [events] [since <s>]" "stream statistics and events as they change" false
        "A line of JSON for each thing: the state, then what changes, until the client closes. \
         Syntax: `watch [every <duration>] [events] [since <boot>:<seq>] [<proxy> <type> <id>]`; the duration is 100ms \
         to 60s, 1s if not said."
        &["{\"kind\":\"error\",\"message\":\"…\"}"];
    Help ["help"] User
        "help [<command>]" "list matching or all commands" true
        "`The following commands are valid at this level:`, then a line for each." &[];
    Prompt ["prompt"] User
        "prompt [help | n | i | p | timed ]*" "toggle interactive mode with prompt" true
        "An empty line; from here on lines are read until the client ends, with `> ` in front in mode p." &[];
    Quit ["quit"] User
        "quit" "disconnect" true
        "Nothing." &[];
}

/// How many commands at the end of the table are shown in every help.
const ALWAYS: usize = 3;

/// Those commands.
pub(super) fn always() -> &'static [Entry] {
    &TABLE[TABLE.len() - ALWAYS..]
}

/// The commands but those that are always shown.
pub(super) fn listed() -> &'static [Entry] {
    &TABLE[..TABLE.len() - ALWAYS]
}

/// The command that these words begin with.
pub(super) fn find(words: &[String]) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.matching(words) == entry.words.len())
}

impl Entry {
    /// How many of the words that name it these words begin with.
    pub(super) fn matching(&self, words: &[String]) -> usize {
        self.words.iter().zip(words).take_while(|(name, word)| name == word).count()
    }

    pub(super) fn line(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _infallible = writeln!(out, "  {:<40}: {}", self.usage, self.text);
    }
}
