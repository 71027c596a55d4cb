//! The only way to stdout: data as a table, JSON, YAML or names. Notes go to stderr.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::{
    errors::{CliError, Kind},
    harmless::{Shown, harmless, line},
    text::{Lang, text},
};

/// How data are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
    /// One name a line.
    Name,
}

/// Something that is listed: serialised as is for programs, cells for people.
pub trait Row: Serialize {
    /// The column titles.
    fn titles(lang: Lang) -> Vec<&'static str>;
    /// The cells, as many as titles.
    fn cells(&self, lang: Lang) -> Vec<String>;
    /// What `-o name` prints.
    fn name(&self) -> String;
}

/// Prints data on stdout.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    format: Format,
    lang: Lang,
}

impl Printer {
    /// A printer of this format.
    pub fn new(format: Format, lang: Lang) -> Self {
        Self { format, lang }
    }

    /// The format asked for.
    pub fn format(self) -> Format {
        self.format
    }

    /// Prints a list.
    pub fn rows<R: Row>(self, rows: &[R]) -> Result<(), CliError> {
        match self.format {
            Format::Table => to_stdout(&table(
                R::titles(self.lang),
                rows.iter().map(|r| r.cells(self.lang)),
            )),
            Format::Name => to_stdout(&names(rows.iter().map(Row::name))),
            Format::Json | Format::Yaml => self.structured(&rows),
        }
    }

    /// Prints one thing: `human` gives the text for people.
    pub fn one<T: Serialize>(
        self,
        thing: &T,
        name: &str,
        human: impl FnOnce(Lang) -> String,
    ) -> Result<(), CliError> {
        match self.format {
            Format::Table => to_stdout(&human(self.lang)),
            Format::Name => to_stdout(name),
            Format::Json | Format::Yaml => self.structured(thing),
        }
    }

    /// Prints text as it is, whatever the format: a completion script, a PEM.
    #[expect(
        clippy::unused_self,
        reason = "stdout is reached through a printer alone"
    )]
    pub fn raw(self, text: &str) -> Result<(), CliError> {
        to_stdout(text)
    }

    fn structured<T: Serialize>(self, thing: &T) -> Result<(), CliError> {
        if self.format == Format::Yaml {
            let text = serde_saphyr::to_string(thing).map_err(|error| unprintable(&error))?;
            return to_stdout(&text);
        }
        let text = serde_json::to_string_pretty(thing).map_err(|error| unprintable(&error))?;
        to_stdout(&harmless(&text, Shown::AsJson, false))
    }
}

fn unprintable(error: &dyn std::error::Error) -> CliError {
    CliError::failure(text!(
        "écriture du résultat impossible",
        "failed to print the result"
    ))
    .caused_by(error)
}

/// A borderless table, two spaces between columns, easy to read and to cut.
pub fn table(titles: Vec<&'static str>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(
        titles
            .into_iter()
            .map(|t| Cell::new(t).add_attribute(Attribute::Bold)),
    );
    for row in rows {
        table.add_row(row.iter().map(|cell| line(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let styled = table.to_string();
    styled
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

fn names(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join("\n")
}

fn to_stdout(text: &str) -> Result<(), CliError> {
    if text.is_empty() {
        return Ok(());
    }
    let text = harmless(text, Shown::Plainly, true);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let mut out = anstream::stdout().lock();
    match write!(out, "{text}{end}").and_then(|()| out.flush()) {
        // The reader (head, less) has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(CliError::new(
            Kind::Failure,
            text!(
                "écriture sur la sortie standard impossible",
                "failed to write to stdout"
            ),
        )
        .caused_by(&error)),
        Ok(()) => Ok(()),
    }
}

/// Writes one note to stderr; a closed stderr leaves nobody to tell.
pub fn to_stderr(text: &str) {
    let text = harmless(text, Shown::Plainly, true);
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_line_whatever_it_holds() {
        let rows = [vec![
            "a\nINBOX  complète\u{1b}[2J".to_owned(),
            "1".to_owned(),
        ]];
        let text = table(vec!["NOM", "N"], rows.into_iter());
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("a\\u{a}INBOX  complète\\u{1b}[2J"), "{text}");
    }

    #[test]
    fn a_table_is_aligned_and_has_no_trailing_blank() {
        let rows = [
            vec!["Caen".to_owned(), "1".to_owned()],
            vec!["Ry".to_owned(), String::new()],
        ];
        let text = table(vec!["NOM", "AGENTS"], rows.into_iter());
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(plain, "NOM   AGENTS\nCaen  1\nRy");
    }
}
