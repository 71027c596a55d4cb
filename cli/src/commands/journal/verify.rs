//! `melouvert journal verify`.

use melouvert_api::wire::{JOURNAL_PAGE_MAX, JournalEntry, Verification};
use melouvert_journal::{Broken, Chain, Flaw, Link};
use serde::Serialize;

use super::pages::{self, Whose};
use crate::{
    errors::{CliError, Kind},
    globals::Context,
    platform::PlatformClient,
    text::{Text, text},
};

/// Arguments of `melouvert journal verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity; the platform otherwise
    #[arg(long, value_name = "SIREN")]
    siren: Option<String>,
}

/// A journal that holds.
#[derive(Debug, Serialize)]
struct Proven {
    intact: bool,
    entries: i64,
    head: Option<String>,
}

impl Args {
    /// Verifies the chain here, then asks the platform, which also knows the anchors.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let whose = Whose::of(self.siren.as_deref())?;
        let mut client = PlatformClient::connect(context).await?;
        let chain = recompute(&mut client, &whose).await?;
        let Text { fr, en } = whose.name();
        let doing = text!("vérifier {fr}", "verify {en}");
        let path = format!("{}/verification", whose.path());
        let told: Verification = client.get(&path, &doing).await?;
        compare(&chain, &told, &whose)?;
        let proven = Proven {
            intact: true,
            entries: chain.length(),
            head: chain.head().map(Into::into),
        };
        let (count, head) = (proven.entries, proven.head.clone().unwrap_or_default());
        context.printer.one(&proven, &head, |lang| {
            text!(
                "Intact : {count} entrées recalculées, aucune altérée\nTête : {head}",
                "Intact: {count} entries computed again, none altered\nHead: {head}"
            )
            .in_lang(lang)
            .to_owned()
        })
    }
}

async fn recompute(client: &mut PlatformClient, whose: &Whose) -> Result<Chain, CliError> {
    let mut chain = Chain::default();
    loop {
        let page = pages::page(client, whose, chain.length(), JOURNAL_PAGE_MAX).await?;
        for entry in &page.entries {
            chain
                .push(&link(entry), &entry.hash)
                .map_err(|broken| altered(&broken, whose))?;
        }
        if page.next.is_none() {
            return Ok(chain);
        }
    }
}

/// The entry as its hash covers it: no word of the platform is taken for the hash itself.
fn link(entry: &JournalEntry) -> Link<'_> {
    Link {
        seq: entry.seq,
        at: &entry.at,
        actor: &entry.actor,
        action: &entry.action,
        subject: &entry.subject,
        detail: &entry.detail,
        previous: &entry.previous,
    }
}

/// The platform's verification must agree; it may have a few entries more, written meanwhile.
fn compare(chain: &Chain, told: &Verification, whose: &Whose) -> Result<(), CliError> {
    if let Some(broken) = &told.broken {
        let Text { fr, en } = whose.name();
        let (seq, reason) = (broken.seq, &broken.reason);
        return Err(refused(text!(
            "{fr} est rompu au maillon {seq} : {reason}",
            "{en} is broken at link {seq}: {reason}"
        )));
    }
    let same_length = told.entries == chain.length();
    let shorter = told.entries < chain.length();
    if shorter || (same_length && told.head.as_deref() != chain.head()) {
        let Text { fr, en } = whose.name();
        return Err(refused(text!(
            "{fr} n'est pas celui que la plateforme vérifie",
            "{en} is not the one that the platform verifies"
        )));
    }
    Ok(())
}

fn altered(broken: &Broken, whose: &Whose) -> CliError {
    let Text { fr, en } = whose.name();
    let seq = broken.seq;
    let why = match broken.flaw {
        Flaw::Missing => text!("l'entrée manque", "the entry is missing"),
        Flaw::Previous => text!(
            "il ne suit pas le maillon précédent",
            "it does not follow the link before"
        ),
        Flaw::Content => text!(
            "son contenu ne donne pas son empreinte : il a été modifié",
            "its content does not give its hash: it was altered"
        ),
    };
    let (why_fr, why_en) = (why.fr, why.en);
    refused(text!(
        "{fr} est rompu au maillon {seq} : {why_fr}",
        "{en} is broken at link {seq}: {why_en}"
    ))
}

fn refused(message: Text) -> CliError {
    CliError::new(Kind::Failure, message).remedy(text!(
        "gardez une copie (melouvert journal show -o json) et prévenez votre hébergeur et le RSSI",
        "keep a copy (melouvert journal show -o json) and tell your hoster and the security officer"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;

    #[test]
    fn a_broken_link_is_named_in_both_languages() {
        let broken = Broken {
            seq: 7,
            flaw: Flaw::Content,
            expected: "ab".into(),
            found: "cd".into(),
        };
        let whose = Whose::of(Some("211401187")).unwrap();
        let error = altered(&broken, &whose);
        insta::assert_snapshot!(error.render(Lang::Fr), @r"
        erreur : le journal de 211401187 est rompu au maillon 7 : son contenu ne donne pas son empreinte : il a été modifié
          que faire : gardez une copie (melouvert journal show -o json) et prévenez votre hébergeur et le RSSI
        ");
        assert!(error.render(Lang::En).contains("broken at link 7"));
        assert_ne!(error.kind.exit_code(), 0);
    }

    #[test]
    fn the_platforms_word_must_agree() {
        let chain = Chain::default();
        let told = |entries, head: Option<&str>| Verification {
            intact: true,
            entries,
            head: head.map(Into::into),
            broken: None,
        };
        assert!(compare(&chain, &told(0, None), &Whose::Platform).is_ok());
        assert!(compare(&chain, &told(1, Some("ab")), &Whose::Platform).is_ok());
        assert!(compare(&chain, &told(0, Some("ab")), &Whose::Platform).is_err());
        let mut broken = told(0, None);
        broken.broken = Some(melouvert_api::wire::BrokenLink {
            seq: 1,
            reason: "x".into(),
        });
        assert!(compare(&chain, &broken, &Whose::Platform).is_err());
    }
}
