//! What the operator is told at start.

use std::num::NonZeroU16;

use clap::{Args, Parser, Subcommand};
use k8s_openapi::api::rbac::v1::Subject;

/// The operator of Melouvert: it turns each Collectivity into a mail space and keeps it so.
#[derive(Debug, Parser)]
#[command(name = "melouvert-operator", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controllers, the platform API and the health endpoints until SIGTERM
    Run(Settings),
}

/// How the operator is configured; every flag has its environment variable.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Namespace that the operator runs in
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: String,
    /// Name of the operator's pod
    #[arg(long, env = "POD_NAME")]
    pub pod_name: String,
    /// UID of the operator's pod: a pod that replaces another has its name, and waits for its lease
    #[arg(long, env = "POD_UID")]
    pub pod_uid: String,
    /// Host name of the region's PostgreSQL, as its certificate carries it
    #[arg(long, env = "MELOUVERT_DATABASE_HOST")]
    pub database_host: String,
    /// Port of the region's PostgreSQL
    #[arg(long, env = "MELOUVERT_DATABASE_PORT", default_value_t = 5432)]
    pub database_port: u16,
    /// Secret of the operator's namespace with the administrator's username and password
    #[arg(
        long,
        env = "MELOUVERT_DATABASE_SECRET",
        default_value = "melouvert-postgresql"
    )]
    pub database_secret: String,
    /// Region that the installation serves; the first by name when absent
    #[arg(long, env = "MELOUVERT_REGION")]
    pub region: Option<String>,
    /// Where outgoing mail goes, `host` or `host::port`; the recipients' MX when absent
    #[arg(long, env = "MELOUVERT_SMARTHOST")]
    pub smarthost: Option<String>,
    /// Who runs migrations on the whole region, as a JSON list of RBAC subjects
    #[arg(long, env = "MELOUVERT_MIGRATORS", default_value = "[]")]
    pub migrators: Subjects,
    /// How many tenants are reconciled at once
    #[arg(long, env = "MELOUVERT_WORKERS", default_value = "4")]
    pub workers: NonZeroU16,
    /// Address of the health and metrics server
    #[arg(long, env = "MELOUVERT_HEALTH_LISTEN", default_value = "0.0.0.0:8080")]
    pub health_listen: std::net::SocketAddr,
    /// Address of the platform API
    #[arg(long, env = "MELOUVERT_API_LISTEN", default_value = "0.0.0.0:8443")]
    pub api_listen: std::net::SocketAddr,
}

/// People, groups and accounts, as the chart's values name them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Subjects(pub Vec<Subject>);

impl std::str::FromStr for Subjects {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut subjects: Vec<Subject> = serde_json::from_str(text)?;
        for subject in &mut subjects {
            // As the API server completes it: what it adds would be taken for drift.
            subject.api_group = match subject.kind.as_str() {
                "ServiceAccount" => None,
                _ => Some("rbac.authorization.k8s.io".into()),
            };
        }
        Ok(Self(subjects))
    }
}

impl Settings {
    /// Whether the database is the chart's own.
    pub fn embedded_database(&self) -> bool {
        let own = format!("melouvert-postgresql.{}.svc", self.namespace);
        self.database_host.starts_with(&own)
    }

    /// Who this process is in the lease.
    pub fn identity(&self) -> String {
        format!("{}_{}", self.pod_name, self.pod_uid)
    }

    /// The user name under which the operator's own acts are journaled.
    pub fn own_identity(&self) -> String {
        format!(
            "system:serviceaccount:{}:{OPERATOR_ACCOUNT}",
            self.namespace
        )
    }
}

/// The operator's ServiceAccount, lease and field name.
pub const OPERATOR_ACCOUNT: &str = "melouvert-operator";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn subjects_are_read_as_the_api_server_keeps_them() {
        let text =
            r#"[{"kind":"Group","name":"h"},{"kind":"ServiceAccount","name":"a","namespace":"n"}]"#;
        let Subjects(read) = text.parse().unwrap();
        assert_eq!(
            read[0].api_group.as_deref(),
            Some("rbac.authorization.k8s.io")
        );
        assert_eq!(read[1].api_group, None);
        assert!("hosters".parse::<Subjects>().is_err());
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
