//! `melouvert access grant` and `revoke`: one change of the list each, made on what was read.

use std::time::Duration;

use clap::ValueEnum;
use kube::{Api, ResourceExt, api::PostParams, runtime::wait};
use melouvert_api::{
    Access, AccessSpec,
    access::{self, AccessRole, Grant, SubjectKind},
};
use melouvert_domain::Siren;

use crate::{
    commands::collectivity::change::FIELD_MANAGER,
    errors::{CliError, Kind},
    globals::Context,
    input,
    kube::explain,
    text::{Text, text},
};

/// How often a list that somebody else changed meanwhile is read again.
const TRIES: usize = 5;

/// What is done to the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A grant is added.
    Grant,
    /// A grant is taken off.
    Revoke,
}

/// [`AccessRole`] on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    Dsi,
    Helpdesk,
    Auditor,
}

impl From<Role> for AccessRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Dsi => Self::Dsi,
            Role::Helpdesk => Self::Helpdesk,
            Role::Auditor => Self::Auditor,
        }
    }
}

/// Arguments of both commands.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("subject").required(true).args(["user", "group"])))]
pub struct Args {
    /// The role: dsi, helpdesk or auditor
    #[arg(value_name = "ROLE")]
    role: Role,
    /// A person, by the name that Kubernetes knows
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A group, by the name that Kubernetes knows
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// The SIREN of the collectivity
    #[arg(long, value_name = "SIREN")]
    siren: String,
    /// How long to wait at most, e.g. 1m
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    timeout: String,
}

impl Args {
    /// Changes the list and waits until the operator has bound and journaled it.
    pub async fn run(&self, context: &Context, turn: Turn) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let timeout = input::timeout(&self.timeout)?;
        let grant = self.grant()?;
        let api = super::api(context.client().await?, &siren);
        let Some(changed) = change(&api, &siren, &grant, turn).await? else {
            let name = &grant.name;
            context.note(&text!("{name} : rien à faire.", "{name}: nothing to do."));
            return Ok(());
        };
        settled(&api, &changed, timeout).await?;
        let (role, name) = (grant.role.as_str(), &grant.name);
        context.note(&match turn {
            Turn::Grant => text!(
                "{name} a le rôle {role} dans l'espace {siren}.",
                "{name} has the role {role} in space {siren}."
            ),
            Turn::Revoke => text!(
                "{name} n'a plus le rôle {role} dans l'espace {siren}.",
                "{name} no longer has the role {role} in space {siren}."
            ),
        });
        Ok(())
    }

    fn grant(&self) -> Result<Grant, CliError> {
        let (kind, option, name) = match (&self.user, &self.group) {
            (Some(name), _) => (SubjectKind::User, "--user", name),
            (None, Some(name)) => (SubjectKind::Group, "--group", name),
            (None, None) => {
                return Err(CliError::usage(text!(
                    "il faut --user ou --group",
                    "--user or --group is expected"
                )));
            }
        };
        checked(option, name)?;
        Ok(Grant {
            role: self.role.into(),
            kind,
            name: name.clone(),
        })
    }
}

/// Refuses early what the definition refuses as well, with the option's name.
fn checked(option: &str, name: &str) -> Result<(), CliError> {
    let wrong = |why: Text| {
        let (fr, en) = (why.fr, why.en);
        let shown = name.escape_debug();
        Err(CliError::usage(text!(
            "{option} « {shown} » : {fr}",
            "{option} \"{shown}\": {en}"
        ))
        .remedy(text!(
            "donnez le nom tel que Kubernetes l'authentifie, par exemple dsi-caen",
            "give the name as Kubernetes authenticates it, e.g. dsi-caen"
        )))
    };
    if name.trim() != name || name.is_empty() || name.chars().count() > 253 {
        return wrong(text!(
            "de 1 à 253 caractères, sans espace au début ni à la fin",
            "1 to 253 characters, without a space at either end"
        ));
    }
    // Rust writes what cannot be seen as an escape.
    if name
        .chars()
        .any(|c| c.is_control() || c.escape_debug().count() > 1 && !"\\\"'".contains(c))
    {
        return wrong(text!("un caractère invisible", "an invisible character"));
    }
    if name.starts_with("system:") {
        return wrong(text!(
            "un nom de Kubernetes lui-même (system:)",
            "one of Kubernetes' own names (system:)"
        ));
    }
    Ok(())
}

