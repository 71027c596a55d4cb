//! The tenant's mail Service: standard ports outside, unprivileged ones inside.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use crate::{Object, meta::Place};

use super::{NAME, ports};

/// `(name, Service port, pod port)`.
const PORTS: [(&str, i32, u16); 6] = [
    ("imaps", 993, ports::IMAPS),
    ("submissions", 465, ports::SUBMISSIONS),
    ("submission", 587, ports::SUBMISSION),
    ("sieve", 4190, ports::SIEVE),
    ("smtp", 1025, ports::SMTP),
    ("doveadm", 8081, ports::DOVEADM),
];
/// Behind the region's proxies, where it trusts any.
const PROXIED: [(&str, i32, u16); 2] = [
    ("imaps-proxied", 10993, ports::IMAPS_PROXIED),
    ("sieve-proxied", 14190, ports::SIEVE_PROXIED),
];
/// The migrations' own, where the region has it.
const DOOR: (&str, i32, u16) = ("imap-door", 994, ports::DOOR);

pub(crate) fn render(door: bool, proxied: bool, place: &Place<'_>) -> Object {
    let behind = PROXIED.into_iter().filter(|_| proxied);
    let all = PORTS.into_iter().chain(behind).chain(door.then_some(DOOR));
    let ports = all.map(|(name, port, target)| ServicePort {
        name: Some(name.into()),
        port,
        protocol: Some("TCP".into()),
        target_port: Some(IntOrString::Int(target.into())),
        ..ServicePort::default()
    });
    Object::of(&Service {
        metadata: place.meta(NAME),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            selector: Some(place.labels()),
            ports: Some(ports.collect()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    })
}
