//! `melouvert migrate run`.

use std::path::PathBuf;

use jiff::{Timestamp, tz::TimeZone};
use kube::{Api, Client, ResourceExt, api::PostParams};
use melouvert_api::{Migration, MigrationSpec, migration::StageSchema};
use melouvert_domain::Siren;
use serde_json::json;

use super::{
    accounts, api, change, get,
    lines::Line,
    secret, source, wait,
    waves::{self, Planned},
};
use crate::{
    commands::collectivity::{self, FIELD_MANAGER},
    errors::{CliError, Kind},
    globals::Context,
    input,
    kube::explain,
    text::text,
};

/// How many waves one migration may have, as the resource's schema has it.
const WAVES_MAXIMUM: usize = 32;

/// Arguments of `melouvert migrate run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity that receives the mailboxes
    #[arg(long, value_name = "SIREN")]
    siren: String,
    /// The old server: imaps://host:993 or imap+starttls://host:143; imap:// with --allow-cleartext
    ///
    /// After it ?auth=plain, login, xoauth2 or oauthbearer, and master=LOGIN for an administrator
    /// who logs in for every agent.
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
    /// How many accounts are copied at once, each by a Job
    #[arg(long, value_name = "NUMBER", default_value_t = 2,
          value_parser = clap::value_parser!(u32).range(1..=32))]
    jobs: u32,
    /// The waves, a YAML file: waves: [{name, accounts, windows, notBefore}]
    #[arg(long, value_name = "FILE", conflicts_with = "wave_size")]
    waves: Option<PathBuf>,
    /// Make waves of so many accounts each, in the order of the accounts file
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=500))]
    wave_size: Option<u32>,
    /// Copy only in these hours, e.g. "Fri 20:00-Mon 06:00 Europe/Paris"; may be repeated
    #[arg(long = "window", value_name = "HOURS")]
    windows: Vec<String>,
    /// Bytes a second read from the old server, all accounts together, e.g. 5MB
    #[arg(long, value_name = "BYTES")]
    limit_rate: Option<bytesize::ByteSize>,
    /// Connections to the old server at once, all accounts together
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    max_connections: Option<u32>,
    /// The name of the migration; made from the date when absent
    #[arg(long, value_name = "MIGRATION")]
    name: Option<String>,
    /// Run an existing migration again: copy what is absent
    #[arg(long, requires = "name", conflicts_with_all = ["source", "cidrs", "ca_file", "allow_cleartext", "waves", "wave_size", "windows", "limit_rate", "max_connections"])]
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
        let bytes = accounts::bytes(&self.accounts)?;
        accounts::parse(&bytes, None)?;
        let client = context.client().await?;
        let tenant = collectivity::get(&Api::all(client.clone()), &siren).await?;
        let lines = accounts::parse(&bytes, Some(&tenant.spec.domains))?;
        let planned = self.planned(&lines)?;
        let migrations = api(client.clone(), &siren);
        let place = Place {
            client: &client,
            migrations: &migrations,
            siren: &siren,
            name: &name,
        };
        let asked = match source {
            Some(source) => place.start(self.spec(source), planned, &lines).await?,
            None => place.again(&lines).await?,
        };
        if self.no_wait {
            return context.printer.rows(&[Line::from(asked)]);
        }
        let done = wait::finished(context, &migrations, (&name, None), timeout).await?;
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

    /// The waves; none when nothing asks for them.
    fn planned<'a>(&self, lines: &'a [accounts::Line]) -> Result<Vec<Planned<'a>>, CliError> {
        let windows = waves::windows(&self.windows)?;
        if let Some(path) = &self.waves {
            return waves::from_file(path, lines, &windows);
        }
        let size = match self.wave_size {
            Some(size) => size as usize,
            None if windows.is_empty() => return Ok(Vec::new()),
            None => lines.len(),
        };
        let planned = waves::by_size(lines, size, &windows);
        if planned.len() <= WAVES_MAXIMUM {
            return Ok(planned);
        }
        let count = planned.len();
        Err(CliError::usage(text!(
            "--wave-size {size} fait {count} vagues : {WAVES_MAXIMUM} au plus",
            "--wave-size {size} makes {count} waves: at most {WAVES_MAXIMUM}"
        ))
        .remedy(text!(
            "donnez une taille plus grande, ou plusieurs migrations",
            "give a larger size, or several migrations"
        )))
    }

    fn spec(&self, source: melouvert_api::migration::Source) -> MigrationSpec {
        let mut spec = MigrationSpec::simple(source, String::new(), self.jobs);
        spec.limits.bytes_per_second = self.limit_rate.map(|rate| rate.as_u64());
        spec.limits.connections_per_host = self.max_connections;
        spec
    }
}

