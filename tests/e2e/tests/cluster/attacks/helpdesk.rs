//! The helpdesk of a space: migrations and passwords, no mailbox.

use anyhow::{Context, ensure};
use melouvert_e2e::{eventually, field, kubectl, two_spaces};
use serde_json::{Value, json};
use xtask::space::CAEN;

use super::bystander::{ADMINISTRATOR, a_space, would_refuse};

fn migration(namespace: &str, name: &str, accounts: &Value) -> Value {
    let mut spec = json!({"source": {"host": "imap.ancien.example", "port": 993, "cidrs": ["203.0.113.7/32"]},
        "paused": true});
    for (key, value) in accounts.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    json!({"apiVersion": "melouvert.fr/v1alpha1", "kind": "Migration",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

/// Attaque : nommer une clé de l'espace (sa CA, ses clés DKIM, ses mots de passe) comme liste de comptes
/// d'une migration, pour qu'elle parte avec elle.
/// Témoin : une liste de comptes.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn names_a_spaces_key_as_accounts() -> anyhow::Result<()> {
    let space = a_space()?;
    let ask = |accounts: Value| {
        would_refuse(
            ADMINISTRATOR,
            "create",
            &migration(&space, "essai", &accounts),
        )
    };
    let good = "migration-essai-1127-accounts";
    for accounts in [
        json!({"accountsSecret": good}),
        json!({"waves": [{"name": "a", "accountsSecret": good}]}),
    ] {
        let refusal = ask(accounts)?;
        ensure!(refusal.is_none(), "control: {refusal:?}");
    }
    for key in [
        "tenant-ca",
        "mail-tls",
        "mail-dkim",
        "mail-db",
        "migration-essai-0123456789",
    ] {
        for accounts in [
            json!({"accountsSecret": key}),
            json!({"waves": [{"name": "a", "accountsSecret": key}]}),
        ] {
            let said = ask(accounts)?.with_context(|| format!("{key} was accepted"))?;
            ensure!(said.contains("accountsSecret"), "{key}: {said}");
        }
    }
    Ok(())
}

/// Removes what a test made, also after a failure.
struct Removed(Vec<String>);

impl Drop for Removed {
    #[expect(clippy::print_stderr, reason = "nobody else hears of it")]
    fn drop(&mut self) {
        let namespace = format!("col-{}", CAEN.siren);
        let mut delete = vec![
            "delete",
            "--ignore-not-found",
            "--timeout=60s",
            "-n",
            &namespace,
        ];
        delete.extend(self.0.iter().map(String::as_str));
        if let Err(error) = kubectl(&delete) {
            eprintln!("{error:#}");
        }
    }
}

/// A Secret of accounts, as its maker labels it.
fn accounts(namespace: &str, name: &str, of: &str) -> anyhow::Result<()> {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": name, "namespace": namespace, "labels": {
            "app.kubernetes.io/component": "migration", "melouvert.fr/migration": of}},
        "stringData": {"accounts.csv": "source_user,source_password,target_user,target_password\n"}});
    super::super::fields::send(&["apply"], &secret).map(drop)
}

/// Attaque : faire d'une autre migration du même espace, par la liste de comptes nommée, la propriétaire
/// de mots de passe qui ne sont pas à elle.
/// Témoin : les siens la suivent.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn takes_another_migrations_accounts() -> anyhow::Result<()> {
    two_spaces()?;
    let space = format!("col-{}", CAEN.siren);
    let theirs = "migration-essai-autre-1-accounts";
    let own = "migration-essai-1-accounts";
    let removed = Removed(
        [
            "migration/essai",
            &format!("secret/{theirs}"),
            &format!("secret/{own}"),
        ]
        .map(Into::into)
        .into(),
    );
    // The name would do for a migration named essai as well: the label says whose it is.
    accounts(&space, theirs, "essai-autre")?;
    accounts(&space, own, "essai")?;
    let waves = json!({"waves": [{"name": "a", "accountsSecret": theirs}, {"name": "b", "accountsSecret": own}]});
    super::super::fields::send(&["apply"], &migration(&space, "essai", &waves))?;
    eventually("the operator's refusal", || {
        let path = r#"{.status.conditions[?(@.type=="Stalled")].message}"#;
        let said = field("migration", &space, "essai", path)?;
        ensure!(said.contains("spec.waves[a].accountsSecret"), "{said:?}");
        Ok(())
    })?;
    let owner = |secret: &str| {
        field(
            "secret",
            &space,
            secret,
            "{.metadata.ownerReferences[*].name}",
        )
    };
    eventually("the control: its own Secret follows it", || {
        let of = owner(own)?;
        ensure!(of == "essai", "owned by {of:?}");
        Ok(())
    })?;
    ensure!(
        owner(theirs)?.is_empty(),
        "the other migration's Secret was taken"
    );
    drop(removed);
    Ok(())
}

