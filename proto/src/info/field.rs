//! The catalogue of `show info`: name, type, tags and description of each field.

use crate::stats::{Tags, ValueType};

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct InfoField {
    pub name: &'static str,
    /// What `desc` says.
    pub desc: &'static str,
    pub value: ValueType,
    pub tags: Tags,
}

macro_rules! fields {
    ($($info:ident $value:ident $tags:literal $name:literal $desc:literal;)*) => {
        /// A field of `show info`; the number is its position.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[repr(u16)]
        pub enum Info {
            $($info,)*
        }

        static FIELDS: [InfoField; Info::ALL.len()] = [
            $(InfoField { name: $name, desc: $desc, value: ValueType::$value, tags: Tags($tags) },)*
        ];

        impl Info {
            /// The fields by position.
            pub const ALL: [Self; 82] = [$(Self::$info,)*];

            /// The field of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$info),)*
                    _ => None,
                }
            }
        }
    };
}

fields! {
    Name Str "POSV" "Name" "Product name";
    Version Str "POSV" "Version" "Product version";
    ReleaseDate Str "POSV" "Release_date" "Date of latest source code update";
    Nbthread U32 "CGSV" "Nbthread" "Number of started threads (global.nbthread)";
    Nbproc U32 "CGSV" "Nbproc" "Number of started worker processes (historical, always 1)";
    ProcessNum U32 "KGPV" "Process_num" "Relative worker process number (1)";
    Pid U32 "SGPV" "Pid" "This worker process identifier for the system";
    Uptime Str "MDPV" "Uptime" "How long ago this worker process was started (days+hours+minutes+seconds)";
    UptimeSec U32 "MDPV" "Uptime_sec" "How long ago this worker process was started (seconds)";
    MemmaxMb U32 "CLPV" "Memmax_MB" "Worker process's hard limit on memory usage in MB (-m on command line)";
    PoolAllocMb U32 "MGPV" "PoolAlloc_MB" "Amount of memory allocated in pools (in MB)";
    PoolUsedMb U32 "MGPV" "PoolUsed_MB" "Amount of pool memory currently used (in MB)";
    PoolFailed U32 "MCPV" "PoolFailed" "Number of failed pool allocations since this worker was started";
    UlimitN U32 "CLPV" "Ulimit-n" "Hard limit on the number of per-process file descriptors";
    Maxsock U32 "CLPV" "Maxsock" "Hard limit on the number of per-process sockets";
    Maxconn U32 "CLPV" "Maxconn" "Hard limit on the number of per-process connections (configured or imposed by Ulimit-n)";
    HardMaxconn U32 "CLPV" "Hard_maxconn" "Hard limit on the number of per-process connections (imposed by Memmax_MB or Ulimit-n)";
    CurrConns U32 "MGPV" "CurrConns" "Current number of connections on this worker process";
    CumConns U32 "MCPV" "CumConns" "Total number of connections on this worker process since started";
    CumReq U32 "MCPV" "CumReq" "Total number of requests on this worker process since started";
    MaxSslConns U32 "MMPV" "MaxSslConns" "Hard limit on the number of per-process SSL endpoints (front+back), 0=unlimited";
    CurrSslConns U32 "MGPV" "CurrSslConns" "Current number of SSL endpoints on this worker process (front+back)";
    CumSslConns U32 "MCPV" "CumSslConns" "Total number of SSL endpoints on this worker process since started (front+back)";
    Maxpipes U32 "CLPV" "Maxpipes" "Hard limit on the number of pipes for splicing, 0=unlimited";
    PipesUsed U32 "MGPV" "PipesUsed" "Current number of pipes in use in this worker process";
    PipesFree U32 "MGPV" "PipesFree" "Current number of allocated and available pipes in this worker process";
    ConnRate U32 "MRPV" "ConnRate" "Number of front connections created on this worker process over the last second";
    ConnRateLimit U32 "CLPV" "ConnRateLimit" "Hard limit for ConnRate (global.maxconnrate)";
    MaxConnRate U32 "MMPV" "MaxConnRate" "Highest ConnRate reached on this worker process since started (in connections per second)";
    SessRate U32 "MRPV" "SessRate" "Number of sessions created on this worker process over the last second";
    SessRateLimit U32 "CLPV" "SessRateLimit" "Hard limit for SessRate (global.maxsessrate)";
    MaxSessRate U32 "MRPV" "MaxSessRate" "Highest SessRate reached on this worker process since started (in sessions per second)";
    SslRate U32 "MRPV" "SslRate" "Number of SSL connections created on this worker process over the last second";
    SslRateLimit U32 "CLPV" "SslRateLimit" "Hard limit for SslRate (global.maxsslrate)";
    MaxSslRate U32 "MMPV" "MaxSslRate" "Highest SslRate reached on this worker process since started (in connections per second)";
    SslFrontendKeyRate U32 "MGPV" "SslFrontendKeyRate" "Number of SSL keys created on frontends in this worker process over the last second";
    SslFrontendMaxKeyRate U32 "MMPV" "SslFrontendMaxKeyRate" "Highest SslFrontendKeyRate reached on this worker process since started (in SSL keys per second)";
    SslFrontendSessionReusePct U32 "MGPV" "SslFrontendSessionReuse_pct" "Percent of frontend SSL connections which did not require a new key";
    SslBackendKeyRate U32 "MRPV" "SslBackendKeyRate" "Number of SSL keys created on backends in this worker process over the last second";
    SslBackendMaxKeyRate U32 "MMPV" "SslBackendMaxKeyRate" "Highest SslBackendKeyRate reached on this worker process since started (in SSL keys per second)";
    SslCacheLookups U32 "MCPV" "SslCacheLookups" "Total number of SSL session ID lookups in the SSL session cache on this worker since started";
    SslCacheMisses U32 "MCPV" "SslCacheMisses" "Total number of SSL session ID lookups that didn't find a session in the SSL session cache on this worker since started";
    CompressBpsIn U32 "MRPV" "CompressBpsIn" "Number of bytes submitted to the HTTP compressor in this worker process over the last second";
    CompressBpsOut U32 "MRPV" "CompressBpsOut" "Number of bytes emitted by the HTTP compressor in this worker process over the last second";
    CompressBpsRateLim U32 "CLPV" "CompressBpsRateLim" "Limit of CompressBpsOut beyond which HTTP compression is automatically disabled";
    ZlibMemUsage U32 "MGPV" "ZlibMemUsage" "Amount of memory currently used by HTTP compression on the current worker process (in bytes)";
    MaxZlibMemUsage U32 "CLPV" "MaxZlibMemUsage" "Limit on the amount of memory used by HTTP compression above which it is automatically disabled (in bytes, see global.maxzlibmem)";
    Tasks U32 "MGPV" "Tasks" "Total number of tasks in the current worker process (active + sleeping)";
    RunQueue U32 "MGPV" "Run_queue" "Total number of active tasks+tasklets in the current worker process";
    IdlePct U32 "MaPV" "Idle_pct" "Percentage of last second spent waiting in the current worker thread";
    Node Str "COSV" "node" "Node name (global.node)";
    Description Str "COSV" "description" "Node description (global.description)";
    Stopping U32 "MGPV" "Stopping" "1 if the worker process is currently stopping, otherwise zero";
    Jobs U32 "MGPV" "Jobs" "Current number of active jobs on the current worker process (frontend connections, master connections, listeners)";
    UnstoppableJobs U32 "MGPV" "Unstoppable Jobs" "Current number of unstoppable jobs on the current worker process (master connections)";
    Listeners U32 "MGPV" "Listeners" "Current number of active listeners on the current worker process";
    ActivePeers U32 "MGPV" "ActivePeers" "Current number of verified active peers connections on the current worker process";
    ConnectedPeers U32 "MGPV" "ConnectedPeers" "Current number of peers having passed the connection step on the current worker process";
    DroppedLogs U32 "MGPV" "DroppedLogs" "Total number of dropped logs for current worker process since started";
    BusyPolling U32 "MGPV" "BusyPolling" "1 if busy-polling is currently in use on the worker process, otherwise zero (config.busy-polling)";
    FailedResolutions U32 "MGPV" "FailedResolutions" "Total number of failed DNS resolutions in current worker process since started";
    TotalBytesOut U64 "MGPV" "TotalBytesOut" "Total number of bytes emitted by current worker process since started";
    TotalSplicedBytesOut U64 "MGPV" "TotalSplicedBytesOut" "Total number of bytes emitted by current worker process through a kernel pipe since started";
    BytesOutRate U64 "MRPV" "BytesOutRate" "Number of bytes emitted by current worker process over the last second";
    DebugCommandsIssued U32 "MGPV" "DebugCommandsIssued" "Number of debug commands issued on this process (anything > 0 is unsafe)";
    CumRecvLogs U32 "MCPV" "CumRecvLogs" "Total number of log messages received by log-forwarding listeners on this worker process since started";
    BuildInfo Str "POSV" "Build info" "Build info";
    MemmaxBytes U32 "CLPV" "Memmax_bytes" "Worker process's hard limit on memory usage in bytes (-m on command line)";
    PoolAllocBytes U64 "MGPV" "PoolAlloc_bytes" "Amount of memory allocated in pools (in bytes)";
    PoolUsedBytes U64 "MGPV" "PoolUsed_bytes" "Amount of pool memory currently used (in bytes)";
    StartTimeSec U32 "MDPV" "Start_time_sec" "Start time in seconds";
    Tainted Str "SGPV" "Tainted" "Experimental features used";
    TotalWarnings U32 "MCPV" "TotalWarnings" "Total warnings issued";
    MaxconnReached U32 "MCPV" "MaxconnReached" "Number of times an accepted connection resulted in Maxconn being reached";
    BootTimeMs U32 "MDPV" "BootTime_ms" "How long ago it took to parse and process the config before being ready (milliseconds)";
    NicedTasks U32 "MGPV" "Niced_tasks" "Total number of active tasks+tasklets in the current worker process (Run_queue) that are niced";
    CurrStreams U64 "MGPV" "CurrStreams" "Current number of streams on this worker process";
    CumStreams U64 "MGPV" "CumStreams" "Total number of streams created on this worker process since started";
    BlockedTrafficWarnings U32 "MGPV" "BlockedTrafficWarnings" "Total number of warnings issued about traffic being blocked by too slow a task";
    PatternsAdded U64 "MGPV" "PatternsAdded" "Total number of patterns added (acl/map entries)";
    PatternsFreed U64 "MGPV" "PatternsFreed" "Total number of patterns freed (acl/map entries)";
    NbThreadGroups U32 "CGSV" "NbThreadGroups" "Number of started thread groups (global.thread-groups)";
}

impl Info {
    pub fn field(self) -> &'static InfoField {
        &FIELDS[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.field().name
    }
}
