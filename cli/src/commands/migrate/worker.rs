//! `melouvert migrate worker`: one pass of the engine over one account, in the account's Job.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::Method;
use melouvert_api::wire::{PutPassProgress, PutPassReport};
use melouvert_migration::{
    Account, Destination, Endpoint, EndpointOptions, Options, Origin, Outcome, Report,
    engine::Verification,
    imap::{ImapError, Security},
    seal,
};
use melouvert_waves::identifier;
use secrecy::{ExposeSecret, SecretString};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{accounts, limits, tally};
use crate::{
    errors::{CliError, Kind},
    platform::PlatformClient,
    text::text,
};

/// Between two reports of progress.
const BEAT: Duration = Duration::from_secs(3);
/// Waits between attempts to hand over the proof: about a minute in all.
const ATTEMPTS: [u64; 6] = [1, 2, 4, 8, 16, 32];

/// Arguments of `melouvert migrate worker`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The accounts, a CSV file
    #[arg(long, value_name = "FILE")]
    accounts: PathBuf,
    /// The old server
    #[arg(long, value_name = "URL")]
    source: url::Url,
    /// How to log in to it
    #[arg(long, value_name = "MECHANISM")]
    source_auth: Option<String>,
    /// The administrator who logs in for the agents
    #[arg(long, value_name = "LOGIN")]
    source_master: Option<String>,
    /// The PEM of the old server's authority
    #[arg(long, value_name = "FILE")]
    source_ca: Option<PathBuf>,
    /// The server of the space, host:port
    #[arg(long, value_name = "HOST:PORT")]
    target: String,
    /// The PEM of the space's authority
    #[arg(long, value_name = "FILE")]
    target_ca: PathBuf,
    /// The account's password at the space's server, instead of the one of the CSV file
    #[arg(long, value_name = "FILE")]
    target_password: Option<PathBuf>,
    /// The folder of the journal that makes the copy resumable
    #[arg(long, value_name = "FOLDER")]
    state: PathBuf,
    /// The identifier of the account to copy
    #[arg(long, value_name = "ACCOUNT")]
    account: String,
    /// The number of the pass
    #[arg(long, value_name = "NUMBER")]
    pass: u32,
    /// Read everything back, even what was before
    #[arg(long)]
    verify_all: bool,
    /// The URL of the platform API
    #[arg(long, value_name = "URL")]
    api: String,
    /// The PEM of the platform's authority
    #[arg(long, value_name = "FILE")]
    api_ca: PathBuf,
    /// The Job's token
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// The SIREN of the collectivity
    #[arg(long, value_name = "SIREN")]
    siren: String,
    /// The name of the migration
    #[arg(long, value_name = "MIGRATION")]
    name: String,
    /// The UID of the migration
    #[arg(long, value_name = "UID")]
    uid: String,
    #[command(flatten)]
    limits: limits::LimitArgs,
}

impl Args {
    /// Copies, tells the platform, and ends with the engine's exit code.
    pub async fn run(&self) -> Result<(), CliError> {
        let accounts = self.accounts()?;
        let tally = Arc::new(tally::Tally::default());
        let stop = stop_on_signal()?;
        let options = Options {
            jobs: 1,
            verification: if self.verify_all {
                Verification::All
            } else {
                Verification::New
            },
            limits: self.limits.limits(),
            timeouts: self.limits.timeouts(),
            ..Options::default()
        };
        let progress = Arc::clone(&tally);
        let engine = melouvert_migration::run(accounts, &self.state, &options, progress, stop);
        let report = tokio::select! {
            report = engine => report,
            never = self.tell_progress(&tally) => match never {},
        };
        // One that was stopped has not ended: the pass goes on later where it stands.
        if report.outcome == Outcome::Stopped {
            return ended(report.outcome);
        }
        // Not to be taken for an outcome of the engine: the Job starts again.
        self.hand_over(&report)
            .await
            .map_err(|error| error.exit(1))?;
        ended(report.outcome)
    }

    fn accounts(&self) -> Result<Vec<Account>, CliError> {
        let bytes = read(&self.accounts)?;
        let source = Security::tls(self.source_ca.as_deref()).map_err(|error| no_tls(&error))?;
        let target = Security::tls(Some(&self.target_ca)).map_err(|error| no_tls(&error))?;
        let lines = accounts::parse(&bytes, None)?;
        let own = lines.into_iter().find(|line| {
            identifier(&line.source_user, &line.target_user.to_string()) == self.account
        });
        let account = &self.account;
        let mut own = own.ok_or_else(|| {
            CliError::usage(text!(
                "le compte {account} n'est plus dans le Secret",
                "account {account} is no longer in the Secret"
            ))
        })?;
        if let Some(path) = &self.target_password {
            own.target_password = secret(path)?;
        }
        let target_user = own.target_user.to_string();
        let target_url = format!("imaps://{}", self.target);
        Ok(vec![Account {
            source: Origin::Imap(endpoint(
                &self.source_url(),
                (&own.source_user, &own.source_password),
                &source,
            )?),
            target: Destination::Imap(endpoint(
                &target_url,
                (&target_user, &own.target_password),
                &target,
            )?),
        }])
    }

