//! Results go to standard output, everything else to standard error.

use std::fmt::Display;
use std::io::{self, ErrorKind, StdoutLock, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::Value;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// What `--output` says. Commands that write a file for the caller take its name there; all others
/// take a format only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum OutputChoice {
    /// How results are written.
    Format(Format),
    /// Where the result goes.
    File(PathBuf),
}

impl OutputChoice {
    /// A format, or the name of a table to write.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(format) = Format::from_str(text, false) {
            return Ok(Self::Format(format));
        }
        let path = PathBuf::from(text);
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("parquet" | "csv") => Ok(Self::File(path)),
            _ => Err("expected text or json".to_owned()),
        }
    }
}

/// A result that can be shown.
pub(super) trait Report {
    /// For programs: keys are stable.
    fn json(&self) -> Value;

    /// For people.
    fn text(&self) -> String;
}

/// Standard output, held for the whole command. A reader that went away is no error.
#[derive(Debug)]
pub(super) struct Output {
    format: Format,
    stdout: StdoutLock<'static>,
}

impl Output {
    /// Takes standard output.
    pub(super) fn new(format: Format) -> Self {
        Self { format, stdout: io::stdout().lock() }
    }

    /// Writes a result in the chosen format.
    pub(super) fn report(&mut self, report: &dyn Report) -> io::Result<()> {
        match self.format {
            Format::Text => self.line(report.text().trim_end()),
            Format::Json => {
                let document = serde_json::to_string_pretty(&report.json())?;
                self.line(document)
            }
        }
    }

    /// Writes one line, or several.
    pub(super) fn line(&mut self, line: impl Display) -> io::Result<()> {
        let written = writeln!(self.stdout, "{line}").and_then(|()| self.stdout.flush());
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}

/// Tells the person at the terminal something that is no result. Nothing can be done where
/// standard error is gone.
pub(super) fn note(line: impl Display) {
    let _gone = writeln!(io::stderr(), "{line}");
}

/// A result that is one sentence.
pub(super) struct Statement {
    /// For programs.
    pub(super) json: Value,
    /// For people.
    pub(super) text: String,
}

impl Report for Statement {
    fn json(&self) -> Value {
        self.json.clone()
    }

    fn text(&self) -> String {
        self.text.clone()
    }
}
