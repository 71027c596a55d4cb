//! The limit that the benchmark compares with: reads every message over IMAP, hashes it and
//! appends it to one segment file per mailbox, synced every 16 MB.
//! `limit --accounts FILE.csv --state DIR --jobs N`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use futures::StreamExt;
use melouvert_migration::account::{Account, read_accounts};
use melouvert_migration::payload::Room;
use melouvert_migration::source::{self, Delivery, Entries, FolderWork, Known};
use melouvert_migration::{Context, EndpointOptions, Options};

const SEGMENT: u64 = 16 << 20;

struct Nothing;

impl Known for Nothing {
    fn complete(
        &self,
        _path: &melouvert_migration::model::FolderPath,
    ) -> Option<(u32, melouvert_migration::journal::Watermark)> {
        None
    }
}

async fn pull(account: Account, directory: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::default();
    let context = Context {
        gate: melouvert_migration::limits::Gate::new(melouvert_migration::Limits::default()),
        timeouts: options.timeouts,
        backoff: options.backoff,
        room: Room::new(options.memory, options.disk, directory),
        directory: directory.to_owned(),
    };
    let segment = directory.join(account.key());
    let mut source = source::open(&account.source, &context)?;
    let work: Vec<FolderWork> = source
        .survey(&Nothing)
        .await?
        .into_iter()
        .enumerate()
        .filter_map(|(index, folder)| match folder.entries {
            Entries::All(entries) if !entries.is_empty() => Some(FolderWork {
                index,
                name: folder.name,
                validity: folder.validity,
                uids: entries.iter().map(|entry| entry.uid).collect(),
            }),
            _ => None,
        })
        .collect();
    let (out, mut deliveries) = tokio::sync::mpsc::channel(256);
    let reader = tokio::spawn(async move { source.read(work, out).await });
    let mut file = std::fs::File::create(segment)?;
    let mut unsynced = 0;
    while let Some(delivery) = deliveries.recv().await {
        let Delivery::Item(_, item) = delivery else {
            continue;
        };
        if let Some(bytes) = item.payload.memory() {
            file.write_all(bytes)?;
        } else if let Some(mut chunks) = item.payload.spilled_chunks()? {
            loop {
                let chunk = chunks.next_chunk()?;
                if chunk.is_empty() {
                    break;
                }
                file.write_all(&chunk)?;
            }
        }
        unsynced += item.payload.size;
        if unsynced > SEGMENT {
            file.sync_data()?;
            unsynced = 0;
        }
    }
    file.sync_data()?;
    Ok(reader.await??)
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).cloned()
    };
    let endpoints = EndpointOptions {
        allow_cleartext: true,
        ca_file: None,
    };
    let (Some(csv), Some(state)) = (value("--accounts"), value("--state")) else {
        return ExitCode::from(2);
    };
    let Ok(accounts) = read_accounts(Path::new(&csv), &endpoints) else {
        return ExitCode::from(2);
    };
    let jobs = value("--jobs")
        .and_then(|jobs| jobs.parse().ok())
        .unwrap_or(2);
    let directory: Arc<Path> = Path::new(&state).into();
    let pulled: Vec<bool> = futures::stream::iter(accounts)
        .map(|account| {
            let directory = Arc::clone(&directory);
            async move {
                let task = tokio::spawn(async move {
                    pull(account, &directory)
                        .await
                        .map_err(|error| error.to_string())
                });
                matches!(task.await, Ok(Ok(())))
            }
        })
        .buffer_unordered(jobs)
        .collect()
        .await;
    ExitCode::from(u8::from(!pulled.iter().all(|done| *done)))
}
