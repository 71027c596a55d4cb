//! The cases: what stands between tool and servers, what is copied, who is measured.

use std::time::Duration;

use crate::proxy::Behaviour;
use crate::tools::Tool;

/// One way to be measured.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, clap::ValueEnum, serde::Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// Loopback, cleartext, to a foreign IMAP server.
    Lan,
    /// Loopback, TLS.
    Tls,
    /// The source is 20 ms away.
    Far,
    /// Source and target are 20 ms away.
    BothFar,
    /// One folder of a tenth of the next case's messages.
    Folder6k,
    /// One folder of three times the messages asked for: 60,000.
    Folder60k,
    /// Few messages, for tools that are slow.
    Small,
    /// Loopback, into our own store through its door.
    Own,
    /// Loopback, a target that syncs nothing.
    NoFsync,
}

/// What is copied: each corpus has a source server of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Corpus {
    /// Ten mailboxes, the messages asked for.
    Mailboxes(usize),
    /// One mailbox with one large folder.
    Folder(usize),
}

impl Case {
    /// As a person names it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Lan => "boucle locale en clair, P2",
            Self::Tls => "boucle locale en TLS, P2",
            Self::Far => "source à 20 ms, P1",
            Self::BothFar => "source et cible à 20 ms, P1",
            Self::Folder6k => "un dossier, dix fois plus petit",
            Self::Folder60k => "un seul grand dossier",
            Self::Small => "petit corpus, pour les outils lents, P2",
            Self::Own => "boucle locale, dans notre propre magasin par sa porte, P2",
            Self::NoFsync => "boucle locale, cible sans fsync, P2",
        }
    }

    /// Its corpus when `messages` are asked for.
    pub fn corpus(self, messages: usize) -> Corpus {
        match self {
            Self::Folder60k => Corpus::Folder(messages * 3),
            Self::Folder6k => Corpus::Folder(messages * 3 / 10),
            Self::Small => Corpus::Mailboxes(messages.min(600)),
            _ => Corpus::Mailboxes(messages),
        }
    }

    /// Who is measured unless others are asked for. A tool is in the cases that have a goal
    /// beside it: each of its runs takes minutes.
    pub fn tools(self) -> &'static [Tool] {
        match self {
            Self::Lan => &[
                Tool::Ours,
                Tool::OursUnverified,
                Tool::Mbsync,
                Tool::Doveadm,
                Tool::Limit,
            ],
            Self::Tls | Self::Far | Self::BothFar => {
                &[Tool::Ours, Tool::OursUnverified, Tool::Mbsync]
            }
            Self::Small => &[Tool::Ours, Tool::Mbsync, Tool::Offlineimap],
            Self::Own => &[
                Tool::Ours,
                Tool::OursUnverified,
                Tool::Doveadm,
                Tool::Limit,
                Tool::LimitFiles,
            ],
            Self::Folder6k => &[Tool::Ours],
            Self::Folder60k => &[Tool::Ours, Tool::Doveadm],
            Self::NoFsync => &[Tool::Ours, Tool::OursUnverified],
        }
    }

    /// Rounds when `asked` are. Where time is spent waiting, or nothing is compared, one says as
    /// much as three.
    pub fn rounds(self, asked: usize) -> usize {
        match self {
            Self::Lan | Self::Tls | Self::Own | Self::NoFsync => asked,
            _ => asked.min(1),
        }
    }

    /// Mailboxes at once when `near` are, where no delay is added.
    pub fn jobs(self, near: usize) -> usize {
        match self {
            Self::Far | Self::BothFar => 1,
            _ => near,
        }
    }

    /// Delays before source and target.
    pub fn delays(self) -> (Option<Behaviour>, Option<Behaviour>) {
        let far = Behaviour {
            delay: Duration::from_millis(10),
            ..Behaviour::default()
        };
        match self {
            Self::Far => (Some(far), None),
            Self::BothFar => (Some(far.clone()), Some(far)),
            _ => (None, None),
        }
    }

    /// Value of the target's `mail_fsync`.
    pub fn fsync(self) -> &'static str {
        if self == Self::NoFsync {
            "never"
        } else {
            "optimized"
        }
    }

    /// Whether what arrived is compared, and what a few changes at the source then take is
    /// measured.
    pub fn compared(self) -> bool {
        matches!(self, Self::Lan | Self::Own | Self::Small | Self::Folder60k)
    }

    /// Whether a pass after some changes at the source is measured.
    pub fn has_delta(self) -> bool {
        matches!(self, Self::Folder6k | Self::Folder60k)
    }
}
