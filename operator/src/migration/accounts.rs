//! The accounts of a migration, from the Secrets of its waves. Passwords are not kept.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use melouvert_api::labels::{self, component};
use melouvert_waves::identifier;

/// The key of a Secret that lists accounts.
pub const KEY: &str = "accounts.csv";

/// One account, without its passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its identifier within the migration.
    pub id: String,
    /// Its login at the source.
    pub source_user: String,
    /// Its address at the target.
    pub target_user: String,
}

/// Why a list cannot be used; never shows a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The Secret is not one of this migration's accounts: it is neither read, owned nor deleted.
    #[error(
        "it is not of this migration's accounts: expected a Secret of type Opaque named {expected}, labelled {}={} and {}={migration}, which nothing else owns",
        labels::COMPONENT,
        component::MIGRATION,
        labels::MIGRATION
    )]
    Foreign {
        /// What it should be called.
        expected: String,
        /// The migration.
        migration: String,
    },
    /// The Secret has no such key.
    #[error("it has no key {KEY}")]
    NoKey,
    /// The first line is wrong.
    #[error("line 1 of {KEY} names no column {0}")]
    Column(&'static str),
    /// A line is wrong.
    #[error("line {0} of {KEY} is not CSV in UTF-8 with all its columns")]
    Line(u64),
}

/// Whether a Secret that a user named is what it must be before the operator reads, owns or deletes
/// it: made for the accounts of this very migration. Its name is one that no object of a space's own
/// bears, and that the admission policy lets people give.
pub fn proven(secret: &Secret, migration: &str, uid: &str) -> Result<(), ListError> {
    let label = |key: &str, value: &str| secret.labels().get(key).is_some_and(|it| it == value);
    let name = secret.name_any();
    let named = name.starts_with(&format!("migration-{migration}-")) && name.ends_with("-accounts");
    let ours_alone = secret
        .owner_references()
        .iter()
        .all(|owner| owner.uid == uid);
    let good = named
        && label(labels::COMPONENT, component::MIGRATION)
        && label(labels::MIGRATION, migration)
        && !secret.labels().contains_key(labels::MANAGED_BY)
        && secret.type_.as_deref().is_none_or(|kind| kind == "Opaque")
        && ours_alone;
    if good {
        return Ok(());
    }
    Err(ListError::Foreign {
        expected: format!("migration-{migration}-…-accounts"),
        migration: migration.into(),
    })
}

/// Reads the list of a Secret.
pub fn read(secret: &Secret) -> Result<Vec<Listed>, ListError> {
    let data = secret.data.as_ref().and_then(|data| data.get(KEY));
    let bytes = &data.ok_or(ListError::NoKey)?.0;
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::Headers)
        .from_reader(bytes.as_slice());
    let line =
        |error: &csv::Error| ListError::Line(error.position().map_or(1, csv::Position::line));
    let header = reader.headers().map_err(|error| line(&error))?.clone();
    let place = |column: &'static str| {
        let named = |found: &str| found.trim_start_matches('\u{feff}') == column;
        header
            .iter()
            .position(named)
            .ok_or(ListError::Column(column))
    };
    let (source, target) = (place("source_user")?, place("target_user")?);
    let mut listed = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| line(&error))?;
        let number = record.position().map_or(0, csv::Position::line);
        let cell = |place| record.get(place).filter(|value| !value.is_empty());
        let (Some(from), Some(to)) = (cell(source), cell(target)) else {
            return Err(ListError::Line(number));
        };
        // As the worker reads it: addresses are in lower case.
        let to = to.trim().to_lowercase();
        listed.push(Listed {
            id: identifier(from, &to),
            source_user: from.to_owned(),
            target_user: to,
        });
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret {
            data: Some(BTreeMap::from([(
                KEY.to_owned(),
                ByteString(text.as_bytes().to_vec()),
            )])),
            ..Secret::default()
        }
    }

    #[test]
    fn logins_are_read_and_passwords_left() {
        let text = "target_user,source_password,source_user,target_password\nJeanne@caen.example,s3cret,old,s3cret\n";
        let listed = read(&secret(text)).unwrap();
        assert_eq!(listed[0].source_user, "old");
        assert_eq!(listed[0].target_user, "jeanne@caen.example");
        assert_eq!(listed[0].id, identifier("old", "jeanne@caen.example"));
        assert!(!format!("{listed:?}").contains("s3cret"));
    }

    fn of_migration(name: &str, change: impl FnOnce(&mut Secret)) -> Result<(), ListError> {
        let mut secret = Secret::default();
        secret.metadata.name = Some(name.into());
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        secret.metadata.labels = Some(BTreeMap::from([
            label(labels::COMPONENT, component::MIGRATION),
            label(labels::MIGRATION, "old"),
        ]));
        change(&mut secret);
        proven(&secret, "old", "own")
    }

    fn owned(uid: &str) -> impl FnOnce(&mut Secret) {
        let owner = k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference {
            uid: uid.into(),
            ..Default::default()
        };
        move |secret| secret.metadata.owner_references = Some(vec![owner])
    }

    #[test]
    fn the_accounts_of_this_migration_are_proven() {
        for name in [
            "migration-old-1127-accounts",
            "migration-old-a-1127-accounts",
        ] {
            assert_eq!(of_migration(name, |_| ()), Ok(()), "{name}");
        }
        assert_eq!(
            of_migration("migration-old-1-accounts", owned("own")),
            Ok(())
        );
    }

    #[test]
    fn no_other_secret_is() {
        for name in [
            "tenant-ca",
            "mail-dkim",
            "migration-old-0123456789",
            "migration-other-1-accounts",
            "migration-older-1-accounts",
            "migration-old-accounts-2",
        ] {
            assert!(of_migration(name, |_| ()).is_err(), "{name}");
        }
        let name = "migration-old-1-accounts";
        let foreign = |change: fn(&mut Secret)| of_migration(name, change).is_err();
        assert!(foreign(|secret| secret.metadata.labels = None));
        assert!(foreign(|secret| {
            let labels = secret.labels_mut();
            labels.insert(labels::MIGRATION.into(), "old-1".into());
        }));
        assert!(foreign(|secret| {
            let labels = secret.labels_mut();
            labels.insert(labels::MANAGED_BY.into(), labels::MANAGER.into());
        }));
        assert!(foreign(
            |secret| secret.type_ = Some("kubernetes.io/tls".into())
        ));
        assert!(of_migration(name, owned("another")).is_err());
    }

    #[test]
    fn a_bad_list_is_named_without_its_values() {
        let of = |text: &str| read(&secret(text)).unwrap_err();
        assert_eq!(read(&Secret::default()), Err(ListError::NoKey));
        assert_eq!(of("source_user\n"), ListError::Column("target_user"));
        assert_eq!(
            of("source_user,target_user\na,b\ns3cret\n"),
            ListError::Line(3)
        );
        assert_eq!(of("source_user,target_user\na,\n"), ListError::Line(2));
    }
}
