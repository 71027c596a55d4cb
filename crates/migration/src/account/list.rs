//! The list of accounts read from CSV, whole or not at all.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Account;
use super::place::Reader;
use super::sheet::Sheet;
use crate::imap::{ImapError, Security};

/// The columns of an accounts file, in order.
pub const COLUMNS: [&str; 6] = [
    "source_url",
    "source_user",
    "source_password",
    "target_url",
    "target_user",
    "target_password",
];

/// How endpoints may be reached.
#[derive(Clone, Debug, Default)]
pub struct EndpointOptions {
    /// Accept `imap://`, which encrypts nothing.
    pub allow_cleartext: bool,
    /// PEM file of authorities trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
}

/// Why an accounts file was refused; nothing of it is used.
#[derive(Debug, Error)]
pub enum AccountsError {
    /// The file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The first line is not the expected one.
    #[error("failed to use the accounts file: line 1 must name the columns {}; column {column} is missing", COLUMNS.join(","))]
    Header {
        /// The missing column.
        column: &'static str,
    },
    /// The file is not CSV.
    #[error("failed to use the accounts file: line {line}: {reason}")]
    Csv {
        /// Line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// One value is wrong.
    #[error("failed to use the accounts file: line {line}, column {column}: {reason}")]
    Value {
        /// Line, from 1.
        line: u64,
        /// Column name.
        column: &'static str,
        /// What was expected and the remedy.
        reason: String,
    },
    /// It names nobody.
    #[error("failed to use the accounts file: it holds no account below its first line")]
    Empty,
    /// The CA file cannot be used.
    #[error(transparent)]
    CaFile(#[from] ImapError),
}

/// Reads an accounts file.
pub fn read_accounts(
    path: &Path,
    options: &EndpointOptions,
) -> Result<Vec<Account>, AccountsError> {
    let bytes = std::fs::read(path).map_err(|source| AccountsError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse_accounts(&bytes, options)
}

/// Parses the text of an accounts file.
pub fn parse_accounts(
    bytes: &[u8],
    options: &EndpointOptions,
) -> Result<Vec<Account>, AccountsError> {
    let tls = Security::tls(options.ca_file.as_deref())?;
    let (mut sheet, header) = Sheet::open(bytes).map_err(|error| csv_error(&error))?;
    let columns = sheet.columns();
    let mut places = [0usize; 6];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let name = |found: &str| found == column;
        *place = header
            .iter()
            .position(name)
            .ok_or(AccountsError::Header { column })?;
    }
    let mut accounts = Vec::new();
    let mut seen = std::collections::HashMap::new();
    for row in sheet.rows() {
        let (line, record) = row.map_err(|error| csv_error(&error))?;
        if record.len() != columns {
            let found = record.len();
            let reason = format!(
                "{found} columns instead of {columns}; quote values that hold the separator"
            );
            return Err(AccountsError::Csv { line, reason });
        }
        let cell = |index: usize| record.get(places[index]).unwrap_or("");
        let side = |first: usize| Reader {
            cells: [cell(first), cell(first + 1), cell(first + 2)],
            first,
            options,
            tls: &tls,
        };
        let wrong = |(column, reason)| AccountsError::Value {
            line,
            column,
            reason,
        };
        let account = Account {
            source: side(0).origin().map_err(wrong)?,
            target: side(3).destination().map_err(wrong)?,
        };
        if let Some(first) = seen.insert(account.key(), line) {
            let reason = format!("the same source and target as line {first}; remove one of them");
            return Err(AccountsError::Value {
                line,
                column: "source_user",
                reason,
            });
        }
        accounts.push(account);
    }
    if accounts.is_empty() {
        Err(AccountsError::Empty)
    } else {
        Ok(accounts)
    }
}

fn csv_error(error: &csv::Error) -> AccountsError {
    let line = error.position().map_or(1, csv::Position::line);
    let reason = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8; save the file as UTF-8".to_owned(),
        _ => error.to_string(),
    };
    AccountsError::Csv { line, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Destination, Origin};
    use crate::imap::Mechanism;

    const HEAD: &str =
        "source_url,source_user,source_password,target_url,target_user,target_password\n";

    fn parse(rows: &str, allow_cleartext: bool) -> Result<Vec<Account>, AccountsError> {
        let options = EndpointOptions {
            allow_cleartext,
            ca_file: None,
        };
        parse_accounts(format!("{HEAD}{rows}").as_bytes(), &options)
    }

    #[test]
    fn reads_good_lines() {
        let rows = "imaps://old.example,a,\"x,\"\"y\",imaps://new.example:1993,b,z\n";
        let accounts = parse(rows, false).expect("good");
        let Origin::Imap(source) = &accounts[0].source else {
            panic!("a server")
        };
        assert_eq!(source.port, 993);
        assert_eq!(source.password_length(), 4);
        assert_eq!(accounts[0].target.url(), "imaps://new.example:1993");
    }

    #[test]
    fn tables_of_a_french_excel_are_read() {
        let rows = "imaps://old.example,a,x,imaps://new.example,b,z\n,,,,,\n";
        let text = format!("{HEAD}{rows}")
            .replace(',', ";")
            .replace('\n', "\r\n");
        let options = EndpointOptions::default();
        let accounts = parse_accounts(text.as_bytes(), &options).expect("good");
        assert_eq!(accounts.len(), 1);
        let short = text.replace(";z", "");
        let error = parse_accounts(short.as_bytes(), &options).expect_err("a column is missing");
        assert!(error.to_string().contains("line 2: 5 columns"), "{error}");
    }

    #[test]
    fn files_need_no_login() {
        let rows = "mbox:/old/a.mbox,,,imaps://new.example,b,z\n\
                    imaps://old.example,a,x,export:/new/a,,\n";
        let accounts = parse(rows, false).expect("good");
        assert_eq!(accounts[0].source.url(), "mbox:/old/a.mbox");
        assert_eq!(accounts[0].source.user(), "/old/a.mbox");
        assert_eq!(accounts[1].target.user(), "/new/a");
        assert!(!accounts[0].key().contains('/'));
    }

    #[test]
    fn urls_say_how_to_log_in() {
        let rows = "imap+starttls://old.example?master=root,a,x,imaps://b?auth=xoauth2,b,t\n";
        let account = parse(rows, false).expect("good").remove(0);
        let (Origin::Imap(source), Destination::Imap(target)) = (account.source, account.target)
        else {
            panic!("servers")
        };
        assert!(matches!(source.security, Security::StartTls(_)));
        assert_eq!(
            (source.port, source.url.as_str()),
            (143, "imap+starttls://old.example:143")
        );
        assert_eq!(source.login.master.as_deref(), Some("root"));
        // The journal stays the same whatever way the login takes.
        assert_eq!(target.url, "imaps://b:993");
        assert_eq!(target.login.mechanism, Mechanism::XOauth2);
        let error = parse("imaps://a?auth=x,u,p,imaps://b,u,p\n", false).expect_err("unknown");
        assert!(error.to_string().contains("source_url"), "{error}");
    }

    #[test]
    fn names_line_and_column() {
        let good = "imaps://a,u,p,imaps://b,u,p\n";
        for (rows, cleartext, expected) in [
            (
                format!("{good}imap://a,u,p,imaps://b,u,p\n"),
                false,
                "line 3, column source_url",
            ),
            (
                format!("{good}imap://a,u,p,ftp://b,u,p\n"),
                true,
                "line 3, column target_url",
            ),
            (
                "imaps://a,,p,imaps://b,u,p\n".to_owned(),
                true,
                "line 2, column source_user",
            ),
            (
                "imaps://a,u,p,imaps://b,u,\n".to_owned(),
                true,
                "line 2, column target_password",
            ),
            (
                "imaps://a,u,p,imaps://b,u\n".to_owned(),
                true,
                "line 2: 5 columns",
            ),
            (
                "imaps://a,u,p,mbox:/b,,\n".to_owned(),
                true,
                "line 2, column target_url: mbox files can only be read",
            ),
            (
                "mbox:/a?dialect=x,,,imaps://b,u,p\n".to_owned(),
                true,
                "line 2, column source_url",
            ),
            (
                "imaps://a:x,u,p,imaps://b,u,p\n".to_owned(),
                true,
                "line 2, column source_url",
            ),
            (
                format!("{good}{good}"),
                true,
                "line 3, column source_user: the same",
            ),
            (String::new(), true, "no account"),
        ] {
            let error = parse(&rows, cleartext).expect_err(&rows).to_string();
            assert!(
                error.contains(expected),
                "{error} should contain {expected}"
            );
            assert!(!error.contains(",p"), "no secret in {error}");
        }
    }
}
