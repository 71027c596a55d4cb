//! The same real messages in the files of other programs.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// One message of a Maildir.
#[derive(Clone, Debug)]
pub struct Original {
    /// Levels; empty for the inbox.
    pub folder: Vec<String>,
    pub bytes: Vec<u8>,
    pub flags: Vec<String>,
    pub modified: SystemTime,
}

fn decode(level: &str) -> String {
    melouvert_migration::imap::utf7::decode(level).expect("modified UTF-7")
}

fn list(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).expect("folder");
    entries.map(|entry| entry.expect("entry").path()).collect()
}

/// Reads the corpus, once each message ends with a line end and holds no NUL: IMAP carries none.
pub fn originals(root: &Path) -> Vec<Original> {
    let mut all = Vec::new();
    let mut folders: Vec<(Vec<String>, PathBuf)> = vec![(Vec::new(), root.to_owned())];
    for entry in std::fs::read_dir(root).expect("mailbox") {
        let entry = entry.expect("entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_prefix('.') {
            folders.push((name.split('.').map(decode).collect(), entry.path()));
        }
    }
    folders.sort();
    for (folder, path) in folders {
        let keywords = std::fs::read_to_string(path.join("dovecot-keywords")).expect("keywords");
        let keywords: Vec<&str> = keywords
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .collect();
        for part in ["cur", "new"] {
            for entry in list(&path.join(part)) {
                let mut path = entry;
                let modified = std::fs::metadata(&path)
                    .and_then(|one| one.modified())
                    .expect("date");
                let mut bytes = std::fs::read(&path).expect("read");
                let nuls = bytes.iter_mut().filter(|byte| **byte == 0);
                let changed = nuls.map(|byte| *byte = b'_').count() > 0;
                if changed || !bytes.ends_with(b"\n") {
                    if !bytes.ends_with(b"\n") {
                        bytes.push(b'\n');
                    }
                    // The name tells the size, which the server believes.
                    std::fs::remove_file(&path).expect("remove");
                    let name = path
                        .file_name()
                        .expect("name")
                        .to_string_lossy()
                        .into_owned();
                    let (base, rest) = name.split_once(",S=").expect("a size");
                    let (_, letters) = rest.split_once(':').expect("flags");
                    path.set_file_name(format!("{base},S={}:{letters}", bytes.len()));
                    std::fs::write(&path, &bytes).expect("write");
                    melouvert_bench::dovecot::give_to_server(&path).expect("chown");
                    let file = File::options().write(true).open(&path).expect("open");
                    file.set_modified(modified).expect("date");
                }
                let name = path
                    .file_name()
                    .expect("name")
                    .to_string_lossy()
                    .into_owned();
                let letters = name.rsplit_once(":2,").map_or("", |(_, letters)| letters);
                let flags = letters.chars().map(|letter| match letter {
                    'D' => "\\Draft",
                    'F' => "\\Flagged",
                    'R' => "\\Answered",
                    'S' => "\\Seen",
                    'T' => "\\Deleted",
                    other => keywords[other as usize - 'a' as usize],
                });
                all.push(Original {
                    folder: folder.clone(),
                    bytes,
                    flags: flags.map(str::to_owned).collect(),
                    modified,
                });
            }
        }
    }
    all
}

fn unix(original: &Original) -> i64 {
    let since = original
        .modified
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).expect("a date")
}

/// As Thunderbird keeps folders, quoted as mboxrd, with the state where Dovecot keeps it.
pub fn write_mboxes(originals: &[Original], root: &Path) {
    std::fs::create_dir_all(root).expect("root");
    let mut levels: Vec<Vec<String>> = originals.iter().map(|one| one.folder.clone()).collect();
    levels.extend(all_folders());
    levels.sort();
    levels.dedup();
    for folder in levels {
        let mut path = root.to_owned();
        let (last, above) = match folder.split_last() {
            Some((last, above)) => (last.as_str(), above),
            None => ("Inbox", &[][..]),
        };
        for level in above {
            path.push(format!("{level}.sbd"));
        }
        std::fs::create_dir_all(&path).expect("folder");
        std::fs::write(path.join(format!("{last}.msf")), "// <!-- index -->").expect("index");
        let mut file = File::create(path.join(last)).expect("mbox");
        for original in originals.iter().filter(|one| one.folder == folder) {
            file.write_all(&mboxrd(original)).expect("write");
        }
    }
}

/// Folders of the corpus, those without a message too.
fn all_folders() -> Vec<Vec<String>> {
    let names = melouvert_bench::corpus::FOLDERS.iter();
    names
        .map(|name| name.split('.').map(decode).collect())
        .collect()
}

