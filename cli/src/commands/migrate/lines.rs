//! Migrations as lines of a table.

use melouvert_api::{Migration, MigrationStatus};
use serde::Serialize;

use crate::{
    printer::Row,
    text::{Lang, Text, text},
};

/// One line: the whole object for programs.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Line(Migration);

impl From<Migration> for Line {
    fn from(mut migration: Migration) -> Self {
        migration.metadata.managed_fields = None;
        Self(migration)
    }
}

impl Row for Line {
    fn titles(lang: Lang) -> Vec<&'static str> {
        lang.pick(
            vec![
                "MIGRATION",
                "SOURCE",
                "ÉTAT",
                "COMPTES",
                "MESSAGES",
                "ABSENTS",
            ],
            vec![
                "MIGRATION",
                "SOURCE",
                "STATE",
                "ACCOUNTS",
                "MESSAGES",
                "ABSENT",
            ],
        )
    }

    fn cells(&self, lang: Lang) -> Vec<String> {
        let status = self.0.status.clone().unwrap_or_default();
        let accounts = status.accounts.clone().unwrap_or_default();
        let messages = status.messages.clone().unwrap_or_default();
        vec![
            self.name(),
            format!("{}:{}", self.0.spec.source.host, self.0.spec.source.port),
            phase(&status).in_lang(lang).to_owned(),
            format!("{}/{}", accounts.complete, accounts.total),
            format!("{}/{}", messages.copied, messages.source),
            messages.absent.to_string(),
        ]
    }

    fn name(&self) -> String {
        self.0.metadata.name.clone().unwrap_or_default()
    }
}

/// The phase in words.
pub fn phase(status: &MigrationStatus) -> Text {
    match status.phase.as_deref() {
        None | Some("Pending") => text!("en attente", "pending"),
        Some("Running") => text!("en cours", "running"),
        Some("Complete") => text!("complète", "complete"),
        Some("Partial") => text!("partielle", "partial"),
        Some("Failed") => text!("en échec", "failed"),
        Some(other) => Text::verbatim(other),
    }
}

/// Where a run stands, in one line.
pub fn progress(status: &MigrationStatus) -> Text {
    let phase = phase(status);
    let (fr, en) = (phase.fr, phase.en);
    let Some(messages) = &status.messages else {
        return text!("{fr}…", "{en}…");
    };
    let accounts = status.accounts.clone().unwrap_or_default();
    let (done, total) = (accounts.complete + accounts.incomplete, accounts.total);
    let (copied, source) = (messages.copied, messages.source);
    let size = bytesize::ByteSize(messages.bytes).display().si();
    text!(
        "{fr} : {done}/{total} comptes, {copied}/{source} messages, {size}",
        "{en}: {done}/{total} accounts, {copied}/{source} messages, {size}"
    )
}
