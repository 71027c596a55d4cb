//! Which domain belongs to which space: what objects tell, and what stands of the last table when
//! they do not tell.

use std::collections::BTreeMap;

use kube::ResourceExt;
use melouvert_api::{
    Collectivity,
    collectivity::{LifecycleSchema, UnalignedMailSchema},
};
use melouvert_domain::{MailDomain, NamespaceName};
use melouvert_tenant_template::Route;

use crate::tenant::validate;

/// The domains that tenants were accepted with, of those that are not ending. A domain that two of
/// them have goes to the older one. A deletion that was asked too early changes nothing: the space
/// still stands.
pub fn told<'a>(tenants: impl IntoIterator<Item = &'a Collectivity>) -> Vec<Route> {
    let mut served: Vec<&Collectivity> = tenants.into_iter().filter(|t| !ends(t)).collect();
    served.sort_by_key(|tenant| validate::seniority(tenant));
    let mut owners = BTreeMap::new();
    for tenant in served {
        let Some(namespace) = NamespaceName::parse(&tenant.name_any()) else {
            continue;
        };
        for domain in validate::served(tenant) {
            let junk = tenant.spec.unaligned_mail == UnalignedMailSchema::Junk;
            owners
                .entry(domain)
                .or_insert_with(|| (namespace.clone(), junk));
        }
    }
    owners
        .into_iter()
        .map(|(domain, (namespace, junk))| Route {
            domain,
            namespace,
            junk,
        })
        .collect()
}

fn ends(tenant: &Collectivity) -> bool {
    tenant.spec.lifecycle == LifecycleSchema::Terminating
}

/// What becomes of a route of the last table that no object tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is known to be over: the space ends, or the domain was taken off it.
    Over,
    /// It stands: the object tells nothing of its domains, as after a restore.
    Stands,
    /// There is no such object: it stands as long as its namespace does, which goes before the
    /// object when a space is erased.
    Orphan,
}

/// What becomes of `route`, that [`told`] does not tell of `tenants`.
pub fn fate(route: &Route, tenants: &[&Collectivity]) -> Fate {
    let holder = tenants
        .iter()
        .find(|tenant| tenant.name_any() == route.namespace.as_str());
    let Some(holder) = holder else {
        return Fate::Orphan;
    };
    let asked = holder
        .spec
        .domains
        .iter()
        .any(|domain| domain.eq_ignore_ascii_case(route.domain.as_str()));
    let told = validate::served(holder);
    if ends(holder) || (!told.is_empty() && !asked) {
        Fate::Over
    } else {
        Fate::Stands
    }
}

/// The routes of a table, as its `senders` and `unaligned` files tell them; what is no route is left
/// out.
pub fn read(senders: &str, unaligned: &str) -> Vec<Route> {
    let lenient = |domain: &str| {
        let mut lines = unaligned.lines();
        lines.any(|line| {
            line.split_once(": ")
                .is_some_and(|(held, _)| held == domain)
        })
    };
    let route = |line: &str| {
        let (domain, namespace) = line.split_once(": ")?;
        Some(Route {
            domain: domain.parse::<MailDomain>().ok()?,
            namespace: NamespaceName::parse(namespace.trim())?,
            junk: lenient(domain),
        })
    };
    senders.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tenant(siren: &str, domain: &str, created: i64, lifecycle: &str) -> Collectivity {
        serde_json::from_value(json!({
            "apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity",
            "metadata": {"name": format!("col-{siren}"), "uid": siren,
                "creationTimestamp": jiff::Timestamp::from_second(created).unwrap().to_string()},
            "spec": {"siren": siren, "legalName": "x", "kind": "Commune", "population": 1,
                "region": "r", "plan": "p", "domains": [domain], "lifecycle": lifecycle},
            "status": {"dnsRecords": [{"name": format!("{domain}."), "type": "MX", "value": "10 mx.r."}]},
        }))
        .unwrap()
    }

    fn lines(tenants: &[Collectivity]) -> Vec<String> {
        told(tenants)
            .iter()
            .map(|route| format!("{} {}", route.domain, route.namespace))
            .collect()
    }

    #[test]
    fn a_domain_goes_to_its_first_holder_and_ending_spaces_get_none() {
        let mut pending = tenant("200054781", "pending.example", 1, "Active");
        pending.status = None;
        let tenants = [
            tenant("217605401", "caen.example", 20, "Active"),
            tenant("211401187", "caen.example", 10, "Active"),
            tenant("356000000", "rouen.example", 10, "Suspended"),
            tenant("552100554", "ended.example", 10, "Terminating"),
            pending,
        ];
        let expected = ["caen.example col-211401187", "rouen.example col-356000000"];
        assert_eq!(lines(&tenants), expected);
        let reversed: Vec<_> = tenants.iter().rev().cloned().collect();
        assert_eq!(
            lines(&reversed),
            expected,
            "the order of the list does not matter"
        );
    }

    #[test]
    fn a_deletion_asked_too_early_keeps_the_route() {
        let mut leaving = tenant("211401187", "caen.example", 1, "Active");
        leaving.metadata.deletion_timestamp = leaving.metadata.creation_timestamp.clone();
        assert_eq!(lines(&[leaving]), ["caen.example col-211401187"]);
    }

    #[test]
    fn what_no_object_tells_stands_unless_it_is_known_to_be_over() {
        let route = &read("caen.example: col-211401187\n", "")[0];
        let holder = tenant("211401187", "caen.example", 1, "Active");
        let mut restored = holder.clone();
        restored.status = None;
        let ending = tenant("211401187", "caen.example", 1, "Terminating");
        let moved = tenant("211401187", "autre.example", 1, "Active");
        let stranger = tenant("217605401", "rouen.example", 1, "Active");
        // Somebody emptied the status: the domain is still asked for.
        let mut altered = moved.clone();
        altered.spec.domains = vec!["Caen.example".into()];
        for (tenants, expected) in [
            (vec![&restored, &stranger], Fate::Stands),
            (vec![&altered], Fate::Stands),
            (vec![&ending], Fate::Over),
            (vec![&moved], Fate::Over),
            (vec![&stranger], Fate::Orphan),
            (vec![], Fate::Orphan),
        ] {
            assert_eq!(fate(route, &tenants), expected, "{tenants:?}");
        }
    }

    #[test]
    fn a_table_is_read_whatever_else_it_holds() {
        let garbled =
            "caen.example: col-211401187\nx\n: \nrouen.example col-217605401\nno: col-1\n";
        let routes = read(garbled, "caen.example: Junk\n");
        assert_eq!(routes.len(), 1, "{routes:?}");
        assert!(routes[0].junk, "its choice was forgotten: {routes:?}");
        let other = read(garbled, "rouen.example: Junk\n");
        assert!(!other[0].junk, "{other:?}");
        assert!(read("", "").is_empty());
    }
}
