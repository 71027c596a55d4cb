//! FETCH responses.

use super::cursor::{Cursor, Text};
use crate::model::{FlagInterner, FlagSet, InternalDate, Uid};
use crate::payload::Payload;

/// What one FETCH response told about one message.
#[derive(Debug, Default)]
pub struct FetchItem {
    /// UID, when told.
    pub uid: Option<Uid>,
    /// FLAGS, when told.
    pub flags: Option<FlagSet>,
    /// INTERNALDATE, when told and readable.
    pub date: Option<InternalDate>,
    /// Whether an INTERNALDATE was told, readable or not.
    pub dated: bool,
    /// RFC822.SIZE as the server claims it: never trusted for reading.
    pub claimed_size: Option<u64>,
    /// MODSEQ.
    pub modseq: Option<u64>,
    /// The message's bytes.
    pub body: Option<Payload>,
}

pub(super) fn parse_fetch(
    cursor: &mut Cursor<'_>,
    interner: &mut FlagInterner,
    mut body: Option<Payload>,
) -> Result<FetchItem, String> {
    let mut item = FetchItem::default();
    cursor.expect(b'(')?;
    loop {
        cursor.spaces();
        if cursor.take(b')') {
            return Ok(item);
        }
        let name = cursor.attribute()?.to_ascii_uppercase();
        cursor.spaces();
        match name.as_slice() {
            b"UID" => {
                let number = cursor.number()?;
                item.uid = Some(Uid::try_from(number).map_err(|_| cursor.wanted("a UID"))?);
            }
            b"FLAGS" => item.flags = Some(interner.intern(cursor.flags()?)),
            b"INTERNALDATE" => {
                item.dated = true;
                if let Text::Bytes(bytes) = cursor.string()? {
                    item.date = InternalDate::parse(&String::from_utf8_lossy(&bytes));
                }
            }
            b"RFC822.SIZE" => item.claimed_size = Some(cursor.number()?),
            b"MODSEQ" => {
                cursor.expect(b'(')?;
                item.modseq = Some(cursor.number()?);
                cursor.expect(b')')?;
            }
            b"BODY[]" | b"RFC822" => match cursor.string()? {
                Text::Body => item.body = body.take(),
                Text::Bytes(bytes) => {
                    item.body = Some(Payload::from_bytes(bytes.into_owned().into()));
                }
                Text::Nil => {}
            },
            _ => cursor.skip_value()?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::RawResponse;

    fn flags_of(text: &str) -> Result<(Option<u32>, String, bool), String> {
        let raw = RawResponse {
            text: text.as_bytes().to_vec(),
            ..RawResponse::default()
        };
        let item = parse_fetch(&mut Cursor::new(&raw), &mut FlagInterner::default(), None)?;
        let flags = item.flags.unwrap_or_default().to_string();
        Ok((item.uid, flags, item.date.is_some()))
    }

    #[test]
    fn a_keyword_that_is_no_atom_breaks_nothing() {
        for odd in [
            "ab\"cd",
            "a{1}",
            "Urgent(e)",
            "fin)",
            "a\\b",
            "(",
            "x) (y",
            "{3}",
            "((",
            "))",
        ] {
            let wanted = FlagSet::new(odd.split(' ').chain(["\\Seen"])).to_string();
            let date = "INTERNALDATE \"01-Feb-2020 10:00:00 +0100\"";
            let middle = format!("(UID 7 FLAGS (\\Seen {odd}) {date})");
            assert_eq!(
                flags_of(&middle),
                Ok((Some(7), wanted.clone(), true)),
                "{odd}"
            );
            let last = format!("({date} UID 7 FLAGS (\\Seen {odd}))");
            assert_eq!(flags_of(&last), Ok((Some(7), wanted, true)), "{odd}");
        }
        assert_eq!(
            flags_of("(FLAGS () UID 3)"),
            Ok((Some(3), String::new(), false))
        );
        flags_of("(FLAGS (\\Seen UID 3)").expect_err("no end");
    }
}