/// Attaque : ouvrir par `--source-cidr` la sortie d'une migration vers la plateforme, le serveur d'API,
/// les métadonnées ou un autre espace, sous toutes les formes d'une adresse.
/// Témoin : une adresse d'Internet, et celle que l'hébergeur a listée dans la région.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn opens_a_migration_to_the_platform() -> anyhow::Result<()> {
    let (caen, rouen) = two_spaces()?;
    let space = caen.namespace();
    let removed = Removed(
        ["migration/essai", "secret/migration-essai-1-accounts"]
            .map(Into::into)
            .into(),
    );
    accounts(&space, "migration-essai-1-accounts", "essai")?;
    let run = |cidrs: &[String]| {
        let mut object = migration(
            &space,
            "essai",
            &json!({"accountsSecret": "migration-essai-1-accounts"}),
        );
        object["spec"]["source"]["cidrs"] = json!(cidrs);
        super::super::fields::send(&["apply"], &object)
    };
    let stalled = || {
        let path = r#"{.metadata.generation} {range .status.conditions[?(@.type=="Stalled")]}{.observedGeneration} {.status} {.message}{end}"#;
        let said = field("migration", &space, "essai", path)?;
        let mut words = said.splitn(4, ' ');
        let (now, seen) = (words.next(), words.next());
        ensure!(seen.is_some() && now == seen, "not looked at yet: {said}");
        let holds = words.next() == Some("True");
        Ok((holds, words.next().unwrap_or_default().to_owned()))
    };
    let rouens = super::super::isolation::pod_address(&rouen.namespace(), "mail-0")?;
    let bad = [
        "0.0.0.0/0",
        "0.0.0.0/1",
        "::/0",
        "10.96.0.1/32",
        "10.77.0.1/32",
        "169.254.169.254/32",
        "127.0.0.1/32",
        "224.0.0.1/32",
        "100.64.0.1/32",
        "fe80::1/128",
        "::1/128",
        "64:ff9b::a60:1/128",
        "2002:a60:1::/48",
        "172.16.0.0/12",
        &format!("{rouens}/32"),
    ]
    .map(ToOwned::to_owned);
    run(&bad)?;
    let said = eventually("the operator's refusal", || {
        let (holds, said) = stalled()?;
        ensure!(holds && said.contains("spec.source.cidrs"), "{said:?}");
        Ok(said)
    })?;
    for (place, cidr) in bad.iter().enumerate() {
        ensure!(
            said.contains(&format!("spec.source.cidrs[{place}]")),
            "{cidr} is open: {said}"
        );
    }
    ensure!(
        kubectl(&["get", "networkpolicy", "migration-essai", "-n", &space]).is_err(),
        "a refused migration was let out"
    );
    run(&["203.0.113.7/32".to_owned(), "2001:db8::/64".to_owned()])?;
    eventually("the control: the Internet", || {
        let (_, said) = stalled()?;
        ensure!(!said.contains("spec.source"), "{said}");
        kubectl(&["get", "networkpolicy", "migration-essai", "-n", &space])
    })?;
    drop(removed);
    Ok(())
}
