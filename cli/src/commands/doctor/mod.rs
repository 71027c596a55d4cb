//! `melouvert doctor`: what works, what does not, and what to do about it.

mod alarms;
mod certificates;
mod cluster;
mod database;
mod operator;
mod parts;
mod rights;
mod volumes;

use kube::Client;
use serde::Serialize;

use crate::{
    commands::collectivity,
    errors::{CliError, Kind},
    globals::Context,
    language::{French, about, arg},
    printer::Row,
    text::{Lang, Text, text},
};

/// French help.
pub const FRENCH: &[French] = &[
    about(
        "doctor",
        "Examine la plateforme et vos droits, et dit que faire de ce qui ne va pas\n\nÉchoue si un examen échoue. Ce que vos droits ne permettent pas de voir est marqué « non vérifiable ».",
    ),
    arg(
        "doctor",
        "database_script",
        "Affiche le script SQL que l'administrateur d'un serveur PostgreSQL externe exécute, sans rien examiner",
    ),
];

/// Arguments of `melouvert doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the SQL script that the administrator of an external PostgreSQL server runs, and
    /// examine nothing
    #[arg(long)]
    database_script: bool,
}

impl Args {
    /// Runs every check, or prints the script.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        if !self.database_script {
            return run(context).await;
        }
        let client = context.client().await?;
        let script = database::script(&client, &context.system_namespace).await?;
        context.printer.raw(&script)
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but somebody should look.
    Attention,
    /// The caller's rights do not allow to look.
    Unverifiable,
    /// Does not work.
    Failed,
}

/// One check.
#[derive(Debug, Clone)]
pub struct Check {
    /// What was looked at.
    pub subject: Text,
    /// How it ended.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: Text,
    /// What to do.
    pub remedy: Option<Text>,
}

impl Check {
    /// A check without a remedy.
    pub fn new(subject: Text, verdict: Verdict, seen: Text) -> Self {
        Self {
            subject,
            verdict,
            seen,
            remedy: None,
        }
    }

    /// Adds what to do.
    pub fn remedy(mut self, remedy: Text) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// A check that ended with an error: missing rights are no failure of the platform.
    pub fn error(subject: Text, error: CliError) -> Self {
        if error.kind == Kind::Refused {
            let seen = text!(
                "vos droits ne permettent pas de le voir",
                "your rights do not allow to see it"
            );
            return Self::new(subject, Verdict::Unverifiable, seen);
        }
        let mut seen = error.message;
        if let Some(cause) = &error.cause {
            seen.fr = format!("{} ({cause})", seen.fr);
            seen.en = format!("{} ({cause})", seen.en);
        }
        Self {
            subject,
            verdict: Verdict::Failed,
            seen,
            remedy: error.remedy.map(|remedy| *remedy),
        }
    }
}

#[derive(Debug, Serialize)]
struct Line {
    check: String,
    verdict: Verdict,
    seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Row for Line {
    fn titles(lang: Lang) -> Vec<&'static str> {
        lang.pick(vec!["", "EXAMEN", "CONSTAT"], vec!["", "CHECK", "SEEN"])
    }

    fn cells(&self, lang: Lang) -> Vec<String> {
        let word = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Attention => lang.pick("attention", "attention"),
            Verdict::Unverifiable => lang.pick("non vérifiable", "not verifiable"),
            Verdict::Failed => lang.pick("ÉCHEC", "FAILED"),
        };
        let seen = match &self.remedy {
            Some(remedy) => format!("{}\n→ {remedy}", self.seen),
            None => self.seen.clone(),
        };
        vec![word.to_owned(), self.check.clone(), seen]
    }

    fn name(&self) -> String {
        self.check.clone()
    }
}

/// Runs every check; fails when one of them fails.
async fn run(context: &Context) -> Result<(), CliError> {
    let client = context.client().await?;
    let checks = examine(context, &client).await;
    let failed = checks
        .iter()
        .filter(|check| check.verdict == Verdict::Failed)
        .count();
    let lang = context.lang;
    let lines: Vec<Line> = checks
        .into_iter()
        .map(|check| Line {
            check: check.subject.in_lang(lang).to_owned(),
            verdict: check.verdict,
            seen: check.seen.in_lang(lang).to_owned(),
            remedy: check.remedy.map(|remedy| remedy.in_lang(lang).to_owned()),
        })
        .collect();
    context.printer.rows(&lines)?;
    if failed == 0 {
        return Ok(());
    }
    Err(CliError::failure(text!(
        "{failed} examen(s) en échec",
        "{failed} check(s) failed"
    )))
}

async fn examine(context: &Context, client: &Client) -> Vec<Check> {
    let reachable = cluster::server(client).await;
    let unreachable = reachable.verdict == Verdict::Failed;
    let mut checks = vec![reachable];
    if unreachable {
        return checks;
    }
    let installed = cluster::definitions(client).await;
    let missing = installed.verdict == Verdict::Failed;
    checks.push(installed);
    checks.push(rights::rights(client).await);
    if missing {
        return checks;
    }
    checks.push(cluster::policies(client).await);
    checks.extend(cluster::offers(client).await);
    checks.push(cluster::proxies(client).await);
    checks.extend(operator::checks(client, &context.system_namespace).await);
    checks.extend(parts::checks(client, &context.system_namespace).await);
    match collectivity::all(client).await {
        Ok(all) => {
            checks.push(certificates::spaces(&all.read));
            checks.extend(certificates::apart(&all.read));
            checks.extend(cluster::unused_regions(client, &all.read).await);
            checks.extend(volumes::checks(context, &all.read).await);
            checks.push(certificates::certificates(
                &all.read,
                jiff::Timestamp::now(),
            ));
            if let Err(error) = all.complete() {
                checks.push(Check::error(
                    text!("Objets illisibles", "Unreadable objects"),
                    error,
                ));
            }
        }
        Err(error) => checks.push(Check::error(
            text!("Collectivités", "Collectivities"),
            error,
        )),
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_rights_are_no_failure_of_the_platform() {
        let check = |kind| {
            let error = CliError::new(kind, text!("impossible", "failed"));
            Check::error(text!("Base", "Database"), error).verdict
        };
        assert_eq!(check(Kind::Refused), Verdict::Unverifiable);
        assert_eq!(check(Kind::Unavailable), Verdict::Failed);
        let good = Check::new(
            text!("Base", "Database"),
            Verdict::Ok,
            text!("jointe", "reached"),
        );
        assert_eq!(good.verdict, Verdict::Ok);
    }
}
