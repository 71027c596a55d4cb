//! Names of a tenant's database and roles.

use melouvert_domain::Siren;

/// The platform's database.
pub(crate) const PLATFORM: &str = "melouvert_platform";

/// Identifiers made of a checked SIREN (nine digits), hence safe inside a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantNames {
    /// `col_<siren>`.
    pub(crate) database: String,
    /// Owns the database; nobody logs in as it.
    pub(crate) owner: String,
    /// The mail servers' login.
    pub(crate) reader: String,
}

impl TenantNames {
    pub(crate) fn of(siren: &Siren) -> Self {
        Self {
            database: format!("col_{siren}"),
            owner: format!("col_{siren}_owner"),
            reader: format!("col_{siren}_reader"),
        }
    }
}

/// The SIREN as an advisory lock's key: nine digits fit 31 bits.
pub(crate) fn lock_key(siren: &Siren) -> i32 {
    siren
        .as_str()
        .bytes()
        .fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_siren() {
        let siren: Siren = "211401187".parse().unwrap();
        let names = TenantNames::of(&siren);
        assert_eq!(names.database, "col_211401187");
        assert_eq!(names.owner, "col_211401187_owner");
        assert_eq!(names.reader, "col_211401187_reader");
        assert_eq!(lock_key(&siren), 211_401_187);
    }
}
