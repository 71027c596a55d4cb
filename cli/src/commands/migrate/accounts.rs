//! The accounts of a migration: a CSV file, taken whole or not at all.

use std::path::Path;

use melouvert_domain::EmailAddress;
use melouvert_migration::account::sheet::Sheet;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    errors::CliError,
    text::{Text, text},
};

const COLUMNS: [&str; 4] = [
    "source_user",
    "source_password",
    "target_user",
    "target_password",
];

/// One account to copy.
#[derive(Debug)]
pub struct Line {
    /// The login at the old server.
    pub source_user: String,
    /// Its password.
    pub source_password: SecretString,
    /// The agent's address, which is the login.
    pub target_user: EmailAddress,
    /// The agent's password.
    pub target_password: SecretString,
}

/// Reads the file at `path`; see [`parse`].
pub fn read(path: &Path, domains: Option<&[String]>) -> Result<Vec<Line>, CliError> {
    parse(&bytes(path)?, domains)
}

/// The file as it is.
pub fn bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| {
        let shown = path.display();
        CliError::usage(text!(
            "--accounts {shown} illisible",
            "--accounts {shown} is unreadable"
        ))
        .caused_by(&error)
    })
}

/// Reads the file; `domains`, when known, are the only ones that a target may have.
pub fn parse(bytes: &[u8], domains: Option<&[String]>) -> Result<Vec<Line>, CliError> {
    let (mut sheet, header) = Sheet::open(bytes).map_err(|error| not_csv(&error))?;
    let width = sheet.columns();
    let mut places = [0_usize; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        *place = header
            .iter()
            .position(|found| found == column)
            .ok_or_else(|| {
                bad(
                    1,
                    column,
                    &text!(
                        "colonne absente de la première ligne",
                        "column absent from the first line"
                    ),
                )
            })?;
    }
    let mut lines: Vec<Line> = Vec::new();
    for row in sheet.rows() {
        let (number, record) = row.map_err(|error| not_csv(&error))?;
        if record.len() != width {
            return Err(unequal(number, record.len(), width));
        }
        let line = line(&record, places, number, domains)?;
        if lines
            .iter()
            .any(|l| l.target_user == line.target_user && l.source_user == line.source_user)
        {
            return Err(bad(
                number,
                "source_user",
                &text!(
                    "ce compte est déjà plus haut",
                    "this account is already above"
                ),
            ));
        }
        lines.push(line);
    }
    if lines.is_empty() {
        return Err(CliError::usage(text!(
            "le fichier de comptes est vide",
            "the accounts file is empty"
        ))
        .remedy(expected()));
    }
    Ok(lines)
}

fn line(
    record: &csv::StringRecord,
    places: [usize; COLUMNS.len()],
    number: u64,
    domains: Option<&[String]>,
) -> Result<Line, CliError> {
    let cell = |column: usize| {
        let value = record.get(places[column]).unwrap_or_default();
        let name = COLUMNS[column];
        if value.is_empty() {
            Err(bad(number, name, &text!("valeur vide", "empty value")))
        } else if value.contains(['\r', '\n', '\0']) {
            Err(bad(
                number,
                name,
                &text!(
                    "saut de ligne ou NUL dans la valeur",
                    "line break or NUL in the value"
                ),
            ))
        } else {
            Ok(value)
        }
    };
    let target: EmailAddress = cell(2)?.trim().parse().map_err(|error| {
        let why = crate::errors::chain(&error);
        bad(
            number,
            "target_user",
            &text!("adresse incorrecte ({why})", "wrong address ({why})"),
        )
    })?;
    let domain = target.domain().as_str();
    if domains.is_some_and(|domains| !domains.iter().any(|d| d == domain)) {
        return Err(bad(
            number,
            "target_user",
            &text!(
                "{domain} n'est pas un domaine de la collectivité",
                "{domain} is no domain of the collectivity"
            ),
        ));
    }
    Ok(Line {
        source_user: cell(0)?.to_owned(),
        source_password: SecretString::from(cell(1)?.to_owned()),
        target_user: target,
        target_password: SecretString::from(cell(3)?.to_owned()),
    })
}

