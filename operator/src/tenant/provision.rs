//! From a validated tenant to applied objects: keys, database, manifests, journal.

use jiff::Timestamp;
use kube::ResourceExt;
use melouvert_api::Collectivity;
use melouvert_store::{Entry, StoreError, TenantDb, TenantStore};
use melouvert_tenant_template::{ValidatedTenant, access, certificates::certificate_names, render};
use secrecy::SecretString;
use serde_json::json;

use super::{
    Context, ReconcileError, context, dereference, journal,
    material::{self, Existing, Keys},
};
use crate::cluster::Outcome;

/// What exists after provisioning: only then can a status be computed.
pub struct Provisioned {
    /// What was issued and stored.
    pub keys: Keys,
    /// Hash of the mail StatefulSet as rendered.
    pub template: String,
}

/// Applies everything that `tenant` needs.
pub async fn run(
    ctx: &Context,
    object: &Collectivity,
    tenant: &ValidatedTenant,
    opened: bool,
    now: Timestamp,
) -> Result<Provisioned, ReconcileError> {
    let opens = open(ctx, object, tenant, opened).await?;
    let existing = dereference::secrets(&ctx.client, tenant.namespace.as_str()).await?;
    let mut keys = prepare(ctx, tenant, &existing, now)?;
    rsa(ctx, object, &mut keys);
    let store = database(ctx, tenant, &keys).await?;
    let fresh = is_fresh(object) && journal::spec_change(&store, object).await?;
    // Asked again: the database took longer than an RSA key usually does.
    rsa(ctx, object, &mut keys);
    let material = keys.material(&ctx.platform.root, &ctx.database.authority()?);
    let mut rendered = render(tenant, &material);
    if !opens {
        rendered = rendered.quota_before_workload();
    }
    let about = context::reference(object);
    for wave in &rendered.waves {
        let outcomes = ctx.applier.wave(&wave.objects, &about).await?;
        log(wave.name, &outcomes);
    }
    acts(ctx, object, tenant, &store, &keys, fresh).await?;
    let template = rendered
        .objects()
        .find(|object| object.resource.kind == "StatefulSet");
    let template = template.map(|set| set.hash.clone()).unwrap_or_default();
    Ok(Provisioned { keys, template })
}

/// Makes the namespace and the operator's right to work in it, without which nothing can be read.
async fn open(
    ctx: &Context,
    object: &Collectivity,
    tenant: &ValidatedTenant,
    opened: bool,
) -> Result<bool, ReconcileError> {
    let about = context::reference(object);
    let mut created = false;
    for wave in access(tenant) {
        let outcomes = ctx.applier.wave(&wave.objects, &about).await?;
        created |= !opened && outcomes.contains(&Outcome::Created);
    }
    Ok(created)
}

fn prepare(
    ctx: &Context,
    tenant: &ValidatedTenant,
    existing: &Existing,
    now: Timestamp,
) -> Result<Keys, ReconcileError> {
    let names = certificate_names(tenant);
    Ok(material::prepare(
        existing,
        &names,
        &ctx.platform.root,
        now,
        &mut rand::rng(),
    )?)
}

fn rsa(ctx: &Context, object: &Collectivity, keys: &mut Keys) {
    if keys.dkim_rsa.is_none() {
        keys.dkim_rsa = ctx.rsa.take_or_ask(object);
    } else if let Some(uid) = object.uid() {
        ctx.rsa.stored(&uid);
    }
}

async fn database(
    ctx: &Context,
    tenant: &ValidatedTenant,
    keys: &Keys,
) -> Result<TenantStore, ReconcileError> {
    let platform = ctx.database.get()?;
    let actor = ctx.own_actor()?;
    let reader_password = SecretString::from(keys.reader_password.clone());
    let wanted = TenantDb {
        siren: &tenant.siren,
        reader_password: &reader_password,
    };
    let store = platform.ensure_tenant(&wanted, &actor).await?;
    let domains: Vec<_> = tenant.domains().cloned().collect();
    store.ensure_postmaster(&domains, &actor).await?;
    Ok(store)
}

/// Whether this generation was not told as observed yet.
fn is_fresh(object: &Collectivity) -> bool {
    let observed = object
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    observed != object.metadata.generation
}

/// Journals a refused change of a tenant that exists; `false` when it cannot be written yet.
pub async fn journal_refused(ctx: &Context, object: &Collectivity) -> Result<bool, ReconcileError> {
    if !is_fresh(object) {
        return Ok(true);
    }
    let (Ok(siren), Ok(platform)) = (object.spec.siren.parse(), ctx.database.get()) else {
        return Ok(false);
    };
    match platform.tenant(&siren).await {
        Err(StoreError::NotFound { .. }) => Ok(true),
        Err(error) if error.is_transient() => Ok(false),
        Err(error) => Err(error.into()),
        Ok(store) => Ok(journal::spec_change(&store, object).await.map(|_| true)?),
    }
}

async fn acts(
    ctx: &Context,
    object: &Collectivity,
    tenant: &ValidatedTenant,
    store: &TenantStore,
    keys: &Keys,
    fresh: bool,
) -> Result<(), ReconcileError> {
    let actor = ctx.own_actor()?;
    let name = object.name_any();
    if fresh {
        let detail = json!({"namespace": name, "uid": tenant.uid});
        let opened = Entry::new(&actor, "space.provisioned", &name, detail);
        // By UID: the process may have died between the namespace and this line.
        journal::append_once(store, opened, &["uid"]).await?;
        let detail =
            json!({"lifecycle": object.spec.lifecycle, "generation": object.metadata.generation});
        journal::own_act(store, &actor, "space.applied", &name, detail).await?;
    }
    for secret in &keys.renewed {
        let serial = serial(keys, secret);
        let detail = json!({"secret": secret, "serial": serial});
        journal::own_act(store, &actor, "certificate.renewed", &name, detail).await?;
        let note = format!("the certificate in Secret {secret} was renewed: serial {serial}");
        ctx.events
            .normal(&context::reference(object), "CertificateRenewed", &note)
            .await;
    }
    Ok(())
}

fn serial<'a>(keys: &'a Keys, secret: &str) -> &'a str {
    match secret {
        material::CA => &keys.ca.info().serial,
        material::MAIL_TLS => &keys.mail.info.serial,
        _ => &keys.client.info.serial,
    }
}

fn log(wave: &'static str, outcomes: &[Outcome]) {
    let count = |wanted| {
        outcomes
            .iter()
            .filter(|outcome| **outcome == wanted)
            .count()
    };
    let changed = outcomes.len() - count(Outcome::Unchanged);
    if changed > 0 {
        tracing::info!(
            wave,
            created = count(Outcome::Created),
            updated = count(Outcome::Updated),
            repaired = count(Outcome::Repaired),
            "applied"
        );
    }
}
