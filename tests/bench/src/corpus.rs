//! Mailboxes as real ones are: real messages recombined, with the oddities that break migrations.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Folders of each mailbox in Maildir++ writing (modified UTF-7, `.` between levels), nested and
/// accented as French agents have them, besides INBOX.
pub const FOLDERS: [&str; 12] = [
    "Brouillons",
    "&AMk-l&AOk-ments envoy&AOk-s",
    "Archives",
    "Archives.2019",
    "Archives.2019.&AMk-t&AOk-",
    "Archives.2020.No&AOs-l",
    "&AMk-tat civil",
    "&AMk-tat civil.Actes &- mentions",
    "March&AOk-s publics.D&AOk-lib&AOk-rations.Vot&AOk-es",
    "R&AOk-gie de l'eau",
    "Photos \"&AOk-t&AOk-\"",
    "&2D3cyw- Divers",
];

/// Keywords that messages carry.
const KEYWORDS: [&str; 4] = ["$Forwarded", "$label1", "Urgent", "A_traiter"];

/// What to build.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Messages in all mailboxes together.
    pub messages: usize,
    /// Mailboxes: `agent01`, `agent02`, …
    pub mailboxes: usize,
    /// The same number gives the same corpus.
    pub seed: u64,
    /// Bytes of the largest attachment.
    pub largest: usize,
}

/// What was built.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Summary {
    /// Messages.
    pub messages: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Exact duplicates among them.
    pub duplicates: usize,
    /// Messages with another's headers but their own body.
    pub same_headers: usize,
    /// Messages without any header.
    pub without_headers: usize,
    /// Messages over 5 MB.
    pub large: usize,
}

/// Name of mailbox number `index`, from 0.
pub fn mailbox_name(index: usize) -> String {
    format!("agent{:02}", index + 1)
}

/// Writes `options.mailboxes` Maildir++ under `out`, one per folder `agentNN`.
pub fn write(seeds: &[Vec<u8>], options: Options, out: &Path) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    let mailboxes = options.mailboxes.max(1);
    for index in 0..mailboxes {
        let share =
            options.messages / mailboxes + usize::from(index < options.messages % mailboxes);
        let mut builder = Builder {
            seeds,
            random: StdRng::seed_from_u64(options.seed.wrapping_add(index as u64)),
            largest: options.largest,
            recent: Vec::new(),
            summary: &mut summary,
        };
        let root = out.join(mailbox_name(index));
        builder
            .mailbox(&root, share, index == 0)
            .with_context(|| format!("failed to write the mailbox {}", root.display()))?;
    }
    Ok(summary)
}

struct Builder<'a> {
    seeds: &'a [Vec<u8>],
    random: StdRng,
    largest: usize,
    /// Small messages of this mailbox, to repeat.
    recent: Vec<Vec<u8>>,
    summary: &'a mut Summary,
}

