//! From a validated tenant to applied objects: keys, database, manifests, journal.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;
use melouvert_api::{Collectivity, Reason, collectivity::Under, labels};
use melouvert_domain::Lifecycle;
use melouvert_store::{Agent, AgentKind, Entry, MayMake, StoreError, TenantDb, TenantStore};
use melouvert_tenant_template::{
    ValidatedTenant, certificates::certificate_names, frontier, render,
};
use secrecy::SecretString;
use serde_json::json;

use super::{
    Context, ReconcileError, context,
    dereference::{self, References, Volume},
    error::kube_error,
    journal,
    lost::{self, Answered, Lost},
    material::{self, Existing, Keys},
    status,
    validate::Refusal,
    waves::{self, Tally},
};
use crate::{heads, offers};

/// Waves of [`frontier`], applied before anything that needs keys or a database.
const FRONTIER: usize = 3;

/// What exists after provisioning: only then can a status be computed.
pub struct Provisioned {
    /// What was issued and stored.
    pub keys: Keys,
    /// Hash of the mail StatefulSet as rendered.
    pub template: String,
    /// Objects whose change the API server refused: they stand as they were.
    pub kept: Vec<Refusal>,
}

/// Applies everything that `tenant` needs. In a space that runs, an object that cannot be applied, or
/// a database that is away, does not keep the others from being applied.
pub async fn run(
    ctx: &Context,
    object: &Collectivity,
    tenant: &ValidatedTenant,
    references: &References,
    under: &Under,
    now: Timestamp,
) -> Result<Provisioned, ReconcileError> {
    let runs = references.claim.is_some();
    let mut tally = Tally::default();
    // Nothing starts in a space whose border does not stand.
    waves::apply(ctx, object, &frontier(tenant), runs, &mut tally).await?;
    let opens = references.namespace.is_none() && tally.created;
    let answered = Answered::of(object);
    let namespace = tenant.namespace.as_str();
    let mut existing = dereference::secrets(&ctx.client, namespace).await?;
    if answered.dkim {
        existing = material::without_unreadable(existing);
    }
    let volume = match &references.claim {
        Some(_) => Volume::There,
        None => dereference::volume(&ctx.client, namespace).await?,
    };
    let mut keys = prepare(ctx, (object, tenant), &existing, (volume, answered), now)?;
    rsa(ctx, object, &mut keys);
    let may_make = lost::may_make_database(object, &existing, answered);
    let given = (volume, answered);
    let upkeep = runs && is_upkeep(object, under, &keys);
    let (store, away) = reach(ctx, (object, tenant), &keys, given, may_make, upkeep).await?;
    let fresh = is_fresh(object);
    if let Some(store) = &store {
        offers::tell_space(store, object, under, references).await?;
        if fresh {
            journal::spec_change(store, object).await?;
        }
    }
    // Asked again: the database took longer than an RSA key usually does.
    rsa(ctx, object, &mut keys);
    let root = ctx.platform.root.get();
    let material = keys.material(&root, &ctx.database.authority()?);
    let mut rendered = render(tenant, &material);
    if !opens {
        rendered = rendered.quota_before_workload();
    }
    let content = rendered.waves.get(FRONTIER..).unwrap_or_default();
    waves::apply(ctx, object, content, runs, &mut tally).await?;
    if let Some(error) = tally.failed {
        return Err(error.into());
    }
    if let Some(error) = away {
        return Err(error);
    }
    if let Some(store) = &store {
        acts(ctx, object, tenant, store, &keys, fresh).await?;
        made_anew(ctx, object, store, answered).await?;
        tally.kept.extend(strays(&store.agents().await?, tenant));
    }
    let template = rendered
        .objects()
        .find(|object| object.resource.kind == "StatefulSet");
    let template = template.map(|set| set.hash.clone()).unwrap_or_default();
    Ok(Provisioned {
        keys,
        template,
        kept: tally.kept,
    })
}

/// The space's database, or why it is away where what is left to do without it is `upkeep`.
async fn reach(
    ctx: &Context,
    (object, tenant): (&Collectivity, &ValidatedTenant),
    keys: &Keys,
    (volume, answered): (Volume, Answered),
    may_make: MayMake,
    upkeep: bool,
) -> Result<(Option<TenantStore>, Option<ReconcileError>), ReconcileError> {
    match database(ctx, tenant, keys, may_make).await {
        Ok(store) => {
            keep_volume(object, tenant, &store, volume, answered).await?;
            Ok((Some(store), None))
        }
        Err(error) if upkeep && is_away(&error) => Ok((None, Some(error))),
        Err(error) => Err(error),
    }
}

