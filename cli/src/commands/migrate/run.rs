//! `melouvert migrate run`.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use melouvert_api::{Collectivity, Migration, MigrationSpec, labels};
use melouvert_domain::{NamespaceName, Siren};
use serde_json::json;

use super::{accounts, api, get, lines::Line, source, wait};
use crate::{
    commands::collectivity::{self, FIELD_MANAGER},
    errors::{CliError, Kind},
    globals::Context,
    input,
    kube::explain,
    text::text,
};

/// The key of the Secret that holds the accounts.
const KEY: &str = "accounts.csv";

/// Arguments of `melouvert migrate run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity that receives the mailboxes
    #[arg(long, value_name = "SIREN")]
    siren: String,
    /// The old server: imaps://host:993, or imap://host:143 with --allow-cleartext
    #[arg(long, value_name = "URL", required_unless_present = "again")]
    source: Option<String>,
    /// The accounts, a CSV file in UTF-8
    #[arg(long, value_name = "FILE")]
    accounts: PathBuf,
    /// The addresses of the old server, as a CIDR, e.g. 203.0.113.7/32; may be repeated
    #[arg(
        long = "source-cidr",
        value_name = "CIDR",
        required_unless_present = "again"
    )]
    cidrs: Vec<String>,
    /// The PEM of the authority that signed the old server's certificate
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Accept imap://, which encrypts nothing
    #[arg(long)]
    allow_cleartext: bool,
    /// How many accounts are copied at once
    #[arg(long, value_name = "NUMBER", default_value_t = 2,
          value_parser = clap::value_parser!(u32).range(1..=32))]
    jobs: u32,
    /// The name of the migration; made from the date when absent
    #[arg(long, value_name = "MIGRATION")]
    name: Option<String>,
    /// Run an existing migration again: copy what is absent
    #[arg(long, requires = "name", conflicts_with_all = ["source", "cidrs", "ca_file", "allow_cleartext"])]
    again: bool,
    /// How long to wait at most, e.g. 12h
    #[arg(long, value_name = "DURATION", default_value = "12h")]
    timeout: String,
    /// Return as soon as the migration is asked for
    #[arg(long)]
    no_wait: bool,
}

impl Args {
    /// Asks for the migration and follows it.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let timeout = input::timeout(&self.timeout)?;
        let name = self.name()?;
        let source = self.source()?;
        let bytes = self.read()?;
        accounts::parse(&bytes, None)?;
        let client = context.client().await?;
        let tenant = collectivity::get(&Api::all(client.clone()), &siren).await?;
        let lines = accounts::parse(&bytes, Some(&tenant.spec.domains))?;
        let csv = accounts::to_csv(&lines)?;
        let migrations = api(client.clone(), &siren);
        let asked = match source {
            Some(source) => {
                let spec = MigrationSpec {
                    source,
                    accounts_secret: secret_name(&name),
                    jobs: self.jobs,
                    run: 0,
                };
                start(&client, &migrations, &tenant, &name, spec, csv).await?
            }
            None => again(&client, &migrations, &siren, &name, csv).await?,
        };
        if self.no_wait {
            return context.printer.rows(&[Line::from(asked)]);
        }
        let done = wait::finished(context, &migrations, &name, timeout).await?;
        context.printer.rows(&[Line::from(done.clone())])?;
        wait::outcome(&done, siren.as_str())
    }

    fn name(&self) -> Result<String, CliError> {
        match &self.name {
            Some(name) => Ok(input::name("--name", name)?.to_string()),
            None => Ok(Timestamp::now()
                .to_zoned(TimeZone::UTC)
                .strftime("%Y%m%d-%H%M%S")
                .to_string()),
        }
    }

    fn source(&self) -> Result<Option<melouvert_api::migration::Source>, CliError> {
        self.source
            .as_deref()
            .map(|url| {
                source::parse(
                    url,
                    &self.cidrs,
                    self.ca_file.as_deref(),
                    self.allow_cleartext,
                )
            })
            .transpose()
    }

    fn read(&self) -> Result<Vec<u8>, CliError> {
        std::fs::read(&self.accounts).map_err(|error| {
            let shown = self.accounts.display();
            CliError::usage(text!(
                "--accounts {shown} illisible",
                "--accounts {shown} is unreadable"
            ))
            .caused_by(&error)
        })
    }
}

