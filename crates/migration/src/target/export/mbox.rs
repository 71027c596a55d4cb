//! The mboxrd file of a folder: line ends are LF, `From ` lines quoted, nothing else altered.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use super::super::disk;
use crate::model::InternalDate;

/// Longest line taken as one when `From ` is looked for; longer ones pass in pieces.
const LINE: usize = 64 * 1024;

/// Appends messages to an mbox after its first `length` bytes; returns its new length.
pub(super) fn append<'a>(
    path: &Path,
    length: u64,
    messages: impl Iterator<Item = (std::path::PathBuf, Option<InternalDate>)> + 'a,
) -> io::Result<u64> {
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(path);
    let mut file = file.map_err(|error| disk::at(path, &error))?;
    file.set_len(length)?;
    file.seek(SeekFrom::Start(length))?;
    let mut out = BufWriter::with_capacity(256 * 1024, file);
    for (message, date) in messages {
        let source = File::open(&message).map_err(|error| disk::at(&message, &error))?;
        write_message(&mut BufReader::with_capacity(LINE, source), date, &mut out)?;
    }
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    file.stream_position()
}

/// Writes one message.
fn write_message(
    source: &mut impl BufRead,
    date: Option<InternalDate>,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "From MAILER-DAEMON {}", asctime(date))?;
    let mut line = Vec::new();
    let mut at_start = true;
    let mut ended = true;
    loop {
        line.clear();
        let read = io::Read::take(&mut *source, LINE as u64).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if at_start {
            let quotes = line.iter().take_while(|byte| **byte == b'>').count();
            if line[quotes..].starts_with(b"From ") {
                out.write_all(b">")?;
            }
        }
        ended = line.ends_with(b"\n");
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
            line.push(b'\n');
        }
        out.write_all(&line)?;
        at_start = ended;
    }
    out.write_all(if ended { b"\n" } else { b"\n\n" })
}

/// The date of a `From ` line: UTC, as C's asctime writes it.
fn asctime(date: Option<InternalDate>) -> String {
    let unix = date.map_or(0, |date| date.unix);
    jiff::Timestamp::from_second(unix)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%a %b %e %H:%M:%S %Y")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(message: &[u8]) -> String {
        let mut out = Vec::new();
        write_message(&mut &*message, None, &mut out).expect("a vector grows");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn quotes_from_lines_and_nothing_else() {
        let text =
            written(b"Subject: x\r\n\r\nFrom here\r\n>From there\r\n From no\r\nFrom: no\r\n");
        assert_eq!(
            text,
            "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n\
             Subject: x\n\n>From here\n>>From there\n From no\nFrom: no\n\n"
        );
        assert!(written(b"a: b\r\n\r\nend").ends_with("end\n\n"));
    }
}