    /// The old server's URL with how to log in to it, as an accounts file has it.
    fn source_url(&self) -> String {
        let mut url = self.source.clone();
        if self.source_auth.is_some() || self.source_master.is_some() {
            url.query_pairs_mut()
                .extend_pairs(self.source_auth.iter().map(|auth| ("auth", auth)))
                .extend_pairs(self.source_master.iter().map(|master| ("master", master)));
        }
        url.into()
    }

    /// Tells the platform where the pass stands, over and over; what it misses once, the next says.
    async fn tell_progress(&self, tally: &tally::Tally) -> std::convert::Infallible {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut told, mut seen, mut since) = (None, 0, Instant::now());
        loop {
            beat.tick().await;
            let messages = tally.counts();
            let elapsed = since.elapsed().as_millis().max(1);
            let rate = u128::from(messages.bytes - seen) * 1000 / elapsed;
            (seen, since) = (messages.bytes, Instant::now());
            let progress = PutPassProgress {
                migration_uid: self.uid.clone(),
                pass: self.pass,
                messages,
                bytes_per_second: u64::try_from(rate).unwrap_or(u64::MAX),
            };
            if told.as_ref() == Some(&progress) {
                continue;
            }
            match self.put("progress", &progress).await {
                Ok(()) => told = Some(progress),
                Err(error) => tracing::warn!(%error, cause = error.cause, "progress was not told"),
            }
        }
    }

    async fn put(&self, what: &str, body: &impl serde::Serialize) -> Result<(), CliError> {
        let doing = text!("informer la plateforme", "tell the platform");
        let path = format!(
            "/v1/tenants/{}/migrations/{}/accounts/{}/{what}",
            self.siren, self.name, self.account
        );
        self.connect()
            .await?
            .tell(Method::PUT, &path, body, &doing)
            .await
            .map(drop)
    }

    /// A fresh connection: tokens are replaced while a long run goes.
    async fn connect(&self) -> Result<PlatformClient, CliError> {
        let token = secret(&self.token_file)?;
        PlatformClient::direct(&self.api, &read(&self.api_ca)?, &token).await
    }

    /// A pass without its report has not ended: the Job then starts again and finds all copied.
    async fn hand_over(&self, report: &Report) -> Result<(), CliError> {
        let value = serde_json::to_value(report).map_err(|error| {
            CliError::failure(text!(
                "preuve impossible à écrire",
                "failed to write the proof"
            ))
            .caused_by(&error)
        })?;
        let body = PutPassReport {
            migration_uid: self.uid.clone(),
            pass: self.pass,
            report: seal::settled(value),
        };
        for wait in ATTEMPTS {
            match self.put("report", &body).await {
                Ok(()) => return Ok(()),
                // A right that was granted a moment ago is refused for a moment more.
                Err(error) if matches!(error.kind, Kind::Unavailable | Kind::Refused) => {
                    tracing::warn!(%error, cause = error.cause, "the platform does not answer yet");
                    tokio::time::sleep(Duration::from_secs(wait)).await;
                }
                Err(error) => return Err(error),
            }
        }
        self.put("report", &body).await
    }
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| {
        let shown = path.display();
        CliError::usage(text!("{shown} illisible", "{shown} is unreadable")).caused_by(&error)
    })
}

fn secret(path: &std::path::Path) -> Result<SecretString, CliError> {
    let text = String::from_utf8(read(path)?).map_err(|error| {
        let shown = path.display();
        CliError::usage(text!("{shown} illisible", "{shown} is unreadable")).caused_by(&error)
    })?;
    Ok(text.into())
}

fn no_tls(error: &ImapError) -> CliError {
    CliError::usage(text!(
        "certificat d'autorité inutilisable",
        "unusable authority certificate"
    ))
    .caused_by(error)
}

/// A server with a login on it. Cleartext was allowed by whoever wrote the migration, or is not asked.
fn endpoint(
    url: &str,
    (user, password): (&str, &SecretString),
    tls: &Security,
) -> Result<Endpoint, CliError> {
    let options = EndpointOptions {
        allow_cleartext: true,
        ca_file: None,
    };
    Endpoint::parse([url, user, password.expose_secret()], &options, tls)
        .map_err(|reason| CliError::usage(text!("{url} : {reason}", "{url}: {reason}")))
}

/// Ends the run after the batches in flight when Kubernetes asks for it.
fn stop_on_signal() -> Result<CancellationToken, CliError> {
    let mut signals = signal(SignalKind::terminate()).map_err(|error| {
        CliError::failure(text!("signaux indisponibles", "signals are unavailable"))
            .caused_by(&error)
    })?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        signals.recv().await;
        token.cancel();
    });
    Ok(stop)
}

fn ended(outcome: Outcome) -> Result<(), CliError> {
    let (kind, message) = match outcome {
        Outcome::Complete => return Ok(()),
        Outcome::Partial => (
            Kind::Partial,
            text!(
                "des éléments manquent : voyez la preuve",
                "some items are absent: see the proof"
            ),
        ),
        Outcome::Failed => (
            Kind::Failure,
            text!(
                "aucun compte n'a pu être copié : voyez la preuve",
                "no account could be copied: see the proof"
            ),
        ),
        Outcome::Stopped => (
            Kind::Failure,
            text!("arrêtée avant la fin", "stopped before the end"),
        ),
    };
    Err(CliError::new(kind, message).exit(outcome.exit_code()))
}