impl Builder<'_> {
    fn mailbox(&mut self, root: &Path, messages: usize, first: bool) -> anyhow::Result<()> {
        let mut folders = vec![root.to_owned()];
        folders.extend(FOLDERS.iter().map(|name| root.join(format!(".{name}"))));
        for folder in &folders {
            for part in ["cur", "new", "tmp"] {
                fs::create_dir_all(folder.join(part))?;
            }
            let keywords = KEYWORDS.iter().enumerate();
            let lines: Vec<String> = keywords
                .map(|(at, name)| {
                    format!(
                        "{at} {name}
"
                    )
                })
                .collect();
            fs::write(folder.join("dovecot-keywords"), lines.concat())?;
        }
        let subscribed: Vec<&str> = FOLDERS.iter().step_by(2).copied().collect();
        fs::write(root.join("subscriptions"), subscribed.join("\n") + "\n")?;
        for number in 0..messages {
            // Half of the mail is in INBOX, as in real life.
            let place = self
                .random
                .random_range(0..folders.len() * 2)
                .saturating_sub(folders.len());
            let message = if first && number == 7 {
                self.attachment(self.largest)
            } else {
                self.message()
            };
            self.store(&folders[place], number, &message)?;
        }
        Ok(())
    }

    fn seed(&mut self) -> &[u8] {
        let at = self.random.random_range(0..self.seeds.len());
        &self.seeds[at]
    }

    fn message(&mut self) -> Vec<u8> {
        let kind = self.random.random_range(0..1000);
        let old = (!self.recent.is_empty())
            .then(|| self.random.random_range(0..self.recent.len()))
            .map(|at| self.recent[at].clone());
        match (kind, old) {
            (0..10, Some(old)) => {
                self.summary.duplicates += 1;
                return old;
            }
            (10..15, Some(old)) => {
                self.summary.same_headers += 1;
                let (headers, _) = split(&old);
                let body = format!("\nUn autre corps: {}\n", self.random.random::<u64>());
                return [headers, body.as_bytes()].concat();
            }
            (15..17, _) => {
                self.summary.without_headers += 1;
                let body = split(self.seed()).1.to_vec();
                return [b"\n", body.as_slice()].concat();
            }
            (17..200, _) => {
                let seed = self.seed().to_vec();
                self.remember(&seed);
                return seed;
            }
            (200..205, _) => return self.odd_bytes(),
            _ => {}
        }
        let size = self.size();
        let message = self.attachment(size);
        self.remember(&message);
        message
    }

    fn remember(&mut self, message: &[u8]) {
        if message.len() < 64 * 1024 && self.recent.len() < 64 {
            self.recent.push(message.to_vec());
        }
    }

    /// Bytes of a message: log-normal, median 20 KB, mean near 74 KB.
    fn size(&mut self) -> usize {
        let uniform: f64 = (0..12).map(|_| self.random.random::<f64>()).sum::<f64>() - 6.0;
        let size = (20_000f64.ln() + 1.62 * uniform).exp();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let size = size.clamp(300.0, 1e9) as usize;
        size.min(self.largest)
    }

    fn odd_bytes(&mut self) -> Vec<u8> {
        let mut message = b"Subject: caf\xe9 \x80\xff\nFrom: d\xe9l\xe9gu\xe9 <a@b.fr>\n".to_vec();
        message.extend_from_slice(format!("X-N: {}\n\n", self.random.random::<u32>()).as_bytes());
        message.extend((0..500u32).map(|_| match self.random.random::<u8>() {
            0 | b'\n' | b'\r' => b'_',
            byte => byte,
        }));
        message.push(b'\n');
        message
    }

    /// A message of about `size` bytes: real headers, a real text, real bytes attached.
    fn attachment(&mut self, size: usize) -> Vec<u8> {
        let (headers, _) = split(self.seed());
        let kept: Vec<u8> = keep_plain_headers(headers);
        let boundary = format!("b{:016x}", self.random.random::<u64>());
        let mut message = kept;
        let date = self.random.random_range(1_300_000_000u64..1_700_000_000);
        message.extend_from_slice(
            format!(
                "X-Recombined: {date}\nMIME-Version: 1.0\n\
                 Content-Type: multipart/mixed; boundary=\"{boundary}\"\n\n--{boundary}\n\
                 Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
            )
            .as_bytes(),
        );
        message.extend_from_slice("Délibération jointe, numéro ".as_bytes());
        message.extend_from_slice(format!("{date}.\n\n--{boundary}\n").as_bytes());
        message.extend_from_slice(
            b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n",
        );
        let mut raw = Vec::new();
        while raw.len() * 4 / 3 + message.len() < size {
            let piece = self.seed().to_vec();
            raw.extend_from_slice(&piece);
            raw.extend_from_slice(&self.random.random::<u64>().to_le_bytes());
        }
        raw.truncate(size.saturating_sub(message.len()) * 3 / 4);
        for line in raw.chunks(57) {
            message.extend_from_slice(STANDARD.encode(line).as_bytes());
            message.push(b'\n');
        }
        message.extend_from_slice(format!("--{boundary}--\n").as_bytes());
        message
    }

    fn store(&mut self, folder: &Path, number: usize, message: &[u8]) -> anyhow::Result<()> {
        let mut text = to_unix_lines(message);
        // Dovecot drops a lone CR at a message's very end when it stores it: a test covers that,
        // and the comparison of tools is not to be about it.
        while text.last() == Some(&b'\r') {
            text.pop();
        }
        let date = self.random.random_range(1_300_000_000u64..1_700_000_000);
        let mut flags = String::new();
        for (flag, chance) in [('D', 2), ('F', 10), ('R', 20), ('S', 80)] {
            if self.random.random_range(0..100) < chance {
                flags.push(flag);
            }
        }
        for letter in ['a', 'b', 'c', 'd'] {
            if self.random.random_range(0..100) < 5 {
                flags.push(letter);
            }
        }
        let name = format!("{date}.M{number}P1.corpus,S={}:2,{flags}", text.len());
        let path: PathBuf = folder.join("cur").join(name);
        fs::write(&path, &text)?;
        let file = fs::OpenOptions::new().write(true).open(&path)?;
        file.set_modified(UNIX_EPOCH + Duration::from_secs(date))?;
        self.summary.messages += 1;
        self.summary.bytes += text.len() as u64;
        self.summary.large += usize::from(text.len() > 5_000_000);
        Ok(())
    }
}

fn split(message: &[u8]) -> (&[u8], &[u8]) {
    let unix = message
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .map(|at| at + 1);
    let dos = message
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|at| at + 2);
    let at = match (unix, dos) {
        (Some(a), Some(b)) => a.min(b),
        (Some(at), None) | (None, Some(at)) => at,
        (None, None) => message.len(),
    };
    message.split_at(at)
}

/// Drops the headers that describe another body; their folded lines go with them.
fn keep_plain_headers(headers: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut keep = true;
    for line in headers.split_inclusive(|byte| *byte == b'\n') {
        if !line
            .first()
            .is_some_and(|byte| matches!(byte, b' ' | b'\t'))
        {
            let lower = line.to_ascii_lowercase();
            keep = !lower.starts_with(b"content-") && !lower.starts_with(b"mime-version");
        }
        if keep && line.len() > 2 {
            out.extend_from_slice(line);
        }
    }
    if !out.ends_with(b"\n") && !out.is_empty() {
        out.push(b'\n');
    }
    out
}

fn to_unix_lines(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for (at, byte) in message.iter().enumerate() {
        if !(*byte == b'\r' && message.get(at + 1) == Some(&b'\n')) {
            out.push(*byte);
        }
    }
    out
}
