//! One large folder of small real messages: what a pass costs that has little to do.

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;

/// The folder's name in Maildir++ writing.
const NAME: &str = "Archives";
/// Larger messages would only measure the disk.
const LARGEST: usize = 6 * 1024;
/// When the oldest message arrived.
const OLDEST: u64 = 1_300_000_000;

/// Writes a Maildir++ whose one folder besides INBOX holds `count` messages, each of its own.
pub fn write(seeds: &[Vec<u8>], count: usize, root: &Path) -> anyhow::Result<()> {
    let folder = root.join(format!(".{NAME}"));
    for place in [root, folder.as_path()] {
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(place.join(part))
                .with_context(|| format!("failed to make {}", place.display()))?;
        }
    }
    let small: Vec<&Vec<u8>> = seeds.iter().filter(|seed| seed.len() < LARGEST).collect();
    for (number, seed) in small.iter().cycle().take(count).enumerate() {
        let mut text = format!("X-Number: {number}\n").into_bytes();
        text.extend(seed.iter().filter(|byte| **byte != b'\r'));
        let date = OLDEST + number as u64 * 60;
        let name = format!("{date}.M{number}P1.corpus,S={}:2,S", text.len());
        let path = folder.join("cur").join(name);
        fs::write(&path, &text)?;
        let file = fs::OpenOptions::new().write(true).open(&path)?;
        file.set_modified(UNIX_EPOCH + Duration::from_secs(date))?;
    }
    Ok(())
}
