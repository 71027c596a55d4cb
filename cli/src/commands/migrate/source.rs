//! The old server, as typed.

use std::{net::IpAddr, path::Path};

use melouvert_api::migration::{AuthSchema, Source};
use melouvert_migration::imap::{Address, AddressError, Compressing, Mechanism, Scheme};

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
    let (scheme, address) = address(url)?;
    if scheme == Scheme::Cleartext && !allow_cleartext {
        return Err(CliError::usage(text!(
            "--source {url} : imap:// ne chiffre rien",
            "--source {url}: imap:// encrypts nothing"
        ))
        .remedy(text!(
            "employez imaps:// ou imap+starttls://, ou ajoutez --allow-cleartext sur un réseau de confiance",
            "use imaps:// or imap+starttls://, or add --allow-cleartext on a network that you trust"
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
        host: address.host,
        port: address.port,
        cidrs: cidrs.to_vec(),
        ca,
        allow_cleartext: scheme == Scheme::Cleartext,
        start_tls: scheme == Scheme::StartTls,
        auth: auth(address.login.mechanism),
        master: address.login.master,
    })
}

/// How the server is reached, and the rest of its URL.
fn address(url: &str) -> Result<(Scheme, Address), CliError> {
    let read = |url| {
        let (scheme, url) = Scheme::of(url)?;
        Address::read(scheme, &url).map(|address| (scheme, address))
    };
    let (scheme, address) = read(url).map_err(|error| bad(url, &why(&error)))?;
    if address.compress != Compressing::Auto {
        let why = text!(
            "compress n'est pas réglable dans le cluster",
            "compress cannot be set in the cluster"
        );
        return Err(bad(url, &why));
    }
    Ok((scheme, address))
}

fn bad(url: &str, why: &Text) -> CliError {
    let Text { fr, en } = why;
    CliError::usage(text!(
        "--source « {url} » incorrect : {fr}",
        "wrong --source {url:?}: {en}"
    ))
    .remedy(text!(
        "attendu : imaps://hôte:993 ou imap+starttls://hôte:143, suivi au besoin de ?auth=… et master=…",
        "expected imaps://host:993 or imap+starttls://host:143, then ?auth=… and master=… where needed"
    ))
}

fn why(error: &AddressError) -> Text {
    match error {
        AddressError::NotUrl(_) => text!("ce n'est pas une URL", "it is not a URL"),
        AddressError::Scheme(other) => text!("{other}:// est inconnu", "{other}:// is unknown"),
        AddressError::Credentials => text!(
            "les identifiants vont dans le fichier de comptes",
            "credentials belong in the accounts file"
        ),
        AddressError::Host => text!("l'hôte manque", "the host is missing"),
        AddressError::HostName(name) => text!(
            "{name} n'est pas un nom d'hôte ; écrivez-le sous sa forme ASCII, xn--…",
            "{name} is no host name; write it in its ASCII form, xn--…"
        ),
        AddressError::Query(why) => text!("{why}", "{why}"),
    }
}

fn auth(mechanism: Mechanism) -> AuthSchema {
    match mechanism {
        Mechanism::Auto => AuthSchema::Auto,
        Mechanism::Plain => AuthSchema::Plain,
        Mechanism::Login => AuthSchema::Login,
        Mechanism::XOauth2 => AuthSchema::XOAuth2,
        Mechanism::OauthBearer => AuthSchema::OAuthBearer,
    }
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
    fn ways_to_log_in_are_read() {
        let source = one("imap+starttls://old.example?master=cyrus", false).unwrap();
        assert_eq!((source.port, source.start_tls), (143, true));
        assert_eq!(source.master.as_deref(), Some("cyrus"));
        assert_eq!(source.url(), "imap+starttls://old.example:143");
        let source = one("imaps://[2001:db8::1]?auth=xoauth2", false).unwrap();
        assert_eq!(source.auth, AuthSchema::XOAuth2);
        assert_eq!(source.url(), "imaps://[2001:db8::1]:993");
    }

    #[test]
    fn bad_servers_are_refused() {
        for url in [
            "imaps://old.example?auth=ntlm",
            "imaps://old.example?compress=never",
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
