//! The engine's reasons in words for people: what happened, and what to do.

use melouvert_migration::{
    collection::Kind,
    proof::{AccountReport, AccountStatus, CollectionProof, Exception, Note, NoteKind, Reason},
};

pub use super::failures::failure;
use crate::{
    harmless::line,
    text::{Lang, Text, text},
};

/// An account's state in words.
pub fn state(account: &AccountReport, lang: Lang) -> &'static str {
    match account.status {
        AccountStatus::Complete => lang.pick("complet", "complete"),
        AccountStatus::Partial => lang.pick("incomplet", "partial"),
        AccountStatus::Failed => lang.pick("en échec", "failed"),
        AccountStatus::Stopped => lang.pick("arrêté", "stopped"),
    }
}

/// A collection's name with what it is.
pub fn collection(proof: &CollectionProof, lang: Lang) -> String {
    let kind = match proof.kind {
        Kind::Calendar => lang.pick("agenda", "calendar"),
        Kind::Contacts => "contacts",
    };
    format!("{} ({kind})", proof.name)
}

/// What a reason means.
pub fn why(reason: Reason) -> Text {
    match reason {
        Reason::SourceUndeliverable => text!(
            "l'ancien serveur ne sait pas livrer ce message",
            "the old server cannot deliver this message"
        ),
        Reason::SourceUnreadable => text!(
            "le fichier d'origine est abîmé à cet endroit",
            "the source file is damaged at this place"
        ),
        Reason::SourceFolderUnavailable => text!(
            "dossier impossible à ouvrir sur l'ancien serveur",
            "the old server does not open this folder"
        ),
        Reason::SourceValidityChanged => text!(
            "l'ancien serveur a renuméroté le dossier pendant la copie",
            "the old server renumbered the folder during the run"
        ),
        Reason::OverQuota => text!("la nouvelle boîte est pleine", "the new mailbox is full"),
        Reason::TooLarge => text!(
            "message plus gros que la limite du nouveau serveur",
            "larger than the new server's limit"
        ),
        Reason::TargetRefused => text!(
            "message refusé par le nouveau serveur",
            "refused by the new server"
        ),
        Reason::TargetFolderRefused => text!(
            "dossier refusé par le nouveau serveur",
            "folder refused by the new server"
        ),
        Reason::TargetBreaks => text!(
            "le nouveau serveur coupe la connexion sur ce message",
            "the new server drops the connection on this message"
        ),
        Reason::AbsentAtTarget => text!(
            "relu : le message n'est pas dans la nouvelle boîte",
            "read back: the message is not in the new mailbox"
        ),
        Reason::DeletedAtTarget => text!(
            "relu auparavant, le message n'est plus dans la nouvelle boîte",
            "read back before, the message is no longer in the new mailbox"
        ),
        Reason::BytesDiffer => text!(
            "relu : le nouveau serveur a altéré le message",
            "read back: the new server altered the message"
        ),
        Reason::DateDiffers => text!(
            "relu : la date d'arrivée est une autre",
            "read back: the date of arrival is another"
        ),
        Reason::FlagsDiffer => text!(
            "relu : les drapeaux ou mots-clés sont autres",
            "read back: flags or keywords are others"
        ),
        Reason::FolderAbsent => text!(
            "relu : le dossier n'est pas dans la nouvelle boîte",
            "read back: the folder is not in the new mailbox"
        ),
        Reason::SubscriptionDiffers => text!(
            "relu : l'agent n'est pas abonné au dossier",
            "read back: the agent is not subscribed to the folder"
        ),
        Reason::NotReached => text!(
            "arrêt avant le tour de ce message",
            "the run stopped before this message's turn"
        ),
        Reason::CollectionItemInvalid => text!(
            "entrée d'agenda ou contact mal formé",
            "a calendar entry or contact that is not well-formed"
        ),
        Reason::NotRepresentable => text!(
            "élément que la cible ne sait représenter qu'en partie",
            "an item that the target can represent in part only"
        ),
    }
}

/// What a support team can do.
pub fn remedy(reason: Reason) -> Text {
    let fr = match reason {
        Reason::SourceUndeliverable => {
            "ouvrez ce message sur l'ancien serveur, réparez-le ou exportez-le, puis relancez"
        }
        Reason::SourceUnreadable => {
            "exportez de nouveau cet élément avec le programme d'origine, puis relancez"
        }
        Reason::SourceFolderUnavailable => {
            "vérifiez les droits du dossier sur l'ancien serveur, puis relancez"
        }
        Reason::SourceValidityChanged
        | Reason::NotReached
        | Reason::AbsentAtTarget
        | Reason::FolderAbsent => "relancez : la copie reprend où elle s'est arrêtée",
        Reason::OverQuota => {
            "augmentez le quota de la boîte, puis relancez : seul l'absent est copié"
        }
        Reason::TooLarge => "augmentez la taille maximale des messages, puis relancez",
        Reason::TargetRefused => "lisez la réponse du serveur, ôtez la cause, puis relancez",
        Reason::TargetFolderRefused => "renommez le dossier sur l'ancien serveur, puis relancez",
        Reason::TargetBreaks => "cherchez ce message dans les journaux de la cible, puis relancez",
        Reason::DeletedAtTarget => {
            "si l'agent ne l'a pas supprimé, recopiez-le en relançant avec un dossier d'état neuf"
        }
        Reason::BytesDiffer => {
            "gardez l'ancien serveur : la cible a altéré ce message ; signalez-le"
        }
        Reason::SubscriptionDiffers => {
            "relancez, ou abonnez l'agent au dossier ; ses messages sont intacts"
        }
        Reason::DateDiffers => "la cible garde une autre date ; le message est intact",
        Reason::FlagsDiffer => {
            "la cible garde d'autres drapeaux, ou l'agent les a changés ; le message est intact"
        }
        Reason::CollectionItemInvalid => {
            "corrigez cette entrée dans le fichier source, puis relancez ; le fichier lui-même est \
             gardé tel quel"
        }
        Reason::NotRepresentable => {
            "ouvrez cet élément avec le logiciel d'origine, et gardez son fichier"
        }
    };
    Text {
        fr: fr.to_owned(),
        en: reason.remedy().to_owned(),
    }
}

