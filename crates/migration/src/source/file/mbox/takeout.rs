//! Gmail's labels, as Google Takeout writes them into each message.
//!
//! A message lies in one folder: the trash, the spam, the drafts, the inbox or the sent messages,
//! in this order, if one of these labels is there; else its first label of the user; else the
//! archives. Its other labels become keywords.

use mail_parser::MessageParser;

use crate::imap::utf7;
use crate::model::{FlagSet, FolderPath};

/// Longest keyword: servers refuse longer ones.
const KEYWORD: usize = 50;

/// What a label of Gmail itself means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum System {
    Trash,
    Spam,
    Drafts,
    Inbox,
    Sent,
    Chat,
    Archived,
    Opened,
    Unread,
    Starred,
    Important,
}

/// Names in English, French, German, Spanish, Italian, Portuguese and Dutch.
const NAMES: [(System, &[&str]); 11] = [
    (
        System::Trash,
        &[
            "Trash",
            "Bin",
            "Corbeille",
            "Papierkorb",
            "Papelera",
            "Cestino",
            "Lixeira",
            "Prullenbak",
        ],
    ),
    (
        System::Spam,
        &["Spam", "Junk", "Courrier indésirable", "Pourriel"],
    ),
    (
        System::Drafts,
        &[
            "Drafts",
            "Draft",
            "Brouillons",
            "Brouillon",
            "Entwürfe",
            "Borradores",
            "Bozze",
            "Rascunhos",
            "Concepten",
        ],
    ),
    (
        System::Inbox,
        &[
            "Inbox",
            "Boîte de réception",
            "Posteingang",
            "Recibidos",
            "Bandeja de entrada",
            "Posta in arrivo",
            "Caixa de entrada",
            "Postvak IN",
        ],
    ),
    (
        System::Sent,
        &[
            "Sent",
            "Sent Mail",
            "Envoyé",
            "Envoyés",
            "Messages envoyés",
            "Gesendet",
            "Enviados",
            "Enviado",
            "Inviati",
            "Inviata",
            "Verzonden",
        ],
    ),
    (System::Chat, &["Chat", "Chats", "Discussions"]),
    (
        System::Archived,
        &[
            "Archived",
            "Archivé",
            "Archivés",
            "Archivée",
            "Archiviert",
            "Archivado",
            "Archivados",
            "Archiviati",
            "Arquivado",
            "Gearchiveerd",
        ],
    ),
    (
        System::Opened,
        &[
            "Opened",
            "Ouvert",
            "Ouverts",
            "Lu",
            "Lus",
            "Geöffnet",
            "Abierto",
            "Abiertos",
            "Aperto",
            "Aperti",
            "Aberto",
            "Geopend",
        ],
    ),
    (
        System::Unread,
        &[
            "Unread",
            "Non lu",
            "Non lus",
            "Ungelesen",
            "No leído",
            "No leídos",
            "Da leggere",
            "Não lido",
            "Não lidas",
            "Ongelezen",
        ],
    ),
    (
        System::Starred,
        &[
            "Starred",
            "Suivi",
            "Suivis",
            "Messages suivis",
            "Markiert",
            "Destacado",
            "Destacados",
            "Speciali",
            "Com estrela",
            "Met ster",
        ],
    ),
    (
        System::Important,
        &[
            "Important",
            "Importants",
            "Wichtig",
            "Importante",
            "Importantes",
            "Importanti",
            "Belangrijk",
        ],
    ),
];

impl System {
    fn of(label: &str) -> Option<Self> {
        let label = label.to_lowercase();
        let is = |names: &[&str]| names.iter().any(|name| name.to_lowercase() == label);
        NAMES
            .iter()
            .find(|(_, names)| is(names))
            .map(|(system, _)| *system)
    }

    fn folder(self) -> Option<&'static str> {
        match self {
            Self::Trash => Some("Trash"),
            Self::Spam => Some("Junk"),
            Self::Drafts => Some("Drafts"),
            Self::Inbox => Some("INBOX"),
            Self::Sent => Some("Sent"),
            Self::Chat => Some("Chats"),
            Self::Archived | Self::Opened | Self::Unread | Self::Starred | Self::Important => None,
        }
    }
}

