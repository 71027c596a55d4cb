//! An account's plan as a line of a table.

use melouvert_migration::preflight::{AccountPlan, Decision};

use super::words;
use crate::text::Lang;

/// One mailbox.
pub struct Line<'a>(pub &'a AccountPlan);

impl Line<'_> {
    /// The column titles.
    pub fn titles(lang: Lang) -> Vec<&'static str> {
        lang.pick(
            vec![
                "BOÎTE", "COPIER", "DOSSIERS", "MESSAGES", "VOLUME", "RESTE", "DURÉE", "CONSTATS",
            ],
            vec![
                "MAILBOX", "COPY", "FOLDERS", "MESSAGES", "SIZE", "LEFT", "TIME", "FINDINGS",
            ],
        )
    }

    /// The cells.
    pub fn cells(&self, lang: Lang) -> Vec<String> {
        let account = self.0;
        let unknown = lang.pick("inconnue", "unknown").to_owned();
        vec![
            account.source_user.clone(),
            match account.decision {
                Decision::Go => lang.pick("oui", "go"),
                Decision::NoGo => lang.pick("NON", "NO-GO"),
            }
            .to_owned(),
            account.folders.len().to_string(),
            account.messages.to_string(),
            words::bytes(account.bytes, lang),
            words::bytes(account.pending_bytes, lang),
            account
                .eta_seconds
                .map_or(unknown, |seconds| time(seconds, lang)),
            account.findings.len().to_string(),
        ]
    }
}

/// A duration for people: `2 h 05 min`.
pub fn time(seconds: u64, lang: Lang) -> String {
    let day = lang.pick("j", "d");
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!(
            "{} {day} {:02} h",
            seconds / 86_400,
            seconds % 86_400 / 3600
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        assert_eq!(time(59, Lang::Fr), "59 s");
        assert_eq!(time(125, Lang::Fr), "2 min 05 s");
        assert_eq!(time(7500, Lang::Fr), "2 h 05 min");
        assert_eq!(time(90_000, Lang::En), "1 d 01 h");
    }
}
