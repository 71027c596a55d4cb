//! Line ends: a bare LF becomes CRLF, as mail travels; nothing else is altered.

/// Turns bare LFs into CRLFs over the pieces of a stream.
#[derive(Debug, Default)]
pub struct Crlf {
    after_cr: bool,
}

impl Crlf {
    /// Passes a piece on, in parts.
    pub fn push<E>(
        &mut self,
        piece: &[u8],
        mut out: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut start = 0;
        for place in memchr::memchr_iter(b'\n', piece) {
            let after_cr = match place {
                0 => self.after_cr,
                _ => piece[place - 1] == b'\r',
            };
            if !after_cr {
                if place > start {
                    out(&piece[start..place])?;
                }
                out(b"\r\n")?;
                start = place + 1;
            }
        }
        if start < piece.len() {
            out(&piece[start..])?;
        }
        if let Some(last) = piece.last() {
            self.after_cr = *last == b'\r';
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn whole(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (place, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' && (place == 0 || bytes[place - 1] != b'\r') {
                out.push(b'\r');
            }
            out.push(*byte);
        }
        out
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a')], 0..60), cut in 1usize..9) {
            let mut crlf = Crlf::default();
            let mut out = Vec::new();
            for piece in bytes.chunks(cut) {
                crlf.push(piece, |part| { out.extend_from_slice(part); Ok::<_, Infallible>(()) }).expect("never");
            }
            prop_assert_eq!(&out, &whole(&bytes));
            prop_assert_eq!(whole(&out), out);
        }
    }
}
