//! Reading and extending a chain.

use futures::stream::{BoxStream, StreamExt};
use jiff::Timestamp;
use melouvert_journal::{GENESIS, canonical};
use serde_json::Value;
use sqlx::PgConnection;

use super::{Anchor, BreakReason, BrokenLink, Entry, Sealed, chain::seal};
use crate::StoreError;

/// A row as the database gives it.
struct Row {
    seq: i64,
    at_micros: i64,
    actor: String,
    action: String,
    subject: String,
    detail: Value,
    previous: Vec<u8>,
    hash: Vec<u8>,
}

impl Row {
    fn sealed(self) -> Result<Sealed, sqlx::Error> {
        Ok(Sealed {
            seq: self.seq,
            at: timestamp(self.at_micros)?,
            actor: self.actor,
            action: self.action,
            subject: self.subject,
            detail: self.detail,
            previous: hex::encode(self.previous),
            hash: hex::encode(self.hash),
        })
    }
}

/// An instant that the database gave in microseconds.
pub(crate) fn timestamp(micros: i64) -> Result<Timestamp, sqlx::Error> {
    Timestamp::from_microsecond(micros).map_err(|source| sqlx::Error::Decode(source.into()))
}

/// Makes this transaction the only writer of the database's journal until it ends.
///
/// On the table, which a mail server's login may not touch; an advisory lock is anybody's.
pub(crate) async fn lock(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("lock table journal in share row exclusive mode")
        .execute(connection)
        .await?;
    Ok(())
}

/// Appends an entry within the caller's transaction.
pub(crate) async fn append(
    connection: &mut PgConnection,
    entry: &Entry,
) -> Result<Sealed, StoreError> {
    check(entry)?;
    lock(&mut *connection).await?;
    // A statement of its own: under read committed it sees what the lock's last holder committed.
    let head = sqlx::query!(
        r#"select (extract(epoch from clock.now) * 1000000)::bigint as "now!",
                  last.seq as "seq?", last.hash as "hash?"
           from (select clock_timestamp() as now) clock
           left join lateral (select seq, hash from journal order by seq desc limit 1) last on true"#
    )
    .fetch_one(&mut *connection)
    .await?;
    let seq = head.seq.unwrap_or(0) + 1;
    let previous = match head.hash {
        None => GENESIS,
        Some(hash) => <[u8; 32]>::try_from(hash)
            .map_err(|_| sqlx::Error::Decode("a journal hash is not 32 bytes long".into()))?,
    };
    let at = timestamp(head.now)?;
    let names = (
        entry.actor.as_str(),
        entry.action.as_str(),
        entry.subject.as_str(),
    );
    let hash = seal((seq, at), names, &entry.detail, &previous);
    sqlx::query!(
        "insert into journal (seq, at, actor, action, subject, detail, previous, hash)
         values ($1, timestamptz 'epoch' + $2::bigint * interval '1 microsecond', $3, $4, $5, $6, $7, $8)",
        seq,
        head.now,
        names.0,
        names.1,
        names.2,
        &entry.detail,
        &previous[..],
        &hash[..]
    )
    .execute(connection)
    .await?;
    Ok(Sealed {
        seq,
        at,
        actor: names.0.into(),
        action: names.1.into(),
        subject: names.2.into(),
        detail: entry.detail.clone(),
        previous: hex::encode(previous),
        hash: hex::encode(hash),
    })
}

fn check(entry: &Entry) -> Result<(), StoreError> {
    let invalid = |field, expected| Err(StoreError::Invalid { field, expected });
    if entry.action.is_empty() || entry.action.contains('\0') {
        return invalid("action", "a name such as agent.added");
    }
    if entry.subject.contains('\0') {
        return invalid("subject", "a text without NUL");
    }
    if !canonical::survives_jsonb(&entry.detail) {
        return invalid("detail", "integers only and texts without NUL");
    }
    Ok(())
}

/// At most `limit` entries after `after_seq`, in order.
pub(crate) async fn page(
    connection: &mut PgConnection,
    after_seq: i64,
    limit: i64,
) -> Result<Vec<Sealed>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select seq, (extract(epoch from at) * 1000000)::bigint as "at_micros!",
                  actor, action, subject, detail, previous, hash
           from journal where seq > $1 order by seq limit $2"#,
        after_seq,
        limit.max(0)
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(Row::sealed)
        .collect::<Result<_, _>>()?)
}

/// The whole chain, as a stream.
pub(super) fn all(connection: &mut PgConnection) -> BoxStream<'_, Result<Sealed, sqlx::Error>> {
    sqlx::query_as!(
        Row,
        r#"select seq, (extract(epoch from at) * 1000000)::bigint as "at_micros!",
                  actor, action, subject, detail, previous, hash
           from journal order by seq"#
    )
    .fetch(connection)
    .map(|row| row.and_then(Row::sealed))
    .boxed()
}

/// The last entry; `None` for an empty journal.
pub(crate) async fn head(connection: &mut PgConnection) -> Result<Option<Anchor>, StoreError> {
    let last = sqlx::query!("select seq, hash from journal order by seq desc limit 1")
        .fetch_optional(connection)
        .await?;
    Ok(last.map(|last| Anchor {
        seq: last.seq,
        hash: hex::encode(last.hash),
    }))
}

/// Appends an entry unless one of its action and subject says the same under `keys` of its detail;
/// tells whether it did. Two writers at once write it once: the question is asked under the lock.
pub(crate) async fn append_once(
    connection: &mut PgConnection,
    entry: &Entry,
    keys: &[&str],
) -> Result<bool, StoreError> {
    lock(&mut *connection).await?;
    let same = keys
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), entry.detail.get(*key)?.clone())))
        .collect();
    if says(&mut *connection, &entry.action, &entry.subject, &same).await? {
        return Ok(false);
    }
    append(connection, entry).await?;
    Ok(true)
}

/// Whether an entry of this action and subject has all of `same` in its detail.
pub(crate) async fn says(
    connection: &mut PgConnection,
    action: &str,
    subject: &str,
    same: &serde_json::Map<String, Value>,
) -> Result<bool, StoreError> {
    let same = Value::Object(same.clone());
    Ok(sqlx::query_scalar!(
        r#"select exists (select from journal
                          where action = $1 and subject = $2 and detail @> $3) as "there!""#,
        action,
        subject,
        same
    )
    .fetch_one(connection)
    .await?)
}

/// Fails when the chain does not hold `known`, a point of it that was recorded elsewhere.
pub(crate) async fn confirm(
    connection: &mut PgConnection,
    known: &Anchor,
) -> Result<(), StoreError> {
    let found = sqlx::query_scalar!("select hash from journal where seq = $1", known.seq)
        .fetch_optional(&mut *connection)
        .await?
        .map(hex::encode);
    let (seq, reason, found) = match found {
        Some(hash) if hash == known.hash => return Ok(()),
        Some(hash) => (known.seq, BreakReason::Anchor, hash),
        None => {
            let last = head(connection).await?.map_or(0, |last| last.seq);
            (last + 1, BreakReason::Cut, "nothing".into())
        }
    };
    let expected = format!("entry {} with hash {}", known.seq, known.hash);
    Err(BrokenLink {
        seq,
        reason,
        expected,
        found,
    }
    .into())
}
