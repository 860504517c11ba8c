//! Log-format strings, HAProxy's (configuration manual 8.2.6): read once, with the place of what is wrong in them.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use super::words;

/// What one line of the access log says.
#[derive(Clone, Debug, PartialEq)]
pub enum LogFormat {
    Httplog,
    Tcplog,
    Httpslog,
    /// An object a line.
    Json,
    Custom(Arc<Template>),
}

/// A log-format string, read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    /// As written.
    pub text: String,
    pub pieces: Vec<Piece>,
    /// The same with less to do for a line.
    pub steps: Vec<Step>,
}

/// A variable and what follows it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Step {
    pub variable: Option<(Variable, Flags)>,
    /// Behind it a blank, unless nothing was written since the one before.
    pub may_blank: bool,
    pub text: Box<str>,
}

/// A part of a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Piece {
    Text(Box<str>),
    /// A blank, unless a blank stands there already.
    Blank,
    Variable(Variable, Flags),
}

/// How a variable is shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Flags {
    /// `Q`: in quotes.
    pub quote: bool,
    /// `X`: numbers and addresses in hexadecimal.
    pub hex: bool,
    /// `E`: `"`, `\` and `]` behind a backslash.
    pub escape: bool,
}

/// What is wrong with a log-format string, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wrong {
    pub at: Range<usize>,
    pub message: String,
    /// What stands under the place.
    pub label: String,
    /// It is HAProxy's and not built yet.
    pub later: bool,
}

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

const HTTPLOG: &str = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc \
                       %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r";
const TCPLOG: &str = "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq";
/// Behind the request stand the facts of TLS.
const HTTPSLOG: &str = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc \
                        %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r \
                        %[fc_err]/%[ssl_fc_err,hex]/%[ssl_c_err]/%[ssl_c_ca_err]/%[ssl_fc_is_resumed] \
                        %[ssl_fc_sni]/%sslv/%sslc";

static PRESETS: LazyLock<[Arc<Template>; 3]> = LazyLock::new(|| {
    [HTTPLOG, TCPLOG, HTTPSLOG].map(|text| {
        // Read by a test as well: nothing is wrong with them.
        Arc::new(Template::read(text).unwrap_or_else(|_| Template {
            text: text.into(),
            pieces: Vec::new(),
            steps: Vec::new(),
        }))
    })
});

impl LogFormat {
    /// The template of a line; `None` is JSON.
    pub fn template(&self) -> Option<Arc<Template>> {
        let [http, tcp, https] = &*PRESETS;
        match self {
            Self::Httplog => Some(Arc::clone(http)),
            Self::Tcplog => Some(Arc::clone(tcp)),
            Self::Httpslog => Some(Arc::clone(https)),
            Self::Custom(template) => Some(Arc::clone(template)),
            Self::Json => None,
        }
    }
}

impl Template {
    /// Reads a log-format string.
    pub fn read(text: &str) -> Result<Self, Wrong> {
        let mut reader =
            Reader { text, at: 0, pieces: Vec::new(), plain: String::new(), all: Flags::default() };
        reader.run()?;
        Ok(Self { text: text.to_owned(), steps: steps(&reader.pieces), pieces: reader.pieces })
    }

    /// Whether it asks for any of these.
    pub fn uses(&self, which: &[Variable]) -> bool {
        self.pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Variable(variable, _) if which.contains(variable)))
    }

    /// The first variable that means something to HTTP only.
    pub fn http_only(&self) -> Option<&'static str> {
        self.pieces.iter().find_map(|piece| {
            let Piece::Variable(variable, _) = piece else { return None };
            VARIABLES.iter().find(|(_, id, http, _)| id == variable && *http).map(|(name, ..)| *name)
        })
    }
}

