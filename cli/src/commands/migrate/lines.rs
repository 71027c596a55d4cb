//! Migrations as lines of a table.

use std::fmt::Write;

use melouvert_api::{Migration, MigrationStatus, condition::STALLED};
use serde::Serialize;

use super::proof::words;
use crate::{
    printer::{Row, table},
    reasons,
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
            phase(status.phase.as_deref()).in_lang(lang).to_owned(),
            format!("{}/{}", accounts.complete, accounts.total),
            format!("{}/{}", messages.copied, messages.source),
            messages.absent.to_string(),
        ]
    }

    fn name(&self) -> String {
        self.0.metadata.name.clone().unwrap_or_default()
    }
}

/// The phase of a migration, a wave or an account in words.
pub fn phase(phase: Option<&str>) -> Text {
    match phase {
        None | Some("Pending") => text!("en attente", "pending"),
        Some("Waiting") => text!("attend son heure", "waiting"),
        Some("Paused") => text!("en pause", "paused"),
        Some("Running") => text!("en cours", "running"),
        Some("Complete") => text!("complète", "complete"),
        Some("Partial") => text!("partielle", "partial"),
        Some("Failed") => text!("en échec", "failed"),
        Some("Chasing") => text!("source changeante", "source changing"),
        Some("CutOver") => text!("basculée", "cut over"),
        Some("RolledBack") => text!("revenue en arrière", "rolled back"),
        Some(other) => Text::verbatim(other),
    }
}

