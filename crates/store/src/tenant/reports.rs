//! Reports of migrations.

use jiff::Timestamp;
use melouvert_domain::ResourceName;
use serde_json::{Value, json};
use sqlx::types::Json;

use super::TenantStore;
use crate::{
    StoreError,
    journal::{self, Actor, Entry, timestamp},
};

/// The report of one run of a migration.
#[derive(Debug, Clone, PartialEq)]
pub struct MigrationReport {
    /// The migration's name.
    pub migration: ResourceName,
    /// Which run, from 1.
    pub run: i32,
    /// When it was received.
    pub at: Timestamp,
    /// The report itself.
    pub report: Value,
    /// Its hash, as the sender computed it.
    pub hash: String,
}

impl TenantStore {
    /// Keeps the report of a run; its hash goes into the journal. The same report sent twice is
    /// kept once; another one for the same run is a [`StoreError::Conflict`].
    pub async fn report_put(
        &self,
        migration: &ResourceName,
        run: i32,
        report: &Value,
        hash: &str,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        if run < 1 || hash.is_empty() {
            return Err(StoreError::Invalid {
                field: "run",
                expected: "a run from 1 and a hash",
            });
        }
        let mut transaction = self.write().await?;
        let known = sqlx::query_scalar!(
            "select hash from migration_report where migration = $1 and run = $2",
            migration.as_str(),
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
            "insert into migration_report (migration, run, report, hash) values ($1, $2, $3, $4)",
            migration.as_str(),
            run,
            report,
            hash
        )
        .execute(&mut *transaction)
        .await?;
        let detail = json!({ "run": run, "hash": hash });
        let entry = Entry::new(actor, "migration.reported", migration.as_str(), detail);
        journal::append(&mut transaction, &entry).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The report of the last run; [`StoreError::NotFound`] when there is none.
    pub async fn report_get(
        &self,
        migration: &ResourceName,
    ) -> Result<MigrationReport, StoreError> {
        let found = sqlx::query!(
            r#"select run, (extract(epoch from at) * 1000000)::bigint as "at!",
                      report as "report: Json<Value>", hash
               from migration_report where migration = $1 order by run desc limit 1"#,
            migration.as_str()
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
            report: found.report.0,
            hash: found.hash,
        })
    }
}
