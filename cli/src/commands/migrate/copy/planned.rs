//! A copy that carries out a plan: who goes, who is set aside.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use melouvert_migration::{
    Account, Outcome, Report,
    engine::set_aside,
    preflight::{AccountPlan, Decision, Plan, PlanError, Severity},
    proof::AccountReport,
};

use super::super::proof::document;
use crate::{
    errors::{CliError, Kind},
    text::text,
};

/// The plan to carry out, if any.
#[derive(Debug)]
pub struct Planned(Option<Plan>);

/// The accounts that a plan sets aside, by their place in the file.
#[derive(Debug)]
pub struct Aside(Vec<(usize, AccountReport)>);

impl Planned {
    /// Reads a plan and checks that it is for these accounts.
    pub fn read(path: Option<&Path>, accounts: &[Account]) -> Result<Self, CliError> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        let text = document::load(path)?;
        let plan = Plan::from_json(text.as_bytes()).map_err(|error| refused(&error))?;
        plan.check(accounts).map_err(|error| refused(&error))?;
        if plan.go().is_empty() {
            return Err(CliError::new(
                Kind::Conflict,
                text!(
                    "d'après le plan, aucune boîte ne peut être copiée",
                    "by the plan, no mailbox can be copied"
                ),
            )
            .remedy(text!(
                "suivez les remèdes du plan, puis refaites-le",
                "follow the plan's remedies, then make it again"
            )));
        }
        Ok(Self(Some(plan)))
    }

    /// The bytes left of each account, by its key.
    pub fn sizes(&self) -> BTreeMap<String, u64> {
        self.0.as_ref().map(Plan::sizes).unwrap_or_default()
    }

    /// The accounts that go, and those that do not.
    pub fn split(&self, accounts: Vec<Account>) -> (Vec<Account>, Aside) {
        let Some(plan) = &self.0 else {
            return (accounts, Aside(Vec::new()));
        };
        let plans: HashMap<&str, &AccountPlan> = plan
            .accounts
            .iter()
            .map(|one| (one.key.as_str(), one))
            .collect();
        let (mut go, mut aside) = (Vec::new(), Vec::new());
        for (place, account) in accounts.into_iter().enumerate() {
            match plans.get(account.key().as_str()) {
                Some(plan) if plan.decision == Decision::Go => go.push(account),
                plan => {
                    let why = plan.map(|plan| blocking(plan)).unwrap_or_default();
                    aside.push((place, set_aside(&account, &why)));
                }
            }
        }
        (go, Aside(aside))
    }
}

impl Aside {
    /// Lists the accounts set aside in the report, each in its place.
    pub fn into_report(self, report: &mut Report) {
        for (place, account) in self.0 {
            let place = place.min(report.accounts.len());
            report.accounts.insert(place, account);
        }
        report.outcome = Outcome::of(&report.accounts);
    }
}

/// The identifiers of what blocks an account, with their details.
fn blocking(plan: &AccountPlan) -> String {
    let blocking = plan
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Blocking);
    let said = blocking.map(|finding| {
        let what = finding.concern.english().0;
        let detail = &finding.detail;
        if detail.is_empty() {
            what.to_owned()
        } else {
            format!("{what}: {detail}")
        }
    });
    said.collect::<Vec<_>>().join("; ")
}

fn refused(error: &PlanError) -> CliError {
    let message = match error {
        PlanError::Form(_) | PlanError::Format { .. } => text!(
            "--plan : ce fichier n'est pas un plan de migration",
            "--plan: this file is no plan of a migration"
        ),
        PlanError::Changed => text!(
            "--plan : le plan a été modifié depuis qu'il a été fait ; rien n'a été copié",
            "--plan: the plan was changed since it was made; nothing was copied"
        ),
        PlanError::OtherAccounts => text!(
            "--plan : le plan a été fait pour d'autres comptes que ceux du fichier ; rien n'a été copié",
            "--plan: the plan was made for other accounts than those of the file; nothing was copied"
        ),
    };
    CliError::usage(message).caused_by(error).remedy(text!(
        "refaites le plan avec ce fichier de comptes : melouvert migrate plan --save",
        "make the plan again with this accounts file: melouvert migrate plan --save"
    ))
}
