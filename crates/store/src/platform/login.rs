//! A mail server's login: what it must be, and whether it still is. PostgreSQL lets a role change its
//! own password and settings, and drop its own privileges.

use melouvert_domain::Siren;
use secrecy::SecretString;
use sqlx::PgConnection;

use super::{hardening::Powers, open::run};
use crate::{Server, StoreError, error::sql_state, names::TenantNames, server::close};

/// Sessions of one tenant's mail servers.
pub(super) const CONNECTIONS: i32 = 20;
/// Lookups are of one row: they sort and log nothing. A role cannot lift these for itself.
const BOUNDS: [&str; 3] = [
    "log_min_error_statement=panic",
    "log_min_messages=fatal",
    "temp_file_limit=1MB",
];
/// A convenience, which a session may undo: it has no right to write.
const READ_ONLY: &str = "default_transaction_read_only=on";

/// The settings of a login, as PostgreSQL lists them, sorted.
pub(super) fn settings(powers: Powers) -> Vec<String> {
    let bounds: &[&str] = if powers.settings { &BOUNDS } else { &[] };
    [READ_ONLY]
        .iter()
        .chain(bounds)
        .map(ToString::to_string)
        .collect()
}

/// Whether what PostgreSQL lists of a login is what we set. Bounds that somebody else set, and that
/// we cannot change, are theirs.
pub(super) fn as_set(found: &[String], powers: Powers) -> bool {
    let wanted = settings(powers);
    let theirs = |setting: &String| {
        !powers.settings && BOUNDS.iter().any(|bound| name(bound) == name(setting))
    };
    wanted.iter().all(|setting| found.contains(setting))
        && found
            .iter()
            .all(|setting| wanted.contains(setting) || theirs(setting))
}

fn name(setting: &str) -> &str {
    setting.split_once('=').map_or(setting, |(name, _)| name)
}

/// Sets the login's password, bounds and settings anew.
pub(super) async fn restore(
    connection: &mut PgConnection,
    names: &TenantNames,
    verifier: &str,
    powers: Powers,
) -> Result<(), StoreError> {
    let TenantNames {
        database, reader, ..
    } = names;
    let login = format!(
        "alter role {reader} login connection limit {CONNECTIONS} password '{verifier}';
         alter role {reader} reset all;
         alter role {reader} in database {database} reset all;"
    );
    run(connection, login).await?;
    for setting in settings(powers) {
        let (name, value) = setting.split_once('=').unwrap_or_default();
        run(
            connection,
            format!("alter role {reader} set {name} = '{value}'"),
        )
        .await?;
    }
    Ok(())
}

/// Whether the login's password is still ours.
pub(super) async fn password_works(
    server: &Server,
    names: &TenantNames,
    password: &SecretString,
    siren: &Siren,
) -> Result<bool, StoreError> {
    let login = Server {
        user: names.reader.clone(),
        password: password.clone(),
        ..server.clone()
    };
    let code = match login.connect(&names.database).await {
        Ok(connection) => {
            close(connection).await;
            return Ok(true);
        }
        Err(error) => match &error {
            StoreError::Refused { source, .. }
            | StoreError::Unreachable { source, .. }
            | StoreError::Query(source) => (sql_state(source), error),
            _ => (None, error),
        },
    };
    match code {
        (Some(code), _) if code.starts_with("28") => {
            tracing::warn!(%siren, "the mail servers' password was changed by somebody else");
            Ok(false)
        }
        // Too many connections of this role, no right to connect: both are asked after the password.
        (Some(code), _) if code == "53300" || code == "42501" => Ok(true),
        (_, error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn powers(settings: bool) -> Powers {
        Powers {
            superuser: settings,
            worker: settings,
            settings,
            template: false,
        }
    }

    #[test]
    fn settings_are_as_set_or_not() {
        let own = settings(powers(true));
        assert!(as_set(&own, powers(true)));
        assert!(!as_set(&own[..3], powers(true)), "one is missing");
        let mut more = own.clone();
        more.push("search_path=x".into());
        assert!(!as_set(&more, powers(true)), "one is too many");
        assert!(!as_set(&[], powers(false)));
        assert!(as_set(&[READ_ONLY.into()], powers(false)));
        let theirs = [READ_ONLY.into(), "temp_file_limit=8MB".into()];
        assert!(as_set(&theirs, powers(false)), "set by the administrator");
    }
}
