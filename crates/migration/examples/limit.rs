//! The limit that the benchmark compares with: reads every message over IMAP, hashes it and
//! appends it to one segment file per mailbox, synced every 16 MB; with `--files`, to one file per
//! message, as our own store has it.
//! `limit --accounts FILE.csv --state DIR --jobs N [--files]`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use futures::StreamExt;
use melouvert_migration::account::{Account, read_accounts};
use melouvert_migration::payload::{Payload, Room};
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

/// Where messages go.
struct Store {
    folder: PathBuf,
    /// The one being written; none before the first message.
    file: Option<File>,
    per_message: bool,
    count: u32,
    unsynced: u64,
}

impl Store {
    fn new(folder: PathBuf, per_message: bool) -> std::io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let segment = || File::create(folder.join("segment"));
        let file = (!per_message).then(segment).transpose()?;
        Ok(Self {
            folder,
            file,
            per_message,
            count: 0,
            unsynced: 0,
        })
    }

    fn put(&mut self, payload: &Payload) -> std::io::Result<()> {
        if self.per_message {
            self.count += 1;
            let draft = self.folder.join("draft");
            self.file = Some(File::create(&draft)?);
            self.fill(payload)?;
            std::fs::rename(draft, self.folder.join(self.count.to_string()))?;
        } else {
            self.fill(payload)?;
        }
        self.unsynced += payload.size;
        if self.unsynced > SEGMENT {
            self.sync()?;
        }
        Ok(())
    }

    fn fill(&mut self, payload: &Payload) -> std::io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        if let Some(bytes) = payload.memory() {
            file.write_all(bytes)?;
        } else if let Some(mut chunks) = payload.spilled_chunks()? {
            loop {
                let chunk = chunks.next_chunk()?;
                if chunk.is_empty() {
                    break;
                }
                file.write_all(&chunk)?;
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.unsynced = 0;
        match &self.file {
            Some(file) if self.per_message => Ok(nix::unistd::syncfs(file)?),
            Some(file) => file.sync_data(),
            None => Ok(()),
        }
    }
}

async fn pull(
    account: Account,
    directory: &Path,
    per_message: bool,
) -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::default();
    let context = Context {
        gate: melouvert_migration::limits::Gate::new(melouvert_migration::Limits::default()),
        teller: melouvert_migration::patience::Teller::default(),
        timeouts: options.timeouts,
        backoff: options.backoff,
        room: Room::new(options.memory, options.disk, directory),
        directory: directory.to_owned(),
    };
    let mut store = Store::new(directory.join(account.key()), per_message)?;
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
    while let Some(delivery) = deliveries.recv().await {
        if let Delivery::Item(_, item) = delivery {
            store.put(&item.payload)?;
        }
    }
    store.sync()?;
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
    let per_message = arguments.iter().any(|argument| argument == "--files");
    let directory: Arc<Path> = Path::new(&state).into();
    let pulled: Vec<bool> = futures::stream::iter(accounts)
        .map(|account| {
            let directory = Arc::clone(&directory);
            async move {
                let task = tokio::spawn(async move {
                    pull(account, &directory, per_message)
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
