//! `melouvert quota show`.

use melouvert_api::wire::{MailboxQuota, Quota};

use crate::{
    commands::agent::size,
    errors::{CliError, Kind},
    globals::Context,
    input,
    platform::PlatformClient,
    printer,
    text::{Lang, Text, text},
};

/// Arguments of `melouvert quota show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity
    #[arg(long, value_name = "SIREN")]
    siren: String,
}

impl Args {
    /// Shows the quotas; a use that is unknown makes the exit code non-zero.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let doing = text!("lire les quotas de {siren}", "read the quotas of {siren}");
        let quota: Quota = PlatformClient::connect(context)
            .await?
            .get(&format!("/v1/tenants/{siren}/quota"), &doing)
            .await?;
        let name = format!("quota/{siren}");
        context
            .printer
            .one(&quota, &name, |lang| human(&quota, lang))?;
        match quota.unknown {
            None => Ok(()),
            Some(said) => Err(CliError::new(
                Kind::Partial,
                Text {
                    fr: said.fr,
                    en: said.en,
                },
            )
            .remedy(text!(
                "voyez son état : melouvert collectivity show {siren}",
                "see its state: melouvert collectivity show {siren}"
            ))),
        }
    }
}

fn human(quota: &Quota, lang: Lang) -> String {
    let (agents, limit) = (quota.agents, quota.agents_limit);
    let (storage, allocated) = (size(quota.storage_bytes), size(quota.allocated_bytes));
    let used = known(quota.used_bytes.map(size));
    let head = text!(
        "Agents   {agents} sur {limit}\nVolume   {storage}\nPromis   {allocated}\nOccupé   {used}\n\n",
        "Agents     {agents} of {limit}\nVolume     {storage}\nPromised   {allocated}\nUsed       {used}\n\n"
    );
    let titles = lang.pick(
        vec!["ADRESSE", "QUOTA", "OCCUPÉ", "%", "MESSAGES"],
        vec!["ADDRESS", "QUOTA", "USED", "%", "MESSAGES"],
    );
    let rows = quota.mailboxes.iter().map(cells);
    head.in_lang(lang).to_owned() + &printer::table(titles, rows)
}

fn cells(mailbox: &MailboxQuota) -> Vec<String> {
    let percent = mailbox
        .used_bytes
        .and_then(|used| used.saturating_mul(100).checked_div(mailbox.quota_bytes));
    vec![
        mailbox.address.clone(),
        size(mailbox.quota_bytes),
        known(mailbox.used_bytes.map(size)),
        known(percent.map(|p| p.to_string())),
        known(mailbox.messages.map(|m| m.to_string())),
    ]
}

fn known(figure: Option<String>) -> String {
    figure.unwrap_or_else(|| "?".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_use_is_a_question_mark() {
        let mut mailbox = MailboxQuota {
            address: "jeanne@caen.example".into(),
            quota_bytes: 2 << 30,
            used_bytes: Some(1 << 30),
            messages: Some(3),
        };
        assert_eq!(cells(&mailbox)[1..], ["2.0 GiB", "1.0 GiB", "50", "3"]);
        mailbox.used_bytes = None;
        mailbox.messages = None;
        assert_eq!(cells(&mailbox)[2..], ["?", "?", "?"]);
    }
}
