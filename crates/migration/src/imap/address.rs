//! A server's URL: where it is, how the connection is encrypted and, behind its `?`, how to log in
//! and whether to compress.

use thiserror::Error;
use url::Url;

use super::{Compressing, Login, Mechanism};

/// How the connection to a server is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// `imaps://`: TLS from the first byte.
    Tls,
    /// `imap+starttls://`: TLS by STARTTLS.
    StartTls,
    /// `imap://`: not at all.
    Cleartext,
}

/// What is wrong with a server's URL.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum AddressError {
    /// It is no URL.
    #[error("it is not a URL ({0})")]
    NotUrl(url::ParseError),
    /// Its scheme is another.
    #[error("{0}: is unknown")]
    Scheme(String),
    /// It holds a user or a password.
    #[error("put user and password in their own columns")]
    Credentials,
    /// It names no host.
    #[error("the host is missing; write imaps://host:993")]
    Host,
    /// Its host is no name that can be looked up.
    #[error("{0} is no host name; write it in its ASCII form, xn--…")]
    HostName(String),
    /// What is behind its `?` is wrong.
    #[error("{0}")]
    Query(String),
}

/// A server, with how to log in to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// Host name, or address without brackets.
    pub host: String,
    /// TCP port; the scheme's own when the URL gives none.
    pub port: u16,
    /// How to log in.
    pub login: Login,
    /// When to compress.
    pub compress: Compressing,
}

impl Scheme {
    /// The scheme of a URL's text, with the URL.
    ///
    /// # Errors
    ///
    /// When it is no URL, or of another scheme.
    pub fn of(text: &str) -> Result<(Self, Url), AddressError> {
        let url = Url::parse(text).map_err(AddressError::NotUrl)?;
        let scheme = match url.scheme() {
            "imaps" => Self::Tls,
            "imap+starttls" => Self::StartTls,
            "imap" => Self::Cleartext,
            other => return Err(AddressError::Scheme(other.to_owned())),
        };
        Ok((scheme, url))
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Tls => 993,
            Self::StartTls | Self::Cleartext => 143,
        }
    }
}

impl Address {
    /// Reads the rest of a URL whose scheme was found.
    ///
    /// # Errors
    ///
    /// When it holds credentials, names no host, or has a wrong parameter.
    pub fn read(scheme: Scheme, url: &Url) -> Result<Self, AddressError> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(AddressError::Host)?;
        let host = ascii(host)?;
        let (login, compress) = parse_query(url.query_pairs()).map_err(AddressError::Query)?;
        Ok(Self {
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: url.port().unwrap_or_else(|| scheme.default_port()),
            login,
            compress,
        })
    }
}

/// The host as it is looked up, and as certificates name it: a name with accents in its `xn--` form
/// (RFC 5891). One in ASCII stays as it is written, since journals are named after it.
fn ascii(host: &str) -> Result<String, AddressError> {
    if !host.contains('%') {
        return Ok(host.to_owned());
    }
    let wrong = || AddressError::HostName(host.to_owned());
    // A URL of a scheme that it does not know has such a name in percent signs.
    let name = percent_decode(host).ok_or_else(wrong)?;
    match url::Host::parse(&name) {
        Ok(url::Host::Domain(name)) => Ok(name),
        _ => Err(AddressError::HostName(name)),
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        if *byte == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            out.extend(hex::decode(digits).ok()?);
            rest = after;
        } else {
            out.push(*byte);
            rest = after;
        }
    }
    String::from_utf8(out).ok()
}

/// Reads `auth=…&master=…&compress=…`; the error names what was expected.
fn parse_query<'a>(
    pairs: impl Iterator<Item = (std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)>,
) -> Result<(Login, Compressing), String> {
    let mut login = Login::default();
    let mut compress = Compressing::default();
    for (name, value) in pairs {
        let wrong = |wanted: &str| format!("{name}={value} is unknown; write {name}={wanted}");
        match name.as_ref() {
            "auth" => {
                login.mechanism = Mechanism::parse(&value)
                    .ok_or_else(|| wrong("plain, login, xoauth2, oauthbearer or auto"))?;
            }
            "master" if !value.is_empty() && !value.contains('\0') => {
                login.master = Some(value.into_owned());
            }
            "master" => return Err(wrong("the administrator's login")),
            "compress" => {
                compress =
                    Compressing::parse(&value).ok_or_else(|| wrong("auto, always or never"))?;
            }
            _ => {
                return Err(format!(
                    "the parameter {name} is unknown; auth, master and compress are known"
                ));
            }
        }
    }
    let by_password = matches!(
        login.mechanism,
        Mechanism::Auto | Mechanism::Plain | Mechanism::Login
    );
    match login.mechanism {
        Mechanism::Login if login.master.is_some() => Err(
            "auth=login knows no master; write the user as user*master, or leave auth out"
                .to_owned(),
        ),
        _ if login.master.is_some() && !by_password => {
            Err("a token knows no master; leave master out".to_owned())
        }
        _ => Ok((login, compress)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<(Login, Compressing), String> {
        let url = url::Url::parse(&format!("imaps://a?{query}")).expect("a URL");
        parse_query(url.query_pairs())
    }

    #[test]
    fn names_with_accents_are_looked_up_in_ascii() {
        let host = |url: &str| {
            let (scheme, url) = Scheme::of(url).expect("a URL");
            Address::read(scheme, &url).map(|address| address.host)
        };
        for (url, expected) in [
            (
                "imaps://messagerie.hérouville.example:993",
                "messagerie.xn--hrouville-b4a.example",
            ),
            (
                "imap+starttls://HÉROUVILLE.example",
                "xn--hrouville-b4a.example",
            ),
            ("imaps://bücher。example", "xn--bcher-kva.example"),
            (
                "imaps://he\u{301}rouville.example",
                "xn--hrouville-b4a.example",
            ),
            ("imaps://Old.Example:1993", "Old.Example"),
            (
                "imaps://xn--hrouville-b4a.example",
                "xn--hrouville-b4a.example",
            ),
            ("imaps://192.0.2.7", "192.0.2.7"),
            ("imaps://[2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(host(url).as_deref(), Ok(expected), "{url}");
        }
        for url in [
            "imaps://a%00b",
            "imaps://%ff.example",
            "imaps://a\u{ad}%20b.example",
        ] {
            let error = host(url).expect_err(url);
            assert!(error.to_string().contains("xn--"), "{error}");
        }
    }

    #[test]
    fn parameters_are_known_or_refused() {
        assert_eq!(parse(""), Ok((Login::default(), Compressing::Auto)));
        let (login, compress) = parse("auth=XOAUTH2&compress=never").expect("good");
        assert_eq!(login.mechanism, Mechanism::XOauth2);
        assert_eq!(compress, Compressing::Never);
        let (login, _) = parse("master=root%40old").expect("good");
        assert_eq!(login.master.as_deref(), Some("root@old"));
        for (bad, hint) in [
            ("auth=ntlm", "xoauth2"),
            ("compress=1", "always"),
            ("master=", "login"),
            ("autH=plain", "known"),
            ("auth=login&master=a", "user*master"),
            ("auth=xoauth2&master=a", "token"),
        ] {
            let error = parse(bad).expect_err(bad);
            assert!(error.contains(hint), "{error}");
        }
    }
}
