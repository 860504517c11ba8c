//! The catalogue of columns: name, description, type, tags, and the kinds of rows that can fill each.

use super::{Kind, Tags, ValueType};

/// How many columns stand before `-`.
pub const COLUMNS: usize = 119;

/// The kinds of rows that can fill a column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Kinds(u8);

impl Kinds {
    /// From `LFBS` with dots for those who cannot.
    pub(crate) const fn of(letters: &str) -> Self {
        let letters = letters.as_bytes();
        let mut bits = 0;
        let mut at = 0;
        while at < letters.len() {
            bits |= match letters[at] {
                b'F' => Kind::Frontend.bit(),
                b'B' => Kind::Backend.bit(),
                b'S' => Kind::Server.bit(),
                b'L' => Kind::Listener.bit(),
                _ => 0,
            };
            at += 1;
        }
        Self(bits)
    }

    pub const fn has(self, kind: Kind) -> bool {
        self.0 & kind.bit() != 0
    }
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    /// What `desc` says.
    pub desc: &'static str,
    pub value: ValueType,
    tags: Tags,
    /// The kinds of rows that can fill it.
    pub scopes: Kinds,
}

macro_rules! columns {
    ($($col:ident $value:ident $tags:literal $scopes:literal $name:literal $desc:literal;)*) => {
        /// A column of `show stat`; the number is its position.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[repr(u16)]
        pub enum Col {
            $($col,)*
        }

        /// The columns by position.
        pub static FIELDS: [Field; COLUMNS] = [
            $(Field {
                name: $name,
                desc: $desc,
                value: ValueType::$value,
                tags: Tags($tags),
                scopes: Kinds::of($scopes),
            },)*
        ];

        impl Col {
            /// The columns by position.
            pub const ALL: [Self; COLUMNS] = [$(Self::$col,)*];

            /// The column of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$col),)*
                    _ => None,
                }
            }
        }
    };
}

