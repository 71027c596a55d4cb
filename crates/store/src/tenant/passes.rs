//! What was done of each account of a migration.

use serde_json::{Value, json};
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    TenantStore,
    packed::{pack, unpack},
};
use crate::{
    StoreError,
    journal::{self, Actor, Entry},
};

/// Which account of which migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountKey<'a> {
    /// The UID of the migration.
    pub uid: Uuid,
    /// The account's identifier within it.
    pub account: &'a str,
}

/// An account of a migration, as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountPasses {
    /// Its identifier within the migration.
    pub account: String,
    /// Its wave.
    pub wave: String,
    /// Its login at the source.
    pub source_user: String,
    /// Its address at the target.
    pub target_user: String,
    /// The last pass that was begun, from 1.
    pub pass: i32,
    /// What that pass was begun for.
    pub begun: Value,
    /// Where that pass stands.
    pub progress: Option<Value>,
    /// The last pass that ended.
    pub done: Option<Value>,
}

/// A pass to begin.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPass<'a> {
    /// The account's wave.
    pub wave: &'a str,
    /// Its login at the source.
    pub source_user: &'a str,
    /// Its address at the target.
    pub target_user: &'a str,
    /// Its number: one more than the last, or the last again when it was interrupted.
    pub pass: i32,
    /// What it is begun for.
    pub begun: &'a Value,
}

/// A pass that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedPass<'a> {
    /// Its number.
    pub pass: i32,
    /// How it ended.
    pub done: &'a Value,
    /// Its report; the former stays when there is none.
    pub report: Option<&'a Value>,
}

impl TenantStore {
    /// Every account of a migration of which a pass was begun, by identifier.
    pub async fn passes(&self, uid: Uuid) -> Result<Vec<AccountPasses>, StoreError> {
        let rows = sqlx::query!(
            r#"select account, wave, source_user, target_user, pass, begun as "begun: Json<Value>",
                      progress as "progress: Json<Value>", done as "done: Json<Value>"
               from migration_account where migration_uid = $1 order by account"#,
            uid
        )
        .fetch_all(&mut *self.database.acquire().await?)
        .await?;
        let passes = rows.into_iter().map(|row| AccountPasses {
            account: row.account,
            wave: row.wave,
            source_user: row.source_user,
            target_user: row.target_user,
            pass: row.pass,
            begun: row.begun.0,
            progress: row.progress.map(|json| json.0),
            done: row.done.map(|json| json.0),
        });
        Ok(passes.collect())
    }

    /// The last report of each account of a migration, with the account's identifier.
    pub async fn pass_reports(&self, uid: Uuid) -> Result<Vec<(String, Value)>, StoreError> {
        let rows = sqlx::query!(
            r#"select account, report as "report: Json<Value>", report_packed
               from migration_account
               where migration_uid = $1 and num_nonnulls(report, report_packed) > 0"#,
            uid
        )
        .fetch_all(&mut *self.database.acquire().await?)
        .await?;
        rows.into_iter()
            .map(|row| {
                let report = match (row.report_packed, row.report) {
                    (Some(packed), _) => serde_json::from_str(&unpack(&packed)?)
                        .map_err(|source| sqlx::Error::Decode(Box::new(source)))?,
                    (None, report) => report.map(|json| json.0).unwrap_or_default(),
                };
                Ok((row.account, report))
            })
            .collect()
    }

    /// Writes down that a pass begins, before anything is done of it.
    pub async fn pass_begin(
        &self,
        key: AccountKey<'_>,
        pass: &NewPass<'_>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "insert into migration_account
                 (migration_uid, account, wave, source_user, target_user, pass, begun)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (migration_uid, account) do update
             set wave = excluded.wave, source_user = excluded.source_user,
                 target_user = excluded.target_user, pass = excluded.pass,
                 begun = excluded.begun, progress = null
             where migration_account.pass <= excluded.pass",
            key.uid,
            key.account,
            pass.wave,
            pass.source_user,
            pass.target_user,
            pass.pass,
            pass.begun,
        )
        .execute(&mut *self.database.acquire().await?)
        .await?;
        Ok(())
    }

    /// Where a pass stands; [`StoreError::Conflict`] when another is under way.
    pub async fn pass_progress(
        &self,
        key: AccountKey<'_>,
        pass: i32,
        progress: &Value,
    ) -> Result<(), StoreError> {
        let told = sqlx::query!(
            "update migration_account set progress = $4
             where migration_uid = $1 and account = $2 and pass = $3",
            key.uid,
            key.account,
            pass,
            progress
        )
        .execute(&mut *self.database.acquire().await?)
        .await?;
        if told.rows_affected() == 1 {
            Ok(())
        } else {
            Err(stale(pass))
        }
    }

    /// Keeps how a pass ended, and tells the journal; told twice it is kept once.
    /// [`StoreError::Conflict`] when another is under way.
    pub async fn pass_end(
        &self,
        key: AccountKey<'_>,
        ended: &EndedPass<'_>,
        (migration, actor): (&str, &Actor),
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        let row = sqlx::query!(
            r#"select pass, target_user, wave, done as "done: Json<Value>" from migration_account
               where migration_uid = $1 and account = $2"#,
            key.uid,
            key.account
        )
        .fetch_optional(&mut *transaction)
        .await?
        .filter(|row| row.pass == ended.pass)
        .ok_or_else(|| stale(ended.pass))?;
        let last = row.done.as_ref().and_then(|done| done.0.get("pass"));
        if last == Some(&json!(ended.pass)) {
            return Ok(());
        }
        let report = ended.report.map(|report| pack(&report.to_string()));
        sqlx::query!(
            "update migration_account
             set done = $3, report_packed = coalesce($4, report_packed),
                 report = case when $4::bytea is null then report end
             where migration_uid = $1 and account = $2",
            key.uid,
            key.account,
            ended.done,
            report.transpose()?
        )
        .execute(&mut *transaction)
        .await?;
        let detail = json!({
            "uid": key.uid, "wave": row.wave, "account": row.target_user, "pass": ended.pass,
            "stage": ended.done.pointer("/goal/stage"), "ending": ended.done.get("ending"),
        });
        let entry = Entry::new(actor, "migration.account-passed", migration, detail);
        journal::append(&mut transaction, &entry).await?;
        transaction.commit().await?;
        Ok(())
    }
}

fn stale(pass: i32) -> StoreError {
    StoreError::Conflict {
        field: "pass",
        value: pass.to_string(),
    }
}
