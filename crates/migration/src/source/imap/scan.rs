//! Lists the messages of folders, several folders in flight.

use super::memory::Memory;
use super::survey::pipeline_into;
use crate::imap::{
    Command, Completion, Examined, ImapError, MailboxName, Session, Status, UidSet, Untagged, said,
};
use crate::model::Uid;
use crate::patience::Temporary;
use crate::source::{Entries, Entry, SourceFolder};

/// Which messages are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// Those that changed after a MODSEQ.
    Since(u64),
}

impl Wanted {
    fn fetch(self, vanished: bool) -> Command {
        let fetch = Command::new("UID FETCH")
            .uids(&UidSet::From(1))
            .words("(FLAGS)");
        match self {
            Self::All => fetch,
            Self::Since(modseq) => {
                let since = fetch.words("(CHANGEDSINCE").number(modseq);
                let since = if vanished {
                    since.words("VANISHED")
                } else {
                    since
                };
                since.close()
            }
        }
    }
}

/// One folder to ask.
pub(super) struct Scan {
    /// Its place among the folders.
    pub(super) folder: usize,
    pub(super) wanted: Wanted,
}

/// What a server told of one folder.
#[derive(Default)]
struct Told {
    entries: Vec<Entry>,
    gone: Vec<(Uid, Uid)>,
    validity: Option<u32>,
    empty: bool,
}

impl Told {
    fn hear(&mut self, untagged: Untagged) {
        match untagged {
            Untagged::Fetch(item) => {
                if let (Some(uid), Some(flags)) = (item.uid, item.flags) {
                    self.entries.push(Entry { uid, flags });
                }
            }
            Untagged::Exists(0) => self.empty = true,
            Untagged::Vanished(ranges) => self.gone.extend(ranges),
            Untagged::Status {
                code: Some(code), ..
            } if code.name == "UIDVALIDITY" => {
                self.validity = Some(code.arguments.parse().unwrap_or(0));
            }
            _ => {}
        }
    }

    /// Writes it into its folder; `ends` are those of EXAMINE and of FETCH.
    fn settle(mut self, wanted: Wanted, ends: &[Completion], folder: &mut SourceFolder) {
        // Some servers refuse `1:*` where there is nothing.
        let refused = |end: &&Completion| end.status != Status::Ok;
        let nothing = self.empty && ends.first().is_some_and(|end| !refused(&end));
        if let Some(bad) = ends.iter().find(refused).filter(|_| !nothing) {
            folder.unreadable = Some(bad.text.clone());
        }
        if let Some(validity) = self.validity {
            folder.validity = validity;
        }
        self.entries.sort_unstable_by_key(|entry| entry.uid);
        self.entries.dedup_by_key(|entry| entry.uid);
        folder.gone = self.gone;
        folder.entries = match wanted {
            Wanted::All => Entries::All(self.entries),
            Wanted::Since(_) => Entries::Changed(self.entries),
        };
    }
}

/// Lists the messages that `scans` ask for; with `qresync` servers also tell which are gone (RFC
/// 7162), once that is enabled: a round trip, not spent where nothing changed. The last folder stays
/// open: a server with a file per message reads a changed folder's names again at each opening.
pub(super) async fn messages(
    session: &mut Session,
    scans: &[Scan],
    (qresync, memory): (bool, &mut Memory),
    folders: &mut [SourceFolder],
) -> Result<(), ImapError> {
    let Some(last) = scans.last() else {
        return Ok(());
    };
    session.leave_open(None);
    let mut vanished = false;
    if qresync && scans.iter().any(|scan| scan.wanted != Wanted::All) {
        vanished = session
            .run(&Command::new("ENABLE QRESYNC"), |_| {})
            .await?
            .status
            == Status::Ok;
    }
    let mut commands = Vec::with_capacity(scans.len() * 2);
    for scan in scans {
        let name = MailboxName::parse(&folders[scan.folder].name)?;
        commands.push(Command::new("EXAMINE").mailbox(&name));
        commands.push(scan.wanted.fetch(vanished));
    }
    let mut told: Vec<Told> = scans.iter().map(|_| Told::default()).collect();
    let mut ended = Vec::with_capacity(commands.len());
    let outcome = pipeline_into(session, &commands, &mut ended, |command, untagged| {
        told[command / 2].hear(untagged);
    })
    .await;
    // A folder that opened and broke the connection then is none that has ended.
    let opened: Vec<Completion> = ended
        .chunks(2)
        .filter(|ends| ends.len() == 2 || ends[0].status != Status::Ok)
        .map(|ends| ends[0].clone())
        .collect();
    let about = scans.iter().map(|scan| folders[scan.folder].name.as_str());
    let broken = outcome.as_ref().err().map(ToString::to_string);
    let tired = memory.learn(about, &opened, broken.as_deref());
    outcome?;
    let tired_fetch = ended
        .iter()
        .find(|end| Temporary::heard(&said(end)).is_some() && end.status != Status::Ok);
    if let Some(tired) = tired.as_ref().or(tired_fetch) {
        return Err(session.refused("EXAMINE", tired));
    }
    let examined = ended.chunks(2).last().and_then(|ends| ends.first());
    if examined.is_some_and(|end| end.status == Status::Ok) {
        let name = folders[last.folder].name.clone();
        let validity = told.last().and_then(|told| told.validity);
        session.leave_open(validity.map(|validity| Examined { name, validity }));
    }
    for ((scan, told), ends) in scans.iter().zip(told).zip(ended.chunks(2)) {
        told.settle(scan.wanted, ends, &mut folders[scan.folder]);
    }
    Ok(())
}
