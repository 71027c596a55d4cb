//! A copied mailbox as a line of a table.

use bytesize::ByteSize;
use melouvert_migration::proof::{AccountReport, AccountStatus};
use serde::Serialize;

use crate::{printer::Row, text::Lang};

/// One mailbox.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Line(pub AccountReport);

impl Row for Line {
    fn titles(lang: Lang) -> Vec<&'static str> {
        lang.pick(
            vec![
                "BOÎTE",
                "ÉTAT",
                "DOSSIERS",
                "À LA CIBLE",
                "COPIÉS",
                "OCTETS",
                "EXCEPTIONS",
                "DURÉE",
            ],
            vec![
                "MAILBOX",
                "STATE",
                "FOLDERS",
                "AT TARGET",
                "COPIED",
                "BYTES",
                "EXCEPTIONS",
                "TIME",
            ],
        )
    }

    fn cells(&self, lang: Lang) -> Vec<String> {
        let account = &self.0;
        let there: u64 = account
            .folders
            .iter()
            .map(|folder| folder.copied_messages)
            .sum();
        let state = match account.status {
            AccountStatus::Complete => lang.pick("complète", "complete"),
            AccountStatus::Partial => lang.pick("partielle", "partial"),
            AccountStatus::Failed => lang.pick("échec", "failed"),
            AccountStatus::Stopped => lang.pick("arrêtée", "stopped"),
        };
        vec![
            account.source_user.clone(),
            state.to_owned(),
            account.folders.len().to_string(),
            there.to_string(),
            account.written_messages.to_string(),
            ByteSize::b(account.written_bytes).to_string(),
            account.exceptions.len().to_string(),
            format!("{:.1} s", account.seconds),
        ]
    }

    fn name(&self) -> String {
        self.0.source_user.clone()
    }
}