/// Where a run stands, in one line.
pub fn progress(status: &MigrationStatus) -> Text {
    let phase = phase(status.phase.as_deref());
    let (fr, en) = (phase.fr, phase.en);
    let Some(messages) = &status.messages else {
        return text!("{fr}…", "{en}…");
    };
    let accounts = status.accounts.clone().unwrap_or_default();
    let (done, total) = (accounts.complete + accounts.incomplete, accounts.total);
    let (copied, source) = (messages.copied, messages.source);
    let moved = size(messages.bytes);
    let pace = status.bytes_per_second.filter(|rate| *rate > 0).map(size);
    let pace = pace.map(|pace| format!(", {pace}/s")).unwrap_or_default();
    let left = eta(status).map(duration);
    let (left_fr, left_en) = left.map_or_else(Default::default, |left| {
        (
            format!(", reste environ {left}"),
            format!(", about {left} left"),
        )
    });
    text!(
        "{fr} : {done}/{total} comptes, {copied}/{source} messages, {moved}{pace}{left_fr}",
        "{en}: {done}/{total} accounts, {copied}/{source} messages, {moved}{pace}{left_en}"
    )
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().si().to_string()
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..=89 => format!("{seconds} s"),
        90..=5399 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {:02}", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Seconds left by bytes at the present rate. An account whose size is not known yet counts as the
/// mean of the others.
pub fn eta(status: &MigrationStatus) -> Option<u64> {
    let rate = status.bytes_per_second.filter(|rate| *rate > 0)?;
    let listed = &status.mailboxes;
    let sized = || {
        let sizes = listed.iter().map(|mailbox| &mailbox.messages);
        let sizes = sizes.map(|messages| messages.source_bytes.max(messages.bytes));
        sizes.filter(|bytes| *bytes > 0)
    };
    let known: u64 = sized().sum();
    let count = sized().count() as u64;
    let total = status.accounts.as_ref()?.total.max(count);
    let mean = known.checked_div(count)?;
    let whole = known + mean * (total - count);
    let copied: u64 = listed.iter().map(|mailbox| mailbox.messages.bytes).sum();
    Some(whole.saturating_sub(copied).div_ceil(rate))
}

/// The waves and the accounts of a migration as tables, and its dates.
pub fn details(migration: &Migration, lang: Lang) -> String {
    let status = migration.status.clone().unwrap_or_default();
    let mut out = progress(&status).in_lang(lang).to_owned();
    if let Some(why) = reasons::first_of(&status.conditions, &[STALLED]) {
        let _ = write!(out, "\n  → {}", why.in_lang(lang));
    }
    if let Some(until) = &status.rollback_until {
        let said = lang.pick(
            "Retour en arrière possible jusqu'au",
            "May be rolled back until",
        );
        let _ = write!(out, "\n{said} {until}");
    }
    let (waves, mailboxes) = (waves(&status, lang), mailboxes(&status, lang));
    let _ = write!(out, "\n\n{waves}\n\n{mailboxes}");
    out
}

fn waves(status: &MigrationStatus, lang: Lang) -> String {
    let titles = lang.pick(
        vec![
            "VAGUE",
            "ÉTAT",
            "COMPTES",
            "INCOMPLETS",
            "OUVRE",
            "MOTS DE PASSE",
        ],
        vec![
            "WAVE",
            "STATE",
            "ACCOUNTS",
            "INCOMPLETE",
            "OPENS",
            "PASSWORDS",
        ],
    );
    let kept = lang.pick("gardés", "kept");
    let gone = lang.pick("effacés", "deleted");
    let rows = status.waves.iter().map(|wave| {
        let deleted = wave.credentials_deleted_at.is_some();
        vec![
            wave.name.clone(),
            phase(Some(&wave.phase)).in_lang(lang).to_owned(),
            format!("{}/{}", wave.accounts.complete, wave.accounts.total),
            wave.accounts.incomplete.to_string(),
            wave.opens_at.clone().unwrap_or_else(|| "-".into()),
            if deleted { gone } else { kept }.to_owned(),
        ]
    });
    table(titles, rows)
}

fn mailboxes(status: &MigrationStatus, lang: Lang) -> String {
    let titles = lang.pick(
        vec![
            "COMPTE", "VAGUE", "ÉTAT", "PASSAGE", "MESSAGES", "TAILLE", "ABSENTS", "CAUSE",
        ],
        vec![
            "ACCOUNT", "WAVE", "STATE", "PASS", "MESSAGES", "SIZE", "ABSENT", "REASON",
        ],
    );
    let rows = status.mailboxes.iter().map(|mailbox| {
        let messages = &mailbox.messages;
        vec![
            mailbox.user.clone(),
            mailbox.wave.clone(),
            phase(Some(&mailbox.phase)).in_lang(lang).to_owned(),
            mailbox.pass.to_string(),
            format!("{}/{}", messages.copied, messages.source),
            size(messages.bytes),
            messages.absent.to_string(),
            mailbox.reason.as_deref().map_or_else(
                || "-".to_owned(),
                |reason| words::failure(reason).0.in_lang(lang).to_owned(),
            ),
        ]
    });
    table(titles, rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(value: serde_json::Value) -> MigrationStatus {
        serde_json::from_value(value).unwrap()
    }

    fn mailbox(bytes: u64, source_bytes: u64) -> serde_json::Value {
        json!({"user": "u", "wave": "w", "phase": "Running", "pass": 1, "messages":
            {"source": 1, "copied": 1, "absent": 0, "bytes": bytes, "sourceBytes": source_bytes}})
    }

    #[test]
    fn the_time_left_goes_by_bytes() {
        let accounts = json!({"total": 4, "complete": 0, "incomplete": 0, "running": 2});
        let seen = status(json!({
            "accounts": accounts, "bytesPerSecond": 100,
            "mailboxes": [mailbox(1000, 2000), mailbox(0, 4000), mailbox(0, 0), mailbox(0, 0)]}));
        // 6000 known, 2 × 3000 expected, 1000 copied.
        assert_eq!(eta(&seen), Some(110));
        assert!(progress(&seen).fr.starts_with("en attente"));
        let idle = status(json!({"accounts": accounts, "mailboxes": [mailbox(1, 2)]}));
        assert_eq!(eta(&idle), None);
        let blank = status(
            json!({"accounts": accounts, "bytesPerSecond": 9, "mailboxes": [mailbox(0, 0)]}),
        );
        assert_eq!(eta(&blank), None);
    }

    #[test]
    fn durations_are_for_people() {
        assert_eq!(duration(5), "5 s");
        assert_eq!(duration(90), "2 min");
        assert_eq!(duration(7260), "2 h 01");
    }
}
