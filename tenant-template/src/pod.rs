//! What every pod of Melouvert has in common: Pod Security "restricted" and small parts.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Capabilities, ConfigMapVolumeSource, ContainerPort, EmptyDirVolumeSource, KeyToPath,
        PersistentVolumeClaimVolumeSource, PodSecurityContext, Probe, ResourceRequirements,
        SeccompProfile, SecretVolumeSource, SecurityContext, TCPSocketAction, Volume, VolumeMount,
    },
    apimachinery::pkg::{api::resource::Quantity, util::intstr::IntOrString},
};

/// The user, group and volume group of every process.
pub(crate) const USER: i64 = 10_001;
/// Bytes in a mebibyte.
pub(crate) const MEBI: u64 = 1 << 20;
/// Secrets are readable by the pod's group alone.
const SECRET_MODE: i32 = 0o440;

pub(crate) fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        fs_group: Some(USER),
        // A volume of millions of messages is not walked at each start.
        fs_group_change_policy: Some("OnRootMismatch".into()),
        run_as_group: Some(USER),
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        seccomp_profile: Some(seccomp()),
        ..PodSecurityContext::default()
    }
}

pub(crate) fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".into()]),
            ..Capabilities::default()
        }),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        seccomp_profile: Some(seccomp()),
        ..SecurityContext::default()
    }
}

fn seccomp() -> SeccompProfile {
    SeccompProfile {
        type_: "RuntimeDefault".into(),
        ..SeccompProfile::default()
    }
}

/// What a container is promised and what it may not exceed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) cpu_request_millis: u64,
    pub(crate) cpu_limit_millis: u64,
    pub(crate) memory_request: u64,
    pub(crate) memory_limit: u64,
    pub(crate) disk_request: u64,
    pub(crate) disk_limit: u64,
}

impl Share {
    /// Requests never exceed limits, and no figure is zero, however small the plan.
    pub(crate) fn requirements(self) -> ResourceRequirements {
        let cpu = |millis: u64| format!("{}m", millis.max(1));
        let mebi = |bytes: u64| format!("{}Mi", (bytes / MEBI).max(1));
        let of = |cpu: String, memory: String, disk: String| {
            Some(quantities([
                ("cpu", cpu),
                ("memory", memory),
                ("ephemeral-storage", disk),
            ]))
        };
        ResourceRequirements {
            requests: of(
                cpu(self.cpu_request_millis.min(self.cpu_limit_millis)),
                mebi(self.memory_request.min(self.memory_limit)),
                mebi(self.disk_request.min(self.disk_limit)),
            ),
            limits: of(
                cpu(self.cpu_limit_millis),
                mebi(self.memory_limit),
                mebi(self.disk_limit),
            ),
            ..ResourceRequirements::default()
        }
    }
}

pub(crate) fn quantities<'a>(
    pairs: impl IntoIterator<Item = (&'a str, String)>,
) -> BTreeMap<String, Quantity> {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Quantity(value)))
        .collect()
}

/// Asks whether a port accepts connections.
pub(crate) fn tcp_probe(port: &str, period_seconds: i32, failures: i32) -> Probe {
    Probe {
        tcp_socket: Some(TCPSocketAction {
            port: IntOrString::String(port.into()),
            ..TCPSocketAction::default()
        }),
        period_seconds: Some(period_seconds),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

pub(crate) fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.into()),
        container_port: number.into(),
        ..ContainerPort::default()
    }
}

pub(crate) fn scratch(name: &str, mebi: u64, in_memory: bool) -> Volume {
    Volume {
        name: name.into(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: in_memory.then(|| "Memory".into()),
            size_limit: Some(Quantity(format!("{mebi}Mi"))),
        }),
        ..Volume::default()
    }
}

pub(crate) fn config_volume(name: &str, config_map: &str) -> Volume {
    Volume {
        name: name.into(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.into(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// A Secret's files: all of them when `keys` is empty.
pub(crate) fn secret_volume(name: &str, secret: &str, keys: &[&str]) -> Volume {
    let items = keys.iter().map(|key| KeyToPath {
        key: (*key).into(),
        path: (*key).into(),
        mode: None,
    });
    Volume {
        name: name.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.into()),
            default_mode: Some(SECRET_MODE),
            items: (!keys.is_empty()).then(|| items.collect()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

pub(crate) fn claim_volume(name: &str, claim: &str) -> Volume {
    Volume {
        name: name.into(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.into(),
            ..PersistentVolumeClaimVolumeSource::default()
        }),
        ..Volume::default()
    }
}

pub(crate) fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.into(),
        mount_path: path.into(),
        ..VolumeMount::default()
    }
}

pub(crate) fn read_only(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..mount(volume, path)
    }
}