/// Where a migration is.
struct Place<'a> {
    client: &'a Client,
    migrations: &'a Api<Migration>,
    siren: &'a Siren,
    name: &'a str,
}

impl Place<'_> {
    /// Nothing is left behind by a refusal: the server first says that it would accept.
    async fn start(
        &self,
        mut spec: MigrationSpec,
        planned: Vec<Planned<'_>>,
        lines: &[accounts::Line],
    ) -> Result<Migration, CliError> {
        let now = Timestamp::now();
        let mut secrets: Vec<(String, Option<String>, Vec<&accounts::Line>)> = Vec::new();
        if planned.is_empty() {
            let secret = secret::name(self.name, None, now);
            spec.accounts_secret = Some(secret.clone());
            secrets.push((secret, None, lines.iter().collect()));
        } else {
            spec.accounts_secret = None;
        }
        for mut wave in planned {
            let secret = secret::name(self.name, Some(&wave.spec.name), now);
            wave.spec.accounts_secret.clone_from(&secret);
            secrets.push((secret, Some(wave.spec.name.clone()), wave.lines));
            spec.waves.push(wave.spec);
        }
        let object = Migration::new(self.name, spec);
        let mut params = PostParams {
            dry_run: true,
            field_manager: Some(FIELD_MANAGER.into()),
        };
        let told = |error: kube::Error| self.not_created(&error);
        self.migrations
            .create(&params, &object)
            .await
            .map_err(told)?;
        for (name, wave, lines) in secrets {
            let of = (self.name, wave.as_deref());
            secret::create(self.client, self.siren, &name, of, lines).await?;
        }
        params.dry_run = false;
        self.migrations.create(&params, &object).await.map_err(told)
    }

    fn not_created(&self, error: &kube::Error) -> CliError {
        let name = self.name;
        let doing = text!("créer la migration {name}", "create migration {name}");
        let told = explain(error, &doing);
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
    }

    /// Passes over every account again, with the passwords of the file.
    async fn again(&self, lines: &[accounts::Line]) -> Result<Migration, CliError> {
        let existing = get(self.migrations, self.name).await?;
        let mut spec = renew(self.client, self.siren, &existing, lines).await?;
        spec["run"] = json!(existing.spec.run + 1);
        if existing.spec.stage == StageSchema::RolledBack {
            spec["stage"] = json!(StageSchema::Presync);
            for wave in spec["waves"].as_array_mut().into_iter().flatten() {
                wave["stage"] = json!(null);
            }
        }
        let name = self.name;
        let doing = text!("relancer la migration {name}", "run migration {name} again");
        change::patch(self.migrations, &existing, spec, &doing).await
    }
}

/// New Secrets with these accounts for an existing migration; returns the change of its spec.
pub async fn renew(
    client: &Client,
    siren: &Siren,
    existing: &Migration,
    lines: &[accounts::Line],
) -> Result<serde_json::Value, CliError> {
    let now = Timestamp::now();
    let name = existing.name_any();
    if existing.spec.waves.is_empty() {
        let secret = secret::name(&name, None, now);
        secret::create(client, siren, &secret, (&name, None), lines).await?;
        return Ok(json!({ "accountsSecret": secret }));
    }
    let mut waves = existing.spec.waves.clone();
    for wave in &mut waves {
        let own: Vec<&accounts::Line> = lines
            .iter()
            .filter(|line| wave.accounts.contains(&line.source_user))
            .collect();
        let has = |user: &&String| own.iter().any(|line| line.source_user == **user);
        if own.is_empty() {
            continue;
        }
        if let Some(user) = wave.accounts.iter().find(|user| !has(user)) {
            let wave = &wave.name;
            return Err(CliError::usage(text!(
                "le fichier de comptes n'a pas {user}, de la vague {wave}",
                "the accounts file lacks {user}, of wave {wave}"
            ))
            .remedy(text!(
                "donnez tous les comptes d'une vague, ou aucun",
                "give every account of a wave, or none"
            )));
        }
        let secret = secret::name(&name, Some(&wave.name), now);
        secret::create(client, siren, &secret, (&name, Some(&wave.name)), own).await?;
        wave.accounts_secret = secret;
    }
    Ok(json!({ "waves": waves }))
}