/// One exception in one line, without its remedy: account, folder, UID, size, date, reason, the
/// server's words.
pub fn exception(exception: &Exception, lang: Lang) -> String {
    let known = [
        exception.uid.map(|uid| format!("UID {uid}")),
        exception.size.map(|size| bytes(size, lang)),
        exception.date.clone(),
    ];
    let named = [exception.account.clone(), exception.folder.clone()];
    let parts: Vec<String> = named
        .into_iter()
        .chain(known.into_iter().flatten())
        .collect();
    let place = line(&parts.join(", "));
    let why = why(exception.reason);
    let why = why.in_lang(lang);
    let colon = lang.pick(" :", ":");
    if exception.detail.is_empty() {
        format!("{place}{colon} {why}")
    } else {
        format!("{place}{colon} {why} ({})", line(&exception.detail))
    }
}

/// What a note is about, in few words: French, then English.
fn about(kind: NoteKind) -> (&'static str, &'static str) {
    match kind {
        NoteKind::FolderRenamed => (
            "dossier renommé sur l'ancien serveur",
            "the folder was renamed on the old server",
        ),
        NoteKind::FolderDeleted => (
            "dossier disparu de l'ancien serveur",
            "the folder is gone from the old server",
        ),
        NoteKind::FolderOfOthers => (
            "dossier d'un autre ou de tous, laissé de côté",
            "the folder belongs to another or to all, and was left alone",
        ),
        NoteKind::SpecialUse => (
            "versé dans le dossier de même usage",
            "it went to the folder of the same use",
        ),
        NoteKind::DateFromHeader => (
            "l'ancien serveur ne dit pas la date d'arrivée : celle de l'en-tête est reprise",
            "the old server tells no date of arrival: that of the header stands",
        ),
        NoteKind::Substitute => (
            "textes que l'ancien serveur a donnés à la place de messages",
            "texts that the old server gave in place of messages",
        ),
        NoteKind::LinesPassedOver => (
            "réponses illisibles de l'ancien serveur, dont rien ne dépendait",
            "unreadable answers of the old server, on which nothing depended",
        ),
        NoteKind::SubscriptionsUnknown => (
            "l'ancien serveur ne dit pas les abonnements : l'agent choisira ses dossiers",
            "the old server tells no subscriptions: the agent will choose folders",
        ),
        NoteKind::View => (
            "vue d'autres dossiers : ce qu'ils ont déjà n'est pas copié deux fois",
            "a view of other folders: what they have is not copied twice",
        ),
    }
}

/// One note in one line.
pub fn note(user: &str, note: &Note) -> Text {
    let (fr, en) = about(note.kind);
    let place = if note.folder.is_empty() {
        user.to_owned()
    } else {
        format!("{user}, {}", line(&note.folder))
    };
    let detail = if note.detail.is_empty() {
        String::new()
    } else {
        format!(" ({})", line(&note.detail))
    };
    text!("{place} : {fr}{detail}", "{place}: {en}{detail}")
}

/// A size for people: `1,5 Mo` or `1.5 MB`.
pub fn bytes(count: u64, lang: Lang) -> String {
    let units = lang.pick(["o", "ko", "Mo", "Go", "To"], ["B", "kB", "MB", "GB", "TB"]);
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut amount = count as f64;
    let mut unit = 0;
    while amount >= 1000.0 && unit + 1 < units.len() {
        amount /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        return format!("{count} {}", units[0]);
    }
    let figure = format!("{amount:.1}");
    format!(
        "{} {}",
        lang.pick(figure.replace('.', ","), figure),
        units[unit]
    )
}

#[cfg(test)]
mod tests {
    use melouvert_migration::model::{FolderPath, InternalDate};

    use super::*;

    #[test]
    fn an_exception_says_all_that_is_known() {
        let path = FolderPath(vec!["Archives".into(), "2019".into()]);
        let date = InternalDate::parse("17-Jul-1996 02:44:25 -0700");
        let one = Exception::new("jeanne", &path, Some(12), Reason::TooLarge)
            .about(61_200_000, date)
            .saying("[TOOBIG] no");
        assert_eq!(
            exception(&one, Lang::Fr),
            "jeanne, Archives/2019, UID 12, 61,2 Mo, 17-Jul-1996 02:44:25 -0700 : message plus gros \
             que la limite du nouveau serveur ([TOOBIG] no)"
        );
        assert!(
            exception(&one, Lang::En)
                .ends_with(": larger than the new server's limit ([TOOBIG] no)")
        );
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(bytes(999, Lang::Fr), "999 o");
        assert_eq!(bytes(1_500_000, Lang::Fr), "1,5 Mo");
        assert_eq!(bytes(1_500_000, Lang::En), "1.5 MB");
    }
}
