//! The mailbox that every domain must have (RFC 5321, section 4.5.1).

use melouvert_domain::MailDomain;
use serde_json::json;
use sqlx::PgConnection;

use super::TenantStore;
use crate::{
    StoreError,
    journal::{self, Actor, Entry},
};

/// What `postmaster` may keep: it receives test deliveries and reports, not a person's mail.
const QUOTA_BYTES: i64 = 1 << 30;

impl TenantStore {
    /// Makes `postmaster@` the first domain a system mailbox, and `postmaster@` each other one an
    /// alias of it. Former system mailboxes stay. Writes nothing when nothing changes.
    pub async fn ensure_postmaster(
        &self,
        domains: &[MailDomain],
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let Some((main, _)) = domains.split_first() else {
            return Err(StoreError::Invalid {
                field: "domains",
                expected: "at least one domain",
            });
        };
        let names: Vec<String> = domains.iter().map(ToString::to_string).collect();
        if settled(&mut *self.database.acquire().await?, main, &names).await? {
            return Ok(());
        }
        let mut transaction = self.write().await?;
        apply(&mut transaction, main, &names).await?;
        let address = format!("postmaster@{main}");
        let detail = json!({ "domains": names });
        let entry = Entry::new(actor, "postmaster.ensured", address, detail);
        journal::append(&mut transaction, &entry).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Whether mailbox and aliases are as they should be.
async fn settled(
    connection: &mut PgConnection,
    main: &MailDomain,
    domains: &[String],
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select
             exists (select from agent where local_part = 'postmaster' and domain = $1)
             and not exists (
               select from unnest($2::text[]) as wanted (domain)
               where not exists (select from agent a
                                 where a.local_part = 'postmaster' and a.domain = wanted.domain)
                 and not exists (select from alias a
                                 where a.local_part = 'postmaster' and a.domain = wanted.domain
                                   and a.target_local_part = 'postmaster' and a.target_domain = $1))
             and not exists (select from alias
                             where local_part = 'postmaster' and domain <> all($2::text[]))
             as "settled!""#,
        main.as_str(),
        domains
    )
    .fetch_one(connection)
    .await?)
}

async fn apply(
    connection: &mut PgConnection,
    main: &MailDomain,
    domains: &[String],
) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from alias
         where local_part = 'postmaster' and (domain = $1 or domain <> all($2::text[]))",
        main.as_str(),
        domains
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "insert into agent (local_part, domain, display_name, quota_bytes, kind)
         values ('postmaster', $1, 'Postmaster', $2, 'system')
         on conflict (local_part, domain) do nothing",
        main.as_str(),
        QUOTA_BYTES
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "insert into alias (local_part, domain, target_local_part, target_domain)
         select 'postmaster', wanted.domain, 'postmaster', $1
         from unnest($2::text[]) as wanted (domain)
         where not exists (select from agent a
                           where a.local_part = 'postmaster' and a.domain = wanted.domain)
         on conflict (local_part, domain) do update
         set target_local_part = excluded.target_local_part,
             target_domain = excluded.target_domain",
        main.as_str(),
        domains
    )
    .execute(connection)
    .await?;
    Ok(())
}
