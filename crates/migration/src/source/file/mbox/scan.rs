//! Where each message of an mbox begins and ends.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::from_line;
use crate::account::MboxDialect;

/// Bytes of a line that are looked at.
const HEAD: usize = 1024;
/// Longest header that is searched for a length.
const HEADER: u64 = 1 << 20;
/// Messages that a file must begin with for their lengths to be trusted.
const TRUST: usize = 32;

/// One message's place in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Span {
    /// Its `From ` line.
    pub(super) from: Vec<u8>,
    /// Its first byte behind that line.
    pub(super) start: u64,
    /// The byte behind its last one.
    pub(super) end: u64,
}

/// How a file is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Manner {
    /// `Content-Length` says where a message ends.
    pub(super) lengths: bool,
    /// One `>` before `>*From ` is taken away.
    pub(super) unquote: bool,
}

/// One line: where it is, and its first bytes.
struct Line {
    start: u64,
    next: u64,
    head: Vec<u8>,
}

impl Line {
    fn is_blank(&self) -> bool {
        matches!(&self.head[..], b"\n" | b"\r\n")
    }
}

/// Bytes that can be read at any place: a file, or memory.
pub(super) trait Store {
    /// Reads some of the bytes at a place; none at the end.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> std::io::Result<usize>;
}

impl Store for File {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> std::io::Result<usize> {
        FileExt::read_at(self, buffer, at)
    }
}

impl Store for [u8] {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> std::io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.get(at..));
        let rest = rest.unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// A store read from one place on.
struct Sequence<S: ?Sized> {
    store: Arc<S>,
    at: u64,
}

impl<S: Store + ?Sized> Read for Sequence<S> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.store.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl<S: Store + ?Sized> Seek for Sequence<S> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(_) => None,
        };
        self.at = place.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// Finds messages one after the other.
pub(super) struct Scanner<S: ?Sized> {
    reader: BufReader<Sequence<S>>,
    store: Arc<S>,
    size: u64,
    at: u64,
    pending: Option<Line>,
    /// Only `From ` lines with a date, or bare ones, begin a message: the first one has a date.
    dated: bool,
    pub(super) manner: Manner,
}

impl<S: Store + ?Sized> Scanner<S> {
    /// Opens a file of `size` bytes; `None` when it is no mbox. An empty file is one without
    /// messages.
    pub(super) fn open(
        store: Arc<S>,
        size: u64,
        dialect: MboxDialect,
    ) -> std::io::Result<Option<Self>> {
        let capacity = usize::try_from(size)
            .unwrap_or(usize::MAX)
            .clamp(64, 1 << 18);
        let sequence = Sequence {
            store: Arc::clone(&store),
            at: 0,
        };
        let mut scanner = Self {
            reader: BufReader::with_capacity(capacity, sequence),
            store,
            size,
            at: 0,
            pending: None,
            dated: false,
            manner: Manner {
                lengths: matches!(dialect, MboxDialect::Mboxcl | MboxDialect::Mboxcl2),
                unquote: dialect == MboxDialect::Mboxrd,
            },
        };
        loop {
            match scanner.line()? {
                None => break,
                Some(line) if line.is_blank() => {}
                Some(line) if line.head.starts_with(b"From ") => {
                    scanner.dated = from_line::date(&line.head).is_some();
                    scanner.pending = Some(line);
                    break;
                }
                Some(_) => return Ok(None),
            }
        }
        if dialect == MboxDialect::Detect {
            scanner.manner.lengths = scanner.lengths_hold()?;
        }
        Ok(Some(scanner))
    }

    /// The file, for reads at any place.
    pub(super) fn store(&self) -> &S {
        &self.store
    }

    fn line(&mut self) -> std::io::Result<Option<Line>> {
        let mut line = Line {
            start: self.at,
            next: self.at,
            head: Vec::new(),
        };
        loop {
            let piece = self.reader.fill_buf()?;
            if piece.is_empty() {
                break;
            }
            let (count, ended) = match memchr::memchr(b'\n', piece) {
                Some(place) => (place + 1, true),
                None => (piece.len(), false),
            };
            let kept = count.min(HEAD - line.head.len());
            line.head.extend_from_slice(&piece[..kept]);
            self.reader.consume(count);
            line.next += count as u64;
            if ended {
                break;
            }
        }
        self.at = line.next;
        Ok((line.next > line.start).then_some(line))
    }

    fn seek(&mut self, to: u64) -> std::io::Result<()> {
        let by = i64::try_from(to).ok().zip(i64::try_from(self.at).ok());
        match by {
            Some((to, at)) => self.reader.seek_relative(to - at)?,
            None => {
                self.reader.seek(SeekFrom::Start(to))?;
            }
        }
        self.at = to;
        Ok(())
    }

