//! What a rule could escalate to: pure rules on rules.
//!
//! A write that is not classified here is an error, so that a new right is judged before it lands.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::Rule;

/// What a right is worth at worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// Anything.
    Everything,
    /// Reads keys and passwords: `get`, `list` and `watch` of Secrets are the same to a reader.
    ReadSecrets,
    /// Makes Secrets: in `kube-system` a bootstrap token, anywhere a token of a ServiceAccount.
    MakeSecrets,
    /// Changes keys and passwords; the answer to a patch holds what was there.
    ReplaceSecrets,
    /// Runs a program under any account of the namespace, with any of its Secrets.
    RunPods,
    /// Enters a running program: commands, ports, proxies.
    EnterPods,
    /// Mints a token of another account, or a certificate of anybody.
    MintTokens,
    /// Acts as somebody else.
    Impersonate,
    /// Gives itself rights.
    RaiseRights,
    /// Gives the named roles by bindings.
    BindRoles,
    /// Switches off what admission refuses.
    SilenceAdmission,
    /// Makes or opens borders: namespaces with their labels, network policies, quotas.
    MoveBorders,
    /// Reaches a node or its disk.
    TouchNodes,
    /// Changes the configuration of servers.
    Configure,
    /// Changes accounts, services and volumes of a namespace.
    Furnish,
    /// Says who has which role in a space.
    GiveRoles,
    /// Changes regions: the images that every space runs, its database, its store.
    SetRegions,
    /// Changes offers.
    SetPlans,
    /// Opens, suspends and closes spaces, and changes their domains.
    RunSpaces,
    /// Runs migrations into spaces.
    RunMigrations,
    /// Adds and removes agents.
    ManageAgents,
    /// Sets a password, by which a mailbox can then be opened.
    RenewPasswords,
    /// Reports on a migration.
    Report,
    /// Says how an object of ours stands, or lets it go.
    TellStatus,
    /// Asks Kubernetes who somebody is and what he may do.
    AskRights,
    /// Takes turns and tells events.
    Housekeeping,
}

impl Power {
    /// Whether it leads past the platform's own rules, out of Melouvert or into mail.
    pub fn escapes(self) -> bool {
        !matches!(
            self,
            Self::GiveRoles
                | Self::SetRegions
                | Self::SetPlans
                | Self::RunSpaces
                | Self::RunMigrations
                | Self::ManageAgents
                | Self::RenewPasswords
                | Self::Report
                | Self::TellStatus
                | Self::AskRights
                | Self::Housekeeping
        )
    }
}

/// What a rule is worth at worst. A rule for named objects is judged by its kind all the same,
/// except for the right to bind, which its names do bound.
pub fn powers(rule: &Rule) -> Result<BTreeSet<Power>> {
    let mut all = BTreeSet::new();
    if !rule.non_resource_urls.is_empty() {
        bail!("paths are not judged: {rule:?}");
    }
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                let named = !rule.resource_names.is_empty();
                all.extend(power(group, resource, verb, named)?);
            }
        }
    }
    Ok(all)
}

fn power(group: &str, resource: &str, verb: &str, named: bool) -> Result<Option<Power>> {
    if [group, resource, verb].contains(&"*") || resource.starts_with("*/") {
        return Ok(Some(Power::Everything));
    }
    let reads = matches!(verb, "get" | "list" | "watch");
    let found = match (group, resource) {
        _ if verb == "impersonate" => Power::Impersonate,
        ("" | "events.k8s.io", "events") | ("coordination.k8s.io", "leases") => Power::Housekeeping,
        ("", "secrets") if reads => Power::ReadSecrets,
        ("", "secrets") if verb == "create" => Power::MakeSecrets,
        ("", "secrets") => Power::ReplaceSecrets,
        // Streams are opened with `get` as well as with `create`.
        (
            "",
            "pods/exec" | "pods/attach" | "pods/portforward" | "pods/proxy" | "services/proxy"
            | "nodes/proxy" | "pods/log",
        ) => Power::EnterPods,
        _ if reads => return Ok(None),
        ("", "serviceaccounts/token") | ("certificates.k8s.io", _) => Power::MintTokens,
        ("rbac.authorization.k8s.io", _) if verb == "escalate" => Power::RaiseRights,
        ("rbac.authorization.k8s.io", "clusterroles" | "roles") if verb == "bind" && named => {
            Power::BindRoles
        }
        ("rbac.authorization.k8s.io", "clusterroles" | "roles") => Power::RaiseRights,
        // Worth what may be bound.
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => Power::BindRoles,
        ("admissionregistration.k8s.io" | "apiextensions.k8s.io" | "apiregistration.k8s.io", _) => {
            Power::SilenceAdmission
        }
        ("", "nodes" | "persistentvolumes") | ("storage.k8s.io", _) => Power::TouchNodes,
        ("", "namespaces" | "resourcequotas" | "limitranges") | ("networking.k8s.io", _) => {
            Power::MoveBorders
        }
        ("", "configmaps") => Power::Configure,
        ("", "serviceaccounts" | "services" | "persistentvolumeclaims") => Power::Furnish,
        ("", "pods" | "pods/ephemeralcontainers" | "replicationcontrollers" | "podtemplates")
        | ("apps" | "batch", _) => Power::RunPods,
        ("authentication.k8s.io", "tokenreviews")
        | ("authorization.k8s.io", "subjectaccessreviews") => Power::AskRights,
        ("melouvert.fr", resource) => ours(resource, verb)?,
        _ => bail!(
            "{verb} {resource} of group {group:?} is not judged yet: say in xtask/src/rights/judge.rs what it could escalate to"
        ),
    };
    Ok(Some(found))
}

