//! A hoster's own PostgreSQL: outside Melouvert's chart and namespaces, under an authority of its
//! own, with an administrator who is no superuser.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use serde_json::json;
use xtask::{legacy, platform::Platform, wait};

const NAMESPACE: &str = "base-externe";
/// The role given to Melouvert: `CREATEDB`, `CREATEROLE`, nothing more.
pub const USER: &str = "hebergeur";
/// Its password.
pub const PASSWORD: &str = "mot-de-passe-de-hebergeur";
const SUPERUSER: &str = "mot-de-passe-du-superutilisateur";
/// Who the image's server runs as.
const UID: u32 = 10001;

/// A server that answers.
pub struct ExternalServer<'a> {
    platform: &'a Platform,
    /// Its name, which its certificate carries.
    pub host: String,
    /// Its address.
    pub address: String,
    /// The PEM file of its authority.
    pub authority: PathBuf,
}

impl<'a> ExternalServer<'a> {
    /// Starts one on an empty volume.
    pub fn start(platform: &'a Platform) -> anyhow::Result<Self> {
        let state = platform.cluster.kubeconfig().with_file_name(NAMESPACE);
        if state.exists() {
            fs::remove_dir_all(&state).context("failed to empty the server's folder")?;
        }
        let config = state.join("config");
        fs::create_dir_all(&config).context("failed to make a folder")?;
        let host = format!("pg.{NAMESPACE}.svc.cluster.local");
        let authority = legacy::certificate(&state, &host)?;
        fs::write(
            config.join("postgresql.conf"),
            "listen_addresses = '*'\nunix_socket_directories = ''\ndynamic_shared_memory_type = mmap\n\
             jit = off\nmax_connections = 60\nssl = on\n\
             ssl_cert_file = '/etc/melouvert/tls.pem'\nssl_key_file = '/etc/melouvert/tls.key'\n",
        )?;
        fs::write(
            config.join("pg_hba.conf"),
            "hostssl all all all scram-sha-256\n",
        )?;
        fs::write(config.join("password"), SUPERUSER)?;
        own(&config)?;
        let mut server = Self {
            platform,
            host,
            address: String::new(),
            authority,
        };
        server.address = server.run(&state)?;
        server.psql(
            "postgres",
            &format!("create role {USER} login createdb createrole password '{PASSWORD}'"),
        )?;
        Ok(server)
    }

    /// Runs SQL as the server's superuser, whom Melouvert does not know.
    pub fn psql(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let script = "read -r PGPASSWORD < /etc/melouvert/password; export PGPASSWORD; exec psql -X -A -t -v ON_ERROR_STOP=1 -h localhost -U postgres -d \"$1\" -c \"$2\"";
        let inside = ["exec", "-n", NAMESPACE, "pg", "--", "sh", "-c", script];
        let arguments = [&inside[..], &["sh", database, sql]].concat();
        Ok(self.platform.cluster.kubectl(&arguments)?)
    }

    fn run(&self, state: &Path) -> anyhow::Result<String> {
        let cluster = &self.platform.cluster;
        let manifest = state.join("manifest.json");
        fs::write(&manifest, self.objects(state)?.to_string())?;
        let path = manifest.to_string_lossy().into_owned();
        // A new namespace's default ServiceAccount appears a moment after it.
        wait::until("the server's namespace", Duration::from_secs(20), || {
            Ok(cluster.kubectl(&["apply", "-f", &path])?)
        })?;
        let ready = ["wait", "pod/pg", "-n", NAMESPACE, "--for=condition=Ready"];
        cluster.kubectl(&[&ready[..], &["--timeout=90s"]].concat())?;
        let address = ["get", "pod", "pg", "-n", NAMESPACE, "-o"];
        Ok(cluster.kubectl(&[&address[..], &["jsonpath={.status.podIP}"]].concat())?)
    }

    fn objects(&self, state: &Path) -> anyhow::Result<serde_json::Value> {
        let image = self.platform.image("postgresql")?;
        Ok(json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pg", "namespace": NAMESPACE},
             "spec": {"clusterIP": "None", "selector": {"app": "pg"}, "ports": [{"port": 5432}]}},
            {"apiVersion": "v1", "kind": "Pod",
             "metadata": {"name": "pg", "namespace": NAMESPACE, "labels": {"app": "pg"}},
             "spec": {
                "securityContext": {"runAsUser": UID, "runAsGroup": UID, "fsGroup": UID},
                "containers": [{
                    "name": "postgresql",
                    "image": image.reference,
                    "imagePullPolicy": "IfNotPresent",
                    "env": [{"name": "POSTGRES_USER", "value": "postgres"},
                            {"name": "POSTGRES_PASSWORD_FILE", "value": "/etc/melouvert/password"}],
                    "readinessProbe": {"tcpSocket": {"port": 5432}, "periodSeconds": 1},
                    "volumeMounts": [
                        {"name": "config", "mountPath": "/etc/melouvert"},
                        {"name": "data", "mountPath": "/var/lib/postgresql/data"}],
                }],
                "volumes": [
                    {"name": "config", "hostPath": {"path": state.join("config"), "type": "Directory"}},
                    {"name": "data", "emptyDir": {}}],
             }},
        ]}))
    }
}

/// The files belong to the server, the key to it alone.
fn own(config: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(config)? {
        chown(entry?.path(), Some(UID), Some(UID))?;
    }
    fs::set_permissions(config.join("tls.key"), fs::Permissions::from_mode(0o600))?;
    Ok(())
}
