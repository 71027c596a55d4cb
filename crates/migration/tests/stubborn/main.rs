//! Servers that refuse: a flag, for a while, everything, a few folders. Each message that can be had
//! arrives, and what is left out is told.

mod flags;
mod folders;
mod patience;
#[path = "../common/scripted.rs"]
mod scripted;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use melouvert_migration::account::parse_accounts;
use melouvert_migration::patience::{Cause, Side};
use melouvert_migration::proof::{AccountReport, Reason};
use melouvert_migration::{EndpointOptions, Event, Options, Progress};
use scripted::{Answer, Ask, Server, State};
use tokio_util::sync::CancellationToken;

/// Keeps the waits that were told.
#[derive(Default)]
struct Waits(Mutex<Vec<(Side, Cause, Duration)>>);

impl Progress for Waits {
    fn event(&self, event: Event) {
        if let Event::Waiting {
            side, cause, pause, ..
        } = event
        {
            self.0.lock().expect("lock").push((side, cause, pause));
        }
    }
}

pub(crate) fn options() -> Options {
    let mut options = Options::default();
    options.backoff.first = Duration::from_millis(10);
    options.backoff.longest = Duration::from_millis(200);
    options
}

pub(crate) async fn copy(
    from: &Server,
    to: &Server,
) -> (AccountReport, Vec<(Side, Cause, Duration)>) {
    let csv = format!(
        "source_url,source_user,source_password,target_url,target_user,target_password\n\
         imap://127.0.0.1:{},u,p,imap://127.0.0.1:{},v,p\n",
        from.port, to.port
    );
    let endpoints = EndpointOptions {
        allow_cleartext: true,
        ca_file: None,
    };
    let accounts = parse_accounts(csv.as_bytes(), &endpoints).expect("csv");
    let state = tempfile::tempdir().expect("dir");
    let waits = Arc::new(Waits::default());
    let told = Arc::<Waits>::clone(&waits);
    let stop = CancellationToken::new();
    let options = options();
    let running = melouvert_migration::run(accounts, state.path(), &options, told, stop);
    let report = tokio::time::timeout(Duration::from_mins(2), running).await;
    let mut report = report.expect("bounded");
    let waits = waits.0.lock().expect("lock").clone();
    (report.accounts.remove(0), waits)
}

pub(crate) fn nothing(_: &Ask<'_>, _: &State) -> Option<Answer> {
    None
}

pub(crate) fn refuse(words: &str) -> Answer {
    Answer::Refuse(words.to_owned())
}

/// A rule's clock: true for so long after it was first asked.
struct Spell(Mutex<Option<Instant>>, Duration);

impl Spell {
    fn of(milliseconds: u64) -> Self {
        Self(Mutex::new(None), Duration::from_millis(milliseconds))
    }

    fn lasts(&self) -> bool {
        let mut begun = self.0.lock().expect("lock");
        begun.get_or_insert_with(Instant::now).elapsed() < self.1
    }
}

/// Messages of a folder at a target, and the flags of each.
pub(crate) fn flags(target: &Server, folder: &str) -> Vec<String> {
    let state = target.state();
    let letters = state.folders.get(folder).expect("the folder");
    letters.iter().map(|letter| letter.flags.clone()).collect()
}

pub(crate) fn differ(account: &AccountReport) -> usize {
    let differ = |one: &&melouvert_migration::proof::Exception| one.reason == Reason::FlagsDiffer;
    let count = account.exceptions.iter().filter(differ).count();
    assert_eq!(count, account.exceptions.len(), "{:?}", account.exceptions);
    count
}