impl Variable {
    /// Shows nothing, ever.
    const fn is_nothing(self) -> bool {
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
    const fn may_be_empty(self) -> bool {
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
    const fn always(self) -> Option<&'static str> {
        match self {
            Self::RequestCookie | Self::ResponseCookie | Self::UniqueId => Some("-"),
            Self::ConnectionError => Some("0"),
            _ => None,
        }
    }
}

/// What is the same in each line is put together.
fn steps(pieces: &[Piece]) -> Vec<Step> {
    let mut steps = vec![Step::default()];
    let mut text = String::new();
    // A blank stands in front; and perhaps something behind it, which a line shows.
    let (mut blank, mut perhaps) = (false, false);
    let end = |steps: &mut Vec<Step>, text: &mut String| {
        if let Some(step) = steps.last_mut() {
            step.text = std::mem::take(text).into();
        }
    };
    for piece in pieces {
        match piece {
            Piece::Variable(variable, _) if variable.is_nothing() => continue,
            Piece::Blank if blank && perhaps => {
                end(&mut steps, &mut text);
                steps.push(Step { may_blank: true, ..Step::default() });
                perhaps = false;
                continue;
            }
            Piece::Blank if blank => continue,
            Piece::Blank => text.push(' '),
            Piece::Text(more) => text.push_str(more),
            Piece::Variable(variable, flags) => {
                if let Some(always) = variable.always().filter(|_| *flags == Flags::default()) {
                    text.push_str(always);
                } else {
                    end(&mut steps, &mut text);
                    steps.push(Step { variable: Some((*variable, *flags)), ..Step::default() });
                    if variable.may_be_empty() && !flags.quote {
                        perhaps = true;
                        continue;
                    }
                }
            }
        }
        (blank, perhaps) = (*piece == Piece::Blank, false);
    }
    end(&mut steps, &mut text);
    steps
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    pieces: Vec<Piece>,
    plain: String,
    /// Flags of `%o`.
    all: Flags,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), Wrong> {
        while let Some(c) = self.text[self.at..].chars().next() {
            match c {
                '%' => self.variable()?,
                ' ' => {
                    self.end_plain();
                    self.pieces.push(Piece::Blank);
                    self.at += 1;
                }
                c if c.is_control() => {
                    let at = self.at..self.at + c.len_utf8();
                    return Err(wrong(at, "a line of the log is one line of text", "a control character"));
                }
                c => {
                    self.plain.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        self.end_plain();
        Ok(())
    }

    fn end_plain(&mut self) {
        if !self.plain.is_empty() {
            self.pieces.push(Piece::Text(std::mem::take(&mut self.plain).into()));
        }
    }

    /// `%name`, `%{flags}name` or `%%`.
    fn variable(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        let mut rest = &self.text[start + 1..];
        if rest.starts_with('%') {
            self.plain.push('%');
            self.at += 2;
            return Ok(());
        }
        let mut flags = self.all;
        if let Some(inner) = rest.strip_prefix('{') {
            let Some(end) = inner.find('}') else {
                return Err(wrong(start..self.text.len(), "flags end with `}`", "it is missing"));
            };
            read_flags(&inner[..end], start + 2, &mut flags)?;
            rest = &inner[end + 1..];
        }
        let name_at = self.text.len() - rest.len();
        if rest.starts_with('[') {
            let end = rest.find(']').map_or(self.text.len(), |end| name_at + end + 1);
            let name = self.text[name_at..end].replace("(CN)", "(cn)");
            if let Some((_, variable, ..)) = known(&name) {
                self.end_plain();
                self.at = end;
                self.pieces.push(Piece::Variable(*variable, flags));
                return Ok(());
            }
            return Err(Wrong {
                later: true,
                ..wrong(start..end, "this sample expression is not supported yet in a log format", "")
            });
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let name = &rest[..end];
        let place = start..name_at + end;
        if name.is_empty() {
            return Err(wrong(
                start..name_at.max(start + 1),
                "`%` begins a variable",
                "write `%%` for a percent sign",
            ));
        }
        let Some((_, variable, ..)) = known(name) else {
            let label = match near(name) {
                Some(near) => format!("did you mean `%{near}`?"),
                None => String::new(),
            };
            return Err(wrong(place, format!("`%{name}` is not a variable of a log format"), label));
        };
        self.end_plain();
        self.at = name_at + end;
        if *variable == Variable::Nothing {
            self.all = flags;
        } else {
            self.pieces.push(Piece::Variable(*variable, flags));
        }
        Ok(())
    }
}

fn known(name: &str) -> Option<&'static (&'static str, Variable, bool, &'static str)> {
    VARIABLES.iter().find(|(known, ..)| *known == name)
}

/// Variables are short: the same letters in another case, else a name that begins so, else a name that is near.
fn near(name: &str) -> Option<&'static str> {
    let names = || VARIABLES.iter().map(|(name, ..)| *name);
    names()
        .find(|known| known.eq_ignore_ascii_case(name))
        .or_else(|| words::nearest(name, names()).filter(|_| name.len() > 2))
        .or_else(|| names().filter(|known| name.starts_with(known)).max_by_key(|known| known.len()))
}

fn read_flags(text: &str, at: usize, flags: &mut Flags) -> Result<(), Wrong> {
    let mut start = at;
    for flag in text.split(',') {
        let place = start..start + flag.len().max(1);
        start += flag.len() + 1;
        let (on, letter) = match flag.split_at_checked(1) {
            Some(("+", letter)) => (true, letter),
            Some(("-", letter)) => (false, letter),
            _ => return Err(wrong(place, "a flag has `+` or `-` in front of it", "as in `%{+Q}r`")),
        };
        match letter {
            "Q" => flags.quote = on,
            "X" => flags.hex = on,
            "E" => flags.escape = on,
            _ => return Err(wrong(place, format!("`{letter}` is not a flag"), "expected `Q`, `X` or `E`")),
        }
    }
    Ok(())
}

fn wrong(at: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Wrong {
    Wrong { at, message: message.into(), label: label.into(), later: false }
}

/// The variables, as the reference lists them.
pub(super) fn reference() -> String {
    let mut text = String::from(
        "\n## Log formats\n\n`format` is `httplog`, `httpslog`, `tcplog`, `json`, or a string of HAProxy's log-format \
         syntax: text, blanks (several are one), `%%`, and variables. `%{+Q}r` puts the request line in quotes, `+E` \
         escapes `\"`, `\\` and `]` with a backslash, `+X` shows numbers and addresses in hexadecimal; `%{+Q}o` sets \
         flags for all that follows. What clients and servers sent is escaped as in HAProxy: `#0A` for a line end. A \
         timer that did not run out is -1.\n\n```text\n",
    );
    for (name, preset) in [("httplog", HTTPLOG), ("tcplog", TCPLOG), ("httpslog", HTTPSLOG)] {
        let _ = writeln!(text, "{name:<9}{preset}");
    }
    text.push_str("```\n\n| variable | meaning | |\n|---|---|---|\n");
    for (name, _, http, about) in VARIABLES {
        let _ = writeln!(text, "| `%{name}` | {about} | {} |", if *http { "HTTP" } else { "" });
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let mut out = String::new();
        for piece in &Template::read(text).unwrap().pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Blank => out.push('_'),
                Piece::Variable(variable, flags) => {
                    let flags = [(flags.quote, 'Q'), (flags.hex, 'X'), (flags.escape, 'E')];
                    let flags: String = flags.iter().filter(|(on, _)| *on).map(|(_, c)| *c).collect();
                    let _ = write!(out, "<{variable:?}{flags}>");
                }
            }
        }
        out
    }

    #[test]
    fn pieces() {
        assert_eq!(shown("a %ci:%cp 100%%"), "a_<ClientIp>:<ClientPort>_100%");
        assert_eq!(shown("%{+Q}r%{+Q,+E}HU"), "<RequestQ><TargetQE>");
        assert_eq!(shown("%{+Q}o %ci %{-Q,+X}cp %s"), "_<ClientIpQ>_<ClientPortX>_<ServerQ>");
        assert_eq!(shown("%Ts%ts%tsc"), "<Timestamp><Termination><TerminationCookie>");
        assert_eq!(shown(""), "");
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, marked, label) in [
            ("a %x b", "%x", ""),
            ("%Tx", "%Tx", "did you mean `%T`?"),
            ("%CI", "%CI", "did you mean `%ci`?"),
            ("é %{+Z}r", "+Z", "expected `Q`, `X` or `E`"),
            ("%{Q}r", "Q", "as in `%{+Q}r`"),
            ("%{+Q", "%{+Q", "it is missing"),
            ("50% ", "%", "write `%%` for a percent sign"),
            ("%[src] x", "%[src]", ""),
            ("a\nb", "\n", "a control character"),
        ] {
            let wrong = Template::read(text).unwrap_err();
            assert_eq!((&text[wrong.at.clone()], wrong.label.as_str()), (marked, label), "{text:?}");
            assert_eq!(wrong.later, text.contains("%["));
        }
    }

