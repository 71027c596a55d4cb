//! The Debian packages that each command calls, in one place.

use crate::progress::say;

/// What packages are needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Building and running the embedded Kubernetes.
    Cluster,
    /// Building images.
    Images,
    /// The try-out: an ordinary mail client, certificates.
    TryOut,
    /// The tests: a second mail server and client, an SQL server, second verifiers.
    Tests,
    /// The tests with GreenMail, besides.
    GreenMail,
    /// Measuring the migration engine beside its peers.
    Bench,
    /// Asking PostgreSQL about the SQL.
    Sqlx,
    /// Fetching the official directory.
    Directory,
}

/// The packages of a need.
pub fn packages(need: Need) -> &'static [&'static str] {
    match need {
        Need::Cluster => &melouvert_cluster::PACKAGES,
        Need::Images => &["binutils", "debian-archive-keyring", "dpkg", "mmdebstrap"],
        Need::TryOut => &["curl", "openssl"],
        Need::Tests => &[
            "curl",
            "dovecot-imapd",
            "libfaketime",
            "openssl",
            "postgresql",
            "pst-utils",
            "python3",
            "python3-dkim",
            "python3-nacl",
            "swaks",
        ],
        Need::GreenMail => &["default-jre-headless", "maven"],
        Need::Bench => &["dovecot-imapd", "isync", "offlineimap3", "python3"],
        Need::Sqlx => &["postgresql"],
        Need::Directory => &["npm"],
    }
}

/// Installs what is missing as root, in one go; otherwise says what to type.
pub fn require(needs: &[Need]) -> Result<(), melouvert_cluster::Error> {
    let mut all: Vec<&str> = needs
        .iter()
        .flat_map(|need| packages(*need))
        .copied()
        .collect();
    all.sort_unstable();
    all.dedup();
    melouvert_cluster::debian::require(&all, say)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_without_repeats() {
        for need in [
            Need::Cluster,
            Need::Images,
            Need::TryOut,
            Need::Tests,
            Need::GreenMail,
            Need::Bench,
            Need::Sqlx,
            Need::Directory,
        ] {
            let list = packages(need);
            assert!(list.is_sorted() && !list.is_empty(), "{need:?}: {list:?}");
            let mut once = list.to_vec();
            once.dedup();
            assert_eq!(once, list, "{need:?}");
        }
    }
}
