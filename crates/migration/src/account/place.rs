//! One side of a line: a server with its login, or files.

use secrecy::SecretString;
use url::Url;

use super::{COLUMNS, Destination, Endpoint, EndpointOptions, FileDestination, FileOrigin, Origin};
use crate::imap::{Security, parse_query};

/// A column's name and what is wrong there.
type Wrong = (&'static str, String);

/// Reads one side of a line.
pub(super) struct Reader<'a> {
    /// URL, user, password.
    pub(super) cells: [&'a str; 3],
    /// The column of the URL.
    pub(super) first: usize,
    pub(super) options: &'a EndpointOptions,
    pub(super) tls: &'a Security,
}

impl Reader<'_> {
    /// Where messages come from.
    pub(super) fn origin(&self) -> Result<Origin, Wrong> {
        match FileOrigin::parse(self.cells[0].trim()) {
            Some(files) => Ok(Origin::Files(files.map_err(|reason| self.bad_url(reason))?)),
            None => self.endpoint().map(Origin::Imap),
        }
    }

    /// Where messages go.
    pub(super) fn destination(&self) -> Result<Destination, Wrong> {
        let url = self.cells[0].trim();
        if let Some(files) = FileDestination::parse(url) {
            return Ok(Destination::Files(
                files.map_err(|reason| self.bad_url(reason))?,
            ));
        }
        if FileOrigin::parse(url).is_some() {
            let scheme = url.split(':').next().unwrap_or_default();
            return Err(self.bad_url(format!(
                "{scheme} files can only be read; write imaps://host:993, maildir:/folder or \
                 export:/folder"
            )));
        }
        self.endpoint().map(Destination::Imap)
    }

    fn bad_url(&self, reason: String) -> Wrong {
        (COLUMNS[self.first], reason)
    }

    pub(super) fn endpoint(&self) -> Result<Endpoint, Wrong> {
        let [url, user, password] = self.cells;
        let parsed = Url::parse(url.trim()).map_err(|error| {
            self.bad_url(format!(
                "\"{url}\" is not a URL ({error}); write imaps://host:993"
            ))
        })?;
        let (security, default_port) = match parsed.scheme() {
            "imaps" => (self.tls.clone(), 993),
            "imap+starttls" => (self.tls.upgraded(), 143),
            "imap" if self.options.allow_cleartext => (Security::Cleartext, 143),
            "imap" => {
                return Err(self.bad_url(
                "imap:// encrypts nothing; use imaps://, or add --allow-cleartext on a network \
                 you trust"
                    .to_owned(),
            ));
            }
            other => {
                return Err(self.bad_url(format!(
                "{other}: is unknown; use imaps://host:port, imap+starttls://host:port, or files \
                 as maildir:, mbox:, eml:, takeout:, pst:, ical: or vcard:/path"
            )));
            }
        };
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(self.bad_url("put user and password in their own columns".to_owned()));
        }
        let host = parsed.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| {
            self.bad_url("the host is missing; write imaps://host:993".to_owned())
        })?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = parsed.port().unwrap_or(default_port);
        let query = parse_query(parsed.query_pairs());
        let (login, compress) = query.map_err(|reason| self.bad_url(reason))?;
        for (offset, value) in [(1, user), (2, password)] {
            if value.is_empty() {
                return Err((
                    COLUMNS[self.first + offset],
                    "it is empty; fill it in".to_owned(),
                ));
            }
            if value.contains(['\r', '\n', '\0']) {
                return Err((
                    COLUMNS[self.first + offset],
                    "it holds a line break or NUL".to_owned(),
                ));
            }
        }
        Ok(Endpoint {
            url: format!("{}://{host}:{port}", parsed.scheme()),
            host,
            port,
            security,
            user: user.to_owned(),
            password: SecretString::from(password.to_owned()),
            login,
            compress,
        })
    }
}
