//! Taking over a space whose object is gone: the mail, keys and database stay as they are.

use kube::ResourceExt;
use melouvert_api::Collectivity;
use melouvert_store::StoreError;
use serde_json::json;

use super::{Context, ReconcileError, journal};

/// Writes down who asked for it, in the space's own journal, before the namespace changes hands.
pub(super) async fn journal(
    tenant: &Collectivity,
    ctx: &Context,
    from: &str,
) -> Result<(), ReconcileError> {
    let Ok(siren) = tenant.spec.siren.parse() else {
        // The object's name holds the SIREN: validation says the rest.
        return Ok(());
    };
    let store = match ctx.database.get()?.tenant(&siren).await {
        // Whether a database may be made anew is not decided here.
        Err(StoreError::NotFound { .. }) => return Ok(()),
        other => other?,
    };
    let name = tenant.name_any();
    let detail = json!({
        "uid": tenant.uid(),
        "generation": tenant.metadata.generation,
        "namespaceUid": tenant.spec.adopts,
        "from": from,
    });
    if journal::once(&store, tenant, "space.adopted", &name, detail).await? {
        tracing::info!(from, "took the space over");
    }
    Ok(())
}
