//! The accounts of a migration, from the Secrets of its waves. Passwords are not kept.

use k8s_openapi::api::core::v1::Secret;
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