fn from_line(original: &Original) -> Vec<u8> {
    let instant = Timestamp::from_second(unix(original))
        .expect("a date")
        .to_zoned(TimeZone::UTC);
    let date = instant.strftime("%a %b %e %H:%M:%S %Y");
    format!("From someone@example.org {date}\n").into_bytes()
}

fn quote(bytes: &[u8], out: &mut Vec<u8>) {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let marks = line.iter().take_while(|byte| **byte == b'>').count();
        if line[marks..].starts_with(b"From ") {
            out.push(b'>');
        }
        out.extend_from_slice(line);
    }
    out.push(b'\n');
}

fn mboxrd(original: &Original) -> Vec<u8> {
    let mut out = from_line(original);
    let has = |flag: &str| original.flags.iter().any(|one| one == flag);
    let letter = |flag, letter| if has(flag) { letter } else { "" };
    let status = letter("\\Seen", "R");
    let more = [
        ("\\Answered", "A"),
        ("\\Flagged", "F"),
        ("\\Draft", "T"),
        ("\\Deleted", "D"),
    ];
    let more: String = more.iter().map(|(flag, one)| letter(flag, one)).collect();
    let keywords: Vec<&str> = original
        .flags
        .iter()
        .map(String::as_str)
        .filter(|one| !one.starts_with('\\'))
        .collect();
    let keywords = keywords.join(" ");
    write!(
        out,
        "Status: {status}O\nX-Status: {more}\nX-Keywords: {keywords}\nX-UID: 17\n"
    )
    .expect("memory");
    quote(&original.bytes, &mut out);
    out
}

fn eml_name(number: usize, original: &Original) -> String {
    let mut levels = original.folder.clone();
    levels.push(format!("{number:05}.eml"));
    levels.join("/")
}

/// A folder per folder, a file per message.
pub fn write_emls(originals: &[Original], root: &Path) {
    for folder in all_folders() {
        std::fs::create_dir_all(root.join(folder.join("/"))).expect("folder");
    }
    for (number, original) in originals.iter().enumerate() {
        std::fs::write(root.join(eml_name(number, original)), &original.bytes).expect("write");
    }
}

/// The same in one file.
pub fn write_zip(originals: &[Original], path: &Path) {
    let options = zip::write::SimpleFileOptions::default();
    let mut zip = zip::ZipWriter::new(File::create(path).expect("create"));
    for folder in all_folders() {
        zip.add_directory(folder.join("/"), options)
            .expect("folder");
    }
    for (number, original) in originals.iter().enumerate() {
        zip.start_file(eml_name(number, original), options)
            .expect("start");
        zip.write_all(&original.bytes).expect("write");
    }
    zip.finish().expect("finish");
}

/// Changes one byte of the first entry's data.
pub fn damage_one(path: &Path) {
    let mut bytes = std::fs::read(path).expect("read");
    let name = bytes
        .windows(9)
        .position(|part| part == b"00000.eml")
        .expect("an entry");
    bytes[name + 60] ^= 0x55;
    std::fs::write(path, bytes).expect("write");
}

/// Google's file, in French; returns folder, flags and how many messages have them.
pub fn write_takeout(originals: &[Original], path: &Path) -> Vec<(String, String, usize)> {
    const KINDS: [(&str, &str, &str); 5] = [
        (
            "=?UTF-8?Q?Bo=C3=AEte_de_r=C3=A9ception,Ouvert,Suivis?=",
            "INBOX",
            "\\Flagged \\Seen",
        ),
        (
            "=?UTF-8?Q?Bo=C3=AEte_de_r=C3=A9ception,Non_lus,?=\r\n =?UTF-8?Q?Voirie?=",
            "INBOX",
            "Voirie",
        ),
        ("Sent,Opened", "Sent", "\\Seen"),
        ("Corbeille,\"Un, deux\",Ouvert", "Trash", "Un,_deux \\Seen"),
        (
            "=?UTF-8?Q?Archiv=C3=A9s,Ouvert,Voirie?=",
            "Voirie",
            "\\Seen",
        ),
    ];
    let mut file = File::create(path).expect("create");
    let mut counts = [0; 5];
    for (number, original) in originals.iter().enumerate() {
        let kind = number % KINDS.len();
        counts[kind] += 1;
        let mut out = from_line(original);
        let labels = KINDS[kind].0;
        write!(out, "X-GM-THRID: {number}\r\nX-Gmail-Labels: {labels}\r\n").expect("memory");
        for line in original.bytes.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b"From ") {
                out.push(b'>');
            }
            out.extend_from_slice(line);
        }
        out.extend_from_slice(b"\r\n");
        file.write_all(&out).expect("write");
    }
    let told = KINDS.iter().zip(counts);
    told.map(|((_, folder, flags), count)| ((*folder).to_owned(), (*flags).to_owned(), count))
        .collect()
}
