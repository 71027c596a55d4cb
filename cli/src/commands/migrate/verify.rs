//! `melouvert migrate verify`.

use kube::Api;
use melouvert_api::Migration;
use melouvert_domain::NamespaceName;
use melouvert_migration::{Report, proof::AccountStatus, seal};

use super::{
    get,
    proof::{self, document::Document},
};
use crate::{
    errors::{CliError, Kind},
    globals::Context,
    input, platform,
    printer::Row,
    text::{Lang, text},
};

/// Arguments of `melouvert migrate verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity
    #[arg(value_name = "SIREN")]
    siren: String,
    /// The name of the migration
    #[arg(value_name = "MIGRATION")]
    name: String,
}

/// One account, verified.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    account: String,
    folders: u64,
    messages: u64,
    /// Folders whose messages at the target are not proven to be those of the source.
    unproven: Vec<String>,
    complete: bool,
}

impl Row for Line {
    fn titles(lang: Lang) -> Vec<&'static str> {
        lang.pick(
            vec!["COMPTE", "DOSSIERS", "MESSAGES", "CONSTAT"],
            vec!["ACCOUNT", "FOLDERS", "MESSAGES", "FINDING"],
        )
    }

    fn cells(&self, lang: Lang) -> Vec<String> {
        let finding = if self.complete {
            lang.pick("identique à la source", "same as the source")
                .to_owned()
        } else if self.unproven.is_empty() {
            lang.pick("incomplet", "incomplete").to_owned()
        } else {
            format!(
                "{} {}",
                lang.pick("incomplet :", "incomplete:"),
                self.unproven.join(", ")
            )
        };
        vec![
            self.account.clone(),
            self.folders.to_string(),
            self.messages.to_string(),
            finding,
        ]
    }

    fn name(&self) -> String {
        self.account.clone()
    }
}

impl Args {
    /// Verifies the hash against the one in the cluster, the signature, then every folder.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let name = &self.name;
        let migrations: Api<Migration> =
            Api::namespaced(context.client().await?, NamespaceName::of(&siren).as_str());
        let recorded = get(&migrations, name)
            .await?
            .status
            .unwrap_or_default()
            .proof_hash;
        let (kept, report) = proof::fetch(context, &siren, name).await?;
        let computed = seal::hash(&kept.report);
        if computed != kept.hash || recorded.as_ref().is_some_and(|hash| *hash != computed) {
            return Err(CliError::failure(text!(
                "la preuve de {name} a été altérée : son empreinte est {computed}",
                "the proof of {name} was altered: its hash is {computed}"
            ))
            .remedy(text!(
                "relancez la migration avec --again : une nouvelle preuve sera faite",
                "run the migration with --again: another proof will be made"
            )));
        }
        if let (Some(text), Some(signature)) = (&kept.document, &kept.signature) {
            let root = platform::authority(context).await?;
            proof::check(&Document::read(text.clone())?, signature, Some(&root))?;
        }
        let lines = verify(&report);
        context.printer.rows(&lines)?;
        let bad = lines.iter().filter(|line| !line.complete).count();
        if bad == 0 && !lines.is_empty() {
            return Ok(());
        }
        Err(CliError::new(
            Kind::Partial,
            text!(
                "{bad} compte(s) incomplet(s)",
                "{bad} incomplete account(s)"
            ),
        )
        .remedy(text!(
            "melouvert migrate proof {siren} {name} nomme chaque absent et que faire",
            "melouvert migrate proof {siren} {name} names what is absent and what to do"
        )))
    }
}

/// Draws its own conclusion from counts and hashes rather than believing the verdicts.
fn verify(report: &Report) -> Vec<Line> {
    report
        .accounts
        .iter()
        .map(|account| {
            let unproven: Vec<String> = account
                .folders
                .iter()
                .filter(|f| !f.complete || f.source_hash != f.target_hash)
                .map(|f| f.path.clone())
                .collect();
            Line {
                account: account.target_user.clone(),
                folders: account.folders.len() as u64,
                messages: account.folders.iter().map(|f| f.verified_messages).sum(),
                complete: unproven.is_empty() && account.status == AccountStatus::Complete,
                unproven,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(target_hash: &str, status: &str) -> Report {
        serde_json::from_value(serde_json::json!({
            "format": "melouvert-migration-report/1",
            "started": "2026-11-24T10:00:00Z", "finished": "2026-11-24T10:01:00Z",
            "outcome": "complete",
            "accounts": [{
                "source_url": "imaps://old.example:993", "source_user": "old",
                "target_url": "imaps://mail:993", "target_user": "jeanne@caen.example",
                "status": status, "failure": null, "seconds": 1.5,
                "written_messages": 2, "written_bytes": 10, "matched_messages": 0,
                "flag_changes": 0, "vanished_messages": 0,
                "folders": [{
                    "path": "INBOX", "target_name": "INBOX", "source_messages": 2,
                    "copied_messages": 2, "copied_bytes": 10, "source_hash": "aa",
                    "verified_messages": 2, "target_hash": target_hash,
                    "exceptions": 0, "complete": true,
                }],
                "exceptions": [],
            }],
        }))
        .unwrap()
    }

    #[test]
    fn a_folder_whose_hashes_differ_is_not_proven() {
        assert!(verify(&report("aa", "complete"))[0].complete);
        let bad = &verify(&report("bb", "complete"))[0];
        assert!(!bad.complete);
        assert_eq!(bad.unproven, ["INBOX"]);
        assert!(!verify(&report("aa", "stopped"))[0].complete);
    }
}
