//! What a person gets when a command fails: one message, its remedy and a documented exit code.

use std::fmt::{self, Write};

use crate::text::{Lang, Text};

/// Why a command failed; each has its own exit code, part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An unexpected failure.
    Failure,
    /// Wrong arguments or a file that is not as expected: nothing was sent.
    Usage,
    /// The object does not exist.
    NotFound,
    /// The caller lacks the right, or the cluster's rules refuse.
    Refused,
    /// It exists already, was changed meanwhile, or its state does not allow it.
    Conflict,
    /// The cluster, the operator or its database does not answer.
    Unavailable,
    /// What was awaited did not come within `--timeout`; the cluster goes on.
    TimedOut,
    /// Part of it was done, part was not: see the report.
    Partial,
}

/// Every kind with what its exit code means, for the reference.
pub const EXIT_CODES: [(Kind, &str, &str); 8] = [
    (Kind::Failure, "échec inattendu", "unexpected failure"),
    (
        Kind::Usage,
        "arguments ou fichier incorrects : rien n'a été envoyé",
        "wrong arguments or file: nothing was sent",
    ),
    (
        Kind::NotFound,
        "l'objet n'existe pas",
        "the object does not exist",
    ),
    (
        Kind::Refused,
        "droits insuffisants, ou refus d'une règle du cluster",
        "missing rights, or refused by a rule of the cluster",
    ),
    (
        Kind::Conflict,
        "l'objet existe déjà, a changé entre-temps ou n'est pas dans l'état voulu",
        "the object exists already, changed meanwhile or is not in the required state",
    ),
    (
        Kind::Unavailable,
        "le cluster, l'opérateur ou sa base ne répond pas",
        "the cluster, the operator or its database does not answer",
    ),
    (
        Kind::TimedOut,
        "délai dépassé : le travail continue dans le cluster",
        "time-out: the work goes on in the cluster",
    ),
    (
        Kind::Partial,
        "fait en partie : le rapport dit ce qui manque",
        "partly done: the report says what is absent",
    ),
];

impl Kind {
    /// The exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::Conflict => 5,
            Self::Unavailable => 6,
            Self::TimedOut => 7,
            Self::Partial => 10,
        }
    }
}

/// A failure in words for people.
#[derive(Debug)]
pub struct CliError {
    /// Why.
    pub kind: Kind,
    /// What happened, naming the field and what was expected.
    pub message: Text,
    /// What to do about it.
    pub remedy: Option<Box<Text>>,
    /// The technical cause, shown on one line.
    pub cause: Option<String>,
    /// An exit code of its own, e.g. the migration engine's.
    exit: Option<u8>,
}

impl CliError {
    /// A failure of this kind.
    pub fn new(kind: Kind, message: Text) -> Self {
        Self {
            kind,
            message,
            remedy: None,
            cause: None,
            exit: None,
        }
    }

    /// Wrong arguments.
    pub fn usage(message: Text) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// An unexpected failure.
    pub fn failure(message: Text) -> Self {
        Self::new(Kind::Failure, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: Text) -> Self {
        self.remedy = Some(Box::new(remedy));
        self
    }

    /// Adds the technical cause with its own causes.
    #[must_use]
    pub fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        self.cause = Some(chain(error));
        self
    }

    /// Ends the process with another code than the kind's.
    #[must_use]
    pub fn exit(mut self, code: u8) -> Self {
        self.exit = Some(code);
        self
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        self.exit.unwrap_or(self.kind.exit_code())
    }

    /// The message, cause and remedy, ready for stderr.
    pub fn render(&self, lang: Lang) -> String {
        let mut out = format!(
            "{} {}",
            lang.pick("erreur :", "error:"),
            self.message.in_lang(lang)
        );
        if let Some(cause) = &self.cause {
            let _ = write!(out, "\n  {} {cause}", lang.pick("cause :", "cause:"));
        }
        if let Some(remedy) = &self.remedy {
            let label = lang.pick("que faire :", "remedy:");
            let _ = write!(out, "\n  {label} {}", remedy.in_lang(lang));
        }
        out
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message.en)
    }
}

impl std::error::Error for CliError {}

/// An error and its sources on one line, without the repeats that some libraries make.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        if !out.contains(&text) {
            let _ = write!(out, ": {text}");
        }
        next = source.source();
    }
    out.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::text::text;

    #[test]
    fn every_kind_has_its_own_documented_code() {
        let codes: BTreeSet<u8> = EXIT_CODES
            .iter()
            .map(|(kind, ..)| kind.exit_code())
            .collect();
        assert_eq!(codes.len(), EXIT_CODES.len());
        assert!(!codes.contains(&0));
    }

    #[test]
    fn a_failure_shows_message_cause_and_remedy() {
        let error = CliError::usage(text!("SIREN incorrect", "wrong SIREN"))
            .caused_by(&std::io::Error::other("x"))
            .remedy(text!("vérifiez-le", "check it"));
        assert_eq!(
            error.render(Lang::Fr),
            "erreur : SIREN incorrect\n  cause : x\n  que faire : vérifiez-le"
        );
        assert_eq!(
            error.render(Lang::En),
            "error: wrong SIREN\n  cause: x\n  remedy: check it"
        );
    }
}
