//! Bad input: a clear error that names the field, a non-zero exit, nothing changed.

use anyhow::ensure;
use melouvert_e2e::{kubectl, melouvert, melouvert_refuses, platform, refuses, two_spaces};

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn onboarding_refuses_what_is_wrong() -> anyhow::Result<()> {
    two_spaces()?;
    let before = kubectl(&["get", "collectivities", "-o", "name"])?;
    let onboard = |siren: &str, domain: &str, more: &[&str]| {
        let base = [
            "collectivity",
            "onboard",
            "--siren",
            siren,
            "--domain",
            domain,
        ];
        melouvert_refuses(&[&base, more].concat())
    };
    for (siren, domain, more, expected) in [
        ("211401188", "x.example", &[][..], "Luhn"),
        ("732829320", "x.example", &[], "732829320"),
        ("211403662", "calvados.gouv.fr", &[], "gouv.fr"),
        ("211403662", "caen.example", &[], "caen.example"),
        (
            "211403662",
            "lisieux.example",
            &["--plan", "inconnu"],
            "inconnu",
        ),
    ] {
        let (code, said) = onboard(siren, domain, more)?;
        ensure!(
            code != 0 && said.contains(expected),
            "{siren} {domain}: {said}"
        );
    }
    ensure!(
        kubectl(&["get", "collectivities", "-o", "name"])? == before,
        "something was changed"
    );
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_bad_line_of_an_import_imports_nothing() -> anyhow::Result<()> {
    two_spaces()?;
    let before = melouvert(&["agent", "list", "--siren", "211401187", "-o", "name"])?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(
        file.path(),
        "address,name,quota,password\nbon@caen.example,Bon,,\nmauvais@rouen.example,Mauvais,,\n",
    )?;
    let path = file.path().to_string_lossy().into_owned();
    let (_, said) = melouvert_refuses(&["agent", "import", &path, "--siren", "211401187"])?;
    ensure!(
        said.contains('3') && said.contains("address"),
        "line and column are not named: {said}"
    );
    ensure!(
        melouvert(&["agent", "list", "--siren", "211401187", "-o", "name"])? == before,
        "imported"
    );
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn without_a_cluster_or_rights_the_remedy_is_told() -> anyhow::Result<()> {
    let (code, said) = refuses(
        platform()
            .melouvert()
            .env("KUBECONFIG", "/nonexistent")
            .args(["collectivity", "list"]),
    )?;
    ensure!(
        code != 0 && said.to_lowercase().contains("kubeconfig"),
        "{said}"
    );
    Ok(())
}
