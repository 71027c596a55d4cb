//! Lists the messages of folders, several folders in flight.

use super::memory::Memory;
use super::survey::{pipeline, pipeline_into};
use crate::imap::{
    Command, Completion, Examined, ImapError, MailboxName, Session, Status, UidSet, Untagged, said,
};
use crate::model::{FlagSet, Uid};
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
    entries: Vec<(Uid, Option<FlagSet>)>,
    gone: Vec<(Uid, Uid)>,
    validity: Option<u32>,
    /// Messages that EXISTS told, less those that were expunged since.
    exists: Option<u32>,
    /// UIDs that a search found.
    found: Vec<Uid>,
    unread: u32,
}

impl Told {
    fn hear(&mut self, untagged: Untagged) {
        match untagged {
            Untagged::Fetch(item) => {
                if let Some(uid) = item.uid {
                    self.entries.push((uid, item.flags));
                }
            }
            Untagged::Exists(count) => self.exists = Some(count),
            Untagged::Expunge => {
                self.exists = self.exists.map(|count| count.saturating_sub(1));
            }
            Untagged::Search(uids) => self.found.extend(uids),
            Untagged::Unreadable(word, _) if word == "FETCH" => self.unread += 1,
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
        let empty = self.exists == Some(0);
        let nothing = empty && ends.first().is_some_and(|end| !refused(&end));
        if let Some(bad) = ends.iter().find(refused).filter(|_| !nothing) {
            folder.unreadable = Some(bad.text.clone());
        }
        if let Some(validity) = self.validity {
            folder.validity = validity;
        }
        self.put_together();
        let flagless = self.entries.iter().filter(|(_, flags)| flags.is_none());
        folder.flagless = flagless.map(|(uid, _)| *uid).collect();
        let entries = self.entries.into_iter().map(|(uid, flags)| Entry {
            uid,
            flags: flags.unwrap_or_default(),
        });
        let entries = entries.collect();
        folder.gone = self.gone;
        folder.entries = match wanted {
            Wanted::All => Entries::All(entries),
            Wanted::Since(_) => Entries::Changed(entries),
        };
    }

    /// One entry per message, by UID: what was told last of it stands.
    fn put_together(&mut self) {
        self.entries.sort_by_key(|(uid, _)| *uid);
        self.entries.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same && later.1.is_some() {
                earlier.1 = later.1.take();
            }
            same
        });
    }

    /// Messages that are there by EXISTS, or were told in a line that cannot be read, and that no
    /// entry is about.
    fn lacks(&mut self, wanted: Wanted) -> bool {
        self.put_together();
        let fewer = self
            .exists
            .is_some_and(|count| (self.entries.len() as u64) < u64::from(count));
        self.unread > 0 || wanted == Wanted::All && fewer
    }

    /// Adds what a second look found; returns how many are still known by their number alone.
    fn look_again(&mut self, again: Self) -> u64 {
        let found = again.found.into_iter().map(|uid| (uid, None));
        // What was told of flags stands.
        self.entries.splice(0..0, found);
        self.put_together();
        let exists = again.exists.map_or(0, u64::from);
        exists.saturating_sub(self.entries.len() as u64)
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
        let name = MailboxName::of(&folders[scan.folder].name)?;
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
    for ((scan, mut told), ends) in scans.iter().zip(told).zip(ended.chunks(2)) {
        let heard = ends.iter().all(|end| end.status == Status::Ok);
        let folder = &mut folders[scan.folder];
        if heard && told.lacks(scan.wanted) {
            session.leave_open(None);
            look_again(session, &mut told, folder).await?;
        }
        told.settle(scan.wanted, ends, folder);
    }
    Ok(())
}

/// Fewer messages were listed than the folder has: what it has is asked in another way, and what
/// stays unknown is told.
async fn look_again(
    session: &mut Session,
    told: &mut Told,
    folder: &mut SourceFolder,
) -> Result<(), ImapError> {
    let commands = [
        Command::new("EXAMINE").mailbox(&MailboxName::of(&folder.name)?),
        Command::new("UID SEARCH ALL"),
    ];
    let mut again = Told::default();
    let ended = pipeline(session, &commands, |_, untagged| again.hear(untagged)).await?;
    let refused = ended.iter().find(|end| end.status != Status::Ok);
    if let Some(tired) = refused.filter(|end| Temporary::heard(&said(end)).is_some()) {
        return Err(session.refused("SEARCH", tired));
    }
    let listed = told.entries.len();
    let unknown = told.look_again(again);
    let missing = match refused {
        Some(end) => format!("a search was refused: {}", end.text),
        None if unknown > 0 => format!("{unknown} messages were not listed"),
        None => return Ok(()),
    };
    tracing::warn!(
        folder = folder.name,
        listed,
        missing,
        "folder_listed_in_part"
    );
    folder.partly = Some(format!(
        "the server lists {listed} messages and says that there are more: {missing}"
    ));
    Ok(())
}
