//! What a scan found: stable identifiers, what they mean and what to do, in both languages.

use serde::{Deserialize, Serialize};

use crate::model::FolderPath;

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something will be absent, or not as it was.
    Warning,
    /// The account is not copied until this is remedied.
    Blocking,
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    /// The source refuses user or password.
    SourceLoginRefused,
    /// The source does not answer.
    SourceUnreachable,
    /// The target refuses user or password.
    TargetLoginRefused,
    /// The target does not answer.
    TargetUnreachable,
    /// The journal of an earlier run cannot be read.
    JournalUnusable,
    /// The target has not room for what is left to copy.
    QuotaShortfall,
    /// The target's user may not add messages.
    TargetNotWritable,
    /// Messages are larger than the target takes.
    TooLarge,
    /// A folder of the source cannot be read.
    FolderUnreadable,
    /// A name holds the target's separator, which is replaced.
    NameReplaced,
    /// Two folders would bear one name at the target, where case does not count; one is numbered.
    NameClash,
    /// Two names differ only by how their accents are written.
    NameTwins,
    /// A name is longer than most servers take.
    NameTooLong,
    /// Others have rights on a folder: they are not carried over.
    AccessNotCarried,
    /// The copy fills the folder that the target has for this use, under another name.
    SpecialUse,
    /// The source and the target are one mailbox.
    SamePlace,
}

impl Concern {
    /// How much it matters.
    pub fn severity(self) -> Severity {
        match self {
            Self::SourceLoginRefused
            | Self::SourceUnreachable
            | Self::TargetLoginRefused
            | Self::TargetUnreachable
            | Self::JournalUnusable
            | Self::QuotaShortfall
            | Self::TargetNotWritable
            | Self::SamePlace => Severity::Blocking,
            Self::TooLarge
            | Self::FolderUnreadable
            | Self::NameTooLong
            | Self::NameTwins
            | Self::AccessNotCarried => Severity::Warning,
            Self::NameReplaced | Self::NameClash | Self::SpecialUse => Severity::Info,
        }
    }

    /// What it means and what to do, in French.
    pub fn french(self) -> (&'static str, &'static str) {
        match self {
            Self::SourceLoginRefused => (
                "l'ancien serveur refuse l'identifiant ou le mot de passe",
                "corrigez-les dans le fichier de comptes",
            ),
            Self::SourceUnreachable => (
                "l'ancien serveur ou le fichier ne peut être lu",
                "vérifiez l'adresse, le certificat, le réseau ou le chemin",
            ),
            Self::TargetLoginRefused => (
                "le nouveau serveur refuse l'identifiant ou le mot de passe",
                "créez l'agent ou corrigez son mot de passe dans le fichier de comptes",
            ),
            Self::TargetUnreachable => (
                "le nouveau serveur ne répond pas",
                "vérifiez l'adresse, le certificat et le réseau",
            ),
            Self::JournalUnusable => (
                "le journal d'un passage précédent est illisible",
                "vérifiez --state et ses droits, ou écartez ce journal",
            ),
            Self::QuotaShortfall => (
                "la nouvelle boîte n'a pas assez de place",
                "augmentez son quota d'au moins ce qui manque",
            ),
            Self::TargetNotWritable => (
                "l'agent n'a pas le droit d'ajouter des messages à la nouvelle boîte",
                "donnez-lui le droit d'insertion (i) sur INBOX",
            ),
            Self::TooLarge => (
                "des messages dépassent la taille que le nouveau serveur accepte",
                "augmentez cette limite, ou exportez ces messages à part",
            ),
            Self::FolderUnreadable => (
                "un dossier de l'ancien serveur ne peut être lu",
                "vérifiez ses droits sur l'ancien serveur",
            ),
            Self::NameReplaced => (
                "un nom contient le séparateur du nouveau serveur ; il y devient « _ »",
                "rien à faire, ou renommez le dossier sur l'ancien serveur",
            ),
            Self::NameClash => (
                "deux dossiers auraient le même nom ; le second est numéroté",
                "rien à faire, ou renommez l'un d'eux sur l'ancien serveur",
            ),
            Self::NameTwins => (
                "deux noms ne diffèrent que par l'écriture de leurs accents",
                "renommez l'un d'eux sur l'ancien serveur pour les distinguer",
            ),
            Self::NameTooLong => (
                "un nom dépasse 255 octets",
                "raccourcissez-le sur l'ancien serveur",
            ),
            Self::AccessNotCarried => (
                "d'autres personnes ont des droits sur un dossier ; ils ne suivent pas",
                "notez ces droits et redonnez-les après la bascule",
            ),
            Self::SpecialUse => (
                "les messages iront dans le dossier que le nouveau serveur a pour cet usage",
                "rien à faire, ou --no-special-use pour garder l'ancien nom",
            ),
            Self::SamePlace => (
                "la source et la cible sont la même boîte",
                "corrigez l'une des deux dans le fichier de comptes",
            ),
        }
    }