fn secret_name(migration: &str) -> String {
    format!("migration-{migration}-accounts")
}

/// Nothing is left behind by a refusal: the server first says that it would accept.
async fn start(
    client: &Client,
    migrations: &Api<Migration>,
    tenant: &Collectivity,
    name: &str,
    spec: MigrationSpec,
    csv: Vec<u8>,
) -> Result<Migration, CliError> {
    let doing = text!("créer la migration {name}", "create migration {name}");
    let told = |error: kube::Error| {
        let told = explain(&error, &doing);
        match told.kind {
            Kind::Conflict => told.remedy(text!(
                "donnez un autre --name, ou relancez-la avec --again",
                "give another --name, or run it again with --again"
            )),
            // The space's namespace is made by the operator.
            Kind::NotFound => told.remedy(text!(
                "l'espace n'est pas prêt : melouvert collectivity show",
                "the space is not ready: melouvert collectivity show"
            )),
            _ => told,
        }
    };
    let object = Migration::new(name, spec);
    let mut params = PostParams {
        dry_run: true,
        field_manager: Some(FIELD_MANAGER.into()),
    };
    migrations.create(&params, &object).await.map_err(told)?;
    let siren = input::siren(&tenant.spec.siren)?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NamespaceName::of(&siren).as_str());
    put_secret(&secrets, &siren, name, csv).await?;
    params.dry_run = false;
    let created = migrations.create(&params, &object).await.map_err(told)?;
    own(&secrets, name, &created).await?;
    Ok(created)
}

async fn again(
    client: &Client,
    migrations: &Api<Migration>,
    siren: &Siren,
    name: &str,
    csv: Vec<u8>,
) -> Result<Migration, CliError> {
    let existing = get(migrations, name).await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NamespaceName::of(siren).as_str());
    put_secret(&secrets, siren, name, csv).await?;
    own(&secrets, name, &existing).await?;
    let patch = json!({
        "metadata": { "resourceVersion": existing.metadata.resource_version },
        "spec": { "run": existing.spec.run + 1, "accountsSecret": secret_name(name) },
    });
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    migrations
        .patch(name, &params, &Patch::Merge(patch))
        .await
        .map_err(|error| {
            explain(
                &error,
                &text!("relancer la migration {name}", "run migration {name} again"),
            )
        })
}

async fn put_secret(
    secrets: &Api<Secret>,
    siren: &Siren,
    migration: &str,
    csv: Vec<u8>,
) -> Result<(), CliError> {
    let name = secret_name(migration);
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some(BTreeMap::from([
                (labels::SIREN.to_owned(), siren.to_string()),
                (
                    labels::COMPONENT.to_owned(),
                    labels::component::MIGRATION.to_owned(),
                ),
            ])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(csv))])),
        ..Secret::default()
    };
    let params = PatchParams::apply(FIELD_MANAGER).force();
    secrets
        .patch(&name, &params, &Patch::Apply(&secret))
        .await
        .map(drop)
        .map_err(|error| {
            explain(
                &error,
                &text!("écrire le Secret {name}", "write Secret {name}"),
            )
        })
}

/// The Secret goes when its migration goes.
async fn own(secrets: &Api<Secret>, name: &str, owner: &Migration) -> Result<(), CliError> {
    let secret = secret_name(name);
    let Some(reference) = owner.owner_ref(&()) else {
        let owner = owner.name_any();
        return Err(CliError::failure(text!(
            "{owner} n'a pas d'UID",
            "{owner} has no UID"
        )));
    };
    let patch = json!({ "metadata": { "ownerReferences": [reference] } });
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    secrets
        .patch(&secret, &params, &Patch::Merge(patch))
        .await
        .map(drop)
        .map_err(|error| {
            explain(
                &error,
                &text!("rattacher le Secret {secret}", "attach Secret {secret}"),
            )
        })
}