/// The file as it is put in the Secret, in the expected order of columns.
pub fn to_csv<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Result<Vec<u8>, CliError> {
    let failed = |error: &dyn std::error::Error| {
        CliError::failure(text!(
            "écriture du CSV impossible",
            "failed to write the CSV"
        ))
        .caused_by(error)
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(COLUMNS)
        .map_err(|error| failed(&error))?;
    for line in lines {
        writer
            .write_record([
                line.source_user.as_str(),
                line.source_password.expose_secret(),
                &line.target_user.to_string(),
                line.target_password.expose_secret(),
            ])
            .map_err(|error| failed(&error))?;
    }
    writer.into_inner().map_err(|error| failed(&error))
}

fn not_csv(error: &csv::Error) -> CliError {
    let line = error.position().map_or(1, csv::Position::line);
    let why = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => text!("pas en UTF-8", "not UTF-8"),
        _ => text!("CSV illisible", "unreadable CSV"),
    };
    let (fr, en) = (why.fr, why.en);
    CliError::usage(text!(
        "fichier de comptes, ligne {line} : {fr}",
        "accounts file, line {line}: {en}"
    ))
    .remedy(expected())
}

fn unequal(line: u64, len: usize, width: usize) -> CliError {
    CliError::usage(text!(
        "fichier de comptes, ligne {line} : {len} colonnes au lieu de {width} ; mettez entre guillemets les valeurs qui contiennent le séparateur",
        "accounts file, line {line}: {len} columns instead of {width}; quote values that hold the separator"
    ))
    .remedy(expected())
}

/// Never shows a value that could be a password.
fn bad(line: u64, column: &str, why: &Text) -> CliError {
    let (fr, en) = (&why.fr, &why.en);
    CliError::usage(text!(
        "fichier de comptes, ligne {line}, colonne {column} : {fr}",
        "accounts file, line {line}, column {column}: {en}"
    ))
    .remedy(expected())
}

fn expected() -> Text {
    let columns = COLUMNS.join(",");
    text!(
        "attendu : {columns} sur la première ligne, puis un compte par ligne ; rien n'a été envoyé",
        "expected {columns} on the first line, then one account a line; nothing was sent"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "source_user,source_password,target_user,target_password\n";

    #[test]
    fn good_lines_are_read_and_written_back() {
        let text = format!("{HEAD}old,\"p,\"\"w\",Jeanne@caen.example,x\n");
        let lines = parse(text.as_bytes(), Some(&["caen.example".into()])).unwrap();
        assert_eq!(lines[0].source_password.expose_secret(), "p,\"w");
        let again = parse(&to_csv(&lines).unwrap(), None).unwrap();
        assert_eq!(again[0].target_user.to_string(), "jeanne@caen.example");
        assert_eq!(again[0].source_password.expose_secret(), "p,\"w");
    }

    #[test]
    fn a_table_of_a_french_excel_is_read() {
        let text = format!("{HEAD}old,p,jeanne@caen.example,x\n,,,\n").replace(',', ";");
        let lines = parse(text.replace('\n', "\r\n").as_bytes(), None).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].source_password.expose_secret(), "p");
    }

    #[test]
    fn a_bad_line_is_named_without_its_secrets() {
        let domains = ["caen.example".to_owned()];
        for (rows, place) in [
            ("a,s3cret,b@caen.example\n", "line 2: 3 columns"),
            (
                "a,s3cret,b@caen.example,x\na,,b@caen.example,x\n",
                "line 3, column source_password",
            ),
            ("a,s3cret,nobody,x\n", "line 2, column target_user"),
            (
                "a,s3cret,b@rouen.example,x\n",
                "line 2, column target_user: rouen.example",
            ),
            (
                "a,s3cret,b@caen.example,x\na,s3cret,b@caen.example,x\n",
                "line 3, column source_user",
            ),
            ("", "empty"),
        ] {
            let error = parse(format!("{HEAD}{rows}").as_bytes(), Some(&domains)).unwrap_err();
            assert!(
                error.message.en.contains(place),
                "{error} should name {place}"
            );
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
        let error = parse(b"user,password\n", None).unwrap_err();
        assert!(
            error.message.en.contains("line 1, column source_user"),
            "{error}"
        );
    }
}
