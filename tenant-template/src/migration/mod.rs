//! A migration's Job and what it needs: state, trust, a token, and egress to the source alone.

mod job;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use melouvert_api::{
    labels::{self, MIGRATION, component},
    migration::Source,
};
use melouvert_domain::{NamespaceName, ResourceName, Siren, source_range::Cidr};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::{
    Object, Wave,
    mail::claim,
    meta::{Place, Strings, matching},
    network::{self, PLATFORM_API_PORT},
    pod::MEBI,
};

/// The longest name of a Migration: its Jobs are named `migration-<name>-<account>` and a Job's name
/// has at most 63 characters.
pub const MIGRATION_NAME_MAXIMUM: usize = 42;
/// Hexadecimal digits of an account's identifier.
pub const ACCOUNT_LENGTH: usize = 10;
/// The audience of the Job's token: the platform API accepts it, the Kubernetes API does not.
pub const TOKEN_AUDIENCE: &str = "melouvert";
/// The size of the volume with a migration's journal, in bytes.
pub(crate) const STATE_BYTES: u64 = 1024 * MEBI;
/// Processor time of a Job at most, in thousandths of a core.
pub(crate) const CPU_LIMIT_MILLIS: u64 = 500;
/// Memory of a Job at most: the engine's 64 MiB and 32 MiB for its account.
pub(crate) const MEMORY_LIMIT: u64 = 96 * MEBI;
/// Scratch disk of a Job at most, for messages too large for memory.
pub(crate) const DISK_LIMIT: u64 = 320 * MEBI;
/// The key of a pass's Secret.
const PASSWORD: &str = "password";

/// Addresses that a migration's Jobs are let out to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRange {
    /// The range.
    pub range: Cidr,
    /// What of it stays closed.
    pub except: Vec<Cidr>,
}

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
    /// Where it answers, as far as migrations are let out.
    pub source_ranges: Vec<SourceRange>,
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
    let job = Object::of(&job::job(migration, pass, door, &place));
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
    let ranges = migration.source_ranges.iter();
    let ranges = ranges.map(|one| network::block_without(&one.range, &one.except));
    let egress = vec![
        network::dns(&migration.dns_cidrs),
        network::to(vec![mail], &[network::migration_port(migration.door)]),
        network::to(ranges.collect(), &[migration.source.port]),
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
