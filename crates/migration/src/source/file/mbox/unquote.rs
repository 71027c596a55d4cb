//! Takes away the `>` that mboxrd puts before `From `, `>From `, `>>From `…

use std::io::Read;

const FROM: &[u8] = b"From ";
/// Longest row of `>` that is held back.
const LONGEST: usize = 4096;

/// A reader without mboxrd's quoting.
pub(super) struct Unquote<R> {
    inner: R,
    piece: Box<[u8]>,
    out: Vec<u8>,
    given: usize,
    /// The beginning of a line that may turn out to be quoted.
    held: Vec<u8>,
    at_start: bool,
    ended: bool,
}

impl<R: Read> Unquote<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            piece: vec![0; 1 << 16].into(),
            out: Vec::new(),
            given: 0,
            held: Vec::new(),
            at_start: true,
            ended: false,
        }
    }

    fn take(&mut self, count: usize) {
        let mut rest = &self.piece[..count];
        while let Some(byte) = rest.first().copied() {
            if !self.at_start {
                let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |place| place + 1);
                self.out.extend_from_slice(&rest[..end]);
                self.at_start = rest[end - 1] == b'\n';
                rest = &rest[end..];
                continue;
            }
            let quotes = self.held.iter().take_while(|byte| **byte == b'>').count();
            let matched = self.held.len() - quotes;
            let goes_on = match byte {
                b'>' => matched == 0 && quotes < LONGEST,
                other => quotes > 0 && FROM[matched] == other,
            };
            if !goes_on {
                self.out.append(&mut self.held);
                self.at_start = false;
                continue;
            }
            self.held.push(byte);
            rest = &rest[1..];
            if byte != b'>' && matched + 1 == FROM.len() {
                self.out.extend_from_slice(&self.held[1..]);
                self.held.clear();
                self.at_start = false;
            }
        }
    }
}

impl<R: Read> Read for Unquote<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.given == self.out.len() && !self.ended {
            self.out.clear();
            self.given = 0;
            let count = self.inner.read(&mut self.piece)?;
            if count == 0 {
                self.ended = true;
                self.out.append(&mut self.held);
            } else {
                self.take(count);
            }
        }
        let count = buffer.len().min(self.out.len() - self.given);
        buffer[..count].copy_from_slice(&self.out[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes a few at a time.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn quote(plain: &str) -> String {
        let mut out = String::new();
        for line in plain.split_inclusive('\n') {
            if line.trim_start_matches('>').starts_with("From ") {
                out.push('>');
            }
            out.push_str(line);
        }
        out
    }

    proptest! {
        #[test]
        fn every_text_comes_back(lines in proptest::collection::vec("(>{0,3}(From |Fro|From|F)?[a>]{0,2})|[a-z ]{0,9}", 0..9), step in 1usize..9) {
            let plain = lines.join("\n");
            let quoted = quote(&plain);
            let mut out = String::new();
            Unquote::new(Dribble(quoted.as_bytes(), step)).read_to_string(&mut out).expect("read");
            prop_assert_eq!(out, plain);
        }
    }
}