/// The changed object; `None` when the list says it already.
async fn change(
    api: &Api<Access>,
    siren: &Siren,
    grant: &Grant,
    turn: Turn,
) -> Result<Option<Access>, CliError> {
    let doing = match turn {
        Turn::Grant => text!("donner un rôle dans {siren}", "give a role in {siren}"),
        Turn::Revoke => text!("retirer un rôle dans {siren}", "withdraw a role in {siren}"),
    };
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    let mut last = None;
    for _ in 0..TRIES {
        let found = super::get(api, siren).await?;
        let new = found.is_none();
        let mut object = found.unwrap_or_else(|| Access::new(access::NAME, AccessSpec::default()));
        if !edit(&mut object.spec.grants, grant, turn) {
            return Ok(None);
        }
        let wrote = if new {
            api.create(&params, &object).await
        } else {
            // Refused when somebody changed it since it was read.
            api.replace(access::NAME, &params, &object).await
        };
        match wrote {
            Ok(object) => return Ok(Some(object)),
            Err(kube::Error::Api(status)) if status.code == 409 => last = Some(status),
            Err(error) => return Err(explain(&error, &doing)),
        }
    }
    let busy = CliError::new(
        Kind::Conflict,
        text!(
            "les rôles de {siren} changent sans cesse : rien n'est fait",
            "the roles of {siren} keep changing: nothing is done"
        ),
    )
    .remedy(text!("recommencez", "try again"));
    Err(match last {
        Some(status) => busy.caused_by(&kube::Error::Api(status)),
        None => busy,
    })
}

/// Whether the list had to change.
fn edit(grants: &mut Vec<Grant>, grant: &Grant, turn: Turn) -> bool {
    let before = grants.len();
    match turn {
        Turn::Grant if grants.contains(grant) => {}
        Turn::Grant => grants.push(grant.clone()),
        Turn::Revoke => grants.retain(|other| other != grant),
    }
    grants.len() != before
}

/// Waits until the operator tells this generation, or a later one, as in force.
async fn settled(api: &Api<Access>, object: &Access, timeout: Duration) -> Result<(), CliError> {
    let generation = object.metadata.generation;
    let told = move |seen: Option<&Access>| {
        seen.and_then(|seen| seen.status.as_ref())
            .is_some_and(|status| status.observed_generation >= generation)
    };
    let waiting = wait::await_condition(api.clone(), access::NAME, told);
    let namespace = object.namespace().unwrap_or_default();
    match tokio::time::timeout(timeout, waiting).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(CliError::new(
            Kind::Unavailable,
            text!(
                "le changement est enregistré, mais son effet n'a pas été vu",
                "the change is stored, but its effect was not seen"
            ),
        )
        .caused_by(&error)),
        Err(_) => Err(CliError::new(
            Kind::TimedOut,
            text!(
                "le changement est enregistré, mais n'est pas encore en vigueur",
                "the change is stored, but not in force yet"
            ),
        )
        .remedy(text!(
            "voyez les événements : kubectl get events -n {namespace} ; un droit retiré tombe même quand la base est absente",
            "see the events: kubectl get events -n {namespace}; a right that is withdrawn falls even while the database is away"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(name: &str) -> Grant {
        Grant {
            role: AccessRole::Dsi,
            kind: SubjectKind::Group,
            name: name.into(),
        }
    }

    #[test]
    fn a_second_grant_and_a_second_removal_change_nothing() {
        let mut grants = vec![grant("a")];
        assert!(!edit(&mut grants, &grant("a"), Turn::Grant));
        assert!(edit(&mut grants, &grant("b"), Turn::Grant));
        assert!(edit(&mut grants, &grant("a"), Turn::Revoke));
        assert!(!edit(&mut grants, &grant("a"), Turn::Revoke));
        assert_eq!(grants, [grant("b")]);
    }

    #[test]
    fn names_that_mislead_or_mean_everybody_are_refused() {
        for bad in [
            "",
            " a",
            "a ",
            "a\u{202e}b",
            "a\nb",
            "a\u{200b}b",
            "system:authenticated",
            "system:serviceaccount:default:default",
            &"x".repeat(254),
        ] {
            let error = checked("--user", bad).unwrap_err();
            assert_eq!(error.kind, Kind::Usage, "{bad:?}");
        }
        for good in [
            "dsi-caen",
            "Hélène D'Or",
            "melouvert:clients",
            "a\\b",
            "日本",
        ] {
            checked("--user", good).unwrap();
        }
    }
}
