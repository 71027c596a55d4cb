//! The API server, the definitions, the policies, the offers.

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::{Api, Client, api::ListParams};
use melouvert_api::{Collectivity, GROUP, Plan, Region, VERSION};

use super::{Check, Verdict};
use crate::{
    kube::explain,
    text::{Text, text},
};

/// The policies that the chart installs.
const POLICIES: [&str; 22] = [
    "melouvert-access-deletion",
    "melouvert-accounts-secrets",
    "melouvert-authors",
    "melouvert-bindings",
    "melouvert-changed-by",
    "melouvert-collectivity-deletion",
    "melouvert-definitions",
    "melouvert-definitions-at-once",
    "melouvert-domains",
    "melouvert-finalizer",
    "melouvert-operator-bindings",
    "melouvert-operator-elsewhere",
    "melouvert-operator-namespaces",
    "melouvert-operator-reach",
    "melouvert-operator-secrets",
    "melouvert-operator-workloads",
    "melouvert-plan-in-use",
    "melouvert-region-in-use",
    "melouvert-space-forged",
    "melouvert-space-marks",
    "melouvert-space-owners",
    "melouvert-tenant-data",
];
const KINDS: [&str; 5] = ["Access", "Collectivity", "Migration", "Plan", "Region"];

/// Whether the API server answers, and its version.
pub async fn server(client: &Client) -> Check {
    let subject = text!("Serveur Kubernetes", "Kubernetes server");
    match client.apiserver_version().await {
        Ok(version) => Check::new(subject, Verdict::Ok, Text::verbatim(version.git_version)),
        Err(error) => {
            let doing = text!("joindre le serveur", "reach the server");
            let mut check = Check::error(subject, explain(&error, &doing));
            check.verdict = Verdict::Failed;
            check
        }
    }
}

/// Whether the server serves every kind: it lists only established definitions.
pub async fn definitions(client: &Client) -> Check {
    let subject = text!("Définitions (CRD)", "Definitions (CRDs)");
    let install = text!(
        "installez le chart charts/melouvert-crds",
        "install the chart charts/melouvert-crds"
    );
    let served = match client
        .list_api_group_resources(&format!("{GROUP}/{VERSION}"))
        .await
    {
        Ok(list) => list
            .resources
            .into_iter()
            .map(|r| r.kind)
            .collect::<Vec<_>>(),
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        Err(error) => {
            let doing = text!("lire les définitions", "read the definitions");
            return Check::error(subject, explain(&error, &doing));
        }
    };
    let missing: Vec<_> = KINDS
        .iter()
        .filter(|kind| !served.iter().any(|s| s == *kind))
        .copied()
        .collect();
    if missing.is_empty() {
        let kinds = KINDS.join(", ");
        return Check::new(subject, Verdict::Ok, Text::verbatim(kinds));
    }
    let missing = missing.join(", ");
    Check::new(
        subject,
        Verdict::Failed,
        text!("absentes : {missing}", "absent: {missing}"),
    )
    .remedy(install)
}

/// Whether the rules that protect tenants are in force.
pub async fn policies(client: &Client) -> Check {
    let subject = text!("Règles d'admission", "Admission policies");
    let api: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let present = match api.list(&ListParams::default()).await {
        Ok(list) => list
            .items
            .into_iter()
            .filter_map(|p| p.metadata.name)
            .collect::<Vec<_>>(),
        Err(error) => {
            let doing = text!("lire les règles d'admission", "read the admission policies");
            return Check::error(subject, explain(&error, &doing));
        }
    };
    let missing: Vec<_> = POLICIES
        .iter()
        .filter(|name| !present.iter().any(|p| p == *name))
        .copied()
        .collect();
    if missing.is_empty() {
        return Check::new(subject, Verdict::Ok, text!("en vigueur", "in force"));
    }
    let missing = missing.join(", ");
    Check::new(
        subject,
        Verdict::Failed,
        text!("absentes : {missing}", "absent: {missing}"),
    )
    .remedy(text!(
        "réinstallez le chart charts/melouvert : sans elles une suppression serait immédiate",
        "install the chart charts/melouvert again: without them a deletion would be immediate"
    ))
}

/// Whether there is something to offer and somewhere to host.
pub async fn offers(client: &Client) -> [Check; 2] {
    let plans = Api::<Plan>::all(client.clone())
        .list(&ListParams::default())
        .await;
    let regions = Api::<Region>::all(client.clone())
        .list(&ListParams::default())
        .await;
    [
        some(
            text!("Offres", "Plans"),
            plans.map(|l| {
                l.items
                    .into_iter()
                    .filter_map(|p| p.metadata.name)
                    .collect()
            }),
            "Plan",
        ),
        some(
            text!("Régions", "Regions"),
            regions.map(|l| {
                l.items
                    .into_iter()
                    .filter_map(|r| r.metadata.name)
                    .collect()
            }),
            "Region",
        ),
    ]
}

