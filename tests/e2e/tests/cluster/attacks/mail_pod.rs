//! Whoever runs code in the mail pod of a space: its files, its certificates, its network.

use anyhow::ensure;
use melouvert_e2e::two_spaces;

/// Attaque : depuis le conteneur d'Exim, lire la clé d'administration de Dovecot ou atteindre ses
/// prises d'administration.
/// Témoin : le conteneur de Dovecot les voit ; celui d'Exim voit ses propres secrets et la prise des
/// mots de passe.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn administers_the_store_from_exims_container() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    let list = |container: &str, folder: &str| caen.exec(container, &["busybox", "ls", folder]);
    let own = list("dovecot", "/run/dovecot")?;
    ensure!(own.contains("master"), "control: Dovecot's sockets: {own}");
    let own = list("dovecot", "/etc/melouvert-secrets")?;
    ensure!(own.trim() == "dovecot-secrets.conf", "{own}");

    let seen = list("exim", "/etc/melouvert-secrets")?;
    ensure!(seen.trim() == "exim-secrets.conf", "Exim sees {seen}");
    let seen = list("exim", "/run/auth")?;
    ensure!(seen.trim() == "client", "Exim sees {seen}");
    ensure!(
        list("exim", "/run/dovecot").is_err(),
        "Exim sees Dovecot's sockets"
    );
    Ok(())
}