    /// What it means and what to do, in English.
    pub fn english(self) -> (&'static str, &'static str) {
        match self {
            Self::SourceLoginRefused => (
                "the old server refuses the user or password",
                "correct them in the accounts file",
            ),
            Self::SourceUnreachable => (
                "the old server or the file cannot be read",
                "check the address, the certificate, the network or the path",
            ),
            Self::TargetLoginRefused => (
                "the new server refuses the user or password",
                "create the agent or correct its password in the accounts file",
            ),
            Self::TargetUnreachable => (
                "the new server does not answer",
                "check the address, the certificate and the network",
            ),
            Self::JournalUnusable => (
                "the journal of an earlier run is unreadable",
                "check --state and its rights, or move that journal away",
            ),
            Self::QuotaShortfall => (
                "the new mailbox has not enough room",
                "raise its quota by at least what is short",
            ),
            Self::TargetNotWritable => (
                "the agent may not add messages to the new mailbox",
                "grant the right to insert (i) on INBOX",
            ),
            Self::TooLarge => (
                "messages are larger than the new server takes",
                "raise that limit, or export these messages apart",
            ),
            Self::FolderUnreadable => (
                "a folder of the old server cannot be read",
                "check its rights on the old server",
            ),
            Self::NameReplaced => (
                "a name holds the new server's separator, which becomes \"_\"",
                "nothing, or rename the folder on the old server",
            ),
            Self::NameClash => (
                "two folders would bear one name; the second is numbered",
                "nothing, or rename one of them on the old server",
            ),
            Self::NameTwins => (
                "two names differ only by how their accents are written",
                "rename one of them on the old server to tell them apart",
            ),
            Self::NameTooLong => (
                "a name is longer than 255 bytes",
                "shorten it on the old server",
            ),
            Self::AccessNotCarried => (
                "others have rights on a folder; these are not carried over",
                "note them and grant them again after the cut-over",
            ),
            Self::SpecialUse => (
                "the messages go to the folder that the new server has for this use",
                "nothing, or --no-special-use to keep the old name",
            ),
            Self::SamePlace => (
                "source and target are one mailbox",
                "correct one of them in the accounts file",
            ),
        }
    }
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub concern: Concern,
    /// How much it matters.
    pub severity: Severity,
    /// The folder at the source, when one is meant.
    pub folder: Option<String>,
    /// Figures, names, or the server's words.
    pub detail: String,
    /// What to do, in French.
    pub remedy_fr: String,
    /// What to do, in English.
    pub remedy_en: String,
}

impl Finding {
    /// A finding about the whole account.
    pub fn new(concern: Concern, detail: impl Into<String>) -> Self {
        Self {
            concern,
            severity: concern.severity(),
            folder: None,
            detail: detail.into(),
            remedy_fr: concern.french().1.to_owned(),
            remedy_en: concern.english().1.to_owned(),
        }
    }

    /// About one folder.
    #[must_use]
    pub fn in_folder(mut self, path: &FolderPath) -> Self {
        self.folder = Some(path.to_string());
        self
    }
}