    fn peek(&self, at: u64, most: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        let mut count = 0;
        while count < most {
            match self.store.read_at(&mut bytes[count..], at + count as u64) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(count);
        Ok(bytes)
    }

    fn begins(&self, line: &Line, after_blank: bool) -> std::io::Result<bool> {
        if !line.head.starts_with(b"From ") {
            return Ok(false);
        }
        let dated = from_line::date(&line.head).is_some();
        // A bare one begins a message whatever the file began with: Thunderbird goes on in files
        // of its older versions without a date.
        let undated = !self.dated || from_line::is_bare(&line.head);
        if !(dated || undated && after_blank) {
            return Ok(false);
        }
        Ok(after_blank && dated || is_field(&self.peek(line.next, 256)?))
    }

    /// The next message.
    pub(super) fn next(&mut self) -> std::io::Result<Option<Span>> {
        let Some(from) = self.pending.take() else {
            return Ok(None);
        };
        let start = from.next;
        if self.manner.lengths
            && let Some(end) = self.end_by_length(start)?
        {
            self.seek(end)?;
            self.pending = self.separator()?;
            return Ok(Some(Span {
                from: from.head,
                start,
                end,
            }));
        }
        self.seek(start)?;
        let mut blank: Option<u64> = None;
        let end = loop {
            let Some(line) = self.line()? else {
                break blank.unwrap_or(self.at);
            };
            if self.begins(&line, blank.is_some() || line.start == start)? {
                let end = blank.unwrap_or(line.start);
                self.pending = Some(line);
                break end;
            }
            blank = line.is_blank().then_some(line.start);
        };
        Ok(Some(Span {
            from: from.head,
            start,
            end,
        }))
    }

    /// The separator that stands here, behind at most two blank lines.
    fn separator(&mut self) -> std::io::Result<Option<Line>> {
        while let Some(line) = self.line()? {
            if !line.is_blank() {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// The end that `Content-Length` tells, when a message begins there or the file ends.
    fn end_by_length(&mut self, start: u64) -> std::io::Result<Option<u64>> {
        self.seek(start)?;
        let mut lengths = Vec::new();
        let body = loop {
            match self.line()? {
                Some(line) if line.is_blank() => break line.next,
                Some(line) if line.next - start < HEADER => lengths.extend(length(&line.head)),
                _ => return Ok(None),
            }
        };
        for length in lengths {
            let end = body.saturating_add(length);
            if end <= self.size && self.ends_at(end)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn ends_at(&self, end: u64) -> std::io::Result<bool> {
        let seen = self.peek(end - 1, HEAD)?;
        let mut rest = &seen[1.min(seen.len())..];
        let mut fresh = seen.first() == Some(&b'\n');
        for _ in 0..2 {
            let blank = [&b"\n"[..], b"\r\n"]
                .into_iter()
                .find(|end| rest.starts_with(end));
            if let Some(blank) = blank {
                rest = &rest[blank.len()..];
                fresh = true;
            }
        }
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let known = from_line::date(line).is_some() || from_line::is_bare(line);
        let begins = line.starts_with(b"From ") && known;
        Ok(rest.is_empty() || fresh && begins)
    }

    /// Whether the file's first messages all end where their length says.
    fn lengths_hold(&mut self) -> std::io::Result<bool> {
        let Some(first) = self.pending.take() else {
            return Ok(false);
        };
        let (mut start, mut count) = (first.next, 0);
        let hold = loop {
            let Some(end) = self.end_by_length(start)? else {
                break false;
            };
            count += 1;
            self.seek(end)?;
            match self.separator()? {
                Some(line) if count < TRUST => start = line.next,
                _ => break true,
            }
        };
        self.seek(first.next)?;
        self.pending = Some(first);
        Ok(hold)
    }
}

fn length(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    let (name, value) = text.split_once(':')?;
    name.trim_end()
        .eq_ignore_ascii_case("Content-Length")
        .then(|| value.trim().parse().ok())?
}

/// Whether a line looks like a header field.
fn is_field(line: &[u8]) -> bool {
    let name = line
        .iter()
        .take_while(|byte| (33..127).contains(*byte) && **byte != b':')
        .count();
    name > 0 && line.get(name) == Some(&b':')
}

/// A part of a file, read without moving anybody's place in it.
pub(super) struct Part<'a, S: ?Sized> {
    store: &'a S,
    at: u64,
    end: u64,
}

impl<'a, S: Store + ?Sized> Part<'a, S> {
    pub(super) fn new(store: &'a S, at: u64, end: u64) -> Self {
        Self { store, at, end }
    }
}

impl<S: Store + ?Sized> Read for Part<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let count = self.store.read_at(&mut buffer[..most], self.at)?;
        if count == 0 && most > 0 {
            return Err(std::io::Error::other(
                "the file became shorter while it was read",
            ));
        }
        self.at += count as u64;
        Ok(count)
    }
}
