//! Reports of migrations.

use jiff::Timestamp;
use melouvert_domain::ResourceName;
use serde_json::json;
use uuid::Uuid;

use super::{
    TenantStore,
    packed::{pack, unpack},
};
use crate::{
    StoreError,
    journal::{self, Actor, Entry, timestamp},
};

/// Which report: a name may be given to several migrations one after the other, each with runs of
/// its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportKey<'a> {
    /// The migration's name.
    pub migration: &'a ResourceName,
    /// The UID of the object that bears it.
    pub uid: Uuid,
    /// Which run, from 1.
    pub run: i32,
}

/// The report of one run of a migration.
#[derive(Debug, Clone, PartialEq)]
pub struct MigrationReport {
    /// The migration's name.
    pub migration: ResourceName,
    /// Which run, from 1.
    pub run: i32,
    /// When it was received.
    pub at: Timestamp,
    /// The very text that was kept: bytes that a signature covers.
    pub text: String,
    /// The hash of what it proves, as the sender computed it.
    pub hash: String,
    /// The detached signature of the text, PEM; none for a report of an earlier release.
    pub signature: Option<String>,
}

/// A report to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewReport<'a> {
    /// The very text that was signed.
    pub text: &'a str,
    /// The hash of what it proves.
    pub hash: &'a str,
    /// The detached signature, PEM.
    pub signature: &'a str,
    /// The fingerprint of the signer's certificate, for the journal.
    pub signer: &'a str,
}

impl TenantStore {
    /// Keeps the report of a run; its hash and signer go into the journal. The same report sent twice is
    /// kept once; another one for the same run is a [`StoreError::Conflict`].
    pub async fn report_put(
        &self,
        key: ReportKey<'_>,
        report: NewReport<'_>,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let NewReport {
            text,
            hash,
            signature,
            signer,
        } = report;
        let ReportKey {
            migration,
            uid,
            run,
        } = key;
        if run < 1 || hash.is_empty() {
            return Err(StoreError::Invalid {
                field: "run",
                expected: "a run from 1 and a hash",
            });
        }
        let mut transaction = self.write().await?;
        let known = sqlx::query_scalar!(
            "select hash from migration_report where migration_uid = $1 and run = $2",
            uid,
            run
        )
        .fetch_optional(&mut *transaction)
        .await?;
        match known {
            Some(known) if known == hash => return Ok(()),
            Some(_) => {
                return Err(StoreError::Conflict {
                    field: "run",
                    value: run.to_string(),
                });
            }
            None => {}
        }
        sqlx::query!(
            "insert into migration_report
                 (migration, migration_uid, run, report_packed, hash, signature)
             values ($1, $2, $3, $4, $5, $6)",
            migration.as_str(),
            uid,
            run,
            pack(text)?,
            hash,
            signature
        )
        .execute(&mut *transaction)
        .await?;
        let detail = json!({ "uid": uid, "run": run, "hash": hash, "signer": signer });
        let entry = Entry::new(actor, "migration.reported", migration.as_str(), detail);
        journal::append(&mut transaction, &entry).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The last report under this name: of the migration with this UID when one is given, else of
    /// whichever was received last; [`StoreError::NotFound`] when there is none.
    pub async fn report_get(
        &self,
        migration: &ResourceName,
        uid: Option<Uuid>,
    ) -> Result<MigrationReport, StoreError> {
        // Reports from before UIDs were kept are anybody's of that name, after their own.
        let found = sqlx::query!(
            r#"select run, (extract(epoch from at) * 1000000)::bigint as "at!",
                      report, report_packed, hash, signature
               from migration_report
               where migration = $1
                 and ($2::uuid is null or migration_uid is null or migration_uid = $2)
               order by $2::uuid is not null and migration_uid is null, at desc, run desc
               limit 1"#,
            migration.as_str(),
            uid
        )
        .fetch_optional(&mut *self.database.acquire().await?)
        .await?
        .ok_or_else(|| StoreError::NotFound {
            what: "report",
            name: migration.to_string(),
        })?;
        Ok(MigrationReport {
            migration: migration.clone(),
            run: found.run,
            at: timestamp(found.at)?,
            text: match found.report_packed {
                Some(packed) => unpack(&packed)?,
                None => found.report.unwrap_or_default(),
            },
            hash: found.hash,
            signature: found.signature,
        })
    }
}