fn ours(resource: &str, verb: &str) -> Result<Power> {
    Ok(match resource {
        "accesses" => Power::GiveRoles,
        "agents" if verb == "update" => Power::RenewPasswords,
        "agents" => Power::ManageAgents,
        "collectivities" => Power::RunSpaces,
        "migrations" => Power::RunMigrations,
        "migrationreports" => Power::Report,
        "plans" => Power::SetPlans,
        "regions" => Power::SetRegions,
        _ if resource.ends_with("/status") || resource.ends_with("/finalizers") => {
            Power::TellStatus
        }
        _ => bail!(
            "{verb} {resource} is not judged yet: say in xtask/src/rights/judge.rs what it could escalate to"
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde::Deserialize;

    use super::super::{Bound, roles};
    use super::*;
    use crate::shell;

    fn judged(rules: &[Rule]) -> BTreeSet<Power> {
        let all = rules.iter().map(|rule| powers(rule).unwrap());
        all.flatten().collect()
    }

    fn rule(group: &str, resource: &str, verb: &str) -> Rule {
        Rule {
            api_groups: vec![group.into()],
            resources: vec![resource.into()],
            verbs: vec![verb.into()],
            ..Rule::default()
        }
    }

    #[test]
    fn no_role_of_people_leads_out_of_the_platform() {
        for (name, role) in roles().unwrap() {
            let escapes: Vec<_> = judged(&role.rules)
                .into_iter()
                .filter(|power| power.escapes())
                .collect();
            // In a space alone, where admission allows the Secrets of accounts only.
            let expected: &[Power] = match name.as_str() {
                "migration-accounts" => &[Power::MakeSecrets],
                _ => &[],
            };
            assert_eq!(escapes, expected, "{name}");
            assert!(
                escapes.is_empty() || role.bound == [Bound::Space],
                "{name} is bound on the whole cluster"
            );
        }
    }

    #[test]
    fn platform_and_collectivities_are_in_different_hands() {
        let roles = roles().unwrap();
        let of = |name: &str| judged(&roles[name].rules);
        let (platform, hoster) = (of("platform"), of("hoster"));
        assert!(platform.is_disjoint(&hoster), "{platform:?} and {hoster:?}");
        assert!(platform.contains(&Power::SetRegions) && hoster.contains(&Power::RunSpaces));
        for (name, role) in &roles {
            let sets = judged(&role.rules).contains(&Power::SetRegions);
            assert_eq!(sets, name == "platform", "{name}");
        }
    }

    /// Who says who has a role could give it to himself.
    #[test]
    fn who_gives_roles_holds_what_they_allow() {
        let roles = roles().unwrap();
        let hoster = &roles["hoster"];
        assert!(hoster.allows("update", "accesses"));
        for given in melouvert_api::access::AccessRole::ALL {
            for rule in &roles[given.as_str()].rules {
                for resource in &rule.resources {
                    for verb in &rule.verbs {
                        assert!(
                            hoster.allows(verb, resource),
                            "{} may {verb} {resource}, the hoster may not",
                            given.as_str()
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_deletion_that_would_have_no_author_is_given_to_nobody() {
        for (name, role) in roles().unwrap() {
            for resource in ["accesses", "plans", "regions"] {
                for verb in ["delete", "deletecollection"] {
                    assert!(!role.allows(verb, resource), "{name} may {verb} {resource}");
                }
            }
        }
    }

    /// Samples of what audits found in operators' charts.
    #[test]
    fn the_known_ways_up_are_seen() {
        for (found, expected) in [
            (rule("", "secrets", "create"), Power::MakeSecrets),
            (rule("", "secrets", "list"), Power::ReadSecrets),
            (rule("", "secrets", "watch"), Power::ReadSecrets),
            (rule("", "secrets", "patch"), Power::ReplaceSecrets),
            (rule("", "pods", "create"), Power::RunPods),
            (
                rule("", "pods/ephemeralcontainers", "patch"),
                Power::RunPods,
            ),
            (rule("", "pods/exec", "get"), Power::EnterPods),
            (rule("", "nodes/proxy", "get"), Power::EnterPods),
            (rule("apps", "daemonsets", "patch"), Power::RunPods),
            (rule("batch", "cronjobs", "create"), Power::RunPods),
            (
                rule("", "serviceaccounts/token", "create"),
                Power::MintTokens,
            ),
            (
                rule("certificates.k8s.io", "signers", "approve"),
                Power::MintTokens,
            ),
            (rule("", "users", "impersonate"), Power::Impersonate),
            (
                rule("rbac.authorization.k8s.io", "clusterroles", "bind"),
                Power::RaiseRights,
            ),
            (
                rule("rbac.authorization.k8s.io", "roles", "escalate"),
                Power::RaiseRights,
            ),
            (rule("", "namespaces", "patch"), Power::MoveBorders),
            (rule("", "persistentvolumes", "create"), Power::TouchNodes),
            (
                rule(
                    "admissionregistration.k8s.io",
                    "validatingadmissionpolicies",
                    "delete",
                ),
                Power::SilenceAdmission,
            ),
            (rule("*", "agents", "get"), Power::Everything),
            (rule("melouvert.fr", "*", "get"), Power::Everything),
            (rule("melouvert.fr", "regions", "*"), Power::Everything),
        ] {
            assert_eq!(
                judged(std::slice::from_ref(&found)),
                [expected].into(),
                "{found:?}"
            );
        }
        // The control: reading what is public to the role is no way up.
        assert!(judged(&[rule("melouvert.fr", "regions", "watch")]).is_empty());
    }

    #[test]
    fn a_right_that_nobody_judged_is_an_error() {
        for unknown in [
            rule("melouvert.fr", "backups", "create"),
            rule("example.org", "things", "update"),
        ] {
            assert!(powers(&unknown).is_err(), "{unknown:?}");
        }
    }

    /// One document of the operator's roles; the rest of it does not matter here.
    #[derive(Deserialize)]
    struct Document {
        kind: String,
        #[serde(default)]
        rules: Vec<Rule>,
    }

    /// The operator's own rights, which are many: none may be added without a look at this list.
    #[test]
    fn the_operators_rights_are_no_more_than_these() {
        let path = shell::root().join("charts/melouvert/templates/rbac-operator.yaml");
        let template = fs::read_to_string(path).unwrap();
        let mut read = 0;
        for text in template.split("\n---") {
            let plain: Vec<_> = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("{{"))
                .map(without_directives)
                .collect();
            let document: Document = serde_saphyr::from_str(&plain.join("\n")).unwrap();
            for power in judged(&document.rules) {
                assert!(
                    !matches!(
                        power,
                        Power::Everything
                            | Power::RaiseRights
                            | Power::Impersonate
                            | Power::MintTokens
                            | Power::EnterPods
                            | Power::SilenceAdmission
                            | Power::TouchNodes
                            | Power::SetRegions
                            | Power::SetPlans
                            | Power::GiveRoles
                    ),
                    "{power:?}"
                );
            }
            read += usize::from(document.kind.ends_with("Role") && !document.rules.is_empty());
        }
        assert!(read >= 3, "only {read} roles were read");
    }

    fn without_directives(line: &str) -> String {
        let mut text = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            text.push_str(before);
            text.push('x');
            rest = after.split_once("}}").map_or("", |(_, rest)| rest);
        }
        text + rest
    }
}