/// The folder and the flags that the value of `X-Gmail-Labels` stands for.
pub(super) fn place(value: &str) -> (FolderPath, FlagSet) {
    let labels = split(&decode(value));
    let systems: Vec<System> = labels
        .iter()
        .filter_map(|label| System::of(label))
        .collect();
    let has = |system| systems.contains(&system);
    let mut own: Vec<&str> = labels
        .iter()
        .filter(|label| System::of(label).is_none())
        .map(String::as_str)
        .collect();
    let folder = match systems
        .iter()
        .filter_map(|one| one.folder().map(|name| (one, name)))
        .min()
    {
        Some((_, name)) => FolderPath(vec![name.to_owned()]),
        None => match own.iter().position(|label| !is_mark(label)) {
            Some(first) => {
                let levels = own.remove(first).split('/').map(str::trim);
                let levels = levels.filter(|level| !level.is_empty());
                super::super::inbox(FolderPath(levels.map(str::to_owned).collect()))
            }
            None => FolderPath(vec!["Archive".to_owned()]),
        },
    };
    let folder = if folder.0.is_empty() {
        FolderPath(vec!["Archive".to_owned()])
    } else {
        folder
    };
    let mut flags: Vec<String> = own
        .into_iter()
        .map(keyword)
        .filter(|name| !name.is_empty())
        .collect();
    for (set, name) in [
        // Only what was never opened is marked at all; what the user wrote is read.
        (!has(System::Unread), "\\Seen"),
        (has(System::Starred), "\\Flagged"),
        (has(System::Drafts), "\\Draft"),
        (has(System::Important), "$Important"),
    ] {
        if set {
            flags.push(name.to_owned());
        }
    }
    (folder, FlagSet::new(flags.iter().map(String::as_str)))
}

/// True for what Gmail adds by itself and no user files messages under: its tabs, and the
/// keywords of mail programs.
fn is_mark(label: &str) -> bool {
    [
        "Category ",
        "Catégorie",
        "Kategorie",
        "Categoría",
        "Categoria",
        "IMAP_",
    ]
    .iter()
    .any(|known| label.starts_with(known))
}

/// Decodes RFC 2047; a value that is none stays.
fn decode(value: &str) -> String {
    let field = format!("Subject: {}\r\n\r\n", value.replace(['\r', '\n'], " "));
    MessageParser::new()
        .parse(field.as_bytes())
        .and_then(|message| message.subject().map(str::to_owned))
        .unwrap_or_default()
}

/// Splits at commas that stand outside quotes.
fn split(text: &str) -> Vec<String> {
    let mut labels = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                if let Some(label) = labels.last_mut() {
                    label.push('"');
                }
            }
            '"' => quoted = !quoted,
            ',' if !quoted => labels.push(String::new()),
            other => {
                if let Some(label) = labels.last_mut() {
                    label.push(other);
                }
            }
        }
    }
    labels
        .iter()
        .map(|label| label.trim().to_owned())
        .filter(|label| !label.is_empty())
        .collect()
}

/// A label as a keyword: ASCII without what an atom forbids.
fn keyword(label: &str) -> String {
    let own = label.strip_prefix("IMAP_").unwrap_or(label);
    let name: String = utf7::encode(own)
        .chars()
        .map(|character| match character {
            '(' | ')' | '{' | ' ' | '%' | '*' | '"' | '\\' | ']' => '_',
            other => other,
        })
        .take(KEYWORD)
        .collect();
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_place_and_mark_a_message() {
        for (labels, folder, flags) in [
            (
                "Inbox,Important,Opened,Category Personal",
                "INBOX",
                "$Important Category_Personal \\Seen",
            ),
            ("Sent,Opened", "Sent", "\\Seen"),
            ("Archived,Unread,Starred", "Archive", "\\Flagged"),
            ("", "Archive", "\\Seen"),
            ("=?UTF-8?Q?Archiv=C3=A9s,Envoy=C3=A9?=", "Sent", "\\Seen"),
            (
                "=?UTF-8?Q?Bo=C3=AEte_de_r=C3=A9ception,Non_lus,?= =?UTF-8?Q?Projets/=C3=89t=C3=A9?=",
                "INBOX",
                "Projets/&AMk-t&AOk-",
            ),
            (
                "Projets/=?UTF-8?Q?=C3=89t=C3=A9?=,Archived,IMAP_$Forwarded",
                "Projets/Été",
                "$Forwarded \\Seen",
            ),
            ("\"Un, deux\",Corbeille,Inbox", "Trash", "Un,_deux \\Seen"),
            (
                "=?UTF-8?Q?\"Un=2C_\"\"deux\"\"\",Brouillons?=",
                "Drafts",
                "Un,__deux_ \\Draft \\Seen",
            ),
            ("Spam,Unread", "Junk", ""),
            ("/,Unread", "Archive", ""),
        ] {
            let (found, set) = place(labels);
            assert_eq!(
                (found.to_string().as_str(), set.to_string().as_str()),
                (folder, flags),
                "{labels}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_labels_give_a_folder_and_atoms(labels in ".*") {
            let (folder, flags) = place(&labels);
            prop_assert!(!folder.0.is_empty());
            prop_assert!(folder.0.iter().all(|level| !level.is_empty()));
            for flag in flags.iter() {
                prop_assert!(flag.is_ascii() && flag.len() <= KEYWORD && !flag.contains([' ', '(', '"']));
            }
        }
    }
}
