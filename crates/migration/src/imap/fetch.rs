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
            b"FLAGS" => item.flags = Some(interner.intern(cursor.parenthesised()?)),
            b"INTERNALDATE" => {
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
