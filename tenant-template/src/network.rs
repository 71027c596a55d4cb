//! Exactly the flows that a tenant needs: everything else is refused both ways.
//!
//! Ports are those of pods, not of Services: policies are judged after address translation.

use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule,
        NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use melouvert_api::labels::{self, component};
use melouvert_domain::{Cidr, source_range::Cidr as SourceCidr};

use crate::{
    Object, ValidatedTenant,
    mail::ports,
    meta::{Place, matching},
};

/// The label, with value `true`, of the region's pods that carry clients' connections to tenants.
pub const EDGE: &str = "melouvert.fr/edge";
/// The label that Kubernetes puts on each namespace with its name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// The port of the platform API's pod.
pub(crate) const PLATFORM_API_PORT: u16 = 8443;

/// Refuses everything that no other policy allows.
pub(crate) fn default_deny(place: &Place<'_>) -> Object {
    policy(
        place,
        "default-deny",
        LabelSelector::default(),
        vec![],
        vec![],
    )
}

/// Where the mail pod answers migrations: at their own door, if it has one.
pub(crate) fn migration_port(door: bool) -> u16 {
    if door { ports::DOOR } else { ports::IMAPS }
}

/// What the mail pod answers and asks.
pub(crate) fn mail(tenant: &ValidatedTenant, place: &Place<'_>) -> Object {
    let system = tenant.system_namespace.as_str();
    let edge = pods_of(system, (EDGE, "true"));
    let operator = pods_of(system, (labels::COMPONENT, component::OPERATOR));
    let relay_in = pods_of(system, (labels::COMPONENT, component::RELAY_IN));
    let relay_out = pods_of(system, (labels::COMPONENT, component::RELAY_OUT));
    let migrations = NetworkPolicyPeer {
        pod_selector: Some(matching([(labels::COMPONENT, component::MIGRATION)])),
        ..NetworkPolicyPeer::default()
    };
    let ingress = vec![
        clients(edge, &tenant.trusted_proxies),
        peers(vec![operator], &[ports::IMAPS, ports::SMTP, ports::DOVEADM]),
        peers(vec![relay_in], &[ports::SMTP]),
        peers(
            vec![migrations],
            &[migration_port(tenant.region.migration_door)],
        ),
    ];
    let egress = vec![
        dns(&tenant.region.dns_cidrs),
        to(vec![database(tenant)], &[tenant.region.database.port]),
        to(vec![relay_out], &[ports::RELAY_OUT]),
    ];
    let pods = matching([(labels::COMPONENT, component::MAIL)]);
    policy(place, component::MAIL, pods, ingress, egress)
}

fn database(tenant: &ValidatedTenant) -> NetworkPolicyPeer {
    match &tenant.region.database.cidr {
        Some(cidr) => block(cidr),
        None => pods_of(
            &tenant.system_namespace,
            (labels::COMPONENT, component::POSTGRES),
        ),
    }
}

/// The name servers: these addresses, or kube-dns' pods when none is given.
pub(crate) fn dns(cidrs: &[String]) -> NetworkPolicyEgressRule {
    let peers = if cidrs.is_empty() {
        vec![pods_of("kube-system", ("k8s-app", "kube-dns"))]
    } else {
        cidrs.iter().map(|cidr| block(cidr)).collect()
    };
    NetworkPolicyEgressRule {
        to: Some(peers),
        ports: Some(vec![port(53, "UDP"), port(53, "TCP")]),
    }
}

pub(crate) fn policy(
    place: &Place<'_>,
    name: &str,
    pods: LabelSelector,
    ingress: Vec<NetworkPolicyIngressRule>,
    egress: Vec<NetworkPolicyEgressRule>,
) -> Object {
    Object::of(&NetworkPolicy {
        metadata: place.meta(name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(pods),
            policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
            ingress: (!ingress.is_empty()).then_some(ingress),
            egress: (!egress.is_empty()).then_some(egress),
        }),
    })
}

pub(crate) fn pods_of(namespace: &str, label: (&str, &str)) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(matching([(NAMESPACE_NAME, namespace)])),
        pod_selector: Some(matching([label])),
        ip_block: None,
    }
}

pub(crate) fn block(cidr: &str) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.into(),
            except: None,
        }),
        ..NetworkPolicyPeer::default()
    }
}

/// A range but for what of it stays closed.
pub(crate) fn block_without(range: &SourceCidr, except: &[SourceCidr]) -> NetworkPolicyPeer {
    let except: Vec<String> = except.iter().map(ToString::to_string).collect();
    NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: range.to_string(),
            except: (!except.is_empty()).then_some(except),
        }),
        ..NetworkPolicyPeer::default()
    }
}

/// Where agents come in: through the edge, and where the region trusts proxies through these alone,
/// at the doors that take addresses from them.
fn clients(edge: NetworkPolicyPeer, proxies: &[Cidr]) -> NetworkPolicyIngressRule {
    let (imaps, sieve) = if proxies.is_empty() {
        (ports::IMAPS, ports::SIEVE)
    } else {
        (ports::IMAPS_PROXIED, ports::SIEVE_PROXIED)
    };
    let outside = proxies.iter().map(|cidr| block(&cidr.to_string()));
    peers(
        std::iter::once(edge).chain(outside).collect(),
        &[imaps, ports::SUBMISSIONS, ports::SUBMISSION, sieve],
    )
}

fn peers(peers: Vec<NetworkPolicyPeer>, ports: &[u16]) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: Some(peers),
        ports: Some(ports.iter().map(|number| port(*number, "TCP")).collect()),
    }
}

pub(crate) fn to(peers: Vec<NetworkPolicyPeer>, ports: &[u16]) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: Some(peers),
        ports: Some(ports.iter().map(|number| port(*number, "TCP")).collect()),
    }
}

fn port(number: u16, protocol: &str) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(number.into())),
        protocol: Some(protocol.into()),
        end_port: None,
    }
}
