//! What bounds the mail servers' logins in the database, whatever their sessions set.

use std::{sync::Arc, time::Duration};

use melouvert_store::{Actor, Bounds};
use tokio_util::sync::CancellationToken;

use crate::{database::Database, errors, metrics::Metrics};

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(5);
/// A lookup takes milliseconds; a server whose session ends opens another.
const BOUNDS: Bounds = Bounds {
    transaction: Duration::from_secs(10),
    told: Duration::from_hours(1),
};

/// Ends what takes too long and undoes what logins changed of themselves, until `stop`.
pub(super) async fn keep(
    database: Database,
    metrics: Arc<Metrics>,
    actor: Actor,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = stop.cancelled() => return,
        }
        // An absent database is told by its connector.
        let Ok(store) = database.get() else { continue };
        match store.guard(BOUNDS, &actor).await {
            Ok(done) => {
                for ended in done.ended {
                    let sessions = ended.sessions.unsigned_abs();
                    metrics.ended_sessions(sessions);
                    tracing::warn!(
                        siren = ended.siren,
                        sessions,
                        "ended database sessions of a space: a transaction took too long"
                    );
                }
                for siren in done.repaired {
                    tracing::warn!(
                        siren,
                        "a space's database login had changed itself: repaired"
                    );
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = errors::chain(&error),
                    "the database was not guarded"
                );
            }
        }
    }
}
