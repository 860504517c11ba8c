//! What is wrong with a configuration: diagnostics with their places in the files, and how they are shown.

use std::fmt;
use std::io::IsTerminal as _;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A file of a [`Report`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileId(usize);

/// Bytes of one file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    pub file: FileId,
    pub start: usize,
    pub end: usize,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, and is probably not what was meant.
    Warning,
}

/// A marked place and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// One problem.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Stable word for the kind of problem.
    pub code: &'static str,
    pub message: String,
    /// The first is where the problem is, the others are where it comes from.
    pub labels: Vec<Label>,
    /// What to write instead.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// A problem that keeps the configuration from being used.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            labels: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A problem that does not.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Marks a place.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }
}

/// Whether a report is shown in colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Paint {
    Plain,
    Colour,
}

impl Paint {
    /// Colour for a person at a terminal on standard error who has not said no to it.
    pub fn of_stderr() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if std::io::stderr().is_terminal() && !refused { Self::Colour } else { Self::Plain }
    }
}

#[derive(Clone, Debug)]
struct File {
    name: String,
    text: String,
}

/// All problems of one reading, with the text they point into.
#[derive(Clone, Debug, Default)]
pub struct Report {
    files: Vec<File>,
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Makes a text known, so that spans can point into it.
    pub fn add_file(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        self.files.push(File { name: name.into(), text: text.into() });
        FileId(self.files.len() - 1)
    }

    /// Adds a problem.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The problems, by file and place once [`load`](super::load) is done.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// Whether the configuration cannot be used.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// Problems of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// Line and column, both from 1, of the start of a span; columns count characters.
    pub fn position(&self, span: Span) -> (usize, usize) {
        let before = self.files.get(span.file.0).and_then(|file| file.text.get(..span.start)).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }

    /// Part of a string that stands at `span`; all of it where the string has escapes in it.
    pub(crate) fn within_text(&self, span: Span, text: &str, part: Range<usize>) -> Span {
        let file = self.files.get(span.file.0);
        let written = file.and_then(|file| file.text.get(span.start..span.end)).unwrap_or("");
        let quote = written.find('"').map_or(0, |at| at + 1);
        match written.get(quote..quote + text.len()) {
            Some(same) if same == text => Span {
                file: span.file,
                start: span.start + quote + part.start,
                end: span.start + quote + part.end,
            },
            _ => span,
        }
    }

    /// Puts the problems into the order of the files.
    pub(crate) fn sort(&mut self) {
        self.diagnostics.sort_by_key(|diagnostic| {
            diagnostic.labels.first().map_or((0, 0), |label| (label.span.file.0, label.span.start))
        });
    }

    /// The name a file was added under.
    pub(crate) fn name(&self, file: FileId) -> &str {
        self.files.get(file.0).map_or("", |file| &file.name)
    }

    /// The whole report as text that ends in a line with the counts.
    pub fn render(&self, paint: Paint) -> String {
        if self.is_empty() {
            return String::new();
        }
        let renderer = match paint {
            Paint::Plain => Renderer::plain(),
            Paint::Colour => Renderer::styled(),
        };
        let mut text = String::new();
        for diagnostic in &self.diagnostics {
            text.push_str(&renderer.render(&[self.group(diagnostic)]));
            text.push_str("\n\n");
        }
        text.push_str(&self.summary());
        text.push('\n');
        text
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(printable(&diagnostic.message)).id(diagnostic.code);
        let mut group = Group::with_title(title);
        let mut shown: Vec<FileId> = Vec::new();
        for label in &diagnostic.labels {
            let id = label.span.file;
            if shown.contains(&id) {
                continue;
            }
            shown.push(id);
            let Some(file) = self.files.get(id.0) else { continue };
            let marks = diagnostic.labels.iter().enumerate().filter(|(_, label)| label.span.file == id).map(
                |(index, label)| {
                    let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                    let text = (!label.text.is_empty()).then(|| printable(&label.text));
                    kind.span(within(&file.text, label.span)).label(text)
                },
            );
            group = group.element(Snippet::source(&file.text).path(&file.name).annotations(marks));
        }
        group.elements(diagnostic.help.iter().map(|text| Level::HELP.message(printable(text))))
    }

    fn summary(&self) -> String {
        let count = |severity, word: &str| match self.count(severity) {
            0 => None,
            1 => Some(format!("1 {word}")),
            many => Some(format!("{many} {word}s")),
        };
        let parts = [count(Severity::Error, "error"), count(Severity::Warning, "warning")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Paint::Plain))
    }
}

impl std::error::Error for Report {}

/// A span as the renderer takes it: inside the text and between characters, whatever a caller worked out.
fn within(text: &str, span: Span) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

/// Control bytes of a file reach no terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
