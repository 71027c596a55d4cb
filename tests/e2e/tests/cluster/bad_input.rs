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
fn broken_resources_are_refused_field_by_field() -> anyhow::Result<()> {
    let good = serde_json::json!({
        "apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity", "metadata": {"name": "col-211403662"},
        "spec": {"siren": "211403662", "legalName": "Lisieux", "kind": "Commune", "inseeCode": "14366",
            "population": 20000, "region": "normandie", "plan": "ville", "domains": ["lisieux.example"]},
    });
    let apply = |object: &serde_json::Value| {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), object.to_string())?;
        kubectl(&[
            "apply",
            "--dry-run=server",
            "-f",
            &file.path().to_string_lossy(),
        ])
    };
    apply(&good)?;
    for (pointer, value, expected) in [
        (
            "/metadata/name",
            serde_json::json!("lisieux"),
            "col-<spec.siren>",
        ),
        ("/spec/siren", serde_json::json!("211403663"), "spec.siren"),
        ("/spec/legalName", serde_json::json!(""), "spec.legalName"),
        ("/spec/kind", serde_json::json!("Village"), "spec.kind"),
        (
            "/spec/inseeCode",
            serde_json::json!("2C366"),
            "spec.inseeCode",
        ),
        ("/spec/population", serde_json::json!(-1), "spec.population"),
        ("/spec/region", serde_json::json!(""), "spec.region"),
        ("/spec/plan", serde_json::json!(""), "spec.plan"),
        ("/spec/domains", serde_json::json!([]), "spec.domains"),
        (
            "/spec/domains",
            serde_json::json!(["lisieux.gouv.fr"]),
            "spec.domains",
        ),
        (
            "/spec/domains",
            serde_json::json!(["a.example", "a.example"]),
            "spec.domains",
        ),
    ] {
        let mut broken = good.clone();
        *broken.pointer_mut(pointer).expect("the field is there") = value;
        let said = apply(&broken).map_or_else(|error| error.to_string(), |_| "accepted".into());
        ensure!(said.contains(expected), "{pointer}: {said}");
    }
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

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn the_operator_away_is_told_as_such() -> anyhow::Result<()> {
    two_spaces()?;
    kubectl(&[
        "scale",
        "statefulset",
        "melouvert-operator",
        "-n",
        "melouvert-system",
        "--replicas=0",
    ])?;
    kubectl(&[
        "wait",
        "pod/melouvert-operator-0",
        "-n",
        "melouvert-system",
        "--for=delete",
        "--timeout=60s",
    ])?;
    let refused = melouvert_refuses(&["agent", "list", "--siren", "211401187"]);
    kubectl(&[
        "scale",
        "statefulset",
        "melouvert-operator",
        "-n",
        "melouvert-system",
        "--replicas=1",
    ])?;
    melouvert_e2e::eventually("the operator", || {
        kubectl(&[
            "wait",
            "pod/melouvert-operator-0",
            "-n",
            "melouvert-system",
            "--for=condition=Ready",
            "--timeout=60s",
        ])
    })?;
    let (code, said) = refused?;
    ensure!(
        code == 6 && said.contains("opérateur"),
        "exit code {code}: {said}"
    );
    Ok(())
}
