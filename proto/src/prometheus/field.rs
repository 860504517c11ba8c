//! The exporter's names for columns and fields, and the shape of their samples.

use crate::info::Info;
use crate::stats::Col;
use crate::stats::field::Kinds;

/// Type of a family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Class {
    Counter,
    Gauge,
}

impl Class {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// How a column becomes samples.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// The number; no sample where the column is empty.
    Plain,
    /// The number; not a number where the column is empty, which means that there is no limit or no check.
    Limit,
    /// Milliseconds as seconds.
    Millis,
    /// The number with the class of responses it counts.
    Code(&'static str),
    /// The number, 0 if it is empty, where this check has a result.
    CheckCode(Col),
    /// One sample for each state.
    Status,
    /// One sample for each result of a check.
    CheckWord,
    /// The servers of a backend in each state.
    ServersByStatus,
    /// The servers of a backend with each result of the check.
    ServersByCheck,
}

/// What the exporter makes of a column.
pub(super) struct Family {
    pub(super) col: Col,
    /// The kinds of rows it is exported of.
    pub(super) kinds: Kinds,
    /// Without `haproxy_<kind>_`.
    pub(super) name: &'static str,
    pub(super) class: Class,
    pub(super) shape: Shape,
    /// Where it differs from the column's description.
    help: Option<&'static str>,
}

impl Family {
    /// Counts something that TCP proxies have not, even where their column says 0.
    pub(super) fn is_http(&self) -> bool {
        self.name.starts_with("http_") || self.name == "intercepted_requests_total"
    }

    pub(super) fn help(&self) -> &'static str {
        self.help.unwrap_or_else(|| self.col.field().desc)
    }
}

/// What the exporter makes of a field of `show info`.
pub(super) struct InfoFamily {
    pub(super) info: Info,
    /// Without `haproxy_process_`.
    pub(super) name: &'static str,
    pub(super) class: Class,
}

impl Info {
    /// Label that a text is the value of.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Description => "desc",
            _ => "version",
        }
    }
}

macro_rules! info_families {
    ($($info:ident $name:literal $class:ident;)*) => {
        /// In the order of the text.
        pub(super) static INFO_FAMILIES: [InfoFamily; 66] = [
            $(InfoFamily { info: Info::$info, name: $name, class: Class::$class },)*
        ];
    };
}

macro_rules! families {
    (@help) => { None };
    (@help $help:literal) => { Some($help) };
    ($($col:ident $kinds:literal $name:literal $class:ident $shape:ident $(($of:expr))? $($help:literal)?;)*) => {
        /// In the order of the text.
        pub(super) static FAMILIES: [Family; 87] = [
            $(Family {
                col: Col::$col,
                kinds: Kinds::of($kinds),
                name: $name,
                class: Class::$class,
                shape: Shape::$shape $(($of))?,
                help: families!(@help $($help)?),
            },)*
        ];
    };
}