/// Regions that no space rests on, beside those that some do: left behind, nothing keeps them.
pub async fn unused_regions(client: &Client, all: &[Collectivity]) -> Option<Check> {
    let subject = text!("Régions sans espace", "Regions without a space");
    let regions = Api::<Region>::all(client.clone())
        .list(&ListParams::default())
        .await;
    let regions = match regions {
        Ok(regions) => regions.items,
        Err(error) => {
            let doing = text!("lire les objets Region", "read the Region objects");
            return Some(Check::error(subject, explain(&error, &doing)));
        }
    };
    let names: Vec<String> = regions
        .into_iter()
        .filter_map(|r| r.metadata.name)
        .collect();
    let unused = left_behind(&names, all);
    (!unused.is_empty()).then(|| {
        Check::new(subject, Verdict::Attention, Text::verbatim(unused)).remedy(text!(
            "une installation sert une seule région : supprimez celles qui ne servent plus",
            "an installation serves one region: delete those that are of no use any more"
        ))
    })
}

fn left_behind(names: &[String], all: &[Collectivity]) -> String {
    let rests = |name: &String| all.iter().any(|object| object.spec.region == *name);
    if !names.iter().any(rests) {
        return String::new();
    }
    let unused = names.iter().filter(|name| !rests(name)).map(String::as_str);
    unused.collect::<Vec<_>>().join(", ")
}

/// Whether the servers know where clients are: without, no SPF verdict and no bound by address.
pub async fn proxies(client: &Client) -> Check {
    let subject = text!("Adresse des clients", "Clients' addresses");
    match Api::<Region>::all(client.clone())
        .list(&ListParams::default())
        .await
    {
        Ok(list) => told_by(subject, &list.items),
        Err(error) => {
            let doing = text!("lire les objets Region", "read the Region objects");
            Check::error(subject, explain(&error, &doing))
        }
    }
}

fn told_by(subject: Text, regions: &[Region]) -> Check {
    let blind: Vec<_> = regions
        .iter()
        .filter(|region| region.spec.trusted_proxies.is_empty())
        .filter_map(|region| region.metadata.name.as_deref())
        .collect();
    if blind.is_empty() {
        let seen = text!("dite par les mandataires", "told by the proxies");
        return Check::new(subject, Verdict::Ok, seen);
    }
    let blind = blind.join(", ");
    Check::new(
        subject,
        Verdict::Attention,
        text!(
            "inconnue dans {blind} : ni verdict SPF, ni blocage par adresse",
            "unknown in {blind}: no SPF verdict, no lock-out by address"
        ),
    )
    .remedy(text!(
        "mettez devant les serveurs un mandataire qui parle PROXY v2, et nommez-le dans region.trustedProxies",
        "put a proxy that speaks PROXY v2 before the servers, and name it in region.trustedProxies"
    ))
}

fn some(subject: Text, names: kube::Result<Vec<String>>, kind: &str) -> Check {
    match names {
        Ok(names) if names.is_empty() => {
            Check::new(subject, Verdict::Failed, text!("aucune", "none")).remedy(text!(
                "créez un objet {kind} : sans lui aucun espace ne peut s'ouvrir",
                "create a {kind}: without one no space can be opened"
            ))
        }
        Ok(names) => Check::new(subject, Verdict::Ok, Text::verbatim(names.join(", "))),
        Err(error) => {
            let doing = text!("lire les objets {kind}", "read the {kind} objects");
            Check::error(subject, explain(&error, &doing))
        }
    }
}

#[cfg(test)]
mod tests {
    use melouvert_api::{
        RegionSpec,
        region::{DatabaseServer, Images},
    };

    use super::*;

    fn region(name: &str, proxies: &[&str]) -> Region {
        let image = || "i:1".to_owned();
        let spec = RegionSpec {
            base_domain: "essai.example".into(),
            storage_class: None,
            migration_door: false,
            images: Images {
                dovecot: image(),
                exim: image(),
                melouvert: image(),
            },
            database: DatabaseServer {
                host: "pg".into(),
                port: 5432,
                cidr: None,
                ca: None,
            },
            dns_cidrs: vec![],
            source_cidrs: Vec::new(),
            own_cidrs: Vec::new(),
            trusted_proxies: proxies.iter().map(|&text| text.into()).collect(),
        };
        Region::new(name, spec)
    }

    #[test]
    fn a_region_that_trusts_no_proxy_is_named() {
        let (seeing, blind) = (region("a", &["192.0.2.0/28"]), region("b", &[]));
        let check = told_by(text!("x", "x"), &[seeing.clone(), blind]);
        assert_eq!(check.verdict, Verdict::Attention);
        assert!(check.seen.en.contains("unknown in b:"), "{:?}", check.seen);
        assert!(check.remedy.is_some());
        assert_eq!(told_by(text!("x", "x"), &[seeing]).verdict, Verdict::Ok);
    }
}
