//! The old server, as typed.

use std::{net::IpAddr, path::Path};

use melouvert_api::migration::Source;

use crate::{
    errors::CliError,
    text::{Text, text},
};

/// Reads `--source`, `--source-cidr` and `--ca-file`.
pub fn parse(
    url: &str,
    cidrs: &[String],
    ca_file: Option<&Path>,
    allow_cleartext: bool,
) -> Result<Source, CliError> {
    let (host, port, cleartext) = endpoint(url)?;
    if cleartext && !allow_cleartext {
        return Err(CliError::usage(text!(
            "--source {url} : imap:// ne chiffre rien",
            "--source {url}: imap:// encrypts nothing"
        ))
        .remedy(text!(
            "employez imaps://, ou ajoutez --allow-cleartext sur un réseau de confiance",
            "use imaps://, or add --allow-cleartext on a network that you trust"
        )));
    }
    for cidr in cidrs {
        if !is_cidr(cidr) {
            return Err(CliError::usage(text!(
                "--source-cidr « {cidr} » n'est pas un CIDR",
                "--source-cidr {cidr:?} is not a CIDR"
            ))
            .remedy(text!(
                "attendu : p. ex. 203.0.113.7/32",
                "expected e.g. 203.0.113.7/32"
            )));
        }
    }
    let ca = ca_file.map(read_ca).transpose()?;
    Ok(Source {
        host,
        port,
        cidrs: cidrs.to_vec(),
        ca,
        allow_cleartext: cleartext,
    })
}

/// Host, port and whether it is cleartext.
fn endpoint(url: &str) -> Result<(String, u16, bool), CliError> {
    let bad = |why: Text| {
        let (fr, en) = (why.fr, why.en);
        CliError::usage(text!(
            "--source « {url} » incorrect : {fr}",
            "wrong --source {url:?}: {en}"
        ))
        .remedy(text!(
            "attendu : imaps://hôte:993",
            "expected imaps://host:993"
        ))
    };
    let parsed =
        url::Url::parse(url).map_err(|_| bad(text!("ce n'est pas une URL", "it is not a URL")))?;
    let (cleartext, default_port) = match parsed.scheme() {
        "imaps" => (false, 993),
        "imap" => (true, 143),
        other => {
            return Err(bad(text!(
                "{other}:// est inconnu",
                "{other}:// is unknown"
            )));
        }
    };
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(bad(text!(
            "les identifiants vont dans le fichier de comptes",
            "credentials belong in the accounts file"
        )));
    }
    let host = parsed
        .host_str()
        .filter(|host| !host.is_empty())
        .ok_or_else(|| bad(text!("l'hôte manque", "the host is missing")))?;
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    Ok((host, parsed.port().unwrap_or(default_port), cleartext))
}

fn is_cidr(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else {
        return false;
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    prefix.parse::<u8>().is_ok_and(|prefix| prefix <= most)
}

fn read_ca(path: &Path) -> Result<String, CliError> {
    let shown = path.display();
    let pem = std::fs::read_to_string(path).map_err(|error| {
        CliError::usage(text!(
            "--ca-file {shown} illisible",
            "--ca-file {shown} is unreadable"
        ))
        .caused_by(&error)
    })?;
    if pem.contains("PRIVATE KEY") || !pem.contains("BEGIN CERTIFICATE") {
        return Err(CliError::usage(text!(
            "--ca-file {shown} n'est pas un certificat PEM",
            "--ca-file {shown} is not a PEM certificate"
        ))
        .remedy(text!(
            "donnez le certificat de l'autorité, sans clé privée",
            "give the authority's certificate, without a private key"
        )));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(url: &str, cleartext: bool) -> Result<Source, CliError> {
        parse(url, &["203.0.113.7/32".into()], None, cleartext)
    }

    #[test]
    fn servers_are_read() {
        let source = one("imaps://old.example", false).unwrap();
        assert_eq!(
            (source.host.as_str(), source.port, source.allow_cleartext),
            ("old.example", 993, false)
        );
        let source = one("imap://10.0.0.7:1143", true).unwrap();
        assert_eq!(
            (source.host.as_str(), source.port, source.allow_cleartext),
            ("10.0.0.7", 1143, true)
        );
        // Allowing cleartext does not impose it.
        assert!(!one("imaps://old.example", true).unwrap().allow_cleartext);
    }

    #[test]
    fn bad_servers_are_refused() {
        for url in [
            "old.example",
            "imap://old.example",
            "https://old.example",
            "imaps://",
            "imaps://u:p@old.example",
        ] {
            assert!(one(url, false).is_err(), "{url}");
        }
        for cidr in ["10.0.0.1", "10.0.0.1/33", "x/8", "::1/129"] {
            assert!(
                parse("imaps://a.example", &[cidr.into()], None, false).is_err(),
                "{cidr}"
            );
        }
        assert!(is_cidr("2001:db8::/32"));
    }
}
