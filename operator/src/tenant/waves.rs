//! A space's objects, applied wave by wave and object by object: one that is refused stays as it was
//! and is told, and keeps none of the others back.

use melouvert_api::{Collectivity, Reason};
use melouvert_tenant_template::{Wave, mail};

use super::{Context, context, validate::Refusal};
use crate::{
    cluster::{ApplyError, Outcome},
    errors,
};

/// What became of the objects so far.
#[derive(Default)]
pub struct Tally {
    /// At least one is new.
    pub created: bool,
    /// Changes that the API server refused.
    pub kept: Vec<Refusal>,
    /// The first failure of another kind.
    pub failed: Option<ApplyError>,
}

/// Applies waves in order. In a space that does not run yet (`runs`), the first one that fails is the
/// last.
pub async fn apply(
    ctx: &Context,
    object: &Collectivity,
    waves: &[Wave],
    runs: bool,
    tally: &mut Tally,
) -> Result<(), ApplyError> {
    for wave in waves {
        one(ctx, object, wave, tally).await;
        if !runs && let Some(error) = tally.failed.take() {
            return Err(error);
        }
    }
    Ok(())
}

async fn one(ctx: &Context, object: &Collectivity, wave: &Wave, tally: &mut Tally) {
    let about = context::reference(object);
    let mut outcomes = Vec::with_capacity(wave.objects.len());
    for outcome in ctx.applier.each(&wave.objects, &about).await {
        match outcome {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) if error.keeps() => {
                let text = format!("{}; it stays as it was", error.said());
                tracing::warn!(wave = wave.name, error = text, "kept");
                tally.kept.push(kept(&error, text));
            }
            Err(error) => {
                let text = errors::chain(&error);
                tracing::warn!(wave = wave.name, error = text, "not applied");
                tally.failed.get_or_insert(error);
            }
        }
    }
    tally.created |= outcomes.contains(&Outcome::Created);
    log(wave.name, &outcomes);
}

/// A refused growth has its own reason: people ask for it, and storage often refuses it.
fn kept(error: &ApplyError, text: String) -> Refusal {
    let object = error.object();
    let reason = match object.strip_prefix("PersistentVolumeClaim ") {
        Some(mail::CLAIM) => Reason::StorageNotGrown,
        _ => Reason::ApplyRefused,
    };
    Refusal::new(object, reason, text)
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
