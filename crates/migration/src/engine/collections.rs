//! Calendars and contacts of a source, beside its mail.

use std::path::{Path, PathBuf};

use super::Job;
use crate::account::{Destination, FileKind, FileTargetKind, Origin};
use crate::collection::{self, Import, Kind};
use crate::error::{EndpointError, MigrationError};
use crate::progress::Event;
use crate::proof::{AccountReport, Exception, Reason};
use crate::{source, target};

/// Where an account's collections are kept: in an export, beside a Maildir, or, for a server
/// that has no door for them yet, in the account's own folder.
fn folder(destination: &Destination, directory: &Path) -> PathBuf {
    match destination {
        Destination::Imap(_) => directory.join("collections"),
        Destination::Files(files) => match files.kind {
            FileTargetKind::Export => files.path.join("collections"),
            FileTargetKind::Maildir => {
                // Several Maildirs may stand in one folder.
                let mut beside = files.path.clone().into_os_string();
                beside.push(".collections");
                PathBuf::from(beside)
            }
        },
    }
}

/// Keeps what a source has of calendars and contacts.
pub(super) async fn keep(job: &Job, report: &mut AccountReport) -> Result<(), MigrationError> {
    let Origin::Files(files) = &job.account.source else {
        return Ok(());
    };
    let kind = match files.kind {
        FileKind::Ical => Some(Kind::Calendar),
        FileKind::Vcard => Some(Kind::Contacts),
        FileKind::Pst => None,
        _ => return Ok(()),
    };
    let path = files.path.clone();
    let root = folder(&job.account.target, &job.directory);
    let account = job.account.source.user().to_owned();
    let into = root.clone();
    let kept = tokio::task::spawn_blocking(move || match kind {
        Some(kind) => collection::import(kind, &path, &into, &account),
        None => source::pst::collect(&path, &into, &account),
    });
    let kept = kept
        .await
        .map_err(|error| MigrationError::Task(error.to_string()))?;
    let import = kept.map_err(|source| MigrationError::Source {
        account: job.account.source.user().to_owned(),
        source: EndpointError::Io {
            path: files.path.clone(),
            source,
        },
    })?;
    tell_manifest(job, &import)?;
    take(job, import, report);
    Ok(())
}

/// An export's manifest tells of its collections too.
fn tell_manifest(job: &Job, import: &Import) -> Result<(), MigrationError> {
    let Destination::Files(files) = &job.account.target else {
        return Ok(());
    };
    if files.kind != FileTargetKind::Export || import.collections.is_empty() {
        return Ok(());
    }
    target::export::mark_incomplete(&files.path).map_err(|source| MigrationError::Target {
        account: job.account.target.user().to_owned(),
        source: EndpointError::Io {
            path: files.path.clone(),
            source,
        },
    })
}

fn take(job: &Job, import: Import, report: &mut AccountReport) {
    let mut exceptions = import.exceptions;
    for proof in &import.collections {
        if !proof.complete && proof.exceptions == 0 {
            let user = job.account.source.user();
            let exception =
                Exception::new(user, &proof.exception_folder(), None, Reason::BytesDiffer);
            exceptions.push(exception.saying("an object's file was altered after it was written"));
        }
    }
    for exception in exceptions {
        job.progress.event(Event::Exception {
            account: job.index,
            exception: exception.clone(),
        });
        report.exceptions.push(exception);
    }
    report.collections = import.collections;
}
