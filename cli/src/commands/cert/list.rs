//! `melouvert cert list`.

use jiff::Timestamp;
use kube::Api;
use melouvert_api::collectivity::CertificateStatus;
use serde::Serialize;

use super::Standing;
use crate::{
    commands::collectivity::{Listed, all, get, instant},
    errors::CliError,
    globals::Context,
    input,
    printer::Row,
    text::Lang,
};

/// Arguments of `melouvert cert list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of one collectivity
    #[arg(long, value_name = "SIREN")]
    siren: Option<String>,
}

#[derive(Debug, Serialize)]
struct Line {
    siren: String,
    collectivity: String,
    #[serde(flatten)]
    certificate: CertificateStatus,
    #[serde(skip)]
    standing: Standing,
}

impl Row for Line {
    fn titles(lang: Lang) -> Vec<&'static str> {
        lang.pick(
            vec![
                "SIREN",
                "COLLECTIVITÉ",
                "CERTIFICAT",
                "EXPIRE",
                "RENOUVELÉ",
                "ÉTAT",
            ],
            vec![
                "SIREN",
                "COLLECTIVITY",
                "CERTIFICATE",
                "EXPIRES",
                "RENEWED",
                "STATE",
            ],
        )
    }

    fn cells(&self, lang: Lang) -> Vec<String> {
        vec![
            self.siren.clone(),
            self.collectivity.clone(),
            self.certificate.name.clone(),
            instant(&self.certificate.not_after, lang),
            instant(&self.certificate.renewal_at, lang),
            self.standing.word(lang).to_owned(),
        ]
    }

    fn name(&self) -> String {
        format!("{}/{}", self.siren, self.certificate.name)
    }
}

impl Args {
    /// Lists them.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = self.siren.as_deref().map(input::siren).transpose()?;
        let client = context.client().await?;
        let mut listed = match siren {
            Some(siren) => Listed {
                read: vec![get(&Api::all(client), &siren).await?],
                unread: Vec::new(),
            },
            None => all(&client).await?,
        };
        let now = Timestamp::now();
        let mut lines: Vec<Line> = std::mem::take(&mut listed.read)
            .into_iter()
            .flat_map(|object| {
                let (siren, name) = (object.spec.siren, object.spec.legal_name);
                object
                    .status
                    .unwrap_or_default()
                    .certificates
                    .into_iter()
                    .map(move |certificate| Line {
                        siren: siren.clone(),
                        collectivity: name.clone(),
                        standing: Standing::of(&certificate, now),
                        certificate,
                    })
            })
            .collect();
        // RFC 3339 in UTC: the order of texts is the order of instants.
        lines.sort_by(|a, b| a.certificate.not_after.cmp(&b.certificate.not_after));
        context.printer.rows(&lines)?;
        listed.complete()
    }
}
