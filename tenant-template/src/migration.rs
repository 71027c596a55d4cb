//! A migration's Job and what it needs: state, trust, a token, and egress to the source alone.

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
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use melouvert_api::{
    labels::{self, ACCOUNT, MIGRATION, PASS, WAVE, component},
    migration::Source,
};
use melouvert_domain::{NamespaceName, ResourceName, Siren};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::{
    Object, Wave, certificates,
    mail::claim,
    meta::{Place, Strings, matching},
    network::{self, PLATFORM_API_PORT},
    pod::{
        self, MEBI, Share, claim_volume, config_volume, mount, read_only, scratch, secret_volume,
    },
};

/// The longest name of a Migration: its Jobs are named `migration-<name>-<account>` and a Job's name
/// has at most 63 characters.
pub const MIGRATION_NAME_MAXIMUM: usize = 42;
/// Hexadecimal digits of an account's identifier.
pub const ACCOUNT_LENGTH: usize = 10;
/// The audience of the Job's token: the platform API accepts it, the Kubernetes API does not.
pub const TOKEN_AUDIENCE: &str = "melouvert";
/// How long a token is good for, in seconds; kubelet renews it before.
const TOKEN_SECONDS: i64 = 3600;
/// The size of the volume with a migration's journal, in bytes.
pub(crate) const STATE_BYTES: u64 = 1024 * MEBI;
/// Processor time of a Job at most, in thousandths of a core.
pub(crate) const CPU_LIMIT_MILLIS: u64 = 500;
/// Memory of a Job at most: the engine's 64 MiB and 32 MiB for its account.
pub(crate) const MEMORY_LIMIT: u64 = 96 * MEBI;
/// Scratch disk of a Job at most, for messages too large for memory.
pub(crate) const DISK_LIMIT: u64 = 320 * MEBI;
/// How long a pass that is stopped may take to end.
const GRACE_SECONDS: i64 = 60;

const CONFIG: &str = "/etc/melouvert";
const TOKEN: &str = "/var/run/melouvert";
const DOOR: &str = "/door";
/// The key of a pass's Secret.
const PASSWORD: &str = "password";

/// A migration whose every field was checked.
#[derive(Debug, Clone)]
pub struct ValidatedMigration {
    /// The UID of the Migration: its objects go with it.
    pub uid: String,
    /// Its name, at most [`MIGRATION_NAME_MAXIMUM`] characters.
    pub name: ResourceName,
    /// The tenant.
    pub siren: Siren,
    /// The tenant's namespace.
    pub namespace: NamespaceName,
    /// The legacy server.
    pub source: Source,
    /// The region's root, PEM.
    pub root_pem: String,
    /// The image with `melouvert`.
    pub image: String,
    /// The StorageClass of its state; the cluster's default when absent.
    pub storage_class: Option<String>,
    /// Where name servers answer; kube-dns when empty.
    pub dns_cidrs: Vec<String>,
    /// The namespace of the platform API.
    pub system_namespace: String,
    /// Whether the space's store has a door for migrations.
    pub door: bool,
}

impl ValidatedMigration {
    /// The name of what all accounts share: policy, ConfigMap and volume.
    pub fn shared_name(&self) -> String {
        format!("migration-{}", self.name)
    }

    /// The name of an account's Job.
    pub fn job_name(&self, account: &str) -> String {
        format!("migration-{}-{account}", self.name)
    }
}

/// One pass over one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The account's identifier within the migration: [`ACCOUNT_LENGTH`] hexadecimal digits.
    pub account: String,
    /// Its wave.
    pub wave: String,
    /// The account's address in the space.
    pub target_user: String,
    /// The Secret with `accounts.csv`, whose line of this account is used alone.
    pub accounts_secret: String,
    /// The pass's number.
    pub number: u32,
    /// Whether everything is read back, not only what is new.
    pub verify_all: bool,
    /// Connections to the source at most.
    pub connections: Option<u32>,
    /// Bytes a second read from the source at most.
    pub bytes_per_second: Option<u64>,
}

/// What all passes share: the border, and the volume of the journals. Applying it again changes
/// nothing.
pub fn render_migration(migration: &ValidatedMigration) -> Vec<Wave> {
    let place = place(migration);
    let shared = migration.shared_name();
    let size = format!("{}Mi", STATE_BYTES / MEBI);
    let state = claim(&place, &shared, size, migration.storage_class.clone());
    vec![
        Wave {
            name: "border",
            objects: vec![
                policy(migration, &place),
                Object::of(&place.config_map(&shared, files(migration))),
            ],
        },
        Wave {
            name: "state",
            objects: vec![Object::of(&state)],
        },
    ]
}

/// The Job of one pass over one account. Where the space's store has a door, whose key is given, a
/// Secret of the same name comes first: the password with which the Job goes through.
pub fn render_pass(
    migration: &ValidatedMigration,
    pass: &Pass,
    door_key: Option<&SecretString>,
) -> Vec<Object> {
    let place = place(migration);
    let secret = door_key.map(|key| {
        let password = door_password(&pass.target_user, key);
        let content = [(PASSWORD, password.expose_secret())];
        Object::of(&place.secret(&migration.job_name(&pass.account), "Opaque", content))
    });
    let door = secret.is_some();
    let job = Object::of(&job(migration, pass, door, &place));
    secret.into_iter().chain([job]).collect()
}

/// The password of one account at the door: as the query in `dovecot-secrets.conf` makes it. It
/// opens no other account, and no other port.
fn door_password(user: &str, key: &SecretString) -> SecretString {
    let key = key.expose_secret();
    hex::encode(Sha256::digest(format!("{user}:{key}"))).into()
}

fn place(migration: &ValidatedMigration) -> Place<'_> {
    Place {
        namespace: Some(migration.namespace.as_str()),
        siren: Some(&migration.siren),
        component: component::MIGRATION,
        owner: Some(owner(migration)),
    }
}

fn owner(migration: &ValidatedMigration) -> OwnerReference {
    OwnerReference {
        api_version: format!("{}/{}", melouvert_api::GROUP, melouvert_api::VERSION),
        kind: "Migration".into(),
        name: migration.name.to_string(),
        uid: migration.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

fn policy(migration: &ValidatedMigration, place: &Place<'_>) -> Object {
    let mail = k8s_openapi::api::networking::v1::NetworkPolicyPeer {
        pod_selector: Some(matching([(labels::COMPONENT, component::MAIL)])),
        ..Default::default()
    };
    let system = migration.system_namespace.as_str();
    let operator = network::pods_of(system, (labels::COMPONENT, component::OPERATOR));
    let source = &migration.source;
    let cidrs = source.cidrs.iter().map(|cidr| network::block(cidr));
    let egress = vec![
        network::dns(&migration.dns_cidrs),
        network::to(vec![mail], &[network::migration_port(migration.door)]),
        network::to(cidrs.collect(), &[source.port]),
        network::to(vec![operator], &[PLATFORM_API_PORT]),
    ];
    let pods = matching([
        (labels::COMPONENT, component::MIGRATION),
        (MIGRATION, migration.name.as_str()),
    ]);
    network::policy(place, &migration.shared_name(), pods, vec![], egress)
}

fn files(migration: &ValidatedMigration) -> Strings {
    let mut files = Strings::from([("ca.crt".to_owned(), migration.root_pem.clone())]);
    if let Some(ca) = &migration.source.ca {
        files.insert("source-ca.pem".into(), ca.clone());
    }
    files
}

fn job(migration: &ValidatedMigration, pass: &Pass, door: bool, place: &Place<'_>) -> Job {
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
