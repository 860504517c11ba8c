//! The variables of a line: their names, and what they show.

use crate::config::words;

macro_rules! variables {
    ($($name:literal $id:ident $http:literal $about:literal;)*) => {
        /// What a variable stands for.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Variable {
            $($id,)*
        }

        /// Name, variable, whether it is of HTTP only, and what it says.
        pub const VARIABLES: &[(&str, Variable, bool, &str)] = &[
            $(($name, Variable::$id, $http, $about),)*
        ];
    };
}

variables! {
    "B" BytesOut false "bytes sent to the client";
    "CC" RequestCookie true "captured cookie of the request: always `-`";
    "CS" ResponseCookie true "captured cookie of the answer: always `-`";
    "H" Host false "host name of this machine";
    "HM" Method true "method";
    "HP" Path true "target without its query";
    "HPO" PathOnly true "target without scheme, host and query";
    "HQ" Query true "query, with its `?`";
    "HU" Target true "target";
    "HV" Version true "version";
    "ID" UniqueId false "unique id: always `-`";
    "ST" Status false "status of the answer";
    "T" DateGmt false "date of the accept, UTC";
    "TR" RequestTime true "ms from the request's first byte to the end of its head";
    "Ta" ActiveTime true "ms from the request's first byte to the end";
    "Tc" ConnectTime false "ms until a connection to a server stood";
    "Td" DataTime false "ms of passing on the body";
    "Th" HandshakeTime false "ms of handshakes, before the first request";
    "Ti" IdleTime true "ms of waiting for the request's first byte";
    "Tl" DateLocal false "date of the accept, local time";
    "Tq" WholeRequestTime true "Th + Ti + TR";
    "Tr" ResponseTime true "ms from the connection to the end of the answer's head";
    "Ts" Timestamp false "date of the accept, seconds since 1970";
    "Tt" TotalTime false "ms from the accept, or the answer before, to the end";
    "Tu" UserTime false "ms as the client saw it: without Ti";
    "Tw" QueueTime false "ms in queues";
    "U" BytesIn false "bytes of the client that were sent to servers, those of every try; of a request that reached none, its head";
    "ac" ProcessConnections false "connections of the process";
    "b" Backend false "backend";
    "bc" BackendConnections false "requests of the backend";
    "bi" SourceIp false "address the server was connected from";
    "bp" SourcePort false "port the server was connected from";
    "bq" BackendQueue false "requests that were in front in the backend's queue";
    "ci" ClientIp false "address of the client";
    "cp" ClientPort false "port of the client";
    "f" Frontend false "frontend";
    "fc" FrontendConnections false "connections of the frontend";
    "fi" LocalIp false "address the client came to";
    "fp" LocalPort false "port the client came to";
    "ft" FrontendTransport false "frontend, with `~` behind it for TLS";
    "hr" RequestHeaders true "captured headers of the request: none";
    "hrl" RequestHeadersClf true "captured headers of the request: none";
    "hs" ResponseHeaders true "captured headers of the answer: none";
    "hsl" ResponseHeadersClf true "captured headers of the answer: none";
    "lc" LogCount false "lines of this frontend before this one";
    "ms" Milliseconds false "milliseconds of the date of the accept";
    "o" Nothing false "nothing: its flags hold for all that follows";
    "pid" Pid false "process id";
    "r" Request true "request line";
    "rc" Retries false "further tries; with `+` in front if one went to another server";
    "reason" Reason false "why the request was refused, in quotes if it is; proxyd's own";
    "rt" RequestCount false "requests of the process before this one";
    "s" Server false "server, or `<NOSRV>`";
    "sc" ServerConnections false "requests of the server";
    "si" ServerIp false "address of the server";
    "sp" ServerPort false "port of the server";
    "sq" ServerQueue false "requests that were in front in the server's queue";
    "sslc" Cipher false "cipher of TLS, by OpenSSL's name";
    "sslv" TlsVersion false "version of TLS";
    "t" Date false "date of the accept, with milliseconds";
    "tr" RequestDate true "date of the request's first byte, with milliseconds";
    "trg" RequestDateGmt true "date of the request's first byte, UTC";
    "trl" RequestDateLocal true "date of the request's first byte, local time";
    "[fc_err]" ConnectionError false "what was wrong with the client's connection: always 0";
    "[ssl_c_ca_err]" CaError false "what was wrong with the client's CA: 0 with TLS, as another does not get in";
    "[ssl_c_der,base64]" ClientDer false "certificate of the client, whole";
    "[ssl_c_err]" CertificateError false "the same for the client's certificate";
    "[ssl_c_i_dn(cn)]" ClientIssuerCn false "common name of its issuer";
    "[ssl_c_i_dn]" ClientIssuer false "its issuer, as `/C=DE/CN=someone`";
    "[ssl_c_notafter]" ClientNotAfter false "until when it holds, as `261123004512Z`";
    "[ssl_c_notbefore]" ClientNotBefore false "from when on it holds";
    "[ssl_c_s_dn(cn)]" ClientSubjectCn false "common name of its subject";
    "[ssl_c_s_dn]" ClientSubject false "its subject";
    "[ssl_c_serial,hex]" ClientSerial false "its serial number";
    "[ssl_c_sha1,hex]" ClientSha1 false "its fingerprint";
    "[ssl_c_used]" ClientUsed false "1 if the client showed a certificate, else 0";
    "[ssl_c_verify]" ClientVerify false "what was wrong with it: 0 with TLS, as another does not get in";
    "[ssl_fc_alpn]" Alpn false "protocol that was agreed on by ALPN";
    "[ssl_fc_err,hex]" HandshakeError false "the same for the handshake, in hexadecimal";
    "[ssl_fc_is_resumed]" Resumed false "1 if the TLS session was resumed, else 0";
    "[ssl_fc_sni]" ServerName false "name that the client asked for by SNI";
    "ts" Termination false "how it ended, two letters";
    "tsc" TerminationCookie true "how it ended, four letters";
}

impl Variable {
    /// Shows nothing, ever.
    pub(super) const fn is_nothing(self) -> bool {
        matches!(
            self,
            Self::RequestHeaders
                | Self::RequestHeadersClf
                | Self::ResponseHeaders
                | Self::ResponseHeadersClf
                | Self::Nothing
        )
    }

    /// Shows a part of what a client sent, which may have none.
    pub(super) const fn may_be_empty(self) -> bool {
        matches!(
            self,
            Self::Method
                | Self::Target
                | Self::Path
                | Self::PathOnly
                | Self::Query
                | Self::Version
                | Self::Request
        )
    }

    /// Shows the same in each line, without flags.
    pub(super) const fn always(self) -> Option<&'static str> {
        match self {
            Self::RequestCookie | Self::ResponseCookie | Self::UniqueId => Some("-"),
            Self::ConnectionError => Some("0"),
            _ => None,
        }
    }
}

pub(super) fn known(name: &str) -> Option<&'static (&'static str, Variable, bool, &'static str)> {
    VARIABLES.iter().find(|(known, ..)| *known == name)
}

/// Variables are short: the same letters in another case, else a name that begins so, else a name that is near.
pub(super) fn near(name: &str) -> Option<&'static str> {
    let names = || VARIABLES.iter().map(|(name, ..)| *name);
    names()
        .find(|known| known.eq_ignore_ascii_case(name))
        .or_else(|| words::nearest(name, names()).filter(|_| name.len() > 2))
        .or_else(|| names().filter(|known| name.starts_with(known)).max_by_key(|known| known.len()))
}
