//! `melouvert cert`: the certificates of the tenants, from the operator's inventory.

mod list;
mod show;

use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use melouvert_api::collectivity::CertificateStatus;

use crate::{
    errors::CliError,
    globals::Context,
    language::{French, about, arg},
    text::Lang,
};

/// French help.
pub const FRENCH: &[French] = &[
    about(
        "cert",
        "Montre les certificats des collectivités et leurs échéances",
    ),
    about(
        "cert list",
        "Liste les certificats, la prochaine échéance en premier",
    ),
    arg("cert list", "siren", "SIREN d'une seule collectivité"),
    about(
        "cert show",
        "Montre les certificats d'une collectivité en détail",
    ),
    arg("cert show", "siren", "SIREN de la collectivité"),
    arg(
        "cert show",
        "name",
        "Certificat : ca, mail ou mail-client ; tous à défaut",
    ),
];

/// `melouvert cert …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the certificates, the next to expire first
    List(list::Args),
    /// Show the certificates of a collectivity in detail
    Show(show::Args),
}

impl Command {
    /// Runs the command.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::List(args) => args.run(context).await,
            Self::Show(args) => args.run(context).await,
        }
    }
}

/// How a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// In its life.
    Valid,
    /// Its renewal is due for more than a day: something hinders it.
    Late,
    /// No longer, or not yet, valid; or its dates cannot be read.
    Invalid,
}

impl Standing {
    /// How `certificate` stands at `now`.
    pub fn of(certificate: &CertificateStatus, now: Timestamp) -> Self {
        let read = |text: &str| text.parse::<Timestamp>();
        let (Ok(from), Ok(to), Ok(renewal)) = (
            read(&certificate.not_before),
            read(&certificate.not_after),
            read(&certificate.renewal_at),
        ) else {
            return Self::Invalid;
        };
        if now < from || now >= to {
            Self::Invalid
        } else if now.duration_since(renewal) > SignedDuration::from_hours(24) {
            Self::Late
        } else {
            Self::Valid
        }
    }

    /// In words.
    pub fn word(self, lang: Lang) -> &'static str {
        match self {
            Self::Valid => lang.pick("valide", "valid"),
            Self::Late => lang.pick("renouvellement en retard", "renewal overdue"),
            Self::Invalid => lang.pick("non valide", "not valid"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_late_a_day_after_its_renewal_was_due() {
        let certificate = CertificateStatus {
            not_before: "2026-01-01T00:00:00Z".into(),
            not_after: "2026-04-01T00:00:00Z".into(),
            renewal_at: "2026-03-01T00:00:00Z".into(),
            ..CertificateStatus::default()
        };
        for (now, expected) in [
            ("2025-12-31T23:59:59Z", Standing::Invalid),
            ("2026-03-01T12:00:00Z", Standing::Valid),
            ("2026-03-02T00:00:01Z", Standing::Late),
            ("2026-04-01T00:00:00Z", Standing::Invalid),
        ] {
            assert_eq!(
                Standing::of(&certificate, now.parse().unwrap()),
                expected,
                "{now}"
            );
        }
        let unreadable = CertificateStatus {
            not_after: "soon".into(),
            ..certificate
        };
        assert_eq!(
            Standing::of(&unreadable, Timestamp::UNIX_EPOCH),
            Standing::Invalid
        );
    }
}