columns! {
    Pxname Str "KNSV" "LFBS" "pxname" "Proxy name";
    Svname Str "KNSV" "LFBS" "svname" "Server name";
    Qcur U32 "MGPV" "..BS" "qcur" "Number of current queued connections";
    Qmax U32 "MMPV" "..BS" "qmax" "Highest value of queued connections encountered since process started";
    Scur U32 "MGPV" "LFBS" "scur" "Number of current sessions on the frontend, backend or server";
    Smax U32 "MMPV" "LFBS" "smax" "Highest value of current sessions encountered since process started";
    Slim U32 "CLPV" "LFBS" "slim" "Frontend/listener/server's maxconn, backend's fullconn";
    Stot U64 "MCPP" "LFBS" "stot" "Total number of sessions since process started";
    Bin U64 "MCPP" "LFBS" "bin" "Total number of request bytes since process started";
    Bout U64 "MCPP" "LFBS" "bout" "Total number of response bytes since process started";
    Dreq U64 "MCPP" "LFB." "dreq" "Total number of denied requests since process started";
    Dresp U64 "MCPP" "LFBS" "dresp" "Total number of denied responses since process started";
    Ereq U64 "MCPP" "LF.." "ereq" "Total number of invalid requests since process started";
    Econ U64 "MCPP" "..BS" "econ" "Total number of failed connections to server since the worker process started";
    Eresp U64 "MCPP" "..BS" "eresp" "Total number of invalid responses since the worker process started";
    Wretr U64 "MCPP" "..BS" "wretr" "Total number of server connection retries since the worker process started";
    Wredis U64 "MCPP" "..BS" "wredis" "Total number of server redispatches due to connection failures since the worker process started";
    Status Str "SGPV" "LFBS" "status" "Frontend/listen status: OPEN/WAITING/FULL/STOP; backend: UP/DOWN; server: last check status";
    Weight U32 "MaPV" "..BS" "weight" "Server's effective weight, or sum of active servers' effective weights for a backend";
    Act U32 "SGPV" "..BS" "act" "Total number of active UP servers with a non-zero weight";
    Bck U32 "SGPV" "..BS" "bck" "Total number of backup UP servers with a non-zero weight";
    Chkfail U64 "MCPP" "...S" "chkfail" "Total number of failed individual health checks per server/backend, since the worker process started";
    Chkdown U64 "MCPP" "..BS" "chkdown" "Total number of failed checks causing UP to DOWN server transitions, per server/backend, since the worker process started";
    Lastchg U32 "MAPP" "..BS" "lastchg" "How long ago the last server state changed, in seconds";
    Downtime U32 "MCPV" "..BS" "downtime" "Total time spent in DOWN state, for server or backend";
    Qlimit U32 "CGSV" "...S" "qlimit" "Limit on the number of connections in queue, for servers only (maxqueue argument)";
    Pid U32 "KGPV" "LFBS" "pid" "Relative worker process number (1)";
    Iid U32 "KGSV" "LFBS" "iid" "Frontend or Backend numeric identifier ('id' setting)";
    Sid U32 "KGSV" "LFBS" "sid" "Server numeric identifier ('id' setting)";
    Throttle U32 "MaPV" "...S" "throttle" "Throttling ratio applied to a server's maxconn and weight during the slowstart period (0 to 100%)";
    Lbtot U64 "MCPP" "..BS" "lbtot" "Total number of requests routed by load balancing since the worker process started (ignores queue pop and stickiness)";
    Tracked Str "CNSV" "...S" "tracked" "Name of the other server this server tracks for its state";
    Type U32 "CGSV" "LFBS" "type" "Type of the object (Listener, Frontend, Backend, Server)";
    Rate U32 "MRPP" ".FBS" "rate" "Total number of sessions processed by this object over the last second (sessions for listeners/frontends, requests for backends/servers)";
    RateLim U32 "CLPV" ".F.." "rate_lim" "Limit on the number of sessions accepted in a second (frontend only, 'rate-limit sessions' setting)";
    RateMax U32 "MMPV" ".FBS" "rate_max" "Highest value of sessions per second observed since the worker process started";
    CheckStatus Str "MOPV" "...S" "check_status" "Status report of the server's latest health check, prefixed with '*' if a check is currently in progress";
    CheckCode U32 "MOPV" "...S" "check_code" "HTTP/SMTP/LDAP status code reported by the latest server health check";
    CheckDuration U64 "MDPV" "...S" "check_duration" "Total duration of the latest server health check, in milliseconds";
    Hrsp1xx U64 "MCPP" ".FBS" "hrsp_1xx" "Total number of HTTP responses with status 100-199 returned by this object since the worker process started";
    Hrsp2xx U64 "MCPP" ".FBS" "hrsp_2xx" "Total number of HTTP responses with status 200-299 returned by this object since the worker process started";
    Hrsp3xx U64 "MCPP" ".FBS" "hrsp_3xx" "Total number of HTTP responses with status 300-399 returned by this object since the worker process started";
    Hrsp4xx U64 "MCPP" ".FBS" "hrsp_4xx" "Total number of HTTP responses with status 400-499 returned by this object since the worker process started";
    Hrsp5xx U64 "MCPP" ".FBS" "hrsp_5xx" "Total number of HTTP responses with status 500-599 returned by this object since the worker process started";
    HrspOther U64 "MCPP" ".FBS" "hrsp_other" "Total number of HTTP responses with status <100, >599 returned by this object since the worker process started (error -1 included)";
    Hanafail U64 "MCPP" "...S" "hanafail" "Total number of failed checks caused by an 'on-error' directive after an 'observe' condition matched";
    ReqRate U32 "MRPP" ".F.." "req_rate" "Number of HTTP requests processed over the last second on this object";
    ReqRateMax U32 "MMPV" ".F.." "req_rate_max" "Highest value of http requests observed since the worker process started";
    ReqTot U64 "MCPP" ".FBS" "req_tot" "Total number of HTTP requests processed by this object since the worker process started";
    CliAbrt U64 "MCPP" "..BS" "cli_abrt" "Total number of requests or connections aborted by the client since the worker process started";
    SrvAbrt U64 "MCPP" "..BS" "srv_abrt" "Total number of requests or connections aborted by the server since the worker process started";
    CompIn U64 "MCPP" ".FB." "comp_in" "Total number of bytes submitted to the HTTP compressor for this object since the worker process started";
    CompOut U64 "MCPP" ".FB." "comp_out" "Total number of bytes emitted by the HTTP compressor for this object since the worker process started";
    CompByp U64 "MCPP" ".FB." "comp_byp" "Total number of bytes that bypassed HTTP compression for this object since the worker process started (CPU/memory/bandwidth limitation)";
    CompRsp U64 "MCPP" ".FB." "comp_rsp" "Total number of HTTP responses that were compressed for this object since the worker process started";
    Lastsess S32 "MAPP" "..BS" "lastsess" "How long ago some traffic was seen on this object on this worker process, in seconds";
    LastChk Str "MOPV" "...S" "last_chk" "Short description of the latest health check report for this server (see also check_desc)";
    LastAgt Str "MOPV" "...S" "last_agt" "Short description of the latest agent check report for this server (see also agent_desc)";
    Qtime U32 "MaPV" "..BS" "qtime" "Time spent in the queue, in milliseconds, averaged over the 1024 last requests (backend/server)";
    Ctime U32 "MaPV" "..BS" "ctime" "Time spent waiting for a connection to complete, in milliseconds, averaged over the 1024 last requests (backend/server)";
    Rtime U32 "MaPV" "..BS" "rtime" "Time spent waiting for a server response, in milliseconds, averaged over the 1024 last requests (backend/server)";
    Ttime U32 "MaPV" "..BS" "ttime" "Total request+response time (request+queue+connect+response+processing), in milliseconds, averaged over the 1024 last requests (backend/server)";
    AgentStatus Str "MOPV" "...S" "agent_status" "Status report of the server's latest agent check, prefixed with '*' if a check is currently in progress";
    AgentCode U32 "MOPV" "...S" "agent_code" "Status code reported by the latest server agent check";
    AgentDuration U64 "MDPV" "...S" "agent_duration" "Total duration of the latest server agent check, in milliseconds";
    CheckDesc Str "MOPV" "...S" "check_desc" "Textual description of the latest health check report for this server";
    AgentDesc Str "MOPV" "...S" "agent_desc" "Textual description of the latest agent check report for this server";
    CheckRise U32 "CGSV" "...S" "check_rise" "Number of successful health checks before declaring a server UP (server 'rise' setting)";
    CheckFall U32 "CGSV" "...S" "check_fall" "Number of failed health checks before declaring a server DOWN (server 'fall' setting)";
    CheckHealth U32 "CGSV" "...S" "check_health" "Current server health check level (0..fall-1=DOWN, fall..rise-1=UP)";
    AgentRise U32 "CGSV" "...S" "agent_rise" "Number of successful agent checks before declaring a server UP (server 'rise' setting)";
    AgentFall U32 "CGSV" "...S" "agent_fall" "Number of failed agent checks before declaring a server DOWN (server 'fall' setting)";
    AgentHealth U32 "CGSV" "...S" "agent_health" "Current server agent check level (0..fall-1=DOWN, fall..rise-1=UP)";
    Addr Str "CGSV" "L..S" "addr" "Server's address:port, shown only if show-legends is set, or at levels oper/admin for the CLI";
    Cookie Str "CNSV" "..BS" "cookie" "Backend's cookie name or Server's cookie value, shown only if show-legends is set, or at levels oper/admin for the CLI";
    Mode Str "CGSV" "LFBS" "mode" "'mode' setting (tcp/http/health/cli/spop)";
    Algo Str "CGSV" "..B." "algo" "Backend's load balancing algorithm, shown only if show-legends is set, or at levels oper/admin for the CLI";
    ConnRate U32 "MRPP" ".F.." "conn_rate" "Number of new connections accepted over the last second on the frontend for this worker process";
    ConnRateMax U32 "MMPV" ".F.." "conn_rate_max" "Highest value of connections per second observed since the worker process started";
    ConnTot U64 "MCPP" "LF.." "conn_tot" "Total number of new connections accepted on this frontend since the worker process started";
    Intercepted U64 "MCPP" ".F.." "intercepted" "Total number of HTTP requests intercepted on the frontend (redirects/stats/services) since the worker process started";
    Dcon U64 "MCPP" "LF.." "dcon" "Total number of incoming connections blocked on a listener/frontend by a tcp-request connection rule since the worker process started";
    Dses U64 "MCPP" "LF.." "dses" "Total number of incoming sessions blocked on a listener/frontend by a tcp-request connection rule since the worker process started";
    Wrew U64 "MCPP" "LFBS" "wrew" "Total number of failed HTTP header rewrites since the worker process started";
    Connect U64 "MCPP" "..BS" "connect" "Total number of outgoing connection attempts on this backend/server since the worker process started";
    Reuse U64 "MCPP" "..BS" "reuse" "Total number of reused connection on this backend/server since the worker process started";
    CacheLookups U64 "MCPP" ".FB." "cache_lookups" "Total number of HTTP requests looked up in the cache on this frontend/backend since the worker process started";
    CacheHits U64 "MCPP" ".FB." "cache_hits" "Total number of HTTP requests not found in the cache on this frontend/backend since the worker process started";
    SrvIcur U32 "MGPV" "...S" "srv_icur" "Current number of idle connections available for reuse on this server";
    SrcIlim U32 "CLPV" "...S" "src_ilim" "Limit on the number of available idle connections on this server (server 'pool_max_conn' directive)";
    QtimeMax U32 "MMPV" "..BS" "qtime_max" "Maximum observed time spent in the queue, in milliseconds (backend/server)";
    CtimeMax U32 "MMPV" "..BS" "ctime_max" "Maximum observed time spent waiting for a connection to complete, in milliseconds (backend/server)";
    RtimeMax U32 "MMPV" "..BS" "rtime_max" "Maximum observed time spent waiting for a server response, in milliseconds (backend/server)";
    TtimeMax U32 "MMPV" "..BS" "ttime_max" "Maximum observed total request+response time (request+queue+connect+response+processing), in milliseconds (backend/server)";
    Eint U64 "MCPP" "LFBS" "eint" "Total number of internal errors since process started";
    IdleConnCur U32 "MGPV" "...S" "idle_conn_cur" "Current number of unsafe idle connections";
    SafeConnCur U32 "MGPV" "...S" "safe_conn_cur" "Current number of safe idle connections";
    UsedConnCur U32 "MGPV" "...S" "used_conn_cur" "Current number of connections in use";
    NeedConnEst U32 "MGPV" "...S" "need_conn_est" "Estimated needed number of connections";
    Uweight U32 "MaPV" "..BS" "uweight" "Server's user weight, or sum of active servers' user weights for a backend";
    AggServerStatus U32 "MGPV" "..B." "agg_server_status" "Backend's aggregated gauge of servers' status";
    AggServerCheckStatus U32 "MGPV" "..B." "agg_server_check_status" "[DEPRECATED] Backend's aggregated gauge of servers' status";
    AggCheckStatus U32 "MGPV" "..B." "agg_check_status" "Backend's aggregated gauge of servers' state check status";
    Srid U32 "MCPV" "...S" "srid" "Server id revision, to prevent server id reuse mixups";
    SessOther U64 "MCPV" ".F.." "sess_other" "Total number of sessions other than HTTP since process started";
    H1sess U64 "MCPP" ".F.." "h1sess" "Total number of HTTP/1 sessions since process started";
    H2sess U64 "MCPP" ".F.." "h2sess" "Total number of HTTP/2 sessions since process started";
    H3sess U64 "MCPP" ".F.." "h3sess" "Total number of HTTP/3 sessions since process started";
    ReqOther U64 "MCPP" ".F.." "req_other" "Total number of sessions other than HTTP processed by this object since the worker process started";
    H1req U64 "MCPP" ".F.." "h1req" "Total number of HTTP/1 sessions processed by this object since the worker process started";
    H2req U64 "MCPP" ".F.." "h2req" "Total number of hTTP/2 sessions processed by this object since the worker process started";
    H3req U64 "MCPP" ".F.." "h3req" "Total number of HTTP/3 sessions processed by this object since the worker process started";
    Proto Str "SGPV" "L..." "proto" "Protocol";
    PrivIdleCur U32 "MGPV" "...S" "priv_idle_cur" "Current number of private idle connections";
    Reqbin U64 "MCPP" "LFBS" "reqbin" "Total number of request bytes received since process started";
    Reqbout U64 "MCPP" "LFBS" "reqbout" "Total number of request bytes sent since process started";
    Resbin U64 "MCPP" "LFBS" "resbin" "Total number of response bytes received since process started";
    Resbout U64 "MCPP" "LFBS" "resbout" "Total number of response bytes sent since process started";
    CacheHintHits U64 "MCPP" ".FB." "cache_hint_hits" "Total number of HTTP requests for which a 103 Early Hints response was emitted from the cache on this frontend/backend since the worker process started";
}

impl Col {
    /// Columns that `show stat` leaves empty at level user.
    pub const OPERATOR_ONLY: [Self; 3] = [Self::Addr, Self::Cookie, Self::Algo];

    pub fn field(self) -> &'static Field {
        &FIELDS[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.field().name
    }

    /// Tags of the column in a row of this kind: a backend counts its servers where a server has a status.
    pub fn tags(self, kind: Kind) -> Tags {
        match (self, kind) {
            (Self::Act | Self::Bck | Self::RateMax, Kind::Backend) => Tags("MGPV"),
            _ => self.field().tags,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_names_agree() {
        for (at, col) in Col::ALL.into_iter().enumerate() {
            assert_eq!(col as usize, at);
            assert_eq!(Col::from_name(col.name()), Some(col));
        }
        assert_eq!(Col::CacheHintHits as usize, 118);
        assert_eq!(Col::from_name("-"), None);
    }
}
