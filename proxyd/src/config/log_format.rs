//! Log-format strings, HAProxy's (configuration manual 8.2.6): read once, with the place of what is wrong in them.

mod reader;
mod variable;

pub use variable::{VARIABLES, Variable};

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

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
        let pieces = reader::read(text)?;
        Ok(Self { text: text.to_owned(), steps: steps(&pieces), pieces })
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
