//! A migration's proof as it is told.

use melouvert_api::wire::{PROOF_FORMAT, Report};
use melouvert_store::MigrationReport;
use serde_json::Value;

use super::error::ApiError;

/// What was kept, as it is told.
pub fn open(kept: MigrationReport) -> Result<Report, ApiError> {
    let whole: Value =
        serde_json::from_str(&kept.text).map_err(|error| ApiError::internal(&error))?;
    let signed = whole.get("format").and_then(Value::as_str) == Some(PROOF_FORMAT);
    let report = match whole {
        Value::Object(mut proof) if signed => proof.remove("report").unwrap_or_default(),
        // An earlier release kept the report alone.
        report => report,
    };
    Ok(Report {
        migration: kept.migration.to_string(),
        run: kept.run.unsigned_abs().saturating_sub(1),
        at: kept.at.to_string(),
        hash: kept.hash,
        report,
        document: signed.then_some(kept.text),
        signature: kept.signature,
    })
}
