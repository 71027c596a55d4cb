//! The packed data against the figures published for them.

use melouvert_directory::{Directory, Form};
use melouvert_domain::CollectivityKind;

fn directory() -> Directory {
    Directory::open().expect("the committed data unpack")
}

#[test]
fn france_has_its_communes_and_epci() {
    let directory = directory();
    let count = |form| {
        directory
            .entries()
            .iter()
            .filter(|e| e.form == form)
            .count()
    };
    // 34,969 current communes, of which 94 overseas ones have no SIREN and cannot be tenants.
    assert_eq!(count(Form::Commune), 34_875);
    let epci = directory
        .entries()
        .iter()
        .filter(|e| e.form.kind() == CollectivityKind::Epci);
    assert_eq!(epci.count(), 1_255);
    assert_eq!(count(Form::MetropoleDeLyon), 1);
}

#[test]
fn normandy_is_complete() {
    let directory = directory();
    let norman: Vec<_> = directory
        .entries()
        .iter()
        .filter(|e| e.region == "28")
        .collect();
    let communes: Vec<_> = norman.iter().filter(|e| e.form == Form::Commune).collect();
    assert_eq!(communes.len(), 2_644);
    for (departement, expected) in [
        ("76", 707),
        ("27", 585),
        ("14", 526),
        ("50", 445),
        ("61", 381),
    ] {
        let found = communes
            .iter()
            .filter(|e| e.departement == departement)
            .count();
        assert_eq!(found, expected, "département {departement}");
    }
    assert_eq!(
        communes.iter().map(|e| e.population).sum::<u32>(),
        3_345_842
    );
    assert_eq!(communes.iter().map(|e| e.population).min(), Some(18));
    let forms = |form| norman.iter().filter(|e| e.form == form).count();
    assert_eq!(
        [
            forms(Form::CommunauteDeCommunes),
            forms(Form::CommunauteDAgglomeration),
            forms(Form::CommunauteUrbaine),
            forms(Form::Metropole),
        ],
        [54, 11, 3, 1]
    );
}

#[test]
fn sirens_and_codes_are_unique_and_found() {
    // Unpacking parses each SIREN, so each one passes Luhn.
    let directory = directory();
    for entry in directory.entries() {
        assert_eq!(directory.by_siren(&entry.siren), Some(entry));
        if let Some(code) = &entry.insee {
            assert_eq!(directory.by_insee(code), Some(entry));
        }
    }
    let caen = directory.by_siren(&"211401187".parse().unwrap()).unwrap();
    assert_eq!((caen.name.as_str(), caen.population), ("Caen", 109_400));
    assert!(directory.by_siren(&"356000000".parse().unwrap()).is_none());
}

#[test]
fn search_ignores_accents_and_prefers_the_same_name() {
    let directory = directory();
    let names = |text: &str, limit| -> Vec<String> {
        directory
            .search(text, limit)
            .iter()
            .map(|e| e.name.clone())
            .collect()
    };
    assert_eq!(names("evreux", 1), ["Évreux"]);
    assert_eq!(names("ROUEN", 1), ["Rouen"]);
    assert_eq!(names("l'hay les roses", 1), ["L'Haÿ-les-Roses"]);
    assert_eq!(names("saint", 3).len(), 3);
    assert!(names("", 5).is_empty() && names("xyzzy", 5).is_empty());
}

#[test]
fn the_packed_file_stays_small() {
    let bytes = include_bytes!("../data/directory.zst");
    assert!(bytes.len() < 700 * 1024, "{} bytes", bytes.len());
}