    #[test]
    fn the_presets_are_sound() {
        for text in [HTTPLOG, TCPLOG, HTTPSLOG] {
            assert!(Template::read(text).unwrap().pieces.len() > 20);
        }
        assert_eq!(Template::read(TCPLOG).unwrap().http_only(), None);
        assert_eq!(Template::read(HTTPLOG).unwrap().http_only(), Some("tr"));
    }

    /// A line in which the variables that may show nothing do so or not.
    fn line(template: &Template, empty: bool) -> (String, String) {
        let value = |variable: Variable, flags: Flags| match variable.always() {
            Some(always) if flags == Flags::default() => always.to_owned(),
            _ if variable.is_nothing() || empty && variable.may_be_empty() && !flags.quote => String::new(),
            _ => format!("<{variable:?} {flags:?}> "),
        };
        let (mut one, mut blank) = (String::new(), false);
        for piece in &template.pieces {
            let before = one.len();
            match piece {
                Piece::Text(text) => one.push_str(text),
                Piece::Blank if blank => {}
                Piece::Blank => one.push(' '),
                Piece::Variable(variable, flags) => one.push_str(&value(*variable, *flags)),
            }
            blank = *piece == Piece::Blank || blank && one.len() == before;
        }
        let (mut other, mut behind_text) = (String::new(), 0);
        for step in &template.steps {
            if let Some((variable, flags)) = step.variable {
                other.push_str(&value(variable, flags));
            }
            if step.may_blank {
                if other.len() > behind_text {
                    other.push(' ');
                }
                behind_text = other.len();
            }
            other.push_str(&step.text);
            if !step.text.is_empty() {
                behind_text = other.len();
            }
        }
        (one, other)
    }

    #[test]
    fn what_is_the_same_in_each_line_is_put_together() {
        let template = Template::read("a %CC %hr %hs %{+Q}r %ID").unwrap();
        let texts: Vec<_> = template.steps.iter().map(|step| &*step.text).collect();
        assert_eq!(texts, ["a - ", " -"]);
    }

    proptest! {
        #[test]
        fn steps_make_the_line_that_the_pieces_make(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![" ", ":", "%hr", "%HQ", "%r", "%{+Q}HM", "%ST", "%CC", "%{+Q}ID"]), 0..12)
        ) {
            let template = Template::read(&parts.concat()).unwrap();
            for empty in [false, true] {
                let (one, other) = line(&template, empty);
                prop_assert_eq!(one, other);
            }
        }

        #[test]
        fn any_text_is_read_or_refused_in_place(text in "[%{}\\[\\]+\\-QXEa-zA-Z ,é\n]{0,30}") {
            if let Err(wrong) = Template::read(&text) {
                prop_assert!(text.get(wrong.at.clone()).is_some_and(|marked| !marked.is_empty()), "{:?}", wrong);
            }
        }
    }
}