info_families! {
    Nbthread "nbthread" Gauge;
    Nbproc "nbproc" Gauge;
    ProcessNum "relative_process_id" Gauge;
    UptimeSec "uptime_seconds" Gauge;
    PoolFailed "pool_failures_total" Counter;
    UlimitN "max_fds" Gauge;
    Maxsock "max_sockets" Gauge;
    Maxconn "max_connections" Gauge;
    HardMaxconn "hard_max_connections" Gauge;
    CurrConns "current_connections" Gauge;
    CumConns "connections_total" Counter;
    CumReq "requests_total" Counter;
    MaxSslConns "max_ssl_connections" Gauge;
    CurrSslConns "current_ssl_connections" Gauge;
    CumSslConns "ssl_connections_total" Counter;
    Maxpipes "max_pipes" Gauge;
    PipesUsed "pipes_used_total" Counter;
    PipesFree "pipes_free_total" Counter;
    ConnRate "current_connection_rate" Gauge;
    ConnRateLimit "limit_connection_rate" Gauge;
    MaxConnRate "max_connection_rate" Gauge;
    SessRate "current_session_rate" Gauge;
    SessRateLimit "limit_session_rate" Gauge;
    MaxSessRate "max_session_rate" Gauge;
    SslRate "current_ssl_rate" Gauge;
    SslRateLimit "limit_ssl_rate" Gauge;
    MaxSslRate "max_ssl_rate" Gauge;
    SslFrontendKeyRate "current_frontend_ssl_key_rate" Gauge;
    SslFrontendMaxKeyRate "max_frontend_ssl_key_rate" Gauge;
    SslFrontendSessionReusePct "frontend_ssl_reuse" Gauge;
    SslBackendKeyRate "current_backend_ssl_key_rate" Gauge;
    SslBackendMaxKeyRate "max_backend_ssl_key_rate" Gauge;
    SslCacheLookups "ssl_cache_lookups_total" Counter;
    SslCacheMisses "ssl_cache_misses_total" Counter;
    CompressBpsIn "http_comp_bytes_in_total" Counter;
    CompressBpsOut "http_comp_bytes_out_total" Counter;
    CompressBpsRateLim "limit_http_comp" Gauge;
    ZlibMemUsage "current_zlib_memory" Gauge;
    MaxZlibMemUsage "max_zlib_memory" Gauge;
    Tasks "current_tasks" Gauge;
    RunQueue "current_run_queue" Gauge;
    IdlePct "idle_time_percent" Gauge;
    Node "node" Gauge;
    Description "description" Gauge;
    Stopping "stopping" Gauge;
    Jobs "jobs" Gauge;
    UnstoppableJobs "unstoppable_jobs" Gauge;
    Listeners "listeners" Gauge;
    ActivePeers "active_peers" Gauge;
    ConnectedPeers "connected_peers" Gauge;
    DroppedLogs "dropped_logs_total" Counter;
    BusyPolling "busy_polling_enabled" Gauge;
    FailedResolutions "failed_resolutions" Counter;
    TotalBytesOut "bytes_out_total" Counter;
    TotalSplicedBytesOut "spliced_bytes_out_total" Counter;
    BytesOutRate "bytes_out_rate" Gauge;
    CumRecvLogs "recv_logs_total" Counter;
    BuildInfo "build_info" Gauge;
    MemmaxBytes "max_memory_bytes" Gauge;
    PoolAllocBytes "pool_allocated_bytes" Gauge;
    PoolUsedBytes "pool_used_bytes" Gauge;
    StartTimeSec "start_time_seconds" Gauge;
    TotalWarnings "total_warnings" Counter;
    PatternsAdded "patterns_added_total" Gauge;
    PatternsFreed "patterns_freed_total" Gauge;
    NbThreadGroups "nb_thread_groups" Gauge;
}

