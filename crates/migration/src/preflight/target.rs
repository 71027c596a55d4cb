//! A light scan of a target: how it writes names, what it has, its room and its rights.

use super::Reach;
use crate::account::Destination;
use crate::error::EndpointError;
use crate::imap::MailboxName;
use crate::imap::extent::{self, Quota};
use crate::patience::Side;
use crate::source::imap::{Listing, list, open};

/// What a target tells.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) listing: Listing,
    pub(super) quota: Option<Quota>,
    pub(super) append_limit: Option<u64>,
    /// The user's rights on INBOX, where the server tells them.
    pub(super) rights: Option<String>,
}

/// Scans a target. Files have neither limit nor rights.
pub(super) async fn scan(destination: &Destination, reach: &Reach) -> Result<Scan, EndpointError> {
    let Destination::Imap(endpoint) = destination else {
        return Ok(Scan::default());
    };
    let mut session = open(
        endpoint,
        reach.timeouts,
        &mut reach.patience(Side::Target),
        &reach.gate,
    )
    .await?;
    let listing = list(&mut session).await?;
    let inbox = [MailboxName::of("INBOX")?];
    let mut rights = extent::rights(&mut session, &inbox).await?;
    Ok(Scan {
        quota: extent::quota(&mut session).await?,
        append_limit: extent::append_limit(&session),
        rights: rights.pop().and_then(|(mine, _)| mine),
        listing,
    })
}
