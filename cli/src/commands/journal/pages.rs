//! A journal, page by page.

use melouvert_api::wire::{JOURNAL_PAGE_MAX, JournalEntry, JournalPage};
use melouvert_domain::Siren;

use crate::{
    errors::CliError,
    platform::PlatformClient,
    text::{Text, text},
};

/// Whose journal.
#[derive(Debug, Clone)]
pub enum Whose {
    /// A tenant's.
    Tenant(Siren),
    /// The platform's.
    Platform,
}

impl Whose {
    /// From `--siren`.
    pub fn of(siren: Option<&str>) -> Result<Self, CliError> {
        siren.map_or(Ok(Self::Platform), |text| {
            crate::input::siren(text).map(Self::Tenant)
        })
    }

    /// Its path in the platform API.
    pub fn path(&self) -> String {
        match self {
            Self::Tenant(siren) => format!("/v1/tenants/{siren}/journal"),
            Self::Platform => "/v1/journal".into(),
        }
    }

    /// « le journal de … ».
    pub fn name(&self) -> Text {
        match self {
            Self::Tenant(siren) => text!("le journal de {siren}", "the journal of {siren}"),
            Self::Platform => text!("le journal de la plateforme", "the platform's journal"),
        }
    }
}

/// The next page after `after`, of at most `limit` entries.
pub async fn page(
    client: &mut PlatformClient,
    whose: &Whose,
    after: i64,
    limit: u32,
) -> Result<JournalPage, CliError> {
    let Text { fr, en } = whose.name();
    let path = format!("{}?after={after}&limit={limit}", whose.path());
    client.get(&path, &text!("lire {fr}", "read {en}")).await
}

/// Up to `limit` entries after `after`; all when there is no limit.
pub async fn entries(
    client: &mut PlatformClient,
    whose: &Whose,
    mut after: i64,
    limit: Option<u32>,
) -> Result<Vec<JournalEntry>, CliError> {
    let mut all: Vec<JournalEntry> = Vec::new();
    loop {
        let taken = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let left = limit.map_or(JOURNAL_PAGE_MAX, |limit| limit.saturating_sub(taken));
        if left == 0 {
            return Ok(all);
        }
        let read = page(client, whose, after, left.min(JOURNAL_PAGE_MAX)).await?;
        all.extend(read.entries);
        match read.next {
            Some(next) if next > after => after = next,
            _ => return Ok(all),
        }
    }
}
