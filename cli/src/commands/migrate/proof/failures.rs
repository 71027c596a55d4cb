//! Why a whole account failed, in words for people, and what to do.

use crate::text::{Text, text};

/// What happened and what to do: each in French and in English.
struct Words {
    why: (&'static str, &'static str),
    remedy: (&'static str, &'static str),
}

const SERVER: (&str, &str) = (
    "vérifiez son adresse, son certificat et le réseau, puis relancez",
    "check its address, its certificate and the network, then run again",
);
const SLOW: (&str, &str) = (
    "voyez sa charge et la ligne, ou acceptez moins par --min-rate, puis relancez : la copie reprend où elle s'est arrêtée",
    "look at its load and at the line, or allow less with --min-rate, then run again: the copy goes on where it stood",
);

const TLS: (&str, &str) = (
    "vérifiez le port, faites autoriser TLS 1.2 sur ce serveur ou placez devant lui un mandataire TLS, puis relancez",
    "check the port, have TLS 1.2 allowed on that server or put a TLS proxy in front of it, then run again",
);

/// By the engine's stable identifiers.
const FAILURES: [(&str, Words); 17] = [
    (
        "source_login_refused",
        Words {
            why: (
                "l'ancien serveur refuse l'identifiant ou le mot de passe",
                "the old server refuses the user or password",
            ),
            remedy: (
                "corrigez-les dans le fichier de comptes, puis relancez",
                "correct them in the accounts file, then run again",
            ),
        },
    ),
    (
        "target_login_refused",
        Words {
            why: (
                "le nouveau serveur refuse l'identifiant ou le mot de passe",
                "the new server refuses the user or password",
            ),
            remedy: (
                "créez l'agent ou corrigez son mot de passe, puis relancez",
                "create the agent or correct its password, then run again",
            ),
        },
    ),
    (
        "source_unreachable",
        Words {
            why: (
                "l'ancien serveur ne répond pas",
                "the old server does not answer",
            ),
            remedy: SERVER,
        },
    ),
    (
        "target_unreachable",
        Words {
            why: (
                "le nouveau serveur ne répond pas",
                "the new server does not answer",
            ),
            remedy: SERVER,
        },
    ),
    (
        "source_tls_unknown",
        Words {
            why: (
                "l'ancien serveur ne parle ni TLS 1.2 ni TLS 1.3",
                "the old server speaks neither TLS 1.2 nor TLS 1.3",
            ),
            remedy: TLS,
        },
    ),
    (
        "target_tls_unknown",
        Words {
            why: (
                "le nouveau serveur ne parle ni TLS 1.2 ni TLS 1.3",
                "the new server speaks neither TLS 1.2 nor TLS 1.3",
            ),
            remedy: TLS,
        },
    ),
    (
        "source_without_folders",
        Words {
            why: (
                "l'ancien serveur ne montre aucun dossier, pas même INBOX",
                "the old server shows no folder, not even INBOX",
            ),
            remedy: (
                "vérifiez les droits de l'identifiant et, sur Zimbra, qu'aucun partage n'est cassé, puis relancez",
                "look at the login's rights and, on Zimbra, for a broken share, then run again",
            ),
        },
    ),
    (
        "source_too_slow",
        Words {
            why: (
                "l'ancien serveur répond trop lentement",
                "the old server answers too slowly",
            ),
            remedy: SLOW,
        },
    ),
    (
        "target_too_slow",
        Words {
            why: (
                "le nouveau serveur répond trop lentement",
                "the new server answers too slowly",
            ),
            remedy: SLOW,
        },
    ),
    (
        "source_busy",
        Words {
            why: (
                "l'ancien serveur demande de patienter : bridé, surchargé ou trop de connexions",
                "the old server asks for patience: throttled, overloaded or too many connections",
            ),
            remedy: LATER,
        },
    ),
    (
        "target_busy",
        Words {
            why: (
                "le nouveau serveur demande de patienter : bridé, surchargé ou trop de connexions",
                "the new server asks for patience: throttled, overloaded or too many connections",
            ),
            remedy: LATER,
        },
    ),
    (
        "source_unreadable",
        Words {
            why: (
                "les fichiers à importer ne peuvent être lus",
                "the files to import cannot be read",
            ),
            remedy: (
                "vérifiez le chemin, le type indiqué dans l'URL et les droits, puis relancez",
                "check the path, the kind in the URL and the rights, then run again",
            ),
        },
    ),
    (
        "target_unwritable",
        Words {
            why: (
                "le dossier de destination ne peut être écrit",
                "the target's folder cannot be written",
            ),
            remedy: (
                "vérifiez le chemin, la place libre et les droits, puis relancez",
                "check the path, the free space and the rights, then run again",
            ),
        },
    ),
    (
        "account_locked",
        Words {
            why: (
                "une autre copie de cette boîte est en cours",
                "another copy of this mailbox is under way",
            ),
            remedy: (
                "attendez sa fin ou arrêtez-la, puis relancez",
                "wait for its end or stop it, then run again",
            ),
        },
    ),
    ("journal_unusable", STATE),
    ("spill_failed", STATE),
    (
        "no_go",
        Words {
            why: (
                "écartée par le plan : rien n'a été copié",
                "set aside by the plan: nothing was copied",
            ),
            remedy: (
                "suivez le remède du plan, refaites-le, puis relancez",
                "follow the plan's remedy, make it again, then run again",
            ),
        },
    ),
];

const LATER: (&str, &str) = (
    "relancez plus tard, au besoin avec moins de boîtes à la fois (--jobs) : la copie reprend où elle \
     en est",
    "run again later, with fewer mailboxes at once (--jobs) if need be: it goes on where it stopped",
);

const STATE: Words = Words {
    why: (
        "le dossier d'état ne peut être lu ou écrit",
        "the state folder cannot be read or written",
    ),
    remedy: (
        "libérez de la place, vérifiez les droits du dossier, puis relancez",
        "free space, check the folder's rights, then run again",
    ),
};

/// Why an account failed, and what to do.
pub fn failure(reason: &str) -> (Text, Text) {
    let known = FAILURES.iter().find(|(name, _)| *name == reason);
    let Some((_, words)) = known else {
        return (
            text!("échec inattendu", "unexpected failure"),
            text!(
                "relancez ; si cela persiste, signalez-le avec le détail",
                "run again; if it persists, report it with the detail"
            ),
        );
    };
    let both = |(fr, en): (&str, &str)| Text {
        fr: fr.to_owned(),
        en: en.to_owned(),
    };
    (both(words.why), both(words.remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_and_what_is_not() {
        let (why, remedy) = failure("source_too_slow");
        assert!(why.fr.contains("trop lentement") && remedy.en.contains("--min-rate"));
        assert_eq!(failure("spill_failed").0, failure("journal_unusable").0);
        assert!(failure("source_busy").1.fr.contains("--jobs"));
        assert_eq!(failure("internal").0.en, "unexpected failure");
    }
}
