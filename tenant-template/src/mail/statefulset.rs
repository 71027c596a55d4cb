//! The StatefulSet of the mail pod.

use k8s_openapi::{
    api::{
        apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy},
        core::v1::{Container, PodSpec, PodTemplateSpec, Volume, VolumeMount},
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use melouvert_domain::Lifecycle;

use crate::{
    Object, ValidatedTenant,
    certificates::{CLIENT_SECRET, SERVER_SECRET},
    meta::{Place, strings},
    pod::{
        self, MEBI, Share, claim_volume, config_volume, mount, port, read_only, scratch,
        secret_volume, tcp_probe,
    },
};

use super::{
    CLAIM, CONFIG_MAP, DKIM_SECRET, NAME, SERVERS_SECRET,
    config::{DOVECOT_SECRETS, EXIM_SECRETS},
    paths, ports,
};

/// The annotation of the pod template that changes with the pod's configuration and secrets.
pub const CONTENT_HASH: &str = "melouvert.fr/content-hash";

/// One mail pod, or none while the space ends; `content` is the hash of what the pod mounts.
pub(crate) fn render(tenant: &ValidatedTenant, place: &Place<'_>, content: &str) -> Object {
    let replicas = i32::from(tenant.lifecycle != Lifecycle::Terminating);
    let labels = place.labels();
    Object::of(&StatefulSet {
        metadata: place.meta(NAME),
        spec: Some(StatefulSetSpec {
            replicas: Some(replicas),
            service_name: Some(NAME.into()),
            pod_management_policy: Some("Parallel".into()),
            revision_history_limit: Some(2),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".into()),
                ..StatefulSetUpdateStrategy::default()
            }),
            selector: LabelSelector {
                match_labels: Some(labels.clone()),
                ..LabelSelector::default()
            },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(strings([(CONTENT_HASH, content)])),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(tenant)),
            },
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    })
}

fn pod(tenant: &ValidatedTenant) -> PodSpec {
    PodSpec {
        service_account_name: Some(NAME.into()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(10),
        security_context: Some(pod::pod_security()),
        containers: vec![dovecot(tenant), exim(tenant)],
        volumes: Some(volumes()),
        ..PodSpec::default()
    }
}

fn volumes() -> Vec<Volume> {
    vec![
        claim_volume("data", CLAIM),
        config_volume("config", CONFIG_MAP),
        // Each server sees its own part: Exim holds no key of Dovecot's administration.
        secret_volume("dovecot-secrets", SERVERS_SECRET, &[DOVECOT_SECRETS]),
        secret_volume("exim-secrets", SERVERS_SECRET, &[EXIM_SECRETS]),
        secret_volume("tls", SERVER_SECRET, &[]),
        secret_volume("client-tls", CLIENT_SECRET, &[]),
        secret_volume("dkim", DKIM_SECRET, &[]),
        scratch("auth-run", 1, true),
        scratch("dovecot-run", 16, true),
        scratch("dovecot-state", 16, false),
        scratch("dovecot-tmp", 64, false),
        scratch("exim-tmp", 64, false),
    ]
}

fn dovecot(tenant: &ValidatedTenant) -> Container {
    let memory = tenant.resources.memory.bytes();
    let cpu = u64::from(tenant.resources.cpu_millis);
    let share = Share {
        cpu_request_millis: 10,
        cpu_limit_millis: cpu - cpu / 3,
        memory_request: 64 * MEBI,
        memory_limit: memory - memory / 3,
        disk_request: 16 * MEBI,
        disk_limit: 192 * MEBI,
    };
    let mounts = vec![
        sub_path("data", "mail", paths::MAIL),
        mount("auth-run", paths::AUTH_RUN),
        mount("dovecot-run", paths::DOVECOT_RUN),
        mount("dovecot-state", paths::DOVECOT_STATE),
        mount("dovecot-tmp", paths::TMP),
        read_only("config", paths::CONFIG),
        read_only("dovecot-secrets", paths::SECRETS),
        read_only("tls", paths::TLS),
    ];
    let mut listens = vec![
        port("imaps", ports::IMAPS),
        port("sieve", ports::SIEVE),
        port("doveadm", ports::DOVEADM),
    ];
    if !tenant.trusted_proxies.is_empty() {
        listens.push(port("imaps-proxied", ports::IMAPS_PROXIED));
        listens.push(port("sieve-proxied", ports::SIEVE_PROXIED));
    }
    if tenant.region.migration_door {
        listens.push(port("imap-door", ports::DOOR));
    }
    let image = &tenant.region.images.dovecot;
    container("dovecot", image, "imaps", listens, mounts, share)
}

fn exim(tenant: &ValidatedTenant) -> Container {
    let share = Share {
        cpu_request_millis: 10,
        cpu_limit_millis: u64::from(tenant.resources.cpu_millis) / 3,
        memory_request: 32 * MEBI,
        memory_limit: tenant.resources.memory.bytes() / 3,
        disk_request: 16 * MEBI,
        disk_limit: 192 * MEBI,
    };
    let mounts = vec![
        sub_path("data", "exim", paths::SPOOL),
        mount("auth-run", paths::AUTH_RUN),
        mount("exim-tmp", paths::TMP),
        read_only("config", paths::CONFIG),
        read_only("exim-secrets", paths::SECRETS),
        read_only("tls", paths::TLS),
        read_only("client-tls", paths::CLIENT_TLS),
        read_only("dkim", paths::DKIM),
    ];
    let listens = vec![
        port("smtp", ports::SMTP),
        port("submissions", ports::SUBMISSIONS),
        port("submission", ports::SUBMISSION),
    ];
    let image = &tenant.region.images.exim;
    container("exim", image, "smtp", listens, mounts, share)
}

fn container(
    name: &str,
    image: &str,
    probed: &str,
    listens: Vec<k8s_openapi::api::core::v1::ContainerPort>,
    mounts: Vec<VolumeMount>,
    share: Share,
) -> Container {
    Container {
        name: name.into(),
        image: Some(image.into()),
        image_pull_policy: Some("IfNotPresent".into()),
        ports: Some(listens),
        startup_probe: Some(tcp_probe(probed, 1, 120)),
        readiness_probe: Some(tcp_probe(probed, 5, 2)),
        liveness_probe: Some(tcp_probe(probed, 15, 4)),
        resources: Some(share.requirements()),
        security_context: Some(pod::container_security()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn sub_path(volume: &str, folder: &str, path: &str) -> VolumeMount {
    VolumeMount {
        sub_path: Some(folder.into()),
        ..mount(volume, path)
    }
}
