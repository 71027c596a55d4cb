//! `melouvert collectivity onboard`.

use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use melouvert_api::{
    Collectivity, CollectivitySpec, Plan, Region,
    collectivity::{Contacts, LifecycleSchema, UnalignedMailSchema},
};
use melouvert_directory::Directory;
use melouvert_domain::{MailDomain, NamespaceName, Siren, plan::Offer};

use super::{
    change::{self, FIELD_MANAGER},
    identity::{Identity, Manual, identify},
    list, offer, sheet, wait,
};
use crate::{
    errors::{CliError, Kind},
    globals::Context,
    input,
    kube::explain,
    text::text,
};

/// Arguments of `melouvert collectivity onboard`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity, 9 digits
    #[arg(long, value_name = "SIREN")]
    siren: String,
    /// A mail domain, the first being the main one; may be repeated
    #[arg(long = "domain", value_name = "DOMAIN", required = true)]
    domains: Vec<String>,
    /// The plan; otherwise the one that the population designates
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,
    /// The hosting region; not needed when there is only one
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The address of the head of information systems
    #[arg(long, value_name = "ADDRESS")]
    dsi: Option<String>,
    /// The address of the data protection officer
    #[arg(long, value_name = "ADDRESS")]
    dpo: Option<String>,
    #[command(flatten)]
    manual: Manual,
    /// How long to wait at most, e.g. 5m
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: String,
    /// Show what the server would store, change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    /// Opens the space.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let domains = self.domains()?;
        let timeout = input::timeout(&self.timeout)?;
        let contacts = self.contacts()?;
        let identity = self.identity(&siren)?;
        let client = context.client().await?;
        let spec = self
            .spec(&client, &siren, &identity, &domains, contacts)
            .await?;
        free(&client, &siren, &domains).await?;
        let api: Api<Collectivity> = Api::all(client);
        let created = self.create(&api, &siren, spec).await?;
        if self.dry_run {
            return change::preview(context, None, &created);
        }
        let name = NamespaceName::of(&siren);
        let ready = wait::until(context, &api, name.as_str(), timeout, wait::serving).await?;
        let mut object = ready.unwrap_or(created);
        object.metadata.managed_fields = None;
        let name = format!("collectivity/{siren}");
        context
            .printer
            .one(&object, &name, |lang| sheet::sheet(&object, lang))
    }

    fn domains(&self) -> Result<Vec<MailDomain>, CliError> {
        let mut domains = Vec::new();
        for text in &self.domains {
            let domain = input::domain(text)?;
            if domains.contains(&domain) {
                return Err(CliError::usage(text!(
                    "--domain {domain} est donné deux fois",
                    "--domain {domain} is given twice"
                )));
            }
            domains.push(domain);
        }
        Ok(domains)
    }

    fn contacts(&self) -> Result<Option<Contacts>, CliError> {
        let read = |option, value: &Option<String>| {
            value
                .as_deref()
                .map(|text| input::contact(option, text))
                .transpose()
        };
        let contacts = Contacts {
            dsi: read("--dsi", &self.dsi)?,
            dpo: read("--dpo", &self.dpo)?,
        };
        Ok((contacts != Contacts::default()).then_some(contacts))
    }

    fn identity(&self, siren: &Siren) -> Result<Identity, CliError> {
        let directory = Directory::open().map_err(|error| {
            CliError::failure(text!(
                "annuaire des communes illisible",
                "unreadable directory"
            ))
            .caused_by(&error)
        })?;
        identify(&directory, siren, &self.manual)
    }

    async fn spec(
        &self,
        client: &Client,
        siren: &Siren,
        identity: &Identity,
        domains: &[MailDomain],
        contacts: Option<Contacts>,
    ) -> Result<CollectivitySpec, CliError> {
        let asked = |option, value: &Option<String>| {
            value
                .as_deref()
                .map(|text| input::name(option, text))
                .transpose()
        };
        let plan = asked("--plan", &self.plan)?;
        let region = asked("--region", &self.region)?;
        let plan = plan.as_ref().map(melouvert_domain::ResourceName::as_str);
        let region = region.as_ref().map(melouvert_domain::ResourceName::as_str);
        Ok(CollectivitySpec {
            siren: siren.to_string(),
            legal_name: identity.name.clone(),
            kind: identity.kind.into(),
            insee_code: identity.insee.as_ref().map(ToString::to_string),
            population: identity.population,
            region: offer::region(&regions(client).await?, region)?,
            plan: offer::plan(&offers(client).await?, plan, identity.population)?,
            domains: domains.iter().map(ToString::to_string).collect(),
            overrides: None,
            contacts,
            unaligned_mail: UnalignedMailSchema::default(),
            lifecycle: LifecycleSchema::Active,
            adopts: None,
        })
    }

    async fn create(
        &self,
        api: &Api<Collectivity>,
        siren: &Siren,
        spec: CollectivitySpec,
    ) -> Result<Collectivity, CliError> {
        let params = PostParams {
            dry_run: self.dry_run,
            field_manager: Some(FIELD_MANAGER.into()),
        };
        let object = Collectivity::new(NamespaceName::of(siren).as_str(), spec);
        api.create(&params, &object).await.map_err(|error| {
            let doing = text!("ouvrir l'espace {siren}", "open the space {siren}");
            let told = explain(&error, &doing);
            match told.kind {
                Kind::Conflict => told.remedy(text!(
                    "voyez-le : melouvert collectivity show {siren}",
                    "see it: melouvert collectivity show {siren}"
                )),
                _ => told,
            }
        })
    }
}

