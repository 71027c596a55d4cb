//! Labels, annotations and fixed object names that components agree on.

/// Who made an object: [`MANAGER`].
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`] and the field manager of every apply.
pub const MANAGER: &str = "melouvert";
/// The SIREN of the tenant that an object belongs to.
pub const SIREN: &str = "melouvert.fr/siren";
/// What an object is for within its tenant: `mail`, `migration`.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// The migration that a Job or pod works for: another migration's source stays out of its reach.
pub const MIGRATION: &str = "melouvert.fr/migration";
/// The wave of the account that a Job copies.
pub const WAVE: &str = "melouvert.fr/wave";
/// The identifier of the account that a Job copies.
pub const ACCOUNT: &str = "melouvert.fr/account";
/// The number of the pass that a Job makes over its account.
pub const PASS: &str = "melouvert.fr/pass";
/// The hash of an object as rendered: equal means that an apply would change nothing.
pub const RENDERED_HASH: &str = "melouvert.fr/rendered-hash";
/// The authenticated user whose request last changed a spec, stamped by the API server
/// (MutatingAdmissionPolicy of the chart), never by the client.
pub const CHANGED_BY: &str = "melouvert.fr/changed-by";
/// The authors of the last changes of a spec, the newest first: `<generation>=<user>` a line,
/// stamped like [`CHANGED_BY`], which has room for one.
pub const AUTHORS: &str = "melouvert.fr/authors";
/// On a `Collectivity`: what may be made again although it was made once and is lost, by somebody
/// who answers for it: `database`, `dkim`, `volume`, separated by commas.
pub const MAKE_ANEW: &str = "melouvert.fr/make-anew";
/// Who wrote [`MAKE_ANEW`], stamped by the API server.
pub const MAKE_ANEW_BY: &str = "melouvert.fr/make-anew-by";
/// On a tenant's namespace: the UID of the Collectivity that it was opened for.
pub const COLLECTIVITY_UID: &str = "melouvert.fr/collectivity-uid";
/// On a tenant's namespace: the namespace of the operator that opened it. Another installation's
/// operator leaves it alone. As a label too: with [`SIREN`] and [`MANAGED_BY`] it is the mark that
/// admission policies hold the operator to.
pub const INSTALLATION: &str = "melouvert.fr/installation";
/// On a tenant's namespace: the region and the plan that it was last rendered with, JSON. They stand
/// in when the objects are gone, or while a change of them is tried on another space.
pub const LAST_KNOWN: &str = "melouvert.fr/last-known";
/// The finalizer that keeps a `Collectivity` until its data are erased.
pub const FINALIZER: &str = "melouvert.fr/tenant";

/// ClusterRole that the operator binds to itself in each tenant's namespace.
pub const TENANT_MANAGER_ROLE: &str = "melouvert-tenant-manager";
/// ClusterRole that the operator binds to a tenant's `migration` ServiceAccount.
pub const MIGRATION_WORKER_ROLE: &str = "melouvert-migration-worker";
/// ClusterRole to create the Secrets of migrations' accounts, bound in spaces alone.
pub const MIGRATION_ACCOUNTS_ROLE: &str = "melouvert-migration-accounts";
/// Component label values.
pub mod component {
    /// The mail pod.
    pub const MAIL: &str = "mail";
    /// A migration's Job.
    pub const MIGRATION: &str = "migration";
    /// Who has which role in the space.
    pub const ACCESS: &str = "access";
    /// The operator and platform API.
    pub const OPERATOR: &str = "operator";
    /// The region's inbound relay.
    pub const RELAY_IN: &str = "relay-in";
    /// The region's outbound relay.
    pub const RELAY_OUT: &str = "relay-out";
    /// The region's PostgreSQL.
    pub const POSTGRES: &str = "postgresql";
}