families! {
    Qcur "..BS" "current_queue" Gauge Plain;
    Qmax "..BS" "max_queue" Gauge Plain;
    Scur "LFBS" "current_sessions" Gauge Plain;
    Smax "LFBS" "max_sessions" Gauge Plain;
    Slim "LFBS" "limit_sessions" Gauge Limit;
    Stot "LFBS" "sessions_total" Counter Plain;
    Bin "LFBS" "bytes_in_total" Counter Plain;
    Bout "LFBS" "bytes_out_total" Counter Plain;
    Dreq "LFB." "requests_denied_total" Counter Plain;
    Dresp "LFBS" "responses_denied_total" Counter Plain;
    Ereq "LF.." "request_errors_total" Counter Plain;
    Econ "..BS" "connection_errors_total" Counter Plain;
    Eresp "..BS" "response_errors_total" Counter Plain;
    Wretr "..BS" "retry_warnings_total" Counter Plain;
    Wredis "..BS" "redispatch_warnings_total" Counter Plain;
    Status "LFBS" "status" Gauge Status "Current status of the service, per state label value.";
    Weight "..BS" "weight" Gauge Plain;
    Act "...S" "active" Gauge Plain;
    Act "..B." "active_servers" Gauge Plain;
    Bck "...S" "backup" Gauge Plain;
    Bck "..B." "backup_servers" Gauge Plain;
    Chkfail "...S" "check_failures_total" Counter Limit;
    Chkdown "..BS" "check_up_down_total" Counter Limit;
    Lastchg "..BS" "check_last_change_seconds" Gauge Plain;
    Downtime "..BS" "downtime_seconds_total" Counter Limit;
    Qlimit "...S" "queue_limit" Gauge Limit;
    Throttle "...S" "current_throttle" Gauge Limit;
    Lbtot "..BS" "loadbalanced_total" Counter Plain;
    Rate ".FBS" "current_session_rate" Gauge Plain;
    RateLim ".F.." "limit_session_rate" Gauge Plain;
    RateMax ".FBS" "max_session_rate" Gauge Plain;
    CheckStatus "...S" "check_status" Gauge CheckWord "Status of last health check, per state label value.";
    CheckCode "...S" "check_code" Gauge CheckCode(Col::CheckStatus) "layer5-7 code, if available of the last health check.";
    CheckDuration "...S" "check_duration_seconds" Gauge Millis "Total duration of the latest server health check, in seconds.";
    Hrsp1xx ".FBS" "http_responses_total" Counter Code("1xx");
    Hrsp2xx ".FBS" "http_responses_total" Counter Code("2xx");
    Hrsp3xx ".FBS" "http_responses_total" Counter Code("3xx");
    Hrsp4xx ".FBS" "http_responses_total" Counter Code("4xx");
    Hrsp5xx ".FBS" "http_responses_total" Counter Code("5xx");
    HrspOther ".FBS" "http_responses_total" Counter Code("other");
    ReqRateMax ".F.." "http_requests_rate_max" Gauge Plain;
    ReqTot ".FBS" "http_requests_total" Counter Plain;
    CliAbrt "..BS" "client_aborts_total" Counter Plain;
    SrvAbrt "..BS" "server_aborts_total" Counter Plain;
    CompIn ".FB." "http_comp_bytes_in_total" Counter Plain;
    CompOut ".FB." "http_comp_bytes_out_total" Counter Plain;
    CompByp ".FB." "http_comp_bytes_bypassed_total" Counter Plain;
    CompRsp ".FB." "http_comp_responses_total" Counter Plain;
    Lastsess "..BS" "last_session_seconds" Gauge Plain;
    Qtime "..BS" "queue_time_average_seconds" Gauge Millis "Avg. queue time for last 1024 successful connections.";
    Ctime "..BS" "connect_time_average_seconds" Gauge Millis "Avg. connect time for last 1024 successful connections.";
    Rtime "..BS" "response_time_average_seconds" Gauge Millis "Avg. response time for last 1024 successful connections.";
    Ttime "..BS" "total_time_average_seconds" Gauge Millis "Avg. total time for last 1024 successful connections.";
    AgentStatus "...S" "agent_status" Gauge CheckWord "Status of last agent check, per state label value.";
    AgentCode "...S" "agent_code" Gauge CheckCode(Col::AgentStatus);
    AgentDuration "...S" "agent_duration_seconds" Gauge Millis "Total duration of the latest server agent check, in seconds.";
    ConnRateMax ".F.." "connections_rate_max" Gauge Plain;
    ConnTot "LF.." "connections_total" Counter Plain;
    Intercepted ".F.." "intercepted_requests_total" Counter Plain;
    Dcon "LF.." "denied_connections_total" Counter Plain;
    Dses "LF.." "denied_sessions_total" Counter Plain;
    Wrew "LFBS" "failed_header_rewriting_total" Counter Plain;
    Connect "..BS" "connection_attempts_total" Counter Plain;
    Reuse "..BS" "connection_reuses_total" Counter Plain;
    CacheLookups ".FB." "http_cache_lookups_total" Counter Plain;
    CacheHits ".FB." "http_cache_hits_total" Counter Plain;
    SrvIcur "...S" "idle_connections_current" Gauge Plain;
    SrcIlim "...S" "idle_connections_limit" Gauge Limit;
    QtimeMax "..BS" "max_queue_time_seconds" Gauge Millis "Maximum observed time spent in the queue";
    CtimeMax "..BS" "max_connect_time_seconds" Gauge Millis "Maximum observed time spent waiting for a connection to complete";
    RtimeMax "..BS" "max_response_time_seconds" Gauge Millis "Maximum observed time spent waiting for a server response";
    TtimeMax "..BS" "max_total_time_seconds" Gauge Millis "Maximum observed total request+response time (request+queue+connect+response+processing)";
    Eint "LFBS" "internal_errors_total" Counter Plain;
    IdleConnCur "...S" "unsafe_idle_connections_current" Gauge Plain;
    SafeConnCur "...S" "safe_idle_connections_current" Gauge Plain;
    UsedConnCur "...S" "used_connections_current" Gauge Plain;
    NeedConnEst "...S" "need_connections_current" Gauge Plain;
    Uweight "..BS" "uweight" Gauge Plain;
    AggServerStatus "..B." "agg_server_status" Gauge ServersByStatus;
    AggServerCheckStatus "..B." "agg_server_check_status" Gauge ServersByStatus;
    AggCheckStatus "..B." "agg_check_status" Gauge ServersByCheck;
    PrivIdleCur "...S" "private_idle_connections_current" Gauge Plain;
    Reqbin "LFBS" "req_bytes_in_total" Counter Plain;
    Reqbout "LFBS" "req_bytes_out_total" Counter Plain;
    Resbin "LFBS" "res_bytes_in_total" Counter Plain;
    Resbout "LFBS" "res_bytes_out_total" Counter Plain;
    CacheHintHits ".FB." "http_cache_hint_hits_total" Counter Plain;
}
