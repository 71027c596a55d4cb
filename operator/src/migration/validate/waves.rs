//! The waves of a migration: which accounts, within which hours, how far.

use std::collections::HashMap;

use jiff::Timestamp;
use melouvert_api::{
    Migration, Reason,
    migration::{StageSchema, WaveSpec},
};
use melouvert_waves::{Stage, Want, Wave, Window};

use super::{PlannedWave, References, Refusal, WHOLE, refusal};
use crate::migration::accounts::{ListError, Listed};

/// The waves of the spec; one of all accounts when it states none.
pub fn waves(
    migration: &Migration,
    references: &References,
    refusals: &mut Vec<Refusal>,
) -> Vec<PlannedWave> {
    let spec = &migration.spec;
    let whole = spec.accounts_secret.as_ref().map(|secret| WaveSpec {
        name: WHOLE.into(),
        accounts_secret: secret.clone(),
        accounts: Vec::new(),
        windows: Vec::new(),
        not_before: None,
        stage: None,
    });
    let stated: Vec<WaveSpec> = if spec.waves.is_empty() {
        whole.into_iter().collect()
    } else {
        spec.waves.clone()
    };
    let mut seen: HashMap<String, String> = HashMap::new();
    let mut planned = Vec::new();
    for wave in &stated {
        let field = if spec.waves.is_empty() {
            "spec".to_owned()
        } else {
            format!("spec.waves[{}]", wave.name)
        };
        let listed = match listed(wave, references, &field) {
            Ok(listed) => listed,
            Err(found) => {
                refusals.push(found);
                continue;
            }
        };
        for account in listed.iter().flatten() {
            if let Some(first) = seen.insert(account.id.clone(), wave.name.clone()) {
                let user = &account.source_user;
                let message = format!("{user} is in {first} already; leave it in one wave");
                refusals.push(refusal(
                    format!("{field}.accounts"),
                    Reason::InvalidSpec,
                    message,
                ));
            }
        }
        match rules(migration, wave, &field) {
            Ok(rules) => planned.push(PlannedWave {
                name: wave.name.clone(),
                secret: wave.accounts_secret.clone(),
                listed,
                rules,
            }),
            Err(found) => refusals.push(found),
        }
    }
    planned
}

/// The accounts of a wave; `None` when its Secret does not exist.
fn listed(
    wave: &WaveSpec,
    references: &References,
    field: &str,
) -> Result<Option<Vec<Listed>>, Refusal> {
    let secret = &wave.accounts_secret;
    let all = match references.accounts.get(secret) {
        None => return Ok(None),
        Some(Ok(all)) => all,
        Some(Err(error @ ListError::Foreign { .. })) => {
            let message = format!("Secret {secret:?}: {error}; name another");
            let field = format!("{field}.accountsSecret");
            return Err(refusal(field, Reason::InvalidSpec, message));
        }
        Some(Err(error)) => {
            let field = format!("{field}.accountsSecret");
            let message = format!("Secret {secret:?}: {error}; correct it");
            return Err(refusal(field, Reason::AccountsMissing, message));
        }
    };
    if wave.accounts.is_empty() {
        return Ok(Some(all.clone()));
    }
    let named = |user: &&String| !all.iter().any(|account| account.source_user == **user);
    if let Some(absent) = wave.accounts.iter().find(named) {
        let message = format!("{absent:?} is not in Secret {secret:?}; add it or remove it here");
        return Err(refusal(
            format!("{field}.accounts"),
            Reason::AccountsMissing,
            message,
        ));
    }
    let chosen = all
        .iter()
        .filter(|account| wave.accounts.contains(&account.source_user));
    Ok(Some(chosen.cloned().collect()))
}

fn rules(migration: &Migration, wave: &WaveSpec, field: &str) -> Result<Wave, Refusal> {
    let spec = &migration.spec;
    let windows: Result<Vec<Window>, _> = wave.windows.iter().map(|text| text.parse()).collect();
    let windows = windows.map_err(|error: melouvert_waves::WindowError| {
        refusal(
            format!("{field}.windows"),
            Reason::InvalidSpec,
            error.to_string(),
        )
    })?;
    let not_before = wave.not_before.as_deref().map(str::parse::<Timestamp>);
    let not_before = not_before.transpose().map_err(|_| {
        let message = "expected an instant, e.g. 2026-11-27T19:00:00Z";
        refusal(format!("{field}.notBefore"), Reason::InvalidSpec, message)
    })?;
    // A roll-back is of the whole.
    let whole = spec.stage == StageSchema::RolledBack;
    let stage = match wave.stage.filter(|_| !whole).unwrap_or(spec.stage) {
        StageSchema::Presync => Stage::Presync,
        StageSchema::Cutover => Stage::Cutover,
        StageSchema::RolledBack => Stage::RolledBack,
    };
    Ok(Wave {
        want: Want {
            stage,
            run: spec.run,
            retry: spec.retry,
            frozen: spec.source_frozen,
        },
        not_before,
        windows,
    })
}
