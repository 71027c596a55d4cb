//! Whether a few messages of a folder are those that the journal has.

use tokio::sync::mpsc;

use crate::error::EndpointError;
use crate::journal::{FolderState, ItemRecord};
use crate::model::Uid;
use crate::source::{Delivery, Entries, FolderWork, Item, Source, SourceFolder};

/// Messages read to recognise a folder by.
const SAMPLE: usize = 4;

/// UIDs that both know, the smallest messages first. Where the source told only what changed, the
/// others are taken to be there: one that is not is not delivered.
pub(super) fn sample(state: &FolderState, folder: &SourceFolder) -> Vec<Uid> {
    let known = |uid: Uid| state.items.get(uid).map(|item| (item.size, uid));
    let told_gone = |uid: &Uid| {
        let mut ranges = folder.gone.iter();
        ranges.any(|(first, last)| (first..=last).contains(&uid))
    };
    let mut common: Vec<(u64, Uid)> = match &folder.entries {
        Entries::Unchanged => Vec::new(),
        Entries::All(entries) => entries.iter().filter_map(|one| known(one.uid)).collect(),
        Entries::Changed(_) => {
            let there = state.items.iter().map(|item| (item.size, item.source_uid));
            let there = there.filter(|(_, uid)| !state.gone.contains(uid));
            there.filter(|(_, uid)| !told_gone(uid)).collect()
        }
    };
    common.sort_unstable();
    let mut uids: Vec<Uid> = common
        .into_iter()
        .map(|(_, uid)| uid)
        .take(SAMPLE)
        .collect();
    uids.sort_unstable();
    uids
}

/// Whether each of these messages is alike what the journal has; none when none came.
pub(super) async fn messages_are(
    state: &FolderState,
    folder: &SourceFolder,
    source: &mut dyn Source,
    uids: Vec<Uid>,
    alike: impl Fn(&Item, &ItemRecord) -> bool,
) -> Result<Option<bool>, EndpointError> {
    if uids.is_empty() {
        return Ok(None);
    }
    let work = FolderWork {
        index: 0,
        name: folder.name.clone(),
        validity: folder.validity,
        uids,
    };
    let (out, mut deliveries) = mpsc::channel(1);
    let compare = async {
        let mut all: Option<bool> = None;
        while let Some(delivery) = deliveries.recv().await {
            if let Delivery::Item(_, item) = delivery {
                let record = state.items.get(item.uid);
                let same = record.is_some_and(|record| alike(&item, record));
                all = Some(all.unwrap_or(true) && same);
            }
        }
        all
    };
    let (read, all) = futures::future::join(source.read(vec![work], out), compare).await;
    read?;
    Ok(all)
}
