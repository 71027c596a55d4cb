//! Fixtures: Caen, its secrets, a migration, the platform.
// Helpers of tests, not all used by each: what clippy.toml allows in tests it sees only in `#[test]`.
#![allow(missing_docs, dead_code, clippy::unwrap_used)]

use k8s_openapi::api::rbac::v1::Subject;
use melouvert_api::{
    RegionSpec,
    migration::Source,
    region::{DatabaseServer, Images},
};
use melouvert_domain::{Lifecycle, MailDomain, NamespaceName, Siren};
use melouvert_tenant_template::{
    KeyPairPem, Material, Object, Pass, PlatformMaterial, PlatformSettings, SourceRange,
    TenantQuota, TenantResources, TenantVolume, ValidatedMigration, ValidatedTenant,
};
use secrecy::SecretString;
use serde_json::Value;

/// Every fixture's secret holds this word, so that a leak is found by searching for it.
pub const SECRET: &str = "s3cr3t";

pub fn secret(of: &str) -> SecretString {
    format!("{SECRET}-{of}").into()
}

pub fn pair(of: &str) -> KeyPairPem {
    KeyPairPem {
        chain: format!("certificate of {of}\n"),
        key: secret(of),
    }
}

pub fn tenant(lifecycle: Lifecycle) -> ValidatedTenant {
    let siren: Siren = "211401187".parse().unwrap();
    let domain = |text: &str| text.parse::<MailDomain>().unwrap();
    ValidatedTenant {
        uid: "6b1f2f0e-0000-4000-8000-000000000001".into(),
        namespace: NamespaceName::of(&siren),
        siren,
        legal_name: "Caen".into(),
        main_domain: domain("caen.example"),
        other_domains: vec![domain("ville-caen.example")],
        lifecycle,
        quota: TenantQuota {
            agents: 10_000,
            storage: "20Gi".parse().unwrap(),
            mailbox: "2Gi".parse().unwrap(),
        },
        volume: TenantVolume {
            size: "20Gi".parse().unwrap(),
            class: None,
        },
        resources: TenantResources {
            cpu_millis: 500,
            memory: "768Mi".parse().unwrap(),
        },
        region: region(),
        trusted_proxies: vec![],
        system_namespace: "melouvert-system".into(),
        last_known: "{}".into(),
        migrators: vec![Subject {
            api_group: Some("rbac.authorization.k8s.io".into()),
            kind: "Group".into(),
            name: "melouvert:hosters".into(),
            namespace: None,
        }],
    }
}

/// Caen in a region whose stores have a door for migrations.
pub fn tenant_with_door(lifecycle: Lifecycle) -> ValidatedTenant {
    let mut tenant = tenant(lifecycle);
    tenant.region.migration_door = true;
    tenant
}

pub fn region() -> RegionSpec {
    RegionSpec {
        base_domain: "normandie.melouvert.example".into(),
        storage_class: None,
        migration_door: false,
        images: Images {
            dovecot: "localhost/melouvert/dovecot:0.1.0".into(),
            exim: "localhost/melouvert/exim:0.1.0".into(),
            melouvert: "localhost/melouvert/operator:0.1.0".into(),
        },
        database: DatabaseServer {
            host: "melouvert-postgresql.melouvert-system.svc.cluster.local".into(),
            port: 5432,
            cidr: None,
            ca: None,
        },
        dns_cidrs: vec![],
        source_cidrs: vec![],
        own_cidrs: vec![],
        trusted_proxies: vec![],
    }
}

pub fn material() -> Material {
    Material {
        root_pem: "certificate of the region\n".into(),
        database_ca_pem: "certificate of the database\n".into(),
        ca: pair("tenant-ca"),
        server: pair("mail"),
        client: pair("client"),
        reader_password: secret("reader"),
        doveadm_api_key: secret("doveadm"),
        door_key: secret("door"),
        dkim_ed25519: secret("ed25519"),
        dkim_rsa: Some(secret("rsa")),
    }
}

pub fn migration() -> ValidatedMigration {
    let tenant = tenant(Lifecycle::Active);
    ValidatedMigration {
        uid: "6b1f2f0e-0000-4000-8000-000000000002".into(),
        name: "vague-1".parse().unwrap(),
        siren: tenant.siren,
        namespace: tenant.namespace,
        source: Source {
            host: "ancien.caen.example".into(),
            port: 993,
            cidrs: vec!["203.0.113.7/32".into()],
            ca: Some("certificate of the old server\n".into()),
            allow_cleartext: false,
            start_tls: false,
            auth: melouvert_api::migration::AuthSchema::Auto,
            master: None,
        },
        source_ranges: vec![SourceRange {
            range: "203.0.113.7/32".parse().unwrap(),
            except: vec![],
        }],
        root_pem: "certificate of the region\n".into(),
        image: tenant.region.images.melouvert,
        storage_class: Some("lent".into()),
        dns_cidrs: vec!["10.96.0.2/32".into()],
        system_namespace: tenant.system_namespace,
        door: false,
    }
}

pub fn pass() -> Pass {
    Pass {
        account: "0123456789".into(),
        target_user: "jeanne.martin@caen.example".into(),
        wave: "mairie".into(),
        accounts_secret: "migration-vague-1-a-accounts".into(),
        number: 3,
        verify_all: false,
        connections: Some(2),
        bytes_per_second: Some(1_000_000),
    }
}

pub fn platform() -> (PlatformSettings, PlatformMaterial) {
    let settings = PlatformSettings {
        system_namespace: "melouvert-system".into(),
        base_domain: "normandie.melouvert.example".into(),
        embedded_database: true,
        smarthost: None,
        trusted_proxies: vec![],
    };
    let material = PlatformMaterial {
        root: pair("region"),
        database: pair("postgresql"),
        relay_in: pair("relay-in"),
        relay_out: pair("relay-out"),
        relay_out_client: pair("relay-out-client"),
        api: pair("api"),
        database_password: secret("admin"),
    };
    (settings, material)
}

/// The pod template of a StatefulSet or Job.
pub fn pod_spec(object: &Object) -> Option<&Value> {
    object.value.pointer("/spec/template/spec")
}

pub fn find<'a>(
    objects: impl IntoIterator<Item = &'a Object>,
    kind: &str,
    name: &str,
) -> &'a Object {
    objects
        .into_iter()
        .find(|object| object.resource.kind == kind && object.name == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}
