//! One pass as a Job: its pod, and the worker's command line.

use k8s_openapi::{
    api::{
        batch::v1::{
            Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
            PodFailurePolicyRule,
        },
        core::v1::{
            Affinity, Container, PodAffinity, PodAffinityTerm, PodSpec, PodTemplateSpec,
            ProjectedVolumeSource, ServiceAccountTokenProjection, Volume, VolumeProjection,
        },
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use melouvert_api::labels::{self, ACCOUNT, MIGRATION, PASS, WAVE, component};

use super::{
    CPU_LIMIT_MILLIS, DISK_LIMIT, MEMORY_LIMIT, PASSWORD, Pass, TOKEN_AUDIENCE, ValidatedMigration,
};
use crate::{
    certificates,
    meta::{Place, matching},
    pod::{
        self, MEBI, Share, claim_volume, config_volume, mount, read_only, scratch, secret_volume,
    },
};

/// How long a token is good for, in seconds; kubelet renews it before.
const TOKEN_SECONDS: i64 = 3600;
/// How long a pass that is stopped may take to end.
const GRACE_SECONDS: i64 = 60;
const CONFIG: &str = "/etc/melouvert";
const TOKEN: &str = "/var/run/melouvert";
const DOOR: &str = "/door";

/// Renders the Job of a pass.
pub(super) fn job(
    migration: &ValidatedMigration,
    pass: &Pass,
    door: bool,
    place: &Place<'_>,
) -> Job {
    let mut meta = place.meta(&migration.job_name(&pass.account));
    let own = [
        (MIGRATION, migration.name.to_string()),
        (WAVE, pass.wave.clone()),
        (ACCOUNT, pass.account.clone()),
        (PASS, pass.number.to_string()),
    ];
    let own = || {
        own.iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
    };
    let mut labels = place.labels();
    labels.extend(own());
    meta.labels.get_or_insert_default().extend(own());
    Job {
        metadata: meta,
        spec: Some(JobSpec {
            backoff_limit: Some(3),
            completions: Some(1),
            parallelism: Some(1),
            // Two workers on one state would only refuse each other.
            pod_replacement_policy: Some("Failed".into()),
            pod_failure_policy: Some(no_vain_attempt()),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod_spec(migration, pass, door)),
            },
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

/// Once the proof is handed over, another attempt would find the same wrong password or full mailbox
/// and lock accounts: the worker's exit codes 2 to 4 (bad input, partial, failed) end the Job.
fn no_vain_attempt() -> PodFailurePolicy {
    PodFailurePolicy {
        rules: vec![PodFailurePolicyRule {
            action: "FailJob".into(),
            on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                container_name: Some("worker".into()),
                operator: "In".into(),
                values: vec![2, 3, 4],
            }),
            ..PodFailurePolicyRule::default()
        }],
    }
}

fn pod_spec(migration: &ValidatedMigration, pass: &Pass, door: bool) -> PodSpec {
    let shared = migration.shared_name();
    let mut volumes = vec![
        claim_volume("state", &shared),
        config_volume("config", &shared),
        secret_volume("accounts", &pass.accounts_secret, &["accounts.csv"]),
        token_volume(),
        scratch("tmp", 256, false),
    ];
    if door {
        let secret = migration.job_name(&pass.account);
        volumes.push(secret_volume("door", &secret, &[PASSWORD]));
    }
    PodSpec {
        service_account_name: Some(component::MIGRATION.into()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        restart_policy: Some("Never".into()),
        // What is in flight is acknowledged and journalled before the end.
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        affinity: Some(together(migration)),
        security_context: Some(pod::pod_security()),
        containers: vec![worker(migration, pass, door)],
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

/// All passes mount one volume, which most storage attaches to one node.
fn together(migration: &ValidatedMigration) -> Affinity {
    Affinity {
        pod_affinity: Some(PodAffinity {
            required_during_scheduling_ignored_during_execution: Some(vec![PodAffinityTerm {
                label_selector: Some(matching([
                    (labels::COMPONENT, component::MIGRATION),
                    (MIGRATION, migration.name.as_str()),
                ])),
                topology_key: "kubernetes.io/hostname".into(),
                ..PodAffinityTerm::default()
            }]),
            ..PodAffinity::default()
        }),
        ..Affinity::default()
    }
}

fn token_volume() -> Volume {
    Volume {
        name: "token".into(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(0o440),
            sources: Some(vec![VolumeProjection {
                service_account_token: Some(ServiceAccountTokenProjection {
                    audience: Some(TOKEN_AUDIENCE.into()),
                    expiration_seconds: Some(TOKEN_SECONDS),
                    path: "token".into(),
                }),
                ..VolumeProjection::default()
            }]),
        }),
        ..Volume::default()
    }
}

fn worker(migration: &ValidatedMigration, pass: &Pass, door: bool) -> Container {
    let share = Share {
        cpu_request_millis: 20,
        cpu_limit_millis: CPU_LIMIT_MILLIS,
        memory_request: 48 * MEBI,
        memory_limit: MEMORY_LIMIT,
        disk_request: 16 * MEBI,
        disk_limit: DISK_LIMIT,
    };
    let mut mounts = vec![
        mount("state", "/state"),
        mount("tmp", "/tmp"),
        read_only("config", CONFIG),
        read_only("accounts", "/accounts"),
        read_only("token", TOKEN),
    ];
    if door {
        mounts.push(read_only("door", DOOR));
    }
    Container {
        name: "worker".into(),
        image: Some(migration.image.clone()),
        image_pull_policy: Some("IfNotPresent".into()),
        command: Some(vec!["melouvert".into()]),
        args: Some(arguments(migration, pass, door)),
        resources: Some(share.requirements()),
        security_context: Some(pod::container_security()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn arguments(migration: &ValidatedMigration, pass: &Pass, door: bool) -> Vec<String> {
    let source = &migration.source;
    let mut all = vec!["migrate".to_owned(), "worker".to_owned()];
    let mut option = |name: &str, value: String| all.extend([format!("--{name}"), value]);
    option("accounts", "/accounts/accounts.csv".into());
    option("source", source.url());
    if let Some(auth) = source.auth.parameter() {
        option("source-auth", auth.into());
    }
    if let Some(master) = &source.master {
        option("source-master", master.clone());
    }
    if source.ca.is_some() {
        option("source-ca", format!("{CONFIG}/source-ca.pem"));
    }
    let mail = certificates::mail_host(&migration.namespace);
    if door {
        option("target", format!("{mail}:994"));
        option("target-password", format!("{DOOR}/{PASSWORD}"));
    } else {
        option("target", format!("{mail}:993"));
    }
    option("target-ca", format!("{CONFIG}/ca.crt"));
    option("state", "/state".into());
    option("account", pass.account.clone());
    option("pass", pass.number.to_string());
    if let Some(connections) = pass.connections {
        option("max-connections", connections.to_string());
    }
    if let Some(rate) = pass.bytes_per_second {
        option("limit-rate", rate.to_string());
    }
    let system = &migration.system_namespace;
    option(
        "api",
        format!("https://melouvert-api.{system}.svc.cluster.local:443"),
    );
    option("api-ca", format!("{CONFIG}/ca.crt"));
    option("token-file", format!("{TOKEN}/token"));
    option("siren", migration.siren.to_string());
    option("name", migration.name.to_string());
    option("uid", migration.uid.clone());
    if pass.verify_all {
        all.push("--verify-all".into());
    }
    all
}
