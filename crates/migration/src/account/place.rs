//! One side of a line: a server with its login, or files.

use secrecy::SecretString;

use super::{COLUMNS, Destination, Endpoint, EndpointOptions, FileDestination, FileOrigin, Origin};
use crate::imap::{Address, AddressError, Scheme, Security};

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

    fn bad_address(&self, error: &AddressError) -> Wrong {
        let [url, ..] = self.cells;
        self.bad_url(match error {
            AddressError::NotUrl(why) => {
                format!("\"{url}\" is not a URL ({why}); write imaps://host:993")
            }
            AddressError::Scheme(other) => format!(
                "{other}: is unknown; use imaps://host:port, imap+starttls://host:port, or files \
                 as maildir:, mbox:, eml:, takeout:, pst:, ical: or vcard:/path"
            ),
            other => other.to_string(),
        })
    }

    pub(super) fn endpoint(&self) -> Result<Endpoint, Wrong> {
        let [url, user, password] = self.cells;
        let (scheme, parsed) = Scheme::of(url.trim()).map_err(|error| self.bad_address(&error))?;
        let security = match scheme {
            Scheme::Tls => self.tls.clone(),
            Scheme::StartTls => self.tls.upgraded(),
            Scheme::Cleartext if self.options.allow_cleartext => Security::Cleartext,
            Scheme::Cleartext => {
                return Err(self.bad_url(
                "imap:// encrypts nothing; use imaps://, or add --allow-cleartext on a network \
                 you trust"
                    .to_owned(),
            ));
            }
        };
        let address = Address::read(scheme, &parsed).map_err(|error| self.bad_address(&error))?;
        let Address {
            host,
            port,
            login,
            compress,
        } = address;
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
