//! The operator of Melouvert.
//!
//! Owns: the controllers that turn `Collectivity` and `Migration` objects into running spaces and
//! `Access` objects into rights, the bootstrap of a region's own keys and settings, the relays' maps, the platform API, health and
//! metrics.
//! Must not know: how an object is rendered (`melouvert-tenant-template`), how a certificate is
//! made (`melouvert-pki`), any SQL (`melouvert-store`).
//!
//! # Rights
//!
//! The chart grants exactly these (verbs in full; nothing by wildcard):
//!
//! | Where | Resources | Verbs |
//! | --- | --- | --- |
//! | cluster | `collectivities`, `plans`, `regions`, `migrations`, `accesses` | get, list, watch |
//! | cluster | `collectivities` (finalizer) | patch |
//! | cluster | `collectivities/status`, `migrations/status`, `accesses/status`, `plans/status`, `regions/status` | patch |
//! | cluster | `collectivities/finalizers`, `migrations/finalizers` | update |
//! | cluster | `namespaces` | get, list, watch, create, patch, delete |
//! | cluster | `rolebindings` | get, list, watch, create, patch |
//! | cluster | `clusterroles` named `melouvert-tenant-manager`, `-migration-worker`, `-migration-accounts`, `-dsi`, `-helpdesk`, `-auditor` | bind |
//! | cluster | `secrets`, `configmaps`, `services`, `serviceaccounts`, `persistentvolumeclaims`, `resourcequotas`, `statefulsets`, `networkpolicies`, `jobs` (metadata) | list, watch |
//! | cluster | `events.k8s.io/events` | create, patch |
//! | cluster | `tokenreviews`, `subjectaccessreviews` | create |
//! | each tenant, by `melouvert-tenant-manager` | `secrets`, `configmaps`, `services`, `serviceaccounts`, `persistentvolumeclaims`, `resourcequotas`, `limitranges`, `statefulsets`, `networkpolicies`, `jobs` | get, create, patch |
//! | own namespace | `secrets`, `configmaps` | get, create, patch |
//! | own namespace | `pods` | list, patch (metadata) |
//! | own namespace | `statefulsets` | patch |
//! | own namespace | `leases` | get, create, patch, update |
//! | `kube-system` | ConfigMap `extension-apiserver-authentication` | get |
//!
//! The API server checks `list` and `watch` by resource, not by what is asked of it: the right to
//! watch the metadata of Secrets is the right to list them whole. The operator never does; its
//! token is the key of the region all the same, and stays in its pod.

pub mod access;
pub mod alarms;
pub mod backoff;
pub mod bootstrap;
pub mod cluster;
pub mod database;
pub mod deferred;
pub mod errors;
pub mod events;
pub mod heads;
pub mod health;
pub mod leader;
pub mod metrics;
pub mod migration;
pub mod observe;
pub mod offers;
pub mod platform;
pub mod relays;
pub mod rollout;
pub mod run;
pub mod settings;
pub mod tenant;
pub mod tolerant;