/// Whether all that a pass applies was journaled before: it is the upkeep of the same generation.
fn is_upkeep(object: &Collectivity, under: &Under, keys: &Keys) -> bool {
    let told = object.status.as_ref().and_then(|told| told.under.as_ref());
    !is_fresh(object) && told == Some(under) && keys.renewed.is_empty()
}

/// Fails when the volume with the mail is gone: an empty one would hide it.
async fn keep_volume(
    object: &Collectivity,
    tenant: &ValidatedTenant,
    store: &TenantStore,
    volume: Volume,
    answered: Answered,
) -> Result<(), ReconcileError> {
    let wanted = tenant.lifecycle != Lifecycle::Terminating;
    if volume != Volume::Absent || answered.volume || !wanted {
        return Ok(());
    }
    let journaled = store
        .journal_says(journal::PROVISIONED, &object.name_any())
        .await?;
    if lost::volume_was_there(object, journaled) {
        return Err(Lost::Volume.into());
    }
    Ok(())
}

/// Writes down what was made again and who answered for it, and takes the answer off.
async fn made_anew(
    ctx: &Context,
    object: &Collectivity,
    store: &TenantStore,
    answered: Answered,
) -> Result<(), ReconcileError> {
    let what = answered.names();
    if what.is_empty() {
        return Ok(());
    }
    let by = journal::stamped(object, labels::MAKE_ANEW_BY)?;
    let name = object.name_any();
    let detail = json!({"what": what, "uid": object.uid()});
    journal::own_act(store, &by, "space.made-anew", &name, detail).await?;
    if answered.database {
        heads::accept(&ctx.client, &ctx.settings.namespace, &name)
            .await
            .map_err(kube_error("accept the new journal"))?;
    }
    lost::answered(&ctx.client, object)
        .await
        .map_err(kube_error("take the answer off"))
}

/// Agents whose domain the space has no more: their logins and mail are lost sight of otherwise.
fn strays(agents: &[Agent], tenant: &ValidatedTenant) -> Option<Refusal> {
    let mut lost = BTreeMap::new();
    let people = agents.iter().filter(|agent| agent.kind == AgentKind::Agent);
    for domain in people.map(|agent| agent.address.domain()) {
        if !tenant.domains().any(|held| held == domain) {
            *lost.entry(domain.to_string()).or_insert(0_u32) += 1;
        }
    }
    if lost.is_empty() {
        return None;
    }
    let lost: Vec<String> = lost
        .iter()
        .map(|(domain, count)| format!("{domain} still has {count} agent(s)"))
        .collect();
    let text = format!(
        "{}, who can neither log in nor receive mail under it; put it back or remove them",
        lost.join(", ")
    );
    Some(Refusal::new(
        "spec.domains",
        Reason::AgentsWithoutDomain,
        text,
    ))
}

/// A database that is gone for good is no reason either to keep nothing else of the space.
fn is_away(error: &ReconcileError) -> bool {
    matches!(
        error.reason(),
        Reason::DatabaseUnreachable | Reason::DatabaseLost
    )
}

fn prepare(
    ctx: &Context,
    (object, tenant): (&Collectivity, &ValidatedTenant),
    existing: &Existing,
    (volume, answered): (Volume, Answered),
    now: Timestamp,
) -> Result<Keys, ReconcileError> {
    let names = certificate_names(tenant);
    let published = lost::published(object, volume, answered);
    let keys = material::prepare(
        existing,
        &names,
        &ctx.platform.root.get(),
        published,
        now,
        &mut rand::rng(),
    )?;
    if !answered.dkim
        && let Some(lost) = lost::other_key(object, &status::signing_records(tenant, &keys)?)
    {
        return Err(lost.into());
    }
    Ok(keys)
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
    may_make: MayMake,
) -> Result<TenantStore, ReconcileError> {
    let platform = ctx.database.get()?;
    let actor = ctx.own_actor()?;
    let reader_password = SecretString::from(keys.reader_password.clone());
    let wanted = TenantDb {
        siren: &tenant.siren,
        reader_password: &reader_password,
        may_make,
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
        Ok(store) => Ok(journal::spec_change(&store, object).await.map(|()| true)?),
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
        // Each once: the process may have died between the namespace and the status, where a
        // generation is told as observed.
        let detail = json!({"namespace": name, "uid": tenant.uid});
        let opened = Entry::new(&actor, journal::PROVISIONED, &name, detail);
        store.journal_append_once(opened, &["uid"]).await?;
        let detail = json!({
            "lifecycle": object.spec.lifecycle,
            "uid": tenant.uid,
            "generation": object.metadata.generation,
        });
        let applied = Entry::new(&actor, "space.applied", &name, detail);
        store
            .journal_append_once(applied, &["uid", "generation"])
            .await?;
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