async fn offers(client: &Client) -> Result<Vec<Offer<String>>, CliError> {
    let doing = text!("lire les offres", "read the plans");
    let plans = Api::<Plan>::all(client.clone())
        .list(&ListParams::default())
        .await
        .map_err(|error| explain(&error, &doing))?;
    Ok(plans
        .items
        .into_iter()
        .filter_map(|plan| {
            Some(Offer {
                name: plan.metadata.name?,
                population_from: plan.spec.population_from,
            })
        })
        .collect())
}

async fn regions(client: &Client) -> Result<Vec<String>, CliError> {
    let doing = text!("lire les régions", "read the regions");
    let regions = Api::<Region>::all(client.clone())
        .list(&ListParams::default())
        .await
        .map_err(|error| explain(&error, &doing))?;
    Ok(regions
        .items
        .into_iter()
        .filter_map(|region| region.metadata.name)
        .collect())
}

/// Refuses a SIREN that has a space, and a domain that another space has. Who may not list the
/// collectivities is not told whose it is: the operator then refuses the object itself.
async fn free(client: &Client, siren: &Siren, domains: &[MailDomain]) -> Result<(), CliError> {
    let all = match list::all(client).await {
        Ok(all) => all,
        Err(error) if error.kind == Kind::Refused => return Ok(()),
        Err(error) => return Err(error),
    };
    taken(&all.read, siren, domains)
}

fn taken(all: &[Collectivity], siren: &Siren, domains: &[MailDomain]) -> Result<(), CliError> {
    for other in all
        .iter()
        .filter(|other| other.spec.siren != siren.as_str())
    {
        let shared = domains
            .iter()
            .find(|d| other.spec.domains.iter().any(|o| o == d.as_str()));
        if let Some(domain) = shared {
            let (name, owner) = (&other.spec.legal_name, &other.spec.siren);
            return Err(CliError::new(
                Kind::Conflict,
                text!(
                    "--domain {domain} est déjà pris par {name} (SIREN {owner})",
                    "--domain {domain} is already taken by {name} (SIREN {owner})"
                ),
            )
            .remedy(text!(
                "donnez un autre domaine, ou retirez-le d'abord de l'autre espace",
                "give another domain, or remove it from the other space first"
            )));
        }
    }
    Ok(())
}
